//! Each form of each server's log, taken apart.

use super::*;

fn parts(raw: &str) -> (Option<u16>, Option<String>, Option<Stage>, Direction, &str) {
    let reply = Reply::parse(raw);
    (
        reply.code,
        reply.enhanced.map(|e| e.to_string()),
        reply.stage,
        reply.direction,
        std::str::from_utf8(reply.text).unwrap(),
    )
}

fn enhanced(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn postfix_quotes_the_remote_server() {
    let raw = "host gmail-smtp-in.l.google.com[142.250.102.27] said: 452-4.2.2 The recipient's \
               inbox is out of storage space. 452 4.2.2 x - gsmtp (in reply to RCPT TO command)";
    let (code, enh, stage, direction, text) = parts(raw);
    assert_eq!((code, enh), (Some(452), enhanced("4.2.2")));
    assert_eq!(
        (stage, direction),
        (Some(Stage::RcptTo), Direction::Outbound)
    );
    assert!(text.starts_with("452-4.2.2 The") && text.ends_with("gsmtp"));
    assert_eq!(
        Reply::parse(raw).host,
        Some(&b"gmail-smtp-in.l.google.com"[..])
    );
}

#[test]
fn a_unix_socket_or_loopback_is_our_own_system() {
    let lmtp = "host mx.example.test[private/dovecot-lmtp] said: 552 5.2.2 <a@b> Quota exceeded \
                (mailbox for user is full) (in reply to end of DATA command)";
    let (code, _, stage, direction, text) = parts(lmtp);
    assert_eq!(
        (code, stage, direction),
        (Some(552), Some(Stage::EndOfData), Direction::Local)
    );
    assert!(text.ends_with("(mailbox for user is full)"));
    let filter =
        "host 127.0.0.1[127.0.0.1] said: 554 5.7.0 Reject (in reply to end of DATA command)";
    assert_eq!(parts(filter).3, Direction::Local);
}

#[test]
fn refusals_at_the_greeting_and_suspended_deliveries() {
    let raw = "delivery temporarily suspended: host mx.busy.test[203.0.113.11] refused to talk to \
               me: 421 4.3.2 Service shutting down";
    let (code, enh, stage, _, text) = parts(raw);
    assert_eq!(
        (code, enh, stage),
        (Some(421), enhanced("4.3.2"), Some(Stage::Banner))
    );
    assert_eq!(text, "421 4.3.2 Service shutting down");
}

#[test]
fn postfix_speaks_for_itself() {
    let raw = "connect to mx.example[192.0.2.4]:25: Connection timed out";
    let (code, _, stage, _, text) = parts(raw);
    assert_eq!((code, stage, text), (None, Some(Stage::Connect), raw));
    assert_eq!(Reply::parse(raw).host, Some(&b"mx.example"[..]));
    let raw = "lost connection with mx.example[192.0.2.4] while sending RCPT TO";
    assert_eq!(parts(raw).2, Some(Stage::RcptTo));
    let raw = "conversation with mx.example[192.0.2.4] timed out while receiving the initial server greeting";
    assert_eq!(parts(raw).2, Some(Stage::Banner));
}

#[test]
fn rejects_of_our_own_server() {
    let raw = "reject: RCPT from unknown[198.51.100.67]: 554 5.7.1 Service unavailable; Client host \
               [198.51.100.67] blocked using bl.test; from=<a@b> to=<c@d> proto=ESMTP helo=<x>";
    let (code, enh, stage, direction, text) = parts(raw);
    assert_eq!((code, enh), (Some(554), enhanced("5.7.1")));
    assert_eq!(
        (stage, direction),
        (Some(Stage::RcptTo), Direction::Inbound)
    );
    assert!(text.starts_with("554 5.7.1") && text.ends_with("bl.test"));
    let postscreen = "NOQUEUE: reject: RCPT from [198.51.100.72]:40939: 450 4.3.2 Service currently \
                      unavailable; from=<x@b>, to=<c@d>, proto=ESMTP, helo=<d.test>";
    assert_eq!(
        parts(postscreen).4,
        "450 4.3.2 Service currently unavailable"
    );
    let milter =
        "milter-reject: END-OF-MESSAGE from x[198.51.100.7]: 5.7.1 Gtube pattern; from=<a@b>";
    let (code, enh, stage, _, text) = parts(milter);
    assert_eq!(
        (code, enh, stage),
        (None, enhanced("5.7.1"), Some(Stage::EndOfData))
    );
    assert_eq!(text, "5.7.1 Gtube pattern");
}

#[test]
fn exim_as_client_and_server() {
    let raw = "R=dns T=remote_smtp H=mx.accept.test [203.0.113.10] X=TLS1.3: SMTP error from remote \
               mail server after RCPT TO:<a@b>: 550 5.1.1 <a@b>: User unknown";
    let (code, enh, stage, _, text) = parts(raw);
    assert_eq!(
        (code, enh, stage),
        (Some(550), enhanced("5.1.1"), Some(Stage::RcptTo))
    );
    assert_eq!(text, "550 5.1.1 <a@b>: User unknown");
    assert_eq!(Reply::parse(raw).host, Some(&b"mx.accept.test"[..]));
    let old =
        "SMTP error from remote mailer after end of data: host mx.old.test [192.0.2.1]: 554 no";
    assert_eq!(parts(old).4, "554 no");
    assert_eq!(Reply::parse(old).host, Some(&b"mx.old.test"[..]));
    let lmtp = "LMTP error after RCPT TO:<a@b>: 550 5.1.1 no";
    assert_eq!(parts(lmtp).4, "550 5.1.1 no");
    let server =
        "H=x [198.51.100.7] F=<a@b> temporarily rejected RCPT <c@d>: greylisted, come back";
    let (_, enh, stage, direction, text) = parts(server);
    assert_eq!((enh, stage), (enhanced("4.0.0"), Some(Stage::RcptTo)));
    assert_eq!(
        (direction, text),
        (Direction::Inbound, "greylisted, come back")
    );
}

#[test]
fn plain_replies_and_odd_codes() {
    assert_eq!(parts("250 2.0.0 Ok: queued as 4Q").1, enhanced("2.0.0"));
    assert_eq!(parts("550 #5.1.0 Address rejected.").1, enhanced("5.1.0"));
    assert_eq!(
        parts("550 sorry, no mailbox here by that name. (#5.1.1)").1,
        enhanced("5.1.1")
    );
    assert_eq!(parts("511 sorry (#5.1.1 - chkuser)").1, enhanced("5.1.1"));
    assert_eq!(parts("5505 apples").0, None);
    assert_eq!(
        parts("Deferred: 451 4.7.1 Greylisting in action").0,
        Some(451)
    );
    assert_eq!(
        parts("Connected to 192.0.2.1 but failed. Remote host said: 550 no").0,
        Some(550)
    );
    assert_eq!(parts("").4, "");
}

#[test]
fn a_client_cannot_move_the_end_of_the_text() {
    let raw = "reject: RCPT from x[198.51.100.7]: 550 5.1.1 <a; from=<b@c>: User unknown; \
               from=<a@b> to=<c@d> proto=ESMTP helo=<x>";
    assert!(parts(raw).4.ends_with("User unknown"));
}
