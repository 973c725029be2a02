//! Compiles the contract: messages, client and server, canonical proto JSON, and the descriptor set for reflection.
//!
//! Everything is pure Rust (protox in place of protoc), so a bare toolchain is enough.
use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message as _;
use protox::prost_reflect::prost_types::{FileDescriptorProto, ServiceDescriptorProto};
use tonic_prost_build::{FileDescriptorSet, manual};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=proto");
    let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);

    let mut protos = Vec::new();
    collect_protos(Path::new("proto/onestop"), &mut protos)?;
    protos.sort();

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(&protos)?;

    // Encoded by protox itself: a detour through prost's types would drop custom options.
    let encoded = compiler.encode_file_descriptor_set();
    std::fs::write(out_dir.join("onestop_descriptor.bin"), &encoded)?;

    let descriptors: FileDescriptorSet = protox::prost::Message::decode(encoded.as_slice())?;
    let of_settlement = |file: &&FileDescriptorProto| file.package() == SETTLEMENT;
    let settlement: Vec<_> = descriptors.file.iter().filter(of_settlement).cloned().collect();
    let served = settlement.iter().flat_map(|file| &file.service).map(served_in_place);
    manual::Builder::new().build_client(false).compile(&served.collect::<Vec<_>>());
    // All of them first, since others name its messages; then it alone once more, over what was written, without a server.
    let settlement = FileDescriptorSet { file: settlement };
    for (files, build_server) in [(descriptors, true), (settlement, false)] {
        tonic_prost_build::configure()
            .build_client(true)
            .build_server(build_server)
            .skip_debug(REDACTED)
            .compile_fds(files)?;
    }

    let mut packages: Vec<String> = Vec::new();
    for file in &prost_types_of(&encoded)?.file {
        let package = format!(".{}", file.package());
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    // Strict: a field or an enum value that the contract does not know is an error, so that a misspelt amount is never lost.
    pbjson_build::Builder::new().register_descriptors(&encoded)?.build(&packages)?;
    Ok(())
}

/// Messages that may say who somebody is: they print themselves as `door::wire::shown` or `core_link::wire` has it.
const REDACTED: [&str; 70] = [
    ".onestop.access.v1.ListAccessesRequest",
    ".onestop.access.v1.Access",
    ".onestop.audit.v1.GetFundFlowRequest",
    ".onestop.audit.v1.ListEntriesRequest",
    ".onestop.audit.v1.Entry",
    ".onestop.clearing.v1.MakeStatementsRequest",
    ".onestop.clearing.v1.StatementKey",
    ".onestop.clearing.v1.WithdrawStatementRequest",
    ".onestop.clearing.v1.ListStatementsRequest",
    ".onestop.clearing.v1.SetTermsRequest",
    ".onestop.clearing.v1.SetAccountRequest",
    ".onestop.clearing.v1.Account",
    ".onestop.clearing.v1.MakePaymentFileRequest",
    ".onestop.clearing.v1.PaymentFileKey",
    ".onestop.clearing.v1.ConfirmPaymentsRequest",
    ".onestop.clearing.v1.ListPaymentsRequest",
    ".onestop.clearing.v1.GetAgeingRequest",
    ".onestop.clearing.v1.ListClaimsRequest",
    ".onestop.clearing.v1.ProposePostingRequest",
    ".onestop.clearing.v1.ProposalKey",
    ".onestop.clearing.v1.ListProposalsRequest",
    ".onestop.clearing.v1.ListPostingsRequest",
    ".onestop.clearing.v1.GetBalanceRequest",
    ".onestop.clearing.v1.ListBudgetsRequest",
    ".onestop.clearing.v1.SetBudgetRuleRequest",
    ".onestop.clearing.v1.PaymentFile",
    ".onestop.clearing.v1.Line",
    ".onestop.settlement.v1.Bill",
    ".onestop.settlement.v1.ChargeLine",
    ".onestop.settlement.v1.Fact",
    ".onestop.settlement.v1.Credential",
    ".onestop.settlement.v1.SettleRequest",
    ".onestop.settlement.v1.ReverseRequest",
    ".onestop.settlement.v1.GetSettlementRequest",
    ".onestop.settlement.v1.RequestKey",
    ".onestop.settlement.v1.GetStandingRequest",
    ".onestop.settlement.v1.Settlement",
    ".onestop.settlement.v1.Tombstone",
    ".onestop.settlement.v1.TrueUp",
    ".onestop.settlement.v1.ListTrueUpsRequest",
    ".onestop.registry.v1.ImportBegin",
    ".onestop.registry.v1.PersonRow",
    ".onestop.registry.v1.CoverageRow",
    ".onestop.registry.v1.IdentityRow",
    ".onestop.registry.v1.HospitalRow",
    ".onestop.registry.v1.CatalogueRow",
    ".onestop.registry.v1.OpeningRow",
    ".onestop.reconciliation.v1.Scope",
    ".onestop.reconciliation.v1.ReconcileRequest",
    ".onestop.reconciliation.v1.GetStatementRequest",
    ".onestop.reconciliation.v1.CloseStatementRequest",
    ".onestop.reconciliation.v1.ListStatementsRequest",
    ".onestop.reconciliation.v1.ListDifferencesRequest",
    ".onestop.reconciliation.v1.WriteResultRequest",
    ".onestop.reconciliation.v1.NoteDifferenceRequest",
    ".onestop.reconciliation.v1.Difference",
    ".onestop.reconciliation.v1.ListDifferenceEventsRequest",
    ".onestop.reconciliation.v1.DifferenceEvent",
    ".onestop.reconciliation.v1.ListCarriedRequest",
    ".onestop.reconciliation.v1.CarriedDifference",
    ".onestop.core.v1.Entry",
    ".onestop.core.v1.RequestKey",
    ".onestop.core.v1.Held",
    ".onestop.core.v1.QuoteLayerRequest",
    ".onestop.core.v1.ChangesResponse",
    ".onestop.core.v1.PersonChange",
    ".onestop.core.v1.CoverageChange",
    ".onestop.core.v1.IdentityChange",
    ".onestop.core_sim.v1.Faults",
    ".onestop.core_sim.v1.Booked",
];

/// The package of the path that every discharge takes.
const SETTLEMENT: &str = "onestop.settlement.v1";

/// The server side of a service whose methods take and give encoded messages: the most travelled ones are read where their bytes
/// lie, without being decoded first.
fn served_in_place(service: &ServiceDescriptorProto) -> manual::Service {
    let methods = service.method.iter().map(|method| {
        manual::Method::builder()
            .name(snake_case(method.name()))
            .route_name(method.name())
            .input_type("::bytes::Bytes")
            .output_type("::std::vec::Vec<u8>")
            .codec_path("crate::door::grpc::encoded::Encoded")
            .build()
    });
    let builder = manual::Service::builder().name(service.name()).package(SETTLEMENT);
    methods.fold(builder, manual::ServiceBuilder::method).build()
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

type Descriptors = protox::prost_reflect::prost_types::FileDescriptorSet;

fn prost_types_of(encoded: &[u8]) -> Result<Descriptors, prost::DecodeError> {
    Descriptors::decode(encoded)
}

fn collect_protos(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_protos(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}
