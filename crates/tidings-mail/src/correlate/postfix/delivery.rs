//! Deliveries and what next servers said.

use tidings_event::{Draft, EventType, Key};

use super::{Step, ip_if, millis, peer, reply};
use crate::correlate::emit::Emit;
use crate::correlate::legs::Role;
use crate::postfix::{Delivery, Says, Status};

impl Step<'_, '_> {
    pub(super) fn delivery(&mut self, emit: &mut Emit<'_, '_>, delivery: &Delivery<'_>) {
        let (span, ids) = self.ids(emit, Role::Continues);
        let service = emit.at().service;
        let (code, reply_dsn) = reply::codes(delivery.text);
        let dsn = if delivery.dsn.is_empty() {
            reply_dsn
        } else {
            delivery.dsn
        };
        let (detail, verdict) = delivery_events(service, delivery, code);
        for kind in [detail, verdict].into_iter().flatten() {
            let mut event = emit.event(kind, span);
            ids.write(&mut event);
            event
                .text(Key::TO, delivery.to)
                .text_if(Key::ORIGINAL_TO, delivery.orig_to);
            event
                .text_if(Key::RELAY, delivery.relay)
                .text_if(Key::HOSTNAME, delivery.relay_host);
            ip_if(&mut event, delivery.relay_ip);
            if let Some(millis) = millis(delivery.delay) {
                event.duration_ms(Key::ELAPSED, millis);
            }
            event
                .text_if(Key::DELAYS, delivery.delays)
                .text_if(Key::DSN, dsn);
            if code != 0 {
                event.uint(Key::CODE, u64::from(code));
            }
            outcome(&mut event, delivery);
            event.finish();
        }
        if let Some(child) = forwarded_as(delivery) {
            self.derive(emit, child, false);
        }
    }

    pub(super) fn aside(&mut self, emit: &mut Emit<'_, '_>, says: &Says<'_>) {
        let (span, ids) = self.ids(emit, Role::Continues);
        let (kind, host, reason, stage) = match says {
            Says::HostSaid {
                host,
                refused: true,
                reply,
                ..
            } => (
                EventType::DELIVERY_GREETING_FAILED,
                host,
                *reply,
                b"".as_slice(),
            ),
            Says::HostSaid {
                host, reply, stage, ..
            } => (
                refused_at(stage, reply::codes(reply).0 / 100 == 4),
                host,
                *reply,
                *stage,
            ),
            Says::ConnectFailed { host, reason } => (
                EventType::DELIVERY_CONNECT_ERROR,
                host,
                *reason,
                b"connect".as_slice(),
            ),
            Says::ConversationLost {
                host,
                timed_out,
                stage,
            } => {
                let reason: &[u8] = if *timed_out {
                    b"timed out"
                } else {
                    b"lost connection"
                };
                (EventType::DELIVERY_CONNECTION_LOST, host, reason, *stage)
            }
            _ => return,
        };
        let (code, dsn) = reply::codes(reason);
        let mut event = emit.event(kind, span);
        ids.write(&mut event);
        peer(&mut event, host);
        if code != 0 {
            event.uint(Key::CODE, u64::from(code));
        }
        event
            .text_if(Key::DSN, dsn)
            .text_if(Key::STAGE, stage)
            .text_if(Key::REASON, reason)
            .finish();
    }
}

/// The events of a delivery line: the step that failed, where one did, and what it means.
fn delivery_events(
    service: &[u8],
    delivery: &Delivery<'_>,
    code: u16,
) -> (Option<EventType>, Option<EventType>) {
    match delivery.status {
        // No other agent sends without a relay; its name is lost where a syslog daemon cuts tags.
        Status::Sent if service == b"discard" || delivery.relay == b"none" => {
            (None, Some(EventType::DELIVERY_DISCARDED))
        }
        Status::Sent if forwarded_as(delivery).is_some() => {
            (None, Some(EventType::DELIVERY_FORWARDED))
        }
        Status::Sent => (None, Some(EventType::DELIVERY_DELIVERED)),
        Status::Deferred => (
            Some(failed_step(delivery.text, true, code)),
            Some(EventType::QUEUE_RESCHEDULED),
        ),
        Status::Bounced => (
            Some(failed_step(delivery.text, false, code)),
            Some(EventType::DELIVERY_FAILED),
        ),
        Status::Expired => (None, Some(EventType::DELIVERY_EXPIRED)),
        Status::Deliverable | Status::Undeliverable => (None, Some(EventType::DELIVERY_PROBE)),
        Status::Other => (None, Some(EventType::DELIVERY_FILTERED)),
    }
}

