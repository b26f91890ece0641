use tidings_spool::fault::{ManualClock, MemoryBackend};

use super::*;

fn open(disk: &MemoryBackend, clock: &Arc<ManualClock>) -> Arc<Cursors> {
    let backend = Arc::new(disk.clone());
    Arc::new(Cursors::open(backend, clock.clone(), 77).unwrap())
}

#[test]
fn cursors_survive_a_crash_once_they_are_saved() {
    let (disk, clock) = (MemoryBackend::new(), Arc::new(ManualClock::new(0)));
    let cursors = open(&disk, &clock);
    assert_eq!(cursors.found(), &Found::Nothing);
    let mut main = cursors.take("main", 1, 100);
    let mut other = cursors.take("other", 1, 100);
    assert_eq!(main.sequence(), 100, "a new output begins at the head");
    main.note(150);
    other.note(120);
    cursors.save().unwrap();
    main.note(160);
    let disk = disk.crash(0);
    let cursors = open(&disk, &clock);
    assert_eq!(cursors.found(), &Found::Cursors);
    assert_eq!(cursors.take("main", 1, 1_000).sequence(), 150);
    assert_eq!(cursors.take("other", 1, 1_000).sequence(), 120);
    assert_eq!(cursors.take("third", 1, 1_000).sequence(), 1_000);
    cursors.retain(|name| name == "main");
    assert_eq!(cursors.get("other"), None);
}

#[test]
fn a_crash_at_any_moment_leaves_the_old_cursors_or_the_new() {
    for at in 1..12 {
        for seed in 0..8 {
            let (disk, clock) = (MemoryBackend::new(), Arc::new(ManualClock::new(0)));
            let cursors = open(&disk, &clock);
            let mut main = cursors.take("main", 1, 100);
            cursors.save().unwrap();
            disk.crash_at(at);
            main.note(200);
            let saved = cursors.save().is_ok();
            let after = open(&disk.crash(seed), &clock);
            let place = after.take("main", 1, 1_000).sequence();
            assert_eq!(after.found(), &Found::Cursors, "crash at {at}");
            assert!(place == 200 || place == 100 && !saved, "{place} at {at}");
        }
    }
}

#[test]
fn a_damaged_file_sends_outputs_back_to_the_oldest_event() {
    let (disk, clock) = (MemoryBackend::new(), Arc::new(ManualClock::new(0)));
    let cursors = open(&disk, &clock);
    let _main = cursors.take("main", 1, 100);
    cursors.save().unwrap();
    let length = disk.contents(Path::new(FILE)).unwrap().len() as u64;
    for offset in 0..length {
        disk.flip_bit(Path::new(FILE), offset, 3).unwrap();
        let after = open(&disk, &clock);
        assert!(matches!(after.found(), Found::Unusable(_)), "byte {offset}");
        assert_eq!(after.take("main", 40, 1_000).sequence(), 40);
        disk.flip_bit(Path::new(FILE), offset, 3).unwrap();
    }
    for length in 0..length {
        let bytes = disk.contents(Path::new(FILE)).unwrap();
        assert!(decode(&bytes[..length as usize]).is_err());
    }
    let of_another = Cursors::open(Arc::new(disk), clock, 78).unwrap();
    assert!(matches!(of_another.found(), Found::Unusable(_)));
}

#[test]
fn who_took_a_cursor_before_can_no_longer_move_it() {
    let cursors = open(&MemoryBackend::new(), &Arc::new(ManualClock::new(0)));
    let mut old = cursors.take("main", 1, 100);
    old.note(110);
    let mut new = cursors.take("main", 1, 500);
    assert_eq!(new.sequence(), 110);
    new.note(130);
    old.note(120);
    assert_eq!(cursors.get("main"), Some(130));
    cursors.retain(|_| false);
    new.note(140);
    assert_eq!(cursors.get("main"), None);
}
