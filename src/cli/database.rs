//! The database of a command: the one given, or a private cluster in the data folder.
use anyhow::Context as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio_postgres::NoTls;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{self, Config};
use crate::limits;
use crate::store::cluster::{self, Cluster, Kept};
use crate::store::{self, CommitSettings, Pool, PoolSettings};

/// Where Debian and its kin keep the authorities that a machine trusts.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A database that answers, and how it is reached.
pub(super) struct Database {
    connection: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
    /// Its name for people; holds no secret.
    pub(super) name: String,
    cluster: Option<Kept>,
}

impl Database {
    /// Connects to the database given, or starts or adopts the private cluster.
    pub(super) async fn open(config: &Config) -> Result<Self, anyhow::Error> {
        if let Some(config::Database { connection, ca_file }) = &config.database {
            // "prefer" would fall back to clear text without a word, so it is not taken for a wish.
            let asked = connection.get_ssl_mode() == SslMode::Require;
            let tls = if asked { Some(verifying(ca_file.as_deref())?) } else { None };
            let (connection, name) = (connection.clone(), name_of(connection));
            return Ok(Self { connection, tls, name, cluster: None });
        }
        let settings = cluster::Settings::lasting(&config.data_dir, config.program_dirs.clone());
        let folder = settings.folder.clone();
        let cluster = Cluster::start(&settings).await.context("start the private cluster")?;
        let how = if cluster.adopted() { "Adopted" } else { "Started" };
        tracing::info!(folder = %folder.display(), "{how} the private cluster");
        let connection = cluster.connection(cluster::DATABASE);
        let name = format!("private cluster in {}", folder.display());
        Ok(Self { connection, tls: None, name, cluster: Some(cluster.keep()) })
    }

    /// The same for a command that works beside servers: a private cluster that one of them keeps is used where it is.
    pub(super) async fn join(config: &Config) -> Result<Self, anyhow::Error> {
        let settings = cluster::Settings::lasting(&config.data_dir, config.program_dirs.clone());
        match cluster::running(&settings) {
            Some(connection) if config.database.is_none() => {
                let name = format!("private cluster in {}", settings.folder.display());
                Ok(Self { connection, tls: None, name, cluster: None })
            }
            Some(_) | None => Self::open(config).await,
        }
    }

    /// Brings the schema up to date; says how many migrations that took.
    pub(super) async fn migrate(&self) -> Result<usize, anyhow::Error> {
        let applied = match &self.tls {
            Some(tls) => store::migrate(&self.connection, tls.clone()).await,
            None => store::migrate(&self.connection, NoTls).await,
        };
        applied.with_context(|| format!("bring the schema of {} up to date", self.name))
    }

    /// The pool of connections that calls use.
    pub(super) fn pool(&self, config: &Config) -> Result<Pool, anyhow::Error> {
        let settings = settings_of(config);
        let connection = self.connection.clone();
        let pool = match &self.tls {
            Some(tls) => Pool::new(connection, tls.clone(), &settings),
            None => Pool::new(connection, NoTls, &settings),
        };
        pool.context("make the pool of connections")
    }

    /// The same for a command that is no gateway.
    pub(super) fn pool_beside(&self, config: &Config) -> Result<Pool, anyhow::Error> {
        let settings = PoolSettings { connections_max: 2, ..settings_of(config) };
        let connection = self.connection.clone();
        let pool = match &self.tls {
            Some(tls) => Pool::beside(connection, tls.clone(), &settings),
            None => Pool::beside(connection, NoTls, &settings),
        };
        pool.context("make the pool of connections")
    }

    /// Comes back, with the reason, only when the private cluster ended and could not be started again.
    pub(super) async fn lost(&self) -> anyhow::Error {
        match &self.cluster {
            Some(cluster) => {
                let why = cluster.given_up().await;
                anyhow::anyhow!("start the private cluster again after it ended by itself: {why}")
            }
            None => std::future::pending().await,
        }
    }

    /// Stops the private cluster cleanly; leaves a database of somebody else's alone.
    pub(super) async fn stop(self) -> Result<(), anyhow::Error> {
        match self.cluster {
            Some(cluster) => cluster.stop().await.context("stop the private cluster"),
            None => Ok(()),
        }
    }
}

/// Does a command's work on the database beside servers, and takes down what it took up.
pub(super) async fn on_database<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Pool) -> Result<T, anyhow::Error>,
) -> Result<T, anyhow::Error> {
    let database = Database::join(config).await?;
    let worked = match database.pool_beside(config) {
        Ok(pool) => {
            let worked = work(&pool).await;
            pool.close();
            worked
        }
        Err(error) => Err(error),
    };
    database.stop().await?;
    worked
}

fn settings_of(config: &Config) -> PoolSettings {
    PoolSettings {
        connections_max: limits::POOL_CONNECTIONS_MAX,
        wait_max: limits::POOL_WAIT_MAX,
        create_max: limits::CONNECT_TIMEOUT,
        statement_max: limits::STATEMENT_TIMEOUT,
        lock_max: limits::LOCK_TIMEOUT,
        idle_in_transaction_max: limits::IDLE_IN_TRANSACTION_TIMEOUT,
        commits: CommitSettings {
            group_max: config.commit_group_max,
            writers_max: config.commit_writers,
            backlog_max: limits::COMMIT_BACKLOG_MAX,
        },
    }
}

/// Connects only to a server whose certificate an authority of the file, or of the system, vouches for.
fn verifying(ca_file: Option<&std::path::Path>) -> Result<MakeRustlsConnect, anyhow::Error> {
    let file = ca_file.unwrap_or_else(|| SYSTEM_AUTHORITIES.as_ref());
    let reading = || format!("read the authorities of {}", file.display());
    let mut roots = rustls::RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(file).with_context(reading)? {
        roots.add(authority.with_context(reading)?).with_context(reading)?;
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("set up TLS to the database")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(client))
}

fn name_of(connection: &tokio_postgres::Config) -> String {
    let host = match connection.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(folder)) => folder.display().to_string(),
        None => "localhost".to_owned(),
    };
    let port = connection.get_ports().first().copied().unwrap_or(5432);
    format!("{} at {host}:{port}", connection.get_dbname().unwrap_or("the default database"))
}
