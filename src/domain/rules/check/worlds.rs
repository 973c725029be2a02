//! All combinations that the conditions of a table can tell apart, by one representative each.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::bill::{Care, Referral};
use crate::domain::money::Fen;
use crate::domain::rules::{Condition, FactKind, Package, Place, Span, Transfer, Words};

/// More combinations than this are not gone through.
pub const WORLDS_MAX: usize = 200_000;

/// Something that a condition tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Variable {
    Identity,
    Level,
    Place,
    Referral,
    Care,
    Transfer,
    /// One group of diagnoses; each is there or not.
    Disease(u32),
    Age,
    Stay,
    StaySameLevel,
    Hospital,
    Region,
    Fact(u16),
    /// Does this layer pay?
    Pays(u16),
}

/// What is known of a variable: its values, and for those that are text, the texts.
#[derive(Clone, Debug, Default)]
struct Domain {
    masks: BTreeSet<u64>,
    points: BTreeSet<i64>,
    texts: BTreeSet<String>,
    values: Vec<i64>,
}

/// A condition over places of values.
#[derive(Clone, Debug)]
enum Test {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    /// The variable has one of the values that are marked.
    OneOf(usize, Vec<bool>),
}

/// All combinations of the variables that some tables test.
#[derive(Debug)]
pub struct Worlds<'a> {
    package: &'a Package,
    variables: Vec<(Variable, Domain)>,
    context: Vec<Test>,
    tables: Vec<Vec<Test>>,
}

/// One combination.
#[derive(Debug)]
pub struct World<'a, 'w> {
    worlds: &'w Worlds<'a>,
    places: &'w [usize],
}

/// The conditions that a condition is made of.
pub fn parts(condition: &Condition) -> Vec<&Condition> {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().collect(),
        Condition::Not(part) => vec![part],
        Condition::Identity(_)
        | Condition::Level(_)
        | Condition::Place(_)
        | Condition::Referral(_)
        | Condition::Care(_)
        | Condition::Transfer(_)
        | Condition::Disease(_)
        | Condition::Age(_)
        | Condition::Stay(_)
        | Condition::StaySameLevel(_)
        | Condition::Hospital(_)
        | Condition::TreatmentRegion(_)
        | Condition::FactWithin(..)
        | Condition::FactFlag(..)
        | Condition::FactChoice(..)
        | Condition::NothingFrom(_) => Vec::new(),
    }
}

impl<'a> Worlds<'a> {
    /// Of these tables, each a list of conditions, where all of the context holds. Nothing where there are too many.
    pub fn new(
        package: &'a Package,
        context: &[&Condition],
        tables: &[&[&Condition]],
    ) -> Option<Self> {
        let mut domains = BTreeMap::new();
        for condition in tables.iter().copied().flatten() {
            collect(condition, &mut domains);
        }
        let context = related(context, &mut domains);
        // Stays at this level are among all stays, so both are cut at the same points.
        if let (Some(all), Some(same)) =
            (domains.get(&Variable::Stay).cloned(), domains.get(&Variable::StaySameLevel).cloned())
        {
            let points: BTreeSet<i64> = all.points.union(&same.points).copied().collect();
            for variable in [Variable::Stay, Variable::StaySameLevel] {
                domains.entry(variable).or_default().points = points.clone();
            }
        }
        let mut variables: Vec<(Variable, Domain)> = domains.into_iter().collect();
        for (variable, domain) in &mut variables {
            domain.values = values(package, *variable, domain);
        }
        let count = variables
            .iter()
            .try_fold(1_usize, |count, (_, domain)| count.checked_mul(domain.values.len()))?;
        if WORLDS_MAX < count {
            return None;
        }
        let compile = |condition: &&Condition| compiled(condition, &variables);
        let context = context.iter().map(compile).collect();
        let tables = tables.iter().map(|table| table.iter().map(compile).collect()).collect();
        Some(Self { package, variables, context, tables })
    }

    /// Calls with every combination, and for each table the place of the first condition that holds.
    pub fn visit(&self, mut seen: impl FnMut(&World<'a, '_>, &[Option<usize>])) {
        let mut places = vec![0_usize; self.variables.len()];
        loop {
            if self.possible(&places) {
                let firsts: Vec<Option<usize>> = self
                    .tables
                    .iter()
                    .map(|table| table.iter().position(|test| test.holds(&places)))
                    .collect();
                seen(&World { worlds: self, places: &places }, &firsts);
            }
            if !self.advance(&mut places) {
                return;
            }
        }
    }

