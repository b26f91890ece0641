//! Dovecot statements to events: sign-ins, mailbox sessions, deliveries over LMTP.
//!
//! A session id ties the lines of a sign-in and of the session that follows together. An LMTP
//! session is a leg of its own, found by the session id that Dovecot told the sending server
//! (`250 2.0.0 <rcpt> ID Saved`).

use std::net::IpAddr;

use tidings_event::{EventType, Id, Key, RecordWriter, stable_hash};

use super::Correlator;
use super::attempts::Teller;
use super::emit::Emit;
use super::sessions::{Session, SessionKey};
use crate::dovecot::{
    Auth, AuthOutcome, Level, Line, LoginCause, LoginEnd, MailAction, MailEvent, MailboxAction,
    Message, Proxy, ProxyStep, Relayed, Says, SessionEnd, Sieve, SieveAction, Tls, Who,
};

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
        Says::SaveFailed {
            message,
            mailbox,
            reason,
            over_quota,
        } => {
            let kind = if *over_quota {
                EventType::LIMIT_QUOTA
            } else {
                EventType::MESSAGE_INGEST_ERROR
            };
            step.about_message(emit, kind, message, |event| {
                event
                    .text_if(Key::MAILBOX_NAME, mailbox)
                    .text(Key::REASON, reason);
            });
        }
        Says::DeliveryRejected {
            message,
            to,
            reason,
        } => {
            step.about_message(emit, EventType::SIEVE_ACTION_REJECT, message, |event| {
                event.text_if(Key::TO, to).text(Key::REASON, reason);
            });
        }
        Says::LmtpProxied {
            sent,
            to,
            host,
            reply,
        } => {
            let kind = if *sent {
                EventType::DELIVERY_DELIVERED
            } else {
                EventType::DELIVERY_FAILED
            };
            let key = if *sent { Key::DETAILS } else { Key::REASON };
            let span = step.span(emit);
            emit.event(kind, span)
                .text(Key::TO, to)
                .text_if(Key::HOSTNAME, host)
                .text(key, reply)
                .finish();
        }
        Says::Sieve(sieve) => step.sieve(emit, sieve),
        Says::Relayed(relayed) => step.relayed(emit, relayed),
        Says::Indexed { mailbox, messages } => {
            let span = step.span(emit);
            let mut event = emit.event(EventType::MESSAGE_INGEST_SEARCH_INDEX, span);
            event
                .text_if(Key::ACCOUNT_NAME, line.user)
                .text(Key::MAILBOX_NAME, mailbox);
            event.uint(Key::TOTAL, *messages).finish();
        }
        Says::Limit {
            service,
            limit,
            value,
        } => {
            let mut event = emit.event(EventType::LIMIT_CONCURRENT_CONNECTION, None);
            event
                .text(Key::SOURCE, service)
                .text(Key::REASON, limit)
                .uint(Key::LIMIT, *value)
                .finish();
        }
        Says::ChildFailed {
            service,
            pid,
            reason,
        } => {
            let mut event = emit.event(EventType::SERVER_ERROR, None);
            event.text(Key::SOURCE, service).text(Key::REASON, reason);
            if let Some(pid) = pid {
                event.uint(Key::ID, u64::from(*pid));
            }
            event.finish();
        }
        Says::Started { version, protocols } => {
            let mut event = emit.event(EventType::SERVER_STARTUP, None);
            event
                .text_if(Key::VERSION, version)
                .text_if(Key::DETAILS, protocols)
                .finish();
        }
        Says::Stopped { text, .. } => emit
            .event(EventType::SERVER_SHUTDOWN, None)
            .text(Key::MESSAGE, text)
            .finish(),
        Says::Reloaded { text } => emit
            .event(EventType::SERVER_RELOAD, None)
            .text(Key::MESSAGE, text)
            .finish(),
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

/// Nobody has told of a failed sign-in in a session.
const NOBODY: u64 = 0;

/// A password database has, for each attempt.
const TOLD_BY_DATABASE: u64 = 1;

