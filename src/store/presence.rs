//! Whether this is the only gateway on its database: then what it holds in memory is what is recorded, since all that changes goes
//! through it.
//!
//! Each gateway holds a shared lock for as long as its session lives, and looks ten times a second who else does. Who found itself alone
//! believes it for half a second; so who comes into company waits that long before it begins, and neither ever trusts what the other
//! changes. Settlements do not depend on it: their commit compares versions, whoever is there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::error::{Operation, StoreError};
use super::pool::{Connection, Pool};
use super::row::Reader;

/// How often who else is there is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a look is believed.
const BELIEVED: Duration = Duration::from_millis(500);

/// Any two numbers, the same for ever: whoever serves this database holds the lock of this name.
const HOLD: &str = "SELECT pg_advisory_lock_shared(1869505396, 1869574756)";
const LOOK: &str = "SELECT count(*) AS gateways FROM pg_locks WHERE locktype = 'advisory' AND classid = 1869505396 \
    AND objid = 1869574756 AND objsubid = 2 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Until when this gateway is known to be alone.
#[derive(Debug)]
pub(super) struct Presence {
    began: Instant,
    /// In milliseconds since `began`; zero where it is not.
    alone_until_ms: AtomicU64,
}

impl Default for Presence {
    fn default() -> Self {
        Self { began: Instant::now(), alone_until_ms: AtomicU64::new(0) }
    }
}

impl Presence {
    /// Is no other gateway there, as far as was seen a moment ago?
    pub(super) fn is_alone(&self) -> bool {
        self.ms(Instant::now()) < self.alone_until_ms.load(Ordering::Acquire)
    }

    fn believe_alone(&self, seen_at: Option<Instant>) {
        let until = seen_at.map_or(0, |at| self.ms(at).saturating_add(as_ms(BELIEVED)));
        self.alone_until_ms.store(until, Ordering::Release);
    }

    fn ms(&self, at: Instant) -> u64 {
        as_ms(at.saturating_duration_since(self.began))
    }
}

fn as_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Makes this gateway known to the others, for as long as the process lives. To be awaited before it serves.
pub async fn join_gateways(pool: &Pool) -> Result<(), StoreError> {
    let connection = hold(pool).await?;
    let began = Instant::now();
    let alone = is_alone(&connection).await?;
    pool.presence().believe_alone(alone.then_some(began));
    if !alone {
        tokio::time::sleep(BELIEVED).await;
    }
    tokio::spawn(watch(pool.clone(), connection, alone));
    Ok(())
}

/// Takes the lock by a session of its own.
async fn hold(pool: &Pool) -> Result<Connection, StoreError> {
    let connection = pool.take(&Operation::Presence).await?;
    connection.client.query(HOLD, &[]).await.map_err(failed)?;
    Ok(connection)
}

async fn is_alone(connection: &Connection) -> Result<bool, StoreError> {
    // Not counted among what calls cost.
    let rows = connection.client.query(LOOK, &[]).await.map_err(failed)?;
    let row = rows
        .first()
        .ok_or(StoreError::Stored { operation: Operation::Presence, field: "gateways" })?;
    let gateways: i64 = Reader { row, operation: &Operation::Presence }.get("gateways")?;
    Ok(gateways == 1)
}

fn failed(source: tokio_postgres::Error) -> StoreError {
    StoreError::Statement { operation: Operation::Presence, source }
}

/// Looks until the pool is closed; takes the lock again where its session was lost. What was held in memory while somebody else was
/// there, or may have been, is let go before this gateway believes itself alone again.
async fn watch(pool: Pool, connection: Connection, mut was_alone: bool) {
    let mut held = Some(connection);
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !pool.is_closed() {
        ticks.tick().await;
        let began = Instant::now();
        let looked = match &held {
            Some(connection) => is_alone(connection).await,
            None => match hold(&pool).await {
                Ok(connection) => is_alone(held.insert(connection)).await,
                Err(error) => Err(error),
            },
        };
        match looked {
            Ok(true) => {
                if !was_alone {
                    pool.persons().forget_all(&pool);
                    pool.reference().forget();
                    pool.reference().read_again(&pool);
                }
                was_alone = true;
                pool.presence().believe_alone(Some(began));
            }
            Ok(false) => {
                was_alone = false;
                pool.presence().believe_alone(None);
            }
            // The session is gone, and its lock with it: somebody may come and go unseen. The last look is believed to its end.
            Err(_) => (held, was_alone) = (None, false),
        }
    }
}
