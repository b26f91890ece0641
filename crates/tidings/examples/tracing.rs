//! A program that tells `tracing` what it does, and prints what arrives as Tidings' events.
//!
//! `cargo run -p tidings --features tracing --example tracing`

use std::thread;
use std::time::Duration;

use tidings::{Interest, Settings, Subscription, TracingLayer};
use tidings_event::text::{TextStyle, write_text};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = tidings::start(Settings::default())?;
    telemetry.install_panic_hook();
    let everything = Subscription::new("printer").interest(Interest::all());
    let mut subscriber = telemetry.subscribe(everything)?;
    let printer = thread::spawn(move || {
        while let Some(batch) = subscriber.recv() {
            for event in batch.events().flatten() {
                let mut line = Vec::new();
                write_text(&mut line, &event, None, &TextStyle::default());
                print!("{}", String::from_utf8_lossy(&line));
            }
        }
    });
    // What a program has anyway.
    tracing_subscriber::registry()
        .with(TracingLayer::new())
        .init();
    serve();
    telemetry.shutdown(Duration::from_secs(5))?;
    printer.join().map_err(|_| "the printer panicked")?;
    Ok(())
}

fn serve() {
    let request = tracing::info_span!(
        "request",
        remote_ip = "192.0.2.7",
        bytes = tracing::field::Empty
    );
    let _entered = request.enter();
    tracing::debug!(path = "/inbox", "begun");
    // A type of the catalogue.
    tracing::info!(event = "auth.failed", account_name = "alice@example.org");
    tracing::warn!(attempts = 3, "too many tries");
    request.record("bytes", 512);
}
