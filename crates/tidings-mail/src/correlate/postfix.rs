//! Postfix statements to events: sessions of smtpd and postscreen, the life of a queue id.

use std::net::IpAddr;

use tidings_event::{EventType, Header, Id, Key, RecordWriter, Records, stable_hash};

use super::emit::Emit;
use super::legs::{Leg, LegKey, Role};
use super::rejection;
use super::reply;
use super::rules::ClientOfProcess;
use super::sessions::{Session, SessionKey, new_session};
use super::{Correlator, DISORDER_NS, Lookup, long_queue_id, short_queue_id};
use crate::postfix::{
    Action, ClientOf, Delivery, Line, Lost, Notice, Operator, Peer, Reject, RejectBy, Says,
    Severity, Status,
};

/// Takes one statement and writes its events.
pub(super) fn step(
    state: &mut Correlator,
    lookup: &dyn Lookup,
    line: &Line<'_>,
    emit: &mut Emit<'_, '_>,
) {
    let host = state.names.number(emit.at().host);
    let mut step = Step {
        state,
        lookup,
        host,
        id: line.queue_id,
    };
    match &line.says {
        Says::Connect { client } => step.connect(emit, client),
        Says::Disconnect { client, commands } => step.disconnect(emit, client, commands),
        Says::SessionLost { how, stage, client } => step.session_lost(emit, *how, stage, client),
        Says::ProtocolViolation {
            what,
            stage,
            client,
            data,
        } => {
            let span = step.session_of(client);
            let mut event = emit.event(EventType::SMTP_PROTOCOL_VIOLATION, span);
            peer(&mut event, client);
            event
                .text(Key::REASON, what)
                .text_if(Key::STAGE, stage)
                .text_if(Key::CONTENTS, data)
                .finish();
        }
        Says::TlsEstablished { .. } | Says::TlsError { .. } | Says::TlsNote { .. } => {
            step.tls(emit, &line.says)
        }
        Says::HostnameMismatch {
            hostname,
            ip,
            reason,
        } => {
            let span = step.session_of_process(emit);
            let mut event = emit.event(EventType::IPREV_FAIL, span);
            event.text(Key::HOSTNAME, hostname);
            ip_if(&mut event, *ip).text_if(Key::REASON, reason).finish();
        }
        Says::SaslFailed {
            client,
            method,
            reason,
            user,
            aborted,
        } => {
            let span = step
                .session_of(client)
                .or_else(|| step.session_of_process(emit));
            let lost =
                memchr::memmem::find(reason, b"Connection lost to authentication server").is_some();
            let kind = match (lost, aborted) {
                (true, _) => EventType::AUTH_ERROR,
                (_, true) => EventType::AUTH_ABORTED,
                _ => EventType::AUTH_FAILED,
            };
            let mut event = emit.event(kind, span);
            peer(&mut event, client);
            event
                .text_if(Key::ACCOUNT_NAME, user)
                .text_if(Key::AUTH_METHOD, method);
            event.text_if(Key::REASON, reason).finish();
        }
        Says::LimitExceeded {
            what,
            count,
            client,
            service,
        } => {
            let span = step.session_of_process(emit);
            let concurrency = memchr::memmem::find(what, b"concurrency").is_some();
            let kind = if concurrency || what.starts_with(b"Too many") {
                EventType::SMTP_CONCURRENCY_LIMIT_EXCEEDED
            } else {
                EventType::SMTP_RATE_LIMIT_EXCEEDED
            };
            let mut event = emit.event(kind, span);
            peer(&mut event, client);
            event
                .text(Key::REASON, what)
                .uint(Key::TOTAL, *count)
                .text_if(Key::LISTENER_ID, service)
                .finish();
        }
        Says::Client(client) => step.client(emit, client),
        Says::Reject(reject) => step.reject(emit, reject),
        Says::Action(action) => step.action(emit, action),
        Says::ScreenConnect { .. }
        | Says::ScreenVerdict { .. }
        | Says::ScreenDnsbl { .. }
        | Says::ScreenHangup { .. }
        | Says::ScreenDisconnect { .. }
        | Says::DnsblListed { .. } => step.screen(emit, &line.says),
        Says::Pickup { uid, from, orig_id } => step.pickup(emit, uid, from, orig_id),
        Says::MessageId { id, resent } => step.message_id(emit, id, *resent),
        Says::QueueActive {
            from,
            size,
            recipients,
        } => step.queue_active(emit, from, *size, *recipients),
        Says::Delivery(delivery) => step.delivery(emit, delivery),
        Says::Expired { from, forced } => step.expired(emit, from, *forced),
        Says::HostSaid { .. } | Says::ConnectFailed { .. } | Says::ConversationLost { .. } => {
            step.aside(emit, &line.says);
        }
        Says::Notification { kind, child } => step.notification(emit, *kind, child),
        Says::Removed => step.removed(emit),
        Says::Dropped { reason } => {
            let (span, ids) = step.ids(emit, Role::Continues);
            let discarded = *reason == b"discarded";
            let kind = if discarded {
                EventType::DELIVERY_DISCARDED
            } else {
                EventType::SMTP_TRANSACTION_ABORTED
            };
            let mut event = emit.event(kind, span);
            ids.write(&mut event);
            event.text(Key::REASON, reason).finish();
        }
        Says::Operator { what } => step.operator(emit, *what),
        Says::MilterTrouble { milter, reason } => {
            let (span, ids) = step.ids(emit, Role::Continues);
            let mut event = emit.event(EventType::MILTER_WARNING, span);
            ids.write(&mut event);
            event
                .text_if(Key::SOURCE, milter)
                .text(Key::REASON, reason)
                .finish();
        }
        Says::Started { .. }
        | Says::Stopped { .. }
        | Says::Reloaded { .. }
        | Says::Statistics { .. } => {
            server(emit, &line.says);
        }
        Says::Note { text } => step.note(emit, EventType::SERVER_NOTICE, text),
        Says::Trouble { severity, text } => {
            let kind = match severity {
                Severity::Info => EventType::SERVER_NOTICE,
                Severity::Warning => EventType::SERVER_WARNING,
                Severity::Error | Severity::Fatal | Severity::Panic => EventType::SERVER_ERROR,
            };
            step.note(emit, kind, text);
        }
        Says::Unrecognised => emit
            .event(EventType::SOURCE_LINE_UNRECOGNISED, None)
            .finish(),
    }
}

