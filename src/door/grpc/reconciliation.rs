//! Daily reconciliation: statement files come in as a stream, progress and the report go out beside them.

use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, Write as _};
use std::sync::Arc;

use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::super::wire::reconciliation::v1 as wire;
use super::super::wire::reconciliation::v1::reconciliation_service_server::ReconciliationService;
use super::super::words;
use super::call;
use super::scopes;
use super::status::Unanswered;
use super::unread::unread;
use crate::app::{App, Caller, FileFault, Note, Progress};
use crate::domain::money::{FEN_MAX, Fen};
use crate::door::field::{self, Place, at};
use crate::limits;

/// The service, in front of the shell.
#[derive(Debug)]
pub struct Reconciliation {
    /// What answers.
    pub app: Arc<App>,
}

type Answers = call::Answers<wire::ReconcileResponse>;

#[tonic::async_trait]
impl ReconciliationService for Reconciliation {
    type ReconcileStream = ReceiverStream<Result<wire::ReconcileResponse, Status>>;

    async fn get_totals(
        &self,
        request: Request<wire::GetTotalsRequest>,
    ) -> Result<Response<wire::GetTotalsResponse>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.reconciliation.v1.ReconciliationService/GetTotals";
        call::answer(method, request, async move |caller, message| {
            let wire::GetTotalsRequest { scope, theirs } = message;
            let scope = scopes::scope(scope)?;
            let desk = app.reconciling(&caller);
            let totals = desk.totals(&scope).await?;
            let told = match theirs {
                Some(theirs) => Some(desk.compare(&scope, &scopes::sum(&theirs)?).await?.0),
                None => None,
            };
            Ok(scopes::totals(&totals, told))
        })
        .await
    }

    async fn reconcile(
        &self,
        request: Request<Streaming<wire::ReconcileRequest>>,
    ) -> Result<Response<Self::ReconcileStream>, Status> {
        let method = "onestop.reconciliation.v1.ReconciliationService/Reconcile";
        let app = Arc::clone(&self.app);
        call::stream((method, "reconciled"), request, async move |caller, parts, answers| {
            reconcile(&app, &caller, parts, &answers).await
        })
    }

    async fn get_statement(
        &self,
        request: Request<wire::GetStatementRequest>,
    ) -> Result<Response<wire::Report>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.reconciliation.v1.ReconciliationService/GetStatement";
        call::answer(method, request, async move |caller, message| {
            let key = scopes::key(&message.statement_id)?;
            Ok(scopes::report(&app.reconciling(&caller).find(key).await?))
        })
        .await
    }

    async fn list_statements(
        &self,
        request: Request<wire::ListStatementsRequest>,
    ) -> Result<Response<wire::ListStatementsResponse>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.reconciliation.v1.ReconciliationService/ListStatements";
        call::answer(method, request, async move |caller, message| {
            let latest = scopes::latest(message)?;
            Ok(scopes::statements(&app.reconciling(&caller).statements(&latest).await?))
        })
        .await
    }

    async fn list_differences(
        &self,
        request: Request<wire::ListDifferencesRequest>,
    ) -> Result<Response<wire::ListDifferencesResponse>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.reconciliation.v1.ReconciliationService/ListDifferences";
        call::answer(method, request, async move |caller, message| {
            let key = scopes::key(&message.statement_id)?;
            let listed = app.reconciling(&caller).differences(key, message.after).await?;
            let differences = listed.iter().map(scopes::difference).collect();
            Ok(wire::ListDifferencesResponse { differences })
        })
        .await
    }

    type WriteResultStream = ReceiverStream<Result<wire::WriteResultResponse, Status>>;

    async fn write_result(
        &self,
        request: Request<wire::WriteResultRequest>,
    ) -> Result<Response<Self::WriteResultStream>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.reconciliation.v1.ReconciliationService/WriteResult";
        call::stream((method, "written"), request, async move |caller, message, answers| {
            let key = scopes::key(&message.statement_id)?;
            let wanted = scopes::result_of(&message)?;
            let sink = BufWriter::new(nameless_beside().await?);
            let tell = |progress: Progress| {
                let progress = Some(scopes::progress(progress));
                // Whoever reads slowly is told less often.
                answers
                    .try_send(Ok(wire::WriteResultResponse { chunk: Vec::new(), progress }))
                    .ok();
            };
            let sink = app.reconciling(&caller).results(key, wanted, sink, &tell).await?;
            let file = sink.into_inner().map_err(|error| unwritten(error.into_error()))?;
            sent(file, &answers).await
        })
    }

    async fn list_difference_events(
        &self,
        request: Request<wire::ListDifferenceEventsRequest>,
    ) -> Result<Response<wire::ListDifferenceEventsResponse>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.reconciliation.v1.ReconciliationService/ListDifferenceEvents";
        call::answer(method, request, async move |caller, message| {
            let key = scopes::key(&message.statement_id)?;
            let events = app.reconciling(&caller).history(key, message.number).await?;
            let events = events.iter().map(scopes::event).collect();
            Ok(wire::ListDifferenceEventsResponse { events })
        })
        .await
    }

    async fn list_carried(
        &self,
        request: Request<wire::ListCarriedRequest>,
    ) -> Result<Response<wire::ListCarriedResponse>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.reconciliation.v1.ReconciliationService/ListCarried";
        call::answer(method, request, async move |caller, message| {
            let wire::ListCarriedRequest { scope, after_statement_id, after_number } = message;
            let scope = scopes::scope(scope)?;
            let after = if after_statement_id.is_empty() {
                None
            } else {
                Some((scopes::key(&after_statement_id)?, after_number))
            };
            let carried = app.reconciling(&caller).carried(&scope, after).await?;
            let differences = carried.iter().map(scopes::carried).collect();
            Ok(wire::ListCarriedResponse { differences })
        })
        .await
    }

    async fn note_difference(
        &self,
        request: Request<wire::NoteDifferenceRequest>,
    ) -> Result<Response<wire::NoteDifferenceResponse>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.reconciliation.v1.ReconciliationService/NoteDifference";
        call::answer(method, request, async move |caller, message| {
            let note = note_of(&message)?;
            let key = scopes::key(&message.statement_id)?;
            let reason = field::plain_text(&message.reason, limits::REVERSAL_REASON_LENGTH_MAX)
                .map_err(at(Place::Field("reason")))?;
            app.reconciling(&caller).note(key, message.number, note, &reason).await?;
            Ok(wire::NoteDifferenceResponse {})
        })
        .await
    }

    async fn close_statement(
        &self,
        request: Request<wire::CloseStatementRequest>,
    ) -> Result<Response<wire::Report>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.reconciliation.v1.ReconciliationService/CloseStatement";
        call::answer(method, request, async move |caller, message| {
            let key = scopes::key(&message.statement_id)?;
            let although = field::optional(&message.although, |text| {
                field::plain_text(text, limits::REVERSAL_REASON_LENGTH_MAX)
            });
            let although = although.map_err(at(Place::Field("although")))?;
            let closed = app.reconciling(&caller).close(key, although.as_deref()).await?;
            Ok(scopes::report(&closed))
        })
        .await
    }
}

