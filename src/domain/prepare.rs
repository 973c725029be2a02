//! From a bill and a frozen snapshot to what the cascade looks at, or the reason why there is nothing to look at.
//!
//! The guards stand in the order of [`Reason`], which is their precedence; past them nothing here declines.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::bill::{Bill, Care, CatalogueClass, CatalogueEntry, NetCharge};
use super::cascade::{Facts, Inputs};
use super::ids::{ItemCode, RegionCode};
use super::money::Fen;
use super::rules::{AmountId, DayOf, FactKind, FactName, FactValue, Package, Place, Transfer};
use super::split::{NetLine, Split};
use super::standing::{Coverage, Hospital, PersonSnapshot, StayRecord, within};
use super::verdict::{Decline, Reason};

/// What a decision is about: the bill and everything that was frozen for it.
#[derive(Clone, Copy, Debug)]
pub struct Frozen<'a> {
    /// The bill.
    pub bill: &'a Bill,
    /// The person.
    pub person: &'a PersonSnapshot,
    /// The hospital.
    pub hospital: &'a Hospital,
    /// Whose coverage decides.
    pub coverage: &'a Coverage,
    /// What the catalogue says of each charge line's item on its day, in their order; nothing for an item that it does not know.
    pub catalogue: &'a [Option<&'a CatalogueEntry>],
    /// The rules.
    pub package: &'a Package,
}

/// The coverage that decides: in force on the discharge date, by the scheme that the bill names or the only one.
pub fn coverage_of<'a>(bill: &Bill, person: &'a PersonSnapshot) -> Result<&'a Coverage, Decline> {
    let mut covered = person.standing.coverage_on(bill.discharge);
    if let Some(scheme) = bill.scheme {
        let found = covered.find(|coverage| coverage.scheme == scheme);
        return found.ok_or_else(|| Decline::new(Reason::NotCovered, "bill.scheme"));
    }
    let first =
        covered.next().ok_or_else(|| Decline::new(Reason::NotCovered, "bill.discharge_date"))?;
    if covered.next().is_some() {
        return Err(Decline::new(Reason::SchemeAmbiguous, "bill.scheme"));
    }
    Ok(first)
}

/// The policy year of a bill under a package.
pub fn policy_year(bill: &Bill, package: &Package) -> i16 {
    day_of(package.year_by, bill).year()
}

/// What the cascade looks at.
pub fn prepare(frozen: Frozen<'_>) -> Result<Inputs, Decline> {
    let Frozen { bill, person, package, coverage, .. } = frozen;
    let standing_day = day_of(package.standing_on, bill);
    if !within(standing_day, coverage.valid_from, coverage.valid_to) {
        return Err(Decline::new(Reason::NotCovered, "bill.admission_date"));
    }
    let covered_days = bill.admission.since(coverage.valid_from).map_or(0, |span| span.get_days());
    if covered_days < i32::from(package.waiting_days) {
        return Err(Decline::new(Reason::Waiting, "bill.admission_date"));
    }
    let year = policy_year(bill, package);
    let in_force = || person.stays.iter().filter(|stay| !stay.reversed);
    if in_force().any(|stay| overlaps(bill, stay)) {
        return Err(Decline::new(Reason::StayOverlaps, "bill.admission_date"));
    }
    let here = |stay: &&StayRecord| {
        stay.region == coverage.region && stay.scheme == coverage.scheme && stay.year == year
    };
    let late = in_force().filter(here).any(|stay| bill.discharge < stay.discharge);
    if late && !package.late_stay_accepted {
        return Err(Decline::new(Reason::StayLate, "bill.discharge_date"));
    }
    let amounts = split_lines(frozen)?;
    let facts = facts_of(frozen, year)?;
    let before = package.accumulators.iter().map(|accumulator| {
        let wanted = if accumulator.life { 0 } else { year };
        let used = person.used.iter().find(|used| {
            used.region == coverage.region
                && used.scheme == coverage.scheme
                && used.year == wanted
                && used.name == accumulator.name
        });
        used.map_or(Fen::ZERO, |used| used.amount)
    });
    Ok(Inputs {
        amounts,
        facts,
        identities: identities_on(frozen, standing_day),
        before: before.collect(),
        told: Vec::new(),
    })
}

const fn day_of(day: DayOf, bill: &Bill) -> Date {
    match day {
        DayOf::Discharge => bill.discharge,
        DayOf::Admission => bill.admission,
    }
}

/// Two inpatient stays of one person share more than a day of transfer. Two stays of the same single day do, unless the
/// patient was transferred from one to the other.
fn overlaps(bill: &Bill, stay: &StayRecord) -> bool {
    let same = stay.stay == bill.stay && stay.hospital == bill.hospital;
    let inpatient = bill.care == Care::Inpatient && stay.care == Care::Inpatient.word();
    let across = bill.admission < stay.discharge && stay.admission < bill.discharge;
    let one_day = bill.admission == bill.discharge && stay.admission == stay.discharge;
    let same_day = one_day && bill.admission == stay.admission;
    let transferred = bill.transferred_from.as_ref() == Some(&stay.stay);
    inpatient && !same && (across || (same_day && !transferred))
}

