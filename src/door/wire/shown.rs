//! How messages print themselves: a request not at all, since any text of it may say who somebody is; an answer by the ids of ours.
//!
//! The build leaves out what it would derive for exactly these messages (`REDACTED` in build.rs).

use std::fmt;

use super::access::v1 as access;
use super::audit::v1 as audit;
use super::clearing::v1 as clearing;
use super::reconciliation::v1 as reconciliation;
use super::registry::v1 as registry;
use super::settlement::v1 as settlement;
use crate::domain::ids::Logged;

macro_rules! redacted {
    ($($package:ident::$($part:ident)::+),* $(,)?) => {$(
        impl fmt::Debug for $package::$($part)::+ {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($($part)::+), "(redacted)"))
            }
        }
    )*};
}

redacted!(
    access::ListAccessesRequest,
    access::Access,
    audit::GetFundFlowRequest,
    audit::ListEntriesRequest,
    audit::Entry,
    clearing::MakeStatementsRequest,
    clearing::StatementKey,
    clearing::WithdrawStatementRequest,
    clearing::ListStatementsRequest,
    clearing::SetTermsRequest,
    clearing::SetAccountRequest,
    clearing::Account,
    clearing::MakePaymentFileRequest,
    clearing::PaymentFileKey,
    clearing::ConfirmPaymentsRequest,
    clearing::ListPaymentsRequest,
    clearing::GetAgeingRequest,
    clearing::ListClaimsRequest,
    clearing::ProposePostingRequest,
    clearing::ProposalKey,
    clearing::ListProposalsRequest,
    clearing::ListPostingsRequest,
    clearing::GetBalanceRequest,
    clearing::ListBudgetsRequest,
    clearing::SetBudgetRuleRequest,
    clearing::PaymentFile,
    clearing::Line,
    settlement::Bill,
    settlement::ChargeLine,
    settlement::Fact,
    settlement::Credential,
    settlement::SettleRequest,
    settlement::ReverseRequest,
    settlement::reverse_request::Target,
    settlement::GetSettlementRequest,
    settlement::get_settlement_request::Key,
    settlement::RequestKey,
    settlement::GetStandingRequest,
    settlement::TrueUp,
    settlement::ListTrueUpsRequest,
    registry::ImportBegin,
    registry::PersonRow,
    registry::CoverageRow,
    registry::IdentityRow,
    registry::HospitalRow,
    registry::CatalogueRow,
    registry::OpeningRow,
    reconciliation::Scope,
    reconciliation::ReconcileRequest,
    reconciliation::reconcile_request::Part,
    reconciliation::GetStatementRequest,
    reconciliation::CloseStatementRequest,
    reconciliation::ListStatementsRequest,
    reconciliation::ListDifferencesRequest,
    reconciliation::WriteResultRequest,
    reconciliation::NoteDifferenceRequest,
    reconciliation::Difference,
    reconciliation::ListDifferenceEventsRequest,
    reconciliation::DifferenceEvent,
    reconciliation::ListCarriedRequest,
    reconciliation::CarriedDifference,
);

