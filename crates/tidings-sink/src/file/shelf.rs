//! The files that are set aside: compressed in the background, removed when they are too many.
//!
//! One thread at a time does this for a log, started when a file was set aside and at the first write,
//! so at most one compression runs per log. A compressed file is written beside (`….gz.part`), synced,
//! given the times of the original and renamed; only then is the original removed. Killed anywhere, the
//! next run removes the unfinished file, or the original whose finished copy has its very time.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::write::GzEncoder;

use super::name::{Name, is_ours};
use crate::settings::{Compression, LogFile};

const FILE_MODE: u32 = 0o640;
/// What `gzip` and `zstd` use when nothing is said.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// One of our files that nobody writes to any more.
#[derive(Debug)]
struct Old {
    name: Name,
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
}

/// Compresses and removes what is due. `active` is the file that is being written; `now` the time.
pub(super) fn tidy(log: &LogFile, active: &Path, now: SystemTime) -> io::Result<()> {
    if log.compression != Compression::None {
        for old in list(log, active)? {
            if old.name.compression == Compression::None {
                compress(log, &old)?;
            }
        }
    }
    for old in superfluous(log, list(log, active)?, now) {
        fs::remove_file(&old.path)?;
    }
    Ok(())
}

/// A number for a file of this period that is set aside: higher than all there are.
pub(super) fn next_number(log: &LogFile, period: &str) -> io::Result<u64> {
    let mut highest = 0;
    for entry in fs::read_dir(&log.path)? {
        let name = entry?.file_name();
        let name = name
            .to_str()
            .and_then(|name| Name::parse(&log.prefix, name));
        if let Some(name) = name.filter(|name| name.period == period) {
            highest = highest.max(name.number);
        }
    }
    Ok(highest.saturating_add(1))
}

/// Our old files, oldest first; unfinished ones are removed on the way.
fn list(log: &LogFile, active: &Path) -> io::Result<Vec<Old>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(&log.path)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let Some(text) = file_name.to_str().filter(|text| is_ours(log, text)) else {
            continue;
        };
        let (path, Ok(metadata)) = (entry.path(), entry.metadata()) else {
            continue;
        };
        let Some(name) = Name::parse(&log.prefix, text) else {
            continue;
        };
        // A link may lead anywhere; it is not a file of ours.
        if !metadata.file_type().is_file() || path == active {
            continue;
        }
        if name.is_unfinished {
            fs::remove_file(&path)?;
            continue;
        }
        files.push(Old {
            name,
            path,
            bytes: metadata.len(),
            modified: metadata.modified()?,
        });
    }
    let key = |old: &Old| (old.modified, old.name.period.clone(), old.name.number);
    files.sort_by_key(key);
    Ok(files)
}

/// Those that are too old, too many or too large together: the oldest.
fn superfluous(log: &LogFile, files: Vec<Old>, now: SystemTime) -> Vec<Old> {
    let (mut count, mut bytes) = (0_u64, 0_u64);
    let mut gone = Vec::new();
    for old in files.into_iter().rev() {
        let age = now.duration_since(old.modified).unwrap_or(Duration::ZERO);
        count += 1;
        bytes = bytes.saturating_add(old.bytes);
        let is_kept = log.keep.is_none_or(|keep| age <= keep)
            && log.keep_files.is_none_or(|most| count <= most)
            && log.keep_bytes.is_none_or(|most| bytes <= most);
        if !is_kept {
            gone.push(old);
        }
    }
    gone
}

/// Puts a compressed file in the place of an old one.
fn compress(log: &LogFile, old: &Old) -> io::Result<()> {
    let mut name = Name {
        compression: log.compression,
        ..old.name.clone()
    };
    let target = log.path.join(name.text(&log.prefix));
    if let Ok(found) = fs::metadata(&target) {
        if found.modified()? == old.modified {
            // We were killed between the rename and the removal.
            return fs::remove_file(&old.path);
        }
        // The period was opened again after its file had been compressed.
        name.number = next_number(log, &name.period)?;
    }
    let target = log.path.join(name.text(&log.prefix));
    name.is_unfinished = true;
    let beside = log.path.join(name.text(&log.prefix));
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(&beside)?;
    let result = fill(log.compression, &old.path, file)
        .and_then(|file| {
            file.set_times(FileTimes::new().set_modified(old.modified))?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, &target))
        .and_then(|()| File::open(&log.path)?.sync_all());
    match result {
        Ok(()) => fs::remove_file(&old.path),
        Err(error) => {
            // A full disk must not be kept full by what we could not finish.
            let _ = fs::remove_file(&beside);
            Err(error)
        }
    }
}

fn fill(compression: Compression, from: &Path, to: File) -> io::Result<File> {
    let mut source = BufReader::with_capacity(128 << 10, File::open(from)?);
    let to = BufWriter::with_capacity(128 << 10, to);
    let mut to = match compression {
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(to, ZSTD_LEVEL)?;
            encoder.include_checksum(true)?;
            io::copy(&mut source, &mut encoder)?;
            encoder.finish()?
        }
        Compression::Gzip | Compression::None => {
            let mut encoder = GzEncoder::new(to, flate2::Compression::new(GZIP_LEVEL));
            io::copy(&mut source, &mut encoder)?;
            encoder.finish()?
        }
    };
    to.flush()?;
    to.into_inner().map_err(io::IntoInnerError::into_error)
}

#[cfg(test)]
mod tests;
