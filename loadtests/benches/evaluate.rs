//! How long the decision on a 50-line bill takes: split by the catalogue, then basic insurance, critical illness, medical aid.
//!
//! By Liupanshui's five layers of 2024, and by three layers with the same bands and tilt. Reading the database is no part of it.
//! Run it with `cargo bench -p loadtests`.
use std::hint::black_box;
use std::path::Path;

use anyhow::{Context as _, bail};
use criterion::Criterion;
use jiff::civil::{Date, date};
use onestop::domain::bill::{Bill, Care, CatalogueClass, CatalogueEntry, ChargeLine, Referral};
use onestop::domain::cascade::{Inputs, Traced, decide};
use onestop::domain::ids::{HospitalCode, ItemCode, LineId, PersonId, RegionCode, StayId};
use onestop::domain::money::Fen;
use onestop::domain::prepare::{Frozen, prepare};
use onestop::domain::rules::{IdentityChoice, Package};
use onestop::domain::split::{NetLine, Split};
use onestop::domain::standing::{Coverage, Hospital, Identity, PersonSnapshot, Scheme, Standing};
use onestop::domain::verdict::Verdict;
use onestop::rulebook::load;

/// The product's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LINES: usize = 50;
const DISCHARGE: Date = date(2024, 6, 30);
const ALWAYS: Date = date(2000, 1, 1);

/// Liupanshui 2024: basic insurance inpatient and outpatient, critical illness, aid, tilted aid.
const FIVE_LAYERS: (&str, &str) = ("520200/resident/2024", "520200");
/// Basic insurance, critical illness with three bands and a tilt, aid with a yearly ceiling.
const THREE_LAYERS: (&str, &str) = ("examples/features/take-in-scope-first", "990101");

/// Everything that a decision looks at, as the store gives it.
struct Case {
    package: Package,
    bill: Bill,
    person: PersonSnapshot,
    hospital: Hospital,
    catalogue: Vec<CatalogueEntry>,
}

impl Case {
    /// What the catalogue says of each line.
    fn known(&self) -> Vec<Option<&CatalogueEntry>> {
        self.catalogue.iter().map(Some).collect()
    }

    fn frozen<'a>(
        &'a self,
        catalogue: &'a [Option<&'a CatalogueEntry>],
    ) -> Result<Frozen<'a>, anyhow::Error> {
        let Case { package, bill, person, hospital, catalogue: _ } = self;
        let coverage = person.standing.coverage.first().context("there is coverage")?;
        Ok(Frozen { bill, person, hospital, coverage, catalogue, package })
    }
}

fn package(folder: &str) -> Result<Package, anyhow::Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("../settlement-rules").join(folder).join("package.toml");
    let (entry, faults) = load::load_file(&file);
    match entry {
        Some(entry) => Ok(entry.package.as_ref().clone()),
        None => bail!("{} is refused: {faults:?}", file.display()),
    }
}

/// The charges, what the catalogue says of them, and their sum in fen.
type Charges = (Vec<ChargeLine>, Vec<CatalogueEntry>, i64);

fn charges() -> Result<Charges, anyhow::Error> {
    let item = |number: usize| ItemCode::new(&format!("ITEM{number:04}")).context("an item");
    let mut lines = Vec::new();
    let mut catalogue = Vec::new();
    let mut total = 0;
    for (number, fen) in (0..LINES).zip((1..).map(|step: i64| 1_000 * step + 37)) {
        let class = match number % 10 {
            0..6 => CatalogueClass::A,
            6..9 => CatalogueClass::B,
            _ => CatalogueClass::C,
        };
        total += 2 * fen;
        lines.push(ChargeLine {
            id: LineId::new(&number.to_string()).context("a line id")?,
            item: item(number)?,
            quantity_e4: 20_000,
            unit_price_e6: fen * 10_000,
            amount: Fen::new(2 * fen),
            class: Some(class),
            refund_of: None,
            charged_on: DISCHARGE,
        });
        catalogue.push(CatalogueEntry {
            item: item(number)?,
            valid_from: ALWAYS,
            valid_to: None,
            class,
            advance_ratio: None,
            // Every fifth is dearer than its ceiling price.
            ceiling_price_e6: number.is_multiple_of(5).then_some(fen * 9_000),
            amount_name: None,
        });
    }
    Ok((lines, catalogue, total))
}

