//! What a bureau is told of a settlement and of a person: where the money came from, and nothing that tells what ails somebody.
//!
//! Of a settlement, told: the ids, hospital and days of the stay, every national amount, for each layer its payer with what it looked at and paid, the
//! identities that counted, the rule package, and the hash of the record, by which all else can be proved.
//! Cut: the charge lines, diagnoses by group, facts, the reason of a reversal, and the record's bytes, which hold them; the steps of the decision but for moves
//! between amounts, and the names of layers and clauses with the articles behind them, since a layer or a clause may be of one
//! disease.
//! Of a person, told: coverage, identities, and what they have used by the fund that bears it, since what a layer or a pool of the
//! rules is called may be of one disease too. What is not one fund's is left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Answer, AppError};
use crate::domain::money::Fen;
use crate::domain::record::Body;
use crate::domain::rules::{AccumulatorId, Bearer, Bound, Formula, Layer, Package, Source};
use crate::domain::standing::Used;
use crate::domain::verdict::{Action, Outcome};

impl Answer {
    /// The same without what tells of an illness. The one place where it is cut, for whichever door asks.
    pub(super) fn without_clinical_detail(self) -> Self {
        let Self { entry, mut record, package, reversed_by, replaced_by, repeat, run_dry } = self;
        let mut entry = Arc::unwrap_or_clone(entry);
        entry.lines.clear();
        entry.record.clear();
        // Free text of a desk.
        entry.reason = None;
        let outcome = match &mut record.body {
            Body::Settled { inputs, outcome } => {
                inputs.facts.diseases = 0;
                inputs.facts.declared.clear();
                outcome
            }
            Body::Reversed { reverses: _, record_sha256: _, outcome } => outcome,
        };
        cut_steps(outcome);
        let package = Arc::new(without_names(Arc::unwrap_or_clone(package)));
        Self { entry: Arc::new(entry), record, package, reversed_by, replaced_by, repeat, run_dry }
    }
}

/// What was used, by fund in place of layers and pools; those of one fund are counted together. `packages` are all that are loaded.
pub(super) fn used_by_fund<'a>(
    used: &[Used],
    packages: impl Iterator<Item = &'a Package> + Clone,
) -> Result<Vec<Used>, AppError> {
    let mut told = BTreeMap::new();
    for used in used {
        let own = packages
            .clone()
            .filter(|package| package.region == used.region && package.scheme == used.scheme);
        let mut names = own.flat_map(|package| fund_names(package, used));
        let Some(Some(name)) = names.next() else { continue };
        if !names.all(|other| other.as_ref() == Some(&name)) {
            continue;
        }
        let Used { region, scheme, year, name: _, amount } = used;
        let sum: &mut Fen = told.entry((*region, *scheme, *year, name)).or_default();
        *sum = sum.checked_add(*amount).ok_or(AppError::Unbalanced)?;
    }
    let told = told.into_iter();
    Ok(told
        .map(|((region, scheme, year, name), amount)| Used { region, scheme, year, name, amount })
        .collect())
}

/// What a package's layers would have something counted called, each that counts it; nothing where it is not a fund that bears it.
fn fund_names(package: &Package, used: &Used) -> Vec<Option<String>> {
    let is_it = |slot: AccumulatorId| {
        let counted = package.accumulators.get(usize::from(slot));
        counted.is_some_and(|counted| counted.life == (used.year == 0) && counted.name == used.name)
    };
    let mut names = Vec::new();
    for layer in &package.layers {
        let fund = package.payer_of(layer).and_then(|payer| match payer.bearer {
            Bearer::Fund(column) | Bearer::Other(column) => Some(column.word()),
            Bearer::Hospital | Bearer::Account => None,
        });
        let own = counted_by(layer).into_iter().filter(|(slot, _)| is_it(*slot));
        names.extend(own.map(|(_, count)| fund.map(|fund| count.of(fund))));
    }
    names
}

