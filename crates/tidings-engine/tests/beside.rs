//! Logs that tell of the same time are read side by side: the messages are those of one log.
//!
//! A message passes from one server to the next, or from Postfix to Dovecot beside it. Read one file
//! after the other, the first file's message was settled long before the second told where it went.

#[path = "crash/world.rs"]
mod world;

use proptest::prelude::*;
use tempfile::TempDir;
use tidings_engine::{Engine, EngineOptions, MessageQuery, message_object};
use tidings_event::time::rfc3339;
use tidings_spool::fault::MemoryBackend;

use world::{NOW_NS, import, open, open_with};

const SECOND_NS: i64 = 1_000_000_000;

/// Two days before now.
const START_NS: i64 = NOW_NS - 48 * 3600 * SECOND_NS;

/// A mail that passes two servers, Dovecot at the second: when, and what a script does with it.
#[derive(Clone, Debug)]
struct Mail {
    minute: i64,
    is_discarded: bool,
}

fn mail() -> impl Strategy<Value = Mail> {
    (0..2400i64, any::<bool>()).prop_map(|(minute, is_discarded)| Mail {
        minute,
        is_discarded,
    })
}

/// The lines of the three logs, with their times: first server, second server, its Dovecot.
fn lines(mails: &[Mail]) -> [Vec<(i64, String)>; 3] {
    let mut logs = [const { Vec::new() }; 3];
    for (number, mail) in mails.iter().enumerate() {
        let mut at_ns = START_NS + mail.minute * 60 * SECOND_NS + number as i64 * SECOND_NS;
        let mut say = |log: usize, host: &str, text: String| {
            at_ns += SECOND_NS / 10;
            logs[log].push((at_ns, format!("{} {host} {text}\n", rfc3339(at_ns))));
        };
        let (a, b) = (format!("A{number:09X}"), format!("B{number:09X}"));
        let pid = 1000 + number;
        say(
            0,
            "one",
            format!("postfix/smtpd[{pid}]: {a}: client=c.example[192.0.2.3]"),
        );
        say(
            0,
            "one",
            format!("postfix/cleanup[7]: {a}: message-id=<m{number}@c.example>"),
        );
        say(
            0,
            "one",
            format!("postfix/qmgr[8]: {a}: from=<s@c.example>, size=500, nrcpt=1 (queue active)"),
        );
        say(
            1,
            "two",
            format!("postfix/smtpd[{pid}]: {b}: client=one.example[192.0.2.1]"),
        );
        say(
            1,
            "two",
            format!("postfix/cleanup[7]: {b}: message-id=<m{number}@c.example>"),
        );
        say(
            1,
            "two",
            format!("postfix/qmgr[8]: {b}: from=<s@c.example>, size=700, nrcpt=1 (queue active)"),
        );
        say(
            0,
            "one",
            format!(
                "postfix/smtp[{pid}]: {a}: to=<u{number}@d.example>, relay=two.example[192.0.2.2]:25, delay=0.5, \
             delays=0.1/0/0.1/0.3, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as {b})"
            ),
        );
        say(0, "one", format!("postfix/qmgr[8]: {a}: removed"));
        let outcome = if mail.is_discarded {
            "discard action: Marked message to be discarded if not explicitly delivered (discard action)"
        } else {
            "stored mail into mailbox 'INBOX'"
        };
        say(
            2,
            "two",
            format!(
                "dovecot: lmtp(u{number}@d.example)<{pid}><sess{number}>: sieve: msgid=<m{number}@c.example>: {outcome}"
            ),
        );
        say(
            1,
            "two",
            format!(
                "postfix/lmtp[{pid}]: {b}: to=<u{number}@d.example>, relay=two.example[private/dovecot-lmtp], delay=0.3, \
             delays=0.1/0/0.1/0.1, dsn=2.0.0, status=sent (250 2.0.0 <u{number}@d.example> sess{number} Saved)"
            ),
        );
        say(1, "two", format!("postfix/qmgr[8]: {b}: removed"));
    }
    logs
}

/// A mail a minute.
fn an_hour() -> Vec<Mail> {
    let mail = |minute| Mail {
        minute,
        is_discarded: false,
    };
    (0..60).map(mail).collect()
}

