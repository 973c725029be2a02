//! What every call has in common: its arrival over HTTP, its limits, its span, and that whatever comes is answered by an envelope.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::StreamExt as _;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::envelope::{self, Answer, Answered, Envelope};
use super::fault::Fault;
use super::json::{self, Json, Object};
use super::signature::{self, Heard, Reply};
use super::transactions::{self, Call, Done};
use super::{DOOR, Settings, field, words};
use crate::app::{self, Act, App, Caller, Now, Of};
use crate::domain::ids::RegionCode;
use crate::door::budgets::Within;
use crate::limits;
use crate::server::peer::Peer;
use crate::telemetry::sampling;

/// Stands for a transaction that could not be read.
const UNREAD: &str = "?";

/// What answers all calls.
#[derive(Debug)]
pub(super) struct Door {
    app: Arc<App>,
    settings: Settings,
    room: Arc<Semaphore>,
    sequence: AtomicU64,
    heard: Heard,
}

/// Who sent a message that can be done, and what counts it for as long as it is.
#[derive(Debug)]
struct Admitted {
    caller: Caller,
    _within: Within,
    _permit: OwnedSemaphorePermit,
}

/// What is known of a message before it can be read as a whole.
#[derive(Debug, Default)]
struct Seen {
    region: Option<RegionCode>,
    transaction: Option<String>,
    /// How its answer is signed, where it is.
    reply: Option<Reply>,
}

impl Door {
    pub(super) fn new(app: Arc<App>, settings: Settings) -> Self {
        // Begins where the clock is, so that two gateways, or one that was started again, count from different places.
        let sequence = AtomicU64::new(crate::app::now().at.as_microsecond().cast_unsigned());
        let room = Arc::new(Semaphore::new(limits::NATIONAL_CALLS_MAX));
        Self { app, settings, room, sequence, heard: Heard::default() }
    }

    /// Reads a request as far as a message that can be done, with its place among those that are.
    async fn read(
        &self,
        request: Request,
        (seen, received): (&mut Seen, &Now),
    ) -> Result<(Envelope, Admitted), Fault> {
        if !head_fits(&request) {
            return Err(Fault::Plain(words::HEAD_TOO_LARGE));
        }
        if request.method() != Method::POST {
            return Err(Fault::Plain(words::METHOD_NOT_TAKEN));
        }
        let (caller, within) = self.arrived(&request)?;
        let permit = Arc::clone(&self.room).try_acquire_owned();
        let permit = permit.map_err(|_| Fault::Plain(words::BUSY))?;
        let body = body(request, limits::NATIONAL_BODY_WAIT_MAX).await?;
        let Some(Json::Object(mut message)) = json::read(&body) else {
            return Err(Fault::Plain(words::NOT_JSON));
        };
        seen.region = envelope::region_of(&message);
        seen.transaction = envelope::transaction_of(&message);
        let envelope = envelope::read(&mut message)?;
        // Whatever comes by this door is a hospital's, and about its own stays: the shell asks again, act by act, but some
        // transactions ask it for nothing.
        caller.allow(Act::Settle, Of::Hospital(&envelope.hospital))?;
        let envelope = self.opened(envelope, (&message, &body), (seen, received))?;
        Ok((envelope, Admitted { caller, _within: within, _permit: permit }))
    }

    /// A message that is its hospital's own word, as far as it must be signed, and decrypted.
    fn opened(
        &self,
        envelope: Envelope,
        (rest, body): (&Object, &[u8]),
        (seen, received): (&mut Seen, &Now),
    ) -> Result<Envelope, Fault> {
        let callers = &self.settings.callers;
        let Some(signed) = callers.signed(&envelope.hospital) else {
            let (field, reason) = ("enc_type".to_owned(), field::InvalidReason::ValueUnknown);
            let unread = || Fault::Envelope(field::Invalid { field, reason });
            return if envelope.sealed.is_none() { Ok(envelope) } else { Err(unread()) };
        };
        let reply = seen.reply.insert(Reply::plain(signed));
        let envelope = signature::open((callers, reply), envelope, (rest, body), received)?;
        self.heard.is_first(&envelope)?;
        Ok(envelope)
    }

    /// Who is calling, within their budget.
    fn arrived(&self, request: &Request) -> Result<(Caller, Within), Fault> {
        let peer = request.extensions().get::<ConnectInfo<Peer>>();
        let certificate = peer.and_then(|ConnectInfo(peer)| peer.certificate.as_deref());
        let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = token.and_then(|value| value.strip_prefix("Bearer "));
        let callers = &self.settings.callers;
        let caller = callers
            .find(DOOR, certificate, token)
            .map_err(|unknown| Fault::Plain(unknown.code()))?;
        let within = callers.spend(&caller).map_err(|_| Fault::Plain(words::BUDGET_EXCEEDED))?;
        Ok((caller, within))
    }

