//! A posting: balanced, or it is none.
//!
//! Lines come into a [`Draft`] only where they add up to nothing within each region and each fund, so that what is unbalanced, or would
//! move money of one fund into another, has no value in this program. The database says the same once more.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use super::account::{Account, AccountKind, Fund};
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::money::Fen;

/// The largest amount of a line: ten trillion yuan. A fund's year is larger than a bill.
pub const POSTED_FEN_MAX: i64 = 1_000_000_000_000_000;
/// Most lines of a posting: each fund of a hospital's statement, four times over.
pub const POSTING_LINES_MAX: usize = 64;
/// A reference is no longer than this.
pub const REFERENCE_CHARACTERS_MAX: usize = 60;
/// A reason is no longer than this.
pub const REASON_CHARACTERS_MAX: usize = 200;

/// What a posting is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PostingKind {
    /// A fund is given money for a year.
    Appropriation,
    /// A hospital is paid in advance.
    Advance,
    /// It pays an advance back.
    AdvanceReturn,
    /// A statement is approved: a deposit is withheld, an advance used up. Made by us alone.
    Clearing,
    /// A bank confirmed that it paid a hospital. Made by us alone.
    Payment,
    /// A withheld deposit is paid out.
    DepositRelease,
    /// A withheld deposit is kept after the assessment and returns to its fund.
    DepositKept,
    /// Money goes back: to a patient, or from a hospital.
    Refund,
    /// What can not be got back is given up.
    WriteOff,
    /// An underwriter owes what it bears.
    UnderwriterClaim,
    /// An underwriter paid, to us or to a hospital.
    UnderwriterPayment,
    /// The insured region pays back what the treatment region paid for it.
    RegionSettlement,
    /// The insurance core paid a hospital, or was paid back.
    CoreClearing,
    /// An earlier posting the other way round, or what it should have been.
    Correction,
}

/// One line: above zero a debit, below zero a credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which account.
    pub account: Account,
    /// How much, never zero.
    pub amount: Fen,
}

/// A balanced posting that nobody has posted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    kind: PostingKind,
    lines: Vec<Line>,
    budget_year: Option<i16>,
    reference: String,
    reason: String,
}

/// A posting as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Its id.
    pub id: String,
    /// What it says.
    pub draft: Draft,
    /// The accounting day, Asia/Shanghai.
    pub day: Date,
    /// When it was posted.
    pub at: Timestamp,
    /// Who made it.
    pub made_by: String,
    /// Who agreed, somebody else.
    pub approved_by: String,
}

/// A line that is on no side of an account that its kind of posting moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misplaced {
    /// Which line, the first one 0.
    pub line: usize,
    /// Which account.
    pub account: AccountKind,
    /// The side that this kind of posting moves; nothing where it does not move the account.
    pub side: Option<Side>,
}

/// A side of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Above zero.
    Debit,
    /// Below zero.
    Credit,
}

/// Why lines are no posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostingFault {
    /// Fewer than two lines, or more than may be.
    Lines,
    /// A line of nothing, or of too much.
    Amount,
    /// They do not add up to nothing within each region and fund.
    Unbalanced,
    /// A line is on an account, or on a side of it, that this kind of posting does not move.
    Account(Misplaced),
    /// They concern more than one hospital.
    Hospitals,
    /// A budget's year where none belongs, or none where one does.
    Year,
    /// The reference is too long or holds something that is not text.
    Reference,
    /// No reason, or one too long.
    Reason,
}

