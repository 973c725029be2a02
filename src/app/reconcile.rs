//! Daily reconciliation: takes a statement, gives every row its class, explains what differs, and closes.
//!
//! A statement is taken only of days that are over, behind a fence, so that what it is compared with stands still. Each step is durable
//! by itself and goes on where it was: a file that is sent again is the same statement.

mod explaining;
mod files;
mod names;
mod notes;
mod results;
mod taking;

use tracing::instrument;

use super::{Act, App, AppError, Caller, Of, Refusal};
use crate::domain::ids::HospitalCode;
use crate::domain::money::Fen;
use crate::domain::reconcile::{Report, Scope, Sum, Told, clearing_type, compare};
use crate::domain::standing::Scheme;
use crate::statement::FileFault;
use crate::store::Pool;
use crate::store::reconcile::{self as store, Difference, Statement};

pub use self::notes::{Statements, is_reason};
pub use self::results::ResultOf;

/// What reconciles: a caller and the database. The same in a server and in a command beside one.
#[derive(Clone, Copy, Debug)]
pub struct Reconciling<'a> {
    pool: &'a Pool,
    caller: &'a Caller,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// In which step.
    pub step: Step,
    /// How much of it is done: rows, or seconds of waiting.
    pub done: u64,
    /// Of how much, where that is known.
    pub of: Option<u64>,
}

/// A step of reconciling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The whole file is gone through, before any row is taken.
    Survey,
    /// Rows are taken.
    Take,
    /// Whoever may still write into the days is waited for.
    Fence,
    /// Rows of both sides are put together.
    Match,
    /// What differs is explained.
    Explain,
    /// What differs is written to a file.
    Write,
}

/// The totals beside a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// There are none.
    Nothing,
    /// All of them.
    All(Sum),
    /// Without what the account paid, as the national interface has it. (`3202`)
    WithoutAccount(Sum),
}

/// What came of a statement so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciled {
    /// The statement, and how far it is.
    pub statement: Statement,
    /// What both sides say, by class; empty until it is matched.
    pub report: Report,
    /// How many differences have which explanation.
    pub explanations: Vec<(String, u64)>,
    /// Bad rows: line, reason, column; the first so many.
    pub bad_rows: Vec<(u64, String, String)>,
    /// Do the totals beside the file agree with its own good rows? Of a file that was just sent, those that came with it.
    pub totals_agree: bool,
}

/// What we have of one group. (`3201`)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// `fixmedins_code`
    pub hospital: HospitalCode,
    /// `insutype`
    pub scheme: Scheme,
    /// `clr_type`
    pub clearing_type: String,
    /// `setl_optins`
    pub clearing_agency: String,
    /// `refd_setl_flag`
    pub refund: bool,
    /// How many, and how much.
    pub sum: Sum,
    /// What each fund pays of it, by the name of its payer.
    pub funds: Vec<(String, Fen)>,
}

/// Why a statement, or what is to be done with one, can not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatementRefusal {
    /// The file can not be taken.
    File {
        /// Why, by its code.
        code: &'static str,
        /// The column, where one is missing.
        column: &'static str,
    },
    /// It names neither a hospital nor a region.
    ScopeOpen,
    /// One of its days is not over.
    DayNotOver,
    /// One of its days is closed, for the same scope or a wider one.
    DayClosed,
    /// There is no such statement.
    Unknown,
    /// No such file was sent.
    FileUnknown,
    /// Its rows are not put together yet.
    NotMatched,
    /// There is no such difference that is open.
    DifferenceNotOpen,
    /// Money is in it, and nobody else proposed exactly this.
    FourEyes,
    /// So many differences are open.
    DifferencesOpen(u64),
    /// So many of its rows are bad, or the totals beside it are not those of its rows; nobody said why it is closed all the same.
    Flawed {
        /// Bad rows.
        rows_bad: u64,
        /// Are the totals those of its rows?
        totals_agree: bool,
    },
    /// Why somebody does something is not said, or at too great length.
    ReasonUnfit,
    /// No rule package and no settlement of these days knows such a payer; these are known.
    PayerUnknown(Vec<String>),
    /// No settlement of these days is of such a clearing type; these are known.
    ClearingTypeUnknown(Vec<String>),
}

