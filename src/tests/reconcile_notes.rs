//! What becomes of differences and of statements: who may settle what, what a closed day stands against, and what can be read of it.

use std::sync::Mutex;

use jiff::civil::date;
use onestop::app::{
    Caller, Note, Progress, Reach, Reconciling, ResultFormat, ResultOf, Role, StatementRefusal,
    StatementState, Step,
};
use onestop::domain::ids::RegionCode;
use onestop::domain::money::Fen;
use onestop::domain::reconcile::{Amounts, Encoding, Scope, Sum};
use onestop::domain::standing::Scheme;

use crate::harness::Database;
use crate::ledger_fixture::{entry, furnish};
use crate::reconcile::{
    DAY, Mixed, WHOLE, file, hospital_scope, insurer, line, mixed, put, refusal, scope,
};

const FLAT: Fen = Fen::ZERO;

fn sum(rows: u64, [total, fund, account]: [i64; 3]) -> Option<Sum> {
    Some(Sum { rows, amounts: Amounts::new(Fen::new(total), Fen::new(fund), Fen::new(account)) })
}

#[tokio::test]
async fn nobody_settles_alone_where_money_is_in_it_whatever_they_say_moves() {
    let database = Database::new().await;
    furnish(&database, &[1, 2]).await;
    let first = put(&database, entry(1, "S1", "R1", (1, 1))).await;
    put(&database, entry(2, "S2", "R2", (1, 1))).await;
    let (one, two) = (insurer(), Caller { name: "other".to_owned(), ..insurer() });
    let (one, two) =
        (Reconciling::new(&database.pool, &one), Reconciling::new(&database.pool, &two));
    let lines = [line(first.as_str(), [100_000, 69_000, 2_000], false)];
    let done = one.reconcile(&scope(), None, file(&lines), &|_| {}).await.unwrap();
    let key = done.statement.key;
    // One with other amounts, and one that we alone have.
    for number in [1, 2] {
        let alone = async |note| refusal(one.note(key, number, note, "looks fine").await);
        assert_eq!(alone(Note::Settle(FLAT)).await, StatementRefusal::FourEyes);
        one.note(key, number, Note::Propose(Fen::new(-1_234)), "refund").await.unwrap();
        assert_eq!(alone(Note::Settle(FLAT)).await, StatementRefusal::FourEyes);
        let other = two.note(key, number, Note::Settle(FLAT), "no money").await;
        assert_eq!(refusal(other), StatementRefusal::FourEyes, "it is not what was proposed");
        one.note(key, number, Note::Withdraw, "by mistake").await.unwrap();
        assert_eq!(alone(Note::Settle(FLAT)).await, StatementRefusal::FourEyes);
        one.note(key, number, Note::Propose(FLAT), "no money moves").await.unwrap();
        assert_eq!(alone(Note::Settle(FLAT)).await, StatementRefusal::FourEyes);
    }
    // Nor does whoever writes past the shell.
    let owner = database.owner().await;
    let past = |proposed: &str| {
        format!(
            "INSERT INTO difference_event (statement_key, difference_no, event_no, event, reason, proposed_by, by_name)
             VALUES ({key}, 1, 6, 'settled', 'x', {proposed}, 'insurer')"
        )
    };
    for proposed in ["NULL", "'insurer'", "'other'"] {
        let refused = owner.batch_execute(&past(proposed)).await.unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "23514", "{proposed}");
    }
    for number in [1, 2] {
        two.note(key, number, Note::Settle(FLAT), "agreed").await.unwrap();
    }
    assert_eq!(one.close(key, None).await.unwrap().statement.state, StatementState::Closed);
}

