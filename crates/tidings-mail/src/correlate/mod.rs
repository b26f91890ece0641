//! The correlator: turns statements into events with spans and ids.
//!
//! A pure, bounded state machine. It is fed one line at a time, in the order of its stream, and
//! appends its events to a buffer. It knows which SMTP session a process is in, which message
//! a queue id means right now, and which delivery attempt is running; it does not know the clock
//! (its time is the lines' time, host by host) and keeps no message: what became of a message follows from the
//! events ([`crate::message`]).
//!
//! **Memory.** At most [`Limits::legs`] open queue ids and [`Limits::sessions`] sessions are
//! remembered; beyond that closed sessions go first, then what was opened longest ago. Removed queue ids stay for
//! [`CLOSED_FOR_NS`] of log time, at most [`Limits::closed_legs`] of them, so that lines that
//! come late still find them.
//!
//! **Identity.** A queue id is scoped by host alone: Postfix's tag names the instance, or the
//! listener, as the administrator pleases (`syslog_name`), so one message may pass through several
//! tags; and ids hold the inode and the microsecond, so two instances do not share one. A line for a queue id that was forgotten opens a partial leg: with
//! a long queue id it has the same `queueId`, with a short one [`Lookup`] may know it.
//!
//! **Determinism.** Ids derive from the lines alone (`docs/format.md`, "Ids"): the same lines in
//! the same order give the same bytes, also when the state was saved and restored in between.

mod attempts;
mod dovecot;
mod emit;
mod legs;
mod names;
mod postfix;
mod rules;
mod sessions;
mod snapshot;
mod spans;

use tidings_event::{Drafts, EventType, Key, stable_hash};

use attempts::Attempts;
use emit::Emit;
use legs::Legs;
use names::Names;
use rules::Rules;
use sessions::Sessions;
use spans::SpanIds;

pub use crate::saved::SavedError;

/// How long a removed queue id is remembered for lines that come late, in log time.
pub const CLOSED_FOR_NS: i64 = 30_000_000_000;

/// How far lines may be out of order and still be put right.
pub const DISORDER_NS: i64 = 2_000_000_000;

/// Ends of lost sessions that one line's events tell of at most; the next lines go on.
const LOST_AT_ONCE: usize = 256;

/// How much the correlator remembers at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Queue ids that are not removed yet (about 200 bytes each).
    pub legs: usize,
    /// Removed queue ids kept for late lines.
    pub closed_legs: usize,
    /// Sessions (about 100 bytes each).
    pub sessions: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            legs: 100_000,
            closed_legs: 50_000,
            sessions: 50_000,
        }
    }
}

/// Earlier facts that the correlator has forgotten or never saw.
///
/// Called while a line is processed, on the same thread; may read storage. `None` is always a
/// correct answer: the line then opens a partial leg.
pub trait Lookup {
    /// The `queueId` of the leg that the short queue id `id` of `host` meant at `time_ns`.
    fn queue_id(&self, host: &[u8], id: &[u8], time_ns: i64) -> Option<u64>;
}

/// Knows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLookup;

impl Lookup for NoLookup {
    fn queue_id(&self, _: &[u8], _: &[u8], _: i64) -> Option<u64> {
        None
    }
}

/// Whether a queue id of Postfix is a long one. Long ids hold seconds, microseconds and inode and
/// are never used again; a `z` tells them from short ones, which are hexadecimal.
pub fn is_long_id(id: &[u8]) -> bool {
    memchr::memchr(b'z', id).is_some()
}

/// The `queueId` of a long queue id: it follows from host and id. Its upper half is the second that
/// the id holds, so that ids made at a time are near each other and a message is found by its time;
/// its lower half is made of the rest, so that messages of one host never share one.
pub fn long_queue_id(host: &[u8], id: &[u8]) -> u64 {
    let within = long_id_parts(id).map(|(micros, inode)| within_second(host, micros, inode));
    queue_id(
        seconds_of_long_id(id).unwrap_or(0),
        within.unwrap_or_else(|| stable_hash(&[host, id]) as u32),
    )
}

/// The `queueId` of a short queue id, which is used again: it follows from host, id and the time
/// of the leg's first known line, whose second is its upper half. Its lower half is made as that of
/// a long one.
pub fn short_queue_id(host: &[u8], id: &[u8], first_ns: i64) -> u64 {
    let seconds = first_ns.div_euclid(1_000_000_000);
    let within = short_id_parts(id).map(|(micros, inode)| within_second(host, micros, inode));
    queue_id(
        seconds,
        within.unwrap_or_else(|| stable_hash(&[host, id, &first_ns.to_le_bytes()]) as u32),
    )
}

