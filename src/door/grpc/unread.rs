//! What the library can not even read is answered like every other refusal: by a code of ours, in both languages, and so that nobody
//! sends it again as it is. The library itself says `OUT_OF_RANGE` and `INTERNAL`, which some clients try again.

use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tonic::codegen::http::{Request, Response};
use tonic::server::NamedService;
use tonic::{Code, Status};

use super::status::{Unanswered, to_status};

/// A service, and how large a message it takes.
#[derive(Clone, Debug)]
pub struct InOurWords<S> {
    inner: S,
    message_bytes_max: usize,
}

impl<S> InOurWords<S> {
    pub(super) const fn new(inner: S, message_bytes_max: usize) -> Self {
        Self { inner, message_bytes_max }
    }
}

impl<S: NamedService> NamedService for InOurWords<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, Q, A> tower::Service<Request<Q>> for InOurWords<S>
where
    S: tower::Service<Request<Q>, Response = Response<A>> + NamedService,
    S::Future: Unpin,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let answered = self.inner.call(request);
        Answering { answered, service: S::NAME, message_bytes_max: self.message_bytes_max }
    }
}

/// An answer that is on its way.
#[derive(Debug)]
pub struct Answering<F> {
    answered: F,
    service: &'static str,
    message_bytes_max: usize,
}

impl<F, A, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<A>, E>> + Unpin,
{
    type Output = Result<Response<A>, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answered = ready!(Pin::new(&mut self.answered).poll(context));
        if let Ok(response) = &mut answered
            && let Some(status) = Status::from_header_map(response.headers())
            && status.details().is_empty()
            && let Some(unanswered) = unread(&status, self.message_bytes_max)
        {
            // What can not be written stays what the library said.
            to_status(&unanswered, self.service).add_header(response.headers_mut()).ok();
        }
        Poll::Ready(answered)
    }
}

/// What the library says of a message that it did not read; nothing where it is something else. What we say has details always.
pub(super) fn unread(status: &Status, message_bytes_max: usize) -> Option<Unanswered> {
    // With a source it is the connection that broke.
    if status.source().is_some() {
        return None;
    }
    match status.code() {
        Code::OutOfRange => Some(Unanswered::TooLarge(message_bytes_max)),
        Code::Internal => Some(Unanswered::Malformed(status.message().to_owned())),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unimplemented
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => None,
    }
}
