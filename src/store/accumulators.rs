//! What persons have used, added up again from history: state is only ever a shortcut, and must equal it.

use super::error::{Operation, StoreError};
use super::pool::{Pool, READ_EVERYTHING};
use super::row::Reader;
use crate::domain::ids::PersonId;
use crate::domain::money::Fen;
use crate::domain::standing::Used;

const REBUILD: &str = include_str!("sql/rebuild_accumulators.sql");
const CHECK: &str = include_str!("sql/check_integrity.sql");
const CHECK_REGISTRY: &str = include_str!("sql/check_registry.sql");

/// A place where state differs from history, or history from itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind: "accumulator", "newest", "stay", "unstayed", "reversal", "record", "lines", "outbox" or "request"; of the registry
    /// "coverage", "identity" or "standing".
    pub what: String,
    /// Whose.
    pub person: PersonId,
    /// Where: keys and ids, and nothing that says who somebody is.
    pub detail: String,
    /// What is kept, and what follows from history, where it is an amount.
    pub amounts: Option<(Fen, Fen)>,
}

/// What a person has used, from history alone.
pub async fn rebuild_accumulators(pool: &Pool, person: PersonId) -> Result<Vec<Used>, StoreError> {
    let operation = Operation::Rebuild(person);
    let connection = pool.take(&operation).await?;
    let rows = connection.query(REBUILD, &[&person.bucket(), &person.get()], &operation).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            Ok(Used {
                region: reader.region("insured_region")?,
                scheme: reader.scheme("scheme")?,
                year: reader.get("policy_year")?,
                name: reader.get("name")?,
                amount: Fen::new(reader.get("amount_fen")?),
            })
        })
        .collect()
}

/// Compares all state with all history. Reads everything: for drills, tests and a quiet hour.
pub async fn check_integrity(pool: &Pool) -> Result<Vec<Fault>, StoreError> {
    let rows = read_all(pool, CHECK).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &OPERATION };
            let amounts = (reader.get("told_fen")?, reader.get("follows_fen")?);
            fault(&reader, amounts)
        })
        .collect()
}

/// Compares coverage and identities as they stand with what was recorded last of each: who was insured and counted as what.
pub async fn check_registry(pool: &Pool) -> Result<Vec<Fault>, StoreError> {
    let rows = read_all(pool, CHECK_REGISTRY).await?;
    let faults = rows.iter().map(|row| fault(&Reader { row, operation: &OPERATION }, (None, None)));
    faults.collect()
}

const OPERATION: Operation = Operation::CheckIntegrity;

async fn read_all(pool: &Pool, sql: &str) -> Result<Vec<tokio_postgres::Row>, StoreError> {
    let failed = |source| StoreError::Statement { operation: OPERATION, source };
    let mut connection = pool.take(&OPERATION).await?;
    connection.count();
    let transaction = connection.client.transaction().await.map_err(failed)?;
    transaction.batch_execute(READ_EVERYTHING).await.map_err(failed)?;
    let rows = transaction.query(sql, &[]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(rows)
}

fn fault(
    reader: &Reader<'_>,
    (told_fen, follows_fen): (Option<i64>, Option<i64>),
) -> Result<Fault, StoreError> {
    let person = reader.person("person_id")?;
    Ok(Fault {
        what: reader.get("what")?,
        person: reader.parse("person_id", person)?,
        detail: reader.get("detail")?,
        amounts: told_fen.map(Fen::new).zip(follows_fen.map(Fen::new)),
    })
}
