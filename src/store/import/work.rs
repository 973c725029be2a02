//! One batch at work: its transaction, and what every kind of row needs of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::parse::{Credential, Refusal};
use super::rows::Reject;
use super::spans::Placed;
use super::{Batch, Begin, RowKind};
use crate::domain::ids::PersonId;
use crate::limits;
use crate::store::credential_bucket;
use crate::store::error::{Operation, StoreError};
use crate::store::pool::Pool;
use crate::store::row::Reader;

/// One batch, in one transaction.
pub(super) struct Work<'a> {
    pub(super) transaction: deadpool_postgres::Transaction<'a>,
    pub(super) operation: &'a Operation,
    pub(super) list: &'a Begin,
    /// Rows durable once this batch is.
    pub(super) rows_durable: i64,
    /// Persons of whom something changed.
    pub(super) touched: Touched,
}

/// What changes. Whatever becomes of the batch, what is held of it in memory is let go at its end.
pub(super) struct Touched {
    pool: Pool,
    kind: RowKind,
    persons: Mutex<BTreeSet<PersonId>>,
}

impl Touched {
    pub(super) fn new(pool: &Pool, kind: RowKind) -> Self {
        Self { pool: pool.clone(), kind, persons: Mutex::default() }
    }

    pub(super) fn add(&self, persons: impl IntoIterator<Item = PersonId>) {
        self.persons.lock().unwrap_or_else(PoisonError::into_inner).extend(persons);
    }
}

impl Drop for Touched {
    fn drop(&mut self) {
        let persons = self.persons.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !persons.is_empty() {
            self.pool.persons().forget(std::mem::take(persons));
        }
        match self.kind {
            RowKind::Hospital | RowKind::Catalogue => self.pool.reference().forget(),
            RowKind::Person | RowKind::Coverage | RowKind::Identity | RowKind::Opening => {}
        }
    }
}

/// A change of a person's standing, for history.
pub(super) struct Change {
    pub(super) person: PersonId,
    pub(super) before: Option<Value>,
    pub(super) after: Value,
}

impl Work<'_> {
    pub(super) async fn query(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let failed = |source| StoreError::Statement { operation: self.operation.clone(), source };
        let statement = self.transaction.prepare_cached(sql).await.map_err(failed)?;
        self.transaction.query(&statement, params).await.map_err(failed)
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        let Self { transaction, operation, touched, .. } = self;
        let failed = |source| StoreError::Statement { operation: operation.clone(), source };
        let committed = transaction.commit().await.map_err(failed);
        if committed.is_err() {
            // It may still be written.
            touched.pool.presence().doubt(limits::UNHEARD_MAX);
        }
        drop(touched);
        committed
    }

    pub(super) const fn reader<'r>(&'r self, row: &'r Row) -> Reader<'r> {
        Reader { row, operation: self.operation }
    }

    /// The import, where it is a full list.
    pub(super) fn full_list(&self) -> Option<&str> {
        self.list.full.then_some(self.list.import_id.as_str())
    }

    /// Whose these credentials are.
    pub(super) async fn resolve(
        &self,
        credentials: &BTreeSet<Credential>,
    ) -> Result<BTreeMap<Credential, PersonId>, StoreError> {
        let buckets: Vec<i16> =
            credentials.iter().map(|credential| credential_bucket(&credential.hash)).collect();
        let hashes: Vec<&[u8]> =
            credentials.iter().map(|credential| credential.hash.as_slice()).collect();
        let kinds: Vec<i16> = credentials.iter().map(|credential| credential.kind).collect();
        let sql = include_str!("../sql/import/resolve_credentials.sql");
        let rows = self.query(sql, &[&buckets, &hashes, &kinds]).await?;
        rows.iter()
            .map(|row| {
                let reader = self.reader(row);
                let credential =
                    Credential { kind: reader.get("kind")?, hash: reader.hash("credential_hash")? };
                let person = reader.person("person_id")?;
                Ok((credential, reader.parse("person_id", person)?))
            })
            .collect()
    }

    /// Holds persons until the batch is durable.
    pub(super) async fn lock(&self, persons: &BTreeSet<PersonId>) -> Result<Vec<Row>, StoreError> {
        let (buckets, ids) = keys(persons.iter().copied());
        self.query(include_str!("../sql/import/lock_persons.sql"), &[&buckets, &ids]).await
    }

    /// Moves the standing of every person that changed, once, and appends the changes to history.
    pub(super) async fn log(&self, kind: RowKind, changes: &[Change]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.touched.add(changes.iter().map(|change| change.person));
        let (buckets, ids) = keys(changes.iter().map(|change| change.person));
        let befores: Vec<Option<String>> =
            changes.iter().map(|change| change.before.as_ref().map(Value::to_string)).collect();
        let afters: Vec<String> = changes.iter().map(|change| change.after.to_string()).collect();
        let sql = include_str!("../sql/import/log_changes.sql");
        self.query(sql, &[&buckets, &ids, &kind.word(), &self.list.import_id, &befores, &afters])
            .await
            .map(|_| ())
    }

    /// Appends changes of hospitals or items to history.
    pub(super) async fn log_reference(
        &self,
        changes: &[(Option<Value>, Value)],
    ) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let befores: Vec<Option<String>> =
            changes.iter().map(|(before, _)| before.as_ref().map(Value::to_string)).collect();
        let afters: Vec<String> = changes.iter().map(|(_, after)| after.to_string()).collect();
        let sql = include_str!("../sql/import/log_reference.sql");
        let kind = self.list.kind.word();
        self.query(sql, &[&self.list.import_id, &self.rows_durable, &kind, &befores, &afters])
            .await
            .map(|_| ())
    }
}

impl Batch {
    pub(super) fn reject(&mut self, line: u64, (reason, field): Refusal) {
        self.rejects.push(Reject { line, reason, field });
    }

    /// Counts what came of a span.
    pub(super) fn count(&mut self, line: u64, placed: Placed) {
        match placed {
            Placed::Added => self.added = self.added.saturating_add(1),
            Placed::Changed => self.changed = self.changed.saturating_add(1),
            Placed::Unchanged => self.unchanged = self.unchanged.saturating_add(1),
            Placed::Overlaps => {
                self.reject(line, (super::RejectReason::SpanOverlaps, "valid_from"))
            }
        }
    }
}

/// Persons as two columns.
pub(super) fn keys(persons: impl Iterator<Item = PersonId>) -> (Vec<i16>, Vec<i64>) {
    persons.map(|person| (person.bucket(), person.get())).unzip()
}
