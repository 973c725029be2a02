//! The national door as a hospital system meets it: real HTTP, and every answer an envelope, whatever is sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use onestop::door::callers::Callers;
use onestop::door::national;
use onestop::server;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::gateway::{Gateway, HOSPITAL, NAMES, identity_number};

/// The national door of a gateway, on a free port.
pub(crate) struct Door {
    address: SocketAddr,
    stop: CancellationToken,
}

/// An HTTP answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) envelope: Value,
}

impl Door {
    pub(crate) async fn open(gateway: &Gateway, sign_in_needed: bool) -> Self {
        let callers = Arc::new(Callers::development("development"));
        let settings = national::Settings { callers, sign_in_needed };
        let router = national::router(&gateway.app, settings);
        let listener = server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let told = stop.clone();
        tokio::spawn(server::serve_http(
            router,
            (listener, None),
            told,
            Duration::from_millis(100),
        ));
        Self { address, stop }
    }

    /// One that somebody else opened.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address, stop: CancellationToken::new() }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends bytes as they are, and reads one answer.
    pub(crate) async fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let envelope = serde_json::from_str(body).unwrap_or(Value::Null);
        Answer { status, head: head.to_lowercase(), envelope }
    }

    pub(crate) async fn post(&self, body: &str) -> Answer {
        self.send(request("POST", "/fsi/api/any/path", body).as_bytes()).await
    }

    /// Sends a message in an envelope that is good.
    pub(crate) async fn ask(&self, infno: &str, msgid: &str, input: Value) -> Value {
        self.post_envelope(envelope(infno, msgid, input)).await
    }

    pub(crate) async fn post_envelope(&self, envelope: Value) -> Value {
        let answer = self.post(&envelope.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.envelope);
        is_an_envelope(&answer.envelope);
        answer.envelope
    }

    /// The output of a message that must be done.
    pub(crate) async fn done(&self, infno: &str, msgid: &str, input: Value) -> Value {
        let mut answer = self.ask(infno, msgid, input).await;
        assert_eq!(answer["infcode"], 0, "{infno}: {answer}");
        answer["output"].take()
    }

    /// The same, where the standard has no output.
    pub(crate) async fn done_without_output(&self, infno: &str, msgid: &str, input: Value) {
        let answer = self.ask(infno, msgid, input).await;
        assert_eq!(answer["infcode"], 0, "{infno}: {answer}");
        assert!(answer.get("output").is_none(), "{infno}: {answer}");
    }

    /// The code of a message that must be refused, which must speak both languages.
    pub(crate) async fn code(&self, infno: &str, msgid: &str, input: Value) -> String {
        code_of(&self.ask(infno, msgid, input).await)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// `[code] Chinese · English` of an answer that must be a refusal.
pub(crate) fn code_of(envelope: &Value) -> String {
    assert_eq!(envelope["infcode"], -1, "{envelope}");
    assert!(envelope.get("output").is_none(), "{envelope}");
    let said = envelope["err_msg"].as_str().unwrap();
    let (code, text) = said.strip_prefix('[').unwrap().split_once("] ").unwrap();
    let (zh, en) = text.split_once(" · ").unwrap();
    assert!(zh.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter)), "{said}");
    assert!(en.chars().any(|letter| letter.is_ascii_alphabetic()), "{said}");
    code.to_owned()
}

/// A message id of the hospital: its code, a time, and a number.
pub(crate) fn id(number: usize) -> String {
    format!("{HOSPITAL}20240630093000{number:04}")
}

pub(crate) fn envelope(infno: &str, msgid: &str, input: Value) -> Value {
    json!({
        "infno": infno, "msgid": msgid, "mdtrtarea_admvs": "520201", "insuplc_admdvs": "520200",
        "recer_sys_code": "ONESTOP", "dev_no": "", "dev_safe_info": "", "cainfo": "", "signtype": "",
        "infver": "V1.0", "opter_type": "1", "opter": "desk-1", "opter_name": "收费员",
        "inf_time": "2024-06-30 09:30:00", "fixmedins_code": HOSPITAL,
        "fixmedins_name": "六盘水市人民医院", "sign_no": "", "input": input,
    })
}

