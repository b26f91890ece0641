//! What an event says about a message, read from its pairs in one pass.

use std::net::IpAddr;

use tidings_event::{EventType, Header, Id, Key, Value};

use super::Verdict;
use crate::diagnose::is_thrown_away;

/// The pairs of an event that matter to a message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) time_ns: i64,
    /// Place in the stream, for equal times.
    pub(super) line: u64,
    pub(super) span: Option<Id>,
    pub(super) program: Option<&'a str>,
    /// Counters at a session's end.
    pub(super) commands: Option<&'a str>,
    pub(super) queue_id: Option<u64>,
    pub(super) mta_queue_id: Option<&'a str>,
    pub(super) host: Option<&'a str>,
    pub(super) message_id: Option<&'a str>,
    pub(super) from: Option<&'a str>,
    pub(super) to: Option<&'a str>,
    pub(super) original_to: Option<&'a str>,
    pub(super) relay: Option<&'a str>,
    pub(super) hostname: Option<&'a str>,
    pub(super) remote_ip: Option<IpAddr>,
    pub(super) account: Option<&'a str>,
    pub(super) session: Option<&'a str>,
    pub(super) source: Option<&'a str>,
    pub(super) stage: Option<&'a str>,
    pub(super) reason: Option<&'a str>,
    pub(super) details: Option<&'a str>,
    pub(super) dsn: Option<&'a str>,
    pub(super) delays: Option<&'a str>,
    pub(super) remote_queue_id: Option<&'a str>,
    pub(super) child_queue_id: Option<&'a str>,
    pub(super) parent_queue_id: Option<&'a str>,
    pub(super) original_queue_id: Option<&'a str>,
    pub(super) code: Option<u64>,
    pub(super) size: Option<u64>,
    pub(super) total: Option<u64>,
    pub(super) elapsed_ms: Option<u64>,
    /// How many lines this one stands for; `None` for itself only.
    pub(super) repeated: Option<u64>,
    pub(super) mailbox: Option<&'a str>,
    /// A mailbox server says it, of one of its users.
    pub(super) is_filing: bool,
}

impl<'a> Facts<'a> {
    pub(super) fn read(
        header: &Header,
        pairs: impl Iterator<Item = (Key, Value<'a>)>,
    ) -> Facts<'a> {
        let mut facts = Facts {
            time_ns: header.time_ns,
            span: header.span,
            line: header.position.map_or(0, |position| position.line),
            is_filing: is_filing(header.kind),
            ..Facts::default()
        };
        for (key, value) in pairs {
            match value {
                Value::Str(text) => facts.put_text(key, text),
                Value::UInt(number) | Value::Duration(number) => facts.put_number(key, number),
                Value::Ipv4(_) | Value::Ipv6(_) if key == Key::REMOTE_IP => {
                    facts.remote_ip = value.as_ip()
                }
                // The reference's events carry a list; its first address stands for the line.
                Value::Array(mut items) if key == Key::TO && facts.to.is_none() => {
                    facts.to = items.next().and_then(|item| item.as_str());
                }
                _ => {}
            }
        }
        facts
    }

    fn put_text(&mut self, key: Key, text: &'a str) {
        let slot = match key {
            Key::MTA_QUEUE_ID => &mut self.mta_queue_id,
            Key::NODE => &mut self.host,
            Key::PROGRAM => &mut self.program,
            Key::COMMANDS => &mut self.commands,
            Key::MESSAGE_ID => &mut self.message_id,
            Key::FROM => &mut self.from,
            Key::TO => &mut self.to,
            Key::ORIGINAL_TO => &mut self.original_to,
            Key::RELAY => &mut self.relay,
            Key::HOSTNAME => &mut self.hostname,
            Key::ACCOUNT_NAME => &mut self.account,
            Key::SESSION => &mut self.session,
            Key::MAILBOX_NAME => &mut self.mailbox,
            Key::SOURCE => &mut self.source,
            Key::STAGE => &mut self.stage,
            Key::REASON => &mut self.reason,
            Key::DETAILS => &mut self.details,
            Key::DSN => &mut self.dsn,
            Key::DELAYS => &mut self.delays,
            Key::REMOTE_QUEUE_ID => &mut self.remote_queue_id,
            Key::CHILD_QUEUE_ID => &mut self.child_queue_id,
            Key::PARENT_QUEUE_ID => &mut self.parent_queue_id,
            Key::ORIGINAL_QUEUE_ID => &mut self.original_queue_id,
            _ => return,
        };
        slot.get_or_insert(text);
    }

