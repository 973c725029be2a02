//! Who somebody is stands nowhere but in the database: a whole day at the desk and at the registry, refusals and all, and then
//! everything that came out of the server and the command line is searched, at the most talkative level that there is.

use std::net::SocketAddr;
use std::process::Stdio;

use onestop::door::wire::access::v1::ListAccessesRequest;
use onestop::door::wire::access::v1::access_service_client::AccessServiceClient;
use onestop::door::wire::registry::v1 as registry;
use onestop::door::wire::registry::v1::import_request::Part;
use onestop::door::wire::registry::v1::import_row::Row;
use onestop::door::wire::registry::v1::registry_service_client::RegistryServiceClient;
use onestop::door::wire::registry::v1::{ImportRequest, ImportRow, PersonRow, RowKind};
use onestop::door::wire::settlement::v1 as wire;
use onestop::door::wire::settlement::v1::settlement_service_client::SettlementServiceClient;
use rustix::process::Signal;
use serde_json::json;
use tokio_postgres::config::Host;
use tonic::transport::{Channel, Endpoint};

use crate::folder::Folder;
use crate::gateway::{Gateway, HOSPITAL, NAMES, begin, bill, identity_number};
use crate::national::{Door, envelope, id};
use crate::national_desk::Patient;
use crate::server::{Process, onestop};

const TOKEN: &str = "TOKEN-7f3a-of-a-patient";
const PASSPORT: &str = "EJ8273645";
const PERSON_NUMBER: &str = "52000019880717099";
/// As a list or a bill has it that was typed by hand: a wrong check digit, and small letters.
const MISTYPED: [&str; 2] = ["110105194912310021", "11010519491231002x"];

/// All that says who somebody is, whole and by its telling part.
fn secrets() -> Vec<String> {
    let mut secrets: Vec<String> = NAMES.map(str::to_owned).into();
    secrets.extend([TOKEN, PASSPORT, PERSON_NUMBER].map(str::to_owned));
    for number in (0..12).map(identity_number).chain(MISTYPED.map(str::to_owned)) {
        // The day of birth with what follows is enough to find somebody in a region; and so is the number without its last digit.
        secrets.push(number[6..14].to_owned());
        secrets.push(number[..17].to_owned());
    }
    secrets
}

fn search(what: &str, text: &str) {
    for secret in secrets() {
        if let Some(place) = text.find(&secret) {
            let line = text[..place].lines().count();
            let around = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
            panic!("{what} shows {secret}, in line {line}: {around}");
        }
    }
}

/// Sends a list and reads all answers; refusals are what is wanted here.
async fn send(channel: &Channel, list: registry::ImportBegin, rows: Vec<Row>) -> String {
    let rows =
        rows.into_iter().zip(1..).map(|(row, line)| Part::Row(ImportRow { line, row: Some(row) }));
    let parts = std::iter::once(Part::Begin(list)).chain(rows);
    let messages: Vec<_> = parts.map(|part| ImportRequest { part: Some(part) }).collect();
    let mut client = RegistryServiceClient::new(channel.clone());
    let mut said = String::new();
    let mut answers = match client.import(tokio_stream::iter(messages)).await {
        Ok(answers) => answers.into_inner(),
        Err(status) => return format!("{status:?}"),
    };
    loop {
        match answers.message().await {
            Ok(Some(answer)) => said.push_str(&format!("{answer:?}\n")),
            Ok(None) => return said,
            Err(status) => return format!("{said}{status:?}"),
        }
    }
}

fn person(identity_number: &str, name: &str) -> PersonRow {
    let (identity_number, name) = (identity_number.to_owned(), name.to_owned());
    PersonRow { identity_number, name, ..PersonRow::default() }
}

