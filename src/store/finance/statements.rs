//! Clearing statements: what they are made of, how they are kept, and the steps that they take.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use super::super::error::{Operation, StoreError};
use super::super::pool::Pool;
use super::super::row::Reader;
use super::{Broken, Kept, postings, regions, report, together};
use crate::domain::finance::clearing::{FundLine, State, Terms};
use crate::domain::finance::workdays::Due;
use crate::domain::finance::{Fund, Posting};
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::money::{Fen, Rate};
use crate::domain::standing::Scheme;

/// Settlements of one hospital, insured region, scheme and clearing type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `fixmedins_code`
    pub hospital: HospitalCode,
    /// `insuplc_admdvs`
    pub insured_region: RegionCode,
    /// `mdtrtarea_admvs`
    pub treatment_region: RegionCode,
    /// `insutype`
    pub scheme: Scheme,
    /// `clr_type`
    pub clearing_type: String,
    /// How many settlements.
    pub settlements: u64,
    /// How many reversals.
    pub reversals: u64,
    /// How many of them are still to be trued up.
    pub provisional: u64,
    /// All charges. `medfee_sumamt`
    pub total: Fen,
    /// Paid at the desk. `cash_payamt`
    pub cash: Fen,
    /// What each fund owes; funds that owe nothing may be missing.
    pub owed: BTreeMap<Fund, Fen>,
}

/// A statement as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its id.
    pub id: String,
    /// Of what; what funds owe stands in the lines.
    pub of: Group,
    /// First day.
    pub first: Date,
    /// Last day.
    pub last: Date,
    /// Fund by fund.
    pub lines: Vec<FundLine>,
    /// The share withheld.
    pub deposit: Rate,
    /// Did nobody say what is withheld and when it is due?
    pub terms_assumed: bool,
    /// When the hospital must have its money.
    pub due: Due,
    /// Who put it together.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// Where it stands.
    pub state: State,
    /// Who agreed first.
    pub first_approver: Option<String>,
    /// And second.
    pub second_approver: Option<String>,
    /// Why it was withdrawn; else empty.
    pub reason: String,
}

/// What an earlier statement left, and what was paid in advance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOver {
    /// Below zero, by fund.
    pub carried: BTreeMap<Fund, Fen>,
    /// Not used up yet, by fund.
    pub advances: BTreeMap<Fund, Fen>,
}

/// Which statements are asked for.
#[derive(Clone, Debug, Default)]
pub struct Statements<'a> {
    /// This one.
    pub id: Option<&'a str>,
    /// Of one of these regions, on either side.
    pub regions: Option<&'a [RegionCode]>,
    /// Of this hospital.
    pub hospital: Option<&'a HospitalCode>,
    /// Of these schemes.
    pub schemes: Option<&'a [Scheme]>,
    /// In this state.
    pub state: Option<State>,
    /// With days from this one on.
    pub from: Option<Date>,
    /// Up to and with this day.
    pub to: Option<Date>,
    /// After this id.
    pub after: Option<&'a str>,
    /// At most so many.
    pub most: i64,
}

/// A step of a statement.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// Which statement.
    pub id: &'a str,
    /// Where it must stand.
    pub from: State,
    /// Where it goes.
    pub to: State,
    /// Who.
    pub by: &'a str,
    /// When.
    pub at: Timestamp,
    /// Why, where it is withdrawn.
    pub reason: Option<&'a str>,
}

/// A step that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where it went.
    pub state: State,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What hospitals of a region are owed for some days, where no statement has exactly these days already.
pub async fn open_groups(
    pool: &Pool,
    region: RegionCode,
    (first, last): (Date, Date),
    (hospital, insured): (Option<&HospitalCode>, Option<RegionCode>),
) -> Result<Vec<Group>, StoreError> {
    let operation = Operation::Finance("add up settlements for statements");
    let (hospital, insured) =
        (hospital.map(HospitalCode::as_str), insured.map(|region| region.to_string()));
    let sql = include_str!("../sql/finance/open_groups.sql");
    let params: super::Asked<'_> =
        (sql, &[&region.to_string(), &first, &last, &hospital, &insured]);
    let rows = report(pool, &operation, params).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            let (funds, owed) = (reader.texts("fund", Fund::from_word)?, reader.fens("owed_fen")?);
            let owed = funds.into_iter().zip(owed).filter(|(_, owed)| *owed != Fen::ZERO);
            group(&reader, owed.collect())
        })
        .collect()
}

