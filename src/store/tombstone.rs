//! Leaves a tombstone for a request that was reversed before it was seen, so that a late original is refused.

use jiff::Timestamp;
use tokio_postgres::error::SqlState;

use super::error::{Operation, StoreError};
use super::find::{Found, Key, find_settlement};
use super::pool::Pool;
use crate::domain::ids::{HospitalCode, OperatorId, RequestId};

const SQL: &str = include_str!("sql/leave_tombstone.sql");

/// A request id that may never settle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// The id that is refused from now on.
    pub original: RequestId,
    /// The reversal that left it.
    pub reversal: RequestId,
    /// When.
    pub left_at: Timestamp,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// It stands, from now on.
    Left(Tombstone),
    /// The original's id is used up already: it settled after all (reverse that), or an earlier reversal left this tombstone.
    OriginalTaken(Box<Found>),
    /// The reversal's own id is used up by something else.
    ReversalTaken(Box<Found>),
}

/// Leaves it. Both ids may be used once only, whatever settles at the same moment.
pub async fn leave_tombstone(
    pool: &Pool,
    hospital: &HospitalCode,
    ids: (&RequestId, &RequestId),
    said: (Option<&OperatorId>, Option<&str>),
) -> Result<Left, StoreError> {
    let (original, reversal) = ids;
    let (operator, reason) = said;
    let operation = Operation::Tombstone(hospital.clone(), original.clone());
    let (hospital_text, original_text, reversal_text) =
        (hospital.as_str(), original.as_str(), reversal.as_str());
    let operator = operator.map(OperatorId::as_str);
    let connection = pool.take(&operation).await?;
    let written = connection
        .try_query(SQL, &[&hospital_text, &original_text, &reversal_text, &operator, &reason])
        .await;
    drop(connection);
    let refused = match written {
        Ok(rows) => {
            let left_at = rows.first().map(|row| row.try_get("left_at")).transpose();
            let left_at = left_at
                .map_err(|source| StoreError::Statement { operation: operation.clone(), source })?
                .ok_or(StoreError::Stored { operation, field: "left_at" })?;
            let (original, reversal) = (original.clone(), reversal.clone());
            return Ok(Left::Left(Tombstone { original, reversal, left_at }));
        }
        Err(refused) => refused,
    };
    if refused.code() != Some(&SqlState::UNIQUE_VIOLATION) {
        return Err(StoreError::Statement { operation, source: refused });
    }
    if let Some(found) = find_settlement(pool, &Key::Request(hospital, original)).await? {
        return Ok(Left::OriginalTaken(Box::new(found)));
    }
    if let Some(found) = find_settlement(pool, &Key::Request(hospital, reversal)).await? {
        return Ok(Left::ReversalTaken(Box::new(found)));
    }
    Err(StoreError::Statement { operation, source: refused })
}
