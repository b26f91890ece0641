//! Shared by the tests: a spool on a simulated disk, batches that say who they are, a reader that
//! collects.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidings_spool::fault::{ManualClock, MemoryBackend};
use tidings_spool::{
    Batch, Delivery, Frame, Gap, Identity, Opened, RecoveryReport, Spool, SpoolConfig, SpoolError,
};

pub(crate) const IDENTITY: Identity = Identity {
    epoch: 0x0123_4567_89ab_cdef,
    origin: 0xfeed_beef,
};
/// 2024-01-01.
pub(crate) const NOW_NS: i64 = 1_704_067_200_000_000_000;
pub(crate) const DAY_NS: i64 = 86_400_000_000_000;

/// Small segments, no waiting.
pub(crate) fn config() -> SpoolConfig {
    SpoolConfig {
        segment_bytes: 2048,
        commit_delay: Duration::from_millis(1),
        retry_delay: Duration::from_millis(5),
        ..SpoolConfig::default()
    }
}

pub(crate) fn try_open(disk: &MemoryBackend, config: SpoolConfig) -> Result<Opened, SpoolError> {
    let clock = Arc::new(ManualClock::new(NOW_NS));
    Spool::open(Arc::new(disk.clone()), clock, config, IDENTITY)
}

/// Opens a spool that nothing is removed from unless it has to.
pub(crate) fn open(disk: &MemoryBackend, config: SpoolConfig) -> (Spool, RecoveryReport) {
    let Opened {
        spool,
        recovery,
        hold,
    } = try_open(disk, config).unwrap();
    drop(hold);
    (spool, recovery)
}

/// A record of `length` bytes, at least 8, that is unlike any with another number and does not
/// compress well.
pub(crate) fn record(number: u64, length: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = number.to_le_bytes().to_vec();
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.push(state as u8);
    }
    bytes
}

/// A batch of records numbered as given, each of `length` bytes.
pub(crate) fn batch(numbers: Range<u64>, length: usize) -> Batch {
    let count = u32::try_from(numbers.end - numbers.start).unwrap();
    Batch::events(
        count,
        numbers.flat_map(|number| record(number, length)).collect(),
    )
}

/// Appends a batch and waits until it is durable.
pub(crate) fn commit(spool: &Spool, batch: Batch) -> Range<u64> {
    spool.append(batch).unwrap().wait().unwrap()
}

/// Everything that is committed, from a sequence on.
pub(crate) fn read_all(spool: &Spool, from: u64) -> (Vec<Arc<Frame>>, Vec<Gap>) {
    let mut reader = spool.reader(from).unwrap();
    let (mut frames, mut gaps) = (Vec::new(), Vec::new());
    loop {
        match reader.next(Duration::ZERO) {
            Ok(Some(Delivery::Frame(frame))) => frames.push(frame),
            Ok(Some(Delivery::Gap(gap))) => gaps.push(gap),
            Ok(None) | Err(SpoolError::Closed | SpoolError::Poisoned { .. }) => {
                return (frames, gaps);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// The segments' files, oldest first.
pub(crate) fn segments(disk: &MemoryBackend) -> Vec<PathBuf> {
    use tidings_spool::Backend;
    let files = disk.list(Path::new("spool")).unwrap();
    let names = files
        .into_iter()
        .map(|(name, _)| Path::new("spool").join(name));
    names
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect()
}

/// Where the frames of a segment begin, its end last.
pub(crate) fn frame_offsets(segment: &[u8]) -> Vec<u64> {
    let mut offsets = vec![64];
    let mut at = 64;
    while at < segment.len() {
        let (_, length) = tidings_spool::decode_frame(&segment[at..], IDENTITY.epoch).unwrap();
        at += length;
        offsets.push(at as u64);
    }
    offsets
}
