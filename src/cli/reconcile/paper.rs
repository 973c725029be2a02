//! What reconciling says on a terminal: for people, or as JSON a line.
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::{Bar, Shape, out};
use crate::app::{
    Carried, Difference, DifferenceEvent, Progress, Reconciled, Statement, Step, Total,
};
use crate::domain::money::Fen;
use crate::domain::reconcile::{Amounts, Class, Field, Scope, Sum, explanation_words};
use crate::domain::standing::Scheme;

/// Shows how far a step is; a new step has a bar of its own.
pub(super) fn shown(bars: &Mutex<Option<(Step, Bar)>>, progress: Progress) {
    let Progress { step, done, of } = progress;
    let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
    if bars.as_ref().is_none_or(|(shown, _)| *shown != step) {
        let what = match step {
            Step::Survey => "通读 survey",
            Step::Take => "导入 take",
            Step::Fence => "等待封账（秒） fence, seconds",
            Step::Match => "比对 match",
            Step::Explain => "解释 explain",
            Step::Write => "写出 write",
        };
        if let Some((_, before)) = bars.take() {
            before.clear();
        }
        *bars = Some((step, Bar::new(what, of.unwrap_or(0))));
    }
    if let Some((_, bar)) = bars.as_ref() {
        bar.at(done);
    }
}

pub(super) fn totals(totals: &[Total], shape: Shape) {
    if shape == Shape::Text {
        out::line(
            "机构 hospital\t险种 scheme\t类型 type\t经办 agency\t撤销 refund\t笔数 rows\t总额 total\t基金 fund\t账户 account\t各基金 each fund",
        );
    }
    for total in totals {
        let Total { hospital, scheme, clearing_type, clearing_agency, refund, sum, funds } = total;
        let Amounts([all, fund, account]) = sum.amounts;
        let rows = sum.rows;
        match shape {
            Shape::Text => {
                let scheme = scheme.word();
                let refund = if *refund { 1 } else { 0 };
                let funds: Vec<String> =
                    funds.iter().map(|(payer, fen)| format!("{payer}={fen}")).collect();
                let funds = funds.join(" ");
                out::line(&format!(
                    "{hospital}\t{scheme}\t{clearing_type}\t{clearing_agency}\t{refund}\t{rows}\t{all}\t{fund}\t{account}\t{funds}"
                ));
            }
            Shape::Json => out::line(
                &json!({
                    "hospital": hospital.as_str(), "scheme": scheme.word(), "clearing_type": clearing_type,
                    "clearing_agency": clearing_agency, "refund": refund, "rows": rows,
                    "medfee_sumamt": all.to_string(), "fund_pay_sumamt": fund.to_string(),
                    "acct_pay": account.to_string(), "funds": by_fund(funds),
                })
                .to_string(),
            ),
        }
    }
}

fn by_fund(funds: &[(String, Fen)]) -> serde_json::Map<String, serde_json::Value> {
    funds.iter().map(|(payer, fen)| (payer.clone(), json!(fen.to_string()))).collect()
}

/// A line for each statement.
/// The head of a list of statements.
pub(super) fn statements_head(shape: Shape) {
    if shape == Shape::Text {
        out::line(
            "对账单 statement\t起 from\t止 to\t状态 state\t范围 scope\t行 rows\t差异 differences\t坏行 bad\t发送 sender\t已被取代 superseded by",
        );
    }
}

pub(super) fn statements(statements: &[Statement], shape: Shape) {
    for statement in statements {
        let Statement { key, scope, sender, file_rows, differences, rows_bad, state, .. } =
            statement;
        let (first, last, state) = (scope.first_day, scope.last_day, state.word());
        let by = statement.superseded_by.map(|key| key.to_string());
        match shape {
            Shape::Text => {
                let (named, by) = (named(scope), by.unwrap_or_default());
                out::line(&format!(
                    "{key}\t{first}\t{last}\t{state}\t{named}\t{file_rows}\t{differences}\t{rows_bad}\t{sender}\t{by}"
                ));
            }
            Shape::Json => out::line(
                &json!({
                    "statement": key, "state": state, "sender": sender, "scope": named(scope), "first_day": first,
                    "last_day": last, "rows": file_rows, "rows_bad": rows_bad, "differences": differences,
                    "superseded_by": statement.superseded_by,
                })
                .to_string(),
            ),
        }
    }
}

