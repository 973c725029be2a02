//! Domain types to the contract's messages, and its answers back.

use super::CoreLinkError;
use super::wire::core::v1 as core;
use crate::domain::cascade::{Facts, Inputs};
use crate::domain::ids::{HospitalCode, PersonNumber, RequestId, SettlementId};
use crate::domain::ledger::{Entry, LayerEntry};
use crate::domain::money::Fen;
use crate::domain::rules::{FactKind, FactValue, LayerId, Package, Transfer};

/// An entry with what belongs to it on its way to the core.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The entry; its charge lines stay here.
    pub entry: Entry,
    /// As hospitals know the person.
    pub person: PersonNumber,
    /// The clauses behind it, in the order of the decision.
    pub clauses: Vec<String>,
}

/// What became of an entry that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The core has it, now or before.
    Taken {
        /// Its own reference, where it has one.
        reference: Option<String>,
    },
    /// The core does not take it.
    Refused {
        /// Why.
        code: String,
    },
    /// The core did not look at it.
    NotTried,
    /// The core says nothing.
    Unknown,
}

/// What the core has for a request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The settlement, where it is booked.
    pub settlement: Option<SettlementId>,
    /// The hash of its record as it was told.
    pub record_sha256: Vec<u8>,
    /// The core's own reference.
    pub reference: Option<String>,
    /// How often it is booked.
    pub times: u32,
}

/// What a layer pays for a bill: everything that it may look at.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The hospital.
    pub hospital: &'a HospitalCode,
    /// The request that the settlement will have.
    pub request: Option<&'a RequestId>,
    /// As hospitals know the person.
    pub person: &'a PersonNumber,
    /// Last day of the stay.
    pub discharge: jiff::civil::Date,
    /// The rules, for the names of all.
    pub package: &'a Package,
    /// What the decision looks at.
    pub inputs: &'a Inputs,
    /// The layer.
    pub layer: LayerId,
    /// What it looks at.
    pub base: Fen,
}

/// Every field by name: one that is added to an entry does not compile until somebody decides whether the core is told.
pub(super) fn entry(parcel: &Parcel) -> core::Entry {
    let Parcel { entry, person, clauses } = parcel;
    let Entry {
        settlement,
        person: _,
        request,
        body_sha256: _,
        reverses,
        supersedes,
        state,
        hospital,
        level: _,
        stay,
        stay_part,
        admission,
        discharge,
        care,
        referral: _,
        insured_region,
        treatment_region,
        scheme,
        year,
        settled_at,
        accounting_day,
        operator: _,
        door: _,
        reason,
        breakdown: _,
        layers,
        fixed,
        moved: _,
        identities_used: _,
        assumed: _,
        package,
        standing_version: _,
        ledger_version: _,
        record: _,
        record_sha256,
        lines: _,
        lines_sha256: _,
    } = entry;
    let text =
        |id: &Option<SettlementId>| id.as_ref().map_or(String::new(), SettlementId::to_string);
    core::Entry {
        hospital_code: hospital.to_string(),
        request_id: request.to_string(),
        settlement_id: settlement.to_string(),
        reverses_settlement_id: text(reverses),
        supersedes_settlement_id: text(supersedes),
        person_number: person.to_string(),
        stay_id: stay.to_string(),
        stay_part: u32::try_from(*stay_part).unwrap_or(0),
        admission_date: admission.to_string(),
        discharge_date: discharge.to_string(),
        care_type: care.word().to_owned(),
        insured_region: insured_region.to_string(),
        treatment_region: treatment_region.to_string(),
        scheme: scheme.word().to_owned(),
        policy_year: u32::try_from(*year).unwrap_or(0),
        settled_at: settled_at.to_string(),
        accounting_day: accounting_day.to_string(),
        amounts: Some(amounts(entry)),
        layers: layers.iter().map(layer).collect(),
        fixed_benefits: fixed.iter().map(layer).collect(),
        record_sha256: record_sha256.to_vec(),
        package_hash: package.to_string(),
        clauses: clauses.clone(),
        provisional: state.is_provisional(),
        reason: reason.clone().unwrap_or_default(),
    }
}

fn layer(layer: &LayerEntry) -> core::LayerAmount {
    let LayerEntry { payer, books_to, identity, pay } = layer;
    core::LayerAmount {
        payer: payer.clone(),
        books_to: (*books_to).to_owned(),
        identity: identity.clone(),
        pay_fen: pay.get(),
    }
}

fn amounts(entry: &Entry) -> core::Amounts {
    let of = &entry.breakdown;
    let [
        basic_pool,
        civil_servant,
        enterprise_supplement,
        critical_illness,
        large_amount,
        disabled_soldier,
        medical_aid,
        tilted_aid,
        other,
    ] = of.paid.map(Fen::get);
    core::Amounts {
        total_fen: of.total.get(),
        out_of_catalogue_fen: of.out_of_catalogue.get(),
        over_limit_fen: of.over_limit.get(),
        advance_self_pay_fen: of.advance.get(),
        in_scope_fen: of.in_scope.get(),
        deductible_paid_fen: of.deductible.get(),
        basic_pool_pay_fen: basic_pool,
        civil_servant_pay_fen: civil_servant,
        enterprise_supplement_pay_fen: enterprise_supplement,
        critical_illness_pay_fen: critical_illness,
        large_amount_pay_fen: large_amount,
        disabled_soldier_pay_fen: disabled_soldier,
        medical_aid_pay_fen: medical_aid,
        tilted_aid_pay_fen: tilted_aid,
        other_pay_fen: other,
        // What was recorded adds up: the database refuses all else.
        fund_pay_total_fen: of.fund_total().unwrap_or_default().get(),
        hospital_borne_fen: of.hospital_borne.get(),
        patient_pay_fen: of.patient().unwrap_or_default().get(),
        account_pay_fen: of.account.get(),
        cash_pay_fen: of.cash.get(),
    }
}

