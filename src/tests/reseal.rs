//! Rotating the envelope keys: sealed anew beside servers, interrupted and gone on with, and no byte of history touched.

use std::process::Output;
use std::sync::Arc;

use onestop::app::{KeyOf, Resealing, sealed_under};
use onestop::domain::ids::PersonId;
use onestop::door::wire::registry::v1 as registry;
use onestop::door::wire::registry::v1::registry_service_client::RegistryServiceClient;
use onestop::door::wire::settlement::v1 as wire;
use onestop::keys::{self, Keys};
use rustix::process::Signal;
use tokio_postgres::config::Host;

use crate::gateway::{Gateway, NAMES, bill, identity_number};
use crate::harness::Database;
use crate::server::{Process, onestop};

const PERSONS: usize = 40;

/// A gateway with some persons, some of them unnamed, and a settlement and a reversal in its history.
async fn with_history() -> Gateway {
    let gateway = Gateway::start().await;
    let persons = (3..PERSONS).map(|number| {
        registry::import_row::Row::Person(registry::PersonRow {
            identity_number: identity_number(number),
            name: format!("{}{number}", NAMES[number % 3]),
            ..registry::PersonRow::default()
        })
    });
    gateway.take(registry::RowKind::Person, persons.collect()).await;
    let newborn = registry::import_row::Row::Person(registry::PersonRow {
        mother_identity_number: identity_number(1),
        birth_date: "2024-05-01".to_owned(),
        ..registry::PersonRow::default()
    });
    gateway.take(registry::RowKind::Person, vec![newborn]).await;
    for (request, person) in [("R1", 0), ("R2", 1)] {
        let settle = wire::SettleRequest {
            request_id: request.to_owned(),
            bill: Some(bill(person, request, "2024-06-30")),
            quote_token: Vec::new(),
        };
        gateway.desk.clone().settle(settle).await.unwrap();
    }
    let reverse = wire::ReverseRequest {
        request_id: "V2".to_owned(),
        hospital_code: crate::gateway::HOSPITAL.to_owned(),
        target: Some(wire::reverse_request::Target::OriginalRequestId("R2".to_owned())),
        ..wire::ReverseRequest::default()
    };
    gateway.desk.clone().reverse(reverse).await.unwrap();
    gateway
}

/// Every byte of every table, but for the sealed names.
async fn all_but_names(database: &Database) -> Vec<String> {
    let owner = database.owner().await;
    owner.batch_execute("SET bytea_output = 'hex'").await.unwrap();
    let tables = "SELECT relname::text FROM pg_class WHERE relkind = 'r'
        AND relnamespace = 'public'::regnamespace AND relname <> 'access_record' ORDER BY 1";
    let mut all = Vec::new();
    for row in owner.query(tables, &[]).await.unwrap() {
        let table: String = row.get(0);
        let rows =
            format!("SELECT (to_jsonb(t) - 'name_sealed')::text AS row FROM {table} t ORDER BY 1");
        let rows = owner.query(&rows, &[]).await.unwrap();
        all.extend(rows.iter().map(|row| format!("{table}: {}", row.get::<_, String>(0))));
    }
    assert!(all.iter().any(|row| row.starts_with("charge_lines: ")));
    all
}

async fn under(database: &Database) -> Vec<(KeyOf, u64)> {
    let under = sealed_under(&database.pool).await.unwrap();
    under.iter().map(|under| (under.key, under.persons)).collect()
}

/// How many of the names a gateway opens, each for its person.
async fn names_opened(gateway: &Gateway, keys: &Keys) -> usize {
    let owner = gateway.database.owner().await;
    let sealed = "SELECT person_id, name_sealed FROM person_head WHERE name_sealed IS NOT NULL";
    let rows = owner.query(sealed, &[]).await.unwrap();
    let named = rows.iter().filter(|row| {
        let (person, sealed): (i64, Vec<u8>) = (row.get(0), row.get(1));
        let name = keys.open_name(&sealed, &person.to_string()).unwrap();
        NAMES.iter().any(|known| name.starts_with(known))
    });
    named.count()
}

