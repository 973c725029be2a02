//! The books of the money that moves after a settlement: accounts, balanced postings, clearing statements, due dates, budgets.
//!
//! A settlement is its own balanced entry and is never written a second time: its columns *are* its lines. What is posted here moves
//! later: appropriations, advances, payments, withheld deposits, refunds, write-offs. Each posting balances within each region and each
//! fund by itself, so that no posting can move money of one fund into another: relief money is never diverted by an entry.

pub mod account;
pub mod budget;
pub mod clearing;
pub mod posting;
pub mod workdays;

pub use self::account::{Account, AccountKind, Fund};
pub use self::posting::{Draft, Line, Misplaced, Posting, PostingFault, PostingKind, Side};
