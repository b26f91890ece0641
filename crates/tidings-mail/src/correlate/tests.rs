use tidings_event::{EventType, Key, Records};

use super::*;
use crate::envelope::{Family, Format, Program, read};
use crate::{dovecot, postfix};

const START_NS: i64 = 1_795_352_324_000_000_000;

/// Feeds `line` as line `number`, `number` seconds after the start, and appends its events.
fn feed(state: &mut Correlator, number: u64, line: &str, out: &mut Drafts) {
    feed_at(state, number, number, line, out);
}

/// As [`feed`], so many seconds after the start.
pub(super) fn feed_at(
    state: &mut Correlator,
    number: u64,
    second: u64,
    line: &str,
    out: &mut Drafts,
) {
    let mut scratch = Vec::new();
    let envelope = read(line.as_bytes(), Format::Unknown, &mut scratch);
    let program = Program::of(envelope.tag, envelope.body);
    let at = LineAt {
        time_ns: START_NS + second as i64 * 1_000_000_000,
        host: envelope.host,
        tag: envelope.tag,
        listener: program.listener,
        service: program.service,
        pid: envelope.pid,
        stream: 1,
        line: number,
        stream_key: 7,
        repeated: 1,
    };
    if program.family == Family::Dovecot {
        state.dovecot(&at, &dovecot::read(&envelope), out);
    } else {
        let line = postfix::parse(program.service, envelope.body);
        state.postfix(&at, &line, &NoLookup, out);
    }
}

fn all(lines: &[&str]) -> Vec<u8> {
    let mut state = Correlator::new(Limits::default());
    let mut out = Drafts::default();
    for (number, line) in lines.iter().enumerate() {
        feed(&mut state, number as u64, line, &mut out);
    }
    out.to_records()
}

fn names(records: &[u8]) -> Vec<&'static str> {
    Records::new(records)
        .map(|event| event.unwrap().kind().name())
        .collect()
}

const LIFE: &[&str] = &[
    "Nov 22 12:58:44 mx postfix/smtpd[252]: connect from out.test[198.51.100.1]",
    "Nov 22 12:58:45 mx postfix/smtpd[252]: A90049BC91D: client=out.test[198.51.100.1], sasl_method=PLAIN, sasl_username=a",
    "Nov 22 12:58:46 mx postfix/cleanup[256]: A90049BC91D: message-id=<1@x.test>",
    "Nov 22 12:58:47 mx postfix/qmgr[240]: A90049BC91D: from=<a@x.test>, size=1834, nrcpt=1 (queue active)",
    "Nov 22 12:58:48 mx postfix/smtpd[252]: disconnect from out.test[198.51.100.1] ehlo=1 commands=1",
    "Nov 22 12:58:49 mx postfix/smtp[261]: A90049BC91D: to=<b@y.test>, relay=m[203.0.113.10]:25, delay=0.08, delays=0.03/0.04/0/0, dsn=4.2.2, status=deferred (host m[203.0.113.10] said: 452 4.2.2 full (in reply to RCPT TO command))",
    "Nov 22 12:58:50 mx postfix/qmgr[240]: A90049BC91D: from=<a@x.test>, size=1834, nrcpt=1 (queue active)",
    "Nov 22 12:58:51 mx postfix/smtp[261]: A90049BC91D: to=<b@y.test>, relay=m[203.0.113.10]:25, delay=2, delays=0/0/0/2, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as XYZ123)",
    "Nov 22 12:58:52 mx postfix/qmgr[240]: A90049BC91D: removed",
];

#[test]
fn a_message_with_a_retry_gives_its_events_in_order() {
    assert_eq!(
        names(&all(LIFE)),
        [
            "smtp.connection-start",
            "smtp.mail-from",
            "auth.success",
            "smtp.message-id",
            "queue.authenticated-message-queued",
            "delivery.attempt-start",
            "smtp.connection-end",
            "delivery.rcpt-to-failed",
            "queue.rescheduled",
            "delivery.attempt-end",
            "delivery.attempt-start",
            "delivery.delivered",
            "delivery.completed",
            "delivery.attempt-end",
        ]
    );
}

#[test]
fn all_events_of_a_message_carry_one_queue_id() {
    let records = all(LIFE);
    let mut ids: Vec<u64> = Records::new(&records)
        .filter_map(|event| event.unwrap().uint(Key::QUEUE_ID))
        .collect();
    assert_eq!(ids.len(), 11);
    ids.dedup();
    assert_eq!(
        ids,
        [short_queue_id(
            b"mx",
            b"A90049BC91D",
            START_NS + 1_000_000_000
        )]
    );
}

