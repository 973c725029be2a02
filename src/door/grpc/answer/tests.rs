use jiff::civil::date;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::domain::bill::{Care, Referral};
use crate::domain::finance::Fund;
use crate::domain::finance::budget::WhenDry;
use crate::domain::ids::{PersonId, RegionCode, RequestId, StayId};
use crate::domain::ledger::{Entry, EntryState};
use crate::domain::money::{Fen, Rate};
use crate::domain::record::{Body, Header, Record};
use crate::domain::verdict::{Action, COLUMNS, IdentityUsed};

/// The same, as the generated code has it: what is written must be what it would encode.
mod generated {
    use super::*;

    /// A settlement or reversal as it was recorded.
    pub(super) fn settlement(answer: &Answer) -> Result<wire::Settlement, AppError> {
        let Answer { entry, record, package, reversed_by, replaced_by, .. } = answer;
        let state = match (&entry.reverses, reversed_by) {
            (Some(_), _) => wire::SettlementState::Reversal,
            (None, Some(_)) => wire::SettlementState::Reversed,
            (None, None) if entry.state.is_provisional() => wire::SettlementState::Provisional,
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
            supersedes_settlement_id: text(&entry.supersedes),
            replaced_by_settlement_id: text(replaced_by),
        })
    }

    /// What would be paid now.
    pub(super) fn quoted(quote: &Quote) -> Result<wire::Quoted, AppError> {
        let Quote { outcome, package, year, token, valid_until, run_dry, .. } = quote;
        Ok(wire::Quoted {
            breakdown: Some(breakdown(outcome, package, *year)?),
            quote_token: token.clone(),
            valid_until: time(*valid_until),
            notices: notices(run_dry),
        })
    }

    /// What is said beside an answer.
    pub(super) fn notices(run_dry: &[RunDry]) -> Vec<wire::Notice> {
        let words = words::fund_short();
        let notices = run_dry.iter().map(|dry| wire::Notice {
            code: "FUND_SHORT".to_owned(),
            subject: dry.fund.word().to_owned(),
            message_zh: format!("{}（{}）：{}", dry.fund.zh(), dry.region, words.zh),
            message_en: format!("{} of {}: {}", dry.fund.word(), dry.region, words.en),
        });
        notices.collect()
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

    pub(super) fn breakdown(
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
            let provisional = |pay: &verdict::LayerPay| outcome.provisional.contains(&pay.layer);
            pays.iter().map(|pay| layer_pay(pay, package, provisional(pay))).collect()
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
            provisional: !outcome.provisional.is_empty(),
        })
    }

    pub(super) fn layer_pay(
        pay: &verdict::LayerPay,
        package: &Package,
        provisional: bool,
    ) -> Result<wire::LayerPay, AppError> {
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
            provisional,
        })
    }

    pub(super) fn step(step: &verdict::Step, package: &Package) -> Result<wire::Step, AppError> {
        let verdict::Step { layer, action, clause, base, rate, amount, left } = step;
        let lost = || AppError::PackageLost(package.hash.to_string());
        let layer = match layer {
            None => "bill".to_owned(),
            Some(layer) => package.layer(*layer).ok_or_else(lost)?.name.clone(),
        };
        let clause = package.clause(*clause).ok_or_else(lost)?;
        Ok(wire::Step {
            layer,
            action: action.word().to_owned(),
            clause: clause.name.clone(),
            base_fen: base.get(),
            rate: rate.map_or(String::new(), |rate| rate.to_string()),
            amount_fen: amount.get(),
            left_fen: left.get(),
            source: clause.source.as_ref().map(|source| source_of(source, package)),
        })
    }

    pub(super) fn source_of(
        source: &crate::domain::rules::Source,
        package: &Package,
    ) -> wire::Source {
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

    pub(super) fn package_reference(package: &Package, policy_year: i16) -> wire::PackageReference {
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

    pub(super) fn identities_used(outcome: &Outcome, package: &Package) -> Vec<String> {
        let mut codes: Vec<String> = Vec::new();
        for identity in outcome.identities_used.iter().filter_map(|used| used.identity) {
            let named = package.identities.get(usize::from(identity));
            if let Some(named) = named.filter(|named| !codes.contains(&named.code)) {
                codes.push(named.code.clone());
            }
        }
        codes
    }
}

fn fen() -> impl Strategy<Value = Fen> {
    prop_oneof![Just(0), -200_i64..200, any::<i64>().prop_map(|fen| fen / 32)].prop_map(Fen::new)
}

fn pays() -> impl Strategy<Value = Vec<LayerPay>> {
    let pay = (0_u16..7, fen(), fen(), fen(), any::<bool>());
    vec(pay, 0..4).prop_map(|pays| {
        let pay = |(layer, base, deductible, pay, assumed)| LayerPay {
            layer,
            base,
            deductible,
            pay,
            assumed,
        };
        pays.into_iter().map(pay).collect()
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let action = prop_oneof![Just(Action::Move), Just(Action::Band), Just(Action::Application)];
    let rate = prop_oneof![Just(0), Just(650_000_000), -3_000_000_000_i64..3_000_000_000];
    let step = (option::of(0_u16..6), action, 0_u16..40, option::of(rate), (fen(), fen(), fen()));
    vec(step, 0..20).prop_map(|steps| {
        let step = |(layer, action, clause, rate, (base, amount, left))| Step {
            layer,
            action,
            clause,
            base,
            rate: Option::map(rate, Rate::from_billionths),
            amount,
            left,
        };
        steps.into_iter().map(step).collect()
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let used = vec((option::of(0_u16..3), option::of(0_u16..9)), 0..4);
    let amounts = vec(fen(), 9 + COLUMNS);
    (amounts, pays(), pays(), pays(), (steps(), used)).prop_map(
        |(amounts, layers, fixed, may_apply, (trace, used))| {
            let mut amounts = amounts.into_iter();
            let mut next = || amounts.next().unwrap_or_default();
            let mut paid = [Fen::ZERO; COLUMNS];
            paid.iter_mut().for_each(|paid| *paid = next());
            let breakdown = verdict::Breakdown {
                total: next(),
                out_of_catalogue: next(),
                over_limit: next(),
                advance: next(),
                in_scope: next(),
                deductible: next(),
                paid,
                hospital_borne: next(),
                account: next(),
                cash: next(),
            };
            let used = used.into_iter().map(|(layer, identity)| IdentityUsed { layer, identity });
            let (moved, identities_used) = (Vec::new(), used.collect());
            // Some of them, some of the time.
            let first = layers.first().map(|pay: &LayerPay| pay.layer);
            let provisional = first.filter(|layer| layer % 2 == 1).into_iter().collect();
            Outcome {
                breakdown,
                layers,
                fixed,
                may_apply,
                moved,
                identities_used,
                trace,
                provisional,
            }
        },
    )
}

fn state_of(outcome: &Outcome) -> EntryState {
    if outcome.provisional.is_empty() { EntryState::Final } else { EntryState::Provisional }
}

/// A reversal's record, since that holds nothing but an outcome. An answer looks at the entry for the rest.
fn answer(package: &std::sync::Arc<Package>, outcome: Outcome, flags: [bool; 3]) -> Answer {
    let [reversal, reversed, repeat] = flags;
    let id = |random| SettlementId::compose(1, 1_719_765_000_000, random);
    let header = Header {
        settlement: id(1),
        request: RequestId::new("R1").unwrap(),
        person: PersonId::new(1).unwrap(),
        hospital: HospitalCode::new("H1").unwrap(),
        stay: StayId::new("Z1").unwrap(),
        stay_part: i16::from(reversal),
        admission: date(2024, 6, 1),
        discharge: date(2024, 6, 30),
        insured_region: package.region,
        treatment_region: RegionCode::new("012345").unwrap(),
        scheme: package.scheme,
        year: 2024,
        package: package.hash,
        standing_version: 1,
        ledger_version: 2,
        settled_at: "2024-06-30T16:30:00.000123Z".parse().unwrap(),
        lines_sha256: [3; 32],
    };
    let Header { settlement, request, person, hospital, stay, .. } = header.clone();
    let entry = Entry {
        settlement,
        person,
        request,
        body_sha256: [1; 32],
        reverses: reversal.then(|| id(2)),
        supersedes: reversed.then(|| id(4)),
        state: state_of(&outcome),
        hospital,
        level: 3,
        stay,
        stay_part: header.stay_part,
        admission: header.admission,
        discharge: header.discharge,
        care: Care::Inpatient,
        referral: Referral::None,
        insured_region: header.insured_region,
        treatment_region: header.treatment_region,
        scheme: header.scheme,
        year: header.year,
        settled_at: header.settled_at,
        accounting_day: date(2024, 7, 1),
        operator: None,
        door: "grpc",
        reason: None,
        breakdown: outcome.breakdown,
        layers: Vec::new(),
        fixed: Vec::new(),
        moved: Vec::new(),
        identities_used: Vec::new(),
        assumed: false,
        package: header.package,
        standing_version: 1,
        ledger_version: 2,
        record: Vec::new(),
        record_sha256: [2; 32],
        lines: Vec::new(),
        lines_sha256: [3; 32],
    };
    let (reverses, record_sha256) = (id(2), [4; 32]);
    let record = Record { header, body: Body::Reversed { reverses, record_sha256, outcome } };
    let [reversed_by, replaced_by] = [3, 5].map(|number| reversed.then(|| id(number)));
    let (entry, package) = (std::sync::Arc::new(entry), std::sync::Arc::clone(package));
    let run_dry = run_dry();
    Answer { entry, record, package, reversed_by, replaced_by, repeat, run_dry }
}

fn run_dry() -> Vec<RunDry> {
    let region = RegionCode::new("520200").unwrap();
    vec![RunDry { fund: Fund::MedicalAid, region, when_dry: WhenDry::SettleAndFlag }]
}

fn same<T: prost::Message>(written: Written, generated: Result<T, AppError>) {
    let generated = generated.map(|message| message.encode_to_vec());
    match (written, generated) {
        (Ok(written), Ok(generated)) => assert_eq!(written, generated),
        (written, generated) => assert_eq!(written.is_err(), generated.is_err()),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_what_generated_code_encodes(
        outcome in outcome(),
        flags in any::<[bool; 3]>(),
        moved in any::<[bool; 4]>(),
        token in vec(any::<u8>(), 0..200),
        patient in fen(),
    ) {
        let package = std::sync::Arc::new(crate::app::example_package());
        let answer = answer(&package, outcome.clone(), flags);
        let repeat = answer.repeat;
        let settlement = || generated::settlement(&answer);
        same(settled(OF_SETTLE, &answer), settlement().map(|settlement| {
            let outcome = Some(wire::settle_response::Outcome::Settlement(settlement));
            wire::SettleResponse { outcome, repeat, notices: generated::notices(&answer.run_dry) }
        }));
        same(settled(OF_REVERSE, &answer), settlement().map(|settlement| {
            let outcome = Some(wire::reverse_response::Outcome::Reversal(settlement));
            wire::ReverseResponse { outcome, repeat }
        }));
        same(settled(OF_GET, &answer), settlement().map(|settlement| {
            let outcome = Some(wire::get_settlement_response::Outcome::Settlement(settlement));
            wire::GetSettlementResponse { outcome }
        }));
        let valid_until = answer.entry.settled_at;
        let (age, account_balance) = (None, Fen::ZERO);
        let (year, run_dry) = (2024, answer.run_dry.clone());
        let quote =
            Quote { outcome, age, account_balance, package, year, token, valid_until, run_dry };
        same(quoted(&quote), generated::quoted(&quote).map(|quoted| {
            let outcome = Some(wire::quote_response::Outcome::Quoted(quoted));
            wire::QuoteResponse { outcome }
        }));
        let [standing, accumulators, package, catalogue] = moved;
        let now = Box::new(quote);
        let moved =
            Moved { standing, accumulators, package, catalogue, quoted_patient_pay: patient, now };
        same(quote_moved(&moved), generated::quote_moved(&moved).map(|moved| {
            let outcome = Some(wire::settle_response::Outcome::QuoteMoved(moved));
            wire::SettleResponse { outcome, ..wire::SettleResponse::default() }
        }));
    }

    #[test]
    fn times_are_written_as_a_library_writes_them(us in -60_000_000_000_000_000_i64..250_000_000_000_000_000) {
        let at = Timestamp::from_microsecond(us).unwrap();
        let expected = shanghai(at).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string();
        prop_assert_eq!(time(at), expected);
    }
}

#[test]
fn times_are_shanghais() {
    let check = |at: &str, expected: &str| {
        assert_eq!(time(at.parse().unwrap()), expected);
    };
    check("2024-06-30T16:30:00Z", "2024-07-01T00:30:00+08:00");
    check("2024-06-30T16:30:00.000123Z", "2024-07-01T00:30:00.000123+08:00");
}
