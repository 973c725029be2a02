//! What the generator needs to know of a rule package, read as plain TOML.
use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::civil::Date;
use toml::{Table, Value};

/// The closed set of the poverty-relief years.
pub(super) const REGISTERED_POOR: &str = "registered_poor";

/// The last of those years.
const RELIEF_YEARS_END: i16 = 2020;

/// A package, as far as persons and bills depend on it.
#[derive(Debug, Clone)]
pub(super) struct Package {
    pub(super) id: String,
    pub(super) region: String,
    pub(super) scheme: String,
    pub(super) from: Date,
    pub(super) to: Date,
    /// Codes, in the package's order.
    pub(super) identities: Vec<String>,
    pub(super) facts: Vec<Fact>,
    /// Declared amounts.
    pub(super) amounts: Vec<String>,
    /// Disease groups, each with a code that falls into it.
    pub(super) diseases: Vec<(String, String)>,
    /// A layer's pay is told by somebody else, whoever the patient is.
    pub(super) always_told: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) from_registry: bool,
    pub(super) has_default: bool,
    pub(super) first_value: Option<String>,
}

pub(super) fn read_table(file: &Path) -> Result<Table, anyhow::Error> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    text.parse().with_context(|| format!("read {}", file.display()))
}

impl Package {
    pub(super) fn read(folder: &Path) -> Result<Package, anyhow::Error> {
        let file = folder.join("package.toml");
        let table = read_table(&file)?;
        Package::of(&table).with_context(|| format!("read {}", file.display()))
    }

    fn of(table: &Table) -> Result<Package, anyhow::Error> {
        let names = |list, key| {
            tables(table, list).filter_map(|item| text(item, key)).map(str::to_owned).collect()
        };
        let Some(in_force) = table.get("in_force").and_then(Value::as_table) else {
            bail!("in_force is missing");
        };
        let disease = |item: &Table| {
            let first = item.get("codes")?.as_array()?.first()?.as_str()?;
            Some((text(item, "id").or(text(item, "name"))?.to_owned(), first.to_owned()))
        };
        Ok(Package {
            id: need(table, "id")?.to_owned(),
            region: need(table, "region")?.to_owned(),
            scheme: need(table, "scheme")?.to_owned(),
            from: need(in_force, "from")?.parse().context("in_force.from")?,
            to: need(in_force, "to")?.parse().context("in_force.to")?,
            identities: names("identity", "code"),
            facts: tables(table, "fact").filter_map(fact).collect(),
            amounts: names("amount", "name"),
            diseases: tables(table, "disease").filter_map(disease).collect(),
            always_told: tables(table, "layer").any(|layer| {
                layer.get("external").and_then(Value::as_bool) == Some(true)
                    && !layer.contains_key("who")
            }),
        })
    }

    /// A package of the poverty-relief years has figures for the registered poor only.
    pub(super) fn is_for_the_registered_poor(&self) -> bool {
        self.to.year() <= RELIEF_YEARS_END
            && self.identities.iter().any(|code| code == REGISTERED_POOR)
    }
}

fn fact(item: &Table) -> Option<Fact> {
    let first = item.get("values").and_then(Value::as_array).and_then(|values| values.first());
    Some(Fact {
        name: text(item, "name")?.to_owned(),
        kind: text(item, "kind")?.to_owned(),
        from_registry: text(item, "from") == Some("registry"),
        has_default: item.contains_key("default"),
        first_value: first.and_then(Value::as_str).map(str::to_owned),
    })
}

pub(super) fn tables<'a>(table: &'a Table, list: &str) -> impl Iterator<Item = &'a Table> {
    let items = table.get(list).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_table)
}

pub(super) fn text<'a>(table: &'a Table, key: &str) -> Option<&'a str> {
    table.get(key).and_then(Value::as_str)
}

pub(super) fn need<'a>(table: &'a Table, key: &str) -> Result<&'a str, anyhow::Error> {
    text(table, key).with_context(|| format!("{key} is missing"))
}

/// Yuan with at most two decimals as fen.
pub(super) fn fen(yuan: &str) -> Result<i64, anyhow::Error> {
    let (whole, cents) = yuan.split_once('.').unwrap_or((yuan, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(cents) || 2 < cents.len() {
        bail!("{yuan:?} is no amount in yuan");
    }
    format!("{whole}{cents:0<2}").parse().with_context(|| format!("{yuan:?} is too much"))
}

/// Fen as yuan.
pub(super) fn yuan(fen: i64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuan_is_read_and_written() {
        for (text, amount) in [("0.05", 5), ("10", 1_000), ("10.5", 1_050), ("1234.56", 123_456)] {
            assert_eq!(fen(text).unwrap(), amount);
        }
        for bad in ["", "1.234", "-1.00", "1e3", ".5"] {
            assert!(fen(bad).is_err(), "{bad}");
        }
        assert_eq!((yuan(5), yuan(123_456)), ("0.05".to_owned(), "1234.56".to_owned()));
    }
}
