//! Reads the registry into memory behind the calls that are answered meanwhile: four tables as of one moment, each as a stream, by two
//! connections side by side. Half of the persons each; once all are there, one reads coverage and the other one the rest.

use std::sync::Arc;
use std::time::Instant;

use deadpool_postgres::{ClientWrapper, Transaction};
use futures_util::TryStreamExt as _;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_postgres::IsolationLevel;
use tokio_postgres::binary_copy::{BinaryCopyOutRow, BinaryCopyOutStream};
use tokio_postgres::types::Type;

use super::near;
use super::registry::{
    CoverageSpan, Credentials, Heads, IdentitySpan, NO_DAY, Registry, Spans, scheme_number,
};
use crate::limits;
use crate::store::error::{Operation, StoreError};
use crate::store::pool::Pool;

const OPERATION: Operation = Operation::ReadRegistry;

/// Whole tables, and one side may wait for the other.
const UNHURRIED: &str = "SET LOCAL enable_seqscan = on; SET LOCAL statement_timeout = '10min'; \
    SET LOCAL idle_in_transaction_session_timeout = '10min'";

/// Those who have used nothing have the first ledger version, and no settlement that is newest. In halves, of which each looks at every
/// page: what takes time is to hand rows over, and a bucket says nothing of where a row is.
const PERSONS: [&str; 2] = [
    "COPY (SELECT person_id, birth_date - DATE '2000-01-01', standing_version, \
        ledger_version <> 1 OR newest_settlement_id IS NOT NULL FROM person_head WHERE bucket < 64) TO STDOUT (FORMAT binary)",
    "COPY (SELECT person_id, birth_date - DATE '2000-01-01', standing_version, \
        ledger_version <> 1 OR newest_settlement_id IS NOT NULL FROM person_head WHERE bucket >= 64) TO STDOUT (FORMAT binary)",
];
const COVERAGE: &str = "COPY (SELECT person_id, scheme, insured_region, valid_from - DATE '2000-01-01', \
    valid_to - DATE '2000-01-01', facts FROM coverage) TO STDOUT (FORMAT binary)";
const IDENTITIES: &str = "COPY (SELECT person_id, code, region, valid_from - DATE '2000-01-01', \
    valid_to - DATE '2000-01-01', source FROM identity) TO STDOUT (FORMAT binary)";
const CREDENTIALS: &str = "COPY (SELECT person_id, substr(credential_hash, 1, 16), kind FROM credential) \
    TO STDOUT (FORMAT binary)";

/// Reads it behind the caller, unless somebody does already.
pub(in crate::store) fn spawn(pool: &Pool) {
    if pool.persons().begin_load() {
        tokio::spawn(load(pool.clone()));
    }
}

async fn load(pool: Pool) {
    let began = Instant::now();
    let read = read(&pool).await;
    let failed = read.is_err();
    let registry = read.unwrap_or_else(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::warn!(%error, cause, "Could not read the registry into memory; persons are read one by one until it can");
        None
    });
    if let Some(registry) = &registry {
        let (persons, mib) = (registry.persons(), registry.bytes() >> 20);
        let seconds = began.elapsed().as_millis();
        tracing::info!(persons, mib, milliseconds = %seconds, "The registry is in memory");
    }
    let again = pool.persons().end_load(registry);
    if !failed && pool.persons().is_far() {
        // After it, which needs the disk more.
        near::spawn(&pool);
    }
    if failed {
        tokio::time::sleep(limits::REGISTRY_READ_PAUSE).await;
    }
    if (failed || again) && !pool.is_closed() {
        spawn(&pool);
    }
}

