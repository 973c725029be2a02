//! The sandbox of hospital developers as a process: everybody in it, every fault by both doors, and that no other server has any.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use onestop::door::wire::settlement::v1 as wire;
use onestop::door::wire::settlement::v1::settlement_service_client::SettlementServiceClient;
use rustix::process::{Pid, Signal, kill_process};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::folder::Folder;
use crate::gateway::{Gateway, bill, identity_number, line, refused};
use crate::national::{Door, code_of};

const HOSPITAL: &str = "H52990100002";
const LOW_INCOME: &str = "529901198506150068";
const GUIDE: &str = include_str!("../../settlement-rules/examples/sandbox/guide.csv");
const IDENTITY: &str = include_str!("../../settlement-rules/examples/sandbox/identity.csv");

/// A sandbox that is up. Killed when dropped.
struct Sandbox {
    child: Child,
    said: String,
    told: BTreeMap<String, String>,
}

impl Sandbox {
    fn start(folder: &Folder) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_onestop"))
            .args(["sandbox", "--listen", "127.0.0.1:0", "--national-listen", "127.0.0.1:0"])
            .arg("--data")
            .arg(folder.path().join("sandbox"))
            // None of this is for a sandbox.
            .env("ONESTOP_DATABASE_URL", "postgres://nobody@192.0.2.1/production")
            .env("ONESTOP_LISTEN", "192.0.2.1:1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut sandbox = Self { child, said: String::new(), told: BTreeMap::new() };
        loop {
            let mut line = String::new();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it ended: {}", sandbox.said);
            sandbox.said.push_str(&line);
            if let Some((name, value)) = line.trim().split_once('=') {
                sandbox.told.insert(name.to_owned(), value.to_owned());
            }
            if line.starts_with("source ") {
                return sandbox;
            }
        }
    }

    fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(&self.told[name]).unwrap()
    }

    async fn desk(&self) -> SettlementServiceClient<Channel> {
        let identity = Identity::from_pem(self.file("SANDBOX_CERT"), self.file("SANDBOX_KEY"));
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.file("SANDBOX_CA")))
            .identity(identity);
        let endpoint = Endpoint::from_shared(format!("https://{}", self.told["SANDBOX_GRPC"]));
        let endpoint = endpoint.unwrap().tls_config(tls).unwrap();
        SettlementServiceClient::new(endpoint.connect().await.unwrap())
    }

    /// Sends a message to the national door; nothing where the connection broke.
    async fn tell(&self, infno: &str, msgid: &str, input: Value) -> Option<(u16, Value)> {
        let mut envelope = crate::national::envelope(infno, msgid, input);
        envelope["fixmedins_code"] = json!(HOSPITAL);
        envelope["mdtrtarea_admvs"] = json!("529901");
        envelope["insuplc_admdvs"] = json!("529900");
        let body = envelope.to_string();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&self.file("SANDBOX_CA")).unwrap()).unwrap();
        let shown = vec![CertificateDer::from_pem_slice(&self.file("SANDBOX_CERT")).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(&self.file("SANDBOX_KEY")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(shown, key)
            .unwrap();
        let address = self.told["SANDBOX_NATIONAL"].strip_prefix("https://").unwrap();
        let address: SocketAddr = address.trim_end_matches('/').parse().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A connection that is cut ends without the word that TLS has for it.
        stream.read_to_end(&mut answer).await.ok()?;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some((status, serde_json::from_str(body).unwrap()))
    }

    /// Waits beside the runtime, which lets go of our connections meanwhile.
    async fn end(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let ended = tokio::task::spawn_blocking(move || self.child.wait().unwrap().success());
        assert!(ended.await.unwrap());
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The bill of the client kits, for somebody, on a day.
fn example(credential: &str, stay: &str, day: &str) -> wire::Bill {
    use wire::CredentialKind as Kind;
    let (kind, number) = match credential.split_once(':') {
        Some((_, mother)) => (Kind::NewbornOfMother, mother),
        None if credential.starts_with("SBX") => (Kind::Passport, credential),
        None => (Kind::IdentityNumber, credential),
    };
    wire::Bill {
        hospital_code: HOSPITAL.to_owned(),
        stay_id: stay.to_owned(),
        credential: Some(wire::Credential { kind: kind.into(), number: number.to_owned() }),
        admission_date: day.to_owned(),
        discharge_date: day.to_owned(),
        care_type: wire::CareType::Inpatient.into(),
        referral: wire::Referral::None.into(),
        lines: vec![
            line("1", "SBX-A", 30_000),
            line("2", "SBX-B", 5_000),
            line("3", "SBX-C", 1_000),
        ],
        total_fen: 3_600_000,
        ..wire::Bill::default()
    }
}

fn to_settle(id: &str, bill: wire::Bill) -> wire::SettleRequest {
    wire::SettleRequest { request_id: id.to_owned(), bill: Some(bill), quote_token: Vec::new() }
}

/// What somebody would owe for the example, or why it is declined.
async fn owed(desk: &mut SettlementServiceClient<Channel>, credential: &str) -> String {
    let bill = Some(example(credential, "ST-GUIDE", "2024-06-30"));
    let answer = desk.quote(wire::QuoteRequest { bill }).await.unwrap().into_inner();
    match answer.outcome.unwrap() {
        wire::quote_response::Outcome::Quoted(quoted) => {
            let fen = quoted.breakdown.unwrap().patient_pay_fen;
            format!("{}.{:02}", fen / 100, fen % 100)
        }
        wire::quote_response::Outcome::Declined(declined) => declined.reason,
    }
}

/// What each identity of the city leaves to its holder of the example's 36 000.00, by hand in the package's own cases.
fn by_identity(code: &str) -> &'static str {
    match code {
        "extreme_poverty" | "orphan" | "unattended_child" | "destitute" => "1500.00",
        "low_income" | "returned_to_poverty" | "registered_poor" => "2924.62",
        "low_income_edge" | "relative_hardship_worker" => "4728.00",
        "illness_poverty" | "accident_hardship_worker" => "5785.00",
        "out_of_poverty" => "8070.00",
        _ => "3471.00",
    }
}

async fn everybody_is_there(sandbox: &Sandbox) {
    let mut desk = sandbox.desk().await;
    let mut codes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in IDENTITY.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        codes.entry(cells[0]).or_default().push(cells[1]);
    }
    let mut had = BTreeMap::new();
    for row in GUIDE.lines().skip(1) {
        let credential = row.split(',').next().unwrap();
        assert!(sandbox.said.contains(credential), "{credential} is not shown");
        had.insert(credential, owed(&mut desk, credential).await);
    }
    let particular = [
        // Two identities; one that ended; a newborn; a passport; nobody insured; a ceiling; a deductible that is paid.
        ("52990119850615021X", "3471.00"),
        ("529901198506150228", "8070.00"),
        ("mother_identity_number:529901198506150017", "8070.00"),
        ("SBX0000001", "8070.00"),
        ("529901198506150252", "NOT_COVERED"),
        ("529901198506150260", "4254.27"),
        ("529901198506150279", "5070.00"),
        // Elsewhere, and since this month; an employee; both schemes; no longer insured; nobody.
        ("529901198506150287", "18950.00"),
        ("529901198506150295", "18950.00"),
        ("529901198506150308", "5310.00"),
        ("529901198506150316", "SCHEME_AMBIGUOUS"),
        ("529901198506150324", "NOT_COVERED"),
        ("529901198506159994", "PERSON_UNKNOWN"),
    ];
    for (credential, amount) in particular {
        assert_eq!(had[credential], amount, "{credential}");
    }
    for (credential, codes) in codes {
        if !particular.iter().any(|(known, _)| *known == credential) {
            assert_eq!(had[credential], by_identity(codes[0]), "{credential} {codes:?}");
        }
    }
}

