use super::super::field::InvalidReason;
use super::*;
use crate::app::audit::AuditRefusal;
use crate::app::finance::FinanceRefusal;
use crate::app::{Act, Denied, Refusal, StatementRefusal};
use crate::domain::audit::{By, Mismatch};
use crate::domain::bill::{BillFault, Faulty};
use crate::domain::finance::{AccountKind, Fund, Misplaced, PostingFault, Side};
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::ids::{LineId, SettlementId};
use crate::domain::verdict::Reason;

/// Walks an enum by naming the next of each variant: a new one does not compile until it has its place here.
macro_rules! walk {
    ($kind:ty, $first:ident $(, $next:ident)*) => {{
        fn _every_variant(one: $kind) {
            match one { <$kind>::$first $(| <$kind>::$next)* => {} }
        }
        [<$kind>::$first $(, <$kind>::$next)*]
    }};
}

#[expect(clippy::too_many_lines, reason = "every code, a line each")]
fn codes() -> Vec<&'static str> {
    let reasons = walk!(
        Reason,
        HospitalUnknown,
        PersonUnknown,
        NotCovered,
        SchemeAmbiguous,
        NoPackageInForce,
        Waiting,
        StayOverlaps,
        StayLate,
        ItemUnknown,
        ClassDisagrees,
        AmountUndeclared,
        FactMissing,
        FactUnreadable,
        FactUnknown,
        TransferUnknown,
        NoRowMatches,
        NobodyTells,
        ToldAboveLeft,
        Overflow,
        FundRunDry
    );
    let faults = walk!(
        BillFault,
        StayPart,
        AdmissionAfterDischarge,
        DischargeInFuture,
        NoLines,
        TooManyLines,
        DuplicateLine,
        ChargedOutsideStay,
        LineAmount,
        RefundsNothing,
        Total,
        AmountOutOfRange,
        NothingCharged
    );
    let invalid = walk!(
        InvalidReason,
        Missing,
        WrongType,
        TooLong,
        NotPlain,
        NotARegion,
        ValueUnknown,
        NotADate,
        NotADecimal,
        TooManyDecimals,
        OutOfRange,
        IdentityLength,
        CheckDigit,
        TooMany,
        Duplicate
    );
    assert_eq!(invalid, InvalidReason::ALL);
    let ours = [
        BUSY,
        DEPENDENCY_AWAY,
        OUTCOME_UNKNOWN,
        RULES_MOVED,
        INTERNAL,
        CALLER_UNKNOWN,
        CERTIFICATE_REVOKED,
        BUDGET_EXCEEDED,
        CALLER_NOT_LISTED,
        TOKEN_OUT_OF_TIME,
        TOKEN_INVALID,
        DEADLINE_PASSED,
        STREAM_BROKEN,
        BEGIN_MISSING,
        BEGIN_TWICE,
        ROW_OF_ANOTHER_KIND,
        ROW_TOO_LARGE,
        LIST_REFUSED,
        LIST_EMPTY,
        LIST_DATED_AHEAD,
        LIST_OLDER,
        IMPORT_ELSEWHERE,
        NOT_JSON,
        METHOD_NOT_TAKEN,
        MESSAGE_TOO_LARGE,
        MESSAGE_MALFORMED,
        FILE_TOO_LARGE_FOR_MESSAGE,
        HEAD_TOO_LARGE,
        SIGNATURE_MISSING,
        SIGNATURE_WRONG,
        SIGNATURE_OF_ANOTHER,
        CLOCK_DIFFERS,
        BODY_NOT_DECRYPTED,
        MESSAGE_REPLAYED,
        MESSAGE_LATE,
        TRANSACTION_UNKNOWN,
        NOT_SIGNED_IN,
        REFERRAL_UNSAID,
        QUOTE_MOVED,
    ];
    let reasons = reasons.into_iter().map(Reason::code);
    let faults = faults.into_iter().map(BillFault::code);
    let refusals: Vec<&str> = refusals().iter().map(Refusal::code).collect();
    let invalid = invalid.into_iter().map(InvalidReason::code);
    reasons.chain(faults).chain(refusals).chain(invalid).chain(ours).collect()
}

