//! Carries a merge out: a k-way merge of sorted inputs, row group by row group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::gather::{Output, Pick};
use super::input::{Input, Key};
use super::plan::MergePlan;
use crate::build::{self, NewPart, PartPlan, prunes, roles, temporary};
use crate::manifest::{Edit, State};
use crate::part::chunk::ChunkEncoder;
use crate::part::footer::FileMeta;
use crate::part::layout::{GROUP_ROWS, Group, PartColumn};
use crate::part::read::ChunkReader;
use crate::part::write::PartWriter;
use crate::sidecar::collect::Collector;
use crate::store::Store;
use crate::transaction::publish;
use crate::{Error, PartId, Result, RowSet, Schema};

/// Rows in memory at once: twelve whole row groups of some 5 MiB each. Plans count on as many.
pub(super) const MAX_LOADED_ROWS: usize = 12 * GROUP_ROWS;

/// What a merge did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeReport {
    /// The merged part; `None` if every row was deleted.
    pub part: Option<PartId>,
    /// Rows of the merged part.
    pub rows: u64,
    /// Deleted rows that are gone for good.
    pub dropped_rows: u64,
    /// Bytes of the inputs' files.
    pub bytes_before: u64,
    /// Bytes of the merged part's files.
    pub bytes_after: u64,
}

/// What of a part cannot be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unreadable {
    /// Rows that are worth nothing without what is damaged of them.
    pub(crate) rows: RowSet,
    /// By the part's columns: the values of other rows.
    pub(crate) values: BTreeMap<usize, RowSet>,
}

/// A merge that is written but not committed; dropping it gives it up.
#[derive(Debug)]
pub struct PreparedMerge {
    store: Store,
    inputs: Vec<Input>,
    part: Option<NewPart>,
    /// Which input each row of the merged part came from, in runs.
    order: Vec<Pick>,
    report: MergeReport,
}

impl Store {
    /// Merges the parts of a plan into one, on this thread, some 0.6 µs a row (2 µs where it
    /// settles them), within 100 MiB of memory whatever their size. Reads and commits go on meanwhile; rows that they delete stay
    /// deleted.
    ///
    /// # Errors
    /// [`Error::Stale`] if a part of the plan is no longer there; [`Error::Cancelled`] once the
    /// flag is set; [`Error::Damaged`] if an input cannot be read, which leaves everything as it
    /// was; [`Error::Io`] if the medium refuses.
    pub fn merge(&self, plan: &MergePlan, cancel: &AtomicBool) -> Result<MergeReport> {
        self.prepare_merge(plan, cancel)?.commit()
    }

    /// Merges the parts of a plan, leaving rows and values of them out that cannot be read.
    pub(crate) fn merge_without(
        &self,
        plan: &MergePlan,
        lost: &Unreadable,
        cancel: &AtomicBool,
    ) -> Result<MergeReport> {
        self.prepare(plan, lost, cancel)?.commit()
    }

    /// The long part of a merge: reads the inputs and writes the merged part, which nobody sees
    /// before [`PreparedMerge::commit`].
    ///
    /// # Errors
    /// As [`merge`](Self::merge).
    pub fn prepare_merge(&self, plan: &MergePlan, cancel: &AtomicBool) -> Result<PreparedMerge> {
        self.prepare(plan, &Unreadable::default(), cancel)
    }

