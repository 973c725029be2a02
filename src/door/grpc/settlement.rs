//! What a hospital's billing desk calls at discharge.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use opentelemetry::KeyValue;
use prost::Message as _;
use tonic::{Request, Response, Status};
use tracing::Span;

use super::super::wire::settlement::v1 as wire;
use super::super::wire::settlement::v1::served::settlement_service_server::SettlementService;
use super::answer;
use super::call;
use super::convert::{self, Wanted};
use super::status::Unanswered;
use crate::app::{App, Caller, Found, Outcome, Reversal, Settled};

/// The service, in front of the shell.
#[derive(Debug)]
pub struct Settlement {
    /// What answers.
    pub app: Arc<App>,
}

#[tonic::async_trait]
impl SettlementService for Settlement {
    async fn quote(&self, request: Request<Bytes>) -> Result<Response<Vec<u8>>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.settlement.v1.SettlementService/Quote";
        call::answer(method, request, async move |caller, message| {
            let answered = quote(&app, &caller, message).await;
            let outcome = outcome_of(&answered);
            app.metrics.quotes.add(1, &[KeyValue::new("outcome", outcome)]);
            answered.map(|(_, bytes)| bytes)
        })
        .await
    }

    async fn settle(&self, request: Request<Bytes>) -> Result<Response<Vec<u8>>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.settlement.v1.SettlementService/Settle";
        call::answer(method, request, async move |caller, message| {
            let started = Instant::now();
            let answered = settle(&app, &caller, message).await;
            let labels = [KeyValue::new("outcome", outcome_of(&answered))];
            app.metrics.settlements.add(1, &labels);
            app.metrics.settle_seconds.record(started.elapsed().as_secs_f64(), &labels);
            answered.map(|(_, bytes)| bytes)
        })
        .await
    }

    async fn reverse(&self, request: Request<Bytes>) -> Result<Response<Vec<u8>>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.settlement.v1.SettlementService/Reverse";
        call::answer(method, request, async move |caller, message| {
            let answered = reverse(&app, &caller, message).await;
            let outcome = outcome_of(&answered);
            app.metrics.reversals.add(1, &[KeyValue::new("outcome", outcome)]);
            answered.map(|(_, bytes)| bytes)
        })
        .await
    }

    async fn get_settlement(&self, request: Request<Bytes>) -> Result<Response<Vec<u8>>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.settlement.v1.SettlementService/GetSettlement";
        call::answer(method, request, async move |caller, message| {
            get_settlement(&app, &caller, message).await
        })
        .await
    }

    async fn get_standing(&self, request: Request<Bytes>) -> Result<Response<Vec<u8>>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.settlement.v1.SettlementService/GetStanding";
        call::answer(method, request, async move |caller, message| {
            let message = decoded(message)?;
            let (credential, on) =
                convert::standing(&|kind, number| app.credential(kind, number), message)?;
            let person = app.standing(&caller, &credential, on).await?;
            Ok(answer::standing(&person).encode_to_vec())
        })
        .await
    }

    async fn list_true_ups(&self, request: Request<Bytes>) -> Result<Response<Vec<u8>>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.settlement.v1.SettlementService/ListTrueUps";
        call::answer(method, request, async move |caller, message| {
            let (hospital, page) = convert::true_ups(decoded(message)?)?;
            call::is_of(&hospital, None);
            let listed = app.true_ups(&caller, &hospital, &page).await?;
            Ok(answer::true_ups(&listed).encode_to_vec())
        })
        .await
    }
}

