//! The catalogue in memory, whole, as of one version: bills of fifty lines need not look up fifty items in the database.
//!
//! Every snapshot says which version is recorded; where it is another than the one held, the snapshot reads the items itself, and
//! the catalogue is read again behind it. What is settled never rests on a catalogue that is not the recorded one: its commit compares versions.
//! A quote from memory rests on it where this gateway is alone, as far as every change goes through a gateway.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use futures_util::TryStreamExt as _;
use hashbrown::{DefaultHashBuilder, HashTable};
use jiff::civil::Date;
use smallvec::SmallVec;
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
    /// How often what was held was let go.
    forgotten: Mutex<u64>,
    /// When it was begun to be read.
    read_at: Mutex<Option<Instant>>,
}

/// The catalogue as of one version.
#[derive(Debug)]
pub struct Catalogue {
    /// Which.
    pub(super) version: i64,
    items: Items,
    /// Each hospital's spans, the latest first.
    hospitals: BTreeMap<HospitalCode, Vec<Hospital>>,
}

/// By item. Asked for one at a time, so that its order is never seen.
///
/// Fifty items of a bill are fifty places in a memory that others use too: an item is known by its first entry, and so lies in
/// one place, not in two.
#[derive(Debug, Default)]
struct Items {
    table: HashTable<Spans>,
    hasher: DefaultHashBuilder,
    /// Those of each span, one for each level, side by side.
    entries: Vec<CatalogueEntry>,
}

/// Of one item. Most have one span, which then lies beside its item.
type Spans = SmallVec<[Span; 1]>;

/// What one region says of an item in one span, for each level.
#[derive(Debug)]
struct Span {
    region: u32,
    valid_from: Date,
    valid_to: Option<Date>,
    /// Where its entries begin.
    first: u32,
}

impl Held {
    /// What is held, if anything is.
    pub(super) fn catalogue(&self) -> Option<Arc<Catalogue>> {
        self.catalogue.load_full()
    }

    /// Lets go of what is held.
    pub(super) fn forget(&self) {
        let mut forgotten = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        *forgotten = forgotten.saturating_add(1);
        self.catalogue.store(None);
    }

    fn forgotten(&self) -> u64 {
        *self.forgotten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was read, unless it was to be let go meanwhile.
    fn keep(&self, read: Option<Catalogue>, forgotten_before: u64) {
        let forgotten = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        if *forgotten == forgotten_before {
            self.catalogue.store(read.map(Arc::new));
        }
    }

    /// Reads it again behind the caller, unless somebody does already or just did.
    pub(super) fn read_again(&self, pool: &Pool) {
        let mut read_at = self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        let just_read = read_at.is_some_and(|at| at.elapsed() < limits::CATALOGUE_READ_INTERVAL);
        if !just_read && !self.reading.swap(true, Ordering::AcqRel) {
            *read_at = Some(Instant::now());
            tokio::spawn(read_behind(pool.clone()));
        }
    }
}

async fn read_behind(pool: Pool) {
    let held = pool.reference();
    let forgotten = held.forgotten();
    match read(&pool).await {
        Ok(catalogue) => held.keep(catalogue, forgotten),
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
    let mut items = Items::default();
    let mut count = 0_i64;
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        count = count.saturating_add(1);
        if rows_max < count {
            tracing::warn!(rows_max, "The catalogue is too large to be held in memory");
            return Ok(None);
        }
        let (region, entry, ceilings) = read_entry(&Reader { row: &row, operation: &operation })?;
        items.add(region, &entry, ceilings);
    }
    let hospitals = read_hospitals(&transaction, &operation).await?;
    Ok(Some(Catalogue { version, items, hospitals }))
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

fn read_entry(reader: &Reader<'_>) -> Result<(RegionCode, CatalogueEntry, Ceilings), StoreError> {
    let ratio: Option<i64> = reader.get("advance_ratio_billionths")?;
    let entry = CatalogueEntry {
        item: reader.text("item_code", ItemCode::new)?,
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
    Ok((reader.region("region")?, entry, ceilings))
}

impl Items {
    /// Looked for at the level that is asked for, so that no other level's entry is touched.
    fn get(&self, item: &ItemCode, level: usize) -> Option<&Spans> {
        let is_it = |spans: &Spans| item_of(&self.entries, spans, level) == Some(item);
        self.table.find(self.hasher.hash_one(item), is_it)
    }

    fn add(&mut self, region: RegionCode, entry: &CatalogueEntry, ceilings: Ceilings) {
        let item = &entry.item;
        let Ok(first) = u32::try_from(self.entries.len()) else { return };
        let of_level =
            |ceiling_price_e6| CatalogueEntry { ceiling_price_e6, ..CatalogueEntry::clone(entry) };
        self.entries.extend(ceilings.map(of_level));
        let (valid_from, valid_to) = (entry.valid_from, entry.valid_to);
        let span = Span { region: region.get(), valid_from, valid_to, first };
        let (hash, entries) = (self.hasher.hash_one(item), &self.entries);
        let is_it = |spans: &Spans| item_of(entries, spans, 0) == Some(item);
        if let Some(spans) = self.table.find_mut(hash, is_it) {
            spans.push(span);
            return;
        }
        let rehash =
            |spans: &Spans| self.hasher.hash_one(item_of(entries, spans, 0).unwrap_or(item));
        self.table.insert_unique(hash, SmallVec::from_buf([span]), rehash);
    }
}

/// Whose spans they are: there is always one, with an entry for each level.
fn item_of<'a>(entries: &'a [CatalogueEntry], spans: &Spans, level: usize) -> Option<&'a ItemCode> {
    Some(&entries.get(spans.first()?.at(level)?)?.item)
}

impl Span {
    /// Where its entry of a level is.
    fn at(&self, level: usize) -> Option<usize> {
        usize::try_from(self.first).ok()?.checked_add(level)
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
        let mut items = Items::default();
        for (region, entry, ceilings) in entries {
            items.add(region, &entry, ceilings);
        }
        Self { version, items, hospitals: BTreeMap::new() }
    }

