//! Finds the file that holds a stream, and the file that was written after it.

use std::path::{Path, PathBuf};

use super::super::chain::Chain;
use super::super::decompress::Encoding;
use super::super::error::InputError;
use super::super::file::InputFile;
use super::super::matching::{ChainSet, Found, match_stream};
use super::super::open::{FileId, Limits, open_with};
use super::checkpoint::{Checkpoint, Finished};
use super::shelf::{Entry, Shelf, stat};

const PEEK_BYTES: usize = 256;

/// Where a log's files are and how they are read.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) path: PathBuf,
    pub(super) further: Vec<PathBuf>,
    pub(super) limits: Limits,
}

/// What became of the file that a stream was read from.
pub(super) enum Located {
    /// It is here, and the file stands behind what was read.
    Whole(InputFile),
    /// It is here with less than what was read, and the file stands at its end.
    Shorter(InputFile),
    /// The followed file agrees for so many bytes and then differs.
    Differs(u64),
    /// It is nowhere.
    Nowhere,
}

/// What was written after a stream.
pub(super) enum Successor {
    /// This file, which has content.
    File(Box<InputFile>),
    /// The followed file, which was rewritten: it agrees with the stream for so many bytes, and
    /// stands at the line that contains the next one.
    Rewritten(Box<InputFile>, u64),
    /// Nothing yet, or nothing that can be told now.
    None,
    /// A file without content, because it is damaged at its beginning.
    Damaged(InputError, FileId),
}

/// What need not be read.
pub(super) struct Done<'a> {
    /// Files known to have nothing.
    pub(super) spent: &'a [FileId],
    /// Streams read before that of the place, whatever their names say of their order.
    pub(super) finished: &'a Finished,
    /// Streams that others have read.
    pub(super) imported: &'a ChainSet,
}

impl Done<'_> {
    fn candidates(&self, file: &mut InputFile) -> Vec<((), &Chain)> {
        let imported = self.imported.candidates(file).into_iter();
        let imported = imported.map(|(_, chain)| chain);
        imported
            .chain(self.finished.iter())
            .map(|chain| ((), chain))
            .collect()
    }
}

impl Places {
    pub(super) fn shelf(&self) -> Result<Shelf, InputError> {
        Shelf::look(&self.path, &self.further)
    }

    pub(super) fn stat(&self) -> Result<Option<Entry>, InputError> {
        stat(&self.path)
    }

    /// Opens a file for following: a plain one may still be written.
    pub(super) fn open(&self, path: &Path) -> Result<InputFile, InputError> {
        let mut file = open_with(path, self.limits)?;
        if file.encoding() == Encoding::Plain {
            file.hold_partial_line(true);
            file.watch();
        } else if path == self.path {
            let (path, encoding) = (path.to_owned(), file.encoding());
            return Err(InputError::NotFollowed { path, encoding });
        }
        Ok(file)
    }

    /// Looks for a stream: by inode first, then in the rotated files from the newest on, then at
    /// the followed path.
    pub(super) fn locate(
        &self,
        chain: &Chain,
        id: Option<FileId>,
        with_live: bool,
    ) -> Result<Located, InputError> {
        let shelf = self.shelf()?;
        let live = shelf.live.iter().filter(|_| with_live);
        let mut entries: Vec<&Entry> = shelf.rotated.iter().rev().chain(live).collect();
        entries.sort_by_key(|entry| Some(entry.id) != id);
        let mut best = None;
        let mut common = None;
        for entry in entries {
            // What cannot be read cannot be recognised; if it is needed, the search fails and says so.
            let Ok(mut file) = self.open(&entry.path) else {
                continue;
            };
            match match_stream(&mut file, vec![((), chain)])? {
                Found::Whole(()) => return Ok(Located::Whole(file)),
                Found::Older((), verified)
                    if best.as_ref().is_none_or(|(most, _)| verified > *most) =>
                {
                    best = Some((verified, file));
                }
                Found::Parted((), agreed) if entry.path == self.path => common = Some(agreed),
                _ => {}
            }
        }
        Ok(match (best, common) {
            (Some((_, file)), _) => Located::Shorter(file),
            (None, Some(common)) => Located::Differs(common),
            (None, None) => Located::Nowhere,
        })
    }

