//! From a line to its events: envelope, statement, correlator, in one call.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use tidings_event::Drafts;
use tidings_mail::correlate::{Correlator, LineAt, Lookup};
use tidings_mail::envelope::{Clock, ClockSettings, Envelope, Family, Format, Repeat, read};
use tidings_mail::{dovecot, postfix};

/// Programs that are told apart when recognition is counted; further ones count under `other`.
const PROGRAMS_MAX: usize = 1000;

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interpreted {
    /// When it was written, in nanoseconds since the unix epoch.
    pub time_ns: i64,
    /// How many events it gave, at least 1.
    pub events: u16,
    /// Its statement is known.
    pub recognised: bool,
}

/// Whether `journalctl` wrote a line itself, between those of the programs.
fn is_of_journalctl(line: &[u8]) -> bool {
    const BEGIN: [&[u8]; 6] = [
        b"Boot ",
        b"Reboot --",
        b"Journal begins at ",
        b"Logs begin at ",
        b"No entries --",
        b"cursor: ",
    ];
    let Some(says) = line.strip_prefix(b"-- ") else {
        return false;
    };
    BEGIN.iter().any(|begin| says.starts_with(begin))
        && (says.ends_with(b" --") || says.starts_with(b"cursor: "))
}

/// How many lines a program wrote, and how many of them were understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recognition {
    /// Lines.
    pub lines: u64,
    /// Lines whose statement is known.
    pub recognised: u64,
}

/// What the lines of a stream leave for the next one, so that another interpreter goes on as if it
/// had read them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trail {
    /// Time of the last line that had one.
    last_ns: i64,
    /// The last line that was not a repetition.
    last_line: Vec<u8>,
    /// Number of the last line, and how many events it gave.
    number: u64,
    events: u16,
}

/// Interprets the lines of one stream, in order.
#[derive(Debug)]
pub struct Interpreter {
    clock: Clock,
    format: Format,
    scratch: Vec<u8>,
    stream: u32,
    stream_key: u64,
    /// Time of the last line that had one, for lines that have none.
    last_ns: i64,
    /// The last line that was not a repetition, for `last message repeated`.
    last_line: Vec<u8>,
    /// Number of the last line, and how many events it gave: of a line that comes in pieces, the
    /// next one's events count on.
    last_number: Option<u64>,
    last_events: u16,
    recognition: FxHashMap<Box<[u8]>, Recognition>,
}

impl Interpreter {
    /// An interpreter for a stream with this number in the store; `stream_key` is what tells the
    /// stream from others in ids, the same whenever it is read.
    pub fn new(stream: u32, stream_key: u64, clock: ClockSettings) -> Interpreter {
        let last_ns = clock.reference_ns;
        Interpreter {
            clock: Clock::new(clock),
            format: Format::Unknown,
            scratch: Vec::new(),
            stream,
            stream_key,
            last_ns,
            last_line: Vec::new(),
            last_number: None,
            last_events: 0,
            recognition: FxHashMap::default(),
        }
    }

    /// Tells the time of the first line that has one: lines before it were written then, or shortly
    /// before, as where a file begins in the middle of a line.
    pub(crate) fn begin_at(&mut self, first_ns: i64) {
        self.last_ns = first_ns;
    }

    /// As [`new`](Self::new), for a stream whose lines up to here left this trail.
    pub(crate) fn behind(
        stream: u32,
        stream_key: u64,
        clock: ClockSettings,
        trail: &Trail,
    ) -> Interpreter {
        // The last line's time tells its year.
        let reference_ns = clock.reference_ns;
        let clock = ClockSettings {
            year: None,
            reference_ns: trail.last_ns,
            ..clock
        };
        let mut next = Interpreter::new(stream, stream_key, clock);
        let mut scratch = Vec::new();
        let envelope = read(&trail.last_line, next.format, &mut scratch);
        next.format = envelope.format;
        next.clock.resolve(&envelope.stamp);
        next.clock.set_reference(reference_ns);
        next.last_ns = trail.last_ns;
        next.last_line.clone_from(&trail.last_line);
        next.last_number = Some(trail.number);
        next.last_events = trail.events;
        next
    }

