//! A part as readers see it: which rows may match, and the rows themselves.

use std::ops::{ControlFlow, Range, RangeBounds};
use std::sync::Arc;

use crate::encode::bytes::Arena;
use crate::open::{OpenPart, SharedPart};
use crate::part::layout::{DATA_PAGE_ROWS, PartColumn};
use crate::part::read::Source;
use crate::rows::{ColumnRows, Data, Values};
use crate::schema::Schema;
use crate::sidecar::file::NO_TIME;
use crate::snapshot::inclusive;
use crate::{ColumnId, Day, Error, Kind, PartFlags, PartId, Result, RowSet, Rows, TokenExpr};

/// A part of a snapshot. Holds the part's files on disk by itself. Deleted rows are in no answer.
#[derive(Clone, Debug)]
pub struct Part {
    pub(crate) shared: Arc<SharedPart>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) deleted: Option<Arc<RowSet>>,
}

/// A row group of a part: the unit in which rows are best walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its row numbers.
    pub rows: Range<u32>,
    /// Least and greatest time, if any of its rows has one.
    pub times: Option<(i64, i64)>,
}

impl Part {
    /// Its id.
    pub fn id(&self) -> PartId {
        self.shared.entry.id
    }

    /// The day it is filed under; rows with impossible times are filed under another day than
    /// their own.
    pub fn day(&self) -> Day {
        self.shared.entry.day
    }

    /// Its rows, deleted ones included: row numbers are below.
    pub fn rows(&self) -> u32 {
        self.shared.entry.rows
    }

    /// Rows that are marked deleted.
    pub fn deleted_rows(&self) -> u64 {
        self.deleted.as_ref().map_or(0, |rows| rows.len())
    }

    /// Rows of a page at most. Reading any row of a column unpacks the page that it is in, and the
    /// pages of all columns begin at multiples of it, or between them.
    pub const PAGE_ROWS: u32 = DATA_PAGE_ROWS as u32;

    /// Least and greatest time, if any row has one.
    pub fn times(&self) -> Option<(i64, i64)> {
        Some(self.shared.entry.times).filter(|&times| times != NO_TIME)
    }

    /// Its marks.
    pub fn flags(&self) -> PartFlags {
        self.shared.entry.flags
    }

    /// How often its rows were merged.
    pub fn level(&self) -> u8 {
        self.shared.entry.level
    }