    /// Looks for what was written after the stream at `place`; `held` is the file it was read from,
    /// if that is open.
    pub(super) fn successor(
        &self,
        place: &Checkpoint,
        held: Option<&InputFile>,
        shelf: &Shelf,
        done: &Done<'_>,
    ) -> Result<Successor, InputError> {
        let entries: Vec<&Entry> = shelf.entries().collect();
        let at = match self.position(place, held, &entries)? {
            Position::At(at) => Some(at),
            Position::Grown(file) => return Ok(Successor::File(file)),
            Position::Rewritten(common) => {
                let mut file = self.open(&self.path)?;
                file.skip_to_line_at(common)?;
                return Ok(Successor::Rewritten(Box::new(file), common));
            }
            Position::Unknown => None,
        };
        for (index, entry) in entries.iter().enumerate() {
            let is_live = entry.path == self.path;
            let later = match at {
                Some(at) => index > at,
                None => is_live || entry.modified_ns > place.modified_ns,
            };
            if !later || done.spent.contains(&entry.id) {
                continue;
            }
            let mut file = self.open(&entry.path)?;
            if file.id() != entry.id {
                // Moved since the directory was read: what follows what is told by the next look.
                return Ok(Successor::None);
            }
            if !is_live {
                let candidates = done.candidates(&mut file);
                match match_stream(&mut file, candidates)? {
                    Found::Whole(_) if file.peek(1).is_empty() => continue,
                    // What was written into it after it was left.
                    Found::Whole(_) => return Ok(Successor::File(Box::new(file))),
                    Found::Older(..) => file = self.open(&entry.path)?,
                    Found::Parted(..) | Found::Nothing => {}
                }
            }
            // So much that an overwriting before the first line is read would be noticed.
            if !file.peek(PEEK_BYTES).is_empty() {
                return Ok(Successor::File(Box::new(file)));
            }
            if let Some(error) = file.take_pending() {
                return Ok(Successor::Damaged(error, entry.id));
            }
        }
        Ok(Successor::None)
    }

    /// Where the stream at `place` stands among the files.
    fn position(
        &self,
        place: &Checkpoint,
        held: Option<&InputFile>,
        entries: &[&Entry],
    ) -> Result<Position, InputError> {
        // While a file is open, no other file can have its inode.
        let by_id = held.and_then(|held| entries.iter().position(|entry| entry.id == held.id()));
        if let Some(at) = by_id {
            return Ok(Position::At(at));
        }
        if place.chain.length() == 0 {
            return Ok(Position::Unknown);
        }
        let mut shorter = None;
        let mut rewritten = None;
        for (at, entry) in entries.iter().enumerate().rev() {
            let Ok(mut file) = self.open(&entry.path) else {
                continue;
            };
            match match_stream(&mut file, vec![((), &place.chain)])? {
                // Where the followed file is a copy of it, the copy is what grows from now on.
                Found::Whole(()) if entry.path != self.path && file.peek(1).is_empty() => {
                    return Ok(Position::At(at));
                }
                Found::Whole(()) => return Ok(Position::Grown(Box::new(file))),
                Found::Older(..) if shorter.is_none() => shorter = Some(at),
                Found::Parted((), common) if entry.path == self.path => rewritten = Some(common),
                _ => {}
            }
        }
        Ok(match (shorter, rewritten) {
            (Some(at), _) => Position::At(at),
            (None, Some(common)) => Position::Rewritten(common),
            (None, None) => Position::Unknown,
        })
    }
}

enum Position {
    At(usize),
    /// Found in another file, which has more of it or is the followed one.
    Grown(Box<InputFile>),
    /// The followed file agrees with it for so many bytes only.
    Rewritten(u64),
    Unknown,
}
