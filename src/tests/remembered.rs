//! Persons in memory: what is decided on them is what is recorded, or is not written.

use std::sync::Arc;

use jiff::civil::Date;
use onestop::domain::ids::{HospitalCode, ItemCode, RequestId, StayId};
use onestop::domain::ledger::Entry;
use onestop::domain::standing::PersonSnapshot;
use onestop::limits;
use onestop::store::{
    Committed, Queued, ReadSnapshot, Seen, Snapshot, bring_near, check_integrity, commit,
    join_gateways, queue, recall, remember,
};

use crate::harness::Database;
use crate::ledger_fixture::{
    DISCHARGE, credential, entry, furnish, hospital, read, register, request, reversal,
};

/// A settlement that moves accumulators of the year alone.
fn yearly(stay: &str, seen: &PersonSnapshot) -> Entry {
    let versions = (seen.standing.version, seen.ledger_version);
    let mut entry = entry(seen.standing.person.get(), stay, &format!("R{stay}"), versions);
    entry.moved.retain(|moved| moved.year != 0);
    entry
}

async fn seen(database: &Database, person: i64) -> Seen {
    let snapshot = read(database, person, "NONE", None).await;
    Seen { person: snapshot.person.unwrap(), changes: snapshot.changes, reference_version: None }
}

/// Queues settlements of one person that follow on each other, and what they will make of that person.
fn queue_all(database: &Database, mut seen: Seen, stays: &[String]) -> (Vec<Queued>, Seen) {
    let mut queued = Vec::new();
    for stay in stays {
        let entry = yearly(stay, &seen.person);
        let mut after = PersonSnapshot::clone(&seen.person);
        queued.push(queue(&database.pool, entry.clone(), Some(seen.clone()), None).unwrap());
        assert!(after.move_by(&entry));
        seen.person = Arc::new(after);
    }
    (queued, seen)
}

async fn outcomes(queued: Vec<Queued>) -> Vec<Committed> {
    let mut outcomes = Vec::new();
    for queued in queued {
        outcomes.push(queued.outcome().await.unwrap());
    }
    outcomes
}

fn stays(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("S{number}")).collect()
}

/// Everything from memory, as whoever writes is shown it.
fn remembered(database: &Database, person: i64) -> Option<Snapshot> {
    let (hospital, stay, item) =
        (hospital(), StayId::new("NONE").unwrap(), ItemCode::new("X01").unwrap());
    let (request, items) = (request("NEVER"), [(&item, DISCHARGE)]);
    remember(&database.pool, &wanted(person, (&hospital, &request, &stay), &items))
}

/// The same for whoever has used something: that is read, and the rest remembered.
async fn recalled(database: &Database, person: i64) -> Option<Snapshot> {
    let (hospital, stay, item) =
        (hospital(), StayId::new("NONE").unwrap(), ItemCode::new("X01").unwrap());
    let (request, items) = (request("NEVER"), [(&item, DISCHARGE)]);
    let wanted = wanted(person, (&hospital, &request, &stay), &items);
    recall(&database.pool, &wanted).await.unwrap()
}

fn wanted<'a>(
    person: i64,
    (hospital, request, stay): (&'a HospitalCode, &'a RequestId, &'a StayId),
    items: &'a [(&'a ItemCode, Date)],
) -> ReadSnapshot<'a> {
    ReadSnapshot {
        credential_hash: credential(person),
        credential_kind: 1,
        hospital,
        request: Some(request),
        stay,
        stay_part: 0,
        discharge: DISCHARGE,
        items,
    }
}

/// What is used, in one order: memory keeps it in that in which it came.
fn sorted(person: &PersonSnapshot) -> PersonSnapshot {
    let mut person = person.clone();
    person.used.sort();
    person
}

/// Compares what is remembered of a person, the hospital and the catalogue with what another gateway reads.
async fn agrees(database: &Database, person: i64) {
    let held = remembered(database, person).unwrap();
    let recorded = read(&database.again(), person, "NONE", None).await;
    assert_eq!(sorted(&held.person.unwrap()), sorted(&recorded.person.unwrap()), "{person}");
    assert_eq!(held.hospital, recorded.hospital);
    assert!(held.catalogue.entries().iter().all(Option::is_some));
    assert_eq!(held.catalogue, recorded.catalogue);
}

