//! Measures the history's write, read and merge paths on rows in the shape of a Postfix log.
//!
//! `cargo run --release -p tidings-store --example store_bench [ROWS] [DIRECTORY]`

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use tidings_spool::{Backend, DiskBackend, OpenMode};
use tidings_store::{
    Column, ColumnId, DAY_NS, Day, Kind, Options, PartFlags, RowBatch, Schema, Store, TokenExpr,
};

const BATCH_ROWS: u32 = 262_144;
const FIRST_DAY: Day = Day(20_400);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rows: u64 = arguments
        .next()
        .map_or(2_000_000, |text| text.parse().expect("ROWS is a number"));
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let root = arguments
        .next()
        .map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let known = root.join("events/manifest").exists();
    let backend: Arc<dyn Backend> = Arc::new(DiskBackend::new(&root).expect("the directory"));
    machine(&*backend);
    if !known {
        let plain = ingest(&backend, "plain", rows.min(2_000_000), false);
        let indexed = ingest(&backend, "events", rows, true);
        println!("tokens: {:.3} µs/row (the difference)", indexed - plain);
        queries(&backend, rows);
        let store = reopen(&backend);
        sizes(&store, rows);
        merge(&store, rows);
    }
    queries(&backend, rows);
    sizes(&reopen(&backend), rows);
    println!("RSS at most {} MiB", memory_kib("VmHWM:") / 1024);
}

/// Searches a store that was just opened.
fn queries(backend: &Arc<dyn Backend>, rows: u64) {
    let store = reopen(backend);
    needles(&store, rows);
    println!("RSS {} MiB", memory_kib("VmRSS:") / 1024);
    aggregates(&store, rows);
}

/// CPU seconds of this thread.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    let nanos: f64 = text
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number");
    nanos / 1e9
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures")]
fn now() -> Instant {
    Instant::now()
}

fn memory_kib(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = text
        .lines()
        .find(|line| line.starts_with(field))
        .expect("the field");
    line.split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("a number")
}

fn machine(backend: &dyn Backend) {
    let from: Vec<u8> = (0..16u32 << 20).map(|i| ((i * i) >> 7) as u8).collect();
    let mut to = vec![0u8; from.len()];
    to.copy_from_slice(&from);
    let start = now();
    (0..8).for_each(|_| black_box(&mut to).copy_from_slice(black_box(&from)));
    let copy = 8.0 * 16.0 / 1024.0 / start.elapsed().as_secs_f64();
    let text: Vec<u8> = (0..400_000u32)
        .flat_map(|i| format!("user{}@example{}.org ", i % 7919, i % 113).into_bytes())
        .collect();
    let start = now();
    black_box(zstd::bulk::compress(&text, 3).expect("zstd"));
    let squeeze = text.len() as f64 / 1e6 / start.elapsed().as_secs_f64();
    let path = Path::new("sync-test");
    let file = backend.open(path, OpenMode::Write).expect("a file");
    let mut syncs: Vec<f64> = (0..21)
        .map(|i| {
            file.write_all_at(&[i as u8; 4096], i * 4096)
                .expect("a write");
            let start = now();
            file.sync().expect("a sync");
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    syncs.sort_by(f64::total_cmp);
    backend.remove(path).expect("removal");
    println!(
        "machine: memory copy {copy:.1} GB/s, zstd -3 {squeeze:.0} MB/s, fdatasync p50 {:.2} ms",
        syncs[10]
    );
}

fn schema(table: &str, indexed: bool) -> Schema {
    let text = |name: &str| {
        let column = Column::new(name, Kind::Text);
        if indexed { column.indexed() } else { column }
    };
    let span = Column::new("span", Kind::UInt);
    let mut columns = vec![
        Column::new("time", Kind::Time).required(),
        Column::new("span_start", Kind::Time),
        if indexed { span.indexed() } else { span },
        Column::new("line", Kind::Int),
        Column::new("type", Kind::Text),
        Column::new("template", Kind::Text),
        Column::new("host", Kind::Text),
        Column::new("pid", Kind::Int),
        text("queue_id"),
        text("message_id"),
        text("sender"),
        text("recipient"),
        text("relay"),
        text("remote_ip"),
        Column::new("size", Kind::Int),
        Column::new("delay", Kind::Float),
        Column::new("code", Kind::Int),
        text("status"),
    ];
    columns.extend((0..22).map(|i| Column::new(format!("unused_{i}"), Kind::Text)));
    Schema::new(
        table,
        columns,
        &["span_start", "span", "time", "line"],
        "time",
        tokens,
    )
    .expect("a schema")
}

/// Whole addresses and ids, and their words, in lower case.
fn tokens(text: &str, each: &mut dyn FnMut(&str)) {
    let mut lower = [0u8; 256];
    let Some(lower) = lower.get_mut(..text.len()) else {
        return;
    };
    lower.copy_from_slice(text.as_bytes());
    lower.make_ascii_lowercase();
    let Ok(lower) = std::str::from_utf8(lower) else {
        return;
    };
    each(lower);
    if let Some((local, domain)) = lower.split_once('@') {
        each(local);
        each(domain);
    }
}

/// Numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ z >> 31) % bound
    }
}

