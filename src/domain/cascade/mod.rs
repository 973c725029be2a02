//! The cascade: every layer in its order over what is left, exactly, with the clause behind every step.
//!
//! The meaning of each step is in `settlement-rules/README.md` §5–§8. It waits for nothing and leaves no choice.

mod curve;
mod figures;
mod layer;
mod run;

use super::bill::{Care, Referral};
use super::money::Fen;
use super::rules::{FactValue, IdentityChoice, LayerId, Package, Place, Transfer};
use super::verdict::{Decline, Outcome, Reason, Verdict};

use self::run::Run;

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
    /// What was taken off the base before; nothing where that is not told.
    pub deductible: Fen,
}

/// Is a trace wanted?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traced {
    /// With every step.
    Yes,
    /// Amounts only.
    No,
}

/// Why a computation stops. Small, so that the path that does not stop pays nothing for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halt {
    /// An amount does not fit.
    Overflow,
    /// No row of the table that this clause belongs to holds.
    NoRow(u16),
    /// The day of birth is needed and not known.
    AgeMissing,
    /// Somebody else must tell.
    Needs(LayerId, Fen),
    /// What was told is negative, or above what is left or what the layer looks at.
    ToldAboveLeft(LayerId),
}

/// Decides a bill.
pub fn decide(package: &Package, inputs: &Inputs, traced: Traced) -> Verdict {
    decide_asking(package, inputs, traced, &[])
}

/// The same where somebody else decides some layers: of each of these that has a base, the pay must be told.
pub fn decide_asking(
    package: &Package,
    inputs: &Inputs,
    traced: Traced,
    asked: &[LayerId],
) -> Verdict {
    match chosen(package, inputs, traced, asked) {
        Ok(outcome) => Verdict::Settled(Box::new(outcome)),
        Err(Halt::Needs(layer, base)) => Verdict::Needs { layer, base },
        Err(halt) => Verdict::Declined(declined(package, halt)),
    }
}

/// Runs the cascade as the package chooses among identities.
fn chosen(
    package: &Package,
    inputs: &Inputs,
    traced: Traced,
    asked: &[LayerId],
) -> Result<Outcome, Halt> {
    let mut run = Run::new(package, inputs, traced, asked);
    run.start()?;
    match &package.identity_choice {
        IdentityChoice::Cascade => best_over_the_bill(&mut run, inputs),
        IdentityChoice::Layer => {
            run.all_layers_each_at_its_best(&inputs.identities)?;
            run.outcome(true)
        }
        IdentityChoice::Rank(rank) => {
            let first = rank.iter().copied().find(|identity| inputs.identities.contains(identity));
            run.other_layers(first)?;
            run.outcome(false)
        }
    }
}

/// Tries every identity held, then none; of equals the first counts. What no identity can change is done once.
fn best_over_the_bill(start: &mut Run<'_>, inputs: &Inputs) -> Result<Outcome, Halt> {
    start.shared_layers()?;
    let first = inputs.identities.first().copied();
    if start.is_done() || first.is_none() {
        start.other_layers(first)?;
        return start.outcome(false);
    }
    let mut best = start.clone();
    best.other_layers(first)?;
    let mut least = best.burden()?;
    let others = inputs.identities.iter().skip(1).copied().map(Some);
    for identity in others {
        let mut run = start.clone();
        run.other_layers(identity)?;
        let burden = run.burden()?;
        if burden < least {
            (least, best) = (burden, run);
        }
    }
    // None comes last, so what is shared need not be kept for anybody.
    start.other_layers(None)?;
    if start.burden()? < least { start.outcome(false) } else { best.outcome(false) }
}

fn declined(package: &Package, halt: Halt) -> Decline {
    let layer_name =
        |id: LayerId| package.layer(id).map_or(String::new(), |layer| layer.name.clone());
    let (reason, subject) = match halt {
        Halt::Overflow => (Reason::Overflow, String::new()),
        Halt::NoRow(clause) => (
            Reason::NoRowMatches,
            package.clause(clause).map_or(String::new(), |clause| clause.name.clone()),
        ),
        Halt::AgeMissing => (Reason::FactMissing, "age".to_owned()),
        Halt::Needs(layer, _) | Halt::ToldAboveLeft(layer) => {
            (Reason::ToldAboveLeft, layer_name(layer))
        }
    };
    Decline { reason, subject }
}
