//! Fences, and statements from the file to the closed day, on the real database.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::civil::{Date, date};
use onestop::app::{
    AppError, Caller, Note, Reach, Reconciled, Reconciling, Refusal, ResultFormat, ResultOf, Role,
    StatementRefusal, StatementState,
};
use onestop::domain::ids::{HospitalCode, RegionCode, SettlementId};
use onestop::domain::ledger::Entry;
use onestop::domain::money::Fen;
use onestop::domain::reconcile::{Amounts, Class, Encoding, Scope, Sum, Told};
use onestop::domain::standing::PersonSnapshot;
use onestop::store::{Committed, Seen, commit, fence_day, newest_fence, queue};

use crate::harness::Database;
use crate::ledger_fixture::{HOSPITAL, entry, furnish, read, request, reversal};

pub(crate) const DAY: Date = date(2024, 7, 1);

pub(crate) fn insurer() -> Caller {
    let reach = Reach { schemes: Vec::new(), regions: vec![RegionCode::new("520200").unwrap()] };
    caller("insurer", Role::Insurer(Arc::new(reach)))
}

pub(crate) fn hospital() -> Caller {
    caller("hospital", Role::Hospital(HospitalCode::new(HOSPITAL).unwrap()))
}

pub(crate) fn caller(name: &str, role: Role) -> Caller {
    Caller { name: name.to_owned(), role, door: "grpc", purpose: None, deadline: None }
}

pub(crate) fn scope() -> Scope {
    Scope {
        hospital: None,
        region: RegionCode::new("520200"),
        scheme: None,
        clearing_type: None,
        clearing_agency: None,
        payer: None,
        refund: None,
        first_day: DAY,
        last_day: DAY,
    }
}

/// A row of a statement as it is sent: id, total, funds, account in fen, and whether it is a reversal.
pub(crate) fn line(id: &str, [total, fund, account]: [i64; 3], refund: bool) -> String {
    let yuan = |fen: i64| Fen::new(fen);
    let flag = if refund { "1" } else { "0" };
    format!("{id}\tnull\tnull\t{}\t{}\t{}\t{flag}\n", yuan(total), yuan(fund), yuan(account))
}

pub(crate) fn file(lines: &[String]) -> Cursor<Vec<u8>> {
    let head =
        "setl_id\tmdtrt_id\tpsn_no\tmedfee_sumamt\tfund_pay_sumamt\tacct_pay\trefd_setl_flag\n";
    Cursor::new(format!("{head}{}", lines.concat()).into_bytes())
}

/// What the fixture's settlement comes to.
pub(crate) const WHOLE: [i64; 3] = [100_000, 70_000, 2_000];

fn on_day(mut entry: Entry, day: Date) -> Entry {
    let at = day.at(4, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    (entry.settled_at, entry.accounting_day) = (at.timestamp(), day);
    entry
}

pub(crate) async fn put(database: &Database, entry: Entry) -> SettlementId {
    let id = entry.settlement.clone();
    assert_eq!(commit(&database.pool, entry, None, None).await.unwrap(), Committed::Committed);
    id
}

pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, AppError>) -> StatementRefusal {
    match &result {
        Err(AppError::Refused(Refusal::Statement(refusal))) => refusal.clone(),
        Ok(_) | Err(_) => panic!("{result:?}"),
    }
}

fn counts(reconciled: &Reconciled) -> Vec<(&'static str, u64, u64)> {
    let counted = Class::ALL.into_iter().map(|class| {
        let total = reconciled.report.class(class);
        (class.word(), total.ours.rows, total.theirs.rows)
    });
    counted.filter(|(_, ours, theirs)| 0 < ours + theirs).collect()
}