impl fmt::Debug for settlement::Settlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amounts = self.breakdown.as_ref();
        f.debug_struct("Settlement")
            .field("settlement_id", &Logged(&self.settlement_id).to_string())
            .field("request_id", &Logged(&self.request_id).to_string())
            .field("stay_id", &Logged(&self.stay_id).to_string())
            .field("state", &self.state())
            .field("total_fen", &amounts.map(|amounts| amounts.total_fen))
            .field("patient_pay_fen", &amounts.map(|amounts| amounts.patient_pay_fen))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for settlement::Tombstone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tombstone")
            .field("original_request_id", &Logged(&self.original_request_id).to_string())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use prost::Message;
    use prost::encoding::{WireType, encode_key, encode_varint};
    use prost_types::field_descriptor_proto::Type;
    use prost_types::{DescriptorProto, FileDescriptorSet};

    use super::super::FILE_DESCRIPTOR_SET;
    use super::*;

    /// What stands in every text of a message.
    const SECRET: &str = "11010519491231002X";

    /// The messages of the contract by name, and the names of those that are asked with.
    fn contract() -> (BTreeMap<String, DescriptorProto>, BTreeSet<String>) {
        let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let (mut messages, mut asked) = (BTreeMap::new(), BTreeSet::new());
        for file in set.file {
            let package = file.package().to_owned();
            for message in file.message_type {
                assert!(message.nested_type.is_empty(), "the walk below knows none");
                messages.insert(format!(".{package}.{}", message.name()), message);
            }
            // What the core is asked is looked at where it is asked.
            let of_core = package.starts_with("onestop.core");
            let services = file.service.iter().filter(|_| !of_core);
            for method in services.flat_map(|service| &service.method) {
                asked.insert(method.input_type().to_owned());
            }
        }
        (messages, asked)
    }

    /// A message whose every text is the secret, down to the last field; of each choice the `chosen`-th.
    #[expect(clippy::wildcard_enum_match_arm, reason = "somebody else's; the contract has no more")]
    fn filled(messages: &BTreeMap<String, DescriptorProto>, name: &str, chosen: usize) -> Vec<u8> {
        let message = &messages[name];
        let mut bytes = Vec::new();
        for field in &message.field {
            let mut deeper = chosen;
            if let Some(choice) = field.oneof_index {
                let of_choice: Vec<_> =
                    message.field.iter().filter(|f| f.oneof_index == Some(choice)).collect();
                if of_choice[chosen % of_choice.len()].number != field.number {
                    continue;
                }
                deeper = chosen / of_choice.len();
            }
            let number = u32::try_from(field.number()).unwrap();
            let inner = match field.r#type() {
                Type::Message => filled(messages, field.type_name(), deeper),
                Type::String | Type::Bytes => SECRET.into(),
                Type::Int64
                | Type::Int32
                | Type::Uint64
                | Type::Uint32
                | Type::Bool
                | Type::Enum => {
                    encode_key(number, WireType::Varint, &mut bytes);
                    encode_varint(1, &mut bytes);
                    continue;
                }
                other => panic!("the walk knows no {other:?}"),
            };
            encode_key(number, WireType::LengthDelimited, &mut bytes);
            encode_varint(u64::try_from(inner.len()).unwrap(), &mut bytes);
            bytes.extend(inner);
        }
        bytes
    }

    fn check<M: Message + Default + fmt::Debug>(name: &str) -> String {
        let (messages, _) = contract();
        for chosen in 0..12 {
            let bytes = filled(&messages, name, chosen);
            let secret = SECRET.as_bytes();
            assert!(bytes.windows(secret.len()).any(|part| part == secret), "{name} has no text");
            let message = M::decode(bytes.as_slice()).unwrap();
            for shown in [format!("{message:?}"), format!("{message:#?}")] {
                assert!(!shown.contains("19491231"), "{name} shows a number: {shown}");
            }
        }
        name.to_owned()
    }

    /// Checks messages of the contract, each by its package and name; the names of all.
    macro_rules! checked {
        ($($package:ident: $($message:ident),+;)+) => {
            BTreeSet::from([$($(check::<$package::$message>(
                concat!(".onestop.", stringify!($package), ".v1.", stringify!($message)),
            )),+),+])
        };
    }

    #[test]
    fn no_request_prints_a_text_of_its_own() {
        let checked = checked![
            settlement: QuoteRequest, SettleRequest, ReverseRequest, GetSettlementRequest,
                GetStandingRequest, ListTrueUpsRequest;
            registry: ImportRequest;
            access: ListAccessesRequest;
            reconciliation: GetTotalsRequest, ReconcileRequest, GetStatementRequest,
                WriteResultRequest, ListStatementsRequest, ListDifferencesRequest,
                NoteDifferenceRequest, CloseStatementRequest, ListDifferenceEventsRequest,
                ListCarriedRequest;
            audit: GetFundFlowRequest, ListEntriesRequest;
            clearing: MakeStatementsRequest, StatementKey, WithdrawStatementRequest,
                ListStatementsRequest, SetTermsRequest, SetAccountRequest, Account,
                MakePaymentFileRequest, PaymentFileKey, ConfirmPaymentsRequest, ListPaymentsRequest,
                GetAgeingRequest, ListClaimsRequest, ProposePostingRequest, ProposalKey,
                ListProposalsRequest, ListPostingsRequest, GetBalanceRequest, ListBudgetsRequest,
                SetBudgetRuleRequest;
        ];
        assert_eq!(checked, contract().1, "every call of the contract is looked at");
    }

    #[test]
    fn an_answer_prints_no_number_that_a_hospital_took_for_an_id() {
        check::<settlement::Settlement>(".onestop.settlement.v1.Settlement");
        check::<settlement::Tombstone>(".onestop.settlement.v1.Tombstone");
        let stay_id = "Z1".to_owned();
        let settled = settlement::Settlement { stay_id, ..settlement::Settlement::default() };
        assert!(format!("{settled:?}").contains("Z1"));
    }
}
