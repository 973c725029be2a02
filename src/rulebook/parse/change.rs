//! Tilts and adjustments: what they change, for whom.

use super::super::read::{Node, Value};
use super::super::shapes;
use super::figure::{Within, grouped, percent};
use super::{Parser, Spot};
use crate::domain::money::{Fen, Rate};
use crate::domain::rules::{AmountChange, CeilingChange, Change, RatioChange};

/// Which figures of a layer its kind lets be changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Changeable {
    /// All of them.
    Curve,
    /// Ceilings only.
    Ceilings,
    /// None.
    Nothing,
}

impl Parser {
    /// The tilts or adjustments of a layer.
    pub(super) fn changes(
        &mut self,
        node: Option<&Node>,
        layer: &Spot,
        key: &str,
        changeable: Changeable,
    ) -> Vec<Change> {
        let Some(node) = node else { return Vec::new() };
        let allowed = match changeable {
            Changeable::Curve => true,
            Changeable::Ceilings => key == "tilt",
            Changeable::Nothing => false,
        };
        if !allowed {
            let en = format!("`{key}` goes with a curve");
            self.error(node.line, layer, en, format!("`{key}` 只与曲线连用"));
        }
        let shape = if key == "tilt" { &shapes::TILT } else { &shapes::ADJUST };
        let mut changes = Vec::new();
        for (at, item) in self.faults.list(node, &layer.name).iter().enumerate() {
            let name = format!("{}.{key}[{}]", layer.name, at + 1);
            let Some((spot, table)) = self.enter(layer, name, item, shape) else { continue };
            let when = self.condition_at(&table, "when", &spot).into();
            let deductible = table.get("deductible");
            let deductible =
                deductible.and_then(|node| self.amount_change(node, &spot, "deductible"));
            let ratio = table.get("ratio").and_then(|node| self.ratio_change(node, &spot));
            let ceiling = table.get("ceiling").and_then(|node| self.ceiling_change(node, &spot));
            if !["deductible", "ratio", "ceiling"].iter().any(|key| table.has(key)) {
                self.error(table.line, &spot, "it changes nothing", "没有改变任何数字");
            }
            if changeable != Changeable::Curve && (deductible.is_some() || ratio.is_some()) {
                let en = "only ceilings can be changed in a layer without a curve";
                self.error(table.line, &spot, en, "没有曲线的支付层只能改变封顶");
            }
            changes.push(Change { when, deductible, ratio, ceiling, clause: spot.clause });
        }
        changes
    }

    fn amount_change(&mut self, node: &Node, outer: &Spot, what: &str) -> Option<AmountChange> {
        let (spot, table) = self.inside(outer, node, &shapes::CHANGE)?;
        if let Some(node) = table.get("replace") {
            self.alone(&table, &spot);
            let list = format!("{}.{what}", spot.name);
            return Some(AmountChange::Replace(self.amount(
                node,
                &spot,
                &list,
                &format!("{what} "),
            )));
        }
        let times = table.get("times").map(|node| self.rate(node, &spot, Within::NotNegative));
        let plus = table.get("plus").map(|node| self.signed_yuan(node, &spot));
        self.scaled(times.is_none() && plus.is_none(), &spot);
        let (times, plus) = (times.flatten(), plus.flatten());
        if let Some(times) = times {
            self.figure(&spot, &format!("{what} × {times}"));
        }
        if let Some(plus) = plus {
            self.figure(&spot, &format!("{what} + {}", grouped(plus)));
        }
        Some(AmountChange::Scale(times.unwrap_or(Rate::ONE), plus.unwrap_or(Fen::ZERO)))
    }

    fn ratio_change(&mut self, node: &Node, outer: &Spot) -> Option<RatioChange> {
        let (spot, table) = self.inside(outer, node, &shapes::CHANGE)?;
        if let Some(node) = table.get("replace") {
            self.alone(&table, &spot);
            let list = format!("{}.ratio", spot.name);
            return Some(RatioChange::Replace(self.ratio(node, &spot, &list, "ratio ")));
        }
        let times = table.get("times").map(|node| self.rate(node, &spot, Within::NotNegative));
        let plus = table.get("plus").map(|node| self.rate(node, &spot, Within::Any));
        self.scaled(times.is_none() && plus.is_none(), &spot);
        let (times, plus) = (times.flatten(), plus.flatten());
        if plus.is_some_and(|plus| {
            plus < Rate::from_billionths(-Rate::ONE.billionths()) || Rate::ONE < plus
        }) {
            self.error(
                table.line,
                &spot,
                "`plus` is not within -1 and 1",
                "`plus` 不在 -1 与 1 之间",
            );
        }
        if let Some(times) = times {
            self.figure(&spot, &format!("ratio × {times}"));
        }
        if let Some(plus) = plus {
            self.figure(&spot, &format!("ratio + {}", percent(plus)));
        }
        Some(RatioChange::Scale(times.unwrap_or(Rate::ONE), plus.unwrap_or(Rate::ZERO)))
    }

    fn ceiling_change(&mut self, node: &Node, spot: &Spot) -> Option<CeilingChange> {
        if !matches!(node.value, Value::Text(_)) {
            return self.amount_change(node, spot, "ceiling").map(CeilingChange::Amount);
        }
        self.faults.word(node, &spot.name, ("word", "词"), &["none"])?;
        self.figure(spot, "no ceiling");
        Some(CeilingChange::None)
    }

    fn alone(&mut self, table: &super::Table<'_>, spot: &Spot) {
        if table.has("times") || table.has("plus") {
            let en = "`replace` stands alone, without `times` and `plus`";
            self.error(table.line, spot, en, "`replace` 不与 `times`、`plus` 连用");
        }
    }

    fn scaled(&mut self, nothing: bool, spot: &Spot) {
        if nothing {
            let en = "`times`, `plus` or `replace` is missing";
            self.error(spot.line, spot, en, "缺少 `times`、`plus` 或 `replace`");
        }
    }
}
