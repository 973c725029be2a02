//! The monthly audit: who may look, what is read for it, and what is told. Nothing is kept: each look adds up the entries themselves.

mod refusal;

use std::mem::take;

use futures_util::future::try_join_all;
use jiff::ToSpan as _;
use jiff::civil::Date;
use tracing::instrument;

use super::{App, AppError, Caller, now};
use crate::app::access::{Act, Of};
use crate::app::trail::looked;
use crate::domain::audit::unusual::{
    OUT_OF_CATALOGUE_E4, READMITTED_DAYS, ceilings, part_e4, shares,
};
use crate::domain::audit::{Alarm, AlarmKind, Flow, Share, Which, alarm};
use crate::domain::bill::Care;
use crate::domain::finance::Fund;
use crate::domain::ids::{HospitalCode, PackageHash, RegionCode};
use crate::domain::money::Fen;
use crate::domain::record::{Body, Record};
use crate::domain::rules::Package;
use crate::limits;
use crate::rulebook::parse::parse_canonical;
use crate::store::audit::{self as store, Entries, Look, Months};
use crate::store::{Pool, find_package};

pub use self::refusal::AuditRefusal;
pub use crate::store::audit::Listed;

/// What looks at a month: a caller and the database. The same in a server and in a command beside one.
#[derive(Clone, Copy, Debug)]
pub struct Audit<'a> {
    pool: &'a Pool,
    caller: &'a Caller,
}

/// A month, and up to which day of it there is something to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    /// Its first day.
    pub first: Date,
    /// Its last day, or today.
    pub last: Date,
}

/// What a month shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// Which, and up to when.
    pub month: Month,
    /// Where the money went.
    pub flow: Flow,
    /// What was held back, intercepted or diverted, the worst first.
    pub alarms: Vec<Alarm>,
    /// So many more than these, at least.
    pub alarms_more: u64,
    /// Hospitals whose share stands out.
    pub shares: Vec<Share>,
}

/// Which entries are asked for.
#[derive(Clone, Debug)]
pub struct AskedEntries<'a> {
    /// When.
    pub month: Month,
    /// Where.
    pub region: Option<RegionCode>,
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
    /// After this one.
    pub after: Option<(Date, String)>,
    /// At most so many.
    pub most: u32,
}

/// An entry, which assumed figures are behind it, and why it is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The entry.
    pub entry: Listed,
    /// The clauses of its package that rest on assumptions and were used.
    pub assumed: Vec<String>,
    /// Why, in both languages; empty in the list of all.
    pub why: (String, String),
}

impl App {
    /// What looks at a month for a caller.
    pub fn audit<'a>(&'a self, caller: &'a Caller) -> Audit<'a> {
        Audit { pool: &self.pool, caller }
    }
}

impl Month {
    /// Of a text such as "2026-10"; nothing for what is none, or lies ahead.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        if year.len() != 4 || month.len() != 2 {
            return None;
        }
        let first = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
        let today = now().day;
        (first <= today).then(|| Self { first, last: first.last_of_month().min(today) })
    }

    /// As it is written.
    pub fn text(&self) -> String {
        format!("{:04}-{:02}", self.first.year(), self.first.month())
    }

    fn months(&self) -> Option<Months> {
        let whole = |first: Date| (first, first.last_of_month());
        let before = |span: jiff::Span| self.first.checked_sub(span).ok().map(whole);
        let (last_month, last_year) = (before(1.month())?, before(1.year())?);
        Some(Months { month: (self.first, self.last), last_month, last_year })
    }
}

impl<'a> Audit<'a> {
    /// The same for a command on the database itself.
    pub const fn beside(pool: &'a Pool, caller: &'a Caller) -> Self {
        Self { pool, caller }
    }

    /// The regions that a look is cut to; nothing: all.
    fn within(&self, region: Option<RegionCode>) -> Result<Option<Vec<RegionCode>>, AppError> {
        let (reach, _, schemes) = self.caller.lists(Act::ReadAudit)?;
        // Balances are of no scheme: who reaches a part of them reaches none.
        if schemes.is_some_and(|schemes| !schemes.is_empty()) {
            return Err(self.caller.role.denied(Act::ReadAudit, Of::Anybody).into());
        }
        match region {
            Some(region) => {
                let regions = std::slice::from_ref(&region);
                let of = Of::Books { regions, hospital: None, scheme: None };
                self.caller.allow(Act::ReadAudit, of)?;
                Ok(Some(vec![region]))
            }
            None => Ok(reach.map(<[RegionCode]>::to_vec)),
        }
    }

