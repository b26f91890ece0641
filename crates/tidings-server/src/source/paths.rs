//! From the patterns of the settings to the files that are to be followed.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidings_engine::input::FileId;

use crate::output::LogPlaces;

/// What rotations pack with.
const PACKED: [&str; 5] = ["gz", "bz2", "xz", "zst", "zip"];

/// A file that a pattern names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// To be followed.
    File(PathBuf),
    /// Not to be followed, and why not.
    Not(PathBuf, &'static str),
}

/// What must not be followed: our own output would come back as input, for ever.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// The data directory.
    pub(super) data: PathBuf,
    /// Files open as our standard output and error.
    pub(super) outputs: BTreeSet<(u64, u64)>,
    /// Files that tracers write.
    pub(super) places: Arc<LogPlaces>,
    /// A file of the data directory that is followed all the same: the replayed sample.
    pub(super) demo_log: Option<PathBuf>,
}

impl Own {
    /// What this process has open, and its data directory.
    pub(super) fn of_process(
        data: &Path,
        demo_log: Option<PathBuf>,
        places: Arc<LogPlaces>,
    ) -> Own {
        let ids = [
            rustix::fs::fstat(std::io::stdout()),
            rustix::fs::fstat(std::io::stderr()),
        ];
        let regular = |stat: &rustix::fs::Stat| {
            rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::RegularFile
        };
        Own {
            data: std::fs::canonicalize(data).unwrap_or_else(|_| data.to_owned()),
            outputs: ids
                .into_iter()
                .flatten()
                .filter(regular)
                .map(|stat| (stat.st_dev, stat.st_ino))
                .collect(),
            places,
            demo_log,
        }
    }

    fn why_not(&self, path: &Path) -> Option<&'static str> {
        if self.demo_log.as_deref() == Some(path) {
            return None;
        }
        let place = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if place.starts_with(&self.data) {
            return Some("it lies in the server's own data directory");
        }
        if self.places.hold(path) {
            return Some("a tracer writes it");
        }
        let metadata = std::fs::metadata(path).ok()?;
        let is_output = self.outputs.contains(&(metadata.dev(), metadata.ino()));
        is_output.then_some("the server's own output goes into it")
    }
}

/// The files that a pattern names now. A pattern without wildcards names its file whether it exists
/// or not; one with wildcards names regular files that are not rotated ones.
pub(super) fn expand(pattern: &str, own: &Own) -> Vec<Named> {
    if !has_wildcards(pattern) {
        let path = PathBuf::from(unescaped(pattern));
        return vec![match own.why_not(&path) {
            Some(why) => Named::Not(path, why),
            None => Named::File(path),
        }];
    }
    // A pattern that cannot be read was refused with the settings; what cannot be looked into now
    // is looked into again.
    let Ok(found) = glob::glob(pattern) else {
        return Vec::new();
    };
    let mut named = Vec::new();
    for path in found.flatten().filter(|path| path.is_file()) {
        match own.why_not(&path) {
            Some(why) => named.push(Named::Not(path, why)),
            None if is_rotated(&path) => {
                named.push(Named::Not(
                    path,
                    "its name is that of a rotated file; `tidings import` reads those",
                ));
            }
            None => named.push(Named::File(path)),
        }
    }
    named
}

/// The file's place in the file system, to notice two names of one file.
pub(super) fn id_of(path: &Path) -> Option<FileId> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(FileId {
        device: metadata.dev(),
        inode: metadata.ino(),
    })
}

fn has_wildcards(pattern: &str) -> bool {
    unescaped(pattern).contains(['*', '?', '['])
        && glob::Pattern::escape(&unescaped(pattern)) != pattern
}

/// `[*]` as `glob::Pattern::escape` writes it back to `*`.
fn unescaped(pattern: &str) -> String {
    pattern
        .replace("[?]", "?")
        .replace("[*]", "*")
        .replace("[]]", "]")
        .replace("[[]", "[")
}

/// `mail.log.1`, `mail.log-20261122`, `mail.log.2.gz`: what logrotate makes of `mail.log`.
fn is_rotated(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((_, suffix)) = name.rsplit_once('.')
        && (PACKED.contains(&suffix) || suffix == "old" || is_digits(suffix))
    {
        return true;
    }
    let stem = name.strip_suffix(".log").unwrap_or(name);
    stem.rsplit_once('-')
        .is_some_and(|(_, date)| is_digits(date) && date.len() >= 8)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn files(pattern: &str, own: &Own) -> Vec<String> {
        let mut names = Vec::new();
        for named in expand(pattern, own) {
            if let Named::File(path) = named {
                names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
        names
    }

    #[test]
    fn patterns_name_logs_and_not_their_rotated_files() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "a.log",
            "b.log",
            "a.log.1",
            "a.log.2.gz",
            "a.log-20261122",
            "b-20261122.log",
            "b.log.old",
            "x.txt",
        ] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::create_dir(dir.path().join("dir.log")).unwrap();
        let own = Own {
            data: "/nonexistent".into(),
            ..Own::default()
        };
        let at = |pattern: &str| format!("{}/{pattern}", dir.path().display());
        assert_eq!(files(&at("*.log"), &own), ["a.log", "b.log"]);
        assert_eq!(files(&at("a*"), &own), ["a.log"]);
        assert_eq!(files(&at("[b]*"), &own), ["b.log"]);
        assert_eq!(
            files(&at("a.log.1"), &own),
            ["a.log.1"],
            "who names it means it"
        );
        assert_eq!(files(&at("missing.log"), &own), ["missing.log"]);
        assert_eq!(files(&at("missing*"), &own), Vec::<String>::new());
        assert_eq!(expand(&at("a.log.?"), &own).len(), 1);
    }

    #[test]
    fn names_with_wildcards_in_them_can_be_escaped() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a[1]*.log"), "").unwrap();
        let own = Own {
            data: "/nonexistent".into(),
            ..Own::default()
        };
        let escaped = glob::Pattern::escape(dir.path().join("a[1]*.log").to_str().unwrap());
        assert!(!has_wildcards(&escaped));
        assert_eq!(files(&escaped, &own), ["a[1]*.log"]);
        assert!(
            has_wildcards("/a/[ab]*.log") && has_wildcards("/a/[*]?") && !has_wildcards("/a/b.log")
        );
    }

    #[test]
    fn our_own_outputs_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (data, log) = (dir.path().join("data"), dir.path().join("out.log"));
        fs::create_dir(&data).unwrap();
        fs::write(&log, "").unwrap();
        fs::write(data.join("mail.log"), "").unwrap();
        let place = fs::metadata(&log).unwrap();
        let own = Own {
            data: fs::canonicalize(&data).unwrap(),
            outputs: [(place.dev(), place.ino())].into(),
            places: Arc::default(),
            demo_log: Some(data.join("demo.log")),
        };
        let link = dir.path().join("link.log");
        std::os::unix::fs::symlink(&log, &link).unwrap();
        for path in [
            &log,
            &link,
            &data.join("mail.log"),
            &data.join("missing.log"),
        ] {
            let named = expand(path.to_str().unwrap(), &own);
            assert!(matches!(&named[..], [Named::Not(..)]), "{named:?}");
        }
        let demo = expand(data.join("demo.log").to_str().unwrap(), &own);
        assert!(matches!(&demo[..], [Named::File(_)]));
    }
}
