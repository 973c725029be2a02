//! Reconciliation: what each side says of a day, in which class every row falls, and why two figures differ.
//!
//! Every row of either side ends in exactly one class, and what both sides say in sum differs by exactly what the classes differ by.

mod codes;
mod explain;
mod matching;
mod scope;
mod totals;

use super::bill::Care;
use super::ids::{SettlementId, StayId};
use super::money::Fen;

pub use self::codes::{Encoding, Told, cares_of, clearing_type, told};
pub use self::explain::{
    Explanation, Known, Revised, Unexplained, Variants, explain, explanation_words, ours_of,
};
pub use self::matching::{Classed, Matching};
pub use self::scope::{Outside, Scope, Shown};
pub use self::totals::{ClassTotal, Report, Sum, compare};

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers that tests make up")]
mod tests;

/// How many amounts a row compares.
pub const FIELDS: usize = 3;

/// What a row compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// All charges. [medfee_sumamt]
    Total,
    /// What the funds pay; for one underwriter, what its layers pay. [fund_pay_sumamt]
    Fund,
    /// From the personal account. [acct_pay]
    Account,
}

/// The amounts of a row, by [`Field`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts(pub [Fen; FIELDS]);

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The gateway.
    Ours,
    /// Whoever sent the statement.
    Theirs,
}

/// What one side says of a settlement or of its reversal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Who says so.
    pub side: Side,
    /// The settlement that it is about: for a reversal, the one that it undoes. Rows of one pair lie together.
    pub pair: SettlementId,
    /// The id by which this side names it.
    pub settlement: SettlementId,
    /// Is it a reversal?
    pub refund: bool,
    /// The stay, where this side names it.
    pub stay: Option<StayId>,
    /// How much.
    pub amounts: Amounts,
    /// The line of their file; 0 for ours.
    pub line: u64,
}

/// The class of a row. Each row of either side has one; a row of ours and a row of theirs that belong together share theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Both say the same.
    Equal,
    /// We alone have it.
    OnlyOurs,
    /// They alone have it.
    OnlyTheirs,
    /// Both have it, with other amounts.
    AmountsDiffer,
    /// They say again what was said in another row of the same statement.
    Repeated,
    /// One side reversed what both sides settled.
    ReversedOnOneSide,
    /// We have it on another day than they say.
    OtherDay,
}

impl Field {
    /// All of them, in order.
    pub const ALL: [Self; FIELDS] = [Self::Total, Self::Fund, Self::Account];

    /// Its word in files and on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Total => "medfee_sumamt",
            Self::Fund => "fund_pay_sumamt",
            Self::Account => "acct_pay",
        }
    }
}

impl Amounts {
    /// All charges, what the funds pay, and what the account pays.
    pub const fn new(total: Fen, fund: Fen, account: Fen) -> Self {
        Self([total, fund, account])
    }

    /// One of them.
    pub fn get(&self, field: Field) -> Fen {
        let Self([total, fund, account]) = *self;
        match field {
            Field::Total => total,
            Field::Fund => fund,
            Field::Account => account,
        }
    }

    /// These less those, or nothing where one does not fit.
    pub fn less(&self, other: &Self) -> Option<Self> {
        let mut all = [Fen::ZERO; FIELDS];
        for ((place, one), other) in all.iter_mut().zip(self.0).zip(other.0) {
            *place = one.checked_sub(other)?;
        }
        Some(Self(all))
    }

    /// Both together, or nothing where one does not fit.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        let mut all = [Fen::ZERO; FIELDS];
        for ((place, one), other) in all.iter_mut().zip(self.0).zip(other.0) {
            *place = one.checked_add(other)?;
        }
        Some(Self(all))
    }

    /// Which fields differ, and by how much ours is more than theirs.
    pub fn differences(&self, theirs: &Self) -> Vec<(Field, Fen)> {
        let by = |field: Field| {
            let by = self.get(field).checked_sub(theirs.get(field))?;
            (by != Fen::ZERO).then_some((field, by))
        };
        Field::ALL.into_iter().filter_map(by).collect()
    }
}

impl Side {
    /// Its word in the database.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Theirs => "theirs",
        }
    }
}

impl Class {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Equal,
        Self::OnlyOurs,
        Self::OnlyTheirs,
        Self::AmountsDiffer,
        Self::Repeated,
        Self::ReversedOnOneSide,
        Self::OtherDay,
    ];

    /// Its word in the database, in files and on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::OnlyOurs => "only_ours",
            Self::OnlyTheirs => "only_theirs",
            Self::AmountsDiffer => "amounts_differ",
            Self::Repeated => "repeated",
            Self::ReversedOnOneSide => "reversed_on_one_side",
            Self::OtherDay => "other_day",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }

    /// Its name in Chinese and English.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Equal => ("一致", "equal"),
            Self::OnlyOurs => ("仅我方有", "only ours"),
            Self::OnlyTheirs => ("仅对方有", "only theirs"),
            Self::AmountsDiffer => ("金额不符", "amounts differ"),
            Self::Repeated => ("对方重复", "repeated by them"),
            Self::ReversedOnOneSide => ("单边撤销", "reversed on one side"),
            Self::OtherDay => ("日期不符", "on another day"),
        }
    }
}
