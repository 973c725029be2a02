//! The commit pipeline: what queued while the last group was written is the next group. No timer, and nobody waits alone.
//!
//! A group is one statement and one round trip. An entry that meets a moved version, a used request id or a settled stay is left
//! out by the statement itself; one that makes the statement fail is found by trying each of its group alone. The database decides
//! who wins, so any number of gateways may do this at once.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::commit::{Committed, Written, operation_of, refused, write_group};
use super::error::StoreError;
use super::pace::Pace;
use super::pool::Pool;
use crate::domain::ids::PersonId;
use crate::domain::ledger::Entry;
use crate::limits;

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
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Job>,
    writers: usize,
    pace: Pace,
    groups: u64,
    entries: u64,
}

/// An entry, until when it is waited for, and who is told.
#[derive(Debug)]
struct Job {
    entry: Arc<Entry>,
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
        let queue = Queue {
            waiting: VecDeque::new(),
            writers: 0,
            pace: Pace::new(settings.group_max),
            groups: 0,
            entries: 0,
        };
        Self { settings, queue: Mutex::new(queue) }
    }

    /// Queues an entry and waits for its group.
    pub(super) async fn write(
        &self,
        pool: &Pool,
        entry: Arc<Entry>,
        deadline: Option<Instant>,
    ) -> Result<Committed, StoreError> {
        let operation = operation_of(&[&*entry]);
        let (told, tell) = oneshot::channel();
        let lead = {
            let mut queue = self.lock();
            if self.settings.backlog_max <= queue.waiting.len() {
                return Err(StoreError::Backlog { operation });
            }
            queue.waiting.push_back(Job { entry, deadline, told });
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
            tokio::spawn(lead_groups(pool.clone()));
        }
        tell.await.unwrap_or(Err(StoreError::WriterLost { operation }))
    }

    /// How many groups were written, and how many entries in them.
    pub(super) fn counts(&self) -> (u64, u64) {
        let queue = self.lock();
        (queue.groups, queue.entries)
    }

    /// How many entries wait.
    pub(super) fn backlog(&self) -> usize {
        self.lock().waiting.len()
    }

    /// The next group, in the order of persons, each person once; nothing where nobody waits: then the writer is done.
    fn next_group(&self) -> Option<Vec<Job>> {
        let mut queue = self.lock();
        let size = queue.pace.group_size();
        let now = Instant::now();
        let mut group: Vec<Job> = Vec::new();
        let mut persons: BTreeSet<PersonId> = BTreeSet::new();
        let mut later = VecDeque::new();
        while let Some(job) = queue.waiting.pop_front() {
            if job.deadline.is_some_and(|deadline| deadline <= now) {
                let operation = operation_of(&[&*job.entry]);
                job.told.send(Err(StoreError::DeadlinePassed { operation })).ok();
            } else if size <= group.len() {
                later.push_back(job);
                break;
            } else if persons.insert(job.entry.person) {
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
        group.sort_by_key(|job| (job.entry.person.bucket(), job.entry.person));
        Some(group)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here can panic half way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes group after group until nobody waits.
async fn lead_groups(pool: Pool) {
    while let Some(group) = pool.pipeline().next_group() {
        let started = Instant::now();
        let size = group.len();
        if write(&pool, group).await {
            pool.pipeline().lock().pace.learn(size, started.elapsed());
        }
    }
}

/// Writes one group and tells everybody; true where it went as a group does.
async fn write(pool: &Pool, group: Vec<Job>) -> bool {
    match written(pool, &group).await {
        Written::Each(each) => {
            for (job, outcome) in group.into_iter().zip(each) {
                job.told.send(outcome).ok();
            }
            true
        }
        Written::TryAlone => {
            // One bad entry never fails its neighbours.
            for job in group {
                let job = [job];
                let outcome = match written(pool, &job).await {
                    Written::Each(each) => each.into_iter().next(),
                    Written::TryAlone => None,
                    Written::Failed(error) => Some(refused_to(pool, &job, error).await),
                };
                tell(job, outcome);
            }
            false
        }
        Written::Failed(error) => {
            if let [_] = group.as_slice() {
                let outcome = refused_to(pool, &group, error).await;
                tell(group, Some(outcome));
                return false;
            }
            let shared = Arc::new(error);
            for job in group {
                let operation = operation_of(&[&*job.entry]);
                let error = StoreError::Together { operation, source: Arc::clone(&shared) };
                job.told.send(Err(error)).ok();
            }
            false
        }
    }
}

async fn written(pool: &Pool, group: &[Job]) -> Written {
    let entries: Vec<&Entry> = group.iter().map(|job| &*job.entry).collect();
    match pool.take(&operation_of(&entries)).await {
        Ok(connection) => write_group(&connection, &entries).await,
        Err(error) => Written::Failed(error),
    }
}

async fn refused_to(
    pool: &Pool,
    alone: &[Job],
    error: StoreError,
) -> Result<Committed, StoreError> {
    match alone.first() {
        Some(job) => refused(pool, &job.entry, error).await,
        None => Err(error),
    }
}

/// Tells whoever waits for an entry that went alone.
fn tell(alone: impl IntoIterator<Item = Job>, outcome: Option<Result<Committed, StoreError>>) {
    if let (Some(job), Some(outcome)) = (alone.into_iter().next(), outcome) {
        job.told.send(outcome).ok();
    }
}
