//! One typed [`Config`] from an optional TOML file overlaid by the environment. The only place that reads the environment.
//!
//! All faults are reported at once, each naming its key, its value and what would fit. No secret is ever printed.
//!
//! | key | variable | default |
//! |---|---|---|
//! | `listen` | `ONESTOP_LISTEN` | `127.0.0.1:50051` |
//! | `national_listen` | `ONESTOP_NATIONAL_LISTEN` | none: the national JSON door is closed; by TLS and certificates where `tls.cert` is set, else on loopback only |
//! | `national_sign_in` | `ONESTOP_NATIONAL_SIGN_IN` | `false`; whether operators must have signed in (9001) for all else |
//! | `connections.all`, `connections.per_address` | `ONESTOP_CONNECTIONS_ALL`, … | `4096`, `512`: most connections of a listener; from one address, where a proxy may need more |
//! | `metrics_listen` | `ONESTOP_METRICS_LISTEN` | `127.0.0.1:9464` |
//! | `data_dir` | `ONESTOP_DATA_DIR` | `/var/lib/onestop` as root, else `onestop` in the user's data folder |
//! | `keys_dir` | `ONESTOP_KEYS_DIR` | `keys` in the data folder |
//! | `rules_dir` | `ONESTOP_RULES_DIR` | `settlement-rules` |
//! | `rules_examples` | `ONESTOP_RULES_EXAMPLES` | `false`; development only |
//! | `database.url` | `ONESTOP_DATABASE_URL` | none: a private cluster in the data folder |
//! | `database.password` | `ONESTOP_DATABASE_PASSWORD` | none |
//! | `database.password_file` | `ONESTOP_DATABASE_PASSWORD_FILE` | none |
//! | `database.ca_file` | `ONESTOP_DATABASE_CA_FILE` | the system's authorities; read with `sslmode=require` |
//! | `commit.group_max` | `ONESTOP_COMMIT_GROUP_MAX` | `512`; the group's size follows the disk up to this, and 1 turns grouping off |
//! | `commit.writers` | `ONESTOP_COMMIT_WRITERS` | `16`: groups written at once, where one is not enough; a quarter as many more for what needs care |
//! | `otlp_endpoint` | `ONESTOP_OTLP_ENDPOINT` | none: traces are not exported |
//! | `otlp_trace_one_in` | `ONESTOP_OTLP_TRACE_ONE_IN` | `100`: one call in so many is traced, and those whose caller traces them; 1 traces all |
//! | `log.format` | `ONESTOP_LOG_FORMAT` | `text` |
//! | `log.filter` | `ONESTOP_LOG_FILTER` | `info` |
//! | `tls.cert`, `tls.key` | `ONESTOP_TLS_CERT`, `ONESTOP_TLS_KEY` | none: calls on loopback only |
//! | `tls.client_ca` | `ONESTOP_TLS_CLIENT_CA` | none; the authority of callers' certificates, needed with `tls.cert` |
//! | `tls.crl` | `ONESTOP_TLS_CRL` | none: no certificate is revoked |
//! | `callers_file` | `ONESTOP_CALLERS_FILE` | none: only hospitals may call |
//! | `oidc.issuer`, `oidc.audience`, `oidc.jwks_file` | `ONESTOP_OIDC_ISSUER`, … | none: no tokens are taken |
//! | `seals.enabled`, `seals.roots_file` | `ONESTOP_SEALS_ENABLED`, … | `true`; none: the roots of closed days are in the database alone |
//! | `caller.name` | `ONESTOP_CALLER_NAME` | `development`; whoever calls without TLS |
//! | `core.address` | `ONESTOP_CORE_ADDRESS` | none: nothing is told to an insurance core; `https://…`, or `http://…` on loopback |
//! | `core.ca_file` | `ONESTOP_CORE_CA_FILE` | none; the authority of the core's certificate, needed with https |
//! | `core.cert`, `core.key` | `ONESTOP_CORE_CERT`, … | none: we show the core no certificate |
//! | `core.changes` | `ONESTOP_CORE_CHANGES` | `false`; whether changes of persons, coverage and identities are taken from the core |
//! | `core.decides` | `ONESTOP_CORE_DECIDES` | none: every layer is decided here; else such as `520200:critical, 520200:aid` |
//! | `core.patience_ms` | `ONESTOP_CORE_PATIENCE_MS` | `300`: so long a desk waits for the core, then our own rules decide provisionally |
//!
//! What lies in certificates, revocations, callers and JWK sets is read again when a file changes.
//!
//! Metrics and health are plain HTTP on `metrics_listen`, also with TLS for calls. They hold no personal data, but say how much
//! is settled: bind them to loopback, or to an address that only the scraper reaches.
mod core;
mod files;
mod seals;
mod traces;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};

