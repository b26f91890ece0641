//! Which legs are one message, by what evidence, and which are not, whatever a stranger says.

#[path = "support/folding.rs"]
mod folding;

use folding::fold;
use tidings_mail::message::{JoinBy, Message, Verdict};

/// A message is received: time, host, queue id, client, Message-ID, sender.
fn received(
    time: &str,
    host: &str,
    id: &str,
    client: &str,
    message_id: &str,
    from: &str,
) -> String {
    format!(
        "{time}.1Z {host} postfix/smtpd[1]: {id}: client={client}
         {time}.2Z {host} postfix/cleanup[2]: {id}: message-id=<{message_id}>
         {time}.3Z {host} postfix/qmgr[3]: {id}: from=<{from}>, size=800, nrcpt=1 (queue active)
"
    )
    .replace("Z ", " ")
}

/// A message is sent: time, host, queue id, recipient, relay, the seconds it took, reply.
fn sent(
    time: &str,
    host: &str,
    id: &str,
    to: &str,
    relay: &str,
    took: &str,
    reply: &str,
) -> String {
    format!(
        "{time}.5 {host} postfix/smtp[4]: {id}: to=<{to}>, relay={relay}, delay=1, delays=0.1/0/0.1/{took}, dsn=2.0.0, status=sent ({reply})
         {time}.6 {host} postfix/qmgr[3]: {id}: removed
"
    )
}

/// The queue ids of the messages found, joined by `+`.
fn ids(messages: &[Message]) -> Vec<String> {
    messages
        .iter()
        .map(|message| message.queue_ids.join("+"))
        .collect()
}

fn recipients(message: &Message) -> Vec<(&str, Option<&str>, Verdict)> {
    message
        .recipients
        .iter()
        .map(|r| {
            (
                r.address.as_str(),
                r.original_address.as_deref(),
                r.verdict.unwrap(),
            )
        })
        .collect()
}

/// Both orders of reading two logs: their queue ids, which must be the same.
fn either_way(a: &str, b: &str) -> Vec<String> {
    let (first, second) = (ids(&fold(&[a, b])), ids(&fold(&[b, a])));
    assert_eq!(first, second, "in the other order");
    first
}

const OUT: &str = "out.example[198.51.100.7]";
const EVIL: &str = "mx.evil.example[203.0.113.66]:25";
/// Long queue ids, made at 12:00:00 and 12:00:01.
const A: &str = "4jXSLS1111z1YS5R";
const B: &str = "4jXSLT2222z1YS5V";

fn queued_as(id: &str) -> String {
    format!("250 2.0.0 Ok: queued as {id}")
}

#[test]
fn the_next_hop_is_one_message_with_the_hop_before_in_whatever_order_they_are_read() {
    let relay = received("12:00:00", "relay", A, OUT, "m@x", "ann@x")
        + &sent(
            "12:00:01",
            "relay",
            A,
            "bob@y",
            "mail.y[192.0.2.9]:25",
            "0.9",
            &queued_as(B),
        );
    let mail = received("12:00:01", "mail", B, "relay.y[192.0.2.8]", "m@x", "ann@x")
        + &sent(
            "12:00:02",
            "mail",
            B,
            "robert@y",
            "next.y[192.0.2.10]:25",
            "0.1",
            "250 Ok",
        );
    assert_eq!(either_way(&relay, &mail), [format!("{A}+{B}")]);
    let [message] = &fold(&[&relay, &mail])[..] else {
        panic!()
    };
    assert_eq!(message.joins[0].by, JoinBy::NextHopReply);
    assert_eq!(
        recipients(message),
        [("robert@y", Some("bob@y"), Verdict::Delivered)]
    );
    assert_eq!(message.hosts, ["relay", "mail"]);
}

#[test]
fn the_clock_of_the_next_hop_may_be_wrong_where_all_else_agrees() {
    let relay = received("12:00:00", "relay", A, OUT, "m@x", "ann@x")
        + &sent(
            "12:00:01",
            "relay",
            A,
            "bob@y",
            "mail.y[192.0.2.9]:25",
            "0.9",
            &queued_as(B),
        );
    for (time, client, joined) in [
        ("12:03:30", "relay.y[192.0.2.8]", true),
        ("11:56:30", "relay.y[192.0.2.8]", true),
        ("12:03:30", "nat.z[192.0.2.1]", false),
        ("12:00:08", "nat.z[192.0.2.1]", true),
        ("12:20:00", "relay.y[192.0.2.8]", false),
    ] {
        let mail = received(time, "mail", B, client, "m@x", "ann@x");
        assert_eq!(
            either_way(&relay, &mail).len(),
            2 - usize::from(joined),
            "{time} {client}"
        );
        let [first, ..] = &fold(&[&relay, &mail])[..] else {
            panic!()
        };
        assert!(
            !joined || first.queue_ids == [A, B],
            "the hop before comes first: {first:?}"
        );
    }
}

