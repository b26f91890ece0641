//! The index beside each part: where its pages lie, and which rows may hold a token.
//!
//! ```text
//! magic  directory blocks  token blocks  head  trailer
//! ```
//!
//! A directory block tells where the pages of one row group lie. Token blocks hold 512 tokens
//! each, as sorted 28-bit fingerprints with the places where the token was seen. The head, kept
//! in memory while the part is in use, says where each block is: a lookup then costs one read.
//! Everything can be made again from the part.

pub(crate) mod collect;
pub(crate) mod file;
pub(crate) mod postings;
pub(crate) mod query;
pub(crate) mod runs;

use xxhash_rust::xxh3::xxh3_64;

/// Rows of a granule: places of rare tokens are told to this many rows. Finer would cost a bit a
/// token for each halving, and reading a row decodes its page anyway.
pub(crate) const GRANULE_ROWS: u32 = 1024;

/// Bits of a fingerprint.
pub(crate) const FINGERPRINT_BITS: u32 = 28;

/// What stands for a token in the sidecar.
pub(crate) fn fingerprint(token: &[u8]) -> u32 {
    // 64 - 28 bits shifted out leave 28.
    (xxh3_64(token) >> (64 - FINGERPRINT_BITS)) as u32
}

/// The fingerprint of an integer: that of its decimal text.
pub(crate) fn fingerprint_of_integer(negative: bool, mut magnitude: u64) -> u32 {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (magnitude % 10) as u8;
        magnitude /= 10;
        if magnitude == 0 {
            break;
        }
    }
    if negative {
        // Nineteen digits at most: |i64::MIN| is 9223372036854775808.
        at -= 1;
        digits[at] = b'-';
    }
    fingerprint(&digits[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_found_by_their_text() {
        for value in [0i64, 7, -1, 42, i64::MAX, i64::MIN] {
            let print = fingerprint_of_integer(value < 0, value.unsigned_abs());
            assert_eq!(print, fingerprint(value.to_string().as_bytes()));
        }
        assert_eq!(
            fingerprint_of_integer(false, u64::MAX),
            fingerprint(u64::MAX.to_string().as_bytes())
        );
        // The format of every sidecar hangs on this number.
        assert_eq!(fingerprint(b"postfix"), 77_747_363);
    }
}
