//! What an OpenTelemetry collector answers: no bytes panic, and what is kept of them is bounded.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_wire::otlp::{Reply, RpcStatus};

/// Texts are cut at 4 KiB; a byte that is not UTF-8 becomes three.
const TEXT_BYTES_MAX: usize = 3 * 4096;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(reply) = Reply::read(bytes) {
        assert!(reply.message.len() <= TEXT_BYTES_MAX);
        assert!(i64::try_from(reply.rejected).is_ok());
    }
    if let Ok(status) = RpcStatus::read(bytes) {
        assert!(status.message.len() <= TEXT_BYTES_MAX);
    }
});
