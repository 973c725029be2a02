//! Takes a statement: goes through the file, fences its days, and brings its rows in beside the reading.

use std::io::{Read, Seek};

use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tracing::instrument;

use super::{Beside, Progress, Reconciled, Reconciling, StatementRefusal, Step, check};
use crate::app::{Act, AppError, Of};
use crate::domain::reconcile::{Amounts, Scope, Sum};
use crate::limits;
use crate::statement::{self, Batch, FileFault, Survey};
use crate::store as edge;
use crate::store::reconcile::{
    self as store, BadRow, Begun, Opening, StagedRow, State, begin_statement, take_rows,
};

/// Batches that lie between reading the file and the database.
const BATCHES_AHEAD: usize = 2;

impl Reconciling<'_> {
    /// Takes a statement to its end: rows, classes, explanations. Where an earlier run of the same was ended half way it goes on.
    #[instrument(name = "reconcile", skip_all, fields(statement))]
    pub async fn reconcile<S: Read + Seek + Send + 'static>(
        &self,
        scope: &Scope,
        beside: impl Into<Beside>,
        source: S,
        tell: &(dyn Fn(Progress) + Sync),
    ) -> Result<Reconciled, AppError> {
        let beside: Beside = beside.into();
        check(scope)?;
        self.caller.allow(Act::Reconcile, Of::Scope(scope))?;
        self.knows_names(scope).await?;
        if crate::app::now().day <= scope.last_day {
            return Err(StatementRefusal::DayNotOver.into());
        }
        let (source, survey) = surveyed(source, tell).await?;
        let opening = self.opening(scope, beside, &survey);
        let key = opening.key;
        tracing::Span::current().record("statement", key);
        let begun = begin_statement(self.pool, &opening).await;
        match begun.map_err(AppError::store("open a statement"))? {
            Begun::DayClosed => return Err(StatementRefusal::DayClosed.into()),
            Begun::From(position) => self.take(source, (key, position), &survey, tell).await?,
            Begun::Known(State::Receiving | State::Received | State::Matched | State::Closed) => {}
        }
        // What is compared must stand still first.
        self.fence(scope, tell).await?;
        let mut reconciled = self.go_on(key, tell).await?;
        if let Some(told) = opening.told {
            // A closed statement keeps what was told with it; whoever sends other totals beside it hears of these.
            reconciled.totals_agree = told == reconciled.statement.file;
        }
        Ok(reconciled)
    }

    /// Fences the last of the days, and tells each second how long it waits.
    async fn fence(&self, scope: &Scope, tell: &(dyn Fn(Progress) + Sync)) -> Result<(), AppError> {
        let fencing = edge::fence_day(self.pool, scope.last_day, &self.caller.name);
        let mut fencing = std::pin::pin!(fencing);
        let of = Some(limits::FENCE_WAIT_MAX.as_secs());
        let mut seconds = tokio::time::interval(std::time::Duration::from_secs(1));
        let mut done = 0_u64;
        loop {
            tokio::select! {
                biased;
                // The first second is over at once.
                _ = seconds.tick() => {
                    tell(Progress { step: Step::Fence, done, of });
                    done = done.saturating_add(1);
                }
                fenced = &mut fencing => {
                    let is_over = fenced.map_err(AppError::store("fence a day"))?;
                    let early = || StatementRefusal::DayNotOver.into();
                    return is_over.then_some(()).ok_or_else(early);
                }
            }
        }
    }

    /// Matches and explains a statement whose rows are all there, as far as that is not done.
    pub async fn go_on(
        &self,
        key: i64,
        tell: &(dyn Fn(Progress) + Sync),
    ) -> Result<Reconciled, AppError> {
        let statement = self.statement(key, Act::Reconcile).await?;
        if statement.state == State::Receiving {
            return Err(StatementRefusal::NotMatched.into());
        }
        if statement.state == State::Received {
            let matched = |done| tell(Progress { step: Step::Match, done, of: None });
            let matched = store::match_statement(self.pool, key, &statement.scope, &matched).await;
            matched.map_err(AppError::store("match a statement"))?;
        }
        self.explain(key, tell).await?;
        self.find(key).await
    }

    fn opening(&self, scope: &Scope, beside: Beside, survey: &Survey) -> Opening {
        let Survey { sha256, rows, bad: _, sum } = *survey;
        let named = format!(
            "{}\n{}\n{} {}\n",
            self.caller.name,
            scope.key(),
            scope.first_day,
            scope.last_day
        );
        let mut hash = Sha256::new();
        hash.update(named.as_bytes());
        hash.update(sha256);
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        // Never negative, so that it is a plain number wherever it is said.
        let key = i64::from_be_bytes([a & 0x7f, b, c, d, e, f, g, h]);
        Opening {
            key,
            content_sha256: sha256,
            scope: scope.clone(),
            sender: self.caller.name.clone(),
            from_hospital: self.is_hospital(),
            told: match beside {
                Beside::Nothing => None,
                Beside::All(told) => Some(told),
                Beside::WithoutAccount(told) => {
                    let Amounts([total, fund, _]) = told.amounts;
                    let Amounts([_, _, account]) = sum.amounts;
                    Some(Sum { rows: told.rows, amounts: Amounts::new(total, fund, account) })
                }
            },
            file: sum,
            file_rows: rows,
        }
    }

    /// Brings the rows after the first `position` in, while the next are read.
    async fn take<S: Read + Seek + Send + 'static>(
        &self,
        source: S,
        (key, mut position): (i64, u64),
        survey: &Survey,
        tell: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), AppError> {
        let (sender, mut batches) = mpsc::channel::<Batch>(BATCHES_AHEAD);
        let reading = tokio::task::spawn_blocking(move || {
            let mut source = source;
            statement::rows(&mut source, position, |batch| sender.blocking_send(batch).is_ok())
        });
        while let Some(batch) = batches.recv().await {
            let taken = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            let (rows, bad) = staged(batch);
            let took = take_rows(self.pool, key, position, (&rows, &bad)).await;
            if !took.map_err(AppError::store("take rows of a statement"))? {
                // The same statement comes by another way too; whoever is further goes on.
                return Err(AppError::Contended);
            }
            position = position.saturating_add(taken);
            let of = Some(survey.rows);
            tell(Progress { step: Step::Take, done: position, of });
        }
        let read = reading.await.map_err(|_| AppError::Unbalanced)?;
        read?;
        if position == survey.rows { Ok(()) } else { Err(FileFault::Changed.into()) }
    }
}

