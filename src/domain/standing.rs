//! Who a person is on a date, and what they have used: everything of a person that a decision may look at.

use jiff::civil::Date;

use super::ids::{HospitalCode, PersonId, RegionCode, SettlementId, StayId};
use super::ledger::{Entry, MovedEntry};
use super::money::Fen;

/// By which scheme a person is insured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// Resident basic insurance. [390]
    Resident,
    /// Employee basic insurance. [310]
    Employee,
}

/// Who the person is, over time. The version grows by one with each change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whose standing.
    pub person: PersonId,
    /// Grows by one with each change.
    pub version: i64,
    /// Day of birth, where known.
    pub birth: Option<Date>,
    /// Coverage, past and present.
    pub coverage: Vec<Coverage>,
    /// Identities, past and present.
    pub identities: Vec<Identity>,
}

/// Coverage by a scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The scheme.
    pub scheme: Scheme,
    /// The insured region.
    pub region: RegionCode,
    /// First day.
    pub valid_from: Date,
    /// Last day; nothing while it lasts.
    pub valid_to: Option<Date>,
    /// Facts about the person that rules ask for, by name.
    pub facts: Vec<(String, String)>,
}

/// An identity that a rule may favour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its code in the rule packages.
    pub code: String,
    /// The region that granted it.
    pub region: RegionCode,
    /// First day.
    pub valid_from: Date,
    /// Last day; nothing while it lasts.
    pub valid_to: Option<Date>,
    /// Who says so.
    pub source: String,
}

/// A hospital on the discharge date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hospital {
    /// Its code.
    pub code: HospitalCode,
    /// The treatment region.
    pub region: RegionCode,
    /// 1 primary and below, 2 secondary, 3 tertiary.
    pub level: i16,
    /// First day.
    pub valid_from: Date,
    /// Last day; nothing while it lasts.
    pub valid_to: Option<Date>,
}

/// What has been used of one span.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    /// The insured region that counts it.
    pub region: RegionCode,
    /// The scheme that counts it.
    pub scheme: Scheme,
    /// The policy year; 0 for a lifetime.
    pub year: i16,
    /// What is counted, such as `critical.entered` or `pool.aid`.
    pub name: String,
    /// How much.
    pub amount: Fen,
}

/// A stay of the person that has been settled, reversed or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StayRecord {
    /// Where.
    pub hospital: HospitalCode,
    /// Level of the hospital then.
    pub level: i16,
    /// Which stay.
    pub stay: StayId,
    /// Which part of it.
    pub part: i16,
    /// The word of the kind of care.
    pub care: String,
    /// First day.
    pub admission: Date,
    /// Last day.
    pub discharge: Date,
    /// The insured region that settled it.
    pub region: RegionCode,
    /// The scheme that settled it.
    pub scheme: Scheme,
    /// The policy year it counted in.
    pub year: i16,
    /// Deductible taken before the basic pool.
    pub deductible: Fen,
    /// Its settlement.
    pub settlement: SettlementId,
    /// Has it been reversed?
    pub reversed: bool,
}

/// Everything of a person that a decision may look at, read at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonSnapshot {
    /// Who they are.
    pub standing: Standing,
    /// Grows by one with each settlement, reversal or opening entry.
    pub ledger_version: i64,
    /// What they have used.
    pub used: Vec<Used>,
    /// Their stays, oldest first by commit.
    pub stays: Vec<StayRecord>,
    /// The newest settlement that is in force, by commit order over schemes and years.
    pub newest: Option<SettlementId>,
}

/// Is `date` within a span that may be open at its end?
pub fn within(date: Date, from: Date, to: Option<Date>) -> bool {
    from <= date && to.is_none_or(|last| date <= last)
}

impl Scheme {
    /// Its word in rule packages and on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Resident => "resident",
            Self::Employee => "employee",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "resident" => Some(Self::Resident),
            "employee" => Some(Self::Employee),
            _ => None,
        }
    }
}

impl PersonSnapshot {
    /// Makes it what it is once a settlement that was decided on it is written. False, and to be read anew, for a reversal or
    /// where an amount does not fit.
    pub fn move_by(&mut self, entry: &Entry) -> bool {
        if entry.reverses.is_some() || entry.ledger_version != self.ledger_version {
            return false;
        }
        for moved in &entry.moved {
            if !self.use_more(entry, moved) {
                return false;
            }
        }
        let same = |stay: &StayRecord| {
            stay.hospital == entry.hospital
                && stay.stay == entry.stay
                && stay.part == entry.stay_part
        };
        // Settled again after a reversal: one row a stay, the newest last.
        self.stays.retain(|stay| !same(stay));
        self.stays.push(StayRecord {
            hospital: entry.hospital.clone(),
            level: entry.level,
            stay: entry.stay.clone(),
            part: entry.stay_part,
            care: entry.care.word().to_owned(),
            admission: entry.admission,
            discharge: entry.discharge,
            region: entry.insured_region,
            scheme: entry.scheme,
            year: entry.year,
            deductible: entry.breakdown.deductible,
            settlement: entry.settlement.clone(),
            reversed: false,
        });
        self.newest = Some(entry.settlement.clone());
        self.ledger_version = self.ledger_version.saturating_add(1);
        true
    }

    fn use_more(&mut self, entry: &Entry, moved: &MovedEntry) -> bool {
        let counts = |used: &&mut Used| {
            used.region == entry.insured_region
                && used.scheme == entry.scheme
                && used.year == moved.year
                && used.name == moved.name
        };
        if let Some(used) = self.used.iter_mut().find(counts) {
            let Some(amount) = used.amount.checked_add(moved.by) else { return false };
            used.amount = amount;
        } else {
            self.used.push(Used {
                region: entry.insured_region,
                scheme: entry.scheme,
                year: moved.year,
                name: moved.name.clone(),
                amount: moved.by,
            });
        }
        true
    }
}

impl Standing {
    /// Coverage in force on a day.
    pub fn coverage_on(&self, date: Date) -> impl Iterator<Item = &Coverage> {
        self.coverage
            .iter()
            .filter(move |coverage| within(date, coverage.valid_from, coverage.valid_to))
    }

    /// Identities in force on a day.
    pub fn identities_on(&self, date: Date) -> impl Iterator<Item = &Identity> {
        self.identities
            .iter()
            .filter(move |identity| within(date, identity.valid_from, identity.valid_to))
    }
}
