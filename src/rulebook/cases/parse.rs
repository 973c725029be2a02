//! Case files, read as strictly as packages.

use std::cmp::Ordering;

use super::super::fault::Faults;
use super::super::parse::read_date;
use super::super::read::{Node, Table, unknown};
use super::super::shapes;
use super::compare::accumulator_word;
use super::{Case, Expect};
use crate::domain::bill::{Care, CatalogueClass, Referral};
use crate::domain::cascade::{Facts, Inputs, Told};
use crate::domain::money::{Fen, Rate, parse_price_e6, parse_quantity_e4};
use crate::domain::prepare::read_fact;
use crate::domain::rules::{FactValue, NATIONAL_AMOUNTS, Package, Place, Transfer};
use crate::domain::split::{NetLine, Split};
use crate::domain::verdict::{Decline, Reason};

/// Reads the cases of a file.
pub(super) fn cases(package: &Package, file: &str, root: &Node, faults: &mut Faults) -> Vec<Case> {
    let Some(top) = faults.table(root, "", &shapes::CASE_FILE) else { return Vec::new() };
    let Some(node) = faults.needed(&top, "case", "") else { return Vec::new() };
    let items = faults.filled_list(node, "case");
    let mut cases = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let mut own = Faults::new(file);
        let mut reader = Reader { package, faults: &mut own, clause: format!("case[{}]", at + 1) };
        let case = reader.case(file, item);
        if !own.refused() {
            cases.extend(case);
        }
        faults.take_over(own);
    }
    cases
}

struct Reader<'a> {
    package: &'a Package,
    faults: &'a mut Faults,
    clause: String,
}

/// An earlier stay of the policy year.
struct Stay {
    level: i64,
    care: usize,
    deductible: Fen,
    reversed: bool,
}