    fn prepare(
        &self,
        plan: &MergePlan,
        lost: &Unreadable,
        cancel: &AtomicBool,
    ) -> Result<PreparedMerge> {
        let schema = Arc::clone(self.schema(&plan.table)?);
        let mut inputs = self.inputs(plan, &schema, lost)?;
        let entries = || inputs.iter().map(|input| &input.part.entry);
        let Some(first) = entries().next() else {
            return Err(Error::Invalid("a merge of no parts".to_owned()));
        };
        if entries().any(|entry| *entry.table != *plan.table || entry.flags != first.flags) {
            let what = "parts of different tables or marks cannot merge";
            return Err(Error::Invalid(what.to_owned()));
        }
        let part_plan = PartPlan {
            id: self.inner.new_id(),
            table: Arc::clone(&first.table),
            day: plan.day,
            flags: first.flags,
            level: entries()
                .map(|entry| entry.level)
                .max()
                .unwrap_or(0)
                .saturating_add(1),
            from: plan.parts.clone(),
        };
        let rows: u64 = inputs.iter().map(Input::live_rows).sum();
        let all: u64 = entries().map(|entry| u64::from(entry.rows)).sum();
        if rows > u64::from(u32::MAX) {
            return Err(Error::Invalid(format!("a part cannot hold {rows} rows")));
        }
        let mut report = MergeReport {
            part: None,
            rows,
            dropped_rows: all - rows,
            bytes_before: entries()
                .map(|entry| entry.part_bytes + entry.sidecar_bytes)
                .sum(),
            bytes_after: 0,
        };
        let (mut part, mut order) = (None, Vec::new());
        if rows > 0 {
            let (written, runs) =
                self.write_merged(&part_plan, plan.settles, &schema, &mut inputs, cancel)?;
            report.part = Some(written.id());
            report.bytes_after = written.bytes();
            (part, order) = (Some(written), runs);
        }
        // What was read last need not be kept until the commit.
        inputs.iter_mut().for_each(Input::unload);
        Ok(PreparedMerge {
            store: self.clone(),
            inputs,
            part,
            order,
            report,
        })
    }

    fn inputs(&self, plan: &MergePlan, schema: &Schema, lost: &Unreadable) -> Result<Vec<Input>> {
        let version = self.inner.version();
        let open = |id: &PartId| {
            let part = version.parts.get(id).ok_or(Error::Stale(*id))?;
            let deleted = version
                .state
                .deleted
                .get(id)
                .map_or_else(|| lost.rows.clone(), |rows| rows.or(&lost.rows));
            Input::new(Arc::clone(part), &deleted, &lost.values, schema)
        };
        plan.parts.iter().map(open).collect()
    }

    fn write_merged(
        &self,
        plan: &PartPlan,
        settles: bool,
        schema: &Schema,
        inputs: &mut [Input],
        cancel: &AtomicBool,
    ) -> Result<(NewPart, Vec<Pick>)> {
        let outputs = outputs(schema, inputs);
        let columns: Vec<PartColumn> = outputs.iter().map(|output| output.column.clone()).collect();
        let number = |name: &str| {
            columns
                .iter()
                .position(|column| column.name == name)
                .map(|at| at as u16)
        };
        let sort = schema
            .sort()
            .iter()
            .filter_map(|&id| number(&schema.columns()[id].name))
            .collect();
        let meta = FileMeta {
            table: schema.table().to_owned(),
            columns,
            sort,
            notes: plan.notes(),
        };
        let roles = roles(schema, &meta);
        let backend = &self.inner.backend;
        let path = temporary(&plan.entry().part_path());
        let options = &self.inner.options;
        let level = if settles {
            options.settle_level
        } else {
            options.merge_level
        };
        let mut merger = Merger {
            writer: PartWriter::create(&**backend, &path, meta, roles)?,
            encoder: ChunkEncoder::new(level)?,
            collector: Collector::default(),
            reader: ChunkReader::new()?,
            outputs,
            order: Vec::new(),
            rows: 0,
        };
        let result = merger.run(inputs, schema, cancel);
        let Merger {
            writer,
            collector,
            order,
            ..
        } = merger;
        let finished = result
            .and_then(|()| writer.finish())
            .and_then(|part| build::finish(backend, plan, part, collector.runs));
        match finished {
            Ok(part) => Ok((part, order)),
            Err(error) => {
                // What cannot be removed now is removed as a leftover at the next open.
                let _ = backend.remove(&path);
                let _ = backend.remove(&temporary(&plan.entry().sidecar_path()));
                Err(error)
            }
        }
    }
}

