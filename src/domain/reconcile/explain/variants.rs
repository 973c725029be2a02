//! The same rules with one clause missed, or rounded in another way; and the same bill in another package's numbering.

use std::sync::Arc;

use crate::domain::cascade::{Facts, Inputs, Told};
use crate::domain::money::{Fen, Rounding};
use crate::domain::rules::{
    ClauseId, Condition, FactKind, FactName, FactValue, Formula, LayerId, Package, When,
};
use crate::domain::verdict::Outcome;

/// A package, and the ways in which somebody may have missed a clause of it. Made once for all differences of a package.
#[derive(Debug)]
pub struct Variants {
    /// As it is.
    pub package: Arc<Package>,
    /// Each without one clause.
    pub(super) without: Vec<Missing>,
    /// Each rounded in another way, in every layer.
    pub(super) rounded: Vec<(Rounding, Package)>,
}

/// A package without one clause.
#[derive(Debug)]
pub(super) struct Missing {
    clause: ClauseId,
    /// The layer, where all of it is missed.
    layer: Option<LayerId>,
    /// Seen in the steps only where it changed something, so whether it applied can not be told from them.
    silent: bool,
    pub(super) package: Package,
}

impl Variants {
    /// All ways to miss a clause of a package.
    pub fn of(package: Arc<Package>) -> Self {
        let mut without = Vec::new();
        for place in 0..package.layers.len() {
            miss_in_layer(&package, place, &mut without);
        }
        for (place, moved) in package.moves.iter().enumerate() {
            let mut variant = (*package).clone();
            variant.moves.remove(place);
            without.push(Missing::of(moved.clause, variant));
        }
        let all = [Rounding::HalfUp, Rounding::HalfEven, Rounding::Down, Rounding::Up];
        let rounded = all.into_iter().map(|rounding| {
            let mut variant = (*package).clone();
            variant.rounding = rounding;
            variant.layers.iter_mut().for_each(|layer| layer.rounding = rounding);
            (rounding, variant)
        });
        Self { rounded: rounded.collect(), without, package }
    }
}

/// Each clause of a layer missed by itself, and the layer as a whole.
fn miss_in_layer(package: &Package, place: usize, without: &mut Vec<Missing>) {
    let Some(layer) = package.layers.get(place) else { return };
    let with = |change: &dyn Fn(&mut crate::domain::rules::Layer)| {
        let mut variant = package.clone();
        if let Some(layer) = variant.layers.get_mut(place) {
            change(layer);
        }
        variant
    };
    let whole = with(&|layer| layer.who = When::from(Condition::Any(Vec::new())));
    let id = LayerId::try_from(place).ok();
    without.push(Missing { layer: id, ..Missing::of(layer.clause, whole) });
    for (at, tilt) in layer.tilts.iter().enumerate() {
        let variant = with(&|layer| drop(layer.tilts.remove(at)));
        without.push(Missing::of(tilt.clause, variant));
    }
    for (at, adjustment) in layer.adjustments.iter().enumerate() {
        let variant = with(&|layer| drop(layer.adjustments.remove(at)));
        without.push(Missing::of(adjustment.clause, variant));
    }
    for (at, ceiling) in layer.ceilings.iter().enumerate() {
        let variant = with(&|layer| drop(layer.ceilings.remove(at)));
        without.push(Missing::of(ceiling.clause, variant));
    }
    if let Formula::Curve(curve) = &layer.formula
        && let Some(deductible) = &curve.deductible
    {
        let free = with(&|layer| change_curve(layer, |curve| curve.deductible = None));
        without.push(Missing::of(deductible.clause, free));
        if let Some(nth) = &deductible.nth {
            let plain = with(&|layer| {
                change_curve(layer, |curve| {
                    if let Some(deductible) = &mut curve.deductible {
                        deductible.nth = None;
                    }
                });
            });
            without.push(Missing { silent: true, ..Missing::of(nth.clause, plain) });
        }
    }
}

fn change_curve(
    layer: &mut crate::domain::rules::Layer,
    change: impl FnOnce(&mut crate::domain::rules::Curve),
) {
    if let Formula::Curve(curve) = &mut layer.formula {
        change(curve);
    }
}

impl Missing {
    const fn of(clause: ClauseId, package: Package) -> Self {
        Self { clause, layer: None, silent: false, package }
    }