#[tokio::test]
async fn a_fenced_day_takes_nothing_more_by_any_statement() {
    let database = Database::new().await;
    furnish(&database, &[7, 8, 9]).await;
    put(&database, entry(7, "S1", "R1", (1, 1))).await;
    let today = onestop::app::now().day;
    assert!(!fence_day(&database.pool, today, "insurer").await.unwrap(), "it is not over");
    assert_eq!(newest_fence(&database.pool).await.unwrap(), None);
    assert!(fence_day(&database.pool, DAY, "insurer").await.unwrap());
    assert!(fence_day(&database.pool, DAY, "another").await.unwrap());
    assert_eq!(newest_fence(&database.pool).await.unwrap(), Some(DAY));

    // With care, lean, and as a chain.
    let late = commit(&database.pool, entry(8, "S2", "R2", (1, 1)), None, None).await.unwrap();
    assert_eq!(late, Committed::DayClosed);
    let snapshot = read(&database, 8, "S2", Some(&request("R2"))).await;
    let person = snapshot.person.unwrap();
    let changes = snapshot.changes;
    let seen = |person: &Arc<PersonSnapshot>| {
        let person = Arc::clone(person);
        Some(Seen { person, changes, reference_version: None })
    };
    let lean = entry(8, "S2", "R2", (1, 1));
    let lean = commit(&database.pool, lean, seen(&person), None).await.unwrap();
    assert_eq!(lean, Committed::DayClosed);
    // Queued before anybody writes, the three go together; nothing of a chain is written where its day is over.
    let mut chained = Vec::new();
    let mut person = person;
    for (number, stay) in ["C1", "C2", "C3"].into_iter().enumerate() {
        let version = 1 + i64::try_from(number).unwrap();
        let next = entry(8, stay, stay, (1, version));
        let mut after = PersonSnapshot::clone(&person);
        chained.push(queue(&database.pool, next.clone(), seen(&person), None).unwrap());
        assert!(after.move_by(&next));
        person = Arc::new(after);
    }
    for queued in chained {
        let outcome = queued.outcome().await.unwrap();
        assert_ne!(
            outcome,
            Committed::Committed,
            "the first for its day, the others for the first"
        );
    }
    // A reversal of that day neither, and one of the next day is.
    let first = entry(7, "S1", "R1", (1, 1));
    let undone = reversal(&first, "R3", (1, 2));
    let refused = commit(&database.pool, undone.clone(), None, None).await.unwrap();
    assert_eq!(refused, Committed::DayClosed);
    put(&database, on_day(undone, date(2024, 7, 2))).await;
    // What is refused for its day leaves nothing behind, and goes through on the next.
    put(&database, on_day(entry(8, "S2", "R2", (1, 1)), date(2024, 7, 2))).await;
    // A day before the newest fence is fenced with it.
    let before = on_day(entry(9, "S4", "R4", (1, 1)), date(2024, 6, 30));
    assert_eq!(commit(&database.pool, before, None, None).await.unwrap(), Committed::DayClosed);
}

