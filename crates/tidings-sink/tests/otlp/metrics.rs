//! Metrics that are pushed.

use std::borrow::Cow;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidings_event::{MetricKind, Reading, Series, SeriesValue};
use tidings_sink::otlp::{Identity, LAST_PUSH, MetricsPush, MetricsPushSettings, PushReport};
use tidings_spool::{Clock, SystemClock};

use super::support::{Receiver, TIME_NS, attribute, items, runtime, wait_until};

fn readings(count: u64) -> Vec<Reading> {
    let value = SeriesValue::Counter {
        count,
        exemplar: None,
    };
    vec![Reading {
        name: Cow::Borrowed("mail_deliveries"),
        description: Cow::Borrowed("Deliveries"),
        unit: "count",
        kind: MetricKind::Counter,
        divisor: 1,
        created_ns: TIME_NS,
        series: vec![Series {
            labels: vec![("provider", Cow::Borrowed("gmail"))],
            value,
        }],
    }]
}

#[test]
fn metrics_are_pushed_at_intervals_and_at_the_end_whatever_happens_between() {
    use tidings_wire::otlp::Temporality;
    for (grpc, temporality) in [
        (false, Temporality::Cumulative),
        (true, Temporality::Cumulative),
        (false, Temporality::Delta),
    ] {
        let failure = if grpc { "exhausted:0.05" } else { "503:0" };
        let Some(receiver) = Receiver::start(&["ok", failure]) else {
            return;
        };
        let port = if grpc { receiver.grpc } else { receiver.http };
        let settings = MetricsPushSettings {
            grpc,
            interval: Duration::from_millis(400),
            temporality,
            ..MetricsPushSettings::http(format!("http://127.0.0.1:{port}"))
        };
        let (identity, clock) = (Identity::new("mail", "1.2.3"), Arc::new(SystemClock::new()));
        let count = Arc::new(Mutex::new(0));
        let meters = move || {
            let mut count = count.lock().unwrap();
            *count += 10;
            readings(*count)
        };
        let reports: Arc<Mutex<Vec<PushReport>>> = Arc::default();
        let taken = Arc::clone(&reports);
        let report = move |report| taken.lock().unwrap().push(report);
        let handle = runtime().handle();
        let push = MetricsPush::new(&settings, &identity, clock, handle, meters, report).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let task = handle.spawn(push.run(async move {
            let _ = stopped.await;
        }));
        std::thread::sleep(Duration::from_millis(200));
        assert!(
            receiver.requests().is_empty(),
            "the first after an interval"
        );
        wait_until("three pushes", || receiver.taken("metrics").len() >= 2);
        let before = receiver.requests().len();
        stop.send(()).unwrap();
        runtime().block_on(task).unwrap();
        wait_until("the last push", || receiver.requests().len() > before);
        let taken = receiver.taken("metrics");
        let points: Vec<_> = items(&taken, "resourceMetrics", "scopeMetrics", "metrics")
            .iter()
            .map(|metric| {
                assert_eq!(metric["name"], "mail_deliveries");
                let points = metric["sum"]["dataPoints"].as_array().unwrap().clone();
                let provider = attribute(&points[0], "provider")["stringValue"].clone();
                assert_eq!(provider, "gmail");
                points[0]["asInt"].as_str().unwrap().parse::<u64>().unwrap()
            })
            .collect();
        match temporality {
            Temporality::Cumulative => assert_eq!(points[..3], [10, 30, 40], "the second failed"),
            Temporality::Delta => assert_eq!(points[..3], [10, 20, 10], "they add up"),
        }
        let reports = reports.lock().unwrap();
        let failed = |report: &&PushReport| matches!(report, PushReport::Failed { count: 1, .. });
        assert_eq!(reports.iter().filter(failed).count(), 1, "{reports:?}");
        let pushed = |report: &&PushReport| matches!(report, PushReport::Pushed { metrics: 1, .. });
        assert_eq!(reports.iter().filter(pushed).count(), points.len());
    }
}

/// A collector that takes the connection and says nothing does not hold up the end for its time-out.
#[test]
fn a_silent_collector_does_not_hold_up_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = MetricsPushSettings {
        interval: Duration::from_millis(50),
        timeout: Duration::from_secs(600),
        ..MetricsPushSettings::http(format!("http://{}", silent.local_addr().unwrap()))
    };
    let (identity, clock) = (Identity::new("mail", "1.2.3"), Arc::new(SystemClock::new()));
    let reports: Arc<Mutex<Vec<PushReport>>> = Arc::default();
    let taken = Arc::clone(&reports);
    let report = move |report| taken.lock().unwrap().push(report);
    let handle = runtime().handle();
    let meters = || readings(1);
    let push = MetricsPush::new(&settings, &identity, clock, handle, meters, report).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let task = handle.spawn(push.run(async move {
        let _ = stopped.await;
    }));
    // A push is under way, and hangs.
    let _connection = silent.accept().unwrap();
    let clock = SystemClock::new();
    let began_ns = clock.monotonic_ns();
    stop.send(()).unwrap();
    runtime().block_on(task).unwrap();
    let took = Duration::from_nanos(clock.monotonic_ns() - began_ns);
    assert!(took < LAST_PUSH + Duration::from_secs(2), "{took:?}");
    let reports = reports.lock().unwrap();
    let [PushReport::Failed { reason, .. }] = reports.as_slice() else {
        panic!("{reports:?}")
    };
    assert!(reason.contains("did not answer within 5 s"), "{reason}");
}
