//! What every call has in common: its arrival, its span, its deadline, and that accepted work is finished.

use std::cell::RefCell;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use opentelemetry::propagation::Extractor;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{KeyRef, MetadataMap};
use tonic::service::Interceptor;
use tonic::{Extensions, Request, Response, Status};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::DOOR;
use super::status::{Unanswered, to_status};
use crate::app::{Caller, is_purpose};
use crate::domain::ids::{HospitalCode, RequestId};
use crate::door::budgets::{Exceeded, Within};
use crate::door::callers::{Callers, Unknown};
use crate::door::field::Invalid;
use crate::limits;
use crate::server::peer::Peer;
use crate::telemetry::sampling;

/// The metadata by which a client may say what it wants to know things for.
const PURPOSE: &str = "onestop-purpose";

/// The root span of a call.
macro_rules! call {
    ($method:ident $($target:tt)*) => {
        tracing::info_span!(
            $($target)*
            "call",
            otel.name = $method,
            otel.kind = "server",
            rpc.method = $method,
            caller.name = Empty,
            hospital.code = Empty,
            request.id = Empty,
            settlement.id = Empty,
            verdict = Empty,
        )
    };
}

/// Meets every call before its message is read: says who is calling, and until when they wait.
#[derive(Clone, Debug)]
pub struct Arrival {
    callers: Arc<Callers>,
}

/// What is known of a call besides its message.
#[derive(Debug)]
pub(super) struct Known {
    caller: Arrived,
    purpose: Result<Option<String>, Invalid>,
    pub(super) span: Span,
}

/// Who arrived, within their budget, or why they are not let in. Handed on to the call in its request.
type Arrived = Result<(Caller, Arc<Within>), NotLetIn>;

/// Why a call is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotLetIn {
    /// It is not known who calls.
    Unknown(Unknown),
    /// They have called too often.
    Exceeded(Exceeded),
}

impl Arrival {
    /// Those who may come this way.
    pub fn new(callers: &Arc<Callers>) -> Self {
        Self { callers: Arc::clone(callers) }
    }
}

impl Interceptor for Arrival {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let wait = timeout(request.metadata());
        let deadline = wait.and_then(|wait| Instant::now().checked_add(wait));
        let peer = request.extensions().get::<Peer>();
        let certificate = peer.and_then(|peer| peer.certificate.clone());
        let found = self.callers.find(DOOR, certificate.as_deref(), bearer(request.metadata()));
        let arrived: Arrived = found.map_err(NotLetIn::Unknown).and_then(|caller| {
            let within = self.callers.spend(&caller).map_err(NotLetIn::Exceeded)?;
            Ok((Caller { deadline, ..caller }, Arc::new(within)))
        });
        request.extensions_mut().insert(arrived);
        Ok(request)
    }
}

impl Known {
    /// Opens the root span of a call, under the caller's own trace where one was sent.
    pub(super) fn of(
        method: &'static str,
        metadata: &MetadataMap,
        mut extensions: Extensions,
    ) -> Self {
        let span = span_of(method, metadata);
        let caller = extensions.remove::<Arrived>();
        let caller = caller.unwrap_or(Err(NotLetIn::Unknown(Unknown::Nothing)));
        if let Ok((caller, _)) = &caller {
            span.record("caller.name", caller.name.as_str());
        }
        Self { caller, purpose: purpose(metadata), span }
    }

    /// The same with a span in any case: for calls of which much is to be said.
    pub(super) fn shown(self, method: &'static str) -> Self {
        if !self.span.is_none() {
            return self;
        }
        let span = call!(method);
        if let Ok((caller, _)) = &self.caller {
            span.record("caller.name", caller.name.as_str());
        }
        Self { span, ..self }
    }

    /// Who is calling, while they still wait; and what counts the call, to be kept until it is answered.
    pub(super) fn admit(self) -> Result<(Caller, Arc<Within>), Unanswered> {
        let (caller, within) = self.caller.map_err(Unanswered::NotLetIn)?;
        if caller.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(Unanswered::DeadlinePassed);
        }
        Ok((Caller { purpose: self.purpose?, ..caller }, within))
    }
}

