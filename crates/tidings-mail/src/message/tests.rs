use std::sync::Arc;

use tidings_event::Drafts;

use super::*;
use crate::correlate::{Correlator, Limits, LineAt, NoLookup};
use crate::envelope::{Format, Program, read};
use crate::provider::Providers;
use crate::{dovecot, postfix};

fn folder() -> Folder {
    Folder::new(
        FolderLimits::default(),
        Arc::new(Providers::builtin().clone()),
    )
}

/// Folds lines, one a second.
fn fold_into(folder: &mut Folder, lines: &[&str]) {
    let mut state = Correlator::new(Limits::default());
    let mut scratch = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let envelope = read(line.as_bytes(), Format::Unknown, &mut scratch);
        let program = Program::of(envelope.tag, envelope.body);
        let at = LineAt {
            time_ns: 1_795_352_324_000_000_000 + number as i64 * 1_000_000_000,
            host: envelope.host,
            tag: envelope.tag,
            listener: program.listener,
            service: program.service,
            pid: envelope.pid,
            stream: 1,
            line: number as u64,
            stream_key: 7,
            repeated: 1,
        };
        let mut events = Drafts::default();
        if envelope.tag == b"dovecot" {
            state.dovecot(&at, &dovecot::read(&envelope), &mut events);
        } else {
            let line = postfix::parse(program.service, envelope.body);
            state.postfix(&at, &line, &NoLookup, &mut events);
        }
        for event in events.iter() {
            folder.apply(event.header(), &event.pairs().collect::<Vec<_>>(), &mut ());
        }
    }
}

fn messages(lines: &[&str]) -> Vec<Message> {
    let mut folder = folder();
    fold_into(&mut folder, lines);
    let mut messages: Vec<Message> = folder.messages().collect();
    messages.sort_by_key(|message| message.time_ns);
    messages
}

fn verdicts(message: &Message) -> Vec<(&str, Verdict)> {
    message
        .recipients
        .iter()
        .map(|r| (r.address.as_str(), r.verdict.unwrap()))
        .collect()
}

#[test]
fn a_content_filter_and_its_second_queue_id_are_one_message() {
    let found = messages(&[
        "Nov 22 13:20:57 mx postfix/smtpd[1]: 4jXV7s4qRdz1YS5R: client=out[198.51.100.7]",
        "Nov 22 13:20:57 mx postfix/cleanup[2]: 4jXV7s4qRdz1YS5R: message-id=<m@x>",
        "Nov 22 13:20:57 mx postfix/qmgr[3]: 4jXV7s4qRdz1YS5R: from=<a@x>, size=1, nrcpt=1 (queue active)",
        "Nov 22 13:20:58 mx postfix/smtpd[4]: 4jXV7t01Rpz1YS5V: client=localhost[127.0.0.1], orig_queue_id=4jXV7s4qRdz1YS5R, orig_client=out[198.51.100.7]",
        "Nov 22 13:20:58 mx postfix/cleanup[2]: 4jXV7t01Rpz1YS5V: message-id=<m@x>",
        "Nov 22 13:20:58 mx postfix/qmgr[3]: 4jXV7t01Rpz1YS5V: from=<a@x>, size=2, nrcpt=1 (queue active)",
        "Nov 22 13:20:58 mx postfix/lmtp[5]: 4jXV7t01Rpz1YS5V: to=<b@y>, relay=mx[private/lmtp], delay=0.06, delays=0/0/0/0, dsn=5.2.2, status=bounced (552 5.2.2 full)",
        "Nov 22 13:20:58 mx postfix/smtp[6]: 4jXV7s4qRdz1YS5R: to=<b@y>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.38, delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4jXV7t01Rpz1YS5V)",
        "Nov 22 13:20:58 mx postfix/qmgr[3]: 4jXV7s4qRdz1YS5R: removed",
        "Nov 22 13:20:58 mx postfix/qmgr[3]: 4jXV7t01Rpz1YS5V: removed",
    ]);
    let [message] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(message.queue_ids, ["4jXV7s4qRdz1YS5R", "4jXV7t01Rpz1YS5V"]);
    assert_eq!(
        verdicts(message),
        [("b@y", Verdict::Bounced)],
        "the last leg decides"
    );
    assert_eq!(message.client_ip.as_deref(), Some("198.51.100.7"));
    assert_eq!(message.joins.len(), 1);
}

