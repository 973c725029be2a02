//! Conditions, amounts and ratios, evaluated against what one bill shows.

use std::cell::Cell;

use super::super::bill::{Care, Referral};
use super::super::money::{Fen, Rate, Rounding, round_scaled};
use super::super::rules::{
    Amount, AmountChange, AmountValue, ClauseId, Condition, FactValue, Marks, Package, Place,
    Ratio, RatioChange, RatioValue, Reference, Row, Span, Transfer, When,
};
use super::run::Done;
use super::{Facts, Halt};

/// How deep indexes may refer to each other. The checker refuses circles; this bounds what it has not seen.
const INDEX_DEPTH_MAX: u8 = 16;

/// What a figure may look at: the facts, the identity being tried, and what the layers so far did.
pub(super) struct View<'a> {
    pub(super) package: &'a Package,
    pub(super) facts: &'a Facts,
    pub(super) identity: Option<u16>,
    /// What the bill shows with that identity.
    pub(super) shown: Marks,
    pub(super) gross: &'a [Fen],
    pub(super) total: Fen,
    pub(super) done: &'a [Done],
    pub(super) rounding: Rounding,
    /// Set once any figure that was used is assumed.
    pub(super) assumed: Cell<bool>,
}

impl<'a> View<'a> {
    /// Does a condition hold? Most are told in one look. Only one that hangs on an age that nobody knows stops the settlement.
    #[inline]
    pub(super) fn meets(&self, when: &When) -> Result<bool, Halt> {
        match when.look(self.shown) {
            None => Ok(false),
            Some(None) => Ok(true),
            Some(Some(rest)) => self.holds(rest).ok_or(Halt::AgeMissing),
        }
    }

    /// Does a condition hold? Nothing where that hangs on an age that nobody knows, whatever the order of its parts.
    fn holds(&self, condition: &Condition) -> Option<bool> {
        let facts = self.facts;
        Some(match condition {
            Condition::All(parts) => return self.decided_by(false, parts),
            Condition::Any(parts) => return self.decided_by(true, parts),
            Condition::Not(part) => !self.holds(part)?,
            Condition::Identity(bits) => {
                self.identity.is_some_and(|identity| has(*bits, identity.into()))
            }
            Condition::Level(bits) => has(*bits, facts.level.into()),
            Condition::Place(bits) => has(*bits, bit_of(&Place::ALL, facts.place)),
            Condition::Referral(bits) => has(*bits, bit_of(&Referral::ALL, facts.referral)),
            Condition::Care(bits) => has(*bits, bit_of(&Care::ALL, facts.care)),
            Condition::Transfer(bits) => has(*bits, bit_of(&Transfer::ALL, facts.transfer)),
            Condition::Disease(bits) => bits & facts.diseases != 0,
            Condition::Age(span) => span.holds(facts.age?),
            Condition::Stay(span) => span.holds(facts.stay),
            Condition::StaySameLevel(span) => span.holds(facts.stay_same_level),
            Condition::Hospital(codes) => codes.contains(&facts.hospital),
            Condition::TreatmentRegion(regions) => {
                regions.iter().any(|region| facts.treatment_region.starts_with(region.as_str()))
            }
            Condition::FactWithin(fact, span) => {
                self.number(*fact).is_some_and(|number| span.holds(number))
            }
            Condition::FactFlag(fact, wanted) => self.fact(*fact) == Some(FactValue::Flag(*wanted)),
            Condition::FactChoice(fact, bits) => {
                matches!(self.fact(*fact), Some(FactValue::Choice(choice)) if has(*bits, choice.into()))
            }
            Condition::NothingFrom(layers) => layers.iter().all(|layer| {
                self.done.get(usize::from(*layer)).is_none_or(|done| done.pay == Fen::ZERO)
            }),
        })
    }

    /// One part that is `deciding` decides for all; else one that nobody can tell leaves all untold.
    fn decided_by(&self, deciding: bool, parts: &[Condition]) -> Option<bool> {
        let mut untold = false;
        for part in parts {
            match self.holds(part) {
                Some(holds) if holds == deciding => return Some(deciding),
                Some(_) => {}
                None => untold = true,
            }
        }
        (!untold).then_some(!deciding)
    }

