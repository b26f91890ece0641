//! Makes a part out of a batch: sort, encode, index, write; all the work before a commit.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidings_spool::{Backend, File};

use crate::batch::{Cells, RowBatch, Values};
use crate::encode::presence::Presence;
use crate::manifest::PartEntry;
use crate::part::choose::Choice;
use crate::part::chunk::{ChunkEncoder, GroupColumn, GroupValues};
use crate::part::footer::FileMeta;
use crate::part::layout::{Chunk, GROUP_ROWS, Group, PartColumn};
use crate::part::write::{HashedFile, PartWriter, WrittenPart};
use crate::sidecar::collect::{Collector, TokenTable};
use crate::sidecar::file::{self, Roles};
use crate::sidecar::runs::TokenRuns;
use crate::{ColumnId, Day, Kind, PartFlags, PartId, Result, Schema};

/// A part that is written but not committed: its files have temporary names and are not yet
/// durable. Dropping it removes them.
#[derive(Debug)]
pub struct NewPart {
    pub(crate) entry: PartEntry,
    pub(crate) part: Arc<dyn File>,
    pub(crate) sidecar: Arc<dyn File>,
    pub(crate) backend: Arc<dyn Backend>,
    /// The files have their final names, or are gone.
    pub(crate) settled: bool,
}

impl NewPart {
    /// The id it will have.
    pub fn id(&self) -> PartId {
        self.entry.id
    }

    /// Its rows.
    pub fn rows(&self) -> u32 {
        self.entry.rows
    }

    /// Bytes of its two files.
    pub fn bytes(&self) -> u64 {
        self.entry.part_bytes + self.entry.sidecar_bytes
    }
}

impl Drop for NewPart {
    fn drop(&mut self) {
        if !self.settled {
            // What cannot be removed now is removed as a leftover at the next open.
            let _ = self.backend.remove(&temporary(&self.entry.part_path()));
            let _ = self.backend.remove(&temporary(&self.entry.sidecar_path()));
        }
    }
}

/// The name a file has until its commit.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// What a new part is to be, besides its rows.
#[derive(Clone, Debug)]
pub(crate) struct PartPlan {
    pub(crate) id: PartId,
    pub(crate) table: Arc<str>,
    pub(crate) day: Day,
    pub(crate) flags: PartFlags,
    pub(crate) level: u8,
    /// The parts whose rows it takes over.
    pub(crate) from: Vec<PartId>,
}

impl PartPlan {
    /// An entry whose sizes and times are still to come.
    pub(crate) fn entry(&self) -> PartEntry {
        PartEntry {
            id: self.id,
            table: Arc::clone(&self.table),
            day: self.day,
            rows: 0,
            times: file::NO_TIME,
            level: self.level,
            flags: self.flags,
            part_bytes: 0,
            part_hash: 0,
            sidecar_bytes: 0,
            sidecar_hash: 0,
        }
    }

