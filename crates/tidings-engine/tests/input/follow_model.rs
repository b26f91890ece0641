//! A log that is written, rotated in every way, and followed with restarts: what was delivered is
//! what was written, each line once.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use proptest::test_runner::TestCaseError;
use tempfile::{TempDir, tempdir};
use tidings_engine::input::{Block, Checkpoint, Follower, LineEnd, Notice, Poll, Start};

use crate::support::{Packing, Read, assert_consistent};

const SECOND: u64 = 1_000_000_000;

#[derive(Clone, Debug)]
enum Op {
    /// Lines are written, and perhaps the beginning of one more.
    Write { lines: usize, partial: bool },
    /// `rename`, as logrotate does without options. With `late`, the writer does not notice yet;
    /// without `create`, the new file comes with the next line.
    Rename { create: bool, late: bool },
    /// `copytruncate`, and lines that the follower may have read between copying and truncating.
    CopyTruncate,
    /// A rotated file is packed.
    Pack {
        which: prop::sample::Index,
        packing: Packing,
    },
    /// The file is removed when all of it was read, and written anew.
    Replace,
    /// The follower does so many steps.
    Poll(usize),
    /// Time passes, and the follower reads what there is.
    Settle,
    /// The follower's checkpoint is kept.
    Note,
    /// The follower is started again from a kept checkpoint.
    Restart(prop::sample::Index),
}

fn op() -> impl Strategy<Value = Op> {
    let packing = prop_oneof![
        3 => Just(Packing::Gzip),
        1 => Just(Packing::Zstd),
        1 => Just(Packing::Xz),
        1 => Just(Packing::Bzip2),
    ];
    let lines = prop_oneof![8 => 0usize..12, 1 => 1_000usize..5_000];
    prop_oneof![
        8 => (lines, any::<bool>()).prop_map(|(lines, partial)| Op::Write { lines, partial }),
        3 => (any::<bool>(), any::<bool>()).prop_map(|(create, late)| Op::Rename { create, late }),
        2 => Just(Op::CopyTruncate),
        2 => (any::<prop::sample::Index>(), packing).prop_map(|(which, packing)| Op::Pack { which, packing }),
        1 => Just(Op::Replace),
        6 => (1usize..8).prop_map(Op::Poll),
        2 => Just(Op::Settle),
        3 => Just(Op::Note),
        3 => any::<prop::sample::Index>().prop_map(Op::Restart),
    ]
}

/// How rotated files are named.
#[derive(Clone, Copy, Debug)]
enum Naming {
    Numbers,
    Dates,
}

struct World {
    dir: TempDir,
    path: PathBuf,
    naming: Naming,
    /// The rotated files, oldest first, and how they are packed.
    rotated: Vec<(PathBuf, Packing)>,
    rotations: usize,
    /// The file that the daemon has open, if it has; it may be renamed.
    writer: Option<File>,
    late: bool,
    /// What was written to each file, in order; the last one is being written.
    files: Vec<Vec<u8>>,
    lines: usize,
    follower: Follower,
    block: Block,
    now_ns: u64,
    delivered: Vec<Read>,
    notes: Vec<(Checkpoint, usize)>,
    alarms: Vec<Notice>,
}

