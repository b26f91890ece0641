//! What the binary lends to the client verbs: the parts that live in the server or the engine.

use std::path::{Path, PathBuf};

use tidings_engine::contract::ParsedLineObject;

use crate::failure::Failure;
use crate::globals::Globals;
use crate::store::Store;

/// The parts that the binary wires in. Each is called at most once in a process, on its main thread,
/// and may block.
#[derive(Clone, Copy)]
pub struct ServerHooks {
    /// Opens the history in `globals.data` in this process and takes the directory's lock; makes the
    /// directory where there is none. Called only when no server answers for it.
    ///
    /// Fails with [`Data`](crate::FailureKind::Data) when another process holds the directory or it
    /// is no data directory.
    pub open_local: fn(globals: &Globals) -> Result<Box<dyn Store>, Failure>,

    /// Runs the server until it is told to stop.
    pub serve: fn(globals: &Globals) -> Result<(), Failure>,

    /// Reads log files without a history and hands over line by line what they mean; `each` gives
    /// `false` to stop.
    ///
    /// Fails with [`File`](crate::FailureKind::File) for a file that cannot be read.
    pub parse: ParseHook,

    /// Fills a directory with the bundled sample, if it does not hold it yet, and opens it. The
    /// directory exists and is empty or was filled by this before.
    pub open_demo: fn(directory: &Path) -> Result<Box<dyn Store>, Failure>,
}

/// Reads log files and hands over what each line means, until that gives `false`.
pub type ParseHook = fn(
    options: &ParseOptions,
    each: &mut dyn FnMut(ParsedLineObject) -> bool,
) -> Result<(), Failure>;

/// Which lines `parse` is to read, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParseOptions {
    /// The files, in the order in which they are read: plain, `.gz`, `.zst` or `.xz`; `-` is the
    /// standard input.
    pub files: Vec<PathBuf>,
    /// Year of the first line, where times carry none; guessed from the file otherwise.
    pub year: Option<i32>,
    /// Time zone of times that carry none: an IANA name or `+01:00`; the machine's otherwise.
    pub timezone: Option<String>,
}
