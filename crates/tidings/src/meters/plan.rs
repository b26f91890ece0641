//! What each event does to the catalogue's metrics: which counter, gauge and histogram it moves.
//!
//! The rules are the reference's, with its faults mended: the ends of spans are counted too (their
//! counters have names, and a counter that always shows zero lies), and look-ups of names and
//! addresses feed `dns.lookup-time` though they have no counter of their own.

use tidings_event::{EventType, Key, MetricInfo, MetricKind};

use super::Gauge;

/// Events with an id from here on are not of the catalogue, and counted nowhere.
const EVENTS: usize = 1280;

/// Room for counters: all of the catalogue, which a test counts.
pub(super) const COUNTERS: usize = 352;

/// What an event does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effect {
    /// Index among the counters; [`Effect::NO_COUNTER`] if none.
    pub(super) counter: u16,
    /// 1 + the number of a gauge that rises, or the negative of that for one that falls; 0 for none.
    pub(super) gauge: i8,
    /// Index among the histograms; [`Effect::NO_HISTOGRAM`] if none.
    pub(super) histogram: u8,
}

impl Effect {
    pub(super) const NO_COUNTER: u16 = u16::MAX;
    pub(super) const NO_HISTOGRAM: u8 = u8::MAX;

    const NOTHING: Effect = Effect {
        counter: Effect::NO_COUNTER,
        gauge: 0,
        histogram: Effect::NO_HISTOGRAM,
    };
}

/// A histogram of the catalogue, and where its values come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct HistogramPlan {
    pub(super) metric: &'static MetricInfo,
    /// `size` or `elapsed`.
    pub(super) key: Key,
    /// Values of zero do not count, nor do those of events read from a log, whose `elapsed` is that
    /// of a delivery: the time of a look-up.
    pub(super) is_lookup: bool,
}

/// What all events do.
#[derive(Debug)]
pub(super) struct Plan {
    effects: [Effect; EVENTS],
    /// The counters, in the order of their events' ids.
    pub(super) counters: Vec<&'static MetricInfo>,
    pub(super) histograms: Vec<HistogramPlan>,
}

impl Plan {
    /// From the tables of the catalogue.
    pub(super) fn new() -> Plan {
        let mut plan = Plan {
            effects: [Effect::NOTHING; EVENTS],
            counters: Vec::new(),
            histograms: histograms(),
        };
        for info in EventType::all().filter(|info| info.is_metric()) {
            let metric = MetricInfo::from_name(info.name);
            let is_counter = |metric: &&MetricInfo| metric.kind == MetricKind::Counter;
            if let Some(metric) = metric.filter(is_counter)
                && let Some(effect) = plan.effects.get_mut(usize::from(info.id))
                && let Ok(counter) = u16::try_from(plan.counters.len())
            {
                effect.counter = counter;
                plan.counters.push(metric);
            }
        }
        plan.add_gauges();
        plan.add_histograms();
        plan
    }

    /// What this event does.
    #[inline]
    pub(super) fn of(&self, kind: EventType) -> Effect {
        match self.effects.get(usize::from(kind.id())) {
            Some(effect) => *effect,
            None => Effect::NOTHING,
        }
    }

    fn add_gauges(&mut self) {
        for (kind, gauge, rises) in MOVES {
            if let Some(effect) = self.effects.get_mut(usize::from(kind.id())) {
                // There are ten gauges.
                let number = 1 + *gauge as i8;
                effect.gauge = if *rises { number } else { -number };
            }
        }
    }

    fn add_histograms(&mut self) {
        for (kind, name) in VALUES {
            self.feed(*kind, name);
        }
        let is_lookup = |name: &str| {
            ["mta-sts.", "dane.", "tls-rpt."]
                .iter()
                .any(|group| name.starts_with(group))
        };
        for info in EventType::all().filter(|info| is_lookup(info.name)) {
            self.feed(EventType::from_id(info.id), LOOKUP_TIME);
        }
    }

    fn feed(&mut self, kind: EventType, name: &str) {
        let at = self
            .histograms
            .iter()
            .position(|known| known.metric.name == name);
        if let Some(effect) = self.effects.get_mut(usize::from(kind.id()))
            && let Some(at) = at.and_then(|at| u8::try_from(at).ok())
        {
            effect.histogram = at;
        }
    }
}

fn histograms() -> Vec<HistogramPlan> {
    MetricInfo::all()
        .iter()
        .filter(|metric| metric.kind == MetricKind::Histogram)
        .map(|metric| HistogramPlan {
            metric,
            key: if metric.unit == "bytes" {
                Key::SIZE
            } else {
                Key::ELAPSED
            },
            is_lookup: metric.name == LOOKUP_TIME,
        })
        .collect()
}

const LOOKUP_TIME: &str = "dns.lookup-time";

