//! Dovecot's statements against `corpus/dovecot`: real lines of 2.3, hand-made ones of every age.
//!
//! `TIDINGS_BLESS=1 cargo test -p tidings-mail --test dovecot` writes the expected files anew.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use proptest::prelude::{any, prop_assert, proptest};
use tidings_mail::dovecot::{self, Level, Line, Says};
use tidings_mail::envelope::{Family, Format, read};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/dovecot")
}

const REAL: [&str; 2] = ["2.3-syslog", "2.3-file"];

const HAND_MADE: [&str; 9] = [
    "0.99-1.0-syslog",
    "1.x-file",
    "1.1-1.2-syslog",
    "2.0-2.1-syslog",
    "2.2-syslog",
    "2.3-more",
    "2.4-file",
    "spellings",
    "attacks",
];

fn lines(name: &str) -> Vec<Vec<u8>> {
    let path = corpus().join(format!("{name}.log"));
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .map(<[u8]>::to_vec)
        .collect()
}

fn with_statement<T>(line: &[u8], then: impl FnOnce(&Line<'_>) -> T) -> T {
    let mut scratch = Vec::new();
    let envelope = read(line, Format::Unknown, &mut scratch);
    assert_eq!(
        envelope.program().family,
        Family::Dovecot,
        "{}",
        line.escape_ascii()
    );
    then(&dovecot::read(&envelope))
}

/// The statement on one line, byte slices as text, without fields that say nothing.
fn rendered(line: &Line<'_>) -> String {
    let pretty = format!("{line:#?}");
    let mut out = String::new();
    let mut source = pretty.lines().map(str::trim);
    while let Some(part) = source.next() {
        let Some(head) = part.strip_suffix('[') else {
            if !is_empty(part) {
                push(&mut out, part);
            }
            continue;
        };
        let bytes: Vec<u8> = source
            .by_ref()
            .take_while(|part| !part.starts_with(']'))
            .map(|number| number.trim_end_matches(',').parse().unwrap())
            .collect();
        push(&mut out, &format!("{head}\"{}\",", bytes.escape_ascii()));
    }
    out.replace(",)", ")")
        .replace(", }", " }")
        .replace(",}", "}")
}

fn is_empty(part: &str) -> bool {
    part.ends_with(": [],") || part.ends_with(": None,") || part.ends_with(": false,")
}

fn push(out: &mut String, part: &str) {
    let glued = out.is_empty() || out.ends_with('(') || part.starts_with(')');
    if !glued {
        out.push(' ');
    }
    out.push_str(part);
}

fn check(name: &str) {
    let mut found = String::new();
    for line in lines(name) {
        let statement = with_statement(&line, rendered);
        found.push_str(&format!("{}\n  {statement}\n", line.escape_ascii()));
    }
    let path = corpus().join(format!("{name}.statements"));
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (expected, found)) in expected.lines().zip(found.lines()).enumerate() {
        assert_eq!(found, expected, "{}:{}", path.display(), number + 1);
    }
    assert_eq!(
        found.len(),
        expected.len(),
        "{} has another length",
        path.display()
    );
}

#[test]
fn every_line_says_what_is_expected() {
    for name in REAL.iter().chain(&HAND_MADE) {
        check(name);
    }
}

#[test]
fn every_real_line_is_recognised() {
    let mut count = 0;
    for name in REAL {
        for line in lines(name) {
            let says = with_statement(&line, |line| line.says == Says::Unrecognised);
            assert!(!says, "{}", line.escape_ascii());
            count += 1;
        }
    }
    assert!(count > 800, "{count} lines");
}

#[test]
fn no_hand_made_line_is_unrecognised() {
    for name in HAND_MADE.iter().filter(|name| **name != "attacks") {
        for line in lines(name) {
            let says = with_statement(&line, |line| line.says == Says::Unrecognised);
            assert!(!says, "{name}: {}", line.escape_ascii());
        }
    }
}

