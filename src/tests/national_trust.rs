//! The national door behind TLS: a hospital by its certificate, another one, a revoked one; and messages that must be signed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use onestop::config::Tls;
use onestop::door::callers::Callers;
use onestop::door::national;
use onestop::door::trust::{Trust, TrustError};
use onestop::keys::authority::{self, AUTHORITY_CERTIFICATE, For, REVOKED};
use onestop::server;
use ring::hmac;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::folder::Folder;
use crate::gateway::{Gateway, HOSPITAL, OTHER_HOSPITAL, identity_number};
use crate::national::{code_of, envelope, id};

/// The national door of a gateway behind TLS.
struct Door {
    folder: Folder,
    port: u16,
    trust: Trust,
    _stop: DropGuard,
}

impl Door {
    async fn open(gateway: &Gateway, book: &str) -> Self {
        let folder = Folder::new("national-trust");
        let dir = folder.path().join("authority");
        authority::init(&dir, today()).unwrap();
        let names = ["localhost".to_owned()];
        let server = authority::issue(&dir, For::Server(&names), (&dir, "server"), (today(), 2));
        let server = server.unwrap();
        std::fs::write(folder.path().join("callers.toml"), book).unwrap();
        write_key(&folder.path().join("one.hmac"), SECRET);
        let files = Tls {
            cert: server.certificate,
            key: server.key,
            client_ca: Some(dir.join(AUTHORITY_CERTIFICATE)),
            crl: Some(dir.join(REVOKED)),
            callers: Some(folder.path().join("callers.toml")),
            oidc: None,
        };
        let callers = Arc::new(Callers::default());
        let trust = Trust::open(&files, &callers).unwrap();
        let settings = national::Settings { callers, sign_in_needed: false };
        let router = national::router(&gateway.app, settings);
        let listener = server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let listening = (listener, Some(trust.greeter()));
        let drain_max = Duration::from_millis(100);
        tokio::spawn(server::serve_http(router, listening, stop.clone(), drain_max));
        Self { folder, port, trust, _stop: stop.drop_guard() }
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("authority")
    }

    fn certificate_of(&self, hospital: &str) -> PathBuf {
        let (into, name) =
            (self.folder.path().join("clients"), format!("urn:onestop:hospital:{hospital}"));
        if !into.join(format!("{hospital}.pem")).exists() {
            let caller = For::Caller(&name);
            authority::issue(&self.authority(), caller, (&into, hospital), (today(), 2)).unwrap();
        }
        into.join(format!("{hospital}.pem"))
    }

    /// A connection as a hospital; an error where there is none.
    async fn connect(
        &self,
        hospital: Option<&str>,
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        let ca = self.authority().join(AUTHORITY_CERTIFICATE);
        roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match hospital {
            None => config.with_no_client_auth(),
            Some(hospital) => {
                let pem = self.certificate_of(hospital);
                let chain = CertificateDer::pem_file_iter(&pem).unwrap();
                let key = PrivateKeyDer::from_pem_file(pem.with_extension("key")).unwrap();
                config.with_client_auth_cert(chain.map(Result::unwrap).collect(), key).unwrap()
            }
        };
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// The answer to a message of a hospital, on a connection of its own.
    async fn ask(&self, hospital: &str, message: &str) -> Value {
        let mut stream = self.connect(Some(hospital)).await.unwrap();
        on(&mut stream, message).await
    }
}

/// The answer to one message on a connection that stays.
async fn on(stream: &mut tokio_rustls::client::TlsStream<TcpStream>, message: &str) -> Value {
    let length = message.len();
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(message.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&said).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase();
            let length = length.split("content-length: ").nth(1).unwrap();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if length <= body.len() {
                return serde_json::from_str(body).unwrap();
            }
        }
        assert_ne!(stream.read_buf(&mut said).await.unwrap(), 0, "closed: {text}");
    }
}

fn today() -> jiff::civil::Date {
    onestop::app::now().day
}

