//! A stay is quoted, settled, and taken back. [2303, 2304, 2305, 2601]

use std::time::Instant;

use jiff::civil::Date;
use opentelemetry::KeyValue;
use tracing::Span;

use super::care::{self, Extras};
use super::fault::Fault;
use super::field::{Invalid, InvalidReason};
use super::input::{Node, part};
use super::output::{self, Head};
use super::transactions::{Call, Done};
use super::words;
use crate::app::national::{Shown, Stay, StaySettled};
use crate::app::{
    Answer, AppError, Claim, CredentialHash, Found, Outcome, Quote, Refusal, Reversal,
    ReverseRequest, Settled, Target,
};
use crate::domain::bill::{Bill, ChargeLine};
use crate::domain::finance::budget::RunDry;
use crate::domain::ids::{LineId, PersonNumber, RequestId, SettlementId, StayId};
use crate::domain::money::Fen;
use crate::domain::record::Body;
use crate::domain::standing::Scheme;

/// Told where a settlement was not held to the quote before it.
const UNBOUND: &str = "预结算后单据有变，本次按现时情况结算，未与预结算锁定 · the bill changed since its quote, so the quote did not bind";

const PROVISIONAL: &str = "暂结：医保核心系统未及时答复，由网关按当地政策先行计算；恢复后自动核对，如有差额将更正，可按 setl_id 查询（5203）或查询更正清单（OS01） · provisional: the insurance core did not answer; it is trued up, ask 5203 or OS01";

const TRUED_UP: &str = "本结算核对后已更正，新结算和差额见 exp_content 的 trued_up · trued up since: exp_content says by what and how much";

/// What is asked to be quoted or settled.
struct Asked {
    stay: StayId,
    person: PersonNumber,
    total: Fen,
    scheme: Option<Scheme>,
    discharge: Option<Date>,
    /// Is it one part of a stay that goes on? [mid_setl_flag]
    midway: bool,
    uses_account: bool,
    extras: Extras,
}

fn asked(node: &Node<'_>) -> Result<Asked, Invalid> {
    let flag = |name: &str| {
        let flag = node.word(name, |text| match text {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        });
        flag.map(|flag| flag.unwrap_or(false))
    };
    let total = node.money("medfee_sumamt")?;
    Ok(Asked {
        stay: node.needed("mdtrt_id", StayId::LENGTH_MAX, StayId::new)?,
        person: node.needed("psn_no", PersonNumber::LENGTH_MAX, PersonNumber::new)?,
        total: node.must("medfee_sumamt", total)?,
        scheme: node.word("insutype", care::scheme)?,
        discharge: node.day("dscgTime")?,
        midway: flag("mid_setl_flag")?,
        uses_account: flag("acct_used_flag")?,
        extras: care::extras(node)?,
    })
}

/// Says what would be paid now, and keeps what binds it with the stay. [2303]
pub(super) async fn quote(call: Call<'_>) -> Result<Done, Fault> {
    let quoted = quoted(call).await;
    let outcome = outcome_of(&quoted);
    call.app.metrics.quotes.add(1, &[KeyValue::new("outcome", outcome)]);
    quoted
}

async fn quoted(call: Call<'_>) -> Result<Done, Fault> {
    let asked = asked(&part(&call.envelope.input, "data")?)?;
    let of_stay = (call.hospital(), &asked.stay);
    let (stay, charged) = call.app.charged_stay(call.caller, of_stay, None).await?;
    call.app.is_of(&stay, &asked.person)?;
    let today = call.app.now().day;
    let claim = claim(&call, asked, (&stay, charged), Some(today))?;
    let lines = line_ids(&claim);
    let of_bill = |error| Fault::Bill(error, lines.clone());
    let quoted = call.app.quote_stay(call.caller, &call.envelope.request, &claim).await;
    match quoted.map_err(of_bill)? {
        Outcome::Declined(decline) => Err(Fault::declined(&decline, &lines)),
        Outcome::Decided(quote) => {
            Ok(Done { outcome: "quoted", ..of_quote(&call, &quote, (&stay, &claim))? })
        }
    }
}

