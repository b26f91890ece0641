//! A server that is killed while it follows a log and takes events by HTTP.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tidings_event::{EventRef, Key};

use super::process::{self, Answer, shown, stop, verify, wait_for_lines};
use super::random::{Random, seed};
use super::script::{LogFolder, Step, script};
use super::world::{Shown, log_lines};

/// Scripts that are played, each to a server that is killed and to one that is not.
const ROUNDS: u64 = 28;

/// Scripts that are played at a time: mostly they wait.
const AT_A_TIME: u64 = 7;

#[test]
fn a_killed_server_ends_as_one_that_was_not() {
    let seed = seed();
    println!("seed {seed}");
    let kills = AtomicUsize::new(0);
    let (next, kills_of) = (AtomicUsize::new(0), &kills);
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed) as u64;
                    if number >= ROUNDS {
                        return;
                    }
                    let done = round(seed.wrapping_add(number));
                    kills_of.fetch_add(done, Ordering::Relaxed);
                }
            });
        }
    });
    let kills = kills.into_inner();
    println!("{ROUNDS} rounds with {kills} kills");
    assert!(kills as u64 >= ROUNDS, "only {kills} kills");
}

/// Plays a script twice and compares; gives how often the server was killed.
fn round(seed: u64) -> usize {
    let round = format!("round with seed {seed}");
    let mut random = Random::new(seed);
    let (from, lines) = (random.within(0..3500), random.within(100..500));
    let log = log_lines(from, lines);
    let steps = script(&log, &mut random);
    let dir = TempDir::new().unwrap();
    let calm = Played::new(&dir.path().join("calm"));
    let child = calm.start();
    let ingested = calm.play(&steps, &mut Random::new(seed));
    calm.finish(child, lines, &round);
    let (expected, found) = calm.shown();
    ingested.assert_kept(&found, &format!("{round}, calm"));
    assert_eq!(expected.lines(), sorted_lines(&log), "{round}, calm");

    let hurt = Played::new(&dir.path().join("hurt"));
    let is_over = AtomicBool::new(false);
    let (ingested, kills) = std::thread::scope(|scope| {
        let killer = scope.spawn(|| hurt.keep_killing(&is_over, Random::new(!seed)));
        let ingested = hurt.play(&steps, &mut Random::new(seed));
        is_over.store(true, Ordering::Release);
        (ingested, killer.join().unwrap())
    });
    hurt.finish(hurt.start(), lines, &round);
    let (hurt_shown, found) = hurt.shown();
    ingested.assert_kept(&found, &round);
    hurt_shown.assert_is(&expected, &round);
    verify(&hurt.data, &round);
    kills
}

fn sorted_lines(log: &[u8]) -> Vec<Vec<u8>> {
    let text = log.strip_suffix(b"\n").unwrap_or(log);
    let lines = text.split(|byte| *byte == b'\n');
    let mut lines: Vec<_> = lines.map(<[u8]>::to_vec).collect();
    lines.sort();
    lines
}

/// What was ingested, and what the server said to it.
#[derive(Default)]
struct Ingested(BTreeMap<String, Answer>);

impl Ingested {
    /// What was acknowledged is there once (two events with each name); of the rest, nothing that
    /// was refused, and all of it or nothing.
    fn assert_kept(&self, found: &BTreeMap<String, usize>, round: &str) {
        for (name, answer) in &self.0 {
            let count = found.get(name).copied().unwrap_or(0);
            let is_right = match answer {
                Answer::Acknowledged => count == 2,
                Answer::Unknown => count == 0 || count == 2,
                Answer::Refused => count == 0,
            };
            assert!(
                is_right,
                "{round}: {name} ({answer:?}) is there {count} times of 2"
            );
        }
        assert!(found.keys().all(|name| self.0.contains_key(name)));
    }
}

/// A data directory with the log that its server follows.
struct Played {
    data: PathBuf,
    settings: PathBuf,
    said: PathBuf,
    folder: LogFolder,
    has_begun: AtomicBool,
}

impl Played {
    fn new(dir: &Path) -> Played {
        std::fs::create_dir(dir).unwrap();
        let folder = LogFolder::new(&dir.join("log"));
        let settings = dir.join("tidings.toml");
        let text = format!(
            "[http]\nlisten = []\n[console]\nlevel = \"off\"\n\
             [[source]]\npaths = {:?}\nstart = \"beginning\"\ntimezone = \"UTC\"\n",
            folder.log()
        );
        std::fs::write(&settings, text).unwrap();
        Played {
            data: dir.join("data"),
            settings,
            said: dir.join("said"),
            folder,
            has_begun: AtomicBool::new(false),
        }
    }

    fn start(&self) -> std::process::Child {
        process::serve(&self.data, &self.settings, &self.said)
    }

    /// Does what the script says, with pauses.
    fn play(&self, steps: &[Step], random: &mut Random) -> Ingested {
        let mut ingested = Ingested::default();
        for step in steps {
            if matches!(step, Step::Rename | Step::CopyTruncate) {
                self.wait_for_its_beginning();
            }
            match step {
                Step::Append(bytes) => self.folder.append(bytes),
                Step::Rename => self.folder.rename(),
                Step::CopyTruncate => self.folder.copy_truncate(),
                Step::Ingest(name) => {
                    let line = format!(
                        "{{\"type\":\"server.notice\",\"data\":{{\"message\":\"{name}\"}}}}\n"
                    );
                    let answer = process::ingest(&self.data, &line.repeat(2));
                    ingested.0.insert(name.clone(), answer);
                }
            }
            if random.one_in(2) {
                std::thread::sleep(Duration::from_millis(random.below(40)));
            }
        }
        ingested
    }

    /// A log that was rotated before a server has ever followed it is none of its concern.
    fn wait_for_its_beginning(&self) {
        while !self.has_begun.load(Ordering::Acquire) {
            let is_following = process::is_following(&self.data);
            self.has_begun.store(is_following, Ordering::Release);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Starts servers and kills them until it is over; gives how many.
    fn keep_killing(&self, is_over: &AtomicBool, mut random: Random) -> usize {
        let mut kills = 0;
        while !is_over.load(Ordering::Acquire) {
            let child = self.start();
            let lives_ms = match random.below(14) {
                0 | 1 => random.below(15),
                2..11 => random.below(90),
                11 | 12 => random.below(300),
                // Longer than a renamed log is waited for.
                _ => 1500 + random.below(2000),
            };
            for _ in 0..lives_ms {
                if is_over.load(Ordering::Acquire) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            process::kill(child);
            kills += 1;
            if random.one_in(3) {
                std::thread::sleep(Duration::from_millis(random.below(60)));
            }
        }
        kills
    }

    /// Waits until everything is found, and stops the server.
    fn finish(&self, child: std::process::Child, lines: usize, round: &str) {
        self.has_begun.store(false, Ordering::Release);
        self.wait_for_its_beginning();
        wait_for_lines(&self.data, lines, round, &self.said);
        stop(child);
    }

    /// What is there of the log, and how often each name was ingested.
    fn shown(&self) -> (Shown, BTreeMap<String, usize>) {
        let mut shown = shown(&self.data);
        let mut found = BTreeMap::new();
        shown.events.retain(|(record, _)| {
            let (event, _) = EventRef::read(record).unwrap();
            if let Some(name) = event.str(Key::MESSAGE)
                && name.starts_with("ingested-")
            {
                *found.entry(name.to_owned()).or_default() += 1;
            }
            event.header().position.is_some()
        });
        (shown, found)
    }
}
