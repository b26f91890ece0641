//! What became of a message, for every way in which Postfix of any age says so.

#[path = "support/folding.rs"]
mod folding;

use folding::fold;
use tidings_mail::message::{Kind, Message, Verdict};

/// A message that came in, with what its agent says of its recipient.
fn delivered(agent: &str, rest: &str) -> Vec<Message> {
    fold(&[&format!(
        "12:00:00.1 mx postfix/smtpd[1]: 8DB749C091B: client=out.example[198.51.100.7]
         12:00:00.2 mx postfix/cleanup[2]: 8DB749C091B: message-id=<m@x>
         12:00:00.3 mx postfix/qmgr[3]: 8DB749C091B: from=<ann@x>, size=800, nrcpt=1 (queue active)
         12:00:01.0 mx postfix/{agent}[4]: 8DB749C091B: to=<bob@y>, {rest}"
    )])
}

#[test]
fn every_agent_and_status_has_its_verdict() {
    use Verdict::{Bounced, Deferred, Delivered, Discarded, Filtered};
    let cases = [
        (
            "smtp",
            "relay=m.y[192.0.2.9], delay=3, status=sent (250 Ok: queued as 6C3B12)",
            Delivered,
        ),
        (
            "smtp",
            "relay=m.y[192.0.2.9]:25, conn_use=9, delay=3, delays=1/0/1/1, dsn=2.0.0, status=sent (250 ok (id (x)))",
            Delivered,
        ),
        (
            "lmtp",
            "relay=/var/imap/socket/lmtp[/var/imap/socket/lmtp], delay=1, status=sent (250 2.1.5 Ok)",
            Delivered,
        ),
        (
            "local",
            "relay=local, delay=0, status=sent (mailbox)",
            Delivered,
        ),
        (
            "local",
            "relay=local, delay=0, status=sent (\"|/usr/bin/procmail -t\")",
            Delivered,
        ),
        (
            "local",
            "relay=local, delay=0.3, delays=0/0/0/0.3, dsn=2.0.0, status=sent (delivered to file: /dev/null)",
            Delivered,
        ),
        (
            "local",
            "relay=local, delay=0.3, delays=0/0/0/0.3, dsn=5.1.1, status=bounced (unknown user: \"bob\")",
            Bounced,
        ),
        (
            "virtual",
            "relay=virtual, delay=0.3, delays=0/0/0/0.3, dsn=2.0.0, status=sent (delivered to maildir)",
            Delivered,
        ),
        (
            "pipe",
            "relay=dovecot, delay=0.3, delays=0/0/0/0.3, dsn=2.0.0, status=sent (delivered via dovecot service (lda(bob): saved))",
            Delivered,
        ),
        (
            "pipe",
            "relay=maildrop, delay=1, status=sent (maildrop)",
            Delivered,
        ),
        (
            "pipe",
            "relay=spamc, delay=1, delays=0/0/0/1, dsn=4.3.0, status=SOFTBOUNCE (Command died with status 127: \"x\")",
            Deferred,
        ),
        (
            "discard",
            "relay=none, delay=0.3, delays=0/0/0/0.3, dsn=2.0.0, status=sent (silently)",
            Discarded,
        ),
        (
            "error",
            "relay=none, delay=0.3, delays=0/0/0/0.3, dsn=5.0.0, status=bounced (not accepted here)",
            Bounced,
        ),
        (
            "error",
            "relay=none, delay=0.3, delays=0/0/0/0.3, dsn=4.4.1, status=deferred (delivery temporarily suspended: connect to m.y[192.0.2.9]:25: Connection timed out)",
            Deferred,
        ),
        (
            "retry",
            "relay=none, delay=0.3, delays=0/0/0/0.3, dsn=4.4.1, status=deferred (delivery temporarily suspended: x)",
            Deferred,
        ),
        (
            "qmgr",
            "relay=none, delay=100, status=deferred (delivery temporarily suspended: transport is unavailable)",
            Deferred,
        ),
        (
            "smtp",
            "relay=m.y[192.0.2.9]:25, delay=303, delays=0/0/3/300, dsn=4.4.2, status=deferred (conversation with m.y[192.0.2.9] timed out while receiving the initial server greeting)",
            Deferred,
        ),
        (
            "smtp",
            "relay=none, delay=1, delays=0/0/1/0, dsn=5.1.0, status=bounced (Domain y does not accept mail (nullMX))",
            Bounced,
        ),
        (
            "smtp-amavis/smtp",
            "relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=0/0/0/1, dsn=2.7.0, status=sent (250 2.7.0 Ok, discarded, id=00198-04 - spam)",
            Filtered,
        ),
    ];
    for (agent, rest, verdict) in cases {
        let [message] = &delivered(agent, rest)[..] else {
            panic!("{rest}")
        };
        let [recipient] = &message.recipients[..] else {
            panic!("{rest}: {:?}", message.recipients)
        };
        assert_eq!(
            (&*recipient.address, recipient.verdict),
            ("bob@y", Some(verdict)),
            "{rest}"
        );
    }
}

