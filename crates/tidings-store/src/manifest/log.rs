//! The manifest's file: edits, each in two copies; append, replay, compaction.
//!
//! ```text
//! edit = header header payload payload
//! header = magic, payload length, sequence, payload checksum, header checksum
//! ```

use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use tidings_spool::{Backend, File, OpenMode};

use super::edit::{Edit, State};
use crate::encode::varint::{self, Cursor};
use crate::error::IoContext;
use crate::{Error, Result};

/// The file's name.
pub(crate) const MANIFEST: &str = "manifest";
/// Where a new manifest is written before it takes the old one's place.
pub(crate) const TEMPORARY: &str = "manifest.tmp";
const MAGIC: u32 = u32::from_le_bytes(*b"TDM1");
const HEADER: usize = 4 + 4 + 8 + 4 + 4;
/// The manifest may hold this much that no longer counts, besides as much as the state takes,
/// before it is written anew.
const MIN_COMPACT_BYTES: u64 = 1 << 20;

/// The open manifest, for appending.
#[derive(Debug)]
pub(crate) struct Log {
    file: Arc<dyn File>,
    /// Where the next edit goes.
    end: u64,
}

/// A manifest as it was found.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) state: State,
    /// What was mended or cut, in words; if anything was, the file is to be written anew.
    pub(crate) notes: Vec<String>,
    end: u64,
}

/// Reads the manifest; `None` if there is none.
///
/// # Errors
/// [`Error::Damaged`] if not even the first state can be read, or if an edit is lost that later
/// ones show to have been there.
pub(crate) fn load(backend: &dyn Backend) -> Result<Option<Loaded>> {
    let path = Path::new(MANIFEST);
    let file = match backend.open(path, OpenMode::Read) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.at("open", path)?,
    };
    // Of the file that was opened: its owner may have put another in its place meanwhile.
    let length = file.len().at("measure", path)?;
    let size = usize::try_from(length).map_err(|_| Error::damaged(path, "it is too long"))?;
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, 0).at("read", path)?;
    replay(&bytes)
        .map(Some)
        .map_err(|error| error.in_file(path))
}

fn replay(bytes: &[u8]) -> Result<Loaded> {
    let mut loaded = Loaded {
        state: State::default(),
        notes: Vec::new(),
        end: 0,
    };
    let mut at = 0;
    while at < bytes.len() {
        let first = at == 0;
        let Some(frame) = read_frame(&bytes[at..]) else {
            if first {
                return Err(Error::corrupt("no state can be read from it"));
            }
            if let Some(later) = find_header(&bytes[at..], loaded.state.sequence + 1) {
                return Err(Error::corrupt(format!(
                    "edit {} cannot be read, though edit {later} follows",
                    loaded.state.sequence + 1
                )));
            }
            let cut = bytes.len() - at;
            loaded.notes.push(format!(
                "a torn write of {cut} bytes at the manifest's end was cut"
            ));
            break;
        };
        if !first && frame.sequence != loaded.state.sequence + 1 {
            return Err(Error::corrupt(format!(
                "edit {} follows edit {}",
                frame.sequence, loaded.state.sequence
            )));
        }
        if frame.mended {
            loaded.notes.push(format!(
                "one copy of edit {} in the manifest was damaged; the other was used",
                frame.sequence
            ));
        }
        loaded.state.apply(&Edit::decode(&unpack(frame.payload)?)?);
        loaded.state.sequence = frame.sequence;
        at = bytes.len().min(at + frame.length);
    }
    loaded.end = at as u64;
    Ok(loaded)
}

struct Frame<'a> {
    sequence: u64,
    payload: &'a [u8],
    length: usize,
    /// Only one of the copies was good.
    mended: bool,
}

struct Header {
    length: usize,
    sequence: u64,
    checksum: u32,
}

fn read_frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let headers = [
        read_header(bytes),
        bytes.get(HEADER..).and_then(read_header),
    ];
    let mut mended = headers.iter().any(Option::is_none);
    let header = headers.into_iter().flatten().next()?;
    let start = HEADER * 2;
    let copies = [start, start.checked_add(header.length)?].map(|from| {
        bytes
            .get(from..from.checked_add(header.length)?)
            .filter(|payload| crc32c::crc32c(payload) == header.checksum)
    });
    mended |= copies.iter().any(Option::is_none);
    let payload = copies.into_iter().flatten().next()?;
    let length = start + header.length * 2;
    Some(Frame {
        sequence: header.sequence,
        payload,
        length,
        mended,
    })
}

