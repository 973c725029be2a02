//! The one place where errors become answers, and where they are logged, once, with their causes and without personal data.

use tonic::{Code, Status};
use tonic_types::{
    BadRequest, ErrorDetail, ErrorInfo, FieldViolation, LocalizedMessage, RetryInfo, StatusExt as _,
};

use super::super::cause;
use super::super::field::Invalid;
use super::super::outage::Outage;
use super::super::words;
use super::call::NotLetIn;
use crate::app::audit::AuditRefusal;
use crate::app::finance::FinanceRefusal;
use crate::app::{AppError, ErrorKind, Refusal, StatementRefusal};
use crate::limits;

/// Whose reasons these are, for `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "onestop";

/// Why a call was not answered.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The bytes are no message, and where they are not.
    Malformed(String),
    /// The message has more bytes than are taken.
    TooLarge(usize),
    /// The message can not be read.
    Invalid(Invalid),
    /// The shell did not answer.
    App(AppError),
    /// It is not known who calls, or they call too often.
    NotLetIn(NotLetIn),
    /// The client's deadline had passed before we began.
    DeadlinePassed,
    /// An import that does not go on: its code and field.
    Import(&'static str, String),
    /// Our own code broke down on it.
    Panicked,
}

/// What a client is told.
struct Told {
    code: Code,
    reason: &'static str,
    field: Option<String>,
    /// A settlement that stands in the way.
    settlement: Option<String>,
    /// What stands in the way beside the words; empty where these say it all.
    about: String,
    retry: Option<std::time::Duration>,
}

impl From<Invalid> for Unanswered {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<prost::DecodeError> for Unanswered {
    fn from(error: prost::DecodeError) -> Self {
        // It names messages and fields of the contract, and quotes none of their values.
        Self::Malformed(error.to_string())
    }
}

impl From<AppError> for Unanswered {
    fn from(error: AppError) -> Self {
        // The same, whether it passed on arrival or in a queue.
        if matches!(error, AppError::DeadlinePassed) {
            Self::DeadlinePassed
        } else {
            Self::App(error)
        }
    }
}

impl Unanswered {
    /// Who must act; the label in metrics.
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed(_)
            | Self::TooLarge(_)
            | Self::Invalid(_)
            | Self::NotLetIn(NotLetIn::Unknown(_))
            | Self::DeadlinePassed
            | Self::Import(..) => ErrorKind::Caller,
            Self::NotLetIn(NotLetIn::Exceeded(_)) => ErrorKind::Busy,
            Self::App(error) => error.kind(),
            Self::Panicked => ErrorKind::Bug,
        }
    }
}

/// Turns what went wrong into what the client is told. Says nothing of what lies behind it.
pub(super) fn to_status(unanswered: &Unanswered, method: &'static str) -> Status {
    let told = told(unanswered);
    log(unanswered, &told, method);
    said(told)
}

/// What a client is told of an outage, said without one: for who rehearses it.
pub fn rehearsed(outage: Outage) -> Status {
    let (code, retry) = match outage {
        Outage::Busy => (Code::ResourceExhausted, limits::RETRY_WHEN_BUSY),
        Outage::OutcomeUnknown => (Code::Unavailable, limits::RETRY_WHEN_AWAY),
    };
    let (reason, retry) = (outage.word(), Some(retry));
    said(Told { code, reason, field: None, settlement: None, about: String::new(), retry })
}

/// With all its details, in both languages.
fn said(told: Told) -> Status {
    let Told { code, reason, field, settlement, about, retry } = told;
    let words = words::of(reason);
    let (mut zh, mut en) = (words.zh.to_owned(), words.en.to_owned());
    let mut info = ErrorInfo::new(reason, DOMAIN, []);
    if let Some(settlement) = settlement {
        zh.push_str(&format!("（结算编号：{settlement}）"));
        en.push_str(&format!(" (settlement {settlement})"));
        info.metadata.insert("settlement_id".to_owned(), settlement);
    }
    if !about.is_empty() {
        zh.push_str(&format!("（{about}）"));
        en.push_str(&format!(" ({about})"));
        info.metadata.insert("about".to_owned(), about);
    }
    let mut details = vec![ErrorDetail::from(info)];
    if let Some(field) = field {
        let violation = FieldViolation::new(field, en.clone());
        details.push(ErrorDetail::from(BadRequest::new(vec![violation])));
    }
    if let Some(after) = retry {
        details.push(ErrorDetail::from(RetryInfo::new(Some(after))));
    }
    details.push(ErrorDetail::from(LocalizedMessage::new("zh-CN", zh)));
    details.push(ErrorDetail::from(LocalizedMessage::new("en", en.clone())));
    Status::with_error_details_vec(code, en, details)
}

