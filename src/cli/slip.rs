//! The slip: what a billing desk prints and a patient takes home. Fixed width, Chinese or English, or one after the other.
//!
//! It shows figures and never computes any but the two groupings' sums. An assumed figure always shows as assumed.
use crate::door::wire::settlement::v1::{
    Bill, Breakdown, LayerPay, Notice, PackageReference, PayerKind, Quoted, Settlement,
    SettlementState, Source, SourceGrade, Step,
};

mod names;
pub(super) mod paper;

pub use paper::yuan;
use paper::{Paper, fill, fill_left};

/// In which languages to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// Chinese.
    Zh,
    /// English.
    En,
    /// Chinese, then English.
    Both,
}

/// What a slip is about.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// What would be paid now; nothing is recorded.
    Quoted(&'a Quoted),
    /// What is recorded; the flag says that it is the answer to a repeated request, and the notices are what is said beside it.
    Settlement(&'a Settlement, bool, &'a [Notice]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tongue {
    Zh,
    En,
}

const LABEL_WIDTH: usize = 18;
const MONEY_WIDTH: usize = 15;
const NAME_WIDTH: usize = 33;

impl Tongue {
    const fn say<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Tongue::Zh => zh,
            Tongue::En => en,
        }
    }
}

/// The slip as text. `bill` adds to a quote what it does not say itself, such as the days of the stay.
pub fn print(subject: Subject<'_>, bill: Option<&Bill>, lang: Lang) -> String {
    match lang {
        Lang::Zh => one(subject, bill, Tongue::Zh),
        Lang::En => one(subject, bill, Tongue::En),
        Lang::Both => {
            format!("{}\n{}", one(subject, bill, Tongue::Zh), one(subject, bill, Tongue::En))
        }
    }
}

fn one(subject: Subject<'_>, bill: Option<&Bill>, tongue: Tongue) -> String {
    let mut paper = Paper::default();
    head(&mut paper, subject, bill, tongue);
    let breakdown = match subject {
        Subject::Quoted(quoted) => quoted.breakdown.as_ref(),
        Subject::Settlement(settlement, ..) => settlement.breakdown.as_ref(),
    };
    if let Some(breakdown) = breakdown {
        package(&mut paper, breakdown.package.as_ref(), tongue);
        identities(&mut paper, &breakdown.identities_used, tongue);
        amounts(&mut paper, breakdown, tongue);
        layers(&mut paper, breakdown, tongue);
        owed(&mut paper, subject, breakdown, tongue);
        notices(&mut paper, subject, tongue);
        groupings(&mut paper, breakdown, tongue);
        clauses(&mut paper, breakdown, tongue);
    }
    paper.rule('=');
    paper.into_text()
}

fn head(paper: &mut Paper, subject: Subject<'_>, bill: Option<&Bill>, tongue: Tongue) {
    paper.rule('=');
    paper.centred(title(subject, tongue));
    paper.rule('=');
    let mut field = |zh, en, text: &str| {
        if !text.is_empty() {
            paper.field(tongue.say(zh, en), LABEL_WIDTH, text);
        }
    };
    match subject {
        Subject::Quoted(quoted) => {
            if let Some(bill) = bill {
                field("医疗机构", "Hospital", &bill.hospital_code);
                field("就诊号", "Stay", &stay(&bill.stay_id, bill.stay_part, tongue));
            }
            field("报价有效至", "Quote valid until", &to_the_second(&quoted.valid_until));
        }
        Subject::Settlement(settlement, repeat, _) => {
            field("医疗机构", "Hospital", &settlement.hospital_code);
            field("就诊号", "Stay", &stay(&settlement.stay_id, settlement.stay_part, tongue));
            field("结算号", "Settlement", &settlement.settlement_id);
            field("请求号", "Request", &settlement.request_id);
            field("结算时间", "Settled at", &to_the_second(&settlement.settled_at));
            field("结算日", "Accounting day", &settlement.accounting_day);
            field("撤销的结算", "Reverses", &settlement.reverses_settlement_id);
            field("已被撤销", "Reversed by", &settlement.reversed_by_settlement_id);
            field("更正自", "In place of", &settlement.supersedes_settlement_id);
            field("已更正为", "Settled anew as", &settlement.replaced_by_settlement_id);
            if repeat {
                let said = tongue.say(
                    "重复请求：以下为已记录的结果，未重复结算",
                    "a repeated request: the recorded answer, nothing was settled again",
                );
                field("注意", "Note", said);
            }
        }
    }
    // Of a settlement the record says it, so that whoever looks it up later prints the same paper.
    let days = match subject {
        Subject::Quoted(_) => bill.map(|bill| (&bill.admission_date, &bill.discharge_date)),
        Subject::Settlement(settlement, ..) => {
            Some((&settlement.admission_date, &settlement.discharge_date))
        }
    };
    if let Some((from, to)) = days {
        field("入出院日期", "Stay from, to", &format!("{from} … {to}"));
    }
}

