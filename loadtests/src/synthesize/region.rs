//! One synthetic day in a packaged region: people, hospitals near and far, and what is discharged on that day.
use std::path::Path;

use anyhow::Context as _;
use jiff::ToSpan as _;
use jiff::civil::Date;
use onestop::door::wire::settlement::v1::{
    Bill, CareType, CatalogueClass, ChargeLine, Credential, CredentialKind, Fact, Referral,
    SettleRequest,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::package::{Package, REGISTERED_POOR, yuan};
use super::{ALWAYS, Insured, Size, World};

/// Items of the common catalogue.
const ITEMS: u32 = 200;

/// How many of a thousand aid recipients hold an identity, after a prefecture's figures of six classes; others are as rare as
/// the last. Those of whole closed sets are told apart by [`identities`].
const SHARES: [(&str, u32); 8] = [
    ("low_income_edge", 259),
    ("deep_hardship_worker", 268),
    ("low_income", 195),
    ("illness_poverty", 122),
    ("out_of_poverty", 100),
    ("monitored", 40),
    ("extreme_poverty", 4),
    ("", 10),
];

/// Bills of a day on which none can settle.
const BILLS_OF_TOLD: u32 = 3;

/// Of a hundred: patients who are aid recipients at all. Far more than among all people, so that every layer is seen to work.
const RECIPIENTS_IN_100: u32 = 60;

/// An item of the common catalogue.
struct Item {
    code: String,
    class: char,
    /// What it costs about, in fen.
    price_fen: i64,
}

/// Somebody who may fall ill.
struct Patient {
    number: String,
}

struct Hospital {
    code: String,
    level: i64,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Local,
    Province,
    Outside,
}

/// What all bills of a region share.
struct Region<'a> {
    package: &'a Package,
    items: Vec<Item>,
    common_items: usize,
    hospitals: Vec<Hospital>,
    short: String,
    random: Pcg64Mcg,
    stays: u32,
}

/// A stay before its charges.
struct Stay {
    patient: usize,
    hospital: usize,
    admission: Date,
    discharge: Date,
    transferred_from: String,
}

/// The catalogue that all regions share.
pub(super) fn add_catalogue(world: &mut World, seed: u64) {
    for (number, item) in (1..).zip(items(seed)) {
        let Item { code, class, price_fen } = item;
        // Some items of class B have a share of their own, and some of class A and B a ceiling price by level.
        let advance = match (class, number % 5) {
            ('B', 0) => "0.30",
            ('B', 1) => "0.20",
            _ => "",
        };
        let ceiling = |percent: i64| match (class, number % 4) {
            ('A' | 'B', 0) => yuan(price_fen * percent / 100),
            _ => String::new(),
        };
        let kind = match number % 3 {
            0 => "药品",
            1 => "诊疗",
            _ => "耗材",
        };
        let name = format!("测试{kind}{number:03}");
        let ceilings = [ceiling(95), ceiling(105), ceiling(115)];
        let [one, two, three] = &ceilings;
        let class = class.to_string();
        let cells = [&code, "000000", ALWAYS, "", &class, advance, one, two, three, "", &name];
        world.row("catalogue", cells.into_iter().map(str::to_owned).collect());
    }
}

fn items(seed: u64) -> Vec<Item> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    (1..=ITEMS)
        .map(|number| {
            // Of twenty: nine are class A, nine class B, two class C.
            let class = match number % 20 {
                0..9 => 'A',
                9..18 => 'B',
                _ => 'C',
            };
            let magnitude = 10_i64.pow(random.random_range(2..5));
            let price_fen = magnitude * random.random_range(1..10) + random.random_range(0..100);
            Item { code: format!("SYN{class}{number:04}"), class, price_fen }
        })
        .collect()
}

