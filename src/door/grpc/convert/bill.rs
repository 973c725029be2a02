//! A bill on the wire to a claim: whose it is, and what it says.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::super::super::wire::settlement::v1 as wire;
use super::field::{Invalid, InvalidReason, Place, at, date, decimal, id, optional, plain_text};
use super::{Hash, credential, hospital_of};
use crate::app::Claim;
use crate::domain::bill::{Bill, Care, CatalogueClass, ChargeLine, Referral};
use crate::domain::ids::{ItemCode, LineId, OperatorId, StayId};
use crate::domain::money::{Fen, parse_price_e6, parse_quantity_e4};
use crate::domain::standing::Scheme;
use crate::limits;

/// Reads a bill and whose it is.
pub(in super::super) fn claim(hash: Hash<'_>, bill: Option<wire::Bill>) -> Result<Claim, Invalid> {
    let bill = bill.ok_or_else(|| Invalid::new("bill", InvalidReason::Missing))?;
    let wire::Bill {
        hospital_code,
        stay_id,
        stay_part,
        credential: shown,
        scheme,
        admission_date,
        discharge_date,
        care_type,
        referral,
        transferred_from_stay_id,
        diagnosis_codes,
        facts,
        lines,
        total_fen,
        account_balance_fen,
        operator_id,
    } = bill;
    let hospital = hospital_of("bill.hospital_code", &hospital_code)?;
    let stay = stay_of(&stay_id).map_err(at(Place::Field("bill.stay_id")))?;
    let fields = ["bill.credential", "bill.credential.kind", "bill.credential.number"];
    let credential = credential(hash, fields, shown)?;
    let discharge = date(&discharge_date).map_err(at(Place::Field("bill.discharge_date")))?;
    let bill = Bill {
        hospital,
        stay,
        stay_part: part(stay_part).map_err(at(Place::Field("bill.stay_part")))?,
        scheme: optional(&scheme, scheme_of).map_err(at(Place::Field("bill.scheme")))?,
        admission: date(&admission_date).map_err(at(Place::Field("bill.admission_date")))?,
        discharge,
        care: care(care_type).map_err(at(Place::Field("bill.care_type")))?,
        referral: referral_of(referral).map_err(at(Place::Field("bill.referral")))?,
        transferred_from: optional(&transferred_from_stay_id, stay_of)
            .map_err(at(Place::Field("bill.transferred_from_stay_id")))?,
        diagnoses: diagnoses(diagnosis_codes)?,
        facts: facts_of(facts)?,
        lines: lines
            .into_iter()
            .enumerate()
            .map(|(place, line)| charge_line(place, line, discharge))
            .collect::<Result<_, _>>()?,
        total: Fen::new(total_fen),
        account_balance: Fen::new(account_balance_fen),
        operator: optional(&operator_id, |text| id(text, OperatorId::LENGTH_MAX, OperatorId::new))
            .map_err(at(Place::Field("bill.operator_id")))?,
    };
    Ok(Claim::new(credential, bill))
}

fn charge_line(
    place: usize,
    line: wire::ChargeLine,
    discharge: Date,
) -> Result<ChargeLine, Invalid> {
    let wire::ChargeLine {
        line_id,
        item_code,
        quantity,
        unit_price,
        amount_fen,
        catalogue_class,
        refund_of_line_id,
        charged_on,
    } = line;
    let of = |field| at(Place::Of("bill.lines", place, field));
    let line_of = |text: &str| id(text, LineId::LENGTH_MAX, LineId::new);
    Ok(ChargeLine {
        id: line_of(&line_id).map_err(of("line_id"))?,
        item: id(&item_code, ItemCode::LENGTH_MAX, ItemCode::new).map_err(of("item_code"))?,
        quantity_e4: decimal(&quantity, 4, parse_quantity_e4).map_err(of("quantity"))?,
        unit_price_e6: decimal(&unit_price, 6, parse_price_e6).map_err(of("unit_price"))?,
        amount: Fen::new(amount_fen),
        class: class(catalogue_class).map_err(of("catalogue_class"))?,
        refund_of: optional(&refund_of_line_id, line_of).map_err(of("refund_of_line_id"))?,
        charged_on: optional(&charged_on, date).map_err(of("charged_on"))?.unwrap_or(discharge),
    })
}

