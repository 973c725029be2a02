//! What a hospital's billing desk calls at discharge.

use std::sync::Arc;
use std::time::Instant;

use opentelemetry::KeyValue;
use tonic::{Request, Response, Status};
use tracing::Span;

use super::super::wire::settlement::v1 as wire;
use super::super::wire::settlement::v1::settlement_service_server::SettlementService;
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
    async fn quote(
        &self,
        request: Request<wire::QuoteRequest>,
    ) -> Result<Response<wire::QuoteResponse>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.settlement.v1.SettlementService/Quote";
        call::answer(method, request, async move |caller, message| {
            let answered = quote(&app, &caller, message).await;
            let outcome = outcome_of(&answered, |answer| match answer.outcome {
                Some(wire::quote_response::Outcome::Quoted(_)) => "quoted",
                Some(wire::quote_response::Outcome::Declined(_)) | None => "declined",
            });
            app.metrics.quotes.add(1, &[KeyValue::new("outcome", outcome)]);
            answered
        })
        .await
    }

    async fn settle(
        &self,
        request: Request<wire::SettleRequest>,
    ) -> Result<Response<wire::SettleResponse>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.settlement.v1.SettlementService/Settle";
        call::answer(method, request, async move |caller, message| {
            let started = Instant::now();
            let answered = settle(&app, &caller, message).await;
            let outcome = outcome_of(&answered, |answer| match answer.outcome {
                Some(wire::settle_response::Outcome::Settlement(_)) if answer.repeat => "repeat",
                Some(wire::settle_response::Outcome::Settlement(_)) => "settled",
                Some(wire::settle_response::Outcome::QuoteMoved(_)) => "moved",
                Some(wire::settle_response::Outcome::Declined(_)) | None => "declined",
            });
            let labels = [KeyValue::new("outcome", outcome)];
            app.metrics.settlements.add(1, &labels);
            app.metrics.settle_seconds.record(started.elapsed().as_secs_f64(), &labels);
            answered
        })
        .await
    }

    async fn reverse(
        &self,
        request: Request<wire::ReverseRequest>,
    ) -> Result<Response<wire::ReverseResponse>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.settlement.v1.SettlementService/Reverse";
        call::answer(method, request, async move |caller, message| {
            let answered = reverse(&app, &caller, message).await;
            let outcome = outcome_of(&answered, |answer| match answer.outcome {
                _ if answer.repeat => "repeat",
                Some(wire::reverse_response::Outcome::Reversal(_)) => "reversed",
                Some(wire::reverse_response::Outcome::Tombstone(_)) | None => "tombstone",
            });
            app.metrics.reversals.add(1, &[KeyValue::new("outcome", outcome)]);
            answered
        })
        .await
    }

    async fn get_settlement(
        &self,
        request: Request<wire::GetSettlementRequest>,
    ) -> Result<Response<wire::GetSettlementResponse>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.settlement.v1.SettlementService/GetSettlement";
        call::answer(method, request, async move |caller, message| {
            get_settlement(&app, &caller, message).await
        })
        .await
    }

    async fn get_standing(
        &self,
        request: Request<wire::GetStandingRequest>,
    ) -> Result<Response<wire::GetStandingResponse>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.settlement.v1.SettlementService/GetStanding";
        call::answer(method, request, async move |caller, message| {
            let (credential, on) =
                convert::standing(&|kind, number| app.credential(kind, number), message)?;
            let person = app.standing(&caller, &credential, on).await?;
            Ok(answer::standing(&person))
        })
        .await
    }
}

async fn quote(
    app: &App,
    caller: &Caller,
    message: wire::QuoteRequest,
) -> Result<wire::QuoteResponse, Unanswered> {
    use wire::quote_response::Outcome as Said;
    let wire::QuoteRequest { bill } = message;
    let claim = convert::claim(&|kind, number| app.credential(kind, number), bill)?;
    Span::current().record("hospital.code", claim.bill.hospital.as_str());
    let outcome = match app.quote(caller, &claim).await? {
        Outcome::Decided(quote) => Said::Quoted(answer::quoted(&quote)?),
        Outcome::Declined(decline) => Said::Declined(answer::declined(&decline)),
    };
    Ok(wire::QuoteResponse { outcome: Some(outcome) })
}