/// Settles a stay, durably, before it answers. The same message again tells the same. [2304]
pub(super) async fn settle(call: Call<'_>) -> Result<Done, Fault> {
    let started = Instant::now();
    let settled = settled(call).await;
    let labels = [KeyValue::new("outcome", outcome_of(&settled))];
    call.app.metrics.settlements.add(1, &labels);
    call.app.metrics.settle_seconds.record(started.elapsed().as_secs_f64(), &labels);
    settled
}

async fn settled(call: Call<'_>) -> Result<Done, Fault> {
    let node = part(&call.envelope.input, "data")?;
    let asked = asked(&node)?;
    let message = call.message();
    let of_stay = (call.hospital(), &asked.stay);
    let asked_by = Some(message.request);
    let (stay, charged) = call.app.charged_stay(call.caller, of_stay, asked_by).await?;
    call.app.is_of(&stay, &asked.person)?;
    if let Some(answer) = call.app.settled_before(call.caller, message, &stay).await? {
        return Ok(Done { outcome: "repeat", ..of_answer(&call, &answer, Some(&stay)).await? });
    }
    if asked.discharge.is_none() && stay.discharge.is_none() {
        return Err(node.invalid("dscgTime", InvalidReason::Missing).into());
    }
    let claim = claim(&call, asked, (&stay, charged), None)?;
    let lines = line_ids(&claim);
    let settled = call.app.settle_stay(call.caller, message, (&stay, claim)).await;
    let StaySettled { settled, bound } =
        settled.map_err(|error| Fault::Bill(error, lines.clone()))?;
    match settled {
        Settled::Answer(answer) => {
            let outcome = if answer.repeat { "repeat" } else { "settled" };
            let unbound = !bound && stay.quote.is_some();
            let mut done = Done { outcome, ..of_answer(&call, &answer, Some(&stay)).await? };
            if unbound {
                let more = if done.warning.is_empty() { "" } else { "；" };
                done.warning = format!("{UNBOUND}{more}{}", done.warning);
            }
            Ok(done)
        }
        Settled::Declined(decline) => Err(Fault::declined(&decline, &lines)),
        Settled::QuoteMoved(moved) => Err(Fault::QuoteMoved(moved)),
    }
}

/// Reverses a settlement by its id. [2305]
pub(super) async fn reverse(call: Call<'_>) -> Result<Done, Fault> {
    let node = part(&call.envelope.input, "data")?;
    let settlement = node.needed("setl_id", SettlementId::LENGTH_MAX, SettlementId::new)?;
    let stay = node.needed("mdtrt_id", StayId::LENGTH_MAX, StayId::new)?;
    let person = node.needed("psn_no", PersonNumber::LENGTH_MAX, PersonNumber::new)?;
    match call.app.settlement(call.caller, &settlement).await? {
        Found::Answer(found) if found.entry.hospital != *call.hospital() => {
            return Err(Refusal::SettlementUnknown.into());
        }
        // Two ids that contradict each other may mean either.
        Found::Answer(found) if found.entry.stay != stay => {
            return Err(node.invalid("mdtrt_id", InvalidReason::ValueUnknown).into());
        }
        Found::Answer(found) => call.app.is_settled_for(&found.entry, &person).await?,
        Found::Tombstone(_) => {}
    }
    match undo(call, Target::Settlement(settlement)).await? {
        Reversal::Answer(answer) => {
            let outcome = if answer.repeat { "repeat" } else { "reversed" };
            Ok(Done { outcome, ..of_answer(&call, &answer, None).await? })
        }
        // A settlement's id never leads to a tombstone: those have none.
        Reversal::Tombstone { .. } => Err(Fault::Panicked),
    }
}

