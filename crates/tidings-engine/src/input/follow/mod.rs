//! Follows a log that is being written: every line once, through rotation by rename, copytruncate,
//! packing, deletion, and restarts.
//!
//! What is promised:
//! * A line is delivered when its `\n` is there. A last line without `\n` is held as long as the
//!   file may grow, and delivered when the file is finished: when the next file has content.
//! * A renamed file is read to its end, and for a grace period after that, for writers that have
//!   not reopened it. Then the files rotated in between come, in order, and the new file last.
//! * A file that was truncated is read on in its copy, if there is one (`copytruncate`). What was
//!   written between copying and truncating is lost, as it is for everybody.
//! * From a [`Checkpoint`] exactly the lines after it are delivered again, also when the file was
//!   renamed, packed and followed by others meanwhile.
//!
//! Not noticed: a program that writes into a truncated file at its old place leaves a hole, which
//! is read as a line of zero bytes; writers of logs append (`O_APPEND`), and have no hole.

mod checkpoint;
mod find;
mod notice;
mod reading;
mod shelf;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::chain::Chain;
use super::error::InputError;
use super::file::InputFile;
use super::lines::Block;
use super::matching::ChainSet;
use super::open::{FileId, Limits};

pub use checkpoint::Checkpoint;
pub use notice::Notice;

use checkpoint::Finished;
use find::{Done, Located, Places, Successor};
use reading::{Away, Reading};

/// How much of a file one poll steps over at most.
const SKIP_BYTES: u64 = 64 << 20;

/// Where following begins.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each followed log"
)]
pub enum Start {
    /// At the beginning of the file at the path, also if it does not exist yet.
    Beginning,
    /// Behind the last whole line that the file has now; at the beginning if it does not exist.
    End,
    /// Behind the lines that were delivered before.
    Resume(Checkpoint),
}

/// The settings of a follower.
#[derive(Clone, Debug)]
pub struct FollowOptions {
    /// How long a renamed file must have been quiet before the next one is read, in nanoseconds.
    /// Default 2 s.
    pub grace_ns: u64,
    /// How long after its rotation a file that never gets quiet is read. Default 60 s; then it is
    /// left, with [`Notice::StillWritten`].
    pub grace_ns_max: u64,
    /// Further directories that rotated files are moved to (logrotate's `olddir`).
    pub archives: Vec<PathBuf>,
    /// Streams that others have read, as an import: a rotated file that holds one of them is not
    /// read. Default none.
    pub imported: ChainSet,
    /// The bounds of reading.
    pub limits: Limits,
}

impl Default for FollowOptions {
    fn default() -> Self {
        Self {
            grace_ns: 2_000_000_000,
            grace_ns_max: 60_000_000_000,
            archives: Vec::new(),
            imported: ChainSet::new(),
            limits: Limits::default(),
        }
    }
}

/// What one poll gave.
#[derive(Debug)]
pub enum Poll {
    /// The block holds lines. Poll again at once.
    Lines,
    /// Something to tell the operator. Poll again at once.
    Notice(Notice),
    /// Something was done, and there is more to do. Poll again at once.
    Working,
    /// There is nothing to read. Poll again when the file or its directory changes, and after some
    /// time in any case: renamed files are left by time.
    Idle,
}

/// Reads one log as it is written.
///
/// No thread and no clock of its own: each [`poll`](Self::poll) does one bounded step, and blocks
/// on nothing but the disk. An idle poll costs two `stat` and one `pread`.
#[derive(Debug)]
pub struct Follower {
    places: Places,
    grace_ns: u64,
    grace_ns_max: u64,
    stage: Stage,
    /// Behind the last delivered line, while the file at hand has delivered none.
    place: Checkpoint,
    /// At most a few: none is taken in while one is waiting to be given.
    notices: VecDeque<Notice>,
    /// The layout of the directory in which no successor was found.
    barren: Option<u64>,
    /// Damaged files without content that come after the place.
    spent: Vec<FileId>,
    /// Streams that others have read.
    imported: ChainSet,
    /// Streams that were read before that of the place: not read again, wherever a rotation's
    /// names put their files.
    finished: Finished,
    /// The last complaint, so that it is made once.
    complaint: Option<String>,
}

