use tidings_event::{Header, MetricKind, Position, RecordWriter};

use super::*;

fn record(header: &Header, pairs: impl FnOnce(&mut RecordWriter<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = RecordWriter::begin(&mut bytes, header);
    pairs(&mut writer);
    writer.finish();
    drop(writer);
    bytes
}

fn feed(meters: &Meters, kind: EventType, pairs: impl FnOnce(&mut RecordWriter<'_>)) {
    let bytes = record(&Header::new(kind, 5), pairs);
    meters.record(&EventRef::read(&bytes).unwrap().0);
}

fn of<'r>(readings: &'r [Reading], name: &str) -> &'r SeriesValue {
    let reading = readings.iter().find(|reading| reading.name == name);
    &reading
        .unwrap_or_else(|| panic!("no reading of {name}"))
        .series[0]
        .value
}

fn histogram(meters: &Meters, name: &str) -> Distribution {
    match of(&meters.read(&Selection::all()), name) {
        SeriesValue::Histogram(distribution) => distribution.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn all_metrics_are_read_in_order_and_zeros_too() {
    let readings = Meters::new(7).read(&Selection::all());
    assert_eq!(readings.len(), 369);
    let kinds: Vec<_> = readings.iter().map(|reading| reading.kind).collect();
    assert!(kinds[..342].iter().all(|kind| *kind == MetricKind::Counter));
    assert_eq!(readings[342].name, "server.memory");
    assert!(
        kinds[352..]
            .iter()
            .all(|kind| *kind == MetricKind::Histogram)
    );
    assert!(readings.iter().all(|reading| reading.created_ns == 7));
    let chosen = Selection::new(Policy::Include, ["queue.count", "auth.*"]).unwrap();
    let meters = Meters::new(0);
    meters.count(EventType::SMTP_EHLO);
    assert_eq!(meters.read(&chosen).len(), 5);
}

#[test]
fn events_that_are_counted_and_events_that_are_not() {
    let meters = Meters::new(0);
    meters.count(EventType::AUTH_FAILED);
    feed(&meters, EventType::AUTH_FAILED, |_| {});
    meters.count(EventType::IMAP_CONNECTION_END);
    for uncounted in [EventType::SMTP_RAW_INPUT, EventType::from_id(60_000)] {
        meters.count(uncounted);
        feed(&meters, uncounted, |_| {});
        assert_eq!(meters.counter(uncounted), 0);
    }
    assert_eq!(meters.counter(EventType::AUTH_FAILED), 2);
    assert_eq!(meters.counter(EventType::IMAP_CONNECTION_END), 1);
    let readings = meters.read(&Selection::all());
    let counted = readings.iter().filter(|reading| {
        matches!(reading.series[0].value, SeriesValue::Counter { count, .. } if count > 0)
    });
    assert_eq!(counted.count(), 2);
}

/// With plain stores on what threads without a slot share, this loses counts.
#[test]
fn counts_of_more_threads_than_slots_add_up() {
    const COUNTS: u64 = 300_000;
    let meters = Meters::new(0);
    let (slots_taken, done) = (
        std::sync::Barrier::new(slot::SLOTS + 2),
        std::sync::Barrier::new(slot::SLOTS + 2),
    );
    std::thread::scope(|scope| {
        for _ in 0..slot::SLOTS {
            scope.spawn(|| {
                meters.count(EventType::SMTP_CONNECTION_START);
                slots_taken.wait();
                done.wait();
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                slots_taken.wait();
                for _ in 0..COUNTS {
                    meters.count(EventType::SMTP_CONNECTION_START);
                    meters.observe(EventType::SMTP_CONNECTION_END, 3);
                }
                done.wait();
            });
        }
    });
    let expected = 2 * COUNTS + slot::SLOTS as u64;
    assert_eq!(meters.counter(EventType::SMTP_CONNECTION_START), expected);
    assert_eq!(meters.gauge(Gauge::SmtpConnections), expected);
    let times = histogram(&meters, "smtp.request-time");
    assert_eq!((times.count(), times.sum), (2 * COUNTS, 6 * COUNTS));
}

#[test]
fn slots_are_handed_on_with_all_that_was_counted() {
    let meters = Meters::new(0);
    for _ in 0..500 {
        std::thread::scope(|scope| {
            scope.spawn(|| meters.count(EventType::AUTH_SUCCESS));
        });
    }
    assert_eq!(meters.counter(EventType::AUTH_SUCCESS), 500);
}

#[test]
fn gauges_follow_events_and_stop_at_zero() {
    let meters = Meters::new(0);
    // Ended, but begun before the counting.
    meters.count(EventType::IMAP_CONNECTION_END);
    assert_eq!(meters.gauge(Gauge::ImapConnections), 0);
    meters.count(EventType::IMAP_CONNECTION_START);
    feed(&meters, EventType::IMAP_CONNECTION_START, |_| {});
    meters.count(EventType::IMAP_CONNECTION_END);
    assert_eq!(meters.gauge(Gauge::ImapConnections), 1);

    feed(&meters, EventType::QUEUE_MESSAGE_QUEUED, |_| {});
    // Of a notice, a log tells twice: where it is made, and where it comes into the queue.
    let header = Header {
        position: Some(Position {
            stream: 1,
            line: 2,
            ordinal: 0,
        }),
        ..Header::new(EventType::QUEUE_DSN_QUEUED, 0)
    };
    let linked = record(&header, |event| {
        event.str(Key::PARENT_QUEUE_ID, "4jXTsn2mtCz1X5k9");
    });
    meters.record(&EventRef::read(&linked).unwrap().0);
    feed(&meters, EventType::QUEUE_DSN_QUEUED, |_| {});
    assert_eq!(meters.gauge(Gauge::QueueCount), 2);
    assert_eq!(meters.counter(EventType::QUEUE_DSN_QUEUED), 1);
    for _ in 0..3 {
        feed(&meters, EventType::DELIVERY_COMPLETED, |_| {});
    }
    assert_eq!(meters.gauge(Gauge::QueueCount), 0);
    meters.set_gauge(Gauge::UserCount, u64::MAX);
    assert_eq!(
        *of(&meters.read(&Selection::all()), "user.count"),
        SeriesValue::Gauge(i64::MAX)
    );
}

#[test]
fn histograms_take_durations_and_sizes_and_nothing_else() {
    let meters = Meters::new(0);
    feed(&meters, EventType::DELIVERY_ATTEMPT_END, |event| {
        event.duration_ms(Key::ELAPSED, 250);
    });
    feed(&meters, EventType::DELIVERY_ATTEMPT_END, |event| {
        event.duration_ms(Key::ELAPSED, 251);
    });
    feed(&meters, EventType::DELIVERY_ATTEMPT_END, |event| {
        event.uint(Key::ELAPSED, 1);
    });
    feed(&meters, EventType::QUEUE_MESSAGE_QUEUED, |event| {
        event.uint(Key::SIZE, 1530);
    });
    feed(&meters, EventType::QUEUE_MESSAGE_QUEUED, |event| {
        event.duration_ms(Key::SIZE, 1530);
    });
    let times = histogram(&meters, "delivery.attempt-time");
    assert_eq!((&times.counts[..3], times.sum), (&[1, 1, 0][..], 501));
    assert_eq!(times.extremes, Some((250, 251)));
    assert_eq!(histogram(&meters, "message.size").count(), 1);
    assert_eq!(
        meters.value_key(EventType::QUEUE_MESSAGE_QUEUED),
        Some(Key::SIZE)
    );
    assert_eq!(
        meters.value_key(EventType::SMTP_CONNECTION_END),
        Some(Key::ELAPSED)
    );
    assert_eq!(meters.value_key(EventType::AUTH_FAILED), None);
}

/// The reference never counts a look-up of names or addresses, as those events have no counter.
#[test]
fn look_ups_are_timed_but_not_deliveries_that_ended_in_one() {
    let meters = Meters::new(0);
    for (kind, millis) in [
        (EventType::DELIVERY_MX_LOOKUP, 12),
        (EventType::DELIVERY_IP_LOOKUP, 7),
        (EventType::MTA_STS_AUTHORIZED, 3),
        (EventType::DANE_TLSA_RECORD_FETCH, 2),
        (EventType::TLS_RPT_RECORD_FETCH, 2),
        (EventType::DELIVERY_NULL_MX, 1),
        (EventType::DELIVERY_MX_LOOKUP, 0),
    ] {
        feed(&meters, kind, |event| {
            event.duration_ms(Key::ELAPSED, millis);
        });
    }
    let from_log = Header {
        position: Some(Position {
            stream: 0,
            line: 9,
            ordinal: 0,
        }),
        ..Header::new(EventType::DELIVERY_NULL_MX, 5)
    };
    let bytes = record(&from_log, |event| {
        event.duration_ms(Key::ELAPSED, 340_000);
    });
    meters.record(&EventRef::read(&bytes).unwrap().0);
    meters.observe(EventType::DELIVERY_MX_LOOKUP, 0);
    let times = histogram(&meters, "dns.lookup-time");
    assert_eq!((times.count(), times.sum), (6, 27));
}

#[test]
fn the_latest_span_is_the_exemplar() {
    let meters = Meters::new(0);
    for (span, time_ns) in [(7, 100), (8, 200), (0, 300)] {
        let header = Header {
            span: Some(Id(span)),
            ..Header::new(EventType::SMTP_CONNECTION_END, time_ns)
        };
        let bytes = record(&header, |event| {
            event.duration_ms(Key::ELAPSED, 10 + span);
        });
        meters.record(&EventRef::read(&bytes).unwrap().0);
    }
    let expected = Exemplar {
        value: 1,
        time_ns: 200,
        span: Id(8),
    };
    let readings = meters.read(&Selection::all());
    assert_eq!(
        *of(&readings, "smtp.connection-end"),
        SeriesValue::Counter {
            count: 3,
            exemplar: Some(expected)
        }
    );
    let times = histogram(&meters, "smtp.request-time");
    assert_eq!(times.count(), 3);
    assert_eq!(
        times.exemplars[0],
        Some(Exemplar {
            value: 18,
            ..expected
        })
    );
}

#[test]
fn a_collector_adds_the_spans_of_what_was_counted_before() {
    let meters = Meters::new(0);
    meters.count(EventType::SMTP_CONNECTION_END);
    meters.observe(EventType::SMTP_CONNECTION_END, 812);
    let header = Header {
        span: Some(Id(8)),
        ..Header::new(EventType::SMTP_CONNECTION_END, 200)
    };
    let bytes = record(&header, |event| {
        event.duration_ms(Key::ELAPSED, 812);
    });
    meters.remember(&EventRef::read(&bytes).unwrap().0);
    let readings = meters.read(&Selection::all());
    let SeriesValue::Counter { count, exemplar } = of(&readings, "smtp.connection-end") else {
        panic!("a counter");
    };
    assert_eq!(
        (*count, exemplar.map(|exemplar| exemplar.span)),
        (1, Some(Id(8)))
    );
    let times = histogram(&meters, "smtp.request-time");
    assert_eq!(times.count(), 1);
    let spans: Vec<_> = times
        .exemplars
        .iter()
        .flatten()
        .map(|e| (e.value, e.span))
        .collect();
    assert_eq!(spans, [(812, Id(8))]);
}
