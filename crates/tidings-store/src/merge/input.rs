//! One part being merged: its rows in order, one row group in memory.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::build::sort_key;
use crate::open::{OpenPart, SharedPart};
use crate::part::layout::{Chunk, PartColumn};
use crate::part::read::{ChunkReader, Source};
use crate::rows::Data;
use crate::sidecar::file::NO_TIME;
use crate::{Kind, Result, RowSet, Schema};

/// Columns that order rows, at most; more are compared for no one.
pub(crate) const MAX_KEYS: usize = 8;
/// A row's sort keys, weightiest first, 0 where there is none.
pub(crate) type Key = [u64; MAX_KEYS];

/// What an input gives for a text code that it has not been asked for in this row group.
pub(crate) const UNMAPPED: u32 = u32::MAX;

/// A part being merged.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) part: Arc<SharedPart>,
    open: Arc<OpenPart>,
    /// Rows that were not deleted when the merge began.
    live: RowSet,
    /// By the part's columns: rows whose values cannot be read, and are left out.
    nulls: BTreeMap<usize, RowSet>,
    /// For each sort column of the schema: the part's column, and its kind.
    keys: Vec<Option<(usize, Kind)>>,
    /// The row group that the head row is in, and the head row among its live rows.
    group: usize,
    row: usize,
    /// The head row's key; of a row group not in memory its least possible one. `None` at the end.
    pub(crate) head: Option<Key>,
    loaded: Option<Loaded>,
}

/// The live rows of one row group.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) rows: usize,
    /// By the part's columns.
    pub(crate) columns: Vec<Data>,
    /// By the part's columns: output codes of texts, by code; [`UNMAPPED`] at first.
    pub(crate) mapped: Vec<Vec<u32>>,
    /// By the schema's sort columns: the keys of the rows.
    keys: Vec<Vec<u64>>,
}

impl Input {
    pub(crate) fn new(
        part: Arc<SharedPart>,
        left_out: &RowSet,
        nulls: &BTreeMap<usize, RowSet>,
        schema: &Schema,
    ) -> Result<Self> {
        let open = part.open()?;
        let all = RowSet::range(0..part.entry.rows);
        let live = all.minus(left_out);
        let keys = schema
            .sort()
            .iter()
            .take(MAX_KEYS)
            .map(|&id| {
                let wanted = &schema.columns()[id];
                let found = open
                    .head
                    .columns
                    .iter()
                    .position(|had| had.name == wanted.name && had.kind == wanted.kind);
                found.map(|at| (at, wanted.kind))
            })
            .collect();
        let mut input = Self {
            part,
            open,
            live,
            nulls: nulls.clone(),
            keys,
            group: 0,
            row: 0,
            head: None,
            loaded: None,
        };
        input.settle();
        Ok(input)
    }

    /// The part's columns.
    pub(crate) fn columns(&self) -> &[PartColumn] {
        &self.open.head.columns
    }

    /// Whether a column of the part has a value in every row that comes out of it.
    pub(crate) fn is_required(&self, column: usize) -> bool {
        self.open.head.columns[column].required && !self.nulls.contains_key(&column)
    }

    /// Rows that will come out of it.
    pub(crate) fn live_rows(&self) -> u64 {
        self.live.len()
    }

    /// The rows that will come out of it.
    pub(crate) fn live(&self) -> &RowSet {
        &self.live
    }

    /// Rows in memory.
    pub(crate) fn loaded_rows(&self) -> usize {
        self.loaded.as_ref().map_or(0, |loaded| loaded.rows)
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.is_some()
    }

    /// The rows in memory.
    pub(crate) fn loaded(&mut self) -> Option<&mut Loaded> {
        self.loaded.as_mut()
    }

    /// Gives the memory up; the rows are read again when their turn comes.
    pub(crate) fn unload(&mut self) {
        self.loaded = None;
    }

    /// The place of the head row among the rows in memory.
    pub(crate) fn row(&self) -> usize {
        self.row
    }

    /// Goes on by some rows; the rows in memory stay until [`settle`](Self::settle).
    pub(crate) fn advance(&mut self, rows: usize) {
        self.row += rows;
        self.head = self
            .loaded
            .as_ref()
            .filter(|loaded| self.row < loaded.rows)
            .map(|loaded| loaded.key(self.row));
    }

    /// Whether all rows in memory are passed.
    pub(crate) fn is_passed(&self) -> bool {
        self.loaded
            .as_ref()
            .is_some_and(|loaded| self.row >= loaded.rows)
    }

    /// How many rows from the head on have keys of at most `bound`, at least one and at most `limit`.
    pub(crate) fn run(&self, bound: Option<&Key>, limit: usize) -> usize {
        let Some(loaded) = &self.loaded else { return 0 };
        let left = (loaded.rows - self.row).min(limit);
        let Some(bound) = bound else { return left };
        let mut count = 1;
        while count < left && loaded.key(self.row + count) <= *bound {
            count += 1;
        }
        count.min(left)
    }

