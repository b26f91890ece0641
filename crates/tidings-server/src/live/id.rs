//! The ids of frames: `EPOCH-SEQUENCE`, the spool and the last event that the frame speaks of.

use std::fmt;

/// Makes and reads the ids of one spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamId {
    /// Names the spool.
    pub(super) epoch: u64,
}

impl StreamId {
    /// The id of what goes up to this sequence.
    pub(super) fn of(self, last: u64) -> impl fmt::Display {
        Id(self.epoch, last)
    }

    /// The sequence of an id; `None` for one of another spool, or a text that is none.
    pub(super) fn sequence(self, text: &str) -> Option<u64> {
        let (epoch, sequence) = text.split_once('-').filter(|_| is_id(text))?;
        let is_ours = u64::from_str_radix(epoch, 16) == Ok(self.epoch);
        sequence.parse().ok().filter(|_| is_ours)
    }
}

struct Id(u64, u64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Id(epoch, last) = self;
        write!(f, "{epoch:016x}-{last}")
    }
}

/// Whether a text looks like an id, of whatever spool.
pub(crate) fn is_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(epoch, sequence)| {
        epoch.len() == 16
            && epoch.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !sequence.is_empty()
            && sequence.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_of_this_spool_are_read() {
        let id = StreamId { epoch: 0x5eed };
        assert_eq!(id.sequence(&id.of(12).to_string()), Some(12));
        for text in [
            "",
            "12",
            "-12",
            "5eed-12",
            "0000000000005eee-12",
            "0000000000005eed-",
            "0000000000005eed--1",
            "0000000000005eed-+1",
            "0000000000005eed-99999999999999999999",
            "+000000000005eed-1",
        ] {
            assert_eq!(id.sequence(text), None, "{text}");
        }
        assert!(is_id("0123456789abcdef-5") && !is_id("2026-11-22T10:00:00Z"));
    }
}
