//! The order of evidence, the view from our side, and what a sender cannot bring about.

use super::*;

fn class_of(text: &str) -> Class {
    diagnose_text(text).class
}

#[test]
fn words_beat_codes() {
    let found = diagnose_text("550 5.1.1 <bob@example.net>: mailbox is full");
    assert_eq!(found.class, Class::MailboxFull);
    assert_eq!(
        (found.evidence, found.confidence),
        (Evidence::Wording, Confidence::Sure)
    );
    assert_eq!(found.wording, Some("mailbox is full"));
}

#[test]
fn a_specific_enhanced_code_beats_vague_words() {
    let vague = diagnose_text("550 5.2.2 <bob@example.net>: rejected");
    assert_eq!(
        (vague.class, vague.evidence),
        (Class::MailboxFull, Evidence::Enhanced)
    );
    let both_vague = diagnose_text("550 5.7.1 <bob@example.net>: rejected");
    assert_eq!(both_vague.class, Class::Policy);
    assert_eq!(both_vague.confidence, Confidence::Guess);
}

#[test]
fn a_bare_code_is_only_a_guess_and_needs_its_stage() {
    let found =
        diagnose_text("host mx.example[192.0.2.1] said: 550 nope (in reply to RCPT TO command)");
    assert_eq!(
        (found.class, found.confidence),
        (Class::NoSuchUser, Confidence::Guess)
    );
    assert_eq!(found.evidence, Evidence::Code);
    let nothing = diagnose_text("550 nope");
    assert_eq!(
        (nothing.class, nothing.evidence),
        (Class::Unknown, Evidence::Nothing)
    );
    let stage = Reply {
        stage: Some(Stage::StartTls),
        ..Reply::parse("no luck")
    };
    assert_eq!(diagnose(&stage).evidence, Evidence::Stage);
}

#[test]
fn success_is_success() {
    assert_eq!(class_of("250 2.1.5 mailbox full of joy"), Class::Accepted);
    assert_eq!(diagnose_text("250 ok").permanence, Permanence::Done);
    let sent = Reply {
        enhanced: Some(Enhanced::new(2, 0, 0)),
        ..Reply::parse("whatever our own agent says")
    };
    assert_eq!(diagnose(&sent).class, Class::Accepted);
    // Postfix before 2.3 has no `dsn=`.
    assert_eq!(class_of("delivered to mailbox"), Class::Accepted);
    assert_ne!(
        class_of("could not be delivered to mailbox"),
        Class::Accepted
    );
    let discarded = Reply {
        enhanced: Some(Enhanced::new(2, 0, 0)),
        ..Reply::parse("silently discarded")
    };
    assert_eq!(diagnose(&discarded).class, Class::Discarded);
}

#[test]
fn the_same_words_seen_from_the_other_side() {
    let text = "554 5.7.1 Service unavailable; Client host [198.51.100.7] blocked using bl.example";
    let there = diagnose_text(text);
    assert_eq!((there.scope, there.action), (Scope::OurIp, Action::Delist));
    let rejected = format!("reject: RCPT from x[198.51.100.7]: {text}; from=<a@b> to=<c@d>");
    let here = diagnose_text(&rejected);
    assert_eq!((here.scope, here.action), (Scope::TheirIp, Action::None));
    assert_ne!(there.advice, here.advice);
    // A lookup failure of the other server, of our own, and of our own mail store.
    let text = "451 4.3.0 <bob@example.net>: Temporary lookup failure";
    assert_eq!(class_of(text), Class::ServerFault);
    for ours in [Direction::Inbound, Direction::Local] {
        let found = diagnose(&Reply {
            direction: ours,
            ..Reply::parse(text)
        });
        assert_eq!(
            (found.class, found.scope),
            (Class::LocalConfiguration, Scope::OurServer)
        );
    }
}

#[test]
fn at_mail_from_the_words_are_about_the_sender() {
    let at = |command: &str| {
        class_of(&format!(
            "host mx.example[192.0.2.1] said: 550 5.1.1 User unknown (in reply to {command} command)"
        ))
    };
    assert_eq!(at("RCPT TO"), Class::NoSuchUser);
    assert_eq!(at("MAIL FROM"), Class::SenderRejected);
}

#[test]
fn a_provider_gives_vague_words_their_meaning() {
    let text = "554 5.7.9 Message not accepted for policy reasons.";
    let of = |provider| {
        let reply = Reply::parse(text);
        diagnose(&Reply { provider, ..reply }).class
    };
    assert_eq!(of(None), Class::Policy);
    assert_eq!(of(Some("yahoo")), Class::Authentication);
    assert_eq!(of(Some("google")), Class::Policy);
}

