//! Sessions of smtpd: who connects, breaks off and leaves, and what was left unfinished.

use std::net::IpAddr;

use tidings_event::{EventType, Id, Key, stable_hash};

use super::{Ids, Step, peer};
use crate::correlate::DISORDER_NS;
use crate::correlate::emit::Emit;
use crate::correlate::sessions::{Ending, Session, SessionKey, new_session};
use crate::counters::taken;
use crate::postfix::{Lost, Peer};

impl Step<'_, '_> {
    pub(super) fn connect(&mut self, emit: &mut Emit<'_, '_>, client: &Peer<'_>) {
        let time_ns = emit.at().time_ns;
        let key = self.process_key(emit);
        if let Some(span) = key.and_then(|key| self.started_before(&key, time_ns, client.ip)) {
            emit.event(EventType::SOURCE_LINE, Some(span)).finish();
            return;
        }
        let mut span = self.state.spans.fresh(emit.at());
        self.end_rules(emit);
        if let Some(key) = key {
            let adopted = self.state.sessions.get_mut(&key).filter(|session| {
                !session.is_started()
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
        let listener = emit.at().listener;
        start(emit, span, listener, client);
    }

    /// The session whose start this line only repeats: the line came twice, or it comes late, and
    /// the start was told together with the end.
    fn started_before(
        &mut self,
        key: &SessionKey,
        time_ns: i64,
        client: Option<IpAddr>,
    ) -> Option<Id> {
        let session = self.state.sessions.get_mut(key)?;
        let late_ns = session.last_ns - time_ns;
        let is_late = session.implicit
            && session.closed
            && session.client == client
            && (0..=DISORDER_NS).contains(&late_ns);
        (is_late || session.is_same_start(time_ns, client)).then_some(session.span)
    }

    pub(super) fn disconnect(
        &mut self,
        emit: &mut Emit<'_, '_>,
        client: &Peer<'_>,
        commands: &[u8],
    ) {
        let time_ns = emit.at().time_ns;
        let mut span = None;
        let mut elapsed_ms = None;
        let mut ending = Ending::End;
        if let Some(session) = self.session_with(emit, client.ip) {
            ending = session.end();
            span = Some(session.span);
            if !session.implicit {
                elapsed_ms = u64::try_from((time_ns - session.start_ns) / 1_000_000).ok();
            }
        }
        let listener = emit.at().listener;
        match (ending, span) {
            (Ending::Told, _) => {
                emit.event(EventType::SOURCE_LINE, span).finish();
                return;
            }
            (Ending::Both, Some(span)) => start(emit, span, listener, client),
            _ => {}
        }
        let mut event = emit.event(EventType::SMTP_CONNECTION_END, span);
        event.text_if(Key::LISTENER_ID, listener);
        peer(&mut event, client);
        if let Some(elapsed_ms) = elapsed_ms {
            event.duration_ms(Key::ELAPSED, elapsed_ms);
        }
        event.text_if(Key::COMMANDS, commands).finish();
        drop(event);
        self.end_rules(emit);
        if all_were_finished(commands) {
            self.forget_leg(emit);
        } else {
            self.abandon_leg(emit, b"");
        }
    }

    /// Rules that acted on what the process served so far hold for nothing that comes.
    fn end_rules(&mut self, emit: &Emit<'_, '_>) {
        if let Some(pid) = emit.at().pid {
            let rules = &mut self.state.rules;
            rules.end_session(self.host, pid, emit.at().time_ns);
        }
    }

    /// The session's message is complete, whatever its other lines, which may come later, say.
    fn forget_leg(&mut self, emit: &Emit<'_, '_>) {
        let key = self.process_key(emit);
        if let Some(session) = key.and_then(|key| self.state.sessions.get_mut(&key)) {
            session.leg = None;
        }
    }

    pub(super) fn session_lost(
        &mut self,
        emit: &mut Emit<'_, '_>,
        how: Lost,
        stage: &[u8],
        client: &Peer<'_>,
    ) {
        // What was lost later was complete: it is in the queue, or on hold.
        let in_content = stage.starts_with(b"DATA") || stage.starts_with(b"BDAT");
        let span = self.session_with(emit, client.ip).map(|session| {
            session.lost |= in_content;
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
        drop(event);
        let how: &[u8] = match how {
            Lost::Connection => b"lost connection",
            Lost::Timeout => b"timeout",
            Lost::TooManyErrors => b"too many errors",
        };
        self.abandon_leg(emit, &[how, b" after ", stage].concat());
    }

    fn process_key(&self, emit: &Emit<'_, '_>) -> Option<SessionKey> {
        Some(SessionKey::Process {
            host: self.host,
            pid: emit.at().pid?,
        })
    }

    pub(super) fn endpoint_key(&self, client: &Peer<'_>) -> Option<SessionKey> {
        let (ip, port) = (client.ip?, client.port?);
        let hash = stable_hash(&[ip.to_string().as_bytes(), &port.to_le_bytes()]);
        Some(SessionKey::Hash {
            host: self.host,
            hash,
        })
    }

    /// The postscreen session of this client, if one is known.
    pub(super) fn session_of(&mut self, client: &Peer<'_>) -> Option<Id> {
        let key = self.endpoint_key(client)?;
        self.state
            .sessions
            .get_mut(&key)
            .map(|session| session.span)
    }

    /// The session that this process is in, if one is known.
    pub(super) fn session_of_process(&mut self, emit: &Emit<'_, '_>) -> Option<Id> {
        let key = self.process_key(emit)?;
        self.state
            .sessions
            .get_mut(&key)
            .map(|session| session.span)
    }

    /// The session that this process is in with this client. A line that comes before its
    /// `connect`, or whose `connect` is not in the log, opens the session.
    pub(super) fn session_with(
        &mut self,
        emit: &Emit<'_, '_>,
        ip: Option<IpAddr>,
    ) -> Option<&mut Session> {
        let key = self.process_key(emit)?;
        let time_ns = emit.at().time_ns;
        let known = self.state.sessions.get_mut(&key).is_some_and(|session| {
            let late = session.closed && time_ns > session.last_ns + DISORDER_NS;
            // Not all lines name the client: `proxy-accept` does not.
            (ip.is_none() || session.client == ip) && !late
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

    /// The message that the session was receiving did not make it into the queue: its client
    /// went away, for a reason that may be told, or started over.
    pub(super) fn abandon_leg(&mut self, emit: &mut Emit<'_, '_>, reason: &[u8]) {
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
        event.text_if(Key::REASON, reason).finish();
    }
}

/// Tells of the start of a session.
fn start(emit: &mut Emit<'_, '_>, span: Id, listener: &[u8], client: &Peer<'_>) {
    let mut event = emit.event(EventType::SMTP_CONNECTION_START, Some(span));
    event.text_if(Key::LISTENER_ID, listener);
    peer(&mut event, client);
    event.finish();
}

/// Whether a session's counters (`mail=2 rcpt=3/4 data=2 quit=1`, since 3.0) say that every
/// transaction in it came to its end: as many messages were taken as senders.
fn all_were_finished(counters: &[u8]) -> bool {
    let senders = taken(counters, b"mail");
    senders > 0 && taken(counters, b"data").saturating_add(taken(counters, b"bdat")) >= senders
}
