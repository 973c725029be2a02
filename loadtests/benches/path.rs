//! How long a settlement of fifty lines takes in the gateway's process, step by step, beside the database and the network.
//!
//! Run it with `cargo bench -p loadtests --bench path`.
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use criterion::Criterion;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use onestop::app::{Answer, CredentialHash, SettleRequest};
use onestop::domain::bill::{CatalogueClass, CatalogueEntry};
use onestop::domain::cascade::{Traced, decide};
use onestop::domain::ids::{HospitalCode, ItemCode, PersonId, RegionCode, SettlementId};
use onestop::domain::ledger::{Entry, EntryState};
use onestop::domain::money::Rate;
use onestop::domain::prepare::{Frozen, prepare};
use onestop::domain::record::{Body, Header, Record, lines_to_bytes, write_bill};
use onestop::domain::rules::Package;
use onestop::domain::standing::{Coverage, Hospital, Identity, PersonSnapshot, Scheme, Standing};
use onestop::domain::verdict::Verdict;
use onestop::door::grpc::path;
use onestop::door::wire::settlement::v1 as wire;
use onestop::rulebook::load;
use onestop::store::reference::Catalogue;
use prost::Message as _;

/// The product's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LINES: i64 = 50;
const ALWAYS: Date = date(2000, 1, 1);
/// Items that the catalogue knows beside those of the bill.
const ITEMS: i64 = 10_000;

fn credential(kind: u8, _normalized: &str) -> CredentialHash {
    CredentialHash { kind, hash: [kind; 32] }
}

fn item_code(number: i64) -> String {
    format!("XA{number:06}A001010200{:03}", number % 1_000)
}

/// The request as a billing desk sends it: national item codes, decimals, and a line a charge.
fn request() -> Bytes {
    let lines: Vec<wire::ChargeLine> = (0..LINES)
        .map(|number| {
            let price_fen = 1_000 + 37 * number;
            wire::ChargeLine {
                line_id: (number + 1).to_string(),
                item_code: item_code(number * 7 % ITEMS),
                quantity: "1.5".to_owned(),
                unit_price: format!("{}.{:02}", price_fen / 100, price_fen % 100),
                amount_fen: (price_fen * 15 + 5) / 10,
                catalogue_class: wire::CatalogueClass::B.into(),
                ..wire::ChargeLine::default()
            }
        })
        .collect();
    let bill = wire::Bill {
        hospital_code: "H52020000001".to_owned(),
        stay_id: "K3ZQ81A0000000012".to_owned(),
        credential: Some(wire::Credential {
            kind: wire::CredentialKind::PersonNumber.into(),
            number: "52020000000000000017".to_owned(),
        }),
        scheme: "resident".to_owned(),
        admission_date: "2024-06-20".to_owned(),
        discharge_date: "2024-06-30".to_owned(),
        care_type: wire::CareType::Inpatient.into(),
        referral: wire::Referral::None.into(),
        diagnosis_codes: vec!["J18.9".to_owned(), "I10".to_owned()],
        total_fen: lines.iter().map(|line| line.amount_fen).sum(),
        lines,
        operator_id: "desk-01".to_owned(),
        ..wire::Bill::default()
    };
    let request_id = "K3ZQ81A0000000012R".to_owned();
    wire::SettleRequest { request_id, bill: Some(bill), quote_token: Vec::new() }
        .encode_to_vec()
        .into()
}

fn package() -> Result<Package, anyhow::Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("../settlement-rules/520200/resident/2024/package.toml");
    let (entry, faults) = load::load_file(&file);
    let entry = entry.with_context(|| format!("{} is refused: {faults:?}", file.display()))?;
    Ok(entry.package.as_ref().clone())
}

