//! Sign-ins: of login processes, and what the password databases say of them.

use tidings_event::{Draft, EventType, Id, Key};

use super::{Ended, Step, kind_of, listener};
use crate::correlate::attempts::Teller;
use crate::correlate::emit::Emit;
use crate::correlate::sessions::Ending;
use crate::dovecot::{Auth, AuthOutcome, LoginCause, LoginEnd, Proxy, ProxyStep, Tls, Who};

/// Nobody has told of a failed sign-in in a session.
const NOBODY: u64 = 0;

/// A password database has, for each attempt.
const TOLD_BY_DATABASE: u64 = 1;

/// The login process has, for each attempt.
const TOLD_BY_LOGIN: u64 = 2;

impl Step<'_, '_> {
    pub(super) fn login(&mut self, emit: &mut Emit<'_, '_>, who: &Who<'_>) {
        let begun = self.begin(emit, who, who.user);
        let (span, service) = (Some(begun.span), self.line.service);
        if begun.is_new {
            self.start(emit, span, who);
        }
        let mut event = emit.event(EventType::AUTH_SUCCESS, span);
        event.text(Key::LISTENER_ID, listener(service));
        account(&mut event, who);
        event.finish();
        drop(event);
        if begun.has_no_end {
            self.end_unknown(emit, span);
        }
    }

    /// Tells of the end of a session together with its start, since no later line can.
    fn end_unknown(&self, emit: &mut Emit<'_, '_>, span: Option<Id>) {
        let service = self.line.service;
        let mut event = emit.event(kind_of(service).end(), span);
        event.text(Key::LISTENER_ID, listener(service));
        event.str(Key::REASON, "its end cannot be told").finish();
    }

    /// Tells of the start of a session.
    fn start(&self, emit: &mut Emit<'_, '_>, span: Option<Id>, who: &Who<'_>) {
        let service = self.line.service;
        let mut event = emit.event(kind_of(service).start(), span);
        event.text(Key::LISTENER_ID, listener(service));
        client(&mut event, who);
        event.finish();
    }

    /// Ends the connection to a login process. Without a session id, the line is all that is told
    /// of it.
    fn end_of_login(&mut self, emit: &Emit<'_, '_>, session: &[u8]) -> Ended {
        if !session.is_empty() {
            return self.end(emit, session, b"");
        }
        Ended {
            span: Some(self.state.spans.fresh(emit.at())),
            ending: Ending::Both,
            known_ms: None,
            kind: kind_of(self.line.service),
        }
    }

    pub(super) fn login_end(&mut self, emit: &mut Emit<'_, '_>, end: &LoginEnd<'_>) {
        let key = self.key_of(end.who.session);
        let known = key
            .and_then(|key| self.state.sessions.get_mut(&key, emit.at().time_ns))
            .map(|session| session.user);
        let ended = self.end_of_login(emit, end.who.session);
        let (span, ending) = (ended.span, ended.ending);
        // Other lines may have told of the same attempts already.
        let attempts = end.attempts.max(1);
        let told = match (known, end.who.rip) {
            (Some(user), _) if user != NOBODY => attempts,
            (_, Some(ip)) if end.cause == LoginCause::AuthFailed => {
                let time_ns = emit.at().time_ns;
                let state = &mut self.state.attempts;
                state.told_of(self.host, ip, end.who.user, time_ns, attempts)
            }
            _ => 0,
        };
        let attempts = attempts.saturating_sub(told);
        let kind = match end.cause {
            LoginCause::AuthFailed if attempts > 0 => Some(EventType::AUTH_FAILED),
            LoginCause::Disabled if attempts > 0 => Some(EventType::AUTH_FAILED),
            LoginCause::TlsFailed => Some(EventType::TLS_HANDSHAKE_ERROR),
            LoginCause::PlaintextDisallowed
            | LoginCause::UnsupportedMechanism
            | LoginCause::Certificate => Some(EventType::AUTH_ERROR),
            LoginCause::Unfinished => Some(EventType::AUTH_ABORTED),
            LoginCause::TooManyConnections => Some(EventType::LIMIT_CONCURRENT_CONNECTION),
            LoginCause::Internal => Some(EventType::AUTH_ERROR),
            _ => None,
        };
        let service = self.line.service;
        if ending == Ending::Both {
            self.start(emit, span, &end.who);
        }
        if let Some(kind) = kind {
            let mut event = emit.event(kind, span);
            event.text(Key::LISTENER_ID, listener(service));
            account(&mut event, &end.who);
            event.text_if(Key::REASON, end.detail);
            if attempts > 1 {
                event.uint(Key::COUNT, u64::from(attempts));
            }
            event.finish();
        }
        if ending == Ending::Told {
            if kind.is_none() {
                emit.event(EventType::SOURCE_LINE, span).finish();
            }
            return;
        }
        let mut event = emit.event(ended.kind.end(), span);
        event.text(Key::LISTENER_ID, listener(service));
        let told_ms = end.seconds.map(|seconds| seconds.saturating_mul(1000));
        if let Some(elapsed_ms) = ended.known_ms.max(told_ms) {
            event.duration_ms(Key::ELAPSED, elapsed_ms);
        }
        if kind.is_none() {
            account(&mut event, &end.who);
            event.text_if(Key::DETAILS, end.detail);
        }
        event.text_if(Key::REASON, end.reason).finish();
    }

