use proptest::prelude::*;

use super::*;

#[test]
fn known_days() {
    for (days, date) in [
        (0, (1970, 1, 1)),
        (-1, (1969, 12, 31)),
        (59, (1970, 3, 1)),
        (10_957, (2000, 1, 1)),
        (11_016, (2000, 2, 29)),
        (11_017, (2000, 3, 1)),
        (20_779, (2026, 11, 22)),
        (2_932_896, (9999, 12, 31)),
        (-719_468, (0, 3, 1)),
        (-719_528, (0, 1, 1)),
        (-719_529, (-1, 12, 31)),
        // 1900 was no leap year.
        (-25_508, (1900, 3, 1)),
        (-25_509, (1900, 2, 28)),
    ] {
        assert_eq!(civil_from_days(days), date);
        assert_eq!(days_from_civil(date.0, date.1, date.2), days, "{date:?}");
    }
}

/// Every day from 1600 to 2400, counted one by one.
#[test]
fn the_calendar_agrees_with_counting() {
    let mut day = days_from_civil(1600, 1, 1);
    for year in 1600..2400 {
        for month in 1..=12 {
            for date in 1..=days_in_month(year, month) {
                assert_eq!(civil_from_days(day), (year, month, date));
                assert_eq!(days_from_civil(year, month, date), day);
                day += 1;
            }
        }
    }
    assert_eq!(days_in_month(2026, 13), 0);
}

#[test]
fn times_are_written_with_the_decimals_they_need() {
    for (ns, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_770_091_506_000_000_000, "2026-02-03T04:05:06Z"),
        (1_770_091_506_007_000_000, "2026-02-03T04:05:06.007Z"),
        (1_770_091_506_007_080_000, "2026-02-03T04:05:06.007080Z"),
        (1_770_091_506_000_000_009, "2026-02-03T04:05:06.000000009Z"),
        (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
        (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
    ] {
        assert_eq!(rfc3339(ns), text);
        assert_eq!(parse_rfc3339(text), Ok(ns));
    }
    assert_eq!(rfc3339_seconds(253_402_300_799), "9999-12-31T23:59:59Z");
    assert_eq!(rfc3339_seconds(253_402_300_800), "+010000-01-01T00:00:00Z");
    assert_eq!(rfc3339_seconds(i64::MAX), "+292277026596-12-04T15:30:07Z");
    assert_eq!(rfc3339_seconds(i64::MIN), "-292277022657-01-27T08:29:52Z");
}

#[test]
fn times_are_read_with_offsets_and_decimals() {
    for (text, ns) in [
        ("2026-02-03T05:05:06+01:00", 1_770_091_506_000_000_000),
        ("2026-02-02t23:35:06.5-04:30", 1_770_091_506_500_000_000),
        ("2026-02-03 04:05:06.1234567899z", 1_770_091_506_123_456_789),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000_000),
    ] {
        assert_eq!(parse_rfc3339(text), Ok(ns), "{text}");
    }
    assert_eq!(
        parse_rfc3339_seconds("9999-12-31T23:59:59.9Z"),
        Ok(253_402_300_799)
    );
    assert_eq!(
        parse_rfc3339_seconds("0000-01-01T00:00:00Z"),
        Ok(-62_167_219_200)
    );
}

#[test]
fn what_is_no_time_is_refused_with_what_is_allowed() {
    for text in [
        "",
        "now",
        "2026",
        "2026-02-03",
        "2026-02-03T04:05:06",
        "2026-02-03T04:05Z",
        "2026-02-30T04:05:06Z",
        "2026-02-03T24:05:06Z",
        "2026-02-03T04:05:06.Z",
        "2026-02-03T04:05:06+0100",
        "2026-02-03T04:05:06Zx",
        "２026-02-03T04:05:06Z",
        "2026-02-03T04:05:06+01:60",
        "9999-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
    ] {
        assert!(parse_rfc3339(text).is_err(), "{text}");
    }
    let wrong = parse_rfc3339("2026-13-03T04:05:06Z")
        .unwrap_err()
        .to_string();
    assert_eq!(
        wrong,
        "\"2026-13-03T04:05:06Z\" is not a time: the month must be 1 to 12"
    );
    let wrong = parse_when("tomorrow", 0).unwrap_err().to_string();
    assert!(
        wrong.contains("write a duration before now (2h, 30m"),
        "{wrong}"
    );
    let wrong = parse_when("2026-02-29", 0).unwrap_err().to_string();
    assert_eq!(
        wrong,
        "\"2026-02-29\" is not a time: the day must be 1 to 28"
    );
}