#[test]
fn an_address_probe_is_no_message() {
    for rest in [
        "relay=m.y[192.0.2.9]:25, delay=0.4, delays=0/0/0/0.4, dsn=2.1.5, status=deliverable (250 2.1.5 Ok)",
        "relay=none, delay=0.4, delays=0/0/0/0.4, dsn=4.4.1, status=undeliverable (connect to m.y[192.0.2.9]:25: Connection refused)",
        "relay=m.y[192.0.2.9]:25, delay=0.4, delays=0/0/0/0.4, dsn=5.1.1, status=undeliverable-but-not-cached (host m.y[192.0.2.9] said: 550 5.1.1 no such user (in reply to RCPT TO command))",
    ] {
        assert_eq!(delivered("smtp", rest), [], "{rest}");
    }
}

#[test]
fn the_queue_manager_and_the_operator_end_what_was_not_delivered() {
    let deferred = "relay=none, delay=9, delays=0/0/9/0, dsn=4.4.1, status=deferred (connect to m.y[192.0.2.9]:25: Connection timed out)";
    for (end, verdict) in [
        (
            "qmgr[3]: 8DB749C091B: from=<ann@x>, status=expired, returned to sender",
            Verdict::Expired,
        ),
        (
            "qmgr[3]: 8DB749C091B: from=<ann@x>, status=force-expired, returned to sender",
            Verdict::Expired,
        ),
        ("postsuper[9]: 8DB749C091B: removed", Verdict::Discarded),
        ("postsuper[9]: 8DB749C091B: placed on hold", Verdict::Held),
        ("postsuper[9]: 8DB749C091B: requeued", Verdict::Deferred),
    ] {
        let rest = format!("{deferred}\n12:00:02.0 mx postfix/{end}");
        let [message] = &delivered("smtp", &rest)[..] else {
            panic!("{end}")
        };
        assert_eq!(message.verdict(), verdict, "{end}");
    }
}

#[test]
fn what_is_held_discarded_or_refused_by_content_names_its_sender_and_recipient() {
    let envelope = "from=<ann@x> to=<bob@y> proto=ESMTP helo=<out.example>";
    for (action, verdict) in [
        (
            "hold: header Subject: x from out.example[198.51.100.7]",
            Verdict::Held,
        ),
        (
            "discard: header Subject: x from out.example[198.51.100.7]",
            Verdict::Discarded,
        ),
        (
            "reject: header Subject: x from out.example[198.51.100.7]",
            Verdict::Rejected,
        ),
        (
            "milter-hold: END-OF-MESSAGE from out.example[198.51.100.7]: milter triggers HOLD action",
            Verdict::Held,
        ),
        (
            "milter-discard: END-OF-MESSAGE from out.example[198.51.100.7]: milter triggers DISCARD action",
            Verdict::Discarded,
        ),
        (
            "milter-reject: END-OF-MESSAGE from out.example[198.51.100.7]: 5.7.1 Spam message rejected",
            Verdict::Rejected,
        ),
        (
            "milter-reject: END-OF-MESSAGE from out.example[198.51.100.7]: 4.7.1 Try again later",
            Verdict::Rejected,
        ),
    ] {
        let text = if action.starts_with("reject") {
            ": 5.7.1 no"
        } else {
            ""
        };
        let found = fold(&[&format!(
            "12:00:00.1 mx postfix/smtpd[1]: 8DB749C091B: client=out.example[198.51.100.7]
             12:00:00.2 mx postfix/cleanup[2]: 8DB749C091B: message-id=<m@x>
             12:00:00.3 mx postfix/cleanup[2]: 8DB749C091B: {action}; {envelope}{text}"
        )]);
        let [message] = &found[..] else {
            panic!("{action}")
        };
        assert_eq!(message.verdict(), verdict, "{action}");
        assert_eq!(message.from.as_deref(), Some("ann@x"), "{action}");
        assert_eq!(message.recipients[0].address, "bob@y", "{action}");
    }
}

