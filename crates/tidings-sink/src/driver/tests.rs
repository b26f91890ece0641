use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;

use tidings_event::{Header, Id, Key, RecordWriter};
use tidings_spool::fault::MemoryBackend;
use tidings_spool::{Batch as SpoolBatch, Identity, Spool, SpoolConfig, SystemClock};

use super::*;
use crate::batch::Batch;
use crate::cursors::Cursors;
use crate::feed::{SpoolFeed, channel};
use crate::sink::Outcome;

/// A sink that does as it is told, and remembers what it got.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    /// Numbers of the events, with those of their spans' starts.
    got: Vec<(u64, Option<u64>)>,
    levels: Vec<Level>,
    /// What to answer, before it takes everything.
    answers: VecDeque<Outcome>,
    /// Events that are never taken, with no word on which it was.
    poison: Vec<u64>,
    refuses_all: bool,
    calls: u64,
    /// Calls that began.
    begun: u64,
    is_held: bool,
    /// How often it cannot get ready before it can.
    unready: u64,
    reopened: bool,
    batching: Batching,
}

impl Scripted {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    fn numbers(&self) -> Vec<u64> {
        self.script()
            .got
            .iter()
            .map(|(number, _)| *number)
            .collect()
    }
}

fn oops() -> Failure {
    Failure::new(EventType::TELEMETRY_LOG_ERROR, "cannot test", "oops")
}

impl Sink for Scripted {
    fn prepare(&mut self) -> Result<(), Failure> {
        let mut script = self.script();
        if script.unready == 0 {
            return Ok(());
        }
        script.unready -= 1;
        Err(oops())
    }

    fn deliver(&mut self, batch: &Batch<'_>) -> Outcome {
        self.script().begun += 1;
        while self.script().is_held {
            std::thread::sleep(Duration::from_millis(2));
        }
        let mut script = self.script();
        script.calls += 1;
        let number = |event: &EventRef<'_>| event.uint(Key::SIZE).unwrap();
        let numbers: Vec<_> = batch.events().map(|item| number(&item.event)).collect();
        let answer = script.answers.pop_front();
        let has_poison = numbers.iter().any(|number| script.poison.contains(number));
        let taken = match &answer {
            None if script.refuses_all => return Outcome::retry(oops()),
            None if has_poison => {
                return Outcome::Rejected {
                    index: None,
                    failure: oops(),
                };
            }
            None | Some(Outcome::Delivered | Outcome::Partial { .. }) => batch.len(),
            Some(Outcome::RetryAfter { delivered, .. }) => *delivered,
            Some(Outcome::Rejected { .. }) => 0,
        };
        for item in batch.events().take(taken) {
            let start = item.span_start.map(|start| number(&start));
            script.got.push((number(&item.event), start));
            script.levels.push(item.event.level());
        }
        answer.unwrap_or(Outcome::Delivered)
    }

    fn batching(&self) -> Batching {
        self.script().batching
    }

    fn reopen(&mut self) {
        self.script().reopened = true;
    }
}

fn record(number: u64, kind: EventType, span: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let header = Header {
        span: (span > 0).then_some(Id(span)),
        ..Header::new(kind, 1_770_000_000_000_000_000)
    };
    RecordWriter::begin(&mut out, &header)
        .uint(Key::SIZE, number)
        .finish();
    out
}

fn plain(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    numbers
        .into_iter()
        .flat_map(|number| record(number, EventType::AUTH_SUCCESS, 0))
        .collect()
}

/// A spool on a memory disk with its cursors.
struct World {
    disk: MemoryBackend,
    spool: Arc<Spool>,
    cursors: Arc<Cursors>,
    reports: Arc<Mutex<Vec<Report>>>,
}

