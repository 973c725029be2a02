//! Reconciliation by the doors: over gRPC, by the national messages, and at the machine.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use onestop::domain::ids::SettlementId;
use onestop::door::wire::reconciliation::v1 as wire;
use onestop::door::wire::reconciliation::v1::reconciliation_service_client::ReconciliationServiceClient;
use serde_json::{Value, json};
use tonic::Code;

use crate::gateway::{Gateway, HOSPITAL, Refused, bill, refused};
use crate::national::{Door, id};
use crate::reconcile::{file, line};
use crate::reconcile_explained::{settle, settled_then};
use crate::server::onestop;
use crate::trail::url;

fn scope() -> wire::Scope {
    wire::Scope {
        hospital_code: HOSPITAL.to_owned(),
        first_day: "2024-07-01".to_owned(),
        last_day: "2024-07-01".to_owned(),
        ..wire::Scope::default()
    }
}

fn parts(scope: wire::Scope, file: &[u8]) -> Vec<wire::ReconcileRequest> {
    use wire::reconcile_request::Part;
    let begin = Part::Begin(wire::ReconcileBegin { scope: Some(scope), told: None });
    let chunks = file.chunks(50).map(|chunk| Part::Chunk(chunk.to_vec()));
    let all = std::iter::once(begin).chain(chunks);
    all.map(|part| wire::ReconcileRequest { part: Some(part) }).collect()
}

async fn reconcile(
    client: &mut ReconciliationServiceClient<tonic::transport::Channel>,
    parts: Vec<wire::ReconcileRequest>,
) -> Result<wire::Report, tonic::Status> {
    let mut answers = client.reconcile(tokio_stream::iter(parts)).await?.into_inner();
    loop {
        match answers.message().await?.unwrap().part.unwrap() {
            wire::reconcile_response::Part::Progress(_) => {}
            wire::reconcile_response::Part::Report(report) => return Ok(report),
        }
    }
}

/// Two settlements of that day; the file has one of them, with another amount, and one that nobody knows.
async fn day(gateway: &Gateway) -> (SettlementId, Vec<u8>) {
    let first = settle(gateway, "R1", bill(0, "S1", "2024-03-01")).await;
    settle(gateway, "R2", bill(1, "S2", "2024-03-01")).await;
    settled_then(gateway).await;
    let unknown = SettlementId::compose(3, 4, 5);
    let lines = [
        line(first.as_str(), [3_600_000, 1, 0], false),
        line(unknown.as_str(), [100, 100, 0], false),
    ];
    (first, file(&lines).into_inner())
}

/// Carries all of them, and reads what became of each.
async fn all_carried(
    client: &mut ReconciliationServiceClient<tonic::transport::Channel>,
    statement_id: &str,
    listed: &[wire::Difference],
) {
    for difference in listed {
        let note = wire::NoteDifferenceRequest {
            statement_id: statement_id.to_owned(),
            number: difference.number,
            note: wire::DifferenceNote::Carry.into(),
            moved_fen: 0,
            reason: "次日核对".to_owned(),
        };
        client.note_difference(note).await.unwrap();
    }
    let asked = wire::ListDifferencesRequest { statement_id: statement_id.to_owned(), after: 0 };
    let again = client.list_differences(asked).await.unwrap().into_inner().differences;
    let last = |one: &wire::Difference| {
        (one.event.clone(), one.event_by.clone(), one.event_reason.clone())
    };
    let carried = ("carried".to_owned(), "development".to_owned(), "次日核对".to_owned());
    assert!(
        again.iter().all(|one| last(one) == carried && !one.event_at.is_empty()),
        "{:?}",
        last(&again[0])
    );
    assert!(again.iter().all(|one| one.ours_counts == one.ours.is_some()));
    let asked = wire::ListCarriedRequest { scope: Some(scope()), ..Default::default() };
    let carried = client.list_carried(asked.clone()).await.unwrap().into_inner().differences;
    assert_eq!(carried.len(), listed.len());
    let second = &carried[1];
    let after = wire::ListCarriedRequest {
        after_statement_id: second.statement_id.clone(),
        after_number: second.number,
        ..asked
    };
    let rest = client.list_carried(after).await.unwrap().into_inner().differences;
    assert_eq!(rest, carried[2..]);
    let asked =
        wire::ListDifferenceEventsRequest { statement_id: statement_id.to_owned(), number: 1 };
    let events = client.list_difference_events(asked).await.unwrap().into_inner().events;
    let events: Vec<_> = events.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(events, ["explained", "carried"]);
}

