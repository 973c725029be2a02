//! How far the insurance core told of persons and their standing, and what of it could not be taken.

use jiff::Timestamp;

use super::error::{Operation, StoreError};
use super::import::{RejectReason, RowKind};
use super::pool::Pool;
use super::row::Reader;

const FEED: &str = include_str!("sql/feed/feed.sql");
const NOTE: &str = include_str!("sql/feed/note.sql");

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Where the core goes on; empty: from the beginning.
    pub cursor: String,
    /// Changes that came, with those that could not be taken.
    pub told: u64,
    /// Changes that could not be taken.
    pub rejected: u64,
    /// When the last ones came.
    pub changed_at: Option<Timestamp>,
}

/// A change that could not be taken. What it said is not kept: the core tells it again from the cursor before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its cursor.
    pub cursor: String,
    /// What it was about.
    pub kind: RowKind,
    /// Why.
    pub reason: RejectReason,
    /// Which field.
    pub field: &'static str,
}

/// How far the core told.
pub async fn feed(pool: &Pool) -> Result<Feed, StoreError> {
    let operation = Operation::Deliver("read how far the core told");
    let connection = pool.take(&operation).await?;
    let rows = connection.query(FEED, &[], &operation).await?;
    let nothing = StoreError::Stored { operation: operation.clone(), field: "cursor" };
    let reader = Reader { row: rows.first().ok_or(nothing)?, operation: &operation };
    let count = |name| Ok::<_, StoreError>(u64::try_from(reader.get::<i64>(name)?).unwrap_or(0));
    Ok(Feed {
        cursor: reader.get("cursor")?,
        told: count("told")?,
        rejected: count("rejected")?,
        changed_at: reader.get("changed_at")?,
    })
}

/// Notes that changes up to a cursor are durable, where it still is at the one before; false: somebody else moved it.
pub async fn note_feed(
    pool: &Pool,
    (after, cursor): (&str, &str),
    (told, rejected): (usize, &[Rejected]),
    at: Timestamp,
) -> Result<bool, StoreError> {
    let operation = Operation::Deliver("note how far the core told");
    let connection = pool.take(&operation).await?;
    let told = i64::try_from(told).unwrap_or(i64::MAX);
    let all = rejected.iter();
    let cursors: Vec<&str> = all.clone().map(|one| one.cursor.as_str()).collect();
    let kinds: Vec<&str> = all.clone().map(|one| one.kind.word()).collect();
    let reasons: Vec<&str> = all.clone().map(|one| one.reason.name()).collect();
    let fields: Vec<&str> = all.map(|one| one.field).collect();
    let noted = connection
        .query(
            NOTE,
            &[&at, &after, &cursor, &told, &cursors, &kinds, &reasons, &fields],
            &operation,
        )
        .await?;
    Ok(!noted.is_empty())
}
