//! The encodings that Parquet specifies, and the two that our own files use: bits and varints.
//!
//! Source: <https://parquet.apache.org/docs/file-format/data-pages/encodings/>.

pub(crate) mod bits;
pub(crate) mod bytes;
pub(crate) mod delta;
pub(crate) mod hybrid;
pub(crate) mod presence;
pub(crate) mod thrift;
pub(crate) mod varint;
