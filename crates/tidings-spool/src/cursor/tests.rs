#![expect(
    clippy::single_range_in_vec_init,
    reason = "the ranges are compared, not walked"
)]

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::{any, proptest};

use super::*;
use crate::backend::{Backend, OpenMode};
use crate::batch::{Batch, Prepared};
use crate::fault::MemoryBackend;
use crate::frame::FrameEncoder;

const IDENTITY: Identity = Identity {
    epoch: 5,
    origin: 6,
};
const FACTS: SegmentFacts = SegmentFacts {
    identity: IDENTITY,
    first_sequence: 10,
    next_first: None,
};

fn segment_header() -> Vec<u8> {
    SegmentHeader {
        identity: IDENTITY,
        first_sequence: 10,
        created_ns: 0,
    }
    .encode()
    .to_vec()
}

fn frame_of(epoch: u64, batch: Batch, first_sequence: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = FrameEncoder::new(seed_of(epoch));
    let batch: Prepared = batch.prepare();
    let header = encoder.append(&batch, first_sequence, &mut out);
    encoder.finish(&header, 0, &mut out);
    out
}

fn frame(first_sequence: u64, count: u32) -> Vec<u8> {
    // Below the length at which compression is tried.
    frame_of(
        IDENTITY.epoch,
        Batch::events(count, vec![first_sequence as u8; 50]),
        first_sequence,
    )
}

fn cursor(bytes: &[u8], facts: SegmentFacts) -> SegmentCursor {
    let disk = MemoryBackend::new();
    disk.install(Path::new("s"), bytes);
    let file = disk.open(Path::new("s"), OpenMode::Read).unwrap();
    SegmentCursor::new(file, facts, bytes.len() as u64)
}

/// First sequences of frames, `-n` for n bytes of damage, and the sequences lost by them.
fn walk(mut cursor: SegmentCursor, check: Check) -> (Vec<i64>, Vec<Range<u64>>) {
    let (mut steps, mut lost) = (Vec::new(), Vec::new());
    loop {
        match cursor.step(check).unwrap() {
            Step::Frame { header, .. } => steps.push(header.first_sequence.cast_signed()),
            Step::Lost(range) => lost.push(range),
            Step::Damage(damage) => {
                steps.push(-damage.bytes.cast_signed());
                lost.push(damage.lost);
            }
            Step::End => return (steps, lost),
        }
        assert!(steps.len() < 100_000, "the cursor stands still");
    }
}

fn three_frames() -> Vec<u8> {
    [segment_header(), frame(10, 2), frame(12, 3), frame(15, 1)].concat()
}

#[test]
fn sound_frames_come_in_order() {
    for check in [Check::All, Check::Headers] {
        assert_eq!(
            walk(cursor(&three_frames(), FACTS), check),
            (vec![10, 12, 15], vec![])
        );
    }
}

#[test]
fn a_damaged_frame_costs_itself_only() {
    for at in [64 + 98 + 1, 64 + 98 + 20, 64 + 98 + 60] {
        let mut bytes = three_frames();
        bytes[at] ^= 4;
        let (steps, lost) = walk(cursor(&bytes, FACTS), Check::All);
        assert_eq!(
            (steps, lost),
            (vec![10, -98, 15], vec![12..15]),
            "byte {at}"
        );
    }
}

#[test]
fn a_damaged_segment_header_costs_no_frame() {
    let mut bytes = three_frames();
    bytes[20] ^= 1;
    let (steps, lost) = walk(cursor(&bytes, FACTS), Check::All);
    assert_eq!((steps, lost), (vec![-64, 10, 12, 15], vec![10..10]));
}

#[test]
fn what_is_missing_before_the_next_segment_is_reported() {
    let facts = SegmentFacts {
        next_first: Some(20),
        ..FACTS
    };
    let (steps, lost) = walk(cursor(&three_frames(), facts), Check::All);
    assert_eq!((steps, lost), (vec![10, 12, 15, 0], vec![16..20]));
    let cut = &three_frames()[..64 + 98 + 98 + 5];
    let (steps, lost) = walk(cursor(cut, facts), Check::All);
    assert_eq!((steps, lost), (vec![10, 12, -5], vec![15..20]));
}

#[test]
fn removed_frames_are_reported() {
    let bytes = [segment_header(), frame(10, 2), frame(15, 1)].concat();
    let (steps, lost) = walk(cursor(&bytes, FACTS), Check::All);
    assert_eq!((steps, lost), (vec![10, 0, 15], vec![12..15]));
}

/// Bytes that do not compress, so that what is beside them is stored as it is.
fn noise() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    (0..4000).map(|_| next()).collect()
}

#[test]
fn a_frame_inside_a_payload_is_never_taken_for_one_of_the_spool() {
    // A log line that holds what looks like a frame: of another epoch, and, as an insider could
    // make it, of this one, but then it was made before the frame that carries it.
    let forged = [
        noise(),
        frame_of(99, Batch::events(1, b"forged".to_vec()), 14),
        frame(10, 2),
    ]
    .concat();
    let carrier = frame_of(IDENTITY.epoch, Batch::events(1, forged), 12);
    let carrier_bytes = -(carrier.len() as i64);
    let mut bytes = [segment_header(), frame(10, 2), carrier, frame(13, 1)].concat();
    // Damage in the carrier's header: only a search through its payload can go on.
    bytes[64 + 98 + 13] ^= 1;
    let (steps, lost) = walk(cursor(&bytes, FACTS), Check::All);
    assert_eq!((steps, lost), (vec![10, carrier_bytes, 13], vec![12..13]));
}

