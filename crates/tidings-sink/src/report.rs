//! Reports: what an output says of itself, as events of the catalogue, at most one a minute of a kind.

use tidings_event::{EventType, Header, Key, RecordWriter};

/// Least time between two reports of one kind by one output.
pub(crate) const REPORT_INTERVAL_NS: u64 = 60_000_000_000;

/// Something that an output has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The event type: `telemetry.log-error`, `telemetry.output-skipped` and the like.
    pub kind: EventType,
    /// The output's name in the settings.
    pub output: String,
    /// What was tried, on what; may be empty.
    pub details: String,
    /// Why; may be empty.
    pub reason: String,
    /// How often it happened since the last report of this kind, this time included; for skipped
    /// and lost events their number.
    pub count: u64,
}

impl Report {
    /// The report as an event record with the keys `output`, `details`, `reason` and `count`.
    #[must_use]
    pub fn record(&self, time_ns: i64) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = RecordWriter::begin(&mut out, &Header::new(self.kind, time_ns));
        writer
            .str(Key::OUTPUT, &self.output)
            .text_if(Key::DETAILS, self.details.as_bytes())
            .text_if(Key::REASON, self.reason.as_bytes())
            .uint(Key::COUNT, self.count)
            .finish();
        drop(writer);
        out
    }
}

/// Takes reports, to make events of them. Called on the threads of drivers; should not block for
/// long, and must never wait for an output.
pub trait Reporter: Send + Sync {
    /// Takes one.
    fn report(&self, report: Report);
}

impl<F: Fn(Report) + Send + Sync> Reporter for F {
    fn report(&self, report: Report) {
        self(report);
    }
}

/// Lets one report of a kind through a minute, and adds up those between.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    kinds: Vec<Kind>,
}

#[derive(Debug)]
struct Kind {
    last_ns: u64,
    /// The newest one that was held back, with the count of all.
    held: Option<Report>,
    kind: EventType,
}

impl Limiter {
    /// The report to send now, if it is time for one.
    pub(crate) fn pass(&mut self, report: Report, now_ns: u64) -> Option<Report> {
        let Some(kind) = self.kinds.iter_mut().find(|kind| kind.kind == report.kind) else {
            self.kinds.push(Kind {
                last_ns: now_ns,
                held: None,
                kind: report.kind,
            });
            return Some(report);
        };
        let held = kind.held.take().map_or(0, |held| held.count);
        let report = Report {
            count: report.count.saturating_add(held),
            ..report
        };
        if now_ns.saturating_sub(kind.last_ns) < REPORT_INTERVAL_NS {
            kind.held = Some(report);
            return None;
        }
        kind.last_ns = now_ns;
        Some(report)
    }

    /// Those that were held back long enough; all of them at the end.
    pub(crate) fn due(&mut self, now_ns: u64, is_end: bool) -> Vec<Report> {
        let mut due = Vec::new();
        for kind in &mut self.kinds {
            let is_due = is_end || now_ns.saturating_sub(kind.last_ns) >= REPORT_INTERVAL_NS;
            if let Some(report) = kind.held.take_if(|_| is_due) {
                kind.last_ns = now_ns;
                due.push(report);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use tidings_event::EventRef;

    use super::*;

    fn report(kind: EventType, count: u64) -> Report {
        Report {
            kind,
            output: "main".to_owned(),
            details: "cannot write /var/log/x".to_owned(),
            reason: "disk full".to_owned(),
            count,
        }
    }

    #[test]
    fn one_report_of_a_kind_passes_in_a_minute_with_the_count_of_all() {
        let mut limiter = Limiter::default();
        let log = EventType::TELEMETRY_LOG_ERROR;
        let skipped = EventType::TELEMETRY_OUTPUT_SKIPPED;
        assert_eq!(limiter.pass(report(log, 1), 5).unwrap().count, 1);
        assert_eq!(limiter.pass(report(skipped, 30), 6).unwrap().count, 30);
        for at in 0..10 {
            assert!(limiter.pass(report(log, 1), 100 + at).is_none());
        }
        assert!(limiter.due(REPORT_INTERVAL_NS, false).is_empty());
        let due = limiter.due(REPORT_INTERVAL_NS + 5, false);
        assert_eq!(due.iter().map(|report| report.count).sum::<u64>(), 10);
        assert!(limiter.due(3 * REPORT_INTERVAL_NS, true).is_empty());
        assert_eq!(
            limiter
                .pass(report(log, 1), 3 * REPORT_INTERVAL_NS)
                .unwrap()
                .count,
            1
        );
        assert!(
            limiter
                .pass(report(log, 2), 3 * REPORT_INTERVAL_NS + 1)
                .is_none()
        );
        assert_eq!(limiter.due(3 * REPORT_INTERVAL_NS + 2, true)[0].count, 2);
    }

    #[test]
    fn a_report_is_an_event() {
        let record = report(EventType::TELEMETRY_LOG_ERROR, 3).record(17);
        let (event, rest) = EventRef::read(&record).unwrap();
        assert!(rest.is_empty());
        assert_eq!(event.str(Key::OUTPUT), Some("main"));
        assert_eq!(event.uint(Key::COUNT), Some(3));
        assert_eq!(event.kind(), EventType::TELEMETRY_LOG_ERROR);
    }
}