/// At which step a delivery failed, from the text that Postfix wrote around the reply.
fn failed_step(text: &[u8], temporary: bool, code: u16) -> EventType {
    const REPLY: &[u8] = b"(in reply to ";
    const SUSPENDED: &[u8] = b"delivery temporarily suspended: ";
    // What stopped an earlier message on its way to the same host.
    let text = text.strip_prefix(SUSPENDED).unwrap_or(text);
    if let Some(at) = memchr::memmem::rfind(text, REPLY) {
        let stage = &text[at + REPLY.len()..];
        let stage = stage.strip_suffix(b")").unwrap_or(stage);
        return refused_at(stage.strip_suffix(b" command").unwrap_or(stage), temporary);
    }
    let has = |needle: &str| memchr::memmem::find(text, needle.as_bytes()).is_some();
    if has(" refused to talk to me") || has("while receiving the initial server greeting") {
        EventType::DELIVERY_GREETING_FAILED
    } else if has("nullMX") {
        EventType::DELIVERY_NULL_MX
    } else if has("Host or domain name not found")
        || has("Name service error")
        || text.starts_with(b"unable to look up host ")
    {
        EventType::DELIVERY_MX_LOOKUP_FAILED
    } else if has("TLS is required") {
        EventType::DELIVERY_START_TLS_UNAVAILABLE
    } else if has("Server certificate not") || has("Cannot start TLS") {
        EventType::DELIVERY_START_TLS_ERROR
    } else if has("SASL authentication failed") {
        EventType::DELIVERY_AUTH_FAILED
    } else if text.starts_with(b"connect to ")
        // No process of the transport took the message: of `lmtp:unix:…`, or one that fails.
        || matches!(text, b"mail transport unavailable" | b"unknown mail transport error")
    {
        EventType::DELIVERY_CONNECT_ERROR
    } else if text.starts_with(b"lost connection with ") || text.starts_with(b"conversation with ")
    {
        EventType::DELIVERY_CONNECTION_LOST
    } else if temporary || code / 100 == 4 {
        EventType::DELIVERY_RCPT_TO_FAILED
    } else {
        EventType::DELIVERY_BOUNCED
    }
}

/// The event for a reply of the next server that refused this command.
fn refused_at(stage: &[u8], temporary: bool) -> EventType {
    match stage {
        b"MAIL FROM" => EventType::DELIVERY_MAIL_FROM_REJECTED,
        b"DATA" | b"end of DATA" | b"BDAT" | b"end of BDAT" => EventType::DELIVERY_MESSAGE_REJECTED,
        b"EHLO" | b"HELO" | b"LHLO" => EventType::DELIVERY_EHLO_REJECTED,
        b"STARTTLS" => EventType::DELIVERY_START_TLS_UNAVAILABLE,
        b"AUTH" => EventType::DELIVERY_AUTH_FAILED,
        stage if stage.starts_with(b"SASL ") => EventType::DELIVERY_AUTH_FAILED,
        _ if temporary => EventType::DELIVERY_RCPT_TO_FAILED,
        _ => EventType::DELIVERY_RCPT_TO_REJECTED,
    }
}

/// What a delivery line says of the outcome: the reply, the next id, the status word.
fn outcome(event: &mut Draft<'_>, delivery: &Delivery<'_>) {
    match delivery.status {
        Status::Sent => {
            event.text_if(Key::DETAILS, delivery.text);
            if let Some(child) = forwarded_as(delivery) {
                event.text(Key::CHILD_QUEUE_ID, child);
            } else if let Some(id) = reply::remote_queue_id(delivery.text) {
                event.text(Key::REMOTE_QUEUE_ID, id);
            }
        }
        Status::Deliverable | Status::Undeliverable | Status::Other => {
            event
                .text(Key::STATUS, delivery.status_word)
                .text_if(Key::DETAILS, delivery.text);
        }
        Status::Deferred | Status::Bounced | Status::Expired => {
            event.text_if(Key::REASON, delivery.text);
        }
    }
}

/// The queue id that `local` gave a forwarded message: `forwarded as QID`. From any other agent it
/// would be the word of a stranger.
fn forwarded_as<'a>(delivery: &Delivery<'a>) -> Option<&'a [u8]> {
    let id = delivery.text.strip_prefix(b"forwarded as ")?;
    if delivery.relay != b"local" {
        return None;
    }
    (id.len() >= 6 && id.iter().all(u8::is_ascii_alphanumeric)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stopped_an_earlier_message_has_its_step() {
        for (text, kind) in [
            (
                "connect to mx[192.0.2.1]:25: Connection refused",
                EventType::DELIVERY_CONNECT_ERROR,
            ),
            (
                "delivery temporarily suspended: connect to mx[192.0.2.1]:25: Connection refused",
                EventType::DELIVERY_CONNECT_ERROR,
            ),
            (
                "delivery temporarily suspended: lost connection with mx[192.0.2.1] while sending RCPT TO",
                EventType::DELIVERY_CONNECTION_LOST,
            ),
            (
                "delivery temporarily suspended: host mx[192.0.2.1] refused to talk to me: 421 busy",
                EventType::DELIVERY_GREETING_FAILED,
            ),
            (
                "mail transport unavailable",
                EventType::DELIVERY_CONNECT_ERROR,
            ),
            (
                "delivery temporarily suspended: unknown mail transport error",
                EventType::DELIVERY_CONNECT_ERROR,
            ),
            (
                "unable to look up host relay.local: Name or service not known",
                EventType::DELIVERY_MX_LOOKUP_FAILED,
            ),
            (
                "host mx[192.0.2.1] said: 450 4.2.0 unable to look up host x (in reply to RCPT TO command)",
                EventType::DELIVERY_RCPT_TO_FAILED,
            ),
            ("temporary failure", EventType::DELIVERY_RCPT_TO_FAILED),
        ] {
            assert_eq!(failed_step(text.as_bytes(), true, 0), kind, "{text}");
        }
    }
}
