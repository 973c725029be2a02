//! Reconciliation by the national interface: totals, then the detail file, then its result. [3201, 3202, 9101, 9102]
//!
//! How a file lies in these messages, and the names of the nodes of 9101 and 9102, differ between the kits that were seen; what is
//! taken is said in the README beside this file.

use std::io::Cursor;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::care;
use super::fault::Fault;
use super::field::InvalidReason;
use super::input::{Node, part};
use super::output;
use super::transactions::{Call, Done};
use crate::app::{Beside, ResultFormat, ResultOf};
use crate::domain::reconcile::{Amounts, Encoding, Scope, Sum};
use crate::limits;

/// Who asks for a file that was sent has its number behind this letter, and who asks for a result behind the other.
const SENT: char = 'F';
const RESULT: char = 'R';

/// The name of a result.
const RESULT_NAME: &str = "result.zip";

/// The totals of a span, compared. [3201]
pub(super) async fn totals(call: Call<'_>) -> Result<Done, Fault> {
    let node = part(&call.envelope.input, "data")?;
    let scope = scope(&call, &node)?;
    let theirs = Sum { rows: count(&node)?, amounts: amounts(&node, true)? };
    let (told, ours) = call.app.reconciling(call.caller).compare(&scope, &theirs).await?;
    let (zh, en) = told.words();
    let Amounts([total, fund, account]) = ours.amounts;
    let described = format!(
        "{zh} · {en}：中心 centre {} 笔 rows，medfee_sumamt {total}，fund_pay_sumamt {fund}，acct_pay {account}",
        ours.rows
    );
    Done::with(
        "stmtinfo",
        json!({
            "setl_optins": node.text("setl_optins", limits::SCOPE_TEXT_LENGTH_MAX)?,
            "stmt_rslt": told.code(encoding(&node)?),
            "stmt_rslt_dscr": described,
        }),
    )
}

/// A file is kept, to be named by its number. The same file has the same number. [9101]
pub(super) async fn upload(call: Call<'_>) -> Result<Done, Fault> {
    let node = part(&call.envelope.input, "fsUploadIn")?;
    let name = node.text("filename", limits::FILE_NAME_LENGTH_MAX)?;
    let bytes = node.bytes("in")?;
    let number = call.app.reconciling(call.caller).keep_file(call.hospital(), name, &bytes).await?;
    Done::with("file_qury_no", format!("{SENT}{number}"))
}

/// The detail of a span, put beside the ledger row by row. [3202]
pub(super) async fn detail(call: Call<'_>) -> Result<Done, Fault> {
    let node = part(&call.envelope.input, "data")?;
    let scope = scope(&call, &node)?;
    let number = node.must("file_qury_no", node.word("file_qury_no", sent)?)?;
    // The standard tells what was paid in cash here, and not what the account paid.
    let theirs = Sum { rows: count(&node)?, amounts: amounts(&node, false)? };
    let desk = call.app.reconciling(call.caller);
    let file = desk.file(call.hospital(), number).await?;
    let beside = Beside::WithoutAccount(theirs);
    let done = desk.reconcile(&scope, beside, Cursor::new(file), &|_| {}).await?;
    let mut answer = Done::with(
        "fileinfo",
        json!({
            "file_qury_no": format!("{RESULT}{}", done.statement.key),
            "filename": RESULT_NAME,
            "dld_endtime": "",
        }),
    )?;
    if !done.totals_agree || 0 < done.statement.rows_bad {
        let said = |(line, why, column): &(u64, String, String)| format!("{line} {why} {column}");
        let rows: Vec<String> = done.bad_rows.iter().take(BAD_ROWS_SAID).map(said).collect();
        answer.warning = format!(
            "{} 行有误 rows are bad: {}；总额相符 totals agree: {}",
            done.statement.rows_bad,
            rows.join(", "),
            done.totals_agree
        );
    }
    Ok(answer)
}

/// Bad rows that fit into a warning.
const BAD_ROWS_SAID: usize = 20;

