//! One immutable part of a table: a Parquet file, written and read by our own code.
//!
//! The file is ordinary Parquet (data pages of version 1, zstd, dictionary and delta encodings,
//! offset index), so that any engine opens it. We never read its footer except to rebuild a
//! sidecar: where each page lies is also in the sidecar's directory, which costs one small read a
//! row group instead of a footer of megabytes.

pub(crate) mod choose;
pub(crate) mod chunk;
pub(crate) mod footer;
pub(crate) mod layout;
pub(crate) mod page;
pub(crate) mod read;
pub(crate) mod write;
