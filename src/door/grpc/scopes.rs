//! Reconciliation's messages: scopes and sums to what the shell takes, and what it says to messages.

use jiff::Timestamp;

use super::super::wire::reconciliation::v1 as wire;
use crate::app::{
    Carried, Difference, DifferenceEvent, Latest, Progress, Reconciled, ResultFormat, ResultOf,
    Statement, StatementState, Statements, Step, Total,
};
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::money::Fen;
use crate::domain::reconcile::{Amounts, Class, Encoding, Scope, Side, Sum, Told, told};
use crate::domain::standing::Scheme;
use crate::door::field::{Invalid, InvalidReason, Place, at, date, id, optional, plain_text};
use crate::limits;

/// A scope, or the field that does not fit.
pub(super) fn scope(scope: Option<wire::Scope>) -> Result<Scope, Invalid> {
    let missing = || at(Place::Field("scope"))(InvalidReason::Missing);
    let wire::Scope {
        hospital_code,
        insured_region,
        scheme,
        clearing_type,
        clearing_agency,
        payer,
        first_day,
        last_day,
    } = scope.ok_or_else(missing)?;
    let text = |text: &str, place: &'static str| {
        optional(text, |text| plain_text(text, limits::SCOPE_TEXT_LENGTH_MAX))
            .map_err(at(Place::Field(place)))
    };
    let hospital = |text: &str| id(text, HospitalCode::LENGTH_MAX, HospitalCode::new);
    let region = |text: &str| RegionCode::new(text).ok_or(InvalidReason::ValueUnknown);
    let word = |text: &str| Scheme::from_word(text).ok_or(InvalidReason::ValueUnknown);
    let first = date(&first_day).map_err(at(Place::Field("scope.first_day")))?;
    let last = date(&last_day).map_err(at(Place::Field("scope.last_day")))?;
    if last < first {
        return Err(at(Place::Field("scope.last_day"))(InvalidReason::OutOfRange));
    }
    let scheme = optional(&scheme, word).map_err(at(Place::Field("scope.scheme")))?;
    Ok(Scope {
        hospital: optional(&hospital_code, hospital)
            .map_err(at(Place::Field("scope.hospital_code")))?,
        region: optional(&insured_region, region)
            .map_err(at(Place::Field("scope.insured_region")))?,
        scheme,
        clearing_type: text(&clearing_type, "scope.clearing_type")?,
        clearing_agency: text(&clearing_agency, "scope.clearing_agency")?,
        payer: text(&payer, "scope.payer")?,
        refund: None,
        first_day: first,
        last_day: last,
    })
}

/// Which statements are listed, and which page of them.
pub(super) fn latest(request: wire::ListStatementsRequest) -> Result<Latest, Invalid> {
    let wire::ListStatementsRequest {
        hospital_code,
        insured_region,
        scheme,
        payer,
        day,
        state,
        page_size,
        page_token,
    } = request;
    let hospital = |text: &str| id(text, HospitalCode::LENGTH_MAX, HospitalCode::new);
    let region = |text: &str| RegionCode::new(text).ok_or(InvalidReason::ValueUnknown);
    let word = |text: &str| Scheme::from_word(text).ok_or(InvalidReason::ValueUnknown);
    let of = |text: &str| StatementState::from_word(text).ok_or(InvalidReason::ValueUnknown);
    let name = |text: &str| plain_text(text, limits::SCOPE_TEXT_LENGTH_MAX);
    let place = |text: &str| place_of(text).ok_or(InvalidReason::ValueUnknown);
    Ok(Latest {
        hospital: optional(&hospital_code, hospital).map_err(at(Place::Field("hospital_code")))?,
        region: optional(&insured_region, region).map_err(at(Place::Field("insured_region")))?,
        scheme: optional(&scheme, word).map_err(at(Place::Field("scheme")))?,
        payer: optional(&payer, name).map_err(at(Place::Field("payer")))?,
        day: optional(&day, date).map_err(at(Place::Field("day")))?,
        state: optional(&state, of).map_err(at(Place::Field("state")))?,
        after: optional(&page_token, place).map_err(at(Place::Field("page_token")))?,
        most: Some(page_size),
    })
}

/// When the last one of a page came, and its key.
fn place_of(token: &str) -> Option<(Timestamp, i64)> {
    let (at_us, key) = token.split_once('-')?;
    Some((Timestamp::from_microsecond(at_us.parse().ok()?).ok()?, key.parse().ok()?))
}