fn title(subject: Subject<'_>, tongue: Tongue) -> &'static str {
    match subject {
        Subject::Quoted(_) => {
            tongue.say("医疗费用一站式预结算（未记账）", "ONE-STOP QUOTE (nothing is recorded)")
        }
        Subject::Settlement(settlement, ..) => match settlement.state() {
            SettlementState::Reversed => {
                tongue.say("医疗费用一站式结算单（已撤销）", "ONE-STOP SETTLEMENT (reversed)")
            }
            SettlementState::Reversal => {
                tongue.say("医疗费用一站式结算撤销单", "REVERSAL OF A ONE-STOP SETTLEMENT")
            }
            SettlementState::Provisional => {
                tongue.say("医疗费用一站式结算单（暂定）", "ONE-STOP SETTLEMENT (provisional)")
            }
            SettlementState::Unspecified
            | SettlementState::Settled
            | SettlementState::Tombstone => {
                tongue.say("医疗费用一站式结算单", "ONE-STOP SETTLEMENT")
            }
        },
    }
}

/// A time of the contract without the fraction of its second, which nobody at a desk reads.
pub fn to_the_second(time: &str) -> String {
    let Some((whole, fraction)) = time.split_once('.') else { return time.to_owned() };
    format!("{whole}{}", fraction.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

fn stay(id: &str, part: u32, tongue: Tongue) -> String {
    if part == 0 {
        id.to_owned()
    } else {
        format!("{id} {}", tongue.say("（中途结算第", "(part "))
            + &part.to_string()
            + tongue.say("次）", ")")
    }
}

fn package(paper: &mut Paper, package: Option<&PackageReference>, tongue: Tongue) {
    let Some(package) = package else { return };
    let hash = package.package_hash.get(..12).unwrap_or(&package.package_hash);
    let title = tongue.say(&package.title_zh, &package.title_en);
    let text = format!("{title} [{} #{hash}]", package.package_id);
    paper.field(tongue.say("政策包", "Rule package"), LABEL_WIDTH, &text);
}

fn identities(paper: &mut Paper, codes: &[String], tongue: Tongue) {
    if !codes.is_empty() {
        let label = tongue.say("所依据的身份", "Identity used");
        let named = |code: &String| match (tongue, names::zh_of(code)) {
            (Tongue::Zh, Some(name)) => format!("{name}（{code}）"),
            (Tongue::Zh, None) | (Tongue::En, _) => code.clone(),
        };
        let used: Vec<_> = codes.iter().map(named).collect();
        paper.field(label, LABEL_WIDTH, &used.join(tongue.say("、", ", ")));
    }
}

fn amounts(paper: &mut Paper, breakdown: &Breakdown, tongue: Tongue) {
    paper.part(tongue.say("费用（元）", "Charges (yuan)"));
    let mut amount = |zh, en, fen| paper.amount(2, tongue.say(zh, en), fen);
    amount("医疗费总额", "Total", breakdown.total_fen);
    amount("全自费（丙类）", "Out of catalogue (class C)", breakdown.out_of_catalogue_fen);
    amount("超限价自费", "Over limit", breakdown.over_limit_fen);
    if breakdown.advance_self_pay_assumed {
        let (zh, en) = ("先行自付【假定】", "Advance self-pay [assumed]");
        amount(zh, en, breakdown.advance_self_pay_fen);
    } else {
        amount("先行自付", "Advance self-pay", breakdown.advance_self_pay_fen);
    }
    amount("符合政策范围", "In scope", breakdown.in_scope_fen);
}

fn layers(paper: &mut Paper, breakdown: &Breakdown, tongue: Tongue) {
    paper.part(tongue.say("逐层支付（元）", "Who pays, in order (yuan)"));
    table_head(paper, tongue);
    for layer in &breakdown.layers {
        row(paper, layer, tongue);
    }
    if !breakdown.fixed_benefits.is_empty() {
        paper.part(tongue.say(
            "定额给付（另行支付，不冲减费用）",
            "Fixed benefits (paid beside the bill, not netted from it)",
        ));
        breakdown.fixed_benefits.iter().for_each(|layer| row(paper, layer, tongue));
    }
    if !breakdown.may_apply_for.is_empty() {
        paper.part(
            tongue.say(
                "可另行申请的救助（未在窗口支付）",
                "You may apply for (not paid at the desk)",
            ),
        );
        breakdown.may_apply_for.iter().for_each(|layer| row(paper, layer, tongue));
    }
}

fn table_head(paper: &mut Paper, tongue: Tongue) {
    let mut line = fill(tongue.say("  支付方", "  Payer"), NAME_WIDTH);
    for (zh, en) in [("进入基数", "Base"), ("起付线", "Deductible"), ("支付", "Pays")] {
        line.push_str(&fill_left(tongue.say(zh, en), MONEY_WIDTH));
    }
    paper.line(&line);
}

fn row(paper: &mut Paper, layer: &LayerPay, tongue: Tongue) {
    let assumed = if layer.assumed { tongue.say("【假定】", " [assumed]") } else { "" };
    let waits = if layer.provisional { tongue.say("【暂定】", " [provisional]") } else { "" };
    let kind = match layer.kind() {
        PayerKind::Unspecified | PayerKind::Fund => "",
        PayerKind::Other => tongue.say("（其他）", " (other)"),
        PayerKind::Hospital => tongue.say("（医院）", " (hospital)"),
        PayerKind::Account => tongue.say("（账户）", " (account)"),
    };
    let name = format!("  {}{kind}{assumed}{waits}", name(layer, tongue));
    let mut pieces = paper::wrap(&name, NAME_WIDTH.saturating_sub(1));
    let last = pieces.pop().unwrap_or_default();
    pieces.iter().for_each(|piece| paper.line(piece));
    // What goes on below its first line stands under it.
    let last = if pieces.is_empty() { last } else { format!("    {last}") };
    let mut line = fill(&last, NAME_WIDTH);
    for fen in [layer.base_fen, layer.deductible_fen, layer.pay_fen] {
        line.push_str(&fill_left(&yuan(fen), MONEY_WIDTH));
    }
    paper.line(&line);
}

fn name(layer: &LayerPay, tongue: Tongue) -> &str {
    let name = tongue.say(&layer.name_zh, &layer.name_en);
    if name.is_empty() { &layer.payer } else { name }
}

fn owed(paper: &mut Paper, subject: Subject<'_>, breakdown: &Breakdown, tongue: Tongue) {
    let label = match subject {
        Subject::Quoted(_) => tongue.say("患者将应付现金", "THE PATIENT WOULD OWE"),
        Subject::Settlement(settlement, ..) => match settlement.state() {
            SettlementState::Reversal => tongue.say("退还患者现金", "RETURNED TO THE PATIENT"),
            SettlementState::Reversed => {
                tongue.say("患者应付现金（已撤销）", "THE PATIENT OWED (reversed)")
            }
            SettlementState::Unspecified
            | SettlementState::Settled
            | SettlementState::Provisional
            | SettlementState::Tombstone => tongue.say("患者现在应付现金", "THE PATIENT OWES NOW"),
        },
    };
    paper.boxed(label, breakdown.cash_pay_fen);
    let is_over = matches!(subject, Subject::Settlement(settlement, ..)
        if !settlement.reversed_by_settlement_id.is_empty());
    if breakdown.provisional && !is_over {
        paper.field("", 2, tongue.say(
            "暂定：医保核心系统未应答，【暂定】各层先按本系统政策计算。核心恢复后核对，如有差额，医院将另行通知补收或退还。",
            "Provisional: the insurance core did not answer, and what is marked [provisional] was decided by our own rules. \
             It is compared once the core is back; the hospital will tell you of any difference to pay or to get back.",
        ));
    }
}

/// What the server said beside the answer.
fn notices(paper: &mut Paper, subject: Subject<'_>, tongue: Tongue) {
    let notices = match subject {
        Subject::Quoted(quoted) => quoted.notices.as_slice(),
        Subject::Settlement(.., notices) => notices,
    };
    for notice in notices {
        let label = tongue.say("提示", "Note");
        paper.field(label, LABEL_WIDTH, tongue.say(&notice.message_zh, &notice.message_en));
    }
}

/// The same total, grouped twice: as the national interface does, and as the settlement list (结算清单) does, where other
/// payers' money counts inside the personal burden.
fn groupings(paper: &mut Paper, breakdown: &Breakdown, tongue: Tongue) {
    paper.part(tongue.say("分担（接口口径）", "Shares, as the national interface groups them"));
    {
        let mut amount = |indent, zh, en, fen| paper.amount(indent, tongue.say(zh, en), fen);
        amount(2, "基金支付总额", "All funds and other payers", breakdown.fund_pay_total_fen);
        amount(2, "医院负担", "Borne by the hospital", breakdown.hospital_borne_fen);
        amount(2, "个人负担", "Patient pay", breakdown.patient_pay_fen);
        amount(4, "个人账户", "of it, personal account", breakdown.account_pay_fen);
        amount(4, "个人现金", "of it, cash", breakdown.cash_pay_fen);
    }
    let list = SettlementList::of(breakdown);
    paper.part(tongue.say("分担（结算清单口径）", "Shares, as the settlement list groups them"));
    let mut amount = |indent, zh, en, fen| paper.amount(indent, tongue.say(zh, en), fen);
    amount(2, "医保统筹基金支付", "Basic pool", list.pool_fen);
    amount(2, "补充医疗保险支付", "Supplementary insurance", list.supplementary_fen);
    amount(2, "医疗救助支付", "Medical aid", list.aid_fen);
    amount(2, "医院负担", "Borne by the hospital", breakdown.hospital_borne_fen);
    amount(2, "个人负担", "Personal burden", list.burden_fen);
    amount(4, "个人自付", "of it, in catalogue", list.self_pay_fen);
    amount(4, "个人自费", "of it, out of catalogue", list.own_expense_fen);
    amount(
        4,
        "其中：其他支付",
        "paid by others (aid by tilt, charity, mutual aid)",
        list.other_fen,
    );
    amount(4, "其中：个人支付", "paid by the patient", breakdown.patient_pay_fen);
}

/// The terms of the settlement list: total = pool + supplementary + aid + personal burden (+ what the hospital bears, for
/// which the list has no term); burden = other payers + patient = in catalogue + out of catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SettlementList {
    pool_fen: i64,
    supplementary_fen: i64,
    aid_fen: i64,
    other_fen: i64,
    burden_fen: i64,
    self_pay_fen: i64,
    own_expense_fen: i64,
}

impl SettlementList {
    fn of(breakdown: &Breakdown) -> SettlementList {
        // The server's sums were checked when they were recorded; a slip must never panic over another server's.
        let sum = |parts: &[i64]| parts.iter().fold(0_i64, |sum, part| sum.saturating_add(*part));
        let other_fen = sum(&[breakdown.tilted_aid_pay_fen, breakdown.other_pay_fen]);
        let burden_fen = sum(&[other_fen, breakdown.patient_pay_fen]);
        // An insurance that also pays out of catalogue can leave less than there was; a reversal has every sign turned.
        let own_expense_fen = if breakdown.total_fen < 0 {
            breakdown.out_of_catalogue_fen.max(burden_fen)
        } else {
            breakdown.out_of_catalogue_fen.min(burden_fen)
        };
        SettlementList {
            pool_fen: breakdown.basic_pool_pay_fen,
            supplementary_fen: sum(&[
                breakdown.civil_servant_pay_fen,
                breakdown.enterprise_supplement_pay_fen,
                breakdown.critical_illness_pay_fen,
                breakdown.large_amount_pay_fen,
                breakdown.disabled_soldier_pay_fen,
            ]),
            aid_fen: breakdown.medical_aid_pay_fen,
            other_fen,
            burden_fen,
            self_pay_fen: burden_fen.saturating_sub(own_expense_fen),
            own_expense_fen,
        }
    }
}

/// The clauses behind each pay.
fn clauses(paper: &mut Paper, breakdown: &Breakdown, tongue: Tongue) {
    let pays = breakdown.layers.iter().chain(&breakdown.fixed_benefits);
    let shown: Vec<_> = pays
        .chain(&breakdown.may_apply_for)
        .map(|layer| (layer, grounds(&breakdown.trace, &layer.layer)))
        .filter(|(layer, steps)| layer.pay_fen != 0 && !steps.is_empty())
        .collect();
    if shown.is_empty() {
        return;
    }
    paper.part(tongue.say("支付依据", "Why: the clause behind each pay"));
    for (layer, steps) in shown {
        paper.line(&format!("  {}  {}", name(layer, tongue), yuan(layer.pay_fen)));
        let mut cited: Option<&Source> = None;
        for step in steps {
            paper.line(&format!("    {}", reckoning(step)));
            if step.source.as_ref() != cited {
                cited = step.source.as_ref();
                if let Some(source) = cited {
                    paper.field("", 6, &citation(source, tongue));
                }
            }
        }
    }
}

/// The steps of a layer that decided its pay. Where every step is mere book-keeping, all of them.
fn grounds<'a>(trace: &'a [Step], layer: &str) -> Vec<&'a Step> {
    let of_layer = || trace.iter().filter(|step| step.layer == layer && !step.clause.is_empty());
    let decisive: Vec<_> =
        of_layer().filter(|step| !matches!(step.action.as_str(), "base" | "pay")).collect();
    if decisive.is_empty() { of_layer().collect() } else { decisive }
}

/// A tilt or an adjustment changes figures and moves no money itself: its clause says it all.
fn reckoning(step: &Step) -> String {
    if step.rate.is_empty() && step.base_fen == 0 && step.amount_fen == 0 {
        return step.clause.clone();
    }
    let base = yuan(step.base_fen);
    let amount = yuan(step.amount_fen);
    if step.rate.is_empty() {
        format!("{}  {base} → {amount}", step.clause)
    } else {
        format!("{}  {base} × {} = {amount}", step.clause, step.rate)
    }
}

fn citation(source: &Source, tongue: Tongue) -> String {
    let grade = match source.grade() {
        SourceGrade::Unspecified => tongue.say("【等级不明】", "[grade unknown]"),
        SourceGrade::Official => tongue.say("【官方】", "[official]"),
        SourceGrade::Reprint => tongue.say("【转载】", "[reprint]"),
        SourceGrade::Secondary => tongue.say("【二手】", "[secondary]"),
        SourceGrade::Assumed => tongue.say("【假定】", "[assumed]"),
    };
    let parts = [&source.document, &source.number, &source.article];
    let cited: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).cloned().collect();
    format!("{grade} {}", cited.join(" "))
}

#[cfg(test)]
mod tests;
