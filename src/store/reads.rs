//! What is asked of the database in groups: who asks while the last group is read is in the next one. No timer, and nobody waits alone.
//!
//! To set a statement up costs ten times what one more row of it does, where the pages are in memory. Where they are not, each row waits
//! for the disk: groups become small, and several are read side by side, since a disk brings many pages in at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use tokio::sync::oneshot;
use tokio_postgres::Row;

use super::error::{Operation, StoreError};
use super::pace::Pace;
use super::pool::{Connection, Pool};
use super::{credential_bucket, snapshot};
use crate::domain::ids::{HospitalCode, ItemCode, PersonId, RequestId, StayId};
use crate::limits;

/// What one snapshot is of.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) credential_hash: [u8; 32],
    pub(super) credential_kind: u8,
    /// The bill's part; nothing where only the person is asked for.
    pub(super) stay: Option<AskedStay>,
}

/// What is asked of a bill besides its items.
#[derive(Clone, Debug)]
pub(super) struct AskedStay {
    pub(super) hospital: HospitalCode,
    pub(super) request: Option<RequestId>,
    pub(super) stay: StayId,
    pub(super) part: i16,
    pub(super) discharge: Date,
}

/// What of a person is asked for, whose standing is in memory: what they have used.
#[derive(Clone, Copy, Debug)]
pub(super) struct AskedHistory(pub(super) PersonId);

/// What can be asked for in groups: each a row of one statement.
pub(super) trait Ask: Clone + Send + Sync + 'static {
    /// The least in a group where more wait.
    const GROUP_MIN: usize;
    /// Groups read at once, at most.
    const READERS_MAX: usize;

    /// Where those who ask for it wait.
    fn reads(pool: &Pool) -> &Reads<Self>;
    /// What is done for whoever asks for this.
    fn operation(&self) -> Operation;
    /// One round trip: a row for each.
    fn query(
        connection: &Connection,
        asked: &[Self],
        operation: &Operation,
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;
}

/// Where those who ask wait.
#[derive(Debug)]
pub(super) struct Reads<A>(Mutex<Queue<A>>);

#[derive(Debug)]
struct Queue<A> {
    waiting: Vec<Job<A>>,
    readers: usize,
    pace: Pace,
}

#[derive(Debug)]
struct Job<A> {
    asked: A,
    told: oneshot::Sender<Result<Row, StoreError>>,
}

impl Ask for Asked {
    const GROUP_MIN: usize = limits::READ_GROUP_MIN;
    const READERS_MAX: usize = limits::READERS_MAX;

    fn reads(pool: &Pool) -> &Reads<Self> {
        pool.reads()
    }

    fn operation(&self) -> Operation {
        match &self.stay {
            Some(stay) => Operation::Snapshot(stay.hospital.clone()),
            None => Operation::Standing,
        }
    }

    async fn query(
        connection: &Connection,
        asked: &[Self],
        operation: &Operation,
    ) -> Result<Vec<Row>, StoreError> {
        query(connection, asked, &[], operation).await
    }
}

impl Ask for AskedHistory {
    const GROUP_MIN: usize = limits::READ_GROUP_MIN;
    const READERS_MAX: usize = limits::HISTORY_READERS_MAX;

    fn reads(pool: &Pool) -> &Reads<Self> {
        pool.histories()
    }

    fn operation(&self) -> Operation {
        Operation::History
    }

    async fn query(
        connection: &Connection,
        asked: &[Self],
        operation: &Operation,
    ) -> Result<Vec<Row>, StoreError> {
        let buckets: Vec<i16> = asked.iter().map(|Self(person)| person.bucket()).collect();
        let persons: Vec<i64> = asked.iter().map(|Self(person)| person.get()).collect();
        let rows = connection.query(snapshot::HISTORY, &[&buckets, &persons], operation).await?;
        one_each(rows, asked.len(), operation)
    }
}

impl<A: Ask> Default for Reads<A> {
    fn default() -> Self {
        Self(Mutex::new(Queue {
            waiting: Vec::new(),
            readers: 0,
            pace: Pace::new((A::GROUP_MIN, limits::READ_GROUP_MAX), A::GROUP_MIN),
        }))
    }
}

