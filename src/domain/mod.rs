//! The pure part: what is decided, from what, and why.
//!
//! Nothing here does I/O, reads a clock, knows a wire format or uses a float; it sees nothing else of ours.
#![warn(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

pub mod audit;
pub mod bill;
pub mod cascade;
pub mod finance;
pub mod ids;
pub mod ledger;
pub mod money;
pub mod prepare;
pub mod reconcile;
pub mod record;
pub mod rules;
pub mod seal;
pub mod split;
pub mod standing;
pub mod verdict;
