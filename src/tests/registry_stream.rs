//! The import stream over real gRPC: rejects beside good rows, repeats, resumption, and lists that can not be taken.

use onestop::door::wire::registry::v1 as wire;
use onestop::door::wire::registry::v1::import_request::Part;
use onestop::door::wire::registry::v1::import_row::Row;
use onestop::door::wire::registry::v1::registry_service_client::RegistryServiceClient;
use onestop::door::wire::settlement::v1::{Credential, CredentialKind, GetStandingRequest};
use tonic::Code;

use crate::gateway::{Gateway, begin, identity_number, refused};

fn person(identity_number: String) -> Row {
    Row::Person(wire::PersonRow {
        identity_number,
        name: "王昭君".to_owned(),
        ..wire::PersonRow::default()
    })
}

fn persons(count: usize) -> Vec<Row> {
    // Distinct people by their own person numbers: a day's identity numbers run out at a thousand.
    let row = |number| wire::PersonRow {
        person_number: format!("P{number}"),
        name: "王昭君".to_owned(),
        ..wire::PersonRow::default()
    };
    (0..count).map(|number| Row::Person(row(number))).collect()
}

#[tokio::test]
async fn bad_rows_are_named_good_ones_stay_and_a_repeat_changes_nothing() {
    let gateway = Gateway::bare().await;
    let mut wrong = identity_number(1);
    wrong.replace_range(17.., if wrong.ends_with('1') { "2" } else { "1" });
    let rows =
        || vec![person(identity_number(0)), person(wrong.clone()), person(identity_number(2))];
    let list = || begin("list-1", wire::RowKind::Person);
    let (rejects, summary) = gateway.import(list(), rows()).await.unwrap();
    assert_eq!((summary.added, summary.rejected), (2, 1));
    let [reject] = rejects.as_slice() else { panic!("{rejects:?}") };
    assert_eq!((reject.line, reject.field.as_str()), (2, "identity_number"));
    assert_eq!(reject.reason, "IDENTITY_NUMBER_CHECK_DIGIT");
    assert!(!reject.message_zh.is_empty() && !reject.message_en.is_empty());

    let before = gateway.rows().await;
    let (rejects, again) = gateway.import(list(), rows()).await.unwrap();
    assert_eq!(rejects, []);
    assert_eq!(again, wire::ImportSummary { resumed: 3, finished_before: true, ..summary });
    assert!(!summary.finished_before);
    assert_eq!(gateway.rows().await, before);
}

#[tokio::test]
async fn a_stream_that_broke_goes_on_where_it_was() {
    let gateway = Gateway::bare().await;
    let rows = persons(2_500);
    let parts = |rows: &[Row]| {
        let rows = rows.iter().cloned().zip(1..);
        let rows = rows.map(|(row, line)| Part::Row(wire::ImportRow { line, row: Some(row) }));
        let begin = Part::Begin(begin("list-1", wire::RowKind::Person));
        std::iter::once(begin).chain(rows).collect::<Vec<_>>()
    };
    // A row of another kind breaks the stream after two whole batches.
    let mut broken = parts(&rows[..2_100]);
    broken.push(Part::Row(wire::ImportRow { line: 2_101, row: None }));
    let had = refused(&gateway.send(broken).await.unwrap_err());
    assert_eq!((had.code, had.reason.as_str()), (Code::InvalidArgument, "ROW_OF_ANOTHER_KIND"));
    let (_, summary) = gateway.send(parts(&rows)).await.unwrap();
    assert_eq!((summary.added, summary.resumed), (2_500, 2_000));
}

