//! The commit pipeline: what queued while the last group was written is the next group. No timer, and nobody waits alone.
//!
//! A group is one statement and one round trip. An entry that meets a moved version is left out by the statement itself. There are
//! two of them: settlements whose person is known go by the lean one, which fails as a whole where a request id is used up or a stay
//! is settled; then, and for all else, goes the careful one, which leaves those out too. What makes even that one fail is found by
//! trying each of its group alone. The database decides who wins, so any number of gateways may do this at once.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::commit::{Committed, LEAN, SQL, Write, Written, operation_of, refused, write_group};
use super::error::StoreError;
use super::pace::Pace;
use super::pool::Pool;
use crate::domain::ids::PersonId;
use crate::limits;

/// After a lean group failed so many go with care: where one request comes again, others often do.
const WARY_GROUPS: u32 = 16;

/// How groups may be formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitSettings {
    /// Most entries of one group; 1 turns grouping off.
    pub group_max: usize,
    /// Most groups written at once.
    pub writers_max: usize,
    /// Most entries that wait; one more is refused.
    pub backlog_max: usize,
}

/// Where entries wait for the next group.
#[derive(Debug)]
pub(super) struct Pipeline {
    settings: CommitSettings,
    lean: Mutex<Queue>,
    careful: Mutex<Queue>,
}

/// Which statement an entry goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Lean,
    Careful,
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Job>,
    writers: usize,
    pace: Pace,
    /// So many groups go with care, since a lean one failed.
    wary: u32,
    groups: u64,
    entries: u64,
}

/// An entry, until when it is waited for, and who is told.
#[derive(Debug)]
struct Job {
    write: Write,
    deadline: Option<Instant>,
    told: oneshot::Sender<Result<Committed, StoreError>>,
}

impl Default for CommitSettings {
    fn default() -> Self {
        Self {
            group_max: limits::COMMIT_GROUP_MAX,
            writers_max: 4,
            backlog_max: limits::COMMIT_BACKLOG_MAX,
        }
    }
}

impl Pipeline {
    pub(super) fn new(settings: CommitSettings) -> Self {
        let queue = || {
            Mutex::new(Queue {
                waiting: VecDeque::new(),
                writers: 0,
                pace: Pace::new(settings.group_max),
                wary: 0,
                groups: 0,
                entries: 0,
            })
        };
        Self { settings, lean: queue(), careful: queue() }
    }

    /// Queues an entry and waits for its group.
    pub(super) async fn write(
        &self,
        pool: &Pool,
        write: Write,
        deadline: Option<Instant>,
    ) -> Result<Committed, StoreError> {
        let operation = operation_of(&[&write]);
        let lane = if write.lean { Lane::Lean } else { Lane::Careful };
        let (told, tell) = oneshot::channel();
        let lead = {
            let mut queue = self.lock(lane);
            if self.settings.backlog_max <= queue.waiting.len() {
                return Err(StoreError::Backlog { operation });
            }
            queue.waiting.push_back(Job { write, deadline, told });
            // One more writer helps only where a whole group waits that nobody takes.
            let wanted = queue.writers == 0 || queue.pace.group_size() < queue.waiting.len();
            let lead = wanted && queue.writers < self.settings.writers_max;
            if lead {
                queue.writers = queue.writers.saturating_add(1);
            }
            lead
        };
        if lead {
            // A task of its own: whoever waits may go away, and the group goes on.
            tokio::spawn(lead_groups(pool.clone(), lane));
        }
        tell.await.unwrap_or(Err(StoreError::WriterLost { operation }))
    }

    /// How many groups were written, and how many entries in them.
    pub(super) fn counts(&self) -> (u64, u64) {
        [Lane::Lean, Lane::Careful].into_iter().fold(
            (0, 0),
            |(groups, entries): (u64, u64), lane| {
                let queue = self.lock(lane);
                (groups.saturating_add(queue.groups), entries.saturating_add(queue.entries))
            },
        )
    }

    /// How many entries wait.
    pub(super) fn backlog(&self) -> usize {
        self.lock(Lane::Lean).waiting.len().saturating_add(self.lock(Lane::Careful).waiting.len())
    }

