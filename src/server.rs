//! The servers around the doors: gRPC with TLS, health and reflection, and plain HTTP; and an end that always comes.
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::http::Request;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::config::Tls;
use crate::limits;

/// The services to serve. Each must bring its own message limits ([`limits::MESSAGE_BYTES_MAX`]): tonic sets them there.
#[derive(Debug, Default)]
pub struct Services {
    routes: RoutesBuilder,
    names: Vec<&'static str>,
}

/// How the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every accepted call was answered.
    Whole,
    /// Some were still running, or some client still held its connection, when time was up.
    CutOff,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("read PEM file {}", .path.display())]
    Pem {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("set up TLS")]
    Tls(#[source] tonic::transport::Error),
    #[error("build reflection from the descriptor set")]
    Reflection(#[source] tonic_reflection::server::Error),
    #[error("serve")]
    Serve(#[source] tonic::transport::Error),
    #[error("serve HTTP")]
    Http(#[source] std::io::Error),
}

/// What a server needs besides its services.
#[derive(Debug)]
pub struct Serving<'a> {
    pub listener: TcpListener,
    pub tls: Option<&'a Tls>,
    /// The encoded descriptor set that reflection answers from.
    pub descriptors: &'static [u8],
    /// Told true once we serve, and false as soon as we stop: `/healthz` reads it.
    pub state: watch::Sender<bool>,
    /// Cancelled when the server is to end.
    pub stop: CancellationToken,
    /// How long accepted calls may finish then; [`limits::DRAIN_MAX`] but in tests.
    pub drain_max: Duration,
}

impl Services {
    /// Adds a service; it is served, and its health reported under its name.
    pub fn add<S>(&mut self, service: S)
    where
        S: tower::Service<Request<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self.names.push(S::NAME);
    }
}

/// Serves until told to stop; then takes no new calls, lets accepted ones finish, and ends after `drain_max` at the
/// latest. Idle connections and open streams cannot hold it up.
pub async fn serve(services: Services, serving: Serving<'_>) -> Result<Drained, ServeError> {
    let Serving { listener, tls, descriptors, state, stop, drain_max } = serving;
    let Services { routes, names } = services;
    let (health, health_service) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(descriptors)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(ServeError::Reflection)?;
    let routes = routes.routes().add_service(health_service).add_service(reflection);
    let builder = match tls {
        Some(tls) => {
            http2(Server::builder()).tls_config(tls_config(tls)?).map_err(ServeError::Tls)?
        }
        None => http2(Server::builder()),
    };
    report(&health, &names, ServingStatus::Serving).await;
    state.send_replace(true);

    let stopping = stop.clone();
    let told = async move {
        stopping.cancelled().await;
        // Balancers look here: they must see it before the last connection goes.
        report(&health, &names, ServingStatus::NotServing).await;
        state.send_replace(false);
    };
    let served = builder.serve_with_incoming_shutdown(routes.prepare(), incoming(listener), told);
    let capped = async {
        stop.cancelled().await;
        tokio::time::sleep(drain_max).await;
    };
    tokio::select! {
        served = served => served.map(|()| Drained::Whole).map_err(ServeError::Serve),
        () = capped => Ok(Drained::CutOff),
    }
}

/// The same for a router over plain HTTP, which is for loopback: it too takes no new calls once it is told to stop, lets accepted
/// ones finish, and ends after `drain_max` at the latest.
pub async fn serve_http(
    router: axum::Router,
    listener: TcpListener,
    stop: CancellationToken,
    drain_max: Duration,
) -> Result<Drained, ServeError> {
    let room = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    let told = stop.clone().cancelled_owned();
    let served = axum::serve(Capped { listener, room }, router).with_graceful_shutdown(told);
    let capped = async {
        stop.cancelled().await;
        tokio::time::sleep(drain_max).await;
    };
    tokio::select! {
        served = served.into_future() => served.map(|()| Drained::Whole).map_err(ServeError::Http),
        () = capped => Ok(Drained::CutOff),
    }
}

fn http2(builder: Server) -> Server {
    builder
        .http2_keepalive_interval(Some(limits::KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(limits::KEEP_ALIVE_TIMEOUT))
        .http2_max_header_list_size(limits::HEADER_BYTES_MAX)
        .max_concurrent_streams(limits::STREAMS_PER_CONNECTION_MAX)
        // Without an age a connection that says nothing would hold up the stop for ever.
        .max_connection_age(limits::CONNECTION_AGE_MAX)
        .max_connection_age_grace(limits::CONNECTION_AGE_GRACE)
}

fn tls_config(tls: &Tls) -> Result<ServerTlsConfig, ServeError> {
    let read = |path: &std::path::Path| {
        std::fs::read(path).map_err(|source| ServeError::Pem { path: path.to_path_buf(), source })
    };
    Ok(ServerTlsConfig::new().identity(Identity::from_pem(read(&tls.cert)?, read(&tls.key)?)))
}

async fn report(health: &HealthReporter, names: &[&'static str], status: ServingStatus) {
    // The empty name is the server as a whole.
    for name in names.iter().chain(&[""]) {
        health.set_service_status(name, status).await;
    }
}

/// Accepts at most [`limits::CONNECTIONS_MAX`] connections; one more is closed at once, since to leave it waiting would
/// look like an outage.
fn incoming(listener: TcpListener) -> impl Stream<Item = std::io::Result<Connection>> {
    let capped = Capped { listener, room: Arc::new(Semaphore::new(limits::CONNECTIONS_MAX)) };
    futures_util::stream::unfold(capped, |capped| async move {
        // Out of file handles, or gone before we looked: tonic goes on to the next.
        let accepted = capped.next().await;
        Some((accepted.map(|(connection, _)| connection), capped))
    })
}

/// A listener with room for so many connections at once.
struct Capped {
    listener: TcpListener,
    room: Arc<Semaphore>,
}

impl Capped {
    /// The next connection that there is room for.
    async fn next(&self) -> std::io::Result<(Connection, SocketAddr)> {
        loop {
            let (stream, address) = self.listener.accept().await?;
            let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
                tracing::warn!(
                    connections_max = limits::CONNECTIONS_MAX,
                    "Closed a connection: there are as many as we take",
                );
                continue;
            };
            // Answers are small and awaited at a desk.
            stream.set_nodelay(true).ok();
            return Ok((Connection { stream, _permit: permit }, address));
        }
    }
}

impl axum::serve::Listener for Capped {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            match self.next().await {
                Ok(accepted) => return accepted,
                // Out of file handles: some come back as calls end.
                Err(_) => tokio::time::sleep(limits::ACCEPT_AGAIN).await,
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that counts as long as it lives.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Binds the address where calls are taken.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}