/// The login process has, for each attempt.
const TOLD_BY_LOGIN: u64 = 2;

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
                super::sessions::new_session(
                    self.state.spans.fresh(emit.at()),
                    time_ns,
                    None,
                    !start,
                ),
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

    fn is_delivery(&self) -> bool {
        matches!(
            self.line.service,
            b"lmtp" | b"lda" | b"deliver" | b"dovecot-lda"
        )
    }

    fn login(&mut self, emit: &mut Emit<'_, '_>, who: &Who<'_>) {
        let span = self.session(emit, who.session, true).map(|session| {
            session.implicit = false;
            session.span
        });
        let span = span.or_else(|| Some(self.state.spans.fresh(emit.at())));
        let service = self.line.service;
        let mut event = emit.event(start_of(service), span);
        event.text(Key::LISTENER_ID, listener(service));
        client(&mut event, who);
        event.finish();
        drop(event);
        let mut event = emit.event(EventType::AUTH_SUCCESS, span);
        event.text(Key::LISTENER_ID, listener(service));
        account(&mut event, who);
        event.finish();
    }

    fn login_end(&mut self, emit: &mut Emit<'_, '_>, end: &LoginEnd<'_>) {
        let key = self.key_of(end.who.session);
        let known = key
            .and_then(|key| self.state.sessions.get_mut(&key))
            .map(|session| {
                session.closed = true;
                (session.span, session.user)
            });
        let span = known.map(|(span, _)| span);
        // Other lines may have told of the same attempts already.
        let attempts = end.attempts.max(1);
        let told = match (known, end.who.rip) {
            (Some((_, user)), _) if user != NOBODY => attempts,
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
        let mut event = emit.event(end_of(service), span);
        event.text(Key::LISTENER_ID, listener(service));
        if kind.is_none() {
            account(&mut event, &end.who);
            event.text_if(Key::DETAILS, end.detail);
        }
        event.text_if(Key::REASON, end.reason).finish();
    }

    fn login_refused(
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

    fn proxy(&mut self, emit: &mut Emit<'_, '_>, proxy: &Proxy<'_>) {
        let kind = match proxy.what {
            ProxyStep::Started => start_of(self.line.service),
            ProxyStep::Ended => end_of(self.line.service),
            ProxyStep::Failed => EventType::NETWORK_PROXY_ERROR,
            ProxyStep::Note => EventType::SERVER_NOTICE,
        };
        let span = self
            .session(emit, proxy.who.session, proxy.what == ProxyStep::Started)
            .map(|session| session.span);
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

    fn auth(&mut self, emit: &mut Emit<'_, '_>, auth: &Auth<'_>) {
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

    fn session_end(&mut self, emit: &mut Emit<'_, '_>, end: &SessionEnd<'_>) {
        let time_ns = emit.at().time_ns;
        let session = self.line.base_session();
        let found = self.session(emit, session, false).map(|session| {
            session.closed = true;
            (
                session.span,
                (!session.implicit).then_some((time_ns - session.start_ns) / 1_000_000),
            )
        });
        let mut event = emit.event(end_of(self.line.service), found.map(|(span, _)| span));
        event
            .text_if(Key::ACCOUNT_NAME, self.line.user)
            .text_if(Key::SESSION, session);
        if let Some(elapsed_ms) = found
            .and_then(|(_, elapsed)| elapsed)
            .and_then(|ms| u64::try_from(ms).ok())
        {
            event.duration_ms(Key::ELAPSED, elapsed_ms);
        }
        for (key, count) in [
            (Key::BYTES_IN, end.bytes_in),
            (Key::BYTES_OUT, end.bytes_out),
        ] {
            if let Some(count) = count {
                event.uint(key, count);
            }
        }
        event
            .text_if(Key::REASON, end.reason)
            .text_if(Key::COMMANDS, end.counters)
            .finish();
    }

    fn mail(&mut self, emit: &mut Emit<'_, '_>, mail: &MailEvent<'_>) {
        let is_pop3 = self.line.service == b"pop3";
        let kind = match mail.action {
            MailAction::Save if self.is_delivery() => EventType::MESSAGE_INGEST_STORED,
            MailAction::Save | MailAction::Append => EventType::IMAP_APPEND,
            MailAction::Copy => EventType::IMAP_COPY,
            MailAction::Delete if is_pop3 => EventType::POP3_DELETE,
            MailAction::Delete | MailAction::FlagChange | MailAction::Other => {
                EventType::IMAP_STORE
            }
            MailAction::Undelete => EventType::IMAP_UNDELETE,
            MailAction::Expunge | MailAction::AutoExpunge => EventType::IMAP_EXPUNGE,
        };
        let span = self.span(emit);
        let leg = self.leg(emit);
        let mut event = emit.event(kind, span);
        if let Some(leg) = leg.filter(|_| kind == EventType::MESSAGE_INGEST_STORED) {
            event.uint(Key::QUEUE_ID, leg);
        }
        event
            .text_if(Key::ACCOUNT_NAME, self.line.user)
            .text_if(Key::SESSION, self.line.session);
        event
            .text_if(Key::MAILBOX_NAME, mail.mailbox)
            .text_if(Key::SOURCE, mail.copied_from);
        if let Some(uid) = mail.uid {
            event.uint(Key::UID, uid);
        }
        event.text_if(Key::MESSAGE_ID, mail.message_id);
        if let Some(size) = mail.size {
            event.uint(Key::SIZE, size);
        }
        event
            .text_if(Key::DETAILS, mail.flags)
            .text_if(Key::FROM, mail.from);
        event.text_if(Key::SUBJECT, mail.subject).finish();
    }

    fn mailbox(
        &mut self,
        emit: &mut Emit<'_, '_>,
        action: MailboxAction,
        mailbox: &[u8],
        renamed_to: &[u8],
    ) {
        let kind = match action {
            MailboxAction::Created => EventType::IMAP_CREATE_MAILBOX,
            MailboxAction::Deleted => EventType::IMAP_DELETE_MAILBOX,
            MailboxAction::Renamed => EventType::IMAP_RENAME_MAILBOX,
            MailboxAction::Subscribed => EventType::IMAP_SUBSCRIBE,
            MailboxAction::Unsubscribed => EventType::IMAP_UNSUBSCRIBE,
        };
        let span = self.span(emit);
        let mut event = emit.event(kind, span);
        event
            .text_if(Key::ACCOUNT_NAME, self.line.user)
            .text_if(Key::SESSION, self.line.session);
        event
            .text(Key::MAILBOX_NAME, mailbox)
            .text_if(Key::DETAILS, renamed_to)
            .finish();
    }

    fn lmtp_connect(&mut self, emit: &mut Emit<'_, '_>, peer: &[u8], ip: Option<IpAddr>) {
        let (span, time_ns) = (self.state.spans.fresh(emit.at()), emit.at().time_ns);
        if let Some(pid) = emit.at().pid {
            let key = SessionKey::Process {
                host: self.host,
                pid,
            };
            self.state
                .sessions
                .open(key, super::sessions::new_session(span, time_ns, ip, false));
        }
        let mut event = emit.event(EventType::SMTP_CONNECTION_START, Some(span));
        event
            .str(Key::LISTENER_ID, "lmtp")
            .text_if(Key::HOSTNAME, peer);
        if let Some(ip) = ip {
            event.ip(Key::REMOTE_IP, ip);
        }
        event.finish();
    }

    fn lmtp_disconnect(
        &mut self,
        emit: &mut Emit<'_, '_>,
        peer: &[u8],
        ip: Option<IpAddr>,
        reason: &[u8],
        state: &[u8],
    ) {
        let span = self.span(emit);
        let mut event = emit.event(EventType::SMTP_CONNECTION_END, span);
        event
            .str(Key::LISTENER_ID, "lmtp")
            .text_if(Key::HOSTNAME, peer);
        if let Some(ip) = ip {
            event.ip(Key::REMOTE_IP, ip);
        }
        event
            .text_if(Key::REASON, reason)
            .text_if(Key::STAGE, state)
            .finish();
    }

    /// The leg of an LMTP session.
    fn leg(&self, emit: &Emit<'_, '_>) -> Option<u64> {
        let session = self.line.base_session();
        (self.line.service == b"lmtp" && !session.is_empty())
            .then(|| stable_hash(&[emit.at().host, b"lmtp", session]).max(1))
    }

    /// An event about a message that is being delivered.
    fn about_message(
        &mut self,
        emit: &mut Emit<'_, '_>,
        kind: EventType,
        message: &Message<'_>,
        rest: impl FnOnce(&mut RecordWriter<'_>),
    ) {
        let (span, leg) = (self.span(emit), self.leg(emit));
        let mut event = emit.event(kind, span);
        if let Some(leg) = leg {
            event.uint(Key::QUEUE_ID, leg);
        }
        event
            .text_if(Key::ACCOUNT_NAME, self.line.user)
            .text_if(Key::SESSION, self.line.session);
        event
            .text_if(Key::MESSAGE_ID, message.id)
            .text_if(Key::FROM, message.from);
        if let Some(size) = message.size {
            event.uint(Key::SIZE, size);
        }
        rest(&mut event);
        event.finish();
    }

    fn saved(&mut self, emit: &mut Emit<'_, '_>, message: &Message<'_>, mailbox: &[u8]) {
        self.about_message(emit, ingest_of(mailbox), message, |event| {
            event.text_if(Key::MAILBOX_NAME, mailbox);
        });
    }

    fn sieve(&mut self, emit: &mut Emit<'_, '_>, sieve: &Sieve<'_>) {
        let (kind, target) = match sieve.action {
            SieveAction::Stored => (ingest_of(sieve.target), Key::MAILBOX_NAME),
            SieveAction::Forwarded => (EventType::SIEVE_ACTION_REDIRECT, Key::TO),
            SieveAction::Discarded => (EventType::SIEVE_ACTION_DISCARD, Key::MAILBOX_NAME),
            SieveAction::Rejected => (EventType::SIEVE_ACTION_REJECT, Key::FROM),
            SieveAction::VacationSent => (EventType::SIEVE_ACTION_VACATION, Key::TO),
            SieveAction::Notified => (EventType::SIEVE_SEND_MESSAGE, Key::TO),
            SieveAction::Failed => (EventType::SIEVE_RUNTIME_ERROR, Key::DETAILS),
            SieveAction::ForwardDuplicate
            | SieveAction::VacationNotSent
            | SieveAction::Program
            | SieveAction::Note => (EventType::SIEVE_ACTION_KEEP, Key::DETAILS),
        };
        self.about_message(emit, kind, &sieve.message, |event| {
            event
                .text_if(target, sieve.target)
                .text_if(Key::REASON, sieve.text);
        });
    }

    fn relayed(&mut self, emit: &mut Emit<'_, '_>, relayed: &Relayed<'_>) {
        let span = self.span(emit);
        let kind = if relayed.accepted {
            EventType::SMTP_MAIL_FROM
        } else {
            EventType::SMTP_REJECTED
        };
        let mut event = emit.event(kind, span);
        event
            .text_if(Key::ACCOUNT_NAME, self.line.user)
            .text_if(Key::ID, relayed.id);
        event
            .text_if(Key::FROM, relayed.from)
            .text_if(Key::TO, relayed.to);
        if let Some(size) = relayed.size {
            event.uint(Key::SIZE, size);
        }
        if let Some(recipients) = relayed.recipients {
            event.uint(Key::TOTAL, recipients);
        }
        event.text_if(Key::DETAILS, relayed.reply).finish();
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

/// Mail filed as spam counts as such.
fn ingest_of(mailbox: &[u8]) -> EventType {
    let name = mailbox
        .rsplit(|byte| matches!(byte, b'/' | b'.'))
        .next()
        .unwrap_or(mailbox);
    let is_spam = [b"junk".as_slice(), b"spam", b"bulk mail"]
        .iter()
        .any(|spam| name.eq_ignore_ascii_case(spam));
    if is_spam {
        EventType::MESSAGE_INGEST_SPAM
    } else {
        EventType::MESSAGE_INGEST_HAM
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

fn client(event: &mut RecordWriter<'_>, who: &Who<'_>) {
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

fn account(event: &mut RecordWriter<'_>, who: &Who<'_>) {
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
