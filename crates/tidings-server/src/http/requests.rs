//! Each request: an id by which it can be asked after, and the event that tells of it.
//!
//! The event is `http.request-url`, of level debug: raise it to info by an event level to have an access
//! log in the history. What stands behind `?` is left out, as it may be a token.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tidings::emit;

use super::App;
use super::client::{Client, Peer};
use crate::clock::Watch;

/// The id of a request, in the answer; a trusted proxy may give one.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken from a proxy, and longest path that is told.
const ID_BYTES_MAX: usize = 64;
const PATH_CHARS_MAX: usize = 200;

/// Who sent a request, as soon as that is known; in the extensions of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Sender(Arc<OnceLock<String>>);

impl Sender {
    /// It is this account.
    pub(super) fn is(&self, name: &str) {
        // Asked twice, it is the same.
        let _ = self.0.set(name.to_owned());
    }
}

/// Gives a request its id, has it answered, and tells of it.
pub(super) async fn told(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let watch = Watch::start();
    let (mut parts, body) = request.into_parts();
    let client = Client::of(&parts, &app.http);
    let given = client.is_forwarded.then(|| given_id(&parts.headers));
    let id = given.flatten().unwrap_or_else(|| new_id(&app));
    let path: String = parts.uri.path().chars().take(PATH_CHARS_MAX).collect();
    let asked = Asked {
        address: client.address,
        is_socket: matches!(client.peer, Peer::Socket { .. }),
        method: parts.method.clone(),
        path,
        sender: Sender::default(),
    };
    parts.extensions.insert(asked.sender.clone());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    asked.tell(&id, response.status().as_u16(), &watch);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// What is told of a request.
struct Asked {
    address: Option<IpAddr>,
    is_socket: bool,
    method: Method,
    path: String,
    sender: Sender,
}

impl Asked {
    fn tell(&self, id: &str, status: u16, watch: &Watch) {
        // The client verbs ask by the socket: a search that is told of would be found by the next one.
        let (false, Some(address)) = (self.is_socket, self.address) else {
            return;
        };
        let sender = self.sender.0.get().map(String::as_str);
        emit!(
            Http::RequestUrl,
            remote_ip = address,
            account_name = sender,
            details = self.method.as_str(),
            url = &self.path,
            code = u64::from(status),
            elapsed = watch.elapsed(),
            id = id
        );
    }
}

/// The id that a proxy gave, if it is one.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_id = !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(is_plain);
    is_id.then(|| id.to_owned())
}

/// One that no other request has, also after a restart.
fn new_id(app: &App) -> String {
    app.manager
        .registry
        .new_id(crate::clock::now_ns())
        .to_string()
}
