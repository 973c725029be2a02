//! The gRPC door: reads messages strictly, says who is calling, answers from what was recorded, and names what is wrong.
//!
//! It decides nothing. No value of a message is ever logged; ids and codes are.

mod access;
mod answer;
mod audit;
mod call;
mod clearing;
mod convert;
pub mod encoded;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::door) mod fuzz;
pub mod path;
mod reconciliation;
mod registry;
mod rows;
mod scopes;
mod settlement;
pub mod status;
mod unread;

use std::sync::Arc;

use tonic::service::interceptor::InterceptedService;

use super::callers::Callers;
use super::wire::access::v1::access_service_server::AccessServiceServer;
use super::wire::audit::v1::audit_service_server::AuditServiceServer;
use super::wire::clearing::v1::clearing_service_server::ClearingServiceServer;
use super::wire::reconciliation::v1::reconciliation_service_server::ReconciliationServiceServer;
use super::wire::registry::v1::registry_service_server::RegistryServiceServer;
use super::wire::settlement::v1::served::settlement_service_server::SettlementServiceServer;
use crate::app::App;
use crate::limits;

pub use self::access::Access;
pub use self::audit::{Audit, here as audit_here};
pub use self::call::Arrival;
pub use self::clearing::{Clearing, here as clearing_here};
pub use self::reconciliation::Reconciliation;
pub use self::registry::Registry;
pub use self::settlement::Settlement;
pub use self::unread::InOurWords;

/// The word of this door in records.
const DOOR: &str = "grpc";

/// A service behind the arrival that says who is calling and how long they wait; what can not be read is refused in our own words.
pub type Arriving<S> = InOurWords<InterceptedService<S, Arrival>>;

fn arriving<S>(service: S, callers: &Arc<Callers>, message_bytes_max: usize) -> Arriving<S> {
    InOurWords::new(InterceptedService::new(service, Arrival::new(callers)), message_bytes_max)
}

/// What hospitals call.
pub fn settlement_service(
    app: &Arc<App>,
    callers: &Arc<Callers>,
) -> Arriving<SettlementServiceServer<Settlement>> {
    let service = SettlementServiceServer::new(Settlement { app: Arc::clone(app) })
        .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
        .max_encoding_message_size(limits::MESSAGE_BYTES_MAX);
    arriving(service, callers, limits::MESSAGE_BYTES_MAX)
}

/// What those call who keep the registry.
pub fn registry_service(
    app: &Arc<App>,
    callers: &Arc<Callers>,
) -> Arriving<RegistryServiceServer<Registry>> {
    let service = RegistryServiceServer::new(Registry { app: Arc::clone(app) })
        .max_decoding_message_size(limits::IMPORT_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(limits::MESSAGE_BYTES_MAX);
    arriving(service, callers, limits::IMPORT_MESSAGE_BYTES_MAX)
}

/// What those call who must know who looked.
pub fn access_service(
    app: &Arc<App>,
    callers: &Arc<Callers>,
) -> Arriving<AccessServiceServer<Access>> {
    let service = AccessServiceServer::new(Access { app: Arc::clone(app) })
        .max_decoding_message_size(limits::ACCESS_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(limits::MESSAGE_BYTES_MAX);
    arriving(service, callers, limits::ACCESS_MESSAGE_BYTES_MAX)
}

/// What insurers' and hospitals' reconcilers call.
pub fn reconciliation_service(
    app: &Arc<App>,
    callers: &Arc<Callers>,
) -> Arriving<ReconciliationServiceServer<Reconciliation>> {
    let service = ReconciliationServiceServer::new(Reconciliation { app: Arc::clone(app) })
        .max_decoding_message_size(limits::STATEMENT_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(limits::MESSAGE_BYTES_MAX);
    arriving(service, callers, limits::STATEMENT_MESSAGE_BYTES_MAX)
}

/// What those call who keep the books, and those who read theirs.
pub fn clearing_service(
    app: &Arc<App>,
    callers: &Arc<Callers>,
) -> Arriving<ClearingServiceServer<Clearing>> {
    let service = ClearingServiceServer::new(Clearing { app: Arc::clone(app) })
        .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
        .max_encoding_message_size(limits::MESSAGE_BYTES_MAX);
    arriving(service, callers, limits::MESSAGE_BYTES_MAX)
}

/// What those call who look at a month.
pub fn audit_service(
    app: &Arc<App>,
    callers: &Arc<Callers>,
) -> Arriving<AuditServiceServer<Audit>> {
    let service = AuditServiceServer::new(Audit { app: Arc::clone(app) })
        .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
        .max_encoding_message_size(limits::MESSAGE_BYTES_MAX);
    arriving(service, callers, limits::MESSAGE_BYTES_MAX)
}