/// The second that a `queueId` holds, since the unix epoch.
pub fn seconds_of_queue_id(queue_id: u64) -> i64 {
    (queue_id >> 32) as i64
}

fn queue_id(seconds: i64, within: u32) -> u64 {
    let seconds = u32::try_from(seconds).unwrap_or(0);
    (u64::from(seconds) << 32 | u64::from(within)).max(1)
}

/// Tells the messages of a second apart. Of one host, two have the same only with the same
/// microsecond and inodes that are the same in their lower 12 bits: files that are there at the same
/// time have different inodes, which lie near each other. Of two hosts, by chance: one in 2³².
fn within_second(host: &[u8], micros: u32, inode: u32) -> u32 {
    (micros << 12 | inode & 0xfff) ^ stable_hash(&[host]) as u32
}

const MICROS_PER_SECOND: u32 = 1_000_000;

/// Microseconds and inode of a long queue id: six digits of seconds and four of microseconds in
/// base 52, `z`, the inode in base 51. `None` for what is none.
fn long_id_parts(id: &[u8]) -> Option<(u32, u32)> {
    let (_, rest) = id.split_first_chunk::<6>()?;
    let (micros, rest) = rest.split_first_chunk::<4>()?;
    let micros = number(micros, 52).filter(|micros| *micros < MICROS_PER_SECOND)?;
    let inode = number(rest.strip_prefix(b"z")?, 51)?;
    Some((micros, inode))
}

/// Microseconds and inode of a short queue id of Postfix: five hexadecimal digits and the rest.
/// `None` for what is none.
fn short_id_parts(id: &[u8]) -> Option<(u32, u32)> {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    let (micros, inode) = id.split_first_chunk::<5>()?;
    if inode.is_empty() || !id.iter().all(digit) {
        return None;
    }
    let number = |digits: &[u8]| {
        digits.iter().fold(0u32, |number, digit| {
            let value = (*digit as char).to_digit(16).unwrap_or(0);
            number.wrapping_mul(16).wrapping_add(value)
        })
    };
    Some((number(micros), number(inode))).filter(|(micros, _)| *micros < MICROS_PER_SECOND)
}

/// The second since the unix epoch at which a long queue id was made: its first six digits, in base
/// 52. `None` for what is none.
pub(crate) fn seconds_of_long_id(id: &[u8]) -> Option<i64> {
    let (first, _) = id.split_first_chunk::<6>()?;
    first.iter().try_fold(0, |seconds, digit| {
        Some(seconds * 52 + i64::from(value_of(*digit)?))
    })
}

/// A number of Postfix, its lower 32 bits; `None` where there is another character.
fn number(digits: &[u8], base: u32) -> Option<u32> {
    digits.iter().try_fold(0u32, |number, digit| {
        let value = value_of(*digit).filter(|value| *value < base)?;
        Some(number.wrapping_mul(base).wrapping_add(value))
    })
}

/// The value of a digit in the numbers of Postfix's long queue ids.
fn value_of(digit: u8) -> Option<u32> {
    const DIGITS: &[u8; 52] = b"0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
    let value = DIGITS.iter().position(|known| *known == digit)?;
    u32::try_from(value).ok()
}

/// Everything about a line besides its statement.
#[derive(Clone, Copy, Debug)]
pub struct LineAt<'a> {
    /// When, in nanoseconds since the unix epoch.
    pub time_ns: i64,
    /// The host that logged it; empty if unknown.
    pub host: &'a [u8],
    /// The whole syslog tag without pid: `postfix/submission/smtpd`, `dovecot`.
    pub tag: &'a [u8],
    /// Middle part of the tag, the listener: `submission`; usually empty.
    pub listener: &'a [u8],
    /// Last part of the tag: `smtpd`.
    pub service: &'a [u8],
    /// Process id.
    pub pid: Option<u32>,
    /// Number of the stream in this store.
    pub stream: u32,
    /// Number of the line in the stream, from 0.
    pub line: u64,
    /// What tells this stream from others in ids; the same whenever the stream is read.
    pub stream_key: u64,
    /// How often the line is to be counted (`message repeated 3 times: […]`), at least 1.
    pub repeated: u32,
}

/// The state machine. See the module's documentation.
#[derive(Clone, Debug)]
pub struct Correlator {
    limits: Limits,
    names: Names,
    sessions: Sessions,
    legs: Legs,
    rules: Rules,
    attempts: Attempts,
    spans: SpanIds,
}

