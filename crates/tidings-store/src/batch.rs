//! Rows on their way into a part, held column by column.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::intern::Interner;
use crate::{ColumnId, Error, Kind, Result, Schema};

/// A columnar builder of rows, the unit of writing (131,072 rows are a good size).
///
/// `begin_row`, then any number of `put_…`; a column that is not put stays null, and of two puts
/// into one column of one row the last counts. Texts are interned as they come. A put into a
/// column of another kind, an unknown column, or before the first row is an error of the calling
/// code: it is remembered and refused when the part is built, so that the hot path has no
/// `Result`.
#[derive(Debug)]
pub struct RowBatch {
    schema: Arc<Schema>,
    rows: u32,
    columns: Vec<Cells>,
    misuse: Option<String>,
    epoch: u64,
}

/// Epochs of batches begun so far: no two share one.
static EPOCHS: AtomicU64 = AtomicU64::new(1);

fn next_epoch() -> u64 {
    EPOCHS.fetch_add(1, Ordering::Relaxed)
}

/// The values of one column: the rows that have one, ascending, and their values.
#[derive(Debug)]
pub(crate) struct Cells {
    kind: Kind,
    pub(crate) rows: Vec<u32>,
    pub(crate) values: Values,
}

#[derive(Debug)]
pub(crate) enum Values {
    /// Times, integers (as their bits), floats (as their bits), booleans (0 or 1).
    Words(Vec<u64>),
    /// Texts and bytes.
    Codes(Vec<u32>, Interner),
}

impl RowBatch {
    /// An empty batch for a table.
    pub fn new(schema: &Arc<Schema>) -> Self {
        let columns = schema
            .columns()
            .iter()
            .map(|column| Cells {
                kind: column.kind,
                rows: Vec::new(),
                values: if column.kind.is_text() {
                    Values::Codes(Vec::new(), Interner::default())
                } else {
                    Values::Words(Vec::new())
                },
            })
            .collect();
        Self {
            schema: Arc::clone(schema),
            rows: 0,
            columns,
            misuse: None,
            epoch: next_epoch(),
        }
    }

    /// The table's schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Rows begun since the last [`clear`](Self::clear).
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes of memory held, capacity included.
    pub fn memory_bytes(&self) -> usize {
        self.columns
            .iter()
            .map(|cells| {
                cells.rows.capacity() * 4
                    + match &cells.values {
                        Values::Words(words) => words.capacity() * 8,
                        Values::Codes(codes, interner) => codes.capacity() * 4 + interner.memory(),
                    }
            })
            .sum()
    }