/// All of it at one moment; nothing where it is more than may be held.
async fn read(pool: &Pool) -> Result<Option<Registry>, StoreError> {
    // Both before anything is begun. Neither comes back to the pool: it may be given up in the middle of a table.
    let mut client = pool.take(&OPERATION).await?.out_of_pool();
    let other_client = pool.take(&OPERATION).await?.out_of_pool();
    let transaction = begin(&mut client).await?;
    transaction.batch_execute(UNHURRIED).await.map_err(failed)?;
    // What the planner believes is near enough to make room, and costs nothing to ask.
    let about =
        "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'person_head'::regclass";
    let about: i64 =
        transaction.query_one(about, &[]).await.and_then(|row| row.try_get(0)).map_err(failed)?;
    let about = usize::try_from(about).unwrap_or(0);
    if is_too_large(about) {
        return Ok(None);
    }
    let moment = transaction.query_one("SELECT pg_export_snapshot()", &[]).await;
    let moment: String = moment.and_then(|row| row.try_get(0)).map_err(failed)?;
    let (send_half, half) = oneshot::channel();
    let (send_heads, heads) = oneshot::channel();
    // Ended with this one, whatever ends it.
    let mut beside = JoinSet::new();
    beside.spawn(read_beside(other_client, Beside { moment, about, send_half, heads }));
    let [first, _] = PERSONS;
    let one_half = persons(&transaction, (first, about)).await?;
    // Until the other one began, the moment is only as long as this transaction.
    let Ok(other_half) = half.await else { return Err(never_came(beside).await) };
    let heads = apart(move || Heads::of([one_half, other_half])).await?;
    if is_too_large(heads.persons()) {
        return Ok(None);
    }
    let heads = Arc::new(heads);
    send_heads.send(Arc::clone(&heads)).ok();
    let coverage = coverage(&transaction, (&heads, about)).await?;
    transaction.commit().await.map_err(failed)?;
    drop(client);
    let coverage = apart(move || coverage.coverage()).await?;
    let (identities, credentials) = joined(&mut beside).await?;
    let heads = Arc::into_inner(heads).ok_or_else(lost)?;
    apart(move || Registry::new(heads, credentials, coverage, identities)).await.map(Some)
}

/// What the second connection is told, and tells.
struct Beside {
    /// The moment that the first one reads.
    moment: String,
    /// So many persons.
    about: usize,
    send_half: oneshot::Sender<Heads>,
    heads: oneshot::Receiver<Arc<Heads>>,
}

type ReadBeside = (Spans<IdentitySpan>, Credentials);

async fn read_beside(mut client: ClientWrapper, told: Beside) -> Result<ReadBeside, StoreError> {
    let Beside { moment, about, send_half, heads } = told;
    let transaction = begin(&mut client).await?;
    // Before anything else that it does. A moment's name is of digits and dashes.
    let same = format!("SET TRANSACTION SNAPSHOT '{moment}'; {UNHURRIED}");
    transaction.batch_execute(&same).await.map_err(failed)?;
    let [_, second] = PERSONS;
    send_half.send(persons(&transaction, (second, about / 2)).await?).map_err(|_| lost())?;
    let heads = heads.await.map_err(|_| lost())?;
    let identities = identities(&transaction, &heads).await?;
    let credentials = credentials(&transaction, (&heads, about)).await?;
    transaction.commit().await.map_err(failed)?;
    drop(client);
    drop(heads);
    tokio::try_join!(apart(move || identities.identities()), apart(move || credentials.sorted()))
}

async fn begin(client: &mut ClientWrapper) -> Result<Transaction<'_>, StoreError> {
    let building = client.build_transaction();
    let building = building.isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    building.start().await.map_err(failed)
}

async fn joined(
    beside: &mut JoinSet<Result<ReadBeside, StoreError>>,
) -> Result<ReadBeside, StoreError> {
    beside.join_next().await.ok_or_else(lost)?.map_err(|_| lost())?
}

/// Why the other half of the persons did not come.
async fn never_came(mut beside: JoinSet<Result<ReadBeside, StoreError>>) -> StoreError {
    joined(&mut beside).await.err().unwrap_or_else(lost)
}

/// One side ended, and the other one has nothing to go on with.
const fn lost() -> StoreError {
    StoreError::WriterLost { operation: OPERATION }
}

fn is_too_large(persons: usize) -> bool {
    let too_large = limits::REGISTRY_PERSONS_HELD_MAX < persons;
    if too_large {
        tracing::warn!(persons, "The registry is too large to be held in memory");
    }
    too_large
}

/// Sorts, or goes through everybody, where it keeps nobody waiting.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| lost())
}

async fn persons(
    transaction: &Transaction<'_>,
    (sql, about): (&str, usize),
) -> Result<Heads, StoreError> {
    let mut heads = Heads::with_capacity(about);
    let types = [Type::INT8, Type::INT4, Type::INT8, Type::BOOL];
    each(transaction, (sql, &types), |row| {
        heads.add(row.try_get(0)?, day(row, 1)?, row.try_get(2)?, row.try_get(3)?);
        Ok(())
    })
    .await?;
    Ok(heads)
}

