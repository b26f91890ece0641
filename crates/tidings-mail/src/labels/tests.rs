use tidings_event::{FamilyInfo, Header, Id, Position, RecordWriter};

use super::*;

fn measured(header: &Header, pairs: impl FnOnce(&mut RecordWriter<'_>)) -> Vec<String> {
    let mut bytes = Vec::new();
    let mut writer = RecordWriter::begin(&mut bytes, header);
    pairs(&mut writer);
    writer.finish();
    drop(writer);
    let event = EventRef::read(&bytes).unwrap().0;
    let mut found = Vec::new();
    measure(&event, Providers::builtin(), |measured| {
        let labels = &measured.labels[..measured.family.info().labels.len()];
        assert!(labels.iter().all(|value| !value.is_empty()), "{measured:?}");
        let name = measured.family.info().name;
        found.push(format!("{name} {} = {}", labels.join(" "), measured.value));
    });
    found
}

/// An event that a server emits itself.
fn emitted(kind: EventType, pairs: impl FnOnce(&mut RecordWriter<'_>)) -> Vec<String> {
    let header = Header {
        span: Some(Id(7)),
        ..Header::new(kind, 0)
    };
    measured(&header, pairs)
}

/// The event of a line of a log, the second of its line.
fn read(kind: EventType, pairs: impl FnOnce(&mut RecordWriter<'_>)) -> Vec<String> {
    let position = Position {
        stream: 1,
        line: 2,
        ordinal: 1,
    };
    let header = Header {
        position: Some(position),
        ..Header::new(kind, 0)
    };
    measured(&header, pairs)
}

#[test]
fn descriptions_are_sound() {
    for (at, family) in Family::ALL.into_iter().enumerate() {
        assert_eq!(family as usize, at);
        let info = family.info();
        assert!(info.labels.len() <= FamilyInfo::MAX_LABELS && info.divisor > 0);
        assert_eq!(
            info.kind == tidings_event::MetricKind::Histogram,
            !info.bounds.is_empty()
        );
        assert!(info.bounds.is_sorted());
        if info.unit != "count" {
            assert!(info.name.ends_with(info.unit), "{}", info.name);
        }
    }
    let classes = crate::diagnose::Class::ALL.len();
    let providers = Providers::builtin().iter().count();
    let deliveries = Family::Deliveries.info();
    assert!(usize::from(deliveries.labels[2].max_values) >= classes);
    assert!(
        usize::from(deliveries.labels[0].max_values) >= providers + 20,
        "{providers}"
    );
}

#[test]
fn a_delivery_has_a_provider_an_outcome_and_a_class() {
    let found = read(EventType::DELIVERY_DELIVERED, |event| {
        event
            .str(Key::TO, "bob@gmail.com")
            .str(Key::RELAY, "gmail-smtp-in.l.google.com[142.250.27.26]:25")
            .str(Key::HOSTNAME, "gmail-smtp-in.l.google.com")
            .ip(Key::REMOTE_IP, [142, 250, 27, 26].into())
            .str(Key::DELAYS, "0.03/0.04/1.5/0")
            .str(Key::DETAILS, "250 2.0.0 OK");
    });
    assert_eq!(
        found,
        [
            "mail_deliveries google delivered accepted = 1",
            "mail_delivery_delay_seconds before-queue = 30",
            "mail_delivery_delay_seconds queue = 40",
            "mail_delivery_delay_seconds connection = 1500",
            "mail_delivery_delay_seconds transmission = 0",
        ]
    );
    // The step that failed is told by an event of its own, before the one that tells the outcome.
    assert_eq!(read(EventType::DELIVERY_RCPT_TO_REJECTED, |_| {}), [""; 0]);
    let found = emitted(EventType::DELIVERY_FAILED, |event| {
        event
            .str(Key::HOSTNAME, "mx.unheard.example")
            .uint(Key::CODE, 550)
            .str(Key::REASON, "5.2.2 mailbox is full");
    });
    assert_eq!(found, ["mail_deliveries unlisted bounced mailbox-full = 1"]);
}

#[test]
fn a_host_that_was_not_reached_is_found_in_the_reason() {
    let found = read(EventType::QUEUE_RESCHEDULED, |event| {
        event.str(Key::RELAY, "none").str(Key::DSN, "4.4.1").str(
            Key::REASON,
            "connect to mx01.mail.icloud.com[17.57.154.33]:25: Connection timed out",
        );
    });
    assert_eq!(found, ["mail_deliveries apple deferred network = 1"]);
    let found = read(EventType::DELIVERY_DELIVERED, |event| {
        event
            .str(Key::RELAY, "mx.example[private/dovecot-lmtp]")
            .str(Key::HOSTNAME, "mx.example")
            .uint(Key::REPEATED, 3);
    });
    assert_eq!(found, ["mail_deliveries local delivered accepted = 3"]);
}

#[test]
fn refusals_count_by_what_the_reply_means_else_by_the_event() {
    let refused = |event: &mut RecordWriter<'_>| {
        event
            .str(Key::STAGE, "RCPT")
            .uint(Key::CODE, 554)
            .str(Key::DSN, "5.7.1")
            .str(Key::REASON, "Relay access denied");
    };
    let expected = ["mail_rejections relay-denied 5xx = 1"];
    assert_eq!(read(EventType::SMTP_RELAY_NOT_ALLOWED, refused), expected);
    assert_eq!(
        emitted(EventType::SMTP_RELAY_NOT_ALLOWED, |_| {}),
        ["mail_rejections relay-denied none = 1"]
    );
    // In a log a listed client is an observation.
    assert_eq!(read(EventType::SPAM_DNSBL, |_| {}), [""; 0]);
    assert_eq!(emitted(EventType::SMTP_ERROR, |_| {}), [""; 0]);
}

#[test]
fn sign_ins_count_every_attempt() {
    let found = read(EventType::AUTH_FAILED, |event| {
        event
            .str(Key::LISTENER_ID, "imap")
            .uint(Key::REPEATED, 2)
            .uint(Key::COUNT, 3);
    });
    assert_eq!(found, ["mail_sign_ins imap failed = 6"]);
    // Told by another program before.
    assert_eq!(read(EventType::AUTH_WARNING, |_| {}), [""; 0]);
}

#[test]
fn sizes_count_once() {
    let found = emitted(EventType::QUEUE_MESSAGE_QUEUED, |event| {
        event.uint(Key::SIZE, 1530);
    });
    assert_eq!(found, ["mail_message_size_bytes unauthenticated = 1530"]);
    let found = read(EventType::QUEUE_DSN_QUEUED, |event| {
        event.str(Key::PARENT_QUEUE_ID, "4jXTsn2mtCz1X5k9");
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn each_line_counts_once_by_program() {
    for (ordinal, kind, expected) in [
        (
            0,
            EventType::SOURCE_LINE_UNRECOGNISED,
            &["tidings_source_lines postfix/smtpd unrecognised = 1"][..],
        ),
        (
            0,
            EventType::SOURCE_LINE,
            &["tidings_source_lines postfix/smtpd aside = 1"],
        ),
        (
            0,
            EventType::SMTP_CONNECTION_START,
            &["tidings_source_lines postfix/smtpd events = 1"],
        ),
        (1, EventType::SMTP_CONNECTION_START, &[]),
    ] {
        let header = Header {
            position: Some(Position {
                stream: 1,
                line: 2,
                ordinal,
            }),
            ..Header::new(kind, 0)
        };
        let found = measured(&header, |event| {
            event
                .str(Key::NODE, "mx1")
                .str(Key::PROGRAM, "postfix/smtpd")
                .uint(Key::PID, 42);
        });
        assert_eq!(found, expected);
    }
}
