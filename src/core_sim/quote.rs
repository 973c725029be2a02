//! What a layer pays by the simulated core's own rules.

use jiff::civil::Date;

use crate::core_link::transfer_word;
use crate::core_link::wire::core::v1 as core;
use crate::domain::bill::{Care, Referral};
use crate::domain::cascade::{Facts, Inputs, Told, Traced, decide};
use crate::domain::ids::RegionCode;
use crate::domain::money::Fen;
use crate::domain::prepare::read_fact;
use crate::domain::rules::{LayerId, Package, Place, Transfer};
use crate::domain::standing::Scheme;
use crate::domain::verdict::Verdict;
use crate::rulebook::RuleBook;

/// What the layer pays for its base and what it takes off it first, or why that is not decided here. A drift is added where what comes of it can be paid.
pub(super) fn pay(
    rules: &RuleBook,
    asked: &core::QuoteLayerRequest,
    drift_fen: i64,
) -> Result<(i64, i64), &'static str> {
    let region = RegionCode::new(&asked.insured_region).ok_or("REGION_UNREADABLE")?;
    let scheme = Scheme::from_word(&asked.scheme).ok_or("SCHEME_UNREADABLE")?;
    let discharge: Date = asked.discharge_date.parse().map_err(|_| "DATE_UNREADABLE")?;
    let package = rules.choose(region, scheme, discharge, Date::MAX).ok_or("NO_PACKAGE")?;
    let layer = layer_id(&package, &asked.layer).ok_or("LAYER_UNKNOWN")?;
    let inputs = inputs(&package, region, asked).ok_or("BILL_UNREADABLE")?;
    let base = Fen::new(asked.base_fen);
    // The base tells by which identity the gateway tries: the first that leads to it here too.
    let each = inputs.identities.iter().map(|identity| vec![*identity]);
    let tried = std::iter::once(inputs.identities.clone()).chain(each).chain([Vec::new()]);
    let pay = tried.into_iter().find_map(|identities| {
        let Verdict::Settled(outcome) =
            decide(&package, &Inputs { identities, ..inputs.clone() }, Traced::No)
        else {
            return None;
        };
        let paid = outcome.layers.iter().find(|pay| pay.layer == layer && pay.base == base)?;
        Some((paid.pay.get(), paid.deductible.get()))
    });
    let (pay, deductible) = pay.ok_or("BASE_DIFFERS")?;
    let drifted = pay.saturating_add(drift_fen);
    let most = asked.base_fen.saturating_sub(deductible);
    Ok((if (0..=most).contains(&drifted) { drifted } else { pay }, deductible))
}

fn layer_id(package: &Package, name: &str) -> Option<LayerId> {
    let (_, id) = package.layers.iter().zip(0..).find(|(layer, _)| layer.name == name)?;
    Some(id)
}

fn inputs(
    package: &Package,
    region: RegionCode,
    asked: &core::QuoteLayerRequest,
) -> Option<Inputs> {
    let amount = |given: &[core::NamedAmount], name: &str| {
        let given = given.iter().find(|given| given.name == name);
        Fen::new(given.map_or(0, |given| given.amount_fen))
    };
    let identities = package.identities.iter().zip(0..);
    Some(Inputs {
        amounts: package.amounts.iter().map(|of| amount(&asked.amounts, &of.name)).collect(),
        before: package.accumulators.iter().map(|of| amount(&asked.used, &of.name)).collect(),
        identities: identities
            .filter(|(identity, _)| asked.identities.contains(&identity.code))
            .map(|(_, id)| id)
            .collect(),
        facts: facts(package, region, (&asked.hospital_code, asked.facts.as_ref()?))?,
        told: asked
            .told
            .iter()
            .filter_map(|told| {
                Some(Told {
                    layer: layer_id(package, &told.layer)?,
                    base: Some(Fen::new(told.base_fen)),
                    pay: Fen::new(told.pay_fen),
                    deductible: Fen::new(told.deductible_fen),
                })
            })
            .collect(),
    })
}

fn facts(
    package: &Package,
    region: RegionCode,
    (hospital, given): (&str, &core::Facts),
) -> Option<Facts> {
    let referrals = [
        Referral::None,
        Referral::Filed,
        Referral::Unfiled,
        Referral::Emergency,
        Referral::LongTerm,
    ];
    let cares = [Care::Inpatient, Care::Outpatient, Care::OutpatientChronic];
    let transfers = [Transfer::None, Transfer::Up, Transfer::Level, Transfer::Down];
    let groups = package.diseases.iter().zip(0_u32..);
    let diseases = groups
        .filter(|(group, _)| given.disease_groups.contains(&group.name))
        .fold(0_u64, |bits, (_, place)| bits | 1_u64.checked_shl(place).unwrap_or(0));
    let declared = package.facts.iter().map(|fact| {
        let value = given.declared.iter().find(|given| given.name == fact.name);
        value.map_or(fact.default, |value| read_fact(&fact.kind, &value.value))
    });
    Some(Facts {
        level: u8::try_from(given.hospital_level).ok()?,
        place: Place::of(region, RegionCode::new(&given.treatment_region)?),
        referral: referrals.into_iter().find(|of| of.word() == given.referral)?,
        care: cares.into_iter().find(|of| of.word() == given.care_type)?,
        age: (0 <= given.age_years).then_some(given.age_years.into()),
        stay: given.stay_of_year.into(),
        stay_same_level: given.stay_same_level.into(),
        transfer: transfers.into_iter().find(|of| transfer_word(*of) == given.transfer)?,
        transfer_deductible: Fen::new(given.transfer_deductible_fen),
        diseases,
        hospital: hospital.to_owned(),
        treatment_region: given.treatment_region.clone(),
        account_balance: Fen::new(given.account_balance_fen),
        declared: declared.collect::<Option<Vec<_>>>()?,
    })
}
