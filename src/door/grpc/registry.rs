//! Who is who and what costs what: lists come in as a stream, rejects and progress go out beside them.

use std::sync::Arc;
use std::time::Instant;

use opentelemetry::KeyValue;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::super::wire::registry::v1 as wire;
use super::super::wire::registry::v1::registry_service_server::RegistryService;
use super::super::words;
use super::call;
use super::rows;
use super::status::Unanswered;
use super::unread::unread;
use crate::app::registry::{Begun, Closed, Refused, Rows, Taken};
use crate::app::{App, Caller, Import};
use crate::limits;

/// The service, in front of the shell.
#[derive(Debug)]
pub struct Registry {
    /// What answers.
    pub app: Arc<App>,
}

type Answers = call::Answers<wire::ImportResponse>;

#[tonic::async_trait]
impl RegistryService for Registry {
    type ImportStream = ReceiverStream<Result<wire::ImportResponse, Status>>;

    async fn import(
        &self,
        request: Request<Streaming<wire::ImportRequest>>,
    ) -> Result<Response<Self::ImportStream>, Status> {
        let method = "onestop.registry.v1.RegistryService/Import";
        let app = Arc::clone(&self.app);
        call::stream((method, "imported"), request, async move |caller, rows, answers| {
            import(&app, &caller, rows, &answers).await
        })
    }
}

/// How far an import is, in the words of its progress.
struct Way {
    read: u64,
    expected: u64,
    durable: u64,
    told: Instant,
}

async fn import(
    app: &App,
    caller: &Caller,
    mut rows: Streaming<wire::ImportRequest>,
    answers: &Answers,
) -> Result<(), Unanswered> {
    let begin = match next(&mut rows).await? {
        Some(wire::import_request::Part::Begin(begin)) => begin,
        Some(wire::import_request::Part::Row(_)) | None => {
            return Err(Unanswered::Import(words::BEGIN_MISSING, "begin".to_owned()));
        }
    };
    let (list, expected) = rows::begin(begin)?;
    let (import, begun) = app.import(caller, list).await?;
    let mut way = Way { read: 0, expected, durable: 0, told: Instant::now() };
    match begun {
        Begun::Refused(refused) => Err(unanswered(refused)),
        Begun::Finished(summary) => {
            // Read on to the end: a client that is still sending would take a reset for a failure.
            while next(&mut rows).await?.is_some() {
                way.read = way.read.saturating_add(1);
            }
            tell(answers, rows::summary(&summary, way.read, true)).await
        }
        Begun::From(resumed) => {
            way.durable = resumed;
            take_all(app, &import, &mut rows, (&mut way, answers)).await?;
            if way.expected != 0 && way.expected != way.read {
                // A list that lost rows on its way would end whoever was on them.
                let field = rows::refused_field("row_count");
                return Err(Unanswered::Import(words::LIST_REFUSED, field));
            }
            let summary = match import.finish().await? {
                Closed::Finished(summary) => summary,
                Closed::Refused(refused) => return Err(unanswered(refused)),
            };
            tell(answers, rows::progress(way.read, way.expected, way.durable)).await?;
            tell(answers, rows::summary(&summary, resumed, false)).await
        }
    }
}

fn unanswered(refused: Refused) -> Unanswered {
    let (code, field) = rows::refused(refused);
    Unanswered::Import(code, rows::refused_field(field))
}

/// Takes rows in batches until the client has no more.
async fn take_all(
    app: &App,
    import: &Import<'_>,
    rows: &mut Streaming<wire::ImportRequest>,
    (way, answers): (&mut Way, &Answers),
) -> Result<(), Unanswered> {
    let resumed = way.durable;
    let mut batch = rows::none_of(import.list.kind);
    loop {
        let row = match next(rows).await? {
            None => break,
            Some(wire::import_request::Part::Begin(_)) => {
                return Err(Unanswered::Import(words::BEGIN_TWICE, "begin".to_owned()));
            }
            Some(wire::import_request::Part::Row(row)) => row,
        };
        let line = row.line;
        let pushed = if way.read < resumed { Some(()) } else { rows::push(&mut batch, row) };
        way.read = way.read.saturating_add(1);
        if pushed.is_none() {
            let field = format!("row of line {line}");
            return Err(Unanswered::Import(words::ROW_OF_ANOTHER_KIND, field));
        }
        if limits::IMPORT_BATCH_ROWS <= batch.len() {
            take(app, import, &batch, (way, answers)).await?;
            batch = rows::none_of(import.list.kind);
        }
        if limits::IMPORT_PROGRESS_INTERVAL <= way.told.elapsed() {
            way.told = Instant::now();
            tell(answers, rows::progress(way.read, way.expected, way.durable)).await?;
        }
    }
    if batch.is_empty() { Ok(()) } else { take(app, import, &batch, (way, answers)).await }
}

/// Takes one batch; what was not taken is told at once.
async fn take(
    app: &App,
    import: &Import<'_>,
    batch: &Rows,
    (way, answers): (&mut Way, &Answers),
) -> Result<(), Unanswered> {
    let durable = match import.take(way.durable, batch).await? {
        Taken::Durable(durable) => durable,
        Taken::Elsewhere(_) => {
            let field = rows::refused_field("import_id");
            return Err(Unanswered::Import(words::IMPORT_ELSEWHERE, field));
        }
    };
    way.durable = durable.rows_durable;
    let rejected = u64::try_from(durable.rejects.len()).unwrap_or(u64::MAX);
    let kind = KeyValue::new("kind", batch.kind().word());
    for (outcome, count) in [
        ("added", durable.added),
        ("changed", durable.changed),
        ("unchanged", durable.unchanged),
        ("rejected", rejected),
    ] {
        let labels = [kind.clone(), KeyValue::new("outcome", outcome)];
        app.metrics.import_rows.add(count, &labels);
    }
    for reject in &durable.rejects {
        tell(answers, rows::reject(reject)).await?;
    }
    Ok(())
}

async fn next(
    rows: &mut Streaming<wire::ImportRequest>,
) -> Result<Option<wire::import_request::Part>, Unanswered> {
    // A row that is too large is as large when it is sent again.
    let broken = |status: Status| match unread(&status, limits::IMPORT_MESSAGE_BYTES_MAX) {
        Some(Unanswered::TooLarge(_)) => Unanswered::Import(words::ROW_TOO_LARGE, "row".to_owned()),
        Some(unanswered) => unanswered,
        None => Unanswered::Import(words::STREAM_BROKEN, "row".to_owned()),
    };
    match rows.message().await.map_err(broken)? {
        None => Ok(None),
        Some(wire::ImportRequest { part: Some(part) }) => Ok(Some(part)),
        Some(wire::ImportRequest { part: None }) => {
            Err(Unanswered::Import(words::ROW_OF_ANOTHER_KIND, "part".to_owned()))
        }
    }
}

async fn tell(answers: &Answers, answer: wire::ImportResponse) -> Result<(), Unanswered> {
    let gone = |_| Unanswered::Import(words::STREAM_BROKEN, "part".to_owned());
    answers.send(Ok(answer)).await.map_err(gone)
}