fn refusals() -> Vec<Refusal> {
    let settlement = SettlementId::compose(1, 2, 3);
    fn _every_variant(one: Refusal) {
        match one {
            Refusal::Bill(_)
            | Refusal::RequestIdReused
            | Refusal::RequestReversed
            | Refusal::AlreadyBarred
            | Refusal::HospitalUnknown
            | Refusal::StaySettled(_)
            | Refusal::TokenForged
            | Refusal::TokenStale
            | Refusal::TokenOfAnotherBill
            | Refusal::SettlementUnknown
            | Refusal::RequestUnknown
            | Refusal::ReversesAReversal
            | Refusal::AlreadyReversed(_)
            | Refusal::TruedUp(_)
            | Refusal::NotNewest(_)
            | Refusal::PersonUnknown
            | Refusal::NotAllowed(_)
            | Refusal::StayUnknown
            | Refusal::StayCancelled
            | Refusal::PersonDiffers
            | Refusal::LineIdReused(_)
            | Refusal::SignInUnknown
            | Refusal::Statement(_)
            | Refusal::Finance(_)
            | Refusal::Audit(_) => {}
        }
    }
    [
        Refusal::Bill(Faulty { fault: BillFault::Total, field: "bill.total_fen".to_owned() }),
        Refusal::RequestIdReused,
        Refusal::RequestReversed,
        Refusal::AlreadyBarred,
        Refusal::StaySettled(None),
        Refusal::TokenForged,
        Refusal::TokenStale,
        Refusal::TokenOfAnotherBill,
        Refusal::SettlementUnknown,
        Refusal::RequestUnknown,
        Refusal::ReversesAReversal,
        Refusal::AlreadyReversed(settlement.clone()),
        Refusal::TruedUp(settlement.clone()),
        Refusal::NotNewest(settlement),
        Refusal::PersonUnknown,
        Refusal::NotAllowed(Denied { role: "hospital", act: Act::Settle, named: None }),
        Refusal::StayUnknown,
        Refusal::StayCancelled,
        Refusal::PersonDiffers,
        Refusal::LineIdReused(LineId::new("1").unwrap()),
        Refusal::SignInUnknown,
    ]
    .into_iter()
    .chain(StatementRefusal::all().into_iter().map(Refusal::Statement))
    .chain(finance().into_iter().map(Refusal::Finance))
    .chain(audit().into_iter().map(Refusal::Audit))
    .collect()
}

fn audit() -> Vec<AuditRefusal> {
    fn _every_variant(one: Mismatch) {
        match one {
            Mismatch::Funds { .. }
            | Mismatch::Closing(_)
            | Mismatch::Owed(_)
            | Mismatch::Held(_)
            | Mismatch::Breakdown(..)
            | Mismatch::Overflow => {}
        }
    }
    let (region, hospital) = (RegionCode::new("520201").unwrap(), HospitalCode::new("H1").unwrap());
    let mismatches = [
        Mismatch::Funds { region, hospital },
        Mismatch::Closing(Fund::MedicalAid),
        Mismatch::Owed(Fund::MedicalAid),
        Mismatch::Held(Fund::MedicalAid),
        Mismatch::Breakdown(By::Region, Fund::MedicalAid),
        Mismatch::Overflow,
    ];
    let mismatches = mismatches.into_iter().map(AuditRefusal::from);
    [AuditRefusal::MonthUnknown, AuditRefusal::TooWide].into_iter().chain(mismatches).collect()
}

