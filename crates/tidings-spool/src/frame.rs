//! A frame: one batch as it lies in a segment, 48 bytes of header and a payload.
//!
//! The layout is specified in `docs/format-spool.md`; the offsets below follow its table.

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use lz4_flex::block::{
    CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size,
};

use crate::batch::{Kind, Prepared, counts_agree};

/// Most bytes of context, records and checkpoint together in one frame, uncompressed.
pub const MAX_PAYLOAD_BYTES: usize = 64 << 20;

/// Length of a frame's header.
pub const FRAME_HEADER_BYTES: usize = 48;

/// First bytes of every frame. 0xF5 occurs in no UTF-8 text, so texts hardly ever look like one.
pub(crate) const FRAME_MAGIC: [u8; 4] = [0xf5, b'T', b'D', b'F'];

/// Shorter payloads are stored as they are: there is nothing to gain.
const COMPRESS_MIN_BYTES: usize = 64;
/// lz4's small table is for inputs below this.
const SMALL_TABLE_BYTES: usize = 0xffff;

const KIND_EVENTS: u8 = 1;
const KIND_CONTROL: u8 = 2;
const KIND_SEAL: u8 = 3;
const KIND_LOST: u8 = 4;
const KIND_SKIP: u8 = 5;

const CODEC_RAW: u8 = 0;
const CODEC_LZ4: u8 = 1;

/// A place in the spool: the beginning of a frame, or the end.
///
/// Ordered as the frames are. Valid for the spool it came from; a reader that starts at one whose
/// segment has been removed gets a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// First sequence of the segment, which names its file.
    pub(crate) segment: u64,
    /// Byte in the file.
    pub(crate) offset: u64,
    /// The sequence of the next record from there on.
    pub(crate) sequence: u64,
}

impl Position {
    /// The sequence of the next record from there on.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Segment and byte: what is compared where the sequence may be a reader's own.
    pub(crate) fn place(&self) -> (u64, u64) {
        (self.segment, self.offset)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {} of segment {}", self.offset, self.segment)
    }
}

/// A committed batch, as a reader gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    count: u32,
    kind: Kind,
    context_bytes: usize,
    records_bytes: usize,
    payload: Vec<u8>,
    position: Position,
    next: Position,
}

impl Frame {
    pub(crate) fn of(batch: Prepared, position: Position, next: Position) -> Self {
        let Prepared {
            kind,
            count,
            context_bytes,
            records_bytes,
            payload,
        } = batch;
        Self {
            count,
            kind,
            context_bytes,
            records_bytes,
            payload,
            position,
            next,
        }
    }

    /// Sequence of the first record; for a frame without records, that of the next event.
    #[must_use]
    pub fn first_sequence(&self) -> u64 {
        self.position.sequence
    }

    /// Number of records; 0 for control.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The sequences of the records.
    #[must_use]
    pub fn sequences(&self) -> Range<u64> {
        self.first_sequence()..self.first_sequence() + u64::from(self.count)
    }

    /// Events or control.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Copies of earlier records that these mention; may be empty.
    #[must_use]
    pub fn context(&self) -> &[u8] {
        &self.payload[..self.context_bytes]
    }

    /// The records, or the control bytes.
    #[must_use]
    pub fn records(&self) -> &[u8] {
        &self.payload[self.context_bytes..][..self.records_bytes]
    }

    /// What was committed with the records, if anything.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&[u8]> {
        let bytes = &self.payload[self.context_bytes + self.records_bytes..];
        (!bytes.is_empty()).then_some(bytes)
    }

    /// Where the frame lies.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The place after it.
    #[must_use]
    pub fn next_position(&self) -> Position {
        self.next
    }

    /// Bytes of memory it holds, about.
    pub(crate) fn cost(&self) -> usize {
        self.payload.capacity() + size_of::<Self>()
    }
}

/// What a stored frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A batch.
    Batch(Kind),
    /// Written at an orderly end: proves that everything before it was durable.
    Seal,
    /// Stands for sequences that are known to be lost; the payload is the end of their range.
    Lost,
    /// Uses up one sequence, so that the segment behind it gets a name of its own although no
    /// event came since the one before.
    Skip,
}