/// A page of statements.
pub(super) fn statements(page: &Statements) -> wire::ListStatementsResponse {
    let Statements { listed, next } = page;
    let token = |(at, key): (Timestamp, i64)| format!("{}-{key}", at.as_microsecond());
    wire::ListStatementsResponse {
        statements: listed.iter().map(statement).collect(),
        next_page_token: next.map(token).unwrap_or_default(),
    }
}

fn statement(statement: &Statement) -> wire::ListedStatement {
    let (closed_by, closed_at) = match &statement.closed {
        Some((by, at)) => (by.clone(), at.to_string()),
        None => (String::new(), String::new()),
    };
    wire::ListedStatement {
        statement_id: statement.key.to_string(),
        scope: Some(scope_of(&statement.scope)),
        state: statement.state.word().to_owned(),
        file_rows: statement.file_rows,
        rows_bad: statement.rows_bad,
        differences: statement.differences,
        explained: statement.explained,
        received_at: statement.received_at.to_string(),
        closed_by,
        closed_at,
        superseded_by: statement.superseded_by.map(|key| key.to_string()).unwrap_or_default(),
    }
}

fn scope_of(scope: &Scope) -> wire::Scope {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    wire::Scope {
        hospital_code: scope.hospital.as_ref().map(ToString::to_string).unwrap_or_default(),
        insured_region: scope.region.map(|region| region.to_string()).unwrap_or_default(),
        scheme: scope.scheme.map(Scheme::word).unwrap_or_default().to_owned(),
        clearing_type: text(&scope.clearing_type),
        clearing_agency: text(&scope.clearing_agency),
        payer: text(&scope.payer),
        first_day: scope.first_day.to_string(),
        last_day: scope.last_day.to_string(),
    }
}

/// As what a result is wanted.
pub(super) fn result_of(message: &wire::WriteResultRequest) -> Result<ResultOf, Invalid> {
    let format = match message.format() {
        wire::ResultFormat::Zip => ResultFormat::Packed,
        wire::ResultFormat::Csv => ResultFormat::Csv,
        wire::ResultFormat::Xlsx => ResultFormat::Xlsx,
        wire::ResultFormat::Parquet => ResultFormat::Parquet,
        wire::ResultFormat::Unspecified => {
            return Err(at(Place::Field("format"))(InvalidReason::Missing));
        }
    };
    let encoding = if message.long_codes { Encoding::Long } else { Encoding::Short };
    Ok(ResultOf { format, encoding })
}

/// The number of a statement.
pub(super) fn key(text: &str) -> Result<i64, Invalid> {
    let plain = text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if plain { text.parse().ok() } else { None };
    number.ok_or_else(|| Invalid::unknown("statement_id"))
}

/// A sum of theirs.
pub(super) fn sum(sum: &wire::Sum) -> Result<Sum, Invalid> {
    let wire::Sum { rows, total_fen, fund_fen, account_fen } = *sum;
    // Sums of a hundred million of the largest bills fit.
    let unfit = [total_fen, fund_fen, account_fen]
        .into_iter()
        .any(|fen| limits::SUM_FEN_MAX < fen.saturating_abs());
    if unfit || limits::STATEMENT_ROWS_MAX < rows {
        return Err(at(Place::Field("sum"))(InvalidReason::OutOfRange));
    }
    let amounts = Amounts::new(Fen::new(total_fen), Fen::new(fund_fen), Fen::new(account_fen));
    Ok(Sum { rows, amounts })
}

/// The groups of a scope.
pub(super) fn totals(totals: &[Total], told: Option<Told>) -> wire::GetTotalsResponse {
    let groups = totals.iter().map(|total| wire::GroupTotal {
        hospital_code: total.hospital.to_string(),
        scheme: total.scheme.word().to_owned(),
        clearing_type: total.clearing_type.clone(),
        clearing_agency: total.clearing_agency.clone(),
        refund: total.refund,
        sum: Some(of(&total.sum)),
        funds: total.funds.iter().map(fund).collect(),
    });
    let code = |encoding| told.map_or("", |told| told.code(encoding)).to_owned();
    wire::GetTotalsResponse {
        groups: groups.collect(),
        result: code(Encoding::Short),
        result_long: code(Encoding::Long),
    }
}

fn fund((payer, pay): &(String, Fen)) -> wire::FundTotal {
    wire::FundTotal { payer: payer.clone(), pay_fen: pay.get() }
}

/// How far it is.
pub(super) fn progress(progress: Progress) -> wire::Progress {
    let Progress { step, done, of } = progress;
    let step = match step {
        Step::Survey => "survey",
        Step::Take => "take",
        Step::Fence => "fence",
        Step::Match => "match",
        Step::Explain => "explain",
        Step::Write => "write",
    };
    wire::Progress { step: step.to_owned(), done, of: of.unwrap_or(0) }
}