impl PostingKind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Appropriation,
        Self::Advance,
        Self::AdvanceReturn,
        Self::Clearing,
        Self::Payment,
        Self::DepositRelease,
        Self::DepositKept,
        Self::Refund,
        Self::WriteOff,
        Self::UnderwriterClaim,
        Self::UnderwriterPayment,
        Self::RegionSettlement,
        Self::CoreClearing,
        Self::Correction,
    ];

    /// Its word in records and on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Appropriation => "appropriation",
            Self::Advance => "advance",
            Self::AdvanceReturn => "advance_return",
            Self::Clearing => "clearing",
            Self::Payment => "payment",
            Self::DepositRelease => "deposit_release",
            Self::DepositKept => "deposit_kept",
            Self::Refund => "refund",
            Self::WriteOff => "write_off",
            Self::UnderwriterClaim => "underwriter_claim",
            Self::UnderwriterPayment => "underwriter_payment",
            Self::RegionSettlement => "region_settlement",
            Self::CoreClearing => "core_clearing",
            Self::Correction => "correction",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// May people propose it, or does it follow from a statement or a payment by itself?
    pub const fn is_proposed(self) -> bool {
        match self {
            Self::Clearing | Self::Payment => false,
            Self::Appropriation
            | Self::Advance
            | Self::AdvanceReturn
            | Self::DepositRelease
            | Self::DepositKept
            | Self::Refund
            | Self::WriteOff
            | Self::UnderwriterClaim
            | Self::UnderwriterPayment
            | Self::RegionSettlement
            | Self::CoreClearing
            | Self::Correction => true,
        }
    }

    /// Which accounts it debits, and which it credits.
    const fn sides(self) -> (&'static [AccountKind], &'static [AccountKind]) {
        use AccountKind::{
            CoreClearing, DepositWithheld, FundPool, HospitalAdvance, HospitalPayable,
            PatientPayable, RegionClearing, Treasury, Underwriter, WriteOff,
        };
        const ANY: &[AccountKind] = &[
            Treasury,
            FundPool,
            HospitalPayable,
            PatientPayable,
            DepositWithheld,
            HospitalAdvance,
            CoreClearing,
            RegionClearing,
            Underwriter,
            WriteOff,
        ];
        match self {
            Self::Appropriation => (&[Treasury], &[FundPool]),
            Self::Advance => (&[HospitalAdvance], &[Treasury]),
            Self::AdvanceReturn => (&[Treasury], &[HospitalAdvance]),
            Self::Clearing => (&[HospitalPayable], &[DepositWithheld, HospitalAdvance]),
            Self::Payment => (&[HospitalPayable, RegionClearing], &[Treasury, RegionClearing]),
            Self::DepositRelease => (&[DepositWithheld], &[Treasury]),
            Self::DepositKept => (&[DepositWithheld], &[FundPool]),
            Self::Refund => (&[PatientPayable, Treasury], &[Treasury, HospitalPayable]),
            Self::WriteOff => {
                (&[WriteOff], &[HospitalAdvance, HospitalPayable, RegionClearing, Underwriter])
            }
            Self::UnderwriterClaim => (&[Underwriter], &[FundPool]),
            Self::UnderwriterPayment => (&[Treasury, HospitalPayable], &[Underwriter]),
            Self::RegionSettlement => (&[Treasury, RegionClearing], &[Treasury, RegionClearing]),
            Self::CoreClearing => (&[HospitalPayable, CoreClearing], &[CoreClearing, Treasury]),
            Self::Correction => (ANY, ANY),
        }
    }
}

impl PostingFault {
    /// Its stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Lines => "POSTING_LINES",
            Self::Amount => "POSTING_AMOUNT",
            Self::Unbalanced => "POSTING_UNBALANCED",
            Self::Account(_) => "POSTING_ACCOUNT",
            Self::Hospitals => "POSTING_HOSPITALS",
            Self::Year => "POSTING_YEAR",
            Self::Reference => "POSTING_REFERENCE",
            Self::Reason => "POSTING_REASON",
        }
    }
}

/// Visible text of at most so many characters.
fn is_text(text: &str, longest: usize) -> bool {
    text.chars().count() <= longest && !text.chars().any(char::is_control)
}

