//! What is sealed and how far: the rows behind leaves, the leaves in blocks, the signed heads.
//!
//! Settlements are read by when they were made, which their ids begin with, so that sealing needs no column, no key and no statement of
//! its own on the path of a settlement. A row that becomes visible later than it should is not lost by that: at the end of a day all ids
//! are compared.

mod postings;
mod put;
mod rows;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::{Operation, StoreError};
use super::pool::{Connection, Pool, READ_EVERYTHING};
use super::row::Reader;
use crate::domain::ids::RegionCode;
use crate::domain::seal::Hash;
use crate::domain::seal::head::{Head, SignedHead, key_id};
use crate::limits;

pub use self::postings::{postings_between, postings_of, postings_of_day};
pub use self::put::{Block, SealWrite, put_seals};
pub use self::rows::{
    ChangeKey, WholeSettlement, changes_between, changes_of, next_change, next_settlement,
    settlements_between, settlements_of, unsealed_changes, unsealed_ids,
};

const STATE: &str = include_str!("sql/seal/state.sql");
const BLOCKS: &str = include_str!("sql/seal/blocks.sql");
const LEAF_IDS: &str = include_str!("sql/seal/leaf_ids_of_day.sql");
const HEADS: &str = include_str!("sql/seal/heads.sql");
const IDS_OF_DAY: &str = include_str!("sql/seal/ids_of_day.sql");
const BOOKED_LATER: &str = include_str!("sql/seal/booked_later.sql");
const UNHEADED: &str = include_str!("sql/seal/unheaded.sql");

/// Any number, the same for ever: whoever seals holds it.
const SEAL_LOCK: i64 = 0x6f6e_6573_746f_7002;

const OPERATION: Operation = Operation::Seal;

/// The database has no day before those of the Romans.
const FIRST_DAY: Date = date(1900, 1, 1);

/// Which table is sealed how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cursor {
    /// The ledger.
    Settlements,
    /// The registry.
    Changes,
    /// The books.
    Postings,
}

/// How far everything is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealState {
    /// Up to when settlements are sealed, changes of the registry, and postings.
    pub read_to: [Timestamp; 3],
    /// The newest head of each open day, and over how many blocks it is.
    pub open: Vec<(SignedHead, i64)>,
    /// The last final head of each region.
    pub last: Vec<SignedHead>,
    /// What the database's clock says.
    pub now: Timestamp,
}

/// A region's day that is over and has no final head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheaded {
    /// The region.
    pub region: RegionCode,
    /// The day.
    pub day: Date,
    /// One of the leaves that it should have.
    pub leaf: String,
    /// How many of its kind.
    pub leaves: i64,
}

/// Holds the right to seal, for one gateway at a time, until it is let go or its connection is lost.
pub struct SealLock(Connection);

impl std::fmt::Debug for SealLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealLock")
    }
}

impl Cursor {
    /// Its word in the table of cursors.
    const fn word(self) -> &'static str {
        match self {
            Self::Settlements => "settlement",
            Self::Changes => "registry_change",
            Self::Postings => "posting",
        }
    }
}

/// Takes the right to seal, where nobody else has it.
pub async fn lock_seals(pool: &Pool) -> Result<Option<SealLock>, StoreError> {
    let connection = pool.take(&OPERATION).await?;
    let taken = "SELECT pg_try_advisory_lock($1) AS taken";
    let rows = connection.query(taken, &[&SEAL_LOCK], &OPERATION).await?;
    let row = rows.first().ok_or_else(|| unknown("taken"))?;
    let taken: bool = Reader { row, operation: &OPERATION }.get("taken")?;
    Ok(taken.then_some(SealLock(connection)))
}

