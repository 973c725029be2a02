//! A layer: whom it is for, what it looks at, out of what it pays.

use super::super::read::{Node, Table};
use super::super::shapes;
use super::change::Changeable;
use super::figure::Within;
use super::{Parser, Reach, Spot};
use crate::domain::money::{Rate, Rounding};
use crate::domain::rules::{
    AmountId, Before, Bound, Ceiling, Formula, Layer, LayerId, Part, Share, Term,
};

const PARTS: [(&str, Part); 5] = [
    ("base", Part::Base),
    ("pay", Part::Pay),
    ("deductible", Part::Deductible),
    ("excess", Part::Excess),
    ("cut", Part::Cut),
];

/// How a layer pays, as its keys say it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Curve,
    Target,
    Fixed,
    External,
}

impl Parser {
    pub(super) fn layers(
        &mut self,
        top: &Table<'_>,
        spot: &Spot,
        rounding: Rounding,
    ) -> Vec<Layer> {
        let Some(node) = self.faults.needed(top, "layer", "") else { return Vec::new() };
        let items = self.faults.filled_list(node, "layer");
        let names = self.names.layers.clone();
        let mut layers = Vec::new();
        for (at, (item, name)) in items.iter().zip(names).enumerate() {
            let mut outer = spot.clone();
            outer.reach = Reach { identities: true, layers: at };
            let layer = self.layer(item, &outer, &name, rounding);
            if !self.identity_asked {
                self.layers_shared += 1;
            }
            self.names.fixed_layers.push(
                layer.as_ref().is_some_and(|layer| matches!(layer.formula, Formula::Fixed(_))),
            );
            layers.extend(layer);
        }
        layers
    }

    fn layer(
        &mut self,
        item: &Node,
        outer: &Spot,
        name: &str,
        rounding: Rounding,
    ) -> Option<Layer> {
        let (spot, table) = self.enter(outer, name.to_owned(), item, &shapes::LAYER)?;
        let known = self.names.payers.clone();
        let payer = self.faults.needed(&table, "payer", name);
        let payer = payer.and_then(|node| self.resolve(node, &spot, ("payer", "支付方"), &known));
        let who = self.condition_at(&table, "who", &spot).into();
        let span = table.get("span");
        let span =
            span.and_then(|node| self.faults.word(node, name, ("span", "期间"), &["stay", "year"]));
        let yearly = span == Some(1);
        let own_rounding = self.rounding(&table, &spot).unwrap_or(rounding);
        let by_application = table.get("by_application");
        let by_application = by_application.map(|node| self.condition(node, &spot).into());
        let kind = self.kind(&table, &spot)?;
        self.keys_of_kind(&table, &spot, kind, yearly);
        let base = self.base(&table, &spot, kind);
        let (take_from, proportional) = self.take(&table, &spot, kind, &base);
        let before = self.before(&table, &spot, kind, yearly);
        let ceilings = self.ceilings(&table, &spot, kind);
        let formula = self.formula(&table, &spot, (kind, yearly), before)?;
        let changeable = match kind {
            Kind::Curve => Changeable::Curve,
            Kind::Target | Kind::Fixed => Changeable::Ceilings,
            Kind::External => Changeable::Nothing,
        };
        let tilts = self.changes(table.get("tilt"), &spot, "tilt", changeable);
        let adjustments = self.changes(table.get("adjust"), &spot, "adjust", changeable);
        let paid_slot = before.map(|_| self.accumulator(false, format!("{name}.paid"), &spot));
        Some(Layer {
            name: name.to_owned(),
            payer: payer?,
            who,
            yearly,
            base,
            take_from,
            proportional,
            formula,
            by_application,
            rounding: own_rounding,
            tilts,
            adjustments,
            ceilings,
            paid_slot,
            clause: spot.clause,
        })
    }

