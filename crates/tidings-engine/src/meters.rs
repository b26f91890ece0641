//! Counts every event once: the catalogue's metrics and those with labels.

use std::sync::Arc;

use tidings::meters::{Family, Meters, Selection, folded};
use tidings_event::{EventRef, Reading};
use tidings_mail::labels::{self, QUEUE_MESSAGES, measure};
use tidings_mail::provider::Providers;

/// The metrics of a mail server, fed by its events.
///
/// All methods take `&self` and may be called from any thread. Memory is bounded whatever the events
/// say: see [`tidings::meters::Family`].
pub struct MailMeters {
    meters: Arc<Meters>,
    providers: Arc<Providers>,
    /// In the order of [`labels::Family::ALL`].
    families: Vec<Family>,
    queue: Family,
}

impl MailMeters {
    /// Counts into `meters` and into families of its own, which begin at the same time.
    pub fn new(meters: Arc<Meters>, providers: Arc<Providers>) -> MailMeters {
        let created_ns = meters.created_ns();
        let families = labels::Family::ALL.into_iter();
        MailMeters {
            families: families
                .map(|family| Family::new(family.info(), created_ns))
                .collect(),
            queue: Family::new(&QUEUE_MESSAGES, created_ns),
            meters,
            providers,
        }
    }

    /// The catalogue's metrics.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Counts an event, in all metrics. To be called once for each event, when it is appended to the
    /// spool; not for events that were counted where they came from, nor for imported ones, which
    /// are not of now. Waits for nobody.
    pub fn record(&self, event: &EventRef<'_>) {
        self.meters.record(event);
        self.record_labels(event);
    }

    /// Counts an event in the metrics with labels only: for one that was counted in
    /// [`meters`](Self::meters) when it was emitted.
    pub fn record_labels(&self, event: &EventRef<'_>) {
        let header = event.header();
        let span = header
            .span
            .filter(|span| span.0 != 0)
            .map(|span| (span, header.time_ns));
        measure(event, &self.providers, |measured| {
            let Some(family) = self.families.get(measured.family as usize) else {
                return;
            };
            let labels = &measured.labels;
            if family.info().bounds.is_empty() {
                family.count(labels, measured.value, span);
            } else {
                family.observe(labels, measured.value, span);
            }
        });
    }

    /// Sets how many messages are in the queue in this state: `in-queue`, `deferred`, `held`.
    pub fn set_queue(&self, state: &str, messages: u64) {
        self.queue
            .set(&[state], i64::try_from(messages).unwrap_or(i64::MAX));
    }

    /// What the catalogue's metrics show now.
    pub fn read(&self, selection: &Selection) -> Vec<Reading> {
        self.meters.read(selection)
    }

    /// What the metrics with labels show now, and how many measurements were counted under `other`.
    pub fn read_labelled(&self) -> Vec<Reading> {
        let families = self.families.iter().chain([&self.queue]);
        let mut readings: Vec<Reading> = families.clone().map(Family::read).collect();
        readings.push(folded(families, self.meters.created_ns()));
        readings
    }
}

#[cfg(test)]
mod tests {
    use tidings_event::{EventType, Header, Id, Key, RecordWriter, SeriesValue};

    use super::*;

    #[test]
    fn an_event_counts_in_both_sets() {
        let meters = MailMeters::new(
            Arc::new(Meters::new(5)),
            Arc::new(Providers::builtin().clone()),
        );
        let mut bytes = Vec::new();
        let header = Header {
            span: Some(Id(9)),
            ..Header::new(EventType::AUTH_FAILED, 7)
        };
        let mut event = RecordWriter::begin(&mut bytes, &header);
        event.str(Key::LISTENER_ID, "imaps").finish();
        drop(event);
        meters.record(&EventRef::read(&bytes).unwrap().0);
        meters.set_queue("held", 3);
        assert_eq!(meters.meters().counter(EventType::AUTH_FAILED), 1);
        let readings = meters.read_labelled();
        let of = |name: &str| {
            let reading = readings
                .iter()
                .find(|reading| reading.name == name)
                .unwrap();
            (reading.created_ns, reading.series.clone())
        };
        let (created_ns, sign_ins) = of("mail_sign_ins");
        assert_eq!((created_ns, sign_ins.len()), (5, 1));
        assert_eq!(
            sign_ins[0].labels,
            [("protocol", "imap".into()), ("result", "failed".into())]
        );
        let SeriesValue::Counter { count, exemplar } = &sign_ins[0].value else {
            panic!("{sign_ins:?}");
        };
        assert_eq!(
            (*count, exemplar.map(|exemplar| exemplar.span)),
            (1, Some(Id(9)))
        );
        assert_eq!(of("mail_queue_messages").1[0].value, SeriesValue::Gauge(3));
        assert!(of("tidings_metrics_folded").1.len() > 10);
    }
}
