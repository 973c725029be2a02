//! Accounts: what kind, of which fund, in which region, towards whom.
//!
//! Amounts are signed: what is above zero is a debit, what is below zero a credit.

use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::standing::Scheme;
use crate::domain::verdict::Column;

/// Whose money it is. The basic pools of residents and employees are two funds by law, whatever one column holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fund {
    /// Residents' basic pool. [390100]
    BasicResident,
    /// Employees' basic pool. [310100]
    BasicEmployee,
    /// Civil servants' supplement. [320100]
    CivilServant,
    /// Enterprise supplement. [370100]
    EnterpriseSupplement,
    /// Residents' critical-illness insurance. [390200]
    CriticalIllness,
    /// Employees' large-amount supplement. [330100]
    LargeAmount,
    /// Disabled soldiers. [350100]
    DisabledSoldier,
    /// Medical aid. [610100]
    MedicalAid,
    /// Second, tilted aid. [610102]
    TiltedAid,
    /// A government's backstop. [640100]
    Backstop,
    /// Charity.
    Charity,
    /// Mutual aid of a union or another body.
    MutualAid,
    /// Any other payer. [999997]
    Other,
    /// Personal accounts: the patient's own money, which the insurer keeps and pays to the hospital. [310200]
    PersonalAccount,
}

/// What kind of account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountKind {
    /// Money at hand for a fund.
    Treasury,
    /// What a fund was given, less what it granted: below zero while something is left.
    FundPool,
    /// What a hospital is owed.
    HospitalPayable,
    /// What patients are owed: refunds, and benefits beside the bill.
    PatientPayable,
    /// Withheld from a hospital until its quality was assessed.
    DepositWithheld,
    /// Paid to a hospital in advance.
    HospitalAdvance,
    /// Between us and an insurance core that pays hospitals itself.
    CoreClearing,
    /// Between the treatment region, which pays, and the insured one, which pays it back.
    RegionClearing,
    /// Between us and an underwriter of critical illness: above zero it owes us.
    Underwriter,
    /// Given up.
    WriteOff,
    /// Memo: what patients paid at the desk. Never posted to.
    PatientDesk,
    /// Memo: what hospitals waived. Never posted to.
    HospitalBorne,
    /// Memo: what hospitals got at the desk or waived, the other side of those two. Never posted to.
    HospitalDesk,
}

/// An account of the books.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    kind: AccountKind,
    fund: Fund,
    region: RegionCode,
    counterparty: String,
}

/// An underwriter's name is no longer than this.
const NAME_CHARACTERS_MAX: usize = 60;

impl Fund {
    /// All of them, in the order in which they are listed and paid.
    pub const ALL: [Self; 14] = [
        Self::BasicResident,
        Self::BasicEmployee,
        Self::CivilServant,
        Self::EnterpriseSupplement,
        Self::CriticalIllness,
        Self::LargeAmount,
        Self::DisabledSoldier,
        Self::MedicalAid,
        Self::TiltedAid,
        Self::Backstop,
        Self::Charity,
        Self::MutualAid,
        Self::Other,
        Self::PersonalAccount,
    ];

