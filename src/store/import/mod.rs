//! Takes lists of persons, coverage, identities, hospitals, items and opening entries.
//!
//! Rows come in batches, each batch one transaction that also moves how far the import is: a killed import goes on where it
//! was, and a repeated one changes nothing. A bad row is named and left out; the good ones beside it stay. Lists go one after
//! the other, through whichever instance they come.

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod openings;
mod parse;
mod persons;
mod reference;
mod rows;
mod spans;
mod standing;
mod work;

use jiff::civil::Date;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use self::work::{Touched, Work};
use super::error::{Operation, StoreError};
use super::pool::{Connection, Pool, READ_EVERYTHING};
use super::row::Reader;
use crate::domain::ids::{PersonId, RegionCode};
use crate::domain::standing::Scheme;
use crate::limits;

pub use parse::normalize_credential;
pub use rows::{
    CatalogueRow, CoverageRow, HospitalRow, IdentityRow, Line, OpeningRow, PersonRow, Reject,
    RejectReason, RowKind, Rows,
};

/// The most rows of a batch: its locks are held until it is durable.
pub const BATCH_ROWS_MAX: usize = 1_000;

/// What keeps credentials and names from the database.
#[derive(Clone, Copy)]
pub struct Secrets<'a> {
    /// Keyed hash of a kind and a normalised number. Kind 0 is a name's mark.
    pub credential_hash: &'a (dyn Fn(u8, &str) -> [u8; 32] + Sync),
    /// Seals a name for one person; nothing where it can not.
    pub seal_name: &'a (dyn Fn(&str, PersonId) -> Option<Vec<u8>> + Sync),
}

/// What the rules count and favour; a row that names anything else would never matter, whatever it was meant to say.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Whether the rules of a region and scheme count this over a policy year, or over a lifetime (0).
    pub knows_accumulator: &'a (dyn Fn(RegionCode, Scheme, i16, &str) -> bool + Sync),
    /// Whether any rules know this identity.
    pub knows_identity: &'a (dyn Fn(&str) -> bool + Sync),
    /// Whether whoever brings the list may bring rows about a region.
    pub may_list: &'a (dyn Fn(RegionCode) -> bool + Sync),
}

/// What a list is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Names the list; the key to resume by. At most 64 characters.
    pub import_id: String,
    /// What its rows are.
    pub kind: RowKind,
    /// What is no longer on the list ends on its date.
    pub full: bool,
    /// The list's own date.
    pub list_date: Date,
    /// Who issued it.
    pub source: String,
    /// For a full list: the region it is the full list of.
    pub region: Option<RegionCode>,
}

/// What came of opening an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Send the rows after the first so many.
    From(u64),
    /// It was taken to its end before.
    Finished(Summary),
    /// The list can not be taken.
    Refused(Refused),
}

/// What came of closing an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It is finished.
    Finished(Summary),
    /// It stays open, and nothing ended.
    Refused(Refused),
}

/// Why a list can not be taken as it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// This field can not be, or was another before.
    Field(&'static str),
    /// No row of a full list was taken: it would end everything.
    Empty,
    /// The date of a full list is after today: it would end what is still in force.
    DatedAhead,
    /// A newer full list of the same kind and region was finished: this one would bring back what that one ended.
    Older,
}

/// What came of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is durable.
    Durable(Batch),
    /// The import is somewhere else: another stream sends the same list. Send the rows after the first so many.
    Elsewhere(u64),
}

/// A batch that is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Rows of this import that are durable.
    pub rows_durable: u64,
    /// Rows that added something.
    pub added: u64,
    /// Rows that changed something.
    pub changed: u64,
    /// Rows that changed nothing.
    pub unchanged: u64,
    /// Rows not taken.
    pub rejects: Vec<Reject>,
}

/// What an import did, over all its batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows that added something.
    pub added: u64,
    /// Rows that changed something.
    pub changed: u64,
    /// Rows that changed nothing.
    pub unchanged: u64,
    /// Rows not taken.
    pub rejected: u64,
    /// Entries that a full list ended.
    pub ended: u64,
}

/// Where an import is.
struct Run {
    rows_durable: i64,
    finished: bool,
    summary: Summary,
}

impl std::fmt::Debug for Secrets<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(redacted)")
    }
}

impl std::fmt::Debug for Rules<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rules")
    }
}

