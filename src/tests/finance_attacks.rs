//! What a superuser of the database may do to the books, done: each is found by what checks them, and named.

use std::collections::BTreeSet;

use onestop::app::audit::{Audit, Month};
use onestop::app::finance::AccountOf;
use onestop::app::{Role, now};
use onestop::domain::audit::AlarmKind;
use onestop::domain::ids::HospitalCode;

use crate::finance::{Books, bureau, of, region};
use crate::finance_doors::{command, settle};
use crate::gateway::{Gateway, bill};
use crate::ledger_fixture::hospital;

/// Books with a statement that was approved, sent to a bank and paid.
async fn paid() -> Books {
    let books = Books::closed().await;
    books.approved().await;
    books.account("ICBC").await;
    let (zhang, li) = (bureau("zhang"), bureau("li"));
    let file = books.by(&zhang).make_file(region("520200"), "ICBC").await.unwrap().file;
    let content = format!(
        "file_id,bank_code,line,outcome,amount,bank_reference,paid_on\n{},ICBC,1,paid,1380.00,R1,{}\n",
        file.id,
        now().day
    );
    books.by(&li).confirm(content.as_bytes()).await.unwrap();
    books.balances().await;
    books
}

async fn faults(books: &Books) -> BTreeSet<String> {
    let machine = of("uid-0", Role::CommandLine);
    let faults = books.by(&machine).check().await.unwrap();
    faults.into_iter().map(|fault| format!("{} {}", fault.what, fault.detail)).collect()
}

/// Does something by whoever is held by no trigger, and gives what is found that was not before.
async fn found(books: &Books, done: &str) -> Vec<String> {
    let before = faults(books).await;
    let owner = books.database.owner().await;
    let done =
        format!("SET session_replication_role = replica; {done}; RESET session_replication_role");
    owner.batch_execute(&done).await.unwrap();
    let after = faults(books).await;
    let new = after.difference(&before);
    new.filter_map(|fault| fault.split(' ').next()).map(str::to_owned).collect()
}

async fn check(done: &str, expected: &[&str]) {
    let books = paid().await;
    assert_eq!(found(&books, done).await, expected, "{done}");
}

#[tokio::test]
async fn one_person_in_the_place_of_two_is_found() {
    check(
        "ALTER TABLE clearing_statement DROP CONSTRAINT clearing_statement_four_eyes;
         UPDATE clearing_statement SET second_approver = first_approver",
        &["four_eyes", "step_approver"],
    )
    .await;
    check("UPDATE clearing_statement SET first_approver = 'wang'", &["step_approver"]).await;
    check("UPDATE payment_confirmation SET confirmed_by = 'zhang'", &["four_eyes"]).await;
    check(
        "ALTER TABLE hospital_account DROP CONSTRAINT hospital_account_four_eyes;
         UPDATE hospital_account SET confirmed_by = set_by",
        &["account", "four_eyes"],
    )
    .await;
}

#[tokio::test]
async fn a_step_that_was_taken_out_of_history_is_found() {
    check(
        "DELETE FROM clearing_event WHERE event_no = 3",
        &["step_approver", "step_missing", "step_order"],
    )
    .await;
    let last = "(SELECT max(event_no) FROM clearing_event)";
    check(
        &format!("DELETE FROM clearing_event WHERE event_no = {last}"),
        &["step_payment", "step_state"],
    )
    .await;
    // With what comes after it numbered anew, where the steps that are left are such as there may be.
    let closed_up = "DELETE FROM clearing_event WHERE event_no = 4; UPDATE clearing_event SET event_no = 4 WHERE event_no = 5";
    check(closed_up, &["step_payment"]).await;
    check("DELETE FROM clearing_event", &["step_missing"]).await;
    check("DELETE FROM clearing_statement", &["step_missing"]).await;
    check("UPDATE payment_confirmation SET paid_on = '2099-12-30'", &["payment_day"]).await;
}

#[tokio::test]
async fn an_account_in_the_place_of_another_is_found() {
    let books = paid().await;
    let owner = books.database.owner().await;
    owner
        .batch_execute("INSERT INTO hospital VALUES ('H52020000002', '2020-01-01', NULL, '520200', 3, '市二医院')")
        .await
        .unwrap();
    let (zhang, li) = (bureau("zhang"), bureau("li"));
    let other = HospitalCode::new("H52020000002").unwrap();
    let account = AccountOf::new("六盘水市第二人民医院", "6222029999999999999", "ICBC").unwrap();
    let here = region("520200");
    let number = books.by(&zhang).set_account(here, &other, &account).await.unwrap();
    books.by(&li).confirm_account(here, &other, number).await.unwrap();
    // The other one's as it is sealed; with its mark; with a history to match: it does not open here.
    let other_one =
        "(SELECT o.account_sealed FROM hospital_account o WHERE o.hospital_code = 'H52020000002')";
    let own = format!("WHERE hospital_code = '{}'", hospital());
    let sealed = format!("UPDATE hospital_account SET account_sealed = {other_one} {own}");
    assert_eq!(found(&books, &sealed).await, ["account_number"]);
    let mark = "account_mark = (SELECT o.account_mark FROM hospital_account o WHERE o.hospital_code = 'H52020000002')";
    let marked = format!("UPDATE hospital_account SET {mark} {own}");
    assert_eq!(found(&books, &marked).await, ["account"]);
    let told = format!("UPDATE hospital_account_event SET {mark} {own}");
    assert_eq!(found(&books, &told).await, <[String; 0]>::default());
    assert!(
        faults(&books).await.iter().any(|fault| fault.starts_with("account_number H52020000001"))
    );
    // One that nobody set, and one that is gone.
    let added = format!(
        "INSERT INTO hospital_account SELECT hospital_code, 2, bank_code, account_sealed, set_by, set_at, confirmed_by, confirmed_at,
            account_mark FROM hospital_account WHERE hospital_code = '{other}'"
    );
    assert_eq!(found(&books, &added).await, ["account"]);
    let gone =
        format!("DELETE FROM hospital_account {own}; DELETE FROM hospital_account_event {own}");
    assert_eq!(found(&books, &gone).await, ["account"], "a payment went to it");
}

