//! A private PostgreSQL for the tests of one process, and a database of its own for each test.
//!
//! A shell stands between us and the server: it waits for the end of a pipe that only this process holds, so the server is stopped
//! and its folder removed however the process ends, by return, panic or kill.

use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use onestop::store::{Pool, PoolSettings, migrate};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, Config, NoTls};

/// Starts a server in the folder $1 with the programs of $2, and stops it when standard input ends. `exec` makes `$!` the server
/// itself: a shell in the background is deaf to the interrupt.
const KEEPER: &str = r#"
folder=$1 bin=$2
as() { if [ "$(id -u)" = 0 ]; then exec setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else exec "$@"; fi; }
mkdir -m 700 "$folder" && { [ "$(id -u)" != 0 ] || chown postgres "$folder"; } || exit 1
cd /
(as "$bin/initdb" --no-sync --auth=trust --username=onestop --encoding=UTF8 --locale=C.UTF-8 -D "$folder/data") >"$folder.log" 2>&1
as "$bin/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off -c synchronous_commit=off \
    -c full_page_writes=off -c max_connections=120 -c autovacuum=off >>"$folder.log" 2>&1 &
server=$!
cat >/dev/null
# "$server" is the shell around it where setpriv stands between; the number of PostgreSQL itself is in its pid file.
kill -INT "$(head -n 1 "$folder/data/postmaster.pid")"
wait "$server"
rm -rf "$folder" "$folder.log"
"#;

struct Cluster {
    folder: PathBuf,
    /// Held so that the keeper's input stays open as long as this process lives.
    _keeper: ChildStdin,
}

/// One database, made from the migrated template.
pub(crate) struct Database {
    pub(crate) config: Config,
    pub(crate) pool: Pool,
}

static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Database {
    /// A migrated database that no other test sees.
    pub(crate) async fn new() -> Self {
        Self::with(&roomy()).await
    }

    pub(crate) async fn with(settings: &PoolSettings) -> Self {
        Self::reached_by(empty("template_onestop").await, settings)
    }

    /// The same database through a pool of its own, as another server would reach it.
    pub(crate) fn again(&self) -> Self {
        Self::reached_by(self.config.clone(), &roomy())
    }

    /// The same database by a pool that is there.
    pub(crate) fn again_by(&self, pool: &Pool) -> Self {
        Self { config: self.config.clone(), pool: pool.clone() }
    }

    /// A database reached in another way, or by other limits.
    pub(crate) fn reached_by(config: Config, settings: &PoolSettings) -> Self {
        let pool = Pool::new(config.clone(), NoTls, settings).unwrap();
        Self { config, pool }
    }

    /// The owner of the database, who may do what the service may not.
    pub(crate) async fn owner(&self) -> Client {
        connect(&self.config).await
    }

    /// Somebody who acts as the service does.
    pub(crate) async fn service(&self) -> Client {
        let client = connect(&self.config).await;
        client.batch_execute("SET ROLE onestop_service").await.unwrap();
        client
    }
}

/// Limits that no test meets unless it means to.
pub(crate) fn roomy() -> PoolSettings {
    PoolSettings {
        connections_max: 24,
        wait_max: Duration::from_secs(20),
        ..PoolSettings::default()
    }
}

/// A database with nothing in it, or a copy of `template`.
pub(crate) async fn empty(template: &str) -> Config {
    let cluster = CLUSTER.get_or_init(start).await;
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let admin = connect(&config(&cluster.folder, "postgres")).await;
    let strategy = if template == "template0" { "" } else { "STRATEGY file_copy" };
    admin
        .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template} {strategy}"))
        .await
        .unwrap();
    config(&cluster.folder, &name)
}

pub(crate) async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[expect(clippy::zombie_processes, reason = "the keeper outlives us, if only to clean up")]
async fn start() -> Cluster {
    let folder = PathBuf::from(format!("/var/tmp/onestop-test-{}", std::process::id()));
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(&folder)
        .arg(programs())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let cluster = Cluster { _keeper: keeper.stdin.take().unwrap(), folder };
    let admin = config(&cluster.folder, "postgres");
    let mut tries = 0;
    let client = loop {
        match admin.connect(NoTls).await {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                break client;
            }
            Err(error) => {
                tries += 1;
                let log = cluster.folder.with_extension("log");
                assert!(
                    tries < 1_500,
                    "{error}\n{}",
                    std::fs::read_to_string(log).unwrap_or_default()
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    client.batch_execute("CREATE DATABASE template_onestop TEMPLATE template0").await.unwrap();
    migrate(&config(&cluster.folder, "template_onestop"), NoTls).await.unwrap();
    cluster
}

/// Where the server's programs are: Debian's place, or on the path.
fn programs() -> PathBuf {
    let debian = Path::new("/usr/lib/postgresql/15/bin");
    if debian.join("postgres").exists() {
        return debian.to_owned();
    }
    let found =
        Command::new("sh").args(["-c", "dirname \"$(command -v postgres)\""]).output().unwrap();
    PathBuf::from(String::from_utf8(found.stdout).unwrap().trim())
}

fn config(folder: &Path, database: &str) -> Config {
    let mut config = Config::new();
    config.host_path(folder).port(5432).user("onestop").dbname(database);
    config
}
