//! All metrics there are, with values of every kind.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tidings::meters::own::{OutputNumbers, events_lost, outputs};
use tidings::meters::{Family, Gauge, Meters, Selection, folded};
use tidings_event::{EventRef, EventType, Header, Id, Key, MetricKind, Reading, RecordWriter};
use tidings_mail::labels::{self, QUEUE_MESSAGES};
use tidings_wire::prometheus::{Format, Naming, write};

/// When counting began.
pub(crate) const CREATED_NS: i64 = 1_700_000_000_250_000_000;

/// The catalogue's metrics, after some events of every type.
pub(crate) fn catalogue() -> Vec<Reading> {
    let meters = Meters::new(CREATED_NS);
    for (at, info) in EventType::all().enumerate() {
        let kind = EventType::from_id(info.id);
        for n in 0..at as u64 % 7 {
            let header = Header {
                span: (n > 0).then(|| Id(1000 + n)),
                ..Header::new(kind, CREATED_NS + 5_000_000_000)
            };
            let mut bytes = Vec::new();
            let mut event = RecordWriter::begin(&mut bytes, &header);
            event
                .duration_ms(Key::ELAPSED, 250 * n * n)
                .uint(Key::SIZE, 7_000 * n)
                .finish();
            drop(event);
            meters.record(&EventRef::read(&bytes).unwrap().0);
        }
    }
    for (at, gauge) in Gauge::ALL.into_iter().enumerate() {
        meters.set_gauge(gauge, at as u64 * 1_000_003);
    }
    meters.read(&Selection::all())
}

/// Label values that nobody wants.
const HOSTILE: [&str; 5] = [
    "a\\b\"c\nd}",
    "# EOF\nx 1",
    "ünï\u{2028}\u{0}\u{1b}[31m\r",
    "{le=\"1\"} 5 # {span_id=\"a\"} 1",
    "",
];

/// The metrics with labels, with the values that mail has and some that it should not.
pub(crate) fn labelled() -> Vec<Reading> {
    let mut families: Vec<Family> = labels::Family::ALL
        .into_iter()
        .map(|family| Family::new(family.info(), CREATED_NS))
        .collect();
    for family in &families {
        fill(family);
    }
    let queue = Family::new(&QUEUE_MESSAGES, CREATED_NS);
    for (state, messages) in [("in-queue", 4), ("deferred", 90), ("held", 0)] {
        queue.set(&[state], messages);
    }
    families.push(queue);
    let mut readings: Vec<Reading> = families.iter().map(Family::read).collect();
    readings.push(folded(&families, CREATED_NS));
    let numbers = [
        OutputNumbers {
            output: "log".into(),
            delivered: 12,
            behind_ns: 1_530_000_000,
            ..OutputNumbers::default()
        },
        OutputNumbers {
            output: HOSTILE[0].into(),
            is_failing: true,
            skipped: [5, 4, 3, 2, 1, 0],
            ..OutputNumbers::default()
        },
    ];
    readings.extend(outputs(&numbers, CREATED_NS));
    readings.push(events_lost(&[3, 2, 1, 0, 0, 0], CREATED_NS));
    readings
}

fn fill(family: &Family) {
    let usual = [
        ["google", "delivered", "accepted"],
        ["microsoft", "deferred", "rate-limit"],
        ["unlisted", "bounced", "no-such-user"],
        ["local", "delivered", "accepted"],
    ];
    let hostile = HOSTILE.map(|value| [value, "delivered", value]);
    for (at, labels) in usual.iter().chain(&hostile).enumerate() {
        let span = (at % 2 == 0).then(|| (Id(at as u64 + 5), CREATED_NS + 1_500_000_000));
        match family.info().kind {
            MetricKind::Counter => family.count(labels, at as u64 * 3, span),
            MetricKind::Gauge => family.set(labels, at as i64),
            MetricKind::Histogram => family.observe(labels, 1 << (3 * at), span),
        }
    }
}

/// The readings as text.
pub(crate) fn text(readings: &[Reading], format: Format, naming: Naming) -> String {
    let mut out = Vec::new();
    write(&mut out, readings, format, naming);
    String::from_utf8(out).unwrap()
}

/// The program of Prometheus with this name: from the folder that `TIDINGS_PROMETHEUS` names, else
/// from the path. `None`, said aloud, where there is none.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = match std::env::var_os("TIDINGS_PROMETHEUS") {
        Some(folder) => Path::new(&folder).join(name),
        None => name.into(),
    };
    let mut version = Command::new(&path);
    version
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if version.status().is_ok_and(|status| status.success()) {
        return Some(path);
    }
    eprintln!("skipped: there is no {name}; set TIDINGS_PROMETHEUS to the folder that holds it");
    None
}

/// The folder of what goes with the program for others.
pub(crate) fn contrib() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib")
}
