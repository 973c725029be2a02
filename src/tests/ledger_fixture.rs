//! Persons, rules and entries that the store's tests write.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use onestop::domain::bill::{Care, Referral};
use onestop::domain::ids::{
    HospitalCode, ItemCode, PackageHash, PersonId, RegionCode, RequestId, SettlementId, StayId,
};
use onestop::domain::ledger::{Entry, EntryState, LayerEntry, MovedEntry};
use onestop::domain::money::Fen;
use onestop::domain::standing::Scheme;
use onestop::domain::verdict::{Breakdown, Column};
use onestop::store::{PublishedPackage, ReadSnapshot, Snapshot, publish_packages, snapshot};
use sha2::{Digest, Sha256};

use crate::harness::Database;

pub(crate) const DISCHARGE: Date = date(2024, 6, 30);
pub(crate) const HOSPITAL: &str = "H52020000001";

/// The credential of a person in these tests: not a real hash, only different for each.
pub(crate) fn credential(person: i64) -> [u8; 32] {
    Sha256::digest(person.to_be_bytes()).into()
}

pub(crate) fn hospital() -> HospitalCode {
    HospitalCode::new(HOSPITAL).unwrap()
}

pub(crate) fn request(text: &str) -> RequestId {
    RequestId::new(text).unwrap()
}

/// A package of these tests, by its contents.
pub(crate) fn package(contents: &str, supersedes: Option<PackageHash>) -> PublishedPackage {
    PublishedPackage {
        hash: onestop::rulebook::parse::hash_of(contents.as_bytes()),
        package_id: "520200-resident".to_owned(),
        insured_region: RegionCode::new("520200").unwrap(),
        scheme: Scheme::Resident,
        in_force_from: date(2024, 1, 1),
        in_force_to: None,
        known_from: date(2024, 1, 1),
        supersedes,
        canonical: contents.as_bytes().to_vec(),
    }
}

/// Registers persons with these numbers, a hospital, two items and a package.
pub(crate) async fn furnish(database: &Database, persons: &[i64]) {
    register(database, persons).await;
    let owner = database.owner().await;
    owner
        .batch_execute(
            "INSERT INTO hospital VALUES ('H52020000001', '2020-01-01', NULL, '520201', 2, '六盘水市人民医院');
             INSERT INTO catalogue_item (item_code, region, valid_from, valid_to, class, advance_ratio_billionths,
                ceiling_price_level_1_e6, ceiling_price_level_2_e6, ceiling_price_level_3_e6, amount_name, name) VALUES
             ('X01', '000000', '2020-01-01', NULL, 'C', NULL, NULL, NULL, NULL, NULL, 'everywhere'),
             ('X01', '520000', '2020-01-01', NULL, 'B', 300000000, 1000000, 2000000, 3000000, 'implant', 'province'),
             ('X01', '520200', '2020-01-01', '2024-06-15', 'A', NULL, NULL, NULL, NULL, NULL, 'prefecture');",
        )
        .await
        .unwrap();
    publish_packages(&database.pool, &[package("rules", None)]).await.unwrap();
}

/// Registers persons with these numbers.
pub(crate) async fn register(database: &Database, persons: &[i64]) {
    let owner = database.owner().await;
    for number in persons {
        let (bucket, hash) = (PersonId::new(*number).unwrap().bucket(), credential(*number));
        let hash_bucket = i16::from(hash[0] & 127);
        owner
            .execute(
                "INSERT INTO person_head (bucket, person_id) VALUES ($1, $2)",
                &[&bucket, number],
            )
            .await
            .unwrap();
        owner
            .execute(
                "INSERT INTO credential VALUES ($1, $2, 1, $3, $4)",
                &[&hash_bucket, &&hash[..], &bucket, number],
            )
            .await
            .unwrap();
        owner
            .execute(
                "INSERT INTO coverage VALUES ($1, $2, 'resident', '2020-01-01', NULL, '520200', 'retired=true;years=6', 's')",
                &[&bucket, number],
            )
            .await
            .unwrap();
        owner
            .execute(
                "INSERT INTO identity VALUES ($1, $2, 'low_income', '520200', '2024-01-01', '2024-12-31', 'bureau')",
                &[&bucket, number],
            )
            .await
            .unwrap();
    }
}