pub(super) fn told(taken: core::Taken) -> Told {
    let outcome = taken.outcome();
    let core::Taken { outcome: _, code, reference } = taken;
    match outcome {
        core::Outcome::Unspecified => Told::Unknown,
        core::Outcome::Taken | core::Outcome::TakenBefore => {
            Told::Taken { reference: said(reference) }
        }
        core::Outcome::Refused => Told::Refused { code },
        core::Outcome::NotTried => Told::NotTried,
    }
}

pub(super) fn held(held: core::Held) -> Result<Held, CoreLinkError> {
    let core::Held { held, settlement_id, record_sha256, reference, times } = held;
    if !held {
        return Ok(Held { settlement: None, record_sha256: Vec::new(), reference: None, times: 0 });
    }
    let settlement = SettlementId::new(&settlement_id);
    let settlement = settlement.ok_or(CoreLinkError::Unreadable("the settlement it has"))?;
    let times = times.max(1);
    Ok(Held { settlement: Some(settlement), record_sha256, reference: said(reference), times })
}

fn said(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

pub(super) fn question(question: &Question<'_>) -> core::QuoteLayerRequest {
    let Question { hospital, request, person, discharge, package, inputs, layer, base } = question;
    let Inputs { amounts, facts, identities, before, told } = inputs;
    let layer_name = |id: LayerId| package.layer(id).map_or(String::new(), |of| of.name.clone());
    let named = |(name, amount): (&str, &Fen)| core::NamedAmount {
        name: name.to_owned(),
        amount_fen: amount.get(),
    };
    let amount_names = package.amounts.iter().map(|amount| amount.name.as_str());
    let used_names = package.accumulators.iter().map(|used| used.name.as_str());
    let code = |of: &u16| package.identities.get(usize::from(*of)).map(|of| of.code.clone());
    core::QuoteLayerRequest {
        hospital_code: hospital.to_string(),
        request_id: request.map_or(String::new(), RequestId::to_string),
        person_number: person.to_string(),
        insured_region: package.region.to_string(),
        scheme: package.scheme.word().to_owned(),
        discharge_date: discharge.to_string(),
        layer: layer_name(*layer),
        base_fen: base.get(),
        amounts: amount_names.zip(amounts).map(named).collect(),
        used: used_names.zip(before).map(named).collect(),
        identities: identities.iter().filter_map(code).collect(),
        facts: Some(shown(package, facts)),
        told: told
            .iter()
            .map(|told| core::ToldLayer {
                layer: layer_name(told.layer),
                base_fen: told.base.unwrap_or_default().get(),
                pay_fen: told.pay.get(),
                deductible_fen: told.deductible.get(),
            })
            .collect(),
    }
}

fn shown(package: &Package, facts: &Facts) -> core::Facts {
    let number = |number: i64| u32::try_from(number).unwrap_or(0);
    let groups = package.diseases.iter().zip(0_u32..);
    let within = |place: u32| facts.diseases.checked_shr(place).unwrap_or(0) & 1 == 1;
    let declared = package.facts.iter().zip(&facts.declared);
    core::Facts {
        hospital_level: facts.level.into(),
        treatment_region: facts.treatment_region.clone(),
        referral: facts.referral.word().to_owned(),
        care_type: facts.care.word().to_owned(),
        age_years: facts.age.map_or(-1, |age| i32::try_from(age).unwrap_or(-1)),
        stay_of_year: number(facts.stay),
        stay_same_level: number(facts.stay_same_level),
        transfer: transfer_word(facts.transfer).to_owned(),
        transfer_deductible_fen: facts.transfer_deductible.get(),
        disease_groups: groups
            .filter(|(_, place)| within(*place))
            .map(|(group, _)| group.name.clone())
            .collect(),
        account_balance_fen: facts.account_balance.get(),
        declared: declared
            .map(|(name, value)| core::NamedFact {
                name: name.name.clone(),
                value: fact_text(&name.kind, *value),
            })
            .collect(),
    }
}

/// As the contract calls it.
pub const fn transfer_word(transfer: Transfer) -> &'static str {
    match transfer {
        Transfer::None => "none",
        Transfer::Up => "up",
        Transfer::Level => "level",
        Transfer::Down => "down",
    }
}

/// As `domain::prepare::read_fact` reads it.
fn fact_text(kind: &FactKind, value: FactValue) -> String {
    match value {
        FactValue::Number(number) => number.to_string(),
        FactValue::Flag(flag) => flag.to_string(),
        FactValue::Yuan(amount) => amount.to_string(),
        FactValue::Choice(place) => match kind {
            FactKind::Choice(values) => values.get(usize::from(place)).cloned().unwrap_or_default(),
            FactKind::Number | FactKind::Flag | FactKind::Yuan => String::new(),
        },
    }
}
