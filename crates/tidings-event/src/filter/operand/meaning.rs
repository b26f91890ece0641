//! All that one value of a filter can mean, tested against the values of events.

use std::net::IpAddr;

use super::scalar::{Interval, Net, parse_boolean, parse_millis, parse_number};
use crate::digits::write_u64;
use crate::filter::ast::{Op, Operand, Pattern};
use crate::filter::field::FieldKind;
use crate::filter::glob::{Glob, GlobMatcher};
use crate::filter::plan::Needs;
use crate::filter::texts::TextTest;
use crate::time::{When, parse_when};
use crate::token::{IpText, Text, terms_of};
use crate::value::Value;

/// A value of a filter, by what it can mean; a value of an event passes by its own kind.
#[derive(Clone, Debug, Default)]
pub(in crate::filter) struct Meaning {
    /// Any value but none.
    anything: bool,
    number: Option<Interval>,
    /// The shape that the digits of a number have.
    digits: Option<GlobMatcher>,
    duration: Option<Interval>,
    time: Option<Interval>,
    boolean: Option<bool>,
    net: Option<Net>,
    /// Addresses inside texts count.
    net_in_texts: bool,
    text: Option<TextTest>,
}

impl Meaning {
    /// What `op operand` means for a field of this kind. `Op::IsNot` is taken as `Op::Is`: the caller
    /// turns it round.
    pub(in crate::filter) fn new(
        kind: FieldKind,
        op: Op,
        operand: &Operand,
        now_ns: i64,
    ) -> Meaning {
        match operand {
            Operand::Range(low, high) => Meaning::of_range(kind, low, high, now_ns),
            Operand::One(Pattern::Text(text)) => Meaning::of_text(kind, op, text, now_ns),
            Operand::One(Pattern::Glob(glob)) => Meaning::of_glob(kind, op, glob),
        }
    }

    /// Any address of the network that `operand` is, also inside texts.
    pub(in crate::filter) fn of_any_ip(operand: &Operand) -> Meaning {
        match operand {
            Operand::One(Pattern::Text(text)) => Meaning {
                net: Net::parse(text),
                net_in_texts: true,
                ..Meaning::default()
            },
            _ => Meaning::default(),
        }
    }

    fn of_range(kind: FieldKind, low: &str, high: &str, now_ns: i64) -> Meaning {
        let (low, high) = (
            Meaning::of_text(kind, Op::AtLeast, low, now_ns),
            Meaning::of_text(kind, Op::AtMost, high, now_ns),
        );
        let both = |low: Option<Interval>, high: Option<Interval>| {
            let (low, high) = (low?.low, high?.high);
            Some(Interval { low, high })
        };
        Meaning {
            number: both(low.number, high.number),
            duration: both(low.duration, high.duration),
            time: both(low.time, high.time),
            ..Meaning::default()
        }
    }

    fn of_text(kind: FieldKind, op: Op, text: &str, now_ns: i64) -> Meaning {
        let may_be = |one: FieldKind| kind == one || kind == FieldKind::Any;
        let point = |value: i128| Interval::compared(op, value, value);
        let orders = op.is_ordering();
        let mut meaning = Meaning::default();
        if may_be(FieldKind::Number) {
            meaning.number = parse_number(text).map(point);
        }
        if may_be(FieldKind::Duration) {
            meaning.duration = parse_millis(text).map(point);
        }
        if may_be(FieldKind::Time) {
            meaning.time = when(text, now_ns)
                .map(|when| Interval::compared(op, when.start_ns.into(), when.end_ns.into()));
        }
        if may_be(FieldKind::Bool) && !orders {
            meaning.boolean = parse_boolean(text);
        }
        if may_be(FieldKind::Ip) && !orders {
            meaning.net = Net::parse(text);
        }
        if !orders {
            meaning.text = Some(TextTest::of_field(op, &Pattern::Text(text.to_owned())));
        }
        meaning
    }

