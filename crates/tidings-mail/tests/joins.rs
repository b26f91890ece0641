//! Which legs are one message, by what evidence, and which are not, whatever a stranger says.

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
