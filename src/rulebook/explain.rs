//! A package in words, for people: period, documents, every table with its clause and source, and what is assumed.

mod words;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::domain::rules::{
    Amount, AmountChange, Bearer, Bound, CeilingChange, Change, Clause, ClauseId, Curve, Formula,
    Goal, Layer, LayerId, OnTransfer, Package, Ratio, RatioChange,
};
use crate::domain::rules::{Grade, Source};
use words::Speaker;

/// The language of a printout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}

/// The printout of a package.
pub fn explain(package: &Package, language: Language) -> String {
    let speaker = Speaker { package, language };
    let mut page = Page { speaker, text: String::new(), said: BTreeMap::new() };
    page.head();
    page.documents();
    page.before_the_layers();
    for (layer, id) in package.layers.iter().zip(0_u16..) {
        page.layer(layer, id);
    }
    page.assumed();
    page.text
}

struct Page<'a> {
    speaker: Speaker<'a>,
    text: String,
    /// What was said of each clause's figures, to be said again where the assumed ones are listed.
    said: BTreeMap<ClauseId, Vec<String>>,
}

impl<'a> Page<'a> {
    fn package(&self) -> &'a Package {
        self.speaker.package
    }

    fn line(&mut self, text: &str) {
        // Writing into a string can not fail.
        writeln!(self.text, "{}", text.trim_end()).ok();
    }

    fn say(&mut self, zh: &str, en: &str) {
        let text = self.speaker.either(zh, en).to_owned();
        self.line(&text);
    }

    // === the package ===

    fn head(&mut self) {
        let package = self.package();
        self.say(&package.title.zh, &package.title.en);
        let Package { id, region, scheme, from, to, known_from, hash, .. } = package;
        let scheme = scheme.word();
        self.say(
            &format!("编号 {id}　参保地 {region}　险种 {scheme}"),
            &format!("id {id}, insured region {region}, scheme {scheme}"),
        );
        self.say(
            &format!("适用于 {from} 至 {to} 出院；{known_from} 起可用"),
            &format!("for discharges from {from} to {to}; known from {known_from}"),
        );
        if let Some(earlier) = &package.supersedes {
            self.say(&format!("替代 {earlier}"), &format!("supersedes {earlier}"));
        }
        if let Some(why) = &package.hole_before {
            self.say(&format!("此前没有政策包：{why}"), &format!("no package before: {why}"));
        }
        let rounding = self.speaker.rounding(package.rounding);
        self.say(
            &format!("取整到分：{rounding}【假定】（没有文件规定）"),
            &format!("to the fen: {rounding} [assumed] (no document decides it)"),
        );
        let choice = self.speaker.identity_choice();
        self.line(&choice);
        if 0 < package.waiting_days {
            let days = package.waiting_days;
            self.say(&format!("等待期 {days} 天"), &format!("waiting time of {days} days"));
        }
        self.line(&format!("SHA-256 {hash}"));
    }

    fn documents(&mut self) {
        let package = self.package();
        self.heading("文件", "Documents");
        for document in &package.documents {
            let grade = document.grade.map_or(String::new(), |grade| self.speaker.grade(grade));
            let parts = [&document.title, &document.number, &document.issued, &document.url];
            let parts: Vec<&str> =
                parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
            self.line(&format!("  {}  {}  ({grade})", document.id, parts.join("  ")));
        }
    }

    fn heading(&mut self, zh: &str, en: &str) {
        self.line("");
        let text = format!("== {} ==", self.speaker.either(zh, en));
        self.line(&text);
    }

    fn before_the_layers(&mut self) {
        let package = self.package();
        self.heading("分层之前", "Before the layers");
        let advance = super::parse::percent(package.class_b_advance);
        let text =
            self.speaker.pair("乙类先行自付", "the patient's first share of class B", &advance);
        self.clause(package.class_b_clause, &text);
        for index in &package.indexes {
            let name = format!("{} {}", self.speaker.either("指标", "index"), index.name);
            self.amount(&name, &index.amount);
        }
        for step in &package.moves {
            let (from, to) =
                (self.speaker.amount_name(step.from), self.speaker.amount_name(step.to));
            let when = self.speaker.condition(&step.when);
            let text = match self.speaker.language {
                Language::Zh => format!("{when}：从{from}转入{to}"),
                Language::En => format!("{when}: moved from {from} to {to}"),
            };
            self.ratio(&text, &step.ratio);
        }
    }

    // === a layer ===

    fn layer(&mut self, layer: &'a Layer, id: LayerId) {
        let package = self.package();
        let number = id.saturating_add(1);
        self.heading(
            &format!("第 {number} 层 {}", layer.name),
            &format!("Layer {number} {}", layer.name),
        );
        let payer = package.payer_of(layer);
        let (zh, en) = payer.map_or(("", ""), |payer| (&*payer.words.zh, &*payer.words.en));
        let bearer = payer.map_or("", |payer| match payer.bearer {
            Bearer::Fund(column) | Bearer::Other(column) => column.word(),
            Bearer::Hospital => "hospital",
            Bearer::Account => "account",
        });
        self.say(&format!("  支付方：{zh}（{bearer}）"), &format!("  payer: {en} ({bearer})"));
        let who = self.speaker.condition(&layer.who);
        self.say(&format!("  对象：{who}"), &format!("  for: {who}"));
        if layer.yearly {
            self.say("  按政策年度累计", "  cumulative over the policy year");
        }
        if !layer.base.is_empty() {
            let base = self.speaker.base(layer);
            let text = self.speaker.pair("基数", "looks at", &base);
            self.clause(layer.clause, &text);
        }
        if !layer.take_from.is_empty() {
            let names: Vec<&str> =
                layer.take_from.iter().map(|amount| self.speaker.amount_name(*amount)).collect();
            let how = match (layer.take_from.len(), layer.proportional) {
                (0 | 1, _) => "",
                (_, true) => self.speaker.either("（按比例）", " (in proportion)"),
                (_, false) => self.speaker.either("（依次）", " (in order)"),
            };
            let text = self.speaker.pair("支付自", "pays out of", &names.join(", "));
            self.line(&format!("  {text}{how}"));
        }
        self.formula(layer);
        for (at, change) in layer.tilts.iter().enumerate() {
            let when = self.speaker.condition_of_row(at, &change.when);
            self.change(("倾斜", "tilt"), &when, change);
        }
        // All adjustments that hold count, so that "always" after others means just that.
        for change in layer.adjustments.iter() {
            let when = self.speaker.condition(&change.when);
            self.change(("调整", "adjustment"), &when, change);
        }
        self.ceilings(layer);
        if let Some(condition) = &layer.by_application {
            let condition = self.speaker.condition(condition);
            self.say(
                &format!("  须另行申请，不在窗口支付：{condition}"),
                &format!("  only by application, not at the desk: {condition}"),
            );
        }
    }

    fn formula(&mut self, layer: &'a Layer) {
        match &layer.formula {
            Formula::External(_) => {
                self.say("  由外部告知支付金额", "  somebody else tells what it pays");
            }
            Formula::Fixed(amount) => {
                let name = self
                    .speaker
                    .either("固定补助（账单之外）", "fixed benefit, beside the bill")
                    .to_owned();
                self.amount(&name, amount);
            }
            Formula::Target(target) => {
                let measure = self.speaker.measure(target.of_total);
                match &target.goal {
                    Goal::Share(ratio) => {
                        let name = self.speaker.pair(
                            "合计至少支付",
                            "together at least a share of",
                            &measure,
                        );
                        self.ratio(&name, ratio);
                    }
                    Goal::KeepAtMost(amount) => {
                        let name = self.speaker.pair(
                            "个人至多负担，按",
                            "the patient keeps at most, of",
                            &measure,
                        );
                        self.amount(&name, amount);
                    }
                }
            }
            Formula::Curve(curve) => self.curve(curve),
        }
    }

    fn curve(&mut self, curve: &'a Curve) {
        if let Some(deductible) = &curve.deductible {
            let name = self.speaker.either("起付线", "deductible").to_owned();
            self.amount(&name, &deductible.amount);
            if let Some(nth) = &deductible.nth {
                let factors: Vec<String> = nth.factors.iter().map(ToString::to_string).collect();
                let which = if nth.same_level {
                    self.speaker.either("同级", "at the same level")
                } else {
                    self.speaker.either("全部", "all")
                };
                let text =
                    self.speaker.pair("逐次系数", "factors by the n-th stay", &factors.join(", "));
                self.clause(nth.clause, &format!("{text} ({which})"));
            }
            if let Some(floor) = &deductible.floor {
                let name = self.speaker.either("起付线不低于", "deductible not below").to_owned();
                self.amount(&name, floor);
            }
            if deductible.transfer.iter().any(|effect| *effect != OnTransfer::Full) {
                let text = self.speaker.transfer(deductible.transfer);
                self.clause(deductible.transfer_clause, &text);
            }
            if let Some((cap, _)) = &deductible.yearly_cap {
                let name = self
                    .speaker
                    .either("起付线年度累计不超过", "deductible of a year at most")
                    .to_owned();
                self.amount(&name, cap);
            }
        }
        if curve.on_gross {
            self.say("  分段按累计费用（含起付线）", "  bands by the burden, deductible included");
        }
        if curve.whole.is_some() {
            self.say(
                "  所达分段的比例适用于全部",
                "  the reached band's ratio applies to everything",
            );
        }
        for (at, row) in curve.rows.iter().enumerate() {
            let when = self.speaker.condition_of_row(at, &row.when);
            self.say(&format!("  支付比例，{when}："), &format!("  pays, {when}:"));
            for band in &row.value {
                self.remember_amounts(band.to.as_ref(), band.clause);
                let to = band.to.as_ref().map(|to| self.speaker.amount_rows(to));
                let name = match (to, row.value.len()) {
                    (Some(to), _) => self.speaker.pair("至", "up to", &to),
                    (None, 1) => String::new(),
                    (None, _) => self.speaker.either("以上", "above").to_owned(),
                };
                self.band(&name, &band.ratio, band.clause);
            }
        }
    }

    fn band(&mut self, name: &str, ratio: &'a Ratio, clause: ClauseId) {
        match ratio.as_slice() {
            [row] if row.when.is_always() => {
                let value = self.speaker.ratio_value(&row.value);
                self.clause(clause, &format!("  {name} {value}"));
            }
            rows => {
                self.line(&format!("    {name}"));
                self.remember(clause, name);
                for (at, row) in rows.iter().enumerate() {
                    let when = self.speaker.condition_of_row(at, &row.when);
                    let value = self.speaker.ratio_value(&row.value);
                    self.clause(row.clause, &format!("    {when}: {value}"));
                }
            }
        }
    }

    fn ceilings(&mut self, layer: &'a Layer) {
        for ceiling in &layer.ceilings {
            let when = self.speaker.condition(&ceiling.when);
            let (zh, en) = match &ceiling.bound {
                Bound::Cost(..) => ("进入费用封顶", "ceiling on cost"),
                Bound::Pay(..) => ("支付封顶", "ceiling on pay"),
                Bound::UpTo(_) => {
                    ("与前面各层合计至多支付", "together with the layers before at most")
                }
            };
            let name = format!("{} ({when})", self.speaker.either(zh, en));
            match &ceiling.bound {
                Bound::Cost(amount, slot) | Bound::Pay(amount, slot) => {
                    let span = self.speaker.span(*slot);
                    self.amount(&format!("{name} {span}"), amount);
                }
                Bound::UpTo(share) => {
                    let measure = self.speaker.measure(share.of_total);
                    self.ratio(&format!("{name} {measure}"), &share.share);
                }
            }
        }
    }

    fn change(&mut self, (zh, en): (&str, &str), when: &str, change: &'a Change) {
        self.remember_change(change);
        let mut parts = Vec::new();
        let amount = |speaker: &Speaker<'a>, change: &'a AmountChange| match change {
            AmountChange::Scale(times, plus) => {
                format!("× {times} + {}", super::parse::grouped(*plus))
            }
            AmountChange::Replace(rows) => format!("= {}", speaker.amount_rows(rows)),
        };
        if let Some(change) = &change.deductible {
            parts.push(format!(
                "{} {}",
                self.speaker.either("起付线", "deductible"),
                amount(&self.speaker, change)
            ));
        }
        if let Some(change) = &change.ratio {
            let text = match change {
                RatioChange::Scale(times, plus) => {
                    format!("× {times} + {}", super::parse::percent(*plus))
                }
                RatioChange::Replace(rows) => format!("= {}", self.speaker.ratio_rows(rows)),
            };
            parts.push(format!("{} {text}", self.speaker.either("比例", "ratio")));
        }
        match &change.ceiling {
            None => {}
            Some(CeilingChange::None) => {
                parts.push(self.speaker.either("取消封顶", "no ceiling").to_owned());
            }
            Some(CeilingChange::Amount(change)) => {
                parts.push(format!(
                    "{} {}",
                    self.speaker.either("封顶", "ceiling"),
                    amount(&self.speaker, change)
                ));
            }
        }
        let name = self.speaker.either(zh, en).to_owned();
        self.clause(change.clause, &format!("{name}, {when}: {}", parts.join("; ")));
    }

    // === figures ===

    fn amount(&mut self, name: &str, rows: &'a Amount) {
        for (at, row) in rows.iter().enumerate() {
            let text = self.speaker.row(at, &row.when, self.speaker.amount_value(&row.value));
            self.clause(row.clause, &format!("{name}  {text}"));
        }
    }

    fn ratio(&mut self, name: &str, rows: &'a Ratio) {
        for (at, row) in rows.iter().enumerate() {
            let text = self.speaker.row(at, &row.when, self.speaker.ratio_value(&row.value));
            self.clause(row.clause, &format!("{name}  {text}"));
        }
    }

    /// A figure in words, with its clause and source, and the mark of an assumed one.
    fn clause(&mut self, id: ClauseId, text: &str) {
        let Some(clause) = self.package().clause(id) else { return };
        let source = clause.source.as_ref().map_or(String::new(), |source| self.source(source));
        self.line(&format!("  {text}    ‹{}›  {source}", clause.name));
        self.remember(id, text);
    }

    fn remember(&mut self, id: ClauseId, text: &str) {
        let said = self.said.entry(id).or_default();
        let text = text.trim();
        if !text.is_empty() && !said.iter().any(|earlier| earlier == text) {
            said.push(text.to_owned());
        }
    }

    /// Rows that stand within the line of another clause have clauses of their own nevertheless.
    fn remember_amounts(&mut self, rows: Option<&'a Amount>, around: ClauseId) {
        for (at, row) in rows.into_iter().flatten().enumerate() {
            if row.clause != around {
                let text = self.speaker.row(at, &row.when, self.speaker.amount_value(&row.value));
                self.remember(row.clause, &text);
            }
        }
    }

    fn remember_change(&mut self, change: &'a Change) {
        let ceiling = change.ceiling.as_ref().and_then(|ceiling| match ceiling {
            CeilingChange::Amount(change) => Some(change),
            CeilingChange::None => None,
        });
        for amount in change.deductible.iter().chain(ceiling) {
            if let AmountChange::Replace(rows) = amount {
                self.remember_amounts(Some(rows), change.clause);
            }
        }
        if let Some(RatioChange::Replace(rows)) = &change.ratio {
            for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.clause != change.clause)
            {
                let text = self.speaker.row(at, &row.when, self.speaker.ratio_value(&row.value));
                self.remember(row.clause, &text);
            }
        }
    }

    fn source(&self, source: &Source) -> String {
        if source.grade == Grade::Assumed {
            return format!("{}: {}", self.speaker.either("【假定】", "[assumed]"), source.note);
        }
        let document = source.document.and_then(|id| self.package().documents.get(usize::from(id)));
        let title = document.map_or("", |document| {
            if document.number.is_empty() { &document.title } else { &document.number }
        });
        format!("{title} {} ({})", source.article, self.speaker.grade(source.grade))
    }

    fn assumed(&mut self) {
        let assumed = |clause: &&Clause| {
            clause.source.as_ref().is_some_and(|source| source.grade == Grade::Assumed)
        };
        let clauses = self.package().clauses.iter().zip(0_u16..);
        let clauses: Vec<(&Clause, ClauseId)> =
            clauses.filter(|(clause, _)| assumed(clause)).collect();
        self.heading("假定的数字", "Assumed figures");
        if clauses.is_empty() {
            self.say("  除取整方式外没有", "  none but the rounding");
        }
        for (clause, id) in clauses {
            let note = clause.source.as_ref().map_or("", |source| source.note.as_str());
            let said = self.said.get(&id).map(|said| said.join("; "));
            let figures = said.unwrap_or_else(|| clause.figures.clone());
            self.line(&format!("  {}  {figures}  {note}", clause.name));
        }
    }
}
