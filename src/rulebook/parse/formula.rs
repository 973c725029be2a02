//! How a layer pays: its curve above a deductible, its target, its fixed benefit.

use super::super::read::{Node, Table};
use super::super::shapes;
use super::figure::Within;
use super::layer::Kind;
use super::{Parser, Spot};
use crate::domain::rules::{
    Amount, Band, Bands, Before, Bounds, ClauseId, Curve, Deductible, Formula, Goal, NthFactors,
    OnTransfer, Row, Rows, Target,
};

impl Parser {
    pub(super) fn formula(
        &mut self,
        table: &Table<'_>,
        spot: &Spot,
        kind: (Kind, bool),
        before: Option<Before>,
    ) -> Option<Formula> {
        let (kind, yearly) = kind;
        match kind {
            Kind::External => Some(Formula::External(before)),
            Kind::Fixed => {
                let name = format!("{}.fixed", spot.name);
                let node = table.get("fixed")?;
                let (at, table) = self.enter(spot, name.clone(), node, &shapes::FIXED)?;
                let node = self.faults.needed(&table, "amount", &name)?;
                Some(Formula::Fixed(self.amount(node, &at, &name, "")))
            }
            Kind::Target => self.target(table.get("target")?, spot, yearly),
            Kind::Curve => self.curve(table, spot, yearly, before),
        }
    }

    fn target(&mut self, node: &Node, outer: &Spot, yearly: bool) -> Option<Formula> {
        let name = format!("{}.target", outer.name);
        let (spot, table) = self.enter(outer, name.clone(), node, &shapes::TARGET)?;
        let of_total = self.measure(&table, &spot);
        let counts = self.counts(&table, &spot);
        let slots = yearly.then(|| {
            let measure = self.accumulator(false, format!("{}.measure", outer.name), &spot);
            let counted = self.accumulator(false, format!("{}.counted", outer.name), &spot);
            (measure, counted)
        });
        let goal = match (table.get("share"), table.get("keep_at_most")) {
            (Some(node), None) => Goal::Share(self.ratio(node, &spot, &name, "at least ")),
            (None, Some(node)) => {
                Goal::KeepAtMost(self.amount(node, &spot, &name, "the patient keeps at most "))
            }
            (Some(_), Some(_)) | (None, None) => {
                let en = "either `share` or `keep_at_most` is needed";
                self.error(table.line, &spot, en, "须写 `share` 或 `keep_at_most` 之一");
                return None;
            }
        };
        let clause = spot.clause;
        Some(Formula::Target(Box::new(Target { goal, of_total, counts, slots, clause })))
    }

    fn curve(
        &mut self,
        table: &Table<'_>,
        spot: &Spot,
        yearly: bool,
        before: Option<Before>,
    ) -> Option<Formula> {
        let mut word = |key: &str, words: &[&str]| {
            let node = table.get(key)?;
            self.faults.word(node, &spot.name, ("word", "词"), words)
        };
        let on_gross = word("bands_on", &["excess", "gross"]) == Some(1);
        let whole = word("band_mode", &["slice", "whole"]) == Some(1);
        let bounds = word("bounds", &["inclusive", "exclusive"]);
        if whole && !table.has("bounds") {
            let en = "`bounds` is missing: in whole mode it matters whose the bound is";
            self.error(table.line, spot, en, "缺少 `bounds`：whole 方式须写明界限归哪一段");
        }
        if !whole && let Some(node) = table.get("bounds") {
            let en = "`bounds` goes with band_mode = \"whole\"";
            self.error(node.line, spot, en, "`bounds` 只与 band_mode = \"whole\" 连用");
        }
        let whole =
            whole.then_some(if bounds == Some(1) { Bounds::Exclusive } else { Bounds::Inclusive });
        let deductible =
            table.get("deductible").and_then(|node| self.deductible(node, spot, yearly));
        let rows = self.curve_rows(table.get("curve")?, spot);
        Some(Formula::Curve(Box::new(Curve { deductible, rows, on_gross, whole, before })))
    }

    fn curve_rows(&mut self, node: &Node, outer: &Spot) -> Rows<Bands> {
        let mut rows = Vec::new();
        for (at, item) in self.faults.filled_list(node, &outer.name).iter().enumerate() {
            let name = format!("{}.curve[{}]", outer.name, at + 1);
            let Some((spot, table)) = self.enter(outer, name, item, &shapes::CURVE) else {
                continue;
            };
            let when = self.condition_at(&table, "when", &spot).into();
            let value = match (table.get("ratio"), table.get("bands")) {
                (Some(node), None) => {
                    let ratio = self.ratio(node, &spot, &format!("{}.ratio", spot.name), "");
                    vec![Band { to: None, ratio, clause: spot.clause }]
                }
                (None, Some(node)) => self.bands(node, &spot),
                (Some(_), Some(_)) | (None, None) => {
                    let en = "either `ratio` or `bands` is needed";
                    self.error(table.line, &spot, en, "须写 `ratio` 或 `bands` 之一");
                    continue;
                }
            };
            rows.push(Row { when, value, clause: spot.clause });
        }
        rows
    }

