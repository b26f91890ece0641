//! Tests of the clock: calendar, years, zones.

use super::super::stamp;
use super::*;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

const DAY: i64 = 86_400;

fn ns(year: i32, month: u8, day: u8) -> i64 {
    days_from_civil(year, month, day) * DAY * 1_000_000_000
}

fn clock(zone: Zone, reference_ns: i64) -> Clock {
    Clock::new(ClockSettings {
        zone,
        year: None,
        reference_ns,
    })
}

fn utc(reference_ns: i64) -> Clock {
    clock(Zone::Utc, reference_ns)
}

fn read(clock: &mut Clock, text: &str) -> i64 {
    let (stamp, _) = stamp::any(text.as_bytes()).expect("a stamp");
    clock.resolve(&stamp).expect("a time").time_ns
}

/// As `date -u +"%F %T"` shows it.
fn shown(ns: i64) -> String {
    let seconds = ns.div_euclid(1_000_000_000);
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY));
    let rest = seconds.rem_euclid(DAY);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Central Europe in 2026: summer time from 29 March 01:00 UTC to 25 October 01:00 UTC.
fn berlin() -> Zone {
    let spring = days_from_civil(2026, 3, 29) * DAY + 2 * 3_600;
    let autumn = days_from_civil(2026, 10, 25) * DAY + 2 * 3_600;
    Zone::Rule(std::sync::Arc::new(move |local| match local {
        _ if local < spring => LocalOffset::Unambiguous(3_600),
        _ if local < spring + 3_600 => LocalOffset::Gap {
            before: 3_600,
            after: 7_200,
        },
        _ if local < autumn => LocalOffset::Unambiguous(7_200),
        _ if local < autumn + 3_600 => LocalOffset::Fold {
            before: 7_200,
            after: 3_600,
        },
        _ => LocalOffset::Unambiguous(3_600),
    }))
}