fn read_header(bytes: &[u8]) -> Option<Header> {
    let mut cursor = Cursor::new(bytes.get(..HEADER)?);
    let mut read = || {
        Ok::<_, Error>((
            cursor.fixed32()?,
            cursor.fixed32()?,
            cursor.fixed64()?,
            cursor.fixed32()?,
            cursor.fixed32()?,
        ))
    };
    let (magic, length, sequence, checksum, own) = read().ok()?;
    (magic == MAGIC && own == crc32c::crc32c(&bytes[..HEADER - 4])).then_some(Header {
        length: length as usize,
        sequence,
        checksum,
    })
}

/// The sequence of the first header with a later one than `lost`.
fn find_header(bytes: &[u8], lost: u64) -> Option<u64> {
    (0..bytes.len())
        .filter_map(|at| read_header(&bytes[at..]))
        .map(|header| header.sequence)
        .find(|&sequence| sequence > lost)
}

/// First byte of a payload that follows as it is.
const PLAIN: u8 = 0;
/// First byte of a payload that is a zstd frame.
const ZSTD: u8 = 1;
/// Payloads below are not worth packing.
const MIN_PACK_BYTES: usize = 1024;
/// Larger payloads are damage.
const MAX_PAYLOAD_BYTES: usize = u32::MAX as usize;

/// Packs a payload where that makes it smaller: blobs may be large, and there are two copies.
fn pack(payload: Vec<u8>) -> Result<Vec<u8>> {
    let mut packed = vec![ZSTD];
    if payload.len() >= MIN_PACK_BYTES {
        varint::put(&mut packed, payload.len() as u64);
        let squeezed = zstd::bulk::compress(&payload, 1)
            .map_err(|error| Error::Invalid(format!("zstd refused to work: {error}")))?;
        packed.extend_from_slice(&squeezed);
        if packed.len() < payload.len() {
            return Ok(packed);
        }
    }
    let mut plain = Vec::with_capacity(payload.len() + 1);
    plain.push(PLAIN);
    plain.extend_from_slice(&payload);
    Ok(plain)
}

fn unpack(payload: &[u8]) -> Result<Cow<'_, [u8]>> {
    let mut cursor = Cursor::new(payload);
    match cursor.byte()? {
        PLAIN => Ok(Cow::Borrowed(cursor.rest)),
        ZSTD => {
            let length = cursor.size()?;
            if length > MAX_PAYLOAD_BYTES {
                return Err(Error::corrupt("an edit is impossibly long"));
            }
            let bytes = zstd::bulk::decompress(cursor.rest, length)
                .map_err(|error| Error::corrupt(format!("an edit does not decompress: {error}")))?;
            Ok(Cow::Owned(bytes))
        }
        other => Err(Error::corrupt(format!(
            "an edit is packed in an unknown way {other}"
        ))),
    }
}

fn encode_frame(sequence: u64, edit: &Edit) -> Result<Vec<u8>> {
    let payload = pack(edit.encode())?;
    let length = u32::try_from(payload.len())
        .map_err(|_| Error::Invalid("an edit of 4 GiB or more cannot be committed".to_owned()))?;
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(&MAGIC.to_le_bytes());
    header.extend_from_slice(&length.to_le_bytes());
    header.extend_from_slice(&sequence.to_le_bytes());
    header.extend_from_slice(&crc32c::crc32c(&payload).to_le_bytes());
    let own = crc32c::crc32c(&header);
    header.extend_from_slice(&own.to_le_bytes());
    let mut frame = Vec::with_capacity((HEADER + payload.len()) * 2);
    for piece in [&header, &header, &payload, &payload] {
        frame.extend_from_slice(piece);
    }
    Ok(frame)
}

/// What became of an edit that could not be appended.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// The manifest is as before; the store goes on.
    Undone(Error),
    /// Nobody knows whether the edit is in the manifest.
    Unknown(Error),
}

impl AppendError {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Undone(error) | Self::Unknown(error) => error,
        }
    }
}