    fn possible(&self, places: &[usize]) -> bool {
        let value = |wanted: Variable| {
            let at = self.variables.iter().position(|(variable, _)| *variable == wanted)?;
            self.variables.get(at)?.1.values.get(*places.get(at)?).copied()
        };
        let stays = value(Variable::Stay).zip(value(Variable::StaySameLevel));
        stays.is_none_or(|(all, same)| same <= all)
            && self.context.iter().all(|test| test.holds(places))
    }

    fn advance(&self, places: &mut [usize]) -> bool {
        for (place, (_, domain)) in places.iter_mut().zip(&self.variables) {
            *place = place.saturating_add(1);
            if *place < domain.values.len() {
                return true;
            }
            *place = 0;
        }
        false
    }
}

/// Parts of the context that share a variable with the tables, or with parts that do. What is left can hold whatever the
/// tables' variables are.
fn related<'c>(
    context: &[&'c Condition],
    domains: &mut BTreeMap<Variable, Domain>,
) -> Vec<&'c Condition> {
    let mut waiting: Vec<&Condition> = Vec::new();
    for condition in context {
        if let Condition::All(parts) = condition {
            waiting.extend(parts);
        } else {
            waiting.push(condition);
        }
    }
    let mut taken = Vec::new();
    loop {
        let shares = waiting.iter().position(|condition| {
            let mut own = BTreeMap::new();
            collect(condition, &mut own);
            own.keys().any(|variable| domains.contains_key(variable))
        });
        let Some(at) = shares else { return taken };
        let condition = waiting.swap_remove(at);
        collect(condition, domains);
        taken.push(condition);
    }
}

fn collect(condition: &Condition, domains: &mut BTreeMap<Variable, Domain>) {
    let mut mask = |variable: Variable, bits: u64| {
        domains.entry(variable).or_default().masks.insert(bits);
    };
    match condition {
        Condition::All(_) | Condition::Any(_) | Condition::Not(_) => {
            for part in parts(condition) {
                collect(part, domains);
            }
        }
        Condition::Identity(bits) => mask(Variable::Identity, *bits),
        Condition::Level(bits) => mask(Variable::Level, *bits),
        Condition::Place(bits) => mask(Variable::Place, *bits),
        Condition::Referral(bits) => mask(Variable::Referral, *bits),
        Condition::Care(bits) => mask(Variable::Care, *bits),
        Condition::Transfer(bits) => mask(Variable::Transfer, *bits),
        Condition::FactChoice(fact, bits) => mask(Variable::Fact(*fact), *bits),
        Condition::Disease(bits) => {
            for group in (0..64).filter(|group| has(*bits, *group)) {
                domains.entry(Variable::Disease(group)).or_default();
            }
        }
        Condition::Age(span) => bounds(domains, Variable::Age, *span),
        Condition::Stay(span) => bounds(domains, Variable::Stay, *span),
        Condition::StaySameLevel(span) => bounds(domains, Variable::StaySameLevel, *span),
        Condition::FactWithin(fact, span) => bounds(domains, Variable::Fact(*fact), *span),
        Condition::FactFlag(fact, _) => {
            domains.entry(Variable::Fact(*fact)).or_default();
        }
        Condition::Hospital(texts) => {
            domains.entry(Variable::Hospital).or_default().texts.extend(texts.iter().cloned());
        }
        Condition::TreatmentRegion(texts) => {
            domains.entry(Variable::Region).or_default().texts.extend(texts.iter().cloned());
        }
        Condition::NothingFrom(layers) => {
            for layer in layers {
                domains.entry(Variable::Pays(*layer)).or_default();
            }
        }
    }
}

fn bounds(domains: &mut BTreeMap<Variable, Domain>, variable: Variable, span: Span) {
    let points = &mut domains.entry(variable).or_default().points;
    points.extend([span.at_least, span.below].into_iter().filter(|point| *point != i64::MAX));
}

fn has(bits: u64, place: u32) -> bool {
    bits.checked_shr(place).is_some_and(|shifted| shifted & 1 == 1)
}

