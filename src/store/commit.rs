//! Writes an entry in one statement and one round trip: the settlement, what it moves, what must be told, or nothing of it.

use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::error::{Operation, StoreError};
use super::find::{Found, Key, find_settlement};
use super::pool::{Connection, Pool};
use crate::domain::ids::{OperatorId, SettlementId};
use crate::domain::ledger::{Entry, LayerEntry};
use crate::domain::verdict::{Breakdown, Column};

pub(super) const SQL: &str = include_str!("sql/commit.sql");
const VERSIONS: &str =
    "SELECT standing_version, ledger_version FROM person_head WHERE bucket = $1 AND person_id = $2";

/// What came of an entry. Anything but the first wrote nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is durable.
    Committed,
    /// The standing is not what the decision saw: read and decide again.
    StandingMoved,
    /// The accumulators are not what the decision saw: read and decide again.
    AccumulatorsMoved,
    /// The rules that decided are no longer current, or were never published.
    PackageMoved,
    /// The request id is used up by another entry.
    RequestIdTaken,
    /// The stay is settled already, be it for this person or another.
    StayTaken,
    /// The request was reversed before it was seen.
    Tombstoned,
    /// The settlement to reverse was reversed already.
    AlreadyReversed,
    /// The settlement to reverse is not one of this person's.
    ReversesUnknown,
}

/// One column of the statement: a value an entry.
type Columns<'a> = Vec<Box<dyn ToSql + Sync + Send + 'a>>;

/// Writes it.
pub async fn commit(pool: &Pool, entry: &Entry) -> Result<Committed, StoreError> {
    let operation = Operation::Commit(entry.settlement.clone());
    let columns = columns(&[entry])
        .ok_or(StoreError::Unfit { operation: operation.clone(), field: "an amount or a count" })?;
    let params: Vec<&(dyn ToSql + Sync)> =
        columns.iter().map(|column| &**column as &(dyn ToSql + Sync)).collect();
    let connection = pool.take(&operation).await?;
    let rows = match connection.try_query(SQL, &params).await {
        Ok(rows) => rows,
        Err(source) => {
            drop(connection);
            return refused(pool, entry, operation, source).await;
        }
    };
    let stored = |field| StoreError::Stored { operation: operation.clone(), field };
    let row = rows.first().ok_or_else(|| stored("outcome"))?;
    let outcome: String = row
        .try_get("outcome")
        .map_err(|source| StoreError::Statement { operation: operation.clone(), source })?;
    match outcome.as_str() {
        "committed" => Ok(Committed::Committed),
        "standing" => Ok(Committed::StandingMoved),
        "accumulators" => Ok(Committed::AccumulatorsMoved),
        "package" => Ok(Committed::PackageMoved),
        "stay" => Ok(Committed::StayTaken),
        "unknown" => Ok(Committed::ReversesUnknown),
        "raced" => lost_race(&connection, entry, &operation).await,
        "unregistered" => Err(StoreError::NotRegistered { operation }),
        _ => Err(stored("outcome")),
    }
}

/// The statement waited for another one of the same person, and saw the state before: look again at what that one moved.
async fn lost_race(
    connection: &Connection,
    entry: &Entry,
    operation: &Operation,
) -> Result<Committed, StoreError> {
    let rows = connection
        .query(VERSIONS, &[&entry.person.bucket(), &entry.person.get()], operation)
        .await?;
    let standing = rows.first().map(|row| row.try_get::<_, i64>("standing_version")).transpose();
    let standing = standing
        .map_err(|source| StoreError::Statement { operation: operation.clone(), source })?;
    let moved = standing.is_some_and(|now| now != entry.standing_version);
    Ok(if moved { Committed::StandingMoved } else { Committed::AccumulatorsMoved })
}

/// Reads from the constraint's name what a unique key refused.
async fn refused(
    pool: &Pool,
    entry: &Entry,
    operation: Operation,
    source: tokio_postgres::Error,
) -> Result<Committed, StoreError> {
    let unique = source.code() == Some(&SqlState::UNIQUE_VIOLATION);
    let constraint = source.as_db_error().and_then(|error| error.constraint()).filter(|_| unique);
    match constraint {
        Some("stay_settled_once") => Ok(Committed::StayTaken),
        Some("settlement_reversed_once") => Ok(Committed::AlreadyReversed),
        Some("request_key_pkey") => {
            let found =
                find_settlement(pool, &Key::Request(&entry.hospital, &entry.request)).await?;
            Ok(match found {
                Some(Found::Tombstone(_)) => Committed::Tombstoned,
                Some(Found::Recorded(_)) | None => Committed::RequestIdTaken,
            })
        }
        Some(_) | None => Err(StoreError::Statement { operation, source }),
    }
}

/// All columns, in the order of the statement's parameters.
fn columns<'a>(entries: &[&'a Entry]) -> Option<Columns<'a>> {
    let mut columns = whose_and_where(entries);
    columns.extend(amounts(entries)?);
    columns.extend(evidence(entries));
    columns.extend(slices(entries)?);
    columns.extend(flat(entries));
    Some(columns)
}

