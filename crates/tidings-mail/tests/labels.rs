//! What real logs add up to in metrics with labels.
//!
//! `TIDINGS_BLESS=1 cargo test -p tidings-mail --test labels` writes the expected file anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tidings_event::{Drafts, MetricKind, Records};
use tidings_mail::correlate::{Correlator, Limits, LineAt, NoLookup};
use tidings_mail::envelope::{Format, Program, read};
use tidings_mail::labels::{Family, measure};
use tidings_mail::provider::Providers;
use tidings_mail::{dovecot, postfix};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The events of a log, as the correlator gives them; times do not matter here.
fn records(log: &[u8]) -> Vec<u8> {
    let mut correlator = Correlator::new(Limits::default());
    let mut drafts = Drafts::default();
    let lines = log
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    for (number, line) in lines.enumerate() {
        let mut scratch = Vec::new();
        let envelope = read(line, Format::Unknown, &mut scratch);
        let program = Program::of(envelope.tag, envelope.body);
        let at = LineAt {
            time_ns: 1_795_348_800_000_000_000 + number as i64 * 500_000,
            host: envelope.host,
            tag: envelope.tag,
            listener: program.listener,
            service: program.service,
            pid: envelope.pid,
            stream: 1,
            line: number as u64,
            stream_key: 7,
            repeated: 1,
        };
        if envelope.tag == b"dovecot" {
            correlator.dovecot(&at, &dovecot::read(&envelope), &mut drafts);
        } else if envelope.tag.starts_with(b"postfix") {
            let line = postfix::parse(program.service, envelope.body);
            correlator.postfix(&at, &line, &NoLookup, &mut drafts);
        } else {
            correlator.unrecognised(&at, &mut drafts);
        }
    }
    drafts.to_records()
}

/// Sums of counters, counts and sums of histograms, by name and label values.
fn totals(records: &[u8]) -> BTreeMap<String, (u64, u64)> {
    let mut totals: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for event in Records::new(records) {
        measure(&event.unwrap(), Providers::builtin(), |measured| {
            let info = measured.family.info();
            let labels = info.labels.iter().zip(measured.labels);
            let labels: Vec<_> = labels
                .map(|(label, value)| format!("{}={value}", label.name))
                .collect();
            let total = totals
                .entry(format!("{}{{{}}}", info.name, labels.join(",")))
                .or_default();
            total.0 += 1;
            total.1 += measured.value;
        });
    }
    totals
}

#[test]
fn own_logs_add_up_as_expected() {
    let path = root().join("corpus/own/mail.rfc3339.labels");
    let log = std::fs::read(root().join("corpus/own/mail.rfc3339.log")).unwrap();
    let is_histogram = |name: &str| {
        Family::ALL.iter().any(|family| {
            family.info().kind == MetricKind::Histogram && name.starts_with(family.info().name)
        })
    };
    let mut found = String::new();
    for (name, (count, sum)) in totals(&records(&log)) {
        if is_histogram(&name) {
            found += &format!("{name} count {count} sum {sum}\n");
        } else {
            found += &format!("{name} {sum}\n");
        }
    }
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{}", path.display());
}

/// Counted by the words of the lines themselves, which nothing of ours has read.
#[test]
fn outcomes_agree_with_the_words_of_the_lines() {
    let log = std::fs::read(root().join("corpus/own/mail.rfc3339.log")).unwrap();
    let text = String::from_utf8_lossy(&log);
    let lines = |has: &dyn Fn(&str) -> bool| text.lines().filter(|line| has(line)).count() as u64;
    let totals = totals(&records(&log));
    let sum = |beginning: &str, part: &str| -> u64 {
        let fitting = totals
            .iter()
            .filter(|(name, _)| name.starts_with(beginning) && name.contains(part));
        fitting.map(|(_, (_, sum))| sum).sum()
    };
    let cases: [(&[&str], &str); 3] = [
        (&["delivered", "forwarded", "filtered"], "status=sent"),
        (&["deferred"], "status=deferred"),
        (&["bounced"], "status=bounced"),
    ];
    for (outcomes, status) in cases {
        let of_outcome = |outcome: &&str| sum("mail_deliveries{", &format!("outcome={outcome},"));
        let found: u64 = outcomes.iter().map(of_outcome).sum();
        // What is sent to no relay is thrown away.
        let is_delivery = |line: &str| {
            line.contains(" delay=")
                && line.contains(status)
                && !(line.contains("relay=none") && status == "status=sent")
        };
        assert_eq!(found, lines(&is_delivery), "{status}");
        assert!(found > 0, "{status}");
    }
    let all = text.lines().filter(|line| !line.is_empty()).count() as u64;
    assert_eq!(sum("tidings_source_lines{", ""), all);
}

/// Events come from files too, where bits may flip; labels then may be odd, but nothing breaks.
#[test]
fn damaged_events_are_measured_without_harm() {
    let log = std::fs::read(root().join("corpus/own/mail.rfc3339.log")).unwrap();
    let lines: Vec<&[u8]> = log
        .split_inclusive(|byte| *byte == b'\n')
        .take(600)
        .collect();
    let records = records(&lines.concat());
    let mut measured = 0;
    for (number, event) in Records::new(&records).enumerate() {
        let whole = event.unwrap().as_bytes().to_vec();
        for flip in 0..24 {
            let mut bytes = whole.clone();
            // Somewhere behind the length, each time elsewhere.
            let at = 4 + (number * 31 + flip * 17) % (bytes.len() - 4);
            bytes[at] ^= 1 << (flip % 8);
            for event in Records::new(&bytes).map_while(Result::ok) {
                measure(&event, Providers::builtin(), |found| {
                    let labels = found.family.info().labels.len();
                    assert!(found.labels[labels..].iter().all(|value| value.is_empty()));
                    measured += 1;
                });
            }
        }
    }
    assert!(measured > 10_000, "{measured}");
}