/// The values that tests can tell apart: of those that every test treats alike, one.
fn values(package: &Package, variable: Variable, domain: &Domain) -> Vec<i64> {
    let count = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    match variable {
        // The last one is none of them.
        Variable::Identity => classes(0..=count(package.identities.len()), &domain.masks),
        Variable::Level => classes(1..=3, &domain.masks),
        Variable::Place => classes(0..=2, &domain.masks),
        Variable::Referral => classes(0..=4, &domain.masks),
        Variable::Care => classes(0..=2, &domain.masks),
        Variable::Transfer => classes(0..=3, &domain.masks),
        Variable::Disease(_) | Variable::Pays(_) => vec![0, 1],
        Variable::Age => from(0, &domain.points),
        Variable::Stay | Variable::StaySameLevel => from(1, &domain.points),
        // The last one is another than all that are named.
        Variable::Hospital | Variable::Region => (0..=count(domain.texts.len())).collect(),
        Variable::Fact(fact) => {
            let fact = package.facts.get(usize::from(fact));
            match fact.map(|fact| &fact.kind) {
                Some(FactKind::Choice(values)) => {
                    classes(0..=count(values.len()).saturating_sub(1), &domain.masks)
                }
                Some(FactKind::Number | FactKind::Yuan) => from(0, &domain.points),
                Some(FactKind::Flag) | None => vec![0, 1],
            }
        }
    }
}

fn from(least: i64, points: &BTreeSet<i64>) -> Vec<i64> {
    std::iter::once(least).chain(points.iter().copied().filter(|point| least < *point)).collect()
}

fn classes(all: std::ops::RangeInclusive<i64>, masks: &BTreeSet<u64>) -> Vec<i64> {
    let mut seen = BTreeSet::new();
    all.filter(|value| seen.insert(masks.iter().map(|bits| bit(*bits, *value)).collect::<Vec<_>>()))
        .collect()
}

fn bit(bits: u64, value: i64) -> bool {
    u32::try_from(value).is_ok_and(|place| has(bits, place))
}

// === conditions over places ===

fn compiled(condition: &Condition, variables: &[(Variable, Domain)]) -> Test {
    let one_of = |wanted: Variable, holds: &dyn Fn(&Domain, i64) -> bool| {
        let at = variables.iter().position(|(variable, _)| *variable == wanted);
        let domain = at.and_then(|at| variables.get(at)).map(|(_, domain)| domain);
        let marked = domain.map_or_else(Vec::new, |domain| {
            domain.values.iter().map(|value| holds(domain, *value)).collect()
        });
        Test::OneOf(at.unwrap_or(usize::MAX), marked)
    };
    let masked = |variable: Variable, bits: u64| one_of(variable, &|_, value| bit(bits, value));
    let within = |variable: Variable, span: Span| one_of(variable, &|_, value| span.holds(value));
    let every = |parts: &[Condition]| parts.iter().map(|part| compiled(part, variables)).collect();
    match condition {
        Condition::All(parts) => Test::All(every(parts)),
        Condition::Any(parts) => Test::Any(every(parts)),
        Condition::Not(part) => Test::Not(Box::new(compiled(part, variables))),
        Condition::Identity(bits) => masked(Variable::Identity, *bits),
        Condition::Level(bits) => masked(Variable::Level, *bits),
        Condition::Place(bits) => masked(Variable::Place, *bits),
        Condition::Referral(bits) => masked(Variable::Referral, *bits),
        Condition::Care(bits) => masked(Variable::Care, *bits),
        Condition::Transfer(bits) => masked(Variable::Transfer, *bits),
        Condition::FactChoice(fact, bits) => masked(Variable::Fact(*fact), *bits),
        Condition::Disease(bits) => {
            let groups = (0..64).filter(|group| has(*bits, *group));
            Test::Any(
                groups
                    .map(|group| one_of(Variable::Disease(group), &|_, value| value == 1))
                    .collect(),
            )
        }
        Condition::Age(span) => within(Variable::Age, *span),
        Condition::Stay(span) => within(Variable::Stay, *span),
        Condition::StaySameLevel(span) => within(Variable::StaySameLevel, *span),
        Condition::FactWithin(fact, span) => within(Variable::Fact(*fact), *span),
        Condition::FactFlag(fact, wanted) => {
            one_of(Variable::Fact(*fact), &|_, value| (value == 1) == *wanted)
        }
        Condition::Hospital(texts) => one_of(Variable::Hospital, &|domain, value| {
            text(domain, value).is_some_and(|text| texts.contains(text))
        }),
        Condition::TreatmentRegion(regions) => one_of(Variable::Region, &|domain, value| {
            let text = text(domain, value);
            text.is_some_and(|text| regions.iter().any(|region| text.starts_with(region.as_str())))
        }),
        Condition::NothingFrom(layers) => Test::All(
            layers
                .iter()
                .map(|layer| one_of(Variable::Pays(*layer), &|_, value| value == 0))
                .collect(),
        ),
    }
}

