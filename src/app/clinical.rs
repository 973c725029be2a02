//! What a bureau is told of a settlement: where the money came from, and nothing that tells what ails somebody.
//!
//! Told: the ids, hospital and days of the stay, every national amount, for each layer its payer with what it looked at and paid, the
//! identities that counted, the rule package, and the hash of the record, by which all else can be proved.
//! Cut: the charge lines, diagnoses by group, facts, the reason of a reversal, and the record's bytes, which hold them; the steps of the decision but for moves
//! between amounts, and the names of layers and clauses with the articles behind them, since a layer or a clause may be of one
//! disease.

use std::sync::Arc;

use super::Answer;
use crate::domain::record::Body;
use crate::domain::rules::{Package, Source};
use crate::domain::verdict::{Action, Outcome};

impl Answer {
    /// The same without what tells of an illness. The one place where it is cut, for whichever door asks.
    pub(super) fn without_clinical_detail(self) -> Self {
        let Self { entry, mut record, package, reversed_by, repeat } = self;
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
        Self { entry: Arc::new(entry), record, package, reversed_by, repeat }
    }
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
}
