//! Reports over the books: balances, what contradicts itself, what funds were given and granted, what other regions owe.

use jiff::Timestamp;
use jiff::civil::Date;

use super::super::error::{Operation, StoreError};
use super::super::pool::Pool;
use super::super::row::Reader;
use super::{Kept, regions, report, together};
use crate::domain::finance::Fund;
use crate::domain::finance::budget::WhenDry;
use crate::domain::ids::{HospitalCode, RegionCode, SettlementId};
use crate::domain::money::Fen;
use crate::domain::standing::Scheme;

/// By what lines are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By account.
    Account,
    /// By kind of account.
    Kind,
    /// By accounting day.
    Day,
    /// By region.
    Region,
    /// By hospital.
    Hospital,
    /// By fund.
    Fund,
    /// By settlement and posting.
    Entry,
}

/// Which lines are looked at.
#[derive(Clone, Debug, Default)]
pub struct Ledger<'a> {
    /// From this day on.
    pub from: Option<Date>,
    /// Up to and with this day.
    pub to: Option<Date>,
    /// In one of these regions.
    pub regions: Option<&'a [RegionCode]>,
    /// Of this hospital.
    pub hospital: Option<&'a HospitalCode>,
    /// Of this fund.
    pub fund: Option<Fund>,
    /// Of this settlement or posting.
    pub entry: Option<&'a str>,
}

/// A sum of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Of what.
    pub key: String,
    /// What was debited.
    pub debit: Fen,
    /// What was credited, above zero too.
    pub credit: Fen,
}

/// Where the books contradict themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookFault {
    /// What kind.
    pub what: String,
    /// Where: ids alone.
    pub detail: String,
    /// What is told, and what follows from what it rests on, where it is an amount.
    pub amounts: Option<(Fen, Fen)>,
}

/// What a fund of a region was given for a year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appropriated {
    /// Which fund.
    pub fund: Fund,
    /// Whose.
    pub region: RegionCode,
    /// How much.
    pub appropriated: Fen,
    /// What a desk gets when it is not enough.
    pub when_dry: WhenDry,
}

/// What was drawn on a fund in an insured region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Which fund.
    pub fund: Fund,
    /// Where.
    pub region: RegionCode,
    /// By settlements.
    pub granted: Fen,
    /// Of it, lately.
    pub lately: Fen,
    /// Paid to hospitals.
    pub paid: Fen,
}

/// Which settlements of persons insured elsewhere are asked for.
#[derive(Clone, Debug)]
pub struct Claims {
    /// Where they were treated.
    pub treatment: RegionCode,
    /// Where they are insured; anywhere else.
    pub insured: Option<RegionCode>,
    /// First and last day.
    pub days: (Date, Date),
    /// After this one.
    pub after: Option<(Date, String)>,
    /// At most so many.
    pub most: i64,
}

/// A settlement that the treatment region pays and the insured region owes. (`3260`)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `setl_id`
    pub settlement: SettlementId,
    /// Which it reverses.
    pub reverses: Option<SettlementId>,
    /// `fixmedins_code`
    pub hospital: HospitalCode,
    /// `insuplc_admdvs`
    pub insured: RegionCode,
    /// `mdtrtarea_admvs`
    pub treatment: RegionCode,
    /// `insutype`
    pub scheme: Scheme,
    /// `setl_time`
    pub day: Date,
    /// `medfee_sumamt`
    pub total: Fen,
    /// `fund_pay_sumamt`
    pub fund: Fen,
    /// `acct_pay`
    pub account: Fen,
    /// The statement that it is in.
    pub statement: Option<String>,
    /// Where that stands; "open" where there is none.
    pub state: String,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Account,
        Self::Kind,
        Self::Day,
        Self::Region,
        Self::Hospital,
        Self::Fund,
        Self::Entry,
    ];

    /// Its word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Kind => "kind",
            Self::Day => "day",
            Self::Region => "region",
            Self::Hospital => "hospital",
            Self::Fund => "fund",
            Self::Entry => "entry",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.word() == word)
    }
}

/// Adds lines up, at most so many sums.
pub async fn balance(
    pool: &Pool,
    of: &Ledger<'_>,
    by: By,
    most: i64,
) -> Result<Vec<Balance>, StoreError> {
    let operation = Operation::Finance("add up the books");
    let Ledger { from, to, regions: within, hospital, fund, entry } = of;
    let within = regions(*within);
    let hospital = hospital.map(HospitalCode::as_str);
    let (fund, by) = (fund.map(Fund::word), by.word());
    let sql = include_str!("../sql/finance/balance.sql");
    let params: super::Asked<'_> = (sql, &[from, to, &within, &hospital, &fund, entry, &by, &most]);
    let rows = report(pool, &operation, params).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            let (debit, credit) = (reader.fen("debit_fen")?, reader.fen("credit_fen")?);
            Ok(Balance { key: reader.get("key")?, debit, credit })
        })
        .collect()
}