const TIME: ColumnId = 0;
const TYPE: ColumnId = 4;

/// A message on its way through the log, and what its next row is.
struct Message {
    number: u64,
    step: u64,
    spans: [(i64, u64); 2],
    queue_id: String,
    message_id: String,
    sender: String,
    recipient: String,
    ip: String,
    relay: String,
    pid: i64,
}

/// Rows of interleaved messages, nine each, 2,000 messages a minute.
struct Log {
    numbers: Numbers,
    /// Mean time from row to row.
    step_us: u64,
    open: Vec<Message>,
    next: u64,
    time: i64,
    line: i64,
    names: Vec<String>,
    queue_ids: Vec<String>,
}

impl Log {
    fn new() -> Self {
        Self {
            numbers: Numbers(1),
            step_us: std::env::var("STEP_US")
                .map_or(3_300, |text| text.parse().expect("STEP_US is a number")),
            open: Vec::new(),
            next: 0,
            time: FIRST_DAY.start_ns(),
            line: 0,
            names: (0..200)
                .map(|i| format!("template number {i} of the log: * says * to *"))
                .collect(),
            queue_ids: Vec::new(),
        }
    }

    fn message(&mut self) -> Message {
        let numbers = &mut self.numbers;
        let number = self.next;
        self.next += 1;
        let queue_id = format!(
            "4{:05X}{:06X}",
            number / 3000 + 0x0A_BC00,
            numbers.below(1 << 24)
        );
        if number.is_multiple_of(97) {
            self.queue_ids.push(queue_id.clone());
        }
        let domain = numbers
            .below(3000)
            .min(numbers.below(3000))
            .min(numbers.below(3000));
        Message {
            number,
            step: 0,
            spans: [(0, 0); 2],
            queue_id,
            message_id: format!(
                "<{:x}.{:x}@mail{}.example.net>",
                self.time / 1000,
                numbers.below(1 << 32),
                numbers.below(60)
            ),
            sender: format!(
                "sender{}@firm{}.example",
                numbers.below(4000),
                numbers.below(40)
            ),
            recipient: format!("person{}@domain{domain}.example", numbers.below(30_000)),
            ip: format!(
                "10.{}.{}.{}",
                numbers.below(4),
                numbers.below(256),
                numbers.below(40)
            ),
            relay: format!(
                "mx{}.domain{domain}.example[192.0.2.{}]:25",
                domain % 3,
                domain % 250
            ),
            pid: 1000 + numbers.below(60) as i64,
        }
    }

    fn span(&mut self) -> (i64, u64) {
        (
            self.time,
            (self.time as u64 / 1_000_000) << 21 | self.numbers.below(1 << 21),
        )
    }

    /// Puts one row.
    fn row(&mut self, batch: &mut impl Sink) {
        if self.open.len() < 60 {
            let message = self.message();
            self.open.push(message);
        }
        self.time += self.numbers.below(self.step_us * 2) as i64 * 1000;
        self.line += 1;
        let at = self.numbers.below(self.open.len() as u64) as usize;
        let step = self.open[at].step;
        if step == 0 || step == 4 {
            self.open[at].spans[usize::from(step == 4)] = self.span();
        }
        self.open[at].step += 1;
        self.put(at, step, batch);
        if step == 8 {
            self.open.swap_remove(at);
        }
    }

