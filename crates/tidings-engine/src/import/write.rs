//! The writing side of an import, on a thread of its own: folds messages, fills rows, commits.

use std::sync::mpsc::{Receiver, SyncSender};

use tidings_mail::message::{Folder, FolderLimits};
use tidings_store::PartFlags;

use super::{Chunk, packed};
use crate::engine::{Engine, OPEN_BLOB, OPEN_IMPORT_BLOBS};
use crate::error::Error;
use crate::history::HistoryWriter;
use crate::reopen::StoreReopen;

/// Open messages at most while importing.
const OPEN_MESSAGES: usize = 40_000;

/// What the writing side has done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    pub(super) events: u64,
    pub(super) messages: u64,
    pub(super) open: u64,
    /// Refused recipients that limits keep from their messages.
    pub(super) unjoined: u64,
}

/// The writing side of an import: folds, builds parts, commits.
pub(super) fn write(
    engine: &Engine,
    chunks: &Receiver<Chunk>,
    used: &SyncSender<Chunk>,
) -> Result<Written, Error> {
    let mut books = Books::open(engine)?;
    let done = books.take_all(chunks, used);
    books.written.open = books.folder.open_count() as u64;
    books.written.unjoined = books.folder.take_unjoined();
    let handed_back = books.hand_back(done.is_ok());
    done.and(handed_back).map(|()| books.written)
}

/// The messages and rows of an import on their way into the history.
///
/// The live path has open messages of its own, of events that are not in parts yet; beside it an
/// import keeps those that it leaves open apart, in a blob that the next seal takes in.
struct Books<'e> {
    engine: &'e Engine,
    folder: Folder,
    writer: HistoryWriter,
    /// Name of the blob for open messages, beside the live path.
    beside: Option<String>,
    written: Written,
    /// As of the last commit of this import; `None` before the first.
    committed: Option<Written>,
    /// Where files begin and end that were read since the last commit.
    ends: Vec<i64>,
}