fn write_key(path: &Path, key: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, key).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn find(number: usize) -> Value {
    let person = json!({"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": identity_number(0)}});
    envelope("1101", &id(number), person)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hospital_is_who_its_certificate_says_and_no_other() {
    let gateway = Gateway::start().await;
    let mut door = Door::open(&gateway, "").await;
    let message = find(1).to_string();
    assert_eq!(door.ask(HOSPITAL, &message).await["infcode"], 0);
    assert_eq!(code_of(&door.ask(OTHER_HOSPITAL, &message).await), "OS-ACC-001");
    // Without a certificate nobody gets as far as an answer; by TLS 1.3 a client hears of it when it reads.
    let got_in = match door.connect(None).await {
        Err(_) => false,
        Ok(mut stream) => {
            stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n").await.ok();
            stream.read_u8().await.is_ok()
        }
    };
    assert!(!got_in);

    let mut there = door.connect(Some(HOSPITAL)).await.unwrap();
    assert_eq!(on(&mut there, &message).await["infcode"], 0);
    authority::revoke(&door.authority(), &door.certificate_of(HOSPITAL), today()).unwrap();
    assert!(door.trust.look_again().unwrap());
    assert_eq!(code_of(&on(&mut there, &message).await), "OS-ACC-003");
    let got_in = match door.connect(Some(HOSPITAL)).await {
        Err(_) => false,
        Ok(mut stream) => stream.read_u8().await.is_ok(),
    };
    assert!(!got_in, "nor is a new connection made");
    let elsewhere = json!({"data": {"psn_no": "P0000000000000000000"}});
    let mut elsewhere = envelope("1101", &id(2), elsewhere);
    elsewhere["fixmedins_code"] = json!(OTHER_HOSPITAL);
    let told = door.ask(OTHER_HOSPITAL, &elsewhere.to_string()).await;
    assert_eq!(code_of(&told), "OS-DEC-002", "the others go on");
}

const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// HMAC-SHA-256 by that secret, in base64.
fn mac(said: &str) -> String {
    let key: Vec<u8> = (0..32).collect();
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), said.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(mac)
}

/// What is signed of a message or an answer, put together from its fields as README.md says.
fn said(fields: &Value, last: &str) -> String {
    let mut lines = Vec::new();
    for (name, value) in fields.as_object().unwrap() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if ![last, "cainfo"].contains(&name.as_str()) && !text.is_empty() {
            lines.push(format!("{name}={text}\n"));
        }
    }
    lines.sort_unstable();
    let last_text = fields.get(last).map(Value::to_string).unwrap_or_default();
    format!("{}{last}={last_text}", lines.concat())
}

fn signed(mut message: Value) -> String {
    let now = onestop::app::shanghai(onestop::app::now().at);
    message["inf_time"] = json!(now.strftime("%Y-%m-%d %H:%M:%S").to_string());
    message["cainfo"] = json!(mac(&said(&message, "input")));
    message.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_must_sign_is_answered_signed_and_nobody_else_need_sign() {
    let gateway = Gateway::start().await;
    let signing = format!(
        "[[hospital]]\nname = \"{HOSPITAL}\"\nsignature = \"hmac-sha256\"\nkey_file = \"one.hmac\"\n"
    );
    let mut door = Door::open(&gateway, &signing).await;
    assert_eq!(code_of(&door.ask(HOSPITAL, &find(1).to_string()).await), "OS-ACC-008");
    let answer = door.ask(HOSPITAL, &signed(find(1))).await;
    assert_eq!((&answer["infcode"], &answer["signtype"]), (&json!(0), &json!("HMACSHA256")));
    assert_eq!(answer["cainfo"], mac(&said(&answer, "output")));
    let refused = door.ask(HOSPITAL, &find(1).to_string()).await;
    assert_eq!(refused["cainfo"], mac(&said(&refused, "output")), "a refusal is our word too");
    // The same id for something else; and what was refused leaves its id free.
    let mut other = find(1);
    other["input"]["data"]["begntime"] = json!("2024-06-30");
    assert_eq!(code_of(&door.ask(HOSPITAL, &signed(other)).await), "OS-ENV-023");
    let nobody = envelope("1101", &id(2), json!({"data": {"psn_no": "P0000000000000000000"}}));
    assert_eq!(code_of(&door.ask(HOSPITAL, &signed(nobody)).await), "OS-DEC-002");
    assert_eq!(door.ask(HOSPITAL, &signed(find(2))).await["infcode"], 0);
    // Who is not written down signs nothing, and is not answered so.
    let mut unsigned = find(3);
    unsigned["fixmedins_code"] = json!(OTHER_HOSPITAL);
    let answer = door.ask(OTHER_HOSPITAL, &unsigned.to_string()).await;
    assert_eq!((&answer["infcode"], &answer["cainfo"]), (&json!(0), &json!("")));

    // A key that others may read is not taken, nor a wrong one; what was there before goes on.
    let key = door.folder.path().join("one.hmac");
    let mode = |mode| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    std::fs::write(&key, "a key that is none").unwrap();
    assert!(matches!(door.trust.look_again(), Err(TrustError::Key { .. })));
    std::fs::write(&key, format!("{SECRET}\n")).unwrap();
    mode(0o644);
    assert!(matches!(door.trust.look_again(), Err(TrustError::Open { .. })));
    assert_eq!(door.ask(HOSPITAL, &signed(find(4))).await["infcode"], 0);
    // A new one is.
    mode(0o600);
    std::fs::write(&key, "ff".repeat(48)).unwrap();
    assert!(door.trust.look_again().unwrap());
    assert_eq!(code_of(&door.ask(HOSPITAL, &signed(find(5))).await), "OS-ACC-009");
}
