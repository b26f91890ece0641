//! What becomes of a message whose transaction, or whose way through the queue, is not a straight one:
//! recipients refused, clients that start over or break off, operators that step in.

#[path = "support/folding.rs"]
mod folding;

use folding::fold;
use tidings_mail::message::{JoinBy, Kind, Message, Verdict};

const CLIENT: &str = "client=cli.example[198.51.100.60]";

fn messages(log: &str) -> Vec<Message> {
    let all = fold(&[log]).into_iter();
    all.filter(|message| message.kind == Kind::Accepted)
        .collect()
}

/// The verdict of each recipient.
fn verdicts(message: &Message) -> Vec<(&str, Verdict)> {
    let recipients = message.recipients.iter();
    recipients
        .map(|one| (&*one.address, one.verdict.unwrap()))
        .collect()
}

fn rule(action: &str, from: &str, to: &str) -> String {
    format!(
        "NOQUEUE: {action}: RCPT from cli.example[198.51.100.60]: <{to}>: Recipient address policy \
         {action}; from=<{from}> to=<{to}> proto=ESMTP helo=<cli.example>"
    )
}

/// A rule held or discarded a recipient that was refused after all; the client left, and came again
/// to the same process with other mail, all within a second. That mail got the rule, and with it
/// another sender and a recipient more.
#[test]
fn a_rule_ends_with_its_session() {
    for action in ["hold", "discard"] {
        let rule = rule(action, "w@cli.example", "held@lab.example");
        let [message] = &messages(&format!(
            "12:00:00 mx postfix/smtpd[1]: {rule}
             12:00:00 mx postfix/smtpd[1]: disconnect from cli.example[198.51.100.60] ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4
             12:00:00 mx postfix/smtpd[1]: connect from cli.example[198.51.100.60]
             12:00:00 mx postfix/smtpd[1]: 4663BA78429: {CLIENT}
             12:00:00 mx postfix/cleanup[2]: 4663BA78429: discard: header Subject: x from cli.example[198.51.100.60]; from=<other@cli.example> to=<alice@lab.example> proto=ESMTP helo=<cli.example>: thrown away by rule"
        ))[..] else {
            panic!("one message")
        };
        assert_eq!(message.from.as_deref(), Some("other@cli.example"));
        assert_eq!(
            verdicts(message),
            [("alice@lab.example", Verdict::Discarded)]
        );
    }
}

/// Within one session a client that starts over is not seen in the log; but another sender is, and
/// so is that what a rule held back became active in the queue at once.
#[test]
fn a_rule_ends_with_its_transaction() {
    for (action, between) in [
        ("hold", ""),
        ("discard", ""),
        (
            "discard",
            "12:00:00 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from cli.example[198.51.100.60]: 550 5.1.1 <nobody@lab.example>: Recipient address rejected: User unknown; from=<ann@other.example> to=<nobody@lab.example> proto=ESMTP helo=<cli.example>",
        ),
    ] {
        let rule = rule(action, "w@cli.example", "held@lab.example");
        let [message] = &messages(&format!(
            "12:00:00 mx postfix/smtpd[1]: connect from cli.example[198.51.100.60]
             12:00:00 mx postfix/smtpd[1]: {rule}
             {between}
             12:00:00 mx postfix/smtpd[1]: 4663BA78429: {CLIENT}
             12:00:00 mx postfix/cleanup[2]: 4663BA78429: message-id=<n1@other.example>
             12:00:00 mx postfix/qmgr[3]: 4663BA78429: from=<ann@other.example>, size=200, nrcpt=1 (queue active)
             12:00:00 mx postfix/local[4]: 4663BA78429: to=<alice@lab.example>, relay=local, delay=0.05, delays=0.05/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)
             12:00:00 mx postfix/qmgr[3]: 4663BA78429: removed"
        ))[..] else {
            panic!("one message")
        };
        assert_eq!(
            message.from.as_deref(),
            Some("ann@other.example"),
            "{action}"
        );
        // What was refused to the sender of the message is of the message.
        let told = [
            ("alice@lab.example", Verdict::Delivered),
            ("nobody@lab.example", Verdict::Rejected),
        ];
        let count = 1 + usize::from(!between.is_empty());
        assert_eq!(verdicts(message), told[..count], "{action}");
    }
}