fn catalogue(region: RegionCode) -> Result<Catalogue, anyhow::Error> {
    let mut entries = Vec::new();
    for number in 0..ITEMS {
        let entry = CatalogueEntry {
            item: ItemCode::new(&item_code(number)).context("an item")?,
            valid_from: ALWAYS,
            valid_to: None,
            class: CatalogueClass::B,
            advance_ratio: Some(Rate::from_billionths(100_000_000)),
            ceiling_price_e6: None,
            amount_name: None,
        };
        let ceiling = (number % 5 == 0).then_some(9_000_000);
        // Every third is of the whole country, and found last.
        let of = if number % 3 == 0 { RegionCode::new("000000").context("all")? } else { region };
        entries.push((of, entry, [ceiling; 3]));
    }
    Ok(Catalogue::of(1, entries))
}

/// What a decision looks at beside the bill.
struct World {
    package: Arc<Package>,
    catalogue: Catalogue,
    person: PersonSnapshot,
    hospital: Hospital,
}

fn world() -> Result<World, anyhow::Error> {
    let package = Arc::new(package()?);
    let region = package.region;
    let identity = Identity {
        code: "low_income".to_owned(),
        region,
        valid_from: ALWAYS,
        valid_to: None,
        source: "bench".to_owned(),
    };
    let coverage = Coverage {
        scheme: Scheme::Resident,
        region,
        valid_from: ALWAYS,
        valid_to: None,
        facts: Vec::new(),
    };
    let standing = Standing {
        person: PersonId::new(1).context("a person")?,
        version: 1,
        birth: Some(date(1980, 1, 1)),
        coverage: vec![coverage],
        identities: vec![identity],
    };
    let hospital = Hospital {
        code: HospitalCode::new("H52020000001").context("a hospital")?,
        region,
        level: 3,
        valid_from: ALWAYS,
        valid_to: None,
    };
    let (used, stays) = (Vec::new(), Vec::new());
    let person = PersonSnapshot { standing, ledger_version: 1, used, stays, newest: None };
    Ok(World { catalogue: catalogue(region)?, package, person, hospital })
}

impl World {
    /// What the catalogue says of each line, as a snapshot asks for it.
    fn look_up(&self, request: &SettleRequest) -> Vec<Option<&CatalogueEntry>> {
        let lines = &request.claim.bill.lines;
        let mut items: Vec<_> = lines.iter().map(|line| (&line.item, line.charged_on)).collect();
        items.sort_unstable();
        items.dedup();
        let entry =
            |(item, day): &(&ItemCode, Date)| self.catalogue.entry(item, &self.hospital, *day);
        items.iter().map(entry).collect()
    }

    fn answer(&self, request: &SettleRequest) -> Result<Answer, anyhow::Error> {
        let catalogue = self.look_up(request);
        let frozen = self.frozen(request, &catalogue)?;
        let inputs = match prepare(frozen) {
            Ok(inputs) => inputs,
            Err(decline) => bail!("declined: {decline:?}"),
        };
        let Verdict::Settled(outcome) = decide(&self.package, &inputs, Traced::Yes) else {
            bail!("not settled");
        };
        let (package, bill) = (&self.package, &request.claim.bill);
        let settlement = SettlementId::compose(1, 1_700_000_000_000, 7);
        let settled_at: Timestamp = "2024-06-30T16:30:00.000123Z".parse()?;
        let record = Record {
            header: Header {
                settlement: settlement.clone(),
                request: request.request.clone(),
                person: self.person.standing.person,
                hospital: bill.hospital.clone(),
                stay: bill.stay.clone(),
                stay_part: 0,
                admission: bill.admission,
                discharge: bill.discharge,
                insured_region: package.region,
                treatment_region: self.hospital.region,
                scheme: Scheme::Resident,
                year: 2024,
                package: package.hash,
                standing_version: 1,
                ledger_version: 1,
                settled_at,
                lines_sha256: [1; 32],
            },
            body: Body::Settled { inputs, outcome: *outcome },
        };
        let entry = Arc::new(self.entry(request, &record));
        let package = Arc::clone(package);
        let (reversed_by, repeat, run_dry) = (None, false, Vec::new());
        Ok(Answer { entry, record, package, reversed_by, replaced_by: None, repeat, run_dry })
    }

