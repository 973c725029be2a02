//! What it costs to seal a day, to make its evidence bundle and to verify it, on settlements that were really settled.
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use jiff::ToSpan as _;
use onestop::app::seal::Sealer;
use onestop::app::{Now, now, shanghai};
use onestop::keys::SealKeys;
use onestop::store::cluster::DATABASE;
use onestop::store::{Pool, PoolSettings};
use serde::{Deserialize, Serialize};
use tokio_postgres::NoTls;

use super::drive::{self, Driver, Span};
use super::machine::sync_us;
use super::populate;
use super::population::REGION;
use super::progress::say;
use super::results::Place;
use super::run_name;
use super::scenario::Scenario;
use super::site::Site;

pub(super) const SETTLE: &str = include_str!("../../scenarios/settle.toml");

/// What the bars are for: a month of a million settlements.
const BARS_FOR: u64 = 1_000_000;
const BUNDLE_MS_MAX: u64 = 120_000;
const VERIFY_MS_MAX: u64 = 60_000;
const KIB_MAX: u64 = 512 * 1024;

/// What was measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Evidence {
    pub place: Place,
    pub settlements: u64,
    pub per_second: u64,
    /// Of gateway and database together, on a machine that does nothing else.
    pub seal_us_each: u64,
    pub close_ms: u64,
    pub bundle_ms: u64,
    pub bundle_mib: u64,
    pub bundle_kib: u64,
    pub verify_ms: u64,
    pub verify_kib: u64,
}

/// Settles so many stays, seals them, bundles and verifies them. Must run in a local set.
pub async fn run(settlements: u64, persons: u32) -> Result<Evidence, anyhow::Error> {
    let site = Site::new("evidence")?;
    let mut found = Evidence {
        place: Place { sync_us: Some(sync_us(&site.folder)?), ..Place::here() },
        ..Evidence::default()
    };
    let database = site.cluster("plain").await?;
    let connection = database.connection(DATABASE);
    populate::populate(&connection, &site.keys, persons).await?;
    let told = BTreeMap::from([("ONESTOP_SEALS_ENABLED".to_owned(), "false".to_owned())]);
    let server = site.serve("ours", Some(&connection), &told)?;
    let scenario = Scenario { persons, ..Scenario::parse(SETTLE)? };
    let driver = Rc::new(Driver::connect(&scenario, &server.address, (&run_name(), 0)).await?);
    say(&format!("settling {settlements} stays"));
    let span = Span { warm_up: Duration::ZERO, measured: Duration::from_secs(5) };
    let begun = Instant::now();
    while driver.serial() < settlements {
        drive::closed(&driver, 64, span).await?;
    }
    let serial = driver.serial();
    found.per_second = serial.saturating_mul(1_000) / ms(begun).max(1);
    drop(driver);
    drop(server);
    say("sealing");
    let keys = SealKeys::load(&site.keys)?.context("the site has keys of seals")?;
    let pool = Pool::new(connection.clone(), NoTls, &PoolSettings::default())?;
    let mut sealer = Sealer::new(pool.clone(), Arc::new(keys), None).lagging(Duration::ZERO);
    let begun = Instant::now();
    let leaves = seal_all(&mut sealer).await?;
    found.settlements = leaves;
    found.seal_us_each = ms(begun).saturating_mul(1_000) / leaves.max(1);
    // The day is over before its time, which only the owner can say.
    let tomorrow = in_hours(24)?.day.to_string();
    let fence =
        format!("INSERT INTO accounting_fence (day, fenced_by) VALUES ('{tomorrow}', 'load')");
    populate::connect(&connection).await?.batch_execute(&fence).await.context("fence the day")?;
    let begun = Instant::now();
    let sealed = sealer.tick(&in_hours(48)?).await.context("close the day")?;
    ensure!(0 < sealed.days, "no day was closed");
    found.close_ms = ms(begun);
    pool.close();
    let (bundle, month) = (site.folder.join("bundle.zip"), now().day.strftime("%Y-%m").to_string());
    let file = bundle.display().to_string();
    let make =
        ["audit", "bundle", "--so-far", "--month", &month, "--region", REGION, "--out", &file];
    say("bundling");
    let (took, memory) = site.command("bundle", &connection, &make)?;
    (found.bundle_ms, found.bundle_kib) = (took, memory.most_kib);
    found.bundle_mib = std::fs::metadata(&bundle)?.len() / (1024 * 1024);
    say("verifying");
    let (took, memory) = site.command("verify", &connection, &["audit", "verify", &file])?;
    (found.verify_ms, found.verify_kib) = (took, memory.most_kib);
    Ok(found)
}

/// Seals all that was settled up to now, where nobody settles any more; says how many leaves.
pub(super) async fn seal_all(sealer: &mut Sealer) -> Result<u64, anyhow::Error> {
    let mut leaves = 0_u64;
    let now = now();
    loop {
        let sealed = sealer.tick(&now).await.context("seal")?;
        leaves = leaves.saturating_add(u64::try_from(sealed.leaves)?);
        if sealed.is_up_to_date {
            return Ok(leaves);
        }
    }
}

impl Evidence {
    /// For people, with the bars in proportion to what was settled.
    pub fn markdown(&self) -> String {
        let Self { settlements, per_second, seal_us_each, close_ms, .. } = self;
        let Self { bundle_ms, bundle_mib, bundle_kib, verify_ms, verify_kib, .. } = self;
        let of = |bar: u64| bar.saturating_mul(*settlements) / BARS_FOR;
        let cores = u64::try_from(self.place.machine.cores).unwrap_or(1);
        let both_cores_us = cores.saturating_mul(1_000_000) / (*per_second).max(1);
        let share = seal_us_each.saturating_mul(1_000) / both_cores_us.max(1);
        format!(
            "| what | reached | wanted |\n|---|---|---|\n\
             | settlements, by the commit path | {settlements}, {per_second}/s | |\n\
             | sealing, each, gateway and database | {seal_us_each} µs, {share} ‰ of a settlement | below 20 ‰ |\n\
             | closing the day | {close_ms} ms | |\n\
             | bundle | {bundle_ms} ms, {bundle_mib} MiB | at most {} ms |\n\
             | verifying, decisions anew | {verify_ms} ms | at most {} ms |\n\
             | memory to bundle and to verify | {} and {} MiB | at most {} MiB |\n",
            of(BUNDLE_MS_MAX),
            of(VERIFY_MS_MAX),
            bundle_kib / 1_024,
            verify_kib / 1_024,
            KIB_MAX / 1_024,
        )
    }
}

fn in_hours(hours: i64) -> Result<Now, anyhow::Error> {
    let at = now().at.checked_add(hours.hours())?;
    Ok(Now { at, day: shanghai(at).date() })
}

fn ms(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
