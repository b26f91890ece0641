//! Measures reading log files: `cargo run --release --example input_bench -- FILE…`
//!
//! Each file (plain, or packed in any way) is unpacked once, laid down plain and packed with gzip,
//! zstd and xz in a temporary directory, and read from there, from the page cache. Times are those
//! of the fastest of three runs; with a loaded machine all of them are too high.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tidings_engine::input::{Block, ChainBuilder, ChainSet, Growth, open};

const RUNS: u32 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if files.is_empty() {
        return Err("usage: input_bench FILE…".into());
    }
    machine();
    for file in files {
        measure(&file)?;
    }
    Ok(())
}

/// What the figures are to be read against.
fn machine() {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name\t: "))
        .unwrap_or("unknown");
    let from = vec![1u8; 64 << 20];
    let mut to = vec![0u8; 64 << 20];
    let copied = fastest(|| to.copy_from_slice(std::hint::black_box(&from)));
    println!(
        "machine: {cpus} cpus, {model}, memory copy {:.1} GB/s",
        per_second(from.len(), copied) / 1e3
    );
}

fn measure(file: &Path) -> Result<(), Box<dyn Error>> {
    let text = content(file)?;
    let lines = memchr::memchr_iter(b'\n', &text).count();
    println!(
        "{}: {} lines, {:.1} MB",
        file.display(),
        lines,
        text.len() as f64 / 1e6
    );
    let row = |what: &str, time: Duration| {
        let per_line = time.as_nanos() as f64 / lines as f64;
        println!(
            "  {what:<34}{:>8.0} MB/s{per_line:>9.1} ns/line",
            per_second(text.len(), time)
        );
    };
    let chain = fastest(|| {
        let mut builder = ChainBuilder::new();
        text.chunks(1 << 20).for_each(|chunk| builder.update(chunk));
        std::hint::black_box(builder.chain());
    });
    let bare = fastest(|| {
        let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
        text.chunks(1 << 20).for_each(|chunk| hasher.update(chunk));
        std::hint::black_box(hasher.digest128());
    });
    row("chain alone (with line count)", chain);
    row("  of which xxh3-128", bare);
    let beyond = (chain.as_secs_f64() - bare.as_secs_f64()) * 1e9 / text.len() as f64;
    println!("  {:<34}{beyond:>8.3} ns/byte", "chain beyond hashing");
    let dir = tempfile::tempdir()?;
    for (name, packed) in packings(&text)? {
        let path = dir.path().join(name);
        fs::write(&path, &packed)?;
        let bare = fastest(|| unpack_bare(name, &packed));
        row(
            &format!(
                "{name} ({:.1} MB): library alone",
                packed.len() as f64 / 1e6
            ),
            bare,
        );
        row("  blocks and chain", fastest(|| read(&path, |_| ())));
        row(
            "  blocks, chain and each line",
            fastest(|| read(&path, each_line)),
        );
        row("  recognised as known", fastest(|| recognise(&path)));
    }
    Ok(())
}

fn content(file: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut text = Vec::new();
    let (mut file, mut block) = (open(file)?, Block::new());
    while file.next_block(&mut block)? {
        text.extend_from_slice(block.bytes());
    }
    Ok(text)
}

type Packed = (&'static str, Vec<u8>);

fn packings(text: &[u8]) -> Result<Vec<Packed>, Box<dyn Error>> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text)?;
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 2);
    xz.write_all(text)?;
    Ok(vec![
        ("plain", text.to_vec()),
        ("gzip", gzip.finish()?),
        ("zstd", zstd::encode_all(text, 3)?),
        ("xz", xz.finish()?),
    ])
}

/// The libraries' own readers, into one buffer.
fn unpack_bare(name: &str, packed: &[u8]) {
    let mut reader: Box<dyn Read + '_> = match name {
        "gzip" => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        "zstd" => Box::new(zstd::Decoder::with_buffer(packed).expect("memory for a decoder")),
        "xz" => Box::new(liblzma::bufread::XzDecoder::new(packed)),
        _ => Box::new(packed),
    };
    let mut buffer = vec![0; 1 << 20];
    while reader.read(&mut buffer).expect("packed a moment ago") > 0 {
        std::hint::black_box(&buffer);
    }
}

fn read(path: &Path, mut take: impl FnMut(&Block)) {
    let (mut file, mut block) = (open(path).expect("written a moment ago"), Block::new());
    while file.next_block(&mut block).expect("written a moment ago") {
        take(&block);
    }
    std::hint::black_box(file.chain());
}

fn each_line(block: &Block) {
    let bytes: usize = block.lines().map(|line| line.bytes.len()).sum();
    std::hint::black_box(bytes);
}

/// The time to find out that a file has nothing new.
fn recognise(path: &Path) {
    thread_local! {
        static KNOWN: std::cell::RefCell<ChainSet> = std::cell::RefCell::new(ChainSet::new());
    }
    KNOWN.with_borrow_mut(|set| {
        let mut file = open(path).expect("written a moment ago");
        let held = set.match_file(&mut file).expect("written a moment ago");
        let mut block = Block::new();
        while file.next_block(&mut block).expect("written a moment ago") {}
        set.remember(held, &file, Growth::Unknown);
    });
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn fastest(mut work: impl FnMut()) -> Duration {
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    // Once more than counted: the first run fills the caches.
    work();
    (0..RUNS).map(|_| time(&mut work)).min().unwrap_or_default()
}

fn per_second(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}
