//! The package around its layers: identity, period, documents and everything that has a name.

use std::rc::Rc;

use jiff::civil::Date;

use super::super::read::{Node, Shape, Table};
use super::super::shapes;
use super::figure::{Within, percent};
use super::{Parser, Reach, Spot};
use crate::domain::ids::{PackageHash, RegionCode};
use crate::domain::money::{Rate, Rounding};
use crate::domain::prepare::read_fact;
use crate::domain::rules::{
    AmountId, AmountName, DayOf, DiseaseGroup, Document, FactKind, FactName, IdentityChoice, Index,
    Move, NATIONAL_AMOUNTS, NamedCode, Package, Payer, Source, Words,
};
use crate::domain::standing::Scheme;
use crate::domain::verdict::Column;

/// Conditions are sets of bits, so no more than this many identities, disease groups or values can be told apart.
const BITS_MAX: usize = 64;
const SCHEMES: [Scheme; 2] = [Scheme::Resident, Scheme::Employee];
const ROUNDINGS: [(&str, Rounding); 4] = [
    ("half_up", Rounding::HalfUp),
    ("half_even", Rounding::HalfEven),
    ("down", Rounding::Down),
    ("up", Rounding::Up),
];

/// Everything that other tables name, read before them.
struct Head {
    documents: Vec<Document>,
    identities: Vec<NamedCode>,
    payers: Vec<Payer>,
    amounts: Vec<AmountName>,
    facts: Vec<FactName>,
    diseases: Vec<DiseaseGroup>,
}

impl Parser {
    /// The whole package. Nothing where something is missing that all of it stands on; faults say what.
    pub(super) fn package(&mut self, root: &Node, hash: PackageHash) -> Option<Package> {
        let top = self.faults.table(root, "", &shapes::PACKAGE)?;
        let mut spot = Spot {
            name: String::new(),
            line: root.line,
            source: None,
            clause: 0,
            reach: Reach::INDEX,
        };
        let documents = self.documents(&top, &spot);
        spot.source = self.source(&top, &spot);
        let head = Head {
            documents,
            identities: self.identities(&top, &spot),
            payers: self.payers(&top, &spot),
            amounts: self.amounts(&top, &spot),
            facts: self.facts(&top, &spot),
            diseases: self.diseases(&top, &spot),
        };
        self.names.indexes = self.names_of(&top, "index", &spot);
        self.names.layers = self.names_of(&top, "layer", &spot);
        let class_b = self.class_b(&top, &spot);
        let indexes = self.indexes(&top, &spot);
        let moves = self.moves(&top, &spot);
        let rounding = self.rounding(&top, &spot).unwrap_or_default();
        let layers = self.layers(&top, &spot, rounding);
        let period = self.period(&top, &spot);
        let id = self.faults.needed(&top, "id", "").and_then(|node| self.faults.filled(node, ""));
        let title = self.title(&top);
        let region = self.region(&top);
        let scheme = self.choice(&top, "scheme", ("scheme", "险种"), &SCHEMES.map(Scheme::word));
        self.faults.needed(&top, "scheme", "");
        let identity_choice = self.identity_choice(&top, &spot);
        let switches = self.switches(&top, &spot);
        let (from, to, known_from) = period?;
        let (class_b_advance, class_b_clause) = class_b?;
        let supersedes = self.optional(&top, "supersedes");
        let hole_before = self.optional(&top, "hole_before");
        Some(Package {
            id: id?.to_owned(),
            title,
            region: region?,
            scheme: *SCHEMES.get(scheme?)?,
            from,
            to,
            known_from,
            supersedes,
            hole_before,
            hash,
            rounding,
            year_by: switches.year_by,
            standing_on: switches.standing_on,
            identity_choice,
            waiting_days: switches.waiting_days,
            reversed_stay_counts: switches.reversed_stay_counts,
            late_stay_accepted: switches.late_stay_accepted,
            documents: head.documents,
            identities: head.identities,
            payers: head.payers,
            amounts: head.amounts,
            indexes,
            facts: head.facts,
            diseases: head.diseases,
            class_b_advance,
            class_b_clause,
            moves,
            layers,
            layers_shared: self.layers_shared,
            accumulators: std::mem::take(&mut self.accumulators),
            clauses: std::mem::take(&mut self.clauses),
        })
    }

