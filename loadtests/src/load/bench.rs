//! The published set: our server and what it is measured against, one after the other, repeat by repeat, so that whatever else the
//! machine does meets all of them alike. Only ratios within one run are judged.
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use onestop::store::cluster::DATABASE;
use onestop::store::{Pool, PoolSettings, check_integrity};
use tokio_postgres::{Config, NoTls};

use super::bills::Desk;
use super::copies::Written;
use super::drive::{self, Driver, Span};
use super::history;
use super::judge::{Bench, Registry, Sample, judge};
use super::machine::{Memory, sync_us};
use super::national::Hospital;
use super::pgbench::{Pgbench, Script};
use super::populate::{self, connect};
use super::population::{REGION, hospital_code};
use super::processor::{Since, used_us};
use super::progress::say;
use super::results::Place;
use super::run_name;
use super::scenario::{Arrivals, Scenario};
use super::site::{Database, Process, Site};

/// What our server is told to commit each settlement by itself.
const GROUPING_OFF: [(&str, &str); 2] =
    [("ONESTOP_COMMIT_GROUP_MAX", "1"), ("ONESTOP_COMMIT_WRITERS", "16")];

/// How long the registry may take to come into memory, before that is given up.
const REGISTRY_MAX: Duration = Duration::from_secs(120);

/// Scenarios as they are published.
const SETTLE: &str = include_str!("../../scenarios/settle.toml");
const DAY: &str = include_str!("../../scenarios/day.toml");
const HOT: &str = include_str!("../../scenarios/hot.toml");
const QUOTES: &str = include_str!("../../scenarios/quotes.toml");

/// Parts of the set, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Part {
    /// Settlements, quotes, echo, pgbench, grouping off.
    Core,
    /// Half of the saturated rate, in an open loop.
    Half,
    /// One person for all clients.
    Hot,
    /// Ten minutes of a day.
    Soak,
    /// A disk that takes 2 ms more to sync.
    Slow,
    /// What logs, traces and metrics cost.
    Telemetry,
    /// What client certificates and looking up who may do what cost.
    Tls,
    /// What a settlement costs by the national JSON door.
    Json,
    /// Millions of persons and settlements stored.
    Big,
}

/// How much of it.
#[derive(Debug, Clone)]
pub struct Plan {
    pub repeats: u32,
    pub parts: Vec<Part>,
    pub span: Span,
    pub soak: Span,
    pub persons: u32,
    pub big_persons: u32,
    pub big_settlements: u64,
    /// Stays of one repeat by the national door.
    pub json_stays: u64,
}

impl Plan {
    /// The published set.
    pub fn published(repeats: u32) -> Plan {
        let span = Span { warm_up: Duration::from_secs(2), measured: Duration::from_secs(8) };
        Plan {
            repeats,
            parts: vec![
                Part::Core,
                Part::Half,
                Part::Hot,
                Part::Soak,
                Part::Telemetry,
                Part::Tls,
                Part::Json,
                Part::Slow,
                Part::Big,
            ],
            span,
            soak: Span { warm_up: Duration::from_secs(5), measured: Duration::from_secs(600) },
            persons: 200_000,
            big_persons: 4_137_000,
            big_settlements: 10_000_000,
            json_stays: 10_000,
        }
    }

    /// What two minutes allow: enough to see that all of it works, too short for figures.
    pub fn quick() -> Plan {
        let span =
            Span { warm_up: Duration::from_millis(500), measured: Duration::from_millis(1_500) };
        let soak = Span { warm_up: Duration::from_secs(1), measured: Duration::from_secs(5) };
        let few = Plan {
            persons: 20_000,
            big_persons: 50_000,
            big_settlements: 100_000,
            json_stays: 200,
            ..Plan::published(1)
        };
        Plan { span, soak, ..few }
    }
}

/// A server of ours and who asks it.
struct Target {
    driver: Rc<Driver>,
    server: Option<Process>,
}

