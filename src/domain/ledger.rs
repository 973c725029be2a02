//! The entries of the ledger: what is written, once, when a settlement or a reversal is decided.

use jiff::Timestamp;
use jiff::civil::Date;

use super::bill::{Care, Referral};
use super::ids::{
    HospitalCode, OperatorId, PackageHash, PersonId, RegionCode, RequestId, SettlementId, StayId,
};
use super::money::Fen;
use super::standing::Scheme;
use super::verdict::Breakdown;

/// A settlement or a reversal, ready to be written in one atomic step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id; carries the person's bucket.
    pub settlement: SettlementId,
    /// Whose.
    pub person: PersonId,
    /// The hospital's key.
    pub request: RequestId,
    /// SHA-256 over the request's canonical body: the same id with another body is refused.
    pub body_sha256: [u8; 32],
    /// For a reversal: the settlement that it undoes.
    pub reverses: Option<SettlementId>,
    /// For what takes the place of another settlement that was undone: that one. It goes by that one's rules.
    pub supersedes: Option<SettlementId>,
    /// Does it stand, or is it still to be trued up?
    pub state: EntryState,
    /// The hospital.
    pub hospital: HospitalCode,
    /// Its level on the discharge date.
    pub level: i16,
    /// The stay.
    pub stay: StayId,
    /// Its part.
    pub stay_part: i16,
    /// First day of the stay.
    pub admission: Date,
    /// Last day of the stay.
    pub discharge: Date,
    /// What kind of care.
    pub care: Care,
    /// Referral.
    pub referral: Referral,
    /// The insured region.
    pub insured_region: RegionCode,
    /// The treatment region.
    pub treatment_region: RegionCode,
    /// The scheme.
    pub scheme: Scheme,
    /// The policy year.
    pub year: i16,
    /// When.
    pub settled_at: Timestamp,
    /// The accounting day, Asia/Shanghai.
    pub accounting_day: Date,
    /// Who sits at the desk.
    pub operator: Option<OperatorId>,
    /// By which door it came: "grpc" or, later, the national one.
    pub door: &'static str,
    /// Why, for a reversal.
    pub reason: Option<String>,
    /// The national amounts.
    pub breakdown: Breakdown,
    /// What each layer of the package paid, fixed benefits apart, in order.
    pub layers: Vec<LayerEntry>,
    /// Fixed benefits, beside the bill.
    pub fixed: Vec<LayerEntry>,
    /// What the accumulators move by: those of the policy year, then those of the lifetime, each by name.
    pub moved: Vec<MovedEntry>,
    /// The identities that counted.
    pub identities_used: Vec<String>,
    /// Does any figure behind it rest on an assumption?
    pub assumed: bool,
    /// The rules that decided.
    pub package: PackageHash,
    /// Version of the standing that the decision saw.
    pub standing_version: i64,
    /// Version of the accumulators that the decision saw.
    pub ledger_version: i64,
    /// The canonical bytes of all that the decision saw and gave.
    pub record: Vec<u8>,
    /// Their SHA-256.
    pub record_sha256: [u8; 32],
    /// The charge lines in canonical bytes, kept beside the record and named in it by their hash.
    pub lines: Vec<u8>,
    /// Their SHA-256.
    pub lines_sha256: [u8; 32],
}

/// Does an entry stand as it is?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// It stands.
    Final,
    /// Somebody else decides a layer of it and did not answer: our own rules did, and it is trued up later.
    Provisional,
}

impl EntryState {
    /// As it is stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Provisional => "provisional",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Final, Self::Provisional].into_iter().find(|state| state.word() == word)
    }

    /// Is it still to be trued up?
    pub const fn is_provisional(self) -> bool {
        match self {
            Self::Final => false,
            Self::Provisional => true,
        }
    }
}

/// What one layer paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerEntry {
    /// The payer's name in the package.
    pub payer: String,
    /// The national column, "hospital" or "account".
    pub books_to: &'static str,
    /// The identity that counted for it; empty where none did.
    pub identity: String,
    /// How much.
    pub pay: Fen,
}

/// What an accumulator moves by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedEntry {
    /// The policy year; 0 for a lifetime.
    pub year: i16,
    /// What is counted.
    pub name: String,
    /// By how much.
    pub by: Fen,
}