    /// The next group, in the order of persons, each person once, all resting on one catalogue, and the statement it goes by; nothing
    /// where nobody waits: then the writer is done.
    fn next_group(&self, lane: Lane) -> Option<(Vec<Job>, &'static str)> {
        let mut queue = self.lock(lane);
        let size = queue.pace.group_size();
        let now = Instant::now();
        let mut group: Vec<Job> = Vec::new();
        let mut persons: BTreeSet<PersonId> = BTreeSet::new();
        let mut later = VecDeque::new();
        while let Some(job) = queue.waiting.pop_front() {
            if job.deadline.is_some_and(|deadline| deadline <= now) {
                let operation = operation_of(&[&job.write]);
                job.told.send(Err(StoreError::DeadlinePassed { operation })).ok();
            } else if size <= group.len() {
                later.push_back(job);
                break;
            } else if group.first().is_none_or(|first| first.rests_on() == job.rests_on())
                && persons.insert(job.write.entry.person)
            {
                group.push(job);
            } else {
                later.push_back(job);
            }
        }
        while let Some(job) = later.pop_back() {
            queue.waiting.push_front(job);
        }
        if group.is_empty() {
            queue.writers = queue.writers.saturating_sub(1);
            return None;
        }
        queue.groups = queue.groups.saturating_add(1);
        queue.entries = queue.entries.saturating_add(u64::try_from(group.len()).unwrap_or(0));
        // Two writers that lock persons in one order never wait for each other in a circle.
        group.sort_by_key(|job| (job.write.entry.person.bucket(), job.write.entry.person));
        let statement = if lane == Lane::Lean && queue.wary == 0 { LEAN } else { SQL };
        queue.wary = queue.wary.saturating_sub(1);
        Some((group, statement))
    }

    fn lock(&self, lane: Lane) -> MutexGuard<'_, Queue> {
        let queue = match lane {
            Lane::Lean => &self.lean,
            Lane::Careful => &self.careful,
        };
        // Nothing in here can panic half way.
        queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    fn rests_on(&self) -> Option<i64> {
        self.write.seen.as_ref().and_then(|seen| seen.reference_version)
    }

    /// Tells whoever waits, after what is held of the person in memory is what it now is.
    fn tell(self, pool: &Pool, outcome: Result<Committed, StoreError>) {
        let Write { entry, seen, .. } = self.write;
        match outcome {
            Ok(Committed::Committed) => {
                pool.persons().use_up(&entry.hospital, &entry.request);
                pool.persons().written(&entry, seen);
            }
            Ok(Committed::RequestIdTaken | Committed::Tombstoned) => {
                pool.persons().use_up(&entry.hospital, &entry.request);
            }
            Ok(Committed::StandingMoved | Committed::AccumulatorsMoved) | Err(_) => {
                pool.persons().written(&entry, None);
            }
            Ok(
                Committed::PackageMoved
                | Committed::StayTaken
                | Committed::AlreadyReversed
                | Committed::ReversesUnknown,
            ) => {}
        }
        self.told.send(outcome).ok();
    }
}

/// Writes group after group until nobody waits.
async fn lead_groups(pool: Pool, lane: Lane) {
    while let Some((group, statement)) = pool.pipeline().next_group(lane) {
        let started = Instant::now();
        let size = group.len();
        if write(&pool, group, (lane, statement)).await {
            pool.pipeline().lock(lane).pace.learn(size, started.elapsed());
        }
    }
}

/// Writes one group and tells everybody; true where it went as a group does.
async fn write(pool: &Pool, group: Vec<Job>, (lane, statement): (Lane, &'static str)) -> bool {
    let mut came = written(pool, &group, statement).await;
    if let (Written::TryAlone, LEAN) = (&came, statement) {
        pool.pipeline().lock(lane).wary = WARY_GROUPS;
        came = written(pool, &group, SQL).await;
    }
    match came {
        Written::Each(each) => {
            for (job, outcome) in group.into_iter().zip(each) {
                job.tell(pool, outcome);
            }
            true
        }
        Written::TryAlone => {
            // One bad entry never fails its neighbours.
            for job in group {
                let job = [job];
                let outcome = match written(pool, &job, SQL).await {
                    Written::Each(each) => each.into_iter().next(),
                    Written::TryAlone => None,
                    Written::Failed(error) => Some(refused_to(pool, &job, error).await),
                };
                tell(pool, job, outcome);
            }
            false
        }
        Written::Failed(error) => {
            if let [_] = group.as_slice() {
                let outcome = refused_to(pool, &group, error).await;
                tell(pool, group, Some(outcome));
                return false;
            }
            let shared = Arc::new(error);
            for job in group {
                let operation = operation_of(&[&job.write]);
                let error = StoreError::Together { operation, source: Arc::clone(&shared) };
                job.tell(pool, Err(error));
            }
            false
        }
    }
}

async fn written(pool: &Pool, group: &[Job], statement: &'static str) -> Written {
    let entries: Vec<&Write> = group.iter().map(|job| &job.write).collect();
    match pool.take(&operation_of(&entries)).await {
        Ok(connection) => write_group(&connection, &entries, statement).await,
        Err(error) => Written::Failed(error),
    }
}

async fn refused_to(
    pool: &Pool,
    alone: &[Job],
    error: StoreError,
) -> Result<Committed, StoreError> {
    match alone.first() {
        Some(job) => refused(pool, &job.write.entry, error).await,
        None => Err(error),
    }
}

/// Tells whoever waits for an entry that went alone.
fn tell(
    pool: &Pool,
    alone: impl IntoIterator<Item = Job>,
    outcome: Option<Result<Committed, StoreError>>,
) {
    if let (Some(job), Some(outcome)) = (alone.into_iter().next(), outcome) {
        job.tell(pool, outcome);
    }
}