#[tokio::test]
async fn a_fence_waits_for_whatever_began_before_it() {
    let database = Database::new().await;
    let owner = database.owner().await;
    owner.batch_execute("BEGIN; LOCK TABLE settlement IN ROW EXCLUSIVE MODE").await.unwrap();
    let pool = database.pool.clone();
    let fencing = tokio::spawn(async move { fence_day(&pool, DAY, "insurer").await });
    // It looks who may be writing once the fence is durable: whoever began before that look is waited for, seen by it or not. Here it
    // has looked: it was at rest after three beginnings, of which one was to prepare and one is for sure to look.
    let later = database.again().owner().await;
    let at_rest = "SELECT a.query_start FROM pg_stat_activity a WHERE a.datname = current_database() \
        AND a.pid <> pg_backend_pid() AND a.state = 'idle' AND a.query LIKE '%FROM pg_locks%'";
    let mut began: BTreeSet<SystemTime> = BTreeSet::new();
    while began.len() < 3 {
        let rows = later.query(at_rest, &[]).await.unwrap();
        began.extend(rows.iter().map(|row| row.get::<_, SystemTime>(0)));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(newest_fence(&database.pool).await.unwrap(), Some(DAY));
    assert!(!fencing.is_finished(), "somebody may still write into the day");
    // Whoever begins now sees the fence, and is not waited for.
    later.batch_execute("BEGIN; LOCK TABLE settlement IN ROW EXCLUSIVE MODE").await.unwrap();
    owner.batch_execute("COMMIT").await.unwrap();
    fencing.await.unwrap().unwrap();
    later.batch_execute("COMMIT").await.unwrap();
}

/// A day with one row in each class, and what must be said of it.
pub(crate) struct Mixed {
    pub(crate) lines: Vec<String>,
    ids: Vec<SettlementId>,
}

pub(crate) async fn mixed(database: &Database) -> Mixed {
    furnish(database, &(1..=9).collect::<Vec<_>>()).await;
    let mut ids = Vec::new();
    for person in 1..=6 {
        let stay = format!("S{person}");
        ids.push(put(database, entry(person, &stay, &format!("R{person}"), (1, 1))).await);
    }
    // Ours reversed on the day, and one that lies on the day after.
    let fifth = entry(5, "S5", "R5", (1, 1));
    put(database, reversal(&fifth, "R5R", (1, 2))).await;
    let after = on_day(entry(7, "S7", "R7", (1, 1)), date(2024, 7, 2));
    let other_day = put(database, after).await;
    let mut elsewhere = entry(8, "S8", "R8", (1, 1));
    elsewhere.hospital = HospitalCode::new("H52020000002").unwrap();
    let elsewhere = put(database, elsewhere).await;

    let unknown = SettlementId::compose(3, 5, 77);
    let lines = vec![
        line(ids[0].as_str(), WHOLE, false),
        line(ids[1].as_str(), [100_000, 69_000, 2_000], false),
        line(ids[2].as_str(), WHOLE, false),
        line(ids[2].as_str(), WHOLE, false),
        line(ids[4].as_str(), WHOLE, false),
        line(ids[5].as_str(), WHOLE, false),
        line(ids[5].as_str(), WHOLE.map(|fen| -fen), true),
        line(unknown.as_str(), WHOLE, false),
        line(other_day.as_str(), WHOLE, false),
        line(elsewhere.as_str(), WHOLE, false),
        "S1\tnull\n".to_owned(),
    ];
    Mixed { lines, ids }
}

pub(crate) fn hospital_scope() -> Scope {
    Scope { hospital: HospitalCode::new(HOSPITAL), region: None, ..scope() }
}

#[tokio::test]
async fn every_row_of_a_statement_falls_into_its_class() {
    let database = Database::new().await;
    let Mixed { lines, ids } = mixed(&database).await;
    let hospital = hospital();
    let desk = Reconciling::new(&database.pool, &hospital);
    let done = desk.reconcile(&hospital_scope(), None, file(&lines), &|_| {}).await.unwrap();
    assert_eq!(
        counts(&done),
        [
            ("equal", 4, 4),
            ("only_ours", 1, 0),
            ("only_theirs", 0, 1),
            ("amounts_differ", 1, 1),
            ("repeated", 0, 1),
            ("reversed_on_one_side", 1, 1),
            ("other_day", 0, 1),
        ]
    );
    // The row of another hospital and the broken one are named by their lines, and count for nothing.
    let bad: Vec<_> = done.bad_rows.iter().map(|(line, why, _)| (*line, why.as_str())).collect();
    assert_eq!(bad, [(11, "OTHER_HOSPITAL"), (12, "CELLS")]);
    assert_eq!((done.statement.rows_bad, done.statement.state), (2, StatementState::Matched));
    assert_eq!(done.statement.explained, done.statement.differences);
    let sums = done.report.sums().unwrap();
    assert_eq!((sums.ours.rows, sums.theirs.rows), (7, 9));

    // Sent again it is the same statement.
    let again = desk.reconcile(&hospital_scope(), None, file(&lines), &|_| {}).await.unwrap();
    assert_eq!(again, done);
    let owner = database.owner().await;
    let rows = owner.query_one("SELECT count(*) FROM statement_row", &[]).await.unwrap();
    assert_eq!(rows.get::<_, i64>(0), 10);

    let listed = desk.differences(done.statement.key, 0).await.unwrap();
    let other = listed.iter().find(|one| one.class == Class::OtherDay).unwrap();
    assert_eq!((other.our_day, other.has_ours), (Some(date(2024, 7, 2)), false));
    let differs = listed.iter().find(|one| one.class == Class::AmountsDiffer).unwrap();
    assert_eq!(
        (differs.settlement.clone(), differs.request.as_deref()),
        (ids[1].clone(), Some("R2"))
    );
    // Who looked is recorded for each person whose settlement it was.
    let looks =
        "SELECT count(DISTINCT settlement_id) FROM access_record WHERE caller_name = 'hospital'";
    assert_eq!(owner.query_one(looks, &[]).await.unwrap().get::<_, i64>(0), 6);
}

#[tokio::test]
async fn a_result_goes_back_in_the_national_columns() {
    let database = Database::new().await;
    let Mixed { lines, ids } = mixed(&database).await;
    let insurer = insurer();
    let desk = Reconciling::new(&database.pool, &insurer);
    let done = desk.reconcile(&scope(), None, file(&lines), &|_| {}).await.unwrap();
    let wanted = ResultOf { format: ResultFormat::Csv, encoding: Encoding::Long };
    let sink =
        desk.results(done.statement.key, wanted, Cursor::new(Vec::new()), &|_| {}).await.unwrap();
    let text = String::from_utf8(sink.into_inner()).unwrap();
    let row = text.lines().find(|line| line.contains("amounts_differ")).unwrap();
    assert!(row.contains(&format!(",{},R2,000103,0,", ids[1])), "{row}");
    let unknown = text.lines().find(|line| line.contains("only_theirs")).unwrap();
    assert!(unknown.contains(",,000102,0,"), "no request to reverse: {unknown}");
    // What we have on another day, or said already, is no amount of ours here: a file comes to what its report does.
    let class = |class: &str| text.lines().find(|line| line.contains(class)).unwrap();
    let repeated = class(",repeated,");
    assert!(repeated.contains(",,,,1000.00,700.00,20.00,,repeated,"), "{repeated}");
    let other_day = class(",other_day,");
    assert!(other_day.contains(",,,,1000.00,700.00,20.00,,other_day,"), "{other_day}");
    assert!(
        other_day.contains("我方结算日 2024-07-02") && other_day.contains(",2024-07-02,"),
        "{other_day}"
    );
}

#[tokio::test]
async fn totals_are_by_hospital_scheme_clearing_type_and_refund() {
    let database = Database::new().await;
    mixed(&database).await;
    let insurer = insurer();
    let desk = Reconciling::new(&database.pool, &insurer);
    let totals = desk.totals(&scope()).await.unwrap();
    let told: Vec<_> = totals
        .iter()
        .map(|total| {
            let fund = total.sum.amounts.0[1].get();
            (
                total.hospital.as_str(),
                total.clearing_type.as_str(),
                total.refund,
                total.sum.rows,
                fund,
            )
        })
        .collect();
    // Fund by fund they make up what the funds pay.
    for total in &totals {
        let funds: i64 = total.funds.iter().map(|(_, fen)| fen.get()).sum();
        assert_eq!(funds, total.sum.amounts.0[1].get(), "{:?}", total.funds);
    }
    let second = totals[0].funds.iter().find(|(payer, _)| payer == "second").unwrap();
    assert_eq!((totals[0].funds.len(), second.1.get()), (3, 18_000));
    assert_eq!(
        told,
        [
            (HOSPITAL, "21", false, 6, 420_000),
            (HOSPITAL, "21", true, 1, -70_000),
            ("H52020000002", "21", false, 1, 70_000),
        ]
    );
    let inpatient = Scope { clearing_type: Some("21".to_owned()), ..scope() };
    let all = Sum {
        rows: 8,
        amounts: Amounts::new(Fen::new(600_000), Fen::new(420_000), Fen::new(12_000)),
    };
    assert_eq!(desk.compare(&inpatient, &all).await.unwrap().0, Told::Equal);
    let more = Sum { rows: 9, ..all };
    assert_eq!(desk.compare(&inpatient, &more).await.unwrap().0, Told::InstitutionMore);
    let outpatient = Scope { clearing_type: Some("11".to_owned()), ..scope() };
    assert_eq!(desk.totals(&outpatient).await.unwrap(), []);
}

#[tokio::test]
async fn an_underwriter_reconciles_its_layers_alone() {
    let database = Database::new().await;
    furnish(&database, &[1, 2]).await;
    let first = put(&database, entry(1, "S1", "R1", (1, 1))).await;
    let second = put(&database, entry(2, "S2", "R2", (1, 1))).await;
    let insurer = insurer();
    let desk = Reconciling::new(&database.pool, &insurer);
    let own = Scope { payer: Some("second".to_owned()), ..scope() };
    let lines = [
        line(first.as_str(), [100_000, 3_000, 2_000], false),
        line(second.as_str(), [100_000, 70_000, 2_000], false),
    ];
    let done = desk.reconcile(&own, None, file(&lines), &|_| {}).await.unwrap();
    assert_eq!(counts(&done), [("equal", 1, 1), ("amounts_differ", 1, 1)]);
    let total = done.report.class(Class::AmountsDiffer);
    assert_eq!(total.ours.amounts.0[1].get(), 3_000);
}

#[tokio::test]
async fn nobody_reaches_anothers_statement() {
    let database = Database::new().await;
    let Mixed { lines, .. } = mixed(&database).await;
    let insurer = insurer();
    let desk = Reconciling::new(&database.pool, &insurer);
    let done = desk.reconcile(&scope(), None, file(&lines), &|_| {}).await.unwrap();
    let key = done.statement.key;
    let Role::Insurer(reach) = insurer.role.clone() else { panic!("{insurer:?}") };
    let bureau = caller("bureau", Role::Bureau(reach));
    let reading = Reconciling::new(&database.pool, &bureau);
    assert_eq!(reading.find(key).await.unwrap(), done);
    assert!(reading.close(key, None).await.is_err(), "a bureau reads");
    let away = caller("away", Role::Hospital(HospitalCode::new("H52020000009").unwrap()));
    let away = Reconciling::new(&database.pool, &away);
    assert_eq!(refusal(away.find(key).await), StatementRefusal::Unknown);
    let refused = away.reconcile(&scope(), None, file(&lines), &|_| {}).await.unwrap_err();
    assert!(matches!(refused, AppError::Refused(Refusal::NotAllowed(_))), "{refused:?}");
    let open = Scope { region: None, ..scope() };
    assert_eq!(refusal(desk.totals(&open).await), StatementRefusal::ScopeOpen);
}

#[tokio::test]
async fn a_day_closes_once_each_difference_is_settled_by_two_or_carried() {
    let database = Database::new().await;
    furnish(&database, &[1, 2]).await;
    let first = put(&database, entry(1, "S1", "R1", (1, 1))).await;
    let second = put(&database, entry(2, "S2", "R2", (1, 1))).await;
    let lines = [line(first.as_str(), [100_000, 69_000, 2_000], false)];
    let (one, two) = (insurer(), Caller { name: "other".to_owned(), ..insurer() });
    let (one, two) =
        (Reconciling::new(&database.pool, &one), Reconciling::new(&database.pool, &two));
    let done = one.reconcile(&scope(), None, file(&lines), &|_| {}).await.unwrap();
    let key = done.statement.key;
    assert_eq!(refusal(one.close(key, None).await), StatementRefusal::DifferencesOpen(2));
    let money = Fen::new(1_000);
    assert_eq!(
        refusal(one.note(key, 1, Note::Settle(money), "x").await),
        StatementRefusal::FourEyes
    );
    one.note(key, 1, Note::Propose(money), "their rules lack a clause").await.unwrap();
    assert_eq!(
        refusal(one.note(key, 1, Note::Settle(money), "x").await),
        StatementRefusal::FourEyes
    );
    let other = Note::Settle(Fen::new(999));
    assert_eq!(refusal(two.note(key, 1, other, "x").await), StatementRefusal::FourEyes);
    two.note(key, 1, Note::Settle(money), "agreed").await.unwrap();
    let again = two.note(key, 1, Note::Propose(money), "again").await;
    assert_eq!(refusal(again), StatementRefusal::DifferenceNotOpen);
    assert_eq!(refusal(one.close(key, None).await), StatementRefusal::DifferencesOpen(1));
    one.note(key, 2, Note::Carry, "comes tomorrow").await.unwrap();

    // Another statement of the same day, with nothing left open but the day itself.
    let whole = [line(first.as_str(), WHOLE, false), line(second.as_str(), WHOLE, false)];
    let other = one.reconcile(&scope(), None, file(&whole), &|_| {}).await.unwrap();
    assert_eq!(other.statement.differences, 0);

    let closed = one.close(key, None).await.unwrap();
    assert_eq!(refusal(two.close(other.statement.key, None).await), StatementRefusal::DayClosed);
    let owner = database.owner().await;
    let twice = owner
        .execute(
            "UPDATE statement SET state = 'closed', closed_at = now(), closed_by = 'x' WHERE statement_key = $1",
            &[&other.statement.key],
        )
        .await;
    assert_eq!(twice.unwrap_err().code().unwrap().code(), "23P01");
    assert_eq!(closed.statement.state, StatementState::Closed);
    assert_eq!(closed.report, done.report);
    // Nothing of that day is taken any more, and what is closed stands still, also before its owner.
    let more = [lines.concat(), line("S9", WHOLE, false)];
    let refused = one.reconcile(&scope(), None, file(&more), &|_| {}).await;
    assert_eq!(refusal(refused), StatementRefusal::DayClosed);
    assert_eq!(one.reconcile(&scope(), None, file(&lines), &|_| {}).await.unwrap(), closed);
    let change = owner
        .batch_execute("UPDATE statement SET state = 'matched', closed_at = NULL, closed_by = NULL")
        .await;
    assert_eq!(change.unwrap_err().code().unwrap().code(), "23001");
    // What was carried keeps its history and is settled later.
    let carried = one.carried(&scope(), None).await.unwrap();
    assert_eq!(carried.iter().map(|one| (one.number, one.day)).collect::<Vec<_>>(), [(2, DAY)]);
    one.note(key, 2, Note::Propose(Fen::ZERO), "it came").await.unwrap();
    two.note(key, 2, Note::Settle(Fen::ZERO), "it came").await.unwrap();
    assert_eq!(one.carried(&scope(), None).await.unwrap(), []);
    let events = "SELECT string_agg(event, ' ' ORDER BY event_no) FROM difference_event WHERE difference_no = 2";
    let events: String = owner.query_one(events, &[]).await.unwrap().get(0);
    assert_eq!(events, "explained carried proposed settled");
}

#[tokio::test]
async fn bad_files_leave_nothing_and_days_that_are_not_over_are_refused() {
    let database = Database::new().await;
    let Mixed { lines, .. } = mixed(&database).await;
    let insurer = insurer();
    let desk = Reconciling::new(&database.pool, &insurer);
    let headless = Cursor::new(b"setl_id\tmdtrt_id\n".to_vec());
    let missing = refusal(desk.reconcile(&scope(), None, headless, &|_| {}).await);
    assert_eq!(missing, StatementRefusal::File { code: "FILE_COLUMN_MISSING", column: "psn_no" });
    let cut = Cursor::new(b"PK\x03\x04 and then nothing".to_vec());
    let damaged = refusal(desk.reconcile(&scope(), None, cut, &|_| {}).await);
    assert_eq!(damaged, StatementRefusal::File { code: "FILE_DAMAGED", column: "" });
    let today = onestop::app::now().day;
    let ahead = Scope { last_day: today, ..scope() };
    let early = desk.reconcile(&ahead, None, file(&lines), &|_| {}).await;
    assert_eq!(refusal(early), StatementRefusal::DayNotOver);
    let owner = database.owner().await;
    let rows = "SELECT (SELECT count(*) FROM statement) + (SELECT count(*) FROM accounting_fence)";
    assert_eq!(owner.query_one(rows, &[]).await.unwrap().get::<_, i64>(0), 0);

    // Totals beside the file that are not those of its rows: the rows count, and it is said.
    let told = Some(Sum { rows: 1, amounts: Amounts::default() });
    let done = desk.reconcile(&scope(), told, file(&lines), &|_| {}).await.unwrap();
    assert!(!done.totals_agree);
    assert_eq!(done.statement.state, StatementState::Matched);
}

/// Thousands of rows in several batches, with one that is bad; ended half way, and gone on with.
#[tokio::test]
async fn a_large_statement_goes_on_where_it_was() {
    let database = Database::new().await;
    furnish(&database, &[1]).await;
    let first = put(&database, entry(1, "S1", "R1", (1, 1))).await;
    let id = |at: i64| SettlementId::compose(5, at, 9);
    let mut lines: Vec<String> =
        (1..=45_000).map(|at| line(id(at).as_str(), WHOLE, false)).collect();
    lines.push(line(first.as_str(), WHOLE, false));
    lines[30_000] = "broken\n".to_owned();
    let insurer = insurer();
    let desk = Reconciling::new(&database.pool, &insurer);
    let told = std::sync::Mutex::new(Vec::new());
    let stopping = |progress: onestop::app::Progress| told.lock().unwrap().push(progress.done);
    {
        // Dropped after the first batch, as a kill would end it.
        let file = file(&lines);
        let scope = scope();
        let running = desk.reconcile(&scope, None, file, &stopping);
        let mut running = Box::pin(running);
        loop {
            tokio::select! {
                biased;
                ended = &mut running => panic!("it ended before it was stopped: {ended:?}"),
                () = tokio::task::yield_now() => {}
            }
            if !told.lock().unwrap().is_empty() {
                break;
            }
        }
    }
    let done = desk.reconcile(&scope(), None, file(&lines), &|_| {}).await.unwrap();
    assert_eq!(counts(&done), [("equal", 1, 1), ("only_theirs", 0, 44_999)]);
    let bad: Vec<_> = done.bad_rows.iter().map(|(line, ..)| *line).collect();
    assert_eq!(bad, [30_002]);
    assert_eq!(done.unexplained_per_10_000(), Some(10_000), "we have none of them");
    let owner = database.owner().await;
    let rows = owner.query_one("SELECT count(*), count(DISTINCT line) FROM statement_row", &[]);
    let rows = rows.await.unwrap();
    assert_eq!((rows.get::<_, i64>(0), rows.get::<_, i64>(1)), (45_000, 45_000));
}
