//! What must hold of a package beyond its shape: tables without gaps and idle rows, rising bands, no circles.

pub mod set;
pub mod worlds;

use super::{
    Amount, AmountChange, AmountValue, Band, Bound, CeilingChange, Change, ClauseId, Condition,
    Curve, Formula, Goal, Layer, Package, RatioChange, Reference, Row, Words,
};
use crate::domain::money::{Fen, Rate};
use worlds::{Worlds, parts};

/// How deep indexes may refer to each other; the cascade stops there too.
const INDEX_DEPTH_MAX: usize = 16;

/// Is it refused, or only worth a look?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Refused.
    Error,
    /// Worth a look.
    Warning,
}

/// Something the checker found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line; 0 where nobody knows.
    pub line: u32,
    /// The clause, named after its place.
    pub clause: String,
    /// What is wrong.
    pub message: Words,
    /// Is it refused?
    pub severity: Severity,
}

impl Severity {
    /// Its word in print.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl Finding {
    fn error(line: u32, clause: &str, en: String, zh: String) -> Self {
        let severity = Severity::Error;
        Self { line, clause: clause.to_owned(), message: Words { zh, en }, severity }
    }

    fn warning(line: u32, clause: &str, en: String, zh: String) -> Self {
        Self { severity: Severity::Warning, ..Self::error(line, clause, en, zh) }
    }
}

/// Checks one package.
pub fn check(package: &Package) -> Vec<Finding> {
    let mut checker = Checker { package, findings: Vec::new() };
    checker.indexes();
    for step in &package.moves {
        checker.can_hold(&step.when, &[], step.clause);
        checker.table(&step.ratio, &[&step.when]);
    }
    for layer in &package.layers {
        checker.layer(layer);
    }
    checker.findings
}

struct Checker<'a> {
    package: &'a Package,
    findings: Vec<Finding>,
}

impl<'a> Checker<'a> {
    fn at(&self, clause: ClauseId) -> (u32, String) {
        let clause = self.package.clause(clause);
        clause.map_or((0, String::new()), |clause| (clause.line, clause.name.clone()))
    }

    fn error(&mut self, clause: ClauseId, en: String, zh: String) {
        let (line, name) = self.at(clause);
        self.findings.push(Finding::error(line, &name, en, zh));
    }

    fn warning(&mut self, clause: ClauseId, en: String, zh: String) {
        let (line, name) = self.at(clause);
        self.findings.push(Finding::warning(line, &name, en, zh));
    }

    // === tables ===

