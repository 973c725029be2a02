//! Reads the registry into memory behind the calls that are answered meanwhile: four tables as of one moment, each as a stream.

use std::time::Instant;

use futures_util::TryStreamExt as _;
use tokio_postgres::binary_copy::{BinaryCopyOutRow, BinaryCopyOutStream};
use tokio_postgres::types::Type;
use tokio_postgres::{IsolationLevel, Transaction};

use super::registry::{CoverageSpan, IdentitySpan, NO_DAY, Registry, scheme_number};
use crate::limits;
use crate::store::error::{Operation, StoreError};
use crate::store::pool::{Pool, READ_EVERYTHING};

const OPERATION: Operation = Operation::ReadRegistry;

/// Those who have used nothing have the first ledger version, and no settlement that is newest.
const PERSONS: &str = "COPY (SELECT person_id, birth_date - DATE '2000-01-01', standing_version, \
    ledger_version <> 1 OR newest_settlement_id IS NOT NULL FROM person_head) TO STDOUT (FORMAT binary)";
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
    if failed {
        tokio::time::sleep(limits::REGISTRY_READ_PAUSE).await;
    }
    if (failed || again) && !pool.is_closed() {
        spawn(&pool);
    }
}

/// All of it at one moment; nothing where it is more than may be held.
async fn read(pool: &Pool) -> Result<Option<Registry>, StoreError> {
    let mut connection = pool.take(&OPERATION).await?;
    let transaction = connection
        .client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .map_err(failed)?;
    transaction.batch_execute(READ_EVERYTHING).await.map_err(failed)?;
    // What the planner believes is near enough to make room, and costs nothing to ask.
    let about =
        "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'person_head'::regclass";
    let about: i64 =
        transaction.query_one(about, &[]).await.and_then(|row| row.try_get(0)).map_err(failed)?;
    let about = usize::try_from(about).unwrap_or(0);
    if limits::REGISTRY_PERSONS_HELD_MAX < about {
        tracing::warn!(persons = about, "The registry is too large to be held in memory");
        return Ok(None);
    }
    let mut registry = Registry::with_capacity(about);
    persons(&transaction, &mut registry).await?;
    if limits::REGISTRY_PERSONS_HELD_MAX < registry.persons() {
        tracing::warn!(
            persons = registry.persons(),
            "The registry is too large to be held in memory"
        );
        return Ok(None);
    }
    let mut registry = apart(registry, Registry::persons_are_there).await?;
    coverage(&transaction, &mut registry).await?;
    identities(&transaction, &mut registry).await?;
    credentials(&transaction, &mut registry).await?;
    apart(registry, Registry::is_there).await.map(Some)
}

/// Sorts where it keeps nobody waiting.
async fn apart(mut registry: Registry, work: fn(&mut Registry)) -> Result<Registry, StoreError> {
    let worked = tokio::task::spawn_blocking(move || {
        work(&mut registry);
        registry
    });
    worked.await.map_err(|_| StoreError::WriterLost { operation: OPERATION })
}

async fn persons(transaction: &Transaction<'_>, registry: &mut Registry) -> Result<(), StoreError> {
    let types = [Type::INT8, Type::INT4, Type::INT8, Type::BOOL];
    each(transaction, (PERSONS, &types), |row| {
        registry.add_person(row.try_get(0)?, day(row, 1)?, row.try_get(2)?, row.try_get(3)?);
        Ok(())
    })
    .await
}

async fn coverage(
    transaction: &Transaction<'_>,
    registry: &mut Registry,
) -> Result<(), StoreError> {
    let types = [Type::INT8, Type::TEXT, Type::TEXT, Type::INT4, Type::INT4, Type::TEXT];
    each(transaction, (COVERAGE, &types), |row| {
        let Some(place) = registry.place(row.try_get(0)?) else { return Ok(()) };
        let scheme = scheme_number(row.try_get(1)?);
        let (region, facts) = (registry.word(row.try_get(2)?), registry.word(row.try_get(5)?));
        let (Some(scheme), Some(region), Some(facts)) = (scheme, region, facts) else {
            registry.blur(place);
            return Ok(());
        };
        let (from, to) = (row.try_get(3)?, day(row, 4)?);
        registry.add_coverage(CoverageSpan { place, from, to, region, facts, scheme });
        Ok(())
    })
    .await
}

async fn identities(
    transaction: &Transaction<'_>,
    registry: &mut Registry,
) -> Result<(), StoreError> {
    let types = [Type::INT8, Type::TEXT, Type::TEXT, Type::INT4, Type::INT4, Type::TEXT];
    each(transaction, (IDENTITIES, &types), |row| {
        let Some(place) = registry.place(row.try_get(0)?) else { return Ok(()) };
        let (code, region) = (registry.word(row.try_get(1)?), registry.word(row.try_get(2)?));
        let source = registry.word(row.try_get(5)?);
        let (Some(code), Some(region), Some(source)) = (code, region, source) else {
            registry.blur(place);
            return Ok(());
        };
        let (from, to) = (row.try_get(3)?, day(row, 4)?);
        registry.add_identity(IdentitySpan { place, from, to, code, region, source });
        Ok(())
    })
    .await
}

async fn credentials(
    transaction: &Transaction<'_>,
    registry: &mut Registry,
) -> Result<(), StoreError> {
    let types = [Type::INT8, Type::BYTEA, Type::INT2];
    each(transaction, (CREDENTIALS, &types), |row| {
        let Some(place) = registry.place(row.try_get(0)?) else { return Ok(()) };
        let (hash, kind): (&[u8], i16) = (row.try_get(1)?, row.try_get(2)?);
        if let (Ok(hash), Ok(kind)) = (hash.try_into(), u8::try_from(kind)) {
            registry.add_credential((hash, kind), place);
        }
        Ok(())
    })
    .await
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
    }
    Ok(())
}

fn day(row: &BinaryCopyOutRow, at: usize) -> Result<i32, tokio_postgres::Error> {
    row.try_get::<Option<i32>>(at).map(|day| day.unwrap_or(NO_DAY))
}

fn failed(source: tokio_postgres::Error) -> StoreError {
    StoreError::Statement { operation: OPERATION, source }
}