fn note_of(message: &wire::NoteDifferenceRequest) -> Result<Note, Unanswered> {
    let moved = Fen::new(message.moved_fen);
    if FEN_MAX < message.moved_fen.saturating_abs() {
        let out = field::InvalidReason::OutOfRange;
        return Err(at(Place::Field("moved_fen"))(out).into());
    }
    match message.note() {
        wire::DifferenceNote::Propose => Ok(Note::Propose(moved)),
        wire::DifferenceNote::Withdraw => Ok(Note::Withdraw),
        wire::DifferenceNote::Settle => Ok(Note::Settle(moved)),
        wire::DifferenceNote::Carry => Ok(Note::Carry),
        wire::DifferenceNote::Unspecified => {
            Err(at(Place::Field("note"))(field::InvalidReason::Missing).into())
        }
    }
}

async fn reconcile(
    app: &App,
    caller: &Caller,
    mut parts: Streaming<wire::ReconcileRequest>,
    answers: &Answers,
) -> Result<(), Unanswered> {
    let wire::ReconcileBegin { scope, told } = match next(&mut parts).await? {
        Some(wire::reconcile_request::Part::Begin(begin)) => begin,
        Some(wire::reconcile_request::Part::Chunk(_)) | None => {
            return Err(Unanswered::Import(words::BEGIN_MISSING, "begin".to_owned()));
        }
    };
    let scope = scopes::scope(scope)?;
    let told = told.as_ref().map(scopes::sum).transpose()?;
    let file = spooled(&mut parts).await?;
    let tell = |progress: Progress| {
        // Whoever reads slowly is told less often.
        let part = wire::reconcile_response::Part::Progress(scopes::progress(progress));
        answers.try_send(Ok(wire::ReconcileResponse { part: Some(part) })).ok();
    };
    let reconciled = app.reconciling(caller).reconcile(&scope, told, file, &tell).await?;
    let report = wire::reconcile_response::Part::Report(scopes::report(&reconciled));
    let last = wire::ReconcileResponse { part: Some(report) };
    let gone = |_| Unanswered::Import(words::STREAM_BROKEN, "part".to_owned());
    answers.send(Ok(last)).await.map_err(gone)
}

