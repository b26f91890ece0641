//! Crashes in the middle of an import.

use tempfile::TempDir;
use tidings_engine::EngineOptions;
use tidings_engine::input::Limits;
use tidings_spool::fault::MemoryBackend;

use super::world::{
    Shown, cut_into_files, import, log_lines, open, open_with, with_dependent_lines,
};

/// Wherever an import is cut off, a second one ends as an import that was not: every event once,
/// with the same ids, the same lines, the same messages.
#[test]
fn an_import_cut_off_at_any_operation_is_finished_by_the_next() {
    let dir = TempDir::new().unwrap();
    let files = cut_into_files(dir.path(), &log_lines(1000, 400), 4);
    let calm = MemoryBackend::new();
    let engine = open(&calm).unwrap();
    import(&engine, &files).unwrap();
    let expected = Shown::of(&engine);
    assert!(expected.events.len() > 400 && expected.messages.len() > 20);
    let operations = calm.operations();
    println!(
        "{operations} rounds, one for each operation, {} events, {} messages",
        expected.events.len(),
        expected.messages.len()
    );
    for n in 1..=operations {
        let disk = MemoryBackend::new();
        disk.crash_at(n);
        let cut_off = open(&disk).and_then(|engine| import(&engine, &files));
        assert!(cut_off.is_err(), "operation {n} was never reached");
        let disk = disk.crash(n % 7);
        let engine = open(&disk).unwrap_or_else(|error| panic!("crash at {n}: {error}"));
        import(&engine, &files).unwrap_or_else(|error| panic!("crash at {n}: {error}"));
        Shown::of(&engine).assert_is(&expected, &format!("crash at {n}"));
        drop(engine);
        let again = open(&disk).unwrap();
        Shown::of(&again).assert_is(&expected, &format!("crash at {n}, opened again"));
        assert_eq!(again.take_notes(), Vec::<String>::new(), "crash at {n}");
    }
}

/// The same within one large file, which is committed in steps: what the next line needs is
/// committed with the lines, so ids and meanings are those of one go.
#[test]
fn an_import_of_a_large_file_goes_on_where_it_was_cut_off() {
    let dir = TempDir::new().unwrap();
    // Blocks of 64 KiB, a step each.
    let log = with_dependent_lines(&log_lines(600, 1600), 7);
    let files = cut_into_files(dir.path(), &log, 1);
    let options = EngineOptions {
        reading: Limits {
            block_bytes: 1 << 16,
            ..Limits::default()
        },
        import_step_lines: 1,
        ..EngineOptions::default()
    };
    let open = |disk: &MemoryBackend| open_with(disk, options.clone());
    let calm = MemoryBackend::new();
    let engine = open(&calm).unwrap();
    import(&engine, &files).unwrap();
    let expected = Shown::of(&engine);
    let operations = calm.operations();
    let rounds = (5..=operations).step_by(9);
    println!(
        "{} rounds, {} events",
        rounds.clone().count(),
        expected.events.len()
    );
    for n in rounds {
        let disk = MemoryBackend::new();
        disk.crash_at(n);
        let cut_off = open(&disk).and_then(|engine| import(&engine, &files));
        assert!(cut_off.is_err(), "operation {n} was never reached");
        let engine = open(&disk.crash(n % 7)).unwrap();
        import(&engine, &files).unwrap_or_else(|error| panic!("crash at {n}: {error}"));
        Shown::of(&engine).assert_is(&expected, &format!("crash at {n}"));
    }
}
