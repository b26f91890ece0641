//! Sessions of postscreen, and what its lists say.
//!
//! A client that passes is handed over to smtpd, and postscreen says no more of it: its session
//! ends with that line. One that passes tests that need a dialogue (`450 4.3.2` at its first
//! recipient) is not handed over, it has to come again; `DISCONNECT` follows.

use tidings_event::{Draft, EventType, Id, Key, stable_hash};

use super::{Step, ip_if, millis, peer};
use crate::correlate::emit::Emit;
use crate::correlate::sessions::{Ending, Session, SessionKey, new_session};
use crate::postfix::{Peer, Says};

impl Step<'_, '_> {
    pub(super) fn screen(&mut self, emit: &mut Emit<'_, '_>, says: &Says<'_>) {
        match says {
            Says::ScreenConnect { client, local } => self.screen_connect(emit, client, local),
            Says::ScreenVerdict { verdict, client } => {
                let span = self.session_of(emit, client);
                let kind = match *verdict {
                    b"BLACKLISTED" | b"DENYLISTED" => EventType::SECURITY_IP_BLOCKED,
                    _ => EventType::SMTP_CLIENT_SCREENED,
                };
                let mut event = emit.event(kind, span);
                peer(&mut event, client);
                event.text(Key::RESULT, verdict).finish();
                drop(event);
                self.hand_over(emit, verdict, client);
            }
            Says::ScreenDnsbl { rank, client } => {
                let span = self.session_of(emit, client);
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
                let span = self.session_of(emit, client);
                let mut event = emit.event(EventType::NETWORK_CLOSED, span);
                peer(&mut event, client);
                if let Some(millis) = millis(after) {
                    event.duration_ms(Key::ELAPSED, millis);
                }
                event.text_if(Key::STAGE, stage).finish();
            }
            Says::ScreenDisconnect { client } => self.screen_disconnect(emit, client),
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

    fn screen_connect(&mut self, emit: &mut Emit<'_, '_>, client: &Peer<'_>, local: &Peer<'_>) {
        let time_ns = emit.at().time_ns;
        let known = self.screened(emit, client);
        if let Some(known) = known.filter(|known| known.is_same_start(time_ns, client.ip)) {
            let span = known.span;
            emit.event(EventType::SOURCE_LINE, Some(span)).finish();
            return;
        }
        let span = self.state.spans.fresh(emit.at());
        let session = new_session(span, time_ns, client.ip, false);
        let key = self.screen_key(client);
        self.state.sessions.open(key, session);
        let mut event = of_screen(emit, EventType::SMTP_CONNECTION_START, Some(span), client);
        if let Some(ip) = local.ip {
            event.ip(Key::LOCAL_IP, ip);
        }
        if let Some(port) = local.port {
            event.uint(Key::LOCAL_PORT, u64::from(port));
        }
        event.finish();
    }

    /// Ends the session of a client that passed, unless postscreen keeps it.
    fn hand_over(&mut self, emit: &mut Emit<'_, '_>, verdict: &[u8], client: &Peer<'_>) {
        let is_passed = matches!(
            verdict,
            b"PASS NEW" | b"PASS OLD" | b"ALLOWLISTED" | b"WHITELISTED"
        );
        let known = self.screened(emit, client);
        if !is_passed || known.is_some_and(|session| session.lost) {
            return;
        }
        self.end_screened(emit, client, b"handed over to smtpd");
    }

    fn screen_disconnect(&mut self, emit: &mut Emit<'_, '_>, client: &Peer<'_>) {
        if !self.end_screened(emit, client, b"") {
            let span = self.screened(emit, client).map(|session| session.span);
            emit.event(EventType::SOURCE_LINE, span).finish();
        }
    }

    /// Ends the session with this client. Gives whether its end was not told before.
    fn end_screened(
        &mut self,
        emit: &mut Emit<'_, '_>,
        client: &Peer<'_>,
        reason: &'static [u8],
    ) -> bool {
        let (key, time_ns) = (self.screen_key(client), emit.at().time_ns);
        if self.state.sessions.get_mut(&key, time_ns).is_none() {
            let span = self.state.spans.fresh(emit.at());
            let session = new_session(span, time_ns, client.ip, true);
            self.state.sessions.open(key, session);
        }
        let Some(session) = self.state.sessions.get_mut(&key, time_ns) else {
            return false;
        };
        session.last_ns = session.last_ns.max(time_ns);
        let (span, ending) = (Some(session.span), session.end());
        if ending == Ending::Both {
            of_screen(emit, EventType::SMTP_CONNECTION_START, span, client).finish();
        }
        if ending != Ending::Told {
            let mut event = of_screen(emit, EventType::SMTP_CONNECTION_END, span, client);
            event.text_if(Key::REASON, reason).finish();
        }
        ending != Ending::Told
    }

    /// Notes that postscreen answered a command of this client.
    pub(super) fn note_answered(&mut self, emit: &Emit<'_, '_>, client: &Peer<'_>) {
        // Lines of smtpd name no port.
        if client.port.is_some()
            && let Some(session) = self.screened(emit, client)
        {
            session.lost = true;
        }
    }

    /// The session of postscreen with this client, if one is known.
    fn screened(&mut self, emit: &Emit<'_, '_>, client: &Peer<'_>) -> Option<&mut Session> {
        let key = self.screen_key(client);
        self.state.sessions.get_mut(&key, emit.at().time_ns)
    }

    /// What tells a session of postscreen from others. Before 2.8 no port was logged.
    fn screen_key(&self, client: &Peer<'_>) -> SessionKey {
        self.endpoint_key(client).unwrap_or_else(|| {
            let ip = client.ip.map(|ip| ip.to_string()).unwrap_or_default();
            SessionKey::Hash {
                host: self.host,
                hash: stable_hash(&[b"postscreen", ip.as_bytes()]),
            }
        })
    }
}

/// An event of a session of postscreen.
fn of_screen<'e>(
    emit: &'e mut Emit<'_, '_>,
    kind: EventType,
    span: Option<Id>,
    client: &Peer<'_>,
) -> Draft<'e> {
    let mut event = emit.event(kind, span);
    event.str(Key::LISTENER_ID, "postscreen");
    peer(&mut event, client);
    event
}
