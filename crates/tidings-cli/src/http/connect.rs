//! Connections to a server: its unix socket, TCP, or TLS over TCP.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::url::Url;
use crate::failure::Failure;

/// How long to wait for a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may be silent in the middle of an answer. Summing up a large history takes
/// minutes on a slow disk.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(600);

/// Both ways of a connection.
pub(super) trait Stream: Read + Write {
    /// What ends the connection from another thread.
    fn hangup(&self) -> io::Result<Hangup>;
}

impl Stream for UnixStream {
    fn hangup(&self) -> io::Result<Hangup> {
        self.try_clone().map(Hangup::Unix)
    }
}

impl Stream for TcpStream {
    fn hangup(&self) -> io::Result<Hangup> {
        self.try_clone().map(Hangup::Tcp)
    }
}

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn hangup(&self) -> io::Result<Hangup> {
        self.sock.hangup()
    }
}

/// Another handle of a connection, for the thread that does not read it.
#[derive(Debug)]
pub(super) enum Hangup {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Hangup {
    /// Ends the connection: whoever reads it comes to its end.
    pub(super) fn hang_up(&self) {
        // It may be closed already.
        let _ = match self {
            Hangup::Unix(stream) => stream.shutdown(Shutdown::Both),
            Hangup::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }

    /// Limits how long the other side may be silent.
    pub(super) fn set_silence(&self, longest: Duration) -> io::Result<()> {
        match self {
            Hangup::Unix(stream) => stream.set_read_timeout(Some(longest)),
            Hangup::Tcp(stream) => stream.set_read_timeout(Some(longest)),
        }
    }
}

/// Where a server is.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// Its socket in the data directory.
    Socket(PathBuf),
    /// Its address.
    Url(Url),
}

impl Target {
    /// The server in words, for failures.
    pub(super) fn name(&self) -> String {
        match self {
            Target::Socket(path) => format!("the server at {}", path.display()),
            Target::Url(url) => format!("the server at {url}"),
        }
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// [`Server`](crate::FailureKind::Server), with what the system or the TLS library said.
    pub(super) fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        let unreachable = |error: io::Error| {
            Failure::server(format!("cannot reach {}", self.name())).because(error)
        };
        match self {
            Target::Socket(path) => connect_socket(path)
                .map(|stream| Box::new(stream) as Box<dyn Stream>)
                .map_err(unreachable),
            Target::Url(url) => {
                let stream = connect_tcp(url).map_err(unreachable)?;
                if url.is_tls {
                    Ok(Box::new(start_tls(url, stream, trusted_roots(url)?)?))
                } else {
                    Ok(Box::new(stream))
                }
            }
        }
    }
}

fn connect_socket(path: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(SILENCE_TIMEOUT))?;
    stream.set_write_timeout(Some(SILENCE_TIMEOUT))?;
    Ok(stream)
}

/// Tries all addresses of the host; gives the last error.
fn connect_tcp(url: &Url) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (url.host.as_str(), url.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(SILENCE_TIMEOUT))?;
                stream.set_write_timeout(Some(SILENCE_TIMEOUT))?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What the machine trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
fn trusted_roots(url: &Url) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found
            .errors
            .first()
            .map_or_else(String::new, |error| format!(" ({error})"));
        return Err(Failure::server(format!(
            "cannot speak TLS with {url}: this machine trusts no certificate authority{why}; \
             install ca-certificates, or name a file of them in SSL_CERT_FILE"
        )));
    }
    Ok(roots)
}

/// Starts TLS and waits until it is known that the server is the one that was meant.
fn start_tls(
    url: &Url,
    mut stream: TcpStream,
    roots: RootCertStore,
) -> Result<StreamOwned<ClientConnection, TcpStream>, Failure> {
    let failed = || Failure::server(format!("cannot speak TLS with {url}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed().because(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(url.host.clone()).map_err(|error| failed().because(error))?;
    let mut connection =
        ClientConnection::new(Arc::new(config), name).map_err(|error| failed().because(error))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|error| {
            let is_unknown = error.to_string().contains("UnknownIssuer");
            let hint = match is_unknown {
                true => " (if its certificate is your own, name its authority in SSL_CERT_FILE)",
                false => "",
            };
            Failure::server(format!("cannot speak TLS with {url}{hint}")).because(error)
        })?;
    }
    Ok(StreamOwned::new(connection, stream))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::thread;

    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ServerConfig, ServerConnection};

    use super::*;

    /// A server that answers one line over TLS with the same line, and its certificate.
    fn echo_server() -> (Url, CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::new(config.clone())).unwrap();
                let mut stream = BufReader::new(StreamOwned::new(connection, stream.unwrap()));
                let mut line = String::new();
                // A client that trusts nobody hangs up here.
                if stream.read_line(&mut line).is_ok() {
                    stream.get_mut().write_all(line.as_bytes()).unwrap();
                }
            }
        });
        (
            Url::parse(&format!("https://localhost:{port}")).unwrap(),
            certificate,
        )
    }

    #[test]
    fn a_trusted_server_is_spoken_to() {
        let (url, certificate) = echo_server();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let mut stream = start_tls(&url, connect_tcp(&url).unwrap(), roots).unwrap();
        stream.write_all(b"hello\n").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert_eq!(line, "hello\n");
    }

    #[test]
    fn another_server_is_not() {
        let (url, _) = echo_server();
        let (_, other) = echo_server();
        let mut roots = RootCertStore::empty();
        roots.add(other.clone()).unwrap();
        let refused = start_tls(&url, connect_tcp(&url).unwrap(), roots)
            .unwrap_err()
            .sentence();
        assert!(
            refused.starts_with(&format!("cannot speak TLS with {url}")),
            "{refused}"
        );
        assert!(refused.contains("invalid peer certificate"), "{refused}");

        let (mut url, certificate) = echo_server();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        url.host = "127.0.0.1".to_owned();
        let refused = start_tls(&url, connect_tcp(&url).unwrap(), roots)
            .unwrap_err()
            .sentence();
        assert!(refused.contains("not valid for name"), "{refused}");
    }

    #[test]
    fn a_server_without_tls_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("https://{}", listener.local_addr().unwrap())).unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .unwrap();
            // Read what came, so that closing does not reset the connection.
            let _ = stream.read(&mut [0; 4_096]);
        });
        let refused = start_tls(&url, connect_tcp(&url).unwrap(), RootCertStore::empty());
        let refused = refused.unwrap_err().sentence();
        assert!(
            refused.starts_with("cannot speak TLS with https://127.0.0.1:"),
            "{refused}"
        );
    }
}
