//! Everything that a decision may look at, read at one moment, in one statement and one round trip.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::catalogued::Catalogued;
use super::error::{Operation, StoreError};

use super::persons;
use super::pool::Pool;
use super::reads::{self, Asked, AskedHistory, AskedStay};
use super::reference::Catalogue;
use super::row::{self, Reader};
use super::tombstone::Tombstone;
use crate::domain::bill::CatalogueEntry;
use crate::domain::ids::{
    HospitalCode, ItemCode, PersonId, RegionCode, RequestId, SettlementId, StayId,
};
use crate::domain::money::{Fen, Rate};
use crate::domain::standing::{
    Coverage, Hospital, Identity, PersonSnapshot, Scheme, Standing, StayRecord, Used,
};

pub(super) const SQL: &str = include_str!("sql/snapshot.sql");
/// What somebody has used whose standing is in memory.
pub(super) const HISTORY: &str = include_str!("sql/history.sql");

/// What to read for a bill.
#[derive(Clone, Debug)]
pub struct ReadSnapshot<'a> {
    /// Keyed hash of what the patient showed.
    pub credential_hash: [u8; 32],
    /// Its kind, as numbered in the contract.
    pub credential_kind: u8,
    /// The hospital.
    pub hospital: &'a HospitalCode,
    /// The request, to find an earlier answer to it; nothing for a quote.
    pub request: Option<&'a RequestId>,
    /// The stay, to find what settled it already.
    pub stay: &'a StayId,
    /// Its part.
    pub stay_part: i16,
    /// Last day of the stay: which span of the hospital counts.
    pub discharge: Date,
    /// The item and the day of each charge line, in their order.
    pub items: &'a [(&'a ItemCode, Date)],
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The person; nothing where the credential is not known.
    pub person: Option<Arc<PersonSnapshot>>,
    /// The hospital on the discharge date.
    pub hospital: Option<Hospital>,
    /// What the catalogue says of each item asked for, in the order asked.
    pub catalogue: Catalogued,
    /// What used up the request id before.
    pub earlier: Option<Earlier>,
    /// The settlement in force of this very stay, and whose it is.
    pub stay_in_force: Option<(SettlementId, PersonId)>,
    /// How far changes of what is held in memory had come before it was read.
    pub changes: u64,
    /// The version of the catalogue in memory that it rests on; nothing where what it says was read.
    pub reference_version: Option<i64>,
}

/// What used up a request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// A settlement or a reversal.
    Settlement(EarlierSettlement),
    /// A tombstone, as its original or as the reversal that left it.
    Tombstone(Tombstone),
}

/// A settlement under the same request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierSettlement {
    /// Its id.
    pub settlement: SettlementId,
    /// Whose it is.
    pub person: PersonId,
    /// The body of the request that made it.
    pub body_sha256: [u8; 32],
    /// What it reverses, where it is a reversal.
    pub reverses: Option<SettlementId>,
    /// The reversal that undid it.
    pub reversed_by: Option<SettlementId>,
}

/// All of it from memory, without a wait; nothing where any of it must be read. What used the request id, or settled the stay for somebody
/// else, is not looked for: who writes on this is told by the commit, and who refuses on it must read first.
///
/// Whoever asks with a request, to write, is shown the person as they will be once what is on its way is written.
pub fn remember(pool: &Pool, wanted: &ReadSnapshot<'_>) -> Option<Snapshot> {
    let changes = pool.persons().changes();
    let held = pool.reference().catalogue()?;
    if pool.persons().was_seen(wanted.hospital, wanted.request) {
        return None;
    }
    let credential = (&wanted.credential_hash, wanted.credential_kind);
    let person = pool.persons().known(credential, wanted.request.is_some())?;
    together(wanted, held, person, changes)
}

/// As `remember` does for whoever has used something and was not here lately: standing and catalogue from memory, where what is recorded
/// says that they still are what is held, and what they used by a lean statement. Nothing where it does not, or where one of them is not
/// held. What used the request id, or settled the stay for somebody else, is not looked for here either.
pub async fn recall(
    pool: &Pool,
    wanted: &ReadSnapshot<'_>,
) -> Result<Option<Snapshot>, StoreError> {
    let (changes, dropped) = (pool.persons().changes(), pool.persons().dropped());
    let Some(held) = pool.reference().catalogue() else { return Ok(None) };
    if pool.persons().was_seen(wanted.hospital, wanted.request) {
        return Ok(None);
    }
    let credential = (&wanted.credential_hash, wanted.credential_kind);
    let Some(standing) = pool.persons().standing(credential) else { return Ok(None) };
    let row = pool.histories().read(pool, AskedHistory(standing.person)).await?;
    let reader = Reader { row: &row, operation: &Operation::History };
    if reader.get::<Option<i64>>("standing_version")? != Some(standing.version)
        || reader.get::<i64>("reference_version")? != held.version
    {
        return Ok(None);
    }
    let person = Arc::new(with_history(&reader, standing)?);
    pool.persons().learn(credential, &person, (changes, dropped));
    Ok(together(wanted, held, person, changes))
}

