//! A sidecar's bytes: blocks under checksums, a head that finds them, a trailer that finds the head.

use super::postings::{BLOCK_TOKENS, MAX_GRANULES, Posting, Widths, encode_block};
use super::runs::{PAGE, TokenRuns};
use super::{FINGERPRINT_BITS, GRANULE_ROWS};
use crate::encode::bits::width_of;
use crate::encode::varint::{self, Cursor};
use crate::part::layout::{Group, PAGE_ROWS, PartColumn};
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"TDSC\x01\0\0\0";
const END_MAGIC: &[u8; 8] = b"TDSCEND\x01";
/// Length of the head, checksum of that, magic.
pub(crate) const TRAILER: usize = 16;
/// A block's checksum.
const CHECKSUM: usize = 4;
/// Time range of a row group that has no time at all.
pub(crate) const NO_TIME: (i64, i64) = (i64::MAX, i64::MIN);

/// What the head says of a row group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupHead {
    pub(crate) first_row: u32,
    pub(crate) rows: u32,
    /// Least and greatest time, or [`NO_TIME`].
    pub(crate) times: (i64, i64),
    /// The same for the column that orders the rows first.
    pub(crate) keys: (i64, i64),
    /// Where its directory block lies in the sidecar, and its length without checksum.
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

/// The directory of a part as it is written: its blocks end to end, each with its checksum.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) bytes: Vec<u8>,
    pub(crate) heads: Vec<GroupHead>,
}

impl Directory {
    /// Adds a row group, whose chunks must be those of the part's columns in order.
    pub(crate) fn push(&mut self, group: &Group, roles: &Roles) {
        let first_row = self
            .heads
            .last()
            .map_or(0, |head| head.first_row + head.rows);
        let start = self.bytes.len();
        group.encode(&mut self.bytes);
        let length = (self.bytes.len() - start) as u32;
        put_checksum(&mut self.bytes, start);
        let range = |column: Option<u16>| {
            column
                .and_then(|column| group.chunks.get(usize::from(column)))
                .and_then(|chunk| chunk.range)
                .map_or(NO_TIME, |(least, greatest)| (least as i64, greatest as i64))
        };
        let (times, keys) = (range(roles.time), range(roles.sort.first().copied()));
        let offset = (MAGIC.len() + start) as u64;
        self.heads.push(GroupHead {
            first_row,
            rows: group.rows,
            times,
            keys,
            offset,
            length,
        });
    }

    /// The row groups, decoded one by one.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Result<Group>> + Clone + '_ {
        self.heads.iter().map(|head| {
            let start = head.offset as usize - MAGIC.len();
            Group::decode(&self.bytes[start..start + head.length as usize])
        })
    }

    pub(crate) fn rows(&self) -> u32 {
        self.heads
            .last()
            .map_or(0, |head| head.first_row + head.rows)
    }

    /// Least and greatest time of all row groups, or [`NO_TIME`].
    pub(crate) fn times(&self) -> (i64, i64) {
        self.heads.iter().fold(NO_TIME, |all, head| {
            (all.0.min(head.times.0), all.1.max(head.times.1))
        })
    }
}

/// Which of a part's columns have a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roles {
    /// The table's time column.
    pub(crate) time: Option<u16>,
    /// The columns that order the rows, weightiest first.
    pub(crate) sort: Vec<u16>,
    /// The columns whose tokens are in the sidecar, ascending.
    pub(crate) indexed: Vec<u16>,
    /// The version of the tokeniser that made them.
    pub(crate) token_version: u32,
}

/// What a sidecar says before any block is read; kept in memory while its part is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) columns: Vec<PartColumn>,
    pub(crate) roles: Roles,
    pub(crate) groups: Vec<GroupHead>,
    /// First fingerprint of each token block.
    firsts: Vec<u32>,
    /// Where each token block starts after `tokens_at`, and where the last one ends.
    starts: Vec<u32>,
    tokens_at: u64,
    pub(crate) tokens: u64,
    /// Bits that the fingerprints in the blocks lack of [`FINGERPRINT_BITS`], the lowest.
    pub(crate) shift: u32,
}

impl Head {
    pub(crate) fn rows(&self) -> u32 {
        self.groups
            .last()
            .map_or(0, |head| head.first_row + head.rows)
    }