/// A client whose recipient a rule holds said RSET and sent other mail: the first message was told as
/// held, and an operator looked for a queue file that was never there.
#[test]
fn a_held_message_that_the_client_gave_up_is_not_on_hold() {
    let rule = rule("hold", "w@cli.example", "held@lab.example");
    let [message] = &messages(&format!(
        "12:00:00 mx postfix/smtpd[1]: connect from cli.example[198.51.100.60]
         12:00:00 mx postfix/smtpd[1]: {rule}
         12:00:00 mx postfix/smtpd[1]: 90857A78057: {CLIENT}
         12:00:00 mx postfix/smtpd[1]: 90A90A78057: {CLIENT}
         12:00:00 mx postfix/cleanup[2]: 90A90A78057: message-id=<m2@cli.example>
         12:00:00 mx postfix/qmgr[3]: 90A90A78057: from=<m2@cli.example>, size=209, nrcpt=1 (queue active)"
    ))[..] else {
        panic!("one message")
    };
    assert_eq!(message.queue_ids, ["90A90A78057"]);
}

/// The mailbox of somebody who keeps a copy and forwards another was missing: the line of the copy
/// was taken for an earlier one of the forwarding.
#[test]
fn who_keeps_a_copy_and_forwards_has_both() {
    for swapped in [false, true] {
        let mut lines = [
            "12:00:00 mx postfix/local[4]: B9D9AA78051: to=<erin@lab.example>, relay=local, delay=0.02, delays=0/0.01/0/0, dsn=2.0.0, status=sent (delivered to mailbox)",
            "12:00:00 mx postfix/local[4]: B9D9AA78051: to=<erin@lab.example>, relay=local, delay=0.03, delays=0/0.01/0/0.01, dsn=2.0.0, status=sent (forwarded as BFBBFA7804C)",
        ];
        if swapped {
            lines.reverse();
        }
        let [kept, forwarded] = lines;
        let [message] = &messages(&format!(
            "12:00:00 mx postfix/smtpd[1]: B9D9AA78051: {CLIENT}
             12:00:00 mx postfix/cleanup[2]: B9D9AA78051: message-id=<f@cli.example>
             12:00:00 mx postfix/qmgr[3]: B9D9AA78051: from=<f@cli.example>, size=283, nrcpt=1 (queue active)
             {kept}
             12:00:00 mx postfix/cleanup[2]: BFBBFA7804C: message-id=<f@cli.example>
             {forwarded}
             12:00:00 mx postfix/qmgr[3]: B9D9AA78051: removed
             12:00:00 mx postfix/qmgr[3]: BFBBFA7804C: from=<f@cli.example>, size=404, nrcpt=1 (queue active)
             12:00:00 mx postfix/smtp[5]: BFBBFA7804C: to=<keep@accept.example>, orig_to=<erin@lab.example>, relay=sink.example[198.51.100.50]:25, delay=0.02, delays=0/0/0.01/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as S0000000E)
             12:00:00 mx postfix/qmgr[3]: BFBBFA7804C: removed"
        ))[..] else {
            panic!("one message")
        };
        let both = [
            ("erin@lab.example", Verdict::Delivered),
            ("keep@accept.example", Verdict::Delivered),
        ];
        assert_eq!(verdicts(message), both);
    }
}

/// The next hop refused one recipient of two, and its log was read too: the recipient was told as
/// bounced and again as rejected, addressed to the other one.
#[test]
fn what_the_next_hop_refuses_is_told_once() {
    let log = "12:00:00 mx postfix/pickup[1]: 6824DA78050: uid=0 from=<alice@lab.example>
         12:00:00 mx postfix/cleanup[2]: 6824DA78050: message-id=<x@cli.example>
         12:00:00 mx postfix/qmgr[3]: 6824DA78050: from=<alice@lab.example>, size=261, nrcpt=2 (queue active)
         12:00:00 mx postfix/smtp[5]: 6824DA78050: to=<nosuch@old.example>, relay=old.lab.example[10.9.0.30]:25, delay=0.11, delays=0.06/0/0.04/0.01, dsn=5.1.1, status=bounced (host old.lab.example[10.9.0.30] said: 550 5.1.1 <nosuch@old.example>: Recipient address rejected: User unknown in local recipient table (in reply to RCPT TO command))
         12:00:00 mx postfix/smtp[5]: 6824DA78050: to=<bob@old.example>, relay=old.lab.example[10.9.0.30]:25, delay=0.11, delays=0.06/0/0.04/0.01, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 7C3F6AA709C)
         12:00:00 mx postfix/qmgr[3]: 6824DA78050: removed
         12:00:00 old postfix/smtpd[11]: connect from mx.lab.example[10.9.0.10]
         12:00:00 old postfix/smtpd[11]: 7C3F6AA709C: client=mx.lab.example[10.9.0.10]
         12:00:00 old postfix/smtpd[11]: 7C3F6AA709C: reject: RCPT from mx.lab.example[10.9.0.10]: 550 5.1.1 <nosuch@old.example>: Recipient address rejected: User unknown in local recipient table; from=<alice@lab.example> to=<nosuch@old.example> proto=ESMTP helo=<mx.lab.example>
         12:00:00 old postfix/cleanup[12]: 7C3F6AA709C: message-id=<x@cli.example>
         12:00:00 old postfix/qmgr[13]: 7C3F6AA709C: from=<alice@lab.example>, size=430, nrcpt=1 (queue active)
         12:00:00 old postfix/local[14]: 7C3F6AA709C: to=<bob@old.example>, relay=local, delay=0.03, delays=0.01/0.01/0/0.01, dsn=2.0.0, status=sent (delivered to mailbox)
         12:00:00 old postfix/qmgr[13]: 7C3F6AA709C: removed";
    let [message] = &messages(log)[..] else {
        panic!("one message")
    };
    let both = [
        ("nosuch@old.example", Verdict::Bounced),
        ("bob@old.example", Verdict::Delivered),
    ];
    assert_eq!(verdicts(message), both);
    let origins = message.recipients.iter().map(|one| &one.original_address);
    assert!(origins.flatten().next().is_none());
}

