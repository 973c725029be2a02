//! The registry's imports: bad rows are named, repeats change nothing, a killed import goes on, a full list ends what it lacks.

use jiff::civil::{Date, date};
use onestop::domain::ids::{PersonId, RegionCode};
use onestop::domain::standing::PersonSnapshot;
use onestop::store::import::{
    Batch, Begin, Begun, CatalogueRow, Closed, CoverageRow, HospitalRow, IdentityRow, Line,
    OpeningRow, PersonRow, Refused, RowKind, Rows, Rules, Secrets, Summary, Taken, begin, finish,
    take,
};
use onestop::store::{check_integrity, rebuild_accumulators, standing};
use sha2::{Digest, Sha256};

use crate::harness::Database;

const ALICE: &str = "11010519491231002X";
const BOB: &str = "52020119900101001X";

const TODAY: Date = date(2024, 12, 31);

fn hash(kind: u8, text: &str) -> [u8; 32] {
    Sha256::digest(format!("{kind}:{text}")).into()
}

fn seal(name: &str, person: PersonId) -> Option<Vec<u8>> {
    (!name.is_empty()).then(|| format!("sealed {}", person.get()).into_bytes())
}

const KNOWN: (&Secrets<'_>, &Rules<'_>) = (
    &Secrets { credential_hash: &hash, seal_name: &seal },
    &Rules {
        knows_accumulator: &|_, _, _, _| true,
        knows_identity: &|_| true,
        may_list: &|_| true,
    },
);

fn list(id: &str, kind: RowKind, full: bool, list_date: Date) -> Begin {
    let region = full.then(|| RegionCode::new("520200").unwrap());
    Begin {
        import_id: id.to_owned(), kind, full, list_date, source: "民政局".to_owned(), region
    }
}

/// An identity number that is valid, for the `number`-th person born on a day.
fn identity_number(number: u32) -> String {
    let stem = format!("52020119900101{number:03}");
    let checks = "0123456789X".chars();
    checks
        .map(|check| format!("{stem}{check}"))
        .find(|id| onestop::domain::ids::identity_number_is_valid(id))
        .unwrap()
}

fn lines<T: Clone>(rows: &[T]) -> Vec<Line<T>> {
    rows.iter()
        .cloned()
        .enumerate()
        .map(|(index, row)| Line { line: index as u64 + 1, row })
        .collect()
}

/// Takes a whole list and closes it.
async fn import(database: &Database, list: &Begin, rows: &Rows) -> (Batch, Summary) {
    assert_eq!(begin(&database.pool, list, TODAY).await.unwrap(), Begun::From(0));
    let Taken::Durable(batch) = take(&database.pool, KNOWN, list, 0, rows).await.unwrap() else {
        panic!()
    };
    (batch, close(database, list).await)
}

async fn close(database: &Database, list: &Begin) -> Summary {
    match finish(&database.pool, list).await.unwrap() {
        Closed::Finished(summary) => summary,
        Closed::Refused(refused) => panic!("{refused:?}"),
    }
}

fn counts(summary: &Summary) -> [u64; 5] {
    [summary.added, summary.changed, summary.unchanged, summary.rejected, summary.ended]
}

fn rejects(batch: &Batch) -> Vec<String> {
    batch
        .rejects
        .iter()
        .map(|reject| format!("{} {} {}", reject.line, reject.reason.name(), reject.field))
        .collect()
}

fn person(identity_number: &str, person_number: &str, name: &str) -> PersonRow {
    PersonRow {
        identity_number: identity_number.to_owned(),
        person_number: person_number.to_owned(),
        name: name.to_owned(),
        ..PersonRow::default()
    }
}

fn identity(credential: &str, code: &str, span: (&str, &str)) -> IdentityRow {
    IdentityRow {
        credential: credential.to_owned(),
        code: code.to_owned(),
        region: "520200".to_owned(),
        valid_from: span.0.to_owned(),
        valid_to: span.1.to_owned(),
    }
}

