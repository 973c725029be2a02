//! By which names a scope may ask. A name that nobody knows gives nothing, which looks like a day on which nothing happened.

use std::collections::BTreeSet;

use super::{Reconciling, StatementRefusal};
use crate::app::AppError;
use crate::domain::bill::Care;
use crate::domain::reconcile::{Scope, clearing_type};
use crate::rulebook::parse::parse_canonical;
use crate::store::reconcile as store;

impl Reconciling<'_> {
    /// Refuses a payer that no rule package names and nobody was paid by on these days, and a clearing type that nothing is of.
    pub(super) async fn knows_names(&self, scope: &Scope) -> Result<(), AppError> {
        let Scope { payer, clearing_type: clearing, .. } = scope;
        let mut payers = BTreeSet::new();
        if payer.is_some() {
            let packages = store::packages_near(self.pool, scope).await;
            let packages = packages.map_err(AppError::store("read rule packages"))?;
            let named = tokio::task::spawn_blocking(move || named(&packages));
            payers = named.await.map_err(|_| AppError::Unbalanced)?;
        }
        let mut types: BTreeSet<String> =
            Care::ALL.into_iter().map(|care| clearing_type("", care).to_owned()).collect();
        let known = |names: &BTreeSet<String>, wanted: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| names.contains(wanted))
        };
        if known(&payers, payer) && known(&types, clearing) {
            return Ok(());
        }
        let settled = store::names_settled(self.pool, scope).await;
        let (more_payers, more_types) = settled.map_err(AppError::store("read who paid"))?;
        payers.extend(more_payers);
        types.extend(more_types);
        if !known(&payers, payer) {
            return Err(StatementRefusal::PayerUnknown(payers.into_iter().collect()).into());
        }
        if !known(&types, clearing) {
            return Err(StatementRefusal::ClearingTypeUnknown(types.into_iter().collect()).into());
        }
        Ok(())
    }
}

/// The payers that these packages name.
fn named(packages: &[Vec<u8>]) -> BTreeSet<String> {
    let packages = packages.iter().filter_map(|bytes| parse_canonical(bytes).ok());
    packages.flat_map(|package| package.payers).map(|payer| payer.name).collect()
}
