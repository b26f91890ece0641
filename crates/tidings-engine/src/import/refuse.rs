//! What an import does with a file that it cannot or may not take: the file is named with the
//! reason, nothing of it stays, and the import goes on with the others.

use std::path::Path;
use std::sync::mpsc::SyncSender;

use tidings_mail::correlate::{Correlator, Limits as CorrelatorLimits};

use super::reader::File;
use super::rendering::{refusal, warning};
use super::{CORRELATOR_BLOB, Chunk, Run, send};
use crate::contract::{ImportObject, RefusedObject};
use crate::engine::Engine;
use crate::error::Error;

/// What reading a new file changes, as it was before.
pub(super) struct Before {
    done: ImportObject,
    times: Option<(i64, i64)>,
}

impl Run<'_> {
    /// What is to be gone back to if the file that is read next is refused.
    pub(super) fn before(&self) -> Before {
        Before {
            done: self.done.clone(),
            times: self.times,
        }
    }

    /// Refuses a file that is another rendering of a known stream, as far as it was read, and
    /// gives whether it did.
    pub(super) fn is_refused_as_twin(
        &mut self,
        file: &mut File,
        is_all: bool,
        chunk: &mut Chunk,
        to_writer: &SyncSender<Chunk>,
    ) -> Result<bool, Error> {
        match self.renderings.twin(&mut file.rendering, is_all) {
            Some(twin) => self.refuse_twin(file, &twin, chunk, to_writer),
            None => Ok(false),
        }
    }

    /// Takes a file back that is another rendering, and gives whether it did; or warns of it, if
    /// something of it was committed already.
    pub(super) fn refuse_twin(
        &mut self,
        file: &mut File,
        twin: &str,
        chunk: &mut Chunk,
        to_writer: &SyncSender<Chunk>,
    ) -> Result<bool, Error> {
        let Some(before) = file.undo.take() else {
            self.done.warnings.push(warning(&file.source.path, twin));
            return Ok(false);
        };
        self.chains.remove(file.id);
        self.renderings.forget(file.id);
        self.correlator = correlator_of(self.committed_correlator.as_deref())?;
        self.done = before.done;
        self.times = before.times;
        self.shown.lines = self.done.lines;
        self.shown.recognised = self.done.recognised;
        let refusal = refusal(&file.source.path, twin);
        self.done.refused.push(refused(&file.source.path, refusal)?);
        // What was not sent yet goes as well: nothing else was read since the last commit.
        *chunk = Chunk::default();
        send(
            to_writer,
            Chunk {
                take_back: true,
                ..Chunk::default()
            },
        )?;
        Ok(true)
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
