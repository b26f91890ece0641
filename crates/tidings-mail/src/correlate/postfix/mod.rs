//! Postfix statements to events: sessions of smtpd and postscreen, the life of a queue id.

mod client;
mod delivery;
mod queue;
mod receive;
mod refusal;
mod rejection;
mod reply;
mod screen;
mod session;

use std::net::IpAddr;

use tidings_event::{Draft, EventType, Id, Key};

use super::emit::Emit;
use super::legs::{Leg, LegKey, Role};
use super::{Correlator, Lookup, long_queue_id, short_queue_id};
use crate::postfix::{Line, Peer, Says, Severity};

/// Takes one statement and writes its events.
pub(super) fn step(
    state: &mut Correlator,
    lookup: &dyn Lookup,
    line: &Line<'_>,
    emit: &mut Emit<'_, '_>,
) {
    let host = state.names.number(emit.at().host);
    let mut step = Step {
        state,
        lookup,
        host,
        id: line.queue_id,
    };
    match &line.says {
        Says::Connect { client } => step.connect(emit, client),
        Says::Disconnect { client, commands } => step.disconnect(emit, client, commands),
        Says::SessionLost { how, stage, client } => step.session_lost(emit, *how, stage, client),
        Says::ProtocolViolation {
            what,
            stage,
            client,
            data,
        } => step.violation(emit, (what, stage, data), client),
        Says::TlsEstablished { .. } | Says::TlsError { .. } | Says::TlsNote { .. } => {
            step.tls(emit, &line.says)
        }
        Says::HostnameMismatch { .. } | Says::SaslFailed { .. } | Says::LimitExceeded { .. } => {
            step.remark(emit, &line.says)
        }
        Says::Client(client) => step.client(emit, client),
        Says::Reject(reject) => step.reject(emit, reject),
        Says::Action(action) => step.action(emit, action),
        Says::ScreenConnect { .. }
        | Says::ScreenVerdict { .. }
        | Says::ScreenDnsbl { .. }
        | Says::ScreenHangup { .. }
        | Says::ScreenDisconnect { .. }
        | Says::DnsblListed { .. } => step.screen(emit, &line.says),
        Says::Pickup { uid, from, orig_id } => step.pickup(emit, uid, *from, orig_id),
        Says::MessageId { id, resent } => step.message_id(emit, id, *resent),
        Says::QueueActive {
            from,
            size,
            recipients,
        } => step.queue_active(emit, from, *size, *recipients),
        Says::Delivery(delivery) => step.delivery(emit, delivery),
        Says::Expired { from, forced } => step.expired(emit, from, *forced),
        Says::HostSaid { .. } | Says::ConnectFailed { .. } | Says::ConversationLost { .. } => {
            step.aside(emit, &line.says);
        }
        Says::Notification { kind, child } => step.notification(emit, *kind, child),
        Says::Removed => step.removed(emit),
        Says::Dropped { reason } => step.dropped(emit, reason),
        Says::Operator { what } => step.operator(emit, *what),
        Says::MilterTrouble { milter, reason } => step.milter_trouble(emit, milter, reason),
        Says::Started { .. }
        | Says::Stopped { .. }
        | Says::Reloaded { .. }
        | Says::Statistics { .. } => server(emit, &line.says),
        Says::Note { text } => step.note(emit, EventType::SERVER_NOTICE, text),
        Says::Trouble { text, .. } if *text == refusal::TOO_LARGE && line.queue_id.is_some() => {
            step.too_large(emit, text);
        }
        Says::Trouble { severity, text } => step.note(emit, trouble_event(*severity), text),
        Says::Unrecognised => emit
            .event(EventType::SOURCE_LINE_UNRECOGNISED, None)
            .finish(),
    }
}

/// One line being worked on.
struct Step<'s, 'l> {
    state: &'s mut Correlator,
    lookup: &'s dyn Lookup,
    host: u16,
    id: Option<&'l [u8]>,
}

/// The ids that events of a message carry.
struct Ids<'l> {
    queue_id: Option<u64>,
    mta: &'l [u8],
}

impl Ids<'_> {
    fn write(&self, event: &mut Draft<'_>) {
        if let Some(queue_id) = self.queue_id {
            event.uint(Key::QUEUE_ID, queue_id);
        }
        event.text_if(Key::MTA_QUEUE_ID, self.mta);
    }
}