    /// A month's fund flow, and what must be seen at a glance.
    #[instrument(name = "audit a month", skip_all)]
    pub async fn flow(
        &self,
        month: Month,
        region: Option<RegionCode>,
    ) -> Result<Audited, AppError> {
        let within = self.within(region)?;
        let groups = limits::AUDIT_GROUPS_MAX;
        let look = Look {
            regions: within.as_deref(),
            months: month.months().ok_or(AuditRefusal::MonthUnknown)?,
            release_through: alarm::release_through(month.last),
            // One more than may be, so that a table that was cut is none.
            most: (
                i64::from(groups).saturating_add(1),
                i64::try_from(limits::AUDIT_ALARMS_MAX).unwrap_or(i64::MAX).saturating_add(1),
            ),
        };
        let seen = store::month(self.pool, &look).await;
        let mut seen = seen.map_err(AppError::store("add a month up"))?;
        let too_many = |count: usize| u32::try_from(count).is_ok_and(|count| groups < count);
        if too_many(seen.granted.len()) || too_many(seen.posted.len()) {
            return Err(AuditRefusal::TooWide.into());
        }
        let (granted, posted) = (take(&mut seen.granted), take(&mut seen.posted));
        let flow = Flow::of(&granted, &posted).map_err(AuditRefusal::from)?;
        drop((granted, posted));
        let mut alarms = alarm::of_flow(&flow, &seen.stated).map_err(AuditRefusal::from)?;
        alarms.extend(alarm::late(seen.late, month.last));
        alarms.extend(alarm::deposits(seen.overdue, month.last));
        alarms.extend(seen.elsewhere.into_iter().map(of_elsewhere));
        alarms.extend(seen.shared.into_iter().map(of_shared));
        alarms.extend(seen.by_hand.into_iter().map(of_hand));
        alarm::sort(&mut alarms);
        let most = limits::AUDIT_ALARMS_MAX;
        let alarms_more = u64::try_from(alarms.len().saturating_sub(most)).unwrap_or(u64::MAX);
        alarms.truncate(most);
        let shares = shares(&flow).map_err(AuditRefusal::from)?;
        Ok(Audited { month, flow, alarms, alarms_more, shares })
    }

    /// Entries of a month, a page of them. Each look at one leaves a record.
    #[instrument(name = "list entries of a month", skip_all)]
    pub async fn entries(&self, asked: AskedEntries<'_>) -> Result<Vec<Noted>, AppError> {
        let within = self.within(asked.region)?;
        let within = within.as_deref();
        let ceilings = match asked.which {
            Which::NearCeiling => self.ceilings(within).await?,
            Which::All
            | Which::Reversals
            | Which::Assumed
            | Which::OutOfCatalogue
            | Which::Readmitted => Vec::new(),
        };
        let entries = Entries {
            regions: within,
            days: (asked.month.first, asked.month.last),
            hospital: asked.hospital,
            fund: asked.fund,
            class: asked.class,
            care: asked.care,
            which: asked.which,
            ceilings: &ceilings,
            thresholds: (OUT_OF_CATALOGUE_E4, READMITTED_DAYS),
            after: asked.after,
            most: i64::from(asked.most.min(limits::AUDIT_PAGE_MAX)),
        };
        let listed = store::entries(self.pool, &entries).await;
        let listed = listed.map_err(AppError::store("list entries of a month"))?;
        let looks =
            listed.iter().map(|of| looked(self.pool, self.caller, of.person, &of.settlement));
        try_join_all(looks).await?;
        let mut packages: Vec<(PackageHash, Option<Package>)> = Vec::new();
        let mut noted = Vec::with_capacity(listed.len());
        for entry in listed {
            let assumed = self.assumed(&entry, &mut packages).await?;
            let why = why(&entry, asked.which, &assumed);
            noted.push(Noted { entry, assumed, why });
        }
        Ok(noted)
    }

    /// Ceilings on pay of all packages there are.
    async fn ceilings(
        &self,
        within: Option<&[RegionCode]>,
    ) -> Result<Vec<(PackageHash, String, Fen)>, AppError> {
        let found = store::packages(self.pool, within).await;
        let found = found.map_err(AppError::store("read rule packages"))?;
        let mut all = Vec::new();
        for (hash, canonical) in found {
            let Ok(package) = parse_canonical(&canonical) else { continue };
            all.extend(ceilings(&package).into_iter().map(|(payer, fen)| (hash, payer, fen)));
        }
        Ok(all)
    }

