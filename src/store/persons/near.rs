//! Brings near what a person's first visit reads. After a machine was started those pages are on the disk, and whoever comes waits for
//! several, one after the other; read as files they are in its memory within seconds.

use std::time::Instant;

use crate::limits;
use crate::store::error::{Operation, StoreError};
use crate::store::pool::Pool;
use crate::store::row::Reader;

const OPERATION: Operation = Operation::BringNear;

/// The keys before what they lead to: with little memory they are what helps most.
const RELATIONS: [&str; 4] = ["person_head_pkey", "person_head", "stay_pkey", "stay"];

/// Brings it near behind the caller; what fails is read when somebody comes.
pub(super) fn spawn(pool: &Pool) {
    tokio::spawn(tell(pool.clone()));
}

async fn tell(pool: Pool) {
    let began = Instant::now();
    match bring_near(&pool).await {
        Ok(0) => tracing::debug!(
            "Nothing is brought near: nothing is stored, or pg_prewarm is not there"
        ),
        Ok(blocks) => {
            // Of 8 KiB, as PostgreSQL is built.
            let (mib, milliseconds) = (blocks >> 7, began.elapsed().as_millis());
            tracing::info!(mib, %milliseconds, "What first visits read is in the machine's memory");
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, "Could not bring near what first visits read");
        }
    }
}

/// Has the files read, as far as the machine can keep them, and says how many blocks were. Some at a time, each with a connection that
/// is given back: calls come first.
pub async fn bring_near(pool: &Pool) -> Result<i64, StoreError> {
    let mut read = 0_i64;
    for (relation, blocks) in sizes(pool).await? {
        let mut first = 0;
        while first < blocks {
            let next = blocks.min(first.saturating_add(limits::NEAR_BLOCKS));
            let sql = "SELECT bring_near($1::text::regclass, $2, $3) AS blocks";
            let connection = pool.take(&OPERATION).await?;
            let last = next.saturating_sub(1);
            let rows = connection.query(sql, &[&relation, &first, &last], &OPERATION).await?;
            for row in &rows {
                let count: i64 = Reader { row, operation: &OPERATION }.get("blocks")?;
                read = read.saturating_add(count);
            }
            first = next;
        }
    }
    Ok(read)
}

/// What can be brought near, and how many blocks it has.
async fn sizes(pool: &Pool) -> Result<Vec<(String, i64)>, StoreError> {
    let connection = pool.take(&OPERATION).await?;
    let sql = include_str!("../sql/near.sql");
    let rows = connection.query(sql, &[&RELATIONS.as_slice()], &OPERATION).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &OPERATION };
            Ok((reader.get("name")?, reader.get("blocks")?))
        })
        .collect()
}