impl SealLock {
    /// Lets it go. Where that can not be said to the database, the connection is ended, which lets it go too.
    pub async fn release(self) {
        let Self(connection) = self;
        let let_go = "SELECT pg_advisory_unlock($1)";
        if connection.query(let_go, &[&SEAL_LOCK], &OPERATION).await.is_err() {
            drop(deadpool_postgres::Object::take(connection.client));
        }
    }
}

/// How far everything is sealed.
pub async fn seal_state(pool: &Pool) -> Result<SealState, StoreError> {
    let connection = pool.take(&OPERATION).await?;
    let cursor = "SELECT read_to, now() AS now FROM seal_cursor ORDER BY what DESC";
    let (mut read_to, mut now) = ([Timestamp::UNIX_EPOCH; 3], Timestamp::UNIX_EPOCH);
    let rows = connection.query(cursor, &[], &OPERATION).await?;
    for (place, row) in read_to.iter_mut().zip(&rows) {
        let reader = Reader { row, operation: &OPERATION };
        (*place, now) = (reader.get("read_to")?, reader.get("now")?);
    }
    drop(connection);
    let mut state = SealState { read_to, open: Vec::new(), last: Vec::new(), now };
    for row in &read_everything(pool, STATE, &[]).await? {
        let head = read_head(row)?;
        if head.head.is_final {
            state.last.push(head);
        } else {
            let blocks = Reader { row, operation: &OPERATION }.get("blocks")?;
            state.open.push((head, blocks));
        }
    }
    Ok(state)
}

/// The leaves of a region's day from a block on, some thousands of them as one block, which bears the number of the last one; nothing
/// where there are no more. Blocks of a quiet day are small, and who reads them all must not ask for each.
pub async fn seal_leaves(
    pool: &Pool,
    (region, day): (RegionCode, Date),
    from: i32,
) -> Result<Option<Block>, StoreError> {
    let connection = pool.take(&OPERATION).await?;
    let most = i64::try_from(limits::SEAL_BLOCK_LEAVES).unwrap_or(i64::MAX);
    let region_text = region.to_string();
    let rows = connection.query(BLOCKS, &[&region_text, &day, &from, &most], &OPERATION).await?;
    let mut whole: Option<Block> = None;
    for row in &rows {
        let reader = Reader { row, operation: &OPERATION };
        let hashes: Vec<u8> = reader.get("leaf_hashes")?;
        let (hashes, rest) = hashes.as_chunks::<32>();
        let ids: Vec<String> = reader.get("leaf_id")?;
        if !rest.is_empty() || hashes.len() != ids.len() {
            return Err(unknown("leaf_hashes"));
        }
        let block: i32 = reader.get("block")?;
        match &mut whole {
            Some(whole) => {
                whole.block = block;
                whole.ids.extend(ids);
                whole.hashes.extend_from_slice(hashes);
            }
            None => {
                let (first_leaf, hashes) = (reader.get("first_leaf")?, hashes.to_vec());
                whole = Some(Block { region, day, block, first_leaf, ids, hashes });
            }
        }
    }
    Ok(whole)
}

/// The ids of all leaves of a day, over all regions, in no order.
pub async fn leaf_ids_of_day(pool: &Pool, day: Date) -> Result<Vec<String>, StoreError> {
    let rows = read_everything(pool, LEAF_IDS, &[&day]).await?;
    let mut all = Vec::new();
    for row in &rows {
        all.extend(Reader { row, operation: &OPERATION }.get::<Vec<String>>("leaf_id")?);
    }
    Ok(all)
}

/// The final heads of one region or of all between two days, each region's in the order of its chain.
pub async fn final_heads(
    pool: &Pool,
    region: Option<RegionCode>,
    (from, to): (Date, Date),
) -> Result<Vec<SignedHead>, StoreError> {
    let connection = pool.take(&OPERATION).await?;
    let region = region.map(|region| region.to_string());
    let from = from.max(FIRST_DAY);
    let rows = connection.query(HEADS, &[&region, &from, &to], &OPERATION).await?;
    rows.iter().map(read_head).collect()
}