    /// Does what a message asks. Whatever is said of it in the log stands in the call's span.
    async fn run(
        self: &Arc<Self>,
        (envelope, admitted): (Envelope, Admitted),
        reply: Option<Reply>,
    ) -> Result<Done, Fault> {
        let door = Arc::clone(self);
        let deadline = Instant::now().checked_add(limits::NATIONAL_BEGIN_MAX);
        let Admitted { caller, _within, _permit } = admitted;
        let caller = Caller { deadline, ..caller };
        let span = span_of(&caller, &envelope);
        let transaction = known(&envelope.transaction).to_owned();
        let work = async move {
            // Kept until it is answered.
            let _counted = (_within, _permit);
            let call = Call { app: &door.app, caller: &caller, envelope: &envelope };
            let answered = transactions::answer(call, &door.settings).await;
            let outcome = match &answered {
                Ok(done) => done.outcome,
                Err(fault) => fault.outcome(),
            };
            Span::current().record("verdict", outcome);
            match &answered {
                Ok(_) => {
                    // What is refused leaves its id free.
                    if let Some(reply) = &reply {
                        door.heard.remember(&envelope, reply, &door.app.now());
                    }
                }
                Err(fault) => fault.log(known(&envelope.transaction)),
            }
            answered
        };
        let ended = to_its_end(work.instrument(span.clone())).await;
        ended.unwrap_or_else(|fault| {
            span.in_scope(|| fault.log(&transaction));
            Err(fault)
        })
    }

    fn respond(&self, received: &Now, seen: &Seen, answered: Result<Done, Fault>) -> Response {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let reference = envelope::reference(seen.region, received, sequence);
        let start = seen.reply.as_ref().map(|reply| (reply, self.app.fresh_block()));
        let (reply, start) = match start {
            None => (None, [0; 16]),
            Some((reply, Ok(start))) => (Some(reply), start),
            // Nothing leaves unencrypted that came encrypted: they will ask what became of it.
            Some((_, Err(_))) => {
                return self.respond(received, &Seen::default(), Err(Fault::Panicked));
            }
        };
        let (status, answered) = match answered {
            Ok(Done { output, warning, outcome: _ }) => {
                (StatusCode::OK, Answered::Done { output, warning })
            }
            Err(fault) => {
                let told = fault.told();
                (told.status, Answered::Refused(told))
            }
        };
        let mut answer = Answer::new(reference, (received, &app::now()), answered);
        if let Some(reply) = reply {
            reply.finish(&mut answer, start);
        }
        let mut response = Response::new(Body::from(answer.body()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(CONTENT_TYPE, json);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // In whole seconds; what is shorter counts as one.
            let seconds = limits::RETRY_WHEN_BUSY.as_secs().max(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Answers whatever comes.
pub(super) async fn arrive(State(door): State<Arc<Door>>, request: Request) -> Response {
    let received = app::now();
    let mut seen = Seen::default();
    let answered = match door.read(request, (&mut seen, &received)).await {
        Ok(message) => door.run(message, seen.reply.clone()).await,
        Err(fault) => {
            fault.log(seen.transaction.as_deref().unwrap_or(UNREAD));
            Err(fault)
        }
    };
    door.respond(&received, &seen, answered)
}

/// Runs work to its end, also when the hospital goes away or is told that the end is not known yet: a commit is never cut in the
/// middle. A panic is this call's alone. The error is that it gave no answer, and why.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::time::timeout(limits::NATIONAL_ANSWER_MAX, tokio::spawn(work)).await {
        Ok(Ok(answered)) => Ok(answered),
        Ok(Err(_)) => Err(Fault::Panicked),
        Err(_) => Err(Fault::Late),
    }
}

/// Are address and headers as short as anybody's who means well?
fn head_fits(request: &Request) -> bool {
    let path = request.uri().path_and_query();
    let headers = request.headers();
    let bytes = headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len()));
    let bytes = bytes.fold(0, usize::saturating_add);
    let fits = |most: u32| usize::try_from(most).is_ok_and(|most| bytes <= most);
    path.is_none_or(|path| path.as_str().len() <= limits::NATIONAL_URI_BYTES_MAX)
        && headers.len() <= limits::NATIONAL_HEADERS_MAX
        && fits(limits::HEADER_BYTES_MAX)
}

/// The whole body, while it is not too large and comes in time.
async fn body(request: Request, wait_max: Duration) -> Result<Bytes, Fault> {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let most = limits::NATIONAL_BODY_BYTES_MAX;
    let within =
        |most| length.is_none_or(|length| usize::try_from(length).is_ok_and(|said| said <= most));
    // More than would be skipped: nobody waits for it.
    if !within(most.saturating_add(limits::NATIONAL_SKIPPED_BYTES_MAX)) {
        return Err(Fault::Plain(words::MESSAGE_TOO_LARGE));
    }
    let fits = within(most);
    let mut refused = None;
    // Of what is too large by its own word nothing is kept but its beginning, to see what it is.
    let read = collected(request.into_body(), if fits { most } else { 0 }, &mut refused);
    let read = tokio::time::timeout(wait_max, read).await;
    match (read, refused) {
        (_, Some(word)) => Err(Fault::Plain(word)),
        (Ok(body), None) => Ok(body),
        (Err(_), None) if !fits => Err(Fault::Plain(words::MESSAGE_TOO_LARGE)),
        (Err(_), None) => Err(Fault::Plain(words::MESSAGE_LATE)),
    }
}

/// A body of at most so many bytes. What is larger is read on for a while and dropped: who is still sending when the connection closes
/// would never read why.
async fn collected(body: Body, most: usize, refused: &mut Option<&'static str>) -> Bytes {
    let mut frames = body.into_data_stream();
    let (mut whole, mut skipped) = (Vec::new(), 0_usize);
    while let Some(frame) = frames.next().await {
        let Ok(frame) = frame else {
            // It broke off half way, and nobody is there to read why.
            refused.get_or_insert(words::MESSAGE_TOO_LARGE);
            break;
        };
        if refused.is_some() {
            skipped = skipped.saturating_add(frame.len());
            if limits::NATIONAL_SKIPPED_BYTES_MAX < skipped {
                break;
            }
            continue;
        }
        whole.extend_from_slice(&frame);
        if most < whole.len() {
            *refused = Some(too_large(&whole));
            whole = Vec::new();
        }
    }
    whole.into()
}

/// The word of a message that is too large: who sends a file has another way, and is told of it. By what stands in front, since the
/// whole is not read; who puts `infno` behind the file is told of the message alone.
fn too_large(begin: &[u8]) -> &'static str {
    let begin = begin.get(..limits::NATIONAL_BEGIN_BYTES_SEEN).unwrap_or(begin);
    let begin = String::from_utf8_lossy(begin);
    let is_upload = begin.split_once("\"infno\"").is_some_and(|(_, rest)| {
        let value = rest.trim_start().strip_prefix(':').map(str::trim_start);
        value.is_some_and(|value| value.starts_with("\"9101\""))
    });
    if is_upload { words::FILE_TOO_LARGE_FOR_MESSAGE } else { words::MESSAGE_TOO_LARGE }
}

