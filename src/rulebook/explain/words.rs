//! Conditions, amounts and ratios in the words of an insurance officer.

use super::super::parse::{grouped, percent};
use super::Language;
use crate::domain::bill::{Care, Referral};
use crate::domain::money::{Fen, Rate, Rounding};
use crate::domain::rules::{
    AccumulatorId, Amount, AmountId, AmountValue, Condition, FactKind, Grade, IdentityChoice,
    Layer, LayerId, OnTransfer, Package, Part, Place, Ratio, RatioValue, Reference, Span, Term,
    Transfer,
};

/// Speaks of a package in one language.
#[derive(Clone, Copy)]
pub(super) struct Speaker<'a> {
    pub(super) package: &'a Package,
    pub(super) language: Language,
}

impl<'a> Speaker<'a> {
    pub(super) fn either<'t>(&self, zh: &'t str, en: &'t str) -> &'t str {
        match self.language {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    pub(super) fn pair(&self, zh: &str, en: &str, value: &str) -> String {
        format!("{} {value}", self.either(zh, en))
    }

    pub(super) fn grade(&self, grade: Grade) -> String {
        let zh = match grade {
            Grade::Official => "官方原文",
            Grade::Reprint => "转载",
            Grade::Secondary => "二手资料",
            Grade::Assumed => "假定",
        };
        self.either(zh, grade.word()).to_owned()
    }

    pub(super) fn rounding(&self, rounding: Rounding) -> &'static str {
        let (zh, en) = match rounding {
            Rounding::HalfUp => ("四舍五入", "half up"),
            Rounding::HalfEven => ("四舍六入五成双", "half to even"),
            Rounding::Down => ("舍去", "down"),
            Rounding::Up => ("进位", "up"),
        };
        self.either(zh, en)
    }

    pub(super) fn identity_choice(&self) -> String {
        let codes: Vec<&str> = self
            .package
            .identities
            .iter()
            .map(|identity| self.either(&identity.words.zh, &identity.words.en))
            .collect();
        let (zh, en) = match &self.package.identity_choice {
            IdentityChoice::Cascade => (
                "就高不重复（按整张账单个人负担最少）",
                "the most favourable counts, once, over the whole bill",
            ),
            IdentityChoice::Layer => {
                ("就高不重复（逐层）", "the most favourable counts, in each layer")
            }
            IdentityChoice::Rank(_) => ("按规定顺序取第一个", "the first of a given order counts"),
        };
        format!("{}: {}", self.either(zh, en), codes.join(", "))
    }

    pub(super) fn amount_name(&self, amount: AmountId) -> &'a str {
        let name =
            self.package.amounts.get(usize::from(amount)).map_or("?", |name| name.name.as_str());
        match (self.language, name) {
            (Language::Zh, "in_scope") => "符合政策范围金额",
            (Language::Zh, "advance") => "先行自付",
            (Language::Zh, "over_limit") => "超限价自费",
            (Language::Zh, "out_of_catalogue") => "全自费",
            (Language::Zh | Language::En, _) => name,
        }
    }

    pub(super) fn measure(&self, of_total: bool) -> String {
        let (zh, en) = if of_total {
            ("医疗费总额", "all charges")
        } else {
            ("符合政策范围金额", "what is in scope")
        };
        self.either(zh, en).to_owned()
    }

    pub(super) fn span(&self, slot: Option<AccumulatorId>) -> String {
        let pool = slot.and_then(|slot| self.package.accumulators.get(usize::from(slot)));
        match pool {
            None => self.either("每次", "each stay").to_owned(),
            Some(pool) if pool.life => format!("{} {}", self.either("终身", "lifetime"), pool.name),
            Some(pool) => format!("{} {}", self.either("年度", "a year"), pool.name),
        }
    }

    pub(super) fn transfer(&self, effects: [OnTransfer; 3]) -> String {
        let names = [("上转", "up"), ("平转", "level"), ("下转", "down")];
        let parts = effects.iter().zip(names).map(|(effect, (zh, en))| {
            let (effect_zh, effect_en) = match effect {
                OnTransfer::Full => ("全额", "full"),
                OnTransfer::Difference => ("补差", "the difference"),
                OnTransfer::Waived => ("免除", "waived"),
            };
            format!("{} {}", self.either(zh, en), self.either(effect_zh, effect_en))
        });
        let parts: Vec<String> = parts.collect();
        self.pair("转院起付线", "deductible on transfer", &parts.join(", "))
    }

