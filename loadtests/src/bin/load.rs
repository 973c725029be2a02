//! Puts load on a gateway and says what came of it: `cargo run --release -p loadtests --bin load -- --help`.
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use loadtests::load::bench::{self, Part, Plan};
use loadtests::load::copies::Written;
use loadtests::load::drive::{self, Driver};
use loadtests::load::faults::{Drill, Length};
use loadtests::load::judge::Bench;
use loadtests::load::machine::{Memory, sync_us};
use loadtests::load::processor::Since;
use loadtests::load::results::{self, Place, Run};
use loadtests::load::scenario::Scenario;
use loadtests::load::{
    audit, core_link, echo, evidence, faults, history, populate, reconcile, run_name, sealing, sink,
};
use tokio_postgres::Config;

/// The product's allocator, so that client and echo are not slower for want of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Fills an empty database with persons, hospitals and a catalogue.
    Populate {
        /// Of the database's owner, such as "host=/run/postgresql user=postgres dbname=onestop".
        #[arg(long)]
        database: String,
        /// The keys that the server will have.
        #[arg(long)]
        keys: PathBuf,
        #[arg(long, default_value_t = 4_137_000)]
        persons: u32,
    },
    /// Stores so many copies of the newest settlement of a database, spread over all of its persons, as stays of earlier years.
    Fill {
        /// Of the database's owner.
        #[arg(long)]
        database: String,
        #[arg(long)]
        settlements: u64,
    },
    /// Runs a scenario against a server.
    Run {
        scenario: PathBuf,
        #[arg(long, default_value = "http://127.0.0.1:50051")]
        server: String,
        /// Where to write the result as JSON.
        #[arg(long)]
        out: Option<PathBuf>,
        /// The first stay; a further run on one database goes on at the "next_serial" of the last.
        #[arg(long, default_value_t = 0)]
        first: u64,
        /// The server's process, where it is on this machine, so that its time and memory are ours.
        #[arg(long)]
        server_pid: Vec<u32>,
        /// The folder of PostgreSQL's data, where it is on this machine, in which to measure how long a sync takes.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Serves the same messages and does nothing, until it is stopped.
    Echo {
        #[arg(long, default_value = "127.0.0.1:50052")]
        listen: SocketAddr,
        /// How large an answer is.
        #[arg(long, default_value_t = 4_000)]
        reply_bytes: usize,
        /// A real answer, to be given back; its size is then that of the answer.
        #[arg(long)]
        reply: Option<PathBuf>,
    },
    /// Takes traces and metrics, as a collector does, and keeps nothing.
    Sink {
        #[arg(long, default_value = "127.0.0.1:4317")]
        listen: SocketAddr,
    },
    /// Starts everything itself, and measures the published set.
    Bench {
        /// A folder for the result.
        #[arg(long)]
        out: PathBuf,
        #[arg(long, default_value_t = 5)]
        repeats: u32,
        /// Only these parts.
        #[arg(long, value_delimiter = ',')]
        only: Vec<Part>,
        /// Two minutes: enough to see that it works, too short for figures.
        #[arg(long)]
        quick: bool,
        #[arg(long)]
        persons: Option<u32>,
        /// Persons of the part "big".
        #[arg(long)]
        big_persons: Option<u32>,
        /// Settlements stored in the part "big".
        #[arg(long)]
        big_settlements: Option<u64>,
    },
    /// Ends gateway, database and connections under load, and compares what was answered with what is stored.
    Faults {
        /// A folder for the result.
        #[arg(long)]
        out: PathBuf,
        #[arg(long, default_value_t = 100_000)]
        persons: u32,
        /// As much as is done for every change: half a minute, and no full disk.
        #[arg(long)]
        short: bool,
    },
    /// Looks at a month of so many settlements: fund flow with all breakdowns, alarms, and lists; starts everything itself.
    Audit {
        /// A folder for the result.
        #[arg(long)]
        out: PathBuf,
        #[arg(long, default_value_t = 1_000_000)]
        settlements: u64,
        #[arg(long, default_value_t = 200_000)]
        persons: u32,
    },
    /// Reconciles a detail file with as many settlements; starts everything itself.
    Reconcile {
        /// A folder for the result.
        #[arg(long)]
        out: PathBuf,
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
        #[arg(long, default_value_t = 200_000)]
        persons: u32,
        /// Charge lines of each bill; ten million bills of fifty take more than sixty gigabytes.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        lines: u32,
    },
    /// Tells a simulated insurance core what is settled, and how far it stays behind; then the core is away and comes back.
    CoreLink {
        /// A folder for the result.
        #[arg(long)]
        out: PathBuf,
        #[arg(long, default_value_t = 200_000)]
        persons: u32,
        /// Settlements a second.
        #[arg(long, default_value_t = 2_000)]
        rate: u32,
        /// How long with the core there.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// How long with the core away.
        #[arg(long, default_value_t = 30)]
        away_seconds: u64,
    },
    /// Settles stays, seals them, makes their evidence bundle and verifies it.
    Bundle {
        /// A folder for the result.
        #[arg(long)]
        out: PathBuf,
        #[arg(long, default_value_t = 1_000_000)]
        settlements: u64,
        #[arg(long, default_value_t = 200_000)]
        persons: u32,
    },
    /// Settles in turns with and without sealing, on one database.
    Seals {
        /// A folder for the result.
        #[arg(long)]
        out: PathBuf,
        #[arg(long, default_value_t = 200_000)]
        persons: u32,
        /// How often with and without.
        #[arg(long, default_value_t = 3)]
        pairs: usize,
        /// How long each time.
        #[arg(long, default_value_t = 90)]
        seconds: u64,
    },
    /// Prints results as a Markdown document.
    Table {
        results: PathBuf,
        /// Of parts that were run by themselves, such as `big`.
        #[arg(long)]
        more: Vec<PathBuf>,
        /// Of `load faults`.
        #[arg(long)]
        faults: Option<PathBuf>,
    },
}

