//! Who looked at whose data: a record of each read, durable before the answer or a moment later, and read back by the bureau.

use std::process::Stdio;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use onestop::app::{Access, Caller, Days, Page, Place, Reach, Role, What};
use onestop::domain::ids::{HospitalCode, PersonId, RegionCode};
use onestop::door::wire::access::v1 as access_wire;
use onestop::door::wire::access::v1::access_service_client::AccessServiceClient;
use onestop::door::wire::settlement::v1 as wire;
use onestop::door::wire::settlement::v1::settlement_service_client::SettlementServiceClient;
use onestop::limits;
use onestop::store::{self, accesses_of, flush_accesses, note_access};
use rustix::process::Signal;
use tokio_postgres::config::Host;
use tonic::Code;
use tonic::transport::Endpoint;

use crate::gateway::{Gateway, HOSPITAL, bill, identity_number, refused};
use crate::harness::Database;
use crate::national::{Door, id};
use crate::national_desk::{self, Patient};
use crate::server::{Process, onestop};

/// Who looked, at what, at which settlement and what for, in the order of time.
async fn records(gateway: &Gateway) -> Vec<[String; 6]> {
    let owner = gateway.database.owner().await;
    let all = "SELECT caller_name, caller_kind, door, what, coalesce(settlement_id, ''), coalesce(purpose, '')
        FROM access_record ORDER BY read_at, access_id";
    let rows = owner.query(all, &[]).await.unwrap();
    rows.iter().map(|row| std::array::from_fn(|place| row.get(place))).collect()
}

/// What was seen, each by the desk.
async fn seen(gateway: &Gateway) -> Vec<(String, String)> {
    let records = records(gateway).await.into_iter();
    let seen = records.map(|[name, kind, door, what, settlement, purpose]| {
        let by = [name.as_str(), &kind, &door, &purpose];
        assert_eq!(by, ["development", "development", "grpc", ""]);
        (what, settlement)
    });
    seen.collect()
}

fn credential(person: usize) -> wire::Credential {
    let number = identity_number(person);
    wire::Credential { kind: wire::CredentialKind::IdentityNumber.into(), number }
}

fn standing_of(person: usize) -> wire::GetStandingRequest {
    wire::GetStandingRequest { credential: Some(credential(person)), on_date: String::new() }
}

fn settle(request: &str, bill: wire::Bill) -> wire::SettleRequest {
    let request_id = request.to_owned();
    wire::SettleRequest { request_id, bill: Some(bill), quote_token: Vec::new() }
}

async fn settled(gateway: &Gateway, request: &str, bill: wire::Bill) -> String {
    let answer = gateway.desk.clone().settle(settle(request, bill)).await.unwrap().into_inner();
    let Some(wire::settle_response::Outcome::Settlement(settled)) = answer.outcome else {
        panic!("{answer:?}")
    };
    settled.settlement_id
}

#[tokio::test]
async fn a_standing_is_answered_once_it_is_recorded_with_what_it_is_for() {
    let gateway = Gateway::start().await;
    let mut request = tonic::Request::new(standing_of(0));
    request.metadata_mut().insert("onestop-purpose", "complaint-review".parse().unwrap());
    gateway.desk.clone().get_standing(request).await.unwrap();
    let expected = ["development", "development", "grpc", "standing", "", "complaint-review"];
    assert_eq!(records(&gateway).await, [expected]);

    let mut request = tonic::Request::new(standing_of(0));
    let number = identity_number(0).parse().unwrap();
    request.metadata_mut().insert("onestop-purpose", number);
    let status = gateway.desk.clone().get_standing(request).await.unwrap_err();
    let had = refused(&status);
    assert_eq!((had.code, had.field.as_str()), (Code::InvalidArgument, "onestop-purpose"));
    // Of nobody there is nothing to see.
    gateway.desk.clone().get_standing(standing_of(9)).await.unwrap_err();
    assert_eq!(records(&gateway).await.len(), 1);
}