    fn kind(&mut self, table: &Table<'_>, spot: &Spot) -> Option<Kind> {
        let external = table.get("external").and_then(|node| {
            let flag = self.faults.flag(node, &spot.name)?;
            if !flag {
                let en = "leave `external` out rather than say false";
                self.error(node.line, spot, en, "不用写 external = false");
            }
            flag.then_some(Kind::External)
        });
        let kinds = [
            table.has("curve").then_some(Kind::Curve),
            table.has("target").then_some(Kind::Target),
            table.has("fixed").then_some(Kind::Fixed),
            external,
        ];
        let mut kinds = kinds.into_iter().flatten();
        let (first, second) = (kinds.next(), kinds.next());
        if first.is_none() || second.is_some() {
            let en = "a layer has exactly one of `curve`, `target`, `fixed` and `external`";
            self.error(table.line, spot, en, "支付层须恰有 curve、target、fixed、external 之一");
            return None;
        }
        first
    }

    /// Keys that only some kinds of layers have, and keys that a kind needs.
    fn keys_of_kind(&mut self, table: &Table<'_>, spot: &Spot, kind: Kind, yearly: bool) {
        const CURVE_ONLY: [&str; 4] = ["deductible", "bands_on", "band_mode", "bounds"];
        let mut refused: Vec<(&str, &str, &str)> = Vec::new();
        if kind != Kind::Curve {
            refused.extend(CURVE_ONLY.map(|key| (key, "goes with a curve", "只与曲线连用")));
        }
        if !yearly || kind != Kind::Curve {
            let accumulates = yearly && kind == Kind::External;
            let keys = if accumulates { &["against"][..] } else { &["accumulate", "against"] };
            let why = ("goes with a curve over a year", "只与按年的曲线连用");
            refused.extend(keys.iter().map(|key| (*key, why.0, why.1)));
        }
        if matches!(kind, Kind::Target | Kind::Fixed) {
            refused.push(("base", "is left out here", "此处不写"));
        }
        if kind == Kind::External {
            refused.push(("ceiling", "is left out in an external layer", "外部支付层不写"));
        }
        if kind == Kind::Fixed {
            for key in ["take_from", "take", "span", "by_application"] {
                refused.push((key, "is left out in a fixed benefit", "固定补助不写"));
            }
        }
        for (key, en, zh) in refused {
            if let Some(node) = table.get(key) {
                self.error(node.line, spot, format!("`{key}` {en}"), format!("`{key}` {zh}"));
            }
        }
    }

    // === what it looks at ===

    fn base(&mut self, table: &Table<'_>, spot: &Spot, kind: Kind) -> Vec<(Term, Rate)> {
        if matches!(kind, Kind::Target | Kind::Fixed) {
            return Vec::new();
        }
        let Some(node) = self.faults.needed(table, "base", &spot.name) else { return Vec::new() };
        let Some(weights) = self.faults.names(node, &spot.name) else { return Vec::new() };
        let mut base = Vec::new();
        let mut words = Vec::new();
        for (name, node) in weights.entries() {
            let term = self.term(name, node.line, spot);
            let Some(weight) = self.rate(node, spot, Within::Any) else { continue };
            words.push(if weight == Rate::ONE {
                name.to_owned()
            } else {
                format!("{weight} × {name}")
            });
            base.extend(term.map(|term| (term, weight)));
        }
        if words.is_empty() {
            self.error(node.line, spot, "the base is empty", "基数为空");
        } else {
            // That an amount counts whole says no figure; any other weight is one and needs its source.
            let whole = base.iter().all(|(_, weight)| *weight == Rate::ONE);
            self.figure_of(&Spot { line: node.line, ..spot.clone() }, &words.join(" + "), !whole);
        }
        base
    }

