//! The life of a queue id: attempts, notifications, the end, and what operators do.

use tidings_event::{EventType, Id, Key};

use super::{Ids, Step, sender};
use crate::correlate::emit::Emit;
use crate::correlate::legs::{LegKey, Role};
use crate::postfix::{Notice, Operator};

impl Step<'_, '_> {
    pub(super) fn queue_active(
        &mut self,
        emit: &mut Emit<'_, '_>,
        from: &[u8],
        size: u64,
        recipients: u64,
    ) {
        let Some(key) = self.leg_key() else { return };
        let time_ns = emit.at().time_ns;
        let new_span = self.state.spans.fresh(emit.at());
        let mta = self.id.unwrap_or_default();
        let leg = self.leg_of(emit, key, Role::Activates);
        let before =
            (leg.attempt_open && leg.queued).then_some((leg.attempt, leg.attempt_start_ns));
        let first = !leg.queued;
        let first_kind = if leg.authenticated {
            EventType::QUEUE_AUTHENTICATED_MESSAGE_QUEUED
        } else if leg.notice {
            EventType::QUEUE_DSN_QUEUED
        } else {
            EventType::QUEUE_MESSAGE_QUEUED
        };
        leg.queued = true;
        leg.attempt = Some(new_span);
        leg.attempt_start_ns = time_ns;
        leg.attempt_open = true;
        let ids = Ids {
            queue_id: Some(leg.queue_id),
            mta,
        };
        let received_in = leg.session;
        if let Some((span, start_ns)) = before {
            attempt_end(emit, span, start_ns, &ids);
        }
        if first {
            let mut event = emit.event(first_kind, received_in.or(Some(new_span)));
            ids.write(&mut event);
            event
                .text(Key::FROM, sender(from))
                .uint(Key::SIZE, size)
                .uint(Key::TOTAL, recipients)
                .finish();
        }
        let mut event = emit.event(EventType::DELIVERY_ATTEMPT_START, Some(new_span));
        ids.write(&mut event);
        event
            .text(Key::FROM, sender(from))
            .uint(Key::SIZE, size)
            .uint(Key::TOTAL, recipients)
            .finish();
    }

    pub(super) fn removed(&mut self, emit: &mut Emit<'_, '_>) {
        let Some(key) = self.leg_key() else { return };
        let time_ns = emit.at().time_ns;
        let mta = self.id.unwrap_or_default();
        let leg = self.leg_of(emit, key, Role::Removes);
        let again = leg.removed_ns.is_some();
        leg.removed_ns.get_or_insert(time_ns);
        let attempt = leg
            .attempt_open
            .then_some((leg.attempt, leg.attempt_start_ns));
        leg.attempt_open = false;
        let span = leg.attempt.or(leg.session);
        let elapsed_ms = u64::try_from((time_ns - leg.first_ns) / 1_000_000).unwrap_or(0);
        let ids = Ids {
            queue_id: Some(leg.queue_id),
            mta,
        };
        if !again {
            let queue_id = leg.queue_id;
            self.state.legs.close(key, queue_id, time_ns);
        }
        let mut event = emit.event(EventType::DELIVERY_COMPLETED, span);
        ids.write(&mut event);
        event.duration_ms(Key::ELAPSED, elapsed_ms).finish();
        drop(event);
        if let Some((span, start_ns)) = attempt {
            attempt_end(emit, span, start_ns, &ids);
        }
    }

    pub(super) fn expired(&mut self, emit: &mut Emit<'_, '_>, from: &[u8], forced: bool) {
        let (span, ids) = self.ids(emit, Role::Continues);
        let mut event = emit.event(EventType::DELIVERY_EXPIRED, span);
        ids.write(&mut event);
        event.text(Key::FROM, sender(from));
        event
            .str(
                Key::STATUS,
                if forced { "force-expired" } else { "expired" },
            )
            .finish();
    }

    pub(super) fn notification(&mut self, emit: &mut Emit<'_, '_>, kind: Notice, child: &[u8]) {
        let (span, ids) = self.ids(emit, Role::Continues);
        let event_type = match kind {
            Notice::NonDelivery => EventType::DELIVERY_DSN_PERM_FAIL,
            Notice::Delay => EventType::DELIVERY_DSN_TEMP_FAIL,
            Notice::Success => EventType::DELIVERY_DSN_SUCCESS,
            Notice::Postmaster => EventType::DELIVERY_DOUBLE_BOUNCE,
        };
        let mut event = emit.event(event_type, span);
        ids.write(&mut event);
        event.text(Key::CHILD_QUEUE_ID, child).finish();
        drop(event);
        self.derive(emit, child, true);
    }

    /// A message was made from this one under another queue id. The event says so under the
    /// child's ids, so that both ends of the link can be found.
    pub(super) fn derive(&mut self, emit: &mut Emit<'_, '_>, child: &[u8], notice: bool) {
        let Some(key) = LegKey::new(self.host, child) else {
            return;
        };
        let leg = self.leg_of(emit, key, Role::Derives);
        leg.notice |= notice;
        let ids = Ids {
            queue_id: Some(leg.queue_id),
            mta: child,
        };
        let span = leg.attempt.or(leg.session);
        let kind = if notice {
            EventType::QUEUE_DSN_QUEUED
        } else {
            EventType::QUEUE_AUTOGENERATED_QUEUED
        };
        let mut event = emit.event(kind, span);
        ids.write(&mut event);
        event
            .text_if(Key::PARENT_QUEUE_ID, self.id.unwrap_or_default())
            .finish();
    }

    pub(super) fn operator(&mut self, emit: &mut Emit<'_, '_>, what: Operator) {
        let (span, ids) = self.ids(emit, Role::Continues);
        let kind = match what {
            Operator::Hold => EventType::QUEUE_HELD,
            Operator::Release => EventType::QUEUE_RELEASED,
            Operator::Requeue => EventType::QUEUE_REQUEUED,
            Operator::Remove => EventType::QUEUE_REMOVED_BY_OPERATOR,
            Operator::Expire => EventType::DELIVERY_EXPIRED,
        };
        let mut event = emit.event(kind, span);
        ids.write(&mut event);
        event.finish();
    }

    /// cleanup or smtpd threw the message away before it was in the queue.
    pub(super) fn dropped(&mut self, emit: &mut Emit<'_, '_>, reason: &[u8]) {
        let (span, ids) = self.ids(emit, Role::Continues);
        let kind = if reason == b"discarded" {
            EventType::DELIVERY_DISCARDED
        } else {
            EventType::SMTP_TRANSACTION_ABORTED
        };
        let mut event = emit.event(kind, span);
        ids.write(&mut event);
        event.text(Key::REASON, reason).finish();
    }
}

fn attempt_end(emit: &mut Emit<'_, '_>, span: Option<Id>, start_ns: i64, ids: &Ids<'_>) {
    let elapsed_ms = u64::try_from((emit.at().time_ns - start_ns) / 1_000_000).unwrap_or(0);
    let mut event = emit.event(EventType::DELIVERY_ATTEMPT_END, span);
    ids.write(&mut event);
    event.duration_ms(Key::ELAPSED, elapsed_ms).finish();
}
