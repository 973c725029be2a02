//! Rows like a real one: statements that write what one settlement wrote, for other persons and under other ids.
//!
//! Columns and values are read from the database, so that a changed schema changes the statements; what a settlement writes, by
//! table, stands in `TABLES`.
use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, ensure};
use tokio_postgres::{Client, Config};

use super::populate::connect;

/// The tables that a settlement writes a row into, and how to find that of a settlement.
const TABLES: [(&str, &str); 5] = [
    ("request_key", "settlement_id = $1"),
    ("settlement", "settlement_id = $1"),
    ("charge_lines", "settlement_id = $1"),
    ("stay", "settlement_id = $1"),
    ("outbox", "settlement_id = $1"),
];
/// What a settlement leaves in the row of its person.
const USED: &str = "SELECT quote_literal(h.used_key::text), quote_literal(h.used_fen::text) FROM person_head h \
    JOIN settlement s USING (bucket, person_id) WHERE s.settlement_id = $1";

/// What differs from copy to copy, as SQL.
#[derive(Debug, Clone)]
pub struct Differs {
    pub bucket: String,
    pub person: String,
    /// A number as text, of at most 27 digits, that no other copy has.
    pub serial: String,
    /// The first day of the stay; nothing where it stays what it was.
    pub admission: Option<String>,
    /// How many days ago it is settled.
    pub days_ago: u32,
    /// Over four weeks from then on, and over hospitals, counties, classes and kinds of care.
    pub spread: bool,
}

/// What one settlement wrote: by table, columns with their types and values as SQL; and what its person then had used.
#[derive(Debug, Clone)]
pub struct Written {
    tables: BTreeMap<&'static str, Vec<(String, String, String)>>,
    used: (String, String),
}

impl Written {
    /// What the newest settlement of a database wrote.
    pub async fn newest(database: &Config) -> Result<Written, anyhow::Error> {
        let client = connect(database).await?;
        let newest = client
            .query("SELECT settlement_id FROM settlement WHERE reverses_settlement_id IS NULL ORDER BY settled_at DESC LIMIT 1", &[])
            .await?;
        let newest: String = newest.first().context("nothing was settled")?.get(0);
        Written::by(&client, &newest).await
    }

    /// What this settlement wrote.
    pub async fn by(client: &Client, settlement_id: &str) -> Result<Written, anyhow::Error> {
        let mut written = BTreeMap::new();
        for (table, found) in TABLES {
            let columns = client
                .query(
                    "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute \
                     WHERE attrelid = $1::text::regclass AND 0 < attnum AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
                    &[&table],
                )
                .await?;
            let columns: Vec<(String, String)> =
                columns.iter().map(|row| (row.get(0), row.get(1))).collect();
            let values: Vec<_> = columns
                .iter()
                .map(|(column, _)| format!("quote_nullable({column}::text)"))
                .collect();
            let sql = format!("SELECT {} FROM {table} WHERE {found} LIMIT 1", values.join(", "));
            let rows = client.query(&sql, &[&settlement_id]).await;
            let rows = rows.with_context(|| format!("read what is in {table}"))?;
            let row = rows.first().with_context(|| format!("nothing was written into {table}"))?;
            let row =
                columns.into_iter().enumerate().map(|(at, (column, of))| (column, of, row.get(at)));
            written.insert(table, row.collect());
        }
        ensure!(written.len() == TABLES.len(), "a table is missing");
        let used = client.query_one(USED, &[&settlement_id]).await.context("read what was used")?;
        Ok(Written { tables: written, used: (used.get(0), used.get(1)) })
    }

    /// What the head of a person is set to by a copy.
    pub fn head(&self, differs: &Differs) -> String {
        let (keys, amounts) = &self.used;
        format!(
            "ledger_version = ledger_version + 1, newest_settlement_id = {}, used_key = {keys}::text[], used_fen = {amounts}::bigint[]",
            differs.settlement_id()
        )
    }

    /// The statements of one copy, a table each; `from` stands behind the values.
    pub fn inserts(&self, differs: &Differs, from: &str) -> Vec<String> {
        TABLES
            .iter()
            .map(|(table, _)| {
                let (mut columns, mut values) = (String::new(), String::new());
                for (column, of, value) in self.tables.get(table).into_iter().flatten() {
                    let value = differs.value(column).unwrap_or_else(|| format!("{value}::{of}"));
                    let comma = if columns.is_empty() { "" } else { ", " };
                    // Writing to a String cannot fail.
                    write!(columns, "{comma}{column}").ok();
                    write!(values, "{comma}{value}").ok();
                }
                format!("INSERT INTO {table} ({columns}) SELECT {values} {from}")
                    .trim_end()
                    .to_owned()
            })
            .collect()
    }
}

