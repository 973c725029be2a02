//! Why two figures differ: decides again from what was recorded, as it was and in the ways in which the other side may have.
//!
//! An explanation is only given where deciding in that way gives exactly what they say. What no way gives is not explainable.

mod variants;

use super::{Amounts, Class, Field};
use crate::domain::cascade::{Inputs, Traced, decide};
use crate::domain::ids::PackageHash;
use crate::domain::money::{Fen, Rounding};
use crate::domain::record::{Body, Record, Replay};
use crate::domain::rules::{Package, Term};
use crate::domain::verdict::{Action, Outcome, Verdict};

pub use self::variants::Variants;

/// What is known of a difference, beside what both sides say.
#[derive(Debug, Default)]
pub struct Known<'a> {
    /// Its class.
    pub class: Option<Class>,
    /// What they say; of a reversal, the other way round.
    pub theirs: Option<Amounts>,
    /// The record of our settlement; of a reversal, of what it undoes.
    pub record: Option<&'a Record>,
    /// The rules that decided it, and the ways in which they may be missed.
    pub rules: Option<&'a Variants>,
    /// Other rules of the region and scheme that cover the discharge.
    pub others: &'a [std::sync::Arc<Package>],
    /// The identities that count on the day by what is known now, where that is not what was known then.
    pub revised: Option<Revised>,
    /// The settlement was reversed, on this day or later.
    pub reversed: bool,
    /// The settlement was decided without whoever decides it, and is not trued up.
    pub provisional: bool,
    /// For one underwriter: whose layers alone are compared.
    pub payer: Option<&'a str>,
    /// The line of theirs that is of the same settlement and counts for nothing, since it can not be read.
    pub bad_line: Option<u64>,
}

/// Identities as they are known now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revised {
    /// All that count on the day, by code.
    pub codes: Vec<String>,
}

/// Why two figures differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// Deciding again gives our answer; without one of these clauses it gives theirs. None: they miss all of it, or have it twice.
    OursHolds {
        /// Each by its name; more than one where each alone explains it.
        clauses: Vec<String>,
    },
    /// By the identities that are known now it gives theirs.
    IdentityLater {
        /// Known now and not then.
        gained: Vec<String>,
        /// Known then and not now.
        lost: Vec<String>,
    },
    /// By this other package it gives theirs.
    OtherPackage {
        /// Its id.
        id: String,
        /// Its hash.
        hash: PackageHash,
    },
    /// They have it, in this line, which was bad: it says nothing about whose answer holds.
    TheirRowBad(u64),
    /// It was reversed on one side after the other had told it.
    LateReversal,
    /// It is provisional, and will be trued up.
    TrueUpPending,
    /// Rounded in another way it gives theirs.
    Rounding(Rounding),
    /// In no way that we know.
    NotExplainable(Unexplained),
}

/// Why a difference can not be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unexplained {
    /// We have no such settlement.
    NotOurs,
    /// The rules that decided it are not to be had, or it is no decision.
    NothingToReplay,
    /// Deciding again does not give our own answer: somebody must look at us first.
    OurReplayDiffers,
    /// Our answer holds, and no way that we know gives theirs.
    NoWayGivesTheirs,
}

/// Explains a difference.
pub fn explain(known: &Known<'_>) -> Explanation {
    let not = Explanation::NotExplainable;
    if let (Some(line), None) = (known.bad_line, known.theirs) {
        return Explanation::TheirRowBad(line);
    }
    let Some(record) = known.record else { return not(Unexplained::NotOurs) };
    if known.provisional {
        return Explanation::TrueUpPending;
    }
    let one_sided = match known.class {
        Some(Class::OnlyOurs | Class::ReversedOnOneSide | Class::OtherDay) => true,
        Some(Class::Equal | Class::OnlyTheirs | Class::AmountsDiffer | Class::Repeated) | None => {
            false
        }
    };
    let nothing = known.theirs.is_none_or(|theirs| theirs == Amounts::default());
    if known.reversed && (one_sided || nothing) {
        return Explanation::LateReversal;
    }
    let (Some(rules), Body::Settled { inputs, outcome }) = (known.rules, &record.body) else {
        return not(Unexplained::NothingToReplay);
    };
    match record.replay(&rules.package) {
        Replay::Same => {}
        Replay::Differs => return not(Unexplained::OurReplayDiffers),
        Replay::OtherPackage | Replay::Reversal => return not(Unexplained::NothingToReplay),
    }
    let Some(theirs) = known.theirs else { return holds(Vec::new()) };
    if ours_of(&rules.package, outcome, known.payer) == Some(theirs) {
        // Both say the same of it, on other days or more than once.
        return match known.class {
            Some(Class::ReversedOnOneSide) => not(Unexplained::NoWayGivesTheirs),
            Some(_) | None => holds(Vec::new()),
        };
    }
    replayed(known, (rules, inputs, outcome), theirs)
}

