//! The same log in another rendering is refused, unless it is forced; other logs are not.

#[allow(dead_code, reason = "it uses some of it")]
#[path = "crash/feeder.rs"]
mod feeder;
#[path = "crash/world.rs"]
mod world;

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidings_engine::{Engine, ImportOptions};
use tidings_spool::fault::MemoryBackend;

use feeder::{GrowingLog, catch_up, start};
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
    let done = import(engine, &[path]).unwrap();
    let [refused] = &done.refused[..] else {
        panic!("it is another rendering: {done:?}");
    };
    assert_eq!((done.files, done.lines, refused.force), (0, 0, true));
    let told = &refused.why;
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
    let done = import(&engine, &files).unwrap();
    assert!(done.refused[0].why.contains("in another rendering"));
    let only_first = open(&MemoryBackend::new()).unwrap();
    let other = done.refused[0].file == files[0].to_str().unwrap();
    import(&only_first, &[&files[usize::from(other)]]).unwrap();
    Shown::of(&engine).assert_is(&Shown::of(&only_first), "the first alone");
}

/// One file that is refused, or cannot be read, ended the whole import: those behind it in time
/// were never read.
#[test]
fn a_refused_file_costs_the_others_nothing() {
    let dir = TempDir::new().unwrap();
    let (first, second) = (log_lines(0, 1500), log_lines(1500, 2500));
    let first = write(&dir, "1.log", first);
    let second = write(&dir, "2.log", second);
    let expected = open(&MemoryBackend::new()).unwrap();
    import(&expected, &[&first, &second]).unwrap();
    let mut diverged = std::fs::read(&first).unwrap();
    diverged[9_000..9_300].make_ascii_uppercase();
    let other = std::fs::read_to_string(corpus(RENDERINGS[0])).unwrap();
    let other: Vec<&str> = other.split_inclusive('\n').skip(200).collect();
    let refused = [
        write(&dir, "other.log", other.concat()),
        write(&dir, "picture.log", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\n"),
        write(&dir, "diverged.log", diverged),
        dir.path().join("missing.log"),
        dir.path().to_owned(),
    ];
    // The other rendering begins between the two.
    for split in [0, 1] {
        let disk = MemoryBackend::new();
        let engine = open(&disk).unwrap();
        import(&engine, &[&first][..split]).unwrap();
        let mut files = vec![first.clone(), second.clone()];
        files.extend(refused.iter().cloned());
        let done = import(&engine, &files).unwrap();
        let mut named: Vec<&str> = done.refused.iter().map(|file| &*file.file).collect();
        named.sort_unstable();
        let mut all: Vec<&str> = refused.iter().map(|path| path.to_str().unwrap()).collect();
        all.sort_unstable();
        assert_eq!(named, all);
        for refused in &done.refused {
            assert!(refused.why.contains(&refused.file), "{refused:?}");
        }
        let unread = done.refused.iter().filter(|file| !file.force).count();
        assert_eq!(unread, 2);
        Shown::of(&engine).assert_is(&Shown::of(&expected), "without the refused ones");
        drop(engine);
        let again = import(&open(&disk).unwrap(), &files).unwrap();
        assert_eq!(
            (again.lines, again.files_known, again.refused.len()),
            (0, 2, 5)
        );
    }
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

/// A cron job or a probe writes the same line at the same second of an hour; hourly rotated, or on
/// another day, such a log was taken for another rendering of the one before.
#[test]
fn lines_that_come_again_are_no_other_rendering() {
    let dir = TempDir::new().unwrap();
    let engine = open(&MemoryBackend::new()).unwrap();
    let texts = [
        "postfix/smtpd[7]: connect from monitor.example.test[192.0.2.1]",
        "postfix/smtpd[7]: disconnect from monitor.example.test[192.0.2.1] quit=1 commands=1",
        "dovecot: imap-login: Disconnected: no auth attempts",
        "postfix/postqueue[9]: warning: close",
        "opendkim[3]: OpenDKIM Filter v2.11.0 starting",
        "dovecot: anvil: Warning: x",
    ];
    let file = |name: &str, form: &dyn Fn(u32, &str) -> String, hours: &[u32]| {
        let mut text = String::new();
        for hour in hours {
            for (number, line) in texts.iter().enumerate() {
                text.push_str(&form(hour * 3600 + number as u32, line));
            }
        }
        write(&dir, name, text)
    };
    let clock = |second: u32| {
        let second = second % 86_400;
        format!(
            "{:02}:{:02}:{:02}",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    };
    let old = |day: u32| {
        move |second: u32, line: &str| format!("Nov {day} {} mx {line}\n", clock(second))
    };
    let new = |day: u32| {
        move |second: u32, line: &str| format!("2026-11-{day}T{}+00:00 mx {line}\n", clock(second))
    };
    let once = [
        file("10", &old(10), &[3]),
        // The next day, a day later in another form, another hour of it.
        file("11", &old(11), &[3]),
        file("12", &new(12), &[3]),
        file("12 later", &new(12), &[4]),
        // All hours of a day, and those of the next.
        file("13", &new(13), &[0, 1, 2, 3, 4, 5]),
        file("13 later", &new(13), &[6, 7, 8, 9, 10, 11]),
    ];
    for path in &once {
        let done = import(&engine, &[path]).unwrap();
        assert!(done.refused.is_empty(), "{:?}", done.refused);
        assert!(done.lines >= 6 && done.warnings.is_empty(), "{done:?}");
    }
    // What is another rendering is told by the same lines, be it in another zone.
    let other = file("other", &old(12), &[3]);
    assert_eq!(import(&engine, &[other]).unwrap().refused.len(), 1);
    let far = file("far", &old(12), &[3 + 9]);
    assert_eq!(import(&engine, &[far]).unwrap().refused.len(), 1);
}

/// What a server follows in one form is not imported in another, be it running or not.
#[test]
fn another_rendering_of_a_followed_log_is_refused() {
    let dir = TempDir::new().unwrap();
    let disk = MemoryBackend::new();
    let live = start(open(&disk).unwrap());
    let log = std::fs::read(corpus(RENDERINGS[0])).unwrap();
    let path = dir.path().join("mail.log");
    let mut growing = GrowingLog::new(&path, &log);
    growing.follow(&live, 500, &mut |_| {}).unwrap();
    catch_up(&live);
    assert_refused(live.engine(), &corpus(RENDERINGS[1]), "is or was followed");
    // The followed file itself, under any name, is nothing new and no other rendering.
    let copy = write(&dir, "copy.log", &log);
    for path in [&path, &copy] {
        assert_eq!(import(live.engine(), &[path]).unwrap().lines, 0);
    }
    live.shutdown().unwrap();
    let engine = open(&disk).unwrap();
    assert_refused(&engine, &corpus(RENDERINGS[2]), "is or was followed");
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
