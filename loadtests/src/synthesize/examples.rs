//! Published examples that are whole bills, as persons, catalogue items and requests to settle.
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::ToSpan as _;
use jiff::civil::Date;
use onestop::door::wire::settlement::v1::{
    Bill, CareType, CatalogueClass, ChargeLine, Credential, CredentialKind, Fact, Referral,
    SettleRequest,
};
use toml::{Table, Value};

use super::package::{Package, fen, need, read_table, tables, text, yuan};
use super::{ALWAYS, Expected, Insured, World, folder_name};

/// What a case can be given that no single bill has.
const NOT_A_BILL: [&str; 6] =
    ["given", "stays", "before", "before_life", "amounts", "transferred_from"];

const AGE_DEFAULT: i64 = 40;

/// Adds the cases of an example, if it is one of a package.
pub(super) fn add(world: &mut World, folder: &Path) -> Result<(), anyhow::Error> {
    if !folder.join("package.toml").is_file() {
        return Ok(());
    }
    let package = Package::read(folder)?;
    let mut files: Vec<_> = fs::read_dir(folder.join("cases"))
        .with_context(|| format!("read the cases of {}", folder.display()))?
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let mut number = 0;
    for file in files {
        for case in tables(&read_table(&file)?, "case") {
            let name = need(case, "name")?.to_owned();
            if let Some(missing) = not_a_bill(case) {
                world.passed_over.push(format!("{name}: {missing}"));
                continue;
            }
            number += 1;
            let short = folder_name(folder).split('-').next().unwrap_or_default();
            let id = format!("EX-{}-{number}", short.to_uppercase());
            let what = || format!("case {name:?} of {}", file.display());
            add_case(world, &package, case, &id).with_context(what)?;
        }
    }
    Ok(())
}

/// Why a case is not a bill that a hospital could send; nothing where it is one.
fn not_a_bill(case: &Table) -> Option<String> {
    if let Some(key) = NOT_A_BILL.iter().find(|key| case.contains_key(**key)) {
        return Some(format!("has {key}, so it is a part of a bill"));
    }
    let expect = case.get("expect").and_then(Value::as_table);
    let patient = expect.is_some_and(|expect| expect.contains_key("patient"));
    (!patient || !case.contains_key("lines"))
        .then(|| "has no lines or no patient's share".to_owned())
}

fn add_case(
    world: &mut World,
    package: &Package,
    case: &Table,
    id: &str,
) -> Result<(), anyhow::Error> {
    let date = |key, default| text(case, key).map_or(Ok(default), str::parse::<Date>);
    let discharge = date("discharge", package.from).context("discharge")?;
    let admission = date("admission", discharge).context("admission")?;
    let level = case.get("level").and_then(Value::as_integer).unwrap_or(1);
    let age = case.get("age").and_then(Value::as_integer).unwrap_or(AGE_DEFAULT);
    let (region, hospital) = hospital(package, case, level)?;
    world.hospital(&hospital, &region, level);
    let (registry, facts) = facts(package, case)?;
    let number = world.person(&Insured {
        // A birthday some time ago, so that the age is full.
        birth: discharge.checked_sub(age.years().days(100))?,
        region: &package.region,
        scheme: &package.scheme,
        facts: registry,
        identities: strings(case, "identities"),
    });
    let lines = lines(world, case, (id, &region))?;
    let balance = text(case, "account_balance").map_or(Ok(0), fen)?;
    let bill = Bill {
        hospital_code: hospital.clone(),
        stay_id: format!("ST-{id}"),
        credential: Some(Credential { kind: CredentialKind::IdentityNumber.into(), number }),
        scheme: package.scheme.clone(),
        admission_date: admission.to_string(),
        discharge_date: discharge.to_string(),
        care_type: care(text(case, "care").unwrap_or("inpatient"))?.into(),
        referral: referral(text(case, "referral").unwrap_or("none"))?.into(),
        diagnosis_codes: diagnoses(package, case)?,
        facts,
        total_fen: lines.iter().map(|line| line.amount_fen).sum(),
        lines,
        account_balance_fen: balance,
        ..Bill::default()
    };
    let expect = case.get("expect").and_then(Value::as_table).context("expect is missing")?;
    world.expected.push(Expected {
        request_id: id.to_owned(),
        hospital_code: hospital,
        name: need(case, "name")?.to_owned(),
        patient_fen: fen(need(expect, "patient")?)?,
        tolerance_fen: text(expect, "tolerance").map_or(Ok(0), fen)?,
    });
    let request =
        SettleRequest { request_id: id.to_owned(), bill: Some(bill), ..SettleRequest::default() };
    world.bills.entry("examples".to_owned()).or_default().push(request);
    Ok(())
}