    /// Every combination that the context allows must meet a row, and every row must be the first for some.
    fn table<T>(&mut self, rows: &'a [Row<T>], context: &[&'a Condition]) {
        let Some(first) = rows.first() else { return };
        if rows.len() == 1 && first.when.is_always() {
            return;
        }
        let conditions: Vec<&Condition> = rows.iter().map(|row| &*row.when).collect();
        let clauses: Vec<ClauseId> = rows.iter().map(|row| row.clause).collect();
        if let Some(gap) = self.reached(&conditions, &clauses, context) {
            let en = format!("no row holds for: {}", gap.en);
            self.error(first.clause, en, format!("没有一行适用于：{}", gap.zh));
        }
    }

    /// Reports rows that can never be the first to hold, and returns a combination that no row holds for.
    fn reached(
        &mut self,
        conditions: &[&'a Condition],
        clauses: &[ClauseId],
        context: &[&'a Condition],
    ) -> Option<Words> {
        let first = clauses.first()?;
        let Some(worlds) = Worlds::new(self.package, context, &[conditions]) else {
            let en = "too many combinations; the table was not proven complete".to_owned();
            self.warning(*first, en, "组合过多，未能证明表格完整".to_owned());
            return None;
        };
        let mut met = vec![false; conditions.len()];
        let mut gap = None;
        worlds.visit(|world, firsts| match firsts.first().copied().flatten() {
            Some(row) => {
                if let Some(met) = met.get_mut(row) {
                    *met = true;
                }
            }
            None => {
                if gap.is_none() {
                    gap = Some(world.words());
                }
            }
        });
        for (clause, met) in clauses.iter().zip(met) {
            if !met {
                let en = "this can never be the first to hold".to_owned();
                self.error(*clause, en, "永远不会首先适用".to_owned());
            }
        }
        gap
    }

    fn can_hold(&mut self, condition: &'a Condition, context: &[&'a Condition], clause: ClauseId) {
        if !condition.is_always() {
            self.reached(&[condition], &[clause], context);
        }
    }

    // === indexes ===

    fn indexes(&mut self) {
        let package = self.package;
        for (at, index) in package.indexes.iter().enumerate() {
            self.table(&index.amount, &[]);
            let mut path = vec![at];
            let clause = index.amount.first().map_or(0, |row| row.clause);
            if let Some(problem) = self.circle(at, &mut path) {
                self.error(clause, problem.en, problem.zh);
            }
        }
    }

    /// Follows an index to others; `path` holds those on the way.
    fn circle(&self, at: usize, path: &mut Vec<usize>) -> Option<Words> {
        let names = |path: &[usize]| {
            let names = path.iter().filter_map(|at| self.package.indexes.get(*at));
            names.map(|index| index.name.as_str()).collect::<Vec<_>>().join(" → ")
        };
        if INDEX_DEPTH_MAX < path.len() {
            let en = format!("indexes refer to each other deeper than {INDEX_DEPTH_MAX}");
            return Some(Words {
                zh: format!("指标相互引用超过 {INDEX_DEPTH_MAX} 层"), en
            });
        }
        for row in &self.package.indexes.get(at)?.amount {
            let AmountValue::Of { what: Reference::Index(next), .. } = &row.value else { continue };
            let next = usize::from(*next);
            let closes = path.contains(&next);
            path.push(next);
            if closes {
                let circle = names(path);
                let en = format!("indexes refer to each other in a circle: {circle}");
                return Some(Words { zh: format!("指标循环引用：{circle}"), en });
            }
            let found = self.circle(next, path);
            path.pop();
            if found.is_some() {
                return found;
            }
        }
        None
    }

    // === layers ===

    fn layer(&mut self, layer: &'a Layer) {
        let who = &layer.who;
        self.can_hold(who, &[], layer.clause);
        if names_nothing_from(who) {
            let en = "a cliff: the layer is on only while another pays nothing".to_owned();
            self.warning(layer.clause, en, "断崖：仅当另一层不支付时才支付".to_owned());
        }
        if let Some(condition) = &layer.by_application {
            self.can_hold(condition, &[who], layer.clause);
        }
        match &layer.formula {
            Formula::Curve(curve) => self.curve(layer, curve),
            Formula::Target(target) => match &target.goal {
                Goal::Share(ratio) => self.table(ratio, &[who]),
                Goal::KeepAtMost(amount) => self.table(amount, &[who]),
            },
            Formula::Fixed(amount) => self.table(amount, &[who]),
            Formula::External(_) => {}
        }
        for ceiling in &layer.ceilings {
            let context: [&Condition; 2] = [who, &ceiling.when];
            self.can_hold(&ceiling.when, &[who], ceiling.clause);
            match &ceiling.bound {
                Bound::Cost(amount, _) | Bound::Pay(amount, _) => self.table(amount, &context),
                Bound::UpTo(share) => self.table(&share.share, &context),
            }
        }
        let conditions: Vec<&Condition> = layer.tilts.iter().map(|tilt| &*tilt.when).collect();
        let clauses: Vec<ClauseId> = layer.tilts.iter().map(|tilt| tilt.clause).collect();
        if conditions.iter().any(|condition| !condition.is_always()) || 1 < conditions.len() {
            self.reached(&conditions, &clauses, &[who]);
        }
        for change in layer.tilts.iter().chain(&layer.adjustments) {
            self.change(change, who);
        }
        for adjustment in &layer.adjustments {
            self.can_hold(&adjustment.when, &[who], adjustment.clause);
        }
    }

    fn change(&mut self, change: &'a Change, who: &'a Condition) {
        let context = [who, &change.when];
        let ceiling = change.ceiling.as_ref().and_then(|change| match change {
            CeilingChange::None => None,
            CeilingChange::Amount(change) => Some(change),
        });
        for amount in [change.deductible.as_ref(), ceiling].into_iter().flatten() {
            match amount {
                AmountChange::Scale(..) => {}
                AmountChange::Replace(rows) => self.table(rows, &context),
            }
        }
        if let Some(RatioChange::Replace(rows)) = &change.ratio {
            self.table(rows, &context);
        }
    }

    fn curve(&mut self, layer: &'a Layer, curve: &'a Curve) {
        let who = &layer.who;
        if curve.whole.is_some() && curve.rows.iter().any(|row| 1 < row.value.len()) {
            let en = "a cliff: the reached band's ratio applies to everything".to_owned();
            self.warning(layer.clause, en, "断崖：所达分段的比例适用于全部费用".to_owned());
        }
        if let Some(deductible) = &curve.deductible {
            self.table(&deductible.amount, &[who]);
            if let Some(floor) = &deductible.floor {
                self.table(floor, &[who]);
                self.floor_above_all(floor, &deductible.amount);
            }
            if let Some((cap, _)) = &deductible.yearly_cap {
                self.table(cap, &[who]);
            }
        }
        self.table(&curve.rows, &[who]);
        for row in &curve.rows {
            let context: [&Condition; 2] = [who, &row.when];
            for band in &row.value {
                self.table(&band.ratio, &context);
                if let Some(to) = &band.to {
                    self.table(to, &context);
                }
            }
            self.rising(&row.value, &context);
        }
    }

    /// Warns of a floor above every amount of its table, as far as both are known: the table then says nothing.
    fn floor_above_all(&mut self, floor: &'a Amount, amounts: &'a Amount) {
        let largest = amounts
            .iter()
            .map(|row| bounds(&row.value).1)
            .try_fold(Fen::ZERO, |a, b| Some(a.max(b?)));
        let Some(largest) = largest else { return };
        for row in floor {
            if bounds(&row.value).0.is_some_and(|least| largest < least) {
                let en = "the floor is above every amount of its table, so none counts unless a change raises it";
                let zh = "下限高于表中所有金额，除非另有调增，否则表中的金额不起作用";
                self.warning(row.clause, en.to_owned(), zh.to_owned());
            }
        }
    }

    // === bands ===

    fn rising(&mut self, bands: &'a [Band], context: &[&'a Condition]) {
        let mut earlier: Option<&Amount> = None;
        for band in bands {
            let Some(to) = &band.to else { continue };
            let empty = to.iter().any(|row| row.value == AmountValue::Plain(Fen::ZERO));
            let falls = empty || earlier.is_some_and(|earlier| self.may_fall(earlier, to, context));
            if falls {
                let en = "the bands do not rise".to_owned();
                self.error(band.clause, en, "分段上限没有递增".to_owned());
            }
            earlier = Some(to);
        }
    }

    /// Can one bound be at or below the one before it? Only where both can be compared as they stand.
    fn may_fall(&self, low: &'a Amount, high: &'a Amount, context: &[&'a Condition]) -> bool {
        let conditions = |rows: &'a Amount| -> Vec<&'a Condition> {
            rows.iter().map(|row| &*row.when).collect()
        };
        let (lows, highs) = (conditions(low), conditions(high));
        let Some(worlds) = Worlds::new(self.package, context, &[&lows, &highs]) else {
            return false;
        };
        let mut falls = false;
        worlds.visit(|_, firsts| {
            let value = |rows: &'a Amount, table: usize| {
                let row = firsts.get(table).copied().flatten()?;
                rows.get(row).map(|row| &row.value)
            };
            if let (Some(low), Some(high)) = (value(low, 0), value(high, 1)) {
                falls |= at_or_below(high, low);
            }
        });
        falls
    }
}

/// Is one value surely at or below the other?
fn at_or_below(high: &AmountValue, low: &AmountValue) -> bool {
    match (low, high) {
        (AmountValue::Plain(low), AmountValue::Plain(high)) => high <= low,
        (
            AmountValue::Of { what, times, plus, min: None, max: None },
            AmountValue::Of { what: other, times: more, plus: further, min: None, max: None },
        ) => what == other && more <= times && further <= plus && Rate::ZERO <= *more,
        (AmountValue::Of { .. }, AmountValue::Plain(_) | AmountValue::Of { .. })
        | (AmountValue::Plain(_), AmountValue::Of { .. }) => false,
    }
}

/// The least and the most that a value can be, where it says so.
fn bounds(value: &AmountValue) -> (Option<Fen>, Option<Fen>) {
    match value {
        AmountValue::Plain(fen) => (Some(*fen), Some(*fen)),
        AmountValue::Of { min, max, .. } => {
            (min.map(|min| max.map_or(min, |max| min.min(max))), *max)
        }
    }
}

fn names_nothing_from(condition: &Condition) -> bool {
    matches!(condition, Condition::NothingFrom(_))
        || parts(condition).into_iter().any(names_nothing_from)
}
