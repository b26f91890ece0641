//! Numbers, durations, addresses and truth values as text, and intervals of what has an order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::filter::ast::Op;
use crate::time::parse_duration;

/// Fractions of one that numbers are compared to.
const PARTS: i128 = 1_000_000_000;

/// What follows a number, and what it multiplies with.
const SUFFIXES: &[(&str, i128)] = &[
    ("b", 1),
    ("k", 1_000),
    ("kb", 1_000),
    ("m", 1_000_000),
    ("mb", 1_000_000),
    ("g", 1_000_000_000),
    ("gb", 1_000_000_000),
    ("t", 1_000_000_000_000),
    ("tb", 1_000_000_000_000),
    ("ki", 1 << 10),
    ("kib", 1 << 10),
    ("mi", 1 << 20),
    ("mib", 1 << 20),
    ("gi", 1 << 30),
    ("gib", 1 << 30),
    ("ti", 1 << 40),
    ("tib", 1 << 40),
];

/// Values from one to another, both included, in billionths: of one, of a second, of a second since
/// the unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::filter) struct Interval {
    pub(in crate::filter) low: i128,
    pub(in crate::filter) high: i128,
}

impl Interval {
    /// What `op` lets pass of a value that itself spans from `low` to `high`, as a day does.
    pub(super) fn compared(op: Op, low: i128, high: i128) -> Interval {
        let (low, high) = match op {
            Op::Has | Op::Is | Op::IsNot => (low, high),
            Op::Above => (high.saturating_add(1), i128::MAX),
            Op::AtLeast => (low, i128::MAX),
            Op::Below => (i128::MIN, low.saturating_sub(1)),
            Op::AtMost => (i128::MIN, high),
        };
        Interval { low, high }
    }

    pub(in crate::filter) fn contains(self, value: i128) -> bool {
        (self.low..=self.high).contains(&value)
    }

    pub(super) fn contains_whole(self, number: i128) -> bool {
        self.contains(number * PARTS)
    }

    /// Floats are compared to nine decimals: one that lies between two billionths is either.
    pub(super) fn contains_float(self, number: f64) -> bool {
        // Casts from float to integer saturate, which is right for infinities.
        let parts = number * PARTS as f64;
        !number.is_nan() && parts.ceil() as i128 >= self.low && parts.floor() as i128 <= self.high
    }
}

/// Reads `550`, `-1.5`, `10mb`, `4KiB` into billionths. `k`, `m`, `g`, `t` are powers of 1,000, with an
/// `i` powers of 1,024; a `b` may follow.
pub(super) fn parse_number(text: &str) -> Option<i128> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor = match suffix {
        "" => 1,
        suffix => {
            SUFFIXES
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(suffix))?
                .1
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_plain = |digits: &str, most| {
        (1..=most).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    };
    // Twenty digits hold every 64-bit number, and keep the products below far from overflow.
    if !is_plain(whole, 20) || !is_plain(fraction, 9) {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
    Some(sign * (whole * PARTS + fraction) * factor)
}

/// Reads a duration into billionths of a second; a plain number is milliseconds, as on the wire.
pub(super) fn parse_millis(text: &str) -> Option<i128> {
    if text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return parse_number(text).map(|millis| millis / 1_000);
    }
    parse_duration(text).ok().map(i128::from)
}

/// Reads a truth value.
pub(super) fn parse_boolean(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    match () {
        () if is("true") || is("yes") => Some(true),
        () if is("false") || is("no") => Some(false),
        () => None,
    }
}

/// A network: the addresses that share the first bits of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Net {
    address: IpAddr,
    prefix_bits: u32,
}

impl Net {
    /// Reads `203.0.113.9`, `203.0.113.0/24`, `2001:db8::/32`. IPv6 addresses that stand for IPv4 ones
    /// are those.
    pub(super) fn parse(text: &str) -> Option<Net> {
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(ip, bits)| (ip, Some(bits)));
        let written: IpAddr = address.parse().ok()?;
        let address = written.to_canonical();
        let width = |ip: IpAddr| if ip.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            None => width(address),
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let bits = bits.parse().ok().filter(|bits| *bits <= width(written))?;
                u32::checked_sub(bits, width(written) - width(address))?
            }
            Some(_) => return None,
        };
        Some(Net {
            address,
            prefix_bits,
        })
    }

    /// Its one address, if it has no more.
    pub(super) fn single(&self) -> Option<IpAddr> {
        let bits = if self.address.is_ipv4() { 32 } else { 128 };
        (self.prefix_bits == bits).then_some(self.address)
    }

    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let differing = Ipv4Addr::to_bits(net) ^ ip.to_bits();
                differing.checked_shr(32 - self.prefix_bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let differing = Ipv6Addr::to_bits(net) ^ ip.to_bits();
                differing.checked_shr(128 - self.prefix_bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}
