//! The same bills for everybody: drawn by a seed, as the facts that peers read.
use onestop::domain::bill::CatalogueClass;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use serde_json::{Number, Value, json};

/// The day of every discharge.
pub(crate) const DISCHARGE: &str = "2024-06-30";

/// Identities that a person may hold; the package knows only the first.
const IDENTITIES: [&str; 2] = ["low_income", "disabled"];

/// A stay with its charges, whose it is and what was used before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drawn {
    pub(crate) level: i16,
    pub(crate) identities: Vec<&'static str>,
    /// Burden of the year that entered critical illness before.
    pub(crate) entered_fen: i64,
    /// Aid of the year before.
    pub(crate) aid_fen: i64,
    pub(crate) lines: Vec<Line>,
}

/// A charge, and what the catalogue says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) class: CatalogueClass,
    pub(crate) quantity_e4: i64,
    pub(crate) price_fen: i64,
    pub(crate) amount_fen: i64,
    pub(crate) ceiling_price_fen: Option<i64>,
    pub(crate) advance_percent: Option<i64>,
}

/// Sums of the lines, for who is told them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) total_fen: i64,
    pub(crate) in_scope_fen: i64,
    pub(crate) advance_fen: i64,
}

/// So many bills of so many lines.
pub(crate) fn draw(seed: u64, bills: usize, lines: usize) -> Vec<Drawn> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    (0..bills).map(|_| Drawn::draw(lines, &mut random)).collect()
}

impl Drawn {
    fn draw(lines: usize, random: &mut Pcg64Mcg) -> Drawn {
        let identities = match random.random_range(0..4) {
            0 => Vec::new(),
            1 => vec![IDENTITIES[0]],
            2 => vec![IDENTITIES[1]],
            _ => IDENTITIES.to_vec(),
        };
        let scale_fen = match random.random_range(0..10) {
            0..7 => random.random_range(200_000..6_000_000),
            _ => random.random_range(6_000_000..20_000_000),
        };
        let each_fen = scale_fen / i64::try_from(lines).unwrap_or(1).max(1);
        Drawn {
            level: random.random_range(1..=3),
            identities,
            entered_fen: sometimes(random, 12_000_000),
            aid_fen: sometimes(random, 5_500_000),
            lines: (0..lines).map(|_| Line::draw(each_fen, random)).collect(),
        }
    }

    /// As peers read it: amounts in yuan, as numbers, which is what their users write.
    pub(crate) fn facts(&self) -> Value {
        let mut facts = self.facts_without_lines();
        facts["lines"] = self.lines.iter().map(Line::facts).collect();
        facts
    }

    /// The same with the lines added up already.
    pub(crate) fn facts_of_sums(&self, sums: Sums) -> Value {
        let mut facts = self.facts_without_lines();
        facts["total"] = yuan(sums.total_fen);
        facts["inScope"] = yuan(sums.in_scope_fen);
        facts["advance"] = yuan(sums.advance_fen);
        facts
    }

    fn facts_without_lines(&self) -> Value {
        json!({
            "discharge": DISCHARGE,
            "level": self.level,
            "identities": self.identities,
            "before": { "criticalEntered": yuan(self.entered_fen), "aidPaid": yuan(self.aid_fen) },
        })
    }
}

impl Line {
    fn draw(each_fen: i64, random: &mut Pcg64Mcg) -> Line {
        let quantity_e4 = match random.random_range(0..4) {
            0 => 2_500 * random.random_range(1..=12),
            _ => 10_000 * random.random_range(1..=9),
        };
        let amount_fen = each_fen * random.random_range(200..1_800) / 1_000;
        let price_fen = (amount_fen * 10_000 / quantity_e4).max(1);
        let class = match random.random_range(0..10) {
            0..6 => CatalogueClass::A,
            6..9 => CatalogueClass::B,
            _ => CatalogueClass::C,
        };
        let ceiling = random.random_bool(0.2).then(|| price_fen * random.random_range(700..1_100));
        let own = random.random_bool(0.1).then(|| random.random_range(1..=30));
        Line {
            class,
            quantity_e4,
            price_fen,
            amount_fen: (price_fen * quantity_e4 + 5_000) / 10_000,
            ceiling_price_fen: ceiling.map(|price| price / 1_000),
            advance_percent: own,
        }
    }

    fn facts(&self) -> Value {
        let class = match self.class {
            CatalogueClass::A => "A",
            CatalogueClass::B => "B",
            CatalogueClass::C => "C",
        };
        let mut facts = json!({
            "class": class,
            "amount": yuan(self.amount_fen),
            "quantity": decimal(self.quantity_e4, 4),
        });
        if let Some(price_fen) = self.ceiling_price_fen {
            facts["ceilingPrice"] = yuan(price_fen);
        }
        if let Some(percent) = self.advance_percent {
            facts["advanceRatio"] = decimal(percent, 2);
        }
        facts
    }
}

/// Every third time something, else nothing.
fn sometimes(random: &mut Pcg64Mcg, most: i64) -> i64 {
    if random.random_range(0..3) == 0 { random.random_range(0..most) } else { 0 }
}

fn yuan(fen: i64) -> Value {
    decimal(fen, 2)
}

/// A whole number of units of so many decimals, none of them negative, as a number of JSON.
fn decimal(units: i64, decimals: usize) -> Value {
    let padded = format!("{units:0width$}", width = decimals + 1);
    let (whole, rest) = padded.split_at(padded.len() - decimals);
    let rest = rest.trim_end_matches('0');
    let text = if rest.is_empty() { whole.to_owned() } else { format!("{whole}.{rest}") };
    text.parse::<Number>().map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_write_them() {
        let text = |units, decimals| decimal(units, decimals).to_string();
        assert_eq!([text(12_345, 2), text(5, 2), text(0, 2)], ["123.45", "0.05", "0"]);
        assert_eq!([text(20_000, 4), text(2_500, 4), text(120, 2)], ["2", "0.25", "1.2"]);
    }

    #[test]
    fn a_seed_gives_the_same_bills_of_several_identities() {
        let bills = draw(7, 64, 10);
        assert_eq!(bills, draw(7, 64, 10));
        assert_ne!(bills, draw(8, 64, 10));
        for identities in [vec![], vec!["low_income"], vec!["disabled"], IDENTITIES.to_vec()] {
            assert!(bills.iter().any(|bill| bill.identities == identities), "{identities:?}");
        }
        assert!(bills.iter().all(|bill| bill.lines.iter().all(|line| 0 < line.amount_fen)));
    }
}
