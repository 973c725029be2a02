//! Statements of the other side: taken in batches, matched in one ordered pass, explained, settled and closed.
//!
//! A batch and how far the statement is are one transaction, so that a killed import goes on where it was; matching is one
//! transaction, so that there are all differences of a statement or none. What came of it is history.

mod explained;
mod listed;
mod matched;
mod staged;

use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::Row as DatabaseRow;
use tokio_postgres::types::ToSql;

use super::error::{Operation, StoreError};
use super::pool::{Connection, Pool, READ_EVERYTHING, UNHURRIED};
use super::row::{self, Reader};
use crate::domain::bill::Care;
use crate::domain::ids::{HospitalCode, PersonNumber, RegionCode, SettlementId, StayId};
use crate::domain::money::Fen;
use crate::domain::reconcile::{Amounts, Class, ClassTotal, Report, Scope, Sum};
use crate::domain::standing::Scheme;

pub use self::explained::{
    Closing, Difference, Happened, Identity, Note, Noted, Seen, ToExplain, Why, close_statement,
    differences, explanations, note_difference, note_explanations, record_differences_seen,
    record_these_seen, unexplained,
};
pub use self::listed::{
    Carried, Event, Latest, carried, history, names_settled, packages_near, statements,
};
pub use self::matched::match_statement;
pub use self::staged::{BadRow, Begun, Opening, StagedRow, begin_statement, take_rows};

/// How far a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its rows are being taken.
    Receiving,
    /// All its rows are durable.
    Received,
    /// Every row has its class.
    Matched,
    /// It stands still.
    Closed,
}

/// A statement as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its key.
    pub key: i64,
    /// What it is of.
    pub scope: Scope,
    /// Who sent it.
    pub sender: String,
    /// The totals beside the file.
    pub told: Sum,
    /// What the good rows of the file come to.
    pub file: Sum,
    /// Rows of the file.
    pub file_rows: u64,
    /// Rows that are durable.
    pub rows_durable: u64,
    /// Rows that count for nothing.
    pub rows_bad: u64,
    /// Differences, once it is matched.
    pub differences: u64,
    /// Those that were looked at.
    pub explained: u64,
    /// How far it is.
    pub state: State,
    /// When it began to come.
    pub received_at: Timestamp,
    /// Who closed it, and when.
    pub closed: Option<(String, Timestamp)>,
    /// Although what, where rows are bad or the totals beside it are others; else empty.
    pub although: String,
    /// The statement that was closed for its days, of the same or a wider scope: nothing more becomes of this one.
    pub superseded_by: Option<i64>,
}

/// What we have of one group of a day. (`3201`)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTotal {
    /// The hospital.
    pub hospital: HospitalCode,
    /// The scheme.
    pub scheme: Scheme,
    /// As recorded; may be empty.
    pub clearing_type: String,
    /// The kind of care.
    pub care: Care,
    /// As recorded; may be empty.
    pub clearing_agency: String,
    /// Are these reversals?
    pub refund: bool,
    /// How many, and how much.
    pub sum: Sum,
    /// What each fund pays, by the name of its payer.
    pub funds: Vec<(String, Fen)>,
}

impl GroupTotal {
    /// Is it of the same group?
    fn is_of(&self, other: &Self) -> bool {
        let Self { hospital, scheme, clearing_type, care, clearing_agency, refund, .. } = self;
        *hospital == other.hospital
            && *scheme == other.scheme
            && *clearing_type == other.clearing_type
            && *care == other.care
            && *clearing_agency == other.clearing_agency
            && *refund == other.refund
    }
}

impl State {
    const ALL: [Self; 4] = [Self::Receiving, Self::Received, Self::Matched, Self::Closed];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Received => "received",
            Self::Matched => "matched",
            Self::Closed => "closed",
        }
    }

    /// The state of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A scope as parameters, in the order in which the statements want them.
struct Wanted {
    first: Date,
    last: Date,
    hospital: Option<String>,
    region_from: Option<String>,
    region_to: Option<String>,
    scheme: Option<&'static str>,
    clearing_type: Option<String>,
    cares: Vec<&'static str>,
    clearing_agency: Option<String>,
    payer: Option<String>,
    refund: Option<bool>,
}

impl Wanted {
    fn of(scope: &Scope) -> Self {
        let (from, to) = scope.regions().unzip();
        let clearing = scope.clearing_type.as_deref();
        Self {
            first: scope.first_day,
            last: scope.last_day,
            hospital: scope.hospital.as_ref().map(ToString::to_string),
            region_from: from.map(|region| region.to_string()),
            region_to: to.map(|region| region.to_string()),
            scheme: scope.scheme.map(Scheme::word),
            clearing_type: scope.clearing_type.clone(),
            cares: clearing.map(crate::domain::reconcile::cares_of).unwrap_or_default(),
            clearing_agency: scope.clearing_agency.clone(),
            payer: scope.payer.clone(),
            refund: scope.refund,
        }
    }