impl Draft {
    /// Takes lines that balance, for what they are said to be for. `budget_year` is of appropriations and their corrections alone.
    pub fn new(
        kind: PostingKind,
        lines: Vec<Line>,
        budget_year: Option<i16>,
        (reference, reason): (&str, &str),
    ) -> Result<Self, PostingFault> {
        if !(2..=POSTING_LINES_MAX).contains(&lines.len()) {
            return Err(PostingFault::Lines);
        }
        let fits = |line: &Line| {
            line.amount != Fen::ZERO
                && line.amount.get().unsigned_abs() <= POSTED_FEN_MAX.unsigned_abs()
        };
        if !lines.iter().all(fits) {
            return Err(PostingFault::Amount);
        }
        let (debits, credits) = kind.sides();
        for (number, line) in lines.iter().enumerate() {
            let account = line.account.kind();
            let is_debit = Fen::ZERO < line.amount;
            let (own, other) = if is_debit { (debits, credits) } else { (credits, debits) };
            if !own.contains(&account) {
                let turned = if is_debit { Side::Credit } else { Side::Debit };
                let side = other.contains(&account).then_some(turned);
                return Err(PostingFault::Account(Misplaced { line: number, account, side }));
            }
        }
        if !balances(&lines) {
            return Err(PostingFault::Unbalanced);
        }
        let mut hospitals = lines.iter().filter_map(|line| line.account.hospital());
        let first = hospitals.next();
        if hospitals.any(|other| Some(&other) != first.as_ref()) {
            return Err(PostingFault::Hospitals);
        }
        let dated = matches!(kind, PostingKind::Appropriation | PostingKind::Correction);
        let year_fits = match budget_year {
            Some(year) => dated && (2000..=2999).contains(&year),
            None => kind != PostingKind::Appropriation,
        };
        if !year_fits {
            return Err(PostingFault::Year);
        }
        if !is_text(reference, REFERENCE_CHARACTERS_MAX) {
            return Err(PostingFault::Reference);
        }
        if reason.is_empty() || !is_text(reason, REASON_CHARACTERS_MAX) {
            return Err(PostingFault::Reason);
        }
        let (reference, reason) = (reference.to_owned(), reason.to_owned());
        Ok(Self { kind, lines, budget_year, reference, reason })
    }

    /// What it is for.
    pub const fn kind(&self) -> PostingKind {
        self.kind
    }

    /// Its lines.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The year of the budget that it adds to.
    pub const fn budget_year(&self) -> Option<i16> {
        self.budget_year
    }

    /// What it refers to: a statement, a payment, a document.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// Why.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The hospital that it concerns.
    pub fn hospital(&self) -> Option<HospitalCode> {
        self.lines.iter().find_map(|line| line.account.hospital())
    }

    /// The regions whose books it touches, each once.
    pub fn regions(&self) -> Vec<RegionCode> {
        let mut regions: Vec<_> = self.lines.iter().map(|line| line.account.region()).collect();
        regions.sort_unstable();
        regions.dedup();
        regions
    }

    /// The canonical bytes: what is approved is what was proposed, byte for byte.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![DRAFT_VERSION];
        put_text(&mut bytes, self.kind.word());
        put_number(&mut bytes, self.budget_year.map_or(0, i64::from));
        put_text(&mut bytes, &self.reference);
        put_text(&mut bytes, &self.reason);
        put_number(&mut bytes, i64::try_from(self.lines.len()).unwrap_or(i64::MAX));
        for Line { account, amount } in &self.lines {
            put_text(&mut bytes, account.kind().word());
            put_text(&mut bytes, account.fund().word());
            put_text(&mut bytes, &account.region().to_string());
            put_text(&mut bytes, account.counterparty());
            put_number(&mut bytes, amount.get());
        }
        bytes
    }

    /// From those bytes; nothing where they are of something else, or no longer balance.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reading = Reading(bytes);
        let draft = reading.draft()?;
        reading.0.is_empty().then_some(draft)
    }
}

impl Posting {
    /// The canonical bytes of the whole posting: what seals and bundles look at.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![POSTING_VERSION];
        put_text(&mut bytes, &self.id);
        put_text(&mut bytes, &self.day.to_string());
        put_number(&mut bytes, self.at.as_microsecond());
        put_text(&mut bytes, &self.made_by);
        put_text(&mut bytes, &self.approved_by);
        bytes.extend_from_slice(&self.draft.to_bytes());
        bytes
    }

    /// From those bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reading = Reading(bytes);
        if reading.byte()? != POSTING_VERSION {
            return None;
        }
        let (id, day) = (reading.text()?.to_owned(), reading.text()?.parse().ok()?);
        let at = Timestamp::from_microsecond(reading.number()?).ok()?;
        let (made_by, approved_by) = (reading.text()?.to_owned(), reading.text()?.to_owned());
        let draft = reading.draft()?;
        let posting = Self { id, draft, day, at, made_by, approved_by };
        reading.0.is_empty().then_some(posting)
    }
}