async fn settle(
    app: &App,
    caller: &Caller,
    message: wire::SettleRequest,
) -> Result<wire::SettleResponse, Unanswered> {
    use wire::settle_response::Outcome as Said;
    let request = convert::settle(&|kind, number| app.credential(kind, number), message)?;
    let span = Span::current();
    span.record("hospital.code", request.claim.bill.hospital.as_str());
    span.record("request.id", request.request.logged().to_string().as_str());
    let (outcome, repeat) = match app.settle(caller, &request).await? {
        Settled::Answer(answered) => {
            span.record("settlement.id", answered.entry.settlement.as_str());
            (Said::Settlement(answer::settlement(&answered)?), answered.repeat)
        }
        Settled::Declined(decline) => (Said::Declined(answer::declined(&decline)), false),
        Settled::QuoteMoved(moved) => (Said::QuoteMoved(answer::quote_moved(&moved)?), false),
    };
    Ok(wire::SettleResponse { outcome: Some(outcome), repeat })
}

async fn reverse(
    app: &App,
    caller: &Caller,
    message: wire::ReverseRequest,
) -> Result<wire::ReverseResponse, Unanswered> {
    use wire::reverse_response::Outcome as Said;
    let request = convert::reverse(message)?;
    let span = Span::current();
    span.record("hospital.code", request.hospital.as_str());
    span.record("request.id", request.request.logged().to_string().as_str());
    let (outcome, repeat) = match app.reverse(caller, &request).await? {
        Reversal::Answer(answered) => {
            span.record("settlement.id", answered.entry.settlement.as_str());
            (Said::Reversal(answer::settlement(&answered)?), answered.repeat)
        }
        Reversal::Tombstone { tombstone, repeat } => {
            (Said::Tombstone(answer::tombstone(&request.hospital, &tombstone)), repeat)
        }
    };
    Ok(wire::ReverseResponse { outcome: Some(outcome), repeat })
}

async fn get_settlement(
    app: &App,
    caller: &Caller,
    message: wire::GetSettlementRequest,
) -> Result<wire::GetSettlementResponse, Unanswered> {
    use wire::get_settlement_response::Outcome as Said;
    let span = Span::current();
    let (found, hospital) = match convert::wanted(message)? {
        Wanted::Settlement(settlement) => {
            span.record("settlement.id", settlement.logged().to_string().as_str());
            (app.settlement(caller, &settlement).await?, None)
        }
        Wanted::Request(hospital, request) => {
            span.record("hospital.code", hospital.as_str());
            span.record("request.id", request.logged().to_string().as_str());
            (app.settlement_of_request(caller, &hospital, &request).await?, Some(hospital))
        }
    };
    let outcome = match (found, hospital) {
        (Found::Answer(answered), _) => Said::Settlement(answer::settlement(&answered)?),
        (Found::Tombstone(tombstone), Some(hospital)) => {
            Said::Tombstone(answer::tombstone(&hospital, &tombstone))
        }
        // A settlement's id never leads to a tombstone: those have none.
        (Found::Tombstone(_), None) => return Err(Unanswered::Panicked),
    };
    Ok(wire::GetSettlementResponse { outcome: Some(outcome) })
}

/// The label of what came of a call, recorded in its span too.
fn outcome_of<A>(
    answered: &Result<A, Unanswered>,
    word: impl FnOnce(&A) -> &'static str,
) -> &'static str {
    let outcome = match answered {
        Ok(answer) => word(answer),
        Err(unanswered) => unanswered.kind().word(),
    };
    Span::current().record("verdict", outcome);
    outcome
}
