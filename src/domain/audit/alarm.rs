//! What must be seen at a glance: money that was held back, intercepted or diverted, each with why it stands there.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::{Date, date};

use super::flow::{By, Flow, Measure, Mismatch};
use crate::domain::finance::account::pool_of;
use crate::domain::finance::clearing::State;
use crate::domain::finance::workdays::is_workday;
use crate::domain::finance::{AccountKind, Fund};
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::money::Fen;

/// A deposit is paid out or kept by this day of the year after: assumed, since the year's assessment is published by no rule for all.
pub const DEPOSIT_RELEASE_ASSUMED: (i8, i8) = (6, 30);
/// How late is counted so far, and then no further: some eight years.
const LATE_WORKDAYS_MAX: u32 = 2_000;

/// What kind, in the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmKind {
    /// Paid to an account that is not the hospital's.
    Elsewhere,
    /// Paid to an account that is more than one hospital's.
    SharedAccount,
    /// Money of a fund was spent that it did not have: it was another's.
    BelowZero,
    /// A hospital got more of one fund than it owed.
    Overpaid,
    /// A statement was not paid when it was due.
    Late,
    /// What was settled before the month is in no statement.
    Unstated,
    /// A deposit is withheld past its release.
    DepositOverdue,
    /// Money was moved by a correction.
    ByHand,
}

/// A line at the top of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// What kind.
    pub kind: AlarmKind,
    /// Of which fund, where it is of one.
    pub fund: Option<Fund>,
    /// In which region.
    pub region: RegionCode,
    /// Which hospital.
    pub hospital: Option<HospitalCode>,
    /// The statement, the payment or the posting.
    pub reference: String,
    /// How much.
    pub amount: Fen,
    /// How many working days late.
    pub workdays_late: Option<u32>,
    /// Does it rest on a day that nobody published?
    pub assumed: bool,
    /// What more is known, in both languages.
    pub more: (String, String),
}

/// A statement that was due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateStatement {
    /// Which.
    pub id: String,
    /// Of whom.
    pub hospital: HospitalCode,
    /// By whose funds.
    pub region: RegionCode,
    /// First and last day.
    pub days: (Date, Date),
    /// When it was due.
    pub due: Date,
    /// Was that assumed?
    pub assumed: bool,
    /// Where it stands.
    pub state: State,
    /// When it was paid, if it was.
    pub paid_on: Option<Date>,
    /// How much was late.
    pub amount: Fen,
}

/// What statements say is open, or deposits that are overdue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfHospital {
    /// Of whom.
    pub hospital: HospitalCode,
    /// Where.
    pub region: RegionCode,
    /// Of which fund.
    pub fund: Fund,
    /// How much.
    pub amount: Fen,
}

impl AlarmKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Elsewhere,
        Self::SharedAccount,
        Self::BelowZero,
        Self::Overpaid,
        Self::Late,
        Self::Unstated,
        Self::DepositOverdue,
        Self::ByHand,
    ];

    /// Its word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Elsewhere => "paid_elsewhere",
            Self::SharedAccount => "shared_account",
            Self::BelowZero => "fund_below_zero",
            Self::Overpaid => "overpaid",
            Self::Late => "late",
            Self::Unstated => "unstated",
            Self::DepositOverdue => "deposit_overdue",
            Self::ByHand => "by_hand",
        }
    }

    /// What it is, in both languages.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Elsewhere => (
                "疑似截留：款项付至非该医院确认的账户",
                "Intercepted? Paid to an account that two persons did not say is the hospital's",
            ),
            Self::SharedAccount => (
                "疑似截留：多家医院登记同一银行账号",
                "Intercepted? One bank account is that of several hospitals",
            ),
            Self::BelowZero => (
                "疑似挪用：该基金账户已支大于收，所付为他项资金",
                "Diverted? The fund paid out more than it had, so the money was another's",
            ),
            Self::Overpaid => (
                "疑似挪用：该基金付给医院的多于应付",
                "Diverted? The fund paid the hospital more than it owed",
            ),
            Self::Late => ("滞留：逾期未按时拨付", "Held back: not paid when it was due"),
            Self::Unstated => (
                "滞留：上月以前已结算而未列入清算单",
                "Held back: settled before the month and in no statement",
            ),
            Self::DepositOverdue => {
                ("滞留：质保金逾期未返还", "Held back: a deposit past its release")
            }
            Self::ByHand => ("人工更正凭证动用资金", "Money was moved by a correction"),
        }
    }
}

