use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::prop_assert_eq;

use super::*;
use crate::batch::Batch;

const EPOCH: u64 = 0x0123_4567_89ab_cdef;

fn encode(batch: Batch, first_sequence: u64) -> Vec<u8> {
    batch.validate().unwrap();
    let mut encoder = FrameEncoder::new(seed_of(EPOCH));
    // Something before the frame, as in a group of several.
    let mut out = b"before".to_vec();
    let header = encoder.append(&batch.prepare(), first_sequence, &mut out);
    encoder.finish(&header, 6, &mut out);
    out.split_off(6)
}

fn batches() -> impl Strategy<Value = Batch> {
    let bytes = || {
        prop_oneof![
            vec(any::<u8>(), 1..300),
            vec(0_u8..3, 1..5000),
            vec(0_u8..200, 70_000..80_000)
        ]
    };
    let events = (1_u32.., bytes()).prop_map(|(count, records)| {
        Batch::events(count.min(u32::try_from(records.len()).unwrap()), records)
    });
    let control =
        (any::<u8>(), vec(any::<u8>(), 0..200)).prop_map(|(tag, bytes)| Batch::control(tag, bytes));
    let extra = || vec(any::<u8>(), 0..100);
    (prop_oneof![4 => events, 1 => control], extra(), extra()).prop_map(
        |(batch, context, checkpoint)| batch.with_context(context).with_checkpoint(checkpoint),
    )
}

proptest! {
    #[test]
    fn frames_round_trip(batch in batches(), first in 1..u64::MAX / 2) {
        let bytes = encode(batch.clone(), first);
        let (frame, length) = decode_frame(&bytes, EPOCH).unwrap();
        let frame = frame.unwrap();
        prop_assert_eq!(length, bytes.len());
        prop_assert_eq!(frame.sequences(), first..first + u64::from(batch.count));
        prop_assert_eq!(frame.kind(), batch.kind);
        prop_assert_eq!(frame.context(), &batch.context);
        prop_assert_eq!(frame.records(), &batch.records);
        prop_assert_eq!(frame.checkpoint().unwrap_or_default(), &batch.checkpoint);
    }

    #[test]
    fn any_flipped_bit_is_noticed(batch in batches(), at in any::<proptest::sample::Index>(), bit in 0_u8..8) {
        let mut bytes = encode(batch, 77);
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        assert!(decode_frame(&bytes, EPOCH).is_err());
    }

    #[test]
    fn any_cut_is_noticed(batch in batches(), at in any::<proptest::sample::Index>()) {
        let bytes = encode(batch, 77);
        let cut = at.index(bytes.len());
        prop_assert_eq!(decode_frame(&bytes[..cut], EPOCH), Err(FrameError::Truncated));
    }

    #[test]
    fn any_bytes_decode_without_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = decode_frame(&bytes, EPOCH);
    }

    /// Headers with a right checksum over wrong fields, as a bug or an enemy could write them.
    #[test]
    fn any_checksummed_header_decodes_without_panic(
        fields in proptest::array::uniform32(any::<u8>()),
        lengths in (0_u32..200, 0_u32..100, 0_u32..100, 0_u32..100),
        kind in 0_u8..7,
        codec in 0_u8..3,
        body in vec(any::<u8>(), 200),
    ) {
        let mut bytes = vec![0; FRAME_HEADER_BYTES];
        bytes[..4].copy_from_slice(&FRAME_MAGIC);
        bytes[16..36].copy_from_slice(&fields[..20]);
        bytes[32..36].copy_from_slice(&[kind, codec, fields[20] & 1, fields[21] & 1]);
        bytes[12..16].copy_from_slice(&lengths.0.to_le_bytes());
        bytes[36..40].copy_from_slice(&lengths.1.to_le_bytes());
        bytes[40..44].copy_from_slice(&lengths.2.to_le_bytes());
        bytes[44..48].copy_from_slice(&lengths.3.to_le_bytes());
        bytes.extend_from_slice(&body);
        if codec == 0 {
            let sum = (lengths.1 + lengths.2 + lengths.3).min(200);
            bytes[12..16].copy_from_slice(&sum.to_le_bytes());
            bytes[24..28].copy_from_slice(&(u32::from(fields[8]) % 130).to_le_bytes());
        }
        let length = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
        let stored = &bytes[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + length];
        let crc = crc32c::crc32c(stored);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32c::crc32c_append(seed_of(EPOCH), &bytes[8..FRAME_HEADER_BYTES]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        if let Ok((Some(frame), _)) = decode_frame(&bytes, EPOCH) {
            assert!(u64::from(frame.count()) <= frame.records().len() as u64);
        }
    }
}

#[test]
fn repetitive_payloads_shrink_and_random_ones_do_not_grow() {
    let repetitive = encode(Batch::events(100, b"delivery.delivered ".repeat(1000)), 1);
    assert!(repetitive.len() < 500, "{}", repetitive.len());
    let mut state = 1_u32;
    let random: Vec<u8> = (0..10_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[3]
        })
        .collect();
    assert_eq!(
        encode(Batch::events(1, random), 1).len(),
        FRAME_HEADER_BYTES + 10_000
    );
}

#[test]
fn a_frame_of_another_spool_is_refused() {
    let bytes = encode(Batch::events(1, b"x".to_vec()), 1);
    assert_eq!(
        decode_frame(&bytes, EPOCH + 1),
        Err(FrameError::HeaderChecksum)
    );
}

#[test]
fn frames_of_the_spool_itself_hold_no_batch() {
    let seed = seed_of(EPOCH);
    let seal = FrameHeader::seal(9).encode(seed);
    assert_eq!(decode_frame(&seal, EPOCH), Ok((None, 48)));
    let (header, payload) = FrameHeader::lost(&(5..9));
    assert_eq!(
        decode_frame(&FrameHeader::skip(9).encode(seed), EPOCH),
        Ok((None, 48))
    );
    let lost = [&header.encode(seed)[..], &payload].concat();
    assert_eq!(decode_frame(&lost, EPOCH), Ok((None, 56)));
}