    fn put(&mut self, at: usize, step: u64, batch: &mut impl Sink) {
        let size = 1500 + self.numbers.below(90_000) as i64;
        let delay = self.numbers.below(4000) as f64 / 100.0;
        let variant = self.numbers.below(4);
        let template = (step * 22 + self.numbers.below(5) * variant) as usize;
        let message = &self.open[at];
        let (start, span) = message.spans[usize::from(step >= 4)];
        batch.begin_row();
        batch.put_time(TIME, self.time);
        batch.put_time(1, start);
        batch.put_uint(2, span);
        batch.put_int(3, self.line);
        batch.put_text(TYPE, TYPES[step as usize * 4 + variant as usize]);
        batch.put_text(5, &self.names[template]);
        batch.put_text(
            6,
            ["mx1.example.org", "mx2.example.org"][message.number as usize % 2],
        );
        batch.put_int(7, message.pid + step as i64);
        if (2..8).contains(&step) {
            batch.put_text(8, &message.queue_id);
        }
        match step {
            0 | 1 | 8 => batch.put_text(13, &message.ip),
            2 => batch.put_text(9, &message.message_id),
            3 | 4 => {
                batch.put_text(10, &message.sender);
                batch.put_int(14, size);
            }
            5 | 6 => {
                batch.put_text(11, &message.recipient);
                batch.put_text(12, &message.relay);
                batch.put_float(15, delay);
                batch.put_int(16, 250);
                batch.put_text(17, ["sent", "deferred"][usize::from(variant == 3)]);
            }
            _ => {}
        }
    }
}

const TYPES: [&str; 36] = [
    "smtp.connect",
    "smtp.ehlo",
    "smtp.starttls",
    "smtp.auth",
    "smtp.mail-from",
    "smtp.rcpt-to",
    "smtp.data",
    "smtp.message",
    "queue.queued",
    "queue.active",
    "queue.hold",
    "queue.release",
    "delivery.attempt",
    "delivery.delivered",
    "delivery.deferred",
    "delivery.bounced",
    "delivery.connect",
    "delivery.tls",
    "delivery.greeting",
    "delivery.mail",
    "delivery.rcpt",
    "delivery.data",
    "delivery.reply",
    "delivery.quit",
    "delivery.retry",
    "delivery.expired",
    "delivery.dsn",
    "delivery.relay",
    "delivery.local",
    "delivery.lmtp",
    "delivery.pipe",
    "delivery.virtual",
    "queue.removed",
    "smtp.disconnect",
    "smtp.timeout",
    "smtp.lost",
];

/// The options, with zstd levels from the environment.
fn options() -> Options {
    let mut options = Options::default();
    for (name, level) in [
        ("FRESH_LEVEL", &mut options.fresh_level),
        ("MERGE_LEVEL", &mut options.settle_level),
    ] {
        if let Ok(text) = std::env::var(name) {
            *level = text.parse().expect("a level is a number");
        }
    }
    options
}

/// Stores the log; gives µs CPU a row of building parts.
fn ingest(backend: &Arc<dyn Backend>, table: &str, rows: u64, indexed: bool) -> f64 {
    backend.create_dir(Path::new(table)).expect("a directory");
    let root = Sub(Arc::clone(backend), PathBuf::from(table));
    let (store, _) =
        Store::open_with(Arc::new(root), vec![schema(table, indexed)], options()).expect("a store");
    let schema = store.schema(table).expect("the schema");
    let mut batch = RowBatch::new(schema);
    let generating = {
        let mut log = Log::new();
        let start = cpu();
        (0..rows).for_each(|_| log.row(&mut Nothing));
        (cpu() - start) * 1e6 / rows as f64
    };
    let mut log = Log::new();
    let (mut fill, mut build, mut commit) = (0.0, 0.0, 0.0);
    let (mut wall, mut memory) = (0.0, 0);
    let mut left = rows;
    while left > 0 {
        let start = cpu();
        let day = Day::of(log.time);
        while left > 0 && batch.rows() < BATCH_ROWS && Day::of(log.time) == day {
            log.row(&mut batch);
            left -= 1;
        }
        memory = memory.max(batch.memory_bytes());
        let filled = cpu();
        let clock = now();
        let part = store
            .build(table, day, &mut batch, PartFlags::LIVE)
            .expect("a part")
            .expect("rows");
        let built = cpu();
        let mut transaction = store.begin();
        transaction.add_part(part);
        transaction.commit().expect("a commit");
        fill += filled - start;
        build += built - filled;
        commit += cpu() - built;
        wall += clock.elapsed().as_secs_f64();
    }
    let per_row = |seconds: f64| seconds * 1e6 / rows as f64;
    println!(
        "{table}: {rows} rows; put {:.3} (generate {generating:.3}), build {:.3}, commit {:.3} µs CPU/row; \
         build and commit {:.3} µs wall/row; batch {} MiB, RSS {} MiB",
        per_row(fill) - generating,
        per_row(build),
        per_row(commit),
        per_row(wall),
        memory >> 20,
        memory_kib("VmRSS:") / 1024,
    );
    let total = per_row(fill) - generating + per_row(build) + per_row(commit);
    println!("{table}: all in {total:.3} µs CPU/row");
    per_row(build)
}

