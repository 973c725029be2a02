//! The server's own services, its TLS, and how it ends; then the whole binary as a process.
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use onestop::config::Tls;
use onestop::door::trust::Trust;
use onestop::door::wire;
use onestop::door::wire::settlement::v1::settlement_service_client::SettlementServiceClient;
use onestop::door::wire::settlement::v1::{GetSettlementRequest, get_settlement_request};
use onestop::limits;
use onestop::server::{self, Drained, ServeError, Services, Serving};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::config::Host;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::folder::Folder;
use crate::gateway::{PACKAGE, refused, write_package};
use crate::harness::Database;

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    serving: watch::Receiver<bool>,
    served: JoinHandle<Result<Drained, ServeError>>,
}

async fn serve(tls: Option<Tls>) -> Running {
    let greeter = tls.map(|tls| Trust::open(&tls, &Arc::default()).unwrap().greeter());
    let listener = server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (state, serving) = watch::channel(false);
    let stop = CancellationToken::new();
    let told = stop.clone();
    let served = tokio::spawn(async move {
        let serving = Serving {
            listener,
            greeter,
            descriptors: wire::FILE_DESCRIPTOR_SET,
            state,
            stop: told,
            drain_max: Duration::from_millis(300),
        };
        server::serve(Services::default(), serving).await
    });
    Running { address, stop, serving, served }
}

async fn connect(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

async fn health(channel: Channel) -> Result<ServingStatus, tonic::Status> {
    let request = HealthCheckRequest { service: String::new() };
    Ok(HealthClient::new(channel).check(request).await?.into_inner().status())
}

#[tokio::test]
async fn health_and_reflection_answer_any_client() {
    let running = serve(None).await;
    let channel = connect(running.address).await;
    assert_eq!(health(channel.clone()).await.unwrap(), ServingStatus::Serving);
    assert!(*running.serving.borrow());

    let list = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..ServerReflectionRequest::default()
    };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::once(list))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else {
        unreachable!("asked for services, told {answer:?}")
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for name in ["onestop.settlement.v1.SettlementService", "grpc.health.v1.Health"] {
        assert!(names.iter().any(|known| known == name), "{name} is not in {names:?}");
    }
}

#[tokio::test]
async fn it_ends_even_when_a_client_says_nothing() {
    let running = serve(None).await;
    // A plain connection that never speaks, and one that sent only the preface: both held up graceful ends for ever.
    let silent = TcpStream::connect(running.address).unwrap();
    let mut preface = TcpStream::connect(running.address).unwrap();
    preface.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    assert_eq!(health(connect(running.address).await).await.unwrap(), ServingStatus::Serving);

    running.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), running.served).await;
    assert_eq!(ended.unwrap().unwrap().unwrap(), Drained::CutOff);
    assert!(!*running.serving.borrow());
    drop((silent, preface));
}

#[tokio::test]
async fn without_clients_it_ends_at_once_and_whole() {
    let running = serve(None).await;
    assert_eq!(health(connect(running.address).await).await.unwrap(), ServingStatus::Serving);
    running.stop.cancel();
    assert_eq!(running.served.await.unwrap().unwrap(), Drained::Whole);
    assert!(TcpStream::connect(running.address).is_err());
}

#[tokio::test]
async fn over_tls_only_those_who_trust_our_authority_get_through() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/tls");
    let key = Folder::new("tls-key");
    let key = key.path().join("server.key");
    std::fs::copy(folder.join("server.key"), &key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let running = serve(Some(by_files(folder.join("server.pem"), key))).await;
    let endpoint = Endpoint::from_shared(format!("https://{}", running.address)).unwrap();

    let authority = Certificate::from_pem(std::fs::read(folder.join("ca.pem")).unwrap());
    let trusting = ClientTlsConfig::new().ca_certificate(authority).domain_name("localhost");
    let channel = endpoint.clone().tls_config(trusting).unwrap().connect().await.unwrap();
    assert_eq!(health(channel).await.unwrap(), ServingStatus::Serving);

    let doubting = endpoint.tls_config(ClientTlsConfig::new().domain_name("localhost")).unwrap();
    assert!(doubting.connect().await.is_err());
    let clear = Endpoint::from_shared(format!("http://{}", running.address)).unwrap();
    let answered = match clear.connect().await {
        Ok(channel) => health(channel).await.is_ok(),
        Err(_) => false,
    };
    assert!(!answered, "a bill would cross the network in clear");
}

fn by_files(cert: PathBuf, key: PathBuf) -> Tls {
    Tls { cert, key, client_ca: None, crl: None, callers: None, oidc: None }
}

#[tokio::test]
async fn a_missing_certificate_is_named() {
    let tls = by_files("/no/such.pem".into(), "/no/such.key".into());
    let error = Trust::open(&tls, &Arc::default()).unwrap_err();
    assert!(error.to_string().contains("/no/such.pem"), "{error}");
}

