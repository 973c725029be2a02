//! Clearing statements: put together of closed days, approved by two, or withdrawn.

use std::collections::BTreeMap;

use jiff::civil::Date;
use tracing::instrument;

use super::{Finance, FinanceRefusal, kept};
use crate::app::access::Act;
use crate::app::{AppError, Now, now};
use crate::domain::finance::clearing::{FundLine, State, Terms, clearing_draft, fund_lines};
use crate::domain::finance::workdays::workdays_after;
use crate::domain::finance::{Draft, Fund, Posting};
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::money::Fen;
use crate::limits;
use crate::store::finance::{self as store, Event, Group, Statement, Statements, Step};

/// Of whom statements are to be made.
#[derive(Clone, Debug)]
pub struct Made<'a> {
    /// Where the hospitals are.
    pub region: RegionCode,
    /// First and last day.
    pub days: (Date, Date),
    /// Of this hospital alone.
    pub hospital: Option<&'a HospitalCode>,
    /// For persons insured here alone.
    pub insured: Option<RegionCode>,
}

/// Which statements are asked for.
#[derive(Clone, Debug, Default)]
pub struct Listing<'a> {
    /// Of this region, on either side.
    pub region: Option<RegionCode>,
    /// Of this hospital.
    pub hospital: Option<&'a HospitalCode>,
    /// In this state.
    pub state: Option<State>,
    /// With days from this one on.
    pub from: Option<Date>,
    /// Up to and with this day.
    pub to: Option<Date>,
    /// After this id.
    pub after: Option<&'a str>,
    /// At most so many; nothing, or more than may be: as many as may be.
    pub most: Option<u32>,
}

