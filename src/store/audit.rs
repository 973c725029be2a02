//! What the audit reads: a month of the ledger in one pass, what was posted, statements, payments, deposits, and entries to look at.
//!
//! Nothing is kept for it: what is asked is added up anew, each time from the entries themselves.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::civil::Date;
use tokio_postgres::IsolationLevel;
use tokio_postgres::types::ToSql;

use super::error::{Operation, StoreError};
use super::finance::{Asked, regions, report};
use super::pool::{Pool, READ_EVERYTHING};
use super::row::{Reader, care};
use crate::domain::audit::alarm::{LateStatement, OfHospital};
use crate::domain::audit::{Granted, Period, Posted, Which};
use crate::domain::bill::Care;
use crate::domain::finance::clearing::State;
use crate::domain::finance::{AccountKind, Fund, PostingKind};
use crate::domain::ids::{HospitalCode, PackageHash, PersonId, RegionCode, SettlementId};
use crate::domain::ledger::EntryState;
use crate::domain::money::Fen;
use crate::domain::standing::Scheme;

/// First and last day.
pub type Days = (Date, Date);

/// The days that a month is looked at by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Months {
    /// The month itself.
    pub month: Days,
    /// The one before.
    pub last_month: Days,
    /// The same one a year before.
    pub last_year: Days,
}

/// A payment that went to no account of the hospital's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidElsewhere {
    /// The file and the line.
    pub reference: String,
    /// Whom it was for.
    pub hospital: HospitalCode,
    /// By whose funds.
    pub region: RegionCode,
    /// How much.
    pub amount: Fen,
    /// What is wrong with the account: "other_hospital", "unknown", "unconfirmed", "other_bank" or "replaced".
    pub why: String,
    /// Who made the file, and who confirmed the payment.
    pub by: (String, String),
}

/// An account that is more than one hospital's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedAccount {
    /// Of whom.
    pub hospital: HospitalCode,
    /// Which of theirs.
    pub account_no: i32,
    /// Where the hospital is.
    pub region: RegionCode,
    /// Whose else it is.
    pub others: String,
    /// How much was paid to it in the month.
    pub amount: Fen,
}

/// A correction that moves money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedByHand {
    /// Which.
    pub posting: String,
    /// Of which hospital.
    pub hospital: Option<HospitalCode>,
    /// Where.
    pub region: RegionCode,
    /// Of which fund.
    pub fund: Fund,
    /// How much, either way.
    pub amount: Fen,
    /// Why, as it was said.
    pub reason: String,
}

/// Which entries are asked for.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    /// In one of these regions.
    pub regions: Option<&'a [RegionCode]>,
    /// First and last day.
    pub days: Days,
    /// Of this hospital.
    pub hospital: Option<&'a HospitalCode>,
    /// Of this fund.
    pub fund: Option<Fund>,
    /// Of this class.
    pub class: Option<&'a str>,
    /// Of this kind of care.
    pub care: Option<Care>,
    /// All, or those to look at.
    pub which: Which,
    /// Ceilings, by package and payer.
    pub ceilings: &'a [(PackageHash, String, Fen)],
    /// In how many parts of ten thousand a bill may be out of the catalogue, and within how many days a further stay is a repeated one.
    pub thresholds: (i64, i32),
    /// After this one.
    pub after: Option<(Date, String)>,
    /// At most so many.
    pub most: i64,
}

/// A settlement or a reversal, and why it is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub settlement: SettlementId,
    /// Whose: for the record of who looked, and for no answer.
    pub person: PersonId,
    /// Which it reverses.
    pub reverses: Option<SettlementId>,
    /// Which it takes the place of.
    pub supersedes: Option<SettlementId>,
    /// What led to a true-up.
    pub because_of: Option<SettlementId>,
    /// By which hospital.
    pub hospital: HospitalCode,
    /// The insured region.
    pub region: RegionCode,
    /// By which scheme.
    pub scheme: Scheme,
    /// The identity that counted.
    pub class: String,
    /// What kind of care.
    pub care: Care,
    /// When.
    pub day: Date,
    /// Does it stand?
    pub state: EntryState,
    /// All charges.
    pub total: Fen,
    /// What funds pay.
    pub fund_total: Fen,
    /// What the fund asked for pays.
    pub of_fund: Fen,
    /// Out of the catalogue.
    pub out_of_catalogue: Fen,
    /// Why it was reversed.
    pub reason: Option<String>,
    /// Does it rest on assumed figures?
    pub assumed: bool,
    /// By which rules.
    pub package: PackageHash,
    /// Its record, where that is asked for.
    pub record: Option<Vec<u8>>,
    /// The stay before, and how many days lie between.
    pub earlier: Option<(SettlementId, i32)>,
    /// Which payer pays how much, and the ceiling.
    pub near: Option<(String, Fen, Fen)>,
}