    /// Bytes of its Parquet file and of its sidecar.
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.shared.entry.part_bytes,
            self.shared.entry.sidecar_bytes,
        )
    }

    /// The Parquet file's name, relative to the store's root.
    pub fn path(&self) -> std::path::PathBuf {
        self.shared.entry.part_path()
    }

    /// The table's schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// All rows that are not deleted.
    pub fn all(&self) -> RowSet {
        self.live(RowSet::range(0..self.rows()))
    }

    fn live(&self, rows: RowSet) -> RowSet {
        match &self.deleted {
            Some(deleted) => rows.minus(deleted),
            None => rows,
        }
    }

    /// The rows that may match an expression of tokens: every row that matches is among them.
    /// One read of the sidecar for each token, and one more when the part was not in use.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Io`], naming the sidecar.
    pub fn candidates(&self, expr: &TokenExpr) -> Result<RowSet> {
        let open = self.shared.open()?;
        if !open.is_indexed(&self.schema) {
            return Ok(self.all());
        }
        let rows = expr.evaluate(self.rows(), &mut |token| open.look_up(token))?;
        Ok(self.live(rows))
    }

    /// The rows of pages that may hold a time in the range.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Io`], naming the sidecar.
    pub fn within(&self, times: impl RangeBounds<i64>) -> Result<RowSet> {
        let Some((from, to)) = inclusive(&times) else {
            return Ok(RowSet::none());
        };
        let (least, greatest) = self.shared.entry.times;
        if self.shared.entry.times == NO_TIME || (from <= least && to >= greatest) {
            return Ok(self.all());
        }
        self.in_range(self.schema.time(), from..=to)
    }

    /// The rows of pages that may hold a value of a time or `Int` column in the range. Cheap for
    /// the time column and for the one that orders the rows first, whose pages keep their ranges;
    /// others are pruned by row group, at one small read each. Null is in no range.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Io`], naming the sidecar; [`Error::Invalid`] for a column of
    /// another kind.
    pub fn in_range(&self, column: ColumnId, values: impl RangeBounds<i64>) -> Result<RowSet> {
        self.check_ordered(column)?;
        let Some((from, to)) = inclusive(&values) else {
            return Ok(RowSet::none());
        };
        let open = self.shared.open()?;
        let Some((number, _)) = self.part_column(&open, column)? else {
            return Ok(RowSet::none());
        };
        let roles = &open.head.roles;
        let (is_time, is_key) = (
            roles.time.map(usize::from) == Some(number),
            roles.sort.first().map(|&first| usize::from(first)) == Some(number),
        );
        let mut rows = RowSet::none();
        for (at, head) in open.head.groups.iter().enumerate() {
            let known = if is_time {
                Some(head.times)
            } else {
                is_key.then_some(head.keys)
            };
            match known {
                Some((least, greatest)) if least > to || greatest < from => {}
                Some((least, greatest)) if from <= least && to >= greatest && is_time => {
                    rows.push(head.first_row..head.first_row + head.rows);
                }
                _ => push_pages(&open, at, number, (from, to), &mut rows)?,
            }
        }
        Ok(self.live(rows))
    }

    /// The greatest value of a time or `Int` column, that of deleted rows included; `None` if
    /// every row is null. One small read a row group, and none of the column itself.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Io`], naming the sidecar; [`Error::Invalid`] for a column of
    /// another kind.
    pub fn greatest(&self, column: ColumnId) -> Result<Option<i64>> {
        self.check_ordered(column)?;
        let open = self.shared.open()?;
        let Some((number, _)) = self.part_column(&open, column)? else {
            return Ok(None);
        };
        let mut greatest = None;
        for at in 0..open.head.groups.len() {
            let group = open.group(at)?;
            let of_group = group.chunks.get(number).and_then(|chunk| chunk.range);
            greatest = greatest.max(of_group.map(|(_, bits)| bits as i64));
        }
        Ok(greatest)
    }

    /// Refuses a column that is not of times or integers.
    fn check_ordered(&self, column: ColumnId) -> Result<()> {
        match self.schema.columns().get(column).map(|column| column.kind) {
            Some(Kind::Time | Kind::Int) => Ok(()),
            _ => Err(Error::Invalid(format!(
                "column {column} is not of times or integers"
            ))),
        }
    }

    /// The part's row groups, in order.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Io`], naming the sidecar.
    pub fn groups(&self) -> Result<Vec<GroupInfo>> {
        let open = self.shared.open()?;
        let info = |head: &crate::sidecar::file::GroupHead| GroupInfo {
            rows: head.first_row..head.first_row + head.rows,
            times: Some(head.times).filter(|&times| times != NO_TIME),
        };
        Ok(open.head.groups.iter().map(info).collect())
    }

    /// Bytes that each column takes in the Parquet file, by name.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Io`], naming the sidecar.
    pub fn column_bytes(&self) -> Result<Vec<(String, u64)>> {
        let open = self.shared.open()?;
        let mut all: Vec<_> = open
            .head
            .columns
            .iter()
            .map(|had| (had.name.clone(), 0))
            .collect();
        for at in 0..open.head.groups.len() {
            for (column, chunk) in all.iter_mut().zip(&open.group(at)?.chunks) {
                column.1 += chunk.bytes();
            }
        }
        Ok(all)
    }

    /// Whether a reader has [marked](Self::mark) this page of a column.
    #[must_use]
    pub fn is_marked(&self, column: ColumnId, page: u32) -> bool {
        self.shared.marks.is_set(column, page)
    }

    /// Notes something that was found out about a column's page of [`PAGE_ROWS`](Self::PAGE_ROWS) rows, for
    /// as long as the part is open. There is one kind of mark, whose meaning is the caller's; columns
    /// beyond the 64th have none.
    pub fn mark(&self, column: ColumnId, page: u32) {
        self.shared.marks.set(column, page, self.rows());
    }

    /// Reads the given columns of the given rows. Only pages that hold such rows are read and
    /// decoded: some 50 µs a column and page. A column that the part lacks is null in every row.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Io`], naming the file; [`Error::Invalid`] for a column that
    /// is not in the schema, or that the part holds in another kind.
    pub fn read(&self, columns: &[ColumnId], rows: &RowSet) -> Result<Rows> {
        let mut all = self.no_rows(columns)?;
        let open = self.shared.open()?;
        let rows = self.live(rows.and(&RowSet::range(0..self.rows())));
        self.each_group(&open, &rows, |group, first_row, ranges| {
            self.read_group(&open, columns, group, first_row, ranges, &mut all)
        })?;
        self.settle(&mut all)?;
        Ok(all)
    }

    /// Reads the given columns of the given rows one row group at a time, for aggregates: the
    /// rows handed over are those of one row group, their text codes are dense and few. Memory is
    /// that of one row group. `Break` ends the scan.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn scan(
        &self,
        columns: &[ColumnId],
        rows: &RowSet,
        each: &mut dyn FnMut(&Rows) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut here = self.no_rows(columns)?;
        let open = self.shared.open()?;
        let rows = self.live(rows.and(&RowSet::range(0..self.rows())));
        let mut broken = false;
        self.each_group(&open, &rows, |group, first_row, ranges| {
            if !broken {
                here.clear();
                self.read_group(&open, columns, group, first_row, ranges, &mut here)?;
                self.settle(&mut here)?;
                broken = each(&here).is_break();
            }
            Ok(())
        })
    }

    fn no_rows(&self, columns: &[ColumnId]) -> Result<Rows> {
        let mut rows = Rows::default();
        rows.slots.resize(self.schema.columns().len(), u16::MAX);
        for &id in columns {
            let column = self.schema.columns().get(id).ok_or_else(|| {
                Error::Invalid(format!("table {} has no column {id}", self.schema.table()))
            })?;
            // A schema has at most 4,096 columns.
            rows.slots[id] = rows.columns.len() as u16;
            rows.columns.push(ColumnRows {
                kind: column.kind,
                data: Data::Absent,
            });
        }
        Ok(rows)
    }

    /// Calls for each row group that holds chosen rows, with the ranges counted from its first.
    fn each_group(
        &self,
        open: &OpenPart,
        rows: &RowSet,
        mut each: impl FnMut(usize, u32, &[Range<u32>]) -> Result<()>,
    ) -> Result<()> {
        let mut local = Vec::new();
        let mut from = 0;
        for (at, head) in open.head.groups.iter().enumerate() {
            let end = head.first_row + head.rows;
            local.clear();
            while let Some(range) = rows.ranges().get(from).filter(|range| range.start < end) {
                let start = range.start.max(head.first_row) - head.first_row;
                local.push(start..range.end.min(end) - head.first_row);
                if range.end > end {
                    break;
                }
                from += 1;
            }
            if !local.is_empty() {
                each(at, head.first_row, &local)?;
            }
        }
        Ok(())
    }

    fn part_column<'a>(
        &self,
        open: &'a OpenPart,
        id: ColumnId,
    ) -> Result<Option<(usize, &'a PartColumn)>> {
        let wanted = &self.schema.columns()[id];
        let found = open
            .head
            .columns
            .iter()
            .enumerate()
            .find(|(_, had)| had.name == wanted.name);
        match found {
            Some((_, had)) if had.kind != wanted.kind => Err(Error::Invalid(format!(
                "column {} is {:?} in {}, {:?} in the schema",
                wanted.name,
                had.kind,
                open.part_path.display(),
                wanted.kind
            ))),
            found => Ok(found),
        }
    }

    fn read_group(
        &self,
        open: &OpenPart,
        columns: &[ColumnId],
        at: usize,
        first_row: u32,
        ranges: &[Range<u32>],
        out: &mut Rows,
    ) -> Result<()> {
        for range in ranges {
            out.numbers
                .extend(range.start + first_row..range.end + first_row);
        }
        let group = open.group(at)?;
        let (file, length) = open.part_file()?;
        let source = Source {
            file: &*file,
            length,
        };
        let mut reader = self.shared.cache().reader()?;
        for (&id, column) in columns.iter().zip(&mut out.columns) {
            if let Some((number, had)) = self.part_column(open, id)? {
                let chunk = &group.chunks[number];
                reader
                    .read(&source, had, chunk, ranges, &mut column.data)
                    .map_err(|error| error.in_file(&open.part_path))?;
            }
        }
        self.shared.cache().give_back(reader);
        Ok(())
    }

    /// Checks the texts, so that access needs no `Result`.
    fn settle(&self, rows: &mut Rows) -> Result<()> {
        for column in &mut rows.columns {
            column
                .data
                .settle(column.kind)
                .map_err(|error| error.in_file(&self.path()))?;
        }
        Ok(())
    }
}