    /// Did the clause do anything in this outcome? What did nothing was not missed.
    pub(super) fn applied(&self, outcome: &Outcome) -> bool {
        let paid = |layer: LayerId| {
            outcome.layers.iter().any(|pay| pay.layer == layer && pay.pay != Fen::ZERO)
        };
        self.silent
            || self.layer.is_some_and(paid)
            || outcome.trace.iter().any(|step| step.clause == self.clause)
    }

    /// What the clause is called.
    pub(super) fn name(&self, package: &Package) -> Option<String> {
        package.clause(self.clause).map(|clause| clause.name.clone())
    }
}

/// Identities by code, in a package's numbering and order.
pub(super) fn identities(package: &Package, codes: &[String]) -> Vec<u16> {
    let declared = package.identities.iter().zip(0_u16..);
    declared.filter(|(named, _)| codes.contains(&named.code)).map(|(_, place)| place).collect()
}

/// The same bill in another package's numbering; nothing where that one asks for something that was not recorded.
pub(super) fn translated(inputs: &Inputs, from: &Package, to: &Package) -> Option<Inputs> {
    let Inputs { amounts, facts, identities: held, before, told } = inputs;
    let given: Vec<(&str, Fen)> = from
        .amounts
        .iter()
        .map(|amount| amount.name.as_str())
        .zip(amounts.iter().copied())
        .collect();
    // An amount that the other package does not know would be lost.
    let lost = given.iter().any(|(name, fen)| {
        *fen != Fen::ZERO && !to.amounts.iter().any(|amount| amount.name == *name)
    });
    if lost {
        return None;
    }
    let amount = |name: &str| {
        given.iter().find(|(given, _)| *given == name).map_or(Fen::ZERO, |(_, fen)| *fen)
    };
    let counted: Vec<_> = from.accumulators.iter().zip(before.iter().copied()).collect();
    let before = to.accumulators.iter().map(|wanted| {
        let found = counted.iter().find(|(known, _)| *known == wanted);
        found.map_or(Fen::ZERO, |(_, fen)| *fen)
    });
    let code =
        |place: &u16| from.identities.get(usize::from(*place)).map(|named| named.code.clone());
    let codes: Vec<String> = held.iter().filter_map(code).collect();
    let told = told.iter().map(|told| {
        let name = &from.layer(told.layer)?.name;
        let layer = to.layers.iter().zip(0_u16..).find(|(layer, _)| layer.name == *name)?.1;
        Some(Told { layer, ..*told })
    });
    Some(Inputs {
        amounts: to.amounts.iter().map(|wanted| amount(&wanted.name)).collect(),
        facts: translated_facts(facts, from, to)?,
        identities: identities(to, &codes),
        before: before.collect(),
        told: told.collect::<Option<_>>()?,
    })
}

fn translated_facts(facts: &Facts, from: &Package, to: &Package) -> Option<Facts> {
    let declared = to.facts.iter().map(|wanted| {
        let known = from.facts.iter().zip(&facts.declared);
        match known.into_iter().find(|(known, _)| known.name == wanted.name) {
            Some((known, value)) => translated_fact(known, *value, wanted),
            None => wanted.default,
        }
    });
    let declared = declared.collect::<Option<Vec<_>>>()?;
    let met = |place: usize| {
        let bit = u32::try_from(place).ok().and_then(|place| 1_u64.checked_shl(place));
        bit.is_some_and(|bit| facts.diseases & bit != 0)
    };
    let mut diseases = 0_u64;
    for (group, place) in to.diseases.iter().zip(0_u32..) {
        // Which diagnoses there were is not recorded, only which groups they fell into.
        let known = from.diseases.iter().position(|known| known.name == group.name)?;
        if met(known) {
            diseases |= 1_u64.checked_shl(place)?;
        }
    }
    Some(Facts { diseases, declared, ..facts.clone() })
}

fn translated_fact(known: &FactName, value: FactValue, wanted: &FactName) -> Option<FactValue> {
    match (&known.kind, value, &wanted.kind) {
        (FactKind::Choice(from), FactValue::Choice(place), FactKind::Choice(to)) => {
            let word = from.get(usize::from(place))?;
            let place = to.iter().position(|known| known == word)?;
            u16::try_from(place).ok().map(FactValue::Choice)
        }
        (from, value, to) if from == to => Some(value),
        (_, _, _) => None,
    }
}
