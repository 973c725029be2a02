//! What was recorded or decided, in the words of the contract. Names, sources and grades come from the package that decided.
//!
//! What a settlement is answered with is written straight into its bytes, field by field.

mod message;

use jiff::Timestamp;

use self::message::Message;
use super::super::wire::settlement::v1 as wire;
use super::super::words;
use crate::app::{Answer, AppError, Moved, Person, Quote, Tombstone, TrueUp, TrueUps, shanghai};
use crate::domain::finance::budget::RunDry;
use crate::domain::ids::{HospitalCode, SettlementId};
use crate::domain::rules::{Bearer, Grade, Package};
use crate::domain::verdict::{self, Decline, LayerPay, Outcome, Step};

/// Room for an answer but for its steps, and for each step: most need no more.
const ANSWER_BYTES: usize = 1_536;
const STEP_BYTES: usize = 256;

/// The field of each answer that holds the settlement, and the one that says whether it is a repeat; 0 where there is none.
pub(super) const OF_SETTLE: [u32; 2] = [1, 4];
pub(super) const OF_REVERSE: [u32; 2] = [1, 3];
pub(super) const OF_GET: [u32; 2] = [1, 0];

/// An answer with a settlement or reversal as it was recorded.
pub(super) fn settled([of_settlement, of_repeat]: [u32; 2], answer: &Answer) -> Written {
    let mut message = with_room(answer.record.outcome());
    message.within(of_settlement, |message| settlement(message, answer))?;
    if of_repeat != 0 {
        message.flag(of_repeat, answer.repeat);
    }
    // Only a settle's answer has room for what is said beside it.
    if of_repeat == OF_SETTLE[1] {
        notices(&mut message, 5, &answer.run_dry)?;
    }
    Ok(message.into_bytes())
}

/// An answer with what would be paid now.
pub(super) fn quoted(quote: &Quote) -> Written {
    let mut message = with_room(&quote.outcome);
    message.within(1, |message| write_quote(message, quote))?;
    Ok(message.into_bytes())
}

/// An answer to a settle with what moved, and what it would be now.
pub(super) fn quote_moved(moved: &Moved) -> Written {
    let Moved { standing, accumulators, package, catalogue, quoted_patient_pay, now } = moved;
    let things = [
        (*standing, wire::MovedThing::Standing),
        (*accumulators, wire::MovedThing::Accumulators),
        (*package, wire::MovedThing::Package),
        (*catalogue, wire::MovedThing::Catalogue),
    ];
    let mut message = with_room(&now.outcome);
    message.within(3, |message| {
        if things.iter().any(|(moved, _)| *moved) {
            message.within(1, |message| {
                for (_, thing) in things.iter().filter(|(moved, _)| *moved) {
                    message.varint(u64::try_from(i32::from(*thing)).unwrap_or(0));
                }
                Ok::<_, AppError>(())
            })?;
        }
        message.signed(2, quoted_patient_pay.get());
        message.within(3, |message| write_quote(message, now))
    })?;
    Ok(message.into_bytes())
}

/// Encoded, or why not.
pub(super) type Written = Result<Vec<u8>, AppError>;

/// Why a bill can not be settled.
pub(super) fn declined(decline: &Decline) -> wire::Declined {
    let Decline { reason, subject } = decline;
    let words = words::of(reason.code());
    wire::Declined {
        reason: reason.code().to_owned(),
        subject: subject.clone(),
        message_zh: words.zh.to_owned(),
        message_en: words.en.to_owned(),
        transient: reason.transient(),
    }
}

/// A request id that may never settle.
pub(super) fn tombstone(hospital: &HospitalCode, tombstone: &Tombstone) -> wire::Tombstone {
    let Tombstone { original, reversal: _, left_at } = tombstone;
    wire::Tombstone {
        hospital_code: hospital.to_string(),
        original_request_id: original.to_string(),
        left_at: time(*left_at),
    }
}

/// Who a person is on the day asked for, and what they have used.
pub(super) fn standing(person: &Person) -> wire::GetStandingResponse {
    let Person { snapshot, on } = person;
    let day = |to: Option<jiff::civil::Date>| to.map_or(String::new(), |day| day.to_string());
    let coverage = snapshot.standing.coverage_on(*on).map(|coverage| wire::Coverage {
        scheme: coverage.scheme.word().to_owned(),
        insured_region: coverage.region.to_string(),
        valid_from: coverage.valid_from.to_string(),
        valid_to: day(coverage.valid_to),
    });
    let identities = snapshot.standing.identities_on(*on).map(|identity| wire::Identity {
        code: identity.code.clone(),
        valid_from: identity.valid_from.to_string(),
        valid_to: day(identity.valid_to),
        source: identity.source.clone(),
    });
    let accumulators = snapshot.used.iter().map(|used| wire::Accumulator {
        insured_region: used.region.to_string(),
        scheme: used.scheme.word().to_owned(),
        policy_year: year(used.year),
        name: used.name.clone(),
        amount_fen: used.amount.get(),
    });
    wire::GetStandingResponse {
        person_id: snapshot.standing.person.get().to_string(),
        coverage: coverage.collect(),
        identities: identities.collect(),
        accumulators: accumulators.collect(),
        standing_version: snapshot.standing.version,
        ledger_version: snapshot.ledger_version,
    }
}

