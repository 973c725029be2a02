//! What was settled, on its way to the insurance core: moved out of the outbox, taken when due, noted when answered.
//!
//! One gateway leads at a time, by a lock that its own connection holds: whoever has the connection leads, and every statement of it goes
//! by that connection, so that a leader that was cut off can write nothing more.

use jiff::Timestamp;

use super::error::{Operation, StoreError};
use super::find::entry;
use super::pool::{Connection, Pool, READ_EVERYTHING};
use super::row::Reader;
use crate::domain::ids::{HospitalCode, PersonId, RequestId, SettlementId};
use crate::domain::ledger::Entry;
use crate::limits;

const MOVE: &str = include_str!("sql/outbox/move.sql");
const TAKE_DUE: &str = include_str!("sql/outbox/take_due.sql");
const ENTRIES: &str = include_str!("sql/outbox/entries.sql");
const NOTE: &str = include_str!("sql/outbox/note.sql");
const DOUBT_SENT: &str = include_str!("sql/outbox/doubt_sent.sql");
const LAG: &str = include_str!("sql/outbox/lag.sql");
const DEAD: &str = include_str!("sql/outbox/dead.sql");
const REPLAY: &str = include_str!("sql/outbox/replay.sql");

/// The first number is any, the same for ever; the second one says what is led. [`super::presence`] has the other first number.
const LEAD: &str = "SELECT pg_try_advisory_lock(1869505397, 1) AS leads";

const PATIENT: &str = "SET statement_timeout = '60s'";

/// How far an entry has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryState {
    /// It may be sent when it is due.
    Waiting,
    /// It was sent, and its answer is still to come.
    Sent,
    /// It was sent, and nobody knows what became of it.
    Unknown,
    /// The core has it.
    Confirmed,
    /// The core does not take it: a dead letter.
    Refused,
    /// An earlier entry of the same person was refused.
    Held,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Sent, Self::Unknown, Self::Confirmed, Self::Refused, Self::Held];

    /// As it is stored, and as metrics call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Unknown => "unknown",
            Self::Confirmed => "confirmed",
            Self::Refused => "refused",
            Self::Held => "held",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// The key of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeliveryKey {
    /// Whose.
    pub person: PersonId,
    /// Which entry.
    pub settlement: SettlementId,
}

/// An entry that the core does not have yet, or not for sure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Which.
    pub key: DeliveryKey,
    /// How far it has come.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is due.
    pub next_at: Timestamp,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which.
    pub key: DeliveryKey,
    /// How far it has come now.
    pub state: DeliveryState,
    /// When it is due again.
    pub next_at: Timestamp,
    /// Why it is not confirmed, as a code.
    pub code: Option<String>,
    /// The core's own reference.
    pub reference: Option<String>,
    /// Was this one more attempt?
    pub tried: bool,
}

/// What a move came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedIn {
    /// So many rows.
    pub rows: usize,
    /// The place of the last one: where a move that was cut short goes on.
    pub last_place: Option<String>,
}

/// What is open of one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// The state's word, or "unmoved" for what still lies in the outbox.
    pub state: String,
    /// So many entries.
    pub entries: u64,
    /// When the oldest of them was recorded.
    pub oldest_at: Option<Timestamp>,
}

impl Lag {
    /// Does the core not have these yet? What it booked more than once it has.
    pub fn is_open(&self) -> bool {
        self.state != BOOKED_TWICE_STATE
    }
}

/// How entries are counted that the core has, and booked more than once.
pub const BOOKED_TWICE_STATE: &str = "booked_twice";

/// An entry that the core refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which.
    pub key: DeliveryKey,
    /// The hospital.
    pub hospital: HospitalCode,
    /// The hospital's key.
    pub request: RequestId,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was refused last.
    pub refused_at: Timestamp,
    /// Why.
    pub code: String,
    /// So many later entries of the same person wait behind it.
    pub held: u64,
}

/// The one that delivers, for as long as it lives.
pub struct Deliveries {
    /// There but while it is dropped.
    connection: Option<Connection>,
}

impl std::fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Deliveries")
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        // The lock goes with the connection: given back to the pool it would be held by nobody who delivers.
        if let Some(connection) = self.connection.take() {
            connection.close();
        }
    }
}

