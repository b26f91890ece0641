//! The process's telemetry as a program uses it: what is emitted arrives, once, in order, or is
//! counted.
//!
//! A process has one telemetry, so these tests take turns.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tidings::{
    EventSet, EventType, Interest, Key, Level, Received, Settings, Subscriber, Subscription,
    Telemetry, WhenFull, emit, end, meters, span,
};
use tidings_event::{EventRef, SeriesValue, Value};

const LONG: Duration = Duration::from_secs(20);

fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn all(telemetry: &Telemetry) -> Subscriber {
    let all = Subscription::new("all").interest(Interest::all());
    telemetry.subscribe(all.queue_bytes(1 << 30)).unwrap()
}

/// Everything until the shutdown.
fn drain(subscriber: &mut Subscriber, mut each: impl FnMut(&EventRef<'_>)) -> usize {
    let mut count = 0;
    loop {
        match subscriber.next(LONG) {
            Received::Batch(batch) => {
                let before = count;
                for event in batch.events() {
                    each(&event.unwrap());
                    count += 1;
                }
                assert_eq!(batch.len(), count - before);
            }
            Received::TimedOut => panic!("nothing came for {LONG:?}"),
            Received::Closed => return count,
        }
    }
}

fn names(subscriber: &mut Subscriber) -> Vec<&'static str> {
    let mut names = Vec::new();
    drain(subscriber, |event| names.push(event.kind().name()));
    names
}

#[test]
fn an_event_arrives_as_it_was_emitted() {
    let _turn = turn();
    let telemetry = tidings::start(Settings::default()).unwrap();
    let mut subscriber = all(&telemetry);
    let before = tidings_now();
    emit!(
        Auth::Failed,
        remote_ip = Ipv4Addr::new(192, 0, 2, 7),
        account_name = "alice@example.org",
        total = 3u32,
        elapsed = Duration::from_millis(1500),
        reason = None::<&str>,
        to = ["a@example.org", "b@example.org"],
    );
    telemetry.shutdown(LONG).unwrap();
    let mut seen = 0;
    drain(&mut subscriber, |event| {
        seen += 1;
        assert_eq!(event.kind(), EventType::AUTH_FAILED);
        assert_eq!(event.level(), EventType::AUTH_FAILED.level());
        assert_eq!(event.span(), None);
        assert!((event.time_ns() - before).abs() < 2_000_000_000);
        assert!(event.header().event_id.is_some());
        let keys: Vec<_> = event.pairs().map(|(key, _)| key.name()).collect();
        let expected = [
            "remoteIp",
            "accountName",
            "total",
            "elapsed",
            "reason",
            "to",
        ];
        assert_eq!(keys, expected);
        let ip = Value::Ipv4(Ipv4Addr::new(192, 0, 2, 7));
        assert_eq!(event.get(Key::REMOTE_IP), Some(ip));
        assert_eq!(event.get(Key::ELAPSED), Some(Value::Duration(1500)));
        assert_eq!(event.get(Key::REASON), Some(Value::None));
    });
    assert_eq!(seen, 1);
}

fn tidings_now() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "compared with what the crate says"
    )]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_nanos()).unwrap()
}

/// Emits `count` numbered events from each of `threads` threads.
fn blast(threads: u64, count: u64) {
    thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for number in 0..count {
                    match number % 4 {
                        0 => emit!(Smtp::RawInput, id = thread, total = number),
                        1 => emit!(Smtp::Ehlo, id = thread, total = number),
                        2 => emit!(Delivery::Delivered, id = thread, total = number),
                        _ => emit!(Telemetry::LogError, id = thread, total = number),
                    }
                }
            });
        }
    });
}

/// Numbers seen of each thread, in order of arrival; and losses told in-band.
fn numbers(subscriber: &mut Subscriber) -> (HashMap<u64, Vec<u64>>, u64) {
    let (mut seen, mut lost): (HashMap<_, Vec<_>>, _) = (HashMap::new(), 0);
    let (mut last_id, mut by_level) = (0, 0);
    drain(subscriber, |event| {
        let id = event.header().event_id.unwrap().number;
        assert!(id > last_id, "ids rise");
        last_id = id;
        if event.kind() == EventType::TELEMETRY_EVENTS_LOST {
            lost += event.uint(Key::COUNT).unwrap();
            for (key, value) in event.pairs() {
                if let (Key::ATTRIBUTE, Value::Array(items)) = (key, value) {
                    by_level += items.last().and_then(|v| v.as_u64()).unwrap();
                }
            }
        } else {
            let thread = event.uint(Key::ID).unwrap();
            let number = event.uint(Key::TOTAL).unwrap();
            seen.entry(thread).or_default().push(number);
        }
    });
    assert_eq!(by_level, lost, "losses by level add up");
    (seen, lost)
}

