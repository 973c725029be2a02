//! Fills a database by COPY, as its owner: persons, what they show, coverage, classes of aid, hospitals, a catalogue.
//!
//! Rows are made as they are sent, so that four million persons need no more memory than four.
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures_util::SinkExt as _;
use onestop::keys::Keys;
use tokio_postgres::{Client, Config, NoTls};

use super::population::{
    ALWAYS, HOSPITALS_OF_LEVEL, HOT_PERSONS, HOT_REGION, ITEMS, Person, REGION, hospital_code,
    hospital_region, item, person,
};
use super::progress::{Progress, say};
use super::scenario::PERSONS_MAX;

/// What is sent to PostgreSQL at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// Kind of an identity number.
const IDENTITY_NUMBER: u8 = 1;

/// Rows on their way into one table.
struct Copy {
    sink: std::pin::Pin<Box<tokio_postgres::CopyInSink<Bytes>>>,
    text: String,
}

impl Copy {
    async fn into(client: &Client, table_and_columns: &str) -> Result<Copy, anyhow::Error> {
        let sink = client.copy_in(&format!("COPY {table_and_columns} FROM STDIN")).await;
        let sink = sink.with_context(|| format!("copy into {table_and_columns}"))?;
        Ok(Copy { sink: Box::pin(sink), text: String::with_capacity(CHUNK_BYTES + 1_024) })
    }

    /// A row: fields with tabs between, `\N` for nothing.
    async fn row(&mut self, fields: std::fmt::Arguments<'_>) -> Result<(), anyhow::Error> {
        writeln!(self.text, "{fields}").context("write a row")?;
        if CHUNK_BYTES < self.text.len() {
            let chunk = Bytes::copy_from_slice(self.text.as_bytes());
            self.text.clear();
            self.sink.send(chunk).await.context("send rows")?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<u64, anyhow::Error> {
        let rest = Bytes::copy_from_slice(self.text.as_bytes());
        self.sink.send(rest).await.context("send the last rows")?;
        self.sink.as_mut().finish().await.context("finish a copy")
    }
}

/// A connection as the owner of a database.
pub async fn connect(database: &Config) -> Result<Client, anyhow::Error> {
    let (client, connection) = database.connect(NoTls).await.context("connect to the database")?;
    tokio::spawn(async move {
        // Whoever uses the client is told of how it ended.
        connection.await.ok();
    });
    Ok(client)
}

/// Makes a database beside one that is there, with whole pages made as small in the log as there: `CREATE DATABASE` takes over no
/// settings.
pub async fn make_database(beside: &Config, name: &str) -> Result<(), anyhow::Error> {
    let client = connect(beside).await?;
    let compression: String = client.query_one("SHOW wal_compression", &[]).await?.get(0);
    client.batch_execute(&format!("CREATE DATABASE {name}")).await?;
    let set = format!("ALTER DATABASE {name} SET wal_compression = '{compression}'");
    client.batch_execute(&set).await.context("set how pages are made small in the log")
}

/// Brings the schema up to date and fills it. A database that holds persons is left alone.
pub async fn populate(database: &Config, keys: &Path, persons: u32) -> Result<(), anyhow::Error> {
    ensure!((1..=PERSONS_MAX).contains(&persons), "persons: from 1 to {PERSONS_MAX}");
    let keys = Keys::load(keys).context("load the keys")?;
    onestop::store::migrate(database, NoTls).await.context("bring the schema up to date")?;
    let client = connect(database).await?;
    let known: i64 = client
        .query_one("SELECT count(*) FROM (SELECT FROM person_head LIMIT 1) h", &[])
        .await?
        .get(0);
    ensure!(known == 0, "the database holds persons already; populate an empty one");
    // Lost work is done again from nothing, so no row of it waits for the disk.
    client.batch_execute("SET synchronous_commit = off").await?;
    hospitals_and_catalogue(&client).await?;
    let all = persons + HOT_PERSONS;
    copy_persons(&client, "heads", (persons, all), &Heads).await?;
    copy_persons(&client, "credentials", (persons, all), &Credentials(&keys)).await?;
    copy_persons(&client, "coverage", (persons, all), &Coverage).await?;
    copy_persons(&client, "classes of aid", (persons, all), &Classes).await?;
    client.batch_execute("ANALYZE").await.context("analyze")?;
    say(&format!("populated: {persons} persons and {HOT_PERSONS} for crowds, {ITEMS} items"));
    Ok(())
}

/// One table of persons.
trait Table {
    const COLUMNS: &'static str;
    /// The row of a person; nothing where there is none.
    fn row(&self, person: &Person, text: &mut String) -> std::fmt::Result;
}

struct Heads;
struct Credentials<'a>(&'a Keys);
struct Coverage;
struct Classes;

impl Table for Heads {
    const COLUMNS: &'static str = "person_head (bucket, person_id, birth_date)";
    fn row(
        &self,
        Person { bucket, id, birth, .. }: &Person,
        text: &mut String,
    ) -> std::fmt::Result {
        write!(text, "{bucket}\t{id}\t{birth}")
    }
}

impl Table for Credentials<'_> {
    const COLUMNS: &'static str =
        "credential (bucket, credential_hash, kind, person_bucket, person_id)";
    fn row(&self, person: &Person, text: &mut String) -> std::fmt::Result {
        let hash = self.0.credential_hash(IDENTITY_NUMBER, &person.number);
        let [first, ..] = hash;
        write!(text, "{}\t\\\\x", first & 0x7f)?;
        for byte in hash {
            write!(text, "{byte:02x}")?;
        }
        write!(text, "\t{IDENTITY_NUMBER}\t{}\t{}", person.bucket, person.id)
    }
}

