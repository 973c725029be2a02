//! The fence behind an accounting day: from when on nothing more can come to be in it.
//!
//! Every commit compares its day with the newest fence in the statement that writes it. A statement that began before the fence was
//! durable does not see it, and is waited for. It is known by its lock on the ledger, which every statement takes before it looks at
//! anything: so one that holds none when we look sees the fence, and once those that did have ended the day stands still. Its
//! transaction's number would not do: a statement may look first and get its number only when it writes, after the fence has its own.

use jiff::civil::Date;

use super::error::{Operation, StoreError};
use super::pool::Pool;
use super::row::Reader;
use crate::limits;

/// Fences a day and all before it, and waits until nothing that began before can still write. Fencing it again waits again. False
/// where the day is not over by the database's clock, and behind no fence: then nothing is fenced.
pub async fn fence_day(pool: &Pool, day: Date, by: &str) -> Result<bool, StoreError> {
    let operation = Operation::Fence(day);
    let connection = pool.take(&operation).await?;
    let sql = include_str!("sql/reconcile/fence.sql");
    let rows = connection.query(sql, &[&day, &by], &operation).await?;
    let is_over = |row| Reader { row, operation: &operation }.get::<bool>("is_over");
    if !rows.first().map_or(Ok(false), is_over)? {
        return Ok(false);
    }
    let mut before: Option<Vec<String>> = None;
    let mut waited = std::time::Duration::ZERO;
    loop {
        let sql = include_str!("sql/reconcile/writers.sql");
        let rows = connection.query(sql, &[&before], &operation).await?;
        let mut writers = Vec::with_capacity(rows.len());
        for row in &rows {
            writers.push(Reader { row, operation: &operation }.get::<String>("writer")?);
        }
        if writers.is_empty() {
            return Ok(true);
        }
        if limits::FENCE_WAIT_MAX <= waited {
            return Err(StoreError::StillUnderWay { operation });
        }
        before = Some(writers);
        waited = waited.saturating_add(limits::FENCE_LOOK_INTERVAL);
        tokio::time::sleep(limits::FENCE_LOOK_INTERVAL).await;
    }
}

/// The newest day that is fenced, if any.
pub async fn newest_fence(pool: &Pool) -> Result<Option<Date>, StoreError> {
    let operation = Operation::Reconcile("look for the newest fence");
    let connection = pool.take(&operation).await?;
    let rows =
        connection.query("SELECT max(day) AS day FROM accounting_fence", &[], &operation).await?;
    match rows.first() {
        Some(row) => Reader { row, operation: &operation }.get("day"),
        None => Ok(None),
    }
}
