//! Whether this is the only gateway on its database: then what it holds in memory is what is recorded, since all that changes goes
//! through it.
//!
//! Every connection of a gateway holds a shared lock in its name, so that it is seen for as long as anything of it can write, and each
//! gateway looks ten times a second which names there are. Who found itself alone believes it for a second; so whoever comes waits that
//! long before it begins. What a commit without an answer may still write is waited for too. Settlements do not depend on any of this:
//! their commit compares versions, whoever is there.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::error::{Operation, StoreError};
use super::pool::{Connection, Pool};
use super::row::Reader;

/// How often who else is there is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a look is believed.
const BELIEVED: Duration = Duration::from_secs(1);

/// The first number is any, the same for ever; the second one is a gateway's name.
pub(super) const HOLD: &str = "SELECT pg_advisory_lock_shared(1869505396, $1)";
const LOOK: &str = "SELECT count(DISTINCT objid) AS gateways FROM pg_locks WHERE locktype = 'advisory' AND classid = 1869505396 \
    AND objsubid = 2 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Until when this gateway is known to be alone.
#[derive(Debug)]
pub(super) struct Presence {
    began: Instant,
    /// In milliseconds since `began`; zero where it is not.
    alone_until_ms: AtomicU64,
    /// Until then something that nobody heard the end of may still be written.
    doubted_until_ms: AtomicU64,
    /// Of no other gateway, by chance.
    name: i32,
    /// Told once the pool is closed.
    closed: Notify,
}

impl Default for Presence {
    fn default() -> Self {
        let random = RandomState::new().hash_one(std::process::id()).to_le_bytes();
        let [a, b, c, d, ..] = random;
        Self {
            began: Instant::now(),
            alone_until_ms: AtomicU64::new(0),
            doubted_until_ms: AtomicU64::new(0),
            name: i32::from_le_bytes([a, b, c, d]),
            closed: Notify::new(),
        }
    }
}

impl Presence {
    /// Is no other gateway there, as far as was seen a moment ago?
    pub(super) fn is_alone(&self) -> bool {
        self.ms(Instant::now()) < self.alone_until_ms.load(Ordering::Acquire) && !self.is_doubted()
    }

    /// Nobody looks any more.
    pub(super) fn close(&self) {
        self.closed.notify_one();
    }

    /// By which name its connections hold the lock.
    pub(super) const fn name(&self) -> i32 {
        self.name
    }

    /// Something was sent, and nobody knows what became of it: until this has passed it may still be written.
    pub(super) fn doubt(&self, span: Duration) {
        let until = self.ms(Instant::now()).saturating_add(as_ms(span));
        self.doubted_until_ms.fetch_max(until, Ordering::AcqRel);
    }

    fn is_doubted(&self) -> bool {
        self.ms(Instant::now()) < self.doubted_until_ms.load(Ordering::Acquire)
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

/// Looks from now on who else is there. To be awaited before this gateway serves: by then everybody else knows of it.
pub async fn join_gateways(pool: &Pool) -> Result<(), StoreError> {
    let connection = pool.take(&Operation::Presence).await?;
    let alone = is_alone(&connection).await?;
    // Also where nobody is seen: somebody whose connections were just cut may still believe its last look.
    tokio::time::sleep(BELIEVED).await;
    if alone && is_alone(&connection).await? {
        pool.presence().believe_alone(Some(Instant::now()));
    }
    tokio::spawn(watch(pool.clone(), connection));
    Ok(())
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

/// Looks until the pool is closed. What was held in memory while somebody else was there, or may have been, is let go before this gateway
/// believes itself alone again.
async fn watch(pool: Pool, connection: Connection) {
    let mut held = Some(connection);
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            // Gone before the database is: a session that is cut off would be told as an error.
            () = pool.presence().closed.notified() => return,
        }
        if pool.is_closed() {
            return;
        }
        let began = Instant::now();
        let presence = pool.presence();
        let looked = match &held {
            Some(connection) => is_alone(connection).await,
            None => match pool.take(&Operation::Presence).await {
                Ok(connection) => is_alone(held.insert(connection)).await,
                Err(error) => Err(error),
            },
        };
        match looked {
            Ok(true) if !presence.is_doubted() => {
                // Somebody may have come and gone since the last look that is still believed.
                if !presence.is_alone() {
                    pool.persons().forget_all(&pool);
                    pool.reference().forget();
                    pool.reference().read_again(&pool);
                }
                presence.believe_alone(Some(began));
            }
            Ok(_) => presence.believe_alone(None),
            // Another connection is taken for the next look; this one is believed to its end.
            Err(_) => held = None,
        }
    }
}
