//! Envelopes against `corpus/envelope`: real lines in four renderings, and every shape by hand.
//!
//! `TIDINGS_BLESS=1 cargo test -p tidings-mail --test envelope` writes the expected files anew.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use tidings_mail::envelope::{
    Clock, ClockSettings, Envelope, Family, Format, Program, Stamp, Zone, read, unescape_controls,
};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/envelope")
}

/// A corpus file: its settings stand in `# key: value` lines, remarks in `#` lines.
struct Sample {
    lines: Vec<Vec<u8>>,
    reference_ns: i64,
    zone: i32,
}

fn sample(path: &Path) -> Sample {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut sample = Sample {
        lines: Vec::new(),
        reference_ns: 0,
        zone: 0,
    };
    let mut escapes = false;
    for line in text.split(|byte| *byte == b'\n') {
        match line.strip_prefix(b"# ") {
            Some(rest) if rest == b"escapes" => escapes = true,
            Some(rest) => {
                if let Some(value) = rest.strip_prefix(b"reference: ") {
                    sample.reference_ns = moment(value);
                } else if let Some(value) = rest.strip_prefix(b"zone: ") {
                    sample.zone = String::from_utf8_lossy(value).parse().unwrap();
                }
            }
            None if line.is_empty() => {}
            None if escapes => sample.lines.push(unescape(line)),
            None => sample.lines.push(line.to_vec()),
        }
    }
    sample
}

fn moment(text: &[u8]) -> i64 {
    let line = [text, b" mx a[1]: b"].concat();
    let mut scratch = Vec::new();
    let envelope = read(&line, Format::Unknown, &mut scratch);
    let settings = ClockSettings {
        zone: Zone::Utc,
        year: None,
        reference_ns: 0,
    };
    Clock::new(settings)
        .resolve(&envelope.stamp)
        .unwrap()
        .time_ns
}

/// `\xHH` becomes the byte.
fn unescape(line: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(line.to_vec()).unwrap();
    let mut parts = text.split("\\x");
    let mut out = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        out.push(u8::from_str_radix(&part[..2], 16).unwrap());
        out.extend_from_slice(&part.as_bytes()[2..]);
    }
    out
}

/// What is read of a line, as text.
fn rendered(envelope: &Envelope<'_>, clock: &mut Clock) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let time = match clock.resolve(&envelope.stamp) {
        Some(time) => {
            let guessed = if time.guessed_year {
                " year guessed"
            } else {
                ""
            };
            format!("{} {:?}{guessed}", iso(time.time_ns), time.precision)
        }
        None => "no time".to_owned(),
    };
    let program = envelope.program();
    let mut out = format!("{time}\n  {:?}", envelope.format);
    if envelope.own_file {
        out.push_str(", own file");
    }
    for (name, value) in [("host", envelope.host), ("tag", envelope.tag)] {
        if !value.is_empty() {
            write!(out, ", {name} {}", text(value)).unwrap();
        }
    }
    for (name, value) in [
        ("pid", envelope.pid),
        ("priority", envelope.priority.map(u32::from)),
    ] {
        if let Some(value) = value {
            write!(out, ", {name} {value}").unwrap();
        }
    }
    if let Some(repeat) = envelope.repeated {
        write!(out, ", {repeat:?}").unwrap();
    }
    let parts = [program.instance, program.listener, program.service]
        .map(text)
        .join("|");
    writeln!(
        out,
        "\n  {:?} {parts}\n  {}",
        program.family,
        text(envelope.body)
    )
    .unwrap();
    out
}