/// Opens the store: nothing of it is in this process's memory.
fn reopen(backend: &Arc<dyn Backend>) -> Store {
    let (start, clock) = (cpu(), now());
    let root = Sub(Arc::clone(backend), PathBuf::from("events"));
    let (store, report) = Store::open_with(Arc::new(root), vec![schema("events", true)], options())
        .expect("the store");
    println!(
        "open: {:.2} ms CPU, {:.2} ms wall for {} parts, {} rows",
        (cpu() - start) * 1e3,
        clock.elapsed().as_secs_f64() * 1e3,
        report.parts,
        report.rows
    );
    store
}

/// Merges all parts into one, or as few as the plans make.
fn merge(store: &Store, rows: u64) {
    let (start, clock) = (cpu(), now());
    let (mut merged, mut merges) = (0, 0);
    let last = store
        .snapshot()
        .stats("events")
        .times
        .map_or(0, |(_, last)| last);
    while let Some(plan) = store.plan_merges(last + 3 * DAY_NS).first() {
        merged += store
            .merge(plan, &AtomicBool::new(false))
            .expect("a merge")
            .rows;
        merges += 1;
    }
    println!(
        "{merges} merges of {merged} rows (of {rows}): {:.3} µs CPU/row, {:.3} µs wall/row; RSS {} MiB",
        (cpu() - start) * 1e6 / merged.max(1) as f64,
        clock.elapsed().as_secs_f64() * 1e6 / merged.max(1) as f64,
        memory_kib("VmRSS:") / 1024,
    );
}

fn sizes(store: &Store, rows: u64) {
    let snapshot = store.snapshot();
    let stats = snapshot.stats("events");
    let mut columns: Vec<(String, u64)> = Vec::new();
    for part in snapshot.parts("events", ..).expect("parts") {
        for (name, bytes) in part.column_bytes().expect("sizes") {
            match columns.iter_mut().find(|column| column.0 == name) {
                Some(column) => column.1 += bytes,
                None => columns.push((name, bytes)),
            }
        }
    }
    let data: u64 = columns.iter().map(|column| column.1).sum();
    columns.push(("(footers)".to_owned(), stats.part_bytes - data));
    columns.push(("(sidecar)".to_owned(), stats.sidecar_bytes));
    columns.push(("all".to_owned(), stats.part_bytes + stats.sidecar_bytes));
    println!("{} parts; bytes a row:", stats.parts);
    for (name, bytes) in columns {
        println!("  {name:12} {:7.3}", bytes as f64 / rows as f64);
    }
}

fn needles(store: &Store, rows: u64) {
    let mut log = Log::new();
    (0..rows).for_each(|_| log.row(&mut Nothing));
    let columns: Vec<ColumnId> = (0..18).collect();
    let search = |queue_id: &str| {
        let mut hits = 0;
        let token = TokenExpr::token(queue_id.to_lowercase());
        for part in store.snapshot().parts("events", ..).expect("parts") {
            let rows = part.candidates(&token).expect("candidates");
            if rows.is_empty() {
                continue;
            }
            let ids = part.read(&[8], &rows).expect("rows");
            let matching = (0..ids.len()).filter(|&i| ids.text(8, i) == Some(queue_id));
            let matching = tidings_store::RowSet::from_sorted_rows(matching.map(|i| ids.number(i)));
            hits += part.read(&columns, &matching).expect("rows").len();
        }
        hits
    };
    let ids: Vec<&String> = log.queue_ids.iter().take(log.queue_ids.len() - 2).collect();
    let mut times = Vec::new();
    let (mut hits, start) = (0, cpu());
    for id in ids.iter().step_by(ids.len() / 200 + 1) {
        let clock = now();
        hits += search(id);
        times.push(clock.elapsed().as_secs_f64() * 1e3);
    }
    let mean = (cpu() - start) * 1e3 / times.len() as f64;
    println!("first needle: {:.2} ms wall", times[0]);
    times.sort_by(f64::total_cmp);
    println!(
        "needle over {} parts: mean {mean:.2} ms CPU; p50 {:.2} ms, p95 {:.2} ms wall; {hits} rows for {} searches",
        store.snapshot().stats("events").parts,
        times[times.len() / 2],
        times[times.len() * 95 / 100],
        times.len()
    );
}