/// It is found without its number, page by page, by what is asked for.
async fn is_listed(
    client: &mut ReconciliationServiceClient<tonic::transport::Channel>,
    report: &wire::Report,
) {
    let of = |state: &str| wire::ListStatementsRequest {
        hospital_code: HOSPITAL.to_owned(),
        day: "2024-07-01".to_owned(),
        state: state.to_owned(),
        page_size: 1,
        ..wire::ListStatementsRequest::default()
    };
    let page = client.list_statements(of("matched")).await.unwrap().into_inner();
    let [listed] = page.statements.as_slice() else { panic!("{page:?}") };
    assert_eq!((&listed.statement_id, &listed.scope), (&report.statement_id, &report.scope));
    assert_eq!((listed.file_rows, listed.differences), (report.file_rows, report.differences));
    assert!(!listed.received_at.is_empty() && listed.closed_by.is_empty(), "{listed:?}");
    let next = wire::ListStatementsRequest { page_token: page.next_page_token, ..of("matched") };
    let end = client.list_statements(next).await.unwrap().into_inner();
    assert_eq!(end, wire::ListStatementsResponse::default());
    let none = client.list_statements(of("closed")).await.unwrap().into_inner();
    assert_eq!(none, wire::ListStatementsResponse::default());
    let token = |token: &str| wire::ListStatementsRequest {
        page_token: token.to_owned(),
        ..wire::ListStatementsRequest::default()
    };
    for (bad, field) in
        [(of("open"), "state"), (token("1"), "page_token"), (token("1-x"), "page_token")]
    {
        let told = refused(&client.list_statements(bad).await.unwrap_err());
        assert_eq!((told.reason.as_str(), told.field.as_str()), ("VALUE_UNKNOWN", field));
    }
}

