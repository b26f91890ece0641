//! Deliveries: whose server, what became of it, why, and what took how long.

use tidings_event::EventType;

use super::{Facts, Family, Measurement};
use crate::diagnose::{Class, Enhanced, Fate, Reply, diagnose};
use crate::message;
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
        Outcome::Delivered if message::is_filtered(facts.details) => Outcome::Filtered,
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
    let named = parsed.host.and_then(|host| std::str::from_utf8(host).ok());
    let host = match facts.hostname {
        "" => named.unwrap_or_default(),
        host => host,
    };
    let provider = provider(facts, host, providers);
    if fate == Fate::GivenUp && facts.reason.is_empty() {
        return (provider, Class::Expired);
    }
    let class = diagnose(&Reply {
        code: parsed.code.or(facts.reply_code()),
        enhanced: parsed
            .enhanced
            .or_else(|| Enhanced::parse(facts.dsn.as_bytes())),
        provider: Some(provider).filter(|key| providers.by_key(key).is_some()),
        fate,
        ..parsed
    })
    .class;
    (provider, class)
}

/// The group of the next server: its key; `unlisted` for a server of no known group, `local` for this
/// machine and its programs, `none` where there was no server.
fn provider<'a>(facts: &Facts<'a>, host: &str, providers: &'a Providers) -> &'a str {
    let is_here = match facts.remote_ip {
        Some(ip) => ip.is_loopback(),
        // A program, or a socket of this machine.
        None => !facts.relay.is_empty() && facts.relay != "none",
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

/// Milliseconds of each phase; fewer if the text is not four numbers.
fn phases(delays: &str) -> impl Iterator<Item = u64> {
    let is_whole = delays.split('/').count() == PHASES.len();
    let texts = delays.split('/').filter(move |_| is_whole);
    texts.map_while(|text| millis(text.as_bytes()))
}

/// Milliseconds of a decimal number of seconds; `None` for anything else, or beyond ten years.
fn millis(seconds: &[u8]) -> Option<u64> {
    let point = memchr::memchr(b'.', seconds).unwrap_or(seconds.len());
    let (whole, rest) = seconds.split_at(point);
    let digits = |text: &[u8]| {
        (text.len() <= 9 && text.iter().all(u8::is_ascii_digit)).then(|| {
            text.iter()
                .fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'))
        })
    };
    let whole = digits(whole).filter(|_| point > 0 && point < 9)?;
    let fraction = match rest {
        [] => 0,
        [_, fraction @ ..] => {
            let shown = &fraction[..fraction.len().min(3)];
            digits(fraction)?;
            digits(shown)? * [1000, 100, 10, 1][shown.len()]
        }
    };
    Some(whole * 1000 + fraction)
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
            ("1/x/3/4", &[1000]),
            ("/./-1/4", &[]),
            ("9999999999/0/0/0", &[]),
            ("", &[]),
        ] {
            assert_eq!(phases(delays).collect::<Vec<_>>(), expected, "{delays}");
        }
    }
}