    /// Reads [`notes`](Self::notes); `None` if they are not ours.
    pub(crate) fn of_notes(table: &str, notes: &str) -> Option<Self> {
        let field = |name: &str| {
            notes
                .split(' ')
                .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        if field("v") != Some("1") {
            return None;
        }
        let from = field("from")?.split(',').filter(|id| !id.is_empty());
        Some(Self {
            id: PartId(field("id")?.parse().ok()?),
            table: table.into(),
            day: Day(field("day")?.parse().ok()?),
            flags: PartFlags::from_bits(field("flags")?.parse().ok()?),
            level: field("level")?.parse().ok()?,
            from: from
                .map(|id| id.parse().ok().map(PartId))
                .collect::<Option<_>>()?,
        })
    }

    /// Notes in the part's footer, from which a lost manifest is made again.
    pub(crate) fn notes(&self) -> String {
        let from: Vec<String> = self.from.iter().map(|id| id.0.to_string()).collect();
        format!(
            "v=1 id={} day={} flags={} level={} from={}",
            self.id.0,
            self.day.0,
            self.flags.bits(),
            self.level,
            from.join(",")
        )
    }
}

/// Writes a batch as a part. `choices` are those of the table's columns, from one part to the
/// next.
pub(crate) fn build(
    backend: &Arc<dyn Backend>,
    plan: &PartPlan,
    batch: &RowBatch,
    level: i32,
    choices: &mut Vec<Choice>,
) -> Result<NewPart> {
    batch.validate()?;
    choices.resize(batch.schema().columns().len(), Choice::default());
    let schema = Arc::clone(batch.schema());
    let order = Order::of(&schema, batch);
    let columns: Vec<ColumnId> = (0..schema.columns().len())
        .filter(|&id| !batch.cells(id).rows.is_empty())
        .collect();
    let meta = file_meta(&schema, batch, &columns, plan);
    let roles = roles(&schema, &meta);
    let path = temporary(&plan.entry().part_path());
    let mut writer = PartWriter::create(&**backend, &path, meta, roles)?;
    let mut encoder = ChunkEncoder::new(level)?;
    let mut collector = Collector::default();
    let mut encoded = Vec::with_capacity(columns.len());
    for (number, &id) in columns.iter().enumerate() {
        let column = BatchColumn {
            schema: &schema,
            id,
            number: number as u16,
            batch,
        };
        encoded.push(column.encode(&order, &mut encoder, &mut choices[id], &mut collector)?);
    }
    assemble(&mut writer, &order, encoded)?;
    finish(backend, plan, writer.finish()?, collector.runs)
}

/// Writes the sidecar and makes the new part of both files.
pub(crate) fn finish(
    backend: &Arc<dyn Backend>,
    plan: &PartPlan,
    part: WrittenPart,
    runs: TokenRuns,
) -> Result<NewPart> {
    let mut entry = plan.entry();
    entry.rows = part.directory.rows();
    entry.times = part.directory.times();
    entry.part_bytes = part.file.bytes;
    entry.part_hash = part.file.hash;
    let mut sidecar = HashedFile::create(&**backend, &temporary(&entry.sidecar_path()))?;
    sidecar.write(&file::encode(
        &part.columns,
        &part.roles,
        &part.directory,
        runs,
    )?)?;
    let sidecar = sidecar.finish()?;
    entry.sidecar_bytes = sidecar.bytes;
    entry.sidecar_hash = sidecar.hash;
    Ok(NewPart {
        entry,
        part: part.file.file,
        sidecar: sidecar.file,
        backend: Arc::clone(backend),
        settled: false,
    })
}

fn file_meta(schema: &Schema, batch: &RowBatch, columns: &[ColumnId], plan: &PartPlan) -> FileMeta {
    let part_columns = columns
        .iter()
        .map(|&id| {
            let column = &schema.columns()[id];
            let required = batch.cells(id).rows.len() == batch.rows() as usize;
            PartColumn {
                name: column.name.clone(),
                kind: column.kind,
                required,
            }
        })
        .collect();
    // A sort column that is null everywhere orders nothing, the ones after it still do.
    let sort = schema
        .sort()
        .iter()
        .filter_map(|id| columns.iter().position(|column| column == id))
        .map(|at| at as u16)
        .collect();
    FileMeta {
        table: schema.table().to_owned(),
        columns: part_columns,
        sort,
        notes: plan.notes(),
    }
}

/// Which of a part's columns have which role under a schema.
pub(crate) fn roles(schema: &Schema, meta: &FileMeta) -> Roles {
    let id_of = |had: &PartColumn| {
        schema
            .column(&had.name)
            .filter(|&id| schema.columns()[id].kind == had.kind)
    };
    let numbers = |wanted: &dyn Fn(ColumnId) -> bool| -> Vec<u16> {
        // A part has at most 65,535 columns: those of all schemas its rows ever had.
        let columns = meta.columns.iter().zip(0u16..);
        columns
            .filter(|(had, _)| id_of(had).is_some_and(wanted))
            .map(|(_, at)| at)
            .collect()
    };
    Roles {
        time: numbers(&|id| id == schema.time()).first().copied(),
        sort: meta.sort.clone(),
        indexed: numbers(&|id| schema.columns()[id].indexed),
        token_version: schema.token_version(),
    }
}

/// Whether the pages of a column keep their ranges: the time column's, and those of the column
/// that orders the rows first.
pub(crate) fn prunes(schema: &Schema, id: ColumnId) -> bool {
    let signed = matches!(schema.columns()[id].kind, Kind::Time | Kind::Int);
    signed && (id == schema.time() || schema.sort().first() == Some(&id))
}

/// Where each row of a batch goes.
struct Order {
    rows: usize,
    /// New place by old row; `None` if the rows were in order already.
    places: Option<Vec<u32>>,
}

impl Order {
    fn of(schema: &Schema, batch: &RowBatch) -> Self {
        let rows = batch.rows() as usize;
        let keys: Vec<Vec<u64>> = schema
            .sort()
            .iter()
            .map(|&id| sort_keys(batch.cells(id), rows, schema.columns()[id].kind))
            // What is the same in all rows orders nothing.
            .filter(|key| key.iter().any(|word| Some(word) != key.first()))
            .collect();
        let Some((first, rest)) = keys.split_first() else {
            return Self { rows, places: None };
        };
        let compare = |keys: &[Vec<u64>], a: usize, b: usize| {
            keys.iter()
                .map(|key| key[a].cmp(&key[b]))
                .find(|order| order.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        };
        if (1..rows).all(|row| compare(&keys, row - 1, row).is_le()) {
            return Self { rows, places: None };
        }
        let mut order: Vec<(u64, u32)> = first.iter().copied().zip(0..).collect();
        sort_by_key(&mut order);
        for equal in order.chunk_by_mut(|a, b| a.0 == b.0) {
            if equal.len() > 1 {
                equal.sort_by(|&(_, a), &(_, b)| compare(rest, a as usize, b as usize));
            }
        }
        let mut places = vec![0; rows];
        for (place, &(_, row)) in order.iter().enumerate() {
            places[row as usize] = place as u32;
        }
        Self {
            rows,
            places: Some(places),
        }
    }
}

/// Sorts by the key, keeping the order of equal ones: counting passes over the digits in which
/// keys differ.
fn sort_by_key(pairs: &mut Vec<(u64, u32)>) {
    const DIGIT: u32 = 11;
    let least = pairs.iter().map(|pair| pair.0).min().unwrap_or(0);
    // Null is far below all times: it would make every digit differ, so it stays 0.
    let least_value = pairs
        .iter()
        .map(|pair| pair.0)
        .filter(|&key| key > 0)
        .min()
        .unwrap_or(0);
    let shift = |key: u64| {
        if key == 0 {
            0
        } else {
            key - least_value + u64::from(least == 0)
        }
    };
    let greatest = pairs.iter().map(|pair| shift(pair.0)).max().unwrap_or(0);
    let mut spare = vec![(0, 0); pairs.len()];
    let mut at = 0;
    while at < 64 && greatest >> at > 0 {
        let digit = |key: u64| (shift(key) >> at) as usize & ((1 << DIGIT) - 1);
        let mut starts = vec![0usize; 1 << DIGIT];
        pairs.iter().for_each(|pair| starts[digit(pair.0)] += 1);
        let mut sum = 0;
        for start in &mut starts {
            sum += std::mem::replace(start, sum);
        }
        for &pair in pairs.iter() {
            let start = &mut starts[digit(pair.0)];
            spare[*start] = pair;
            *start += 1;
        }
        std::mem::swap(pairs, &mut spare);
        at += DIGIT;
    }
}

/// Sort keys of a column by row, ordered as unsigned numbers: null first.
fn sort_keys(cells: &Cells, rows: usize, kind: Kind) -> Vec<u64> {
    let mut keys = vec![0; rows];
    if let Values::Words(words) = &cells.values {
        for (&row, &word) in cells.rows.iter().zip(words) {
            keys[row as usize] = sort_key(kind, word);
        }
    }
    keys
}

/// A word's sort key. The least value shares the one after it, since 0 is null.
#[inline]
pub(crate) fn sort_key(kind: Kind, word: u64) -> u64 {
    let key = if kind == Kind::UInt {
        word
    } else {
        word ^ 1 << 63
    };
    key.max(1)
}

/// One column of the batch on its way into chunks.
struct BatchColumn<'a> {
    schema: &'a Schema,
    id: ColumnId,
    number: u16,
    batch: &'a RowBatch,
}

/// A column's chunks, in pages ready to be written.
struct EncodedColumn {
    bytes: Vec<u8>,
    chunks: Vec<Chunk>,
}

impl BatchColumn<'_> {
    fn encode(
        &self,
        order: &Order,
        encoder: &mut ChunkEncoder,
        choice: &mut Choice,
        collector: &mut Collector,
    ) -> Result<EncodedColumn> {
        let cells = self.batch.cells(self.id);
        let column = &self.schema.columns()[self.id];
        let mut table = TokenTable::default();
        if let (Values::Codes(_, interner), true) = (&cells.values, column.indexed) {
            table.extend(interner.values(), self.schema.tokens());
        }
        let placed = Placed::of(cells, order);
        let mut out = EncodedColumn {
            bytes: Vec::new(),
            chunks: Vec::new(),
        };
        let mut presence = Presence::default();
        let mut from = 0;
        for start in (0..order.rows).step_by(GROUP_ROWS) {
            let end = (start + GROUP_ROWS).min(order.rows);
            presence.copy_from(&placed.presence, start, end);
            let to = from + presence.count(0, end - start);
            let values = match &cells.values {
                Values::Words(_) => GroupValues::Words(&placed.words[from..to]),
                Values::Codes(_, interner) => GroupValues::Texts {
                    codes: &placed.codes[from..to],
                    values: interner.values(),
                },
            };
            from = to;
            let group = GroupColumn {
                kind: column.kind,
                required: cells.rows.len() == order.rows,
                prunes: prunes(self.schema, self.id),
                presence: &presence,
                values,
            };
            let chunk = encoder.encode(self.number, &group, choice, &mut out.bytes)?;
            out.chunks.push(chunk);
            if column.indexed {
                match values {
                    GroupValues::Words(words) => {
                        collector.words(start as u32, &presence, column.kind, words);
                    }
                    GroupValues::Texts { codes, .. } => {
                        collector.texts(start as u32, &presence, codes, &table);
                    }
                }
            }
        }
        Ok(out)
    }
}

