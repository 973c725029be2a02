//! What was settled without the core and is compared with it later: which persons are due, all of theirs that is in force, and the
//! corrections of a person, written in one transaction or not at all.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::types::ToSql;

use super::commit::{Statement, Write};
use super::error::{Operation, StoreError};
use super::find::entry;
use super::pool::{Pool, READ_EVERYTHING};
use super::row::Reader;
use super::value::Group;
use crate::domain::ids::{HospitalCode, PersonId, SettlementId, StayId};
use crate::domain::ledger::Entry;
use crate::domain::money::Fen;

const DUE: &str = include_str!("sql/trueup/due.sql");
const CHAIN: &str = include_str!("sql/trueup/chain.sql");
const NOTE: &str = include_str!("sql/trueup/note.sql");
const REVERSED: &str = include_str!("sql/trueup/reversed.sql");
const CORRECT: &str = include_str!("sql/trueup/correct.sql");
const LIST: &str = include_str!("sql/trueup/list.sql");
const CORRECTION_OF: &str = include_str!("sql/trueup/correction_of.sql");
const STUCK: &str = include_str!("sql/trueup/stuck.sql");
const AGAIN: &str = include_str!("sql/trueup/again.sql");
const COUNT_STUCK: &str = "SELECT count(*) AS stuck FROM trueup WHERE state = 'stuck'";
const COUNTS: &str = include_str!("sql/trueup/counts.sql");

/// How a true-up stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrueUpState {
    /// The core is still to be asked.
    Pending,
    /// The core says the same.
    Confirmed,
    /// It was taken back and settled anew.
    Corrected,
    /// Somebody must look at it.
    Stuck,
}

impl TrueUpState {
    const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Corrected => "corrected",
            Self::Stuck => "stuck",
        }
    }
}

/// All that is in force of a person, in the order in which it was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// Each, and whether it is still to be trued up.
    pub entries: Vec<(Entry, bool)>,
    /// Version of the person's standing.
    pub standing_version: i64,
    /// Version of what they have used.
    pub ledger_version: i64,
}

/// A settlement that is taken back and settled anew.
#[derive(Clone, Debug)]
pub struct Correction {
    /// The settlement as it was.
    pub original: SettlementId,
    /// Because of which provisional settlement.
    pub because_of: SettlementId,
    /// Takes it back.
    pub reversal: Arc<Entry>,
    /// Takes its place.
    pub new: Arc<Entry>,
    /// What the hospital has still to collect from the patient; below zero: to pay back.
    pub patient_collect: Fen,
    /// What the funds owe the hospital more; below zero: less.
    pub fund_more: Fen,
}

/// What comes of a person's true-ups.
#[derive(Clone, Debug, Default)]
pub struct TruedUp {
    /// In the order in which they were settled.
    pub corrections: Vec<Correction>,
    /// How those stand now that were due.
    pub states: Vec<(SettlementId, TrueUpState)>,
    /// Why, where they are stuck or still pending.
    pub code: Option<String>,
}

/// A correction as hospitals are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrected {
    /// Whose.
    pub person: PersonId,
    /// The settlement as it was.
    pub original: SettlementId,
    /// What took it back.
    pub reversal: SettlementId,
    /// What took its place.
    pub new: SettlementId,
    /// Because of which provisional settlement.
    pub because_of: SettlementId,
    /// The hospital.
    pub hospital: HospitalCode,
    /// The stay.
    pub stay: StayId,
    /// Its last day.
    pub discharge: Date,
    /// What is still to be collected from the patient; below zero: to be paid back.
    pub patient_collect: Fen,
    /// What the funds owe the hospital more; below zero: less.
    pub fund_more: Fen,
    /// When.
    pub corrected_at: Timestamp,
}

/// Persons who have something to be trued up.
pub async fn due_true_ups(
    pool: &Pool,
    now: Timestamp,
    most: usize,
) -> Result<Vec<PersonId>, StoreError> {
    let operation = Operation::TrueUp("look for what is to be trued up");
    let connection = pool.take(&operation).await?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = connection.query(DUE, &[&now, &most], &operation).await?;
    let person = |row| {
        let reader = Reader { row, operation: &operation };
        let person = reader.person("person_id")?;
        reader.parse("person_id", person)
    };
    rows.iter().map(person).collect()
}

