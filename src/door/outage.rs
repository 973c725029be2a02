//! What the gateway says of itself when it is too busy, or lost sight of a settlement: for who rehearses it without one.

use super::words;

/// An outage that clients must be ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Too much is asked: nothing was done.
    Busy,
    /// It was begun, and nobody knows how it ended.
    OutcomeUnknown,
}

impl Outage {
    /// Its stable word.
    pub(in crate::door) const fn word(self) -> &'static str {
        match self {
            Self::Busy => words::BUSY,
            Self::OutcomeUnknown => words::OUTCOME_UNKNOWN,
        }
    }
}