/// A client that did not announce the size was answered 552 at the end of its message: the verdict
/// was unknown, without a word.
#[test]
fn a_message_that_is_too_large_in_the_end_is_refused() {
    let [message] = &messages(&format!(
        "12:00:00 mx postfix/smtpd[1]: 1CB29A78426: {CLIENT}
         12:00:00 mx postfix/cleanup[2]: 1CB29A78426: message-id=<size@cli.example>
         12:00:00 mx postfix/smtpd[1]: warning: 1CB29A78426: queue file size limit exceeded
         12:00:00 mx postfix/smtpd[1]: disconnect from cli.example[198.51.100.60] ehlo=1 mail=1 rcpt=1 data=0/1 quit=1 commands=4/5"
    ))[..] else {
        panic!("one message")
    };
    assert_eq!(verdicts(message), [("", Verdict::Rejected)]);
    let recipient = &message.recipients[0];
    assert_eq!(&*recipient.reply, "queue file size limit exceeded");
    assert_eq!(recipient.code, Some(552));
    assert_eq!(recipient.class, Some("size"));
}

/// Since 3.10 cleanup says of everything refused at the end that it was canceled, and its line may come
/// first.
#[test]
fn why_a_message_was_refused_outweighs_that_it_was_canceled() {
    let refused =
        "12:00:00.3 mx postfix/smtpd[1]: warning: 4jXhz73Wwrz1kfHl: queue file size limit exceeded";
    let canceled = "12:00:00.4 mx postfix/cleanup[2]: 4jXhz73Wwrz1kfHl: removed (canceled)";
    for [one, other] in [[refused, canceled], [canceled, refused]] {
        let [message] = &messages(&format!(
            "12:00:00.1 mx postfix/smtpd[1]: 4jXhz73Wwrz1kfHl: {CLIENT}
             12:00:00.2 mx postfix/cleanup[2]: 4jXhz73Wwrz1kfHl: message-id=<r@cli.example>
             {one}
             {other}"
        ))[..] else {
            panic!("one message")
        };
        assert_eq!(verdicts(message), [("", Verdict::Rejected)]);
        let reply = &*message.recipients[0].reply;
        assert_eq!(reply, "queue file size limit exceeded");
    }
}

/// A client that broke off within DATA left a message without recipients and without a reason. After
/// the end of DATA the message is complete, whether or not the client heard so.
#[test]
fn a_client_that_breaks_off_leaves_a_reason() {
    let log = |stage: &str, rest: &str| {
        format!(
            "12:00:00 mx postfix/smtpd[1]: 8D2F2A784AB: {CLIENT}
             12:00:00 mx postfix/cleanup[2]: 8D2F2A784AB: message-id=<abort@cli.example>
             {rest}
             12:00:00 mx postfix/smtpd[1]: lost connection after {stage} from cli.example[198.51.100.60]
             12:00:00 mx postfix/smtpd[1]: disconnect from cli.example[198.51.100.60] ehlo=1 mail=1 rcpt=1 data=0/1 commands=3/4"
        )
    };
    let [message] = &messages(&log("DATA (47 bytes)", ""))[..] else {
        panic!("one message")
    };
    assert_eq!(verdicts(message), [("", Verdict::Unknown)]);
    assert_eq!(&*message.recipients[0].reply, "lost connection after DATA");
    let held = "12:00:00 mx postfix/cleanup[2]: 8D2F2A784AB: hold: header Subject: x from cli.example[198.51.100.60]; from=<a@cli.example> to=<b@lab.example> proto=ESMTP helo=<cli.example>";
    let [message] = &messages(&log("END-OF-MESSAGE", held))[..] else {
        panic!("one message")
    };
    assert_eq!(verdicts(message), [("b@lab.example", Verdict::Held)]);
    assert!(messages(&log("DATA", "").replace("message-id=<abort@cli.example>", "x")).is_empty());
}

