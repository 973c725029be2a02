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

use super::commit::{
    Committed, Queued, Seen, Statement, Write, Written, operation_of, refused, write_group,
};
use super::error::StoreError;
use super::pace::Pace;
use super::pool::Pool;
use crate::domain::ids::PersonId;
use crate::limits;

/// A crowd on one person: fewer are written one after the other as fast.
const CHAIN_MIN: usize = 4;

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
    /// Persons of the groups that are being written: what follows on them waits, or it would wait in the database.
    under_way: BTreeSet<PersonId>,
    /// So many groups go with care, since a lean one failed.
    wary: u32,
    groups: u64,
    entries: u64,
}

/// What is written at once, and by which statement.
#[derive(Debug)]
struct Group {
    jobs: Vec<Job>,
    by: Statement,
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
                pace: Pace::new(
                    (limits::COMMIT_GROUP_MIN, settings.group_max),
                    2 * limits::COMMIT_GROUP_MIN,
                ),
                under_way: BTreeSet::new(),
                wary: 0,
                groups: 0,
                entries: 0,
            })
        };
        Self { settings, lean: queue(), careful: queue() }
    }

    /// Queues an entry for the next group.
    pub(super) fn queue(
        &self,
        pool: &Pool,
        (write, seen): (Write, Option<Seen>),
        deadline: Option<Instant>,
    ) -> Result<Queued, StoreError> {
        let operation = operation_of(&[&write]);
        let lane = if write.used.is_some() { Lane::Lean } else { Lane::Careful };
        let (told, tell) = oneshot::channel();
        let lead = {
            let mut queue = self.lock(lane);
            if self.settings.backlog_max <= queue.waiting.len() {
                return Err(StoreError::Backlog { operation });
            }
            if let Some(seen) = seen {
                pool.persons().go_ahead(&write.entry, seen);
            }
            queue.waiting.push_back(Job { write, deadline, told });
            // One more writer helps only where a whole group waits that nobody takes.
            let wanted = queue.writers == 0 || queue.pace.group_size() < queue.waiting.len();
            let lead = wanted && queue.writers < self.writers_max(lane);
            if lead {
                queue.writers = queue.writers.saturating_add(1);
            }
            lead
        };
        if lead {
            // A task of its own: whoever waits may go away, and the group goes on.
            tokio::spawn(lead_groups(pool.clone(), lane));
        }
        Ok(Queued { operation, tell })
    }

    /// Most groups written at once: what needs care is little.
    fn writers_max(&self, lane: Lane) -> usize {
        match lane {
            Lane::Lean => self.settings.writers_max,
            Lane::Careful => self.settings.writers_max.div_ceil(4),
        }
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

    /// The next group; nothing where nobody waits, or only for what is being written: then the writer is done.
    fn next_group(&self, pool: &Pool, lane: Lane) -> Option<Group> {
        let (expired, group) = {
            let mut queue = self.lock(lane);
            let expired = queue.take_expired(Instant::now());
            let group = queue.next_group(lane);
            if group.is_none() {
                queue.writers = queue.writers.saturating_sub(1);
            }
            (expired, group)
        };
        for job in expired {
            let operation = operation_of(&[&job.write]);
            job.tell(pool, Err(StoreError::DeadlinePassed { operation }));
        }
        group
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

impl Queue {
    fn take_expired(&mut self, now: Instant) -> VecDeque<Job> {
        let expired = |job: &Job| job.deadline.is_some_and(|deadline| deadline <= now);
        if !self.waiting.iter().any(expired) {
            return VecDeque::new();
        }
        let (expired, waiting) = self.waiting.drain(..).partition(expired);
        self.waiting = waiting;
        expired
    }

    fn next_group(&mut self, lane: Lane) -> Option<Group> {
        let careful = lane == Lane::Careful || 0 < self.wary;
        self.wary = self.wary.saturating_sub(1);
        let chained = if careful { None } else { self.chain() };
        let (jobs, by) = match chained {
            Some(jobs) => (jobs, Statement::Chain),
            None => {
                let by = if careful { Statement::Careful } else { Statement::Lean };
                (self.apart(), by)
            }
        };
        if jobs.is_empty() {
            return None;
        }
        self.groups = self.groups.saturating_add(1);
        self.entries = self.entries.saturating_add(u64::try_from(jobs.len()).unwrap_or(0));
        self.under_way.extend(jobs.iter().map(|job| job.write.entry.person));
        Some(Group { jobs, by })
    }

    /// Those who wait, each person once, in the order of persons, all resting on one catalogue.
    fn apart(&mut self) -> Vec<Job> {
        let size = self.pace.group_size();
        let mut group: Vec<Job> = Vec::new();
        let mut persons: BTreeSet<PersonId> = BTreeSet::new();
        let mut later = VecDeque::new();
        while let Some(job) = self.waiting.pop_front() {
            if size <= group.len() {
                later.push_back(job);
                break;
            }
            // Whoever is passed over is passed over for good: what follows on them must not overtake.
            if persons.insert(job.write.entry.person)
                && !self.under_way.contains(&job.write.entry.person)
                && group.first().is_none_or(|first| first.rests_on() == job.rests_on())
            {
                group.push(job);
            } else {
                later.push_back(job);
            }
        }
        while let Some(job) = later.pop_back() {
            self.waiting.push_front(job);
        }
        // Two writers that lock persons in one order never wait for each other in a circle.
        group.sort_by_key(|job| (job.write.entry.person.bucket(), job.write.entry.person));
        group
    }

    /// Those who follow on one person, each decided on what the one before leaves, where such a crowd is half of all who wait.
    fn chain(&mut self) -> Option<Vec<Job>> {
        let first = self.waiting.front().filter(|_| 1 < self.pace.group_size())?;
        let (person, rests_on) = (first.write.entry.person, first.rests_on());
        if self.under_way.contains(&person) {
            return None;
        }
        let mut before: Option<&Write> = None;
        let mut chained = Vec::with_capacity(self.waiting.len());
        for job in &self.waiting {
            let follows = job.write.entry.person == person
                && job.rests_on() == rests_on
                && before.is_none_or(|before| job.write.follows(before));
            if follows {
                before = Some(&job.write);
            }
            chained.push(follows);
        }
        let count = chained.iter().filter(|chained| **chained).count();
        if count < CHAIN_MIN || count.saturating_mul(2) < chained.len() {
            return None;
        }
        let size = self.pace.group_size().max(CHAIN_MIN);
        let (mut chain, mut rest) = (Vec::with_capacity(count), VecDeque::new());
        for (job, chained) in self.waiting.drain(..).zip(chained) {
            if chained && chain.len() < size {
                chain.push(job);
            } else {
                rest.push_back(job);
            }
        }
        self.waiting = rest;
        Some(chain)
    }
}

/// A writer at work. One that ends half way makes room for another.
struct Leading<'a> {
    pool: &'a Pool,
    lane: Lane,
    ended: bool,
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut queue = self.pool.pipeline().lock(self.lane);
        if queue.waiting.is_empty() || tokio::runtime::Handle::try_current().is_err() {
            queue.writers = queue.writers.saturating_sub(1);
        } else {
            tokio::spawn(lead_groups(self.pool.clone(), self.lane));
        }
    }
}