fn coverage(credential: &str, scheme: &str, span: (&str, &str), facts: &str) -> CoverageRow {
    CoverageRow {
        credential: credential.to_owned(),
        scheme: scheme.to_owned(),
        insured_region: "520200".to_owned(),
        valid_from: span.0.to_owned(),
        valid_to: span.1.to_owned(),
        facts: facts.to_owned(),
    }
}

async fn alice_and_bob(database: &Database) {
    let rows = [person(ALICE, "P1", "甲"), person(&bob(), "P2", "乙")];
    let (batch, _) = import(
        database,
        &list("persons", RowKind::Person, false, date(2024, 1, 1)),
        &Rows::Persons(lines(&rows)),
    )
    .await;
    assert_eq!((batch.added, rejects(&batch)), (2, Vec::new()));
}

fn bob() -> String {
    // The constant shows what a number looks like; the check digit is worked out.
    assert_eq!(BOB.len(), 18);
    identity_number(1)
}

async fn who(database: &Database, kind: u8, number: &str) -> Option<PersonSnapshot> {
    standing(&database.pool, &hash(kind, number), kind).await.unwrap()
}

#[tokio::test]
async fn persons_are_known_by_any_credential() {
    let database = Database::new().await;
    alice_and_bob(&database).await;
    let alice = who(&database, 1, ALICE).await.unwrap();
    assert_eq!(alice, who(&database, 2, "P1").await.unwrap());
    assert_eq!(alice.standing.birth, Some(date(1949, 12, 31)));
    assert_eq!((alice.standing.version, alice.ledger_version), (1, 1));

    let mut newborn =
        PersonRow { mother_identity_number: bob(), name: "丙".to_owned(), ..PersonRow::default() };
    newborn.birth_date = "2024-02-30".to_owned();
    let rows = [
        person(ALICE, "P1", "甲"),
        person("110105194912310021", "", "甲"),
        person("", "", "甲"),
        person(ALICE, "P2", "甲"),
        person(&bob(), "P3", "乙"),
        newborn.clone(),
        PersonRow { birth_date: "2024-02-29".to_owned(), ..newborn },
        PersonRow { card_token: "token".to_owned(), ..person("", "p1", "甲") },
        person(ALICE, "P1", ""),
    ];
    let again = list("persons again", RowKind::Person, false, date(2024, 1, 1));
    let (batch, summary) = import(&database, &again, &Rows::Persons(lines(&rows))).await;
    assert_eq!(
        rejects(&batch),
        [
            "2 IDENTITY_NUMBER_CHECK_DIGIT identity_number",
            "3 CREDENTIAL_MISSING identity_number",
            "4 CREDENTIALS_CONFLICT identity_number",
            "5 CREDENTIALS_CONFLICT identity_number",
            "6 DATE_UNREADABLE birth_date",
            "9 TEXT_UNFIT name",
        ]
    );
    assert_eq!(counts(&summary), [1, 1, 1, 6, 0]);
    assert_eq!(who(&database, 5, &bob()).await.unwrap().standing.birth, Some(date(2024, 2, 29)));
    assert_eq!(who(&database, 3, "TOKEN").await.unwrap().standing.person, alice.standing.person);
    assert_eq!(who(&database, 1, ALICE).await.unwrap().standing.version, 2);
}

