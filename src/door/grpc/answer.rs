//! What was recorded or decided, in the words of the contract. Names, sources and grades come from the package that decided.

use jiff::Timestamp;

use super::super::wire::settlement::v1 as wire;
use super::words;
use crate::app::{Answer, AppError, Moved, Person, Quote, Tombstone, shanghai};
use crate::domain::ids::HospitalCode;
use crate::domain::rules::{Bearer, Grade, Package};
use crate::domain::verdict::{self, Action, Decline, Outcome};

/// A settlement or reversal as it was recorded.
pub(super) fn settlement(answer: &Answer) -> Result<wire::Settlement, AppError> {
    let Answer { entry, record, package, reversed_by, repeat: _ } = answer;
    let state = match (&entry.reverses, reversed_by) {
        (Some(_), _) => wire::SettlementState::Reversal,
        (None, Some(_)) => wire::SettlementState::Reversed,
        (None, None) => wire::SettlementState::Settled,
    };
    let text = |id: &Option<crate::domain::ids::SettlementId>| {
        id.as_ref().map_or(String::new(), ToString::to_string)
    };
    Ok(wire::Settlement {
        settlement_id: entry.settlement.to_string(),
        request_id: entry.request.to_string(),
        hospital_code: entry.hospital.to_string(),
        stay_id: entry.stay.to_string(),
        stay_part: u32::try_from(entry.stay_part).unwrap_or(0),
        settled_at: time(entry.settled_at),
        accounting_day: entry.accounting_day.to_string(),
        state: state.into(),
        reversed_by_settlement_id: text(reversed_by),
        reverses_settlement_id: text(&entry.reverses),
        breakdown: Some(breakdown(record.outcome(), package, entry.year)?),
        record_sha256: entry.record_sha256.to_vec(),
        admission_date: entry.admission.to_string(),
        discharge_date: entry.discharge.to_string(),
    })
}

/// What would be paid now.
pub(super) fn quoted(quote: &Quote) -> Result<wire::Quoted, AppError> {
    let Quote { outcome, package, year, token, valid_until } = quote;
    Ok(wire::Quoted {
        breakdown: Some(breakdown(outcome, package, *year)?),
        quote_token: token.clone(),
        valid_until: time(*valid_until),
    })
}

/// What moved, and what it would be now.
pub(super) fn quote_moved(moved: &Moved) -> Result<wire::QuoteMoved, AppError> {
    let Moved { standing, accumulators, package, catalogue, quoted_patient_pay, now } = moved;
    let things = [
        (*standing, wire::MovedThing::Standing),
        (*accumulators, wire::MovedThing::Accumulators),
        (*package, wire::MovedThing::Package),
        (*catalogue, wire::MovedThing::Catalogue),
    ];
    Ok(wire::QuoteMoved {
        moved: things
            .iter()
            .filter(|(moved, _)| *moved)
            .map(|(_, thing)| (*thing).into())
            .collect(),
        quoted_patient_pay_fen: quoted_patient_pay.get(),
        now: Some(quoted(now)?),
    })
}

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

fn breakdown(
    outcome: &Outcome,
    package: &Package,
    policy_year: i16,
) -> Result<wire::Breakdown, AppError> {
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
    // In the order of `Column::ALL`.
    let [basic, civil, enterprise, critical, large, soldier, aid, tilted, other] = paid;
    let layers = |pays: &[verdict::LayerPay]| -> Result<Vec<_>, AppError> {
        pays.iter().map(|pay| layer_pay(pay, package)).collect()
    };
    let trace = outcome.trace.iter().map(|taken| step(taken, package));
    Ok(wire::Breakdown {
        total_fen: total.get(),
        out_of_catalogue_fen: out_of_catalogue.get(),
        over_limit_fen: over_limit.get(),
        advance_self_pay_fen: advance.get(),
        in_scope_fen: in_scope.get(),
        deductible_paid_fen: deductible.get(),
        basic_pool_pay_fen: basic.get(),
        civil_servant_pay_fen: civil.get(),
        enterprise_supplement_pay_fen: enterprise.get(),
        critical_illness_pay_fen: critical.get(),
        large_amount_pay_fen: large.get(),
        disabled_soldier_pay_fen: soldier.get(),
        medical_aid_pay_fen: aid.get(),
        tilted_aid_pay_fen: tilted.get(),
        other_pay_fen: other.get(),
        fund_pay_total_fen: amounts.fund_total().ok_or(AppError::Unbalanced)?.get(),
        hospital_borne_fen: hospital_borne.get(),
        patient_pay_fen: amounts.patient().ok_or(AppError::Unbalanced)?.get(),
        account_pay_fen: account.get(),
        cash_pay_fen: cash.get(),
        layers: layers(&outcome.layers)?,
        fixed_benefits: layers(&outcome.fixed)?,
        may_apply_for: layers(&outcome.may_apply)?,
        trace: trace.collect::<Result<_, _>>()?,
        package: Some(package_reference(package, policy_year)),
        identities_used: identities_used(outcome, package),
        advance_self_pay_assumed: package.advance_is_assumed(outcome),
    })
}