#[test]
fn under_a_blast_every_event_arrives_or_is_counted() {
    let _turn = turn();
    let settings = Settings {
        ring_bytes: 16 << 10,
        ..Settings::default()
    };
    let telemetry = tidings::start(settings).unwrap();
    let mut subscriber = all(&telemetry);
    blast(4, 100_000);
    telemetry.shutdown(LONG).unwrap();
    let (seen, lost) = numbers(&mut subscriber);
    let arrived: usize = seen.values().map(Vec::len).sum();
    assert_eq!(arrived as u64 + lost, 400_000, "{arrived} + {lost}");
    assert!(lost > 0, "the blast is meant to be too much");
    for numbers in seen.values() {
        assert!(numbers.is_sorted_by(|a, b| a < b), "a thread's own order");
    }
}

#[test]
fn who_waits_loses_nothing() {
    let _turn = turn();
    let settings = Settings {
        ring_bytes: 4 << 10,
        when_full: WhenFull::Block { limit: LONG },
        ..Settings::default()
    };
    let telemetry = tidings::start(settings).unwrap();
    let small = Subscription::new("small").interest(Interest::all());
    let mut subscriber = telemetry.subscribe(small.queue_bytes(100_000)).unwrap();
    let (seen, lost) = thread::scope(|scope| {
        let reader = scope.spawn(|| numbers(&mut subscriber));
        blast(3, 30_000);
        telemetry.shutdown(LONG).unwrap();
        reader.join().unwrap()
    });
    assert_eq!(lost, 0);
    for thread in 0..3 {
        assert!(seen[&thread].iter().copied().eq(0..30_000));
    }
}

#[test]
fn a_lossy_subscriber_is_told_what_it_missed_and_holds_up_nobody() {
    let _turn = turn();
    let settings = Settings {
        when_full: WhenFull::Block { limit: LONG },
        ..Settings::default()
    };
    let telemetry = tidings::start(settings).unwrap();
    let slow = Subscription::new("slow").interest(Interest::all());
    let mut slow = telemetry
        .subscribe(slow.queue_bytes(200_000).lossy())
        .unwrap();
    let mut other = all(&telemetry);
    blast(1, 50_000);
    telemetry.flush(LONG).unwrap();
    let dropped: u64 = slow.stats().dropped.iter().sum();
    assert!(dropped > 0);
    let (mut first, mut first_told) = (0, 0);
    while let Received::Batch(batch) = slow.next(Duration::ZERO) {
        // A small batch may have found room where a large one did not.
        for event in batch.events().map(Result::unwrap) {
            match event.kind() {
                EventType::TELEMETRY_EVENTS_LOST => first_told += event.uint(Key::COUNT).unwrap(),
                _ => first += 1,
            }
        }
    }
    // What comes next brings the report with it.
    blast(1, 4);
    telemetry.shutdown(LONG).unwrap();
    let (seen, told) = numbers(&mut slow);
    let second: usize = seen.values().map(Vec::len).sum();
    assert_eq!(first_told + told, dropped);
    assert_eq!(first + dropped + second as u64, 50_004);
    let (seen, lost) = numbers(&mut other);
    assert_eq!((seen[&0].len(), lost), (50_004, 0));
}

#[test]
fn a_stuck_subscriber_cannot_hold_up_the_shutdown_for_ever() {
    let _turn = turn();
    let telemetry = tidings::start(Settings::default()).unwrap();
    let stuck = Subscription::new("stuck").interest(Interest::all());
    let mut stuck = telemetry.subscribe(stuck.queue_bytes(1000)).unwrap();
    let mut other = all(&telemetry);
    // Several batches, each of which would wait.
    blast(1, 4000);
    telemetry.shutdown(LONG).unwrap();
    let (seen, lost) = numbers(&mut other);
    assert_eq!((seen[&0].len(), lost), (4000, 0));
    let dropped: u64 = stuck.stats().dropped.iter().sum();
    let mut received = 0;
    while let Received::Batch(batch) = stuck.next(Duration::ZERO) {
        received += batch.len() as u64;
    }
    assert_eq!(received + dropped, 4000);
}

