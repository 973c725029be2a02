//! What is seen from outside: one span tree a call, ids in it, and never who a person is.

use std::io::Write;
use std::sync::{Arc, Mutex};

use onestop::door::wire::registry::v1::RowKind;
use onestop::door::wire::registry::v1::import_row::Row;
use onestop::door::wire::settlement::v1 as wire;
use onestop::door::wire::settlement::v1::settlement_service_client::SettlementServiceClient;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tonic::transport::Channel;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use crate::gateway::{Gateway, HOSPITAL, NAMES, bill, identity_number};
use crate::national::{self, Door};
use crate::national_desk::{self, Patient};

/// Everything that was logged, spans included.
#[derive(Clone, Default)]
struct Seen {
    lines: Arc<Mutex<Vec<u8>>>,
    exported: Exported,
}

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.lines.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Seen {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Everything that a collector would be sent, of our own at any level.
#[derive(Clone, Debug, Default)]
struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Exported {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(spans);
        Ok(())
    }
}

impl Seen {
    fn text(&self) -> String {
        String::from_utf8(self.lines.lock().unwrap().clone()).unwrap()
    }

    fn spans(&self) -> String {
        format!("{:?}", self.exported.0.lock().unwrap())
    }
}

/// A hospital that uses its patients' numbers as ids, in every call.
async fn use_numbers_as_ids(desk: &mut SettlementServiceClient<Channel>) {
    let [request_id, stay, operator_id] = [5, 6, 7].map(identity_number);
    let named = wire::Bill { operator_id, ..bill(1, &stay, "2024-04-30") };
    desk.quote(wire::QuoteRequest { bill: Some(named.clone()) }).await.unwrap();
    let settle = wire::SettleRequest {
        request_id: request_id.clone(),
        bill: Some(named),
        quote_token: Vec::new(),
    };
    desk.settle(settle).await.unwrap();
    let key =
        wire::RequestKey { hospital_code: HOSPITAL.to_owned(), request_id: request_id.clone() };
    for key in [
        wire::get_settlement_request::Key::Request(key),
        wire::get_settlement_request::Key::SettlementId(identity_number(8)),
    ] {
        desk.get_settlement(wire::GetSettlementRequest { key: Some(key) }).await.ok();
    }
    let reverse = wire::ReverseRequest {
        request_id: identity_number(9),
        hospital_code: HOSPITAL.to_owned(),
        target: Some(wire::reverse_request::Target::OriginalRequestId(request_id)),
        operator_id: identity_number(7),
        ..wire::ReverseRequest::default()
    };
    desk.reverse(reverse).await.unwrap();
}

fn search(text: &str) {
    let secrets = (0..10).map(identity_number).chain(["110105194912310021".to_owned()]);
    for secret in secrets.chain(NAMES.map(str::to_owned)) {
        // The first seventeen digits, and the day of birth: enough to know who it is.
        let telling: String = secret.chars().take(17).collect();
        let born: String = secret.chars().skip(6).take(8).collect();
        for part in [telling, born].iter().filter(|part| !part.is_empty()) {
            assert!(!text.contains(part), "a log or a trace shows {part}");
        }
    }
}

/// Sees everything of this thread from now on, until both are dropped: lines, and what a collector would be sent.
fn look(seen: &Seen) -> (tracing::Dispatch, tracing::subscriber::DefaultGuard) {
    let lines = tracing_subscriber::fmt::layer()
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(seen.clone());
    let exporter = seen.exported.clone();
    let tracers = SdkTracerProvider::builder().with_simple_exporter(exporter).build();
    let traces = tracing_opentelemetry::layer().with_tracer(tracers.tracer("onestop"));
    let ours = filter_fn(|metadata| metadata.target().starts_with("onestop"));
    let lines = lines.with_filter(LevelFilter::TRACE);
    let subscriber = tracing_subscriber::registry().with(lines).with(traces.with_filter(ours));
    // With one subscriber only, what another test's thread meets first would be switched off for us too.
    let second = tracing::Dispatch::new(tracing_subscriber::registry());
    (second, tracing::subscriber::set_default(subscriber))
}

