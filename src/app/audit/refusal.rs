//! Why a month is not shown.

use crate::app::{AppError, Refusal};
use crate::domain::audit::Mismatch;

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditRefusal {
    /// There is no such month, or it lies ahead.
    MonthUnknown,
    /// There is more than one answer holds.
    TooWide,
    /// Something does not add up, and so there is no table: what, and of which fund or hospital.
    Mismatch(Mismatch, String),
}

impl AuditRefusal {
    /// Its stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MonthUnknown => "MONTH_UNKNOWN",
            Self::TooWide => "AUDIT_TOO_WIDE",
            Self::Mismatch(mismatch, _) => mismatch.code(),
        }
    }

    /// The field it is about; of what does not add up, where.
    pub fn field(&self) -> &str {
        match self {
            Self::MonthUnknown => "month",
            Self::TooWide => "region",
            Self::Mismatch(_, place) => place,
        }
    }
}

impl From<Mismatch> for AuditRefusal {
    fn from(mismatch: Mismatch) -> Self {
        let place = match &mismatch {
            Mismatch::Funds { region, hospital } => format!("{region} {hospital}"),
            Mismatch::Closing(fund) | Mismatch::Owed(fund) | Mismatch::Held(fund) => {
                fund.word().to_owned()
            }
            Mismatch::Breakdown(by, fund) => format!("{} {}", by.word(), fund.word()),
            Mismatch::Overflow => String::new(),
        };
        Self::Mismatch(mismatch, place)
    }
}

impl From<AuditRefusal> for AppError {
    fn from(refusal: AuditRefusal) -> Self {
        Refusal::Audit(refusal).into()
    }
}
