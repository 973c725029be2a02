//! Tests on the catalogue of the database itself: what every table must be like, whoever adds the next one.

use onestop::store::migrate;
use tokio_postgres::NoTls;

use crate::harness::{self, Database};
use crate::ledger_fixture::{entry, furnish};

const HISTORY: [&str; 38] = [
    "accounting_fence",
    "statement_file",
    "statement_row",
    "statement_bad_row",
    "statement_class",
    "difference",
    "difference_event",
    "core_feed_reject",
    "trueup_correction",
    "posting",
    "clearing_terms",
    "clearing_event",
    "payment_file",
    "payment_line",
    "payment_confirmation",
    "hospital_account_event",
    "budget_rule",
    "access_record",
    "settlement",
    "request_key",
    "tombstone",
    "charge_lines",
    "opening_entry",
    "registry_change",
    "reference_change",
    "rule_package",
    "credential_key",
    "national_person",
    "national_sign_in",
    "national_sign_out",
    "national_request",
    "national_stay",
    "national_discharge",
    "national_fee",
    "national_fee_cancelled",
    "national_settle",
    "seal_block",
    "seal_head",
];

async fn list(database: &Database, sql: &str) -> Vec<String> {
    database.owner().await.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn every_amount_is_a_whole_number_of_fen_that_is_there_and_checked() {
    let database = Database::new().await;
    let amounts = "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attname LIKE '%\\_fen'";
    assert!(20 < list(&database, &format!("SELECT a.attname::text {amounts}")).await.len());
    let faults = list(
        &database,
        &format!(
            "SELECT c.relname || '.' || a.attname {amounts} AND (a.atttypid NOT IN ('bigint'::regtype, 'bigint[]'::regtype)
            OR NOT a.attnotnull OR NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c'
                AND (a.attnum = ANY (k.conkey) OR 0 = ANY (k.conkey))))"
        ),
    )
    .await;
    assert!(faults.is_empty(), "{faults:?}");
}

#[tokio::test]
async fn every_key_of_a_table_of_persons_starts_with_the_bucket_and_the_person() {
    let database = Database::new().await;
    // A credential is found before its person is known. The others are refused across persons, on one machine.
    let across = ["credential_pkey", "settlement_pkey", "stay_settled_once", "opening_entry_once"];
    let keys = list(
        &database,
        "SELECT i.relname::text FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
         WHERE x.indisunique AND c.relnamespace = 'public'::regnamespace
         AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'person_id')
         AND ARRAY(SELECT a.attname::text FROM unnest(x.indkey[0:1]) WITH ORDINALITY AS k(num, ord)
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.num ORDER BY k.ord)
             <> ARRAY['bucket', 'person_id'] ORDER BY 1",
    )
    .await;
    let mut expected = across.to_vec();
    expected.sort_unstable();
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn every_table_says_what_it_is_and_times_have_zones() {
    let database = Database::new().await;
    let silent = list(
        &database,
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
         AND obj_description(oid) IS NULL AND relname <> 'refinery_schema_history'",
    )
    .await;
    assert!(silent.is_empty(), "{silent:?}");
    let zoneless = list(
        &database,
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'
         AND (data_type LIKE 'timestamp%' OR column_name LIKE '%\\_at') AND data_type <> 'timestamp with time zone'",
    )
    .await;
    assert!(zoneless.is_empty(), "{zoneless:?}");
    let foreign =
        list(&database, "SELECT conname::text FROM pg_constraint WHERE contype = 'f'").await;
    assert_eq!(foreign, ["rule_package_supersedes_known"]);
    let sequences = list(&database, "SELECT relname::text FROM pg_class WHERE relkind = 'S'").await;
    assert!(sequences.is_empty(), "{sequences:?}");
}

