//! The edge to PostgreSQL: reads frozen snapshots, commits entries, each in groups, imports registries.
//!
//! Promises: a settle costs one round trip, shared with its group, and one more where somebody must be read; nothing is half written; history
//! only grows. Knows
//! domain types and rows, never a wire format, and decides nothing.

mod accumulators;
pub mod audit;
mod catalogued;
pub mod cluster;
mod commit;
mod credential_key;
mod error;
pub mod feed;
mod fence;
pub mod finance;
mod find;
pub mod import;
mod migrate;
pub mod national;
pub mod outbox;
mod pace;
mod packages;
mod persons;
mod pipeline;
mod pool;
mod presence;
mod reads;
pub mod reconcile;
pub mod reference;
mod row;
mod seal;
mod sealed;
mod snapshot;
mod tombstone;
mod trail;
pub mod trueup;
mod value;

pub use accumulators::{Fault, check_integrity, check_registry, rebuild_accumulators};
pub use catalogued::Catalogued;
pub use commit::{Committed, Queued, Seen, commit, queue};
pub use credential_key::{claim_credential_key, is_credential_key};
pub use error::{Operation, StoreError};
pub use fence::{fence_day, newest_fence};
pub use find::{Found, Key, Recorded, Versions, find_settlement, is_hospital};
pub use migrate::migrate;
pub use packages::{Publication, PublishedPackage, find_package, packages_of, publish_packages};
pub use persons::{PersonsHeld, bring_near};
pub use pipeline::CommitSettings;
pub use pool::{Pool, PoolSettings};
pub use presence::join_gateways;
pub use seal::{
    Block, ChangeKey, Cursor, SealLock, SealState, SealWrite, WholeSettlement, booked_later,
    changes_between, changes_of, final_heads, leaf_ids_of_day, lock_seals, next_change,
    next_settlement, postings_between, postings_of, postings_of_day, put_seals, seal_leaves,
    seal_state, settlement_ids_of_day, settlements_between, settlements_of, transactions, unheaded,
    unsealed_changes, unsealed_ids,
};
pub use sealed::{
    Resealed, SEALED_COLUMNS, SealedColumn, SealedCount, SealedWindow, count_sealed, put_resealed,
    sealed_window,
};
pub use snapshot::{
    Earlier, EarlierSettlement, ReadSnapshot, Snapshot, recall, remember, snapshot, standing,
};
pub use tombstone::{Left, Tombstone, leave_tombstone};
pub use trail::{
    Access, Listed, Place, What, accesses_of, flush_accesses, note_access, person_of, record_access,
};

/// The bucket of a credential, from its hash: it is looked for before the person's bucket is known.
fn credential_bucket(credential_hash: &[u8; 32]) -> i16 {
    let [first, ..] = credential_hash;
    i16::from(first & 0x7f)
}

const _: () =
    assert!(crate::domain::ids::BUCKETS == 128, "the mask above and the CHECKs in the schema");
