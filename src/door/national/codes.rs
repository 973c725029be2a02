//! The stable code of everything that can be wrong: the national interface has none, only text. A code is never given anew.

use super::field::InvalidReason;
use super::words::{
    BODY_NOT_DECRYPTED, BUDGET_EXCEEDED, BUSY, CALLER_NOT_LISTED, CALLER_UNKNOWN,
    CERTIFICATE_REVOKED, CLOCK_DIFFERS, DEADLINE_PASSED, DEPENDENCY_AWAY,
    FILE_TOO_LARGE_FOR_MESSAGE, HEAD_TOO_LARGE, INTERNAL, MESSAGE_LATE, MESSAGE_REPLAYED,
    MESSAGE_TOO_LARGE, METHOD_NOT_TAKEN, NOT_JSON, NOT_SIGNED_IN, OUTCOME_UNKNOWN, QUOTE_MOVED,
    REFERRAL_UNSAID, RULES_MOVED, SIGNATURE_MISSING, SIGNATURE_OF_ANOTHER, SIGNATURE_WRONG,
    TOKEN_INVALID, TOKEN_OUT_OF_TIME, TRANSACTION_UNKNOWN,
};

/// Of a word that is nowhere below; a test sees that none is.
const NOWHERE: &str = "OS-SYS-999";

/// The code of a word.
pub(super) fn of(word: &str) -> &'static str {
    CODES.iter().find(|(known, _)| *known == word).map_or(NOWHERE, |(_, code)| code)
}

/// Every code by which the national door says a word; none where it never does.
pub(in crate::door) fn all_of(word: &str) -> Vec<String> {
    let of_its_own = CODES.iter().filter(|(known, _)| *known == word);
    let of_fields = InvalidReason::ALL.into_iter().filter(|reason| reason.code() == word);
    let of_fields = of_fields
        .flat_map(|reason| ["ENV", "INP"].map(|group| format!("OS-{group}-{:03}", number(reason))));
    of_its_own.map(|(_, code)| (*code).to_owned()).chain(of_fields).collect()
}

/// The number of what is wrong with a field: behind `OS-ENV-` in the envelope, behind `OS-INP-` in its input.
pub(super) const fn number(reason: InvalidReason) -> u16 {
    match reason {
        InvalidReason::Missing => 4,
        InvalidReason::WrongType => 5,
        InvalidReason::TooLong => 6,
        InvalidReason::ValueUnknown => 7,
        InvalidReason::NotPlain => 8,
        InvalidReason::NotARegion => 17,
        InvalidReason::NotADate => 9,
        InvalidReason::NotADecimal => 10,
        InvalidReason::TooManyDecimals => 11,
        InvalidReason::OutOfRange => 12,
        InvalidReason::IdentityLength => 13,
        InvalidReason::CheckDigit => 14,
        InvalidReason::TooMany => 15,
        InvalidReason::Duplicate => 16,
    }
}