impl Finance<'_> {
    /// Makes the statements of some closed days, all or none, and gives all there are of exactly these days: those made before too, so
    /// that asking again changes nothing.
    #[instrument(name = "make statements", skip_all)]
    pub async fn make_statements(&self, asked: &Made<'_>) -> Result<Vec<Statement>, AppError> {
        self.allow(Act::KeepBooks, &[asked.region], asked.hospital)?;
        let (first, last) = asked.days;
        let closed = store::closed_through(self.pool).await;
        let closed = closed.map_err(AppError::store("see which days are closed"))?;
        if closed.is_none_or(|closed| closed < last) {
            return Err(FinanceRefusal::DaysOpen.into());
        }
        let of = (asked.hospital, asked.insured);
        let groups = store::open_groups(self.pool, asked.region, asked.days, of).await;
        let groups = groups.map_err(AppError::store("add up settlements"))?;
        let mut making = Making { days: (first, last), now: now(), ..Making::default() };
        let mut made = Vec::with_capacity(groups.len());
        for group in groups {
            made.push(self.make(&mut making, group).await?);
        }
        kept(store::record_statements(self.pool, &made).await, "record statements")?;
        self.statements_of(asked).await
    }

    async fn make(&self, making: &mut Making, of: Group) -> Result<Statement, AppError> {
        let (first, last) = making.days;
        let terms = match making.terms.get(&of.insured_region) {
            Some(terms) => terms.clone(),
            None => {
                let terms = store::terms_of(self.pool, of.insured_region).await;
                let terms = terms.map_err(AppError::store("read the terms of a region"))?;
                making.terms.entry(of.insured_region).or_insert(terms).clone()
            }
        };
        let left = store::left_over(self.pool, &of, first).await;
        let left = left.map_err(AppError::store("read what an earlier statement left"))?;
        // What the statements made just now use up is not there for the next one.
        let key = (of.hospital.to_string(), of.insured_region);
        let advances = making.advances.entry(key).or_insert(left.advances);
        let lines = fund_lines(&of.owed, terms.deposit, &left.carried, advances);
        let lines = lines.ok_or(AppError::Unbalanced)?;
        for line in &lines {
            let advance = advances.entry(line.fund).or_default();
            *advance = advance.checked_sub(line.offset).ok_or(AppError::Unbalanced)?;
        }
        let due = workdays_after(last, terms.workdays).ok_or(AppError::Unbalanced)?;
        Ok(Statement {
            id: Self::id('C')?,
            of,
            first,
            last,
            lines,
            deposit: terms.deposit,
            terms_assumed: terms.assumed,
            due,
            made_by: self.caller.name.clone(),
            made_at: making.now.at,
            state: State::Made,
            first_approver: None,
            second_approver: None,
            reason: String::new(),
        })
    }

    async fn statements_of(&self, asked: &Made<'_>) -> Result<Vec<Statement>, AppError> {
        let (first, last) = asked.days;
        let regions = [asked.region];
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = Statements {
                regions: Some(&regions),
                hospital: asked.hospital,
                from: Some(first),
                to: Some(last),
                after: after.as_deref(),
                most: i64::from(limits::CLEARING_PAGE_MAX),
                ..Statements::default()
            };
            let page = store::statements(self.pool, &page).await;
            let page = page.map_err(AppError::store("list statements"))?;
            let Some(newest) = page.last() else { return Ok(all) };
            after = Some(newest.id.clone());
            all.extend(page.into_iter().filter(|statement| {
                let of = &statement.of;
                statement.state != State::Withdrawn
                    && (statement.first, statement.last) == (first, last)
                    && of.treatment_region.lies_in(asked.region)
                    && asked.insured.is_none_or(|insured| of.insured_region.lies_in(insured))
            }));
        }
    }

    /// Statements that this caller may see, in the order of their ids.
    pub async fn statements(&self, asked: &Listing<'_>) -> Result<Vec<Statement>, AppError> {
        let scope = self.scope(Act::ReadClearing, asked.region, asked.hospital)?;
        let most = asked.most.filter(|most| *most != 0);
        let most =
            most.map_or(limits::CLEARING_PAGE_MAX, |most| most.min(limits::CLEARING_PAGE_MAX));
        let listed = Statements {
            id: None,
            regions: scope.regions.as_deref(),
            hospital: scope.hospital.as_ref(),
            schemes: scope.schemes.as_deref(),
            state: asked.state,
            from: asked.from,
            to: asked.to,
            after: asked.after,
            most: i64::from(most),
        };
        store::statements(self.pool, &listed).await.map_err(AppError::store("list statements"))
    }

    /// A statement with the steps that it took.
    pub async fn statement(&self, id: &str) -> Result<(Statement, Vec<Event>), AppError> {
        let scope = self.scope(Act::ReadClearing, None, None)?;
        let listed = Statements {
            id: Some(id),
            regions: scope.regions.as_deref(),
            hospital: scope.hospital.as_ref(),
            schemes: scope.schemes.as_deref(),
            most: 1,
            ..Statements::default()
        };
        let found = store::statements(self.pool, &listed).await;
        let found = found.map_err(AppError::store("find a statement"))?.pop();
        let found = found.ok_or(FinanceRefusal::StatementUnknown)?;
        let events = store::events(self.pool, id).await;
        Ok((found, events.map_err(AppError::store("read the steps of a statement"))?))
    }

    /// Agrees to a statement: the first person, then a second. With the second it is owed, and what is withheld or was paid in advance is
    /// posted.
    #[instrument(name = "approve a statement", skip_all)]
    pub async fn approve(&self, id: &str) -> Result<(Statement, Vec<Event>), AppError> {
        let (statement, _) = self.keep(id).await?;
        let by = &self.caller.name;
        let now = now();
        let step = |from, to| Step { id, from, to, by, at: now.at, reason: None };
        match statement.state {
            State::Made => {
                let step = step(State::Made, State::ApprovedOnce);
                kept(store::step_statement(self.pool, &step, None, false).await, "approve")?;
            }
            State::ApprovedOnce => {
                let first = statement.first_approver.as_deref().unwrap_or_default();
                if first == by {
                    return Err(FinanceRefusal::SamePerson.into());
                }
                let draft = clearing(&statement)?;
                let posting =
                    draft.map(|draft| self.posting(draft, (first, by), &now)).transpose()?;
                let rests = rests(&statement.lines)?;
                let step = step(State::ApprovedOnce, State::Approved);
                let done =
                    store::step_statement(self.pool, &step, posting.as_ref(), rests.is_empty());
                kept(done.await, "approve")?;
            }
            State::Approved | State::InFile | State::Paid | State::Withdrawn => {
                return Err(FinanceRefusal::Moved.into());
            }
        }
        self.statement(id).await
    }

    /// Takes a statement back that is not owed yet.
    #[instrument(name = "withdraw a statement", skip_all)]
    pub async fn withdraw(
        &self,
        id: &str,
        reason: &str,
    ) -> Result<(Statement, Vec<Event>), AppError> {
        let (statement, _) = self.keep(id).await?;
        let (from, to, by) = (statement.state, State::Withdrawn, self.caller.name.as_str());
        if !matches!(from, State::Made | State::ApprovedOnce) {
            return Err(FinanceRefusal::Moved.into());
        }
        let step = Step { id, from, to, by, at: now().at, reason: Some(reason) };
        kept(store::step_statement(self.pool, &step, None, false).await, "withdraw a statement")?;
        self.statement(id).await
    }

    /// A statement that this caller may do something with.
    async fn keep(&self, id: &str) -> Result<(Statement, Vec<Event>), AppError> {
        let found = self.statement(id).await?;
        let of = &found.0.of;
        self.allow(Act::KeepBooks, &[of.treatment_region], Some(&of.hospital))?;
        Ok(found)
    }

    /// A posting of this moment.
    pub(super) fn posting(
        &self,
        draft: Draft,
        (made_by, approved_by): (&str, &str),
        now: &Now,
    ) -> Result<Posting, AppError> {
        let id = Self::id('P')?;
        let (made_by, approved_by) = (made_by.to_owned(), approved_by.to_owned());
        Ok(Posting { id, draft, day: now.day, at: now.at, made_by, approved_by })
    }

    /// Says what a region agreed with its hospitals, from now on.
    pub async fn set_terms(
        &self,
        region: RegionCode,
        terms: &Terms,
        source: &str,
    ) -> Result<(), AppError> {
        self.allow(Act::KeepBooks, &[region], None)?;
        let said = (source, self.caller.name.as_str(), now().at);
        kept(store::set_terms(self.pool, region, terms, said).await, "say the terms of a region")
    }
}

/// What is known while statements are made.
struct Making {
    days: (Date, Date),
    now: Now,
    terms: BTreeMap<RegionCode, Terms>,
    advances: BTreeMap<(String, RegionCode), BTreeMap<Fund, Fen>>,
}

impl Default for Making {
    fn default() -> Self {
        let now = now();
        let (terms, advances) = (BTreeMap::new(), BTreeMap::new());
        Self { days: (now.day, now.day), now, terms, advances }
    }
}

fn clearing(statement: &Statement) -> Result<Option<Draft>, AppError> {
    let of = &statement.of;
    let draft = clearing_draft(&statement.id, of.insured_region, &of.hospital, &statement.lines);
    match draft {
        None => Ok(None),
        Some(Ok(draft)) => Ok(Some(draft)),
        Some(Err(_)) => Err(AppError::Unbalanced),
    }
}

/// What each fund has still to pay.
pub(super) fn rests(lines: &[FundLine]) -> Result<Vec<(Fund, Fen)>, AppError> {
    let mut rests = Vec::with_capacity(lines.len());
    for line in lines {
        let rest = line.rest().ok_or(AppError::Unbalanced)?;
        if Fen::ZERO < rest {
            rests.push((line.fund, rest));
        }
    }
    Ok(rests)
}
