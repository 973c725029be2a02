//! The books on a real database: what balances, what is refused by name, and a statement's way from settlements to a bank's word.

use jiff::civil::{Date, date};
use onestop::app::finance::{AccountOf, Finance, FinanceRefusal, Listing, Made};
use onestop::app::{AppError, Caller, Reach, Refusal, Role};
use onestop::domain::finance::clearing::{Age, State, Terms};
use onestop::domain::finance::{Account, AccountKind, Draft, Fund, Line, PostingKind};
use onestop::domain::ids::{HospitalCode, RegionCode};
use onestop::domain::ledger::Entry;
use onestop::domain::money::{Fen, Rate};
use onestop::domain::standing::Scheme;
use onestop::keys::{self, Keys};
use onestop::store::finance::{self as store, By, Ledger};
use onestop::store::{Committed, commit};
use tokio_postgres::Client;

use crate::folder::Folder;
use crate::harness::Database;
use crate::ledger_fixture::{HOSPITAL, entry, furnish, hospital, reversal};

/// The day of the fixture's settlements.
pub(crate) const DAY: Date = date(2024, 7, 1);

/// Books with two settled stays of 1000.00 each, and one more that was reversed; all on a day that is closed.
pub(crate) struct Books {
    pub(crate) database: Database,
    keys: Keys,
    pub(crate) folder: Folder,
}

/// Somebody of the bureau of Liupanshui.
pub(crate) fn bureau(name: &str) -> Caller {
    of(name, Role::Bureau(reach(&[], "520200")))
}

pub(crate) fn reach(schemes: &[Scheme], region: &str) -> std::sync::Arc<Reach> {
    let regions = vec![RegionCode::new(region).unwrap()];
    std::sync::Arc::new(Reach { schemes: schemes.to_vec(), regions })
}

pub(crate) fn of(name: &str, role: Role) -> Caller {
    Caller { name: name.to_owned(), role, door: "grpc", purpose: None, deadline: None }
}

pub(crate) fn region(text: &str) -> RegionCode {
    RegionCode::new(text).unwrap()
}

/// Closes a day as a fence does.
pub(crate) async fn close(owner: &Client, day: Date) {
    let fence =
        "INSERT INTO accounting_fence (day, fenced_by) VALUES ($1, 'test') ON CONFLICT DO NOTHING";
    owner.execute(fence, &[&day]).await.unwrap();
}

impl Books {
    pub(crate) async fn new() -> Self {
        let database = Database::new().await;
        furnish(&database, &[1, 2, 3]).await;
        for (person, stay) in [(1, "S1"), (2, "S2"), (3, "S3")] {
            record(&database, entry(person, stay, stay, (1, 1))).await;
        }
        record(&database, reversal(&entry(3, "S3", "S3", (1, 1)), "V3", (1, 2))).await;
        let folder = Folder::new("keys");
        keys::init(&folder.path().join("keys")).unwrap();
        let keys = Keys::load(&folder.path().join("keys")).unwrap();
        Self { database, keys, folder }
    }

    pub(crate) async fn closed() -> Self {
        let books = Self::new().await;
        close(&books.database.owner().await, DAY).await;
        books
    }

    pub(crate) fn by<'a>(&'a self, caller: &'a Caller) -> Finance<'a> {
        Finance::beside(&self.database.pool, &self.keys, caller)
    }

    /// One statement of the fixture's day, approved by two.
    pub(crate) async fn approved(&self) -> store::Statement {
        let (zhang, li) = (bureau("zhang"), bureau("li"));
        let made = self.by(&zhang).make_statements(&july()).await.unwrap();
        let [statement] = made.as_slice() else { panic!("{made:?}") };
        self.by(&zhang).approve(&statement.id).await.unwrap();
        self.by(&li).approve(&statement.id).await.unwrap().0
    }

