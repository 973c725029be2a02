//! What drills share: a desk that sends again what it may, and a registry filled through the real stream.

use std::time::Duration;

use onestop::door::wire::registry::v1 as registry;
use onestop::door::wire::registry::v1::import_row::Row;
use onestop::door::wire::registry::v1::registry_service_client::RegistryServiceClient;
use onestop::door::wire::settlement::v1 as wire;
use onestop::door::wire::settlement::v1::settlement_service_client::SettlementServiceClient;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt as _;

use crate::gateway::{HOSPITAL, begin, bill, hospitals, identity_number, items, line};

/// How long a desk goes on trying before the drill is lost.
const PATIENCE: Duration = Duration::from_secs(90);

/// A billing desk at some gateway.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) calls: SettlementServiceClient<Channel>,
    pub(crate) channel: Channel,
}

/// An answer to a settle, and how often it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) settlement: wire::Settlement,
    pub(crate) repeat: bool,
    pub(crate) tries: u32,
}

impl Desk {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { calls: SettlementServiceClient::new(channel.clone()), channel }
    }

    /// Reaches a server when it is first called, and again whenever it comes back.
    pub(crate) fn at(address: std::net::SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        Self::new(endpoint.connect_timeout(Duration::from_secs(1)).connect_lazy())
    }

    pub(crate) async fn try_settle(
        &self,
        request: &str,
        bill: wire::Bill,
        quote_token: Vec<u8>,
    ) -> Result<wire::SettleResponse, Status> {
        let request_id = request.to_owned();
        let request = wire::SettleRequest { request_id, bill: Some(bill), quote_token };
        self.calls.clone().settle(request).await.map(tonic::Response::into_inner)
    }

    /// Settles at once or not at all.
    pub(crate) async fn settle(&self, request: &str, bill: wire::Bill) -> wire::Settlement {
        settled(self.try_settle(request, bill, Vec::new()).await.unwrap()).0
    }

    /// Sends the same request again until it is answered, as the refusals allow.
    pub(crate) async fn insist(&self, request: &str, bill: &wire::Bill, token: &[u8]) -> Answered {
        let started = std::time::Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_settle(request, bill.clone(), token.to_vec()).await {
                Ok(answer) => {
                    let (settlement, repeat) = settled(answer);
                    return Answered { settlement, repeat, tries };
                }
                Err(status) => {
                    assert!(may_try_again(&status), "{request}: {status:?}");
                    assert!(started.elapsed() < PATIENCE, "{request} is never settled: {status:?}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    pub(crate) async fn quote(&self, bill: wire::Bill) -> wire::Quoted {
        let request = wire::QuoteRequest { bill: Some(bill) };
        let answer = self.calls.clone().quote(request).await.unwrap().into_inner();
        match answer.outcome.unwrap() {
            wire::quote_response::Outcome::Quoted(quoted) => quoted,
            wire::quote_response::Outcome::Declined(declined) => panic!("{declined:?}"),
        }
    }

    pub(crate) async fn reverse(
        &self,
        request: &str,
        settlement: &str,
    ) -> Result<wire::ReverseResponse, Status> {
        let target = wire::reverse_request::Target::SettlementId(settlement.to_owned());
        let request = wire::ReverseRequest {
            request_id: request.to_owned(),
            hospital_code: HOSPITAL.to_owned(),
            target: Some(target),
            reason: "重复结算".to_owned(),
            operator_id: "desk-1".to_owned(),
        };
        self.calls.clone().reverse(request).await.map(tonic::Response::into_inner)
    }

    /// Did this request settle?
    pub(crate) async fn ask(&self, request: &str) -> Result<wire::Settlement, Status> {
        let request_id = request.to_owned();
        let key = wire::RequestKey { hospital_code: HOSPITAL.to_owned(), request_id };
        let key = wire::get_settlement_request::Key::Request(key);
        let request = wire::GetSettlementRequest { key: Some(key) };
        let answer = self.calls.clone().get_settlement(request).await?.into_inner();
        match answer.outcome.unwrap() {
            wire::get_settlement_response::Outcome::Settlement(settlement) => Ok(settlement),
            wire::get_settlement_response::Outcome::Tombstone(tombstone) => panic!("{tombstone:?}"),
        }
    }

    /// What a person has used of something this year.
    pub(crate) async fn used(&self, person: usize, name: &str) -> i64 {
        let number = identity_number(person);
        let kind = wire::CredentialKind::IdentityNumber.into();
        let credential = Some(wire::Credential { kind, number });
        let request = wire::GetStandingRequest { credential, on_date: "2024-06-30".to_owned() };
        let standing = self.calls.clone().get_standing(request).await.unwrap().into_inner();
        let used = standing.accumulators.iter().find(|used| used.name == name);
        used.map_or(0, |used| used.amount_fen)
    }

    /// Registers hospitals, items and persons `0..persons`, all insured; those with an even number have low income.
    pub(crate) async fn register(&self, persons: usize) {
        let all = || (0..persons).map(|number| (number, identity_number(number)));
        let person = all().map(|(number, identity_number)| {
            let name = format!("张{number}");
            Row::Person(registry::PersonRow { identity_number, name, ..<_>::default() })
        });
        let coverage = all().map(|(_, credential)| {
            Row::Coverage(registry::CoverageRow {
                credential,
                scheme: "resident".to_owned(),
                insured_region: "520200".to_owned(),
                valid_from: "2020-01-01".to_owned(),
                ..<_>::default()
            })
        });
        let identity = all().filter(|(number, _)| number % 2 == 0).map(|(_, credential)| {
            Row::Identity(registry::IdentityRow {
                credential,
                code: "low_income".to_owned(),
                region: "520200".to_owned(),
                valid_from: "2024-01-01".to_owned(),
                valid_to: "2024-12-31".to_owned(),
            })
        });
        self.take(registry::RowKind::Hospital, hospitals()).await;
        self.take(registry::RowKind::Catalogue, items()).await;
        self.take(registry::RowKind::Person, person.collect()).await;
        self.take(registry::RowKind::Coverage, coverage.collect()).await;
        self.take(registry::RowKind::Identity, identity.collect()).await;
    }

    async fn take(&self, kind: registry::RowKind, rows: Vec<Row>) {
        use registry::{import_request, import_response};
        let begun = begin(&format!("{kind:?}-{}", rows.len()), kind);
        let rows = rows.into_iter().zip(1..);
        let rows = rows.map(|(row, line)| registry::ImportRow { line, row: Some(row) });
        let parts = std::iter::once(import_request::Part::Begin(begun))
            .chain(rows.map(import_request::Part::Row));
        let messages: Vec<_> =
            parts.map(|part| registry::ImportRequest { part: Some(part) }).collect();
        let mut client = RegistryServiceClient::new(self.channel.clone());
        let mut answers = client.import(tokio_stream::iter(messages)).await.unwrap().into_inner();
        while let Some(answer) = answers.message().await.unwrap() {
            if let import_response::Part::Reject(reject) = answer.part.unwrap() {
                panic!("{reject:?}");
            }
        }
    }
}

/// A bill of one class A line, all in scope.
pub(crate) fn plain_bill(person: usize, stay: &str, yuan: i64) -> wire::Bill {
    let lines = vec![line("1", "A01", yuan)];
    wire::Bill { lines, total_fen: yuan * 100, ..bill(person, stay, "2024-06-30") }
}

/// What was settled, and whether it had been before.
pub(crate) fn settled(answer: wire::SettleResponse) -> (wire::Settlement, bool) {
    match answer.outcome.unwrap() {
        wire::settle_response::Outcome::Settlement(settlement) => (settlement, answer.repeat),
        other @ (wire::settle_response::Outcome::Declined(_)
        | wire::settle_response::Outcome::QuoteMoved(_)) => panic!("{other:?}"),
    }
}

/// The stable reason of a refusal; empty where the connection itself was lost.
pub(crate) fn reason(status: &Status) -> String {
    status.get_details_error_info().map_or(String::new(), |info| info.reason)
}

/// May the same request be sent again? Where the connection was lost nobody said so, and it may.
pub(crate) fn may_try_again(status: &Status) -> bool {
    match reason(status).as_str() {
        "BUSY" | "DEPENDENCY_AWAY" | "OUTCOME_UNKNOWN" => {
            assert!(status.get_details_retry_info().is_some(), "it says when: {status:?}");
            true
        }
        "" => [tonic::Code::Unavailable, tonic::Code::Unknown, tonic::Code::Cancelled]
            .contains(&status.code()),
        _ => false,
    }
}