#[test]
fn passwords_that_were_logged_are_not_kept() {
    for name in HAND_MADE {
        for line in lines(name) {
            let shown = with_statement(&line, rendered);
            assert!(
                !shown.contains("hunter2") && !shown.contains("7c4a8d"),
                "{shown}"
            );
        }
    }
}

#[test]
fn syslog_and_own_file_say_the_same() {
    let syslog = dovecot::parse(b"imap(a)<7><s>: Disconnected: Logged out in=1 out=2", false);
    let file = dovecot::parse(
        b"imap(a)<7><s>: Info: Disconnected: Logged out in=1 out=2",
        true,
    );
    assert_eq!(syslog, file);
}

#[test]
fn errors_of_old_syslogs_are_told_by_their_text() {
    let body = b"IMAP(a): open(/var/mail/a) failed: Permission denied";
    let line = dovecot::parse(body, false);
    assert_eq!(line.level, Level::Error);
    assert!(matches!(line.says, Says::Trouble { .. }));
    assert_eq!(dovecot::parse(body, true).says, Says::Unrecognised);
}

/// Every slice of a statement lies within the body: it is what the `Debug` text is made of.
fn assert_sound(body: &[u8]) {
    for own_file in [false, true] {
        let line = dovecot::parse(body, own_file);
        let is_service = |part: &[u8]| part.eq_ignore_ascii_case(line.service);
        assert!(line.service.is_empty() || body.windows(line.service.len()).any(is_service));
        for slice in [line.user, line.session, line.base_session()] {
            let (inner, outer) = (slice.as_ptr_range(), body.as_ptr_range());
            assert!(slice.is_empty() || outer.start <= inner.start && inner.end <= outer.end);
        }
        let shown = rendered(&line);
        assert!(shown.len() <= 2_000 + 40 * body.len(), "{shown}");
        line.recipient();
    }
    dovecot::parse_tagged(&body[..body.len() / 2], &body[body.len() / 2..]);
}

#[test]
fn long_lines_read_in_one_pass() {
    let fillers: [&[u8]; 12] = [
        b"(",
        b")<",
        b": ",
        b">, ",
        b">, rip=1, ",
        b"): ",
        b" a=1",
        b"user=<",
        b", uid=1",
        b"'",
        b" (",
        b"<>",
    ];
    let starts: [&[u8]; 9] = [
        b"",
        b"imap(",
        b"imap-login: Login: user=<",
        b"imap(a)<1><s>: save: box=",
        b"imap(a)<1><s>: Disconnected ",
        b"lmtp(a)<1><s>: msgid=<",
        b"lmtp(a)<1><s>: sieve: ",
        b"auth: sql(",
        b"imap-login: Disconnected: ",
    ];
    for filler in fillers {
        for start in starts {
            dovecot::parse(
                &[start, &filler.repeat(70_000 / filler.len())].concat(),
                false,
            );
        }
    }
}

fn bodies() -> Vec<Vec<u8>> {
    let mut scratch = Vec::new();
    let mut bodies = Vec::new();
    for name in HAND_MADE {
        for line in lines(name) {
            bodies.push(read(&line, Format::Unknown, &mut scratch).body.to_vec());
        }
    }
    bodies
}

proptest! {
    #[test]
    fn any_bytes_are_sound(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        assert_sound(&body);
    }

    #[test]
    fn mutated_lines_are_sound(
        which in any::<proptest::sample::Index>(),
        other in any::<proptest::sample::Index>(),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..4_u8), 0..6),
    ) {
        let bodies = bodies();
        let mut body = bodies[which.index(bodies.len())].clone();
        let other = &bodies[other.index(bodies.len())];
        for (at, byte, how) in edits {
            if body.is_empty() {
                break;
            }
            let at = at.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                2 => body.truncate(at),
                _ => { body.splice(at..at, other.iter().copied()); }
            }
        }
        assert_sound(&body);
        prop_assert!(body.len() < 1 << 20);
    }
}
