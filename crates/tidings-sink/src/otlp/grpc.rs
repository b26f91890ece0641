//! OTLP over gRPC.

use std::str::FromStr;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tidings_wire::otlp::{Reply, RpcStatus};
use tonic::client::Grpc as Client;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

use super::endpoint::Signal;
use super::transport::{ANSWER_BYTES_MAX, Common, Remedy, SendError, chain};
use crate::settings::SettingsError;

/// How often a silent connection is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A client of one collector.
pub(super) struct Grpc {
    client: Client<Channel>,
    common: Common,
}

impl Grpc {
    /// Must be called within a runtime.
    pub(super) fn new(
        object: &str,
        common: Common,
        agent: &str,
        trust: Option<&[u8]>,
    ) -> Result<Grpc, SettingsError> {
        let wrong = |error: tonic::transport::Error| {
            let reason = chain(&error);
            SettingsError::new(
                object,
                "endpoint",
                reason,
                "one that a client can be made for",
            )
        };
        let endpoint = Endpoint::from_shared(common.endpoint.origin()).map_err(wrong)?;
        let mut endpoint = endpoint
            .user_agent(agent)
            .map_err(wrong)?
            .timeout(common.timeout)
            .connect_timeout(common.timeout)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(common.timeout);
        if common.endpoint.is_tls() {
            let mut tls = ClientTlsConfig::new().with_native_roots();
            if let Some(pem) = trust {
                tls = tls.ca_certificate(Certificate::from_pem(pem));
            }
            endpoint = endpoint.tls_config(tls).map_err(wrong)?;
        }
        let mut client = Client::new(endpoint.connect_lazy())
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(ANSWER_BYTES_MAX);
        if common.gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        Ok(Grpc { client, common })
    }

    pub(super) fn shown(&self) -> String {
        self.common.endpoint.shown()
    }

    pub(super) async fn send(&mut self, signal: Signal, body: Bytes) -> Result<Reply, SendError> {
        let path = self.common.endpoint.grpc(signal);
        let path = PathAndQuery::from_str(&path)
            .map_err(|error| SendError::new(Remedy::None, chain(&error)))?;
        let mut request = Request::new(body);
        *request.metadata_mut() = MetadataMap::from_headers(self.common.headers.clone());
        request.set_timeout(self.common.timeout);
        self.client
            .ready()
            .await
            .map_err(|error| SendError::new(Remedy::Retry(None), chain(&error)))?;
        match self.client.unary(request, path, RawCodec).await {
            Ok(answer) => Ok(Reply::read(answer.get_ref()).unwrap_or_default()),
            Err(status) => Err(refused(&status)),
        }
    }
}

/// What helps, by the table of the OTLP specification, and where somebody has to mend the settings.
fn refused(status: &Status) -> SendError {
    let said = RpcStatus::read(status.details()).unwrap_or_default();
    let is_too_large = matches!(status.code(), Code::ResourceExhausted | Code::OutOfRange)
        && tells_of_size(status.message());
    let remedy = match status.code() {
        _ if is_too_large => Remedy::Smaller,
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Remedy::Retry(said.retry_after),
        Code::ResourceExhausted if said.retry_after.is_some() => Remedy::Retry(said.retry_after),
        // Not the events are wrong but the address or the secret.
        Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => Remedy::Retry(None),
        // A failure of the connection in the words of tonic.
        Code::Unknown if std::error::Error::source(status).is_some() => Remedy::Retry(None),
        _ => Remedy::None,
    };
    let mut reason = format!("gRPC {:?}", status.code());
    for text in [status.message(), &said.message] {
        if !text.is_empty() && !reason.contains(text) {
            reason.push_str(": ");
            reason.push_str(text);
        }
    }
    if let Some(cause) = std::error::Error::source(status) {
        reason.push_str(": ");
        reason.push_str(&chain(cause));
    }
    SendError::new(remedy, reason)
}

/// Whether a message is that of a server to which the request was too large. The code alone does not
/// tell; these are the words of the implementations in Go and C, in Java, and in Rust.
fn tells_of_size(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("larger than max")
        || message.contains("exceeds maximum")
        || message.contains("too large")
}

/// Messages as bytes: they are encoded already, and answers are read by hand.
#[derive(Clone, Copy, Debug)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = RawCodec;
    type Decoder = RawCodec;

    fn encoder(&mut self) -> RawCodec {
        *self
    }

    fn decoder(&mut self) -> RawCodec {
        *self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(item.len());
        out.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = message.remaining();
        Ok(Some(message.copy_to_bytes(length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_specification_names_and_what_can_be_mended_is_tried_again() {
        let again = [
            Code::Cancelled,
            Code::DeadlineExceeded,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unavailable,
            Code::DataLoss,
            Code::Unauthenticated,
            Code::PermissionDenied,
            Code::Unimplemented,
        ];
        for code in (1..17).map(Code::from_i32) {
            let expected = if again.contains(&code) {
                Remedy::Retry(None)
            } else {
                Remedy::None
            };
            assert_eq!(
                refused(&Status::new(code, "x")).remedy,
                expected,
                "{code:?}"
            );
        }
    }

    #[test]
    fn an_exhausted_receiver_is_tried_again_if_it_says_when() {
        // google.rpc.Status { details: RetryInfo { retry_delay: 3 s } }
        let kind = b"type.googleapis.com/google.rpc.RetryInfo";
        let mut any = vec![0x0a, kind.len() as u8];
        any.extend_from_slice(kind);
        any.extend_from_slice(&[0x12, 4, 0x0a, 2, 0x08, 3]);
        let mut details = vec![0x08, 8, 0x1a, any.len() as u8];
        details.extend_from_slice(&any);
        let status = Status::with_details(Code::ResourceExhausted, "full", details.into());
        let after = Some(Duration::from_secs(3));
        assert_eq!(refused(&status).remedy, Remedy::Retry(after));
    }

    #[test]
    fn a_message_that_is_too_large_is_cut() {
        for (code, message) in [
            (
                Code::ResourceExhausted,
                "grpc: received message larger than max (9 vs. 4)",
            ),
            (
                Code::ResourceExhausted,
                "CLIENT: Received message larger than max (9 vs. 4)",
            ),
            (
                Code::ResourceExhausted,
                "gRPC message exceeds maximum size 4194304: 9",
            ),
            (
                Code::OutOfRange,
                "Error, decoded message length too large: found 9 bytes, the limit is: 4 bytes",
            ),
        ] {
            assert_eq!(refused(&Status::new(code, message)).remedy, Remedy::Smaller);
        }
    }
}