pub(crate) fn request(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn is_an_envelope(envelope: &Value) {
    let digits = |name: &str, length: usize| {
        let text = envelope[name].as_str().unwrap_or_default();
        let plain = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
        assert!(plain, "{name} of {envelope}");
    };
    digits("inf_refmsgid", 30);
    digits("refmsg_time", 17);
    digits("respond_time", 17);
    let code = envelope["infcode"].as_i64().unwrap();
    assert_eq!(code == 0, envelope["err_msg"] == "", "{envelope}");
    for name in ["warn_msg", "enctype", "signtype", "cainfo"] {
        assert!(envelope[name].is_string(), "{name} of {envelope}");
    }
}

#[tokio::test]
async fn whatever_comes_is_answered_by_an_envelope() {
    let gateway = Gateway::bare().await;
    let door = Door::open(&gateway, false).await;
    let check = async |bytes: String, status: u16, code: &str| {
        let answer = door.send(bytes.as_bytes()).await;
        assert_eq!(answer.status, status, "{bytes}");
        is_an_envelope(&answer.envelope);
        assert_eq!(code_of(&answer.envelope), code, "{bytes}");
        assert!(answer.head.contains("application/json"), "{}", answer.head);
    };
    let good = envelope("1101", &id(1), json!({})).to_string();
    for method in ["GET", "PUT", "DELETE", "PATCH", "BREW"] {
        check(request(method, "/", &good), 200, "OS-ENV-002").await;
    }
    for path in ["/", "/no/such/path", "/fsi/api/signInSignOutService/signIn?x=1"] {
        check(request("POST", path, ""), 200, "OS-ENV-001").await;
    }
    for body in ["{", "[]", "1", "null", "\"x\"", "{\"infno\":1,\"infno\":2}", "\u{0}", "<xml/>"] {
        check(request("POST", "/", body), 200, "OS-ENV-001").await;
    }
    check(request("POST", "/", "{}"), 200, "OS-ENV-004").await;
    check(
        request("POST", "/", &envelope("9999", &id(1), json!({})).to_string()),
        200,
        "OS-ENV-020",
    )
    .await;
    check(
        request("POST", "/", &envelope("SELECT", &id(1), json!({})).to_string()),
        200,
        "OS-ENV-006",
    )
    .await;
    check(request("POST", "/", &good), 200, "OS-INP-004").await;
    // Too large by what it says, and by what it sends.
    let said =
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 99999999\r\n\r\n";
    check(said.to_owned(), 413, "OS-ENV-003").await;
    // The region stands in the answer's number as soon as it can be read.
    let bad = envelope("1101", "", json!({})).to_string();
    let answer = door.post(&bad).await.envelope;
    assert!(answer["inf_refmsgid"].as_str().unwrap().starts_with("520201"), "{answer}");
}

#[tokio::test]
async fn more_at_once_than_are_taken_are_told_to_come_again() {
    let gateway = Gateway::bare().await;
    let door = Door::open(&gateway, false).await;
    // Each takes its place with its head, and its body never comes.
    let mut waiting = Vec::new();
    for _ in 0..onestop::limits::NATIONAL_CALLS_MAX {
        let mut stream = TcpStream::connect(door.address).await.unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n").await.unwrap();
        waiting.push(stream);
    }
    // Until the server has seen all of them, one more finds room.
    let mut tries = 0;
    let busy = loop {
        let answer = door.post("{}").await;
        if answer.status != 200 {
            break answer;
        }
        tries += 1;
        assert!(tries < 10_000, "there is always room");
    };
    assert_eq!(busy.status, 503);
    is_an_envelope(&busy.envelope);
    assert_eq!(code_of(&busy.envelope), "OS-SYS-001");
    assert!(busy.head.contains("retry-after: 1"), "{}", busy.head);
    drop(waiting);
    let mut tries = 0;
    while door.post("{}").await.status == 503 {
        tries += 1;
        assert!(tries < 10_000, "there is never room again");
    }
}

#[tokio::test]
async fn a_person_is_told_by_a_number_that_says_nothing() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let number = identity_number(0);
    let by = |kind: &str, number: &str| json!({"data": {"mdtrt_cert_type": kind, "mdtrt_cert_no": number, "begntime": "2024-06-30 00:00:00"}});
    let found = door.done("1101", &id(1), by("02", &number)).await;
    let base = &found["baseinfo"];
    let psn_no = base["psn_no"].as_str().unwrap().to_owned();
    assert_eq!(psn_no.len(), 20);
    assert!(!psn_no.contains(&number[6..14]), "{psn_no}");
    assert_eq!(base["psn_name"], NAMES[0]);
    assert_eq!((&base["certno"], &base["psn_cert_type"]), (&json!(number), &json!("01")));
    let insured = &found["insuinfo"][0];
    assert_eq!(
        (&insured["insutype"], &insured["insuplc_admdvs"]),
        (&json!("390"), &json!("520200"))
    );
    let identity = &found["idetinfo"][0];
    assert_eq!(identity["psn_idet_type"], "1");
    assert_eq!(
        (&identity["begntime"], &identity["endtime"]),
        (&json!("2024-01-01"), &json!("2024-12-31"))
    );

    let by_number = json!({"data": {"psn_no": psn_no, "begntime": "2024-06-30"}});
    let again = door.done("1101", &id(2), by_number).await;
    assert_eq!(again["baseinfo"]["psn_no"], psn_no);
    assert_eq!(again["baseinfo"]["certno"], "", "only who shows it is told it");
    assert_eq!(again["idetinfo"], found["idetinfo"]);
    // A year later the identity is over.
    let later = json!({"data": {"psn_no": psn_no, "begntime": "2025-06-30"}});
    assert_eq!(door.done("1101", &id(3), later).await["idetinfo"], json!([]));

    let nobody = json!({"data": {"psn_no": "P0000000000000000000"}});
    assert_eq!(door.code("1101", &id(4), nobody).await, "OS-DEC-002");
    assert_eq!(door.code("1101", &id(4), by("02", &number[..17])).await, "OS-INP-013");
    assert_eq!(door.code("1101", &id(4), by("04", &number)).await, "OS-INP-007");
    assert_eq!(door.code("1101", &id(4), by("02", "")).await, "OS-INP-004");
    assert_eq!(door.code("1101", &id(4), by("03", "token-1")).await, "OS-DEC-002");
}