/// The stranger got a copy of the honest message, and so knows everything about it.
#[test]
fn a_stranger_s_server_cannot_name_the_message_of_somebody_else() {
    let honest = received("12:00:00", "mx", B, OUT, "honest@x", "ann@x")
        + &sent(
            "12:00:01",
            "mx",
            B,
            "eve@evil.example",
            EVIL,
            "0.5",
            "250 Ok",
        );
    let other_id = received(
        "12:00:00",
        "mx",
        A,
        "evil[203.0.113.66]",
        "other@x",
        "ann@x",
    );
    let no_id = received("12:00:00", "mx", A, "evil[203.0.113.66]", "", "ann@x");
    let replay = received(
        "12:00:06",
        "mx",
        A,
        "evil[203.0.113.66]",
        "honest@x",
        "ann@x",
    );
    let slow_replay = received(
        "12:00:30",
        "mx1",
        A,
        "evil[203.0.113.66]",
        "honest@x",
        "ann@x",
    );
    for (attack, host, time, took) in [
        (other_id, "mx", "12:00:02", "1.9"),
        (no_id, "mx", "12:00:02", "1.9"),
        (replay.clone(), "mx", "12:00:07", "0.9"),
        (replay, "mx", "12:00:27", "26"),
        (slow_replay, "mx1", "12:00:31", "0.9"),
    ] {
        let attack = attack + &sent(time, host, A, "eve@evil.example", EVIL, took, &queued_as(B));
        assert_eq!(either_way(&honest, &attack).len(), 2, "{attack}");
    }
}

/// Mail comes over one connection: who replays a message at once, through another server of ours,
/// comes too late.
#[test]
fn what_one_server_handed_over_no_other_did() {
    let relay = received("12:00:00", "relay", A, OUT, "m@x", "ann@x")
        + &sent(
            "12:00:01",
            "relay",
            A,
            "eve@evil",
            "mail.y[192.0.2.9]:25",
            "0.9",
            &queued_as(B),
        );
    let mail = received("12:00:01", "mail", B, "relay.y[192.0.2.8]", "m@x", "ann@x")
        + &sent("12:00:01", "mail", B, "eve@evil", EVIL, "0.1", "250 Ok");
    let other = "4jXSLT4444z1YS66";
    let replay = received(
        "12:00:03",
        "mx2",
        other,
        "evil[203.0.113.66]",
        "m@x",
        "ann@x",
    ) + &sent(
        "12:00:04",
        "mx2",
        other,
        "eve@evil",
        EVIL,
        "0.9",
        &queued_as(B),
    );
    let found = fold(&[&relay, &mail, &replay]);
    assert_eq!(ids(&found), [format!("{A}+{B}"), other.to_owned()]);
}

/// A claim that is not true must not stand in the way of the one that is.
#[test]
fn a_false_claim_does_not_hide_the_true_one() {
    let before = received("12:00:00", "relay", A, OUT, "m@x", "ann@x");
    let true_claim = sent(
        "12:00:01",
        "relay",
        A,
        "bob@y",
        "mail.y[192.0.2.9]:25",
        "0.9",
        &queued_as(B),
    );
    let false_claims: String = (0..20)
        .map(|number| {
            let id = format!("4jXSLS{number:02}33z1YS5X");
            received(
                "12:00:00",
                "relay",
                &id,
                "evil[203.0.113.66]",
                "e@evil",
                "eve@evil",
            ) + &sent(
                "12:00:01",
                "relay",
                &id,
                "eve@evil",
                EVIL,
                "0.9",
                &queued_as(B),
            )
        })
        .collect();
    let mail = received("12:00:01", "mail", B, "relay.y[192.0.2.8]", "m@x", "ann@x");
    for relay in [
        before.clone() + &true_claim + &false_claims,
        false_claims + &before + &true_claim,
    ] {
        let found = either_way(&relay, &mail);
        assert_eq!(found.len(), 21);
        assert!(found.contains(&format!("{A}+{B}")), "{found:?}");
    }
}

