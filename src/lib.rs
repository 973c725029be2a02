//! onestop, a real-time one-stop medical-aid settlement gateway.
//!
#![doc = include_str!("ARCHITECTURE.md")]

pub mod app;
pub mod bundle;
pub mod cli;
pub mod config;
pub mod core_link;
pub mod core_sim;
#[cfg_attr(
    doc,
    expect(
        rustdoc::broken_intra_doc_links,
        reason = "the national interface's field names stand in brackets, as in the contract"
    )
)]
pub mod domain;
pub mod door;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
pub mod keys;
pub mod limits;
pub mod rulebook;
pub mod server;
pub mod statement;
pub mod store;
pub mod telemetry;
