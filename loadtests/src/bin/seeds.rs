//! Makes the seeds of what is not text: run it when a format changes, and commit what it wrote into `loadtests/fuzz/seeds`.

use std::path::Path;

use onestop::bundle::entry::{Leaf, Shown};
use onestop::domain::cascade::Traced;
use onestop::domain::ids::{PackageHash, RegionCode, SettlementId};
use onestop::domain::record::{Body, Header, Record, reversed};
use onestop::domain::seal::leaf::{Kind, LineRow, Parts, PostingRow, SettlementRow};
use onestop::domain::standing::Scheme;
use onestop::domain::verdict::{Outcome, Verdict};
use onestop::door::wire::settlement::v1 as wire;
use onestop::rulebook::{cases, load};
use prost::Message as _;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Fallible<()> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let seeds = root.join("loadtests/fuzz/seeds");
    bills(&seeds.join("bills"))?;
    records(&seeds.join("records"), &root.join("settlement-rules"))?;
    bundles(&seeds.join("bundles"), &seeds.join("records"))
}

/// A small bill, one with everything in it, and what else is asked by gRPC.
fn bills(folder: &Path) -> Fallible<()> {
    std::fs::create_dir_all(folder)?;
    let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.join(name), bytes);
    let line = wire::ChargeLine {
        line_id: "1".to_owned(),
        item_code: "A01".to_owned(),
        quantity: "1".to_owned(),
        unit_price: "300.00".to_owned(),
        amount_fen: 30_000,
        ..wire::ChargeLine::default()
    };
    let small = wire::Bill {
        hospital_code: "H52020000001".to_owned(),
        stay_id: "S1".to_owned(),
        credential: Some(wire::Credential { kind: 1, number: "11010519491231002X".to_owned() }),
        admission_date: "2024-06-01".to_owned(),
        discharge_date: "2024-06-10".to_owned(),
        care_type: 1,
        referral: 1,
        lines: vec![line.clone()],
        total_fen: 30_000,
        ..wire::Bill::default()
    };
    let refund = wire::ChargeLine {
        line_id: "3".to_owned(),
        quantity: "-0.5".to_owned(),
        amount_fen: -15_000,
        refund_of_line_id: "1".to_owned(),
        charged_on: "2024-06-03".to_owned(),
        catalogue_class: 1,
        ..line.clone()
    };
    let large = wire::Bill {
        stay_part: 1,
        scheme: "resident".to_owned(),
        transferred_from_stay_id: "S0".to_owned(),
        diagnosis_codes: vec!["I21.0".to_owned(), "J18.9".to_owned()],
        facts: vec![wire::Fact { name: "trauma".to_owned(), value: "是".to_owned() }],
        lines: vec![line, refund],
        total_fen: 15_000,
        account_balance_fen: 1_000,
        operator_id: "desk-1".to_owned(),
        ..small.clone()
    };
    for (name, bill) in [("small", small), ("large", large)] {
        let quote = wire::QuoteRequest { bill: Some(bill.clone()) };
        write(&format!("quote-{name}"), quote.encode_to_vec())?;
        let settle = wire::SettleRequest {
            request_id: "R1".to_owned(),
            bill: Some(bill),
            quote_token: if name == "large" { vec![1; 32] } else { Vec::new() },
        };
        write(&format!("settle-{name}"), settle.encode_to_vec())?;
    }
    let reverse = wire::ReverseRequest {
        request_id: "R2".to_owned(),
        hospital_code: "H52020000001".to_owned(),
        reason: "写错了".to_owned(),
        operator_id: "desk-1".to_owned(),
        target: Some(wire::reverse_request::Target::OriginalRequestId("R1".to_owned())),
    };
    write("reverse", reverse.encode_to_vec())?;
    let standing = wire::GetStandingRequest {
        credential: Some(wire::Credential { kind: 3, number: "token".to_owned() }),
        on_date: "2024-06-30".to_owned(),
    };
    write("standing", standing.encode_to_vec())?;
    Ok(())
}

/// What the packages' own cases would have recorded: the shortest record of each package, and its reversal.
fn records(folder: &Path, rules: &Path) -> Fallible<()> {
    std::fs::create_dir_all(folder)?;
    for file in load::package_files(rules, &mut Vec::new()) {
        let Some(entry) = load::load_file(&file).0 else { continue };
        let decided = cases::beside(&entry).0.into_iter().filter_map(|case| {
            let Verdict::Settled(outcome) = case.decide(&entry.package, Traced::Yes) else {
                return None;
            };
            let header = header(entry.package.hash)?;
            let body = Body::Settled { inputs: case.inputs.ok()?, outcome: *outcome };
            Some(Record { header, body })
        });
        let shortest = decided.min_by_key(|record| record.to_bytes().len());
        let Some(record) = shortest else { continue };
        let name = entry.package.id.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        std::fs::write(folder.join(&name), record.to_bytes())?;
        if entry.package.region.to_string() == "520200"
            && let Some(reversal) = reversal(&record, record.outcome())
        {
            std::fs::write(folder.join(format!("{name}-reversed")), reversal.to_bytes())?;
        }
    }
    Ok(())
}