#[tokio::test]
async fn a_statement_goes_over_grpc_from_its_totals_to_a_closed_day() {
    let gateway = Gateway::start().await;
    let (first, file) = day(&gateway).await;
    let mut client = ReconciliationServiceClient::new(gateway.channel.clone());
    let theirs = Some(wire::Sum { rows: 1, ..wire::Sum::default() });
    let asked = wire::GetTotalsRequest { scope: Some(scope()), theirs };
    let totals = client.get_totals(asked).await.unwrap().into_inner();
    assert_eq!((totals.groups.len(), totals.groups[0].sum.unwrap().rows), (1, 2));
    assert_eq!((totals.result.as_str(), totals.result_long.as_str()), ("1", "000101"));
    assert_eq!(totals.groups[0].clearing_type, "11");
    let funds = &totals.groups[0].funds;
    let paid: i64 = funds.iter().map(|fund| fund.pay_fen).sum();
    assert_eq!(paid, totals.groups[0].sum.unwrap().fund_fen, "{funds:?}");

    let report = reconcile(&mut client, parts(scope(), &file)).await.unwrap();
    let counted: Vec<_> = report
        .classes
        .iter()
        .map(|class| (class.class.as_str(), class.ours.unwrap().rows, class.theirs.unwrap().rows))
        .filter(|(_, ours, theirs)| 0 < ours + theirs)
        .collect();
    assert_eq!(counted, [("only_ours", 1, 0), ("only_theirs", 0, 1), ("amounts_differ", 1, 1)]);
    assert_eq!(report.state, "matched");
    let statement_id = report.statement_id.clone();
    is_listed(&mut client, &report).await;
    let asked = wire::ListDifferencesRequest { statement_id: statement_id.clone(), after: 0 };
    let listed = client.list_differences(asked).await.unwrap().into_inner().differences;
    let differs = listed.iter().find(|one| one.class == "amounts_differ").unwrap();
    assert_eq!(
        (differs.settlement_id.as_str(), differs.request_id.as_str()),
        (first.as_str(), "R1")
    );
    assert_eq!((differs.result.as_str(), differs.explanation.as_str()), ("3", "not_explainable"));

    let written = async |format: wire::ResultFormat| {
        let asked = wire::WriteResultRequest {
            statement_id: statement_id.clone(),
            format: format.into(),
            long_codes: true,
        };
        let mut chunks = client.clone().write_result(asked).await?.into_inner();
        let mut file = Vec::new();
        while let Some(part) = chunks.message().await? {
            file.extend_from_slice(&part.chunk);
        }
        Ok::<_, tonic::Status>(file)
    };
    let csv = String::from_utf8(written(wire::ResultFormat::Csv).await.unwrap()).unwrap();
    assert_eq!(csv.lines().count(), 1 + listed.len(), "{csv}");
    assert!(csv.contains(first.as_str()) && csv.contains(&differs.result_long), "{csv}");
    for format in [wire::ResultFormat::Zip, wire::ResultFormat::Xlsx] {
        assert!(written(format).await.unwrap().starts_with(b"PK"), "{format:?}");
    }
    assert!(written(wire::ResultFormat::Parquet).await.unwrap().ends_with(b"PAR1"));
    let none = refused(&written(wire::ResultFormat::Unspecified).await.unwrap_err());
    assert_eq!((none.reason.as_str(), none.field.as_str()), ("FIELD_MISSING", "format"));

    let close = || wire::CloseStatementRequest {
        statement_id: statement_id.clone(),
        although: String::new(),
    };
    let open = refused(&client.close_statement(close()).await.unwrap_err());
    assert_eq!((open.code, open.reason.as_str()), (Code::FailedPrecondition, "DIFFERENCES_OPEN"));
    all_carried(&mut client, &statement_id, &listed).await;
    let closed = client.close_statement(close()).await.unwrap().into_inner();
    assert_eq!(closed.state, "closed");
}

#[tokio::test]
async fn an_unknown_payer_is_refused_over_grpc_with_those_that_are_known() {
    let gateway = Gateway::start().await;
    let mut client = ReconciliationServiceClient::new(gateway.channel.clone());
    let unknown = wire::Scope { payer: "basic_poool".to_owned(), ..scope() };
    let asked = wire::GetTotalsRequest { scope: Some(unknown), theirs: None };
    let status = client.get_totals(asked).await.unwrap_err();
    let Refused { code, reason, field, .. } = refused(&status);
    assert_eq!(
        (code, reason.as_str(), field.as_str()),
        (Code::InvalidArgument, "PAYER_UNKNOWN", "scope.payer")
    );
    assert!(
        status.message().contains("known: basic_pool, critical_illness, medical_aid"),
        "{status:?}"
    );
}

#[tokio::test]
async fn what_can_not_be_taken_over_grpc_names_its_field() {
    let gateway = Gateway::start().await;
    let (_, file) = day(&gateway).await;
    let mut client = ReconciliationServiceClient::new(gateway.channel.clone());
    let mut check = async |parts: Vec<wire::ReconcileRequest>, reason: &str, field: &str| {
        let status = reconcile(&mut client, parts).await.unwrap_err();
        let Refused { reason: had, field: at, .. } = refused(&status);
        assert_eq!((had.as_str(), at.as_str()), (reason, field));
    };
    let everything = wire::Scope { hospital_code: String::new(), ..scope() };
    check(parts(everything, &file), "SCOPE_TOO_WIDE", "scope").await;
    let wrong = wire::Scope { last_day: "2024-06-30".to_owned(), ..scope() };
    check(parts(wrong, &file), "OUT_OF_RANGE", "scope.last_day").await;
    check(parts(scope(), b"setl_id\n"), "FILE_COLUMN_MISSING", "mdtrt_id").await;
    check(parts(scope(), b""), "FILE_EMPTY", "file").await;
    check(parts(scope(), &file).split_off(1), "BEGIN_MISSING", "begin").await;
}