/// `onestop serve` as a process, on free ports and a folder of its own. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) listen: SocketAddr,
    metrics: SocketAddr,
    log: String,
    /// What it logs from then on, once it has ended.
    rest: Option<std::thread::JoinHandle<String>>,
}

pub(crate) fn onestop(folder: &Folder) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onestop"));
    command
        .env("ONESTOP_DATA_DIR", folder.path())
        .env("ONESTOP_LISTEN", "127.0.0.1:0")
        .env("ONESTOP_METRICS_LISTEN", "127.0.0.1:0")
        .env("ONESTOP_LOG_FORMAT", "json")
        .stderr(Stdio::piped());
    command
}

impl Process {
    fn start(folder: &Folder, collector: SocketAddr) -> Process {
        let mut command = onestop(folder);
        Self::run(command.env("ONESTOP_OTLP_ENDPOINT", format!("http://{collector}")))
    }

    /// Returns once it serves.
    pub(crate) fn run(command: &mut Command) -> Process {
        let mut child = command.arg("serve").spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut process =
            Process { child, listen: nowhere, metrics: nowhere, log: String::new(), rest: None };
        let address = |line: &serde_json::Value, name: &str| line[name].as_str()?.parse().ok();
        while process.listen == nowhere {
            let mut line = String::new();
            let read = lines.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "it ended; its log:\n{}", process.log);
            process.log.push_str(&line);
            let line = serde_json::from_str(&line).unwrap();
            process.metrics = address(&line, "metrics").unwrap_or(nowhere);
            process.listen = address(&line, "listen").unwrap_or(nowhere);
        }
        // Read on, or the process would wait for us when the pipe is full.
        process.rest = Some(std::thread::spawn(move || {
            let mut rest = Vec::new();
            lines.read_to_end(&mut rest).unwrap();
            String::from_utf8(rest).unwrap()
        }));
        process
    }

    /// Where its national door is.
    pub(crate) fn national(&self) -> SocketAddr {
        let lines = self.log.lines();
        let mut lines =
            lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.find_map(|line| line["national"].as_str()?.parse().ok()).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.metrics).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Ends it, and gives all that it logged.
    pub(crate) fn end_and_tell(mut self, signal: Signal) -> (ExitStatus, String) {
        let rest = self.rest.take().unwrap();
        let mut log = std::mem::take(&mut self.log);
        let status = self.end(signal);
        log.push_str(&rest.join().unwrap());
        (status, log)
    }

    pub(crate) fn end(mut self, signal: Signal) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test]
async fn the_binary_serves_survives_a_kill_by_adoption_and_stops_cleanly() {
    let folder = Folder::new("serve");
    let keys = onestop(&folder).args(["keys", "init"]).output().unwrap();
    assert!(keys.status.success(), "{keys:?}");
    let again = onestop(&folder).args(["keys", "init"]).output().unwrap();
    assert_eq!(again.status.code(), Some(1));

    // It takes connections and never answers: the worst that a collector can do must change nothing.
    let collector = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let first = Process::start(&folder, collector.local_addr().unwrap());
    assert!(first.log.contains("Started the private cluster"), "{}", first.log);
    assert_eq!(health(connect(first.listen).await).await.unwrap(), ServingStatus::Serving);
    assert!(first.get("/healthz").contains("200 OK"));
    // Calls end in time, whatever the collector does; more of them than its queue takes at once.
    let mut desk = SettlementServiceClient::new(connect(first.listen).await);
    for number in 0..limits::SPAN_BATCH_MAX {
        let mut request = tonic::Request::new(GetSettlementRequest {
            key: Some(get_settlement_request::Key::SettlementId(format!("S{number}"))),
        });
        request.set_timeout(limits::RESPONSE_MAX);
        let status = desk.get_settlement(request).await.unwrap_err();
        assert_eq!(refused(&status).reason, "SETTLEMENT_UNKNOWN");
    }
    assert!(first.get("/metrics").contains("target_info"));
    assert_eq!(first.end(Signal::KILL).code(), None);

    let second = Process::start(&folder, collector.local_addr().unwrap());
    assert!(second.log.contains("Adopted the private cluster"), "{}", second.log);
    let started = Instant::now();
    assert!(second.end(Signal::TERM).success());
    assert!(started.elapsed() < Duration::from_secs(9), "a dead collector held up the exit");
    assert!(!folder.path().join("postgres/data/postmaster.pid").exists());
}

