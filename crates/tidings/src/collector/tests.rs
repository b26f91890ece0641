use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::{Interest, Level, Received, Settings, Subscription, emit};

/// An event of a span with this id makes the collector panic, once for each time set.
static FAIL_AT: AtomicU64 = AtomicU64::new(0);

pub(super) fn fail_if_told(event: &merge::Event<'_>) {
    if event.span != 0
        && FAIL_AT
            .compare_exchange(event.span, 0, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    {
        panic!("told to");
    }
}

/// The one test of this binary that runs the process's telemetry.
#[test]
fn a_collector_that_panics_goes_on_and_counts_the_event() {
    let telemetry = crate::start(Settings::default()).unwrap();
    let all = Subscription::new("all").interest(Interest::all());
    let mut subscriber = telemetry.subscribe(all).unwrap();
    let span = crate::span!(Smtp::ConnectionStart);
    for number in 0..100u64 {
        emit!(Auth::Success, total = number);
        if number == 50 {
            telemetry.flush(Duration::from_secs(5)).unwrap();
            FAIL_AT.store(span.id().0, Ordering::Relaxed);
            emit!(in span, Auth::Failed);
        }
    }
    drop(span);
    telemetry.flush(Duration::from_secs(5)).unwrap();
    telemetry.shutdown(Duration::from_secs(5)).unwrap();
    let mut names = Vec::new();
    let mut lost = 0;
    while let Received::Batch(batch) = subscriber.next(Duration::from_secs(5)) {
        for event in batch.events().map(Result::unwrap) {
            names.push(event.kind().name());
            if event.kind() == EventType::TELEMETRY_EVENTS_LOST {
                lost += event.uint(Key::COUNT).unwrap();
                assert_eq!(event.str(Key::REASON), Some("collector failed"));
                assert_eq!(event.level(), Level::Warn);
            }
        }
    }
    let count = |name| names.iter().filter(|known| **known == name).count();
    assert_eq!(count("auth.success"), 100);
    assert_eq!(count("auth.failed"), 0);
    assert_eq!(count("telemetry.collector-restarted"), 1);
    assert_eq!(count("smtp.connection-end"), 1);
    assert_eq!(lost, 1);
}