/// How many working days a day is after another, and whether a holiday that nobody published lies between.
pub fn workdays_late(due: Date, until: Date) -> (u32, bool) {
    let (mut late, mut assumed, mut day) = (0_u32, false, due);
    while day < until && late < LATE_WORKDAYS_MAX {
        let Ok(next) = day.checked_add(1.day()) else { break };
        let (worked, known) = is_workday(next);
        late = late.saturating_add(worked.into());
        assumed |= !known;
        day = next;
    }
    (late, assumed)
}

/// Up to and with which day what was withheld should have been released by now.
pub fn release_through(as_of: Date) -> Date {
    let (month, day) = DEPOSIT_RELEASE_ASSUMED;
    let years = if date(as_of.year(), month, day) < as_of { 1 } else { 2 };
    date(as_of.year().saturating_sub(years), 12, 31)
}

/// Statements that are late at the end of a day.
pub fn late(statements: Vec<LateStatement>, as_of: Date) -> Vec<Alarm> {
    let alarms = statements.into_iter().map(|of| {
        let until = of.paid_on.unwrap_or(as_of);
        let (workdays, unpublished) = workdays_late(of.due, until);
        let (first, last) = of.days;
        let (state, due) = (of.state.word(), of.due);
        let more = match of.paid_on {
            Some(day) => (
                format!("{first} 至 {last}，应付日 {due}，{day} 方付"),
                format!("{first} to {last}, due {due}, paid only on {day}"),
            ),
            None => (
                format!("{first} 至 {last}，应付日 {due}，截至 {as_of} 未付（{state}）"),
                format!("{first} to {last}, due {due}, not paid by {as_of} ({state})"),
            ),
        };
        Alarm {
            kind: AlarmKind::Late,
            fund: None,
            region: of.region,
            hospital: Some(of.hospital),
            reference: of.id,
            amount: of.amount,
            workdays_late: Some(workdays),
            assumed: of.assumed || unpublished,
            more,
        }
    });
    alarms.collect()
}

/// Deposits past their release.
pub fn deposits(overdue: Vec<OfHospital>, as_of: Date) -> Vec<Alarm> {
    let through = release_through(as_of);
    let (month, day) = DEPOSIT_RELEASE_ASSUMED;
    let due = date(through.year().saturating_add(1), month, day);
    let (late, _) = workdays_late(due, as_of);
    let alarms = overdue.into_iter().map(|of| Alarm {
        kind: AlarmKind::DepositOverdue,
        fund: Some(of.fund),
        region: of.region,
        hospital: Some(of.hospital),
        reference: String::new(),
        amount: of.amount,
        workdays_late: Some(late),
        assumed: true,
        more: (
            format!("{through} 及以前扣留，按 {due} 前返还推定"),
            format!("withheld up to {through}; release by {due} is assumed"),
        ),
    });
    alarms.collect()
}

