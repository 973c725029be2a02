//! Conditions: every word becomes a bit, every bound a span.

use super::super::read::{Node, Table, Value};
use super::super::shapes;
use super::{Parser, Reach, Spot};
use crate::domain::bill::{Care, Referral};
use crate::domain::money::Fen;
use crate::domain::rules::{Condition, FactKind, LayerId, Place, Span, Transfer};

impl Parser {
    /// The condition under a key; always where the key is left out.
    pub(super) fn condition_at(&mut self, table: &Table<'_>, key: &str, spot: &Spot) -> Condition {
        table.get(key).map_or_else(Condition::always, |node| self.condition(node, spot))
    }

    pub(super) fn condition(&mut self, node: &Node, spot: &Spot) -> Condition {
        let Some(keys) = self.faults.table(node, &spot.name, &shapes::CONDITION) else {
            return Condition::always();
        };
        let mut parts = Vec::new();
        for (key, node) in keys.entries() {
            self.condition_part(key, node, spot, &mut parts);
        }
        match <[Condition; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => Condition::All(parts),
        }
    }

    fn condition_part(&mut self, key: &str, node: &Node, spot: &Spot, parts: &mut Vec<Condition>) {
        let part = match key {
            "identity" => {
                if !spot.reach.identities {
                    let en = "a move's condition can not name an identity";
                    self.error(node.line, spot, en, "转列的条件不能写身份");
                }
                self.identity_asked = true;
                let names = self.names.identities.clone();
                Condition::Identity(self.name_bits(node, spot, ("identity", "身份"), &names))
            }
            "disease" => {
                let names = self.names.diseases.clone();
                Condition::Disease(self.name_bits(node, spot, ("disease group", "病种组"), &names))
            }
            "level" => Condition::Level(self.level_bits(node, spot)),
            "place" => Condition::Place(self.word_bits(node, spot, &Place::ALL.map(Place::word))),
            "referral" => {
                Condition::Referral(self.word_bits(node, spot, &Referral::ALL.map(Referral::word)))
            }
            "care" => Condition::Care(self.word_bits(node, spot, &Care::ALL.map(Care::word))),
            "transfer" => {
                Condition::Transfer(self.word_bits(node, spot, &Transfer::ALL.map(Transfer::word)))
            }
            "age" => Condition::Age(self.span(node, spot, Unit::Count)),
            "stay" => Condition::Stay(self.span(node, spot, Unit::Count)),
            "stay_same_level" => Condition::StaySameLevel(self.span(node, spot, Unit::Count)),
            "hospital" => Condition::Hospital(self.texts(node, spot)),
            "treatment_region" => Condition::TreatmentRegion(self.regions(node, spot)),
            "nothing_from" => Condition::NothingFrom(self.earlier_layers(node, spot)),
            "any" => {
                let items = self.faults.filled_list(node, &spot.name);
                Condition::Any(items.iter().map(|item| self.condition(item, spot)).collect())
            }
            "not" => Condition::Not(Box::new(self.condition(node, spot))),
            "fact" => return self.fact_parts(node, spot, parts),
            // Reported when the table was opened.
            _ => return,
        };
        parts.push(part);
    }

    fn fact_parts(&mut self, node: &Node, spot: &Spot, parts: &mut Vec<Condition>) {
        let Some(facts) = self.faults.names(node, &spot.name) else { return };
        for (name, node) in facts.entries() {
            let names: Vec<String> =
                self.names.facts.iter().map(|(name, _)| name.clone()).collect();
            let known = (("fact", "事实"), names.as_slice());
            let Some(id) = self.resolve_name(name, node.line, spot, known) else { continue };
            let Some((_, kind)) = self.names.facts.get(usize::from(id)).cloned() else { continue };
            let part = match kind {
                FactKind::Number => Condition::FactWithin(id, self.span(node, spot, Unit::Count)),
                FactKind::Yuan => Condition::FactWithin(id, self.span(node, spot, Unit::Yuan)),
                FactKind::Flag => match self.faults.flag(node, &spot.name) {
                    Some(flag) => Condition::FactFlag(id, flag),
                    None => continue,
                },
                FactKind::Choice(values) => Condition::FactChoice(
                    id,
                    self.name_bits(node, spot, ("value", "取值"), &values),
                ),
            };
            parts.push(part);
        }
    }

