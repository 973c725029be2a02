//! Sealed values and the keys that they are under: how many by which, and each written anew under the newest one, batch by batch.
//!
//! Nothing here keeps state of its own: what is still to be done is what does not begin as the newest key's values do. Any number may
//! do it at once, and beside servers: a value is replaced only where it still is what was read.

use super::error::{Operation, StoreError};
use super::pool::{Pool, READ_EVERYTHING};
use super::row::Reader;
use crate::domain::ids::PersonId;

/// A column of sealed values, in a table that has a row a person.
#[derive(Debug)]
pub struct SealedColumn {
    /// "table.column".
    pub name: &'static str,
    /// The next persons after $1 bucket and $2 person, at most $3, each with the value where it does not begin with $4.
    window: &'static str,
    /// Puts $4 in the place of $3 for the persons of $1 buckets and $2 ids.
    put: &'static str,
    /// How many values begin how; persons without one count too.
    counts: &'static str,
}

/// The one place that knows the columns' names; its statements are whole only together with them.
macro_rules! sealed_column {
    ($table:literal, $column:literal) => {
        SealedColumn {
            name: concat!($table, ".", $column),
            window: concat!(
                "SELECT person_id, CASE WHEN substr(",
                $column,
                ", 1, 5) <> $4::bytea THEN ",
                $column,
                " END AS sealed FROM ",
                $table,
                " WHERE (bucket, person_id) > ($1::smallint, $2::bigint) ",
                "ORDER BY bucket, person_id LIMIT $3::bigint",
            ),
            put: concat!(
                "UPDATE ",
                $table,
                " h SET ",
                $column,
                " = given.after ",
                "FROM unnest($1::smallint[], $2::bigint[], $3::bytea[], $4::bytea[]) ",
                "AS given(bucket, person_id, before, after) ",
                "WHERE h.bucket = given.bucket AND h.person_id = given.person_id AND h.",
                $column,
                " = given.before ",
                "RETURNING h.person_id",
            ),
            counts: concat!(
                "SELECT substr(",
                $column,
                ", 1, 5) AS head, count(*) AS persons FROM ",
                $table,
                " GROUP BY 1 ORDER BY 1",
            ),
        }
    };
}

/// Every column of sealed values: whoever adds one adds it here. Its values are sealed for the person's number.
pub static SEALED_COLUMNS: [SealedColumn; 1] = [sealed_column!("person_head", "name_sealed")];

/// Accounts of hospitals are sealed too; those few are sealed anew by themselves.
const ACCOUNT_COUNTS: &str = "SELECT substr(account_sealed, 1, 5) AS head, count(*) AS persons FROM hospital_account GROUP BY 1 ORDER BY 1";

/// How many values of a column begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCount {
    /// "table.column".
    pub column: &'static str,
    /// How they begin; nothing for persons who have none.
    pub head: Option<Vec<u8>>,
    /// Of so many persons.
    pub persons: u64,
}

/// Some persons, one after the other, and the values of theirs that are not under the newest key.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedWindow {
    /// How many persons were looked at.
    pub persons: usize,
    /// The last of them; nothing where there was none any more.
    pub last: Option<PersonId>,
    /// Whose value is to be sealed anew, and what it is.
    pub values: Vec<(PersonId, Vec<u8>)>,
}

/// A value sealed anew.
#[derive(Clone, PartialEq, Eq)]
pub struct Resealed {
    /// Whose.
    pub person: PersonId,
    /// What was read.
    pub before: Vec<u8>,
    /// What takes its place.
    pub after: Vec<u8>,
}

impl std::fmt::Debug for SealedWindow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedWindow").field("persons", &self.persons).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Resealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resealed").field("person", &self.person).finish_non_exhaustive()
    }
}

/// How many values of every column are under which key.
pub async fn count_sealed(pool: &Pool) -> Result<Vec<SealedCount>, StoreError> {
    let operation = Operation::Reseal;
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let mut connection = pool.take(&operation).await?;
    let mut counts = Vec::new();
    let columns = SEALED_COLUMNS.iter().map(|column| (column.name, column.counts));
    for (column, sql) in columns.chain([("hospital_account.account_sealed", ACCOUNT_COUNTS)]) {
        connection.count();
        let transaction = connection.client.transaction().await.map_err(failed)?;
        transaction.batch_execute(READ_EVERYTHING).await.map_err(failed)?;
        for row in &transaction.query(sql, &[]).await.map_err(failed)? {
            let reader = Reader { row, operation: &operation };
            let persons: i64 = reader.get("persons")?;
            let persons = u64::try_from(persons).unwrap_or(0);
            counts.push(SealedCount { column, head: reader.get("head")?, persons });
        }
    }
    Ok(counts)
}

/// Looks at the next persons after one, at most so many, for values that do not begin with `head`.
pub async fn sealed_window(
    pool: &Pool,
    column: &'static SealedColumn,
    after: Option<PersonId>,
    (persons_max, head): (usize, &[u8]),
) -> Result<SealedWindow, StoreError> {
    let operation = Operation::Reseal;
    let connection = pool.take(&operation).await?;
    let (bucket, person) = after.map_or((-1, 0), |person| (person.bucket(), person.get()));
    let limit = i64::try_from(persons_max).unwrap_or(i64::MAX);
    let rows =
        connection.query(column.window, &[&bucket, &person, &limit, &head], &operation).await?;
    let mut window = SealedWindow { persons: rows.len(), last: None, values: Vec::new() };
    for row in &rows {
        let reader = Reader { row, operation: &operation };
        let person = reader.person("person_id")?;
        let person = reader.parse("person_id", person)?;
        window.last = Some(person);
        if let Some(sealed) = reader.get("sealed")? {
            window.values.push((person, sealed));
        }
    }
    Ok(window)
}

/// Puts values in the place of what they were sealed from, and says how many still were there. One statement, and one transaction.
pub async fn put_resealed(
    pool: &Pool,
    column: &'static SealedColumn,
    values: &[Resealed],
) -> Result<usize, StoreError> {
    if values.is_empty() {
        return Ok(0);
    }
    let operation = Operation::Reseal;
    let connection = pool.take(&operation).await?;
    let buckets: Vec<i16> = values.iter().map(|value| value.person.bucket()).collect();
    let persons: Vec<i64> = values.iter().map(|value| value.person.get()).collect();
    let befores: Vec<&[u8]> = values.iter().map(|value| value.before.as_slice()).collect();
    let afters: Vec<&[u8]> = values.iter().map(|value| value.after.as_slice()).collect();
    let rows =
        connection.query(column.put, &[&buckets, &persons, &befores, &afters], &operation).await?;
    Ok(rows.len())
}
