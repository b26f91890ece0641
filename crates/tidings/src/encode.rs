//! Writes the pairs of an event as words, straight into the memory of a ring.
//!
//! The bytes are those of a record's pairs (`docs/format.md`), low bytes of a word first. They are
//! gathered in a register and stored eight at a time, so nothing is copied twice and no store waits
//! for smaller ones before it. All of it is inlined where an event is emitted, some hundred bytes of
//! code a key: as soon as one call is not, the register becomes memory, and an event takes half as
//! long again.

use std::net::IpAddr;
use std::time::Duration;

use tidings_event::{EventType, Key};

use crate::field::Field;
use crate::sync::{AtomicU64, Ordering};

const TAG_STR: u64 = 0;
const TAG_UINT: u64 = 1;
const TAG_INT: u64 = 2;
const TAG_FLOAT: u64 = 3;
const TAG_TIMESTAMP: u64 = 4;
const TAG_DURATION: u64 = 5;
const TAG_BYTES: u64 = 6;
const TAG_TRUE: u64 = 7;
const TAG_FALSE: u64 = 8;
const TAG_IPV4: u64 = 9;
const TAG_IPV6: u64 = 10;
const TAG_EVENT: u64 = 11;
const TAG_ARRAY: u64 = 12;
const TAG_NONE: u64 = 13;

/// Takes the key/value pairs of one event, or the one value of a pair.
///
/// What a [`Field`] writes itself to. A value is written by exactly one call.
pub struct Encoder<'r> {
    words: &'r [AtomicU64],
    mask: usize,
    begin: u64,
    next: u64,
    end: u64,
    /// The bytes of the word that is not full yet.
    gathered: u64,
    /// How many those are: 0 to 7.
    fill: u32,
}

/// A run of words written by an [`Encoder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// Length in bytes.
    pub(crate) bytes: u64,
    /// Number of the word behind it.
    pub(crate) next: u64,
    /// Whether all words had a place.
    pub(crate) fits: bool,
}

