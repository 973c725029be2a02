//! The cascade: every layer in its order over what is left, exactly, with the clause behind every step.
//!
//! The meaning of each step is in `settlement-rules/README.md` §5–§8. It waits for nothing and leaves no choice.

use super::bill::{Care, Referral};
use super::money::Fen;
use super::rules::{FactValue, LayerId, Package, Place, Transfer};
use super::verdict::Verdict;

/// Everything a decision looks at, in the package's own numbering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// By amount: after the split, before the moves.
    pub amounts: Vec<Fen>,
    /// What conditions ask for.
    pub facts: Facts,
    /// The identities held on the day that the package declares, in its order.
    pub identities: Vec<u16>,
    /// By accumulator: what it held before.
    pub before: Vec<Fen>,
    /// What somebody else told.
    pub told: Vec<Told>,
}

/// What conditions ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Level of the hospital.
    pub level: u8,
    /// Where it is.
    pub place: Place,
    /// How the patient came there.
    pub referral: Referral,
    /// Kind of care.
    pub care: Care,
    /// Full years on the discharge date; nothing where the day of birth is not known.
    pub age: Option<i64>,
    /// This is the n-th stay of the policy year.
    pub stay: i64,
    /// This is the n-th stay at this level.
    pub stay_same_level: i64,
    /// Whence the patient was transferred.
    pub transfer: Transfer,
    /// The deductible that the stay before the transfer took.
    pub transfer_deductible: Fen,
    /// Groups of diagnoses, as bits.
    pub diseases: u64,
    /// The hospital's code.
    pub hospital: String,
    /// Its region, six digits.
    pub treatment_region: String,
    /// What may be taken from the personal account.
    pub account_balance: Fen,
    /// Declared facts, in the package's order.
    pub declared: Vec<FactValue>,
}

/// What somebody else told a layer to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The layer.
    pub layer: LayerId,
    /// For which base it was told; nothing: for any.
    pub base: Option<Fen>,
    /// How much.
    pub pay: Fen,
}

/// Is a trace wanted?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traced {
    /// With every step.
    Yes,
    /// Amounts only.
    No,
}

/// Decides a bill.
pub fn decide(_package: &Package, _inputs: &Inputs, _traced: Traced) -> Verdict {
    Verdict::Needs { layer: 0, base: Fen::ZERO }
}