impl Deliveries {
    /// Takes the lead, unless another one has it.
    pub async fn lead(pool: &Pool) -> Result<Option<Self>, StoreError> {
        let operation = Operation::Deliver("take the lead");
        let connection = pool.take(&operation).await?;
        let rows = connection.query(LEAD, &[], &operation).await?;
        let leads = |row| Reader { row, operation: &operation }.get::<bool>("leads");
        if !rows.first().map_or(Ok(false), leads)? {
            return Ok(None);
        }
        // Nobody else goes by it, and after a long outage there may be much to look through.
        let failed = |source| StoreError::Statement { operation: operation.clone(), source };
        connection.client.batch_execute(PATIENT).await.map_err(failed)?;
        Ok(Some(Self { connection: Some(connection) }))
    }

    fn connection(&self, operation: &Operation) -> Result<&Connection, StoreError> {
        let lost = || StoreError::WriterLost { operation: operation.clone() };
        self.connection.as_ref().ok_or_else(lost)
    }

    /// What an earlier leader sent is doubted from now on. To be done once, before anything is sent.
    pub async fn doubt_sent(&self, now: Timestamp) -> Result<usize, StoreError> {
        let operation = Operation::Deliver("doubt what was sent");
        let rows = self.connection(&operation)?.query(DOUBT_SENT, &[&now], &operation).await?;
        Ok(rows.len())
    }

    /// Moves what lies in the outbox, from a place on, and at most [`limits::DELIVERY_MOVE_MAX`]. All of a person that was written
    /// before what is moved is moved too only where it looked at everything: from the first place on, and not cut short.
    pub async fn move_in(&self, from_place: &str, now: Timestamp) -> Result<MovedIn, StoreError> {
        let operation = Operation::Deliver("move what is to be told");
        let most = i64::try_from(limits::DELIVERY_MOVE_MAX).unwrap_or(i64::MAX);
        let connection = self.connection(&operation)?;
        let rows = connection.query(MOVE, &[&from_place, &most, &now], &operation).await?;
        let nothing = StoreError::Stored { operation: operation.clone(), field: "moved" };
        let reader = Reader { row: rows.first().ok_or(nothing)?, operation: &operation };
        let moved: i64 = reader.get("moved")?;
        let rows = usize::try_from(moved).unwrap_or(0);
        Ok(MovedIn { rows, last_place: reader.get("last_place")? })
    }

    /// All that is open of some persons who have something due: in the order of persons, and of each in order.
    pub async fn take_due(&self, now: Timestamp) -> Result<Vec<Open>, StoreError> {
        let operation = Operation::Deliver("look for what is due");
        let due = i64::try_from(limits::DELIVERY_DUE_MAX).unwrap_or(i64::MAX);
        let of_each = i64::try_from(limits::DELIVERY_OF_A_PERSON_MAX).unwrap_or(i64::MAX);
        let connection = self.connection(&operation)?;
        let rows = connection.query(TAKE_DUE, &[&now, &due, &of_each], &operation).await?;
        let open = |row| {
            let reader = Reader { row, operation: &operation };
            Ok(Open {
                key: key(&reader)?,
                state: reader.text("state", DeliveryState::from_word)?,
                attempts: attempts(&reader)?,
                next_at: reader.get("next_at")?,
            })
        };
        rows.iter().map(open).collect()
    }

    /// The entries themselves, without their charge lines, in any order.
    pub async fn entries(&self, keys: &[DeliveryKey]) -> Result<Vec<Entry>, StoreError> {
        let operation = Operation::Deliver("read what is to be told");
        let buckets: Vec<i16> = keys.iter().map(|key| key.person.bucket()).collect();
        let settlements: Vec<&str> = keys.iter().map(|key| key.settlement.as_str()).collect();
        let connection = self.connection(&operation)?;
        let rows = connection.query(ENTRIES, &[&buckets, &settlements], &operation).await?;
        rows.iter().map(|row| entry(&Reader { row, operation: &operation })).collect()
    }