impl<'l> Step<'_, 'l> {
    fn leg_key(&self) -> Option<LegKey> {
        LegKey::new(self.host, self.id?)
    }

    /// The leg that the line's queue id means, for a line with this role.
    fn leg(&mut self, emit: &Emit<'_, '_>, role: Role) -> Option<(LegKey, &mut Leg)> {
        let key = self.leg_key()?;
        Some((key, self.leg_of(emit, key, role)))
    }

    fn leg_of(&mut self, emit: &Emit<'_, '_>, key: LegKey, role: Role) -> &mut Leg {
        let at = emit.at();
        let lookup = self.lookup;
        self.state.legs.find(key, role, at.time_ns, || {
            if key.is_long() {
                return long_queue_id(at.host, key.id());
            }
            let opens = matches!(role, Role::Opens { .. } | Role::Derives);
            let known = if opens {
                None
            } else {
                lookup.queue_id(at.host, key.id(), at.time_ns)
            };
            known.unwrap_or_else(|| short_queue_id(at.host, key.id(), at.time_ns))
        })
    }

    /// Span and ids for an event about the line's queue id: the running attempt, else the session
    /// that received it.
    fn ids(&mut self, emit: &Emit<'_, '_>, role: Role) -> (Option<Id>, Ids<'l>) {
        let mta = self.id.unwrap_or_default();
        match self.leg(emit, role) {
            Some((_, leg)) => (
                leg.attempt.or(leg.session),
                Ids {
                    queue_id: Some(leg.queue_id),
                    mta,
                },
            ),
            None => (
                None,
                Ids {
                    queue_id: None,
                    mta,
                },
            ),
        }
    }

    /// An event that carries the text as it is.
    fn note(&mut self, emit: &mut Emit<'_, '_>, kind: EventType, text: &[u8]) {
        let (span, ids) = match self.id {
            Some(_) => self.ids(emit, Role::Continues),
            None => (
                self.session_of_process(emit),
                Ids {
                    queue_id: None,
                    mta: b"",
                },
            ),
        };
        let mut event = emit.event(kind, span);
        ids.write(&mut event);
        event.text(Key::MESSAGE, text).finish();
    }
}

fn trouble_event(severity: Severity) -> EventType {
    match severity {
        Severity::Info => EventType::SERVER_NOTICE,
        Severity::Warning => EventType::SERVER_WARNING,
        Severity::Error | Severity::Fatal | Severity::Panic => EventType::SERVER_ERROR,
    }
}

fn server(emit: &mut Emit<'_, '_>, says: &Says<'_>) {
    let (kind, key, text) = match says {
        Says::Started { version } => (EventType::SERVER_STARTUP, Key::VERSION, *version),
        Says::Stopped { text } => (EventType::SERVER_SHUTDOWN, Key::MESSAGE, *text),
        Says::Reloaded { text } => (EventType::SERVER_RELOAD, Key::MESSAGE, *text),
        Says::Statistics { text } => (EventType::SERVER_STATISTICS, Key::MESSAGE, *text),
        _ => return,
    };
    emit.event(kind, None).text_if(key, text).finish();
}

/// The null sender is `<>`, as in the reference's events.
fn sender(from: &[u8]) -> &[u8] {
    if from.is_empty() { b"<>" } else { from }
}

fn peer(event: &mut Draft<'_>, peer: &Peer<'_>) {
    event.text_if(Key::HOSTNAME, peer.name);
    ip_if(event, peer.ip);
    if let Some(port) = peer.port {
        event.uint(Key::REMOTE_PORT, u64::from(port));
    }
}

fn ip_if<'e, 'b>(event: &'e mut Draft<'b>, ip: Option<IpAddr>) -> &'e mut Draft<'b> {
    match ip {
        Some(ip) => event.ip(Key::REMOTE_IP, ip),
        None => event,
    }
}

/// Seconds with a fraction, as logged, in milliseconds.
fn millis(seconds: &[u8]) -> Option<u64> {
    let seconds: f64 = std::str::from_utf8(seconds).ok()?.parse().ok()?;
    (0.0..1e12)
        .contains(&seconds)
        .then(|| (seconds * 1000.0).round() as u64)
}