impl World {
    fn new(naming: Naming) -> Self {
        let dir = tempdir().unwrap();
        let path = dir.path().join("mail.log");
        let follower = Follower::new(&path, Start::Beginning);
        let mut world = Self {
            dir,
            path,
            naming,
            rotated: Vec::new(),
            rotations: 0,
            writer: None,
            late: false,
            files: vec![Vec::new()],
            lines: 0,
            follower,
            block: Block::new(),
            now_ns: 0,
            delivered: Vec::new(),
            notes: Vec::new(),
            alarms: Vec::new(),
        };
        // What was rotated before the start is not read.
        let old = world.next_name();
        fs::write(&old, "an old line\n").unwrap();
        let hour_ago =
            fs::metadata(&old).unwrap().modified().unwrap() - std::time::Duration::from_secs(3_600);
        File::options()
            .append(true)
            .open(&old)
            .unwrap()
            .set_modified(hour_ago)
            .unwrap();
        world.rotated.push((old, Packing::Plain));
        world.poll();
        world
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Write { lines, partial } => self.write(*lines, *partial),
            Op::Rename { create, late } => self.rename(*create, *late),
            Op::CopyTruncate => self.copy_truncate(),
            Op::Pack { which, packing } => self.pack(*which, *packing),
            Op::Replace => self.replace(),
            Op::Poll(steps) => (0..*steps).for_each(|_| _ = self.poll()),
            Op::Settle => self.settle(),
            Op::Note => self.notes.extend(
                self.follower
                    .checkpoint()
                    .map(|place| (place, self.delivered.len())),
            ),
            Op::Restart(which) => self.restart(*which),
        }
    }

    fn open_writer(&mut self) -> &mut File {
        self.writer.get_or_insert_with(|| {
            OpenOptions::new()
                .append(true)
                .create(true)
                .open(&self.path)
                .unwrap()
        })
    }

    fn write(&mut self, lines: usize, partial: bool) {
        let mut text = String::new();
        for _ in 0..lines {
            self.lines += 1;
            text += &format!("{:06} mx postfix/qmgr[1]: removed\n", self.lines);
        }
        if partial {
            self.lines += 1;
            text += &format!("{:06} mx postfix", self.lines);
        }
        if text.is_empty() {
            return;
        }
        self.open_writer().write_all(text.as_bytes()).unwrap();
        self.files.last_mut().unwrap().extend(text.into_bytes());
    }

    fn next_name(&mut self) -> PathBuf {
        self.rotations += 1;
        match self.naming {
            Naming::Numbers => self.dir.path().join("mail.log.1"),
            Naming::Dates => self
                .dir
                .path()
                .join(format!("mail.log-{}", 20_260_100 + self.rotations)),
        }
    }

    /// `mail.log.1` makes place for the next one.
    fn shift(&mut self) {
        if matches!(self.naming, Naming::Dates) {
            return;
        }
        let count = self.rotated.len();
        for (index, (path, packing)) in self.rotated.iter_mut().enumerate() {
            let name = format!("mail.log.{}{}", count - index + 1, packing.suffix());
            let to = self.dir.path().join(name);
            fs::rename(&*path, &to).unwrap();
            *path = to;
        }
    }

    fn rename(&mut self, create: bool, late: bool) {
        if !self.path.exists() {
            return;
        }
        self.reopen();
        self.shift();
        let to = self.next_name();
        fs::rename(&self.path, &to).unwrap();
        self.rotated.push((to, Packing::Plain));
        if create {
            File::create(&self.path).unwrap();
        }
        self.late = late && self.writer.is_some();
        if !self.late {
            self.writer = None;
            self.files.push(Vec::new());
        }
    }

    /// A writer that still has the renamed file open notices.
    fn reopen(&mut self) {
        if std::mem::take(&mut self.late) {
            self.writer = None;
            self.files.push(Vec::new());
        }
    }

    fn copy_truncate(&mut self) {
        if !self.path.exists() {
            return;
        }
        self.reopen();
        self.shift();
        let to = self.next_name();
        fs::copy(&self.path, &to).unwrap();
        self.rotated.push((to, Packing::Plain));
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&self.path)
            .unwrap();
        self.files.push(Vec::new());
    }

    fn pack(&mut self, which: prop::sample::Index, packing: Packing) {
        let newest_is_written = usize::from(self.late);
        let candidates = self.rotated.len() - newest_is_written;
        if candidates == 0 {
            return;
        }
        let (path, packed) = &mut self.rotated[which.index(candidates)];
        if *packed != Packing::Plain {
            return;
        }
        let modified = fs::metadata(&*path).unwrap().modified().unwrap();
        let to = PathBuf::from(format!("{}{}", path.display(), packing.suffix()));
        fs::write(&to, packing.of(&fs::read(&*path).unwrap())).unwrap();
        File::options()
            .append(true)
            .open(&to)
            .unwrap()
            .set_modified(modified)
            .unwrap();
        fs::remove_file(&*path).unwrap();
        (*path, *packed) = (to, packing);
    }

    fn replace(&mut self) {
        self.settle();
        let complete = self
            .files
            .last()
            .unwrap()
            .last()
            .is_none_or(|byte| *byte == b'\n');
        if !self.path.exists() || !complete {
            return;
        }
        // Of a file that is gone only the time tells what came after it, and a file system's clock
        // ticks every few milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(10));
        fs::remove_file(&self.path).unwrap();
        self.writer = None;
        self.files.push(Vec::new());
        // What was removed cannot be found again.
        self.write(1, false);
        self.settle();
        self.notes.clear();
    }

    fn poll(&mut self) -> bool {
        match self.follower.poll(self.now_ns, &mut self.block).unwrap() {
            Poll::Lines => {
                assert_consistent(&self.block);
                self.delivered.extend(
                    self.block
                        .lines()
                        .map(|line| (line.bytes.to_vec(), line.end)),
                );
            }
            Poll::Notice(
                Notice::Waiting(_)
                | Notice::Readable
                | Notice::Next { .. }
                | Notice::Truncated { .. },
            )
            | Poll::Working => {}
            Poll::Notice(alarm) => self.alarms.push(alarm),
            Poll::Idle => return false,
        }
        true
    }

    /// Reads what there is, with time passing whenever there is nothing.
    fn settle(&mut self) {
        self.reopen();
        for _ in 0..3 + self.rotated.len() {
            while self.poll() {}
            self.now_ns += 3 * SECOND;
        }
        while self.poll() {}
    }

    fn restart(&mut self, which: prop::sample::Index) {
        if self.notes.is_empty() {
            return;
        }
        let (place, delivered) = self.notes[which.index(self.notes.len())].clone();
        let place = Checkpoint::decode(&place.encode()).unwrap();
        self.delivered.truncate(delivered);
        self.notes.retain(|(_, noted)| *noted <= delivered);
        self.follower = Follower::new(&self.path, Start::Resume(place));
    }

    /// All lines, and the last ones without `\n` of files that are finished.
    fn written(&self) -> Vec<Read> {
        let mut lines = Vec::new();
        for file in &self.files {
            for line in file.split_inclusive(|byte| *byte == b'\n') {
                lines.push(match line.strip_suffix(b"\n") {
                    Some(line) => (line.to_vec(), LineEnd::Newline),
                    None => (line.to_vec(), LineEnd::StreamEnd),
                });
            }
        }
        lines
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        self.reopen();
        self.write(1, false);
        self.settle();
        prop_assert!(self.alarms.is_empty(), "{:?}", self.alarms);
        let (written, delivered) = (self.written(), &self.delivered);
        let same = written
            .iter()
            .zip(delivered)
            .take_while(|(one, other)| one == other)
            .count();
        prop_assert_eq!(
            show(&written[same..]),
            show(&delivered[same..]),
            "written, delivered; files {:?}",
            names(self.dir.path())
        );
        Ok(())
    }
}

fn show(lines: &[Read]) -> Vec<String> {
    lines
        .iter()
        .take(3)
        .map(|(line, end)| format!("{} {end:?}", String::from_utf8_lossy(line)))
        .collect()
}

fn names(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 200 } else { 4_000 }))]

    #[test]
    fn every_line_is_delivered_once(
        ops in prop::collection::vec(op(), 1..50),
        naming in prop_oneof![Just(Naming::Numbers), Just(Naming::Dates)],
    ) {
        let mut world = World::new(naming);
        for op in &ops {
            world.run(op);
        }
        world.check()?;
    }
}
