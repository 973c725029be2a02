//! A stay with its charges, and what must hold of it before anybody looks at a rule.

use jiff::civil::Date;

use std::collections::{BTreeMap, BTreeSet};

use super::ids::{HospitalCode, ItemCode, LineId, OperatorId, StayId};
use super::money::{FEN_MAX, Fen, Rate, Rounding, round_scaled};
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
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Inpatient, Self::Outpatient, Self::OutpatientChronic];

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
    /// All of them, in order.
    pub const ALL: [Self; 5] =
        [Self::None, Self::Filed, Self::Unfiled, Self::Emergency, Self::LongTerm];

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

/// What is wrong with a bill that can not be taken. The order is the order in which it is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BillFault {
    /// A part of a stay is billed: only whole stays are settled yet, so that none is paid twice.
    StayPart,
    /// The stay ends before it begins.
    AdmissionAfterDischarge,
    /// The stay ends after today.
    DischargeInFuture,
    /// There are no lines.
    NoLines,
    /// There are more lines than are taken.
    TooManyLines,
    /// Two lines have the same id.
    DuplicateLine,
    /// A line was charged outside the stay.
    ChargedOutsideStay,
    /// Quantity × price is not the line's amount.
    LineAmount,
    /// A negative line names no line that it refunds, or is not of its item and unit price, or refunds more than that line.
    RefundsNothing,
    /// The total is not the sum of the lines.
    Total,
    /// An amount is larger than any we take, or negative where it can not be.
    AmountOutOfRange,
    /// Nothing is left to pay once refunds are taken off.
    NothingCharged,
}

/// A fault and the field it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faulty {
    /// What is wrong.
    pub fault: BillFault,
    /// Where.
    pub field: String,
}

/// A line with what refunds took off it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetCharge<'a> {
    /// The line.
    pub line: &'a ChargeLine,
    /// Its place in the bill.
    pub place: usize,
    /// What is left of its amount.
    pub amount: Fen,
    /// What is left of its quantity, in ten-thousandths.
    pub quantity_e4: i64,
}

impl Bill {
    /// Looks for faults, in the order of [`BillFault`].
    pub fn check(&self, today: Date, lines_max: usize) -> Result<(), Faulty> {
        let faulty = |fault, field: &str| Err(Faulty { fault, field: field.to_owned() });
        if self.stay_part != 0 {
            return faulty(BillFault::StayPart, "bill.stay_part");
        }
        if self.discharge < self.admission {
            return faulty(BillFault::AdmissionAfterDischarge, "bill.admission_date");
        }
        if today < self.discharge {
            return faulty(BillFault::DischargeInFuture, "bill.discharge_date");
        }
        if self.lines.is_empty() {
            return faulty(BillFault::NoLines, "bill.lines");
        }
        if lines_max < self.lines.len() {
            return faulty(BillFault::TooManyLines, "bill.lines");
        }
        let mut seen = self.ids_to_compare();
        let mut sum = 0_i64;
        for (place, line) in self.lines.iter().enumerate() {
            let at = |field: &str| format!("bill.lines[{place}].{field}");
            if seen.as_mut().is_some_and(|seen| !seen.insert(&line.id)) {
                return faulty(BillFault::DuplicateLine, &at("line_id"));
            }
            if line.charged_on < self.admission || self.discharge < line.charged_on {
                return faulty(BillFault::ChargedOutsideStay, &at("charged_on"));
            }
            if FEN_MAX < line.amount.get().saturating_abs() {
                return faulty(BillFault::AmountOutOfRange, &at("amount_fen"));
            }
            if line.priced() != Some(line.amount) {
                return faulty(BillFault::LineAmount, &at("amount_fen"));
            }
            sum = sum.saturating_add(line.amount.get());
        }
        let refunds = self.lines.iter().any(ChargeLine::is_refund);
        if let Some(place) = refunds.then(|| self.net_charges().err()).flatten() {
            return faulty(
                BillFault::RefundsNothing,
                &format!("bill.lines[{place}].refund_of_line_id"),
            );
        }
        if sum != self.total.get() {
            return faulty(BillFault::Total, "bill.total_fen");
        }
        if FEN_MAX < sum {
            return faulty(BillFault::AmountOutOfRange, "bill.total_fen");
        }
        if self.account_balance < Fen::ZERO || FEN_MAX < self.account_balance.get() {
            return faulty(BillFault::AmountOutOfRange, "bill.account_balance_fen");
        }
        if sum == 0 {
            return faulty(BillFault::NothingCharged, "bill.total_fen");
        }
        Ok(())
    }