#[tokio::test]
async fn a_reason_is_said_in_a_line_of_at_most_two_hundred_characters() {
    let database = Database::new().await;
    furnish(&database, &[1]).await;
    put(&database, entry(1, "S1", "R1", (1, 1))).await;
    let insurer = insurer();
    let desk = Reconciling::new(&database.pool, &insurer);
    let lines = [line("S9", WHOLE, false)];
    let done = desk.reconcile(&scope(), None, file(&lines), &|_| {}).await.unwrap();
    let key = done.statement.key;
    for unfit in ["", " ", "a\nb", &"x".repeat(201)] {
        let noted = desk.note(key, 1, Note::Carry, unfit).await;
        assert_eq!(refusal(noted), StatementRefusal::ReasonUnfit, "{unfit:?}");
        let closed = desk.close(key, Some(unfit)).await;
        assert_eq!(refusal(closed), StatementRefusal::ReasonUnfit, "{unfit:?}");
    }
    desk.note(key, 1, Note::Carry, &"原".repeat(200)).await.unwrap();
}

#[tokio::test]
async fn the_totals_of_this_sending_count() {
    let database = Database::new().await;
    furnish(&database, &[1]).await;
    let first = put(&database, entry(1, "S1", "R1", (1, 1))).await;
    let insurer = insurer();
    let desk = Reconciling::new(&database.pool, &insurer);
    let lines = [line(first.as_str(), WHOLE, false)];
    let send = async |told: Option<Sum>| {
        desk.reconcile(&scope(), told, file(&lines), &|_| {}).await.unwrap()
    };
    let (right, wrong) = (sum(1, WHOLE), sum(2, WHOLE));
    let done = send(wrong).await;
    let key = done.statement.key;
    assert!(!done.totals_agree);
    assert!(send(right).await.totals_agree, "the file came with its own totals this time");
    assert!(desk.find(key).await.unwrap().totals_agree);
    assert!(!send(wrong).await.totals_agree);
    assert!(!send(None).await.totals_agree, "without any, the last that were told count");
    // Whoever closes it says why it is closed with totals that are not those of its rows.
    let flawed = StatementRefusal::Flawed { rows_bad: 0, totals_agree: false };
    assert_eq!(refusal(desk.close(key, None).await), flawed);
    let closed = desk.close(key, Some("agreed by telephone")).await.unwrap();
    assert_eq!(closed.statement.although, "agreed by telephone");
    // What is closed keeps what was told with it; whoever sends others hears of these.
    let again = send(right).await;
    assert!(again.totals_agree);
    assert_eq!(again.statement, closed.statement);
    assert!(!desk.find(key).await.unwrap().totals_agree);
}

#[tokio::test]
async fn a_statement_with_bad_rows_is_closed_by_who_says_why() {
    let database = Database::new().await;
    furnish(&database, &[1, 2]).await;
    let first = put(&database, entry(1, "S1", "R1", (1, 1))).await;
    let second = put(&database, entry(2, "S2", "R2", (1, 1))).await;
    let insurer = insurer();
    let desk = Reconciling::new(&database.pool, &insurer);
    let bad = line(second.as_str(), WHOLE, false).replace("1000.00", "1e3");
    let lines = [line(first.as_str(), WHOLE, false), bad];
    let done = desk.reconcile(&scope(), None, file(&lines), &|_| {}).await.unwrap();
    let key = done.statement.key;
    // What their bad row is of is no answer of theirs that we hold against.
    let listed = desk.differences(key, 0).await.unwrap();
    let why: Vec<_> =
        listed.iter().map(|one| (one.explanation.as_str(), one.detail.as_str())).collect();
    assert_eq!(why, [("their_row_bad", "line 3")]);
    assert_eq!(done.explanations, [("their_row_bad".to_owned(), 1)]);
    desk.note(key, 1, Note::Carry, "they send it again").await.unwrap();
    let flawed = StatementRefusal::Flawed { rows_bad: 1, totals_agree: true };
    assert_eq!(refusal(desk.close(key, None).await), flawed);
    // Past the shell neither.
    let owner = database.owner().await;
    let close = "UPDATE statement SET state = 'closed', closed_at = now(), closed_by = 'x'";
    let refused = owner.batch_execute(close).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "23514");
    assert_eq!(desk.close(key, Some("one row")).await.unwrap().statement.although, "one row");
}

