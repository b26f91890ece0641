//! Who may do what: by the way a request came, and by the token it shows.
//!
//! * Through the socket: whoever the file's owner and group let open it may do everything, but let
//!   the server read files: that is for root and for the user the server runs as, because the server
//!   may be able to read what others must not.
//! * By TCP with a token in the settings: everything offered needs the token, but `/healthz` and the
//!   bare state in `/readyz`.
//! * By TCP without one, which is allowed on loopback only: ingest, if the request names this machine
//!   as its host. A web page that lets its own name point here (DNS rebinding) does not pass.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use std::net::IpAddr;
use std::sync::Arc;

use tidings_admin::Role;

use super::App;
use super::answer::{Refusal, refuse};
use super::problem::Problem;
use crate::manage::Identity;

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// The socket, from a process of this user.
    Socket {
        /// Effective user id.
        uid: u32,
    },
    /// A TCP address.
    Tcp,
}

/// A request that may use what is not for everyone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed(pub(super) Peer);

impl FromRequestParts<Arc<App>> for Allowed {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Allowed, Refusal> {
        check(peer_of(parts), &parts.headers, app)
    }
}

/// As [`Allowed`], without refusing those who are not.
#[derive(Clone, Copy, Debug)]
pub(super) struct IsAllowed(pub(super) bool);

impl FromRequestParts<Arc<App>> for IsAllowed {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &Arc<App>,
    ) -> Result<IsAllowed, std::convert::Infallible> {
        Ok(IsAllowed(
            check(peer_of(parts), &parts.headers, app).is_ok(),
        ))
    }
}

/// Who asks, where that has to be known: the management API.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) Identity);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Caller, Problem> {
        match identify(parts, app)? {
            Some(who) => Ok(Caller(who)),
            None => Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "say who you are: Authorization: Bearer TOKEN",
            )),
        }
    }
}

/// As [`Caller`], where somebody unknown is answered too. Wrong credentials are refused all the same.
#[derive(Debug)]
pub(super) struct MaybeCaller(pub(super) Result<Option<Identity>, Problem>);

impl FromRequestParts<Arc<App>> for MaybeCaller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &Arc<App>,
    ) -> Result<MaybeCaller, std::convert::Infallible> {
        Ok(MaybeCaller(identify(parts, app)))
    }
}

/// Who asks; nobody where they do not say.
fn identify(parts: &Parts, app: &App) -> Result<Option<Identity>, Problem> {
    let own = rustix::process::geteuid().as_raw();
    if let Peer::Socket { uid } = peer_of(parts) {
        let role = if uid == 0 || uid == own {
            Role::Admin
        } else {
            Role::Operator
        };
        return Ok(Some(Identity::local(&format!("uid:{uid}"), role)));
    }
    let Some(shown) = shown_token(&parts.headers) else {
        return Ok(None);
    };
    match &app.http.token {
        Some(token) if token.is(shown) => Ok(Some(Identity::local("token", Role::Admin))),
        _ => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "the token is not known here",
        )),
    }
}

impl Allowed {
    /// Refuses who may not make the server read files.
    pub(super) fn may_read_files(self) -> Result<(), Refusal> {
        let own = rustix::process::geteuid().as_raw();
        match self.0 {
            Peer::Socket { uid } if uid == 0 || uid == own => Ok(()),
            Peer::Socket { .. } => Err(refuse(
                StatusCode::FORBIDDEN,
                &format!(
                    "the server reads files only for root and for its own user (id {own}); run this as one of them"
                ),
            )),
            Peer::Tcp => Err(refuse(
                StatusCode::FORBIDDEN,
                "the server reads files only for those who ask through its socket; run this on its own machine, \
                 without --server",
            )),
        }
    }
}

fn peer_of(parts: &Parts) -> Peer {
    parts.extensions.get::<Peer>().copied().unwrap_or(Peer::Tcp)
}

fn check(peer: Peer, headers: &HeaderMap, app: &App) -> Result<Allowed, Refusal> {
    let refused = match (peer, &app.http.token) {
        (Peer::Socket { .. }, _) => None,
        (Peer::Tcp, Some(token)) => match shown_token(headers) {
            Some(shown) if token.is(shown) => None,
            Some(_) => Some((
                StatusCode::UNAUTHORIZED,
                "the token is not the one in the settings",
            )),
            None => Some((
                StatusCode::UNAUTHORIZED,
                "a token is needed: Authorization: Bearer TOKEN",
            )),
        },
        (Peer::Tcp, None) if names_loopback(headers) => None,
        (Peer::Tcp, None) => Some((
            StatusCode::MISDIRECTED_REQUEST,
            "the request names another host than this machine's loopback; set http.token_file to be reached \
             by other names",
        )),
    };
    match refused {
        None => Ok(Allowed(peer)),
        Some((status, why)) => Err(refuse(status, why)),
    }
}

/// The token of `Authorization: Bearer TOKEN` (RFC 6750, 2.1).
fn shown_token(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

/// Whether the request says that it is for a loopback address, as by `http://127.0.0.1:8686`.
fn names_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, _)) => name,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let is_address = |name: &str| name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    name.eq_ignore_ascii_case("localhost") || is_address(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        let named = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            names_loopback(&headers)
        };
        for host in [
            "127.0.0.1",
            "127.0.0.1:8686",
            "localhost:8686",
            "LOCALHOST",
            "[::1]:8686",
            "127.8.8.8:1",
        ] {
            assert!(named(host), "{host}");
        }
        for host in [
            "evil.test",
            "evil.test:8686",
            "192.0.2.1:8686",
            "localhost.evil.test",
            "",
            "127.0.0.1.evil.test",
        ] {
            assert!(!named(host), "{host}");
        }
        assert!(!names_loopback(&HeaderMap::new()));
    }

    #[test]
    fn tokens_are_taken_from_their_header() {
        let shown = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            shown_token(&headers).map(<[u8]>::to_vec)
        };
        assert_eq!(shown("Bearer abc"), Some(b"abc".to_vec()));
        assert_eq!(shown("bearer  abc "), Some(b"abc".to_vec()));
        for value in ["Basic abc", "Bearer", "", "abc"] {
            assert_eq!(shown(value), None, "{value}");
        }
    }
}
