//! Imports whole log files into the history: backfill, idempotent, all or nothing per step.
//!
//! Threads share the work: one reads, unpacks, parses and correlates, one folds messages and fills
//! rows, one builds parts. Every [`STEP_LINES`] lines, and between files that follow each other,
//! everything read so far becomes durable together with the files' content chains and the state
//! that the next lines need, so that an import that was killed goes on where it was, with the same
//! ids. Files that tell of the same time are read side by side ([`reader`]).

mod followed;
mod order;
mod reader;
mod refuse;
mod rendering;
mod write;

pub(crate) use refuse::imported_correlator;

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tidings_event::Drafts;
use tidings_event::time::rfc3339;
use tidings_mail::correlate::Correlator;

use crate::contract::ImportObject;
use crate::engine::Engine;
use crate::error::Error;
use crate::input::{ChainId, ChainSet, Checkpoint, Match, open_with};
use crate::live::LIVE_STREAM;
use followed::{FollowedSet, chain_up_to};
use order::{Source, sources};
use reader::{Files, Next};
use refuse::{committed_correlator, correlator_of};
use rendering::Renderings;
use write::write;

/// Lines after which what was read is committed, if nothing else is wanted: so many hold the memory of an
/// import down, as settled messages are kept until then.
pub(crate) const STEP_LINES: u64 = 500_000;

/// Chunks on their way from the reading to the writing thread.
const CHUNKS: usize = 3;

/// Bytes of lines that make a chunk: less than a block, so that each whole block is one.
const CHUNK_BYTES: usize = 1 << 19;

const CORRELATOR_BLOB: &str = "import/correlator";
const CHAINS: &str = "chain/";

/// What the last lines of a stream leave for the next one, by chain.
const TRAILS: &str = "trail/";

/// The chains of files that were being read at the last commit, and of those of which the reading
/// was cut off before.
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
    /// Times of the first and the last line of each file that was read to its end.
    ends: Vec<i64>,
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
            unfinished: self.unfinished_imports(),
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
            let read = run.read_all(sources, &to_writer, &used, progress);
            // The writer ends when nothing more can come.
            drop(to_writer);
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
            if written.unjoined > 0 {
                run.done.warnings.push(unjoined_warning(written.unjoined));
            }
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

    fn unfinished_imports(&self) -> BTreeSet<u64> {
        let snapshot = self.store().snapshot();
        let ids = snapshot.blob(UNFINISHED_BLOB).unwrap_or_default();
        let (ids, _) = ids.as_chunks::<8>();
        ids.iter().map(|id| u64::from_le_bytes(*id)).collect()
    }

    /// The content chains of everything imported.
    pub fn chains(&self) -> Result<ChainSet, Error> {
        let snapshot = self.store().snapshot();
        let blobs = snapshot.blobs(CHAINS).filter_map(|(name, bytes)| {
            let id = u64::from_str_radix(name.strip_prefix(CHAINS)?, 16).ok()?;
            Some((ChainSet::key(ChainId(id)), bytes))
        });
        ChainSet::load(blobs).map_err(|error| Error::State(error.to_string()))
    }
}

/// What an import says of refused recipients that stay by themselves.
fn unjoined_warning(count: u64) -> String {
    format!(
        "{count} refused recipients are shown by themselves, not with their messages: more sessions refused some, or \
         one refused more, than can be remembered (100,000 at a time, 1,000 recipients in each)"
    )
}

