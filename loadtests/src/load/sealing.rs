//! What sealing costs who settles: the same load on the same database with and without it, in turns.
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use onestop::app::seal::Sealer;
use onestop::keys::SealKeys;
use onestop::store::cluster::DATABASE;
use onestop::store::{Pool, PoolSettings};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Config, NoTls};

use super::drive::{self, Driver, Span};
use super::evidence::{SETTLE, seal_all};
use super::machine::sync_us;
use super::populate;
use super::processor::Since;
use super::progress::say;
use super::results::Place;
use super::run_name;
use super::scenario::Scenario;
use super::site::Site;

/// Callers at once: enough to keep both processors busy.
const CLIENTS: usize = 64;
/// What is sealed lies some twenty seconds back, and a tick comes every twenty: from here on each tick has as much to do as was settled
/// since the one before.
const WARM_UP: Duration = Duration::from_secs(42);
/// At most two of a hundred.
const LOSS_PER_MILLE_MAX: i64 = 20;

/// How long is measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub persons: u32,
    /// How often with and without.
    pub pairs: usize,
    /// As long as the sealer pauses, several times.
    pub measured: Duration,
}

/// What one turn came to.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Turn {
    pub per_second: u64,
    /// Processor time of load, server and database for each settlement.
    pub each_ns: u64,
}

/// What was measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sealing {
    pub place: Place,
    /// Each turn, in pairs.
    pub without: Vec<Turn>,
    pub with: Vec<Turn>,
}

/// Settles in turns with and without sealing. Must run in a local set.
pub async fn run(plan: Plan) -> Result<Sealing, anyhow::Error> {
    let site = Site::new("sealing")?;
    let mut found = Sealing {
        place: Place { sync_us: Some(sync_us(&site.folder)?), ..Place::here() },
        ..Sealing::default()
    };
    let database = site.cluster("plain").await?;
    let connection = database.connection(DATABASE);
    populate::populate(&connection, &site.keys, plan.persons).await?;
    let mut next = 0;
    for pair in 0..plan.pairs {
        // Who comes second has the fuller database: each does in every other pair.
        let first = !pair.is_multiple_of(2);
        for is_sealed in [first, !first] {
            let done;
            (done, next) = turn(&site, &connection, (plan, is_sealed, next)).await?;
            let Turn { per_second, each_ns } = done;
            say(&format!("sealed: {is_sealed}, {per_second}/s, {each_ns} ns of processor each"));
            let turns = if is_sealed { &mut found.with } else { &mut found.without };
            turns.push(done);
        }
    }
    Ok(found)
}

async fn turn(
    site: &Site,
    connection: &Config,
    (plan, is_sealed, first): (Plan, bool, u64),
) -> Result<(Turn, u64), anyhow::Error> {
    // Nobody pays for what was settled before.
    let keys = SealKeys::load(&site.keys)?.context("the site has keys of seals")?;
    let pool = Pool::new(connection.clone(), NoTls, &PoolSettings::default())?;
    seal_all(&mut Sealer::new(pool.clone(), Arc::new(keys), None).lagging(Duration::ZERO)).await?;
    pool.close();
    let before = leaves(connection).await?;
    let told = BTreeMap::from([("ONESTOP_SEALS_ENABLED".to_owned(), is_sealed.to_string())]);
    let server = site.serve("ours", Some(connection), &told)?;
    let scenario = Scenario { persons: plan.persons, ..Scenario::parse(SETTLE)? };
    let driver = Rc::new(Driver::connect(&scenario, &server.address, (&run_name(), first)).await?);
    drive::closed(&driver, CLIENTS, Span { warm_up: Duration::ZERO, measured: WARM_UP }).await?;
    let since = Since::now(&[std::process::id()]);
    let span = Span { warm_up: Duration::ZERO, measured: plan.measured };
    let step = drive::closed(&driver, CLIENTS, span).await?;
    let used_us = since.ours_us();
    // What was settled in a turn before is refused, and would count as nothing done.
    ensure!(
        step.unexpected.is_empty() && 0 < step.settled_per_second,
        "something else than settling was measured"
    );
    let sealed = leaves(connection).await?.saturating_sub(before);
    let (least, most) = if is_sealed { (step.answered / 2, u64::MAX) } else { (0, 0) };
    ensure!((least..=most).contains(&sealed), "{sealed} leaves were sealed meanwhile");
    let each_ns = used_us * 1_000 / step.answered.max(1);
    Ok((Turn { per_second: step.settled_per_second, each_ns }, step.next_serial))
}

async fn leaves(connection: &Config) -> Result<u64, anyhow::Error> {
    let count = "SELECT coalesce(sum(cardinality(leaf_id)), 0)::bigint FROM seal_block";
    let row = populate::connect(connection).await?.query_one(count, &[]).await;
    let leaves: i64 = row.context("count the leaves")?.get(0);
    Ok(leaves.unsigned_abs())
}

impl Sealing {
    /// By how much more each pair has of something with sealing than without, in thousandths; the median of all pairs.
    fn more_per_mille(&self, of: impl Fn(&Turn) -> u64) -> i64 {
        let turn = |turn: &Turn| i64::try_from(of(turn)).unwrap_or(i64::MAX);
        let pairs = self.without.iter().map(turn).zip(self.with.iter().map(turn));
        let mut more: Vec<i64> =
            pairs.map(|(without, with)| (with - without) * 1_000 / without.max(1)).collect();
        more.sort_unstable();
        more.get(more.len() / 2).copied().unwrap_or_default()
    }

    /// For people.
    pub fn markdown(&self) -> String {
        let shown = |turns: &[Turn], of: fn(&Turn) -> u64| {
            let each: Vec<String> = turns.iter().map(|turn| of(turn).to_string()).collect();
            each.join(", ")
        };
        let rate: fn(&Turn) -> u64 = |turn| turn.per_second;
        let used: fn(&Turn) -> u64 = |turn| turn.each_ns / 1_000;
        format!(
            "| what | without sealing | with sealing | median of the pairs | wanted |\n|---|---|---|---|---|\n\
             | settlements a second | {} | {} | {} ‰ less | below {LOSS_PER_MILLE_MAX} ‰ |\n\
             | processor time of all for each, µs | {} | {} | {} ‰ more | |\n",
            shown(&self.without, rate),
            shown(&self.with, rate),
            -self.more_per_mille(rate),
            shown(&self.without, used),
            shown(&self.with, used),
            self.more_per_mille(|turn| turn.each_ns),
        )
    }
}
