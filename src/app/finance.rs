//! The books: who may ask what of them, what two persons must agree on, and what follows from a bank's word.
//!
//! Whatever moves money takes two: a statement is approved by two different persons, a posting is proposed by one and agreed by another, an
//! account of a hospital is confirmed by another than who set it. The database refuses the same person twice as well.

mod books;
pub(super) mod budgets;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub(super) mod payments;
mod postings;
mod refusal;
mod statements;

use super::{App, AppError, Caller, Of, Refusal, now};
use crate::app::access::Act;
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::standing::Scheme;
use crate::keys::Keys;
use crate::store::Pool;
use crate::store::finance::{Broken, Kept};

pub use self::books::{Aged, Claimed, Owing};
pub use self::budgets::Budgets;
pub use self::files::{Sent, Told};
pub use self::payments::{AccountFault, AccountOf, AskedPayments, FileMade};
pub use self::postings::{Asked, PostingPage};
pub use self::refusal::FinanceRefusal;
pub use self::statements::{Listing, Made};
pub use crate::store::finance::{
    Balance, BookFault, By, Claim, Event, Ledger, PaymentMade, Proposal, Proposed, Statement,
};

/// What keeps the books: a caller, the database and the keys. The same in a server and in a command beside one.
#[derive(Clone, Copy, Debug)]
pub struct Finance<'a> {
    pool: &'a Pool,
    keys: &'a Keys,
    caller: &'a Caller,
}

/// What a caller may see of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Scope {
    regions: Option<Vec<RegionCode>>,
    hospital: Option<HospitalCode>,
    schemes: Option<Vec<Scheme>>,
}

impl App {
    /// What keeps the books for a caller.
    pub fn finance<'a>(&'a self, caller: &'a Caller) -> Finance<'a> {
        Finance { pool: &self.pool, keys: &self.keys, caller }
    }
}

impl<'a> Finance<'a> {
    /// The same for a command on the database itself.
    pub const fn beside(pool: &'a Pool, keys: &'a Keys, caller: &'a Caller) -> Self {
        Self { pool, keys, caller }
    }

    fn allow(
        &self,
        act: Act,
        regions: &[RegionCode],
        hospital: Option<&HospitalCode>,
    ) -> Result<(), AppError> {
        let of = Of::Books { regions, hospital, scheme: None };
        Ok(self.caller.allow(act, of)?)
    }

    /// What of a list this caller may see of what they ask for.
    fn scope(
        &self,
        act: Act,
        region: Option<RegionCode>,
        hospital: Option<&HospitalCode>,
    ) -> Result<Scope, AppError> {
        let (regions, own, schemes) = self.caller.lists(act)?;
        let within = |region: RegionCode| {
            regions.is_none_or(|reach| reach.iter().any(|own| region.lies_in(*own)))
        };
        let regions = match region {
            Some(region) if within(region) => Some(vec![region]),
            Some(region) => {
                let regions = std::slice::from_ref(&region);
                let of = Of::Books { regions, hospital: None, scheme: None };
                return Err(self.caller.role.denied(act, of).into());
            }
            None => regions.map(<[RegionCode]>::to_vec),
        };
        let hospital = match (own, hospital) {
            (Some(own), Some(asked)) if own != asked => {
                let of = Of::Books { regions: &[], hospital: Some(asked), scheme: None };
                return Err(self.caller.role.denied(act, of).into());
            }
            (Some(own), _) => Some(own.clone()),
            (None, asked) => asked.cloned(),
        };
        let schemes = schemes.filter(|schemes| !schemes.is_empty()).map(<[Scheme]>::to_vec);
        Ok(Scope { regions, hospital, schemes })
    }

    /// An id that no other process makes: a letter, when, and randomness.
    fn id(letter: char) -> Result<String, AppError> {
        use ring::rand::SecureRandom as _;
        let mut random = [0_u8; 8];
        ring::rand::SystemRandom::new().fill(&mut random).map_err(|_| AppError::Random)?;
        let random = u64::from_be_bytes(random);
        Ok(format!("{letter}{:011X}{random:016X}", now().at.as_millisecond().cast_unsigned()))
    }
}

/// What the store did, or why not, by the refusal that a caller is told.
fn kept<T>(kept: Kept<T>, step: &'static str) -> Result<T, AppError> {
    match kept.map_err(AppError::store(step))? {
        Ok(done) => Ok(done),
        Err(broken) => Err(Refusal::Finance(FinanceRefusal::from(broken)).into()),
    }
}

impl From<FinanceRefusal> for AppError {
    fn from(refusal: FinanceRefusal) -> Self {
        Refusal::Finance(refusal).into()
    }
}

impl From<Broken> for FinanceRefusal {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Unbalanced => Self::Posting(crate::domain::finance::PostingFault::Unbalanced),
            Broken::Ahead => Self::PostingAhead,
            Broken::DayClosed => Self::PostingDayClosed,
            Broken::FourEyes => Self::SamePerson,
            Broken::DayNotClosed => Self::DaysOpen,
            Broken::Overlaps => Self::Overlaps,
            Broken::Moved => Self::Moved,
            Broken::Overdrawn => Self::Overdrawn,
            Broken::ConfirmedBefore => Self::ConfirmedBefore(None),
            Broken::ReferenceUsed => Self::ReferenceUsed,
            Broken::OtherBank => Self::OtherBank,
            Broken::Amount => Self::PaymentAmount(None),
            Broken::PaidOn => Self::PaidOn(None),
            Broken::PaymentUnknown => Self::PaymentUnknown,
        }
    }
}
