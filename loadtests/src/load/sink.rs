//! A collector that takes traces and metrics and keeps nothing: what export costs the server is what is measured.
use std::convert::Infallible;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use anyhow::Context as _;
use bytes::Bytes;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};

use super::codec::Encoded;

/// Takes what belongs to one of the collector's services.
#[derive(Debug, Clone)]
struct Traces;

#[derive(Debug, Clone)]
struct Metrics;

/// An empty message says that all of it was taken.
#[derive(Debug, Clone)]
struct Taken;

impl UnaryService<Bytes> for Taken {
    type Response = Bytes;
    type Future = std::future::Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, _: Request<Bytes>) -> Self::Future {
        std::future::ready(Ok(Response::new(Bytes::new())))
    }
}

macro_rules! takes {
    ($service:ty, $name:literal) => {
        impl Service<http::Request<tonic::body::Body>> for $service {
            type Response = http::Response<tonic::body::Body>;
            type Error = Infallible;
            type Future = BoxFuture<Self::Response, Infallible>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
                Box::pin(async move { Ok(Grpc::new(Encoded).unary(Taken, request).await) })
            }
        }

        impl NamedService for $service {
            const NAME: &'static str = $name;
        }
    };
}

takes!(Traces, "opentelemetry.proto.collector.trace.v1.TraceService");
takes!(Metrics, "opentelemetry.proto.collector.metrics.v1.MetricsService");

/// Serves until the process ends.
pub async fn serve(listen: SocketAddr) -> Result<(), anyhow::Error> {
    let services = tonic::transport::Server::builder().add_service(Traces).add_service(Metrics);
    services.serve(listen).await.with_context(|| format!("serve on {listen}"))
}