/// The ids of all settlements that bear a day and region, whatever their ids say. Reads the whole ledger.
pub async fn settlement_ids_of_day(
    pool: &Pool,
    (region, day): (RegionCode, Date),
) -> Result<Vec<String>, StoreError> {
    let rows = read_everything(pool, IDS_OF_DAY, &[&day, &region.to_string()]).await?;
    rows.iter().map(|row| Reader { row, operation: &OPERATION }.get("settlement_id")).collect()
}

/// The ids of the settlements of a day that were made before it.
pub async fn booked_later(pool: &Pool, day: Date) -> Result<Vec<String>, StoreError> {
    let connection = pool.take(&OPERATION).await?;
    let rows = connection.query(BOOKED_LATER, &[&day], &OPERATION).await?;
    rows.iter().map(|row| Reader { row, operation: &OPERATION }.get("settlement_id")).collect()
}

/// Regions' days between two days that are over and have no final head, though something is in them. Reads the whole ledger.
pub async fn unheaded(
    pool: &Pool,
    region: Option<RegionCode>,
    (from, to): (Date, Date),
) -> Result<Vec<Unheaded>, StoreError> {
    let region = region.map(|region| region.to_string());
    let from = from.max(FIRST_DAY);
    let rows = read_everything(pool, UNHEADED, &[&from, &to, &region]).await?;
    let read = |row: &Row| {
        let reader = Reader { row, operation: &OPERATION };
        Ok(Unheaded {
            region: reader.region("region")?,
            day: reader.get("day")?,
            leaf: reader.get("leaf_id")?,
            leaves: reader.get("leaves")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Up to which transaction everything has ended, and which will be the next one: what began before the second was told has ended once
/// the first is not below it.
pub async fn transactions(pool: &Pool) -> Result<(i64, i64), StoreError> {
    let connection = pool.take(&OPERATION).await?;
    let now = "SELECT pg_snapshot_xmin(s)::text::bigint AS ended, pg_snapshot_xmax(s)::text::bigint AS next \
        FROM pg_current_snapshot() AS s";
    let rows = connection.query(now, &[], &OPERATION).await?;
    let row = rows.first().ok_or_else(|| unknown("ended"))?;
    let reader = Reader { row, operation: &OPERATION };
    Ok((reader.get("ended")?, reader.get("next")?))
}

/// Runs a statement that may read whole tables, and take its time.
async fn read_everything(
    pool: &Pool,
    sql: &'static str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, StoreError> {
    let mut connection = pool.take(&OPERATION).await?;
    connection.count();
    let transaction = connection.client.transaction().await.map_err(failed)?;
    transaction.batch_execute(READ_EVERYTHING).await.map_err(failed)?;
    transaction.query(sql, parameters).await.map_err(failed)
}

fn read_head(row: &Row) -> Result<SignedHead, StoreError> {
    let reader = Reader { row, operation: &OPERATION };
    let leaves: i64 = reader.get("leaves")?;
    let public_key: Hash = reader.hash("public_key")?;
    let signature: Vec<u8> = reader.get("signature")?;
    let head = Head {
        is_final: reader.get("is_final")?,
        region: reader.region("insured_region")?,
        day: reader.get("accounting_day")?,
        leaves: u64::try_from(leaves).map_err(|_| unknown("leaves"))?,
        root: reader.hash("root_sha256")?,
        previous: reader.hash("previous_sha256")?,
        sealed_at: reader.get("sealed_at")?,
        key: key_id(&public_key),
    };
    let signature = signature.try_into().map_err(|_| unknown("signature"))?;
    Ok(SignedHead { head, public_key, signature })
}

fn failed(source: tokio_postgres::Error) -> StoreError {
    StoreError::Statement { operation: OPERATION, source }
}

const fn unknown(field: &'static str) -> StoreError {
    StoreError::Stored { operation: OPERATION, field }
}
