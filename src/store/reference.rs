//! The catalogue in memory, whole, as of one version: bills of fifty lines need not look up fifty items in the database.
//!
//! Every snapshot says which version is recorded; where it is another than the one held, the snapshot reads the items itself, and
//! the catalogue is read again behind it. What is answered never rests on a catalogue that is not the recorded one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use futures_util::TryStreamExt as _;
use jiff::civil::Date;
use tokio_postgres::types::ToSql;

use super::error::{Operation, StoreError};
use super::pool::{Pool, READ_EVERYTHING};
use super::row::{self, Reader};
use crate::domain::bill::CatalogueEntry;
use crate::domain::ids::{HospitalCode, ItemCode, RegionCode};
use crate::domain::money::Rate;
use crate::domain::standing::{Hospital, within};
use crate::limits;

/// Hospitals are of level 1, 2 or 3; ceiling prices go by it.
const LEVELS: usize = 3;

/// The ceiling price of one at each level, in millionths of a yuan.
pub type Ceilings = [Option<i64>; LEVELS];

/// Where the catalogue is held.
#[derive(Debug, Default)]
pub(super) struct Held {
    catalogue: ArcSwapOption<Catalogue>,
    reading: AtomicBool,
}

/// The catalogue as of one version.
#[derive(Debug)]
pub struct Catalogue {
    /// Which.
    pub(super) version: i64,
    items: BTreeMap<ItemCode, Vec<Span>>,
    /// Each hospital's spans, the latest first.
    hospitals: BTreeMap<HospitalCode, Vec<Hospital>>,
    read_at: Instant,
}

/// What one region says of an item in one span, for each level.
#[derive(Debug)]
struct Span {
    region: u32,
    entries: [Arc<CatalogueEntry>; LEVELS],
}

impl Held {
    /// What is held, if anything is.
    pub(super) fn catalogue(&self) -> Option<Arc<Catalogue>> {
        self.catalogue.load_full()
    }

    /// Lets go of what is held.
    pub(super) fn forget(&self) {
        self.catalogue.store(None);
    }

    /// Reads it again behind the caller, unless somebody does already or just did.
    pub(super) fn read_again(&self, pool: &Pool) {
        let just_read = self
            .catalogue
            .load()
            .as_ref()
            .is_some_and(|held| held.read_at.elapsed() < limits::CATALOGUE_READ_INTERVAL);
        if !just_read && !self.reading.swap(true, Ordering::AcqRel) {
            tokio::spawn(read_behind(pool.clone()));
        }
    }
}

async fn read_behind(pool: Pool) {
    let read = read(&pool).await;
    let held = pool.reference();
    match read {
        Ok(catalogue) => held.catalogue.store(catalogue.map(Arc::new)),
        // Snapshots read for themselves meanwhile.
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, "Could not read the catalogue into memory");
        }
    }
    held.reading.store(false, Ordering::Release);
}

/// Reads all of it at one moment; nothing where it is larger than may be held.
async fn read(pool: &Pool) -> Result<Option<Catalogue>, StoreError> {
    let operation = Operation::ReadCatalogue;
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let mut connection = pool.take(&operation).await?;
    let transaction = connection
        .client
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .map_err(failed)?;
    transaction.batch_execute(READ_EVERYTHING).await.map_err(failed)?;
    let version = "SELECT version FROM reference_state WHERE only_row";
    let version: i64 =
        transaction.query_one(version, &[]).await.and_then(|row| row.try_get(0)).map_err(failed)?;
    let rows_max = i64::try_from(limits::CATALOGUE_ROWS_HELD_MAX).unwrap_or(i64::MAX);
    let one_more = rows_max.saturating_add(1);
    let wanted: [&(dyn ToSql + Sync); 1] = [&one_more];
    let sql = include_str!("sql/reference.sql");
    let rows = transaction.query_raw(sql, wanted).await.map_err(failed)?;
    tokio::pin!(rows);
    let mut items: BTreeMap<ItemCode, Vec<Span>> = BTreeMap::new();
    let mut count = 0_i64;
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        count = count.saturating_add(1);
        if rows_max < count {
            tracing::warn!(rows_max, "The catalogue is too large to be held in memory");
            return Ok(None);
        }
        let (item, span) = span_of(&Reader { row: &row, operation: &operation })?;
        items.entry(item).or_default().push(span);
    }
    let hospitals = read_hospitals(&transaction, &operation).await?;
    Ok(Some(Catalogue { version, items, hospitals, read_at: Instant::now() }))
}