impl World {
    fn on(disk: MemoryBackend) -> World {
        let clock = Arc::new(SystemClock::new());
        let backend = Arc::new(disk.clone());
        let identity = Identity {
            epoch: 9,
            origin: 9,
        };
        let config = SpoolConfig::default();
        let opened = Spool::open(backend.clone(), clock.clone(), config, identity).unwrap();
        let epoch = opened.spool.identity().epoch;
        World {
            cursors: Arc::new(Cursors::open(backend, clock, epoch).unwrap()),
            spool: Arc::new(opened.spool),
            disk,
            reports: Arc::default(),
        }
    }

    fn new() -> World {
        World::on(MemoryBackend::new())
    }

    fn context(&self) -> DriverContext {
        let reports = Arc::clone(&self.reports);
        DriverContext {
            clock: Arc::new(SystemClock::new()),
            reporter: Arc::new(move |report| reports.lock().unwrap().push(report)),
        }
    }

    fn append(&self, numbers: std::ops::Range<u64>) {
        let count = u32::try_from(numbers.end - numbers.start).unwrap();
        let batch = SpoolBatch::events(count, plain(numbers));
        self.spool.append(batch).unwrap().wait().unwrap();
    }

    fn start(&self, name: &str, lossy: bool, sink: &Scripted) -> Driver {
        let cursor = self.cursors.take(name, 1, self.spool.head());
        let feed = SpoolFeed::open(&self.spool, cursor.sequence()).unwrap();
        let output = output(name, lossy, sink);
        Driver::start(output, Box::new(feed), Some(cursor), self.context()).unwrap()
    }

    fn kinds(&self) -> Vec<EventType> {
        self.reports
            .lock()
            .unwrap()
            .iter()
            .map(|report| report.kind)
            .collect()
    }
}

fn output(name: &str, lossy: bool, sink: &Scripted) -> Output {
    Output {
        name: name.to_owned(),
        interest: Interest::from_level(Level::Info),
        lossy,
        error_kind: EventType::TELEMETRY_LOG_ERROR,
        sink: Box::new(sink.clone()),
    }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{what} did not come");
}

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn events_are_delivered_in_order_and_go_on_at_the_cursor_after_a_kill() {
    let world = World::new();
    let sink = Scripted::default();
    world.append(0..5);
    let driver = world.start("main", false, &sink);
    world.append(5..900);
    wait_until("the end", || sink.numbers().len() == 895);
    assert_eq!(
        sink.numbers(),
        (5..900).collect::<Vec<_>>(),
        "a new output begins at the head"
    );
    assert!(driver.finish(LIMIT));
    world.append(900..1_000);
    let world = World::on(world.disk.kill());
    let driver = world.start("main", false, &sink);
    assert!(driver.finish(LIMIT));
    assert_eq!(sink.numbers(), (5..1_000).collect::<Vec<_>>());
}

#[test]
fn a_kill_at_any_time_loses_nothing() {
    let world = World::new();
    let sink = Scripted::default();
    let driver = world.start("main", false, &sink);
    let state = driver.state();
    for batch in 0..60 {
        world.append(batch * 10..batch * 10 + 10);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(state.read().delivered > 0);
    // Killed: nothing is stored after this moment.
    let disk = world.disk.kill();
    let world = World::on(disk);
    world.append(600..650);
    let driver = world.start("main", false, &sink);
    assert!(driver.finish(LIMIT));
    let mut numbers = sink.numbers();
    let repeated = numbers.len() - 650;
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..650).collect::<Vec<_>>());
    assert!(repeated < 600, "the cursor was stored meanwhile");
}