#[tokio::test]
async fn a_list_that_can_not_be_taken_says_why() {
    let gateway = Gateway::bare().await;
    let list = || begin("list-1", wire::RowKind::Person);
    let check = async |parts: Vec<Part>, reason: &str, field: &str| {
        let before = gateway.rows().await;
        let had = refused(&gateway.send(parts).await.unwrap_err());
        assert_eq!((had.reason.as_str(), had.field.as_str()), (reason, field));
        let after = gateway.rows().await;
        let runs = |rows: &[(String, i64)]| -> Vec<_> {
            rows.iter().filter(|(table, _)| table != "import_run").cloned().collect()
        };
        assert_eq!(runs(&after), runs(&before));
    };
    let row = |line, row| Part::Row(wire::ImportRow { line, row: Some(row) });
    check(vec![row(1, person(identity_number(0)))], "BEGIN_MISSING", "begin").await;
    check(Vec::new(), "BEGIN_MISSING", "begin").await;
    check(vec![Part::Begin(list()), Part::Begin(list())], "BEGIN_TWICE", "begin").await;
    let dated = wire::ImportBegin { list_date: "today".to_owned(), ..list() };
    check(vec![Part::Begin(dated)], "NOT_A_DATE", "begin.list_date").await;
    let kind = wire::ImportBegin { kind: 0, ..list() };
    check(vec![Part::Begin(kind)], "VALUE_UNKNOWN", "begin.kind").await;
    let unnamed = wire::ImportBegin { import_id: String::new(), ..list() };
    check(vec![Part::Begin(unnamed)], "LIST_REFUSED", "begin.import_id").await;
    let hospital = Row::Hospital(wire::HospitalRow::default());
    let other = vec![Part::Begin(list()), row(7, hospital)];
    check(other, "ROW_OF_ANOTHER_KIND", "row of line 7").await;
    let fewer = wire::ImportBegin { row_count: 2, import_id: "list-2".to_owned(), ..list() };
    check(vec![Part::Begin(fewer)], "LIST_REFUSED", "begin.row_count").await;
    let full = |list_date: &str| wire::ImportBegin {
        full: true,
        list_date: list_date.to_owned(),
        region: "520200".to_owned(),
        ..begin("list-3", wire::RowKind::Identity)
    };
    check(vec![Part::Begin(full("2024-01-01"))], "LIST_EMPTY", "begin.full").await;
    check(vec![Part::Begin(full("9999-01-01"))], "LIST_DATED_AHEAD", "begin.list_date").await;
}

fn reasons(rejects: &[wire::ImportReject]) -> Vec<String> {
    let said = |reject: &wire::ImportReject| {
        assert!(!reject.message_zh.is_empty() && !reject.message_en.is_empty());
        format!("{} {} {}", reject.line, reject.reason, reject.field)
    };
    rejects.iter().map(said).collect()
}

#[tokio::test]
async fn what_no_rule_counts_or_favours_is_rejected_where_there_are_rules() {
    let gateway = Gateway::start().await;
    let opening = |id: &str, (region, scheme, policy_year): (&str, &str, u32), name: &str| {
        Row::Opening(wire::OpeningRow {
            entry_id: id.to_owned(),
            credential: identity_number(0),
            insured_region: region.to_owned(),
            scheme: scheme.to_owned(),
            policy_year,
            name: name.to_owned(),
            amount: "1.00".to_owned(),
        })
    };
    let openings = || {
        vec![
            opening("E1", ("520200", "resident", 2024), "critical.entered"),
            opening("E2", ("520200", "resident", 2024), "nonsense.foo"),
            opening("E3", ("520200", "resident", 0), "critical.entered"),
            opening("E4", ("520200", "employee", 2024), "critical.entered"),
            opening("E5", ("110000", "resident", 2024), "critical.entered"),
        ]
    };
    let list = |id: &str| begin(id, wire::RowKind::Opening);
    let (rejects, summary) = gateway.import(list("o-1"), openings()).await.unwrap();
    let unknown = |line| format!("{line} ACCUMULATOR_UNKNOWN name");
    assert_eq!(reasons(&rejects), [2, 3, 4, 5].map(unknown));
    assert_eq!((summary.added, summary.rejected), (1, 4));

    let identity = |code: &str, region: &str| {
        Row::Identity(wire::IdentityRow {
            credential: identity_number(1),
            code: code.to_owned(),
            region: region.to_owned(),
            valid_from: "2024-01-01".to_owned(),
            ..wire::IdentityRow::default()
        })
    };
    let identities = || {
        vec![
            identity("low_income", "520200"),
            identity("low_incom", "520200"),
            identity("low_income", "020200"),
        ]
    };
    let granted = |id: &str| begin(id, wire::RowKind::Identity);
    let (rejects, summary) = gateway.import(granted("i-1"), identities()).await.unwrap();
    assert_eq!(reasons(&rejects), ["2 CODE_UNKNOWN code", "3 REGION_UNKNOWN region"]);
    assert_eq!(summary.added, 1);

    // Without any rules nobody can say what a word means.
    std::fs::remove_dir_all(gateway.rules.path().join("520200")).unwrap();
    gateway.app.rulebook.reload();
    assert!(gateway.app.rulebook.packages().entries.is_empty());
    let (rejects, _) = gateway.import(list("o-2"), openings()).await.unwrap();
    assert_eq!(reasons(&rejects), [""; 0]);
    let (rejects, _) = gateway.import(granted("i-2"), identities()).await.unwrap();
    assert_eq!(reasons(&rejects), ["3 REGION_UNKNOWN region"]);
}