/// Postfix uses a short id again when inode and microsecond recur: the second life is another
/// message, and a late line of the first life still belongs to the first.
#[test]
fn a_short_id_used_again_is_another_message() {
    let mut lines = LIFE.to_vec();
    let again: Vec<String> = LIFE[..3]
        .iter()
        .map(|line| line.replace("1@x.test", "2@x.test"))
        .collect();
    lines.extend(again.iter().map(String::as_str));
    lines.push("Nov 22 12:58:56 mx postfix/smtp[261]: A90049BC91D: to=<late@y.test>, relay=none, delay=1, status=bounced (late)");
    let records = all(&lines);
    let events: Vec<_> = Records::new(&records).map(|event| event.unwrap()).collect();
    let id_of = |kind: EventType, at: usize| {
        events
            .iter()
            .filter(|event| event.kind() == kind)
            .nth(at)
            .and_then(|event| event.uint(Key::QUEUE_ID))
    };
    assert_ne!(
        id_of(EventType::SMTP_MAIL_FROM, 0),
        id_of(EventType::SMTP_MAIL_FROM, 1)
    );
    let late = events
        .iter()
        .rfind(|event| event.str(Key::TO) == Some("late@y.test"))
        .unwrap();
    assert_eq!(
        late.uint(Key::QUEUE_ID),
        id_of(EventType::SMTP_MAIL_FROM, 0)
    );
}

#[test]
fn saving_and_restoring_between_any_two_lines_changes_no_byte() {
    let lines: Vec<&str> = LIFE
        .iter()
        .copied()
        .chain([
            "Nov 22 12:58:56 mx postfix/smtpd[9]: NOQUEUE: hold: RCPT from x[192.0.2.1]: <a>: why; from=<a@x> to=<b@y> proto=ESMTP helo=<h>",
            "Nov 22 12:58:57 mx postfix/smtpd[9]: B90049BC91D: client=x[192.0.2.1]",
            "Nov 22 12:58:57 mx dovecot: imap-login: Login: user=<a>, method=PLAIN, rip=192.0.2.9, lip=192.0.2.25, mpid=7, TLS, session=<abc>",
            "Nov 22 12:58:58 mx dovecot: imap(a)<7><abc>: Disconnected: Logged out in=57 out=807",
        ])
        .collect();
    let whole = all(&lines);
    for cut in 0..lines.len() {
        let mut state = Correlator::new(Limits::default());
        let mut out = Drafts::default();
        for (number, line) in lines.iter().enumerate() {
            if number == cut {
                let mut saved = Vec::new();
                state.save(&mut saved);
                state = Correlator::restore(Limits::default(), &saved).unwrap();
            }
            feed(&mut state, number as u64, line, &mut out);
        }
        assert_eq!(out.to_records(), whole, "cut before line {cut}");
    }
}

#[test]
fn damaged_state_is_refused_and_never_panics() {
    let mut state = Correlator::new(Limits::default());
    let mut out = Drafts::default();
    for (number, line) in LIFE.iter().enumerate() {
        feed(&mut state, number as u64, line, &mut out);
    }
    let mut saved = Vec::new();
    state.save(&mut saved);
    for end in 0..saved.len() {
        assert!(
            Correlator::restore(Limits::default(), &saved[..end]).is_err(),
            "{end}"
        );
    }
    for at in 0..saved.len() {
        let mut damaged = saved.clone();
        damaged[at] ^= 0x41;
        let _ = Correlator::restore(Limits::default(), &damaged);
    }
}

#[test]
fn memory_is_bounded() {
    let limits = Limits {
        legs: 10,
        closed_legs: 5,
        sessions: 7,
    };
    let mut state = Correlator::new(limits);
    let mut out = Drafts::default();
    for number in 0..500u64 {
        let line = format!(
            "Nov 22 12:58:44 mx postfix/smtpd[{}]: {:X}49BC91D: client=x[192.0.2.1]",
            number + 1,
            number + 0xA9000
        );
        feed(&mut state, number, &line, &mut out);
        if number % 2 == 0 {
            let line = format!(
                "Nov 22 12:58:44 mx postfix/qmgr[1]: {:X}49BC91D: removed",
                number + 0xA9000
            );
            feed(&mut state, number, &line, &mut out);
        }
    }
    // Limits hold before each line, which may add one of each.
    let (open, closed, sessions) = state.sizes();
    assert!(
        open + closed <= 16 && closed <= 6 && sessions <= 8,
        "{open} {closed} {sessions}"
    );
}

