//! What a manifest's frames say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::encode::varint::{self, Cursor};
use crate::{Day, Error, PartFlags, PartId, Result, RowSet};

/// What the manifest knows of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartEntry {
    pub(crate) id: PartId,
    pub(crate) table: Arc<str>,
    pub(crate) day: Day,
    pub(crate) rows: u32,
    /// Least and greatest time; `i64::MAX` and `i64::MIN` if no row has one.
    pub(crate) times: (i64, i64),
    /// How often its rows were merged.
    pub(crate) level: u8,
    pub(crate) flags: PartFlags,
    pub(crate) part_bytes: u64,
    /// xxh3-64 of the whole file.
    pub(crate) part_hash: u64,
    pub(crate) sidecar_bytes: u64,
    pub(crate) sidecar_hash: u64,
}

impl PartEntry {
    pub(crate) fn part_path(&self) -> PathBuf {
        part_path(&self.table, self.day, self.id)
    }

    pub(crate) fn sidecar_path(&self) -> PathBuf {
        self.part_path().with_extension("tokens")
    }

    fn encode(&self, out: &mut Vec<u8>) {
        varint::put(out, self.id.0);
        varint::put_bytes(out, self.table.as_bytes());
        varint::put_signed(out, i64::from(self.day.0));
        varint::put(out, u64::from(self.rows));
        varint::put_signed(out, self.times.0);
        varint::put_signed(out, self.times.1);
        out.push(self.level);
        out.push(self.flags.bits());
        varint::put(out, self.part_bytes);
        out.extend_from_slice(&self.part_hash.to_le_bytes());
        varint::put(out, self.sidecar_bytes);
        out.extend_from_slice(&self.sidecar_hash.to_le_bytes());
    }

    fn decode(cursor: &mut Cursor<'_>) -> Result<Self> {
        let impossible = |_| Error::corrupt("a day is impossible");
        Ok(Self {
            id: PartId(cursor.varint()?),
            table: cursor.string()?.into(),
            day: Day(i32::try_from(cursor.signed()?).map_err(impossible)?),
            rows: cursor.u32()?,
            times: (cursor.signed()?, cursor.signed()?),
            level: cursor.byte()?,
            flags: PartFlags::from_bits(cursor.byte()?),
            part_bytes: cursor.varint()?,
            part_hash: cursor.fixed64()?,
            sidecar_bytes: cursor.varint()?,
            sidecar_hash: cursor.fixed64()?,
        })
    }
}

/// A part's file, relative to the store's root.
pub(crate) fn part_path(table: &str, day: Day, id: PartId) -> PathBuf {
    Path::new(table).join(format!("{day}.{id}.parquet"))
}

/// What the history consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Edits applied since the store was made.
    pub(crate) sequence: u64,
    pub(crate) parts: BTreeMap<PartId, PartEntry>,
    /// Deleted rows of parts that have any.
    pub(crate) deleted: BTreeMap<PartId, Arc<RowSet>>,
    pub(crate) blobs: BTreeMap<String, Arc<[u8]>>,
    /// The id that the next part gets.
    pub(crate) next_part: u64,
}

/// One change, applied all or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) added: Vec<PartEntry>,
    pub(crate) removed: BTreeSet<PartId>,
    /// Rows deleted in addition to those deleted before.
    pub(crate) deleted: BTreeMap<PartId, RowSet>,
    /// `None` removes the blob.
    pub(crate) blobs: BTreeMap<String, Option<Arc<[u8]>>>,
    /// The next part's id afterwards, if larger than before.
    pub(crate) next_part: u64,
}

const ADD: u8 = 1;
const REMOVE: u8 = 2;
const DELETE_ROWS: u8 = 3;
const SET_BLOB: u8 = 4;
const REMOVE_BLOB: u8 = 5;
const NEXT_PART: u8 = 6;