    /// Forgets all rows, keeps the memory.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.misuse = None;
        self.epoch = next_epoch();
        for cells in &mut self.columns {
            cells.rows.clear();
            match &mut cells.values {
                Values::Words(words) => words.clear(),
                Values::Codes(codes, interner) => {
                    codes.clear();
                    interner.clear();
                }
            }
        }
    }

    /// Starts the next row.
    #[inline]
    pub fn begin_row(&mut self) {
        match self.rows.checked_add(1) {
            Some(rows) => self.rows = rows,
            None => self.misuse("a batch cannot hold 2^32 rows".to_owned()),
        }
    }

    /// Sets a time, in nanoseconds since 1970-01-01 UTC.
    #[inline]
    pub fn put_time(&mut self, column: ColumnId, value: i64) {
        self.put_word(column, Kind::Time, value as u64);
    }

    /// Sets a signed integer.
    #[inline]
    pub fn put_int(&mut self, column: ColumnId, value: i64) {
        self.put_word(column, Kind::Int, value as u64);
    }

    /// Sets an unsigned integer.
    #[inline]
    pub fn put_uint(&mut self, column: ColumnId, value: u64) {
        self.put_word(column, Kind::UInt, value);
    }

    /// Sets a float; its bits are kept, `NaN` included.
    #[inline]
    pub fn put_float(&mut self, column: ColumnId, value: f64) {
        self.put_word(column, Kind::Float, value.to_bits());
    }

    /// Sets a truth value.
    #[inline]
    pub fn put_bool(&mut self, column: ColumnId, value: bool) {
        self.put_word(column, Kind::Bool, u64::from(value));
    }

    /// Sets a text.
    #[inline]
    pub fn put_text(&mut self, column: ColumnId, value: &str) {
        self.put_string(column, Kind::Text, value.as_bytes());
    }

    /// Sets a byte string.
    #[inline]
    pub fn put_bytes(&mut self, column: ColumnId, value: &[u8]) {
        self.put_string(column, Kind::Bytes, value);
    }

    /// Names the texts that the batch holds: codes of [`code`](Self::code) are good for as long as
    /// this stays the same. Never 0.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The code of a text or byte string in a column, for [`put_code`](Self::put_code): for values
    /// that come again and again.
    pub fn code(&mut self, column: ColumnId, value: &[u8]) -> u32 {
        match self.columns.get_mut(column).map(|cells| &mut cells.values) {
            Some(Values::Codes(_, interner)) => interner.code(value),
            _ => 0,
        }
    }

    /// Sets a text or byte string by its code in this column and epoch.
    #[inline]
    pub fn put_code(&mut self, column: ColumnId, code: u32) {
        let Some(kind) = self.columns.get(column).map(|cells| cells.kind) else {
            return self.explain(column, Kind::Text);
        };
        let Some(row) = self.check(column, kind) else {
            return;
        };
        let cells = &mut self.columns[column];
        match &mut cells.values {
            Values::Codes(codes, interner) if (code as usize) < interner.values().len() => {
                if cells.rows.last() == Some(&row) {
                    codes.pop();
                } else {
                    cells.rows.push(row);
                }
                codes.push(code);
            }
            _ => self.misuse(format!("code {code} of column {column} is not known")),
        }
    }

    #[inline]
    fn put_word(&mut self, column: ColumnId, kind: Kind, value: u64) {
        let Some(row) = self.check(column, kind) else {
            return;
        };
        let cells = &mut self.columns[column];
        if let Values::Words(words) = &mut cells.values {
            if cells.rows.last() == Some(&row) {
                words.pop();
            } else {
                cells.rows.push(row);
            }
            words.push(value);
        }
    }

    #[inline]
    fn put_string(&mut self, column: ColumnId, kind: Kind, value: &[u8]) {
        let Some(row) = self.check(column, kind) else {
            return;
        };
        if value.len() >= 1 << 30 {
            return self.misuse("a text of 1 GiB or more cannot be stored".to_owned());
        }
        let cells = &mut self.columns[column];
        if let Values::Codes(codes, interner) = &mut cells.values {
            // A value often comes again in the next row.
            let code = match codes.last() {
                Some(last) if interner.is(*last, value) => *last,
                _ => interner.code(value),
            };
            if cells.rows.last() == Some(&row) {
                codes.pop();
            } else {
                cells.rows.push(row);
            }
            codes.push(code);
        }
    }

    /// The current row, when the put is allowed.
    #[inline]
    fn check(&mut self, column: ColumnId, kind: Kind) -> Option<u32> {
        let known = self.columns.get(column).map(|cells| cells.kind);
        if known == Some(kind) && self.rows > 0 {
            return Some(self.rows - 1);
        }
        self.explain(column, kind);
        None
    }

    #[cold]
    fn explain(&mut self, column: ColumnId, kind: Kind) {
        let table = self.schema.table();
        let what = match self.schema.columns().get(column) {
            None => format!("table {table} has no column {column}"),
            Some(known) if known.kind != kind => format!(
                "column {} of table {table} holds {:?}, not {kind:?}",
                known.name, known.kind
            ),
            Some(known) => format!(
                "column {} of table {table} was set before a row",
                known.name
            ),
        };
        self.misuse(what);
    }

    #[cold]
    fn misuse(&mut self, what: String) {
        self.misuse.get_or_insert(what);
    }

    /// The values of a column.
    pub(crate) fn cells(&self, column: ColumnId) -> &Cells {
        &self.columns[column]
    }

    /// Refuses what was misused, and rows without a value in a required column.
    pub(crate) fn validate(&self) -> Result<()> {
        if let Some(misuse) = &self.misuse {
            return Err(Error::Invalid(misuse.clone()));
        }
        for (column, cells) in self.schema.columns().iter().zip(&self.columns) {
            if !column.nullable && cells.rows.len() != self.rows as usize {
                return Err(Error::Invalid(format!(
                    "column {} of table {} is required, and {} of {} rows lack it",
                    column.name,
                    self.schema.table(),
                    self.rows as usize - cells.rows.len(),
                    self.rows
                )));
            }
        }
        Ok(())
    }
}
