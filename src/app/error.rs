//! What can go wrong with a call, and who must act on it.

use super::access::Denied;
use super::audit::AuditRefusal;
use super::finance::FinanceRefusal;
use super::reconcile::StatementRefusal;
use crate::domain::bill::Faulty;
use crate::domain::ids::{LineId, SettlementId};
use crate::domain::record::RecordFault;
use crate::store::StoreError;

/// A call that was not answered.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The message can not be taken.
    #[error("refused: {}", .0.code())]
    Refused(Refusal),
    /// The database did not do it.
    #[error("{step}")]
    Store {
        /// Which step.
        step: &'static str,
        /// Why not.
        #[source]
        source: StoreError,
    },
    /// A commit was sent and its end is not known: the same request id will tell.
    #[error("commit, outcome unknown")]
    OutcomeUnknown {
        /// Why it is not known.
        #[source]
        source: StoreError,
    },
    /// The person's record kept moving while we decided.
    #[error("decide on a person that kept moving")]
    Contended,
    /// Whoever asked no longer waits: nothing was begun that had not been.
    #[error("answer before the deadline")]
    DeadlinePassed,
    /// The rules that decided are superseded in the database: this gateway does not have the newer ones yet.
    #[error("commit under rules that are superseded")]
    RulesMoved,
    /// What is recorded can not be read.
    #[error("read the record of settlement {settlement}")]
    Record {
        /// Which.
        settlement: SettlementId,
        /// Why not.
        #[source]
        source: RecordFault,
    },
    /// The rules behind a record are not to be had.
    #[error("find the rule package {0}")]
    PackageLost(String),
    /// The machine gives no randomness.
    #[error("draw randomness")]
    Random,
    /// A decision that does not add up: it was not recorded.
    #[error("record a decision that does not add up")]
    Unbalanced,
}

/// Why a message can not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The bill contradicts itself.
    Bill(Faulty),
    /// The request id was used for another body or person.
    RequestIdReused,
    /// The request was reversed before it was seen.
    RequestReversed,
    /// What is to be reversed was reversed before it was seen, by another reversal.
    AlreadyBarred,
    /// The hospital of a reversal was never registered.
    HospitalUnknown,
    /// The stay is settled already.
    StaySettled(Option<SettlementId>),
    /// The quote token was not signed by us, or was changed.
    TokenForged,
    /// The quote token is too old.
    TokenStale,
    /// The quote token is of another bill.
    TokenOfAnotherBill,
    /// There is no such settlement.
    SettlementUnknown,
    /// The hospital's request is not known, so that nothing was settled by it.
    RequestUnknown,
    /// What is to be reversed is itself a reversal.
    ReversesAReversal,
    /// The settlement is reversed already.
    AlreadyReversed(SettlementId),
    /// A true-up took the settlement back and settled it anew as this one, which is in force.
    TruedUp(SettlementId),
    /// The person has a newer settlement, which must be reversed first.
    NotNewest(SettlementId),
    /// The credential is not known.
    PersonUnknown,
    /// The caller may not do this, or not on these data.
    NotAllowed(Denied),
    /// Nobody was admitted to that stay.
    StayUnknown,
    /// The admission was reversed.
    StayCancelled,
    /// The stay is another person's.
    PersonDiffers,
    /// Another charge line of the stay has that id.
    LineIdReused(LineId),
    /// Nobody signed in by that number.
    SignInUnknown,
    /// A statement, or what is to be done with one, can not be taken.
    Statement(StatementRefusal),
    /// Something with the books.
    Finance(FinanceRefusal),
    /// A month is not shown.
    Audit(AuditRefusal),
}

/// Who must act. Also the label in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller.
    Caller,
    /// Nobody: the same call may do in a moment.
    Busy,
    /// Whoever runs what we depend on.
    Dependency,
    /// We.
    Bug,
}

impl AppError {
    /// Who must act.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(_) | Self::DeadlinePassed => ErrorKind::Caller,
            Self::Contended => ErrorKind::Busy,
            Self::Store { source, .. } if source.is_busy() => ErrorKind::Busy,
            Self::Store { source, .. } if source.is_outage() => ErrorKind::Dependency,
            Self::OutcomeUnknown { .. } | Self::RulesMoved => ErrorKind::Dependency,
            Self::Store { .. }
            | Self::Record { .. }
            | Self::PackageLost(_)
            | Self::Random
            | Self::Unbalanced => ErrorKind::Bug,
        }
    }

    pub(super) const fn store(step: &'static str) -> impl FnOnce(StoreError) -> Self {
        move |source| Self::Store { step, source }
    }
}

impl ErrorKind {
    /// Its word in metrics and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Busy => "busy",
            Self::Dependency => "dependency",
            Self::Bug => "bug",
        }
    }
}

