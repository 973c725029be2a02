//! What a decision says: the shares of every payer with the clause behind each, or why there are none.

use super::money::{Fen, Rate};

/// The answer to a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Pay these shares.
    Settled(Box<Outcome>),
    /// Pay nothing, and say why.
    Declined(Decline),
    /// Somebody else must tell what this layer pays, and is told its base.
    Needs {
        /// Index of the layer in the package.
        layer: u16,
        /// What it looks at.
        base: Fen,
    },
}

/// Why a bill that was read can not be settled. The order is the precedence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decline {
    /// Why.
    pub reason: Reason,
    /// The field or clause it concerns.
    pub subject: String,
}

/// The reasons to decline, by falling precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The hospital is not known on the discharge date.
    HospitalUnknown,
    /// The person is not known.
    PersonUnknown,
    /// The person has no coverage on the discharge date.
    NotCovered,
    /// The person is insured by more than one scheme, and the bill names none.
    SchemeAmbiguous,
    /// No rule package for the region and scheme on the discharge date.
    NoPackageInForce,
    /// The person's waiting time is not over.
    Waiting,
    /// The stay overlaps another of the same person.
    StayOverlaps,
    /// The stay ended before one that is already settled, and the package does not take it.
    StayLate,
    /// An item is not in the catalogue on its day.
    ItemUnknown,
    /// The hospital's class of an item disagrees with the catalogue.
    ClassDisagrees,
    /// The catalogue counts an item under an amount that the package does not declare.
    AmountUndeclared,
    /// A fact that the package needs is missing and has no default.
    FactMissing,
    /// A fact has a value that the package can not read.
    FactUnreadable,
    /// A fact was given that the package does not declare.
    FactUnknown,
    /// The stay from which the patient was transferred is not known.
    TransferUnknown,
    /// No row of a table matches.
    NoRowMatches,
    /// Somebody else must tell what a layer pays, and nobody is there to ask.
    NobodyTells,
    /// What somebody else told to pay is above what is left, or negative.
    ToldAboveLeft,
    /// An amount does not fit.
    Overflow,
    /// A fund has not enough left of its budget, and its region wants such bills declined.
    FundRunDry,
}

/// What everyone pays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The national amounts.
    pub breakdown: Breakdown,
    /// What each layer paid, in order; layers that paid nothing included where they applied.
    pub layers: Vec<LayerPay>,
    /// Fixed benefits: beside the bill, never netted from it.
    pub fixed: Vec<LayerPay>,
    /// Aid that may be applied for, with the amount it would be.
    pub may_apply: Vec<LayerPay>,
    /// What the accumulators move by.
    pub moved: Vec<Moved>,
    /// The identity that counted: one for the cascade, or one a layer.
    pub identities_used: Vec<IdentityUsed>,
    /// The steps, in order. Empty where no trace was asked for.
    pub trace: Vec<Step>,
    /// Layers that somebody else decides who did not answer: decided by our own rules, until trued up.
    pub provisional: Vec<u16>,
}

/// The closed set of national amounts. Every one is negated in a reversal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breakdown {
    /// All charges. [medfee_sumamt]
    pub total: Fen,
    /// Class C. [fulamt_ownpay_amt]
    pub out_of_catalogue: Fen,
    /// Above the ceiling price. [overlmt_selfpay]
    pub over_limit: Fen,
    /// The patient's first share of class B, and moves. [preselfpay_amt]
    pub advance: Fen,
    /// What the funds may look at. [inscp_scp_amt]
    pub in_scope: Fen,
    /// Deductible taken before the basic pool. [act_pay_dedc]
    pub deductible: Fen,
    /// What each column of a fund or other payer gets, by [`Column`].
    pub paid: [Fen; COLUMNS],
    /// Borne by the hospital. [hosp_part_amt]
    pub hospital_borne: Fen,
    /// From the personal account. [acct_pay]
    pub account: Fen,
    /// In cash: the number at the counter. [psn_cash_pay]
    pub cash: Fen,
}

