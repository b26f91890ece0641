//! What happened when: counts by hour, or by day where there are too many hours.

use rustc_hash::FxHashMap;
use tidings_event::time::rfc3339;

use crate::contract::HourObject;

const HOUR_NS: i64 = 3_600_000_000_000;
const DAY_HOURS: i64 = 24;

/// Hours shown at most: of 62 days. Longer times are shown by day.
const HOURS_MAX: i64 = DAY_HOURS * 62;

/// What happened in an hour or a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) messages: u64,
    pub(super) delivered: u64,
    pub(super) deferred: u64,
    pub(super) bounced: u64,
    pub(super) refused: u64,
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.messages += other.messages;
        self.delivered += other.delivered;
        self.deferred += other.deferred;
        self.bounced += other.bounced;
        self.refused += other.refused;
    }

    fn is_nothing(&self) -> bool {
        *self == Counts::default()
    }
}

/// Counts by hour, in UTC.
///
/// Holds at most [`HOURS_MAX`] hours: where there are more, they span more than 62 days, which are
/// shown by day, and are counted by day from then on. Nanoseconds in 64 bits reach over 213,504
/// days, which bounds these.
#[derive(Debug)]
pub(super) struct Hours {
    /// Length of a step in hours: one, or those of a day.
    step_hours: i64,
    steps: FxHashMap<i64, Counts>,
    /// The step counted last: rows come in order of time, or nearly.
    current: (i64, Counts),
}

impl Default for Hours {
    fn default() -> Hours {
        Hours {
            step_hours: 1,
            steps: FxHashMap::default(),
            current: (0, Counts::default()),
        }
    }
}

impl Hours {
    /// What happened in the hour of a time.
    #[inline]
    pub(super) fn at(&mut self, time_ns: i64) -> &mut Counts {
        let step = time_ns.div_euclid(HOUR_NS).div_euclid(self.step_hours);
        if step != self.current.0 {
            self.put_away();
            self.current.0 = time_ns.div_euclid(HOUR_NS).div_euclid(self.step_hours);
        }
        &mut self.current.1
    }

    /// The hours of a period, in order and without gaps, and their length in seconds.
    ///
    /// Of a period of more than 62 days only the time from the first to the last thing counted is
    /// given, by day if that is too long as well.
    pub(super) fn objects(mut self, since_ns: i64, until_ns: i64) -> (Vec<HourObject>, u64) {
        self.put_away();
        let mut range = (since_ns.div_euclid(HOUR_NS), until_ns.div_euclid(HOUR_NS));
        if range.1.saturating_sub(range.0) >= HOURS_MAX {
            let steps = self.steps.keys().copied();
            range = (steps.clone().min().unwrap_or(0), steps.max().unwrap_or(-1));
            if self.step_hours == 1 && range.1 - range.0 >= HOURS_MAX {
                self.turn_into_days();
                range = (range.0.div_euclid(DAY_HOURS), range.1.div_euclid(DAY_HOURS));
            }
        }
        let step_ns = self.step_hours * HOUR_NS;
        let object = |step: i64| {
            let counts = self.steps.get(&step).copied().unwrap_or_default();
            HourObject {
                // The first hour that 64 bits can tell begins before the first moment they can.
                time: rfc3339(step.saturating_mul(step_ns)),
                messages: counts.messages,
                delivered: counts.delivered,
                deferred: counts.deferred,
                bounced: counts.bounced,
                refused: counts.refused,
            }
        };
        (
            (range.0..=range.1).map(object).collect(),
            self.step_hours.unsigned_abs() * 3600,
        )
    }

    /// Adds what another one has counted.
    pub(super) fn absorb(&mut self, mut other: Hours) {
        self.put_away();
        other.put_away();
        if other.step_hours != 1 {
            self.turn_into_days();
        } else if self.step_hours != 1 {
            other.turn_into_days();
        }
        for (step, counts) in other.steps {
            self.steps.entry(step).or_default().add(&counts);
        }
        self.put_away();
    }

    fn put_away(&mut self) {
        let (step, counts) = std::mem::take(&mut self.current);
        if !counts.is_nothing() {
            self.steps.entry(step).or_default().add(&counts);
        }
        if self.step_hours == 1 && self.steps.len() > HOURS_MAX as usize {
            self.turn_into_days();
        }
    }

    fn turn_into_days(&mut self) {
        if self.step_hours != 1 {
            return;
        }
        self.step_hours = DAY_HOURS;
        for (hour, counts) in std::mem::take(&mut self.steps) {
            self.steps
                .entry(hour.div_euclid(DAY_HOURS))
                .or_default()
                .add(&counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_messages(times_ns: impl IntoIterator<Item = i64>) -> Hours {
        let mut hours = Hours::default();
        for time_ns in times_ns {
            hours.at(time_ns).messages += 1;
        }
        hours
    }

    fn counts(objects: &[HourObject]) -> Vec<u64> {
        objects.iter().map(|hour| hour.messages).collect()
    }

    #[test]
    fn empty_hours_are_among_them() {
        let hours = with_messages([3 * HOUR_NS, HOUR_NS + 1, 3 * HOUR_NS + 5]);
        let (objects, seconds) = hours.objects(HOUR_NS / 2, 4 * HOUR_NS);
        assert_eq!((counts(&objects), seconds), (vec![0, 1, 0, 2, 0], 3600));
        assert_eq!(objects[1].time, "1970-01-01T01:00:00Z");
    }

    #[test]
    fn hours_before_1970_count() {
        let (objects, _) = with_messages([-1]).objects(-HOUR_NS, 0);
        assert_eq!(counts(&objects), [1, 0]);
        assert_eq!(objects[0].time, "1969-12-31T23:00:00Z");
    }

    #[test]
    fn long_times_are_shown_by_day() {
        let last = HOURS_MAX * HOUR_NS;
        let (objects, seconds) = with_messages([0, last - 1]).objects(0, last - 1);
        assert_eq!((objects.len(), seconds), (HOURS_MAX as usize, 3600));
        let (objects, seconds) = with_messages([0, last]).objects(0, last);
        assert_eq!((objects.len(), seconds), (63, 86_400));
        assert_eq!((objects[0].messages, objects[62].messages), (1, 1));
    }

    #[test]
    fn of_a_long_period_what_it_holds_is_shown() {
        let day = DAY_HOURS * HOUR_NS;
        let (objects, seconds) = with_messages([day, day + HOUR_NS]).objects(i64::MIN, i64::MAX);
        assert_eq!((counts(&objects), seconds), (vec![1, 1], 3600));
        assert_eq!(
            Hours::default().objects(i64::MIN, i64::MAX),
            (Vec::new(), 3600)
        );
        let (objects, _) = with_messages([i64::MIN, i64::MAX]).objects(i64::MIN, i64::MAX);
        assert_eq!(objects.len(), 213_504);
    }

    #[test]
    fn more_hours_than_are_shown_are_kept_by_day() {
        let many = HOURS_MAX + 100;
        let hours = with_messages((0..many).map(|hour| hour * HOUR_NS));
        assert!(hours.steps.len() <= HOURS_MAX as usize);
        let (objects, seconds) = hours.objects(0, many * HOUR_NS);
        assert_eq!((seconds, objects.len()), (86_400, 67));
        let mut expected = vec![24; 67];
        expected[66] = many as u64 - 66 * 24;
        assert_eq!(counts(&objects), expected);
    }
}
