//! The rotated files beside a followed one, in the order in which they were written.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::super::error::InputError;
use super::super::open::{FileId, modified_ns};

/// What rotations pack with, as their suffixes tell.
const PACKED: [&[u8]; 4] = [b".gz", b".bz2", b".xz", b".zst"];

/// A file that is or was followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) id: FileId,
    pub(super) bytes: u64,
    pub(super) modified_ns: i64,
}

/// The files of one log that have content, oldest first, the followed one last.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) rotated: Vec<Entry>,
    /// The file at the followed path, if it has content.
    pub(super) live: Option<Entry>,
}

impl Shelf {
    /// Looks into the followed file's directory and further ones.
    pub(super) fn look(path: &Path, further: &[PathBuf]) -> Result<Self, InputError> {
        let mut found = BTreeMap::new();
        let beside = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        for dir in [beside]
            .into_iter()
            .chain(further.iter().map(PathBuf::as_path))
        {
            collect(dir, path.file_name().unwrap_or_default(), &mut found).map_err(|source| {
                InputError::Open {
                    path: dir.to_owned(),
                    source,
                }
            })?;
        }
        let live = stat(path)?.filter(|live| live.bytes > 0);
        Ok(Self {
            rotated: in_order(found),
            live,
        })
    }

    /// All of them, oldest first.
    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.rotated.iter().chain(&self.live)
    }

    /// A number that changes when a file is added, removed, renamed or replaced, not when one grows.
    pub(super) fn layout(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for entry in self.entries() {
            (&entry.path, entry.id).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// When the newest rotated file was last written.
    pub(super) fn newest_rotated_ns(&self) -> i64 {
        self.rotated
            .iter()
            .map(|entry| entry.modified_ns)
            .max()
            .unwrap_or(i64::MIN)
    }
}

/// What stands at a path; `None` if nothing does.
pub(super) fn stat(path: &Path) -> Result<Option<Entry>, InputError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(Entry {
            path: path.to_owned(),
            id: FileId::of(&metadata),
            bytes: metadata.len(),
            modified_ns: modified_ns(&metadata),
        })),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(InputError::Open {
            path: path.to_owned(),
            source,
        }),
    }
}

/// How a rotation names files: by number (the higher the older, as nearly all do; see
/// [`counts_up`]), or by date.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Number(u32),
    Date(Vec<u8>),
}

/// Finds a log's rotated files in a directory. Where one exists both plain and packed it is just
/// being packed, and the plain one counts.
fn collect(
    dir: &Path,
    name: &OsStr,
    found: &mut BTreeMap<PathBuf, (Rank, Entry)>,
) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let file = entry?.file_name();
        let plain = unpacked(file.as_bytes());
        let Some(rank) = rank(plain, name.as_bytes()) else {
            continue;
        };
        let Ok(Some(entry)) = stat(&dir.join(&file)) else {
            // Gone since it was listed.
            continue;
        };
        let key = dir.join(OsStr::from_bytes(plain));
        if plain.len() == file.len() {
            found.insert(key, (rank, entry));
        } else {
            found.entry(key).or_insert((rank, entry));
        }
    }
    Ok(())
}

/// A file's name without the suffix of a packer.
fn unpacked(name: &[u8]) -> &[u8] {
    PACKED
        .iter()
        .find_map(|suffix| name.strip_suffix(*suffix))
        .unwrap_or(name)
}

/// Recognises `mail.log.1`, `mail.log-20261122`, and with logrotate's `extension`: `mail.1.log`,
/// `mail-20261122.log`.
fn rank(name: &[u8], followed: &[u8]) -> Option<Rank> {
    let middle = name.strip_prefix(followed).or_else(|| {
        let dot = followed.iter().rposition(|byte| *byte == b'.')?;
        name.strip_prefix(&followed[..dot])?
            .strip_suffix(&followed[dot..])
    })?;
    let (b'.' | b'-' | b'_', number) = middle.split_first()? else {
        return None;
    };
    let digits: Vec<u8> = number.iter().copied().filter(u8::is_ascii_digit).collect();
    let others = number.iter().filter(|byte| !byte.is_ascii_digit());
    if digits.is_empty() || others.into_iter().any(|byte| !b"-_.:TZ+".contains(byte)) {
        return None;
    }
    if digits.len() == number.len() && digits.len() <= 3 {
        let number = digits
            .iter()
            .fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        return Some(Rank::Number(number));
    }
    Some(Rank::Date(digits))
}

/// Sorts by name where all names are of one kind, else by time.
fn in_order(found: BTreeMap<PathBuf, (Rank, Entry)>) -> Vec<Entry> {
    let mut found: Vec<(Rank, Entry)> = found
        .into_values()
        .filter(|(_, entry)| entry.bytes > 0)
        .collect();
    if found
        .iter()
        .all(|(rank, _)| matches!(rank, Rank::Number(_)))
    {
        found.sort_by(|one, other| other.0.cmp(&one.0));
        if counts_up(&found) {
            found.reverse();
        }
    } else if one_length_of_date(&found) {
        found.sort_by(|one, other| one.0.cmp(&other.0));
    } else {
        found.sort_by_key(|(_, entry)| entry.modified_ns);
    }
    found.into_iter().map(|(_, entry)| entry).collect()
}

/// Fewer files than this may have the wrong times by chance.
const COUNTED_UP_MIN: usize = 3;