    pub(crate) async fn account(&self, bank: &str) {
        let (zhang, li) = (bureau("zhang"), bureau("li"));
        let account = AccountOf::new("六盘水市人民医院", "6222021234567890123", bank).unwrap();
        let (here, hospital) = (region("520200"), hospital());
        let number = self.by(&zhang).set_account(here, &hospital, &account).await.unwrap();
        let same = self.by(&zhang).confirm_account(here, &hospital, number).await;
        assert_eq!(why(same), FinanceRefusal::SamePerson);
        self.by(&li).confirm_account(here, &hospital, number).await.unwrap();
    }

    /// The sums of an account kind by fund and region: what is left of it.
    pub(crate) async fn left(&self, kind: AccountKind) -> Vec<(String, i64)> {
        let all = store::balance(&self.database.pool, &Ledger::default(), By::Account, 999).await;
        let all = all.unwrap().into_iter().filter_map(|of| {
            let fen = of.debit.get() - of.credit.get();
            let rest = of.key.strip_prefix(kind.word())?.trim().to_owned();
            (fen != 0).then_some((rest, fen))
        });
        all.collect()
    }

    /// The trial balance is nothing however it is looked at, and nothing contradicts itself.
    pub(crate) async fn balances(&self) {
        let pool = &self.database.pool;
        assert_eq!(store::check_books(pool).await.unwrap(), []);
        for by in [By::Day, By::Region, By::Hospital, By::Fund, By::Entry] {
            for sum in store::balance(pool, &Ledger::default(), by, 999).await.unwrap() {
                assert_eq!(sum.debit, sum.credit, "{by:?} {}", sum.key);
            }
        }
    }
}

pub(crate) async fn record(database: &Database, entry: Entry) {
    let committed = commit(&database.pool, std::sync::Arc::new(entry), None, None).await;
    assert_eq!(committed.unwrap(), Committed::Committed);
}

pub(crate) fn july() -> Made<'static> {
    Made { region: region("520200"), days: (DAY, DAY), hospital: None, insured: None }
}

/// Why the books did not take it.
pub(crate) fn why<T: std::fmt::Debug>(answer: Result<T, AppError>) -> FinanceRefusal {
    let error = answer.unwrap_err();
    let AppError::Refused(Refusal::Finance(refusal)) = error else { panic!("{error:?}") };
    refusal
}

fn line(kind: AccountKind, fund: Fund, counterparty: &str, fen: i64) -> Line {
    let account = Account::new(kind, fund, region("520200"), counterparty).unwrap();
    Line { account, amount: Fen::new(fen) }
}

/// An advance of a thousand yuan to the fixture's hospital by its insured region.
fn advance(fund: Fund, fen: i64) -> Draft {
    let lines = vec![
        line(AccountKind::HospitalAdvance, fund, HOSPITAL, fen),
        line(AccountKind::Treasury, fund, "", -fen),
    ];
    Draft::new(PostingKind::Advance, lines, None, ("doc 7", "prepaid for July")).unwrap()
}

async fn posted(books: &Books, draft: Draft) {
    let (zhang, li) = (bureau("zhang"), bureau("li"));
    let proposal = books.by(&zhang).propose(draft).await.unwrap();
    books.by(&li).agree(&proposal.id).await.unwrap();
}