#[test]
fn spans_opened_in_one_second_differ() {
    let lines: Vec<String> = (0..3000)
        .map(|pid| format!("Nov 22 12:58:44 mx postfix/smtpd[{pid}]: connect from x[192.0.2.1]"))
        .collect();
    let mut state = Correlator::new(Limits::default());
    let mut out = Drafts::default();
    for line in &lines {
        feed(&mut state, 0, line, &mut out);
    }
    let mut spans: Vec<_> = Records::new(&out.to_records())
        .filter_map(|event| event.unwrap().span())
        .collect();
    spans.sort();
    spans.dedup();
    assert_eq!(
        spans.len(),
        3000,
        "even for lines with one number, the ids are counted up"
    );
}

fn failures(lines: &[&str]) -> (usize, u64) {
    let records = all(lines);
    let failed = Records::new(&records)
        .map(Result::unwrap)
        .filter(|event| event.kind() == EventType::AUTH_FAILED)
        .map(|event| event.uint(Key::COUNT).unwrap_or(1));
    (names(&records).len(), failed.sum())
}

#[test]
fn a_failed_sign_in_counts_once_whoever_tells_of_it() {
    let smtp = [
        "Nov 22 13:21:29 mx dovecot: auth: passwd-file(alice@example.test,198.51.100.9): Password mismatch",
        "Nov 22 13:21:30 mx postfix/submission/smtpd[860]: warning: laptop.isp.test[198.51.100.9]: SASL PLAIN authentication failed: (reason unavailable), sasl_username=alice@example.test",
        "Nov 22 13:21:34 mx dovecot: auth: passwd-file(alice@example.test,198.51.100.9): Password mismatch",
        "Nov 22 13:21:35 mx postfix/submission/smtpd[860]: warning: laptop.isp.test[198.51.100.9]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
    ];
    assert_eq!(failures(&smtp), (4, 2));
    assert_eq!(failures(&smtp[1..2]).1, 1, "without Dovecot's lines");
    let imap = [
        "Nov 22 13:21:29 mx dovecot: auth: sql(bob,198.51.100.9): unknown user",
        "Nov 22 13:21:29 mx dovecot: auth: ldap(bob,198.51.100.9): unknown user",
        "Nov 22 13:21:34 mx dovecot: auth: sql(bob,198.51.100.9): unknown user",
        "Nov 22 13:21:36 mx dovecot: imap-login: Disconnected (auth failed, 3 attempts): user=<bob>, method=PLAIN, rip=198.51.100.9, lip=192.0.2.25",
    ];
    assert_eq!(
        failures(&imap).1,
        3,
        "two told by databases, the third by none"
    );
    let session = [
        "Nov 22 13:20:55 mx dovecot: auth: passwd-file(alice,198.51.100.9,<XjPfWN1g7eLGM2QJ>): Password mismatch",
        "Nov 22 13:20:56 mx dovecot: imap-login: Login failed: Authentication failed.: user=<alice>, method=PLAIN, rip=198.51.100.9, lip=192.0.2.25, session=<XjPfWN1g7eLGM2QJ>",
        "Nov 22 13:20:56 mx dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 1 secs): user=<alice>, method=PLAIN, rip=198.51.100.9, lip=192.0.2.25, session=<XjPfWN1g7eLGM2QJ>",
    ];
    assert_eq!(failures(&session).1, 1);
    assert_eq!(failures(&session[1..]).1, 1);
    assert_eq!(failures(&session[2..]).1, 1);
}

#[test]
fn a_rule_that_holds_a_message_tells_its_sender() {
    let records = all(&[
        "Nov 22 13:20:57 mx postfix/smtpd[725]: NOQUEUE: hold: RCPT from out.test[198.51.100.7]: <h@s.test>: Sender address by sender table; from=<h@s.test> to=<b@e.test> proto=ESMTP helo=<out.test>",
        "Nov 22 13:20:58 mx postfix/smtpd[725]: 4jXV7s1111z1YS43: client=out.test[198.51.100.7]",
    ]);
    let held: Vec<_> = Records::new(&records)
        .map(Result::unwrap)
        .filter(|event| event.kind() == EventType::QUEUE_HELD)
        .map(|event| {
            (
                event.uint(Key::QUEUE_ID).is_some(),
                event.str(Key::FROM).map(str::to_owned),
            )
        })
        .collect();
    let sender = Some("h@s.test".to_owned());
    assert_eq!(held, [(false, sender.clone()), (true, sender)]);
}

