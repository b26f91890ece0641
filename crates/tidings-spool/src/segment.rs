//! A segment: one file of the spool, named by its first sequence, with a header of 64 bytes.

use std::fmt;
use std::path::{Path, PathBuf};

/// Length of a segment's header.
pub const SEGMENT_HEADER_BYTES: usize = 64;

/// First bytes of a segment; the line end is mangled by a transfer as text.
const SEGMENT_MAGIC: [u8; 8] = *b"\xf5TDSEG\r\n";
const META_MAGIC: [u8; 8] = *b"\xf5TDSPL\r\n";
/// Version of segments and of the meta file.
const VERSION: u32 = 1;
const SUFFIX: &str = ".seg";
/// Digits of the largest 64-bit number.
const DIGITS: usize = 20;
pub(crate) const META_BYTES: usize = 32;

/// What makes a spool this one and no other; two random numbers, drawn by whoever creates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Names this sequence of events: a cursor is valid only for the epoch it was taken in.
    pub epoch: u64,
    /// The node's id, one half of every event's identity.
    pub origin: u32,
}

/// Why a file's header is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentError {
    /// The file ends within the header.
    Truncated,
    /// The medium does not give the bytes.
    Unreadable,
    /// It does not begin as such files do.
    Magic,
    /// A version that this program does not know.
    Version(u32),
    /// The checksum is wrong.
    Checksum,
    /// It belongs to another spool.
    Foreign,
    /// The header names another first sequence than the file's name.
    Misnamed {
        /// The sequence in the header.
        sequence: u64,
    },
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "the file ends within its header"),
            Self::Unreadable => write!(f, "the file header cannot be read"),
            Self::Magic => write!(f, "the file does not begin as it should"),
            Self::Version(version) => write!(
                f,
                "version {version} is unknown, this program reads version {VERSION}"
            ),
            Self::Checksum => write!(f, "the file header's checksum does not match"),
            Self::Foreign => write!(f, "it belongs to another spool"),
            Self::Misnamed { sequence } => {
                write!(f, "its header says that it starts at sequence {sequence}")
            }
        }
    }
}

impl std::error::Error for SegmentError {}

impl SegmentError {
    /// Whether the file is sound, but not one of this spool and this version; it must not be
    /// overwritten, and somebody has to say where it belongs.
    pub(crate) fn is_misplaced(self) -> bool {
        matches!(
            self,
            Self::Version(_) | Self::Foreign | Self::Misnamed { .. }
        )
    }
}

/// The first 64 bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) identity: Identity,
    pub(crate) first_sequence: u64,
    /// When the segment was begun, wall clock; the one before holds nothing younger.
    pub(crate) created_ns: i64,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.identity.epoch.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first_sequence.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.created_ns.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.identity.origin.to_le_bytes());
        let crc = checksum(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header, whatever spool it belongs to.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SegmentError> {
        let bytes: &[u8; SEGMENT_HEADER_BYTES] =
            bytes.first_chunk().ok_or(SegmentError::Truncated)?;
        check(bytes, SEGMENT_MAGIC)?;
        Ok(Self {
            identity: Identity {
                epoch: u64_at(bytes, 16),
                origin: u32_at(bytes, 40),
            },
            first_sequence: u64_at(bytes, 24),
            created_ns: u64_at(bytes, 32).cast_signed(),
        })
    }

    /// Reads the header of the segment that is named by `first_sequence` in the spool `identity`.
    pub(crate) fn decode_of(
        bytes: &[u8],
        first_sequence: u64,
        identity: Identity,
    ) -> Result<Self, SegmentError> {
        Self::decode(bytes)?.belonging_to(first_sequence, identity)
    }

    /// The header, if it is that of the segment named by `first_sequence` in the spool `identity`.
    pub(crate) fn belonging_to(
        self,
        first_sequence: u64,
        identity: Identity,
    ) -> Result<Self, SegmentError> {
        if self.identity != identity {
            return Err(SegmentError::Foreign);
        }
        if self.first_sequence != first_sequence {
            return Err(SegmentError::Misnamed {
                sequence: self.first_sequence,
            });
        }
        Ok(self)
    }
}

/// The file of the segment that starts with a sequence.
pub(crate) fn segment_path(directory: &Path, first_sequence: u64) -> PathBuf {
    directory.join(format!("{first_sequence:0DIGITS$}{SUFFIX}"))
}

