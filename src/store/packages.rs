//! Records rule packages: what was ever in force stays, and a commit can see which is current.

use deadpool_postgres::Transaction;
use jiff::civil::Date;
use tokio_postgres::error::SqlState;

use super::error::{Operation, StoreError};
use super::pool::Pool;
use super::row::Reader;
use crate::domain::ids::{PackageHash, RegionCode};
use crate::domain::standing::Scheme;

const CHECK_SQL: &str = include_str!("sql/check_packages.sql");
const SQL: &str = include_str!("sql/publish_package.sql");
const OF_SQL: &str = include_str!("sql/packages_of.sql");
const FIND_SQL: &str = include_str!("sql/find_package.sql");

/// A rule package as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPackage {
    /// SHA-256 over its canonical form.
    pub hash: PackageHash,
    /// Its id.
    pub package_id: String,
    /// Whose rules.
    pub insured_region: RegionCode,
    /// By which scheme.
    pub scheme: Scheme,
    /// First day in force.
    pub in_force_from: Date,
    /// Last day; nothing while it lasts.
    pub in_force_to: Option<Date>,
    /// Since when it is known.
    pub known_from: Date,
    /// The package it takes the place of.
    pub supersedes: Option<PackageHash>,
    /// The bytes that were hashed.
    pub canonical: Vec<u8>,
}

/// What came of publishing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    /// All are recorded; so many of them are new.
    Published(u64),
    /// This package has the id of one that is recorded with other contents, and does not say that it supersedes it.
    Changed(String),
    /// A recorded package supersedes one of these and is not among them.
    Incomplete {
        /// The one that is not there.
        missing: String,
        /// What it supersedes.
        superseded: String,
    },
    /// This package supersedes one that another already superseded.
    SupersededTwice(String),
    /// This package supersedes one that was never recorded.
    SupersedesUnknown(String),
}

/// Records packages, those superseded before those that supersede; what is recorded already changes nothing. A refusal stops
/// there, and records none: so does a set that lacks a package which supersedes one of its own, as nothing could be settled by it.
pub async fn publish_packages(
    pool: &Pool,
    packages: &[PublishedPackage],
) -> Result<Publication, StoreError> {
    let operation = Operation::Publish;
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let mut connection = pool.take(&operation).await?;
    connection.count();
    let transaction = connection.client.transaction().await.map_err(failed)?;
    if let Some(refusal) = recorded_against(&transaction, packages).await.map_err(failed)? {
        return Ok(refusal);
    }
    let mut published = 0_u64;
    for package in packages {
        let statement = transaction.prepare_cached(SQL).await.map_err(failed)?;
        let written = transaction
            .execute(
                &statement,
                &[
                    &package.hash.0.as_slice(),
                    &package.package_id,
                    &package.insured_region.to_string(),
                    &package.scheme.word(),
                    &package.in_force_from,
                    &package.in_force_to,
                    &package.known_from,
                    &package.supersedes.as_ref().map(|hash| hash.0.as_slice()),
                    &package.canonical,
                ],
            )
            .await;
        match written {
            Ok(rows) => published = published.saturating_add(rows),
            Err(source) => {
                let id = package.package_id.clone();
                let constraint = source.as_db_error().and_then(|error| error.constraint());
                return match (source.code(), constraint) {
                    (Some(&SqlState::UNIQUE_VIOLATION), Some("rule_package_one_root")) => {
                        Ok(Publication::Changed(id))
                    }
                    (Some(&SqlState::UNIQUE_VIOLATION), Some("rule_package_superseded_once")) => {
                        Ok(Publication::SupersededTwice(id))
                    }
                    (Some(&SqlState::FOREIGN_KEY_VIOLATION), _) => {
                        Ok(Publication::SupersedesUnknown(id))
                    }
                    _ => Err(failed(source)),
                };
            }
        }
    }
    transaction.commit().await.map_err(failed)?;
    Ok(Publication::Published(published))
}

/// What is recorded that these packages can not stand beside.
async fn recorded_against(
    transaction: &Transaction<'_>,
    packages: &[PublishedPackage],
) -> Result<Option<Publication>, tokio_postgres::Error> {
    let hashes: Vec<&[u8]> = packages.iter().map(|package| package.hash.0.as_slice()).collect();
    let ids: Vec<&str> = packages.iter().map(|package| package.package_id.as_str()).collect();
    let superseded: Vec<Option<&[u8]>> = packages
        .iter()
        .map(|package| package.supersedes.as_ref().map(|hash| hash.0.as_slice()))
        .collect();
    let statement = transaction.prepare_cached(CHECK_SQL).await?;
    let found = transaction.query_opt(&statement, &[&hashes, &ids, &superseded]).await?;
    let Some(row) = found else { return Ok(None) };
    let id: String = row.try_get("package_id")?;
    let missing: Option<String> = row.try_get("missing_id")?;
    Ok(Some(match missing {
        Some(missing) => Publication::Incomplete { missing, superseded: id },
        None => Publication::Changed(id),
    }))
}

/// The canonical bytes of a package that was ever published.
pub async fn find_package(pool: &Pool, hash: &PackageHash) -> Result<Option<Vec<u8>>, StoreError> {
    let operation = Operation::Publish;
    let connection = pool.take(&operation).await?;
    let rows = connection.query(FIND_SQL, &[&hash.0.as_slice()], &operation).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Reader { row, operation: &operation }.get("canonical").map(Some)
}

/// The canonical bytes of all packages of a region and scheme that were ever recorded, those in force on a day.
pub async fn packages_of(
    pool: &Pool,
    (region, scheme): (RegionCode, Scheme),
    discharge: Date,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let operation = Operation::Publish;
    let connection = pool.take(&operation).await?;
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
        [&region.to_string(), &scheme.word(), &discharge];
    let rows = connection.query(OF_SQL, &params, &operation).await?;
    rows.iter().map(|row| Reader { row, operation: &operation }.get("canonical")).collect()
}
