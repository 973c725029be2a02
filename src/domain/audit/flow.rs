//! Fund flow: what each fund had, was given, granted and has left; what hospitals were owed, got and are still owed.

use std::collections::BTreeMap;

use crate::domain::bill::Care;
use crate::domain::finance::{AccountKind, Fund, PostingKind};
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::money::Fen;
use crate::domain::standing::Scheme;

/// Which days something is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// The month that is looked at.
    Month,
    /// The one before.
    LastMonth,
    /// The same one a year before.
    LastYear,
    /// Any other day before.
    Before,
}

/// What settlements granted, as finely as it is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// When.
    pub period: Period,
    /// The insured region.
    pub region: RegionCode,
    /// By which hospital.
    pub hospital: HospitalCode,
    /// By which scheme.
    pub scheme: Scheme,
    /// The identity that counted; empty: none, or before.
    pub class: String,
    /// What kind of care; nothing: before.
    pub care: Option<Care>,
    /// How many entries, reversals among them.
    pub entries: u64,
    /// How many of them are reversals.
    pub reversals: u64,
    /// How many rest on assumed figures.
    pub assumed: u64,
    /// What those granted.
    pub assumed_granted: Fen,
    /// All charges.
    pub charged: Fen,
    /// What funds and accounts pay to hospitals, by the columns of totals.
    pub total: Fen,
    /// Fund by fund: to hospitals, and to patients beside their bills.
    pub funds: Vec<(Fund, Fen, Fen)>,
}

/// A sum of postings' lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// On which account.
    pub account: AccountKind,
    /// Of which fund.
    pub fund: Fund,
    /// In which region.
    pub region: RegionCode,
    /// Towards which hospital.
    pub hospital: Option<HospitalCode>,
    /// What for and when; nothing: the sum over everything, made by itself.
    pub of: Option<(PostingKind, Period)>,
    /// Above zero a debit.
    pub amount: Fen,
}

/// By what lines are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// By fund alone.
    Fund,
    /// By fund and region.
    Region,
    /// By fund, region and hospital.
    Hospital,
    /// By fund and class of recipient.
    Class,
    /// By fund and kind of care.
    Care,
    /// By all of these together.
    Detail,
}

/// What a line is of; what it is not told apart by is nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Which fund.
    pub fund: Fund,
    /// Which region.
    pub region: Option<RegionCode>,
    /// Which hospital.
    pub hospital: Option<HospitalCode>,
    /// The identity that counted.
    pub class: String,
    /// What kind of care.
    pub care: Option<Care>,
}

macro_rules! measures {
    ($($(#[$doc:meta])* $name:ident $word:literal $zh:literal $en:literal),* $(,)?) => {
        /// What is told of each line.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Measure { $($(#[$doc])* $name),* }

        impl Measure {
            /// All of them, in the order in which they are told.
            pub const ALL: [Self; MEASURES] = [$(Self::$name),*];

            /// Its word on the wire and in files.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// For people.
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$name => $zh),* }
            }

            /// For people.
            pub const fn en(self) -> &'static str {
                match self { $(Self::$name => $en),* }
            }
        }
    };
}

/// How many measures there are.
pub const MEASURES: usize = 28;