/// Decides again in each way, and takes the first that gives what they say.
fn replayed(
    known: &Known<'_>,
    (rules, inputs, outcome): (&Variants, &Inputs, &Outcome),
    theirs: Amounts,
) -> Explanation {
    let gives = |package: &Package, inputs: &Inputs| match decide(package, inputs, Traced::No) {
        Verdict::Settled(outcome) => ours_of(package, &outcome, known.payer) == Some(theirs),
        Verdict::Declined(_) | Verdict::Needs { .. } => false,
    };
    let package = &*rules.package;
    if let Some(revised) = &known.revised {
        let identities = variants::identities(package, &revised.codes);
        if identities != inputs.identities
            && gives(package, &Inputs { identities: identities.clone(), ..inputs.clone() })
        {
            let code = |place: &u16| {
                package.identities.get(usize::from(*place)).map(|named| named.code.clone())
            };
            let beyond = |those: &[u16], these: &[u16]| {
                those.iter().filter(|place| !these.contains(place)).filter_map(code).collect()
            };
            return Explanation::IdentityLater {
                gained: beyond(&identities, &inputs.identities),
                lost: beyond(&inputs.identities, &identities),
            };
        }
    }
    for other in known.others.iter().filter(|other| other.hash != package.hash) {
        if variants::translated(inputs, package, other).is_some_and(|inputs| gives(other, &inputs))
        {
            return Explanation::OtherPackage { id: other.id.clone(), hash: other.hash };
        }
    }
    if is_rounding_step(package, outcome, (theirs, known.payer)) {
        let found = rules.rounded.iter().find(|(_, variant)| gives(variant, inputs));
        if let Some((rounding, _)) = found {
            return Explanation::Rounding(*rounding);
        }
    }
    let missed = rules.without.iter().filter(|missing| missing.applied(outcome));
    let missed = missed.filter(|missing| gives(&missing.package, inputs));
    let mut clauses: Vec<String> = missed.filter_map(|missing| missing.name(package)).collect();
    if clauses.is_empty() {
        clauses = steps_of_that_amount(package, outcome, (theirs, known.payer));
    }
    if clauses.is_empty() {
        return Explanation::NotExplainable(Unexplained::NoWayGivesTheirs);
    }
    holds(clauses)
}

const fn holds(clauses: Vec<String>) -> Explanation {
    Explanation::OursHolds { clauses }
}

/// What an outcome comes to, as rows have it; for one underwriter, what its layers pay stands for the funds.
pub fn ours_of(package: &Package, outcome: &Outcome, payer: Option<&str>) -> Option<Amounts> {
    let fund = match payer {
        None => outcome.breakdown.fund_total()?,
        Some(payer) => {
            let own = outcome.layers.iter().filter(|pay| {
                let layer = package.layer(pay.layer);
                layer.and_then(|layer| package.payer_of(layer)).is_some_and(|own| own.name == payer)
            });
            own.map(|pay| pay.pay).try_fold(Fen::ZERO, Fen::checked_add)?
        }
    };
    Some(Amounts::new(outcome.breakdown.total, fund, outcome.breakdown.account))
}