/// Opens an import, or finds how far it is.
pub async fn begin(pool: &Pool, list: &Begin, today: Date) -> Result<Begun, StoreError> {
    if let Some(refused) = refused(list, today) {
        return Ok(Begun::Refused(refused));
    }
    let operation = Operation::Import(list.import_id.clone());
    let connection = pool.take(&operation).await?;
    let region = list.region.map(|region| region.to_string());
    let newest: [&(dyn ToSql + Sync); 4] =
        [&list.import_id, &list.kind.word(), &region, &list.list_date];
    let sql = include_str!("../sql/import/older_list.sql");
    let rows = connection.query(sql, &newest, &operation).await?;
    if list.full && is_older(&rows, &operation)? {
        return Ok(Begun::Refused(Refused::Older));
    }
    connection
        .query(
            include_str!("../sql/import/begin_run.sql"),
            &[
                &list.import_id,
                &list.kind.word(),
                &list.full,
                &list.list_date,
                &list.source,
                &region,
            ],
            &operation,
        )
        .await?;
    let find = "SELECT * FROM import_run WHERE import_id = $1";
    let rows = connection.query(find, &[&list.import_id], &operation).await?;
    let row = rows
        .first()
        .ok_or(StoreError::Stored { operation: operation.clone(), field: "import_id" })?;
    let reader = Reader { row, operation: &operation };
    let differs = [
        ("kind", reader.get::<String>("kind")? != list.kind.word()),
        ("full", reader.get::<bool>("is_full")? != list.full),
        ("list_date", reader.get::<Date>("list_date")? != list.list_date),
        ("region", reader.get::<Option<String>>("region")? != region),
    ];
    if let Some((field, _)) = differs.into_iter().find(|(_, differs)| *differs) {
        return Ok(Begun::Refused(Refused::Field(field)));
    }
    let run = run(&reader)?;
    Ok(if run.finished {
        Begun::Finished(run.summary)
    } else {
        Begun::From(unsigned(run.rows_durable))
    })
}

/// Takes the rows after the first `position` of an import that was opened.
pub async fn take(
    pool: &Pool,
    (secrets, rules): (&Secrets<'_>, &Rules<'_>),
    list: &Begin,
    position: u64,
    rows: &Rows,
) -> Result<Taken, StoreError> {
    let operation = Operation::Import(list.import_id.clone());
    let unfit = |field| StoreError::Unfit { operation: operation.clone(), field };
    let fits = rows.kind() == list.kind && rows.len() <= BATCH_ROWS_MAX;
    let count = i64::try_from(rows.len()).ok().filter(|_| fits).ok_or_else(|| unfit("rows"))?;
    let mut connection = pool.take(&operation).await?;
    let mut work = open(pool, &mut connection, (&operation, list)).await?;
    let run = lock(&work).await?;
    if run.finished || unsigned(run.rows_durable) != position {
        return Ok(Taken::Elsewhere(unsigned(run.rows_durable)));
    }
    work.rows_durable = run.rows_durable.saturating_add(count);
    let mut batch = match rows {
        Rows::Persons(rows) => persons::take(&work, (secrets, rules), rows).await?,
        Rows::Coverage(rows) => standing::take_coverage(&work, (secrets, rules), rows).await?,
        Rows::Identities(rows) => standing::take_identities(&work, (secrets, rules), rows).await?,
        Rows::Hospitals(rows) => reference::take_hospitals(&work, rules, rows).await?,
        Rows::Catalogue(rows) => reference::take_catalogue(&work, rules, rows).await?,
        Rows::Openings(rows) => openings::take(&work, (secrets, rules), rows).await?,
    };
    batch.rows_durable = unsigned(work.rows_durable);
    let rejected = u64::try_from(batch.rejects.len()).unwrap_or(u64::MAX);
    let counts = [batch.added, batch.changed, batch.unchanged, rejected].map(signed);
    let [added, changed, unchanged, rejected] = counts;
    work.query(
        include_str!("../sql/import/advance_run.sql"),
        &[&list.import_id, &added, &changed, &unchanged, &rejected],
    )
    .await?;
    work.commit().await?;
    Ok(Taken::Durable(batch))
}

