//! Crashes at every moment, on a disk that keeps as little as POSIX promises.
//!
//! What must hold: every acknowledged batch is there, once and in order; what a reader has seen is
//! there; what was not acknowledged is there as a prefix of what was appended; nothing is invented.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic and sleep"
)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{IDENTITY, NOW_NS, batch, config, read_all, try_open};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use tidings_spool::fault::{ManualClock, MemoryBackend};
use tidings_spool::{Batch, Delivery, Frame, Opened, Reader, Spool, SpoolConfig, verify};

/// What a producer does.
#[derive(Clone, Debug)]
enum Step {
    /// Appends a batch of so many records of so many bytes.
    Append { count: u64, length: usize },
    /// Appends control bytes.
    Control { tag: u8, length: usize },
    /// Appends only a checkpoint.
    Checkpoint,
    /// Waits until everything is durable.
    Wait,
    /// Closes the spool and opens it again.
    Reopen,
    /// The process dies, the page cache stays.
    Kill,
    /// The machine dies.
    Crash(u64),
}

/// The spool as it should be: the batches in the order in which they were appended.
#[derive(Debug, Default)]
struct Model {
    appended: Vec<Batch>,
    /// How many of them somebody was told are durable, or has read.
    acknowledged: usize,
    numbers: u64,
    /// Batches without a record that were ever appended, lost ones included.
    controls: u64,
}

impl Model {
    fn next(&mut self, step: &Step) -> Option<Batch> {
        let batch = match step {
            Step::Append { count, length } => {
                let first = self.numbers;
                self.numbers += count;
                batch(first..self.numbers, *length)
                    .with_checkpoint(self.numbers.to_le_bytes().to_vec())
            }
            Step::Control { tag, length } => {
                Batch::control(*tag, common::record(self.numbers, *length))
            }
            Step::Checkpoint => Batch::checkpoint(vec![3; 10]),
            _ => return None,
        };
        self.controls += u64::from(batch.count == 0);
        self.appended.push(batch.clone());
        Some(batch)
    }

    /// Checks what is there after a crash, and takes it as the truth from then on.
    fn check_recovered(&mut self, frames: &[Arc<Frame>]) {
        assert!(
            frames.len() >= self.acknowledged,
            "{} of {} acknowledged",
            frames.len(),
            self.acknowledged
        );
        self.check_prefix(frames);
        self.appended.truncate(frames.len());
        self.acknowledged = frames.len();
    }

    fn check_prefix(&self, frames: &[Arc<Frame>]) {
        assert!(frames.len() <= self.appended.len(), "nothing is invented");
        let (mut sequence, mut skipped) = (1, 0);
        for (frame, batch) in frames.iter().zip(&self.appended) {
            skipped += frame.first_sequence() - sequence;
            sequence = frame.sequences().end;
            assert_eq!(frame.count(), batch.count);
            assert_eq!(frame.kind(), batch.kind);
            assert_eq!(frame.records(), batch.records);
            assert_eq!(frame.checkpoint().unwrap_or_default(), batch.checkpoint);
        }
        // A control frame may cost a sequence, for the name of the next segment.
        assert!(skipped <= self.controls, "{skipped} sequences are missing");
    }
}

/// A spool at work: a producer, and a reader that keeps what it saw.
struct Run {
    disk: MemoryBackend,
    config: SpoolConfig,
    spool: Spool,
    reader: Reader,
    seen: Vec<Arc<Frame>>,
    model: Model,
}

impl Run {
    /// Opens a spool; fails if the disk crashes meanwhile.
    fn open(
        disk: MemoryBackend,
        config: SpoolConfig,
        mut model: Model,
    ) -> Result<Self, (MemoryBackend, Model)> {
        let Opened {
            spool, recovery, ..
        } = match try_open(&disk, config.clone()) {
            Ok(opened) => opened,
            Err(error) => {
                assert!(disk.is_crashed(), "{error}");
                return Err((disk, model));
            }
        };
        assert!(recovery.is_sound(), "{recovery:?}");
        let (frames, gaps) = read_all(&spool, 1);
        assert_eq!(gaps, []);
        model.check_recovered(&frames);
        let reader = spool.reader(1).unwrap();
        Ok(Self {
            disk,
            config,
            spool,
            reader,
            seen: Vec::new(),
            model,
        })
    }

    /// Does one step; false once the disk has crashed.
    fn step(mut self, step: &Step) -> Result<Self, (MemoryBackend, Model)> {
        match step {
            Step::Append { .. } | Step::Control { .. } | Step::Checkpoint => {
                let batch = self.model.next(step).expect("these steps append");
                match self.spool.append(batch) {
                    Ok(ticket) => drop(ticket),
                    Err(_) => drop(self.model.appended.pop()),
                }
            }
            Step::Wait => {
                if self.spool.sync().is_ok() {
                    self.model.acknowledged = self.model.appended.len();
                }
            }
            Step::Reopen => {
                if self.spool.close().is_ok() {
                    self.model.acknowledged = self.model.appended.len();
                    self.look();
                    let disk = self.disk.clone();
                    return self.reopen(disk);
                }
            }
            Step::Kill => {
                let disk = self.disk.kill();
                return self.reopen(disk);
            }
            Step::Crash(seed) => {
                let disk = self.disk.crash(*seed);
                return self.reopen(disk);
            }
        }
        self.look();
        if self.disk.is_crashed() {
            Err(self.end())
        } else {
            Ok(self)
        }
    }

    /// Reads what is new; whatever was seen must never be lost.
    fn look(&mut self) {
        while let Ok(Some(delivery)) = self.reader.next(Duration::ZERO) {
            match delivery {
                Delivery::Frame(frame) => self.seen.push(frame),
                Delivery::Gap(gap) => panic!("{gap:?}"),
            }
        }
        self.model.check_prefix(&self.seen);
        self.model.acknowledged = self.model.acknowledged.max(self.seen.len());
    }