async fn in_memory(database: &Database, persons: usize) {
    database.pool.remember();
    until_in_memory(database, persons).await;
}

async fn until_in_memory(database: &Database, persons: usize) {
    while database.pool.persons_held().registered < persons
        || database.pool.catalogue_held().is_none()
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_remembered_is_what_is_recorded() {
    let database = Database::new().await;
    furnish(&database, &[3, 5, 7]).await;
    let more = "INSERT INTO coverage SELECT bucket, person_id, 'employee', '2019-01-01', '2019-12-31', '520100', '', 's'
            FROM person_head WHERE person_id = 5;
        INSERT INTO identity SELECT bucket, person_id, code, region, '1999-02-01', NULL, 'bureau'
            FROM person_head, (VALUES ('extreme_poverty', '520000'), ('low_income', '110000')) AS i(code, region)
            WHERE person_id = 5;
        UPDATE person_head SET birth_date = '1949-12-31', standing_version = 4 WHERE person_id = 5;
        UPDATE person_head SET ledger_version = 2 WHERE person_id = 7";
    database.owner().await.batch_execute(more).await.unwrap();
    assert!(remembered(&database, 3).is_none(), "nothing is in memory yet");
    in_memory(&database, 3).await;
    agrees(&database, 3).await;
    agrees(&database, 5).await;
    assert!(remembered(&database, 7).is_none(), "who has a history is read");
    read(&database, 7, "NONE", None).await;
    agrees(&database, 7).await;
    // Settled: moved on in memory. Reversed: read anew.
    let Seen { person, changes, .. } = seen(&database, 5).await;
    let first = yearly("S1", &person);
    let told = Seen { person, changes, reference_version: database.pool.catalogue_held() };
    assert_eq!(
        commit(&database.pool, first.clone(), Some(told), None).await.unwrap(),
        Committed::Committed
    );
    agrees(&database, 5).await;
    let again = seen(&database, 5).await;
    assert_eq!(again.person.stays.len(), 1);
    let mut life = entry(5, "S2", "RS2", (4, 2));
    life.moved.retain(|moved| moved.year == 0);
    commit(&database.pool, life.clone(), Some(again), None).await.unwrap();
    agrees(&database, 5).await;
    let undo = reversal(&life, "U2", (4, 3));
    assert_eq!(commit(&database.pool, undo, None, None).await.unwrap(), Committed::Committed);
    assert!(remembered(&database, 5).is_none());
    read(&database, 5, "NONE", None).await;
    agrees(&database, 5).await;
}

/// Who has used something: standing and catalogue from memory, what was used from the database, whoever wrote it; and all of it is read
/// where what is in memory is no longer what is recorded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_recalled_is_what_is_recorded() {
    let database = Database::new().await;
    furnish(&database, &[5, 7]).await;
    commit(&database.pool, entry(7, "S1", "R1", (1, 1)), None, None).await.unwrap();
    assert!(recalled(&database, 7).await.is_none(), "nothing is in memory yet");
    in_memory(&database, 2).await;
    assert!(remembered(&database, 7).is_none());
    // Another gateway settles, and takes in what was used elsewhere.
    let other = database.again();
    commit(&other.pool, entry(7, "S2", "R2", (1, 2)), None, None).await.unwrap();
    let opened = "UPDATE person_head SET used_key = ARRAY['520100 resident 2023 elsewhere'], used_fen = ARRAY[5], ledger_version = 9
        WHERE person_id = 5";
    database.owner().await.batch_execute(opened).await.unwrap();
    for person in [5, 7] {
        let held = recalled(&database, person).await.unwrap();
        let recorded = read(&other, person, "NONE", None).await;
        assert_eq!(held.person, recorded.person, "{person}");
        assert_eq!((held.hospital, held.catalogue.len()), (recorded.hospital, 1));
        assert_eq!(held.reference_version, database.pool.catalogue_held());
    }
    assert_eq!(remembered(&database, 7).unwrap().person.unwrap().stays.len(), 2, "kept");
    assert!(recalled(&database, 6).await.is_none(), "nobody");
    // Another standing, and another catalogue.
    let moved = "UPDATE person_head SET standing_version = 2 WHERE person_id = 7";
    database.owner().await.batch_execute(moved).await.unwrap();
    assert!(recalled(&database, 7).await.is_none());
    assert!(recalled(&database, 5).await.is_some());
    database.owner().await.batch_execute("UPDATE hospital SET level = 3").await.unwrap();
    assert!(recalled(&database, 5).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_on_one_person_is_written_at_once_and_in_order() {
    let database = Database::new().await;
    furnish(&database, &[7]).await;
    in_memory(&database, 1).await;
    let held = database.owner().await;
    held.batch_execute("BEGIN; SELECT FROM person_head FOR UPDATE").await.unwrap();
    let (queued, after) = queue_all(&database, seen(&database, 7).await, &stays(30));
    held.batch_execute("COMMIT").await.unwrap();
    assert_eq!(outcomes(queued).await, [Committed::Committed; 30]);
    let (groups, entries) = database.pool.groups();
    assert!(groups < 10 && entries == 30, "{groups} groups");
    let recorded = seen(&database.again(), 7).await;
    assert_eq!(sorted(&recorded.person), sorted(&after.person));
    agrees(&database, 7).await;
    assert_eq!(check_integrity(&database.pool).await.unwrap(), []);
}

/// The next one was decided on a settlement that lost against something else: of the same version, and yet not the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_decided_on_something_that_was_never_written_is_not_written() {
    let database = Database::new().await;
    furnish(&database, &[7]).await;
    let held = database.owner().await;
    held.batch_execute("BEGIN; SELECT FROM person_head FOR UPDATE").await.unwrap();
    let (queued, _) = queue_all(&database, seen(&database, 7).await, &stays(8));
    // An opening entry, say: it moves the version and is no settlement.
    held.batch_execute("UPDATE person_head SET ledger_version = 2; COMMIT").await.unwrap();
    assert_eq!(outcomes(queued).await, [Committed::AccumulatorsMoved; 8]);
    let settled = "SELECT count(*) FROM settlement";
    let count = database.owner().await.query_one(settled, &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 0);
}

/// One of a crowd whose request id is used up fails, and whatever was decided on it; the ones before it stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_a_crowd_that_cannot_be_written_takes_only_those_after_it() {
    let database = Database::new().await;
    furnish(&database, &[5, 7]).await;
    commit(&database.pool, entry(5, "OTHER", "RS4", (1, 1)), None, None).await.unwrap();
    let held = database.owner().await;
    held.batch_execute("BEGIN; SELECT FROM person_head WHERE person_id = 7 FOR UPDATE")
        .await
        .unwrap();
    let (queued, _) = queue_all(&database, seen(&database, 7).await, &stays(8));
    held.batch_execute("COMMIT").await.unwrap();
    let told = outcomes(queued).await;
    assert_eq!(told[..4], [Committed::Committed; 4]);
    assert_eq!(told[4], Committed::RequestIdTaken);
    assert_eq!(told[5..], [Committed::AccumulatorsMoved; 3]);
    assert_eq!(check_integrity(&database.pool).await.unwrap(), []);
}