/// A spammer named the sender address after a wording, and every bounce counted as a full mailbox.
#[test]
fn addresses_never_trigger_wordings() {
    for address in [
        "<mailbox.full@over-quota.example>",
        "mailbox_full@user-unknown.example",
        "<\"mailbox full\"@spamhaus.example>",
        "\"user unknown\"@greylisted.example",
        "virus%40spam.example",
        "(spam@greylisted.example)",
    ] {
        let found = diagnose_text(&format!("554 {address} nope"));
        assert_eq!(
            found.class,
            Class::Unknown,
            "{address} by {:?}",
            found.wording
        );
    }
    assert_eq!(class_of("unknown user: \"over quota\""), Class::NoSuchUser);
    assert_eq!(class_of("554 mailbox-full.example nope"), Class::Unknown);
}

#[test]
fn the_subject_of_a_message_never_triggers_wordings() {
    let text = "reject: header Subject: your mailbox is full from x[198.51.100.7]; from=<a@b> \
                to=<c@d> proto=ESMTP helo=<x>: 5.7.1 no such subjects here please, spam";
    assert_eq!(class_of(text), Class::Spam);
}

#[test]
fn long_texts_are_read_to_their_end() {
    let text = format!("550 {} over quota", "x ".repeat(100_000));
    assert_eq!(class_of(&text), Class::MailboxFull);
}

#[test]
fn names_are_stable_kebab_case_and_go_both_ways() {
    let kebab =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    for class in Class::ALL {
        assert!(kebab(class.as_str()));
        assert_eq!(Class::from_name(class.as_str()), Some(class));
        assert!(class.explanation().ends_with('.'));
    }
    for scope in Scope::ALL {
        assert!(kebab(scope.as_str()));
        assert_eq!(Scope::from_name(scope.as_str()), Some(scope));
    }
    for action in Action::ALL {
        assert!(kebab(action.as_str()));
        assert_eq!(Action::from_name(action.as_str()), Some(action));
    }
    assert_eq!(Class::from_name("Mailbox-Full"), None);
}

/// The words of a table of our own were read as a server's: "no such subjects here" as no such user.
#[test]
fn the_words_of_our_own_rule_are_no_servers_reply() {
    let text = "reject: header Subject: hc from cli.test[10.9.0.60]; from=<a@cli.test> \
                to=<alice@lab.test> proto=ESMTP helo=<cli.test>: 5.7.1 no such subjects here";
    assert_eq!(diagnose_text(text).class, Class::Policy);
    let mut reply = Reply {
        text: b"no such subjects here",
        code: Some(550),
        enhanced: Some(Enhanced::new(5, 7, 1)),
        direction: Direction::Inbound,
        ..Reply::default()
    };
    assert_eq!(
        diagnose(&reply).class,
        Class::Policy,
        "{:?}",
        diagnose(&reply)
    );
    reply.enhanced = None;
    reply.stage = Stage::from_text(b"header");
    assert_eq!(diagnose(&reply).class, Class::Policy, "by its stage");
}

/// Expired and returned mail was told to be tried again.
#[test]
fn what_is_over_is_not_tried_again() {
    let text = "connect to 10.9.0.59[10.9.0.59]:2500: No route to host";
    for fate in [Fate::Refused, Fate::GivenUp] {
        for text in [
            text,
            "450 4.2.0 Greylisted",
            "451 4.3.2 Server busy",
            "host x[127.0.0.1] said: 451 4.3.2 Server busy",
        ] {
            let found = diagnose(&Reply {
                fate,
                ..Reply::parse(text)
            });
            assert!(!found.advice.contains("tries again"), "{}", found.advice);
            assert_ne!(found.action, Action::Retry, "{text}");
        }
    }
    let waiting = diagnose(&Reply {
        fate: Fate::Waiting,
        ..Reply::parse(text)
    });
    assert!(waiting.advice.contains("tries again"), "{}", waiting.advice);
}

/// Postfix keeps a message only if its own configuration names the host (`relayhost`): a recipient's
/// domain that does not exist is final.
#[test]
fn a_host_that_is_not_found_and_waited_for_is_our_own() {
    let reply = |dsn: &[u8]| Reply {
        enhanced: Enhanced::parse(dsn),
        ..Reply::parse("unable to look up host relay.local: Name or service not known")
    };
    let waiting = diagnose(&reply(b"4.4.4"));
    assert_eq!(
        (waiting.class, waiting.scope, waiting.action),
        (Class::Dns, Scope::OurServer, Action::FixUs)
    );
    let returned = diagnose(&reply(b"5.4.4"));
    assert_eq!(returned.class, Class::NoSuchDomain);
}
