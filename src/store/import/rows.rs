//! Rows of lists as they were sent: text, not yet believed. And what is said of a row that is not taken.

/// A row with its line in the caller's file, from 1.
#[derive(Clone, PartialEq, Eq)]
pub struct Line<T> {
    /// The line.
    pub line: u64,
    /// What it says.
    pub row: T,
}

/// Rows of one kind.
#[derive(Clone)]
pub enum Rows {
    /// Persons with credentials.
    Persons(Vec<Line<PersonRow>>),
    /// Coverage by a scheme.
    Coverage(Vec<Line<CoverageRow>>),
    /// Aid identities.
    Identities(Vec<Line<IdentityRow>>),
    /// Hospitals.
    Hospitals(Vec<Line<HospitalRow>>),
    /// Catalogue items.
    Catalogue(Vec<Line<CatalogueRow>>),
    /// Opening and outside consumption.
    Openings(Vec<Line<OpeningRow>>),
}

/// What the rows of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// Persons with credentials.
    Person,
    /// Coverage by a scheme.
    Coverage,
    /// Aid identities.
    Identity,
    /// Hospitals.
    Hospital,
    /// Catalogue items.
    Catalogue,
    /// Opening and outside consumption.
    Opening,
}

/// A person. Does not print itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PersonRow {
    /// Resident identity number; may be empty when another credential is given.
    pub identity_number: String,
    /// National person number.
    pub person_number: String,
    /// Token of the electronic credential.
    pub card_token: String,
    /// Passport.
    pub passport: String,
    /// For a newborn: the mother's identity number.
    pub mother_identity_number: String,
    /// Kept sealed; may be empty for a newborn.
    pub name: String,
    /// ISO 8601; empty: from the identity number.
    pub birth_date: String,
}

/// Coverage of a person. Does not print itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CoverageRow {
    /// The person, by a credential of any kind; "mother_identity_number:…" for a newborn.
    pub credential: String,
    /// "resident" or "employee".
    pub scheme: String,
    /// Six digits.
    pub insured_region: String,
    /// First day.
    pub valid_from: String,
    /// Last day; empty while it lasts.
    pub valid_to: String,
    /// "name=value;name=value".
    pub facts: String,
}

/// An aid identity of a person. Does not print itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IdentityRow {
    /// The person, by a credential of any kind; "mother_identity_number:…" for a newborn.
    pub credential: String,
    /// Its code in the rule packages.
    pub code: String,
    /// The region that granted it.
    pub region: String,
    /// First day.
    pub valid_from: String,
    /// Last day; empty while it lasts.
    pub valid_to: String,
}

/// A hospital.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HospitalRow {
    /// Its code.
    pub hospital_code: String,
    /// Its name.
    pub name: String,
    /// The treatment region.
    pub region: String,
    /// 1, 2 or 3.
    pub level: u32,
    /// First day.
    pub valid_from: String,
    /// Last day; empty while it lasts.
    pub valid_to: String,
}

/// A catalogue item in a treatment region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogueRow {
    /// National item code.
    pub item_code: String,
    /// Six digits; the narrowest that says anything wins.
    pub region: String,
    /// First day.
    pub valid_from: String,
    /// Last day; empty while it lasts.
    pub valid_to: String,
    /// "A", "B" or "C".
    pub catalogue_class: String,
    /// Such as "0.30"; empty: the rule package's.
    pub advance_ratio: String,
    /// Ceiling price in yuan at hospitals of level 1, 2 and 3; empty: none.
    pub ceiling_prices: [String; 3],
    /// The declared amount of a rule package that it counts under; empty: none.
    pub amount_name: String,
    /// For print.
    pub name: String,
}

/// What a person had already used. Does not print itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OpeningRow {
    /// Names this entry at its source.
    pub entry_id: String,
    /// The person, by a credential of any kind; "mother_identity_number:…" for a newborn.
    pub credential: String,
    /// Six digits.
    pub insured_region: String,
    /// "resident" or "employee".
    pub scheme: String,
    /// 0 for a lifetime.
    pub policy_year: u32,
    /// What is counted.
    pub name: String,
    /// In yuan, with at most two decimals.
    pub amount: String,
}

/// A row that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The line in the caller's file.
    pub line: u64,
    /// Why.
    pub reason: RejectReason,
    /// The column.
    pub field: &'static str,
}