fn told(unanswered: &Unanswered) -> Told {
    let plain = |code, reason| Told {
        code,
        reason,
        field: None,
        settlement: None,
        about: String::new(),
        retry: None,
    };
    match unanswered {
        Unanswered::Invalid(invalid) => Told {
            field: Some(invalid.field.clone()),
            ..plain(Code::InvalidArgument, invalid.reason.code())
        },
        Unanswered::App(AppError::Refused(refusal)) => Told {
            field: Some(field_of(refusal)).filter(|field| !field.is_empty()),
            settlement: refusal.settlement().map(ToString::to_string),
            about: refusal.about(),
            ..plain(code_of(refusal), refusal.code())
        },
        Unanswered::App(error) => failed(error),
        Unanswered::NotLetIn(NotLetIn::Unknown(why)) => plain(Code::Unauthenticated, why.code()),
        Unanswered::NotLetIn(NotLetIn::Exceeded(exceeded)) => Told {
            retry: Some(exceeded.retry),
            ..plain(Code::ResourceExhausted, words::BUDGET_EXCEEDED)
        },
        Unanswered::DeadlinePassed => plain(Code::DeadlineExceeded, words::DEADLINE_PASSED),
        Unanswered::Import(reason, field) => {
            let code = if [words::IMPORT_ELSEWHERE, words::STREAM_BROKEN].contains(reason) {
                Code::Aborted
            } else {
                Code::InvalidArgument
            };
            Told { field: Some(field.clone()), ..plain(code, reason) }
        }
        // A fault in the client: it is as bad when it is sent again.
        Unanswered::Malformed(why) => {
            Told { about: why.clone(), ..plain(Code::InvalidArgument, words::MESSAGE_MALFORMED) }
        }
        Unanswered::TooLarge(most) => Told {
            about: format!("≤ {most} bytes"),
            ..plain(Code::InvalidArgument, words::MESSAGE_TOO_LARGE)
        },
        Unanswered::Panicked => plain(Code::Internal, words::INTERNAL),
    }
}

/// The field, and in a bank's file the line and column.
fn field_of(refusal: &Refusal) -> String {
    if let Refusal::Finance(finance) = refusal {
        finance.place()
    } else {
        refusal.field().to_owned()
    }
}

fn failed(error: &AppError) -> Told {
    let (code, reason, retry) = match error.kind() {
        ErrorKind::Busy => (Code::ResourceExhausted, words::BUSY, Some(limits::RETRY_WHEN_BUSY)),
        ErrorKind::Dependency => {
            let reason = match error {
                AppError::OutcomeUnknown { .. } => words::OUTCOME_UNKNOWN,
                AppError::RulesMoved => words::RULES_MOVED,
                AppError::Refused(_)
                | AppError::Store { .. }
                | AppError::Contended
                | AppError::DeadlinePassed
                | AppError::Record { .. }
                | AppError::PackageLost(_)
                | AppError::Random
                | AppError::Unbalanced => words::DEPENDENCY_AWAY,
            };
            (Code::Unavailable, reason, Some(limits::RETRY_WHEN_AWAY))
        }
        ErrorKind::Caller | ErrorKind::Bug => (Code::Internal, words::INTERNAL, None),
    };
    Told { code, reason, field: None, settlement: None, about: String::new(), retry }
}