/// Whatever a scope names, its days apart.
fn named(scope: &Scope) -> String {
    let parts = [
        scope.hospital.as_ref().map(ToString::to_string),
        scope.region.map(|region| region.to_string()),
        scope.scheme.map(|scheme| Scheme::word(scheme).to_owned()),
        scope.clearing_type.clone(),
        scope.clearing_agency.clone(),
        scope.payer.clone(),
        scope.refund.map(|refund| format!("refund={refund}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(" ")
}

pub(super) const DIFFERENCES: &str = "差异 no.\t类别 class\t结算 settlement\t我方基金 our fund\t对方基金 their fund\t原因 why\t明细 detail\t最近 last\t何人 by\t何时 at\t金额 moved";

/// A line for a difference, beginning with its number.
pub(super) fn difference(difference: &Difference) {
    let (zh, en) = difference.class.words();
    let fund = |has: bool, amounts: &Amounts| {
        if has { amounts.get(Field::Fund).to_string() } else { String::new() }
    };
    let (why, _) = explanation_words(&difference.explanation).unwrap_or_default();
    let last = difference.last.as_ref().map_or_else(
        || "\t\t\t".to_owned(),
        |last| format!("{}\t{}\t{}\t{}", last.event, last.by, last.at, last.moved),
    );
    out::line(&format!(
        "{}\t{zh} {en}\t{}\t{}\t{}\t{why} {}\t{}\t{last}",
        difference.number,
        difference.settlement,
        fund(difference.has_ours, &difference.our_amounts),
        fund(difference.has_theirs, &difference.their_amounts),
        difference.explanation,
        difference.detail,
    ));
}

/// A line for a difference that was carried.
pub(super) fn carried(carried: &Carried) {
    let (zh, en) = carried.class.words();
    let Carried { statement, number, class: _, settlement, day } = carried;
    out::line(&format!("{day}\t{statement}\t{number}\t{zh} {en}\t{settlement}"));
}

/// A line for each thing that happened.
pub(super) fn events(events: &[DifferenceEvent]) {
    out::line(
        "结算日 day\t对账单 statement\t差异 no.\t何时 at\t事项 event\t何人 by\t提出人 proposed by\t金额 moved\t说明 why",
    );
    for event in events {
        let DifferenceEvent { statement, number, day, at, by, moved, .. } = event;
        let proposed = event.proposed_by.as_deref().unwrap_or_default();
        let why = [&event.reason, &event.explanation, &event.detail];
        let why: Vec<&str> =
            why.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let (what, why) = (&event.event, why.join(" "));
        out::line(&format!(
            "{day}\t{statement}\t{number}\t{at}\t{what}\t{by}\t{proposed}\t{moved}\t{why}"
        ));
    }
}

pub(super) fn report(reconciled: &Reconciled, shape: Shape) {
    match shape {
        Shape::Text => print_text(reconciled),
        Shape::Json => out::line(&as_json(reconciled).to_string()),
    }
}

fn print_text(reconciled: &Reconciled) {
    let Reconciled { statement, report, explanations, bad_rows, totals_agree } = reconciled;
    let scope = &statement.scope;
    out::line(&format!(
        "对账单 statement {} {}…{}: {} ({}), {} 行 rows, {} 差异 differences, {} 坏行 bad rows",
        statement.key,
        scope.first_day,
        scope.last_day,
        statement.state.word(),
        statement.sender,
        statement.file_rows,
        statement.differences,
        statement.rows_bad,
    ));
    if let Some(by) = statement.superseded_by {
        out::line(&format!("该日已由对账单 {by} 关账 the days are closed by statement {by}"));
    }
    if !statement.although.is_empty() {
        out::line(&format!("有瑕疵仍关账 closed although: {}", statement.although));
    }
    if !totals_agree {
        out::line("总额与明细不符 the totals beside the file are not those of its rows");
    }
    out::line(
        "类别 class\t我方笔数 ours\t对方笔数 theirs\t我方−对方 ours less theirs: 总额 total\t基金 fund\t账户 account",
    );
    for class in Class::ALL {
        let total = report.class(class);
        let (zh, en) = class.words();
        let by = total.ours.amounts.less(&total.theirs.amounts);
        let by = by.map_or_else(|| "?".to_owned(), |by| by.0.map(|fen| fen.to_string()).join("\t"));
        out::line(&format!("{zh} {en}\t{}\t{}\t{by}", total.ours.rows, total.theirs.rows));
    }
    for (word, count) in explanations {
        let (zh, en) = explanation_words(word).unwrap_or_default();
        out::line(&format!("{zh} {en}\t{count}"));
    }
    if let Some(share) = reconciled.unexplained_per_10_000() {
        let (whole, rest) = (share.div_euclid(100), share.rem_euclid(100));
        out::line(&format!("无法解释占比 not explainable\t{whole}.{rest:02} %"));
    }
    for (line, reason, column) in bad_rows {
        out::line(&format!("第 {line} 行 line\t{reason}\t{column}"));
    }
}

fn as_json(reconciled: &Reconciled) -> serde_json::Value {
    let Reconciled { statement, report, explanations, bad_rows, totals_agree } = reconciled;
    let classes = Class::ALL.map(|class| {
        let total = report.class(class);
        let side = |sum: Sum| {
            let fields = Field::ALL
                .map(|field| (field.word().to_owned(), json!(sum.amounts.get(field).to_string())));
            let mut side: serde_json::Map<_, _> = fields.into_iter().collect();
            side.insert("rows".to_owned(), json!(sum.rows));
            side
        };
        json!({ "class": class.word(), "ours": side(total.ours), "theirs": side(total.theirs) })
    });
    let explanations: serde_json::Map<_, _> =
        explanations.iter().map(|(word, count)| (word.clone(), json!(count))).collect();
    let bad_rows: Vec<_> = bad_rows
        .iter()
        .map(|(line, reason, column)| json!({ "line": line, "reason": reason, "column": column }))
        .collect();
    json!({
        "statement": statement.key, "state": statement.state.word(), "sender": statement.sender,
        "first_day": statement.scope.first_day, "last_day": statement.scope.last_day,
        "rows": statement.file_rows, "rows_durable": statement.rows_durable, "rows_bad": statement.rows_bad,
        "differences": statement.differences, "explained": statement.explained, "totals_agree": totals_agree,
        "classes": classes, "explanations": explanations, "bad_rows": bad_rows,
        "unexplained_per_10_000": reconciled.unexplained_per_10_000(),
        "superseded_by": statement.superseded_by, "although": statement.although,
    })
}
