//! Full disks, short writes and failed syncs: told in one sentence, survived, and made good when
//! the medium works again.

use std::io::ErrorKind;

use tempfile::TempDir;
use tidings_engine::{Error, Live};
use tidings_spool::fault::MemoryBackend;

use super::feeder::{GrowingLog, catch_up, start};
use super::world::{Shown, cut_into_files, import, log_lines, open, with_dependent_lines};

/// Lines appended to the log at a time.
const STEP: usize = 30;

/// An error is one sentence, in lower case, without a full stop.
fn assert_is_a_sentence(error: &Error, round: &str) {
    let text = error.to_string();
    let is_sentence =
        !text.contains('\n') && !text.ends_with('.') && text.len() > 10 && text.len() < 300;
    assert!(is_sentence, "{round}: {text:?}");
}

#[test]
fn an_import_onto_a_full_disk_says_so_and_is_finished_when_there_is_room() {
    let dir = TempDir::new().unwrap();
    let files = cut_into_files(dir.path(), &log_lines(1000, 300), 3);
    let calm = open(&MemoryBackend::new()).unwrap();
    import(&calm, &files).unwrap();
    let expected = Shown::of(&calm);
    let mut failures = 0;
    for room in (0..120).map(|number| 500 + number * 700) {
        let round = format!("{room} bytes of room");
        let disk = MemoryBackend::new();
        let engine = open(&disk).unwrap();
        disk.full_after(room);
        let Err(error) = import(&engine, &files) else {
            break;
        };
        failures += 1;
        assert_is_a_sentence(&error, &round);
        // What was committed before is there, each event and message once.
        Shown::of(&engine);
        disk.never_full();
        import(&engine, &files).unwrap_or_else(|error| panic!("{round}: {error}"));
        Shown::of(&engine).assert_is(&expected, &round);
        drop(engine);
        let engine = open(&disk).unwrap();
        Shown::of(&engine).assert_is(&expected, &round);
        // A part that could not be written whole is cleared away with the next start.
        let is_leftover = |note: &String| note.ends_with(".tmp: left by a crash, removed");
        assert!(engine.take_notes().iter().all(is_leftover), "{round}");
    }
    assert!(failures > 20, "the disk was full in {failures} rounds only");
}

#[test]
fn a_short_write_or_failed_sync_ends_an_import_and_harms_nothing() {
    let dir = TempDir::new().unwrap();
    let files = cut_into_files(dir.path(), &log_lines(1000, 200), 2);
    let calm = MemoryBackend::new();
    let engine = open(&calm).unwrap();
    import(&engine, &files).unwrap();
    let expected = Shown::of(&engine);
    for number in 0..20 {
        let disk = MemoryBackend::new();
        let engine = open(&disk).unwrap();
        let round = format!("fault {number}");
        // The second file meets it, the first one may.
        if number % 2 == 0 {
            import(&engine, &files[..1]).unwrap();
        }
        match number % 4 {
            0 | 1 => disk.fail_write_once(ErrorKind::Other),
            _ => disk.fail_sync_once(),
        }
        assert_is_a_sentence(&import(&engine, &files).unwrap_err(), &round);
        Shown::of(&engine);
        drop(engine);
        // What a failed sync should have made durable may be lost with the machine.
        let disk = disk.crash(number);
        let engine = open(&disk).unwrap_or_else(|error| panic!("{round}: {error}"));
        import(&engine, &files).unwrap_or_else(|error| panic!("{round}: {error}"));
        Shown::of(&engine).assert_is(&expected, &round);
    }
}

/// Follows the log to its end; where that fails, mends the medium and goes on from the place that
/// the source tells, as a server does. Gives what went wrong.
fn follow_stubbornly(file: &mut GrowingLog, live: &Live, mend: &dyn Fn()) -> Vec<Error> {
    let mut errors = Vec::new();
    for _ in 0..100 {
        match file.follow(live, STEP, &mut |_| {}) {
            Ok(()) => return errors,
            Err(error) => errors.push(error),
        }
        if errors.len() == 3 {
            mend();
        }
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    panic!("following does not go on: {:?}", errors.last());
}

#[test]
fn a_followed_log_waits_for_room_on_the_disk_and_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let log = with_dependent_lines(&log_lines(1000, 400), STEP);
    let calm = start(open(&MemoryBackend::new()).unwrap());
    GrowingLog::new(&dir.path().join("calm.log"), &log)
        .follow(&calm, STEP, &mut |_| {})
        .unwrap();
    catch_up(&calm);
    let expected = Shown::of(calm.engine());
    let (mut met, mut seals_failed) = (0, 0);
    for room in (0..40).map(|number| 300 + number * 800) {
        let round = format!("{room} bytes of room");
        let disk = MemoryBackend::new();
        let live = start(open(&disk).unwrap());
        disk.full_after(room);
        let mut file = GrowingLog::new(&dir.path().join("mail.log"), &log);
        let errors = follow_stubbornly(&mut file, &live, &|| disk.never_full());
        errors
            .iter()
            .for_each(|error| assert_is_a_sentence(error, &round));
        disk.never_full();
        catch_up(&live);
        let notes = live.engine().take_notes();
        met += usize::from(!errors.is_empty() || !notes.is_empty());
        seals_failed += notes
            .iter()
            .filter(|note| note.contains("the history cannot be written"))
            .count();
        Shown::of(live.engine()).assert_is(&expected, &format!("{round}: {errors:?} {notes:?}"));
        live.shutdown()
            .unwrap_or_else(|error| panic!("{round}: {error}"));
        let live = start(open(&disk).unwrap());
        catch_up(&live);
        Shown::of(live.engine()).assert_is(&expected, &format!("{round}, opened again"));
    }
    assert!(met > 20, "the disk was full in {met} rounds only");
    assert!(
        seals_failed > 0,
        "it was full while sealing in {seals_failed} rounds only"
    );
}

#[test]
fn after_a_failed_write_following_goes_on_with_the_next_start() {
    let dir = TempDir::new().unwrap();
    let log = with_dependent_lines(&log_lines(1000, 300), STEP);
    let calm = start(open(&MemoryBackend::new()).unwrap());
    GrowingLog::new(&dir.path().join("calm.log"), &log)
        .follow(&calm, STEP, &mut |_| {})
        .unwrap();
    catch_up(&calm);
    let expected = Shown::of(calm.engine());
    for number in 0..24_u64 {
        let round = format!("fault {number}");
        let disk = MemoryBackend::new();
        let mut file = GrowingLog::new(&dir.path().join("mail.log"), &log);
        let live = start(open(&disk).unwrap());
        let mut steps = 0;
        let failed = file.follow(&live, STEP, &mut |_| {
            steps += 1;
            if steps == 1 + number / 3 {
                match number % 3 {
                    0 => disk.fail_write_once(ErrorKind::Other),
                    1 => disk.fail_sync_once(),
                    _ => disk.fail_write_once(ErrorKind::StorageFull),
                }
            }
        });
        if let Err(error) = failed {
            assert_is_a_sentence(&error, &round);
        }
        drop(live);
        let disk = disk.crash(number);
        let live = start(open(&disk).unwrap_or_else(|error| panic!("{round}: {error}")));
        file.follow(&live, STEP, &mut |_| {})
            .unwrap_or_else(|error| panic!("{round}: {error}"));
        catch_up(&live);
        Shown::of(live.engine()).assert_is(&expected, &round);
    }
}