fn case((folder, region): (&str, &str)) -> Result<Case, anyhow::Error> {
    let region = RegionCode::new(region).context("a region")?;
    let (lines, catalogue, total) = charges()?;
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
    let hospital = Hospital {
        code: HospitalCode::new("H5202213").context("a hospital")?,
        region,
        level: 3,
        valid_from: ALWAYS,
        valid_to: None,
    };
    let standing = Standing {
        person: PersonId::new(1).context("a person")?,
        version: 1,
        birth: Some(date(1980, 1, 1)),
        coverage: vec![coverage],
        identities: vec![identity],
    };
    let bill = Bill {
        hospital: hospital.code.clone(),
        stay: StayId::new("ST1").context("a stay")?,
        stay_part: 0,
        scheme: Some(Scheme::Resident),
        admission: date(2024, 6, 20),
        discharge: DISCHARGE,
        care: Care::Inpatient,
        referral: Referral::None,
        transferred_from: None,
        diagnoses: vec!["I63.9".to_owned()],
        facts: Vec::new(),
        lines,
        total: Fen::new(total),
        account_balance: Fen::ZERO,
        operator: None,
    };
    let person = PersonSnapshot {
        standing,
        ledger_version: 1,
        used: Vec::new(),
        stays: Vec::new(),
        newest: None,
    };
    Ok(Case { package: package(folder)?, bill, person, hospital, catalogue })
}

/// A bill that stops half way would be quick for nothing.
fn pays_in_all_three_layers(case: &Case) -> Result<(), anyhow::Error> {
    let inputs = match prepare(case.frozen(&case.known())?) {
        Ok(inputs) => inputs,
        Err(decline) => bail!("declined: {decline:?}"),
    };
    let Verdict::Settled(outcome) = decide(&case.package, &inputs, Traced::Yes) else {
        bail!("not settled");
    };
    let paying = outcome.layers.iter().filter(|layer| Fen::ZERO < layer.pay).count();
    if paying < 3 {
        bail!("only {paying} layers pay");
    }
    Ok(())
}

/// The lines as the catalogue has classed them: what evaluation starts from.
fn net_lines(case: &Case) -> Vec<NetLine> {
    let known = case.bill.lines.iter().zip(&case.catalogue);
    let net = known.map(|(line, entry)| NetLine {
        class: entry.class,
        amount: line.amount,
        quantity_e4: line.quantity_e4,
        ceiling_price_e6: entry.ceiling_price_e6,
        advance_ratio: entry.advance_ratio,
        declared: None,
    });
    net.collect()
}

/// Splits every line and runs the layers.
fn evaluate(package: &Package, lines: &[NetLine], inputs: &mut Inputs, traced: Traced) -> Verdict {
    let mut split = Split::new(package);
    for line in lines {
        let _fits = split.add(line);
    }
    inputs.amounts = split.amounts().unwrap_or_default();
    decide(package, inputs, traced)
}

/// Evaluates a case with and without trace, by the best of two identities and by rank. The best of two means that the layers
/// from the first that asks for the identity on are computed twice; by rank, once.
fn evaluations(criterion: &mut Criterion, layers: &str, case: &Case) -> Result<(), anyhow::Error> {
    let Ok(inputs) = prepare(case.frozen(&case.known())?) else { bail!("declined") };
    let lines = net_lines(case);
    let all: Vec<u16> = (0..).zip(&case.package.identities).map(|(index, _)| index).collect();
    let ranked = Package { identity_choice: IdentityChoice::Rank(all), ..case.package.clone() };
    for (choice, package) in [("best identity", &case.package), ("identity by rank", &ranked)] {
        for (name, traced) in [("with trace", Traced::Yes), ("without trace", Traced::No)] {
            let mut inputs = inputs.clone();
            let name = format!("evaluate, 50 lines, {layers} layers, {choice}, {name}");
            criterion.bench_function(&name, |bencher| {
                bencher.iter(|| evaluate(package, black_box(&lines), &mut inputs, traced));
            });
        }
    }
    Ok(())
}

fn main() -> Result<(), anyhow::Error> {
    let mut criterion = Criterion::default().configure_from_args();
    for (layers, of) in [("three", THREE_LAYERS), ("five", FIVE_LAYERS)] {
        let case = case(of)?;
        pays_in_all_three_layers(&case)?;
        evaluations(&mut criterion, layers, &case)?;
    }
    let case = case(FIVE_LAYERS)?;
    let known = case.known();
    let frozen = case.frozen(&known)?;
    // The baseline: what guards, facts and the split cost, without a layer looked at.
    criterion.bench_function("prepare, 50 lines", |bencher| {
        bencher.iter(|| prepare(black_box(frozen)).is_ok());
    });
    for (name, traced) in [("with trace", Traced::Yes), ("without trace", Traced::No)] {
        let name = format!("prepare and decide, 50 lines, five layers, {name}");
        criterion.bench_function(&name, |bencher| {
            bencher.iter(|| {
                prepare(black_box(frozen))
                    .map(|inputs| decide(&case.package, &inputs, traced))
                    .is_ok()
            });
        });
    }
    criterion.final_summary();
    Ok(())
}
