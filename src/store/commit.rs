//! Writes entries: each durable, or nothing of it, in the next group that goes to the database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;
use tokio_postgres::error::SqlState;

use super::error::{Operation, StoreError};
use super::find::{Found, Key, find_settlement};
use super::pool::{Connection, Pool};
use super::row::{self, Reader};
use super::value::Group;
use crate::domain::ids::SettlementId;
use crate::domain::ledger::Entry;
use crate::domain::money::Fen;
use crate::domain::standing::{PersonSnapshot, StayRecord, Used};

/// The statements that write a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// Persons each once, known to whoever decided.
    Lean,
    /// One person, each decided on what the one before leaves.
    Chain,
    /// Persons each once, whatever is written.
    Careful,
}

impl Statement {
    pub(super) const ALL: [Self; 3] = [Self::Lean, Self::Chain, Self::Careful];

    pub(super) const fn sql(self) -> &'static str {
        match self {
            Self::Lean => include_str!("sql/commit_lean.sql"),
            Self::Chain => include_str!("sql/commit_chain.sql"),
            Self::Careful => include_str!("sql/commit.sql"),
        }
    }
}

const WHY_NOT: &str = include_str!("sql/why_not.sql");

/// What came of an entry. Anything but the first wrote nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is durable.
    Committed,
    /// The standing is not what the decision saw: read and decide again.
    StandingMoved,
    /// The accumulators are not what the decision saw: read and decide again.
    AccumulatorsMoved,
    /// The rules that decided are no longer current, or were never published.
    PackageMoved,
    /// The request id is used up by another entry.
    RequestIdTaken,
    /// The stay is settled already, be it for this person or another.
    StayTaken,
    /// The request was reversed before it was seen.
    Tombstoned,
    /// The settlement to reverse was reversed already.
    AlreadyReversed,
    /// The settlement to reverse is not one of this person's.
    ReversesUnknown,
    /// The accounting day is fenced: decide again, on a later one.
    DayClosed,
}

/// What a decision saw, so that less needs to be looked for when it is written.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The person.
    pub person: Arc<PersonSnapshot>,
    /// How far changes of what is held in memory had come before.
    pub changes: u64,
    /// The version of the catalogue, where it was read from memory: it must still be the recorded one.
    pub reference_version: Option<i64>,
}

/// An entry on its way.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) entry: Arc<Entry>,
    /// The version of the catalogue in memory that it rests on, if on one in memory.
    pub(super) reference_version: Option<i64>,
    /// The person's newest settlement as the decision saw it, be it still on its way.
    pub(super) after: Option<SettlementId>,
    /// All that the person has used, by key, as this entry makes it: where that is known, it may be written without looking for what its
    /// keys refuse anyway.
    pub(super) used: Option<BTreeMap<String, Fen>>,
}

impl Write {
    fn new(entry: Arc<Entry>, seen: Option<&Seen>) -> Self {
        let used = seen.and_then(|seen| used_after(&entry, &seen.person));
        let reference_version = seen.and_then(|seen| seen.reference_version);
        let after = seen.and_then(|seen| seen.person.newest.clone());
        Self { entry, reference_version, after, used }
    }

    /// Nothing is known but the entry.
    pub(super) fn alone(entry: Arc<Entry>) -> Self {
        Self { entry, reference_version: None, after: None, used: None }
    }
}

impl Write {
    /// Was it decided on what this other one leaves?
    pub(super) fn follows(&self, before: &Self) -> bool {
        self.after.as_ref() == Some(&before.entry.settlement)
            && self.entry.standing_version == before.entry.standing_version
            && self.entry.ledger_version == before.entry.ledger_version.saturating_add(1)
    }
}

/// All that the person has used, by key, as this entry makes it; nothing for whatever the lean statement can not write.
fn used_after(entry: &Entry, person: &PersonSnapshot) -> Option<BTreeMap<String, Fen>> {
    let had_stay = |stay: &StayRecord| {
        stay.hospital == entry.hospital && stay.stay == entry.stay && stay.part == entry.stay_part
    };
    // Only the careful statement writes these.
    let unusual = entry.reverses.is_some() || entry.supersedes.is_some();
    if unusual || entry.state.is_provisional() || person.stays.iter().any(had_stay) {
        return None;
    }
    let mut keys = row::UsedKeys::default();
    let key = |Used { region, scheme, year, name, amount }: &Used| {
        (keys.key((*region, *scheme, *year), name), *amount)
    };
    let mut after: BTreeMap<String, Fen> = person.used.iter().map(key).collect();
    for moved in &entry.moved {
        let key = keys.key((entry.insured_region, entry.scheme, moved.year), &moved.name);
        let amount = after.entry(key).or_insert(Fen::ZERO);
        *amount = amount.checked_add(moved.by)?;
    }
    Some(after)
}

/// An entry that is queued.
#[derive(Debug)]
pub struct Queued {
    pub(super) operation: Operation,
    pub(super) tell: oneshot::Receiver<Result<Committed, StoreError>>,
}

impl Queued {
    /// Waits for its group, and says what came of it.
    pub async fn outcome(self) -> Result<Committed, StoreError> {
        let Self { operation, tell } = self;
        tell.await.unwrap_or(Err(StoreError::WriterLost { operation }))
    }
}

/// Queues it for the next group: whoever decides on the same person from now on decides on what it makes of them. Not begun once
/// `deadline` has passed.
pub fn queue(
    pool: &Pool,
    entry: impl Into<Arc<Entry>>,
    seen: Option<Seen>,
    deadline: Option<Instant>,
) -> Result<Queued, StoreError> {
    let write = Write::new(entry.into(), seen.as_ref());
    pool.pipeline().queue(pool, (write, seen), deadline)
}