impl Refusal {
    /// Its stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Bill(faulty) => faulty.fault.code(),
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::RequestReversed => "REQUEST_REVERSED",
            Self::AlreadyBarred => "ALREADY_BARRED",
            Self::HospitalUnknown => "HOSPITAL_UNKNOWN",
            Self::StaySettled(_) => "STAY_SETTLED",
            Self::TokenForged => "QUOTE_TOKEN_FORGED",
            Self::TokenStale => "QUOTE_TOKEN_STALE",
            Self::TokenOfAnotherBill => "QUOTE_TOKEN_OF_ANOTHER_BILL",
            Self::SettlementUnknown | Self::RequestUnknown => "SETTLEMENT_UNKNOWN",
            Self::ReversesAReversal => "REVERSES_A_REVERSAL",
            Self::AlreadyReversed(_) => "ALREADY_REVERSED",
            Self::TruedUp(_) => "TRUED_UP",
            Self::NotNewest(_) => "NOT_NEWEST",
            Self::PersonUnknown => "PERSON_UNKNOWN",
            Self::NotAllowed(_) => "NOT_ALLOWED",
            Self::StayUnknown => "STAY_UNKNOWN",
            Self::StayCancelled => "STAY_CANCELLED",
            Self::PersonDiffers => "PERSON_DIFFERS",
            Self::LineIdReused(_) => "LINE_ID_REUSED",
            Self::SignInUnknown => "SIGN_IN_UNKNOWN",
            Self::Statement(refusal) => refusal.code(),
            Self::Finance(refusal) => refusal.code(),
            Self::Audit(refusal) => refusal.code(),
        }
    }

    /// The field it is about.
    pub fn field(&self) -> &str {
        match self {
            Self::Bill(faulty) => &faulty.field,
            Self::RequestIdReused | Self::RequestReversed => "request_id",
            Self::AlreadyBarred => "original_request_id",
            Self::StaySettled(_) => "bill.stay_id",
            Self::TokenForged | Self::TokenStale | Self::TokenOfAnotherBill => "quote_token",
            Self::SettlementUnknown
            | Self::ReversesAReversal
            | Self::AlreadyReversed(_)
            | Self::TruedUp(_)
            | Self::NotNewest(_) => "settlement_id",
            Self::RequestUnknown => "request.request_id",
            Self::HospitalUnknown => "hospital_code",
            Self::PersonUnknown => "credential",
            Self::NotAllowed(denied) => denied.field(),
            Self::StayUnknown | Self::StayCancelled => "stay_id",
            Self::PersonDiffers => "person_number",
            Self::LineIdReused(line) => line.as_str(),
            Self::SignInUnknown => "sign_number",
            Self::Statement(refusal) => refusal.field(),
            Self::Finance(refusal) => refusal.field(),
            Self::Audit(refusal) => refusal.field(),
        }
    }

    /// What stands in the way of a statement, or what could be said instead, or what is not allowed; empty where its words say it all.
    pub fn about(&self) -> String {
        match self {
            Self::Statement(refusal) => refusal.about(),
            Self::NotAllowed(denied) => denied.about(),
            Self::Finance(refusal) => refusal.about(),
            Self::Bill(_)
            | Self::RequestIdReused
            | Self::RequestReversed
            | Self::AlreadyBarred
            | Self::HospitalUnknown
            | Self::StaySettled(_)
            | Self::TokenForged
            | Self::TokenStale
            | Self::TokenOfAnotherBill
            | Self::SettlementUnknown
            | Self::RequestUnknown
            | Self::ReversesAReversal
            | Self::TruedUp(_)
            | Self::Audit(_)
            | Self::AlreadyReversed(_)
            | Self::NotNewest(_)
            | Self::PersonUnknown
            | Self::StayUnknown
            | Self::StayCancelled
            | Self::PersonDiffers
            | Self::LineIdReused(_)
            | Self::SignInUnknown => String::new(),
        }
    }

    /// The settlement that stands in the way, where one does.
    pub const fn settlement(&self) -> Option<&SettlementId> {
        match self {
            Self::StaySettled(settlement) => settlement.as_ref(),
            Self::AlreadyReversed(settlement)
            | Self::TruedUp(settlement)
            | Self::NotNewest(settlement) => Some(settlement),
            Self::Bill(_)
            | Self::RequestIdReused
            | Self::RequestReversed
            | Self::AlreadyBarred
            | Self::HospitalUnknown
            | Self::TokenForged
            | Self::TokenStale
            | Self::TokenOfAnotherBill
            | Self::SettlementUnknown
            | Self::RequestUnknown
            | Self::ReversesAReversal
            | Self::PersonUnknown
            | Self::NotAllowed(_)
            | Self::StayUnknown
            | Self::StayCancelled
            | Self::PersonDiffers
            | Self::LineIdReused(_)
            | Self::SignInUnknown
            | Self::Statement(_)
            | Self::Finance(_)
            | Self::Audit(_) => None,
        }
    }
}

impl From<Refusal> for AppError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
