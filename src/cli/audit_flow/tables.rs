//! A month as tables: for a terminal, for a workbook, and as one table of all lines for programs.

use crate::domain::audit::Measure;
use crate::domain::finance::Fund;
use crate::domain::money::Fen;
use crate::door::wire::audit::v1 as wire;
use crate::statement::table::{Cell, Column, Holds, Table};

/// What a terminal has room for.
const ON_PAPER: [Measure; 8] = [
    Measure::Opening,
    Measure::Appropriated,
    Measure::Granted,
    Measure::Closing,
    Measure::OwedBefore,
    Measure::Paid,
    Measure::Withheld,
    Measure::Owed,
];

/// A fund's name in both languages.
pub(super) fn fund_words(word: &str) -> String {
    Fund::from_word(word).map_or_else(|| word.to_owned(), |fund| format!("{} {word}", fund.zh()))
}

/// An amount of a line.
pub(super) fn fen(line: &wire::FlowLine, measure: Measure) -> Fen {
    Fen::new(match measure {
        Measure::Opening => line.opening_fen,
        Measure::Appropriated => line.appropriated_fen,
        Measure::Returned => line.returned_fen,
        Measure::Corrected => line.corrected_fen,
        Measure::Granted => line.granted_fen,
        Measure::Closing => line.closing_fen,
        Measure::OwedBefore => line.owed_before_fen,
        Measure::GrantedToHospitals => line.granted_to_hospitals_fen,
        Measure::Paid => line.paid_fen,
        Measure::Withheld => line.withheld_fen,
        Measure::AdvanceUsed => line.advance_used_fen,
        Measure::OwedOther => line.owed_other_fen,
        Measure::Owed => line.owed_fen,
        Measure::HeldBefore => line.held_before_fen,
        Measure::Released => line.released_fen,
        Measure::Kept => line.kept_fen,
        Measure::HeldOther => line.held_other_fen,
        Measure::Held => line.held_fen,
        Measure::Advanced => line.advanced_fen,
        Measure::Benefits => line.benefits_fen,
        Measure::Refunded => line.refunded_fen,
        Measure::WrittenOff => line.written_off_fen,
        Measure::Treasury => line.treasury_fen,
        Measure::GrantedLastMonth => line.granted_last_month_fen,
        Measure::GrantedLastYear => line.granted_last_year_fen,
        Measure::PaidLastMonth => line.paid_last_month_fen,
        Measure::PaidLastYear => line.paid_last_year_fen,
        Measure::AppropriatedLastMonth => line.appropriated_last_month_fen,
    })
}

/// For a terminal: alarms first.
pub(super) fn paper(flow: &wire::FundFlow) -> Vec<String> {
    let region = if flow.region.is_empty() { "-" } else { &flow.region };
    let mut lines = vec![format!(
        "{} {region}，截至 as of {}：{} 笔 entries，撤销 reversals {}，推定参数 assumed {}（{}），总费用 charges {}",
        flow.month,
        flow.as_of,
        flow.entries,
        flow.reversals,
        flow.assumed,
        Fen::new(flow.assumed_granted_fen),
        Fen::new(flow.charged_fen)
    )];
    if flow.alarms.is_empty() {
        // Of a region that does not exist nothing is amiss either: nobody is to take it for theirs.
        let said = if flow.entries != 0 || !flow.lines.is_empty() {
            "未发现滞留、截留、挪用 nothing held back, intercepted or diverted"
        } else if flow.region.is_empty() {
            "账上没有这个月的任何一笔 nothing of this month is in the books"
        } else {
            "账上没有这个月、这个参保地的任何一笔，请核对编码 nothing of this month and region is in the books: is the code right?"
        };
        lines.push(said.to_owned());
    }
    for of in &flow.alarms {
        let late = if of.workdays_late == 0 {
            String::new()
        } else {
            format!("，迟 {0} 个工作日 {0} working days late", of.workdays_late)
        };
        let assumed = if of.assumed { "（推定 assumed）" } else { "" };
        let wire::Alarm { region, hospital_code, reference, why_zh, why_en, .. } = of;
        let (amount, fund) = (Fen::new(of.amount_fen), &of.fund);
        lines.push(format!("!! {amount}\t{region} {hospital_code} {fund} {reference}{late}{assumed}\t{why_zh}\t{why_en}"));
    }
    if 0 < flow.alarms_more {
        lines.push(format!("!! 另有至少 {0} 项 and at least {0} more", flow.alarms_more));
    }
    for of in &flow.shares {
        let wire::Share { region, hospital_code, fund, why_zh, why_en, .. } = of;
        let granted = Fen::new(of.granted_fen);
        lines.push(format!("?? {granted}\t{region} {hospital_code} {fund}\t{why_zh}\t{why_en}"));
    }
    let head = ON_PAPER.map(|measure| format!("{} {}", measure.zh(), measure.en()));
    lines.push(format!("基金 fund\t{}", head.join("\t")));
    for line in &flow.lines {
        let wire::FlowLine { region, hospital_code, class, care, .. } = line;
        let of = [&fund_words(&line.fund), region, hospital_code, class, care];
        let of: Vec<&str> =
            of.iter().map(|text| text.as_str()).filter(|text| !text.is_empty()).collect();
        let amounts = ON_PAPER.map(|measure| fen(line, measure).to_string());
        lines.push(format!("{}\t{}", of.join(" "), amounts.join("\t")));
    }
    for of in &flow.thresholds {
        lines.push(format!("# {} / {}", of.zh, of.en));
    }
    lines
}

