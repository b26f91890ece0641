//! Reads log files: opens them whatever they are packed with, recognises them by their content,
//! and follows them through rotations.
//!
//! * [`open`] gives an [`InputFile`], read as [`Block`]s of whole lines.
//! * [`ChainSet::match_file`] tells which known stream a file holds and steps to its unseen bytes.
//! * [`Sample`] notices a stream that is known in another rendering.
//! * [`Follower`] reads a file that is being written, each line once, through rename, copytruncate,
//!   deletion and restarts.
//!
//! Everything here is synchronous and asks no clock; to be woken when a file changes is the
//! caller's business. Unix only: files are told apart by device and inode.

mod chain;
mod chain_format;
mod chain_marks;
mod decompress;
mod error;
mod file;
mod first_year;
mod follow;
mod line_time;
mod lines;
mod matching;
mod open;
mod sample;
mod source;

pub use chain::{CHAIN_BLOCK_BYTES, Chain, ChainBuilder};
pub use chain_format::FormatError;
pub use decompress::Encoding;
pub use error::InputError;
pub use file::InputFile;
pub(crate) use first_year::first_year;
pub use follow::{Checkpoint, FollowOptions, Follower, Notice, Poll, Start};
pub use lines::{Block, Line, LineEnd, Lines};
pub(crate) use matching::first_line_hash;
pub use matching::{ChainId, ChainSet, Growth, Match};
pub use open::{FileFacts, FileId, Limits, open, open_with};
pub use sample::{Normalise, Overlap, SAME_STREAM_SHARE, Sample, SampleBuilder, line_key};
