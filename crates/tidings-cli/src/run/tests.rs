//! Whole runs of the program on a history of golden objects: what an admin would see.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::testing::{Ran, Run, golden, hooks};

/// A program run on a data directory of the golden objects.
fn program() -> (tempfile::TempDir, Run) {
    let directory = tempfile::tempdir().unwrap();
    let run = Run::new(hooks(), directory.path().to_str().unwrap());
    (directory, run)
}

fn piped(args: &[&str]) -> Ran {
    program().1.run(args)
}

fn on_terminal(width: usize, args: &[&str]) -> Ran {
    program().1.on_terminal(width).run(args)
}

/// No line of the result is wider than the screen.
fn assert_fits(ran: &Ran, columns: usize) {
    for line in ran.out.lines() {
        let line = without_colours(line);
        assert!(crate::term::width(&line) <= columns, "{line}");
    }
}

fn without_colours(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once('m').map_or("", |(_, rest)| rest)
    })
}

#[test]
fn messages_in_every_layout() {
    for (name, ran) in [
        ("messages-piped", piped(&["messages"])),
        ("messages-80", on_terminal(80, &["messages"])),
        (
            "messages-120",
            on_terminal(120, &["messages", "--color", "never"]),
        ),
        (
            "messages-180",
            on_terminal(180, &["messages", "--color", "never", "--utc"]),
        ),
        (
            "messages-wide-80",
            on_terminal(80, &["messages", "--wide", "--color", "never"]),
        ),
    ] {
        golden(&format!("golden/{name}.txt"), &ran.text());
    }
    for columns in [60, 80, 99, 100, 120, 159, 160, 200, 300] {
        assert_fits(&on_terminal(columns, &["messages"]), columns);
    }
}

#[test]
fn nothing_of_a_stranger_reaches_the_terminal() {
    for args in [
        &["messages", "--color", "never"][..],
        &["messages", "--wide", "--color", "never"],
        &["messages", "--json"],
        &["story", "alice", "--raw", "--color", "never"],
        &["story", "spammer", "--color", "never"],
        &["story", "alice", "--json"],
        &["events", "--raw", "--color", "never"],
        &["events", "--raw", "--json"],
        &["stats", "--color", "never"],
        &["stats", "--json"],
        &["parse", "-", "--color", "never"],
        &["parse", "-", "-u", "--color", "never"],
        &["parse", "-", "-s", "--color", "never"],
        &["parse", "-", "--json"],
        &["messages", "no\u{1b}[2Jthing\u{202e}", "--color", "never"],
        &["story", "no\u{1b}[2Jthing", "--color", "never"],
        &["mess\u{1b}[2Jages"],
        &["messages", "--since", "\u{1b}[2J"],
        &["import", "/no\u{1b}[2J/file"],
    ] {
        let ran = on_terminal(100, args);
        for text in [&ran.out, &ran.err] {
            let bad = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
            assert!(!text.contains(bad), "{args:?}: {text:?}");
        }
    }
}

#[test]
fn limits_are_told() {
    let ran = piped(&["messages", "-n", "2"]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.err
            .contains("2 messages shown, the newest; there are more: --limit 8"),
        "{}",
        ran.err
    );
    assert!(
        piped(&["messages", "-n", "6"])
            .err
            .starts_with("6 messages; times in +01:00")
    );
    assert_eq!(
        piped(&["messages", "-n", "2", "--json"])
            .out
            .lines()
            .count(),
        2
    );
    assert_eq!(piped(&["messages", "--json"]).err, "");
}

#[test]
fn the_order_may_be_turned() {
    let newest_first = piped(&["messages", "--json", "-n", "3"]).out;
    let oldest_first = piped(&["messages", "--json", "-n", "3", "--reverse"]).out;
    let mut lines: Vec<&str> = newest_first.lines().collect();
    lines.reverse();
    assert_eq!(lines, oldest_first.lines().collect::<Vec<_>>());
}

/// The first release promises that scripts may read the fields of the contract by name.
#[test]
fn json_is_the_object_of_the_contract() {
    let ran = piped(&["messages", "alice", "--json"]);
    let message: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(message["queueIds"][0], "4bXkWq1RZbz2JJ");
    assert_eq!(message["recipients"][1]["class"], "mailbox-full");
    let ran = piped(&["messages", "spammer", "--json"]);
    let message: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(message["from"], "\u{1b}[31mspammer@example.com\u{1b}[0m");
}

