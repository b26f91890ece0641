//! The year in which a log begins whose lines name none: the latest that puts none of its lines
//! after the file's own time, and every 29th of February into a leap year.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use tidings_event::time::{civil_from_days, days_in_month};
use tidings_mail::envelope::{Civil, Clock, ClockSettings, Format, Stamp, Zone, read};

use super::decompress::Encoding;
use super::error::InputError;
use super::lines::Block;
use super::open::{Limits, open_with};

/// Files of at most so many bytes are read whole.
const WHOLE_BYTES: u64 = 1 << 20;

/// Places at which a larger one is looked at: it would have to hold a whole year between two of
/// them to be dated wrongly.
const PLACES: u64 = 4096;

/// What is read at a place, to find a whole line in it.
const PLACE_BYTES: usize = 4096;

/// Years that a file holds at most.
const YEARS_MAX: i32 = 60;

/// How far a line may lie ahead of the file's time, as in [`Clock`]: zones and a bad clock.
const AHEAD_NS: i64 = 86_400_000_000_000;

const DAY_NS: i64 = 86_400_000_000_000;

/// The year of the first line of the file at `path`, none of whose lines is from after
/// `reference_ns`. `None` if the lines name their years, or if that could be told only by unpacking
/// a large file: then the first line's is the last possible one.
pub(crate) fn first_year(
    path: &Path,
    limits: Limits,
    zone: &Zone,
    reference_ns: i64,
) -> Result<Option<i32>, InputError> {
    let mut file = open_with(path, limits)?;
    let bytes = file.facts()?.bytes;
    let mut days = Days::default();
    if bytes <= WHOLE_BYTES {
        let mut block = Block::new();
        // What is damaged is told when the file is read.
        while !days.named && file.next_block(&mut block).unwrap_or(false) {
            block.lines().for_each(|line| days.take(line.bytes));
        }
    } else if file.encoding() == Encoding::Plain {
        let looked = days.look_through(path, bytes);
        looked.map_err(|source| InputError::Open {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(days.first_year(zone, reference_ns))
}

/// The days of a log, in the order of its lines.
#[derive(Debug, Default)]
struct Days {
    /// Noon of each, once for a run of lines of one day.
    noons: Vec<Civil>,
    /// A line named its year.
    named: bool,
}

impl Days {
    /// Takes a line from each of many places.
    fn look_through(&mut self, path: &Path, bytes: u64) -> io::Result<()> {
        let file = File::open(path)?;
        let mut piece = vec![0; PLACE_BYTES];
        for place in 0..PLACES {
            let length = file.read_at(&mut piece, bytes / PLACES * place)?;
            let mut lines = piece[..length].split_inclusive(|byte| *byte == b'\n');
            // The first one begins before the place, but for that of the file.
            let line = lines.nth(usize::from(place > 0)).unwrap_or_default();
            self.take(line);
            if self.named {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, line: &[u8]) {
        let mut scratch = Vec::new();
        let civil = match read(line, Format::Unknown, &mut scratch).stamp {
            Stamp::None => return,
            Stamp::Civil(civil) if civil.year.is_none() => civil,
            Stamp::Civil(_) | Stamp::Epoch { .. } => {
                self.named = true;
                return;
            }
        };
        let last = self.noons.last().map(|noon| (noon.month, noon.day));
        if last != Some((civil.month, civil.day)) {
            self.noons.push(Civil {
                hour: 12,
                minute: 0,
                second: 0,
                nanos: 0,
                ..civil
            });
        }
    }

    fn first_year(&self, zone: &Zone, reference_ns: i64) -> Option<i32> {
        let first = self.noons.first().filter(|_| !self.named)?;
        let clock = |year| {
            Clock::new(ClockSettings {
                zone: zone.clone(),
                year,
                reference_ns,
            })
        };
        let latest = year_of(clock(None).resolve(&Stamp::Civil(*first))?.time_ns);
        let mut in_time = None;
        for year in (latest - YEARS_MAX..=latest).rev() {
            let mut clock = clock(Some(year));
            let (mut is_ahead, mut has_no_such_day) = (false, false);
            for noon in &self.noons {
                let Some(at) = clock.resolve(&Stamp::Civil(*noon)) else {
                    continue;
                };
                is_ahead |= at.time_ns > reference_ns.saturating_add(AHEAD_NS);
                let is_leap = days_in_month(i64::from(year_of(at.time_ns)), 2) == noon.day;
                has_no_such_day |= (noon.month, noon.day) == (2, 29) && !is_leap;
            }
            match (is_ahead, has_no_such_day) {
                (true, _) => {}
                (false, false) => return Some(year),
                (false, true) => in_time = in_time.or(Some(year)),
            }
        }
        in_time
    }
}

fn year_of(time_ns: i64) -> i32 {
    let (year, ..) = civil_from_days(time_ns.div_euclid(DAY_NS));
    i32::try_from(year).unwrap_or(1970)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn year_in(lines: &[&str], reference: &str) -> Option<i32> {
        let mut days = Days::default();
        for line in lines {
            days.take(format!("{line} mx postfix/qmgr[1]: AB: removed").as_bytes());
        }
        days.first_year(
            &Zone::Utc,
            tidings_event::time::parse_rfc3339(reference).unwrap(),
        )
    }

    const NOW: &str = "2026-11-23T12:00:00Z";

    #[test]
    fn the_last_line_is_not_after_the_file() {
        assert_eq!(year_in(&["Nov 22 10:00:00"], NOW), Some(2026));
        assert_eq!(year_in(&["Nov 23 23:00:00"], NOW), Some(2026));
        assert_eq!(year_in(&["Nov 30 23:00:00"], NOW), Some(2025));
        let turns = ["Mar  1 10:00:00", "Nov  1 10:00:00", "Feb  1 10:00:00"];
        assert_eq!(year_in(&turns, NOW), Some(2025));
        let years = turns.repeat(3);
        assert_eq!(year_in(&years, NOW), Some(2023));
    }

    #[test]
    fn a_leap_day_is_in_a_leap_year() {
        let log = [
            "Mar  1 10:00:00",
            "Nov  1 10:00:00",
            "Feb  1 10:00:00",
            "Feb 29 10:00:00",
        ];
        assert_eq!(year_in(&log, NOW), Some(2023));
        // Two such days that cannot both be right: at least nothing is ahead.
        let log = [
            "Feb 29 10:00:00",
            "Mar  1 10:00:00",
            "Dec 1 10:00:00",
            "Feb 29 10:00:00",
        ];
        assert_eq!(year_in(&log, NOW), Some(2024));
    }

    #[test]
    fn lines_that_name_their_year_need_none() {
        assert_eq!(year_in(&["2026-11-22T10:00:00Z"], NOW), None);
        assert_eq!(year_in(&[], NOW), None);
    }

    #[test]
    fn a_large_file_is_looked_at_in_many_places() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut text = String::new();
        for month in ["Mar", "Nov", "Feb", "Nov", "Feb"] {
            for second in 0..10_000 {
                let (minute, second) = (second / 60 % 60, second % 60);
                text += &format!(
                    "{month}  1 10:{minute:02}:{second:02} mx postfix/qmgr[1]: AB: removed\n"
                );
            }
        }
        std::fs::write(&path, &text).unwrap();
        assert!(text.len() as u64 > WHOLE_BYTES);
        let reference_ns = tidings_event::time::parse_rfc3339(NOW).unwrap();
        let year = first_year(&path, Limits::default(), &Zone::Utc, reference_ns);
        assert_eq!(year.unwrap(), Some(2024));
    }
}