    /// Bytes of memory held, about.
    pub(crate) fn memory(&self) -> usize {
        self.columns
            .iter()
            .map(|column| column.name.len() + 40)
            .sum::<usize>()
            + self.groups.len() * size_of::<GroupHead>()
            + self.firsts.len() * 4
            + self.starts.len() * 4
            + 256
    }

    /// Token blocks.
    pub(crate) fn blocks(&self) -> usize {
        self.firsts.len()
    }

    /// The token block that would hold a fingerprint.
    pub(crate) fn block_of(&self, fingerprint: u32) -> Option<usize> {
        self.firsts
            .partition_point(|&first| first <= fingerprint)
            .checked_sub(1)
    }

    /// A token block's first fingerprint, offset in the file, and length without checksum.
    pub(crate) fn block(&self, at: usize) -> (u32, u64, usize) {
        let start = self.starts[at];
        let length = (self.starts[at + 1] - start) as usize - CHECKSUM;
        (self.firsts[at], self.tokens_at + u64::from(start), length)
    }
}

/// Makes a whole sidecar of a part's directory and tokens.
pub(crate) fn encode(
    columns: &[PartColumn],
    roles: &Roles,
    directory: &Directory,
    mut runs: TokenRuns,
) -> Result<Vec<u8>> {
    let bits = bits_for(runs.close()?);
    let mut out = Vec::with_capacity(directory.bytes.len() + 4096);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&directory.bytes);
    let mut blocks = TokenBlocks {
        widths: Widths::of(directory.rows()),
        start: out.len(),
        out,
        open: Vec::new(),
        filled: 0,
        index: Vec::new(),
        tokens: 0,
    };
    let shift = FINGERPRINT_BITS - bits;
    runs.each(|fingerprint, place| blocks.add(fingerprint >> shift, place))?;
    blocks.close()?;
    let TokenBlocks {
        mut out,
        index,
        tokens,
        start: tokens_at,
        ..
    } = blocks;
    let head_at = out.len();
    put_head(
        columns,
        roles,
        directory,
        &Tokens {
            at: tokens_at,
            count: tokens,
            bits,
            index,
        },
        &mut out,
    );
    let length = (out.len() - head_at) as u32;
    put_checksum(&mut out, head_at);
    let trailer = out.len();
    out.extend_from_slice(&length.to_le_bytes());
    put_checksum(&mut out, trailer);
    out.extend_from_slice(END_MAGIC);
    Ok(out)
}

struct TokenBlocks {
    out: Vec<u8>,
    start: usize,
    widths: Widths,
    /// Postings of the open block; those beyond `filled` are kept for their memory.
    open: Vec<Posting>,
    filled: usize,
    index: Vec<(u32, usize)>,
    tokens: u64,
}

impl TokenBlocks {
    fn add(&mut self, fingerprint: u32, place: u32) -> Result<()> {
        let same = self.filled > 0 && self.open[self.filled - 1].fingerprint == fingerprint;
        if !same {
            self.settle();
            if self.filled == BLOCK_TOKENS {
                self.write_block()?;
            }
            if self.filled == self.open.len() {
                self.open.push(Posting::default());
            }
            let posting = &mut self.open[self.filled];
            posting.fingerprint = fingerprint;
            posting.places.clear();
            posting.by_page = false;
            self.filled += 1;
        }
        let posting = &mut self.open[self.filled - 1];
        if place & PAGE != 0 && !posting.by_page {
            to_pages(posting);
        }
        posting.places.push(place & !PAGE);
        if !posting.by_page && posting.places.len() > MAX_GRANULES {
            // Granules that still come for this token are turned at once, see below.
            to_pages(posting);
        } else if posting.by_page && place & PAGE == 0 {
            let last = posting.places.len() - 1;
            posting.places[last] = place / (PAGE_ROWS as u32 / GRANULE_ROWS);
            if last > 0 && posting.places[last - 1] == posting.places[last] {
                posting.places.pop();
            }
        }
        Ok(())
    }

    /// Sorts the places of the last token: its granules came before its pages, and several tokens
    /// may share its fingerprint.
    fn settle(&mut self) {
        if let Some(posting) = self.filled.checked_sub(1).map(|last| &mut self.open[last])
            && !posting.places.is_sorted_by(|a, b| a < b)
        {
            posting.places.sort_unstable();
            posting.places.dedup();
        }
    }

