//! GoRules' zen-engine on a decision as its users draw it: expressions and decision tables, no node of our own.
use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use rust_decimal::prelude::ToPrimitive as _;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;
use tokio::runtime::Runtime;
use zen_engine::model::DecisionContent;
use zen_engine::{Decision, DecisionEngine, EvaluationOptions, Variable};

use crate::ours::{PAYS, Pays};

const MODEL: &str = include_str!("../zen/three-layers.json");
/// The node that splits and adds up the lines.
const LINES: &str = "lines";

/// The engine with the decision, compiled beforehand.
#[derive(Debug)]
pub(crate) struct Zen {
    runtime: Runtime,
    /// From the lines on.
    pub(crate) whole: Decision,
    /// From the sums on.
    pub(crate) layers: Decision,
}

impl Zen {
    pub(crate) fn new() -> Result<Zen, anyhow::Error> {
        let model: Value = serde_json::from_str(MODEL).context("read the decision")?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().context("a runtime")?;
        let layers = decision(without(&model, LINES))?;
        Ok(Zen { runtime, whole: decision(model)?, layers })
    }

    /// Evaluates inputs, one after the other, for their time only.
    pub(crate) fn evaluate(
        &self,
        decision: &Decision,
        inputs: &[Variable],
        trace: bool,
    ) -> Result<(), anyhow::Error> {
        let options = EvaluationOptions { trace, ..EvaluationOptions::default() };
        self.runtime.block_on(async {
            for input in inputs {
                let answer = decision.evaluate_with_opts(input.clone(), options).await;
                black_box(answer.map_err(|error| anyhow!("{error:?}"))?.result);
            }
            Ok(())
        })
    }

    /// The same from the text of each input.
    pub(crate) fn evaluate_texts(&self, texts: &[String]) -> Result<(), anyhow::Error> {
        self.runtime.block_on(async {
            for text in texts {
                let input: Variable = serde_json::from_str(text)?;
                let answer = self.whole.evaluate(input).await;
                black_box(answer.map_err(|error| anyhow!("{error:?}"))?.result);
            }
            Ok(())
        })
    }

    /// What everyone pays.
    pub(crate) fn pays(
        &self,
        decision: &Decision,
        input: &Variable,
    ) -> Result<Pays, anyhow::Error> {
        let answer = self.runtime.block_on(decision.evaluate(input.clone()));
        let result = answer.map_err(|error| anyhow!("{error:?}"))?.result;
        let mut pays = [0; 4];
        for (pay, name) in pays.iter_mut().zip(PAYS) {
            let yuan = result.dot(name).and_then(|value| value.as_number());
            *pay = yuan.and_then(fen).with_context(|| format!("no amount {name}"))?;
        }
        Ok(pays)
    }
}

fn decision(model: Value) -> Result<Decision, anyhow::Error> {
    let content: DecisionContent = serde_json::from_value(model).context("take the decision")?;
    let engine = DecisionEngine::default();
    let mut decision =
        engine.create_decision(Arc::new(content)).map_err(|error| anyhow!("{error:?}"))?;
    decision.validate().map_err(|error| anyhow!("{error:?}"))?;
    decision.compile();
    Ok(decision)
}

/// The graph with a node taken out of its line.
fn without(model: &Value, node: &str) -> Value {
    let list = |name: &str| model[name].as_array().cloned().unwrap_or_default();
    let mut edges = list("edges");
    let before = edges.iter().find(|edge| edge["targetId"] == node);
    let before = before.map_or(Value::Null, |edge| edge["sourceId"].clone());
    edges.retain(|edge| edge["targetId"] != node);
    for edge in edges.iter_mut().filter(|edge| edge["sourceId"] == node) {
        edge["sourceId"] = before.clone();
    }
    let mut nodes = list("nodes");
    nodes.retain(|each| each["id"] != node);
    serde_json::json!({ "nodes": nodes, "edges": edges })
}

/// Half-up.
fn fen(yuan: Decimal) -> Option<i64> {
    let exact = yuan.checked_mul(Decimal::ONE_HUNDRED)?;
    exact.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero).to_i64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bills;
    use crate::ours::{Case, Rules};

    /// From lines and from sums, at first and when evaluated again.
    #[test]
    fn zen_agrees_to_the_fen() {
        let rules = Rules::read().unwrap();
        let zen = Zen::new().unwrap();
        for drawn in bills::draw(2, 64, 50) {
            let mut case = Case::of(&drawn, &rules.best).unwrap();
            let want = case.pays(&rules.best).unwrap();
            let input = Variable::from(drawn.facts());
            let sums = Variable::from(drawn.facts_of_sums(case.sums()));
            zen.evaluate(&zen.whole, std::slice::from_ref(&input), true).unwrap();
            assert_eq!(zen.pays(&zen.whole, &input).unwrap(), want, "{}", drawn.facts());
            assert_eq!(zen.pays(&zen.layers, &sums).unwrap(), want, "{}", drawn.facts());
        }
    }
}
