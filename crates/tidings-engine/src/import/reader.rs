//! The files that an import reads, side by side where they tell of the same time.
//!
//! A file is opened when the lines come to its first time; of the open ones, the one with the
//! earliest next line is read on, as far as it is the earliest. At most [`OPEN_FILES`] are open;
//! further ones are read when one has ended. A file that has the same lines as one that is being
//! read (a copy, or one that has grown) waits for its end, when it is known what is new in it.

use std::path::Path;
use std::sync::mpsc::SyncSender;

use tidings_mail::correlate::NoLookup;
use tidings_mail::envelope::ClockSettings;

use super::followed::{Followed, FollowedSet, chain_up_to};
use super::order::{Source, clock_settings};
use super::refuse::{Before, refused};
use super::rendering::{Reading, refusal};
use super::{Chunk, Run, TRAILS, stream_of};
use crate::error::Error;
use crate::input::{
    Block, Chain, ChainId, ChainSet, InputError, InputFile, Match, Sample, SampleBuilder, line_key,
    open_with,
};
use crate::interpret::{Interpreter, Trail};

/// Files that are read side by side at most; each takes about two blocks of memory.
const OPEN_FILES: usize = 24;

/// How far one file is read ahead of the others: less than lines of one file are out of order.
const AHEAD_NS: i64 = 1_000_000_000;

/// What is looked at of a file to see how many of its next lines are the earliest.
const LOOK_BYTES: usize = 1 << 16;

/// The files that are being read.
#[derive(Default)]
pub(super) struct Files {
    pub(super) open: Vec<File>,
    /// Those that wait until none is open.
    pub(super) later: Vec<Source>,
    /// Where those ended that were read to their end since the last commit.
    pub(super) finished: Vec<(ChainId, Trail)>,
    /// Lines handed to the writer since the last commit.
    pub(super) lines_since_commit: u64,
    /// Bytes on the disk of the files that are done with.
    pub(super) bytes_done: u64,
}

/// A file that is being read.
pub(super) struct File {
    pub(super) source: Source,
    file: InputFile,
    /// The lines that are to be interpreted next, or were last.
    block: Block,
    pub(super) interpreter: Interpreter,
    pub(super) rendering: Reading,
    pub(super) id: ChainId,
    /// What is new of it is a stream of its own.
    is_tail: bool,
    followed: Option<Followed>,
    /// Where what is left to the live path begins.
    cap: Option<Chain>,
    /// When its next line was written.
    next_ns: i64,
    /// Lines of it were interpreted.
    pub(super) is_begun: bool,
    /// Lines that were added, and when the first and the last of them were written.
    lines: u64,
    times: Option<(i64, i64)>,
    /// What to go back to if it is refused, as long as nothing else came in between.
    pub(super) undo: Option<Before>,
    whole: Option<Whole>,
}

/// All of a file, read in advance because another one is read beside it.
struct Whole {
    /// It, and what is new of it.
    chains: ChainSet,
    sample: Sample,
}

/// What became of a file that was to be opened.
enum Opened {
    Open(Box<File>),
    /// It is to be looked at again when none is open.
    Waits(Source),
    NothingNew,
}

/// How it goes on with a file.
pub(super) enum Next {
    More,
    End,
    /// It was refused, and what was read of it is taken back.
    Refused,
}

impl Files {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether reading has come to this time, and another file may be opened.
    pub(super) fn are_at(&self, time_ns: i64) -> bool {
        self.open.len() < OPEN_FILES
            && (self.open.iter()).all(|file| file.next_ns.saturating_add(AHEAD_NS) >= time_ns)
    }

    /// Takes out the file with the earliest next line.
    pub(super) fn take_earliest(&mut self) -> Option<File> {
        let files = self.open.iter().enumerate();
        let (at, _) = files.min_by_key(|(_, file)| file.next_ns)?;
        Some(self.open.remove(at))
    }

    /// When the next line comes from another file, of those open and the next one to be opened.
    pub(super) fn limit_ns(&self, next: Option<&Source>) -> Option<i64> {
        let next = next.filter(|_| self.open.len() + 1 < OPEN_FILES);
        let open = self.open.iter().map(|file| file.next_ns);
        open.chain(next.map(|next| next.first_ns)).min()
    }

    /// Bytes on the disk that were used so far, of all files.
    pub(super) fn bytes_done(&self) -> u64 {
        let open = self.open.iter().map(|file| file.file.disk_offset());
        self.bytes_done + open.sum::<u64>()
    }
}