impl<A: Ask> Reads<A> {
    /// Reads one with the next group.
    pub(super) async fn read(&self, pool: &Pool, asked: A) -> Result<Row, StoreError> {
        let operation = asked.operation();
        let (told, tell) = oneshot::channel();
        let lead = {
            let mut queue = self.lock();
            if limits::READ_BACKLOG_MAX <= queue.waiting.len() {
                return Err(StoreError::Backlog { operation });
            }
            queue.waiting.push(Job { asked, told });
            queue.takes_another()
        };
        if lead {
            spawn::<A>(pool.clone());
        }
        tell.await.unwrap_or(Err(StoreError::WriterLost { operation }))
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// The next group, and whether another reader must take the one after it; nothing where nobody waits: then the reader is done.
    fn next_group(&self) -> Option<(Vec<Job<A>>, bool)> {
        let mut queue = self.lock();
        let size = queue.waiting.len().min(queue.pace.group_size());
        if size == 0 {
            queue.readers = queue.readers.saturating_sub(1);
            return None;
        }
        let group = queue.waiting.drain(..size).collect();
        Some((group, queue.takes_another()))
    }

    fn lock(&self) -> MutexGuard<'_, Queue<A>> {
        // Nothing in here can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Ask> Queue<A> {
    /// Is there to be one more reader? It helps only where a whole group waits that nobody takes. It is counted.
    fn takes_another(&mut self) -> bool {
        let wanted = match self.readers {
            0 => !self.waiting.is_empty(),
            _ => self.pace.group_size() < self.waiting.len(),
        };
        let takes = wanted && self.readers < A::READERS_MAX;
        if takes {
            self.readers = self.readers.saturating_add(1);
        }
        takes
    }

    /// Takes in how long a group took, where that says something of its size.
    fn learn<T>(&mut self, entries: usize, took: Duration, read: &Result<T, StoreError>) {
        match read {
            Ok(_) => self.pace.learn(entries, took),
            Err(error) if error.is_cancelled() => self.pace.took_too_long(),
            Err(_) => {}
        }
    }
}

/// One more reader, which is counted already.
fn spawn<A: Ask>(pool: Pool) {
    tokio::spawn(lead_groups::<A>(pool));
}

/// Reads group after group until nobody waits.
async fn lead_groups<A: Ask>(pool: Pool) {
    while let Some((group, another)) = A::reads(&pool).next_group() {
        if another {
            spawn::<A>(pool.clone());
        }
        let (asked, told): (Vec<A>, Vec<_>) =
            group.into_iter().map(|job| (job.asked, job.told)).unzip();
        let began = Instant::now();
        let read = read_group(&pool, &asked).await;
        A::reads(&pool).lock().learn(asked.len(), began.elapsed(), &read);
        match read {
            Ok(rows) => told.into_iter().zip(rows).for_each(|(told, row)| {
                told.send(Ok(row)).ok();
            }),
            Err(error) => {
                let shared = Arc::new(error);
                for (told, asked) in told.into_iter().zip(asked) {
                    let source = Arc::clone(&shared);
                    let operation = asked.operation();
                    told.send(Err(StoreError::Together { operation, source })).ok();
                }
            }
        }
    }
}

async fn read_group<A: Ask>(pool: &Pool, asked: &[A]) -> Result<Vec<Row>, StoreError> {
    let operation = asked.first().map_or(Operation::Standing, A::operation);
    let connection = pool.take(&operation).await?;
    A::query(&connection, asked, &operation).await
}

/// A row for each, or something is wrong.
pub(super) fn one_each(
    rows: Vec<Row>,
    asked: usize,
    operation: &Operation,
) -> Result<Vec<Row>, StoreError> {
    if rows.len() == asked {
        Ok(rows)
    } else {
        Err(StoreError::Stored { operation: operation.clone(), field: "snapshot" })
    }
}

/// One round trip: a row for each, with these items for all.
pub(super) async fn query(
    connection: &Connection,
    asked: &[Asked],
    items: &[(&ItemCode, Date)],
    operation: &Operation,
) -> Result<Vec<Row>, StoreError> {
    fn each<'a, T>(asked: &'a [Asked], of: impl Fn(&'a Asked) -> T) -> Vec<T> {
        asked.iter().map(of).collect()
    }
    fn of_stay<'a, T>(
        asked: &'a [Asked],
        of: impl Fn(&'a AskedStay) -> Option<T>,
    ) -> Vec<Option<T>> {
        asked.iter().map(|asked| asked.stay.as_ref().and_then(&of)).collect()
    }
    let (codes, days): (Vec<&str>, Vec<Date>) =
        items.iter().map(|(code, day)| (code.as_str(), *day)).unzip();
    let rows = connection
        .query(
            snapshot::SQL,
            &[
                &each(asked, |asked| credential_bucket(&asked.credential_hash)),
                &each(asked, |asked| asked.credential_hash.as_slice()),
                &each(asked, |asked| i16::from(asked.credential_kind)),
                &of_stay(asked, |stay| Some(stay.hospital.as_str())),
                &of_stay(asked, |stay| stay.request.as_ref().map(RequestId::as_str)),
                &of_stay(asked, |stay| Some(stay.stay.as_str())),
                &of_stay(asked, |stay| Some(stay.part)),
                &of_stay(asked, |stay| Some(stay.discharge)),
                &codes,
                &days,
            ],
            operation,
        )
        .await?;
    one_each(rows, asked.len(), operation)
}
