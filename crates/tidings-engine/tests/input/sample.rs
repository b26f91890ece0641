//! The same stream in another rendering, on genuine logs.

use std::path::{Path, PathBuf};

use tidings_engine::input::{Block, Overlap, Sample, SampleBuilder, line_key, open};

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../corpus/input")
        .join(name)
}

fn sample(name: &str) -> Sample {
    let mut file = open(&corpus(name)).unwrap();
    let mut builder = SampleBuilder::new(line_key);
    let mut block = Block::new();
    while file.next_block(&mut block).unwrap() {
        block.lines().for_each(|line| builder.line(line.bytes));
    }
    assert!(!builder.head_is_complete());
    builder.sample().clone()
}

#[test]
fn renderings_of_one_stream_are_noticed() {
    let known = sample("mail.rfc3164.log");
    for name in ["mail.rfc3339.log", "mail.rfc5424.log", "central-folded.log"] {
        let other = sample(name);
        assert!(
            known.is_same_stream(&other),
            "{name}: {:?}",
            known.overlap(&other)
        );
        assert!(known.overlap(&other).share > 0.9, "{name}");
        assert!(other.is_same_stream(&known));
    }
}

#[test]
fn other_hours_of_the_same_host_are_not() {
    let (known, other) = (sample("mail.rfc3164.log"), sample("mail.rfc3164.later.log"));
    let overlap = known.overlap(&other);
    assert!(
        !known.is_same_stream(&other) && overlap.share < 0.1,
        "{overlap:?}"
    );
    assert!(overlap.comparable > 8, "{overlap:?}");
}

#[test]
fn a_rendering_that_covers_half_the_time_shows_half() {
    let (known, other) = (sample("mail.rfc3164.log"), sample("mail.rfc3339.half.log"));
    let overlap = known.overlap(&other);
    assert!((0.3..0.8).contains(&overlap.share), "{overlap:?}");
}

fn whole(line: &[u8]) -> Option<(u64, &[u8])> {
    Some((0, line))
}

fn numbered(lines: std::ops::Range<u32>) -> Sample {
    let mut builder = SampleBuilder::new(whole);
    lines.for_each(|n| builder.line(format!("line {n}\r").as_bytes()));
    builder.sample().clone()
}

#[test]
fn a_stream_within_another_is_noticed_to_an_eighth_of_it() {
    let whole = numbered(0..80_000);
    for (part, comparable) in [(0..80_000, 32), (20_000..60_000, 10), (40_000..55_000, 4)] {
        let part = numbered(part);
        let overlap = whole.overlap(&part);
        assert!(
            overlap.share == 1.0 && overlap.comparable >= comparable,
            "{overlap:?}"
        );
        assert!(whole.is_same_stream(&part));
    }
    let nothing = Overlap {
        comparable: 3,
        share: 1.0,
    };
    assert!(!nothing.is_same_stream());
    assert!(!whole.is_same_stream(&numbered(80_000..160_000)));
}

#[test]
fn a_beginning_is_noticed_before_the_whole_is_read() {
    let (known, begun) = (numbered(0..1_000_000), numbered(0..1_024));
    assert!(!known.overlap(&begun).is_same_stream());
    assert!(known.head_overlap(&begun).is_same_stream() && known.is_same_stream(&begun));
}

#[test]
fn samples_round_trip_and_go_on() {
    let first = numbered(0..3_000);
    let stored = Sample::decode(&first.encode()).unwrap();
    assert_eq!(stored, first);
    assert_eq!(first.encode().len(), 1_027);
    let mut builder = SampleBuilder::resume(whole, stored, 3_000);
    (3_000..9_000).for_each(|n| builder.line(format!("line {n}").as_bytes()));
    assert_eq!(*builder.sample(), numbered(0..9_000));
    // One of the first version has no times, and matches as it did.
    let mut old = vec![1, 32, 32];
    old.extend(first.encode()[3..].chunks(16).flat_map(|entry| &entry[..8]));
    let old = Sample::decode(&old).unwrap();
    assert_eq!(old, first);
    for bytes in [&b"\x01\x01"[..], b"\x03\0\0", b"", b"\x01\0\0\0"] {
        assert!(Sample::decode(bytes).is_err());
    }
}
