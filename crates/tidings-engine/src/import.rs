//! Imports whole log files into the history: backfill, idempotent, all or nothing per step.
//!
//! Two threads share the work: one reads, unpacks, parses and correlates, the other folds
//! messages and builds parts. Every [`STEP_LINES`] lines, and at the end of each file, everything
//! read so far becomes durable together with the file's content chain and the state that the next
//! line needs, so that an import that was killed goes on where it was, with the same ids.

mod followed;
mod order;
mod refuse;
mod rendering;
mod write;

pub(crate) use refuse::imported_correlator;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tidings_event::Drafts;
use tidings_event::time::rfc3339;
use tidings_mail::correlate::{Correlator, NoLookup};

use crate::contract::ImportObject;
use crate::engine::Engine;
use crate::error::Error;
use crate::input::{Block, ChainId, ChainSet, Checkpoint, InputError, InputFile, Match, open_with};
use crate::interpret::{Interpreter, Trail};
use crate::live::LIVE_STREAM;
use followed::{Followed, FollowedSet, chain_up_to};
use order::{Source, clock_settings, sources};
use refuse::{Undo, committed_correlator, correlator_of};
use rendering::Renderings;
use write::write;

/// Lines after which what was read is committed, if nothing else is wanted: so many hold the memory of an
/// import down, as settled messages are kept until then.
pub(crate) const STEP_LINES: u64 = 500_000;

/// Chunks on their way from the reading to the writing thread.
const CHUNKS: usize = 3;

const CORRELATOR_BLOB: &str = "import/correlator";
const CHAINS: &str = "chain/";

/// What the last lines of a stream leave for the next one, by chain.
const TRAILS: &str = "trail/";

/// The chain of the file that was being read at the last commit.
const UNFINISHED_BLOB: &str = "import/unfinished";

/// What to import, and how to read what the files leave out.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Year of the first line of each file without one.
    pub year: Option<i32>,
    /// Zone of times that name none; the machine's if absent.
    pub timezone: Option<String>,
    /// Import files that look like another rendering of a known stream, or diverge from one.
    pub force: bool,
    /// Now, in nanoseconds since the unix epoch: no line lies after it.
    pub now_ns: i64,
}

/// How far an import has come.
#[derive(Clone, Debug, Default)]
pub struct ImportProgress {
    /// File being read.
    pub file: PathBuf,
    /// Bytes of all files on the disk.
    pub bytes_total: u64,
    /// Bytes of them used so far.
    pub bytes_done: u64,
    /// Lines added so far.
    pub lines: u64,
    /// Of them recognised.
    pub recognised: u64,
}

/// A run of lines with their events.
#[derive(Debug, Default)]
struct Chunk {
    events: Drafts,
    text: Vec<u8>,
    /// Length of each line in `text`, and how many events it has.
    lines: Vec<(u32, u16)>,
    /// Everything up to here is to be committed, with these blobs.
    commit: Option<Vec<(String, Option<Vec<u8>>)>>,
    /// Nothing more comes of lines before this time.
    settle_ns: Option<i64>,
    /// Instead of lines: everything since the last commit is taken back.
    take_back: bool,
}