impl StatementRefusal {
    /// Its stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File { code, .. } => code,
            Self::ScopeOpen => "SCOPE_TOO_WIDE",
            Self::DayNotOver => "DAY_NOT_OVER",
            Self::DayClosed => "STATEMENT_DAY_CLOSED",
            Self::Unknown => "STATEMENT_UNKNOWN",
            Self::FileUnknown => "STATEMENT_FILE_UNKNOWN",
            Self::NotMatched => "STATEMENT_NOT_MATCHED",
            Self::DifferenceNotOpen => "DIFFERENCE_NOT_OPEN",
            Self::FourEyes => "FOUR_EYES",
            Self::DifferencesOpen(_) => "DIFFERENCES_OPEN",
            Self::Flawed { .. } => "STATEMENT_FLAWED",
            Self::ReasonUnfit => "REASON_UNFIT",
            Self::PayerUnknown(_) => "PAYER_UNKNOWN",
            Self::ClearingTypeUnknown(_) => "CLEARING_TYPE_UNKNOWN",
        }
    }

    /// The field it is about.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::File { column, .. } => {
                if column.is_empty() {
                    "file"
                } else {
                    column
                }
            }
            Self::ScopeOpen => "scope",
            Self::DayNotOver | Self::DayClosed => "last_day",
            Self::Unknown | Self::NotMatched | Self::DifferencesOpen(_) => "statement_id",
            Self::FileUnknown => "file_qury_no",
            Self::DifferenceNotOpen => "difference_number",
            Self::FourEyes => "moved_fen",
            Self::Flawed { .. } => "although",
            Self::ReasonUnfit => "reason",
            Self::PayerUnknown(_) => "scope.payer",
            Self::ClearingTypeUnknown(_) => "scope.clearing_type",
        }
    }

    /// What stands in its way, or what could be said instead; empty where its words say it all.
    pub fn about(&self) -> String {
        match self {
            Self::DifferencesOpen(open) => open.to_string(),
            Self::Flawed { rows_bad, totals_agree } => {
                format!("坏行 bad rows: {rows_bad}; 总额相符 totals agree: {totals_agree}")
            }
            Self::PayerUnknown(known) | Self::ClearingTypeUnknown(known) => {
                format!("已知 known: {}", known.join(", "))
            }
            Self::File { .. }
            | Self::ScopeOpen
            | Self::DayNotOver
            | Self::DayClosed
            | Self::Unknown
            | Self::FileUnknown
            | Self::NotMatched
            | Self::DifferenceNotOpen
            | Self::FourEyes
            | Self::ReasonUnfit => String::new(),
        }
    }

    /// One of each, for whoever must know every code.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        let files = crate::statement::FileFault::CODES.map(|code| Self::File { code, column: "" });
        let others = [
            Self::ScopeOpen,
            Self::DayNotOver,
            Self::DayClosed,
            Self::Unknown,
            Self::FileUnknown,
            Self::NotMatched,
            Self::DifferenceNotOpen,
            Self::FourEyes,
            Self::DifferencesOpen(1),
            Self::Flawed { rows_bad: 1, totals_agree: true },
            Self::ReasonUnfit,
            Self::PayerUnknown(Vec::new()),
            Self::ClearingTypeUnknown(Vec::new()),
        ];
        files.into_iter().chain(others).collect()
    }
}

impl From<Option<Sum>> for Beside {
    fn from(sum: Option<Sum>) -> Self {
        sum.map_or(Self::Nothing, Self::All)
    }
}

impl From<StatementRefusal> for AppError {
    fn from(refusal: StatementRefusal) -> Self {
        Self::Refused(Refusal::Statement(refusal))
    }
}

impl From<FileFault> for AppError {
    fn from(fault: FileFault) -> Self {
        let column = match &fault {
            FileFault::ColumnMissing(column) => column,
            FileFault::Read(_)
            | FileFault::Damaged(_)
            | FileFault::NotOneFile(_)
            | FileFault::Packing
            | FileFault::Encoding
            | FileFault::Empty
            | FileFault::TooLarge
            | FileFault::TooManyRows
            | FileFault::Changed
            | FileFault::Write(_) => "",
        };
        StatementRefusal::File { code: fault.code(), column }.into()
    }
}

impl App {
    /// Reconciles for a caller.
    pub const fn reconciling<'a>(&'a self, caller: &'a Caller) -> Reconciling<'a> {
        Reconciling::new(&self.pool, caller)
    }
}

impl<'a> Reconciling<'a> {
    /// The same for a command that runs beside servers.
    pub const fn new(pool: &'a Pool, caller: &'a Caller) -> Self {
        Self { pool, caller }
    }

