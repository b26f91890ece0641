//! What Dovecot's delivery agent and LMTP server tell of a message, beside Postfix and alone.

#[path = "support/folding.rs"]
mod folding;

use folding::fold;
use tidings_mail::message::{JoinBy, Message, Verdict};

/// What an agent told of the mail `<m@x>`, joined to the Postfix message that it was given, whichever
/// is read first: verdict and reply of its recipient.
fn told_beside_postfix(command: &str, agent: &str) -> Vec<(String, Verdict, String)> {
    let agent = format!("12:00:01 w dovecot: {agent}");
    let postfix = format!(
        "12:00:00 w postfix/smtpd[1]: 4jXSLS1111z1YS5R: client=out.example[198.51.100.7]
         12:00:00 w postfix/cleanup[2]: 4jXSLS1111z1YS5R: message-id=<m@x>
         12:00:00 w postfix/qmgr[3]: 4jXSLS1111z1YS5R: from=<a@x>, size=800, nrcpt=1 (queue active)
         12:00:01 w postfix/pipe[4]: 4jXSLS1111z1YS5R: to=<bob@w.example>, {command}, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent",
    );
    let (relay, reply) = command.split_once(" | ").unwrap();
    let postfix = postfix.replace(command, relay)
        + &format!(" ({reply})\n12:00:02 w postfix/qmgr[3]: 4jXSLS1111z1YS5R: removed");
    let found = fold(&[&postfix, &agent]);
    assert_eq!(found, fold(&[&agent, &postfix]), "in the other order");
    let [message] = found.as_slice() else {
        panic!("{found:#?}")
    };
    let by: Vec<JoinBy> = message.joins.iter().map(|join| join.by).collect();
    assert_eq!(by, [JoinBy::MessageId], "{agent}");
    recipients(message)
}

fn recipients(message: &Message) -> Vec<(String, Verdict, String)> {
    let recipients = message.recipients.iter();
    recipients
        .map(|to| (to.address.clone(), to.verdict.unwrap(), to.reply.clone()))
        .collect()
}

const PIPE: &str = "relay=dovecot | delivered via dovecot service";
const LOCAL: &str = "relay=local | delivered to command: /usr/lib/dovecot/deliver";

/// A message that the delivery agent's script threw away was told as delivered: the agent's lines
/// belonged to no message.
#[test]
fn an_agent_has_the_last_word_in_all_its_spellings() {
    use Verdict::{Delivered, Discarded, Rejected};
    let cases = [
        (
            PIPE,
            "lda(bob@w.example)<88><bbb1>: msgid=<m@x>: saved mail to INBOX",
            Delivered,
            "delivered via dovecot service",
        ),
        (
            PIPE,
            "lda(bob@w.example)<88><bbb1>: sieve: msgid=<m@x>: stored mail into mailbox 'Junk'",
            Delivered,
            "stored mail into mailbox 'Junk'",
        ),
        (
            PIPE,
            "lda(bob@w.example): sieve: msgid=<m@x>: marked message to be discarded if not explicitly delivered (discard action)",
            Discarded,
            "marked message to be discarded if not explicitly delivered (discard action)",
        ),
        (
            PIPE,
            "lda(bob@w.example): msgid=<m@x>: rejected: Quota exceeded (mailbox for user is full)",
            Rejected,
            "Quota exceeded (mailbox for user is full)",
        ),
        (
            PIPE,
            "lda(bob@w.example)<88><bbb1>: sieve: msgid=<m@x>: redirect action: forwarded to <c@d>",
            Delivered,
            "redirect action: forwarded to <c@d>",
        ),
        (
            PIPE,
            "lda(bob@w.example): sieve: msgid=<m@x>: discarded duplicate forward to <c@d>",
            Discarded,
            "discarded duplicate forward to <c@d>",
        ),
        (
            LOCAL,
            "deliver(bob): msgid=<m@x>: saved mail to Lists",
            Delivered,
            "saved mail to Lists",
        ),
        (
            LOCAL,
            "dovecot-lda(bob): sieve: msgid=<m@x>: reject action: rejected message from <a@x> (reject)",
            Rejected,
            "reject action: rejected message from <a@x> (reject)",
        ),
        // Mailboxes may have other names than addresses.
        (
            PIPE,
            "lda(u4711)<88><bbb1>: sieve: msgid=<m@x>: stored mail into mailbox 'A'",
            Delivered,
            "stored mail into mailbox 'A'",
        ),
    ];
    for (command, agent, verdict, reply) in cases {
        let told = told_beside_postfix(command, agent);
        assert_eq!(
            told,
            [("bob@w.example".to_owned(), verdict, reply.to_owned())],
            "{agent}"
        );
    }
}