/// Undoes a message by its id, seen or not: what was never seen is refused from now on. [2601]
pub(super) async fn compensate(call: Call<'_>) -> Result<Done, Fault> {
    let node = part(&call.envelope.input, "data")?;
    let person = node.needed("psn_no", PersonNumber::LENGTH_MAX, PersonNumber::new)?;
    let original = node.needed("omsgid", RequestId::LENGTH_MAX, RequestId::new)?;
    let of_ledger = node.word("oinfno", |transaction| match transaction {
        "2304" | "2305" => Some(true),
        "2401" => Some(false),
        _ => None,
    })?;
    let outcome = if node.must("oinfno", of_ledger)? {
        let found = call.app.settlement_of_request(call.caller, call.hospital(), &original).await;
        match found {
            Ok(Found::Answer(found)) => call.app.is_settled_for(&found.entry, &person).await?,
            Ok(Found::Tombstone(_)) | Err(AppError::Refused(Refusal::RequestUnknown)) => {}
            Err(error) => return Err(error.into()),
        }
        match undo(call, Target::Request(original)).await? {
            Reversal::Answer(answer) if !answer.repeat => "reversed",
            Reversal::Tombstone { repeat: false, .. } => "tombstone",
            Reversal::Answer(_) | Reversal::Tombstone { .. } => "repeat",
        }
    } else {
        call.app.reverse_admission(call.caller, call.message(), &original, &person).await?;
        "reversed"
    };
    Ok(Done { outcome, ..Done::alone() })
}

async fn undo(call: Call<'_>, target: Target) -> Result<Reversal, Fault> {
    let request = ReverseRequest {
        request: call.envelope.request.clone(),
        hospital: call.hospital().clone(),
        target,
        reason: Some(call.envelope.transaction.clone()),
        operator: Some(call.envelope.operator.clone()),
    };
    let reversed = call.app.reverse(call.caller, &request).await;
    let outcome = match &reversed {
        Ok(Reversal::Answer(_)) => "reversed",
        Ok(Reversal::Tombstone { .. }) => "tombstone",
        Err(error) => error.kind().word(),
    };
    call.app.metrics.reversals.add(1, &[KeyValue::new("outcome", outcome)]);
    Ok(reversed?)
}

/// What a patient showed when they were admitted.
pub(super) const fn credential(stay: &Stay) -> CredentialHash {
    let Shown { kind, hash } = stay.admission.shown;
    CredentialHash { kind, hash }
}

/// The bill of a stay: its admission, newest discharge and charge lines, with what is said now. Its last day is as said now, as the
/// discharge says, or else the day given.
fn claim(
    call: &Call<'_>,
    asked: Asked,
    (stay, lines): (&Stay, Vec<ChargeLine>),
    unless: Option<Date>,
) -> Result<Claim, Fault> {
    let Asked { stay: id, person: _, total, scheme, discharge, midway, uses_account, extras } =
        asked;
    let admission = &stay.admission;
    let discharged = stay.discharge.as_ref();
    let on = discharge.or(discharged.map(|discharge| discharge.on)).or(unless);
    let regions = (call.envelope.insured, call.envelope.treatment);
    let referral = care::referral(extras.referral, &admission.care_code, regions);
    let balance = extras.account_balance.filter(|_| uses_account);
    let bill = Bill {
        hospital: call.hospital().clone(),
        stay: id,
        stay_part: i16::from(midway),
        scheme: scheme.or(admission.scheme),
        admission: admission.on,
        discharge: on.unwrap_or(admission.on),
        care: care::care(&admission.care_code).ok_or(Fault::Panicked)?,
        referral: referral.ok_or(Fault::Plain(words::REFERRAL_UNSAID))?,
        transferred_from: None,
        diagnoses: discharged.map_or(&admission.diagnoses, |of| &of.diagnoses).clone(),
        facts: extras.facts,
        lines,
        total,
        account_balance: balance.unwrap_or(Fen::ZERO),
        operator: Some(call.envelope.operator.clone()),
    };
    Ok(Claim::new(credential(stay), bill))
}

