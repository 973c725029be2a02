//! The one integration-test binary: a real PostgreSQL, real gRPC, and the house rules.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed; the keys of .clippy.toml do not reach helpers"
)]

mod access;
mod audit;
mod audit_doors;
mod bad_input;
mod bundle;
mod bundle_attacks;
mod client;
mod cluster;
mod contention;
mod core_changes;
mod core_fixture;
mod core_layers;
mod core_link;
mod core_national;
mod core_outage;
mod desk;
mod drill;
mod failure;
mod finance;
mod finance_attacks;
mod finance_doors;
mod finance_payments;
mod folder;
mod gateway;
mod groups;
mod harness;
mod ledger_fixture;
mod limits;
mod national;
mod national_conformance;
mod national_desk;
mod national_state;
mod national_trust;
mod observed;
mod peers;
mod plans;
mod properties;
mod proxy;
mod reconcile;
mod reconcile_doors;
mod reconcile_explained;
mod reconcile_notes;
mod redaction;
mod registry_stream;
mod remembered;
mod reseal;
mod sandbox;
mod schema;
mod seal;
mod seal_attacks;
mod seal_fixture;
mod server;
mod slow_clients;
mod store_commit;
mod store_import;
mod tidy;
mod trail;