    fn end(mut self) -> (MemoryBackend, Model) {
        self.look();
        (self.disk, self.model)
    }

    fn reopen(self, disk: MemoryBackend) -> Result<Self, (MemoryBackend, Model)> {
        let config = self.config.clone();
        let (_, model) = self.end();
        Self::open(disk, config, model)
    }
}

/// Runs the steps with a crash at the n-th operation, and looks what survived with some seeds.
/// False when the steps ended before.
fn crash_at(n: u64, steps: &[Step], config: &SpoolConfig, seeds: std::ops::Range<u64>) -> bool {
    let disk = MemoryBackend::new();
    disk.crash_at(n);
    let mut run = match Run::open(disk, config.clone(), Model::default()) {
        Ok(run) => run,
        Err((disk, model)) => return check_survivors(&disk, &model, config, seeds),
    };
    for step in steps {
        run = match run.step(step) {
            Ok(run) => run,
            Err((disk, model)) => return check_survivors(&disk, &model, config, seeds),
        };
    }
    let crashed = run.spool.close().is_err();
    let (disk, model) = run.end();
    crashed && check_survivors(&disk, &model, config, seeds)
}

fn check_survivors(
    disk: &MemoryBackend,
    model: &Model,
    config: &SpoolConfig,
    seeds: std::ops::Range<u64>,
) -> bool {
    for seed in seeds {
        let survived = disk.crash(seed);
        let model = Model {
            appended: model.appended.clone(),
            ..*model
        };
        let Ok(run) = Run::open(survived, config.clone(), model) else {
            panic!("it does not crash again")
        };
        // The spool works on, and what it says then is true, too.
        let batches = [
            Step::Append {
                count: 3,
                length: 40,
            },
            Step::Wait,
            Step::Crash(seed),
            Step::Wait,
        ];
        let run = batches.iter().fold(run, |run, step| match run.step(step) {
            Ok(run) => run,
            Err(_) => panic!("it does not crash again"),
        });
        run.spool.close().unwrap();
        let report = verify(&run.disk, std::path::Path::new("spool")).unwrap();
        assert!(report.is_sound() && report.torn_tail.is_none(), "{report}");
    }
    true
}

/// Appends of all kinds and sizes, over several segments, some waited for.
fn mixed_steps() -> Vec<Step> {
    let mut steps = Vec::new();
    for n in 0..24 {
        steps.push(Step::Append {
            count: 1 + n % 4,
            length: 60 + 100 * (n as usize % 3),
        });
        match n % 6 {
            1 => steps.push(Step::Control {
                tag: (n % 2) as u8,
                length: 700,
            }),
            3 => steps.push(Step::Checkpoint),
            5 => steps.push(Step::Reopen),
            _ => {}
        }
        if n % 3 == 2 {
            steps.push(Step::Wait);
        }
    }
    steps
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_crash_comes() {
    let steps = mixed_steps();
    let mut n = 1;
    while crash_at(n, &steps, &config(), 0..6) {
        n += 1;
    }
    assert!(n > 100, "the steps took {n} operations");
}

#[test]
fn a_single_frame_torn_at_any_sector_is_cut_off_and_reported() {
    let disk = MemoryBackend::new();
    let (spool, _) = common::open(
        &disk,
        SpoolConfig {
            segment_bytes: 1 << 20,
            ..config()
        },
    );
    common::commit(&spool, batch(0..10, 84));
    let mut torn = 0;
    for seed in 2..60 {
        let again = disk.kill();
        let (spool, _) = common::open(
            &again,
            SpoolConfig {
                segment_bytes: 1 << 20,
                ..config()
            },
        );
        // The next two operations are the write and its sync.
        again.crash_at(2);
        assert!(spool.append(batch(10..60, 84)).unwrap().wait().is_err());
        let survived = again.crash(seed);
        let Opened {
            spool, recovery, ..
        } = try_open(&survived, config()).unwrap();
        let frames = read_all(&spool, 1).0;
        match recovery.torn_tail {
            Some(tail) => {
                torn += 1;
                assert_eq!((tail.sequence, frames.len(), recovery.head), (11, 1, 11));
            }
            None => assert!(frames.len() == 2 || recovery.head == 11),
        }
    }
    assert!(torn > 10, "{torn} torn");
}

#[test]
fn a_crash_while_the_spool_is_made_leaves_nothing_in_the_way() {
    for n in 1..20 {
        for seed in 0..8 {
            let disk = MemoryBackend::new();
            disk.crash_at(n);
            let opened = try_open(&disk, config());
            let survived = disk.crash(seed);
            let clock = Arc::new(ManualClock::new(NOW_NS));
            let opened_again = Spool::open(Arc::new(survived), clock, config(), IDENTITY).unwrap();
            assert!(opened_again.recovery.is_sound());
            assert_eq!(common::commit(&opened_again.spool, batch(0..1, 84)), 1..2);
            drop(opened);
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (1_u64..6, 8_usize..300).prop_map(|(count, length)| Step::Append { count, length }),
        1 => (0_u8..3, 0_usize..1500).prop_map(|(tag, length)| Step::Control { tag, length }),
        1 => Just(Step::Checkpoint),
        4 => Just(Step::Wait),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => any::<u64>().prop_map(Step::Crash),
    ];
    vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_with_crashes_keeps_what_it_acknowledged(
        steps in steps(),
        crash in 1_u64..150,
        segment_bytes in 600_u64..5000,
        tail_bytes in 0_usize..5000,
    ) {
        let config = SpoolConfig { segment_bytes, tail_bytes, ..config() };
        crash_at(crash, &steps, &config, 2..4);
    }
}
