//! Groups of commits: what queued goes together, and nobody in a group fails for another's sake.

use std::time::{Duration, Instant};

use onestop::store::{
    CommitSettings, Committed, PoolSettings, Snapshot, StoreError, check_integrity, commit,
    rebuild_accumulators,
};

use crate::harness::{Database, roomy};
use crate::ledger_fixture::{entry, furnish, package, read};

const PERSONS: i64 = 120;

/// A database with persons, whose pool forms groups like this.
async fn grouping(commits: CommitSettings) -> Database {
    let database = Database::with(&PoolSettings { commits, ..roomy() }).await;
    furnish(&database, &(1..=PERSONS).collect::<Vec<_>>()).await;
    database
}

fn one_writer() -> CommitSettings {
    CommitSettings { writers_max: 1, ..CommitSettings::default() }
}

/// Holds a person's row, so that a group with that person waits and the rest queues behind it.
async fn hold(database: &Database, person: i64) -> tokio_postgres::Client {
    let owner = database.owner().await;
    let lock = format!("BEGIN; SELECT FROM person_head WHERE person_id = {person} FOR UPDATE");
    owner.batch_execute(&lock).await.unwrap();
    owner
}

/// Waits until so many entries are queued.
async fn queued(database: &Database, entries: usize) {
    while database.pool.backlog() < entries {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_queued_while_a_group_was_written_is_the_next_group() {
    let database = grouping(one_writer()).await;
    let held = hold(&database, 1).await;
    let pool = database.pool.clone();
    let first =
        tokio::spawn(async move { commit(&pool, entry(1, "S1", "R1", (1, 1)), None, None).await });
    while database.pool.groups().0 < 1 {
        tokio::task::yield_now().await;
    }
    let mut others = tokio::task::JoinSet::new();
    for person in 2..=60 {
        let pool = database.pool.clone();
        let entry = entry(person, &format!("S{person}"), &format!("R{person}"), (1, 1));
        others.spawn(async move { commit(&pool, entry, None, None).await });
    }
    queued(&database, 59).await;
    held.batch_execute("COMMIT").await.unwrap();
    assert_eq!(first.await.unwrap().unwrap(), Committed::Committed);
    while let Some(other) = others.join_next().await {
        assert_eq!(other.unwrap().unwrap(), Committed::Committed);
    }
    assert_eq!(database.pool.groups(), (2, 60));
    assert_eq!(check_integrity(&database.pool).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_in_a_group_is_told_their_own() {
    let database = grouping(one_writer()).await;
    let settled = entry(2, "S2", "R2", (1, 1));
    commit(&database.pool, settled, None, None).await.unwrap();
    let held = hold(&database, 1).await;
    let mut unknown_rules = entry(6, "S6", "R6", (1, 1));
    unknown_rules.package = package("never published", None).hash;
    let mut unbalanced = entry(7, "S7", "R7", (1, 1));
    unbalanced.layers[0].pay = onestop::domain::money::Fen::new(59_999);
    // The first holds the writer up, so that the others are one group.
    let group = vec![
        (entry(1, "S1", "R1", (1, 1)), Some(Committed::Committed)),
        (entry(3, "S3", "R3", (1, 1)), Some(Committed::Committed)),
        (entry(4, "S4", "R4", (1, 7)), Some(Committed::AccumulatorsMoved)),
        (entry(5, "S5", "R5", (4, 1)), Some(Committed::StandingMoved)),
        (unknown_rules, Some(Committed::PackageMoved)),
        (unbalanced, None),
        (entry(8, "S8", "R2", (1, 1)), Some(Committed::RequestIdTaken)),
        (entry(9, "S2", "R9", (1, 1)), Some(Committed::StayTaken)),
        (entry(10, "S10", "R10", (1, 1)), Some(Committed::Committed)),
    ];
    let mut told = Vec::new();
    for (place, (entry, expected)) in group.into_iter().enumerate() {
        let pool = database.pool.clone();
        told.push((expected, tokio::spawn(async move { commit(&pool, entry, None, None).await })));
        if place == 0 {
            while database.pool.groups().0 < 2 {
                tokio::task::yield_now().await;
            }
        }
    }
    queued(&database, 8).await;
    held.batch_execute("COMMIT").await.unwrap();
    for (place, (expected, outcome)) in told.into_iter().enumerate() {
        let outcome = outcome.await.unwrap();
        match expected {
            Some(expected) => assert_eq!(outcome.unwrap(), expected, "entry {place}"),
            None => {
                let error = outcome.unwrap_err();
                assert!(matches!(error, StoreError::Statement { .. }), "{error:?}");
            }
        }
    }
    let sql = "SELECT count(*) FROM settlement";
    let count: i64 = database.owner().await.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(count, 4);
    assert_eq!(check_integrity(&database.pool).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_is_in_a_group_once_and_of_one_version_one_wins() {
    let database = grouping(one_writer()).await;
    let mut crowd = tokio::task::JoinSet::new();
    for number in 0..40 {
        let pool = database.pool.clone();
        let entry = entry(1, &format!("S{number}"), &format!("R{number}"), (1, 1));
        crowd.spawn(async move { commit(&pool, entry, None, None).await.unwrap() });
    }
    let mut won = 0;
    while let Some(outcome) = crowd.join_next().await {
        let outcome = outcome.unwrap();
        if outcome == Committed::Committed {
            won += 1;
        } else {
            assert_eq!(outcome, Committed::AccumulatorsMoved);
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_backlog_refuses_and_a_passed_deadline_is_not_begun() {
    let settings = CommitSettings { backlog_max: 3, ..one_writer() };
    let database = grouping(settings).await;
    let held = hold(&database, 1).await;
    let send = |person: i64, deadline: Option<Instant>| {
        let pool = database.pool.clone();
        let entry = entry(person, &format!("S{person}"), &format!("R{person}"), (1, 1));
        tokio::spawn(async move { commit(&pool, entry, None, deadline).await })
    };
    let first = send(1, None);
    while database.pool.groups().0 < 1 {
        tokio::task::yield_now().await;
    }
    let soon = Instant::now() + Duration::from_millis(1);
    let (late, patient, third) = (send(2, Some(soon)), send(3, None), send(4, None));
    queued(&database, 3).await;
    let refused = send(5, None).await.unwrap().unwrap_err();
    assert!(matches!(refused, StoreError::Backlog { .. }) && refused.is_busy(), "{refused:?}");
    while Instant::now() <= soon {
        tokio::task::yield_now().await;
    }
    held.batch_execute("COMMIT").await.unwrap();
    let late = late.await.unwrap().unwrap_err();
    assert!(matches!(late, StoreError::DeadlinePassed { .. }) && late.is_unsent(), "{late:?}");
    for other in [first, patient, third] {
        assert_eq!(other.await.unwrap().unwrap(), Committed::Committed);
    }
    let sql = "SELECT count(*) FROM settlement WHERE person_id IN (2, 5)";
    let count: i64 = database.owner().await.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(count, 0);
}

/// Two gateways with many writers each, over the same persons: whatever the order of locks, every entry is written once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_of_two_gateways_never_stand_in_each_others_way() {
    let settings = CommitSettings { group_max: 7, writers_max: 6, backlog_max: 4_096 };
    let database = grouping(settings).await;
    let beside = Database::reached_by(
        database.config.clone(),
        &PoolSettings { commits: settings, ..roomy() },
    );
    let mut crowd = tokio::task::JoinSet::new();
    for person in 1..=PERSONS {
        for (gateway, pool) in [&database.pool, &beside.pool].into_iter().enumerate() {
            let pool = pool.clone();
            crowd.spawn(async move {
                for ledger in 1.. {
                    let name = format!("{person}-{gateway}");
                    let entry =
                        entry(person, &format!("S{name}"), &format!("R{name}"), (1, ledger));
                    let outcome = commit(&pool, entry, None, None).await.unwrap();
                    if outcome == Committed::Committed {
                        return;
                    }
                    assert_eq!(outcome, Committed::AccumulatorsMoved, "{person}");
                }
            });
        }
    }
    while let Some(done) = crowd.join_next().await {
        done.unwrap();
    }
    let sql = "SELECT count(*) FROM settlement";
    let count: i64 = database.owner().await.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(count, 2 * PERSONS);
    assert_eq!(check_integrity(&database.pool).await.unwrap(), []);
    let person = onestop::domain::ids::PersonId::new(7).unwrap();
    let used = rebuild_accumulators(&database.pool, person).await.unwrap();
    assert!(used.iter().any(|used| used.name == "pool.aid" && used.amount.get() == 20_000));
}

/// Without grouping each entry is a statement of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grouping_can_be_turned_off() {
    let settings = CommitSettings { group_max: 1, writers_max: 4, backlog_max: 4_096 };
    let database = grouping(settings).await;
    let mut crowd = tokio::task::JoinSet::new();
    for person in 1..=PERSONS {
        let pool = database.pool.clone();
        let entry = entry(person, &format!("S{person}"), &format!("R{person}"), (1, 1));
        crowd.spawn(async move { commit(&pool, entry, None, None).await.unwrap() });
    }
    while let Some(outcome) = crowd.join_next().await {
        assert_eq!(outcome.unwrap(), Committed::Committed);
    }
    assert_eq!(database.pool.groups(), (120, 120));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_while_a_snapshot_is_read_is_read_with_the_next_group() {
    let database = grouping(one_writer()).await;
    let stranger = 9_999;
    let expected = read(&database, 7, "S", None).await;
    while database.pool.catalogue_held().is_none() {
        tokio::task::yield_now().await;
    }
    let owner = database.owner().await;
    owner.batch_execute("BEGIN; LOCK TABLE coverage IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let before = database.pool.round_trips();
    let ask = |person: i64| {
        let database = database.again_by(&database.pool);
        tokio::spawn(async move { read(&database, person, "S", None).await })
    };
    let first = ask(1);
    while database.pool.round_trips() == before {
        tokio::task::yield_now().await;
    }
    // As many as are in a group of which nothing is learned yet.
    let others = [2, 3, 7, stranger].map(|person| (person, ask(person)));
    while database.pool.snapshots_waiting() < others.len() {
        tokio::task::yield_now().await;
    }
    owner.batch_execute("COMMIT").await.unwrap();
    assert_eq!(first.await.unwrap().person.unwrap().standing.person.get(), 1);
    for (asked, snapshot) in others {
        let snapshot = snapshot.await.unwrap();
        let person = snapshot.person.as_ref().map(|person| person.standing.person.get());
        assert_eq!(person, (asked != stranger).then_some(asked));
        if asked == 7 {
            // The catalogue came from memory by now.
            let reference_version = expected.reference_version;
            assert_eq!(Snapshot { reference_version, ..snapshot }, expected);
        }
    }
    assert_eq!(database.pool.round_trips() - before, 2);
}
