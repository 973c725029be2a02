//! What funds have left, as a gateway holds it in memory: read again every little while, so that a desk is judged on a figure at most a
//! minute old. Nothing is written for it, no row is shared by desks, and nothing stands in the way of a settlement.
//!
//! Settlements of closed days never change: they are added up once, and each look adds those of the days that are open.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use tokio::sync::Mutex;

use crate::app::settle::Decided;
use crate::app::{App, AppError, Now, now};
use crate::domain::finance::Fund;
use crate::domain::finance::budget::{Left, RunDry, WhenDry, run_dry};
use crate::domain::money::Fen;
use crate::domain::rules::Bearer;
use crate::domain::verdict::{Decline, Reason};
use crate::limits;
use crate::store::finance as store;
use crate::store::finance::Drawn;

/// What is left of each budget of this year.
#[derive(Debug, Default)]
pub struct Budgets {
    left: ArcSwap<Vec<Left>>,
    /// What the closed days of a year come to; held while a look is under way, so that there is one at a time.
    closed: Mutex<Closed>,
}

#[derive(Debug, Default)]
struct Closed {
    year: i16,
    through: Option<Date>,
    drawn: Vec<Drawn>,
}

impl App {
    /// Looks at budgets every little while, for as long as the process lives.
    pub async fn watch_budgets(self: Arc<Self>) {
        let mut is_said = false;
        loop {
            let began = std::time::Instant::now();
            match self.look_at_budgets().await {
                Ok(()) => is_said = false,
                // What was held before is judged by until the database is there again.
                Err(error) => {
                    if !std::mem::replace(&mut is_said, true) {
                        let error = format!("{:#}", told(&error));
                        tracing::warn!(error, "Could not look at budgets");
                    }
                }
            }
            tokio::time::sleep(pause_after(began.elapsed())).await;
        }
    }

    /// Looks at budgets now.
    pub async fn look_at_budgets(&self) -> Result<(), AppError> {
        let today = now().day;
        let year = today.year();
        let mut closed = self.budgets.closed.lock().await;
        let given = store::appropriated(&self.pool, year, None).await;
        let given = given.map_err(AppError::store("read what funds were given"))?;
        if given.is_empty() {
            self.budgets.left.store(Arc::default());
            return Ok(());
        }
        if closed.year != year {
            *closed = Closed { year, through: None, drawn: Vec::new() };
        }
        let through = store::closed_through(&self.pool).await;
        let through = through.map_err(AppError::store("see which days are closed"))?;
        let through = through.filter(|day| day.year() == year && *day < today);
        if closed.through < through
            && let Some(last) = through
        {
            let more = self.drawn(closed.from(), last).await?;
            closed.drawn.extend(more);
            closed.through = through;
        }
        let open = self.drawn(closed.from(), today).await?;
        let mut left = Vec::with_capacity(given.len());
        for of in given {
            let drawn = closed.drawn.iter().chain(&open);
            let within =
                drawn.filter(|drawn| drawn.fund == of.fund && drawn.region.lies_in(of.region));
            let rest =
                within.map(|drawn| drawn.granted).try_fold(of.appropriated, Fen::checked_sub);
            let (fund, region, when_dry) = (of.fund, of.region, of.when_dry);
            let rest = rest.ok_or(AppError::Unbalanced)?;
            left.push(Left { fund, region, year, left: rest, when_dry });
        }
        self.budgets.left.store(Arc::new(left));
        Ok(())
    }

    async fn drawn(&self, first: Date, last: Date) -> Result<Vec<Drawn>, AppError> {
        let drawn = store::drawn(&self.pool, (first, last), (last, last)).await;
        drawn.map_err(AppError::store("add up what funds granted"))
    }

    /// Which funds have not enough left for what a settlement takes from them.
    pub(in crate::app) fn run_dry(&self, decided: &Decided, now: &Now) -> Vec<RunDry> {
        let held = self.budgets.left.load();
        if held.is_empty() {
            return Vec::new();
        }
        let Decided { package, outcome, scheme, .. } = decided;
        let pays = outcome.layers.iter().chain(&outcome.fixed).filter_map(|pay| {
            let payer = package.payer_of(package.layer(pay.layer)?)?;
            match payer.bearer {
                Bearer::Fund(column) | Bearer::Other(column) => {
                    Some((Fund::of(column, *scheme, &payer.name), pay.pay))
                }
                Bearer::Hospital | Bearer::Account => None,
            }
        });
        run_dry(&held, (package.region, now.day.year()), pays)
    }
}

impl Closed {
    /// The first day that is not added up.
    fn from(&self) -> Date {
        let next = self.through.and_then(|day| day.checked_add(1.day()).ok());
        next.unwrap_or_else(|| date(self.year, 1, 1))
    }
}

/// The decline that a budget calls for, if one does.
pub(in crate::app) fn declined(dry: &[RunDry]) -> Option<Decline> {
    let decline = dry.iter().find(|dry| dry.when_dry == WhenDry::Decline)?;
    Some(Decline::new(Reason::FundRunDry, decline.fund.word()))
}

/// What an answer is to tell of; where a quote is kept, also of what would be declined without it.
pub(in crate::app) fn flagged(dry: Vec<RunDry>, is_promised: bool) -> Vec<RunDry> {
    let is_told = |dry: &RunDry| match dry.when_dry {
        WhenDry::SettleAndFlag => true,
        WhenDry::Settle => false,
        WhenDry::Decline => is_promised,
    };
    dry.into_iter().filter(is_told).collect()
}

/// A look that takes long is taken less often, but never so seldom that a figure is older than it may be.
fn pause_after(took: Duration) -> Duration {
    took.saturating_mul(10)
        .max(limits::BUDGET_LOOK_INTERVAL)
        .min(limits::BUDGET_AGE_MAX.saturating_sub(took))
}

/// An error with its causes, in one line.
fn told(error: &AppError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_never_older_than_it_may_be() {
        let check = |took_s, pause_s| {
            let pause = pause_after(Duration::from_secs(took_s));
            assert_eq!(pause, Duration::from_secs(pause_s), "{took_s}");
        };
        check(0, 20);
        check(3, 30);
        check(6, 54);
        check(50, 10);
        check(90, 0);
    }
}