#[tokio::test]
async fn a_settlement_is_a_balanced_entry_of_the_books_and_a_reversal_undoes_it() {
    let books = Books::new().await;
    books.balances().await;
    // Two stays in force: the pool pays 600, aid 100, the account 20, the hospital bears 50, 230 are paid at the desk. Beside each
    // bill somebody grants 800.
    let h = HOSPITAL;
    let expected = [
        (AccountKind::FundPool, "basic_resident 520200", 120_000),
        (AccountKind::FundPool, "medical_aid 520200", 20_000),
        (AccountKind::FundPool, "other 520200", 160_000),
        (AccountKind::FundPool, "personal_account 520200", 4_000),
        (AccountKind::PatientPayable, "other 520200", -160_000),
        (AccountKind::PatientDesk, "520200", 46_000),
        (AccountKind::HospitalBorne, &format!("520200 {h}"), 10_000),
        (AccountKind::HospitalDesk, &format!("520200 {h}"), -56_000),
        (AccountKind::HospitalPayable, &format!("basic_resident 520200 {h}"), -120_000),
        (AccountKind::HospitalPayable, &format!("medical_aid 520200 {h}"), -20_000),
        (AccountKind::HospitalPayable, &format!("personal_account 520200 {h}"), -4_000),
    ];
    for kind in AccountKind::ALL {
        let want = expected.iter().filter(|(of, ..)| *of == kind);
        let want: Vec<_> = want.map(|(_, rest, fen)| ((*rest).to_owned(), *fen)).collect();
        assert_eq!(books.left(kind).await, want, "{kind:?}");
    }
    // A settlement by itself.
    let entry = entry(1, "S1", "S1", (1, 1)).settlement;
    let one = Ledger { entry: Some(entry.as_str()), ..Ledger::default() };
    let sums = store::balance(&books.database.pool, &one, By::Entry, 9).await.unwrap();
    assert_eq!(sums[0].debit, Fen::new(100_000 + 80_000), "the bill and what stands beside it");
}

