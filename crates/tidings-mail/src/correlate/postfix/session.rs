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
        let key = self.session_key(emit, client.ip);
        let known = self.state.sessions.get_mut(&key, time_ns);
        if let Some(known) = known.filter(|known| known.is_same_start(time_ns, client.ip)) {
            let span = known.span;
            emit.event(EventType::SOURCE_LINE, Some(span)).finish();
            return;
        }
        let listener = emit.at().listener;
        let known = self.state.sessions.get_mut(&key, time_ns);
        let is_over = known.is_some_and(|known| known.ended_with_next(time_ns, client.ip));
        let mut span = self.state.spans.fresh(emit.at());
        if is_over {
            start(emit, span, listener, client);
            return finish(emit, span, listener, client);
        }
        self.end_rules(emit);
        let known = self.state.sessions.get_mut(&key, time_ns);
        let adopted = known.filter(|session| {
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
                let session = new_session(span, time_ns, client.ip, false);
                self.state.sessions.open(key, session);
            }
        }
        start(emit, span, listener, client);
    }

    pub(super) fn disconnect(
        &mut self,
        emit: &mut Emit<'_, '_>,
        client: &Peer<'_>,
        commands: &[u8],
    ) {
        let time_ns = emit.at().time_ns;
        let session = self.session_with(emit, client.ip);
        let (span, ending) = (session.span, session.end());
        let known_ms = u64::try_from((time_ns - session.start_ns) / 1_000_000).ok();
        let elapsed_ms = known_ms.filter(|_| !session.implicit);
        let listener = emit.at().listener;
        match ending {
            Ending::Told => {
                emit.event(EventType::SOURCE_LINE, Some(span)).finish();
                return;
            }
            Ending::Both => start(emit, span, listener, client),
            Ending::End => {}
        }
        let mut event = emit.event(EventType::SMTP_CONNECTION_END, Some(span));
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
        let time_ns = emit.at().time_ns;
        if let Some(session) = key.and_then(|key| self.state.sessions.get_mut(&key, time_ns)) {
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
        let session = self.session_with(emit, client.ip);
        session.lost |= in_content;
        let span = Some(session.span);
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

    /// What tells a session from others: its process. A log may have lost the process ids on its
    /// way; then a client has one session at a time, so that each start still has its end.
    fn session_key(&self, emit: &Emit<'_, '_>, client: Option<IpAddr>) -> SessionKey {
        self.process_key(emit).unwrap_or_else(|| {
            let client = client.map(|ip| ip.to_string()).unwrap_or_default();
            SessionKey::Hash {
                host: self.host,
                hash: stable_hash(&[b"smtpd", client.as_bytes()]),
            }
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
    pub(super) fn session_of(&mut self, emit: &Emit<'_, '_>, client: &Peer<'_>) -> Option<Id> {
        let key = self.endpoint_key(client)?;
        let session = self.state.sessions.get_mut(&key, emit.at().time_ns);
        session.map(|session| session.span)
    }

    /// The session that this process is in, if one is known.
    pub(super) fn session_of_process(&mut self, emit: &Emit<'_, '_>) -> Option<Id> {
        let key = self.process_key(emit)?;
        let session = self.state.sessions.get_mut(&key, emit.at().time_ns);
        session.map(|session| session.span)
    }

    /// The session that this process is in with this client. A line that comes before its
    /// `connect`, or whose `connect` is not in the log, opens the session.
    pub(super) fn session_with(&mut self, emit: &Emit<'_, '_>, ip: Option<IpAddr>) -> &mut Session {
        let key = self.session_key(emit, ip);
        let time_ns = emit.at().time_ns;
        let known = self.state.sessions.get_mut(&key, time_ns);
        let known = known.is_some_and(|session| {
            let late = session.closed && time_ns > session.last_ns + DISORDER_NS;
            // Not all lines name the client: `proxy-accept` does not.
            (ip.is_none() || session.client == ip) && !late
        });
        if !known {
            let session = new_session(self.state.spans.fresh(emit.at()), time_ns, ip, true);
            self.state.sessions.open(key, session);
        }
        let session = self.state.sessions.get_mut(&key, time_ns);
        let session = session.expect("it is known, or was opened at this time");
        session.last_ns = session.last_ns.max(time_ns);
        session
    }

    /// The message that the session was receiving did not make it into the queue: its client
    /// went away, for a reason that may be told, or started over.
    pub(super) fn abandon_leg(&mut self, emit: &mut Emit<'_, '_>, reason: &[u8]) {
        let Some(key) = self.process_key(emit) else {
            return;
        };
        let Some(session) = self.state.sessions.get_mut(&key, emit.at().time_ns) else {
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

/// Tells of the end of a session whose own line came before.
fn finish(emit: &mut Emit<'_, '_>, span: Id, listener: &[u8], client: &Peer<'_>) {
    let mut event = emit.event(EventType::SMTP_CONNECTION_END, Some(span));
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
