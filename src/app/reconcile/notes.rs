//! What becomes of differences: who proposes, settles or carries them, what happened to each, and the end of a statement.

use jiff::Timestamp;
use tracing::instrument;

use super::{Reconciled, Reconciling, StatementRefusal, check};
use crate::app::{Act, AppError, Of, Role};
use crate::domain::reconcile::Scope;
use crate::limits;
use crate::store::reconcile::{
    self as store, Carried, Closing, Event, Latest, Note, Noted, State, Statement,
};

/// A page of statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statements {
    /// The latest first.
    pub listed: Vec<Statement>,
    /// After which the list goes on; nothing where it does not.
    pub next: Option<(Timestamp, i64)>,
}

/// Is this a reason: 1 to 200 characters that can be printed?
pub fn is_reason(text: &str) -> bool {
    let length = text.chars().count();
    length <= limits::REVERSAL_REASON_LENGTH_MAX
        && !text.trim().is_empty()
        && !text.chars().any(char::is_control)
}

impl Reconciling<'_> {
    /// The latest statements that this caller reaches, without what came of them: a page of them.
    pub async fn statements(&self, latest: &Latest) -> Result<Statements, AppError> {
        let reached = self.caller.lists(Act::ReadReconciliation)?;
        let most = latest.most.filter(|most| *most != 0).map_or(i64::MAX, i64::from);
        let most = most.min(limits::STATEMENTS_LISTED_MAX);
        let listed = store::statements(self.pool, latest, reached, most).await;
        let mut listed = listed.map_err(AppError::store("list statements"))?;
        let full = usize::try_from(most).is_ok_and(|most| most <= listed.len());
        let next = listed.last().filter(|_| full).map(|last| (last.received_at, last.key));
        // The one place that says what a caller may see says it of each.
        listed.retain(|statement| {
            self.caller.allow(Act::ReadReconciliation, Of::Scope(&statement.scope)).is_ok()
        });
        Ok(Statements { listed, next })
    }

    /// What was carried out of statements of a scope and is not settled, oldest first: so many at once, after one. Each is recorded as a
    /// look at the settlement that it is of.
    pub async fn carried(
        &self,
        scope: &Scope,
        after: Option<(i64, u64)>,
    ) -> Result<Vec<Carried>, AppError> {
        check(scope)?;
        self.caller.allow(Act::ReadReconciliation, Of::Scope(scope))?;
        self.knows_names(scope).await?;
        let carried = store::carried(
            self.pool,
            (scope, self.is_hospital()),
            after,
            limits::EXPLAIN_BATCH_ROWS,
        )
        .await;
        let carried = carried.map_err(AppError::store("list what was carried"))?;
        let these: Vec<_> = carried.iter().map(|one| (one.statement, one.number)).collect();
        self.looked_at(&these).await?;
        Ok(carried)
    }

    /// All that happened to a difference, and to the same row in statements of earlier days that it was carried out of; in the order of
    /// days. It is recorded as a look at the settlement that it is of.
    pub async fn history(&self, key: i64, number: u64) -> Result<Vec<Event>, AppError> {
        self.statement(key, Act::ReadReconciliation).await?;
        let events = store::history(self.pool, (key, number), limits::EXPLAIN_BATCH_ROWS).await;
        let events = events.map_err(AppError::store("read what happened to a difference"))?;
        self.looked_at(&[(key, number)]).await?;
        Ok(events)
    }

    /// Is it a hospital's own figures that are compared?
    pub(super) fn is_hospital(&self) -> bool {
        matches!(self.caller.role, Role::Hospital(_))
    }

    async fn looked_at(&self, these: &[(i64, u64)]) -> Result<(), AppError> {
        let recorded = store::record_these_seen(self.pool, these, &self.access()).await;
        recorded.map_err(AppError::store("record who looks at differences"))
    }

    /// Proposes to settle a difference, settles it, or carries it to a later day.
    #[instrument(name = "note a difference", skip_all, fields(statement = key, difference = number))]
    pub async fn note(
        &self,
        key: i64,
        number: u64,
        note: Note,
        reason: &str,
    ) -> Result<(), AppError> {
        if !is_reason(reason) {
            return Err(StatementRefusal::ReasonUnfit.into());
        }
        let statement = self.statement(key, Act::Reconcile).await?;
        if statement.superseded_by.is_some() {
            return Err(StatementRefusal::DayClosed.into());
        }
        let by = (self.caller.name.as_str(), reason);
        let noted = store::note_difference(self.pool, (key, number), note, by).await;
        match noted.map_err(AppError::store("note what becomes of a difference"))? {
            Noted::Noted => Ok(()),
            Noted::NotOpen => Err(StatementRefusal::DifferenceNotOpen.into()),
            Noted::FourEyes => Err(StatementRefusal::FourEyes.into()),
        }
    }

    /// Closes a statement: from now on its days take no other of this scope, and it stands still. Where rows of it are bad, or the totals
    /// beside it are not those of its rows, somebody says why it is closed `although`.
    #[instrument(name = "close a statement", skip_all, fields(statement = key))]
    pub async fn close(&self, key: i64, although: Option<&str>) -> Result<Reconciled, AppError> {
        if although.is_some_and(|why| !is_reason(why)) {
            return Err(StatementRefusal::ReasonUnfit.into());
        }
        let statement = self.statement(key, Act::Reconcile).await?;
        if statement.state == State::Closed {
            return self.reconciled(statement).await;
        }
        if statement.superseded_by.is_some() {
            return Err(StatementRefusal::DayClosed.into());
        }
        if statement.state != State::Matched || statement.explained != statement.differences {
            return Err(StatementRefusal::NotMatched.into());
        }
        let totals_agree = statement.told == statement.file;
        let rows_bad = statement.rows_bad;
        let flawed = 0 < rows_bad || !totals_agree;
        // What is not flawed is not closed in spite of anything.
        let although = although.filter(|_| flawed).unwrap_or_default();
        let by = (self.caller.name.as_str(), although);
        let closing = store::close_statement(self.pool, key, by).await;
        match closing.map_err(AppError::store("close a statement"))? {
            Closing::Closed(_) => self.find(key).await,
            Closing::Open(open) => Err(StatementRefusal::DifferencesOpen(open).into()),
            Closing::DayClosed => Err(StatementRefusal::DayClosed.into()),
            Closing::Flawed => Err(StatementRefusal::Flawed { rows_bad, totals_agree }.into()),
        }
    }
}