/// A hospital in the right place: its region and its code.
fn hospital(
    package: &Package,
    case: &Table,
    level: i64,
) -> Result<(String, String), anyhow::Error> {
    let province = package.region.get(..2).unwrap_or_default();
    let region = match (text(case, "treatment_region"), text(case, "place").unwrap_or("local")) {
        (Some(region), _) => region.to_owned(),
        (None, "local") => package.region.clone(),
        (None, "province") if package.region.get(2..4) == Some("98") => format!("{province}9701"),
        (None, "province") => format!("{province}9801"),
        (None, "outside") if province == "98" => "970101".to_owned(),
        (None, "outside") => "980101".to_owned(),
        (None, place) => bail!("place {place:?}"),
    };
    let code = text(case, "hospital").map_or_else(|| format!("H{region}{level}"), str::to_owned);
    Ok((region, code))
}

/// The registry's facts as a cell, and the bill's.
fn facts(package: &Package, case: &Table) -> Result<(String, Vec<Fact>), anyhow::Error> {
    let (mut registry, mut bill) = (Vec::new(), Vec::new());
    for (name, value) in case.get("facts").and_then(Value::as_table).into_iter().flatten() {
        let known = package.facts.iter().find(|fact| fact.name == *name);
        let known = known.with_context(|| format!("fact {name} is not declared"))?;
        let value = value.as_str().with_context(|| format!("fact {name} is no text"))?.to_owned();
        if known.from_registry {
            registry.push(format!("{name}={value}"));
        } else {
            bill.push(Fact { name: name.clone(), value });
        }
    }
    Ok((registry.join(";"), bill))
}

fn lines(
    world: &mut World,
    case: &Table,
    (id, region): (&str, &str),
) -> Result<Vec<ChargeLine>, anyhow::Error> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(tables(case, "lines")) {
        let amount_fen = fen(need(line, "amount")?)?;
        let quantity = text(line, "quantity").unwrap_or("1");
        let count: i64 = quantity.parse().context("a quantity that is not whole")?;
        if count < 1 || amount_fen % count != 0 {
            bail!("line {number}: {amount_fen} fen for {count}");
        }
        let item = format!("{id}-{number}");
        let class = need(line, "class")?;
        let ceiling = text(line, "ceiling_price").unwrap_or_default();
        let advance = text(line, "advance").unwrap_or_default();
        let amount_name = text(line, "name").unwrap_or_default();
        let title = format!("示例项目{item}");
        let cells = [
            &item,
            region,
            ALWAYS,
            "",
            class,
            advance,
            ceiling,
            ceiling,
            ceiling,
            amount_name,
            &title,
        ];
        world.row("catalogue", cells.into_iter().map(str::to_owned).collect());
        lines.push(ChargeLine {
            line_id: number.to_string(),
            item_code: item,
            quantity: quantity.to_owned(),
            unit_price: yuan(amount_fen / count),
            amount_fen,
            catalogue_class: self::class(class)?.into(),
            ..ChargeLine::default()
        });
    }
    Ok(lines)
}

fn diagnoses(package: &Package, case: &Table) -> Result<Vec<String>, anyhow::Error> {
    strings(case, "diseases")
        .into_iter()
        .map(|group| {
            let found = package.diseases.iter().find(|(name, _)| *name == group);
            Ok(found.with_context(|| format!("disease {group} is not declared"))?.1.clone())
        })
        .collect()
}

fn strings(case: &Table, key: &str) -> Vec<String> {
    let items = case.get(key).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn class(letter: &str) -> Result<CatalogueClass, anyhow::Error> {
    Ok(match letter {
        "A" => CatalogueClass::A,
        "B" => CatalogueClass::B,
        "C" => CatalogueClass::C,
        other => bail!("class {other:?}"),
    })
}

fn care(word: &str) -> Result<CareType, anyhow::Error> {
    Ok(match word {
        "inpatient" => CareType::Inpatient,
        "outpatient" => CareType::Outpatient,
        "outpatient_chronic" => CareType::OutpatientChronic,
        other => bail!("care {other:?}"),
    })
}

fn referral(word: &str) -> Result<Referral, anyhow::Error> {
    Ok(match word {
        "none" => Referral::None,
        "filed" => Referral::Filed,
        "unfiled" => Referral::Unfiled,
        "emergency" => Referral::Emergency,
        "long_term" => Referral::LongTerm,
        other => bail!("referral {other:?}"),
    })
}