async fn coverage(
    transaction: &Transaction<'_>,
    (heads, about): (&Heads, usize),
) -> Result<Spans<CoverageSpan>, StoreError> {
    let mut spans = Spans::with_capacity(about);
    let mut placing = Placing { heads, rows: Vec::new() };
    let types = [Type::INT8, Type::TEXT, Type::TEXT, Type::INT4, Type::INT4, Type::TEXT];
    each(transaction, (COVERAGE, &types), |row| {
        let scheme = scheme_number(row.try_get(1)?);
        let words = scheme.zip(spans.word(row.try_get(2)?)).zip(spans.word(row.try_get(5)?));
        let (from, to) = (row.try_get(3)?, day(row, 4)?);
        let span = words.map(|((scheme, region), facts)| {
            move |place| CoverageSpan { place, from, to, region, facts, scheme }
        });
        placing.add(row.try_get(0)?, span, |place, span| spans.add(place, span));
        Ok(())
    })
    .await?;
    placing.end(|place, span| spans.add(place, span));
    Ok(spans)
}

async fn identities(
    transaction: &Transaction<'_>,
    heads: &Heads,
) -> Result<Spans<IdentitySpan>, StoreError> {
    let mut spans = Spans::with_capacity(0);
    let mut placing = Placing { heads, rows: Vec::new() };
    let types = [Type::INT8, Type::TEXT, Type::TEXT, Type::INT4, Type::INT4, Type::TEXT];
    each(transaction, (IDENTITIES, &types), |row| {
        let words = spans.word(row.try_get(1)?).zip(spans.word(row.try_get(2)?));
        let words = words.zip(spans.word(row.try_get(5)?));
        let (from, to) = (row.try_get(3)?, day(row, 4)?);
        let span = words.map(|((code, region), source)| {
            move |place| IdentitySpan { place, from, to, code, region, source }
        });
        placing.add(row.try_get(0)?, span, |place, span| spans.add(place, span));
        Ok(())
    })
    .await?;
    placing.end(|place, span| spans.add(place, span));
    Ok(spans)
}

async fn credentials(
    transaction: &Transaction<'_>,
    (heads, about): (&Heads, usize),
) -> Result<Credentials, StoreError> {
    let mut credentials = Credentials::with_capacity(about);
    let mut placing = Placing { heads, rows: Vec::new() };
    let types = [Type::INT8, Type::BYTEA, Type::INT2];
    each(transaction, (CREDENTIALS, &types), |row| {
        let (hash, kind): (&[u8], i16) = (row.try_get(1)?, row.try_get(2)?);
        if let (Ok(hash), Ok(kind)) = (hash.try_into(), u8::try_from(kind)) {
            let add = |place, credential| credentials.add(credential, place);
            placing.add(row.try_get(0)?, (hash, kind), add);
        }
        Ok(())
    })
    .await?;
    placing.end(|place, credential| credentials.add(credential, place));
    Ok(credentials)
}

/// Rows whose persons are looked for together.
struct Placing<'a, R> {
    heads: &'a Heads,
    rows: Vec<(i64, R)>,
}

impl<R> Placing<'_, R> {
    /// So many wait for memory together.
    const TOGETHER: usize = 256;

    fn add(&mut self, person: i64, row: R, placed: impl FnMut(u32, R)) {
        self.rows.push((person, row));
        if Self::TOGETHER <= self.rows.len() {
            self.end(placed);
        }
    }

    /// Hands over those that still wait. Rows of nobody are passed over.
    fn end(&mut self, mut placed: impl FnMut(u32, R)) {
        let persons: Vec<i64> = self.rows.iter().map(|(person, _)| *person).collect();
        for (place, (_, row)) in self.heads.places(&persons).into_iter().zip(self.rows.drain(..)) {
            if let Some(place) = place {
                placed(place, row);
            }
        }
    }
}

/// Hands over row after row of a stream.
async fn each(
    transaction: &Transaction<'_>,
    (sql, types): (&str, &[Type]),
    mut take: impl FnMut(&BinaryCopyOutRow) -> Result<(), tokio_postgres::Error>,
) -> Result<(), StoreError> {
    let stream = transaction.copy_out(sql).await.map_err(failed)?;
    let rows = BinaryCopyOutStream::new(stream, types);
    tokio::pin!(rows);
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        take(&row).map_err(failed)?;
        // There is always one more row: calls want to be answered meanwhile.
        tokio::task::consume_budget().await;
    }
    Ok(())
}

fn day(row: &BinaryCopyOutRow, at: usize) -> Result<i32, tokio_postgres::Error> {
    row.try_get::<Option<i32>>(at).map(|day| day.unwrap_or(NO_DAY))
}

fn failed(source: tokio_postgres::Error) -> StoreError {
    StoreError::Statement { operation: OPERATION, source }
}