#[test]
fn a_message_that_an_access_rule_holds_has_the_sender_of_the_rule_s_line() {
    let found = fold(&[
        "12:00:00.0 mx postfix/smtpd[1]: NOQUEUE: hold: RCPT from out.example[198.51.100.7]: <ann@x>: Sender address by table; from=<ann@x> to=<bob@y> proto=ESMTP helo=<h>
         12:00:00.1 mx postfix/smtpd[1]: 8DB749C091B: client=out.example[198.51.100.7]
         12:00:00.2 mx postfix/cleanup[2]: 8DB749C091B: message-id=<m@x>",
    ]);
    let [message] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(message.verdict(), Verdict::Held);
    assert_eq!(message.from.as_deref(), Some("ann@x"));
    assert_eq!(message.recipients[0].address, "bob@y");
}

#[test]
fn mail_of_a_local_program_has_the_address_that_the_queue_gave_its_sender() {
    let found = fold(&[
        "12:00:00.0 mx postfix/pickup[1]: 8DB749C091B: uid=1000 from=<joe>
         12:00:00.1 mx postfix/cleanup[2]: 8DB749C091B: message-id=<m@x>
         12:00:00.2 mx postfix/qmgr[3]: 8DB749C091B: from=<joe@mx.example>, size=300, nrcpt=1 (queue active)",
    ]);
    let [message] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(message.from.as_deref(), Some("joe@mx.example"));
}

#[test]
fn a_client_turned_away_is_a_refusal_and_a_remark_is_none() {
    let refused = |line: &str| {
        let found = fold(&[&format!("12:00:00.0 mx postfix/{line}")]);
        found
            .iter()
            .filter(|message| message.kind == Kind::Refused)
            .count()
    };
    let lines = [
        (
            "postscreen[9]: NOQUEUE: reject: CONNECT from [192.0.2.1]:51022: too many connections",
            1,
        ),
        (
            "postscreen[9]: NOQUEUE: reject: CONNECT from [192.0.2.1]:51022: all server ports busy",
            1,
        ),
        (
            "postscreen[9]: NOQUEUE: reject: RCPT from [192.0.2.1]:51022: 450 4.3.2 Service currently unavailable; from=<a@b>, to=<c@d>, proto=ESMTP, helo=<h>",
            1,
        ),
        (
            "smtpd[9]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 554 <c@d>: Relay access denied; from=<a@b> to=<c@d> proto=SMTP helo=<h>",
            1,
        ),
        (
            "smtpd[9]: NOQUEUE: reject: MAIL from unknown[192.0.2.1]: 552 5.3.4 Message size exceeds fixed limit; proto=ESMTP helo=<h>",
            1,
        ),
        (
            "smtpd[9]: NOQUEUE: milter-reject: CONNECT from unknown[192.0.2.1]: 451 4.7.1 Service unavailable - try again later; proto=SMTP",
            1,
        ),
        (
            "smtpd[9]: NOQUEUE: reject_warning: RCPT from unknown[192.0.2.1]: 450 4.7.1 Client host rejected: cannot find your hostname; from=<a@b> to=<c@d> proto=ESMTP helo=<h>",
            0,
        ),
        (
            "smtpd[9]: NOQUEUE: warn: RCPT from unknown[192.0.2.1]: <x>: Helo command triggers WARN; from=<a@b> to=<c@d> proto=ESMTP helo=<h>",
            0,
        ),
        (
            "smtpd[9]: warning: Connection rate limit exceeded: 31 from unknown[192.0.2.1] for service smtp",
            0,
        ),
        (
            "smtpd[9]: too many errors after RCPT from unknown[192.0.2.1]",
            0,
        ),
        ("postscreen[9]: DNSBL rank 7 for [192.0.2.1]:51022", 0),
        ("postscreen[9]: BLACKLISTED [192.0.2.1]:51022", 0),
    ];
    for (line, count) in lines {
        assert_eq!(refused(line), count, "{line}");
    }
}
