//! Where a request came from, and by what name it found this server: as the connection tells, or a proxy
//! that the settings trust.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};

use super::App;
use crate::settings::{HttpSettings, Network};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// The socket, from a process of this user.
    Socket {
        /// Effective user id.
        uid: u32,
    },
    /// A TCP connection.
    Tcp {
        /// Where it comes from.
        address: IpAddr,
        /// It speaks TLS.
        is_tls: bool,
    },
    /// Nobody knows; nothing is believed of it.
    Unknown,
}

/// The client behind a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) peer: Peer,
    /// Its address; nothing for the socket.
    pub(super) address: Option<IpAddr>,
    /// Nobody between can read it.
    pub(super) is_secure: bool,
    /// A trusted proxy stands between, so that what it adds is believed.
    pub(super) is_forwarded: bool,
    /// The name by which it found this server, with the port.
    host: Option<String>,
}

impl Client {
    /// The client of a request.
    pub(super) fn of(parts: &Parts, settings: &HttpSettings) -> Client {
        let peer = parts
            .extensions
            .get::<Peer>()
            .copied()
            .unwrap_or(Peer::Unknown);
        let own = text(&parts.headers, &header::HOST).map(str::to_owned);
        let (address, is_tls) = match peer {
            Peer::Tcp { address, is_tls } => (address.to_canonical(), is_tls),
            Peer::Socket { .. } | Peer::Unknown => {
                return Client {
                    peer,
                    address: None,
                    is_secure: false,
                    is_forwarded: false,
                    host: own,
                };
            }
        };
        let trusted = &settings.trusted_proxies;
        if !is_trusted(trusted, address) {
            return Client {
                peer,
                address: Some(address),
                is_secure: is_tls,
                is_forwarded: false,
                host: own,
            };
        }
        let proto = text(&parts.headers, &FORWARDED_PROTO);
        let host = text(&parts.headers, &FORWARDED_HOST).map(str::to_owned);
        Client {
            peer,
            address: Some(forwarded(&parts.headers, trusted).unwrap_or(address)),
            is_secure: proto.map_or(is_tls, |proto| proto.eq_ignore_ascii_case("https")),
            is_forwarded: true,
            host: host.or(own),
        }
    }

    /// The origin by which a browser knows this server: `https://tidings.example.org`.
    pub(super) fn origin(&self) -> Option<String> {
        let host = self.host.as_deref()?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
        let is_host = !host.is_empty() && host.len() <= 260 && host.bytes().all(is_plain);
        let scheme = if self.is_secure { "https" } else { "http" };
        is_host.then(|| format!("{scheme}://{}", host.to_ascii_lowercase()))
    }

    /// Whether it says that it asks for this machine's loopback, as by `http://127.0.0.1:8686`.
    pub(super) fn names_loopback(&self) -> bool {
        self.host.as_deref().is_some_and(is_loopback)
    }

    /// Whether it is a process of this machine, as far as the connection tells.
    pub(super) fn is_local(&self) -> bool {
        self.address.is_some_and(|address| address.is_loopback())
    }
}

impl FromRequestParts<Arc<App>> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Client, Infallible> {
        Ok(Client::of(parts, &app.http))
    }
}

/// The client's address as proxies tell it: the last one that is none of a trusted proxy. What stands
/// before that was written by somebody else.
fn forwarded(headers: &HeaderMap, trusted: &[Network]) -> Option<IpAddr> {
    let all = headers.get_all(FORWARDED_FOR);
    let all: Vec<&str> = all.iter().filter_map(|value| value.to_str().ok()).collect();
    let mut last = None;
    for hop in all.iter().rev().flat_map(|value| value.rsplit(',')) {
        let address = address_of(hop.trim())?;
        last = Some(address);
        if !is_trusted(trusted, address) {
            break;
        }
    }
    last
}

/// An address, perhaps with a port: `192.0.2.1`, `192.0.2.1:50000`, `[2001:db8::1]:50000`.
fn address_of(text: &str) -> Option<IpAddr> {
    let address = match text.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => text.parse::<std::net::SocketAddr>().ok()?.ip(),
    };
    Some(address.to_canonical())
}

fn is_trusted(trusted: &[Network], address: IpAddr) -> bool {
    trusted.iter().any(|network| network.has(address))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, _)) => name,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let is_address = |name: &str| name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    name.eq_ignore_ascii_case("localhost") || is_address(name)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn client(address: &str, headers: &[(&str, &str)]) -> Client {
        let text = "[http]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]";
        let settings = crate::settings::parse("t.toml".as_ref(), text).unwrap();
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        let address = address.parse().unwrap();
        parts.extensions.insert(Peer::Tcp {
            address,
            is_tls: false,
        });
        Client::of(&parts, &settings.http)
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let headers = [
            ("host", "a.test"),
            ("x-forwarded-for", "198.51.100.1, 192.0.2.1, 10.0.0.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "tidings.example.org"),
        ];
        let forged = client("192.0.2.9", &headers);
        assert_eq!(forged.address, Some("192.0.2.9".parse().unwrap()));
        assert_eq!(forged.origin().as_deref(), Some("http://a.test"));
        for proxy in ["10.0.0.1", "::ffff:10.0.0.1", "::1"] {
            let behind = client(proxy, &headers);
            // The first one was written by the client itself.
            assert_eq!(behind.address, Some("192.0.2.1".parse().unwrap()));
            assert_eq!(
                behind.origin().as_deref(),
                Some("https://tidings.example.org")
            );
        }
    }

    #[test]
    fn addresses_come_in_several_forms_and_nonsense_is_none() {
        let cases = [
            ("192.0.2.1:50000", "192.0.2.1"),
            ("[2001:db8::1]:1", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("10.0.0.5, 10.0.0.6", "10.0.0.5"),
            ("192.0.2.1, unknown", "10.0.0.1"),
            ("", "10.0.0.1"),
        ];
        for (told, address) in cases {
            let client = client("10.0.0.1", &[("x-forwarded-for", told)]);
            assert_eq!(client.address, Some(address.parse().unwrap()), "{told}");
        }
        let several = [
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-for", "10.0.0.7"),
        ];
        assert_eq!(
            client("10.0.0.1", &several).address,
            Some("192.0.2.1".parse().unwrap())
        );
    }

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        let named = |host: &str| client("127.0.0.1", &[("host", host)]).names_loopback();
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
        assert!(!client("127.0.0.1", &[]).names_loopback());
        assert_eq!(client("127.0.0.1", &[("host", "a.test/\"")]).origin(), None);
    }
}