#[tokio::test]
async fn a_twin_does_not_take_the_place_of_the_other() {
    let database = Database::new().await;
    let newborn = |name: &str, birth: &str| PersonRow {
        mother_identity_number: bob(),
        birth_date: birth.to_owned(),
        ..person("", "", name)
    };
    let rows = [newborn("丙", "2024-02-29"), newborn("丁", "2024-02-29")];
    let first = list("first", RowKind::Person, false, date(2024, 3, 1));
    let (batch, _) = import(&database, &first, &Rows::Persons(lines(&rows))).await;
    assert_eq!(rejects(&batch), ["2 NEWBORN_OF_MOTHER mother_identity_number"]);
    let before = who(&database, 5, &bob()).await.unwrap();

    let own = |row: PersonRow, number: &str| PersonRow { person_number: number.to_owned(), ..row };
    let rows = [
        newborn("丁", "2024-02-29"),
        newborn("丙", "2025-02-28"),
        own(newborn("丁", "2024-02-29"), "P8"),
        newborn("丙", "2024-02-29"),
        own(newborn("丙", "2024-02-29"), "P7"),
        // It is found by its own number now, so that it may be given another name.
        own(newborn("戊", "2024-02-29"), "P7"),
        own(person("", "", "丁"), "P8"),
    ];
    let second = list("second", RowKind::Person, false, date(2024, 3, 2));
    let (batch, summary) = import(&database, &second, &Rows::Persons(lines(&rows))).await;
    let twin = |line: u64| format!("{line} NEWBORN_OF_MOTHER mother_identity_number");
    assert_eq!(rejects(&batch), [twin(1), twin(2), twin(3)]);
    assert_eq!(counts(&summary), [1, 2, 1, 3, 0]);
    let first = who(&database, 5, &bob()).await.unwrap().standing;
    assert_eq!((first.person, first.birth), (before.standing.person, Some(date(2024, 2, 29))));
    assert_eq!(who(&database, 2, "P7").await.unwrap().standing.person, first.person);
    assert_ne!(who(&database, 2, "P8").await.unwrap().standing.person, first.person);
}

#[tokio::test]
async fn a_birth_date_that_contradicts_the_identity_number_is_rejected() {
    let database = Database::new().await;
    let born = |number: &str, person_number: &str, birth: &str| PersonRow {
        birth_date: birth.to_owned(),
        ..person(number, person_number, "甲")
    };
    let rows = [
        born(ALICE, "P1", "1949-12-30"),
        born(ALICE, "P1", "1949-12-31"),
        born(&format!(" {ALICE} "), "P1", "1994-12-31"),
        // Whose number says nothing of it may be born on any day.
        born("", "P2", "1949-12-30"),
    ];
    let persons = list("persons", RowKind::Person, false, date(2024, 1, 1));
    let (batch, summary) = import(&database, &persons, &Rows::Persons(lines(&rows))).await;
    assert_eq!(
        rejects(&batch),
        ["1 BIRTH_DATE_CONTRADICTS birth_date", "3 BIRTH_DATE_CONTRADICTS birth_date"]
    );
    assert_eq!(counts(&summary), [2, 0, 0, 2, 0]);
    let alice = who(&database, 1, ALICE).await.unwrap().standing;
    assert_eq!(alice.birth, Some(date(1949, 12, 31)));
}

