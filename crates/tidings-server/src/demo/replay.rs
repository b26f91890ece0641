//! Writes the sample to a log as time passes: what happened in the last minutes at once, the rest
//! when it is due, and then all of it again.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{SECOND_NS, Sample};
use crate::clock;
use crate::console::Console;
use crate::stop::Stop;

/// Quiet time between two rounds.
const PAUSE_NS: i64 = 5 * SECOND_NS;

/// Size at which the log is renamed, as logrotate does, and a new one begun.
const LOG_BYTES_MAX: u64 = 4 << 20;

/// How often it is looked whether lines are due.
const TICK: Duration = Duration::from_millis(50);

/// The log in a data directory.
pub(crate) fn log_in(data: &Path) -> PathBuf {
    data.join("demo").join("mail.log")
}

/// Makes the log if there is none, and starts a thread that writes it until `stop`.
pub(crate) fn spawn(log: PathBuf, console: Console, stop: Stop) -> io::Result<JoinHandle<()>> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder)?;
    }
    open(&log)?;
    std::thread::Builder::new()
        .name("demo".into())
        .stack_size(256 << 10)
        .spawn(move || {
            if let Err(error) = replay(&log, &stop) {
                console.say(&format!(
                    "the sample is no longer replayed: {}: {error}",
                    log.display()
                ));
            }
        })
}

fn replay(log: &Path, stop: &Stop) -> io::Result<()> {
    let sample = Sample::unpack();
    let mut shift_s = sample.shift_to_end_at(clock::now_ns());
    while !stop.is_set() {
        let mut file = open(log)?;
        if !play(&sample, shift_s, &mut file, stop)? {
            return Ok(());
        }
        let round_ns = sample.last_ns - sample.first_ns + PAUSE_NS;
        // A machine that slept goes on with now.
        let next_s = shift_s + round_ns.div_euclid(SECOND_NS) + 1;
        shift_s = next_s.max(sample.shift_to_end_at(clock::now_ns()));
    }
    Ok(())
}

/// Opens the log, and begins a new one if it is long.
fn open(log: &Path) -> io::Result<File> {
    if std::fs::metadata(log).is_ok_and(|metadata| metadata.len() > LOG_BYTES_MAX) {
        std::fs::rename(log, log.with_extension("log.1"))?;
    }
    OpenOptions::new().append(true).create(true).open(log)
}

/// Writes each line of a round when it is due; gives whether the round came to its end.
fn play(sample: &Sample, shift_s: i64, file: &mut File, stop: &Stop) -> io::Result<bool> {
    let mut due = Vec::new();
    let mut now_ns = clock::now_ns();
    for (time_ns, line) in sample.lines() {
        let time_ns = time_ns + shift_s * SECOND_NS;
        if time_ns > now_ns {
            file.write_all(&due)?;
            due.clear();
        }
        while time_ns > now_ns {
            if stop.is_set() {
                return Ok(false);
            }
            std::thread::sleep(TICK);
            now_ns = clock::now_ns();
        }
        sample.write_line(&mut due, line, shift_s);
    }
    file.write_all(&due)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_past_comes_at_once_and_the_rest_when_it_is_due() {
        let dir = tempfile::tempdir().unwrap();
        let log = log_in(dir.path());
        let (console, thread) = Console::start();
        let stop = Stop::new().unwrap();
        let writing = spawn(log.clone(), console.clone(), stop.clone()).unwrap();
        let lines = Sample::unpack().lines().count();
        let mut written = 0;
        for _ in 0..200 {
            written = std::fs::read_to_string(&log).map_or(0, |text| text.lines().count());
            if written > lines {
                break;
            }
            std::thread::sleep(TICK);
        }
        stop.set();
        writing.join().unwrap();
        // The second round begins some seconds later.
        assert!(
            written >= lines && written < lines + lines / 2,
            "{written} of {lines}"
        );
        thread.finish(console);
    }
}
