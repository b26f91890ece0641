//! Deliveries over LMTP and by the delivery agent, with what Sieve scripts do.

use std::net::IpAddr;

use tidings_event::{Draft, EventType, Id, Key, stable_hash};

use super::Step;
use crate::correlate::DISORDER_NS;
use crate::correlate::emit::Emit;
use crate::correlate::sessions::{Ending, SessionKey, new_session};
use crate::dovecot::{Message, Relayed, Says, Sieve, SieveAction};

/// How long the delivery agent is silent within one run at most: scripts may call programs.
const RUN_NS: i64 = 10_000_000_000;

impl Step<'_, '_> {
    pub(super) fn lmtp_connect(
        &mut self,
        emit: &mut Emit<'_, '_>,
        peer: &[u8],
        ip: Option<IpAddr>,
    ) {
        let time_ns = emit.at().time_ns;
        let key = self.connection_key(emit, peer);
        let known = self.state.sessions.get_mut(&key, time_ns);
        if let Some(known) = known.filter(|known| known.is_same_start(time_ns, ip)) {
            let span = known.span;
            emit.event(EventType::SOURCE_LINE, Some(span)).finish();
            return;
        }
        let known = self.state.sessions.get_mut(&key, time_ns);
        let is_over = known.is_some_and(|known| known.ended_with_next(time_ns, ip));
        let span = self.state.spans.fresh(emit.at());
        if !is_over {
            let session = new_session(span, time_ns, ip, false);
            self.state.sessions.open(key, session);
        }
        of_lmtp(emit, EventType::SMTP_CONNECTION_START, Some(span), peer, ip).finish();
        if is_over {
            of_lmtp(emit, EventType::SMTP_CONNECTION_END, Some(span), peer, ip).finish();
        }
    }

    /// What tells a connection from others: its process. Where the log has no process ids, a server
    /// has one connection at a time, so that each start still has its end.
    fn connection_key(&self, emit: &Emit<'_, '_>, peer: &[u8]) -> SessionKey {
        let host = self.host;
        match emit.at().pid {
            Some(pid) => SessionKey::Process { host, pid },
            None => SessionKey::Hash {
                host,
                hash: stable_hash(&[b"lmtp", peer]),
            },
        }
    }

    /// Ends the connection that this process is in.
    fn end_lmtp(
        &mut self,
        emit: &Emit<'_, '_>,
        peer: &[u8],
        ip: Option<IpAddr>,
    ) -> (Option<Id>, Ending) {
        let key = self.connection_key(emit, peer);
        let time_ns = emit.at().time_ns;
        let known = self.state.sessions.get_mut(&key, time_ns);
        let known = known.filter(|known| !known.closed || time_ns - known.last_ns <= DISORDER_NS);
        let session = match known {
            Some(known) => known,
            None => {
                let span = self.state.spans.fresh(emit.at());
                self.state
                    .sessions
                    .open(key, new_session(span, time_ns, ip, true))
            }
        };
        session.last_ns = session.last_ns.max(time_ns);
        (Some(session.span), session.end())
    }

    pub(super) fn lmtp_disconnect(
        &mut self,
        emit: &mut Emit<'_, '_>,
        peer: &[u8],
        ip: Option<IpAddr>,
        reason: &[u8],
        state: &[u8],
    ) {
        let (span, ending) = self.end_lmtp(emit, peer, ip);
        if ending == Ending::Told {
            emit.event(EventType::SOURCE_LINE, span).finish();
            return;
        }
        if ending == Ending::Both {
            of_lmtp(emit, EventType::SMTP_CONNECTION_START, span, peer, ip).finish();
        }
        of_lmtp(emit, EventType::SMTP_CONNECTION_END, span, peer, ip)
            .text_if(Key::REASON, reason)
            .text_if(Key::STAGE, state)
            .finish();
    }

    pub(super) fn saved(&mut self, emit: &mut Emit<'_, '_>, message: &Message<'_>, mailbox: &[u8]) {
        self.about_message(emit, ingest_of(mailbox), message, |event| {
            event.text_if(Key::MAILBOX_NAME, mailbox);
        });
    }

