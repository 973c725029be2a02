//! Faults under load: what was answered must be stored, once, whatever ended in the meantime.
//!
//! The gateway runs as the product runs it, with a private cluster that it starts again by itself. While clients ask, the gateway, PostgreSQL
//! and single connections are ended; afterwards every answer that any client got is compared with what is stored.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use onestop::store::{Pool, PoolSettings, check_integrity};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Config, NoTls};

use super::drive::{self, Driver, Heard, Span};
use super::machine::sync_us;
use super::populate::{self, connect};
use super::progress::say;
use super::results::Place;
use super::run_name;
use super::scenario::{Ask, Scenario};
use super::shims::Clock;
use super::site::{Process, Site};

const SCENARIO: &str = include_str!("../../scenarios/faults.toml");
const CLIENTS: usize = 32;

/// How long it may take until the next good answer.
const RECOVERY_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// What a drill found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    pub place: Place,
    pub faults: Vec<Fault>,
    pub settled: u64,
    pub refused: BTreeMap<String, u64>,
    /// Answered, and not stored, or stored as something else.
    pub missing: Vec<String>,
    /// Stored more than once.
    pub doubled: Vec<String>,
    /// What `check_integrity` found.
    pub integrity: Vec<String>,
    pub left_out: Vec<String>,
}

/// One fault, and how long nothing was settled after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub what: String,
    /// From the fault to the first settlement that was asked for after it; nothing where none came in time.
    pub first_good_answer_ms: Option<u64>,
    pub settled_before: u64,
    pub settled_after: u64,
}

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gateway,
    Postgres,
    Connection,
    Clock,
    DiskFull,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Kind::Gateway => "kill -9 of the gateway, which is then started again",
            Kind::Postgres => "kill -9 of PostgreSQL, which the gateway starts again",
            Kind::Connection => "pg_terminate_backend of every connection of the gateway",
            Kind::Clock => "the gateway's clock stepped a day ahead, and then two back",
            Kind::DiskFull => "disk of PostgreSQL full for three seconds",
        }
    }
}

/// The gateway, where its database lies, and who holds it.
struct Drilled<'a> {
    site: &'a Site,
    settings: BTreeMap<String, String>,
    data: PathBuf,
    gateway: Option<Process>,
    database: Config,
    clock: Option<Clock>,
}

/// A small file system of its own; gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Only root may mount one.
    fn mount(at: &Path) -> Result<SmallDisk, anyhow::Error> {
        ensure!(rustix::process::geteuid().is_root(), "only root may mount a small disk");
        fs::create_dir_all(at)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1500m,mode=0755", "tmpfs"])
            .arg(at)
            .output();
        let mounted = mounted.context("run mount")?;
        ensure!(
            mounted.status.success(),
            "mount: {}",
            String::from_utf8_lossy(&mounted.stderr).trim()
        );
        Ok(SmallDisk(at.to_path_buf()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        match Command::new("umount").arg(&self.0).status() {
            Ok(status) if status.success() => {}
            Ok(_) | Err(_) => say(&format!("could not unmount {}", self.0.display())),
        }
    }
}

/// How long a drill is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    pub persons: u32,
    /// Load before a fault, and after it was mended.
    pub before: Duration,
    pub after: Duration,
    /// Is the disk filled too?
    pub disk: bool,
}

impl Length {
    /// The published one.
    pub fn long(persons: u32) -> Length {
        Length {
            persons,
            before: Duration::from_secs(3),
            after: Duration::from_secs(6),
            disk: true,
        }
    }

    /// As much as is done for every change.
    pub const fn short() -> Length {
        let (before, after) = (Duration::from_millis(1_500), Duration::from_secs(3));
        Length { persons: 2_000, before, after, disk: false }
    }
}

