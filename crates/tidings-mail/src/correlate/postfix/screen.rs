//! Sessions of postscreen, and what its lists say.
//!
//! A client that passes is handed over to smtpd, and postscreen says no more of it: its session
//! ends with that line. One that passes tests that need a dialogue (`450 4.3.2` at its first
//! recipient) is not handed over, it has to come again; `DISCONNECT` follows.

use tidings_event::{Draft, EventType, Id, Key};

use super::{Step, ip_if, millis, peer};
use crate::correlate::emit::Emit;
use crate::correlate::sessions::{Ending, Session, new_session};
use crate::postfix::{Peer, Says};

impl Step<'_, '_> {
    pub(super) fn screen(&mut self, emit: &mut Emit<'_, '_>, says: &Says<'_>) {
        match says {
            Says::ScreenConnect { client, local } => self.screen_connect(emit, client, local),
            Says::ScreenVerdict { verdict, client } => {
                let span = self.session_of(client);
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
        let known = self.screened(client);
        if let Some(known) = known.filter(|known| known.is_same_start(time_ns, client.ip)) {
            let span = known.span;
            emit.event(EventType::SOURCE_LINE, Some(span)).finish();
            return;
        }
        let span = self.state.spans.fresh(emit.at());
        if let Some(key) = self.endpoint_key(client) {
            self.state
                .sessions
                .open(key, new_session(span, time_ns, client.ip, false));
        }
        let mut event = of_screen(emit, EventType::SMTP_CONNECTION_START, Some(span), client);
        if let Some(ip) = local.ip {
            event.ip(Key::LOCAL_IP, ip);
        }
        if let Some(port) = local.port {
            event.uint(Key::LOCAL_PORT, u64::from(port));
        }
        event.finish();
    }

    /// Ends the session of a client that passed, unless postscreen keeps it. Where its start is
    /// not known, there is nothing to end.
    fn hand_over(&mut self, emit: &mut Emit<'_, '_>, verdict: &[u8], client: &Peer<'_>) {
        let is_passed = matches!(
            verdict,
            b"PASS NEW" | b"PASS OLD" | b"ALLOWLISTED" | b"WHITELISTED"
        );
        let Some(session) = self.screened(client).filter(|session| !session.lost) else {
            return;
        };
        let span = session.span;
        if is_passed && session.end() == Ending::End {
            let mut event = of_screen(emit, EventType::SMTP_CONNECTION_END, Some(span), client);
            event.str(Key::REASON, "handed over to smtpd").finish();
        }
    }

    fn screen_disconnect(&mut self, emit: &mut Emit<'_, '_>, client: &Peer<'_>) {
        let at = emit.at();
        let known = self.screened(client).map(|known| (known.span, known.end()));
        let (span, ending) = match (known, self.endpoint_key(client)) {
            (Some(known), _) => known,
            (None, key) => {
                let span = self.state.spans.fresh(at);
                if let Some(key) = key {
                    let mut session = new_session(span, at.time_ns, client.ip, true);
                    session.closed = true;
                    self.state.sessions.open(key, session);
                }
                (span, Ending::Both)
            }
        };
        if ending == Ending::Told {
            emit.event(EventType::SOURCE_LINE, Some(span)).finish();
            return;
        }
        if ending == Ending::Both {
            of_screen(emit, EventType::SMTP_CONNECTION_START, Some(span), client).finish();
        }
        of_screen(emit, EventType::SMTP_CONNECTION_END, Some(span), client).finish();
    }

    /// Notes that postscreen answered a command of this client.
    pub(super) fn note_answered(&mut self, client: &Peer<'_>) {
        if let Some(session) = self.screened(client) {
            session.lost = true;
        }
    }

    /// The session of postscreen with this client, if one is known.
    fn screened(&mut self, client: &Peer<'_>) -> Option<&mut Session> {
        let key = self.endpoint_key(client)?;
        self.state.sessions.get_mut(&key)
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