fn main() -> Result<ExitCode, anyhow::Error> {
    match Arguments::parse().what {
        What::Populate { database, keys, persons } => {
            let database = database.parse().context("read the address of the database")?;
            one_thread()?.block_on(populate::populate(&database, &keys, persons))?;
        }
        What::Fill { database, settlements } => {
            let database = database.parse().context("read the address of the database")?;
            one_thread()?.block_on(fill(&database, settlements))?;
        }
        What::Run { scenario, server, out, first, server_pid, data } => {
            let scenario = Scenario::read(&scenario)?;
            let local = tokio::task::LocalSet::new();
            let running = run(scenario, &server, first, &server_pid);
            let mut run = one_thread()?.block_on(local.run_until(running))?;
            run.place.sync_us = data.as_deref().map(sync_us).transpose()?;
            write!(std::io::stdout(), "{}", run.text())?;
            if let Some(out) = out {
                results::write(&out, &run)?;
            }
            if !run.is_clean() {
                return Ok(ExitCode::FAILURE);
            }
        }
        What::Echo { listen, reply_bytes, reply } => {
            let reply = match reply {
                Some(file) => {
                    std::fs::read(&file).with_context(|| format!("read {}", file.display()))?.into()
                }
                None => echo::reply_of(reply_bytes),
            };
            echo::serve(listen, reply)?;
        }
        What::Sink { listen } => one_thread()?.block_on(sink::serve(listen))?,
        What::Bench { out, repeats, only, quick, persons, big_persons, big_settlements } => {
            let mut plan = if quick { Plan::quick() } else { Plan::published(repeats) };
            if !only.is_empty() {
                plan.parts = only;
            }
            plan.persons = persons.unwrap_or(plan.persons);
            plan.big_persons = big_persons.unwrap_or(plan.big_persons);
            plan.big_settlements = big_settlements.unwrap_or(plan.big_settlements);
            return bench(&plan, (quick, &out));
        }
        What::Faults { out, persons, short } => {
            let length = if short { Length::short() } else { Length::long(persons) };
            return faults(length, &out);
        }
        What::Audit { out, settlements, persons } => audited(settlements, persons, &out)?,
        What::Reconcile { out, rows, persons, lines } => {
            reconciled(reconcile::Plan { rows, persons, lines }, &out)?;
        }
        What::CoreLink { out, persons, rate: rate_per_second, seconds, away_seconds } => {
            let (measured, away) =
                (Duration::from_secs(seconds), Duration::from_secs(away_seconds));
            return link(core_link::Plan { persons, rate_per_second, measured, away }, &out);
        }
        What::Bundle { out, settlements, persons } => {
            let found = until_ctrl_c(evidence::run(settlements, persons))?;
            tell(&found, &found.markdown(), &out.join("evidence.json"))?;
        }
        What::Seals { out, persons, pairs, seconds } => {
            let measured = Duration::from_secs(seconds);
            let found = until_ctrl_c(sealing::run(sealing::Plan { persons, pairs, measured }))?;
            tell(&found, &found.markdown(), &out.join("sealing.json"))?;
        }
        What::Table { results, more, faults } => table(&results, &more, faults.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn fill(database: &Config, settlements: u64) -> Result<(), anyhow::Error> {
    let written = Written::newest(database).await?;
    history::fill(database, (&written, 0), settlements).await
}

/// A look at a month, measured.
fn audited(settlements: u64, persons: u32, out: &Path) -> Result<(), anyhow::Error> {
    let found = until_ctrl_c(audit::run(settlements, persons))?;
    write!(std::io::stdout(), "{}", found.text())?;
    keep(&found, &out.join("audit.json"))
}

/// Prints what was found and keeps it.
fn tell(found: &impl serde::Serialize, text: &str, file: &Path) -> Result<(), anyhow::Error> {
    write!(std::io::stdout(), "{text}")?;
    keep(found, file)
}

/// Results as a Markdown document.
fn table(results: &Path, more: &[PathBuf], faults: Option<&Path>) -> Result<(), anyhow::Error> {
    let bench: Bench = results::read(results)?;
    let mut told = std::io::stdout();
    write!(told, "# Results\n\nMeasured by `deploy/bench`.\n\n{}", bench.markdown())?;
    for results in more {
        let bench: Bench = results::read(results)?;
        write!(told, "\n## In a run of its own\n\n{}", bench.markdown())?;
    }
    if let Some(faults) = faults {
        let drill: Drill = results::read(faults)?;
        write!(
            told,
            "\n## Faults under load\n\nBy `deploy/bench --faults`.\n\n{}",
            drill.markdown()
        )?;
    }
    Ok(())
}

/// A reconciliation, measured.
fn reconciled(plan: reconcile::Plan, out: &Path) -> Result<(), anyhow::Error> {
    let found = until_ctrl_c(reconcile::run(plan))?;
    write!(std::io::stdout(), "{}", found.text())?;
    keep(&found, &out.join("reconcile.json"))
}

/// A quick run is too short to be judged.
fn bench(plan: &Plan, (quick, out): (bool, &Path)) -> Result<ExitCode, anyhow::Error> {
    let file = out.join("bench.json");
    let found = until_ctrl_c(bench::run(plan, |found| keep(found, &file)))?;
    write!(std::io::stdout(), "{}", found.markdown())?;
    Ok(if quick || found.met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn faults(length: Length, out: &Path) -> Result<ExitCode, anyhow::Error> {
    let found = until_ctrl_c(faults::run(length))?;
    write!(std::io::stdout(), "{}", found.markdown())?;
    keep(&found, &out.join("faults.json"))?;
    Ok(if found.held() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn link(plan: core_link::Plan, out: &Path) -> Result<ExitCode, anyhow::Error> {
    let found = until_ctrl_c(core_link::run(plan))?;
    write!(std::io::stdout(), "{}", found.text())?;
    keep(&found, &out.join("core-link.json"))?;
    Ok(if found.held() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ctrl-C drops everything that was started, which stops it.
fn until_ctrl_c<T>(
    running: impl Future<Output = Result<T, anyhow::Error>>,
) -> Result<T, anyhow::Error> {
    let local = tokio::task::LocalSet::new();
    one_thread()?.block_on(local.run_until(async {
        tokio::select! {
            found = running => found,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("told to stop")),
        }
    }))
}

fn keep(found: &impl serde::Serialize, file: &Path) -> Result<(), anyhow::Error> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    results::write(file, found)
}

fn one_thread() -> Result<tokio::runtime::Runtime, anyhow::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("start the runtime")
}

async fn run(
    scenario: Scenario,
    server: &str,
    first: u64,
    server_pids: &[u32],
) -> Result<Run, anyhow::Error> {
    let place = Place::here();
    let driver = Driver::connect(&scenario, server, (&run_name(), first)).await?;
    let driver = Rc::new(driver);
    let mut ours = vec![std::process::id()];
    ours.extend(server_pids);
    let mut steps = Vec::new();
    for load in scenario.load.steps() {
        let since = Since::now(&ours);
        let mut step = drive::run(&driver, &load).await?;
        step.processor = since.shares();
        step.memory = server_pids.first().map(|pid| Memory::of(*pid));
        steps.push(step);
    }
    Ok(Run { place, scenario, steps })
}
