//! The import stream over real gRPC: rejects beside good rows, repeats, resumption, and lists that can not be taken.

use onestop::door::wire::registry::v1 as wire;
use onestop::door::wire::registry::v1::import_request::Part;
use onestop::door::wire::registry::v1::import_row::Row;
use onestop::door::wire::registry::v1::registry_service_client::RegistryServiceClient;
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
