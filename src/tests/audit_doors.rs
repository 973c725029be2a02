//! A month by gRPC and by the command line: the same figures, files that are read back, and a picture that adds up.

use std::io::Read as _;
use std::process::Stdio;

use onestop::door::wire::audit::v1 as wire;
use onestop::door::wire::audit::v1::audit_service_client::AuditServiceClient;
use onestop::door::wire::settlement::v1 as desk;
use tokio_postgres::config::Host;
use tonic::Code;

use crate::gateway::{Gateway, HOSPITAL, bill, refused};
use crate::server::onestop;

async fn settle(gateway: &Gateway, request: &str, bill: desk::Bill) -> desk::Settlement {
    let (request_id, bill) = (request.to_owned(), Some(bill));
    let request = desk::SettleRequest { request_id, bill, quote_token: Vec::new() };
    let answer = gateway.desk.clone().settle(request).await.unwrap().into_inner();
    let Some(desk::settle_response::Outcome::Settlement(settled)) = answer.outcome else {
        panic!("{answer:?}")
    };
    settled
}

fn this_month(gateway: &Gateway) -> String {
    let today = gateway.app.now().day;
    format!("{:04}-{:02}", today.year(), today.month())
}

#[tokio::test]
async fn a_month_is_told_over_the_wire_and_what_can_not_be_asked_is_refused_by_field() {
    let gateway = Gateway::start().await;
    let first = settle(&gateway, "R1", bill(0, "Z1", "2024-01-31")).await;
    settle(&gateway, "R2", bill(0, "Z2", "2024-02-29")).await;
    let mut audit = AuditServiceClient::new(gateway.channel.clone());
    let month = this_month(&gateway);
    let asked = wire::GetFundFlowRequest { month: month.clone(), ..Default::default() };
    let flow = audit.get_fund_flow(asked.clone()).await.unwrap().into_inner();
    assert_eq!((flow.entries, flow.reversals, flow.assumed), (2, 0, 2));
    let columns = "SELECT sum(basic_pool_pay_fen)::bigint, sum(critical_illness_pay_fen)::bigint, sum(medical_aid_pay_fen)::bigint,
        sum(total_fen)::bigint FROM settlement";
    let row = gateway.database.owner().await.query_one(columns, &[]).await.unwrap();
    assert_eq!(flow.charged_fen, row.get::<_, i64>(3));
    for (fund, place) in [("basic_resident", 0), ("critical_illness", 1), ("medical_aid", 2)] {
        for by in ["fund", "region", "hospital", "class", "care"] {
            let of = flow.lines.iter().filter(|line| line.by == by && line.fund == fund);
            let granted: i64 = of.map(|line| line.granted_fen).sum();
            assert_eq!(granted, row.get::<_, i64>(place), "{by} {fund}");
        }
    }
    assert!(flow.lines.iter().all(|line| line.by != "detail"));
    for assumed in ["readmitted", "pooling"] {
        assert!(flow.thresholds.iter().any(|of| of.word == assumed && of.assumed), "{assumed}");
    }
    for (change, code, reason, field) in [
        (
            wire::GetFundFlowRequest { month: "2024".to_owned(), ..asked.clone() },
            Code::InvalidArgument,
            "MONTH_UNKNOWN",
            "month",
        ),
        (
            wire::GetFundFlowRequest { month: "2999-01".to_owned(), ..asked.clone() },
            Code::InvalidArgument,
            "MONTH_UNKNOWN",
            "month",
        ),
        (
            wire::GetFundFlowRequest { region: "52".to_owned(), ..asked.clone() },
            Code::InvalidArgument,
            "NOT_A_REGION",
            "region",
        ),
        (
            wire::GetFundFlowRequest { by: vec!["moon".to_owned()], ..asked.clone() },
            Code::InvalidArgument,
            "VALUE_UNKNOWN",
            "by",
        ),
    ] {
        let told = refused(&audit.get_fund_flow(change).await.unwrap_err());
        assert_eq!((told.code, told.reason.as_str(), told.field.as_str()), (code, reason, field));
    }
    // Down to a settlement, and the clauses of it that nobody published.
    let which = wire::ListEntriesRequest {
        month,
        fund: "medical_aid".to_owned(),
        which: "assumed".to_owned(),
        ..Default::default()
    };
    let listed = audit.list_entries(which).await.unwrap().into_inner();
    let found = listed.entries.iter().find(|of| of.settlement_id == first.settlement_id).unwrap();
    assert!(found.assumed && found.assumed_clauses.iter().any(|clause| clause.contains("aid")));
    assert!(found.why_en.contains("by assumed figures"), "{found:?}");
    assert_eq!(listed.next_page_token, "");
}