    fn of_glob(kind: FieldKind, op: Op, glob: &Glob) -> Meaning {
        if glob.is_anything() {
            return Meaning {
                anything: true,
                ..Meaning::default()
            };
        }
        let may_be_number = matches!(kind, FieldKind::Number | FieldKind::Any)
            && glob.literals().all(|text| {
                text.bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'-')
            });
        Meaning {
            digits: may_be_number.then(|| GlobMatcher::new(glob)),
            text: Some(TextTest::of_field(op, &Pattern::Glob(glob.clone()))),
            ..Meaning::default()
        }
    }

    /// Whether a value passes; of a list or nested event, one of its values.
    pub(in crate::filter) fn matches(&self, value: &Value<'_>) -> bool {
        match *value {
            Value::None => false,
            Value::Array(mut items) => items.any(|item| self.matches(&item)),
            _ if self.anything => true,
            Value::UInt(number) => self.matches_whole(number.into()),
            Value::Int(number) => self.matches_whole(number.into()),
            Value::Float(number) => self
                .number
                .is_some_and(|numbers| numbers.contains_float(number)),
            Value::Duration(millis) => self
                .duration
                .is_some_and(|durations| durations.contains(i128::from(millis) * 1_000_000)),
            Value::Timestamp(seconds) => self
                .time
                .is_some_and(|times| times.contains(i128::from(seconds) * 1_000_000_000)),
            Value::Bool(truth) => self.boolean == Some(truth),
            Value::Ipv4(ip) => self.matches_ip(ip.into()),
            Value::Ipv6(ip) => self.matches_ip(ip.into()),
            Value::Str(text) => self.matches_text(text),
            Value::Bytes(_) => false,
            Value::Event(event) => {
                self.matches_text(event.kind().name())
                    || event.pairs().any(|(_, value)| self.matches(&value))
            }
        }
    }

    /// The tokens that every object has of which a value passes.
    pub(in crate::filter) fn needs(&self) -> Needs {
        let without_tokens = self.anything
            || self.digits.is_some()
            || self.number.is_some()
            || self.duration.is_some()
            || self.time.is_some()
            || self.boolean.is_some();
        if without_tokens {
            return Needs::Anything;
        }
        let net = self.net.map(|net| match net.single() {
            Some(ip) => Needs::Token(IpText::new(ip).as_str().to_owned()),
            None => Needs::Anything,
        });
        let text = self.text.as_ref().map(TextTest::needs);
        Needs::any(net.into_iter().chain(text))
    }

    /// The interval of times, for the event's own time.
    pub(in crate::filter) fn times(&self) -> Option<Interval> {
        self.time
    }

    fn matches_whole(&self, number: i128) -> bool {
        let shape = |shape: &GlobMatcher| {
            let mut text = [0u8; 20];
            let digits =
                u64::try_from(number.unsigned_abs()).map(|number| write_u64(&mut text, number));
            let digits = digits
                .ok()
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .unwrap_or_default();
            if number < 0 {
                shape.matches(&format!("-{digits}"))
            } else {
                shape.matches(digits)
            }
        };
        self.number
            .is_some_and(|numbers| numbers.contains_whole(number))
            || self.digits.as_ref().is_some_and(shape)
    }

    fn matches_ip(&self, ip: IpAddr) -> bool {
        self.net.is_some_and(|net| net.contains(ip))
            || self
                .text
                .as_ref()
                .is_some_and(|test| test.matches(&Text::Ip(IpText::new(ip).as_str())))
    }

    fn matches_text(&self, text: &str) -> bool {
        if self
            .text
            .as_ref()
            .is_some_and(|test| test.matches(&Text::Plain(text)))
        {
            return true;
        }
        let Some(net) = self.net else { return false };
        let is_inside = |text: &str| text.parse().is_ok_and(|ip| net.contains(ip));
        if !self.net_in_texts {
            return is_inside(text);
        }
        let mut found = false;
        terms_of(text, &mut |term| found = found || is_inside(term));
        found
    }
}

/// The period that a text names. A time beyond the years that nanoseconds reach, which only a long
/// duration can name once the filter was parsed, is the end of them.
fn when(text: &str, now_ns: i64) -> Option<When> {
    parse_when(text, now_ns).ok().or_else(|| {
        let mid = parse_when(text, super::ANY_NOW_NS).ok()?;
        let limit = if mid.start_ns < super::ANY_NOW_NS {
            i64::MIN
        } else {
            i64::MAX
        };
        Some(When {
            start_ns: limit,
            end_ns: limit,
        })
    })
}
