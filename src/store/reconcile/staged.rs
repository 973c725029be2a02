//! Rows of theirs on their way in: copied in bulk, each batch with how far the statement then is.

use std::pin::pin;

use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};

use super::{
    Amounts, Connection, Operation, PersonNumber, Pool, Reader, Scheme, Scope, SettlementId, State,
    StayId, StoreError, Sum, begin, count, fens, stored,
};
use crate::limits;

const COPY: &str = "COPY statement_row (statement_key, line, settlement_id, stay_id, person_number, refund, total_fen, \
     fund_fen, account_fen) FROM STDIN BINARY";

const TYPES: [Type; 9] = [
    Type::INT8,
    Type::INT8,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::BOOL,
    Type::INT8,
    Type::INT8,
    Type::INT8,
];

/// A statement that comes in.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Its key: the beginning of a hash over sender, scope and contents.
    pub key: i64,
    /// SHA-256 over the file.
    pub content_sha256: [u8; 32],
    /// What it is of.
    pub scope: Scope,
    /// Who sends it.
    pub sender: String,
    /// Is that a hospital?
    pub from_hospital: bool,
    /// The totals beside the file, where there are any.
    pub told: Option<Sum>,
    /// What its good rows come to.
    pub file: Sum,
    /// All rows of the file.
    pub file_rows: u64,
}

/// What came of opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Its rows after the first so many are wanted; it is new, or an earlier run was ended.
    From(u64),
    /// It was taken to its end before.
    Known(State),
    /// A statement of this scope or a wider one is closed for one of its days.
    DayClosed,
}

/// A row of theirs.
#[derive(Clone, Debug)]
pub struct StagedRow {
    /// The line of the file.
    pub line: u64,
    /// Their settlement.
    pub settlement: SettlementId,
    /// The stay.
    pub stay: Option<StayId>,
    /// The person, by the number that the hospital knows.
    pub person_number: Option<PersonNumber>,
    /// Is it a reversal?
    pub refund: bool,
    /// How much.
    pub amounts: Amounts,
}

/// A row that counts for nothing.
#[derive(Clone, Debug)]
pub struct BadRow {
    /// The line of the file.
    pub line: u64,
    /// Why.
    pub reason: &'static str,
    /// The column, or nothing.
    pub column: &'static str,
    /// The settlement that it is of, where that can be read.
    pub settlement: Option<SettlementId>,
}

/// Opens a statement, or finds how far it is.
pub async fn begin_statement(pool: &Pool, opening: &Opening) -> Result<Begun, StoreError> {
    let operation = Operation::Reconcile("open a statement");
    let connection = pool.take(&operation).await?;
    let Opening { key, content_sha256, scope, sender, from_hospital, told, file, file_rows } =
        opening;
    let hospital = scope.hospital.as_ref().map(ToString::to_string);
    let region = scope.region.map(|region| region.to_string());
    let first = told.unwrap_or(*file);
    let ([told_total, told_fund, told_account], [total, fund, account]) =
        (fens(&first.amounts), fens(&file.amounts));
    let rows = connection
        .query(
            include_str!("../sql/reconcile/begin.sql"),
            &[
                key,
                &content_sha256.as_slice(),
                &scope.key(),
                sender,
                &hospital,
                &region,
                &scope.scheme.map(Scheme::word),
                &scope.clearing_type,
                &scope.clearing_agency,
                &scope.payer,
                &scope.refund,
                &scope.first_day,
                &scope.last_day,
                &stored(first.rows),
                &told_total,
                &told_fund,
                &told_account,
                &stored(*file_rows),
                &stored(file.rows),
                &total,
                &fund,
                &account,
                from_hospital,
            ],
            &operation,
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(Begun::DayClosed) };
    let reader = Reader { row, operation: &operation };
    let same: [u8; 32] = reader.hash("content_sha256")?;
    reader.parse("content_sha256", (same == *content_sha256).then_some(()))?;
    if told.is_some() {
        // What was told with an earlier sending does not count any more.
        let sql = include_str!("../sql/reconcile/told.sql");
        let now: [&(dyn ToSql + Sync); 5] =
            [key, &stored(first.rows), &told_total, &told_fund, &told_account];
        connection.query(sql, &now, &operation).await?;
    }
    Ok(match reader.text("state", State::from_word)? {
        State::Receiving => Begun::From(count(&reader, "rows_durable")?),
        state @ (State::Received | State::Matched | State::Closed) => Begun::Known(state),
    })
}