fn text(mut lines: Vec<(i64, String)>) -> String {
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

/// What a message says, without the ids that follow from the file that it was read from.
fn messages(engine: &Engine) -> Vec<String> {
    let everything = MessageQuery {
        limit: usize::MAX,
        now_ns: NOW_NS,
        ..MessageQuery::default()
    };
    let mut shown: Vec<String> = (engine.messages(&everything).unwrap().iter())
        .map(|message| {
            let object = message_object(message);
            let told = |verdict: &_, to: &str| format!("{to} {verdict:?}");
            let recipients: Vec<_> = (object.recipients.iter())
                .map(|to| told(&to.verdict, &to.address))
                .collect();
            format!(
                "{:?} {:?} {recipients:?}",
                object.message_id, object.queue_ids
            )
        })
        .collect();
    shown.sort();
    shown
}

fn imported(
    dir: &TempDir,
    files: &[(&str, String)],
    step_lines: u64,
) -> (Engine, Vec<std::path::PathBuf>) {
    let options = EngineOptions {
        import_step_lines: step_lines,
        ..EngineOptions::default()
    };
    let engine = open_with(&MemoryBackend::new(), options).unwrap();
    let paths: Vec<_> = (files.iter())
        .map(|(name, text)| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        })
        .collect();
    let done = import(&engine, &paths).unwrap();
    assert!(
        done.warnings.is_empty() && done.refused.is_empty(),
        "{done:?}"
    );
    (engine, paths)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn logs_side_by_side_are_as_one(
        mails in proptest::collection::vec(mail(), 1..40),
        step_lines in prop_oneof![Just(1u64), Just(40), Just(100_000)],
    ) {
        let dir = TempDir::new().unwrap();
        let [one, two, three] = lines(&mails);
        let whole = text([one.clone(), two.clone(), three.clone()].concat());
        let (expected, _) = imported(&dir, &[("whole.log", whole)], 100_000);
        let files = [("c.log", text(one)), ("b.log", text(two)), ("a.log", text(three))];
        let (engine, paths) = imported(&dir, &files, step_lines);
        let shown = messages(&engine);
        prop_assert_eq!(&shown, &messages(&expected));
        prop_assert_eq!(shown.len(), mails.len());
        // Nothing is new in them afterwards, and nothing in a copy beside them.
        let copy = dir.path().join("copy.log");
        std::fs::copy(&paths[0], &copy).unwrap();
        let again = import(&engine, &[&paths[0], &paths[1], &paths[2], &copy]).unwrap();
        prop_assert_eq!((again.lines, again.files_known), (0, 4));
    }
}

#[test]
fn copies_and_grown_files_of_one_command_add_nothing_twice() {
    let dir = TempDir::new().unwrap();
    let [one, two, _] = lines(&an_hour());
    let (one, two) = (text(one), text(two));
    let half: String = one.split_inclusive('\n').take(100).collect();
    let count = one.lines().count() + two.lines().count();
    let files = [
        ("half.log", half),
        ("copy.log", one.clone()),
        ("one.log", one),
        ("two.log", two),
    ];
    let engine = open(&MemoryBackend::new()).unwrap();
    let (_, paths) = imported(&dir, &files, 100_000);
    let done = import(&engine, &paths).unwrap();
    assert_eq!(done.lines as usize, count);
    assert_eq!(messages(&engine).len(), 60);
}

#[test]
fn a_file_that_was_begun_before_is_no_other_rendering_of_itself() {
    let dir = TempDir::new().unwrap();
    let [one, two, _] = lines(&an_hour());
    // Lines of one server before the other's begin, committed one by one.
    let before = (1..100).map(|n| {
        let at_ns = START_NS - n * 60 * SECOND_NS;
        let line = format!(
            "{} one postfix/smtpd[9]: connect from c{n}.example[192.0.2.9]\n",
            rfc3339(at_ns)
        );
        (at_ns, line)
    });
    let one = text(before.chain(one).collect());
    imported(&dir, &[("one.log", one), ("two.log", text(two))], 1);
}
