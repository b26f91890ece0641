use super::*;

fn log(directory: &Path) -> LogFile {
    LogFile {
        compression: Compression::Gzip,
        ..LogFile::new(directory)
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Killed after the rename and before the removal, both files are there: the copy stays.
#[test]
fn a_kill_between_rename_and_removal_leaves_nothing_double() {
    let directory = tempfile::tempdir().unwrap();
    let log = log(directory.path());
    let old = directory.path().join("tidings.2026-02-03");
    fs::write(&old, "text\n").unwrap();
    let active = directory.path().join("tidings.2026-02-04");
    let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(7));
    File::options()
        .append(true)
        .open(&old)
        .unwrap()
        .set_times(times)
        .unwrap();
    tidy(&log, &active, SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(names(directory.path()), ["tidings.2026-02-03.gz"]);
    fs::write(&old, "text\n").unwrap();
    File::options()
        .append(true)
        .open(&old)
        .unwrap()
        .set_times(times)
        .unwrap();
    tidy(&log, &active, SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(names(directory.path()), ["tidings.2026-02-03.gz"]);
    // Another file of that name is no copy: it gets a number.
    fs::write(&old, "more\n").unwrap();
    tidy(&log, &active, SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(
        names(directory.path()),
        ["tidings.2026-02-03.1.gz", "tidings.2026-02-03.gz"]
    );
}

#[test]
fn links_and_strangers_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let log = LogFile {
        keep_files: Some(1),
        ..log(directory.path())
    };
    fs::write(directory.path().join("target"), "x").unwrap();
    std::os::unix::fs::symlink("target", directory.path().join("tidings.1")).unwrap();
    fs::create_dir(directory.path().join("tidings.2")).unwrap();
    fs::write(directory.path().join("tidings.3"), "x").unwrap();
    fs::write(directory.path().join("tidings.conf"), "x").unwrap();
    tidy(
        &log,
        &directory.path().join("tidings"),
        SystemTime::UNIX_EPOCH,
    )
    .unwrap();
    assert_eq!(
        names(directory.path()),
        [
            "target",
            "tidings.1",
            "tidings.2",
            "tidings.3.gz",
            "tidings.conf"
        ]
    );
}