/// Do lines add up to nothing within each region and each fund?
fn balances(lines: &[Line]) -> bool {
    let mut sums: BTreeMap<(RegionCode, Fund), i128> = BTreeMap::new();
    for line in lines {
        let sum = sums.entry((line.account.region(), line.account.fund())).or_default();
        // So many lines of at most so much are far from what fits.
        *sum = sum.saturating_add(i128::from(line.amount.get()));
    }
    sums.values().all(|sum| *sum == 0)
}

// === canonical bytes ===

const DRAFT_VERSION: u8 = 1;
const POSTING_VERSION: u8 = 1;

/// Text with its length before it, so that no text can run into the next.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn put_number(bytes: &mut Vec<u8>, number: i64) {
    bytes.extend_from_slice(&number.to_be_bytes());
}

struct Reading<'a>(&'a [u8]);

impl<'a> Reading<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<i64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i64::from_be_bytes(*number))
    }

    fn text(&mut self) -> Option<&'a str> {
        let (length, rest) = self.0.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (text, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn draft(&mut self) -> Option<Draft> {
        if self.byte()? != DRAFT_VERSION {
            return None;
        }
        let kind = PostingKind::from_word(self.text()?)?;
        let year = i16::try_from(self.number()?).ok()?;
        let (reference, reason) = (self.text()?, self.text()?);
        let count = usize::try_from(self.number()?).ok()?;
        let mut lines = Vec::with_capacity(count.min(POSTING_LINES_MAX));
        for _ in 0..count.min(POSTING_LINES_MAX.saturating_add(1)) {
            let (kind, fund) = (self.text()?, self.text()?);
            let (region, counterparty) = (RegionCode::new(self.text()?)?, self.text()?);
            let (kind, fund) = (AccountKind::from_word(kind)?, Fund::from_word(fund)?);
            let account = Account::new(kind, fund, region, counterparty)?;
            lines.push(Line { account, amount: Fen::new(self.number()?) });
        }
        let year = (year != 0).then_some(year);
        Draft::new(kind, lines, year, (reference, reason)).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(kind: AccountKind, fund: Fund, (region, counterparty): (&str, &str), fen: i64) -> Line {
        let region = RegionCode::new(region).unwrap();
        let account = Account::new(kind, fund, region, counterparty).unwrap();
        Line { account, amount: Fen::new(fen) }
    }

    fn advance(lines: Vec<Line>) -> Result<Draft, PostingFault> {
        Draft::new(PostingKind::Advance, lines, None, ("doc 1", "prepaid for July"))
    }

    /// An advance of a hundred yuan.
    fn good() -> Vec<Line> {
        vec![
            line(AccountKind::HospitalAdvance, Fund::MedicalAid, ("520201", "H1"), 10_000),
            line(AccountKind::Treasury, Fund::MedicalAid, ("520201", ""), -10_000),
        ]
    }

    #[test]
    fn what_does_not_balance_within_each_region_and_fund_is_no_posting() {
        assert!(advance(good()).is_ok());
        let check = |change: &dyn Fn(&mut Vec<Line>), fault| {
            let mut lines = good();
            change(&mut lines);
            assert_eq!(advance(lines).unwrap_err(), fault);
        };
        check(&|lines| lines[1].amount = Fen::new(-9_999), PostingFault::Unbalanced);
        // Money of one fund, or of one region, for another: the sum is nothing, and it is refused.
        check(
            &|lines| {
                lines[1] = line(AccountKind::Treasury, Fund::Charity, ("520201", ""), -10_000);
            },
            PostingFault::Unbalanced,
        );
        check(
            &|lines| {
                lines[1] = line(AccountKind::Treasury, Fund::MedicalAid, ("520202", ""), -10_000);
            },
            PostingFault::Unbalanced,
        );
        check(&|lines| lines.truncate(1), PostingFault::Lines);
        check(&|lines| lines[0].amount = Fen::ZERO, PostingFault::Amount);
        check(&|lines| lines[0].amount = Fen::new(i64::MIN), PostingFault::Amount);
        check(&|lines| *lines = (0..40).flat_map(|_| good()).collect(), PostingFault::Lines);
        // An advance goes to the hospital, not from it.
        check(
            &|lines| {
                for line in lines {
                    line.amount = line.amount.checked_neg().unwrap();
                }
            },
            PostingFault::Account(Misplaced {
                line: 0,
                account: AccountKind::HospitalAdvance,
                side: Some(Side::Debit),
            }),
        );
        check(
            &|lines| {
                lines[1].account = Account::new(
                    AccountKind::WriteOff,
                    Fund::MedicalAid,
                    lines[1].account.region(),
                    "",
                )
                .unwrap();
            },
            PostingFault::Account(Misplaced {
                line: 1,
                account: AccountKind::WriteOff,
                side: None,
            }),
        );
        check(
            &|lines| {
                let other = ("520201", "H2");
                let kind = AccountKind::HospitalAdvance;
                lines.push(line(kind, Fund::MedicalAid, other, 1));
                lines[1].amount = Fen::new(-10_001);
            },
            PostingFault::Hospitals,
        );
    }

    #[test]
    fn a_posting_says_why_and_an_appropriation_for_which_year() {
        let of = |kind, year, reason: &str| Draft::new(kind, good(), year, ("", reason)).err();
        assert_eq!(of(PostingKind::Advance, None, ""), Some(PostingFault::Reason));
        assert_eq!(of(PostingKind::Advance, None, "a\u{7}"), Some(PostingFault::Reason));
        assert_eq!(of(PostingKind::Advance, Some(2026), "why"), Some(PostingFault::Year));
        assert_eq!(of(PostingKind::Advance, None, "why"), None);
        let appropriated = |year| {
            let lines = vec![
                line(AccountKind::Treasury, Fund::MedicalAid, ("520200", ""), 5),
                line(AccountKind::FundPool, Fund::MedicalAid, ("520200", ""), -5),
            ];
            Draft::new(PostingKind::Appropriation, lines, year, ("黔财社〔2026〕1号", "first half"))
        };
        assert_eq!(appropriated(None).unwrap_err(), PostingFault::Year);
        assert_eq!(appropriated(Some(26)).unwrap_err(), PostingFault::Year);
        assert_eq!(appropriated(Some(2026)).unwrap().budget_year(), Some(2026));
    }

    #[test]
    fn bytes_are_read_back_and_nothing_else_is() {
        let draft = advance(good()).unwrap();
        let posting = Posting {
            id: "P1".to_owned(),
            draft: draft.clone(),
            day: jiff::civil::date(2026, 7, 1),
            at: "2026-07-01T01:00:00Z".parse().unwrap(),
            made_by: "bureau-zhang".to_owned(),
            approved_by: "bureau-li".to_owned(),
        };
        assert_eq!(Draft::from_bytes(&draft.to_bytes()), Some(draft.clone()));
        assert_eq!(Posting::from_bytes(&posting.to_bytes()), Some(posting.clone()));
        let mut longer = posting.to_bytes();
        longer.push(0);
        assert_eq!(Posting::from_bytes(&longer), None);
        for length in 0..posting.to_bytes().len() {
            assert_eq!(Posting::from_bytes(&posting.to_bytes()[..length]), None);
        }
        // An amount that was changed no longer balances.
        let mut changed = draft.to_bytes();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(Draft::from_bytes(&changed), None);
    }

    proptest! {
        #[test]
        fn every_draft_adds_up_to_nothing(
            amounts in proptest::collection::vec((0_usize..14, 0_u32..3, -1_000_i64..1_000), 2..8),
        ) {
            let lines: Vec<Line> = amounts
                .iter()
                .map(|(fund, region, fen)| {
                    let region = format!("52020{region}");
                    let kind = if 0 < *fen { AccountKind::Treasury } else { AccountKind::FundPool };
                    line(kind, Fund::ALL[*fund], (&region, ""), *fen)
                })
                .collect();
            if let Ok(draft) = Draft::new(PostingKind::Correction, lines, None, ("", "why")) {
                for fund in Fund::ALL {
                    for region in draft.regions() {
                        let of = draft.lines().iter().filter(|line| {
                            line.account.fund() == fund && line.account.region() == region
                        });
                        prop_assert_eq!(of.map(|line| line.amount.get()).sum::<i64>(), 0);
                    }
                }
            }
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Posting::from_bytes(&bytes).is_none());
            prop_assert!(Draft::from_bytes(&bytes).is_none());
        }
    }
}