/// All that a month is told by, as it stood at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// What settlements granted.
    pub granted: Vec<Granted>,
    /// What was posted.
    pub posted: Vec<Posted>,
    /// What statements leave open.
    pub stated: Vec<OfHospital>,
    /// Deposits past their release.
    pub overdue: Vec<OfHospital>,
    /// Statements that were not paid when they were due.
    pub late: Vec<LateStatement>,
    /// Payments that went to no account of the hospital's.
    pub elsewhere: Vec<PaidElsewhere>,
    /// Accounts that are more than one hospital's.
    pub shared: Vec<SharedAccount>,
    /// Corrections that move money.
    pub by_hand: Vec<MovedByHand>,
}

/// What of a month is read.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// In these regions.
    pub regions: Option<&'a [RegionCode]>,
    /// When.
    pub months: Months,
    /// Up to this day deposits should have been released.
    pub release_through: Date,
    /// At most so many groups, and alarms of each kind.
    pub most: (i64, i64),
}

/// Sums over a month hash what they group; what is planned for less is sorted on disk.
const ADD_UP: &str = "SET LOCAL work_mem = '64MB'";

/// One transaction that sees the same all along.
struct Reading<'a> {
    transaction: deadpool_postgres::Transaction<'a>,
    operation: Operation,
}

impl Reading<'_> {
    async fn rows<T>(
        &self,
        (sql, params): Asked<'_>,
        read: impl Fn(&Reader<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let operation = &self.operation;
        let failed = |source| StoreError::Statement { operation: operation.clone(), source };
        let statement = self.transaction.prepare(sql).await.map_err(failed)?;
        let rows = self.transaction.query(&statement, params).await.map_err(failed)?;
        rows.iter().map(|row| read(&Reader { row, operation })).collect()
    }
}

/// Reads a month: one pass over the settlements' columns, one over the few that have other payers, and what is small.
pub async fn month(pool: &Pool, look: &Look<'_>) -> Result<Seen, StoreError> {
    let operation = Operation::Audit("add a month up");
    let failed =
        |source| StoreError::Statement { operation: Operation::Audit("add a month up"), source };
    let mut connection = pool.take(&operation).await?;
    connection.count();
    let begun = connection.client.build_transaction();
    let begun = begun.isolation_level(IsolationLevel::RepeatableRead).read_only(true).start();
    let transaction = begun.await.map_err(failed)?;
    transaction.batch_execute(READ_EVERYTHING).await.map_err(failed)?;
    transaction.batch_execute(ADD_UP).await.map_err(failed)?;
    let reading = Reading { transaction, operation };
    let seen = see(&reading, look).await?;
    reading.transaction.commit().await.map_err(failed)?;
    Ok(seen)
}

async fn see(reading: &Reading<'_>, look: &Look<'_>) -> Result<Seen, StoreError> {
    let within = regions(look.regions);
    let Months { month: (first, last), last_month: l, last_year: y } = &look.months;
    let (groups, alarms) = &look.most;
    let by_months: &[&(dyn ToSql + Sync)] = &[&within, first, last, &l.0, &l.1, &y.0, &y.1, groups];
    let granted = (include_str!("sql/audit/granted.sql"), by_months);
    let others = (include_str!("sql/audit/others.sql"), by_months);
    let posted = (include_str!("sql/audit/posted.sql"), by_months);
    let granted = reading.rows(granted, read_granted).await?;
    let others = reading.rows(others, read_other).await?;
    let posted = reading.rows(posted, read_posted).await?;
    let of_month: &[&(dyn ToSql + Sync)] = &[&within, first, last, alarms];
    let stated: Asked<'_> = (include_str!("sql/audit/stated.sql"), &[&within, last]);
    let overdue: Asked<'_> =
        (include_str!("sql/audit/deposits.sql"), &[&within, &look.release_through, last]);
    Ok(Seen {
        granted: together(granted, others),
        posted,
        stated: reading.rows(stated, of_hospital).await?,
        overdue: reading.rows(overdue, of_hospital).await?,
        late: reading.rows((include_str!("sql/audit/late.sql"), of_month), read_late).await?,
        elsewhere: reading
            .rows((include_str!("sql/audit/elsewhere.sql"), of_month), read_elsewhere)
            .await?,
        shared: reading.rows((include_str!("sql/audit/shared.sql"), of_month), read_shared).await?,
        by_hand: reading
            .rows((include_str!("sql/audit/by_hand.sql"), of_month), read_by_hand)
            .await?,
    })
}