/// Closes an import after its last row; a full list now ends what it did not carry. Closing it again tells the same.
pub async fn finish(pool: &Pool, list: &Begin) -> Result<Closed, StoreError> {
    let operation = Operation::Import(list.import_id.clone());
    let mut connection = pool.take(&operation).await?;
    let work = open(pool, &mut connection, (&operation, list)).await?;
    let Run { mut summary, finished, .. } = lock(&work).await?;
    if finished {
        return Ok(Closed::Finished(summary));
    }
    if list.full
        && let Some(refused) = refused_to_end(&work, &summary).await?
    {
        return Ok(Closed::Refused(refused));
    }
    let end = match list.kind {
        RowKind::Coverage => Some(include_str!("../sql/import/end_coverage.sql")),
        RowKind::Identity => Some(include_str!("../sql/import/end_identity.sql")),
        RowKind::Hospital => Some(include_str!("../sql/import/end_hospital.sql")),
        RowKind::Catalogue => Some(include_str!("../sql/import/end_catalogue.sql")),
        RowKind::Person | RowKind::Opening => None,
    };
    if let (Some(end), Some(region), true) = (end, list.region, list.full) {
        // One statement over a whole region is unlike anything at the desk.
        let failed = |source| StoreError::Statement { operation: operation.clone(), source };
        work.transaction.batch_execute(READ_EVERYTHING).await.map_err(failed)?;
        let rows =
            work.query(end, &[&list.import_id, &region.to_string(), &list.list_date]).await?;
        if let Some(row) = rows.first() {
            summary.ended = unsigned(Reader { row, operation: &operation }.get("ended")?);
        }
    }
    work.query(
        include_str!("../sql/import/finish_run.sql"),
        &[&list.import_id, &signed(summary.ended)],
    )
    .await?;
    let committed = work.commit().await;
    if 0 < summary.ended {
        // Whose spans ended is not told one by one.
        pool.persons().forget_all(pool);
    }
    committed?;
    Ok(Closed::Finished(summary))
}

/// Why a full list must not end what it does not carry. Asked under the lock: another may have been finished meanwhile.
async fn refused_to_end(work: &Work<'_>, summary: &Summary) -> Result<Option<Refused>, StoreError> {
    let Begin { import_id, kind, list_date, region, .. } = work.list;
    if [summary.added, summary.changed, summary.unchanged] == [0; 3] {
        return Ok(Some(Refused::Empty));
    }
    let region = region.map(|region| region.to_string());
    let sql = include_str!("../sql/import/older_list.sql");
    let rows = work.query(sql, &[import_id, &kind.word(), &region, list_date]).await?;
    Ok(is_older(&rows, work.operation)?.then_some(Refused::Older))
}

fn is_older(rows: &[Row], operation: &Operation) -> Result<bool, StoreError> {
    match rows.first() {
        Some(row) => Reader { row, operation }.get("older"),
        None => Ok(false),
    }
}

/// What can not be of a list, whatever is recorded.
fn refused(list: &Begin, today: Date) -> Option<Refused> {
    let ends = match list.kind {
        RowKind::Person | RowKind::Opening => false,
        RowKind::Coverage | RowKind::Identity | RowKind::Hospital | RowKind::Catalogue => true,
    };
    let unfit = |text: &str, longest| parse::text("", text, longest).is_err();
    if unfit(&list.import_id, 64) {
        Some(Refused::Field("import_id"))
    } else if unfit(&list.source, 100) {
        Some(Refused::Field("source"))
    } else if list.full && !ends {
        Some(Refused::Field("full"))
    } else if list.full && list.region.is_none() {
        Some(Refused::Field("region"))
    } else if list.full && today < list.list_date {
        Some(Refused::DatedAhead)
    } else {
        None
    }
}

async fn open<'a>(
    pool: &Pool,
    connection: &'a mut Connection,
    (operation, list): (&'a Operation, &'a Begin),
) -> Result<Work<'a>, StoreError> {
    connection.count();
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let transaction = connection.client.transaction().await.map_err(failed)?;
    let touched = Touched::new(pool, list.kind);
    let work = Work { transaction, operation, list, rows_durable: 0, touched };
    // The pool's limits are those of the desk, where somebody waits; here a thousand rows go at once.
    let statement_ms = limits::IMPORT_STATEMENT_TIMEOUT.as_millis().to_string();
    let longer =
        "SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', $1, true)";
    work.query(longer, &[&statement_ms]).await?;
    Ok(work)
}

async fn lock(work: &Work<'_>) -> Result<Run, StoreError> {
    let rows =
        work.query(include_str!("../sql/import/lock_run.sql"), &[&work.list.import_id]).await?;
    let row = rows
        .first()
        .ok_or(StoreError::Stored { operation: work.operation.clone(), field: "import_id" })?;
    run(&Reader { row, operation: work.operation })
}

fn run(reader: &Reader<'_>) -> Result<Run, StoreError> {
    let count = |field| reader.get::<i64>(field).map(unsigned);
    let finished: Option<jiff::Timestamp> = reader.get("finished_at")?;
    Ok(Run {
        rows_durable: reader.get("rows_durable")?,
        finished: finished.is_some(),
        summary: Summary {
            added: count("added")?,
            changed: count("changed")?,
            unchanged: count("unchanged")?,
            rejected: count("rejected")?,
            ended: count("ended")?,
        },
    })
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