impl<'e> Books<'e> {
    fn open(engine: &'e Engine) -> Result<Books<'e>, Error> {
        let is_beside = engine.is_live() || !engine.memory().is_empty();
        let number = engine.store().snapshot().sequence();
        let mut books = Books {
            engine,
            folder: Folder::new(limits(engine), engine.providers().clone()),
            writer: writer(engine)?,
            beside: is_beside.then(|| format!("{OPEN_IMPORT_BLOBS}{number:x}")),
            written: Written::default(),
            committed: None,
            ends: Vec::new(),
        };
        books.restore_open()?;
        Ok(books)
    }

    /// The open messages as of the last commit, or as this import found them.
    fn restore_open(&mut self) -> Result<(), Error> {
        let mut folder = Folder::new(limits(self.engine), self.engine.providers().clone());
        let name = self.beside.as_deref().unwrap_or(OPEN_BLOB);
        if self.committed.is_some() {
            if let Some(saved) = self.engine.store().snapshot().blob(name) {
                let saved =
                    zstd::decode_all(saved).map_err(|error| Error::State(error.to_string()))?;
                folder.restore(&saved)?;
            }
        } else if self.beside.is_none() {
            let mut saved = Vec::new();
            self.engine.open_messages().save(&mut saved);
            folder.restore(&saved)?;
        }
        self.folder = folder;
        Ok(())
    }

    /// Goes back to the last commit.
    fn take_back(&mut self) -> Result<(), Error> {
        self.engine
            .forget_reopened(&self.writer.take_deleted_legs());
        self.writer = writer(self.engine)?;
        self.written = self.committed.unwrap_or_default();
        self.restore_open()
    }

    fn take_all(
        &mut self,
        chunks: &Receiver<Chunk>,
        used: &SyncSender<Chunk>,
    ) -> Result<(), Error> {
        while let Ok(mut chunk) = chunks.recv() {
            if chunk.take_back {
                self.take_back()?;
                continue;
            }
            write_chunk(
                self.engine,
                &chunk,
                &mut self.folder,
                &mut self.writer,
                &mut self.written,
            )?;
            self.ends.append(&mut chunk.ends);
            if let Some(now_ns) = chunk.settle_ns {
                self.mend()?;
                self.folder.settle_until(now_ns);
            }
            if let Some(blobs) = chunk.commit.take() {
                self.commit(blobs)?;
            }
            chunk.events.clear();
            chunk.text.clear();
            chunk.lines.clear();
            // A full queue only means that this buffer is not used again.
            let _ = used.try_send(chunk);
        }
        Ok(())
    }

    /// Joins what was read with what was imported before: parts of messages, and legs where files
    /// end.
    fn mend(&mut self) -> Result<(), Error> {
        let mut reopen = StoreReopen::new(self.engine, &mut self.writer);
        self.folder.mend(&mut reopen);
        for end_ns in self.ends.drain(..) {
            self.folder.heal(end_ns, &mut reopen);
        }
        reopen.finish()
    }

    fn commit(&mut self, mut blobs: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Error> {
        // What the live path has open is settled by it, when it has taken in what is known here.
        let open = self.beside.is_some().then(|| self.engine.open_messages());
        if let Some(open) = &open {
            self.folder.open_settled_of(open);
        }
        self.mend()?;
        let (mut failed, written, writer) = (Ok(()), &mut self.written, &mut self.writer);
        self.folder.take_settled(|message| {
            written.messages += 1;
            if failed.is_ok() {
                failed = writer.message(&message);
            }
        });
        failed?;
        // Those were counted when they were settled before, by this import or another.
        written.messages = written.messages.saturating_sub(writer.taken_out() as u64);
        let mut saved = Vec::new();
        self.folder.save(&mut saved);
        let name = self.beside.clone().unwrap_or_else(|| OPEN_BLOB.to_owned());
        blobs.push((name, Some(packed(&saved))));
        if self.beside.is_none() {
            blobs.extend(
                self.engine
                    .taken_in()
                    .iter()
                    .map(|name| (name.clone(), None)),
            );
        }
        self.writer.find_deleted_again()?;
        self.writer.commit(&blobs)?;
        self.engine
            .forget_reopened(&self.writer.take_deleted_legs());
        self.committed = Some(self.written);
        Ok(())
    }

    /// Gives the engine the messages that are open now: those of the last commit.
    fn hand_back(&mut self, is_done: bool) -> Result<(), Error> {
        self.engine
            .forget_reopened(&self.writer.take_deleted_legs());
        let Some(name) = self.beside.take() else {
            if !is_done {
                return self.engine.start_over();
            }
            let empty = Folder::new(
                self.engine.options().folder,
                self.engine.providers().clone(),
            );
            let mut open = self.engine.open_messages();
            *open = std::mem::replace(&mut self.folder, empty);
            self.engine.taken_in().clear();
            return Ok(());
        };
        let mut open = self.engine.open_messages();
        if let Some(saved) = self.engine.store().snapshot().blob(&name) {
            let saved = zstd::decode_all(saved).map_err(|error| Error::State(error.to_string()))?;
            open.restore(&saved)?;
            self.engine.taken_in().push(name);
        }
        Ok(())
    }
}

fn limits(engine: &Engine) -> FolderLimits {
    let options = engine.options().folder;
    FolderLimits {
        open: OPEN_MESSAGES.min(options.open),
        // So many are small enough, and weighing them takes time.
        open_bytes: usize::MAX,
        ..options
    }
}

fn writer(engine: &Engine) -> Result<HistoryWriter, Error> {
    let mut writer = HistoryWriter::new(engine.store().clone(), PartFlags::IMPORTED);
    writer.build_beside()?;
    Ok(writer)
}

fn write_chunk(
    engine: &Engine,
    chunk: &Chunk,
    folder: &mut Folder,
    writer: &mut HistoryWriter,
    written: &mut Written,
) -> Result<(), Error> {
    let mut events = chunk.events.iter();
    let mut text = chunk.text.as_slice();
    let mut pairs = Vec::new();
    for (length, count) in &chunk.lines {
        let (line, rest) = text.split_at(*length as usize);
        text = rest;
        for ordinal in 0..*count {
            let Some(event) = events.next() else {
                return Err(Error::State("events are missing".into()));
            };
            pairs.clear();
            pairs.extend(event.pairs());
            writer.event(event.header(), &pairs, None, (ordinal == 0).then_some(line))?;
            let mut reopen = StoreReopen::new(engine, writer);
            folder.apply(event.header(), &pairs, &mut reopen);
            reopen.finish()?;
        }
        written.events += u64::from(*count);
    }
    Ok(())
}