fn text(word: &str, title: &str) -> Column {
    Column { word: word.to_owned(), title: title.to_owned(), holds: Holds::Text }
}

fn keys() -> Vec<Column> {
    vec![
        text("by", "细分 by"),
        text("fund", "基金 fund"),
        text("region", "参保地 region"),
        text("hospital_code", "医院 hospital"),
        text("class", "救助类别 class"),
        text("care", "救助方式 kind of care"),
    ]
}

fn measure(measure: Measure) -> Column {
    let title = format!("{} {}", measure.zh(), measure.en());
    Column { word: measure.word().to_owned(), title, holds: Holds::Yuan }
}

fn row(line: &wire::FlowLine) -> Vec<Cell> {
    let wire::FlowLine { by, fund, region, hospital_code, class, care, .. } = line;
    let texts = [by, fund, region, hospital_code, class, care];
    let texts = texts.into_iter().map(|text| Cell::Text(text.clone()));
    texts.chain(Measure::ALL.map(|measure| Cell::Yuan(fen(line, measure)))).collect()
}

/// All lines as one table.
pub(super) fn lines(flow: &wire::FundFlow) -> Table {
    let columns = keys().into_iter().chain(Measure::ALL.map(measure)).collect();
    Table { name: flow.month.clone(), columns, rows: flow.lines.iter().map(row).collect() }
}

/// A sheet for each breakdown, behind what must be seen first.
pub(super) fn sheets(flow: &wire::FundFlow) -> Vec<Table> {
    let mut sheets = vec![summary(flow), alarms(flow), shares(flow)];
    let names = [
        ("fund", "基金 fund"),
        ("region", "地区 region"),
        ("hospital", "医院 hospital"),
        ("class", "救助类别 class"),
        ("care", "救助方式 care"),
        ("detail", "明细 detail"),
    ];
    for (by, name) in names {
        let of: Vec<_> = flow.lines.iter().filter(|line| line.by == by).map(row).collect();
        if of.is_empty() {
            continue;
        }
        let mut columns: Vec<Column> =
            keys().into_iter().chain(Measure::ALL.map(measure)).collect();
        // What is held or owed is of a fund, and told apart only so far.
        if ["fund", "region"].contains(&by) {
            columns.extend(checks());
        }
        sheets.push(Table { name: name.to_owned(), columns, rows: of });
    }
    sheets
}