    fn name_bits(&mut self, node: &Node, spot: &Spot, what: (&str, &str), names: &[String]) -> u64 {
        let items = self.faults.filled_list(node, &spot.name);
        items.iter().fold(0, |bits, item| {
            bits | self.resolve(item, spot, what, names).map_or(0, |at| bit(usize::from(at)))
        })
    }

    fn word_bits(&mut self, node: &Node, spot: &Spot, words: &[&str]) -> u64 {
        let items = self.faults.filled_list(node, &spot.name);
        items.iter().fold(0, |bits, item| {
            bits | self.faults.word(item, &spot.name, ("word", "词"), words).map_or(0, bit)
        })
    }

    fn level_bits(&mut self, node: &Node, spot: &Spot) -> u64 {
        let items = self.faults.filled_list(node, &spot.name);
        items.iter().fold(0, |bits, item| {
            let level = self.faults.whole(item, &spot.name);
            let known = level
                .and_then(|level| usize::try_from(level).ok())
                .filter(|level| (1..=3).contains(level));
            if level.is_some() && known.is_none() {
                self.error(item.line, spot, "a level is 1, 2 or 3", "等级只能是 1、2、3");
            }
            bits | known.map_or(0, bit)
        })
    }

    fn texts(&mut self, node: &Node, spot: &Spot) -> Vec<String> {
        let items = self.faults.filled_list(node, &spot.name);
        items
            .iter()
            .filter_map(|item| self.faults.filled(item, &spot.name))
            .map(str::to_owned)
            .collect()
    }

    fn regions(&mut self, node: &Node, spot: &Spot) -> Vec<String> {
        let regions = self.texts(node, spot);
        for region in &regions {
            if 6 < region.len() || !region.bytes().all(|byte| byte.is_ascii_digit()) {
                self.error(
                    node.line,
                    spot,
                    "a region has at most six digits",
                    "区划代码最多六位数字",
                );
            }
        }
        regions
    }

    /// Names of layers that come before this one.
    pub(super) fn earlier_layers(&mut self, node: &Node, spot: &Spot) -> Vec<LayerId> {
        let known: Vec<String> =
            self.names.layers.iter().take(spot.reach.layers).cloned().collect();
        let items = self.faults.filled_list(node, &spot.name);
        items
            .iter()
            .filter_map(|item| self.resolve(item, spot, ("earlier layer", "前面的支付层"), &known))
            .collect()
    }

    fn span(&mut self, node: &Node, spot: &Spot, unit: Unit) -> Span {
        let everything = Span { at_least: i64::MIN, below: i64::MAX };
        let Some(keys) = self.faults.table(node, &spot.name, &shapes::SPAN) else {
            return everything;
        };
        let mut bound = |key: &str| {
            let node = keys.get(key)?;
            match unit {
                Unit::Count => self.faults.whole(node, &spot.name),
                Unit::Yuan => self.yuan(node, spot).map(Fen::get),
            }
        };
        let (at_least, below) = (bound("at_least"), bound("below"));
        if !keys.has("at_least") && !keys.has("below") && matches!(node.value, Value::Table(_)) {
            self.error(
                node.line,
                spot,
                "`at_least` or `below` is missing",
                "缺少 `at_least` 或 `below`",
            );
        }
        let span = Span {
            at_least: at_least.unwrap_or(everything.at_least),
            below: below.unwrap_or(everything.below),
        };
        if span.below <= span.at_least {
            self.error(
                node.line,
                spot,
                "`below` is not above `at_least`",
                "`below` 不大于 `at_least`",
            );
        }
        span
    }
}

/// What a bound counts.
#[derive(Clone, Copy)]
enum Unit {
    Count,
    Yuan,
}

fn bit(at: usize) -> u64 {
    u32::try_from(at).ok().and_then(|at| 1_u64.checked_shl(at)).unwrap_or(0)
}

impl Reach {
    /// Before the layers, where no identity is being tried.
    pub(super) const MOVE: Self = Self { identities: false, layers: 0 };
    /// Before the layers, but used in them.
    pub(super) const INDEX: Self = Self { identities: true, layers: 0 };
}
