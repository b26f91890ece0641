//! Where log files lie: which two tracers, or which tracer and source, would meet there.

use std::path::{Component, Path, PathBuf};

use super::name::{Name, is_ours};
use crate::settings::{LogFile, SettingsError};

/// Refuses a log whose files are read as a source: what it wrote would come back as events for ever.
///
/// `sources` are the files that sources read or would read, as they are named in the settings after
/// wildcards were expanded. Names and links are followed; `object` is the tracer's name in errors.
///
/// # Errors
/// Names the source.
pub fn check_not_a_source(
    object: &str,
    log: &LogFile,
    sources: &[PathBuf],
) -> Result<(), SettingsError> {
    let directory = real(&log.path);
    for source in sources {
        let source = real(source);
        let is_there = source.parent() == Some(directory.as_path());
        let name = source.file_name().and_then(|name| name.to_str());
        if is_there && name.is_some_and(|name| is_ours(log, name)) {
            let value = log.path.join(&log.prefix);
            let allowed = format!("a file that no source reads, which {} is", source.display());
            return Err(SettingsError::new(
                object,
                "path",
                value.display(),
                &allowed,
            ));
        }
    }
    Ok(())
}

/// Whether a file of one log is, or could become, one of the other: each would set aside, pack and
/// remove what the other writes.
pub(crate) fn is_same_place(one: &LogFile, other: &LogFile) -> bool {
    let is_of = |prefix: &str, name: &str| Name::parse(prefix, name).is_some();
    let do_names_meet = is_of(&one.prefix, &other.prefix) || is_of(&other.prefix, &one.prefix);
    do_names_meet && real(&one.path) == real(&other.path)
}

/// The absolute path without `.` and `..`, its links followed as far as it exists.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut real = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::CurDir => {}
            // Of what is real by now, so the parent of what a link leads to.
            Component::ParentDir => {
                real.pop();
            }
            part => {
                real.push(part);
                if let Ok(found) = real.canonicalize() {
                    real = found;
                }
            }
        }
    }
    real
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_one_however_they_are_written() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("a")).unwrap();
        std::os::unix::fs::symlink(root.join("a"), root.join("link")).unwrap();
        for (path, expected) in [
            ("a/new", "a/new"),
            ("a/./new/", "a/new"),
            ("b/../a/new", "a/new"),
            ("link/new", "a/new"),
            ("link/../a/new/x/..", "a/new"),
            ("b//c", "b/c"),
        ] {
            assert_eq!(real(&root.join(path)), root.join(expected), "{path}");
        }
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        assert_eq!(real(Path::new("logs/x")), here.join("logs/x"));
    }

    #[test]
    fn logs_meet_by_prefixes_that_are_names_of_the_other() {
        let directory = tempfile::tempdir().unwrap();
        let log = |prefix: &str| LogFile {
            prefix: prefix.to_owned(),
            ..LogFile::new(directory.path())
        };
        for (one, other, meet) in [
            ("mail", "mail", true),
            ("mail", "mail.1", true),
            ("mail.2026-02-03", "mail", true),
            ("mail", "mail.gz", true),
            ("mail", "mail.log", false),
            ("mail", "mails", false),
        ] {
            let (one, other) = (log(one), log(other));
            assert_eq!(is_same_place(&one, &other), meet, "{one:?} {other:?}");
        }
        let elsewhere = LogFile::new(directory.path().join("x"));
        assert!(!is_same_place(&log("tidings"), &elsewhere));
    }
}