#[tokio::test]
async fn a_closed_day_is_closed_for_all_that_lies_in_its_scope() {
    let database = Database::new().await;
    furnish(&database, &[1, 2]).await;
    let first = put(&database, entry(1, "S1", "R1", (1, 1))).await;
    let second = put(&database, entry(2, "S2", "R2", (1, 1))).await;
    let development = crate::reconcile::caller("development", onestop::app::Role::Development);
    let desk = Reconciling::new(&database.pool, &development);
    let take = async |scope: &Scope, lines: &[String]| {
        desk.reconcile(scope, None, file(lines), &|_| {}).await
    };
    let whole = [line(first.as_str(), WHOLE, false), line(second.as_str(), WHOLE, false)];
    // Two statements of the same region, and one of the hospital that stands in it, all of them matched.
    let other = take(&scope(), &whole[..1]).await.unwrap().statement.key;
    desk.note(other, 1, Note::Carry, "comes tomorrow").await.unwrap();
    let hospital = take(&hospital_scope(), &whole[..1]).await.unwrap().statement.key;
    assert_eq!(desk.carried(&scope(), None).await.unwrap().len(), 1);
    let key = take(&scope(), &whole).await.unwrap().statement.key;
    desk.close(key, None).await.unwrap();

    for superseded in [other, hospital] {
        let found = desk.find(superseded).await.unwrap();
        assert_eq!(found.statement.superseded_by, Some(key));
        let noted = desk.note(superseded, 1, Note::Propose(FLAT), "late").await;
        assert_eq!(refusal(noted), StatementRefusal::DayClosed);
        assert_eq!(refusal(desk.close(superseded, None).await), StatementRefusal::DayClosed);
    }
    // What was sent before still tells its report, and nothing new is taken of any scope within.
    let again = take(&hospital_scope(), &whole[..1]).await.unwrap().statement;
    assert_eq!((again.key, again.superseded_by), (hospital, Some(key)));
    let narrower = [
        hospital_scope(),
        Scope { clearing_type: Some("21".to_owned()), ..scope() },
        Scope { region: onestop::domain::ids::RegionCode::new("520201"), ..scope() },
        Scope { first_day: date(2024, 6, 30), ..scope() },
    ];
    let more = [whole.concat(), line("S9", WHOLE, false)];
    for within in &narrower {
        assert_eq!(refusal(take(within, &more).await), StatementRefusal::DayClosed, "{within:?}");
    }
    assert_eq!(desk.carried(&scope(), None).await.unwrap(), [], "its day is over");
    // The hospital itself still puts its own beside ours, and closes that once.
    let billing = crate::reconcile::hospital();
    let billing = Reconciling::new(&database.pool, &billing);
    let own = billing.reconcile(&hospital_scope(), None, file(&whole), &|_| {}).await.unwrap();
    assert_eq!(own.statement.superseded_by, None);
    billing.close(own.statement.key, None).await.unwrap();
    let twice = billing.reconcile(&hospital_scope(), None, file(&more), &|_| {}).await;
    assert_eq!(refusal(twice), StatementRefusal::DayClosed);
    // An underwriter's layers are a statement of their own, and so is what lies beyond.
    let beyond = [
        Scope { payer: Some("second".to_owned()), ..scope() },
        Scope { region: onestop::domain::ids::RegionCode::new("520000"), ..scope() },
        Scope { first_day: date(2024, 7, 2), last_day: date(2024, 7, 2), ..scope() },
    ];
    for beyond in &beyond {
        take(beyond, &more).await.unwrap();
    }
}