/// The result of a detail file, or a file that was sent. [9102]
pub(super) async fn download(call: Call<'_>) -> Result<Done, Fault> {
    let node = part(&call.envelope.input, "fsDownloadIn")?;
    let desk = call.app.reconciling(call.caller);
    let (bytes, name) = match node.must("file_qury_no", node.word("file_qury_no", kept)?)? {
        Kept::Result(key) => {
            let wanted = ResultOf { format: ResultFormat::Packed, encoding: encoding(&node)? };
            let sink = desk.results(key, wanted, Cursor::new(Vec::new()), &|_| {}).await?;
            (sink.into_inner(), RESULT_NAME)
        }
        Kept::Sent(number) => {
            let sent = desk.file(call.hospital(), number).await?;
            (sent, node.text("filename", limits::FILE_NAME_LENGTH_MAX)?)
        }
    };
    Done::with(
        "fsDownloadOut",
        json!({ "in": BASE64_STANDARD.encode(bytes), "filename": name, "time": output::time(call.app.now().at) }),
    )
}

/// What is compared: whatever the calling hospital settled in the span, of the scheme and clearing type that are named.
fn scope(call: &Call<'_>, node: &Node<'_>) -> Result<Scope, Fault> {
    let first = node.must("stmt_begndate", node.day("stmt_begndate")?)?;
    let last = node.must("stmt_enddate", node.day("stmt_enddate")?)?;
    if last < first {
        return Err(node.invalid("stmt_enddate", InvalidReason::OutOfRange).into());
    }
    let text = |name: &str| -> Result<Option<String>, Fault> {
        let text = node.text(name, limits::SCOPE_TEXT_LENGTH_MAX)?;
        Ok((!text.is_empty()).then(|| text.to_owned()))
    };
    Ok(Scope {
        hospital: Some(call.hospital().clone()),
        region: None,
        scheme: node.word("insutype", care::scheme)?,
        clearing_type: text("clr_type")?,
        // No agency is recorded with a settlement yet, so what is named here tells nothing apart.
        clearing_agency: None,
        payer: None,
        refund: node.word("refd_setl_flag", refunded)?,
        first_day: first,
        last_day: last,
    })
}

/// In several widths: 0, 000, 000000 and 1, 001.
pub(super) fn refunded(flag: &str) -> Option<bool> {
    match flag.trim_start_matches('0') {
        "" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// Beyond the standard: six digits where `exp_content` says so.
fn encoding(node: &Node<'_>) -> Result<Encoding, Fault> {
    Ok(match node.text("exp_content", limits::NATIONAL_STEPS_LENGTH_MAX)? {
        "stmt_rslt_6" => Encoding::Long,
        _ => Encoding::Short,
    })
}

fn count(node: &Node<'_>) -> Result<u64, Fault> {
    let count = node.decimal("fixmedins_setl_cnt", 0, counted)?;
    let count = node.must("fixmedins_setl_cnt", count)?;
    Ok(count.unsigned_abs())
}

/// A number of rows.
pub(super) fn counted(text: &str) -> Option<i64> {
    text.parse().ok().filter(|count| 0 <= *count)
}

fn amounts(node: &Node<'_>, with_account: bool) -> Result<Amounts, Fault> {
    let total = node.must("medfee_sumamt", node.money("medfee_sumamt")?)?;
    let fund = node.must("fund_pay_sumamt", node.money("fund_pay_sumamt")?)?;
    let account = if with_account { node.money("acct_pay")? } else { None };
    Ok(Amounts::new(total, fund, account.unwrap_or_default()))
}

/// What a number of a file names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// A file that was sent.
    Sent(i64),
    /// The result of a statement.
    Result(i64),
}

/// The number of a file that was sent.
pub(super) fn sent(text: &str) -> Option<i64> {
    text.strip_prefix(SENT)?.parse().ok()
}

/// The number of a file that was sent, or of a result.
pub(super) fn kept(text: &str) -> Option<Kept> {
    let result = || text.strip_prefix(RESULT)?.parse().ok().map(Kept::Result);
    sent(text).map(Kept::Sent).or_else(result)
}
