//! What an import costs, stage by stage: `cargo run --release -p tidings-engine --example
//! import_bench LOG…`
//!
//! Each stage does all that the ones before it do, and one thing more, so the difference of two
//! is the price of that thing and the last figure is the whole. The first stages run on one
//! thread. Figures are CPU time of the process, kernel included, best of three: other programs
//! make them larger, never smaller. Linux only, since the time is read from `/proc`.

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidings_engine::input::{Block, SampleBuilder, line_key, open};
use tidings_engine::{Engine, EngineOptions, ImportOptions, Interpreter, zone};
use tidings_event::{Drafts, Key, Value};
use tidings_mail::correlate::{Correlator, Limits, NoLookup};
use tidings_mail::envelope::{ClockSettings, Family, Format, read};
use tidings_mail::message::{Folder, FolderLimits};
use tidings_mail::provider::Providers;
use tidings_mail::{dovecot, postfix};

const RUNS: usize = 3;

/// No line of any log lies after this moment: 2100-01-01.
const NOW_NS: i64 = 4_102_444_800_000_000_000;

/// Settled messages are taken after so many lines, as an import does at each commit.
const STEP_LINES: u64 = 500_000;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if files.is_empty() {
        return Err("usage: import_bench LOG…".into());
    }
    let mut lines = 0;
    each_block(&files, |block| lines += block.line_count())?;
    println!("{lines} lines; CPU time of a line");
    let mut before = 0.0;
    let mut stage = |what: &str, work: &mut dyn FnMut() -> Outcome| -> Outcome {
        let micros = best(work)? * 1e6 / lines as f64;
        println!("  {what:<44}{:>+7.2} µs {micros:>7.2} µs", micros - before);
        before = micros;
        Ok(())
    };
    stage("read, unpack, content chain", &mut || {
        each_block(&files, |block| {
            black_box(block.lines().count());
        })
    })?;
    stage("+ sample, to notice other renderings", &mut || {
        let mut known = SampleBuilder::new(line_key);
        each_block(&files, |block| sample(&mut known, block))
    })?;
    stage("+ envelope and statement", &mut || {
        let mut known = SampleBuilder::new(line_key);
        each_block(&files, |block| {
            sample(&mut known, block);
            parse(block);
        })
    })?;
    stage("+ sessions, ids, events", &mut || interpret(&files, |_| ()))?;
    stage("+ messages", &mut || fold(&files))?;
    stage("+ rows, parts, commits, between threads", &mut || {
        import(&files)
    })
}

fn each_block(files: &[PathBuf], mut take: impl FnMut(&Block)) -> Outcome {
    let mut block = Block::new();
    for path in files {
        let mut file = open(path)?;
        while file.next_block(&mut block)? {
            take(&block);
        }
        black_box(file.chain());
    }
    Ok(())
}

fn sample(known: &mut SampleBuilder, block: &Block) {
    block.lines().for_each(|line| known.line(line.bytes));
    black_box(known.sample());
}

fn parse(block: &Block) {
    let mut scratch = Vec::new();
    let mut format = Format::Unknown;
    for line in block.lines() {
        let envelope = read(line.bytes, format, &mut scratch);
        format = envelope.format;
        let program = envelope.program();
        match program.family {
            Family::Postfix => {
                black_box(postfix::parse(program.service, envelope.body));
            }
            Family::Dovecot => {
                black_box(dovecot::read(&envelope));
            }
            _ => {}
        }
    }
}

/// Hands over the events of each block.
fn interpret(files: &[PathBuf], mut take: impl FnMut(&Drafts)) -> Outcome {
    let mut correlator = Correlator::new(Limits::default());
    let mut events = Drafts::default();
    for (stream, path) in files.iter().enumerate() {
        let clock = ClockSettings {
            zone: zone("UTC")?,
            year: None,
            reference_ns: NOW_NS,
        };
        let mut interpreter = Interpreter::new(stream as u32, stream as u64, clock);
        let mut known = SampleBuilder::new(line_key);
        each_block(std::slice::from_ref(path), |block| {
            sample(&mut known, block);
            for line in block.lines() {
                let number = line.number;
                interpreter.line(line.bytes, number, &mut correlator, &NoLookup, &mut events);
            }
            take(&events);
            events.clear();
        })?;
    }
    Ok(())
}

fn fold(files: &[PathBuf]) -> Outcome {
    let limits = FolderLimits {
        open: 40_000,
        open_bytes: usize::MAX,
        ..FolderLimits::default()
    };
    let mut folder = Folder::new(limits, Arc::new(Providers::builtin().clone()));
    let mut lines = 0;
    interpret(files, |events| {
        for event in events.iter() {
            let pairs: Vec<(Key, Value<'_>)> = event.pairs().collect();
            folder.apply(event.header(), &pairs, &mut ());
            lines += u64::from(event.header().position.is_some_and(|at| at.ordinal == 0));
        }
        if lines >= STEP_LINES {
            lines = 0;
            folder.take_settled(|message| {
                black_box(&message);
            });
        }
    })?;
    folder.settle_until(NOW_NS);
    folder.take_settled(|message| {
        black_box(&message);
    });
    Ok(())
}

fn import(files: &[PathBuf]) -> Outcome {
    let dir = tempfile::tempdir()?;
    let engine = Engine::open(dir.path(), EngineOptions::default())?;
    let options = ImportOptions {
        timezone: Some("UTC".into()),
        now_ns: NOW_NS,
        ..ImportOptions::default()
    };
    engine.import(files, &options, &mut |_| ())?;
    Ok(())
}

/// CPU seconds of the fastest of some runs.
fn best(work: &mut dyn FnMut() -> Outcome) -> Result<f64, Box<dyn Error>> {
    let mut best = f64::MAX;
    for _ in 0..RUNS {
        let before = cpu_seconds()?;
        work()?;
        best = best.min(cpu_seconds()? - before);
    }
    Ok(best)
}

/// CPU time of this process so far, of threads that have ended too: to a hundredth of a second.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(Path::new("/proc/self/stat"))?;
    // The program's name, which may hold anything, is in brackets; the times are fields 14 and 15.
    let (_, fields) = stat
        .rsplit_once(')')
        .ok_or("/proc/self/stat has no name in it")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: Vec<u64> = ticks.map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<u64>() as f64 / TICKS_A_SECOND)
}