/// Runs the drill. Must run in a local set.
pub async fn run(length: Length) -> Result<Drill, anyhow::Error> {
    let site = Site::new("faults")?;
    let mut drill = Drill { place: Place::here(), ..Drill::default() };
    let data = site.folder.join("data");
    fs::create_dir_all(&data).context("make the data folder")?;
    // Held until the gateway and its cluster are gone.
    let small_disk = match length.disk.then(|| SmallDisk::mount(&data)) {
        None => None,
        Some(Ok(disk)) => Some(disk),
        Some(Err(error)) => {
            drill.left_out.push(format!("disk full: {error:#}"));
            None
        }
    };
    if small_disk.is_some() {
        let small = "a file system of its own, in memory, so that it can be filled".to_owned();
        drill.place.settings.insert("data folder".to_owned(), small);
    }
    drill.place.sync_us = Some(sync_us(&data)?);
    let mut kinds = vec![Kind::Gateway, Kind::Postgres, Kind::Connection];
    let clock = match Clock::make(&site.folder) {
        Ok(clock) => {
            kinds.push(Kind::Clock);
            Some(clock)
        }
        Err(error) => {
            drill.left_out.push(format!("a clock that steps: {error:#}"));
            None
        }
    };
    if small_disk.is_some() {
        kinds.push(Kind::DiskFull);
    }
    let mut database = Config::new();
    database.host_path(data.join("postgres/socket")).port(5432).user("postgres").dbname("onestop");
    let mut settings = BTreeMap::from([("ONESTOP_LISTEN".to_owned(), site.free_listen()?)]);
    settings.extend(clock.iter().flat_map(Clock::settings));
    let gateway = Some(site.serve("gateway", None, &settings)?);
    let mut drilled = Drilled { site: &site, settings, data, gateway, database, clock };
    populate::populate(&drilled.database, &site.keys, length.persons).await?;
    // Plans that were made while nothing was there are made again.
    drilled.restart()?;
    let outcome = drilled.drill(&mut drill, (length, &kinds)).await;
    drop(drilled);
    drop(small_disk);
    outcome.map(|()| drill)
}