fn staged(batch: Batch) -> (Vec<StagedRow>, Vec<BadRow>) {
    let rows = batch.rows.into_iter().map(|row| StagedRow {
        line: row.line,
        settlement: row.settlement,
        stay: row.stay,
        person_number: row.person_number,
        refund: row.refund,
        amounts: row.amounts,
    });
    let bad = batch.bad.into_iter().map(|bad| BadRow {
        line: bad.line,
        reason: bad.fault.code(),
        column: bad.fault.column(),
        settlement: bad.settlement,
    });
    (rows.collect(), bad.collect())
}

/// Goes through a file where that keeps nobody else waiting, and gives it back.
async fn surveyed<S: Read + Seek + Send + 'static>(
    source: S,
    tell: &(dyn Fn(Progress) + Sync),
) -> Result<(S, Survey), AppError> {
    let (sender, mut rows) = watch::channel(0_u64);
    let worked = tokio::task::spawn_blocking(move || {
        let mut source = source;
        let surveyed = statement::survey(&mut source, |rows| {
            sender.send_replace(rows);
        });
        (source, surveyed)
    });
    tell(Progress { step: Step::Survey, done: 0, of: None });
    while rows.changed().await.is_ok() {
        tell(Progress { step: Step::Survey, done: *rows.borrow_and_update(), of: None });
    }
    // It is at its end: whoever told us is gone.
    let (source, surveyed) = worked.await.map_err(|_| AppError::Unbalanced)?;
    Ok((source, surveyed?))
}