#[test]
fn a_damaged_payload_is_not_searched_for_frames() {
    // Even one that would fit: its carrier's header is sound, so its end is known.
    let carried = Batch::events(1, [noise(), frame(13, 1)].concat());
    let carrier = frame_of(IDENTITY.epoch, carried, 12);
    let carrier_bytes = -(carrier.len() as i64);
    let mut bytes = [segment_header(), frame(10, 2), carrier, frame(13, 1)].concat();
    let last = bytes.len() - 98 - 1;
    bytes[last] ^= 1;
    let (steps, lost) = walk(cursor(&bytes, FACTS), Check::All);
    assert_eq!((steps, lost), (vec![10, carrier_bytes, 13], vec![12..13]));
}

#[test]
fn a_stale_frame_is_out_of_order() {
    let bytes = [segment_header(), frame(10, 2), frame(10, 2), frame(12, 1)].concat();
    let (steps, lost) = walk(cursor(&bytes, FACTS), Check::All);
    assert_eq!((steps, lost), (vec![10, -98, 12], vec![12..12]));
}

#[test]
fn noted_losses_are_no_damage() {
    let (header, payload) = FrameHeader::lost(&(12..20));
    let noted = [&header.encode(seed_of(IDENTITY.epoch))[..], &payload].concat();
    let bytes = [segment_header(), frame(10, 2), noted, frame(20, 1)].concat();
    for check in [Check::All, Check::Headers] {
        assert_eq!(
            walk(cursor(&bytes, FACTS), check),
            (vec![10, 20], vec![12..20])
        );
    }
    let (header, payload) = FrameHeader::lost(&(12..12));
    let nonsense = [&header.encode(seed_of(IDENTITY.epoch))[..], &payload].concat();
    let bytes = [segment_header(), frame(10, 2), nonsense, frame(12, 1)].concat();
    assert_eq!(
        walk(cursor(&bytes, FACTS), Check::All),
        (vec![10, -56, 12], vec![12..12])
    );
}

#[test]
fn seeking_finds_the_frame_that_holds_a_sequence() {
    let mut bytes = three_frames();
    for (sequence, first) in [(10, 10), (11, 10), (12, 12), (14, 12), (15, 15)] {
        let mut cursor = cursor(&bytes, FACTS);
        cursor.seek(sequence).unwrap();
        assert_eq!(cursor.expected(), first, "sequence {sequence}");
    }
    // A header that is damaged: the seek stops before it, so that the gap is reported.
    bytes[64 + 98 + 30] ^= 1;
    let mut cursor = cursor(&bytes, FACTS);
    cursor.seek(13).unwrap();
    assert!(
        matches!(cursor.step(Check::All).unwrap(), Step::Damage(damage) if damage.lost == (12..15))
    );
}

#[test]
fn unreadable_sectors_are_errors_or_damage() {
    let many: Vec<u8> = (0..40).flat_map(|n| frame(10 + n, 1)).collect();
    let disk = MemoryBackend::new();
    disk.install(Path::new("s"), &[segment_header(), many].concat());
    disk.break_sector(Path::new("s"), 1500).unwrap();
    let file = disk.open(Path::new("s"), OpenMode::Read).unwrap();
    let length = file.len().unwrap();
    let mut strict = SegmentCursor::new(Arc::clone(&file), FACTS, length);
    assert!(strict.step(Check::All).is_err());
    let mut lossy = SegmentCursor::new(file, FACTS, length).lossy();
    let mut lost = Vec::new();
    loop {
        match lossy.step(Check::All).unwrap() {
            Step::Damage(damage) => lost.push(damage.lost),
            Step::End => break,
            Step::Frame { .. } | Step::Lost(_) => {}
        }
    }
    // Bytes 1024 to 1536 touch the frames from (1024 - 64) / 98 = 9 to (1535 - 64) / 98 = 15.
    assert_eq!(lost, [19..26]);
    assert_eq!(lossy.unreadable_sectors(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_walked_to_the_end(bytes in vec(any::<u8>(), 0..600), next in 10_u64..30) {
        let facts = SegmentFacts { next_first: Some(next), ..FACTS };
        walk(cursor(&bytes, facts), Check::All);
        walk(cursor(&[segment_header(), bytes].concat(), FACTS), Check::Headers);
    }

    /// Frames chopped up, repeated and bent: whatever comes out is in order, and every sequence
    /// is either in a frame or reported as lost.
    #[test]
    fn sound_pieces_in_any_order_account_for_every_sequence(
        pieces in vec((0_u64..12, 0_usize..98, any::<bool>()), 0..20),
    ) {
        let mut bytes = segment_header();
        for (n, cut, whole) in pieces {
            let piece = frame(10 + n, 1);
            bytes.extend_from_slice(if whole { &piece } else { &piece[cut..] });
        }
        let facts = SegmentFacts { next_first: Some(25), ..FACTS };
        let mut cursor = cursor(&bytes, facts);
        let mut next = 10;
        loop {
            let range = match cursor.step(Check::All).unwrap() {
                Step::Frame { header, .. } => header.first_sequence..header.end_sequence(),
                Step::Damage(damage) => damage.lost,
                Step::Lost(range) => range,
                Step::End => break,
            };
            assert_eq!(range.start, next);
            next = range.end;
        }
        assert_eq!(next, 25);
    }
}