/// Puts what other payers paid into the groups that it is of. Where there is no such group, something does not add up, and that is seen.
fn together(granted: Vec<Granted>, others: Vec<Granted>) -> Vec<Granted> {
    type Group = (Period, RegionCode, HospitalCode, Scheme, String, Option<Care>);
    let group = |of: &Granted| -> Group {
        (of.period, of.region, of.hospital.clone(), of.scheme, of.class.clone(), of.care)
    };
    let mut all: BTreeMap<Group, Granted> =
        granted.into_iter().map(|of| (group(&of), of)).collect();
    for other in others {
        match all.entry(group(&other)) {
            Entry::Occupied(mut held) => held.get_mut().funds.extend(other.funds),
            Entry::Vacant(place) => {
                place.insert(other);
            }
        }
    }
    all.into_values().collect()
}

fn read_late(reader: &Reader<'_>) -> Result<LateStatement, StoreError> {
    Ok(LateStatement {
        id: reader.get("statement_id")?,
        hospital: reader.text("hospital_code", HospitalCode::new)?,
        region: reader.region("region")?,
        days: (reader.get("first_day")?, reader.get("last_day")?),
        due: reader.get("due_day")?,
        assumed: reader.get("assumed")?,
        state: reader.text("state", State::from_word)?,
        paid_on: reader.get("paid_on")?,
        amount: reader.fen("amount_fen")?,
    })
}

fn read_elsewhere(reader: &Reader<'_>) -> Result<PaidElsewhere, StoreError> {
    let (file, line): (String, i32) = (reader.get("file_id")?, reader.get("line_no")?);
    Ok(PaidElsewhere {
        reference: format!("{file}/{line}"),
        hospital: reader.text("hospital_code", HospitalCode::new)?,
        region: reader.region("region")?,
        amount: reader.fen("amount_fen")?,
        why: reader.get("why")?,
        by: (reader.get("made_by")?, reader.get("confirmed_by")?),
    })
}

fn read_shared(reader: &Reader<'_>) -> Result<SharedAccount, StoreError> {
    Ok(SharedAccount {
        hospital: reader.text("hospital_code", HospitalCode::new)?,
        account_no: reader.get("account_no")?,
        region: reader.region("region")?,
        others: reader.get("others")?,
        amount: reader.fen("amount_fen")?,
    })
}

fn read_by_hand(reader: &Reader<'_>) -> Result<MovedByHand, StoreError> {
    let hospital: String = reader.get("hospital_code")?;
    Ok(MovedByHand {
        posting: reader.get("posting_id")?,
        hospital: HospitalCode::new(&hospital),
        region: reader.region("region")?,
        fund: reader.fund("fund")?,
        amount: reader.fen("amount_fen")?,
        reason: reader.get("reason")?,
    })
}

/// The rules of some regions, in their canonical bytes.
pub async fn packages(
    pool: &Pool,
    within: Option<&[RegionCode]>,
) -> Result<Vec<(PackageHash, Vec<u8>)>, StoreError> {
    let operation = Operation::Audit("read rule packages");
    let asked: Asked<'_> = (include_str!("sql/audit/packages.sql"), &[&regions(within)]);
    let rows = report(pool, &operation, asked).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            Ok((PackageHash(reader.hash("hash")?), reader.get("canonical")?))
        })
        .collect()
}

/// Entries, in the order of their days.
pub async fn entries(pool: &Pool, asked: &Entries<'_>) -> Result<Vec<Listed>, StoreError> {
    let operation = Operation::Audit("list entries");
    let Entries { regions: within, days: (first, last), which, after, most, .. } = asked;
    let within = regions(*within);
    let hospital = asked.hospital.map(HospitalCode::as_str);
    let (fund, care) = (asked.fund.map(Fund::word), asked.care.map(Care::word));
    let (after_day, after_id) =
        (after.as_ref().map(|(day, _)| *day), after.as_ref().map(|(_, id)| id));
    let hashes: Vec<&[u8]> = asked.ceilings.iter().map(|(hash, ..)| &hash.0[..]).collect();
    let payers: Vec<&str> = asked.ceilings.iter().map(|(_, payer, _)| payer.as_str()).collect();
    let ceilings: Vec<i64> = asked.ceilings.iter().map(|(.., fen)| fen.get()).collect();
    let (share, days) = asked.thresholds;
    let sql = include_str!("sql/audit/entries.sql");
    let which = which.word();
    let params: Asked<'_> = (
        sql,
        &[
            &within,
            first,
            last,
            &hospital,
            &fund,
            &asked.class,
            &care,
            &which,
            &after_day,
            &after_id,
            most,
            &hashes,
            &payers,
            &ceilings,
            &share,
            &days,
        ],
    );
    let rows = report(pool, &operation, params).await?;
    rows.iter().map(|row| read_listed(&Reader { row, operation: &operation })).collect()
}

fn period(reader: &Reader<'_>, number: i32) -> Result<Period, StoreError> {
    reader.parse("period", Period::from_number(number))
}