#[test]
fn calendar_counts_every_day() {
    let mut expected = days_from_civil(1970, 1, 1);
    assert_eq!(expected, 0);
    for year in 1970..2200 {
        for month in 1..=12_u8 {
            let length = match month {
                2 if is_leap(year) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            for day in 1..=length {
                assert_eq!(days_from_civil(year, month, day), expected);
                assert_eq!(civil_from_days(expected), (year, month, day));
                expected += 1;
            }
        }
    }
}

#[test]
fn full_stamps_need_nothing() {
    let mut clock = utc(0);
    assert_eq!(read(&mut clock, "1970-01-01T00:00:00.5Z"), 500_000_000);
    assert_eq!(
        read(&mut clock, "2026-11-22T14:08:45+01:00"),
        1_795_352_925_000_000_000
    );
    assert_eq!(read(&mut clock, "1795352925.25"), 1_795_352_925_250_000_000);
    assert_eq!(read(&mut clock, "2016-12-31T23:59:60Z"), ns(2017, 1, 1));
    assert_eq!(clock.resolve(&Stamp::None), None);
}

#[test]
fn first_line_takes_the_year_before_the_reference() {
    let reference = ns(2026, 1, 10);
    assert_eq!(
        shown(read(&mut utc(reference), "Jan  9 10:00:00")),
        "2026-01-09 10:00:00"
    );
    assert_eq!(
        shown(read(&mut utc(reference), "Dec 31 10:00:00")),
        "2025-12-31 10:00:00"
    );
    // A zone or a clock ahead by hours is no reason to step back a year.
    assert_eq!(
        shown(read(&mut utc(reference), "Jan 10 20:00:00")),
        "2026-01-10 20:00:00"
    );
    assert_eq!(
        shown(read(&mut utc(reference), "Jan 12 20:00:00")),
        "2025-01-12 20:00:00"
    );
    assert_eq!(
        shown(read(&mut utc(reference), "Feb 29 20:00:00")),
        "2024-02-29 20:00:00"
    );
    let mut told = Clock::new(ClockSettings {
        zone: Zone::Fixed(3_600),
        year: Some(2012),
        reference_ns: reference,
    });
    assert_eq!(
        shown(read(&mut told, "Mar  1 00:30:00")),
        "2012-02-29 23:30:00"
    );
}

#[test]
fn new_year_rolls_forward_and_late_lines_do_not() {
    let mut clock = utc(ns(2027, 1, 20));
    assert_eq!(
        shown(read(&mut clock, "Dec 31 23:59:58")),
        "2026-12-31 23:59:58"
    );
    assert_eq!(
        shown(read(&mut clock, "Jan  1 00:00:00")),
        "2027-01-01 00:00:00"
    );
    assert_eq!(
        shown(read(&mut clock, "Dec 31 23:59:59")),
        "2026-12-31 23:59:59"
    );
    assert_eq!(
        shown(read(&mut clock, "Jan  1 00:00:01")),
        "2027-01-01 00:00:01"
    );
    assert_eq!(clock.rollovers(), 2);
}

#[test]
fn late_lines_stay_in_the_old_year_whatever_the_reference() {
    // A file of several years: nothing in it is ahead of the reference.
    let settings = ClockSettings {
        zone: Zone::Utc,
        year: Some(2021),
        reference_ns: ns(2026, 1, 1),
    };
    let mut clock = Clock::new(settings);
    assert_eq!(
        shown(read(&mut clock, "Jan  1 00:00:00")),
        "2021-01-01 00:00:00"
    );
    assert_eq!(
        shown(read(&mut clock, "Dec 31 23:59:59")),
        "2020-12-31 23:59:59"
    );
    assert_eq!(
        shown(read(&mut clock, "Jan  1 00:00:01")),
        "2021-01-01 00:00:01"
    );
}

#[test]
fn new_year_rolls_even_when_the_reference_is_stale() {
    let mut clock = utc(ns(2026, 10, 1));
    assert_eq!(
        shown(read(&mut clock, "Oct  1 00:00:00")),
        "2026-10-01 00:00:00"
    );
    assert_eq!(
        shown(read(&mut clock, "Dec 30 00:00:00")),
        "2026-12-30 00:00:00"
    );
    assert_eq!(
        shown(read(&mut clock, "Jan  2 00:00:00")),
        "2027-01-02 00:00:00"
    );
}

#[test]
fn months_left_out_go_forward_unless_that_is_the_future() {
    let mut clock = utc(ns(2027, 8, 1));
    assert_eq!(
        shown(read(&mut clock, "Aug 10 00:00:00")),
        "2026-08-10 00:00:00"
    );
    assert_eq!(
        shown(read(&mut clock, "Jun 10 00:00:00")),
        "2027-06-10 00:00:00"
    );
    // A clock set back by two months: the next year would lie in the future.
    assert_eq!(
        shown(read(&mut clock, "Apr 10 00:00:00")),
        "2027-04-10 00:00:00"
    );
}

#[test]
fn set_reference_opens_the_way() {
    let mut clock = utc(ns(2026, 8, 11));
    assert_eq!(
        shown(read(&mut clock, "Aug 10 00:00:00")),
        "2026-08-10 00:00:00"
    );
    assert_eq!(
        shown(read(&mut clock, "Jun 10 00:00:00")),
        "2026-06-10 00:00:00"
    );
    assert_eq!(
        shown(read(&mut clock, "Aug 10 00:00:00")),
        "2026-08-10 00:00:00"
    );
    clock.set_reference(ns(2027, 6, 11));
    assert_eq!(
        shown(read(&mut clock, "Jun 10 00:00:00")),
        "2027-06-10 00:00:00"
    );
}

#[test]
fn the_hour_that_occurs_twice() {
    let mut clock = clock(berlin(), ns(2026, 11, 1));
    assert_eq!(
        shown(read(&mut clock, "Oct 25 01:59:59")),
        "2026-10-24 23:59:59"
    );
    assert_eq!(
        shown(read(&mut clock, "Oct 25 02:00:00")),
        "2026-10-25 00:00:00"
    );
    assert_eq!(
        shown(read(&mut clock, "Oct 25 02:59:59")),
        "2026-10-25 00:59:59"
    );
    assert_eq!(
        shown(read(&mut clock, "Oct 25 02:00:00")),
        "2026-10-25 01:00:00"
    );
    assert_eq!(
        shown(read(&mut clock, "Oct 25 02:59:58")),
        "2026-10-25 00:59:58"
    );
    assert_eq!(
        shown(read(&mut clock, "Oct 25 02:00:01")),
        "2026-10-25 01:00:01"
    );
    assert_eq!(
        shown(read(&mut clock, "Oct 25 02:30:00")),
        "2026-10-25 01:30:00"
    );
    assert_eq!(
        shown(read(&mut clock, "Oct 25 03:00:00")),
        "2026-10-25 02:00:00"
    );
}

#[test]
fn the_hour_that_never_occurs() {
    let mut clock = clock(berlin(), ns(2026, 4, 1));
    assert_eq!(
        shown(read(&mut clock, "Mar 29 01:59:59")),
        "2026-03-29 00:59:59"
    );
    assert_eq!(
        shown(read(&mut clock, "Mar 29 02:30:00")),
        "2026-03-29 01:30:00"
    );
    assert_eq!(
        shown(read(&mut clock, "Mar 29 03:00:00")),
        "2026-03-29 01:00:00"
    );
}

fn civil_at(seconds: i64, with_year: bool) -> Stamp {
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY));
    let rest = seconds.rem_euclid(DAY);
    Stamp::Civil(Civil {
        year: with_year.then(|| i16::try_from(year).expect("a year of this era")),
        month,
        day,
        hour: (rest / 3_600) as u8,
        minute: (rest / 60 % 60) as u8,
        second: (rest % 60) as u8,
        nanos: 0,
        offset: None,
        precision: Precision::Second,
    })
}