use crate::limits;

pub use self::core::{Core, CoreFiles};
pub use self::files::Kept;
pub use self::seals::Seals;

/// Everything that can be set from outside.
#[derive(Debug)]
pub struct Config {
    /// Where calls are taken.
    pub listen: SocketAddr,
    /// Where calls in the national envelope are taken, if they are.
    pub national_listen: Option<SocketAddr>,
    /// Must operators have signed in there?
    pub national_sign_in: bool,
    /// Most connections of one listener, in all and from one address.
    pub connections: (usize, usize),
    /// Where metrics and health can be scraped.
    pub metrics_listen: SocketAddr,
    /// What the server keeps: the private cluster, and by default the keys.
    pub data_dir: PathBuf,
    /// The keys made by `onestop keys init`.
    pub keys_dir: PathBuf,
    /// The rule packages.
    pub rules_dir: PathBuf,
    /// Load packages of mere examples too. Never in production.
    pub rules_examples: bool,
    /// `None`: a private cluster in the data folder.
    pub database: Option<Database>,
    /// Most settlements that are written as one group.
    pub commit_group_max: usize,
    /// Most groups written at once.
    pub commit_writers: usize,
    /// Where the private cluster's programs are looked for, besides the usual folders.
    pub program_dirs: Vec<PathBuf>,
    /// The collector, if any.
    pub otlp_endpoint: Option<String>,
    /// One call in so many is traced.
    pub otlp_trace_one_in: u32,
    pub log: Log,
    pub tls: Option<Tls>,
    pub seals: Seals,
    /// Who is calling, until callers are told apart by certificate.
    pub caller_name: String,
    /// The insurance core, where one is linked.
    pub core: Option<Core>,
}

impl Config {
    /// Can others than this machine read the metrics, which cross the network in clear?
    pub fn metrics_are_exposed(&self) -> bool {
        !self.metrics_listen.ip().is_loopback()
    }
}

/// A database that somebody else runs.
pub struct Database {
    /// Address, user and password, parsed.
    pub connection: tokio_postgres::Config,
    /// Whose certificates we trust, where TLS is asked for.
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone)]
pub struct Log {
    pub format: LogFormat,
    /// As `tracing` reads it: "info,onestop=debug".
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Who we are and who may call, in files.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Our certificate and those between it and its authority, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Whose clients we trust, PEM.
    pub client_ca: Option<PathBuf>,
    /// Which certificates were revoked, PEM.
    pub crl: Option<PathBuf>,
    /// How far callers reach, TOML.
    pub callers: Option<PathBuf>,
    /// Whose tokens we trust.
    pub oidc: Option<Oidc>,
}

/// An identity provider.
#[derive(Debug, Clone)]
pub struct Oidc {
    /// As its tokens call it.
    pub issuer: String,
    /// As its tokens call us.
    pub audience: String,
    /// Its keys, a JWK set.
    pub jwks_file: PathBuf,
}

/// All that is wrong, at once.
#[derive(Debug)]
pub struct Faults(Vec<Fault>);

#[derive(Debug)]
struct Fault {
    /// Key, and where its value came from.
    place: String,
    /// `None` where the value is missing, or must not be shown.
    value: Option<String>,
    fits: Fits,
}

/// What would fit: English, Chinese.
type Fits = (String, String);

/// What both addresses take.
const ADDRESS: (&str, &str) = (
    "an address and a port in quotes, such as \"127.0.0.1:50051\"",
    "带引号的地址和端口，如 \"127.0.0.1:50051\"",
);
const FLAG: (&str, &str) = ("true or false", "true 或 false");

/// What is outside, handed in, so that tests need no environment.
#[derive(Debug, Default)]
pub struct Outside {
    /// The variables.
    pub variables: BTreeMap<String, String>,
    /// Whether we are root, which decides the data folder.
    pub root: bool,
}

