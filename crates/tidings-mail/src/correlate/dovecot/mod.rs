//! Dovecot statements to events: sign-ins, mailbox sessions, deliveries over LMTP.
//!
//! A session id ties the lines of a sign-in and of the session that follows together. An LMTP
//! session is a leg of its own, found by the session id that Dovecot told the sending server
//! (`250 2.0.0 <rcpt> ID Saved`).

mod delivery;
mod mailbox;
mod server;
mod sign_in;
mod without_id;

use tidings_event::{EventType, Id, Key, stable_hash};

use crate::correlate::Correlator;
use crate::correlate::emit::Emit;
use crate::correlate::sessions::{Ending, Kind, Session, SessionKey, new_session};
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
    fn session(&mut self, emit: &Emit<'_, '_>, session: &[u8]) -> Option<&mut Session> {
        let key = self.key_of(session)?;
        Some(self.session_at(emit, key))
    }

    /// The session under this key, opened here if none is known.
    fn session_at(&mut self, emit: &Emit<'_, '_>, key: SessionKey) -> &mut Session {
        let time_ns = emit.at().time_ns;
        if self.state.sessions.get_mut(&key, time_ns).is_none() {
            let span = self.state.spans.fresh(emit.at());
            let session = new_session(span, time_ns, None, true);
            self.state.sessions.open(key, session);
        }
        let session = self.state.sessions.get_mut(&key, time_ns);
        let session = session.expect("it is known, or was opened at this time");
        session.last_ns = session.last_ns.max(time_ns);
        session
    }

    /// The span of this line: of its session id, else of the LMTP connection its process is in.
    fn span(&mut self, emit: &Emit<'_, '_>) -> Option<Id> {
        if self.is_delivery() {
            let pid = emit.at().pid?;
            let key = SessionKey::Process {
                host: self.host,
                pid,
            };
            let session = self.state.sessions.get_mut(&key, emit.at().time_ns);
            return session.map(|session| session.span);
        }
        let session = self.line.base_session();
        self.session(emit, session).map(|session| session.span)
    }

    /// Ends the session with this id; without one, that of this account, as far as lines tell.
    fn end(&mut self, emit: &Emit<'_, '_>, session: &[u8], account: &[u8]) -> Ended {
        let kind = kind_of(self.line.service);
        match self.key_of(session) {
            Some(key) => end(self.session_at(emit, key), kind, emit.at().time_ns),
            None => self.end_without_id(emit, account),
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

/// What a line that ends a session has to tell.
struct Ended {
    span: Option<Id>,
    ending: Ending,
    /// For how long it was known, in milliseconds, if its start was told.
    known_ms: Option<u64>,
    kind: Kind,
}

/// Ends a session. Its end counts where its start did; `kind` is told of one that had none.
fn end(session: &mut Session, kind: Kind, time_ns: i64) -> Ended {
    let known_ms = u64::try_from(time_ns.saturating_sub(session.start_ns) / 1_000_000).ok();
    if !session.is_started() {
        session.kind = kind;
    }
    Ended {
        span: Some(session.span),
        known_ms: known_ms.filter(|_| !session.implicit),
        kind: session.kind,
        ending: session.end(),
    }
}

fn kind_of(service: &[u8]) -> Kind {
    match listener(service) {
        b"pop3" => Kind::Pop3,
        b"managesieve" => Kind::ManageSieve,
        b"submission" | b"lmtp" => Kind::Smtp,
        _ => Kind::Imap,
    }
}

/// `imap-login` listens for `imap`.
fn listener(service: &[u8]) -> &[u8] {
    service.strip_suffix(b"-login").unwrap_or(service)
}
