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
/// Between two looks at whether PostgreSQL is there again.
const LOOK: Duration = Duration::from_millis(5);

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
    /// How long PostgreSQL took no connection, or the disk nothing more; none where it is the gateway that has to get over it.
    pub mended_after_ms: u64,
    /// From then on to the first settlement that was asked for after the fault; nothing where none came in time.
    pub first_good_answer_ms: Option<u64>,
    /// The longest that nobody got a good answer, from the fault on.
    pub longest_without_ms: u64,
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

/// When a fault was.
#[derive(Debug, Clone, Copy)]
struct When {
    began: Instant,
    /// An answer to whoever asked earlier says nothing.
    took_hold: Instant,
    /// From here on nothing but the gateway stands in the way of a good answer.
    mended: Instant,
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
    /// Load before a fault, after it, and beside that while PostgreSQL is away.
    pub before: Duration,
    pub after: Duration,
    pub away: Duration,
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
            away: Duration::from_secs(8),
            disk: true,
        }
    }

    /// As much as is done for every change.
    pub const fn short() -> Length {
        let (before, after) = (Duration::from_millis(1_500), Duration::from_secs(3));
        Length { persons: 2_000, before, after, away: Duration::ZERO, disk: false }
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
            let away = match kind {
                Kind::Postgres | Kind::DiskFull => length.away,
                Kind::Gateway | Kind::Connection | Kind::Clock => Duration::ZERO,
            };
            let measured = length.before + away + length.after;
            let span = Span { warm_up: Duration::ZERO, measured };
            let load = {
                let driver = Rc::clone(&driver);
                tokio::task::spawn_local(async move { drive::closed(&driver, CLIENTS, span).await })
            };
            tokio::time::sleep(length.before).await;
            let when = self.cause(*kind).await?;
            let step = load.await.context("wait for the load")??;
            first = step.next_serial;
            let mut of_fault = driver.journal();
            if when.first_good(&of_fault).is_none() {
                of_fault.extend(self.recovered(&scenario, (&address, &mut first)).await?);
            }
            drill.faults.push(when.fault(*kind, &of_fault));
            heard.extend(of_fault);
        }
        self.compare(drill, &heard).await
    }

    /// Asks on until something settles, where the load ended before that.
    async fn recovered(
        &self,
        scenario: &Scenario,
        (address, first): (&str, &mut u64),
    ) -> Result<Vec<Heard>, anyhow::Error> {
        let mut heard = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < RECOVERY_MAX && !heard.iter().any(is_good) {
            if let Ok(driver) = Driver::connect(scenario, address, (&run_name(), *first)).await {
                let driver = Rc::new(driver.with_journal());
                let span = Span { warm_up: Duration::ZERO, measured: Duration::from_millis(500) };
                *first = drive::closed(&driver, 1, span).await?.next_serial;
                heard.extend(driver.journal());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(heard)
    }

    fn restart(&mut self) -> Result<(), anyhow::Error> {
        self.gateway = None;
        self.gateway = Some(self.site.serve("gateway", None, &self.settings)?);
        Ok(())
    }

    async fn cause(&mut self, kind: Kind) -> Result<When, anyhow::Error> {
        let began = Instant::now();
        let mut took_hold = began;
        let mut mended = None;
        match kind {
            Kind::Gateway => {
                self.gateway.take().context("the gateway is there")?.kill()?;
                took_hold = Instant::now();
                // The cluster outlives it, and the next one adopts it. Clients run in this thread, so they ask meanwhile only
                // between two looks.
                let (site, settings) = (self.site, self.settings.clone());
                self.gateway = Some(site.serve_soon("gateway", &settings).await?);
            }
            Kind::Postgres => {
                let pid = self.postgres()?;
                kill_process(pid, Signal::KILL).context("kill PostgreSQL")?;
                took_hold = Instant::now();
                // Nobody else's: the one that was killed may not be gone yet.
                while self.postgres().ok().is_none_or(|other| other == pid) {
                    ensure!(began.elapsed() < RECOVERY_MAX, "PostgreSQL was not started again");
                    tokio::time::sleep(LOOK).await;
                }
                connect_once_up(&self.database).await?;
                mended = Some(Instant::now());
            }
            Kind::Connection => {
                let owner = connect_once_up(&self.database).await?;
                // Each is waited for until it is gone.
                let ended = owner
                    .query_one(
                        "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
                         WHERE datname = 'onestop' AND pid <> pg_backend_pid()",
                        &[],
                    )
                    .await?;
                let ended: i64 = ended.get(0);
                took_hold = Instant::now();
                ensure!(0 < ended, "the gateway had no connection");
            }
            Kind::Clock => {
                let clock = self.clock.as_ref().context("there is a clock")?;
                for days in [1, -1] {
                    clock.set(days * 24 * 3_600)?;
                    // The step back is the worse one.
                    took_hold = Instant::now();
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                clock.set(0)?;
            }
            Kind::DiskFull => {
                let ballast = self.data.join("ballast");
                fill(&ballast)?;
                took_hold = Instant::now();
                tokio::time::sleep(Duration::from_secs(3)).await;
                fs::remove_file(&ballast).context("make room again")?;
                // Where it could not write its log it has ended too.
                connect_once_up(&self.database).await?;
                mended = Some(Instant::now());
            }
        }
        Ok(When { began, took_hold, mended: mended.unwrap_or(took_hold) })
    }

    /// PostgreSQL's process.
    fn postgres(&self) -> Result<Pid, anyhow::Error> {
        let file = self.data.join("postgres/data/postmaster.pid");
        let text = fs::read_to_string(&file).context("find PostgreSQL")?;
        let pid = text.lines().next().and_then(|line| line.trim().parse().ok());
        pid.and_then(Pid::from_raw).context("find PostgreSQL's process")
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
                // The client's own words, where it lost its connection: no code of ours comes with them.
                "refused Unknown" => {
                    let what = format!("{word}: {}", class.message);
                    *drill.refused.entry(what).or_default() += 1;
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

impl When {
    /// When the first good answer came that can only be from after the fault.
    fn first_good(&self, heard: &[Heard]) -> Option<Instant> {
        let late = |of: &&Heard| self.took_hold <= of.asked_at && self.mended <= of.at;
        heard.iter().filter(|of| is_good(of)).filter(late).map(|of| of.at).min()
    }

    /// What it comes to, by what clients heard.
    fn fault(&self, kind: Kind, heard: &[Heard]) -> Fault {
        let ms = |from: Instant, to: Instant| {
            u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
        };
        let first_good = self.first_good(heard);
        let good = || heard.iter().filter(|of| is_good(of));
        let count = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
        let mut answered: Vec<Instant> =
            good().map(|of| of.at).filter(|at| self.began <= *at).collect();
        answered.sort_unstable();
        // Nor may it end in silence.
        answered.extend(heard.iter().map(|of| of.at).max().filter(|at| self.began <= *at));
        let since = std::iter::once(self.began).chain(answered.iter().copied());
        let longest = since.zip(&answered).map(|(from, to)| ms(from, *to)).max();
        Fault {
            what: kind.word().to_owned(),
            mended_after_ms: ms(self.took_hold, self.mended),
            first_good_answer_ms: first_good.map(|at| ms(self.mended, at)),
            longest_without_ms: longest.unwrap_or(0),
            settled_before: count(good().filter(|of| of.at < self.began).count()),
            settled_after: count(good().filter(|of| self.took_hold <= of.asked_at).count()),
        }
    }
}

/// A stay was settled, and not only told again.
fn is_good(heard: &Heard) -> bool {
    heard.ask == Ask::Settle && heard.class.word == "settled"
}

/// Writes until the disk takes no more.
fn fill(path: &Path) -> Result<(), anyhow::Error> {
    use std::io::{ErrorKind, Write as _};
    let mut file = fs::File::create(path).context("fill the disk")?;
    // What is then left is less than a page: a log or table needs more than this at once.
    for size in [1 << 20, 4_096] {
        let block = vec![0_u8; size];
        let full = loop {
            if let Err(error) = file.write_all(&block) {
                break error;
            }
        };
        ensure!(full.kind() == ErrorKind::StorageFull, "fill the disk: {full}");
    }
    Ok(())
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
        text.push_str(
            "\n| fault, under 32 clients | PostgreSQL or disk back after | first good answer from then | longest without one \
             | settled before | settled after |\n|---|---|---|---|---|---|\n",
        );
        for fault in &self.faults {
            let Fault { what, mended_after_ms, longest_without_ms, .. } = fault;
            let mended = if *mended_after_ms == 0 {
                "–".to_owned()
            } else {
                format!("{mended_after_ms} ms")
            };
            let first = fault.first_good_answer_ms;
            let first = first.map_or("**none**".to_owned(), |ms| format!("{ms} ms"));
            let (before, after) = (fault.settled_before, fault.settled_after);
            text.push_str(&format!(
                "| {what} | {mended} | {first} | {longest_without_ms} ms | {before} | {after} |\n"
            ));
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
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::answers::Class;
    use super::*;

    #[test]
    fn a_drill_holds_only_where_nothing_is_missing() {
        let fault = |ms| Fault {
            what: "a fault".to_owned(),
            mended_after_ms: 80,
            first_good_answer_ms: ms,
            longest_without_ms: 250,
            settled_before: 5,
            settled_after: 6,
        };
        let whole = Drill { faults: vec![fault(Some(120))], ..Drill::default() };
        assert!(
            whole.held()
                && whole.markdown().contains("| a fault | 80 ms | 120 ms | 250 ms | 5 | 6 |")
        );
        assert!(!Drill { faults: vec![fault(None)], ..whole.clone() }.held());
        let missing = Drill { missing: vec!["settled MS1 as S1".to_owned()], ..whole.clone() };
        assert!(!missing.held() && missing.markdown().contains("missing: settled MS1 as S1"));
        let text = serde_json::to_string(&missing).unwrap();
        assert_eq!(serde_json::from_str::<Drill>(&text).unwrap(), missing);
    }

    /// A settlement asked for and answered so many milliseconds after the fault began.
    fn settled(began: Instant, (asked_ms, at_ms): (u64, u64)) -> Heard {
        let class = Class { word: "settled".into(), settlement_id: None, message: String::new() };
        Heard {
            asked_at: began + Duration::from_millis(asked_ms),
            at: began + Duration::from_millis(at_ms),
            ask: Ask::Settle,
            request_id: String::new(),
            hospital_code: String::new(),
            class,
        }
    }

    #[test]
    fn only_an_answer_from_after_the_fault_is_one() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let when = When { began, took_hold: at(10), mended: at(300) };
        // Asked before it took hold; answered by what was about to end; asked while it lasted; asked after it.
        let heard = [(5, 400), (12, 20), (100, 310), (350, 360)].map(|times| settled(began, times));
        let [before, ending, meanwhile, after] = &heard;
        let fault = when.fault(Kind::Postgres, &heard);
        assert_eq!((fault.mended_after_ms, fault.first_good_answer_ms), (290, Some(10)));
        assert_eq!((fault.longest_without_ms, fault.settled_after), (290, 3));
        let none = when.fault(Kind::Postgres, &[before.clone(), ending.clone()]);
        assert_eq!((none.first_good_answer_ms, none.longest_without_ms), (None, 380));
        let refused = Class { word: "refused Unavailable".into(), ..meanwhile.class.clone() };
        let refused = Heard { class: refused, ..meanwhile.clone() };
        let late = when.fault(Kind::Postgres, &[refused.clone(), after.clone()]);
        assert_eq!(late.first_good_answer_ms, Some(60));
        let never = when.fault(Kind::Postgres, &[ending.clone(), refused]);
        assert_eq!((never.first_good_answer_ms, never.longest_without_ms), (None, 290));
    }
}