    // === the package itself ===

    fn optional(&mut self, top: &Table<'_>, key: &str) -> Option<String> {
        top.get(key).and_then(|node| self.faults.filled(node, "")).map(str::to_owned)
    }

    pub(super) fn choice(
        &mut self,
        table: &Table<'_>,
        key: &str,
        what: (&str, &str),
        words: &[&str],
    ) -> Option<usize> {
        table.get(key).and_then(|node| self.faults.word(node, key, what, words))
    }

    pub(super) fn rounding(&mut self, table: &Table<'_>, spot: &Spot) -> Option<Rounding> {
        let node = table.get("rounding")?;
        let at = self.faults.word(
            node,
            &spot.name,
            ("rounding", "取整方式"),
            &ROUNDINGS.map(|(word, _)| word),
        )?;
        ROUNDINGS.get(at).map(|(_, rounding)| *rounding)
    }

    fn title(&mut self, top: &Table<'_>) -> Words {
        let Some(node) = self.faults.needed(top, "title", "") else { return Words::default() };
        let Some(table) = self.faults.table(node, "title", &shapes::TITLE) else {
            return Words::default();
        };
        self.words(&table, "title")
    }

    fn words(&mut self, table: &Table<'_>, clause: &str) -> Words {
        let mut word = |key: &str| {
            let node = self.faults.needed(table, key, clause)?;
            self.faults.filled(node, clause).map(str::to_owned)
        };
        Words { zh: word("zh").unwrap_or_default(), en: word("en").unwrap_or_default() }
    }

    fn region(&mut self, top: &Table<'_>) -> Option<RegionCode> {
        let node = self.faults.needed(top, "region", "")?;
        let text = self.faults.text(node, "region")?;
        let region = RegionCode::new(text);
        if region.is_none() {
            let message = ("a region has six digits".to_owned(), "区划代码为六位数字".to_owned());
            self.faults.error(node.line, "region", message);
        }
        region
    }

    fn date(&mut self, node: &Node, clause: &str) -> Option<Date> {
        let text = self.faults.text(node, clause)?;
        let date = read_date(text);
        if date.is_none() {
            let en = "a date is written \"2024-01-01\"".to_owned();
            self.faults.error(node.line, clause, (en, "日期写作 \"2024-01-01\"".to_owned()));
        }
        date
    }

    fn period(&mut self, top: &Table<'_>, spot: &Spot) -> Option<(Date, Date, Date)> {
        let known_from = top.get("known_from").and_then(|node| self.date(node, "known_from"));
        let node = self.faults.needed(top, "in_force", "")?;
        let table = self.faults.table(node, "in_force", &shapes::IN_FORCE)?;
        let mut day = |key: &str| {
            let node = self.faults.needed(&table, key, "in_force")?;
            self.date(node, "in_force")
        };
        let (from, to) = (day("from"), day("to"));
        let (from, to) = (from?, to?);
        if to < from {
            let at = Spot { name: "in_force".to_owned(), ..spot.clone() };
            self.error(node.line, &at, "the last day is before the first", "末日早于首日");
        }
        Some((from, to, known_from.unwrap_or(from)))
    }

    fn identity_choice(&mut self, top: &Table<'_>, spot: &Spot) -> IdentityChoice {
        let words = ["cascade", "layer", "rank"];
        let at = self.choice(top, "identity_choice", ("choice", "选择方式"), &words).unwrap_or(0);
        let rank = top.get("identity_rank");
        if at != 2 {
            if let Some(node) = rank {
                let en = "`identity_rank` goes with identity_choice = \"rank\"";
                self.error(
                    node.line,
                    spot,
                    en,
                    "`identity_rank` 只与 identity_choice = \"rank\" 连用",
                );
            }
            return if at == 0 { IdentityChoice::Cascade } else { IdentityChoice::Layer };
        }
        let Some(node) = self.faults.needed(top, "identity_rank", "") else {
            return IdentityChoice::Cascade;
        };
        let known = self.names.identities.clone();
        let mut ranked = Vec::new();
        for item in self.faults.filled_list(node, "identity_rank") {
            let Some(id) = self.resolve(item, spot, ("identity", "身份"), &known) else {
                continue;
            };
            if ranked.contains(&id) {
                self.error(item.line, spot, "the identity stands twice", "身份重复");
            }
            ranked.push(id);
        }
        IdentityChoice::Rank(ranked)
    }

