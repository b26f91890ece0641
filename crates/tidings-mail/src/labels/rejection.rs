//! What our servers refused to their clients, and why.

use tidings_event::{EventRef, EventType};

use super::{Facts, Family, Measurement};
use crate::diagnose::{Class, Direction, Enhanced, Reply, Stage, diagnose};
use crate::message;

/// Whether events of this type can tell that our server refused something to its client.
pub fn may_refuse(kind: EventType) -> bool {
    kind == EventType::MTA_HOOK_ACTION_REJECT || message::may_refuse(kind)
}

pub(super) fn measure<'a>(
    event: &EventRef<'a>,
    facts: &Facts<'a>,
    put: &mut impl FnMut(Measurement<'a>),
) {
    let has_reply = facts.code.is_some() || !facts.dsn.is_empty();
    let reason = if has_reply {
        class_of_reply(facts)
    } else if event.header().position.is_none() {
        // A server that tells itself what it does names the reason by the event.
        match class_of_event(event.kind()) {
            Some(class) => class,
            None => return,
        }
    } else {
        // In a log, an event without a reply is an observation, such as a listed client.
        return;
    };
    let reply = match (facts.code.map(|code| code / 100), facts.dsn) {
        (Some(4), _) | (None, [b'4', ..]) => "4xx",
        (Some(5), _) | (None, [b'5', ..]) => "5xx",
        _ => "none",
    };
    put(Measurement {
        family: Family::Rejections,
        labels: [reason.as_str(), reply, ""],
        value: facts.repeated,
    });
}

/// As the list of messages says it.
fn class_of_reply(facts: &Facts<'_>) -> Class {
    diagnose(&Reply {
        text: facts.reason,
        code: facts.reply_code(),
        enhanced: Enhanced::parse(facts.dsn),
        stage: Stage::from_text(facts.stage),
        direction: Direction::Inbound,
        ..Reply::default()
    })
    .class
}

/// Why, by the event alone; `None` for events that also tell of other things than refusals.
fn class_of_event(kind: EventType) -> Option<Class> {
    Some(match kind {
        EventType::SMTP_RELAY_NOT_ALLOWED => Class::RelayDenied,
        EventType::SMTP_RCPT_TO_GREYLISTED => Class::Greylisted,
        EventType::SMTP_MAILBOX_DOES_NOT_EXIST => Class::NoSuchUser,
        EventType::SMTP_MAIL_FROM_NOT_ALLOWED | EventType::SMTP_INVALID_SENDER_ADDRESS => {
            Class::SenderRejected
        }
        EventType::SMTP_MAIL_FROM_UNAUTHORIZED
        | EventType::SMTP_MAIL_FROM_UNAUTHENTICATED
        | EventType::SMTP_AUTH_NOT_ALLOWED => Class::SmtpAuth,
        EventType::SMTP_INVALID_RECIPIENT_ADDRESS => Class::BadAddress,
        EventType::SMTP_INVALID_EHLO => Class::HostIdentity,
        EventType::SMTP_DID_NOT_SAY_EHLO => Class::SyntaxOrProtocol,
        EventType::SMTP_MESSAGE_TOO_LARGE => Class::Size,
        EventType::SMTP_TOO_MANY_RECIPIENTS => Class::TooManyRecipients,
        EventType::SMTP_CONCURRENCY_LIMIT_EXCEEDED | EventType::SMTP_RATE_LIMIT_EXCEEDED => {
            Class::RateLimit
        }
        EventType::SMTP_LOOP_DETECTED => Class::Loop,
        EventType::SECURITY_IP_BLOCKED => Class::Reputation,
        EventType::SMTP_REJECTED
        | EventType::SMTP_DATA_REJECTED
        | EventType::MTA_HOOK_ACTION_REJECT
        | EventType::MILTER_ACTION_REJECT
        | EventType::MILTER_ACTION_TEMP_FAIL => Class::Policy,
        _ => return None,
    })
}