/// Steps of a log: mostly seconds, at times days, and a few seconds back.
fn steps() -> impl Strategy<Value = Vec<i64>> {
    proptest::collection::vec(
        proptest::prop_oneof![-5_i64..60, -5_i64..60, 0..DAY, 0..170 * DAY],
        1..60,
    )
}

proptest! {
    #[test]
    fn random_stamps_round_trip(seconds in 0_i64..7_000_000_000) {
        let stamp = civil_at(seconds, true);
        let time = utc(0).resolve(&stamp).map(|resolved| resolved.time_ns);
        prop_assert_eq!(time, Some(seconds * 1_000_000_000));
    }

    #[test]
    fn streams_without_years_keep_their_times(
        start in 1_000_000_000_i64..1_900_000_000,
        steps in steps(),
        offset in -50_000_i32..50_000,
    ) {
        let mut times = vec![start];
        let mut now = start;
        for step in steps {
            now = (now + step).max(start);
            times.push(now);
        }
        let year = civil_from_days(start.div_euclid(DAY)).0;
        let mut clock = Clock::new(ClockSettings {
            zone: Zone::Fixed(offset),
            year: Some(year),
            reference_ns: (now + 10) * 1_000_000_000,
        });
        for time in times {
            let resolved = clock.resolve(&civil_at(time, false)).expect("a time");
            prop_assert_eq!(resolved.time_ns, (time - i64::from(offset)) * 1_000_000_000);
            prop_assert!(resolved.guessed_year);
        }
    }

    #[test]
    fn any_fields_resolve(
        year in any::<Option<i16>>(), month in 1_u8..=12, day in 1_u8..=31, hour in 0_u8..24,
        offset in any::<Option<i32>>(), reference_ns in any::<i64>(),
    ) {
        let civil = Civil {
            year, month, day, hour, minute: 1, second: 60, nanos: 1, offset,
            precision: Precision::Nano,
        };
        let mut clock = clock(berlin(), reference_ns);
        clock.resolve(&Stamp::Civil(civil));
        clock.resolve(&Stamp::Civil(civil));
    }
}