/// The root span of a call that is traced, or of each where details are logged; else none, until something is to be said of it.
fn span_of(method: &'static str, metadata: &MetadataMap) -> Span {
    let untraced = || if sampling::shows_every_call() { call!(method) } else { Span::none() };
    if !sampling::is_exporting() {
        return untraced();
    }
    let trace = metadata.get("traceparent").and_then(|trace| trace.to_str().ok());
    if !sampling::is_traced(trace.and_then(sampling::recorded)) {
        return untraced();
    }
    let span = call!(method target: sampling::TRACED,);
    if trace.is_some() {
        let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.extract(&Carrier(metadata))
        });
        span.set_parent(parent).ok();
    }
    span
}

tokio::task_local! {
    /// What is known of the call that is being answered.
    static SUBJECT: RefCell<Subject>;
}

/// Of what a call is, for its span: kept as it is, since of most calls nothing is ever said.
#[derive(Debug, Default)]
struct Subject {
    caller: Option<String>,
    hospital: Option<HospitalCode>,
    request: Option<RequestId>,
}

/// Says of which hospital's bill a call is.
pub(super) fn is_of(hospital: &HospitalCode, request: Option<&RequestId>) {
    let span = Span::current();
    if !span.is_none() {
        span.record("hospital.code", hospital.as_str());
        if let Some(request) = request {
            span.record("request.id", request.logged().to_string().as_str());
        }
        return;
    }
    // Outside of a call there is nobody to tell.
    SUBJECT
        .try_with(|subject| {
            let mut subject = subject.borrow_mut();
            subject.hospital = Some(hospital.clone());
            subject.request = request.cloned();
        })
        .ok();
}

/// Says something of a call, in its span; it gets one now where it has none.
fn told<T>(method: &'static str, tell: impl FnOnce() -> T) -> T {
    if !Span::current().is_none() {
        return tell();
    }
    let span = call!(method);
    SUBJECT
        .try_with(|subject| {
            let Subject { caller, hospital, request } = &*subject.borrow();
            if let Some(caller) = caller {
                span.record("caller.name", caller.as_str());
            }
            if let Some(hospital) = hospital {
                span.record("hospital.code", hospital.as_str());
            }
            if let Some(request) = request {
                span.record("request.id", request.logged().to_string().as_str());
            }
        })
        .ok();
    span.in_scope(tell)
}

/// Answers one call. Once begun it runs to its end, also when the client goes away: a commit is never cut in the middle, and
/// no connection goes back to the pool with a statement still running.
///
/// What a call needs is put into one place at once, and not moved from one future into the next.
pub(super) fn answer<Q, A, W>(
    method: &'static str,
    request: Request<Q>,
    work: impl FnOnce(Caller, Q) -> W + Send + 'static,
) -> impl Future<Output = Result<Response<A>, Status>> + Send
where
    Q: Send + 'static,
    A: Send + 'static,
    W: Future<Output = Result<A, Unanswered>> + Send,
{
    let (metadata, extensions, message) = request.into_parts();
    let known = Known::of(method, &metadata, extensions);
    let span = known.span.clone();
    let caller = known.caller.as_ref().ok().map(|(caller, _)| caller.name.clone());
    let subject = RefCell::new(Subject { caller, ..Subject::default() });
    let running = async move {
        let answered = match known.admit() {
            Ok((caller, _within)) => work(caller, message).await,
            Err(unanswered) => Err(unanswered),
        };
        answered.map_err(|unanswered| {
            told(method, || {
                Span::current().record("verdict", unanswered.kind().word());
                to_status(&unanswered, method)
            })
        })
    };
    // A panic is this call's alone, not the connection's.
    let running = SUBJECT.scope(subject, running.instrument(span.clone()));
    let running = AssertUnwindSafe(running).catch_unwind();
    let running = ToItsEnd(Some(Box::pin(running)));
    async move {
        let answered = running.await;
        let answered = answered.unwrap_or_else(|_| {
            Err(span.in_scope(|| told(method, || to_status(&Unanswered::Panicked, method))))
        });
        answered.map(Response::new)
    }
}