/// A catalogue that moved since it was read into memory leaves the settlement out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_rests_on_a_catalogue_that_moved_is_not_written() {
    let database = Database::new().await;
    furnish(&database, &[7]).await;
    in_memory(&database, 1).await;
    let version = database.pool.catalogue_held();
    let stale = Seen { reference_version: version, ..seen(&database, 7).await };
    let moved = "UPDATE hospital SET level = 3";
    database.owner().await.batch_execute(moved).await.unwrap();
    let entry = yearly("S1", &stale.person);
    let outcome = commit(&database.pool, entry.clone(), Some(stale), None).await.unwrap();
    assert_eq!(outcome, Committed::AccumulatorsMoved);
    let fresh = seen(&database, 7).await;
    let outcome = commit(&database.pool, entry, Some(fresh), None).await.unwrap();
    assert_eq!(outcome, Committed::Committed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_knows_whether_it_is_alone() {
    let database = Database::new().await;
    furnish(&database, &[7]).await;
    in_memory(&database, 1).await;
    assert!(!database.pool.is_alone(), "nobody looked yet");
    join_gateways(&database.pool).await.unwrap();
    assert!(database.pool.is_alone());
    let other = database.again();
    join_gateways(&other.pool).await.unwrap();
    // Who comes second waits until the first no longer believes that it is alone.
    assert!(!database.pool.is_alone() && !other.pool.is_alone());
    // What the other one changes is not known here, and not believed once it is gone.
    let entry = yearly("S1", &seen(&other, 7).await.person);
    commit(&other.pool, entry, None, None).await.unwrap();
    assert!(remembered(&database, 7).unwrap().person.unwrap().stays.is_empty());
    other.pool.close();
    drop(other);
    while !database.pool.is_alone() {
        tokio::task::yield_now().await;
    }
    until_in_memory(&database, 1).await;
    assert!(remembered(&database, 7).is_none(), "who has a history now is read");
    read(&database, 7, "NONE", None).await;
    // A machine that stands still for a second leaves it unsure whether it is alone, and it begins anew.
    for _ in 0..10 {
        if remembered(&database, 7).is_none() {
            until_in_memory(&database, 1).await;
            read(&database, 7, "NONE", None).await;
        }
    }
    agrees(&database, 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_registered_since_comes_into_memory_once_many_of_them_were_here() {
    let database = Database::new().await;
    furnish(&database, &[7]).await;
    in_memory(&database, 1).await;
    let many = limits::REGISTRY_BEHIND_MIN;
    let since: Vec<i64> = (1_000..).take(many + 1).collect();
    register(&database, &since).await;
    for person in &since[..many - 1] {
        read(&database, *person, "NONE", None).await;
    }
    assert_eq!(database.pool.persons_held().registered, 1, "it is not read for a few");
    read(&database, since[many - 1], "NONE", None).await;
    while database.pool.persons_held().registered < many + 2 {
        tokio::task::yield_now().await;
    }
    agrees(&database, since[many]).await;
}

#[tokio::test]
async fn what_first_visits_read_is_brought_near_as_far_as_it_fits() {
    let database = Database::new().await;
    furnish(&database, &(1..=500).collect::<Vec<_>>()).await;
    let committed = commit(&database.pool, entry(7, "S1", "R1", (1, 1)), None, None).await;
    assert_eq!(committed.unwrap(), Committed::Committed);
    let owner = database.owner().await;
    let blocks = "SELECT pg_relation_size(name::regclass) / 8192 \
        FROM unnest(ARRAY['person_head_pkey', 'person_head', 'stay_pkey', 'stay']) AS name";
    let rows = owner.query(blocks, &[]).await.unwrap();
    let blocks: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    let [key, persons, ..] = blocks[..] else { panic!("{blocks:?}") };
    assert!(blocks.iter().all(|blocks| 0 < *blocks), "{blocks:?}");
    assert_eq!(bring_near(&database.pool).await.unwrap(), blocks.iter().sum::<i64>());

    // The keys first, and no more than the machine keeps.
    for (keeps, expected) in [(key + persons, key + persons), (key, key), (key - 1, 0)] {
        let name = owner.query_one("SELECT current_database()::text", &[]).await.unwrap();
        let name: &str = name.get(0);
        let tell = format!("ALTER DATABASE {name} SET effective_cache_size = '{}kB'", 8 * keeps);
        owner.batch_execute(&tell).await.unwrap();
        assert_eq!(bring_near(&database.again().pool).await.unwrap(), expected);
    }

    // Nothing else by this function, and nothing at all where the database cannot.
    let service = database.service().await;
    let other = service.batch_execute("SELECT bring_near('settlement_pkey', 0, 0)").await;
    assert_eq!(other.unwrap_err().code().unwrap().code(), "42501");
    let elsewhere = "CREATE SCHEMA extensions; ALTER EXTENSION pg_prewarm SET SCHEMA extensions";
    for without in [elsewhere, "DROP EXTENSION pg_prewarm"] {
        owner.batch_execute(without).await.unwrap();
        assert_eq!(bring_near(&database.pool).await.unwrap(), 0, "{without}");
    }
}

#[tokio::test]
async fn a_gateway_that_starts_brings_near_what_first_visits_read() {
    let database = Database::new().await;
    furnish(&database, &[7]).await;
    let owner = database.owner().await;
    owner
        .batch_execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET track_functions = pl', current_database()); END $$",
        )
        .await
        .unwrap();
    let gateway = database.again();
    gateway.pool.remember();
    let calls = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_user_functions WHERE funcname = 'bring_near'";
    // Its key, the persons, and the key of stays, of which there are none yet.
    while owner.query_one(calls, &[]).await.unwrap().get::<_, i64>(0) < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
