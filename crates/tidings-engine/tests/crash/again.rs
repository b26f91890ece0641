//! Importing again: twice, renamed, packed, grown, joined, in the wrong order, damaged. Nothing is
//! there twice, and only what is new is added.

use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidings_engine::Engine;
use tidings_event::{EventRef, RecordWriter};
use tidings_mail::message::Kind;
use tidings_spool::fault::MemoryBackend;

use super::world::{Shown, import, log_lines, open, with_dependent_lines};

fn write(dir: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn new_engine() -> Engine {
    open(&MemoryBackend::new()).unwrap()
}

fn imported(paths: &[PathBuf]) -> Shown {
    let engine = new_engine();
    import(&engine, paths).unwrap();
    Shown::of(&engine)
}

fn packed(path: &Path, bytes: &[u8]) -> Vec<u8> {
    match path.extension().and_then(|name| name.to_str()) {
        Some("gz") => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Some("xz") => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Some("bz2") => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Some("zst") => zstd::encode_all(bytes, 1).unwrap(),
        _ => bytes.to_vec(),
    }
}

/// What is shown without the numbers of the streams, and without refusals, which are named by them.
fn without_streams(mut shown: Shown) -> Shown {
    for (record, _) in &mut shown.events {
        let event = EventRef::read(record).unwrap().0;
        let mut header = *event.header();
        header
            .position
            .iter_mut()
            .for_each(|position| position.stream = 0);
        let mut plain = Vec::new();
        let mut writer = RecordWriter::begin(&mut plain, &header);
        writer.pairs(event.pairs());
        writer.finish();
        drop(writer);
        *record = plain;
    }
    shown.events.sort();
    shown
        .messages
        .retain(|_, message| message.kind == Kind::Accepted);
    shown
}

fn lines_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut lines: Vec<_> = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    lines.sort();
    lines
}

#[test]
fn the_same_content_under_any_name_and_packing_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let log = log_lines(1000, 300);
    let engine = new_engine();
    import(&engine, &[write(&dir, "mail.log", &log)]).unwrap();
    let expected = Shown::of(&engine);
    assert_eq!(expected.lines(), lines_of(&log));
    for name in [
        "mail.log",
        "renamed",
        "mail.log.1.gz",
        "mail.log.1.xz",
        "mail.log.1.zst",
        "mail.log.1.bz2",
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, packed(&path, &log)).unwrap();
        let done = import(&engine, &[&path, &path]).unwrap();
        assert_eq!(
            (done.files, done.files_known, done.lines, done.events),
            (0, 2, 0, 0),
            "{name}"
        );
        Shown::of(&engine).assert_is(&expected, name);
    }
    // A new packing first, then the plain file.
    let path = dir.path().join("first.zst");
    std::fs::write(&path, packed(&path, &log)).unwrap();
    let engine = new_engine();
    import(&engine, &[path]).unwrap();
    Shown::of(&engine).assert_is(&expected, "packed first");
    import(&engine, &[dir.path().join("mail.log")]).unwrap();
    Shown::of(&engine).assert_is(&expected, "plain second");
}

/// A file that has grown adds its tail. Wherever it was cut, also within a line, every byte is
/// there once, and every message as if the file had been imported whole.
#[test]
fn a_grown_file_adds_only_its_tail() {
    let dir = TempDir::new().unwrap();
    let log = with_dependent_lines(&log_lines(1000, 300), 20);
    let whole = imported(&[write(&dir, "whole.log", &log)]);
    let ends: Vec<usize> = (0..log.len())
        .filter(|at| log[*at] == b'\n')
        .map(|at| at + 1)
        .collect();
    for (cut, rest_packed) in [(ends[19], false), (ends[120], true), (ends[200], false)] {
        let engine = new_engine();
        import(&engine, &[write(&dir, "mail.log", &log[..cut])]).unwrap();
        let name = if rest_packed {
            "mail.log.1.gz"
        } else {
            "mail.log"
        };
        let path = dir.path().join(name);
        std::fs::write(&path, packed(&path, &log)).unwrap();
        let done = import(&engine, &[path]).unwrap();
        let known = log[..cut].iter().filter(|byte| **byte == b'\n').count() as u64;
        assert_eq!(
            done.lines,
            lines_of(&log).len() as u64 - known,
            "cut at {cut}"
        );
        // The tail is a stream of its own, for it may be another file joined to the first; apart
        // from its number all is the same, span ids too.
        without_streams(Shown::of(&engine))
            .assert_is(&without_streams(whole.clone()), &format!("cut at {cut}"));
    }
}

#[test]
fn a_line_that_was_cut_is_continued() {
    let dir = TempDir::new().unwrap();
    let log = log_lines(1000, 100);
    let ends: Vec<usize> = (0..log.len())
        .filter(|at| log[*at] == b'\n')
        .map(|at| at + 1)
        .collect();
    let cut = ends[49] + 30;
    let engine = new_engine();
    import(&engine, &[write(&dir, "mail.log", &log[..cut])]).unwrap();
    import(&engine, &[write(&dir, "mail.log", &log)]).unwrap();
    let mut expected: Vec<Vec<u8>> = lines_of(&log[..ends[49]]);
    expected.push(log[ends[49]..cut].to_vec());
    expected.extend(lines_of(&log[cut..]));
    expected.sort();
    // `Shown` makes sure that both pieces have places of their own.
    assert_eq!(Shown::of(&engine).lines(), expected);
}

