//! The postings behind leaves. There are far fewer than settlements.

use std::collections::BTreeSet;

use jiff::civil::Date;
use tokio_postgres::Row;

use super::rows::digits;
use super::{OPERATION, read_everything, unknown};
use crate::domain::ids::RegionCode;
use crate::domain::seal::leaf::{LineRow, PostingRow};
use crate::limits;
use crate::store::error::StoreError;
use crate::store::pool::Pool;
use crate::store::row::Reader;

const POSTINGS: &str = include_str!("../sql/seal/postings.sql");
const POSTINGS_OF: &str = include_str!("../sql/seal/postings_of.sql");
const POSTINGS_OF_DAY: &str = include_str!("../sql/seal/postings_of_day.sql");

/// The postings that were made from a moment on and before another one, by their ids, in the order in which they were; and up to when
/// these are all.
pub async fn postings_between(
    pool: &Pool,
    (from_ms, to_ms): (i64, i64),
) -> Result<(Vec<PostingRow>, i64), StoreError> {
    let connection = pool.take(&OPERATION).await?;
    let most = i64::try_from(limits::SEAL_READ_ROWS).unwrap_or(i64::MAX);
    let (from, to) = (digits(from_ms), digits(to_ms));
    let rows = connection.query(POSTINGS, &[&from, &to, &most], &OPERATION).await?;
    let is_all = rows.len() < limits::SEAL_READ_ROWS;
    let last: Option<String> = match rows.last() {
        Some(row) if !is_all => Some(Reader { row, operation: &OPERATION }.get("posting_id")?),
        Some(_) | None => None,
    };
    // Where there are more, those of the last millisecond may be cut off: they are read with the next ones.
    let until = last.and_then(|id| i64::from_str_radix(id.get(1..12)?, 16).ok());
    let until = until.filter(|until| from_ms < *until).unwrap_or(to_ms);
    let before = format!("P{}", digits(until));
    let mut regions_of = Vec::with_capacity(rows.len());
    for row in &rows {
        regions_of.extend(by_region(row)?);
    }
    regions_of.retain(|row| row.posting < before);
    Ok((regions_of, until))
}

/// Postings by their ids, a row for each region that they touch, in no order. One that is not there is left out.
pub async fn postings_of(pool: &Pool, ids: &[&str]) -> Result<Vec<PostingRow>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let connection = pool.take(&OPERATION).await?;
    let rows = connection.query(POSTINGS_OF, &[&ids], &OPERATION).await?;
    all_by_region(&rows)
}

/// The postings of an accounting day, a row for each region that they touch, in no order.
pub async fn postings_of_day(pool: &Pool, day: Date) -> Result<Vec<PostingRow>, StoreError> {
    all_by_region(&read_everything(pool, POSTINGS_OF_DAY, &[&day]).await?)
}

fn all_by_region(rows: &[Row]) -> Result<Vec<PostingRow>, StoreError> {
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.extend(by_region(row)?);
    }
    Ok(all)
}

/// A posting, a row for each region that it touches.
fn by_region(row: &Row) -> Result<Vec<PostingRow>, StoreError> {
    let reader = Reader { row, operation: &OPERATION };
    let [accounts, funds, regions, counterparties]: [Vec<String>; 4] = [
        reader.get("account")?,
        reader.get("fund")?,
        reader.get("region")?,
        reader.get("counterparty")?,
    ];
    let amounts: Vec<i64> = reader.get("amount_fen")?;
    let lines = accounts.into_iter().zip(funds).zip(counterparties).zip(amounts);
    let lines: Vec<(String, LineRow)> = regions
        .into_iter()
        .zip(lines)
        .map(|(region, (((account, fund), counterparty), amount_fen))| {
            (region, LineRow { account, fund, counterparty, amount_fen })
        })
        .collect();
    let touched: BTreeSet<&String> = lines.iter().map(|(region, _)| region).collect();
    let of_region = |text: &String| {
        let region = RegionCode::new(text).ok_or_else(|| unknown("region"))?;
        let own = lines.iter().filter(|(other, _)| other == text).map(|(_, line)| line.clone());
        Ok(PostingRow {
            posting: reader.get("posting_id")?,
            region,
            kind: reader.get("kind")?,
            accounting_day: reader.get("accounting_day")?,
            lines: own.collect(),
            hospital: reader.get("hospital_code")?,
            budget_year: reader.get("budget_year")?,
            reference: reader.get("reference")?,
            reason: reader.get("reason")?,
            made_by: reader.get("made_by")?,
            approved_by: reader.get("approved_by")?,
            posted_at: reader.get("posted_at")?,
            record: reader.get("record")?,
        })
    };
    touched.into_iter().map(of_region).collect()
}