    /// What we have of a scope, group by group. Of days that are not over it is what there is so far.
    #[instrument(name = "reconciliation totals", skip_all)]
    pub async fn totals(&self, scope: &Scope) -> Result<Vec<Total>, AppError> {
        check(scope)?;
        self.caller.allow(Act::ReadReconciliation, Of::Scope(scope))?;
        self.knows_names(scope).await?;
        let groups = store::group_totals(self.pool, scope).await;
        let groups = groups.map_err(AppError::store("add up what was settled"))?;
        let mut totals: Vec<Total> = Vec::new();
        for group in groups {
            let clearing = clearing_type(&group.clearing_type, group.care).to_owned();
            let same = totals.iter_mut().find(|total| {
                total.hospital == group.hospital
                    && total.scheme == group.scheme
                    && total.clearing_type == clearing
                    && total.clearing_agency == group.clearing_agency
                    && total.refund == group.refund
            });
            match same {
                Some(total) => {
                    total.sum = total.sum.plus(&group.sum).ok_or(AppError::Unbalanced)?;
                    total.funds = both(&total.funds, &group.funds).ok_or(AppError::Unbalanced)?;
                }
                None => totals.push(Total {
                    hospital: group.hospital,
                    scheme: group.scheme,
                    clearing_type: clearing,
                    clearing_agency: group.clearing_agency,
                    refund: group.refund,
                    sum: group.sum,
                    funds: group.funds,
                }),
            }
        }
        Ok(totals)
    }

    /// Compares what somebody says of a scope with what we have of it, in sum. (`3201`)
    pub async fn compare(&self, scope: &Scope, theirs: &Sum) -> Result<(Told, Sum), AppError> {
        let totals = self.totals(scope).await?;
        let all = totals.iter().try_fold(Sum::default(), |sum, total| sum.plus(&total.sum));
        let ours = all.ok_or(AppError::Unbalanced)?;
        Ok((compare(&ours, theirs), ours))
    }

    /// What came of a statement so far.
    pub async fn find(&self, key: i64) -> Result<Reconciled, AppError> {
        let statement = self.statement(key, Act::ReadReconciliation).await?;
        self.reconciled(statement).await
    }

    /// Differences after one, in their order, so many at once. Each is recorded as a look at the settlement that it is of.
    pub async fn differences(&self, key: i64, after: u64) -> Result<Vec<Difference>, AppError> {
        let statement = self.statement(key, Act::ReadReconciliation).await?;
        self.listed(&statement, after).await
    }

    /// A statement that this caller may act on; what is another's is answered like what is not there.
    async fn statement(&self, key: i64, act: Act) -> Result<Statement, AppError> {
        self.caller.allow(act, Of::Anybody)?;
        let found = store::statement(self.pool, key).await;
        let found = found.map_err(AppError::store("read a statement"))?;
        let own =
            found.filter(|statement| self.caller.allow(act, Of::Scope(&statement.scope)).is_ok());
        own.ok_or_else(|| StatementRefusal::Unknown.into())
    }

    async fn reconciled(&self, statement: Statement) -> Result<Reconciled, AppError> {
        let failed = || AppError::store("read what came of a statement");
        let key = statement.key;
        let report = store::report(self.pool, key).await.map_err(failed())?;
        let explanations = store::explanations(self.pool, key).await.map_err(failed())?;
        let most = i64::try_from(crate::limits::STATEMENT_BAD_ROWS_LISTED_MAX).unwrap_or(i64::MAX);
        let bad_rows = store::bad_rows(self.pool, key, most).await.map_err(failed())?;
        let totals_agree = statement.told == statement.file;
        Ok(Reconciled { statement, report, explanations, bad_rows, totals_agree })
    }
}

impl Reconciled {
    /// How many differences in ten thousand can not be explained; nothing where there are no differences.
    pub fn unexplained_per_10_000(&self) -> Option<u64> {
        let all: u64 = self.explanations.iter().map(|(_, differences)| *differences).sum();
        let of = |word: &str| {
            self.explanations.iter().find(|(known, _)| known == word).map_or(0, |(_, n)| *n)
        };
        of("not_explainable").checked_mul(10_000)?.checked_div(all)
    }
}

/// What funds pay in two groups together, by their names; nothing where it does not fit.
fn both(these: &[(String, Fen)], those: &[(String, Fen)]) -> Option<Vec<(String, Fen)>> {
    let mut all = std::collections::BTreeMap::<&String, Fen>::new();
    for (name, fen) in these.iter().chain(those) {
        let sum = all.entry(name).or_insert(Fen::ZERO);
        *sum = sum.checked_add(*fen)?;
    }
    Some(all.into_iter().map(|(name, fen)| (name.clone(), fen)).collect())
}

/// A statement is of somebody.
fn check(scope: &Scope) -> Result<(), AppError> {
    if scope.hospital.is_none() && scope.region.is_none() {
        return Err(StatementRefusal::ScopeOpen.into());
    }
    Ok(())
}

/// What both sides' sums of a statement say to each other.
pub fn told_of(reconciled: &Reconciled) -> Option<Told> {
    let sums = reconciled.report.sums()?;
    Some(compare(&sums.ours, &sums.theirs))
}