#[derive(Debug)]
enum Stage {
    Starting(Start),
    /// Steps over what the file had at the start.
    Skipping {
        file: InputFile,
        target: u64,
    },
    Reading(Reading),
    /// The file of the place is finished or gone, and the next one has no content yet. If it is
    /// there, it is kept open, so that no other file gets its inode.
    Between {
        held: Option<InputFile>,
    },
}

/// The file to be read next, and what to say when it begins.
struct Next {
    file: InputFile,
    notice: Notice,
}

/// What a step leads to.
type Turn = (Stage, Result<Poll, InputError>);

impl Follower {
    /// Follows the file at `path` with the default settings. Nothing is opened before the first
    /// poll.
    #[must_use]
    pub fn new(path: &Path, start: Start) -> Self {
        Self::with_options(path, start, FollowOptions::default())
    }

    /// As [`new`](Self::new), with other settings.
    #[must_use]
    pub fn with_options(path: &Path, start: Start, options: FollowOptions) -> Self {
        Self {
            places: Places {
                path: path.to_owned(),
                further: options.archives,
                limits: options.limits,
            },
            grace_ns: options.grace_ns,
            grace_ns_max: options.grace_ns_max,
            stage: Stage::Starting(start),
            place: Checkpoint::of_chain(Chain::empty()),
            notices: VecDeque::new(),
            barren: None,
            spent: Vec::new(),
            imported: options.imported,
            finished: Finished::default(),
            complaint: None,
        }
    }

