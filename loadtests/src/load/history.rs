//! Fills a database with settlements of the year before, by SQL, as copies of a real one: what is stored, not what is settled.
//!
//! Each has its own ids, person and stay, and all rows that a settlement writes, so that tables and indexes are as large as they
//! would be. Amounts are those of the one that was copied, so history and accumulators do not agree here, and are not checked.
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;

use anyhow::{Context as _, ensure};
use tokio_postgres::Config;

use super::copies::{Differs, Written};
use super::populate::connect;
use super::progress::{Progress, say};

/// Settlements of one statement.
const BATCH: i64 = 50_000;
/// What one settlement takes on disk beside its record and its lines, with keys and log, about.
const BYTES_BESIDE: u64 = 2_000;

/// When copies are settled.
#[derive(Debug, Clone, Copy)]
enum Settled {
    /// All of them so many days ago.
    DaysAgo(u32),
    /// Over four weeks from so many days ago on, and over hospitals, counties, classes and kinds of care.
    SpreadFrom(u32),
}

/// Spreads so many settlements, as they were settled some days ago, over all persons of a database.
pub async fn fill(
    database: &Config,
    (written, days_ago): (&Written, u32),
    settlements: u64,
) -> Result<(), anyhow::Error> {
    fill_with(database, (written, Settled::DaysAgo(days_ago)), settlements).await
}

/// The same over four weeks from so many days ago on, and over hospitals, counties, classes and kinds of care.
pub async fn fill_month(
    database: &Config,
    (written, days_ago): (&Written, u32),
    settlements: u64,
) -> Result<(), anyhow::Error> {
    fill_with(database, (written, Settled::SpreadFrom(days_ago)), settlements).await
}

async fn fill_with(
    database: &Config,
    written: (&Written, Settled),
    settlements: u64,
) -> Result<(), anyhow::Error> {
    let client = connect(database).await?;
    client
        .batch_execute(
            "SET synchronous_commit = off; \
             CREATE TABLE load_person AS SELECT row_number() OVER () - 1 AS place, bucket, person_id FROM person_head; \
             CREATE UNIQUE INDEX ON load_person (place); ANALYZE load_person",
        )
        .await
        .context("number the persons")?;
    let persons: i64 = client.query_one("SELECT count(*) FROM load_person", &[]).await?.get(0);
    ensure!(0 < persons, "there are no persons");
    has_room(&client, settlements).await?;
    let settlements = i64::try_from(settlements).context("so many settlements")?;
    let progress = Progress::rows("history", settlements.unsigned_abs());
    let done = Cell::new(0);
    // Two halves of the persons at once: one connection keeps one core busy.
    let half = persons / 2;
    let halves = [(0..half, settlements / 2), (half..persons, settlements - settlements / 2)];
    let copies = halves.map(|(persons, settlements)| {
        copy(database, written, (persons, settlements), |batch| {
            done.set(done.get() + batch.unsigned_abs());
            progress.done(done.get());
        })
    });
    futures_util::future::try_join_all(copies).await?;
    drop(progress);
    client.batch_execute("DROP TABLE load_person").await?;
    say("vacuuming");
    settle_down(database).await?;
    say(&format!("stored {settlements} settlements of {persons} persons"));
    Ok(())
}

/// What autovacuum would have done, bit by bit, while so much came in over a year: it is not to begin with all of it now, beside what is
/// measured. Two tables at once, the largest first.
async fn settle_down(database: &Config) -> Result<(), anyhow::Error> {
    let client = connect(database).await?;
    let by_size = "SELECT oid::regclass::text FROM pg_class \
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY pg_table_size(oid) DESC";
    let tables = client.query(by_size, &[]).await.context("list the tables")?;
    let tables: RefCell<VecDeque<String>> =
        RefCell::new(tables.iter().map(|row| row.get(0)).collect());
    let next = || tables.borrow_mut().pop_front();
    let vacuum = async || -> Result<(), anyhow::Error> {
        let client = connect(database).await?;
        client.batch_execute("SET maintenance_work_mem = '512MB'").await?;
        while let Some(table) = next() {
            let vacuum = format!("VACUUM (ANALYZE) {table}");
            client.batch_execute(&vacuum).await.with_context(|| format!("vacuum {table}"))?;
        }
        Ok(())
    };
    tokio::try_join!(vacuum(), vacuum())?;
    client.batch_execute("CHECKPOINT").await.context("write it all")
}

/// Goes through some persons, round by round, until there are so many settlements.
async fn copy(
    database: &Config,
    written: (&Written, Settled),
    (persons, settlements): (Range<i64>, i64),
    batch_done: impl Fn(i64),
) -> Result<(), anyhow::Error> {
    let client = connect(database).await?;
    client.batch_execute("SET synchronous_commit = off").await?;
    let statement = client.prepare(&statement(written)).await.context("prepare to copy")?;
    let count = (persons.end - persons.start).max(1);
    let mut done = 0;
    while done < settlements {
        let (round, place) = (done / count, persons.start + done % count);
        let batch = BATCH.min(persons.end - place).min(settlements - done);
        let round = i32::try_from(round).context("too many stays in one year")?;
        let copied = client.execute(&statement, &[&round, &place, &(place + batch)]).await;
        copied.context("copy settlements")?;
        done += batch;
        batch_done(batch);
    }
    Ok(())
}

async fn has_room(client: &tokio_postgres::Client, settlements: u64) -> Result<(), anyhow::Error> {
    let folder: String = client.query_one("SHOW data_directory", &[]).await?.get(0);
    let disk = rustix::fs::statvfs(folder.as_str()).context("look at the disk")?;
    let free = disk.f_bavail * disk.f_frsize;
    let sizes = "SELECT coalesce(max(octet_length(s.record) + octet_length(c.lines)), 0)::bigint \
        FROM settlement s JOIN charge_lines c USING (bucket, settlement_id)";
    let size: i64 = client.query_one(sizes, &[]).await.context("see what one takes")?.get(0);
    let wanted = settlements * (BYTES_BESIDE + size.unsigned_abs());
    ensure!(
        wanted < free,
        "{settlements} settlements take about {} GB, and {} are free",
        wanted / 1_000_000_000,
        free / 1_000_000_000
    );
    Ok(())
}

/// $1 the round (a stay each), $2 and $3 from which person to before which.
fn statement((written, settled): (&Written, Settled)) -> String {
    let (days_ago, spread) = match settled {
        Settled::DaysAgo(days) => (days, false),
        Settled::SpreadFrom(days) => (days, true),
    };
    let differs = Differs {
        bucket: "p.bucket".to_owned(),
        person: "p.person_id".to_owned(),
        serial: "(p.person_id::text || lpad($1::integer::text, 4, '0'))".to_owned(),
        admission: Some("(DATE '2023-01-01' + 10 * $1::integer)".to_owned()),
        days_ago,
        spread,
    };
    let mut sql = format!(
        "WITH p AS MATERIALIZED (SELECT bucket, person_id FROM load_person WHERE $2::bigint <= place AND place < $3::bigint), \
         head AS (UPDATE person_head h SET {} \
         FROM p WHERE h.bucket = p.bucket AND h.person_id = p.person_id)",
        written.head(&differs)
    );
    for (number, insert) in (1..).zip(written.inserts(&differs, "FROM p WHERE true")) {
        sql.push_str(&format!(", w{number} AS ({insert})"));
    }
    sql.push_str(" SELECT");
    sql
}
