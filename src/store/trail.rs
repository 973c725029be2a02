//! The trail that readers of persons' data leave: who looked at whose, when, and for what.
//!
//! Records go in groups. Whoever must not answer before theirs is durable has the next group written at once and waits for it; the
//! others put theirs into a bounded queue, wait only where it is full, and find it durable within 200 ms where the database does
//! its part. What can not be written stays and is tried again; nothing is dropped while the process lives.

use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio_postgres::types::ToSql;

use super::credential_bucket;
use super::error::{Operation, StoreError};
use super::pool::Pool;
use super::row::Reader;
use crate::domain::ids::{PersonId, SettlementId};
use crate::limits;

const RECORD: &str = include_str!("sql/record_accesses.sql");
/// What may be there already.
const RECORD_AGAIN: &str = include_str!("sql/record_accesses_again.sql");
const LIST: &str = include_str!("sql/accesses_of.sql");

/// What was read of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Who they are and what they have used.
    Standing,
    /// A settlement or a reversal of theirs.
    Settlement,
    /// What would be paid for them.
    Quote,
    /// Why nothing would be, or was.
    Decline,
    /// The charge lines of a stay of theirs.
    Charges,
    /// Their name.
    Name,
    /// Who looked at their data.
    Accesses,
}

/// One look at a person's data. Holds nothing of who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Whose data.
    pub person: PersonId,
    /// When.
    pub at: Timestamp,
    /// Who looked.
    pub caller_name: String,
    /// What they are.
    pub caller_kind: Cow<'static, str>,
    /// The door that they came by.
    pub door: Cow<'static, str>,
    /// What they saw.
    pub what: What,
    /// Of which settlement.
    pub settlement: Option<SettlementId>,
    /// What for, in a word, where they told.
    pub purpose: Option<String>,
}

/// A place in the list of who looked at a person's data: that of one access, by its time and what tells it from others of that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When.
    pub at: Timestamp,
    /// Which of them.
    pub id: i64,
}

/// A page of who looked at a person's data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Those who did, oldest first.
    pub accesses: Vec<Access>,
    /// After which place the list goes on; nothing where it does not.
    pub next: Option<Place>,
}

/// Where records wait for the next group.
#[derive(Debug)]
pub(super) struct Trail {
    queue: Mutex<Queue>,
    /// A place for each record that may wait; it is given back once the record is durable.
    room: Semaphore,
    /// Told when somebody waits for the next group.
    hurry: Notify,
    /// Of no other record of this or any other process at the same moment, by chance.
    next_id: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Job>,
    writing: bool,
}

#[derive(Debug)]
struct Job {
    access: Access,
    id: i64,
    told: Option<Told>,
}

type Told = oneshot::Sender<Result<(), StoreError>>;

impl Default for Trail {
    fn default() -> Self {
        Self {
            queue: Mutex::default(),
            room: Semaphore::new(limits::ACCESS_BACKLOG_MAX),
            hurry: Notify::new(),
            next_id: AtomicU64::new(RandomState::new().hash_one(std::process::id())),
        }
    }
}

impl What {
    const ALL: [Self; 7] = [
        Self::Standing,
        Self::Settlement,
        Self::Quote,
        Self::Decline,
        Self::Charges,
        Self::Name,
        Self::Accesses,
    ];

    /// Its word in records.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Standing => "standing",
            Self::Settlement => "settlement",
            Self::Quote => "quote",
            Self::Decline => "decline",
            Self::Charges => "charges",
            Self::Name => "name",
            Self::Accesses => "accesses",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.word() == word)
    }
}

/// Records an access; durable when it returns.
pub async fn record_access(pool: &Pool, access: Access) -> Result<(), StoreError> {
    let (told, tell) = oneshot::channel();
    pool.trail().push(pool, access, Some(told)).await?;
    pool.trail().hurry.notify_one();
    let operation = Operation::RecordAccess;
    match tokio::time::timeout(limits::ACCESS_DURABLE_MAX, tell).await {
        Ok(told) => told.unwrap_or(Err(StoreError::WriterLost { operation })),
        Err(_) => Err(StoreError::Backlog { operation }),
    }
}

/// Queues an access for the next group, and waits only where as many wait as may.
pub async fn note_access(pool: &Pool, access: Access) -> Result<(), StoreError> {
    pool.trail().push(pool, access, None).await
}

/// Waits until all that was queued is durable, or for so long as it may take when we stop; says whether it is.
pub async fn flush_accesses(pool: &Pool) -> bool {
    pool.trail().hurry.notify_one();
    let all = u32::try_from(limits::ACCESS_BACKLOG_MAX).unwrap_or(u32::MAX);
    let empty = pool.trail().room.acquire_many(all);
    matches!(tokio::time::timeout(limits::ACCESS_FLUSH_MAX, empty).await, Ok(Ok(_)))
}

