//! What becomes of a message that a program, a script, an operator or another queue id takes up.

#[path = "support/folding.rs"]
mod folding;
#[path = "support/hops.rs"]
mod hops;

use folding::fold;
use hops::{
    A, B, EVIL, OUT, SESSION, either_way, ids, picked_up, queued_as, received, recipients, sent,
};
use tidings_mail::message::{JoinBy, Verdict};

#[test]
fn a_filter_in_a_pipe_has_the_last_word_for_its_recipient() {
    let log = received("12:00:00", "mx", A, OUT, "m@x", "ann@x")
        + &picked_up("12:00:01", "mx", B, "m@x", "ann@x")
        + &sent(
            "12:00:01",
            "mx",
            A,
            "bob@y",
            "spamfilter",
            "0.9",
            "delivered via spamfilter service",
        )
        + &sent(
            "12:00:02",
            "mx",
            B,
            "bob@y",
            "mail.y[192.0.2.9]:25",
            "0.1",
            "250 Ok",
        );
    let [message] = &fold(&[&log])[..] else {
        panic!()
    };
    assert_eq!(message.queue_ids, [A, B]);
    assert_eq!(message.joins[0].by, JoinBy::MessageId);
    assert_eq!(recipients(message), [("bob@y", None, Verdict::Delivered)]);
    assert_eq!(message.recipients[0].reply, "250 Ok");
}

#[test]
fn what_a_list_sends_to_its_members_is_one_message_with_the_post() {
    let member = |time: &str, id: &str, to: &str| {
        received(
            time,
            "mx",
            id,
            "localhost[127.0.0.1]",
            "m@x",
            "list-bounces@y",
        ) + &sent(
            time,
            "mx",
            id,
            to,
            "mx.member[203.0.113.9]:25",
            "0.1",
            "250 Ok",
        )
    };
    let log = received("12:00:00", "mx", A, OUT, "m@x", "ann@x")
        + &sent(
            "12:00:01",
            "mx",
            A,
            "list@y",
            "mailman",
            "0.3",
            "delivered via mailman service",
        )
        + &member("12:00:20", B, "one@a")
        + &member("12:00:21", "4jXSLT3333z1YS60", "two@b");
    let [message] = &fold(&[&log])[..] else {
        panic!()
    };
    assert_eq!(message.queue_ids.len(), 3);
    assert_eq!(
        recipients(message),
        [
            ("list@y", None, Verdict::Delivered),
            ("one@a", Some("list@y"), Verdict::Delivered),
            ("two@b", Some("list@y"), Verdict::Delivered),
        ]
    );
}

#[test]
fn copies_of_one_post_that_come_by_themselves_are_messages_by_themselves() {
    let to_script = sent(
        "12:00:01",
        "mx",
        A,
        "bob@y",
        "local",
        "0.3",
        "delivered to command: /usr/bin/procmail",
    );
    let first = received("12:00:00", "mx", A, "list.z[203.0.113.5]", "m@x", "list@z") + &to_script;
    let second = received("12:00:02", "mx", B, "list.z[203.0.113.5]", "m@x", "list@z")
        + &sent(
            "12:00:03",
            "mx",
            B,
            "carl@y",
            "local",
            "0.3",
            "delivered to command: /usr/bin/procmail",
        );
    assert_eq!(either_way(&first, &second), [A, B]);
    let other_server = second.replace(" mx ", " mx2 ");
    assert_eq!(either_way(&first, &other_server), [A, B]);
    // Fetched from another mailbox of the same person, half a minute later.
    let fetched = received("12:00:30", "mx", B, "localhost[127.0.0.1]", "m@x", "list@z")
        + &sent(
            "12:00:31",
            "mx",
            B,
            "bob@localhost",
            "local",
            "0.3",
            "delivered to command: /usr/bin/procmail",
        );
    assert_eq!(either_way(&first, &fetched), [A, B]);
    // On another server of the house, long after, or with another id.
    let sent_on = picked_up("12:00:01", "mx", B, "m@x", "bob@y");
    assert_eq!(either_way(&first, &sent_on), [format!("{A}+{B}")]);
    assert_eq!(
        either_way(&first, &sent_on.replace(" mx ", " mx2 ")),
        [A, B]
    );
    assert_eq!(
        either_way(&first, &sent_on.replace("12:00", "12:30")),
        [A, B]
    );
    assert_eq!(either_way(&first, &sent_on.replace("m@x", "n@x")), [A, B]);
    // From a machine that did not get it.
    let webmail = received("12:00:01", "mx", B, "webmail[10.0.0.7]", "m@x", "bob@y");
    assert_eq!(either_way(&first, &webmail), [A, B]);
}

