//! What the books answer, page by page and on paper.
use tonic::Status;

use super::{Via, faults, here};
use crate::app::finance::BookFault;
use crate::cli::EXIT_FAILED;
use crate::domain::money::Fen;
use crate::door::wire::clearing::v1 as wire;

/// What is printed of an answer.
pub(super) struct Paper {
    pub(super) json: serde_json::Value,
    pub(super) lines: Vec<String>,
    pub(super) ends: u8,
}

/// What is printed, or why there is nothing to print.
pub(super) type Answered = Result<Paper, Status>;

/// Of a contract's answer, with these lines for people.
pub(super) fn paper(answer: &impl serde::Serialize, lines: Vec<String>) -> Paper {
    let json = serde_json::to_value(answer).unwrap_or_default();
    Paper { json, lines, ends: 0 }
}

pub(super) fn yuan(fen: i64) -> String {
    Fen::new(fen).to_string()
}

// === page by page ===

pub(super) async fn list(via: &Via<'_>, mut asked: wire::ListStatementsRequest) -> Answered {
    let mut all = wire::ListStatementsResponse::default();
    loop {
        let page = ask!(via, list_statements, asked.clone())?;
        all.statements.extend(page.statements);
        asked.page_token = page.next_page_token;
        if asked.page_token.is_empty() {
            let lines = statements(&all.statements);
            return Ok(paper(&all, lines));
        }
    }
}

pub(super) async fn claims(via: &Via<'_>, mut asked: wire::ListClaimsRequest) -> Answered {
    let mut all = wire::ListClaimsResponse::default();
    loop {
        let page = ask!(via, list_claims, asked.clone())?;
        all.claims.extend(page.claims);
        asked.page_token = page.next_page_token;
        if asked.page_token.is_empty() {
            break;
        }
    }
    let head = "结算日 day\t结算编号 settlement\t医院 hospital\t参保地 insured\t基金 funds\t账户 account\t状态 state";
    let rows = all.claims.iter().map(|of| {
        let (fund, account) = (yuan(of.fund_pay_total_fen), yuan(of.account_pay_fen));
        let wire::Claim { accounting_day, settlement_id, hospital_code, insured_region, state, .. } = of;
        format!("{accounting_day}\t{settlement_id}\t{hospital_code}\t{insured_region}\t{fund}\t{account}\t{state}")
    });
    let lines = std::iter::once(head.to_owned()).chain(rows).collect();
    Ok(paper(&all, lines))
}

pub(super) async fn postings(via: &Via<'_>, mut asked: wire::ListPostingsRequest) -> Answered {
    let mut all = wire::ListPostingsResponse::default();
    loop {
        let page = ask!(via, list_postings, asked.clone())?;
        all.postings.extend(page.postings);
        asked.page_token = page.next_page_token;
        if asked.page_token.is_empty() {
            break;
        }
    }
    let lines = all.postings.iter().map(|of| {
        let wire::Posting { posting_id, accounting_day, made_by, approved_by, posting, .. } = of;
        let said = said(posting.as_ref());
        format!("{accounting_day}\t{posting_id}\t{made_by} + {approved_by}\t{said}")
    });
    let lines = lines.collect();
    Ok(paper(&all, lines))
}

pub(super) async fn payments(via: &Via<'_>, mut asked: wire::ListPaymentsRequest) -> Answered {
    let mut all = wire::ListPaymentsResponse::default();
    loop {
        let page = ask!(via, list_payments, asked.clone())?;
        all.payments.extend(page.payments);
        asked.page_token = page.next_page_token;
        if asked.page_token.is_empty() {
            break;
        }
    }
    let head = "支付文件 file\t行 line\t清算单 statement\t医院 hospital\t账户 account\t银行 bank\t金额 amount\t制单 made by\t回单 said\t已付 paid\t付款日 paid on\t确认 confirmed by";
    let rows = all.payments.iter().map(|of| {
        let wire::Payment { file_id, line, statement_id, hospital_code, account_no, .. } = of;
        let wire::Payment { bank_code, made_by, outcome, paid_on, confirmed_by, .. } = of;
        let said = if outcome.is_empty() { "待回单 waits" } else { outcome };
        let (pay, paid) = (yuan(of.pay_fen), yuan(of.paid_fen));
        format!(
            "{file_id}\t{line}\t{statement_id}\t{hospital_code}\t{account_no}\t{bank_code}\t{pay}\t{made_by}\t{said}\t{paid}\t{paid_on}\t{confirmed_by}"
        )
    });
    let lines = std::iter::once(head.to_owned()).chain(rows).collect();
    Ok(paper(&all, lines))
}

// === on paper ===

pub(super) fn statements(of: &[wire::Statement]) -> Vec<String> {
    let head = "清算单 statement\t医院 hospital\t参保地 insured\t期间 days\t应付 net\t已付 paid\t应付日 due\t账龄 age\t状态 state";
    let rows = of.iter().map(|of| {
        let wire::Statement { statement_id, hospital_code, insured_region, age, state, .. } = of;
        let days = format!("{}–{}", of.first_day, of.last_day);
        let (net, paid) = (yuan(of.net_fen), yuan(of.paid_fen));
        let due = if of.due_assumed || of.terms_assumed {
            format!("{}（推定 assumed）", of.due_day)
        } else {
            of.due_day.clone()
        };
        format!("{statement_id}\t{hospital_code}\t{insured_region}\t{days}\t{net}\t{paid}\t{due}\t{age}\t{state}")
    });
    std::iter::once(head.to_owned()).chain(rows).collect()
}