/// What came of a call, in a word, and the encoded answer.
type Answered = Result<(&'static str, Vec<u8>), Unanswered>;

async fn quote(app: &App, caller: &Caller, message: Bytes) -> Answered {
    use wire::quote_response::Outcome as Said;
    let claim = convert::quote_of(&|kind, number| app.credential(kind, number), message)?;
    call::is_of(&claim.bill.hospital, None);
    Ok(match app.quote(caller, &claim).await? {
        Outcome::Decided(quote) => ("quoted", answer::quoted(&quote)?),
        Outcome::Declined(decline) => {
            let outcome = Some(Said::Declined(answer::declined(&decline)));
            ("declined", wire::QuoteResponse { outcome }.encode_to_vec())
        }
    })
}

async fn settle(app: &App, caller: &Caller, message: Bytes) -> Answered {
    use wire::settle_response::Outcome as Said;
    let request = convert::settle_of(&|kind, number| app.credential(kind, number), message)?;
    let span = Span::current();
    call::is_of(&request.claim.bill.hospital, Some(&request.request));
    Ok(match app.settle(caller, &request).await? {
        Settled::Answer(answered) => {
            span.record("settlement.id", answered.entry.settlement.as_str());
            let word = if answered.repeat { "repeat" } else { "settled" };
            (word, answer::settled(answer::OF_SETTLE, &answered)?)
        }
        Settled::Declined(decline) => {
            let outcome = Some(Said::Declined(answer::declined(&decline)));
            (
                "declined",
                wire::SettleResponse { outcome, ..wire::SettleResponse::default() }.encode_to_vec(),
            )
        }
        Settled::QuoteMoved(moved) => ("moved", answer::quote_moved(&moved)?),
    })
}

async fn reverse(app: &App, caller: &Caller, message: Bytes) -> Answered {
    use wire::reverse_response::Outcome as Said;
    let request = convert::reverse(decoded(message)?)?;
    let span = Span::current();
    call::is_of(&request.hospital, Some(&request.request));
    Ok(match app.reverse(caller, &request).await? {
        Reversal::Answer(answered) => {
            span.record("settlement.id", answered.entry.settlement.as_str());
            let word = if answered.repeat { "repeat" } else { "reversed" };
            (word, answer::settled(answer::OF_REVERSE, &answered)?)
        }
        Reversal::Tombstone { tombstone, repeat } => {
            let tombstone = answer::tombstone(&request.hospital, &tombstone);
            let answer =
                wire::ReverseResponse { outcome: Some(Said::Tombstone(tombstone)), repeat };
            (if repeat { "repeat" } else { "tombstone" }, answer.encode_to_vec())
        }
    })
}

async fn get_settlement(app: &App, caller: &Caller, message: Bytes) -> Result<Vec<u8>, Unanswered> {
    use wire::get_settlement_response::Outcome as Said;
    let span = Span::current();
    let (found, hospital) = match convert::wanted(decoded(message)?)? {
        Wanted::Settlement(settlement) => {
            span.record("settlement.id", settlement.logged().to_string().as_str());
            (app.settlement(caller, &settlement).await?, None)
        }
        Wanted::Request(hospital, request) => {
            call::is_of(&hospital, Some(&request));
            (app.settlement_of_request(caller, &hospital, &request).await?, Some(hospital))
        }
    };
    match (found, hospital) {
        (Found::Answer(answered), _) => Ok(answer::settled(answer::OF_GET, &answered)?),
        (Found::Tombstone(tombstone), Some(hospital)) => {
            let outcome = Some(Said::Tombstone(answer::tombstone(&hospital, &tombstone)));
            Ok(wire::GetSettlementResponse { outcome }.encode_to_vec())
        }
        // A settlement's id never leads to a tombstone: those have none.
        (Found::Tombstone(_), None) => Err(Unanswered::Panicked),
    }
}

fn decoded<M: prost::Message + Default>(message: Bytes) -> Result<M, Unanswered> {
    Ok(M::decode(message)?)
}

/// The label of what came of a call, recorded in its span too.
fn outcome_of(answered: &Answered) -> &'static str {
    let outcome = match answered {
        Ok((word, _)) => word,
        Err(unanswered) => unanswered.kind().word(),
    };
    Span::current().record("verdict", outcome);
    outcome
}