const KEYS: [&str; 38] = [
    "listen",
    "national_listen",
    "national_sign_in",
    "connections.all",
    "connections.per_address",
    "metrics_listen",
    "data_dir",
    "keys_dir",
    "rules_dir",
    "rules_examples",
    "database.url",
    "database.password",
    "database.password_file",
    "database.ca_file",
    "commit.group_max",
    "commit.writers",
    "otlp_endpoint",
    "otlp_trace_one_in",
    "log.format",
    "log.filter",
    "tls.cert",
    "tls.key",
    "tls.client_ca",
    "tls.crl",
    "callers_file",
    "oidc.issuer",
    "oidc.audience",
    "oidc.jwks_file",
    "seals.enabled",
    "seals.roots_file",
    "caller.name",
    "core.address",
    "core.ca_file",
    "core.cert",
    "core.key",
    "core.changes",
    "core.decides",
    "core.patience_ms",
];

/// Variables of ours that are not keys: the first names the file, the second belongs to
/// `deploy/demo`, the others to the command line as a client.
const VARIABLES_BESIDE: [&str; 6] = [
    "ONESTOP_CONFIG",
    "ONESTOP_DATA",
    "ONESTOP_CLIENT_CA",
    "ONESTOP_CLIENT_CERT",
    "ONESTOP_CLIENT_KEY",
    "ONESTOP_CLIENT_CERTS",
];

/// Reads the process's environment and the file named by `--config` or `ONESTOP_CONFIG`.
pub fn read(file: Option<&Path>) -> Result<Config, Faults> {
    let outside = Outside {
        variables: std::env::vars_os()
            .map(|(name, value)| {
                (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
            })
            .collect(),
        root: rustix::process::geteuid().is_root(),
    };
    let named = outside.variables.get("ONESTOP_CONFIG").map(PathBuf::from);
    let Some(file) = file.map(Path::to_path_buf).or(named) else {
        return from_parts(None, &outside);
    };
    let place = format!("config file {}", file.display());
    match std::fs::read_to_string(&file) {
        Ok(text) => {
            let open = Kept::Secret.open_mode(&file).ok().flatten();
            if let Some(mode) = open.filter(|_| files::holds_a_password(&text)) {
                let fits = Kept::Secret.wanted(mode);
                return Err(Faults(vec![Fault { place, value: None, fits }]));
            }
            from_parts(Some((&place, &text)), &outside)
        }
        Err(error) => {
            let fits = (
                format!("a TOML file that can be read ({error})"),
                format!("可读取的 TOML 文件（{error}）"),
            );
            Err(Faults(vec![Fault { place, value: None, fits }]))
        }
    }
}

/// One of its own, by these variables: of what is outside only where programs are found.
pub fn sealed(mut variables: BTreeMap<String, String>) -> Result<Config, Faults> {
    if let Some(path) = std::env::var_os("PATH") {
        variables.insert("PATH".to_owned(), path.to_string_lossy().into_owned());
    }
    from_parts(None, &Outside { variables, root: false })
}

/// The same from given parts; `file` is what to call it, and its text.
pub fn from_parts(file: Option<(&str, &str)>, outside: &Outside) -> Result<Config, Faults> {
    let mut reader = Reader::new(file, outside);
    let data_dir = reader.data_dir(outside);
    let keys_dir = reader.path("keys_dir").unwrap_or_else(|| data_dir.join("keys"));
    let tls = reader.tls();
    let core = reader.core();
    let config = Config {
        listen: reader.address("listen", ([127, 0, 0, 1], 50_051)),
        national_listen: reader.parsed("national_listen", ADDRESS),
        national_sign_in: reader.parsed("national_sign_in", FLAG).unwrap_or(false),
        connections: reader.connections(),
        metrics_listen: reader.address("metrics_listen", ([127, 0, 0, 1], 9_464)),
        keys_dir,
        data_dir,
        rules_dir: reader.path("rules_dir").unwrap_or_else(|| "settlement-rules".into()),
        rules_examples: reader.parsed("rules_examples", FLAG).unwrap_or(false),
        database: reader.database(),
        commit_group_max: reader.count("commit.group_max", limits::COMMIT_GROUP_MAX),
        commit_writers: reader.count("commit.writers", limits::COMMIT_WRITERS_MAX),
        program_dirs: outside.variables.get("PATH").map_or_else(Vec::new, |path| {
            std::env::split_paths(path).filter(|folder| folder.is_absolute()).collect()
        }),
        otlp_endpoint: reader.otlp_endpoint(),
        otlp_trace_one_in: reader.trace_one_in(),
        log: Log {
            format: reader
                .parsed("log.format", ("text or json", "text 或 json"))
                .unwrap_or(LogFormat::Text),
            filter: reader.log_filter(),
        },
        tls,
        seals: Seals::read(&mut reader),
        caller_name: reader.text("caller.name").unwrap_or_else(|| "development".to_owned()),
        core,
    };
    reader.check_addresses(&config);
    if reader.faults.is_empty() { Ok(config) } else { Err(Faults(reader.faults)) }
}

/// Could only one of the two be bound? Port 0 is any free one.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (one.ip() == other.ip() || everywhere)
}