impl PreparedMerge {
    /// Swaps the parts in one edit. Rows that were deleted since the merge began are deleted in
    /// the merged part.
    ///
    /// # Errors
    /// [`Error::Stale`] if an input was dropped meanwhile; [`Error::Io`] if the medium refuses;
    /// [`Error::Poisoned`] after an earlier failure.
    pub fn commit(self) -> Result<MergeReport> {
        let Self {
            store,
            inputs,
            part,
            order,
            report,
        } = self;
        let mut parts: Vec<NewPart> = part.into_iter().collect();
        publish(&store.inner, &mut parts, |state, added| {
            let deleted = carry_over(state, &inputs, &order, report.part)?;
            let removed = inputs.iter().map(|input| input.part.entry.id).collect();
            Ok(Edit {
                added,
                removed,
                deleted,
                ..Edit::default()
            })
        })?;
        Ok(report)
    }
}

/// The output's columns: the schema's that any input has, then those that only parts know.
fn outputs(schema: &Schema, inputs: &[Input]) -> Vec<Output> {
    let mut names: Vec<(String, crate::Kind)> = Vec::new();
    let known = schema
        .columns()
        .iter()
        .map(|column| (column.name.clone(), column.kind));
    let found = inputs.iter().flat_map(Input::columns);
    for name in known.chain(found.map(|column| (column.name.clone(), column.kind))) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut outputs = Vec::new();
    for (name, kind) in names {
        let sources: Vec<Option<usize>> = inputs
            .iter()
            .map(|input| {
                input
                    .columns()
                    .iter()
                    .position(|had| had.name == name && had.kind == kind)
            })
            .collect();
        if sources.iter().all(Option::is_none) {
            continue;
        }
        let required = inputs
            .iter()
            .zip(&sources)
            .all(|(input, source)| source.is_some_and(|at| input.is_required(at)));
        let id = schema
            .column(&name)
            .filter(|&id| schema.columns()[id].kind == kind);
        let indexed = id.is_some_and(|id| schema.columns()[id].indexed);
        let pruned = id.is_some_and(|id| prunes(schema, id));
        outputs.push(Output::new(
            PartColumn {
                name,
                kind,
                required,
            },
            pruned,
            indexed,
            sources,
        ));
    }
    outputs
}

struct Merger {
    writer: PartWriter,
    encoder: ChunkEncoder,
    collector: Collector,
    reader: ChunkReader,
    outputs: Vec<Output>,
    /// Which input each output row came from, in runs.
    order: Vec<Pick>,
    rows: u32,
}

impl Merger {
    fn run(&mut self, inputs: &mut [Input], schema: &Schema, cancel: &AtomicBool) -> Result<()> {
        let mut picks = Vec::new();
        let mut gathered = 0;
        while let Some((input, bound)) = next_input(inputs) {
            if !inputs[input].is_loaded() {
                self.gather(&mut picks, inputs);
                make_room(inputs);
                inputs[input].load(&mut self.reader)?;
                continue;
            }
            let rows = inputs[input].run(bound.as_ref(), GROUP_ROWS - gathered);
            let row = inputs[input].row() as u32;
            // At most 64 inputs, and rows of one row group.
            push_pick(
                &mut picks,
                Pick {
                    input: input as u16,
                    row,
                    rows: rows as u32,
                },
            );
            push_order(&mut self.order, input as u16, rows as u32);
            inputs[input].advance(rows);
            gathered += rows;
            if inputs[input].is_passed() {
                self.gather(&mut picks, inputs);
                inputs[input].settle();
            }
            if gathered == GROUP_ROWS {
                self.gather(&mut picks, inputs);
                self.flush(gathered, inputs, schema)?;
                gathered = 0;
                if cancel.load(Ordering::Relaxed) {
                    return Err(Error::Cancelled);
                }
            }
        }
        if gathered > 0 {
            self.gather(&mut picks, inputs);
            self.flush(gathered, inputs, schema)?;
        }
        Ok(())
    }

    /// Takes picked rows over before their memory goes.
    fn gather(&mut self, picks: &mut Vec<Pick>, inputs: &mut [Input]) {
        for output in &mut self.outputs {
            output.gather(picks, inputs);
        }
        picks.clear();
    }