fn text(domain: &Domain, value: i64) -> Option<&String> {
    domain.texts.iter().nth(usize::try_from(value).ok()?)
}

impl Test {
    fn holds(&self, places: &[usize]) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(places)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(places)),
            Self::Not(part) => !part.holds(places),
            Self::OneOf(variable, marked) => {
                let place = places.get(*variable);
                place.and_then(|place| marked.get(*place)).copied().unwrap_or(false)
            }
        }
    }
}

// === in words ===

impl World<'_, '_> {
    /// The combination, for print.
    pub fn words(&self) -> Words {
        let (mut zh, mut en) = (Vec::new(), Vec::new());
        for ((variable, domain), place) in self.worlds.variables.iter().zip(self.places) {
            let value = domain.values.get(*place).copied().unwrap_or(0);
            let words = self.value_words(*variable, domain, value);
            zh.push(words.zh);
            en.push(words.en);
        }
        Words { zh: zh.join("，"), en: en.join(", ") }
    }

    fn value_words(&self, variable: Variable, domain: &Domain, value: i64) -> Words {
        let package = self.worlds.package;
        let at = usize::try_from(value).unwrap_or(usize::MAX);
        let both = |en: String, zh: String| Words { zh, en };
        let same = |name_en: &str, name_zh: &str, word: &str| {
            both(format!("{name_en} {word}"), format!("{name_zh} {word}"))
        };
        match variable {
            Variable::Identity => {
                let identity = package.identities.get(at);
                let code = identity.map_or("none", |identity| identity.code.as_str());
                same("identity", "身份", code)
            }
            Variable::Level => same("level", "等级", &value.to_string()),
            Variable::Place => same("place", "地点", word(&Place::ALL.map(Place::word), at)),
            Variable::Referral => {
                same("referral", "转诊", word(&Referral::ALL.map(Referral::word), at))
            }
            Variable::Care => same("care", "就医方式", word(&Care::ALL.map(Care::word), at)),
            Variable::Transfer => {
                same("transfer", "转院", word(&Transfer::ALL.map(Transfer::word), at))
            }
            Variable::Disease(group) => {
                let group = usize::try_from(group).ok().and_then(|at| package.diseases.get(at));
                let name = group.map_or("?", |group| group.name.as_str());
                if value == 1 {
                    same("disease", "病种", name)
                } else {
                    same("no disease", "非病种", name)
                }
            }
            Variable::Age => same("age", "年龄", &value.to_string()),
            Variable::Stay => same("stay", "住院次数", &value.to_string()),
            Variable::StaySameLevel => {
                same("stay at this level", "同级住院次数", &value.to_string())
            }
            Variable::Hospital => {
                let other = || both("another hospital".to_owned(), "其他医院".to_owned());
                text(domain, value).map_or_else(other, |code| same("hospital", "医院", code))
            }
            Variable::Region => {
                let other = || both("another region".to_owned(), "其他地区".to_owned());
                text(domain, value).map_or_else(other, |code| same("region", "地区", code))
            }
            Variable::Fact(fact) => self.fact_words(fact, value),
            Variable::Pays(layer) => {
                let layer = package.layer(layer).map_or("?", |layer| layer.name.as_str());
                if value == 1 {
                    same("paying", "支付", layer)
                } else {
                    same("not paying", "不支付", layer)
                }
            }
        }
    }

    fn fact_words(&self, fact: u16, value: i64) -> Words {
        let Some(fact) = self.worlds.package.facts.get(usize::from(fact)) else {
            return Words::default();
        };
        let word = match &fact.kind {
            FactKind::Number => value.to_string(),
            FactKind::Flag => (value == 1).to_string(),
            FactKind::Choice(values) => {
                let at = usize::try_from(value).unwrap_or(usize::MAX);
                values.get(at).cloned().unwrap_or_default()
            }
            FactKind::Yuan => Fen::new(value).to_string(),
        };
        let words = format!("{} = {word}", fact.name);
        Words { zh: words.clone(), en: words }
    }
}

fn word<'w>(words: &[&'w str], at: usize) -> &'w str {
    words.get(at).copied().unwrap_or("?")
}