impl Differs {
    fn value(&self, column: &str) -> Option<String> {
        let Differs { bucket, person, serial, admission, days_ago, spread } = self;
        if *spread && let Some(value) = self.spread_value(column) {
            return Some(value);
        }
        let numbered = |head: &str| format!("'{head}' || lpad({serial}, 27, '0')");
        Some(match column {
            "bucket" => bucket.clone(),
            "person_id" => person.clone(),
            "settlement_id" => self.settlement_id(),
            "request_id" => numbered("MS"),
            "stay_id" => numbered("ST"),
            // No time of day is written out: a colon would name a variable.
            "settled_at" => format!("now() - INTERVAL '{days_ago} days'"),
            "created_at" => "now()".to_owned(),
            "accounting_day" => {
                format!("((now() - INTERVAL '{days_ago} days') AT TIME ZONE 'Asia/Shanghai')::date")
            }
            "admission_date" => admission.clone()?,
            "discharge_date" => format!("{} + 4", admission.as_ref()?),
            "policy_year" => format!("extract(year FROM {})::smallint", admission.as_ref()?),
            _ => return None,
        })
    }

    /// Of some thousand groups, each copy is in one: what a month of a prefecture looks like to who adds it up.
    fn spread_value(&self, column: &str) -> Option<String> {
        let Differs { serial, days_ago, .. } = self;
        let one_of = |count: u32| format!("(({serial})::numeric % {count})::integer");
        let at = format!("now() - INTERVAL '{days_ago} days' + INTERVAL '1 day' * {}", one_of(28));
        let pick = |words: &[&str]| {
            let list: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
            format!(
                "(ARRAY[{}])[1 + {}]",
                list.join(", "),
                one_of(u32::try_from(words.len()).unwrap_or(1))
            )
        };
        Some(match column {
            "settled_at" => at,
            "accounting_day" => format!("(({at}) AT TIME ZONE 'Asia/Shanghai')::date"),
            "hospital_code" => format!("'H5202' || lpad({}::text, 7, '0')", one_of(150)),
            "insured_region" => format!("'5202' || lpad((1 + {})::text, 2, '0')", one_of(19)),
            "care_type" => pick(&["inpatient", "outpatient", "outpatient_chronic"]),
            "identities_used" => {
                format!(
                    "ARRAY[{}]",
                    pick(&["low_income", "extreme_poverty", "borderline", "monitored", "disabled"])
                )
            }
            _ => return None,
        })
    }

    /// The settlement's id, which carries its bucket.
    pub fn settlement_id(&self) -> String {
        let Differs { bucket, serial, .. } = self;
        format!("'S' || lpad(upper(to_hex({bucket}::integer)), 2, '0') || lpad({serial}, 27, '0')")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_differs_where_it_must() {
        let column =
            |name: &str, of: &str, value: &str| (name.to_owned(), of.to_owned(), value.to_owned());
        let outbox = vec![
            column("bucket", "smallint", "'7'"),
            column("settlement_id", "text", "'S07'"),
            column("created_at", "timestamp with time zone", "'2024-01-01 10:00:00+08'"),
            column("kept", "integer", "'5'"),
        ];
        let used = ("'{k}'".to_owned(), "'{5}'".to_owned());
        let written = Written { tables: [("outbox", outbox)].into(), used };
        let differs = Differs {
            bucket: ":bucket::smallint".to_owned(),
            person: ":person::bigint".to_owned(),
            serial: ":serial::text".to_owned(),
            admission: None,
            days_ago: 0,
            spread: false,
        };
        let inserts = written.inserts(&differs, "");
        let outbox = inserts.last().unwrap();
        assert_eq!(
            outbox,
            "INSERT INTO outbox (bucket, settlement_id, created_at, kept) SELECT :bucket::smallint, 'S' || \
             lpad(upper(to_hex(:bucket::smallint::integer)), 2, '0') || lpad(:serial::text, 27, '0'), now(), '5'::integer"
        );
        let head = written.head(&differs);
        assert!(head.ends_with("used_key = '{k}'::text[], used_fen = '{5}'::bigint[]"), "{head}");
        assert!(differs.value("admission_date").is_none() && differs.value("kept").is_none());
    }
}
