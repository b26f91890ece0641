//! The redb files in the data directory that management keeps.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use redb::Database;
use redb::backends::FileBackend;

/// Opens `DIR/NAME`, readable by the owner alone; makes it where there is none. The directory's lock is
/// this process's. The error says what is wrong, but not with which file.
///
/// The file is made under another name until it is whole: a process that is killed meanwhile would leave
/// half a file, which redb takes for damage ever after.
pub(crate) fn open(dir: &Path, name: &str, cache_bytes: usize) -> Result<Database, String> {
    let path = dir.join(name);
    if !path.try_exists().map_err(in_words)? {
        make(dir, name).map_err(in_words)?;
    }
    let options = OpenOptions::new().read(true).write(true).open(&path);
    let backend = FileBackend::new(options.map_err(in_words)?).map_err(in_words)?;
    Database::builder()
        .set_cache_size(cache_bytes)
        .create_with_backend(backend)
        .map_err(in_words)
}

fn make(dir: &Path, name: &str) -> io::Result<()> {
    let unfinished = dir.join(format!("{name}.new"));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    let synced = file.try_clone()?;
    let backend = FileBackend::new(file).map_err(io::Error::other)?;
    let made = Database::builder().create_with_backend(backend);
    drop(made.map_err(io::Error::other)?);
    synced.sync_all()?;
    fs::rename(&unfinished, dir.join(name))?;
    File::open(dir)?.sync_all()
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use redb::{ReadableDatabase, TableDefinition};

    use super::*;

    const TABLE: TableDefinition<'_, u64, u64> = TableDefinition::new("table");

    #[test]
    fn is_made_again_if_the_process_died_while_it_was_made() {
        let dir = tempfile::tempdir().unwrap();
        for left in [&b""[..], b"redb", &[0; 5000]] {
            fs::write(dir.path().join("a.redb.new"), left).unwrap();
            let made = open(dir.path(), "a.redb", 1 << 20).unwrap();
            let write = made.begin_write().unwrap();
            write.open_table(TABLE).unwrap().insert(1, 2).unwrap();
            write.commit().unwrap();
            drop(made);
            let again = open(dir.path(), "a.redb", 1 << 20).unwrap();
            let table = again.begin_read().unwrap().open_table(TABLE).unwrap();
            assert_eq!(table.get(1).unwrap().unwrap().value(), 2);
            let mode = fs::metadata(dir.path().join("a.redb")).unwrap();
            assert_eq!(mode.permissions().mode() & 0o777, 0o600);
            assert!(!dir.path().join("a.redb.new").exists());
            drop((table, again));
            fs::remove_file(dir.path().join("a.redb")).unwrap();
        }
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.redb"), "not a database").unwrap();
        let error = open(dir.path(), "a.redb", 1 << 20).unwrap_err();
        assert!(error.contains("magic number"), "{error}");
    }
}