#[test]
fn finding_nothing_is_explained() {
    let ran = piped(&["messages", "from:eve@example.org", "--since", "2h"]);
    golden("golden/messages-nothing.txt", &ran.text());
    assert_eq!(piped(&["messages", "from:eve", "--json"]).code, 1);
    assert_eq!(piped(&["messages", "from:eve", "--json"]).err, "");
    let (directory, run) = program();
    let empty = directory.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let ran = run.run(&["messages", "--data", empty.to_str().unwrap()]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .contains("read your logs with `tidings import FILES`"),
        "{}",
        ran.err
    );
    assert_eq!(
        run.run(&["stats", "--data", empty.to_str().unwrap()]).code,
        1
    );
}

#[test]
fn stories_read_well() {
    for (name, ran) in [
        ("story-piped", piped(&["story", "alice"])),
        (
            "story-raw-80",
            on_terminal(80, &["story", "alice", "--raw"]),
        ),
        ("story-several", piped(&["story", "example", "--utc"])),
        (
            "story-nothing",
            piped(&["story", "<nobody@nowhere.example>"]),
        ),
    ] {
        golden(&format!("golden/{name}.txt"), &ran.text());
    }
    assert_eq!(
        piped(&["story", "example", "--json"]).out.lines().count(),
        4
    );
    assert_eq!(piped(&["story", " "]).code, 2);
}

#[test]
fn events_read_as_a_log() {
    golden(
        "golden/events-raw.txt",
        &on_terminal(100, &["events", "--raw"]).text(),
    );
    golden(
        "golden/events-reversed.txt",
        &piped(&["events", "--reverse", "--utc"]).text(),
    );
    let ran = piped(&["events", "--json"]);
    let names: Vec<String> = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(
        ran.out.lines().next().unwrap(),
    )
    .unwrap()
    .into_iter()
    .map(|(name, _)| name)
    .collect();
    assert_eq!(
        names,
        [
            "id",
            "createdAt",
            "type",
            "data",
            "sequence",
            "time",
            "level",
            "spanId"
        ]
    );
}

#[test]
fn the_summary_of_a_period_reads_well() {
    golden("golden/stats-piped.txt", &piped(&["stats"]).text());
    golden("golden/stats-80.txt", &on_terminal(80, &["stats"]).text());
    let ascii = program()
        .1
        .with("LC_ALL", "C")
        .run(&["stats", "--since", "1d"]);
    assert!(ascii.out.replace('–', "-").is_ascii(), "{}", ascii.out);
}

#[test]
fn parsing_shows_what_lines_mean() {
    golden(
        "golden/parse.txt",
        &on_terminal(100, &["parse", "-"]).text(),
    );
    golden(
        "golden/parse-summary.txt",
        &piped(&["parse", "-", "--summary"]).text(),
    );
    golden(
        "golden/parse-unrecognised.txt",
        &piped(&["parse", "-", "-u"]).text(),
    );
    golden(
        "golden/parse-summary.ndjson",
        &piped(&["parse", "-", "-s", "--json"]).out,
    );
    assert_eq!(piped(&["parse", "-", "--json"]).out.lines().count(), 5);
}

#[test]
fn an_import_shows_its_progress_on_a_terminal_only() {
    let (directory, run) = program();
    let file = directory.path().join("mail.log");
    fs::write(&file, "x\n").unwrap();
    let args = ["import", file.to_str().unwrap()];
    golden("golden/import-piped.txt", &run.run(&args).text());
    golden(
        "golden/import-80.txt",
        &run.clone().on_terminal(80).run(&args).text(),
    );
    let json = run.run(&["import", "--json", file.to_str().unwrap()]);
    assert!(json.out.starts_with("{\"files\":1,"), "{}", json.out);
    assert_eq!(json.err, "");
}

/// Both ended with exit code 0 and not a word.
#[test]
fn an_import_that_is_not_whole_says_so() {
    let (directory, run) = program();
    let import = |name: &str| {
        let file = directory.path().join(name);
        fs::write(&file, "x\n").unwrap();
        run.run(&["import", file.to_str().unwrap()])
    };
    assert_eq!(import("mail.log.damaged").code, 4);
    let refused = import("mail.log.refused");
    assert_eq!(refused.code, 2);
    let (before, failure) = refused.err.split_once('\n').unwrap();
    assert!(before.ends_with("nothing is added twice"), "{before}");
    assert_eq!(failure, "tidings: mail.log.refused: is not wanted\n");
}