/// The sums of the contract, to be added up again by whoever opens the workbook.
fn checks() -> [Column; 3] {
    let check = |word: &str, title: &str, plus: Vec<&'static str>, minus: Vec<&'static str>| {
        let holds = Holds::Check { plus, minus };
        Column { word: word.to_owned(), title: title.to_owned(), holds }
    };
    [
        check(
            "check_closing",
            "结余校验（应为零）closing check",
            vec!["opening", "appropriated", "returned", "corrected"],
            vec!["granted", "closing"],
        ),
        check(
            "check_owed",
            "应付校验（应为零）owed check",
            vec!["owed_before", "granted_to_hospitals", "owed_other"],
            vec!["paid", "withheld", "advance_used", "owed"],
        ),
        check(
            "check_held",
            "质保金校验（应为零）deposit check",
            vec!["held_before", "withheld", "held_other"],
            vec!["released", "kept", "held"],
        ),
    ]
}

fn summary(flow: &wire::FundFlow) -> Table {
    let both = |what: &str, value: String| vec![Cell::Text(what.to_owned()), Cell::Text(value)];
    let yuan = |fen| Fen::new(fen).to_string();
    let mut rows = vec![
        both("月份 month", flow.month.clone()),
        both("地区 region", flow.region.clone()),
        both("截至 as of", flow.as_of.clone()),
        both("结算及撤销笔数 entries", flow.entries.to_string()),
        both("其中撤销 reversals", flow.reversals.to_string()),
        both("使用推定参数 assumed", flow.assumed.to_string()),
        both("其基金支付 granted by those", yuan(flow.assumed_granted_fen)),
        both("总费用 charges", yuan(flow.charged_fen)),
        both("未列出的滞留截留挪用项 alarms not listed", flow.alarms_more.to_string()),
    ];
    let thresholds = flow.thresholds.iter();
    rows.extend(thresholds.map(|of| both(&of.word, format!("{} / {}", of.zh, of.en))));
    let columns = vec![text("what", "项目 what"), text("value", "内容 value")];
    Table { name: "概要 summary".to_owned(), columns, rows }
}

fn alarms(flow: &wire::FundFlow) -> Table {
    let amount =
        Column { word: "amount".to_owned(), title: "金额 amount".to_owned(), holds: Holds::Yuan };
    let columns = vec![
        text("kind", "类型 kind"),
        text("fund", "基金 fund"),
        text("region", "地区 region"),
        text("hospital_code", "医院 hospital"),
        text("reference", "单据 reference"),
        amount,
        text("workdays_late", "迟延工作日 working days late"),
        text("assumed", "推定 assumed"),
        text("why_zh", "原因"),
        text("why_en", "why"),
    ];
    let rows = flow.alarms.iter().map(|of| {
        let text = |text: &str| Cell::Text(text.to_owned());
        vec![
            text(&of.kind),
            text(&of.fund),
            text(&of.region),
            text(&of.hospital_code),
            text(&of.reference),
            Cell::Yuan(Fen::new(of.amount_fen)),
            text(&of.workdays_late.to_string()),
            text(if of.assumed { "推定 assumed" } else { "" }),
            text(&of.why_zh),
            text(&of.why_en),
        ]
    });
    Table { name: "滞留截留挪用 alarms".to_owned(), columns, rows: rows.collect() }
}

fn shares(flow: &wire::FundFlow) -> Table {
    let columns = vec![
        text("fund", "基金 fund"),
        text("region", "地区 region"),
        text("hospital_code", "医院 hospital"),
        measure(Measure::Granted),
        text("why_zh", "原因"),
        text("why_en", "why"),
    ];
    let rows = flow.shares.iter().map(|of| {
        let text = |text: &str| Cell::Text(text.to_owned());
        vec![
            text(&of.fund),
            text(&of.region),
            text(&of.hospital_code),
            Cell::Yuan(Fen::new(of.granted_fen)),
            text(&of.why_zh),
            text(&of.why_en),
        ]
    });
    Table { name: "占比异常 shares".to_owned(), columns, rows: rows.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_books_is_not_nothing_amiss() {
        let told = |region: &str, entries| {
            let region = region.to_owned();
            paper(&wire::FundFlow { region, entries, ..wire::FundFlow::default() }).join("\n")
        };
        assert!(told("", 3).contains("nothing held back"));
        // Nobody gave a code that could be wrong.
        let all = told("", 0);
        assert!(all.contains("nothing of this month is in the books") && !all.contains("code"));
        assert!(told("990000", 0).contains("is the code right?"));
    }
}
