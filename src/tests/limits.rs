//! Whatever is too much, by both doors: each is bounded, and who sends more is told by a name and not by a silence.

use onestop::door::grpc::encoded::Encoded;
use onestop::door::wire::registry::v1::registry_service_client::RegistryServiceClient;
use onestop::door::wire::settlement::v1 as wire;
use onestop::{door::wire::registry::v1 as registry, limits};
use serde_json::json;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use crate::gateway::{Gateway, begin, bill, line};
use crate::national::{Door, code_of, envelope, id, request};

const DAY: &str = "2024-06-30";

fn settle(bill: wire::Bill) -> wire::SettleRequest {
    wire::SettleRequest { request_id: "R1".to_owned(), bill: Some(bill), quote_token: Vec::new() }
}

/// What a call of these bytes is answered: the library refuses to read them before we see a message.
async fn refused_raw(gateway: &Gateway, path: &'static str, bytes: Vec<u8>) -> tonic::Status {
    let mut client = tonic::client::Grpc::new(gateway.channel.clone());
    client.ready().await.unwrap();
    let path = tonic::codegen::http::uri::PathAndQuery::from_static(path);
    client.unary(Request::new(bytes), path, Encoded).await.unwrap_err()
}

/// Wherever a message is read: by the library, in place by us, or in a stream.
#[tokio::test]
async fn a_grpc_message_that_can_not_be_read_is_refused_by_name_and_not_to_be_sent_again() {
    let gateway = Gateway::bare().await;
    // Twice the same field number in a wire type that is none: no message of any kind.
    let no_message = || vec![0x0f, 0x0f];
    for (path, bytes_max) in [
        ("/onestop.settlement.v1.SettlementService/Settle", limits::MESSAGE_BYTES_MAX),
        ("/onestop.settlement.v1.SettlementService/GetStanding", limits::MESSAGE_BYTES_MAX),
        ("/onestop.access.v1.AccessService/ListAccesses", limits::ACCESS_MESSAGE_BYTES_MAX),
    ] {
        let large = refused_raw(&gateway, path, vec![0; bytes_max + 1]).await;
        let told = crate::gateway::refused(&large);
        let reason = (told.code, told.reason.as_str());
        assert_eq!(reason, (Code::InvalidArgument, "MESSAGE_TOO_LARGE"), "{path}");
        assert!(large.message().contains(&bytes_max.to_string()), "{path}: {large:?}");
        let malformed = refused_raw(&gateway, path, no_message()).await;
        let told = crate::gateway::refused(&malformed);
        let reason = (told.code, told.reason.as_str());
        assert_eq!(reason, (Code::InvalidArgument, "MESSAGE_MALFORMED"), "{path}");
        assert!(malformed.get_details_retry_info().is_none(), "{path}: {malformed:?}");
    }
    let mut client = tonic::client::Grpc::new(gateway.channel.clone());
    client.ready().await.unwrap();
    let path = "/onestop.registry.v1.RegistryService/Import";
    let path = tonic::codegen::http::uri::PathAndQuery::from_static(path);
    let rows = Request::new(tokio_stream::iter([no_message()]));
    let mut answers = client.streaming(rows, path, Encoded).await.unwrap().into_inner();
    let status = answers.message().await.unwrap_err();
    assert_eq!(crate::gateway::refused(&status).reason, "MESSAGE_MALFORMED");
}

#[tokio::test]
async fn a_grpc_message_larger_than_is_taken_is_refused_with_the_limit() {
    let gateway = Gateway::bare().await;
    let mut large = bill(0, "Z1", DAY);
    large.diagnosis_codes = vec!["x".repeat(limits::MESSAGE_BYTES_MAX)];
    let status = gateway.desk.clone().settle(settle(large)).await.unwrap_err();
    assert_eq!(crate::gateway::refused(&status).reason, "MESSAGE_TOO_LARGE");

    let row = registry::HospitalRow {
        name: "x".repeat(limits::IMPORT_MESSAGE_BYTES_MAX),
        ..registry::HospitalRow::default()
    };
    let rows = [
        registry::import_request::Part::Begin(begin("L1", registry::RowKind::Hospital)),
        registry::import_request::Part::Row(registry::ImportRow {
            line: 1,
            row: Some(registry::import_row::Row::Hospital(row)),
        }),
    ];
    let rows = rows.map(|part| registry::ImportRequest { part: Some(part) });
    let mut client = RegistryServiceClient::new(gateway.channel.clone());
    let mut answers = client.import(tokio_stream::iter(rows)).await.unwrap().into_inner();
    let status = loop {
        match answers.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a row that is too large was taken"),
            Err(status) => break status,
        }
    };
    // Not a stream that broke, which would be sent again, and again.
    let refused = crate::gateway::refused(&status);
    assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, "ROW_TOO_LARGE"));
}

/// By their bytes, with 32 more for each, so that their number is bounded too.
#[tokio::test]
async fn grpc_metadata_has_a_size() {
    let gateway = Gateway::bare().await;
    let with = async |entries: usize, bytes: usize| {
        let mut request = Request::new(settle(bill(0, "Z1", DAY)));
        for number in 0..entries {
            let key = AsciiMetadataKey::from_bytes(format!("x-{number}").as_bytes()).unwrap();
            let value = AsciiMetadataValue::try_from("v".repeat(bytes)).unwrap();
            request.metadata_mut().insert(key, value);
        }
        gateway.desk.clone().settle(request).await
    };
    assert!(with(100, 10).await.is_ok(), "what is usual is taken");
    for (entries, bytes) in [(1, 32 * 1024), (600, 1)] {
        let refused = with(entries, bytes).await.unwrap_err();
        assert!(refused.message().contains("431"), "{entries} of {bytes}: {refused:?}");
    }
    assert!(with(1, 1).await.is_ok(), "the connection is as good as before");
}