/// Why a row was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RejectReason {
    /// A resident identity number whose check digit is wrong.
    IdentityNumberCheckDigit,
    /// No credential at all.
    CredentialMissing,
    /// The credentials belong to different persons, or differ from those of the person.
    CredentialsConflict,
    /// Another newborn, by name or birth date, is registered by this mother's number.
    NewbornOfMother,
    /// Nobody with this credential is registered.
    PersonUnknown,
    /// Only a newborn is known by this number, which is the mother's: whose row is it?
    NewbornNotNamed,
    /// Not a date of the calendar.
    DateUnreadable,
    /// The identity number, whose check digit is right, says another day of birth.
    BirthDateContradicts,
    /// The last day is before the first.
    EndsBeforeStart,
    /// It overlaps another span of the same kind that has an end.
    SpanOverlaps,
    /// Not six digits.
    RegionUnreadable,
    /// Begins with the digits of no province.
    RegionUnknown,
    /// Not one of those that the caller reaches.
    RegionNotYours,
    /// Neither "resident" nor "employee".
    SchemeUnknown,
    /// Not a code: small letters, digits and underscores.
    CodeUnreadable,
    /// No rule package that is loaded knows this identity.
    CodeUnknown,
    /// No rule package of the region and scheme that is loaded counts this, or not over such a span.
    AccumulatorUnknown,
    /// Not "name=value;name=value".
    FactsUnreadable,
    /// Neither 1, 2 nor 3.
    LevelUnknown,
    /// Neither A, B nor C.
    ClassUnknown,
    /// Not a decimal between 0 and 1.
    RatioOutOfRange,
    /// Not a price in yuan with at most six decimals.
    PriceUnreadable,
    /// Not an amount in yuan with at most two decimals, or too large.
    AmountUnreadable,
    /// Not a policy year.
    YearUnreadable,
    /// Missing, too long, or with characters that do not belong there.
    TextUnfit,
    /// The entry's id was recorded before, with other contents. History is not changed: correct it by a further entry.
    EntryIdReused,
}

impl RejectReason {
    /// Every one, for lists of codes.
    pub const ALL: [Self; 26] = [
        Self::IdentityNumberCheckDigit,
        Self::CredentialMissing,
        Self::CredentialsConflict,
        Self::NewbornOfMother,
        Self::PersonUnknown,
        Self::NewbornNotNamed,
        Self::DateUnreadable,
        Self::BirthDateContradicts,
        Self::EndsBeforeStart,
        Self::SpanOverlaps,
        Self::RegionUnreadable,
        Self::RegionUnknown,
        Self::RegionNotYours,
        Self::SchemeUnknown,
        Self::CodeUnreadable,
        Self::CodeUnknown,
        Self::AccumulatorUnknown,
        Self::FactsUnreadable,
        Self::LevelUnknown,
        Self::ClassUnknown,
        Self::RatioOutOfRange,
        Self::PriceUnreadable,
        Self::AmountUnreadable,
        Self::YearUnreadable,
        Self::TextUnfit,
        Self::EntryIdReused,
    ];

    /// Stable, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IdentityNumberCheckDigit => "IDENTITY_NUMBER_CHECK_DIGIT",
            Self::CredentialMissing => "CREDENTIAL_MISSING",
            Self::CredentialsConflict => "CREDENTIALS_CONFLICT",
            Self::NewbornOfMother => "NEWBORN_OF_MOTHER",
            Self::PersonUnknown => "PERSON_UNKNOWN",
            Self::NewbornNotNamed => "NEWBORN_NOT_NAMED",
            Self::DateUnreadable => "DATE_UNREADABLE",
            Self::BirthDateContradicts => "BIRTH_DATE_CONTRADICTS",
            Self::EndsBeforeStart => "ENDS_BEFORE_START",
            Self::SpanOverlaps => "SPAN_OVERLAPS",
            Self::RegionUnreadable => "REGION_UNREADABLE",
            Self::RegionUnknown => "REGION_UNKNOWN",
            Self::RegionNotYours => "REGION_NOT_YOURS",
            Self::SchemeUnknown => "SCHEME_UNKNOWN",
            Self::CodeUnreadable => "CODE_UNREADABLE",
            Self::CodeUnknown => "CODE_UNKNOWN",
            Self::AccumulatorUnknown => "ACCUMULATOR_UNKNOWN",
            Self::FactsUnreadable => "FACTS_UNREADABLE",
            Self::LevelUnknown => "LEVEL_UNKNOWN",
            Self::ClassUnknown => "CLASS_UNKNOWN",
            Self::RatioOutOfRange => "RATIO_OUT_OF_RANGE",
            Self::PriceUnreadable => "PRICE_UNREADABLE",
            Self::AmountUnreadable => "AMOUNT_UNREADABLE",
            Self::YearUnreadable => "YEAR_UNREADABLE",
            Self::TextUnfit => "TEXT_UNFIT",
            Self::EntryIdReused => "ENTRY_ID_REUSED",
        }
    }

    /// For people: Chinese, English.
    pub const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::IdentityNumberCheckDigit => {
                ("身份证号校验位不符", "the identity number's check digit is wrong")
            }
            Self::CredentialMissing => ("未提供任何身份凭证", "no credential is given"),
            Self::CredentialsConflict => {
                ("凭证指向不同人员", "the credentials belong to different persons")
            }
            Self::NewbornOfMother => (
                "该母亲身份证号已登记另一名新生儿（姓名或出生日期不同），请用新生儿本人的凭证登记",
                "another newborn (by name or birth date) is registered by this mother's number; use a credential of its own",
            ),
            Self::PersonUnknown => ("该人员未登记", "nobody with this credential is registered"),
            Self::NewbornNotNamed => (
                "只有一名新生儿以该号码（母亲身份证号）登记；若指新生儿，请写作 mother_identity_number:号码，若指母亲，请先登记母亲",
                "only a newborn is known by this number, the mother's; for the newborn write mother_identity_number:NUMBER, else register the mother first",
            ),
            Self::DateUnreadable => ("日期无效", "not a date"),
            Self::BirthDateContradicts => {
                ("出生日期与身份证号不符", "the birth date is not that of the identity number")
            }
            Self::EndsBeforeStart => ("结束日期早于开始日期", "ends before it starts"),
            Self::SpanOverlaps => {
                ("有效期与已有记录重叠", "overlaps a span that is recorded already")
            }
            Self::RegionUnreadable => ("行政区划代码应为六位数字", "a region has six digits"),
            Self::RegionUnknown => (
                "行政区划代码的前两位不是任何省份，请更正",
                "the region's first two digits are no province; correct it",
            ),
            Self::RegionNotYours => (
                "该行政区划不在您的管辖或承办范围内",
                "the region is not one of those that you reach",
            ),
            Self::SchemeUnknown => ("险种无法识别", "the scheme is not known"),
            Self::CodeUnreadable => ("身份代码无效", "not an identity code"),
            Self::CodeUnknown => (
                "已加载的政策包都没有这个身份代码，不会产生任何待遇，请核对",
                "no loaded rule package knows this identity, so that it would never count; check the code",
            ),
            Self::AccumulatorUnknown => (
                "该参保地和险种的已加载政策包没有这个累计项（终身累计的年度为0，其余须写年度），不会被计入，请核对",
                "no loaded rule package of this region and scheme counts this (year 0 is for a lifetime, and only for that); check it",
            ),
            Self::FactsUnreadable => ("附加事实格式无效", "facts are name=value;name=value"),
            Self::LevelUnknown => ("医院等级应为1、2或3", "a level is 1, 2 or 3"),
            Self::ClassUnknown => ("目录类别应为A、B或C", "a class is A, B or C"),
            Self::RatioOutOfRange => ("比例应在0与1之间", "a ratio lies between 0 and 1"),
            Self::PriceUnreadable => ("价格无效", "not a price with at most six decimals"),
            Self::AmountUnreadable => ("金额无效", "not an amount with at most two decimals"),
            Self::YearUnreadable => ("年度无效", "not a policy year"),
            Self::TextUnfit => {
                ("缺失、过长或含有不允许的字符", "missing, too long, or not allowed")
            }
            Self::EntryIdReused => {
                ("该条目编号已用于其他内容", "this entry id is recorded with other contents")
            }
        }
    }
}