/// Whether a rotation gives each file the next number and renames none again, so that the highest
/// is the newest: all times say so. Taken for older ones, those files would be read again with
/// every rotation. `found` is sorted by number, the highest first.
fn counts_up(found: &[(Rank, Entry)]) -> bool {
    found.len() >= COUNTED_UP_MIN
        && found.is_sorted_by(|higher, lower| higher.1.modified_ns > lower.1.modified_ns)
}

fn one_length_of_date(found: &[(Rank, Entry)]) -> bool {
    let length = |rank: &Rank| match rank {
        Rank::Number(_) => None,
        Rank::Date(digits) => Some(digits.len()),
    };
    let first = found.first().and_then(|(rank, _)| length(rank));
    first.is_some() && found.iter().all(|(rank, _)| length(rank) == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(names: &[&str], followed: &str) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        let shelf = Shelf::look(&dir.path().join(followed), &[]).unwrap();
        let name = |entry: &Entry| entry.path.file_name().unwrap().to_str().unwrap().to_owned();
        shelf.entries().map(name).collect()
    }

    #[test]
    fn numbers_run_backward_and_dates_forward() {
        let names = [
            "mail.log",
            "mail.log.1",
            "mail.log.10.gz",
            "mail.log.2.gz",
            "mail.log.bak",
            "mail.log.1.swp",
        ];
        assert_eq!(
            order(&names, "mail.log"),
            ["mail.log.10.gz", "mail.log.2.gz", "mail.log.1", "mail.log"]
        );
        let names = [
            "mail.log-20261201",
            "mail.log-20261122.xz",
            "mail.log-20261130.zst",
            "mail.log2",
        ];
        assert_eq!(
            order(&names, "mail.log"),
            [
                "mail.log-20261122.xz",
                "mail.log-20261130.zst",
                "mail.log-20261201"
            ]
        );
        let names = [
            "mail-20261122-0100.log",
            "mail-20261121-0100.log",
            "mail.log",
            "mail.old.log",
        ];
        assert_eq!(
            order(&names, "mail.log"),
            [
                "mail-20261121-0100.log",
                "mail-20261122-0100.log",
                "mail.log"
            ]
        );
    }

    #[test]
    fn a_file_that_is_just_being_packed_counts_once() {
        let names = ["maillog", "maillog.0", "maillog.0.bz2", "maillog.1.bz2"];
        assert_eq!(
            order(&names, "maillog"),
            ["maillog.1.bz2", "maillog.0", "maillog"]
        );
    }

    #[test]
    fn names_of_two_kinds_are_sorted_by_time() {
        let dir = tempfile::tempdir().unwrap();
        for (seconds, name) in ["log-20261122", "log.1", "log-20261123"].iter().enumerate() {
            let file = std::fs::File::create(dir.path().join(name)).unwrap();
            io::Write::write_all(&mut &file, b"x").unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds as u64);
            file.set_modified(time).unwrap();
        }
        let shelf = Shelf::look(&dir.path().join("log"), &[]).unwrap();
        let names: Vec<_> = shelf
            .rotated
            .iter()
            .map(|entry| entry.path.file_name().unwrap())
            .collect();
        assert_eq!(names, ["log-20261122", "log.1", "log-20261123"]);
        assert_eq!(shelf.newest_rotated_ns(), 2_000_000_000);
    }

    #[test]
    fn numbers_that_run_forward_are_known_by_the_times_of_all_files() {
        let ordered = |files: &[(&str, u64)]| -> Vec<String> {
            let dir = tempfile::tempdir().unwrap();
            for (name, seconds) in files {
                let file = std::fs::File::create(dir.path().join(name)).unwrap();
                io::Write::write_all(&mut &file, b"x").unwrap();
                let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(*seconds);
                file.set_modified(time).unwrap();
            }
            let shelf = Shelf::look(&dir.path().join("log"), &[]).unwrap();
            let name = |entry: &Entry| entry.path.file_name().unwrap().to_str().unwrap().to_owned();
            shelf.rotated.iter().map(name).collect()
        };
        let upward = [("log.0", 5), ("log.1.gz", 6), ("log.2", 7), ("log.10", 8)];
        assert_eq!(ordered(&upward), ["log.0", "log.1.gz", "log.2", "log.10"]);
        let one_touched = [("log.1", 7), ("log.2", 9), ("log.3", 5)];
        assert_eq!(ordered(&one_touched), ["log.3", "log.2", "log.1"]);
        let restored = [("log.1", 7), ("log.2", 7), ("log.3", 7)];
        assert_eq!(ordered(&restored), ["log.3", "log.2", "log.1"]);
        let too_few = [("log.1", 7), ("log.2", 9)];
        assert_eq!(ordered(&too_few), ["log.2", "log.1"]);
    }

    #[test]
    fn empty_files_are_left_out_and_growth_is_no_change_of_layout() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "").unwrap();
        std::fs::write(dir.path().join("log.1"), "").unwrap();
        let empty = Shelf::look(&path, &[]).unwrap();
        assert_eq!(empty.entries().count(), 0);
        std::fs::write(&path, "x").unwrap();
        let begun = Shelf::look(&path, &[]).unwrap();
        assert_ne!(begun.layout(), empty.layout());
        std::fs::write(&path, "xy").unwrap();
        assert_eq!(Shelf::look(&path, &[]).unwrap().layout(), begun.layout());
    }
}