#[test]
fn files_joined_to_one_add_only_what_is_new() {
    let dir = TempDir::new().unwrap();
    let (one, two, three) = (
        log_lines(1000, 100),
        log_lines(1100, 100),
        log_lines(1200, 100),
    );
    let all = [one.as_slice(), &two, &three].concat();
    let engine = new_engine();
    import(&engine, &[write(&dir, "one.log", &one)]).unwrap();
    import(
        &engine,
        &[write(&dir, "one-two.log", &[one.as_slice(), &two].concat())],
    )
    .unwrap();
    assert_eq!(
        Shown::of(&engine).lines(),
        lines_of(&all[..one.len() + two.len()])
    );
    let two = write(&dir, "two.log", &two);
    let done = import(&engine, &[&two]).unwrap();
    assert_eq!(
        (done.files, done.lines),
        (0, 0),
        "the second file alone is known"
    );
    let done = import(
        &engine,
        &[
            write(&dir, "all.log", &all),
            write(&dir, "three.log", &three),
            two,
        ],
    )
    .unwrap();
    assert_eq!((done.files, done.files_known, done.lines), (1, 2, 100));
    assert_eq!(Shown::of(&engine).lines(), lines_of(&all));
}

#[test]
fn files_in_the_wrong_order_give_the_messages_of_the_right_one() {
    let dir = TempDir::new().unwrap();
    let (older, newer) = (log_lines(600, 600), log_lines(1200, 600));
    let (older, newer) = (
        write(&dir, "mail.log.1", &older),
        write(&dir, "mail.log", &newer),
    );
    // In one import the order of the arguments does not matter at all.
    let expected = imported(&[older.clone(), newer.clone()]);
    imported(&[newer.clone(), older.clone()]).assert_is(&expected, "in one import");
    let engine = new_engine();
    import(&engine, &[newer]).unwrap();
    import(&engine, &[older]).unwrap();
    let shown = Shown::of(&engine);
    assert_eq!(shown.lines(), expected.lines());
    let outcomes = |shown: &Shown| -> Vec<_> {
        let messages = shown.messages.values();
        let outcome = |m: &tidings_mail::message::Message| {
            let recipients: Vec<_> = m
                .recipients
                .iter()
                .map(|r| (r.address.clone(), r.verdict))
                .collect();
            (m.id, m.from.clone(), m.message_id.clone(), recipients)
        };
        messages.map(outcome).collect()
    };
    assert_eq!(outcomes(&shown), outcomes(&expected));
}

/// What stands before the damage is kept, and the warning names the file; the same file again
/// changes nothing, and a mended copy adds the rest.
#[test]
fn a_file_damaged_in_the_middle_is_kept_up_to_there() {
    let dir = TempDir::new().unwrap();
    let log = std::fs::read(super::world::corpus("own/mail.rfc3339.log")).unwrap();
    let path = dir.path().join("mail.log.2.gz");
    let good = packed(&path, &log);
    for (damage, what) in [
        (good[..good.len() / 2].to_vec(), "cut off"),
        (flipped(&good), "flipped"),
    ] {
        std::fs::write(&path, &damage).unwrap();
        let engine = new_engine();
        let done = import(&engine, &[&path]).unwrap();
        assert_eq!(done.warnings.len(), 1, "{what}");
        assert!(
            done.warnings[0].contains("mail.log.2.gz") && !done.warnings[0].contains('\n'),
            "{:?}",
            done.warnings
        );
        let kept = Shown::of(&engine);
        let lines = kept.lines();
        assert!(
            lines.len() > 500 && (lines.len() as u64) == done.lines,
            "{what}: {} lines",
            lines.len()
        );
        let done = import(&engine, &[&path]).unwrap();
        assert_eq!(done.lines, 0, "{what}");
        Shown::of(&engine).assert_is(&kept, what);
        std::fs::write(&path, &good).unwrap();
        match import(&engine, &[&path]) {
            Ok(done) => {
                assert_eq!(done.warnings, Vec::<String>::new());
                let bytes: usize = Shown::of(&engine).lines().iter().map(Vec::len).sum();
                // Of a line that was cut, both pieces are there.
                assert_eq!(
                    bytes,
                    lines_of(&log).iter().map(Vec::len).sum::<usize>(),
                    "{what}"
                );
            }
            // Between the flip and the place where gzip notices, other lines were read: what is
            // the same and what is not is for a person to decide.
            Err(error) => {
                assert_eq!(what, "flipped");
                let told = error.to_string();
                assert!(told.contains("mail.log.2.gz: begins like a log"), "{told}");
                Shown::of(&engine).assert_is(&kept, what);
            }
        }
    }
}

/// A file that cannot be read at all does not keep the others from being imported.
#[test]
fn a_file_of_rubbish_is_told_and_the_others_are_imported() {
    let dir = TempDir::new().unwrap();
    let log = log_lines(1000, 50);
    let good = write(&dir, "mail.log", &log);
    let mut rubbish = packed(Path::new("rubbish.gz"), &log_lines(2000, 50));
    rubbish.truncate(11);
    let rubbish = write(&dir, "mail.log.1.gz", &rubbish);
    let empty = write(&dir, "mail.log.2", b"");
    let engine = new_engine();
    let done = import(&engine, &[rubbish, empty, good]).unwrap();
    assert_eq!(done.warnings.len(), 1);
    assert!(
        done.warnings[0].contains("mail.log.1.gz"),
        "{:?}",
        done.warnings
    );
    assert_eq!(Shown::of(&engine).lines(), lines_of(&log));
}

fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    bytes
}