    /// A delivery that did not end in a mailbox of this server.
    pub(super) fn not_saved(&mut self, emit: &mut Emit<'_, '_>) {
        match &self.line.says {
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
                self.about_message(emit, kind, message, |event| {
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
                self.about_message(emit, EventType::SIEVE_ACTION_REJECT, message, |event| {
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
                let span = self.span(emit);
                emit.event(kind, span)
                    .text(Key::TO, to)
                    .text_if(Key::HOSTNAME, host)
                    .text(key, reply)
                    .finish();
            }
            _ => {}
        }
    }

    pub(super) fn sieve(&mut self, emit: &mut Emit<'_, '_>, sieve: &Sieve<'_>) {
        let (kind, target) = match sieve.action {
            SieveAction::Stored => (ingest_of(sieve.target), Key::MAILBOX_NAME),
            SieveAction::Forwarded => (EventType::SIEVE_ACTION_REDIRECT, Key::TO),
            SieveAction::Discarded => (EventType::SIEVE_ACTION_DISCARD, Key::MAILBOX_NAME),
            SieveAction::Rejected => (EventType::SIEVE_ACTION_REJECT, Key::FROM),
            SieveAction::VacationSent => (EventType::SIEVE_ACTION_VACATION, Key::TO),
            SieveAction::Notified => (EventType::SIEVE_SEND_MESSAGE, Key::TO),
            SieveAction::Failed => (EventType::SIEVE_RUNTIME_ERROR, Key::DETAILS),
            // The script wanted it sent on and nothing else, and that was done before.
            SieveAction::ForwardDuplicate if is_duplicate(sieve.text) => {
                (EventType::SIEVE_ACTION_DISCARD, Key::TO)
            }
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

    pub(super) fn relayed(&mut self, emit: &mut Emit<'_, '_>, relayed: &Relayed<'_>) {
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

    /// The leg of an LMTP session, or of a run of the delivery agent. Before sessions were logged, and
    /// by the agent until 2.3, lines of one run are known by user and Message-ID.
    pub(super) fn leg(&mut self, emit: &Emit<'_, '_>, message_id: &[u8]) -> Option<u64> {
        if !self.is_delivery() {
            return None;
        }
        let session = self.line.base_session();
        let host = emit.at().host;
        if !session.is_empty() {
            let service: &[u8] = if self.line.service == b"lmtp" {
                b"lmtp"
            } else {
                b"lda"
            };
            return Some(stable_hash(&[host, service, session]).max(1));
        }
        let user = self.line.user;
        if user.is_empty() && message_id.is_empty() {
            return None;
        }
        let pid = emit.at().pid.unwrap_or(0).to_le_bytes();
        let hash = stable_hash(&[b"lda", user, message_id, &pid]);
        let (time_ns, host_number) = (emit.at().time_ns, self.host);
        let key = SessionKey::Hash {
            host: host_number,
            hash,
        };
        let known = self.state.sessions.get_mut(&key, time_ns);
        let known = known.filter(|run| (time_ns - run.last_ns).abs() <= RUN_NS);
        let run = match known {
            Some(run) => run,
            None => {
                let span = self.state.spans.fresh(emit.at());
                let run = new_session(span, time_ns, None, true);
                self.state.sessions.open(key, run)
            }
        };
        run.last_ns = run.last_ns.max(time_ns);
        let start = run.start_ns.to_le_bytes();
        Some(stable_hash(&[host, b"lda", user, message_id, &pid, &start]).max(1))
    }

    /// An event about a message that is being delivered.
    fn about_message(
        &mut self,
        emit: &mut Emit<'_, '_>,
        kind: EventType,
        message: &Message<'_>,
        rest: impl FnOnce(&mut Draft<'_>),
    ) {
        let (span, leg) = (self.span(emit), self.leg(emit, message.id));
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
}

/// Whether a message was not sent on because it had been before; a loop is another reason.
fn is_duplicate(text: &[u8]) -> bool {
    memchr::memmem::find(text, b"discarded duplicate").is_some()
}

/// Mail filed as spam counts as such.
/// An event of a connection over LMTP.
fn of_lmtp<'e>(
    emit: &'e mut Emit<'_, '_>,
    kind: EventType,
    span: Option<Id>,
    peer: &[u8],
    ip: Option<IpAddr>,
) -> Draft<'e> {
    let mut event = emit.event(kind, span);
    event
        .str(Key::LISTENER_ID, "lmtp")
        .text_if(Key::HOSTNAME, peer);
    if let Some(ip) = ip {
        event.ip(Key::REMOTE_IP, ip);
    }
    event
}

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