    /// The row, as far as an answer looks at it.
    fn entry(&self, request: &SettleRequest, record: &Record) -> Entry {
        let (bill, header) = (&request.claim.bill, &record.header);
        Entry {
            settlement: header.settlement.clone(),
            person: header.person,
            request: request.request.clone(),
            body_sha256: [1; 32],
            reverses: None,
            supersedes: None,
            state: EntryState::Final,
            hospital: bill.hospital.clone(),
            level: self.hospital.level,
            stay: bill.stay.clone(),
            stay_part: 0,
            admission: bill.admission,
            discharge: bill.discharge,
            care: bill.care,
            referral: bill.referral,
            insured_region: header.insured_region,
            treatment_region: header.treatment_region,
            scheme: header.scheme,
            year: header.year,
            settled_at: header.settled_at,
            accounting_day: bill.discharge,
            operator: bill.operator.clone(),
            door: "grpc",
            reason: None,
            breakdown: record.outcome().breakdown,
            layers: Vec::new(),
            fixed: Vec::new(),
            moved: Vec::new(),
            identities_used: Vec::new(),
            assumed: false,
            package: header.package,
            standing_version: 1,
            ledger_version: 1,
            record: Vec::new(),
            record_sha256: [2; 32],
            lines: Vec::new(),
            lines_sha256: [1; 32],
        }
    }

    fn frozen<'a>(
        &'a self,
        request: &'a SettleRequest,
        catalogue: &'a [Option<&'a CatalogueEntry>],
    ) -> Result<Frozen<'a>, anyhow::Error> {
        let World { package, person, hospital, .. } = self;
        let coverage = person.standing.coverage.first().context("there is coverage")?;
        Ok(Frozen { bill: &request.claim.bill, person, hospital, coverage, catalogue, package })
    }
}

fn main() -> Result<(), anyhow::Error> {
    let mut criterion = Criterion::default().configure_from_args();
    let world = world()?;
    let bytes = request();
    let request = path::settle_request(&credential, &bytes).context("the request is refused")?;
    let bill = &request.claim.bill;
    let answer = world.answer(&request)?;
    let reply = path::settle_response(&answer).context("no answer")?;
    writeln!(std::io::stdout(), "request {} bytes, reply {} bytes", bytes.len(), reply.len())?;

    criterion.bench_function("path: read the request", |bencher| {
        bencher.iter(|| path::settle_request(&credential, black_box(&bytes)));
    });
    criterion.bench_function("path: check the bill", |bencher| {
        bencher.iter(|| black_box(bill).check(date(2024, 12, 31), 10_000));
    });
    criterion.bench_function("path: look up the items", |bencher| {
        bencher.iter(|| world.look_up(black_box(&request)));
    });
    let catalogue = world.look_up(&request);
    let frozen = world.frozen(&request, &catalogue)?;
    criterion.bench_function("path: prepare", |bencher| {
        bencher.iter(|| prepare(black_box(frozen)).is_ok());
    });
    let inputs = prepare(frozen).map_err(|decline| anyhow::anyhow!("{decline:?}"))?;
    criterion.bench_function("path: decide", |bencher| {
        bencher.iter(|| decide(&world.package, black_box(&inputs), Traced::Yes));
    });
    criterion.bench_function("path: write the record, the lines and the body", |bencher| {
        bencher.iter(|| {
            let mut body = Vec::new();
            write_bill(&mut body, black_box(bill));
            (black_box(&answer.record).to_bytes(), lines_to_bytes(&bill.lines), body)
        });
    });
    criterion.bench_function("path: write the answer", |bencher| {
        bencher.iter(|| path::settle_response(black_box(&answer)));
    });
    criterion.final_summary();
    Ok(())
}
