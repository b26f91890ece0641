//! What smtpd remarks about its client: TLS, sign-ins, limits, breaches of protocol.

use tidings_event::{EventType, Key};

use super::{Step, ip_if, peer};
use crate::correlate::attempts::Teller;
use crate::correlate::emit::Emit;
use crate::correlate::legs::Role;
use crate::postfix::{Peer, Says};

impl Step<'_, '_> {
    pub(super) fn tls(&mut self, emit: &mut Emit<'_, '_>, says: &Says<'_>) {
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
                    self.session_of(emit, other).or(span)
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

    /// Whether the program that smtpd asked has told of this failed sign-in already.
    fn is_told(&mut self, emit: &Emit<'_, '_>, client: &Peer<'_>, user: &[u8]) -> bool {
        let time_ns = emit.at().time_ns;
        client.ip.is_some_and(|ip| {
            let attempts = &mut self.state.attempts;
            attempts.tell(self.host, ip, user, time_ns, Teller::Smtpd)
        })
    }

    /// A client that does not keep to the protocol.
    pub(super) fn violation(
        &mut self,
        emit: &mut Emit<'_, '_>,
        (what, stage, data): (&[u8], &[u8], &[u8]),
        client: &Peer<'_>,
    ) {
        let span = self.session_of(emit, client);
        let mut event = emit.event(EventType::SMTP_PROTOCOL_VIOLATION, span);
        peer(&mut event, client);
        event
            .text(Key::REASON, what)
            .text_if(Key::STAGE, stage)
            .text_if(Key::CONTENTS, data)
            .finish();
    }

    /// Anything else that smtpd remarks about its client.
    pub(super) fn remark(&mut self, emit: &mut Emit<'_, '_>, says: &Says<'_>) {
        match says {
            Says::HostnameMismatch {
                hostname,
                ip,
                reason,
            } => {
                let span = self.session_of_process(emit);
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
                let kind = self.sasl_failure(emit, client, user, reason, *aborted);
                let span = self
                    .session_of(emit, client)
                    .or_else(|| self.session_of_process(emit));
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
                let span = self.session_of_process(emit);
                let mut event = emit.event(limit_event(what), span);
                peer(&mut event, client);
                event
                    .text(Key::REASON, what)
                    .uint(Key::TOTAL, *count)
                    .text_if(Key::LISTENER_ID, service)
                    .finish();
            }
            _ => {}
        }
    }

    fn sasl_failure(
        &mut self,
        emit: &Emit<'_, '_>,
        client: &Peer<'_>,
        user: &[u8],
        reason: &[u8],
        aborted: bool,
    ) -> EventType {
        const LOST: &[u8] = b"Connection lost to authentication server";
        if memchr::memmem::find(reason, LOST).is_some() {
            EventType::AUTH_ERROR
        } else if aborted {
            EventType::AUTH_ABORTED
        } else if self.is_told(emit, client, user) {
            EventType::AUTH_WARNING
        } else {
            EventType::AUTH_FAILED
        }
    }
}

/// Of a limit, by its name in the log.
fn limit_event(what: &[u8]) -> EventType {
    let concurrency = memchr::memmem::find(what, b"concurrency").is_some();
    if concurrency || what.starts_with(b"Too many") {
        EventType::SMTP_CONCURRENCY_LIMIT_EXCEEDED
    } else {
        EventType::SMTP_RATE_LIMIT_EXCEEDED
    }
}