async fn faults_befall_grpc(sandbox: &Sandbox) {
    let settle = async |id: &str, day: &str| {
        // A new connection each: one that was cut is none any more.
        let request = to_settle(id, example(LOW_INCOME, &format!("ST-{id}"), day));
        sandbox.desk().await.settle(request).await.map(tonic::Response::into_inner)
    };
    let find = async |id: &str| {
        let key = wire::RequestKey { hospital_code: HOSPITAL.into(), request_id: id.into() };
        let key = Some(wire::get_settlement_request::Key::Request(key));
        sandbox.desk().await.get_settlement(wire::GetSettlementRequest { key }).await
    };
    // The answer is lost, and what it would have said stands.
    let lost = settle("SBX-LOST-1", "2024-03-01").await.unwrap_err();
    assert!(!lost.message().contains("busy") && lost.details().is_empty(), "{lost:?}");
    assert!(find("SBX-LOST-1").await.is_ok());
    assert!(settle("SBX-LOST-1", "2024-03-01").await.unwrap().repeat);
    // The question is lost.
    let dropped = settle("SBX-DROP-1", "2024-03-02").await.unwrap_err();
    assert!(dropped.details().is_empty(), "{dropped:?}");
    let unknown = find("SBX-DROP-1").await.unwrap_err();
    assert_eq!(refused(&unknown).reason, "SETTLEMENT_UNKNOWN");
    assert!(!settle("SBX-DROP-1", "2024-03-02").await.unwrap().repeat);
    // The gateway itself does not know.
    let unknown = settle("SBX-UNKNOWN-1", "2024-03-03").await.unwrap_err();
    assert_eq!(refused(&unknown).reason, "OUTCOME_UNKNOWN");
    assert!(settle("SBX-UNKNOWN-1", "2024-03-03").await.unwrap().repeat);
    // Too busy, twice.
    for _ in 0..2 {
        let busy = settle("SBX-BUSY-2-1", "2024-03-04").await.unwrap_err();
        assert_eq!(
            (busy.code(), refused(&busy).reason.as_str()),
            (tonic::Code::ResourceExhausted, "BUSY")
        );
    }
    assert!(!settle("SBX-BUSY-2-1", "2024-03-04").await.unwrap().repeat);
}

async fn faults_befall_the_national_door(sandbox: &Sandbox) {
    let find = || json!({"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": LOW_INCOME}});
    let (status, busy) = sandbox.tell("1101", "SBX-BUSY-N1", find()).await.unwrap();
    assert_eq!((status, code_of(&busy).as_str()), (503, "OS-SYS-001"));
    for cut in ["SBX-LOST-N1", "SBX-DROP-N1"] {
        assert!(sandbox.tell("1101", cut, find()).await.is_none(), "{cut}");
    }
    let (status, unknown) = sandbox.tell("1101", "SBX-UNKNOWN-N1", find()).await.unwrap();
    assert_eq!((status, code_of(&unknown).as_str()), (200, "OS-SYS-003"));
    for again in ["SBX-BUSY-N1", "SBX-LOST-N1", "SBX-DROP-N1", "SBX-UNKNOWN-N1"] {
        let (_, answer) = sandbox.tell("1101", again, find()).await.unwrap();
        assert_eq!(answer["infcode"], 0, "{answer}");
    }
}

#[tokio::test]
async fn a_developer_meets_everybody_and_every_fault() {
    let folder = Folder::new("sbx");
    let sandbox = Sandbox::start(&folder);
    everybody_is_there(&sandbox).await;
    faults_befall_grpc(&sandbox).await;
    faults_befall_the_national_door(&sandbox).await;
    sandbox.end().await;
    // What was settled is still there, and what was imported changes nothing.
    let again = Sandbox::start(&folder);
    let request = to_settle("SBX-LOST-1", example(LOW_INCOME, "ST-SBX-LOST-1", "2024-03-01"));
    let mut desk = again.desk().await;
    assert!(desk.settle(request.clone()).await.is_err(), "counted anew");
    assert!(again.desk().await.settle(request).await.unwrap().into_inner().repeat);
    drop(desk);
    again.end().await;
}

/// To a production server a reserved beginning is an id like any other: what rehearses faults is named by nobody but the sandbox,
/// which `tidy` sees to.
#[tokio::test]
async fn no_other_server_knows_the_faults() {
    let gateway = Gateway::start().await;
    for (number, id) in ["SBX-LOST-1", "SBX-DROP-1", "SBX-UNKNOWN-1", "SBX-BUSY-1", "SBX-SLOW-9-1"]
        .into_iter()
        .enumerate()
    {
        let request = to_settle(id, bill(0, id, &format!("2024-05-{:02}", number + 1)));
        let answer = gateway.desk.clone().settle(request).await.unwrap().into_inner();
        assert!(!answer.repeat, "{id}");
        let door = Door::open(&gateway, false).await;
        let data = json!({"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": identity_number(0)}});
        door.done("1101", id, data).await;
    }
}