/// Does an identity that `region` granted count where somebody is insured?
pub fn identity_counts(here: RegionCode, region: RegionCode) -> bool {
    Place::of(here, region) == Place::Local
        || (region.get().is_multiple_of(10_000) && region.province() == here.province())
}

fn identities_on(frozen: Frozen<'_>, day: Date) -> Vec<u16> {
    let counts = |region: RegionCode| identity_counts(frozen.coverage.region, region);
    let held: BTreeSet<&str> = frozen
        .person
        .standing
        .identities_on(day)
        .filter(|identity| counts(identity.region))
        .map(|identity| identity.code.as_str())
        .collect();
    let declared = frozen.package.identities.iter().zip(0_u16..);
    declared
        .filter(|(identity, _)| held.contains(identity.code.as_str()))
        .map(|(_, index)| index)
        .collect()
}

// === the bill ===

fn split_lines(frozen: Frozen<'_>) -> Result<Vec<Fen>, Decline> {
    let Frozen { bill, catalogue, package, .. } = frozen;
    let charges = bill.net_charges().map_err(|_| Decline::new(Reason::Overflow, "bill.lines"))?;
    let mut split = Split::new(package);
    for charge in &charges {
        let line = charge.line;
        let Some(entry) = catalogue.get(charge.place).copied().flatten() else {
            return Err(Decline::new(Reason::ItemUnknown, field(charge, "item_code")));
        };
        if line.class.is_some_and(|class| class != entry.class) {
            return Err(Decline::new(Reason::ClassDisagrees, field(charge, "catalogue_class")));
        }
        let net = NetLine {
            class: entry.class,
            amount: charge.amount,
            quantity_e4: charge.quantity_e4,
            ceiling_price_e6: entry.ceiling_price_e6,
            advance_ratio: entry.advance_ratio,
            declared: declared_amount(package, entry, charge)?,
        };
        split
            .add(&net)
            .ok_or_else(|| Decline::new(Reason::Overflow, field(charge, "amount_fen")))?;
    }
    refunds_agree(bill, catalogue)?;
    split.amounts().ok_or_else(|| Decline::new(Reason::Overflow, "bill.lines"))
}

/// A refund says a class that its item has on one of the bill's days: that of what it refunds.
fn refunds_agree(bill: &Bill, catalogue: &[Option<&CatalogueEntry>]) -> Result<(), Decline> {
    let entries = || bill.lines.iter().zip(catalogue);
    let mut classes: Option<BTreeSet<(&ItemCode, CatalogueClass)>> = None;
    for (place, (line, entry)) in entries().enumerate().filter(|(_, (line, _))| line.is_refund()) {
        let Some(class) = line.class else { continue };
        if entry.is_some_and(|entry| entry.class == class) {
            continue;
        }
        // Charged on a day when it had another class.
        let classes = classes.get_or_insert_with(|| {
            entries().filter_map(|(line, entry)| Some((&line.item, (*entry)?.class))).collect()
        });
        if !classes.contains(&(&line.item, class)) {
            let subject = format!("bill.lines[{place}].catalogue_class");
            return Err(Decline::new(Reason::ClassDisagrees, subject));
        }
    }
    Ok(())
}

fn field(charge: &NetCharge<'_>, name: &str) -> String {
    format!("bill.lines[{}].{name}", charge.place)
}

fn declared_amount(
    package: &Package,
    entry: &CatalogueEntry,
    charge: &NetCharge<'_>,
) -> Result<Option<AmountId>, Decline> {
    let Some(name) = &entry.amount_name else { return Ok(None) };
    let place = package.amounts.iter().zip(0_u16..).find(|(amount, _)| amount.name == *name);
    let undeclared = || Decline::new(Reason::AmountUndeclared, field(charge, "item_code"));
    place.map(|(_, id)| Some(id)).ok_or_else(undeclared)
}

// === facts ===

fn facts_of(frozen: Frozen<'_>, year: i16) -> Result<Facts, Decline> {
    let Frozen { bill, person, hospital, coverage, package, .. } = frozen;
    let known =
        |name: &String| package.facts.iter().any(|fact| !fact.from_registry && fact.name == *name);
    if let Some((name, _)) = bill.facts.iter().find(|(name, _)| !known(name)) {
        return Err(Decline::new(Reason::FactUnknown, format!("bill.facts.{name}")));
    }
    let declared =
        package.facts.iter().map(|fact| declared_fact(fact, frozen)).collect::<Result<_, _>>()?;
    let (transfer, transfer_deductible) = transfer_of(frozen)?;
    let (earlier, same_level) = earlier_stays(frozen, year);
    Ok(Facts {
        level: u8::try_from(hospital.level).unwrap_or(0),
        place: Place::of(coverage.region, hospital.region),
        referral: bill.referral,
        care: bill.care,
        age: person.standing.birth.map(|birth| full_years(birth, bill.discharge)),
        stay: nth(earlier),
        stay_same_level: nth(same_level),
        transfer,
        transfer_deductible,
        diseases: diseases_of(package, &bill.diagnoses),
        hospital: hospital.code.as_str().to_owned(),
        treatment_region: hospital.region.to_string(),
        account_balance: bill.account_balance,
        declared,
    })
}