    fn write_block(&mut self) -> Result<()> {
        let start = self.out.len();
        let place = start - self.start;
        if u32::try_from(place).is_err() {
            return Err(Error::Invalid(
                "the tokens of a part take 4 GiB or more".to_owned(),
            ));
        }
        self.index.push((self.open[0].fingerprint, place));
        encode_block(&self.open[..self.filled], self.widths, &mut self.out);
        put_checksum(&mut self.out, start);
        self.tokens += self.filled as u64;
        self.filled = 0;
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.settle();
        if self.filled > 0 {
            self.write_block()?;
        }
        Ok(())
    }
}

/// Granules become pages.
fn to_pages(posting: &mut Posting) {
    posting.by_page = true;
    for place in &mut posting.places {
        *place /= PAGE_ROWS as u32 / GRANULE_ROWS;
    }
    posting.places.dedup();
}

/// Bits of a fingerprint in a part of so many distinct tokens: a token that is not in it meets
/// one that is by chance once in 256 look-ups or less often.
fn bits_for(tokens: usize) -> u32 {
    (width_of(tokens as u64) + 8).min(FINGERPRINT_BITS)
}

/// What the head says of the token blocks.
struct Tokens {
    at: usize,
    count: u64,
    bits: u32,
    /// First fingerprint of each block, and where it starts after `at`.
    index: Vec<(u32, usize)>,
}

fn put_head(
    columns: &[PartColumn],
    roles: &Roles,
    directory: &Directory,
    tokens: &Tokens,
    out: &mut Vec<u8>,
) {
    let blocks_end = out.len();
    varint::put(out, columns.len() as u64);
    columns.iter().for_each(|column| column.encode(out));
    varint::put(out, roles.time.map_or(0, |time| u64::from(time) + 1));
    for columns in [&roles.sort, &roles.indexed] {
        varint::put(out, columns.len() as u64);
        columns
            .iter()
            .for_each(|&column| varint::put(out, u64::from(column)));
    }
    varint::put(out, u64::from(roles.token_version));
    varint::put(out, directory.heads.len() as u64);
    let (mut time, mut key) = (0i64, 0i64);
    for head in &directory.heads {
        varint::put(out, u64::from(head.length));
        varint::put(out, u64::from(head.rows));
        put_range(head.times, &mut time, out);
        put_range(head.keys, &mut key, out);
    }
    varint::put(out, tokens.at as u64);
    varint::put(out, tokens.count);
    out.push(tokens.bits as u8);
    let index = &tokens.index;
    varint::put(out, index.len() as u64);
    let mut previous = 0;
    let ends = index
        .iter()
        .skip(1)
        .map(|next| next.1)
        .chain([blocks_end - tokens.at]);
    for (&(first, start), end) in index.iter().zip(ends) {
        varint::put(out, u64::from(first - previous));
        varint::put(out, (end - start) as u64);
        previous = first;
    }
}

fn put_range((from, to): (i64, i64), previous: &mut i64, out: &mut Vec<u8>) {
    varint::put_signed(out, from.wrapping_sub(*previous));
    varint::put(out, (to as u64).wrapping_sub(from as u64));
    *previous = from;
}

fn read_range(cursor: &mut Cursor<'_>, previous: &mut i64) -> Result<(i64, i64)> {
    let from = previous.wrapping_add(cursor.signed()?);
    let to = (from as u64).wrapping_add(cursor.varint()?) as i64;
    *previous = from;
    Ok((from, to))
}

/// The head's length, from a sidecar's last [`TRAILER`] bytes.
pub(crate) fn decode_trailer(trailer: &[u8]) -> Result<usize> {
    if trailer.len() != TRAILER || trailer[8..] != END_MAGIC[..] {
        return Err(Error::corrupt("its end is not a sidecar's"));
    }
    let length = checked(&trailer[..8])?;
    Ok(
        u32::from_le_bytes(length.try_into().expect("four of eight bytes are left")) as usize
            + CHECKSUM,
    )
}

