//! `onestop audit`: for whoever must know where the money went, and prove, or be shown, that nothing was altered.
use clap::Subcommand;

use super::{Failure, audit_bundle, audit_flow};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// A month's fund flow, and at its top what was held back, intercepted or diverted. Ends with 2 where anything was.
    Flow(audit_flow::FlowArguments),
    /// The entries behind it, or those to look at, each with why.
    List(audit_flow::ListArguments),
    /// Writes a month's fund flow as a workbook, CSV or Parquet, by the file's ending.
    Export(audit_flow::ExportArguments),
    /// Draws a month's fund flow as an SVG.
    Picture(audit_flow::PictureArguments),
    /// Seals what was settled since, and closes days that are over, as servers do by themselves; with --check, compares what is stored
    /// with what was sealed. Ends with 2 when anything differs.
    Seal(audit_bundle::SealArguments),
    /// Prints the signed root of each closed day, a line of JSON each, for others to keep.
    Roots(audit_bundle::RootsArguments),
    /// Writes the evidence bundle of a region's month: what was settled and decided by which rules, with the proof that it was sealed.
    Bundle(audit_bundle::BundleArguments),
    /// Verifies a bundle without a database: every decision is made anew. Ends with 2 when it does not verify.
    Verify(audit_bundle::VerifyArguments),
}

pub(super) fn run(
    command: Command,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    match command {
        Command::Flow(arguments) => audit_flow::flow(&arguments, configured),
        Command::List(arguments) => audit_flow::list(&arguments, configured),
        Command::Export(arguments) => audit_flow::export(&arguments, configured),
        Command::Picture(arguments) => audit_flow::picture(&arguments, configured),
        Command::Seal(arguments) => audit_bundle::seal(&arguments, &configured()?),
        Command::Roots(arguments) => audit_bundle::roots(&arguments, &configured()?),
        Command::Bundle(arguments) => audit_bundle::bundle(&arguments, &configured()?),
        Command::Verify(arguments) => audit_bundle::verify(&arguments),
    }
}
