//! A server that embeds Tidings: it echoes lines, tells what it does as typed events, and has the
//! outputs in process: a log file, the console, the systemd journal where there is one, and its meters
//! as Prometheus would scrape them.
//!
//! `cargo run -p tidings-sink --example echo_server [DIRECTORY]`
//!
//! It serves three connections of its own making, then ends. The log file is in DIRECTORY, by
//! default below the system's temporary directory.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tidings::meters::Selection;
use tidings::{Cause, Interest, Settings, Subscription, Telemetry, WhenFull, emit, end, span};
use tidings_event::{EventType, Level};
use tidings_sink::{
    ConsoleSink, Driver, DriverContext, JournalSink, LogFileSink, Output, Report, Sink, Terminal,
    feed, settings,
};
use tidings_spool::SystemClock;
use tidings_wire::prometheus;

const LIMIT: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).map(PathBuf::from);
    let directory = directory.unwrap_or_else(|| std::env::temp_dir().join("tidings-echo"));
    let telemetry = tidings::start(Settings {
        when_full: WhenFull::Block {
            limit: Duration::from_millis(100),
        },
        ..Settings::default()
    })?;
    telemetry.install_panic_hook();
    let outputs = outputs(&telemetry, directory)?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    emit!(Server::Startup, version = env!("CARGO_PKG_VERSION"));
    let clients = thread::spawn(move || (0..3).try_for_each(|number| visit(address, number)));
    for stream in listener.incoming().take(3) {
        serve(stream?);
    }
    clients.join().map_err(|_| "a client panicked")??;
    emit!(Server::Shutdown, reason = "three connections were served");

    telemetry.shutdown(LIMIT)?;
    for output in outputs {
        output.join().map_err(|_| "an output panicked")?;
    }
    print_meters();
    Ok(())
}

/// One connection: a span from here to the end.
fn serve(stream: TcpStream) {
    let peer = stream.peer_addr().ok();
    let session = span!(
        Pop3::ConnectionStart,
        remote_ip = peer.map(|peer| peer.ip()),
        remote_port = peer.map(|peer| peer.port()),
    );
    let _entered = session.context().enter();
    match echo(stream) {
        Ok(bytes) => end!(session, bytes_in = bytes, bytes_out = bytes),
        // The span's end comes from its guard.
        Err(why) => emit!(Network::ReadError, caused_by = Cause::error(&why)),
    }
}

fn echo(mut stream: TcpStream) -> std::io::Result<usize> {
    let mut bytes = 0;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        emit!(Pop3::RawInput, size = line.len(), contents = line.as_str());
        stream.write_all(line.as_bytes())?;
        stream.write_all(b"\n")?;
        bytes += line.len() + 1;
    }
    Ok(bytes)
}

fn visit(address: std::net::SocketAddr, number: u32) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    writeln!(stream, "hello {number}")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(())
}

/// Starts the outputs, each fed by a subscriber of its own.
fn outputs(
    telemetry: &Telemetry,
    directory: PathBuf,
) -> Result<Vec<thread::JoinHandle<()>>, Box<dyn Error>> {
    println!("log file in {}", directory.display());
    let clock = Arc::new(SystemClock::new());
    let file = LogFileSink::new(&settings::LogFile::new(directory), clock.clone());
    let console = ConsoleSink::new(&settings::Console::default(), Terminal::stderr());
    let mut sinks: Vec<(&str, EventType, Box<dyn Sink>)> = vec![
        ("file", EventType::TELEMETRY_LOG_ERROR, Box::new(file)),
        (
            "console",
            EventType::TELEMETRY_CONSOLE_ERROR,
            Box::new(console),
        ),
    ];
    match JournalSink::connect(&settings::Journal::default(), "echo_server") {
        Ok(sink) => sinks.push((
            "journal",
            EventType::TELEMETRY_JOURNAL_ERROR,
            Box::new(sink),
        )),
        Err(why) => println!("no journal here: {why}"),
    }
    let start = |(name, error_kind, sink)| output(telemetry, clock.clone(), name, error_kind, sink);
    sinks.into_iter().map(start).collect()
}

fn output(
    telemetry: &Telemetry,
    clock: Arc<SystemClock>,
    name: &str,
    error_kind: EventType,
    sink: Box<dyn Sink>,
) -> Result<thread::JoinHandle<()>, Box<dyn Error>> {
    let everything = Subscription::new(name).interest(Interest::all());
    let mut subscriber = telemetry.subscribe(everything)?;
    let (sender, feed) = feed::channel(1 << 20);
    let output = Output {
        name: name.to_owned(),
        interest: tidings_sink::Interest::from_level(Level::Trace),
        lossy: false,
        error_kind,
        sink,
    };
    let reporter = Arc::new(|report: Report| eprintln!("{report:?}"));
    let driver = Driver::start(
        output,
        Box::new(feed),
        None,
        DriverContext { clock, reporter },
    )?;
    Ok(thread::spawn(move || {
        while let Some(batch) = subscriber.recv() {
            if sender.send(batch.records(), batch.len() as u64).is_err() {
                return;
            }
        }
        drop(sender);
        if !driver.finish(LIMIT) {
            eprintln!("an output did not finish in time");
        }
    }))
}

fn print_meters() {
    let Some(meters) = tidings::meters() else {
        return;
    };
    let mut text = Vec::new();
    let readings = meters.read(&Selection::all());
    prometheus::write(
        &mut text,
        &readings,
        prometheus::Format::Text,
        prometheus::Naming::Reference,
    );
    let text = String::from_utf8_lossy(&text);
    let moved = |line: &&str| line.starts_with("pop3_") && !line.ends_with(" 0");
    for line in text.lines().filter(moved) {
        println!("{line}");
    }
}
