//! Recipients refused before their message had a queue id: of one message where that is sure.

#[path = "support/folding.rs"]
mod folding;

use folding::{fold, fold_restarting};
use tidings_mail::message::{JoinBy, Kind, Message, Verdict};

const CONNECT: &str = "12:00:00 mx postfix/smtpd[1]: connect from cli.example[198.51.100.60]";
const REFUSED: &str = "12:00:01 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from cli.example[198.51.100.60]: 550 5.1.1 <no@lab.example>: Recipient address rejected: User unknown in local recipient table; from=<w@cli.example> to=<no@lab.example> proto=ESMTP helo=<cli.example>";
const CLIENT: &str = "12:00:01 mx postfix/smtpd[1]: 8ECDFA78057: client=cli.example[198.51.100.60]";
const MESSAGE_ID: &str = "12:00:01 mx postfix/cleanup[2]: 8ECDFA78057: message-id=<w@cli.example>";
const QUEUED: &str = "12:00:01 mx postfix/qmgr[3]: 8ECDFA78057: from=<w@cli.example>, size=215, nrcpt=1 (queue active)";
const SENT: &str = "12:00:01 mx postfix/local[4]: 8ECDFA78057: to=<alice@lab.example>, relay=local, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)";
const REMOVED: &str = "12:00:01 mx postfix/qmgr[3]: 8ECDFA78057: removed";
const ONE: &str = "12:00:02 mx postfix/smtpd[1]: disconnect from cli.example[198.51.100.60] ehlo=1 mail=1 rcpt=1/2 data=1 quit=1 commands=5/6";
const LIFE: [&str; 8] = [
    CONNECT, REFUSED, CLIENT, MESSAGE_ID, QUEUED, SENT, REMOVED, ONE,
];

fn shape(message: &Message) -> (Kind, Vec<(&str, Option<Verdict>)>) {
    let recipients = message.recipients.iter();
    let mut verdicts: Vec<_> = recipients.map(|to| (&*to.address, to.verdict)).collect();
    verdicts.sort_unstable();
    (message.kind, verdicts)
}

fn is_joined(messages: &[Message]) -> bool {
    let [message] = messages else { return false };
    let both = [
        ("alice@lab.example", Some(Verdict::Delivered)),
        ("no@lab.example", Some(Verdict::Rejected)),
    ];
    shape(message) == (Kind::Accepted, both.to_vec())
        && message.queue_ids == ["8ECDFA78057"]
        && message.id == message.legs[0]
        && !message.joins.is_empty()
        && message.joins.iter().all(|join| {
            join.by == JoinBy::Session && join.from == message.id && message.legs.contains(&join.to)
        })
}

fn is_apart(messages: &[Message]) -> bool {
    let refused = |message: &&Message| message.kind == Kind::Refused;
    let accepted = messages.len() - messages.iter().filter(refused).count();
    let joins = messages.iter().any(|message| !message.joins.is_empty());
    accepted > 0 && accepted < messages.len() && !joins
}

/// With the line replaced by others.
fn with(line: &str, others: &[&str]) -> String {
    let all = LIFE.iter().flat_map(|known| match *known == line {
        true => others.to_vec(),
        false => vec![*known],
    });
    all.collect::<Vec<_>>().join("\n")
}

/// The refused recipient was a row of its own beside the message, as if it had been another one.
#[test]
fn a_recipient_refused_first_is_of_the_message() {
    let found = fold(&[&LIFE.join("\n")]);
    assert!(is_joined(&found), "{found:#?}");
    let refused = &found[0].recipients[1];
    assert_eq!(
        (refused.code, refused.class),
        (Some(550), Some("no-such-user"))
    );
    assert_eq!(refused.leg, found[0].legs[1]);
    assert_eq!(found[0].client_ip.as_deref(), Some("198.51.100.60"));
}