    /// What the lines so far leave for the next one.
    pub(crate) fn trail(&self) -> Trail {
        Trail {
            last_ns: self.last_ns,
            last_line: self.last_line.clone(),
            number: self.last_number.unwrap_or(0),
            events: self.last_events,
        }
    }

    /// Interprets line number `number`, without its line end, and appends its events to `out`. A
    /// line may come in pieces, which share its number.
    pub fn line(
        &mut self,
        raw: &[u8],
        number: u64,
        correlator: &mut Correlator,
        lookup: &dyn Lookup,
        out: &mut Drafts,
    ) -> Interpreted {
        let line = raw.strip_suffix(b"\r").unwrap_or(raw);
        let start = out.len();
        let mut scratch = std::mem::take(&mut self.scratch);
        let envelope = read(line, self.format, &mut scratch);
        self.format = envelope.format;
        let time_ns = self.time_of(&envelope);
        let done = match envelope.repeated {
            Some(Repeat::Previous(times)) => {
                self.repeat_previous(time_ns, number, times, correlator, lookup, out)
            }
            Some(Repeat::This(times)) => self.statement(
                &envelope,
                time_ns,
                number,
                times.max(1),
                correlator,
                lookup,
                out,
            ),
            None => {
                let done = self.statement(&envelope, time_ns, number, 1, correlator, lookup, out);
                if !is_of_journalctl(line) {
                    self.last_line.clear();
                    self.last_line.extend_from_slice(line);
                }
                done
            }
        };
        self.scratch = scratch;
        if self.last_number == Some(number) {
            // The events of a line in pieces have places of their own.
            for position in out
                .headers_since(start)
                .filter_map(|header| header.position.as_mut())
            {
                position.ordinal = position.ordinal.saturating_add(self.last_events);
            }
            self.last_events = self.last_events.saturating_add(done.events);
        } else {
            self.last_events = done.events;
        }
        self.last_number = Some(number);
        done
    }

    /// How many bytes of the next lines in `text` are to be taken so that those written up to
    /// `limit_ns` are, the first line in any case, and when the line behind was written (or the
    /// last, if all are taken). A line without its end is left out; 0 bytes if there is no other.
    pub(crate) fn lines_until(&self, text: &[u8], limit_ns: i64) -> (usize, i64) {
        let end = memchr::memrchr(b'\n', text).map_or(0, |at| at + 1);
        let mut scratch = Vec::new();
        let mut time_of = |line: &[u8], clock: &mut Clock| {
            let envelope = read(line, self.format, &mut scratch);
            clock
                .resolve(&envelope.stamp)
                .map(|resolved| resolved.time_ns)
        };
        let start_of_last = memchr::memrchr(b'\n', &text[..end.saturating_sub(1)]);
        let last = &text[start_of_last.map_or(0, |at| at + 1)..end];
        if let Some(last_ns) = time_of(last, &mut self.clock.clone())
            && last_ns <= limit_ns
        {
            return (end, last_ns);
        }
        let (mut start, mut last_ns) = (0, self.last_ns);
        let mut clock = self.clock.clone();
        for at in memchr::memchr_iter(b'\n', &text[..end]) {
            last_ns = time_of(&text[start..at], &mut clock).unwrap_or(last_ns);
            if last_ns > limit_ns && start > 0 {
                return (start, last_ns);
            }
            start = at + 1;
        }
        (end, last_ns)
    }

    /// Tells the time of receipt: no line lies after it.
    pub fn set_now(&mut self, now_ns: i64) {
        self.clock.set_reference(now_ns);
    }

    /// How well each program was understood so far.
    pub fn recognition(&self) -> impl Iterator<Item = (&[u8], Recognition)> {
        self.recognition
            .iter()
            .map(|(program, counts)| (&**program, *counts))
    }

    /// Time of the last line.
    pub fn last_ns(&self) -> i64 {
        self.last_ns
    }

    fn time_of(&mut self, envelope: &Envelope<'_>) -> i64 {
        if let Some(resolved) = self.clock.resolve(&envelope.stamp) {
            self.last_ns = resolved.time_ns;
        }
        self.last_ns
    }