impl Trail {
    /// How many are not durable yet.
    pub(super) fn backlog(&self) -> usize {
        limits::ACCESS_BACKLOG_MAX.saturating_sub(self.room.available_permits())
    }

    async fn push(
        &self,
        pool: &Pool,
        access: Access,
        told: Option<Told>,
    ) -> Result<(), StoreError> {
        let place = match self.room.try_acquire() {
            Ok(place) => place,
            Err(_) => {
                let freed = tokio::time::timeout(limits::ACCESS_WAIT_MAX, self.room.acquire());
                match freed.await {
                    Ok(Ok(place)) => place,
                    Ok(Err(_)) | Err(_) => {
                        return Err(StoreError::Backlog { operation: Operation::RecordAccess });
                    }
                }
            }
        };
        // It is given back by whoever makes the record durable.
        place.forget();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed).cast_signed();
        let lead = {
            let mut queue = self.lock();
            queue.waiting.push(Job { access, id, told });
            !std::mem::replace(&mut queue.writing, true)
        };
        if lead {
            tokio::spawn(write_groups(pool.clone()));
        }
        Ok(())
    }

    /// The next group; nothing where nobody waits: then the writer is done.
    fn next_group(&self) -> Option<Vec<Job>> {
        let mut queue = self.lock();
        let size = queue.waiting.len().min(limits::ACCESS_GROUP_MAX);
        if size == 0 {
            queue.writing = false;
            return None;
        }
        Some(queue.waiting.drain(..size).collect())
    }

    /// Is there nothing more to collect a group for?
    fn is_urgent(&self) -> bool {
        let queue = self.lock();
        limits::ACCESS_GROUP_MAX <= queue.waiting.len()
            || queue.waiting.iter().any(|job| job.told.is_some())
    }

    /// Whoever waits answers nothing, so that there is nothing to record; gives the others.
    fn tell_those_who_wait(&self, group: Vec<Job>, error: StoreError) -> Vec<Job> {
        let source = Arc::new(error);
        let (waited_for, others): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|job| job.told.is_some());
        for job in waited_for {
            let (operation, source) = (Operation::RecordAccess, Arc::clone(&source));
            self.done(job.told, Err(StoreError::Together { operation, source }));
        }
        others
    }

    /// Gives a record's place back, and tells whoever waits for it.
    fn done(&self, told: Option<Told>, outcome: Result<(), StoreError>) {
        self.room.add_permits(1);
        if let Some(told) = told {
            told.send(outcome).ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here can panic half way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A writer at work. After one that ended half way the next record starts another.
struct Writing<'a> {
    trail: &'a Trail,
    ended: bool,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.trail.lock().writing = false;
        }
    }
}

/// Writes group after group until nobody waits. A group collects for a moment, unless somebody waits for it.
async fn write_groups(pool: Pool) {
    let trail = pool.trail();
    let mut writing = Writing { trail, ended: false };
    loop {
        if !trail.is_urgent() {
            tokio::select! {
                () = tokio::time::sleep(limits::ACCESS_LINGER) => {}
                () = trail.hurry.notified() => {}
            }
        }
        let Some(group) = trail.next_group() else { break };
        write_patiently(&pool, group).await;
    }
    writing.ended = true;
}

/// Writes a group, again and again where the database is busy or away. Those who wait for theirs are told at once.
async fn write_patiently(pool: &Pool, mut group: Vec<Job>) {
    let mut is_said = false;
    loop {
        let sql = if is_said { RECORD_AGAIN } else { RECORD };
        let error = match write(pool, &group, sql).await {
            Ok(()) => return group.into_iter().for_each(|job| pool.trail().done(job.told, Ok(()))),
            Err(error) => error,
        };
        let passes = passes(&error);
        if !std::mem::replace(&mut is_said, true) {
            let (accesses, cause) = (group.len(), cause(&error));
            tracing::error!(accesses, cause, "Could not record who looked at persons' data yet");
        }
        group = pool.trail().tell_those_who_wait(group, error);
        if !passes {
            group = write_alone(pool, group).await;
        }
        if group.is_empty() {
            return;
        }
        if pool.is_closed() {
            tracing::error!(accesses = group.len(), "Lost records of who looked at persons' data");
            return group.into_iter().for_each(|job| pool.trail().done(job.told, Ok(())));
        }
        tokio::time::sleep(limits::RETRY_WHEN_BUSY).await;
    }
}

