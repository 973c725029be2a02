//! What is answered, always derived from what was recorded.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{App, AppError};
use crate::domain::finance::budget::RunDry;
use crate::domain::ids::{PackageHash, SettlementId};
use crate::domain::ledger::Entry;
use crate::domain::record::{Body, Record};
use crate::domain::rules::Package;
use crate::rulebook::parse::parse_canonical;
use crate::store::{self, Recorded};

/// A settlement or a reversal as it was recorded, and where it stands now.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The row that was written.
    pub entry: Arc<Entry>,
    /// What it holds, in full.
    pub record: Record,
    /// The rules behind it.
    pub package: Arc<Package>,
    /// The reversal that undid it.
    pub reversed_by: Option<SettlementId>,
    /// What took its place, where a true-up took it back. Told to whoever looks it up.
    pub replaced_by: Option<SettlementId>,
    /// Had this request been answered before?
    pub repeat: bool,
    /// Funds that had not enough left for it. Said with the settlement alone: it is no part of what was decided, and not recorded.
    pub run_dry: Vec<RunDry>,
}

impl App {
    /// Reads a recorded entry back.
    pub(super) async fn answer(
        &self,
        recorded: Recorded,
        repeat: bool,
    ) -> Result<Answer, AppError> {
        let Recorded { entry, reversed_by, now: _ } = recorded;
        let settlement = entry.settlement.clone();
        let mut record = Record::from_bytes(&entry.record)
            .map_err(|source| AppError::Record { settlement, source })?;
        if let Body::Settled { outcome, .. } = &mut record.body
            && !entry.state.is_provisional()
        {
            // It was trued up since, and stands.
            outcome.provisional.clear();
        }
        let package = self.package(&entry.package).await?;
        let (entry, run_dry, replaced_by) = (Arc::new(entry), Vec::new(), None);
        Ok(Answer { entry, record, package, reversed_by, replaced_by, repeat, run_dry })
    }

    /// A rule package by its hash: from memory, else as it was published.
    pub(super) async fn package(&self, hash: &PackageHash) -> Result<Arc<Package>, AppError> {
        if let Some(entry) = self.rulebook.by_hash(*hash) {
            return Ok(entry.package);
        }
        let published = store::find_package(&self.pool, hash).await;
        let canonical = published.map_err(AppError::store("read a rule package"))?;
        let package = canonical.and_then(|bytes| parse_canonical(&bytes).ok());
        package.map(Arc::new).ok_or_else(|| AppError::PackageLost(hash.to_string()))
    }
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A package of the folder, for tests of what is answered by it.
#[cfg(test)]
pub(crate) fn example_package() -> Package {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("settlement-rules/520200/resident/2024/package.toml");
    let (entry, _warnings) = crate::rulebook::load::load_file(&file);
    entry.unwrap().package.as_ref().clone()
}