impl Engine {
    /// Imports files, oldest first, and tells how far it is through `progress`.
    ///
    /// A file, or part of one, that was imported or followed before is skipped, whatever its
    /// name and packing. A file that cannot be read, or is refused, is left out and named in the
    /// answer's `refused`. On an error, what was committed before stays, and a second call goes on
    /// from there. One import runs at a time; further ones wait.
    pub fn import(
        &self,
        paths: &[PathBuf],
        options: &ImportOptions,
        progress: &mut dyn FnMut(&ImportProgress),
    ) -> Result<ImportObject, Error> {
        let _one_at_a_time = self.no_import();
        let (sources, refused) = sources(paths, options, self.options().reading)?;
        let committed_correlator = committed_correlator(self);
        let followed = FollowedSet::of(self)?;
        let mut run = Run {
            options,
            engine: self,
            chains: self.chains()?,
            renderings: Renderings::load(self, &followed)?,
            followed,
            correlator: correlator_of(committed_correlator.as_deref())?,
            committed_correlator,
            done: ImportObject {
                refused,
                ..ImportObject::default()
            },
            shown: ImportProgress {
                bytes_total: sources.iter().map(|source| source.bytes).sum(),
                ..ImportProgress::default()
            },
            times: None,
        };
        let (to_writer, from_reader) = sync_channel::<Chunk>(CHUNKS);
        let (to_reader, used) = sync_channel::<Chunk>(CHUNKS + 2);
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || write(self, &from_reader, &to_reader));
            let read = run.read_all(&sources, to_writer, &used, progress);
            let written = writer
                .join()
                .unwrap_or_else(|_| Err(Error::State("the writing thread panicked".into())));
            // The writer's error is the cause where both fail: the reader only sees it gone.
            let written = match (read, written) {
                (_, Err(error)) => return Err(error),
                (Err(error), Ok(_)) => return Err(error),
                (Ok(()), Ok(written)) => written,
            };
            run.done.events = written.events;
            run.done.messages = written.messages;
            run.done.open = written.open;
            Ok(())
        })?;
        let mut done = run.done;
        if let Some((first_ns, last_ns)) = run.times {
            done.first_time = Some(rfc3339(first_ns));
            done.last_time = Some(rfc3339(last_ns));
        }
        Ok(done)
    }

    /// Where a log has to be followed from, so that nothing of it that was imported is read again;
    /// `None` if nothing of it is known.
    pub fn imported_place(&self, path: &Path) -> Result<Option<Checkpoint>, Error> {
        let mut file = open_with(path, self.options().reading)?;
        match self.chains()?.match_file(&mut file)? {
            Match::New | Match::Diverged { .. } => return Ok(None),
            Match::Same { .. } | Match::Grown { .. } | Match::PrefixOf { .. } => {}
        }
        let end = file.stream_base() + file.offset();
        let chain = chain_up_to(&ChainSet::new(), path, end)?;
        Ok(Some(Checkpoint::of_chain(chain)))
    }

    /// The content chains of everything imported.
    pub(crate) fn chains(&self) -> Result<ChainSet, Error> {
        let snapshot = self.store().snapshot();
        let blobs = snapshot.blobs(CHAINS).filter_map(|(name, bytes)| {
            let id = u64::from_str_radix(name.strip_prefix(CHAINS)?, 16).ok()?;
            Some((ChainSet::key(ChainId(id)), bytes))
        });
        ChainSet::load(blobs).map_err(|error| Error::State(error.to_string()))
    }
}

/// The reading side of an import.
struct Run<'e> {
    engine: &'e Engine,
    options: &'e ImportOptions,
    chains: ChainSet,
    followed: FollowedSet,
    renderings: Renderings,
    correlator: Correlator,
    /// As it was at the last commit.
    committed_correlator: Option<Vec<u8>>,
    done: ImportObject,
    shown: ImportProgress,
    times: Option<(i64, i64)>,
}

