//! What an import does with a file that it cannot or may not take: the file is named with the
//! reason, nothing of it stays, and the import goes on with the others.

use std::path::Path;
use std::sync::mpsc::SyncSender;

use tidings_mail::correlate::{Correlator, Limits as CorrelatorLimits};

use super::rendering::{Reading, refusal, warning};
use super::{CORRELATOR_BLOB, Chunk, ReadTo, Run, send};
use crate::contract::{ImportObject, RefusedObject};
use crate::engine::Engine;
use crate::error::Error;
use crate::input::ChainId;

/// What reading a new file changes, as it was before.
pub(super) struct Before {
    done: ImportObject,
    times: Option<(i64, i64)>,
}

/// How the beginning of a file is taken back if it is refused after some of it was read.
pub(super) struct Undo<'w> {
    id: ChainId,
    before: Before,
    to_writer: &'w SyncSender<Chunk>,
    /// Something of the file is committed: it is too late.
    pub(super) is_committed: bool,
}

impl<'w> Undo<'w> {
    /// For a file whose lines go into this chain; to the writer went nothing of it yet.
    pub(super) fn new(id: ChainId, before: Before, to_writer: &'w SyncSender<Chunk>) -> Undo<'w> {
        Undo {
            id,
            before,
            to_writer,
            is_committed: false,
        }
    }
}

impl Run<'_> {
    /// What is to be gone back to if the file that is read next is refused.
    pub(super) fn before(&self) -> Before {
        Before {
            done: self.done.clone(),
            times: self.times,
        }
    }

    /// Refuses a file that is another rendering of a known stream, and takes back what was read of
    /// it; or warns of it if something of it was committed already.
    pub(super) fn check_rendering(
        &mut self,
        rendering: &mut Reading,
        is_all: bool,
        undo: &Undo<'_>,
        path: &Path,
    ) -> Result<(), Error> {
        match self.renderings.twin(rendering, is_all) {
            Some(known) if undo.is_committed => self.done.warnings.push(warning(path, &known)),
            Some(known) => {
                self.take_back(undo)?;
                return Err(refusal(path, &known));
            }
            None => {}
        }
        Ok(())
    }

    /// Takes back everything that was read since the last commit: the beginning of this file.
    fn take_back(&mut self, undo: &Undo<'_>) -> Result<(), Error> {
        self.chains.remove(undo.id);
        self.renderings.forget(undo.id);
        self.correlator = correlator_of(self.committed_correlator.as_deref())?;
        self.done = undo.before.done.clone();
        self.times = undo.before.times;
        self.shown.lines = self.done.lines;
        self.shown.recognised = self.done.recognised;
        send(
            undo.to_writer,
            Chunk {
                take_back: true,
                ..Chunk::default()
            },
        )
    }

    /// Goes on without a file, if that is all that `read` says; else it is the import's failure.
    pub(super) fn or_refused(
        &mut self,
        path: &Path,
        read: Result<Option<ReadTo>, Error>,
    ) -> Result<Option<ReadTo>, Error> {
        read.or_else(|error| {
            self.done.refused.push(refused(path, error)?);
            Ok(None)
        })
    }

    /// Remembers the correlator of a commit.
    pub(super) fn note_commit(&mut self, blobs: &[(String, Option<Vec<u8>>)]) {
        let correlator = blobs.iter().find(|(name, _)| name == CORRELATOR_BLOB);
        self.committed_correlator = correlator.and_then(|(_, blob)| blob.clone());
    }
}

/// Why a file is not imported; an error that is none of the file's stays one.
pub(super) fn refused(path: &Path, error: Error) -> Result<RefusedObject, Error> {
    let (why, force) = match error {
        Error::Asked(why) => (why, true),
        Error::Input(error) => (error.to_string(), false),
        error => return Err(error),
    };
    Ok(RefusedObject {
        file: path.to_string_lossy().into_owned(),
        why,
        force,
    })
}

/// The correlator that a blob holds.
pub(super) fn correlator_of(blob: Option<&[u8]>) -> Result<Correlator, Error> {
    let limits = CorrelatorLimits::default();
    let Some(saved) = blob else {
        return Ok(Correlator::new(limits));
    };
    let saved = zstd::decode_all(saved).map_err(|error| Error::State(error.to_string()))?;
    Ok(Correlator::restore(limits, &saved)?)
}

/// The state in which the last import left the correlator.
pub(crate) fn imported_correlator(engine: &Engine) -> Result<Correlator, Error> {
    correlator_of(committed_correlator(engine).as_deref())
}

/// What the correlator of the last import's end is kept as.
pub(super) fn committed_correlator(engine: &Engine) -> Option<Vec<u8>> {
    let snapshot = engine.store().snapshot();
    snapshot.blob(CORRELATOR_BLOB).map(<[u8]>::to_vec)
}
