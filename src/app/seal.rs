//! Seals what was settled: reads what came since, adds it to the trees of its region and day, signs their heads, and closes days that
//! are over. Off the path of a settlement, a minute behind at most, by one gateway at a time.

mod check;
mod close;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;

use super::{AppError, Now, shanghai};
use crate::bundle::roots::{self, RootsFault};
use crate::domain::ids::RegionCode;
use crate::domain::seal::Hash;
use crate::domain::seal::head::{Head, SignedHead};
use crate::domain::seal::leaf::{ChangeRow, Kind, PostingRow, SettlementRow};
use crate::domain::seal::tree::Tree;
use crate::keys::SealKeys;
use crate::limits;
use crate::store::{self, Block, Cursor, Pool, SealState, SealWrite, StoreError};
use crate::telemetry::SealGauges;

pub use self::check::{Check, Checked, Difference, What, check_seals};
pub(super) use self::check::{Differs, change_key, column_of, posting_of};

/// The tree of a region's day.
pub(super) type Place = (RegionCode, Date);

/// A leaf's id, and its hash.
type Leaf = (String, Hash);

/// What seals. One for the life of a process.
#[derive(Debug)]
pub struct Sealer {
    pool: Pool,
    keys: Arc<SealKeys>,
    roots_file: Option<PathBuf>,
    /// The trees of days that are not closed, as this process knows them.
    open: BTreeMap<Place, Open>,
    /// The last final head of each region: its day, and its hash.
    last: BTreeMap<RegionCode, (Date, Hash)>,
    /// Leaves that are not written yet.
    waiting: BTreeMap<Place, Vec<Leaf>>,
    /// How much time one statement reads.
    spans: [Duration; 2],
    /// The day that is to be closed, and the transaction before which all must have ended first.
    before: Option<(Date, i64)>,
    /// Were all heads looked for in the file of roots?
    published: bool,
    /// How long after it was made a row is surely visible.
    lag: Duration,
    /// Is it never later than the database says?
    by_database_clock: bool,
    /// How many days it closes by itself.
    days_at_once: Option<i32>,
    /// How many times as long as it read settlements it then pauses.
    pause_times: u32,
    /// What is seen of it.
    gauges: Arc<SealGauges>,
}

/// A tree that still grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Open {
    tree: Tree,
    blocks: i32,
    /// The hash of its newest head.
    head: Hash,
}

/// What came of a tick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Does somebody else seal just now?
    pub by_others: bool,
    /// How many leaves were added.
    pub leaves: usize,
    /// How many days were closed, each region's counted.
    pub days: usize,
    /// Is everything sealed that is to be sealed by now?
    pub is_up_to_date: bool,
}

/// Why nothing was sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The shell could not do it.
    #[error(transparent)]
    App(#[from] AppError),
    /// What is stored is not what was signed.
    #[error(
        "SEAL_ALTERED: the leaves of region {region}, {day} are not what was signed: {what}; run `onestop audit seal --check` \
         参保地 {region} {day} 的封印内容与签名不符，请运行 `onestop audit seal --check`"
    )]
    Altered {
        /// Of which region.
        region: RegionCode,
        /// Of which day.
        day: Date,
        /// What differs.
        what: &'static str,
    },
    /// The file of roots can not be read or written, or says otherwise.
    #[error("publish the roots")]
    Roots(#[source] RootsFault),
}

impl Sealer {
    /// Seals what is in a database, and publishes heads in a file where there is one.
    pub fn new(pool: Pool, keys: Arc<SealKeys>, roots_file: Option<PathBuf>) -> Self {
        Self {
            pool,
            keys,
            roots_file,
            open: BTreeMap::new(),
            last: BTreeMap::new(),
            waiting: BTreeMap::new(),
            spans: [Duration::from_secs(1); 2],
            before: None,
            published: false,
            lag: limits::SEAL_LAG,
            by_database_clock: false,
            days_at_once: None,
            pause_times: 0,
            gauges: Arc::new(SealGauges::since(super::now().at)),
        }
    }