impl Run<'_> {
    fn read_all(
        &mut self,
        sources: &[Source],
        to_writer: SyncSender<Chunk>,
        used: &Receiver<Chunk>,
        progress: &mut dyn FnMut(&ImportProgress),
    ) -> Result<(), Error> {
        let mut before = 0;
        let mut read = None;
        for source in sources {
            // The last file is committed with the end of the import, in one step.
            if let Some(read_to) = read.take() {
                let blobs = self.state_blobs(&read_to);
                self.note_commit(&blobs);
                send(
                    &to_writer,
                    Chunk {
                        commit: Some(blobs),
                        ..Chunk::default()
                    },
                )?;
            }
            self.shown.file = source.path.clone();
            let of_file = self.read_file(source, before, &to_writer, used, progress);
            read = self.or_refused(&source.path, of_file)?;
            before += source.bytes;
            self.shown.bytes_done = before;
            progress(&self.shown);
        }
        self.correlator.forget_closed(self.options.now_ns);
        let blobs = match read {
            Some(read_to) => self.state_blobs(&read_to),
            None => self.correlator_blob(),
        };
        send(
            &to_writer,
            Chunk {
                commit: Some(blobs),
                settle_ns: Some(self.options.now_ns),
                ..Chunk::default()
            },
        )
    }

    /// Reads what is new in a file; gives how far, which is to be committed.
    fn read_file(
        &mut self,
        source: &Source,
        before: u64,
        to_writer: &SyncSender<Chunk>,
        used: &Receiver<Chunk>,
        progress: &mut dyn FnMut(&ImportProgress),
    ) -> Result<Option<ReadTo>, Error> {
        let mut file = open_with(&source.path, self.engine.options().reading)?;
        let Some(known) = self.known(&mut file, &source.path)? else {
            return Ok(None);
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
            return Ok(None);
        }
        let cap = match followed.filter(|followed| followed.goes_on) {
            Some(followed) => Some(chain_up_to(&self.chains, &source.path, followed.to)?),
            None => None,
        };
        let mut block = Block::new();
        if !self.next_block(&mut file, &mut block)? {
            self.done.files_known += u64::from(known.is_some());
            self.done.files += u64::from(known.is_none());
            return Ok(None);
        }
        let before_file = self.before();
        let lines_before = self.done.lines;
        self.correlator.begin_file(known.is_some());
        let (id, is_tail) = self.stream_for(&file, known, &source.path)?;
        let mut interpreter = self.interpreter(&file, source, id, known)?;
        let is_new = known.is_none() && followed.is_none() && !self.options.force;
        let mut rendering = self.renderings.begin(id, &source.path, is_new);
        let mut step = 0;
        let mut undo = Undo::new(id, before_file, to_writer);
        loop {
            self.renderings.take(&mut rendering, &block);
            self.check_rendering(&mut rendering, false, &undo, &source.path)?;
            let mut chunk = used.try_recv().unwrap_or_default();
            let place = Place {
                base: file.stream_base(),
                followed,
            };
            let (lines, is_left) = self.interpret(&block, place, &mut interpreter, &mut chunk);
            step += lines;
            self.done.bytes += block.bytes().len() as u64;
            self.shown.bytes_done = before + file.disk_offset();
            progress(&self.shown);
            let tail = if is_tail { file.tail_chain() } else { None };
            let chain = tail.unwrap_or_else(|| file.chain());
            let capped = cap.clone().filter(|cap| cap.length() <= chain.length());
            self.chains.update(id, capped.unwrap_or(chain));
            let more = !is_left && self.next_block(&mut file, &mut block)?;
            if !more {
                self.check_rendering(&mut rendering, true, &undo, &source.path)?;
            }
            let read_to = ReadTo {
                id,
                trail: interpreter.trail(),
                is_finished: !more,
            };
            if more && step >= self.engine.options().import_step_lines {
                (step, undo.is_committed) = (0, true);
                let blobs = self.state_blobs(&read_to);
                self.note_commit(&blobs);
                chunk.commit = Some(blobs);
            }
            send(to_writer, chunk)?;
            if !more {
                // All that was new to imports had been followed.
                let is_known = self.done.lines == lines_before;
                self.done.files_known += u64::from(is_known);
                self.done.files += u64::from(!is_known);
                return Ok(Some(read_to));
            }
        }
    }

    /// The next block; where the file is damaged, its end: what came before is kept, the rest is
    /// the operator's to mend.
    fn next_block(&mut self, file: &mut InputFile, block: &mut Block) -> Result<bool, Error> {
        match file.next_block(block) {
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
        let snapshot = self.engine.store().snapshot();
        let unfinished = snapshot.blob(UNFINISHED_BLOB).map(|id| id.to_vec());
        let is_unfinished = |id: &ChainId| unfinished.as_deref() == Some(&id.0.to_le_bytes());
        let tail = known
            .filter(|id| !is_unfinished(id))
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
        let clock = clock_settings(self.options, source.reference_ns)?;
        let stream_key = file.stream().unwrap_or(id.0);
        let snapshot = self.engine.store().snapshot();
        let trail = known.and_then(|known| snapshot.blob(&format!("{TRAILS}{:x}", known.0)));
        let Some(trail) = trail else {
            return Ok(Interpreter::new(stream_of(id), stream_key, clock));
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

    /// Interprets a block into a chunk; gives the number of lines, and whether the live path has
    /// the rest of the file for its own.
    fn interpret(
        &mut self,
        block: &Block,
        place: Place,
        interpreter: &mut Interpreter,
        chunk: &mut Chunk,
    ) -> (u64, bool) {
        let (mut count, mut is_left) = (0, false);
        for line in block.lines() {
            let before = chunk.events.len();
            let offset = place.base + line.offset;
            is_left = place
                .followed
                .is_some_and(|followed| followed.will_have(offset));
            if is_left {
                break;
            }
            let done = interpreter.line(
                line.bytes,
                line.number,
                &mut self.correlator,
                &NoLookup,
                &mut chunk.events,
            );
            if place.followed.is_some_and(|followed| followed.has(offset)) {
                chunk.events.truncate(before);
                continue;
            }
            chunk.text.extend_from_slice(line.bytes);
            chunk.lines.push((line.bytes.len() as u32, done.events));
            self.done.recognised += u64::from(done.recognised);
            let (first_ns, last_ns) = self.times.unwrap_or((done.time_ns, done.time_ns));
            self.times = Some((first_ns.min(done.time_ns), last_ns.max(done.time_ns)));
            count += 1;
        }
        self.done.lines += count;
        self.shown.lines = self.done.lines;
        self.shown.recognised = self.done.recognised;
        (count, is_left)
    }

    /// What must be committed with the lines read so far.
    fn state_blobs(&self, read_to: &ReadTo) -> Vec<(String, Option<Vec<u8>>)> {
        let id = read_to.id;
        let mut blobs = self.correlator_blob();
        if let Some((_, chain)) = self.chains.entry(id) {
            blobs.push((format!("{CHAINS}{:x}", id.0), Some(chain)));
        }
        let trail =
            serde_json::to_vec(&read_to.trail).expect("numbers and lists of them become JSON");
        blobs.push((format!("{TRAILS}{:x}", id.0), Some(packed(&trail))));
        blobs.extend(self.renderings.blob(id));
        let unfinished = (!read_to.is_finished).then(|| id.0.to_le_bytes().to_vec());
        blobs.push((UNFINISHED_BLOB.to_owned(), unfinished));
        blobs
    }

    fn correlator_blob(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let mut saved = Vec::new();
        self.correlator.save(&mut saved);
        vec![(CORRELATOR_BLOB.to_owned(), Some(packed(&saved)))]
    }
}

/// How far a file was read.
struct ReadTo {
    id: ChainId,
    trail: Trail,
    is_finished: bool,
}

/// Where a block's stream begins in its file, and what of the file the live path has.
#[derive(Clone, Copy)]
struct Place {
    base: u64,
    followed: Option<Followed>,
}

/// The number of a chain's stream in positions.
fn stream_of(id: ChainId) -> u32 {
    id.0 as u32 & (LIVE_STREAM - 1)
}

/// Saved state is packed before it goes into the manifest.
pub(crate) fn packed(saved: &[u8]) -> Vec<u8> {
    zstd::encode_all(saved, 1).expect("compressing from memory into memory does not fail")
}

fn send(to_writer: &SyncSender<Chunk>, chunk: Chunk) -> Result<(), Error> {
    to_writer
        .send(chunk)
        .map_err(|_| Error::State("the writing thread has ended".into()))
}