/// The 48 bytes before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) payload_crc: u32,
    /// Stored bytes of the payload.
    pub(crate) length: u32,
    pub(crate) first_sequence: u64,
    pub(crate) count: u32,
    /// Bytes of this segment before the frame that were not yet synced when it was written.
    pub(crate) unsynced: u32,
    pub(crate) role: Role,
    pub(crate) compressed: bool,
    pub(crate) context_bytes: u32,
    pub(crate) records_bytes: u32,
    pub(crate) checkpoint_bytes: u32,
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The segment ends before the frame does.
    Truncated,
    /// It does not begin as frames do.
    Magic,
    /// The header's checksum is wrong.
    HeaderChecksum,
    /// The header's checksum is right, but a field has a value that this version does not know.
    HeaderField,
    /// The payload's checksum is wrong.
    PayloadChecksum,
    /// The payload's checksum is right, but it cannot be decompressed.
    Compression,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "it is cut off",
            Self::Magic => "there is no frame",
            Self::HeaderChecksum => "the header's checksum does not match",
            Self::HeaderField => "the header has an unknown value",
            Self::PayloadChecksum => "the payload's checksum does not match",
            Self::Compression => "the payload cannot be decompressed",
        })
    }
}

impl std::error::Error for FrameError {}

/// Seeds the headers' checksums, so that a frame of another spool, or one that a remote host
/// put into a log line, is never taken for one of this spool.
pub(crate) fn seed_of(epoch: u64) -> u32 {
    crc32c::crc32c(&epoch.to_le_bytes())
}

impl FrameHeader {
    /// A header without payload, for a seal.
    pub(crate) fn seal(first_sequence: u64) -> Self {
        Self {
            payload_crc: crc32c::crc32c(&[]),
            length: 0,
            first_sequence,
            count: 0,
            unsynced: 0,
            role: Role::Seal,
            compressed: false,
            context_bytes: 0,
            records_bytes: 0,
            checkpoint_bytes: 0,
        }
    }

    /// A header without payload that uses up a sequence.
    pub(crate) fn skip(first_sequence: u64) -> Self {
        Self {
            count: 1,
            role: Role::Skip,
            ..Self::seal(first_sequence)
        }
    }

    /// Header and payload of the frame that stands for lost sequences.
    pub(crate) fn lost(range: &Range<u64>) -> (Self, [u8; 8]) {
        let payload = range.end.to_le_bytes();
        let header = Self {
            payload_crc: crc32c::crc32c(&payload),
            length: 8,
            role: Role::Lost,
            records_bytes: 8,
            ..Self::seal(range.start)
        };
        (header, payload)
    }

    /// Bytes of header and payload.
    pub(crate) fn frame_bytes(&self) -> u64 {
        FRAME_HEADER_BYTES as u64 + u64::from(self.length)
    }

    /// The sequence after the last record.
    pub(crate) fn end_sequence(&self) -> u64 {
        self.first_sequence + u64::from(self.count)
    }

    fn payload_bytes(&self) -> usize {
        // Three lengths that `decode` or the batch's validation found to be below 64 MiB together.
        self.context_bytes as usize + self.records_bytes as usize + self.checkpoint_bytes as usize
    }