    fn switches(&mut self, top: &Table<'_>, spot: &Spot) -> Switches {
        let days = ["discharge", "admission"];
        let day =
            |at: Option<usize>| if at == Some(1) { DayOf::Admission } else { DayOf::Discharge };
        let year_by = day(self.choice(top, "year", ("day", "日期"), &days));
        let standing_on = day(self.choice(top, "standing_on", ("day", "日期"), &days));
        let late_stay = self.choice(top, "late_stay", ("word", "词"), &["accept", "decline"]);
        let counts = top.get("reversed_stay_counts");
        let reversed_stay_counts =
            counts.and_then(|node| self.faults.flag(node, "reversed_stay_counts"));
        let waiting = top.get("waiting_days").and_then(|node| {
            let days = self.faults.whole(node, "waiting_days")?;
            let fits = u16::try_from(days).ok().filter(|days| *days <= 3_650);
            if fits.is_none() {
                self.error(
                    node.line,
                    spot,
                    "waiting_days is not within 0 and 3650",
                    "waiting_days 不在 0 与 3650 之间",
                );
            }
            fits
        });
        Switches {
            year_by,
            standing_on,
            waiting_days: waiting.unwrap_or(0),
            reversed_stay_counts: reversed_stay_counts.unwrap_or(false),
            late_stay_accepted: late_stay != Some(1),
        }
    }

    // === names ===

