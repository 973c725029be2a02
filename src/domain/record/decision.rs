//! What is written of a header, of what the cascade looked at, and of what it gave, field by field.

use jiff::Timestamp;
use jiff::civil::Date;

use super::super::bill::{Care, Referral};
use super::super::cascade::{Facts, Inputs, Told};
use super::super::ids::{
    HospitalCode, PackageHash, PersonId, RegionCode, RequestId, SettlementId, StayId,
};
use super::super::money::{Fen, Rate};
use super::super::rules::{FactValue, Place, Transfer};
use super::super::standing::Scheme;
use super::super::verdict::{
    Action, Breakdown, COLUMNS, IdentityUsed, LayerPay, Moved, Outcome, Step,
};
use super::Header;
use super::bytes::{Reader, Writer};

const ACTIONS: [Action; 13] = [
    Action::Move,
    Action::Base,
    Action::EntryCeiling,
    Action::Deductible,
    Action::Band,
    Action::Tilt,
    Action::Adjustment,
    Action::Ceiling,
    Action::Target,
    Action::Told,
    Action::Pay,
    Action::Fixed,
    Action::Application,
];

pub(super) fn write_header(writer: &mut Writer, header: &Header) {
    // Every field by name: one that is added does not compile until it is written.
    let Header {
        settlement,
        request,
        person,
        hospital,
        stay,
        stay_part,
        admission,
        discharge,
        insured_region,
        treatment_region,
        scheme,
        year,
        package,
        standing_version,
        ledger_version,
        settled_at,
        lines_sha256,
    } = header;
    writer.text(settlement.as_str());
    writer.text(request.as_str());
    writer.signed(person.get());
    writer.text(hospital.as_str());
    writer.text(stay.as_str());
    writer.signed(i64::from(*stay_part));
    write_date(writer, *admission);
    write_date(writer, *discharge);
    writer.number(insured_region.get().into());
    writer.number(treatment_region.get().into());
    writer.text(scheme.word());
    writer.signed(i64::from(*year));
    writer.hash(&package.0);
    writer.signed(*standing_version);
    writer.signed(*ledger_version);
    writer.signed(settled_at.as_microsecond());
    writer.hash(lines_sha256);
}

pub(super) fn read_header(reader: &mut Reader<'_>) -> Option<Header> {
    Some(Header {
        settlement: SettlementId::new(reader.text()?)?,
        request: RequestId::new(reader.text()?)?,
        person: PersonId::new(reader.signed()?)?,
        hospital: HospitalCode::new(reader.text()?)?,
        stay: StayId::new(reader.text()?)?,
        stay_part: i16::try_from(reader.signed()?).ok()?,
        admission: read_date(reader)?,
        discharge: read_date(reader)?,
        insured_region: read_region(reader)?,
        treatment_region: read_region(reader)?,
        scheme: Scheme::from_word(reader.text()?)?,
        year: i16::try_from(reader.signed()?).ok()?,
        package: PackageHash(reader.hash()?),
        standing_version: reader.signed()?,
        ledger_version: reader.signed()?,
        settled_at: Timestamp::from_microsecond(reader.signed()?).ok()?,
        lines_sha256: reader.hash()?,
    })
}

pub(super) fn write_date(writer: &mut Writer, date: Date) {
    writer.signed(i64::from(date.year()));
    writer.signed(i64::from(date.month()));
    writer.signed(i64::from(date.day()));
}

fn read_date(reader: &mut Reader<'_>) -> Option<Date> {
    let year = i16::try_from(reader.signed()?).ok()?;
    let month = i8::try_from(reader.signed()?).ok()?;
    let day = i8::try_from(reader.signed()?).ok()?;
    Date::new(year, month, day).ok()
}

fn read_region(reader: &mut Reader<'_>) -> Option<RegionCode> {
    RegionCode::from_number(u32::try_from(reader.number()?).ok()?)
}

// === what the cascade looked at ===

/// Bits of what was told of a layer: for which base, and what was taken off it.
const BASE_TOLD: u64 = 1;
const DEDUCTIBLE_TOLD: u64 = 2;

