//! The pool: every wait has an end, every connection serves as the role that can not change history, and what each call costs
//! in round trips is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, QueueMode, RecyclingMethod,
    Runtime,
};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row, RowStream, Socket};

use super::error::{Operation, StoreError};
use super::national::{AskedAdmission, AskedNote};
use super::persons::{self, Persons, PersonsHeld};
use super::pipeline::{CommitSettings, Pipeline};
use super::presence::{self, Presence};
use super::reads::{Asked, AskedHistory, Reads};
use super::reference::Held;
use super::trail::Trail;
use super::{commit, snapshot};

/// Limits of the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Most connections open at once.
    pub connections_max: usize,
    /// How long a call may wait for a free one.
    pub wait_max: Duration,
    /// How long opening one may take.
    pub create_max: Duration,
    /// How long one statement may run.
    pub statement_max: Duration,
    /// How long one statement may wait for a lock.
    pub lock_max: Duration,
    /// How long a transaction may stay open with nobody using it.
    pub idle_in_transaction_max: Duration,
    /// How commits are grouped.
    pub commits: CommitSettings,
}

/// Connections to one database, as its service role. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    connections: deadpool_postgres::Pool,
    round_trips: Arc<AtomicU64>,
    pipeline: Arc<Pipeline>,
    reference: Arc<Held>,
    reads: Arc<Reads<Asked>>,
    histories: Arc<Reads<AskedHistory>>,
    admissions: Arc<Reads<AskedAdmission>>,
    notes: Arc<Reads<AskedNote>>,
    persons: Arc<Persons>,
    presence: Arc<Presence>,
    trail: Arc<Trail>,
}

/// One connection, for one call.
pub(super) struct Connection {
    pub(super) client: Object,
    round_trips: Arc<AtomicU64>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("status", &self.connections.status()).finish_non_exhaustive()
    }
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            connections_max: 16,
            wait_max: Duration::from_millis(500),
            create_max: Duration::from_secs(2),
            statement_max: Duration::from_secs(5),
            lock_max: Duration::from_secs(2),
            idle_in_transaction_max: Duration::from_secs(30),
            commits: CommitSettings::default(),
        }
    }
}

impl Pool {
    /// Makes the pool of a gateway; connects only when first used.
    pub fn new<T>(config: Config, tls: T, settings: &PoolSettings) -> Result<Self, StoreError>
    where
        T: MakeTlsConnect<Socket> + Clone + Sync + Send + 'static,
        T::Stream: Sync + Send,
        T::TlsConnect: Sync + Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let presence = Arc::new(Presence::default());
        let prepared = prepared(presence.name());
        let manager = Manager::from_config(serving(config, settings), tls, MANAGED);
        Self::of(manager, settings, (presence, Some(prepared)))
    }

    /// Makes a pool for somebody who is no gateway, and changes nothing that gateways hold in memory.
    pub fn beside<T>(config: Config, tls: T, settings: &PoolSettings) -> Result<Self, StoreError>
    where
        T: MakeTlsConnect<Socket> + Clone + Sync + Send + 'static,
        T::Stream: Sync + Send,
        T::TlsConnect: Sync + Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let manager = Manager::from_config(serving(config, settings), tls, MANAGED);
        Self::of(manager, settings, (Arc::default(), None))
    }

    fn of(
        manager: Manager,
        settings: &PoolSettings,
        (presence, prepared): (Arc<Presence>, Option<Hook>),
    ) -> Result<Self, StoreError> {
        let mut builder = deadpool_postgres::Pool::builder(manager)
            .max_size(settings.connections_max)
            // The one used last has everything near: its plans, and the pages it looked at.
            .queue_mode(QueueMode::Lifo)
            .wait_timeout(Some(settings.wait_max))
            .create_timeout(Some(settings.create_max))
            .recycle_timeout(Some(settings.create_max))
            .runtime(Runtime::Tokio1);
        if let Some(prepared) = prepared {
            builder = builder.post_create(prepared);
        }
        let connections = builder.build().map_err(|source| StoreError::Build { source })?;
        let pipeline = Arc::new(Pipeline::new(settings.commits));
        let (round_trips, reference) = (Arc::default(), Arc::default());
        let (reads, histories) = (Arc::default(), Arc::default());
        let (admissions, notes) = (Arc::default(), Arc::default());
        let (persons, trail) = (Arc::default(), Arc::default());
        Ok(Self {
            connections,
            round_trips,
            pipeline,
            reference,
            reads,
            histories,
            admissions,
            notes,
            persons,
            presence,
            trail,
        })
    }

    /// How many times a statement went to the database and its answer came back, since the pool was made. Preparing a statement,
    /// once a connection, is not counted.
    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// How many groups of commits were written, and how many entries in them.
    pub fn groups(&self) -> (u64, u64) {
        self.pipeline.counts()
    }

    /// How many snapshots wait for the next group.
    pub fn snapshots_waiting(&self) -> usize {
        self.reads.waiting().saturating_add(self.histories.waiting())
    }

    /// Reads the catalogue and the registry into memory, behind all else; until then all is read for each call.
    pub fn remember(&self) {
        self.reference.read_again(self);
        persons::load(self);
    }

    /// Is this the only gateway on its database? Then what is held in memory is what is recorded.
    pub fn is_alone(&self) -> bool {
        self.presence.is_alone()
    }

    /// What is held of persons.
    pub fn persons_held(&self) -> PersonsHeld {
        self.persons.held()
    }

    /// Which version of the catalogue is held in memory, if one is.
    pub fn catalogue_held(&self) -> Option<i64> {
        self.reference.catalogue().map(|held| held.version)
    }

    /// How many entries wait for the next group.
    pub fn backlog(&self) -> usize {
        self.pipeline.backlog()
    }

    /// How many records of who looked at persons' data are not durable yet.
    pub fn access_backlog(&self) -> usize {
        self.trail.backlog()
    }

    /// How many connections are open, and how many calls wait for one.
    pub fn load(&self) -> (usize, usize) {
        let status = self.connections.status();
        (status.size, status.waiting)
    }

    /// Is the database there, and may this role read its schema?
    pub async fn ping(&self) -> Result<(), StoreError> {
        let operation = Operation::Standing;
        let connection = self.take(&operation).await?;
        connection.query("SELECT 1", &[], &operation).await.map(|_| ())
    }

    /// Closes every connection; later calls fail at once.
    pub fn close(&self) {
        self.connections.close();
        self.presence.close();
    }

    pub(super) fn reads(&self) -> &Reads<Asked> {
        &self.reads
    }

    pub(super) fn histories(&self) -> &Reads<AskedHistory> {
        &self.histories
    }

    pub(super) fn admissions(&self) -> &Reads<AskedAdmission> {
        &self.admissions
    }

    pub(super) fn notes(&self) -> &Reads<AskedNote> {
        &self.notes
    }

    pub(super) fn is_closed(&self) -> bool {
        self.connections.is_closed()
    }

    pub(super) fn presence(&self) -> &Presence {
        &self.presence
    }

    pub(super) fn persons(&self) -> &Persons {
        &self.persons
    }

    pub(super) fn trail(&self) -> &Trail {
        &self.trail
    }

    pub(super) fn reference(&self) -> &Held {
        &self.reference
    }

    pub(super) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    pub(super) async fn take(&self, operation: &Operation) -> Result<Connection, StoreError> {
        let client = self
            .connections
            .get()
            .await
            .map_err(|source| StoreError::Connect { operation: operation.clone(), source })?;
        Ok(Connection { client, round_trips: Arc::clone(&self.round_trips) })
    }
}

