//! A set of changes that become durable and visible together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::build::{NewPart, temporary};
use crate::error::IoContext;
use crate::manifest::{Edit, State};
use crate::store::{Inner, Store};
use crate::{Day, Error, PartFlags, PartId, Result, RowBatch, RowSet};

/// Changes on their way: new parts, deleted rows, dropped parts, blobs. Nothing is visible before
/// [`commit`](Self::commit); dropping the transaction gives everything up.
#[derive(Debug)]
pub struct Transaction {
    store: Store,
    parts: Vec<NewPart>,
    removed: BTreeSet<PartId>,
    deleted: BTreeMap<PartId, RowSet>,
    blobs: BTreeMap<String, Option<std::sync::Arc<[u8]>>>,
}

/// What a commit made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The edit's number, as [`Snapshot::sequence`](crate::Snapshot::sequence) shows it.
    pub sequence: u64,
    /// The parts that were added, in the order they were.
    pub parts: Vec<PartId>,
}

impl Transaction {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            parts: Vec::new(),
            removed: BTreeSet::new(),
            deleted: BTreeMap::new(),
            blobs: BTreeMap::new(),
        }
    }

    /// Builds a part of a batch on this thread and adds it; see [`Store::build`]. `None` if the
    /// batch has no rows.
    ///
    /// # Errors
    /// As [`Store::build`].
    pub fn add(
        &mut self,
        table: &str,
        day: Day,
        batch: &mut RowBatch,
        flags: PartFlags,
    ) -> Result<Option<PartId>> {
        let part = self.store.build(table, day, batch, flags)?;
        Ok(part.map(|part| self.add_part(part)))
    }

    /// Adds a part that was built before, on whatever thread.
    pub fn add_part(&mut self, part: NewPart) -> PartId {
        let id = part.id();
        self.parts.push(part);
        id
    }

    /// Marks rows of a committed part as deleted, in addition to those already deleted.
    pub fn delete_rows(&mut self, part: PartId, rows: &RowSet) {
        let known = self.deleted.entry(part).or_default();
        *known = known.or(rows);
    }

    /// Drops a whole part. Its files go when the last snapshot lets go.
    pub fn remove_part(&mut self, part: PartId) {
        self.removed.insert(part);
    }

    /// Sets a named blob.
    pub fn set_blob(&mut self, name: impl Into<String>, bytes: &[u8]) {
        self.blobs.insert(name.into(), Some(bytes.into()));
    }

    /// Removes a named blob, if there is one.
    pub fn delete_blob(&mut self, name: impl Into<String>) {
        self.blobs.insert(name.into(), None);
    }

    /// Whether a commit would change nothing.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
            && self.removed.is_empty()
            && self.deleted.is_empty()
            && self.blobs.is_empty()
    }

    /// Makes all changes durable, then visible: syncs the new files, gives them their names, syncs
    /// the directories, appends to the manifest and syncs it. On an error nothing has changed,
    /// unless [`Store::is_poisoned`] says that nobody knows.
    ///
    /// # Errors
    /// [`Error::Stale`] if rows of a part were to be deleted that is no longer there, or it was to
    /// be removed; [`Error::Io`] if the medium refuses; [`Error::Poisoned`] after an earlier
    /// failure.
    pub fn commit(mut self) -> Result<Committed> {
        let inner = std::sync::Arc::clone(&self.store.inner);
        let mut parts = std::mem::take(&mut self.parts);
        let sequence = publish(&inner, &mut parts, |state, added| {
            let gone = |id: &&PartId| !state.parts.contains_key(id);
            if let Some(&id) = self.deleted.keys().chain(&self.removed).find(gone) {
                return Err(Error::Stale(id));
            }
            check_rows(state, &self.deleted)?;
            Ok(Edit {
                added,
                removed: self.removed,
                deleted: self.deleted,
                blobs: self.blobs,
                next_part: 0,
            })
        })?;
        Ok(Committed {
            sequence,
            parts: parts.iter().map(NewPart::id).collect(),
        })
    }
}

fn check_rows(state: &State, deleted: &BTreeMap<PartId, RowSet>) -> Result<()> {
    for (id, rows) in deleted {
        let known = state.parts.get(id).map_or(0, |entry| entry.rows);
        if rows.ranges().last().is_some_and(|last| last.end > known) {
            return Err(Error::Invalid(format!(
                "row {} cannot be deleted: part {id} has {known} rows",
                rows.ranges().last().map_or(0, |last| last.end - 1)
            )));
        }
    }
    Ok(())
}

/// Brings written parts and an edit into the manifest. On an error the new files are removed,
/// unless the manifest may refer to them.
pub(crate) fn publish(
    inner: &Inner,
    parts: &mut [NewPart],
    edit: impl FnOnce(&State, Vec<crate::manifest::PartEntry>) -> Result<Edit>,
) -> Result<u64> {
    place(inner, parts)?;
    let added = parts.iter().map(|part| part.entry.clone()).collect();
    match inner.commit(|state| edit(state, added)) {
        Ok(sequence) => Ok(sequence),
        Err(error) => {
            let unknown = inner.is_poisoned() && !matches!(error, Error::Poisoned);
            if !unknown {
                for part in parts.iter() {
                    // What cannot be removed now is removed as a leftover at the next open.
                    let _ = inner.backend.remove(&part.entry.part_path());
                    let _ = inner.backend.remove(&part.entry.sidecar_path());
                }
            }
            Err(error)
        }
    }
}

/// Makes the files durable under their final names.
fn place(inner: &Inner, parts: &mut [NewPart]) -> Result<()> {
    for part in parts.iter() {
        part.part.sync().at("sync", &part.entry.part_path())?;
        part.sidecar.sync().at("sync", &part.entry.sidecar_path())?;
    }
    let mut directories = BTreeSet::new();
    let mut renamed = || {
        for part in parts.iter_mut() {
            for path in [part.entry.part_path(), part.entry.sidecar_path()] {
                inner
                    .backend
                    .rename(&temporary(&path), &path)
                    .at("rename", &path)?;
            }
            part.settled = true;
            directories.insert(part.entry.table.to_string());
        }
        for directory in &directories {
            let directory = Path::new(directory);
            inner.backend.sync_dir(directory).at("sync", directory)?;
        }
        Ok(())
    };
    let result = renamed();
    if result.is_err() {
        for part in parts.iter() {
            let _ = inner.backend.remove(&part.entry.part_path());
            let _ = inner.backend.remove(&part.entry.sidecar_path());
        }
    }
    result
}
