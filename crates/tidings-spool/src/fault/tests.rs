use super::*;

fn with_file(contents: &[u8]) -> (MemoryBackend, Arc<dyn File>) {
    let disk = MemoryBackend::new();
    disk.install(Path::new("f"), contents);
    let file = disk.open(Path::new("f"), OpenMode::Write).unwrap();
    (disk, file)
}

fn after(disk: &MemoryBackend, seed: u64) -> Vec<u8> {
    disk.crash(seed).contents(Path::new("f")).unwrap()
}

#[test]
fn unsynced_bytes_are_lost_kept_or_torn_by_seed() {
    let mut lost = 0;
    let mut kept = 0;
    let mut torn = 0;
    for seed in 0..200 {
        let (disk, file) = with_file(b"");
        file.write_all_at(&[7; 4 * SECTOR_BYTES as usize], 0)
            .unwrap();
        let bytes = after(&disk, seed);
        for sector in bytes.chunks(SECTOR_BYTES as usize) {
            assert!(
                sector.iter().all(|byte| *byte == sector[0]),
                "a sector is never half written"
            );
        }
        match bytes.iter().filter(|byte| **byte == 7).count() {
            0 => lost += 1,
            2048 => kept += 1,
            _ => torn += 1,
        }
        assert!(seed != 0 || bytes.is_empty());
        assert!(seed != 1 || bytes == [7; 2048]);
    }
    assert!(
        lost > 20 && kept > 20 && torn > 20,
        "{lost} lost, {kept} kept, {torn} torn"
    );
}

#[test]
fn synced_bytes_survive_every_crash() {
    for seed in 0..50 {
        let (disk, file) = with_file(b"");
        file.write_all_at(&[1; 1000], 0).unwrap();
        file.sync().unwrap();
        file.write_all_at(&[2; 1000], 1000).unwrap();
        let bytes = after(&disk, seed);
        assert_eq!(bytes[..1000], [1; 1000]);
    }
}