    /// The first row that holds.
    pub(super) fn first<T>(&self, rows: &'a [Row<T>]) -> Result<&'a Row<T>, Halt> {
        for row in rows {
            if self.meets(&row.when)? {
                self.note(row.clause);
                return Ok(row);
            }
        }
        Err(Halt::NoRow(rows.first().map_or(0, |row| row.clause)))
    }

    /// An amount, and the clause that says it.
    pub(super) fn amount(&self, rows: &'a Amount) -> Result<(Fen, ClauseId), Halt> {
        self.amount_at(rows, 0)
    }

    fn amount_at(&self, rows: &'a Amount, depth: u8) -> Result<(Fen, ClauseId), Halt> {
        let row = self.first(rows)?;
        let AmountValue::Of { what, times, plus, min, max } = &row.value else {
            let AmountValue::Plain(fen) = row.value else { return Err(Halt::Overflow) };
            return Ok((fen, row.clause));
        };
        let exact = self.referred(*what, *times, depth)?;
        // An index is a figure of the package's, whichever layer refers to it.
        let rounding = if depth == 0 { self.rounding } else { self.package.rounding };
        let product = round_scaled(exact, rounding).ok_or(Halt::Overflow)?;
        let mut amount = product.checked_add(*plus).ok_or(Halt::Overflow)?;
        if let Some(min) = min {
            amount = amount.max(*min);
        }
        if let Some(max) = max {
            amount = amount.min(*max);
        }
        Ok((amount, row.clause))
    }

    /// What an amount is in proportion to, times the ratio, in billionths of a fen.
    fn referred(&self, what: Reference, times: Rate, depth: u8) -> Result<i128, Halt> {
        let fen = match what {
            Reference::Index(index) => {
                let index = self.package.indexes.get(usize::from(index)).ok_or(Halt::Overflow)?;
                let deeper = depth
                    .checked_add(1)
                    .filter(|depth| *depth <= INDEX_DEPTH_MAX)
                    .ok_or(Halt::Overflow)?;
                self.amount_at(&index.amount, deeper)?.0.get()
            }
            Reference::FactYuan(fact) => self.number(fact).ok_or(Halt::Overflow)?,
            // In yuan for one, so a hundred fen.
            Reference::FactNumber(fact) => self
                .number(fact)
                .and_then(|number| number.checked_mul(100))
                .ok_or(Halt::Overflow)?,
            Reference::Age => {
                self.facts.age.ok_or(Halt::AgeMissing)?.checked_mul(100).ok_or(Halt::Overflow)?
            }
            Reference::AccountBalance => self.facts.account_balance.get(),
            Reference::Total => self.total.get(),
            Reference::Gross(amount) => {
                self.gross.get(usize::from(amount)).copied().unwrap_or_default().get()
            }
        };
        i128::from(fen).checked_mul(times.billionths().into()).ok_or(Halt::Overflow)
    }

    /// A ratio as the table says it, before any change, and the clause that says it.
    pub(super) fn ratio(&self, rows: &'a Ratio) -> Result<(Rate, ClauseId), Halt> {
        let row = self.first(rows)?;
        let rate = match &row.value {
            RatioValue::Plain(rate) => *rate,
            RatioValue::Linear { base, per, each, min, max } => {
                let number = match per {
                    None => self.facts.age.ok_or(Halt::AgeMissing)?,
                    Some(fact) => self.number(*fact).ok_or(Halt::Overflow)?,
                };
                let grown = each.billionths().checked_mul(number).ok_or(Halt::Overflow)?;
                let mut rate =
                    base.checked_add(Rate::from_billionths(grown)).ok_or(Halt::Overflow)?;
                if let Some(min) = min {
                    rate = rate.max(*min);
                }
                if let Some(max) = max {
                    rate = rate.min(*max);
                }
                rate
            }
        };
        Ok((rate, row.clause))
    }

    /// A ratio within 0 and 1, where no change applies.
    pub(super) fn plain_ratio(&self, rows: &'a Ratio) -> Result<(Rate, ClauseId), Halt> {
        let (rate, clause) = self.ratio(rows)?;
        Ok((rate.clamp(Rate::ZERO, Rate::ONE), clause))
    }

    /// An amount after a change, to the fen and not below nothing.
    pub(super) fn change_amount(&self, amount: Fen, change: &'a AmountChange) -> Result<Fen, Halt> {
        let changed = match change {
            AmountChange::Scale(times, plus) => {
                let scaled = amount.share(*times, self.rounding).ok_or(Halt::Overflow)?;
                scaled.checked_add(*plus).ok_or(Halt::Overflow)?
            }
            AmountChange::Replace(rows) => self.amount(rows)?.0,
        };
        Ok(changed.max(Fen::ZERO))
    }

    /// A ratio after a change.
    pub(super) fn change_ratio(&self, rate: Rate, change: &'a RatioChange) -> Result<Rate, Halt> {
        match change {
            RatioChange::Scale(times, plus) => rate
                .checked_mul(*times)
                .and_then(|scaled| scaled.checked_add(*plus))
                .ok_or(Halt::Overflow),
            RatioChange::Replace(rows) => Ok(self.ratio(rows)?.0),
        }
    }

    /// Remembers that the figures of a clause were used.
    pub(super) fn note(&self, clause: ClauseId) {
        if self.package.is_assumed(clause) {
            self.assumed.set(true);
        }
    }

    fn fact(&self, fact: u16) -> Option<FactValue> {
        self.facts.declared.get(usize::from(fact)).copied()
    }

    fn number(&self, fact: u16) -> Option<i64> {
        match self.fact(fact)? {
            FactValue::Number(number) => Some(number),
            FactValue::Yuan(fen) => Some(fen.get()),
            FactValue::Flag(_) | FactValue::Choice(_) => None,
        }
    }
}

impl Span {
    /// Does a number lie within?
    pub fn holds(self, number: i64) -> bool {
        self.at_least <= number && number < self.below
    }
}

fn has(bits: u64, place: u32) -> bool {
    bits.checked_shr(place).is_some_and(|shifted| shifted & 1 == 1)
}

/// The place of a value in the list of all: its bit in a mask.
fn bit_of<T: PartialEq>(all: &[T], one: T) -> u32 {
    all.iter().zip(0..).find(|(known, _)| **known == one).map_or(u32::MAX, |(_, place)| place)
}
