//! The vocabulary of mail server telemetry.
//!
//! An **event** is a fact with a type from the [catalogue](EventType), a time, a level, a span and
//! ordered key/value pairs. It is encoded once, where it arises, into a compact binary
//! [record](RecordWriter), and everything that handles events afterwards walks that record by
//! reference ([`EventRef`]).
//!
//! This crate knows no clock, no thread, no file and no configuration, and depends on nothing.

// Data never panics: what cannot fail says why in `expect`.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod base64;
pub mod digits;
mod draft;
mod escape;
mod event_set;
mod event_type;
pub mod filter;
mod id;
pub mod json;
mod key;
mod kind;
mod level;
mod metric;
mod record;
#[cfg(test)]
mod samples;
mod suggest;
pub mod text;
pub mod time;
pub mod token;
mod value;
mod varint;

#[rustfmt::skip]
mod catalogue_gen;

pub use draft::{Draft, DraftRef, Drafts};
pub use event_set::{EventSet, UnknownEvent, name_fits};
pub use event_type::{EventInfo, EventType};
pub use id::{EventId, Id, Position, stable_hash};
pub use key::{Key, KeyInfo};
pub use level::{Level, UnknownLevel};
pub use metric::{
    Distribution, Exemplar, FamilyInfo, LabelInfo, MetricInfo, MetricKind, Reading, Series,
    SeriesValue,
};
pub use record::{EventRef, Header, MAX_RECORD_BYTES, RecordError, RecordWriter, Records};
pub use value::{Array, EncodedPairs, EncodedValue, MAX_DEPTH, NestedEvent, Pairs, Value};