impl File {
    /// The chain under which it is remembered, as far as it was read.
    pub(super) fn chain(&self) -> Chain {
        let tail = self.file.tail_chain().filter(|_| self.is_tail);
        let chain = tail.unwrap_or_else(|| self.file.chain());
        let cap = self.cap.clone();
        cap.filter(|cap| cap.length() <= chain.length())
            .unwrap_or(chain)
    }

    /// Reads the next lines, those up to `limit_ns` and at least one; false at the end. `bytes` are
    /// looked at.
    fn next_lines(&mut self, limit_ns: Option<i64>, bytes: usize) -> Result<bool, InputError> {
        if let Some(limit_ns) = limit_ns {
            let text = self.file.peek(bytes);
            let (end, next_ns) = self.interpreter.lines_until(text, limit_ns);
            if end > 0 {
                self.next_ns = next_ns;
                self.file.next_bytes(&mut self.block, end);
                return Ok(true);
            }
        }
        self.file.next_block(&mut self.block)
    }
}

impl Run<'_> {
    /// Opens a file, unless there is nothing new in it, it is refused or has to wait.
    pub(super) fn open(
        &mut self,
        source: Source,
        files: &mut Files,
        chunk: &mut Chunk,
        to_writer: &SyncSender<Chunk>,
    ) -> Result<(), Error> {
        // What has another beside it cannot be taken back: it is looked at whole before.
        for mut file in std::mem::take(&mut files.open) {
            if !self.is_refused_beside(&mut file, chunk, to_writer)? {
                files.open.push(file);
            }
        }
        let path = source.path.clone();
        let bytes = source.bytes;
        match self.opened(source, files) {
            Ok(Opened::Open(file)) => files.open.push(*file),
            Ok(Opened::Waits(source)) => files.later.push(source),
            Ok(Opened::NothingNew) => files.bytes_done += bytes,
            Err(error) => {
                files.bytes_done += bytes;
                self.done.refused.push(refused(&path, error)?);
            }
        }
        Ok(())
    }

    fn opened(&mut self, source: Source, files: &mut Files) -> Result<Opened, Error> {
        let mut file = open_with(&source.path, self.engine.options().reading)?;
        if self.is_of_one_that_is_read(&source, files)? {
            return Ok(Opened::Waits(source));
        }
        let Some(known) = self.known(&mut file, &source.path)? else {
            return Ok(Opened::NothingNew);
        };
        if self.engine.is_live() {
            // The files before may have taken long.
            self.followed = FollowedSet::of(self.engine)?;
        }
        let followed = if self.options.force {
            None
        } else {
            self.followed.find(&source.path)?
        };
        if followed
            .is_some_and(|followed| followed.has_all_from(file.stream_base() + file.offset()))
        {
            self.done.files_known += 1;
            return Ok(Opened::NothingNew);
        }
        let cap = match followed.filter(|followed| followed.goes_on) {
            Some(followed) => Some(chain_up_to(&self.chains, &source.path, followed.to)?),
            None => None,
        };
        let is_new = known.is_none() && followed.is_none() && !self.options.force;
        let is_beside = !files.is_empty();
        let whole = match is_new && is_beside {
            true => Some(self.read_ahead(&source, None)?),
            false => None,
        };
        if let Some(whole) = &whole
            && let Some(twin) = self.renderings.twin_of(&whole.sample, None)
        {
            return Err(refusal(&source.path, &twin));
        }
        let mut block = Block::new();
        let first = file.peek(LOOK_BYTES);
        let has_lines = match memchr::memchr(b'\n', first) {
            Some(end) => {
                file.next_bytes(&mut block, end + 1);
                true
            }
            None => {
                let read = file.next_block(&mut block);
                self.or_damaged(read)?
            }
        };
        if !has_lines {
            self.done.files_known += u64::from(known.is_some());
            self.done.files += u64::from(known.is_none());
            return Ok(Opened::NothingNew);
        }
        let undo = self.before();
        self.correlator.begin_file(known.is_some());
        let (id, is_tail) = self.stream_for(&file, known, &source.path)?;
        let interpreter = self.interpreter(&file, &source, id, known)?;
        let rendering = self
            .renderings
            .begin(id, &source.path, is_new && !is_beside);
        if let Some(whole) = &whole {
            self.renderings.note_beside(&rendering, &whole.sample);
        }
        let (_, next_ns) = interpreter.lines_until(block.bytes(), i64::MIN);
        Ok(Opened::Open(Box::new(File {
            undo: (!is_beside).then_some(undo),
            source,
            file,
            block,
            interpreter,
            rendering,
            id,
            is_tail,
            followed,
            cap,
            next_ns,
            is_begun: false,
            lines: 0,
            times: None,
            whole,
        })))
    }

    /// Whether a file has lines of one that is being read.
    fn is_of_one_that_is_read(&self, source: &Source, files: &Files) -> Result<bool, Error> {
        for whole in files.open.iter().filter_map(|file| file.whole.as_ref()) {
            let mut file = open_with(&source.path, self.engine.options().reading)?;
            if whole.chains.match_file(&mut file)? != Match::New {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the whole of a file that others are to be read beside; gives whether it is refused.
    fn is_refused_beside(
        &mut self,
        file: &mut File,
        chunk: &mut Chunk,
        to_writer: &SyncSender<Chunk>,
    ) -> Result<bool, Error> {
        if file.whole.is_some() {
            return Ok(false);
        }
        let whole = self.read_ahead(&file.source, Some(file.id))?;
        let is_asked = file.rendering.stop_asking();
        if let Some(twin) = self.renderings.twin_of(&whole.sample, Some(file.id))
            && is_asked
            && self.refuse_twin(file, &twin, chunk, to_writer)?
        {
            return Ok(true);
        }
        self.renderings.note_beside(&file.rendering, &whole.sample);
        file.whole = Some(whole);
        file.undo = None;
        Ok(false)
    }

    /// Reads a file to its end, or to where it is damaged.
    fn read_ahead(&self, source: &Source, id: Option<ChainId>) -> Result<Whole, Error> {
        let mut file = open_with(&source.path, self.engine.options().reading)?;
        let mut known = self.chains.clone();
        if let Some(id) = id {
            known.remove(id);
        }
        known.match_file(&mut file)?;
        let mut sample = SampleBuilder::new(line_key);
        let mut block = Block::new();
        // What is damaged is told when its lines are read.
        while let Ok(true) = file.next_block(&mut block) {
            block.lines().for_each(|line| sample.line(line.bytes));
        }
        let mut chains = ChainSet::new();
        chains.insert(file.chain());
        if let Some(tail) = file.tail_chain() {
            chains.insert(tail);
        }
        Ok(Whole {
            chains,
            sample: sample.sample().clone(),
        })
    }

    /// Reads a file on, up to the limit, and interprets what was read into the chunk.
    pub(super) fn read_on(
        &mut self,
        file: &mut File,
        limit_ns: Option<i64>,
        is_alone: bool,
        chunk: &mut Chunk,
        to_writer: &SyncSender<Chunk>,
    ) -> Result<Next, Error> {
        if file.is_begun {
            let bytes = match is_alone {
                true => self.engine.options().reading.block_bytes,
                false => LOOK_BYTES,
            };
            let read = file.next_lines(limit_ns, bytes);
            if !self.or_damaged(read)? {
                return self.end(file, chunk, to_writer);
            }
        }
        file.is_begun = true;
        file.rendering.take(&file.block);
        if self.is_refused_as_twin(file, false, chunk, to_writer)? {
            return Ok(Next::Refused);
        }
        let is_left = self.interpret(file, chunk);
        self.done.bytes += file.block.bytes().len() as u64;
        if is_left {
            return self.end(file, chunk, to_writer);
        }
        Ok(Next::More)
    }

    /// Ends a file.
    fn end(
        &mut self,
        file: &mut File,
        chunk: &mut Chunk,
        to_writer: &SyncSender<Chunk>,
    ) -> Result<Next, Error> {
        if self.is_refused_as_twin(file, true, chunk, to_writer)? {
            return Ok(Next::Refused);
        }
        self.note_place(file);
        chunk.ends.extend(
            file.times
                .into_iter()
                .flat_map(|(first_ns, last_ns)| [first_ns, last_ns]),
        );
        // Without lines, all that was new to imports had been followed.
        self.done.files_known += u64::from(file.lines == 0);
        self.done.files += u64::from(file.lines > 0);
        Ok(Next::End)
    }

    /// Remembers how far a file was read.
    pub(super) fn note_place(&mut self, file: &File) {
        self.chains.update(file.id, file.chain());
        self.renderings.note(&file.rendering);
    }

    /// Interprets the lines that were read; gives whether the live path has the rest of the file
    /// for its own.
    fn interpret(&mut self, file: &mut File, chunk: &mut Chunk) -> bool {
        let (mut count, mut is_left) = (0, false);
        let base = file.file.stream_base();
        for line in file.block.lines() {
            let before = chunk.events.len();
            let offset = base + line.offset;
            is_left = file
                .followed
                .is_some_and(|followed| followed.will_have(offset));
            if is_left {
                break;
            }
            let done = file.interpreter.line(
                line.bytes,
                line.number,
                &mut self.correlator,
                &NoLookup,
                &mut chunk.events,
            );
            if file.followed.is_some_and(|followed| followed.has(offset)) {
                chunk.events.truncate(before);
                continue;
            }
            chunk.text.extend_from_slice(line.bytes);
            chunk.lines.push((line.bytes.len() as u32, done.events));
            self.done.recognised += u64::from(done.recognised);
            for times in [&mut self.times, &mut file.times] {
                let (first_ns, last_ns) = times.unwrap_or((done.time_ns, done.time_ns));
                *times = Some((first_ns.min(done.time_ns), last_ns.max(done.time_ns)));
            }
            count += 1;
        }
        file.lines += count;
        self.done.lines += count;
        self.shown.lines = self.done.lines;
        self.shown.recognised = self.done.recognised;
        is_left
    }

    /// Whether lines were read. Where a file is damaged is its end: what came before is kept, the
    /// rest is the operator's to mend.
    fn or_damaged(&mut self, read: Result<bool, InputError>) -> Result<bool, Error> {
        match read {
            Err(
                error @ (InputError::Damaged { .. }
                | InputError::Memory { .. }
                | InputError::Read { .. }),
            ) => {
                self.done.warnings.push(error.to_string());
                self.done.files_damaged += 1;
                Ok(false)
            }
            read => Ok(read?),
        }
    }

    /// The chain under which what is new of the file is remembered, and whether it is one of its
    /// own: what follows a known stream may be another file, joined to the first. Not so where an
    /// import of that stream was cut off.
    fn stream_for(
        &mut self,
        file: &InputFile,
        known: Option<ChainId>,
        path: &Path,
    ) -> Result<(ChainId, bool), Error> {
        let tail = known
            .filter(|id| !self.unfinished.contains(&id.0))
            .and_then(|_| file.tail_chain());
        let is_tail = tail.is_some();
        let id = match (known, tail) {
            (Some(id), None) => Some(id),
            (Some(_), Some(tail)) => self.chains.insert(tail),
            (None, _) => self.chains.insert(file.chain()),
        };
        let id =
            id.ok_or_else(|| Error::State(format!("{}: it has no content", path.display())))?;
        Ok((id, is_tail))
    }

    /// The interpreter for a file's new lines, behind the known ones.
    fn interpreter(
        &self,
        file: &InputFile,
        source: &Source,
        id: ChainId,
        known: Option<ChainId>,
    ) -> Result<Interpreter, Error> {
        let clock = ClockSettings {
            year: source.year,
            ..clock_settings(self.options, source.reference_ns)?
        };
        let stream_key = file.stream().unwrap_or(id.0);
        let snapshot = self.engine.store().snapshot();
        let trail = known.and_then(|known| snapshot.blob(&format!("{TRAILS}{:x}", known.0)));
        let Some(trail) = trail else {
            let mut interpreter = Interpreter::new(stream_of(id), stream_key, clock);
            interpreter.begin_at(source.first_ns);
            return Ok(interpreter);
        };
        let damaged = |error: String| Error::State(format!("the end of an imported log: {error}"));
        let trail = zstd::decode_all(trail).map_err(|error| damaged(error.to_string()))?;
        let trail: Trail =
            serde_json::from_slice(&trail).map_err(|error| damaged(error.to_string()))?;
        Ok(Interpreter::behind(
            stream_of(id),
            stream_key,
            clock,
            &trail,
        ))
    }

    /// The chain that the file continues (`Some(Some)`), that it is new (`Some(None)`), or that
    /// there is nothing to read (`None`).
    fn known(
        &mut self,
        file: &mut InputFile,
        path: &Path,
    ) -> Result<Option<Option<ChainId>>, Error> {
        Ok(match self.chains.match_file(file)? {
            Match::New => Some(None),
            Match::Grown { chain, .. } => Some(Some(chain)),
            Match::Same { .. } | Match::PrefixOf { .. } => {
                self.done.files_known += 1;
                None
            }
            Match::Diverged { .. } if self.options.force => Some(None),
            Match::Diverged { common, .. } => {
                return Err(Error::Asked(format!(
                    "{}: begins like a log that was imported and differs after {common} bytes; nothing of it was imported; \
                     give --force to import it whole, as a log of its own",
                    path.display()
                )));
            }
        })
    }
}