/// One database, as far as it is used up.
struct Used {
    connection: Config,
    persons: u32,
    serial: u64,
}

struct Running<'a> {
    site: &'a Site,
    plan: &'a Plan,
    bench: Bench,
}

/// Persons who have used nothing, in a database as one that has run for a while: what was written is on the disk, and the log goes into
/// segments that were there before.
async fn populated(connection: Config, keys: &Path, persons: u32) -> Result<Used, anyhow::Error> {
    populate::populate(&connection, keys, persons).await?;
    connect(&connection).await?.batch_execute("CHECKPOINT").await.context("checkpoint")?;
    Ok(Used { connection, persons, serial: 0 })
}

/// Runs it, and hands over what is found after each part: a later one may end all of it. Must run in a local set.
pub async fn run(
    plan: &Plan,
    keep: impl Fn(&Bench) -> Result<(), anyhow::Error>,
) -> Result<Bench, anyhow::Error> {
    let site = Site::new("bench")?;
    let mut place = Place { sync_us: Some(sync_us(&site.folder)?), ..Place::here() };
    let database = site.cluster("plain").await?;
    let admin = connect(&database.connection(DATABASE)).await?;
    place.machine.postgres =
        admin.query_one("SELECT split_part(version(), ' (', 1)", &[]).await?.get(0);
    let mut running = Running { site: &site, plan, bench: Bench { place, ..Bench::default() } };
    let mut used = populated(database.connection(DATABASE), &site.keys, plan.persons).await?;
    if [Part::Core, Part::Half, Part::Hot, Part::Soak].iter().any(|part| plan.parts.contains(part))
    {
        running.on_the_plain_disk(&database, &mut used).await?;
        running.judged(&keep)?;
    }
    if plan.parts.contains(&Part::Telemetry) {
        running.telemetry(&database, &used).await?;
        running.judged(&keep)?;
    }
    if plan.parts.contains(&Part::Tls) {
        running.tls(&database, &used).await?;
        running.judged(&keep)?;
    }
    if plan.parts.contains(&Part::Json) {
        running.json(&database, &used).await?;
        running.judged(&keep)?;
    }
    if plan.parts.contains(&Part::Big) {
        running.big(&database, &mut used).await?;
        running.judged(&keep)?;
    }
    drop(database);
    if plan.parts.contains(&Part::Slow) {
        running.slow().await?;
        running.judged(&keep)?;
    }
    Ok(running.bench)
}