/// No code and no kind of care are empty texts.
fn maybe_care(reader: &Reader<'_>) -> Result<Option<Care>, StoreError> {
    let word: String = reader.get("care")?;
    if word.is_empty() { Ok(None) } else { reader.parse("care", care(&word)).map(Some) }
}

fn read_granted(reader: &Reader<'_>) -> Result<Granted, StoreError> {
    let words: Vec<&str> = reader.borrowed("fund")?;
    let mut funds = Vec::new();
    for (word, granted) in words.into_iter().zip(reader.fens("granted_fen")?) {
        if granted != Fen::ZERO {
            funds.push((reader.parse("fund", Fund::from_word(word))?, granted, Fen::ZERO));
        }
    }
    Ok(Granted {
        entries: reader.count("entries")?,
        reversals: reader.count("reversals")?,
        assumed: reader.count("assumed")?,
        assumed_granted: reader.fen("assumed_fen")?,
        charged: reader.fen("charged_fen")?,
        total: reader.fen("granted_total_fen")?,
        funds,
        ..group_of(reader)?
    })
}

fn read_other(reader: &Reader<'_>) -> Result<Granted, StoreError> {
    let fund = (reader.fund("fund")?, reader.fen("granted_fen")?, reader.fen("benefit_fen")?);
    Ok(Granted { funds: vec![fund], ..group_of(reader)? })
}

/// Which group it is, and nothing in it.
fn group_of(reader: &Reader<'_>) -> Result<Granted, StoreError> {
    Ok(Granted {
        period: period(reader, reader.get("period")?)?,
        region: reader.region("region")?,
        hospital: reader.text("hospital_code", HospitalCode::new)?,
        scheme: reader.scheme("scheme")?,
        class: reader.get("class")?,
        care: maybe_care(reader)?,
        entries: 0,
        reversals: 0,
        assumed: 0,
        assumed_granted: Fen::ZERO,
        charged: Fen::ZERO,
        total: Fen::ZERO,
        funds: Vec::new(),
    })
}

fn read_posted(reader: &Reader<'_>) -> Result<Posted, StoreError> {
    let hospital: String = reader.get("hospital_code")?;
    let (kind, number): (Option<String>, Option<i32>) =
        (reader.get("kind")?, reader.get("period")?);
    let of = match (kind, number) {
        (Some(kind), Some(number)) => {
            let kind = reader.parse("kind", PostingKind::from_word(&kind))?;
            Some((kind, period(reader, number)?))
        }
        (None, _) | (_, None) => None,
    };
    Ok(Posted {
        account: reader.text("account", AccountKind::from_word)?,
        fund: reader.fund("fund")?,
        region: reader.region("region")?,
        hospital: HospitalCode::new(&hospital),
        of,
        amount: reader.fen("amount_fen")?,
    })
}

fn of_hospital(reader: &Reader<'_>) -> Result<OfHospital, StoreError> {
    Ok(OfHospital {
        hospital: reader.text("hospital_code", HospitalCode::new)?,
        region: reader.region("region")?,
        fund: reader.fund("fund")?,
        amount: reader.fen("amount_fen")?,
    })
}

fn read_listed(reader: &Reader<'_>) -> Result<Listed, StoreError> {
    let person = reader.person("person_id")?;
    let days: Option<i32> = reader.get("days_between")?;
    let near: (Option<String>, Option<i64>, Option<i64>) =
        (reader.get("near_payer")?, reader.get("near_pay_fen")?, reader.get("near_ceiling_fen")?);
    let near = match near {
        (Some(payer), Some(pay), Some(ceiling)) => Some((payer, Fen::new(pay), Fen::new(ceiling))),
        (None, ..) | (_, None, _) | (.., None) => None,
    };
    Ok(Listed {
        settlement: reader.text("settlement_id", SettlementId::new)?,
        person: reader.parse("person_id", person)?,
        reverses: reader.settlement("reverses_settlement_id")?,
        supersedes: reader.settlement("supersedes_settlement_id")?,
        because_of: reader.settlement("because_of_settlement_id")?,
        hospital: reader.text("hospital_code", HospitalCode::new)?,
        region: reader.region("region")?,
        scheme: reader.scheme("scheme")?,
        class: reader.get("class")?,
        care: reader.text("care", care)?,
        day: reader.get("accounting_day")?,
        state: reader.text("state", EntryState::from_word)?,
        total: reader.fen("total_fen")?,
        fund_total: reader.fen("fund_pay_total_fen")?,
        of_fund: reader.fen("fund_fen")?,
        out_of_catalogue: reader.fen("out_of_catalogue_fen")?,
        reason: reader.get("reason")?,
        assumed: reader.get("assumed")?,
        package: PackageHash(reader.hash("package_hash")?),
        record: reader.get("record")?,
        earlier: reader.settlement("earlier_settlement_id")?.zip(days),
        near,
    })
}