impl RowKind {
    /// As it is kept.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Coverage => "coverage",
            Self::Identity => "identity",
            Self::Hospital => "hospital",
            Self::Catalogue => "catalogue",
            Self::Opening => "opening",
        }
    }
}

impl Rows {
    /// What they are.
    pub const fn kind(&self) -> RowKind {
        match self {
            Self::Persons(_) => RowKind::Person,
            Self::Coverage(_) => RowKind::Coverage,
            Self::Identities(_) => RowKind::Identity,
            Self::Hospitals(_) => RowKind::Hospital,
            Self::Catalogue(_) => RowKind::Catalogue,
            Self::Openings(_) => RowKind::Opening,
        }
    }

    /// How many.
    pub const fn len(&self) -> usize {
        match self {
            Self::Persons(rows) => rows.len(),
            Self::Coverage(rows) => rows.len(),
            Self::Identities(rows) => rows.len(),
            Self::Hospitals(rows) => rows.len(),
            Self::Catalogue(rows) => rows.len(),
            Self::Openings(rows) => rows.len(),
        }
    }

    /// None?
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows of kind {}", self.len(), self.kind().word())
    }
}

impl<T> std::fmt::Debug for Line<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}", self.line)
    }
}

macro_rules! redacted {
    ($($row:ident),*) => {$(
        impl std::fmt::Debug for $row {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($row), "(redacted)"))
            }
        }
    )*};
}

redacted!(PersonRow, CoverageRow, IdentityRow, OpeningRow);

#[cfg(test)]
mod tests {
    use super::*;

    /// A new reason does not compile until it has its place here, and so in the list.
    #[test]
    fn no_reason_is_left_out_of_the_list() {
        macro_rules! walk {
            ($($reason:ident),*) => {{
                fn _every_variant(one: RejectReason) {
                    match one { $(RejectReason::$reason)|* => {} }
                }
                [$(RejectReason::$reason),*]
            }};
        }
        let all = walk!(
            IdentityNumberCheckDigit,
            CredentialMissing,
            CredentialsConflict,
            NewbornOfMother,
            PersonUnknown,
            NewbornNotNamed,
            DateUnreadable,
            BirthDateContradicts,
            EndsBeforeStart,
            SpanOverlaps,
            RegionUnreadable,
            RegionUnknown,
            RegionNotYours,
            SchemeUnknown,
            CodeUnreadable,
            CodeUnknown,
            AccumulatorUnknown,
            FactsUnreadable,
            LevelUnknown,
            ClassUnknown,
            RatioOutOfRange,
            PriceUnreadable,
            AmountUnreadable,
            YearUnreadable,
            TextUnfit,
            EntryIdReused
        );
        assert_eq!(all, RejectReason::ALL);
    }
}