/// The first sequence that a file name tells, if it is a segment's.
pub(crate) fn parse_segment_name(name: &Path) -> Option<u64> {
    let digits = name.to_str()?.strip_suffix(SUFFIX)?;
    let is_number = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .parse()
        .ok()
        .filter(|sequence| is_number && *sequence > 0)
}

/// The meta file, which says what spool the directory holds.
pub(crate) fn meta_path(directory: &Path) -> PathBuf {
    directory.join("meta")
}

pub(crate) fn encode_meta(identity: Identity) -> [u8; META_BYTES] {
    let mut bytes = [0; META_BYTES];
    bytes[0..8].copy_from_slice(&META_MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..24].copy_from_slice(&identity.epoch.to_le_bytes());
    bytes[24..28].copy_from_slice(&identity.origin.to_le_bytes());
    let crc = checksum(&bytes);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}

pub(crate) fn decode_meta(bytes: &[u8]) -> Result<Identity, SegmentError> {
    let bytes: &[u8; META_BYTES] = bytes.try_into().map_err(|_| SegmentError::Truncated)?;
    check(bytes, META_MAGIC)?;
    Ok(Identity {
        epoch: u64_at(bytes, 16),
        origin: u32_at(bytes, 24),
    })
}

fn check(bytes: &[u8], magic: [u8; 8]) -> Result<(), SegmentError> {
    if bytes[0..8] != magic {
        return Err(SegmentError::Magic);
    }
    // Every version keeps these two places, so rot is never taken for a newer version.
    if u32_at(bytes, 12) != checksum(bytes) {
        return Err(SegmentError::Checksum);
    }
    match u32_at(bytes, 8) {
        VERSION => Ok(()),
        version => Err(SegmentError::Version(version)),
    }
}

/// The checksum over all but its own place, bytes 12 to 16.
fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity = Identity {
        epoch: 0x1122_3344_5566_7788,
        origin: 0xaabb_ccdd,
    };
    const HEADER: SegmentHeader = SegmentHeader {
        identity: IDENTITY,
        first_sequence: 42,
        created_ns: -5,
    };

    #[test]
    fn headers_round_trip() {
        let bytes = HEADER.encode();
        assert_eq!(SegmentHeader::decode_of(&bytes, 42, IDENTITY), Ok(HEADER));
        assert_eq!(decode_meta(&encode_meta(IDENTITY)), Ok(IDENTITY));
    }

    #[test]
    fn headers_of_others_are_refused() {
        let bytes = HEADER.encode();
        let error = SegmentHeader::decode_of(&bytes, 43, IDENTITY);
        assert_eq!(error, Err(SegmentError::Misnamed { sequence: 42 }));
        let other = Identity {
            origin: 1,
            ..IDENTITY
        };
        assert_eq!(
            SegmentHeader::decode_of(&bytes, 42, other),
            Err(SegmentError::Foreign)
        );
        assert_eq!(
            SegmentHeader::decode(&bytes[..63]),
            Err(SegmentError::Truncated)
        );
        let mut newer = bytes;
        newer[8] = 2;
        let crc = checksum(&newer);
        newer[12..16].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&newer), Err(SegmentError::Version(2)));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for at in 0..SEGMENT_HEADER_BYTES * 8 {
            let mut bytes = HEADER.encode();
            bytes[at / 8] ^= 1 << (at % 8);
            let error = SegmentHeader::decode(&bytes).unwrap_err();
            assert!(
                !error.is_misplaced(),
                "bit {at} of the segment header: {error}"
            );
        }
        for at in 0..META_BYTES * 8 {
            let mut bytes = encode_meta(IDENTITY);
            bytes[at / 8] ^= 1 << (at % 8);
            let error = decode_meta(&bytes).unwrap_err();
            assert!(!error.is_misplaced(), "bit {at} of the meta file: {error}");
        }
    }

    #[test]
    fn names_tell_the_first_sequence() {
        for sequence in [1, 42, u64::MAX] {
            let path = segment_path(Path::new("spool"), sequence);
            let name = PathBuf::from(path.file_name().unwrap());
            assert_eq!(parse_segment_name(&name), Some(sequence));
        }
        for name in [
            "meta",
            "1.seg",
            "00000000000000000000.seg",
            "+0000000000000000001.seg",
            "00000000000000000001.seg.tmp",
            "99999999999999999999.seg",
        ] {
            assert_eq!(parse_segment_name(Path::new(name)), None, "{name}");
        }
    }
}
