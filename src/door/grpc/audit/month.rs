//! A month in the words of the contract: each call is read, done and answered here, whether a server asks or a command on the database
//! itself.

use jiff::civil::Date;

use super::super::super::field::{self, Invalid, InvalidReason, Place, at};
use super::super::super::wire::audit::v1 as wire;
use super::super::status::Unanswered;
use crate::app::AppError;
use crate::app::audit::{AskedEntries, Audit, AuditRefusal, Audited, Month, Noted, percent};
use crate::domain::audit::unusual::THRESHOLDS;
use crate::domain::audit::{Alarm, Amounts, By, Key, Measure, Share, Which};
use crate::domain::bill::Care;
use crate::domain::finance::Fund;
use crate::domain::ids::{HospitalCode, SettlementId};
use crate::limits;

/// Read, done and answered; or why not.
type Done<T> = Result<T, Unanswered>;

/// A name of a class is no longer.
const CLASS_LENGTH_MAX: usize = 40;

pub(super) async fn get_fund_flow(
    audit: Audit<'_>,
    message: wire::GetFundFlowRequest,
) -> Done<wire::FundFlow> {
    let wire::GetFundFlowRequest { month, region, by } = message;
    let month = read_month(&month)?;
    let within = maybe(&region, field::region, "region")?;
    let mut breakdowns = Vec::new();
    for text in &by {
        breakdowns.push(word(text, By::from_word, "by")?);
    }
    if breakdowns.is_empty() {
        breakdowns.extend(By::ALL.into_iter().filter(|by| *by != By::Detail));
    }
    let audited = audit.flow(month, within).await?;
    let mut lines = Vec::new();
    for by in breakdowns {
        let of = audited.flow.lines(by).map_err(AuditRefusal::from).map_err(AppError::from)?;
        lines.extend(of.iter().map(|(key, amounts)| line(by, key, amounts)));
        if limits::AUDIT_LINES_MAX < lines.len() {
            return Err(AppError::from(AuditRefusal::TooWide).into());
        }
    }
    Ok(flow(audited, region, lines))
}

fn flow(audited: Audited, region: String, lines: Vec<wire::FlowLine>) -> wire::FundFlow {
    let Audited { month, flow, alarms, alarms_more, shares } = audited;
    wire::FundFlow {
        month: month.text(),
        region,
        as_of: month.last.to_string(),
        entries: flow.entries,
        reversals: flow.reversals,
        assumed: flow.assumed,
        assumed_granted_fen: flow.assumed_granted.get(),
        charged_fen: flow.charged.get(),
        alarms: alarms.into_iter().map(alarm).collect(),
        shares: shares.into_iter().map(share).collect(),
        lines,
        thresholds: THRESHOLDS
            .iter()
            .map(|of| wire::Threshold {
                word: of.word.to_owned(),
                zh: of.zh.to_owned(),
                en: of.en.to_owned(),
                assumed: of.assumed,
            })
            .collect(),
        alarms_more,
    }
}

fn text_of(code: Option<&HospitalCode>) -> String {
    code.map(ToString::to_string).unwrap_or_default()
}

/// What it is, and what more is known.
fn both(words: &str, more: &str, between: &str) -> String {
    if more.is_empty() { words.to_owned() } else { format!("{words}{between}{more}") }
}

fn alarm(of: Alarm) -> wire::Alarm {
    let (zh, en) = of.kind.words();
    wire::Alarm {
        kind: of.kind.word().to_owned(),
        fund: of.fund.map(|fund| fund.word().to_owned()).unwrap_or_default(),
        region: of.region.to_string(),
        hospital_code: text_of(of.hospital.as_ref()),
        reference: of.reference,
        amount_fen: of.amount.get(),
        workdays_late: of.workdays_late.unwrap_or(0),
        assumed: of.assumed,
        why_zh: both(zh, &of.more.0, "："),
        why_en: both(en, &of.more.1, ": "),
    }
}

fn share(of: Share) -> wire::Share {
    let (now, before) = (percent(of.share_e4), percent(of.share_before_e4));
    wire::Share {
        fund: of.fund.word().to_owned(),
        region: of.region.to_string(),
        hospital_code: of.hospital.to_string(),
        granted_fen: of.granted.get(),
        share_e4: of.share_e4,
        share_before_e4: of.share_before_e4,
        why_zh: format!("占该基金支出 {now}，上月 {before}"),
        why_en: format!("{now} of what the fund granted, {before} the month before"),
    }
}

