//! Tests of stamps: every spelling, and what is none.

use super::*;

/// Year, month to second, nanoseconds, offset, length.
type Parts = (Option<i16>, [u8; 5], u32, Option<i32>, usize);

fn parts(text: &[u8]) -> Option<Parts> {
    let (stamp, length) = any(text)?;
    let Stamp::Civil(c) = stamp else { return None };
    Some((
        c.year,
        [c.month, c.day, c.hour, c.minute, c.second],
        c.nanos,
        c.offset,
        length,
    ))
}

#[test]
fn shapes() {
    let at = [11, 22, 13, 8, 45];
    let cases: &[(&str, Parts)] = &[
        ("Nov 22 13:08:45 mx", (None, at, 0, None, 15)),
        (
            "Nov 02 13:08:45 mx",
            (None, [11, 2, 13, 8, 45], 0, None, 15),
        ),
        (
            "Nov  2 13:08:45 mx",
            (None, [11, 2, 13, 8, 45], 0, None, 15),
        ),
        ("Nov 2 13:08:45 mx", (None, [11, 2, 13, 8, 45], 0, None, 14)),
        ("Nov 22 13:08:45.123 mx", (None, at, 123_000_000, None, 19)),
        ("Nov 22 2026 13:08:45 mx", (Some(2026), at, 0, None, 20)),
        ("Nov 22, 2026 13:08:45 mx", (Some(2026), at, 0, None, 21)),
        ("2026 Nov 22 13:08:45 mx", (Some(2026), at, 0, None, 20)),
        ("Sun Nov 22 13:08:45 2026 mx", (Some(2026), at, 0, None, 24)),
        (
            "Sun Nov 22 13:08:45 UTC 2026 mx",
            (Some(2026), at, 0, Some(0), 28),
        ),
        (
            "Sun 2026-11-22 13:08:45 CET mx",
            (Some(2026), at, 0, Some(3600), 27),
        ),
        ("Nov 22 13:08:45 +0100 mx", (None, at, 0, Some(3600), 21)),
        ("nov. 22 13:08:45 mx", (None, at, 0, None, 16)),
        ("22 nov. 13:08:45 mx", (None, at, 0, None, 16)),
        ("22 Nov 2026 13:08:45 mx", (Some(2026), at, 0, None, 20)),
        ("22. Nov 13:08:45 mx", (None, at, 0, None, 16)),
        ("22-Nov-2026 13:08:45 mx", (Some(2026), at, 0, None, 20)),
        (
            "22/Nov/2026:13:08:45 -0500 mx",
            (Some(2026), at, 0, Some(-18000), 26),
        ),
        ("22.11.2026 13:08:45 mx", (Some(2026), at, 0, None, 19)),
        ("11月 22 13:08:45 mx", (None, at, 0, None, 17)),
        ("2026-11-22T13:08:45Z mx", (Some(2026), at, 0, Some(0), 20)),
        (
            "2026-11-22T13:08:45.5+05:30 mx",
            (Some(2026), at, 500_000_000, Some(19800), 27),
        ),
        (
            "2026-11-22T13:08:45+0000 mx",
            (Some(2026), at, 0, Some(0), 24),
        ),
        (
            "2026-11-22 13:08:45 +0100 x",
            (Some(2026), at, 0, Some(3600), 25),
        ),
        (
            "2026-11-22 13:08:45,123 mx",
            (Some(2026), at, 123_000_000, None, 23),
        ),
        ("2026/11/22 13:08:45 mx", (Some(2026), at, 0, None, 19)),
        (
            "2026-11-22T13:08:45.1234567891Z x",
            (Some(2026), at, 123_456_789, Some(0), 31),
        ),
        ("[2026-11-22 13:08:45] mx", (Some(2026), at, 0, None, 21)),
        ("Nov 22 13:08:45 UTC mx", (None, at, 0, Some(0), 19)),
        ("Nov 22 13:08:45 UTCHOST mx", (None, at, 0, None, 15)),
    ];
    for (text, expected) in cases {
        assert_eq!(parts(text.as_bytes()).as_ref(), Some(expected), "{text}");
    }
}

#[test]
fn not_a_stamp() {
    for text in [
        "",
        "N",
        "Nov",
        "Nov 22",
        "Nov 32 13:08:45",
        "Feb 30 13:08:45",
        "Nov 22 25:08:45",
        "2026-13-22T13:08:45",
        "2026-11-22T13:08:61",
        "connect from unknown[1.2.3.4]",
        "[2026",
        "12",
        "@4000",
        "1.2.3.4",
        "\u{00e9}",
        "Sun",
        "Sun Sun Nov 22 13:08:45",
    ] {
        assert_eq!(any(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn counts() {
    let epoch = |ns, precision| Some(Stamp::Epoch { ns, precision });
    let read = |text: &str| any(text.as_bytes()).map(|found| found.0);
    let second = 1_795_352_925_i64;
    assert_eq!(
        read("1795352925 mx"),
        epoch(second * 1_000_000_000, Precision::Second)
    );
    assert_eq!(
        read("1795352925.25 mx"),
        epoch(second * 1_000_000_000 + 250_000_000, Precision::Milli)
    );
    assert_eq!(
        read("1795352925123"),
        epoch(1_795_352_925_123_000_000, Precision::Milli)
    );
    assert_eq!(
        read("@400000006b02e93707270e00 mx"),
        epoch(
            0x6b02_e937 * 1_000_000_000 - 10_000_000_000 + 0x0727_0e00,
            Precision::Nano
        )
    );
    assert_eq!(read("17953529251"), None);
}

#[test]
fn fast_and_slow_paths_agree() {
    for text in ["Nov 22 13:08:45 mx", "Nov  2 13:08:45.25 mx"] {
        let fast = rfc3164(text.as_bytes()).map(|(civil, n)| (Stamp::Civil(civil), n));
        assert_eq!(fast, any(text.as_bytes()), "{text}");
    }
}