    fn flush(&mut self, rows: usize, inputs: &mut [Input], schema: &Schema) -> Result<()> {
        let mut bytes = Vec::new();
        let base = self.writer.position();
        let mut group = Group {
            rows: rows as u32,
            chunks: Vec::with_capacity(self.outputs.len()),
        };
        for (number, output) in self.outputs.iter_mut().enumerate() {
            let mut chunk = output.flush(
                number as u16,
                self.rows,
                schema.tokens(),
                &mut self.encoder,
                &mut self.collector,
                &mut bytes,
            )?;
            chunk.offset += base;
            group.chunks.push(chunk);
            output.relieve(inputs);
        }
        self.rows += rows as u32;
        self.writer.put_group(&group, std::iter::once(&bytes[..]))
    }
}

/// The input with the least head, and the least head of the others.
fn next_input(inputs: &[Input]) -> Option<(usize, Option<Key>)> {
    let mut best: Option<(Key, usize)> = None;
    let mut second: Option<Key> = None;
    for (at, input) in inputs.iter().enumerate() {
        let Some(head) = input.head else { continue };
        match best {
            // Equal keys keep the order of the inputs.
            Some((least, _)) if head >= least => {
                if second.is_none_or(|second| head < second) {
                    second = Some(head);
                }
            }
            _ => {
                second = best.map(|(key, _)| key);
                best = Some((head, at));
            }
        }
    }
    best.map(|(_, at)| (at, second))
}

/// Unloads the inputs whose turns are farthest off, when too many rows are in memory.
fn make_room(inputs: &mut [Input]) {
    let loaded = |inputs: &[Input]| inputs.iter().map(Input::loaded_rows).sum::<usize>();
    while loaded(inputs) > MAX_LOADED_ROWS - GROUP_ROWS {
        let in_memory = inputs.iter_mut().filter(|input| input.is_loaded());
        match in_memory.max_by_key(|input| input.head) {
            Some(input) => input.unload(),
            None => break,
        }
    }
}

fn push_pick(picks: &mut Vec<Pick>, pick: Pick) {
    match picks.last_mut() {
        Some(last) if last.input == pick.input && last.row + last.rows == pick.row => {
            last.rows += pick.rows;
        }
        _ => picks.push(pick),
    }
}

fn push_order(order: &mut Vec<Pick>, input: u16, rows: u32) {
    match order.last_mut() {
        Some(last) if last.input == input => last.rows += rows,
        _ => order.push(Pick {
            input,
            row: 0,
            rows,
        }),
    }
}

/// Rows of the merged part that were deleted in its inputs since the merge began.
fn carry_over(
    state: &State,
    inputs: &[Input],
    order: &[Pick],
    merged: Option<PartId>,
) -> Result<BTreeMap<PartId, RowSet>> {
    let mut rows = Vec::new();
    for (number, input) in inputs.iter().enumerate() {
        let id = input.part.entry.id;
        if !state.parts.contains_key(&id) {
            return Err(Error::Stale(id));
        }
        let Some(deleted) = state.deleted.get(&id) else {
            continue;
        };
        let late = input.live().and(deleted);
        if !late.is_empty() {
            place_rows(&late, number, input.live(), order, &mut rows);
        }
    }
    let deleted = merged
        .filter(|_| !rows.is_empty())
        .map(|id| (id, RowSet::from_ranges(rows)));
    Ok(deleted.into_iter().collect())
}

/// Finds where rows of an input went: its k-th live row is its k-th row in the order.
fn place_rows(
    late: &RowSet,
    number: usize,
    live: &RowSet,
    order: &[Pick],
    out: &mut Vec<std::ops::Range<u32>>,
) {
    let mut ordinals = Vec::new();
    let mut before = 0u32;
    let mut wanted = late
        .ranges()
        .iter()
        .flat_map(|range| range.clone())
        .peekable();
    for range in live.ranges() {
        while let Some(row) = wanted.next_if(|&row| row < range.end) {
            ordinals.push(before + (row - range.start));
        }
        before += range.end - range.start;
    }
    let (mut seen, mut place) = (0u32, 0u32);
    let mut ordinals = ordinals.into_iter().peekable();
    for run in order {
        if usize::from(run.input) == number {
            while let Some(ordinal) = ordinals.next_if(|&ordinal| ordinal < seen + run.rows) {
                let at = place + (ordinal - seen);
                out.push(at..at + 1);
            }
            seen += run.rows;
        }
        place += run.rows;
    }
}