/// Takes the rows after the first `position`. False, and nothing is taken, where the statement is somewhere else: somebody else
/// sends the same.
pub async fn take_rows(
    pool: &Pool,
    key: i64,
    position: u64,
    (rows, bad): (&[StagedRow], &[BadRow]),
) -> Result<bool, StoreError> {
    let operation = Operation::Reconcile("take rows of a statement");
    let mut connection = pool.take(&operation).await?;
    let taken = u64::try_from(rows.len().saturating_add(bad.len())).unwrap_or(u64::MAX);
    let (from, to) = (stored(position), stored(position.saturating_add(taken)));
    take(&mut connection, (key, from, to), (rows, bad), &operation).await
}

async fn take(
    connection: &mut Connection,
    (key, from, to): (i64, i64, i64),
    (rows, bad): (&[StagedRow], &[BadRow]),
    operation: &Operation,
) -> Result<bool, StoreError> {
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let transaction = begin(connection, operation).await?;
    let more_bad = i64::try_from(bad.len()).unwrap_or(i64::MAX);
    let advance = include_str!("../sql/reconcile/advance.sql");
    let moved = transaction.query(advance, &[&key, &from, &to, &more_bad]).await.map_err(failed)?;
    if moved.is_empty() {
        return Ok(false);
    }
    list_bad(&transaction, key, bad, operation).await?;
    let sink = transaction.copy_in(COPY).await.map_err(failed)?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &TYPES));
    for row in rows {
        let [total, fund, account] = fens(&row.amounts);
        let cells: [&(dyn ToSql + Sync); 9] = [
            &key,
            &stored(row.line),
            &row.settlement.as_str(),
            &row.stay.as_ref().map(StayId::as_str),
            &row.person_number.as_ref().map(PersonNumber::as_str),
            &row.refund,
            &total,
            &fund,
            &account,
        ];
        writer.as_mut().write(&cells).await.map_err(failed)?;
    }
    writer.finish().await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(true)
}

/// Lists bad rows for as long as there is room; all of them are counted.
pub(super) async fn list_bad(
    transaction: &deadpool_postgres::Transaction<'_>,
    key: i64,
    bad: &[BadRow],
    operation: &Operation,
) -> Result<(), StoreError> {
    if bad.is_empty() {
        return Ok(());
    }
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let listed = "SELECT count(*) AS listed FROM statement_bad_row WHERE statement_key = $1";
    let rows = transaction.query(listed, &[&key]).await.map_err(failed)?;
    let listed = match rows.first() {
        Some(row) => count(&Reader { row, operation }, "listed")?,
        None => 0,
    };
    let room = stored(limits::STATEMENT_BAD_ROWS_LISTED_MAX.saturating_sub(listed));
    let lines: Vec<i64> = bad.iter().map(|row| stored(row.line)).collect();
    let reasons: Vec<&str> = bad.iter().map(|row| row.reason).collect();
    let columns: Vec<&str> = bad.iter().map(|row| row.column).collect();
    let settlements: Vec<Option<&str>> =
        bad.iter().map(|row| row.settlement.as_ref().map(SettlementId::as_str)).collect();
    let sql = include_str!("../sql/reconcile/bad_rows.sql");
    transaction
        .execute(sql, &[&key, &lines, &reasons, &columns, &settlements, &room])
        .await
        .map(|_| ())
        .map_err(failed)
}
