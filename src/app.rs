//! The shell: reads one frozen snapshot, has the domain decide, records, and answers from what was recorded.
//!
//! It alone reads the clock and draws randomness. It knows no wire format; the doors turn its answers into theirs.

mod access;
mod answer;
pub mod audit;
pub mod bundle;
mod changes;
mod clinical;
mod deliver;
mod entry;
mod error;
pub mod finance;
mod find;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod import;
mod layers;
pub mod national;
mod publish;
mod quote;
mod reconcile;
mod reseal;
mod reverse;
pub mod seal;
mod settle;
mod trail;
mod trueup;
mod turns;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use ring::rand::{SecureRandom, SystemRandom};

use crate::core_link::CoreLink;
use crate::domain::bill::Bill;
use crate::domain::verdict::Decline;
use crate::keys::Keys;
use crate::rulebook::RuleBook;
use crate::store::{self, Pool};
use crate::telemetry::Metrics;

pub use self::access::{Act, Denied, Of, Reach, Role};
pub use self::answer::Answer;
#[cfg(test)]
pub(crate) use self::answer::example_package;
pub use self::deliver::DeliveryGauges;
pub use self::error::{AppError, ErrorKind, Refusal};
pub use self::find::{Found, Person};
pub use self::import::Import;
pub use self::publish::publish;
pub use self::quote::{Moved, Quote};
pub use self::reconcile::{
    Beside, Progress, Reconciled, Reconciling, ResultOf, StatementRefusal, Statements, Step, Total,
    is_reason, told_of,
};
pub use self::reseal::{KeyOf, ResealedBatch, Resealing, SealedUnder, is_kept_under, sealed_under};
pub use self::reverse::{Reversal, ReverseRequest, Target};
pub use self::settle::{SettleRequest, Settled};
pub use self::trail::{Days, Page, accesses, is_purpose};
pub use self::trueup::{TRUE_UP, TrueUp, TrueUpPage, TrueUps};
pub use crate::statement::{FileFault, Format as ResultFormat};
pub use crate::store::import as registry;
pub use crate::store::import::normalize_credential;
pub use crate::store::reconcile::{
    Carried, Difference, Event as DifferenceEvent, Latest, Note, State as StatementState, Statement,
};
pub use crate::store::trueup::Corrected;
pub use crate::store::{Access, Listed, Place, Publication, Tombstone, What};

use self::turns::Turns;

/// Everything that answers a call. One for the life of the process.
#[derive(Debug)]
pub struct App {
    /// The database.
    pub pool: Pool,
    /// The rules in force, swapped as one.
    pub rulebook: Arc<RuleBook>,
    /// Keys for credentials, names and tokens.
    pub keys: Arc<Keys>,
    /// What is counted.
    pub metrics: Metrics,
    /// The insurance core, where one is linked.
    pub core: Option<Arc<CoreLink>>,
    /// What the core does not have yet.
    pub delivery: Arc<DeliveryGauges>,
    budgets: finance::Budgets,
    turns: Turns,
    /// The first day that was open when a fence was met ahead of today.
    open_from: Mutex<Option<Date>>,
    random: SystemRandom,
}

/// Who is calling, as a door has established. Every call has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its name, for logs and records.
    pub name: String,
    /// What it is, and how far it reaches.
    pub role: Role,
    /// The door it came by.
    pub door: &'static str,
    /// What it wants to know things for, where it told: a word ([`is_purpose`]).
    pub purpose: Option<String>,
    /// Until when it waits for an answer.
    pub deadline: Option<Instant>,
}

/// How a person is identified: a keyed hash, never the number itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CredentialHash {
    /// Its kind, as numbered in the contract.
    pub kind: u8,
    /// The keyed hash.
    pub hash: [u8; 32],
}

/// A bill, and whose it is.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The person, as the patient showed.
    pub credential: CredentialHash,
    /// The bill.
    pub bill: Bill,
    written: entry::Written,
}

impl Claim {
    /// Somebody's bill.
    pub fn new(credential: CredentialHash, bill: Bill) -> Self {
        Self { credential, bill, written: entry::Written::default() }
    }
}

/// A settlement in force, or why there is none.
#[derive(Clone, Debug)]
pub enum Outcome<T> {
    /// It was decided.
    Decided(T),
    /// It was declined.
    Declined(Decline),
}