/// Word and code. ENV: the envelope; BIL: a bill that contradicts itself; DEC: a bill that can not be settled; REF: the state it
/// meets; REC: a statement; SYS: the gateway.
const CODES: &[(&str, &str)] = &[
    (NOT_JSON, "OS-ENV-001"),
    (METHOD_NOT_TAKEN, "OS-ENV-002"),
    (MESSAGE_TOO_LARGE, "OS-ENV-003"),
    (TRANSACTION_UNKNOWN, "OS-ENV-020"),
    (MESSAGE_LATE, "OS-ENV-021"),
    (NOT_SIGNED_IN, "OS-ENV-022"),
    (MESSAGE_REPLAYED, "OS-ENV-023"),
    (CLOCK_DIFFERS, "OS-ENV-024"),
    (BODY_NOT_DECRYPTED, "OS-ENV-025"),
    (HEAD_TOO_LARGE, "OS-ENV-030"),
    (REFERRAL_UNSAID, "OS-INP-020"),
    ("STAY_PART_NOT_TAKEN", "OS-BIL-001"),
    ("ADMISSION_AFTER_DISCHARGE", "OS-BIL-002"),
    ("DISCHARGE_IN_FUTURE", "OS-BIL-003"),
    ("NO_LINES", "OS-BIL-004"),
    ("TOO_MANY_LINES", "OS-BIL-005"),
    ("DUPLICATE_LINE", "OS-BIL-006"),
    ("CHARGED_OUTSIDE_STAY", "OS-BIL-007"),
    ("LINE_AMOUNT", "OS-BIL-008"),
    ("REFUNDS_NOTHING", "OS-BIL-009"),
    ("TOTAL_IS_NOT_THE_SUM", "OS-BIL-010"),
    ("AMOUNT_OUT_OF_RANGE", "OS-BIL-011"),
    ("NOTHING_CHARGED", "OS-BIL-012"),
    ("HOSPITAL_UNKNOWN", "OS-DEC-001"),
    ("PERSON_UNKNOWN", "OS-DEC-002"),
    ("NOT_COVERED", "OS-DEC-003"),
    ("SCHEME_AMBIGUOUS", "OS-DEC-004"),
    ("NO_PACKAGE_IN_FORCE", "OS-DEC-005"),
    ("WAITING", "OS-DEC-006"),
    ("STAY_OVERLAPS", "OS-DEC-007"),
    ("STAY_LATE", "OS-DEC-008"),
    ("ITEM_UNKNOWN", "OS-DEC-009"),
    ("CLASS_DISAGREES", "OS-DEC-010"),
    ("AMOUNT_UNDECLARED", "OS-DEC-011"),
    ("FACT_MISSING", "OS-DEC-012"),
    ("FACT_UNREADABLE", "OS-DEC-013"),
    ("FACT_UNKNOWN", "OS-DEC-014"),
    ("TRANSFER_UNKNOWN", "OS-DEC-015"),
    ("NO_ROW_MATCHES", "OS-DEC-016"),
    ("NOBODY_TELLS", "OS-DEC-017"),
    ("TOLD_ABOVE_LEFT", "OS-DEC-018"),
    ("OVERFLOW", "OS-DEC-019"),
    ("FUND_RUN_DRY", "OS-DEC-020"),
    ("REQUEST_ID_REUSED", "OS-REF-001"),
    ("REQUEST_REVERSED", "OS-REF-002"),
    ("ALREADY_BARRED", "OS-REF-003"),
    ("STAY_SETTLED", "OS-REF-004"),
    ("QUOTE_TOKEN_FORGED", "OS-REF-005"),
    ("QUOTE_TOKEN_STALE", "OS-REF-006"),
    ("QUOTE_TOKEN_OF_ANOTHER_BILL", "OS-REF-007"),
    (QUOTE_MOVED, "OS-REF-008"),
    ("SETTLEMENT_UNKNOWN", "OS-REF-009"),
    // OS-REF-010 was said of another hospital's settlement, and is never given to anything else.
    ("REVERSES_A_REVERSAL", "OS-REF-011"),
    ("ALREADY_REVERSED", "OS-REF-012"),
    ("NOT_NEWEST", "OS-REF-013"),
    ("STAY_UNKNOWN", "OS-REF-014"),
    ("STAY_CANCELLED", "OS-REF-015"),
    ("PERSON_DIFFERS", "OS-REF-016"),
    ("LINE_ID_REUSED", "OS-REF-017"),
    ("SIGN_IN_UNKNOWN", "OS-REF-018"),
    ("TRUED_UP", "OS-REF-019"),
    ("FILE_UNREADABLE", "OS-REC-001"),
    ("FILE_DAMAGED", "OS-REC-002"),
    ("FILE_NOT_ALONE", "OS-REC-003"),
    ("FILE_PACKING", "OS-REC-004"),
    ("FILE_ENCODING", "OS-REC-005"),
    ("FILE_COLUMN_MISSING", "OS-REC-006"),
    ("FILE_EMPTY", "OS-REC-007"),
    ("FILE_TOO_LARGE", "OS-REC-008"),
    ("FILE_TOO_MANY_ROWS", "OS-REC-009"),
    ("FILE_CHANGED", "OS-REC-010"),
    ("RESULT_UNWRITABLE", "OS-REC-011"),
    ("SCOPE_TOO_WIDE", "OS-REC-012"),
    ("DAY_NOT_OVER", "OS-REC-013"),
    ("STATEMENT_DAY_CLOSED", "OS-REC-014"),
    ("STATEMENT_UNKNOWN", "OS-REC-015"),
    ("STATEMENT_NOT_MATCHED", "OS-REC-016"),
    ("DIFFERENCE_NOT_OPEN", "OS-REC-017"),
    ("FOUR_EYES", "OS-REC-018"),
    ("DIFFERENCES_OPEN", "OS-REC-019"),
    ("STATEMENT_FILE_UNKNOWN", "OS-REC-020"),
    ("STATEMENT_FLAWED", "OS-REC-021"),
    ("REASON_UNFIT", "OS-REC-022"),
    ("PAYER_UNKNOWN", "OS-REC-023"),
    ("CLEARING_TYPE_UNKNOWN", "OS-REC-024"),
    (FILE_TOO_LARGE_FOR_MESSAGE, "OS-REC-025"),
    ("NOT_ALLOWED", "OS-ACC-001"),
    (CALLER_UNKNOWN, "OS-ACC-002"),
    (CERTIFICATE_REVOKED, "OS-ACC-003"),
    (CALLER_NOT_LISTED, "OS-ACC-004"),
    (TOKEN_OUT_OF_TIME, "OS-ACC-005"),
    (TOKEN_INVALID, "OS-ACC-006"),
    (BUDGET_EXCEEDED, "OS-ACC-007"),
    (SIGNATURE_MISSING, "OS-ACC-008"),
    (SIGNATURE_WRONG, "OS-ACC-009"),
    (SIGNATURE_OF_ANOTHER, "OS-ACC-010"),
    (BUSY, "OS-SYS-001"),
    (DEPENDENCY_AWAY, "OS-SYS-002"),
    (OUTCOME_UNKNOWN, "OS-SYS-003"),
    (RULES_MOVED, "OS-SYS-004"),
    (INTERNAL, "OS-SYS-005"),
    (DEADLINE_PASSED, "OS-SYS-006"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::door::words;

    /// Of a month that is not shown, which no hospital asks for.
    const AUDIT: [&str; 8] = [
        "MONTH_UNKNOWN",
        "AUDIT_TOO_WIDE",
        "FLOW_FUNDS_DIFFER",
        "FLOW_DOES_NOT_CLOSE",
        "FLOW_OWED_DIFFERS",
        "FLOW_DEPOSITS_DIFFER",
        "FLOW_BREAKDOWN_DIFFERS",
        "FLOW_OVERFLOW",
    ];

    #[test]
    fn every_word_that_a_hospital_can_be_told_has_a_code_of_its_own() {
        let codes: BTreeSet<&str> = CODES.iter().map(|(_, code)| *code).collect();
        assert_eq!(codes.len(), CODES.len(), "two words with one code");
        // Said by the other door alone: of imports, and of bytes that are no message.
        let others = [
            words::MESSAGE_MALFORMED,
            words::BEGIN_MISSING,
            words::BEGIN_TWICE,
            words::ROW_OF_ANOTHER_KIND,
            words::ROW_TOO_LARGE,
            words::LIST_REFUSED,
            words::LIST_EMPTY,
            words::LIST_DATED_AHEAD,
            words::LIST_OLDER,
            words::IMPORT_ELSEWHERE,
            words::STREAM_BROKEN,
        ];
        // Of the books, which no hospital keeps.
        let books = [
            "POSTING_LINES",
            "POSTING_AMOUNT",
            "POSTING_UNBALANCED",
            "POSTING_ACCOUNT",
            "POSTING_HOSPITALS",
            "POSTING_YEAR",
            "POSTING_REFERENCE",
            "POSTING_REASON",
            "POSTING_MADE_BY_US",
            "POSTING_DATED_AHEAD",
            "POSTING_DAY_CLOSED",
            "PROPOSAL_UNKNOWN",
            "SECOND_PERSON_NEEDED",
            "CLEARING_DAYS_OPEN",
            "CLEARING_OVERLAPS",
            "CLEARING_UNKNOWN",
            "CLEARING_MOVED",
            "ADVANCE_OVERDRAWN",
            "NOTHING_TO_PAY",
            "ACCOUNT_UNKNOWN",
            "ACCOUNT_SEALED",
            "PAYMENT_UNKNOWN",
            "BANK_FILE_UNREADABLE",
            "PAYMENT_CONFIRMED",
            "BANK_REFERENCE_USED",
            "PAYMENT_OF_ANOTHER_BANK",
            "PAYMENT_AMOUNT",
            "PAYMENT_DAY",
            "NO_BUDGET",
        ];
        // Of one field: numbered by `number`.
        let fields = [
            "FIELD_MISSING",
            "FIELD_WRONG_TYPE",
            "FIELD_TOO_LONG",
            "FIELD_NOT_PLAIN",
            "NOT_A_REGION",
            "VALUE_UNKNOWN",
            "NOT_A_DATE",
            "NOT_A_DECIMAL",
            "TOO_MANY_DECIMALS",
            "OUT_OF_RANGE",
            "IDENTITY_NUMBER_LENGTH",
            "IDENTITY_NUMBER_CHECK_DIGIT",
            "TOO_MANY",
            "DUPLICATE",
        ];
        let mut known: Vec<&str> = CODES.iter().map(|(word, _)| *word).collect();
        known.extend(others.into_iter().chain(books).chain(AUDIT).chain(fields));
        known.sort_unstable();
        let mut all: Vec<&str> = words::all().collect();
        all.sort_unstable();
        assert_eq!(known, all);
    }
}
