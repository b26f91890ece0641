//! Commands and messages refused, and what access rules and milters did.

use tidings_event::{Draft, EventType, Key};

use super::{Step, peer, rejection, sender};
use crate::correlate::emit::Emit;
use crate::correlate::legs::Role;
use crate::postfix::{Action, Peer, Reject, RejectBy};

/// What smtpd and cleanup remark of a message whose content is too large.
pub(super) const TOO_LARGE: &[u8] = b"queue file size limit exceeded";

impl Step<'_, '_> {
    pub(super) fn reject(&mut self, emit: &mut Emit<'_, '_>, reject: &Reject<'_>) {
        if let Some(from) = reject.from {
            self.note_sender(emit, &reject.client, from);
        }
        let (leg_span, ids) = self.ids(emit, Role::Continues);
        self.note_answered(emit, &reject.client);
        let span = leg_span
            .or_else(|| self.session_of(emit, &reject.client))
            .or_else(|| Some(self.session_with(emit, reject.client.ip).span));
        // `proxy-reject` names no client: it is the session's.
        let client = match (reject.client.ip, leg_span) {
            (None, None) => Peer {
                ip: self.session_with(emit, None).client,
                ..reject.client
            },
            _ => reject.client,
        };
        let kind = match reject.by {
            RejectBy::Warning => EventType::SMTP_CONTENT_ACTION,
            _ => rejection::event_of(reject),
        };
        let mut event = emit.event(kind, span);
        ids.write(&mut event);
        if reject.by == RejectBy::Warning {
            event.str(Key::ACTION, "reject_warning");
        }
        refused_envelope(&mut event, &client, reject.from, reject.to);
        event.text_if(Key::STAGE, reject.stage);
        // Postscreen does not log the 421 with which it turns a client away at once.
        let code = match (reject.code, reject.by, reject.stage) {
            (0, RejectBy::Server, b"CONNECT") => 421,
            (code, ..) => code,
        };
        if code != 0 {
            event.uint(Key::CODE, u64::from(code));
        }
        event
            .text_if(Key::DSN, reject.dsn)
            .text_if(Key::DETAILS, reject.subject);
        event
            .text_if(Key::REASON, reject.text)
            .text_if(Key::PROTOCOL, reject.proto);
        event
            .text_if(Key::HELO, reject.helo)
            .text_if(Key::ACCOUNT_NAME, reject.sasl_username);
        event.finish();
    }

    pub(super) fn action(&mut self, emit: &mut Emit<'_, '_>, action: &Action<'_>) {
        if let Some(from) = action.from {
            self.note_sender(emit, &action.client, from);
        }
        let (leg_span, ids) = self.ids(emit, Role::Continues);
        let span = leg_span.or_else(|| Some(self.session_with(emit, action.client.ip).span));
        let kind = match action.action {
            b"hold" => EventType::QUEUE_HELD,
            b"discard" => EventType::DELIVERY_DISCARDED,
            b"redirect" => EventType::QUEUE_MESSAGE_REDIRECTED,
            b"milter-hold" | b"milter-quarantine" => EventType::MILTER_ACTION_QUARANTINE,
            b"milter-discard" => EventType::MILTER_ACTION_DISCARD,
            _ => EventType::SMTP_CONTENT_ACTION,
        };
        let mut event = emit.event(kind, span);
        ids.write(&mut event);
        event.text(Key::ACTION, action.action);
        refused_envelope(&mut event, &action.client, action.from, action.to);
        event
            .text_if(Key::STAGE, action.stage)
            .text_if(Key::DETAILS, action.subject);
        event
            .text_if(Key::REASON, action.text)
            .text_if(Key::PROTOCOL, action.proto);
        event.text_if(Key::HELO, action.helo).finish();
        drop(event);
        if self.id.is_none() {
            self.keep_pending(emit, kind, action);
        }
    }

    /// The content was larger than allowed, as only its end told: smtpd answers 552, which it does not
    /// log.
    pub(super) fn too_large(&mut self, emit: &mut Emit<'_, '_>, text: &[u8]) {
        let (span, ids) = self.ids(emit, Role::Continues);
        let mut event = emit.event(EventType::SMTP_MESSAGE_TOO_LARGE, span);
        ids.write(&mut event);
        event
            .str(Key::STAGE, "DATA")
            .uint(Key::CODE, 552)
            .str(Key::DSN, "5.3.4")
            .text(Key::REASON, text)
            .finish();
    }

    /// A milter that does not answer.
    pub(super) fn milter_trouble(&mut self, emit: &mut Emit<'_, '_>, milter: &[u8], reason: &[u8]) {
        let (span, ids) = self.ids(emit, Role::Continues);
        let mut event = emit.event(EventType::MILTER_WARNING, span);
        ids.write(&mut event);
        event
            .text_if(Key::SOURCE, milter)
            .text(Key::REASON, reason)
            .finish();
    }
}

fn refused_envelope(
    event: &mut Draft<'_>,
    client: &Peer<'_>,
    from: Option<&[u8]>,
    to: Option<&[u8]>,
) {
    peer(event, client);
    if let Some(from) = from {
        event.text(Key::FROM, sender(from));
    }
    if let Some(to) = to {
        event.text(Key::TO, to);
    }
}