/// All that is in force of a person; what the hospital took back itself is noted on the way. Nothing where nothing is in force.
pub async fn in_force(
    pool: &Pool,
    person: PersonId,
    now: Timestamp,
) -> Result<Option<InForce>, StoreError> {
    let operation = Operation::TrueUp("read what is in force of a person");
    let connection = pool.take(&operation).await?;
    let (bucket, id) = (person.bucket(), person.get());
    connection.query(REVERSED, &[&bucket, &id, &now], &operation).await?;
    let rows = connection.query(CHAIN, &[&bucket, &id], &operation).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let reader = Reader { row: first, operation: &operation };
    let (standing_version, ledger_version) =
        (reader.get("standing_now")?, reader.get("ledger_now")?);
    let entries = rows.iter().map(|row| {
        let reader = Reader { row, operation: &operation };
        Ok((entry(&reader)?, reader.get("is_pending")?))
    });
    let entries = entries.collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Some(InForce { entries, standing_version, ledger_version }))
}

/// Writes what comes of a person's true-ups, all of it or nothing; false where the person moved meanwhile.
pub async fn write_true_ups(
    pool: &Pool,
    person: PersonId,
    trued_up: &TruedUp,
    (now, next_at): (Timestamp, Timestamp),
) -> Result<bool, StoreError> {
    let operation = Operation::TrueUp("write what was trued up");
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let mut connection = pool.take(&operation).await?;
    connection.count();
    // Nothing is answered from memory as it was before.
    pool.persons().forget([person]);
    let transaction = connection.client.transaction().await.map_err(failed)?;
    let commit = transaction.prepare_cached(Statement::Careful.sql()).await.map_err(failed)?;
    for correction in &trued_up.corrections {
        for entry in [&correction.reversal, &correction.new] {
            let write = Write::alone(Arc::clone(entry));
            let group = Group { entries: &[&write] };
            let rows = transaction.query(&commit, &[&group, &None::<i64>]).await.map_err(failed)?;
            if rows.is_empty() {
                transaction.rollback().await.map_err(failed)?;
                return Ok(false);
            }
        }
    }
    let (bucket, id) = (person.bucket(), person.get());
    let rows = Columns::of(&trued_up.corrections);
    if !trued_up.corrections.is_empty() {
        let params: [&(dyn ToSql + Sync); 10] = [
            &now,
            &bucket,
            &id,
            &rows.originals,
            &rows.reversals,
            &rows.new,
            &rows.because_of,
            &rows.hospitals,
            &rows.collect,
            &rows.more,
        ];
        let correct = transaction.prepare_cached(CORRECT).await.map_err(failed)?;
        transaction.execute(&correct, &params).await.map_err(failed)?;
    }
    let settlements: Vec<&str> = trued_up.states.iter().map(|(id, _)| id.as_str()).collect();
    let states: Vec<&str> = trued_up.states.iter().map(|(_, state)| state.word()).collect();
    let note = transaction.prepare_cached(NOTE).await.map_err(failed)?;
    let params: [&(dyn ToSql + Sync); 7] =
        [&now, &bucket, &id, &settlements, &states, &next_at, &trued_up.code];
    transaction.execute(&note, &params).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    pool.persons().forget([person]);
    Ok(true)
}

/// Corrections in columns.
#[derive(Default)]
struct Columns<'a> {
    originals: Vec<&'a str>,
    reversals: Vec<&'a str>,
    new: Vec<&'a str>,
    because_of: Vec<&'a str>,
    hospitals: Vec<&'a str>,
    collect: Vec<i64>,
    more: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn of(corrections: &'a [Correction]) -> Self {
        let mut columns = Self::default();
        for correction in corrections {
            columns.originals.push(correction.original.as_str());
            columns.reversals.push(correction.reversal.settlement.as_str());
            columns.new.push(correction.new.settlement.as_str());
            columns.because_of.push(correction.because_of.as_str());
            columns.hospitals.push(correction.new.hospital.as_str());
            columns.collect.push(correction.patient_collect.get());
            columns.more.push(correction.fund_more.get());
        }
        columns
    }
}

/// What was corrected, of a hospital or of all, from a moment on, behind a settlement of that moment where one is named, the oldest
/// first, at most so many.
pub async fn corrections(
    pool: &Pool,
    hospital: Option<&HospitalCode>,
    (from, after): (Timestamp, Option<&SettlementId>),
    most: usize,
) -> Result<Vec<Corrected>, StoreError> {
    let operation = Operation::TrueUp("list what was trued up");
    let connection = pool.take(&operation).await?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let hospital = hospital.map(HospitalCode::as_str);
    let after = after.map_or("", SettlementId::as_str);
    let rows = connection.query(LIST, &[&hospital, &from, &most, &after], &operation).await?;
    rows.iter().map(|row| corrected(&Reader { row, operation: &operation })).collect()
}

