//! Why something is not done with the books.

use crate::domain::finance::PostingFault;

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
    /// A payment was confirmed before.
    ConfirmedBefore,
    /// The bank said the same reference of another payment.
    ReferenceUsed,
    /// The payment went to another bank.
    OtherBank,
    /// The amount is not that of the payment.
    PaymentAmount,
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
            Self::ConfirmedBefore => "PAYMENT_CONFIRMED",
            Self::ReferenceUsed => "BANK_REFERENCE_USED",
            Self::OtherBank => "PAYMENT_OF_ANOTHER_BANK",
            Self::PaymentAmount => "PAYMENT_AMOUNT",
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
                | PostingFault::Account
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
            | Self::ConfirmedBefore
            | Self::ReferenceUsed
            | Self::OtherBank
            | Self::PaymentAmount => "content",
            Self::NoBudget => "fund",
        }
    }

    /// The line of a bank's file that it is about.
    pub const fn line(&self) -> Option<usize> {
        match self {
            Self::FileUnreadable(line) => Some(*line),
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
            | Self::ConfirmedBefore
            | Self::ReferenceUsed
            | Self::OtherBank
            | Self::PaymentAmount
            | Self::NoBudget => None,
        }
    }
}
