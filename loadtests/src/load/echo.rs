//! A bare server of the same messages: decodes the request, answers bytes of a real answer's size, and does nothing else.
//!
//! What it reaches is what gRPC alone allows on this machine; ours is measured against it.
use std::convert::Infallible;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use anyhow::Context as _;
use bytes::Bytes;
use onestop::door::wire::settlement::v1::{
    Declined, SettleRequest, SettleResponse, settle_response,
};
use prost::Message as _;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};

use super::codec::Encoded;

/// Answers every settlement with the same bytes.
#[derive(Debug, Clone)]
struct Echo {
    reply: Bytes,
}

/// Requests are decoded as the product decodes them, answers are sent as they are.
#[derive(Debug, Clone, Copy, Default)]
struct DecodesRequests;

impl Codec for DecodesRequests {
    type Encode = Bytes;
    type Decode = SettleRequest;
    type Encoder = Encoded;
    type Decoder = DecodesRequests;

    fn encoder(&mut self) -> Encoded {
        Encoded
    }

    fn decoder(&mut self) -> DecodesRequests {
        DecodesRequests
    }
}

impl Decoder for DecodesRequests {
    type Item = SettleRequest;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<SettleRequest>, Status> {
        let request = SettleRequest::decode(from);
        request.map(Some).map_err(|error| Status::invalid_argument(error.to_string()))
    }
}

impl UnaryService<SettleRequest> for Echo {
    type Response = Bytes;
    type Future = std::future::Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<SettleRequest>) -> Self::Future {
        // The bill was decoded, and is of no further use.
        drop(request);
        std::future::ready(Ok(Response::new(self.reply.clone())))
    }
}

impl Service<http::Request<tonic::body::Body>> for Echo {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let echo = self.clone();
        Box::pin(async move { Ok(Grpc::new(DecodesRequests).unary(echo, request).await) })
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "onestop.settlement.v1.SettlementService";
}

/// An answer of about so many bytes, where no real one is given.
pub fn reply_of(bytes: usize) -> Bytes {
    let outcome = settle_response::Outcome::Declined(Declined {
        reason: "ECHO".to_owned(),
        message_en: "x".repeat(bytes),
        ..Declined::default()
    });
    SettleResponse { outcome: Some(outcome), ..Default::default() }.encode_to_vec().into()
}

/// Serves until the process ends, with as many workers as the product has on this machine.
pub fn serve(listen: SocketAddr, reply: Bytes) -> Result<(), anyhow::Error> {
    let workers = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    runtime.context("start the runtime")?.block_on(async {
        let server = tonic::transport::Server::builder().tcp_nodelay(true);
        let served = { server }.add_service(Echo { reply }).serve(listen).await;
        served.with_context(|| format!("serve on {listen}"))
    })
}
