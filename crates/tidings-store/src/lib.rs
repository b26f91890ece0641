//! The history: tables of rows in immutable Parquet parts, found by token, kept under a manifest.
//!
//! A [`Store`] is a directory of tables. Each table consists of *parts*, immutable Parquet files
//! partitioned by UTC day, each with a *sidecar* that tells which of its rows may hold a token.
//! A *manifest* lists the parts; a [`Transaction`] changes it all or nothing, a [`Snapshot`] sees
//! one state of it for as long as it is held. What the tables mean is not known here: the
//! [`Schema`]s are arguments.
//!
//! Writing: fill a [`RowBatch`], hand it to [`Transaction::add`] (or [`Store::build`] on another
//! thread), commit. Reading: [`Store::snapshot`], [`Snapshot::parts`], then of each [`Part`]
//! [`candidates`](Part::candidates) and [`within`](Part::within) for the rows that may match, and
//! [`read`](Part::read) or [`scan`](Part::scan) for their values.
//!
//! # The public interface
//!
//! ```text
//! Schema::new(table, columns, sort, time, tokeniser)      Column::new(name, kind).indexed().required()
//! Store::open(backend, schemas) -> (Store, OpenReport)    Store::open_with(.., Options)
//! store.begin() -> Transaction                            store.build(table, day, batch, flags) -> NewPart
//! tx.add(table, day, batch, flags) / tx.add_part(new)     tx.delete_rows(part, rows) / tx.remove_part(part)
//! tx.set_blob(name, bytes) / tx.delete_blob(name)         tx.commit() -> Committed
//! RowBatch::new(schema)  .begin_row()  .put_time/int/uint/float/bool/text/bytes(column, value)
//! store.snapshot() -> Snapshot                            snapshot.blob(name) / .blobs(prefix) / .stats(table)
//! snapshot.parts(table, times) -> Vec<Part>               snapshot.part(id)
//! part.candidates(&TokenExpr) -> RowSet                   part.within(times) -> RowSet
//! part.read(columns, &RowSet) -> Rows                     part.scan(columns, &RowSet, |rows| ..)
//! part.in_range(column, values) -> RowSet                 part.groups() / .column_bytes()
//! store.plan_merges(now) -> Vec<MergePlan>                store.merge(&plan, &cancel) -> MergeReport
//! store.retain(rules, max_bytes, keep_days_from)            store.prepare_merge(&plan, &cancel).commit()
//! verify(backend, schemas, depth) -> VerifyReport          repair(backend, schemas) -> RepairReport
//! rows.time/int/uint/float/bool/text/bytes(column, i)     rows.codes(column), rows.value(column, code)
//! ```
//!
//! This crate knows nothing of mail, HTTP or any runtime; it touches the disk through
//! [`Backend`](tidings_spool::Backend) only, and takes the time as an argument.

// Data never panics: what cannot fail says why in `expect`.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod batch;
mod build;
mod cache;
mod day;
mod encode;
mod error;
mod flags;
mod intern;
mod manifest;
mod marks;
mod merge;
mod open;
mod part;
mod part_ref;
mod rebuild;
mod repair;
mod retention;
mod rows;
mod rowset;
mod schema;
mod sidecar;
mod snapshot;
mod store;
mod transaction;
mod verify;
mod version;

pub use batch::RowBatch;
pub use build::NewPart;
pub use day::{DAY_NS, Day};
pub use error::{Error, Result};
pub use flags::{PartFlags, PartId};
pub use merge::{MergePlan, MergeReport, PreparedMerge};
pub use part_ref::{GroupInfo, Part};
pub use repair::{LostRows, LostValues, RepairReport, repair};
pub use retention::{Dropped, Retention};
pub use rows::{NULL_CODE, Rows};
pub use rowset::RowSet;
pub use schema::{Column, ColumnId, IfDamaged, Kind, Schema, Tokenizer};
pub use sidecar::query::TokenExpr;
pub use snapshot::{Snapshot, TableStats};
pub use store::{OpenReport, Options, Store};
pub use transaction::{Committed, Transaction};
pub use verify::{Depth, Problem, VerifyReport, verify};
