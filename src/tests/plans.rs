//! The plans of the settling path, as they are made on a database that is still empty and then kept: each looks for its rows by
//! their keys, and none costs more as history grows.

use crate::harness::{Database, connect};
use crate::ledger_fixture::furnish;

const STATEMENTS: &[(&str, usize, &str)] = &[
    ("commit_chain", 2, include_str!("../store/sql/commit_chain.sql")),
    ("commit", 2, include_str!("../store/sql/commit.sql")),
    ("commit_lean", 2, include_str!("../store/sql/commit_lean.sql")),
    ("snapshot", 10, include_str!("../store/sql/snapshot.sql")),
    ("history", 2, include_str!("../store/sql/history.sql")),
    ("find_settlement", 4, include_str!("../store/sql/find_settlement.sql")),
    ("stays", 4, include_str!("../store/sql/national/stays.sql")),
    ("lines_named", 3, include_str!("../store/sql/national/lines_named.sql")),
    ("lines_sent", 10, include_str!("../store/sql/national/lines_sent.sql")),
    ("has_cancelled", 3, include_str!("../store/sql/national/has_cancelled.sql")),
    ("note_settle", 5, include_str!("../store/sql/national/note_settle.sql")),
    ("accesses_of", 6, include_str!("../store/sql/accesses_of.sql")),
    ("move", 3, include_str!("../store/sql/outbox/move.sql")),
    ("take_due", 3, include_str!("../store/sql/outbox/take_due.sql")),
    ("entries", 2, include_str!("../store/sql/outbox/entries.sql")),
    ("note", 9, include_str!("../store/sql/outbox/note.sql")),
    ("due", 2, include_str!("../store/sql/trueup/due.sql")),
    ("chain", 2, include_str!("../store/sql/trueup/chain.sql")),
    ("note_true_ups", 7, include_str!("../store/sql/trueup/note.sql")),
    ("reversed", 3, include_str!("../store/sql/trueup/reversed.sql")),
    ("list", 4, include_str!("../store/sql/trueup/list.sql")),
    ("blocks", 4, include_str!("../store/sql/seal/blocks.sql")),
    ("settlements_of", 1, include_str!("../store/sql/seal/settlements_of.sql")),
    ("changes_of", 4, include_str!("../store/sql/seal/changes_of.sql")),
    ("postings_of", 1, include_str!("../store/sql/seal/postings_of.sql")),
    ("booked_later", 1, include_str!("../store/sql/seal/booked_later.sql")),
];

/// As the pool sets them for every connection.
const SETTINGS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off";

#[tokio::test]
async fn a_plan_made_before_the_first_settlement_never_walks_through_a_table() {
    let database = Database::new().await;
    let client = connect(&database.config).await;
    client.batch_execute(SETTINGS).await.unwrap();
    // What the planner believes of a table that was never looked at is not what it believes of one that was seen empty, as after
    // the registry was filled and before the first settlement.
    for filled in [false, true] {
        if filled {
            furnish(&database, &(1..=500).collect::<Vec<_>>()).await;
            client.batch_execute("VACUUM ANALYZE").await.unwrap();
        }
        for &(name, parameters, sql) in STATEMENTS {
            client.batch_execute(&format!("PREPARE {name} AS {sql}")).await.unwrap();
            let nothing = vec!["NULL"; parameters].join(", ");
            let explain = format!("EXPLAIN (COSTS off) EXECUTE {name}({nothing})");
            let rows = client.query(&explain, &[]).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            assert!(plan.iter().any(|line| line.contains("Index")), "{name} reads nothing?");
            check(name, &plan);
        }
        client.batch_execute("DEALLOCATE ALL").await.unwrap();
    }
}