pub(super) fn write_inputs(writer: &mut Writer, inputs: &Inputs) {
    let Inputs { amounts, facts, identities, before, told } = inputs;
    write_fens(writer, amounts);
    write_facts(writer, facts);
    writer.length(identities.len());
    identities.iter().for_each(|identity| writer.number(u64::from(*identity)));
    write_fens(writer, before);
    writer.length(told.len());
    for Told { layer, base, pay, deductible } in told {
        writer.number(u64::from(*layer));
        let known = if base.is_some() { BASE_TOLD } else { 0 };
        let deducted = if *deductible == Fen::ZERO { 0 } else { DEDUCTIBLE_TOLD };
        writer.number(known | deducted);
        writer.fen(base.unwrap_or_default());
        writer.fen(*pay);
        if *deductible != Fen::ZERO {
            writer.fen(*deductible);
        }
    }
}

pub(super) fn read_inputs(reader: &mut Reader<'_>) -> Option<Inputs> {
    Some(Inputs {
        amounts: reader.list(Reader::fen)?,
        facts: read_facts(reader)?,
        identities: reader.list(Reader::small)?,
        before: reader.list(Reader::fen)?,
        told: reader.list(|reader| {
            let layer = reader.small()?;
            let says = reader.number()?;
            let base = reader.fen()?;
            let pay = reader.fen()?;
            let deducted = says & DEDUCTIBLE_TOLD != 0;
            let deductible = if deducted { reader.fen()? } else { Fen::ZERO };
            Some(Told { layer, base: (says & BASE_TOLD != 0).then_some(base), pay, deductible })
        })?,
    })
}

fn write_facts(writer: &mut Writer, facts: &Facts) {
    let Facts {
        level,
        place,
        referral,
        care,
        age,
        stay,
        stay_same_level,
        transfer,
        transfer_deductible,
        diseases,
        hospital,
        treatment_region,
        account_balance,
        declared,
    } = facts;
    writer.number(u64::from(*level));
    write_one_of(writer, &Place::ALL, *place);
    write_one_of(writer, &Referral::ALL, *referral);
    write_one_of(writer, &Care::ALL, *care);
    writer.option(age.and_then(|age| u64::try_from(age).ok()));
    writer.signed(*stay);
    writer.signed(*stay_same_level);
    write_one_of(writer, &Transfer::ALL, *transfer);
    writer.fen(*transfer_deductible);
    writer.number(*diseases);
    writer.text(hospital);
    writer.text(treatment_region);
    writer.fen(*account_balance);
    writer.length(declared.len());
    for fact in declared {
        let (kind, value) = match fact {
            FactValue::Number(number) => (0, *number),
            FactValue::Flag(flag) => (1, i64::from(*flag)),
            FactValue::Choice(choice) => (2, i64::from(*choice)),
            FactValue::Yuan(fen) => (3, fen.get()),
        };
        writer.number(kind);
        writer.signed(value);
    }
}

fn read_facts(reader: &mut Reader<'_>) -> Option<Facts> {
    Some(Facts {
        level: u8::try_from(reader.number()?).ok()?,
        place: read_one_of(reader, &Place::ALL)?,
        referral: read_one_of(reader, &Referral::ALL)?,
        care: read_one_of(reader, &Care::ALL)?,
        age: match reader.option()? {
            None => None,
            Some(age) => Some(i64::try_from(age).ok()?),
        },
        stay: reader.signed()?,
        stay_same_level: reader.signed()?,
        transfer: read_one_of(reader, &Transfer::ALL)?,
        transfer_deductible: reader.fen()?,
        diseases: reader.number()?,
        hospital: reader.text()?.to_owned(),
        treatment_region: reader.text()?.to_owned(),
        account_balance: reader.fen()?,
        declared: reader.list(|reader| {
            let kind = reader.number()?;
            let value = reader.signed()?;
            match kind {
                0 => Some(FactValue::Number(value)),
                1 => Some(FactValue::Flag(value == 1)),
                2 => u16::try_from(value).ok().map(FactValue::Choice),
                3 => Some(FactValue::Yuan(Fen::new(value))),
                _ => None,
            }
        })?,
    })
}

// === what it gave ===