pub(super) fn one(statement: wire::Statement) -> Answered {
    let mut lines = statements(std::slice::from_ref(&statement));
    lines.push(
        "基金 fund\t应付 owed\t结转 carried\t质保金 withheld\t冲抵 offset\t实付 net\t已付 paid"
            .to_owned(),
    );
    for of in &statement.funds {
        let amounts =
            [of.owed_fen, of.carried_fen, of.withheld_fen, of.offset_fen, of.net_fen, of.paid_fen];
        lines.push(format!("{}\t{}", of.fund, amounts.map(yuan).join("\t")));
    }
    for step in &statement.steps {
        lines.push(format!("{}\t{}\t{}", step.at, step.by, step.state));
    }
    Ok(paper(&statement, lines))
}

pub(super) fn ageing(told: &wire::GetAgeingResponse) -> Vec<String> {
    let head = "医院 hospital\t参保地 insured\t未到期 not due\t≤30 日\t≤90 日\t>90 日\t最早应付日 oldest due";
    let rows = told.aged.iter().map(|of| {
        let owed = [of.not_due_fen, of.to_30_fen, of.to_90_fen, of.beyond_fen].map(yuan);
        let assumed = if of.assumed { "（推定 assumed）" } else { "" };
        let wire::Aged { hospital_code, insured_region, oldest_due_day, .. } = of;
        let owed = owed.join("\t");
        format!("{hospital_code}\t{insured_region}\t{owed}\t{oldest_due_day}{assumed}")
    });
    std::iter::once(head.to_owned()).chain(rows).collect()
}

pub(super) fn said(posting: Option<&wire::ProposePostingRequest>) -> String {
    let Some(posting) = posting else { return String::new() };
    let debit: i64 = posting.lines.iter().map(|line| line.amount_fen.max(0)).sum();
    let wire::ProposePostingRequest { kind, reference, reason, .. } = posting;
    format!("{kind}\t{}\t{reference}\t{reason}", yuan(debit))
}

pub(super) fn balance(told: &wire::GetBalanceResponse) -> Paper {
    let mut lines = vec!["科目 key\t借方 debit\t贷方 credit\t余额 balance".to_owned()];
    for of in &told.balances {
        let rest = of.debit_fen.saturating_sub(of.credit_fen);
        let [debit, credit, rest] = [of.debit_fen, of.credit_fen, rest].map(yuan);
        lines.push(format!("{}\t{debit}\t{credit}\t{rest}", of.key));
    }
    let rest = told.debit_fen.saturating_sub(told.credit_fen);
    let [debit, credit, sum] = [told.debit_fen, told.credit_fen, rest].map(yuan);
    lines.push(format!("合计 total\t{debit}\t{credit}\t{sum}"));
    let ends = if rest == 0 { 0 } else { EXIT_FAILED };
    Paper { ends, ..paper(told, lines) }
}

pub(super) fn checked(faults: &[BookFault]) -> Paper {
    let json = faults.iter().map(|BookFault { what, detail, amounts }| {
        let ((zh, en), amounts) = (faults::words(what), amounts.map(|(told, due)| (told.get(), due.get())));
        let (told_fen, follows_fen) = amounts.unzip();
        serde_json::json!({
            "what": what, "of": detail, "toldFen": told_fen, "followsFen": follows_fen, "messageZh": zh, "messageEn": en,
        })
    });
    let json = json.collect::<Vec<_>>();
    let mut lines: Vec<_> = faults.iter().map(fault_line).collect();
    lines.push(format!("差错 faults\t{}", faults.len()));
    let ends = if faults.is_empty() { 0 } else { EXIT_FAILED };
    Paper { ends, ..paper(&json, lines) }
}

fn fault_line(BookFault { what, detail, amounts }: &BookFault) -> String {
    let (zh, en) = faults::words(what);
    let amounts = amounts.map_or(String::new(), |(told, follows)| {
        format!("\t记为 told {told} 元 yuan，应为 follows {follows} 元 yuan")
    });
    format!("{what}\t{detail}{amounts}\t{zh} {en}")
}

pub(super) fn budgets(told: &wire::ListBudgetsResponse) -> Vec<String> {
    let head = "基金 fund\t地区 region\t年度 year\t预算 given\t已支付待遇 granted\t已拨付 paid\t剩余 left\t预计用完 runs dry\t用完后 then";
    let rows = told.budgets.iter().map(|of| {
        let amounts = [of.appropriated_fen, of.granted_fen, of.paid_fen, of.left_fen].map(yuan);
        let wire::Budget { fund, region, year, runs_dry, when_dry, .. } = of;
        format!("{fund}\t{region}\t{year}\t{}\t{runs_dry}\t{when_dry}", amounts.join("\t"))
    });
    let note = "预计用完日按近 28 日支出直线推算 forecast in a straight line from the last 28 days";
    std::iter::once(head.to_owned()).chain(rows).chain([note.to_owned()]).collect()
}

/// Writes a payment file where nobody else reads it, and never over another.
pub(super) fn written(made: wire::PaymentFile, out: &std::path::Path) -> Answered {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(out);
    let wrote =
        file.and_then(|mut file| file.write_all(&made.content).and_then(|()| file.sync_all()));
    let id = &made.file_id;
    wrote.map_err(|error| {
        let out = out.display();
        Status::aborted(format!("write {out}: {error}; `clearing pay-again {id}` writes it again"))
    })?;
    let (lines, total) = (made.lines, yuan(made.total_fen));
    let line = format!("{id}\t{lines} 笔 payments\t{total}\t{}", out.display());
    // Its contents are in the file, and nowhere else.
    let told = wire::PaymentFile { content: Vec::new(), ..made };
    Ok(paper(&told, vec![line]))
}
