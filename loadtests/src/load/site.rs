//! What a bench starts for itself, on loopback and in a folder of its own: PostgreSQL as the product starts it, servers, an echo.
//! All of it is stopped, by process id, when it is dropped, and the folder is removed.
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use onestop::keys::authority::{self, AUTHORITY_CERTIFICATE, For, REVOKED};
use onestop::store::cluster::{Cluster, DATABASE, Settings};
use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::{Config, NoTls};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::machine::Memory;
use super::progress::say;
use super::shims::{self, SLOW_SYNC};

/// How long something may take to come up, and to end when it is told to.
const START_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(50);

/// A folder, its keys, and where the programs are.
#[derive(Debug)]
pub struct Site {
    pub folder: PathBuf,
    pub keys: PathBuf,
    onestop: PathBuf,
    load: PathBuf,
    rules: PathBuf,
}

/// A process that ends with us.
#[derive(Debug)]
pub struct Process {
    child: Child,
    what: String,
    end: Signal,
    /// Where it listens, as a client names it.
    pub address: String,
    metrics: Option<SocketAddr>,
}

/// PostgreSQL, as fast as the disk is or with a slow one.
#[derive(Debug)]
pub enum Database {
    Plain(Cluster),
    Slow { postgres: Process, connection: Config },
}

/// What a server and a client need to know each other.
#[derive(Debug)]
pub struct Certified {
    pub settings: BTreeMap<String, String>,
    pub client: ClientTlsConfig,
}