/// Each recipient has an agent of its own; what one tells is not told of the others.
#[test]
fn every_agent_speaks_of_its_recipient() {
    let log = "
        12:00:00 w postfix/smtpd[1]: 4jXSLS1111z1YS5R: client=out.example[198.51.100.7]
        12:00:00 w postfix/cleanup[2]: 4jXSLS1111z1YS5R: message-id=<m@x>
        12:00:00 w postfix/qmgr[3]: 4jXSLS1111z1YS5R: from=<a@x>, size=800, nrcpt=3 (queue active)
        12:00:01 w dovecot: lda(bob@w)<88><b1>: sieve: msgid=<m@x>: stored mail into mailbox 'Junk'
        12:00:01 w postfix/pipe[4]: 4jXSLS1111z1YS5R: to=<bob@w>, relay=dovecot, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (delivered via dovecot service)
        12:00:01 w dovecot: lda(eve@w)<89><b2>: sieve: msgid=<m@x>: marked message to be discarded if not explicitly delivered (discard action)
        12:00:01 w postfix/pipe[5]: 4jXSLS1111z1YS5R: to=<eve@w>, relay=dovecot, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (delivered via dovecot service)
        12:00:01 w postfix/pipe[6]: 4jXSLS1111z1YS5R: to=<joe@w>, relay=dovecot, delay=1, delays=0/0/0/1, dsn=4.3.0, status=deferred (temporary failure)";
    let found = fold(&[log]);
    let [message] = found.as_slice() else {
        panic!("{found:#?}")
    };
    let verdicts: Vec<(&str, Verdict)> = (message.recipients.iter())
        .map(|to| (to.address.as_str(), to.verdict.unwrap()))
        .collect();
    let expected = [
        ("bob@w", Verdict::Delivered),
        ("eve@w", Verdict::Discarded),
        ("joe@w", Verdict::Deferred),
    ];
    assert_eq!(verdicts, expected);
}

/// On a host with a mailbox server only, each delivery is a message, under its user's name.
#[test]
fn a_mailbox_server_alone_has_messages() {
    let cases: &[(&str, &str, Verdict)] = &[
        (
            "deliver(bob): msgid=<m@x>: saved mail to INBOX",
            "bob",
            Verdict::Delivered,
        ),
        (
            "lda(bob@w): sieve: msgid=<m@x>: forwarded to <c@d>",
            "bob@w",
            Verdict::Delivered,
        ),
        (
            "lda(bob@w)<1><s1>: msgid=<m@x>: rejected: no",
            "bob@w",
            Verdict::Rejected,
        ),
        (
            "lmtp(bob@w)<1><s1>: sieve: msgid=<m@x>: redirect action: forwarded to <c@d>",
            "bob@w",
            Verdict::Delivered,
        ),
        (
            "lmtp(1, bob@w): s1: sieve: msgid=<m@x>: discarded duplicate forward to <c@d>",
            "bob@w",
            Verdict::Discarded,
        ),
        (
            "lda(bob@w): sending a rejection to <a@x>: no",
            "bob@w",
            Verdict::Rejected,
        ),
    ];
    for (line, user, verdict) in cases {
        let found = fold(&[&format!("12:00:00 w dovecot: {line}")]);
        let told: Vec<_> = found.iter().flat_map(recipients).collect();
        let [(address, said, _)] = told.as_slice() else {
            panic!("{line}: {found:#?}")
        };
        assert_eq!((address.as_str(), said), (*user, verdict), "{line}");
    }
}