fn stay_of(text: &str) -> Result<StayId, InvalidReason> {
    id(text, StayId::LENGTH_MAX, StayId::new)
}

pub(super) fn scheme_of(text: &str) -> Result<Scheme, InvalidReason> {
    Scheme::from_word(text).ok_or(InvalidReason::ValueUnknown)
}

pub(super) fn part(part: u32) -> Result<i16, InvalidReason> {
    let part = i16::try_from(part).ok().filter(|part| *part <= limits::STAY_PARTS_MAX);
    part.ok_or(InvalidReason::OutOfRange)
}

pub(super) fn care(value: i32) -> Result<Care, InvalidReason> {
    match wire::CareType::try_from(value).map_err(|_| InvalidReason::ValueUnknown)? {
        wire::CareType::Unspecified => Err(InvalidReason::Missing),
        wire::CareType::Inpatient => Ok(Care::Inpatient),
        wire::CareType::Outpatient => Ok(Care::Outpatient),
        wire::CareType::OutpatientChronic => Ok(Care::OutpatientChronic),
    }
}

/// Never guessed: to take nothing for "none" would skip the reduction of whoever was not filed.
pub(super) fn referral_of(value: i32) -> Result<Referral, InvalidReason> {
    match wire::Referral::try_from(value).map_err(|_| InvalidReason::ValueUnknown)? {
        wire::Referral::Unspecified => Err(InvalidReason::Missing),
        wire::Referral::None => Ok(Referral::None),
        wire::Referral::Filed => Ok(Referral::Filed),
        wire::Referral::Unfiled => Ok(Referral::Unfiled),
        wire::Referral::Emergency => Ok(Referral::Emergency),
        wire::Referral::LongTerm => Ok(Referral::LongTerm),
    }
}

pub(super) fn class(value: i32) -> Result<Option<CatalogueClass>, InvalidReason> {
    Ok(match wire::CatalogueClass::try_from(value).map_err(|_| InvalidReason::ValueUnknown)? {
        wire::CatalogueClass::Unspecified => None,
        wire::CatalogueClass::A => Some(CatalogueClass::A),
        wire::CatalogueClass::B => Some(CatalogueClass::B),
        wire::CatalogueClass::C => Some(CatalogueClass::C),
    })
}

pub(super) fn diagnoses(codes: Vec<String>) -> Result<Vec<String>, Invalid> {
    if limits::DIAGNOSES_MAX < codes.len() {
        return Err(Invalid::new("bill.diagnosis_codes", InvalidReason::TooMany));
    }
    for (place, code) in codes.iter().enumerate() {
        id(code, limits::DIAGNOSIS_CODE_LENGTH_MAX, |code| {
            code.bytes().all(|byte| byte.is_ascii_graphic()).then_some(())
        })
        .map_err(at(Place::Of("bill.diagnosis_codes", place, "")))?;
    }
    Ok(codes)
}

pub(super) fn facts_of(facts: Vec<wire::Fact>) -> Result<Vec<(String, String)>, Invalid> {
    if limits::FACTS_MAX < facts.len() {
        return Err(Invalid::new("bill.facts", InvalidReason::TooMany));
    }
    let mut seen = BTreeSet::new();
    let mut read = Vec::with_capacity(facts.len());
    for (place, wire::Fact { name, value }) in facts.into_iter().enumerate() {
        let of = |field| at(Place::Of("bill.facts", place, field));
        let named = id(&name, limits::FACT_NAME_LENGTH_MAX, |name| {
            name.bytes().all(|byte| byte.is_ascii_graphic()).then_some(())
        });
        named.map_err(of("name"))?;
        let value = plain_text(&value, limits::FACT_VALUE_LENGTH_MAX).map_err(of("value"))?;
        if !seen.insert(name.clone()) {
            return Err(of("name")(InvalidReason::Duplicate));
        }
        read.push((name, value));
    }
    Ok(read)
}
