//! Amounts and ratios: plain, in proportion, or by rows.

use super::super::read::{Node, Shape, Table, Value};
use super::super::shapes;
use super::{Parser, Spot};
use crate::domain::money::{Fen, Rate};
use crate::domain::rules::{
    Amount, AmountValue, Condition, FactKind, Ratio, RatioValue, Reference, Row,
};

/// What a number may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// Anything.
    Any,
    /// Not below nought.
    NotNegative,
    /// From nought to one.
    Share,
}

impl Parser {
    /// Yuan, not negative.
    pub(super) fn yuan(&mut self, node: &Node, spot: &Spot) -> Option<Fen> {
        let amount = self.signed_yuan(node, spot)?;
        if amount < Fen::ZERO {
            self.error(node.line, spot, "the amount is negative", "金额为负");
        }
        Some(amount)
    }

    /// Yuan of any sign.
    pub(super) fn signed_yuan(&mut self, node: &Node, spot: &Spot) -> Option<Fen> {
        let text = self.faults.text(node, &spot.name)?;
        let amount = Fen::parse_yuan(text);
        if amount.is_none() {
            let en = "an amount is yuan with at most two decimals, such as \"3000.00\"";
            self.error(node.line, spot, en, "金额以元为单位，最多两位小数，如 \"3000.00\"");
        }
        amount
    }

    /// A ratio, factor or weight.
    pub(super) fn rate(&mut self, node: &Node, spot: &Spot, within: Within) -> Option<Rate> {
        let text = self.faults.text(node, &spot.name)?;
        let Some(rate) = Rate::parse(text) else {
            let en = "a ratio is a decimal with at most nine decimals, such as \"0.65\"";
            self.error(node.line, spot, en, "比例是最多九位小数的十进制数，如 \"0.65\"");
            return None;
        };
        match within {
            Within::Share if rate < Rate::ZERO || Rate::ONE < rate => {
                let (en, zh) = (
                    format!("the ratio {rate} is not within 0 and 1"),
                    format!("比例 {rate} 不在 0 与 1 之间"),
                );
                self.error(node.line, spot, en, zh);
            }
            Within::NotNegative if rate < Rate::ZERO => {
                self.error(node.line, spot, "the number is negative", "数值为负");
            }
            Within::Any | Within::NotNegative | Within::Share => {}
        }
        Some(rate)
    }

    fn rate_at(
        &mut self,
        table: &Table<'_>,
        key: &str,
        spot: &Spot,
        within: Within,
    ) -> Option<Rate> {
        table.get(key).and_then(|node| self.rate(node, spot, within))
    }

    // === amounts ===

