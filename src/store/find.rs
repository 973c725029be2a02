//! Finds what is recorded: by settlement, by the hospital's own request, by person.

use super::error::{Operation, StoreError};
use super::pool::Pool;
use super::row::{self, Reader};
use super::snapshot;
use super::tombstone::Tombstone;
use crate::domain::ids::{
    HospitalCode, OperatorId, PackageHash, PersonId, RegionCode, RequestId, SettlementId, StayId,
};
use crate::domain::ledger::{Entry, EntryState, LayerEntry, MovedEntry};
use crate::domain::money::Fen;
use crate::domain::verdict::Breakdown;

const SQL: &str = include_str!("sql/find_settlement.sql");

/// How to find a settlement.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// By its id.
    Settlement(&'a SettlementId),
    /// By the hospital's request.
    Request(&'a HospitalCode, &'a RequestId),
}

/// What a key leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A settlement or a reversal.
    Recorded(Box<Recorded>),
    /// The request id may never settle.
    Tombstone(Tombstone),
}

/// An entry as it was recorded, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The entry, charge lines included.
    pub entry: Entry,
    /// The reversal that undid it.
    pub reversed_by: Option<SettlementId>,
    /// Where its person stands now.
    pub now: Versions,
}

/// Where a person stands: what a commit is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Version of the standing.
    pub standing: i64,
    /// Version of the accumulators.
    pub ledger: i64,
    /// The newest settlement in force, by commit order.
    pub newest: Option<SettlementId>,
}

/// Finds a settlement, or the tombstone in its place.
pub async fn find_settlement(pool: &Pool, key: &Key<'_>) -> Result<Option<Found>, StoreError> {
    let (operation, settlement, request) = match *key {
        Key::Settlement(id) => {
            // An id that does not carry a bucket was never ours.
            let Some(bucket) = id.bucket() else { return Ok(None) };
            (Operation::FindSettlement(id.clone()), Some((bucket, id.as_str())), None)
        }
        Key::Request(hospital, request) => {
            let operation = Operation::FindRequest(hospital.clone(), request.clone());
            (operation, None, Some((hospital.as_str(), request.as_str())))
        }
    };
    let connection = pool.take(&operation).await?;
    let (bucket, id) = settlement.unzip();
    let (hospital, request) = request.unzip();
    let rows = connection.query(SQL, &[&bucket, &id, &hospital, &request], &operation).await?;
    let Some(read) = rows.first() else { return Ok(None) };
    let reader = Reader { row: read, operation: &operation };
    if let Some(tombstone) = snapshot::tombstone(&reader)? {
        return Ok(Some(Found::Tombstone(tombstone)));
    }
    let recorded = Recorded {
        entry: entry(&reader)?,
        reversed_by: reader.settlement("reversed_by")?,
        now: Versions {
            standing: reader.get("standing_now")?,
            ledger: reader.get("ledger_now")?,
            newest: reader.settlement("newest_now")?,
        },
    };
    Ok(Some(Found::Recorded(Box::new(recorded))))
}

/// Whether a hospital was ever registered.
pub async fn is_hospital(pool: &Pool, hospital: &HospitalCode) -> Result<bool, StoreError> {
    let operation = Operation::FindHospital(hospital.clone());
    let connection = pool.take(&operation).await?;
    let sql = "SELECT FROM hospital WHERE hospital_code = $1 LIMIT 1";
    let rows = connection.query(sql, &[&hospital.as_str()], &operation).await?;
    Ok(!rows.is_empty())
}