#[test]
fn a_content_filter_is_joined_though_the_message_came_without_an_id() {
    let log = received("12:00:00", "mx", "8DB749C091B", OUT, "", "ann@x")
        + &received(
            "12:00:01",
            "mx",
            "9DB749C0911",
            "localhost[127.0.0.1]",
            "made@mx",
            "ann@x",
        )
        + &sent(
            "12:00:01",
            "mx",
            "8DB749C091B",
            "bob@y",
            "127.0.0.1[127.0.0.1]:10024",
            "0.9",
            "250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 9DB749C0911",
        )
        + &sent(
            "12:00:02",
            "mx",
            "9DB749C0911",
            "bob@y",
            "mail.y[192.0.2.9]:25",
            "0.1",
            "250 Ok",
        );
    let [message] = &fold(&[&log])[..] else {
        panic!()
    };
    assert_eq!(message.queue_ids, ["8DB749C091B", "9DB749C0911"]);
    assert_eq!(recipients(message), [("bob@y", None, Verdict::Delivered)]);
}

#[test]
fn instances_on_one_host_and_filters_on_another_are_joined() {
    for (relay, client) in [
        ("mx.y[192.0.2.8]:10025", "mx.y[192.0.2.8]"),
        ("filter[10.0.0.5]:10024", "filter[10.0.0.5]"),
        ("filter[172.18.0.3]:10024", "gateway[172.18.0.1]"),
        ("[::1]:10024", "localhost[127.0.0.1]"),
        ("mx.y[192.0.2.8]:25", "mx.y[192.0.2.7]"),
    ] {
        let log = received("12:00:00", "mx", A, OUT, "m@x", "ann@x")
            + &received("12:00:01", "mx", B, client, "m@x", "ann@x")
            + &sent("12:00:01", "mx", A, "bob@y", relay, "0.9", &queued_as(B));
        let relay = relay.replace("[::1]", "localhost[::1]");
        assert_eq!(
            ids(&fold(&[&log])),
            [format!("{A}+{B}")],
            "{relay} {client}"
        );
    }
}

#[test]
fn a_log_without_its_beginning_is_joined_by_recipient_and_place() {
    let relay = received("12:00:00", "relay", A, OUT, "m@x", "ann@x");
    let hand_over = sent(
        "12:00:01",
        "relay",
        A,
        "bob@y",
        "mail.y[192.0.2.9]:25",
        "0.9",
        &queued_as(B),
    );
    let mail = received("12:00:01", "mail", B, "relay.y[192.0.2.8]", "m@x", "ann@x");
    let end = sent(
        "12:00:02",
        "mail",
        B,
        "bob@y",
        "next.y[192.0.2.10]:25",
        "0.1",
        "250 Ok",
    );
    assert_eq!(
        either_way(&hand_over, &(mail.clone() + &end)),
        [format!("{A}+{B}")]
    );
    // What the next hop logged before is lost: nothing but the queue id tells that it is the same.
    assert_eq!(either_way(&(relay.clone() + &hand_over), &end).len(), 2);
    let inside = hand_over.replace("mail.y[192.0.2.9]", "mail.y[10.0.0.9]");
    assert_eq!(either_way(&(relay + &inside), &end).len(), 1);
}

const SESSION: &str = "eEw2HjrsAmv9AgAALsOh1Q";

#[test]
fn a_mailbox_server_is_joined_by_its_session_and_a_stranger_cannot_name_it() {
    let saved = format!(
        "12:00:01.2 imap dovecot: lmtp(bob@y)<765><{SESSION}>: msgid=<m@x>: saved mail to INBOX"
    );
    let reply = format!("250 2.0.0 <bob@y> {SESSION} Saved");
    let honest = received("12:00:00", "mx", A, OUT, "m@x", "ann@x")
        + &sent(
            "12:00:01",
            "mx",
            A,
            "bob@y",
            "imap.y[10.0.0.5]:24",
            "0.9",
            &reply,
        );
    let found = fold(&[&honest, &saved]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].joins[0].by, JoinBy::LmtpReply);
    let attack = received("12:00:00", "mx", B, OUT, "e@x", "eve@x")
        + &sent("12:00:01", "mx", B, "eve@evil.example", EVIL, "0.9", &reply);
    for logs in [
        [&attack, &saved, &honest],
        [&saved, &attack, &honest],
        [&honest, &attack, &saved],
    ] {
        let found = fold(&logs.map(String::as_str));
        assert_eq!(ids(&found), [A, B]);
        assert_eq!((found[0].legs.len(), found[1].legs.len()), (2, 1));
        assert_eq!(found[1].verdict(), Verdict::Delivered);
    }
}