fn layer_pay(pay: &verdict::LayerPay, package: &Package) -> Result<wire::LayerPay, AppError> {
    let verdict::LayerPay { layer, base, deductible, pay, assumed } = pay;
    let lost = || AppError::PackageLost(package.hash.to_string());
    let layer = package.layer(*layer).ok_or_else(lost)?;
    let payer = package.payer_of(layer).ok_or_else(lost)?;
    let kind = match payer.bearer {
        Bearer::Fund(_) => wire::PayerKind::Fund,
        Bearer::Other(_) => wire::PayerKind::Other,
        Bearer::Hospital => wire::PayerKind::Hospital,
        Bearer::Account => wire::PayerKind::Account,
    };
    Ok(wire::LayerPay {
        layer: layer.name.clone(),
        payer: payer.name.clone(),
        name_zh: payer.words.zh.clone(),
        name_en: payer.words.en.clone(),
        kind: kind.into(),
        fund_pay_type: payer.fund_pay_type.clone(),
        base_fen: base.get(),
        deductible_fen: deductible.get(),
        pay_fen: pay.get(),
        assumed: *assumed,
    })
}

fn step(step: &verdict::Step, package: &Package) -> Result<wire::Step, AppError> {
    let verdict::Step { layer, action, clause, base, rate, amount, left } = step;
    let lost = || AppError::PackageLost(package.hash.to_string());
    let layer = match layer {
        None => "bill".to_owned(),
        Some(layer) => package.layer(*layer).ok_or_else(lost)?.name.clone(),
    };
    let clause = package.clause(*clause).ok_or_else(lost)?;
    Ok(wire::Step {
        layer,
        action: action_word(*action).to_owned(),
        clause: clause.name.clone(),
        base_fen: base.get(),
        rate: rate.map_or(String::new(), |rate| rate.to_string()),
        amount_fen: amount.get(),
        left_fen: left.get(),
        source: clause.source.as_ref().map(|source| source_of(source, package)),
    })
}

fn source_of(source: &crate::domain::rules::Source, package: &Package) -> wire::Source {
    let document = source.document.and_then(|place| package.documents.get(usize::from(place)));
    let grade = match source.grade {
        Grade::Official => wire::SourceGrade::Official,
        Grade::Reprint => wire::SourceGrade::Reprint,
        Grade::Secondary => wire::SourceGrade::Secondary,
        Grade::Assumed => wire::SourceGrade::Assumed,
    };
    wire::Source {
        document: document.map_or(String::new(), |document| document.title.clone()),
        number: document.map_or(String::new(), |document| document.number.clone()),
        article: source.article.clone(),
        grade: grade.into(),
    }
}

const fn action_word(action: Action) -> &'static str {
    match action {
        Action::Move => "move",
        Action::Base => "base",
        Action::EntryCeiling => "entry_ceiling",
        Action::Deductible => "deductible",
        Action::Band => "band",
        Action::Tilt => "tilt",
        Action::Adjustment => "adjustment",
        Action::Ceiling => "ceiling",
        Action::Target => "target",
        Action::Told => "told",
        Action::Pay => "pay",
        Action::Fixed => "fixed",
        Action::Application => "application",
    }
}

fn package_reference(package: &Package, policy_year: i16) -> wire::PackageReference {
    wire::PackageReference {
        package_id: package.id.clone(),
        package_hash: package.hash.to_string(),
        title_zh: package.title.zh.clone(),
        title_en: package.title.en.clone(),
        insured_region: package.region.to_string(),
        scheme: package.scheme.word().to_owned(),
        policy_year: year(policy_year),
    }
}

fn identities_used(outcome: &Outcome, package: &Package) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    for identity in outcome.identities_used.iter().filter_map(|used| used.identity) {
        let named = package.identities.get(usize::from(identity));
        if let Some(named) = named.filter(|named| !codes.contains(&named.code)) {
            codes.push(named.code.clone());
        }
    }
    codes
}

fn year(policy_year: i16) -> u32 {
    u32::try_from(policy_year).unwrap_or(0)
}

/// RFC 3339 in Asia/Shanghai.
fn time(at: Timestamp) -> String {
    shanghai(at).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shanghais() {
        let check = |at: &str, expected: &str| {
            assert_eq!(time(at.parse().unwrap()), expected);
        };
        check("2024-06-30T16:30:00Z", "2024-07-01T00:30:00+08:00");
        check("2024-06-30T16:30:00.000123Z", "2024-07-01T00:30:00.000123+08:00");
    }
}