/// A person and a catalogue that are at hand, as a snapshot for this bill.
fn together(
    wanted: &ReadSnapshot<'_>,
    held: Arc<Catalogue>,
    person: Arc<PersonSnapshot>,
    changes: u64,
) -> Option<Snapshot> {
    let hospital = held.hospital(wanted.hospital, wanted.discharge)?;
    let place = |(item, day): &(&ItemCode, Date)| held.place(item, &hospital, *day);
    let places = wanted.items.iter().map(place).collect();
    let same = |stay: &&StayRecord| {
        !stay.reversed
            && stay.stay == *wanted.stay
            && stay.hospital == *wanted.hospital
            && stay.part == wanted.stay_part
    };
    let settled = person.stays.iter().find(same);
    let stay_in_force = settled.map(|stay| (stay.settlement.clone(), person.standing.person));
    Some(Snapshot {
        person: Some(person),
        hospital: Some(hospital),
        reference_version: Some(held.version),
        catalogue: Catalogued::held(held, places),
        earlier: None,
        stay_in_force,
        changes,
    })
}

/// Reads it: in one round trip, but for the first time after another gateway changed the catalogue.
pub async fn snapshot(pool: &Pool, wanted: &ReadSnapshot<'_>) -> Result<Snapshot, StoreError> {
    let operation = Operation::Snapshot(wanted.hospital.clone());
    let (changes, dropped) = (pool.persons().changes(), pool.persons().dropped());
    let learned = |snapshot: Snapshot| {
        if let Some(person) = &snapshot.person {
            let credential = (&wanted.credential_hash, wanted.credential_kind);
            pool.persons().learn(credential, person, (changes, dropped));
            if pool.persons().is_behind() {
                persons::load(pool);
            }
        }
        Snapshot { changes, ..snapshot }
    };
    let asked = Asked {
        credential_hash: wanted.credential_hash,
        credential_kind: wanted.credential_kind,
        stay: Some(AskedStay {
            hospital: wanted.hospital.clone(),
            request: wanted.request.cloned(),
            stay: wanted.stay.clone(),
            part: wanted.stay_part,
            discharge: wanted.discharge,
        }),
    };
    if let Some(held) = pool.reference().catalogue() {
        let row = pool.reads().read(pool, asked.clone()).await?;
        let reader = Reader { row: &row, operation: &operation };
        if reader.get::<i64>("reference_version")? == held.version {
            let hospital = hospital(&reader, wanted.hospital)?;
            let place = |(item, day): &(&ItemCode, Date)| {
                hospital.as_ref().and_then(|hospital| held.place(item, hospital, *day))
            };
            let places = wanted.items.iter().map(place).collect();
            let reference_version = Some(held.version);
            let snapshot = whole(&reader, hospital, Catalogued::held(held, places))?;
            return Ok(learned(Snapshot { reference_version, ..snapshot }));
        }
    }
    pool.reference().read_again(pool);
    let connection = pool.take(&operation).await?;
    let rows = reads::query(&connection, &[asked], wanted.items, &operation).await?;
    let row = rows.first();
    let row = row.ok_or(StoreError::Stored { operation: operation.clone(), field: "snapshot" })?;
    let reader = Reader { row, operation: &operation };
    let hospital = hospital(&reader, wanted.hospital)?;
    let catalogue = catalogue(&reader, wanted.items)?;
    whole(&reader, hospital, catalogue).map(learned)
}

/// Who a person is and what they have used, by what they show; all dates, so that the caller picks the day.
pub async fn standing(
    pool: &Pool,
    credential_hash: &[u8; 32],
    credential_kind: u8,
) -> Result<Option<PersonSnapshot>, StoreError> {
    let asked = Asked { credential_hash: *credential_hash, credential_kind, stay: None };
    let row = pool.reads().read(pool, asked).await?;
    person(&Reader { row: &row, operation: &Operation::Standing })
}

fn whole(
    reader: &Reader<'_>,
    hospital: Option<Hospital>,
    catalogue: Catalogued,
) -> Result<Snapshot, StoreError> {
    Ok(Snapshot {
        person: person(reader)?.map(Arc::new),
        hospital,
        catalogue,
        earlier: earlier(reader)?,
        stay_in_force: reader
            .settlement("same_stay_settlement")?
            .zip(reader.person("same_stay_person")?),
        changes: 0,
        reference_version: None,
    })
}

