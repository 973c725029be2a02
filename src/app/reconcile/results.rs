//! What goes back: differences row by row, in the national columns or with all that we know. Whoever gets them is recorded.

use std::io::{Seek, Write};

use super::{Progress, Reconciling, StatementRefusal, Step};
use crate::app::{Act, AppError};
use crate::domain::reconcile::{Encoding, Side, explanation_words, told};
use crate::limits;
use crate::statement::{Format, LastEvent, ResultRow, Results};
use crate::store::reconcile::{self as store, Difference, Happened, Seen, State, Statement};

/// How results are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultOf {
    /// In which format.
    pub format: Format,
    /// With which codes.
    pub encoding: Encoding,
}

impl Reconciling<'_> {
    /// Writes all differences of a statement that is matched. Equal rows are not told: there is nothing to do about them.
    pub async fn results<W: Write + Seek + Send>(
        &self,
        key: i64,
        wanted: ResultOf,
        sink: W,
        tell: &(dyn Fn(Progress) + Sync),
    ) -> Result<W, AppError> {
        let statement = self.statement(key, Act::ReadReconciliation).await?;
        match statement.state {
            State::Matched | State::Closed => {}
            State::Receiving | State::Received => return Err(StatementRefusal::NotMatched.into()),
        }
        let mut results = Results::begin(sink, wanted.format)?;
        let mut after = 0;
        loop {
            let page = self.listed(&statement, after).await?;
            let Some(last) = page.last() else { break };
            after = last.number;
            for difference in &page {
                results.row(&row_of(difference, wanted.encoding))?;
            }
            let of = Some(statement.differences);
            tell(Progress { step: Step::Write, done: after, of });
        }
        Ok(results.end()?)
    }

    /// A page of differences, recorded as a look at the settlements that they are of.
    pub(super) async fn listed(
        &self,
        statement: &Statement,
        after: u64,
    ) -> Result<Vec<Difference>, AppError> {
        let window = (after, limits::EXPLAIN_BATCH_ROWS);
        let seen = self.access();
        let recorded =
            store::record_differences_seen(self.pool, statement.key, window, &seen).await;
        recorded.map_err(AppError::store("record who looks at differences"))?;
        let listed = store::differences(self.pool, statement.key, window).await;
        listed.map_err(AppError::store("read differences"))
    }

    pub(super) fn access(&self) -> Seen {
        Seen {
            at: crate::app::now().at,
            caller_name: self.caller.name.clone(),
            caller_kind: self.caller.role.word(),
            door: self.caller.door,
            purpose: self.caller.purpose.clone(),
        }
    }
}

fn row_of(difference: &Difference, encoding: Encoding) -> ResultRow {
    let has = if difference.has_ours { Side::Ours } else { Side::Theirs };
    let (zh, _) = difference.class.words();
    let why = explanation_words(&difference.explanation).map_or("", |(zh, _)| zh);
    let our_day = difference.our_day.map(|day| day.to_string()).unwrap_or_default();
    // What we have there is no amount of ours of these days, but it is where to look.
    let away = if difference.has_ours || our_day.is_empty() {
        String::new()
    } else {
        format!("我方结算日 {our_day}")
    };
    let memo = [zh, &away, why, &difference.detail];
    let memo: Vec<&str> = memo.into_iter().filter(|part| !part.is_empty()).collect();
    ResultRow {
        person_number: difference.person_number.clone().unwrap_or_default(),
        stay: difference.stay.clone().unwrap_or_default(),
        settlement: difference.settlement.to_string(),
        request: difference.request.clone().unwrap_or_default(),
        result: told(difference.class, has).code(encoding),
        refund: difference.refund,
        memo: memo.join("；"),
        ours: difference.has_ours.then_some(difference.our_amounts),
        theirs: difference.has_theirs.then_some(difference.their_amounts),
        class: difference.class.word().to_owned(),
        explanation: difference.explanation.clone(),
        detail: difference.detail.clone(),
        our_day,
        number: difference.number.to_string(),
        last: difference.last.as_ref().map(last_of).unwrap_or_default(),
    }
}

/// What last happened, as a result tells it.
fn last_of(happened: &Happened) -> LastEvent {
    let Happened { event, reason, moved, by, at } = happened;
    LastEvent {
        event: event.clone(),
        by: by.clone(),
        at: at.to_string(),
        reason: reason.clone(),
        moved: Happened::moves(event).then_some(*moved),
    }
}