measures! {
    /// What the fund had left before the month: given, less granted.
    Opening "opening" "期初结余" "opening",
    /// What it was given.
    Appropriated "appropriated" "本月拨入" "appropriated",
    /// What came back to it: deposits kept, what underwriters bear.
    Returned "returned" "退回及承保方承担" "returned",
    /// Corrections and what else moved it.
    Corrected "corrected" "更正" "corrected",
    /// What settlements granted.
    Granted "granted" "本月支出" "granted",
    /// What it has left.
    Closing "closing" "期末结余" "closing",
    /// What hospitals were owed before the month.
    OwedBefore "owed_before" "期初应付医院" "owed before",
    /// What settlements added to it.
    GrantedToHospitals "granted_to_hospitals" "本月应付医院" "granted to hospitals",
    /// What banks, the core or underwriters paid.
    Paid "paid" "本月拨付" "paid",
    /// What was withheld as deposits.
    Withheld "withheld" "本月扣留质保金" "withheld",
    /// Advances that were used up.
    AdvanceUsed "advance_used" "冲抵预付" "advance used",
    /// Refunds of hospitals, write-offs and corrections, as they add to what is owed.
    OwedOther "owed_other" "其他增减" "other",
    /// What hospitals are still owed.
    Owed "owed" "期末应付未付" "still owed",
    /// Deposits held before the month.
    HeldBefore "held_before" "期初质保金" "deposits before",
    /// Deposits paid out.
    Released "released" "本月返还质保金" "released",
    /// Deposits kept after an assessment.
    Kept "kept" "考核扣减质保金" "kept",
    /// Corrections of deposits.
    HeldOther "held_other" "质保金更正" "deposits corrected",
    /// Deposits held.
    Held "held" "期末质保金" "deposits held",
    /// Paid to hospitals in advance.
    Advanced "advanced" "本月预付" "advanced",
    /// Granted to patients beside their bills.
    Benefits "benefits" "票外补助" "benefits",
    /// Paid to patients.
    Refunded "refunded" "退付个人" "refunded",
    /// Given up.
    WrittenOff "written_off" "核销" "written off",
    /// Money at hand, by what was posted.
    Treasury "treasury" "账户余额" "at hand",
    /// Granted the month before.
    GrantedLastMonth "granted_last_month" "上月支出" "granted last month",
    /// Granted in the same month of last year.
    GrantedLastYear "granted_last_year" "上年同月支出" "granted last year",
    /// Paid the month before.
    PaidLastMonth "paid_last_month" "上月拨付" "paid last month",
    /// Paid in the same month of last year.
    PaidLastYear "paid_last_year" "上年同月拨付" "paid last year",
    /// Given the month before.
    AppropriatedLastMonth "appropriated_last_month" "上月拨入" "appropriated last month",
}

/// An amount for each measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts([Fen; MEASURES]);

/// A month of some regions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    finest: BTreeMap<Key, Amounts>,
    /// Entries of the month.
    pub entries: u64,
    /// Reversals among them.
    pub reversals: u64,
    /// Those that rest on assumed figures.
    pub assumed: u64,
    /// What those granted.
    pub assumed_granted: Fen,
    /// All charges.
    pub charged: Fen,
}

/// What does not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The funds of some settlements do not make up what they pay in all.
    Funds {
        /// Where.
        region: RegionCode,
        /// Of which hospital.
        hospital: HospitalCode,
    },
    /// A fund's opening, what came in and what was granted do not make up its closing.
    Closing(Fund),
    /// What hospitals were owed, what was added and what they got do not make up what they are owed.
    Owed(Fund),
    /// Deposits held, withheld and released do not make up those held.
    Held(Fund),
    /// The lines of a breakdown do not make up their fund.
    Breakdown(By, Fund),
    /// An amount is past anything that is taken.
    Overflow,
}

impl Period {
    /// From its number in the store.
    pub const fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            0 => Self::Month,
            1 => Self::LastMonth,
            2 => Self::LastYear,
            3 => Self::Before,
            _ => return None,
        })
    }
}

impl By {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Fund, Self::Region, Self::Hospital, Self::Class, Self::Care, Self::Detail];

    /// Its word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fund => "fund",
            Self::Region => "region",
            Self::Hospital => "hospital",
            Self::Class => "class",
            Self::Care => "care",
            Self::Detail => "detail",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.word() == word)
    }

    fn key(self, key: &Key) -> Key {
        let Key { fund, region, hospital, class, care } = key.clone();
        let of = Key { fund, region: None, hospital: None, class: String::new(), care: None };
        match self {
            Self::Fund => of,
            Self::Region => Key { region, ..of },
            Self::Hospital => Key { region, hospital, ..of },
            Self::Class => Key { class, ..of },
            Self::Care => Key { care, ..of },
            Self::Detail => key.clone(),
        }
    }
}