impl Reader<'_> {
    fn case(&mut self, file: &str, item: &Node) -> Option<Case> {
        let clause = self.clause.clone();
        let table = self.faults.table(item, &clause, &shapes::CASE)?;
        let name = self.faults.needed(&table, "name", &clause)?;
        let name = self.faults.filled(name, &clause)?.to_owned();
        self.clause = name.clone();
        if let Some(node) = table.get("note") {
            self.faults.text(node, &name);
        }
        self.days(&table);
        let facts = self.facts(&table);
        let amounts = self.amounts(&table);
        let identities = self.identities(&table);
        let before = self.before(&table);
        let told = self.told(&table);
        let expect = table.get("expect").and_then(|node| self.expect(node));
        let inputs = facts.map(|facts| Inputs { amounts, facts, identities, before, told });
        Some(Case { file: file.to_owned(), line: item.line, name, inputs, expect })
    }

    fn error(&mut self, line: u32, en: &str, zh: &str) {
        self.faults.error(line, &self.clause, (en.to_owned(), zh.to_owned()));
    }

    fn fen(&mut self, node: &Node) -> Option<Fen> {
        let text = self.faults.text(node, &self.clause)?;
        let fen = Fen::parse_yuan(text);
        if fen.is_none() {
            self.error(
                node.line,
                "an amount is yuan with at most two decimals",
                "金额以元为单位，最多两位小数",
            );
        }
        fen
    }

    fn not_negative(&mut self, node: &Node) -> Option<Fen> {
        let fen = self.fen(node)?;
        if fen < Fen::ZERO {
            self.error(node.line, "the amount is negative", "金额为负");
        }
        Some(fen)
    }

    fn word_at(&mut self, table: &Table<'_>, key: &str, words: &[&str]) -> usize {
        let found = table
            .get(key)
            .and_then(|node| self.faults.word(node, &self.clause, ("word", "词"), words));
        found.unwrap_or(0)
    }

    fn whole_at(&mut self, table: &Table<'_>, key: &str) -> Option<i64> {
        table.get(key).and_then(|node| self.faults.whole(node, &self.clause))
    }

    fn text_at(&mut self, table: &Table<'_>, key: &str) -> Option<String> {
        let node = table.get(key)?;
        self.faults.filled(node, &self.clause).map(str::to_owned)
    }

    /// Places of names in a list of the package.
    fn places(
        &mut self,
        table: &Table<'_>,
        key: &str,
        what: &str,
        known: impl Fn(&Package) -> Vec<&str>,
    ) -> Vec<u16> {
        let Some(node) = table.get(key) else { return Vec::new() };
        let package = self.package;
        let words = known(package);
        let items = self.faults.list(node, &self.clause);
        let found = items
            .iter()
            .filter_map(|item| self.faults.word(item, &self.clause, (what, "名称"), &words));
        found.filter_map(|at| u16::try_from(at).ok()).collect()
    }

    /// Amounts by name, each name one of a list of the package.
    fn by_name(
        &mut self,
        table: &Table<'_>,
        key: &str,
        what: (&str, &str),
        words: &[&str],
    ) -> Vec<(u16, Fen, u32)> {
        let Some(node) = table.get(key) else { return Vec::new() };
        let Some(names) = self.faults.names(node, &self.clause) else { return Vec::new() };
        let mut found = Vec::new();
        for (name, node) in names.entries() {
            let at = words.iter().position(|word| *word == name);
            let Some(at) = at.and_then(|at| u16::try_from(at).ok()) else {
                self.faults.error(node.line, &self.clause, unknown(what.0, what.1, name, words));
                continue;
            };
            if let Some(fen) = self.fen(node) {
                found.push((at, fen, node.line));
            }
        }
        found
    }

    // === what is given ===

    /// The identities held that the package declares. Others may be held too, and count as none (§8).
    fn identities(&mut self, table: &Table<'_>) -> Vec<u16> {
        let items =
            table.get("identities").map_or(&[][..], |node| self.faults.list(node, &self.clause));
        let held: Vec<&str> =
            items.iter().filter_map(|item| self.faults.filled(item, &self.clause)).collect();
        let declared = self.package.identities.iter().zip(0_u16..);
        declared
            .filter(|(known, _)| held.contains(&known.code.as_str()))
            .map(|(_, at)| at)
            .collect()
    }

    fn days(&mut self, table: &Table<'_>) {
        let mut day = |key: &str| {
            let node = table.get(key)?;
            let date = read_date(self.faults.text(node, &self.clause)?);
            if date.is_none() {
                self.error(
                    node.line,
                    "a date is written \"2024-01-01\"",
                    "日期写作 \"2024-01-01\"",
                );
            }
            date
        };
        let (discharge, admission) = (day("discharge"), day("admission"));
        let discharge = discharge.unwrap_or(self.package.from);
        if !self.package.covers(discharge) {
            self.error(
                table.line,
                "the package does not cover the discharge date",
                "出院日期不在政策包期间内",
            );
        }
        if admission.is_some_and(|admission| discharge < admission) {
            self.error(table.line, "the admission is after the discharge", "入院日期晚于出院日期");
        }
    }

    fn level(&mut self, table: &Table<'_>) -> i64 {
        let level = self.whole_at(table, "level").unwrap_or(1);
        if !(1..=3).contains(&level) {
            self.error(table.line, "a level is 1, 2 or 3", "等级只能是 1、2、3");
        }
        level
    }

    fn facts(&mut self, table: &Table<'_>) -> Result<Facts, Decline> {
        let level = self.level(table);
        let place = self.word_at(table, "place", &Place::ALL.map(Place::word));
        let place = Place::ALL.get(place).copied().unwrap_or(Place::Local);
        let referral = self.word_at(table, "referral", &Referral::ALL.map(Referral::word));
        let care = self.word_at(table, "care", &Care::ALL.map(Care::word));
        let age = self.whole_at(table, "age");
        let diseases = self.places(table, "diseases", "disease group", |package| {
            package.diseases.iter().map(|group| group.name.as_str()).collect()
        });
        let bits = diseases.iter().map(|at| 1_u64.checked_shl(u32::from(*at)).unwrap_or(0));
        let balance = table.get("account_balance").and_then(|node| self.not_negative(node));
        let treatment_region = self
            .text_at(table, "treatment_region")
            .or_else(|| (place == Place::Local).then(|| self.package.region.to_string()));
        let hospital = self.text_at(table, "hospital").unwrap_or_default();
        let stays = self.stays(table);
        let counted: Vec<&Stay> = stays
            .iter()
            .filter(|stay| stay.care == care)
            .filter(|stay| self.package.reversed_stay_counts || !stay.reversed)
            .collect();
        let nth = |count: usize| i64::try_from(count).unwrap_or(i64::MAX).saturating_add(1);
        let stay = nth(counted.len());
        let same = nth(counted.iter().filter(|stay| stay.level == level).count());
        let (transfer, transfer_deductible) = self.transfer(table, level, &stays);
        let declared = self.declared(table)?;
        Ok(Facts {
            level: u8::try_from(level).unwrap_or(0),
            place,
            referral: Referral::ALL.get(referral).copied().unwrap_or(Referral::None),
            care: Care::ALL.get(care).copied().unwrap_or(Care::Inpatient),
            age,
            stay,
            stay_same_level: same,
            transfer,
            transfer_deductible,
            diseases: bits.fold(0, |all, bit| all | bit),
            hospital,
            treatment_region: treatment_region.unwrap_or_default(),
            account_balance: balance.unwrap_or(Fen::ZERO),
            declared,
        })
    }

    fn stays(&mut self, table: &Table<'_>) -> Vec<Stay> {
        let Some(node) = table.get("stays") else { return Vec::new() };
        let mut stays = Vec::new();
        for item in self.faults.list(node, &self.clause) {
            let Some(table) = self.faults.table(item, &self.clause, &shapes::CASE_STAY) else {
                continue;
            };
            let level = self.level(&table);
            let care = self.word_at(&table, "care", &Care::ALL.map(Care::word));
            let deductible = table.get("deductible").and_then(|node| self.not_negative(node));
            let reversed = table.get("reversed");
            let reversed = reversed.and_then(|node| self.faults.flag(node, &self.clause));
            let deductible = deductible.unwrap_or(Fen::ZERO);
            stays.push(Stay { level, care, deductible, reversed: reversed.unwrap_or(false) });
        }
        stays
    }

    fn transfer(&mut self, table: &Table<'_>, level: i64, stays: &[Stay]) -> (Transfer, Fen) {
        let Some(place) = self.whole_at(table, "transferred_from") else {
            return (Transfer::None, Fen::ZERO);
        };
        let at = usize::try_from(place).ok().and_then(|place| place.checked_sub(1));
        let Some(stay) = at.and_then(|at| stays.get(at)) else {
            self.error(
                table.line,
                "`transferred_from` counts the stays from 1",
                "`transferred_from` 从 1 数起",
            );
            return (Transfer::None, Fen::ZERO);
        };
        let transfer = match stay.level.cmp(&level) {
            Ordering::Less => Transfer::Up,
            Ordering::Equal => Transfer::Level,
            Ordering::Greater => Transfer::Down,
        };
        (transfer, stay.deductible)
    }

    fn declared(&mut self, table: &Table<'_>) -> Result<Vec<FactValue>, Decline> {
        let package = self.package;
        let given = table.get("facts").and_then(|node| self.faults.names(node, &self.clause));
        let words: Vec<&str> = package.facts.iter().map(|fact| fact.name.as_str()).collect();
        for (name, node) in given.iter().flat_map(Table::entries) {
            if !words.contains(&name) {
                self.faults.error(node.line, &self.clause, unknown("fact", "事实", name, &words));
            }
        }
        let mut declared = Vec::new();
        for fact in &package.facts {
            let subject = || format!("facts.{}", fact.name);
            let value = match given.as_ref().and_then(|given| given.get(&fact.name)) {
                None => fact.default.ok_or_else(|| Decline::new(Reason::FactMissing, subject())),
                Some(node) => {
                    let text = self.faults.text(node, &self.clause).unwrap_or_default();
                    let value = read_fact(&fact.kind, text);
                    value.ok_or_else(|| Decline::new(Reason::FactUnreadable, subject()))
                }
            };
            declared.push(value?);
        }
        Ok(declared)
    }

    fn amounts(&mut self, table: &Table<'_>) -> Vec<Fen> {
        let package = self.package;
        let mut amounts = vec![Fen::ZERO; package.amounts.len()];
        if table.has("amounts") == table.has("lines") {
            self.error(
                table.line,
                "either `amounts` or `lines` is needed",
                "须写 `amounts` 或 `lines` 之一",
            );
        }
        let words: Vec<&str> = package.amounts.iter().map(|amount| amount.name.as_str()).collect();
        for (at, fen, line) in self.by_name(table, "amounts", ("amount", "金额"), &words) {
            if fen < Fen::ZERO {
                self.error(line, "the amount is negative", "金额为负");
            }
            if let Some(amount) = amounts.get_mut(usize::from(at)) {
                *amount = fen;
            }
        }
        let Some(node) = table.get("lines") else { return amounts };
        let mut split = Split::new(package);
        for line in self.faults.list(node, &self.clause) {
            let Some(net) = self.line(line, &words) else { continue };
            if split.add(&net).is_none() {
                self.error(line.line, "the amount does not fit", "金额放不下");
            }
        }
        split.amounts().unwrap_or(amounts)
    }

    fn line(&mut self, node: &Node, words: &[&str]) -> Option<NetLine> {
        let clause = self.clause.clone();
        let table = self.faults.table(node, &clause, &shapes::CASE_LINE)?;
        let class = self.faults.needed(&table, "class", &clause)?;
        let class = self.faults.word(class, &clause, ("class", "类别"), &["A", "B", "C"])?;
        let amount = self.faults.needed(&table, "amount", &clause)?;
        let amount = self.not_negative(amount)?;
        let quantity = self.text_at(&table, "quantity");
        let quantity_e4 = parse_quantity_e4(quantity.as_deref().unwrap_or("1"));
        let price = self.text_at(&table, "ceiling_price");
        let ceiling_price_e6 = price.as_deref().map(parse_price_e6);
        let advance = self.text_at(&table, "advance");
        let advance_ratio = advance.as_deref().map(Rate::parse);
        let ratio_fits = advance_ratio.is_none_or(|ratio| {
            ratio.is_some_and(|ratio| Rate::ZERO <= ratio && ratio <= Rate::ONE)
        });
        if quantity_e4.is_none() || ceiling_price_e6 == Some(None) || !ratio_fits {
            let en = "quantity, ceiling_price or advance can not be read";
            self.error(node.line, en, "quantity、ceiling_price 或 advance 无法读取");
        }
        let name = table.get("name");
        let declared =
            name.and_then(|node| self.faults.word(node, &clause, ("amount", "金额"), words));
        Some(NetLine {
            class: match class {
                0 => CatalogueClass::A,
                1 => CatalogueClass::B,
                _ => CatalogueClass::C,
            },
            amount,
            quantity_e4: quantity_e4?,
            ceiling_price_e6: ceiling_price_e6.flatten(),
            advance_ratio: advance_ratio.flatten(),
            declared: declared.and_then(|at| u16::try_from(at).ok()),
        })
    }

    fn before(&mut self, table: &Table<'_>) -> Vec<Fen> {
        let package = self.package;
        let mut before = vec![Fen::ZERO; package.accumulators.len()];
        for (key, life) in [("before", false), ("before_life", true)] {
            let known: Vec<(usize, &str)> = package
                .accumulators
                .iter()
                .enumerate()
                .filter(|(_, accumulator)| accumulator.life == life)
                .map(|(at, accumulator)| (at, accumulator.name.as_str()))
                .collect();
            let words: Vec<&str> = known.iter().map(|(_, name)| *name).collect();
            for (at, fen, _) in self.by_name(table, key, ("accumulator", "累计项"), &words) {
                let place = known.get(usize::from(at)).map(|(place, _)| *place);
                if let Some(held) = place.and_then(|place| before.get_mut(place)) {
                    *held = fen;
                }
            }
        }
        before
    }

    fn told(&mut self, table: &Table<'_>) -> Vec<Told> {
        let package = self.package;
        let words: Vec<&str> = package.layers.iter().map(|layer| layer.name.as_str()).collect();
        let given = self.by_name(table, "given", ("layer", "支付层"), &words);
        given
            .into_iter()
            .map(|(layer, pay, _)| Told { layer, base: None, pay, deductible: Fen::ZERO })
            .collect()
    }

    // === what is expected ===

    fn expect(&mut self, node: &Node) -> Option<Expect> {
        let clause = self.clause.clone();
        let table = self.faults.table(node, &clause, &shapes::EXPECT)?;
        let package = self.package;
        let layers: Vec<&str> = package.layers.iter().map(|layer| layer.name.as_str()).collect();
        let by_layer = |reader: &mut Self, key: &str| {
            let found = reader.by_name(&table, key, ("layer", "支付层"), &layers);
            found.into_iter().map(|(at, fen, _)| (at, fen)).collect::<Vec<_>>()
        };
        let pay = by_layer(self, "pay");
        let deductible = by_layer(self, "deductible");
        let fixed = by_layer(self, "fixed");
        let may_apply = by_layer(self, "may_apply");
        let amounts = self.by_name(&table, "amounts", ("amount", "金额"), &NATIONAL_AMOUNTS);
        let known = accumulator_words(package);
        let words: Vec<&str> = known.iter().map(|(word, _)| word.as_str()).collect();
        let slot = |at: u16| known.get(usize::from(at)).map_or(0, |(_, slot)| *slot);
        let counted = self.by_name(&table, "counted", ("accumulator", "累计项"), &words);
        let counted = counted.into_iter().map(|(at, fen, _)| (slot(at), fen)).collect();
        if table.has("declined") || table.has("needs") {
            let others = table.entries().any(|(key, _)| key != "declined" && key != "needs");
            if others || (table.has("declined") && table.has("needs")) {
                let en = "`declined` or `needs` stands alone";
                self.error(table.line, en, "`declined` 或 `needs` 须单独写");
            }
        }
        let tolerance = table.get("tolerance").and_then(|node| self.not_negative(node));
        let because = table.get("because").map_or(&[][..], |node| self.faults.list(node, &clause));
        let because = because.iter().filter_map(|item| self.clause_name(item)).collect();
        let identity = table.get("identity").and_then(|node| self.faults.text(node, &clause));
        let pairs = |found: Vec<(u16, Fen, u32)>| found.into_iter().map(|(at, fen, _)| (at, fen));
        let expect = Expect {
            pay,
            patient: table.get("patient").and_then(|node| self.fen(node)),
            deductible,
            fixed,
            may_apply,
            amounts: pairs(amounts).collect(),
            counted,
            identity: identity.map(str::to_owned),
            because,
            tolerance: tolerance.unwrap_or(Fen::ZERO),
            declined: self.text_at(&table, "declined"),
            needs: self.needs(&table, &layers),
        };
        Some(expect)
    }

    fn clause_name(&mut self, node: &Node) -> Option<String> {
        let text = self.faults.text(node, &self.clause)?;
        let known = self.package.clauses.iter().any(|clause| clause.name == text);
        if !known {
            let words: Vec<&str> =
                self.package.clauses.iter().map(|clause| clause.name.as_str()).collect();
            self.faults.error(node.line, &self.clause, unknown("clause", "条款", text, &words));
        }
        known.then(|| text.to_owned())
    }

    fn needs(&mut self, table: &Table<'_>, layers: &[&str]) -> Option<(u16, Option<Fen>)> {
        let node = table.get("needs")?;
        let table = self.faults.table(node, &self.clause, &shapes::NEEDS)?;
        let layer = self.faults.needed(&table, "layer", &self.clause)?;
        let layer = self.faults.word(layer, &self.clause, ("layer", "支付层"), layers)?;
        let base = table.get("base").and_then(|node| self.fen(node));
        Some((u16::try_from(layer).ok()?, base))
    }
}

/// How accumulators are written: those of a lifetime with `life:` before them.
fn accumulator_words(package: &Package) -> Vec<(String, u16)> {
    package.accumulators.iter().map(accumulator_word).zip(0_u16..).collect()
}