/// Where the answers of a stream go. The reader's pace holds up the work, never memory.
pub(super) type Answers<A> = mpsc::Sender<Result<A, Status>>;

/// Answers one call by a stream; `done` is its verdict where all went well. It goes on to its end, also when nobody reads any more.
pub(super) fn stream<Q, A, W>(
    (method, done): (&'static str, &'static str),
    request: Request<Q>,
    work: impl FnOnce(Caller, Q, Answers<A>) -> W + Send + 'static,
) -> Result<Response<ReceiverStream<Result<A, Status>>>, Status>
where
    Q: Send + 'static,
    A: Send + 'static,
    W: Future<Output = Result<(), Unanswered>> + Send,
{
    let (metadata, extensions, asked) = request.into_parts();
    let known = Known::of(method, &metadata, extensions).shown(method);
    let span = known.span.clone();
    let (caller, within) =
        known.admit().map_err(|unanswered| span.in_scope(|| to_status(&unanswered, method)))?;
    let (answers, sent) = mpsc::channel(limits::IMPORT_ANSWERS_WAITING);
    let running = async move {
        let _within = within;
        let verdict = match work(caller, asked, answers.clone()).await {
            Ok(()) => done,
            Err(unanswered) => {
                let status = to_status(&unanswered, method);
                // Nobody may be left to be told.
                answers.send(Err(status)).await.ok();
                unanswered.kind().word()
            }
        };
        Span::current().record("verdict", verdict);
    };
    tokio::spawn(running.instrument(span));
    Ok(Response::new(ReceiverStream::new(sent)))
}

/// Work that goes on by itself when nobody waits for it any more.
struct ToItsEnd<F: Future<Output: Send> + Send + 'static>(Option<Pin<Box<F>>>);

impl<F: Future<Output: Send> + Send + 'static> Future for ToItsEnd<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for ToItsEnd<F> {
    fn drop(&mut self) {
        if let Some(work) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(work);
        }
    }
}