    fn params(&self) -> [&(dyn ToSql + Sync); 11] {
        [
            &self.first,
            &self.last,
            &self.hospital,
            &self.region_from,
            &self.region_to,
            &self.scheme,
            &self.clearing_type,
            &self.cares,
            &self.clearing_agency,
            &self.payer,
            &self.refund,
        ]
    }
}

/// A statement by its key.
pub async fn statement(pool: &Pool, key: i64) -> Result<Option<Statement>, StoreError> {
    let operation = Operation::Reconcile("read a statement");
    let connection = pool.take(&operation).await?;
    let sql = include_str!("sql/reconcile/status.sql");
    let rows = connection.query(sql, &[&key], &operation).await?;
    rows.first().map(|row| read_statement(&Reader { row, operation: &operation })).transpose()
}

/// What both sides say in each class of a statement that is matched.
pub async fn report(pool: &Pool, key: i64) -> Result<Report, StoreError> {
    let operation = Operation::Reconcile("read what came of a statement");
    let connection = pool.take(&operation).await?;
    let sql = include_str!("sql/reconcile/report.sql");
    let rows = connection.query(sql, &[&key], &operation).await?;
    let mut report = Report::default();
    for row in &rows {
        let reader = Reader { row, operation: &operation };
        let class = reader.text("class", Class::from_word)?;
        let ours = sum(&reader, ["our_rows", "our_total_fen", "our_fund_fen", "our_account_fen"])?;
        let theirs =
            sum(&reader, ["their_rows", "their_total_fen", "their_fund_fen", "their_account_fen"])?;
        report.set(class, ClassTotal { ours, theirs });
    }
    Ok(report)
}

/// The bad rows of a statement, the first so many.
pub async fn bad_rows(
    pool: &Pool,
    key: i64,
    most: i64,
) -> Result<Vec<(u64, String, String)>, StoreError> {
    let operation = Operation::Reconcile("list bad rows");
    let connection = pool.take(&operation).await?;
    let sql = include_str!("sql/reconcile/bad_rows_of.sql");
    let rows = connection.query(sql, &[&key, &most], &operation).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            Ok((count(&reader, "line")?, reader.get("reason")?, reader.get("column_name")?))
        })
        .collect()
}

/// What we have of a scope, group by group.
pub async fn group_totals(pool: &Pool, scope: &Scope) -> Result<Vec<GroupTotal>, StoreError> {
    let operation = Operation::Reconcile("add up what was settled");
    let mut connection = pool.take(&operation).await?;
    let transaction = begin(&mut connection, &operation).await?;
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    // Both statements see the same settlements, also of a day that goes on.
    let still = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
    transaction.batch_execute(still).await.map_err(failed)?;
    let wanted = Wanted::of(scope);
    let sql = include_str!("sql/reconcile/totals.sql");
    let rows = transaction.query(sql, &wanted.params()).await.map_err(failed)?;
    let mut groups = Vec::with_capacity(rows.len());
    for row in &rows {
        let reader = Reader { row, operation: &operation };
        let sum = sum(&reader, ["rows", "total_fen", "fund_fen", "account_fen"])?;
        groups.push(GroupTotal { sum, ..group(&reader)? });
    }
    let sql = include_str!("sql/reconcile/totals_by_fund.sql");
    let rows = transaction.query(sql, &wanted.params()).await.map_err(failed)?;
    // Both come in the same order.
    let mut rest = groups.iter_mut().peekable();
    for row in &rows {
        let reader = Reader { row, operation: &operation };
        let own = group(&reader)?;
        while rest.next_if(|group| !group.is_of(&own)).is_some() {}
        if let Some(group) = rest.peek_mut() {
            group.funds.push((reader.get("payer")?, Fen::new(reader.get("pay_fen")?)));
        }
    }
    Ok(groups)
}

/// The group that a row is of, with nothing in it.
fn group(reader: &Reader<'_>) -> Result<GroupTotal, StoreError> {
    Ok(GroupTotal {
        hospital: reader.text("hospital_code", HospitalCode::new)?,
        scheme: reader.scheme("scheme")?,
        clearing_type: reader.get("clearing_type")?,
        care: reader.text("care_type", row::care)?,
        clearing_agency: reader.get("clearing_agency")?,
        refund: reader.get("refund")?,
        sum: Sum::default(),
        funds: Vec::new(),
    })
}

