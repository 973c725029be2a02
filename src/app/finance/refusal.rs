//! Why something is not done with the books.

use crate::domain::finance::{Misplaced, PostingFault, Side};

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinanceRefusal {
    /// The lines are no posting.
    Posting(PostingFault),
    /// A posting of this kind follows from a statement or a payment, and nobody proposes it.
    PostingMadeByUs,
    /// A posting is dated ahead.
    PostingAhead,
    /// Today is closed already.
    PostingDayClosed,
    /// There is no such proposal that is open.
    ProposalUnknown,
    /// Somebody else must agree.
    SamePerson,
    /// A statement is of days that are not closed.
    DaysOpen,
    /// A statement has days that another has.
    Overlaps,
    /// There is no such statement.
    StatementUnknown,
    /// It is no longer where it was.
    Moved,
    /// An advance would be used up more than once.
    Overdrawn,
    /// Nothing is to be paid.
    NothingToPay,
    /// There is no such account, or it is confirmed.
    AccountUnknown,
    /// A hospital's account can not be opened with these keys.
    AccountSealed,
    /// There is no such payment or file.
    PaymentUnknown,
    /// The bank's file can not be read, from this line on.
    FileUnreadable(usize),
    /// A payment was confirmed before, by this line of the bank's file.
    ConfirmedBefore(Option<usize>),
    /// The bank said the same reference of another payment.
    ReferenceUsed,
    /// The payment went to another bank.
    OtherBank,
    /// The amount in this line of the bank's file is not that of the payment.
    PaymentAmount(Option<usize>),
    /// The day in this line of the bank's file is before the payment file was made, or ahead.
    PaidOn(Option<usize>),
    /// Nobody gave this fund a budget.
    NoBudget,
}

impl FinanceRefusal {
    /// Its stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Posting(fault) => fault.code(),
            Self::PostingMadeByUs => "POSTING_MADE_BY_US",
            Self::PostingAhead => "POSTING_DATED_AHEAD",
            Self::PostingDayClosed => "POSTING_DAY_CLOSED",
            Self::ProposalUnknown => "PROPOSAL_UNKNOWN",
            Self::SamePerson => "SECOND_PERSON_NEEDED",
            Self::DaysOpen => "CLEARING_DAYS_OPEN",
            Self::Overlaps => "CLEARING_OVERLAPS",
            Self::StatementUnknown => "CLEARING_UNKNOWN",
            Self::Moved => "CLEARING_MOVED",
            Self::Overdrawn => "ADVANCE_OVERDRAWN",
            Self::NothingToPay => "NOTHING_TO_PAY",
            Self::AccountUnknown => "ACCOUNT_UNKNOWN",
            Self::AccountSealed => "ACCOUNT_SEALED",
            Self::PaymentUnknown => "PAYMENT_UNKNOWN",
            Self::FileUnreadable(_) => "BANK_FILE_UNREADABLE",
            Self::ConfirmedBefore(_) => "PAYMENT_CONFIRMED",
            Self::ReferenceUsed => "BANK_REFERENCE_USED",
            Self::OtherBank => "PAYMENT_OF_ANOTHER_BANK",
            Self::PaymentAmount(_) => "PAYMENT_AMOUNT",
            Self::PaidOn(_) => "PAYMENT_DAY",
            Self::NoBudget => "NO_BUDGET",
        }
    }

    /// The field it is about.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Posting(fault) => match fault {
                PostingFault::Lines
                | PostingFault::Amount
                | PostingFault::Unbalanced
                | PostingFault::Account(_)
                | PostingFault::Hospitals => "lines",
                PostingFault::Year => "budget_year",
                PostingFault::Reference => "reference",
                PostingFault::Reason => "reason",
            },
            Self::PostingMadeByUs => "kind",
            Self::PostingAhead | Self::PostingDayClosed => "accounting_day",
            Self::ProposalUnknown => "proposal_id",
            Self::SamePerson | Self::Moved | Self::Overdrawn => "",
            Self::DaysOpen | Self::Overlaps => "last_day",
            Self::StatementUnknown => "statement_id",
            Self::NothingToPay => "bank_code",
            Self::AccountUnknown | Self::AccountSealed => "account_no",
            Self::PaymentUnknown => "file_id",
            Self::FileUnreadable(_)
            | Self::ConfirmedBefore(_)
            | Self::ReferenceUsed
            | Self::OtherBank
            | Self::PaymentAmount(_)
            | Self::PaidOn(_) => "content",
            Self::NoBudget => "fund",
        }
    }

    /// What stands in the way beside the words: which account is on which side.
    pub fn about(&self) -> String {
        let Self::Posting(PostingFault::Account(Misplaced { line, account, side })) = self else {
            return String::new();
        };
        let (line, account) = (line.saturating_add(1), account.word());
        let must = match side {
            Some(Side::Debit) => "须记借方，金额为正 a debit, above zero",
            Some(Side::Credit) => "须记贷方，金额为负 a credit, below zero",
            None => "此类凭证不使用该科目 not an account of this kind of posting",
        };
        format!("第 {line} 行 line {line}, {account}: {must}")
    }

    /// What of a message it is about: the field, and where it is about a line of a bank's file or a posting, that.
    pub fn place(&self) -> String {
        if let Self::Posting(PostingFault::Account(Misplaced { line, side, .. })) = self {
            let field = if side.is_some() { "amount_fen" } else { "account" };
            return format!("lines[{line}].{field}");
        }
        let column = if matches!(self, Self::PaymentAmount(_)) {
            ".amount"
        } else if matches!(self, Self::PaidOn(_)) {
            ".paid_on"
        } else if matches!(self, Self::ConfirmedBefore(_)) {
            ".line"
        } else {
            ""
        };
        match self.line() {
            Some(line) => format!("{}[{line}]{column}", self.field()),
            None => self.field().to_owned(),
        }
    }

    /// The line of a bank's file that it is about.
    const fn line(&self) -> Option<usize> {
        match self {
            Self::FileUnreadable(line) => Some(*line),
            Self::ConfirmedBefore(line) | Self::PaymentAmount(line) | Self::PaidOn(line) => *line,
            Self::Posting(_)
            | Self::PostingMadeByUs
            | Self::PostingAhead
            | Self::PostingDayClosed
            | Self::ProposalUnknown
            | Self::SamePerson
            | Self::DaysOpen
            | Self::Overlaps
            | Self::StatementUnknown
            | Self::Moved
            | Self::Overdrawn
            | Self::NothingToPay
            | Self::AccountUnknown
            | Self::AccountSealed
            | Self::PaymentUnknown
            | Self::ReferenceUsed
            | Self::OtherBank
            | Self::NoBudget => None,
        }
    }
}