fn column<'a, T>(
    entries: &[&'a Entry],
    of: impl Fn(&'a Entry) -> T,
) -> Box<dyn ToSql + Sync + Send + 'a>
where
    T: ToSql + Sync + Send + 'a,
{
    Box::new(entries.iter().map(|entry| of(entry)).collect::<Vec<T>>())
}

/// $1 to $23.
fn whose_and_where<'a>(entries: &[&'a Entry]) -> Columns<'a> {
    vec![
        column(entries, |entry| entry.person.bucket()),
        column(entries, |entry| entry.person.get()),
        column(entries, |entry| entry.settlement.as_str()),
        column(entries, |entry| entry.hospital.as_str()),
        column(entries, |entry| entry.request.as_str()),
        column(entries, |entry| entry.body_sha256.as_slice()),
        column(entries, |entry| entry.reverses.as_ref().map(SettlementId::as_str)),
        column(entries, |entry| entry.level),
        column(entries, |entry| entry.stay.as_str()),
        column(entries, |entry| entry.stay_part),
        column(entries, |entry| entry.admission),
        column(entries, |entry| entry.discharge),
        column(entries, |entry| entry.care.word()),
        column(entries, |entry| entry.referral.word()),
        column(entries, |entry| entry.insured_region.to_string()),
        column(entries, |entry| entry.treatment_region.to_string()),
        column(entries, |entry| entry.scheme.word()),
        column(entries, |entry| entry.year),
        column(entries, |entry| entry.settled_at),
        column(entries, |entry| entry.accounting_day),
        column(entries, |entry| entry.operator.as_ref().map(OperatorId::as_str)),
        column(entries, |entry| entry.door),
        column(entries, |entry| entry.reason.as_deref()),
    ]
}

/// $24 to $43: the national amounts.
fn amounts<'a>(entries: &[&'a Entry]) -> Option<Columns<'a>> {
    let rows: Vec<Vec<i64>> =
        entries.iter().map(|entry| national(&entry.breakdown)).collect::<Option<_>>()?;
    let count = rows.first()?.len();
    let columns = (0..count).map(|place| {
        let values: Vec<i64> = rows.iter().filter_map(|row| row.get(place)).copied().collect();
        Box::new(values) as Box<dyn ToSql + Sync + Send>
    });
    Some(columns.collect())
}

/// The amounts in the order of the statement's columns.
fn national(breakdown: &Breakdown) -> Option<Vec<i64>> {
    // Every field by name: an amount added to the breakdown does not compile until it has a column.
    let Breakdown {
        total,
        out_of_catalogue,
        over_limit,
        advance,
        in_scope,
        deductible,
        paid,
        hospital_borne,
        account,
        cash,
    } = *breakdown;
    const _: () = assert!(Column::ALL.len() == 9, "a column of its own for each in the statement");
    let fund_total = breakdown.fund_total()?;
    let patient = breakdown.patient()?;
    let before = [total, out_of_catalogue, over_limit, advance, in_scope, deductible];
    let after = [fund_total, hospital_borne, patient, account, cash];
    Some(before.into_iter().chain(paid).chain(after).map(|amount| amount.get()).collect())
}

/// $44 to $51.
fn evidence<'a>(entries: &[&'a Entry]) -> Columns<'a> {
    vec![
        column(entries, |entry| entry.assumed),
        column(entries, |entry| entry.package.0.as_slice()),
        column(entries, |entry| entry.standing_version),
        column(entries, |entry| entry.ledger_version),
        column(entries, |entry| entry.record.as_slice()),
        column(entries, |entry| entry.record_sha256.as_slice()),
        column(entries, |entry| entry.lines.as_slice()),
        column(entries, |entry| entry.lines_sha256.as_slice()),
    ]
}

/// $52 to $59: which slice of the flat arrays is an entry's own, first and last.
fn slices<'a>(entries: &[&'a Entry]) -> Option<Columns<'a>> {
    let lengths: [fn(&Entry) -> usize; 4] = [
        |entry| entry.layers.len(),
        |entry| entry.fixed.len(),
        |entry| entry.moved.len(),
        |entry| entry.identities_used.len(),
    ];
    let mut columns: Columns<'a> = Vec::new();
    for length in lengths {
        let (mut froms, mut tos) = (Vec::new(), Vec::new());
        let mut last = 0_i32;
        for entry in entries {
            froms.push(last.checked_add(1)?);
            last = last.checked_add(i32::try_from(length(entry)).ok()?)?;
            tos.push(last);
        }
        columns.push(Box::new(froms));
        columns.push(Box::new(tos));
    }
    Some(columns)
}

/// $60 to $71.
fn flat<'a>(entries: &[&'a Entry]) -> Columns<'a> {
    let mut columns: Columns<'a> = Vec::new();
    let parts: [fn(&'a Entry) -> &'a [LayerEntry]; 2] =
        [|entry| &entry.layers, |entry| &entry.fixed];
    for part in parts {
        let layers: Vec<&LayerEntry> = entries.iter().flat_map(|entry| part(entry)).collect();
        columns.push(Box::new(layers.iter().map(|layer| layer.payer.as_str()).collect::<Vec<_>>()));
        columns.push(Box::new(layers.iter().map(|layer| layer.books_to).collect::<Vec<_>>()));
        columns
            .push(Box::new(layers.iter().map(|layer| layer.identity.as_str()).collect::<Vec<_>>()));
        columns.push(Box::new(layers.iter().map(|layer| layer.pay.get()).collect::<Vec<_>>()));
    }
    let moved = || entries.iter().flat_map(|entry| &entry.moved);
    columns.push(Box::new(moved().map(|moved| moved.year).collect::<Vec<_>>()));
    columns.push(Box::new(moved().map(|moved| moved.name.as_str()).collect::<Vec<_>>()));
    columns.push(Box::new(moved().map(|moved| moved.by.get()).collect::<Vec<_>>()));
    let identities = entries.iter().flat_map(|entry| &entry.identities_used);
    columns.push(Box::new(identities.map(String::as_str).collect::<Vec<_>>()));
    columns
}
