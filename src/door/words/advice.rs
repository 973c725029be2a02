//! What a program does that is told a code: was anything done, and may the message be sent again? One table, beside the words.

use super::Words;

/// Was anything done?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Nothing, by this attempt.
    Nothing,
    /// Nobody knows.
    Unknown,
    /// It was, before, and stands.
    Before,
    /// What was told to be durable is.
    Partly,
}

/// May the message be sent again?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// As it is, in a moment.
    Unchanged,
    /// As it is, or ask for the outcome; under no other id.
    AskFirst,
    /// Once the cause is mended; its id is free.
    OnceMended,
    /// Only under a new id.
    NewId,
    /// It need not be: what it asks for is so already.
    Needless,
    /// It would be refused again, whatever is mended.
    InVain,
}

/// What to do about a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::door) struct Advice {
    /// Was anything done?
    pub(in crate::door) done: Done,
    /// May it be sent again?
    pub(in crate::door) again: Again,
}

/// What to do about a code; nothing where it is none of ours.
pub(in crate::door) fn of(code: &str) -> Option<Advice> {
    let (done, again, _) = TABLE.iter().find(|(.., codes)| codes.contains(&code))?;
    Some(Advice { done: *done, again: *again })
}

impl Done {
    /// For people.
    pub(in crate::door) const fn words(self) -> Words {
        match self {
            Self::Nothing => Words { zh: "未办理", en: "nothing was done" },
            Self::Unknown => Words { zh: "结果未知", en: "not known" },
            Self::Before => Words { zh: "此前已办理", en: "it was done before" },
            Self::Partly => {
                Words { zh: "已入库的部分有效", en: "what was told to be durable is" }
            }
        }
    }
}

impl Again {
    /// For people.
    pub(in crate::door) const fn words(self) -> Words {
        match self {
            Self::Unchanged => Words {
                zh: "稍候原样重发，编号不变",
                en: "unchanged, same id, in a moment",
            },
            Self::AskFirst => Words {
                zh: "按原编号查询，或原样重发，切勿换号",
                en: "ask by the same id, or send it unchanged; never under a new id",
            },
            Self::OnceMended => Words {
                zh: "消除原因后再发，原编号仍可用",
                en: "once mended; the same id is free",
            },
            Self::NewId => Words { zh: "只能换新编号", en: "only under a new id" },
            Self::Needless => Words { zh: "无需重发", en: "there is no need to" },
            Self::InVain => Words { zh: "重发无用", en: "it would be in vain" },
        }
    }
}

/// Every code, by what to do.
const TABLE: &[(Done, Again, &[&str])] = &[
    (
        Done::Nothing,
        Again::Unchanged,
        &[
            "BUSY",
            "BUDGET_EXCEEDED",
            "DEPENDENCY_AWAY",
            "RULES_MOVED",
            "DEADLINE_PASSED",
            "MESSAGE_LATE",
            "IMPORT_ELSEWHERE",
            "DAY_NOT_OVER",
            "STATEMENT_NOT_MATCHED",
        ],
    ),
    (Done::Partly, Again::Unchanged, &["STREAM_BROKEN"]),
    (Done::Unknown, Again::AskFirst, &["OUTCOME_UNKNOWN", "INTERNAL"]),
    (
        Done::Before,
        Again::Needless,
        &["STAY_SETTLED", "ALREADY_REVERSED", "ALREADY_BARRED", "PAYMENT_CONFIRMED"],
    ),
    (Done::Nothing, Again::Needless, &["NOTHING_CHARGED"]),
    (
        Done::Nothing,
        Again::NewId,
        &["REQUEST_ID_REUSED", "REQUEST_REVERSED", "LINE_ID_REUSED", "MESSAGE_REPLAYED"],
    ),
    (
        Done::Nothing,
        Again::InVain,
        &[
            "NOBODY_TELLS",
            "STAY_LATE",
            "REVERSES_A_REVERSAL",
            "TRUED_UP",
            "LIST_OLDER",
            "STATEMENT_DAY_CLOSED",
            "POSTING_MADE_BY_US",
            "NO_BUDGET",
        ],
    ),
    (Done::Nothing, Again::OnceMended, DECLINES),
    (Done::Nothing, Again::OnceMended, BILLS),
    (Done::Nothing, Again::OnceMended, STATES),
    (Done::Nothing, Again::OnceMended, MESSAGES),
    (Done::Nothing, Again::OnceMended, STATEMENTS),
    (Done::Nothing, Again::OnceMended, BOOKS),
];

/// The bill can not be settled as things are.
const DECLINES: &[&str] = &[
    "HOSPITAL_UNKNOWN",
    "PERSON_UNKNOWN",
    "NOT_COVERED",
    "SCHEME_AMBIGUOUS",
    "NO_PACKAGE_IN_FORCE",
    "WAITING",
    "STAY_OVERLAPS",
    "ITEM_UNKNOWN",
    "CLASS_DISAGREES",
    "AMOUNT_UNDECLARED",
    "FACT_MISSING",
    "FACT_UNREADABLE",
    "FACT_UNKNOWN",
    "TRANSFER_UNKNOWN",
    "NO_ROW_MATCHES",
    "TOLD_ABOVE_LEFT",
    "OVERFLOW",
    "FUND_RUN_DRY",
];