    /// After all rows in memory are passed (or before the first): finds the next row group with
    /// live rows, and sets the head to its least possible key.
    pub(crate) fn settle(&mut self) {
        if self.is_passed() {
            self.loaded = None;
            self.group += 1;
            self.row = 0;
        }
        while let Some(group) = self.open.head.groups.get(self.group) {
            let rows = group.first_row..group.first_row + group.rows;
            if !self.live.and(&RowSet::range(rows)).is_empty() {
                break;
            }
            self.group += 1;
        }
        self.head = self.open.head.groups.get(self.group).map(|group| {
            let mut least = [0; MAX_KEYS];
            // A row group may hold nulls, which come before its least value; only a complete
            // column's range is a bound.
            let column = self.keys.first().copied().flatten();
            if let Some((at, kind)) = column
                && self.open.head.columns[at].required
                && group.keys != NO_TIME
                && self.open.head.roles.sort.first() == Some(&(at as u16))
                && kind != Kind::UInt
            {
                least[0] = sort_key(kind, group.keys.0 as u64);
            }
            least
        });
    }

    /// Reads the head's row group into memory; afterwards the head is exact.
    pub(crate) fn load(&mut self, reader: &mut ChunkReader) -> Result<()> {
        let head = self.open.head.groups[self.group];
        let group = self.open.group(self.group)?;
        let within = RowSet::range(head.first_row..head.first_row + head.rows);
        let rows = self.live.and(&within);
        let ranges: Vec<Range<u32>> = rows
            .ranges()
            .iter()
            .map(|range| range.start - head.first_row..range.end - head.first_row)
            .collect();
        let (file, length) = self.open.part_file()?;
        let source = Source {
            file: &*file,
            length,
        };
        let mut loaded = Loaded {
            rows: rows.len() as usize,
            ..Loaded::default()
        };
        for (at, (column, chunk)) in self.open.head.columns.iter().zip(&group.chunks).enumerate() {
            let mut data = Data::Absent;
            let read = match self.nulls.get(&at).map(|nulls| nulls.and(&rows)) {
                Some(nulls) if !nulls.is_empty() => {
                    let pieces = pieces(&rows, &nulls, head.first_row);
                    read_around(reader, &source, column, chunk, &pieces, &mut data)
                }
                _ => reader.read(&source, column, chunk, &ranges, &mut data),
            };
            let read = read.and_then(|()| data.settle(column.kind));
            read.map_err(|error| error.in_file(&self.open.part_path))?;
            let codes = match &data {
                Data::Texts { values, .. } => values.len(),
                _ => 0,
            };
            loaded.mapped.push(vec![UNMAPPED; codes]);
            loaded.columns.push(data);
        }
        loaded.keys = self.keys.iter().map(|key| keys_of(&loaded, *key)).collect();
        self.head = Some(loaded.key(self.row));
        self.loaded = Some(loaded);
        Ok(())
    }
}

impl Loaded {
    fn key(&self, row: usize) -> Key {
        let mut key = [0; MAX_KEYS];
        for (to, from) in key.iter_mut().zip(&self.keys) {
            *to = from.get(row).copied().unwrap_or(0);
        }
        key
    }

    /// Forgets the output codes, which are about to be given anew.
    pub(crate) fn unmap(&mut self, column: usize) {
        self.mapped[column].fill(UNMAPPED);
    }
}

/// Runs of rows, counted from the row group's first, each with whether its values can be read.
fn pieces(rows: &RowSet, nulls: &RowSet, first_row: u32) -> Vec<(Range<u32>, bool)> {
    let local = |range: &Range<u32>| range.start - first_row..range.end - first_row;
    let whole = rows.minus(nulls);
    let whole = whole.ranges().iter().map(|range| (local(range), true));
    let nulls = nulls.ranges().iter().map(|range| (local(range), false));
    let mut pieces: Vec<_> = whole.chain(nulls).collect();
    pieces.sort_by_key(|(range, _)| range.start);
    pieces
}

/// Reads rows of a chunk of which some cannot be read: those have no value.
fn read_around(
    reader: &mut ChunkReader,
    source: &Source<'_>,
    column: &PartColumn,
    chunk: &Chunk,
    pieces: &[(Range<u32>, bool)],
    out: &mut Data,
) -> Result<()> {
    for (range, is_whole) in pieces {
        let wanted = if *is_whole {
            std::slice::from_ref(range)
        } else {
            &[]
        };
        reader.read(source, column, chunk, wanted, out)?;
        if !is_whole {
            out.push_nulls(range.len());
        }
    }
    Ok(())
}

fn keys_of(loaded: &Loaded, column: Option<(usize, Kind)>) -> Vec<u64> {
    let Some((at, kind)) = column else {
        return Vec::new();
    };
    let Data::Words { words, presence } = &loaded.columns[at] else {
        return Vec::new();
    };
    let key = |(row, &word): (usize, &u64)| {
        if presence.get(row) {
            sort_key(kind, word)
        } else {
            0
        }
    };
    words.iter().enumerate().map(key).collect()
}
