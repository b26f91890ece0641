//! Following, case by case.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::{TempDir, tempdir};
use tidings_engine::input::{
    Block, ChainSet, Checkpoint, FollowOptions, Follower, InputError, LineEnd, Notice, Poll, Start,
    open,
};

use crate::support::{Packing, drain};

const SECOND: u64 = 1_000_000_000;

/// A followed log with what came of it as text: lines, then notices in angle brackets.
struct Log {
    dir: TempDir,
    follower: Follower,
    now_ns: u64,
}

impl Log {
    fn new(start: Start) -> Self {
        let dir = tempdir().unwrap();
        let follower = Follower::new(&dir.path().join("log"), start);
        Self {
            dir,
            follower,
            now_ns: 0,
        }
    }

    fn with(text: &str, start: Start) -> Self {
        let log = Self::new(start);
        log.append("log", text);
        log
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn pack(&self, name: &str, packing: Packing) {
        let packed = packing.of(&fs::read(self.path(name)).unwrap());
        fs::write(self.path(&format!("{name}{}", packing.suffix())), packed).unwrap();
        fs::remove_file(self.path(name)).unwrap();
    }

    fn truncate(&self) {
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(self.path("log"))
            .unwrap();
    }

    /// Polls until there is nothing to do.
    fn read(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        let mut block = Block::new();
        loop {
            match self.follower.poll(self.now_ns, &mut block).unwrap() {
                Poll::Lines => said.extend(block.lines().map(|line| {
                    let end = if line.end == LineEnd::StreamEnd {
                        "$"
                    } else {
                        ""
                    };
                    format!("{}{end}", String::from_utf8_lossy(line.bytes))
                })),
                Poll::Notice(notice) => said.push(format!("<{}>", tell(&notice, self.dir.path()))),
                Poll::Working => {}
                Poll::Idle => return said,
            }
        }
    }

    /// As [`read`](Self::read), after the grace period.
    fn read_later(&mut self) -> Vec<String> {
        let mut said = self.read();
        self.now_ns += 3 * SECOND;
        said.extend(self.read());
        said
    }

    fn restart(&mut self) {
        let place = self.follower.checkpoint().unwrap();
        let place = Checkpoint::decode(&place.encode()).unwrap();
        self.follower = Follower::new(&self.path("log"), Start::Resume(place));
    }
}

fn tell(notice: &Notice, dir: &Path) -> String {
    let name = |path: &Path| path.strip_prefix(dir).unwrap().display().to_string();
    match notice {
        Notice::Next { path } => format!("next {}", name(path)),
        Notice::Truncated { copy } => format!("copy {}", name(copy)),
        Notice::Readable => "readable".to_owned(),
        other => other
            .to_string()
            .replace(&format!("{}/", dir.display()), ""),
    }
}

#[test]
fn a_growing_file_is_read_line_by_line() {
    let mut log = Log::with("one\ntw", Start::Beginning);
    assert_eq!(log.read(), ["<next log>", "one"]);
    assert!(log.read().is_empty());
    log.append("log", "o\nthree\n");
    assert_eq!(log.read(), ["two", "three"]);
    assert_eq!(log.follower.lag_bytes(), 0);
    log.append("log", "four\n");
    assert_eq!(log.follower.lag_bytes(), 5);
}

#[test]
fn the_end_is_behind_the_last_whole_line() {
    let mut log = Log::with("one\ntw", Start::End);
    assert!(log.follower.checkpoint().is_none());
    assert!(log.read().is_empty());
    let place = log.follower.checkpoint().unwrap();
    assert_eq!((place.chain().length(), place.chain().lines()), (4, 1));
    log.append("log", "o\n");
    assert_eq!(log.read(), ["two"]);
    let mut log = Log::with("tw", Start::End);
    assert_eq!(log.read(), ["<next log>"]);
    log.append("log", "o\n");
    assert_eq!(log.read(), ["two"]);
}

#[test]
fn a_file_that_does_not_exist_yet_is_waited_for() {
    for start in [Start::Beginning, Start::End] {
        let mut log = Log::new(start);
        let waiting = "<waiting: cannot open log: entity not found>";
        assert_eq!(log.read(), [waiting]);
        assert!(log.read().is_empty(), "said once");
        log.append("log", "one\n");
        assert_eq!(log.read(), ["<readable>", "<next log>", "one"]);
    }
}

#[test]
fn what_cannot_be_opened_is_waited_for() {
    let mut log = Log::with("one\n", Start::Beginning);
    assert_eq!(log.read(), ["<next log>", "one"]);
    log.rename("log", "log.1");
    fs::create_dir(log.path("log")).unwrap();
    let said = log.read_later();
    assert_eq!(said.len(), 1);
    assert!(
        said[0].starts_with("<waiting: cannot read log: it is a directory; allowed"),
        "{said:?}"
    );
    log.append("log.1", "two\n");
    assert_eq!(log.read(), ["two"], "the old file is read all the same");
    fs::remove_dir(log.path("log")).unwrap();
    log.append("log", "three\n");
    assert_eq!(log.read_later(), ["<readable>", "<next log>", "three"]);
}

#[test]
fn a_packed_file_is_not_followed() {
    let mut log = Log::with("one\n", Start::Beginning);
    log.pack("log", Packing::Gzip);
    log.rename("log.gz", "log");
    let refused = "<waiting: cannot follow log: it is packed with gzip, and only a plain file grows line by line>";
    assert_eq!(log.read(), [refused]);
}

#[test]
fn a_renamed_file_is_read_to_its_end_and_a_little_longer() {
    let mut log = Log::with("one\n", Start::Beginning);
    log.read();
    log.append("log", "two\n");
    log.rename("log", "log.1");
    log.append("log", "five\n");
    assert_eq!(log.read(), ["two"]);
    log.now_ns += SECOND;
    log.append("log.1", "three\nfour");
    assert_eq!(log.read(), ["three"]);
    log.now_ns += SECOND;
    assert!(log.read().is_empty(), "not yet quiet for two seconds");
    log.now_ns += SECOND;
    assert_eq!(log.read(), ["four$", "<next log>", "five"]);
}

#[test]
fn a_renamed_file_without_a_new_one_stays_open() {
    let mut log = Log::with("one\n", Start::Beginning);
    log.read();
    log.rename("log", "log.1");
    assert!(log.read_later().is_empty());
    log.append("log.1", "two\n");
    fs::write(log.path("log"), "").unwrap();
    assert_eq!(log.read_later(), ["two"]);
    log.append("log", "three\n");
    assert_eq!(log.read_later(), ["<next log>", "three"]);
}

#[test]
fn a_file_that_never_gets_quiet_is_left_with_a_word() {
    let mut log = Log::with("one\n", Start::Beginning);
    log.read();
    log.rename("log", "log.1");
    log.append("log", "new\n");
    for second in 0..61 {
        log.append("log.1", "late\n");
        assert_eq!(log.read(), ["late"], "{second}");
        log.now_ns += SECOND;
    }
    log.append("log.1", "too late\n");
    let said = log.read();
    assert_eq!(
        said[0],
        "<the rotated file that was opened as log is still being written; it was left after 309 \
         bytes, since a program did not reopen its log>"
    );
    assert_eq!(said[1..], ["<next log>", "new"]);
}

#[test]
fn rotations_between_two_polls_are_read_in_order() {
    for packing in Packing::ALL {
        let mut log = Log::with("one\n", Start::Beginning);
        log.read();
        log.append("log", "two\n");
        log.rename("log", "log.3");
        log.append("log.2", "three\n");
        log.append("log.1", "four\nfi");
        log.append("log", "six\n");
        if packing != Packing::Plain {
            ["log.3", "log.2", "log.1"]
                .iter()
                .for_each(|name| log.pack(name, packing));
        }
        let suffix = packing.suffix();
        let (second, first) = (
            format!("<next log.2{suffix}>"),
            format!("<next log.1{suffix}>"),
        );
        let expected = [
            "two",
            &second,
            "three",
            &first,
            "four",
            "fi$",
            "<next log>",
            "six",
        ];
        assert_eq!(log.read_later(), expected, "{packing:?}");
    }
}

#[test]
fn a_restart_finds_its_place_in_a_packed_file() {
    for packing in Packing::ALL {
        let mut log = Log::with("one\n", Start::Beginning);
        log.read();
        log.append("log", "two\n");
        log.rename("log", "log.2");
        log.append("log.1", "three\n");
        log.append("log", "four\n");
        if packing != Packing::Plain {
            log.pack("log.2", packing);
        }
        log.restart();
        assert_eq!(
            log.read_later(),
            ["two", "<next log.1>", "three", "<next log>", "four"],
            "{packing:?}"
        );
    }
}

#[test]
fn rotated_files_are_found_in_their_own_directory() {
    let mut log = Log::with("one\n", Start::Beginning);
    fs::create_dir(log.path("old")).unwrap();
    log.read();
    let place = log.follower.checkpoint().unwrap();
    log.append("log", "two\n");
    log.rename("log", "old/log-20261122");
    log.pack("old/log-20261122", Packing::Zstd);
    log.append("log", "three\n");
    let options = FollowOptions {
        archives: vec![log.path("old")],
        ..FollowOptions::default()
    };
    log.follower = Follower::with_options(&log.path("log"), Start::Resume(place), options);
    assert_eq!(log.read_later(), ["two", "<next log>", "three"]);
}

#[test]
fn a_truncated_file_is_read_on_in_its_copy() {
    for packing in Packing::ALL {
        let mut log = Log::with("one\n", Start::Beginning);
        log.read();
        log.append("log", "two\nthr");
        fs::copy(log.path("log"), log.path("log.1")).unwrap();
        if packing != Packing::Plain {
            log.pack("log.1", packing);
        }
        log.truncate();
        // Longer than before, so its length tells nothing.
        log.append("log", "four is a longer line\n");
        let copy = format!("<copy log.1{}>", packing.suffix());
        assert_eq!(
            log.read_later(),
            [&copy, "two", "thr$", "<next log>", "four is a longer line"]
        );
    }
}

#[test]
fn a_finished_file_is_not_read_again_whatever_its_name_says_of_its_order() {
    for restarted in [false, true] {
        let mut log = Log::with("a\nb\n", Start::Beginning);
        assert_eq!(log.read(), ["<next log>", "a", "b"]);
        log.rename("log", "log.1");
        log.append("log", "c\n");
        assert_eq!(log.read_later(), ["<next log>", "c"]);
        if restarted {
            log.pack("log.1", Packing::Gzip);
            log.restart();
        }
        // Taken for the oldest, by its number.
        fs::copy(log.path("log"), log.path("log.2")).unwrap();
        log.truncate();
        log.append("log", "d\n");
        let mut expected = vec!["<copy log.2>", "<next log>", "d"];
        if restarted {
            // It stands behind the last line in whichever file has that.
            expected.remove(0);
        }
        assert_eq!(log.read_later(), expected, "restarted: {restarted}");
    }
}

#[test]
fn a_rotated_file_that_was_imported_is_not_read() {
    let mut log = Log::with("a\n", Start::Beginning);
    log.read();
    let place = log.follower.checkpoint().unwrap();
    log.rename("log", "log.2");
    log.append("log.1", "b\n");
    log.append("log", "c\n");
    let mut imported = ChainSet::new();
    let mut file = open(&log.path("log.1")).unwrap();
    while file.next_block(&mut Block::new()).unwrap() {}
    imported.insert(file.chain());
    let options = FollowOptions {
        imported,
        ..FollowOptions::default()
    };
    log.follower = Follower::with_options(&log.path("log"), Start::Resume(place), options);
    assert_eq!(log.read_later(), ["<next log>", "c"]);
}

#[test]
fn a_file_truncated_and_grown_to_the_same_length_is_noticed_by_its_time() {
    let mut log = Log::with("one\n", Start::Beginning);
    log.read();
    fs::copy(log.path("log"), log.path("log.1")).unwrap();
    log.truncate();
    log.append("log", "two\n");
    let file = OpenOptions::new()
        .append(true)
        .open(log.path("log"))
        .unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    // File systems' clocks are coarse: in a test all of this may have happened at one moment.
    file.set_modified(modified + Duration::from_secs(1))
        .unwrap();
    assert_eq!(log.read_later(), ["<copy log.1>", "<next log>", "two"]);
}

/// What was read between copying and truncating is not in the copy.
#[test]
fn a_copy_that_has_less_than_was_read_takes_nothing_back() {
    for late in ["tw", "two\n", "two\nthr"] {
        let mut log = Log::with("one\n", Start::Beginning);
        log.read();
        fs::copy(log.path("log"), log.path("log.1")).unwrap();
        log.append("log", late);
        let mut said = log.read();
        log.truncate();
        log.append("log", "4\n");
        said.extend(log.read_later());
        let expected: &[&str] = match late {
            "tw" => &["tw$", "<next log>", "4"],
            "two\n" => &["two", "<next log>", "4"],
            _ => &["two", "thr$", "<next log>", "4"],
        };
        assert_eq!(said, expected);
    }
}

#[test]
fn a_file_truncated_before_its_first_line_is_read_whole_in_its_copy() {
    let mut log = Log::with("on", Start::Beginning);
    assert_eq!(log.read(), ["<next log>"]);
    log.append("log", "e\ntwo\n");
    fs::copy(log.path("log"), log.path("log.1")).unwrap();
    log.truncate();
    log.append("log", "3\n");
    assert_eq!(
        log.read_later(),
        ["<next log.1>", "one", "two", "<next log>", "3"]
    );
}

#[test]
fn a_truncated_file_without_a_copy_is_told() {
    let mut log = Log::with("one\ntw", Start::Beginning);
    log.read();
    log.truncate();
    log.append("log", "3\n");
    let lost = "<the file that was read as log up to line 1 is gone or was overwritten; what was \
                written to it after that line is lost, if anything was>";
    assert_eq!(log.read_later(), ["tw$", lost, "<next log>", "3"]);
}

#[test]
fn a_file_that_is_gone_after_a_restart_is_told() {
    let mut log = Log::with("one\n", Start::Beginning);
    log.read();
    fs::remove_file(log.path("log")).unwrap();
    log.append("log", "another\n");
    log.restart();
    let said = log.read();
    assert!(
        said[0].starts_with("<the file that was read as log up to line 1 is gone"),
        "{said:?}"
    );
    assert_eq!(said[1..], ["<next log>", "another"]);
}

#[test]
fn a_removed_file_is_read_to_its_end() {
    let mut log = Log::with("one\n", Start::Beginning);
    log.read();
    log.append("log", "two\n");
    fs::remove_file(log.path("log")).unwrap();
    log.append("log", "three\n");
    assert_eq!(log.read_later(), ["two", "<next log>", "three"]);
}

#[test]
fn a_file_that_lost_its_end_in_a_crash_is_read_from_there() {
    let mut log = Log::with("one\ntwo\nthree\n", Start::Beginning);
    log.read();
    OpenOptions::new()
        .write(true)
        .open(log.path("log"))
        .unwrap()
        .set_len(8)
        .unwrap();
    log.restart();
    let shorter = "<log has 8 bytes, of which 14 were read before; it lost its end, and is read from there on>";
    assert_eq!(log.read(), [shorter]);
    log.append("log", "four\n");
    assert_eq!(log.read(), ["four"]);
}

#[test]
fn a_file_that_lost_its_end_and_grew_is_read_from_where_it_differs() {
    let common: String = (0..9_000).map(|n| format!("{n:06}\n")).collect();
    let check = |said: &[String]| {
        let start = "<log agrees with what was read of it for 32768 bytes only";
        assert!(said[0].starts_with(start), "{}", said[0]);
        assert_eq!(said[1..].len(), (63_000 - 32_768) / 7 + 1 + 2);
        assert_eq!(said[said.len() - 3..], ["008999", "new", "newer"]);
    };
    let rewritten = format!("{common}new\nnewer\n");
    let mut log = Log::with(&format!("{common}old\n"), Start::Beginning);
    log.read();
    fs::write(log.path("log"), &rewritten).unwrap();
    log.restart();
    check(&log.read());
    // The same by an editor that writes a new file, under the running follower.
    let mut log = Log::with(&format!("{common}old\n"), Start::Beginning);
    log.read();
    fs::write(log.path("new"), &rewritten).unwrap();
    log.rename("new", "log");
    check(&log.read_later());
    log.append("log", "newest\n");
    assert_eq!(log.read(), ["newest"]);
}

#[test]
fn a_file_replaced_by_its_copy_goes_on() {
    let mut log = Log::with("one\ntw", Start::Beginning);
    log.read();
    fs::copy(log.path("log"), log.path("new")).unwrap();
    log.rename("new", "log");
    assert_eq!(log.read_later(), ["<next log>"]);
    log.append("log", "o\n");
    assert_eq!(log.read(), ["two"]);
}

#[test]
fn a_damaged_rotated_file_is_told_and_passed() {
    let mut log = Log::with("one\n", Start::Beginning);
    log.read();
    log.rename("log", "log.3");
    let text: String = (0..40_000).map(|n| format!("{n:06}\n")).collect();
    let packed = Packing::Gzip.of(text.as_bytes());
    fs::write(log.path("log.2.gz"), &packed[..packed.len() / 2]).unwrap();
    fs::write(log.path("log.1.gz"), &packed[..5]).unwrap();
    log.append("log", "last\n");
    let said = log.read_later();
    assert_eq!(said[0], "<next log.2.gz>");
    assert!(said.len() > 10_000);
    let words = &said[said.len() - 4..];
    assert!(
        words[0].starts_with("<log.2.gz is damaged at byte "),
        "{words:?}"
    );
    assert!(
        words[1].starts_with("<log.1.gz is damaged at byte 5 "),
        "{words:?}"
    );
    assert_eq!(words[2..], ["<next log>", "last"]);
}

#[test]
fn following_goes_on_where_an_import_has_ended() {
    let mut log = Log::with("one\ntwo\n", Start::Beginning);
    let mut file = open(&log.path("log")).unwrap();
    assert_eq!(drain(&mut file).0, b"one\ntwo\n");
    log.append("log", "three\n");
    log.rename("log", "log.1");
    log.append("log", "four\n");
    let place = Checkpoint::of_chain(file.chain());
    log.follower = Follower::new(&log.path("log"), Start::Resume(place));
    assert_eq!(log.read_later(), ["three", "<next log>", "four"]);
}

/// What a file says while it is read from does not depend on how often it is asked.
#[test]
fn coordinates_are_those_of_the_stream() {
    let mut log = Log::with("one\n", Start::Beginning);
    log.read();
    let stream = log.follower.stream();
    log.append("log", "two\n");
    log.rename("log", "log.1");
    log.pack("log.1", Packing::Xz);
    log.restart();
    let mut block = Block::new();
    while !matches!(log.follower.poll(0, &mut block).unwrap(), Poll::Lines) {}
    assert_eq!((block.offset(), block.first_line()), (4, 2));
    assert_eq!(log.follower.stream(), stream);
    assert!(stream.is_some());
}

#[test]
fn errors_name_the_file() {
    let error = open(Path::new("/nonexistent/log")).unwrap_err();
    assert!(matches!(&error, InputError::Open { .. }));
    assert_eq!(error.path(), Path::new("/nonexistent/log"));
}
