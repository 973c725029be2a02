//! The command line: one subcommand a file. The only place, with the server, where everything is wired.
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Config};

mod audit;
mod audit_bundle;
mod audit_flow;
mod clearing;
pub mod client;
pub mod codes;
mod core;
mod core_sim;
mod database;
pub mod import;
mod keys;
mod migrate;
pub mod out;
mod place;
mod progress;
mod reconcile;
mod rules;
mod sandbox;
mod serve;
mod settle;
pub mod slip;
mod trail;

/// Bad configuration, as sysexits.h has it (EX_USAGE).
const EXIT_CONFIGURATION: u8 = 64;
/// It could not start, or could not do what it was asked.
const EXIT_FAILED: u8 = 1;
/// Interrupted, as shells have it: 128 + SIGINT.
const EXIT_INTERRUPTED: u8 = 130;

/// Real-time one-stop medical-aid settlement: basic insurance, critical-illness insurance, medical aid, in one call.
#[derive(Debug, Parser)]
#[command(name = "onestop", version)]
struct Arguments {
    /// The configuration file (TOML); ONESTOP_CONFIG names it too. Variables ONESTOP_… go before it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves until SIGINT or SIGTERM; without database.url on a private PostgreSQL cluster in the data folder.
    Serve(serve::Arguments),
    /// Brings the database's schema up to date, and ends.
    Migrate(migrate::Arguments),
    /// The keys: credentials' hash, envelope encryption, quote tokens.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Settles bills over gRPC and prints slips. Ends with 1 when any was refused or declined.
    Settle(settle::Arguments),
    /// Reverses a settlement. Ends with 3 when nothing was reversed: the request was never seen, and is barred from now on.
    Reverse(settle::ReverseArguments),
    /// Finds a settlement by its id, or by the hospital's own request id: "did my timed-out request settle?".
    Find(settle::FindArguments),
    /// Sends a CSV list to the registry. Ends with 2 when rows were rejected.
    Import(import::Arguments),
    /// Who looked at a person's data.
    #[command(subcommand)]
    Access(trail::Command),
    /// Statements of insurers and hospitals against the ledger: classes, explanations, closing.
    #[command(subcommand)]
    Reconcile(reconcile::Command),
    /// The link to the insurance core: how far behind it is, what it refused, what was trued up.
    #[command(subcommand)]
    Core(core::Command),
    /// A simulated insurance core, for development and drills, on a private PostgreSQL cluster of its own. Never for production.
    #[command(subcommand)]
    CoreSim(core_sim::Command),
    /// A month of the books: where the money went, and what should be looked at; and the proof that nothing of it was altered.
    #[command(subcommand)]
    Audit(audit::Command),
    /// The books: what hospitals are owed, payments, postings, balances.
    Clearing(clearing::Arguments),
    /// What funds have left, and what a desk gets when they have not.
    Budget(clearing::BudgetArguments),
    /// Rule packages: check, test, explain, lock.
    #[command(subcommand)]
    Rules(rules::RulesCommand),
    /// For hospital developers: a server of their own with test persons, both doors, and faults to rehearse. On loopback only.
    Sandbox(sandbox::Arguments),
    /// Every error code in Chinese and English: was anything done, may it be sent again, what to do.
    Codes(codes::Arguments),
}

/// Why a command ended badly.
#[derive(Debug)]
pub enum Failure {
    Configuration(config::Faults),
    /// What was asked for makes no sense, or its file cannot be read.
    Usage(String),
    /// The answer was printed already; this is how the process ends.
    Answered(u8),
    Other(anyhow::Error),
}

/// Runs what the command line asks for.
pub fn run() -> ExitCode {
    let Arguments { config, command } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too; that they cannot be printed is nobody's concern.
            error.print().ok();
            return ExitCode::from(if error.use_stderr() { EXIT_CONFIGURATION } else { 0 });
        }
    };
    let outcome = match command {
        Command::Serve(arguments) => {
            configured(config.as_deref()).and_then(|config| serve::run(arguments, config))
        }
        Command::Migrate(arguments) => {
            configured(config.as_deref()).and_then(|config| migrate::run(arguments, &config))
        }
        Command::Keys(command) => keys::run(command, || configured(config.as_deref())),
        Command::Settle(arguments) => settle::run(arguments, || configured(config.as_deref())),
        Command::Reverse(arguments) => {
            settle::run_reverse(arguments, || configured(config.as_deref()))
        }
        Command::Find(arguments) => settle::run_find(arguments, || configured(config.as_deref())),
        Command::Import(arguments) => import::run(arguments, || configured(config.as_deref())),
        Command::Access(command) => trail::run(command, || configured(config.as_deref())),
        Command::Reconcile(command) => reconcile::run(command, || configured(config.as_deref())),
        Command::Core(command) => core::run(command, || configured(config.as_deref())),
        Command::CoreSim(command) => core_sim::run(command, || configured(config.as_deref())),
        Command::Audit(command) => audit::run(command, || configured(config.as_deref())),
        Command::Clearing(arguments) => clearing::run(arguments, || configured(config.as_deref())),
        Command::Budget(arguments) => {
            clearing::run_budget(arguments, || configured(config.as_deref()))
        }
        Command::Rules(command) => rules::run(command, || configured(config.as_deref())),
        // Takes nothing from outside: what is set for a production server must not reach it.
        Command::Sandbox(arguments) => sandbox::run(arguments),
        Command::Codes(arguments) => codes::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration(faults)) => {
            out::error(&faults.to_string());
            ExitCode::from(EXIT_CONFIGURATION)
        }
        Err(Failure::Usage(fault)) => {
            out::error(&fault);
            ExitCode::from(EXIT_CONFIGURATION)
        }
        Err(Failure::Answered(code)) => ExitCode::from(code),
        Err(Failure::Other(error)) => {
            // The whole chain: what we were doing, and why it did not work.
            out::error(&format!("{error:#}"));
            ExitCode::from(EXIT_FAILED)
        }
    }
}

/// Runs a client: one thread is enough for one desk.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(anyhow::Error::new(error).context("start the runtime")))?;
    runtime.block_on(work)
}

/// Runs a command that works on the database itself.
fn block_on_database<T>(
    work: impl Future<Output = Result<T, anyhow::Error>>,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(anyhow::Error::new(error).context("start the runtime")))?;
    runtime.block_on(work).map_err(Failure::Other)
}

fn configured(file: Option<&Path>) -> Result<Config, Failure> {
    config::read(file).map_err(Failure::Configuration)
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Other(error)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Everybody on the machine sees the arguments of a process: whatever is secret comes in a file.
    #[test]
    fn nothing_secret_can_be_an_argument() {
        let mut commands = vec![Arguments::command()];
        let mut seen = 0;
        while let Some(command) = commands.pop() {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str().to_lowercase();
                let words = ["key", "password", "secret", "token", "credential", "identity"];
                let named = words.iter().any(|word| name.contains(word));
                let places = argument.get_value_names().unwrap_or_default();
                let is_place =
                    places.iter().any(|name| ["FILE", "FOLDER"].contains(&name.as_str()));
                let is_closed = !argument.get_possible_values().is_empty();
                let at = format!("{} {name}", command.get_name());
                assert!(!named || is_place || is_closed, "{at} is given itself");
                seen += 1;
            }
            commands.extend(command.get_subcommands().cloned());
        }
        assert!(20 < seen, "all of them were walked");
    }
}