#[tokio::test]
async fn more_of_anything_in_a_bill_than_there_may_be_is_named() {
    let gateway = Gateway::start().await;
    let check = async |spoil: &dyn Fn(&mut wire::Bill), field: &str| {
        let mut bill = bill(0, "Z1", DAY);
        spoil(&mut bill);
        let status = gateway.desk.clone().settle(settle(bill)).await.unwrap_err();
        let refused = crate::gateway::refused(&status);
        assert!(refused.field.starts_with(field), "{field}: {refused:?}");
        assert!(refused.reason.starts_with("TOO_MANY"), "{field}: {refused:?}");
    };
    let fact = |name: usize| wire::Fact { name: format!("f{name}"), value: "x".to_owned() };
    check(
        &|bill| bill.lines = (0..10_001).map(|n| line(&n.to_string(), "A01", 1)).collect(),
        "bill.lines",
    )
    .await;
    check(&|bill| bill.facts = (0..=limits::FACTS_MAX).map(fact).collect(), "bill.facts").await;
    check(
        &|bill| bill.diagnosis_codes = vec!["A00".to_owned(); limits::DIAGNOSES_MAX + 1],
        "bill.diagnosis_codes",
    )
    .await;
}

/// However deep it lies, it is read to its end and no further down than there is room for.
#[tokio::test]
async fn json_that_lies_too_deep_is_no_message() {
    let gateway = Gateway::bare().await;
    let door = Door::open(&gateway, false).await;
    let nested = |depth: usize, open: &str, close: &str| {
        let input = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let body = envelope("1101", &id(1), json!("INPUT")).to_string();
        body.replace("\"INPUT\"", &format!("{{\"data\":{input}}}"))
    };
    // Two stand above: the message and its input.
    let room = limits::NATIONAL_DEPTH_MAX - 2;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let answer = door.post(&nested(room, open, close)).await;
        assert_ne!(code_of(&answer.envelope), "OS-ENV-001", "{open}: there is room for these");
        for depth in [room + 1, 1_000, 500_000] {
            let answer = door.post(&nested(depth, open, close)).await;
            assert_eq!(code_of(&answer.envelope), "OS-ENV-001", "{open} {depth}");
        }
    }
}

#[tokio::test]
async fn a_head_that_nobody_needs_is_refused_by_an_envelope() {
    let gateway = Gateway::bare().await;
    let door = Door::open(&gateway, false).await;
    let with = async |path: &str, headers: &str| {
        let good = request("POST", path, "{}");
        door.send(good.replacen("Host: x\r\n", &format!("Host: x\r\n{headers}"), 1).as_bytes())
            .await
    };
    let path = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
    let headers = |count: usize| (0..count).map(|n| format!("X-{n}: v\r\n")).collect::<String>();
    // Host, Connection and Content-Length are there too.
    let most = limits::NATIONAL_HEADERS_MAX - 3;
    for (path, headers) in [
        (path(limits::NATIONAL_URI_BYTES_MAX), String::new()),
        ("/".to_owned(), headers(most)),
        ("/".to_owned(), format!("X: {}\r\n", "v".repeat(16_000))),
    ] {
        let answer = with(&path, &headers).await;
        assert_eq!((answer.status, code_of(&answer.envelope).as_str()), (200, "OS-ENV-004"));
    }
    for (path, headers) in [
        (path(limits::NATIONAL_URI_BYTES_MAX + 1), String::new()),
        ("/".to_owned(), headers(most + 1)),
        ("/".to_owned(), format!("X: {}\r\n", "v".repeat(17_000))),
    ] {
        let answer = with(&path, &headers).await;
        assert_eq!((answer.status, code_of(&answer.envelope).as_str()), (431, "OS-ENV-030"));
    }
    // What the library does not even read it refuses by the status alone.
    assert_eq!(with(&path(70_000), "").await.status, 414);
    assert_eq!(with("/", &headers(200)).await.status, 431);
}

/// By the size that is said, and by what comes in pieces and says none.
#[tokio::test]
async fn a_national_message_larger_than_is_taken_is_refused_by_an_envelope() {
    let gateway = Gateway::bare().await;
    let door = Door::open(&gateway, false).await;
    let head =
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let size = limits::NATIONAL_BODY_BYTES_MAX + 1;
    let body = format!("{head}{size:x}\r\n{}\r\n0\r\n\r\n", " ".repeat(size));
    let answer = door.send(body.as_bytes()).await;
    assert_eq!((answer.status, code_of(&answer.envelope).as_str()), (413, "OS-ENV-003"));
    // A statement file is told which other way there is, however its size is told.
    let file = json!({ "fsUploadIn": { "in": "A".repeat(limits::NATIONAL_BODY_BYTES_MAX), "filename": "a.zip" } });
    let mut upload = envelope("9101", &id(3), json!("INPUT")).to_string();
    upload = upload.replace("\"infno\":\"9101\",", "").replace("\"INPUT\"", &file.to_string());
    let first = upload.replacen('{', "{\"infno\": \"9101\",", 1);
    let last = format!("{}, \"infno\": \"9101\"}}", &upload[..upload.len() - 1]);
    for (body, code) in [(&first, "OS-REC-025"), (&last, "OS-ENV-003")] {
        let chunked = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        for answer in [door.post(body).await, door.send(chunked.as_bytes()).await] {
            assert_eq!((answer.status, code_of(&answer.envelope).as_str()), (413, code));
        }
    }
    let rows = vec![json!({"feedetl_sn": "1"}); limits::NATIONAL_FEE_ROWS_MAX + 1];
    let refused = door.code("2301", &id(2), json!({"feedetail": rows})).await;
    assert_eq!(refused, "OS-INP-015");
}
