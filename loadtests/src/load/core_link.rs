//! How the link to the insurance core keeps up: settlements at a fixed rate with a simulated core in a process of its own; then the core
//! is away while desks go on, and comes back to what has collected.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use onestop::store::cluster::DATABASE;
use onestop::store::{Pool, PoolSettings, check_integrity};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, NoTls};

use super::drive::{self, Driver, Span};
use super::machine::sync_us;
use super::populate::{self, connect};
use super::processor::Since;
use super::progress::say;
use super::results::{Place, Step};
use super::run_name;
use super::scenario::{Arrivals, Scenario};
use super::site::{Process, Site};

const SETTLE: &str = include_str!("../../scenarios/settle.toml");

/// How long what has collected may take to reach the core.
const DRAIN_MAX: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(100);

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub persons: u32,
    pub rate_per_second: u32,
    /// With the core there.
    pub measured: Duration,
    /// With the core away.
    pub away: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Found {
    pub place: Place,
    /// With the core there.
    pub there: Step,
    /// What the core did not have yet, second by second.
    pub open_each_second: Vec<u64>,
    /// When the last settlement was answered.
    pub open_at_end: u64,
    /// From then until the core had all.
    pub rest_ms: u64,
    pub delivered: u64,
    /// With the core away.
    pub away: Step,
    pub backlog: u64,
    /// From when the core listened again until it had all.
    pub drain_ms: u64,
    pub drained_per_second: u64,
    /// What `check_integrity` found.
    pub integrity: Vec<String>,
    /// Entries that the core does not have exactly once.
    pub not_once: u64,
}

impl Found {
    /// Did it keep up, and was nothing lost or doubled?
    pub fn held(&self) -> bool {
        let rate = u64::from(self.there.rate_per_second.unwrap_or(0));
        let clean = self.there.unexpected.is_empty() && self.away.unexpected.is_empty();
        clean && self.integrity.is_empty() && self.not_once == 0 && self.open_at_end <= rate
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}{}", self.place.text(), Step::header(), self.there.text());
        let Self { open_at_end, rest_ms, delivered, backlog, drain_ms, .. } = self;
        let most = self.open_each_second.iter().max().copied().unwrap_or(0);
        // Writing to a String cannot fail.
        writeln!(
            text,
            "the core there: {delivered} told; not told yet: at most {most}, at the end {open_at_end}, none {rest_ms} ms later"
        )
        .ok();
        text.push_str(&self.away.text());
        writeln!(
            text,
            "the core away: {backlog} collected, told within {drain_ms} ms of its return ({} a second)",
            self.drained_per_second
        )
        .ok();
        writeln!(text, "not exactly once: {}; integrity: {:?}", self.not_once, self.integrity).ok();
        text
    }
}

/// Runs it. Must run in a local set.
pub async fn run(plan: Plan) -> Result<Found, anyhow::Error> {
    let site = Site::new("core-link")?;
    let mut found = Found {
        place: Place { sync_us: Some(sync_us(&site.folder)?), ..Place::here() },
        ..Found::default()
    };
    let database = site.cluster("plain").await?;
    let connection = database.connection(DATABASE);
    populate::populate(&connection, &site.keys, plan.persons).await?;
    let admin = connect(&connection).await?;
    found.place.machine.postgres =
        admin.query_one("SELECT split_part(version(), ' (', 1)", &[]).await?.get(0);
    let listen = site.free_listen()?;
    let core = site.core_sim(&listen)?;
    let told = [("ONESTOP_CORE_ADDRESS".to_owned(), format!("http://{listen}"))];
    let server = site.serve("linked", Some(&connection), &BTreeMap::from(told))?;
    let scenario = Scenario { persons: plan.persons, ..Scenario::parse(SETTLE)? };
    let driver = Rc::new(Driver::connect(&scenario, &server.address, (&run_name(), 0)).await?);

    say("settling with the core there");
    let span = Span { warm_up: Duration::from_secs(2), measured: plan.measured };
    let watched = tokio::task::spawn_local(watch(connect(&connection).await?, span));
    found.there = step(&driver, &server, (plan.rate_per_second, span)).await?;
    found.open_at_end = open(&admin).await?;
    let ended = Instant::now();
    found.open_each_second = watched.await.context("watch what is open")??;
    until_told(&admin).await?;
    found.rest_ms = ms(ended);
    found.delivered =
        count(&admin, "SELECT count(*) FROM delivery WHERE state = 'confirmed'").await?;

    say("settling with the core away");
    drop(core);
    let span = Span { warm_up: Duration::ZERO, measured: plan.away };
    found.away = step(&driver, &server, (plan.rate_per_second, span)).await?;
    found.backlog = open(&admin).await?;
    let core = site.core_sim(&listen)?;
    let back = Instant::now();
    until_told(&admin).await?;
    found.drain_ms = ms(back);
    found.drained_per_second = found.backlog * 1_000 / found.drain_ms.max(1);

    say("checking that the core has all, once");
    drop((server, core));
    let theirs = site.cluster("core-sim").await?;
    let booked = connect(&theirs.connection(DATABASE)).await?;
    let booked = booked.query("SELECT settlement_id FROM sim_booking", &[]).await?;
    let booked: Vec<String> = booked.iter().map(|row| row.get(0)).collect();
    found.not_once = not_once(&admin, booked).await?;
    let pool = Pool::new(connection.clone(), NoTls, &PoolSettings::default());
    let faults = check_integrity(&pool.context("make a pool")?).await.context("check integrity")?;
    found.integrity =
        faults.iter().take(20).map(|of| format!("{}: {}", of.what, of.detail)).collect();
    Ok(found)
}

async fn step(
    driver: &Rc<Driver>,
    server: &Process,
    (rate, span): (u32, Span),
) -> Result<Step, anyhow::Error> {
    let since = Since::now(&[std::process::id(), server.pid()]);
    let mut step = drive::open(driver, (Arrivals::Poisson, rate), span).await?;
    step.processor = since.shares();
    Ok(step)
}

/// What the core does not have yet, each second.
async fn watch(client: Client, span: Span) -> Result<Vec<u64>, anyhow::Error> {
    let begun = Instant::now();
    let mut seen = Vec::new();
    while begun.elapsed() < span.warm_up + span.measured {
        tokio::time::sleep(Duration::from_secs(1)).await;
        seen.push(open(&client).await?);
    }
    Ok(seen)
}

async fn open(client: &Client) -> Result<u64, anyhow::Error> {
    count(
        client,
        "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM delivery WHERE state <> 'confirmed')",
    )
    .await
}

async fn count(client: &Client, sql: &str) -> Result<u64, anyhow::Error> {
    let count: i64 = client.query_one(sql, &[]).await.context("count")?.get(0);
    Ok(count.unsigned_abs())
}

async fn until_told(client: &Client) -> Result<(), anyhow::Error> {
    let begun = Instant::now();
    while open(client).await? != 0 {
        ensure!(begun.elapsed() < DRAIN_MAX, "the core does not get what it was not told");
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// How many settlements the core does not have exactly once.
async fn not_once(client: &Client, booked: Vec<String>) -> Result<u64, anyhow::Error> {
    let sql = "SELECT count(*) FROM settlement s FULL JOIN (
            SELECT b AS settlement_id, count(*) AS times FROM unnest($1::text[]) AS b GROUP BY b
        ) b USING (settlement_id)
        WHERE s.settlement_id IS NULL OR b.times IS DISTINCT FROM 1";
    let count: i64 = client.query_one(sql, &[&booked]).await.context("compare")?.get(0);
    Ok(count.unsigned_abs())
}

fn ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