/// What came of a statement.
pub(super) fn report(reconciled: &Reconciled) -> wire::Report {
    let Reconciled { statement, report, explanations, bad_rows, totals_agree } = reconciled;
    let classes = Class::ALL.map(|class| {
        let total = report.class(class);
        let (ours, theirs) = (Some(of(&total.ours)), Some(of(&total.theirs)));
        wire::ClassTotal { class: class.word().to_owned(), ours, theirs }
    });
    let explanations = explanations.iter().map(|(explanation, differences)| {
        wire::ExplanationCount { explanation: explanation.clone(), differences: *differences }
    });
    let bad_rows = bad_rows.iter().map(|(line, reason, column)| wire::BadRow {
        line: *line,
        reason: reason.clone(),
        column: column.clone(),
    });
    wire::Report {
        statement_id: statement.key.to_string(),
        scope: Some(scope_of(&statement.scope)),
        state: statement.state.word().to_owned(),
        file_rows: statement.file_rows,
        rows_durable: statement.rows_durable,
        rows_bad: statement.rows_bad,
        differences: statement.differences,
        explained: statement.explained,
        totals_agree: *totals_agree,
        classes: classes.into(),
        explanations: explanations.collect(),
        unexplained_per_10_000: reconciled.unexplained_per_10_000().unwrap_or(0),
        // As many as fit into an answer with room to spare; all are in the export.
        bad_rows: bad_rows.take(limits::BAD_ROWS_TOLD_MAX).collect(),
        superseded_by: statement.superseded_by.map(|key| key.to_string()).unwrap_or_default(),
        although: statement.although.clone(),
    }
}

/// A difference.
pub(super) fn difference(difference: &Difference) -> wire::Difference {
    let has = if difference.has_ours { Side::Ours } else { Side::Theirs };
    let result = told(difference.class, has);
    let last = difference.last.as_ref();
    let one = |has: bool, amounts: &Amounts| has.then(|| of(&Sum { rows: 1, amounts: *amounts }));
    wire::Difference {
        number: difference.number,
        class: difference.class.word().to_owned(),
        settlement_id: difference.settlement.to_string(),
        stay_id: difference.stay.clone().unwrap_or_default(),
        request_id: difference.request.clone().unwrap_or_default(),
        line: difference.line,
        refund: difference.refund,
        ours: one(difference.ours.is_some(), &difference.our_amounts),
        theirs: one(difference.has_theirs, &difference.their_amounts),
        our_day: difference.our_day.map(|day| day.to_string()).unwrap_or_default(),
        explanation: difference.explanation.clone(),
        detail: difference.detail.clone(),
        event: last.map(|last| last.event.clone()).unwrap_or_default(),
        result: result.code(Encoding::Short).to_owned(),
        result_long: result.code(Encoding::Long).to_owned(),
        ours_counts: difference.has_ours,
        event_by: last.map(|last| last.by.clone()).unwrap_or_default(),
        event_at: last.map(|last| last.at.to_string()).unwrap_or_default(),
        event_reason: last.map(|last| last.reason.clone()).unwrap_or_default(),
        moved_fen: last.map_or(0, |last| last.moved.get()),
    }
}

/// Something that happened to a difference.
pub(super) fn event(event: &DifferenceEvent) -> wire::DifferenceEvent {
    let DifferenceEvent { statement, number, day, class, .. } = event;
    wire::DifferenceEvent {
        statement_id: statement.to_string(),
        number: *number,
        day: day.to_string(),
        class: class.word().to_owned(),
        event: event.event.clone(),
        explanation: event.explanation.clone(),
        detail: event.detail.clone(),
        reason: event.reason.clone(),
        moved_fen: event.moved.get(),
        proposed_by: event.proposed_by.clone().unwrap_or_default(),
        by: event.by.clone(),
        at: event.at.to_string(),
    }
}

/// A difference that was carried.
pub(super) fn carried(carried: &Carried) -> wire::CarriedDifference {
    let Carried { statement, number, class, settlement, day } = carried;
    wire::CarriedDifference {
        statement_id: statement.to_string(),
        number: *number,
        day: day.to_string(),
        class: class.word().to_owned(),
        settlement_id: settlement.to_string(),
    }
}

fn of(sum: &Sum) -> wire::Sum {
    let [total_fen, fund_fen, account_fen] = sum.amounts.0.map(Fen::get);
    wire::Sum { rows: sum.rows, total_fen, fund_fen, account_fen }
}