/// Takes the file into a place on disk that has no name any more: it is gone with this call, however that ends.
async fn spooled(parts: &mut Streaming<wire::ReconcileRequest>) -> Result<File, Unanswered> {
    let unread = |error| Unanswered::from(crate::app::AppError::from(FileFault::Read(error)));
    let mut file = nameless_beside().await?;
    let mut left = limits::STATEMENT_FILE_BYTES_MAX;
    loop {
        let chunk = match next(parts).await? {
            None => return Ok(file),
            Some(wire::reconcile_request::Part::Chunk(chunk)) => chunk,
            Some(wire::reconcile_request::Part::Begin(_)) => {
                return Err(Unanswered::Import(words::BEGIN_TWICE, "begin".to_owned()));
            }
        };
        left = left
            .checked_sub(chunk.len())
            .ok_or_else(|| Unanswered::from(crate::app::AppError::from(FileFault::TooLarge)))?;
        // A chunk goes into the page cache: as short as a copy in memory.
        file.write_all(&chunk).map_err(unread)?;
    }
}

/// Sends a file that was written, from its beginning.
async fn sent(
    mut file: File,
    answers: &call::Answers<wire::WriteResultResponse>,
) -> Result<(), Unanswered> {
    file.rewind().map_err(unwritten)?;
    loop {
        let mut chunk = Vec::with_capacity(limits::RESULT_CHUNK_BYTES);
        let most = u64::try_from(limits::RESULT_CHUNK_BYTES).unwrap_or(u64::MAX);
        // Out of the page cache: as short as a copy in memory.
        if (&file).take(most).read_to_end(&mut chunk).map_err(unwritten)? == 0 {
            return Ok(());
        }
        let gone = |_| Unanswered::Import(words::STREAM_BROKEN, "chunk".to_owned());
        answers
            .send(Ok(wire::WriteResultResponse { chunk, progress: None }))
            .await
            .map_err(gone)?;
    }
}

fn unwritten(error: std::io::Error) -> Unanswered {
    crate::app::AppError::from(FileFault::Write(error)).into()
}

async fn nameless_beside() -> Result<File, Unanswered> {
    let made = tokio::task::spawn_blocking(nameless).await.map_err(|_| Unanswered::Panicked)?;
    made.map_err(unwritten)
}

fn nameless() -> std::io::Result<File> {
    let folder = std::env::temp_dir();
    let mut number = 0_u32;
    loop {
        let name = folder.join(format!("onestop-{}-{number}.statement", std::process::id()));
        let opened = File::options().read(true).write(true).create_new(true).open(&name);
        match opened {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                number = number.checked_add(1).ok_or(error)?;
            }
            Err(error) => return Err(error),
            Ok(file) => {
                std::fs::remove_file(&name)?;
                return Ok(file);
            }
        }
    }
}

async fn next(
    parts: &mut Streaming<wire::ReconcileRequest>,
) -> Result<Option<wire::reconcile_request::Part>, Unanswered> {
    let broken = |status: Status| {
        let unread = unread(&status, limits::STATEMENT_MESSAGE_BYTES_MAX);
        unread.unwrap_or_else(|| Unanswered::Import(words::STREAM_BROKEN, "chunk".to_owned()))
    };
    match parts.message().await.map_err(broken)? {
        None => Ok(None),
        Some(wire::ReconcileRequest { part: Some(part) }) => Ok(Some(part)),
        Some(wire::ReconcileRequest { part: None }) => {
            Err(Unanswered::Import(words::ROW_OF_ANOTHER_KIND, "part".to_owned()))
        }
    }
}