#[tokio::test]
async fn a_hospital_reconciles_by_national_messages() {
    let gateway = Gateway::start().await;
    let (first, file) = day(&gateway).await;
    let door = Door::open(&gateway, false).await;
    let data = |more: Value| {
        let mut data = json!({
            "setl_optins": "520200", "stmt_begndate": "2024-07-01", "stmt_enddate": "2024-07-01",
            "insutype": "390", "medfee_sumamt": "36000.00", "fund_pay_sumamt": "0.01", "acct_pay": "0",
            "cash_payamt": "0", "fixmedins_setl_cnt": "1", "clr_type": "11", "refd_setl_flag": "0",
        });
        let (data_of, more) = (data.as_object_mut().unwrap(), more.as_object().unwrap().clone());
        data_of.extend(more);
        json!({ "data": data })
    };
    let told = door.done("3201", &id(1), data(json!({}))).await;
    assert_eq!(told["stmtinfo"]["stmt_rslt"], "1", "{told}");
    let six = door.done("3201", &id(2), data(json!({ "exp_content": "stmt_rslt_6" }))).await;
    assert_eq!(six["stmtinfo"]["stmt_rslt"], "000101");

    let upload = json!({ "fsUploadIn": { "in": BASE64_STANDARD.encode(&file), "filename": "a.txt", "fixmedins_code": HOSPITAL } });
    let number = door.done("9101", &id(3), upload.clone()).await["file_qury_no"].clone();
    assert_eq!(door.done("9101", &id(4), upload).await["file_qury_no"], number, "the same file");
    let result = door.done("3202", &id(5), data(json!({ "file_qury_no": number }))).await;
    let result = result["fileinfo"]["file_qury_no"].clone();
    let wanted = json!({ "fsDownloadIn": { "file_qury_no": result, "filename": "result.zip", "fixmedins_code": HOSPITAL } });
    let answer = door.done("9102", &id(6), wanted).await;
    let packed = BASE64_STANDARD.decode(answer["fsDownloadOut"]["in"].as_str().unwrap()).unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(packed)).unwrap();
    let text = std::io::read_to_string(archive.by_index(0).unwrap()).unwrap();
    let row = text.lines().find(|line| line.contains(first.as_str())).unwrap();
    let cells: Vec<_> = row.split('\t').collect();
    assert_eq!((cells[3], cells[4], cells[5], cells[7]), ("R1", "3", "0", "36000.00"), "{row}");
    assert_eq!(text.lines().count(), 4, "a head, and three differences: {text}");

    let missing = data(json!({ "file_qury_no": "F1" }));
    assert_eq!(door.code("3202", &id(7), missing).await, "OS-REC-020");
}