fn group(reader: &Reader<'_>, owed: BTreeMap<Fund, Fen>) -> Result<Group, StoreError> {
    Ok(Group {
        hospital: reader.text("hospital_code", HospitalCode::new)?,
        insured_region: reader.region("insured_region")?,
        treatment_region: reader.region("treatment_region")?,
        scheme: reader.scheme("scheme")?,
        clearing_type: reader.get("clearing_type")?,
        settlements: reader.count("settlements")?,
        reversals: reader.count("reversals")?,
        provisional: reader.count("provisional")?,
        total: reader.fen("total_fen")?,
        cash: reader.fen("cash_fen")?,
        owed,
    })
}

/// What is left over of a hospital from before a day.
pub async fn left_over(pool: &Pool, of: &Group, first: Date) -> Result<LeftOver, StoreError> {
    let operation = Operation::Finance("read what an earlier statement left");
    let sql = include_str!("../sql/finance/left_over.sql");
    let (hospital, insured) = (of.hospital.as_str(), of.insured_region.to_string());
    let scheme = of.scheme.word();
    let params: super::Asked<'_> =
        (sql, &[&hospital, &insured, &scheme, &of.clearing_type, &first]);
    let rows = report(pool, &operation, params).await?;
    let mut left = LeftOver::default();
    for row in &rows {
        let reader = Reader { row, operation: &operation };
        let what: String = reader.get("what")?;
        let amounts = if what == "carried" { &mut left.carried } else { &mut left.advances };
        amounts.insert(reader.fund("fund")?, reader.fen("amount_fen")?);
    }
    Ok(left)
}

/// Records statements, all or none.
pub async fn record_statements(pool: &Pool, made: &[Statement]) -> Kept<()> {
    together(pool, "record clearing statements", async |work| {
        for statement in made {
            let Statement { of, lines, .. } = statement;
            let words = lines.iter().map(|line| line.fund.word());
            let words: Vec<&str> = words.collect();
            let amounts = |amount: fn(&FundLine) -> Fen| -> Vec<i64> {
                lines.iter().map(|line| amount(line).get()).collect()
            };
            let (hospital, scheme) = (of.hospital.as_str(), of.scheme.word());
            let (insured, treatment) =
                (of.insured_region.to_string(), of.treatment_region.to_string());
            let counts = [of.settlements, of.reversals, of.provisional];
            let [settlements, reversals, provisional] =
                counts.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
            work.query((
                include_str!("../sql/finance/insert_statement.sql"),
                &[
                    &statement.id,
                    &hospital,
                    &insured,
                    &treatment,
                    &scheme,
                    &of.clearing_type,
                    &statement.first,
                    &statement.last,
                    &settlements,
                    &reversals,
                    &provisional,
                    &of.total.get(),
                    &of.cash.get(),
                    &words,
                    &amounts(|line| line.owed),
                    &amounts(|line| line.carried),
                    &amounts(|line| line.withheld),
                    &amounts(|line| line.offset),
                    &statement.deposit.billionths(),
                    &statement.terms_assumed,
                    &statement.due.day,
                    &statement.due.assumed,
                    &statement.made_by,
                    &statement.made_at,
                ],
            ))
            .await?;
        }
        Ok(())
    })
    .await
}

/// Statements, in the order of their ids.
pub async fn statements(pool: &Pool, asked: &Statements<'_>) -> Result<Vec<Statement>, StoreError> {
    let operation = Operation::Finance("list clearing statements");
    let Statements { id, regions: of, hospital, schemes, state, from, to, after, most } = asked;
    let of = regions(*of);
    let hospital = hospital.map(HospitalCode::as_str);
    let schemes = schemes.filter(|schemes| !schemes.is_empty());
    let schemes: Option<Vec<&str>> =
        schemes.map(|schemes| schemes.iter().map(|scheme| scheme.word()).collect());
    let state = state.map(State::word);
    let sql = include_str!("../sql/finance/statements.sql");
    let params: super::Asked<'_> =
        (sql, &[&of, &hospital, &schemes, &state, from, to, after, most, id]);
    let rows = report(pool, &operation, params).await?;
    rows.iter().map(|row| statement(&Reader { row, operation: &operation })).collect()
}

/// A row of the table.
pub(super) fn statement(reader: &Reader<'_>) -> Result<Statement, StoreError> {
    let funds = reader.texts("fund", Fund::from_word)?;
    let columns = ["owed_fen", "carried_fen", "withheld_fen", "offset_fen", "paid_fen"];
    let mut amounts = Vec::with_capacity(columns.len());
    for column in columns {
        amounts.push(reader.fens(column)?.into_iter());
    }
    let mut lines = Vec::with_capacity(funds.len());
    for fund in funds {
        let mut next = amounts.iter_mut().map(|of| of.next().unwrap_or_default());
        let mut amount = || next.next().unwrap_or_default();
        let (owed, carried, withheld) = (amount(), amount(), amount());
        let (offset, paid) = (amount(), amount());
        lines.push(FundLine { fund, owed, carried, withheld, offset, paid });
    }
    let owed = lines.iter().map(|line| (line.fund, line.owed)).collect();
    Ok(Statement {
        id: reader.get("statement_id")?,
        of: group(reader, owed)?,
        first: reader.get("first_day")?,
        last: reader.get("last_day")?,
        lines,
        deposit: Rate::from_billionths(reader.get("deposit_ratio_billionths")?),
        terms_assumed: reader.get("terms_assumed")?,
        due: Due { day: reader.get("due_day")?, assumed: reader.get("due_assumed")? },
        made_by: reader.get("made_by")?,
        made_at: reader.get("made_at")?,
        state: reader.text("state", State::from_word)?,
        first_approver: reader.get("first_approver")?,
        second_approver: reader.get("second_approver")?,
        reason: reader.get("reason")?,
    })
}

