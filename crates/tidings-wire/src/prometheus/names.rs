//! Names of metrics: the reference's, and those that the conventions of Prometheus ask for.

use tidings_event::{MetricKind, Reading};

/// How a metric of the catalogue is named. Metrics with labels have their names already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// As the reference names them: `delivery_attempt_time`, in milliseconds, and counters without
    /// `_total`.
    Reference,
    /// As Prometheus and OpenMetrics ask for: base units, the unit in the name, counters with
    /// `_total`: `delivery_attempt_time_seconds`.
    Conventional,
}

/// A metric's name, unit and divisor on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Without `_total`.
    pub(super) name: String,
    /// Of the samples of a counter: `_total`, or nothing.
    pub(super) total: &'static str,
    /// `None` if it only counts.
    pub(super) unit: Option<&'static str>,
    pub(super) divisor: u32,
}

impl Named {
    pub(super) fn of(reading: &Reading, naming: Naming) -> Named {
        let is_dotted = reading.name.contains('.');
        let mut name: String = reading.name.chars().map(sane).collect();
        if name.starts_with(|first: char| first.is_ascii_digit()) {
            name.insert(0, '_');
        }
        let is_counter = reading.kind == MetricKind::Counter;
        if is_dotted && naming == Naming::Reference {
            return Named {
                name,
                total: "",
                unit: None,
                divisor: reading.divisor,
            };
        }
        // Base units: seconds, never milliseconds.
        let (unit, divisor) = match (reading.unit, reading.divisor.checked_mul(1000)) {
            ("milliseconds", Some(divisor)) => ("seconds", divisor),
            (unit, _) => (unit, reading.divisor),
        };
        let unit = (unit != "count" && !unit.is_empty()).then_some(unit);
        if let Some(unit) = unit
            && !has_suffix(&name, unit)
        {
            name.push('_');
            name.push_str(unit);
        }
        Named {
            name,
            total: if is_counter { "_total" } else { "" },
            unit,
            divisor,
        }
    }
}

/// Whether the name ends with the unit as a word: `memory_bytes`.
fn has_suffix(name: &str, unit: &str) -> bool {
    let head = name.strip_suffix(unit);
    head.is_some_and(|head| head.is_empty() || head.ends_with('_'))
}

/// What may stand in a name, else `_`.
fn sane(letter: char) -> char {
    if letter.is_ascii_alphanumeric() {
        letter
    } else {
        '_'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &'static str, kind: MetricKind, unit: &'static str, naming: Naming) -> Named {
        let reading = Reading {
            name: name.into(),
            description: "x".into(),
            unit,
            kind,
            divisor: 1,
            created_ns: 0,
            series: Vec::new(),
        };
        Named::of(&reading, naming)
    }

    #[test]
    fn the_reference_s_names_are_kept_and_conventional_ones_have_units() {
        let (counter, gauge) = (MetricKind::Counter, MetricKind::Gauge);
        for (name, kind, unit, reference, conventional) in [
            (
                "auth.failed",
                counter,
                "count",
                "auth_failed",
                "auth_failed_total",
            ),
            (
                "queue.count",
                gauge,
                "messages",
                "queue_count",
                "queue_count_messages",
            ),
            (
                "server.memory",
                gauge,
                "bytes",
                "server_memory",
                "server_memory_bytes",
            ),
            (
                "smtp.active-connections",
                gauge,
                "connections",
                "smtp_active_connections",
                "smtp_active_connections",
            ),
            (
                "dns.lookup-time",
                MetricKind::Histogram,
                "milliseconds",
                "dns_lookup_time",
                "dns_lookup_time_seconds",
            ),
            (
                "mail_deliveries",
                counter,
                "count",
                "mail_deliveries_total",
                "mail_deliveries_total",
            ),
            ("2x.ü", gauge, "count", "_2x__", "_2x__"),
        ] {
            for (naming, expected) in [
                (Naming::Reference, reference),
                (Naming::Conventional, conventional),
            ] {
                let named = named(name, kind, unit, naming);
                assert_eq!(named.name + named.total, expected);
            }
        }
        let times = named(
            "dns.lookup-time",
            MetricKind::Histogram,
            "milliseconds",
            Naming::Conventional,
        );
        assert_eq!((times.divisor, times.unit), (1000, Some("seconds")));
    }
}