impl Connection {
    /// One statement, one round trip, errors with their cause.
    pub(super) async fn query(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
        operation: &Operation,
    ) -> Result<Vec<Row>, StoreError> {
        self.try_query(sql, params)
            .await
            .map_err(|source| StoreError::Statement { operation: operation.clone(), source })
    }

    /// The same, row by row as they come.
    pub(super) async fn rows(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
        operation: &Operation,
    ) -> Result<RowStream, StoreError> {
        let failed = |source| StoreError::Statement { operation: operation.clone(), source };
        let statement = self.client.prepare_cached(sql).await.map_err(failed)?;
        self.count();
        let params = params.iter().map(|value| *value as &(dyn ToSql + Sync));
        self.client.query_raw(&statement, params).await.map_err(failed)
    }

    /// The same, where the caller reads the database's refusal.
    pub(super) async fn try_query(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let statement = self.client.prepare_cached(sql).await?;
        self.count();
        self.client.query(&statement, params).await
    }

    /// Ends the session: nothing it holds outlives it.
    pub(super) fn close(self) {
        drop(Object::take(self.client));
    }

    /// For somebody who may leave it in the middle of something: it never comes back.
    pub(super) fn out_of_pool(self) -> ClientWrapper {
        Object::take(self.client)
    }

    pub(super) fn count(&self) {
        self.round_trips.fetch_add(1, Ordering::Relaxed);
    }
}

/// For one transaction, lets a statement read whole tables, and take its time.
pub(super) const READ_EVERYTHING: &str = "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; \
     SET LOCAL enable_mergejoin = on; SET LOCAL plan_cache_mode = auto; SET LOCAL statement_timeout = '10min'";

/// For one transaction, lets a statement take its time, by the plans that it has anyhow.
pub(super) const UNHURRIED: &str = "SET LOCAL statement_timeout = '10min'";

const MANAGED: ManagerConfig = ManagerConfig { recycling_method: RecyclingMethod::Fast };

/// What a gateway does with each new connection.
fn prepared(name: i32) -> Hook {
    Hook::async_fn(move |client, _| {
        Box::pin(async move {
            // For as long as it lives the other gateways see that we are there.
            let held = client.query(presence::HOLD, &[&name]).await;
            held.map_err(HookError::Backend)?;
            // The settling path is prepared before anybody waits for it.
            let commits = commit::Statement::ALL.map(commit::Statement::sql);
            for statement in commits.into_iter().chain([snapshot::SQL, snapshot::HISTORY]) {
                client.prepare_cached(statement).await.map_err(HookError::Backend)?;
            }
            Ok(())
        })
    })
}

fn serving(mut config: Config, settings: &PoolSettings) -> Config {
    config.options(service_options(&config, settings));
    config
}

/// What every connection starts with. Plans are made once: planning the settling statements anew costs more than running them. And
/// they only walk indexes: a plan that was made while a table was empty would otherwise read all of it for ever.
fn service_options(config: &Config, settings: &PoolSettings) -> String {
    let given = config.get_options().unwrap_or_default();
    format!(
        "{given} -c role=onestop_service -c timezone=UTC -c jit=off -c plan_cache_mode=force_generic_plan \
         -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off \
         -c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={}",
        settings.statement_max.as_millis(),
        settings.lock_max.as_millis(),
        settings.idle_in_transaction_max.as_millis(),
    )
}
