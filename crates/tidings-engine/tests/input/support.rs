//! What the tests of input files share: packing, writing, reading whole files.

use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidings_engine::input::{Block, InputError, InputFile, LineEnd, open};

/// Every way a log may lie on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

impl Packing {
    pub(crate) const ALL: [Self; 5] = [Self::Plain, Self::Gzip, Self::Zstd, Self::Xz, Self::Bzip2];

    pub(crate) fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => bytes.to_vec(),
            Self::Gzip => gzip(bytes, 1_700_000_000),
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
                encoder.include_checksum(true).unwrap();
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Bzip2 => {
                let level = bzip2::Compression::fast();
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
            Self::Xz => ".xz",
            Self::Bzip2 => ".bz2",
        }
    }
}

pub(crate) fn gzip(bytes: &[u8], time: u32) -> Vec<u8> {
    let level = flate2::Compression::fast();
    let mut encoder = flate2::GzBuilder::new()
        .mtime(time)
        .write(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// So many lines of log, no two alike.
pub(crate) fn log(name: &str, lines: usize) -> Vec<u8> {
    let line = |n: usize| {
        let (second, minute) = (n % 60, n / 60 % 60);
        format!("Nov 22 13:{minute:02}:{second:02} mx postfix/qmgr[{n}]: {name}{n:06X}: removed\n")
    };
    (0..lines).flat_map(|n| line(n).into_bytes()).collect()
}

pub(crate) fn write(dir: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A line with what became of its end.
pub(crate) type Read = (Vec<u8>, LineEnd);

/// Reads on to the end or the error; gives the raw bytes.
pub(crate) fn drain(file: &mut InputFile) -> (Vec<u8>, Option<InputError>) {
    let mut block = Block::new();
    let mut bytes = Vec::new();
    loop {
        match file.next_block(&mut block) {
            Ok(true) => {
                assert_consistent(&block);
                bytes.extend_from_slice(block.bytes());
            }
            Ok(false) => return (bytes, None),
            Err(error) => return (bytes, Some(error)),
        }
    }
}

pub(crate) fn read_all(path: &Path) -> Vec<u8> {
    let (bytes, error) = drain(&mut open(path).unwrap());
    assert!(error.is_none(), "{error:?}");
    bytes
}

/// The lines of a block are its bytes.
pub(crate) fn assert_consistent(block: &Block) {
    let mut bytes = Vec::new();
    let mut count = 0;
    for line in block.lines() {
        assert_eq!(line.offset, block.offset() + bytes.len() as u64);
        assert_eq!(line.number, block.first_line() + count);
        bytes.extend_from_slice(line.bytes);
        if line.end == LineEnd::Newline {
            bytes.push(b'\n');
        }
        count += 1;
    }
    assert_eq!(bytes, block.bytes());
    assert_eq!(count, block.line_count());
}