/// A column's values in the order of their places, and which places have one.
struct Placed {
    presence: Presence,
    words: Vec<u64>,
    codes: Vec<u32>,
}

impl Placed {
    fn of(cells: &Cells, order: &Order) -> Self {
        let Some(places) = &order.places else {
            let mut presence = Presence::empty(order.rows);
            cells
                .rows
                .iter()
                .for_each(|&row| presence.set(row as usize));
            return match &cells.values {
                Values::Words(words) => Self {
                    presence,
                    words: words.clone(),
                    codes: Vec::new(),
                },
                Values::Codes(codes, _) => Self {
                    presence,
                    words: Vec::new(),
                    codes: codes.clone(),
                },
            };
        };
        let mut presence = Presence::empty(order.rows);
        if cells.rows.len() == order.rows {
            presence.clear();
            presence.push_run(true, order.rows);
            let place = |at: usize| places[at] as usize;
            let (words, codes) = scatter(&cells.values, place);
            return Self {
                presence,
                words,
                codes,
            };
        }
        let place = |row: u32| places[row as usize] as usize;
        cells.rows.iter().for_each(|&row| presence.set(place(row)));
        let ranks = presence.ranks();
        let (words, codes) = scatter(&cells.values, |at| {
            presence.rank(&ranks, place(cells.rows[at]))
        });
        Self {
            presence,
            words,
            codes,
        }
    }
}