/// `2026-11-22T13:08:45.123456789Z`, by counting days: independent of the clock under test.
fn iso(ns: i64) -> String {
    let seconds = ns.div_euclid(1_000_000_000);
    let (mut days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let mut year = 1970;
    let leap = |year: i64| i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    while days >= 365 + leap(year) {
        days -= 365 + leap(year);
        year += 1;
    }
    let lengths = [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    format!(
        "{year:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
        month + 1,
        days + 1,
        rest / 3600,
        rest / 60 % 60,
        rest % 60,
        ns.rem_euclid(1_000_000_000)
    )
}

fn check(name: &str) {
    let sample = sample(&corpus().join(format!("{name}.log")));
    let settings = ClockSettings {
        zone: Zone::Fixed(sample.zone),
        year: None,
        reference_ns: sample.reference_ns,
    };
    let mut clock = Clock::new(settings);
    let mut found = String::new();
    let mut scratch = Vec::new();
    for line in &sample.lines {
        let envelope = read(line, Format::Unknown, &mut scratch);
        writeln!(found, "{}", line.escape_ascii()).unwrap();
        found.push_str(&rendered(&envelope, &mut clock));
    }
    let path = corpus().join(format!("{name}.envelopes"));
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (expected, found)) in expected.lines().zip(found.lines()).enumerate() {
        assert_eq!(found, expected, "{}:{}", path.display(), number + 1);
    }
    assert_eq!(
        found.len(),
        expected.len(),
        "{} has another length",
        path.display()
    );
}

#[test]
fn every_shape_reads_as_expected() {
    for name in [
        "syslog",
        "months",
        "files",
        "containers",
        "dirt",
        "years",
        "folded",
    ] {
        check(name);
    }
}

/// Host, tag, pid, body.
type Parts = (Vec<u8>, Vec<u8>, Option<u32>, Vec<u8>);

fn parts(name: &str) -> Vec<Parts> {
    let sample = sample(&corpus().join(format!("{name}.log")));
    let hint = Format::detect(sample.lines.iter().map(Vec::as_slice));
    let mut scratch = Vec::new();
    let read = |line: &Vec<u8>| {
        let e = read(line, hint, &mut scratch);
        (e.host.to_vec(), e.tag.to_vec(), e.pid, e.body.to_vec())
    };
    sample.lines.iter().map(read).collect()
}

#[test]
fn four_renderings_of_one_stream_agree() {
    let plain = parts("own-rfc3164");
    assert!(plain.len() > 300);
    assert_eq!(parts("own-rfc3339"), plain);
    assert_eq!(parts("own-pri-forward"), plain);
    // rsyslog's APP-NAME ends at the tag's first slash: `postfix/smtpd` is `postfix` there. All
    // else is the same.
    let cut = |(host, tag, pid, body): &Parts| {
        let name = tag.split(|byte| *byte == b'/').next().unwrap_or_default();
        (host.clone(), name.to_vec(), *pid, body.clone())
    };
    let expected: Vec<Parts> = plain.iter().map(cut).collect();
    assert_eq!(parts("own-rfc5424"), expected);
}

#[test]
fn the_text_tells_the_service_where_the_tag_lost_it() {
    let (mut known, mut all) = (0, 0);
    for (_, tag, _, body) in parts("own-rfc3164") {
        let full = Program::of(&tag, &body);
        if full.family != Family::Postfix {
            continue;
        }
        all += 1;
        let guessed = Program::of(b"postfix", &body);
        if guessed.service.is_empty() {
            continue;
        }
        known += 1;
        let shown = (
            String::from_utf8_lossy(&body),
            String::from_utf8_lossy(&tag),
        );
        // What qmgr says of a message it is done with, postsuper says of one it deletes.
        let is_removal = full.service == b"postsuper" && guessed.service == b"qmgr";
        assert!(is_removal || guessed.service == full.service, "{shown:?}");
    }
    assert!(known * 10 >= all * 8, "{known} of {all}");
}

#[test]
fn escapes_of_rsyslog_are_undone() {
    assert_eq!(unescape_controls(b"a#012b").as_ref(), b"a\nb");
}

#[test]
fn long_lines_read_in_one_pass() {
    let fillers: [&[u8]; 9] = [
        b"<1>", b"(", b")<", b": ", b"\x1b[", b"| ", b"[1]", b"{\"a\":", b"Nov ",
    ];
    let mut scratch = Vec::new();
    for filler in fillers {
        for start in [
            &b""[..],
            b"Nov 22 13:08:45 ",
            b"2026-11-22T13:08:45Z ",
            b"imap(",
            b"{",
        ] {
            let line = [start, &filler.repeat(70_000 / filler.len())].concat();
            let envelope = read(&line, Format::Unknown, &mut scratch);
            assert!(envelope.body.len() <= line.len());
        }
    }
}

fn within(inner: &[u8], outer: &[u8]) -> bool {
    let (inner, outer) = (inner.as_ptr_range(), outer.as_ptr_range());
    inner.is_empty() || outer.start <= inner.start && inner.end <= outer.end
}

const HINTS: [Format; 10] = [
    Format::Unknown,
    Format::Rfc3164,
    Format::Rfc3339,
    Format::Priority,
    Format::Rfc5424,
    Format::DovecotFile,
    Format::Bare,
    Format::Container,
    Format::Json,
    Format::Other,
];

/// All lines of the hand-made samples.
fn seeds() -> Vec<Vec<u8>> {
    ["syslog", "months", "files", "containers", "dirt"]
        .iter()
        .flat_map(|name| sample(&corpus().join(format!("{name}.log"))).lines)
        .collect()
}

fn assert_sound(line: &[u8]) {
    let mut first = None;
    for hint in HINTS {
        let mut scratch = Vec::new();
        let envelope = read(line, hint, &mut scratch);
        let program = envelope.program();
        let shown = format!("{envelope:?} {program:?}");
        let slices: Vec<&[u8]> = vec![envelope.host, envelope.tag, envelope.body];
        let ranges: Vec<_> = slices.iter().map(|slice| slice.as_ptr_range()).collect();
        let empty: Vec<bool> = slices.iter().map(|slice| slice.is_empty()).collect();
        for (range, is_empty) in ranges.into_iter().zip(empty) {
            let in_line = line.as_ptr_range();
            let in_scratch = scratch.as_ptr_range();
            let is_in = |outer: &std::ops::Range<*const u8>| {
                outer.start <= range.start && range.end <= outer.end
            };
            assert!(is_empty || is_in(&in_line) || is_in(&in_scratch), "{shown}");
        }
        // A hint must not change what is read.
        assert_eq!(
            first.get_or_insert_with(|| shown.clone()),
            &shown,
            "{hint:?}"
        );
    }
}

#[test]
fn hints_do_not_change_what_is_read() {
    for line in seeds() {
        assert_sound(&line);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_sound(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        assert_sound(&line);
    }

    #[test]
    fn mutated_lines_are_sound(
        which in any::<proptest::sample::Index>(),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..3_u8), 0..6),
        cut in any::<Option<proptest::sample::Index>>(),
    ) {
        let seeds = seeds();
        let mut line = seeds[which.index(seeds.len())].clone();
        for (at, byte, how) in edits {
            if line.is_empty() {
                break;
            }
            let at = at.index(line.len());
            match how {
                0 => line[at] = byte,
                1 => line.insert(at, byte),
                _ => { line.remove(at); }
            }
        }
        if let Some(cut) = cut && !line.is_empty() {
            line.truncate(cut.index(line.len()));
        }
        assert_sound(&line);
    }

    #[test]
    fn times_survive_being_written(seconds in 946_684_800_i64..4_102_444_800, nanos in 0..1_000_000_000_i64) {
        let time = seconds * 1_000_000_000 + nanos;
        let line = format!("{} mx postfix/smtpd[725]: connect", iso(time));
        let mut scratch = Vec::new();
        let envelope = read(line.as_bytes(), Format::Rfc3339, &mut scratch);
        let settings = ClockSettings { zone: Zone::Fixed(7_200), year: None, reference_ns: 0 };
        let resolved = Clock::new(settings).resolve(&envelope.stamp);
        prop_assert_eq!(resolved.map(|resolved| resolved.time_ns), Some(time));
        prop_assert!(envelope.stamp != Stamp::None);
        prop_assert!(within(envelope.body, line.as_bytes()));
    }
}
