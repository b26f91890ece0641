//! Dovecot statements to events: sign-ins, mailbox sessions, deliveries over LMTP.
//!
//! A session id ties the lines of a sign-in and of the session that follows together. An LMTP
//! session is a leg of its own, found by the session id that Dovecot told the sending server
//! (`250 2.0.0 <rcpt> ID Saved`).

mod delivery;
mod mailbox;
mod server;
mod sign_in;

use tidings_event::{EventType, Id, Key, stable_hash};

use crate::correlate::Correlator;
use crate::correlate::emit::Emit;
use crate::correlate::sessions::{Ending, Session, SessionKey, new_session};
use crate::dovecot::{Level, Line, Says};

/// Takes one statement and writes its events.
pub(super) fn step(state: &mut Correlator, line: &Line<'_>, emit: &mut Emit<'_, '_>) {
    let host = state.names.number(emit.at().host);
    let mut step = Step { state, host, line };
    match &line.says {
        Says::Login(who) => step.login(emit, who),
        Says::LoginEnd(end) => step.login_end(emit, end),
        Says::LoginRefused { reason, cause, who } => step.login_refused(emit, reason, *cause, who),
        Says::Proxy(proxy) => step.proxy(emit, proxy),
        Says::Auth(auth) => step.auth(emit, auth),
        Says::SessionEnd(end) => step.session_end(emit, end),
        Says::Mail(mail) => step.mail(emit, mail),
        Says::Mailbox {
            action,
            mailbox,
            renamed_to,
        } => step.mailbox(emit, *action, mailbox, renamed_to),
        Says::LmtpConnect { peer, ip } => step.lmtp_connect(emit, peer, *ip),
        Says::LmtpDisconnect {
            peer,
            ip,
            reason,
            state,
        } => step.lmtp_disconnect(emit, peer, *ip, reason, state),
        Says::Saved { message, mailbox } => step.saved(emit, message, mailbox),
        Says::SaveFailed { .. } | Says::DeliveryRejected { .. } | Says::LmtpProxied { .. } => {
            step.not_saved(emit)
        }
        Says::Sieve(sieve) => step.sieve(emit, sieve),
        Says::Relayed(relayed) => step.relayed(emit, relayed),
        Says::Indexed { .. }
        | Says::Limit { .. }
        | Says::ChildFailed { .. }
        | Says::Started { .. }
        | Says::Stopped { .. }
        | Says::Reloaded { .. } => step.server(emit),
        Says::Quota { text } => step.note(emit, EventType::LIMIT_QUOTA, text),
        Says::Note { text } | Says::Debug { text } => {
            step.note(emit, EventType::SERVER_NOTICE, text)
        }
        Says::Trouble { text } => {
            let kind = if line.level <= Level::Warning {
                EventType::SERVER_WARNING
            } else {
                EventType::SERVER_ERROR
            };
            step.note(emit, kind, text);
        }
        Says::Unrecognised => emit
            .event(EventType::SOURCE_LINE_UNRECOGNISED, None)
            .finish(),
    }
}

struct Step<'s, 'l> {
    state: &'s mut Correlator,
    host: u16,
    line: &'l Line<'l>,
}

impl Step<'_, '_> {
    fn key_of(&self, session: &[u8]) -> Option<SessionKey> {
        let hash = stable_hash(&[b"dovecot", session]);
        (!session.is_empty()).then_some(SessionKey::Hash {
            host: self.host,
            hash,
        })
    }

    /// The span of the session with this id, opened here if its start was not seen.
    fn session(
        &mut self,
        emit: &Emit<'_, '_>,
        session: &[u8],
        start: bool,
    ) -> Option<&mut Session> {
        let key = self.key_of(session)?;
        let time_ns = emit.at().time_ns;
        if self.state.sessions.get_mut(&key).is_none() {
            self.state.sessions.open(
                key,
                new_session(self.state.spans.fresh(emit.at()), time_ns, None, !start),
            );
        }
        let session = self.state.sessions.get_mut(&key)?;
        session.last_ns = session.last_ns.max(time_ns);
        Some(session)
    }

    /// The span of this line: of its session id, else of the LMTP connection its process is in.
    fn span(&mut self, emit: &Emit<'_, '_>) -> Option<Id> {
        if self.is_delivery() {
            let pid = emit.at().pid?;
            let key = SessionKey::Process {
                host: self.host,
                pid,
            };
            return self
                .state
                .sessions
                .get_mut(&key)
                .map(|session| session.span);
        }
        let session = self.line.base_session();
        self.session(emit, session, false)
            .map(|session| session.span)
    }

    /// Ends the session with this id. Gives its span, what is to be told of its end, and for how
    /// long it was known, in milliseconds. Without an id, no session is known to end.
    fn end(&mut self, emit: &Emit<'_, '_>, session: &[u8]) -> (Option<Id>, Ending, Option<u64>) {
        let time_ns = emit.at().time_ns;
        match self.session(emit, session, false) {
            Some(session) => {
                let known_ms = u64::try_from((time_ns - session.start_ns) / 1_000_000).ok();
                let known_ms = known_ms.filter(|_| !session.implicit);
                (Some(session.span), session.end(), known_ms)
            }
            None => (None, Ending::End, None),
        }
    }

    fn is_delivery(&self) -> bool {
        matches!(
            self.line.service,
            b"lmtp" | b"lda" | b"deliver" | b"dovecot-lda"
        )
    }

    fn note(&mut self, emit: &mut Emit<'_, '_>, kind: EventType, text: &[u8]) {
        let span = self.span(emit);
        let mut event = emit.event(kind, span);
        event
            .text_if(Key::ACCOUNT_NAME, self.line.user)
            .text_if(Key::SESSION, self.line.session);
        event.text(Key::MESSAGE, text).finish();
    }
}

fn start_of(service: &[u8]) -> EventType {
    match listener(service) {
        b"pop3" => EventType::POP3_CONNECTION_START,
        b"managesieve" => EventType::MANAGE_SIEVE_CONNECTION_START,
        b"submission" | b"lmtp" => EventType::SMTP_CONNECTION_START,
        _ => EventType::IMAP_CONNECTION_START,
    }
}

fn end_of(service: &[u8]) -> EventType {
    match listener(service) {
        b"pop3" => EventType::POP3_CONNECTION_END,
        b"managesieve" => EventType::MANAGE_SIEVE_CONNECTION_END,
        b"submission" | b"lmtp" => EventType::SMTP_CONNECTION_END,
        _ => EventType::IMAP_CONNECTION_END,
    }
}

/// `imap-login` listens for `imap`.
fn listener(service: &[u8]) -> &[u8] {
    service.strip_suffix(b"-login").unwrap_or(service)
}