impl Table for Coverage {
    const COLUMNS: &'static str =
        "coverage (bucket, person_id, scheme, valid_from, insured_region, source)";
    fn row(
        &self,
        Person { bucket, id, region, .. }: &Person,
        text: &mut String,
    ) -> std::fmt::Result {
        write!(text, "{bucket}\t{id}\tresident\t{ALWAYS}\t{region}\tload")
    }
}

impl Table for Classes {
    const COLUMNS: &'static str = "identity (bucket, person_id, code, region, valid_from, source)";
    fn row(&self, person: &Person, text: &mut String) -> std::fmt::Result {
        let Person { bucket, id, region, class, .. } = person;
        if class.is_empty() {
            return Ok(());
        }
        write!(text, "{bucket}\t{id}\t{class}\t{region}\t{ALWAYS}\tload")
    }
}

async fn copy_persons<T: Table>(
    client: &Client,
    label: &str,
    (persons, all): (u32, u32),
    table: &T,
) -> Result<(), anyhow::Error> {
    let progress = Progress::rows(label, all.into());
    let mut copy = Copy::into(client, T::COLUMNS).await?;
    let mut row = String::new();
    for index in 0..all {
        row.clear();
        table.row(&person(index, persons), &mut row).context("write a row")?;
        if !row.is_empty() {
            copy.row(format_args!("{row}")).await?;
        }
        if index % 8_192 == 0 {
            progress.done(index.into());
        }
    }
    let rows = copy.finish().await.with_context(|| format!("copy {label}"))?;
    drop(progress);
    say(&format!("  {rows:>9} {label}"));
    Ok(())
}

async fn hospitals_and_catalogue(client: &Client) -> Result<(), anyhow::Error> {
    let mut copy =
        Copy::into(client, "hospital (hospital_code, valid_from, region, level, name)").await?;
    for region in [REGION, HOT_REGION] {
        for level in 1..=3 {
            for number in 0..HOSPITALS_OF_LEVEL {
                let code = hospital_code(region, level, number);
                let region = hospital_region(region);
                copy.row(format_args!("{code}\t{ALWAYS}\t{region}\t{level}\t测试医院{code}"))
                    .await?;
            }
        }
    }
    copy.finish().await.context("copy hospitals")?;
    let columns = "catalogue_item (item_code, region, valid_from, class, advance_ratio_billionths, \
                   ceiling_price_level_1_e6, ceiling_price_level_2_e6, ceiling_price_level_3_e6, name)";
    let mut copy = Copy::into(client, columns).await?;
    for index in 0..ITEMS {
        let item = item(index);
        let nothing = || "\\N".to_owned();
        let ratio = item.advance_ratio.map_or_else(nothing, |ratio| ratio.to_string());
        let [one, two, three] =
            item.ceilings_fen.map_or([None; 3], |ceilings| ceilings.map(Some)).map(
                // A fen is ten thousand millionths of a yuan.
                |fen| fen.map_or_else(nothing, |fen: i64| (fen * 10_000).to_string()),
            );
        let (code, class) = (&item.code, item.class);
        copy.row(format_args!(
            "{code}\t000000\t{ALWAYS}\t{class}\t{ratio}\t{one}\t{two}\t{three}\t测试项目{index:04}"
        ))
        .await?;
    }
    copy.finish().await.context("copy the catalogue")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(table: &impl Table, index: u32) -> String {
        let mut text = String::new();
        table.row(&person(index, 100), &mut text).unwrap();
        text
    }

    #[test]
    fn rows_have_a_field_for_each_column() {
        let folder = std::env::temp_dir().join(format!("onestop-load-keys-{}", std::process::id()));
        onestop::keys::init(&folder).unwrap();
        let keys = Keys::load(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let fields = |columns: &str| columns.split(',').count();
        let check = |columns: &str, row: &str| {
            assert_eq!(row.split('\t').count(), fields(columns), "{columns}: {row}");
        };
        for index in [0, 1, 100] {
            check(Heads::COLUMNS, &row(&Heads, index));
            check(Credentials::COLUMNS, &row(&Credentials(&keys), index));
            check(Coverage::COLUMNS, &row(&Coverage, index));
        }
        // The hot person has a class; of the others one in six has none.
        check(Classes::COLUMNS, &row(&Classes, 100));
        let without = (0..100).filter(|index| row(&Classes, *index).is_empty()).count();
        assert!((5..30).contains(&without), "{without}");
        let Person { number, .. } = person(3, 100);
        let hash = keys.credential_hash(IDENTITY_NUMBER, &number);
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(row(&Credentials(&keys), 3).contains(&format!("\\\\x{hex}")));
    }
}
