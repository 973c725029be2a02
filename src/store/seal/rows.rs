//! The rows behind leaves.

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::{OPERATION, failed, read_everything, unknown};
use crate::domain::ids::{PersonId, RegionCode};
use crate::domain::ledger::Entry;
use crate::domain::seal::leaf::{ChangeRow, SettlementRow};
use crate::store::error::StoreError;
use crate::store::find;
use crate::store::pool::Pool;
use crate::store::row::Reader;

const SETTLEMENTS: &str = include_str!("../sql/seal/settlements.sql");
const SETTLEMENT_IDS: &str = include_str!("../sql/seal/settlement_ids.sql");
const NEXT_SETTLEMENT: &str = include_str!("../sql/seal/next_settlement.sql");
const SETTLEMENTS_OF: &str = include_str!("../sql/seal/settlements_of.sql");
const CHANGES: &str = include_str!("../sql/seal/changes.sql");
const CHANGE_IDS: &str = include_str!("../sql/seal/change_ids.sql");
const NEXT_CHANGE: &str = include_str!("../sql/seal/next_change.sql");
const CHANGES_OF: &str = include_str!("../sql/seal/changes_of.sql");

/// A change of the registry: person, version of the standing, ordinal.
pub type ChangeKey = (i64, i64, i32);

/// A settlement with all its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeSettlement {
    /// What is sealed of it.
    pub sealed: SettlementRow,
    /// Its columns, without charge lines; nothing where one of them holds what no release wrote.
    pub entry: Result<Box<Entry>, &'static str>,
}

/// Shows the settlements that were made from a moment on and before another one, by their ids, in no order: each where it lies in what
/// the database sent, since all that is settled comes by here.
pub async fn settlements_between(
    pool: &Pool,
    (from_ms, to_ms): (i64, i64),
    mut show: impl FnMut(&SettlementRow<&str, &[u8]>) + Send,
) -> Result<(), StoreError> {
    let connection = pool.take(&OPERATION).await?;
    let (from, to) = (digits(from_ms), digits(to_ms));
    let rows = connection.rows(SETTLEMENTS, &[&from, &to], &OPERATION).await?;
    let mut rows = std::pin::pin!(rows);
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        show(&sealed_row(&row)?);
    }
    Ok(())
}

/// Their ids alone.
pub async fn unsealed_ids(
    pool: &Pool,
    (from_ms, to_ms): (i64, i64),
) -> Result<Vec<String>, StoreError> {
    let connection = pool.take(&OPERATION).await?;
    let (from, to) = (digits(from_ms), digits(to_ms));
    let rows = connection.query(SETTLEMENT_IDS, &[&from, &to], &OPERATION).await?;
    rows.iter().map(|row| Reader { row, operation: &OPERATION }.get("settlement_id")).collect()
}

/// When the first settlement was made from a moment on.
pub async fn next_settlement(pool: &Pool, from_ms: i64) -> Result<Option<i64>, StoreError> {
    let connection = pool.take(&OPERATION).await?;
    let rows = connection.query(NEXT_SETTLEMENT, &[&digits(from_ms)], &OPERATION).await?;
    let row = rows.first().ok_or_else(|| unknown("made_at"))?;
    let made_at: Option<String> = Reader { row, operation: &OPERATION }.get("made_at")?;
    // An id that was not made by us tells no time; it is found at the end of its day.
    Ok(made_at.and_then(|digits| i64::from_str_radix(&digits, 16).ok()))
}

/// Settlements by their ids, with all their columns, in no order. One that is not there is left out.
pub async fn settlements_of(pool: &Pool, ids: &[&str]) -> Result<Vec<WholeSettlement>, StoreError> {
    let connection = pool.take(&OPERATION).await?;
    let rows = connection.query(SETTLEMENTS_OF, &[&ids], &OPERATION).await?;
    let whole = |row: &Row| {
        let reader = Reader { row, operation: &OPERATION };
        let entry = match find::entry(&reader) {
            Ok(entry) => Ok(Box::new(entry)),
            Err(StoreError::Stored { field, .. }) => Err(field),
            Err(error) => return Err(error),
        };
        Ok(WholeSettlement { sealed: sealed_row(row)?, entry })
    };
    rows.iter().map(whole).collect()
}