#[tokio::test]
async fn bad_rows_are_named_and_good_ones_stay() {
    let database = Database::new().await;
    alice_and_bob(&database).await;
    let open = ("2024-01-01", "");
    let rows = [
        identity(ALICE, "low_income", open),
        identity("110105194912310021", "low_income", open),
        identity("nobody", "low_income", open),
        identity("", "low_income", open),
        identity("P2", "Low income", open),
        identity("P2", "low_income", ("2024-13-01", "")),
        identity("P2", "low_income", ("2024-02-01", "2024-01-31")),
        IdentityRow { region: "5202".to_owned(), ..identity("P2", "low_income", open) },
        identity("P2", "low_income", ("2024-01-01", "2024-06-30")),
        identity("P2", "low_income", ("2024-06-30", "2024-07-30")),
        identity("P2", "special_hardship", ("2024-06-30", "")),
    ];
    let identities = list("identities", RowKind::Identity, false, date(2024, 1, 1));
    let (batch, summary) = import(&database, &identities, &Rows::Identities(lines(&rows))).await;
    assert_eq!(
        rejects(&batch),
        [
            "2 IDENTITY_NUMBER_CHECK_DIGIT credential",
            "3 PERSON_UNKNOWN credential",
            "4 CREDENTIAL_MISSING credential",
            "5 CODE_UNREADABLE code",
            "6 DATE_UNREADABLE valid_from",
            "7 ENDS_BEFORE_START valid_to",
            "8 REGION_UNREADABLE region",
            "10 SPAN_OVERLAPS valid_from",
        ]
    );
    assert_eq!(counts(&summary), [3, 0, 0, 8, 0]);
    let bob = who(&database, 2, "P2").await.unwrap().standing;
    let codes: Vec<_> = bob.identities.iter().map(|identity| identity.code.as_str()).collect();
    assert_eq!(codes, ["low_income", "special_hardship"]);
    assert_eq!((bob.version, bob.identities[0].source.as_str()), (2, "民政局"), "once a batch");

    let rows = [
        coverage("P1", "resident", open, "years_insured=6;retired=true"),
        coverage("P1", "employee", open, ""),
        coverage("P1", "villager", open, ""),
        coverage("P1", "resident", ("2025-01-01", ""), "retired"),
        coverage("P1", "resident", ("2025-01-01", ""), "retired=true"),
    ];
    let covered = list("coverage", RowKind::Coverage, false, date(2024, 1, 1));
    let (batch, summary) = import(&database, &covered, &Rows::Coverage(lines(&rows))).await;
    assert_eq!(rejects(&batch), ["3 SCHEME_UNKNOWN scheme", "4 FACTS_UNREADABLE facts"]);
    assert_eq!(counts(&summary), [3, 0, 0, 2, 0]);
    let alice = who(&database, 2, "P1").await.unwrap().standing;
    let ends: Vec<_> =
        alice.coverage.iter().map(|span| (span.scheme.word(), span.valid_to)).collect();
    assert_eq!(
        ends,
        [("employee", None), ("resident", Some(date(2024, 12, 31))), ("resident", None)]
    );
    assert_eq!(alice.coverage[1].facts[0], ("retired".to_owned(), "true".to_owned()));
}

#[tokio::test]
async fn a_repeat_changes_nothing_and_a_change_is_remembered() {
    let database = Database::new().await;
    alice_and_bob(&database).await;
    let rows = Rows::Identities(lines(&[
        identity("P1", "low_income", ("2024-01-01", "")),
        identity("P2", "low_income", ("2024-01-01", "")),
    ]));
    let first = list("first", RowKind::Identity, false, date(2024, 1, 1));
    import(&database, &first, &rows).await;
    let before = who(&database, 2, "P1").await.unwrap();
    // The very same list: finished. The same rows under another name: unchanged.
    assert!(
        matches!(begin(&database.pool, &first, TODAY).await.unwrap(), Begun::Finished(summary) if summary.added == 2)
    );
    let (_, summary) =
        import(&database, &list("second", RowKind::Identity, false, date(2024, 2, 1)), &rows).await;
    assert_eq!(counts(&summary), [0, 0, 2, 0, 0]);
    assert_eq!(who(&database, 2, "P1").await.unwrap(), before);

    let ends =
        Rows::Identities(lines(&[identity("P1", "low_income", ("2024-01-01", "2024-03-31"))]));
    let (_, summary) =
        import(&database, &list("third", RowKind::Identity, false, date(2024, 3, 1)), &ends).await;
    assert_eq!(counts(&summary), [0, 1, 0, 0, 0]);
    assert_eq!(
        who(&database, 2, "P1").await.unwrap().standing.version,
        before.standing.version + 1
    );
    assert_eq!(who(&database, 2, "P2").await.unwrap().standing.version, before.standing.version);
    let owner = database.owner().await;
    let sql = "SELECT import_id || ': ' || coalesce(before ->> 'valid_to', '-') || ' ' || coalesce(after ->> 'valid_to', '-')
        FROM registry_change WHERE bucket = $1 AND person_id = $2 ORDER BY standing_version, ordinal";
    let person = before.standing.person;
    let rows = owner.query(sql, &[&person.bucket(), &person.get()]).await.unwrap();
    let log: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(log, ["first: - -", "third: - 2024-03-31"]);
}