/// May the difference come from rounding alone: no more than a fen for each amount that a layer rounds?
fn is_rounding_step(
    package: &Package,
    outcome: &Outcome,
    (theirs, payer): (Amounts, Option<&str>),
) -> bool {
    let Some(ours) = ours_of(package, outcome, payer) else { return false };
    let rounds = |layer: &&crate::domain::verdict::LayerPay| {
        package.layer(layer.layer).map_or(1, |layer| {
            let weighted = layer.base.iter().filter(|(term, _)| matches!(term, Term::Left(_)));
            weighted.count().saturating_add(1)
        })
    };
    let steps: usize = outcome.layers.iter().map(|layer| rounds(&layer)).sum();
    let bands = outcome.trace.iter().filter(|step| step.action == Action::Band).count();
    let most = i64::try_from(steps.saturating_add(bands)).unwrap_or(i64::MAX);
    let differences = ours.differences(&theirs);
    differences.iter().all(|(field, by)| {
        *field != Field::Total && by.get().checked_abs().is_some_and(|by| by <= most)
    })
}

/// The clauses of steps that come to exactly what the funds differ by, where nothing else differs.
fn steps_of_that_amount(
    package: &Package,
    outcome: &Outcome,
    (theirs, payer): (Amounts, Option<&str>),
) -> Vec<String> {
    let Some(ours) = ours_of(package, outcome, payer) else { return Vec::new() };
    let [(Field::Fund, by)] = *ours.differences(&theirs).as_slice() else { return Vec::new() };
    let is_pay = |action: Action| match action {
        Action::Band | Action::Target | Action::Pay | Action::Told => true,
        Action::Move
        | Action::Base
        | Action::EntryCeiling
        | Action::Deductible
        | Action::Tilt
        | Action::Adjustment
        | Action::Ceiling
        | Action::Fixed
        | Action::Application => false,
    };
    let mut names: Vec<String> = Vec::new();
    for step in outcome.trace.iter().filter(|step| is_pay(step.action) && step.amount == by) {
        if let Some(clause) = package.clause(step.clause)
            && !names.contains(&clause.name)
        {
            names.push(clause.name.clone());
        }
    }
    names
}

impl Explanation {
    /// Its word in the database, in files and on the wire.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::OursHolds { .. } => "ours_holds",
            Self::IdentityLater { .. } => "identity_later",
            Self::OtherPackage { .. } => "other_package",
            Self::TheirRowBad(_) => "their_row_bad",
            Self::LateReversal => "late_reversal",
            Self::TrueUpPending => "true_up_pending",
            Self::Rounding(_) => "rounding",
            Self::NotExplainable(_) => "not_explainable",
        }
    }

    /// What it points to: clauses, identities, a package, a line, a rounding, or why there is none.
    pub fn detail(&self) -> String {
        match self {
            Self::OursHolds { clauses } => clauses.join(" "),
            Self::IdentityLater { gained, lost } => {
                let signed = |sign: &'static str, codes: &[String]| -> Vec<String> {
                    codes.iter().map(|code| format!("{sign}{code}")).collect()
                };
                [signed("+", gained), signed("-", lost)].concat().join(" ")
            }
            Self::OtherPackage { id, .. } => id.clone(),
            Self::TheirRowBad(line) => format!("line {line}"),
            Self::LateReversal | Self::TrueUpPending => String::new(),
            Self::Rounding(rounding) => rounding_word(*rounding).to_owned(),
            Self::NotExplainable(why) => why.word().to_owned(),
        }
    }
}

impl Unexplained {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotOurs => "not_ours",
            Self::NothingToReplay => "nothing_to_replay",
            Self::OurReplayDiffers => "our_replay_differs",
            Self::NoWayGivesTheirs => "no_way_gives_theirs",
        }
    }
}

const fn rounding_word(rounding: Rounding) -> &'static str {
    match rounding {
        Rounding::HalfUp => "half_up",
        Rounding::HalfEven => "half_even",
        Rounding::Down => "down",
        Rounding::Up => "up",
    }
}

/// The name of an explanation by its word, in Chinese and English.
pub fn explanation_words(word: &str) -> Option<(&'static str, &'static str)> {
    Some(match word {
        "ours_holds" => ("重算与我方一致", "our answer holds"),
        "identity_later" => ("身份后补", "an identity known later"),
        "other_package" => ("政策包版本不同", "another package version"),
        "their_row_bad" => ("对方该行有误", "their row was bad"),
        "late_reversal" => ("撤销在后", "a late reversal"),
        "true_up_pending" => ("待补算", "a true-up pending"),
        "rounding" => ("取整差异", "a rounding step"),
        "not_explainable" => ("无法解释", "not explainable"),
        _ => return None,
    })
}
