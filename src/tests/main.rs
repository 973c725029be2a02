//! The one integration-test binary: a real PostgreSQL, real gRPC, and the house rules.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; the keys of .clippy.toml do not reach helpers"
)]

mod cluster;
mod folder;
mod server;