#[tokio::test]
async fn every_way_to_see_a_settlement_is_recorded_and_a_settlement_is_its_own_record() {
    let gateway = Gateway::start().await;
    let id = settled(&gateway, "R1", bill(0, "Z1", "2024-06-30")).await;
    gateway.app.finish().await;
    assert_eq!(seen(&gateway).await, []);

    let mut desk = gateway.desk.clone();
    let key = wire::RequestKey { hospital_code: HOSPITAL.to_owned(), request_id: "R1".to_owned() };
    for key in [
        wire::get_settlement_request::Key::Request(key),
        wire::get_settlement_request::Key::SettlementId(id.clone()),
    ] {
        desk.get_settlement(wire::GetSettlementRequest { key: Some(key) }).await.unwrap();
    }
    let found = ("settlement".to_owned(), id.clone());
    assert_eq!(seen(&gateway).await, [found.clone(), found.clone()], "durable before the answer");

    // A repeat, and a refusal that names it.
    assert_eq!(settled(&gateway, "R1", bill(0, "Z1", "2024-06-30")).await, id);
    desk.settle(settle("R2", bill(0, "Z1", "2024-06-30"))).await.unwrap_err();
    // A reversal that is refused names the settlement in its way.
    let newer = settled(&gateway, "R3", bill(0, "Z2", "2024-07-31")).await;
    let reverse = wire::ReverseRequest {
        request_id: "V1".to_owned(),
        hospital_code: HOSPITAL.to_owned(),
        target: Some(wire::reverse_request::Target::SettlementId(id.clone())),
        reason: "test".to_owned(),
        operator_id: "desk-1".to_owned(),
    };
    let status = desk.reverse(reverse).await.unwrap_err();
    assert_eq!(refused(&status).reason, "NOT_NEWEST");
    assert!(gateway.app.finish().await);
    let expected = [vec![found; 4], vec![("settlement".to_owned(), newer)]].concat();
    assert_eq!(seen(&gateway).await, expected);
}

#[tokio::test]
async fn a_quote_and_a_decline_are_recorded_a_moment_later() {
    let gateway = Gateway::start().await;
    let mut desk = gateway.desk.clone();
    let mut quote = async |bill: wire::Bill| {
        desk.quote(wire::QuoteRequest { bill: Some(bill) }).await.unwrap();
    };
    quote(bill(0, "Z1", "2024-06-30")).await;
    // Insured elsewhere, where no rules are; and somebody whom nobody knows.
    quote(bill(2, "Z2", "2024-06-30")).await;
    quote(bill(9, "Z3", "2024-06-30")).await;
    gateway.desk.clone().settle(settle("R4", bill(2, "Z4", "2024-06-30"))).await.unwrap();
    assert!(gateway.app.finish().await);
    let what: Vec<_> = seen(&gateway).await.into_iter().map(|(what, _)| what).collect();
    assert_eq!(what, ["quote", "decline", "decline"]);
}

/// What was seen by the national door since so many records, and of which settlement: all of it is there when the answer is.
async fn seen_since(gateway: &Gateway, before: usize) -> Vec<(String, String)> {
    let records = records(gateway).await.into_iter().skip(before);
    let seen = records.map(|[name, kind, door, what, settlement, _]| {
        assert_eq!([name.as_str(), &kind, &door], ["development", "development", "national"]);
        (what, settlement)
    });
    seen.collect()
}