#[test]
fn a_sieve_script_has_the_last_word_on_an_lmtp_delivery() {
    let lines = [
        "Nov 22 13:20:57 mx postfix/smtpd[1]: 4jXV7t2kH7z1YS44: client=out[198.51.100.7]",
        "Nov 22 13:20:57 mx postfix/cleanup[2]: 4jXV7t2kH7z1YS44: message-id=<m@x>",
        "Nov 22 13:20:57 mx postfix/qmgr[3]: 4jXV7t2kH7z1YS44: from=<a@x>, size=1, nrcpt=1 (queue active)",
        "Nov 22 13:20:58 mx dovecot: lmtp(b@y)<765><eEw2HjrsAmv9AgAALsOh1Q>: sieve: msgid=<m@x>: marked message to be discarded if not explicitly delivered (discard action)",
        "Nov 22 13:20:58 mx postfix/lmtp[5]: 4jXV7t2kH7z1YS44: to=<b@y>, relay=mx[private/lmtp], delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 <b@y> eEw2HjrsAmv9AgAALsOh1Q Saved)",
        "Nov 22 13:20:58 mx postfix/qmgr[3]: 4jXV7t2kH7z1YS44: removed",
    ];
    let found = messages(&lines);
    let [message] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(verdicts(message), [("b@y", Verdict::Discarded)]);
    assert_eq!(message.joins[0].by, JoinBy::LmtpReply);
    // The codes were those of the handing over, and the class "accepted".
    let discarded = &message.recipients[0];
    assert_eq!((discarded.code, discarded.class), (None, Some("discarded")));
}

#[test]
fn a_bounce_is_a_message_of_its_own_that_knows_its_parent() {
    let found = messages(&[
        "Nov 22 13:20:57 mx postfix/smtpd[1]: 4jXV7r3l54z1YS3r: client=out[198.51.100.7]",
        "Nov 22 13:20:57 mx postfix/qmgr[3]: 4jXV7r3l54z1YS3r: from=<a@x>, size=1, nrcpt=1 (queue active)",
        "Nov 22 13:20:57 mx postfix/smtp[5]: 4jXV7r3l54z1YS3r: to=<no@y>, orig_to=<al@x>, relay=m[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host m[203.0.113.1] said: 550 5.1.1 <no@y>: User unknown (in reply to RCPT TO command))",
        "Nov 22 13:20:57 mx postfix/cleanup[2]: 4jXV7r4YHGz1YS40: message-id=<dsn@mx>",
        "Nov 22 13:20:57 mx postfix/bounce[6]: 4jXV7r3l54z1YS3r: sender non-delivery notification: 4jXV7r4YHGz1YS40",
        "Nov 22 13:20:57 mx postfix/qmgr[3]: 4jXV7r4YHGz1YS40: from=<>, size=9, nrcpt=1 (queue active)",
        "Nov 22 13:20:57 mx postfix/qmgr[3]: 4jXV7r3l54z1YS3r: removed",
        "Nov 22 13:20:57 mx postfix/smtp[5]: 4jXV7r4YHGz1YS40: to=<a@x>, relay=m[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok)",
        "Nov 22 13:20:57 mx postfix/qmgr[3]: 4jXV7r4YHGz1YS40: removed",
    ]);
    let [sent, notice] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(verdicts(sent), [("no@y", Verdict::Bounced)]);
    let recipient = &sent.recipients[0];
    assert_eq!(recipient.original_address.as_deref(), Some("al@x"));
    assert_eq!(
        (recipient.class, recipient.code),
        (Some("no-such-user"), Some(550))
    );
    assert_eq!(
        sent.relations,
        [Relation {
            is_parent: false,
            queue_id: "4jXV7r4YHGz1YS40".into()
        }]
    );
    assert_eq!(
        notice.relations,
        [Relation {
            is_parent: true,
            queue_id: "4jXV7r3l54z1YS3r".into()
        }]
    );
    assert_eq!(verdicts(notice), [("a@x", Verdict::Delivered)]);
    assert_eq!(notice.from.as_deref(), Some("<>"));
}