/// What was trued up of a hospital.
pub(super) fn true_ups(TrueUps { listed, next }: &TrueUps) -> wire::ListTrueUpsResponse {
    let true_up = |TrueUp { person, corrected }: &TrueUp| wire::TrueUp {
        settlement_id: corrected.original.to_string(),
        reversal_settlement_id: corrected.reversal.to_string(),
        new_settlement_id: corrected.new.to_string(),
        because_of_settlement_id: corrected.because_of.to_string(),
        stay_id: corrected.stay.to_string(),
        discharge_date: corrected.discharge.to_string(),
        person_number: person.to_string(),
        patient_collect_fen: corrected.patient_collect.get(),
        fund_more_fen: corrected.fund_more.get(),
        corrected_at: time(corrected.corrected_at),
    };
    wire::ListTrueUpsResponse {
        true_ups: listed.iter().map(true_up).collect(),
        next_page_token: next.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

fn with_room(outcome: &Outcome) -> Message {
    let steps = outcome.trace.len().saturating_add(outcome.layers.len());
    Message::with_room(steps.saturating_mul(STEP_BYTES).saturating_add(ANSWER_BYTES))
}

fn settlement(message: &mut Message, answer: &Answer) -> Result<(), AppError> {
    let Answer { entry, record, package, reversed_by, replaced_by, repeat: _, run_dry: _ } = answer;
    let state = match (&entry.reverses, reversed_by) {
        (Some(_), _) => wire::SettlementState::Reversal,
        (None, Some(_)) => wire::SettlementState::Reversed,
        (None, None) if entry.state.is_provisional() => wire::SettlementState::Provisional,
        (None, None) => wire::SettlementState::Settled,
    };
    message.text(1, entry.settlement.as_str());
    message.text(2, entry.request.as_str());
    message.text(3, entry.hospital.as_str());
    message.text(4, entry.stay.as_str());
    message.number(5, u64::try_from(entry.stay_part).unwrap_or(0));
    message.text(6, &time(entry.settled_at));
    message.shown(7, entry.accounting_day);
    message.one_of(8, state);
    message.text(9, id_or_none(reversed_by.as_ref()));
    message.text(10, id_or_none(entry.reverses.as_ref()));
    message.within(11, |message| breakdown(message, record.outcome(), (package, entry.year)))?;
    message.data(12, &entry.record_sha256);
    message.shown(13, entry.admission);
    message.shown(14, entry.discharge);
    message.text(15, id_or_none(entry.supersedes.as_ref()));
    message.text(16, id_or_none(replaced_by.as_ref()));
    Ok(())
}

fn id_or_none(id: Option<&SettlementId>) -> &str {
    id.map_or("", SettlementId::as_str)
}

fn write_quote(message: &mut Message, quote: &Quote) -> Result<(), AppError> {
    let Quote { outcome, age: _, account_balance: _, package, year, token, valid_until, run_dry } =
        quote;
    message.within(1, |message| breakdown(message, outcome, (package, *year)))?;
    message.data(2, token);
    message.text(3, &time(*valid_until));
    notices(message, 4, run_dry)
}

/// What is said beside an answer.
fn notices(message: &mut Message, field: u32, run_dry: &[RunDry]) -> Result<(), AppError> {
    for dry in run_dry {
        let words = words::fund_short();
        message.within(field, |message| {
            message.text(1, words::FUND_SHORT);
            message.text(2, dry.fund.word());
            message.text(3, &format!("{}（{}）：{}", dry.fund.zh(), dry.region, words.zh));
            message.text(4, &format!("{} of {}: {}", dry.fund.word(), dry.region, words.en));
            Ok::<_, AppError>(())
        })?;
    }
    Ok(())
}

fn breakdown(
    message: &mut Message,
    outcome: &Outcome,
    (package, policy_year): (&Package, i16),
) -> Result<(), AppError> {
    let amounts = &outcome.breakdown;
    let verdict::Breakdown {
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
    } = amounts;
    let split = [total, out_of_catalogue, over_limit, advance, in_scope, deductible];
    let fund_total = amounts.fund_total().ok_or(AppError::Unbalanced)?;
    let patient = amounts.patient().ok_or(AppError::Unbalanced)?;
    let rest = [&fund_total, hospital_borne, &patient, account, cash];
    // The columns are numbered in the order of `Column::ALL`.
    for (fen, field) in split.into_iter().chain(paid).chain(rest).zip(1..) {
        message.signed(field, fen.get());
    }
    for (pays, field) in [&outcome.layers, &outcome.fixed, &outcome.may_apply].into_iter().zip(21..)
    {
        for pay in pays {
            let provisional = outcome.provisional.contains(&pay.layer);
            message.within(field, |message| layer_pay(message, pay, (package, provisional)))?;
        }
    }
    for taken in &outcome.trace {
        message.within(24, |message| step(message, taken, package))?;
    }
    message.within(25, |message| package_reference(message, package, policy_year))?;
    for code in identities_used(outcome, package) {
        message.item(26, code.as_bytes());
    }
    message.flag(27, package.advance_is_assumed(outcome));
    message.flag(28, !outcome.provisional.is_empty());
    Ok(())
}

fn layer_pay(
    message: &mut Message,
    pay: &LayerPay,
    (package, provisional): (&Package, bool),
) -> Result<(), AppError> {
    let LayerPay { layer, base, deductible, pay, assumed } = pay;
    let lost = || AppError::PackageLost(package.hash.to_string());
    let layer = package.layer(*layer).ok_or_else(lost)?;
    let payer = package.payer_of(layer).ok_or_else(lost)?;
    let kind = match payer.bearer {
        Bearer::Fund(_) => wire::PayerKind::Fund,
        Bearer::Other(_) => wire::PayerKind::Other,
        Bearer::Hospital => wire::PayerKind::Hospital,
        Bearer::Account => wire::PayerKind::Account,
    };
    message.text(1, &layer.name);
    message.text(2, &payer.name);
    message.text(3, &payer.words.zh);
    message.text(4, &payer.words.en);
    message.one_of(5, kind);
    message.text(6, &payer.fund_pay_type);
    message.signed(7, base.get());
    message.signed(8, deductible.get());
    message.signed(9, pay.get());
    message.flag(10, *assumed);
    message.flag(11, provisional);
    Ok(())
}

fn step(message: &mut Message, step: &Step, package: &Package) -> Result<(), AppError> {
    let Step { layer, action, clause, base, rate, amount, left } = step;
    let lost = || AppError::PackageLost(package.hash.to_string());
    let layer = match layer {
        None => "bill",
        Some(layer) => package.layer(*layer).ok_or_else(lost)?.name.as_str(),
    };
    let clause = package.clause(*clause).ok_or_else(lost)?;
    message.text(1, layer);
    message.text(2, action.word());
    message.text(3, &clause.name);
    message.signed(4, base.get());
    if let Some(rate) = rate {
        message.shown(5, rate);
    }
    message.signed(6, amount.get());
    message.signed(7, left.get());
    match &clause.source {
        Some(source) => message.within(8, |message| source_of(message, source, package)),
        None => Ok(()),
    }
}

fn source_of(
    message: &mut Message,
    source: &crate::domain::rules::Source,
    package: &Package,
) -> Result<(), AppError> {
    let document = source.document.and_then(|place| package.documents.get(usize::from(place)));
    let grade = match source.grade {
        Grade::Official => wire::SourceGrade::Official,
        Grade::Reprint => wire::SourceGrade::Reprint,
        Grade::Secondary => wire::SourceGrade::Secondary,
        Grade::Assumed => wire::SourceGrade::Assumed,
    };
    if let Some(document) = document {
        message.text(1, &document.title);
        message.text(2, &document.number);
    }
    message.text(3, &source.article);
    message.one_of(4, grade);
    Ok(())
}

fn package_reference(
    message: &mut Message,
    package: &Package,
    policy_year: i16,
) -> Result<(), AppError> {
    message.text(1, &package.id);
    message.shown(2, package.hash);
    message.text(3, &package.title.zh);
    message.text(4, &package.title.en);
    message.shown(5, package.region);
    message.text(6, package.scheme.word());
    message.number(7, year(policy_year).into());
    Ok(())
}

fn identities_used<'a>(outcome: &Outcome, package: &'a Package) -> Vec<&'a str> {
    let mut codes: Vec<&str> = Vec::new();
    for identity in outcome.identities_used.iter().filter_map(|used| used.identity) {
        let named = package.identities.get(usize::from(identity));
        if let Some(named) = named.filter(|named| !codes.contains(&named.code.as_str())) {
            codes.push(&named.code);
        }
    }
    codes
}

fn year(policy_year: i16) -> u32 {
    u32::try_from(policy_year).unwrap_or(0)
}

/// RFC 3339 in Asia/Shanghai.
pub(super) fn time(at: Timestamp) -> String {
    let local = shanghai(at).datetime();
    // Trailing zeros are left out, and so is all of it where it is zero.
    let (mut fraction, mut digits) = (local.subsec_nanosecond(), 9_usize);
    while fraction != 0 && fraction % 10 == 0 {
        (fraction, digits) = (fraction / 10, digits.saturating_sub(1));
    }
    let (date, hour, minute, second) = (local.date(), local.hour(), local.minute(), local.second());
    if fraction == 0 {
        format!("{date}T{hour:02}:{minute:02}:{second:02}+08:00")
    } else {
        format!("{date}T{hour:02}:{minute:02}:{second:02}.{fraction:0digits$}+08:00")
    }
}

#[cfg(test)]
mod tests;