async fn read_hospitals(
    transaction: &deadpool_postgres::Transaction<'_>,
    operation: &Operation,
) -> Result<BTreeMap<HospitalCode, Vec<Hospital>>, StoreError> {
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let sql = "SELECT hospital_code, region, level, valid_from, valid_to FROM hospital ORDER BY hospital_code, valid_from DESC";
    let mut hospitals: BTreeMap<HospitalCode, Vec<Hospital>> = BTreeMap::new();
    for row in &transaction.query(sql, &[]).await.map_err(failed)? {
        let reader = Reader { row, operation };
        let code = reader.text("hospital_code", HospitalCode::new)?;
        hospitals.entry(code.clone()).or_default().push(Hospital {
            code,
            region: reader.region("region")?,
            level: reader.get("level")?,
            valid_from: reader.get("valid_from")?,
            valid_to: reader.get("valid_to")?,
        });
    }
    Ok(hospitals)
}

fn span_of(reader: &Reader<'_>) -> Result<(ItemCode, Span), StoreError> {
    let item = reader.text("item_code", ItemCode::new)?;
    let ratio: Option<i64> = reader.get("advance_ratio_billionths")?;
    let entry = CatalogueEntry {
        item: item.clone(),
        valid_from: reader.get("valid_from")?,
        valid_to: reader.get("valid_to")?,
        class: reader.text("class", row::class)?,
        advance_ratio: ratio.map(Rate::from_billionths),
        ceiling_price_e6: None,
        amount_name: reader.get("amount_name")?,
    };
    let ceilings: Ceilings = [
        reader.get("ceiling_price_level_1_e6")?,
        reader.get("ceiling_price_level_2_e6")?,
        reader.get("ceiling_price_level_3_e6")?,
    ];
    Ok((item, Span::of(reader.region("region")?, &entry, ceilings)))
}

impl Span {
    fn of(region: RegionCode, entry: &CatalogueEntry, ceilings: Ceilings) -> Self {
        let entries = ceilings
            .map(|ceiling_price_e6| Arc::new(CatalogueEntry { ceiling_price_e6, ..entry.clone() }));
        Self { region: region.get(), entries }
    }
}

impl Catalogue {
    /// A hospital on a day.
    pub(super) fn hospital(&self, code: &HospitalCode, day: Date) -> Option<Hospital> {
        let spans = self.hospitals.get(code)?;
        spans.iter().find(|span| within(day, span.valid_from, span.valid_to)).cloned()
    }

    /// Of these entries, each of a region and with the ceiling price at each level.
    pub fn of(
        version: i64,
        entries: impl IntoIterator<Item = (RegionCode, CatalogueEntry, Ceilings)>,
    ) -> Self {
        let mut items: BTreeMap<ItemCode, Vec<Span>> = BTreeMap::new();
        for (region, entry, ceilings) in entries {
            let span = Span::of(region, &entry, ceilings);
            items.entry(entry.item).or_default().push(span);
        }
        Self { version, items, hospitals: BTreeMap::new(), read_at: Instant::now() }
    }

    /// What it says of an item at a hospital on a day: the narrowest region wins.
    pub fn entry(
        &self,
        item: &ItemCode,
        hospital: &Hospital,
        day: Date,
    ) -> Option<Arc<CatalogueEntry>> {
        let spans = self.items.get(item)?;
        let level = match hospital.level {
            1 => 0,
            2 => 1,
            _ => 2,
        };
        widening(hospital.region).into_iter().find_map(|region| {
            let of_region = spans.iter().filter(|span| span.region == region);
            let mut entries = of_region.filter_map(|span| span.entries.get(level));
            entries.find(|entry| within(day, entry.valid_from, entry.valid_to)).map(Arc::clone)
        })
    }
}

/// A region, its prefecture, its province, and everywhere.
const fn widening(region: RegionCode) -> [u32; 4] {
    [region.get(), region.prefecture() * 100, region.province() * 10_000, 0]
}