#[test]
fn what_is_not_known_yet_is_said_so() {
    let found = messages(&[
        "Nov 22 13:20:57 mx postfix/qmgr[3]: 4jXV7r3l54z1YS3r: from=<a@x>, size=1, nrcpt=2 (queue active)",
        "Nov 22 13:20:57 mx postfix/smtp[5]: 4jXV7r3l54z1YS3r: to=<b@y>, relay=m[203.0.113.1]:25, delay=1, dsn=2.0.0, status=sent (250 Ok)",
        "Nov 22 13:20:58 mx postfix/qmgr[3]: 4jXV7r4YHGz1YS40: removed",
    ]);
    assert_eq!(
        verdicts(&found[0]),
        [("b@y", Verdict::Delivered), ("", Verdict::InQueue)]
    );
    assert_eq!(verdicts(&found[1]), [("", Verdict::Unknown)]);
    assert_eq!(found[0].verdict(), Verdict::InQueue);
}

#[test]
fn an_expired_message_expires_for_those_who_had_not_got_it() {
    let found = messages(&[
        "Nov 22 13:20:57 mx postfix/qmgr[3]: 4jXV7r3l54z1YS3r: from=<a@x>, size=1, nrcpt=2 (queue active)",
        "Nov 22 13:20:57 mx postfix/smtp[5]: 4jXV7r3l54z1YS3r: to=<b@y>, relay=m[203.0.113.1]:25, delay=1, dsn=2.0.0, status=sent (250 Ok)",
        "Nov 22 13:20:57 mx postfix/smtp[5]: 4jXV7r3l54z1YS3r: to=<c@y>, relay=m[203.0.113.1]:25, delay=1, dsn=4.2.2, status=deferred (452 4.2.2 full)",
        "Nov 22 13:20:58 mx postfix/qmgr[3]: 4jXV7r3l54z1YS3r: from=<a@x>, status=expired, returned to sender",
        "Nov 22 13:20:58 mx postfix/qmgr[3]: 4jXV7r3l54z1YS3r: removed",
    ]);
    assert_eq!(
        verdicts(&found[0]),
        [("b@y", Verdict::Delivered), ("c@y", Verdict::Expired)]
    );
}

#[test]
fn who_is_not_named_expires_with_the_message_if_its_beginning_was_seen() {
    const REST: [&str; 4] = [
        "Nov 22 13:20:57 mx postfix/qmgr[3]: 4jXV7r3l54z1YS3r: from=<a@x>, size=1, nrcpt=2 (queue active)",
        "Nov 22 13:20:57 mx postfix/smtp[5]: 4jXV7r3l54z1YS3r: to=<b@y>, relay=m[203.0.113.1]:25, delay=1, dsn=2.0.0, status=sent (250 Ok)",
        "Nov 22 13:20:58 mx postfix/qmgr[3]: 4jXV7r3l54z1YS3r: from=<a@x>, status=expired, returned to sender",
        "Nov 22 13:20:58 mx postfix/qmgr[3]: 4jXV7r3l54z1YS3r: removed",
    ];
    assert_eq!(
        verdicts(&messages(&REST)[0]),
        [("b@y", Verdict::Delivered)],
        "the other one may have got it before"
    );
    assert_eq!(verdicts(&messages(&REST[2..])[0]), [("", Verdict::Expired)]);
    let begun = "Nov 22 13:20:56 mx postfix/smtpd[1]: 4jXV7r3l54z1YS3r: client=c.test[203.0.113.9]";
    let whole = [&[begun], REST.as_slice()].concat();
    assert_eq!(
        verdicts(&messages(&whole)[0]),
        [("b@y", Verdict::Delivered), ("", Verdict::Expired)]
    );
}