/// One bad record never keeps its neighbours: each goes alone, and what can not be written by itself is told and given up. Gives what
/// may be tried again.
async fn write_alone(pool: &Pool, group: Vec<Job>) -> Vec<Job> {
    let mut kept = Vec::new();
    for job in group {
        match write(pool, std::slice::from_ref(&job), RECORD_AGAIN).await {
            Ok(()) => pool.trail().done(job.told, Ok(())),
            Err(error) if passes(&error) => kept.push(job),
            Err(error) => {
                let Access { person, what, caller_name, .. } = &job.access;
                let (person, what, cause) = (person.get(), what.word(), cause(&error));
                tracing::error!(
                    person.id = person,
                    caller.name = caller_name,
                    what,
                    cause,
                    "Gave up a record of who looked at a person's data",
                );
                pool.trail().done(job.told, Ok(()));
            }
        }
    }
    kept
}

/// Will it be written once the database is itself again? Not where it is the record that can not be.
fn passes(error: &StoreError) -> bool {
    let of_the_record = |source: &tokio_postgres::Error| {
        // Classes of SQLSTATE: data that does not fit its type, and data that breaks a constraint.
        let code = source.code().map(|code| code.code());
        code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
    };
    match error {
        StoreError::Statement { source, .. } => !of_the_record(source),
        StoreError::Connect { .. }
        | StoreError::Build { .. }
        | StoreError::Migrate { .. }
        | StoreError::Stored { .. }
        | StoreError::Unfit { .. }
        | StoreError::Backlog { .. }
        | StoreError::DeadlinePassed { .. }
        | StoreError::Together { .. }
        | StoreError::WriterLost { .. }
        | StoreError::StillUnderWay { .. }
        | StoreError::NotRegistered { .. } => true,
    }
}

/// Only the first line: the database's details, on further lines, quote rows.
fn cause(error: &StoreError) -> String {
    let said =
        std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    said.lines().next().unwrap_or_default().to_owned()
}

async fn write(pool: &Pool, group: &[Job], sql: &'static str) -> Result<(), StoreError> {
    fn each<'a, T>(group: &'a [Job], of: impl Fn(&'a Job) -> T) -> Vec<T> {
        group.iter().map(of).collect()
    }
    let operation = Operation::RecordAccess;
    let connection = pool.take(&operation).await?;
    let written = connection
        .query(
            sql,
            &[
                &each(group, |job| job.access.person.bucket()),
                &each(group, |job| job.access.person.get()),
                &each(group, |job| job.access.at),
                &each(group, |job| job.id),
                &each(group, |job| job.access.caller_name.as_str()),
                &each(group, |job| job.access.caller_kind.as_ref()),
                &each(group, |job| job.access.door.as_ref()),
                &each(group, |job| job.access.what.word()),
                &each(group, |job| job.access.settlement.as_ref().map(SettlementId::as_str)),
                &each(group, |job| job.access.purpose.as_deref()),
            ],
            &operation,
        )
        .await;
    written.map(|_| ())
}

/// Who looked at a person's data after a place in the list and before a moment, the first so many.
pub async fn accesses_of(
    pool: &Pool,
    person: PersonId,
    (after, before): (Place, Timestamp),
    most: usize,
) -> Result<Listed, StoreError> {
    let operation = Operation::ReadAccesses;
    let connection = pool.take(&operation).await?;
    let (bucket, id) = (person.bucket(), person.get());
    // One more than is told says whether there is a next page.
    let limit = i64::try_from(most.saturating_add(1)).unwrap_or(i64::MAX);
    let parameters: [&(dyn ToSql + Sync); 6] =
        [&bucket, &id, &after.at, &after.id, &before, &limit];
    let rows = connection.query(LIST, &parameters, &operation).await?;
    let (mut accesses, mut last) = (Vec::with_capacity(rows.len()), None);
    for row in rows.iter().take(most) {
        let reader = Reader { row, operation: &operation };
        let access = Access {
            person,
            at: reader.get("read_at")?,
            caller_name: reader.get("caller_name")?,
            caller_kind: Cow::Owned(reader.get("caller_kind")?),
            door: Cow::Owned(reader.get("door")?),
            what: reader.text("what", What::from_word)?,
            settlement: reader.settlement("settlement_id")?,
            purpose: reader.get("purpose")?,
        };
        last = Some(Place { at: access.at, id: reader.get("access_id")? });
        accesses.push(access);
    }
    Ok(Listed { accesses, next: last.filter(|_| most < rows.len()) })
}

/// Whose a credential is.
pub async fn person_of(
    pool: &Pool,
    credential_hash: &[u8; 32],
    credential_kind: u8,
) -> Result<Option<PersonId>, StoreError> {
    let operation = Operation::Standing;
    let connection = pool.take(&operation).await?;
    let bucket = credential_bucket(credential_hash);
    let (hash, kind) = (credential_hash.as_slice(), i16::from(credential_kind));
    let find =
        "SELECT person_id FROM credential WHERE bucket = $1 AND credential_hash = $2 AND kind = $3";
    let rows = connection.query(find, &[&bucket, &hash, &kind], &operation).await?;
    match rows.first() {
        Some(row) => Reader { row, operation: &operation }.person("person_id"),
        None => Ok(None),
    }
}