#[tokio::test]
async fn every_look_by_the_national_door_is_recorded_before_the_answer() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let what = |what: &str, settlement: &str| (what.to_owned(), settlement.to_owned());
    // 1101, and an admission, which looks the person up too.
    let person = [what("standing", ""), what("name", "")];
    national_desk::find(&door, 0, 1).await;
    assert_eq!(seen_since(&gateway, 0).await, person);
    let patient = Patient::charged(&door, 0, 2).await;
    assert_eq!(seen_since(&gateway, 2).await, [person.clone(), person].concat());
    // 5204 of a stay that goes on, 5206.
    door.done("5204", &id(10), patient.of(&[])).await;
    assert_eq!(seen_since(&gateway, 6).await, [what("charges", "")]);
    door.done("5206", &id(11), patient.of(&[("cum_ym", "202406")])).await;
    assert_eq!(seen_since(&gateway, 7).await, [what("standing", "")]);
    // A settlement is its own record; 5203 by its id and by its message; 5204.
    let settled = door.done("2304", &id(12), patient.to_settle("36000.00")).await;
    let settlement = settled["setlinfo"]["setl_id"].as_str().unwrap();
    door.done("5203", &id(13), patient.of(&[("setl_id", settlement)])).await;
    door.done("5203", &id(14), patient.of(&[("msgid", &id(12))])).await;
    door.done("5204", &id(15), patient.of(&[])).await;
    let found = what("settlement", settlement);
    let expected = [found.clone(), found.clone(), what("charges", settlement)];
    assert_eq!(seen_since(&gateway, 8).await, expected);
    // 2305 looks at what it is to reverse.
    door.done("2305", &id(16), patient.of(&[("setl_id", settlement)])).await;
    assert_eq!(seen_since(&gateway, 11).await, [found]);
    assert!(gateway.app.finish().await);
    assert_eq!(records(&gateway).await.len(), 12);
}

/// 2301, 2302 and 2601 of a stay that is settled.
#[tokio::test]
async fn a_refusal_of_the_national_door_that_names_a_settlement_is_recorded() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let patient = Patient::charged(&door, 0, 1).await;
    let settled = door.done("2304", &id(10), patient.to_settle("36000.00")).await;
    let settlement = settled["setlinfo"]["setl_id"].as_str().unwrap();
    let before = records(&gateway).await.len();
    let admission = [("omsgid", id(2)), ("oinfno", "2401".to_owned())];
    let admission = admission.each_ref().map(|(name, text)| (*name, text.as_str()));
    for (transaction, number, input) in [
        ("2301", 11, patient.fees(&[("9", "A01", 1)])),
        ("2302", 12, patient.of(&[("feedetl_sn", "1")])),
        ("2601", 13, patient.of(&admission)),
    ] {
        assert_eq!(door.code(transaction, &id(number), input).await, "OS-REF-004", "{transaction}");
    }
    assert!(gateway.app.finish().await);
    let found = ("settlement".to_owned(), settlement.to_owned());
    assert_eq!(seen_since(&gateway, before).await, [found.clone(), found.clone(), found]);
}

