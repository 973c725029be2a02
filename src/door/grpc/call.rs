//! What every call has in common: its arrival, its span, its deadline, and that accepted work is finished.

use std::future::Future;
use std::time::{Duration, Instant};

use opentelemetry::propagation::Extractor;
use tonic::metadata::{KeyRef, MetadataMap};
use tonic::service::Interceptor;
use tonic::{Extensions, Request, Response, Status};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::status::{Unanswered, to_status};
use crate::app::Caller;

/// Meets every call before its message is read: says who is calling, and until when they wait.
#[derive(Clone, Debug)]
pub struct Arrival {
    caller: Caller,
}

/// Until when the client waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Deadline(Instant);

/// What is known of a call besides its message.
#[derive(Debug)]
pub(super) struct Known {
    caller: Option<Caller>,
    deadline: Option<Instant>,
    pub(super) span: Span,
}

impl Arrival {
    /// Everybody who comes this way is this caller.
    pub fn new(caller: Caller) -> Self {
        Self { caller }
    }
}

impl Interceptor for Arrival {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let wait = timeout(request.metadata());
        let deadline = wait.and_then(|wait| Instant::now().checked_add(wait));
        request.extensions_mut().insert(self.caller.clone());
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(Deadline(deadline));
        }
        Ok(request)
    }
}

impl Known {
    /// Opens the root span of a call, under the caller's own trace where one was sent.
    pub(super) fn of(
        method: &'static str,
        metadata: &MetadataMap,
        extensions: &Extensions,
    ) -> Self {
        let span = tracing::info_span!(
            "call",
            otel.name = method,
            otel.kind = "server",
            rpc.method = method,
            caller.name = Empty,
            hospital.code = Empty,
            request.id = Empty,
            settlement.id = Empty,
            verdict = Empty,
        );
        let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.extract(&Carrier(metadata))
        });
        // Without an exporter there is no trace to join, which is no fault.
        span.set_parent(parent).ok();
        let caller = extensions.get::<Caller>().cloned();
        if let Some(caller) = &caller {
            span.record("caller.name", caller.name.as_str());
        }
        let deadline = extensions.get::<Deadline>().map(|deadline| deadline.0);
        Self { caller, deadline, span }
    }

    /// Who is calling, while they still wait.
    pub(super) fn admit(&self) -> Result<Caller, Unanswered> {
        let caller = self.caller.clone().ok_or(Unanswered::CallerUnknown)?;
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(Unanswered::DeadlinePassed);
        }
        Ok(Caller { deadline: self.deadline, ..caller })
    }
}

/// Answers one call. Once begun it runs to its end, also when the client goes away: a commit is never cut in the middle, and
/// no connection goes back to the pool with a statement still running.
pub(super) async fn answer<Q, A, W>(
    method: &'static str,
    request: Request<Q>,
    work: impl FnOnce(Caller, Q) -> W + Send + 'static,
) -> Result<Response<A>, Status>
where
    Q: Send + 'static,
    A: Send + 'static,
    W: Future<Output = Result<A, Unanswered>> + Send,
{
    let (metadata, extensions, message) = request.into_parts();
    let known = Known::of(method, &metadata, &extensions);
    let span = known.span.clone();
    let running = async move {
        let answered = match known.admit() {
            Ok(caller) => work(caller, message).await,
            Err(unanswered) => Err(unanswered),
        };
        answered.map_err(|unanswered| {
            Span::current().record("verdict", unanswered.kind().word());
            to_status(&unanswered, method)
        })
    };
    let answered = tokio::spawn(running.instrument(span.clone())).await;
    let answered = answered
        .unwrap_or_else(|_| Err(span.in_scope(|| to_status(&Unanswered::Panicked, method))));
    answered.map(Response::new)
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
    use super::*;
    use crate::door::grpc::development_caller;

    fn waiting(timeout: &'static str) -> Request<()> {
        let mut request = Request::new(());
        request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
        Arrival::new(development_caller("desk")).call(request).unwrap()
    }

    fn admit(request: &Request<()>) -> Result<Caller, Unanswered> {
        Known::of("Settle", request.metadata(), request.extensions()).admit()
    }

    #[test]
    fn whoever_did_not_arrive_by_the_door_is_refused() {
        assert!(matches!(admit(&Request::new(())), Err(Unanswered::CallerUnknown)));
        let admitted = admit(&waiting("1S")).unwrap();
        assert!(admitted.deadline.is_some());
        assert_eq!(Caller { deadline: None, ..admitted }, development_caller("desk"));
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
