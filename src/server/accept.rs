//! Connections: taken as far as there is room, greeted by TLS where it is on, each in its own time, and handed to the server.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use axum::serve::IncomingStream;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::peer::{Certificate, Peer};
use crate::limits;

/// Greets connections by TLS; by what can be exchanged while they come.
#[derive(Debug)]
pub struct Greeter {
    http1: ArcSwap<ServerConfig>,
    http2: ArcSwap<ServerConfig>,
}

/// What is spoken behind a greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, as gRPC does.
    Http2,
}

/// Connections that are ready for an HTTP server.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) connections: mpsc::Receiver<Connection>,
    pub(super) address: SocketAddr,
}

impl Greeter {
    /// By this configuration.
    pub fn new(config: ServerConfig) -> Self {
        let [http1, http2] = spoken(config);
        Self { http1: ArcSwap::from_pointee(http1), http2: ArcSwap::from_pointee(http2) }
    }

    /// From now on by this one.
    pub fn exchange(&self, config: ServerConfig) {
        let [http1, http2] = spoken(config);
        self.http1.store(Arc::new(http1));
        self.http2.store(Arc::new(http2));
    }

    async fn accept(
        &self,
        stream: TcpStream,
        speaks: Speaks,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let config = match speaks {
            Speaks::Http1 => self.http1.load_full(),
            Speaks::Http2 => self.http2.load_full(),
        };
        TlsAcceptor::from(config).accept(stream).await
    }
}

/// One that offers HTTP/1.1 and one that offers HTTP/2: whoever offers both must not be taken at the wrong one.
fn spoken(config: ServerConfig) -> [ServerConfig; 2] {
    let offering = |protocol: &[u8]| {
        let mut config = config.clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        config
    };
    [offering(b"http/1.1"), offering(b"h2")]
}

impl axum::serve::Listener for Ready {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.connections.recv().await {
            Some(connection) => {
                let address = connection.peer.address.unwrap_or(self.address);
                (connection, address)
            }
            // None come any more: the server is about to be stopped.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl axum::extract::connect_info::Connected<IncomingStream<'_, Ready>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Ready>) -> Self {
        stream.io().peer.clone()
    }
}

/// A connection that counts as long as it lives, and who is at its other end.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Wire,
    peer: Peer,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Accepts at most [`limits::CONNECTIONS_MAX`] connections; one more is closed at once, since to leave it waiting would
/// look like an outage. Whoever is slow to greet holds up nobody else.
///
/// The task ends once nobody takes what is ready any more; the address is free again then.
pub(super) fn incoming(
    listener: TcpListener,
    greeter: Option<Arc<Greeter>>,
    speaks: Speaks,
) -> (mpsc::Receiver<Connection>, JoinHandle<()>) {
    let (ready, connections) = mpsc::channel(limits::CONNECTIONS_READY_MAX);
    let accepting = tokio::spawn(accept(listener, greeter, (speaks, ready)));
    (connections, accepting)
}

async fn accept(
    listener: TcpListener,
    greeter: Option<Arc<Greeter>>,
    (speaks, ready): (Speaks, mpsc::Sender<Connection>),
) {
    let room = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ready.closed() => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles, or gone before we looked: the next one may do. Not at once, or this would be all we do.
                tracing::warn!(%error, "Could not accept a connection");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            tracing::warn!(
                connections_max = limits::CONNECTIONS_MAX,
                "Closed a connection: there are as many as we take",
            );
            continue;
        };
        // Answers are small and awaited at a desk.
        stream.set_nodelay(true).ok();
        let peer = Peer { address: Some(address), certificate: None };
        match &greeter {
            None => {
                let connection = Connection { stream: Wire::Plain(stream), peer, _permit: permit };
                if ready.send(connection).await.is_err() {
                    return;
                }
            }
            Some(greeter) => {
                let arrived = (stream, peer, permit);
                tokio::spawn(greet((Arc::clone(greeter), speaks), arrived, ready.clone()));
            }
        }
    }
}

async fn greet(
    (greeter, speaks): (Arc<Greeter>, Speaks),
    (stream, peer, permit): (TcpStream, Peer, OwnedSemaphorePermit),
    ready: mpsc::Sender<Connection>,
) {
    let greeted = tokio::time::timeout(limits::GREETING_MAX, greeter.accept(stream, speaks)).await;
    let stream = match greeted {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::info!(address = ?peer.address, %error, "A connection's greeting failed");
            return;
        }
        Err(_) => {
            tracing::info!(address = ?peer.address, "A connection did not greet in time");
            return;
        }
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let certificate = match shown.map(|der| Certificate::read(der)) {
        None => None,
        Some(Ok(certificate)) => Some(Arc::new(certificate)),
        Some(Err(error)) => {
            tracing::warn!(address = ?peer.address, %error, "Closed a connection: its certificate names nobody");
            return;
        }
    };
    let peer = Peer { certificate, ..peer };
    let stream = Wire::Tls(Box::new(stream));
    // That nobody takes it any more is no fault: we are stopping.
    ready.send(Connection { stream, peer, _permit: permit }).await.ok();
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match &mut self.stream {
            Wire::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Wire::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match &mut self.stream {
            Wire::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        match &mut self.stream {
            Wire::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Wire::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Wire::Plain(stream) => stream.is_write_vectored(),
            Wire::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.stream {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.stream {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
