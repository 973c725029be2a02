//! The integration tests, in one binary.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails is meant to stop"
)]

mod harness;
mod ledger_fixture;
mod schema;
mod store_commit;
mod store_import;