    /// An amount. Its rows are named `list[1]`, `list[2]`; its figures begin with `label`.
    pub(super) fn amount(&mut self, node: &Node, spot: &Spot, list: &str, label: &str) -> Amount {
        let rows = |parser: &mut Self, spot: &Spot, table: &Table<'_>| {
            parser.amount_value(table, spot, label)
        };
        let lone = |parser: &mut Self, node: &Node| {
            let fen = parser.yuan(node, spot)?;
            parser.figure(
                &Spot { line: node.line, ..spot.clone() },
                &format!("{label}{}", grouped(fen)),
            );
            Some(AmountValue::Plain(fen))
        };
        self.rows(node, spot, (list, &shapes::AMOUNT_VALUE, &shapes::AMOUNT_ROW), (lone, rows))
    }

    fn amount_value(&mut self, table: &Table<'_>, spot: &Spot, label: &str) -> Option<AmountValue> {
        let plain = table.get("yuan");
        let of = table.get("of");
        if plain.is_some() == of.is_some() {
            self.error(
                table.line,
                spot,
                "either `yuan` or `of` is needed",
                "须写 `yuan` 或 `of` 之一",
            );
            return None;
        }
        if let Some(node) = plain {
            for key in ["times", "plus", "min", "max"] {
                if table.has(key) {
                    let (en, zh) =
                        (format!("`{key}` goes with `of`"), format!("`{key}` 只与 `of` 连用"));
                    self.error(table.line, spot, en, zh);
                }
            }
            let fen = self.yuan(node, spot)?;
            self.figure(spot, &format!("{label}{}", grouped(fen)));
            return Some(AmountValue::Plain(fen));
        }
        let node = of?;
        let what = self.reference(node, spot)?;
        let times = self.rate_at(table, "times", spot, Within::NotNegative).unwrap_or(Rate::ONE);
        let plus =
            table.get("plus").and_then(|node| self.signed_yuan(node, spot)).unwrap_or(Fen::ZERO);
        let min = table.get("min").and_then(|node| self.yuan(node, spot));
        let max = table.get("max").and_then(|node| self.yuan(node, spot));
        self.ordered(min, max, table.line, spot);
        let word = self.faults.text(node, &spot.name).unwrap_or_default();
        let mut text = format!("{label}{word} × {times}");
        if plus != Fen::ZERO {
            text.push_str(&format!(" + {}", grouped(plus)));
        }
        if let Some(min) = min {
            text.push_str(&format!(", at least {}", grouped(min)));
        }
        if let Some(max) = max {
            text.push_str(&format!(", at most {}", grouped(max)));
        }
        self.figure(spot, &text);
        Some(AmountValue::Of { what, times, plus, min, max })
    }

    fn ordered<T: PartialOrd>(&mut self, min: Option<T>, max: Option<T>, line: u32, spot: &Spot) {
        if min.zip(max).is_some_and(|(min, max)| max < min) {
            self.error(line, spot, "`max` is below `min`", "`max` 小于 `min`");
        }
    }

    fn reference(&mut self, node: &Node, spot: &Spot) -> Option<Reference> {
        let text = self.faults.text(node, &spot.name)?;
        match text.split_once('.') {
            None => match text {
                "age" => Some(Reference::Age),
                "account_balance" => Some(Reference::AccountBalance),
                "total" => Some(Reference::Total),
                _ => self.unknown_reference(node, spot, text),
            },
            Some(("index", name)) => {
                let known = self.names.indexes.clone();
                let id = self.resolve_name(name, node.line, spot, (("index", "指标"), &known))?;
                Some(Reference::Index(id))
            }
            Some(("gross", name)) => {
                let known = self.names.amounts.clone();
                let id = self.resolve_name(name, node.line, spot, (("amount", "金额"), &known))?;
                Some(Reference::Gross(id))
            }
            Some(("fact", name)) => {
                let (id, kind) = self.fact(name, node.line, spot)?;
                match kind {
                    FactKind::Yuan => Some(Reference::FactYuan(id)),
                    FactKind::Number => Some(Reference::FactNumber(id)),
                    FactKind::Flag | FactKind::Choice(_) => {
                        self.error(
                            node.line,
                            spot,
                            "the fact is neither yuan nor a number",
                            "该事实不是金额或数字",
                        );
                        None
                    }
                }
            }
            Some(_) => self.unknown_reference(node, spot, text),
        }
    }

    fn unknown_reference(&mut self, node: &Node, spot: &Spot, text: &str) -> Option<Reference> {
        const KNOWN: [&str; 6] =
            ["index.…", "fact.…", "age", "account_balance", "total", "gross.…"];
        let message = super::unknown("reference", "引用", text, &KNOWN);
        self.faults.error(node.line, &spot.name, message);
        None
    }

    fn fact(&mut self, name: &str, line: u32, spot: &Spot) -> Option<(u16, FactKind)> {
        let known: Vec<String> = self.names.facts.iter().map(|(name, _)| name.clone()).collect();
        let id = self.resolve_name(name, line, spot, (("fact", "事实"), &known))?;
        let (_, kind) = self.names.facts.get(usize::from(id))?;
        Some((id, kind.clone()))
    }

    // === ratios ===

    /// A ratio. Its rows are named `list[1]`, `list[2]`; its figures begin with `label`.
    pub(super) fn ratio(&mut self, node: &Node, spot: &Spot, list: &str, label: &str) -> Ratio {
        let rows = |parser: &mut Self, spot: &Spot, table: &Table<'_>| {
            parser.ratio_value(table, spot, label)
        };
        let lone = |parser: &mut Self, node: &Node| {
            let rate = parser.rate(node, spot, Within::Share)?;
            parser.figure(
                &Spot { line: node.line, ..spot.clone() },
                &format!("{label}{}", percent(rate)),
            );
            Some(RatioValue::Plain(rate))
        };
        self.rows(node, spot, (list, &shapes::RATIO_VALUE, &shapes::RATIO_ROW), (lone, rows))
    }

    fn ratio_value(&mut self, table: &Table<'_>, spot: &Spot, label: &str) -> Option<RatioValue> {
        let plain = table.get("ratio");
        if plain.is_some() == table.has("base") {
            self.error(
                table.line,
                spot,
                "either `ratio` or `base` is needed",
                "须写 `ratio` 或 `base` 之一",
            );
            return None;
        }
        if let Some(node) = plain {
            for key in ["per", "each", "min", "max"] {
                if table.has(key) {
                    let (en, zh) =
                        (format!("`{key}` goes with `base`"), format!("`{key}` 只与 `base` 连用"));
                    self.error(table.line, spot, en, zh);
                }
            }
            let rate = self.rate(node, spot, Within::Share)?;
            self.figure(spot, &format!("{label}{}", percent(rate)));
            return Some(RatioValue::Plain(rate));
        }
        let base = self.rate_at(table, "base", spot, Within::Any);
        let each_node = self.faults.needed(table, "each", &spot.name);
        let each = each_node.and_then(|node| self.rate(node, spot, Within::Any));
        let per_node = self.faults.needed(table, "per", &spot.name)?;
        let word = self.faults.text(per_node, &spot.name)?;
        let per = if word == "age" {
            None
        } else {
            let Some(name) = word.strip_prefix("fact.") else {
                let message = super::unknown("reference", "引用", word, &["age", "fact.…"]);
                self.faults.error(per_node.line, &spot.name, message);
                return None;
            };
            let (id, kind) = self.fact(name, per_node.line, spot)?;
            if kind != FactKind::Number {
                self.error(per_node.line, spot, "the fact is no number", "该事实不是数字");
            }
            Some(id)
        };
        let min = self.rate_at(table, "min", spot, Within::Share);
        let max = self.rate_at(table, "max", spot, Within::Share);
        self.ordered(min, max, table.line, spot);
        let (base, each) = (base?, each?);
        let mut text = format!("{label}{} + {} × {word}", percent(base), percent(each));
        if let Some(min) = min {
            text.push_str(&format!(", at least {}", percent(min)));
        }
        if let Some(max) = max {
            text.push_str(&format!(", at most {}", percent(max)));
        }
        self.figure(spot, &text);
        Some(RatioValue::Linear { base, per, each, min, max })
    }

    // === rows ===

    /// A value: text, a table, or a list of tables with conditions.
    fn rows<T>(
        &mut self,
        node: &Node,
        spot: &Spot,
        shape: (&str, &Shape, &Shape),
        read: (
            impl Fn(&mut Self, &Node) -> Option<T>,
            impl Fn(&mut Self, &Spot, &Table<'_>) -> Option<T>,
        ),
    ) -> Vec<Row<T>> {
        let (list, lone_shape, row_shape) = shape;
        let (lone, table_value) = read;
        let always = |value| Row { when: Condition::always().into(), value, clause: spot.clause };
        match &node.value {
            Value::Text(_) => lone(self, node).map(always).into_iter().collect(),
            Value::Table(_) => {
                let Some((inner, table)) = self.inside(spot, node, lone_shape) else {
                    return Vec::new();
                };
                table_value(self, &inner, &table).map(always).into_iter().collect()
            }
            Value::List(items) => {
                if items.is_empty() {
                    self.error(node.line, spot, "the list is empty", "列表为空");
                }
                let mut rows = Vec::new();
                for (at, item) in items.iter().enumerate() {
                    let name = format!("{list}[{}]", at + 1);
                    let Some((inner, table)) = self.enter(spot, name, item, row_shape) else {
                        continue;
                    };
                    let when = self.condition_at(&table, "when", &inner).into();
                    if let Some(value) = table_value(self, &inner, &table) {
                        rows.push(Row { when, value, clause: inner.clause });
                    }
                }
                rows
            }
            Value::Whole(_) | Value::Flag(_) | Value::Odd(..) => {
                self.faults.wrong_type(
                    node,
                    &spot.name,
                    ("text in quotes, a table or a list of rows", "加引号的文本、表或行列表"),
                );
                Vec::new()
            }
        }
    }
}

/// `50 000.00`.
pub(in crate::rulebook) fn grouped(fen: Fen) -> String {
    let text = fen.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "00"));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if 0 < at && (whole.len() - at).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}.{decimals}")
}

/// `60 %`.
pub(in crate::rulebook) fn percent(rate: Rate) -> String {
    let hundredfold = rate.billionths().checked_mul(100).map(Rate::from_billionths);
    hundredfold.map_or_else(|| rate.to_string(), |rate| format!("{rate} %"))
}
