//! A detail file against as many settlements: read, matched, what differs explained, and the result written.
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use onestop::app::{Beside, Caller, Progress, Reconciling, ResultFormat, ResultOf, Role, Step};
use onestop::domain::ids::RegionCode;
use onestop::domain::reconcile::{Class, Encoding, Scope};
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
use super::scenario::{LineShare, Scenario};
use super::site::Site;

const SETTLE: &str = include_str!("../../scenarios/settle.toml");

/// One row in so many differs.
const DIFFERS_ONE_IN: u64 = 100;

/// What is reconciled.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub rows: u64,
    pub persons: u32,
    /// Charge lines of each bill: what is reconciled does not read them, but they fill the disk.
    pub lines: u32,
}

/// What was found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Found {
    pub machine: Machine,
    pub commit: Commit,
    pub rows: u64,
    #[serde(default)]
    pub bill_lines: u32,
    pub differences: u64,
    pub unexplained_per_10_000: Option<u64>,
    pub read_ms: u64,
    pub match_ms: u64,
    pub explain_ms: u64,
    pub write_ms: u64,
    pub all_ms: u64,
    pub memory: Memory,
}

/// Settles one stay, copies it to so many settlements of the day before, writes a file of them, and reconciles it.
pub async fn run(plan: Plan) -> Result<Found, anyhow::Error> {
    let Plan { rows, persons, lines } = plan;
    let site = Site::new("reconcile")?;
    let database = site.cluster("postgres").await?;
    let connection = database.connection(DATABASE);
    populate(&connection, &site.keys, persons).await?;
    {
        let server = site.serve("server", Some(&connection), &std::collections::BTreeMap::new())?;
        let mut scenario = Scenario { persons, ..Scenario::parse(SETTLE)? };
        scenario.bills.lines = vec![LineShare { from: lines, to: lines, share: 1 }];
        let driver = Driver::connect(&scenario, &server.address, (&run_name(), 0)).await?;
        driver.sample().await?;
    }
    history::fill(&connection, (&Written::newest(&connection).await?, 1), rows).await?;
    let file = site.folder.join("statement.txt");
    let sent = write_file(&connection, &file).await?;
    say(&format!("wrote a file of {sent} rows"));
    let found = reconcile(&connection, &file, &site.folder.join("result.zip")).await?;
    drop(database);
    Ok(Found { bill_lines: lines, ..found })
}

/// All settlements of the day before, as somebody sends them whose rules lack a layer now and then.
async fn write_file(database: &Config, file: &Path) -> Result<u64, anyhow::Error> {
    let client = connect(database).await?;
    let sink = File::create(file).with_context(|| format!("make {}", file.display()))?;
    let mut sink = BufWriter::new(sink);
    writeln!(
        sink,
        "setl_id\tmdtrt_id\tpsn_no\tmedfee_sumamt\tfund_pay_sumamt\tacct_pay\trefd_setl_flag"
    )?;
    let sql = "SELECT settlement_id, stay_id, total_fen, fund_pay_total_fen, account_pay_fen, medical_aid_pay_fen,
            basic_pool_pay_fen FROM settlement
        WHERE accounting_day < (now() AT TIME ZONE 'Asia/Shanghai')::date AND reverses_settlement_id IS NULL";
    let none: [&(dyn tokio_postgres::types::ToSql + Sync); 0] = [];
    let rows = client.query_raw(sql, none).await.context("read what was settled")?;
    let mut rows = std::pin::pin!(rows);
    let mut sent = 0_u64;
    while let Some(row) = rows.try_next().await? {
        sent += 1;
        let fen = |place: usize| row.get::<_, i64>(place);
        let (mut fund, aid, pool) = (fen(3), fen(5), fen(6));
        if sent.is_multiple_of(DIFFERS_ONE_IN) {
            // A layer that is missed, or what nothing explains.
            fund -= match sent / DIFFERS_ONE_IN % 4 {
                0 => 777,
                _ if 0 < aid => aid,
                _ => pool,
            };
        }
        let yuan = |fen: i64| format!("{}.{:02}", fen / 100, fen % 100);
        let (id, stay): (&str, &str) = (row.get(0), row.get(1));
        writeln!(
            sink,
            "{id}\t{stay}\tnull\t{}\t{}\t{}\t0",
            yuan(fen(2)),
            yuan(fund),
            yuan(fen(4))
        )?;
    }
    sink.flush()?;
    Ok(sent)
}

async fn reconcile(database: &Config, file: &Path, result: &Path) -> Result<Found, anyhow::Error> {
    let settings = PoolSettings { connections_max: 2, ..PoolSettings::default() };
    let pool = Pool::beside(database.clone(), NoTls, &settings)?;
    let caller = Caller {
        name: "load".to_owned(),
        role: Role::Development,
        door: "cli",
        purpose: None,
        deadline: None,
    };
    let day = onestop::app::now().day.yesterday().context("there is a day before")?;
    let scope = Scope {
        hospital: None,
        region: RegionCode::new("000000"),
        scheme: None,
        clearing_type: None,
        clearing_agency: None,
        payer: None,
        refund: None,
        first_day: day,
        last_day: day,
    };
    let begun = Instant::now();
    let ms = |since: Instant| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    // When each step was last told of.
    let told: Mutex<[u64; 3]> = Mutex::new([0; 3]);
    let tell = |progress: Progress| {
        let place = match progress.step {
            Step::Survey | Step::Take | Step::Fence => 0,
            Step::Match => 1,
            Step::Explain | Step::Write => 2,
        };
        if let (Ok(mut told), at) = (told.lock(), ms(begun)) {
            told[place] = at;
        }
    };
    let desk = Reconciling::new(&pool, &caller);
    let source = File::open(file).with_context(|| format!("open {}", file.display()))?;
    let done = desk.reconcile(&scope, Beside::Nothing, source, &tell).await?;
    let explained_ms = ms(begun);
    let sink = BufWriter::new(File::create(result)?);
    let wanted = ResultOf { format: ResultFormat::Packed, encoding: Encoding::Short };
    desk.results(done.statement.key, wanted, sink, &|_| {}).await?;
    let all_ms = ms(begun);
    let [taken, matched, _] = told.into_inner().unwrap_or_default();
    let equal = done.report.class(Class::Equal);
    say(&format!("{} rows are equal", equal.ours.rows));
    Ok(Found {
        machine: Machine::here(),
        commit: Commit::here(),
        rows: done.statement.file_rows,
        differences: done.statement.differences,
        unexplained_per_10_000: done.unexplained_per_10_000(),
        read_ms: taken,
        match_ms: matched.saturating_sub(taken),
        explain_ms: explained_ms.saturating_sub(matched),
        write_ms: all_ms.saturating_sub(explained_ms),
        all_ms,
        memory: Memory::of(std::process::id()),
        bill_lines: 0,
    })
}

impl Found {
    /// As it is printed.
    pub fn text(&self) -> String {
        let Found { rows, differences, read_ms, match_ms, explain_ms, write_ms, all_ms, .. } = self;
        let mib = self.memory.most_kib / 1_024;
        format!(
            "{rows} rows, {differences} differences: {all_ms} ms (read {read_ms}, match {match_ms}, explain {explain_ms}, \
             write {write_ms}), at most {mib} MiB\n"
        )
    }
}