#[test]
fn names_are_durable_only_after_their_directory_is_synced() {
    let disk = MemoryBackend::new();
    disk.create_dir(Path::new("d")).unwrap();
    disk.sync_dir(Path::new("")).unwrap();
    for name in ["d/a", "d/b"] {
        disk.open(Path::new(name), OpenMode::CreateNew)
            .unwrap()
            .sync()
            .unwrap();
    }
    assert!(
        disk.crash(0).list(Path::new("d")).unwrap().is_empty(),
        "never synced"
    );

    let disk = disk.shared.lock().survivors(1);
    let disk = MemoryBackend::of(disk);
    disk.sync_dir(Path::new("d")).unwrap();
    disk.rename(Path::new("d/a"), Path::new("d/c")).unwrap();
    disk.remove(Path::new("d/b")).unwrap();
    let names = |disk: MemoryBackend| {
        let files = disk.list(Path::new("d")).unwrap();
        files
            .into_iter()
            .map(|(name, _)| name.display().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(disk.crash(0)), ["a", "b"]);
    assert_eq!(names(disk.crash(1)), ["c"]);
}

#[test]
fn a_lost_directory_takes_its_files_along() {
    let disk = MemoryBackend::new();
    disk.create_dir(Path::new("d")).unwrap();
    disk.open(Path::new("d/a"), OpenMode::CreateNew).unwrap();
    disk.sync_dir(Path::new("d")).unwrap();
    let after = disk.crash(0);
    assert!(after.list_dirs(Path::new("")).unwrap().is_empty());
    assert!(after.contents(Path::new("d/a")).is_err());
}

#[test]
fn the_chosen_operation_and_all_after_it_fail() {
    let (disk, file) = with_file(b"");
    disk.crash_at(2);
    file.write_all_at(b"one", 0).unwrap();
    assert!(file.sync().is_err(), "the second operation");
    assert!(file.write_all_at(b"two", 3).is_err());
    assert!(
        file.len().is_err() && disk.list(Path::new("")).is_err(),
        "reads fail too"
    );
    assert!(disk.is_crashed());
    assert_eq!(disk.kill().contents(Path::new("f")).unwrap(), b"one");
}

#[test]
fn a_full_disk_takes_what_fits_and_frees_by_removal() {
    let (disk, file) = with_file(b"0123");
    disk.install(Path::new("g"), b"12345");
    disk.full_after(3);
    let error = file.write_all_at(b"abcdef", 4).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(disk.contents(Path::new("f")).unwrap(), b"0123abc");
    assert_eq!(disk.space().unwrap().0, 0);
    file.write_all_at(b"xx", 0).unwrap();
    disk.remove(Path::new("g")).unwrap();
    file.write_all_at(b"fghij", 7).unwrap();
    assert_eq!(
        file.set_len(13).unwrap_err().kind(),
        io::ErrorKind::StorageFull
    );
    disk.never_full();
    file.set_len(13).unwrap();
}

#[test]
fn a_failed_sync_loses_its_bytes_for_good() {
    let (disk, file) = with_file(b"");
    disk.fail_sync_once();
    file.write_all_at(b"gone", 0).unwrap();
    assert!(file.sync().is_err());
    file.write_all_at(b"kept", 4).unwrap();
    file.sync().unwrap();
    assert_eq!(disk.contents(Path::new("f")).unwrap(), b"gonekept");
    assert_eq!(after(&disk, 1), b"\0\0\0\0kept");
}

#[test]
fn bits_rot_and_sectors_break() {
    let (disk, file) = with_file(&[0; 2000]);
    disk.flip_bit(Path::new("f"), 1999, 7).unwrap();
    assert!(disk.flip_bit(Path::new("f"), 2000, 0).is_err());
    disk.break_sector(Path::new("f"), 600).unwrap();
    let mut buffer = [0; 100];
    file.read_exact_at(&mut buffer, 400).unwrap();
    assert!(file.read_exact_at(&mut buffer, 500).is_err());
    assert!(file.read_exact_at(&mut buffer, 1000).is_err());
    file.write_all_at(&[1; 512], 512).unwrap();
    file.read_exact_at(&mut buffer, 500).unwrap();
    assert_eq!(after(&disk, 0)[1999], 0x80);
}

#[test]
fn a_removed_file_stays_readable_through_its_handle() {
    let (disk, file) = with_file(b"still here");
    disk.remove(Path::new("f")).unwrap();
    let mut buffer = [0; 10];
    file.read_exact_at(&mut buffer, 0).unwrap();
    assert_eq!(&buffer, b"still here");
    assert!(disk.open(Path::new("f"), OpenMode::Read).is_err());
}

#[test]
fn held_syncs_wait() {
    let (disk, file) = with_file(b"");
    let hold = disk.hold_syncs();
    let syncing = std::thread::spawn(move || file.sync());
    assert_eq!(disk.syncs(), 0);
    drop(hold);
    syncing.join().unwrap().unwrap();
    assert_eq!(disk.syncs(), 1);
}

#[test]
fn a_read_only_handle_does_not_write() {
    let (disk, _) = with_file(b"x");
    let file = disk.open(Path::new("f"), OpenMode::Read).unwrap();
    assert_eq!(
        file.write_all_at(b"y", 0).unwrap_err().kind(),
        io::ErrorKind::PermissionDenied
    );
    assert_eq!(
        file.set_len(0).unwrap_err().kind(),
        io::ErrorKind::PermissionDenied
    );
}

#[test]
fn a_directory_is_removed_only_when_empty() {
    let disk = MemoryBackend::new();
    disk.create_dir(Path::new("a/b")).unwrap();
    disk.open(Path::new("a/b/f"), OpenMode::CreateNew).unwrap();
    assert_eq!(
        disk.remove_dir(Path::new("a/b")).unwrap_err().kind(),
        io::ErrorKind::DirectoryNotEmpty
    );
    disk.remove(Path::new("a/b/f")).unwrap();
    disk.remove_dir(Path::new("a/b")).unwrap();
    assert_eq!(
        disk.list_dirs(Path::new("a")).unwrap(),
        Vec::<PathBuf>::new()
    );
}

#[test]
fn the_manual_clock_moves_only_by_hand() {
    let clock = ManualClock::new(100);
    clock.advance(5);
    assert_eq!((clock.now_ns(), clock.monotonic_ns()), (105, 5));
}
