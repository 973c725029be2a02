//! A simulated insurance core, for development, demonstrations and drills: it takes what it is told, decides layers by its own copy of
//! the rules, and can be told to be slow, to fail, to lose answers, to book twice, to drift and to refuse.
//!
//! It is no part of the gateway and shares nothing with it but the contract: it has a database of its own.

mod booking;
mod changes;
mod faults;
mod quote;

use std::sync::Arc;

use tokio_postgres::Client;
use tonic::{Request, Response, Status};

use self::booking::Bookings;
use self::faults::Faults;
use crate::core_link::wire::core::v1 as core;
use crate::core_link::wire::core::v1::core_service_server::{CoreService, CoreServiceServer};
use crate::core_link::wire::core_sim::v1 as sim;
use crate::core_link::wire::core_sim::v1::simulator_service_server::{
    SimulatorService, SimulatorServiceServer,
};
use crate::limits;
use crate::rulebook::RuleBook;

/// The core itself. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Simulator {
    bookings: Arc<Bookings>,
    rules: Arc<RuleBook>,
    faults: Arc<Faults>,
}

impl Simulator {
    /// On a database of its own, in which it makes its tables, with its own rules.
    pub async fn open(database: Client, rules: RuleBook) -> Result<Self, tokio_postgres::Error> {
        let bookings = Bookings::open(database).await?;
        Ok(Self { bookings: Arc::new(bookings), rules: Arc::new(rules), faults: Arc::default() })
    }

    /// The contract.
    pub fn core_service(&self) -> CoreServiceServer<Self> {
        CoreServiceServer::new(self.clone())
            .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
            .max_encoding_message_size(limits::MESSAGE_BYTES_MAX)
    }

    /// What it is told to do wrong.
    pub fn simulator_service(&self) -> SimulatorServiceServer<Self> {
        SimulatorServiceServer::new(self.clone())
            .max_encoding_message_size(limits::MESSAGE_BYTES_MAX)
    }
}

#[tonic::async_trait]
impl CoreService for Simulator {
    type ChangesStream = changes::Told;

    async fn push(
        &self,
        request: Request<core::PushRequest>,
    ) -> Result<Response<core::PushResponse>, Status> {
        let faults = self.faults.of_this_call().await?;
        let core::PushRequest { entries } = request.into_inner();
        let times = if faults.apply_twice { 2 } else { 1 };
        let answers = self.bookings.take(entries, &faults.refuse_stay_ids, times).await?;
        if faults.lose_answers {
            return Err(Status::unavailable("the answer is lost"));
        }
        Ok(Response::new(core::PushResponse { answers }))
    }

    async fn ask(
        &self,
        request: Request<core::AskRequest>,
    ) -> Result<Response<core::AskResponse>, Status> {
        self.faults.of_this_call().await?;
        let answers = self.bookings.held(request.into_inner().keys).await?;
        Ok(Response::new(core::AskResponse { answers }))
    }

    async fn quote_layer(
        &self,
        request: Request<core::QuoteLayerRequest>,
    ) -> Result<Response<core::QuoteLayerResponse>, Status> {
        let faults = self.faults.of_this_call().await?;
        let quoted = quote::pay(&self.rules, &request.into_inner(), faults.drift_fen);
        let (outcome, deductible_fen) = match quoted {
            Ok((pay_fen, deductible_fen)) => {
                (core::quote_layer_response::Outcome::PayFen(pay_fen), deductible_fen)
            }
            Err(code) => (core::quote_layer_response::Outcome::NotDecided(code.to_owned()), 0),
        };
        Ok(Response::new(core::QuoteLayerResponse {
            outcome: Some(outcome),
            reference: String::new(),
            deductible_fen,
        }))
    }

    async fn changes(
        &self,
        request: Request<core::ChangesRequest>,
    ) -> Result<Response<Self::ChangesStream>, Status> {
        // It is open all the time: no fault for so many calls is meant for it.
        if self.faults.fails() {
            return Err(Status::unavailable("it fails"));
        }
        let core::ChangesRequest { after_cursor } = request.into_inner();
        Ok(Response::new(changes::told(&self.bookings, &after_cursor)?))
    }
}

#[tonic::async_trait]
impl SimulatorService for Simulator {
    async fn set_faults(
        &self,
        request: Request<sim::Faults>,
    ) -> Result<Response<sim::SetFaultsResponse>, Status> {
        self.faults.set(request.into_inner());
        Ok(Response::new(sim::SetFaultsResponse {}))
    }

    async fn get_booked(
        &self,
        _request: Request<sim::GetBookedRequest>,
    ) -> Result<Response<sim::GetBookedResponse>, Status> {
        let booked = self.bookings.booked().await?;
        Ok(Response::new(sim::GetBookedResponse { booked }))
    }

    async fn add_changes(
        &self,
        request: Request<sim::AddChangesRequest>,
    ) -> Result<Response<sim::AddChangesResponse>, Status> {
        let cursor = self.bookings.add_changes(request.into_inner().changes).await?;
        Ok(Response::new(sim::AddChangesResponse { cursor }))
    }
}