/// One line being worked on.
struct Step<'s, 'l> {
    state: &'s mut Correlator,
    lookup: &'s dyn Lookup,
    host: u16,
    id: Option<&'l [u8]>,
}

/// The ids that events of a message carry.
struct Ids<'l> {
    queue_id: Option<u64>,
    mta: &'l [u8],
}

impl Ids<'_> {
    fn write(&self, event: &mut RecordWriter<'_>) {
        if let Some(queue_id) = self.queue_id {
            event.uint(Key::QUEUE_ID, queue_id);
        }
        event.text_if(Key::MTA_QUEUE_ID, self.mta);
    }
}

impl<'l> Step<'_, 'l> {
    // --- sessions ---

    fn process_key(&self, emit: &Emit<'_, '_>) -> Option<SessionKey> {
        Some(SessionKey::Process {
            host: self.host,
            pid: emit.at().pid?,
        })
    }

    fn endpoint_key(&self, client: &Peer<'_>) -> Option<SessionKey> {
        let (ip, port) = (client.ip?, client.port?);
        let hash = stable_hash(&[ip.to_string().as_bytes(), &port.to_le_bytes()]);
        Some(SessionKey::Hash {
            host: self.host,
            hash,
        })
    }

    /// The postscreen session of this client, if one is known.
    fn session_of(&mut self, client: &Peer<'_>) -> Option<Id> {
        let key = self.endpoint_key(client)?;
        self.state
            .sessions
            .get_mut(&key)
            .map(|session| session.span)
    }

    /// The session that this process is in, if one is known.
    fn session_of_process(&mut self, emit: &Emit<'_, '_>) -> Option<Id> {
        let key = self.process_key(emit)?;
        self.state
            .sessions
            .get_mut(&key)
            .map(|session| session.span)
    }

    /// The session that this process is in with this client. A line that comes before its
    /// `connect`, or whose `connect` is not in the log, opens the session.
    fn session_with(&mut self, emit: &Emit<'_, '_>, ip: Option<IpAddr>) -> Option<&mut Session> {
        let key = self.process_key(emit)?;
        let time_ns = emit.at().time_ns;
        let known = self.state.sessions.get_mut(&key).is_some_and(|session| {
            let late = session.closed && time_ns > session.last_ns + DISORDER_NS;
            session.client == ip && !late
        });
        if !known {
            self.state.sessions.open(
                key,
                new_session(self.state.spans.fresh(emit.at()), time_ns, ip, true),
            );
        }
        let session = self.state.sessions.get_mut(&key)?;
        session.last_ns = session.last_ns.max(time_ns);
        Some(session)
    }

    fn connect(&mut self, emit: &mut Emit<'_, '_>, client: &Peer<'_>) {
        let time_ns = emit.at().time_ns;
        let mut span = self.state.spans.fresh(emit.at());
        if let Some(key) = self.process_key(emit) {
            let adopted = self.state.sessions.get_mut(&key).filter(|session| {
                session.implicit
                    && session.client == client.ip
                    && (time_ns - session.start_ns).abs() <= DISORDER_NS
            });
            match adopted {
                Some(session) => {
                    session.implicit = false;
                    span = session.span;
                }
                None => {
                    self.state
                        .sessions
                        .open(key, new_session(span, time_ns, client.ip, false));
                }
            }
        }
        let at = emit.at();
        let mut event = emit.event(EventType::SMTP_CONNECTION_START, Some(span));
        event.text_if(Key::LISTENER_ID, at.listener);
        peer(&mut event, client);
        event.finish();
    }

    fn disconnect(&mut self, emit: &mut Emit<'_, '_>, client: &Peer<'_>, commands: &[u8]) {
        let time_ns = emit.at().time_ns;
        let mut span = None;
        let mut elapsed_ms = None;
        if let Some(session) = self.session_with(emit, client.ip) {
            session.closed = true;
            span = Some(session.span);
            if !session.implicit {
                elapsed_ms = u64::try_from((time_ns - session.start_ns) / 1_000_000).ok();
            }
        }
        let at = emit.at();
        let mut event = emit.event(EventType::SMTP_CONNECTION_END, span);
        event.text_if(Key::LISTENER_ID, at.listener);
        peer(&mut event, client);
        if let Some(elapsed_ms) = elapsed_ms {
            event.duration_ms(Key::ELAPSED, elapsed_ms);
        }
        event.text_if(Key::COMMANDS, commands).finish();
        drop(event);
        self.abandon_leg(emit);
    }

    fn session_lost(
        &mut self,
        emit: &mut Emit<'_, '_>,
        how: Lost,
        stage: &[u8],
        client: &Peer<'_>,
    ) {
        let span = self.session_with(emit, client.ip).map(|session| {
            session.lost = true;
            session.span
        });
        let kind = match how {
            Lost::Connection => EventType::NETWORK_CLOSED,
            Lost::Timeout => EventType::NETWORK_TIMEOUT,
            Lost::TooManyErrors => EventType::SMTP_ERROR,
        };
        let mut event = emit.event(kind, span);
        peer(&mut event, client);
        event.text_if(Key::STAGE, stage).finish();
    }

    /// The message that the session was receiving did not make it into the queue: its client
    /// went away or started over.
    fn abandon_leg(&mut self, emit: &mut Emit<'_, '_>) {
        let Some(key) = self.process_key(emit) else {
            return;
        };
        let Some(session) = self.state.sessions.get_mut(&key) else {
            return;
        };
        let (span, lost, leg_key) = (session.span, session.lost, session.leg.take());
        let Some(leg_key) = leg_key else { return };
        let Some(leg) = self.state.legs.current(&leg_key) else {
            return;
        };
        let unfinished = !leg.queued && leg.removed_ns.is_none() && (leg.message.is_none() || lost);
        if !unfinished {
            return;
        }
        let ids = Ids {
            queue_id: Some(leg.queue_id),
            mta: leg_key.id(),
        };
        let mut event = emit.event(EventType::SMTP_TRANSACTION_ABORTED, Some(span));
        ids.write(&mut event);
        event.finish();
    }

    fn tls(&mut self, emit: &mut Emit<'_, '_>, says: &Says<'_>) {
        let (span, ids) = self.ids(emit, Role::Continues);
        let span = span.or_else(|| self.session_of_process(emit));
        match says {
            Says::TlsEstablished {
                inbound,
                trust,
                peer: other,
                version,
                cipher,
            } => {
                let kind = if *inbound {
                    EventType::SMTP_START_TLS
                } else {
                    EventType::DELIVERY_START_TLS
                };
                let span = if *inbound {
                    self.session_of(other).or(span)
                } else {
                    span
                };
                let mut event = emit.event(kind, span);
                ids.write(&mut event);
                peer(&mut event, other);
                event
                    .text_if(Key::VERSION, version)
                    .text_if(Key::CIPHER, cipher);
                event.text_if(Key::DETAILS, trust).finish();
            }
            Says::TlsError {
                inbound,
                peer: other,
                reason,
            } => {
                let kind = if *inbound {
                    EventType::TLS_HANDSHAKE_ERROR
                } else {
                    EventType::DELIVERY_START_TLS_ERROR
                };
                let mut event = emit.event(kind, span);
                ids.write(&mut event);
                if let Some(other) = other {
                    peer(&mut event, other);
                }
                event.text_if(Key::REASON, reason).finish();
            }
            Says::TlsNote { text, .. } => self.note(emit, EventType::SERVER_NOTICE, text),
            _ => {}
        }
    }

    // --- a message's life ---

    fn leg_key(&self) -> Option<LegKey> {
        LegKey::new(self.host, self.id?)
    }

    /// The leg that the line's queue id means, for a line with this role.
    fn leg(&mut self, emit: &Emit<'_, '_>, role: Role) -> Option<(LegKey, &mut Leg)> {
        let key = self.leg_key()?;
        Some((key, self.leg_of(emit, key, role)))
    }

    fn leg_of(&mut self, emit: &Emit<'_, '_>, key: LegKey, role: Role) -> &mut Leg {
        let at = emit.at();
        let lookup = self.lookup;
        self.state.legs.find(key, role, at.time_ns, || {
            if key.is_long() {
                return long_queue_id(at.host, key.id());
            }
            let opens = matches!(role, Role::Opens { .. } | Role::Derives);
            let known = if opens {
                None
            } else {
                lookup.queue_id(at.host, key.id(), at.time_ns)
            };
            known.unwrap_or_else(|| short_queue_id(at.host, key.id(), at.time_ns))
        })
    }

    /// Span and ids for an event about the line's queue id: the running attempt, else the session
    /// that received it.
    fn ids(&mut self, emit: &Emit<'_, '_>, role: Role) -> (Option<Id>, Ids<'l>) {
        let mta = self.id.unwrap_or_default();
        match self.leg(emit, role) {
            Some((_, leg)) => (
                leg.attempt.or(leg.session),
                Ids {
                    queue_id: Some(leg.queue_id),
                    mta,
                },
            ),
            None => (
                None,
                Ids {
                    queue_id: None,
                    mta,
                },
            ),
        }
    }

    fn client(&mut self, emit: &mut Emit<'_, '_>, of: &ClientOf<'_>) {
        self.abandon_leg(emit);
        let pid = emit.at().pid.unwrap_or(0);
        let time_ns = emit.at().time_ns;
        let user = if of.sasl_username.is_empty() {
            0
        } else {
            nonzero(stable_hash(&[of.sasl_username]))
        };
        let key = self.leg_key();
        let mut signed_in_now = false;
        let span = self.session_with(emit, of.client.ip).map(|session| {
            session.leg = key;
            signed_in_now = user != 0 && session.user != user;
            session.user = user;
            session.span
        });
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

    /// Keeps what a rule did until the session's next message has a queue id.
    fn keep_pending(&mut self, emit: &mut Emit<'_, '_>, kind: EventType, action: &Action<'_>) {
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

    fn pickup(&mut self, emit: &mut Emit<'_, '_>, uid: &[u8], from: &[u8], orig_id: &[u8]) {
        let (pid, time_ns) = (emit.at().pid.unwrap_or(0), emit.at().time_ns);
        let mta = self.id.unwrap_or_default();
        let queue_id = self.leg(emit, Role::Opens { pid }).map(|(_, leg)| {
            leg.opened.get_or_insert((time_ns, pid));
            leg.queue_id
        });
        let mut event = emit.event(EventType::SMTP_MAIL_FROM, None);
        Ids { queue_id, mta }.write(&mut event);
        event.text(Key::FROM, sender(from)).text(Key::UID, uid);
        event
            .str(Key::SOURCE, "local")
            .text_if(Key::ORIGINAL_QUEUE_ID, orig_id)
            .finish();
    }

    fn message_id(&mut self, emit: &mut Emit<'_, '_>, id: &[u8], resent: bool) {
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

    fn queue_active(&mut self, emit: &mut Emit<'_, '_>, from: &[u8], size: u64, recipients: u64) {
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

    fn removed(&mut self, emit: &mut Emit<'_, '_>) {
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

    fn expired(&mut self, emit: &mut Emit<'_, '_>, from: &[u8], forced: bool) {
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

    fn delivery(&mut self, emit: &mut Emit<'_, '_>, delivery: &Delivery<'_>) {
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

    fn aside(&mut self, emit: &mut Emit<'_, '_>, says: &Says<'_>) {
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

    fn notification(&mut self, emit: &mut Emit<'_, '_>, kind: Notice, child: &[u8]) {
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
    fn derive(&mut self, emit: &mut Emit<'_, '_>, child: &[u8], notice: bool) {
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

    fn operator(&mut self, emit: &mut Emit<'_, '_>, what: Operator) {
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

    fn reject(&mut self, emit: &mut Emit<'_, '_>, reject: &Reject<'_>) {
        let (leg_span, ids) = self.ids(emit, Role::Continues);
        let span = leg_span
            .or_else(|| self.session_of(&reject.client))
            .or_else(|| {
                self.session_with(emit, reject.client.ip)
                    .map(|session| session.span)
            });
        let kind = match reject.by {
            RejectBy::Warning => EventType::SMTP_CONTENT_ACTION,
            _ => rejection::event_of(reject),
        };
        let mut event = emit.event(kind, span);
        ids.write(&mut event);
        if reject.by == RejectBy::Warning {
            event.str(Key::ACTION, "reject_warning");
        }
        refused_envelope(&mut event, &reject.client, reject.from, reject.to);
        event.text_if(Key::STAGE, reject.stage);
        if reject.code != 0 {
            event.uint(Key::CODE, u64::from(reject.code));
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

    fn action(&mut self, emit: &mut Emit<'_, '_>, action: &Action<'_>) {
        let (leg_span, ids) = self.ids(emit, Role::Continues);
        let span = leg_span.or_else(|| {
            self.session_with(emit, action.client.ip)
                .map(|session| session.span)
        });
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

    // --- postscreen ---

    fn screen(&mut self, emit: &mut Emit<'_, '_>, says: &Says<'_>) {
        let time_ns = emit.at().time_ns;
        match says {
            Says::ScreenConnect { client, local } => {
                let span = self.state.spans.fresh(emit.at());
                if let Some(key) = self.endpoint_key(client) {
                    self.state
                        .sessions
                        .open(key, new_session(span, time_ns, client.ip, false));
                }
                let mut event = emit.event(EventType::SMTP_CONNECTION_START, Some(span));
                event.str(Key::LISTENER_ID, "postscreen");
                peer(&mut event, client);
                if let Some(ip) = local.ip {
                    event.ip(Key::LOCAL_IP, ip);
                }
                if let Some(port) = local.port {
                    event.uint(Key::LOCAL_PORT, u64::from(port));
                }
                event.finish();
            }
            Says::ScreenVerdict { verdict, client } => {
                let span = self.session_of(client);
                let kind = match *verdict {
                    b"BLACKLISTED" | b"DENYLISTED" => EventType::SECURITY_IP_BLOCKED,
                    _ => EventType::SMTP_CLIENT_SCREENED,
                };
                let mut event = emit.event(kind, span);
                peer(&mut event, client);
                event.text(Key::RESULT, verdict).finish();
            }
            Says::ScreenDnsbl { rank, client } => {
                let span = self.session_of(client);
                let mut event = emit.event(EventType::SPAM_DNSBL, span);
                peer(&mut event, client);
                event
                    .value(Key::RANK, &tidings_event::Value::Int(*rank))
                    .finish();
            }
            Says::ScreenHangup {
                after,
                client,
                stage,
            } => {
                let span = self.session_of(client);
                let mut event = emit.event(EventType::NETWORK_CLOSED, span);
                peer(&mut event, client);
                if let Some(millis) = millis(after) {
                    event.duration_ms(Key::ELAPSED, millis);
                }
                event.text_if(Key::STAGE, stage).finish();
            }
            Says::ScreenDisconnect { client } => {
                let span = self.session_of(client);
                let mut event = emit.event(EventType::SMTP_CONNECTION_END, span);
                event.str(Key::LISTENER_ID, "postscreen");
                peer(&mut event, client);
                event.finish();
            }
            Says::DnsblListed { ip, list, answer } => {
                let mut event = emit.event(EventType::SPAM_DNSBL, None);
                ip_if(&mut event, *ip)
                    .text(Key::DOMAIN, list)
                    .text_if(Key::RESULT, answer)
                    .finish();
            }
            _ => {}
        }
    }

    /// An event that carries the text as it is.
    fn note(&mut self, emit: &mut Emit<'_, '_>, kind: EventType, text: &[u8]) {
        let (span, ids) = match self.id {
            Some(_) => self.ids(emit, Role::Continues),
            None => (
                self.session_of_process(emit),
                Ids {
                    queue_id: None,
                    mta: b"",
                },
            ),
        };
        let mut event = emit.event(kind, span);
        ids.write(&mut event);
        event.text(Key::MESSAGE, text).finish();
    }
}

fn server(emit: &mut Emit<'_, '_>, says: &Says<'_>) {
    let (kind, key, text) = match says {
        Says::Started { version } => (EventType::SERVER_STARTUP, Key::VERSION, *version),
        Says::Stopped { text } => (EventType::SERVER_SHUTDOWN, Key::MESSAGE, *text),
        Says::Reloaded { text } => (EventType::SERVER_RELOAD, Key::MESSAGE, *text),
        Says::Statistics { text } => (EventType::SERVER_STATISTICS, Key::MESSAGE, *text),
        _ => return,
    };
    emit.event(kind, None).text_if(key, text).finish();
}

fn attempt_end(emit: &mut Emit<'_, '_>, span: Option<Id>, start_ns: i64, ids: &Ids<'_>) {
    let elapsed_ms = u64::try_from((emit.at().time_ns - start_ns) / 1_000_000).unwrap_or(0);
    let mut event = emit.event(EventType::DELIVERY_ATTEMPT_END, span);
    ids.write(&mut event);
    event.duration_ms(Key::ELAPSED, elapsed_ms).finish();
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
    } else if has("Host or domain name not found") || has("Name service error") {
        EventType::DELIVERY_MX_LOOKUP_FAILED
    } else if has("TLS is required") {
        EventType::DELIVERY_START_TLS_UNAVAILABLE
    } else if has("Server certificate not") || has("Cannot start TLS") {
        EventType::DELIVERY_START_TLS_ERROR
    } else if has("SASL authentication failed") {
        EventType::DELIVERY_AUTH_FAILED
    } else if text.starts_with(b"connect to ") {
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
fn outcome(event: &mut RecordWriter<'_>, delivery: &Delivery<'_>) {
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

fn refused_envelope(
    event: &mut RecordWriter<'_>,
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

/// The null sender is `<>`, as in the reference's events.
fn sender(from: &[u8]) -> &[u8] {
    if from.is_empty() { b"<>" } else { from }
}

fn peer(event: &mut RecordWriter<'_>, peer: &Peer<'_>) {
    event.text_if(Key::HOSTNAME, peer.name);
    ip_if(event, peer.ip);
    if let Some(port) = peer.port {
        event.uint(Key::REMOTE_PORT, u64::from(port));
    }
}

fn ip_if<'e, 'b>(event: &'e mut RecordWriter<'b>, ip: Option<IpAddr>) -> &'e mut RecordWriter<'b> {
    match ip {
        Some(ip) => event.ip(Key::REMOTE_IP, ip),
        None => event,
    }
}

/// Seconds with a fraction, as logged, in milliseconds.
fn millis(seconds: &[u8]) -> Option<u64> {
    let seconds: f64 = std::str::from_utf8(seconds).ok()?.parse().ok()?;
    (0.0..1e12)
        .contains(&seconds)
        .then(|| (seconds * 1000.0).round() as u64)
}

fn nonzero(hash: u64) -> u64 {
    hash.max(1)
}