#[test]
fn what_a_filter_threw_away_is_not_delivered() {
    for reply in [
        "250 2.7.0 Ok, discarded, id=02494-03 - INFECTED: Eicar",
        "254 2.7.1 Ok, discarded, UBE, id=18545-06",
        "250 2.5.0 Ok, id=02494-03, BOUNCE",
        "250 Virus Detected; Discarded Email",
    ] {
        let line = format!(
            "Nov 22 13:20:57 mx postfix/smtp[5]: 4jXV7r3l54z1YS3r: to=<b@y>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, dsn=2.7.0, status=sent ({reply})"
        );
        assert_eq!(
            verdicts(&messages(&[&line])[0]),
            [("b@y", Verdict::Filtered)],
            "{reply}"
        );
    }
}

#[test]
fn what_mailscanner_took_from_hold_and_put_back_is_one_message() {
    let found = messages(&[
        "Nov 22 13:20:01 ms postfix/smtpd[11]: 0F1D4A8001: client=a.test[203.0.113.1]",
        "Nov 22 13:20:01 ms postfix/cleanup[12]: 0F1D4A8001: hold: header Received: from a.test (a.test [203.0.113.1])??by ms.y (Postfix) from a.test[203.0.113.1]; from=<s@a> to=<u@y> proto=ESMTP helo=<a.test>",
        "Nov 22 13:20:01 ms postfix/cleanup[12]: 0F1D4A8001: message-id=<ms1@a.test>",
        "Nov 22 13:20:06 ms MailScanner[77]: Requeue: 0F1D4A8001.A7B3C to 5E2FBA8002",
        "Nov 22 13:20:06 ms postfix/qmgr[90]: 5E2FBA8002: from=<s@a>, size=2100, nrcpt=1 (queue active)",
        "Nov 22 13:20:06 ms postfix/virtual[13]: 5E2FBA8002: to=<u@y>, relay=virtual, delay=5.1, delays=5/0/0/0.1, dsn=2.0.0, status=sent (delivered to maildir)",
        "Nov 22 13:20:06 ms postfix/qmgr[90]: 5E2FBA8002: removed",
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].from.as_deref(), Some("s@a"));
    assert_eq!(verdicts(&found[0]), [("u@y", Verdict::Delivered)]);
}

#[test]
fn what_a_proxy_filter_refused_came_from_the_client_of_the_session() {
    let found = messages(&[
        "Nov 22 13:20:56 mx postfix/smtpd[1]: connect from q.test[203.0.113.9]",
        "Nov 22 13:20:56 mx postfix/smtpd[1]: NOQUEUE: client=q.test[203.0.113.9]",
        "Nov 22 13:20:57 mx postfix/smtpd[1]: proxy-reject: END-OF-MESSAGE: 554 5.7.0 Reject, id=1-2; from=<a@x> to=<b@y> proto=ESMTP helo=<q.test>",
    ]);
    assert_eq!(found[0].client_ip.as_deref(), Some("203.0.113.9"));
    assert_eq!(verdicts(&found[0]), [("b@y", Verdict::Rejected)]);
}

#[test]
fn a_refused_command_is_a_row_of_its_own() {
    let found = messages(&[
        "Nov 22 13:20:57 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[203.0.113.9]: 554 5.7.1 <b@y>: Relay access denied; from=<a@x> to=<b@y> proto=ESMTP helo=<h>",
    ]);
    let [refused] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(refused.kind, Kind::Refused);
    assert_eq!(refused.client_ip.as_deref(), Some("203.0.113.9"));
    assert_eq!(verdicts(refused), [("b@y", Verdict::Rejected)]);
    assert_eq!(refused.recipients[0].class, Some("relay-denied"));
}