#[tokio::test]
async fn a_killed_import_goes_on_where_it_was() {
    let database = Database::new().await;
    let all: Vec<_> = (0..250).map(|number| person(&identity_number(number), "", "丁")).collect();
    let persons = list("many", RowKind::Person, false, date(2024, 1, 1));
    assert_eq!(begin(&database.pool, &persons, TODAY).await.unwrap(), Begun::From(0));
    let batch = |from: usize, to: usize| Rows::Persons(lines(&all[from..to]));
    let took = take(&database.pool, KNOWN, &persons, 0, &batch(0, 100)).await.unwrap();
    assert!(matches!(took, Taken::Durable(Batch { rows_durable: 100, added: 100, .. })));
    // The second batch is killed ever later: at any moment, as many persons are there as the import says.
    let owner = database.owner().await;
    let sql = "SELECT rows_durable, (SELECT count(*) FROM person_head) FROM import_run WHERE import_id = 'many'";
    for killed_after_us in [0, 200, 500, 1_000, 2_000, 3_000, 4_000, 6_000, 8_000] {
        let rows = batch(100, 200);
        let second = take(&database.pool, KNOWN, &persons, 100, &rows);
        drop(tokio::time::timeout(std::time::Duration::from_micros(killed_after_us), second).await);
        let row = owner.query_one(sql, &[]).await.unwrap();
        let (durable, there): (i64, i64) = (row.get(0), row.get(1));
        assert_eq!(durable, there, "killed after {killed_after_us} us");
    }
    let Begun::From(durable) = begin(&database.pool, &persons, TODAY).await.unwrap() else {
        panic!()
    };
    assert!(durable == 100 || durable == 200, "{durable}");
    // A stream that believes to be elsewhere is told where the import is.
    let lost = take(&database.pool, KNOWN, &persons, 0, &batch(0, 100)).await.unwrap();
    let Taken::Elsewhere(durable) = lost else { panic!("{lost:?}") };
    for from in [100, 200].into_iter().filter(|from| durable <= *from) {
        let rows = batch(from as usize, (from as usize + 100).min(250));
        let took = take(&database.pool, KNOWN, &persons, from, &rows).await.unwrap();
        assert!(matches!(took, Taken::Durable(_)), "{took:?}");
    }
    let summary = close(&database, &persons).await;
    assert_eq!(counts(&summary), [250, 0, 0, 0, 0]);
    assert_eq!(close(&database, &persons).await, summary);
    let count =
        database.owner().await.query_one("SELECT count(*) FROM person_head", &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 250);
}