fn finance() -> Vec<FinanceRefusal> {
    fn _every_variant(one: FinanceRefusal) {
        match one {
            FinanceRefusal::Posting(_)
            | FinanceRefusal::PostingMadeByUs
            | FinanceRefusal::PostingAhead
            | FinanceRefusal::PostingDayClosed
            | FinanceRefusal::ProposalUnknown
            | FinanceRefusal::SamePerson
            | FinanceRefusal::DaysOpen
            | FinanceRefusal::Overlaps
            | FinanceRefusal::StatementUnknown
            | FinanceRefusal::Moved
            | FinanceRefusal::Overdrawn
            | FinanceRefusal::NothingToPay
            | FinanceRefusal::AccountUnknown
            | FinanceRefusal::AccountSealed
            | FinanceRefusal::PaymentUnknown
            | FinanceRefusal::FileUnreadable(_)
            | FinanceRefusal::ConfirmedBefore(_)
            | FinanceRefusal::ReferenceUsed
            | FinanceRefusal::OtherBank
            | FinanceRefusal::PaymentAmount(_)
            | FinanceRefusal::PaidOn(_)
            | FinanceRefusal::NoBudget => {}
        }
    }
    let others = [
        FinanceRefusal::PostingMadeByUs,
        FinanceRefusal::PostingAhead,
        FinanceRefusal::PostingDayClosed,
        FinanceRefusal::ProposalUnknown,
        FinanceRefusal::SamePerson,
        FinanceRefusal::DaysOpen,
        FinanceRefusal::Overlaps,
        FinanceRefusal::StatementUnknown,
        FinanceRefusal::Moved,
        FinanceRefusal::Overdrawn,
        FinanceRefusal::NothingToPay,
        FinanceRefusal::AccountUnknown,
        FinanceRefusal::AccountSealed,
        FinanceRefusal::PaymentUnknown,
        FinanceRefusal::FileUnreadable(1),
        FinanceRefusal::ConfirmedBefore(None),
        FinanceRefusal::ReferenceUsed,
        FinanceRefusal::OtherBank,
        FinanceRefusal::PaymentAmount(Some(2)),
        FinanceRefusal::PaidOn(Some(2)),
        FinanceRefusal::NoBudget,
    ];
    postings().into_iter().map(FinanceRefusal::Posting).chain(others).collect()
}

fn postings() -> [PostingFault; 8] {
    fn _every_fault(one: PostingFault) {
        match one {
            PostingFault::Lines
            | PostingFault::Amount
            | PostingFault::Unbalanced
            | PostingFault::Account(_)
            | PostingFault::Hospitals
            | PostingFault::Year
            | PostingFault::Reference
            | PostingFault::Reason => {}
        }
    }
    let account = AccountKind::FundPool;
    [
        PostingFault::Lines,
        PostingFault::Amount,
        PostingFault::Unbalanced,
        PostingFault::Account(Misplaced { line: 1, account, side: Some(Side::Credit) }),
        PostingFault::Hospitals,
        PostingFault::Year,
        PostingFault::Reference,
        PostingFault::Reason,
    ]
}

#[test]
fn every_code_has_words_and_every_word_a_code() {
    let codes = codes();
    for code in &codes {
        let found: Vec<_> = rows().filter(|(known, ..)| known == code).collect();
        assert_eq!(found.len(), 1, "{code}");
    }
    for (code, zh, en) in rows() {
        assert!(codes.contains(code), "{code} is never said");
        let han = |letter: char| ('\u{4e00}'..='\u{9fff}').contains(&letter);
        assert!(6 < zh.chars().filter(|letter| han(*letter)).count(), "{code}: {zh}");
        assert!(en.is_ascii() && 20 < en.len() && en.ends_with('.'), "{code}: {en}");
    }
}

/// Who is told to try again would do so for nothing: no core is connected in a while.
#[test]
fn what_no_core_tells_is_settled_the_old_way() {
    assert!(!Reason::NobodyTells.transient());
    let words = rows().find(|(code, ..)| *code == Reason::NobodyTells.code());
    let (_, zh, en) = words.unwrap();
    assert!(zh.contains("按原有方式结算") && !zh.contains("重试"), "{zh}");
    assert!(en.contains("settle it the old way") && !en.contains("again"), "{en}");
}

/// Parts of a stay are refused, so that nobody may be sent there.
#[test]
fn too_many_lines_is_no_dead_end() {
    let words = of("TOO_MANY_LINES");
    assert!(words.en.contains("10 000") && words.en.contains("one item and day"), "{}", words.en);
    assert!(words.zh.contains("合并") && !words.zh.contains("分段"), "{}", words.zh);
    assert!(!words.en.contains("parts"), "{}", words.en);
}