fn person(reader: &Reader<'_>) -> Result<Option<PersonSnapshot>, StoreError> {
    let Some(person) = reader.person("person_id")? else { return Ok(None) };
    let standing = Standing {
        person,
        version: reader.get("standing_version")?,
        birth: reader.get("birth_date")?,
        coverage: coverage(reader)?,
        identities: identities(reader)?,
    };
    with_history(reader, standing).map(Some)
}

fn with_history(reader: &Reader<'_>, standing: Standing) -> Result<PersonSnapshot, StoreError> {
    Ok(PersonSnapshot {
        standing,
        ledger_version: reader.get("ledger_version")?,
        used: used(reader)?,
        stays: stays(reader)?,
        newest: reader.settlement("newest_settlement_id")?,
    })
}

fn coverage(reader: &Reader<'_>) -> Result<Vec<Coverage>, StoreError> {
    let schemes = reader.texts("coverage_scheme", Scheme::from_word)?;
    let regions = reader.texts("coverage_region", RegionCode::new)?;
    let froms: Vec<Date> = reader.list("coverage_from")?;
    let tos = reader.ends("coverage_to")?;
    let facts = reader.texts("coverage_facts", row::facts)?;
    let spans = schemes.into_iter().zip(regions).zip(froms).zip(tos).zip(facts);
    Ok(spans
        .map(|((((scheme, region), valid_from), valid_to), facts)| Coverage {
            scheme,
            region,
            valid_from,
            valid_to,
            facts,
        })
        .collect())
}

fn identities(reader: &Reader<'_>) -> Result<Vec<Identity>, StoreError> {
    let codes: Vec<String> = reader.list("identity_code")?;
    let regions = reader.texts("identity_region", RegionCode::new)?;
    let froms: Vec<Date> = reader.list("identity_from")?;
    let tos = reader.ends("identity_to")?;
    let sources: Vec<String> = reader.list("identity_source")?;
    let spans = codes.into_iter().zip(regions).zip(froms).zip(tos).zip(sources);
    Ok(spans
        .map(|((((code, region), valid_from), valid_to), source)| Identity {
            code,
            region,
            valid_from,
            valid_to,
            source,
        })
        .collect())
}

fn used(reader: &Reader<'_>) -> Result<Vec<Used>, StoreError> {
    let keys: Vec<String> = reader.list("used_key")?;
    let amounts: Vec<i64> = reader.list("used_fen")?;
    let each = keys.iter().zip(amounts);
    each.map(|(key, fen)| reader.parse("used_key", row::used(key, Fen::new(fen)))).collect()
}

fn stays(reader: &Reader<'_>) -> Result<Vec<StayRecord>, StoreError> {
    let places = reader
        .texts("stay_hospital", HospitalCode::new)?
        .into_iter()
        .zip(reader.list::<i16>("stay_level")?)
        .zip(reader.texts("stay_id", StayId::new)?)
        .zip(reader.list::<i16>("stay_part")?)
        .zip(reader.list::<String>("stay_care")?);
    let days = reader
        .list::<Date>("stay_admission")?
        .into_iter()
        .zip(reader.list::<Date>("stay_discharge")?);
    let counted = reader
        .texts("stay_region", RegionCode::new)?
        .into_iter()
        .zip(reader.texts("stay_scheme", Scheme::from_word)?)
        .zip(reader.list::<i16>("stay_year")?)
        .zip(reader.list::<i64>("stay_deductible_fen")?);
    let settled = reader
        .texts("stay_settlement", SettlementId::new)?
        .into_iter()
        .zip(reader.list::<bool>("stay_reversed")?);
    let mut stays = Vec::new();
    for (((place, days), counted), (settlement, reversed)) in
        places.zip(days).zip(counted).zip(settled)
    {
        let ((((hospital, level), stay), part), care) = place;
        let (admission, discharge) = days;
        let (((region, scheme), year), deductible_fen) = counted;
        let deductible = Fen::new(deductible_fen);
        stays.push(StayRecord {
            hospital,
            level,
            stay,
            part,
            care,
            admission,
            discharge,
            region,
            scheme,
            year,
            deductible,
            settlement,
            reversed,
        });
    }
    Ok(stays)
}

fn hospital(reader: &Reader<'_>, code: &HospitalCode) -> Result<Option<Hospital>, StoreError> {
    let Some(region) = reader.maybe("hospital_region", RegionCode::new)? else { return Ok(None) };
    Ok(Some(Hospital {
        code: code.clone(),
        region,
        level: reader.get("hospital_level")?,
        valid_from: reader.get("hospital_from")?,
        valid_to: reader.get("hospital_to")?,
    }))
}