impl Drilled<'_> {
    async fn drill(
        &mut self,
        drill: &mut Drill,
        (length, kinds): (Length, &[Kind]),
    ) -> Result<(), anyhow::Error> {
        let scenario = Scenario { persons: length.persons, ..Scenario::parse(SCENARIO)? };
        let address = self.gateway.as_ref().context("the gateway is there")?.address.clone();
        let mut heard = Vec::new();
        let mut first = 0;
        for kind in kinds {
            say(kind.word());
            let driver = Driver::connect(&scenario, &address, (&run_name(), first)).await?;
            let driver = Rc::new(driver.with_journal());
            let span = Span { warm_up: Duration::ZERO, measured: length.before + length.after };
            let load = {
                let driver = Rc::clone(&driver);
                tokio::task::spawn_local(async move { drive::closed(&driver, CLIENTS, span).await })
            };
            tokio::time::sleep(length.before).await;
            let fault_at = Instant::now();
            self.cause(*kind).await?;
            let caused_ms = u64::try_from(fault_at.elapsed().as_millis()).unwrap_or(0);
            let step = load.await.context("wait for the load")??;
            first = step.next_serial;
            let of_fault = driver.journal();
            let begun = fault_at
                + if matches!(kind, Kind::DiskFull) {
                    Duration::from_millis(caused_ms)
                } else {
                    Duration::ZERO
                };
            let good = |of: &&Heard| of.ask == Ask::Settle && of.class.word == "settled";
            let after: Vec<&Heard> =
                of_fault.iter().filter(good).filter(|of| begun < of.asked_at).collect();
            let first_good = after.iter().map(|of| of.at).min();
            let first_good = match first_good {
                Some(at) => Some(at),
                None => self.recovered(&scenario, (&address, &mut first), &mut heard).await?,
            };
            let ms = |at: Instant| u64::try_from(at.duration_since(begun).as_millis()).unwrap_or(0);
            drill.faults.push(Fault {
                what: kind.word().to_owned(),
                first_good_answer_ms: first_good.map(ms),
                settled_before: u64::try_from(
                    of_fault.iter().filter(good).filter(|of| of.at < fault_at).count(),
                )?,
                settled_after: u64::try_from(after.len())?,
            });
            heard.extend(of_fault);
        }
        self.compare(drill, &heard).await
    }

    /// Asks on until something settles, where the load ended before that.
    async fn recovered(
        &self,
        scenario: &Scenario,
        (address, first): (&str, &mut u64),
        heard: &mut Vec<Heard>,
    ) -> Result<Option<Instant>, anyhow::Error> {
        let begun = Instant::now();
        while begun.elapsed() < RECOVERY_MAX {
            if let Ok(driver) = Driver::connect(scenario, address, (&run_name(), *first)).await {
                let driver = Rc::new(driver.with_journal());
                let span = Span { warm_up: Duration::ZERO, measured: Duration::from_millis(500) };
                *first = drive::closed(&driver, 1, span).await?.next_serial;
                let of_it = driver.journal();
                let good =
                    of_it.iter().filter(|of| of.class.word == "settled").map(|of| of.at).min();
                heard.extend(of_it);
                if good.is_some() {
                    return Ok(good);
                }
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(None)
    }

    fn restart(&mut self) -> Result<(), anyhow::Error> {
        self.gateway = None;
        self.gateway = Some(self.site.serve("gateway", None, &self.settings)?);
        Ok(())
    }

    async fn cause(&mut self, kind: Kind) -> Result<(), anyhow::Error> {
        match kind {
            Kind::Gateway => {
                self.gateway.take().context("the gateway is there")?.kill()?;
                // The cluster outlives it, and the next one adopts it. Clients run in this thread, so they ask meanwhile only
                // between two looks.
                let (site, settings) = (self.site, self.settings.clone());
                self.gateway = Some(site.serve_soon("gateway", &settings).await?);
            }
            Kind::Postgres => {
                let file = self.data.join("postgres/data/postmaster.pid");
                let text = fs::read_to_string(&file).context("find PostgreSQL")?;
                let pid = text.lines().next().and_then(|line| line.trim().parse().ok());
                let pid = pid.and_then(Pid::from_raw).context("find PostgreSQL's process")?;
                kill_process(pid, Signal::KILL).context("kill PostgreSQL")?;
            }
            Kind::Connection => {
                let owner = connect_once_up(&self.database).await?;
                let ended = owner
                    .execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                         WHERE datname = 'onestop' AND pid <> pg_backend_pid()",
                        &[],
                    )
                    .await?;
                ensure!(0 < ended, "the gateway had no connection");
            }
            Kind::Clock => {
                let clock = self.clock.as_ref().context("there is a clock")?;
                for days in [1, -1] {
                    clock.set(days * 24 * 3_600)?;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                clock.set(0)?;
            }
            Kind::DiskFull => {
                let ballast = self.data.join("ballast");
                let free = rustix::fs::statvfs(&self.data).context("look at the disk")?;
                // Past what is free: the file ends where the disk is full.
                fill(&ballast, free.f_bavail * free.f_frsize);
                tokio::time::sleep(Duration::from_secs(3)).await;
                fs::remove_file(&ballast).context("make room again")?;
            }
        }
        Ok(())
    }

    /// Every answer that a client got, beside what is stored.
    async fn compare(&self, drill: &mut Drill, heard: &[Heard]) -> Result<(), anyhow::Error> {
        let owner = connect_once_up(&self.database).await?;
        let rows = owner
            .query("SELECT hospital_code, request_id, settlement_id FROM settlement", &[])
            .await
            .context("read what is stored")?;
        let mut stored: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for row in &rows {
            stored.entry((row.get(0), row.get(1))).or_default().insert(row.get(2));
        }
        let stays: Vec<String> = owner
            .query(
                "SELECT hospital_code || ' ' || stay_id FROM settlement s WHERE reverses_settlement_id IS NULL \
                 GROUP BY hospital_code, stay_id HAVING 1 < count(*)",
                &[],
            )
            .await?
            .iter()
            .map(|row| row.get(0))
            .collect();
        drill.doubled.extend(stays.into_iter().map(|stay| format!("stay {stay}")));
        let twice = stored.iter().filter(|(_, settlements)| 1 < settlements.len());
        drill.doubled.extend(twice.map(|((_, request), _)| format!("request {request}")));
        for Heard { request_id, hospital_code, class, ask, .. } in heard {
            let word = class.word.as_ref();
            match word {
                "settled" | "repeat" | "reversed" | "repeated reversal" => {
                    drill.settled += u64::from(word == "settled");
                    let request = match ask {
                        Ask::Reverse => format!("RV{}", request_id.get(2..).unwrap_or_default()),
                        Ask::Quote | Ask::Settle | Ask::Repeat => request_id.clone(),
                    };
                    let known = stored.get(&(hospital_code.clone(), request.clone()));
                    let id = class.settlement_id.clone().unwrap_or_default();
                    if !known.is_some_and(|known| known.contains(&id)) {
                        drill.missing.push(format!("{word} {request} as {id}"));
                    }
                }
                other => *drill.refused.entry(other.to_owned()).or_default() += 1,
            }
        }
        let pool = Pool::new(self.database.clone(), NoTls, &PoolSettings::default());
        let faults =
            check_integrity(&pool.context("make a pool")?).await.context("check integrity")?;
        drill.integrity =
            faults.iter().map(|fault| format!("{}: {}", fault.what, fault.detail)).collect();
        Ok(())
    }
}

/// Writes until the disk takes no more.
fn fill(path: &Path, bytes: u64) {
    use std::io::Write as _;
    let Ok(mut file) = fs::File::create(path) else { return };
    let block = vec![0_u8; 1 << 20];
    for _ in 0..=bytes / (1 << 20) {
        if file.write_all(&block).is_err() {
            // What is left is less than a block: a log or table needs more than this at once.
            file.write_all(&[0; 4_096]).ok();
            return;
        }
    }
}

impl Drill {
    /// Nothing answered is missing, nothing is doubled, state agrees with history, and every fault was got over.
    pub fn held(&self) -> bool {
        self.missing.is_empty()
            && self.doubled.is_empty()
            && self.integrity.is_empty()
            && self.faults.iter().all(|fault| fault.first_good_answer_ms.is_some())
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for line in self.place.text().lines() {
            text.push_str(&format!("* {line}\n"));
        }
        text.push_str("\n| fault, under 32 clients | first good answer after | settled before | settled after |\n|---|---|---|---|\n");
        for Fault { what, first_good_answer_ms, settled_before, settled_after } in &self.faults {
            let first = first_good_answer_ms.map_or("**none**".to_owned(), |ms| format!("{ms} ms"));
            text.push_str(&format!("| {what} | {first} | {settled_before} | {settled_after} |\n"));
        }
        let Drill { settled, missing, doubled, integrity, .. } = self;
        text.push_str(&format!(
            "\n{settled} settlements were answered: {} missing, {} doubled, {} faults of integrity.\n",
            missing.len(),
            doubled.len(),
            integrity.len()
        ));
        for (what, named) in [("missing", missing), ("doubled", doubled), ("integrity", integrity)]
        {
            for one in named.iter().take(5) {
                text.push_str(&format!("\n{what}: {one}\n"));
            }
        }
        for (what, count) in &self.refused {
            text.push_str(&format!("\nother answers, {count} ×: {what}\n"));
        }
        for left_out in &self.left_out {
            text.push_str(&format!("\nLeft out: {left_out}.\n"));
        }
        text
    }
}

/// A connection, once PostgreSQL takes any: after the fault before it may still be reading its log.
async fn connect_once_up(database: &Config) -> Result<Client, anyhow::Error> {
    let begun = Instant::now();
    loop {
        match connect(database).await {
            Ok(client) => return Ok(client),
            Err(error) if RECOVERY_MAX < begun.elapsed() => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_holds_only_where_nothing_is_missing() {
        let fault = |ms| Fault {
            what: "a fault".to_owned(),
            first_good_answer_ms: ms,
            settled_before: 5,
            settled_after: 6,
        };
        let whole = Drill { faults: vec![fault(Some(120))], ..Drill::default() };
        assert!(whole.held() && whole.markdown().contains("| a fault | 120 ms | 5 | 6 |"));
        assert!(!Drill { faults: vec![fault(None)], ..whole.clone() }.held());
        let missing = Drill { missing: vec!["settled MS1 as S1".to_owned()], ..whole.clone() };
        assert!(!missing.held() && missing.markdown().contains("missing: settled MS1 as S1"));
        let text = serde_json::to_string(&missing).unwrap();
        assert_eq!(serde_json::from_str::<Drill>(&text).unwrap(), missing);
    }
}