/// Over one connection come several messages, each with several recipients.
#[test]
fn messages_of_one_lmtp_connection_are_told_apart() {
    for (second, its_second_recipient, own_legs) in [(":T2", ":T2:R2", 2), (":2", "", 1)] {
        let saved = |session: &str, user: &str, id: &str, what: &str| {
            format!(
                "12:00:01.2 mx dovecot: lmtp({user})<765><{SESSION}{session}>: sieve: msgid=<{id}>: {what}\n"
            )
        };
        let reply = |session: &str| format!("250 2.0.0 <bob@y> {SESSION}{session} Saved");
        let relay = "mx.y[private/dovecot-lmtp]";
        let stored = "stored mail into mailbox 'INBOX'";
        let discarded = "discarded (discard action)";
        let mut log = received("12:00:00", "mx", A, OUT, "m@x", "ann@x")
            + &saved("", "bob@y", "m@x", stored)
            + &saved(
                if own_legs == 2 { ":R2" } else { ":2" },
                "carl@y",
                "m@x",
                discarded,
            )
            + &sent("12:00:01", "mx", A, "bob@y", relay, "0.9", &reply(""))
            + &sent(
                "12:00:01",
                "mx",
                A,
                "carl@y",
                relay,
                "0.9",
                &reply(if own_legs == 2 { ":R2" } else { ":2" }),
            );
        if own_legs == 2 {
            log += &(received("12:00:00", "mx", B, OUT, "n@x", "ann@x")
                + &saved(second, "bob@y", "n@x", discarded)
                + &saved(its_second_recipient, "carl@y", "n@x", stored)
                + &sent("12:00:01", "mx", B, "bob@y", relay, "0.9", &reply(second))
                + &sent(
                    "12:00:01",
                    "mx",
                    B,
                    "carl@y",
                    relay,
                    "0.9",
                    &reply(its_second_recipient),
                ));
        }
        let found = fold(&[&log]);
        assert_eq!(found.len(), own_legs);
        assert_eq!(
            recipients(&found[0]),
            [
                ("bob@y", None, Verdict::Delivered),
                ("carl@y", None, Verdict::Discarded)
            ]
        );
        if let Some(second) = found.get(1) {
            assert_eq!(
                recipients(second),
                [
                    ("bob@y", None, Verdict::Discarded),
                    ("carl@y", None, Verdict::Delivered)
                ]
            );
        }
    }
}

/// A filter on the machine passes on what it is told; what the servers logged speaks against it.
#[test]
fn what_the_logs_contradict_is_not_joined_wherever_the_word_comes_from() {
    let relay = "127.0.0.1[127.0.0.1]:10024";
    let first = |id: &str| {
        received("12:00:00", "mx", A, OUT, id, "ann@x")
            + &sent("12:00:01", "mx", A, "bob@y", relay, "0.9", &queued_as(B))
    };
    let second = |child: String| {
        child
            + &sent(
                "12:00:02",
                "mx",
                B,
                "bob@y",
                "mail.y[192.0.2.9]:25",
                "0.1",
                "250 Ok",
            )
    };
    let here = "localhost[127.0.0.1]";
    let child = |id: &str| second(received("12:00:01", "mx", B, here, id, "ann@x"));
    assert_eq!(either_way(&first("m@x"), &child("m@x")).len(), 1);
    assert_eq!(
        either_way(&first("m@x"), &child("n@x")).len(),
        2,
        "another Message-ID"
    );
    let picked_up = second(picked_up("12:00:01", "mx", B, "", "ann@x"));
    assert_eq!(either_way(&first(""), &picked_up).len(), 2, "no connection");
    let other_sender = second(received("12:00:01", "mx", B, here, "", "eve@x"));
    assert_eq!(
        either_way(&first(""), &other_sender).len(),
        2,
        "another sender"
    );
}

#[test]
fn a_message_id_that_is_logged_late_joins_late() {
    let lines = received("12:00:00", "relay", A, OUT, "m@x", "ann@x")
        + &sent(
            "12:00:01",
            "relay",
            A,
            "bob@y",
            "mail.y[192.0.2.9]:25",
            "0.9",
            &queued_as(B),
        );
    let (named, rest): (Vec<&str>, Vec<&str>) =
        lines.lines().partition(|line| line.contains("message-id="));
    let relay = [rest, named].concat().join("\n");
    let mail = received("12:00:01", "mail", B, "relay.y[192.0.2.8]", "m@x", "ann@x");
    assert_eq!(either_way(&mail, &relay), [format!("{A}+{B}")]);
}

fn picked_up(time: &str, host: &str, id: &str, message_id: &str, from: &str) -> String {
    received(time, host, id, "?", message_id, from)
        .replace("smtpd[1]", "pickup[5]")
        .replace("client=?", &format!("uid=1001 from=<{from}>"))
}

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