#[test]
fn interests_and_levels_say_what_is_built() {
    let _turn = turn();
    let telemetry = tidings::start(Settings::default()).unwrap();
    let auth = Interest::all().only(EventSet::of(["auth.*"]).unwrap());
    let mut auth = telemetry
        .subscribe(Subscription::new("auth").interest(auth))
        .unwrap();
    let mut warn = telemetry
        .subscribe(Subscription::new("warn").interest(Interest::level(Level::Warn)))
        .unwrap();
    let mut computed = 0;
    emit!(Auth::Success, total = 1u64);
    emit!(
        Smtp::Ehlo,
        total = {
            computed += 1;
            1u64
        }
    );
    assert_eq!(computed, 0, "nobody wants it");
    let counted = || meters().unwrap().counter(EventType::AUTH_SUCCESS);
    let before = counted();
    telemetry.set_levels([
        (EventType::AUTH_SUCCESS, Level::Disable),
        (EventType::SMTP_EHLO, Level::Error),
    ]);
    emit!(Auth::Success, total = 2u64);
    emit!(Smtp::Ehlo, total = 3u64);
    assert_eq!(counted(), before + 1, "what is disabled is counted");
    telemetry.shutdown(LONG).unwrap();
    assert_eq!(names(&mut auth), ["auth.success"]);
    let mut levels = Vec::new();
    drain(&mut warn, |event| {
        levels.push((event.kind(), event.level()))
    });
    assert_eq!(levels, [(EventType::SMTP_EHLO, Level::Error)]);
    emit!(
        Auth::Failed,
        total = {
            computed += 1;
            1u64
        }
    );
    assert_eq!(computed, 0, "nothing runs");
}

#[test]
fn spans_have_ids_parents_and_ends() {
    let _turn = turn();
    let telemetry = tidings::start(Settings::default()).unwrap();
    let mut subscriber = all(&telemetry);
    let session = span!(Smtp::ConnectionStart, remote_port = 25u16);
    {
        let _entered = session.enter();
        emit!(Auth::Success, total = 1u64);
        let attempt = span!(Delivery::AttemptStart, queue_id = 7u64);
        let context = attempt.context();
        thread::spawn(move || emit!(in context, Delivery::Delivered, total = 2u64))
            .join()
            .unwrap();
        end!(attempt, total = 9u64);
    }
    emit!(Auth::Failed, total = 3u64);
    // Dropped by a panic, on another thread.
    let panicking = thread::spawn(move || {
        let _session = session;
        std::panic::resume_unwind(Box::new("told to"));
    });
    assert!(panicking.join().is_err());
    let leaked = span!(Imap::ConnectionStart);
    std::mem::forget(leaked);
    telemetry.shutdown(LONG).unwrap();

    let mut events = Vec::new();
    drain(&mut subscriber, |event| {
        let interrupted = event.get(Key::INTERRUPTED) == Some(Value::Bool(true));
        let parent = event.uint(Key::PARENT_SPAN_ID).unwrap_or(0);
        let span = event.span().map_or(0, |span| span.0);
        if event.kind().info().is_span_end() {
            assert!(matches!(event.get(Key::ELAPSED), Some(Value::Duration(_))));
        }
        events.push((event.kind().name(), span, parent, interrupted));
    });
    let spans: HashMap<_, _> = events.iter().map(|e| (e.0, e.1)).collect();
    let (session, attempt) = (
        spans["smtp.connection-start"],
        spans["delivery.attempt-start"],
    );
    let imap = spans["imap.connection-start"];
    let readings = meters().unwrap().read(&meters::Selection::all());
    let delivered = readings.iter().find(|r| r.name == "delivery.delivered");
    let SeriesValue::Counter { exemplar, .. } = &delivered.unwrap().series[0].value else {
        panic!("{delivered:?}");
    };
    assert_eq!(exemplar.as_ref().map(|e| e.span.0), Some(attempt));
    assert!(session != 0 && attempt != 0 && session != attempt && imap != 0);
    assert_eq!(
        events,
        [
            ("smtp.connection-start", session, 0, false),
            ("auth.success", session, 0, false),
            ("delivery.attempt-start", attempt, session, false),
            ("delivery.delivered", attempt, 0, false),
            ("delivery.attempt-end", attempt, 0, false),
            ("auth.failed", 0, 0, false),
            ("smtp.connection-end", session, 0, true),
            ("imap.connection-start", imap, 0, false),
            ("imap.connection-end", imap, 0, true),
        ]
    );
}