#[test]
fn open_messages_come_back_from_their_saved_form() {
    let lines = [
        "Nov 22 13:20:57 mx postfix/smtpd[1]: 4jXV7r3l54z1YS3r: client=out[198.51.100.7], sasl_method=PLAIN, sasl_username=a",
        "Nov 22 13:20:57 mx postfix/qmgr[3]: 4jXV7r3l54z1YS3r: from=<a@x>, size=1, nrcpt=2 (queue active)",
        "Nov 22 13:20:57 mx postfix/smtp[5]: 4jXV7r3l54z1YS3r: to=<b@y>, relay=m[203.0.113.1]:25, delay=1, dsn=4.0.0, status=deferred (450 4.2.0 later)",
    ];
    let mut before = folder();
    fold_into(&mut before, &lines);
    let mut saved = Vec::new();
    before.save(&mut saved);
    let mut after = folder();
    after.restore(&saved).unwrap();
    assert_eq!(
        after.messages().collect::<Vec<_>>(),
        before.messages().collect::<Vec<_>>()
    );
    for end in 0..saved.len() {
        assert!(folder().restore(&saved[..end]).is_err());
    }
}

#[test]
fn messages_settle_when_they_are_over_and_quiet() {
    let mut folder = Folder::new(
        FolderLimits {
            quiet_ns: 3_000_000_000,
            ..FolderLimits::default()
        },
        Arc::new(Providers::builtin().clone()),
    );
    let noise = "Nov 22 13:20:58 mx postfix/qmgr[3]: 4jXV7r9999z1YS40: from=<z@x>, size=1, nrcpt=1 (queue active)";
    fold_into(
        &mut folder,
        &[
            "Nov 22 13:20:57 mx postfix/qmgr[3]: 4jXV7r3l54z1YS3r: from=<a@x>, size=1, nrcpt=1 (queue active)",
            "Nov 22 13:20:57 mx postfix/smtp[5]: 4jXV7r3l54z1YS3r: to=<b@y>, relay=m[203.0.113.1]:25, delay=1, dsn=2.0.0, status=sent (250 Ok)",
            "Nov 22 13:20:57 mx postfix/qmgr[3]: 4jXV7r3l54z1YS3r: removed",
            noise,
            noise,
            noise,
            noise,
            noise,
        ],
    );
    let mut settled = Vec::new();
    folder.take_settled(|message| settled.push(message.into_owned()));
    assert_eq!(settled.len(), 1);
    assert_eq!(settled[0].queue_ids, ["4jXV7r3l54z1YS3r"]);
    assert_eq!(folder.open_count(), 1, "what is in the queue stays open");
}

/// Only their number was bounded: messages with long texts, or many recipients, took any memory.
#[test]
fn open_messages_are_bounded_by_their_bytes() {
    let mut folder = Folder::new(
        FolderLimits {
            open_bytes: 256 << 10,
            ..FolderLimits::default()
        },
        Arc::new(Providers::builtin().clone()),
    );
    let reply = "too long a story ".repeat(50);
    for number in 0..500 {
        let id = format!("4jXV{number:03}3l54z1YS3r");
        let active = format!(
            "Nov 22 13:20:57 mx postfix/qmgr[3]: {id}: from=<a@x>, size=1, nrcpt=2 (queue active)"
        );
        let sent = format!(
            "Nov 22 13:20:57 mx postfix/smtp[5]: {id}: to=<b{number}@y>, relay=m[203.0.113.1]:25, delay=1, dsn=2.0.0, status=sent (250 {reply})"
        );
        fold_into(&mut folder, &[&active, &sent]);
        assert!(folder.open_bytes() <= 256 << 10, "{}", folder.open_bytes());
    }
    let (open, settled) = (folder.open_count(), folder.settled_count());
    assert_eq!(open + settled, 500);
    assert_eq!(folder.take_early(), settled as u64);
    // Each has some 2 KiB; the oldest went.
    assert!((50..250).contains(&open), "{open}");
    let newest = folder.messages_named(Name::Text("b499@y")).next().unwrap();
    assert_eq!(newest.verdict(), Verdict::InQueue, "of two");
    folder.settle_all();
    assert_eq!(folder.open_bytes(), 0);
}