    /// Which clauses behind an entry rest on assumptions, by what its record did.
    async fn assumed(
        &self,
        entry: &Listed,
        packages: &mut Vec<(PackageHash, Option<Package>)>,
    ) -> Result<Vec<String>, AppError> {
        let Some(record) = entry.record.as_deref() else { return Ok(Vec::new()) };
        let Ok(record) = Record::from_bytes(record) else { return Ok(Vec::new()) };
        let Body::Settled { outcome, .. } = &record.body else { return Ok(Vec::new()) };
        if !packages.iter().any(|(hash, _)| *hash == entry.package) {
            let found = find_package(self.pool, &entry.package).await;
            let found = found.map_err(AppError::store("read a rule package"))?;
            let package = found.and_then(|canonical| parse_canonical(&canonical).ok());
            packages.push((entry.package, package));
        }
        let package = packages.iter().find(|(hash, _)| *hash == entry.package);
        let Some(package) = package.and_then(|(_, package)| package.as_ref()) else {
            return Ok(Vec::new());
        };
        let by_advance = package.advance_is_assumed(outcome).then_some(package.class_b_clause);
        let used = outcome.trace.iter().map(|step| step.clause).chain(by_advance);
        let assumed = used.filter(|clause| package.is_assumed(*clause));
        let mut names: Vec<String> =
            assumed.filter_map(|clause| Some(package.clause(clause)?.name.clone())).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

fn of_elsewhere(of: store::PaidElsewhere) -> Alarm {
    let more = match of.why.as_str() {
        "other_hospital" => ("所付医院与清算单不一致", "another hospital than the statement's"),
        "unconfirmed" => ("付款时该账户尚未经两人确认", "not confirmed by a second person then"),
        "other_bank" => ("该账户不在此银行", "the account is at another bank"),
        "replaced" => ("付款时该账户已被更新", "the account had been replaced by then"),
        _ => ("医院没有此账户", "the hospital has no such account"),
    };
    Alarm {
        kind: AlarmKind::Elsewhere,
        fund: None,
        region: of.region,
        hospital: Some(of.hospital),
        reference: of.reference,
        amount: of.amount,
        workdays_late: None,
        assumed: false,
        more: {
            let (made, confirmed) = of.by;
            (
                format!("{}（{made} 制单，{confirmed} 确认）", more.0),
                format!("{} (file by {made}, confirmed by {confirmed})", more.1),
            )
        },
    }
}

fn of_shared(of: store::SharedAccount) -> Alarm {
    let others = of.others;
    Alarm {
        kind: AlarmKind::SharedAccount,
        fund: None,
        region: of.region,
        hospital: Some(of.hospital),
        reference: of.account_no.to_string(),
        amount: of.amount,
        workdays_late: None,
        assumed: false,
        more: (format!("账号同时登记在 {others} 名下"), format!("also an account of {others}")),
    }
}

fn of_hand(of: store::MovedByHand) -> Alarm {
    Alarm {
        kind: AlarmKind::ByHand,
        fund: Some(of.fund),
        region: of.region,
        hospital: of.hospital,
        reference: of.posting,
        amount: of.amount,
        workdays_late: None,
        assumed: false,
        more: (of.reason.clone(), of.reason),
    }
}

/// Why an entry is looked at.
fn why(entry: &Listed, which: Which, assumed: &[String]) -> (String, String) {
    match which {
        Which::All => (String::new(), String::new()),
        Which::Reversals => reversed(entry),
        Which::Assumed => {
            let clauses = assumed.join(" ");
            (format!("使用推定参数：{clauses}"), format!("by assumed figures: {clauses}"))
        }
        Which::OutOfCatalogue => {
            let part = part_e4(entry.out_of_catalogue, entry.total).unwrap_or(0);
            let (class, of) = (&entry.class, percent(part));
            (
                format!("救助对象（{class}）目录外费用占 {of}"),
                format!("{of} of a poor patient's bill ({class}) is out of the catalogue"),
            )
        }
        Which::Readmitted => {
            let (id, days) =
                entry.earlier.as_ref().map_or(("", 0), |(id, days)| (id.as_str(), *days));
            (
                format!("出院后 {days} 日再次入院，前次结算 {id}"),
                format!("admitted {days} days after a discharge, settled as {id}"),
            )
        }
        Which::NearCeiling => {
            let Some((payer, pay, ceiling)) = &entry.near else {
                return (String::new(), String::new());
            };
            (
                format!("{payer} 支付 {pay} 元，贴近封顶线 {ceiling} 元"),
                format!("{payer} pays {pay}, just under its ceiling of {ceiling}"),
            )
        }
    }
}

fn reversed(entry: &Listed) -> (String, String) {
    let reason = entry.reason.as_deref().unwrap_or("-");
    let because = entry.because_of.as_ref().map(ToString::to_string);
    match (&entry.reverses, because) {
        (Some(of), None) => {
            (format!("撤销 {of}，原因：{reason}"), format!("reverses {of}, since: {reason}"))
        }
        (Some(of), Some(by)) => (
            format!("补算撤销 {of}，由 {by} 引起，原因：{reason}"),
            format!("a true-up reverses {of}, led to by {by}, since: {reason}"),
        ),
        (None, by) => {
            let of = entry.supersedes.as_ref().map(ToString::to_string).unwrap_or_default();
            let by = by.unwrap_or_default();
            (
                format!("补算重结，替代 {of}，由 {by} 引起"),
                format!("a true-up settles anew what was {of}, led to by {by}"),
            )
        }
    }
}

/// Parts of ten thousand as a percentage.
pub fn percent(part_e4: i64) -> String {
    let (whole, rest) = (part_e4.checked_div(100), part_e4.checked_rem(100));
    format!("{}.{:02}%", whole.unwrap_or(0), rest.unwrap_or(0).unsigned_abs())
}
