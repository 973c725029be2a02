//! A stay with its charges, and the split of every charge line by the catalogue.

use jiff::civil::Date;

use super::ids::{HospitalCode, ItemCode, LineId, OperatorId, StayId};
use super::money::{Fen, Rate};
use super::standing::Scheme;

/// A stay with its charges, as the hospital knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The hospital.
    pub hospital: HospitalCode,
    /// The stay.
    pub stay: StayId,
    /// 0 for a whole stay; 1, 2, … for the parts of a long stay that is settled midway.
    pub stay_part: i16,
    /// The scheme to settle by; nothing: the person's only one.
    pub scheme: Option<Scheme>,
    /// First day of the stay.
    pub admission: Date,
    /// Last day of the stay.
    pub discharge: Date,
    /// What kind of care.
    pub care: Care,
    /// Referral or filing of care away from home.
    pub referral: Referral,
    /// The earlier stay from which the patient was transferred.
    pub transferred_from: Option<StayId>,
    /// Diagnoses, principal first. Only the groups a package asks for leave this struct.
    pub diagnoses: Vec<String>,
    /// Facts that the package asks for, by name, as text.
    pub facts: Vec<(String, String)>,
    /// The charges.
    pub lines: Vec<ChargeLine>,
    /// All charges, as the hospital adds them up.
    pub total: Fen,
    /// What may be taken from the personal account.
    pub account_balance: Fen,
    /// Who sits at the desk.
    pub operator: Option<OperatorId>,
}

/// One item of the bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeLine {
    /// Unique in the stay.
    pub id: LineId,
    /// National item code.
    pub item: ItemCode,
    /// How many, in ten-thousandths; negative on a refund.
    pub quantity_e4: i64,
    /// Price of one, in millionths of a yuan.
    pub unit_price_e6: i64,
    /// Quantity × price, rounded to the fen.
    pub amount: Fen,
    /// The class as the hospital knows it; must agree with the catalogue.
    pub class: Option<CatalogueClass>,
    /// The line that this one refunds.
    pub refund_of: Option<LineId>,
    /// The day of the charge.
    pub charged_on: Date,
}

/// 甲 / 乙 / 丙.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CatalogueClass {
    /// Wholly in scope.
    A,
    /// The patient first pays a share.
    B,
    /// Out of catalogue.
    C,
}

/// What kind of care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Care {
    /// Inpatient. [21]
    Inpatient,
    /// Outpatient. [11]
    Outpatient,
    /// Outpatient care of a chronic or special disease. [14]
    OutpatientChronic,
}

/// How the patient came to be treated away from home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Referral {
    /// Neither referred nor filed, and none needed.
    None,
    /// Filed or referred as the rules ask.
    Filed,
    /// Should have been filed, and was not.
    Unfiled,
    /// Emergency.
    Emergency,
    /// Lives there for long, and filed so.
    LongTerm,
}

/// What the gateway's catalogue says of an item, in a treatment region, on a day, at a hospital of a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// The item.
    pub item: ItemCode,
    /// First day it says so.
    pub valid_from: Date,
    /// Last day; nothing while it lasts.
    pub valid_to: Option<Date>,
    /// Its class.
    pub class: CatalogueClass,
    /// Its own advance ratio; nothing: the rule package's.
    pub advance_ratio: Option<Rate>,
    /// Ceiling price of one at the hospital's level, in millionths of a yuan.
    pub ceiling_price_e6: Option<i64>,
    /// The declared amount of a rule package that it counts under.
    pub amount_name: Option<String>,
}

impl Care {
    /// Its word in rule packages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inpatient => "inpatient",
            Self::Outpatient => "outpatient",
            Self::OutpatientChronic => "outpatient_chronic",
        }
    }
}

impl Referral {
    /// Its word in rule packages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Filed => "filed",
            Self::Unfiled => "unfiled",
            Self::Emergency => "emergency",
            Self::LongTerm => "long_term",
        }
    }
}
