//! The row that a decision becomes, and the hashes that tell two requests apart.

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use jiff::Timestamp;

use super::answer::sha256;
use super::settle::{Decided, Recording};
use super::{AppError, Caller, Claim, Now, SettleRequest};
use crate::domain::ids::SettlementId;
use crate::domain::ledger::{Entry, EntryState, LayerEntry, MovedEntry};
use crate::domain::record::{self, Body, Header, Record};
use crate::domain::rules::{Bearer, Package};
use crate::domain::verdict::{Breakdown, COLUMNS, LayerPay, Moved, Outcome};

/// SHA-256 over everything that a bill says and whose it is: the body that a repeat must have.
pub(super) fn bill_sha256(claim: &Claim) -> [u8; 32] {
    body_of(claim).sha256
}

/// The body of a claim, once somebody asked for it.
#[derive(Default)]
pub(super) struct Written(OnceLock<BillBody>);

/// What a bill says and whose it is, with its hash, and where its charge lines stand in there.
struct BillBody {
    bytes: Vec<u8>,
    lines: Range<usize>,
    sha256: [u8; 32],
}

/// What is changed on a copy is written anew.
impl Clone for Written {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").finish_non_exhaustive()
    }
}

fn body_of(claim: &Claim) -> &BillBody {
    claim.written.0.get_or_init(|| {
        let mut bytes = vec![claim.credential.kind];
        bytes.extend_from_slice(&claim.credential.hash);
        let lines = record::write_bill(&mut bytes, &claim.bill);
        let sha256 = sha256(&bytes);
        BillBody { bytes, lines, sha256 }
    })
}

/// What a quote promises: every amount, layer by layer. The trace and the versions may differ.
pub(super) fn breakdown_of(decided: &Decided) -> Vec<u8> {
    record::promised_bytes(&decided.outcome)
}

/// The row of a settlement.
pub(super) fn settlement(
    caller: &Caller,
    request: &SettleRequest,
    decided: Decided,
    (now, random): (&Now, u64),
) -> Result<Recording, AppError> {
    let bill = &request.claim.bill;
    let Decided { person, hospital, package, outcome, inputs, year, .. } = decided;
    let BillBody { bytes: body, lines, sha256: body_sha256 } = body_of(&request.claim);
    let lines = body.get(lines.clone()).unwrap_or_default().to_vec();
    let lines_sha256 = sha256(&lines);
    let settlement = SettlementId::compose(person.bucket(), unix_ms(now.at), random);
    let record = Record {
        header: Header {
            settlement: settlement.clone(),
            request: request.request.clone(),
            person,
            hospital: bill.hospital.clone(),
            stay: bill.stay.clone(),
            stay_part: bill.stay_part,
            admission: bill.admission,
            discharge: bill.discharge,
            insured_region: package.region,
            treatment_region: hospital.region,
            scheme: decided.scheme,
            year,
            package: package.hash,
            standing_version: decided.standing_version,
            ledger_version: decided.ledger_version,
            settled_at: now.at,
            lines_sha256,
        },
        body: Body::Settled { inputs, outcome },
    };
    let bytes = record.to_bytes();
    let outcome = record.outcome();
    let entry = Entry {
        settlement,
        person,
        request: request.request.clone(),
        body_sha256: *body_sha256,
        reverses: None,
        supersedes: None,
        state: state_of(outcome),
        hospital: bill.hospital.clone(),
        level: hospital.level,
        stay: bill.stay.clone(),
        stay_part: bill.stay_part,
        admission: bill.admission,
        discharge: bill.discharge,
        care: bill.care,
        referral: bill.referral,
        insured_region: package.region,
        treatment_region: hospital.region,
        scheme: decided.scheme,
        year,
        settled_at: now.at,
        accounting_day: now.day,
        operator: bill.operator.clone(),
        door: caller.door,
        reason: None,
        breakdown: outcome.breakdown,
        layers: layer_entries(&package, outcome, &outcome.layers)?,
        fixed: layer_entries(&package, outcome, &outcome.fixed)?,
        moved: moved_entries(&package, &outcome.moved, year)?,
        identities_used: identities_used(&package, outcome),
        assumed: is_assumed(&package, outcome),
        package: package.hash,
        standing_version: decided.standing_version,
        ledger_version: decided.ledger_version,
        record_sha256: sha256(&bytes),
        record: bytes,
        lines,
        lines_sha256,
    };
    Ok((entry, record))
}

/// Until trued up where somebody else who decides a layer did not answer.
fn state_of(outcome: &Outcome) -> EntryState {
    if outcome.provisional.is_empty() { EntryState::Final } else { EntryState::Provisional }
}

