//! What persons have used, added up again from history: state is only ever a shortcut, and must equal it.

use super::error::{Operation, StoreError};
use super::pool::{Pool, READ_EVERYTHING};
use super::row::Reader;
use crate::domain::ids::PersonId;
use crate::domain::money::Fen;
use crate::domain::standing::Used;

const REBUILD: &str = include_str!("sql/rebuild_accumulators.sql");
const CHECK: &str = include_str!("sql/check_integrity.sql");

/// A place where state differs from history, or history from itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind: "accumulator", "newest", "stay", "unstayed", "reversal", "record", "lines", "outbox" or "request".
    pub what: String,
    /// Whose.
    pub person: PersonId,
    /// Where, and what differs.
    pub detail: String,
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
    let operation = Operation::CheckIntegrity;
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let mut connection = pool.take(&operation).await?;
    connection.count();
    let transaction = connection.client.transaction().await.map_err(failed)?;
    transaction.batch_execute(READ_EVERYTHING).await.map_err(failed)?;
    let rows = transaction.query(CHECK, &[]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            let person = reader.person("person_id")?;
            Ok(Fault {
                what: reader.get("what")?,
                person: reader.parse("person_id", person)?,
                detail: reader.get("detail")?,
            })
        })
        .collect()
}