/// Where cleanup's lines come late, a transaction that came to its end was told as given up; the
/// session's counters say that it did.
#[test]
fn a_transaction_that_the_counters_count_is_not_given_up() {
    let given_up = |counters: &str| {
        let end = format!(
            "Nov 22 21:28:42 old postfix/smtpd[11]: disconnect from mx.test[198.51.100.10]{counters}"
        );
        let records = all(&[
            "Nov 22 21:28:42 old postfix/smtpd[11]: connect from mx.test[198.51.100.10]",
            "Nov 22 21:28:42 old postfix/smtpd[11]: 7C3F6AA709C: client=mx.test[198.51.100.10]",
            &end,
            "Nov 22 21:28:42 old postfix/cleanup[12]: 7C3F6AA709C: message-id=<x@cli.test>",
        ]);
        Records::new(&records)
            .map(Result::unwrap)
            .any(|event| event.kind() == EventType::SMTP_TRANSACTION_ABORTED)
    };
    assert!(!given_up(
        " ehlo=2 starttls=1 mail=1 rcpt=1/2 data=1 quit=1 commands=7/8"
    ));
    assert!(!given_up(
        " ehlo=1 mail=2 rcpt=2 bdat=1 data=1 quit=1 commands=7"
    ));
    assert!(given_up(" ehlo=1 mail=2 rcpt=2 data=1 rset=1 commands=7"));
    assert!(given_up(" ehlo=1 mail=1 rcpt=1 data=0/1 commands=3/4"));
    assert!(given_up(""), "before 3.0 there are no counters");
}

/// Starts and ends of sessions, in order, and how many spans they are of.
fn starts_and_ends(lines: &[&str]) -> (String, usize) {
    let records = all(lines);
    let mut spans = std::collections::BTreeSet::new();
    let mut told = String::new();
    for event in Records::new(&records).map(Result::unwrap) {
        let name = event.kind().name();
        if name.ends_with(".connection-start") || name.ends_with(".connection-end") {
            told.push_str(if name.ends_with("start") { "<" } else { ">" });
            spans.insert(event.span().unwrap());
        }
    }
    (told, spans.len())
}

#[test]
fn a_session_of_postscreen_ends_with_the_hand_over() {
    const CONNECT: &str =
        "Nov 22 12:58:44 mx postfix/postscreen[1]: CONNECT from [192.0.2.1]:99 to [192.0.2.25]:25";
    const REJECT: &str = "Nov 22 12:58:44 mx postfix/postscreen[1]: NOQUEUE: reject: RCPT from [192.0.2.1]:99: 450 4.3.2 Service currently unavailable; from=<a@x>, to=<b@y>, proto=ESMTP, helo=<h>";
    const DISCONNECT: &str = "Nov 22 12:58:44 mx postfix/postscreen[1]: DISCONNECT [192.0.2.1]:99";
    let ended = ("<>".to_owned(), 1);
    for verdict in ["PASS OLD", "PASS NEW", "ALLOWLISTED", "WHITELISTED"] {
        let verdict = format!("Nov 22 12:58:44 mx postfix/postscreen[1]: {verdict} [192.0.2.1]:99");
        assert_eq!(starts_and_ends(&[CONNECT, &verdict]), ended);
        assert_eq!(starts_and_ends(&[CONNECT, &verdict, DISCONNECT]), ended);
        assert_eq!(starts_and_ends(&[CONNECT, CONNECT, &verdict]), ended);
        assert_eq!(starts_and_ends(&[&verdict]), ended);
        assert_eq!(starts_and_ends(&[&verdict, DISCONNECT]), ended);
        let again = [CONNECT, &verdict, CONNECT, DISCONNECT];
        assert_eq!(starts_and_ends(&again), ("<><>".to_owned(), 2));
        let kept = [CONNECT, REJECT, &verdict];
        assert_eq!(starts_and_ends(&kept), ("<".to_owned(), 1));
    }
    for verdict in ["DENYLISTED", "ALLOWLIST VETO"] {
        let verdict = format!("Nov 22 12:58:44 mx postfix/postscreen[1]: {verdict} [192.0.2.1]:99");
        assert_eq!(starts_and_ends(&[CONNECT, &verdict]), ("<".to_owned(), 1));
    }
    assert_eq!(starts_and_ends(&[DISCONNECT, DISCONNECT]), ended);
}