/// Does anything in it rest on an assumed figure?
fn is_assumed(package: &Package, outcome: &Outcome) -> bool {
    package.advance_is_assumed(outcome)
        || outcome.layers.iter().chain(&outcome.fixed).any(|pay| pay.assumed)
}

/// The row of a settlement that takes the place of another one of the same stay, decided anew from what the first one saw.
pub(super) fn in_place_of(
    original: &Entry,
    seen: &Record,
    (package, body): (&Package, Body),
    said: Entry,
) -> Result<Recording, AppError> {
    let header = Header {
        settlement: said.settlement.clone(),
        request: said.request.clone(),
        standing_version: said.standing_version,
        ledger_version: said.ledger_version,
        settled_at: said.settled_at,
        ..seen.header.clone()
    };
    let record = Record { header, body };
    let bytes = record.to_bytes();
    let outcome = record.outcome();
    let entry = Entry {
        reverses: None,
        supersedes: Some(original.settlement.clone()),
        state: EntryState::Final,
        breakdown: outcome.breakdown,
        layers: layer_entries(package, outcome, &outcome.layers)?,
        fixed: layer_entries(package, outcome, &outcome.fixed)?,
        moved: moved_entries(package, &outcome.moved, original.year)?,
        identities_used: identities_used(package, outcome),
        assumed: is_assumed(package, outcome),
        record_sha256: sha256(&bytes),
        record: bytes,
        ..said
    };
    Ok((entry, record))
}

/// The row of a reversal: the same row with every amount the other way round.
pub(super) fn reversal(
    original: &Entry,
    record: &Record,
    said: Entry,
) -> Result<Recording, AppError> {
    let outcome = record::reversed(record.outcome()).ok_or(AppError::Unbalanced)?;
    let negate = |entries: &[LayerEntry]| -> Option<Vec<LayerEntry>> {
        entries
            .iter()
            .map(|layer| Some(LayerEntry { pay: layer.pay.checked_neg()?, ..layer.clone() }))
            .collect()
    };
    let moved = original
        .moved
        .iter()
        .map(|moved| Some(MovedEntry { by: moved.by.checked_neg()?, ..moved.clone() }))
        .collect::<Option<Vec<_>>>();
    let header = Header {
        settlement: said.settlement.clone(),
        request: said.request.clone(),
        standing_version: said.standing_version,
        ledger_version: said.ledger_version,
        settled_at: said.settled_at,
        ..record.header.clone()
    };
    let breakdown = outcome.breakdown;
    let body = Body::Reversed {
        reverses: original.settlement.clone(),
        record_sha256: original.record_sha256,
        outcome,
    };
    let record = Record { header, body };
    let bytes = record.to_bytes();
    let entry = Entry {
        reverses: Some(original.settlement.clone()),
        supersedes: None,
        state: EntryState::Final,
        breakdown,
        layers: negate(&original.layers).ok_or(AppError::Unbalanced)?,
        fixed: negate(&original.fixed).ok_or(AppError::Unbalanced)?,
        moved: moved.ok_or(AppError::Unbalanced)?,
        record_sha256: sha256(&bytes),
        record: bytes,
        ..said
    };
    Ok((entry, record))
}

/// The first column of a row that does not follow from its record as it should; nothing where all of them do.
pub(super) fn column_that_differs(
    entry: &Entry,
    record: &Record,
    package: &Package,
) -> Option<&'static str> {
    let header = &record.header;
    let outcome = record.outcome();
    let reverses = match &record.body {
        Body::Settled { .. } => None,
        Body::Reversed { reverses, .. } => Some(reverses),
    };
    let day = super::shanghai(header.settled_at).date();
    let layers = layer_entries(package, outcome, &outcome.layers).ok();
    let fixed = layer_entries(package, outcome, &outcome.fixed).ok();
    let moved = moved_entries(package, &outcome.moved, header.year).ok();
    let columns = [
        ("settlement_id", header.settlement == entry.settlement),
        ("person_id", header.person == entry.person),
        ("request_id", header.request == entry.request),
        ("reverses_settlement_id", reverses == entry.reverses.as_ref()),
        ("hospital_code", header.hospital == entry.hospital),
        ("stay_id", header.stay == entry.stay),
        ("stay_part", header.stay_part == entry.stay_part),
        ("admission_date", header.admission == entry.admission),
        ("discharge_date", header.discharge == entry.discharge),
        ("insured_region", header.insured_region == entry.insured_region),
        ("treatment_region", header.treatment_region == entry.treatment_region),
        ("scheme", header.scheme == entry.scheme),
        ("policy_year", header.year == entry.year),
        ("settled_at", header.settled_at == entry.settled_at),
        ("accounting_day", day <= entry.accounting_day),
        ("package_hash", header.package == entry.package),
        ("standing_version", header.standing_version == entry.standing_version),
        ("ledger_version", header.ledger_version == entry.ledger_version),
        ("lines_sha256", header.lines_sha256 == entry.lines_sha256),
        ("payer", layers.is_some_and(|layers| layers == entry.layers)),
        ("fixed_payer", fixed.is_some_and(|fixed| fixed == entry.fixed)),
        ("moved_name", moved.is_some_and(|moved| moved == entry.moved)),
        ("identities_used", identities_used(package, outcome) == entry.identities_used),
    ];
    let differs = columns.into_iter().find(|(_, same)| !same).map(|(column, _)| column);
    differs.or_else(|| amount_that_differs(&entry.breakdown, &outcome.breakdown))
}