fn aggregates(store: &Store, rows: u64) {
    let start = cpu();
    let mut counts: std::collections::BTreeMap<(String, i64), u64> = Default::default();
    for part in store.snapshot().parts("events", ..).expect("parts") {
        part.scan(&[TIME, TYPE], &part.all(), &mut |rows| {
            let (codes, times) = (
                rows.codes(TYPE).expect("types"),
                rows.words(TIME).expect("times"),
            );
            let kinds = rows.code_count(TYPE);
            let first = times
                .iter()
                .map(|&time| time as i64 / 3_600_000_000_000)
                .min()
                .unwrap_or(0);
            let mut table: Vec<u64> = Vec::new();
            for (&code, &time) in codes.iter().zip(times) {
                let at = (time as i64 / 3_600_000_000_000 - first) as usize * kinds + code as usize;
                if at >= table.len() {
                    table.resize(at + 1, 0);
                }
                table[at] += 1;
            }
            for (at, &count) in table.iter().enumerate().filter(|(_, count)| **count > 0) {
                let kind = rows
                    .value_text(TYPE, (at % kinds) as u32)
                    .expect("a type")
                    .to_owned();
                *counts
                    .entry((kind, first + (at / kinds) as i64))
                    .or_default() += count;
            }
            ControlFlow::Continue(())
        })
        .expect("a scan");
    }
    let total: u64 = counts.values().sum();
    assert_eq!(total, rows);
    println!(
        "count type × hour: {} groups, {:.1} ns CPU/row",
        counts.len(),
        (cpu() - start) * 1e9 / rows as f64
    );
}

/// Where rows go: a batch, or nowhere to time the generator alone.
trait Sink {
    fn begin_row(&mut self);
    fn put_time(&mut self, column: ColumnId, value: i64);
    fn put_int(&mut self, column: ColumnId, value: i64);
    fn put_uint(&mut self, column: ColumnId, value: u64);
    fn put_float(&mut self, column: ColumnId, value: f64);
    fn put_text(&mut self, column: ColumnId, value: &str);
}

impl Sink for RowBatch {
    fn begin_row(&mut self) {
        self.begin_row();
    }
    fn put_time(&mut self, column: ColumnId, value: i64) {
        self.put_time(column, value);
    }
    fn put_int(&mut self, column: ColumnId, value: i64) {
        self.put_int(column, value);
    }
    fn put_uint(&mut self, column: ColumnId, value: u64) {
        self.put_uint(column, value);
    }
    fn put_float(&mut self, column: ColumnId, value: f64) {
        self.put_float(column, value);
    }
    fn put_text(&mut self, column: ColumnId, value: &str) {
        self.put_text(column, value);
    }
}

struct Nothing;

impl Sink for Nothing {
    fn begin_row(&mut self) {}
    fn put_time(&mut self, _: ColumnId, value: i64) {
        black_box(value);
    }
    fn put_int(&mut self, _: ColumnId, value: i64) {
        black_box(value);
    }
    fn put_uint(&mut self, _: ColumnId, value: u64) {
        black_box(value);
    }
    fn put_float(&mut self, _: ColumnId, value: f64) {
        black_box(value);
    }
    fn put_text(&mut self, _: ColumnId, value: &str) {
        black_box(value);
    }
}

/// A directory within a backend.
#[derive(Debug)]
struct Sub(Arc<dyn Backend>, PathBuf);

impl Backend for Sub {
    fn open(&self, path: &Path, mode: OpenMode) -> std::io::Result<Arc<dyn tidings_spool::File>> {
        self.0.open(&self.1.join(path), mode)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.0.rename(&self.1.join(from), &self.1.join(to))
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        self.0.remove(&self.1.join(path))
    }
    fn create_dir(&self, path: &Path) -> std::io::Result<()> {
        self.0.create_dir(&self.1.join(path))
    }
    fn sync_dir(&self, path: &Path) -> std::io::Result<()> {
        self.0.sync_dir(&self.1.join(path))
    }
    fn list(&self, path: &Path) -> std::io::Result<Vec<(PathBuf, u64)>> {
        self.0.list(&self.1.join(path))
    }
    fn list_dirs(&self, path: &Path) -> std::io::Result<Vec<PathBuf>> {
        self.0.list_dirs(&self.1.join(path))
    }
    fn remove_dir(&self, path: &Path) -> std::io::Result<()> {
        self.0.remove_dir(&self.1.join(path))
    }
    fn space(&self) -> std::io::Result<(u64, u64)> {
        self.0.space()
    }
}
