//! Time zones of logs that do not name theirs: IANA names, fixed offsets, or the machine's own.

use jiff::tz::{AmbiguousOffset, TimeZone};
use tidings_mail::envelope::{LocalOffset, Zone};

/// The zone of this name: an IANA name (`Europe/Berlin`), `UTC`, an offset (`+02:00`), or `local`
/// for the machine's.
pub fn zone(name: &str) -> Result<Zone, String> {
    if name.eq_ignore_ascii_case("local") {
        return Ok(rule(TimeZone::system()));
    }
    if name.eq_ignore_ascii_case("utc") || name.eq_ignore_ascii_case("z") {
        return Ok(Zone::Utc);
    }
    if let Some(seconds) = offset(name) {
        return Ok(Zone::Fixed(seconds));
    }
    TimeZone::get(name).map(rule).map_err(|_| {
        format!("time zone {name:?} is not known: give an IANA name such as Europe/Berlin, UTC, an offset such as +02:00, or local")
    })
}

fn rule(zone: TimeZone) -> Zone {
    if zone == TimeZone::UTC {
        return Zone::Utc;
    }
    Zone::Rule(std::sync::Arc::new(move |local| offset_at(&zone, local)))
}

fn offset_at(zone: &TimeZone, local: i64) -> LocalOffset {
    let Ok(timestamp) = jiff::Timestamp::from_second(local) else {
        return LocalOffset::Unambiguous(0);
    };
    let civil = TimeZone::UTC.to_datetime(timestamp);
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => LocalOffset::Unambiguous(offset.seconds()),
        AmbiguousOffset::Gap { before, after } => LocalOffset::Gap {
            before: before.seconds(),
            after: after.seconds(),
        },
        AmbiguousOffset::Fold { before, after } => LocalOffset::Fold {
            before: before.seconds(),
            after: after.seconds(),
        },
    }
}

/// `+02:00`, `-0330`, `+02`.
fn offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    let (hours, minutes) = match digits.len() {
        2 => (digits.parse::<i32>().ok()?, 0),
        4 => (
            digits[..2].parse::<i32>().ok()?,
            digits[2..].parse::<i32>().ok()?,
        ),
        _ => return None,
    };
    (hours <= 15 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_read_in_every_spelling() {
        assert!(matches!(zone("UTC"), Ok(Zone::Utc)));
        assert!(matches!(zone("+02:00"), Ok(Zone::Fixed(7200))));
        assert!(matches!(zone("-0330"), Ok(Zone::Fixed(-12_600))));
        assert!(zone("local").is_ok());
        let error = zone("Mars/Olympus").map(|_| ()).unwrap_err();
        assert!(error.contains("Mars/Olympus") && error.contains("Europe/Berlin"));
    }

    #[test]
    fn a_rule_knows_daylight_saving() {
        let Ok(Zone::Rule(rule)) = zone("Europe/Berlin") else {
            panic!("Europe/Berlin has a rule, on every machine");
        };
        let local = |text: &str| tidings_event::time::parse_rfc3339(text).unwrap() / 1_000_000_000;
        assert_eq!(
            rule(local("2026-01-10T12:00:00Z")),
            LocalOffset::Unambiguous(3600)
        );
        assert_eq!(
            rule(local("2026-07-10T12:00:00Z")),
            LocalOffset::Unambiguous(7200)
        );
        assert_eq!(
            rule(local("2026-10-25T02:30:00Z")),
            LocalOffset::Fold {
                before: 7200,
                after: 3600
            }
        );
        assert_eq!(
            rule(local("2026-03-29T02:30:00Z")),
            LocalOffset::Gap {
                before: 3600,
                after: 7200
            }
        );
    }
}
