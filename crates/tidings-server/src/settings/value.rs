//! One value of the settings file, checked against what its setting takes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tidings_engine::{Schedule, zone};
use tidings_event::{EventType, MetricInfo, name_fits};
use toml::Spanned;
use toml::de::DeValue;

use super::declare::Takes;
use super::network::{Network, is_origin, is_redirect};

/// A checked value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given {
    Flag(bool),
    Number(i64),
    Size(u64),
    Time(Duration),
    Text(String),
    Texts(Vec<String>),
    Addresses(Vec<SocketAddr>),
    Path(PathBuf),
    Map(BTreeMap<String, String>),
}

impl Takes {
    /// Reads a value; `None` if it is none that the setting takes.
    pub(super) fn read(self, value: &DeValue<'_>) -> Option<Given> {
        let text = value.as_str();
        match self {
            Takes::Flag => value.as_bool().map(Given::Flag),
            Takes::Word(words) => text.filter(|text| words.contains(text)).map(owned),
            Takes::Number(least, most) => {
                let number = whole(value)?;
                (least..=most)
                    .contains(&number)
                    .then_some(Given::Number(number))
            }
            Takes::Size(least, most) => {
                let bytes = match text {
                    Some(text) => with_unit(text, SIZES)?,
                    None => u64::try_from(whole(value)?).ok()?,
                };
                (least..=most)
                    .contains(&bytes)
                    .then_some(Given::Size(bytes))
            }
            Takes::Time(least, most) => {
                let millis = with_unit(text?, TIMES)?;
                (least..=most)
                    .contains(&millis)
                    .then(|| Given::Time(Duration::from_millis(millis)))
            }
            Takes::Addresses => {
                let addresses = one_or_more(value)?;
                let addresses = addresses.iter().map(|text| text.parse().ok());
                addresses.collect::<Option<_>>().map(Given::Addresses)
            }
            Takes::Patterns => {
                let patterns = one_or_more(value)?;
                (!patterns.is_empty() && patterns.iter().all(|text| is_log_pattern(text)))
                    .then_some(Given::Texts(patterns))
            }
            Takes::Events => named(value, &|name| EventType::matching(name).is_ok()),
            Takes::Event => text
                .filter(|name| EventType::from_name(name).is_some())
                .map(owned),
            Takes::Metrics => named(value, &|name| {
                let mut all = MetricInfo::all().iter();
                all.any(|info| name_fits(name, info.name))
            }),
            Takes::Url => text.filter(|text| is_url(text)).map(owned),
            Takes::Text => text
                .map(str::trim)
                .filter(|text| !text.is_empty() && !text.contains(char::is_control))
                .map(owned),
            Takes::Map => {
                // Which of them is no header is told by the check of the output.
                let pair = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
                    let name: &std::borrow::Cow<'_, str> = name.get_ref();
                    let text = value.get_ref().as_str()?;
                    Some((name.to_string(), text.to_owned()))
                };
                let pairs = value.as_table()?.iter().map(pair);
                pairs.collect::<Option<_>>().map(Given::Map)
            }
            Takes::Path => text
                .filter(|text| text.starts_with('/'))
                .map(|text| Given::Path(text.into())),
            Takes::Networks => named(value, &|text| Network::parse(text).is_some()),
            Takes::Origins => named(value, &is_origin),
            Takes::Urls => named(value, &is_redirect),
            Takes::Secret => text.filter(|text| is_secret(text)).map(owned),
            Takes::Zone => text.filter(|text| zone(text).is_ok()).map(owned),
            Takes::Schedule => text
                .filter(|text| text.parse::<Schedule>().is_ok())
                .map(owned),
        }
    }

    /// What it takes, as it follows "must be".
    pub(super) fn allowed(self) -> String {
        match self {
            Takes::Flag => "true or false".to_owned(),
            Takes::Word(words) => match words.split_last() {
                Some((last, [])) => format!("\"{last}\""),
                Some((last, rest)) => format!("\"{}\" or \"{last}\"", rest.join("\", \"")),
                None => "nothing".to_owned(),
            },
            Takes::Number(least, most) => format!("a whole number from {least} to {most}"),
            Takes::Size(least, most) => {
                format!("a size such as \"16MiB\", from {} to {}", in_unit(least, SIZES), in_unit(most, SIZES))
            }
            Takes::Time(least, most) => {
                format!("a time such as \"10s\", from {} to {}", in_unit(least, TIMES), in_unit(most, TIMES))
            }
            Takes::Addresses => {
                "addresses with ports, such as [\"127.0.0.1:8686\", \"[::1]:8686\"]".to_owned()
            }
            Takes::Networks => {
                "addresses or networks, such as [\"127.0.0.1\", \"10.0.0.0/8\", \"fd00::/8\"]".to_owned()
            }
            Takes::Origins => {
                "origins of web pages without a path, such as [\"https://mail.example.org\"]".to_owned()
            }
            Takes::Urls => {
                "whole addresses, such as [\"https://mail.example.org/oauth/callback\"]".to_owned()
            }
            Takes::Patterns => "absolute paths, such as [\"/var/log/mail.log\", \"/srv/*/mail.log\"]".to_owned(),
            Takes::Events => "names of events, in which * stands for any part, such as [\"auth.*\", \"delivery.failed\"] \
                 (docs/reference/events.md)"
                .to_owned(),
            Takes::Event => {
                "the name of an event, such as \"auth.failed\" (docs/reference/events.md)".to_owned()
            }
            Takes::Metrics => "names of metrics, in which * stands for any part, such as [\"smtp.*\", \"queue.count\"] \
                 (docs/reference/metrics.md)"
                .to_owned(),
            Takes::Url => "an address such as \"https://collector.example.org:4318\"".to_owned(),
            Takes::Text => "a text that is not empty".to_owned(),
            Takes::Map => "texts by name of a header, such as { \"X-Tenant\" = \"mail\" }".to_owned(),
            Takes::Path => "an absolute path".to_owned(),
            Takes::Secret => "at least 16 visible ASCII characters without blanks".to_owned(),
            Takes::Schedule => Schedule::ALLOWED.to_owned(),
            Takes::Zone => {
                "a time zone: \"local\", \"UTC\", an offset such as \"+02:00\", or a name such as \"Europe/Berlin\" \
                 (names need the time zone data of this machine: package tzdata)"
                    .to_owned()
            }
        }
    }
}