/// What is counted of a layer: the fixed words that accumulators are made of.
#[derive(Clone, Copy)]
enum Count {
    /// Of the layer itself.
    Layer(&'static str),
    /// Against a ceiling.
    Pool(&'static str),
}

impl Count {
    fn of(self, fund: &str) -> String {
        match self {
            Self::Layer(word) => format!("{fund}.{word}"),
            Self::Pool(word) => format!("{word}.{fund}"),
        }
    }
}

fn counted_by(layer: &Layer) -> Vec<(AccumulatorId, Count)> {
    let mut counted: Vec<_> =
        layer.paid_slot.map(|slot| (slot, Count::Layer("paid"))).into_iter().collect();
    let before = match &layer.formula {
        Formula::Curve(curve) => {
            let cap = curve.deductible.as_ref().and_then(|taken| taken.yearly_cap.as_ref());
            counted.extend(cap.map(|(_, slot)| (*slot, Count::Layer("deductible"))));
            curve.before
        }
        Formula::External(before) => *before,
        Formula::Target(target) => {
            if let Some((measure, others)) = target.slots {
                counted.push((measure, Count::Layer("measure")));
                counted.push((others, Count::Layer("counted")));
            }
            None
        }
        Formula::Fixed(_) => None,
    };
    counted.extend(before.map(|before| {
        let word = if before.kept { "kept" } else { "entered" };
        (before.slot, Count::Layer(word))
    }));
    counted.extend(layer.ceilings.iter().filter_map(|ceiling| match &ceiling.bound {
        Bound::Cost(_, slot) => slot.map(|slot| (slot, Count::Pool("pool.cost"))),
        Bound::Pay(_, slot) => slot.map(|slot| (slot, Count::Pool("pool"))),
        Bound::UpTo(_) => None,
    }));
    counted
}

/// Leaves what was moved between amounts before the layers: whether the advance self-pay is assumed rests on it.
fn cut_steps(outcome: &mut Outcome) {
    outcome.trace.retain(|step| step.action == Action::Move);
}

/// The rules without what they call their layers and clauses. Payers keep their names: they are funds and offices.
fn without_names(mut package: Package) -> Package {
    for layer in &mut package.layers {
        layer.name.clear();
    }
    for clause in &mut package.clauses {
        clause.name.clear();
        clause.figures.clear();
        if let Some(source) = &mut clause.source {
            let grade = source.grade;
            *source = Source { document: None, article: String::new(), grade, note: String::new() };
        }
    }
    package
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::answer::example_package;
    use crate::domain::money::Fen;
    use crate::domain::verdict::Step;

    #[test]
    fn an_assumed_advance_stays_assumed_and_names_no_clause() {
        let package = example_package();
        let assumed = (0..).take(package.clauses.len()).find(|clause| package.is_assumed(*clause));
        let step = |action: Action| Step {
            layer: None,
            action,
            clause: assumed.unwrap(),
            base: Fen::new(2),
            rate: None,
            amount: Fen::new(1),
            left: Fen::new(1),
        };
        let mut outcome =
            Outcome { trace: vec![step(Action::Move), step(Action::Pay)], ..Outcome::default() };
        outcome.breakdown.advance = Fen::new(1);
        assert!(package.advance_is_assumed(&outcome));
        cut_steps(&mut outcome);
        let package = without_names(package);
        assert_eq!(outcome.trace, [step(Action::Move)]);
        assert!(package.advance_is_assumed(&outcome));
        assert!(package.layers.iter().all(|layer| layer.name.is_empty()));
        let clauses = || package.clauses.iter();
        assert!(clauses().all(|clause| clause.name.is_empty() && clause.figures.is_empty()));
        let articles = clauses().filter_map(|clause| clause.source.as_ref());
        assert!(
            articles
                .into_iter()
                .all(|source| source.document.is_none() && source.article.is_empty())
        );
    }

    fn used(package: &Package, counted: &[(&str, i64)]) -> Vec<Used> {
        let used = counted.iter().map(|(name, fen)| Used {
            region: package.region,
            scheme: package.scheme,
            year: 2024,
            name: (*name).to_owned(),
            amount: Fen::new(*fen),
        });
        used.collect()
    }

    fn check(packages: &[Package], counted: &[(&str, i64)], expected: &[(&str, i64)]) {
        let used = used(packages.first().unwrap(), counted);
        let told = used_by_fund(&used, packages.iter()).unwrap();
        let told: Vec<_> =
            told.iter().map(|used| (used.name.as_str(), used.amount.get())).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn what_was_used_is_told_by_its_fund_whatever_layers_and_pools_are_called() {
        let mut package = example_package();
        for layer in &mut package.layers {
            layer.name = format!("uraemia_{}", layer.name);
        }
        for counted in &mut package.accumulators {
            counted.name = match counted.name.strip_prefix("pool.") {
                Some(pool) => format!("pool.uraemia_{pool}"),
                None => format!("uraemia_{}", counted.name),
            };
        }
        let counted = [
            ("uraemia_critical.entered", 1),
            ("uraemia_critical.paid", 2),
            ("pool.uraemia_critical", 3),
            ("pool.uraemia_basic", 4),
            ("pool.uraemia_medical_aid", 5),
            ("pool.uraemia_tilted_aid", 6),
            // Of rules that are not loaded any more.
            ("dialysis.entered", 7),
        ];
        let told = [
            ("critical_illness.entered", 1),
            ("critical_illness.paid", 2),
            ("pool.basic_pool", 4),
            ("pool.critical_illness", 3),
            ("pool.medical_aid", 5),
            ("pool.tilted_aid", 6),
        ];
        check(std::slice::from_ref(&package), &counted, &told);

        // Two layers of one fund are counted together.
        let mut together = package.clone();
        let aid = together.layers.iter().find(|layer| layer.name.ends_with("medical_aid"));
        let payer = aid.unwrap().payer;
        together
            .layers
            .iter_mut()
            .find(|layer| layer.name.ends_with("tilted_aid"))
            .unwrap()
            .payer = payer;
        check(std::slice::from_ref(&together), &counted[4..6], &[("pool.medical_aid", 11)]);
        // What two packages book to different funds is nobody's.
        check(&[package.clone(), together], &counted[4..6], &[("pool.medical_aid", 5)]);
        // And so is what the hospital bears.
        for payer in &mut package.payers {
            payer.bearer = Bearer::Hospital;
        }
        check(&[package], &counted, &[]);
    }
}