pub(super) fn write_outcome(writer: &mut Writer, outcome: &Outcome) {
    // Who did not answer stands after it, where somebody did not.
    let Outcome {
        breakdown,
        layers,
        fixed,
        may_apply,
        moved,
        identities_used,
        trace,
        provisional: _,
    } = outcome;
    write_breakdown(writer, breakdown);
    for pays in [layers, fixed, may_apply] {
        writer.length(pays.len());
        for LayerPay { layer, base, deductible, pay, assumed } in pays {
            writer.number(u64::from(*layer));
            writer.fen(*base);
            writer.fen(*deductible);
            writer.fen(*pay);
            writer.number(u64::from(*assumed));
        }
    }
    writer.length(moved.len());
    for Moved { slot, by } in moved {
        writer.number(u64::from(*slot));
        writer.fen(*by);
    }
    writer.length(identities_used.len());
    for IdentityUsed { layer, identity } in identities_used {
        writer.option(layer.map(u64::from));
        writer.option(identity.map(u64::from));
    }
    writer.length(trace.len());
    for Step { layer, action, clause, base, rate, amount, left } in trace {
        writer.option(layer.map(u64::from));
        write_one_of(writer, &ACTIONS, *action);
        writer.number(u64::from(*clause));
        writer.fen(*base);
        writer.option(rate.and_then(|rate| u64::try_from(rate.billionths()).ok()));
        writer.fen(*amount);
        writer.fen(*left);
    }
}

pub(super) fn read_outcome(reader: &mut Reader<'_>) -> Option<Outcome> {
    Some(Outcome {
        breakdown: read_breakdown(reader)?,
        layers: reader.list(read_pay)?,
        fixed: reader.list(read_pay)?,
        may_apply: reader.list(read_pay)?,
        moved: reader.list(|reader| Some(Moved { slot: reader.small()?, by: reader.fen()? }))?,
        identities_used: reader.list(|reader| {
            Some(IdentityUsed { layer: reader.small_option()?, identity: reader.small_option()? })
        })?,
        trace: reader.list(read_step)?,
        provisional: Vec::new(),
    })
}

fn read_pay(reader: &mut Reader<'_>) -> Option<LayerPay> {
    Some(LayerPay {
        layer: reader.small()?,
        base: reader.fen()?,
        deductible: reader.fen()?,
        pay: reader.fen()?,
        assumed: reader.number()? == 1,
    })
}

fn read_step(reader: &mut Reader<'_>) -> Option<Step> {
    Some(Step {
        layer: reader.small_option()?,
        action: read_one_of(reader, &ACTIONS)?,
        clause: reader.small()?,
        base: reader.fen()?,
        rate: match reader.option()? {
            None => None,
            Some(rate) => Some(Rate::from_billionths(i64::try_from(rate).ok()?)),
        },
        amount: reader.fen()?,
        left: reader.fen()?,
    })
}

fn write_breakdown(writer: &mut Writer, breakdown: &Breakdown) {
    let Breakdown {
        total,
        out_of_catalogue,
        over_limit,
        advance,
        in_scope,
        deductible,
        paid,
        hospital_borne,
        account,
        cash,
    } = breakdown;
    for fen in [total, out_of_catalogue, over_limit, advance, in_scope, deductible] {
        writer.fen(*fen);
    }
    paid.iter().for_each(|fen| writer.fen(*fen));
    for fen in [hospital_borne, account, cash] {
        writer.fen(*fen);
    }
}

fn read_breakdown(reader: &mut Reader<'_>) -> Option<Breakdown> {
    let mut breakdown = Breakdown {
        total: reader.fen()?,
        out_of_catalogue: reader.fen()?,
        over_limit: reader.fen()?,
        advance: reader.fen()?,
        in_scope: reader.fen()?,
        deductible: reader.fen()?,
        ..Breakdown::default()
    };
    let mut paid = [Fen::ZERO; COLUMNS];
    for fen in &mut paid {
        *fen = reader.fen()?;
    }
    breakdown.paid = paid;
    breakdown.hospital_borne = reader.fen()?;
    breakdown.account = reader.fen()?;
    breakdown.cash = reader.fen()?;
    Some(breakdown)
}

fn write_fens(writer: &mut Writer, fens: &[Fen]) {
    writer.length(fens.len());
    fens.iter().for_each(|fen| writer.fen(*fen));
}

fn write_one_of<T: PartialEq>(writer: &mut Writer, all: &[T], one: T) {
    writer.length(all.iter().position(|known| *known == one).unwrap_or(all.len()));
}

fn read_one_of<T: Copy>(reader: &mut Reader<'_>, all: &[T]) -> Option<T> {
    let place = usize::try_from(reader.number()?).ok()?;
    all.get(place).copied()
}
