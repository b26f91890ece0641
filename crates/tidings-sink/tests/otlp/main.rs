//! A receiver that we did not write gets our log records, spans and metrics over HTTP and gRPC: the
//! packages `opentelemetry-proto`, `grpcio` and `googleapis-common-protos` of PyPI, in
//! `otlp_receiver.py` above this folder.
//!
//! `TIDINGS_OTLP_PYTHON` is a Python that has them (`make test` sees to it); without it these tests say
//! that they were skipped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod answers;
mod arrival;
mod driven;
mod metrics;
mod support;
