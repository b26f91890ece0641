//! The same log in another rendering is refused, unless it is forced; other logs are not.

#[path = "crash/world.rs"]
mod world;

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidings_engine::{Engine, Error, ImportOptions};
use tidings_spool::fault::MemoryBackend;

use world::{Shown, corpus, import, import_options, log_lines, open};

const RENDERINGS: [&str; 5] = [
    "own/mail.rfc3164.log",
    "own/mail.rfc3339.log",
    "own/mail.rfc5424.log",
    "own/mail.pri-forward.log",
    "own/central-folded.log",
];

fn write(dir: &TempDir, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn assert_refused(engine: &Engine, path: &Path, known: &str) {
    let before = Shown::of(engine);
    let error = import(engine, &[path]).expect_err("it is another rendering");
    let told = error.to_string();
    assert!(matches!(error, Error::Asked(_)), "{told}");
    assert!(told.contains(path.to_str().unwrap()), "{told}");
    // A folded copy in the same form begins like the log that it was folded from.
    let is_named = told.contains(known) || told.contains("begins like a log");
    assert!(is_named && told.contains("--force"), "{told}");
    Shown::of(engine).assert_is(&before, "after a refusal");
}

#[test]
fn every_rendering_of_a_known_log_is_refused() {
    for first in RENDERINGS {
        let disk = MemoryBackend::new();
        let engine = open(&disk).unwrap();
        import(&engine, &[corpus(first)]).unwrap();
        // The samples are part of what is stored.
        drop(engine);
        let engine = open(&disk).unwrap();
        for other in RENDERINGS.into_iter().filter(|other| *other != first) {
            assert_refused(&engine, &corpus(other), first);
        }
    }
}

#[test]
fn two_renderings_in_one_import_are_told_too() {
    let engine = open(&MemoryBackend::new()).unwrap();
    let files = [corpus(RENDERINGS[0]), corpus(RENDERINGS[1])];
    let error = import(&engine, &files).unwrap_err().to_string();
    assert!(error.contains("in another rendering"), "{error}");
    let lines = std::fs::read_to_string(&files[0]).unwrap().lines().count();
    assert!(Shown::of(&engine).lines().len().abs_diff(lines) < 10);
}

#[test]
fn a_piece_in_another_rendering_is_told() {
    let dir = TempDir::new().unwrap();
    let engine = open(&MemoryBackend::new()).unwrap();
    import(&engine, &[corpus(RENDERINGS[0])]).unwrap();
    let piece = write(&dir, "piece.log", log_lines(1500, 2000));
    assert_refused(&engine, &piece, RENDERINGS[0]);
    // And a whole of which a piece is known.
    let engine = open(&MemoryBackend::new()).unwrap();
    import(&engine, &[&piece]).unwrap();
    assert_refused(&engine, &corpus(RENDERINGS[0]), "piece.log");
}

#[test]
fn who_forces_it_gets_it_once() {
    let engine = open(&MemoryBackend::new()).unwrap();
    import(&engine, &[corpus(RENDERINGS[0])]).unwrap();
    let options = ImportOptions {
        force: true,
        ..import_options()
    };
    let other = corpus(RENDERINGS[1]);
    let done = engine
        .import(std::slice::from_ref(&other), &options, &mut |_| {})
        .unwrap();
    assert!(done.lines > 4000 && done.warnings.is_empty());
    let both = Shown::of(&engine);
    let again = import(&engine, &[other]).unwrap();
    assert_eq!((again.lines, again.files_known), (0, 1));
    Shown::of(&engine).assert_is(&both, "imported again");
}

/// A quiet host writes nearly the same every day: the time tells its days apart.
#[test]
fn days_with_the_same_lines_are_not_taken_for_one() {
    let dir = TempDir::new().unwrap();
    let engine = open(&MemoryBackend::new()).unwrap();
    for day in 10..20 {
        let line = |time: u32, text: &str| {
            let time = time + day * 7;
            format!(
                "Nov {day} 03:{:02}:{:02} mx postfix/smtpd[7]: {text}\n",
                time / 60,
                time % 60
            )
        };
        let text = [
            line(5, "connect from localhost[127.0.0.1]"),
            line(6, "lost connection after CONNECT from localhost[127.0.0.1]"),
            line(6, "disconnect from localhost[127.0.0.1] commands=0/0"),
            line(900, "connect from monitor.example.test[192.0.2.1]"),
            line(
                901,
                "disconnect from monitor.example.test[192.0.2.1] quit=1 commands=1",
            ),
        ];
        let done = import(
            &engine,
            &[write(&dir, &format!("{day}.log"), text.concat())],
        );
        assert_eq!(done.unwrap().lines, 5, "day {day}");
    }
}

/// Pieces of one log, one after the other, have no lines in common.
#[test]
fn the_days_of_one_log_are_imported() {
    let dir = TempDir::new().unwrap();
    let engine = open(&MemoryBackend::new()).unwrap();
    for piece in 0..9 {
        let path = write(&dir, &format!("{piece}.log"), log_lines(piece * 500, 500));
        assert_eq!(import(&engine, &[path]).unwrap().lines, 500, "{piece}");
    }
}
