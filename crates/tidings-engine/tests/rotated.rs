//! Rotated logs imported one by one, in any order: the messages are those of the whole log.
//!
//! A short queue id is used again, so a file that begins in the middle of a message tells of it
//! under an id of its own. Imported newest first, such a message stayed deferred for ever beside
//! fragments of itself.

#[path = "crash/world.rs"]
mod world;

use proptest::prelude::*;
use tempfile::TempDir;
use tidings_engine::{Engine, MessageQuery, message_object};
use tidings_event::time::rfc3339;
use tidings_spool::fault::MemoryBackend;

use world::{NOW_NS, import, open};

const SECOND_NS: i64 = 1_000_000_000;
const HOUR_NS: i64 = 3600 * SECOND_NS;

/// A week before now.
const START_NS: i64 = NOW_NS - 7 * 24 * HOUR_NS;

/// A mail in the log: when it comes, and how often it is tried before it goes out or comes back.
#[derive(Clone, Debug)]
struct Mail {
    start_ns: i64,
    /// Which of a few queue ids it has: used again by later ones.
    slot: u8,
    tries: u8,
    bounces: bool,
    is_long: bool,
}

fn mail() -> impl Strategy<Value = Mail> {
    let parts = (0..120i64, 0..3u8, 1..5u8, any::<bool>(), any::<bool>());
    parts.prop_map(|(hour, slot, tries, bounces, is_long)| Mail {
        start_ns: START_NS + hour * HOUR_NS,
        slot,
        tries,
        bounces,
        is_long,
    })
}

impl Mail {
    /// Its lines with their times. `number` tells it from all others.
    fn lines(&self, number: usize) -> Vec<(i64, String)> {
        let id = if self.is_long {
            format!("4jXB{number:05}Qz1YS")
        } else {
            format!("0A1B2C3D{:02}", self.slot)
        };
        let mut time_ns = self.start_ns + number as i64 * SECOND_NS;
        let mut lines = Vec::new();
        let mut say = |at_ns: i64, program: &str, text: String| {
            let line = format!("{} mx postfix/{program}: {text}\n", rfc3339(at_ns));
            lines.push((at_ns, line));
        };
        say(
            time_ns,
            &format!("smtpd[{}]", 1000 + number),
            format!("{id}: client=q.example[192.0.2.3]"),
        );
        say(
            time_ns,
            "cleanup[7]",
            format!("{id}: message-id=<m{number}@q.example>"),
        );
        for attempt in 1..=self.tries {
            let active =
                format!("{id}: from=<s{number}@q.example>, size=500, nrcpt=2 (queue active)");
            say(time_ns, "qmgr[8]", active);
            time_ns += 40 * SECOND_NS;
            let delay = (time_ns - self.start_ns) / SECOND_NS - number as i64;
            let mut to = |name: &str, status: &str, reply: &str| {
                let text = format!(
                    "{id}: to=<{name}{number}@z.example>, relay=mx.z.example[192.0.2.8]:25, delay={delay}, \
                     delays=0/0/20/20, dsn={reply}, status={status} ({reply})"
                );
                say(time_ns, "smtp[9]", text);
            };
            if attempt == 1 {
                to("ok", "sent", "2.0.0");
            }
            match (attempt == self.tries, self.bounces) {
                (false, _) => to("late", "deferred", "4.2.0"),
                (true, true) => to("late", "bounced", "5.1.1"),
                (true, false) => to("late", "sent", "2.0.0"),
            }
            if attempt < self.tries {
                time_ns += 2 * HOUR_NS;
            }
        }
        say(time_ns, "qmgr[8]", format!("{id}: removed"));
        lines
    }

    fn end_ns(&self) -> i64 {
        self.start_ns + i64::from(self.tries) * (2 * HOUR_NS + 40 * SECOND_NS)
    }
}