#[tokio::test]
async fn nobody_changes_history() {
    let database = Database::new().await;
    furnish(&database, &[7]).await;
    onestop::store::commit(&database.pool, entry(7, "S1", "R1", (1, 1)), None, None).await.unwrap();
    let (owner, service) = (database.owner().await, database.service().await);
    let remember = list(
        &database,
        "SELECT c.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
         JOIN pg_proc p ON p.oid = t.tgfoid WHERE p.proname = 'refuse_change' ORDER BY 1",
    )
    .await;
    let mut expected = HISTORY.to_vec();
    expected.sort_unstable();
    assert_eq!(remember, expected);
    for table in HISTORY {
        let column = list(
            &database,
            &format!("SELECT attname::text FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum = 1"),
        )
        .await
        .remove(0);
        for statement in [
            format!("UPDATE {table} SET {column} = {column}"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table} CASCADE"),
        ] {
            let refused = service.batch_execute(&statement).await.unwrap_err();
            assert_eq!(refused.code().unwrap().code(), "42501", "{statement}");
            let refused = owner.batch_execute(&statement).await.unwrap_err();
            assert_eq!(refused.code().unwrap().code(), "23001", "{statement}");
        }
    }
}

/// Each way to spoil the balanced row of the fixture is refused, by the constraint that is meant to.
#[tokio::test]
async fn an_unbalanced_row_is_refused() {
    let database = Database::new().await;
    furnish(&database, &[7]).await;
    onestop::store::commit(&database.pool, entry(7, "S1", "R1", (1, 1)), None, None).await.unwrap();
    let owner = database.owner().await;
    let spoiled = [
        ("in_scope_fen", "in_scope_fen + 1", "settlement_charges_add_up"),
        ("cash_pay_fen", "cash_pay_fen - 1", "settlement_patient_adds_up"),
        ("fund_pay_total_fen", "fund_pay_total_fen + 1", "settlement_funds_add_up"),
        ("hospital_borne_fen", "hospital_borne_fen + 1", "settlement_layers_are_booked"),
        (
            "pay_fen",
            "ARRAY[60000, 7000, 3000, 5000, 2001]::bigint[]",
            "settlement_layers_are_booked",
        ),
        (
            "books_to",
            "ARRAY['basic_pool', 'medical_aid', 'medical_aid', 'hospital', 'nobody']",
            "settlement_layers_are_booked",
        ),
        ("payer", "payer || ARRAY['more']", "settlement_arrays_match"),
        ("moved_fen", "moved_fen || 1::bigint", "settlement_arrays_match"),
        ("reverses_settlement_id", "'S000000000000000000000000000AB'", "settlement_signs"),
        ("accounting_day", "accounting_day - 1", "settlement_days"),
        ("bucket", "(bucket + 1) % 128", "settlement_id"),
        ("state", "'maybe'", "settlement_state"),
    ];
    let columns = list(
        &database,
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'settlement'::regclass AND 0 < attnum ORDER BY attnum",
    )
    .await;
    for (column, value, constraint) in spoiled {
        let values: Vec<String> = columns
            .iter()
            .map(|name| match name.as_str() {
                same if same == column => value.to_owned(),
                // Another id, so that the primary key is not what refuses.
                "settlement_id" => "left(settlement_id, 29) || 'Z'".to_owned(),
                other => other.to_owned(),
            })
            .collect();
        let statement =
            format!("INSERT INTO settlement SELECT {} FROM settlement", values.join(", "));
        let refused = owner.batch_execute(&statement).await.unwrap_err();
        let by = refused.as_db_error().unwrap().constraint().unwrap_or_default();
        // Several rules may refuse one row: the first of them is told.
        assert_eq!(by, constraint, "{column}");
        assert_eq!(refused.code().unwrap().code(), "23514", "{column}");
    }
}

#[tokio::test]
async fn three_instances_migrate_at_once() {
    let config = harness::empty("template0").await;
    let (first, second, third) =
        tokio::join!(migrate(&config, NoTls), migrate(&config, NoTls), migrate(&config, NoTls));
    let mut applied = [first.unwrap(), second.unwrap(), third.unwrap()];
    applied.sort_unstable();
    let migrations = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/migrations");
    let all = std::fs::read_dir(migrations).unwrap().count();
    assert_eq!(applied, [0, 0, all]);
}