impl Correlator {
    /// An empty state.
    pub fn new(limits: Limits) -> Correlator {
        Correlator {
            limits,
            names: Names::default(),
            sessions: Sessions::default(),
            legs: Legs::default(),
            rules: Rules::default(),
            attempts: Attempts::default(),
            spans: SpanIds::default(),
        }
    }

    /// Takes a line of Postfix, appends its events to `out` and gives their number, at least 1.
    pub fn postfix(
        &mut self,
        at: &LineAt<'_>,
        line: &crate::postfix::Line<'_>,
        lookup: &dyn Lookup,
        out: &mut Drafts,
    ) -> u16 {
        self.forget(at);
        let mut emit = Emit::new(out, at);
        postfix::step(self, lookup, line, &mut emit);
        self.end_lost(&mut emit);
        emit.finish(EventType::SOURCE_LINE)
    }

    /// Takes a line of Dovecot, appends its events to `out` and gives their number, at least 1.
    pub fn dovecot(
        &mut self,
        at: &LineAt<'_>,
        line: &crate::dovecot::Line<'_>,
        out: &mut Drafts,
    ) -> u16 {
        self.forget(at);
        let program = [b"dovecot/", line.service].concat();
        let at = LineAt {
            tag: &program,
            pid: at.pid.or(line.pid),
            ..*at
        };
        let mut emit = Emit::new(out, &at);
        dovecot::step(self, line, &mut emit);
        self.end_lost(&mut emit);
        emit.finish(EventType::SOURCE_LINE)
    }

    /// Takes a line of a program whose statements are not known, appends one event to `out`.
    pub fn unrecognised(&mut self, at: &LineAt<'_>, out: &mut Drafts) -> u16 {
        self.forget(at);
        Emit::new(out, at).finish(EventType::SOURCE_LINE_UNRECOGNISED)
    }

    /// Takes a line that is known to say nothing of mail, appends one event to `out`.
    pub fn aside(&mut self, at: &LineAt<'_>, out: &mut Drafts) -> u16 {
        self.forget(at);
        Emit::new(out, at).finish(EventType::SOURCE_LINE)
    }

    /// How many sessions were told to have started, by events of this type, and not to have ended
    /// yet: what the gauges of active connections show of the lines so far.
    pub fn active_sessions(&self, started_by: EventType) -> usize {
        self.sessions.active(started_by)
    }

    /// Tells of the ends of sessions that the log leaves open. The first event of a line is its
    /// own: it carries the line.
    fn end_lost(&mut self, emit: &mut Emit<'_, '_>) {
        if emit.is_empty() {
            return;
        }
        for _ in 0..LOST_AT_ONCE {
            let Some((span, kind)) = self.sessions.next_lost() else {
                return;
            };
            let mut event = emit.event(kind.end(), Some(span));
            event.str(Key::REASON, "its end is not in the log").finish();
        }
    }

    /// Begins a file, or what was `added` to one. What is remembered of a host's processes and short
    /// queue ids holds on only if its lines go on near where they stopped; else pids and short ids
    /// may mean others now. Messages of which both files tell are found by what they tell
    /// ([`Folder::mend`](crate::message::Folder::mend)).
    pub fn begin_file(&mut self, added: bool) {
        self.names.begin_file(added);
    }

    /// Forgets what no line that comes after `now_ns` can mean: removed queue ids, failed sign-ins.
    /// Of sessions, those that were closed long before the end of their host's log: what is added
    /// to it may begin with a line that repeats its last one, whenever it is read.
    pub fn forget_closed(&mut self, now_ns: i64) {
        self.legs.forget_closed(now_ns);
        self.sessions.forget_closed(&self.names);
        self.attempts.forget_closed(now_ns);
        self.spans.forget();
    }

    /// How many open legs, closed legs and sessions are remembered.
    pub fn sizes(&self) -> (usize, usize, usize) {
        let (open, closed) = self.legs.sizes();
        (open, closed, self.sessions.len())
    }

    fn forget(&mut self, at: &LineAt<'_>) {
        let host = self.names.number(at.host);
        if !self.names.goes_on(host, at.time_ns) {
            self.legs.forget_short_of(host);
            self.sessions.forget_processes_of(host);
            self.rules.forget_host(host);
        }
        self.names.note_time(host, at.time_ns);
        self.legs.forget(&self.names, &self.limits);
        self.sessions.forget(self.limits.sessions, &self.names);
    }
}

#[cfg(test)]
mod pair_tests;
#[cfg(test)]
mod tests;
