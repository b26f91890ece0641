//! Sign-ins: of login processes, and what the password databases say of them.

use tidings_event::{Draft, EventType, Id, Key};

use super::{Step, end_of, listener, start_of};
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
        let known = self.session(emit, who.session, false).map(|session| {
            let is_started = session.is_started();
            session.implicit = false;
            (session.span, is_started)
        });
        let (span, is_started) =
            known.unwrap_or_else(|| (self.state.spans.fresh(emit.at()), false));
        let span = Some(span);
        let service = self.line.service;
        if !is_started {
            self.start(emit, span, who);
        }
        let mut event = emit.event(EventType::AUTH_SUCCESS, span);
        event.text(Key::LISTENER_ID, listener(service));
        account(&mut event, who);
        event.finish();
    }

    /// Tells of the start of a session.
    fn start(&self, emit: &mut Emit<'_, '_>, span: Option<Id>, who: &Who<'_>) {
        let service = self.line.service;
        let mut event = emit.event(start_of(service), span);
        event.text(Key::LISTENER_ID, listener(service));
        client(&mut event, who);
        event.finish();
    }

    pub(super) fn login_end(&mut self, emit: &mut Emit<'_, '_>, end: &LoginEnd<'_>) {
        let key = self.key_of(end.who.session);
        let known = key
            .and_then(|key| self.state.sessions.get_mut(&key))
            .map(|session| session.user);
        let (span, ending, known_ms) = self.end(emit, end.who.session);
        let (span, ending) = match span {
            Some(span) => (span, ending),
            // Without an id, this line is all that is told of the connection.
            None => (self.state.spans.fresh(emit.at()), Ending::Both),
        };
        let span = Some(span);
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
        let mut event = emit.event(end_of(service), span);
        event.text(Key::LISTENER_ID, listener(service));
        let told_ms = end.seconds.map(|seconds| seconds.saturating_mul(1000));
        if let Some(elapsed_ms) = known_ms.max(told_ms) {
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
        let span = self.session(emit, who.session, false).map(|session| {
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
        let (span, kind) = match proxy.what {
            ProxyStep::Started => match self.session(emit, id, false) {
                Some(session) if session.is_started() => {
                    (Some(session.span), EventType::SERVER_NOTICE)
                }
                session => {
                    let span = session.map(|session| {
                        session.implicit = false;
                        session.span
                    });
                    (span, start_of(self.line.service))
                }
            },
            ProxyStep::Ended => {
                let (span, ending, _) = self.end(emit, id);
                if ending == Ending::Both {
                    self.start(emit, span, &proxy.who);
                }
                match ending {
                    Ending::Told => (span, EventType::SERVER_NOTICE),
                    Ending::End | Ending::Both => (span, end_of(self.line.service)),
                }
            }
            ProxyStep::Failed | ProxyStep::Note => {
                let span = self.session(emit, id, false).map(|session| session.span);
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
    }

    pub(super) fn auth(&mut self, emit: &mut Emit<'_, '_>, auth: &Auth<'_>) {
        let session = if auth.session.is_empty() {
            self.line.session
        } else {
            auth.session
        };
        let refused = auth.outcome.is_refusal();
        let span = self.session(emit, session, false).map(|session| {
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
        .text_if(Key::CIPHER, who.tls_text);
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
