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
use super::progress::say;
use super::results::Place;
use super::run_name;
use super::scenario::Scenario;
use super::site::Site;

/// Callers at once: enough to keep both processors busy.
const CLIENTS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(10);
/// At most two of a hundred.
const LOSS_PER_MILLE_MAX: i64 = 20;

/// How long is measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub persons: u32,
    /// How often with and without.
    pub pairs: usize,
    /// Several times as long as the sealer pauses.
    pub measured: Duration,
}

/// What was measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sealing {
    pub place: Place,
    /// Settlements a second of each turn.
    pub without: Vec<u64>,
    pub with: Vec<u64>,
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
            let per_second;
            (per_second, next) = turn(&site, &connection, (plan, is_sealed, next)).await?;
            say(&format!("sealed: {is_sealed}, {per_second}/s"));
            let turns = if is_sealed { &mut found.with } else { &mut found.without };
            turns.push(per_second);
        }
    }
    Ok(found)
}

async fn turn(
    site: &Site,
    connection: &Config,
    (plan, is_sealed, first): (Plan, bool, u64),
) -> Result<(u64, u64), anyhow::Error> {
    // Nobody pays for what was settled before.
    let keys = SealKeys::load(&site.keys)?.context("the site has keys of seals")?;
    let pool = Pool::new(connection.clone(), NoTls, &PoolSettings::default())?;
    seal_all(&mut Sealer::new(pool.clone(), Arc::new(keys), None)).await?;
    pool.close();
    let told = BTreeMap::from([("ONESTOP_SEALS_ENABLED".to_owned(), is_sealed.to_string())]);
    let server = site.serve("ours", Some(connection), &told)?;
    let scenario = Scenario { persons: plan.persons, ..Scenario::parse(SETTLE)? };
    let driver = Rc::new(Driver::connect(&scenario, &server.address, (&run_name(), first)).await?);
    let span = Span { warm_up: WARM_UP, measured: plan.measured };
    let step = drive::closed(&driver, CLIENTS, span).await?;
    // What was settled in a turn before is refused, and would count as nothing done.
    ensure!(
        step.unexpected.is_empty() && 0 < step.settled_per_second,
        "something else than settling was measured"
    );
    Ok((step.settled_per_second, step.next_serial))
}

impl Sealing {
    /// How much less was settled with it.
    fn loss_per_mille(&self) -> i64 {
        let sum = |turns: &[u64]| i64::try_from(turns.iter().sum::<u64>()).unwrap_or(i64::MAX);
        let (without, with) = (sum(&self.without), sum(&self.with));
        1_000_i64.saturating_mul(without.saturating_sub(with)) / without.max(1)
    }

    /// For people.
    pub fn markdown(&self) -> String {
        let Self { without, with, .. } = self;
        format!(
            "| what | reached | wanted |\n|---|---|---|\n\
             | settlements a second without sealing | {without:?} | |\n\
             | settlements a second with sealing | {with:?} | |\n\
             | less by | {} ‰ | below {LOSS_PER_MILLE_MAX} ‰ |\n",
            self.loss_per_mille(),
        )
    }
}
