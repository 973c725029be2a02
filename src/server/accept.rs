//! Connections: taken as far as there is room, greeted by TLS where it is on, each in its own time, and handed to the server.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::{Connection, Wire};
use super::peer::{Certificate, Peer};
use super::room::{Bounds, Full, Place, Room};
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

/// Accepts connections within their bounds; one more is closed at once, since to leave it waiting would look like an outage. Whoever
/// is slow to greet holds up nobody else.
///
/// The task ends once nobody takes what is ready any more; the address is free again then.
pub(super) fn incoming(
    listener: TcpListener,
    greeting: (Option<Arc<Greeter>>, Speaks),
    bounds: Bounds,
) -> (mpsc::Receiver<Connection>, JoinHandle<()>) {
    let (ready, connections) = mpsc::channel(limits::CONNECTIONS_READY_MAX);
    let accepting = tokio::spawn(accept(listener, greeting, (bounds, ready)));
    (connections, accepting)
}

async fn accept(
    listener: TcpListener,
    (greeter, speaks): (Option<Arc<Greeter>>, Speaks),
    (bounds, ready): (Bounds, mpsc::Sender<Connection>),
) {
    let room = Arc::new(Room::new(&bounds));
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
        let place = match room.take(address.ip()) {
            Ok(place) => place,
            Err(full) => {
                refuse(full, address, &bounds);
                continue;
            }
        };
        // Answers are small and awaited at a desk.
        stream.set_nodelay(true).ok();
        let peer = Peer { address: Some(address), certificate: None };
        let arrived = (stream, peer, place);
        match &greeter {
            None => {
                let (stream, peer, place) = arrived;
                let connection =
                    Connection::new(Wire::Plain(stream), (peer, place), (speaks, &bounds));
                if ready.send(connection).await.is_err() {
                    return;
                }
            }
            Some(greeter) => {
                let greeting = (Arc::clone(greeter), speaks, bounds);
                tokio::spawn(greet(greeting, arrived, ready.clone()));
            }
        }
    }
}

fn refuse(full: Full, address: SocketAddr, bounds: &Bounds) {
    let Bounds { connections_max, per_address_max, .. } = *bounds;
    match full {
        Full::All => {
            tracing::warn!(connections_max, "Closed a connection: there are as many as we take",)
        }
        Full::Address => tracing::warn!(
            %address,
            per_address_max,
            "Closed a connection: from there come as many as we take from one place",
        ),
    }
}

async fn greet(
    (greeter, speaks, bounds): (Arc<Greeter>, Speaks, Bounds),
    (stream, peer, place): (TcpStream, Peer, Place),
    ready: mpsc::Sender<Connection>,
) {
    let greeted = tokio::time::timeout(bounds.greeting_max, greeter.accept(stream, speaks)).await;
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
    let connection = Connection::new(stream, (peer, place), (speaks, &bounds));
    // That nobody takes it any more is no fault: we are stopping.
    ready.send(connection).await.ok();
}
