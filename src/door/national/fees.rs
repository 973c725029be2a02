//! Charge lines come batch by batch, and may be taken back. [2301, 2302]

use serde_json::{Value, json};

use super::fault::Fault;
use super::field::{Invalid, InvalidReason};
use super::input::{Node, parts};
use super::output;
use super::transactions::{Call, Done};
use super::{care, settle};
use crate::app::Claim;
use crate::app::national::{Priced, Stay};
use crate::domain::bill::{Bill, Care, CatalogueClass, ChargeLine, Referral};
use crate::domain::ids::{ItemCode, LineId, PersonNumber, StayId};
use crate::domain::money::{Fen, parse_price_e6, parse_quantity_e4};
use crate::limits;

/// The line that stands for all of them. [2302]
const ALL_LINES: &str = "0000";

/// Adds charge lines to a stay, and tells what the catalogue says of each. [2301]
pub(super) async fn upload(call: Call<'_>) -> Result<Done, Fault> {
    let nodes = parts(&call.envelope.input, "feedetail", limits::NATIONAL_FEE_ROWS_MAX)?;
    let (stay_id, number) = one_stay(&nodes, "feedetail")?;
    let mut lines = Vec::with_capacity(nodes.len());
    for node in &nodes {
        lines.push(line_of(node)?);
    }
    once(&nodes, &lines)?;
    let stay = stay_of(&call, &stay_id, &number).await?;
    let (of_stay, request) = ((call.hospital(), &stay_id), &call.envelope.request);
    // What is sent again because its answer was lost gets that answer, also once the stay is settled.
    let settled = stay.settlement.is_some();
    if !settled || !call.app.has_lines(call.caller, of_stay, request, &lines).await? {
        call.app.is_open(call.caller, &stay).await?;
        call.app.add_lines(call.caller, of_stay, request, &lines).await?;
    }
    let rows = rows(&call, &stay, lines).await?;
    Done::with("result", rows)
}

/// Takes charge lines back. [2302]
pub(super) async fn cancel(call: Call<'_>) -> Result<Done, Fault> {
    let nodes = parts(&call.envelope.input, "data", limits::NATIONAL_FEE_ROWS_MAX)?;
    let (stay_id, number) = one_stay(&nodes, "data")?;
    let mut named = Vec::with_capacity(nodes.len());
    for node in &nodes {
        named.push(node.needed("feedetl_sn", LineId::LENGTH_MAX, LineId::new)?);
    }
    let stay = stay_of(&call, &stay_id, &number).await?;
    let (of_stay, request) = ((call.hospital(), &stay_id), &call.envelope.request);
    if stay.settlement.is_some() && call.app.has_cancelled(call.caller, of_stay, request).await? {
        return Ok(Done::alone());
    }
    call.app.is_open(call.caller, &stay).await?;
    let all = named.iter().any(|line| line.as_str() == ALL_LINES);
    let named = (!all).then_some(named.as_slice());
    call.app.cancel_lines(call.caller, of_stay, request, named).await?;
    Ok(Done::alone())
}

