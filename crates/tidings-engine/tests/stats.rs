//! Summaries: every figure against a slow computation over what the searches give, against what the
//! driver of the corpus did, and over periods that cut through it.

#[path = "stats/slow.rs"]
mod slow;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tidings_engine::contract::{CountObject, StatsObject};
use tidings_engine::{Engine, EngineOptions, ImportOptions, LiveOptions, StatsQuery};
use tidings_event::time::parse_rfc3339;

/// After everything in the corpus.
const NOW_NS: i64 = 1_795_500_000_000_000_000;

const FUNCTIONAL: [&str; 3] = [
    "mail.rfc3339.log",
    "postfix-b.maillog_file.log",
    "dovecot-file.log",
];

fn corpus(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../corpus/own")
        .join(file)
}

/// A store of its own; its directory goes with it.
struct Store {
    engine: Arc<Engine>,
    dir: tempfile::TempDir,
}

impl Store {
    fn empty() -> Store {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(&dir.path().join("data"), EngineOptions::default()).unwrap();
        Store {
            engine: Arc::new(engine),
            dir,
        }
    }

    /// A store with logs of the corpus.
    fn of(files: &[&str]) -> Store {
        let store = Store::empty();
        store.import(
            &files.iter().map(|file| corpus(file)).collect::<Vec<_>>(),
            NOW_NS,
        );
        store
    }

    /// A store with a log that ends at `now_ns`.
    fn of_text(text: &str, now_ns: i64) -> Store {
        let store = Store::empty();
        let path = store.dir.path().join("mail.log");
        std::fs::write(&path, text).unwrap();
        store.import(&[path], now_ns);
        store
    }

    fn import(&self, paths: &[PathBuf], now_ns: i64) {
        let options = ImportOptions {
            timezone: Some("UTC".into()),
            now_ns,
            ..ImportOptions::default()
        };
        self.engine.import(paths, &options, &mut |_| {}).unwrap();
    }

    fn stats(&self, since_ns: Option<i64>, until_ns: Option<i64>) -> StatsObject {
        self.stats_of(StatsQuery {
            since_ns,
            until_ns,
            top: usize::MAX,
            now_ns: NOW_NS,
        })
    }

    fn stats_of(&self, query: StatsQuery) -> StatsObject {
        self.engine.stats(&query).unwrap()
    }

    /// Compares with the slow computation, and gives the summary.
    fn check(&self, since_ns: Option<i64>, until_ns: Option<i64>) -> StatsObject {
        let stats = self.stats(since_ns, until_ns);
        slow::check(&self.engine, &stats, since_ns, until_ns);
        stats
    }
}

fn count_of(list: &[CountObject], name: &str) -> u64 {
    list.iter()
        .find(|item| item.name == name)
        .map_or(0, |item| item.count)
}

fn sum(list: &[CountObject]) -> u64 {
    list.iter().map(|item| item.count).sum()
}

#[test]
fn every_figure_is_what_the_messages_say() {
    let store = Store::of(&FUNCTIONAL);
    let stats = store.check(None, None);
    assert!(stats.messages > 200 && stats.recipients > stats.messages && stats.refused > 40);
    assert!(stats.sign_ins > 50 && stats.sign_in_failures > 50 && !stats.approximate);
    assert_eq!(sum(&stats.senders), stats.messages);
    assert_eq!(sum(&stats.verdicts), stats.recipients);
    assert_eq!(
        sum(&stats.refusal_reasons),
        stats.refused + stats.refused_recipients
    );
}