#[test]
fn large_events_and_nested_ones_have_their_ways() {
    struct Emits;
    impl tidings::Field for Emits {
        fn encode(&self, out: &mut tidings::Encoder<'_>) {
            emit!(Auth::Failed);
            out.uint(1);
        }
    }
    let _turn = turn();
    let settings = Settings {
        ring_bytes: 1024,
        ..Settings::default()
    };
    let telemetry = tidings::start(settings).unwrap();
    let mut subscriber = all(&telemetry);
    thread::spawn(|| {
        emit!(Auth::Success, total = 1u64);
        emit!(Auth::Success, details = "x".repeat(100_000), total = 2u64);
        emit!(Auth::Success, details = "x".repeat(2 << 20), total = 3u64);
        emit!(Auth::Success, details = Emits, total = 4u64);
    })
    .join()
    .unwrap();
    telemetry.shutdown(LONG).unwrap();
    let (mut totals, mut reasons) = (Vec::new(), Vec::new());
    drain(&mut subscriber, |event| match event.kind() {
        EventType::TELEMETRY_EVENTS_LOST => {
            reasons.push(event.str(Key::REASON).unwrap().to_owned());
        }
        _ => totals.push(event.uint(Key::TOTAL).unwrap()),
    });
    reasons.sort();
    assert_eq!(totals, [1, 2, 4]);
    assert_eq!(
        reasons,
        [
            "emitted by a value of another event",
            "event longer than 1 MiB"
        ]
    );
}

#[test]
fn a_panic_is_told_and_what_was_emitted_before_is_kept() {
    let _turn = turn();
    let telemetry = tidings::start(Settings::default()).unwrap();
    let mut subscriber = all(&telemetry);
    std::panic::set_hook(Box::new(|_| {}));
    telemetry.install_panic_hook();
    let panicking = thread::spawn(|| {
        emit!(Auth::Success);
        panic!("the sky fell");
    });
    assert!(panicking.join().is_err());
    // Flushed by the hook.
    let mut kinds = Vec::new();
    while let Received::Batch(batch) = subscriber.next(Duration::ZERO) {
        for event in batch.events().map(Result::unwrap) {
            if event.kind() == EventType::PROGRAM_EVENT {
                assert_eq!(event.str(Key::DETAILS), Some("the sky fell"));
                assert_eq!(event.level(), Level::Error);
            }
            kinds.push(event.kind().name());
        }
    }
    assert_eq!(kinds, ["auth.success", "program.event"]);
    drop(std::panic::take_hook());
    telemetry.shutdown(LONG).unwrap();
}

#[test]
fn events_of_several_threads_come_in_the_order_of_their_times() {
    let _turn = turn();
    let settings = Settings {
        window: Duration::from_millis(50),
        when_full: WhenFull::Block { limit: LONG },
        ..Settings::default()
    };
    let telemetry = tidings::start(settings).unwrap();
    let mut subscriber = all(&telemetry);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    emit!(Auth::Success);
                    thread::sleep(Duration::from_micros(50));
                }
            });
        }
    });
    telemetry.shutdown(LONG).unwrap();
    let (mut last, mut late) = (0, 0);
    let count = drain(&mut subscriber, |event| {
        // Each round reads the clock anew, so times may differ by what it was slewed.
        late += usize::from(event.time_ns() + 100_000 < last);
        last = last.max(event.time_ns());
    });
    assert_eq!((count, late), (2000, 0));
}

#[test]
fn only_one_telemetry_runs_and_another_may_follow() {
    let _turn = turn();
    let telemetry = tidings::start(Settings::default()).unwrap();
    let second = tidings::start(Settings::default());
    let error = second.err().unwrap().to_string();
    assert!(error.contains("runs already"), "{error}");
    drop(telemetry);
    let telemetry = tidings::start(Settings::default()).unwrap();
    let mut subscriber = all(&telemetry);
    emit!(Auth::Success);
    telemetry.shutdown(LONG).unwrap();
    assert_eq!(names(&mut subscriber), ["auth.success"]);
}
