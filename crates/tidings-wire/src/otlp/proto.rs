//! The wire format of protocol buffers, as far as OTLP needs it
//! (<https://protobuf.dev/programming-guides/encoding/>).

/// Wire type of a number of variable length.
pub(super) const VARINT: u8 = 0;
/// Wire type of eight bytes.
pub(super) const FIXED64: u8 = 1;
/// Wire type of a length and so many bytes.
pub(super) const BYTES: u8 = 2;
/// Wire type of four bytes.
pub(super) const FIXED32: u8 = 5;

/// The tag of a field whose number is below 16: one byte.
pub(super) const fn tag(field: u8, wire: u8) -> u8 {
    assert!(field < 16);
    field << 3 | wire
}

/// Appends a number of variable length, the fewest bytes that hold it.
#[inline]
pub(super) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// How many bytes [`varint`] appends.
#[inline]
pub(super) fn varint_bytes(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends a text or bytes.
#[inline]
pub(super) fn bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends eight bytes, low byte first.
#[inline]
pub(super) fn fixed64(out: &mut Vec<u8>, tag: u8, number: u64) {
    out.push(tag);
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends a message whose fields `fields` appends. Give `expected` the number of bytes that its
/// length usually takes: another number moves the fields once.
#[inline]
pub(super) fn message<R>(
    out: &mut Vec<u8>,
    tag: u8,
    expected: usize,
    fields: impl FnOnce(&mut Vec<u8>) -> R,
) -> R {
    out.push(tag);
    let at = out.len();
    out.resize(at + expected, 0);
    let result = fields(out);
    close(out, at, expected);
    result
}

/// Writes the length of what stands behind the gap of `gap` bytes at `at` into that gap.
fn close(out: &mut Vec<u8>, at: usize, gap: usize) {
    let length = (out.len() - at - gap) as u64;
    let wanted = varint_bytes(length);
    if wanted != gap {
        let end = out.len();
        out.resize(end + wanted.saturating_sub(gap), 0);
        out.copy_within(at + gap..end, at + wanted);
        out.truncate(end - gap + wanted);
    }
    let mut rest = length;
    for byte in &mut out[at..at + wanted] {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    out[at + wanted - 1] &= 0x7f;
}

/// A field of a message that is read: its number and its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field<'a> {
    /// A number of variable length.
    Varint(u64, u64),
    /// A text, bytes or message.
    Bytes(u64, &'a [u8]),
    /// Four or eight bytes; no field that is read here has them.
    Fixed,
}

/// Reads the fields of a message one by one; the error is that it is none.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, ()>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(()))
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<Field<'a>> {
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 {
            return None;
        }
        Some(match tag as u8 & 7 {
            VARINT => Field::Varint(number, self.varint()?),
            BYTES => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(number, self.take(length)?)
            }
            FIXED64 => self.take(8).map(|_| Field::Fixed)?,
            FIXED32 => self.take(4).map(|_| Field::Fixed)?,
            _ => return None,
        })
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for (at, byte) in self.0.iter().enumerate().take(10) {
            // Bits beyond the 64th are dropped, as every reader of protobuf does.
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_any_length_have_the_shortest_length_field() {
        for length in [0, 1, 127, 128, 300, 16_383, 16_384, 3_000_000] {
            for expected in 1..4 {
                let mut out = vec![9];
                message(&mut out, tag(2, BYTES), expected, |out| {
                    out.extend((0..length).map(|at| at as u8));
                });
                let mut plain = vec![9];
                let body: Vec<u8> = (0..length).map(|at| at as u8).collect();
                bytes(&mut plain, tag(2, BYTES), &body);
                assert_eq!(out, plain, "{length} bytes, {expected} expected");
            }
        }
    }

    #[test]
    fn lengths_of_numbers_are_told() {
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::MAX >> 1, u64::MAX] {
            let mut out = Vec::new();
            varint(&mut out, number);
            assert_eq!(out.len(), varint_bytes(number));
            assert_eq!(Fields(&out).varint(), Some(number));
        }
    }

    #[test]
    fn what_is_no_message_is_an_error_and_ends() {
        for bytes in [
            &[0x00u8][..],
            &[0x0a],
            &[0x0a, 5, 1],
            &[0x0b],
            &[0xff; 12],
            &[0x09, 1],
        ] {
            let mut fields = Fields(bytes);
            assert_eq!(fields.next(), Some(Err(())), "{bytes:?}");
            assert_eq!(fields.next(), None);
        }
    }
}