/// Statements are found without their numbers, the latest first, page by page, and only by who reaches them.
async fn are_listed(database: &Database, one: &Reconciling<'_>, [later, key]: [i64; 2]) {
    let keys = |page: onestop::app::Statements| -> Vec<i64> {
        page.listed.iter().map(|statement| statement.key).collect()
    };
    let latest = onestop::app::Latest::default();
    assert_eq!(keys(one.statements(&latest).await.unwrap()), [later, key]);
    let of_day = onestop::app::Latest { day: Some(DAY), ..latest.clone() };
    assert_eq!(keys(one.statements(&of_day).await.unwrap()), [key]);
    let page = onestop::app::Latest { most: Some(1), ..latest.clone() };
    let first = one.statements(&page).await.unwrap();
    let rest = onestop::app::Latest { after: first.next, ..page };
    assert_eq!(keys(first), [later], "a page of one");
    let second = one.statements(&rest).await.unwrap();
    let end = onestop::app::Latest { after: second.next, ..rest };
    assert_eq!(keys(second), [key], "and where it goes on");
    assert_eq!(one.statements(&end).await.unwrap().next, None);
    let open = onestop::app::Latest { state: Some(StatementState::Received), ..latest.clone() };
    assert_eq!(keys(one.statements(&open).await.unwrap()), Vec::<i64>::new());
    // Whoever reaches something else gets none of these, however many there are: the list is cut before it is paged.
    let reach = |region: &str, schemes: &[Scheme]| {
        let regions = vec![RegionCode::new(region).unwrap()];
        std::sync::Arc::new(Reach { schemes: schemes.to_vec(), regions })
    };
    for (role, expected) in [
        (Role::Bureau(reach("520000", &[])), 2),
        (Role::Insurer(reach("520201", &[])), 0),
        (Role::Insurer(reach("110000", &[])), 0),
        // These statements name no scheme, and so are of all of them.
        (Role::Insurer(reach("520200", &[Scheme::Resident])), 0),
        (Role::CommandLine, 2),
    ] {
        let who = crate::reconcile::caller("who", role);
        let page = onestop::app::Latest { most: Some(2), ..latest.clone() };
        let seen = Reconciling::new(&database.pool, &who).statements(&page).await.unwrap();
        assert_eq!((seen.listed.len(), seen.next.is_some()), (expected, expected == 2), "{who:?}");
    }
    let away = onestop::domain::ids::HospitalCode::new("H9").unwrap();
    let away = crate::reconcile::caller("away", onestop::app::Role::Hospital(away));
    let away = Reconciling::new(&database.pool, &away);
    assert_eq!(away.statements(&latest).await.unwrap().listed, []);
}

