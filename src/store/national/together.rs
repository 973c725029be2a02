//! What the national door asks of the database in groups: stays to be read, and notes of what is about to be settled.

use futures_util::future::join4;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::error::{Operation, StoreError};
use super::super::pool::{Connection, Pool};
use super::super::reads::{Ask, Reads, one_each};
use crate::domain::ids::{HospitalCode, RequestId, StayId};
use crate::limits;

const STAYS: &str = include_str!("../sql/national/stays.sql");
const SHARE_STAYS: &str = include_str!("../sql/national/share_stays.sql");
const NOTE_SETTLE: &str = include_str!("../sql/national/note_settle.sql");

/// What is wanted with a stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// Nothing else.
    Nothing,
    /// Its charge lines that are not cancelled, in the order of their upload: one more than a bill may have, where there are more.
    Lines,
}

/// A stay to be read, with what a request asked of it.
#[derive(Clone, Debug)]
pub(in crate::store) struct AskedAdmission {
    pub(super) hospital: HospitalCode,
    pub(super) stay: StayId,
    pub(super) request: Option<RequestId>,
    pub(super) with: With,
}

/// A message that asks to settle a bill, to be noted.
#[derive(Clone, Debug)]
pub(in crate::store) struct AskedNote {
    pub(super) hospital: HospitalCode,
    pub(super) request: RequestId,
    pub(super) message_sha256: [u8; 32],
    pub(super) bill_sha256: [u8; 32],
    pub(super) stay: StayId,
}

impl Ask for AskedAdmission {
    const GROUP_MIN: usize = limits::READ_GROUP_MIN;
    const READERS_MAX: usize = limits::NATIONAL_READERS_MAX;

    fn reads(pool: &Pool) -> &Reads<Self> {
        pool.admissions()
    }

    fn operation(&self) -> Operation {
        Operation::National("look up a stay", self.hospital.clone())
    }

    async fn query(
        connection: &Connection,
        asked: &[Self],
        operation: &Operation,
    ) -> Result<Vec<Row>, StoreError> {
        let most = i64::try_from(limits::CHARGE_LINES_MAX.saturating_add(1)).unwrap_or(i64::MAX);
        let lines_max = |asked: &Self| match asked.with {
            With::Nothing => 0,
            With::Lines => most,
        };
        let requests = asked.iter().map(|asked| asked.request.as_ref().map(RequestId::as_str));
        let params: [&(dyn ToSql + Sync); 4] = [
            &each(asked, |asked| asked.hospital.as_str()),
            &each(asked, |asked| asked.stay.as_str()),
            &requests.collect::<Vec<_>>(),
            &each(asked, lines_max),
        ];
        let rows = connection.query(STAYS, &params, operation).await?;
        one_each(rows, asked.len(), operation)
    }
}

impl Ask for AskedNote {
    // Two groups that write would only wait for each other.
    const GROUP_MIN: usize = limits::READ_GROUP_MAX;
    const READERS_MAX: usize = 1;

    fn reads(pool: &Pool) -> &Reads<Self> {
        pool.notes()
    }

    fn operation(&self) -> Operation {
        Operation::FindRequest(self.hospital.clone(), self.request.clone())
    }

    /// A transaction in one round trip: all of it is sent before any of it is answered. Where one part fails so do those after it.
    async fn query(
        connection: &Connection,
        asked: &[Self],
        operation: &Operation,
    ) -> Result<Vec<Row>, StoreError> {
        let failed = |source| StoreError::Statement { operation: operation.clone(), source };
        let hospitals = each(asked, |asked| asked.hospital.as_str());
        let stays = each(asked, |asked| asked.stay.as_str());
        let of_stays: [&(dyn ToSql + Sync); 2] = [&hospitals, &stays];
        let notes: [&(dyn ToSql + Sync); 5] = [
            &hospitals,
            &each(asked, |asked| asked.request.as_str()),
            &each(asked, |asked| asked.message_sha256.as_slice()),
            &each(asked, |asked| asked.bill_sha256.as_slice()),
            &stays,
        ];
        let client = &connection.client;
        let share = client.prepare_cached(SHARE_STAYS).await.map_err(failed)?;
        let note = client.prepare_cached(NOTE_SETTLE).await.map_err(failed)?;
        connection.count();
        let (begun, shared, noted, committed) = join4(
            client.batch_execute("BEGIN"),
            client.query(&share, &of_stays),
            client.query(&note, &notes),
            client.batch_execute("COMMIT"),
        )
        .await;
        begun.and(shared).map_err(failed)?;
        let rows = noted.map_err(failed)?;
        committed.map_err(failed)?;
        one_each(rows, asked.len(), operation)
    }
}

fn each<'a, A, T>(asked: &'a [A], of: impl Fn(&'a A) -> T) -> Vec<T> {
    asked.iter().map(of).collect()
}