/// Reads what a settlement of this person and stay would look at.
pub(crate) async fn read(
    database: &Database,
    person: i64,
    stay: &str,
    request: Option<&RequestId>,
) -> Snapshot {
    let (hospital, stay) = (hospital(), StayId::new(stay).unwrap());
    let item = ItemCode::new("X01").unwrap();
    let items = [(&item, DISCHARGE)];
    let wanted = ReadSnapshot {
        credential_hash: credential(person),
        credential_kind: 1,
        hospital: &hospital,
        request,
        stay: &stay,
        stay_part: 0,
        discharge: DISCHARGE,
        items: &items,
    };
    snapshot(&database.pool, &wanted).await.unwrap()
}

/// A balanced settlement of 1000.00: the pool pays 600, aid 100, the hospital 50, the account 20, and 230 is left in cash.
pub(crate) fn entry(person: i64, stay: &str, request_id: &str, versions: (i64, i64)) -> Entry {
    let person = PersonId::new(person).unwrap();
    let layer = |payer: &str, books_to: &'static str, fen: i64| LayerEntry {
        payer: payer.to_owned(),
        books_to,
        identity: "low_income".to_owned(),
        pay: Fen::new(fen),
    };
    let moved =
        |year, name: &str, fen| MovedEntry { year, name: name.to_owned(), by: Fen::new(fen) };
    let unique = Sha256::digest(format!("{}{stay}{request_id}", person.get()));
    let random = u64::from_be_bytes(unique[..8].try_into().unwrap());
    let record = format!("record of {stay}").into_bytes();
    let lines = format!("lines of {stay}").into_bytes();
    Entry {
        settlement: SettlementId::compose(person.bucket(), 1_719_705_600_000, random),
        person,
        request: request(request_id),
        body_sha256: Sha256::digest(request_id).into(),
        reverses: None,
        supersedes: None,
        state: EntryState::Final,
        hospital: hospital(),
        level: 2,
        stay: StayId::new(stay).unwrap(),
        stay_part: 0,
        admission: date(2024, 6, 1),
        discharge: DISCHARGE,
        care: Care::Inpatient,
        referral: Referral::None,
        insured_region: RegionCode::new("520200").unwrap(),
        treatment_region: RegionCode::new("520201").unwrap(),
        scheme: Scheme::Resident,
        year: 2024,
        settled_at: "2024-06-30T16:30:00Z".parse::<Timestamp>().unwrap(),
        accounting_day: date(2024, 7, 1),
        operator: None,
        door: "grpc",
        reason: None,
        breakdown: breakdown(),
        layers: vec![
            layer("pool", Column::BasicPool.word(), 60_000),
            layer("aid", Column::MedicalAid.word(), 7_000),
            layer("second", Column::MedicalAid.word(), 3_000),
            layer("waiver", "hospital", 5_000),
            layer("account", "account", 2_000),
        ],
        fixed: vec![layer("union", Column::Other.word(), 80_000)],
        moved: vec![
            moved(2024, "basic.entered", 80_000),
            moved(2024, "pool.aid", 10_000),
            moved(0, "life.pool", 60_000),
        ],
        identities_used: vec!["low_income".to_owned()],
        assumed: true,
        package: package("rules", None).hash,
        standing_version: versions.0,
        ledger_version: versions.1,
        record_sha256: Sha256::digest(&record).into(),
        record,
        lines_sha256: Sha256::digest(&lines).into(),
        lines,
    }
}

fn breakdown() -> Breakdown {
    let mut paid = [Fen::ZERO; 9];
    paid[0] = Fen::new(60_000);
    paid[6] = Fen::new(10_000);
    Breakdown {
        total: Fen::new(100_000),
        out_of_catalogue: Fen::new(5_000),
        over_limit: Fen::new(3_000),
        advance: Fen::new(2_000),
        in_scope: Fen::new(90_000),
        deductible: Fen::new(10_000),
        paid,
        hospital_borne: Fen::new(5_000),
        account: Fen::new(2_000),
        cash: Fen::new(23_000),
    }
}

/// The exact inverse of `original`.
pub(crate) fn reversal(original: &Entry, request_id: &str, versions: (i64, i64)) -> Entry {
    let mut reversal = original.clone();
    let negate = |amount: &mut Fen| *amount = amount.checked_neg().unwrap();
    reversal.settlement = entry(original.person.get(), "reversal", request_id, versions).settlement;
    reversal.request = request(request_id);
    reversal.reverses = Some(original.settlement.clone());
    reversal.reason = Some("billed twice".to_owned());
    reversal.breakdown = original.breakdown.negated().unwrap();
    reversal.layers.iter_mut().chain(&mut reversal.fixed).for_each(|layer| negate(&mut layer.pay));
    reversal.moved.iter_mut().for_each(|moved| negate(&mut moved.by));
    (reversal.standing_version, reversal.ledger_version) = versions;
    reversal
}
