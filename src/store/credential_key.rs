//! Which key hashes the credentials of this database: the first server's, for ever.

use super::error::{Operation, StoreError};
use super::pool::Pool;
use super::row::Reader;

const FIND: &str = "SELECT fingerprint FROM credential_key";

/// Whether a database is kept under this key. The first that asks makes it so.
pub async fn claim_credential_key(pool: &Pool, fingerprint: &[u8; 32]) -> Result<bool, StoreError> {
    let operation = Operation::CredentialKey;
    let connection = pool.take(&operation).await?;
    let claim = include_str!("sql/claim_credential_key.sql");
    connection.query(claim, &[&fingerprint.as_slice()], &operation).await?;
    // A statement of its own: it sees also what another server wrote while this one waited for it.
    let rows = connection.query(FIND, &[], &operation).await?;
    let row = rows
        .first()
        .ok_or(StoreError::Stored { operation: operation.clone(), field: "fingerprint" })?;
    let recorded = Reader { row, operation: &operation }.hash("fingerprint")?;
    Ok(recorded == *fingerprint)
}

/// Whether a database is known to be kept under this key. Asking changes nothing.
pub async fn is_credential_key(pool: &Pool, fingerprint: &[u8; 32]) -> Result<bool, StoreError> {
    let operation = Operation::CredentialKey;
    let connection = pool.take(&operation).await?;
    let rows = connection.query(FIND, &[], &operation).await?;
    let Some(row) = rows.first() else { return Ok(false) };
    Ok(Reader { row, operation: &operation }.hash("fingerprint")? == *fingerprint)
}
