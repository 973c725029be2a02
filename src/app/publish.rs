//! Publishes the packages in force, so that what is settled can be explained for ever, and every gateway sees which are current.

use std::collections::BTreeMap;

use super::AppError;
use crate::domain::ids::PackageHash;
use crate::rulebook::Packages;
use crate::store::{self, Pool, Publication, PublishedPackage};

/// Records packages that are not recorded yet. Only who starts or reloads asks this: whoever serves already goes on serving.
pub async fn publish(pool: &Pool, packages: &Packages) -> Result<Publication, AppError> {
    let published = store::publish_packages(pool, &in_order(packages)).await;
    published.map_err(AppError::store("publish the rule packages"))
}

/// Those superseded before those that supersede them.
fn in_order(packages: &Packages) -> Vec<PublishedPackage> {
    let ids: BTreeMap<&str, PackageHash> = packages
        .entries
        .iter()
        .map(|entry| (entry.package.id.as_str(), entry.package.hash))
        .collect();
    let mut ordered: Vec<PublishedPackage> = Vec::with_capacity(packages.entries.len());
    let mut waiting: Vec<_> = packages.entries.iter().collect();
    // Each round places at least one, unless they supersede each other in a circle, which no rulebook takes.
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|entry| {
            let package = &entry.package;
            let supersedes = package.supersedes.as_deref().and_then(|id| ids.get(id)).copied();
            let ready =
                supersedes.is_none_or(|hash| ordered.iter().any(|placed| placed.hash == hash));
            if ready {
                ordered.push(PublishedPackage {
                    hash: package.hash,
                    package_id: package.id.clone(),
                    insured_region: package.region,
                    scheme: package.scheme,
                    in_force_from: package.from,
                    in_force_to: Some(package.to),
                    known_from: package.known_from,
                    supersedes,
                    canonical: entry.canonical.to_vec(),
                });
            }
            !ready
        });
        if waiting.len() == before {
            break;
        }
    }
    ordered
}