    /// Opens each table of an array of tables that need no clause.
    fn each<'a>(&mut self, top: &Table<'a>, key: &str, shape: &Shape) -> Vec<(String, Table<'a>)> {
        let Some(node) = top.get(key) else { return Vec::new() };
        let items = self.faults.list(node, key);
        let mut tables = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let clause = format!("{key}[{}]", at + 1);
            if let Some(table) = self.faults.table(item, &clause, shape) {
                tables.push((clause, table));
            }
        }
        tables
    }

    /// The source of a table that has no figure is read all the same, for its faults.
    fn idle_source(&mut self, table: &Table<'_>, clause: &str, spot: &Spot) {
        let at = Spot { name: clause.to_owned(), line: table.line, ..spot.clone() };
        let _: Option<Rc<Source>> = self.source(table, &at);
    }

    /// A name of our own making: letters, digits, `_` and `-`, so that it can stand between dots.
    fn name(&mut self, table: &Table<'_>, key: &str, clause: &str, taken: &[String]) -> String {
        let Some(node) = self.faults.needed(table, key, clause) else { return String::new() };
        let Some(name) = self.faults.filled(node, clause) else { return String::new() };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if 60 < name.len() || !name.bytes().all(plain) {
            let en = "a name has at most 60 letters, digits, `_` and `-`".to_owned();
            self.faults.error(
                node.line,
                clause,
                (en, "名称最多 60 个字母、数字、`_`、`-`".to_owned()),
            );
        }
        self.once(node, name, clause, taken);
        name.to_owned()
    }

    fn once(&mut self, node: &Node, name: &str, clause: &str, taken: &[String]) {
        if taken.iter().any(|known| known == name) {
            let message = (format!("`{name}` stands twice"), format!("`{name}` 重复"));
            self.faults.error(node.line, clause, message);
        }
    }

    fn names_of(&mut self, top: &Table<'_>, key: &str, spot: &Spot) -> Vec<String> {
        const TAKEN: [&str; 4] = ["move", "index", "class_b", "pool"];
        let mut names = Vec::new();
        let items = top.get(key).map_or(&[][..], |node| self.faults.list(node, key));
        for (at, item) in items.iter().enumerate() {
            let clause = format!("{key}[{}]", at + 1);
            let Some(table) = self.faults.names(item, &clause) else {
                names.push(String::new());
                continue;
            };
            let name = self.name(&table, "name", &clause, &names);
            if TAKEN.contains(&name.as_str()) {
                let at = Spot { name: clause, ..spot.clone() };
                self.error(
                    table.line,
                    &at,
                    format!("the name `{name}` is taken"),
                    format!("名称 `{name}` 已被占用"),
                );
            }
            names.push(name);
        }
        names
    }

    fn documents(&mut self, top: &Table<'_>, spot: &Spot) -> Vec<Document> {
        let mut documents: Vec<Document> = Vec::new();
        for (clause, table) in self.each(top, "document", &shapes::DOCUMENT) {
            let taken: Vec<String> = documents.iter().map(|document| document.id.clone()).collect();
            let id = self.name(&table, "id", &clause, &taken);
            let at = Spot { name: clause.clone(), ..spot.clone() };
            let grade = table.get("grade").and_then(|node| self.grade(node, &at));
            if let Some(node) = table.get("issued") {
                self.date(node, &clause);
            }
            let title = self.faults.needed(&table, "title", &clause);
            let title = title
                .and_then(|node| self.faults.filled(node, &clause))
                .unwrap_or_default()
                .to_owned();
            let mut text = |key: &str| {
                let text = table.get(key).and_then(|node| self.faults.text(node, &clause));
                text.unwrap_or_default().to_owned()
            };
            let (number, issued, url) = (text("number"), text("issued"), text("url"));
            self.names.documents.push((id.clone(), grade));
            documents.push(Document { id, title, number, issued, url, grade });
        }
        documents
    }

    fn identities(&mut self, top: &Table<'_>, spot: &Spot) -> Vec<NamedCode> {
        let mut identities = Vec::new();
        for (clause, table) in self.each(top, "identity", &shapes::IDENTITY) {
            self.idle_source(&table, &clause, spot);
            let taken = self.names.identities.clone();
            let code = self.name(&table, "code", &clause, &taken);
            self.names.identities.push(code.clone());
            identities.push(NamedCode { code, words: self.words(&table, &clause) });
        }
        self.few(identities.len(), "identity", ("identities", "身份"));
        identities
    }

    fn few(&mut self, count: usize, clause: &str, what: (&str, &str)) {
        if BITS_MAX < count {
            let en = format!("there are {count} {}; at most {BITS_MAX} can be told apart", what.0);
            self.faults.error(0, clause, (en, format!("{}有 {count} 个，最多 {BITS_MAX}", what.1)));
        }
    }

    fn payers(&mut self, top: &Table<'_>, spot: &Spot) -> Vec<Payer> {
        let mut payers = Vec::new();
        for (clause, table) in self.each(top, "payer", &shapes::PAYER) {
            self.idle_source(&table, &clause, spot);
            let taken = self.names.payers.clone();
            let name = self.name(&table, "name", &clause, &taken);
            self.names.payers.push(name.clone());
            let words = self.words(&table, &clause);
            let at = Spot { name: clause, line: table.line, ..spot.clone() };
            let bearer = self.bearer(&table, &at);
            let fund_pay_type =
                table.get("fund_pay_type").and_then(|node| self.faults.filled(node, &at.name));
            let fund_pay_type = fund_pay_type.unwrap_or_default().to_owned();
            payers.push(Payer { name, words, bearer, fund_pay_type });
        }
        payers
    }

    fn bearer(&mut self, table: &Table<'_>, spot: &Spot) -> crate::domain::rules::Bearer {
        use crate::domain::rules::Bearer;
        let words = ["fund", "other", "hospital", "account"];
        let kind = self.faults.needed(table, "kind", &spot.name);
        let kind =
            kind.and_then(|node| self.faults.word(node, &spot.name, ("kind", "类别"), &words));
        let column = table.get("books_to").and_then(|node| {
            let at = self.faults.word(
                node,
                &spot.name,
                ("column", "列"),
                &Column::ALL.map(Column::word),
            )?;
            Column::ALL.get(at).copied()
        });
        let books = matches!(kind, Some(0 | 1));
        if books && !table.has("books_to") {
            self.error(table.line, spot, "`books_to` is missing", "缺少 `books_to`");
        }
        if !books && kind.is_some() && table.has("books_to") {
            self.error(
                table.line,
                spot,
                "`books_to` goes with kind fund and other",
                "`books_to` 只与 fund、other 连用",
            );
        }
        let column = column.unwrap_or(Column::Other);
        match kind {
            Some(0) => Bearer::Fund(column),
            Some(2) => Bearer::Hospital,
            Some(3) => Bearer::Account,
            Some(_) | None => Bearer::Other(column),
        }
    }

    fn amounts(&mut self, top: &Table<'_>, spot: &Spot) -> Vec<AmountName> {
        let mut amounts: Vec<AmountName> = Vec::new();
        for (at, name) in NATIONAL_AMOUNTS.iter().enumerate() {
            let counts_as = AmountId::try_from(at).unwrap_or(0);
            amounts.push(AmountName { name: (*name).to_owned(), counts_as });
        }
        self.names.amounts = NATIONAL_AMOUNTS.map(str::to_owned).to_vec();
        for (clause, table) in self.each(top, "amount", &shapes::AMOUNT) {
            self.idle_source(&table, &clause, spot);
            let taken = self.names.amounts.clone();
            let name = self.name(&table, "name", &clause, &taken);
            if name == "total" || name == "paid" {
                let at = Spot { name: clause.clone(), ..spot.clone() };
                self.error(
                    table.line,
                    &at,
                    format!("the name `{name}` is taken"),
                    format!("名称 `{name}` 已被占用"),
                );
            }
            let kind = self.faults.needed(&table, "counts_as", &clause);
            let kind = kind.and_then(|node| {
                self.faults.word(node, &clause, ("amount", "金额"), &NATIONAL_AMOUNTS)
            });
            self.names.amounts.push(name.clone());
            let counts_as = kind.and_then(|kind| AmountId::try_from(kind).ok()).unwrap_or(0);
            amounts.push(AmountName { name, counts_as });
        }
        amounts
    }

    fn facts(&mut self, top: &Table<'_>, spot: &Spot) -> Vec<FactName> {
        let mut facts = Vec::new();
        for (clause, table) in self.each(top, "fact", &shapes::FACT) {
            self.idle_source(&table, &clause, spot);
            let taken: Vec<String> =
                self.names.facts.iter().map(|(name, _)| name.clone()).collect();
            let name = self.name(&table, "name", &clause, &taken);
            let at = Spot { name: clause, line: table.line, ..spot.clone() };
            let kind = self.fact_kind(&table, &at);
            self.names.facts.push((name.clone(), kind.clone()));
            let default = table.get("default").and_then(|node| {
                let text = self.faults.text(node, &at.name)?;
                let value = read_fact(&kind, text);
                if value.is_none() {
                    self.error(
                        node.line,
                        &at,
                        "the default does not fit the kind",
                        "默认值与类别不符",
                    );
                }
                value
            });
            let from = table.get("from");
            let from = from.and_then(|node| {
                self.faults.word(node, &at.name, ("origin", "出处"), &["registry", "bill"])
            });
            facts.push(FactName { name, kind, default, from_registry: from == Some(0) });
        }
        facts
    }

    fn fact_kind(&mut self, table: &Table<'_>, spot: &Spot) -> FactKind {
        let words = ["number", "flag", "choice", "yuan"];
        let kind = self.faults.needed(table, "kind", &spot.name);
        let kind =
            kind.and_then(|node| self.faults.word(node, &spot.name, ("kind", "类别"), &words));
        if kind != Some(2) && table.has("values") {
            self.error(
                table.line,
                spot,
                "`values` goes with kind choice",
                "`values` 只与 choice 连用",
            );
        }
        match kind {
            Some(0) => FactKind::Number,
            Some(2) => {
                let node = self.faults.needed(table, "values", &spot.name);
                let items = node.map_or(&[][..], |node| self.faults.filled_list(node, &spot.name));
                let mut values: Vec<String> = Vec::new();
                for item in items {
                    let Some(value) = self.faults.filled(item, &spot.name) else { continue };
                    self.once(item, value, &spot.name, &values);
                    values.push(value.to_owned());
                }
                self.few(values.len(), &spot.name, ("values", "取值"));
                FactKind::Choice(values)
            }
            Some(3) => FactKind::Yuan,
            Some(_) | None => FactKind::Flag,
        }
    }

    fn diseases(&mut self, top: &Table<'_>, spot: &Spot) -> Vec<DiseaseGroup> {
        let mut diseases = Vec::new();
        for (clause, table) in self.each(top, "disease", &shapes::DISEASE) {
            self.idle_source(&table, &clause, spot);
            let taken = self.names.diseases.clone();
            let name = self.name(&table, "name", &clause, &taken);
            self.names.diseases.push(name.clone());
            let node = self.faults.needed(&table, "codes", &clause);
            let items = node.map_or(&[][..], |node| self.faults.filled_list(node, &clause));
            let codes = items
                .iter()
                .filter_map(|item| self.faults.filled(item, &clause))
                .map(str::to_owned);
            diseases.push(DiseaseGroup { name, codes: codes.collect() });
        }
        self.few(diseases.len(), "disease", ("disease groups", "病种组"));
        diseases
    }

    // === figures before the layers ===

    fn class_b(&mut self, top: &Table<'_>, spot: &Spot) -> Option<(Rate, u16)> {
        let node = self.faults.needed(top, "class_b", "")?;
        let (at, table) = self.enter(spot, "class_b".to_owned(), node, &shapes::CLASS_B)?;
        let node = self.faults.needed(&table, "advance", &at.name)?;
        let rate = self.rate(node, &at, Within::Share)?;
        self.figure(&at, &percent(rate));
        Some((rate, at.clause))
    }

    fn indexes(&mut self, top: &Table<'_>, spot: &Spot) -> Vec<Index> {
        let items = top.get("index").map_or(&[][..], |node| self.faults.list(node, "index"));
        let names = self.names.indexes.clone();
        let mut indexes = Vec::new();
        for (item, name) in items.iter().zip(names) {
            let clause = format!("index.{name}");
            let Some((at, table)) = self.enter(spot, clause.clone(), item, &shapes::INDEX) else {
                continue;
            };
            let Some(node) = self.faults.needed(&table, "amount", &clause) else { continue };
            let amount = self.amount(node, &at, &clause, "");
            indexes.push(Index { name, amount });
        }
        indexes
    }

    fn moves(&mut self, top: &Table<'_>, spot: &Spot) -> Vec<Move> {
        let items = top.get("move").map_or(&[][..], |node| self.faults.list(node, "move"));
        let outer = Spot { reach: Reach::MOVE, ..spot.clone() };
        let mut moves = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let clause = format!("move[{}]", at + 1);
            let Some((at, table)) = self.enter(&outer, clause.clone(), item, &shapes::MOVE) else {
                continue;
            };
            let when = self.condition_at(&table, "when", &at).into();
            let known = self.names.amounts.clone();
            let mut amount = |key: &str| {
                let node = self.faults.needed(&table, key, &clause)?;
                self.resolve(node, &at, ("amount", "金额"), &known)
            };
            let (from, to) = (amount("from"), amount("to"));
            let Some(node) = self.faults.needed(&table, "ratio", &clause) else { continue };
            let ratio = self.ratio(node, &at, &format!("{clause}.ratio"), "");
            let (Some(from), Some(to)) = (from, to) else { continue };
            if from == to {
                self.error(table.line, &at, "`from` and `to` are the same", "`from` 与 `to` 相同");
            }
            moves.push(Move { when, from, to, ratio, clause: at.clause });
        }
        moves
    }
}

struct Switches {
    year_by: DayOf,
    standing_on: DayOf,
    waiting_days: u16,
    reversed_stay_counts: bool,
    late_stay_accepted: bool,
}

/// A date as rule files write it, and no other way.
pub(in crate::rulebook) fn read_date(text: &str) -> Option<Date> {
    let shape = |(at, byte): (usize, u8)| {
        if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() }
    };
    let fits = text.len() == 10 && text.bytes().enumerate().all(shape);
    if fits { text.parse().ok() } else { None }
}