/// A true-up that somebody must look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckTrueUp {
    /// The provisional settlement.
    pub settlement: SettlementId,
    /// The hospital.
    pub hospital: HospitalCode,
    /// The stay.
    pub stay: StayId,
    /// Why.
    pub code: String,
    /// Since when.
    pub since: Timestamp,
}

/// True-ups that somebody must look at, the oldest first, at most so many.
pub async fn stuck_true_ups(pool: &Pool, most: usize) -> Result<Vec<StuckTrueUp>, StoreError> {
    let operation = Operation::TrueUp("list true-ups that are stuck");
    let connection = pool.take(&operation).await?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = connection.query(STUCK, &[&most], &operation).await?;
    let stuck = |row| {
        let reader = Reader { row, operation: &operation };
        Ok(StuckTrueUp {
            settlement: reader.text("settlement_id", SettlementId::new)?,
            hospital: reader.text("hospital_code", HospitalCode::new)?,
            stay: reader.text("stay_id", StayId::new)?,
            code: reader.get::<Option<String>>("last_code")?.unwrap_or_default(),
            since: reader.get("changed_at")?,
        })
    };
    rows.iter().map(stuck).collect()
}

/// How many true-ups somebody must look at.
pub async fn stuck_true_up_count(pool: &Pool) -> Result<u64, StoreError> {
    counted(pool, "count true-ups that are stuck", (COUNT_STUCK, &[]), "stuck").await
}

/// Has true-ups that are stuck tried again, once their cause is mended. Says how many.
pub async fn retry_stuck_true_ups(pool: &Pool, now: Timestamp) -> Result<u64, StoreError> {
    counted(pool, "try true-ups again that are stuck", (AGAIN, &[&now]), "again").await
}

async fn counted(
    pool: &Pool,
    what: &'static str,
    (sql, params): (&'static str, &[&(dyn ToSql + Sync)]),
    column: &'static str,
) -> Result<u64, StoreError> {
    let operation = Operation::TrueUp(what);
    let connection = pool.take(&operation).await?;
    let rows = connection.query(sql, params, &operation).await?;
    let count = |row| Reader { row, operation: &operation }.get::<i64>(column);
    Ok(u64::try_from(rows.first().map_or(Ok(0), count)?).unwrap_or(0))
}

/// How a settlement of a person was corrected, if it was.
pub async fn correction_of(
    pool: &Pool,
    person: PersonId,
    settlement: &SettlementId,
) -> Result<Option<Corrected>, StoreError> {
    let operation = Operation::TrueUp("look for what was trued up");
    let connection = pool.take(&operation).await?;
    let (bucket, id) = (person.bucket(), person.get());
    let key: [&(dyn ToSql + Sync); 3] = [&bucket, &id, &settlement.as_str()];
    let rows = connection.query(CORRECTION_OF, &key, &operation).await?;
    rows.first().map(|row| corrected(&Reader { row, operation: &operation })).transpose()
}

fn corrected(reader: &Reader<'_>) -> Result<Corrected, StoreError> {
    let person = reader.person("person_id")?;
    Ok(Corrected {
        person: reader.parse("person_id", person)?,
        original: reader.text("settlement_id", SettlementId::new)?,
        reversal: reader.text("reversal_settlement_id", SettlementId::new)?,
        new: reader.text("new_settlement_id", SettlementId::new)?,
        because_of: reader.text("because_of_settlement_id", SettlementId::new)?,
        hospital: reader.text("hospital_code", HospitalCode::new)?,
        stay: reader.text("stay_id", StayId::new)?,
        discharge: reader.get("discharge_date")?,
        patient_collect: Fen::new(reader.get("patient_collect_fen")?),
        fund_more: Fen::new(reader.get("fund_more_fen")?),
        corrected_at: reader.get("corrected_at")?,
    })
}

/// How many true-ups stand how, by word.
pub async fn true_up_counts(pool: &Pool) -> Result<Vec<(String, u64)>, StoreError> {
    let operation = Operation::TrueUp("count what is to be trued up");
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let mut connection = pool.take(&operation).await?;
    connection.count();
    let transaction = connection.client.transaction().await.map_err(failed)?;
    transaction.batch_execute(READ_EVERYTHING).await.map_err(failed)?;
    let rows = transaction.query(COUNTS, &[]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    let count = |row| {
        let reader = Reader { row, operation: &operation };
        let settlements: i64 = reader.get("settlements")?;
        Ok((reader.get("state")?, u64::try_from(settlements).unwrap_or(0)))
    };
    rows.iter().map(count).collect()
}
