//! Replays the sequences of `src/door/national/conformance` by an ordinary client over a network that fails as they say, and compares the
//! ledger behind each with what was answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use onestop::store::check_integrity;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::gateway::{Gateway, identity_number};
use crate::national::{Door, code_of, envelope, id};
use crate::national_desk::fen;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sequence {
    title: String,
    step: Vec<Step>,
    ledger: BTreeMap<String, i64>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    send: String,
    msgid: usize,
    input: String,
    expect: String,
    network: Option<Network>,
    #[serde(default)]
    output: BTreeMap<String, Value>,
    #[serde(default)]
    take: BTreeMap<String, String>,
    remember: Option<String>,
    same_as: Option<String>,
    #[serde(default)]
    twice: bool,
}

/// What goes wrong on the way.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
enum Network {
    #[serde(rename = "answer lost")]
    AnswerLost,
    #[serde(rename = "502")]
    BadGateway,
    #[serde(rename = "cut")]
    Cut,
    #[serde(rename = "gone")]
    Gone,
}

/// What a client sees.
#[derive(Debug)]
enum Seen {
    Envelope(Value),
    Nothing,
    BadGateway,
}

/// A whole message of HTTP, or as much as came before the end.
async fn message(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).to_lowercase();
        if let Some(head) = text.find("\r\n\r\n") {
            let length = text.split("content-length: ").nth(1).unwrap();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if head + 4 + length <= read.len() {
                return read;
            }
        }
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return read;
        }
    }
}

/// A proxy before the door for one connection. Tells where it is.
async fn proxy(door: SocketAddr, network: Network) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let asked = message(&mut client).await;
        let mut server = TcpStream::connect(door).await.unwrap();
        let passed = if network == Network::Cut { asked.len() - 40 } else { asked.len() };
        server.write_all(&asked[..passed]).await.unwrap();
        if [Network::AnswerLost, Network::BadGateway].contains(&network) {
            let answer = message(&mut server).await;
            assert!(answer.starts_with(b"HTTP/1.1 200"), "it had been done by then");
        }
        if network == Network::BadGateway {
            let page = "<html><body><h1>502 Bad Gateway</h1></body></html>";
            let head =
                format!("HTTP/1.1 502 Bad Gateway\r\nContent-Length: {}\r\n\r\n", page.len());
            client.write_all(format!("{head}{page}").as_bytes()).await.unwrap();
        }
    });
    address
}

/// Sends a message as any client does.
async fn post(address: SocketAddr, body: &str) -> Seen {
    let head = format!(
        "POST /fsi/api HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let answer = String::from_utf8(message(&mut stream).await).unwrap();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Seen::Nothing };
    match head.split(' ').nth(1) {
        Some("200") => Seen::Envelope(serde_json::from_str(body).unwrap()),
        Some("502") => Seen::BadGateway,
        status => panic!("{status:?}"),
    }
}

/// One sequence on its way.
struct Replay<'a> {
    door: SocketAddr,
    name: &'a str,
    known: BTreeMap<String, String>,
    remembered: BTreeMap<String, Value>,
    /// Every `setlinfo` that was told of a settlement or reversal.
    told: Vec<Value>,
}

