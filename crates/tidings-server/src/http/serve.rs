//! Listens, and serves each connection on a task of its own.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tidings::emit;
use tidings_cli::Failure;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch};
use tower_service::Service;

use super::client::Peer;
use super::line::Line;
use super::linger::Lingering;
use super::socket::{self, SocketFile};
use super::tls::Tls;
use super::{App, socket_router, tcp_router};

/// Bytes of a request's head at most; also what a connection reads at a time.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long to wait when the system has no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(200);

/// Open sockets at which nobody is served yet.
#[derive(Debug)]
pub(crate) struct Listeners {
    tcp: Vec<(SocketAddr, TcpListener)>,
    socket: (UnixListener, SocketFile),
}

impl Listeners {
    /// Listens on these addresses and at the socket in the data directory, whose lock this process
    /// holds.
    pub(crate) fn open(addresses: &[SocketAddr], dir: &Path) -> Result<Listeners, Failure> {
        let mut tcp = Vec::new();
        for address in addresses {
            let listener = listen(*address).map_err(|error| {
                let why = format!(
                    "cannot listen on {address}; choose another address as http.listen, or stop what listens there"
                );
                Failure::server(why).because(error)
            })?;
            tcp.push((listener.local_addr().unwrap_or(*address), listener));
        }
        Ok(Listeners {
            tcp,
            socket: socket::listen(dir)?,
        })
    }

    /// The TCP addresses, with the ports that the system chose where 0 was asked for.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.tcp.iter().map(|(address, _)| *address)
    }

    /// Serves until `stop` becomes true, then takes no more connections and waits for the requests
    /// that are being served, but no longer than `patience`. Gives how many were broken off.
    pub(crate) async fn serve(
        self,
        app: Arc<App>,
        mut stop: watch::Receiver<bool>,
        patience: Duration,
    ) -> io::Result<usize> {
        let graceful = GracefulShutdown::new();
        let connections = Connections {
            http: http(&app),
            room: Arc::new(Semaphore::new(app.http.connections_max)),
            graceful: &graceful,
            stop: stop.clone(),
            app: &app,
        };
        let (socket, file) = self.socket;
        let socket = tokio::net::UnixListener::from_std(socket)?;
        let mut accepting: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>> =
            vec![Box::pin(connections.accept_socket(socket))];
        for (_, listener) in self.tcp {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            accepting.push(Box::pin(connections.accept_tcp(listener)));
        }
        tokio::select! {
            () = all(accepting) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        // Nobody new finds the server from here on.
        drop(file);
        let open = graceful.count();
        match tokio::time::timeout(patience, graceful.shutdown()).await {
            Ok(()) => Ok(0),
            Err(_) => Ok(open),
        }
    }
}

/// Takes turns with all of them; none of them ends.
async fn all(futures: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>>) {
    let mut futures = futures;
    std::future::poll_fn(|context| {
        for future in &mut futures {
            let _ = future.as_mut().poll(context);
        }
        std::task::Poll::Pending
    })
    .await
}

/// Binds without waiting for the connections of a server that was stopped a moment ago.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn http(app: &App) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(app.http.head_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .half_close(false)
        .keep_alive(true);
    http
}

/// A place among the connections.
type Room = Result<OwnedSemaphorePermit, AcquireError>;

/// What is needed to serve a connection.
struct Connections<'a> {
    http: http1::Builder,
    /// A permit for each connection that may be open.
    room: Arc<Semaphore>,
    graceful: &'a GracefulShutdown,
    /// Becomes true when the server stops.
    stop: watch::Receiver<bool>,
    app: &'a Arc<App>,
}

impl Connections<'_> {
    async fn accept_tcp(&self, listener: tokio::net::TcpListener) {
        let router = tcp_router(self.app);
        loop {
            let room = Arc::clone(&self.room).acquire_owned().await;
            match listener.accept().await {
                Ok((stream, from)) => {
                    // Only answers come a little later if it fails.
                    let _ = stream.set_nodelay(true);
                    let peer = |is_tls| Peer::Tcp {
                        address: from.ip(),
                        is_tls,
                    };
                    match &self.app.tls {
                        None => self.serve(stream, peer(false), router.clone(), room),
                        Some(tls) => {
                            let stream = self.handshake(tls, stream, from.ip());
                            self.serve_when(stream, peer(true), router.clone(), room);
                        }
                    }
                }
                Err(error) => self.refused(&error).await,
            }
        }
    }

    async fn accept_socket(&self, listener: tokio::net::UnixListener) {
        let router = socket_router(self.app);
        loop {
            let room = Arc::clone(&self.room).acquire_owned().await;
            match listener.accept().await {
                Ok((stream, _)) => match stream.peer_cred() {
                    Ok(cred) => self.serve(
                        stream,
                        Peer::Socket { uid: cred.uid() },
                        router.clone(),
                        room,
                    ),
                    Err(error) => self.refused(&error).await,
                },
                Err(error) => self.refused(&error).await,
            }
        }
    }

    /// Serves a connection on a task of its own; `room` is kept as long as it is open, and no stream.
    fn serve<S>(&self, stream: S, peer: Peer, router: Router, room: Room)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.serve_when(std::future::ready(Some(stream)), peer, router, room);
    }

    /// As [`serve`](Self::serve), for a connection that still has to be made.
    fn serve_when<S>(
        &self,
        stream: impl Future<Output = Option<S>> + Send + 'static,
        peer: Peer,
        router: Router,
        room: Room,
    ) where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        // Fails only where the semaphore is closed, which it never is.
        let line = room.map(Line::new).unwrap_or_default();
        let known = Arc::clone(&line);
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(Arc::clone(&known));
            router.clone().call(request.map(Body::new))
        });
        let (http, watcher) = (self.http.clone(), self.graceful.watcher());
        let mut stop = self.stop.clone();
        tokio::spawn(async move {
            let stream = tokio::select! {
                stream = stream => stream,
                _ = stop.wait_for(|stop| *stop) => None,
            };
            let Some(stream) = stream else {
                return line.free();
            };
            let stream = TokioIo::new(Lingering::new(stream, stop, Arc::clone(&line)));
            // A connection that breaks is its client's business.
            let _ = watcher.watch(http.serve_connection(stream, service)).await;
            line.free();
        });
    }

    /// Agrees on a key with the client, in the time that it has for the head of a request.
    fn handshake(
        &self,
        tls: &Tls,
        stream: tokio::net::TcpStream,
        address: IpAddr,
    ) -> impl Future<Output = Option<tokio_rustls::server::TlsStream<tokio::net::TcpStream>>>
    + Send
    + 'static {
        let accepting = tls.acceptor().accept(stream);
        let patience = self.app.http.head_timeout;
        async move {
            let reason = match tokio::time::timeout(patience, accepting).await {
                Ok(Ok(stream)) => return Some(stream),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it took too long".to_owned(),
            };
            emit!(Tls::HandshakeError, remote_ip = address, reason = reason);
            None
        }
    }

    /// The system could not give a connection: too many files are open, or the client was gone.
    async fn refused(&self, error: &io::Error) {
        if error.kind() != io::ErrorKind::ConnectionAborted {
            self.app
                .console
                .say(&format!("cannot take a connection: {error}"));
            tokio::time::sleep(NO_ROOM).await;
        }
    }
}