#[tokio::test]
async fn what_can_not_be_recorded_is_not_answered_and_a_quote_does_not_wait() {
    let gateway = Gateway::start().await;
    let owner = gateway.database.owner().await;
    owner.batch_execute("BEGIN; LOCK TABLE access_record IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut desk = gateway.desk.clone();
    let status = desk.get_standing(standing_of(0)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let quote = wire::QuoteRequest { bill: Some(bill(1, "Z1", "2024-06-30")) };
    desk.quote(quote).await.unwrap();
    assert!(0 < gateway.app.pool.access_backlog());
    owner.batch_execute("COMMIT").await.unwrap();
    assert!(gateway.app.finish().await);
    assert_eq!(gateway.app.pool.access_backlog(), 0);
    let seen = seen(&gateway).await;
    assert!(seen.contains(&("quote".to_owned(), String::new())), "{seen:?}");
}

fn access(person: i64, purpose: Option<&str>) -> Access {
    Access {
        person: PersonId::new(person).unwrap(),
        at: "2024-06-30T00:00:00Z".parse().unwrap(),
        caller_name: "somebody".to_owned(),
        caller_kind: "development".into(),
        door: "grpc".into(),
        what: What::Quote,
        settlement: None,
        purpose: purpose.map(str::to_owned),
    }
}

/// How many there are, as read page by page.
async fn of(database: &Database, person: i64) -> usize {
    let person = PersonId::new(person).unwrap();
    let before = "2030-01-01T00:00:00Z".parse().unwrap();
    let mut after = Place { at: Timestamp::UNIX_EPOCH, id: i64::MAX };
    let mut count = 0;
    loop {
        let listed = accesses_of(&database.pool, person, (after, before), 2_000).await.unwrap();
        count += listed.accesses.len();
        let Some(next) = listed.next else { return count };
        assert!(listed.accesses.len() == 2_000 && after < next);
        after = next;
    }
}

#[tokio::test]
async fn a_full_queue_is_waited_for_then_refused_and_all_of_it_is_written() {
    let database = Database::new().await;
    let owner = database.owner().await;
    owner.batch_execute("BEGIN; LOCK TABLE access_record IN ACCESS EXCLUSIVE MODE").await.unwrap();
    for _ in 0..limits::ACCESS_BACKLOG_MAX {
        note_access(&database.pool, access(7, None)).await.unwrap();
    }
    let refused = note_access(&database.pool, access(7, None)).await.unwrap_err();
    assert!(refused.is_busy(), "{refused}");
    assert_eq!(database.pool.access_backlog(), limits::ACCESS_BACKLOG_MAX);
    owner.batch_execute("COMMIT").await.unwrap();
    assert!(flush_accesses(&database.pool).await);
    // All of one moment, and each is there once.
    assert_eq!(of(&database, 7).await, limits::ACCESS_BACKLOG_MAX);
}

#[tokio::test]
async fn one_bad_record_does_not_keep_its_neighbours() {
    let database = Database::new().await;
    for purpose in [None, Some("11010519491231002X"), Some("audit")] {
        note_access(&database.pool, access(7, purpose)).await.unwrap();
    }
    assert!(flush_accesses(&database.pool).await);
    assert_eq!(of(&database, 7).await, 2);
    let refused = store::record_access(&database.pool, access(8, Some("Bad"))).await.unwrap_err();
    assert!(!refused.is_busy(), "{refused}");
    store::record_access(&database.pool, access(8, Some("good"))).await.unwrap();
    assert_eq!(of(&database, 8).await, 1);
}

#[tokio::test]
async fn the_list_is_read_back_by_days_and_leaves_a_record_itself() {
    let gateway = Gateway::start().await;
    gateway.desk.clone().get_standing(standing_of(0)).await.unwrap();
    gateway.desk.clone().get_standing(standing_of(1)).await.unwrap();
    let caller = caller_of("bureau", Role::Development);
    let first = gateway.app.credential(1, &identity_number(0));
    let today = gateway.app.now().day;
    let list = async |days: Days| {
        let page = Page { days, ..Page::default() };
        let listed = gateway.app.accesses(&caller, &first, page).await.unwrap();
        assert_eq!(listed.next, None);
        listed
            .accesses
            .into_iter()
            .map(|access| (access.caller_name, access.what))
            .collect::<Vec<_>>()
    };
    let desk = ("development".to_owned(), What::Standing);
    let bureau = ("bureau".to_owned(), What::Accesses);
    assert_eq!(list(Days::default()).await, slice::from_ref(&desk));
    let tomorrow = today.tomorrow().unwrap();
    let since = list(Days { from: Some(today.yesterday().unwrap()), to: Some(tomorrow) }).await;
    assert_eq!(since, [desk, bureau]);
    assert_eq!(list(Days { from: Some(tomorrow), to: None }).await, []);
    assert_eq!(list(Days { from: None, to: Some(today.yesterday().unwrap()) }).await, []);
    let nobody = gateway.app.credential(1, &identity_number(9));
    let refused = gateway.app.accesses(&caller, &nobody, Page::default()).await.unwrap_err();
    assert_eq!(refused.to_string(), "refused: PERSON_UNKNOWN");
}

/// A page of one or as many as there may be.
async fn page(gateway: &Gateway, page_size: u32, page_token: Vec<u8>) -> (Vec<String>, Vec<u8>) {
    let mut request = tonic::Request::new(access_wire::ListAccessesRequest {
        credential: Some(credential(0)),
        from_date: gateway.app.now().day.yesterday().unwrap().to_string(),
        to_date: String::new(),
        page_size,
        page_token,
    });
    request.metadata_mut().insert("onestop-purpose", "complaint-review".parse().unwrap());
    let mut client = AccessServiceClient::new(gateway.channel.clone());
    let page = client.list_accesses(request).await.unwrap().into_inner();
    let told = page.accesses.into_iter().map(|access| {
        let access_wire::Access {
            at,
            caller_name,
            caller_kind,
            door,
            what,
            settlement_id,
            purpose,
        } = access;
        assert!(at.parse::<Timestamp>().is_ok() && at.ends_with("+08:00"), "{at}");
        [caller_name, caller_kind, door, what, settlement_id, purpose].join(" ")
    });
    (told.collect(), page.next_page_token)
}

#[tokio::test]
async fn a_server_tells_them_page_by_page_and_each_page_leaves_a_record() {
    let gateway = Gateway::start().await;
    let id = settled(&gateway, "R1", bill(0, "Z1", "2024-06-30")).await;
    let mut desk = gateway.desk.clone();
    desk.get_standing(standing_of(0)).await.unwrap();
    let key = wire::get_settlement_request::Key::SettlementId(id.clone());
    desk.get_settlement(wire::GetSettlementRequest { key: Some(key) }).await.unwrap();
    desk.get_standing(standing_of(1)).await.unwrap();
    let standing = "development development grpc standing  ".to_owned();
    let found = format!("development development grpc settlement {id} ");
    let asked = "development development grpc accesses  complaint-review".to_owned();

    let (first, token) = page(&gateway, 1, Vec::new()).await;
    assert_eq!(first, slice::from_ref(&standing));
    let (second, token) = page(&gateway, 1, token).await;
    assert_eq!(second, slice::from_ref(&found));
    let (third, token) = page(&gateway, 1, token).await;
    assert_eq!(third, slice::from_ref(&asked));
    let (rest, token) = page(&gateway, 0, token).await;
    assert_eq!((rest, token), (vec![asked.clone(); 2], Vec::new()));
    let (whole, token) = page(&gateway, u32::MAX, Vec::new()).await;
    let expected = [vec![standing, found], vec![asked; 4]].concat();
    assert_eq!((whole, token), (expected, Vec::new()));
}

fn caller_of(name: &str, role: Role) -> Caller {
    Caller { name: name.to_owned(), role, door: "grpc", purpose: None, deadline: None }
}

#[tokio::test]
async fn who_looked_is_told_to_a_bureau_of_the_region_and_to_nobody_else() {
    let gateway = Gateway::start().await;
    let of = gateway.app.credential(1, &identity_number(0));
    let reach = |region: &str| {
        Arc::new(Reach { schemes: Vec::new(), regions: vec![RegionCode::new(region).unwrap()] })
    };
    let asked = async |role: Role| {
        let listed = gateway.app.accesses(&caller_of("c", role), &of, Page::default()).await;
        listed.map(|_| String::new()).unwrap_or_else(|error| error.to_string())
    };
    assert_eq!(asked(Role::Bureau(reach("520200"))).await, "");
    // Of whom another region insures it is not told whether there is such a person.
    assert_eq!(asked(Role::Bureau(reach("110000"))).await, "refused: PERSON_UNKNOWN");
    for role in [
        Role::Hospital(HospitalCode::new(HOSPITAL).unwrap()),
        Role::Insurer(reach("520200")),
        Role::Administrator,
    ] {
        assert_eq!(asked(role).await, "refused: NOT_ALLOWED");
    }
    let told: Vec<_> = records(&gateway).await.into_iter().map(|[_, kind, ..]| kind).collect();
    assert_eq!(told, ["bureau"], "and only what was told is recorded");
}

pub(crate) fn url(database: &Database) -> String {
    let [Host::Unix(socket)] = database.config.get_hosts() else { unreachable!("a socket") };
    let socket = socket.to_str().unwrap().replace('/', "%2F");
    format!("postgres://onestop@{socket}:5432/{}", database.config.get_dbname().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_lists_them_by_a_number_from_a_file_or_standard_input() {
    let gateway = Gateway::start().await;
    gateway.desk.clone().get_standing(standing_of(0)).await.unwrap();
    let id = settled(&gateway, "R1", bill(0, "Z1", "2024-06-30")).await;
    let key = wire::get_settlement_request::Key::SettlementId(id.clone());
    gateway
        .desk
        .clone()
        .get_settlement(wire::GetSettlementRequest { key: Some(key) })
        .await
        .unwrap();
    let file = gateway.keys_dir().join("number");
    std::fs::write(&file, format!("{}\n", identity_number(0).to_lowercase())).unwrap();
    let list = |arguments: &[&str], from_file: bool| {
        let mut command = onestop(&gateway.rules);
        command
            .env("ONESTOP_DATABASE_URL", url(&gateway.database))
            .env("ONESTOP_KEYS_DIR", gateway.keys_dir())
            .args(["access", "list", "--credential-kind", "identity-number"])
            .args(arguments)
            .stdout(Stdio::piped());
        if from_file {
            command.arg("--credential-file").arg(&file);
        } else {
            command.stdin(std::fs::File::open(&file).unwrap());
        }
        let output = command.output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!said.contains(&identity_number(0)[..14]), "{said}");
        (output.status.code(), said)
    };
    let (code, text) = list(&["--purpose", "complaint-review"], false);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains("内容 what") && text.contains(&format!("settlement\t{id}")), "{text}");
    let (_, csv) = list(&["--format", "csv"], true);
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 4, "{csv}");
    assert!(lines[0].starts_with("read_at,caller_name,"), "{csv}");
    let own = format!(
        ",uid-{},command_line,cli,accesses,,complaint-review",
        rustix::process::getuid().as_raw()
    );
    assert!(lines[3].ends_with(&own), "{csv}");
    let (_, json) = list(&["--format", "json", "--to", "2020-01-01"], true);
    assert_eq!(json, "");
    let (_, json) = list(&["--format", "json"], true);
    let last: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!((&last["what"], &last["door"]), (&"accesses".into(), &"cli".into()));

    // The same of a server: what its certificate names is who asks.
    let server = format!("http://{}", gateway.address);
    let (code, csv) = list(&["--server", &server, "--format", "csv", "--purpose", "audit"], true);
    assert_eq!((code, csv.lines().count()), (Some(0), 1 + 2 + 4), "{csv}");
    assert!(csv.starts_with(&lines[..4].join("\n")), "{csv}");
    let (_, json) = list(&["--server", &server, "--format", "json"], false);
    let last: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    let told = [&last["caller_name"], &last["door"], &last["what"], &last["purpose"]];
    assert_eq!(told, ["development", "grpc", "accesses", "audit"]);

    std::fs::write(&file, identity_number(9)).unwrap();
    for arguments in [&[][..], &["--server", &server]] {
        let (code, said) = list(arguments, true);
        assert!(code == Some(1) && said.contains("PERSON_UNKNOWN"), "{said}");
    }
    std::fs::write(&file, "110105194912310021").unwrap();
    let (code, said) = list(&[], true);
    assert!(code == Some(64) && said.contains("IDENTITY_NUMBER_CHECK_DIGIT"), "{said}");
    assert!(!said.contains("19491231"), "{said}");
}

#[tokio::test]
async fn a_server_that_stops_writes_the_records_of_its_last_moment() {
    let gateway = Gateway::start().await;
    assert!(gateway.app.claims_database().await.unwrap());
    let mut command = onestop(&gateway.rules);
    command
        .env("ONESTOP_DATABASE_URL", url(&gateway.database))
        .env("ONESTOP_KEYS_DIR", gateway.keys_dir())
        .env("ONESTOP_RULES_DIR", gateway.rules.path());
    let process = Process::run(&mut command);
    let endpoint = Endpoint::from_shared(format!("http://{}", process.listen)).unwrap();
    let mut desk = SettlementServiceClient::new(
        endpoint.connect_timeout(Duration::from_secs(5)).connect().await.unwrap(),
    );
    for _ in 0..20 {
        let quote = wire::QuoteRequest { bill: Some(bill(0, "Z1", "2024-06-30")) };
        desk.quote(quote).await.unwrap();
    }
    assert!(process.get("/metrics").contains("onestop_access_backlog"));
    drop(desk);
    assert!(process.end(Signal::TERM).success());
    let what: Vec<_> = seen(&gateway).await.into_iter().map(|(what, _)| what).collect();
    assert_eq!(what, ["quote"; 20]);
}