#[test]
fn what_a_sieve_script_redirects_is_one_message_with_what_came() {
    let reply = format!("250 2.0.0 <bob@y> {SESSION} Saved");
    let log = received("12:00:00", "mx", A, OUT, "m@x", "ann@x")
        + &format!(
            "12:00:01.1 mx dovecot: lmtp(bob@y)<765><{SESSION}>: sieve: msgid=<m@x>: redirect action: forwarded to <bob@home>\n"
        )
        + &sent(
            "12:00:01",
            "mx",
            A,
            "bob@y",
            "mx.y[private/dovecot-lmtp]",
            "0.9",
            &reply,
        )
        + &picked_up("12:00:01", "mx", B, "m@x", "ann@x")
        + &sent(
            "12:00:02",
            "mx",
            B,
            "bob@home",
            "mx.home[203.0.113.9]:25",
            "0.1",
            "250 Ok",
        );
    let [message] = &fold(&[&log])[..] else {
        panic!()
    };
    assert_eq!(
        recipients(message),
        [
            ("bob@y", None, Verdict::Delivered),
            ("bob@home", Some("bob@y"), Verdict::Delivered),
        ]
    );
}

#[test]
fn what_an_operator_requeues_goes_on_under_its_new_queue_id() {
    let before = received("12:00:00", "mx", A, OUT, "m@x", "ann@x").replace("nrcpt=1", "nrcpt=2")
        + "12:00:01.1 mx postfix/smtp[4]: 4jXSLS1111z1YS5R: to=<carl@y>, relay=mail.y[192.0.2.9]:25, delay=1, dsn=2.0.0, status=sent (250 Ok)\n"
        + "12:00:01.2 mx postfix/smtp[4]: 4jXSLS1111z1YS5R: to=<bob@z>, relay=none, delay=1, dsn=4.4.1, status=deferred (connect to mail.z[192.0.2.8]:25: Connection timed out)\n"
        + "12:00:09.0 mx postfix/postsuper[9]: 4jXSLS1111z1YS5R: requeued\n";
    assert!(before.contains(A));
    let after = picked_up("12:00:10", "mx", B, "m@x", "ann@x").replace(
        "uid=1001 from=<ann@x>",
        &format!("uid=110 from=<ann@x> orig_id={A}"),
    );
    let waiting = fold(&[&before, &after]);
    assert_eq!(ids(&waiting), [format!("{A}+{B}")]);
    assert_eq!(waiting[0].verdict(), Verdict::InQueue);
    assert_eq!(waiting[0].joins[0].by, JoinBy::Requeue);
    let end = sent(
        "12:00:11",
        "mx",
        B,
        "bob@z",
        "mail.z[192.0.2.8]:25",
        "0.1",
        "250 Ok",
    );
    let [message] = &fold(&[&before, &(after + &end)])[..] else {
        panic!()
    };
    assert_eq!(
        recipients(message),
        [
            ("carl@y", None, Verdict::Delivered),
            ("bob@z", None, Verdict::Delivered)
        ]
    );
}

#[test]
fn only_the_local_agent_can_say_that_it_forwarded() {
    let child = received("12:00:00", "mx", B, OUT, "honest@x", "ann@x");
    let log = received("12:00:00", "mx", A, OUT, "m@x", "eve@x")
        + &sent(
            "12:00:01",
            "mx",
            A,
            "eve@evil.example",
            EVIL,
            "0.5",
            &format!("forwarded as {B}"),
        );
    assert_eq!(either_way(&child, &log), [A, B]);
}

/// The recipient was shown twice, once as it was handed over and once without a name.
#[test]
fn a_recipient_takes_the_fate_of_the_queue_id_it_went_on_under() {
    let is_taken = |end: &str, reply: &str| {
        let log = received("12:00:00", "mx", A, OUT, "m@x.test", "s@x.test")
            + &sent(
                "12:00:01",
                "mx",
                A,
                "b@x.test",
                "127.0.0.1[127.0.0.1]:10025",
                "0.9",
                reply,
            )
            + &received(
                "12:00:01",
                "mx",
                B,
                "localhost[127.0.0.1]",
                "m@x.test",
                "s@x.test",
            )
            + end;
        let messages = fold(&[&log]);
        assert_eq!(ids(&messages), [format!("{A}+{B}")], "{log}");
        let [only] = &messages[0].recipients[..] else {
            panic!("{:#?}", messages[0].recipients);
        };
        (
            only.address.clone(),
            only.verdict.unwrap(),
            only.reply.clone(),
        )
    };
    let bob = || "b@x.test".to_owned();
    let queued = queued_as(B);
    let deleted = format!("12:00:03.1 mx postfix/postsuper[9]: {B}: removed\n");
    let (address, verdict, reply) = is_taken(&deleted, &queued);
    assert_eq!((address, verdict), (bob(), Verdict::Discarded));
    assert!(reply.contains("operator"), "{reply}");
    let expired = format!(
        "12:00:03.1 mx postfix/qmgr[3]: {B}: from=<s@x.test>, status=expired, returned to sender\n\
         12:00:03.2 mx postfix/qmgr[3]: {B}: removed\n"
    );
    let (address, verdict, reply) = is_taken(&expired, &queued);
    assert_eq!((address, verdict, &*reply), (bob(), Verdict::Expired, ""));
    let gone = format!("12:00:03.2 mx postfix/qmgr[3]: {B}: removed\n");
    assert_eq!(
        is_taken(&gone, &queued),
        (bob(), Verdict::Unknown, queued.clone())
    );
    assert_eq!(
        is_taken("", &queued),
        (bob(), Verdict::InQueue, queued.clone())
    );
}
