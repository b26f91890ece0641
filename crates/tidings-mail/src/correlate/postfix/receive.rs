//! How a message comes in: its first line, its Message-ID, and the rules that acted before.

use std::net::IpAddr;

use tidings_event::{EventType, Header, Key, RecordWriter, Records, stable_hash};

use super::{Ids, Step, peer, sender};
use crate::correlate::emit::Emit;
use crate::correlate::legs::{LegKey, Role};
use crate::correlate::rules::ClientOfProcess;
use crate::postfix::{Action, ClientOf, Peer};

impl Step<'_, '_> {
    pub(super) fn client(&mut self, emit: &mut Emit<'_, '_>, of: &ClientOf<'_>) {
        self.abandon_leg(emit, b"");
        let pid = emit.at().pid.unwrap_or(0);
        let time_ns = emit.at().time_ns;
        let user = if of.sasl_username.is_empty() {
            0
        } else {
            nonzero(stable_hash(&[of.sasl_username]))
        };
        let key = self.leg_key();
        let session = self.session_with(emit, of.client.ip);
        session.leg = key;
        let signed_in_now = user != 0 && session.user != user;
        session.user = user;
        let span = Some(session.span);
        let mta = self.id.unwrap_or_default();
        let queue_id = self.leg(emit, Role::Opens { pid }).map(|(_, leg)| {
            leg.opened.get_or_insert((time_ns, pid));
            leg.session = leg.session.or(span);
            leg.authenticated |= user != 0;
            leg.queue_id
        });
        let mut event = emit.event(EventType::SMTP_MAIL_FROM, span);
        Ids { queue_id, mta }.write(&mut event);
        peer(&mut event, &of.client);
        event
            .text_if(Key::AUTH_METHOD, of.sasl_method)
            .text_if(Key::ACCOUNT_NAME, of.sasl_username);
        event.text_if(Key::SENDER, of.sasl_sender);
        event
            .text_if(Key::ORIGINAL_QUEUE_ID, of.orig_queue_id)
            .text_if(Key::ORIGINAL_CLIENT, of.orig_client);
        event.finish();
        drop(event);
        self.apply_pending(emit, of.client.ip);
        if signed_in_now {
            let mut event = emit.event(EventType::AUTH_SUCCESS, span);
            peer(&mut event, &of.client);
            event
                .text(Key::ACCOUNT_NAME, of.sasl_username)
                .text_if(Key::AUTH_METHOD, of.sasl_method);
            event.finish();
        }
    }

    pub(super) fn pickup(
        &mut self,
        emit: &mut Emit<'_, '_>,
        uid: &[u8],
        from: Option<&[u8]>,
        orig_id: &[u8],
    ) {
        let (pid, time_ns) = (emit.at().pid.unwrap_or(0), emit.at().time_ns);
        let mta = self.id.unwrap_or_default();
        let queue_id = self.leg(emit, Role::Opens { pid }).map(|(_, leg)| {
            leg.opened.get_or_insert((time_ns, pid));
            leg.queue_id
        });
        let mut event = emit.event(EventType::SMTP_MAIL_FROM, None);
        Ids { queue_id, mta }.write(&mut event);
        if let Some(from) = from {
            event.text(Key::FROM, sender(from));
        }
        event.text_if(Key::UID, uid);
        event
            .str(Key::SOURCE, "local")
            .text_if(Key::ORIGINAL_QUEUE_ID, orig_id)
            .finish();
    }

    pub(super) fn message_id(&mut self, emit: &mut Emit<'_, '_>, id: &[u8], resent: bool) {
        let role = Role::Names {
            message: stable_hash(&[id]),
        };
        let mta = self.id.unwrap_or_default();
        let (mut span, mut queue_id) = (None, None);
        if let Some((_, leg)) = self.leg(emit, role) {
            if let Role::Names { message } = role {
                leg.message.get_or_insert(message);
            }
            span = leg.session.or(leg.attempt);
            queue_id = Some(leg.queue_id);
        }
        let mut event = emit.event(EventType::SMTP_MESSAGE_ID, span);
        Ids { queue_id, mta }.write(&mut event);
        event.text(Key::MESSAGE_ID, id);
        if resent {
            event.bool(Key::STRICT, false);
        }
        event.finish();
    }

    /// Rules that acted on this session before the message had a queue id hold for it.
    fn apply_pending(&mut self, emit: &mut Emit<'_, '_>, client: Option<IpAddr>) {
        let Some(key) = self.leg_key() else { return };
        let at = emit.at();
        let session = ClientOfProcess {
            host: self.host,
            pid: at.pid.unwrap_or(0),
            client,
        };
        for rule in self.state.rules.take(session, at.time_ns, key) {
            self.apply_rule(emit, &key, &rule);
        }
    }

    /// The client is in a transaction with this sender: what acted on another one's holds no longer.
    pub(super) fn note_sender(&mut self, emit: &Emit<'_, '_>, client: &Peer<'_>, from: &[u8]) {
        let at = emit.at();
        let session = ClientOfProcess {
            host: self.host,
            pid: at.pid.unwrap_or(0),
            client: client.ip,
        };
        let rules = &mut self.state.rules;
        rules.end_others(&session, sender(from), at.time_ns);
    }

    /// Keeps what a rule did until the session's next message has a queue id.
    pub(super) fn keep_pending(
        &mut self,
        emit: &mut Emit<'_, '_>,
        kind: EventType,
        action: &Action<'_>,
    ) {
        if !matches!(
            kind,
            EventType::QUEUE_HELD
                | EventType::DELIVERY_DISCARDED
                | EventType::QUEUE_MESSAGE_REDIRECTED
        ) {
            return;
        }
        let mut rule = Vec::new();
        let mut record = RecordWriter::begin(&mut rule, &Header::new(kind, emit.at().time_ns));
        record.text(Key::ACTION, action.action);
        if let Some(from) = action.from {
            record.text(Key::FROM, sender(from));
        }
        if let Some(to) = action.to {
            record.text(Key::TO, to);
        }
        record
            .text_if(Key::STAGE, action.stage)
            .text_if(Key::REASON, action.text)
            .finish();
        drop(record);
        let at = emit.at();
        let session = ClientOfProcess {
            host: self.host,
            pid: at.pid.unwrap_or(0),
            client: action.client.ip,
        };
        if let Some(key) = self.state.rules.keep(session, at.time_ns, rule.clone()) {
            self.apply_rule(emit, &key, &rule);
        }
    }

    /// The event of a rule, under the ids of the message that it holds for.
    fn apply_rule(&mut self, emit: &mut Emit<'_, '_>, key: &LegKey, rule: &[u8]) {
        let Some(leg) = self.state.legs.current(key) else {
            return;
        };
        let (queue_id, span) = (leg.queue_id, leg.session);
        for rule in Records::new(rule).flatten() {
            let mut event = emit.event(rule.kind(), span);
            Ids {
                queue_id: Some(queue_id),
                mta: key.id(),
            }
            .write(&mut event);
            event.pairs(rule.pairs()).finish();
        }
    }
}

fn nonzero(hash: u64) -> u64 {
    hash.max(1)
}
