//! Metrics as text for scrapers: the text format 0.0.4 of Prometheus, and OpenMetrics 1.0.
//!
//! Buckets are cumulative and end with `+Inf`, counters that are zero are shown, and what stands in
//! a label or a description cannot break a line. The order is that of the readings, so that two
//! scrapes differ in values only.
//!
//! Sources: "Exposition formats" of the documentation of Prometheus; OpenMetrics, version 1.0.

mod accept;
mod names;
mod number;

#[cfg(test)]
mod tests;

use tidings_event::digits::push_u64;
use tidings_event::{Distribution, Exemplar, MetricKind, Reading, Series, SeriesValue};

pub use accept::Format;
pub use names::Naming;

use names::Named;
use number::{push_canonical, push_divided, push_seconds, push_signed};

/// Appends the readings in this format. OpenMetrics takes [`Naming::Conventional`] whatever is asked
/// for, as its counters are to end in `_total`; it ends with `# EOF`, so it is written in one go.
///
/// Readings of one name are to be one reading: the name would be described twice.
pub fn write(out: &mut Vec<u8>, readings: &[Reading], format: Format, naming: Naming) {
    let naming = match format {
        Format::Text => naming,
        Format::OpenMetrics => Naming::Conventional,
    };
    for reading in readings {
        let writer = Writer {
            named: Named::of(reading, naming),
            format,
            created_ns: reading.created_ns,
        };
        writer.describe(out, reading);
        for series in &reading.series {
            writer.series(out, series);
        }
    }
    if format == Format::OpenMetrics {
        out.extend_from_slice(b"# EOF\n");
    }
}

/// Writes one metric.
struct Writer {
    named: Named,
    format: Format,
    created_ns: i64,
}

impl Writer {
    fn describe(&self, out: &mut Vec<u8>, reading: &Reading) {
        // Only OpenMetrics describes a counter by its name without `_total`.
        let total = match self.format {
            Format::Text => self.named.total,
            Format::OpenMetrics => "",
        };
        let begin = |out: &mut Vec<u8>, word: &str| {
            for part in ["# ", word, " ", &self.named.name, total, " "] {
                out.extend_from_slice(part.as_bytes());
            }
        };
        begin(out, "HELP");
        let is_quote_escaped = self.format == Format::OpenMetrics;
        push_escaped(out, &reading.description, is_quote_escaped);
        out.push(b'\n');
        begin(out, "TYPE");
        out.extend_from_slice(match reading.kind {
            MetricKind::Counter => b"counter",
            MetricKind::Gauge => b"gauge",
            MetricKind::Histogram => b"histogram",
        });
        out.push(b'\n');
        if let Some(unit) = self.named.unit
            && self.format == Format::OpenMetrics
        {
            begin(out, "UNIT");
            out.extend_from_slice(unit.as_bytes());
            out.push(b'\n');
        }
    }

    fn series(&self, out: &mut Vec<u8>, series: &Series) {
        match &series.value {
            SeriesValue::Counter { count, exemplar } => {
                self.name(out, self.named.total);
                self.labels(out, series, None);
                push_divided(out, *count, self.named.divisor);
                self.exemplar(out, exemplar.as_ref());
                out.push(b'\n');
                self.created(out, series);
            }
            SeriesValue::Gauge(value) => {
                self.name(out, "");
                self.labels(out, series, None);
                push_signed(out, *value, self.named.divisor);
                out.push(b'\n');
            }
            SeriesValue::Histogram(distribution) => self.histogram(out, series, distribution),
        }
    }

    fn histogram(&self, out: &mut Vec<u8>, series: &Series, distribution: &Distribution) {
        let mut below = 0u64;
        for (at, count) in distribution.counts.iter().enumerate() {
            below = below.saturating_add(*count);
            self.name(out, "_bucket");
            self.labels(out, series, Some(distribution.bounds.get(at).copied()));
            push_u64(out, below);
            self.exemplar(out, distribution.exemplars.get(at).and_then(Option::as_ref));
            out.push(b'\n');
        }
        self.name(out, "_sum");
        self.labels(out, series, None);
        push_divided(out, distribution.sum, self.named.divisor);
        out.push(b'\n');
        // The same sum as that of the buckets: they are all that there is.
        self.name(out, "_count");
        self.labels(out, series, None);
        push_u64(out, below);
        out.push(b'\n');
        self.created(out, series);
    }

    fn name(&self, out: &mut Vec<u8>, suffix: &str) {
        out.extend_from_slice(self.named.name.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
    }

    /// The labels, the bound of a bucket among them (`None` for the last one, which has none), and a
    /// blank.
    fn labels(&self, out: &mut Vec<u8>, series: &Series, bucket: Option<Option<u64>>) {
        let mut separator = b'{';
        for (name, value) in &series.labels {
            out.push(separator);
            separator = b',';
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"=\"");
            push_escaped(out, value, true);
            out.push(b'"');
        }
        if let Some(bound) = bucket {
            out.push(separator);
            separator = b',';
            out.extend_from_slice(b"le=\"");
            match (bound, self.format) {
                (None, _) => out.extend_from_slice(b"+Inf"),
                (Some(bound), Format::Text) => push_divided(out, bound, self.named.divisor),
                (Some(bound), Format::OpenMetrics) => {
                    push_canonical(out, bound, self.named.divisor);
                }
            }
            out.push(b'"');
        }
        if separator == b',' {
            out.push(b'}');
        }
        out.push(b' ');
    }

    /// ` # {span_id="…"} value time`, where the format has it.
    fn exemplar(&self, out: &mut Vec<u8>, exemplar: Option<&Exemplar>) {
        if self.format == Format::Text {
            return;
        }
        if let Some(exemplar) = exemplar {
            out.extend_from_slice(b" # {span_id=\"");
            out.extend_from_slice(exemplar.span.to_string().as_bytes());
            out.extend_from_slice(b"\"} ");
            push_divided(out, exemplar.value, self.named.divisor);
            out.push(b' ');
            push_seconds(out, exemplar.time_ns);
        }
    }

    fn created(&self, out: &mut Vec<u8>, series: &Series) {
        if self.format == Format::OpenMetrics {
            self.name(out, "_created");
            self.labels(out, series, None);
            push_seconds(out, self.created_ns);
            out.push(b'\n');
        }
    }
}

/// Appends text with backslash and line feed escaped, and the quote where it ends the text.
fn push_escaped(out: &mut Vec<u8>, text: &str, is_quote_escaped: bool) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if is_quote_escaped => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}