fn check(name: &str, plan: &[String]) {
    let whole = plan.join("\n");
    assert!(!whole.contains("Seq Scan"), "{name} reads a whole table:\n{whole}");
    assert!(!whole.contains("hashed SubPlan"), "{name} reads a whole table into a hash:\n{whole}");
    for (place, line) in plan.iter().enumerate() {
        if !line.contains("Index Scan") && !line.contains("Index Only Scan") {
            continue;
        }
        let key = plan.get(place + 1).map_or("", |next| next.trim());
        assert!(key.starts_with("Index Cond: "), "{name} walks through{line}:\n{whole}");
        // A bucket holds one row in 128 of everybody's.
        let more = key.matches(" = ").count() + key.matches("ANY").count();
        let bucket_only = key.contains("bucket =") && more < 2;
        assert!(!bucket_only, "{name} walks through a bucket:\n{whole}");
    }
}

/// Whatever looks at deliveries while they are on their way.
const OF_DELIVERY: &[(&str, usize, &str)] = &[
    ("move", 3, include_str!("../store/sql/outbox/move.sql")),
    ("take_due", 3, include_str!("../store/sql/outbox/take_due.sql")),
    ("note", 9, include_str!("../store/sql/outbox/note.sql")),
    ("doubt_sent", 1, include_str!("../store/sql/outbox/doubt_sent.sql")),
    ("lag", 0, include_str!("../store/sql/outbox/lag.sql")),
    ("dead", 1, include_str!("../store/sql/outbox/dead.sql")),
    ("replay", 3, include_str!("../store/sql/outbox/replay.sql")),
];

/// Those that leave out what is confirmed.
const OF_OPEN: [&str; 4] =
    ["delivery_open", "delivery_due", "delivery_refused", "delivery_booked_twice"];

/// What the core confirmed stays: it is the only record of when it was told what. So it must cost nobody anything who looks for what is
/// open, however much of it there is.
#[tokio::test]
async fn what_the_core_confirmed_is_never_walked_through() {
    let database = Database::new().await;
    let client = connect(&database.config).await;
    client.batch_execute(SETTINGS).await.unwrap();
    for confirmed in [0, 20_000] {
        let fill = format!(
            "INSERT INTO delivery SELECT (i % 128)::smallint, i / 3, 'S' || i, i, now(), 'confirmed', 1, now(), now(), NULL, 'C' || i
                FROM generate_series(1, {confirmed}) AS i"
        );
        client.batch_execute(&fill).await.unwrap();
        client.batch_execute("VACUUM ANALYZE delivery").await.unwrap();
        for &(name, parameters, sql) in OF_DELIVERY {
            client.batch_execute(&format!("PREPARE {name} AS {sql}")).await.unwrap();
            let nothing = vec!["NULL"; parameters].join(", ");
            let nothing = if parameters == 0 { nothing } else { format!("({nothing})") };
            let explain = format!("EXPLAIN (COSTS off) EXECUTE {name}{nothing}");
            let rows = client.query(&explain, &[]).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            leaves_out_confirmed(name, &plan);
        }
        client.batch_execute("DEALLOCATE ALL").await.unwrap();
    }
}

fn leaves_out_confirmed(name: &str, plan: &[String]) {
    let whole = plan.join("\n");
    assert!(whole.contains("delivery"), "{name} does not look at deliveries?");
    assert!(!whole.contains("Seq Scan on delivery"), "{name} reads all of them:\n{whole}");
    for (place, line) in plan.iter().enumerate() {
        let scan = ["Index Scan using ", "Index Only Scan using ", "Bitmap Index Scan on "]
            .into_iter()
            .find_map(|kind| line.split_once(kind));
        let Some(index) = scan.and_then(|(_, rest)| rest.split(' ').next()) else { continue };
        if !index.starts_with("delivery") || OF_OPEN.contains(&index) {
            continue;
        }
        // By its own key: one row.
        let key = plan.get(place + 1).map_or("", |next| next.trim());
        assert!(key.contains("settlement_id ="), "{name} walks through{line}:\n{whole}");
    }
}
