//! Event-like rows for the tests: a schema, a generator without randomness of its own, a model.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::Arc;

use tidings_spool::Backend;
use tidings_store::{Column, Day, Kind, Part, PartFlags, RowBatch, Rows, Schema, Store};

/// Words, lower-cased; and the whole text where it holds an `@`.
pub(crate) fn tokens(text: &str, each: &mut dyn FnMut(&str)) {
    for word in text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        each(&word.to_lowercase());
    }
    if text.contains('@') {
        each(&text.to_lowercase());
    }
}

/// One column of each kind and a few more.
pub(crate) fn schema() -> Schema {
    let columns = vec![
        Column::new("time", Kind::Time).required(),
        Column::new("span_start", Kind::Time),
        Column::new("span", Kind::UInt).indexed(),
        Column::new("line", Kind::Int),
        Column::new("queue_id", Kind::Text).indexed(),
        Column::new("message_id", Kind::Text).indexed(),
        Column::new("recipient", Kind::Text).indexed(),
        Column::new("delay", Kind::Float),
        Column::new("tls", Kind::Bool),
        Column::new("raw", Kind::Bytes),
        Column::new("note", Kind::Text),
        Column::new("code", Kind::Int).indexed(),
        Column::new("never", Kind::Text),
    ];
    Schema::new(
        "events",
        columns,
        &["span_start", "span", "time", "line"],
        "time",
        tokens,
    )
    .unwrap()
}

/// A row as the tests remember it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) time: i64,
    pub(crate) span_start: Option<i64>,
    pub(crate) span: Option<u64>,
    pub(crate) line: Option<i64>,
    pub(crate) queue_id: Option<String>,
    pub(crate) message_id: Option<String>,
    pub(crate) recipient: Option<String>,
    pub(crate) delay: Option<f64>,
    pub(crate) tls: Option<bool>,
    pub(crate) raw: Option<Vec<u8>>,
    pub(crate) note: Option<String>,
    pub(crate) code: Option<i64>,
}

impl Row {
    /// What the schema sorts by.
    pub(crate) fn key(&self) -> (Option<i64>, Option<u64>, i64, Option<i64>) {
        (self.span_start, self.span, self.time, self.line)
    }

    /// All texts that are indexed.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let mut all = Vec::new();
        let texts = [&self.queue_id, &self.message_id, &self.recipient];
        for text in texts.into_iter().flatten() {
            tokens(text, &mut |token| all.push(token.to_owned()));
        }
        all.extend(self.span.map(|span| span.to_string()));
        all.extend(self.code.map(|code| code.to_string()));
        all
    }

    pub(crate) fn put(&self, batch: &mut RowBatch) {
        batch.begin_row();
        batch.put_time(0, self.time);
        if let Some(value) = self.span_start {
            batch.put_time(1, value);
        }
        if let Some(value) = self.span {
            batch.put_uint(2, value);
        }
        if let Some(value) = self.line {
            batch.put_int(3, value);
        }
        for (column, text) in [
            (4, &self.queue_id),
            (5, &self.message_id),
            (6, &self.recipient),
            (10, &self.note),
        ] {
            if let Some(text) = text {
                batch.put_text(column, text);
            }
        }
        if let Some(value) = self.delay {
            batch.put_float(7, value);
        }
        if let Some(value) = self.tls {
            batch.put_bool(8, value);
        }
        if let Some(value) = &self.raw {
            batch.put_bytes(9, value);
        }
        if let Some(value) = self.code {
            batch.put_int(11, value);
        }
    }

    pub(crate) fn get(rows: &Rows, i: usize) -> Self {
        let text = |column| rows.text(column, i).map(str::to_owned);
        assert_eq!(rows.text(12, i), None);
        Self {
            time: rows.time(0, i).unwrap(),
            span_start: rows.time(1, i),
            span: rows.uint(2, i),
            line: rows.int(3, i),
            queue_id: text(4),
            message_id: text(5),
            recipient: text(6),
            delay: rows.float(7, i),
            tls: rows.bool(8, i),
            raw: rows.bytes(9, i).map(<[u8]>::to_vec),
            note: text(10),
            code: rows.int(11, i),
        }
    }
}

pub(crate) const ALL: [usize; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

pub(crate) const DAY: Day = Day(20_000);

/// A small generator of numbers that look random.
#[derive(Clone, Debug)]
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Rows in the shape of a mail log: spans of a few rows, interleaved.
pub(crate) fn rows(count: usize, seed: u64) -> Vec<Row> {
    let mut numbers = Numbers(seed);
    let start = DAY.start_ns();
    (0..count)
        .map(|at| {
            let message = (at / 6) as u64 + numbers.below(3);
            let sparse = |numbers: &mut Numbers, one_in: u64| numbers.below(one_in) == 0;
            Row {
                time: start + at as i64 * 1_000_000 + numbers.below(5000) as i64 * 1000,
                span_start: (!message.is_multiple_of(7))
                    .then_some(start + message as i64 * 6_000_000),
                span: (!message.is_multiple_of(7))
                    .then_some(message << 21 | message.wrapping_mul(77) & 0x1F_FFFF),
                line: Some(at as i64),
                queue_id: (!message.is_multiple_of(5))
                    .then(|| format!("4Q{:X}z{seed}", message * 7919)),
                message_id: sparse(&mut numbers, 6)
                    .then(|| format!("<{at}.{seed}@host{}.example>", message % 9)),
                recipient: sparse(&mut numbers, 3)
                    .then(|| format!("user{}@example{}.org", numbers.below(300), message % 11)),
                delay: sparse(&mut numbers, 4).then(|| numbers.below(1000) as f64 / 8.0),
                tls: sparse(&mut numbers, 2).then(|| numbers.below(2) == 0),
                raw: sparse(&mut numbers, 50).then(|| numbers.next().to_le_bytes().to_vec()),
                note: sparse(&mut numbers, 9).then(|| format!("Überlauf {}", numbers.below(4))),
                code: sparse(&mut numbers, 5).then(|| 250 + numbers.below(4) as i64 * 100),
            }
        })
        .collect()
}

/// Commits rows as one part of [`DAY`].
pub(crate) fn add(store: &Store, rows: &[Row]) {
    add_as(store, rows, PartFlags::LIVE);
}

pub(crate) fn add_as(store: &Store, rows: &[Row], flags: PartFlags) {
    let mut batch = RowBatch::new(store.schema("events").unwrap());
    rows.iter().for_each(|row| row.put(&mut batch));
    let mut transaction = store.begin();
    transaction.add("events", DAY, &mut batch, flags).unwrap();
    transaction.commit().unwrap();
}

/// All rows of a part, as the tests remember them.
pub(crate) fn read_part(part: &Part) -> Vec<Row> {
    let rows = part.read(&ALL, &part.all()).unwrap();
    (0..rows.len()).map(|i| Row::get(&rows, i)).collect()
}

/// All rows of the store, sorted by key.
pub(crate) fn read_all(store: &Store) -> Vec<Row> {
    let mut rows: Vec<Row> = store
        .snapshot()
        .parts("events", ..)
        .unwrap()
        .iter()
        .flat_map(read_part)
        .collect();
    rows.sort_by(|a, b| a.key().partial_cmp(&b.key()).unwrap());
    rows
}

pub(crate) fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|a, b| a.key().partial_cmp(&b.key()).unwrap());
    rows
}

pub(crate) fn open(backend: &(impl Backend + Clone + 'static)) -> Store {
    Store::open(Arc::new(backend.clone()), vec![schema()])
        .unwrap()
        .0
}