/// What moves is always said, and so is why; and what happened can be read.
fn noted(run: impl Fn(&[&str]) -> (Option<i32>, String), statement: &str) {
    let (code, said) = run(&["settle", statement, "1", "--reason", "looks fine"]);
    assert!(code == Some(64) && said.contains("--moves"), "{said}");
    let (code, said) = run(&["settle", statement, "1", "--moves", "0", "--reason", ""]);
    assert!(code == Some(64) && said.contains("1 to 200 characters"), "{said}");
    let (code, said) = run(&["settle", statement, "1", "--moves", "0", "--reason", "looks fine"]);
    assert!(code == Some(1) && said.contains("FOUR_EYES"), "{said}");
    let (code, said) = run(&["propose", statement, "1", "--moves", "-5.00", "--reason", "退款"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&["withdraw", statement, "1", "--reason", "误提"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&["history", statement, "1"]);
    let rows: Vec<_> = said.lines().skip(1).map(|line| line.split('\t').nth(4).unwrap()).collect();
    assert_eq!((code, rows), (Some(0), vec!["explained", "proposed", "withdrawn"]), "{said}");
    assert!(said.contains("\t-5.00\t退款") && said.contains("\t误提"), "{said}");
    let (code, said) = run(&["list", "--hospital", HOSPITAL, "--day", "2024-07-01"]);
    assert!(
        code == Some(0) && said.contains(&format!("{statement}\t2024-07-01\t2024-07-01\tmatched")),
        "{said}"
    );
    let (_, said) = run(&["list", "--hospital", "H9"]);
    assert_eq!(said.lines().count(), 1, "{said}");
    let (code, said) = run(&["differences", statement]);
    assert!(code == Some(0) && said.lines().nth(1).unwrap().starts_with("1\t"), "{said}");
    assert!(said.contains("withdrawn"), "{said}");
}

#[tokio::test]
async fn a_statement_is_reconciled_at_the_machine() {
    let gateway = Gateway::start().await;
    let (first, file) = day(&gateway).await;
    let folder = gateway.rules.path();
    let (sent, result) = (folder.join("sent.txt"), folder.join("result.csv"));
    std::fs::write(&sent, &file).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = onestop(&gateway.rules);
        command
            .env("ONESTOP_DATABASE_URL", url(&gateway.database))
            .arg("reconcile")
            .args(arguments)
            .stdout(std::process::Stdio::piped());
        let output = command.output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    let (sent, out) = (sent.to_str().unwrap(), result.to_str().unwrap());
    let scope = ["--day", "2024-07-01", "--hospital", HOSPITAL];
    let told = ["--told", "2,36001.00,1.01,0", "--format", "json"];
    let written = ["--out", out, "--written", "csv", "--codes", "long"];
    let (code, said) = run(&[&["run", sent][..], &scope, &told, &written].concat());
    assert_eq!(code, Some(2), "something differs: {said}");
    let report: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!((&report["differences"], &report["totals_agree"]), (&json!(3), &json!(true)));
    let rows = std::fs::read_to_string(&result).unwrap();
    assert!(rows.contains(&format!(",{first},R1,000103,0,")), "{rows}");

    let statement = report["statement"].to_string();
    let (code, text) = run(&["show", &statement]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("金额不符 amounts differ\t1\t1\t"), "{text}");
    let (code, said) = run(&["close", &statement]);
    assert!(code == Some(1) && said.contains("DIFFERENCES_OPEN"), "{said}");
    let (code, said) = run(&["settle", &statement, "1", "--moves", "-5.00", "--reason", "退款"]);
    assert!(code == Some(1) && said.contains("FOUR_EYES"), "{said}");
    noted(run, &statement);
    let poool = [&["totals", "--payer", "basic_poool"][..], &scope].concat();
    let (code, said) = run(&poool);
    assert!(
        code == Some(1)
            && said.contains("PAYER_UNKNOWN")
            && said.contains("basic_pool, critical_illness"),
        "{said}"
    );
    for number in ["1", "2", "3"] {
        let (code, said) = run(&["carry", &statement, number, "--reason", "次日核对"]);
        assert_eq!(code, Some(0), "{said}");
    }
    let (code, said) = run(&["close", &statement]);
    assert!(code == Some(0) && said.contains("closed"), "{said}");
    let (code, totals) = run(&[&["totals"][..], &scope].concat());
    assert_eq!(code, Some(0), "{totals}");
    assert!(totals.contains(&format!("{HOSPITAL}\tresident\t11\t\t0\t2\t")), "{totals}");
    assert!(totals.contains("\tbasic_pool=") && totals.contains(" medical_aid="), "{totals}");
}