/// Imports coverage by what each row shows; gives what was rejected.
async fn cover(gateway: &Gateway, id: &str, shown: &[&str]) -> Vec<String> {
    let row = |credential: &&str| {
        Row::Coverage(wire::CoverageRow {
            credential: (*credential).to_owned(),
            scheme: "resident".to_owned(),
            insured_region: "520200".to_owned(),
            valid_from: "2024-01-01".to_owned(),
            ..wire::CoverageRow::default()
        })
    };
    let list = begin(id, wire::RowKind::Coverage);
    let (rejects, _) = gateway.import(list, shown.iter().map(row).collect()).await.unwrap();
    reasons(&rejects)
}

async fn is_covered(gateway: &Gateway, kind: CredentialKind, number: &str) -> bool {
    let request = GetStandingRequest {
        credential: Some(Credential { kind: kind.into(), number: number.to_owned() }),
        on_date: "2024-06-30".to_owned(),
    };
    let standing = gateway.desk.clone().get_standing(request).await.unwrap().into_inner();
    !standing.coverage.is_empty()
}

#[tokio::test]
async fn whoever_has_no_number_of_their_own_is_insured_all_the_same() {
    let gateway = Gateway::bare().await;
    let (mother, named) = (identity_number(0), "王昭君".to_owned());
    let persons = vec![
        Row::Person(wire::PersonRow {
            passport: "E12345678".to_owned(),
            name: named.clone(),
            ..wire::PersonRow::default()
        }),
        Row::Person(wire::PersonRow {
            card_token: "TOKEN-1".to_owned(),
            name: named,
            ..wire::PersonRow::default()
        }),
        // A newborn that has no name yet.
        Row::Person(wire::PersonRow {
            mother_identity_number: mother.clone(),
            birth_date: "2024-01-01".to_owned(),
            ..wire::PersonRow::default()
        }),
    ];
    gateway.take(wire::RowKind::Person, persons).await;
    assert_eq!(cover(&gateway, "c-1", &["e12345678", "TOKEN-1"]).await, [""; 0]);
    assert!(is_covered(&gateway, CredentialKind::Passport, "E12345678").await);
    assert!(is_covered(&gateway, CredentialKind::CardToken, "TOKEN-1").await);

    // The mother's number alone might mean either; what it means is asked, not guessed.
    let asked = cover(&gateway, "c-2", &[&mother]).await;
    assert_eq!(asked, ["1 NEWBORN_NOT_NAMED credential"]);
    let newborn = format!("mother_identity_number:{mother}");
    assert_eq!(cover(&gateway, "c-3", &[&newborn]).await, [""; 0]);
    assert!(is_covered(&gateway, CredentialKind::NewbornOfMother, &mother).await);

    gateway.take(wire::RowKind::Person, vec![person(mother.clone())]).await;
    assert!(!is_covered(&gateway, CredentialKind::IdentityNumber, &mother).await);
    assert_eq!(cover(&gateway, "c-4", &[&mother]).await, [""; 0]);
    assert!(is_covered(&gateway, CredentialKind::IdentityNumber, &mother).await);
    let unknown = cover(&gateway, "c-5", &["passport:TOKEN-1"]).await;
    assert_eq!(unknown, ["1 PERSON_UNKNOWN credential"]);
}

#[tokio::test]
async fn a_client_that_leaves_holds_nothing_up() {
    let gateway = Gateway::bare().await;
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let mut client = RegistryServiceClient::new(gateway.channel.clone());
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let list = wire::ImportBegin { row_count: 10, ..begin("list-1", wire::RowKind::Person) };
    let begin_part = Part::Begin(list.clone());
    sender.send(wire::ImportRequest { part: Some(begin_part) }).await.unwrap();
    let answers = client.import(stream).await.unwrap();
    drop((answers, sender));
    // The same list at once, whole.
    let (_, summary) = gateway.import(list, persons(10)).await.unwrap();
    assert_eq!(summary.added, 10);
}
