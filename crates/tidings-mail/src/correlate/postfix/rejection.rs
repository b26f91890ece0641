//! Which event a refused SMTP command is, from the server's own reply text.
//!
//! Only the server's part of the text is looked at: the subject (`<address>`) was split off by
//! the parser, so nothing a client sends can choose the event.

use tidings_event::EventType;

use crate::postfix::{Reject, RejectBy};

/// Wordings of the server and their events; the first that occurs in the text counts. Lower case.
const WORDINGS: &[(&str, EventType)] = &[
    ("relay access denied", EventType::SMTP_RELAY_NOT_ALLOWED),
    ("relaying denied", EventType::SMTP_RELAY_NOT_ALLOWED),
    ("greylist", EventType::SMTP_RCPT_TO_GREYLISTED),
    ("graylist", EventType::SMTP_RCPT_TO_GREYLISTED),
    (
        "service currently unavailable",
        EventType::SMTP_RCPT_TO_GREYLISTED,
    ),
    ("blocked using", EventType::SPAM_DNSBL),
    ("user unknown", EventType::SMTP_MAILBOX_DOES_NOT_EXIST),
    (
        "unverified recipient address",
        EventType::SMTP_MAILBOX_DOES_NOT_EXIST,
    ),
    (
        "undeliverable address",
        EventType::SMTP_MAILBOX_DOES_NOT_EXIST,
    ),
    ("no such user", EventType::SMTP_MAILBOX_DOES_NOT_EXIST),
    ("not owned by user", EventType::SMTP_MAIL_FROM_UNAUTHORIZED),
    ("not logged in", EventType::SMTP_MAIL_FROM_UNAUTHORIZED),
    (
        "need fully-qualified hostname",
        EventType::SMTP_INVALID_EHLO,
    ),
    ("helo command rejected", EventType::SMTP_INVALID_EHLO),
    ("send helo/ehlo first", EventType::SMTP_DID_NOT_SAY_EHLO),
    ("message size exceeds", EventType::SMTP_MESSAGE_TOO_LARGE),
    ("too many recipients", EventType::SMTP_TOO_MANY_RECIPIENTS),
    (
        "too many connections",
        EventType::SMTP_CONCURRENCY_LIMIT_EXCEEDED,
    ),
    (
        "too many concurrent",
        EventType::SMTP_CONCURRENCY_LIMIT_EXCEEDED,
    ),
    (
        "concurrency limit",
        EventType::SMTP_CONCURRENCY_LIMIT_EXCEEDED,
    ),
    ("too many hops", EventType::SMTP_LOOP_DETECTED),
    ("too much mail", EventType::SMTP_RATE_LIMIT_EXCEEDED),
    ("too many", EventType::SMTP_RATE_LIMIT_EXCEEDED),
    ("rate limit", EventType::SMTP_RATE_LIMIT_EXCEEDED),
    ("rate-limit", EventType::SMTP_RATE_LIMIT_EXCEEDED),
    ("client host rejected", EventType::SECURITY_IP_BLOCKED),
    ("must issue a starttls", EventType::SMTP_AUTH_NOT_ALLOWED),
    (
        "authentication required",
        EventType::SMTP_MAIL_FROM_UNAUTHENTICATED,
    ),
];

/// The event of a refused command.
pub(super) fn event_of(reject: &Reject<'_>) -> EventType {
    if reject.by == RejectBy::Milter {
        let temporary = reject.dsn.first() == Some(&b'4') || reject.code / 100 == 4;
        return if temporary {
            EventType::MILTER_ACTION_TEMP_FAIL
        } else {
            EventType::MILTER_ACTION_REJECT
        };
    }
    let text = reject.text.to_ascii_lowercase();
    if let Some(event) = by_address(reject, &text) {
        return event;
    }
    for (wording, event) in WORDINGS {
        if memchr::memmem::find(&text, wording.as_bytes()).is_some() {
            return *event;
        }
    }
    by_code(reject)
}

/// Refused sender and recipient addresses share their wordings; the words before tell them apart.
fn by_address(reject: &Reject<'_>, text: &[u8]) -> Option<EventType> {
    let has = |needle: &str| memchr::memmem::find(text, needle.as_bytes()).is_some();
    if has("sender address rejected") {
        return Some(if has("need fully-qualified") {
            EventType::SMTP_INVALID_SENDER_ADDRESS
        } else if has("not owned by user") || has("not logged in") {
            EventType::SMTP_MAIL_FROM_UNAUTHORIZED
        } else {
            EventType::SMTP_MAIL_FROM_NOT_ALLOWED
        });
    }
    if has("recipient address rejected") && has("need fully-qualified") {
        return Some(EventType::SMTP_INVALID_RECIPIENT_ADDRESS);
    }
    let bad_syntax = reject.dsn == b"5.1.3" || reject.dsn == b"5.1.7" || has("syntax: ");
    match (bad_syntax, reject.stage) {
        (true, b"MAIL") => Some(EventType::SMTP_INVALID_SENDER_ADDRESS),
        (true, b"RCPT") => Some(EventType::SMTP_INVALID_RECIPIENT_ADDRESS),
        _ => None,
    }
}

fn by_code(reject: &Reject<'_>) -> EventType {
    match (reject.code, reject.dsn, reject.stage) {
        (_, b"5.1.1", b"RCPT") => EventType::SMTP_MAILBOX_DOES_NOT_EXIST,
        (_, b"5.3.4", _) => EventType::SMTP_MESSAGE_TOO_LARGE,
        (530, ..) => EventType::SMTP_MAIL_FROM_UNAUTHENTICATED,
        (500..=504, ..) => EventType::SMTP_ERROR,
        (
            _,
            _,
            b"header" | b"body" | b"content" | b"mime-header" | b"nested-header" | b"mime-error"
            | b"END-OF-MESSAGE" | b"DATA" | b"BDAT",
        ) => EventType::SMTP_DATA_REJECTED,
        _ => EventType::SMTP_REJECTED,
    }
}