    /// Notes what became of deliveries. What is confirmed stays so.
    pub async fn note(&self, now: Timestamp, notes: &[Note]) -> Result<(), StoreError> {
        if notes.is_empty() {
            return Ok(());
        }
        let operation = Operation::Deliver("note what was told");
        let mut notes: Vec<&Note> = notes.iter().collect();
        notes.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        let all = notes.iter();
        let buckets: Vec<i16> = all.clone().map(|note| note.key.person.bucket()).collect();
        let persons: Vec<i64> = all.clone().map(|note| note.key.person.get()).collect();
        let settlements: Vec<&str> = all.clone().map(|note| note.key.settlement.as_str()).collect();
        let states: Vec<&str> = all.clone().map(|note| note.state.word()).collect();
        let next: Vec<Timestamp> = all.clone().map(|note| note.next_at).collect();
        let codes: Vec<Option<String>> = all.clone().map(|note| short(&note.code)).collect();
        let references: Vec<Option<String>> =
            all.clone().map(|note| short(&note.reference)).collect();
        let more: Vec<i32> = all.map(|note| i32::from(note.tried)).collect();
        let connection = self.connection(&operation)?;
        connection
            .query(
                NOTE,
                &[
                    &now,
                    &buckets,
                    &persons,
                    &settlements,
                    &states,
                    &next,
                    &codes,
                    &references,
                    &more,
                ],
                &operation,
            )
            .await
            .map(|_| ())
    }
}

/// How much is open, by state.
pub async fn delivery_lag(pool: &Pool) -> Result<Vec<Lag>, StoreError> {
    let operation = Operation::Deliver("count what is open");
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let mut connection = pool.take(&operation).await?;
    connection.count();
    // Over whatever lies there, however much that is after a long outage.
    let transaction = connection.client.transaction().await.map_err(failed)?;
    transaction.batch_execute(READ_EVERYTHING).await.map_err(failed)?;
    let rows = transaction.query(LAG, &[]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    let lag = |row| {
        let reader = Reader { row, operation: &operation };
        let entries: i64 = reader.get("entries")?;
        Ok(Lag {
            state: reader.get("state")?,
            entries: u64::try_from(entries).unwrap_or(0),
            oldest_at: reader.get("oldest_at")?,
        })
    };
    rows.iter().map(lag).collect()
}

/// The code of an entry that the core has, and booked more than once.
pub const BOOKED_TWICE: &str = "CORE_BOOKED_TWICE";

/// The dead letters and what was booked more than once, oldest first, at most so many.
pub async fn dead_letters(pool: &Pool, most: usize) -> Result<Vec<DeadLetter>, StoreError> {
    let operation = Operation::Deliver("list dead letters");
    let connection = pool.take(&operation).await?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = connection.query(DEAD, &[&most], &operation).await?;
    let letter = |row| {
        let reader = Reader { row, operation: &operation };
        let held: i64 = reader.get("held")?;
        Ok(DeadLetter {
            key: key(&reader)?,
            hospital: reader.text("hospital_code", HospitalCode::new)?,
            request: reader.text("request_id", RequestId::new)?,
            attempts: attempts(&reader)?,
            refused_at: reader.get("changed_at")?,
            code: reader.get::<Option<String>>("last_code")?.unwrap_or_default(),
            held: u64::try_from(held).unwrap_or(0),
        })
    };
    rows.iter().map(letter).collect()
}

/// Has dead letters sent again, one or all, and what is held behind them. Says how many.
pub async fn replay_dead(
    pool: &Pool,
    settlement: Option<&SettlementId>,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let operation = Operation::Deliver("replay dead letters");
    // An id that does not carry a bucket was never ours.
    let bucket = match settlement {
        Some(settlement) => match settlement.bucket() {
            Some(bucket) => Some(bucket),
            None => return Ok(0),
        },
        None => None,
    };
    let connection = pool.take(&operation).await?;
    let settlement = settlement.map(SettlementId::as_str);
    let rows = connection.query(REPLAY, &[&now, &bucket, &settlement], &operation).await?;
    let again = |row| Reader { row, operation: &operation }.get::<i64>("again");
    let again = rows.first().map_or(Ok(0), again)?;
    Ok(usize::try_from(again).unwrap_or(0))
}

fn key(reader: &Reader<'_>) -> Result<DeliveryKey, StoreError> {
    let person = reader.person("person_id")?;
    let person = reader.parse("person_id", person)?;
    Ok(DeliveryKey { person, settlement: reader.text("settlement_id", SettlementId::new)? })
}

fn attempts(reader: &Reader<'_>) -> Result<u32, StoreError> {
    let attempts: i32 = reader.get("attempts")?;
    Ok(u32::try_from(attempts).unwrap_or(0))
}

/// What the other side said, as far as it fits and holds nothing but a code.
fn short(said: &Option<String>) -> Option<String> {
    let plain = |letter: &char| letter.is_ascii_graphic();
    said.as_ref()
        .map(|said| said.chars().filter(plain).take(limits::CORE_CODE_LENGTH_MAX).collect())
}