/// The changes of the registry that were made from a moment on and before another one, in no order.
pub async fn changes_between(
    pool: &Pool,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<ChangeRow>, StoreError> {
    let rows = read_everything(pool, CHANGES, &[&from, &to]).await?;
    rows.iter().map(change_row).collect()
}

/// Which they are, alone.
pub async fn unsealed_changes(
    pool: &Pool,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<ChangeKey>, StoreError> {
    let rows = read_everything(pool, CHANGE_IDS, &[&from, &to]).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &OPERATION };
            Ok((reader.get("person_id")?, reader.get("standing_version")?, reader.get("ordinal")?))
        })
        .collect()
}

/// When the first change of the registry was made from a moment on.
pub async fn next_change(pool: &Pool, from: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let rows = read_everything(pool, NEXT_CHANGE, &[&from]).await?;
    let row = rows.first().ok_or_else(|| unknown("changed_at"))?;
    Reader { row, operation: &OPERATION }.get("changed_at")
}

/// Changes of the registry by which they are, in no order. One that is not there is left out.
pub async fn changes_of(pool: &Pool, keys: &[ChangeKey]) -> Result<Vec<ChangeRow>, StoreError> {
    let connection = pool.take(&OPERATION).await?;
    let bucket = |person: i64| PersonId::new(person).map_or(-1, PersonId::bucket);
    let buckets: Vec<i16> = keys.iter().map(|(person, ..)| bucket(*person)).collect();
    let persons: Vec<i64> = keys.iter().map(|(person, ..)| *person).collect();
    let versions: Vec<i64> = keys.iter().map(|(_, version, _)| *version).collect();
    let ordinals: Vec<i32> = keys.iter().map(|(.., ordinal)| *ordinal).collect();
    let rows = connection
        .query(CHANGES_OF, &[&buckets, &persons, &versions, &ordinals], &OPERATION)
        .await?;
    rows.iter().map(change_row).collect()
}

/// A moment as settlement ids have it.
pub(super) fn digits(unix_ms: i64) -> String {
    format!("{:011X}", unix_ms.clamp(0, 0xfff_ffff_ffff))
}

fn sealed_row<'r, T: FromSql<'r>, B: FromSql<'r>>(
    row: &'r Row,
) -> Result<SettlementRow<T, B>, StoreError> {
    let region: &str = at(row, "insured_region")?;
    Ok(SettlementRow {
        settlement: at(row, "settlement_id")?,
        region: RegionCode::new(region).ok_or_else(|| unknown("insured_region"))?,
        record: at(row, "record")?,
        state: at(row, "state")?,
        supersedes: at(row, "supersedes_settlement_id")?,
        level: at(row, "hospital_level")?,
        care: at(row, "care_type")?,
        referral: at(row, "referral")?,
        clearing: [
            at(row, "clearing_type")?,
            at(row, "clearing_way")?,
            at(row, "clearing_agency")?,
        ],
        accounting_day: at(row, "accounting_day")?,
        door: at(row, "door")?,
        assumed: at(row, "assumed")?,
        operator: at(row, "operator_id")?,
        reason: at(row, "reason")?,
        body_sha256: at(row, "body_sha256")?,
    })
}

fn at<'r, T: FromSql<'r>>(row: &'r Row, field: &str) -> Result<T, StoreError> {
    row.try_get(field).map_err(failed)
}

fn change_row(row: &Row) -> Result<ChangeRow, StoreError> {
    let reader = Reader { row, operation: &OPERATION };
    Ok(ChangeRow {
        region: reader.region("region")?,
        person: reader.get("person_id")?,
        standing_version: reader.get("standing_version")?,
        ordinal: reader.get("ordinal")?,
        kind: reader.get("kind")?,
        import: reader.get("import_id")?,
        before: reader.get("before")?,
        after: reader.get("after")?,
        changed_at: reader.get("changed_at")?,
    })
}