/// Gauges that events move, and whether they rise.
#[rustfmt::skip]
const MOVES: &[(EventType, Gauge, bool)] = &[
    (EventType::SMTP_CONNECTION_START, Gauge::SmtpConnections, true),
    (EventType::SMTP_CONNECTION_END, Gauge::SmtpConnections, false),
    (EventType::IMAP_CONNECTION_START, Gauge::ImapConnections, true),
    (EventType::IMAP_CONNECTION_END, Gauge::ImapConnections, false),
    (EventType::POP3_CONNECTION_START, Gauge::Pop3Connections, true),
    (EventType::POP3_CONNECTION_END, Gauge::Pop3Connections, false),
    (EventType::HTTP_CONNECTION_START, Gauge::HttpConnections, true),
    (EventType::HTTP_CONNECTION_END, Gauge::HttpConnections, false),
    (EventType::MANAGE_SIEVE_CONNECTION_START, Gauge::SieveConnections, true),
    (EventType::MANAGE_SIEVE_CONNECTION_END, Gauge::SieveConnections, false),
    (EventType::DELIVERY_ATTEMPT_START, Gauge::DeliveryConnections, true),
    (EventType::DELIVERY_ATTEMPT_END, Gauge::DeliveryConnections, false),
    (EventType::QUEUE_MESSAGE_QUEUED, Gauge::QueueCount, true),
    (EventType::QUEUE_AUTHENTICATED_MESSAGE_QUEUED, Gauge::QueueCount, true),
    (EventType::QUEUE_REPORT_QUEUED, Gauge::QueueCount, true),
    (EventType::QUEUE_DSN_QUEUED, Gauge::QueueCount, true),
    (EventType::QUEUE_AUTOGENERATED_QUEUED, Gauge::QueueCount, true),
    (EventType::DELIVERY_COMPLETED, Gauge::QueueCount, false),
];

/// Histograms that events feed.
#[rustfmt::skip]
const VALUES: &[(EventType, &str)] = &[
    (EventType::SMTP_CONNECTION_END, "smtp.request-time"),
    (EventType::IMAP_CONNECTION_END, "imap.request-time"),
    (EventType::POP3_CONNECTION_END, "pop3.request-time"),
    (EventType::HTTP_CONNECTION_END, "http.request-time"),
    (EventType::MANAGE_SIEVE_CONNECTION_END, "sieve.request-time"),
    (EventType::DELIVERY_ATTEMPT_END, "delivery.attempt-time"),
    (EventType::DELIVERY_COMPLETED, "delivery.total-time"),
    (EventType::DELIVERY_NULL_MX, LOOKUP_TIME),
    (EventType::DELIVERY_MX_LOOKUP, LOOKUP_TIME),
    (EventType::DELIVERY_IP_LOOKUP, LOOKUP_TIME),
    (EventType::MESSAGE_INGEST_HAM, "message-ingest.time"),
    (EventType::MESSAGE_INGEST_SPAM, "message-ingest.time"),
    (EventType::MESSAGE_INGEST_IMAP_APPEND, "message-ingest.time"),
    (EventType::MESSAGE_INGEST_JMAP_APPEND, "message-ingest.time"),
    (EventType::MESSAGE_INGEST_SEARCH_INDEX, "message-ingest.index-time"),
    (EventType::QUEUE_MESSAGE_QUEUED, "message.size"),
    (EventType::QUEUE_AUTHENTICATED_MESSAGE_QUEUED, "message.authenticated-size"),
    (EventType::QUEUE_REPORT_QUEUED, "outgoing-report.size"),
    (EventType::STORE_BLOB_WRITE, "store.blob-write-time"),
    (EventType::STORE_BLOB_READ, "store.blob-read-time"),
    (EventType::STORE_DATA_WRITE, "store.data-write-time"),
    (EventType::STORE_DATA_ITERATE, "store.data-read-time"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_catalogue_has_its_place() {
        let plan = Plan::new();
        let of_kind = |kind| MetricInfo::all().iter().filter(|m| m.kind == kind).count();
        assert_eq!(plan.counters.len(), of_kind(MetricKind::Counter));
        assert!(plan.counters.len() <= COUNTERS, "make COUNTERS larger");
        assert_eq!(plan.histograms.len(), of_kind(MetricKind::Histogram));
        assert_eq!(Gauge::ALL.len(), of_kind(MetricKind::Gauge));
        let top = EventType::all().map(|info| usize::from(info.id)).max();
        assert!(top < Some(EVENTS), "make EVENTS larger: {top:?}");
        // Each histogram is fed by some event, and by none that the catalogue lacks.
        for at in 0..plan.histograms.len() {
            let is_fed = plan
                .effects
                .iter()
                .any(|effect| usize::from(effect.histogram) == at);
            assert!(is_fed, "{}", plan.histograms[at].metric.name);
        }
        for (_, name) in VALUES {
            assert!(
                plan.histograms
                    .iter()
                    .any(|known| known.metric.name == *name),
                "{name}"
            );
        }
    }

    #[test]
    fn counters_are_in_the_order_of_their_events() {
        let ids: Vec<_> = Plan::new()
            .counters
            .iter()
            .map(|metric| EventType::from_name(metric.name).unwrap().id())
            .collect();
        assert!(ids.is_sorted());
    }
}