#[test]
fn a_session_told_only_at_its_end_has_a_start() {
    let ended = ("<>".to_owned(), 1);
    for line in [
        "Nov 22 13:20:56 mx dovecot: imap-login: Disconnected (no auth attempts in 3 secs): user=<>, rip=192.0.2.9, lip=192.0.2.25, session=<abc>",
        "Nov 22 13:20:56 mx dovecot: pop3-login: Aborted login (auth failed, 1 attempts in 2 secs): user=<a>, method=PLAIN, rip=192.0.2.9, lip=192.0.2.25",
        "Nov 22 13:20:56 mx dovecot: imap(a)<7><abc>: Disconnected: Logged out in=57 out=807",
        "Nov 22 13:20:56 mx dovecot: lmtp(7): Disconnect from local: Client has quit the connection (state=READY)",
        "Nov 22 13:20:56 mx postfix/smtpd[7]: disconnect from x[192.0.2.1]",
    ] {
        assert_eq!(starts_and_ends(&[line]), ended, "{line}");
    }
    let records = all(&[
        "Nov 22 13:20:56 mx dovecot: imap-login: Disconnected (no auth attempts in 3 secs): user=<>, rip=192.0.2.9, lip=192.0.2.25, session=<abc>",
    ]);
    let elapsed = Records::new(&records)
        .map(Result::unwrap)
        .find_map(|event| event.get(Key::ELAPSED).map(|value| format!("{value:?}")));
    assert_eq!(elapsed.as_deref(), Some("Duration(3000)"));
}

#[test]
fn lines_that_come_twice_or_late_neither_split_nor_end_a_session_again() {
    const START: &str = "Nov 22 12:58:44 mx postfix/smtpd[252]: connect from x[192.0.2.1]";
    const END: &str = "Nov 22 12:58:44 mx postfix/smtpd[252]: disconnect from x[192.0.2.1]";
    let ended = ("<>".to_owned(), 1);
    assert_eq!(starts_and_ends(&[START, START, END]), ended);
    assert_eq!(starts_and_ends(&[START, END, END]), ended);
    let twice = [START, END, START, END];
    assert_eq!(starts_and_ends(&twice), ("<><>".to_owned(), 2));
    let login = "Nov 22 12:58:57 mx dovecot: imap-login: Login: user=<a>, method=PLAIN, rip=192.0.2.9, lip=192.0.2.25, mpid=7, TLS, session=<abc>";
    let end = "Nov 22 12:58:58 mx dovecot: imap(a)<7><abc>: Disconnected: Logged out in=57 out=807";
    assert_eq!(starts_and_ends(&[login, login, end, end]), ended);
    assert_eq!(starts_and_ends(&[end, login]), ended);
}

#[test]
fn messages_of_a_second_have_ids_of_their_own() {
    let id = |host: &str, id: &str| long_queue_id(host.as_bytes(), id.as_bytes());
    let pair = [id("mx1", "4cX0001BL6z9xB"), id("mx1", "4cX00023R2z9xB")];
    assert_ne!(pair[0], pair[1]);
    assert_eq!(
        seconds_of_queue_id(pair[0]),
        seconds_of_long_id(b"4cX0001BL6z9xB").unwrap()
    );
    assert_ne!(id("mx1", "4cX0001BL6z9xB"), id("mx2", "4cX0001BL6z9xB"));
    assert_ne!(id("mx1", "4cX0001BL6z9xB"), id("mx1", "4cX0001BL6z9xC"));

    let short = |id: &str, first_ns| short_queue_id(b"mx1", id.as_bytes(), first_ns);
    let mut seen = std::collections::BTreeSet::new();
    for micros in (0..1_000_000).step_by(7) {
        assert!(seen.insert(short(&format!("{micros:05X}8A1C0"), 5_000_000_000)));
    }
    // Lines read in pieces are of one message, if its first known lines are of one second.
    assert_eq!(
        short("3F2A18A1C0", 5_000_000_000),
        short("3F2A18A1C0", 5_900_000_000)
    );
    assert_ne!(
        short("3F2A18A1C0", 5_000_000_000),
        short("3F2A18A1C0", 6_000_000_000)
    );
    // Ids of other shapes are told apart by all that is known.
    for other in ["FFFFF8A1C0", "8A1C0", "x", ""] {
        assert_ne!(short(other, 5_000_000_000), short(other, 5_000_000_001));
    }
}