#[test]
fn durations_are_sums_of_parts() {
    for (text, nanos) in [
        ("90s", 90_000_000_000),
        ("1d12h", 129_600_000_000_000),
        ("1.5s", 1_500_000_000),
        ("0.000000001s", 1),
        ("2H", 7_200_000_000_000),
        ("5min", 300_000_000_000),
        ("7us", 7_000),
        ("7µs", 7_000),
        ("0.5y", 15_768_000_000_000_000),
        ("584y", 18_417_024_000_000_000_000),
    ] {
        assert_eq!(parse_duration(text), Ok(nanos), "{text}");
    }
    for text in [
        "",
        "2",
        "h",
        "2 h",
        "2x",
        "1.2.3s",
        ".5s",
        "5.s",
        "-2h",
        "600y",
        "99999999999999999999s",
    ] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
}

#[test]
fn when_names_a_period_as_long_as_its_last_unit() {
    let now = 1_795_352_400_000_000_000;
    let when = |text: &str| {
        parse_when(text, now).map(|when| (when.start_ns - now, when.end_ns - when.start_ns))
    };
    let (second, day) = (1_000_000_000, 86_400_000_000_000);
    assert_eq!(when("now"), Ok((0, 0)));
    assert_eq!(when("2h"), Ok((-7_200 * second, 0)));
    assert_eq!(when("-2h"), Ok((-7_200 * second, 0)));
    assert_eq!(when("+30m"), Ok((1_800 * second, 0)));
    assert_eq!(when("2026-11-22"), Ok((-13 * 3_600 * second, day - 1)));
    assert_eq!(when("2026-11-22T13:00"), Ok((0, 60 * second - 1)));
    assert_eq!(when("2026-11-22 14:00+01:00"), Ok((0, 60 * second - 1)));
    assert_eq!(when("2026-11-22T13:00:00Z"), Ok((0, second - 1)));
    assert_eq!(
        when("2026-11-22T13:00:00.5"),
        Ok((second / 2, second / 10 - 1))
    );
    for text in [
        "",
        "2",
        "yesterday",
        "22.11.2026",
        "2026-11",
        "900y",
        "+",
        "2026-11-22T13",
    ] {
        assert!(parse_when(text, now).is_err(), "{text}");
    }
    assert!(parse_when("1s", i64::MIN).is_err());
}

proptest! {
    #[test]
    fn every_time_round_trips(ns in any::<i64>()) {
        prop_assert_eq!(parse_rfc3339(&rfc3339(ns)), Ok(ns));
        let seconds = ns / 1_000_000_000;
        prop_assert_eq!(parse_rfc3339_seconds(&rfc3339_seconds(seconds)), Ok(seconds));
    }

    #[test]
    fn every_day_round_trips(day in -100_000_000_000_000_000i64..100_000_000_000_000_000) {
        let (year, month, date) = civil_from_days(day);
        prop_assert!((1..=days_in_month(year, month)).contains(&date));
        prop_assert_eq!(days_from_civil(year, month, date), day);
    }

    #[test]
    fn no_text_panics(text in "[0-9TZ:.+ hmsdyµ-]{0,30}", now in any::<i64>()) {
        let _ = (parse_rfc3339(&text), parse_duration(&text), parse_when(&text, now));
    }
}