/// The leaves of a day: a settlement, what undid it, a posting, and a change of the registry of which only the hash is shown; and the
/// settlement alone.
fn bundles(folder: &Path, records: &Path) -> Fallible<()> {
    std::fs::create_dir_all(folder)?;
    let read = |name: &str| -> Fallible<Record> {
        let bytes = std::fs::read(records.join(name))?;
        Record::from_bytes(&bytes).map_err(|fault| format!("{name}: {fault:?}").into())
    };
    let settled = read("520200-resident-2024")?;
    let mut reversed = read("520200-resident-2024-reversed")?;
    reversed.header.settlement = SettlementId::compose(7, 1_719_711_000_001, 43);
    reversed.header.ledger_version = settled.header.ledger_version.saturating_add(1);
    let (mut day, mut one) = (vec![b'l'], vec![b'l']);
    for record in [&settled, &reversed] {
        shown(&mut day, Kind::Settlement, &row_of(record, &settled)?.parts());
    }
    shown(&mut one, Kind::Settlement, &row_of(&settled, &settled)?.parts());
    shown(&mut day, Kind::Posting, &posting()?.parts());
    Leaf::Hash(Kind::RegistryChange, [8; 32]).write(&mut day);
    std::fs::write(folder.join("leaves-day"), day)?;
    Ok(std::fs::write(folder.join("leaves-one"), one)?)
}

fn shown(out: &mut Vec<u8>, kind: Kind, parts: &Parts) {
    let (salt, commitment, pseudonym) = ([3; 32], [5; 32], [6; 16]);
    Leaf::Shown(Shown { kind, salt, commitment, pseudonym, bytes: &parts.shown }).write(out);
}

fn row_of(record: &Record, settled: &Record) -> Fallible<SettlementRow> {
    let Body::Settled { inputs, .. } = &settled.body else { return Err("a settlement".into()) };
    Ok(SettlementRow {
        settlement: record.header.settlement.to_string(),
        region: record.header.insured_region,
        record: record.to_bytes(),
        state: "final".to_owned(),
        supersedes: None,
        level: i16::from(inputs.facts.level),
        care: inputs.facts.care.word().to_owned(),
        referral: inputs.facts.referral.word().to_owned(),
        clearing: ["11", "1", "520200"].map(str::to_owned),
        accounting_day: "2024-06-30".parse()?,
        door: "grpc".to_owned(),
        assumed: true,
        operator: None,
        reason: None,
        body_sha256: vec![1; 32],
    })
}

fn posting() -> Fallible<PostingRow> {
    let line = |account: &str, counterparty: &str, amount_fen| LineRow {
        account: account.to_owned(),
        fund: "medical_aid".to_owned(),
        counterparty: counterparty.to_owned(),
        amount_fen,
    };
    Ok(PostingRow {
        posting: "A1".to_owned(),
        region: RegionCode::new("520200").ok_or("a region")?,
        kind: "appropriation".to_owned(),
        accounting_day: "2024-06-30".parse()?,
        lines: vec![line("fund_pool", "", -100_000), line("treasury", "", 100_000)],
        hospital: None,
        budget_year: Some(2024),
        reference: "DOC-1".to_owned(),
        reason: "first half".to_owned(),
        made_by: "a".to_owned(),
        approved_by: "b".to_owned(),
        posted_at: "2024-06-30T02:00:00Z".parse()?,
        record: Vec::new(),
    })
}

fn reversal(record: &Record, outcome: &Outcome) -> Option<Record> {
    let body = Body::Reversed {
        reverses: record.header.settlement.clone(),
        record_sha256: [7; 32],
        outcome: reversed(outcome)?,
    };
    Some(Record { header: record.header.clone(), body })
}

fn header(package: PackageHash) -> Option<Header> {
    use onestop::domain::ids::{HospitalCode, PersonId, RequestId, StayId};
    Some(Header {
        settlement: SettlementId::compose(7, 1_719_711_000_000, 42),
        request: RequestId::new("R1")?,
        person: PersonId::new(7)?,
        hospital: HospitalCode::new("H52020000001")?,
        stay: StayId::new("S1")?,
        stay_part: 0,
        admission: "2024-06-01".parse().ok()?,
        discharge: "2024-06-10".parse().ok()?,
        insured_region: RegionCode::new("520200")?,
        treatment_region: RegionCode::new("520201")?,
        scheme: Scheme::Resident,
        year: 2024,
        package,
        standing_version: 1,
        ledger_version: 2,
        settled_at: "2024-06-30T01:30:00Z".parse().ok()?,
        lines_sha256: [9; 32],
    })
}
