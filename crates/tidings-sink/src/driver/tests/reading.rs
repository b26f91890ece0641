//! What is read, in which order, from where on, and what is left out.

use super::*;

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
