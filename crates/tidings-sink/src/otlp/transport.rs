//! Sending a request, whatever the protocol: what goes out, and what may come of it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tidings_wire::otlp::{BadAttributes, Encoded, Reply, Resource};
use tokio::runtime::Handle;

use super::endpoint::{Endpoint, Signal};
use super::grpc::Grpc;
use super::http::Http;
use super::{auth, trust};
use crate::driver::AFTER_MAX;
use crate::settings::{HttpAuth, SettingsError};

/// Answers are read up to this size; what lies beyond is not needed and not trusted.
pub(super) const ANSWER_BYTES_MAX: usize = 256 << 10;

/// A wait that a receiver asks for is told where it is longer: nobody would understand the silence.
const TOLD_AFTER: Duration = Duration::from_secs(60);

/// Who we are to a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Attributes of the resource: `service.name` and so on.
    pub resource: Resource,
    /// Version of the scope, which is named `tidings`, and of the user agent.
    pub version: String,
    /// Roots of trust besides the host's: certificates in PEM.
    pub trust: Option<Vec<u8>>,
}

impl Identity {
    /// A service of this name and version.
    #[must_use]
    pub fn new(service: &str, version: &str) -> Self {
        Self {
            resource: Resource::new(service, version),
            version: version.to_owned(),
            trust: None,
        }
    }

    /// Heeds `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` of this process's environment.
    ///
    /// # Errors
    /// If the first is no list of attributes; it names what is wrong, and nothing of it holds then.
    pub fn with_environment(mut self) -> Result<Self, BadAttributes> {
        let read = |name: &str| std::env::var(name).ok();
        let attributes = read("OTEL_RESOURCE_ATTRIBUTES");
        let service = read("OTEL_SERVICE_NAME");
        self.resource = self
            .resource
            .with_environment(attributes.as_deref(), service.as_deref())?;
        Ok(self)
    }
}

/// How a collector is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Grpc,
}

/// What a transport is made of.
pub(super) struct TransportSettings<'s> {
    /// Who needs it, for errors: `Tracer "main"`.
    pub(super) object: &'s str,
    pub(super) protocol: Protocol,
    pub(super) endpoint: &'s str,
    pub(super) timeout: Duration,
    pub(super) auth: &'s HttpAuth,
    pub(super) headers: &'s [(String, String)],
    pub(super) gzip: bool,
}

/// A connection to a collector, made when it is first needed and again when it breaks.
pub(super) enum Transport {
    Http(Http),
    Grpc(Grpc),
}

impl Transport {
    /// Makes one; nothing is connected yet. `runtime` is where its connections will live.
    ///
    /// # Errors
    /// When a setting is wrong or a secret cannot be read.
    pub(super) fn new(
        settings: &TransportSettings<'_>,
        identity: &Identity,
        runtime: &Handle,
    ) -> Result<Transport, SettingsError> {
        let object = settings.object;
        let endpoint = Endpoint::parse(object, settings.endpoint)?;
        let headers = auth::headers(object, settings.headers, settings.auth)?;
        let agent = format!("tidings/{}", identity.version);
        let common = Common {
            endpoint,
            timeout: settings.timeout,
            headers,
            gzip: settings.gzip,
        };
        let _guard = runtime.enter();
        let trust = identity.trust.as_deref();
        match settings.protocol {
            Protocol::Http => {
                let tls = trust::client_config(object, trust)?;
                Http::new(object, common, &agent, tls).map(Transport::Http)
            }
            Protocol::Grpc => Grpc::new(object, common, &agent, trust).map(Transport::Grpc),
        }
    }

    /// Sends a request and waits for its answer, no longer than the time-out of the settings.
    pub(super) async fn send(
        &mut self,
        signal: Signal,
        request: Encoded,
        now_ns: i64,
    ) -> Result<Reply, SendError> {
        let (buffer, start) = request.into_buffer();
        let body = Bytes::from(buffer).slice(start..);
        match self {
            Transport::Http(http) => http.send(signal, body, now_ns).await,
            Transport::Grpc(grpc) => grpc.send(signal, body).await,
        }
    }

    /// The collector's URL as it may be shown.
    pub(super) fn shown(&self) -> String {
        match self {
            Transport::Http(http) => http.shown(),
            Transport::Grpc(grpc) => grpc.shown(),
        }
    }

    /// The URL that a signal is sent to, as it may be shown.
    pub(super) fn shown_for(&self, signal: Signal) -> String {
        match self {
            Transport::Http(http) => http.shown_for(signal),
            Transport::Grpc(grpc) => grpc.shown(),
        }
    }
}

/// What both transports need.
pub(super) struct Common {
    pub(super) endpoint: Endpoint,
    pub(super) timeout: Duration,
    pub(super) headers: http::HeaderMap,
    pub(super) gzip: bool,
}

/// Why a request did not arrive, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SendError {
    pub(super) remedy: Remedy,
    /// What was said, for people; no secrets.
    pub(super) reason: String,
}

/// What helps against a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The same again, after so long if the receiver said.
    Retry(Option<Duration>),
    /// Fewer items at once.
    Smaller,
    /// Nothing.
    None,
}

impl SendError {
    pub(super) fn new(remedy: Remedy, reason: impl Into<String>) -> SendError {
        SendError {
            remedy,
            reason: reason.into(),
        }
    }
}

impl fmt::Display for SendError {
    /// The reason, and how long is waited where the receiver asks for more than our own back-off would.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        match self.remedy {
            Remedy::Retry(Some(asked)) if asked > TOLD_AFTER => write!(
                f,
                "; it asks to be left alone for {} s, and is tried again after {} s",
                asked.as_secs(),
                asked.min(AFTER_MAX).as_secs()
            ),
            _ => Ok(()),
        }
    }
}

/// An error with all its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Many errors repeat their cause.
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