/// Moves each value to its place among the values.
fn scatter(values: &Values, place: impl Fn(usize) -> usize) -> (Vec<u64>, Vec<u32>) {
    fn moved<T: Copy + Default>(from: &[T], place: impl Fn(usize) -> usize) -> Vec<T> {
        let mut to = vec![T::default(); from.len()];
        from.iter()
            .enumerate()
            .for_each(|(at, &value)| to[place(at)] = value);
        to
    }
    match values {
        Values::Words(words) => (moved(words, place), Vec::new()),
        Values::Codes(codes, _) => (Vec::new(), moved(codes, place)),
    }
}

/// Writes chunks that were encoded column by column, row group by row group.
fn assemble(writer: &mut PartWriter, order: &Order, encoded: Vec<EncodedColumn>) -> Result<()> {
    let mut columns: Vec<_> = encoded
        .into_iter()
        .map(|column| (column.bytes, column.chunks.into_iter()))
        .collect();
    for start in (0..order.rows).step_by(GROUP_ROWS) {
        let rows = (order.rows - start).min(GROUP_ROWS) as u32;
        let mut group = Group {
            rows,
            chunks: Vec::with_capacity(columns.len()),
        };
        let mut at = writer.position();
        let mut pieces = Vec::with_capacity(columns.len());
        for (bytes, chunks) in &mut columns {
            let Some(mut chunk) = chunks.next() else {
                continue;
            };
            // Chunks of a column lie end to end in its bytes.
            let from = chunk.offset as usize;
            pieces.push(&bytes[from..from + chunk.bytes() as usize]);
            chunk.offset = at;
            at += chunk.bytes();
            group.chunks.push(chunk);
        }
        writer.put_group(&group, pieces.into_iter())?;
    }
    Ok(())
}