/// The first amount in which two rows differ, by its column.
fn amount_that_differs(one: &Breakdown, other: &Breakdown) -> Option<&'static str> {
    const COLUMN_NAMES: [&str; COLUMNS] = [
        "basic_pool_pay_fen",
        "civil_servant_pay_fen",
        "enterprise_supplement_pay_fen",
        "critical_illness_pay_fen",
        "large_amount_pay_fen",
        "disabled_soldier_pay_fen",
        "medical_aid_pay_fen",
        "tilted_aid_pay_fen",
        "other_pay_fen",
    ];
    // Every field by name: one that is added does not compile until it is compared.
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
    } = one;
    let amounts = [
        ("total_fen", *total == other.total),
        ("out_of_catalogue_fen", *out_of_catalogue == other.out_of_catalogue),
        ("over_limit_fen", *over_limit == other.over_limit),
        ("advance_self_pay_fen", *advance == other.advance),
        ("in_scope_fen", *in_scope == other.in_scope),
        ("deductible_paid_fen", *deductible == other.deductible),
        ("hospital_borne_fen", *hospital_borne == other.hospital_borne),
        ("account_pay_fen", *account == other.account),
        ("cash_pay_fen", *cash == other.cash),
    ];
    let funds = COLUMN_NAMES.into_iter().zip(paid.iter().zip(&other.paid));
    let funds = funds.map(|(column, (one, other))| (column, one == other));
    amounts.into_iter().chain(funds).find(|(_, same)| !same).map(|(column, _)| column)
}

pub(super) fn unix_ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

fn layer_entries(
    package: &Package,
    outcome: &Outcome,
    pays: &[LayerPay],
) -> Result<Vec<LayerEntry>, AppError> {
    pays.iter()
        .map(|pay| {
            let layer = package.layer(pay.layer).ok_or(AppError::Unbalanced)?;
            let payer = package.payer_of(layer).ok_or(AppError::Unbalanced)?;
            let books_to = match payer.bearer {
                Bearer::Fund(column) | Bearer::Other(column) => column.word(),
                Bearer::Hospital => "hospital",
                Bearer::Account => "account",
            };
            let identity = identity_of(package, outcome, pay.layer);
            Ok(LayerEntry { payer: payer.name.clone(), books_to, identity, pay: pay.pay })
        })
        .collect()
}

/// The identity that counted for a layer: its own choice, or the cascade's.
fn identity_of(package: &Package, outcome: &Outcome, layer: u16) -> String {
    let used = outcome.identities_used.iter().find(|used| used.layer.is_none_or(|of| of == layer));
    used.and_then(|used| used.identity)
        .map_or(String::new(), |identity| identity_code(package, identity))
}

fn identity_code(package: &Package, identity: u16) -> String {
    package
        .identities
        .get(usize::from(identity))
        .map_or(String::new(), |identity| identity.code.clone())
}

fn identities_used(package: &Package, outcome: &Outcome) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    for identity in outcome.identities_used.iter().filter_map(|used| used.identity) {
        let code = identity_code(package, identity);
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    codes
}

fn moved_entries(
    package: &Package,
    moved: &[Moved],
    year: i16,
) -> Result<Vec<MovedEntry>, AppError> {
    let mut entries: Vec<MovedEntry> = moved
        .iter()
        .map(|moved| {
            let name =
                package.accumulators.get(usize::from(moved.slot)).ok_or(AppError::Unbalanced)?;
            let year = if name.life { 0 } else { year };
            Ok(MovedEntry { year, name: name.name.clone(), by: moved.by })
        })
        .collect::<Result<_, AppError>>()?;
    entries.sort_by(|one, other| (other.year, &one.name).cmp(&(one.year, &other.name)));
    Ok(entries)
}