/// Writes it with the next group.
pub async fn commit(
    pool: &Pool,
    entry: impl Into<Arc<Entry>>,
    seen: Option<Seen>,
    deadline: Option<Instant>,
) -> Result<Committed, StoreError> {
    queue(pool, entry, seen, deadline)?.outcome().await
}

/// What became of a group.
pub(super) enum Written {
    /// What came of each.
    Each(Vec<Result<Committed, StoreError>>),
    /// One of them is taken already, as a key says: with more care it is left out.
    TryCareful,
    /// One of them is taken at this very moment, waits in vain, or does not fit: each must be tried alone.
    TryAlone,
    /// None was written, or it is not known.
    Failed(StoreError),
}

/// Writes a group, each entry of another person, in the order of persons.
pub(super) async fn write_group(
    connection: &Connection,
    entries: &[&Write],
    by: Statement,
) -> Written {
    let operation = operation_of(entries);
    let reference = entries.first().and_then(|first| first.reference_version);
    let group = Group { entries };
    let rows = match connection.try_query(by.sql(), &[&group, &reference]).await {
        Ok(rows) => rows,
        Err(source) if (1 < entries.len() || by != Statement::Careful) && concerns_one(&source) => {
            let taken = source.code() == Some(&SqlState::UNIQUE_VIOLATION);
            // Those of a chain are of one person, and go with care only one by one.
            let careful = taken && by == Statement::Lean;
            return if careful { Written::TryCareful } else { Written::TryAlone };
        }
        Err(source) => return Written::Failed(StoreError::Statement { operation, source }),
    };
    let mut outcomes: Vec<Option<Committed>> = vec![None; entries.len()];
    for row in &rows {
        let place: Result<i64, _> = Reader { row, operation: &operation }.get("place");
        let place = match place {
            Ok(place) => usize::try_from(place).ok().and_then(|place| place.checked_sub(1)),
            Err(error) => return Written::Failed(error),
        };
        if let Some(outcome) = place.and_then(|place| outcomes.get_mut(place)) {
            *outcome = Some(Committed::Committed);
        }
    }
    if by == Statement::Chain && rows.is_empty() {
        // Whatever stands against the first stands against all.
        return Written::TryAlone;
    }
    let mut each = Vec::with_capacity(entries.len());
    for (outcome, entry) in outcomes.into_iter().zip(entries) {
        each.push(match outcome {
            Some(outcome) => Ok(outcome),
            None => why_not(connection, &entry.entry).await,
        });
    }
    Written::Each(each)
}

/// Reads from the constraint's name what a unique key refused to an entry that went alone.
pub(super) async fn refused(
    pool: &Pool,
    entry: &Entry,
    error: StoreError,
) -> Result<Committed, StoreError> {
    let StoreError::Statement { source, .. } = &error else { return Err(error) };
    let unique = source.code() == Some(&SqlState::UNIQUE_VIOLATION);
    let constraint = source.as_db_error().and_then(|error| error.constraint()).filter(|_| unique);
    match constraint {
        Some("stay_settled_once") => Ok(Committed::StayTaken),
        Some("settlement_reversed_once") => Ok(Committed::AlreadyReversed),
        Some("request_key_pkey") => {
            let found =
                find_settlement(pool, &Key::Request(&entry.hospital, &entry.request)).await?;
            Ok(match found {
                Some(Found::Tombstone(_)) => Committed::Tombstoned,
                Some(Found::Recorded(_)) | None => Committed::RequestIdTaken,
            })
        }
        Some(_) | None => Err(error),
    }
}

/// What a group is called when it fails: by its first entry.
pub(super) fn operation_of(entries: &[&Write]) -> Operation {
    let first = entries.first();
    first.map_or(Operation::Standing, |first| Operation::Commit(first.entry.settlement.clone()))
}

/// Is it one entry that was refused, or waited in vain, and not the database that fails? Then nothing of the group was written.
fn concerns_one(source: &tokio_postgres::Error) -> bool {
    source.code().is_some_and(|code| {
        // Class 23 is integrity, 22 data, 40 two that stood in each other's way.
        ["23", "22", "40"].iter().any(|class| code.code().starts_with(class))
            || [SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED].contains(code)
    })
}

/// Asks what stood against an entry.
async fn why_not(connection: &Connection, entry: &Entry) -> Result<Committed, StoreError> {
    let operation = Operation::Commit(entry.settlement.clone());
    let rows = connection
        .query(
            WHY_NOT,
            &[
                &entry.person.bucket(),
                &entry.person.get(),
                &entry.standing_version,
                &entry.ledger_version,
                &entry.hospital.as_str(),
                &entry.request.as_str(),
                &entry.stay.as_str(),
                &entry.stay_part,
                &entry.package.0.as_slice(),
                &entry.accounting_day,
                &entry.discharge,
                &entry.reverses.as_ref().map(SettlementId::as_str),
            ],
            &operation,
        )
        .await?;
    let stored = |field| StoreError::Stored { operation: operation.clone(), field };
    let row = rows.first().ok_or_else(|| stored("why"))?;
    let why: String = Reader { row, operation: &operation }.get("why")?;
    match why.as_str() {
        "standing" => Ok(Committed::StandingMoved),
        "accumulators" | "raced" => Ok(Committed::AccumulatorsMoved),
        "package" => Ok(Committed::PackageMoved),
        "stay" => Ok(Committed::StayTaken),
        "request" => Ok(Committed::RequestIdTaken),
        "tombstone" => Ok(Committed::Tombstoned),
        "reversed" => Ok(Committed::AlreadyReversed),
        "unknown" => Ok(Committed::ReversesUnknown),
        "day" => Ok(Committed::DayClosed),
        "unregistered" => Err(StoreError::NotRegistered { operation }),
        _ => Err(stored("why")),
    }
}
