//! A log that was imported before in another rendering (the same day as RFC 3164 in one file and
//! as RFC 3339 in another) is noticed, and refused unless it is forced.

use std::collections::BTreeMap;
use std::path::Path;

use super::followed::FollowedSet;
use crate::engine::Engine;
use crate::error::Error;
use crate::input::{Block, ChainId, Sample, SampleBuilder, line_key};

/// Names of blobs that hold the samples of imported streams begin so; the chain's number follows.
const SAMPLES: &str = "sample/";

/// The samples of all streams that are known.
#[derive(Debug)]
pub(super) struct Renderings {
    /// The imported ones, by chain.
    imported: BTreeMap<u64, Known>,
    /// The followed ones, with their names.
    followed: Vec<(String, Sample)>,
    /// Those that are read side by side now, with their names, each whole.
    beside: Vec<(String, Sample)>,
}

#[derive(Debug)]
struct Known {
    /// The file that it was read from.
    name: String,
    /// Lines that the sample is of.
    lines: u64,
    sample: Sample,
}

/// The sample of a file while it is read.
#[derive(Debug)]
pub(super) struct Reading {
    id: ChainId,
    name: String,
    lines: u64,
    builder: SampleBuilder,
    /// It may turn out to be another rendering of a known stream.
    is_asked: bool,
}

impl Renderings {
    pub(super) fn load(engine: &Engine, followed: &FollowedSet) -> Result<Renderings, Error> {
        let snapshot = engine.store().snapshot();
        let mut known = BTreeMap::new();
        for (name, bytes) in snapshot.blobs(SAMPLES) {
            let id = name.strip_prefix(SAMPLES);
            let id = id.and_then(|id| u64::from_str_radix(id, 16).ok());
            let sample = Known::decode(bytes)?;
            if let Some(id) = id {
                known.insert(id, sample);
            }
        }
        let followed = followed.samples();
        Ok(Renderings {
            imported: known,
            followed: followed
                .map(|(name, sample)| (name.to_owned(), sample))
                .collect(),
            beside: Vec::new(),
        })
    }

    /// Begins with a file whose lines go into this chain; `is_new` if nothing of it is known, so
    /// that it may be another rendering.
    pub(super) fn begin(&self, id: ChainId, path: &Path, is_new: bool) -> Reading {
        let builder = match self.imported.get(&id.0) {
            Some(known) => SampleBuilder::resume(line_key, known.sample.clone(), known.lines),
            None => SampleBuilder::new(line_key),
        };
        Reading {
            id,
            name: path.to_string_lossy().into_owned(),
            lines: self.imported.get(&id.0).map_or(0, |known| known.lines),
            builder,
            is_asked: is_new,
        }
    }

    /// Remembers a file as far as it was read.
    pub(super) fn note(&mut self, file: &Reading) {
        let known = Known {
            name: file.name.clone(),
            lines: file.lines,
            sample: file.builder.sample().clone(),
        };
        self.imported.insert(file.id.0, known);
    }

    /// Remembers all of a file that is being read beside others.
    pub(super) fn note_beside(&mut self, file: &Reading, whole: &Sample) {
        self.beside.push((file.name.clone(), whole.clone()));
    }

    /// Forgets a stream that is refused.
    pub(super) fn forget(&mut self, id: ChainId) {
        self.imported.remove(&id.0);
    }

    /// Tells, once, which known file has the same lines, as far as the file was read; `is_all` if
    /// that was to its end.
    pub(super) fn twin(&self, file: &mut Reading, is_all: bool) -> Option<String> {
        if !file.is_asked || !(is_all || file.builder.head_is_complete()) {
            return None;
        }
        let sample = file.builder.sample();
        let twin = self.like(Some(file.id), |other| {
            sample.head_overlap(other).is_same_stream()
                || is_all && sample.overlap(other).is_same_stream()
        })?;
        file.is_asked = false;
        Some(twin)
    }

    /// Tells which known file has the lines of a whole file; `but` is its own chain.
    pub(super) fn twin_of(&self, whole: &Sample, but: Option<ChainId>) -> Option<String> {
        self.like(but, |other| whole.is_same_stream(other))
    }

    fn like(&self, but: Option<ChainId>, is_same: impl Fn(&Sample) -> bool) -> Option<String> {
        if let Some((name, _)) = self.followed.iter().find(|(_, other)| is_same(other)) {
            return Some(format!("{name}, which is or was followed"));
        }
        if let Some((name, _)) = self.beside.iter().find(|(_, other)| is_same(other)) {
            return Some(format!("{name}, which is imported with it"));
        }
        let mut others = self
            .imported
            .iter()
            .filter(|(id, _)| but.is_none_or(|but| but.0 != **id));
        let (_, twin) = others.find(|(_, other)| is_same(&other.sample))?;
        Some(format!("{}, which was imported before", twin.name))
    }

    /// The sample of a stream as it is committed.
    pub(super) fn blob(&self, id: ChainId) -> Option<(String, Option<Vec<u8>>)> {
        let known = self.imported.get(&id.0)?;
        Some((format!("{SAMPLES}{:x}", id.0), Some(known.encode())))
    }
}

impl Reading {
    /// Takes the next lines of the file.
    pub(super) fn take(&mut self, block: &Block) {
        for line in block.lines() {
            self.builder.line(line.bytes);
        }
        self.lines += block.line_count();
    }

    /// No longer asks whether it is another rendering; gives whether it did.
    pub(super) fn stop_asking(&mut self) -> bool {
        std::mem::replace(&mut self.is_asked, false)
    }
}

/// Why a file is not imported that has the lines of `known`.
pub(super) fn refusal(path: &Path, known: &str) -> Error {
    Error::Asked(format!(
        "{}: has the same lines as {known}, in another rendering (other time stamps or \
         hosts); nothing of it was imported; give --force to import it too, as a log of \
         its own",
        path.display()
    ))
}

/// What is to be said where that was noticed too late.
pub(super) fn warning(path: &Path, known: &str) -> String {
    format!(
        "{}: has the same lines as {known}, in another rendering; this was \
         seen only when most of it was imported, so its messages are there twice",
        path.display()
    )
}

impl Known {
    /// `lines u64 · length of the name u32 · name · sample`.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.lines.to_le_bytes().to_vec();
        bytes.extend((self.name.len() as u32).to_le_bytes());
        bytes.extend(self.name.as_bytes());
        bytes.extend(self.sample.encode());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Known, Error> {
        let short = || Error::State("the sample of an imported log ends early".into());
        let (lines, rest) = bytes.split_first_chunk().ok_or_else(short)?;
        let (length, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (name, sample) = rest.split_at_checked(length).ok_or_else(short)?;
        Ok(Known {
            name: String::from_utf8_lossy(name).into_owned(),
            lines: u64::from_le_bytes(*lines),
            sample: Sample::decode(sample).map_err(|error| Error::State(error.to_string()))?,
        })
    }
}
