//! Which streams the live path has read, for imports: running or not, of now and of before.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use serde::{Deserialize, Serialize};
use tidings_spool::{Clock, Identity, Spool, SpoolConfig, SystemClock};

use super::lock;
use super::pipe::{Followed, Pipe};
use crate::engine::Engine;
use crate::error::Error;

/// Names of blobs that hold followed streams begin so.
const FOLLOWED_BLOBS: &str = "followed/";

/// What a running live path follows.
#[derive(Debug, Default)]
pub(crate) struct Sources(Weak<Mutex<Pipe>>);

impl Sources {
    pub(super) fn new(pipe: &Arc<Mutex<Pipe>>) -> Sources {
        Sources(Arc::downgrade(pipe))
    }
}

/// A stream of which the live path has read lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FollowedStream {
    /// The source's name, which is its path.
    pub(crate) source: String,
    /// Where the first line that was read begins, in bytes.
    pub(crate) from_offset: u64,
    /// The follower's checkpoint behind the last one.
    pub(crate) checkpoint: Vec<u8>,
    /// The source stands in it and reads on.
    pub(crate) goes_on: bool,
    /// Sample of the lines that were read, as far as there is one.
    pub(crate) sample: Vec<u8>,
}

/// What a blob holds.
#[derive(Serialize, Deserialize)]
struct Kept {
    source: String,
    stream: Followed,
}

/// The streams as blobs of the history.
pub(super) fn followed_blobs(
    followed: &BTreeMap<String, Vec<Followed>>,
) -> impl Iterator<Item = (String, Option<Vec<u8>>)> {
    followed.iter().flat_map(|(source, streams)| {
        streams.iter().map(move |stream| {
            let hash =
                tidings_event::stable_hash(&[source.as_bytes(), &stream.stream_key.to_le_bytes()]);
            let kept = Kept {
                source: source.clone(),
                stream: stream.clone(),
            };
            let bytes =
                serde_json::to_vec(&kept).expect("texts, numbers and lists of them become JSON");
            (format!("{FOLLOWED_BLOBS}{hash:x}"), Some(bytes))
        })
    })
}

/// All streams that the live path of a directory has read.
pub(crate) fn followed_streams(engine: &Engine) -> Result<Vec<FollowedStream>, Error> {
    let mut streams = BTreeMap::new();
    for (_, bytes) in engine.store().snapshot().blobs(FOLLOWED_BLOBS) {
        let kept: Kept =
            serde_json::from_slice(bytes).map_err(|error| Error::State(error.to_string()))?;
        add(&mut streams, &kept.source, &kept.stream, false);
    }
    let running = engine.sources().0.upgrade();
    match running {
        Some(pipe) => add_all(&mut streams, &lock(&pipe)),
        None => add_all(&mut streams, &stopped(engine)?),
    }
    Ok(streams.into_values().collect())
}

fn add_all(streams: &mut BTreeMap<(String, u64), FollowedStream>, pipe: &Pipe) {
    for (source, stream, goes_on) in pipe.streams() {
        add(streams, source, stream, goes_on);
    }
}

fn add(
    streams: &mut BTreeMap<(String, u64), FollowedStream>,
    source: &str,
    stream: &Followed,
    goes_on: bool,
) {
    let followed = FollowedStream {
        source: source.to_owned(),
        from_offset: stream.from_offset,
        checkpoint: stream.checkpoint.clone(),
        goes_on,
        sample: stream.sample.clone(),
    };
    streams.insert((source.to_owned(), stream.stream_key), followed);
}

/// The state in which a live path that does not run has left its sources.
fn stopped(engine: &Engine) -> Result<Pipe, Error> {
    let config = SpoolConfig::default();
    let files = engine.backend().list(&config.directory);
    let files = files.map_err(|error| {
        Error::State(format!(
            "cannot list {}: {error}",
            config.directory.display()
        ))
    })?;
    if !files.iter().any(|(name, _)| {
        Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "seg")
    }) {
        return Ok(Pipe::new());
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    // Not used: there is a spool.
    let identity = Identity {
        epoch: 0,
        origin: 0,
    };
    let opened = Spool::open(Arc::clone(engine.backend()), clock, config, identity)?;
    let pipe = Pipe::recover(&opened.spool);
    drop(opened.hold);
    opened.spool.close()?;
    pipe
}
