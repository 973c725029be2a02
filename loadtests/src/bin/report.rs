//! Prints what came of a synthetic world; ends with 1 when a published figure differs or an identity does not hold.
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use loadtests::{report, synthesize};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Published figures beside ours.
    Examples {
        /// examples.expected.csv, as `synthesize` wrote it.
        expected: PathBuf,
        /// What `onestop settle --json` answered.
        answers: PathBuf,
    },
    /// Sums over all answers in a folder.
    Summary {
        /// The folder.
        answers: PathBuf,
    },
}

fn main() -> Result<ExitCode, anyhow::Error> {
    let mut told = std::io::stdout().lock();
    let good = match Arguments::parse().command {
        Command::Examples { expected, answers } => {
            let (table, agree) =
                report::compare(&synthesize::read_expected(&expected)?, &report::read(&answers)?);
            write!(told, "{table}")?;
            agree
        }
        Command::Summary { answers } => {
            let mut summary = report::Summary::default();
            for file in report::answer_files(&answers)? {
                report::read(&file)?.iter().for_each(|answer| summary.add(answer));
            }
            write!(told, "{}", summary.text())?;
            summary.broken.is_empty() && 0 < summary.checked
        }
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