fn line(by: By, key: &Key, amounts: &Amounts) -> wire::FlowLine {
    let fen = |measure| amounts.of(measure).get();
    wire::FlowLine {
        by: by.word().to_owned(),
        fund: key.fund.word().to_owned(),
        region: key.region.map(|region| region.to_string()).unwrap_or_default(),
        hospital_code: text_of(key.hospital.as_ref()),
        class: key.class.clone(),
        care: key.care.map(|care| care.word().to_owned()).unwrap_or_default(),
        opening_fen: fen(Measure::Opening),
        appropriated_fen: fen(Measure::Appropriated),
        returned_fen: fen(Measure::Returned),
        corrected_fen: fen(Measure::Corrected),
        granted_fen: fen(Measure::Granted),
        closing_fen: fen(Measure::Closing),
        owed_before_fen: fen(Measure::OwedBefore),
        granted_to_hospitals_fen: fen(Measure::GrantedToHospitals),
        paid_fen: fen(Measure::Paid),
        withheld_fen: fen(Measure::Withheld),
        advance_used_fen: fen(Measure::AdvanceUsed),
        owed_other_fen: fen(Measure::OwedOther),
        owed_fen: fen(Measure::Owed),
        held_before_fen: fen(Measure::HeldBefore),
        released_fen: fen(Measure::Released),
        kept_fen: fen(Measure::Kept),
        held_other_fen: fen(Measure::HeldOther),
        held_fen: fen(Measure::Held),
        advanced_fen: fen(Measure::Advanced),
        benefits_fen: fen(Measure::Benefits),
        refunded_fen: fen(Measure::Refunded),
        written_off_fen: fen(Measure::WrittenOff),
        treasury_fen: fen(Measure::Treasury),
        granted_last_month_fen: fen(Measure::GrantedLastMonth),
        granted_last_year_fen: fen(Measure::GrantedLastYear),
        paid_last_month_fen: fen(Measure::PaidLastMonth),
        paid_last_year_fen: fen(Measure::PaidLastYear),
        appropriated_last_month_fen: fen(Measure::AppropriatedLastMonth),
    }
}

pub(super) async fn list_entries(
    audit: Audit<'_>,
    message: wire::ListEntriesRequest,
) -> Done<wire::ListEntriesResponse> {
    // Every field by name: one that is added does not compile until it is read.
    let wire::ListEntriesRequest {
        month,
        region,
        hospital_code,
        fund,
        class,
        care,
        which,
        page_size,
        page_token,
    } = message;
    let hospital =
        maybe(&hospital_code, |text| field::id(text, 12, HospitalCode::new), "hospital_code")?;
    let class = maybe(&class, |text| field::plain_text(text, CLASS_LENGTH_MAX), "class")?;
    let most = if page_size == 0 { limits::AUDIT_PAGE_MAX } else { page_size };
    let most = most.min(limits::AUDIT_PAGE_MAX);
    let asked = AskedEntries {
        month: read_month(&month)?,
        region: maybe(&region, field::region, "region")?,
        hospital: hospital.as_ref(),
        fund: maybe_word(&fund, Fund::from_word, "fund")?,
        class: class.as_deref(),
        care: maybe_word(&care, care_of, "care")?,
        which: maybe_word(&which, Which::from_word, "which")?.unwrap_or(Which::All),
        after: place(&page_token)?,
        most,
    };
    let listed = audit.entries(asked).await?;
    let full = u32::try_from(listed.len()).is_ok_and(|count| count == most);
    let last = listed.last().filter(|_| full);
    let next = last.map(|of| format!("{} {}", of.entry.day, of.entry.settlement));
    let entries = listed.into_iter().map(entry).collect();
    Ok(wire::ListEntriesResponse { entries, next_page_token: next.unwrap_or_default() })
}

fn entry(Noted { entry: of, assumed, why }: Noted) -> wire::Entry {
    let id = |of: Option<SettlementId>| of.map(|id| id.to_string()).unwrap_or_default();
    wire::Entry {
        settlement_id: of.settlement.to_string(),
        reverses_settlement_id: id(of.reverses),
        supersedes_settlement_id: id(of.supersedes),
        because_of_settlement_id: id(of.because_of),
        hospital_code: of.hospital.to_string(),
        insured_region: of.region.to_string(),
        scheme: of.scheme.word().to_owned(),
        class: of.class,
        care: of.care.word().to_owned(),
        accounting_day: of.day.to_string(),
        state: of.state.word().to_owned(),
        total_fen: of.total.get(),
        fund_pay_total_fen: of.fund_total.get(),
        fund_fen: of.of_fund.get(),
        out_of_catalogue_fen: of.out_of_catalogue.get(),
        reason: of.reason.unwrap_or_default(),
        assumed: of.assumed,
        assumed_clauses: assumed,
        why_zh: why.0,
        why_en: why.1,
    }
}

// === reading ===

fn read_month(text: &str) -> Done<Month> {
    Ok(Month::parse(text).ok_or(AuditRefusal::MonthUnknown).map_err(AppError::from)?)
}

fn maybe<T>(
    text: &str,
    read: impl Fn(&str) -> Result<T, InvalidReason>,
    field: &'static str,
) -> Result<Option<T>, Invalid> {
    field::optional(text, read).map_err(at(Place::Field(field)))
}

fn word<T>(
    text: &str,
    read: impl Fn(&str) -> Option<T>,
    field: &'static str,
) -> Result<T, Invalid> {
    read(text).ok_or_else(|| Invalid::new(field, InvalidReason::ValueUnknown))
}

fn maybe_word<T>(
    text: &str,
    read: impl Fn(&str) -> Option<T>,
    field: &'static str,
) -> Result<Option<T>, Invalid> {
    if text.is_empty() { Ok(None) } else { word(text, read, field).map(Some) }
}

fn care_of(word: &str) -> Option<Care> {
    [Care::Inpatient, Care::Outpatient, Care::OutpatientChronic]
        .into_iter()
        .find(|care| care.word() == word)
}

/// The day and the id that a list goes on after.
fn place(token: &str) -> Result<Option<(Date, String)>, Invalid> {
    if token.is_empty() {
        return Ok(None);
    }
    let parts = token.split_once(' ');
    let parsed = parts.and_then(|(day, id)| Some((day.parse().ok()?, id.to_owned())));
    parsed.map(Some).ok_or_else(|| Invalid::new("page_token", InvalidReason::ValueUnknown))
}