    pub(super) fn login_refused(
        &mut self,
        emit: &mut Emit<'_, '_>,
        reason: &[u8],
        cause: LoginCause,
        who: &Who<'_>,
    ) {
        let is_failure = cause == LoginCause::AuthFailed;
        let mut is_told = false;
        let span = self.session(emit, who.session).map(|session| {
            is_told = session.user == TOLD_BY_DATABASE;
            if is_failure && !is_told {
                session.user = TOLD_BY_LOGIN;
            }
            session.span
        });
        let kind = match (is_failure, is_told) {
            (true, true) => EventType::AUTH_WARNING,
            (true, false) => EventType::AUTH_FAILED,
            (false, _) => EventType::AUTH_ERROR,
        };
        let mut event = emit.event(kind, span);
        event.text(Key::LISTENER_ID, listener(self.line.service));
        account(&mut event, who);
        event.text(Key::REASON, reason).finish();
    }

    pub(super) fn proxy(&mut self, emit: &mut Emit<'_, '_>, proxy: &Proxy<'_>) {
        let id = proxy.who.session;
        let user = match proxy.user.is_empty() {
            true => proxy.who.user,
            false => proxy.user,
        };
        let mut has_no_end = false;
        let (span, kind) = match proxy.what {
            ProxyStep::Started => {
                let begun = self.begin(emit, &proxy.who, user);
                let kind = match begun.is_new {
                    true => kind_of(self.line.service).start(),
                    false => EventType::SERVER_NOTICE,
                };
                has_no_end = begun.has_no_end;
                (Some(begun.span), kind)
            }
            ProxyStep::Ended => {
                let ended = self.end(emit, id, user);
                if ended.ending == Ending::Both {
                    self.start(emit, ended.span, &proxy.who);
                }
                match ended.ending {
                    Ending::Told => (ended.span, EventType::SERVER_NOTICE),
                    Ending::End | Ending::Both => (ended.span, ended.kind.end()),
                }
            }
            ProxyStep::Failed | ProxyStep::Note => {
                let span = self.session(emit, id).map(|session| session.span);
                let failed = proxy.what == ProxyStep::Failed;
                let kind = if failed {
                    EventType::NETWORK_PROXY_ERROR
                } else {
                    EventType::SERVER_NOTICE
                };
                (span, kind)
            }
        };
        let mut event = emit.event(kind, span);
        account(
            &mut event,
            &Who {
                user: proxy.user,
                ..proxy.who
            },
        );
        event
            .text_if(Key::RELAY, proxy.to)
            .text_if(Key::DETAILS, proxy.text)
            .finish();
        drop(event);
        if has_no_end {
            self.end_unknown(emit, span);
        }
    }

    pub(super) fn auth(&mut self, emit: &mut Emit<'_, '_>, auth: &Auth<'_>) {
        let session = if auth.session.is_empty() {
            self.line.session
        } else {
            auth.session
        };
        let refused = auth.outcome.is_refusal();
        let span = self.session(emit, session).map(|session| {
            if refused {
                session.user = TOLD_BY_DATABASE;
            }
            session.span
        });
        let teller = Teller::Database {
            name: auth.driver,
            session,
        };
        let time_ns = emit.at().time_ns;
        let mut is_told = |ip| {
            let attempts = &mut self.state.attempts;
            attempts.tell(self.host, ip, auth.user, time_ns, teller)
        };
        let kind = match auth.outcome {
            AuthOutcome::Error => EventType::AUTH_ERROR,
            AuthOutcome::Note => EventType::SERVER_NOTICE,
            AuthOutcome::TimedOut => EventType::AUTH_ABORTED,
            _ if auth.rip.is_some_and(&mut is_told) => EventType::AUTH_WARNING,
            _ => EventType::AUTH_FAILED,
        };
        let mut event = emit.event(kind, span);
        event.text_if(Key::ACCOUNT_NAME, auth.user);
        if let Some(ip) = auth.rip {
            event.ip(Key::REMOTE_IP, ip);
        }
        event
            .text_if(Key::SESSION, auth.session)
            .text_if(Key::AUTH_METHOD, auth.method);
        event
            .text_if(Key::SOURCE, auth.driver)
            .text(Key::REASON, auth.reason)
            .finish();
    }
}

fn account(event: &mut Draft<'_>, who: &Who<'_>) {
    event
        .text_if(Key::ACCOUNT_NAME, who.user)
        .text_if(Key::AUTH_METHOD, who.method);
    client(event, who);
    event
        .text_if(Key::SESSION, who.session)
        .text_if(Key::CIPHER, who.tls_text)
        .text_if(Key::CAUSED_BY, who.tls_end);
    if who.tls != Tls::None {
        event.bool(Key::TLS, matches!(who.tls, Tls::Tls));
    }
}

fn client(event: &mut Draft<'_>, who: &Who<'_>) {
    if let Some(ip) = who.rip {
        event.ip(Key::REMOTE_IP, ip);
    }
    if let Some(port) = who.rport {
        event.uint(Key::REMOTE_PORT, u64::from(port));
    }
    if let Some(ip) = who.lip {
        event.ip(Key::LOCAL_IP, ip);
    }
    if let Some(port) = who.lport {
        event.uint(Key::LOCAL_PORT, u64::from(port));
    }
}