/// Writes a whole state as the new manifest: temporary file, sync, rename, sync of the directory.
pub(crate) fn save(backend: &dyn Backend, state: &State) -> Result<Log, AppendError> {
    let (temporary, path) = (Path::new(TEMPORARY), Path::new(MANIFEST));
    let frame =
        encode_frame(state.sequence, &Edit::of_state(state)).map_err(AppendError::Undone)?;
    let write = || {
        let file = backend
            .open(temporary, OpenMode::Write)
            .at("create", temporary)?;
        file.set_len(0).at("empty", temporary)?;
        file.write_all_at(&frame, 0).at("write", temporary)?;
        file.sync().at("sync", temporary)?;
        Ok(file)
    };
    let file = write().map_err(|error| {
        // What cannot be removed now is removed as a leftover at the next open.
        let _ = backend.remove(temporary);
        AppendError::Undone(error)
    })?;
    backend
        .rename(temporary, path)
        .at("rename", temporary)
        .map_err(AppendError::Unknown)?;
    let root = Path::new("");
    backend
        .sync_dir(root)
        .at("sync", root)
        .map_err(AppendError::Unknown)?;
    let length = frame.len() as u64;
    Ok(Log { file, end: length })
}

impl Log {
    /// Opens the manifest for appending after [`load`].
    pub(crate) fn open(backend: &dyn Backend, loaded: &Loaded) -> Result<Self> {
        let path = Path::new(MANIFEST);
        let file = backend.open(path, OpenMode::Write).at("open", path)?;
        Ok(Self {
            file,
            end: loaded.end,
        })
    }

    /// Appends an edit and makes it durable.
    pub(crate) fn append(&mut self, sequence: u64, edit: &Edit) -> Result<(), AppendError> {
        let path = Path::new(MANIFEST);
        let frame = encode_frame(sequence, edit).map_err(AppendError::Undone)?;
        if let Err(error) = self.file.write_all_at(&frame, self.end).at("write", path) {
            // Nothing was acknowledged, and nothing synced: cut what may have been written.
            let undone = self.file.set_len(self.end).and_then(|()| self.file.sync());
            return Err(match undone {
                Ok(()) => AppendError::Undone(error),
                Err(_) => AppendError::Unknown(error),
            });
        }
        self.file
            .sync()
            .at("sync", path)
            .map_err(AppendError::Unknown)?;
        self.end += frame.len() as u64;
        Ok(())
    }

    /// Whether the file holds much that no longer counts.
    pub(crate) fn wants_compaction(&self, state: &State) -> bool {
        // Two copies, and growth to twice of that before it is written anew.
        self.end > MIN_COMPACT_BYTES + 4 * state.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(name: &str) -> Edit {
        Edit {
            blobs: [(name.to_owned(), Some(vec![7].into()))].into(),
            ..Edit::default()
        }
    }

    fn three() -> Vec<u8> {
        let mut bytes = encode_frame(4, &edit("a")).unwrap();
        bytes.extend(encode_frame(5, &edit("b")).unwrap());
        bytes.extend(encode_frame(6, &edit("c")).unwrap());
        bytes
    }

    #[test]
    fn any_flipped_bit_is_mended_and_told() {
        let bytes = three();
        let clean = replay(&bytes).unwrap();
        assert!(clean.notes.is_empty());
        assert_eq!(clean.state.blobs.len(), 3);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let loaded = replay(&flipped).unwrap();
            assert_eq!(loaded.state, clean.state, "bit {bit}");
            assert_eq!(loaded.notes.len(), 1, "bit {bit}");
        }
    }

    #[test]
    fn a_torn_end_gives_the_state_before_or_after() {
        let bytes = three();
        let two = bytes.len() - encode_frame(6, &edit("c")).unwrap().len();
        for end in two..bytes.len() {
            let loaded = replay(&bytes[..end]).unwrap();
            let complete = loaded.state.blobs.contains_key("c");
            assert_eq!(loaded.state.blobs.len(), if complete { 3 } else { 2 });
            assert_eq!(loaded.notes.is_empty(), end == two);
        }
    }

    #[test]
    fn a_lost_edit_in_the_middle_is_an_error() {
        let mut bytes = three();
        let first = encode_frame(4, &edit("a")).unwrap().len();
        bytes[first..first + 60].fill(0xFF);
        assert!(
            replay(&bytes)
                .unwrap_err()
                .to_string()
                .contains("edit 5 cannot be read")
        );
    }
}