fn catalogue(reader: &Reader<'_>, items: &[(&ItemCode, Date)]) -> Result<Catalogued, StoreError> {
    let froms = reader.ends("item_from")?;
    let tos = reader.ends("item_to")?;
    let classes: Vec<Option<String>> = reader.list("item_class")?;
    let ratios: Vec<Option<i64>> = reader.list("item_ratio")?;
    let ceilings: Vec<Option<i64>> = reader.list("item_ceiling_e6")?;
    let amount_names: Vec<Option<String>> = reader.list("item_amount_name")?;
    let mut entries = Vec::with_capacity(items.len());
    let columns =
        froms.into_iter().zip(tos).zip(classes).zip(ratios).zip(ceilings).zip(amount_names);
    for ((item, _), (((((from, valid_to), class), ratio), ceiling_price_e6), amount_name)) in
        items.iter().zip(columns)
    {
        let (Some(valid_from), Some(letter)) = (from, class) else {
            entries.push(None);
            continue;
        };
        entries.push(Some(CatalogueEntry {
            item: (*item).clone(),
            valid_from,
            valid_to,
            class: reader.parse("item_class", row::class(&letter))?,
            advance_ratio: ratio.map(Rate::from_billionths),
            ceiling_price_e6,
            amount_name,
        }));
    }
    let listed = (entries.len() == items.len()).then(|| Catalogued::read(entries));
    reader.parse("item_from", listed)
}

fn earlier(reader: &Reader<'_>) -> Result<Option<Earlier>, StoreError> {
    if let Some(tombstone) = tombstone(reader)? {
        return Ok(Some(Earlier::Tombstone(tombstone)));
    }
    let Some(settlement) = reader.settlement("earlier_settlement")? else { return Ok(None) };
    let person = reader.person("earlier_person")?;
    Ok(Some(Earlier::Settlement(EarlierSettlement {
        settlement,
        person: reader.parse("earlier_person", person)?,
        body_sha256: reader.hash("earlier_body")?,
        reverses: reader.settlement("earlier_reverses")?,
        reversed_by: reader.settlement("earlier_reversed_by")?,
    })))
}

/// A tombstone, where the row carries one.
pub(super) fn tombstone(reader: &Reader<'_>) -> Result<Option<Tombstone>, StoreError> {
    let Some(original) = reader.maybe("tombstone_original", RequestId::new)? else {
        return Ok(None);
    };
    let reversal = reader.text("tombstone_reversal", RequestId::new)?;
    let left_at: Timestamp = reader.get("tombstone_left_at")?;
    Ok(Some(Tombstone { original, reversal, left_at }))
}

impl Snapshot {
    /// SHA-256 over the hospital and the catalogue entries: changes when one of them does.
    pub fn reference_sha256(&self) -> [u8; 32] {
        let mut bytes = Vec::with_capacity(64 * (self.catalogue.len() + 1));
        if let Some(Hospital { code, region, level, valid_from, valid_to }) = &self.hospital {
            text(&mut bytes, code.as_str());
            bytes.extend_from_slice(&region.get().to_be_bytes());
            bytes.extend_from_slice(&level.to_be_bytes());
            span(&mut bytes, *valid_from, *valid_to);
        }
        for entry in self.catalogue.entries() {
            let Some(entry) = entry else {
                bytes.push(0);
                continue;
            };
            let CatalogueEntry {
                item,
                valid_from,
                valid_to,
                class,
                advance_ratio,
                ceiling_price_e6,
                amount_name,
            } = entry;
            bytes.push(1);
            text(&mut bytes, item.as_str());
            span(&mut bytes, *valid_from, *valid_to);
            text(&mut bytes, row::class_letter(*class));
            number(&mut bytes, advance_ratio.map(Rate::billionths));
            number(&mut bytes, *ceiling_price_e6);
            text(&mut bytes, amount_name.as_deref().unwrap_or_default());
        }
        Sha256::digest(&bytes).into()
    }
}

/// With a closing zero, which no text holds.
fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
}

fn number(bytes: &mut Vec<u8>, number: Option<i64>) {
    bytes.push(u8::from(number.is_some()));
    bytes.extend_from_slice(&number.unwrap_or_default().to_be_bytes());
}

fn span(bytes: &mut Vec<u8>, from: Date, to: Option<Date>) {
    bytes.push(u8::from(to.is_some()));
    for day in [from, to.unwrap_or(from)] {
        bytes.extend_from_slice(&day.year().to_be_bytes());
        bytes.extend_from_slice(&day.month().to_be_bytes());
        bytes.extend_from_slice(&day.day().to_be_bytes());
    }
}