    fn put_number(&mut self, key: Key, number: u64) {
        let slot = match key {
            Key::QUEUE_ID => &mut self.queue_id,
            Key::CODE => &mut self.code,
            Key::SIZE => &mut self.size,
            Key::TOTAL => &mut self.total,
            Key::ELAPSED => &mut self.elapsed_ms,
            Key::REPEATED => &mut self.repeated,
            _ => return,
        };
        slot.get_or_insert(number);
    }

    /// What the event decides for a recipient or a message, if anything.
    pub(super) fn verdict(&self, kind: EventType) -> Option<Verdict> {
        Some(match kind {
            EventType::DELIVERY_DELIVERED => match self.details {
                Some(reply) if is_thrown_away(reply.as_bytes()) => Verdict::Filtered,
                _ => Verdict::Delivered,
            },
            EventType::MESSAGE_INGEST_HAM
            | EventType::MESSAGE_INGEST_SPAM
            | EventType::MESSAGE_INGEST_STORED
            | EventType::SIEVE_ACTION_REDIRECT
            | EventType::DELIVERY_FORWARDED => Verdict::Delivered,
            EventType::QUEUE_RESCHEDULED => Verdict::Deferred,
            EventType::DELIVERY_FAILED => Verdict::Bounced,
            EventType::DELIVERY_EXPIRED => Verdict::Expired,
            EventType::DELIVERY_DISCARDED
            | EventType::MILTER_ACTION_DISCARD
            | EventType::SIEVE_ACTION_DISCARD
            | EventType::QUEUE_REMOVED_BY_OPERATOR => Verdict::Discarded,
            EventType::QUEUE_HELD | EventType::MILTER_ACTION_QUARANTINE => Verdict::Held,
            EventType::DELIVERY_FILTERED => Verdict::Filtered,
            EventType::SIEVE_ACTION_REJECT => Verdict::Rejected,
            // Without a reply it is an observation, such as a listed client, not a refusal.
            kind if may_refuse(kind) && (self.code.is_some() || self.dsn.is_some()) => {
                Verdict::Rejected
            }
            _ => return None,
        })
    }
}

/// Events of this type tell what a mailbox server did with a message for one of its users.
fn is_filing(kind: EventType) -> bool {
    matches!(
        kind,
        EventType::MESSAGE_INGEST_HAM
            | EventType::MESSAGE_INGEST_SPAM
            | EventType::MESSAGE_INGEST_STORED
            | EventType::SIEVE_ACTION_DISCARD
            | EventType::SIEVE_ACTION_REJECT
            | EventType::SIEVE_ACTION_REDIRECT
    )
}

/// Events of this type can be the refusal of a command.
pub(crate) fn may_refuse(kind: EventType) -> bool {
    matches!(
        kind,
        EventType::SMTP_RELAY_NOT_ALLOWED
            | EventType::SMTP_RCPT_TO_GREYLISTED
            | EventType::SMTP_MAILBOX_DOES_NOT_EXIST
            | EventType::SMTP_MAIL_FROM_NOT_ALLOWED
            | EventType::SMTP_MAIL_FROM_UNAUTHORIZED
            | EventType::SMTP_MAIL_FROM_UNAUTHENTICATED
            | EventType::SMTP_INVALID_SENDER_ADDRESS
            | EventType::SMTP_INVALID_RECIPIENT_ADDRESS
            | EventType::SMTP_INVALID_EHLO
            | EventType::SMTP_DID_NOT_SAY_EHLO
            | EventType::SMTP_MESSAGE_TOO_LARGE
            | EventType::SMTP_TOO_MANY_RECIPIENTS
            | EventType::SMTP_CONCURRENCY_LIMIT_EXCEEDED
            | EventType::SMTP_RATE_LIMIT_EXCEEDED
            | EventType::SMTP_LOOP_DETECTED
            | EventType::SMTP_AUTH_NOT_ALLOWED
            | EventType::SMTP_REJECTED
            | EventType::SMTP_DATA_REJECTED
            | EventType::SMTP_ERROR
            | EventType::SPAM_DNSBL
            | EventType::SECURITY_IP_BLOCKED
            | EventType::MILTER_ACTION_REJECT
            | EventType::MILTER_ACTION_TEMP_FAIL
    )
}

/// A Dovecot LMTP session id without the number of the recipient, and that number: `:R2`, `:2`
/// before 2.3.
pub(super) fn session_base(session: &str) -> (&str, u32) {
    let split = session.rsplit_once(':').and_then(|(base, suffix)| {
        let digits = suffix.strip_prefix('R').unwrap_or(suffix);
        Some((base, digits.parse().ok()?))
    });
    split.unwrap_or((session, 1))
}