fn line_ids(claim: &Claim) -> Vec<LineId> {
    claim.bill.lines.iter().map(|line| line.id.clone()).collect()
}

fn of_quote(call: &Call<'_>, quote: &Quote, (stay, claim): (&Stay, &Claim)) -> Result<Done, Fault> {
    let Quote { outcome, age, account_balance, package, run_dry, .. } = quote;
    let head = Head {
        stay: claim.bill.stay.as_str(),
        settlement: "",
        person: &stay.admission.person,
        care_code: &stay.admission.care_code,
        care: claim.bill.care,
        at: call.app.now().at,
        request: "",
        is_reversal: false,
        is_reversed: false,
        supersedes: None,
        corrected: None,
        shown: Some(stay.admission.shown.kind),
        patient: Some((*age, *account_balance)),
    };
    let dictionary = call.app.dictionary(package.region);
    let done = Done::of(&output::settlement(&head, (outcome, package), &dictionary)?)?;
    Ok(Done { warning: short(run_dry), ..done })
}

/// What is said of funds that have not enough left.
fn short(run_dry: &[RunDry]) -> String {
    let words = words::fund_short();
    let said = run_dry.iter().map(|RunDry { fund, region, .. }| {
        format!("{}（{region}）：{} · {}: {}", fund.zh(), words.zh, fund.word(), words.en)
    });
    said.collect::<Vec<_>>().join("；")
}

/// What is recorded, as it is told again and again.
pub(super) async fn of_answer(
    call: &Call<'_>,
    answer: &Answer,
    stay: Option<&Stay>,
) -> Result<Done, Fault> {
    let Answer { entry, record, package, reversed_by, run_dry, .. } = answer;
    Span::current().record("settlement.id", entry.settlement.as_str());
    let found = match stay {
        Some(_) => None,
        // One that was settled by another door has none here.
        None => match call.app.stay(call.caller, (&entry.hospital, &entry.stay)).await {
            Ok(stay) => Some(stay),
            Err(AppError::Refused(Refusal::StayUnknown | Refusal::StayCancelled)) => None,
            Err(error) => return Err(error.into()),
        },
    };
    let admission = stay.or(found.as_ref()).map(|stay| &stay.admission);
    let person = match admission {
        Some(admission) => admission.person.clone(),
        None => call.app.person_number(entry.person)?,
    };
    let care_code = admission.map_or(care::care_code(entry.care), |of| of.care_code.as_str());
    let corrected = call.app.correction_of(answer).await?;
    let head = Head {
        stay: entry.stay.as_str(),
        settlement: entry.settlement.as_str(),
        person: &person,
        care_code,
        care: entry.care,
        at: entry.settled_at,
        request: entry.request.as_str(),
        is_reversal: entry.reverses.is_some(),
        is_reversed: reversed_by.is_some(),
        supersedes: entry.supersedes.as_ref().map(SettlementId::as_str),
        corrected: corrected.as_ref(),
        shown: admission.map(|admission| admission.shown.kind),
        patient: match &record.body {
            Body::Settled { inputs, .. } => Some((inputs.facts.age, inputs.facts.account_balance)),
            Body::Reversed { .. } => None,
        },
    };
    let dictionary = call.app.dictionary(package.region);
    let output = output::settlement(&head, (record.outcome(), package), &dictionary)?;
    let warning = match corrected {
        Some(_) => TRUED_UP,
        None if reversed_by.is_none() && !record.outcome().provisional.is_empty() => PROVISIONAL,
        None => "",
    };
    let said = [warning.to_owned(), short(run_dry)];
    let said: Vec<_> = said.into_iter().filter(|said| !said.is_empty()).collect();
    Ok(Done { warning: said.join("；"), ..Done::of(&output)? })
}

fn outcome_of(done: &Result<Done, Fault>) -> &'static str {
    match done {
        Ok(done) => done.outcome,
        Err(fault) => fault.outcome(),
    }
}
