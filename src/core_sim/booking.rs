//! What the simulated core books, each request id once, in its own tables.

use std::collections::BTreeSet;
use std::time::Duration;

use prost::Message as _;
use tokio::sync::Notify;
use tokio_postgres::{Client, Row, Statement};
use tonic::Status;

use crate::core_link::wire::core::v1 as core;
use crate::core_link::wire::core::v1::Outcome;
use crate::core_link::wire::core_sim::v1 as sim;

const SCHEMA: &str = include_str!("schema.sql");
const TAKE: &str = include_str!("take.sql");
const HELD: &str = include_str!("held.sql");
const BOOKED: &str = include_str!("booked.sql");
const ADD_CHANGES: &str = include_str!("add_changes.sql");
const CHANGES: &str = include_str!("changes.sql");

const LOOK_INTERVAL: Duration = Duration::from_millis(200);

pub(super) struct Bookings {
    database: Client,
    take: Statement,
    held: Statement,
    /// Wakes whoever waits for changes.
    added: Notify,
}

impl std::fmt::Debug for Bookings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bookings")
    }
}

impl Bookings {
    pub(super) async fn open(database: Client) -> Result<Self, tokio_postgres::Error> {
        database.batch_execute(SCHEMA).await?;
        let take = database.prepare(TAKE).await?;
        let held = database.prepare(HELD).await?;
        Ok(Self { database, take, held, added: Notify::new() })
    }

    /// Takes entries in their order, and refuses those of some stays.
    pub(super) async fn take(
        &self,
        entries: Vec<core::Entry>,
        refused_stays: &[String],
        times: i32,
    ) -> Result<Vec<core::Taken>, Status> {
        let mut stuck: BTreeSet<String> = BTreeSet::new();
        let mut answers: Vec<core::Taken> = Vec::with_capacity(entries.len());
        let mut taken: Vec<core::Entry> = Vec::new();
        for entry in entries {
            let outcome = if stuck.contains(&entry.person_number) {
                Outcome::NotTried
            } else if refused_stays.contains(&entry.stay_id) {
                stuck.insert(entry.person_number.clone());
                Outcome::Refused
            } else {
                taken.push(entry);
                Outcome::Taken
            };
            let code = if outcome == Outcome::Refused { "STAY_REFUSED" } else { "" };
            let outcome = outcome.into();
            answers.push(core::Taken { outcome, code: code.to_owned(), reference: String::new() });
        }
        let new = self.book(&taken, times).await?;
        let booked = answers.iter_mut().filter(|answer| answer.outcome() == Outcome::Taken);
        for (answer, is_new) in booked.zip(new) {
            if !is_new {
                answer.set_outcome(Outcome::TakenBefore);
            }
        }
        Ok(answers)
    }

    /// Says of each whether it is new.
    async fn book(&self, entries: &[core::Entry], times: i32) -> Result<Vec<bool>, Status> {
        let texts =
            |of: fn(&core::Entry) -> &str| -> Vec<&str> { entries.iter().map(of).collect() };
        let hospitals = texts(|entry| &entry.hospital_code);
        let requests = texts(|entry| &entry.request_id);
        let settlements = texts(|entry| &entry.settlement_id);
        let persons = texts(|entry| &entry.person_number);
        let hashes: Vec<&[u8]> = entries.iter().map(|entry| entry.record_sha256.as_ref()).collect();
        let funds = entries.iter().map(|entry| entry.amounts.as_ref());
        let funds: Vec<i64> =
            funds.map(|amounts| amounts.map_or(0, |amounts| amounts.fund_pay_total_fen)).collect();
        let rows = self
            .database
            .query(
                &self.take,
                &[&hospitals, &requests, &settlements, &hashes, &persons, &funds, &times],
            )
            .await
            .map_err(failed)?;
        rows.iter().map(|row| row.try_get("is_new").map_err(failed)).collect()
    }

    /// What is held of request ids, in their order.
    pub(super) async fn held(
        &self,
        keys: Vec<core::RequestKey>,
    ) -> Result<Vec<core::Held>, Status> {
        let hospitals: Vec<&str> = keys.iter().map(|key| key.hospital_code.as_str()).collect();
        let requests: Vec<&str> = keys.iter().map(|key| key.request_id.as_str()).collect();
        let rows = self.database.query(&self.held, &[&hospitals, &requests]).await;
        rows.map_err(failed)?.iter().map(held_of).collect()
    }

    /// Keeps changes to be told; gives the cursor of the last one.
    pub(super) async fn add_changes(
        &self,
        changes: Vec<core::ChangesResponse>,
    ) -> Result<String, Status> {
        let texts: Vec<Vec<u8>> =
            changes.iter().map(core::ChangesResponse::encode_to_vec).collect();
        let rows = self.database.query(ADD_CHANGES, &[&texts]).await.map_err(failed)?;
        self.added.notify_waiters();
        let last = rows.first().map_or(Ok(None), |row| row.try_get("last")).map_err(failed)?;
        Ok(last.map_or(String::new(), |last: i64| last.to_string()))
    }

    /// The changes after a cursor, some at once, each with its own.
    pub(super) async fn changes(
        &self,
        after: i64,
    ) -> Result<Vec<(i64, core::ChangesResponse)>, Status> {
        let rows = self.database.query(CHANGES, &[&after]).await.map_err(failed)?;
        let change = |row: &Row| {
            let at: i64 = row.try_get("change_id").map_err(failed)?;
            let said: Vec<u8> = row.try_get("said").map_err(failed)?;
            let change = core::ChangesResponse::decode(said.as_slice());
            let mut change = change.map_err(|_| Status::data_loss("a change can not be read"))?;
            change.cursor = at.to_string();
            Ok((at, change))
        };
        rows.iter().map(change).collect()
    }

    /// Waits until there are more, or a moment: one that was added just before may have been missed.
    pub(super) async fn more(&self) {
        tokio::time::timeout(LOOK_INTERVAL, self.added.notified()).await.ok();
    }

    /// Every booking.
    pub(super) async fn booked(&self) -> Result<Vec<sim::Booked>, Status> {
        let rows = self.database.query(BOOKED, &[]).await.map_err(failed)?;
        let booked = |row: &Row| {
            Ok(sim::Booked {
                hospital_code: row.try_get("hospital_code").map_err(failed)?,
                request_id: row.try_get("request_id").map_err(failed)?,
                settlement_id: row.try_get("settlement_id").map_err(failed)?,
                person_number: row.try_get("person_number").map_err(failed)?,
                fund_pay_total_fen: row.try_get("fund_pay_total_fen").map_err(failed)?,
            })
        };
        rows.iter().map(booked).collect()
    }
}

fn held_of(row: &Row) -> Result<core::Held, Status> {
    let settlement: Option<String> = row.try_get("settlement_id").map_err(failed)?;
    let Some(settlement_id) = settlement else { return Ok(core::Held::default()) };
    let times: i32 = row.try_get("times").map_err(failed)?;
    let record_sha256: Vec<u8> = row.try_get("record_sha256").map_err(failed)?;
    Ok(core::Held {
        held: true,
        settlement_id,
        record_sha256,
        reference: String::new(),
        times: u32::try_from(times).unwrap_or(0),
    })
}

fn failed(error: tokio_postgres::Error) -> Status {
    Status::unavailable(format!("the simulated core's database: {error} ({:?})", error.code()))
}
