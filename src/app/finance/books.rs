//! Reports: balances, what contradicts itself, what is owed and how late, what funds have left, what other regions owe.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};

use super::{Finance, FinanceRefusal, kept};
use crate::app::access::Act;
use crate::app::{AppError, now};
use crate::domain::finance::Fund;
use crate::domain::finance::budget::{Budget, WhenDry};
use crate::domain::finance::clearing::{Age, State};
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::money::Fen;
use crate::limits;
use crate::store::finance::{
    self as store, Balance, BookFault, By, Claim, Claims, Ledger, Statements,
};
use crate::store::{check_integrity, check_registry};

/// What a hospital is owed by one insured region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owing {
    /// Who is owed.
    pub hospital: HospitalCode,
    /// By whose funds.
    pub insured_region: RegionCode,
}

/// What is owed, by how late it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aged {
    /// In the order of [`Age::ALL`].
    pub owed: [Fen; Age::ALL.len()],
    /// How many statements.
    pub statements: u64,
    /// The oldest day that something of it was due.
    pub oldest_due: Option<Date>,
    /// Does a due day rest on an assumption?
    pub assumed: bool,
}

/// Which settlements of persons insured elsewhere are asked for.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Where they were treated.
    pub treatment: RegionCode,
    /// Where they are insured; anywhere else.
    pub insured: Option<RegionCode>,
    /// First and last day.
    pub days: (Date, Date),
    /// After this one.
    pub after: Option<(Date, String)>,
}