/// The root span of a call. Logs show it in any case; the exporter sees those that are traced.
fn span_of(caller: &Caller, envelope: &Envelope) -> Span {
    macro_rules! call {
        ($($target:tt)*) => {
            tracing::info_span!(
                $($target)*
                "call",
                otel.name = "national",
                otel.kind = "server",
                transaction = known(&envelope.transaction),
                caller.name = caller.name.as_str(),
                hospital.code = %envelope.hospital.logged(),
                request.id = %envelope.request.logged(),
                settlement.id = Empty,
                verdict = Empty,
            )
        };
    }
    if sampling::is_exporting() && sampling::is_traced(None) {
        call!(target: sampling::TRACED,)
    } else {
        call!()
    }
}

/// The number of a transaction; whatever else somebody wrote there is not logged.
fn known(transaction: &str) -> &str {
    let plain = transaction.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { transaction } else { UNREAD }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let dribbles = Body::from_stream(futures_util::stream::pending::<
            Result<Bytes, std::convert::Infallible>,
        >());
        let read = body(Request::new(dribbles), Duration::from_millis(1)).await;
        assert!(matches!(read, Err(Fault::Plain(words::MESSAGE_LATE))));
    }

    #[tokio::test]
    async fn a_call_that_breaks_down_is_answered() {
        let broken = to_its_end(async { panic!("of this call alone") });
        assert!(matches!(broken.await, Err::<(), _>(Fault::Panicked)));
    }

    #[tokio::test]
    async fn work_whose_hospital_has_gone_runs_to_its_end() {
        let ((end, to_end), (ended, has_ended)) = (oneshot::channel(), oneshot::channel());
        let work = async move {
            to_end.await.unwrap();
            ended.send(()).unwrap();
        };
        let mut running = Box::pin(to_its_end(work));
        assert!(futures_util::poll!(&mut running).is_pending());
        drop(running);
        end.send(()).unwrap();
        has_ended.await.unwrap();
    }
}
