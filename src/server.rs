//! The servers around the doors: gRPC with health and reflection, and HTTP; each by TLS where that is on; and an end that always comes.
mod accept;
pub mod peer;

use std::convert::Infallible;
use std::future::IntoFuture as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
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
use self::accept::{Ready, Speaks, incoming};
use self::peer::Peer;
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
    #[error("serve HTTP")]
    Http(#[source] std::io::Error),
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
    let Serving { listener, greeter, descriptors, state, stop, drain_max } = serving;
    let Services { routes, names } = services;
    let (health, health_service) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(descriptors)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(ServeError::Reflection)?;
    let routes = routes.routes().add_service(health_service).add_service(reflection);
    let builder = http2(Server::builder());
    report(&health, &names, ServingStatus::Serving).await;
    state.send_replace(true);

    let stopping = stop.clone();
    let told = async move {
        stopping.cancelled().await;
        // Balancers look here: they must see it before the last connection goes.
        report(&health, &names, ServingStatus::NotServing).await;
        state.send_replace(false);
    };
    let (connections, accepting) = incoming(listener, greeter, Speaks::Http2);
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

/// The same for a router over HTTP: it too takes no new calls once it is told to stop, lets accepted ones finish, and ends after
/// `drain_max` at the latest. Each call carries the [`Peer`] of its connection.
pub async fn serve_http(
    router: axum::Router,
    (listener, greeter): (TcpListener, Option<Arc<Greeter>>),
    stop: CancellationToken,
    drain_max: Duration,
) -> Result<Drained, ServeError> {
    let address = listener.local_addr().map_err(ServeError::Http)?;
    let (connections, accepting) = incoming(listener, greeter, Speaks::Http1);
    let arriving = router.into_make_service_with_connect_info::<Peer>();
    let told = stop.clone().cancelled_owned();
    let served = axum::serve(Ready { connections, address }, arriving).with_graceful_shutdown(told);
    let capped = async {
        stop.cancelled().await;
        tokio::time::sleep(drain_max).await;
    };
    let drained = tokio::select! {
        served = served.into_future() => served.map(|()| Drained::Whole).map_err(ServeError::Http),
        () = capped => Ok(Drained::CutOff),
    };
    accepting.await.ok();
    drained
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