/// Persons with every fault that a row can have.
fn persons() -> Vec<Row> {
    let all = person(&identity_number(5), NAMES[0]);
    let all = PersonRow {
        card_token: TOKEN.to_owned(),
        passport: PASSPORT.to_owned(),
        person_number: PERSON_NUMBER.to_owned(),
        ..all
    };
    let clash =
        PersonRow { passport: PASSPORT.to_owned(), ..person(&identity_number(6), NAMES[1]) };
    let born =
        PersonRow { birth_date: "1949-12-31".to_owned(), ..person(&identity_number(7), NAMES[2]) };
    let odd = PersonRow { birth_date: identity_number(8), ..person(&identity_number(8), NAMES[2]) };
    let wide = person(&identity_number(9), &NAMES[0].repeat(60));
    let newborn = PersonRow {
        mother_identity_number: identity_number(5),
        birth_date: "2024-06-01".to_owned(),
        ..PersonRow::default()
    };
    let twin = PersonRow { birth_date: "2024-06-02".to_owned(), ..newborn.clone() };
    let rows = [
        all,
        clash,
        born,
        odd,
        wide,
        newborn,
        twin,
        person(MISTYPED[0], NAMES[0]),
        person(MISTYPED[1], NAMES[0]),
        PersonRow::default(),
        person(NAMES[1], NAMES[1]),
    ];
    rows.into_iter().map(Row::Person).collect()
}

/// Lists with every fault that a row can have, each on somebody.
async fn lists(channel: &Channel) -> String {
    let mut said = send(channel, begin("persons-1", RowKind::Person), persons()).await;
    let coverage = |credential: &str, region: &str, from: &str| {
        Row::Coverage(registry::CoverageRow {
            credential: credential.to_owned(),
            scheme: NAMES[0].to_owned(),
            insured_region: region.to_owned(),
            valid_from: from.to_owned(),
            valid_to: String::new(),
            facts: format!("retired={}", NAMES[0]),
        })
    };
    let wrong = [
        coverage(&identity_number(11), "520200", "2024-01-01"),
        coverage(TOKEN, &identity_number(5), "2024-01-01"),
        coverage(&format!("nobody:{}", identity_number(5)), "520200", &identity_number(5)),
        coverage(MISTYPED[0], "520200", NAMES[0]),
    ];
    said += &send(channel, begin("coverage-1", RowKind::Coverage), wrong.into()).await;
    let aid = |credential: String, code: &str| {
        Row::Identity(registry::IdentityRow {
            credential,
            code: code.to_owned(),
            region: "520200".to_owned(),
            valid_from: "2024-01-01".to_owned(),
            valid_to: String::new(),
        })
    };
    let wrong =
        vec![aid(identity_number(5), &identity_number(5)), aid(PASSPORT.to_owned(), "nobody")];
    said += &send(channel, begin("aid-1", RowKind::Identity), wrong).await;
    let opening = Row::Opening(registry::OpeningRow {
        entry_id: identity_number(5),
        credential: PASSPORT.to_owned(),
        insured_region: "520200".to_owned(),
        scheme: "resident".to_owned(),
        policy_year: 2024,
        name: NAMES[0].to_owned(),
        amount: identity_number(5),
    });
    // A list that is named after a person, by somebody who is one; and one of another kind than its rows.
    let named = registry::ImportBegin {
        source: NAMES[0].to_owned(),
        ..begin(&identity_number(5), RowKind::Opening)
    };
    said += &send(channel, named, vec![opening.clone(), opening]).await;
    let wrong = vec![Row::Person(person(&identity_number(5), NAMES[0]))];
    said += &send(channel, begin(&identity_number(6), RowKind::Coverage), wrong).await;
    let undated = registry::ImportBegin {
        list_date: identity_number(5),
        region: identity_number(5),
        ..begin("undated", RowKind::Person)
    };
    said + &send(channel, undated, Vec::new()).await
}

/// A bill whose every text is somebody's number.
fn numbered(person: usize, number: &str) -> wire::Bill {
    let mut bill = bill(person, number, "2024-04-30");
    bill.operator_id = number.to_owned();
    bill.transferred_from_stay_id = number.to_owned();
    bill.facts =
        vec![wire::Fact { name: "note".to_owned(), value: format!("{} {number}", NAMES[0]) }];
    bill.lines[0].line_id = number.to_owned();
    bill
}