    fn bands(&mut self, node: &Node, outer: &Spot) -> Bands {
        let items = self.faults.filled_list(node, &outer.name);
        let mut bands = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let name = format!("{}.band[{}]", outer.name, at + 1);
            let Some((spot, table)) = self.enter(outer, name, item, &shapes::BAND) else {
                continue;
            };
            let Some(node) = self.faults.needed(&table, "ratio", &spot.name) else { continue };
            let ratio = self.ratio(node, &spot, &format!("{}.ratio", spot.name), "");
            let last = at + 1 == items.len();
            let to = match table.get("to") {
                Some(node) if last => {
                    self.error(node.line, &spot, "the last band has a `to`", "最后一段不写 `to`");
                    None
                }
                Some(node) => {
                    Some(self.amount(node, &spot, &format!("{}.to", spot.name), "up to "))
                }
                None if last => None,
                None => {
                    self.error(table.line, &spot, "`to` is missing", "缺少 `to`");
                    None
                }
            };
            bands.push(Band { to, ratio, clause: spot.clause });
        }
        bands
    }

    // === deductible ===

    fn deductible(&mut self, node: &Node, outer: &Spot, yearly: bool) -> Option<Deductible> {
        let name = format!("{}.deductible", outer.name);
        let (spot, table) = self.enter(outer, name.clone(), node, &shapes::DEDUCTIBLE)?;
        if yearly {
            for key in ["nth", "transfer", "yearly_cap"] {
                if let Some(node) = table.get(key) {
                    let en = format!("`{key}` goes with span = \"stay\"");
                    self.error(node.line, &spot, en, format!("`{key}` 只与 span = \"stay\" 连用"));
                }
            }
        }
        let amount = self.faults.needed(&table, "amount", &name);
        let amount = amount.map_or_else(Vec::new, |node| self.amount(node, &spot, &name, ""));
        let nth = table.get("nth").and_then(|node| self.nth(node, &spot));
        let floor = self.sub_amount(&table, &spot, "floor", "not below ").map(|(floor, _)| floor);
        let (transfer, transfer_clause) = self.transfer(table.get("transfer"), &spot);
        let slot = table.has("yearly_cap").then(|| self.accumulator(false, name.clone(), &spot));
        let yearly_cap = self.sub_amount(&table, &spot, "yearly_cap", "at most in a year ");
        let yearly_cap = yearly_cap.zip(slot).map(|((cap, _), slot)| (cap, slot));
        let clause = spot.clause;
        Some(Deductible { amount, nth, floor, transfer, transfer_clause, yearly_cap, clause })
    }

    /// An amount under a key, with a clause of that key's name.
    fn sub_amount(
        &mut self,
        table: &Table<'_>,
        spot: &Spot,
        key: &str,
        label: &str,
    ) -> Option<(Amount, ClauseId)> {
        let node = table.get(key)?;
        let name = format!("{}.{key}", spot.name);
        let clause = self.clause(&name, node.line);
        let at = Spot { name: name.clone(), line: node.line, clause, ..spot.clone() };
        Some((self.amount(node, &at, &name, label), clause))
    }

    fn nth(&mut self, node: &Node, outer: &Spot) -> Option<NthFactors> {
        let name = format!("{}.nth", outer.name);
        let (spot, table) = self.enter(outer, name, node, &shapes::NTH)?;
        let counts = self.faults.needed(&table, "counts", &spot.name);
        let words = ["all", "same_level"];
        let counts =
            counts.and_then(|node| self.faults.word(node, &spot.name, ("word", "词"), &words));
        let factors = self.faults.needed(&table, "factors", &spot.name)?;
        let items = self.faults.filled_list(factors, &spot.name);
        let factors: Vec<_> =
            items.iter().filter_map(|item| self.rate(item, &spot, Within::NotNegative)).collect();
        let words: Vec<String> = factors.iter().map(ToString::to_string).collect();
        self.figure(&spot, &format!("× {}", words.join(", ")));
        Some(NthFactors { same_level: counts == Some(1), factors, clause: spot.clause })
    }

    fn transfer(&mut self, node: Option<&Node>, outer: &Spot) -> ([OnTransfer; 3], ClauseId) {
        const WORDS: [&str; 3] = ["full", "difference", "waived"];
        let mut effects = [OnTransfer::Full; 3];
        let Some(node) = node else { return (effects, outer.clause) };
        let name = format!("{}.transfer", outer.name);
        let Some((spot, table)) = self.enter(outer, name, node, &shapes::TRANSFER) else {
            return (effects, outer.clause);
        };
        for (effect, key) in effects.iter_mut().zip(["up", "level", "down"]) {
            let Some(node) = table.get(key) else { continue };
            let Some(word) = self.faults.word(node, &spot.name, ("word", "词"), &WORDS) else {
                continue;
            };
            *effect = match word {
                1 => OnTransfer::Difference,
                2 => OnTransfer::Waived,
                _ => OnTransfer::Full,
            };
            self.figure(&spot, &format!("{key} {}", WORDS.get(word).copied().unwrap_or_default()));
        }
        (effects, spot.clause)
    }
}