/// One moment: the time and the accounting day it falls on.
#[derive(Clone, Debug)]
pub struct Now {
    /// The time, in whole microseconds.
    pub at: Timestamp,
    /// The day in Asia/Shanghai.
    pub day: Date,
}

impl std::fmt::Debug for CredentialHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CredentialHash(redacted)")
    }
}

impl App {
    /// Puts the shell together.
    pub fn new(pool: Pool, rulebook: Arc<RuleBook>, keys: Keys, metrics: Metrics) -> Self {
        let keys = Arc::new(keys);
        let (turns, open_from, random) = (Turns::new(), Mutex::new(None), SystemRandom::new());
        let (core, delivery, budgets) = (None, Arc::default(), finance::Budgets::default());
        Self { pool, rulebook, keys, metrics, core, delivery, budgets, turns, open_from, random }
    }

    /// The same, linked to an insurance core.
    #[must_use]
    pub fn linked(self, core: CoreLink) -> Self {
        Self { core: Some(Arc::new(core)), ..self }
    }

    /// What stands for a credential from here on: its normalised number ends here.
    pub fn credential(&self, kind: u8, normalized: &str) -> CredentialHash {
        CredentialHash { kind, hash: self.keys.credential_hash(kind, normalized) }
    }

    /// Whether the database is kept under our credential key. With another one nobody in it would be found.
    pub async fn claims_database(&self) -> Result<bool, AppError> {
        let fingerprint = self.keys.credential_fingerprint();
        let claimed = store::claim_credential_key(&self.pool, &fingerprint).await;
        claimed.map_err(AppError::store("compare the credential key"))
    }

    /// Makes this gateway known to the others on its database, and begins to read into memory what most calls look at. To be called
    /// once, before the first call is answered.
    pub async fn begin(&self) -> Result<(), AppError> {
        let joined = store::join_gateways(&self.pool).await;
        joined.map_err(AppError::store("make this gateway known to the others"))?;
        self.pool.remember();
        Ok(())
    }

    /// The time as this gateway has it.
    pub fn now(&self) -> Now {
        now()
    }

    /// Now, and the day that what is settled now is booked on: today, or the first open day where today is closed already, as by a clock
    /// that was ahead. No desk waits for such a day to be over.
    fn booking(&self) -> Now {
        let now = self.now();
        let open = *self.open_from.lock().unwrap_or_else(PoisonError::into_inner);
        let day = open.map_or(now.day, |open| open.max(now.day));
        Now { day, ..now }
    }

    /// Sees from which day on something can be booked, after a day turned out to be closed.
    async fn look_for_an_open_day(&self) -> Result<(), AppError> {
        let closed = store::finance::closed_through(&self.pool).await;
        let closed = closed.map_err(AppError::store("see which days are closed"))?;
        let open = closed.and_then(|closed| closed.tomorrow().ok());
        let today = self.now().day;
        if let Some(open) = open.filter(|open| today < *open) {
            tracing::error!(
                %today, %open,
                "DAY_CLOSED_AHEAD: today is closed already, a clock must have been ahead; what is settled is booked on the first open day. \
                 今日已被提前截止（时钟曾超前），其间结算记入首个未截止之日"
            );
        }
        *self.open_from.lock().unwrap_or_else(PoisonError::into_inner) = open;
        Ok(())
    }

    fn random_u64(&self) -> Result<u64, AppError> {
        let mut bytes = [0_u8; 8];
        self.random.fill(&mut bytes).map_err(|_| AppError::Random)?;
        Ok(u64::from_be_bytes(bytes))
    }
}

/// The only clock of the product. In whole microseconds: the database keeps no more.
pub fn now() -> Now {
    let at = Timestamp::now();
    let at = Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at);
    Now { at, day: shanghai(at).date() }
}

/// When a day begins in Asia/Shanghai.
pub fn shanghai_day_start(day: Date) -> Option<Timestamp> {
    let zone = TimeZone::fixed(jiff::tz::offset(8));
    day.to_zoned(zone).ok().map(|start| start.timestamp())
}

/// Asia/Shanghai has no summer time since 1991; the offset is fixed, so that no time-zone database is needed.
pub fn shanghai(at: Timestamp) -> Zoned {
    at.to_zoned(TimeZone::fixed(jiff::tz::offset(8)))
}