impl Rows {
    /// Forgets the rows, keeps the columns and their memory.
    fn clear(&mut self) {
        self.numbers.clear();
        for column in &mut self.columns {
            match &mut column.data {
                Data::Absent => {}
                Data::Words { words, presence } => {
                    words.clear();
                    presence.clear();
                }
                Data::Texts { codes, values } => {
                    codes.clear();
                    let taken = std::mem::replace(values, Values::Bytes(Arena::default()));
                    let mut arena = taken.into_bytes();
                    arena.clear();
                    *values = Values::Bytes(arena);
                }
            }
        }
    }
}

/// Adds the pages of a row group whose values touch the range.
fn push_pages(
    open: &OpenPart,
    at: usize,
    number: usize,
    (from, to): (i64, i64),
    rows: &mut RowSet,
) -> Result<()> {
    let first = open.head.groups[at].first_row;
    let group = open.group(at)?;
    let chunk = &group.chunks[number];
    let touches = |least: i64, greatest: i64| least <= to && greatest >= from;
    if chunk.page_ranges.len() != chunk.pages.len() {
        if chunk
            .range
            .is_some_and(|(least, greatest)| touches(least as i64, greatest as i64))
        {
            rows.push(first..first + group.rows);
        }
        return Ok(());
    }
    let mut row = first;
    for (page, &(least, greatest)) in chunk.pages.iter().zip(&chunk.page_ranges) {
        if touches(least, greatest) {
            rows.push(row..row + page.rows);
        }
        row += page.rows;
    }
    Ok(())
}
