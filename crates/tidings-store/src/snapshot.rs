//! What readers hold: one state of the store, whose parts stay on disk until they let go.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use crate::schema::Schema;
use crate::sidecar::file::NO_TIME;
use crate::store::Tables;
use crate::version::Version;
use crate::{Error, Part, PartId, Result};

/// One state of the store. Cheap to take and to clone; commits and merges do not change it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) version: Arc<Version>,
    pub(crate) tables: Arc<Tables>,
}

impl Snapshot {
    /// Edits committed since the store was made: grows with every commit.
    pub fn sequence(&self) -> u64 {
        self.version.state.sequence
    }

    /// A named blob, as set by a commit.
    pub fn blob(&self, name: &str) -> Option<&[u8]> {
        self.version.state.blobs.get(name).map(|bytes| &**bytes)
    }

    /// All blobs whose names start with a prefix, sorted by name.
    pub fn blobs<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.version
            .state
            .blobs
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(name, _)| name.starts_with(prefix))
            .map(|(name, bytes)| (&**name, &**bytes))
    }

    /// The parts of a table that may hold rows with a time in the range, newest first (by their
    /// latest time). Parts without any time are always among them.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a table that is not in the store's schemas.
    pub fn parts(&self, table: &str, times: impl RangeBounds<i64>) -> Result<Vec<Part>> {
        let schema = self.schema(table)?;
        let Some((from, to)) = inclusive(&times) else {
            return Ok(Vec::new());
        };
        let mut parts: Vec<Part> = self
            .version
            .parts
            .values()
            .filter(|part| &*part.entry.table == table)
            .filter(|part| {
                let (least, greatest) = part.entry.times;
                part.entry.times == NO_TIME || (least <= to && greatest >= from)
            })
            .map(|part| self.part_of(Arc::clone(part), Arc::clone(schema)))
            .collect();
        parts.sort_by_key(|part| {
            let (least, greatest) = part.shared.entry.times;
            std::cmp::Reverse((greatest, least, part.id()))
        });
        Ok(parts)
    }

    /// A part by its id.
    pub fn part(&self, id: PartId) -> Option<Part> {
        let part = self.version.parts.get(&id)?;
        let schema = self.tables.get(&*part.entry.table)?;
        Some(self.part_of(Arc::clone(part), Arc::clone(schema)))
    }

    /// A table's schema.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a table that is not in the store's schemas.
    pub fn schema(&self, table: &str) -> Result<&Arc<Schema>> {
        self.tables
            .get(table)
            .ok_or_else(|| Error::Invalid(format!("there is no table {table}")))
    }

    /// What a table holds.
    pub fn stats(&self, table: &str) -> TableStats {
        let mut stats = TableStats::default();
        for part in self
            .version
            .parts
            .values()
            .filter(|part| &*part.entry.table == table)
        {
            let entry = &part.entry;
            stats.parts += 1;
            stats.rows += u64::from(entry.rows);
            stats.part_bytes += entry.part_bytes;
            stats.sidecar_bytes += entry.sidecar_bytes;
            let deleted = self.version.state.deleted.get(&entry.id);
            stats.deleted_rows += deleted.map_or(0, |rows| rows.len());
            if entry.times != NO_TIME {
                let (least, greatest) = stats.times.unwrap_or(NO_TIME);
                stats.times = Some((least.min(entry.times.0), greatest.max(entry.times.1)));
            }
        }
        stats
    }

    fn part_of(&self, shared: Arc<crate::open::SharedPart>, schema: Arc<Schema>) -> Part {
        let deleted = self.version.state.deleted.get(&shared.entry.id).cloned();
        Part {
            shared,
            schema,
            deleted,
        }
    }
}

/// What a table holds, by its manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// Parts.
    pub parts: usize,
    /// Rows, deleted ones included.
    pub rows: u64,
    /// Rows marked deleted that are still in their parts.
    pub deleted_rows: u64,
    /// Bytes of the Parquet files.
    pub part_bytes: u64,
    /// Bytes of the sidecars.
    pub sidecar_bytes: u64,
    /// Least and greatest time, if any row has one.
    pub times: Option<(i64, i64)>,
}

/// First and last time of a range; `None` if it is empty.
pub(crate) fn inclusive(times: &impl RangeBounds<i64>) -> Option<(i64, i64)> {
    let from = match times.start_bound() {
        Bound::Included(&from) => from,
        Bound::Excluded(&from) => from.checked_add(1)?,
        Bound::Unbounded => i64::MIN,
    };
    let to = match times.end_bound() {
        Bound::Included(&to) => to,
        Bound::Excluded(&to) => to.checked_sub(1)?,
        Bound::Unbounded => i64::MAX,
    };
    (from <= to).then_some((from, to))
}