impl Replay<'_> {
    /// A text with what is known in place of `${…}`.
    fn filled(&self, text: &str) -> String {
        let mut parts = text.split("${");
        let mut filled = parts.next().unwrap().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap();
            match name.strip_prefix("msgid_") {
                Some(number) => filled.push_str(&id(number.parse().unwrap())),
                None => filled.push_str(&self.known[name]),
            }
            filled.push_str(rest);
        }
        filled
    }

    async fn step(&mut self, number: usize, step: &Step) {
        let place = format!("{}, step {} ({})", self.name, number + 1, step.send);
        let input = serde_json::from_str(&self.filled(&step.input));
        let input = input.unwrap_or_else(|error| panic!("{place}: {error}"));
        let body = envelope(&step.send, &id(step.msgid), input).to_string();
        let seen = self.send(step, &body).await;
        let had = match &seen {
            Seen::Nothing => "nothing".to_owned(),
            Seen::BadGateway => "502".to_owned(),
            Seen::Envelope(envelope) if envelope["infcode"] == 0 => "OK".to_owned(),
            Seen::Envelope(envelope) => code_of(envelope),
        };
        assert_eq!(had, step.expect, "{place}: {seen:?}");
        let Seen::Envelope(mut envelope) = seen else { return };
        self.compare(&place, step, envelope["output"].take());
    }

    async fn send(&self, step: &Step, body: &str) -> Seen {
        if step.twice {
            let (one, other) = tokio::join!(post(self.door, body), post(self.door, body));
            let (Seen::Envelope(one), Seen::Envelope(other)) = (&one, other) else { panic!() };
            assert_eq!(one["output"], other["output"], "{}: {one} {other}", self.name);
            return Seen::Envelope(other);
        }
        let Some(network) = step.network else { return post(self.door, body).await };
        post(proxy(self.door, network).await, body).await
    }

    fn compare(&mut self, place: &str, step: &Step, output: Value) {
        for (pointer, expected) in &step.output {
            let expected =
                expected.as_str().map_or(expected.clone(), |text| self.filled(text).into());
            assert_eq!(output.pointer(pointer), Some(&expected), "{place}, {pointer}: {output}");
        }
        for (name, pointer) in &step.take {
            let taken = output.pointer(pointer).and_then(Value::as_str);
            let taken = taken.unwrap_or_else(|| panic!("{place}, {pointer}: {output}"));
            self.known.insert(name.clone(), taken.to_owned());
        }
        if let Some(name) = &step.same_as {
            assert_eq!(output, self.remembered[name], "{place}");
        }
        let info = &output["setlinfo"];
        if info["setl_id"].as_str().is_some_and(|id| !id.is_empty()) {
            self.told.push(info.clone());
        }
        if let Some(name) = &step.remember {
            self.remembered.insert(name.clone(), output);
        }
    }

    /// What was answered is what is stored, once.
    async fn ledger(&self, gateway: &Gateway, expected: &BTreeMap<String, i64>) {
        let name = self.name;
        let owner = gateway.database.owner().await;
        for (what, count) in expected {
            let sql = match what.as_str() {
                "settlements" => "FROM settlement WHERE reverses_settlement_id IS NULL",
                "reversals" => "FROM settlement WHERE reverses_settlement_id IS NOT NULL",
                "tombstones" => "FROM tombstone",
                "charge_lines" => "FROM national_fee",
                _ => panic!("{name}: {what}"),
            };
            let had = owner.query_one(&format!("SELECT count(*) {sql}"), &[]).await.unwrap();
            assert_eq!(had.get::<_, i64>(0), *count, "{name}: {what}");
        }
        for info in &self.told {
            let row = owner
                .query_one(
                    "SELECT request_id, total_fen, fund_pay_total_fen, cash_pay_fen, medical_aid_pay_fen
                     FROM settlement WHERE settlement_id = $1",
                    &[&info["setl_id"].as_str().unwrap()],
                )
                .await
                .unwrap();
            assert_eq!(info["medins_setl_id"], row.get::<_, String>(0), "{name}");
            for (place, field) in
                ["medfee_sumamt", "fund_pay_sumamt", "psn_cash_pay", "maf_pay"].iter().enumerate()
            {
                assert_eq!(fen(&info[*field]), row.get::<_, i64>(place + 1), "{name}: {field}");
            }
        }
        assert_eq!(check_integrity(&gateway.database.pool).await.unwrap(), [], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_what_is_stored_however_bad_the_network() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/door/national/conformance");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(10 <= files.len());
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy();
        let text = std::fs::read_to_string(&file).unwrap();
        let sequence: Sequence =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(sequence.title.contains(" · "), "{name}: a title in both languages");
        let gateway = Gateway::start().await;
        let door = Door::open(&gateway, false).await;
        let known = (0..2).map(|person| (format!("identity_{person}"), identity_number(person)));
        let mut replay = Replay {
            door: door.address(),
            name: &name,
            known: known.collect(),
            remembered: BTreeMap::new(),
            told: Vec::new(),
        };
        for (number, step) in sequence.step.iter().enumerate() {
            replay.step(number, step).await;
        }
        replay.ledger(&gateway, &sequence.ledger).await;
    }
}