/// Holds on to the persons of a group for as long as it is written, however that ends.
struct UnderWay<'a> {
    pool: &'a Pool,
    lane: Lane,
    persons: Vec<PersonId>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut queue = self.pool.pipeline().lock(self.lane);
        for person in &self.persons {
            queue.under_way.remove(person);
        }
    }
}

impl Job {
    fn rests_on(&self) -> Option<i64> {
        self.write.reference_version
    }

    /// Tells whoever waits, after what is held of the person in memory is what it now is.
    fn tell(self, pool: &Pool, outcome: Result<Committed, StoreError>) {
        let entry = &self.write.entry;
        match outcome {
            Ok(Committed::Committed) => {
                pool.persons().use_up(&entry.hospital, &entry.request);
                pool.persons().written(entry);
            }
            Ok(Committed::RequestIdTaken | Committed::Tombstoned) => {
                pool.persons().use_up(&entry.hospital, &entry.request);
                pool.persons().failed(entry);
            }
            Ok(
                Committed::StandingMoved
                | Committed::AccumulatorsMoved
                | Committed::PackageMoved
                | Committed::StayTaken
                | Committed::AlreadyReversed
                | Committed::ReversesUnknown
                | Committed::DayClosed,
            )
            | Err(_) => pool.persons().failed(entry),
        }
        if let Err(error) = &outcome
            && error.is_outage()
            && !error.is_unsent()
        {
            // It may still be written.
            pool.presence().doubt(limits::UNHEARD_MAX);
        }
        self.told.send(outcome).ok();
    }
}

/// Writes group after group until nobody waits.
async fn lead_groups(pool: Pool, lane: Lane) {
    let mut leading = Leading { pool: &pool, lane, ended: false };
    while let Some(group) = pool.pipeline().next_group(&pool, lane) {
        let started = Instant::now();
        let size = group.jobs.len();
        let persons = group.jobs.iter().map(|job| job.write.entry.person).collect();
        let under_way = UnderWay { pool: &pool, lane, persons };
        let whole = write(&pool, group, lane).await;
        drop(under_way);
        if whole {
            pool.pipeline().lock(lane).pace.learn(size, started.elapsed());
        }
    }
    leading.ended = true;
}

/// Writes one group and tells everybody; true where it went as a group does.
async fn write(pool: &Pool, group: Group, lane: Lane) -> bool {
    let Group { jobs, by } = group;
    let mut came = written(pool, &jobs, by).await;
    if matches!(came, Written::TryCareful) {
        pool.pipeline().lock(lane).wary = WARY_GROUPS;
        came = written(pool, &jobs, Statement::Careful).await;
    }
    match came {
        Written::Each(each) => {
            for (job, outcome) in jobs.into_iter().zip(each) {
                job.tell(pool, outcome);
            }
            true
        }
        Written::TryAlone | Written::TryCareful => {
            // One bad entry never fails its neighbours; of a chain one goes before the other.
            for job in jobs {
                if job.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                    let operation = operation_of(&[&job.write]);
                    job.tell(pool, Err(StoreError::DeadlinePassed { operation }));
                    continue;
                }
                let job = [job];
                let outcome = match written(pool, &job, Statement::Careful).await {
                    Written::Each(each) => each.into_iter().next(),
                    Written::TryAlone | Written::TryCareful => None,
                    Written::Failed(error) => Some(refused_to(pool, &job, error).await),
                };
                tell(pool, job, outcome);
            }
            false
        }
        Written::Failed(error) => {
            if let [_] = jobs.as_slice() {
                let outcome = refused_to(pool, &jobs, error).await;
                tell(pool, jobs, Some(outcome));
                return false;
            }
            let shared = Arc::new(error);
            for job in jobs {
                let operation = operation_of(&[&job.write]);
                let error = StoreError::Together { operation, source: Arc::clone(&shared) };
                job.tell(pool, Err(error));
            }
            false
        }
    }
}

async fn written(pool: &Pool, group: &[Job], by: Statement) -> Written {
    let entries: Vec<&Write> = group.iter().map(|job| &job.write).collect();
    match pool.take(&operation_of(&entries)).await {
        Ok(connection) => write_group(&connection, &entries, by).await,
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
