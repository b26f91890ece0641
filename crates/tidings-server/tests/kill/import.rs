//! Imports that are killed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::process::{
    is_following, kill, run, serve, shown, stop, tidings, verify, wait_for_lines,
};
use super::random::{Random, seed};
use super::world::{Shown, cut_into_files, log_lines};

const ROUNDS: usize = 60;

/// Rounds of imports through a server that is killed.
const SERVED_ROUNDS: usize = 16;

/// The files as arguments of `tidings import`.
fn arguments(files: &[PathBuf]) -> Vec<&str> {
    let mut arguments = vec!["import", "--timezone", "UTC"];
    arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
    arguments
}

fn import(data: &Path, files: &[PathBuf], round: &str) {
    let output = run(data, &arguments(files));
    assert!(
        output.status.success(),
        "{round}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Four files, the second one packed.
fn files(dir: &Path, log: &[u8]) -> Vec<PathBuf> {
    let mut files = cut_into_files(dir, log, 4);
    let packed = dir.join("mail.log.1.gz");
    let file = std::fs::File::create(&packed).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    encoder
        .write_all(&std::fs::read(&files[1]).unwrap())
        .unwrap();
    encoder.finish().unwrap();
    files[1] = packed;
    files
}

#[test]
fn an_import_that_is_killed_is_finished_by_the_next() {
    let seed = seed();
    let dir = TempDir::new().unwrap();
    let files = files(dir.path(), &log_lines(1000, 900));
    let calm = dir.path().join("calm");
    let begun = Instant::now();
    import(&calm, &files, "calm");
    let mut takes = begun.elapsed();
    let expected = shown(&calm);
    assert!(expected.events.len() > 900 && expected.messages.len() > 50);
    verify(&calm, "calm");
    println!("seed {seed}, an import takes {takes:?}");
    let mut random = Random::new(seed);
    let mut kills = 0;
    for number in 0..ROUNDS {
        let round = format!("seed {seed}, round {number}");
        let data = dir.path().join(format!("data{number}"));
        for _ in 0..=random.below(3) {
            kills += usize::from(kill_an_import(&data, &files, &mut takes, &mut random));
        }
        import(&data, &files, &round);
        check(&data, &expected, &round);
        std::fs::remove_dir_all(&data).unwrap();
    }
    println!("{ROUNDS} rounds with {kills} kills");
    assert!(kills > ROUNDS / 4, "only {kills} kills");
}

/// As above, with an import that a server does while it follows another log; both are killed.
#[test]
fn an_import_by_a_server_that_is_killed_is_finished_by_the_next() {
    let seed = seed();
    println!("seed {seed}");
    let dir = TempDir::new().unwrap();
    let files = files(dir.path(), &log_lines(1000, 900));
    let calm = Served::new(dir.path(), "calm");
    let begun = Instant::now();
    calm.finish(&files, "calm");
    let mut takes = begun.elapsed();
    let expected = shown(&calm.data);
    let mut random = Random::new(seed);
    let mut kills = 0;
    for number in 0..SERVED_ROUNDS {
        let round = format!("seed {seed}, round {number}");
        let served = Served::new(dir.path(), &format!("data{number}"));
        for _ in 0..=random.below(2) {
            let server = served.start();
            let mut command = tidings(&served.data, &arguments(&files));
            while !is_following(&served.data) {
                std::thread::sleep(Duration::from_millis(1));
            }
            let mut child = command.stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(takes.mul_f64(random.below(1000) as f64 / 2200.0));
            let is_running = child.try_wait().unwrap().is_none();
            kills += usize::from(is_running);
            takes = takes.mul_f64(if is_running { 1.0 } else { 0.8 });
            kill(server);
            // It has lost its server.
            child.wait().unwrap();
        }
        served.finish(&files, &round);
        check(&served.data, &expected, &round);
    }
    println!("{SERVED_ROUNDS} rounds with {kills} kills");
    assert!(kills > 0);
}

/// A data directory whose server follows a log that does not change.
struct Served {
    data: PathBuf,
    settings: PathBuf,
    said: PathBuf,
}

impl Served {
    fn new(dir: &Path, name: &str) -> Served {
        let log = dir.join("followed.log");
        std::fs::write(&log, log_lines(600, 400)).unwrap();
        let settings = dir.join(format!("{name}.toml"));
        let text = format!(
            "[http]\nlisten = []\n[console]\nlevel = \"off\"\n\
             [[source]]\npaths = {log:?}\nstart = \"beginning\"\ntimezone = \"UTC\"\n"
        );
        std::fs::write(&settings, text).unwrap();
        Served {
            data: dir.join(name),
            settings,
            said: dir.join(format!("{name}.said")),
        }
    }

    fn start(&self) -> std::process::Child {
        serve(&self.data, &self.settings, &self.said)
    }

    /// Lets a server import the files and follow its log to the end.
    fn finish(&self, files: &[PathBuf], round: &str) {
        let server = self.start();
        while !is_following(&self.data) {
            std::thread::sleep(Duration::from_millis(1));
        }
        import(&self.data, files, round);
        wait_for_lines(&self.data, 400 + 900, round, &self.said);
        stop(server);
    }
}

/// Gives whether it had not ended before; if it had, imports take less time than was thought.
fn kill_an_import(
    data: &Path,
    files: &[PathBuf],
    takes: &mut Duration,
    random: &mut Random,
) -> bool {
    let mut command = tidings(data, &arguments(files));
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(takes.mul_f64(random.below(1000) as f64 / 900.0));
    let is_running = child.try_wait().unwrap().is_none();
    if !is_running {
        *takes = takes.mul_f64(0.9);
    }
    kill(child);
    is_running
}

fn check(data: &Path, expected: &Shown, round: &str) {
    shown(data).assert_is(expected, round);
    verify(data, round);
}
