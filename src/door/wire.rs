//! The contract's generated code: messages, clients, servers, canonical proto JSON, and the descriptor set for reflection.
//!
//! Only doors, the command line's client and tests may name it; below a door there are domain types.

mod shown;

/// What a billing desk calls at discharge.
pub mod settlement {
    #[expect(
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::large_enum_variant,
        clippy::too_many_lines,
        reason = "generated from proto/onestop/settlement/v1"
    )]
    pub mod v1 {
        tonic::include_proto!("onestop.settlement.v1");
        include!(concat!(env!("OUT_DIR"), "/onestop.settlement.v1.serde.rs"));

        /// The server side, by encoded messages.
        #[expect(
            clippy::default_constructed_unit_structs,
            reason = "generated for whatever codec there is"
        )]
        pub mod served {
            tonic::include_proto!("onestop.settlement.v1.SettlementService");
        }
    }
}

/// Who looked at whose data.
pub mod access {
    #[expect(
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::too_many_lines,
        reason = "generated from proto/onestop/access/v1"
    )]
    pub mod v1 {
        tonic::include_proto!("onestop.access.v1");
        include!(concat!(env!("OUT_DIR"), "/onestop.access.v1.serde.rs"));
    }
}

/// A day that closes.
pub mod reconciliation {
    #[expect(
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::large_enum_variant,
        clippy::too_many_lines,
        reason = "generated from proto/onestop/reconciliation/v1"
    )]
    pub mod v1 {
        tonic::include_proto!("onestop.reconciliation.v1");
        include!(concat!(env!("OUT_DIR"), "/onestop.reconciliation.v1.serde.rs"));
    }
}

/// A month, and what should be looked at in it.
pub mod audit {
    #[expect(
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::too_many_lines,
        reason = "generated from proto/onestop/audit/v1"
    )]
    pub mod v1 {
        tonic::include_proto!("onestop.audit.v1");
        include!(concat!(env!("OUT_DIR"), "/onestop.audit.v1.serde.rs"));
    }
}

/// Where every fen went.
pub mod clearing {
    #[expect(
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::too_many_lines,
        reason = "generated from proto/onestop/clearing/v1"
    )]
    pub mod v1 {
        tonic::include_proto!("onestop.clearing.v1");
        include!(concat!(env!("OUT_DIR"), "/onestop.clearing.v1.serde.rs"));
    }
}

/// Who is who and what costs what.
pub mod registry {
    #[expect(
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::too_many_lines,
        reason = "generated from proto/onestop/registry/v1"
    )]
    pub mod v1 {
        tonic::include_proto!("onestop.registry.v1");
        include!(concat!(env!("OUT_DIR"), "/onestop.registry.v1.serde.rs"));
    }
}

/// What reflection answers from; as compiled, comments and custom options included.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/onestop_descriptor.bin"));

#[cfg(test)]
mod tests {
    use super::settlement::v1::{Bill, CareType, SettleRequest};

    #[test]
    fn proto_json_reads_names_and_enums_and_refuses_what_it_does_not_know() {
        let bill: Bill = serde_json::from_str(
            r#"{"hospitalCode":"H1","care_type":"CARE_TYPE_INPATIENT","totalFen":"123"}"#,
        )
        .unwrap();
        assert_eq!((bill.total_fen, bill.care_type()), (123, CareType::Inpatient));
        // A misspelt amount must not be lost in silence.
        let refused = serde_json::from_str::<SettleRequest>(r#"{"requestId":"1","totalFenn":1}"#);
        assert!(refused.unwrap_err().to_string().contains("totalFenn"));
        assert!(serde_json::from_str::<Bill>(r#"{"careType":"CARE_TYPE_MAGIC"}"#).is_err());
    }

    #[test]
    fn the_descriptor_set_holds_every_package_and_its_comments() {
        let set: prost_types::FileDescriptorSet =
            prost::Message::decode(super::FILE_DESCRIPTOR_SET).unwrap();
        let mut packages: Vec<_> = set.file.iter().map(|file| file.package().to_owned()).collect();
        packages.sort_unstable();
        assert_eq!(
            packages,
            [
                "onestop.access.v1",
                "onestop.audit.v1",
                "onestop.clearing.v1",
                "onestop.core.v1",
                "onestop.core_sim.v1",
                "onestop.reconciliation.v1",
                "onestop.registry.v1",
                "onestop.settlement.v1"
            ]
        );
        assert!(set.file.iter().all(|file| file.source_code_info.is_some()));
    }
}