/// The stay and person that all rows name.
fn one_stay(nodes: &[Node<'_>], name: &str) -> Result<(StayId, PersonNumber), Fault> {
    let mut of: Option<(StayId, PersonNumber)> = None;
    for node in nodes {
        let stay = node.needed("mdtrt_id", StayId::LENGTH_MAX, StayId::new)?;
        let person = node.needed("psn_no", PersonNumber::LENGTH_MAX, PersonNumber::new)?;
        match &of {
            None => of = Some((stay, person)),
            Some((known, _)) if *known != stay => {
                return Err(node.invalid("mdtrt_id", InvalidReason::ValueUnknown).into());
            }
            Some((_, known)) if *known != person => {
                return Err(node.invalid("psn_no", InvalidReason::ValueUnknown).into());
            }
            Some(_) => {}
        }
    }
    let missing = || Invalid { field: name.to_owned(), reason: InvalidReason::Missing };
    of.ok_or_else(|| missing().into())
}

/// A stay of this person, settled or not.
async fn stay_of(call: &Call<'_>, stay: &StayId, person: &PersonNumber) -> Result<Stay, Fault> {
    let stay = call.app.stay(call.caller, (call.hospital(), stay)).await?;
    call.app.is_of(&stay, person)?;
    Ok(stay)
}

fn line_of(node: &Node<'_>) -> Result<ChargeLine, Fault> {
    let id = node.needed("feedetl_sn", LineId::LENGTH_MAX, LineId::new)?;
    if id.as_str() == ALL_LINES {
        return Err(node.invalid("feedetl_sn", InvalidReason::ValueUnknown).into());
    }
    let quantity = node.decimal("cnt", 4, parse_quantity_e4)?;
    let price = node.decimal("pric", 6, parse_price_e6)?;
    let amount = node.money("det_item_fee_sumamt")?;
    let charged_on = node.day("fee_ocur_time")?;
    Ok(ChargeLine {
        id,
        item: node.needed("med_list_codg", ItemCode::LENGTH_MAX, ItemCode::new)?,
        quantity_e4: node.must("cnt", quantity)?,
        unit_price_e6: node.must("pric", price)?,
        amount: node.must("det_item_fee_sumamt", amount)?,
        class: None,
        refund_of: node.id("init_feedetl_sn", LineId::LENGTH_MAX, LineId::new)?,
        charged_on: node.must("fee_ocur_time", charged_on)?,
    })
}

/// No two rows of a batch are of one line.
fn once(nodes: &[Node<'_>], lines: &[ChargeLine]) -> Result<(), Fault> {
    let mut seen = std::collections::BTreeSet::new();
    for (node, line) in nodes.iter().zip(lines) {
        if !seen.insert(&line.id) {
            return Err(node.invalid("feedetl_sn", InvalidReason::Duplicate).into());
        }
    }
    Ok(())
}

/// Charge lines with what the catalogue and the rules say of them.
pub(super) async fn rows(
    call: &Call<'_>,
    stay: &Stay,
    lines: Vec<ChargeLine>,
) -> Result<Vec<Value>, Fault> {
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let claim = to_price(call, stay, lines);
    let priced = call.app.priced(call.caller, &claim).await?;
    Ok(claim.bill.lines.iter().zip(&priced).map(|(line, priced)| row(line, priced)).collect())
}

/// A claim that is never settled: it only says of whom and of when the lines are.
fn to_price(call: &Call<'_>, stay: &Stay, lines: Vec<ChargeLine>) -> Claim {
    let admission = &stay.admission;
    let last = lines.iter().map(|line| line.charged_on).max();
    let discharge = stay.discharge.as_ref().map(|discharge| discharge.on).or(last);
    let bill = Bill {
        hospital: call.hospital().clone(),
        stay: admission.stay.clone(),
        stay_part: 0,
        scheme: admission.scheme,
        admission: admission.on,
        discharge: discharge.unwrap_or(admission.on),
        care: care::care(&admission.care_code).unwrap_or(Care::Inpatient),
        referral: Referral::None,
        transferred_from: None,
        diagnoses: Vec::new(),
        facts: Vec::new(),
        lines,
        total: Fen::ZERO,
        account_balance: Fen::ZERO,
        operator: None,
    };
    Claim::new(settle::credential(stay), bill)
}

fn row(line: &ChargeLine, priced: &Priced) -> Value {
    let Priced { class, ceiling_price_e6, advance_ratio, parts } = priced;
    let level = match class {
        None => "",
        Some(CatalogueClass::A) => "01",
        Some(CatalogueClass::B) => "02",
        Some(CatalogueClass::C) => "03",
    };
    let [in_scope, advance, over_limit, out] = parts.unwrap_or_default();
    json!({
        "feedetl_sn": line.id.as_str(),
        "init_feedetl_sn": line.refund_of.as_ref().map_or("", |line| line.as_str()),
        "med_list_codg": line.item.as_str(),
        "fee_ocur_time": line.charged_on.to_string(),
        "det_item_fee_sumamt": line.amount.to_string(),
        "cnt": output::scaled(line.quantity_e4, 4),
        "pric": output::scaled(line.unit_price_e6, 6),
        "pric_uplmt_amt": ceiling_price_e6.map_or_else(|| "0".to_owned(), |price| output::scaled(price, 6)),
        "selfpay_prop": advance_ratio.map_or_else(|| "0".to_owned(), output::ratio),
        "fulamt_ownpay_amt": out.to_string(),
        "overlmt_amt": over_limit.to_string(),
        "preselfpay_amt": advance.to_string(),
        "inscp_scp_amt": in_scope.to_string(),
        "chrgitm_lv": level,
        "med_chrgitm_type": "",
        "bas_medn_flag": "",
        "hi_nego_drug_flag": "",
        "chld_medc_flag": "",
        "list_sp_item_flag": "",
        "lmt_used_flag": "",
        "drt_reim_flag": "",
        // Without an entry in the catalogue the settlement would be declined: said here, while it can be mended.
        "memo": if class.is_some() { "" } else { "目录中无此项目 · not in the catalogue" },
    })
}