/// Each of a bill's texts, spoiled by who somebody is.
fn spoiled() -> Vec<wire::Bill> {
    let number = identity_number(5);
    let with = |spoil: &dyn Fn(&mut wire::Bill)| {
        let mut bill = bill(0, "Z9", "2024-05-30");
        spoil(&mut bill);
        bill
    };
    let credential = |kind: wire::CredentialKind, number: &str| {
        let (kind, number) = (kind.into(), number.to_owned());
        Some(wire::Credential { kind, number })
    };
    use wire::CredentialKind as Kind;
    vec![
        with(&|bill| bill.hospital_code = number.clone()),
        with(&|bill| bill.stay_id = NAMES[0].to_owned()),
        with(&|bill| bill.scheme = number.clone()),
        with(&|bill| bill.admission_date = number.clone()),
        with(&|bill| bill.discharge_date = NAMES[0].to_owned()),
        with(&|bill| bill.diagnosis_codes = vec![NAMES[0].to_owned(), number.clone()]),
        with(&|bill| bill.operator_id = NAMES[0].to_owned()),
        with(&|bill| {
            bill.facts = vec![wire::Fact { name: number.clone(), value: number.clone() }; 2]
        }),
        with(&|bill| {
            bill.facts = vec![wire::Fact { name: NAMES[0].to_owned(), value: String::new() }]
        }),
        with(&|bill| bill.lines[0].line_id = NAMES[0].to_owned()),
        with(&|bill| bill.lines[0].item_code = number.clone()),
        with(&|bill| bill.lines[0].quantity = number.clone()),
        with(&|bill| bill.lines[0].unit_price = NAMES[0].to_owned()),
        with(&|bill| bill.lines[0].refund_of_line_id = number.clone()),
        with(&|bill| bill.lines[0].charged_on = number.clone()),
        with(&|bill| bill.credential = credential(Kind::IdentityNumber, MISTYPED[0])),
        with(&|bill| bill.credential = credential(Kind::IdentityNumber, &number[..17])),
        with(&|bill| bill.credential = credential(Kind::Passport, NAMES[0])),
        with(&|bill| bill.credential = credential(Kind::Passport, "EJ 8273645")),
        with(&|bill| bill.credential = credential(Kind::CardToken, TOKEN)),
        with(&|bill| bill.credential = credential(Kind::NewbornOfMother, &number)),
        with(&|bill| bill.credential = credential(Kind::PersonNumber, PERSON_NUMBER)),
    ]
}

/// Who somebody is and who looked at their data, asked well and badly.
async fn look_up(channel: &Channel, stay: &str) {
    let mut desk = SettlementServiceClient::new(channel.clone());
    let mut accesses = AccessServiceClient::new(channel.clone());
    for (number, on_date) in
        [(identity_number(0), ""), (identity_number(0), NAMES[0]), (stay.to_owned(), stay)]
    {
        let kind = wire::CredentialKind::IdentityNumber.into();
        let credential = Some(wire::Credential { kind, number });
        let on_date = on_date.to_owned();
        let standing = wire::GetStandingRequest { credential: credential.clone(), on_date };
        desk.get_standing(standing).await.ok();
        for to_date in [String::new(), stay.to_owned()] {
            let credential = credential.clone();
            let list = ListAccessesRequest { credential, to_date, ..Default::default() };
            accesses.list_accesses(list).await.ok();
        }
    }
}

