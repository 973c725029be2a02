//! Conditions, and the amounts and ratios that stand under them.

use super::super::ids::RegionCode;
use super::super::money::{Fen, Rate};
use super::{AmountId, ClauseId, LayerId, When};

/// Something that holds or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All of these; none holds always.
    All(Vec<Self>),
    /// At least one of these.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// The identity being tried is one of these bits.
    Identity(u64),
    /// The hospital's level is one of these bits.
    Level(u64),
    /// The place is one of these bits, by [`Place`].
    Place(u64),
    /// The referral is one of these bits, by its order.
    Referral(u64),
    /// The kind of care is one of these bits, by its order.
    Care(u64),
    /// The transfer is one of these bits, by [`Transfer`].
    Transfer(u64),
    /// A diagnosis falls into one of these bits.
    Disease(u64),
    /// Full years on the discharge date.
    Age(Span),
    /// This is the n-th stay.
    Stay(Span),
    /// This is the n-th stay at this level.
    StaySameLevel(Span),
    /// The hospital is one of these.
    Hospital(Vec<String>),
    /// The hospital's region begins with one of these.
    TreatmentRegion(Vec<String>),
    /// A declared number, or an amount in fen, lies within.
    FactWithin(u16, Span),
    /// A declared flag is this.
    FactFlag(u16, bool),
    /// A declared choice is one of these bits.
    FactChoice(u16, u64),
    /// These earlier layers pay nothing.
    NothingFrom(Vec<LayerId>),
}

/// From `at_least`, inclusive, to `below`, exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Inclusive.
    pub at_least: i64,
    /// Exclusive.
    pub below: i64,
}

/// Where the hospital is, seen from the insured region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Same prefecture.
    Local,
    /// Same province.
    Province,
    /// Elsewhere.
    Outside,
}

/// Whence the patient was transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transfer {
    /// From nowhere.
    None,
    /// From a lower level.
    Up,
    /// From the same level.
    Level,
    /// From a higher level.
    Down,
}

/// A value that holds under a condition.
#[derive(Clone, Debug)]
pub struct Row<T> {
    /// When it holds.
    pub when: When,
    /// The value.
    pub value: T,
    /// Its clause.
    pub clause: ClauseId,
}

/// The first row that holds counts.
pub type Rows<T> = Vec<Row<T>>;
/// An amount of money, by rows.
pub type Amount = Rows<AmountValue>;
/// A ratio, by rows.
pub type Ratio = Rows<RatioValue>;

/// One way to say an amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AmountValue {
    /// As it stands.
    Plain(Fen),
    /// In proportion to something.
    Of {
        /// To what.
        what: Reference,
        /// How much of it.
        times: Rate,
        /// And this.
        plus: Fen,
        /// Not below.
        min: Option<Fen>,
        /// Not above.
        max: Option<Fen>,
    },
}

/// What an amount may be in proportion to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// An index of the package.
    Index(u16),
    /// A fact of kind yuan.
    FactYuan(u16),
    /// A fact of kind number, in yuan for one.
    FactNumber(u16),
    /// Full years, in yuan for one.
    Age,
    /// What may be taken from the personal account.
    AccountBalance,
    /// All charges.
    Total,
    /// An amount before the first layer.
    Gross(AmountId),
}

/// One way to say a ratio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RatioValue {
    /// As it stands.
    Plain(Rate),
    /// Growing with age or a declared number.
    Linear {
        /// At nought.
        base: Rate,
        /// A declared number, or nothing for age.
        per: Option<u16>,
        /// For each.
        each: Rate,
        /// Not below.
        min: Option<Rate>,
        /// Not above.
        max: Option<Rate>,
    },
}

impl Condition {
    /// The one that always holds.
    pub const fn always() -> Self {
        Self::All(Vec::new())
    }

    /// Does it hold whatever the facts are?
    pub fn is_always(&self) -> bool {
        matches!(self, Self::All(parts) if parts.is_empty())
    }
}

impl Place {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Local, Self::Province, Self::Outside];

    /// Its word in rule packages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Province => "province",
            Self::Outside => "outside",
        }
    }

    /// Seen from the insured region.
    pub const fn of(insured: RegionCode, treatment: RegionCode) -> Self {
        let whole_province = insured.get().is_multiple_of(10_000);
        let same_province = insured.province() == treatment.province();
        if insured.prefecture() == treatment.prefecture() || (whole_province && same_province) {
            Self::Local
        } else if same_province {
            Self::Province
        } else {
            Self::Outside
        }
    }
}

impl Transfer {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::None, Self::Up, Self::Level, Self::Down];

    /// Its word in rule packages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Up => "up",
            Self::Level => "level",
            Self::Down => "down",
        }
    }
}
