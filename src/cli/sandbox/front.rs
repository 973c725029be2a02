//! What stands around the doors of a sandbox, and of no other server: it reads a call's id, and lets befall it what the id calls for.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use prost::Message as _;
use serde::Deserialize;
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::server::NamedService;

use super::cut::Cuts;
use super::faults::{Fault, Faults};
use crate::cli::serve::{Around, Doors, Settlements};
use crate::door::outage::Outage;
use crate::door::{grpc, national, wire};
use crate::limits;
use crate::server::Services;
use crate::server::peer::Peer;

/// A call's frame begins with whether it is compressed, which none is here, and its length.
const FRAME_HEAD_BYTES: usize = 5;

/// What both doors share.
#[derive(Clone, Debug, Default)]
pub(super) struct Front {
    faults: Arc<Faults>,
    pub(super) cuts: Arc<Cuts>,
}

/// A front, and who is told once the doors are open.
#[derive(Debug)]
pub(super) struct Rehearsal {
    front: Front,
    tell: Mutex<Option<oneshot::Sender<Doors>>>,
}

impl Rehearsal {
    pub(super) fn new(front: Front, tell: oneshot::Sender<Doors>) -> Self {
        Self { front, tell: Mutex::new(Some(tell)) }
    }
}

impl Around for Rehearsal {
    fn add_settlements(&self, services: &mut Services, service: Settlements) {
        services.add(Fronted { inner: service, front: self.front.clone() });
    }

    fn national(&self, router: axum::Router) -> axum::Router {
        router.layer(axum::middleware::from_fn_with_state(self.front.clone(), meet))
    }

    fn opened(&self, doors: Doors) {
        let tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tell) = tell {
            // Whoever is not there any more has no need of it.
            tell.send(doors).ok();
        }
    }
}

impl Front {
    /// Answers a call as usual, or as its id calls for.
    async fn answer(
        &self,
        (id, peer): (Option<&str>, Option<SocketAddr>),
        usual: impl Future<Output = Response>,
        rehearsed: fn(Outage) -> Response,
    ) -> Response {
        let Some(fault) = id.and_then(|id| self.faults.next(id)) else { return usual.await };
        match fault {
            Fault::Busy => rehearsed(Outage::Busy),
            Fault::Dropped => self.cuts.cut(peer).await,
            Fault::Lost => {
                usual.await;
                self.cuts.cut(peer).await
            }
            Fault::Unknown => {
                usual.await;
                rehearsed(Outage::OutcomeUnknown)
            }
            Fault::Slow(by) => {
                let answered = usual.await;
                tokio::time::sleep(by).await;
                answered
            }
        }
    }
}

/// Meets a message on its way to the national door.
async fn meet(State(front): State<Front>, request: Request, next: Next) -> Response {
    #[derive(Deserialize)]
    struct Named {
        msgid: String,
    }
    let (parts, body) = request.into_parts();
    // One more than is taken, so that what is too large is refused by the door itself.
    let most = limits::NATIONAL_BODY_BYTES_MAX.saturating_add(1);
    let Ok(body) = to_bytes(body, most).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let id = serde_json::from_slice::<Named>(&body).ok().map(|named| named.msgid);
    let peer = parts.extensions.get::<ConnectInfo<Peer>>();
    let peer = peer.and_then(|ConnectInfo(peer)| peer.address);
    let usual = next.run(Request::from_parts(parts, axum::body::Body::from(body)));
    front.answer((id.as_deref(), peer), usual, national::rehearsed).await
}

/// The gRPC door behind the front.
#[derive(Clone, Debug)]
struct Fronted<S> {
    inner: S,
    front: Front,
}

impl<S: NamedService> NamedService for Fronted<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> tower::Service<Request<Body>> for Fronted<S>
where
    S: tower::Service<Request<Body>, Error = Infallible, Response: IntoResponse, Future: Send>,
    S: Clone + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that was found ready; a copy of it waits for the next call.
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        let front = self.front.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let most = limits::MESSAGE_BYTES_MAX.saturating_add(FRAME_HEAD_BYTES);
            let Ok(body) = to_bytes(axum::body::Body::new(body), most).await else {
                return Ok(too_large());
            };
            let id = id_of(parts.uri.path(), &body);
            let peer = parts.extensions.get::<Peer>().and_then(|peer| peer.address);
            let body = Body::new(axum::body::Body::from(body));
            let usual = async move {
                let answered = inner.call(Request::from_parts(parts, body)).await;
                answered.into_response()
            };
            Ok(front.answer((id.as_deref(), peer), usual, rehearsed).await)
        })
    }
}

fn rehearsed(outage: Outage) -> Response {
    grpc::status::rehearsed(outage).into_http()
}

fn too_large() -> Response {
    tonic::Status::out_of_range("the message is too large").into_http()
}

/// The request id of a settlement or a reversal; the other calls have none.
fn id_of(path: &str, frame: &Bytes) -> Option<String> {
    let message = frame.get(FRAME_HEAD_BYTES..)?;
    let id = match path.rsplit('/').next()? {
        "Settle" => wire::settlement::v1::SettleRequest::decode(message).ok()?.request_id,
        "Reverse" => wire::settlement::v1::ReverseRequest::decode(message).ok()?.request_id,
        _ => return None,
    };
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn usual() -> Response {
        StatusCode::OK.into_response()
    }

    #[tokio::test]
    async fn each_fault_befalls_as_it_is_written() {
        let front = Front::default();
        let answer = |id: &'static str| {
            let front = front.clone();
            async move { front.answer((Some(id), None), usual(), national::rehearsed).await }
        };
        assert_eq!(answer("SBX-BUSY-1").await.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer("SBX-BUSY-1").await.status(), StatusCode::OK);
        let unknown = answer("SBX-UNKNOWN-1").await;
        let body = to_bytes(unknown.into_body(), 10_000).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains("[OS-SYS-003]"));
        // Neither a connection that is cut nor one that is slow answers at once.
        for kept in ["SBX-LOST-1", "SBX-DROP-1", "SBX-SLOW-60000-1"] {
            assert!(futures_util::poll!(std::pin::pin!(answer(kept))).is_pending());
            assert_eq!(answer(kept).await.status(), StatusCode::OK);
        }
    }

    #[test]
    fn only_what_is_done_under_an_id_has_one() {
        let request = wire::settlement::v1::SettleRequest {
            request_id: "R1".to_owned(),
            ..Default::default()
        };
        let frame: Bytes = [vec![0; FRAME_HEAD_BYTES], request.encode_to_vec()].concat().into();
        assert_eq!(id_of("/x/Settle", &frame), Some("R1".to_owned()));
        assert_eq!(id_of("/x/Reverse", &frame), Some("R1".to_owned()));
        assert_eq!(id_of("/x/Quote", &frame), None);
        assert_eq!(id_of("/x/Settle", &Bytes::new()), None);
    }
}
