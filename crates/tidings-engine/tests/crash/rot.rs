//! Rot on the medium: a flipped bit anywhere is met when it is read, and named; searches never
//! silently find less.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidings_engine::{Engine, Error, EventQuery, Live, MessageQuery};
use tidings_spool::Backend;
use tidings_spool::fault::MemoryBackend;

use super::feeder::{GrowingLog, live_options, start};
use super::world::{NOW_NS, Shown, cut_into_files, import, log_lines, open};

/// Every file below a directory.
fn files_below(disk: &MemoryBackend, directory: &Path, files: &mut Vec<PathBuf>) {
    for (name, _) in disk.list(directory).unwrap() {
        files.push(directory.join(name));
    }
    for name in disk.list_dirs(directory).unwrap() {
        files_below(disk, &directory.join(name), files);
    }
}

/// Files with their contents: a directory with imported parts, sealed parts, and events that only
/// the spool has.
fn grown_directory(dir: &TempDir) -> Vec<(PathBuf, Vec<u8>)> {
    let disk = MemoryBackend::new();
    let engine = open(&disk).unwrap();
    import(
        &engine,
        &cut_into_files(dir.path(), &log_lines(2000, 200), 2),
    )
    .unwrap();
    let live = start(engine);
    let mut file = GrowingLog::new(&dir.path().join("followed.log"), &log_lines(1000, 400));
    file.follow(&live, 40, &mut |_| {}).unwrap();
    live.shutdown().unwrap();
    let mut files = Vec::new();
    files_below(&disk, Path::new(""), &mut files);
    files
        .into_iter()
        .map(|path| (path.clone(), disk.contents(&path).unwrap()))
        .collect()
}

fn disk_with(files: &[(PathBuf, Vec<u8>)]) -> MemoryBackend {
    let disk = MemoryBackend::new();
    files
        .iter()
        .for_each(|(path, bytes)| disk.install(path, bytes));
    disk
}

/// What searches give: everything, and what needles find.
#[derive(Debug, PartialEq)]
struct Answers {
    shown: Shown,
    needles: Vec<usize>,
}

const NEEDLES: [&str; 5] = [
    "to:alice@example.test",
    "from:ann@sender.test",
    "hostname:laptop.isp.test",
    "queued",
    "nosuchword",
];

fn ask(engine: &Engine) -> Result<Answers, Error> {
    let shown = Shown::try_of(engine)?;
    let mut needles = Vec::new();
    for filter in NEEDLES {
        let query = EventQuery {
            filter: filter.into(),
            limit: 100_000,
            now_ns: NOW_NS,
            ..EventQuery::default()
        };
        needles.push(engine.events(&query)?.len());
    }
    for filter in &NEEDLES[..2] {
        let (filter, limit) = ((*filter).to_owned(), 100_000);
        let query = MessageQuery {
            filter,
            limit,
            now_ns: NOW_NS,
            ..MessageQuery::default()
        };
        needles.push(engine.messages(&query)?.len());
    }
    Ok(Answers { shown, needles })
}

/// What can be had of a directory: all answers, or the first error, and what was told.
fn read(disk: &MemoryBackend) -> (Result<Answers, Error>, Vec<String>) {
    let engine = match open(disk) {
        Ok(engine) => Arc::new(engine),
        Err(error) => return (Err(error), Vec::new()),
    };
    let live: Live = match engine.live(live_options()) {
        Ok(live) => live,
        Err(error) => return (Err(error), engine.take_notes()),
    };
    for _ in 0..2000 {
        if live.history_lag() == 0 && engine.is_ready() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    (ask(&engine), engine.take_notes())
}

/// What a check of a directory with these files finds wrong, or would mend.
fn verify(disk: &MemoryBackend) -> Vec<String> {
    let dir = TempDir::new().unwrap();
    let mut files = Vec::new();
    files_below(disk, Path::new(""), &mut files);
    for path in files {
        let target = dir.path().join(&path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(target, disk.contents(&path).unwrap()).unwrap();
    }
    match tidings_engine::verify(dir.path()) {
        Ok(report) => [report.problems, report.notes].concat(),
        Err(error) => vec![error.to_string()],
    }
}

#[test]
fn a_flipped_bit_is_named_and_never_hides_anything() {
    let dir = TempDir::new().unwrap();
    let files = grown_directory(&dir);
    let (expected, notes) = read(&disk_with(&files));
    let expected = expected.unwrap();
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(verify(&disk_with(&files)), Vec::<String>::new());
    assert!(expected.shown.events.len() > 600 && expected.shown.messages.len() > 40);
    assert!(
        expected.needles.iter().filter(|found| **found > 3).count() >= 5,
        "{:?}",
        expected.needles
    );
    let mut flips = 0;
    for (path, bytes) in &files {
        let name = path.file_name().unwrap().to_str().unwrap();
        // Where it stands, the spool says with the segment's number.
        let number = name.trim_end_matches(".seg").trim_start_matches('0');
        let segment = format!("of segment {number}:");
        println!("{} ({} bytes)", path.display(), bytes.len());
        let step = (bytes.len() / 6).max(1);
        for offset in (flips % 7..bytes.len())
            .step_by(step)
            .chain([bytes.len() - 1])
        {
            let round = format!("{} at {offset} of {}", path.display(), bytes.len());
            let flipped = || {
                let disk = disk_with(&files);
                disk.flip_bit(path, offset as u64, (offset % 8) as u8)
                    .unwrap();
                disk
            };
            flips += 1;
            let problems = verify(&flipped());
            assert!(
                problems.iter().any(|problem| problem.contains(name)),
                "{round}: a check finds {problems:?}"
            );
            let (answers, notes) = read(&flipped());
            let is_told = |text: &String| text.contains(name) || text.contains(&segment);
            match answers {
                Err(error) => assert!(is_told(&error.to_string()), "{round}: {error}"),
                Ok(answers) if notes.iter().any(is_told) => drop(answers),
                Ok(answers) => {
                    answers
                        .shown
                        .assert_is(&expected.shown, &format!("{round}: {notes:?}"));
                    assert_eq!(answers.needles, expected.needles, "{round}: {notes:?}");
                }
            }
        }
    }
    println!("{flips} flips");
}