#[test]
fn bad_configuration_ends_with_64_and_names_every_fault() {
    let folder = Folder::new("faults");
    let output = onestop(&folder)
        .arg("serve")
        .env("ONESTOP_LISTEN", "0.0.0.0:1")
        .env("ONESTOP_LOG_FORMAT", "xml")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("ONESTOP_LISTEN is \"0.0.0.0:1\""), "{said}");
    assert!(said.contains("ONESTOP_LOG_FORMAT is \"xml\""), "{said}");
    let output = onestop(&folder).arg("server").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn without_keys_it_says_how_to_make_them() {
    let folder = Folder::new("nokeys");
    let output = onestop(&folder).arg("serve").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("onestop keys init") && said.contains("密钥"), "{said}");
    assert!(!folder.path().join("postgres").exists(), "nothing was started");
}

#[test]
fn metrics_that_others_can_read_are_warned_of() {
    let folder = Folder::new("metrics");
    let said = |metrics: &str| {
        // Without keys it ends before it listens anywhere.
        let output =
            onestop(&folder).arg("serve").env("ONESTOP_METRICS_LISTEN", metrics).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let exposed = said("192.0.2.1:9464");
    assert!(exposed.contains("plain HTTP") && exposed.contains("明文 HTTP"), "{exposed}");
    let own = said("127.0.0.1:0");
    assert!(!own.contains("plain HTTP"), "{own}");
}

#[tokio::test]
async fn other_keys_are_refused_on_a_database_that_knows_its_own() {
    let database = Database::new().await;
    let (ours, others) = (Folder::new("keys-ours"), Folder::new("keys-others"));
    let [Host::Unix(socket)] = database.config.get_hosts() else { unreachable!("a socket") };
    let socket = socket.to_str().unwrap().replace('/', "%2F");
    let name = database.config.get_dbname().unwrap();
    let url = format!("postgres://onestop@{socket}:5432/{name}");
    let serve = |folder: &Folder| {
        let mut command = onestop(folder);
        command.env("ONESTOP_DATABASE_URL", &url);
        command
    };
    for folder in [&ours, &others] {
        assert!(onestop(folder).args(["keys", "init"]).output().unwrap().status.success());
    }
    assert!(Process::run(&mut serve(&ours)).end(Signal::TERM).success());

    let output = serve(&others).arg("serve").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let parts = ["CREDENTIAL_KEY_OF_ANOTHER_DATABASE", "registered twice", "证件散列密钥"];
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert!(!said.contains("Serving on"), "{said}");
    assert!(Process::run(&mut serve(&ours)).end(Signal::TERM).success());
}

#[test]
fn a_bad_package_is_named_and_nothing_starts() {
    let folder = Folder::new("badrules");
    assert!(onestop(&folder).args(["keys", "init"]).output().unwrap().status.success());
    let rules = Folder::new("rules");
    let check = |text: &str, expected: &str| {
        write_package(&rules, "2024", text);
        let output =
            onestop(&folder).arg("serve").env("ONESTOP_RULES_DIR", rules.path()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let file = rules.path().join("520200/resident/2024/package.toml");
        assert!(said.contains(&*file.to_string_lossy()), "{said}");
        assert!(said.contains(expected), "{expected} is not in\n{said}");
        assert!(!folder.path().join("postgres").exists(), "nothing was started");
    };
    check("id = ", "package.toml");
    let good = PACKAGE.replace("BASIC_RATIO", "0.70");
    check(&good.replace("0.70", "1.70"), "basic");
    check(
        &good.replace("who = { identity = [\"low_income\"] }", "who = { identity = [\"poor\"] }"),
        "poor",
    );
}

#[test]
fn migrating_twice_finds_nothing_to_do() {
    let folder = Folder::new("migrate");
    let migrate = || {
        let output = onestop(&folder).arg("migrate").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!migrate().contains(" 0 migration"));
    assert!(migrate().contains(" 0 migration"));
    assert!(
        !folder.path().join("postgres/data/postmaster.pid").exists(),
        "it stopped what it started"
    );
}

#[tokio::test]
async fn the_national_door_is_open_where_it_is_given_a_place_and_stops_with_the_rest() {
    let folder = Folder::new("national");
    assert!(onestop(&folder).args(["keys", "init"]).output().unwrap().status.success());
    let mut command = onestop(&folder);
    command.env("ONESTOP_NATIONAL_LISTEN", "127.0.0.1:0");
    let process = Process::run(&mut command);
    let address = process.national();
    let door = crate::national::Door::at(address);
    let answer = door.ask("1101", &crate::national::id(1), serde_json::json!({})).await;
    assert_eq!(crate::national::code_of(&answer), "OS-INP-004");
    // Whoever keeps a connection and says nothing does not hold it up.
    let silent = TcpStream::connect(address).unwrap();
    assert!(process.end(Signal::TERM).success());
    assert!(TcpStream::connect(address).is_err());
    drop(silent);
}