/// Values by key with where each came from, and the faults found so far.
struct Reader {
    values: BTreeMap<String, (String, String)>,
    faults: Vec<Fault>,
}

impl Reader {
    fn new(file: Option<(&str, &str)>, outside: &Outside) -> Reader {
        let mut reader = Reader { values: BTreeMap::new(), faults: Vec::new() };
        if let Some((place, text)) = file {
            match text.parse::<toml::Table>() {
                Ok(table) => reader.add_table("", &table, place),
                Err(error) => reader.faults.push(Fault {
                    // The error shows the line itself, which might hold a password.
                    place: place.to_owned(),
                    value: None,
                    fits: (
                        format!("TOML ({})", error.message()),
                        format!("有效的 TOML（{}）", error.message()),
                    ),
                }),
            }
        }
        for (name, value) in &outside.variables {
            let Some(rest) = name.strip_prefix("ONESTOP_") else { continue };
            if VARIABLES_BESIDE.contains(&name.as_str()) {
                continue;
            }
            let known = KEYS.iter().find(|key| key.replace('.', "_").to_uppercase() == rest);
            let place = format!("environment variable {name}");
            match known {
                Some(key) => {
                    reader.values.insert((*key).to_owned(), (value.clone(), place));
                }
                None => reader.unknown(place),
            }
        }
        reader
    }

