//! Which parts are worth merging now.

use std::collections::BTreeMap;

use super::run::MAX_LOADED_ROWS;
use crate::manifest::{PartEntry, State};
use crate::part::layout::GROUP_ROWS;
use crate::sidecar::file::NO_TIME;
use crate::store::Store;
use crate::{Day, PartId};

/// No part grows beyond this by merging.
const MAX_ROWS: u64 = 8 << 20;
/// Parts below are of the lowest tier.
const SMALL_ROWS: u64 = 512 << 10;
/// Parts below are of the middle tier.
const MIDDLE_ROWS: u64 = 4 << 20;
/// So many small parts of an open day are merged.
const SMALL_FAN_IN: usize = 4;
/// So many middle parts of an open day are merged.
const MIDDLE_FAN_IN: usize = 8;
/// No merge reads more parts than this.
const MAX_FAN_IN: usize = 64;
/// Rows of row groups that a merge holds in memory at once: parts of one day may overlap in any
/// way, and reading row groups again and again would take for ever.
const MAX_GROUPS_ROWS: u64 = (MAX_LOADED_ROWS - GROUP_ROWS) as u64;
/// A day is closed this many days after it began: late rows have come by then.
const CLOSED_AFTER_DAYS: i32 = 2;
/// Months whose last day is older are merged across days.
const OLD_DAYS: i32 = 35;
/// A part is rewritten alone when more than one in so many of its rows is deleted.
const DELETED_ONE_IN: u64 = 4;

/// A merge worth making: parts of one table and with the same marks that are to become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergePlan {
    /// The table.
    pub table: String,
    /// The parts to merge, two or more, or one with many deleted rows.
    pub parts: Vec<PartId>,
    /// Their rows, deleted ones included.
    pub rows: u64,
    /// The day the merged part is filed under: the earliest of its inputs'.
    pub day: Day,
    /// The rows are not expected to be merged soon again: they are packed as tightly as is worth
    /// it ([`Options::settle_level`](crate::Options::settle_level)).
    pub settles: bool,
}

impl Store {
    /// The merges worth making at a time (nanoseconds since 1970-01-01 UTC), the most urgent
    /// first; no part is in two of them. Nothing is read but the manifest.
    pub fn plan_merges(&self, now_ns: i64) -> Vec<MergePlan> {
        plan(&self.inner.version().state, Day::of(now_ns))
    }
}

/// Parts by table, marks, and year and month.
type Months<'a> = BTreeMap<(&'a str, u8, (i32, u32)), Vec<&'a PartEntry>>;

fn plan(state: &State, today: Day) -> Vec<MergePlan> {
    let mut days: BTreeMap<(&str, u8, Day), Vec<&PartEntry>> = BTreeMap::new();
    for entry in state.parts.values() {
        days.entry((&entry.table, entry.flags.bits(), entry.day))
            .or_default()
            .push(entry);
    }
    let mut plans = Vec::new();
    let mut months: Months<'_> = BTreeMap::new();
    for (&(table, flags, day), parts) in &days {
        let (year, month, _) = day.civil();
        if month_is_old(day, today) {
            months
                .entry((table, flags, (year, month)))
                .or_default()
                .extend(parts);
        } else if day.0 + CLOSED_AFTER_DAYS <= today.0 {
            pack(parts, 2, true, &mut plans);
        } else {
            tiers(parts, &mut plans);
        }
    }
    for parts in months.values_mut() {
        pack(parts, 2, true, &mut plans);
    }
    let taken: Vec<PartId> = plans.iter().flat_map(|plan| plan.parts.clone()).collect();
    for (id, deleted) in &state.deleted {
        let entry = &state.parts[id];
        if deleted.len() * DELETED_ONE_IN > u64::from(entry.rows) && !taken.contains(id) {
            let closed = entry.day.0 + CLOSED_AFTER_DAYS <= today.0;
            plans.push(plan_of(&[entry], closed));
        }
    }
    plans
}

/// Whether every day of a day's month is old.
fn month_is_old(day: Day, today: Day) -> bool {
    let (year, month, _) = day.civil();
    let old = Day(today.0 - OLD_DAYS);
    let (old_year, old_month, _) = old.civil();
    (year, month) < (old_year, old_month)
}

/// Packs the parts of a closed day, or of an old month, into as few as their size allows.
fn pack(parts: &[&PartEntry], least: usize, settles: bool, plans: &mut Vec<MergePlan>) {
    let mut parts = parts.to_vec();
    // In the order of their times, so that merged parts overlap little.
    parts.sort_by_key(|entry| (entry.day, entry.times.0 == NO_TIME.0, entry.times, entry.id));
    let mut bin: Vec<&PartEntry> = Vec::new();
    let (mut rows, mut in_memory) = (0, 0);
    for entry in parts
        .into_iter()
        .filter(|entry| u64::from(entry.rows) < MAX_ROWS * 3 / 4)
    {
        let group_rows = u64::from(entry.rows).min(GROUP_ROWS as u64);
        if bin.last().is_some_and(|last| last.day != entry.day) {
            // Parts of different days follow each other.
            in_memory = 0;
        }
        if rows + u64::from(entry.rows) > MAX_ROWS
            || in_memory + group_rows > MAX_GROUPS_ROWS
            || bin.len() == MAX_FAN_IN
        {
            push_plan(&bin, least, settles, plans);
            bin.clear();
            (rows, in_memory) = (0, 0);
        }
        in_memory += group_rows;
        rows += u64::from(entry.rows);
        bin.push(entry);
    }
    push_plan(&bin, least, settles, plans);
}

