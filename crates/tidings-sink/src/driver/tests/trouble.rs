//! Sinks that fail, hang, refuse or break off.

use super::*;

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
    let driver = world.start("main", false, &sink);
    let state = driver.state();
    world.append(0..1);
    wait_until("the first", || state.read().delivered == 1);
    sink.script().is_held = true;
    world.append(1..4);
    wait_until("the delivery", || sink.script().begun == 2);
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
