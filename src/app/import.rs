//! Takes lists into the registry, batch by batch. The keys stay here: what reaches the store is hashed or sealed.

use super::{Act, App, AppError, Caller, Of};
use crate::domain::ids::{PersonId, RegionCode};
use crate::domain::standing::Scheme;
use crate::store::import::{self, Begin, Begun, Closed, RowKind, Rows, Rules, Secrets, Taken};

/// One list on its way in.
#[derive(Debug)]
pub struct Import<'a> {
    app: &'a App,
    caller: Caller,
    /// What the list is.
    pub list: Begin,
}

impl App {
    /// Opens an import, or finds how far an earlier run of it came.
    pub async fn import(
        &self,
        caller: &Caller,
        list: Begin,
    ) -> Result<(Import<'_>, Begun), AppError> {
        caller.allow(act_of(list.kind), Of::Rows(list.region))?;
        let begun = import::begin(&self.pool, &list, self.now().day).await;
        let begun = begun.map_err(AppError::store("open an import"))?;
        Ok((Import { app: self, caller: caller.clone(), list }, begun))
    }
}

impl Import<'_> {
    /// Takes the rows after the first `position`; durable when it returns.
    pub async fn take(&self, position: u64, rows: &Rows) -> Result<Taken, AppError> {
        let keys = &self.app.keys;
        let hash = |kind: u8, normalized: &str| keys.credential_hash(kind, normalized);
        // The person's number is what binds a name to its person.
        let seal =
            |name: &str, person: PersonId| keys.seal_name(name, &person.get().to_string()).ok();
        let secrets = Secrets { credential_hash: &hash, seal_name: &seal };
        // One moment's packages for the whole batch. Where none is loaded nobody can say what a word means.
        let packages = self.app.rulebook.packages();
        let all = || packages.entries.iter().map(|entry| &entry.package);
        let none = packages.entries.is_empty();
        let knows_accumulator = |region: RegionCode, scheme: Scheme, year: i16, name: &str| {
            let own = all().filter(|package| package.region == region && package.scheme == scheme);
            none || own
                .flat_map(|package| &package.accumulators)
                .any(|counted| counted.life == (year == 0) && counted.name == name)
        };
        let knows_identity = |code: &str| {
            none || all()
                .flat_map(|package| &package.identities)
                .any(|identity| identity.code == code)
        };
        let may_list = |region: RegionCode| self.caller.may_list(region);
        let rules = Rules {
            knows_accumulator: &knows_accumulator,
            knows_identity: &knows_identity,
            may_list: &may_list,
        };
        let known = (&secrets, &rules);
        let taken = import::take(&self.app.pool, known, &self.list, position, rows).await;
        taken.map_err(AppError::store("take rows of an import"))
    }

    /// Closes the import after its last row.
    pub async fn finish(&self) -> Result<Closed, AppError> {
        let closed = import::finish(&self.app.pool, &self.list).await;
        closed.map_err(AppError::store("close an import"))
    }
}

/// What bringing such rows is: of persons, or of what everybody goes by.
fn act_of(kind: RowKind) -> Act {
    match kind {
        RowKind::Person | RowKind::Coverage | RowKind::Identity | RowKind::Opening => {
            Act::ImportPersons
        }
        RowKind::Hospital | RowKind::Catalogue => Act::ImportReference,
    }
}