    pub(crate) fn encode(&self, seed: u32) -> [u8; FRAME_HEADER_BYTES] {
        let (kind, tag) = match self.role {
            Role::Batch(Kind::Events) => (KIND_EVENTS, 0),
            Role::Batch(Kind::Control { tag }) => (KIND_CONTROL, tag),
            Role::Seal => (KIND_SEAL, 0),
            Role::Lost => (KIND_LOST, 0),
            Role::Skip => (KIND_SKIP, 0),
        };
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[0..4].copy_from_slice(&FRAME_MAGIC);
        bytes[8..12].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.length.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_sequence.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.count.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.unsynced.to_le_bytes());
        bytes[32] = kind;
        bytes[33] = if self.compressed {
            CODEC_LZ4
        } else {
            CODEC_RAW
        };
        bytes[34] = tag;
        bytes[36..40].copy_from_slice(&self.context_bytes.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.records_bytes.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.checkpoint_bytes.to_le_bytes());
        let crc = crc32c::crc32c_append(seed, &bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads and checks a header: beginning, checksum, known values, lengths that agree.
    pub(crate) fn decode(bytes: &[u8; FRAME_HEADER_BYTES], seed: u32) -> Result<Self, FrameError> {
        if bytes[0..4] != FRAME_MAGIC {
            return Err(FrameError::Magic);
        }
        if u32_at(bytes, 4) != crc32c::crc32c_append(seed, &bytes[8..]) {
            return Err(FrameError::HeaderChecksum);
        }
        let role = match (bytes[32], bytes[34]) {
            (KIND_EVENTS, 0) => Role::Batch(Kind::Events),
            (KIND_CONTROL, tag) => Role::Batch(Kind::Control { tag }),
            (KIND_SEAL, 0) => Role::Seal,
            (KIND_LOST, 0) => Role::Lost,
            (KIND_SKIP, 0) => Role::Skip,
            _ => return Err(FrameError::HeaderField),
        };
        let compressed = match bytes[33] {
            CODEC_RAW => false,
            CODEC_LZ4 => true,
            _ => return Err(FrameError::HeaderField),
        };
        let header = Self {
            payload_crc: u32_at(bytes, 8),
            length: u32_at(bytes, 12),
            first_sequence: u64_at(bytes, 16),
            count: u32_at(bytes, 24),
            unsynced: u32_at(bytes, 28),
            role,
            compressed,
            context_bytes: u32_at(bytes, 36),
            records_bytes: u32_at(bytes, 40),
            checkpoint_bytes: u32_at(bytes, 44),
        };
        if bytes[35] == 0 && header.is_plausible() {
            Ok(header)
        } else {
            Err(FrameError::HeaderField)
        }
    }

    fn is_plausible(&self) -> bool {
        let lengths = [
            self.context_bytes,
            self.records_bytes,
            self.checkpoint_bytes,
        ];
        let payload_bytes: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
        let length = u64::from(self.length);
        let lengths_agree = if self.compressed {
            length < payload_bytes
        } else {
            length == payload_bytes
        };
        let (count, records_bytes) = (u64::from(self.count), u64::from(self.records_bytes));
        let role_agrees = match self.role {
            Role::Batch(Kind::Events) => counts_agree(false, count, records_bytes),
            Role::Batch(Kind::Control { .. }) => counts_agree(true, count, records_bytes),
            Role::Seal => count == 0 && payload_bytes == 0,
            Role::Lost => count == 0 && length == 8 && records_bytes == 8,
            Role::Skip => count == 1 && payload_bytes == 0,
        };
        lengths_agree
            && role_agrees
            && payload_bytes <= MAX_PAYLOAD_BYTES as u64
            && self.first_sequence > 0
            && self
                .first_sequence
                .checked_add(u64::from(self.count))
                .is_some()
    }

    pub(crate) fn check_payload(&self, stored: &[u8]) -> Result<(), FrameError> {
        if crc32c::crc32c(stored) == self.payload_crc {
            Ok(())
        } else {
            Err(FrameError::PayloadChecksum)
        }
    }

    /// Decompresses a checked payload; gives nothing for frames that hold no batch.
    pub(crate) fn decode_payload(&self, stored: &[u8]) -> Result<Option<Prepared>, FrameError> {
        let Role::Batch(kind) = self.role else {
            return Ok(None);
        };
        let payload = if self.compressed {
            let mut payload = vec![0; self.payload_bytes()];
            match decompress_into(stored, &mut payload) {
                Ok(length) if length == payload.len() => payload,
                _ => return Err(FrameError::Compression),
            }
        } else {
            stored.to_vec()
        };
        Ok(Some(Prepared {
            kind,
            count: self.count,
            context_bytes: self.context_bytes as usize,
            records_bytes: self.records_bytes as usize,
            payload,
        }))
    }
}

/// Encodes frames, reusing lz4's tables.
pub(crate) struct FrameEncoder {
    seed: u32,
    small: CompressTable,
    large: CompressTable,
}

impl fmt::Debug for FrameEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameEncoder").finish_non_exhaustive()
    }
}