#[tokio::test]
async fn what_happened_to_a_difference_goes_with_it_over_days() {
    let database = Database::new().await;
    furnish(&database, &[1]).await;
    let first = put(&database, entry(1, "S1", "R1", (1, 1))).await;
    let (one, two) = (insurer(), Caller { name: "other".to_owned(), ..insurer() });
    let (one, two) =
        (Reconciling::new(&database.pool, &one), Reconciling::new(&database.pool, &two));
    let unknown = onestop::domain::ids::SettlementId::compose(3, 5, 77);
    let before = [line(unknown.as_str(), WHOLE, false)];
    let done = one.reconcile(&scope(), None, file(&before), &|_| {}).await.unwrap();
    let key = done.statement.key;
    for number in [1, 2] {
        one.note(key, number, Note::Carry, "comes tomorrow").await.unwrap();
    }
    one.close(key, None).await.unwrap();
    // They tell ours a day later.
    let next = Scope { first_day: date(2024, 7, 2), last_day: date(2024, 7, 2), ..scope() };
    let after = [line(first.as_str(), WHOLE, false)];
    let done = one.reconcile(&next, None, file(&after), &|_| {}).await.unwrap();
    let later = done.statement.key;
    one.note(later, 1, Note::Propose(FLAT), "there it is").await.unwrap();
    two.note(later, 1, Note::Settle(FLAT), "agreed").await.unwrap();
    let history = one.history(later, 1).await.unwrap();
    let told: Vec<_> = history
        .iter()
        .map(|event| (event.statement, event.day, event.event.as_str(), event.by.as_str()))
        .collect();
    let tomorrow = date(2024, 7, 2);
    assert_eq!(
        told,
        [
            (key, DAY, "explained", "insurer"),
            (key, DAY, "carried", "insurer"),
            (later, tomorrow, "explained", "insurer"),
            (later, tomorrow, "proposed", "insurer"),
            (later, tomorrow, "settled", "other"),
        ]
    );
    assert_eq!(history[4].proposed_by.as_deref(), Some("insurer"));
    let looks = "SELECT count(*) FROM access_record WHERE caller_name = 'insurer'";
    let owner = database.owner().await;
    assert!(0 < owner.query_one(looks, &[]).await.unwrap().get::<_, i64>(0));
    // The file of a day tells the number, and who did what last.
    let wanted = ResultOf { format: ResultFormat::Csv, encoding: Encoding::Short };
    let sink = std::io::Cursor::new(Vec::new());
    let sink = one.results(later, wanted, sink, &|_| {}).await.unwrap();
    let text = String::from_utf8(sink.into_inner()).unwrap();
    let row = text.lines().nth(1).unwrap();
    assert!(
        row.contains(",0.00,other_day,") && row.contains(",2024-07-01,1,settled,other,"),
        "{row}"
    );
    assert!(row.ends_with(",agreed"), "{row}");
    are_listed(&database, &one, [later, key]).await;
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_refused_with_those_that_are_known() {
    let database = Database::new().await;
    let Mixed { lines, .. } = mixed(&database).await;
    let insurer = insurer();
    let desk = Reconciling::new(&database.pool, &insurer);
    let payer = Scope { payer: Some("secnod".to_owned()), ..scope() };
    let known = StatementRefusal::PayerUnknown(
        ["account", "aid", "pool", "second", "waiver"].into_iter().map(ToOwned::to_owned).collect(),
    );
    assert_eq!(refusal(desk.totals(&payer).await), known);
    assert_eq!(refusal(desk.reconcile(&payer, None, file(&lines), &|_| {}).await), known);
    assert_eq!(refusal(desk.carried(&payer, None).await), known);
    let clearing = Scope { clearing_type: Some("12".to_owned()), ..scope() };
    let known = StatementRefusal::ClearingTypeUnknown(vec!["11".to_owned(), "21".to_owned()]);
    assert_eq!(refusal(desk.totals(&clearing).await), known);
    assert_eq!(known.about(), "已知 known: 11, 21");
}

#[tokio::test]
async fn every_step_tells_how_far_it_is() {
    let database = Database::new().await;
    let Mixed { lines, .. } = mixed(&database).await;
    let insurer = insurer();
    let desk = Reconciling::new(&database.pool, &insurer);
    let steps = Mutex::new(Vec::new());
    let tell = |progress: Progress| {
        let mut steps = steps.lock().unwrap();
        if steps.last() != Some(&progress.step) {
            steps.push(progress.step);
        }
    };
    let done = desk.reconcile(&scope(), None, file(&lines), &tell).await.unwrap();
    let wanted = ResultOf { format: ResultFormat::Csv, encoding: Encoding::Short };
    let sink = std::io::Cursor::new(Vec::new());
    desk.results(done.statement.key, wanted, sink, &tell).await.unwrap();
    let told = steps.into_inner().unwrap();
    assert_eq!(
        told,
        [Step::Survey, Step::Take, Step::Fence, Step::Match, Step::Explain, Step::Write]
    );
}

/// Rows are hidden from every statement that has only a desk's time, so that whatever still sees them takes its own.
#[tokio::test]
async fn what_is_read_of_differences_takes_its_time() {
    let database = Database::new().await;
    let Mixed { lines, .. } = mixed(&database).await;
    let insurer = insurer();
    let desk = Reconciling::new(&database.pool, &insurer);
    let done = desk.reconcile(&scope(), None, file(&lines), &|_| {}).await.unwrap();
    let key = done.statement.key;
    desk.note(key, 1, Note::Carry, "comes tomorrow").await.unwrap();
    let owner = database.owner().await;
    for table in ["difference", "difference_event"] {
        let slow = format!(
            "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
             CREATE POLICY seen ON {table} FOR SELECT USING (current_setting('statement_timeout') = '10min')"
        );
        owner.batch_execute(&slow).await.unwrap();
    }
    assert_eq!(desk.find(key).await.unwrap(), done);
    let listed = desk.differences(key, 0).await.unwrap();
    assert_eq!(u64::try_from(listed.len()).unwrap(), done.statement.differences);
    assert_eq!(desk.carried(&scope(), None).await.unwrap().len(), 1);
    assert_eq!(desk.history(key, 1).await.unwrap().len(), 2);
}
