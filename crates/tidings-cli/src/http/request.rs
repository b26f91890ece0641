//! One request and its answer.

use std::io::{self, BufReader, Read, Write};

use super::body::Body;
use super::connect::{Stream, Target};
use super::head::{Head, read_head};
use super::url::push_encoded;
use crate::failure::{Failure, FailureKind};

/// How much of the body of a failed request is read: an error object is short.
const ERROR_BYTES_MAX: u64 = 64 << 10;

/// The body of a good answer.
pub(super) type Answer = Body<BufReader<Box<dyn Stream>>>;

/// A request in the making: its path with the query, and its body.
#[derive(Clone, Debug)]
pub(super) struct Request {
    method: &'static str,
    path: String,
    accept: &'static str,
    last_event_id: Option<String>,
    body: Option<String>,
}

/// What the searches answer.
const ACCEPT_OBJECTS: &str = "application/x-ndjson, application/json";

impl Request {
    /// Asks for `path`.
    pub(super) fn get(path: &str) -> Request {
        Request {
            method: "GET",
            path: path.to_owned(),
            accept: ACCEPT_OBJECTS,
            last_event_id: None,
            body: None,
        }
    }

    /// Asks for the stream at `path`, from behind the frame with this id on.
    pub(super) fn stream(path: &str, last_event_id: Option<&str>) -> Request {
        // An id that no header can carry is none of our servers'.
        let id = last_event_id.filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic()));
        Request {
            accept: "text/event-stream",
            last_event_id: id.map(str::to_owned),
            ..Request::get(path)
        }
    }

    /// Sends a JSON body to `path`.
    pub(super) fn post(path: &str, body: String) -> Request {
        Request {
            method: "POST",
            path: path.to_owned(),
            accept: ACCEPT_OBJECTS,
            last_event_id: None,
            body: Some(body),
        }
    }

    /// Adds a parameter to the query, if it has a value.
    pub(super) fn with(mut self, name: &str, value: Option<String>) -> Request {
        if let Some(value) = value {
            self.path
                .push(if self.path.contains('?') { '&' } else { '?' });
            self.path.push_str(name);
            self.path.push('=');
            push_encoded(&mut self.path, &value);
        }
        self
    }

    /// Sends the request and gives the body of the answer.
    ///
    /// # Errors
    /// What the server says is wrong, or that it cannot be reached or understood.
    pub(super) fn send(self, target: &Target, token: Option<&str>) -> Result<Answer, Failure> {
        self.send_and(target, token, |_| Ok(()))
    }

    /// The same; `connected` is shown the connection first.
    ///
    /// # Errors
    /// As of [`send`](Self::send), and what `connected` gives.
    pub(super) fn send_and(
        self,
        target: &Target,
        token: Option<&str>,
        connected: impl FnOnce(&dyn Stream) -> io::Result<()>,
    ) -> Result<Answer, Failure> {
        let head = self.head(target, token)?;
        let mut stream = target.connect()?;
        connected(stream.as_ref()).map_err(|error| broken(target, error))?;
        let mut send = || {
            stream.write_all(head.as_bytes())?;
            stream.write_all(self.body.as_deref().unwrap_or_default().as_bytes())?;
            stream.flush()
        };
        send().map_err(|error| broken(target, error))?;
        let mut stream = BufReader::with_capacity(64 << 10, stream);
        let head = read_head(&mut stream).map_err(|error| broken(target, error))?;
        let body = Body::new(stream, head.framing);
        if head.status == 200 {
            Ok(body)
        } else {
            Err(refusal(target, &head, body))
        }
    }

    fn head(&self, target: &Target, token: Option<&str>) -> Result<String, Failure> {
        let (host, prefix) = match target {
            Target::Socket(_) => ("localhost".to_owned(), ""),
            Target::Url(url) => (url.authority(), url.prefix.as_str()),
        };
        let mut head = format!(
            "{} {prefix}{} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             User-Agent: tidings/{}\r\nAccept: {}\r\n",
            self.method,
            self.path,
            env!("CARGO_PKG_VERSION"),
            self.accept
        );
        if let Some(id) = &self.last_event_id {
            head.push_str("Last-Event-ID: ");
            head.push_str(id);
            head.push_str("\r\n");
        }
        if let Some(body) = &self.body {
            head.push_str("Content-Type: application/json\r\nContent-Length: ");
            head.push_str(&body.len().to_string());
            head.push_str("\r\n");
        }
        if let Some(token) = token {
            head.push_str("Authorization: Bearer ");
            head.push_str(checked(token, target)?);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        Ok(head)
    }
}

/// A token that may be sent: it can add no header, and nobody on the way can read it.
fn checked<'a>(token: &'a str, target: &Target) -> Result<&'a str, Failure> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::usage(
            "TIDINGS_TOKEN holds something else than visible ASCII characters",
        ));
    }
    match target {
        Target::Url(url) if !url.is_tls && !is_loopback(&url.host) => Err(Failure::usage(format!(
            "TIDINGS_TOKEN is not sent to {url}, where anyone on the way could read it; use \
             https://, or unset TIDINGS_TOKEN"
        ))),
        _ => Ok(token),
    }
}

fn is_loopback(host: &str) -> bool {
    let is_loopback_ip = host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback());
    is_loopback_ip || host == "localhost"
}

/// The failure for a connection that broke, or that carries something else than an answer.
pub(super) fn broken(target: &Target, error: io::Error) -> Failure {
    let name = target.name();
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => Failure::server(format!(
            "{name} broke off before the end of its answer; see its log"
        )),
        io::ErrorKind::InvalidData if error.get_ref().is_some() => {
            Failure::server(format!("{name} sent {error}"))
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            Failure::server(format!("{name} has been silent for ten minutes"))
        }
        _ => Failure::server(format!("the connection to {name} failed")).because(error),
    }
}

/// The failure that an answer with another status than 200 stands for.
fn refusal(target: &Target, head: &Head, body: impl Read) -> Failure {
    let failure = failure_of(target, head, body);
    match head.status {
        429 | 503 => failure.passing(),
        _ => failure,
    }
}

fn failure_of(target: &Target, head: &Head, body: impl Read) -> Failure {
    let name = target.name();
    let mut text = Vec::new();
    // Whatever of the text arrives helps; the status says the rest.
    let _ = body.take(ERROR_BYTES_MAX).read_to_end(&mut text);
    let kind = match head.status {
        400 | 414 | 422 => FailureKind::Usage,
        409 | 423 => FailureKind::Data,
        _ => FailureKind::Server,
    };
    if let Some(failure) = Failure::from_json(&text, kind) {
        return match head.status {
            404 => Failure::server(format!(
                "{name} does not answer searches; set http.api and a token there, or ask on its machine \
                 with --data"
            )),
            _ => failure,
        };
    }
    match (head.status, &head.location) {
        (401 | 403, _) => Failure::server(format!(
            "{name} refuses access (status {}); put a token for it into TIDINGS_TOKEN",
            head.status
        )),
        (404 | 405 | 501, _) => Failure::server(format!(
            "{name} does not offer this (status {}); is it Tidings, and of this version ({})?",
            head.status,
            env!("CARGO_PKG_VERSION")
        )),
        (300..=399, Some(location)) => Failure::server(format!(
            "{name} is at {location:?} now; name that with --server"
        )),
        (status, _) => Failure::new(kind, format!("{name} answered with status {status}")),
    }
}