impl<'r> Encoder<'r> {
    /// Writes words number `begin` to `end` of a ring: a number's place is its remainder by the
    /// length of `words`, a power of two.
    #[inline]
    pub(crate) fn ring(words: &'r [AtomicU64], begin: u64, end: u64) -> Encoder<'r> {
        Encoder::new(words, words.len().wrapping_sub(1), begin, end)
    }

    /// Writes from word `begin` on to the end of `words`.
    pub(crate) fn straight(words: &'r [AtomicU64], begin: u64) -> Encoder<'r> {
        Encoder::new(words, usize::MAX, begin, words.len() as u64)
    }

    /// Writes nothing, to learn how long something is.
    pub(crate) fn measuring() -> Encoder<'static> {
        Encoder::new(&[], usize::MAX, 0, 0)
    }

    #[inline]
    fn new(words: &'r [AtomicU64], mask: usize, begin: u64, end: u64) -> Encoder<'r> {
        Encoder {
            words,
            mask,
            begin,
            next: begin,
            end,
            gathered: 0,
            fill: 0,
        }
    }

    /// Ends: pads the last word.
    #[inline]
    pub(crate) fn finish(mut self) -> Encoded {
        let bytes = self.bytes();
        if self.fill > 0 {
            self.word(self.gathered);
        }
        Encoded {
            bytes,
            next: self.next,
            fits: self.next <= self.end,
        }
    }

    #[inline]
    fn bytes(&self) -> u64 {
        (self.next - self.begin) * 8 + u64::from(self.fill)
    }

    /// Adds a pair.
    #[inline(always)]
    pub fn pair<F: Field + ?Sized>(&mut self, key: Key, value: &F) -> &mut Self {
        let id = u64::from(key.id());
        if id < 0x80 {
            self.push(id, 1);
        } else if id < 0x4000 {
            self.push(id & 0x7f | 0x80 | id >> 7 << 8, 2);
        } else {
            self.varint(id);
        }
        value.encode(self);
        self
    }

    /// Writes text.
    #[inline(always)]
    pub fn str(&mut self, text: &str) {
        self.prefixed(TAG_STR, text.as_bytes());
    }

    /// Writes bytes that are not text.
    pub fn bytes_value(&mut self, bytes: &[u8]) {
        self.prefixed(TAG_BYTES, bytes);
    }

    /// Writes an unsigned number.
    #[inline(always)]
    pub fn uint(&mut self, number: u64) {
        self.tagged(TAG_UINT, number);
    }

    /// Writes a signed number.
    #[inline(always)]
    pub fn int(&mut self, number: i64) {
        self.tagged(TAG_INT, ((number << 1) ^ (number >> 63)) as u64);
    }

    /// Writes a floating-point number.
    #[inline(always)]
    pub fn float(&mut self, number: f64) {
        self.push(TAG_FLOAT, 1);
        self.push(number.to_bits(), 8);
    }

    /// Writes a time: seconds since the unix epoch.
    #[inline(always)]
    pub fn timestamp(&mut self, seconds: u64) {
        self.tagged(TAG_TIMESTAMP, seconds);
    }

    /// Writes a duration; it is kept in whole milliseconds.
    #[inline(always)]
    pub fn duration(&mut self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.tagged(TAG_DURATION, millis);
    }

    /// Writes a truth value.
    #[inline(always)]
    pub fn bool(&mut self, truth: bool) {
        self.push(if truth { TAG_TRUE } else { TAG_FALSE }, 1);
    }

    /// Writes an address.
    #[inline(always)]
    pub fn ip(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => {
                let octets = u64::from(u32::from_le_bytes(ip.octets()));
                self.push(TAG_IPV4 | octets << 8, 5);
            }
            IpAddr::V6(ip) => {
                let octets = u128::from_le_bytes(ip.octets());
                self.push(TAG_IPV6, 1);
                // The lower half, then the upper.
                self.push(octets as u64, 8);
                self.push((octets >> 64) as u64, 8);
            }
        }
    }

    /// Writes that there is no value.
    #[inline(always)]
    pub fn none(&mut self) {
        self.push(TAG_NONE, 1);
    }

    /// Writes a list; `items` writes its values, and is called twice.
    pub fn list(&mut self, items: impl Fn(&mut Encoder<'_>)) {
        let mut length = Encoder::measuring();
        items(&mut length);
        self.push(TAG_ARRAY, 1);
        self.varint(length.bytes());
        items(self);
    }

    /// Writes an event within the event; `pairs` writes its pairs, and is called twice.
    pub fn event(&mut self, kind: EventType, pairs: impl Fn(&mut Encoder<'_>)) {
        let mut length = Encoder::measuring();
        length.varint(u64::from(kind.id()));
        pairs(&mut length);
        self.push(TAG_EVENT, 1);
        self.varint(length.bytes());
        self.varint(u64::from(kind.id()));
        pairs(self);
    }

    #[inline(always)]
    fn tagged(&mut self, tag: u64, number: u64) {
        if number < 1 << 14 {
            // One byte or two, in one step with the tag.
            let low = number & 0x7f;
            let high = number >> 7;
            let more = u64::from(high > 0);
            self.push(tag | (low | more << 7) << 8 | high << 16, 2 + more as u32);
        } else {
            self.push(tag, 1);
            self.varint(number);
        }
    }

    #[inline(always)]
    fn prefixed(&mut self, tag: u64, bytes: &[u8]) {
        self.tagged(tag, bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.push(u64::from_le_bytes(*word), 8);
        }
        if !rest.is_empty() {
            self.push(short(rest), rest.len() as u32);
        }
    }

    #[inline(always)]
    fn varint(&mut self, number: u64) {
        let bits = 64 - (number | 1).leading_zeros();
        let length = bits.div_ceil(7);
        if length <= 8 {
            let more = 0x8080_8080_8080_8080 & ((1u64 << (8 * (length - 1))) - 1);
            self.push(spread(number) | more, length);
        } else {
            self.push(spread(number & ((1 << 56) - 1)) | 0x8080_8080_8080_8080, 8);
            let rest = number >> 56;
            if rest < 0x80 {
                self.push(rest, 1);
            } else {
                self.push(rest & 0x7f | 0x80 | rest >> 7 << 8, 2);
            }
        }
    }

    /// Adds the low `count` bytes of `bytes`, 1 to 8; those above are 0.
    #[inline(always)]
    fn push(&mut self, bytes: u64, count: u32) {
        debug_assert!((1..=8).contains(&count));
        debug_assert!(count == 8 || bytes >> (8 * count) == 0);
        self.gathered |= bytes << (8 * self.fill);
        self.fill += count;
        if self.fill >= 8 {
            self.word(self.gathered);
            self.fill -= 8;
            self.gathered = if self.fill == 0 {
                0
            } else {
                bytes >> (8 * (count - self.fill))
            };
        }
    }

    #[inline(always)]
    fn word(&mut self, word: u64) {
        if self.next < self.end
            && let Some(place) = self.words.get(self.next as usize & self.mask)
        {
            place.store(word, Ordering::Relaxed);
        }
        self.next += 1;
    }
}

/// Up to seven bytes as a number, without a loop.
#[inline(always)]
fn short(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let last = u64::from(u32::from_le_bytes(*last));
        return u64::from(u32::from_le_bytes(*first)) | last << (8 * (length - 4));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<2>(), bytes.last_chunk::<2>()) {
        let last = u64::from(u16::from_le_bytes(*last));
        return u64::from(u16::from_le_bytes(*first)) | last << (8 * (length - 2));
    }
    bytes.first().map_or(0, |byte| u64::from(*byte))
}

/// Puts each group of seven of the lower 56 bits into a byte of its own.
#[inline(always)]
fn spread(number: u64) -> u64 {
    let number = (number & 0x00ff_ffff_f000_0000) << 4 | (number & 0x0fff_ffff);
    let number = (number & 0x0fff_c000_0fff_c000) << 2 | (number & 0x0000_3fff_0000_3fff);
    (number & 0x3f80_3f80_3f80_3f80) << 1 | (number & 0x007f_007f_007f_007f)
}

#[cfg(all(test, not(loom)))]
mod tests;