#[test]
fn a_failing_sink_is_tried_again_and_told_of_once() {
    let world = World::new();
    let sink = Scripted::default();
    let again = |delivered| Outcome::RetryAfter {
        delivered,
        after: Some(Duration::from_millis(1)),
        failure: oops(),
    };
    sink.script()
        .answers
        .extend([again(0), again(3), again(0), again(2)]);
    let driver = world.start("main", false, &sink);
    let state = driver.state();
    world.append(0..10);
    wait_until("the end", || sink.numbers().len() == 10);
    world.append(10..20);
    assert!(driver.finish(LIMIT));
    assert_eq!(sink.numbers(), (0..20).collect::<Vec<_>>());
    let stats = state.read();
    assert_eq!((stats.delivered, stats.retries, stats.failures), (20, 4, 4));
    assert!(!stats.is_failing && stats.is_stopped);
    assert_eq!(stats.sequence, 21);
    let errors: Vec<_> = world.reports.lock().unwrap().clone();
    let log: Vec<_> = errors
        .iter()
        .filter(|report| report.kind == EventType::TELEMETRY_LOG_ERROR)
        .map(|report| report.count)
        .collect();
    assert_eq!(log, [1, 3], "one at once, the others when it ended");
    assert!(
        world
            .kinds()
            .contains(&EventType::TELEMETRY_OUTPUT_RECOVERED)
    );
}

#[test]
fn poison_is_found_by_halving_and_costs_only_itself() {
    let world = World::new();
    let sink = Scripted::default();
    sink.script().poison = vec![0, 333, 334, 999];
    let driver = world.start("main", false, &sink);
    let state = driver.state();
    world.append(0..1_000);
    assert!(driver.finish(LIMIT));
    let expected: Vec<u64> = (0..1_000)
        .filter(|number| ![0, 333, 334, 999].contains(number))
        .collect();
    assert_eq!(sink.numbers(), expected);
    let stats = state.read();
    assert_eq!((stats.delivered, stats.rejected), (996, 4));
    assert!(sink.script().calls < 120, "{}", sink.script().calls);

    let sink = Scripted::default();
    sink.script().poison = (0..100_000).collect();
    let driver = world.start("other", false, &sink);
    let state = driver.state();
    world.append(1_000..9_000);
    assert!(driver.finish(LIMIT));
    assert_eq!(state.read().rejected, 8_000);
    assert!(
        sink.script().calls < 200,
        "a receiver that refuses all is not asked for each"
    );
}

#[test]
fn the_event_that_a_sink_names_is_left_out() {
    let world = World::new();
    let sink = Scripted::default();
    sink.script().answers.push_back(Outcome::Rejected {
        index: Some(4),
        failure: oops(),
    });
    let driver = world.start("main", false, &sink);
    world.append(0..10);
    assert!(driver.finish(LIMIT));
    assert_eq!(sink.numbers(), [0, 1, 2, 3, 5, 6, 7, 8, 9]);
}

