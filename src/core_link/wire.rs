//! The generated code of the contract with the core, and of the simulated core's control.
//!
//! Only this edge, the simulated core, the command line and tests may name it.

use std::fmt;

/// The contract.
pub mod core {
    #[expect(
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::too_many_lines,
        reason = "generated from proto/onestop/core/v1"
    )]
    pub mod v1 {
        tonic::include_proto!("onestop.core.v1");
        include!(concat!(env!("OUT_DIR"), "/onestop.core.v1.serde.rs"));
    }
}

/// What the simulated core is told to do wrong.
pub mod core_sim {
    #[expect(
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::too_many_lines,
        reason = "generated from proto/onestop/core_sim/v1"
    )]
    pub mod v1 {
        tonic::include_proto!("onestop.core_sim.v1");
        include!(concat!(env!("OUT_DIR"), "/onestop.core_sim.v1.serde.rs"));
    }
}

/// Messages whose texts may say who somebody is print themselves without them (`REDACTED` in build.rs): a stay or request id is what
/// a hospital chose.
macro_rules! redacted {
    ($($message:path),* $(,)?) => {$(
        impl fmt::Debug for $message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($message), "(redacted)"))
            }
        }
    )*};
}

redacted!(
    core::v1::Entry,
    core::v1::RequestKey,
    core::v1::Held,
    core::v1::QuoteLayerRequest,
    core::v1::ChangesResponse,
    core::v1::changes_response::Change,
    core::v1::PersonChange,
    core::v1::CoverageChange,
    core::v1::IdentityChange,
    core_sim::v1::Faults,
    core_sim::v1::Booked,
);

#[cfg(test)]
mod tests {
    use super::core::v1::{
        AskRequest, ChangesResponse, CoverageChange, Entry, Held, IdentityChange, PersonChange,
        PushRequest, QuoteLayerRequest, RequestKey, changes_response::Change,
    };
    use super::core_sim::v1::{Booked, Faults};

    fn check(message: &impl std::fmt::Debug) {
        for shown in [format!("{message:?}"), format!("{message:#?}")] {
            assert!(!shown.contains("19491231"), "{shown}");
        }
    }

    /// A hospital may have taken an identity number for a stay's id, and the core tells of persons by theirs.
    #[test]
    fn no_message_prints_what_may_be_somebodys_number() {
        let text = || "11010519491231002X".to_owned();
        let key = RequestKey { hospital_code: text(), request_id: text() };
        let stay_id = text();
        check(&PushRequest { entries: vec![Entry { stay_id, ..Entry::default() }] });
        check(&AskRequest { keys: vec![key] });
        check(&Held { settlement_id: text(), ..Held::default() });
        check(&QuoteLayerRequest { request_id: text(), ..QuoteLayerRequest::default() });
        let credential = text();
        for change in [
            Change::Person(PersonChange { identity_number: text(), ..PersonChange::default() }),
            Change::Coverage(CoverageChange { credential, ..CoverageChange::default() }),
            Change::Identity(IdentityChange { credential: text(), ..IdentityChange::default() }),
        ] {
            check(&change);
            check(&ChangesResponse { cursor: text(), change: Some(change) });
        }
        check(&Faults { refuse_stay_ids: vec![text()], ..Faults::default() });
        check(&Booked { request_id: text(), ..Booked::default() });
    }
}