/// A day at a desk where patients' numbers serve as ids. What is answered names ids, and is not searched.
async fn desk(channel: &Channel) {
    let mut desk = SettlementServiceClient::new(channel.clone());
    let settle = |request: &str, bill: wire::Bill, quote_token: Vec<u8>| wire::SettleRequest {
        request_id: request.to_owned(),
        bill: Some(bill),
        quote_token,
    };
    let [stay, request, reversal] = [5, 6, 7].map(identity_number);
    let plain = || bill(0, &stay, "2024-06-30");
    let quoted = desk.quote(wire::QuoteRequest { bill: Some(plain()) }).await.unwrap();
    assert!(quoted.into_inner().outcome.is_some());
    for _ in 0..2 {
        desk.settle(settle(&request, plain(), Vec::new())).await.unwrap();
    }
    // The same stay under another id, another body under the same one, and a token that is somebody's number.
    desk.settle(settle("R2", plain(), Vec::new())).await.unwrap_err();
    desk.settle(settle(&request, bill(1, "Z2", "2024-06-30"), Vec::new())).await.unwrap_err();
    desk.settle(settle("R3", plain(), stay.clone().into_bytes())).await.unwrap_err();
    desk.settle(settle(NAMES[0], plain(), Vec::new())).await.unwrap_err();
    desk.settle(settle("R4", numbered(1, &stay), Vec::new())).await.ok();
    for bill in spoiled() {
        desk.quote(wire::QuoteRequest { bill: Some(bill.clone()) }).await.ok();
        desk.settle(settle("R5", bill, Vec::new())).await.ok();
    }
    let by_request = |hospital: &str, request: &str| {
        let key =
            wire::RequestKey { hospital_code: hospital.to_owned(), request_id: request.to_owned() };
        wire::get_settlement_request::Key::Request(key)
    };
    for key in [
        by_request(HOSPITAL, &request),
        by_request(HOSPITAL, &reversal),
        by_request(&stay, NAMES[0]),
        wire::get_settlement_request::Key::SettlementId(stay.clone()),
        wire::get_settlement_request::Key::SettlementId(NAMES[0].to_owned()),
    ] {
        desk.get_settlement(wire::GetSettlementRequest { key: Some(key) }).await.ok();
    }
    look_up(channel, &stay).await;
    use wire::reverse_request::Target;
    for target in [
        Target::OriginalRequestId(request.clone()),
        Target::OriginalRequestId(identity_number(8)),
        Target::OriginalRequestId(NAMES[0].to_owned()),
        Target::SettlementId(stay.clone()),
    ] {
        for (request_id, reason) in [(&reversal, NAMES[0]), (&stay, "二次结算")] {
            let reverse = wire::ReverseRequest {
                request_id: request_id.clone(),
                hospital_code: HOSPITAL.to_owned(),
                target: Some(target.clone()),
                reason: format!("{reason}{request_id}"),
                operator_id: stay.clone(),
            };
            desk.reverse(reverse).await.ok();
        }
    }
}

/// The same by the national door: a stay from admission to reversal, then each text of each message spoiled.
async fn national_desk(address: SocketAddr) {
    let door = Door::at(address);
    let patient = Patient::charged(&door, 1, 1).await;
    let settled = door.done("2304", &id(5), patient.to_settle("36000.00")).await;
    let settlement = settled["setlinfo"]["setl_id"].as_str().unwrap();
    for transaction in ["5203", "5204", "5206", "2305"] {
        door.done(transaction, &id(6), patient.of(&[("setl_id", settlement)])).await;
    }
    let number = identity_number(5);
    let texts = [number.as_str(), MISTYPED[1], NAMES[0]];
    let names = [
        "psn_no",
        "mdtrt_id",
        "mdtrt_cert_type",
        "mdtrt_cert_no",
        "setl_id",
        "msgid",
        "omsgid",
        "oinfno",
        "insutype",
        "begntime",
        "endtime",
        "med_type",
        "medfee_sumamt",
        "dscgTime",
        "feedetl_sn",
        "med_list_codg",
        "cnt",
        "pric",
        "det_item_fee_sumamt",
        "fee_ocur_time",
        "init_feedetl_sn",
        "diag_code",
        "diag_name",
        "cum_ym",
        "opter_no",
        "sign_no",
    ];
    let transactions = [
        "1101", "2401", "2402", "2301", "2302", "2303", "2304", "2305", "2601", "5203", "5204",
        "5206", "OS01", "9001", "9002",
    ];
    for text in texts {
        for transaction in transactions {
            // As good as can be but for one text; and then all of them.
            for spoiled in names.iter().map(std::slice::from_ref).chain([names.as_slice()]) {
                let mut part = patient.to_settle("36000.00")["data"].take();
                part["med_type"] = json!("14");
                part["begntime"] = json!("2024-06-30");
                for name in spoiled {
                    part[*name] = json!(text);
                }
                let input = json!({
                    "data": part, "mdtrtinfo": part, "dscginfo": part, "feedetail": [part], "diseinfo": [part], "signIn": part,
                    "signOut": part,
                });
                door.post(&envelope(transaction, &id(7), input).to_string()).await;
            }
        }
        let plain = || envelope("1101", &id(8), json!({"data": {}}));
        for (name, _) in plain().as_object().unwrap() {
            let mut spoiled = plain();
            spoiled[name] = json!(text);
            door.post(&spoiled.to_string()).await;
        }
        door.post(text).await;
    }
}

