//! Clearing: what a hospital is owed for a span of closed days, fund by fund, and how it is paid.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::account::{Account, AccountKind, Fund, pool_of};
use super::posting::{Draft, Line, Misplaced, PostingFault, PostingKind};
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::money::{Fen, Rate, Rounding};

/// After so many working days a hospital must have its money, where a region says nothing else: thirty, as the rules for designated
/// hospitals have it in principle (国家医疗保障局令第2号, from the claim on; here from the end of its days, as statements follow at once).
pub const DUE_WORKDAYS_ASSUMED: u16 = 30;
/// What is withheld where a region says nothing: five in a hundred of insurance money. Nobody published it for all: assumed.
pub const DEPOSIT_RATIO_ASSUMED: Rate = Rate::from_billionths(50_000_000);

/// What a region agreed with its hospitals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The share of insurance money that is withheld until the year's assessment.
    pub deposit: Rate,
    /// Within how many working days the rest is due.
    pub workdays: u16,
    /// Did nobody say so?
    pub assumed: bool,
}

/// What one fund owes a hospital by a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundLine {
    /// Which.
    pub fund: Fund,
    /// By the settlements of these days; below zero where more was reversed than settled.
    pub owed: Fen,
    /// Left from the statement before, never above zero.
    pub carried: Fen,
    /// Withheld as a deposit.
    pub withheld: Fen,
    /// Paid in advance, and used up now.
    pub offset: Fen,
    /// Confirmed by banks so far.
    pub paid: Fen,
}

/// Where a statement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Put together; nobody agreed.
    Made,
    /// One person agreed.
    ApprovedOnce,
    /// Two did: it is owed.
    Approved,
    /// On its way to a bank.
    InFile,
    /// Paid, or nothing was to be.
    Paid,
    /// Taken back before it was owed; its days are free.
    Withdrawn,
}

/// How late a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    /// Not due yet.
    NotDue,
    /// Up to thirty days late.
    To30,
    /// Up to ninety.
    To90,
    /// More.
    Beyond,
}

/// What a payment pays: a hospital, for an insured region, by the agency of a treatment region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paying<'a> {
    /// Who is paid.
    pub hospital: &'a HospitalCode,
    /// Whose funds owe it.
    pub insured_region: RegionCode,
    /// Where the hospital is.
    pub treatment_region: RegionCode,
}

impl Terms {
    /// Where nobody said anything.
    pub const ASSUMED: Self =
        Self { deposit: DEPOSIT_RATIO_ASSUMED, workdays: DUE_WORKDAYS_ASSUMED, assumed: true };
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Made, Self::ApprovedOnce, Self::Approved, Self::InFile, Self::Paid, Self::Withdrawn];

    /// Its word in records and on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::ApprovedOnce => "approved_once",
            Self::Approved => "approved",
            Self::InFile => "in_file",
            Self::Paid => "paid",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

impl Age {
    /// All of them, from not due to long overdue.
    pub const ALL: [Self; 4] = [Self::NotDue, Self::To30, Self::To90, Self::Beyond];

    /// Its word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotDue => "not_due",
            Self::To30 => "overdue_to_30_days",
            Self::To90 => "overdue_to_90_days",
            Self::Beyond => "overdue_beyond_90_days",
        }
    }

    /// How late what was due on a day is today.
    pub fn of(due: Date, today: Date) -> Self {
        let late_days = due.until(today).map_or(i32::MAX, |span| span.get_days());
        match late_days {
            ..=0 => Self::NotDue,
            1..=30 => Self::To30,
            31..=90 => Self::To90,
            91.. => Self::Beyond,
        }
    }
}

impl FundLine {
    /// What is to be paid; below zero it is carried to the next statement.
    pub fn net(&self) -> Option<Fen> {
        let owed = self.owed.checked_add(self.carried)?;
        owed.checked_sub(self.withheld)?.checked_sub(self.offset)
    }

    /// What is still to be paid, never below zero.
    pub fn rest(&self) -> Option<Fen> {
        Some(self.net()?.checked_sub(self.paid)?.max(Fen::ZERO))
    }
}

/// What each fund owes by its sums, in the order of funds: a deposit is withheld from what insurance funds owe, then advances are used up.
/// `carried` is what the statement before left below zero, `advances` what each fund paid in advance and is not used up.
pub fn fund_lines(
    owed: &BTreeMap<Fund, Fen>,
    deposit: Rate,
    carried: &BTreeMap<Fund, Fen>,
    advances: &BTreeMap<Fund, Fen>,
) -> Option<Vec<FundLine>> {
    let of = |amounts: &BTreeMap<Fund, Fen>, fund| amounts.get(&fund).copied().unwrap_or_default();
    let mut lines = Vec::new();
    for fund in Fund::ALL {
        let (owed, carried) = (of(owed, fund), of(carried, fund).min(Fen::ZERO));
        if owed == Fen::ZERO && carried == Fen::ZERO {
            continue;
        }
        let due = owed.checked_add(carried)?.max(Fen::ZERO);
        let withheld = if fund.is_withheld_from() {
            due.share(deposit, Rounding::HalfUp)?.min(due)
        } else {
            Fen::ZERO
        };
        let left = due.checked_sub(withheld)?;
        let offset = of(advances, fund).max(Fen::ZERO).min(left);
        lines.push(FundLine { fund, owed, carried, withheld, offset, paid: Fen::ZERO });
    }
    Some(lines)
}