#[tokio::test]
async fn operators_sign_in_for_a_day_and_out_again() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, true).await;
    let sign_in = || json!({"signIn": {"opter_no": "desk-1", "mac": "00-00", "ip": "127.0.0.1"}});
    let person = json!({"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": identity_number(0)}});
    let with = async |sign_no: &str| {
        let mut message = envelope("1101", &id(1), person.clone());
        message["sign_no"] = json!(sign_no);
        door.post_envelope(message).await
    };
    assert_eq!(code_of(&with("").await), "OS-ENV-022");
    let signed = door.done("9001", &id(2), sign_in()).await["signinoutb"].take();
    let number = signed["sign_no"].as_str().unwrap().to_owned();
    assert_eq!(with(&number).await["infcode"], 0);
    assert_eq!(code_of(&with("0000000000000000").await), "OS-ENV-022");
    // Who is signed in keeps their number.
    let again = door.done("9001", &id(3), sign_in()).await["signinoutb"].take();
    assert_eq!(again["sign_no"], number);
    let sign_out = |operator: &str| json!({"signOut": {"opter_no": operator, "sign_no": number}});
    assert_eq!(door.code("9002", &id(4), sign_out("desk-2")).await, "OS-REF-018");
    assert!(
        door.done("9002", &id(5), sign_out("desk-1")).await["signoutoutb"]["sign_time"].is_string()
    );
    assert_eq!(code_of(&with(&number).await), "OS-ENV-022");
    door.done("9002", &id(6), sign_out("desk-1")).await;
    let fresh = door.done("9001", &id(7), sign_in()).await["signinoutb"].take();
    assert_ne!(fresh["sign_no"], number);
    assert_eq!(with(fresh["sign_no"].as_str().unwrap()).await["infcode"], 0);
    // A hospital that nobody registered has no desks.
    let mut elsewhere = envelope("9001", &id(8), sign_in());
    elsewhere["fixmedins_code"] = json!("H52020000009");
    assert_eq!(code_of(&door.post_envelope(elsewhere).await), "OS-DEC-001");
}
