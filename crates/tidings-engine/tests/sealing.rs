//! When the events in memory become parts: when they are many, and when their day is over.

#[allow(dead_code, reason = "it uses some of it")]
#[path = "crash/feeder.rs"]
mod feeder;
#[path = "crash/world.rs"]
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidings_engine::{Live, LiveOptions};
use tidings_spool::Backend;
use tidings_spool::fault::{ManualClock, MemoryBackend};

use feeder::{catch_up, live_options};
use world::{Shown, open};

const HOUR_NS: i64 = 3_600_000_000_000;

/// 2026-11-22T18:00:00Z.
const EVENING_NS: i64 = 1_795_370_400_000_000_000;

fn start_at(disk: &MemoryBackend, clock: &Arc<ManualClock>) -> Live {
    let engine = Arc::new(open(disk).unwrap());
    let clock = Arc::clone(clock);
    let live = engine.live(LiveOptions {
        seal_bytes: 16 << 20,
        clock,
        ..live_options()
    });
    let live = live.unwrap();
    catch_up(&live);
    live
}

fn ingest(live: &Live, name: &str, now_ns: i64) {
    let line = format!("{{\"type\":\"server.notice\",\"data\":{{\"message\":\"{name}\"}}}}\n");
    live.ingest(line.as_bytes(), now_ns).unwrap();
    catch_up(live);
}

/// Parts of the events table.
fn parts(disk: &MemoryBackend) -> usize {
    let files = disk.list(Path::new("events")).unwrap_or_default();
    let is_part = |name: &Path| name.extension().is_some_and(|ending| ending == "parquet");
    files
        .iter()
        .filter(|(name, _)| is_part(Path::new(name)))
        .count()
}

/// Waits for the history's thread to have looked at the clock.
fn parts_in_time(disk: &MemoryBackend, expected: usize) {
    for _ in 0..400 {
        if parts(disk) == expected {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(parts(disk), expected);
}

/// The history's thread looks at the clock every 200 ms.
fn stays(disk: &MemoryBackend, expected: usize) {
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(parts(disk), expected);
}

#[test]
fn a_quiet_server_seals_an_hour_after_the_end_of_the_day() {
    let (disk, clock) = (MemoryBackend::new(), Arc::new(ManualClock::new(EVENING_NS)));
    let live = start_at(&disk, &clock);
    ingest(&live, "one", EVENING_NS);
    clock.advance(7 * HOUR_NS - 1);
    stays(&disk, 0);
    clock.advance(1);
    parts_in_time(&disk, 1);
    // Of the new day, so it stays in memory for the whole of it.
    ingest(&live, "two", EVENING_NS + 7 * HOUR_NS);
    clock.advance(23 * HOUR_NS);
    stays(&disk, 1);
    assert_eq!(Shown::of(live.engine()).events.len(), 2);
    clock.advance(HOUR_NS);
    parts_in_time(&disk, 2);
    assert_eq!(Shown::of(live.engine()).events.len(), 2);
    // Nothing came: nothing is written.
    clock.advance(100 * HOUR_NS);
    stays(&disk, 2);
}

/// A server that was started anew every night did not know how old the events in its spool were,
/// and never sealed them.
#[test]
fn a_server_that_is_started_every_night_seals_too() {
    let (disk, clock) = (MemoryBackend::new(), Arc::new(ManualClock::new(EVENING_NS)));
    let live = start_at(&disk, &clock);
    ingest(&live, "one", EVENING_NS);
    clock.advance(7 * HOUR_NS);
    parts_in_time(&disk, 1);
    ingest(&live, "two", EVENING_NS);
    live.shutdown().unwrap();
    clock.advance(HOUR_NS);
    let live = start_at(&disk, &clock);
    stays(&disk, 1);
    live.shutdown().unwrap();
    // 00:30 of the second night: the day is not over for an hour, at 01:00 it is.
    clock.advance(22 * HOUR_NS + HOUR_NS / 2);
    let live = start_at(&disk, &clock);
    stays(&disk, 1);
    clock.advance(HOUR_NS / 2);
    parts_in_time(&disk, 2);
    live.shutdown().unwrap();
    // And one that is down at that hour does it with its next start.
    let live = start_at(&disk, &clock);
    ingest(&live, "three", EVENING_NS);
    live.shutdown().unwrap();
    clock.advance(40 * HOUR_NS);
    let live = start_at(&disk, &clock);
    parts_in_time(&disk, 3);
    assert_eq!(Shown::of(live.engine()).events.len(), 3);
}

/// What is passed by stays out for ever, what was taken stays in, whenever the server is killed.
#[test]
fn events_are_passed_by_while_the_history_is_off() {
    let (mut disk, clock) = (MemoryBackend::new(), Arc::new(ManualClock::new(EVENING_NS)));
    let shown = |live: &Live| Shown::of(live.engine()).events.len();
    // The history's thread notices the switch before it takes the next event.
    let switch = |live: &Live, is_wanted: bool| {
        live.engine().set_recording(is_wanted);
        std::thread::sleep(Duration::from_millis(500));
    };
    for is_killed in [false, true] {
        let live = start_at(&disk, &clock);
        let before = shown(&live);
        ingest(&live, "taken", EVENING_NS);
        switch(&live, false);
        assert_eq!(shown(&live), before + 1, "what was there is still seen");
        ingest(&live, "passed by", EVENING_NS);
        assert_eq!(shown(&live), before + 1);
        if is_killed {
            let copy = disk.crash(0);
            drop(live);
            disk = copy;
        } else {
            live.shutdown().unwrap();
        }
        let live = start_at(&disk, &clock);
        assert_eq!(shown(&live), before + 1);
        ingest(&live, "passed by as before", EVENING_NS);
        assert_eq!(shown(&live), before + 1);
        switch(&live, true);
        ingest(&live, "taken again", EVENING_NS);
        assert_eq!(shown(&live), before + 2);
        live.shutdown().unwrap();
        let live = start_at(&disk, &clock);
        assert_eq!(shown(&live), before + 2);
        live.shutdown().unwrap();
    }
}
