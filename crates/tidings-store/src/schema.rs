//! What a table looks like: its columns, their kinds, the order of its rows, its tokeniser.

use crate::{Error, Result};

/// A column's place in its [`Schema`]; also its name in every reading and writing call.
pub type ColumnId = usize;

/// Splits a text into the tokens under which its row is to be found, and hands each to the
/// callback. The same function must make the tokens that a query looks up.
pub type Tokenizer = fn(&str, &mut dyn FnMut(&str));

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nanoseconds since 1970-01-01 UTC, `i64`. In Parquet `INT64 TIMESTAMP(NANOS)` without zone.
    Time,
    /// `i64`.
    Int,
    /// `u64`, for ids. In Parquet `INT64 INTEGER(64, unsigned)`.
    UInt,
    /// `f64`.
    Float,
    /// A truth value.
    Bool,
    /// UTF-8 text.
    Text,
    /// Any bytes; in Parquet a `BYTE_ARRAY` without a logical type.
    Bytes,
}

impl Kind {
    /// Text or bytes.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Bytes)
    }

    /// The byte that stands for it on disk.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Time => 0,
            Self::Int => 1,
            Self::UInt => 2,
            Self::Float => 3,
            Self::Bool => 4,
            Self::Text => 5,
            Self::Bytes => 6,
        }
    }

    /// The kind that a byte on disk stands for.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Time,
            1 => Self::Int,
            2 => Self::UInt,
            3 => Self::Float,
            4 => Self::Bool,
            5 => Self::Text,
            6 => Self::Bytes,
            _ => return None,
        })
    }
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name; columns of parts are matched by it.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether its values are tokenised into the sidecar. Texts go through the schema's
    /// tokeniser; the one token of an integer is its decimal text. Times, floats and booleans
    /// cannot be indexed.
    pub indexed: bool,
    /// Whether a row may lack it. A row that lacks a column that is not nullable is refused when
    /// its part is built.
    pub nullable: bool,
    /// What becomes of a row of which damage has taken a value.
    pub if_damaged: IfDamaged,
}

/// What [`repair`](crate::repair) does where values of a column cannot be read. Times and columns that
/// order the rows are always vital.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfDamaged {
    /// The row is saved without the value.
    #[default]
    Without,
    /// The row is worth nothing without it, and is lost.
    Vital,
    /// The value says something wrong unless all others of its row are there: it is left out, too,
    /// where any other is lost.
    OnlyWhole,
}

impl Column {
    /// A nullable column without index.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            indexed: false,
            nullable: true,
            if_damaged: IfDamaged::Without,
        }
    }

    /// The same column, with what becomes of a row if it is damaged.
    #[must_use]
    pub fn if_damaged(self, if_damaged: IfDamaged) -> Self {
        Self { if_damaged, ..self }
    }

    /// The same column, tokenised into the sidecar.
    #[must_use]
    pub fn indexed(self) -> Self {
        Self {
            indexed: true,
            ..self
        }
    }

    /// The same column, present in every row.
    #[must_use]
    pub fn required(self) -> Self {
        Self {
            nullable: false,
            ..self
        }
    }
}

/// A table: what [`Store::open`](crate::Store::open) is told, never stored as such. Parts carry
/// their own columns, which are matched by name and kind when they are read.
#[derive(Clone, Debug)]
pub struct Schema {
    table: String,
    columns: Vec<Column>,
    sort: Vec<ColumnId>,
    time: ColumnId,
    tokens: Tokenizer,
    token_version: u32,
}

impl Schema {
    /// A table with its columns, the names of the columns that order its rows (times and
    /// integers only, the weightiest first, null before all values), and the name of its time
    /// column (of kind [`Kind::Time`], by which parts and pages are pruned).
    ///
    /// # Errors
    /// [`Error::Invalid`] names what does not fit: a table name that is not `[a-z0-9_]+`, a
    /// column name that is empty or doubled, an unknown sort or time column, one of the wrong
    /// kind, more than 4,096 columns.
    pub fn new(
        table: &str,
        columns: Vec<Column>,
        sort: &[&str],
        time: &str,
        tokens: Tokenizer,
    ) -> Result<Self> {
        let word = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if !word(table) || table == "quarantine" {
            return Err(Error::Invalid(format!(
                "table name \"{table}\" is not allowed: a-z, 0-9 and _ make one, except \"quarantine\""
            )));
        }
        if columns.len() > 4096 {
            return Err(Error::Invalid(format!(
                "table {table} has {} columns, 4096 are allowed",
                columns.len()
            )));
        }
        for (at, column) in columns.iter().enumerate() {
            check_column(table, &columns[..at], column)?;
        }
        let find = |name: &str| columns.iter().position(|column| column.name == name);
        let time_column = find(time)
            .filter(|&id| columns[id].kind == Kind::Time)
            .ok_or_else(|| Error::Invalid(format!("table {table} has no time column {time}")))?;
        let sort = sort
            .iter()
            .map(|name| {
                find(name)
                    .filter(|&id| matches!(columns[id].kind, Kind::Time | Kind::Int | Kind::UInt))
                    .ok_or_else(|| {
                        Error::Invalid(format!(
                            "table {table} cannot be sorted by {name}: a time or integer column is needed"
                        ))
                    })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            table: table.to_owned(),
            columns,
            sort,
            time: time_column,
            tokens,
            token_version: 0,
        })
    }

    /// The table's name, also its directory's.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The columns; a [`ColumnId`] is an index into them.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The id of a column by its name.
    pub fn column(&self, name: &str) -> Option<ColumnId> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The columns that order the rows, weightiest first.
    pub fn sort(&self) -> &[ColumnId] {
        &self.sort
    }

    /// The column by which parts and pages are pruned.
    pub fn time(&self) -> ColumnId {
        self.time
    }

    /// The same schema with a version of its tokeniser other than 0. Parts whose sidecar was made
    /// by another version, or before one of their columns was indexed, are searched as a whole
    /// until they are merged or repaired.
    #[must_use]
    pub fn with_token_version(self, version: u32) -> Self {
        Self {
            token_version: version,
            ..self
        }
    }

    /// The tokeniser's version.
    pub fn token_version(&self) -> u32 {
        self.token_version
    }

    /// The tokeniser.
    pub fn tokens(&self) -> Tokenizer {
        self.tokens
    }
}

fn check_column(table: &str, before: &[Column], column: &Column) -> Result<()> {
    let name = &column.name;
    if name.is_empty() || name.len() > 255 {
        return Err(Error::Invalid(format!(
            "table {table} has a column with a name of {} bytes, 1 to 255 are allowed",
            name.len()
        )));
    }
    if before.iter().any(|other| other.name == *name) {
        return Err(Error::Invalid(format!(
            "table {table} has column {name} twice"
        )));
    }
    if column.indexed && matches!(column.kind, Kind::Time | Kind::Float | Kind::Bool) {
        return Err(Error::Invalid(format!(
            "column {name} of table {table} cannot be indexed: only texts and integers have tokens"
        )));
    }
    Ok(())
}
