//! Merging: many small parts become one, better sorted, better compressed, without deleted rows.
//!
//! Within a day parts grow in tiers (256 k → 1 M → 8 M rows), so that a row is rewritten a few
//! times at most. Parts of months long past are merged across days. A merge reads its inputs as a
//! stream and blocks nobody; its commit swaps the parts in one edit, taking over rows that were
//! deleted meanwhile.

mod gather;
mod input;
mod plan;
mod run;

pub use plan::MergePlan;
pub(crate) use run::Unreadable;
pub use run::{MergeReport, PreparedMerge};