    fn layer(&self, layer: LayerId) -> &'a str {
        self.package.layer(layer).map_or("?", |layer| layer.name.as_str())
    }

    pub(super) fn base(&self, layer: &Layer) -> String {
        let terms = layer.base.iter().map(|(term, weight)| {
            let name = match term {
                Term::Left(amount) => self.amount_name(*amount).to_owned(),
                Term::Gross(amount) => {
                    format!("{}{}", self.either("原始", "gross "), self.amount_name(*amount))
                }
                Term::Total => self.either("医疗费总额", "all charges").to_owned(),
                Term::Paid => self.either("已支付合计", "all paid so far").to_owned(),
                Term::Layer(layer, part) => format!("{}.{}", self.layer(*layer), self.part(*part)),
            };
            if *weight == Rate::ONE { name } else { format!("{weight} × {name}") }
        });
        terms.collect::<Vec<_>>().join(" + ")
    }

    fn part(&self, part: Part) -> &'static str {
        let (zh, en) = match part {
            Part::Base => ("基数", "base"),
            Part::Pay => ("支付额", "pay"),
            Part::Deductible => ("起付线", "deductible"),
            Part::Excess => ("起付线以上", "excess"),
            Part::Cut => ("封顶截去", "cut"),
        };
        self.either(zh, en)
    }

    // === figures ===

    pub(super) fn amount_rows(&self, rows: &Amount) -> String {
        let rows = rows.iter().enumerate();
        let rows = rows.map(|(at, row)| self.row(at, &row.when, self.amount_value(&row.value)));
        rows.collect::<Vec<_>>().join(" | ")
    }

    pub(super) fn ratio_rows(&self, rows: &Ratio) -> String {
        let rows = rows.iter().enumerate();
        let rows = rows.map(|(at, row)| self.row(at, &row.when, self.ratio_value(&row.value)));
        rows.collect::<Vec<_>>().join(" | ")
    }

    pub(super) fn amount_value(&self, value: &AmountValue) -> String {
        let AmountValue::Of { what, times, plus, min, max } = value else {
            let AmountValue::Plain(fen) = value else { return String::new() };
            return format!("{} {}", grouped(*fen), self.either("元", "yuan"));
        };
        let mut text = format!("{} × {times}", self.reference(*what));
        if *plus != Fen::ZERO {
            text.push_str(&format!(" + {}", grouped(*plus)));
        }
        self.within(&mut text, min.map(grouped), max.map(grouped));
        text
    }

    fn within(&self, text: &mut String, min: Option<String>, max: Option<String>) {
        if let Some(min) = min {
            text.push_str(&format!(", {} {min}", self.either("不低于", "at least")));
        }
        if let Some(max) = max {
            text.push_str(&format!(", {} {max}", self.either("不高于", "at most")));
        }
    }

    fn reference(&self, what: Reference) -> String {
        let package = self.package;
        match what {
            Reference::Index(at) => {
                let name =
                    package.indexes.get(usize::from(at)).map_or("?", |index| index.name.as_str());
                format!("{} {name}", self.either("指标", "index"))
            }
            Reference::FactYuan(at) | Reference::FactNumber(at) => self.fact(at).to_owned(),
            Reference::Age => self.either("年龄", "age").to_owned(),
            Reference::AccountBalance => self.either("个人账户余额", "account balance").to_owned(),
            Reference::Total => self.either("医疗费总额", "all charges").to_owned(),
            Reference::Gross(amount) => {
                format!("{}{}", self.either("原始", "gross "), self.amount_name(amount))
            }
        }
    }

    fn fact(&self, at: u16) -> &'a str {
        self.package.facts.get(usize::from(at)).map_or("?", |fact| fact.name.as_str())
    }

    pub(super) fn ratio_value(&self, value: &RatioValue) -> String {
        match value {
            RatioValue::Plain(rate) => percent(*rate),
            RatioValue::Linear { base, per, each, min, max } => {
                let per = per.map_or(self.either("年龄", "age"), |fact| self.fact(fact));
                let mut text = format!("{} + {} × {per}", percent(*base), percent(*each));
                self.within(&mut text, min.map(percent), max.map(percent));
                text
            }
        }
    }

    /// A row of a list: a lone one without its condition, one after others with the words for what is left.
    pub(super) fn row(&self, at: usize, when: &Condition, value: String) -> String {
        if at == 0 && when.is_always() {
            return value;
        }
        format!("{}: {value}", self.condition_of_row(at, when))
    }

    // === conditions ===

    /// The condition of a row in a list of which the first that holds counts: after others, "always" means the rest.
    pub(super) fn condition_of_row(&self, at: usize, when: &Condition) -> String {
        if 0 < at && when.is_always() {
            return self.either("其余情形", "otherwise").to_owned();
        }
        self.condition(when)
    }

    pub(super) fn condition(&self, condition: &Condition) -> String {
        let package = self.package;
        let words = |name: (&str, &str), words: &[&str], bits: u64| {
            let met =
                words.iter().enumerate().filter(|(at, _)| has(bits, *at)).map(|(_, word)| *word);
            self.pair(name.0, name.1, &met.collect::<Vec<_>>().join("/"))
        };
        let joined = |parts: &[Condition], by: &str| {
            parts.iter().map(|part| self.condition(part)).collect::<Vec<_>>().join(by)
        };
        match condition {
            Condition::All(parts) if parts.is_empty() => {
                self.either("所有情形", "always").to_owned()
            }
            Condition::All(parts) => joined(parts, self.either("，且", " and ")),
            Condition::Any(parts) => format!("({})", joined(parts, self.either("，或", " or "))),
            Condition::Not(part) => {
                format!("{} ({})", self.either("非", "not"), self.condition(part))
            }
            Condition::Identity(bits) => {
                let names: Vec<&str> = package
                    .identities
                    .iter()
                    .map(|identity| self.either(&identity.words.zh, &identity.words.en))
                    .collect();
                words(("身份", "identity"), &names, *bits)
            }
            Condition::Disease(bits) => {
                let names: Vec<&str> =
                    package.diseases.iter().map(|group| group.name.as_str()).collect();
                words(("病种", "disease"), &names, *bits)
            }
            Condition::Level(bits) => words(("医院等级", "level"), &["0", "1", "2", "3"], *bits),
            Condition::Place(bits) => {
                words(("就医地", "place"), &Place::ALL.map(|at| self.place(at)), *bits)
            }
            Condition::Referral(bits) => {
                words(("转诊备案", "referral"), &Referral::ALL.map(|at| self.referral(at)), *bits)
            }
            Condition::Care(bits) => {
                words(("就医方式", "care"), &Care::ALL.map(|at| self.care(at)), *bits)
            }
            Condition::Transfer(bits) => {
                words(("转院", "transfer"), &Transfer::ALL.map(Transfer::word), *bits)
            }
            Condition::Age(span) => self.span_words(self.either("年龄", "age"), *span, false),
            Condition::Stay(span) => {
                self.span_words(self.either("年度第几次", "stay of the year"), *span, false)
            }
            Condition::StaySameLevel(span) => {
                self.span_words(self.either("同级第几次", "stay at this level"), *span, false)
            }
            Condition::Hospital(codes) => self.pair("医院", "hospital", &codes.join("/")),
            Condition::TreatmentRegion(regions) => {
                self.pair("就医地区划", "treatment region", &regions.join("/"))
            }
            Condition::FactWithin(fact, _)
            | Condition::FactFlag(fact, _)
            | Condition::FactChoice(fact, _) => self.fact_condition(*fact, condition),
            Condition::NothingFrom(layers) => {
                let layers: Vec<&str> = layers.iter().map(|layer| self.layer(*layer)).collect();
                self.pair("未支付的层", "nothing from", &layers.join("/"))
            }
        }
    }

    fn fact_condition(&self, id: u16, condition: &Condition) -> String {
        let name = self.fact(id);
        let kind = self.package.facts.get(usize::from(id)).map(|fact| &fact.kind);
        if let Condition::FactWithin(_, span) = condition {
            return self.span_words(name, *span, kind == Some(&FactKind::Yuan));
        }
        if let (Condition::FactChoice(_, bits), Some(FactKind::Choice(values))) = (condition, kind)
        {
            let met = values.iter().enumerate().filter(|(at, _)| has(*bits, *at));
            let met: Vec<&str> = met.map(|(_, value)| value.as_str()).collect();
            return format!("{name} {}", met.join("/"));
        }
        if *condition == Condition::FactFlag(id, false) {
            return format!("{} {name}", self.either("非", "not"));
        }
        name.to_owned()
    }

    fn place(&self, place: Place) -> &'static str {
        let zh = match place {
            Place::Local => "统筹区内",
            Place::Province => "省内异地",
            Place::Outside => "省外",
        };
        self.either(zh, place.word())
    }

    fn referral(&self, referral: Referral) -> &'static str {
        let zh = match referral {
            Referral::None => "无需备案",
            Referral::Filed => "已备案或转诊",
            Referral::Unfiled => "未备案",
            Referral::Emergency => "急诊",
            Referral::LongTerm => "长期异地",
        };
        self.either(zh, referral.word())
    }

    fn care(&self, care: Care) -> &'static str {
        let zh = match care {
            Care::Inpatient => "住院",
            Care::Outpatient => "普通门诊",
            Care::OutpatientChronic => "门诊慢特病",
        };
        self.either(zh, care.word())
    }

    fn span_words(&self, name: &str, span: Span, yuan: bool) -> String {
        let number = |value: i64| if yuan { grouped(Fen::new(value)) } else { value.to_string() };
        let Span { at_least, below } = span;
        match (at_least == i64::MIN, below == i64::MAX) {
            (true, true) => name.to_owned(),
            (true, false) => format!("{name} < {}", number(below)),
            (false, true) => format!("{name} ≥ {}", number(at_least)),
            (false, false) if !yuan && at_least.checked_add(1) == Some(below) => {
                format!("{name} = {at_least}")
            }
            (false, false) => format!("{} ≤ {name} < {}", number(at_least), number(below)),
        }
    }
}

fn has(bits: u64, at: usize) -> bool {
    u32::try_from(at).ok().and_then(|at| bits.checked_shr(at)).is_some_and(|rest| rest & 1 == 1)
}
