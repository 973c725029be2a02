//! The servers around the doors: gRPC with health and reflection, and HTTP; each by TLS where that is on; and an end that always comes.
mod accept;
mod connection;
pub mod peer;
mod room;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::http::Request;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

pub use self::accept::Greeter;
use self::accept::{Speaks, incoming};
use self::connection::Connection;
pub use self::room::Bounds;
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
    #[error("build reflection from the descriptor set")]
    Reflection(#[source] tonic_reflection::server::Error),
    #[error("serve")]
    Serve(#[source] tonic::transport::Error),
}

/// What a server needs besides its services.
#[derive(Debug)]
pub struct Serving {
    pub listener: TcpListener,
    /// Greets by TLS, where it is on.
    pub greeter: Option<Arc<Greeter>>,
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
pub async fn serve(services: Services, serving: Serving) -> Result<Drained, ServeError> {
    serve_within(services, serving, Bounds::default()).await
}

/// The same, with connections bounded so.
pub async fn serve_within(
    services: Services,
    serving: Serving,
    bounds: Bounds,
) -> Result<Drained, ServeError> {
    let Serving { listener, greeter, descriptors, state, stop, drain_max } = serving;
    let Services { routes, names } = services;
    let (health, health_service) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(descriptors)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(ServeError::Reflection)?;
    let routes = routes.routes().add_service(health_service).add_service(reflection);
    let builder = http2(Server::builder().timeout(bounds.call_max));
    report(&health, &names, ServingStatus::Serving).await;
    state.send_replace(true);

    let stopping = stop.clone();
    let told = async move {
        stopping.cancelled().await;
        // Balancers look here: they must see it before the last connection goes.
        report(&health, &names, ServingStatus::NotServing).await;
        state.send_replace(false);
    };
    let (connections, accepting) = incoming(listener, (greeter, Speaks::Http2), bounds);
    let connections = ReceiverStream::new(connections).map(Ok::<_, Infallible>);
    let served = builder.serve_with_incoming_shutdown(routes.prepare(), connections, told);
    let capped = async {
        stop.cancelled().await;
        tokio::time::sleep(drain_max).await;
    };
    let drained = tokio::select! {
        served = served => served.map(|()| Drained::Whole).map_err(ServeError::Serve),
        () = capped => Ok(Drained::CutOff),
    };
    // Nobody takes connections any more: it ends at once, and with it the address is free.
    accepting.await.ok();
    drained
}

/// The same for a router over HTTP/1: it too takes no new calls once it is told to stop, lets accepted ones finish, and ends after
/// `drain_max` at the latest. Each call carries the [`peer::Peer`] of its connection.
pub async fn serve_http(
    router: axum::Router,
    listening: (TcpListener, Option<Arc<Greeter>>),
    stop: CancellationToken,
    drain_max: Duration,
) -> Result<Drained, ServeError> {
    serve_http_within(router, listening, (stop, drain_max), Bounds::default()).await
}

/// The same, with connections bounded so.
pub async fn serve_http_within(
    router: axum::Router,
    (listener, greeter): (TcpListener, Option<Arc<Greeter>>),
    (stop, drain_max): (CancellationToken, Duration),
    bounds: Bounds,
) -> Result<Drained, ServeError> {
    let (mut connections, accepting) = incoming(listener, (greeter, Speaks::Http1), bounds);
    let open = serve_each(&router, &mut connections, (&bounds, &stop)).await;
    // From now on none is taken, and the address is free.
    drop(connections);
    let drained = tokio::time::timeout(drain_max, open.shutdown()).await;
    accepting.await.ok();
    Ok(if drained.is_ok() { Drained::Whole } else { Drained::CutOff })
}

/// Serves connections as they come, until told to stop; gives those that are still open.
async fn serve_each(
    router: &axum::Router,
    connections: &mut mpsc::Receiver<Connection>,
    (bounds, stop): (&Bounds, &CancellationToken),
) -> GracefulShutdown {
    let open = GracefulShutdown::new();
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(bounds.head_max)
        .max_buf_size(limits::HTTP_BUFFER_BYTES_MAX);
    loop {
        let connection = tokio::select! {
            connection = connections.recv() => connection,
            () = stop.cancelled() => return open,
        };
        // The one who accepts them has ended: we are about to be stopped.
        let Some(connection) = connection else { return open };
        let (peer, router) = (connection.peer.clone(), router.clone());
        let service = hyper::service::service_fn(move |mut request| {
            let mut router = router.clone();
            request.extensions_mut().insert(ConnectInfo(peer.clone()));
            tower::Service::call(&mut router, request)
        });
        let served = open.watch(http.serve_connection(TokioIo::new(connection), service));
        tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::debug!(%error, "A connection broke off");
            }
        });
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

async fn report(health: &HealthReporter, names: &[&'static str], status: ServingStatus) {
    // The empty name is the server as a whole.
    for name in names.iter().chain(&[""]) {
        health.set_service_status(name, status).await;
    }
}

/// Binds the address where calls are taken.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}