fn nth(earlier: usize) -> i64 {
    i64::try_from(earlier).unwrap_or(i64::MAX).saturating_add(1)
}

/// How many admissions of this policy year count before this one, and how many of them at a hospital of this level; the parts of
/// one stay count once.
fn earlier_stays(frozen: Frozen<'_>, year: i16) -> (usize, usize) {
    let Frozen { bill, person, hospital, coverage, package, .. } = frozen;
    let mut parted = BTreeSet::new();
    let counts = person.stays.iter().filter(|stay| {
        let this = stay.stay == bill.stay && stay.hospital == bill.hospital;
        let here =
            stay.region == coverage.region && stay.scheme == coverage.scheme && stay.year == year;
        !this
            && here
            && stay.care == bill.care.word()
            && (package.reversed_stay_counts || !stay.reversed)
    });
    let once = counts.filter(|stay| stay.part == 0 || parted.insert((&stay.hospital, &stay.stay)));
    once.fold((0, 0), |(all, same_level): (usize, usize), stay| {
        let same = usize::from(stay.level == hospital.level);
        (all.saturating_add(1), same_level.saturating_add(same))
    })
}

fn full_years(birth: Date, on: Date) -> i64 {
    let years = i64::from(on.year()).saturating_sub(birth.year().into());
    let had_birthday = (birth.month(), birth.day()) <= (on.month(), on.day());
    if had_birthday { years } else { years.saturating_sub(1) }
}

fn transfer_of(frozen: Frozen<'_>) -> Result<(Transfer, Fen), Decline> {
    let Frozen { bill, person, hospital, .. } = frozen;
    let Some(from) = &bill.transferred_from else { return Ok((Transfer::None, Fen::ZERO)) };
    // A transfer is an inpatient stay that ended on the day of this admission or the day before.
    let just_before = |stay: &StayRecord| {
        let days = bill.admission.since(stay.discharge).map_or(i32::MAX, |span| span.get_days());
        (0..=1).contains(&days)
    };
    let is_it = |stay: &&StayRecord| -> bool {
        !stay.reversed
            && stay.stay == *from
            && stay.care == Care::Inpatient.word()
            && just_before(stay)
    };
    let unknown = || Decline::new(Reason::TransferUnknown, "bill.transferred_from_stay_id");
    let stay = person.stays.iter().rev().find(is_it).ok_or_else(unknown)?;
    let transfer = match stay.level.cmp(&hospital.level) {
        std::cmp::Ordering::Less => Transfer::Up,
        std::cmp::Ordering::Equal => Transfer::Level,
        std::cmp::Ordering::Greater => Transfer::Down,
    };
    Ok((transfer, stay.deductible))
}

/// The groups that any diagnosis falls into, as bits. This is all that leaves the house of diagnoses.
fn diseases_of(package: &Package, diagnoses: &[String]) -> u64 {
    package.diseases.iter().zip(0_u32..).fold(0, |bits, (group, place)| {
        let met = diagnoses
            .iter()
            .any(|diagnosis| group.codes.iter().any(|code| diagnosis.starts_with(code.as_str())));
        if met { bits | 1_u64.checked_shl(place).unwrap_or(0) } else { bits }
    })
}

fn declared_fact(fact: &FactName, frozen: Frozen<'_>) -> Result<FactValue, Decline> {
    let (given, owner) = if fact.from_registry {
        (&frozen.coverage.facts, "standing")
    } else {
        (&frozen.bill.facts, "bill")
    };
    let subject = || format!("{owner}.facts.{}", fact.name);
    match given.iter().find(|(name, _)| *name == fact.name) {
        None => fact.default.ok_or_else(|| Decline::new(Reason::FactMissing, subject())),
        Some((_, text)) => read_fact(&fact.kind, text)
            .ok_or_else(|| Decline::new(Reason::FactUnreadable, subject())),
    }
}

/// Reads a fact's text by its kind.
pub fn read_fact(kind: &FactKind, text: &str) -> Option<FactValue> {
    match kind {
        FactKind::Number => {
            let plain = !text.is_empty()
                && text.len() <= 9
                && text.bytes().all(|byte| byte.is_ascii_digit());
            if plain { text.parse().ok().map(FactValue::Number) } else { None }
        }
        FactKind::Flag => match text {
            "true" => Some(FactValue::Flag(true)),
            "false" => Some(FactValue::Flag(false)),
            _ => None,
        },
        FactKind::Choice(values) => {
            let place = values.iter().position(|value| value == text)?;
            u16::try_from(place).ok().map(FactValue::Choice)
        }
        FactKind::Yuan => {
            Fen::parse_yuan(text).filter(|fen| Fen::ZERO <= *fen).map(FactValue::Yuan)
        }
    }
}

#[cfg(test)]
mod tests;
