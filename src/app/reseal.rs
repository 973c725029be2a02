//! Seals anew, under the newest key, what is sealed under an older one; and says what is under which.

use super::AppError;
use super::finance::payments::bound_to;
use crate::domain::ids::{HospitalCode, PersonId};
use crate::keys::{Keys, sealed_by};
use crate::limits;
use crate::store::{self, Pool, Resealed, SEALED_COLUMNS, SealedColumn, StoreError};

/// Goes through all sealed values once, batch by batch. It may be dropped between any two, and begun anew: what is under the newest
/// key already is passed over.
#[derive(Debug)]
pub struct Resealing<'a> {
    pool: &'a Pool,
    keys: &'a Keys,
    batch_persons: usize,
    columns: std::slice::Iter<'static, SealedColumn>,
    column: Option<&'static SealedColumn>,
    after: Option<PersonId>,
    are_accounts_done: bool,
}

/// What one batch came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResealedBatch {
    /// Persons looked at.
    pub persons: usize,
    /// Values that are under the newest key now, and were not.
    pub resealed: usize,
    /// Whose value could not be opened. It stays as it is.
    pub unopened: Vec<PersonId>,
    /// Hospitals of which an account could not be.
    pub unopened_accounts: Vec<HospitalCode>,
}

/// How many values of a column are under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedUnder {
    /// "table.column".
    pub column: &'static str,
    /// The key.
    pub key: KeyOf,
    /// Of so many persons.
    pub persons: u64,
}

/// Which key values are under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOf {
    /// This one.
    Key(u32),
    /// There is no value.
    Nothing,
    /// The value is in no form that we know.
    Unknown,
}

impl<'a> Resealing<'a> {
    /// From the first person on.
    pub fn new(pool: &'a Pool, keys: &'a Keys) -> Self {
        let mut columns = SEALED_COLUMNS.iter();
        let column = columns.next();
        let batch_persons = limits::RESEAL_BATCH_PERSONS;
        let (after, are_accounts_done) = (None, false);
        Self { pool, keys, batch_persons, columns, column, after, are_accounts_done }
    }

    /// So many persons a batch.
    pub const fn in_batches_of(self, batch_persons: usize) -> Self {
        Self { batch_persons, ..self }
    }

    /// Does the next batch; nothing once all is done.
    pub async fn next_batch(&mut self) -> Result<Option<ResealedBatch>, AppError> {
        while let Some(column) = self.column {
            let (persons_max, head) = (self.batch_persons, self.keys.newest_head());
            let found = patiently(async || {
                store::sealed_window(self.pool, column, self.after, (persons_max, &head)).await
            });
            let found = found.await.map_err(AppError::store("read sealed values"))?;
            if found.last.is_none() {
                (self.column, self.after) = (self.columns.next(), None);
                continue;
            }
            let mut batch = ResealedBatch { persons: found.persons, ..ResealedBatch::default() };
            let mut values = Vec::with_capacity(found.values.len());
            for (person, before) in found.values {
                // The person's number is what binds a value to its person.
                match self.keys.reseal(&before, person.get().to_string().as_bytes()) {
                    Ok(after) => values.push(Resealed { person, before, after }),
                    Err(_) => batch.unopened.push(person),
                }
            }
            let put = patiently(async || store::put_resealed(self.pool, column, &values).await);
            batch.resealed = put.await.map_err(AppError::store("write values sealed anew"))?;
            self.after = found.last;
            return Ok(Some(batch));
        }
        if std::mem::replace(&mut self.are_accounts_done, true) {
            return Ok(None);
        }
        let batch = self.accounts().await?;
        Ok((0 < batch.persons).then_some(batch))
    }

    /// Accounts of hospitals, which are few: all at once.
    async fn accounts(&self) -> Result<ResealedBatch, AppError> {
        let head = self.keys.newest_head();
        let accounts = patiently(async || store::finance::sealed_accounts(self.pool).await).await;
        let accounts = accounts.map_err(AppError::store("read sealed accounts"))?;
        let mut batch = ResealedBatch { persons: accounts.len(), ..ResealedBatch::default() };
        for (hospital, account) in accounts {
            if account.sealed.starts_with(&head) {
                continue;
            }
            let Ok(after) = self.keys.reseal(&account.sealed, &bound_to(&hospital)) else {
                batch.unopened_accounts.push(hospital);
                continue;
            };
            let put = patiently(async || {
                store::finance::put_resealed_account(self.pool, &hospital, &account, &after).await
            });
            let put = put.await.map_err(AppError::store("write accounts sealed anew"))?;
            batch.resealed = batch.resealed.saturating_add(usize::from(put));
        }
        Ok(batch)
    }
}

/// Tries again while the database is merely busy: an import may hold the same persons for as long as its batch takes.
async fn patiently<T>(
    mut work: impl AsyncFnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut attempt = 1;
    loop {
        match work().await {
            Err(error) if error.is_busy() && attempt < limits::RESEAL_ATTEMPTS_MAX => {
                attempt = attempt.saturating_add(1);
                tokio::time::sleep(limits::RETRY_WHEN_BUSY).await;
            }
            done => return done,
        }
    }
}

/// How many values are under which key.
pub async fn sealed_under(pool: &Pool) -> Result<Vec<SealedUnder>, AppError> {
    let counts = store::count_sealed(pool).await.map_err(AppError::store("count sealed values"))?;
    let under = counts.into_iter().map(|count| {
        let key = match &count.head {
            None => KeyOf::Nothing,
            Some(head) => {
                let head = head.as_slice().try_into().ok();
                head.and_then(sealed_by).map_or(KeyOf::Unknown, KeyOf::Key)
            }
        };
        SealedUnder { column: count.column, key, persons: count.persons }
    });
    Ok(under.collect())
}

/// Whether a database is known to be kept under these keys: by its credential key, which never changes.
pub async fn is_kept_under(pool: &Pool, keys: &Keys) -> Result<bool, AppError> {
    let known = store::is_credential_key(pool, &keys.credential_fingerprint()).await;
    known.map_err(AppError::store("compare the credential key"))
}