/// Runs one statement that may take its time, in a transaction of its own.
async fn unhurried(
    pool: &Pool,
    operation: &Operation,
    sql: &'static str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<DatabaseRow>, StoreError> {
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let mut connection = pool.take(operation).await?;
    connection.count();
    let transaction = connection.client.transaction().await.map_err(failed)?;
    transaction.batch_execute(UNHURRIED).await.map_err(failed)?;
    let statement = transaction.prepare_cached(sql).await.map_err(failed)?;
    let rows = transaction.query(&statement, params).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(rows)
}

/// A transaction that may read whole tables and take its time: it is nothing of the desk's.
async fn begin<'a>(
    connection: &'a mut Connection,
    operation: &Operation,
) -> Result<deadpool_postgres::Transaction<'a>, StoreError> {
    connection.count();
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let transaction = connection.client.transaction().await.map_err(failed)?;
    transaction.batch_execute(READ_EVERYTHING).await.map_err(failed)?;
    // Rows of a day are sorted by pair: in memory as far as that is cheap, else beside it.
    transaction.batch_execute("SET LOCAL work_mem = '64MB'").await.map_err(failed)?;
    Ok(transaction)
}

fn read_statement(reader: &Reader<'_>) -> Result<Statement, StoreError> {
    let closed_at: Option<Timestamp> = reader.get("closed_at")?;
    let closed_by: Option<String> = reader.get("closed_by")?;
    let file = ["file_good_rows", "file_total_fen", "file_fund_fen", "file_account_fen"];
    Ok(Statement {
        key: reader.get("statement_key")?,
        scope: Scope {
            hospital: reader.maybe("hospital_code", HospitalCode::new)?,
            region: reader.maybe("insured_region", RegionCode::new)?,
            scheme: reader.maybe("scheme", Scheme::from_word)?,
            clearing_type: reader.get("clearing_type")?,
            clearing_agency: reader.get("clearing_agency")?,
            payer: reader.get("payer")?,
            refund: reader.get("refund")?,
            first_day: reader.get("first_day")?,
            last_day: reader.get("last_day")?,
        },
        sender: reader.get("sender")?,
        told: sum(reader, ["told_rows", "told_total_fen", "told_fund_fen", "told_account_fen"])?,
        file: sum(reader, file)?,
        file_rows: count(reader, "file_rows")?,
        rows_durable: count(reader, "rows_durable")?,
        rows_bad: count(reader, "rows_bad")?,
        differences: count(reader, "differences")?,
        explained: count(reader, "explained")?,
        state: reader.text("state", State::from_word)?,
        received_at: reader.get("received_at")?,
        closed: closed_by.zip(closed_at),
        although: reader.get("closed_although")?,
        superseded_by: reader.get("superseded_by")?,
    })
}

fn amounts(reader: &Reader<'_>, fields: [&'static str; 3]) -> Result<Amounts, StoreError> {
    let fen = |field| reader.get::<i64>(field).map(Fen::new);
    let [total, fund, account] = fields;
    Ok(Amounts::new(fen(total)?, fen(fund)?, fen(account)?))
}

fn sum(reader: &Reader<'_>, fields: [&'static str; 4]) -> Result<Sum, StoreError> {
    let [rows, total, fund, account] = fields;
    Ok(Sum { rows: count(reader, rows)?, amounts: amounts(reader, [total, fund, account])? })
}

fn count(reader: &Reader<'_>, field: &'static str) -> Result<u64, StoreError> {
    let count: i64 = reader.get(field)?;
    reader.parse(field, u64::try_from(count).ok())
}

/// As the database keeps it. No count of ours comes near the end of it.
fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn fens(amounts: &Amounts) -> [i64; 3] {
    amounts.0.map(Fen::get)
}

/// Keeps a file of a hospital under a number; one that is there already is the same.
pub async fn keep_file(
    pool: &Pool,
    (number, hospital): (i64, &HospitalCode),
    (name, bytes): (&str, &[u8]),
) -> Result<(), StoreError> {
    let operation = Operation::National("keep a statement file", hospital.clone());
    let connection = pool.take(&operation).await?;
    let sql = include_str!("sql/reconcile/keep_file.sql");
    let params: [&(dyn ToSql + Sync); 4] = [&number, &hospital.as_str(), &name, &bytes];
    connection.query(sql, &params, &operation).await.map(|_| ())
}

/// A file that a hospital sent.
pub async fn find_file(
    pool: &Pool,
    (number, hospital): (i64, &HospitalCode),
) -> Result<Option<Vec<u8>>, StoreError> {
    let operation = Operation::National("find a statement file", hospital.clone());
    let connection = pool.take(&operation).await?;
    let sql = include_str!("sql/reconcile/find_file.sql");
    let rows = connection.query(sql, &[&number, &hospital.as_str()], &operation).await?;
    rows.first().map(|row| Reader { row, operation: &operation }.get("content")).transpose()
}