/// Where the books contradict themselves. Reads everything: for audits, drills and a quiet hour.
pub async fn check_books(pool: &Pool) -> Result<Vec<BookFault>, StoreError> {
    let operation = Operation::Finance("check the books");
    let rows =
        report(pool, &operation, (include_str!("../sql/finance/check_books.sql"), &[])).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            let told: Option<i64> = reader.get("told_fen")?;
            let follows: Option<i64> = reader.get("follows_fen")?;
            Ok(BookFault {
                what: reader.get("what")?,
                detail: reader.get("detail")?,
                amounts: told.map(Fen::new).zip(follows.map(Fen::new)),
            })
        })
        .collect()
}

/// What funds were given for a year.
pub async fn appropriated(
    pool: &Pool,
    year: i16,
    within: Option<&[RegionCode]>,
) -> Result<Vec<Appropriated>, StoreError> {
    let operation = Operation::Finance("read what funds were given");
    let sql = include_str!("../sql/finance/appropriated.sql");
    let rows = report(pool, &operation, (sql, &[&year, &regions(within)])).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            Ok(Appropriated {
                fund: reader.fund("fund")?,
                region: reader.region("region")?,
                appropriated: reader.fen("appropriated_fen")?,
                when_dry: reader.maybe("when_dry", WhenDry::from_word)?.unwrap_or_default(),
            })
        })
        .collect()
}

/// What was drawn on funds over some days, and what of it lately.
pub async fn drawn(
    pool: &Pool,
    (first, last): (Date, Date),
    lately: (Date, Date),
) -> Result<Vec<Drawn>, StoreError> {
    let operation = Operation::Finance("add up what funds granted");
    let sql = include_str!("../sql/finance/granted.sql");
    let rows = report(pool, &operation, (sql, &[&first, &last, &lately.0, &lately.1])).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            Ok(Drawn {
                fund: reader.fund("fund")?,
                region: reader.region("region")?,
                granted: reader.fen("granted_fen")?,
                lately: reader.fen("lately_fen")?,
                paid: reader.fen("paid_fen")?,
            })
        })
        .collect()
}

/// Says what a desk gets when a fund has not enough left, from now on.
pub async fn set_budget_rule(
    pool: &Pool,
    (fund, region): (Fund, RegionCode),
    when_dry: WhenDry,
    (source, by, at): (&str, &str, Timestamp),
) -> Kept<()> {
    together(pool, "say what a desk gets when a fund is dry", async |work| {
        let sql = include_str!("../sql/finance/insert_budget_rule.sql");
        let (fund, region, when_dry) = (fund.word(), region.to_string(), when_dry.word());
        work.query((sql, &[&fund, &region, &at, &when_dry, &source, &by])).await.map(|_| ())
    })
    .await
}

/// The newest day that takes no new entries, if one does.
pub async fn closed_through(pool: &Pool) -> Result<Option<Date>, StoreError> {
    let operation = Operation::Finance("see which days are closed");
    let connection = pool.take(&operation).await?;
    let sql = include_str!("../sql/finance/closed_through.sql");
    let rows = connection.query(sql, &[], &operation).await?;
    rows.first().map_or(Ok(None), |row| Reader { row, operation: &operation }.get("day"))
}

/// Settlements of persons insured elsewhere, in the order of their days.
pub async fn claims(pool: &Pool, asked: &Claims) -> Result<Vec<Claim>, StoreError> {
    let operation = Operation::Finance("list what other regions owe");
    let Claims { treatment, insured, days: (first, last), after, most } = asked;
    let (treatment, insured) = (treatment.to_string(), insured.map(|region| region.to_string()));
    let (after_day, after_id) =
        (after.as_ref().map(|(day, _)| *day), after.as_ref().map(|(_, id)| id));
    let sql = include_str!("../sql/finance/claims.sql");
    let params: super::Asked<'_> =
        (sql, &[&treatment, &insured, first, last, &after_day, &after_id, most]);
    let rows = report(pool, &operation, params).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            Ok(Claim {
                settlement: reader.text("settlement_id", SettlementId::new)?,
                reverses: reader.settlement("reverses_settlement_id")?,
                hospital: reader.text("hospital_code", HospitalCode::new)?,
                insured: reader.region("insured_region")?,
                treatment: reader.region("treatment_region")?,
                scheme: reader.scheme("scheme")?,
                day: reader.get("accounting_day")?,
                total: reader.fen("total_fen")?,
                fund: reader.fen("fund_pay_total_fen")?,
                account: reader.fen("account_pay_fen")?,
                statement: reader.get("statement_id")?,
                state: reader.get("state")?,
            })
        })
        .collect()
}