    fn term(&mut self, name: &str, line: u32, spot: &Spot) -> Option<Term> {
        let amounts = self.names.amounts.clone();
        match name.split_once('.') {
            None if name == "total" => Some(Term::Total),
            None if name == "paid" => Some(Term::Paid),
            None => {
                self.resolve_name(name, line, spot, (("amount", "金额"), &amounts)).map(Term::Left)
            }
            Some(("gross", name)) => {
                self.resolve_name(name, line, spot, (("amount", "金额"), &amounts)).map(Term::Gross)
            }
            Some((layer, part)) => {
                let known: Vec<String> =
                    self.names.layers.iter().take(spot.reach.layers).cloned().collect();
                let known = (("earlier layer", "前面的支付层"), known.as_slice());
                let layer: Option<LayerId> = self.resolve_name(layer, line, spot, known);
                let words = PARTS.map(|(word, _)| word);
                let found = PARTS.iter().find(|(word, _)| *word == part);
                if found.is_none() {
                    let message = super::unknown("part of a layer", "支付层的量", part, &words);
                    self.faults.error(line, &spot.name, message);
                }
                Some(Term::Layer(layer?, found?.1))
            }
        }
    }

    /// Out of what it pays. Left out, it is what the base names with a positive weight, in the order of the amounts:
    /// TOML does not keep the order of keys.
    fn take(
        &mut self,
        table: &Table<'_>,
        spot: &Spot,
        kind: Kind,
        base: &[(Term, Rate)],
    ) -> (Vec<AmountId>, bool) {
        let mut from: Vec<AmountId> = Vec::new();
        if kind == Kind::Fixed {
            return (from, false);
        }
        if let Some(node) = table.get("take_from") {
            let known = self.names.amounts.clone();
            for item in self.faults.filled_list(node, &spot.name) {
                let Some(id) = self.resolve(item, spot, ("amount", "金额"), &known) else {
                    continue;
                };
                if from.contains(&id) {
                    self.error(item.line, spot, "the amount stands twice", "金额重复");
                }
                from.push(id);
            }
        } else {
            for (term, weight) in base {
                if let Term::Left(amount) = term
                    && Rate::ZERO < *weight
                {
                    from.push(*amount);
                }
            }
            from.sort_unstable();
            if from.is_empty() && (kind == Kind::Target || !base.is_empty()) {
                self.error(table.line, spot, "`take_from` is missing", "缺少 `take_from`");
            }
        }
        let take = table.get("take");
        let words = ["order", "proportional"];
        let take = take.map(|node| self.faults.word(node, &spot.name, ("word", "词"), &words));
        if take.is_none() && 1 < from.len() {
            let en = "`take` is missing: the pay can come out of more than one amount";
            self.error(table.line, spot, en, "缺少 `take`：可从不止一个金额中支付");
        }
        (from, take.flatten() == Some(1))
    }

    fn before(
        &mut self,
        table: &Table<'_>,
        spot: &Spot,
        kind: Kind,
        yearly: bool,
    ) -> Option<Before> {
        if !yearly || matches!(kind, Kind::Target | Kind::Fixed) {
            return None;
        }
        let mut word = |key: &str, words: &[&str], needed: bool| {
            let node =
                if needed { self.faults.needed(table, key, &spot.name) } else { table.get(key) };
            node.and_then(|node| self.faults.word(node, &spot.name, ("word", "词"), words))
        };
        let kept = word("accumulate", &["entered", "kept"], true) == Some(1);
        // What an external layer pays is told, so nothing is held against it.
        let against_paid = word("against", &["curve", "paid"], kind == Kind::Curve) == Some(1);
        let name = if kept { "kept" } else { "entered" };
        let slot = self.accumulator(false, format!("{}.{name}", spot.name), spot);
        Some(Before { slot, kept, against_paid })
    }

    // === ceilings ===

    fn ceilings(&mut self, table: &Table<'_>, spot: &Spot, kind: Kind) -> Vec<Ceiling> {
        let Some(node) = table.get("ceiling") else { return Vec::new() };
        let mut ceilings = Vec::new();
        for (at, item) in self.faults.list(node, &spot.name).iter().enumerate() {
            let name = format!("{}.ceiling[{}]", spot.name, at + 1);
            let Some((at, table)) = self.enter(spot, name, item, &shapes::CEILING) else {
                continue;
            };
            let when = self.condition_at(&table, "when", &at).into();
            let bound = match table.get("up_to") {
                Some(node) => self.up_to(node, &table, &at),
                None => self.bound(&table, &at, kind, &spot.name),
            };
            ceilings.extend(bound.map(|bound| Ceiling { when, bound, clause: at.clause }));
        }
        ceilings
    }