/// What the database refuses, done in the database: by its owner, who is held by no grant.
#[tokio::test]
async fn a_posting_that_is_wrong_is_refused_by_name_whoever_writes_it() {
    let books = Books::closed().await;
    posted(&books, advance(Fund::MedicalAid, 100_000)).await;
    let owner = books.database.owner().await;
    let columns = "SELECT attname::text FROM pg_attribute WHERE attrelid = 'posting'::regclass AND 0 < attnum ORDER BY attnum";
    let columns: Vec<String> =
        owner.query(columns, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let spoiled = [
        ("amount_fen", "ARRAY[100000, -99999]::bigint[]", "posting_balanced"),
        ("fund", "ARRAY['medical_aid', 'charity']", "posting_balanced"),
        ("region", "ARRAY['520200', '520201']", "posting_balanced"),
        ("amount_fen", "ARRAY[0, 0]::bigint[]", "posting_amounts"),
        ("amount_fen", "ARRAY[100000]::bigint[]", "posting_lines"),
        ("account", "ARRAY['hospital_advance', 'slush']", "posting_words"),
        ("account", "ARRAY['hospital_desk', 'patient_desk']", "posting_words"),
        ("kind", "'gift'", "posting_words"),
        ("approved_by", "made_by", "posting_four_eyes"),
        ("reason", "''", "posting_texts"),
        ("record", "record || '\\x00'::bytea", "posting_record"),
        ("accounting_day", "accounting_day + 1", "posting_not_ahead"),
        ("accounting_day", "'2024-07-01'::date", "posting_day_open"),
        ("accounting_day", "'2019-01-01'::date", "posting_day_open"),
    ];
    for (column, value, constraint) in spoiled {
        let values: Vec<String> = columns
            .iter()
            .map(|name| match name.as_str() {
                same if same == column => value.to_owned(),
                "posting_id" => "'P-spoiled'".to_owned(),
                other => other.to_owned(),
            })
            .collect();
        let insert = format!("INSERT INTO posting SELECT {} FROM posting", values.join(", "));
        let refused = owner.batch_execute(&insert).await.unwrap_err();
        let by = refused.as_db_error().unwrap().constraint().unwrap_or_default();
        assert_eq!(by, constraint, "{column} {value}");
    }
    // Even without triggers nothing unbalanced is written.
    let unbalanced = "SET session_replication_role = replica;
        INSERT INTO posting SELECT 'P-x', kind, accounting_day, account, fund, region, counterparty, ARRAY[1, 2]::bigint[],
            hospital_code, budget_year, reference, reason, made_by, approved_by, posted_at, record, record_sha256 FROM posting";
    let refused = owner.batch_execute(unbalanced).await.unwrap_err();
    assert_eq!(refused.as_db_error().unwrap().constraint(), Some("posting_balanced"));
    books.balances().await;
}

#[tokio::test]
async fn a_posting_takes_two_persons_of_its_region() {
    let books = Books::new().await;
    let (zhang, li) = (bureau("zhang"), bureau("li"));
    let proposal = books.by(&zhang).propose(advance(Fund::MedicalAid, 100)).await.unwrap();
    assert_eq!(books.left(AccountKind::HospitalAdvance).await, []);
    assert_eq!(why(books.by(&zhang).agree(&proposal.id).await), FinanceRefusal::SamePerson);
    // Another region's bureau does not even see it.
    let away = of("wang", Role::Bureau(reach(&[], "530000")));
    assert_eq!(why(books.by(&away).agree(&proposal.id).await), FinanceRefusal::ProposalUnknown);
    assert_eq!(books.by(&away).proposals(None).await.unwrap(), []);
    assert!(books.by(&away).propose(advance(Fund::MedicalAid, 100)).await.is_err());
    assert_eq!(books.by(&li).proposals(None).await.unwrap(), std::slice::from_ref(&proposal));
    let posting = books.by(&li).agree(&proposal.id).await.unwrap();
    assert_eq!((posting.made_by.as_str(), posting.approved_by.as_str()), ("zhang", "li"));
    assert_eq!(why(books.by(&li).agree(&proposal.id).await), FinanceRefusal::ProposalUnknown);
    let listed = books.by(&li).postings(Default::default()).await.unwrap();
    assert_eq!(listed.postings, [posting]);
    // By hand neither.
    let owner = books.database.owner().await;
    let again = "UPDATE posting_proposal SET state = 'open', decided_by = NULL, decided_at = NULL, posting_id = NULL";
    let refused = owner.batch_execute(again).await.unwrap_err();
    assert_eq!(refused.as_db_error().unwrap().constraint(), Some("posting_proposal_decided"));
    let alone = "INSERT INTO posting_proposal SELECT 'Q1', draft, region, hospital_code, made_by, made_at, 'posted', made_by, now(), 'P'
        FROM posting_proposal";
    let refused = owner.batch_execute(alone).await.unwrap_err();
    assert_eq!(refused.as_db_error().unwrap().constraint(), Some("posting_proposal_four_eyes"));
    // What follows from a statement or a payment is proposed by nobody.
    let lines = vec![
        line(AccountKind::HospitalPayable, Fund::MedicalAid, HOSPITAL, 5),
        line(AccountKind::Treasury, Fund::MedicalAid, "", -5),
    ];
    let draft = Draft::new(PostingKind::Payment, lines, None, ("", "by hand")).unwrap();
    assert_eq!(why(books.by(&zhang).propose(draft).await), FinanceRefusal::PostingMadeByUs);
    let proposal = books.by(&zhang).propose(advance(Fund::Charity, 100)).await.unwrap();
    books.by(&li).take_back(&proposal.id).await.unwrap();
    assert_eq!(why(books.by(&li).agree(&proposal.id).await), FinanceRefusal::ProposalUnknown);
    books.balances().await;
}

#[tokio::test]
async fn a_statement_is_made_of_closed_days_once_and_approved_by_two() {
    let books = Books::new().await;
    let (zhang, li) = (bureau("zhang"), bureau("li"));
    assert_eq!(why(books.by(&zhang).make_statements(&july()).await), FinanceRefusal::DaysOpen);
    close(&books.database.owner().await, DAY).await;
    let made = books.by(&zhang).make_statements(&july()).await.unwrap();
    let [statement] = made.as_slice() else { panic!("{made:?}") };
    assert_eq!((statement.of.settlements, statement.of.reversals), (3, 1));
    assert_eq!((statement.of.total, statement.of.cash), (Fen::new(200_000), Fen::new(46_000)));
    let told: Vec<_> = statement
        .lines
        .iter()
        .map(|of| (of.fund, of.owed.get(), of.withheld.get(), of.net().unwrap().get()))
        .collect();
    assert_eq!(
        told,
        [
            (Fund::BasicResident, 120_000, 6_000, 114_000),
            // Relief goes out whole.
            (Fund::MedicalAid, 20_000, 0, 20_000),
            (Fund::PersonalAccount, 4_000, 0, 4_000),
        ]
    );
    // Thirty working days after 2024-07-01.
    assert_eq!((statement.due.day, statement.due.assumed), (date(2024, 8, 12), false));
    assert!(statement.terms_assumed);
    // Asked again, the same; other days that overlap are refused.
    assert_eq!(books.by(&li).make_statements(&july()).await.unwrap(), made);
    let wider = Made { days: (date(2024, 6, 1), DAY), ..july() };
    assert_eq!(why(books.by(&zhang).make_statements(&wider).await), FinanceRefusal::Overlaps);

    let first = books.by(&zhang).approve(&statement.id).await.unwrap().0;
    assert_eq!(first.state, State::ApprovedOnce);
    assert_eq!(why(books.by(&zhang).approve(&statement.id).await), FinanceRefusal::SamePerson);
    let (second, events) = books.by(&li).approve(&statement.id).await.unwrap();
    assert_eq!(second.state, State::Approved);
    let steps: Vec<_> = events.iter().map(|event| (event.state, event.by.as_str())).collect();
    assert_eq!(
        steps,
        [(State::Made, "zhang"), (State::ApprovedOnce, "zhang"), (State::Approved, "li")]
    );
    assert_eq!(why(books.by(&li).approve(&statement.id).await), FinanceRefusal::Moved);
    assert_eq!(why(books.by(&li).withdraw(&statement.id, "late").await), FinanceRefusal::Moved);
    let withheld = format!("basic_resident 520200 {HOSPITAL}");
    assert_eq!(books.left(AccountKind::DepositWithheld).await, [(withheld, -6_000)]);
    books.balances().await;
}

#[tokio::test]
async fn no_hand_in_the_database_takes_a_statement_where_it_may_not_go() {
    let books = Books::closed().await;
    let zhang = bureau("zhang");
    let made = books.by(&zhang).make_statements(&july()).await.unwrap();
    books.by(&zhang).approve(&made[0].id).await.unwrap();
    let owner = books.database.owner().await;
    let refuses = async |statement: &str, constraint: &str| {
        let refused = owner.batch_execute(statement).await.unwrap_err();
        let by = refused.as_db_error().unwrap().constraint().unwrap_or_default();
        assert_eq!(by, constraint, "{statement}");
    };
    let set = "UPDATE clearing_statement SET";
    // One person twice; nobody; amounts; a step left out; paid without a file.
    refuses(
        &format!("{set} state = 'approved', second_approver = first_approver"),
        "clearing_statement_four_eyes",
    )
    .await;
    refuses(&format!("{set} state = 'approved'"), "clearing_statement_approved").await;
    refuses(&format!("{set} owed_fen[1] = owed_fen[1] + 1"), "clearing_statement_says").await;
    refuses(&format!("{set} hospital_code = 'H1'"), "clearing_statement_says").await;
    refuses(&format!("{set} state = 'paid', second_approver = 'li'"), "clearing_statement_step")
        .await;
    refuses(&format!("{set} first_approver = 'li'"), "clearing_statement_step").await;
    refuses(
        &format!("{set} paid_fen[1] = 5, state = 'approved', second_approver = 'li'"),
        "clearing_statement_step",
    )
    .await;
    refuses("DELETE FROM clearing_statement", "").await;
    let copy = |changed: &str| {
        format!(
            "INSERT INTO clearing_statement SELECT (s).* FROM (SELECT jsonb_populate_record(NULL::clearing_statement,
                to_jsonb(c) || '{{\"statement_id\": \"C-copy\", \"state\": \"made\", \"first_approver\": null}}' || '{changed}') AS s
                FROM clearing_statement c) x"
        )
    };
    refuses(&copy("{}"), "clearing_statement_overlaps").await;
    refuses(
        &copy(r#"{"first_day": "2024-06-01", "last_day": "2024-08-01"}"#),
        "clearing_statement_days_closed",
    )
    .await;
    refuses(
        &copy(r#"{"state": "approved_once", "first_approver": "x"}"#),
        "clearing_statement_step",
    )
    .await;
    // Of other days it would be another statement.
    owner
        .batch_execute(&copy(r#"{"first_day": "2024-06-01", "last_day": "2024-06-30"}"#))
        .await
        .unwrap();
    let faults = store::check_books(&books.database.pool).await.unwrap();
    // It owes what its days do not, and was made at another time than its history says.
    let found: Vec<_> = faults.iter().map(|fault| fault.what.as_str()).collect();
    assert_eq!(found, ["statement", "step_order"]);
}

#[tokio::test]
async fn a_withdrawn_statement_frees_its_days_and_what_is_carried_is_kept() {
    let books = Books::closed().await;
    let zhang = bureau("zhang");
    let made = books.by(&zhang).make_statements(&july()).await.unwrap();
    let withdrawn = books.by(&zhang).withdraw(&made[0].id, "wrong days").await.unwrap().0;
    assert_eq!((withdrawn.state, withdrawn.reason.as_str()), (State::Withdrawn, "wrong days"));
    let wider = Made { days: (date(2024, 6, 1), DAY), ..july() };
    let made = books.by(&zhang).make_statements(&wider).await.unwrap();
    assert_eq!(made.len(), 1);
    // A day with nothing but a reversal: it is carried to the next statement, which must stay.
    let undone = reversal(&entry(2, "S2", "S2", (1, 1)), "V2", (1, 2));
    let (settled_at, accounting_day) = ("2024-07-02T02:00:00Z".parse().unwrap(), date(2024, 7, 2));
    let undone = Entry { settled_at, accounting_day, ..undone };
    let owner = books.database.owner().await;
    record(&books.database, undone).await;
    let mut third = entry(3, "S9", "S9", (1, 3));
    third.accounting_day = date(2024, 7, 3);
    third.settled_at = "2024-07-03T02:00:00Z".parse().unwrap();
    record(&books.database, third).await;
    close(&owner, date(2024, 7, 31)).await;
    let second = Made { days: (date(2024, 7, 2), date(2024, 7, 2)), ..july() };
    let second = books.by(&zhang).make_statements(&second).await.unwrap().remove(0);
    let nets = |of: &store::Statement| -> Vec<i64> {
        of.lines.iter().map(|line| line.net().unwrap().get()).collect()
    };
    assert_eq!(nets(&second), [-60_000, -10_000, -2_000]);
    let third = Made { days: (date(2024, 7, 3), date(2024, 7, 3)), ..july() };
    let third = books.by(&zhang).make_statements(&third).await.unwrap().remove(0);
    // 600 - 600 and 100 - 100 and 20 - 20: nothing is left, and nothing is withheld of nothing.
    assert_eq!(nets(&third), [0, 0, 0]);
    assert_eq!(why(books.by(&zhang).withdraw(&second.id, "x").await), FinanceRefusal::Moved);
    // Nothing is to be paid of it: it is done with its second approval.
    let li = bureau("li");
    books.by(&zhang).approve(&third.id).await.unwrap();
    let done = books.by(&li).approve(&third.id).await.unwrap().0;
    assert_eq!(done.state, State::Paid);
    books.balances().await;
}

/// The same attacks by hand, where no program stands between.
#[tokio::test]
async fn an_advance_is_used_up_once_fund_by_fund() {
    let books = Books::closed().await;
    posted(&books, advance(Fund::BasicResident, 50_000)).await;
    posted(&books, advance(Fund::Charity, 7_000)).await;
    let (zhang, li) = (bureau("zhang"), bureau("li"));
    let terms = Terms { deposit: Rate::parse("0.1").unwrap(), workdays: 20, assumed: false };
    let source = "六盘水市医保协议2024";
    books.by(&zhang).set_terms(region("520000"), &Terms::ASSUMED, "province").await.unwrap_err();
    books.by(&zhang).set_terms(region("520200"), &terms, source).await.unwrap();
    let made = books.by(&zhang).make_statements(&july()).await.unwrap().remove(0);
    assert!(!made.terms_assumed);
    let told = |of: &store::Statement| -> Vec<(i64, i64, i64)> {
        let of = of.lines.iter();
        of.map(|of| (of.withheld.get(), of.offset.get(), of.net().unwrap().get())).collect()
    };
    assert_eq!(told(&made), [(12_000, 50_000, 58_000), (0, 0, 20_000), (0, 0, 4_000)]);
    assert_eq!(made.due.day, date(2024, 7, 29));
    // It is paid back meanwhile: the statement would use it up a second time.
    let lines = vec![
        line(AccountKind::Treasury, Fund::BasicResident, "", 1),
        line(AccountKind::HospitalAdvance, Fund::BasicResident, HOSPITAL, -1),
    ];
    let back = Draft::new(PostingKind::AdvanceReturn, lines, None, ("", "paid back")).unwrap();
    posted(&books, back).await;
    books.by(&zhang).approve(&made.id).await.unwrap();
    assert_eq!(why(books.by(&li).approve(&made.id).await), FinanceRefusal::Overdrawn);
    books.by(&li).withdraw(&made.id, "the advance was paid back").await.unwrap();
    let made = books.by(&zhang).make_statements(&july()).await.unwrap().remove(0);
    assert_eq!(told(&made)[0], (12_000, 49_999, 58_001));
    books.by(&zhang).approve(&made.id).await.unwrap();
    books.by(&li).approve(&made.id).await.unwrap();
    let charity = format!("charity 520200 {HOSPITAL}");
    assert_eq!(books.left(AccountKind::HospitalAdvance).await, [(charity, 7_000)]);
    books.balances().await;
}

#[tokio::test]
async fn what_is_owed_ages_and_each_sees_their_own() {
    let books = Books::closed().await;
    let statement = books.approved().await;
    let zhang = bureau("zhang");
    let aged = books.by(&zhang).ageing(None, None).await.unwrap();
    let (owing, aged) = aged.into_iter().next().unwrap();
    assert_eq!((owing.hospital.as_str(), owing.insured_region), (HOSPITAL, region("520200")));
    // Due in 2024, and long overdue by now.
    let beyond = Age::ALL.iter().position(|age| *age == Age::Beyond).unwrap();
    assert_eq!(aged.owed[beyond], Fen::new(138_000));
    assert_eq!((aged.statements, aged.oldest_due), (1, Some(date(2024, 8, 12))));

    let seen = async |role: Role| {
        let caller = of("somebody", role);
        let listed = books.by(&caller).statements(&Listing::default()).await;
        listed.map(|listed| listed.into_iter().map(|of| of.id).collect::<Vec<_>>())
    };
    let own = vec![statement.id.clone()];
    assert_eq!(seen(Role::Hospital(hospital())).await.unwrap(), own);
    let other = HospitalCode::new("H52020000002").unwrap();
    assert_eq!(seen(Role::Hospital(other.clone())).await.unwrap(), Vec::<String>::new());
    assert_eq!(seen(Role::Insurer(reach(&[Scheme::Resident], "520000"))).await.unwrap(), own);
    let employees = seen(Role::Insurer(reach(&[Scheme::Employee], "520000"))).await;
    assert_eq!(employees.unwrap(), Vec::<String>::new());
    assert_eq!(seen(Role::Bureau(reach(&[], "530000"))).await.unwrap(), Vec::<String>::new());
    assert!(seen(Role::Administrator).await.is_err());
    // A hospital reads, and does nothing.
    let desk = of("desk", Role::Hospital(hospital()));
    assert!(books.by(&desk).approve(&statement.id).await.is_err());
    assert!(books.by(&desk).make_statements(&july()).await.is_err());
    assert!(books.by(&desk).postings(Default::default()).await.is_err());
    assert!(books.by(&desk).budgets(None, 2024).await.is_err());
    let asked = Listing { hospital: Some(&other), ..Listing::default() };
    assert!(books.by(&desk).statements(&asked).await.is_err());
    let stranger = of("stranger", Role::Hospital(other));
    assert_eq!(
        why(books.by(&stranger).statement(&statement.id).await),
        FinanceRefusal::StatementUnknown
    );
}