impl Running<'_> {
    /// What is found so far, judged and kept.
    fn judged(
        &mut self,
        keep: &impl Fn(&Bench) -> Result<(), anyhow::Error>,
    ) -> Result<(), anyhow::Error> {
        self.bench.bars = judge(&self.bench);
        keep(&self.bench)
    }

    async fn on_the_plain_disk(
        &mut self,
        database: &Database,
        used: &mut Used,
    ) -> Result<(), anyhow::Error> {
        let ours = self.target(("ours", &BTreeMap::new()), SETTLE, used).await?;
        let reply = ours.driver.sample().await?;
        used.serial = ours.driver.serial();
        self.bench.request_bytes = ours.driver.request_bytes_mean();
        self.bench.reply_bytes = reply.len();
        if self.plan.parts.contains(&Part::Core) {
            self.core(database, (&ours, &reply), used).await?;
        }
        if self.plan.parts.contains(&Part::Half) {
            let saturated = self.bench.median("settle", 64).unwrap_or(1_000);
            let half = u32::try_from(saturated / 2).unwrap_or(1).max(1);
            for _ in 0..self.plan.repeats {
                let load = Load::Open(Arrivals::Poisson, half);
                self.sample("half of the saturated rate", (&ours, used), load).await?;
            }
        }
        if self.plan.parts.contains(&Part::Hot) {
            let hot = self.driver(HOT, &ours, used).await?;
            for _ in 0..self.plan.repeats {
                self.sample("one person", (&hot, used), Load::Closed(64)).await?;
            }
        }
        if self.plan.parts.contains(&Part::Soak) {
            let day = self.driver(DAY, &ours, used).await?;
            let (span, server) = (self.plan.soak, process(&ours)?);
            // Whether memory is flat shows only once everything has run for a while.
            let settled_in = span.warm_up + span.measured / 6;
            let begun = tokio::task::spawn_local(async move {
                tokio::time::sleep(settled_in).await;
                Memory::of(server)
            });
            let step = self.step(&day, used, (Load::Open(Arrivals::Poisson, 2_000), span)).await?;
            let ended = Memory::of(server);
            self.bench.soak_memory = Some((begun.await.context("look at memory")?, ended));
            self.bench.add("a day", None, Sample { memory: Some(ended), ..Sample::of(&step) });
        }
        // What the server holds of persons is there for their sake, whoever asks.
        let server = ours.server.as_ref();
        self.bench.persons_kib = server
            .and_then(|server| server.told("onestop_persons_bytes"))
            .map(|bytes| bytes / 1_024);
        self.bench.came = Some((used.serial, u64::from(used.persons)));
        drop(ours);
        say("checking that history and state agree");
        let pool = Pool::new(used.connection.clone(), NoTls, &PoolSettings::default());
        let faults =
            check_integrity(&pool.context("make a pool")?).await.context("check integrity")?;
        let faults = faults.iter().map(|fault| format!("{}: {}", fault.what, fault.detail));
        self.bench.integrity = Some(faults.take(20).collect());
        Ok(())
    }

    async fn core(
        &mut self,
        database: &Database,
        (ours, reply): (&Target, &[u8]),
        used: &mut Used,
    ) -> Result<(), anyhow::Error> {
        let echo = self.site.echo(reply)?;
        let scenario = self.scenario(SETTLE, used.persons)?;
        let driver = Driver::connect(&scenario, &echo.address, (&run_name(), 0)).await?;
        let driver = Rc::new(driver.expecting("repeat"));
        let echo = Target { driver, server: Some(echo) };
        let quotes = self.driver(QUOTES, ours, used).await?;
        let pgbench = self.pgbench(database, used).await?;
        for repeat in 1..=self.plan.repeats {
            say(&format!("repeat {repeat} of {}", self.plan.repeats));
            for clients in [1, 64] {
                self.sample("echo", (&echo, used), Load::Closed(clients)).await?;
                self.sample("settle", (ours, used), Load::Closed(clients)).await?;
            }
            self.sample("quote", (&quotes, used), Load::Closed(64)).await?;
            // Only while it is asked: a gateway that is not alone on its database reads for each quote.
            if let Some(off) = self.grouping_off("grouping off", used).await {
                self.sample("grouping off", (&off, used), Load::Closed(64)).await?;
            }
            for script in [Script::Transaction, Script::Statement] {
                for clients in [1, 8, 32] {
                    self.run_pgbench(&pgbench, script, clients).await?;
                }
            }
            for clients in [16, 256] {
                self.sample("settle", (ours, used), Load::Closed(clients)).await?;
            }
        }
        Ok(())
    }

    /// Quotes, which write nothing, with all that is seen switched on and off, one server after the other: with another beside it
    /// each quote would be read.
    async fn telemetry(&mut self, database: &Database, used: &Used) -> Result<(), anyhow::Error> {
        let used = &self.another(database, used, ("watched", self.plan.persons)).await?;
        let sink = self.site.sink()?;
        let on = [("ONESTOP_OTLP_ENDPOINT", sink.address.as_str()), ("ONESTOP_LOG_FILTER", "info")];
        let on = ("telemetry on", settings(&on));
        let off = ("telemetry off", settings(&[("ONESTOP_LOG_FILTER", "off")]));
        for repeat in 0..self.plan.repeats.saturating_mul(2) {
            // Which comes first takes turns.
            let pair = if repeat % 2 == 0 { [&on, &off] } else { [&off, &on] };
            for (name, told) in pair {
                let target = self.target((name, told), QUOTES, used).await?;
                let Span { warm_up, measured } = self.plan.span;
                let whole = Span { warm_up: Duration::ZERO, measured };
                // The registry is in memory then, and the connections are made.
                drive::closed(&target.driver, 64, Span { measured: warm_up, ..whole }).await?;
                let (server, sent) = (process(&target)?, target.driver.sent());
                let before = used_us(server);
                let step = drive::closed(&target.driver, 64, whole).await?;
                let requests = target.driver.sent().saturating_sub(sent).max(1);
                let each_ns = used_us(server).saturating_sub(before) * 1_000 / requests;
                let sample = Sample { server_ns: Some(each_ns), ..Sample::of(&step) };
                self.bench.add(name, Some(64), sample);
            }
        }
        Ok(())
    }

    /// Settlements of one hospital, by a caller whom nobody looks at and by one with a certificate.
    async fn tls(&mut self, database: &Database, used: &Used) -> Result<(), anyhow::Error> {
        let mut used = self.another(database, used, ("certified", self.plan.persons)).await?;
        let mut scenario = self.scenario(SETTLE, used.persons)?;
        let bills = &mut scenario.bills;
        (bills.one_hospital, bills.hospital_level_shares) = (true, [0, 1, 0]);
        let certified = self.site.certify(&hospital_code(REGION, 2, 0))?;
        let nothing = BTreeMap::new();
        let (plain, tls) =
            (("plain", &nothing, None), ("mTLS", &certified.settings, Some(&certified.client)));
        let mut targets = Vec::new();
        for (name, told, tls) in [plain, tls] {
            let server = self.site.serve(name, Some(&used.connection), told)?;
            let address = match tls {
                Some(_) => server.address.replace("http://127.0.0.1", "https://localhost"),
                None => server.address.clone(),
            };
            let driver =
                Driver::connect_as(&scenario, (&address, tls), (&run_name(), used.serial)).await?;
            targets.push((name, Target { driver: Rc::new(driver), server: Some(server) }));
        }
        for _ in 0..self.plan.repeats {
            for clients in [1, 64] {
                for (name, target) in &targets {
                    self.sample(name, (target, &mut used), Load::Closed(clients)).await?;
                }
            }
        }
        Ok(())
    }

    /// The same stays by the national door, message by message, and by gRPC in one: what each costs the server's processor.
    async fn json(&mut self, database: &Database, used: &Used) -> Result<(), anyhow::Error> {
        let mut used = self.another(database, used, ("json", self.plan.persons)).await?;
        let listen = self.site.free_listen()?;
        let told = settings(&[("ONESTOP_NATIONAL_LISTEN", &listen)]);
        let target = self.target(("json", &told), SETTLE, &used).await?;
        let server = process(&target)?;
        let scenario = self.scenario(SETTLE, used.persons)?;
        let desk = Desk::new(&scenario.bills, (scenario.persons, false), &run_name());
        let address = listen.parse().context("read an address")?;
        for _ in 0..self.plan.repeats {
            let serials = used.serial..used.serial + self.plan.json_stays;
            used.serial = serials.end;
            let mut hospital = Hospital::new((address, server), 64, (&desk, serials))?;
            hospital.admit().await?;
            for (name, took) in
                [("json 2301", hospital.charge().await?), ("json 2304", hospital.settle().await?)]
            {
                let elapsed_ms = took.elapsed.as_millis().max(1);
                let per_second = u128::from(took.messages) * 1_000 / elapsed_ms;
                let per_second = u64::try_from(per_second).unwrap_or(u64::MAX);
                let server_ns = Some(took.server_ns);
                self.bench.add(
                    name,
                    Some(64),
                    Sample { per_second, server_ns, ..Sample::default() },
                );
            }
            target.driver.go_on_from(used.serial);
            let (sent, before) = (target.driver.sent(), used_us(server));
            let whole = Span { warm_up: Duration::ZERO, ..self.plan.span };
            let step = drive::closed(&target.driver, 64, whole).await?;
            let requests = target.driver.sent().saturating_sub(sent).max(1);
            let server_ns = Some(used_us(server).saturating_sub(before) * 1_000 / requests);
            self.bench.add("json beside gRPC", Some(64), Sample { server_ns, ..Sample::of(&step) });
            used.serial = step.next_serial;
        }
        Ok(())
    }

    async fn pgbench(&self, database: &Database, used: &Used) -> Result<Pgbench, anyhow::Error> {
        say("preparing pgbench");
        let written = Written::newest(&used.connection).await?;
        let programs = database.programs()?;
        Pgbench::prepare((&self.site.folder, &programs), &used.connection, &written).await
    }

    async fn run_pgbench(
        &mut self,
        pgbench: &Pgbench,
        script: Script,
        clients: usize,
    ) -> Result<(), anyhow::Error> {
        let since = Since::now(&[std::process::id()]);
        let seconds = self.plan.span.measured.as_secs().max(1);
        let per_second = pgbench.run(script, clients, seconds).await?;
        let sample = Sample { per_second, processor: since.shares(), ..Sample::default() };
        self.bench.add(script.word(), Some(clients), sample);
        Ok(())
    }

    /// The whole comparison on a disk that takes 2 ms more to sync.
    async fn slow(&mut self) -> Result<(), anyhow::Error> {
        let database = match self.site.slow_cluster("slow").await {
            Ok(database) => database,
            Err(error) => {
                self.bench.left_out.push(format!("a slow disk: {error:#}"));
                return Ok(());
            }
        };
        let connection = database.connection(DATABASE);
        let mut used = populated(connection, &self.site.keys, self.plan.persons).await?;
        let ours = self.target(("slow", &BTreeMap::new()), SETTLE, &used).await?;
        let off = self.grouping_off("slow, grouping off", &used).await;
        for _ in 0..self.plan.repeats {
            self.sample("settle on a slow disk", (&ours, &mut used), Load::Closed(256)).await?;
            if let Some(off) = &off {
                self.sample("grouping off on a slow disk", (off, &mut used), Load::Closed(256))
                    .await?;
            }
            self.sample("settle on a slow disk", (&ours, &mut used), Load::Closed(1)).await?;
        }
        Ok(())
    }

    /// Millions stored, beside a database that holds next to nothing.
    async fn big(&mut self, database: &Database, used: &mut Used) -> Result<(), anyhow::Error> {
        let mut small = self.another(database, used, ("small", self.plan.persons)).await?;
        let mut big = self.another(database, used, ("big", self.plan.big_persons)).await?;
        let empty = self.target(("small", &BTreeMap::new()), SETTLE, &small).await?;
        // What is copied is a settlement of 50 lines.
        empty.driver.sample().await?;
        small.serial = empty.driver.serial();
        let written = Written::newest(&small.connection).await?;
        history::fill(&big.connection, (&written, 0), self.plan.big_settlements).await?;
        let began = Instant::now();
        let full = self.target(("big", &BTreeMap::new()), SETTLE, &big).await?;
        self.bench.registry = registry(full.server.as_ref(), began, big.persons.into()).await;
        for _ in 0..self.plan.repeats {
            self.sample("settle with little stored", (&empty, &mut small), Load::Closed(64))
                .await?;
            self.sample("settle with millions stored", (&full, &mut big), Load::Closed(64)).await?;
        }
        Ok(())
    }

    /// A database beside the one that is there, of persons who have used nothing.
    async fn another(
        &self,
        database: &Database,
        beside: &Used,
        (name, persons): (&str, u32),
    ) -> Result<Used, anyhow::Error> {
        populate::make_database(&beside.connection, name).await?;
        populated(database.connection(name), &self.site.keys, persons).await
    }

    fn scenario(&self, text: &str, persons: u32) -> Result<Scenario, anyhow::Error> {
        Ok(Scenario { persons, ..Scenario::parse(text)? })
    }

    /// A server on a database, and a driver for it.
    async fn target(
        &mut self,
        (name, told): (&str, &BTreeMap<String, String>),
        text: &str,
        used: &Used,
    ) -> Result<Target, anyhow::Error> {
        let server = self.site.serve(name, Some(&used.connection), told)?;
        for (setting, value) in told {
            self.bench.place.settings.insert(format!("{name}: {setting}"), value.clone());
        }
        let scenario = self.scenario(text, used.persons)?;
        let driver =
            Driver::connect(&scenario, &server.address, (&run_name(), used.serial)).await?;
        Ok(Target { driver: Rc::new(driver), server: Some(server) })
    }

    /// Our server as it would be if it committed each settlement by itself; nothing where it cannot be told to.
    async fn grouping_off(&mut self, name: &str, used: &Used) -> Option<Target> {
        match self.target((name, &settings(&GROUPING_OFF)), SETTLE, used).await {
            Ok(target) => Some(target),
            Err(error) => {
                self.bench.left_out.push(format!("{name}: {error:#}"));
                None
            }
        }
    }

    /// Another driver for a server that is there.
    async fn driver(&self, text: &str, of: &Target, used: &Used) -> Result<Target, anyhow::Error> {
        let address = &of.server.as_ref().context("the server is there")?.address;
        let scenario = self.scenario(text, used.persons)?;
        let driver = Driver::connect(&scenario, address, (&run_name(), used.serial)).await?;
        Ok(Target { driver: Rc::new(driver), server: None })
    }

    async fn sample(
        &mut self,
        name: &str,
        (target, used): (&Target, &mut Used),
        load: Load,
    ) -> Result<(), anyhow::Error> {
        let step = self.step(target, used, (load, self.plan.span)).await?;
        let memory = target.server.as_ref().map(|server| Memory::of(server.pid()));
        let clients = match load {
            Load::Closed(clients) => Some(clients),
            Load::Open(..) => None,
        };
        self.bench.add(name, clients, Sample { memory, ..Sample::of(&step) });
        Ok(())
    }

    async fn step(
        &self,
        target: &Target,
        used: &mut Used,
        (load, span): (Load, Span),
    ) -> Result<super::results::Step, anyhow::Error> {
        // Servers on one database go on where the last one ended, or they would settle the same stays.
        target.driver.go_on_from(used.serial);
        let since = Since::now(&[std::process::id()]);
        let mut step = match load {
            Load::Closed(clients) => drive::closed(&target.driver, clients, span).await?,
            Load::Open(arrivals, rate) => {
                drive::open(&target.driver, (arrivals, rate), span).await?
            }
        };
        step.processor = since.shares();
        used.serial = step.next_serial;
        Ok(step)
    }
}

/// What one sample asks for.
#[derive(Debug, Clone, Copy)]
enum Load {
    Closed(usize),
    Open(Arrivals, u32),
}

fn settings(told: &[(&str, &str)]) -> BTreeMap<String, String> {
    told.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Waits until a server that was started at `began` has all persons in memory; nothing where it does not come to that.
async fn registry(server: Option<&Process>, began: Instant, wanted: u64) -> Option<Registry> {
    let ms = |since: Instant| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (server, listens_ms) = (server?, ms(began));
    while began.elapsed() < REGISTRY_MAX {
        let persons = server.told("onestop_persons_registered").unwrap_or(0);
        if wanted <= persons {
            let kib = server.told("onestop_persons_bytes")? / 1_024;
            return Some(Registry { persons, kib, listens_ms, there_ms: ms(began) });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

fn process(target: &Target) -> Result<u32, anyhow::Error> {
    Ok(target.server.as_ref().context("the server is there")?.pid())
}
