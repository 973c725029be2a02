//! The private PostgreSQL cluster that `serve` starts when no database is given.
//!
//! It listens on a unix socket in a folder that only its user can enter. It is started directly, outlives a server that was
//! killed, and is adopted by the next one; where it ends by itself while we serve, it is started again. No pid file is removed
//! while any process still works in the data folder.
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::limits;

mod host;
mod keeper;

use host::{Programs, User};

pub use keeper::Kept;

/// How the cluster is called by its owner, and the database that is made in it.
const SUPERUSER: &str = "postgres";
pub const DATABASE: &str = "onestop";

const POLL: Duration = Duration::from_millis(20);
/// `sun_path` holds 108 bytes with the closing zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Where a cluster lies, and how it lives.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Holds everything of the cluster; made when missing.
    pub folder: PathBuf,
    /// Where PostgreSQL's programs are looked for, besides the usual folders.
    pub program_dirs: Vec<PathBuf>,
    pub life: Life,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Durable. Survives a killed server and is adopted by the next.
    Lasting,
    /// For tests: nothing is synced to disk, and cluster and folder vanish when our process ends, however it ends.
    Scratch,
}

/// A running cluster. Dropping it stops it cleanly.
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    layout: Layout,
    /// PostgreSQL itself, or the shell that watches over a scratch cluster. `None` when adopted.
    child: Option<Child>,
    stopped: bool,
    /// Held as long as we live, so that two servers never share a folder.
    _lock: File,
}

#[derive(Debug, Clone)]
struct Layout {
    folder: PathBuf,
    data: PathBuf,
    socket: PathBuf,
    log: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error(
        "find PostgreSQL's programs{wanted}: none in {looked}; install postgresql, or set database.url"
    )]
    NoPrograms { wanted: String, looked: String },
    #[error("run PostgreSQL as another user than root: neither postgres nor nobody exists")]
    NoUser,
    #[error("let user {user} reach {}: {} may not be entered; chmod o+x it, or choose another data_dir, such as /var/lib/onestop", .folder.display(), .ancestor.display())]
    Unreachable { user: String, folder: PathBuf, ancestor: PathBuf },
    #[error("use {} for a socket: the path is longer than {SOCKET_PATH_BYTES_MAX} bytes; choose a shorter data_dir", .0.display())]
    SocketPath(PathBuf),
    #[error("use {}: another onestop uses it", .0.display())]
    Taken(PathBuf),
    #[error("use {}: process {pid} still works in it", .data.display())]
    Occupied { data: PathBuf, pid: i32 },
    #[error("{doing} {}", .path.display())]
    Folder {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("run {}", .program.display())]
    Run {
        program: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("make the cluster with initdb; it said:\n{0}")]
    InitDb(String),
    #[error("wait for PostgreSQL: {outcome}; its log ends:\n{log}")]
    NotUp { outcome: String, log: String },
    #[error("stop PostgreSQL process {pid}: still there after {waited_ms} ms")]
    NotDown { pid: i32, waited_ms: u128 },
    #[error("make database {DATABASE}")]
    MakeDatabase(#[source] tokio_postgres::Error),
}

impl Settings {
    /// The server's own cluster, under its data folder.
    pub fn lasting(data_dir: &Path, program_dirs: Vec<PathBuf>) -> Settings {
        Settings { folder: data_dir.join("postgres"), program_dirs, life: Life::Lasting }
    }

    /// A cluster for one run of tests. `folder` is emptied with it, and removed where its user may do so, as in `/tmp`.
    pub fn scratch(folder: PathBuf) -> Settings {
        Settings { folder, program_dirs: Vec::new(), life: Life::Scratch }
    }
}