#[tokio::test]
async fn an_account_of_two_hospitals_stands_at_the_top_of_the_month() {
    let books = paid().await;
    let owner = books.database.owner().await;
    owner
        .batch_execute("INSERT INTO hospital VALUES ('H52020000002', '2020-01-01', NULL, '520200', 3, '市二医院')")
        .await
        .unwrap();
    let (zhang, li) = (bureau("zhang"), bureau("li"));
    let today = now().day;
    let month = Month::parse(&format!("{:04}-{:02}", today.year(), today.month())).unwrap();
    let shared = async || {
        let audited = Audit::beside(&books.database.pool, &zhang).flow(month, None).await.unwrap();
        let alarms = audited.alarms.into_iter().filter(|of| of.kind == AlarmKind::SharedAccount);
        let told = alarms.map(|of| (of.hospital.unwrap().to_string(), of.amount.get(), of.more.1));
        told.collect::<Vec<_>>()
    };
    let other = HospitalCode::new("H52020000002").unwrap();
    let account = AccountOf::new("另一家", "6222021234567890123", "ABC").unwrap();
    let here = region("520200");
    let number = books.by(&zhang).set_account(here, &other, &account).await.unwrap();
    assert_eq!(shared().await, [], "nobody agreed to it yet, and nothing is paid to it");
    books.by(&li).confirm_account(here, &other, number).await.unwrap();
    let also = |other: &str| format!("also an account of {other}");
    assert_eq!(
        shared().await,
        [
            ("H52020000001".to_owned(), 138_000, also("H52020000002")),
            ("H52020000002".to_owned(), 0, also("H52020000001")),
        ]
    );
}

/// What persons have used and who they count as follows from history, and a command says where it does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_was_changed_in_the_database_is_found_by_the_command() {
    let gateway = Gateway::start().await;
    assert!(gateway.app.claims_database().await.unwrap());
    settle(&gateway, "R1", bill(0, "Z1", "2024-01-31")).await;
    let owner = gateway.database.owner().await;
    let check = || command(&gateway, &["clearing", "check"]);
    assert_eq!(check(), (Some(0), "差错 faults\t0\n".to_owned()));
    for (done, undone, kind, parts) in [
        (
            "CREATE TABLE kept AS SELECT person_id, used_fen FROM person_head;
             UPDATE person_head SET used_fen = array_fill(0::bigint, ARRAY[cardinality(used_fen)]) WHERE used_fen <> '{}'",
            "UPDATE person_head h SET used_fen = k.used_fen FROM kept k WHERE k.person_id = h.person_id",
            "accumulator",
            &["记为 told 0.00 元 yuan", "年度累计", "what a person used"][..],
        ),
        (
            "UPDATE identity SET code = 'extreme_poverty'",
            "UPDATE identity SET code = 'low_income'",
            "identity",
            &["extreme_poverty 520200 2024-01-01", "low_income 520200 2024-01-01", "最后一次变更"],
        ),
        (
            "UPDATE coverage SET insured_region = '520100' WHERE insured_region = '520200'",
            "UPDATE coverage SET insured_region = '520200' WHERE insured_region = '520100'",
            "coverage",
            &["resident 2020-01-01"],
        ),
        (
            "CREATE TABLE gone AS SELECT * FROM registry_change WHERE kind = 'identity';
             DELETE FROM registry_change WHERE kind = 'identity'",
            "INSERT INTO registry_change SELECT * FROM gone",
            "standing",
            &["变更记录可能缺失"],
        ),
    ] {
        let as_superuser = async |sql: &str| {
            let sql = format!(
                "SET session_replication_role = replica; {sql}; RESET session_replication_role"
            );
            owner.batch_execute(&sql).await.unwrap();
        };
        as_superuser(done).await;
        let (code, said) = check();
        assert_eq!(code, Some(1), "{done}: {said}");
        for part in [kind].iter().chain(parts) {
            assert!(said.contains(part), "{part}: {said}");
        }
        as_superuser(undone).await;
        assert_eq!(check().0, Some(0), "{undone}");
    }
}