/// Undoes [`put_head`]; `bytes` is head and checksum.
pub(crate) fn decode_head(bytes: &[u8]) -> Result<Head> {
    let mut cursor = Cursor::new(checked(bytes)?);
    let count = cursor.count()?;
    let columns = (0..count)
        .map(|_| PartColumn::decode(&mut cursor))
        .collect::<Result<_>>()?;
    let roles = decode_roles(&mut cursor)?;
    let groups = decode_group_heads(&mut cursor)?;
    let tokens_at = cursor.varint()?;
    let tokens = cursor.varint()?;
    let bits = u32::from(cursor.byte()?);
    let shift = FINGERPRINT_BITS
        .checked_sub(bits)
        .ok_or_else(|| Error::corrupt("its fingerprints have too many bits"))?;
    let count = cursor.count()?;
    let (mut firsts, mut starts) = (Vec::with_capacity(count), Vec::with_capacity(count + 1));
    let (mut first, mut start) = (0u32, 0u32);
    starts.push(0);
    for _ in 0..count {
        first = first.wrapping_add(cursor.u32()?);
        firsts.push(first);
        let length = cursor.u32()?;
        start = start
            .checked_add(length)
            .filter(|_| length as usize >= CHECKSUM)
            .ok_or_else(|| Error::corrupt("a token block has an impossible length"))?;
        starts.push(start);
    }
    Ok(Head {
        columns,
        roles,
        groups,
        firsts,
        starts,
        tokens_at,
        tokens,
        shift,
    })
}

fn decode_roles(cursor: &mut Cursor<'_>) -> Result<Roles> {
    let number = |value: u32| {
        u16::try_from(value).map_err(|_| Error::corrupt("a column's number exceeds 16 bits"))
    };
    let time = cursor.u32()?.checked_sub(1).map(number).transpose()?;
    let mut numbers = || {
        let count = cursor.count()?;
        (0..count)
            .map(|_| number(cursor.u32()?))
            .collect::<Result<Vec<u16>>>()
    };
    let (sort, indexed) = (numbers()?, numbers()?);
    Ok(Roles {
        time,
        sort,
        indexed,
        token_version: cursor.u32()?,
    })
}

fn decode_group_heads(cursor: &mut Cursor<'_>) -> Result<Vec<GroupHead>> {
    let count = cursor.count()?;
    let mut groups = Vec::with_capacity(count);
    let (mut first_row, mut offset) = (0u32, MAGIC.len() as u64);
    let (mut time, mut key) = (0i64, 0i64);
    for _ in 0..count {
        let length = cursor.u32()?;
        let rows = cursor.u32()?;
        let times = read_range(cursor, &mut time)?;
        let keys = read_range(cursor, &mut key)?;
        groups.push(GroupHead {
            first_row,
            rows,
            times,
            keys,
            offset,
            length,
        });
        first_row = first_row
            .checked_add(rows)
            .ok_or_else(|| Error::corrupt("a part has too many rows"))?;
        offset += u64::from(length) + CHECKSUM as u64;
    }
    Ok(groups)
}

/// A sidecar whose bytes are all in memory.
pub(crate) struct View<'a> {
    bytes: &'a [u8],
    pub(crate) head: Head,
}

impl<'a> View<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self> {
        let ends_early = || Error::corrupt("it is too short for a sidecar");
        let (before, trailer) = bytes
            .split_at_checked(bytes.len().checked_sub(TRAILER).ok_or_else(ends_early)?)
            .ok_or_else(ends_early)?;
        let start = before
            .len()
            .checked_sub(decode_trailer(trailer)?)
            .ok_or_else(ends_early)?;
        Ok(Self {
            bytes,
            head: decode_head(&before[start..])?,
        })
    }

    /// A token block's first fingerprint and its bytes.
    pub(crate) fn block(&self, at: usize) -> Result<(u32, &'a [u8])> {
        let (first, offset, length) = self.head.block(at);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let block = self
            .bytes
            .get(start..start.saturating_add(with_checksum(length)))
            .ok_or_else(|| Error::corrupt("a token block lies beyond the file"))?;
        Ok((first, checked(block)?))
    }

    pub(crate) fn widths(&self) -> Widths {
        Widths::of(self.head.rows())
    }
}

/// Appends the checksum of everything from `start` on.
fn put_checksum(out: &mut Vec<u8>, start: usize) {
    let sum = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&sum.to_le_bytes());
}

/// Bytes to read for a block of some length.
pub(crate) fn with_checksum(length: usize) -> usize {
    length + CHECKSUM
}

/// A block without its checksum, once that holds.
pub(crate) fn checked(bytes: &[u8]) -> Result<&[u8]> {
    let split = bytes.len().checked_sub(CHECKSUM);
    let (block, sum) = bytes.split_at(split.ok_or_else(|| Error::corrupt("a block ends early"))?);
    if crc32c::crc32c(block).to_le_bytes() == sum {
        Ok(block)
    } else {
        Err(Error::corrupt("a block's checksum does not hold"))
    }
}