#[tokio::test]
async fn what_is_interrupted_is_gone_on_with_and_history_keeps_every_byte() {
    let gateway = with_history().await;
    let database = &gateway.database;
    let before = all_but_names(database).await;
    assert_eq!(under(database).await, [(KeyOf::Key(1), 40), (KeyOf::Nothing, 1)]);

    // Another process rotates and seals anew; the gateway has been running since before that.
    assert_eq!(keys::rotate(&gateway.keys_dir()).unwrap(), 2);
    let rotated = Keys::load(&gateway.keys_dir()).unwrap();
    assert_eq!(names_opened(&gateway, &rotated).await, PERSONS, "old values still open");
    let mut resealing = Resealing::new(&database.pool, &rotated).in_batches_of(7);
    for _ in 0..3 {
        let batch = resealing.next_batch().await.unwrap().unwrap();
        assert_eq!((batch.persons, batch.unopened.len()), (7, 0));
    }
    // It goes no further.
    let half = under(database).await;
    let [(KeyOf::Key(1), old), (KeyOf::Key(2), new), (KeyOf::Nothing, 1)] = half[..] else {
        panic!("{half:?}")
    };
    assert_eq!(old + new, 40);
    assert!((20..=21).contains(&new), "three batches of seven, one of whom may have no name");
    assert_eq!(names_opened(&gateway, &gateway.app.keys).await, PERSONS);

    // Two at once, from the start again: each passes over what is done.
    let rest = async || {
        let mut resealing = Resealing::new(&database.pool, &rotated).in_batches_of(7);
        let (mut persons, mut resealed) = (0, 0);
        while let Some(batch) = resealing.next_batch().await.unwrap() {
            persons += batch.persons;
            resealed += batch.resealed;
        }
        assert_eq!(persons, 41);
        u64::try_from(resealed).unwrap()
    };
    let (one, other) = tokio::join!(rest(), rest());
    assert_eq!(one + other, old, "each value was put once");
    assert_eq!(under(database).await, [(KeyOf::Key(2), 40), (KeyOf::Nothing, 1)]);
    assert_eq!(rest().await, 0);
    assert_eq!(names_opened(&gateway, &gateway.app.keys).await, PERSONS);
    assert_eq!(all_but_names(database).await, before, "no version moved, and history is as it was");
}

#[tokio::test]
async fn a_name_that_changed_meanwhile_and_one_that_can_not_be_opened_stay_as_they_are() {
    let gateway = with_history().await;
    let owner = gateway.database.owner().await;
    let altered = "UPDATE person_head SET name_sealed = set_byte(name_sealed, 60, get_byte(name_sealed, 60) # 1)
        WHERE (bucket, person_id) = (SELECT bucket, person_id FROM person_head WHERE name_sealed IS NOT NULL
            ORDER BY bucket, person_id LIMIT 1) RETURNING person_id, name_sealed";
    let row = owner.query_one(altered, &[]).await.unwrap();
    let (person, sealed): (i64, Vec<u8>) = (row.get(0), row.get(1));
    keys::rotate(&gateway.keys_dir()).unwrap();
    let rotated = Keys::load(&gateway.keys_dir()).unwrap();
    let mut resealing = Resealing::new(&gateway.database.pool, &rotated);
    let batch = resealing.next_batch().await.unwrap().unwrap();
    assert_eq!((batch.resealed, &batch.unopened[..]), (39, &[PersonId::new(person).unwrap()][..]));
    let still = "SELECT name_sealed FROM person_head WHERE person_id = $1";
    let row = owner.query_one(still, &[&person]).await.unwrap();
    assert_eq!(row.get::<_, Vec<u8>>(0), sealed);
    // What is not there any more is not put in another's place.
    let column = &onestop::store::SEALED_COLUMNS[0];
    let value = onestop::store::Resealed {
        person: PersonId::new(person).unwrap(),
        before: vec![1, 2, 3],
        after: vec![4, 5, 6],
    };
    let put = onestop::store::put_resealed(&gateway.database.pool, column, &[value]).await;
    assert_eq!(put.unwrap(), 0);
}

/// `onestop` on a gateway's database, keys and rules.
fn on(gateway: &Gateway) -> std::process::Command {
    let [Host::Unix(socket)] = gateway.database.config.get_hosts() else {
        unreachable!("a socket")
    };
    let socket = socket.to_str().unwrap().replace('/', "%2F");
    let name = gateway.database.config.get_dbname().unwrap();
    let mut command = onestop(&gateway.rules);
    command
        .env("ONESTOP_DATABASE_URL", format!("postgres://onestop@{socket}:5432/{name}"))
        .env("ONESTOP_KEYS_DIR", gateway.keys_dir())
        .env("ONESTOP_RULES_DIR", gateway.rules.path());
    command
}