    /// Its word in records and on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BasicResident => "basic_resident",
            Self::BasicEmployee => "basic_employee",
            Self::CivilServant => "civil_servant",
            Self::EnterpriseSupplement => "enterprise_supplement",
            Self::CriticalIllness => "critical_illness",
            Self::LargeAmount => "large_amount",
            Self::DisabledSoldier => "disabled_soldier",
            Self::MedicalAid => "medical_aid",
            Self::TiltedAid => "tilted_aid",
            Self::Backstop => "backstop",
            Self::Charity => "charity",
            Self::MutualAid => "mutual_aid",
            Self::Other => "other",
            Self::PersonalAccount => "personal_account",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fund| fund.word() == word)
    }

    /// For people.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::BasicResident => "居民基本医保统筹",
            Self::BasicEmployee => "职工基本医保统筹",
            Self::CivilServant => "公务员医疗补助",
            Self::EnterpriseSupplement => "企业补充医疗保险",
            Self::CriticalIllness => "居民大病保险",
            Self::LargeAmount => "职工大额补助",
            Self::DisabledSoldier => "伤残军人补助",
            Self::MedicalAid => "医疗救助",
            Self::TiltedAid => "倾斜救助",
            Self::Backstop => "政府兜底",
            Self::Charity => "慈善救助",
            Self::MutualAid => "医疗互助",
            Self::Other => "其他支付",
            Self::PersonalAccount => "个人账户",
        }
    }

    /// Whose money a payer of a rule package pays with: the column that it books to, and for other payers its name.
    pub fn of(column: Column, scheme: Scheme, payer: &str) -> Self {
        match column {
            Column::BasicPool => match scheme {
                Scheme::Resident => Self::BasicResident,
                Scheme::Employee => Self::BasicEmployee,
            },
            Column::CivilServant => Self::CivilServant,
            Column::EnterpriseSupplement => Self::EnterpriseSupplement,
            Column::CriticalIllness => Self::CriticalIllness,
            Column::LargeAmount => Self::LargeAmount,
            Column::DisabledSoldier => Self::DisabledSoldier,
            Column::MedicalAid => Self::MedicalAid,
            Column::TiltedAid => Self::TiltedAid,
            Column::Other => match payer {
                "backstop" => Self::Backstop,
                "charity" => Self::Charity,
                "mutual_aid" => Self::MutualAid,
                _ => Self::Other,
            },
        }
    }

    /// May a quality deposit be withheld from it? Of insurance money alone: relief money goes to hospitals whole, and what a patient
    /// paid from their own account is not the fund's to keep.
    pub const fn is_withheld_from(self) -> bool {
        match self {
            Self::BasicResident
            | Self::BasicEmployee
            | Self::CivilServant
            | Self::EnterpriseSupplement
            | Self::CriticalIllness
            | Self::LargeAmount => true,
            Self::DisabledSoldier
            | Self::MedicalAid
            | Self::TiltedAid
            | Self::Backstop
            | Self::Charity
            | Self::MutualAid
            | Self::Other
            | Self::PersonalAccount => false,
        }
    }

    /// May a bureau put a ceiling on it that a desk is told of? Personal accounts are the patients' own.
    pub const fn has_budget(self) -> bool {
        match self {
            Self::BasicResident
            | Self::BasicEmployee
            | Self::CivilServant
            | Self::EnterpriseSupplement
            | Self::CriticalIllness
            | Self::LargeAmount
            | Self::DisabledSoldier
            | Self::MedicalAid
            | Self::TiltedAid
            | Self::Backstop
            | Self::Charity
            | Self::MutualAid
            | Self::Other => true,
            Self::PersonalAccount => false,
        }
    }
}

impl AccountKind {
    /// All of them, memos last.
    pub const ALL: [Self; 13] = [
        Self::Treasury,
        Self::FundPool,
        Self::HospitalPayable,
        Self::PatientPayable,
        Self::DepositWithheld,
        Self::HospitalAdvance,
        Self::CoreClearing,
        Self::RegionClearing,
        Self::Underwriter,
        Self::WriteOff,
        Self::PatientDesk,
        Self::HospitalBorne,
        Self::HospitalDesk,
    ];

    /// Its word in records and on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Treasury => "treasury",
            Self::FundPool => "fund_pool",
            Self::HospitalPayable => "hospital_payable",
            Self::PatientPayable => "patient_payable",
            Self::DepositWithheld => "deposit_withheld",
            Self::HospitalAdvance => "hospital_advance",
            Self::CoreClearing => "core_clearing",
            Self::RegionClearing => "region_clearing",
            Self::Underwriter => "underwriter",
            Self::WriteOff => "write_off",
            Self::PatientDesk => "patient_desk",
            Self::HospitalBorne => "hospital_borne",
            Self::HospitalDesk => "hospital_desk",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Is it a memo, which only settlements have lines of?
    pub const fn is_memo(self) -> bool {
        match self {
            Self::PatientDesk | Self::HospitalBorne | Self::HospitalDesk => true,
            Self::Treasury
            | Self::FundPool
            | Self::HospitalPayable
            | Self::PatientPayable
            | Self::DepositWithheld
            | Self::HospitalAdvance
            | Self::CoreClearing
            | Self::RegionClearing
            | Self::Underwriter
            | Self::WriteOff => false,
        }
    }

    /// Is it kept hospital by hospital?
    pub const fn is_of_a_hospital(self) -> bool {
        match self {
            Self::HospitalPayable | Self::DepositWithheld | Self::HospitalAdvance => true,
            Self::Treasury
            | Self::FundPool
            | Self::PatientPayable
            | Self::CoreClearing
            | Self::RegionClearing
            | Self::Underwriter
            | Self::WriteOff
            | Self::PatientDesk
            | Self::HospitalBorne
            | Self::HospitalDesk => false,
        }
    }

    /// Does it take this for whom it is kept towards?
    fn takes(self, counterparty: &str) -> bool {
        match self {
            Self::HospitalPayable | Self::DepositWithheld | Self::HospitalAdvance => {
                HospitalCode::new(counterparty).is_some()
            }
            Self::RegionClearing => RegionCode::new(counterparty).is_some(),
            Self::Underwriter => {
                let characters = counterparty.chars().count();
                (1..=NAME_CHARACTERS_MAX).contains(&characters)
                    && !counterparty.chars().any(char::is_control)
            }
            Self::Treasury
            | Self::FundPool
            | Self::PatientPayable
            | Self::CoreClearing
            | Self::WriteOff => counterparty.is_empty(),
            // Only settlements have lines of these.
            Self::PatientDesk | Self::HospitalBorne | Self::HospitalDesk => false,
        }
    }
}

