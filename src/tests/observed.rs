//! What is seen from outside: one span tree a call, ids in it, and never who a person is.

use std::io::Write;
use std::sync::{Arc, Mutex};

use onestop::door::wire::registry::v1::RowKind;
use onestop::door::wire::registry::v1::import_row::Row;
use onestop::door::wire::settlement::v1 as wire;
use onestop::door::wire::settlement::v1::settlement_service_client::SettlementServiceClient;
use tonic::transport::Channel;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::gateway::{Gateway, HOSPITAL, NAMES, bill, identity_number};

/// Everything that was logged, spans included.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u8>>>);

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
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

impl Seen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
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

/// On one thread, so that what the server's tasks log is seen too.
#[tokio::test(flavor = "current_thread")]
async fn a_call_is_one_span_tree_with_ids_and_without_personal_data() {
    let seen = Seen::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(seen.clone())
        .finish();
    // With one subscriber only, what another test's thread meets first would be switched off for us too.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let guard = tracing::subscriber::set_default(subscriber);

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
    let secrets = (0..10).map(identity_number).chain(["110105194912310021".to_owned()]);
    for secret in secrets.chain(NAMES.map(str::to_owned)) {
        // The first seventeen digits: enough to know who it is.
        let telling: String = secret.chars().take(17).collect();
        assert!(!text.contains(&telling), "a log shows {telling}");
    }
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