impl FrameEncoder {
    pub(crate) fn new(seed: u32) -> Self {
        Self {
            seed,
            small: CompressTable::small(),
            large: CompressTable::large(),
        }
    }

    /// Appends a frame to `out`, with a header that [`finish`](Self::finish) has still to fill in.
    pub(crate) fn append(
        &mut self,
        batch: &Prepared,
        first_sequence: u64,
        out: &mut Vec<u8>,
    ) -> FrameHeader {
        let body = out.len() + FRAME_HEADER_BYTES;
        let compressed = self.compress(&batch.payload, body, out);
        if !compressed {
            out.resize(body, 0);
            out.extend_from_slice(&batch.payload);
        }
        // Every length is at most MAX_PAYLOAD_BYTES, which the batch's validation saw to.
        let length = |bytes: usize| u32::try_from(bytes).expect("a payload is at most 64 MiB");
        FrameHeader {
            payload_crc: crc32c::crc32c(&out[body..]),
            length: length(out.len() - body),
            first_sequence,
            count: batch.count,
            unsynced: 0,
            role: Role::Batch(batch.kind),
            compressed,
            context_bytes: length(batch.context_bytes),
            records_bytes: length(batch.records_bytes),
            checkpoint_bytes: length(
                batch.payload.len() - batch.context_bytes - batch.records_bytes,
            ),
        }
    }

    /// Fills in the header of the frame that starts `at` in `out`.
    pub(crate) fn finish(&self, header: &FrameHeader, at: usize, out: &mut [u8]) {
        out[at..at + FRAME_HEADER_BYTES].copy_from_slice(&header.encode(self.seed));
    }

    /// Compresses to `out` from byte `body` on; false when that saves less than a sixteenth.
    fn compress(&mut self, payload: &[u8], body: usize, out: &mut Vec<u8>) -> bool {
        if payload.len() < COMPRESS_MIN_BYTES {
            return false;
        }
        let table = if payload.len() < SMALL_TABLE_BYTES {
            &mut self.small
        } else {
            &mut self.large
        };
        out.resize(body + get_maximum_output_size(payload.len()), 0);
        let helpful = payload.len() - payload.len() / 16;
        match compress_into_with_table(payload, &mut out[body..], table) {
            Ok(length) if length < helpful => {
                out.truncate(body + length);
                true
            }
            // Too long, or (which a buffer of that size rules out) no room: store as it is.
            _ => {
                out.truncate(body);
                false
            }
        }
    }
}

/// Reads one frame from the beginning of `bytes`, as it lies in a segment of the spool with that
/// epoch; for tools and tests. Gives the frame, or none for frames that hold no batch, and the
/// bytes it takes. Its position is that of the first frame of a spool.
///
/// # Errors
/// When the bytes are no frame, or a damaged one.
pub fn decode_frame(bytes: &[u8], epoch: u64) -> Result<(Option<Frame>, usize), FrameError> {
    let header = bytes.first_chunk().ok_or(FrameError::Truncated)?;
    let header = FrameHeader::decode(header, seed_of(epoch))?;
    let end = FRAME_HEADER_BYTES + header.length as usize;
    let stored = bytes
        .get(FRAME_HEADER_BYTES..end)
        .ok_or(FrameError::Truncated)?;
    header.check_payload(stored)?;
    let place = |offset, sequence| Position {
        segment: 1,
        offset,
        sequence,
    };
    let frame = header.decode_payload(stored)?.map(|batch| {
        Frame::of(
            batch,
            place(0, header.first_sequence),
            place(end as u64, header.end_sequence()),
        )
    });
    Ok((frame, end))
}

fn u32_at(bytes: &[u8; FRAME_HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8; FRAME_HEADER_BYTES], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