/// One file that could not be taken ended the import of all.
#[test]
fn files_that_are_refused_are_named_behind_the_summary() {
    let (directory, run) = program();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    for name in ["mail.log", "mail.log.others"] {
        fs::write(path(name), "x\n").unwrap();
    }
    let told = "tidings: a: is no \\x1blog\n\
                tidings: cannot open b: no such file or directory\n\
                tidings: 2 files were not imported\n";
    let ran = run.run(&["import", &path("mail.log"), &path("mail.log.others")]);
    assert_eq!((ran.code, ran.err.as_str()), (4, told));
    assert!(
        ran.out.starts_with("Added 0 lines from 1 file"),
        "{}",
        ran.out
    );
    let ran = run.run(&["import", &path("mail.log.others")]);
    assert_eq!(
        (ran.code, ran.err.as_str(), ran.out.as_str()),
        (4, told, "")
    );
    let ran = run.run(&["import", "--json", &path("mail.log.others")]);
    assert_eq!((ran.code, ran.err.as_str()), (4, told));
    assert!(ran.out.contains("\"force\":true"), "{}", ran.out);
    // One that is not there is the importer's to name, like the others.
    let ran = run.run(&["import", &path("mail.log"), &path("missing")]);
    assert_eq!(ran.code, 0);
}

#[test]
fn nothing_is_begun_where_no_file_can_be_read() {
    let (directory, run) = program();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let ran = run.run(&["import", &path("a"), &path("b"), &path("")]);
    assert_eq!(ran.code, 4);
    let expected = format!(
        "tidings: cannot read {}: no such file or directory (and 2 other files likewise)\n",
        path("a")
    );
    assert_eq!(ran.err, expected);
    let ran = run.run(&["parse", directory.path().to_str().unwrap()]);
    assert!(
        ran.err
            .ends_with("it is a directory; name the files in it\n"),
        "{}",
        ran.err
    );
    assert_eq!(ran.code, 4);
    assert_eq!(run.run(&["import", "-"]).code, 2);
    let remote = ["import", "--server", "http://127.0.0.1:1", "mail.log"];
    assert_eq!(run.run(&remote).code, 2);
}

#[test]
fn failures_are_one_sentence_with_their_code() {
    let (directory, run) = program();
    let data = directory.path().to_str().unwrap();
    let missing = format!("{data}/missing");
    let file = format!("{data}/file");
    fs::write(&file, "").unwrap();
    let locked = format!("{data}/locked");
    fs::create_dir(&locked).unwrap();
    for (args, code, expected) in [
        (
            &["messages", "wrong"][..],
            2,
            "there is no field `form` (column 1); did you mean `from`?",
        ),
        (&["messages", "--since", "1x"], 2, "--since: \"1x\" is not"),
        (
            &["messages", "--since", "1h", "--until", "2h"],
            2,
            "--since (2026-11-22 12:00:05) is later",
        ),
        (
            &["stats", "--data", &missing],
            3,
            "there is no data directory ",
        ),
        (&["stats", "--data", &file], 3, "the data directory "),
        (
            &["stats", "--data", &locked],
            3,
            "is in use by process 4711",
        ),
        (
            &["stats", "--server", "example.org"],
            2,
            "--server: \"example.org\" is no address",
        ),
        (
            &["stats", "--server", "http://127.0.0.1:1"],
            5,
            "cannot reach the server at http://127.0.0.1:1",
        ),
        (
            &["serve"],
            2,
            "tidings.toml: there is no setting `lisen` (line 3)",
        ),
        (&["frobnicate"], 2, "unrecognized subcommand 'frobnicate'"),
    ] {
        let ran = run.run(args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.err);
        assert!(ran.err.starts_with("tidings: "), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(expected), "{args:?}: {}", ran.err);
        assert_eq!(ran.out, "");
        if args[0] != "frobnicate" {
            assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
        }
    }
}

/// A filter that cannot be read is shown with a mark at the place, which must not look like a
/// message of its own.
#[test]
fn a_failure_of_several_lines_is_indented() {
    let ran = piped(&["messages", "marked"]);
    assert_eq!(
        ran.err,
        "tidings: unknown field `frm`\n    frm:\\x1bx\n    ^^^\n"
    );
}

#[test]
fn what_was_found_before_a_failure_is_shown() {
    for args in [
        &["messages", "broken"][..],
        &["messages", "broken", "--json"],
        &["messages", "broken", "-r"],
    ] {
        let ran = piped(args);
        assert_eq!(ran.code, 3);
        assert_eq!(
            ran.err,
            "tidings: parts/messages-7.parquet is damaged: page 3 has checksum 1\n"
        );
        assert!(
            ran.out.contains("nobody@example.com"),
            "{args:?}: {}",
            ran.out
        );
    }
}

#[test]
fn accounts_are_listed_made_and_mended() {
    golden("golden/accounts.txt", &piped(&["account", "list"]).text());
    let made = piped(&["account", "create", "alice", "--json"]);
    golden("golden/account.ndjson", &made.text());
    let failed = piped(&["account", "reset", "bob"]);
    let said = (failed.code, failed.err.as_str());
    assert_eq!(said, (2, "tidings: there is no account bob\n"));
}

