//! The command line: one subcommand a file. The only place, with the server, where everything is wired.
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Config};

mod database;
mod keys;
mod migrate;
pub mod out;
mod rules;
mod serve;

/// Bad configuration, as sysexits.h has it (EX_USAGE).
const EXIT_CONFIGURATION: u8 = 64;
/// It could not start, or could not do what it was asked.
const EXIT_FAILED: u8 = 1;

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
    /// Rule packages: check, test, explain, lock.
    #[command(subcommand)]
    Rules(rules::RulesCommand),
}

/// Why a command ended badly.
#[derive(Debug)]
pub enum Failure {
    Configuration(config::Faults),
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
        Command::Rules(command) => rules::run(command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration(faults)) => {
            out::error(&faults.to_string());
            ExitCode::from(EXIT_CONFIGURATION)
        }
        Err(Failure::Other(error)) => {
            // The whole chain: what we were doing, and why it did not work.
            out::error(&format!("{error:#}"));
            ExitCode::from(EXIT_FAILED)
        }
    }
}

fn configured(file: Option<&Path>) -> Result<Config, Failure> {
    config::read(file).map_err(Failure::Configuration)
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Other(error)
    }
}