/// Before 3.0 there are no counters, and a log may lack the ends of the session.
#[test]
fn one_queue_id_and_one_sender_are_evidence() {
    let old = "12:00:02 mx postfix/smtpd[1]: disconnect from cli.example[198.51.100.60]";
    assert!(is_joined(&fold(&[&with(ONE, &[old])])));
    assert!(is_joined(&fold(&[&with(ONE, &[])])));
    assert!(is_joined(&fold(&[&with(CONNECT, &[]).replace(ONE, "")])));
    let chunked = ONE.replace("data=1", "bdat=3");
    assert!(is_joined(&fold(&[&with(ONE, &[&chunked])])));
}

#[test]
fn what_speaks_against_one_transaction_keeps_them_apart() {
    let old = "12:00:02 mx postfix/smtpd[1]: disconnect from cli.example[198.51.100.60]";
    let other = CLIENT.replace("8ECDFA78057", "9ECDFA78057");
    let mail = |commands: &str| with(ONE, &[&format!("{old} {commands}")]);
    let late = REFUSED.replace("12:00:01", "12:00:02");
    for log in [
        mail("ehlo=1 mail=2 rcpt=1/2 data=1 quit=1 commands=6/7"),
        mail("ehlo=1 mail=1 rcpt=1/2 data=0/1 quit=1 commands=4/6"),
        with(QUEUED, &[&QUEUED.replace("w@cli", "other@cli")]),
        with(QUEUED, &[]),
        with(ONE, &[&other, old]),
        with(ONE, &[&other, ONE]),
        with(REFUSED, &[]) + "\n" + REFUSED.replace("[1]", "[7]").as_str(),
        with(REFUSED, &[&REFUSED.replace("from=<w@", "from=<x@")]),
        with(REFUSED, &[]).replace(ONE, &format!("{late}\n{old}")),
        with(CLIENT, &[old, CONNECT, CLIENT]),
    ] {
        let found = fold(&[&log]);
        assert!(is_apart(&found), "{log}\n{found:#?}");
        assert_eq!(fold_restarting(&log), found, "{log}");
    }
}

/// What is named again after it was refused is told as it ended.
#[test]
fn a_recipient_accepted_in_the_end_is_told_once() {
    let greylisted = REFUSED
        .replace("550 5.1.1", "450 4.2.0")
        .replace("no@lab", "alice@lab");
    let found = fold(&[&with(REFUSED, &[&greylisted])]);
    let alice = vec![("alice@lab.example", Some(Verdict::Delivered))];
    assert_eq!(found.len(), 1);
    assert_eq!(shape(&found[0]), (Kind::Accepted, alice));
    assert!(is_joined(&fold(&[&with(REFUSED, &[REFUSED, REFUSED])])));
}

#[test]
fn neither_order_nor_restarts_nor_copies_of_lines_matter() {
    let mut seed = 1u64;
    let mut random = |below: usize| {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    for round in 0..500 {
        let mut lines = LIFE.to_vec();
        for at in (1..lines.len()).rev() {
            lines.swap(at, random(at + 1));
        }
        if round % 2 == 0 {
            // A second `connect` of a process is another session, wherever it stands.
            let copied = LIFE[1 + random(LIFE.len() - 1)];
            lines.insert(random(lines.len() + 1), copied);
        }
        let log = lines.join("\n");
        let found = fold(&[&log]);
        assert!(is_joined(&found), "{log}\n{found:#?}");
        assert!(is_joined(&fold_restarting(&log)), "{log}");
    }
}

/// A command that was refused waits for its message no longer than lines of its session may come.
#[test]
fn what_stays_refused_is_settled_after_its_session() {
    let refused = [
        CONNECT,
        REFUSED,
        &ONE.replace("rcpt=1/2 data=1", "rcpt=0/1"),
    ]
    .join("\n");
    let later = "12:00:09 mx postfix/smtpd[8]: connect from other.example[198.51.100.61]";
    let [message] = &fold_restarting(&format!("{refused}\n{later}"))[..] else {
        panic!("one message")
    };
    assert_eq!(message.kind, Kind::Refused);
    assert_eq!(fold(&[&format!("{refused}\n{later}")])[0], *message);
}
