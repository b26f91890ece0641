//! Where a result stands among all: what paging goes by, and what tells results apart for ever.

use std::fmt;

use tidings_event::{EventRef, Id, Position};
use tidings_mail::message::Message;

/// The place of a result: newest first, and no two have the same.
///
/// Of an event its time, then its line (or, of an event without a line, its sequence), then what is
/// left to tell events of one line, and of two streams, apart. Of a message or a span its time and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    time_ns: i64,
    second: u64,
    third: u64,
}

/// The third number of an event that has no position: its second one is its sequence.
const BY_SEQUENCE: u64 = u64::MAX;

impl Place {
    /// The place of an event, which has this sequence if it went through the spool.
    pub fn of_event(event: &EventRef<'_>, sequence: Option<u64>) -> Place {
        Place::of(event.time_ns(), event.header().position, sequence)
    }

    pub(super) fn of(time_ns: i64, position: Option<Position>, sequence: Option<u64>) -> Place {
        match position {
            Some(position) => Place {
                time_ns,
                second: position.line,
                third: u64::from(position.ordinal) << 32 | u64::from(position.stream),
            },
            None => Place {
                time_ns,
                second: sequence.unwrap_or(0),
                third: BY_SEQUENCE,
            },
        }
    }

    /// The place of a message.
    pub fn of_message(message: &Message) -> Place {
        Place::of_id(message.time_ns, message.id)
    }

    /// The place of a message or a span, by when it began and its id.
    pub fn of_id(time_ns: i64, id: u64) -> Place {
        Place {
            time_ns,
            second: id,
            third: 0,
        }
    }

    /// When it happened, or began.
    pub fn time_ns(self) -> i64 {
        self.time_ns
    }

    /// The id of a message or a span, made by [`of_id`](Self::of_id).
    pub fn id(self) -> Id {
        Id(self.second)
    }

    /// The last place of a moment: everything of that moment stands before it or is it.
    pub(super) fn last_of(time_ns: i64) -> Place {
        Place {
            time_ns,
            second: u64::MAX,
            third: u64::MAX,
        }
    }

    /// Reads the text that [`fmt::Display`] gives; `None` for any other.
    pub fn parse(text: &str) -> Option<Place> {
        let (time, rest) = text.split_at_checked(DIGITS)?;
        let (length, rest) = rest.split_at_checked(1)?;
        let length = usize::try_from(Id::parse(length)?.0).ok()?;
        let (second, third) = rest.split_at_checked(length)?;
        let place = Place {
            time_ns: (Id::parse(time)?.0 ^ SIGN) as i64,
            second: Id::parse(second)?.0,
            third: Id::parse(third)?.0,
        };
        // One place has one text.
        (place.to_string() == text).then_some(place)
    }
}

/// Digits of a 64-bit number in base 32.
const DIGITS: usize = 13;

/// Makes the order of signed numbers that of unsigned ones.
const SIGN: u64 = 1 << 63;

impl fmt::Display for Place {
    /// In the digits of ids: the time in 13, the number of digits of the second number in one, the
    /// second number, the third one. `docs/format.md`, "Ids of entries".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = Id(self.second).to_string();
        let time = Id(self.time_ns as u64 ^ SIGN);
        let length = Id(second.len() as u64);
        // `a` is the digit 0.
        write!(f, "{time:a>DIGITS$}{length}{second}{}", Id(self.third))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_from_its_text() {
        let numbers = [0, 1, 31, 32, 1 << 40, u64::MAX - 1, u64::MAX];
        for time_ns in [i64::MIN, -1, 0, 1, 1_790_000_000_123_456_789, i64::MAX] {
            for second in numbers {
                for third in numbers {
                    let place = Place {
                        time_ns,
                        second,
                        third,
                    };
                    let text = place.to_string();
                    assert_eq!(Place::parse(&text), Some(place), "{text}");
                    assert!(text.bytes().all(|b| b.is_ascii_alphanumeric()), "{text}");
                }
            }
        }
    }

    #[test]
    fn other_texts_are_no_places() {
        let text = Place::of_id(5, 77).to_string();
        let upper = text.to_uppercase();
        for wrong in [
            "",
            "a",
            "singleton",
            &text[..15],
            &upper,
            &format!("{text}\u{e9}"),
        ] {
            assert_eq!(Place::parse(wrong), None, "{wrong}");
        }
        // The same number with a digit 0 before it.
        assert_eq!(
            Place::parse(&format!("{}a{}", &text[..16], &text[16..])),
            None
        );
    }
}