impl Mismatch {
    /// Its stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Funds { .. } => "FLOW_FUNDS_DIFFER",
            Self::Closing(_) => "FLOW_DOES_NOT_CLOSE",
            Self::Owed(_) => "FLOW_OWED_DIFFERS",
            Self::Held(_) => "FLOW_DEPOSITS_DIFFER",
            Self::Breakdown(..) => "FLOW_BREAKDOWN_DIFFERS",
            Self::Overflow => "FLOW_OVERFLOW",
        }
    }
}

impl Amounts {
    /// One of them.
    pub fn of(&self, measure: Measure) -> Fen {
        let mut all = Measure::ALL.into_iter().zip(self.0);
        all.find(|(known, _)| *known == measure).map_or(Fen::ZERO, |(_, amount)| amount)
    }

    /// All of them, in the order of [`Measure::ALL`].
    pub const fn all(&self) -> &[Fen; MEASURES] {
        &self.0
    }

    /// Are they all nothing?
    pub fn is_nothing(&self) -> bool {
        self.0.iter().all(|amount| *amount == Fen::ZERO)
    }

    fn put(&mut self, measure: Measure, amount: Fen) -> Result<(), Mismatch> {
        for (place, known) in self.0.iter_mut().zip(Measure::ALL) {
            if known == measure {
                *place = place.checked_add(amount).ok_or(Mismatch::Overflow)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, measure: Measure, amount: Fen) -> Result<(), Mismatch> {
        self.put(measure, amount.checked_neg().ok_or(Mismatch::Overflow)?)
    }

    fn add(&mut self, other: &Self) -> Result<(), Mismatch> {
        for (place, more) in self.0.iter_mut().zip(other.0) {
            *place = place.checked_add(more).ok_or(Mismatch::Overflow)?;
        }
        Ok(())
    }

    /// Some added up, others taken off.
    fn sum(&self, plus: &[Measure], minus: &[Measure]) -> Option<Fen> {
        let sum = plus.iter().try_fold(Fen::ZERO, |sum, of| sum.checked_add(self.of(*of)))?;
        minus.iter().try_fold(sum, |sum, of| sum.checked_sub(self.of(*of)))
    }
}

impl Flow {
    /// Adds a month up, and sees that it adds up.
    pub fn of(granted: &[Granted], posted: &[Posted]) -> Result<Self, Mismatch> {
        let mut flow = Self::default();
        for of in granted {
            flow.grant(of)?;
        }
        for of in posted {
            flow.post(of)?;
        }
        flow.finest.retain(|_, amounts| !amounts.is_nothing());
        flow.check()?;
        Ok(flow)
    }

    /// Lines, added up by this.
    pub fn lines(&self, by: By) -> Result<BTreeMap<Key, Amounts>, Mismatch> {
        let mut lines: BTreeMap<Key, Amounts> = BTreeMap::new();
        for (key, amounts) in &self.finest {
            lines.entry(by.key(key)).or_default().add(amounts)?;
        }
        Ok(lines)
    }

    fn grant(&mut self, of: &Granted) -> Result<(), Mismatch> {
        let Granted { region, hospital, .. } = of;
        let mut total = Fen::ZERO;
        for (fund, granted, benefits) in &of.funds {
            total = total.checked_add(*granted).ok_or(Mismatch::Overflow)?;
            let both = granted.checked_add(*benefits).ok_or(Mismatch::Overflow)?;
            if *granted == Fen::ZERO && *benefits == Fen::ZERO {
                continue;
            }
            let of_all = Key {
                fund: *fund,
                region: Some(*region),
                hospital: Some(hospital.clone()),
                class: String::new(),
                care: None,
            };
            let own = Key { class: of.class.clone(), care: of.care, ..of_all.clone() };
            let line = self.finest.entry(own).or_default();
            match of.period {
                Period::Month => {
                    line.put(Measure::Granted, both)?;
                    line.put(Measure::GrantedToHospitals, *granted)?;
                    line.put(Measure::Benefits, *benefits)?;
                }
                Period::LastMonth => line.put(Measure::GrantedLastMonth, both)?,
                Period::LastYear => line.put(Measure::GrantedLastYear, both)?,
                Period::Before => {}
            }
            // What is held or owed is of a fund and a hospital, and of no class.
            let line = self.finest.entry(of_all).or_default();
            if of.period != Period::Month {
                line.take(Measure::Opening, both)?;
                line.put(Measure::OwedBefore, *granted)?;
            }
            line.take(Measure::Closing, both)?;
            line.put(Measure::Owed, *granted)?;
        }
        if total != of.total {
            return Err(Mismatch::Funds { region: *region, hospital: hospital.clone() });
        }
        if of.period == Period::Month {
            self.entries = self.entries.saturating_add(of.entries);
            self.reversals = self.reversals.saturating_add(of.reversals);
            self.assumed = self.assumed.saturating_add(of.assumed);
            let add = |sum: Fen, more| sum.checked_add(more).ok_or(Mismatch::Overflow);
            self.assumed_granted = add(self.assumed_granted, of.assumed_granted)?;
            self.charged = add(self.charged, of.charged)?;
        }
        Ok(())
    }

    fn post(&mut self, of: &Posted) -> Result<(), Mismatch> {
        let (class, care) = (String::new(), None);
        let (region, hospital) = (Some(of.region), of.hospital.clone());
        let line =
            self.finest.entry(Key { fund: of.fund, region, hospital, class, care }).or_default();
        match of.of {
            None => close(line, of.account, of.amount),
            Some((kind, Period::Month)) => move_month(line, of.account, kind, of.amount),
            Some((kind, period)) => move_before(line, of.account, (kind, period), of.amount),
        }
    }

    fn check(&self) -> Result<(), Mismatch> {
        use Measure as M;
        let funds = self.lines(By::Fund)?;
        for (Key { fund, .. }, all) in &funds {
            let closing =
                all.sum(&[M::Opening, M::Appropriated, M::Returned, M::Corrected], &[M::Granted]);
            if closing != Some(all.of(M::Closing)) {
                return Err(Mismatch::Closing(*fund));
            }
            let plus = [M::OwedBefore, M::GrantedToHospitals, M::OwedOther];
            if all.sum(&plus, &[M::Paid, M::Withheld, M::AdvanceUsed]) != Some(all.of(M::Owed)) {
                return Err(Mismatch::Owed(*fund));
            }
            let plus = [M::HeldBefore, M::Withheld, M::HeldOther];
            if all.sum(&plus, &[M::Released, M::Kept]) != Some(all.of(M::Held)) {
                return Err(Mismatch::Held(*fund));
            }
        }
        for by in By::ALL {
            let mut again: BTreeMap<Fund, Amounts> = BTreeMap::new();
            for (key, amounts) in self.lines(by)? {
                again.entry(key.fund).or_default().add(&amounts)?;
            }
            let differs = funds.iter().find(|(key, all)| again.get(&key.fund) != Some(*all));
            if let Some((key, _)) = differs {
                return Err(Mismatch::Breakdown(by, key.fund));
            }
        }
        Ok(())
    }
}

/// What an account came to in all.
fn close(line: &mut Amounts, account: AccountKind, amount: Fen) -> Result<(), Mismatch> {
    match account {
        AccountKind::FundPool => line.take(Measure::Closing, amount),
        AccountKind::HospitalPayable => line.take(Measure::Owed, amount),
        AccountKind::DepositWithheld => line.take(Measure::Held, amount),
        AccountKind::Treasury => line.put(Measure::Treasury, amount),
        AccountKind::PatientPayable
        | AccountKind::HospitalAdvance
        | AccountKind::CoreClearing
        | AccountKind::RegionClearing
        | AccountKind::Underwriter
        | AccountKind::WriteOff
        | AccountKind::PatientDesk
        | AccountKind::HospitalBorne
        | AccountKind::HospitalDesk => Ok(()),
    }
}

const fn pays(kind: PostingKind) -> bool {
    matches!(
        kind,
        PostingKind::Payment | PostingKind::CoreClearing | PostingKind::UnderwriterPayment
    )
}

fn move_before(
    line: &mut Amounts,
    account: AccountKind,
    (kind, period): (PostingKind, Period),
    amount: Fen,
) -> Result<(), Mismatch> {
    match account {
        AccountKind::FundPool => line.take(Measure::Opening, amount)?,
        AccountKind::HospitalPayable => line.take(Measure::OwedBefore, amount)?,
        AccountKind::DepositWithheld => line.take(Measure::HeldBefore, amount)?,
        AccountKind::Treasury
        | AccountKind::PatientPayable
        | AccountKind::HospitalAdvance
        | AccountKind::CoreClearing
        | AccountKind::RegionClearing
        | AccountKind::Underwriter
        | AccountKind::WriteOff
        | AccountKind::PatientDesk
        | AccountKind::HospitalBorne
        | AccountKind::HospitalDesk => {}
    }
    if account == AccountKind::HospitalPayable && pays(kind) {
        match period {
            Period::LastMonth => line.put(Measure::PaidLastMonth, amount)?,
            Period::LastYear => line.put(Measure::PaidLastYear, amount)?,
            Period::Month | Period::Before => {}
        }
    }
    let given = account == AccountKind::FundPool && kind == PostingKind::Appropriation;
    if given && period == Period::LastMonth {
        line.take(Measure::AppropriatedLastMonth, amount)?;
    }
    Ok(())
}

fn move_month(
    line: &mut Amounts,
    account: AccountKind,
    kind: PostingKind,
    amount: Fen,
) -> Result<(), Mismatch> {
    match (account, kind) {
        (AccountKind::FundPool, PostingKind::Appropriation) => {
            line.take(Measure::Appropriated, amount)
        }
        (AccountKind::FundPool, PostingKind::DepositKept | PostingKind::UnderwriterClaim) => {
            line.take(Measure::Returned, amount)
        }
        (AccountKind::FundPool, _) => line.take(Measure::Corrected, amount),
        (AccountKind::HospitalPayable, kind) if pays(kind) => line.put(Measure::Paid, amount),
        // Told by what was withheld and what was used up.
        (AccountKind::HospitalPayable, PostingKind::Clearing) => Ok(()),
        (AccountKind::HospitalPayable, _) => line.take(Measure::OwedOther, amount),
        (AccountKind::DepositWithheld, PostingKind::Clearing) => {
            line.take(Measure::Withheld, amount)
        }
        (AccountKind::DepositWithheld, PostingKind::DepositRelease) => {
            line.put(Measure::Released, amount)
        }
        (AccountKind::DepositWithheld, PostingKind::DepositKept) => line.put(Measure::Kept, amount),
        (AccountKind::DepositWithheld, _) => line.take(Measure::HeldOther, amount),
        (AccountKind::HospitalAdvance, PostingKind::Clearing) => {
            line.take(Measure::AdvanceUsed, amount)
        }
        (AccountKind::HospitalAdvance, PostingKind::Advance) => line.put(Measure::Advanced, amount),
        (AccountKind::PatientPayable, PostingKind::Refund) => line.put(Measure::Refunded, amount),
        (AccountKind::WriteOff, _) => line.put(Measure::WrittenOff, amount),
        (
            AccountKind::Treasury
            | AccountKind::PatientPayable
            | AccountKind::HospitalAdvance
            | AccountKind::CoreClearing
            | AccountKind::RegionClearing
            | AccountKind::Underwriter
            | AccountKind::PatientDesk
            | AccountKind::HospitalBorne
            | AccountKind::HospitalDesk,
            _,
        ) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