/// How a command ended, and all that it said.
fn command(gateway: &Gateway, arguments: &[&str]) -> (Option<i32>, String) {
    let output = on(gateway).stdout(std::process::Stdio::piped()).args(arguments).output();
    let Output { status, stdout, stderr } = output.unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[tokio::test]
async fn a_key_is_retired_once_nothing_is_sealed_by_it() {
    let gateway = with_history().await;
    let check = |arguments: &[&str], code: i32, parts: &[&str]| {
        let (ended, said) = command(&gateway, arguments);
        assert_eq!(ended, Some(code), "{arguments:?}: {said}");
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: {part:?} is not in {said}");
        }
        assert!(!NAMES.iter().any(|name| said.contains(name)), "{said}");
    };
    // No server has said yet that the database belongs to these keys.
    check(&["keys", "retire", "1"], 1, &["CREDENTIAL_KEY_OF_ANOTHER_DATABASE", "--keys-dir"]);
    assert!(gateway.app.claims_database().await.unwrap());
    check(&["keys", "status"], 0, &["1\t加密 seals\t40"]);
    check(&["keys", "retire", "1"], 1, &["KEY_IN_USE", "keys reseal"]);
    check(&["keys", "rotate"], 0, &["Key 2 was added", "新增密钥 2"]);
    check(&["keys", "status"], 0, &["1\t仅解密 opens\t40", "2\t加密 seals\t0"]);
    check(
        &["keys", "retire", "1"],
        1,
        &["KEY_IN_USE: key 1 still seals 40", "person_head.name_sealed"],
    );
    check(&["keys", "retire", "2"], 1, &["the newest one", "密钥 2 是最新的"]);
    assert_eq!(Keys::load(&gateway.keys_dir()).unwrap().envelope_ids(), [1, 2]);
    check(&["keys", "reseal"], 0, &["40 value(s) were sealed anew", "仍在旧密钥下 0 项"]);
    check(&["keys", "reseal"], 0, &["0 value(s) were sealed anew"]);
    assert_eq!(names_opened(&gateway, &gateway.app.keys).await, PERSONS);
    check(&["keys", "retire", "1"], 0, &["Key 1 was taken out"]);
    check(&["keys", "retire", "1"], 1, &["it is not in the file"]);
    check(&["keys", "status"], 0, &["2\t加密 seals\t40"]);
    // The gateway has been running all the time.
    assert_eq!(gateway.app.keys.reload().unwrap().ids, [2]);
    assert_eq!(names_opened(&gateway, &gateway.app.keys).await, PERSONS);
}

#[tokio::test]
async fn a_server_that_runs_seals_by_a_new_key_once_it_is_there() {
    let gateway = Gateway::start().await;
    let (tell, told) = std::sync::mpsc::sync_channel(4);
    let keys = Arc::clone(&gateway.app.keys);
    let _watching = keys.watch(move |reloaded| tell.send(reloaded.unwrap().ids).unwrap()).unwrap();
    keys::rotate(&gateway.keys_dir()).unwrap();
    assert_eq!(told.recv_timeout(std::time::Duration::from_secs(30)).unwrap(), [1, 2]);
    let row = registry::PersonRow {
        identity_number: identity_number(7),
        name: NAMES[0].to_owned(),
        ..registry::PersonRow::default()
    };
    let row = registry::import_row::Row::Person(row);
    gateway.take(registry::RowKind::Person, vec![row]).await;
    assert_eq!(under(&gateway.database).await, [(KeyOf::Key(1), 3), (KeyOf::Key(2), 1)]);
}

/// Imports one person through a server, until it is taken.
async fn import(server: &str, number: usize) {
    use registry::import_request::Part;
    let mut client = RegistryServiceClient::connect(server.to_owned()).await.unwrap();
    let row = registry::import_row::Row::Person(registry::PersonRow {
        identity_number: identity_number(number),
        name: NAMES[0].to_owned(),
        ..registry::PersonRow::default()
    });
    let begin = crate::gateway::begin(&format!("one-{number}"), registry::RowKind::Person);
    let row = registry::ImportRow { line: 1, row: Some(row) };
    let parts = [Part::Begin(begin), Part::Row(row)];
    let parts = parts.map(|part| registry::ImportRequest { part: Some(part) });
    let mut answers = client.import(tokio_stream::iter(parts)).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
}

#[tokio::test]
async fn the_server_process_needs_no_restart_for_a_new_key() {
    let gateway = Gateway::start().await;
    let process = Process::run(&mut on(&gateway));
    let server = format!("http://{}", process.listen);
    assert_eq!(command(&gateway, &["keys", "rotate"]).0, Some(0));
    // It reads the file once it has been quiet for a moment.
    let mut number = 100;
    while !under(&gateway.database).await.iter().any(|(key, _)| *key == KeyOf::Key(2)) {
        import(&server, number).await;
        number += 1;
        assert!(number < 999, "it never noticed");
    }
    let (status, log) = process.end_and_tell(Signal::TERM);
    assert!(status.success() && log.contains("Other envelope keys are in force"), "{log}");
}