/// How many columns funds and other payers have.
pub const COLUMNS: usize = 9;

/// The national column under which a payer's share is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// Basic pool. [hifp_pay]
    BasicPool,
    /// Civil servants' supplement. [cvlserv_pay]
    CivilServant,
    /// Enterprise supplement. [hifes_pay]
    EnterpriseSupplement,
    /// Critical illness, residents. [hifmi_pay]
    CriticalIllness,
    /// Large-amount supplement, employees. [hifob_pay]
    LargeAmount,
    /// Disabled soldiers. [hifdm_pay]
    DisabledSoldier,
    /// Medical aid. [maf_pay]
    MedicalAid,
    /// Second aid. [610102]
    TiltedAid,
    /// Any other fund or payer. [oth_pay]
    Other,
}

/// What one layer pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerPay {
    /// Index of the layer in the package.
    pub layer: u16,
    /// What it looked at.
    pub base: Fen,
    /// Deductible taken in it.
    pub deductible: Fen,
    /// What it pays.
    pub pay: Fen,
    /// Is any figure behind it assumed?
    pub assumed: bool,
}

/// What an accumulator moves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// What is counted: index into the package's accumulators.
    pub slot: u16,
    /// By how much.
    pub by: Fen,
}

/// Which identity counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityUsed {
    /// The layer, or nothing where it counted for the whole cascade.
    pub layer: Option<u16>,
    /// Index into the package's identities, or nothing where none was best.
    pub identity: Option<u16>,
}

/// One step of the decision, small enough to keep by the dozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Index of the layer; nothing for the steps before the layers.
    pub layer: Option<u16>,
    /// What was done.
    pub action: Action,
    /// Index into the package's table of clauses.
    pub clause: u16,
    /// The amount looked at.
    pub base: Fen,
    /// The ratio applied, where one is.
    pub rate: Option<Rate>,
    /// The outcome of the step.
    pub amount: Fen,
    /// What is left to the patient after it.
    pub left: Fen,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Part of an amount was moved to another before the layers.
    Move,
    /// What the layer looks at.
    Base,
    /// Cost that may enter was capped.
    EntryCeiling,
    /// The deductible.
    Deductible,
    /// A slice at its ratio.
    Band,
    /// A tilt applied.
    Tilt,
    /// An adjustment applied.
    Adjustment,
    /// The pay was capped.
    Ceiling,
    /// A target was filled up.
    Target,
    /// Somebody else told the pay.
    Told,
    /// What the layer pays.
    Pay,
    /// A fixed benefit, beside the bill.
    Fixed,
    /// May be applied for, not paid at the desk.
    Application,
}

impl Column {
    /// All of them, in the order of [`Breakdown::paid`].
    pub const ALL: [Self; COLUMNS] = [
        Self::BasicPool,
        Self::CivilServant,
        Self::EnterpriseSupplement,
        Self::CriticalIllness,
        Self::LargeAmount,
        Self::DisabledSoldier,
        Self::MedicalAid,
        Self::TiltedAid,
        Self::Other,
    ];

    /// Its word in rule packages, and the root of its column's name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BasicPool => "basic_pool",
            Self::CivilServant => "civil_servant",
            Self::EnterpriseSupplement => "enterprise_supplement",
            Self::CriticalIllness => "critical_illness",
            Self::LargeAmount => "large_amount",
            Self::DisabledSoldier => "disabled_soldier",
            Self::MedicalAid => "medical_aid",
            Self::TiltedAid => "tilted_aid",
            Self::Other => "other",
        }
    }
}

impl Action {
    /// Its word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Base => "base",
            Self::EntryCeiling => "entry_ceiling",
            Self::Deductible => "deductible",
            Self::Band => "band",
            Self::Tilt => "tilt",
            Self::Adjustment => "adjustment",
            Self::Ceiling => "ceiling",
            Self::Target => "target",
            Self::Told => "told",
            Self::Pay => "pay",
            Self::Fixed => "fixed",
            Self::Application => "application",
        }
    }
}