    fn add_table(&mut self, prefix: &str, table: &toml::Table, file: &str) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            let place = format!("`{key}` in {file}");
            if let toml::Value::Table(inner) = value {
                self.add_table(&format!("{key}."), inner, file);
                continue;
            }
            if !KEYS.contains(&key.as_str()) {
                self.unknown(place);
                continue;
            }
            let text = match value {
                toml::Value::String(text) => text.clone(),
                toml::Value::Boolean(flag) => flag.to_string(),
                toml::Value::Integer(_)
                | toml::Value::Float(_)
                | toml::Value::Datetime(_)
                | toml::Value::Array(_)
                | toml::Value::Table(_) => {
                    let (en, zh) = match key.as_str() {
                        "listen" | "national_listen" | "metrics_listen" => ADDRESS,
                        "rules_examples" | "national_sign_in" | "core.changes"
                        | "seals.enabled" => FLAG,
                        _ => ("quoted text", "带引号的文本"),
                    };
                    let fits = (en.to_owned(), zh.to_owned());
                    self.faults.push(Fault { place, value: None, fits });
                    continue;
                }
            };
            self.values.insert(key, (text, place));
        }
    }

    fn unknown(&mut self, place: String) {
        let keys = KEYS.join(", ");
        let fits = (format!("one of the keys {keys}"), format!("以下配置项之一：{keys}"));
        self.faults.push(Fault { place, value: None, fits });
    }

    /// Records that the value of `key` does not fit.
    fn fault(&mut self, key: &str, (en, zh): (impl Into<String>, impl Into<String>)) {
        // An address of a database holds its password.
        let secret = key.starts_with("database.") && !key.ends_with("_file");
        let (value, place) = match self.values.get(key) {
            Some((value, place)) => ((!secret).then(|| value.clone()), place.clone()),
            None => (None, format!("`{key}`")),
        };
        self.faults.push(Fault { place, value, fits: (en.into(), zh.into()) });
    }

    /// An empty value means that the key is not set, so that a variable can undo the file.
    fn text(&self, key: &str) -> Option<String> {
        self.values.get(key).map(|(value, _)| value.clone()).filter(|value| !value.is_empty())
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    fn parsed<T: FromStr>(&mut self, key: &str, fits: (&str, &str)) -> Option<T> {
        let parsed = self.text(key)?.parse().ok();
        if parsed.is_none() {
            self.fault(key, fits);
        }
        parsed
    }

    /// A whole number from 1 to `most`, which is also what it is where nothing is said.
    fn count(&mut self, key: &str, most: usize) -> usize {
        let fits = (format!("a whole number from 1 to {most}"), format!("1 到 {most} 的整数"));
        let count = self.parsed(key, (&fits.0, &fits.1)).unwrap_or(most);
        if (1..=most).contains(&count) {
            return count;
        }
        self.fault(key, fits);
        most
    }

    /// Those from one address are fewer where nothing is said.
    fn connections(&mut self) -> (usize, usize) {
        let all = self.count("connections.all", limits::CONNECTIONS_MAX);
        let per_address = match self.text("connections.per_address") {
            None => all.min(limits::CONNECTIONS_PER_ADDRESS_MAX),
            Some(_) => self.count("connections.per_address", all),
        };
        (all, per_address)
    }

    fn address(&mut self, key: &str, default: ([u8; 4], u16)) -> SocketAddr {
        self.parsed(key, ADDRESS).unwrap_or_else(|| default.into())
    }

    fn data_dir(&mut self, outside: &Outside) -> PathBuf {
        if let Some(folder) = self.path("data_dir") {
            if !folder.is_absolute() {
                self.fault("data_dir", ("an absolute path", "绝对路径"));
            }
            return folder;
        }
        if outside.root {
            return PathBuf::from("/var/lib/onestop");
        }
        let absolute = |name: &str| {
            outside.variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
        };
        let home = || absolute("HOME").map(|home| home.join(".local/share"));
        match absolute("XDG_DATA_HOME").or_else(home) {
            Some(shared) => shared.join("onestop"),
            None => {
                let en = "an absolute path, since neither XDG_DATA_HOME nor HOME is";
                self.fault("data_dir", (en, "绝对路径（XDG_DATA_HOME 和 HOME 均未设置）"));
                PathBuf::new()
            }
        }
    }

    /// Nothing personal crosses the network in clear, and no two listeners want the same place.
    fn check_addresses(&mut self, config: &Config) {
        if !config.listen.ip().is_loopback() && config.tls.is_none() {
            self.fault(
                "listen",
                (
                    "a loopback address such as 127.0.0.1:50051; any other needs tls.cert and tls.key, \
                     since bills would cross the network in clear",
                    "本机地址，如 127.0.0.1:50051；其他地址须配置 tls.cert 和 tls.key，否则单据将在网络上明文传输",
                ),
            );
        }
        let is_open = config.national_listen.is_some_and(|address| !address.ip().is_loopback());
        if is_open && config.tls.is_none() {
            self.fault(
                "national_listen",
                (
                    "a loopback address such as 127.0.0.1:8088; any other needs tls.cert and tls.key",
                    "本机地址，如 127.0.0.1:8088；其他地址须配置 tls.cert 和 tls.key",
                ),
            );
        }
        let mut taken = vec![("listen", config.listen)];
        let others = [
            ("national_listen", config.national_listen),
            ("metrics_listen", Some(config.metrics_listen)),
        ];
        for (key, address) in others {
            let Some(address) = address else { continue };
            if let Some((other, there)) = taken.iter().find(|(_, there)| collide(*there, address)) {
                let fits = (
                    format!("another address than that of {other}, {there}"),
                    format!("与 {other}（{there}）不同的地址或端口"),
                );
                self.fault(key, fits);
            }
            taken.push((key, address));
        }
    }

    fn tls(&mut self) -> Option<Tls> {
        let tls = match (self.path("tls.cert"), self.path("tls.key")) {
            (None, None) => return None,
            (Some(cert), Some(key)) => Some(Tls {
                cert,
                key,
                client_ca: self.path("tls.client_ca"),
                crl: self.path("tls.crl"),
                callers: self.path("callers_file"),
                oidc: self.oidc(),
            }),
            (Some(_), None) => {
                let en = "the key's PEM file, since tls.cert is set";
                self.fault("tls.key", (en, "私钥的 PEM 文件（已设置 tls.cert）"));
                None
            }
            (None, Some(_)) => {
                let en = "the certificate's PEM file, since tls.key is set";
                self.fault("tls.cert", (en, "证书的 PEM 文件（已设置 tls.key）"));
                None
            }
        }?;
        if tls.client_ca.is_none() && tls.oidc.is_none() {
            let en = "the authority of callers' certificates (PEM), or oidc.issuer with its keys: somebody must say who is calling";
            let zh = "签发调用方证书的 CA（PEM），或设置 oidc.issuer 及其密钥：须能确认调用方身份";
            self.fault("tls.client_ca", (en, zh));
        }
        let files = [
            ("tls.cert", Some(&tls.cert), Kept::Trusted),
            ("tls.key", Some(&tls.key), Kept::Secret),
            ("tls.client_ca", tls.client_ca.as_ref(), Kept::Trusted),
            ("tls.crl", tls.crl.as_ref(), Kept::Trusted),
            ("callers_file", tls.callers.as_ref(), Kept::Trusted),
            ("oidc.jwks_file", tls.oidc.as_ref().map(|oidc| &oidc.jwks_file), Kept::Trusted),
        ];
        for (key, file, kept) in files {
            let Some(file) = file else { continue };
            self.well_kept(key, file, kept);
        }
        Some(tls)
    }

    fn oidc(&mut self) -> Option<Oidc> {
        let keys = ["oidc.issuer", "oidc.audience", "oidc.jwks_file"];
        let [issuer, audience, jwks_file] = keys.map(|key| self.text(key));
        if issuer.is_none() && audience.is_none() && jwks_file.is_none() {
            return None;
        }
        for key in keys {
            if self.text(key).is_none() {
                let en = "set too: issuer, audience and jwks_file go together";
                self.fault(key, (en, "issuer、audience、jwks_file 须同时设置"));
            }
        }
        let (issuer, audience) = (issuer?, audience?);
        Some(Oidc { issuer, audience, jwks_file: PathBuf::from(jwks_file?) })
    }

    fn database(&mut self) -> Option<Database> {
        let password = self.password();
        let Some(url) = self.text("database.url").map(SecretString::from) else {
            if password.is_some() {
                let en = "set too, when a database password is";
                self.fault("database.url", (en, "已设置数据库口令时也须设置本项"));
            }
            return None;
        };
        match url.expose_secret().parse::<tokio_postgres::Config>() {
            Ok(mut connection) => {
                if let Some(password) = password {
                    connection.password(password.expose_secret());
                }
                let ca_file = self.path("database.ca_file");
                // That it is there is seen by whoever reads it, which is only done where the database is asked for TLS.
                if let Some(Ok(Some(mode))) =
                    ca_file.as_deref().map(|file| Kept::Trusted.open_mode(file))
                {
                    self.fault("database.ca_file", Kept::Trusted.wanted(mode));
                }
                Some(Database { connection, ca_file })
            }
            Err(_) => {
                let example = "postgres://user@host:5432/database";
                let fits = (format!("such as {example}"), format!("形如 {example}"));
                self.fault("database.url", fits);
                None
            }
        }
    }

    fn password(&mut self) -> Option<SecretString> {
        let file = self.path("database.password_file");
        let password = self.text("database.password");
        if file.is_some() && password.is_some() {
            let en = "unset, since database.password is set";
            self.fault("database.password_file", (en, "不设置（已设置 database.password）"));
        }
        let Some(file) = file else { return password.map(SecretString::from) };
        self.well_kept("database.password_file", &file, Kept::Secret);
        let text = std::fs::read_to_string(&file).ok()?;
        Some(SecretString::from(text.trim_end_matches(['\r', '\n'])))
    }

    fn log_filter(&mut self) -> String {
        let filter = self.text("log.filter").unwrap_or_else(|| "info".to_owned());
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&filter) {
            let en = format!("such as info,onestop=debug ({error})");
            self.fault("log.filter", (en, format!("形如 info,onestop=debug（{error}）")));
        }
        filter
    }
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<LogFormat, ()> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(()),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Database(redacted)")
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} fault(s) in the configuration / 配置有误，共 {count} 处")?;
        for Fault { place, value, fits: (en, zh) } in &self.0 {
            write!(f, "\n  {place}")?;
            if let Some(value) = value {
                write!(f, " is {value:?}")?;
            }
            write!(f, "; what would fit: {en} / 应为：{zh}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests;