/// What `postsuper -d` deleted was told with the reason for which it had waited.
#[test]
fn what_an_operator_deletes_is_told_as_deleted() {
    let queued = format!(
        "12:00:00 mx postfix/smtpd[1]: EEF62A7834B: {CLIENT}
         12:00:00 mx postfix/cleanup[2]: EEF62A7834B: message-id=<del@cli.example>"
    );
    let deferred = "12:00:01 mx postfix/qmgr[3]: EEF62A7834B: from=<a@x.example>, size=254, nrcpt=1 (queue active)
         12:00:03 mx postfix/smtp[5]: EEF62A7834B: to=<b@down.example>, relay=none, delay=3.1, delays=0.03/0/3.1/0, dsn=4.4.1, status=deferred (connect to 10.9.0.59[10.9.0.59]:2500: No route to host)";
    let held = "12:00:01 mx postfix/cleanup[2]: EEF62A7834B: hold: header Subject: x from cli.example[198.51.100.60]; from=<a@x.example> to=<b@down.example> proto=ESMTP helo=<cli.example>: for inspection";
    for before in [deferred, held] {
        let [message] = &messages(&format!(
            "{queued}
             {before}
             12:00:09 mx postfix/postsuper[9]: EEF62A7834B: removed"
        ))[..] else {
            panic!("one message")
        };
        assert_eq!(verdicts(message), [("b@down.example", Verdict::Discarded)]);
        let recipient = &message.recipients[0];
        assert_eq!(&*recipient.reply, "deleted from the queue by an operator");
        assert_eq!(recipient.class, Some("discarded"));
        assert_eq!(recipient.relay, None);
    }
}

/// A message that `postsuper -r` requeued was told as forwarded, and as delivered at the first
/// attempt.
#[test]
fn a_requeued_message_keeps_its_attempts() {
    let [message] = &messages(
        "12:00:00 mx postfix/pickup[1]: E5B77A78368: uid=0 from=<alice@lab.example>
         12:00:00 mx postfix/cleanup[2]: E5B77A78368: message-id=<req@cli.example>
         12:00:00 mx postfix/qmgr[3]: E5B77A78368: from=<alice@lab.example>, size=254, nrcpt=1 (queue active)
         12:00:02 mx postfix/smtp[5]: E5B77A78368: to=<b@down.example>, relay=none, delay=2.1, delays=0.01/0/2.1/0, dsn=4.4.1, status=deferred (connect to 10.9.0.59[10.9.0.59]:2500: No route to host)
         12:00:10 mx postfix/qmgr[3]: E5B77A78368: from=<alice@lab.example>, size=254, nrcpt=1 (queue active)
         12:00:12 mx postfix/postsuper[9]: E5B77A78368: requeued
         12:00:13 mx postfix/smtp[5]: E5B77A78368: to=<b@down.example>, relay=none, delay=13, delays=9.5/0/3.1/0, dsn=4.4.1, status=deferred (connect to 10.9.0.59[10.9.0.59]:2500: No route to host)
         12:00:33 mx postfix/pickup[1]: 278B5A784BB: uid=100 from=<alice@lab.example> orig_id=E5B77A78368
         12:00:33 mx postfix/cleanup[2]: 278B5A784BB: message-id=<req@cli.example>
         12:00:33 mx postfix/qmgr[3]: 278B5A784BB: from=<alice@lab.example>, size=363, nrcpt=1 (queue active)
         12:00:33 mx postfix/smtp[5]: 278B5A784BB: to=<b@down.example>, relay=10.9.0.50[10.9.0.50]:25, delay=32, delays=32/0.24/0.01/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as S0000006B)
         12:00:33 mx postfix/qmgr[3]: 278B5A784BB: removed",
    )[..] else {
        panic!("one message")
    };
    assert_eq!(verdicts(message), [("b@down.example", Verdict::Delivered)]);
    assert_eq!(message.recipients[0].attempts, 3);
    assert_eq!(message.joins[0].by, JoinBy::Requeue);
}
