//! The same bills through onestop, zen-engine and OpenFisca: do they say the same, and how long does each take?
//!
//! `deploy/peers` builds and runs it. Nothing here is shipped, and no check of the product runs it.
use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use loadtests::load::processor::Since;
use loadtests::load::results::Place;

mod bills;
mod contenders;
mod openfisca;
mod ours;
mod results;
mod zen;

use contenders::{Contender, Ready};
use openfisca::OpenFisca;
use ours::Rules;
use results::{Agreement, Results, Time};
use zen::Zen;

/// The product's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many lines bills have.
const SIZES: [usize; 3] = [10, contenders::USUAL, 500];

#[derive(Debug, Parser)]
#[command(about = "Runs the same bills through onestop and its peers")]
struct Arguments {
    /// Where to write the results, as JSON.
    #[arg(long)]
    out: PathBuf,
    /// A Python that has OpenFisca; without one it is left out.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Why there is no such Python.
    #[arg(long, default_value = "no Python was named")]
    left_out: String,
    #[arg(long, default_value_t = 2026)]
    seed: u64,
    /// How many bills of each size.
    #[arg(long, default_value_t = 256)]
    bills: usize,
    #[arg(long, default_value_t = 7)]
    repeats: usize,
    /// How long each sample takes at least.
    #[arg(long, default_value_t = 300)]
    least_ms: u64,
}

fn main() -> Result<(), anyhow::Error> {
    let arguments = Arguments::parse();
    let folder = std::env::temp_dir().join(format!("peers-{}", std::process::id()));
    fs::create_dir_all(&folder).context("make a folder for the bills")?;
    let done = run(&arguments, &folder);
    fs::remove_dir_all(&folder).ok();
    let results = done?;
    let json = serde_json::to_string_pretty(&results).context("write the results")?;
    if let Some(parent) = arguments.out.parent() {
        fs::create_dir_all(parent).context("make the folder of the results")?;
    }
    fs::write(&arguments.out, json + "\n").context("write the results")?;
    std::io::stdout().write_all(results.text().as_bytes()).context("print the table")
}

fn run(arguments: &Arguments, folder: &Path) -> Result<Results, anyhow::Error> {
    let rules = Rules::read()?;
    let zen = Zen::new()?;
    let mut ready = Vec::new();
    for lines in SIZES {
        let drawn = bills::draw(arguments.seed, arguments.bills, lines);
        let mut text = String::new();
        for bill in &drawn {
            writeln!(text, "{}", bill.facts()).context("write a bill")?;
        }
        fs::write(folder.join(format!("bills-{lines}.jsonl")), text).context("write the bills")?;
        ready.push(Ready::of(&drawn, lines, &rules)?);
    }
    let mut results = Results {
        place: Place::here(),
        seed: arguments.seed,
        bills: arguments.bills,
        repeats: arguments.repeats,
        ..Results::default()
    };
    results.versions.insert("zen-engine".to_owned(), zen_engine::ENGINE_VERSION.to_owned());
    let openfisca = match &arguments.python {
        Some(python) => Some(OpenFisca::start(python, folder)?),
        None => {
            results.left_out.insert("OpenFisca".to_owned(), arguments.left_out.clone());
            None
        }
    };
    let openfisca = openfisca.map(RefCell::new);
    agree(&ready, &zen, openfisca.as_ref(), &mut results)?;

    let least = Duration::from_millis(arguments.least_ms);
    let mut rows = Vec::new();
    for ready in &ready {
        rows.extend(contenders::ours(ready, &rules, least));
        rows.extend(contenders::zens(ready, &zen, least));
        if let Some(openfisca) = &openfisca {
            rows.extend(contenders::openfiscas(ready.lines, openfisca, least));
        }
    }
    let since = Since::now(&[std::process::id()]);
    results.times = measure(rows, arguments.repeats)?;
    results.shares = since.shares();
    results.compare();

    // Having been evaluated a thousand times, do inputs still say the same?
    let first = std::mem::take(&mut results.agreement);
    agree(&ready, &zen, openfisca.as_ref(), &mut results)?;
    anyhow::ensure!(first == results.agreement, "answers changed while they were timed");
    Ok(results)
}

/// What each peer says of each bill, against what onestop says.
fn agree(
    ready: &[Ready],
    zen: &Zen,
    openfisca: Option<&RefCell<OpenFisca>>,
    results: &mut Results,
) -> Result<(), anyhow::Error> {
    for ready in ready {
        let (lines, want) = (ready.lines, &ready.want);
        let [whole, layers] = ready.zen_pays(zen)?;
        results.agreement.push(Agreement::of("zen-engine", lines, want, &whole));
        results.agreement.push(Agreement::of("zen-engine, sums given", lines, want, &layers));
        if let Some(openfisca) = openfisca {
            let mut openfisca = openfisca.borrow_mut();
            let pays = openfisca.settle(lines)?;
            results.agreement.push(Agreement::of("OpenFisca", lines, want, &pays));
            results.versions.extend(openfisca.versions.clone());
        }
    }
    Ok(())
}

/// Every row once, and again, as often as asked.
fn measure(mut rows: Vec<Contender<'_>>, repeats: usize) -> Result<Vec<Time>, anyhow::Error> {
    let mut samples: Vec<Vec<u64>> = rows.iter().map(|_| Vec::new()).collect();
    for _ in 0..repeats {
        for (row, samples) in rows.iter_mut().zip(&mut samples) {
            samples.push((row.measure)()?);
        }
    }
    let times = rows.into_iter().zip(samples).map(|(row, samples_ps)| {
        let Contender { peer, what, lines, beside, .. } = row;
        Time { peer, what, lines, beside, samples_ps, ..Time::default() }
    });
    Ok(times.collect())
}