    fn bound(&mut self, table: &Table<'_>, spot: &Spot, kind: Kind, layer: &str) -> Option<Bound> {
        let of = table.get("of");
        let of = of
            .and_then(|node| self.faults.word(node, &spot.name, ("word", "词"), &["pay", "cost"]));
        let cost = of == Some(1);
        if cost && matches!(kind, Kind::Target | Kind::Fixed) {
            self.error(table.line, spot, "nothing enters this layer", "该层没有进入费用");
        }
        let span = self.faults.needed(table, "span", &spot.name);
        let words = ["stay", "year", "life"];
        let span =
            span.and_then(|node| self.faults.word(node, &spot.name, ("span", "期间"), &words));
        let pool = table.get("pool").and_then(|node| self.faults.filled(node, &spot.name));
        if pool.is_some_and(|pool| pool.contains('.')) {
            self.error(table.line, spot, "a pool's name has no point", "池名不含点号");
        }
        if span == Some(0) && table.has("pool") {
            self.error(table.line, spot, "a ceiling of one stay has no pool", "单次封顶没有池");
        }
        let amount = match table.get("amount") {
            Some(node) => {
                let list = format!("{}.amount", spot.name);
                self.amount(node, spot, &list, "at most ")
            }
            None => {
                self.faults.needed(table, "amount", &spot.name);
                Vec::new()
            }
        };
        let pool = pool.unwrap_or(layer);
        let name = if cost { format!("pool.cost.{pool}") } else { format!("pool.{pool}") };
        let slot = match span? {
            0 => None,
            span => Some(self.accumulator(span == 2, name, spot)),
        };
        Some(if cost { Bound::Cost(amount, slot) } else { Bound::Pay(amount, slot) })
    }

    fn up_to(&mut self, node: &Node, ceiling: &Table<'_>, outer: &Spot) -> Option<Bound> {
        let of = ceiling.get("of");
        let of = of
            .and_then(|node| self.faults.word(node, &outer.name, ("word", "词"), &["pay", "cost"]));
        for key in ["of", "span", "pool", "amount"] {
            // What it bounds is pay, and that may be said.
            if let Some(node) = ceiling.get(key)
                && (key != "of" || of == Some(1))
            {
                let en = format!("`{key}` does not go with `up_to`");
                self.error(node.line, outer, en, format!("`{key}` 不与 `up_to` 连用"));
            }
        }
        let (spot, table) = self.inside(outer, node, &shapes::UP_TO)?;
        let of_total = self.measure(&table, &spot);
        let counts = self.counts(&table, &spot);
        let share = self.faults.needed(&table, "share", &spot.name)?;
        let share = self.ratio(share, &spot, &format!("{}.share", spot.name), "at most ");
        Some(Bound::UpTo(Share { share, of_total, counts }))
    }

    /// True: all charges; false: what is in scope.
    pub(super) fn measure(&mut self, table: &Table<'_>, spot: &Spot) -> bool {
        let node = self.faults.needed(table, "measure", &spot.name);
        let words = ["in_scope", "total"];
        node.and_then(|node| self.faults.word(node, &spot.name, ("measure", "量"), &words))
            == Some(1)
    }

    /// The layers whose pay counts; a fixed benefit is in no sum.
    pub(super) fn counts(&mut self, table: &Table<'_>, spot: &Spot) -> Vec<LayerId> {
        let fixed = self.names.fixed_layers.clone();
        let is_fixed = |id: &LayerId| fixed.get(usize::from(*id)).copied().unwrap_or(false);
        let Some(node) = table.get("counts") else {
            let earlier = LayerId::try_from(spot.reach.layers).unwrap_or(LayerId::MAX);
            return (0..earlier).filter(|id| !is_fixed(id)).collect();
        };
        let layers = self.earlier_layers(node, spot);
        if layers.iter().any(is_fixed) {
            self.error(node.line, spot, "a fixed benefit is in no sum", "固定补助不计入合计");
        }
        layers
    }
}