    /// Goes by the database's clock where that is behind ours: what is sealed once is never looked for again before its day is closed.
    pub fn by_database_clock(self) -> Self {
        Self { by_database_clock: true, ..self }
    }

    /// Leaves it to somebody who looks to close many days at once: a clock that jumped would have them closed for ever.
    pub fn watchful(self) -> Self {
        Self { days_at_once: Some(limits::SEAL_DAYS_AT_ONCE), ..self }
    }

    /// Leaves the processor to others now and then.
    pub fn unhurried(self) -> Self {
        Self { pause_times: limits::SEAL_PAUSE_TIMES, ..self }
    }

    /// With another lag.
    pub fn lagging(self, lag: Duration) -> Self {
        Self { lag, ..self }
    }

    /// What is seen of it.
    pub fn gauges(&self) -> Arc<SealGauges> {
        Arc::clone(&self.gauges)
    }

    /// Seals for ever, every now and then. What goes wrong is told and tried again.
    pub async fn run(mut self) {
        let mut ticks = tokio::time::interval(limits::SEAL_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.tick(&super::now()).await {
                Ok(sealed) if 0 < sealed.days => {
                    tracing::info!(days = sealed.days, "Closed and sealed days of regions");
                }
                Ok(_) => {}
                Err(SealError::Roots(fault)) => {
                    let error = format!("{:#}", anyhow::Error::new(fault));
                    tracing::error!(
                        error,
                        "Days are sealed, but their roots were not published; it is tried again"
                    );
                }
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::new(error));
                    tracing::error!(error, "Nothing more was sealed; it is tried again");
                }
            }
        }
    }

    /// Seals what came since the last time, and closes days that are over. Whatever goes wrong, nothing is half sealed.
    pub async fn tick(&mut self, now: &Now) -> Result<Sealed, SealError> {
        let lock = store::lock_seals(&self.pool).await.map_err(failed)?;
        let Some(lock) = lock else {
            self.gauges.by_others();
            return Ok(Sealed { by_others: true, ..Sealed::default() });
        };
        let sealed = self.seal(now).await;
        lock.release().await;
        match &sealed {
            Err(SealError::Altered { .. }) => self.gauges.altered(),
            Err(SealError::Roots(_)) => self.gauges.unpublished(),
            Err(SealError::App(_)) | Ok(_) => {}
        }
        sealed
    }

    async fn seal(&mut self, now: &Now) -> Result<Sealed, SealError> {
        let state = store::seal_state(&self.pool).await.map_err(failed)?;
        self.catch_up(&state).await?;
        let before = self.open.clone();
        let sealed = self.seal_from(&state, now).await;
        if sealed.is_err() {
            // What was added here and not written is read again; what was signed before is not forgotten.
            self.waiting.clear();
            self.open = before;
        }
        sealed
    }

    async fn seal_from(&mut self, state: &SealState, now: &Now) -> Result<Sealed, SealError> {
        let at = if self.by_database_clock { now.at.min(state.now) } else { now.at };
        let ahead = now.at.duration_since(state.now);
        if self.by_database_clock && limits::SEAL_LAG < ahead.unsigned_abs() {
            tracing::error!(
                seconds = ahead.as_secs(),
                "CLOCKS_DIFFER: this gateway's clock is ahead of the database's (behind, below zero); what it settles is dated by it. \
                 本机时钟与数据库相差过大，结算按本机时钟记日期，请校时"
            );
        }
        let now = &Now { at, day: shanghai(at).date() };
        // In whole milliseconds, as ids have it.
        let to = moment(now.at.checked_sub(self.lag).unwrap_or(now.at).as_millisecond());
        let [settlements, changes, postings] = state.read_to;
        let mut sealed = Sealed::default();
        let mut read = to;
        for (up_to, count) in [
            self.read_settlements(settlements, to).await?,
            self.read_changes(changes, to).await?,
            self.read_postings(postings, to).await?,
        ] {
            read = read.min(up_to);
            sealed.leaves = sealed.leaves.saturating_add(count);
        }
        sealed.is_up_to_date = to <= read;
        self.gauges.sealed_to(read);
        if let Some(day) = self.closed(now, read).await? {
            let (days, leaves) = self.close(day, now).await?;
            sealed.days = days;
            sealed.leaves = sealed.leaves.saturating_add(leaves);
        }
        self.publish().await?;
        Ok(sealed)
    }

    /// Takes over what others sealed since, and sees that what is stored is what was signed.
    async fn catch_up(&mut self, state: &SealState) -> Result<(), SealError> {
        for signed in &state.last {
            self.last.insert(signed.head.region, (signed.head.day, signed.head.hash()));
        }
        let mut open = BTreeMap::new();
        for (signed, blocks) in &state.open {
            let place = (signed.head.region, signed.head.day);
            let known = self.open.get(&place);
            if let Some(known) = known.filter(|known| known.head == signed.head.hash()) {
                open.insert(place, known.clone());
                continue;
            }
            if known.is_some_and(|known| signed.head.leaves < known.tree.leaves()) {
                return Err(altered(place, "leaves that were sealed are gone"));
            }
            let read = self.reopen(signed, *blocks).await?;
            open.insert(place, read);
        }
        let last = &self.last;
        let closed = |place: &Place| last.get(&place.0).is_some_and(|(day, _)| place.1 <= *day);
        let gone = |place: &&Place| !closed(place) && !open.contains_key(*place);
        if let Some(gone) = self.open.keys().find(gone) {
            return Err(altered(*gone, "leaves that were sealed are gone"));
        }
        self.open = open;
        Ok(())
    }

    /// The tree that a head was signed for, from its leaves.
    async fn reopen(&self, signed: &SignedHead, blocks: i64) -> Result<Open, SealError> {
        let place = (signed.head.region, signed.head.day);
        let ours = self.keys.public_keys().any(|key| *key == signed.public_key);
        if !ours || !roots::is_signed(signed) {
            return Err(altered(place, "the signature of its newest head"));
        }
        let mut open = Open { head: signed.head.hash(), ..Open::default() };
        while i64::from(open.blocks) < blocks {
            let read = store::seal_leaves(&self.pool, place, open.blocks).await.map_err(failed)?;
            let Some(read) = read else { break };
            open.tree.extend(read.hashes);
            open.blocks = read.block.saturating_add(1);
        }
        if open.tree.leaves() != signed.head.leaves || open.tree.root() != signed.head.root {
            return Err(altered(place, "the root over its leaves"));
        }
        Ok(open)
    }

    /// Reads settlements from one moment to another, as many as one tick may; says up to when, and how many.
    async fn read_settlements(
        &mut self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(Timestamp, usize), SealError> {
        let (mut from, to) = (from.as_millisecond(), to.as_millisecond());
        let mut count = 0_usize;
        while from < to && count < limits::SEAL_TICK_LEAVES_MAX {
            let [span, _] = self.spans;
            let (until, began) = (from.saturating_add(milliseconds(span)).min(to), Instant::now());
            let mut rows = self.hashed(from, until).await?;
            // In the order in which they were made, whatever their buckets.
            rows.sort_unstable_by(|(_, (one, _)), (_, (other, _))| {
                one.get(4..).cmp(&other.get(4..))
            });
            count = count.saturating_add(rows.len());
            self.spans = [next_span(span, rows.len()), self.spans[1]];
            from = until;
            let is_empty = rows.is_empty();
            for (place, leaf) in rows {
                self.add(place, leaf);
            }
            if is_empty && from < to {
                let next = store::next_settlement(&self.pool, from).await.map_err(failed)?;
                from = next.unwrap_or(to).clamp(from, to);
                self.spans = [Duration::from_secs(1), self.spans[1]];
            }
            if limits::SEAL_WRITE_LEAVES <= self.waiting() {
                self.flush(Some((Cursor::Settlements, moment(from)))).await?;
            }
            if 0 < self.pause_times && from < to {
                let pause = began.elapsed().saturating_mul(self.pause_times);
                tokio::time::sleep(pause.min(limits::SEAL_PAUSE_MAX)).await;
            }
        }
        self.flush(Some((Cursor::Settlements, moment(from)))).await?;
        Ok((moment(from), count))
    }

    /// The same of changes of the registry.
    async fn read_changes(
        &mut self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(Timestamp, usize), SealError> {
        let (mut from, mut count) = (from, 0_usize);
        while from < to && count < limits::SEAL_TICK_LEAVES_MAX {
            let [_, span] = self.spans;
            let until = from.checked_add(span).unwrap_or(to).min(to);
            let read = store::changes_between(&self.pool, (from, until)).await;
            let mut rows = read.map_err(failed)?;
            rows.sort_unstable_by_key(|row| {
                (row.changed_at, row.person, row.standing_version, row.ordinal)
            });
            for row in &rows {
                self.add_change(row);
            }
            count = count.saturating_add(rows.len());
            self.spans = [self.spans[0], next_span(span, rows.len())];
            from = until;
            if rows.is_empty() && from < to {
                let next = store::next_change(&self.pool, from).await.map_err(failed)?;
                from = next.unwrap_or(to).clamp(from, to);
                self.spans = [self.spans[0], Duration::from_secs(1)];
            }
            if limits::SEAL_WRITE_LEAVES <= self.waiting() {
                self.flush(Some((Cursor::Changes, from))).await?;
            }
        }
        self.flush(Some((Cursor::Changes, from))).await?;
        Ok((from, count))
    }

    /// The same of postings, of which there are few.
    async fn read_postings(
        &mut self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(Timestamp, usize), SealError> {
        let (mut from, to) = (from.as_millisecond(), to.as_millisecond());
        let mut count = 0_usize;
        while from < to && count < limits::SEAL_TICK_LEAVES_MAX {
            let read = store::postings_between(&self.pool, (from, to)).await;
            let (rows, until) = read.map_err(failed)?;
            rows.iter().for_each(|row| self.add_posting(row));
            count = count.saturating_add(rows.len());
            from = until;
            self.flush(Some((Cursor::Postings, moment(from)))).await?;
        }
        Ok((moment(from), count))
    }

    /// The leaves of the settlements of a span, in no order.
    async fn hashed(&self, from: i64, until: i64) -> Result<Vec<(Place, Leaf)>, SealError> {
        let mut rows = Vec::new();
        let hash = |row: &SettlementRow<&str, &[u8]>| rows.push(leaf_of(&self.keys, row));
        let read = store::settlements_between(&self.pool, (from, until), hash).await;
        read.map_err(failed)?;
        Ok(rows)
    }

    fn add_settlement(&mut self, row: &SettlementRow) {
        let (place, leaf) = leaf_of(&self.keys, row);
        self.add(place, leaf);
    }

    fn add_change(&mut self, row: &ChangeRow) {
        let id = row.leaf_id();
        let hash = self.keys.salted(Kind::RegistryChange, &id, &row.parts()).hash;
        self.add((row.region, row.day()), (id, hash));
    }

    fn add_posting(&mut self, row: &PostingRow) {
        let id = row.leaf_id();
        let hash = self.keys.salted(Kind::Posting, &id, &row.parts()).hash;
        self.add((row.region, row.accounting_day), (id, hash));
    }

    fn add(&mut self, place: Place, leaf: Leaf) {
        if self.last.get(&place.0).is_some_and(|(closed, _)| place.1 <= *closed) {
            // A closed day stays as it is: the row stands there unsealed, and whoever checks the day is told.
            let (region, day) = place;
            self.gauges.late();
            tracing::error!(%region, %day, leaf = %leaf.0, "SEAL_LATE: a row came into a day that is closed");
            return;
        }
        self.waiting.entry(place).or_default().push(leaf);
    }

    fn waiting(&self) -> usize {
        self.waiting.values().map(Vec::len).sum()
    }

    /// Writes the leaves that wait, each tree's new head, and up to when everything is read.
    async fn flush(&mut self, read_to: Option<(Cursor, Timestamp)>) -> Result<(), SealError> {
        let mut write =
            SealWrite { read_to: read_to.into_iter().collect(), ..SealWrite::default() };
        for (place, leaves) in std::mem::take(&mut self.waiting) {
            let open = self.open.entry(place).or_default();
            let mut leaves = leaves.into_iter().peekable();
            while leaves.peek().is_some() {
                let first_leaf = i64::try_from(open.tree.leaves()).unwrap_or(i64::MAX);
                let some = leaves.by_ref().take(limits::SEAL_BLOCK_LEAVES);
                let (ids, hashes): (Vec<String>, Vec<Hash>) = some.unzip();
                open.tree.extend(hashes.iter().copied());
                let (region, day) = place;
                write.blocks.push(Block {
                    region,
                    day,
                    block: open.blocks,
                    first_leaf,
                    ids,
                    hashes,
                });
                open.blocks = open.blocks.saturating_add(1);
            }
            let head = head_of(&self.keys, place, &open.tree, (false, open.head));
            open.head = head.hash();
            write.heads.push(self.keys.sign(head));
        }
        store::put_seals(&self.pool, &write).await.map_err(failed)
    }

    /// Adds final heads that the file of roots does not have.
    async fn publish(&mut self) -> Result<(), SealError> {
        let Some(path) = self.roots_file.clone().filter(|_| !self.published) else { return Ok(()) };
        let heads = store::final_heads(&self.pool, None, (Date::MIN, Date::MAX)).await;
        let heads = heads.map_err(failed)?;
        // The disk may be slow, and other work goes on.
        let written = tokio::task::spawn_blocking(move || roots::publish(&path, &heads)).await;
        match written {
            Ok(written) => written.map_err(SealError::Roots)?,
            Err(_) => return Ok(()),
        };
        self.published = true;
        Ok(())
    }
}

fn leaf_of<T: AsRef<str>, B: AsRef<[u8]>>(
    keys: &SealKeys,
    row: &SettlementRow<T, B>,
) -> (Place, Leaf) {
    let id = row.leaf_id();
    let hash = keys.salted(Kind::Settlement, &id, &row.parts()).hash;
    ((row.region, row.accounting_day), (id, hash))
}

fn head_of(
    keys: &SealKeys,
    (region, day): Place,
    tree: &Tree,
    (is_final, previous): (bool, Hash),
) -> Head {
    let sealed_at = super::now().at;
    let (leaves, root) = (tree.leaves(), tree.root());
    Head { is_final, region, day, leaves, root, previous, sealed_at, key: keys.id() }
}

/// About as many rows as one statement may read.
fn next_span(span: Duration, rows: usize) -> Duration {
    let next = if limits::SEAL_READ_ROWS < rows {
        span.checked_div(2).unwrap_or(span)
    } else if rows < limits::SEAL_READ_ROWS / 4 {
        span.saturating_mul(2)
    } else {
        span
    };
    next.clamp(Duration::from_millis(10), limits::SEAL_READ_SPAN_MAX)
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn moment(unix_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::MAX)
}

fn altered((region, day): Place, what: &'static str) -> SealError {
    SealError::Altered { region, day, what }
}

fn failed(source: StoreError) -> SealError {
    SealError::App(AppError::Store { step: "seal", source })
}
