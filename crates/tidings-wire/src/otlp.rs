//! Events and metrics in the words of OpenTelemetry: bytes of OTLP requests, and what responses say.
//!
//! Requests are written straight from records and readings into protobuf bytes; no tree of objects
//! is built. The forms are those of <https://github.com/open-telemetry/opentelemetry-proto> 1.5 and
//! later, which an exporter sends over HTTP (`application/x-protobuf`) or gRPC alike:
//!
//! * [`Request::push_log`]: an event as a log record;
//! * [`Request::push_span`]: start, events and end of a span as a span;
//! * [`Request::push_metric`]: a reading of meters as a metric; [`Deltas`] makes differences of
//!   sums first, for receivers that want those;
//! * [`Reply::read`] and [`RpcStatus::read`]: what a receiver answers.
//!
//! # Values
//!
//! | in the event | in OTLP |
//! |---|---|
//! | text, address | string |
//! | number, duration (ms) | int; what is above 2^63 - 1, which OTLP's int cannot hold, a decimal string |
//! | float, truth value, bytes | double, bool, bytes |
//! | time | string, RFC 3339 |
//! | list | array |
//! | event within the event | list of key and value: `eventName`, then its keys |
//! | nothing | bool `false` |
//!
//! OTLP wants the keys of one list of attributes to differ. Where an event has a key more than once,
//! the attribute is an array of its values in their order. An attribute that the catalogue does not
//! know (key `attribute`, a list of name and value) stands under its own name.

mod attributes;
mod delta;
mod ids;
mod logs;
mod metrics;
mod proto;
mod request;
mod resource;
mod response;
mod spans;

pub use delta::Deltas;
pub use ids::{TraceIds, parent_of};
pub use metrics::{MetricsTime, Temporality};
pub use request::{Encoded, Mark, Request};
pub use resource::{Attribute, BadAttributes, Origin, Resource};
pub use response::{Damaged, Reply, RpcStatus};
pub use spans::SpanParts;

#[cfg(test)]
mod tests;