impl Cluster {
    /// Adopts the cluster in the folder if it still runs, else starts it, else makes it first. Returns once it answers.
    pub async fn start(settings: &Settings) -> Result<Cluster, ClusterError> {
        let settings = settings.clone();
        let mut cluster = match tokio::task::spawn_blocking(move || launch(&settings)).await {
            Ok(launched) => launched?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        cluster.wait_until_up().await?;
        cluster.make_database().await?;
        Ok(cluster)
    }

    /// How to connect as the cluster's owner.
    pub fn connection(&self, database: &str) -> tokio_postgres::Config {
        self.layout.connection(database)
    }

    /// Whether it was already running.
    pub fn adopted(&self) -> bool {
        self.child.is_none()
    }

    /// The process id of PostgreSQL's postmaster, as long as it runs.
    pub fn pid(&self) -> Option<i32> {
        self.layout.running().map(Pid::as_raw_pid)
    }

    /// Whether PostgreSQL is there; also reaps it where it has ended.
    fn runs(&mut self) -> bool {
        match self.child {
            Some(_) => self.child_runs(),
            None => self.layout.running().is_some(),
        }
    }

    /// Starts it again after it ended by itself, in the same folder and under the same lock. It recovers what was committed.
    async fn start_again(&mut self) -> Result<(), ClusterError> {
        let (settings, layout) = (self.settings.clone(), self.layout.clone());
        let launched = tokio::task::spawn_blocking(move || start_in(&settings, &layout)).await;
        self.child = Some(match launched {
            Ok(launched) => launched?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        });
        self.wait_until_up().await
    }

    /// Stops it cleanly: clients are cut off, everything is written.
    pub async fn stop(mut self) -> Result<(), ClusterError> {
        match tokio::task::spawn_blocking(move || self.stop_now()).await {
            Ok(stopped) => stopped,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Lets go of it without stopping it; whoever starts next in the folder adopts it.
    pub fn leave_running(mut self) {
        self.stopped = true;
    }

    fn stop_now(&mut self) -> Result<(), ClusterError> {
        self.stopped = true;
        let pid = self.layout.running();
        if let Some(pid) = pid {
            // SIGINT is PostgreSQL's fast stop. That it has just gone is no fault.
            kill_process(pid, Signal::INT).ok();
        }
        let started = Instant::now();
        while self.child_runs() || self.layout.occupant().is_some() {
            if limits::CLUSTER_STOP_MAX < started.elapsed() {
                let pid = pid.map_or(0, Pid::as_raw_pid);
                let waited_ms = started.elapsed().as_millis();
                return Err(ClusterError::NotDown { pid, waited_ms });
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Also reaps it, so that no zombie is left.
    fn child_runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    async fn wait_until_up(&mut self) -> Result<(), ClusterError> {
        let started = Instant::now();
        let connection = self.connection("postgres");
        loop {
            let error = match connection.connect(tokio_postgres::NoTls).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let gone = match &mut self.child {
                Some(child) => !matches!(child.try_wait(), Ok(None)),
                None => self.layout.running().is_none(),
            };
            if gone || limits::CLUSTER_START_MAX < started.elapsed() {
                let outcome = if gone { "it ended".to_owned() } else { format!("{error:?}") };
                return Err(ClusterError::NotUp { outcome, log: host::tail(&self.layout.log) });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn make_database(&self) -> Result<(), ClusterError> {
        let make = async {
            let (client, connection) =
                self.connection("postgres").connect(tokio_postgres::NoTls).await?;
            let driver = tokio::spawn(connection);
            let known =
                client.query("SELECT 1 FROM pg_database WHERE datname = $1", &[&DATABASE]).await?;
            if known.is_empty() {
                client.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await?;
            }
            // Pages go whole into the log after each checkpoint; the quicker way to make them small is not in every build.
            let quick = client
                .query(
                    "SELECT 1 FROM pg_settings WHERE name = 'wal_compression' AND 'lz4' = ANY (enumvals)",
                    &[],
                )
                .await?;
            let method = if quick.is_empty() { "on" } else { "lz4" };
            let set = format!("ALTER DATABASE {DATABASE} SET wal_compression = '{method}'");
            client.batch_execute(&set).await?;
            drop(client);
            // The connection ends with its client; how it ended no longer matters.
            driver.await.ok();
            Ok(())
        };
        make.await.map_err(ClusterError::MakeDatabase)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.stopped
            && let Err(error) = self.stop_now()
        {
            tracing::error!(error = %error, "Could not stop the private cluster");
        }
    }
}

/// How to connect to the cluster of a folder while it runs, whoever keeps it; nothing where none runs.
pub fn running(settings: &Settings) -> Option<tokio_postgres::Config> {
    let layout = Layout::new(&std::fs::canonicalize(&settings.folder).ok()?);
    layout.running().map(|_| layout.connection(DATABASE))
}

impl Layout {
    fn connection(&self, database: &str) -> tokio_postgres::Config {
        let mut connection = tokio_postgres::Config::new();
        connection
            .host_path(&self.socket)
            .port(5432)
            .user(SUPERUSER)
            .dbname(database)
            .connect_timeout(limits::CONNECT_TIMEOUT);
        connection
    }

    fn new(folder: &Path) -> Layout {
        Layout {
            folder: folder.to_path_buf(),
            data: folder.join("data"),
            socket: folder.join("socket"),
            log: folder.join("postgres.log"),
        }
    }

    /// The postmaster named by the pid file, if it really works in our data folder: numbers are used again.
    fn running(&self) -> Option<Pid> {
        let text = std::fs::read_to_string(self.data.join("postmaster.pid")).ok()?;
        let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok()?)?;
        host::works_in(pid.as_raw_pid(), &self.data).then_some(pid)
    }

    /// Any process that works in the data folder: the postmaster, or what it left behind when it was killed.
    fn occupant(&self) -> Option<i32> {
        host::processes().find(|pid| host::works_in(*pid, &self.data))
    }
}

/// Up to the point where PostgreSQL is starting, or found running.
fn launch(settings: &Settings) -> Result<Cluster, ClusterError> {
    let folder = host::make_folder(&settings.folder)?;
    let layout = Layout::new(&folder);
    if SOCKET_PATH_BYTES_MAX < layout.socket.join(".s.PGSQL.5432").as_os_str().len() {
        return Err(ClusterError::SocketPath(layout.socket));
    }
    let user = User::choose(&layout.data)?;
    if let Some(user) = &user {
        host::hand_over(&folder, user)?;
        host::check_reachable(&folder, user)?;
    }
    let lock = host::lock(&folder)?;
    let running = layout.running().is_some();
    let child = if running { None } else { Some(start_in(settings, &layout)?) };
    Ok(Cluster { settings: settings.clone(), layout, child, stopped: false, _lock: lock })
}

/// Where nothing runs: clears what is left of the one before, makes what is missing, and starts it.
fn start_in(settings: &Settings, layout: &Layout) -> Result<Child, ClusterError> {
    clear_remains(layout)?;
    let user = User::choose(&layout.data)?;
    let programs = Programs::find(&settings.program_dirs, &layout.data)?;
    for folder in [&layout.folder, &layout.socket] {
        host::make_private(folder, user.as_ref())?;
    }
    if !layout.data.join("PG_VERSION").exists() {
        init_db(layout, &programs, user.as_ref(), settings.life)?;
    }
    spawn(layout, &programs, user.as_ref(), settings.life)
}

/// Waits for what a killed postmaster left behind, then removes its pid file.
///
/// PostgreSQL refuses to start when the number in the file is in use again by something else, and a start beside a living
/// backend would destroy the data. So the file goes only once nothing works in the folder.
fn clear_remains(layout: &Layout) -> Result<(), ClusterError> {
    let started = Instant::now();
    while let Some(pid) = layout.occupant() {
        if limits::CLUSTER_STOP_MAX < started.elapsed() {
            return Err(ClusterError::Occupied { data: layout.data.clone(), pid });
        }
        std::thread::sleep(POLL);
    }
    host::remove_if_there(&layout.data.join("postmaster.pid"))
}

/// Makes the cluster beside its place and moves it there whole, so that a killed initdb leaves nothing half made.
fn init_db(
    layout: &Layout,
    programs: &Programs,
    user: Option<&User>,
    life: Life,
) -> Result<(), ClusterError> {
    let making = layout.folder.join("data.making");
    host::remove_folder_if_there(&making)?;
    let program = programs.folder.join("initdb");
    let mut command = host::command(&program, user);
    // A group of its own, like PostgreSQL itself: a Ctrl-C while it works is ours to handle.
    command.process_group(0);
    command.arg("-D").arg(&making).args(["-U", SUPERUSER, "-E", "UTF8"]);
    // Bytewise order: the same on every machine and in every release of the C library.
    command.args(["--locale=C", "--auth=trust", "--data-checksums"]);
    // A new segment of the log is first filled with zeros, and every commit waits for that: 25 ms for the usual 16 MB.
    command.arg("--wal-segsize=1");
    match life {
        Life::Lasting => {}
        Life::Scratch => {
            command.arg("--no-sync");
        }
    }
    let output = command.output().map_err(|source| ClusterError::Run { program, source })?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        return Err(ClusterError::InitDb(String::from_utf8_lossy(&said).into_owned()));
    }
    std::fs::rename(&making, &layout.data).map_err(|source| ClusterError::Folder {
        doing: "move the new cluster to",
        path: layout.data.clone(),
        source,
    })
}

fn spawn(
    layout: &Layout,
    programs: &Programs,
    user: Option<&User>,
    life: Life,
) -> Result<Child, ClusterError> {
    let postgres = programs.folder.join("postgres");
    let log = host::fresh_log(&layout.log)?;
    let log_too = log.try_clone().map_err(|source| ClusterError::Folder {
        doing: "open log",
        path: layout.log.clone(),
        source,
    })?;
    let (program, mut command) = match life {
        Life::Lasting => {
            let mut command = host::command(&postgres, user);
            command.stdin(Stdio::null());
            (postgres, command)
        }
        Life::Scratch => {
            let shell = PathBuf::from("/bin/sh");
            let mut command = host::command(&shell, user);
            command.args(["-c", WATCH, "sh"]).arg(&layout.folder).arg(&postgres);
            command.stdin(Stdio::piped());
            (shell, command)
        }
    };
    command.arg("-D").arg(&layout.data);
    for setting in server_settings(&layout.socket, life) {
        command.arg("-c").arg(setting);
    }
    // A group of settlements takes a megabyte or two, which glibc would give back to the system after each, and fault in again.
    command.env("MALLOC_MMAP_THRESHOLD_", "8388608");
    command.env("MALLOC_TRIM_THRESHOLD_", "16777216").env("MALLOC_TOP_PAD_", "1048576");
    // Or Ctrl-C in the terminal would reach PostgreSQL before us.
    command.process_group(0).stdout(log).stderr(log_too);
    command.spawn().map_err(|source| ClusterError::Run { program, source })
}

/// What PostgreSQL keeps of its pages: a quarter of the memory, as its manual has it, and no more than helps.
fn shared_buffers_mib(memory_mib: u64) -> u64 {
    (memory_mib / 4).clamp(128, 4_096)
}

/// Watches over a scratch cluster: our end of the pipe closes when we end, even by SIGKILL; then it is stopped and removed.
const WATCH: &str = r#"
folder=$1; shift
"$@" & postgres=$!
exec 3<&0
( cat <&3 >/dev/null; kill -INT "$postgres" ) & watcher=$!
wait "$postgres"; code=$?
kill "$watcher"
rm -rf -- "$folder"
exit "$code"
"#;

fn server_settings(socket: &Path, life: Life) -> Vec<String> {
    let mut settings = vec![
        "listen_addresses=".to_owned(),
        format!("unix_socket_directories={}", socket.display()),
        "unix_socket_permissions=0700".to_owned(),
        format!("max_connections={}", limits::CLUSTER_CONNECTIONS_MAX),
        // Settlements are short; compiling their plans costs more than it saves.
        "jit=off".to_owned(),
        // Statements go by keys, whatever the statistics say; to gather many of sixty columns costs as much as a minute's settlements.
        "default_statistics_target=10".to_owned(),
        "random_page_cost=1.1".to_owned(),
        "timezone=Asia/Shanghai".to_owned(),
        // The detail of a refused row would put its values into the log.
        "log_error_verbosity=terse".to_owned(),
        "log_min_error_statement=panic".to_owned(),
        "log_line_prefix=%m [%p] ".to_owned(),
    ];
    let more: &[&str] = match life {
        Life::Lasting => &[
            "max_wal_size=4GB",
            // After a quiet night segments of the log are kept, so that the morning's commits wait for no new ones.
            "min_wal_size=1GB",
            "checkpoint_timeout=15min",
            "fsync=on",
            "full_page_writes=on",
            "synchronous_commit=on",
        ],
        Life::Scratch => &[
            "shared_buffers=64MB",
            "max_wal_size=1GB",
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            "autovacuum_naptime=10s",
        ],
    };
    settings.extend(more.iter().map(|setting| (*setting).to_owned()));
    if life == Life::Lasting {
        settings.push(format!(
            "shared_buffers={}MB",
            host::memory_mib().map_or(128, shared_buffers_mib)
        ));
        // What the machine keeps of its files beside us: the planner is told, and no more is brought near than that.
        settings.push(format!(
            "effective_cache_size={}MB",
            host::memory_mib().map_or(512, |memory_mib| memory_mib / 2)
        ));
    }
    settings
}
