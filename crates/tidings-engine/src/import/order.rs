//! Which files an import reads, in the order of their first lines, and how their times are read.

use std::path::{Path, PathBuf};

use tidings_mail::envelope::{Clock, ClockSettings, Format, Zone, read};

use super::ImportOptions;
use super::refuse::refused;
use crate::contract::RefusedObject;
use crate::error::Error;
use crate::input::{Block, InputError, InputFile, Limits, first_year, open_with};
use crate::zone::zone;

pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) first_ns: i64,
    pub(super) reference_ns: i64,
    /// The year of the first line, where lines name none.
    pub(super) year: Option<i32>,
}

/// The files in the order of their first lines, and those that cannot be read or are no logs.
pub(super) fn sources(
    paths: &[PathBuf],
    options: &ImportOptions,
    limits: Limits,
) -> Result<(Vec<Source>, Vec<RefusedObject>), Error> {
    // A wrong option is no fault of the files.
    clock_settings(options, options.now_ns)?;
    let mut sources = Vec::with_capacity(paths.len());
    let mut others = Vec::new();
    for path in paths {
        match source(path, options, limits) {
            Ok(source) => sources.push(source),
            Err(error) => others.push(refused(path, error)?),
        }
    }
    sources.sort_by(|a, b| (a.first_ns, &a.path).cmp(&(b.first_ns, &b.path)));
    Ok((sources, others))
}

fn source(path: &Path, options: &ImportOptions, limits: Limits) -> Result<Source, Error> {
    let mut file = open_with(path, limits)?;
    let facts = file.facts()?;
    let reference_ns = facts
        .gzip_time_ns
        .filter(|ns| *ns > 0)
        .unwrap_or(facts.modified_ns)
        .min(options.now_ns);
    let mut clock = clock_settings(options, reference_ns)?;
    if clock.year.is_none() {
        clock.year = first_year(path, limits, &clock.zone, reference_ns)?;
    }
    let year = clock.year;
    let first_ns = first_time(&mut file, path, options, clock)?.unwrap_or(reference_ns);
    Ok(Source {
        year,
        path: path.to_owned(),
        bytes: facts.bytes,
        first_ns,
        reference_ns,
    })
}

/// Lines that are looked at to see what a file is.
const LOOKED_AT: usize = 1000;

/// The time of the first line that has one. A file whose lines have neither time nor program is no
/// log: it would be kept for ever, and found by nobody.
fn first_time(
    file: &mut InputFile,
    path: &Path,
    options: &ImportOptions,
    clock: ClockSettings,
) -> Result<Option<i64>, Error> {
    let mut clock = Clock::new(clock);
    let mut block = Block::new();
    match file.next_block(&mut block) {
        // Told when the file is read.
        Err(InputError::Damaged { .. } | InputError::Memory { .. }) => return Ok(None),
        read => read?,
    };
    let mut scratch = Vec::new();
    let (mut is_log, mut is_empty) = (false, true);
    for line in block.lines().take(LOOKED_AT) {
        let envelope = read(line.bytes, Format::Unknown, &mut scratch);
        is_empty = false;
        is_log |= !envelope.tag.is_empty() || envelope.own_file;
        if let Some(resolved) = clock.resolve(&envelope.stamp) {
            return Ok(Some(resolved.time_ns));
        }
    }
    if is_log || is_empty || options.force {
        return Ok(None);
    }
    if is_utf16(block.bytes()) {
        return Err(Error::Asked(format!(
            "{}: its text is UTF-16, and logs are read as UTF-8; nothing of it was imported; \
             convert it first, with `iconv -f UTF-16 -t UTF-8`",
            path.display()
        )));
    }
    if block.bytes().starts_with(b"__CURSOR=") {
        return Err(Error::Asked(format!(
            "{}: an export of the systemd journal in its own format; nothing of it was imported; \
             export it with `journalctl -o json`",
            path.display()
        )));
    }
    Err(Error::Asked(format!(
        "{}: none of its first lines has a time or a program, as lines of a log have; nothing of it \
         was imported; give --force to import it nevertheless",
        path.display()
    )))
}

/// Whether a text is UTF-16, as editors and shells of Windows write it: by its mark, or because
/// every other byte of its beginning is NUL, as in English text.
fn is_utf16(text: &[u8]) -> bool {
    const LOOKED_AT: usize = 32;
    let is_marked = text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]);
    let head = &text[..text.len().min(LOOKED_AT)];
    let nuls_at = |parity: usize| head.iter().skip(parity).step_by(2).all(|byte| *byte == 0);
    is_marked || head.len() == LOOKED_AT && nuls_at(0) != nuls_at(1)
}

pub(super) fn clock_settings(
    options: &ImportOptions,
    reference_ns: i64,
) -> Result<ClockSettings, Error> {
    let zone = match options.timezone.as_deref() {
        Some(name) => zone(name).map_err(Error::Asked)?,
        None => zone("local").unwrap_or(Zone::Utc),
    };
    Ok(ClockSettings {
        zone,
        year: options.year,
        reference_ns,
    })
}
