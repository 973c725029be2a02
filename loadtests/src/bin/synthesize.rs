//! Writes a synthetic world: `cargo run -p loadtests --bin synthesize -- OUT`.
use std::io::Write as _;
use std::path::PathBuf;

use clap::Parser;
use loadtests::synthesize::{Size, World};

#[derive(Debug, Parser)]
struct Arguments {
    /// Where to write; made where it is missing.
    out: PathBuf,
    /// The rule packages.
    #[arg(long, default_value = "settlement-rules")]
    rules: PathBuf,
    /// Persons in each region.
    #[arg(long, default_value_t = 200)]
    persons: u32,
    /// Bills of each region's day, second stays beside.
    #[arg(long, default_value_t = 40)]
    bills: u32,
    /// The same seed gives the same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<(), anyhow::Error> {
    let Arguments { out, rules, persons, bills, seed } = Arguments::parse();
    let world = World::of(&rules, Size { persons, bills, seed })?;
    world.write(&out)?;
    let mut told = std::io::stdout().lock();
    for (file, count) in world.counts() {
        writeln!(told, "{count:>8}  {file}")?;
    }
    writeln!(
        told,
        "{:>8}  examples that are parts of bills; `onestop rules test` runs them",
        world.passed_over.len()
    )?;
    Ok(())
}
