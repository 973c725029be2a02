//! Closes days that are over: finds what came late, signs the last head of each region's day, and chains it to the day before.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use sha2::{Digest as _, Sha256};

use super::{SealError, Sealer, failed, head_of, shanghai};
use crate::app::{Now, shanghai_day_start};
use crate::domain::ids::RegionCode;
use crate::limits;
use crate::store::{self, ChangeKey, SealWrite, StoreError};

/// In whose name days are fenced.
const FENCED_BY: &str = "seal";

/// The first row from the beginning of the day on that was looked at last, so that days without any cost no look.
#[derive(Default)]
struct Ahead {
    settlement_ms: Option<Option<i64>>,
    change: Option<Option<Timestamp>>,
}

/// Beginnings of the hashes of leaf ids, in order: as many ids as a day may have, in little memory.
type Known = Vec<[u8; 16]>;

impl Sealer {
    /// The last day that is over, and read to its end: nothing more can come into it.
    ///
    /// Into the ledger, because the day is fenced here, and whoever wrote before the fence has ended. Into the registry, because every
    /// transaction has ended that had begun when the time of grace was over.
    pub(super) async fn closed(
        &mut self,
        now: &Now,
        read: Timestamp,
    ) -> Result<Option<Date>, SealError> {
        let graced = now.at.checked_sub(limits::SEAL_DAY_GRACE).unwrap_or(now.at);
        let Ok(day) = shanghai(graced).date().yesterday() else { return Ok(None) };
        let is_read = shanghai_day_end(day).is_some_and(|end| end <= read);
        let Some(first) = self.first_open().filter(|first| is_read && *first <= day) else {
            return Ok(None);
        };
        let days = first.until(day).map_or(i32::MAX, |span| span.get_days()).saturating_add(1);
        if self.days_at_once.is_some_and(|most| most < days) {
            tracing::error!(
                days, from = %first, through = %day,
                "SEAL_MANY_DAYS: so many days are not closed unasked: the clock may have jumped; see that it is right, then run \
                 `onestop audit seal`. 待截止的日期过多，可能是时钟有误：请核对时钟后运行 `onestop audit seal`"
            );
            return Ok(None);
        }
        let (ended, next) = store::transactions(&self.pool).await.map_err(failed)?;
        let before = match self.before {
            Some((of, transaction)) if of == day => transaction,
            Some(_) | None => next,
        };
        self.before = Some((day, before));
        if ended < before {
            return Ok(None);
        }
        match store::fence_day(&self.pool, day, FENCED_BY).await {
            Ok(true) => Ok(Some(day)),
            // Our clock is ahead of the database's.
            Ok(false) => Ok(None),
            // Somebody writes for long: the day is closed when that is over.
            Err(StoreError::StillUnderWay { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Closes all days up to one; says how many, each region's counted, and how many leaves came late.
    pub(super) async fn close(
        &mut self,
        through: Date,
        now: &Now,
    ) -> Result<(usize, usize), SealError> {
        let (mut days, mut late) = (0_usize, 0_usize);
        let Some(mut day) = self.first_open() else { return Ok((0, 0)) };
        let mut ahead = Ahead::default();
        while day <= through {
            late = late.saturating_add(self.add_late(day, &mut ahead).await?);
            let mut write = SealWrite::default();
            let mut closed = Vec::new();
            for region in self.regions_of(day) {
                let tree = self.open.get(&(region, day)).cloned().unwrap_or_default().tree;
                let previous = self.last.get(&region).map_or([0; 32], |(_, head)| *head);
                let head = head_of(&self.keys, (region, day), &tree, (true, previous));
                closed.push((region, head.hash()));
                write.heads.push(self.keys.sign(head));
            }
            if !write.heads.is_empty() {
                store::put_seals(&self.pool, &write).await.map_err(failed)?;
                days = days.saturating_add(write.heads.len());
                self.published = false;
            }
            for (region, hash) in closed {
                self.last.insert(region, (day, hash));
                self.open.remove(&(region, day));
            }
            let Ok(tomorrow) = day.tomorrow() else { break };
            day = tomorrow;
        }
        tracing::debug!(days, late, at = %now.at, "Closed days");
        Ok((days, late))
    }

    /// The first day that some region has open.
    fn first_open(&self) -> Option<Date> {
        let next = self.last.values().filter_map(|(day, _)| day.tomorrow().ok());
        next.chain(self.open.keys().map(|(_, day)| *day)).min()
    }

    /// The regions that have this day still open: from the first leaf of a region on, every day of it is closed.
    fn regions_of(&self, day: Date) -> BTreeSet<RegionCode> {
        let begun = self.last.iter().filter(|(_, (closed, _))| *closed < day);
        let new = |region: &RegionCode| !self.last.contains_key(region);
        let opened = self.open.keys().filter(|(region, first)| new(region) && *first <= day);
        begun.map(|(region, _)| *region).chain(opened.map(|(region, _)| *region)).collect()
    }

    /// Adds rows of a day that were not visible when their time was read.
    async fn add_late(&mut self, day: Date, ahead: &mut Ahead) -> Result<usize, SealError> {
        let (Some(from), Some(to)) = (shanghai_day_start(day), shanghai_day_end(day)) else {
            return Ok(0);
        };
        let known = self.known_of(day).await?;
        let settlements = self.add_late_settlements((day, &known), (from, to), ahead).await?;
        let changes = self.add_late_changes(&known, (from, to), ahead).await?;
        let postings = self.add_late_postings((day, &known)).await?;
        Ok(settlements.saturating_add(changes).saturating_add(postings))
    }

    async fn add_late_settlements(
        &mut self,
        (day, known): (Date, &Known),
        (from, to): (Timestamp, Timestamp),
        ahead: &mut Ahead,
    ) -> Result<usize, SealError> {
        let (mut from_ms, to_ms, mut late) = (from.as_millisecond(), to.as_millisecond(), 0_usize);
        while from_ms < to_ms {
            if ahead.settlement_ms.is_none_or(|next| next.is_some_and(|next| next < from_ms)) {
                let next = store::next_settlement(&self.pool, from_ms).await.map_err(failed)?;
                ahead.settlement_ms = Some(next);
            }
            let Some(next) = ahead.settlement_ms.flatten().filter(|next| *next < to_ms) else {
                break;
            };
            let until = next.saturating_add(HOUR_MS).min(to_ms);
            let ids = store::unsealed_ids(&self.pool, (next, until)).await.map_err(failed)?;
            late = late.saturating_add(self.add_missing((day, known), &ids).await?);
            from_ms = until;
        }
        // And those whose own day was closed already: the cursor may have been past them, by a clock that was ahead.
        let ids = store::booked_later(&self.pool, day).await.map_err(failed)?;
        Ok(late.saturating_add(self.add_missing((day, known), &ids).await?))
    }

    /// Adds the settlements of a day that are not sealed, of those with these ids.
    async fn add_missing(
        &mut self,
        (day, known): (Date, &Known),
        ids: &[String],
    ) -> Result<usize, SealError> {
        let mut late = 0_usize;
        let is_missing = |id: &&String| !is_known(known, &format!("s{id}"));
        let missing: Vec<&str> = ids.iter().filter(is_missing).map(String::as_str).collect();
        for some in missing.chunks(limits::SEAL_READ_ROWS) {
            let rows = store::settlements_of(&self.pool, some).await.map_err(failed)?;
            // One that bears another day than its id says was sealed with that day.
            for row in rows.iter().filter(|row| row.sealed.accounting_day == day) {
                self.add_settlement(&row.sealed);
                late = late.saturating_add(1);
            }
            self.flush(None).await?;
        }
        Ok(late)
    }

    async fn add_late_changes(
        &mut self,
        known: &Known,
        (from, to): (Timestamp, Timestamp),
        ahead: &mut Ahead,
    ) -> Result<usize, SealError> {
        let (mut from, mut late) = (from, 0_usize);
        while from < to {
            if ahead.change.is_none_or(|next| next.is_some_and(|next| next < from)) {
                ahead.change = Some(store::next_change(&self.pool, from).await.map_err(failed)?);
            }
            let Some(next) = ahead.change.flatten().filter(|next| *next < to) else { break };
            let until = next.checked_add(1.hour()).unwrap_or(to).min(to);
            let keys = store::unsealed_changes(&self.pool, (next, until)).await.map_err(failed)?;
            let is_missing = |key: &ChangeKey| !is_known(known, &change_leaf_id(*key));
            let missing: Vec<ChangeKey> = keys.into_iter().filter(is_missing).collect();
            for some in missing.chunks(limits::SEAL_READ_ROWS) {
                let rows = store::changes_of(&self.pool, some).await.map_err(failed)?;
                rows.iter().for_each(|row| self.add_change(row));
                self.flush(None).await?;
            }
            late = late.saturating_add(missing.len());
            from = until;
        }
        Ok(late)
    }

    async fn add_late_postings(
        &mut self,
        (day, known): (Date, &Known),
    ) -> Result<usize, SealError> {
        let mut late = 0_usize;
        for row in store::postings_of_day(&self.pool, day).await.map_err(failed)? {
            if !is_known(known, &row.leaf_id()) {
                self.add_posting(&row);
                late = late.saturating_add(1);
            }
        }
        if 0 < late {
            self.flush(None).await?;
        }
        Ok(late)
    }

    async fn known_of(&self, day: Date) -> Result<Known, SealError> {
        let ids = store::leaf_ids_of_day(&self.pool, day).await.map_err(failed)?;
        let mut known: Known = ids.iter().map(|id| short(id)).collect();
        known.sort_unstable();
        Ok(known)
    }
}

/// As [`crate::domain::seal::leaf::ChangeRow::leaf_id`] has it.
pub(super) fn change_leaf_id((person, version, ordinal): ChangeKey) -> String {
    format!("r{person}/{version}/{ordinal}")
}

const HOUR_MS: i64 = 3_600_000;

fn short(id: &str) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(id).into();
    hash.first_chunk().copied().unwrap_or_default()
}

fn is_known(known: &Known, id: &str) -> bool {
    known.binary_search(&short(id)).is_ok()
}

/// When a day ends in Asia/Shanghai.
pub(super) fn shanghai_day_end(day: Date) -> Option<Timestamp> {
    shanghai_day_start(day.tomorrow().ok()?)
}