#[tokio::test]
async fn a_full_list_ends_what_it_does_not_carry() {
    let database = Database::new().await;
    alice_and_bob(&database).await;
    let span = ("2024-01-01", "");
    let elsewhere =
        IdentityRow { region: "520300".to_owned(), ..identity("P2", "low_income", span) };
    let rows = [
        identity("P1", "low_income", span),
        identity("P2", "low_income", span),
        identity("P2", "border", ("2023-01-01", "2023-12-31")),
        identity("P1", "hardship", span),
        elsewhere,
    ];
    import(
        &database,
        &list("all", RowKind::Identity, false, date(2024, 1, 1)),
        &Rows::Identities(lines(&rows)),
    )
    .await;
    let versions = async || {
        let (one, two) =
            (who(&database, 2, "P1").await.unwrap(), who(&database, 2, "P2").await.unwrap());
        (one.standing.version, two.standing.version)
    };
    let before = versions().await;

    // Alice's hardship can not be read: a list that mentions it must not end it. Bob's low income is not mentioned.
    let rows = [identity("P1", "low_income", span), identity("P1", "hardship", ("2024-06-31", ""))];
    let full = list("full", RowKind::Identity, true, date(2024, 6, 30));
    assert_eq!(begin(&database.pool, &full, TODAY).await.unwrap(), Begun::From(0));
    let rows = Rows::Identities(lines(&rows));
    take(&database.pool, KNOWN, &full, 0, &rows).await.unwrap();
    assert_eq!(versions().await, before, "nothing ends before the last row");
    let summary = close(&database, &full).await;
    assert_eq!(counts(&summary), [0, 0, 1, 1, 1]);
    assert_eq!(versions().await, (before.0, before.1 + 1));
    let ends = |who: &PersonSnapshot| -> Vec<_> {
        who.standing
            .identities
            .iter()
            .map(|one| (one.code.clone(), one.region.to_string(), one.valid_to))
            .collect()
    };
    let alice = who(&database, 2, "P1").await.unwrap();
    assert!(ends(&alice).iter().all(|(_, _, to)| to.is_none()), "{alice:?}");
    let bob = ends(&who(&database, 2, "P2").await.unwrap());
    let row = |code: &str, region: &str, to| (code.to_owned(), region.to_owned(), to);
    assert_eq!(
        bob,
        [
            row("border", "520200", Some(date(2023, 12, 31))),
            row("low_income", "520200", Some(date(2024, 6, 30))),
            row("low_income", "520300", None),
        ]
    );
    // Persons and opening entries do not end; a full list names its region.
    let persons = list("p", RowKind::Person, true, date(2024, 1, 1));
    assert_eq!(
        begin(&database.pool, &persons, TODAY).await.unwrap(),
        Begun::Refused(Refused::Field("full"))
    );
    let nowhere = Begin { region: None, ..list("q", RowKind::Hospital, true, date(2024, 1, 1)) };
    assert_eq!(
        begin(&database.pool, &nowhere, TODAY).await.unwrap(),
        Begun::Refused(Refused::Field("region"))
    );
    let other = list("full", RowKind::Coverage, true, date(2024, 6, 30));
    assert_eq!(
        begin(&database.pool, &other, TODAY).await.unwrap(),
        Begun::Refused(Refused::Field("kind"))
    );
}

#[tokio::test]
async fn an_open_row_of_a_full_list_carries_what_succeeds_it() {
    let database = Database::new().await;
    alice_and_bob(&database).await;
    let since = |span| coverage("P1", "resident", span, "");
    let rows = [
        since(("2000-01-01", "2000-12-31")),
        since(("2001-01-01", "")),
        coverage("P2", "resident", ("2000-01-01", "2000-12-31"), ""),
        coverage("P2", "resident", ("2001-01-01", ""), ""),
    ];
    let covered = list("covered", RowKind::Coverage, false, date(2024, 1, 1));
    import(&database, &covered, &Rows::Coverage(lines(&rows))).await;
    let alice = who(&database, 2, "P1").await;

    // Bob's row has an end, so that it says nothing of what comes after it.
    let rows =
        [since(("2000-01-01", "")), coverage("P2", "resident", ("2000-01-01", "2000-12-31"), "")];
    let full = list("full", RowKind::Coverage, true, date(2024, 6, 30));
    let (_, summary) = import(&database, &full, &Rows::Coverage(lines(&rows))).await;
    assert_eq!(counts(&summary), [0, 0, 2, 0, 1]);
    assert_eq!(who(&database, 2, "P1").await, alice);
    let bob = who(&database, 2, "P2").await.unwrap().standing;
    let ends: Vec<_> = bob.coverage.iter().map(|span| span.valid_to).collect();
    assert_eq!(ends, [Some(date(2000, 12, 31)), Some(date(2024, 6, 30))]);
}

