//! What is dropped when its time is over, and room for series.

use tidings_engine::{SampleQuery, SampleRules, SampleValue};
use tidings_spool::fault::MemoryBackend;

use super::support::{Hand, START_MS, labelled, open};

const HOUR_NS: i64 = 3_600_000_000_000;

#[test]
fn minutes_go_after_two_days_and_scheduled_rows_when_it_is_said() {
    let disk = MemoryBackend::new();
    let engine = open(&disk);
    let samples = engine.samples();
    assert_eq!(samples.maintain(0, &SampleRules::default()).unwrap(), 0);
    assert!(samples.query(&SampleQuery::default()).unwrap().is_empty());
    let mut hand = Hand::default();
    let start_ns = START_MS * 1_000_000;
    // Every six hours of a hundred days.
    for tick in 0..400 {
        hand.count(0, 1);
        let time_ns = start_ns + tick * 6 * HOUR_NS;
        samples.write(time_ns, &hand.read(), true).unwrap();
    }
    let now_ns = start_ns + 399 * 6 * HOUR_NS;
    let count = |fine| {
        let query = SampleQuery {
            fine,
            ..SampleQuery::default()
        };
        samples.count(&query).unwrap()
    };
    assert_eq!((count(true), count(false)), (400, 400));
    let for_ever = SampleRules {
        scheduled_ns: None,
        ..SampleRules::default()
    };
    assert_eq!(samples.maintain(now_ns, &for_ever).unwrap(), 400 - 9);
    assert_eq!((count(true), count(false)), (9, 400));
    assert_eq!(
        samples.maintain(now_ns, &SampleRules::default()).unwrap(),
        400 - 361
    );
    assert_eq!((count(true), count(false)), (9, 361));
    // Not every minute for one row, but when an hour's are over.
    for (later_ns, removed) in [(HOUR_NS / 2, 0), (2 * HOUR_NS, 2)] {
        assert_eq!(
            samples
                .maintain(now_ns + later_ns, &SampleRules::default())
                .unwrap(),
            removed
        );
    }
    let query = SampleQuery {
        is_ascending: true,
        limit: 1,
        ..SampleQuery::default()
    };
    let oldest = samples.query(&query).unwrap().remove(0);
    assert!(oldest.time_ns >= now_ns + 2 * HOUR_NS - 90 * 24 * HOUR_NS);
}

#[test]
fn series_beyond_the_limit_are_counted_and_come_in_when_there_is_room() {
    let disk = MemoryBackend::new();
    let engine = open(&disk);
    let room = 16_384;
    let start_ns = START_MS * 1_000_000;
    assert_eq!(
        engine
            .samples()
            .write(start_ns, &[labelled(0..room, 1)], true)
            .unwrap(),
        room
    );
    drop(engine);
    // Another process measures other hosts.
    let engine = open(&disk);
    let samples = engine.samples();
    let others = |count| [labelled(room..room + 5, count)];
    assert_eq!(
        samples.write(start_ns + HOUR_NS, &others(1), true).unwrap(),
        0
    );
    assert_eq!(samples.left_out(), 5);
    // The old ones go with their rows.
    let later_ns = start_ns + 91 * 24 * HOUR_NS;
    assert_eq!(
        samples.maintain(later_ns, &SampleRules::default()).unwrap(),
        2
    );
    assert_eq!(samples.write(later_ns, &others(3), true).unwrap(), 5);
    let query = SampleQuery {
        with_labels: true,
        ..SampleQuery::default()
    };
    let found = samples.query(&query).unwrap();
    assert_eq!(found.len(), 5);
    // Nothing of what was left out is missing.
    assert!(
        found
            .iter()
            .all(|sample| sample.value == SampleValue::Counter { count: 3 })
    );
    assert_eq!(
        (samples.left_out(), engine.verify().unwrap().problems.len()),
        (5, 0)
    );
}