/// Takes a step, and writes what it posts. Where nothing is to be paid after it, the statement is done.
pub async fn step_statement(
    pool: &Pool,
    step: &Step<'_>,
    posting: Option<&Posting>,
    nothing_to_pay: bool,
) -> Kept<()> {
    let sql = include_str!("../sql/finance/step_statement.sql");
    together(pool, "take a statement a step on", async |work| {
        let Step { id, from, to, by, at, reason } = step;
        let first = (*to == State::ApprovedOnce).then_some(by);
        let second = (*to == State::Approved).then_some(by);
        let (from, to) = (from.word(), to.word());
        work.found((sql, &[id, &from, &to, by, at, &first, &second, reason])).await?;
        if let Some(posting) = posting {
            postings::write(work, posting).await?;
            let hospital = posting.draft.hospital().map(|hospital| hospital.to_string());
            for region in posting.draft.regions() {
                let region = region.to_string();
                let overdrawn = include_str!("../sql/finance/advance_overdrawn.sql");
                if !work.query((overdrawn, &[&hospital, &region])).await?.is_empty() {
                    return Err(Broken::Overdrawn.into());
                }
            }
        }
        if nothing_to_pay {
            let (none, paid) = (None::<&str>, State::Paid.word());
            work.found((sql, &[id, &to, &paid, by, at, &none, &none, &none])).await?;
        }
        Ok(())
    })
    .await
}

/// The steps of a statement, in their order.
pub async fn events(pool: &Pool, id: &str) -> Result<Vec<Event>, StoreError> {
    let operation = Operation::Finance("read the steps of a statement");
    let connection = pool.take(&operation).await?;
    let rows =
        connection.query(include_str!("../sql/finance/events.sql"), &[&id], &operation).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            let state = reader.text("state", State::from_word)?;
            Ok(Event { state, by: reader.get("by_name")?, at: reader.get("at")? })
        })
        .collect()
}

/// The region of a hospital by its newest span; nothing where there is no such hospital.
pub async fn hospital_region(
    pool: &Pool,
    hospital: &HospitalCode,
) -> Result<Option<RegionCode>, StoreError> {
    let operation = Operation::FindHospital(hospital.clone());
    let connection = pool.take(&operation).await?;
    let sql = include_str!("../sql/finance/hospital_region.sql");
    let rows = connection.query(sql, &[&hospital.as_str()], &operation).await?;
    let region = |row| Reader { row, operation: &operation }.region("region");
    rows.first().map(region).transpose()
}

/// What a region agreed with its hospitals; assumed where nobody said anything.
pub async fn terms_of(pool: &Pool, region: RegionCode) -> Result<Terms, StoreError> {
    let operation = Operation::Finance("read the terms of a region");
    let sql = include_str!("../sql/finance/terms.sql");
    let rows = report(pool, &operation, (sql, &[&region.to_string()])).await?;
    let Some(row) = rows.first() else { return Ok(Terms::ASSUMED) };
    let reader = Reader { row, operation: &operation };
    let workdays: i16 = reader.get("due_workdays")?;
    Ok(Terms {
        deposit: Rate::from_billionths(reader.get("deposit_ratio_billionths")?),
        workdays: reader.parse("due_workdays", u16::try_from(workdays).ok())?,
        assumed: false,
    })
}

/// Says what a region agreed with its hospitals, from now on.
pub async fn set_terms(
    pool: &Pool,
    region: RegionCode,
    terms: &Terms,
    (source, by, at): (&str, &str, Timestamp),
) -> Kept<()> {
    together(pool, "say the terms of a region", async |work| {
        let sql = include_str!("../sql/finance/insert_terms.sql");
        let workdays = i16::try_from(terms.workdays).unwrap_or(i16::MAX);
        let (region, deposit) = (region.to_string(), terms.deposit.billionths());
        work.query((sql, &[&region, &at, &deposit, &workdays, &source, &by])).await.map(|_| ())
    })
    .await
}