/// The reading side of an import.
struct Run<'e> {
    engine: &'e Engine,
    options: &'e ImportOptions,
    chains: ChainSet,
    /// The chains of files that are being read, or of which the reading was cut off.
    unfinished: BTreeSet<u64>,
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
    /// Reads all files, oldest first. Those that tell of the same time are read side by side, in
    /// the order of their lines' times, since messages pass from one to the other.
    fn read_all(
        &mut self,
        sources: Vec<Source>,
        to_writer: &SyncSender<Chunk>,
        used: &Receiver<Chunk>,
        progress: &mut dyn FnMut(&ImportProgress),
    ) -> Result<(), Error> {
        let mut waiting = VecDeque::from(sources);
        let mut files = Files::default();
        let mut chunk = Chunk::default();
        loop {
            while waiting
                .front()
                .is_some_and(|next| files.are_at(next.first_ns))
                && let Some(source) = waiting.pop_front()
            {
                if files.is_empty() && !files.finished.is_empty() {
                    self.commit(&mut files, std::mem::take(&mut chunk), to_writer)?;
                }
                self.shown.file = source.path.clone();
                self.open(source, &mut files, &mut chunk, to_writer)?;
            }
            let Some(mut file) = files.take_earliest() else {
                // Those that had to wait for one that was read.
                if files.later.is_empty() {
                    break;
                }
                waiting.extend(files.later.drain(..));
                waiting
                    .make_contiguous()
                    .sort_by_key(|source| source.first_ns);
                continue;
            };
            let limit_ns = files.limit_ns(waiting.front());
            let is_alone = files.is_empty();
            match self.read_on(&mut file, limit_ns, is_alone, &mut chunk, to_writer)? {
                Next::More => files.open.push(file),
                Next::End => {
                    files.bytes_done += file.source.bytes;
                    files.finished.push((file.id, file.interpreter.trail()));
                }
                Next::Refused => {
                    files.bytes_done += file.source.bytes;
                    files.lines_since_commit = 0;
                }
            }
            self.shown.bytes_done = files.bytes_done();
            progress(&self.shown);
            if files.lines_since_commit + chunk.lines.len() as u64
                >= self.engine.options().import_step_lines
            {
                self.commit(&mut files, std::mem::take(&mut chunk), to_writer)?;
            } else if chunk.text.len() >= CHUNK_BYTES {
                files.lines_since_commit += chunk.lines.len() as u64;
                send(to_writer, std::mem::take(&mut chunk))?;
            }
            if chunk.lines.capacity() == 0 {
                chunk = used.try_recv().unwrap_or_default();
            }
        }
        self.correlator.forget_closed(self.options.now_ns);
        chunk.settle_ns = Some(self.options.now_ns);
        self.commit(&mut files, chunk, to_writer)
    }

    /// Hands over what was read, to be committed with the state that the next lines need.
    fn commit(
        &mut self,
        files: &mut Files,
        mut chunk: Chunk,
        to_writer: &SyncSender<Chunk>,
    ) -> Result<(), Error> {
        let blobs = self.state_blobs(files);
        self.note_commit(&blobs);
        chunk.commit = Some(blobs);
        files.finished.clear();
        files.lines_since_commit = 0;
        for file in &mut files.open {
            file.undo = None;
        }
        send(to_writer, chunk)
    }

    /// What must be committed with the lines read so far.
    fn state_blobs(&mut self, files: &Files) -> Vec<(String, Option<Vec<u8>>)> {
        for file in files.open.iter().filter(|file| file.is_begun) {
            self.note_place(file);
        }
        let mut blobs = self.correlator_blob();
        let begun = files.open.iter().filter(|file| file.is_begun);
        let mut places: Vec<_> = begun
            .map(|file| (file.id, file.interpreter.trail()))
            .collect();
        self.unfinished.extend(places.iter().map(|(id, _)| id.0));
        for (id, _) in &files.finished {
            self.unfinished.remove(&id.0);
        }
        places.extend(files.finished.iter().cloned());
        for (id, trail) in places {
            if let Some((_, chain)) = self.chains.entry(id) {
                blobs.push((format!("{CHAINS}{:x}", id.0), Some(chain)));
            }
            let trail = serde_json::to_vec(&trail).expect("numbers and lists of them become JSON");
            blobs.push((format!("{TRAILS}{:x}", id.0), Some(packed(&trail))));
            blobs.extend(self.renderings.blob(id));
        }
        let unfinished: Vec<u8> = (self.unfinished.iter())
            .flat_map(|id| id.to_le_bytes())
            .collect();
        let unfinished = (!unfinished.is_empty()).then_some(unfinished);
        blobs.push((UNFINISHED_BLOB.to_owned(), unfinished));
        blobs
    }

    fn correlator_blob(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let mut saved = Vec::new();
        self.correlator.save(&mut saved);
        vec![(CORRELATOR_BLOB.to_owned(), Some(packed(&saved)))]
    }
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