/// A year's ceiling of aid is 50 000.00: a pay of 49 500 is just under it.
#[tokio::test]
async fn a_pay_just_under_a_ceiling_of_its_package_is_found() {
    let gateway = Gateway::start().await;
    settle(&gateway, "R1", bill(0, "Z1", "2024-01-31")).await;
    let mut audit = AuditServiceClient::new(gateway.channel.clone());
    let asked = wire::ListEntriesRequest {
        month: this_month(&gateway),
        which: "near_ceiling".to_owned(),
        ..Default::default()
    };
    let listed = audit.list_entries(asked.clone()).await.unwrap().into_inner();
    assert_eq!(listed.entries, []);
    // As a settlement would have it, written by whoever is held by no check.
    let owner = gateway.database.owner().await;
    let tamper = async |fen: i64| {
        let sql = format!(
            "ALTER TABLE settlement DROP CONSTRAINT IF EXISTS settlement_is_sound; SET session_replication_role = replica;
             UPDATE settlement SET pay_fen = (SELECT array_agg(CASE p.payer WHEN 'medical_aid' THEN {fen} ELSE p.fen END)
                FROM unnest(payer, pay_fen) AS p(payer, fen))"
        );
        owner.batch_execute(&sql).await.unwrap();
    };
    for (fen, found) in [(4_899_999, 0), (4_900_000, 1), (4_999_999, 1), (5_000_000, 0)] {
        tamper(fen).await;
        let listed = audit.list_entries(asked.clone()).await.unwrap().into_inner();
        assert_eq!(listed.entries.len(), found, "{fen}");
        assert!(listed.entries.iter().all(|of| of.why_en.contains("50000.00")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_is_exported_and_drawn_and_adds_up_in_each_form() {
    let gateway = Gateway::start().await;
    assert!(gateway.app.claims_database().await.unwrap());
    settle(&gateway, "R1", bill(0, "Z1", "2024-01-31")).await;
    settle(&gateway, "R2", bill(1, "Z2", "2024-02-29")).await;
    let month = this_month(&gateway);
    let folder = gateway.rules.path().to_owned();
    let Some(Host::Unix(host)) = gateway.database.config.get_hosts().first() else { panic!() };
    let url = format!(
        "host={} user=onestop dbname={}",
        host.display(),
        gateway.database.config.get_dbname().unwrap()
    );
    let run = |arguments: &[&str]| {
        let output = onestop(&gateway.rules)
            .env("ONESTOP_DATABASE_URL", &url)
            .args(["audit"])
            .args(arguments)
            .args(["--month", &month])
            .stdout(Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    // Nothing was paid from any fund yet, so that nothing is amiss.
    let (code, said) = run(&["flow", "--by", "fund", "--by", "hospital"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("nothing held back") && said.contains(HOSPITAL) && said.contains("医疗救助")
    );
    let (code, said) = run(&["flow", "--region", "990000"]);
    assert!(code == Some(0) && said.contains("is the code right?"), "{said}");
    assert!(!said.contains("nothing held back"), "{said}");
    let server = format!("http://{}", gateway.address);
    let (_, here) = run(&["flow", "--json"]);
    let (code, there) = run(&["flow", "--json", "--server", &server]);
    assert_eq!((code, &here), (Some(0), &there), "the same by either way");
    let (code, said) = run(&["list", "all", "--fund", "medical_aid"]);
    assert!(code == Some(0) && said.lines().count() == 2, "{said}");
    let (code, said) = run(&["list", "everything"]);
    assert!(code == Some(1) && said.contains("VALUE_UNKNOWN"), "{said}");
    let (code, said) = run(&["export", "flow.ods"]);
    assert!(code == Some(64) && said.contains(".xlsx"), "{said}");

    let granted = "SELECT sum(basic_pool_pay_fen + critical_illness_pay_fen + medical_aid_pay_fen)::bigint FROM settlement";
    let granted: i64 = gateway.database.owner().await.query_one(granted, &[]).await.unwrap().get(0);
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    for name in ["flow.xlsx", "flow.csv", "flow.parquet"] {
        let (code, said) = run(&["export", &file(name), "--detail"]);
        assert_eq!(code, Some(0), "{said}");
    }
    let sums = granted_by(&file("flow.csv"));
    assert_eq!(sums.len(), 6);
    assert!(sums.values().all(|sum| *sum == granted), "{sums:?} {granted}");
    assert_eq!(std::fs::read(file("flow.parquet")).unwrap().get(..4), Some(&b"PAR1"[..]));

    let xml = sheet(&file("flow.xlsx"), 4);
    // By fund: the column of what was granted is summed by a formula that holds its sum, and the check beside comes to nothing.
    let yuan = format!("{}.{:02}", granted / 100, granted % 100);
    let yuan = yuan.trim_end_matches('0').trim_end_matches('.');
    assert!(xml.contains(&format!("<f>SUM(K2:K4)</f><v>{yuan}</v>")), "{yuan} {xml}");
    assert!(xml.contains("<f>G2+H2+I2+J2-K2-L2</f><v>0</v>"), "{xml}");

    let (code, said) = run(&["picture", &file("flow.svg")]);
    assert_eq!(code, Some(0), "{said}");
    let svg = std::fs::read_to_string(file("flow.svg")).unwrap();
    carries(&svg, granted);
    assert_eq!(svg.matches("<path").count(), svg.matches("</title></path>").count());
    assert!(svg.contains("医疗救助 medical_aid") && svg.contains("应付未付 still owed"));
}

/// What each breakdown of a file says was granted.
fn granted_by(file: &str) -> std::collections::BTreeMap<String, i64> {
    let mut table = csv::Reader::from_path(file).unwrap();
    let head = table.headers().unwrap().clone();
    let place = |word: &str| head.iter().position(|of| of == word).unwrap();
    let (by, amount) = (place("by"), place("granted"));
    let mut sums = std::collections::BTreeMap::<String, i64>::new();
    for row in table.records() {
        let row = row.unwrap();
        let fen: i64 = row[amount].replace('.', "").parse().unwrap();
        *sums.entry(row[by].to_owned()).or_default() += fen;
    }
    sums
}

/// A sheet of a workbook.
fn sheet(file: &str, number: usize) -> String {
    let archive = std::fs::File::open(file).unwrap();
    let mut archive = zip::ZipArchive::new(archive).unwrap();
    let mut xml = String::new();
    let name = format!("xl/worksheets/sheet{number}.xml");
    archive.by_name(&name).unwrap().read_to_string(&mut xml).unwrap();
    xml
}

/// Each step of a picture carries what was granted.
fn carries(svg: &str, granted: i64) {
    let bands = bands(svg);
    let sum = |of: &dyn Fn(&(String, String, i64)) -> bool| -> i64 {
        bands.iter().filter(|band| of(band)).map(|band| band.2).sum()
    };
    // Through funds and regions to what is still owed: each step carries the same.
    assert_eq!(sum(&|(from, ..)| from.starts_with("0.")), granted, "beyond what was given");
    assert_eq!(sum(&|(from, to, _)| from.starts_with("1.") && to.starts_with("2.")), granted);
    assert_eq!(sum(&|(from, to, _)| from.starts_with("2.") && to == "3.3"), granted);
}

/// From where, to where, and how much.
fn bands(svg: &str) -> Vec<(String, String, i64)> {
    let value = |part: &str, name: &str| {
        let rest = part.split_once(&format!("{name}=\"")).unwrap().1;
        rest.split_once('"').unwrap().0.to_owned()
    };
    let parts = svg.split("<path class=\"band\"").skip(1);
    parts
        .map(|part| {
            let fen = value(part, "data-fen").parse().unwrap();
            (value(part, "data-from"), value(part, "data-to"), fen)
        })
        .collect()
}
