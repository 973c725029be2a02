//! Appends leaves and heads, and moves the cursors, in one transaction.

use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::types::ToSql;

use super::{Cursor, OPERATION, failed};
use crate::domain::ids::RegionCode;
use crate::domain::seal::Hash;
use crate::domain::seal::head::SignedHead;
use crate::store::error::StoreError;
use crate::store::pool::Pool;

const PUT_BLOCK: &str = include_str!("../sql/seal/put_blocks.sql");
const PUT_HEADS: &str = include_str!("../sql/seal/put_heads.sql");
const MOVE_CURSOR: &str = include_str!("../sql/seal/move_cursor.sql");

/// Some leaves of a region's day, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The insured region.
    pub region: RegionCode,
    /// The accounting day.
    pub day: Date,
    /// Its place among the blocks of the day.
    pub block: i32,
    /// How many leaves are before it.
    pub first_leaf: i64,
    /// The ids of its leaves.
    pub ids: Vec<String>,
    /// Their hashes.
    pub hashes: Vec<Hash>,
}

/// What is to be written together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealWrite {
    /// New leaves.
    pub blocks: Vec<Block>,
    /// New heads.
    pub heads: Vec<SignedHead>,
    /// Up to when what is sealed now.
    pub read_to: Vec<(Cursor, Timestamp)>,
}

/// Writes all of it or nothing.
pub async fn put_seals(pool: &Pool, write: &SealWrite) -> Result<(), StoreError> {
    let mut connection = pool.take(&OPERATION).await?;
    connection.count();
    let transaction = connection.client.transaction().await.map_err(failed)?;
    if !write.blocks.is_empty() {
        let statement = transaction.prepare_cached(PUT_BLOCK).await.map_err(failed)?;
        for Block { region, day, block, first_leaf, ids, hashes } in &write.blocks {
            let (region, hashes) = (region.to_string(), hashes.as_flattened());
            let values: [&(dyn ToSql + Sync); 6] = [&region, day, block, first_leaf, ids, &hashes];
            transaction.execute(&statement, &values).await.map_err(failed)?;
        }
    }
    if !write.heads.is_empty() {
        let statement = transaction.prepare_cached(PUT_HEADS).await.map_err(failed)?;
        let of = &write.heads;
        let regions: Vec<String> = of.iter().map(|signed| signed.head.region.to_string()).collect();
        let days: Vec<Date> = of.iter().map(|signed| signed.head.day).collect();
        let finals: Vec<bool> = of.iter().map(|signed| signed.head.is_final).collect();
        let leaves: Vec<i64> =
            of.iter().map(|signed| i64::try_from(signed.head.leaves).unwrap_or(i64::MAX)).collect();
        let roots: Vec<&[u8]> = of.iter().map(|signed| signed.head.root.as_slice()).collect();
        let previous: Vec<&[u8]> =
            of.iter().map(|signed| signed.head.previous.as_slice()).collect();
        let hashes: Vec<Hash> = of.iter().map(|signed| signed.head.hash()).collect();
        let hashes: Vec<&[u8]> = hashes.iter().map(|hash| hash.as_slice()).collect();
        let sealed: Vec<Timestamp> = of.iter().map(|signed| signed.head.sealed_at).collect();
        let keys: Vec<&[u8]> = of.iter().map(|signed| signed.public_key.as_slice()).collect();
        let signatures: Vec<&[u8]> = of.iter().map(|signed| signed.signature.as_slice()).collect();
        transaction
            .execute(
                &statement,
                &[
                    &regions,
                    &days,
                    &finals,
                    &leaves,
                    &roots,
                    &previous,
                    &hashes,
                    &sealed,
                    &keys,
                    &signatures,
                ],
            )
            .await
            .map_err(failed)?;
    }
    for (cursor, read_to) in &write.read_to {
        let statement = transaction.prepare_cached(MOVE_CURSOR).await.map_err(failed)?;
        transaction.execute(&statement, &[&cursor.word(), read_to]).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}