    /// What it says of an item at a hospital on a day.
    pub fn entry(
        &self,
        item: &ItemCode,
        hospital: &Hospital,
        day: Date,
    ) -> Option<&CatalogueEntry> {
        self.at(self.place(item, hospital, day)?)
    }

    /// The entry at a place.
    pub(super) fn at(&self, place: u32) -> Option<&CatalogueEntry> {
        self.items.entries.get(usize::try_from(place).ok()?)
    }

    /// Where what it says of an item at a hospital on a day is: the narrowest region wins.
    pub(super) fn place(&self, item: &ItemCode, hospital: &Hospital, day: Date) -> Option<u32> {
        let level = match hospital.level {
            1 => 0,
            2 => 1,
            _ => 2,
        };
        let spans = self.items.get(item, level)?;
        let widening = widening(hospital.region);
        let in_force = spans.iter().filter(|span| within(day, span.valid_from, span.valid_to));
        let narrowest = in_force
            .filter_map(|span| {
                let width = widening.iter().position(|region| *region == span.region)?;
                Some((width, span))
            })
            // The first of those that are as narrow.
            .min_by_key(|(width, _)| *width);
        narrowest.and_then(|(_, span)| u32::try_from(span.at(level)?).ok())
    }
}

/// A region, its prefecture, its province, and everywhere.
const fn widening(region: RegionCode) -> [u32; 4] {
    [region.get(), region.prefecture() * 100, region.province() * 10_000, 0]
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::bill::CatalogueClass;
    use crate::domain::ids::HospitalCode;

    const REGIONS: [&str; 6] = ["520201", "520200", "520000", "000000", "520300", "530000"];

    proptest! {
        /// Region by region, from the narrowest on: the first span in force.
        #[test]
        fn the_narrowest_region_with_a_span_in_force_wins(
            spans in vec((0..REGIONS.len(), 1_i8..9, prop::option::of(0_i8..5)), 0..6),
            (at, level, day) in (0..REGIONS.len(), 1_i16..5, 1_i8..15),
        ) {
            let region = |at: usize| RegionCode::new(REGIONS[at]).unwrap();
            let entries: Vec<_> = spans.iter().zip(0..).map(|((at, from, lasts), number)| {
                let entry = CatalogueEntry {
                    item: ItemCode::new("X1").unwrap(),
                    valid_from: date(2024, 6, *from),
                    valid_to: lasts.map(|lasts| date(2024, 6, from + lasts)),
                    class: CatalogueClass::A,
                    advance_ratio: None,
                    ceiling_price_e6: None,
                    amount_name: None,
                };
                (region(*at), entry, [1, 2, 3].map(|level| Some(level * 100 + number)))
            }).collect();
            let day = date(2024, 6, day);
            let hospital = Hospital {
                code: HospitalCode::new("H1").unwrap(),
                region: region(at),
                level,
                valid_from: day,
                valid_to: None,
            };
            let expected = widening(hospital.region).into_iter().find_map(|wanted| {
                let mut of_region = entries.iter().filter(|(region, ..)| region.get() == wanted);
                of_region.find(|(_, entry, _)| within(day, entry.valid_from, entry.valid_to))
            });
            let expected = expected.and_then(|(_, _, ceilings)| match level {
                1 => ceilings[0],
                2 => ceilings[1],
                _ => ceilings[2],
            });
            let catalogue = Catalogue::of(1, entries);
            let found = catalogue.entry(&ItemCode::new("X1").unwrap(), &hospital, day);
            prop_assert_eq!(found.and_then(|entry| entry.ceiling_price_e6), expected);
            prop_assert!(catalogue.entry(&ItemCode::new("X2").unwrap(), &hospital, day).is_none());
        }
    }
}