impl Account {
    /// An account that may be posted to; nothing for a memo, or where the counterparty does not fit the kind: a hospital's code, a
    /// region, an underwriter's name, and else nothing.
    pub fn new(
        kind: AccountKind,
        fund: Fund,
        region: RegionCode,
        counterparty: &str,
    ) -> Option<Self> {
        let fits = kind.takes(counterparty);
        fits.then(|| Self { kind, fund, region, counterparty: counterparty.to_owned() })
    }

    /// What kind.
    pub const fn kind(&self) -> AccountKind {
        self.kind
    }

    /// Of which fund.
    pub const fn fund(&self) -> Fund {
        self.fund
    }

    /// In which region.
    pub const fn region(&self) -> RegionCode {
        self.region
    }

    /// Towards whom; may be empty.
    pub fn counterparty(&self) -> &str {
        &self.counterparty
    }

    /// The hospital that it is kept for.
    pub fn hospital(&self) -> Option<HospitalCode> {
        if self.kind.is_of_a_hospital() { HospitalCode::new(&self.counterparty) } else { None }
    }
}

/// The region whose agency pools the money of this one and pays for it: a prefecture, and in the four municipalities the whole.
/// Assumed: pools are the prefectures' by the rule of 2009 to 2020 (地市级统筹); where a province pools as a whole, that is to be said here
/// and in the database's function of the same name. Reports say so ("pooling").
pub fn pool_of(region: RegionCode) -> RegionCode {
    let municipality = matches!(region.province(), 11 | 12 | 31 | 50);
    let size = if municipality { 10_000 } else { 100 };
    let rest = region.get().checked_rem(size).unwrap_or(0);
    RegionCode::from_number(region.get().saturating_sub(rest)).unwrap_or(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back_and_are_nobody_elses() {
        for fund in Fund::ALL {
            assert_eq!(Fund::from_word(fund.word()), Some(fund));
        }
        for kind in AccountKind::ALL {
            assert_eq!(AccountKind::from_word(kind.word()), Some(kind));
        }
        assert_eq!((Fund::from_word(""), AccountKind::from_word("cash")), (None, None));
    }

    #[test]
    fn an_account_is_kept_towards_whom_its_kind_says() {
        let region = RegionCode::new("520201").unwrap();
        let check = |kind, counterparty: &str, expected: bool| {
            let account = Account::new(kind, Fund::MedicalAid, region, counterparty);
            assert_eq!(account.is_some(), expected, "{kind:?} {counterparty:?}");
        };
        check(AccountKind::Treasury, "", true);
        check(AccountKind::Treasury, "H1", false);
        check(AccountKind::HospitalPayable, "H52020000001", true);
        check(AccountKind::HospitalPayable, "", false);
        check(AccountKind::HospitalAdvance, "H520200000012", false);
        check(AccountKind::RegionClearing, "110000", true);
        check(AccountKind::RegionClearing, "Beijing", false);
        check(AccountKind::Underwriter, "中国人寿六盘水分公司", true);
        check(AccountKind::Underwriter, "", false);
        check(AccountKind::Underwriter, "a\nb", false);
        check(AccountKind::PatientDesk, "", false);
        check(AccountKind::HospitalDesk, "H1", false);
    }

    #[test]
    fn a_payer_pays_with_the_money_of_its_fund() {
        let check = |column, scheme, payer: &str, expected| {
            assert_eq!(Fund::of(column, scheme, payer), expected, "{payer}");
        };
        check(Column::BasicPool, Scheme::Resident, "basic_pool", Fund::BasicResident);
        check(Column::BasicPool, Scheme::Employee, "basic_pool", Fund::BasicEmployee);
        check(Column::MedicalAid, Scheme::Employee, "whatever", Fund::MedicalAid);
        check(Column::Other, Scheme::Resident, "charity", Fund::Charity);
        check(Column::Other, Scheme::Resident, "county", Fund::Other);
    }

    #[test]
    fn money_is_pooled_by_prefecture_or_municipality() {
        let check = |region: &str, pool: &str| {
            assert_eq!(pool_of(RegionCode::new(region).unwrap()).to_string(), pool);
        };
        check("520201", "520200");
        check("520200", "520200");
        check("520000", "520000");
        check("110105", "110000");
        check("500101", "500000");
    }
}