/// The lines of all mails in the order of time, without those whose queue id is in use.
fn log_of(mut mails: Vec<Mail>) -> Vec<String> {
    mails.sort_by_key(|mail| mail.start_ns);
    let mut free_ns = [i64::MIN; 3];
    let mut lines = Vec::new();
    for (number, mail) in mails.iter().enumerate() {
        let free_ns = &mut free_ns[usize::from(mail.slot)];
        if !mail.is_long && mail.start_ns <= *free_ns {
            continue;
        }
        if !mail.is_long {
            *free_ns = mail.end_ns() + HOUR_NS;
        }
        lines.extend(mail.lines(number));
    }
    lines.sort_by_key(|(time_ns, _)| *time_ns);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// What a list shows of every message, sorted. Its recipients and joins are in the order in which
/// they were read.
fn shown(engine: &Engine) -> Vec<String> {
    let query = MessageQuery {
        limit: usize::MAX,
        now_ns: NOW_NS,
        ..MessageQuery::default()
    };
    let messages = engine.messages(&query).unwrap();
    let mut shown: Vec<String> = messages
        .iter()
        .map(|message| {
            let mut shown = message_object(message);
            shown.recipients.sort_by(|a, b| a.address.cmp(&b.address));
            shown
                .joins
                .sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
            serde_json::to_string(&shown).unwrap()
        })
        .collect();
    shown.sort();
    shown
}

/// Imports files of these contents, one after the other.
fn imported(files: &[String]) -> Vec<String> {
    let dir = TempDir::new().unwrap();
    let engine = open(&MemoryBackend::new()).unwrap();
    for (number, text) in files.iter().enumerate() {
        let path = dir.path().join(format!("mail.log.{number}"));
        std::fs::write(&path, text).unwrap();
        import(&engine, &[path]).unwrap();
    }
    shown(&engine)
}

/// A message whose beginning and end were read from two files, one after the other, has both ends and
/// was not put together from pieces; that a delivery in between is missing shows in the number of its
/// recipients only.
#[test]
fn a_delivery_alone_in_its_file_belongs_to_a_message_that_has_both_ends() {
    let mail = Mail {
        start_ns: 1_795_028_400 * SECOND_NS,
        slot: 1,
        tries: 1,
        bounces: false,
        is_long: false,
    };
    let other = Mail {
        start_ns: mail.start_ns + HOUR_NS,
        is_long: true,
        ..mail.clone()
    };
    let lines: Vec<String> = mail.lines(5).into_iter().map(|(_, line)| line).collect();
    let after: String = other.lines(6).into_iter().map(|(_, line)| line).collect();
    let ok = lines
        .iter()
        .position(|line| line.contains("to=<ok5"))
        .unwrap();
    let (before, alone) = (lines[..ok].concat(), lines[ok].clone());
    let end = lines[ok + 1..].concat() + &after;
    let whole = imported(&[lines.concat() + &after]);
    for files in [
        [&before, &end, &alone],
        [&before, &alone, &end],
        [&alone, &before, &end],
        [&alone, &end, &before],
        [&end, &alone, &before],
        [&end, &before, &alone],
    ] {
        let files = files.map(String::clone);
        assert_eq!(imported(&files), whole, "{files:#?}");
    }
}

/// So has one of which only what happened while it waited is missing: nothing tells that it is.
#[test]
fn what_happened_while_a_message_waited_belongs_to_it_alone_in_a_file_too() {
    let mail = Mail {
        start_ns: 1_795_028_400 * SECOND_NS,
        slot: 1,
        tries: 3,
        bounces: false,
        is_long: false,
    };
    let lines: Vec<String> = mail.lines(5).into_iter().map(|(_, line)| line).collect();
    let whole = imported(&[lines.concat()]);
    let again = |line: &String| line.contains("queue active");
    let second = (0..lines.len())
        .filter(|at| again(&lines[*at]))
        .nth(1)
        .unwrap();
    for middle in [
        second..second + 1,
        second..second + 2,
        second + 1..second + 2,
    ] {
        let files = [
            lines[..middle.start].concat(),
            lines[middle.end..].concat(),
            lines[middle].concat(),
        ];
        assert_eq!(imported(&files), whole, "{files:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_log_cut_anywhere_and_imported_in_any_order_is_the_whole_log(
        mails in prop::collection::vec(mail(), 1..14),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
        order in any::<u64>(),
    ) {
        let lines = log_of(mails);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(lines.len() + 1)).collect();
        cuts.extend([0, lines.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let mut files: Vec<String> = cuts.windows(2).map(|cut| lines[cut[0]..cut[1]].concat()).collect();
        let whole = imported(&[lines.concat()]);
        let mut left = order;
        for last in (1..files.len()).rev() {
            files.swap(last, (left % (last as u64 + 1)) as usize);
            left /= last as u64 + 1;
        }
        let found = imported(&files);
        let missing: Vec<_> = whole.iter().filter(|message| !found.contains(message)).collect();
        let added: Vec<_> = found.iter().filter(|message| !whole.contains(message)).collect();
        prop_assert!(missing.is_empty() && added.is_empty(), "{:#?}\nmissing {:#?}\nadded {:#?}", files, missing, added);
    }
}

/// A message that is retried for days, in four files, the id used again in the last one.
fn four_days() -> Vec<String> {
    let day = |number: i64, lines: &[&str]| -> String {
        let at = |second: usize| START_NS + number * 24 * HOUR_NS + second as i64 * SECOND_NS;
        let line = |(second, line)| format!("{} r postfix/{line}\n", rfc3339(at(second)));
        lines.iter().enumerate().map(line).collect()
    };
    let active = "qmgr[3]: 0A1B2C3D00: from=<s@q>, size=5, nrcpt=1 (queue active)";
    let deferred = "smtp[4]: 0A1B2C3D00: to=<t@z>, relay=none, delay=1, delays=0/0/1/0, dsn=4.4.1, status=deferred (refused)";
    vec![
        day(
            0,
            &[
                "smtpd[1]: 0A1B2C3D00: client=q[192.0.2.3]",
                "cleanup[2]: 0A1B2C3D00: message-id=<m@q>",
                active,
                deferred,
            ],
        ),
        day(1, &[active, deferred]),
        day(2, &[active, deferred]),
        day(
            3,
            &[
                active,
                "smtp[4]: 0A1B2C3D00: to=<t@z>, relay=mx.z[192.0.2.8]:25, delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent (250 ok)",
                "qmgr[3]: 0A1B2C3D00: removed",
                "smtpd[6]: 0A1B2C3D00: client=w[192.0.2.4]",
                "cleanup[2]: 0A1B2C3D00: message-id=<other@w>",
                active,
            ],
        ),
    ]
}

/// A message that lived over four files stayed `deferred` beside three fragments of itself where
/// the newest file was imported first; and a life under the same id is never joined to it, even
/// from the same sender with the same size.
#[test]
fn files_in_every_order_give_two_messages() {
    let days = four_days();
    let whole = imported(&[days.concat()]);
    assert_eq!(whole.len(), 2);
    assert!(
        whole
            .iter()
            .any(|message| message.contains("\"attempts\":4")),
        "{whole:#?}"
    );
    for round in 0..24usize {
        let mut left: Vec<&String> = days.iter().collect();
        let files: Vec<String> = [24, 6, 2, 1]
            .iter()
            .zip([4, 3, 2, 1])
            .map(|(below, count)| left.remove(round % below * count / below).clone())
            .collect();
        assert_eq!(imported(&files), whole, "{files:#?}");
    }
}

/// A message goes through a content filter and to a mailbox server: three legs.
const FILTERED: &str = "\
2026-11-20T10:00:00.1Z h postfix/smtpd[1]: 4jXB000001z1YS: client=x.example[192.0.2.5]
2026-11-20T10:00:00.2Z h postfix/cleanup[2]: 4jXB000001z1YS: message-id=<m@x>
2026-11-20T10:00:00.3Z h postfix/qmgr[3]: 4jXB000001z1YS: from=<a@x>, size=1, nrcpt=1 (queue active)
2026-11-20T10:00:01.1Z h postfix/smtpd[4]: 4jXB000002z1YS: client=localhost[127.0.0.1]
2026-11-20T10:00:01.2Z h postfix/cleanup[2]: 4jXB000002z1YS: message-id=<m@x>
2026-11-20T10:00:01.3Z h postfix/qmgr[3]: 4jXB000002z1YS: from=<a@x>, size=2, nrcpt=1 (queue active)
2026-11-20T10:00:01.4Z h postfix/smtp[5]: 4jXB000001z1YS: to=<bob@h>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4jXB000002z1YS)
2026-11-20T10:00:01.5Z h postfix/qmgr[3]: 4jXB000001z1YS: removed
2026-11-20T10:00:02.1Z h dovecot: lmtp(bob@h)<5><sess>: sieve: msgid=<m@x>: marked message to be discarded if not explicitly delivered (discard action)
2026-11-20T10:00:02.2Z h postfix/lmtp[6]: 4jXB000002z1YS: to=<bob@h>, relay=h[private/dovecot-lmtp], delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 <bob@h> sess Saved)
2026-11-20T10:00:02.3Z h postfix/qmgr[3]: 4jXB000002z1YS: removed
";

/// Legs of one message in two files stayed two messages, even where the older file was imported
/// first: the one was settled when the other was read.
#[test]
fn legs_in_two_files_are_one_message() {
    let lines: Vec<&str> = FILTERED.split_inclusive('\n').collect();
    let whole = imported(&[FILTERED.to_owned()]);
    assert_eq!(whole.len(), 1);
    assert!(whole[0].contains("\"verdict\":\"discarded\""), "{whole:#?}");
    for cut in 1..lines.len() {
        let (old, new) = (lines[..cut].concat(), lines[cut..].concat());
        assert_eq!(
            imported(&[old.clone(), new.clone()]),
            whole,
            "cut after {cut} lines"
        );
        assert_eq!(
            imported(&[new, old]),
            whole,
            "newer first, cut after {cut} lines"
        );
    }
}