/// A hospital system that uses its patients' numbers as ids, and writes names where none belong.
#[tokio::test(flavor = "current_thread")]
async fn a_national_call_is_logged_by_its_ids_and_without_personal_data() {
    let seen = Seen::default();
    let guard = look(&seen);
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let psn_no = national_desk::find(&door, 0, 1).await;
    let [admission, line, message, undone] = [5, 6, 7, 8].map(identity_number);
    let mut input = national_desk::admission(&psn_no);
    input["mdtrtinfo"]["coner_name"] = NAMES[0].into();
    let result = door.done("2401", &admission, input).await["result"].take();
    let mdtrt_id = result["mdtrt_id"].as_str().unwrap().to_owned();
    let patient = Patient { psn_no, mdtrt_id };
    door.done("2301", &national::id(2), patient.fees(&[(&line, "A01", 900)])).await;
    let reused = patient.fees(&[(&line, "A01", 901)]);
    assert_eq!(door.code("2301", &national::id(3), reused).await, "OS-REF-017");
    let mut named = patient.to_settle("900.00");
    named["data"]["exp_content"] = format!("{{\"facts\":{{\"{}\":[]}}}}", NAMES[1]).into();
    assert_eq!(door.code("2303", &national::id(4), named).await, "OS-INP-005");
    let mut settle = national::envelope("2304", &message, patient.to_settle("900.00"));
    settle["opter"] = identity_number(9).into();
    settle["opter_name"] = NAMES[2].into();
    let settled = door.post_envelope(settle).await["output"]["setlinfo"].take();
    let undo = serde_json::json!({"data": {"psn_no": patient.psn_no, "omsgid": message, "oinfno": "2304"}});
    door.done_without_output("2601", &undone, undo).await;
    let wrong = national::envelope(&identity_number(4), NAMES[0], serde_json::json!({}));
    door.post_envelope(wrong).await;
    drop(guard);

    let text = seen.text();
    search(&text);
    search(&seen.spans());
    let closed = text
        .lines()
        .find(|line| line.contains("national::call: close") && line.contains("\"2304\""))
        .expect("the call's span was closed");
    let settlement = settled["setl_id"].as_str().unwrap();
    for part in [settlement, "verdict=\"settled\"", HOSPITAL, "request.id=520201**********"] {
        assert!(closed.contains(part), "{part} is not in {closed}");
    }
    let refused = text.lines().find(|line| line.contains("LINE_ID_REUSED")).unwrap();
    assert!(refused.contains("call{") && refused.contains("transaction=\"2301\""), "{refused}");
}

/// On one thread, so that what the server's tasks log is seen too.
#[tokio::test(flavor = "current_thread")]
async fn a_call_is_one_span_tree_with_ids_and_without_personal_data() {
    let seen = Seen::default();
    let guard = look(&seen);

    let gateway = Gateway::start().await;
    let mut desk = gateway.desk.clone();
    let quote = wire::QuoteRequest { bill: Some(bill(0, "Z1", "2024-06-30")) };
    desk.quote(quote).await.unwrap();
    let settle = |request: &str, bill: wire::Bill| wire::SettleRequest {
        request_id: request.to_owned(),
        bill: Some(bill),
        quote_token: Vec::new(),
    };
    let answer = desk.settle(settle("R1", bill(0, "Z1", "2024-06-30"))).await.unwrap().into_inner();
    let Some(wire::settle_response::Outcome::Settlement(settled)) = answer.outcome else {
        panic!("{answer:?}")
    };
    // Refused, declined, rejected: what is wrong must not be quoted either.
    let mut wrong = bill(0, "Z2", "2024-05-30");
    wrong.credential.as_mut().unwrap().number.replace_range(16.., "ZZ");
    desk.settle(settle("R2", wrong)).await.unwrap_err();
    desk.settle(settle("R3", bill(9, "Z3", "2024-05-30"))).await.unwrap();
    desk.settle(settle("R1", bill(1, "Z1", "2024-06-30"))).await.unwrap_err();
    use_numbers_as_ids(&mut desk).await;
    let standing = wire::GetStandingRequest {
        credential: bill(0, "Z1", "2024-06-30").credential,
        on_date: String::new(),
    };
    desk.get_standing(standing).await.unwrap();
    let row = onestop::door::wire::registry::v1::PersonRow {
        identity_number: "110105194912310021".to_owned(),
        name: NAMES[0].to_owned(),
        ..Default::default()
    };
    let list = crate::gateway::begin("list-9", RowKind::Person);
    let (rejects, _) = gateway.import(list, vec![Row::Person(row)]).await.unwrap();
    assert_eq!(rejects.len(), 1);
    drop(guard);

    let text = seen.text();
    search(&text);
    let spans = seen.spans();
    assert!(spans.contains("settle") && spans.contains(HOSPITAL), "calls were traced");
    search(&spans);
    assert!(text.contains("request.id=520201**********"), "what it was is still to be told");
    let commit = text.lines().find(|line| line.contains("read snapshot") && line.contains("R1"));
    let commit = commit.expect("the settle read its snapshot within its span");
    for part in ["call{", "settle{", "request.id", HOSPITAL, "rpc.method", "caller.name"] {
        assert!(commit.contains(part), "{part} is not in {commit}");
    }
    let closed = text
        .lines()
        .find(|line| line.contains("grpc::call: close") && line.contains("\"R1\""))
        .expect("the call's span was closed");
    for part in [settled.settlement_id.as_str(), "verdict=\"settled\""] {
        assert!(closed.contains(part), "{part} is not in {closed}");
    }
    assert!(text.contains("IDENTITY_NUMBER_CHECK_DIGIT"), "refusals are logged by their code");
}