/// Plans a merge unless it would rewrite one large part for the sake of a few rows.
fn push_plan(bin: &[&PartEntry], least: usize, settles: bool, plans: &mut Vec<MergePlan>) {
    /// The others must add up to one in so many of the largest part's rows.
    const WORTH_ONE_IN: u64 = 8;
    let rows = || bin.iter().map(|entry| u64::from(entry.rows));
    let largest = rows().max().unwrap_or(0);
    let others = rows().sum::<u64>() - largest;
    let worth = others * WORTH_ONE_IN >= largest || bin.len() > MIDDLE_FAN_IN;
    if bin.len() >= least && worth {
        plans.push(plan_of(bin, settles));
    }
}

/// Merges within the tiers of a day that still grows.
fn tiers(parts: &[&PartEntry], plans: &mut Vec<MergePlan>) {
    let of_tier = |from: u64, to: u64| -> Vec<&PartEntry> {
        parts
            .iter()
            .copied()
            .filter(|entry| (from..to).contains(&u64::from(entry.rows)))
            .collect()
    };
    let small = of_tier(0, SMALL_ROWS);
    if small.len() >= SMALL_FAN_IN {
        pack(&small, SMALL_FAN_IN, false, plans);
    }
    let middle = of_tier(SMALL_ROWS, MIDDLE_ROWS);
    if middle.len() >= MIDDLE_FAN_IN {
        pack(&middle, MIDDLE_FAN_IN / 2, false, plans);
    }
}

fn plan_of(parts: &[&PartEntry], settles: bool) -> MergePlan {
    MergePlan {
        table: parts
            .first()
            .map_or_else(String::new, |entry| entry.table.to_string()),
        parts: parts.iter().map(|entry| entry.id).collect(),
        rows: parts.iter().map(|entry| u64::from(entry.rows)).sum(),
        day: parts.iter().map(|entry| entry.day).min().unwrap_or(Day(0)),
        settles,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{PartFlags, RowSet};

    fn state(parts: &[(i32, u32)]) -> State {
        let mut state = State::default();
        for (at, &(day, rows)) in parts.iter().enumerate() {
            let id = PartId(at as u64 + 1);
            let entry = PartEntry {
                id,
                table: "events".into(),
                day: Day(day),
                rows,
                times: (
                    Day(day).start_ns() + at as i64,
                    Day(day).start_ns() + at as i64 + 9,
                ),
                level: 0,
                flags: PartFlags::LIVE,
                part_bytes: 0,
                part_hash: 0,
                sidecar_bytes: 0,
                sidecar_hash: 0,
            };
            state.parts.insert(id, entry);
        }
        state
    }

    fn shapes(state: &State, today: i32) -> Vec<Vec<u64>> {
        let plans = plan(state, Day(today));
        plans
            .iter()
            .map(|plan| plan.parts.iter().map(|id| id.0).collect())
            .collect()
    }

    #[test]
    fn an_open_day_merges_in_tiers() {
        let k256 = 262_144;
        assert!(shapes(&state(&[(100, k256); 3]), 100).is_empty());
        assert_eq!(shapes(&state(&[(100, k256); 4]), 100), [[1, 2, 3, 4]]);
        assert!(shapes(&state(&[(100, k256 * 4); 7]), 100).is_empty());
        assert_eq!(
            shapes(&state(&[(100, k256 * 4); 8]), 100),
            [[1, 2, 3, 4, 5, 6, 7, 8]]
        );
        assert!(shapes(&state(&[(100, 8 << 20); 9]), 100).is_empty());
    }

    #[test]
    fn a_closed_day_becomes_few_parts() {
        let parts = [(100, 1 << 18), (100, 1 << 20), (101, 5)];
        assert_eq!(shapes(&state(&parts), 102), [[1, 2]]);
        assert!(shapes(&state(&[(100, 10), (100, 1 << 20)]), 102).is_empty());
        assert_eq!(
            shapes(
                &state(&[
                    (100, 5 << 20),
                    (100, 2 << 20),
                    (100, 4 << 20),
                    (100, 1 << 20)
                ]),
                102
            ),
            [[1, 2], [3, 4]]
        );
    }

    #[test]
    fn old_months_merge_across_days() {
        // 1970-02-01 is day 31; on day 150 (1970-05-31) February is old, April is not.
        let parts = [(31, 10), (40, 10), (58, 10), (59, 10), (100, 10), (101, 10)];
        assert_eq!(shapes(&state(&parts), 150), [[1, 2, 3]]);
    }

    #[test]
    fn a_part_of_deleted_rows_is_rewritten() {
        let mut state = state(&[(100, 100), (101, 100)]);
        state
            .deleted
            .insert(PartId(2), Arc::new(RowSet::range(0..26)));
        assert_eq!(shapes(&state, 101), [[2]]);
    }
}
