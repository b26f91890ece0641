//! Single expositions, read by others.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tidings_event::{Id, Reading, Series, SeriesValue};
use tidings_wire::prometheus::{Format, Naming};

use crate::sets::{CREATED_NS, catalogue, labelled, program, text};

/// Names and numbers as they are to be found, worked out without the writer.
struct Expected {
    out: String,
    format: Format,
    naming: Naming,
}

impl Expected {
    fn reading(&mut self, reading: &Reading) {
        let is_conventional = self.naming == Naming::Conventional || !reading.name.contains('.');
        let mut name = reading.name.replace(['.', '-'], "_");
        let mut divisor = f64::from(reading.divisor);
        if is_conventional {
            let unit = match reading.unit {
                "milliseconds" => {
                    divisor *= 1000.0;
                    "seconds"
                }
                "count" => "",
                unit => unit,
            };
            if !unit.is_empty() && !name.ends_with(&format!("_{unit}")) {
                write!(name, "_{unit}").unwrap();
            }
        }
        for series in &reading.series {
            self.series(&name, divisor, series);
        }
    }

    fn series(&mut self, name: &str, divisor: f64, series: &Series) {
        let created = (CREATED_NS / 1_000_000) as f64 / 1000.0;
        match &series.value {
            SeriesValue::Counter { count, exemplar } => {
                // The library calls every counter so, also one that is called otherwise.
                self.sample(
                    &format!("{name}_total"),
                    series,
                    None,
                    *count as f64,
                    exemplar.map(|exemplar| (exemplar.span, exemplar.value as f64)),
                );
                self.created(name, series, created);
            }
            SeriesValue::Gauge(value) => {
                self.sample(name, series, None, *value as f64 / divisor, None);
            }
            SeriesValue::Histogram(known) => {
                let mut below = 0;
                for (at, count) in known.counts.iter().enumerate() {
                    below += count;
                    let bound = known.bounds.get(at).map(|bound| *bound as f64 / divisor);
                    let exemplar = known.exemplars.get(at).copied().flatten();
                    let exemplar =
                        exemplar.map(|exemplar| (exemplar.span, exemplar.value as f64 / divisor));
                    let le = Some(bound.unwrap_or(f64::INFINITY));
                    self.sample(
                        &format!("{name}_bucket"),
                        series,
                        le,
                        below as f64,
                        exemplar,
                    );
                }
                self.sample(
                    &format!("{name}_sum"),
                    series,
                    None,
                    known.sum as f64 / divisor,
                    None,
                );
                self.sample(&format!("{name}_count"), series, None, below as f64, None);
                self.created(name, series, created);
            }
        }
    }

    fn created(&mut self, name: &str, series: &Series, created: f64) {
        if self.format == Format::OpenMetrics {
            self.sample(&format!("{name}_created"), series, None, created, None);
        }
    }

    fn sample(
        &mut self,
        name: &str,
        series: &Series,
        le: Option<f64>,
        value: f64,
        exemplar: Option<(Id, f64)>,
    ) {
        let labels = series.labels.iter();
        let mut labels: Vec<String> = labels
            .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
            .collect();
        if let Some(le) = le {
            labels.push(format!("le={}", percent_encoded(&self.bound(le))));
        }
        let span = exemplar
            .filter(|_| self.format == Format::OpenMetrics)
            .map_or(String::new(), |(span, value)| format!("{span} {value:?}"));
        writeln!(self.out, "{name}\t{}\t{value:?}\t{span}", labels.join("&")).unwrap();
    }

    /// A bound as text: Rust's, or that of the canonical numbers of OpenMetrics.
    fn bound(&self, le: f64) -> String {
        match self.format {
            _ if le.is_infinite() => "+Inf".into(),
            Format::Text => format!("{le}"),
            Format::OpenMetrics if le < 1e6 => format!("{le:?}"),
            Format::OpenMetrics => format!("{le:e}").replace('e', "e+0"),
        }
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        write!(out, "%{byte:02x}").unwrap();
        out
    })
}

#[test]
fn python_reads_every_sample_as_it_was_meant() {
    let Some(python) = std::env::var_os("TIDINGS_PROMETHEUS_PYTHON") else {
        eprintln!("skipped: TIDINGS_PROMETHEUS_PYTHON names no Python with prometheus-client");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prometheus/read_metrics.py");
    let folder = tempfile::tempdir().unwrap();
    for (set, readings) in [("catalogue", catalogue()), ("labelled", labelled())] {
        for (format, word) in [(Format::Text, "text"), (Format::OpenMetrics, "openmetrics")] {
            for naming in [Naming::Reference, Naming::Conventional] {
                if (format, naming) == (Format::OpenMetrics, Naming::Reference) {
                    continue;
                }
                let mut expected = Expected {
                    out: String::new(),
                    format,
                    naming,
                };
                readings
                    .iter()
                    .for_each(|reading| expected.reading(reading));
                let (metrics, wanted) =
                    (folder.path().join("metrics"), folder.path().join("wanted"));
                std::fs::write(&metrics, text(&readings, format, naming)).unwrap();
                std::fs::write(&wanted, &expected.out).unwrap();
                let mut python = Command::new(&python);
                let output = python
                    .arg(&script)
                    .arg(word)
                    .args([&metrics, &wanted])
                    .output()
                    .unwrap();
                assert!(
                    output.status.success(),
                    "{set} {word} {naming:?}: {}{}",
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr)
                );
            }
        }
    }
}

/// What `promtool check metrics` says of a text.
fn lints(promtool: &Path, metrics: &str) -> Vec<String> {
    let mut check = Command::new(promtool);
    check
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = check.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let metrics = metrics.to_owned();
    let feeding = std::thread::spawn(move || stdin.write_all(metrics.as_bytes()));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap().unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said)
        .unwrap()
        .lines()
        .map(String::from)
        .collect()
}

#[test]
fn promtool_has_nothing_to_say_of_conventional_names() {
    let Some(promtool) = program("promtool") else {
        return;
    };
    for (set, readings) in [("catalogue", catalogue()), ("labelled", labelled())] {
        let metrics = text(&readings, Format::Text, Naming::Conventional);
        assert_eq!(lints(&promtool, &metrics), [""; 0], "{set}");
    }
    // The tool does look.
    let broken = "# HELP x X\n# TYPE x counter\nx 1\n";
    assert_eq!(lints(&promtool, broken).len(), 1);
}

/// The reference's names break two conventions, and these only: a dashboard made for them depends on it.
#[test]
fn promtool_reads_the_reference_s_names_and_dislikes_them_as_expected() {
    let Some(promtool) = program("promtool") else {
        return;
    };
    let metrics = text(&catalogue(), Format::Text, Naming::Reference);
    let lints = lints(&promtool, &metrics);
    assert!(lints.len() > 300, "{lints:?}");
    for lint in lints {
        let is_known = lint.ends_with("counter metrics should have \"_total\" suffix")
            || lint.ends_with(
                "non-histogram and non-summary metrics should not have \"_count\" suffix",
            );
        assert!(is_known, "{lint}");
    }
}