impl Finance<'_> {
    /// Adds the books up. Over any entry, day, region, hospital or fund, debits and credits are the same.
    pub async fn balance(
        &self,
        region: Option<RegionCode>,
        asked: Ledger<'_>,
        by: By,
    ) -> Result<Vec<Balance>, AppError> {
        let scope = self.scope(Act::ReadBooks, region, asked.hospital)?;
        let of = Ledger {
            regions: scope.regions.as_deref(),
            hospital: scope.hospital.as_ref(),
            ..asked
        };
        let most = i64::from(limits::BALANCE_ROWS_MAX);
        let sums = store::balance(self.pool, &of, by, most).await;
        sums.map_err(AppError::store("add up the books"))
    }

    /// Where the books contradict themselves, and where what stands does not follow from history: accounts that do not open, what persons
    /// have used, settlements, and the registry. For who sees all of them.
    pub async fn check(&self) -> Result<Vec<BookFault>, AppError> {
        let everywhere = RegionCode::from_number(0).ok_or(AppError::Unbalanced)?;
        self.allow(Act::ReadBooks, &[everywhere], None)?;
        let checked = store::check_books(self.pool).await;
        let mut faults = checked.map_err(AppError::store("check the books"))?;
        faults.extend(self.accounts_moved().await?);
        let ledger = check_integrity(self.pool).await;
        let ledger = ledger.map_err(AppError::store("compare the ledger with its history"))?;
        let registry = check_registry(self.pool).await;
        let registry =
            registry.map_err(AppError::store("compare the registry with its history"))?;
        faults.extend(ledger.into_iter().chain(registry).map(|fault| BookFault {
            what: fault.what,
            detail: format!("{} {}", fault.person.get(), fault.detail),
            amounts: fault.amounts,
        }));
        Ok(faults)
    }

    /// What hospitals are owed, whoever has not agreed yet, by how late it is today.
    pub async fn ageing(
        &self,
        region: Option<RegionCode>,
        hospital: Option<&HospitalCode>,
    ) -> Result<BTreeMap<Owing, Aged>, AppError> {
        let scope = self.scope(Act::ReadClearing, region, hospital)?;
        let today = now().day;
        let mut aged: BTreeMap<Owing, Aged> = BTreeMap::new();
        for state in [State::Made, State::ApprovedOnce, State::Approved, State::InFile] {
            let mut after: Option<String> = None;
            loop {
                let page = Statements {
                    regions: scope.regions.as_deref(),
                    hospital: scope.hospital.as_ref(),
                    schemes: scope.schemes.as_deref(),
                    state: Some(state),
                    after: after.as_deref(),
                    most: i64::from(limits::CLEARING_PAGE_MAX),
                    ..Statements::default()
                };
                let page = store::statements(self.pool, &page).await;
                let page = page.map_err(AppError::store("list statements"))?;
                let Some(last) = page.last() else { break };
                after = Some(last.id.clone());
                for statement in page {
                    add_aged(&mut aged, &statement, today)?;
                }
            }
        }
        Ok(aged)
    }

    /// What funds were given for a year, what of it was granted and paid, and when each runs dry.
    pub async fn budgets(
        &self,
        region: Option<RegionCode>,
        year: i16,
    ) -> Result<Vec<Budget>, AppError> {
        let scope = self.scope(Act::ReadBooks, region, None)?;
        let given = store::appropriated(self.pool, year, scope.regions.as_deref()).await;
        let given = given.map_err(AppError::store("read what funds were given"))?;
        let days = (date(year, 1, 1), date(year, 12, 31));
        let drawn = store::drawn(self.pool, days, Budget::lately(now().day)).await;
        let drawn = drawn.map_err(AppError::store("add up what funds granted"))?;
        let mut budgets = Vec::with_capacity(given.len());
        for of in given {
            let mut budget = Budget {
                fund: of.fund,
                region: of.region,
                year,
                appropriated: of.appropriated,
                granted: Fen::ZERO,
                paid: Fen::ZERO,
                granted_lately: Fen::ZERO,
                when_dry: of.when_dry,
            };
            let within = drawn
                .iter()
                .filter(|drawn| drawn.fund == of.fund && drawn.region.lies_in(of.region));
            for drawn in within {
                let add = |sum: Fen, more| sum.checked_add(more).ok_or(AppError::Unbalanced);
                budget.granted = add(budget.granted, drawn.granted)?;
                budget.granted_lately = add(budget.granted_lately, drawn.lately)?;
                budget.paid = add(budget.paid, drawn.paid)?;
            }
            budgets.push(budget);
        }
        Ok(budgets)
    }

    /// Says what a desk gets when a fund has not enough left, from now on.
    pub async fn set_budget_rule(
        &self,
        (fund, region): (Fund, RegionCode),
        when_dry: WhenDry,
        source: &str,
    ) -> Result<(), AppError> {
        self.allow(Act::KeepBooks, &[region], None)?;
        if !fund.has_budget() {
            return Err(FinanceRefusal::NoBudget.into());
        }
        let said = (source, self.caller.name.as_str(), now().at);
        let set = store::set_budget_rule(self.pool, (fund, region), when_dry, said).await;
        kept(set, "say what a desk gets when a fund is dry")
    }

    /// What hospitals of a region settled for persons insured elsewhere, a page of it: what their regions are claimed for. (`3260`)
    pub async fn claims(&self, asked: Claimed) -> Result<Vec<Claim>, AppError> {
        let Claimed { treatment, insured, days, after } = asked;
        // Either side may look: who paid, and who is claimed.
        let regions: Vec<RegionCode> = [Some(treatment), insured].into_iter().flatten().collect();
        let allowed = regions
            .iter()
            .map(|region| self.allow(Act::ReadBooks, std::slice::from_ref(region), None));
        if allowed.filter(Result::is_ok).count() == 0 {
            self.allow(Act::ReadBooks, &regions, None)?;
        }
        let most = i64::from(limits::CLAIMS_PAGE_MAX);
        let page = Claims { treatment, insured, days, after, most };
        store::claims(self.pool, &page)
            .await
            .map_err(AppError::store("list what other regions owe"))
    }
}

fn add_aged(
    aged: &mut BTreeMap<Owing, Aged>,
    statement: &store::Statement,
    today: Date,
) -> Result<(), AppError> {
    let rests = super::statements::rests(&statement.lines)?;
    let rest = rests.iter().try_fold(Fen::ZERO, |sum, (_, rest)| sum.checked_add(*rest));
    let rest = rest.ok_or(AppError::Unbalanced)?;
    if rest == Fen::ZERO {
        return Ok(());
    }
    let (hospital, insured_region) = (statement.of.hospital.clone(), statement.of.insured_region);
    let of = aged.entry(Owing { hospital, insured_region }).or_default();
    let age = Age::of(statement.due.day, today);
    for (owed, _) in of.owed.iter_mut().zip(Age::ALL).filter(|(_, known)| *known == age) {
        *owed = owed.checked_add(rest).ok_or(AppError::Unbalanced)?;
    }
    of.statements = of.statements.saturating_add(1);
    of.assumed |= statement.due.assumed;
    let due = statement.due.day;
    of.oldest_due = Some(of.oldest_due.map_or(due, |oldest| oldest.min(due)));
    Ok(())
}
