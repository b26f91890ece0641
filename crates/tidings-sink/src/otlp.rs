//! OpenTelemetry: events as log records and spans, readings as metrics, over HTTP or gRPC.
//!
//! [`OtlpSink`] is the output of events; its [driver](crate::Driver) gives it batches. [`MetricsPush`]
//! sends the meters every so often. Both write protobuf with [`tidings_wire::otlp`] and send it through
//! the same two transports:
//!
//! * **HTTP**: `POST` of `application/x-protobuf`. Where the endpoint's URL has no path, `/v1/logs`,
//!   `/v1/traces` and `/v1/metrics` are put behind it, each signal going to its own; a URL with a path
//!   is used as it stands, for all signals. Redirects are not followed.
//! * **gRPC**: the collector's services, over HTTP/2. A path of the URL is put in front of the service's.
//!
//! Over `https` the receiver's certificate is checked against the host's roots of trust (`SSL_CERT_FILE` and
//! `SSL_CERT_DIR` are heeded), and those given besides.
//!
//! # What is tried again
//!
//! As the OTLP specification says: no connection, a time-out, HTTP 429, 502, 503 and 504 (after
//! `Retry-After`), gRPC `CANCELLED`, `DEADLINE_EXCEEDED`, `ABORTED`, `OUT_OF_RANGE`, `UNAVAILABLE`,
//! `DATA_LOSS`, and `RESOURCE_EXHAUSTED` if it says when (`RetryInfo`). Beyond the specification, what
//! blames the settings is tried again too (HTTP 3xx, 401, 403, 404, 405, 407; gRPC `UNAUTHENTICATED`,
//! `PERMISSION_DENIED`, `UNIMPLEMENTED`): a wrong password is mended within the hour, and costs no
//! event. Anything else is refused for good: counted, reported, and not sent again. A partial success counts what was refused.
//!
//! # Size
//!
//! No request is above 4 MiB before compression, which is what receivers take by default. One that is
//! too large all the same (HTTP 413 and its like) is cut in halves; an item that is too large alone is
//! refused.

mod auth;
mod collector;
mod endpoint;
mod exporter;
mod grpc;
mod http;
mod metrics;
mod transport;
mod trust;

pub use self::collector::{
    MAX_EVENTS_PER_SPAN, MAX_SPAN_BYTES, MAX_SPANS, SPAN_HOLD, SpanCounters, SpanStats,
};
pub(crate) use self::endpoint::check_endpoint;
pub use self::exporter::OtlpSink;
pub use self::metrics::{LAST_PUSH, MetricsPush, MetricsPushSettings, PushReport};
pub use self::transport::Identity;