/// `discard` holds only if nothing else was done, in whatever order the script's actions are told;
/// and one run of the agent is one message, another run another one.
#[test]
fn what_a_script_kept_is_not_discarded() {
    let found = fold(&["
        12:00:00.1 w dovecot: lda(bob): sieve: msgid=<m@x>: stored mail into mailbox 'Lists'
        12:00:00.2 w dovecot: lda(bob): sieve: msgid=<m@x>: marked message to be discarded if not explicitly delivered (discard action)
        12:05:00.1 w dovecot: lda(bob): sieve: msgid=<m@x>: forwarded to <c@d>
        12:05:00.2 w dovecot: lda(bob): sieve: msgid=<m@x>: stored mail into mailbox 'INBOX'"]);
    let told: Vec<_> = found.iter().flat_map(recipients).collect();
    let bob = |reply: &str| ("bob".to_owned(), Verdict::Delivered, reply.to_owned());
    assert_eq!(
        told,
        [
            bob("stored mail into mailbox 'Lists'"),
            bob("stored mail into mailbox 'INBOX'")
        ]
    );
}

/// The same mail, received twice for two users, is two messages: what the one's mailbox server did is
/// not joined to the other's, whichever line comes first.
#[test]
fn one_mail_that_came_twice_is_two_messages() {
    let received = |id: &str| {
        format!(
            "12:00:00 w postfix/smtpd[1]: {id}: client=out.example[198.51.100.7]
             12:00:00 w postfix/cleanup[2]: {id}: message-id=<m@x>
             12:00:00 w postfix/qmgr[3]: {id}: from=<a@x>, size=800, nrcpt=1 (queue active)\n"
        )
    };
    let (a, b) = ("4jXSLS1111z1YS5R", "4jXSLS2222z1YS5V");
    let tail = |how: &str, of: &str, one: &str, two: &str, reply: &str| {
        let to = |id: &str, user: &str, session: &str| {
            let reply = reply.replace("SESSION", session);
            format!(
                "12:00:01 w postfix/{how}[4]: {id}: to=<{user}@w>, {of}, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent ({reply})\n"
            )
        };
        let first = to(a, "u1", "aaaa1");
        format!(
            "{first}12:00:01 w dovecot: {one}: msgid=<m@x>: saved mail to INBOX\n12:00:01 w dovecot: {two}: sieve: msgid=<m@x>: marked message to be discarded\n{}",
            to(b, "u2", "bbbb1")
        )
    };
    let lmtp = tail(
        "lmtp",
        "relay=w[private/lmtp]",
        "lmtp(u1@w)<5><aaaa1>",
        "lmtp(u2@w)<6><bbbb1>",
        "250 2.0.0 <u> SESSION Saved",
    );
    let agent = tail(
        "pipe",
        "relay=dovecot",
        "lda(u1@w)",
        "lda(u2@w)",
        "delivered via dovecot service",
    );
    let renamed = tail(
        "pipe",
        "relay=dovecot",
        "lda(u1@w)",
        "lda(uid2)",
        "delivered via dovecot service",
    );
    for log in [lmtp, agent, renamed] {
        let found = fold(&[&format!("{}{}{log}", received(a), received(b))]);
        let mut told: Vec<_> = found
            .iter()
            .map(|message| (message.queue_ids.join("+"), message.verdict()))
            .collect();
        told.sort();
        let expected = [
            (a.to_owned(), Verdict::Delivered),
            (b.to_owned(), Verdict::Discarded),
        ];
        assert_eq!(told, expected, "{log}");
    }
}