pub(super) fn entry(reader: &Reader<'_>) -> Result<Entry, StoreError> {
    let person = reader.person("person_id")?;
    let package: [u8; 32] = reader.hash("package_hash")?;
    Ok(Entry {
        settlement: reader.text("settlement_id", SettlementId::new)?,
        person: reader.parse::<PersonId>("person_id", person)?,
        request: reader.text("request_id", RequestId::new)?,
        body_sha256: reader.hash("body_sha256")?,
        reverses: reader.settlement("reverses_settlement_id")?,
        supersedes: reader.settlement("supersedes_settlement_id")?,
        state: reader.text("state_now", EntryState::from_word)?,
        hospital: reader.text("hospital_code", HospitalCode::new)?,
        level: reader.get("hospital_level")?,
        stay: reader.text("stay_id", StayId::new)?,
        stay_part: reader.get("stay_part")?,
        admission: reader.get("admission_date")?,
        discharge: reader.get("discharge_date")?,
        care: reader.text("care_type", row::care)?,
        referral: reader.text("referral", row::referral)?,
        insured_region: reader.region("insured_region")?,
        treatment_region: reader.text("treatment_region", RegionCode::new)?,
        scheme: reader.scheme("scheme")?,
        year: reader.get("policy_year")?,
        settled_at: reader.get("settled_at")?,
        accounting_day: reader.get("accounting_day")?,
        operator: reader.maybe("operator_id", OperatorId::new)?,
        door: reader.text("door", row::door)?,
        reason: reader.get("reason")?,
        breakdown: breakdown(reader)?,
        layers: layers(reader, ["payer", "books_to", "payer_identity", "pay_fen"])?,
        fixed: layers(
            reader,
            ["fixed_payer", "fixed_books_to", "fixed_identity", "fixed_pay_fen"],
        )?,
        moved: moved(reader)?,
        identities_used: reader.get("identities_used")?,
        assumed: reader.get("assumed")?,
        package: PackageHash(package),
        standing_version: reader.get("standing_version")?,
        ledger_version: reader.get("ledger_version")?,
        record: reader.get("record")?,
        record_sha256: reader.hash("record_sha256")?,
        lines: reader.get::<Option<Vec<u8>>>("lines")?.unwrap_or_default(),
        lines_sha256: reader.hash("lines_sha256")?,
    })
}

fn breakdown(reader: &Reader<'_>) -> Result<Breakdown, StoreError> {
    let fen = |field| reader.get::<i64>(field).map(Fen::new);
    Ok(Breakdown {
        total: fen("total_fen")?,
        out_of_catalogue: fen("out_of_catalogue_fen")?,
        over_limit: fen("over_limit_fen")?,
        advance: fen("advance_self_pay_fen")?,
        in_scope: fen("in_scope_fen")?,
        deductible: fen("deductible_paid_fen")?,
        paid: [
            fen("basic_pool_pay_fen")?,
            fen("civil_servant_pay_fen")?,
            fen("enterprise_supplement_pay_fen")?,
            fen("critical_illness_pay_fen")?,
            fen("large_amount_pay_fen")?,
            fen("disabled_soldier_pay_fen")?,
            fen("medical_aid_pay_fen")?,
            fen("tilted_aid_pay_fen")?,
            fen("other_pay_fen")?,
        ],
        hospital_borne: fen("hospital_borne_fen")?,
        account: fen("account_pay_fen")?,
        cash: fen("cash_pay_fen")?,
    })
}

fn layers(reader: &Reader<'_>, fields: [&'static str; 4]) -> Result<Vec<LayerEntry>, StoreError> {
    let [payer, books, identity, pay] = fields;
    let payers: Vec<String> = reader.get(payer)?;
    let books = reader.texts(books, row::books_to)?;
    let identities: Vec<String> = reader.get(identity)?;
    let pays: Vec<i64> = reader.get(pay)?;
    let all = payers.into_iter().zip(books).zip(identities).zip(pays);
    Ok(all
        .map(|(((payer, books_to), identity), fen)| LayerEntry {
            payer,
            books_to,
            identity,
            pay: Fen::new(fen),
        })
        .collect())
}

/// What the policy year's and the lifetime's accumulators moved by.
fn moved(reader: &Reader<'_>) -> Result<Vec<MovedEntry>, StoreError> {
    let year = reader.get("policy_year")?;
    let mut moved = Vec::new();
    for (year, name, fen) in
        [(year, "moved_name", "moved_fen"), (0, "moved_life_name", "moved_life_fen")]
    {
        let names: Vec<String> = reader.get(name)?;
        let amounts: Vec<i64> = reader.get(fen)?;
        let all = names.into_iter().zip(amounts);
        moved.extend(all.map(|(name, fen)| MovedEntry { year, name, by: Fen::new(fen) }));
    }
    Ok(moved)
}