#[test]
fn damage_is_reported() {
    golden("golden/verify.txt", &piped(&["verify"]).text());
    golden("golden/repair.txt", &piped(&["repair"]).text());
    let (directory, run) = program();
    let empty = directory.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let ran = run.run(&["verify", "--data", empty.to_str().unwrap()]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.ends_with("; all is well\n"), "{}", ran.out);
}

#[test]
fn the_demo_touches_only_its_own_directory() {
    let (directory, run) = program();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let ran = run.run(&["demo", &path("new")]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let text = ran
        .text()
        .replace(directory.path().to_str().unwrap(), "/dir");
    golden("golden/demo.txt", &text);
    assert_eq!(run.run(&["demo", &path("new")]).code, 0);

    fs::create_dir(path("full")).unwrap();
    fs::write(path("full/precious"), "x").unwrap();
    let ran = run.run(&["demo", &path("full")]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("holds something already"), "{}", ran.err);
    assert_eq!(fs::read_dir(path("full")).unwrap().count(), 1);
}

#[test]
fn colours_obey() {
    let (_directory, run) = program();
    let terminal = run.clone().on_terminal(100);
    let has_colours = |ran: &Ran| ran.out.contains('\u{1b}');
    assert!(has_colours(&terminal.run(&["messages"])));
    assert!(!has_colours(&run.run(&["messages"])));
    assert!(has_colours(&run.run(&["messages", "--color", "always"])));
    assert!(!has_colours(
        &terminal.run(&["messages", "--color", "never"])
    ));
    assert!(!has_colours(
        &terminal.clone().with("NO_COLOR", "1").run(&["messages"])
    ));
    assert!(!has_colours(
        &terminal.clone().with("TERM", "dumb").run(&["messages"])
    ));
    assert!(has_colours(
        &terminal.clone().with("NO_COLOR", "").run(&["messages"])
    ));
}

/// A pipe whose reader goes away after some bytes.
struct Pipe {
    room: usize,
    error: io::ErrorKind,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room < bytes.len() {
            return Err(self.error.into());
        }
        self.room -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error_but_a_full_disk_is() {
    let (_directory, run) = program();
    for args in [
        &["messages"][..],
        &["messages", "--json"],
        &["story", "alice"],
        &["events", "--raw"],
        &["stats"],
        &["parse", "-"],
        &["verify"],
        &["--help"],
        &["completions", "bash"],
        &["man"],
    ] {
        for room in [0, 10, 60] {
            let mut err = Vec::new();
            let mut pipe = Pipe {
                room,
                error: io::ErrorKind::BrokenPipe,
            };
            assert_eq!(run.run_to(args, &mut pipe, &mut err), 0, "{args:?}");
            assert_eq!(String::from_utf8(err).unwrap(), "", "{args:?}");

            let mut err = Vec::new();
            let mut disk = Pipe {
                room,
                error: io::ErrorKind::StorageFull,
            };
            assert_eq!(run.run_to(args, &mut disk, &mut err), 4, "{args:?}");
            let err = String::from_utf8(err).unwrap();
            assert_eq!(
                err, "tidings: cannot write the output: no storage space\n",
                "{args:?}"
            );
        }
    }
}

/// A buffer whose bytes have nowhere to go at the end.
struct Buffer;

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[test]
fn output_that_is_lost_at_the_very_end_is_noticed() {
    let mut err = Vec::new();
    let code = program()
        .1
        .run_to(&["messages", "--json"], &mut Buffer, &mut err);
    assert_eq!(code, 4);
    assert_eq!(err, b"tidings: cannot write the output: no storage space\n");
}

#[test]
fn a_server_on_the_directory_is_asked_first() {
    let (directory, run) = program();
    let socket = directory.path().join("tidings.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let server = std::thread::spawn(move || {
        // The first connection only asks whether anybody is there.
        drop(listener.accept().unwrap());
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 64];
        io::Read::read_exact(&mut stream, &mut request).unwrap();
        let body = "{\"id\":\"from-the-server\"}\n";
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
    });
    let ran = run.run(&["messages", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("from-the-server"), "{}", ran.out);
    server.join().unwrap();
    // A socket that a dead server left behind does not count.
    assert!(Path::new(&socket).exists());
    assert!(run.run(&["messages"]).out.contains("alice@example.org"));
}

#[test]
fn help_and_version_go_to_the_standard_output() {
    let ran = piped(&["--help"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("Exit codes:"));
    assert_eq!(
        piped(&["--version"]).out,
        format!("tidings {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(piped(&[]).code, 2);
    golden(
        "golden/help-messages.txt",
        &piped(&["messages", "--help"]).text(),
    );
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(
            piped(&["completions", shell]).out.contains("messages"),
            "{shell}"
        );
    }
    assert!(piped(&["man"]).out.contains(".TH TIDINGS 1"));
}
