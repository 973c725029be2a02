//! A month of so many settlements: its fund flow with all breakdowns, and a page of each list of what to look at.
use std::time::Instant;

use anyhow::{Context as _, ensure};
use onestop::app::audit::{AskedEntries, Audit, Month};
use onestop::app::{Caller, Role};
use onestop::domain::audit::{By, Measure, Which};
use onestop::store::cluster::DATABASE;
use onestop::store::{Pool, PoolSettings};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Config, NoTls};

use super::copies::Written;
use super::drive::Driver;
use super::history;
use super::machine::{Commit, Machine, Memory};
use super::populate::{connect, populate};
use super::progress::say;
use super::run_name;
use super::scenario::Scenario;
use super::site::Site;

const SETTLE: &str = include_str!("../../scenarios/settle.toml");

/// What was found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Found {
    pub machine: Machine,
    pub commit: Commit,
    pub settlements: u64,
    /// Lines of the finest breakdown.
    pub lines: u64,
    /// The first look, and the best of three.
    pub first_ms: u64,
    pub flow_ms: u64,
    /// The first page of each list, by its word.
    pub list_ms: Vec<(String, u64)>,
    pub memory: Memory,
}

/// Settles one stay, copies it to so many settlements of the month before, and looks at them.
pub async fn run(settlements: u64, persons: u32) -> Result<Found, anyhow::Error> {
    let site = Site::new("audit")?;
    let database = site.cluster("postgres").await?;
    let connection = database.connection(DATABASE);
    populate(&connection, &site.keys, persons).await?;
    {
        let server = site.serve("server", Some(&connection), &std::collections::BTreeMap::new())?;
        let scenario = Scenario { persons, ..Scenario::parse(SETTLE)? };
        let driver = Driver::connect(&scenario, &server.address, (&run_name(), 0)).await?;
        driver.sample().await?;
    }
    let today = onestop::app::now().day;
    let last = today.first_of_month().yesterday().context("there is a month before")?;
    let days_ago = last.first_of_month().until(today)?.get_days().unsigned_abs();
    history::fill_month(&connection, (&Written::newest(&connection).await?, days_ago), settlements)
        .await?;
    let month = format!("{:04}-{:02}", last.year(), last.month());
    let found = look(&connection, &month).await?;
    ensure!(found.settlements == settlements, "{} were looked at", found.settlements);
    drop(database);
    Ok(found)
}

async fn look(database: &Config, month: &str) -> Result<Found, anyhow::Error> {
    let settings = PoolSettings { connections_max: 2, ..PoolSettings::default() };
    let pool = Pool::beside(database.clone(), NoTls, &settings)?;
    let caller = Caller {
        name: "load".to_owned(),
        role: Role::Development,
        door: "cli",
        purpose: None,
        deadline: None,
    };
    let audit = Audit::beside(&pool, &caller);
    let month = Month::parse(month).context("there is such a month")?;
    let ms = |since: Instant| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut found = Found {
        machine: Machine::here(),
        commit: Commit::here(),
        flow_ms: u64::MAX,
        ..Found::default()
    };
    for round in 0..3 {
        let begun = Instant::now();
        let audited = audit.flow(month, None).await?;
        let mut lines = 0;
        for by in By::ALL {
            lines = audited.flow.lines(by).map_err(|error| anyhow::anyhow!("{error:?}"))?.len();
        }
        let took = ms(begun);
        found.flow_ms = found.flow_ms.min(took);
        if round == 0 {
            found.first_ms = took;
            (found.lines, found.settlements) = (u64::try_from(lines)?, audited.flow.entries);
            // What is told is what is stored.
            let sum = "SELECT sum(fund_pay_total_fen + account_pay_fen)::bigint FROM settlement WHERE accounting_day BETWEEN $1 AND $2";
            let stored: i64 =
                connect(database).await?.query_one(sum, &[&month.first, &month.last]).await?.get(0);
            let funds =
                audited.flow.lines(By::Fund).map_err(|error| anyhow::anyhow!("{error:?}"))?;
            let told: i64 = funds.values().map(|of| of.of(Measure::GrantedToHospitals).get()).sum();
            ensure!(stored == told, "{told} is told, {stored} is stored");
        }
    }
    for which in Which::ALL {
        let asked = AskedEntries {
            month,
            region: None,
            hospital: None,
            fund: None,
            class: None,
            care: None,
            which,
            after: None,
            most: 500,
        };
        let begun = Instant::now();
        let listed = audit.entries(asked).await?;
        say(&format!("{} of {}", listed.len(), which.word()));
        found.list_ms.push((which.word().to_owned(), ms(begun)));
    }
    found.memory = Memory::of(std::process::id());
    Ok(found)
}

impl Found {
    /// As it is printed.
    pub fn text(&self) -> String {
        let Found { settlements, lines, first_ms, flow_ms, list_ms, memory, .. } = self;
        let lists: Vec<_> = list_ms.iter().map(|(of, took)| format!("{of} {took}")).collect();
        let mib = memory.most_kib / 1_024;
        format!(
            "{settlements} settlements, {lines} lines: fund flow {flow_ms} ms (first {first_ms}), a page of each list in ms: {}, at \
             most {mib} MiB\n",
            lists.join(", ")
        )
    }
}