/// What the flow itself shows: funds and hospitals that got more than there was, and what is in no statement.
pub fn of_flow(flow: &Flow, stated: &[OfHospital]) -> Result<Vec<Alarm>, Mismatch> {
    let mut alarms = below_zero(flow)?;
    let mut open: BTreeMap<(Fund, RegionCode, &HospitalCode), Fen> = BTreeMap::new();
    for of in stated {
        let sum = open.entry((of.fund, of.region, &of.hospital)).or_default();
        *sum = sum.checked_add(of.amount).ok_or(Mismatch::Overflow)?;
    }
    for (key, amounts) in flow.lines(By::Hospital)? {
        let (Some(region), Some(hospital)) = (key.region, key.hospital) else { continue };
        let owed = amounts.of(Measure::Owed);
        let in_statements = open.get(&(key.fund, region, &hospital)).copied().unwrap_or_default();
        let granted = amounts.of(Measure::GrantedToHospitals).max(Fen::ZERO);
        let unstated = owed.checked_sub(in_statements).and_then(|left| left.checked_sub(granted));
        let unstated = unstated.ok_or(Mismatch::Overflow)?;
        let mut put = |kind, amount, more: (&str, &str)| {
            alarms.push(Alarm {
                kind,
                fund: Some(key.fund),
                region,
                hospital: Some(hospital.clone()),
                reference: String::new(),
                amount,
                workdays_late: None,
                assumed: false,
                more: (more.0.to_owned(), more.1.to_owned()),
            });
        };
        // More was reversed than settled: that is no payment.
        let paid = amounts.of(Measure::Paid);
        if owed < Fen::ZERO && Fen::ZERO < paid {
            let over = owed.checked_neg().ok_or(Mismatch::Overflow)?.min(paid);
            put(AlarmKind::Overpaid, over, ("", ""));
        }
        if Fen::ZERO < unstated {
            put(AlarmKind::Unstated, unstated, ("", ""));
        }
    }
    Ok(alarms)
}

/// Money is pooled by prefecture, which is assumed, and so is what a fund has at hand.
fn below_zero(flow: &Flow) -> Result<Vec<Alarm>, Mismatch> {
    let mut at_hand: BTreeMap<(Fund, RegionCode), Fen> = BTreeMap::new();
    for (key, amounts) in flow.lines(By::Region)? {
        let Some(region) = key.region else { continue };
        let sum = at_hand.entry((key.fund, pool_of(region))).or_default();
        *sum = sum.checked_add(amounts.of(Measure::Treasury)).ok_or(Mismatch::Overflow)?;
    }
    let below = at_hand.into_iter().filter(|(_, sum)| *sum < Fen::ZERO);
    let alarms = below.map(|((fund, region), sum)| Alarm {
        kind: AlarmKind::BelowZero,
        fund: Some(fund),
        region,
        hospital: None,
        reference: AccountKind::Treasury.word().to_owned(),
        amount: sum.checked_neg().unwrap_or(sum),
        workdays_late: None,
        assumed: true,
        more: (
            "按已记账凭证；拨款未记账也会如此；推定各基金按地市（直辖市按全市）统筹".to_owned(),
            "by what is posted; an appropriation that nobody posted looks the same; pools are assumed to be the prefectures'".to_owned(),
        ),
    });
    Ok(alarms.collect())
}

/// The worst first.
pub fn sort(alarms: &mut [Alarm]) {
    alarms.sort_by(|a, b| {
        (a.kind, b.amount, a.region, &a.hospital, a.fund, &a.reference).cmp(&(
            b.kind,
            a.amount,
            b.region,
            &b.hospital,
            b.fund,
            &b.reference,
        ))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_is_counted_in_working_days() {
        let check = |due, until, want| assert_eq!(workdays_late(due, until), want, "{due} {until}");
        check(date(2024, 8, 12), date(2024, 8, 12), (0, false));
        check(date(2024, 8, 12), date(2024, 8, 13), (1, false));
        // A Friday, and the Monday after it.
        check(date(2024, 8, 9), date(2024, 8, 12), (1, false));
        // Seven days of National Day, and a Saturday that is worked.
        check(date(2024, 9, 30), date(2024, 10, 8), (1, false));
        check(date(2024, 10, 11), date(2024, 10, 12), (1, false));
        check(date(2026, 12, 30), date(2027, 1, 4), (2 + 1, true));
        check(date(2000, 1, 1), date(2030, 1, 1), (LATE_WORKDAYS_MAX, true));
    }

    #[test]
    fn a_deposit_is_overdue_after_the_middle_of_the_next_year() {
        let check = |as_of, through| assert_eq!(release_through(as_of), through, "{as_of}");
        check(date(2026, 6, 30), date(2024, 12, 31));
        check(date(2026, 7, 1), date(2025, 12, 31));
        check(date(2026, 1, 1), date(2024, 12, 31));
    }
}
