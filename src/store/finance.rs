//! The books: postings, clearing statements, payments and budgets.
//!
//! What belongs together is one transaction. The database refuses by the name of a constraint what must not be written, and that name comes
//! back as a [`Broken`]; nothing is looked up first that it would refuse anyway.

mod books;
mod payments;
mod postings;
mod statements;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::{Operation, StoreError};
use super::pool::{Pool, READ_EVERYTHING};
use super::row::Reader;
use crate::domain::finance::Fund;
use crate::domain::money::Fen;

pub use self::books::{
    Appropriated, Balance, BookFault, By, Claim, Claims, Drawn, Ledger, appropriated, balance,
    check_books, claims, closed_through, drawn, set_budget_rule,
};
pub use self::payments::{
    Confirmed, HeldAccount, Outcome, Payable, Payment, PaymentFile, PaymentMade, PaymentOf,
    Payments, add_account, confirm_account, confirm_payments, marked_accounts, payable,
    payment_file, payments, put_resealed_account, record_payment_file, sealed_accounts,
};
pub use self::postings::{
    Postings, Proposal, Proposed, decide_proposal, post_proposal, postings, proposals, propose,
};
pub use self::statements::{
    Event, Group, LeftOver, Statement, Statements, Step, events, hospital_region, left_over,
    open_groups, record_statements, set_terms, statements, step_statement, terms_of,
};

/// What the database refused to write, by the name of what it would break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A posting does not balance within each region and fund.
    Unbalanced,
    /// A posting is dated ahead.
    Ahead,
    /// A posting is on a day that is closed.
    DayClosed,
    /// One person would have done what takes two.
    FourEyes,
    /// A statement is of a day that is not closed.
    DayNotClosed,
    /// A statement has days that another has.
    Overlaps,
    /// A statement or a proposal moved on meanwhile.
    Moved,
    /// An advance would be used up more than once.
    Overdrawn,
    /// A payment was confirmed before.
    ConfirmedBefore,
    /// The bank said the same reference before.
    ReferenceUsed,
    /// A payment went to another bank.
    OtherBank,
    /// A confirmed amount is not that of the payment.
    Amount,
    /// A bank would have paid before the payment file was made, or tomorrow.
    PaidOn,
    /// There is no such payment.
    PaymentUnknown,
}

/// What came of writing.
pub type Kept<T> = Result<Result<T, Broken>, StoreError>;

impl Broken {
    fn of(error: &tokio_postgres::Error) -> Option<Self> {
        Some(match error.as_db_error()?.constraint()? {
            "posting_balanced" => Self::Unbalanced,
            "posting_not_ahead" => Self::Ahead,
            "posting_day_open" => Self::DayClosed,
            "posting_four_eyes"
            | "posting_proposal_four_eyes"
            | "clearing_statement_four_eyes"
            | "payment_four_eyes"
            | "hospital_account_four_eyes" => Self::FourEyes,
            "clearing_statement_days_closed" => Self::DayNotClosed,
            "clearing_statement_overlaps" => Self::Overlaps,
            "clearing_statement_step" | "posting_proposal_decided" => Self::Moved,
            "payment_confirmation_pkey" => Self::ConfirmedBefore,
            "payment_confirmation_reference" => Self::ReferenceUsed,
            "payment_of_another_bank" => Self::OtherBank,
            "payment_amount" => Self::Amount,
            "payment_day" => Self::PaidOn,
            "payment_unknown" => Self::PaymentUnknown,
            _ => return None,
        })
    }
}

/// A statement of ours and its parameters.
pub(super) type Asked<'a> = (&'static str, &'a [&'a (dyn ToSql + Sync)]);

/// One transaction of some statements; a refusal by name ends it, and nothing of it stays.
struct Work<'a> {
    transaction: deadpool_postgres::Transaction<'a>,
    operation: Operation,
}

/// Why a transaction was not to its end.
enum Ended {
    Broken(Broken),
    Failed(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<Broken> for Ended {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl Work<'_> {
    async fn query(&self, (sql, params): Asked<'_>) -> Result<Vec<Row>, Ended> {
        let failed = |source| {
            Broken::of(&source).map_or_else(
                || {
                    let operation = self.operation.clone();
                    Ended::Failed(StoreError::Statement { operation, source })
                },
                Ended::Broken,
            )
        };
        let statement = self.transaction.prepare_cached(sql).await.map_err(failed)?;
        self.transaction.query(&statement, params).await.map_err(failed)
    }

    /// The same, where it is refused if it finds nothing: something moved on.
    async fn found(&self, statement: Asked<'_>) -> Result<Vec<Row>, Ended> {
        let rows = self.query(statement).await?;
        if rows.is_empty() { Err(Ended::Broken(Broken::Moved)) } else { Ok(rows) }
    }

    const fn reader<'r>(&'r self, row: &'r Row) -> Reader<'r> {
        Reader { row, operation: &self.operation }
    }
}

/// Does some work as one transaction.
async fn together<T>(
    pool: &Pool,
    what: &'static str,
    work: impl AsyncFnOnce(&Work<'_>) -> Result<T, Ended>,
) -> Kept<T> {
    let operation = Operation::Finance(what);
    let failed = |source| StoreError::Statement { operation: Operation::Finance(what), source };
    let mut connection = pool.take(&operation).await?;
    connection.count();
    let transaction = connection.client.transaction().await.map_err(failed)?;
    let working = Work { transaction, operation };
    match work(&working).await {
        Ok(done) => {
            working.transaction.commit().await.map_err(failed)?;
            Ok(Ok(done))
        }
        Err(Ended::Broken(broken)) => Ok(Err(broken)),
        Err(Ended::Failed(error)) => Err(error),
    }
}

/// Reads with as much time and by whatever plan it takes: reports look at whole tables.
pub(super) async fn report(
    pool: &Pool,
    operation: &Operation,
    (sql, params): Asked<'_>,
) -> Result<Vec<Row>, StoreError> {
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let mut connection = pool.take(operation).await?;
    connection.count();
    let transaction = connection.client.transaction().await.map_err(failed)?;
    transaction.batch_execute(READ_EVERYTHING).await.map_err(failed)?;
    // Planned for what is asked: most conditions are open.
    let statement = transaction.prepare(sql).await.map_err(failed)?;
    let rows = transaction.query(&statement, params).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(rows)
}

impl Reader<'_> {
    pub(super) fn fund(&self, field: &'static str) -> Result<Fund, StoreError> {
        self.text(field, Fund::from_word)
    }

    pub(super) fn fen(&self, field: &'static str) -> Result<Fen, StoreError> {
        self.get(field).map(Fen::new)
    }

    pub(super) fn fens(&self, field: &'static str) -> Result<Vec<Fen>, StoreError> {
        Ok(self.list::<i64>(field)?.into_iter().map(Fen::new).collect())
    }

    pub(super) fn count(&self, field: &'static str) -> Result<u64, StoreError> {
        let count: i64 = self.get(field)?;
        self.parse(field, u64::try_from(count).ok())
    }
}

/// Regions as a parameter; none given: all.
pub(super) fn regions(of: Option<&[crate::domain::ids::RegionCode]>) -> Option<Vec<String>> {
    of.map(|regions| regions.iter().map(ToString::to_string).collect())
}