/// Adds a package's people and its day.
pub(super) fn add(world: &mut World, folder: &Path, size: Size) -> Result<(), anyhow::Error> {
    if !folder.join("package.toml").is_file() {
        return Ok(());
    }
    let package = Package::read(folder)?;
    let mut random = Pcg64Mcg::seed_from_u64(size.seed ^ fingerprint(&package.id));
    let middle = package.from.until(package.to)?.get_days() / 2;
    let day = package.from.checked_add(middle.days()).context("find the middle of the period")?;
    let short = format!("{}{}", package.region, day.year() % 100);
    let patients = people(world, &package, (day, size.persons), &mut random)?;
    let hospitals = hospitals(world, &package.region);
    let mut items = items(size.seed);
    let common_items = items.len();
    for amount in &package.amounts {
        let code = format!("SYN{short}{amount}");
        let name = format!("测试{amount}");
        let region = format!("{}0000", package.region.get(..2).unwrap_or_default());
        let cells = [&code, &region, ALWAYS, "", "A", "", "", "", "", amount, &name];
        world.row("catalogue", cells.into_iter().map(str::to_owned).collect());
        items.push(Item { code, class: 'A', price_fen: 12_345 });
    }
    let mut region =
        Region { package: &package, items, common_items, hospitals, short, random, stays: 0 };
    // Where somebody else always tells a layer's pay, nothing settles until they are asked; a few bills show it.
    let bills = if package.always_told { size.bills.min(BILLS_OF_TOLD) } else { size.bills };
    let (bills, reversals) = region.day(&patients, day, bills)?;
    world.bills.insert(format!("day-{}", package.id), bills);
    world.reversals.extend(reversals);
    Ok(())
}