    /// `last message repeated 3 times`: the line before counts that often more.
    fn repeat_previous(
        &mut self,
        time_ns: i64,
        number: u64,
        times: u32,
        correlator: &mut Correlator,
        lookup: &dyn Lookup,
        out: &mut Drafts,
    ) -> Interpreted {
        let last_line = std::mem::take(&mut self.last_line);
        let mut scratch = Vec::new();
        let envelope = read(&last_line, self.format, &mut scratch);
        let done = self.statement(
            &envelope,
            time_ns,
            number,
            times.max(1),
            correlator,
            lookup,
            out,
        );
        self.last_line = last_line;
        done
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one line")]
    fn statement(
        &mut self,
        envelope: &Envelope<'_>,
        time_ns: i64,
        number: u64,
        repeated: u32,
        correlator: &mut Correlator,
        lookup: &dyn Lookup,
        out: &mut Drafts,
    ) -> Interpreted {
        let program = envelope.program();
        let at = LineAt {
            time_ns,
            host: envelope.host,
            tag: envelope.tag,
            listener: program.listener,
            service: program.service,
            pid: envelope.pid,
            stream: self.stream,
            line: number,
            stream_key: self.stream_key,
            repeated,
        };
        let (events, recognised) = match program.family {
            Family::Postfix => {
                let line = postfix::parse(program.service, envelope.body);
                let recognised = line.says != postfix::Says::Unrecognised;
                (correlator.postfix(&at, &line, lookup, out), recognised)
            }
            Family::Dovecot => {
                let line = dovecot::read(envelope);
                let recognised = line.says != dovecot::Says::Unrecognised;
                (correlator.dovecot(&at, &line, out), recognised)
            }
            _ if is_of_journalctl(envelope.body) => (correlator.aside(&at, out), true),
            _ => (correlator.unrecognised(&at, out), false),
        };
        self.count(envelope.tag, recognised);
        Interpreted {
            time_ns,
            events,
            recognised,
        }
    }

    fn count(&mut self, program: &[u8], recognised: bool) {
        if let Some(counts) = self.recognition.get_mut(program) {
            counts.lines += 1;
            counts.recognised += u64::from(recognised);
            return;
        }
        let program = if self.recognition.len() < PROGRAMS_MAX {
            program
        } else {
            b"other"
        };
        let counts = self.recognition.entry(program.into()).or_default();
        counts.lines += 1;
        counts.recognised += u64::from(recognised);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_event::EventType;
    use tidings_mail::correlate::{Limits, NoLookup};
    use tidings_mail::envelope::Zone;

    /// They were counted, and shown, as lines of a program that is not understood.
    #[test]
    fn the_lines_of_journalctl_are_kept_and_not_unrecognised() {
        let settings = ClockSettings {
            zone: Zone::Utc,
            year: None,
            reference_ns: 1_795_352_324_000_000_000,
        };
        let mut interpreter = Interpreter::new(1, 7, settings);
        let mut correlator = Correlator::new(Limits::default());
        let lines = [
            "-- Journal begins at Mon 2026-11-02 10:00:00 UTC, ends at Sun 2026-11-22 13:00:00 UTC. --",
            "Nov 22 13:20:57 mx postfix/qmgr[3]: 4jXV7r3l54z1YS3r: removed",
            "-- Boot 3e1c6a3b7f0d4c0f9f2a --",
            "-- Logs begin at Mon 2026-11-02 10:00:00 UTC, end at Sun 2026-11-22 13:00:00 UTC. --",
            "-- Reboot --",
            "-- No entries --",
            "-- cursor: s=6a;i=1;b=2",
            "Nov 22 13:20:58 mx last message repeated 2 times",
            "-- Boot of something else",
        ];
        let mut seen = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            let mut out = Drafts::default();
            let (line, number) = (line.as_bytes(), number as u64);
            let done = interpreter.line(line, number, &mut correlator, &NoLookup, &mut out);
            let kind = out.iter().next().unwrap().header().kind;
            seen.push((done.recognised, kind));
        }
        let aside = (true, EventType::SOURCE_LINE);
        let removed = (true, EventType::DELIVERY_COMPLETED);
        assert_eq!(seen[..4], [aside, removed, aside, aside]);
        assert_eq!(seen[4..7], [aside; 3]);
        // The repetition is of the last line that a program wrote.
        assert!(seen[7].0, "{:?}", seen[7]);
        assert_eq!(seen[8], (false, EventType::SOURCE_LINE_UNRECOGNISED));
    }
}