/// A command of `onestop` that is given people, and what it said to the terminal and wrote into its file of rejects.
fn command(folder: &Folder, server: &str, list: (&str, &str), arguments: &[&str]) -> String {
    let (name, text) = list;
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let output = onestop(folder)
        .args(arguments)
        .arg(file)
        .args(["--server", server])
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert!(!output.status.success(), "{arguments:?} was to be refused");
    let rejects = std::fs::read_to_string(format!("{file}.rejects.csv")).unwrap_or_default();
    String::from_utf8([output.stdout, output.stderr, rejects.into_bytes()].concat()).unwrap()
}

fn commands(folder: &Folder, server: &str) -> String {
    let (number, name) = (identity_number(9), NAMES[0]);
    let list = format!(
        "identity_number,name,birth_date\n{0},{name},1949-12-31\n{number},{name}\n",
        MISTYPED[0]
    );
    let aid = format!("credential,code\n{number},{number}\n{PASSPORT},nobody\n");
    let shifted = format!("hospital_code,level,name\nH1,{number},人民医院\n");
    let headless = format!("{number},{name}\n");
    let header = format!("identity_number,{number}\n{number},{name}\n");
    let opening = format!("entry_id,credential,policy_year,amount\nE1,{number},{number},1\n");
    let bills = [
        format!(r#"{{"bill":{{"credential":"{number}"}}}}"#),
        format!(r#"{{"bill":{{"credential":{{"kind":"{name}","number":"{number}"}}}}}}"#),
        format!(r#"{{"bill":{{"careType":"{number}"}}}}"#),
        format!(r#"{{"bill":{{"totalFen":"{number}"}}}}"#),
        format!(r#"{{"bill":{{"{number}":1}}}}"#),
    ];
    let mut said = String::new();
    for (kind, list) in [
        ("person", &list),
        ("identity", &aid),
        ("hospital", &shifted),
        ("person", &headless),
        ("person", &header),
        ("opening", &opening),
    ] {
        said += &command(folder, server, ("list.csv", list), &["import", kind]);
    }
    for bill in &bills {
        said += &command(folder, server, ("bill.json", bill), &["settle"]);
    }
    said
}

async fn a_day(filter: &str) {
    let gateway = Gateway::start().await;
    assert!(gateway.app.claims_database().await.unwrap());
    let [Host::Unix(socket)] = gateway.database.config.get_hosts() else {
        unreachable!("a socket")
    };
    let socket = socket.to_str().unwrap().replace('/', "%2F");
    let database = gateway.database.config.get_dbname().unwrap();
    let folder = Folder::new("redaction");
    let mut serve = onestop(&folder);
    serve
        .env("ONESTOP_DATABASE_URL", format!("postgres://onestop@{socket}:5432/{database}"))
        .env("ONESTOP_KEYS_DIR", gateway.keys_dir())
        .env("ONESTOP_RULES_DIR", gateway.rules.path())
        .env("ONESTOP_NATIONAL_LISTEN", "127.0.0.1:0")
        .env("ONESTOP_LOG_FILTER", filter);
    let process = Process::run(&mut serve);
    let server = format!("http://{}", process.listen);
    let channel = Endpoint::from_shared(server.clone()).unwrap().connect().await.unwrap();
    let answers = lists(&channel).await;
    assert!(answers.contains("IDENTITY_NUMBER_CHECK_DIGIT"), "{answers}");
    search("an answer to a list", &answers);
    desk(&channel).await;
    national_desk(process.national()).await;
    let said = commands(&folder, &server);
    assert!(said.contains("IDENTITY_NUMBER_CHECK_DIGIT"), "{said}");
    search("the command line", &said);
    search("the scrape", &process.get("/metrics"));
    drop(channel);
    let (status, log) = process.end_and_tell(Signal::TERM);
    assert!(status.success());
    assert!(log.contains("Refused a call") && log.contains("onestop::"), "it logged");
    search("the log", &log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_comes_out_at_level_debug_says_who_somebody_is() {
    a_day("debug").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_comes_out_at_level_trace_says_who_somebody_is() {
    a_day("trace,tokio_postgres=trace,h2=trace").await;
}
