//! Deliveries: whose server, what became of it, why, and what took how long.

use tidings_event::EventType;

use super::{Facts, Family, Measurement};
use crate::diagnose::{Class, Enhanced, Fate, Reply, diagnose, is_thrown_away};
use crate::provider::Providers;

/// How a delivery ended, for one recipient and for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Delivered,
    Forwarded,
    Filtered,
    Discarded,
    Deferred,
    Bounced,
    Expired,
}

impl Outcome {
    pub(super) fn of(kind: EventType) -> Option<Outcome> {
        Some(match kind {
            EventType::DELIVERY_DELIVERED => Outcome::Delivered,
            EventType::DELIVERY_FORWARDED => Outcome::Forwarded,
            EventType::DELIVERY_FILTERED => Outcome::Filtered,
            EventType::DELIVERY_DISCARDED => Outcome::Discarded,
            EventType::QUEUE_RESCHEDULED => Outcome::Deferred,
            EventType::DELIVERY_FAILED => Outcome::Bounced,
            EventType::DELIVERY_EXPIRED => Outcome::Expired,
            _ => return None,
        })
    }

    fn as_str(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Forwarded => "forwarded",
            Outcome::Filtered => "filtered",
            Outcome::Discarded => "discarded",
            Outcome::Deferred => "deferred",
            Outcome::Bounced => "bounced",
            Outcome::Expired => "expired",
        }
    }

    /// What the queue made of the reply; `None` where the outcome says it all.
    fn fate(self) -> Option<Fate> {
        match self {
            Outcome::Deferred => Some(Fate::Waiting),
            Outcome::Bounced => Some(Fate::Refused),
            Outcome::Expired => Some(Fate::GivenUp),
            _ => None,
        }
    }
}

pub(super) fn measure<'a>(
    outcome: Outcome,
    facts: &Facts<'a>,
    providers: &'a Providers,
    put: &mut impl FnMut(Measurement<'a>),
) {
    let outcome = match outcome {
        Outcome::Delivered if is_thrown_away(facts.details) => Outcome::Filtered,
        outcome => outcome,
    };
    let (provider, class) = match outcome.fate() {
        Some(fate) => of_failure(fate, facts, providers),
        None if outcome == Outcome::Discarded => ("none", Class::Discarded),
        None => (provider(facts, facts.hostname, providers), Class::Accepted),
    };
    put(Measurement {
        family: Family::Deliveries,
        labels: [provider, outcome.as_str(), class.as_str()],
        value: facts.repeated,
    });
    if outcome == Outcome::Delivered {
        for (phase, millis) in PHASES.into_iter().zip(phases(facts.delays)) {
            put(Measurement {
                family: Family::DeliveryDelays,
                labels: [phase, "", ""],
                value: millis,
            });
        }
    }
}

/// Whose server failed, and what its reply means. A host that was not reached is named in the text.
fn of_failure<'a>(fate: Fate, facts: &Facts<'a>, providers: &'a Providers) -> (&'a str, Class) {
    let parsed = Reply::parse(facts.reason);
    let host = match facts.hostname {
        b"" => parsed.host.unwrap_or_default(),
        host => host,
    };
    let provider = provider(facts, host, providers);
    if fate == Fate::GivenUp && facts.reason.is_empty() {
        return (provider, Class::Expired);
    }
    let class = diagnose(&Reply {
        code: parsed.code.or(facts.reply_code()),
        enhanced: parsed.enhanced.or_else(|| Enhanced::parse(facts.dsn)),
        provider: Some(provider).filter(|key| providers.by_key(key).is_some()),
        fate,
        ..parsed
    })
    .class;
    (provider, class)
}

/// The group of the next server: its key; `unlisted` for a server of no known group, `local` for this
/// machine and its programs, `none` where there was no server.
fn provider<'a>(facts: &Facts<'a>, host: &[u8], providers: &'a Providers) -> &'a str {
    let is_here = match facts.remote_ip {
        Some(ip) => ip.is_loopback(),
        // A program, or a socket of this machine.
        None => !facts.relay.is_empty() && facts.relay != b"none",
    };
    if is_here {
        return "local";
    }
    if host.is_empty() {
        return "none";
    }
    providers
        .by_host(host)
        .map_or("unlisted", |provider| provider.key())
}

/// The phases of Postfix's `delays=a/b/c/d`.
const PHASES: [&str; 4] = ["before-queue", "queue", "connection", "transmission"];

/// Milliseconds of each phase; none if the text is not four numbers of seconds.
fn phases(delays: &[u8]) -> impl Iterator<Item = u64> {
    let mut found = [0; PHASES.len()];
    let mut texts = delays.split(|byte| *byte == b'/');
    let is_whole = found
        .iter_mut()
        .all(|phase| match texts.next().and_then(millis) {
            Some(millis) => {
                *phase = millis;
                true
            }
            None => false,
        });
    let count = if is_whole && texts.next().is_none() {
        PHASES.len()
    } else {
        0
    };
    found.into_iter().take(count)
}

/// Milliseconds of a decimal number of seconds; `None` for anything else, or beyond thirty years.
fn millis(seconds: &[u8]) -> Option<u64> {
    const SECONDS_MAX: u64 = 1_000_000_000;
    let (mut whole, mut thousandths, mut unit) = (0u64, 0u64, 0u64);
    let mut digits = 0;
    for byte in seconds {
        match byte {
            b'0'..=b'9' if unit == 0 => {
                whole = whole * 10 + u64::from(byte - b'0');
                digits += 1;
                if whole > SECONDS_MAX {
                    return None;
                }
            }
            b'0'..=b'9' => {
                // Digits beyond the third are worth less than a unit.
                thousandths += u64::from(byte - b'0') * (unit / 10);
                unit = (unit / 10).max(1);
            }
            b'.' if unit == 0 && digits > 0 => unit = 1000,
            _ => return None,
        }
    }
    (digits > 0).then_some(whole * 1000 + thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read_to_the_millisecond() {
        for (delays, expected) in [
            ("0.03/0.04/0/0", &[30, 40, 0, 0][..]),
            ("15/0.01/0.04/0.07", &[15_000, 10, 40, 70]),
            ("1.234567/0/0/432000", &[1_234, 0, 0, 432_000_000]),
            ("1/2/3", &[]),
            ("1/2/3/4/5", &[]),
            ("1/x/3/4", &[]),
            ("/./-1/4", &[]),
            ("9999999999/0/0/0", &[]),
            ("", &[]),
        ] {
            assert_eq!(
                phases(delays.as_bytes()).collect::<Vec<_>>(),
                expected,
                "{delays}"
            );
        }
    }
}