/// The token that a person's call brings.
fn bearer(metadata: &MetadataMap) -> Option<&str> {
    let (scheme, token) = metadata.get("authorization")?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// What the client says that it wants to know things for. One that can not be recorded is refused, rather than left out.
fn purpose(metadata: &MetadataMap) -> Result<Option<String>, Invalid> {
    let Some(told) = metadata.get(PURPOSE) else { return Ok(None) };
    let word = told.to_str().ok().filter(|word| is_purpose(word));
    word.map(|word| Some(word.to_owned())).ok_or_else(|| Invalid::unknown(PURPOSE))
}

/// How long the client waits, by its `grpc-timeout`: at most eight digits and a unit.
fn timeout(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let plain = digits.len() <= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = if plain { digits.parse().ok()? } else { return None };
    Some(match unit {
        "H" => Duration::from_secs(count.checked_mul(3_600)?),
        "M" => Duration::from_secs(count.checked_mul(60)?),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// Reads the W3C trace context from a call's metadata.
struct Carrier<'a>(&'a MetadataMap);

impl Extractor for Carrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        let ascii = self.0.keys().filter_map(|key| match key {
            KeyRef::Ascii(key) => Some(key.as_str()),
            KeyRef::Binary(_) => None,
        });
        ascii.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::sync::oneshot;

    use super::*;
    use crate::app::Role;

    fn waiting(timeout: &'static str) -> Request<()> {
        let mut request = Request::new(());
        request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
        Arrival::new(&Arc::new(Callers::development("desk"))).call(request).unwrap()
    }

    fn admit(request: &Request<()>) -> Result<Caller, Unanswered> {
        let known = Known::of("Settle", request.metadata(), request.extensions().clone());
        known.admit().map(|(caller, _)| caller)
    }

    #[test]
    fn whoever_did_not_arrive_by_the_door_is_refused() {
        let stranger = admit(&Request::new(()));
        let nobody = NotLetIn::Unknown(Unknown::Nothing);
        assert!(matches!(stranger, Err(Unanswered::NotLetIn(why)) if why == nobody));
        let admitted = admit(&waiting("1S")).unwrap();
        assert!(admitted.deadline.is_some());
        assert_eq!((admitted.name.as_str(), admitted.role), ("desk", Role::Development));
    }

    /// Ends when it is told to, and tells that it did.
    fn told_to_end() -> (oneshot::Sender<()>, oneshot::Receiver<()>, impl Future<Output = ()> + Send)
    {
        let ((end, to_end), (ended, has_ended)) = (oneshot::channel(), oneshot::channel());
        let work = async move {
            to_end.await.unwrap();
            ended.send(()).unwrap();
        };
        (end, has_ended, work)
    }

    #[tokio::test]
    async fn work_whose_client_has_gone_runs_to_its_end() {
        let (end, has_ended, work) = told_to_end();
        let mut work = ToItsEnd(Some(Box::pin(work)));
        assert!(futures_util::poll!(&mut work).is_pending());
        drop(work);
        end.send(()).unwrap();
        has_ended.await.unwrap();
    }

    /// What was logged.
    #[derive(Clone, Default)]
    struct Logged(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Logged {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_call_without_a_span_gets_one_with_all_that_is_known_when_something_is_said_of_it() {
        let logged = Logged::default();
        let writer = logged.clone();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
        // With one subscriber only, what another test's thread meets first would be switched off for us too.
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        let guard = tracing::subscriber::set_default(lines.finish());
        let subject = Subject { caller: Some("desk".to_owned()), ..Subject::default() };
        let answering = async {
            is_of(&HospitalCode::new("H1").unwrap(), RequestId::new("R1").as_ref());
            told("Settle", || tracing::info!("Refused"));
        };
        SUBJECT.scope(RefCell::new(subject), answering).await;
        drop(guard);
        let text = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
        for part in [
            "call{",
            "rpc.method=\"Settle\"",
            "caller.name=\"desk\"",
            "hospital.code=\"H1\"",
            "request.id=\"R1\"",
            "Refused",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[tokio::test]
    async fn a_call_that_breaks_down_is_answered_and_leaves_its_connection() {
        let status = answer("Settle", waiting("1S"), async |_, ()| {
            panic!("of this call alone");
            #[expect(unreachable_code, reason = "says what would be answered")]
            Ok(())
        });
        assert_eq!(status.await.unwrap_err().code(), tonic::Code::Internal);
    }

    #[test]
    fn what_a_call_is_for_is_a_word_or_refused() {
        let told = |word: &'static str| {
            let mut metadata = MetadataMap::new();
            metadata.insert(PURPOSE, word.parse().unwrap());
            purpose(&metadata)
        };
        assert_eq!(told("complaint-review").unwrap().as_deref(), Some("complaint-review"));
        assert_eq!(purpose(&MetadataMap::new()).unwrap(), None);
        let refused = told("11010519491231002X").unwrap_err();
        assert_eq!(refused, Invalid::unknown(PURPOSE));
    }

    #[test]
    fn what_is_past_its_deadline_is_not_begun() {
        assert!(matches!(admit(&waiting("0n")), Err(Unanswered::DeadlinePassed)));
        assert!(admit(&waiting("99999999H")).is_ok());
    }

    #[test]
    fn timeouts_are_read_as_written() {
        let check = |text: &'static str, expected: Option<Duration>| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            assert_eq!(timeout(&metadata), expected, "{text}");
        };
        check("250m", Some(Duration::from_millis(250)));
        check("3u", Some(Duration::from_micros(3)));
        check("2M", Some(Duration::from_secs(120)));
        for bad in ["", "S", "123456789S", "-1S", "1s", "+1S", "1.5S"] {
            check(bad, None);
        }
    }
}