    /// Where the ids of lines must be compared with each other. Most hospitals count their lines, and then no two are the same.
    fn ids_to_compare(&self) -> Option<BTreeSet<&LineId>> {
        let before = |one: &LineId, next: &LineId| {
            (one.as_bytes().len(), one) < (next.as_bytes().len(), next)
        };
        let counted = self.lines.is_sorted_by(|one, next| before(&one.id, &next.id));
        (!counted).then(BTreeSet::new)
    }

    /// The charges with refunds taken off the lines they refund. The place of a line that refunds nothing is the error.
    pub fn net_charges(&self) -> Result<Vec<NetCharge<'_>>, usize> {
        let mut charges = Vec::with_capacity(self.lines.len());
        let mut places: BTreeMap<&LineId, usize> = BTreeMap::new();
        let refunds = self.lines.iter().any(ChargeLine::is_refund);
        for (place, line) in self.lines.iter().enumerate().filter(|(_, line)| !line.is_refund()) {
            if refunds {
                places.insert(&line.id, charges.len());
            }
            charges.push(NetCharge {
                line,
                place,
                amount: line.amount,
                quantity_e4: line.quantity_e4,
            });
        }
        for (place, line) in self.lines.iter().enumerate().filter(|(_, line)| line.is_refund()) {
            let refunded = line.refund_of.as_ref().and_then(|id| places.get(id));
            let charge = refunded.and_then(|at| charges.get_mut(*at)).ok_or(place)?;
            let amount = charge.amount.checked_add(line.amount).filter(|rest| Fen::ZERO <= *rest);
            let quantity =
                charge.quantity_e4.checked_add(line.quantity_e4).filter(|rest| 0 <= *rest);
            // At another price a refund would move money between what is above the ceiling price and what is not.
            let same_item =
                charge.line.item == line.item && charge.line.unit_price_e6 == line.unit_price_e6;
            let (Some(amount), Some(quantity_e4), true) = (amount, quantity, same_item) else {
                return Err(place);
            };
            charge.amount = amount;
            charge.quantity_e4 = quantity_e4;
        }
        Ok(charges)
    }
}

impl ChargeLine {
    /// Does it give back what another line charged?
    pub const fn is_refund(&self) -> bool {
        self.quantity_e4 < 0 || self.amount.get() < 0
    }

    /// Quantity × price, rounded half-up to the fen.
    fn priced(&self) -> Option<Fen> {
        // e6 yuan × e4 is e10 yuan, which is e8 fen; ten more make the billionths that the one rounding place takes.
        let narrow = self.unit_price_e6.checked_mul(self.quantity_e4);
        let exact = match narrow.and_then(|exact| exact.checked_mul(10)) {
            Some(exact) => i128::from(exact),
            None => i128::from(self.unit_price_e6)
                .checked_mul(self.quantity_e4.into())?
                .checked_mul(10)?,
        };
        round_scaled(exact, Rounding::HalfUp)
    }
}

impl BillFault {
    /// Its stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::StayPart => "STAY_PART_NOT_TAKEN",
            Self::AdmissionAfterDischarge => "ADMISSION_AFTER_DISCHARGE",
            Self::DischargeInFuture => "DISCHARGE_IN_FUTURE",
            Self::NoLines => "NO_LINES",
            Self::TooManyLines => "TOO_MANY_LINES",
            Self::DuplicateLine => "DUPLICATE_LINE",
            Self::ChargedOutsideStay => "CHARGED_OUTSIDE_STAY",
            Self::LineAmount => "LINE_AMOUNT",
            Self::RefundsNothing => "REFUNDS_NOTHING",
            Self::Total => "TOTAL_IS_NOT_THE_SUM",
            Self::AmountOutOfRange => "AMOUNT_OUT_OF_RANGE",
            Self::NothingCharged => "NOTHING_CHARGED",
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