#[test]
fn a_stuck_output_holds_up_neither_another_nor_the_end() {
    let world = World::new();
    let (stuck, free) = (Scripted::default(), Scripted::default());
    stuck.script().is_held = true;
    let (first, second) = (
        world.start("stuck", false, &stuck),
        world.start("free", false, &free),
    );
    world.append(0..100);
    wait_until("the free one", || free.numbers().len() == 100);
    let watch = SystemClock::new();
    assert!(second.finish(LIMIT));
    assert!(!first.finish(Duration::from_millis(300)));
    assert!(Duration::from_nanos(watch.monotonic_ns()) < Duration::from_secs(2));
    // Its place is where it was: the successor gets everything, the one left behind moves nothing.
    let successor = Scripted::default();
    let driver = world.start("stuck", false, &successor);
    stuck.script().is_held = false;
    assert!(driver.finish(LIMIT));
    assert_eq!(successor.numbers(), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_lossy_output_skips_to_the_end_and_counts_by_level() {
    let world = World::new();
    let sink = Scripted::default();
    sink.script().is_held = true;
    let driver = world.start("main", true, &sink);
    let state = driver.state();
    world.append(0..10);
    wait_until("the first batch", || {
        driver.state().read().behind_events <= 10
    });
    // Not to be compressed away: what counts are bytes on disk.
    let mut state_of_noise = 1_u64;
    let mut noise = || {
        state_of_noise ^= state_of_noise << 13;
        state_of_noise ^= state_of_noise >> 7;
        state_of_noise ^= state_of_noise << 17;
        char::from(b'!' + (state_of_noise >> 40) as u8 % 90)
    };
    for number in 10..210 {
        let mut records = Vec::new();
        let mut header = Header::new(EventType::AUTH_SUCCESS, 0);
        header.level = if number % 4 == 0 {
            Level::Debug
        } else {
            Level::Warn
        };
        RecordWriter::begin(&mut records, &header)
            .uint(Key::SIZE, number)
            .str(
                Key::DETAILS,
                &(0..60_000).map(|_| noise()).collect::<String>(),
            )
            .finish();
        world
            .spool
            .append(SpoolBatch::events(1, records))
            .unwrap()
            .wait()
            .unwrap();
    }
    sink.script().is_held = false;
    wait_until("the skip", || state.read().skipped.iter().sum::<u64>() > 0);
    world.append(210..220);
    assert!(driver.finish(LIMIT));
    let stats = state.read();
    let debug = (10..210).filter(|number| number % 4 == 0).count() as u64;
    assert_eq!(
        stats.skipped[usize::from(Level::Debug.ordinal())],
        0,
        "they were not wanted"
    );
    assert_eq!(stats.unwanted, debug);
    let skipped = stats.skipped[usize::from(Level::Warn.ordinal())];
    assert_eq!(stats.delivered + skipped, 220 - debug);
    assert!(skipped > 50, "{stats:?}");
    assert!(sink.numbers().ends_with(&(210..220).collect::<Vec<_>>()));
    let reports = world.reports.lock().unwrap();
    let told: u64 = reports
        .iter()
        .filter(|report| report.kind == EventType::TELEMETRY_OUTPUT_SKIPPED)
        .map(|report| report.count)
        .sum();
    assert_eq!(told, skipped);
}

#[test]
fn what_fell_off_the_spool_is_counted_and_told() {
    let disk = MemoryBackend::new();
    let world = World::on(disk);
    drop(world.cursors.take("main", 1, 1));
    let clock = Arc::new(SystemClock::new());
    let small = SpoolConfig {
        directory: "small".into(),
        max_bytes: 64 << 10,
        segment_bytes: 8 << 10,
        tail_bytes: 1 << 10,
        ..SpoolConfig::default()
    };
    let identity = Identity {
        epoch: 9,
        origin: 9,
    };
    let opened = Spool::open(Arc::new(world.disk.clone()), clock, small, identity).unwrap();
    drop(opened.hold);
    let world = World {
        spool: Arc::new(opened.spool),
        ..world
    };
    for batch in 0..2_000 {
        let numbers: Vec<u64> = (0..10)
            .map(|at| (batch * 10 + at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .collect();
        let batch = SpoolBatch::events(10, plain(numbers));
        world.spool.append(batch).unwrap().wait().unwrap();
    }
    world.spool.maintain().unwrap();
    let oldest = world.spool.stats().oldest;
    assert!(oldest > 1_000);
    let sink = Scripted::default();
    let driver = world.start("main", false, &sink);
    let state = driver.state();
    assert!(driver.finish(LIMIT));
    let stats = state.read();
    assert_eq!((stats.lost, stats.delivered), (oldest - 1, 20_001 - oldest));
    let reports = world.reports.lock().unwrap();
    assert_eq!(reports[0].kind, EventType::TELEMETRY_OUTPUT_SKIPPED);
    assert_eq!(reports[0].count, oldest - 1);
}

#[test]
fn spans_that_began_in_earlier_frames_are_known_from_the_context() {
    let world = World::new();
    let sink = Scripted::default();
    let driver = world.start("main", false, &sink);
    let context = record(77, EventType::SMTP_CONNECTION_START, 5);
    let records = [
        record(1, EventType::AUTH_SUCCESS, 5),
        record(2, EventType::AUTH_SUCCESS, 6),
        record(78, EventType::SMTP_CONNECTION_START, 6),
        record(3, EventType::AUTH_SUCCESS, 6),
        record(79, EventType::SMTP_CONNECTION_END, 6),
        record(4, EventType::AUTH_SUCCESS, 6),
    ]
    .concat();
    let batch = SpoolBatch::events(6, records).with_context(context);
    world.spool.append(batch).unwrap().wait().unwrap();
    assert!(driver.finish(LIMIT));
    // Starts and ends are of level debug: not wanted, but followed.
    assert_eq!(
        sink.script().got,
        [(1, Some(77)), (2, None), (3, Some(78)), (4, None)]
    );
}

#[test]
fn small_batches_cut_frames_and_lose_nothing() {
    let world = World::new();
    let sink = Scripted::default();
    sink.script().batching = Batching {
        events: 7,
        ..Batching::default()
    };
    let driver = world.start("main", false, &sink);
    world.append(0..100);
    world.append(100..101);
    world.append(101..300);
    assert!(driver.finish(LIMIT));
    assert_eq!(sink.numbers(), (0..300).collect::<Vec<_>>());
    assert!(sink.script().calls >= 43);
}

#[test]
fn an_interval_holds_small_batches_back_but_not_the_first() {
    let world = World::new();
    let sink = Scripted::default();
    sink.script().batching = Batching {
        interval: Duration::from_millis(400),
        ..Batching::default()
    };
    let driver = world.start("main", false, &sink);
    let watch = SystemClock::new();
    world.append(0..1);
    wait_until("the first", || sink.numbers().len() == 1);
    assert!(Duration::from_nanos(watch.monotonic_ns()) < Duration::from_millis(390));
    for number in 1..20 {
        world.append(number..number + 1);
    }
    wait_until("the others", || sink.numbers().len() == 20);
    assert!(Duration::from_nanos(watch.monotonic_ns()) >= Duration::from_millis(390));
    assert!(sink.script().calls <= 4);
    assert!(driver.finish(LIMIT));
}

#[test]
fn a_program_without_a_spool_gets_all_it_sent_and_the_count_of_what_it_could_not() {
    let world = World::new();
    let sink = Scripted::default();
    sink.script().is_held = true;
    let (sender, feed) = channel(2_000);
    let driver = Driver::start(
        output("main", false, &sink),
        Box::new(feed),
        None,
        world.context(),
    )
    .unwrap();
    let state = driver.state();
    sender.send(plain([0]), 1).unwrap();
    wait_until("the first", || sink.script().begun == 1);
    let mut refused = 0;
    for number in 1..1_000 {
        refused += u64::from(sender.try_send(plain([number]), 1).is_err());
    }
    assert!(refused > 500);
    sink.script().is_held = false;
    for number in 1_000..2_000 {
        sender.send(plain([number]), 1).unwrap();
    }
    assert!(driver.finish(LIMIT));
    let stats = state.read();
    assert_eq!((stats.delivered, stats.lost), (2_000 - refused, refused));
    assert!(
        sink.numbers()
            .ends_with(&(1_000..2_000).collect::<Vec<_>>())
    );
    assert_eq!(sender.send(plain([1]), 1), Err(crate::feed::Refused::Ended));
}

#[test]
fn without_a_spool_the_last_events_are_tried_until_time_is_up() {
    let world = World::new();
    let sink = Scripted::default();
    sink.script().refuses_all = true;
    let (sender, feed) = channel(1 << 20);
    let driver = Driver::start(
        output("main", false, &sink),
        Box::new(feed),
        None,
        world.context(),
    )
    .unwrap();
    let state = driver.state();
    sender.send(plain(0..9), 9).unwrap();
    wait_until("a failure", || state.read().failures > 0);
    assert!(driver.finish(Duration::from_millis(400)));
    assert!(sink.script().calls > 3);
    assert_eq!(state.read().lost, 9);
    assert!(world.kinds().contains(&EventType::TELEMETRY_OUTPUT_SKIPPED));
}

#[test]
fn reopening_reaches_a_sink_that_waits_for_its_next_try() {
    let world = World::new();
    let sink = Scripted::default();
    sink.script().answers.push_back(Outcome::RetryAfter {
        delivered: 0,
        after: Some(Duration::from_secs(3_600)),
        failure: oops(),
    });
    let driver = world.start("main", false, &sink);
    world.append(0..3);
    wait_until("the failure", || sink.script().calls == 1);
    driver.reopen();
    wait_until("the events", || sink.numbers().len() == 3);
    assert!(sink.script().reopened);
    assert!(driver.finish(LIMIT));
}

#[test]
fn a_panic_ends_the_output_and_is_told() {
    struct Broken(Arc<AtomicBool>);
    impl Sink for Broken {
        fn deliver(&mut self, _: &Batch<'_>) -> Outcome {
            self.0.store(true, Ordering::Relaxed);
            panic!("a fault of ours");
        }
    }
    let world = World::new();
    let called = Arc::new(AtomicBool::new(false));
    let output = Output {
        sink: Box::new(Broken(Arc::clone(&called))),
        ..output("main", false, &Scripted::default())
    };
    let (sender, feed) = channel(1 << 20);
    let driver = Driver::start(output, Box::new(feed), None, world.context()).unwrap();
    sender.send(plain(0..1), 1).unwrap();
    wait_until("the end", || driver.state().read().is_stopped);
    assert!(called.load(Ordering::Relaxed));
    assert!(
        driver
            .state()
            .read()
            .last_failure
            .unwrap()
            .contains("a fault of ours")
    );
    assert_eq!(world.kinds(), [EventType::TELEMETRY_OUTPUT_STOPPED]);
    assert!(driver.finish(LIMIT));
}

#[test]
fn a_sink_that_is_not_ready_is_tried_again_and_shown_as_failing() {
    let world = World::new();
    let sink = Scripted::default();
    sink.script().unready = 2;
    let driver = world.start("main", false, &sink);
    let state = driver.state();
    world.append(0..5);
    wait_until("the first failure", || state.read().is_failing);
    let stats = state.read();
    assert!(!stats.is_ready && stats.last_failure.unwrap().contains("oops"));
    wait_until("the events", || sink.numbers().len() == 5);
    let stats = state.read();
    assert_eq!((stats.failures, stats.retries), (2, 2));
    assert!(stats.is_ready && !stats.is_failing);
    assert!(driver.finish(LIMIT));
    let told = [
        EventType::TELEMETRY_LOG_ERROR,
        EventType::TELEMETRY_OUTPUT_RECOVERED,
        EventType::TELEMETRY_LOG_ERROR,
    ];
    assert_eq!(
        world.kinds(),
        told,
        "the second one was held back to the end"
    );
}

#[test]
fn waiting_is_seen_while_a_delivery_hangs() {
    let world = World::new();
    let sink = Scripted::default();
    sink.script().is_held = true;
    let driver = world.start("main", false, &sink);
    let state = driver.state();
    world.append(0..3);
    wait_until("the delivery", || sink.script().begun == 1);
    let before = state.read().behind_ns;
    std::thread::sleep(Duration::from_millis(300));
    let after = state.read().behind_ns;
    assert!(after >= before + 290_000_000, "{before} {after}");
    sink.script().is_held = false;
    wait_until("the end", || state.read().behind_ns == 0);
    assert!(driver.finish(LIMIT));
}

#[test]
fn what_is_taken_with_a_warning_is_delivered_and_told_of() {
    let world = World::new();
    let sink = Scripted::default();
    let warned = Outcome::Partial {
        rejected: 0,
        failure: oops(),
    };
    sink.script().answers = VecDeque::from([warned]);
    let driver = world.start("main", false, &sink);
    let state = driver.state();
    world.append(0..3);
    wait_until("the end", || state.read().delivered == 3);
    assert!(driver.finish(LIMIT));
    let stats = state.read();
    assert_eq!((stats.rejected, stats.failures), (0, 0));
    assert!(!stats.is_failing);
    assert_eq!(world.kinds(), [EventType::TELEMETRY_LOG_ERROR]);
    assert_eq!(world.reports.lock().unwrap()[0].count, 1);
}
