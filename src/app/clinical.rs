//! What a bureau is told of a settlement and of a person: where the money came from, and nothing that tells what ails somebody.
//!
//! Of a settlement, told: the ids, hospital and days of the stay, every national amount, for each layer its payer with what it looked at and paid, the
//! identities that counted, the steps of the decision, each with the clause that grants it, its document, article and grade, the rule
//! package, and the hash of the record, by which all else can be proved.
//! Cut: the charge lines, diagnoses by group, facts, the reason of a reversal, and the record's bytes, which hold them. A layer may be called
//! after a disease, and a clause be of one: layers and clauses are called by the fund that bears them, and of a clause that counts by a
//! disease or by what a hospital declared only the grade is told.
//! Of a person, told: coverage, identities, and what they have used by the fund that bears it, since what a layer or a pool of the
//! rules is called may be of one disease too. What is not one fund's is left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Answer, AppError};
use crate::domain::money::Fen;
use crate::domain::record::Body;
use crate::domain::rules::{
    AccumulatorId, Bearer, Bound, ClauseId, Condition, Formula, Goal, Layer, Package,
};
use crate::domain::standing::Used;

impl Answer {
    /// The same without what tells of an illness. The one place where it is cut, for whichever door asks.
    pub(super) fn without_clinical_detail(self) -> Self {
        let Self { entry, mut record, package, reversed_by, replaced_by, repeat, run_dry } = self;
        let mut entry = Arc::unwrap_or_clone(entry);
        entry.lines.clear();
        entry.record.clear();
        // Free text of a desk.
        entry.reason = None;
        if let Body::Settled { inputs, .. } = &mut record.body {
            inputs.facts.diseases = 0;
            inputs.facts.declared.clear();
        }
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

/// The rules without what may tell of an illness. Layers and their clauses are called by the fund that bears them, in place of what the
/// rules call them; what a clause says in words is cut, and of a clause that counts by an illness or by what a hospital declares, all but
/// how good its source is. Payers keep their names: they are funds and offices.
fn without_names(mut package: Package) -> Package {
    let hidden = clinical_places(&package);
    let funds: Vec<(String, &'static str)> =
        package.layers.iter().map(|layer| (layer.name.clone(), bearer(&package, layer))).collect();
    for (layer, (_, fund)) in package.layers.iter_mut().zip(&funds) {
        (*fund).clone_into(&mut layer.name);
    }
    for clause in &mut package.clauses {
        let is_hidden = hidden.iter().any(|place| is_within(&clause.name, place));
        clause.name = renamed(&clause.name, &funds, is_hidden);
        clause.figures.clear();
        if let Some(source) = &mut clause.source {
            source.note.clear();
            if is_hidden {
                source.document = None;
                source.article.clear();
            }
        }
    }
    package
}

/// Who bears a layer, in a word of ours.
fn bearer(package: &Package, layer: &Layer) -> &'static str {
    match package.payer_of(layer).map(|payer| payer.bearer) {
        Some(Bearer::Fund(column) | Bearer::Other(column)) => column.word(),
        Some(Bearer::Hospital) => "hospital",
        Some(Bearer::Account) | None => "account",
    }
}

/// A clause's name begins with its layer's, or with the part of the rules that it stands in.
fn renamed(name: &str, funds: &[(String, &'static str)], is_hidden: bool) -> String {
    let root = name.find(['.', '[']).and_then(|end| name.split_at_checked(end));
    let (root, rest) = root.unwrap_or((name, ""));
    let rest = if is_hidden { "" } else { rest };
    let fund = funds.iter().find(|(layer, _)| layer == root).map(|(_, fund)| *fund);
    match fund.or_else(|| ["class_b", "move"].into_iter().find(|known| *known == root)) {
        Some(root) => format!("{root}{rest}"),
        None => String::new(),
    }
}

/// Is a clause this one, or a part of it?
fn is_within(clause: &str, place: &str) -> bool {
    let rest = clause.strip_prefix(place);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The clauses that count by an illness, or by a fact that a hospital declares with its bill.
fn clinical_places(package: &Package) -> Vec<String> {
    let mut places = Vec::new();
    let mut see = |condition: &Condition, clause: ClauseId| {
        if tells_illness(package, condition) {
            places.extend(package.clause(clause).map(|clause| clause.name.clone()));
        }
    };
    for moved in &package.moves {
        see(&moved.when, moved.clause);
    }
    for layer in &package.layers {
        see(&layer.who, layer.clause);
        for change in layer.tilts.iter().chain(&layer.adjustments) {
            see(&change.when, change.clause);
        }
        for ceiling in &layer.ceilings {
            see(&ceiling.when, ceiling.clause);
            if let Bound::Cost(amount, _) | Bound::Pay(amount, _) = &ceiling.bound {
                amount.iter().for_each(|row| see(&row.when, row.clause));
            }
        }
        match &layer.formula {
            Formula::Curve(curve) => {
                curve.rows.iter().for_each(|row| see(&row.when, row.clause));
                let bands = curve.rows.iter().flat_map(|row| &row.value);
                bands.flat_map(|band| &band.ratio).for_each(|row| see(&row.when, row.clause));
                let taken = curve.deductible.iter().flat_map(|taken| &taken.amount);
                taken.for_each(|row| see(&row.when, row.clause));
            }
            Formula::Fixed(amount) => amount.iter().for_each(|row| see(&row.when, row.clause)),
            Formula::Target(target) => match &target.goal {
                Goal::Share(rows) => rows.iter().for_each(|row| see(&row.when, row.clause)),
                Goal::KeepAtMost(rows) => rows.iter().for_each(|row| see(&row.when, row.clause)),
            },
            Formula::External(_) => {}
        }
    }
    places
}

fn tells_illness(package: &Package, condition: &Condition) -> bool {
    let is_declared =
        |fact: u16| package.facts.get(usize::from(fact)).is_none_or(|fact| !fact.from_registry);
    match condition {
        Condition::Disease(_) => true,
        Condition::FactWithin(fact, _)
        | Condition::FactFlag(fact, _)
        | Condition::FactChoice(fact, _) => is_declared(*fact),
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().any(|part| tells_illness(package, part))
        }
        Condition::Not(part) => tells_illness(package, part),
        Condition::Identity(_)
        | Condition::Level(_)
        | Condition::Place(_)
        | Condition::Referral(_)
        | Condition::Care(_)
        | Condition::Transfer(_)
        | Condition::Age(_)
        | Condition::Stay(_)
        | Condition::StaySameLevel(_)
        | Condition::Hospital(_)
        | Condition::TreatmentRegion(_)
        | Condition::NothingFrom(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::answer::example_package;
    use crate::domain::money::Fen;

    /// All that a bureau could read of the rules.
    fn texts(package: &Package) -> Vec<String> {
        let clauses = package.clauses.iter().flat_map(|clause| {
            let article = clause.source.as_ref().map(|source| source.article.clone());
            [Some(clause.name.clone()), article, Some(clause.figures.clone())]
        });
        let layers = package.layers.iter().map(|layer| Some(layer.name.clone()));
        clauses.chain(layers).flatten().collect()
    }

    #[test]
    fn a_bureau_reads_by_which_clause_and_of_no_illness() {
        let mut package = example_package();
        let place = package.layers.iter().position(|layer| layer.name == "critical").unwrap();
        let tilt = package.layers[place].tilts[0].clause;
        let (tilt, own) = (usize::from(tilt), usize::from(package.layers[place].clause));
        let told = without_names(package.clone());
        assert_eq!(told.layers[place].name, "critical_illness");
        assert_eq!(told.clauses[tilt].name, "critical_illness.tilt[1]");
        let sources = |of: &Package| {
            let source = of.clauses[tilt].source.clone().unwrap();
            (source.document, source.article, source.grade)
        };
        assert_eq!(sources(&told), sources(&package), "document, article and grade are told");
        assert!(told.clauses.iter().all(|clause| clause.figures.is_empty()));

        // The same rules, where the layer is called after an illness and the tilt is for one.
        package.layers[place].name = "uraemia".to_owned();
        for clause in &mut package.clauses {
            if let Some(rest) = clause.name.strip_prefix("critical") {
                clause.name = format!("uraemia{rest}");
            }
            clause.figures.push_str("uraemia");
        }
        package.clauses[tilt].source.as_mut().unwrap().article = "uraemia".to_owned();
        package.layers[place].tilts[0].when =
            Condition::Not(Box::new(Condition::Disease(1))).into();
        let told = without_names(package.clone());
        assert!(texts(&told).iter().all(|text| !text.contains("uraemia")), "{:?}", texts(&told));
        assert_eq!(told.clauses[tilt].name, "critical_illness");
        assert_eq!(told.clauses[own].name, "critical_illness");
        let (document, article, grade) = sources(&told);
        assert_eq!((document, article.as_str(), grade), (None, "", sources(&package).2));
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