    /// The followed path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.places.path
    }

    /// Does one step; `now_ns` is any clock that never goes back, in nanoseconds.
    ///
    /// An error is a failing medium: the caller may poll again later, nothing was skipped.
    pub fn poll(&mut self, now_ns: u64, block: &mut Block) -> Result<Poll, InputError> {
        if let Some(notice) = self.notices.pop_front() {
            return Ok(Poll::Notice(notice));
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Between { held: None });
        let (stage, outcome) = match stage {
            Stage::Starting(start) => self.start(start),
            Stage::Skipping { file, target } => self.skip(file, target),
            Stage::Reading(reading) => self.read(reading, now_ns, block),
            Stage::Between { held } => self.wait(held),
        };
        self.stage = stage;
        match (outcome, self.notices.pop_front()) {
            (Ok(Poll::Idle | Poll::Working), Some(notice)) => Ok(Poll::Notice(notice)),
            (outcome, notice) => {
                self.notices.extend(notice);
                outcome
            }
        }
    }

    /// The place behind the last delivered line, to be kept together with what came of the lines.
    ///
    /// `None` while the place is being looked for: then an older checkpoint stays valid, or
    /// following has not begun.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let place = match &self.stage {
            Stage::Starting(_) | Stage::Skipping { .. } => return None,
            Stage::Reading(reading) if reading.file.offset() > 0 => reading.here(),
            Stage::Reading(_) | Stage::Between { .. } => self.place.clone(),
        };
        Some(Checkpoint {
            finished: self.finished.clone(),
            ..place
        })
    }

    /// The stream that the last delivered line belongs to, as [`Chain::stream`].
    #[must_use]
    pub fn stream(&self) -> Option<u64> {
        match &self.stage {
            Stage::Reading(reading) if reading.file.offset() > 0 => reading.file.stream(),
            _ => self.place.chain.stream(),
        }
    }

    /// How many bytes the followed file has that were not yet delivered; of files rotated
    /// meanwhile it does not know.
    #[must_use]
    pub fn lag_bytes(&self) -> u64 {
        match &self.stage {
            Stage::Reading(reading) => {
                let bytes = reading.file.facts().map_or(0, |facts| facts.bytes);
                bytes.saturating_sub(reading.file.disk_offset())
            }
            _ => self
                .places
                .stat()
                .ok()
                .flatten()
                .map_or(0, |live| live.bytes),
        }
    }

    fn start(&mut self, start: Start) -> Turn {
        match self.begin(&start) {
            Ok(stage) => {
                self.readable();
                (stage, Ok(Poll::Working))
            }
            Err(error) => {
                self.complain(error);
                (Stage::Starting(start), Ok(Poll::Idle))
            }
        }
    }

    fn begin(&mut self, start: &Start) -> Result<Stage, InputError> {
        if let Start::Resume(place) = start {
            self.finished = place.finished.clone();
        }
        match start {
            Start::Resume(place) if place.chain.length() > 0 => self.resume(place),
            Start::Resume(place) => {
                self.place = place.clone();
                Ok(Stage::Between { held: None })
            }
            Start::Beginning => self.begin_with(None),
            Start::End => match self.places.open(&self.places.path) {
                Ok(file) => self.begin_with(Some(file)),
                Err(error) if error.is_missing() => self.begin_with(None),
                Err(error) => Err(error),
            },
        }
    }

    /// What was rotated before now is no concern of this follower.
    fn begin_with(&mut self, skipped: Option<InputFile>) -> Result<Stage, InputError> {
        self.place = Checkpoint {
            chain: Chain::empty(),
            file: None,
            modified_ns: self.places.shelf()?.newest_rotated_ns(),
            finished: Finished::default(),
        };
        let Some(mut file) = skipped else {
            return Ok(Stage::Between { held: None });
        };
        match file.last_line_end()? {
            // A file without a line is looked for again when it has one: it may be rotated before.
            0 => Ok(Stage::Between { held: None }),
            target => Ok(Stage::Skipping { file, target }),
        }
    }

    fn resume(&mut self, place: &Checkpoint) -> Result<Stage, InputError> {
        // While the followed file cannot be opened, nobody can say whether it is the one.
        match self.places.open(&self.places.path) {
            Err(error) if !error.is_missing() => return Err(error),
            _ => {}
        }
        self.place = place.clone();
        match self.places.locate(&place.chain, place.file, true)? {
            Located::Whole(file) => Ok(Stage::Reading(Reading::new(file)?)),
            Located::Shorter(file) if file.path() == self.places.path => {
                self.notices.push_back(Notice::Shorter {
                    path: self.places.path.clone(),
                    read: place.chain.length(),
                    has: file.offset(),
                });
                Ok(Stage::Reading(Reading::new(file)?))
            }
            Located::Shorter(file) => Ok(self.between(Some(file))),
            Located::Differs(common) => self.read_rewritten(common),
            Located::Nowhere => {
                self.lose(place.chain.lines());
                Ok(self.between(None))
            }
        }
    }

    fn read_rewritten(&mut self, common: u64) -> Result<Stage, InputError> {
        let mut file = self.places.open(&self.places.path)?;
        file.skip_to_line_at(common)?;
        let next = Next::rewritten(file, common);
        self.notices.push_back(next.notice);
        Ok(Stage::Reading(Reading::new(next.file)?))
    }

    fn skip(&mut self, mut file: InputFile, target: u64) -> Turn {
        let next = target.min(file.offset() + SKIP_BYTES);
        let reached = match file.advance_to(next) {
            Ok(reached) => reached,
            Err(error) => return (Stage::Skipping { file, target }, Err(error)),
        };
        // A file that got shorter meanwhile was truncated, as the first reading will notice.
        if reached && file.offset() < target {
            return (Stage::Skipping { file, target }, Ok(Poll::Working));
        }
        match Reading::new(file) {
            Ok(reading) => (Stage::Reading(reading), Ok(Poll::Working)),
            Err(error) => (Stage::Starting(Start::End), Err(error)),
        }
    }

    fn read(&mut self, mut reading: Reading, now_ns: u64, block: &mut Block) -> Turn {
        if reading.overwritten {
            return self.truncated(reading, block);
        }
        let overdue = |away: Away| now_ns.saturating_sub(away.since_ns) > self.grace_ns_max;
        if reading.away.is_some_and(overdue)
            && let Some(next) = self.successor(&reading.here(), Some(&reading.file))
        {
            return self.go_on(reading, next, block);
        }
        match reading.file.next_block(block) {
            Ok(true) => {
                reading.noted(now_ns);
                (Stage::Reading(reading), Ok(Poll::Lines))
            }
            Ok(false) => self.at_end(reading, now_ns, block),
            Err(InputError::Overwritten { .. }) => self.truncated(reading, block),
            Err(error @ (InputError::Damaged { .. } | InputError::Memory { .. })) => {
                self.notices.push_back(Notice::Damaged(error));
                (Stage::Reading(reading), Ok(Poll::Working))
            }
            Err(error) => (Stage::Reading(reading), Err(error)),
        }
    }

    /// Nothing more to read now: the file may be the live one, or renamed, or finished.
    fn at_end(&mut self, mut reading: Reading, now_ns: u64, block: &mut Block) -> Turn {
        match reading.was_overwritten() {
            Ok(false) => {}
            Ok(true) => return self.truncated(reading, block),
            Err(error) => return (Stage::Reading(reading), Err(error)),
        }
        match self.places.stat() {
            Err(error) => self.complain(error),
            Ok(Some(live)) if live.id == reading.file.id() => {
                self.readable();
                reading.away = None;
                return (Stage::Reading(reading), Ok(Poll::Idle));
            }
            Ok(_) => {}
        }
        let first_look = reading.away.is_none();
        let away = *reading.away.get_or_insert(Away {
            since_ns: now_ns,
            quiet_since_ns: now_ns,
        });
        let patient =
            reading.is_plain() && now_ns.saturating_sub(away.quiet_since_ns) < self.grace_ns;
        if patient && !first_look {
            return (Stage::Reading(reading), Ok(Poll::Idle));
        }
        match self.successor(&reading.here(), Some(&reading.file)) {
            // Only the file rotated last may still have writers.
            Some(next) if !patient || next.file.path() != self.places.path => {
                self.go_on(reading, next, block)
            }
            _ => (Stage::Reading(reading), Ok(Poll::Idle)),
        }
    }

    /// Leaves a finished file for the next one, after its last line.
    fn go_on(&mut self, mut reading: Reading, mut next: Next, block: &mut Block) -> Turn {
        // A file that goes on with the same stream has that line, too.
        let is_last = next.file.offset() == 0 || reading.file.holds_more_than(&mut next.file);
        if is_last && reading.file.take_partial_line(block) {
            return (Stage::Reading(reading), Ok(Poll::Lines));
        }
        if reading.is_being_written() {
            self.notices.push_back(Notice::StillWritten {
                path: reading.file.path().to_owned(),
                read: reading.file.offset(),
            });
        }
        if reading.file.offset() > 0 {
            self.place = reading.here();
        }
        self.enter(next)
    }

    fn enter(&mut self, next: Next) -> Turn {
        match Reading::new(next.file) {
            Ok(reading) => {
                self.readable();
                self.spent.clear();
                self.barren = None;
                if reading.file.offset() == 0 {
                    self.finished.push(&self.place.chain);
                }
                self.notices.push_back(next.notice);
                (Stage::Reading(reading), Ok(Poll::Working))
            }
            Err(error) => (Stage::Between { held: None }, Err(error)),
        }
    }

    /// The file's content was replaced: goes on in its copy.
    fn truncated(&mut self, mut reading: Reading, block: &mut Block) -> Turn {
        reading.overwritten = true;
        let nothing_delivered = reading.file.offset() == 0;
        let chain = if nothing_delivered {
            reading.file.held_chain()
        } else {
            reading.file.chain()
        };
        if chain.length() == 0 {
            return (self.between(None), Ok(Poll::Working));
        }
        let located = match self.places.locate(&chain, None, false) {
            Ok(located) => located,
            Err(error) => {
                self.complain(error);
                return (Stage::Reading(reading), Ok(Poll::Idle));
            }
        };
        match located {
            // The copy is what comes after the place: it is read from its beginning.
            Located::Whole(_) if nothing_delivered => (self.between(None), Ok(Poll::Working)),
            Located::Whole(mut copy) => {
                if reading.file.holds_more_than(&mut copy) {
                    return self.leave_for(reading, Some(copy), block);
                }
                self.place = reading.place(None);
                let path = copy.path().to_owned();
                self.enter(Next {
                    file: copy,
                    notice: Notice::Truncated { copy: path },
                })
            }
            Located::Shorter(copy) => self.leave_for(reading, Some(copy), block),
            Located::Differs(_) | Located::Nowhere => {
                self.lose(reading.file.lines());
                self.leave_for(reading, None, block)
            }
        }
    }

    /// Leaves a file whose content is gone after its last line; `copy` has nothing more of it.
    fn leave_for(
        &mut self,
        mut reading: Reading,
        copy: Option<InputFile>,
        block: &mut Block,
    ) -> Turn {
        let more = reading.file.take_partial_line(block);
        self.place = reading.place(copy.as_ref().map(InputFile::id));
        let poll = if more { Poll::Lines } else { Poll::Working };
        (self.between(copy), Ok(poll))
    }

    /// After a file of which nothing is left to read; if it ends in damage, that is said.
    fn between(&mut self, mut held: Option<InputFile>) -> Stage {
        self.barren = None;
        if let Some(error) = held.as_mut().and_then(InputFile::take_pending) {
            self.notices.push_back(Notice::Damaged(error));
        }
        Stage::Between { held }
    }

    /// The file of the place is finished: waits for what comes after it.
    fn wait(&mut self, held: Option<InputFile>) -> Turn {
        let place = self.place.clone();
        if let Some(next) = self.successor(&place, held.as_ref()) {
            return self.enter(next);
        }
        match self.places.stat() {
            Ok(None) => self.complain(InputError::missing(&self.places.path)),
            Err(error) => self.complain(error),
            Ok(Some(_)) => {}
        }
        (Stage::Between { held }, Ok(Poll::Idle))
    }

    /// The file that was written after the place, if it has content. Complains about what cannot
    /// be read, and looks again with the next poll.
    fn successor(&mut self, place: &Checkpoint, held: Option<&InputFile>) -> Option<Next> {
        let found = self.places.shelf().and_then(|shelf| {
            let layout = shelf.layout();
            if self.barren == Some(layout) {
                return Ok((layout, Successor::None));
            }
            let done = Done {
                spent: &self.spent,
                finished: &self.finished,
                imported: &self.imported,
            };
            let found = self.places.successor(place, held, &shelf, &done)?;
            Ok((layout, found))
        });
        let (layout, next) = match found {
            Ok((layout, Successor::File(file))) => (layout, Next::new(*file)),
            Ok((layout, Successor::Rewritten(file, common))) => {
                (layout, Next::rewritten(*file, common))
            }
            Ok((layout, Successor::None)) => {
                self.barren = Some(layout);
                return None;
            }
            Ok((_, Successor::Damaged(error, id))) => {
                self.spent.push(id);
                self.notices.push_back(Notice::Damaged(error));
                return None;
            }
            Err(error) => {
                self.complain(error);
                return None;
            }
        };
        // If files were moved while one was chosen, it may have been the wrong one.
        let now = self.places.shelf().ok()?;
        (now.layout() == layout).then_some(next)
    }

    fn lose(&mut self, lines: u64) {
        let path = self.places.path.clone();
        self.notices.push_back(Notice::Lost { path, lines });
    }

    /// Says what cannot be read, once.
    fn complain(&mut self, error: InputError) {
        let text = error.to_string();
        if self.complaint.as_ref() != Some(&text) {
            self.complaint = Some(text);
            self.notices.push_back(Notice::Waiting(error));
        }
    }

    fn readable(&mut self) {
        if self.complaint.take().is_some() {
            self.notices.push_back(Notice::Readable);
        }
    }
}

impl Next {
    fn new(file: InputFile) -> Self {
        let path = file.path().to_owned();
        let notice = Notice::Next { path };
        Self { file, notice }
    }

    /// The followed file, which agrees with what was read of it for so many bytes.
    fn rewritten(file: InputFile, common: u64) -> Self {
        let path = file.path().to_owned();
        let notice = Notice::Differs { path, common };
        Self { file, notice }
    }
}