/// What approving a statement posts: what is withheld and what was paid in advance is no longer owed. Nothing where neither is.
pub fn clearing_draft(
    statement: &str,
    region: RegionCode,
    hospital: &HospitalCode,
    lines: &[FundLine],
) -> Option<Result<Draft, PostingFault>> {
    let mut posted = Vec::new();
    for line in lines {
        let mut put = |kind, amount: Fen| {
            if amount != Fen::ZERO {
                let account = Account::new(kind, line.fund, region, hospital.as_str())?;
                posted.push(Line { account, amount });
            }
            Some(())
        };
        put(AccountKind::HospitalPayable, line.withheld.checked_add(line.offset)?)?;
        put(AccountKind::DepositWithheld, line.withheld.checked_neg()?)?;
        put(AccountKind::HospitalAdvance, line.offset.checked_neg()?)?;
    }
    if posted.is_empty() {
        return None;
    }
    Some(Draft::new(
        PostingKind::Clearing,
        posted,
        None,
        (statement, "清算审定 statement approved"),
    ))
}

/// What a confirmed payment posts. Where another agency than the insured one pays, it pays for that one, which owes it from then on.
pub fn payment_draft(
    paying: &Paying<'_>,
    amounts: &[(Fund, Fen)],
    reference: &str,
) -> Result<Draft, PostingFault> {
    let Paying { hospital, insured_region, treatment_region } = paying;
    let (insured_pool, paying_pool) = (pool_of(*insured_region), pool_of(*treatment_region));
    let across = insured_pool != paying_pool;
    let mut lines = Vec::new();
    for (fund, amount) in amounts {
        let credit = amount.checked_neg().ok_or(PostingFault::Amount)?;
        let mut put = |kind, region, counterparty: &str, amount| {
            let account = Account::new(kind, *fund, region, counterparty);
            let unfit = Misplaced { line: lines.len(), account: kind, side: None };
            lines.push(Line { account: account.ok_or(PostingFault::Account(unfit))?, amount });
            Ok(())
        };
        put(AccountKind::HospitalPayable, *insured_region, hospital.as_str(), *amount)?;
        if across {
            let (payer, insured) = (paying_pool.to_string(), insured_region.to_string());
            put(AccountKind::RegionClearing, *insured_region, &payer, credit)?;
            put(AccountKind::RegionClearing, paying_pool, &insured, *amount)?;
            put(AccountKind::Treasury, paying_pool, "", credit)?;
        } else {
            put(AccountKind::Treasury, *insured_region, "", credit)?;
        }
    }
    let reason = if across { "异地垫付 paid for another region" } else { "拨付 paid" };
    Draft::new(PostingKind::Payment, lines, None, (reference, reason))
}