/// A fault of the message, of the state it meets, of an id used before, or of something that is not there.
fn code_of(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::Bill(_) | Refusal::TokenForged | Refusal::TokenOfAnotherBill => {
            Code::InvalidArgument
        }
        Refusal::RequestIdReused | Refusal::LineIdReused(_) => Code::AlreadyExists,
        Refusal::RequestReversed
        | Refusal::AlreadyBarred
        | Refusal::StaySettled(_)
        | Refusal::TokenStale
        | Refusal::ReversesAReversal
        | Refusal::AlreadyReversed(_)
        | Refusal::TruedUp(_)
        | Refusal::NotNewest(_)
        | Refusal::StayCancelled
        | Refusal::PersonDiffers => Code::FailedPrecondition,
        Refusal::NotAllowed(_) => Code::PermissionDenied,
        Refusal::SettlementUnknown
        | Refusal::RequestUnknown
        | Refusal::HospitalUnknown
        | Refusal::PersonUnknown
        | Refusal::StayUnknown
        | Refusal::SignInUnknown => Code::NotFound,
        Refusal::Statement(refusal) => match refusal {
            StatementRefusal::File { .. }
            | StatementRefusal::ScopeOpen
            | StatementRefusal::ReasonUnfit
            | StatementRefusal::PayerUnknown(_)
            | StatementRefusal::ClearingTypeUnknown(_) => Code::InvalidArgument,
            StatementRefusal::Unknown | StatementRefusal::FileUnknown => Code::NotFound,
            StatementRefusal::DayNotOver
            | StatementRefusal::DayClosed
            | StatementRefusal::NotMatched
            | StatementRefusal::DifferenceNotOpen
            | StatementRefusal::FourEyes
            | StatementRefusal::Flawed { .. }
            | StatementRefusal::DifferencesOpen(_) => Code::FailedPrecondition,
        },
        Refusal::Finance(refusal) => code_of_books(refusal),
        Refusal::Audit(refusal) => match refusal {
            AuditRefusal::MonthUnknown => Code::InvalidArgument,
            AuditRefusal::TooWide => Code::OutOfRange,
            AuditRefusal::Mismatch(..) => Code::DataLoss,
        },
    }
}

fn code_of_books(refusal: &FinanceRefusal) -> Code {
    match refusal {
        FinanceRefusal::Posting(_)
        | FinanceRefusal::PostingMadeByUs
        | FinanceRefusal::FileUnreadable(_)
        | FinanceRefusal::NoBudget => Code::InvalidArgument,
        FinanceRefusal::ProposalUnknown
        | FinanceRefusal::StatementUnknown
        | FinanceRefusal::AccountUnknown
        | FinanceRefusal::PaymentUnknown => Code::NotFound,
        FinanceRefusal::ConfirmedBefore(_) | FinanceRefusal::ReferenceUsed => Code::AlreadyExists,
        FinanceRefusal::PostingAhead
        | FinanceRefusal::PostingDayClosed
        | FinanceRefusal::SamePerson
        | FinanceRefusal::DaysOpen
        | FinanceRefusal::Overlaps
        | FinanceRefusal::Moved
        | FinanceRefusal::Overdrawn
        | FinanceRefusal::NothingToPay
        | FinanceRefusal::AccountSealed
        | FinanceRefusal::OtherBank
        | FinanceRefusal::PaymentAmount(_)
        | FinanceRefusal::PaidOn(_) => Code::FailedPrecondition,
    }
}

fn log(unanswered: &Unanswered, told: &Told, method: &'static str) {
    let kind = unanswered.kind().word();
    let Told { reason, field, .. } = told;
    let field = field.as_deref().unwrap_or_default();
    match unanswered.kind() {
        ErrorKind::Caller => {
            tracing::info!(rpc.method = method, error.kind = kind, reason, field, "Refused a call");
        }
        ErrorKind::Busy => {
            let cause = cause(unanswered);
            tracing::warn!(rpc.method = method, error.kind = kind, reason, cause, "Too busy");
        }
        ErrorKind::Dependency => {
            let cause = cause(unanswered);
            tracing::error!(rpc.method = method, error.kind = kind, reason, cause, "Cut off");
        }
        ErrorKind::Bug => {
            let cause = cause(unanswered);
            tracing::error!(rpc.method = method, error.kind = kind, reason, cause, "Our own fault");
        }
    }
}

/// The error and its causes.
fn cause(unanswered: &Unanswered) -> String {
    match unanswered {
        Unanswered::App(error) => cause::of(error),
        Unanswered::Malformed(_)
        | Unanswered::TooLarge(_)
        | Unanswered::Invalid(_)
        | Unanswered::NotLetIn(_)
        | Unanswered::DeadlinePassed
        | Unanswered::Import(..)
        | Unanswered::Panicked => format!("{unanswered:?}"),
    }
}

#[cfg(test)]
mod tests;
