//! Retention: parts that are too old, or too many, go as a whole.

use std::collections::BTreeSet;

use crate::manifest::{Edit, PartEntry};
use crate::store::Store;
use crate::{PartId, Result};

/// What may stay. Cut-offs are times in nanoseconds since 1970-01-01 UTC; `None` keeps all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// The table.
    pub table: String,
    /// Live parts whose latest row is older go.
    pub live_before_ns: Option<i64>,
    /// Imported parts whose latest row is older go.
    pub imported_before_ns: Option<i64>,
}

/// What retention dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The parts.
    pub parts: Vec<PartId>,
    /// Their rows.
    pub rows: u64,
    /// Bytes of their files.
    pub bytes: u64,
}

impl Store {
    /// Drops parts that are wholly older than their table's cut-off; then, while all tables
    /// together take more than `max_bytes`, whole days of live rows of all tables, the oldest day
    /// first. Imported parts and days of `keep_days_from` on are never dropped for bytes. All in
    /// one edit; `None` is no limit.
    ///
    /// A query must itself apply the cut-off as a time bound: a part goes only when its last row
    /// may.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the medium refuses,
    /// [`Error::Poisoned`](crate::Error::Poisoned) after an earlier failure.
    pub fn retain(
        &self,
        rules: &[Retention],
        max_bytes: Option<u64>,
        keep_days_from: crate::Day,
    ) -> Result<Dropped> {
        let choose = |parts: &mut dyn Iterator<Item = &PartEntry>| {
            let all: Vec<&PartEntry> = parts.collect();
            let mut gone: BTreeSet<PartId> = all
                .iter()
                .filter(|entry| is_old(entry, rules))
                .map(|entry| entry.id)
                .collect();
            if let Some(limit) = max_bytes {
                drop_days(&all, limit, keep_days_from, &mut gone);
            }
            gone
        };
        // Most calls find nothing; they must not write.
        if choose(&mut self.inner.version().state.parts.values()).is_empty() {
            return Ok(Dropped::default());
        }
        let mut dropped = Dropped::default();
        self.inner.commit(|state| {
            let removed = choose(&mut state.parts.values());
            for entry in removed.iter().filter_map(|id| state.parts.get(id)) {
                dropped.parts.push(entry.id);
                dropped.rows += u64::from(entry.rows);
                dropped.bytes += entry.part_bytes + entry.sidecar_bytes;
            }
            Ok(Edit {
                removed,
                ..Edit::default()
            })
        })?;
        Ok(dropped)
    }
}

/// Whether a part is wholly older than its cut-off. A part without times is as old as its day.
fn is_old(entry: &PartEntry, rules: &[Retention]) -> bool {
    let Some(rule) = rules.iter().find(|rule| *rule.table == *entry.table) else {
        return false;
    };
    let cut_off = if entry.flags.is_imported() {
        rule.imported_before_ns
    } else {
        rule.live_before_ns
    };
    let latest = match entry.times {
        (least, greatest) if least <= greatest => greatest,
        _ => crate::Day(entry.day.0.saturating_add(1)).start_ns(),
    };
    cut_off.is_some_and(|cut_off| latest < cut_off)
}

fn drop_days(all: &[&PartEntry], limit: u64, keep_from: crate::Day, gone: &mut BTreeSet<PartId>) {
    let bytes = |entry: &&&PartEntry| entry.part_bytes + entry.sidecar_bytes;
    let mut left: u64 = all
        .iter()
        .filter(|entry| !gone.contains(&entry.id))
        .map(|entry| bytes(&entry))
        .sum();
    let days: BTreeSet<_> = all
        .iter()
        .filter(|entry| !entry.flags.is_imported() && entry.day < keep_from)
        .map(|entry| entry.day)
        .collect();
    for day in days {
        if left <= limit {
            break;
        }
        let of_day = |entry: &&&PartEntry| entry.day == day && !entry.flags.is_imported();
        for entry in all.iter().filter(of_day) {
            if gone.insert(entry.id) {
                left -= bytes(&entry);
            }
        }
    }
}