/// Separates what chance does in one region from what it does in another (FNV-1a).
fn fingerprint(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn people(
    world: &mut World,
    package: &Package,
    (day, count): (Date, u32),
    random: &mut Pcg64Mcg,
) -> Result<Vec<Patient>, anyhow::Error> {
    let mut patients = Vec::new();
    for _ in 0..count {
        let age_days: i32 = random.random_range(400..33_000);
        let identities = identities(package, random);
        let number = world.person(&Insured {
            birth: day.checked_sub(age_days.days())?,
            region: &package.region,
            scheme: &package.scheme,
            facts: registry_facts(package, random),
            identities,
        });
        patients.push(Patient { number });
    }
    Ok(patients)
}

/// Most have none or one; a few have two, of which the most favourable counts. A package of a closed set is for that set.
fn identities(package: &Package, random: &mut Pcg64Mcg) -> Vec<String> {
    let drawn = random.random_range(0..100);
    if package.is_for_the_registered_poor() {
        return if drawn < 85 { vec![REGISTERED_POOR.to_owned()] } else { Vec::new() };
    }
    if package.identities.is_empty() || RECIPIENTS_IN_100 <= drawn {
        return Vec::new();
    }
    let rare = SHARES.last().map_or(1, |(_, share)| *share);
    let share = |code: &str| {
        SHARES.iter().find(|(known, _)| *known == code).map_or(rare, |(_, share)| *share)
    };
    let all: u32 = package.identities.iter().map(|code| share(code)).sum();
    let mut held = Vec::new();
    let count = if random.random_range(0..20) == 0 { 2 } else { 1 };
    for _ in 0..count {
        let mut drawn = random.random_range(0..all);
        for code in &package.identities {
            if drawn < share(code) {
                if !held.contains(code) {
                    held.push(code.clone());
                }
                break;
            }
            drawn -= share(code);
        }
    }
    held
}

fn registry_facts(package: &Package, random: &mut Pcg64Mcg) -> String {
    let facts = package.facts.iter().filter(|fact| fact.from_registry);
    let said = facts.filter_map(|fact| {
        let value = match fact.kind.as_str() {
            "number" => random.random_range(0..6).to_string(),
            "flag" => "false".to_owned(),
            "choice" => fact.first_value.clone()?,
            _ => return None,
        };
        Some(format!("{}={value}", fact.name))
    });
    said.collect::<Vec<_>>().join(";")
}

/// Hospitals of every level in the prefecture, elsewhere in the province, and outside it.
fn hospitals(world: &mut World, region: &str) -> Vec<Hospital> {
    let (province, prefecture) =
        (region.get(..2).unwrap_or_default(), region.get(..4).unwrap_or_default());
    let other = if prefecture.ends_with("01") { "0201" } else { "0102" };
    let outside = if province == "44" { "510104" } else { "440103" };
    let whole_province = prefecture.ends_with("00");
    let places = [
        // Of a whole province every prefecture is local.
        (
            Place::Local,
            if whole_province { format!("{province}0102") } else { format!("{prefecture}21") },
        ),
        (if whole_province { Place::Local } else { Place::Province }, format!("{province}{other}")),
        (Place::Outside, outside.to_owned()),
    ];
    let mut hospitals = Vec::new();
    for (place, region) in places {
        for level in 1..=3 {
            let code = format!("H{region}{level}");
            world.hospital(&code, &region, level);
            hospitals.push(Hospital { code, level, place });
        }
    }
    hospitals
}

type Day = (Vec<SettleRequest>, Vec<[String; 3]>);

impl Region<'_> {
    /// The day's bills, oldest discharge first, and what is to be reversed of them.
    fn day(&mut self, patients: &[Patient], day: Date, bills: u32) -> Result<Day, anyhow::Error> {
        let mut requests = Vec::new();
        let mut reversals = Vec::new();
        for (patient, number) in (0..patients.len()).zip(0..bills) {
            let hospital = self.hospital();
            let nights: i32 = self.random.random_range(3..20);
            let admission = day.checked_sub(nights.days())?;
            let earlier = match number % 10 {
                // A second stay, and a transfer from a hospital nearer to the patient.
                3 => Some((self.hospital(), admission.checked_sub(12.days())?, false)),
                7 => Some((0, admission, true)),
                _ => None,
            };
            let mut transferred_from = String::new();
            if let Some((hospital, discharge, transfer)) = earlier {
                let admission = discharge.checked_sub(6.days())?;
                // Two policy years would make a chain of its own.
                if self.package.from <= admission && admission.year() == day.year() {
                    let stay = Stay {
                        patient,
                        hospital,
                        admission,
                        discharge,
                        transferred_from: String::new(),
                    };
                    let request = self.request(patients, stay);
                    if transfer && let Some(bill) = &request.bill {
                        transferred_from = bill.stay_id.clone();
                    }
                    requests.push(request);
                }
            }
            let stay = Stay { patient, hospital, admission, discharge: day, transferred_from };
            let request = self.request(patients, stay);
            if number % 16 == 5 {
                let code = request.bill.as_ref().map(|bill| bill.hospital_code.clone());
                let original = request.request_id.clone();
                reversals.push([format!("REV-{original}"), code.unwrap_or_default(), original]);
            }
            requests.push(request);
        }
        Ok((requests, reversals))
    }

    /// Three of four are treated at home.
    fn hospital(&mut self) -> usize {
        match self.random.random_range(0..20) {
            0..15 => self.random.random_range(0..3),
            15..18 => self.random.random_range(3..6),
            _ => self.random.random_range(6..9),
        }
    }

    fn request(&mut self, patients: &[Patient], stay: Stay) -> SettleRequest {
        self.stays = self.stays.saturating_add(1);
        let id = format!("{}-{:04}", self.short, self.stays);
        let referral = self.referral(stay.hospital);
        let lines = self.lines(stay.hospital);
        let hospital =
            self.hospitals.get(stay.hospital).map_or("", |hospital| hospital.code.as_str());
        let patient = patients.get(stay.patient).map_or("", |patient| patient.number.as_str());
        let diagnoses = ["J18.9", "I10", "E11.9", "K35.8", "I63.9", "C34.1", "N18.5", "S72.0"];
        let diagnosis = diagnoses.get(self.random.random_range(0..diagnoses.len()));
        let bill = Bill {
            hospital_code: hospital.to_owned(),
            stay_id: format!("ST-{id}"),
            credential: Some(Credential {
                kind: CredentialKind::IdentityNumber.into(),
                number: patient.to_owned(),
            }),
            scheme: self.package.scheme.clone(),
            admission_date: stay.admission.to_string(),
            discharge_date: stay.discharge.to_string(),
            care_type: CareType::Inpatient.into(),
            referral: referral.into(),
            transferred_from_stay_id: stay.transferred_from,
            diagnosis_codes: diagnosis.into_iter().map(|code| (*code).to_owned()).collect(),
            facts: self.bill_facts(),
            total_fen: lines.iter().map(|line| line.amount_fen).sum(),
            lines,
            operator_id: "desk-01".to_owned(),
            ..Bill::default()
        };
        SettleRequest {
            request_id: format!("R-{id}"),
            bill: Some(bill),
            ..SettleRequest::default()
        }
    }

    fn referral(&mut self, hospital: usize) -> Referral {
        let place = self.hospitals.get(hospital).map_or(Place::Local, |hospital| hospital.place);
        match (place, self.random.random_range(0..10)) {
            (Place::Local, _) => Referral::None,
            (Place::Province, 0..8) | (Place::Outside, 0..5) => Referral::Filed,
            (Place::Province, _) | (Place::Outside, 5..7) => Referral::Unfiled,
            (Place::Outside, 7..9) => Referral::Emergency,
            (Place::Outside, _) => Referral::LongTerm,
        }
    }

    /// What the package asks of a bill and has no default for.
    fn bill_facts(&self) -> Vec<Fact> {
        let facts =
            self.package.facts.iter().filter(|fact| !fact.from_registry && !fact.has_default);
        facts
            .map(|fact| {
                let value = match fact.kind.as_str() {
                    "flag" => "false".to_owned(),
                    "yuan" => "0.00".to_owned(),
                    "choice" => fact.first_value.clone().unwrap_or_default(),
                    _ => "0".to_owned(),
                };
                Fact { name: fact.name.clone(), value }
            })
            .collect()
    }

    /// Ten to sixty lines; now and then one of them is taken back.
    fn lines(&mut self, hospital: usize) -> Vec<ChargeLine> {
        let (level, place) = self
            .hospitals
            .get(hospital)
            .map_or((1, Place::Local), |hospital| (hospital.level, hospital.place));
        // The province's own items stand last, and are not known outside it.
        let known = match place {
            Place::Local | Place::Province => self.items.len(),
            Place::Outside => self.common_items,
        };
        let severe = self.random.random_range(0..12) == 0;
        let count = self.random.random_range(10..=60);
        let mut lines: Vec<ChargeLine> = Vec::new();
        for number in 1..=count {
            let at = self.random.random_range(0..known);
            let percent = self.random.random_range(80..110) + 5 * level;
            let tenths: i64 = 5 * self.random.random_range(1..if severe { 120 } else { 12 });
            let Some(item) = self.items.get(at) else { continue };
            let price_fen = (item.price_fen * percent / 100).max(1);
            lines.push(line(number, item, price_fen, tenths));
        }
        if self.random.random_range(0..8) == 0
            && let Some(first) = lines.first().cloned()
        {
            lines.push(ChargeLine {
                line_id: (count + 1).to_string(),
                quantity: format!("-{}", first.quantity),
                amount_fen: -first.amount_fen,
                refund_of_line_id: first.line_id.clone(),
                ..first
            });
        }
        lines
    }
}

fn line(number: u32, item: &Item, price_fen: i64, tenths: i64) -> ChargeLine {
    let class = match item.class {
        'A' => CatalogueClass::A,
        'B' => CatalogueClass::B,
        _ => CatalogueClass::C,
    };
    ChargeLine {
        line_id: number.to_string(),
        item_code: item.code.clone(),
        quantity: format!("{}.{}", tenths / 10, tenths % 10),
        unit_price: yuan(price_fen),
        // Half a fen goes up.
        amount_fen: (price_fen * tenths + 5) / 10,
        catalogue_class: class.into(),
        ..ChargeLine::default()
    }
}