#[tokio::test]
async fn a_full_list_that_can_not_be_true_ends_nothing() {
    let database = Database::new().await;
    alice_and_bob(&database).await;
    let full = |id: &str, day| list(id, RowKind::Identity, true, day);
    let open = |code: &str| identity("P1", code, ("2024-01-01", ""));
    let rows = Rows::Identities(lines(&[open("low_income"), open("hardship")]));
    import(&database, &full("june", date(2024, 6, 30)), &rows).await;
    let before = who(&database, 2, "P1").await;
    let begun = async |list: &Begin| begin(&database.pool, list, TODAY).await.unwrap();
    let closed = async |list: &Begin| finish(&database.pool, list).await.unwrap();

    // Without a row, and with none that could be taken.
    let empty = full("empty", date(2024, 7, 31));
    assert_eq!(begun(&empty).await, Begun::From(0));
    assert_eq!(closed(&empty).await, Closed::Refused(Refused::Empty));
    let strangers = full("strangers", date(2024, 7, 31));
    begun(&strangers).await;
    let nobody = Rows::Identities(lines(&[identity("P9", "low_income", ("2024-01-01", ""))]));
    take(&database.pool, KNOWN, &strangers, 0, &nobody).await.unwrap();
    assert_eq!(closed(&strangers).await, Closed::Refused(Refused::Empty));

    let ahead = full("ahead", date(2025, 1, 1));
    assert_eq!(begun(&ahead).await, Begun::Refused(Refused::DatedAhead));
    let older = full("older", date(2024, 6, 29));
    assert_eq!(begun(&older).await, Begun::Refused(Refused::Older));
    assert_eq!(who(&database, 2, "P1").await, before);

    // Of another kind or region, or a repeat, it may well be.
    let covers = list("covers", RowKind::Coverage, true, date(2024, 6, 29));
    assert_eq!(begun(&covers).await, Begun::From(0));
    let region = RegionCode::new("520300");
    assert_eq!(begun(&Begin { region, ..older }).await, Begun::From(0));

    // A newer one that is finished while an older one is on its way.
    let slow = full("slow", date(2024, 8, 31));
    assert_eq!(begun(&slow).await, Begun::From(0));
    let one = Rows::Identities(lines(&[open("low_income")]));
    take(&database.pool, KNOWN, &slow, 0, &one).await.unwrap();
    import(&database, &full("quick", date(2024, 9, 30)), &rows).await;
    assert_eq!(closed(&slow).await, Closed::Refused(Refused::Older));
    assert_eq!(begun(&slow).await, Begun::Refused(Refused::Older));
    let repeat = begun(&full("june", date(2024, 6, 30))).await;
    assert!(matches!(repeat, Begun::Finished(_)), "{repeat:?}");
    assert_eq!(who(&database, 2, "P1").await, before);
}

