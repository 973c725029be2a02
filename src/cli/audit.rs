//! `onestop audit`: for whoever must know where the money went.
use clap::Subcommand;

use super::{Failure, audit_flow};
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
    }
}