impl Edit {
    /// The edit that makes a whole state out of nothing.
    pub(crate) fn of_state(state: &State) -> Self {
        Self {
            added: state.parts.values().cloned().collect(),
            removed: BTreeSet::new(),
            deleted: state
                .deleted
                .iter()
                .map(|(&id, rows)| (id, (**rows).clone()))
                .collect(),
            blobs: state
                .blobs
                .iter()
                .map(|(name, bytes)| (name.clone(), Some(Arc::clone(bytes))))
                .collect(),
            next_part: state.next_part,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for id in &self.removed {
            out.push(REMOVE);
            varint::put(&mut out, id.0);
        }
        for entry in &self.added {
            out.push(ADD);
            entry.encode(&mut out);
        }
        for (id, rows) in &self.deleted {
            out.push(DELETE_ROWS);
            varint::put(&mut out, id.0);
            put_rows(rows, &mut out);
        }
        for (name, bytes) in &self.blobs {
            out.push(if bytes.is_some() {
                SET_BLOB
            } else {
                REMOVE_BLOB
            });
            varint::put_bytes(&mut out, name.as_bytes());
            if let Some(bytes) = bytes {
                varint::put_bytes(&mut out, bytes);
            }
        }
        out.push(NEXT_PART);
        varint::put(&mut out, self.next_part);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new(bytes);
        let mut edit = Self::default();
        while !cursor.is_empty() {
            match cursor.byte()? {
                ADD => edit.added.push(PartEntry::decode(&mut cursor)?),
                REMOVE => {
                    edit.removed.insert(PartId(cursor.varint()?));
                }
                DELETE_ROWS => {
                    let id = PartId(cursor.varint()?);
                    edit.deleted.insert(id, read_rows(&mut cursor)?);
                }
                SET_BLOB => {
                    let name = cursor.string()?;
                    edit.blobs.insert(name, Some(cursor.bytes()?.into()));
                }
                REMOVE_BLOB => {
                    edit.blobs.insert(cursor.string()?, None);
                }
                NEXT_PART => edit.next_part = cursor.varint()?,
                other => {
                    return Err(Error::corrupt(format!(
                        "an edit has an unknown entry {other}"
                    )));
                }
            }
        }
        Ok(edit)
    }
}

impl State {
    /// Bytes that it takes in the manifest in one copy, about.
    pub(crate) fn bytes(&self) -> u64 {
        let blobs: usize = self
            .blobs
            .iter()
            .map(|(name, bytes)| name.len() + bytes.len() + 8)
            .sum();
        let deleted: usize = self
            .deleted
            .values()
            .map(|rows| rows.ranges().len() * 3 + 8)
            .sum();
        (self.parts.len() * 80 + blobs + deleted) as u64
    }

    /// Applies an edit. Parts are removed first, then added.
    pub(crate) fn apply(&mut self, edit: &Edit) {
        for id in &edit.removed {
            self.parts.remove(id);
            self.deleted.remove(id);
        }
        for entry in &edit.added {
            self.parts.insert(entry.id, entry.clone());
        }
        for (&id, rows) in &edit.deleted {
            if self.parts.contains_key(&id) {
                let known = self.deleted.entry(id).or_default();
                *known = Arc::new(known.or(rows));
            }
        }
        for (name, bytes) in &edit.blobs {
            match bytes {
                Some(bytes) => self.blobs.insert(name.clone(), Arc::clone(bytes)),
                None => self.blobs.remove(name),
            };
        }
        self.next_part = self.next_part.max(edit.next_part);
        self.sequence += 1;
    }
}

fn put_rows(rows: &RowSet, out: &mut Vec<u8>) {
    varint::put(out, rows.ranges().len() as u64);
    let mut previous = 0;
    for range in rows.ranges() {
        varint::put(out, u64::from(range.start - previous));
        varint::put(out, u64::from(range.end - range.start));
        previous = range.end;
    }
}

fn read_rows(cursor: &mut Cursor<'_>) -> Result<RowSet> {
    let count = cursor.count()?;
    let mut rows = RowSet::none();
    let mut previous = 0u32;
    for _ in 0..count {
        let wrong = || Error::corrupt("a row exceeds 32 bits");
        let start = previous.checked_add(cursor.u32()?).ok_or_else(wrong)?;
        previous = start.checked_add(cursor.u32()?).ok_or_else(wrong)?;
        rows.push(start..previous);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_read_as_written() {
        let entry = PartEntry {
            id: PartId(7),
            table: "events".into(),
            day: Day(20_000),
            rows: 99,
            times: (-5, i64::MAX),
            level: 2,
            flags: PartFlags::IMPORTED,
            part_bytes: 1 << 40,
            part_hash: u64::MAX,
            sidecar_bytes: 3,
            sidecar_hash: 1,
        };
        assert_eq!(
            entry.part_path(),
            Path::new("events/2024-10-04.00000007.parquet")
        );
        let edit = Edit {
            added: vec![entry],
            removed: [PartId(3), PartId(4)].into(),
            deleted: [(PartId(7), RowSet::from_ranges(vec![3..4, 9..20]))].into(),
            blobs: [
                ("a".to_owned(), Some(vec![1, 2].into())),
                ("b".to_owned(), None),
            ]
            .into(),
            next_part: 8,
        };
        let bytes = edit.encode();
        assert_eq!(Edit::decode(&bytes).unwrap(), edit);
        let mut state = State::default();
        state.apply(&edit);
        let mut again = State::default();
        again.apply(&Edit::decode(&Edit::of_state(&state).encode()).unwrap());
        assert_eq!(again, state);
    }
}