/// Which funds a payment is of: they are paid in their order, each in full before the next.
pub fn allocate(paid: Fen, rests: &[(Fund, Fen)]) -> Option<Vec<(Fund, Fen)>> {
    let mut left = paid;
    let mut amounts = Vec::new();
    for (fund, rest) in rests {
        let amount = left.min(*rest);
        if Fen::ZERO < amount {
            amounts.push((*fund, amount));
            left = left.checked_sub(amount)?;
        }
    }
    (left == Fen::ZERO).then_some(amounts)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn amounts(of: &[(Fund, i64)]) -> BTreeMap<Fund, Fen> {
        of.iter().map(|(fund, fen)| (*fund, Fen::new(*fen))).collect()
    }

    fn check(
        owed: &[(Fund, i64)],
        carried: &[(Fund, i64)],
        advances: &[(Fund, i64)],
        expected: &[(Fund, i64, i64, i64)],
    ) {
        let deposit = DEPOSIT_RATIO_ASSUMED;
        let lines = fund_lines(&amounts(owed), deposit, &amounts(carried), &amounts(advances));
        let lines = lines.unwrap().into_iter().map(|line| {
            (line.fund, line.withheld.get(), line.offset.get(), line.net().unwrap().get())
        });
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_deposit_is_withheld_from_insurance_money_and_never_from_relief() {
        let (basic, aid) = (Fund::BasicResident, Fund::MedicalAid);
        check(&[], &[], &[], &[]);
        check(
            &[(aid, 10_000), (basic, 10_001)],
            &[],
            &[],
            &[(basic, 500, 0, 9_501), (aid, 0, 0, 10_000)],
        );
        // An advance is used up after it, and never more than there is.
        check(&[(basic, 10_000)], &[], &[(basic, 2_000)], &[(basic, 500, 2_000, 7_500)]);
        check(&[(basic, 10_000)], &[], &[(basic, 50_000)], &[(basic, 500, 9_500, 0)]);
        // Advances of one fund pay nothing of another.
        check(&[(basic, 10_000)], &[], &[(aid, 50_000)], &[(basic, 500, 0, 9_500)]);
        // More was reversed than settled: it is carried, and taken off the next.
        check(&[(basic, -300)], &[], &[(basic, 100)], &[(basic, 0, 0, -300)]);
        check(&[(basic, 1_000)], &[(basic, -300)], &[], &[(basic, 35, 0, 665)]);
        check(&[], &[(basic, -300)], &[], &[(basic, 0, 0, -300)]);
        // What is carried above zero was a statement's own to pay.
        check(&[(aid, 5)], &[(aid, 700)], &[], &[(aid, 0, 0, 5)]);
    }

    #[test]
    fn what_is_approved_and_paid_is_posted_to_the_fen() {
        let region = RegionCode::new("520201").unwrap();
        let hospital = HospitalCode::new("H1").unwrap();
        let owed = amounts(&[(Fund::BasicResident, 10_000), (Fund::MedicalAid, 400)]);
        let advances = amounts(&[(Fund::MedicalAid, 100)]);
        let lines = fund_lines(&owed, DEPOSIT_RATIO_ASSUMED, &BTreeMap::new(), &advances).unwrap();
        let draft = clearing_draft("C1", region, &hospital, &lines).unwrap().unwrap();
        let told = |draft: &Draft| {
            let lines = draft.lines().iter().map(|line| {
                let account = &line.account;
                let (kind, fund) = (account.kind().word(), account.fund().word());
                format!("{} {kind} {fund} {}", account.region(), line.amount)
            });
            lines.collect::<Vec<_>>()
        };
        assert_eq!(
            told(&draft),
            [
                "520201 hospital_payable basic_resident 5.00",
                "520201 deposit_withheld basic_resident -5.00",
                "520201 hospital_payable medical_aid 1.00",
                "520201 hospital_advance medical_aid -1.00",
            ]
        );
        let rests: Vec<_> = lines.iter().map(|line| (line.fund, line.rest().unwrap())).collect();
        assert_eq!(allocate(Fen::new(9_801), &rests), None, "more than is owed");
        let paid = allocate(Fen::new(9_600), &rests).unwrap();
        assert_eq!(
            paid,
            [(Fund::BasicResident, Fen::new(9_500)), (Fund::MedicalAid, Fen::new(100))]
        );
        let here = Paying { hospital: &hospital, insured_region: region, treatment_region: region };
        let draft = payment_draft(&here, &paid[1..], "F1 1").unwrap();
        assert_eq!(
            told(&draft),
            ["520201 hospital_payable medical_aid 1.00", "520201 treasury medical_aid -1.00"]
        );
        let away = Paying { treatment_region: RegionCode::new("530102").unwrap(), ..here };
        let draft = payment_draft(&away, &paid[1..], "F1 1").unwrap();
        assert_eq!(
            told(&draft),
            [
                "520201 hospital_payable medical_aid 1.00",
                "520201 region_clearing medical_aid -1.00",
                "530100 region_clearing medical_aid 1.00",
                "530100 treasury medical_aid -1.00",
            ]
        );
        assert!(clearing_draft("C1", region, &hospital, &[]).is_none());
    }

    #[test]
    fn every_fund_at_once_fits_into_a_posting() {
        let owed: BTreeMap<_, _> =
            Fund::ALL.into_iter().map(|fund| (fund, Fen::new(100))).collect();
        let lines = fund_lines(&owed, Rate::ONE, &BTreeMap::new(), &owed).unwrap();
        let region = RegionCode::new("520201").unwrap();
        let hospital = HospitalCode::new("H1").unwrap();
        assert!(clearing_draft("C1", region, &hospital, &lines).unwrap().is_ok());
        let amounts: Vec<_> = owed.into_iter().collect();
        let treatment_region = RegionCode::new("110101").unwrap();
        let paying = Paying { hospital: &hospital, insured_region: region, treatment_region };
        assert!(payment_draft(&paying, &amounts, "F1 1").is_ok());
    }

    #[test]
    fn a_payment_ages() {
        let check = |today, age| assert_eq!(Age::of(date(2026, 1, 31), today), age, "{today}");
        check(date(2025, 1, 1), Age::NotDue);
        check(date(2026, 1, 31), Age::NotDue);
        check(date(2026, 2, 1), Age::To30);
        check(date(2026, 3, 2), Age::To30);
        check(date(2026, 3, 3), Age::To90);
        check(date(2026, 5, 1), Age::To90);
        check(date(2026, 5, 2), Age::Beyond);
        check(date(2036, 5, 2), Age::Beyond);
    }
}