/// A message without an end is open, and one that has just ended is not in the history yet.
#[test]
fn open_messages_count_once() {
    let text = std::fs::read_to_string(corpus("mail.rfc3339.log")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut open = 0;
    for part in [2, 4, 5] {
        let lines = &lines[..lines.len() * part / 6];
        let stamp = lines.last().unwrap().split(' ').next().unwrap();
        let now_ns = parse_rfc3339(stamp).unwrap();
        let store = Store::of_text(&lines.join("\n"), now_ns);
        let stats = store.check(None, None);
        open += count_of(&stats.verdicts, "deferred") + count_of(&stats.verdicts, "in queue");
        // What was open is settled when the rest of the log says how it ended.
        let whole = store.dir.path().join("whole.log");
        std::fs::write(&whole, &text).unwrap();
        store.import(&[whole], NOW_NS);
        let whole = store.check(None, None);
        let fresh = Store::of(&["mail.rfc3339.log"]).stats(None, None);
        assert_eq!(
            whole,
            fresh,
            "imported in two steps after {} lines",
            lines.len()
        );
    }
    assert!(open > 3, "some were open: {open}");
}

#[test]
fn periods_that_cut_through_are_exact() {
    let store = Store::of(&FUNCTIONAL);
    let times = slow::times(&store.engine);
    let (first_ns, last_ns) = (times[0], times[times.len() - 1]);
    let cut = |share: usize| times[times.len() * share / 7];
    for share in 1..7 {
        // At the very moment of a message, and just beside it.
        for cut_ns in [cut(share) - 1, cut(share), cut(share) + 1] {
            let before = store.check(None, Some(cut_ns));
            let after = store.check(Some(cut_ns + 1), None);
            let whole = store.stats(None, None);
            assert_eq!(before.messages + after.messages, whole.messages);
            assert_eq!(before.bytes + after.bytes, whole.bytes);
            assert_eq!(
                before.sign_in_failures + after.sign_in_failures,
                whole.sign_in_failures
            );
        }
        store.check(Some(cut(share - 1)), Some(cut(share)));
    }
    assert_eq!(
        store.check(Some(first_ns), Some(last_ns)).messages,
        store.stats(None, None).messages
    );
    let hour_ns = 3_600_000_000_000;
    for (since_ns, until_ns) in [
        (last_ns + hour_ns, i64::MAX),
        (i64::MIN, first_ns - hour_ns),
        (last_ns, first_ns),
    ] {
        let nothing = store.check(Some(since_ns), Some(until_ns));
        assert_eq!(
            (nothing.messages, nothing.sign_ins, nothing.delays_ms.max),
            (0, 0, 0)
        );
    }
}

#[test]
fn an_empty_store_has_nothing_to_count() {
    let store = Store::empty();
    let expected = StatsObject {
        hours_step_s: 3600,
        ..StatsObject::default()
    };
    assert_eq!(store.stats(None, None), expected);
    let hour_ns = 3_600_000_000_000;
    let stats = store.check(Some(NOW_NS - 3 * hour_ns), None);
    assert_eq!(parse_rfc3339(&stats.until), Ok(NOW_NS));
    assert_eq!(stats.hours.len(), 4, "quiet hours up to now are shown");
}

#[test]
fn lists_are_as_long_as_asked_for() {
    let store = Store::of(&FUNCTIONAL);
    let whole = store.stats(None, None);
    let short = store.stats_of(StatsQuery {
        top: 2,
        now_ns: NOW_NS,
        ..StatsQuery::default()
    });
    assert_eq!(short.senders, whole.senders[..2]);
    assert_eq!(short.bounce_reasons, whole.bounce_reasons[..2]);
    assert_eq!(short.verdicts, whole.verdicts);
    let none = store.stats_of(StatsQuery {
        now_ns: NOW_NS,
        ..StatsQuery::default()
    });
    assert_eq!(
        (none.recipient_domains.len(), none.recipients),
        (0, whole.recipients)
    );
}

fn truth() -> Vec<Value> {
    let text = std::fs::read_to_string(corpus("truth.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What the driver did, by a text that it noted.
fn driver_counts(of: impl Fn(&Value) -> Option<String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    truth()
        .iter()
        .filter_map(of)
        .for_each(|name| *counts.entry(name).or_default() += 1);
    counts
}

/// Senders that sent to us alone and are rewritten nowhere: each of their messages that we took is
/// one message. (Others send to several servers, or appear in logs of other servers only; that a
/// message on hold is from `held@sender.test` stands in a line that names no message.)
#[test]
fn senders_are_those_of_the_driver() {
    let stats = Store::of(&FUNCTIONAL).stats(None, None);
    let sent = driver_counts(|row| {
        let ours = row["server"].as_str()?.starts_with("192.0.2.25:") && row["accepted"] == true;
        ours.then(|| row["mail_from"].as_str().map(str::to_owned))?
    });
    for sender in ["n@bulk.test", "warnme@sender.test", "p@partner.test"] {
        assert_eq!(count_of(&stats.senders, sender), sent[sender], "{sender}");
        assert!(sent[sender] > 1);
    }
}

/// Users whom the driver signed in over IMAP and POP3 only, and who do not exist.
#[test]
fn sign_ins_are_those_of_the_driver() {
    let stats = Store::of(&FUNCTIONAL).stats(None, None);
    let failed = driver_counts(|row| {
        let is_login = row["ev"] == "imap" || row["ev"] == "pop3";
        (is_login && row["ok"] == false).then(|| row["user"].as_str().map(str::to_owned))?
    });
    for user in ["nobody@example.test", "ghost@example.test"] {
        assert_eq!(
            count_of(&stats.sign_in_failures_by_account, user),
            failed[user],
            "{user}"
        );
        assert!(failed[user] > 1);
    }
}

#[test]
fn every_rendering_of_a_stream_gives_the_same_figures() {
    // Times are whole seconds in the others: the legs of a message may change places, and its size is
    // that of the first.
    let figures = |file: &str| {
        let stats = Store::of(&[file]).check(None, None);
        (
            stats.messages,
            stats.senders.len(),
            stats.recipients,
            stats.refused,
            stats.verdicts,
            stats.bounce_reasons,
        )
    };
    let expected = figures("mail.rfc3339.log");
    for file in [
        "mail.rfc3164.log",
        "mail.rfc5424.log",
        "mail.pri-forward.log",
    ] {
        assert_eq!(figures(file), expected, "{file}");
    }
}

/// rsyslog folds equal lines into `message repeated 5 times: [ … ]`.
#[test]
fn folded_repetitions_count_in_full() {
    let (folded, whole) = (
        Store::of(&["central-folded.log"]),
        Store::of(&["mail.rfc3164.log"]),
    );
    let (folded, whole) = (folded.check(None, None), whole.check(None, None));
    assert_eq!(folded.sign_in_failures, whole.sign_in_failures);
    assert_eq!(
        folded.sign_in_failures_by_client,
        whole.sign_in_failures_by_client
    );
    assert_eq!(folded.sign_ins, whole.sign_ins);
}

/// So does `last message repeated 2 times`, of commands that were refused.
#[test]
fn folded_refusals_count_in_full() {
    let refused = |second: u32| {
        format!(
            "Nov 22 10:00:{second:02} mx postfix/smtpd[9]: NOQUEUE: reject: RCPT from x.test[192.0.2.7]: 554 5.7.1 \
             <bob@example.org>: Relay access denied; from=<a@x.test> to=<bob@example.org> proto=ESMTP helo=<x.test>\n"
        )
    };
    let folded = refused(1) + "Nov 22 10:00:07 mx last message repeated 2 times\n" + &refused(8);
    let stats = Store::of_text(&folded, NOW_NS).check(None, None);
    assert_eq!((stats.refused, stats.messages), (4, 0));
    assert_eq!(sum(&stats.refusal_reasons), 4);
    assert_eq!(count_of(&stats.refusal_clients, "192.0.2.7"), 4);
    assert_eq!(stats.hours[0].refused, 4);
}

/// Dovecot counts the attempts of a connection in one line, and folding multiplies them.
#[test]
fn attempts_of_a_connection_count_each() {
    let login = "imap-login: Disconnected: Connection closed (auth failed, 3 attempts in 9 secs): user=<bob@example.org>, \
                 method=PLAIN, rip=192.0.2.7, lip=192.0.2.25, session=<";
    let text = format!(
        "2026-11-22T10:00:00.000000+00:00 mx dovecot: {login}a>\n\
         2026-11-22T10:30:00.000000+00:00 mx dovecot: message repeated 2 times: [ {login}b>]\n\
         2026-11-22T12:00:01.000000+00:00 mx postfix/smtpd[9]: warning: unknown[192.0.2.8]: SASL LOGIN authentication \
         failed: UGFzc3dvcmQ6, sasl_username=alice@example.org\n"
    );
    let stats = Store::of_text(&text, NOW_NS).check(None, None);
    assert_eq!((stats.sign_ins, stats.sign_in_failures), (0, 3 + 2 * 3 + 1));
    assert_eq!(
        count_of(&stats.sign_in_failures_by_account, "bob@example.org"),
        9
    );
    assert_eq!(count_of(&stats.sign_in_failures_by_client, "192.0.2.7"), 9);
    assert_eq!(count_of(&stats.sign_in_failures_by_client, "192.0.2.8"), 1);
    assert_eq!(
        (stats.since.as_str(), stats.until.as_str()),
        ("2026-11-22T10:00:00Z", "2026-11-22T12:00:01Z")
    );
    assert_eq!(stats.hours.len(), 3);
}

fn delivery(host: &str, minute: u32, number: u32, reply: &str) -> String {
    let at = format!("2026-11-22T10:{minute:02}:00.000000+00:00 {host} postfix");
    let id = format!("4T1y{number:04}Bz3x1");
    format!(
        "{at}/qmgr[2]: {id}: from=<Ann@Sender.Example>, size=1000, nrcpt=1 (queue active)\n\
         {at}/smtp[3]: {id}: to=<bob{number}@x.example>, relay=mx.x.example[192.0.2.{number}]:25, delay=1.5, \
         delays=0.1/0/0.4/1, dsn=5.1.1, status=bounced (host mx.x.example[192.0.2.{number}] said: {reply} (in reply to \
         RCPT TO command))\n\
         {at}/qmgr[2]: {id}: removed\n"
    )
}

#[test]
fn one_reason_counts_once_however_it_is_written() {
    let text: String = [
        "550 5.1.1 <bob1@x.example>: Recipient address rejected: User unknown",
        "550-5.1.1 Recipient address rejected: user unknown. 550 5.1.1 k1x2",
        "550 5.1.1 <bob3@x.example>: Recipient address rejected: User unknown!",
        "552 5.2.2 Mailbox of bob4@x.example is full (1024 of 1000 KB)",
        "552 5.2.2 Mailbox of bob5@x.example is full (99 of 10 KB)",
    ]
    .iter()
    .zip(1..)
    .map(|(reply, number)| delivery("mx", number, number, reply))
    .collect();
    let stats = Store::of_text(&text, NOW_NS).check(None, None);
    let reasons: Vec<_> = stats
        .bounce_reasons
        .iter()
        .map(|reason| (reason.name.as_str(), reason.count))
        .collect();
    let expected = [
        ("no-such-user: recipient address rejected: user unknown", 3),
        ("mailbox-full: mailbox of * is full of kb", 2),
    ];
    assert_eq!(reasons, expected);
    assert_eq!(stats.senders[0].name, "Ann@sender.example");
    assert_eq!(
        (stats.senders[0].count, stats.senders[0].bytes),
        (5, Some(5000))
    );
    assert_eq!(
        (
            stats.recipient_domains[0].count,
            stats.recipient_domains[0].bytes
        ),
        (5, Some(5000))
    );
    assert_eq!(stats.delays_ms.max, 0, "nothing was delivered");
}

/// Empty hours are among them; of more than 62 days there are days.
#[test]
fn long_times_are_shown_by_day() {
    let store = Store::of_text(&delivery("mx", 1, 1, "550 5.1.1 no"), NOW_NS);
    let noon = |day: &str| parse_rfc3339(&format!("2026-{day}T12:00:00Z")).unwrap();
    let hourly = store.check(Some(noon("11-01")), Some(noon("11-30")));
    assert_eq!(
        (hourly.hours.len(), hourly.hours_step_s),
        (29 * 24 + 1, 3600)
    );
    // The one message of a year is shown by its hour.
    let year = store.check(Some(noon("01-01")), Some(noon("12-31")));
    assert_eq!(
        (year.hours.len(), year.hours[0].time.as_str()),
        (1, "2026-11-22T10:00:00Z")
    );
    let older = delivery("mx2", 1, 2, "550 5.1.1 no").replace("2026-11-22", "2026-02-03");
    let path = store.dir.path().join("older.log");
    std::fs::write(&path, older).unwrap();
    store.import(&[path], NOW_NS);
    let daily = store.check(None, None);
    assert_eq!((daily.hours.len(), daily.hours_step_s), (293, 86_400));
    assert_eq!(
        (daily.hours[0].time.as_str(), daily.hours[0].bounced),
        ("2026-02-03T00:00:00Z", 1)
    );
    assert_eq!(
        (daily.hours[292].messages, daily.hours[100].messages),
        (1, 0)
    );
}

/// Events are counted in memory, while they are sealed, and in parts: once each.
#[test]
fn live_sign_ins_count_once() {
    let store = Store::empty();
    let live = store
        .engine
        .live(LiveOptions {
            seal_bytes: 4096,
            ..LiveOptions::default()
        })
        .unwrap();
    for number in 1..=300_u64 {
        let body = format!(
            "{{\"type\":\"auth.failed\",\"createdAt\":\"2026-11-22T10:00:00Z\",\"data\":{{\"accountName\":\"user{}\",\
             \"remoteIp\":\"192.0.2.1\",\"count\":2}}}}\n",
            number % 7
        );
        live.ingest(body.as_bytes(), NOW_NS).unwrap();
        while live.history_lag() > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(store.stats(None, None).sign_in_failures, number * 2);
    }
    let stats = store.check(None, None);
    assert_eq!(
        count_of(&stats.sign_in_failures_by_client, "192.0.2.1"),
        600
    );
    live.shutdown().unwrap();
    assert_eq!(store.check(None, None), stats);
}

/// The million lines of the volume run: several row groups, many recipients a message.
#[test]
#[ignore = "takes minutes without optimisation"]
fn every_figure_of_a_million_lines() {
    let store = Store::of(&["postfix-volume.log.gz"]);
    let whole = store.check(None, None);
    assert!(whole.recipients > 100_000);
    let times = slow::times(&store.engine);
    for share in 1..4 {
        store.check(
            Some(times[times.len() * share / 5]),
            Some(times[times.len() * (share + 1) / 5]),
        );
    }
}