impl Site {
    /// Makes a folder that vanishes again. The product's binary lies beside our own.
    pub fn new(name: &str) -> Result<Site, anyhow::Error> {
        let folder = PathBuf::from(format!("/var/tmp/onestop-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        let load = std::env::current_exe().context("find our own program")?;
        let onestop = load.with_file_name("onestop");
        ensure!(
            onestop.exists(),
            "{} is missing: cargo build --release --workspace --bins",
            onestop.display()
        );
        let keys = folder.join("keys");
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../settlement-rules");
        let site = Site { folder, keys, onestop, load, rules };
        onestop::keys::init(&site.keys).context("make keys")?;
        Ok(site)
    }

    /// A cluster as the product makes and starts its own.
    pub async fn cluster(&self, name: &str) -> Result<Database, anyhow::Error> {
        let settings = Settings::lasting(&self.folder.join(name), Vec::new());
        Ok(Database::Plain(Cluster::start(&settings).await.context("start a cluster")?))
    }

    /// The same on a disk that takes 2 ms more for each sync.
    pub async fn slow_cluster(&self, name: &str) -> Result<Database, anyhow::Error> {
        let shim = shims::build(&self.folder, "slow_sync", SLOW_SYNC)?;
        let settings = Settings::lasting(&self.folder.join(name), Vec::new());
        let cluster = Cluster::start(&settings).await.context("start a cluster")?;
        let connection = cluster.connection(DATABASE);
        let pid = cluster.pid().context("find PostgreSQL")?;
        // The product's own command line, whatever its settings are.
        let line =
            fs::read(format!("/proc/{pid}/cmdline")).context("read PostgreSQL's command line")?;
        let line = String::from_utf8(line).context("read PostgreSQL's command line")?;
        let environment = fs::read(format!("/proc/{pid}/environ"));
        let environment = String::from_utf8(environment.context("read PostgreSQL's environment")?)
            .context("read PostgreSQL's environment")?;
        let owner = fs::metadata(self.folder.join(name).join("postgres/data"))?;
        cluster.stop().await.context("stop the cluster")?;
        let mut words = line.split_terminator('\0');
        let mut command = Command::new(words.next().context("PostgreSQL has no command line")?);
        command
            .args(words)
            .env_clear()
            .envs(environment.split_terminator('\0').filter_map(|told| told.split_once('=')))
            .env("LD_PRELOAD", &shim)
            .current_dir("/");
        if rustix::process::geteuid().is_root() {
            command.gid(owner.gid()).uid(owner.uid());
        }
        let log = self.folder.join(format!("{name}.log"));
        let postgres = Process::start(command, "PostgreSQL on a slow disk", (&log, Signal::INT))?;
        let database = Database::Slow { postgres, connection };
        let begun = Instant::now();
        while database.connection(DATABASE).connect(NoTls).await.is_err() {
            ensure!(
                begun.elapsed() < START_MAX,
                "PostgreSQL on a slow disk did not come up: {}",
                tail(&log)
            );
            tokio::time::sleep(POLL).await;
        }
        Ok(database)
    }

    /// A server on a database, told what is given beside its defaults.
    pub fn serve(
        &self,
        name: &str,
        database: Option<&Config>,
        settings: &BTreeMap<String, String>,
    ) -> Result<Process, anyhow::Error> {
        let (mut server, listen, log) = self.start_server(name, database, settings)?;
        server.wait_until_up(listen, &log)?;
        Ok(server)
    }

    fn start_server(
        &self,
        name: &str,
        database: Option<&Config>,
        settings: &BTreeMap<String, String>,
    ) -> Result<(Process, SocketAddr, PathBuf), anyhow::Error> {
        let metrics = free_address()?;
        let listen = match settings.get("ONESTOP_LISTEN") {
            Some(address) => address.parse().context("read an address")?,
            None => free_address()?,
        };
        let mut command = Command::new(&self.onestop);
        command.arg("serve").env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("ONESTOP_LISTEN", listen.to_string());
        command.env("ONESTOP_METRICS_LISTEN", metrics.to_string());
        command.env("ONESTOP_DATA_DIR", self.folder.join("data"));
        command.env("ONESTOP_KEYS_DIR", &self.keys).env("ONESTOP_RULES_DIR", &self.rules);
        command.env("ONESTOP_LOG_FILTER", "warn");
        if let Some(database) = database {
            command.env("ONESTOP_DATABASE_URL", words(database)?);
        }
        command.envs(settings);
        let log = self.folder.join(format!("{name}.log"));
        let mut server = Process::start(command, name, (&log, Signal::TERM))?;
        server.metrics = Some(metrics);
        Ok((server, listen, log))
    }

    /// Runs a command of the product to its end on a database: how long it took, in milliseconds, and how much memory.
    pub fn command(
        &self,
        name: &str,
        database: &Config,
        arguments: &[&str],
    ) -> Result<(u64, Memory), anyhow::Error> {
        let mut command = Command::new(&self.onestop);
        command.args(arguments).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("ONESTOP_DATA_DIR", self.folder.join("data"));
        command.env("ONESTOP_KEYS_DIR", &self.keys).env("ONESTOP_RULES_DIR", &self.rules);
        command.env("ONESTOP_DATABASE_URL", words(database)?);
        let log = self.folder.join(format!("{name}.log"));
        let begun = Instant::now();
        let mut process = Process::start(command, name, (&log, Signal::TERM))?;
        let mut memory = Memory::default();
        loop {
            let seen = Memory::of(process.pid());
            if memory.most_kib < seen.most_kib {
                memory = seen;
            }
            if let Some(ended) = process.child.try_wait().context("look at a command")? {
                ensure!(ended.success(), "{name} ended with {ended}: {}", tail(&log));
                let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                return Ok((took, memory));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The same again at the address it had, while others go on in this thread; on its own private cluster.
    pub async fn serve_soon(
        &self,
        name: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<Process, anyhow::Error> {
        let (mut server, listen, log) = self.start_server(name, None, settings)?;
        let begun = Instant::now();
        while TcpStream::connect(listen).is_err() {
            let ended = server.child.try_wait().context("look at a server")?.is_some();
            ensure!(
                !ended && begun.elapsed() < START_MAX,
                "{name} did not come up: {}",
                tail(&log)
            );
            tokio::time::sleep(POLL).await;
        }
        server.address = format!("http://{listen}");
        Ok(server)
    }

    /// An address that is free now, for a server that is started more than once.
    pub fn free_listen(&self) -> Result<String, anyhow::Error> {
        free_address().map(|address| address.to_string())
    }

    /// An authority, a server's certificate, and one of a hospital, with a budget that stands in nobody's way.
    pub fn certify(&self, hospital: &str) -> Result<Certified, anyhow::Error> {
        let (dir, today) = (self.folder.join("authority"), onestop::app::now().day);
        authority::init(&dir, today).context("make an authority")?;
        let names = ["localhost".to_owned()];
        let server = authority::issue(&dir, For::Server(&names), (&dir, "server"), (today, 2))?;
        let caller = format!("urn:onestop:hospital:{hospital}");
        let client = authority::issue(&dir, For::Caller(&caller), (&dir, "client"), (today, 2))?;
        let callers = self.folder.join("callers.toml");
        let budget = format!(
            "[[hospital]]\nname = \"{hospital}\"\nper_second = 1000000\nat_once = 100000\n"
        );
        fs::write(&callers, budget).context("write the callers")?;
        let ca = dir.join(AUTHORITY_CERTIFICATE);
        let files = [
            ("ONESTOP_TLS_CERT", &server.certificate),
            ("ONESTOP_TLS_KEY", &server.key),
            ("ONESTOP_TLS_CLIENT_CA", &ca),
            ("ONESTOP_TLS_CRL", &dir.join(REVOKED)),
            ("ONESTOP_CALLERS_FILE", &callers),
        ];
        let settings =
            files.map(|(name, path)| (name.to_owned(), path.display().to_string())).into();
        let read = |path: &Path| fs::read(path).with_context(|| format!("read {}", path.display()));
        let identity = Identity::from_pem(read(&client.certificate)?, read(&client.key)?);
        let client = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(read(&ca)?))
            .identity(identity);
        Ok(Certified { settings, client })
    }

    /// A collector of traces and metrics, which takes all and keeps nothing.
    pub fn sink(&self) -> Result<Process, anyhow::Error> {
        let listen = free_address()?;
        let mut command = Command::new(&self.load);
        command.args(["sink", "--listen", &listen.to_string()]);
        let log = self.folder.join("sink.log");
        let mut sink = Process::start(command, "sink", (&log, Signal::TERM))?;
        sink.wait_until_up(listen, &log)?;
        Ok(sink)
    }

    /// A simulated insurance core, with a cluster of its own and the product's rules; started again it has what it had.
    pub fn core_sim(&self, listen: &str) -> Result<Process, anyhow::Error> {
        let data = self.folder.join("core-sim");
        let mut command = Command::new(&self.onestop);
        command.args(["core-sim", "serve", "--listen", listen, "--data-dir"]).arg(&data);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("ONESTOP_DATA_DIR", &data).env("ONESTOP_RULES_DIR", &self.rules);
        let log = self.folder.join("core-sim.log");
        let mut core = Process::start(command, "the simulated core", (&log, Signal::TERM))?;
        core.wait_until_up(listen.parse().context("read an address")?, &log)?;
        Ok(core)
    }

    /// A bare server of the same messages, which answers these bytes.
    pub fn echo(&self, reply: &[u8]) -> Result<Process, anyhow::Error> {
        let (listen, file) = (free_address()?, self.folder.join("reply"));
        fs::write(&file, reply).context("write an answer")?;
        let mut command = Command::new(&self.load);
        command.args(["echo", "--listen", &listen.to_string(), "--reply"]).arg(&file);
        let log = self.folder.join("echo.log");
        let mut echo = Process::start(command, "echo", (&log, Signal::TERM))?;
        echo.wait_until_up(listen, &log)?;
        Ok(echo)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            say(&format!("could not remove {}: {error}", self.folder.display()));
        }
    }
}

impl Process {
    fn start(
        mut command: Command,
        what: &str,
        (log, end): (&Path, Signal),
    ) -> Result<Process, anyhow::Error> {
        let file = File::options().create(true).append(true).open(log).context("open a log")?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = command.spawn().with_context(|| format!("start {what}"))?;
        Ok(Process { child, what: what.to_owned(), end, address: String::new(), metrics: None })
    }

    fn wait_until_up(&mut self, listen: SocketAddr, log: &Path) -> Result<(), anyhow::Error> {
        let begun = Instant::now();
        while TcpStream::connect(listen).is_err() {
            let ended = self.child.try_wait().context("look at a server")?;
            if ended.is_some() || START_MAX < begun.elapsed() {
                bail!("{} did not come up: {}", self.what, tail(log));
            }
            std::thread::sleep(POLL);
        }
        self.address = format!("http://{listen}");
        Ok(())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A number that a server of ours tells of itself; nothing where it cannot be read.
    pub fn told(&self, metric: &str) -> Option<u64> {
        let mut stream = TcpStream::connect(self.metrics?).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(mut self) -> Result<(), anyhow::Error> {
        self.child.kill().with_context(|| format!("kill {}", self.what))?;
        self.child.wait().with_context(|| format!("wait for {}", self.what))?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // That it has just gone is no fault.
            kill_process(pid, self.end).ok();
        }
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if STOP_MAX < begun.elapsed() {
                say(&format!("{} does not end; it is killed", self.what));
                self.child.kill().ok();
                self.child.wait().ok();
                return;
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Database {
    /// How to connect as the owner.
    pub fn connection(&self, database: &str) -> Config {
        match self {
            Database::Plain(cluster) => cluster.connection(database),
            Database::Slow { connection, .. } => {
                let mut connection = connection.clone();
                connection.dbname(database);
                connection
            }
        }
    }

    /// The folder of PostgreSQL's programs.
    pub fn programs(&self) -> Result<PathBuf, anyhow::Error> {
        let pid = match self {
            Database::Plain(cluster) => cluster.pid().context("find PostgreSQL")?,
            Database::Slow { postgres, .. } => i32::try_from(postgres.pid())?,
        };
        let program =
            fs::read_link(format!("/proc/{pid}/exe")).context("find PostgreSQL's program")?;
        Ok(program.parent().context("PostgreSQL's program lies nowhere")?.to_path_buf())
    }
}

/// The folder of the socket of a connection.
pub fn socket(connection: &Config) -> Result<String, anyhow::Error> {
    match connection.get_hosts().first() {
        Some(tokio_postgres::config::Host::Unix(folder)) => Ok(folder.display().to_string()),
        Some(tokio_postgres::config::Host::Tcp(_)) | None => bail!("not a socket"),
    }
}

/// A connection as configuration takes it.
fn words(connection: &Config) -> Result<String, anyhow::Error> {
    let user = connection.get_user().unwrap_or_default();
    let database = connection.get_dbname().unwrap_or_default();
    Ok(format!("host={} port=5432 user={user} dbname={database}", socket(connection)?))
}

fn free_address() -> Result<SocketAddr, anyhow::Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    listener.local_addr().context("find a free port")
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(10).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