/// What a session refuses is of the message that it brings then.
const REFUSED_IN_SESSION: &[&str] = &[
    "Nov 22 13:20:57 mx postfix/smtpd[1]: connect from x[203.0.113.9]",
    "Nov 22 13:20:57 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[203.0.113.9]: 550 5.1.1 <no@y>: User unknown; from=<a@x> to=<no@y> proto=ESMTP helo=<h>",
    "Nov 22 13:20:57 mx postfix/smtpd[1]: 4jXV7r3l54z1YS3r: client=x[203.0.113.9]",
    "Nov 22 13:20:57 mx postfix/qmgr[3]: 4jXV7r3l54z1YS3r: from=<a@x>, size=1, nrcpt=1 (queue active)",
    "Nov 22 13:20:57 mx postfix/smtp[5]: 4jXV7r3l54z1YS3r: to=<b@y>, relay=m[203.0.113.1]:25, delay=1, dsn=2.0.0, status=sent (250 Ok)",
    "Nov 22 13:20:57 mx postfix/qmgr[3]: 4jXV7r3l54z1YS3r: removed",
    "Nov 22 13:20:57 mx postfix/smtpd[1]: disconnect from x[203.0.113.9] ehlo=1 mail=1 rcpt=1/2 data=1 quit=1 commands=5/6",
];

/// A doubled `connect` began another session, to which the message or the refusal did not belong.
#[test]
fn a_line_of_a_session_that_comes_twice_does_not_part_a_refusal_from_its_message() {
    let both = [("b@y", Verdict::Delivered), ("no@y", Verdict::Rejected)];
    let verdicts_of = |lines: &[&str]| {
        let found = messages(lines);
        let [message] = found.as_slice() else {
            panic!("{found:?}")
        };
        let mut verdicts: Vec<_> = (verdicts(message).into_iter())
            .map(|(to, verdict)| (to.to_owned(), verdict))
            .collect();
        verdicts.sort_by(|a, b| a.0.cmp(&b.0));
        verdicts
    };
    let expected = both.map(|(to, verdict)| (to.to_owned(), verdict));
    assert_eq!(verdicts_of(REFUSED_IN_SESSION), expected);
    for twice in [0, REFUSED_IN_SESSION.len() - 1] {
        let mut lines = REFUSED_IN_SESSION.to_vec();
        lines.insert(twice, REFUSED_IN_SESSION[twice]);
        assert_eq!(verdicts_of(&lines), expected, "line {twice}");
    }
    // The second `connect` comes late, when the session has refused and brought something.
    for late in [1, 2] {
        let mut lines = REFUSED_IN_SESSION.to_vec();
        lines.insert(late, REFUSED_IN_SESSION[0]);
        assert_eq!(verdicts_of(&lines), expected, "before line {late}");
    }
}

#[test]
fn refused_recipients_that_are_too_many_are_counted() {
    let mut folder = folder();
    let refused: Vec<String> = (0..1005)
        .map(|number| REFUSED_IN_SESSION[1].replace("no@y", &format!("no{number}@y")))
        .collect();
    let lines: Vec<&str> = refused.iter().map(String::as_str).collect();
    fold_into(&mut folder, &lines);
    assert_eq!(folder.take_unjoined(), 5);
    assert_eq!(folder.take_unjoined(), 0, "since they were last taken");
}