impl Breakdown {
    /// All funds and other payers together. [fund_pay_sumamt]
    pub fn fund_total(&self) -> Option<Fen> {
        self.paid.iter().try_fold(Fen::ZERO, |sum, paid| sum.checked_add(*paid))
    }

    /// What is left to the patient. [psn_part_amt]
    pub fn patient(&self) -> Option<Fen> {
        self.account.checked_add(self.cash)
    }

    /// Do the identities hold that must hold in every answer?
    pub fn adds_up(&self) -> bool {
        let split = [self.out_of_catalogue, self.over_limit, self.advance, self.in_scope];
        let split = split.iter().try_fold(Fen::ZERO, |sum, part| sum.checked_add(*part));
        let borne =
            || self.fund_total()?.checked_add(self.hospital_borne)?.checked_add(self.patient()?);
        split == Some(self.total) && borne() == Some(self.total)
    }

    /// Every amount the other way round.
    pub fn negated(&self) -> Option<Self> {
        let mut paid = self.paid;
        for column in &mut paid {
            *column = column.checked_neg()?;
        }
        Some(Self {
            total: self.total.checked_neg()?,
            out_of_catalogue: self.out_of_catalogue.checked_neg()?,
            over_limit: self.over_limit.checked_neg()?,
            advance: self.advance.checked_neg()?,
            in_scope: self.in_scope.checked_neg()?,
            deductible: self.deductible.checked_neg()?,
            paid,
            hospital_borne: self.hospital_borne.checked_neg()?,
            account: self.account.checked_neg()?,
            cash: self.cash.checked_neg()?,
        })
    }
}

impl Reason {
    /// Its stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::HospitalUnknown => "HOSPITAL_UNKNOWN",
            Self::PersonUnknown => "PERSON_UNKNOWN",
            Self::NotCovered => "NOT_COVERED",
            Self::SchemeAmbiguous => "SCHEME_AMBIGUOUS",
            Self::NoPackageInForce => "NO_PACKAGE_IN_FORCE",
            Self::Waiting => "WAITING",
            Self::StayOverlaps => "STAY_OVERLAPS",
            Self::StayLate => "STAY_LATE",
            Self::ItemUnknown => "ITEM_UNKNOWN",
            Self::ClassDisagrees => "CLASS_DISAGREES",
            Self::AmountUndeclared => "AMOUNT_UNDECLARED",
            Self::FactMissing => "FACT_MISSING",
            Self::FactUnreadable => "FACT_UNREADABLE",
            Self::FactUnknown => "FACT_UNKNOWN",
            Self::TransferUnknown => "TRANSFER_UNKNOWN",
            Self::NoRowMatches => "NO_ROW_MATCHES",
            Self::NobodyTells => "NOBODY_TELLS",
            Self::ToldAboveLeft => "TOLD_ABOVE_LEFT",
            Self::Overflow => "OVERFLOW",
            Self::FundRunDry => "FUND_RUN_DRY",
        }
    }

    /// Could the very same bill be settled later, once the cause is mended?
    pub const fn transient(self) -> bool {
        match self {
            Self::HospitalUnknown
            | Self::PersonUnknown
            | Self::NotCovered
            | Self::NoPackageInForce
            | Self::Waiting
            | Self::StayOverlaps
            | Self::ItemUnknown
            | Self::ClassDisagrees
            | Self::AmountUndeclared
            | Self::TransferUnknown
            | Self::NoRowMatches
            | Self::ToldAboveLeft
            | Self::FundRunDry => true,
            // The same bill is declined again until a core is connected, which no desk can wait for.
            Self::NobodyTells => false,
            Self::SchemeAmbiguous
            | Self::StayLate
            | Self::FactMissing
            | Self::FactUnreadable
            | Self::FactUnknown
            | Self::Overflow => false,
        }
    }
}

impl Decline {
    /// A reason with what it concerns.
    pub fn new(reason: Reason, subject: impl Into<String>) -> Self {
        Self { reason, subject: subject.into() }
    }
}