/// An absolute path, which may have wildcards.
pub(crate) fn is_log_pattern(text: &str) -> bool {
    text.starts_with('/') && glob::Pattern::new(text).is_ok()
}

/// Names, or wildcards, that all stand for something.
fn named(value: &DeValue<'_>, is_known: &dyn Fn(&str) -> bool) -> Option<Given> {
    let names = one_or_more(value)?;
    let is_known = names.iter().all(|name| is_known(name));
    is_known.then_some(Given::Texts(names))
}

fn is_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic())
    })
}

/// Whether a text can be a token: it can be guessed only by trying, and travels in a header as it is.
pub(super) fn is_secret(text: &str) -> bool {
    text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Units with what they stand for, the largest first.
type Units = &'static [(&'static str, u64)];

const SIZES: Units = &[
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// In milliseconds.
const TIMES: Units = &[
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

fn with_unit(text: &str, units: Units) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn in_unit(value: u64, units: Units) -> String {
    let fits = units
        .iter()
        .find(|(_, factor)| value.is_multiple_of(*factor));
    let (name, factor) = fits.copied().unwrap_or(("", 1));
    format!("{}{name}", value / factor)
}

fn whole(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn one_or_more(value: &DeValue<'_>) -> Option<Vec<String>> {
    if let Some(text) = value.as_str() {
        return Some(vec![text.to_owned()]);
    }
    let texts = value.as_array()?.iter();
    texts
        .map(|text| text.get_ref().as_str().map(str::to_owned))
        .collect()
}

fn owned(text: &str) -> Given {
    Given::Text(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(takes: Takes, text: &str) -> Option<Given> {
        takes.read(DeValue::parse(text).unwrap().get_ref())
    }

    #[test]
    fn values_are_read_in_their_units() {
        let size = Takes::Size(1024, 1 << 30);
        assert_eq!(read(size, "\"16MiB\""), Some(Given::Size(16 << 20)));
        assert_eq!(read(size, "\"1 GiB\""), Some(Given::Size(1 << 30)));
        assert_eq!(read(size, "0x1000"), Some(Given::Size(4096)));
        for wrong in [
            "\"16MB\"",
            "\"\"",
            "\"MiB\"",
            "\"2GiB\"",
            "\"99999999999999999999GiB\"",
            "-5",
            "1.5",
            "true",
        ] {
            assert_eq!(read(size, wrong), None, "{wrong}");
        }
        let time = Takes::Time(100, 60_000);
        assert_eq!(
            read(time, "\"1500ms\""),
            Some(Given::Time(Duration::from_millis(1500)))
        );
        assert_eq!(
            read(time, "\"1m\""),
            Some(Given::Time(Duration::from_secs(60)))
        );
        assert_eq!(read(time, "10"), None);
        assert_eq!(time.allowed(), "a time such as \"10s\", from 100ms to 1m");
    }

    #[test]
    fn lists_may_be_one_value() {
        let address = "127.0.0.1:8686".parse().unwrap();
        assert_eq!(
            read(Takes::Addresses, "\"127.0.0.1:8686\""),
            Some(Given::Addresses(vec![address]))
        );
        assert_eq!(read(Takes::Addresses, "[]"), Some(Given::Addresses(vec![])));
        assert_eq!(read(Takes::Addresses, "[\"localhost:1\"]"), None);
        assert_eq!(
            read(Takes::Patterns, "\"/a/*.log\""),
            Some(Given::Texts(vec!["/a/*.log".into()]))
        );
        for wrong in ["\"a.log\"", "[]", "[\"/a\", 5]", "\"/a/[\""] {
            assert_eq!(read(Takes::Patterns, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn words_and_secrets() {
        assert_eq!(
            read(Takes::Word(&["a", "b"]), "\"b\""),
            Some(Given::Text("b".into()))
        );
        assert_eq!(read(Takes::Word(&["a", "b"]), "\"B\""), None);
        assert_eq!(
            Takes::Word(&["a", "b", "c"]).allowed(),
            "\"a\", \"b\" or \"c\""
        );
        assert!(read(Takes::Secret, "\"0123456789abcdef\"").is_some());
        assert!(read(Takes::Secret, "\"0123456789abcde\"").is_none());
        assert!(read(Takes::Secret, "\"0123456789 abcdef\"").is_none());
        assert!(
            read(Takes::Zone, "\"+02:00\"").is_some() && read(Takes::Zone, "\"Mars\"").is_none()
        );
    }
}