#[tokio::test]
async fn hospitals_and_items_are_taken_and_ended() {
    let database = Database::new().await;
    let hospital = |code: &str, level, from: &str, to: &str| HospitalRow {
        hospital_code: code.to_owned(),
        name: "医院".to_owned(),
        region: "520200".to_owned(),
        level,
        valid_from: from.to_owned(),
        valid_to: to.to_owned(),
    };
    let rows = [
        hospital("H1", 2, "2020-01-01", ""),
        hospital("H1", 3, "2024-01-01", ""),
        hospital("H2", 4, "2020-01-01", ""),
        hospital("H3", 1, "2020-01-01", ""),
        hospital("1234567890123", 1, "2020-01-01", ""),
    ];
    let hospitals = list("h", RowKind::Hospital, false, date(2024, 1, 1));
    let (batch, summary) = import(&database, &hospitals, &Rows::Hospitals(lines(&rows))).await;
    assert_eq!(rejects(&batch), ["3 LEVEL_UNKNOWN level", "5 TEXT_UNFIT hospital_code"]);
    assert_eq!(counts(&summary), [3, 0, 0, 2, 0]);
    let only = Rows::Hospitals(lines(&[hospital("H1", 3, "2024-01-01", "")]));
    let (_, summary) =
        import(&database, &list("hf", RowKind::Hospital, true, date(2024, 9, 1)), &only).await;
    assert_eq!(counts(&summary), [0, 0, 1, 0, 1]);

    let item = |ratio: &str, price: &str, class: &str| CatalogueRow {
        item_code: "X1".to_owned(),
        region: "520000".to_owned(),
        valid_from: "2024-01-01".to_owned(),
        catalogue_class: class.to_owned(),
        advance_ratio: ratio.to_owned(),
        ceiling_prices: [String::new(), price.to_owned(), String::new()],
        name: "药".to_owned(),
        ..CatalogueRow::default()
    };
    let rows = [
        item("0.30", "12.345678", "B"),
        item("1.01", "", "B"),
        item("-0.1", "", "B"),
        item("", "1.2345678", "B"),
        item("", "", "D"),
        item("0.30", "12.345678", "B"),
        CatalogueRow { amount_name: "Implant".to_owned(), ..item("", "", "A") },
    ];
    let catalogue = list("c", RowKind::Catalogue, false, date(2024, 1, 1));
    let (batch, summary) = import(&database, &catalogue, &Rows::Catalogue(lines(&rows))).await;
    assert_eq!(
        rejects(&batch),
        [
            "2 RATIO_OUT_OF_RANGE advance_ratio",
            "3 RATIO_OUT_OF_RANGE advance_ratio",
            "4 PRICE_UNREADABLE ceiling_price_level_2",
            "5 CLASS_UNKNOWN catalogue_class",
            "7 CODE_UNREADABLE amount_name",
        ]
    );
    assert_eq!(counts(&summary), [1, 0, 1, 5, 0]);
    let sql = "SELECT advance_ratio_billionths, ceiling_price_level_2_e6 FROM catalogue_item";
    let row = database.owner().await.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (300_000_000, 12_345_678));
}

#[tokio::test]
async fn opening_entries_are_appended_once_and_counted() {
    let database = Database::new().await;
    alice_and_bob(&database).await;
    let opening = |id: &str, credential: &str, amount: &str| OpeningRow {
        entry_id: id.to_owned(),
        credential: credential.to_owned(),
        insured_region: "520200".to_owned(),
        scheme: "resident".to_owned(),
        policy_year: 2024,
        name: "pool.aid".to_owned(),
        amount: amount.to_owned(),
    };
    let rows = [
        opening("E1", "P1", "100.50"),
        opening("E2", "P1", "-0.50"),
        opening("E1", "P1", "100.50"),
        opening("E1", "P2", "100.50"),
        opening("E3", "P2", "1.005"),
        OpeningRow { policy_year: 24, ..opening("E4", "P2", "1") },
    ];
    let openings = list("o", RowKind::Opening, false, date(2024, 1, 1));
    let (batch, summary) = import(&database, &openings, &Rows::Openings(lines(&rows))).await;
    assert_eq!(
        rejects(&batch),
        [
            "4 ENTRY_ID_REUSED entry_id",
            "5 AMOUNT_UNREADABLE amount",
            "6 YEAR_UNREADABLE policy_year"
        ]
    );
    assert_eq!(counts(&summary), [2, 0, 1, 3, 0]);
    let more = Rows::Openings(lines(&[opening("E5", "P1", "1"), opening("E1", "P1", "100.50")]));
    let (_, summary) =
        import(&database, &list("o2", RowKind::Opening, false, date(2024, 1, 1)), &more).await;
    assert_eq!(counts(&summary), [1, 0, 1, 0, 0]);
    let alice = who(&database, 2, "P1").await.unwrap();
    assert_eq!((alice.ledger_version, alice.standing.version), (3, 1));
    assert_eq!(alice.used[0].amount.get(), 10_100);
    assert_eq!(
        alice.used,
        rebuild_accumulators(&database.pool, alice.standing.person).await.unwrap()
    );
    assert_eq!(check_integrity(&database.pool).await.unwrap(), []);
}
