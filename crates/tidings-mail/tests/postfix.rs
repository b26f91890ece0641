//! Postfix' statements, as data: each `corpus/postfix/*.log` has a `.statements` file beside it
//! with what every line says.
//!
//! `TIDINGS_BLESS=1 cargo test -p tidings-mail --test postfix` writes them anew; review the
//! difference line by line. A statement is its service, queue id (or `-`), variant, and every
//! field that is not empty; `""` is a field that is there and empty.

#[path = "postfix/render.rs"]
mod render;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use render::Render;
use tidings_mail::postfix::{self, Says};

/// Files of real logs, where every line must be recognised.
const REAL: &[&str] = &["functional", "branch", "volume"];

#[test]
fn the_corpus_says_what_its_statements_say() {
    let mut wrong = Vec::new();
    for path in logs() {
        let golden = path.with_extension("statements");
        let now = statements(&std::fs::read(&path).unwrap());
        if std::env::var_os("TIDINGS_BLESS").is_some() {
            std::fs::write(&golden, &now).unwrap();
            continue;
        }
        let before = std::fs::read_to_string(&golden).unwrap_or_default();
        for (number, (was, is)) in before.lines().zip(now.lines()).enumerate() {
            if was != is {
                wrong.push(format!(
                    "{}:{}\n  was {was}\n  is  {is}",
                    golden.display(),
                    number + 1
                ));
            }
        }
        if before.lines().count() != now.lines().count() {
            wrong.push(format!(
                "{} has {} lines, not {}",
                golden.display(),
                before.lines().count(),
                now.lines().count()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_real_line_is_recognised() {
    for name in REAL {
        let log = std::fs::read(folder().join(name).with_extension("log")).unwrap();
        for line in log.split(|byte| *byte == b'\n') {
            let Some((service, body)) = split(line) else {
                continue;
            };
            let says = postfix::parse(service, body).says;
            assert_ne!(
                says,
                Says::Unrecognised,
                "{}",
                String::from_utf8_lossy(line)
            );
        }
    }
}

#[test]
fn every_variant_occurs_in_the_corpus() {
    let seen: String = logs()
        .iter()
        .map(|path| statements(&std::fs::read(path).unwrap()))
        .collect();
    for variant in VARIANTS {
        assert!(
            seen.contains(&format!(" {variant}")),
            "no line says {variant}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_give_slices_of_themselves(
        service in prop::sample::select(SERVICES),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        within(service.as_bytes(), &body);
    }

    #[test]
    fn mutated_lines_give_slices_of_themselves(
        service in prop::sample::select(SERVICES),
        seed in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), edit()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let bodies = bodies();
        let mut body = bodies[seed.index(bodies.len())].clone();
        for (at, edit) in edits {
            apply(&mut body, &at, &edit, &bodies[other.index(bodies.len())]);
        }
        within(service.as_bytes(), &body);
        body.truncate(cut.index(body.len() + 1));
        within(service.as_bytes(), &body);
    }
}

/// Services that differ in how their lines are read.
const SERVICES: &[&str] = &[
    "smtpd",
    "smtp",
    "lmtp",
    "cleanup",
    "qmgr",
    "postscreen",
    "tlsproxy",
    "master",
    "postsuper",
    "policy-spf",
    "x",
];

#[derive(Clone, Debug)]
enum Edit {
    Put(u8),
    Drop,
    Insert(&'static str),
    /// The tail of another line.
    Splice,
}

/// Edits that look for trouble: quotes, brackets and field names in wrong places.
fn edit() -> impl Strategy<Value = Edit> {
    const PIECES: &[&str] = &[
        "\"",
        "\\",
        "<",
        ">",
        "[",
        "]",
        ": ",
        "; from=<",
        " to=<",
        "> proto=",
        " helo=<",
        ", ",
        ", relay=",
        " from ",
        "(",
        ")",
        "status=",
        "[1.2.3.4]",
        ":25",
        ";",
        " (in reply to ",
        " while ",
        " said: ",
    ];
    prop_oneof![
        any::<u8>().prop_map(Edit::Put),
        Just(Edit::Drop),
        prop::sample::select(PIECES).prop_map(Edit::Insert),
        Just(Edit::Splice),
    ]
}

fn apply(body: &mut Vec<u8>, at: &prop::sample::Index, edit: &Edit, other: &[u8]) {
    let at = at.index(body.len() + 1);
    match edit {
        Edit::Put(byte) if at < body.len() => body[at] = *byte,
        Edit::Drop if at < body.len() => {
            body.remove(at);
        }
        Edit::Insert(piece) => {
            body.splice(at..at, piece.bytes());
        }
        Edit::Splice => {
            body.truncate(at);
            body.extend_from_slice(&other[at.min(other.len())..]);
        }
        _ => {}
    }
}

/// Parses, and checks that every slice lies within the body.
fn within(service: &[u8], body: &[u8]) {
    let range = body.as_ptr_range();
    let line = postfix::parse(service, body);
    let mut slices = Vec::new();
    Render::of(&line, |slice| slices.push(slice));
    for slice in slices {
        let its = slice.as_ptr_range();
        assert!(
            slice.is_empty() || range.start <= its.start && its.end <= range.end,
            "{line:?} of {:?}",
            String::from_utf8_lossy(body)
        );
    }
}

fn bodies() -> &'static [Vec<u8>] {
    static BODIES: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    BODIES.get_or_init(|| {
        let logs = logs().into_iter().map(|path| std::fs::read(path).unwrap());
        logs.flat_map(|log| {
            log.split(|byte| *byte == b'\n')
                .filter_map(|line| Some(split(line)?.1.to_vec()))
                .collect::<Vec<_>>()
        })
        .collect()
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/postfix")
}

fn logs() -> Vec<PathBuf> {
    let mut logs: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    assert!(!logs.is_empty(), "the corpus is gone");
    logs
}

fn statements(log: &[u8]) -> String {
    let mut all = String::new();
    for line in log.split(|byte| *byte == b'\n') {
        if let Some((service, body)) = split(line) {
            let line = postfix::parse(service, body);
            writeln!(
                all,
                "{} {}",
                String::from_utf8_lossy(service),
                Render::of(&line, |_| {})
            )
            .unwrap();
        }
    }
    all
}

/// Service and text of a line; `None` for comments and the end of the file.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if line.is_empty() || line.starts_with(b"#") {
        return None;
    }
    let at = memchr::memmem::find(line, b": ")?;
    let tag = line[..at].rsplit(|byte| *byte == b' ').next()?;
    let name = tag.split(|byte| *byte == b'[').next()?;
    Some((name.rsplit(|byte| *byte == b'/').next()?, &line[at + 2..]))
}

/// Names of the variants, for the test that the corpus has all of them.
const VARIANTS: &[&str] = &[
    "Connect",
    "Disconnect",
    "SessionLost",
    "ProtocolViolation",
    "TlsEstablished",
    "TlsError",
    "TlsNote",
    "HostnameMismatch",
    "SaslFailed",
    "LimitExceeded",
    "Client",
    "Reject",
    "Action",
    "ScreenConnect",
    "ScreenVerdict",
    "ScreenDnsbl",
    "ScreenHangup",
    "ScreenDisconnect",
    "DnsblListed",
    "Pickup",
    "MessageId",
    "QueueActive",
    "Delivery",
    "Expired",
    "HostSaid",
    "ConnectFailed",
    "ConversationLost",
    "Notification",
    "Removed",
    "Dropped",
    "Operator",
    "MilterTrouble",
    "Started",
    "Stopped",
    "Reloaded",
    "Statistics",
    "Note",
    "Trouble",
    "Unrecognised",
];