/// The bill contradicts itself.
const BILLS: &[&str] = &[
    "ADMISSION_AFTER_DISCHARGE",
    "DISCHARGE_IN_FUTURE",
    "NO_LINES",
    "TOO_MANY_LINES",
    "DUPLICATE_LINE",
    "STAY_PART_NOT_TAKEN",
    "CHARGED_OUTSIDE_STAY",
    "LINE_AMOUNT",
    "REFUNDS_NOTHING",
    "TOTAL_IS_NOT_THE_SUM",
    "AMOUNT_OUT_OF_RANGE",
];

/// The state it meets, or who asks.
const STATES: &[&str] = &[
    "QUOTE_TOKEN_FORGED",
    "QUOTE_TOKEN_STALE",
    "QUOTE_TOKEN_OF_ANOTHER_BILL",
    "QUOTE_MOVED",
    "SETTLEMENT_UNKNOWN",
    "NOT_ALLOWED",
    "NOT_NEWEST",
    "STAY_UNKNOWN",
    "STAY_CANCELLED",
    "PERSON_DIFFERS",
    "SIGN_IN_UNKNOWN",
    "NOT_SIGNED_IN",
    "CALLER_UNKNOWN",
    "CERTIFICATE_REVOKED",
    "CALLER_NOT_LISTED",
    "TOKEN_OUT_OF_TIME",
    "TOKEN_INVALID",
    "SIGNATURE_MISSING",
    "SIGNATURE_WRONG",
    "SIGNATURE_OF_ANOTHER",
    "CLOCK_DIFFERS",
];

/// The message can not be read.
const MESSAGES: &[&str] = &[
    "NOT_JSON",
    "METHOD_NOT_TAKEN",
    "MESSAGE_TOO_LARGE",
    "MESSAGE_MALFORMED",
    "TRANSACTION_UNKNOWN",
    "BODY_NOT_DECRYPTED",
    "HEAD_TOO_LARGE",
    "REFERRAL_UNSAID",
    "FIELD_WRONG_TYPE",
    "FIELD_MISSING",
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
    "BEGIN_MISSING",
    "BEGIN_TWICE",
    "ROW_OF_ANOTHER_KIND",
    "ROW_TOO_LARGE",
    "LIST_REFUSED",
    "LIST_EMPTY",
    "LIST_DATED_AHEAD",
];

/// A statement, or its file.
const STATEMENTS: &[&str] = &[
    "FILE_UNREADABLE",
    "FILE_DAMAGED",
    "FILE_NOT_ALONE",
    "FILE_PACKING",
    "FILE_ENCODING",
    "FILE_COLUMN_MISSING",
    "FILE_EMPTY",
    "FILE_TOO_LARGE",
    "FILE_TOO_LARGE_FOR_MESSAGE",
    "FILE_TOO_MANY_ROWS",
    "FILE_CHANGED",
    "RESULT_UNWRITABLE",
    "SCOPE_TOO_WIDE",
    "STATEMENT_UNKNOWN",
    "STATEMENT_FILE_UNKNOWN",
    "DIFFERENCE_NOT_OPEN",
    "DIFFERENCES_OPEN",
    "FOUR_EYES",
    "STATEMENT_FLAWED",
    "REASON_UNFIT",
    "PAYER_UNKNOWN",
    "CLEARING_TYPE_UNKNOWN",
];

/// The books: what is asked for, or the state it meets.
const BOOKS: &[&str] = &[
    "POSTING_LINES",
    "POSTING_AMOUNT",
    "POSTING_UNBALANCED",
    "POSTING_ACCOUNT",
    "POSTING_HOSPITALS",
    "POSTING_YEAR",
    "POSTING_REFERENCE",
    "POSTING_REASON",
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
    "BANK_REFERENCE_USED",
    "PAYMENT_OF_ANOTHER_BANK",
    "PAYMENT_AMOUNT",
    "PAYMENT_DAY",
    "MONTH_UNKNOWN",
    "AUDIT_TOO_WIDE",
    "FLOW_FUNDS_DIFFER",
    "FLOW_DOES_NOT_CLOSE",
    "FLOW_OWED_DIFFERS",
    "FLOW_DEPOSITS_DIFFER",
    "FLOW_BREAKDOWN_DIFFERS",
    "FLOW_OVERFLOW",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_advice_once_and_nothing_else_has() {
        let mut advised: Vec<&str> = TABLE.iter().flat_map(|(.., codes)| *codes).copied().collect();
        advised.sort_unstable();
        let mut all: Vec<&str> = super::super::all().collect();
        all.sort_unstable();
        assert_eq!(advised, all);
    }
}
