//! `onestop reconcile`: an insurer's or a hospital's statement against the ledger, at the machine itself, beside servers.
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::civil::Date;
use serde_json::json;

use super::database::on_database;
use super::progress::Progress as Bar;
use super::{Failure, out};
use crate::app::{
    AppError, Caller, Carried, Note, Progress, Reconciled, Reconciling, Refusal, ResultFormat,
    ResultOf, Role, StatementRefusal, Step, Total,
};
use crate::config::Config;
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::money::Fen;
use crate::domain::reconcile::{Amounts, Class, Encoding, Field, Scope, Sum, explanation_words};
use crate::domain::standing::Scheme;
use crate::store::Pool;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What we have of a day or span, by hospital, scheme, clearing type and agency (3201).
    Totals(TotalsArguments),
    /// Takes a statement file (3202: TSV, or TSV in a ZIP; or CSV), puts it beside the ledger and explains what differs. Sent again it
    /// goes on where it was. Ends with 2 when anything differs, or a row was bad.
    Run(RunArguments),
    /// What came of a statement.
    Show(StatementArguments),
    /// Writes the differences of a statement to a file.
    Export(ExportArguments),
    /// Proposes to settle a difference. Where money moves, another must then agree by `settle`.
    Propose(NoteArguments),
    /// Settles a difference.
    Settle(NoteArguments),
    /// Carries a difference to a later day, with its history.
    Carry(CarryArguments),
    /// What was carried out of earlier statements of the same scope and is not settled, whatever their days.
    Carried(CarriedArguments),
    /// Closes a statement of which no difference is open: its days take no other of this scope.
    Close(StatementArguments),
}

#[derive(Debug, Args)]
struct ScopeArguments {
    /// The accounting day, such as 2024-07-01.
    #[arg(long, value_name = "DATE", required_unless_present = "from", conflicts_with_all = ["from", "to"])]
    day: Option<Date>,
    /// The first accounting day of a span.
    #[arg(long, value_name = "DATE", requires = "to")]
    from: Option<Date>,
    /// The last accounting day of a span.
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<Date>,
    /// The hospital's code.
    #[arg(long, value_name = "CODE", value_parser = hospital)]
    hospital: Option<HospitalCode>,
    /// The insured region, with all that lies in it.
    #[arg(long, value_name = "CODE", value_parser = region)]
    region: Option<RegionCode>,
    /// The scheme.
    #[arg(long, value_parser = scheme, value_name = "resident|employee")]
    scheme: Option<Scheme>,
    /// The clearing type (clr_type), 11 outpatient or 21 inpatient.
    #[arg(long, value_name = "CODE")]
    clearing_type: Option<String>,
    /// The clearing agency (setl_optins).
    #[arg(long, value_name = "CODE")]
    clearing_agency: Option<String>,
    /// One payer of the rule package, such as a commercial underwriter: only its layers are compared.
    #[arg(long, value_name = "NAME")]
    payer: Option<String>,
    /// Only reversals (true), or only what is none (false).
    #[arg(long, value_name = "BOOL")]
    refund: Option<bool>,
}

#[derive(Debug, Args)]
pub(super) struct TotalsArguments {
    #[command(flatten)]
    scope: ScopeArguments,
    /// How to print them.
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
}

#[derive(Debug, Args)]
pub(super) struct CarriedArguments {
    #[command(flatten)]
    scope: ScopeArguments,
}

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The statement file.
    file: PathBuf,
    #[command(flatten)]
    scope: ScopeArguments,
    /// The totals beside the file: rows, medfee_sumamt, fund_pay_sumamt, acct_pay, such as 12,3400.00,2100.50,0.
    #[arg(long, value_name = "ROWS,YUAN,YUAN,YUAN", value_parser = totals)]
    told: Option<Sum>,
    /// Writes the differences to this file too.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    result: ResultArguments,
    /// How to print what came of it.
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
}

#[derive(Debug, Clone, Copy, Args)]
struct ResultArguments {
    /// How the differences are written.
    #[arg(long, value_enum, default_value_t = Written::Zip)]
    written: Written,
    /// Which codes stmt_rslt has: one digit, or six.
    #[arg(long, value_enum, default_value_t = Codes::Short)]
    codes: Codes,
}

#[derive(Debug, Args)]
pub(super) struct StatementArguments {
    /// The statement's number.
    statement: i64,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
}

#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// The statement's number.
    statement: i64,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    result: ResultArguments,
}

#[derive(Debug, Args)]
pub(super) struct NoteArguments {
    /// The statement's number.
    statement: i64,
    /// The difference's number.
    difference: u64,
    /// How much money moves by it, in yuan; negative where it comes back.
    #[arg(long, value_name = "YUAN", value_parser = yuan, default_value = "0", allow_hyphen_values = true)]
    moves: Fen,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, Args)]
pub(super) struct CarryArguments {
    /// The statement's number.
    statement: i64,
    /// The difference's number.
    difference: u64,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shape {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Written {
    /// The national columns, TSV in a ZIP.
    Zip,
    /// All columns.
    Csv,
    /// All columns, as a workbook.
    Xlsx,
    /// All columns, as Parquet.
    Parquet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Codes {
    Short,
    Long,
}

fn hospital(text: &str) -> Result<HospitalCode, String> {
    HospitalCode::new(text).ok_or_else(|| "at most 12 visible characters 至多 12 个字符".to_owned())
}

fn region(text: &str) -> Result<RegionCode, String> {
    RegionCode::new(text).ok_or_else(|| "six digits 六位数字".to_owned())
}

fn scheme(text: &str) -> Result<Scheme, String> {
    Scheme::from_word(text).ok_or_else(|| "resident or employee".to_owned())
}

fn yuan(text: &str) -> Result<Fen, String> {
    Fen::parse_yuan(text)
        .ok_or_else(|| "yuan with at most two decimals 至多两位小数的金额".to_owned())
}

fn totals(text: &str) -> Result<Sum, String> {
    let unfit = || "rows,yuan,yuan,yuan 行数,总额,基金支付,账户支付".to_owned();
    let parts: Vec<&str> = text.split(',').collect();
    let [rows, total, fund, account] = *parts.as_slice() else { return Err(unfit()) };
    let amounts = Amounts::new(yuan(total)?, yuan(fund)?, yuan(account)?);
    Ok(Sum { rows: rows.parse().map_err(|_| unfit())?, amounts })
}

impl ScopeArguments {
    fn scope(&self) -> Result<Scope, Failure> {
        let first = self.day.or(self.from);
        let last = self.day.or(self.to);
        let (Some(first_day), Some(last_day)) = (first, last) else {
            return Err(Failure::Usage("--day, or --from and --to 请指明结算日".to_owned()));
        };
        if last_day < first_day {
            return Err(Failure::Usage("--from is after --to 起始日晚于截止日".to_owned()));
        }
        Ok(Scope {
            hospital: self.hospital.clone(),
            region: self.region,
            scheme: self.scheme,
            clearing_type: self.clearing_type.clone(),
            clearing_agency: self.clearing_agency.clone(),
            payer: self.payer.clone(),
            refund: self.refund,
            first_day,
            last_day,
        })
    }
}

impl From<ResultArguments> for ResultOf {
    fn from(ResultArguments { written, codes }: ResultArguments) -> Self {
        let format = match written {
            Written::Zip => ResultFormat::Packed,
            Written::Csv => ResultFormat::Csv,
            Written::Xlsx => ResultFormat::Xlsx,
            Written::Parquet => ResultFormat::Parquet,
        };
        let encoding = match codes {
            Codes::Short => Encoding::Short,
            Codes::Long => Encoding::Long,
        };
        Self { format, encoding }
    }
}

pub(super) fn run(
    command: Command,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    match command {
        Command::Totals(arguments) => {
            let scope = arguments.scope.scope()?;
            let totals = at_database(&configured()?, async |desk| desk.totals(&scope).await)?;
            print_totals(&totals, arguments.format);
            Ok(())
        }
        Command::Run(arguments) => run_file(&arguments, &configured()?),
        Command::Show(StatementArguments { statement, format }) => {
            let found = at_database(&configured()?, async |desk| desk.find(statement).await)?;
            print(&found, format);
            Ok(())
        }
        Command::Export(ExportArguments { statement, out, result }) => {
            at_database(&configured()?, async |desk| {
                export(&desk, statement, (&out, result.into())).await
            })
        }
        Command::Propose(arguments) => {
            let moves = arguments.moves;
            note(arguments, Note::Propose(moves), &configured()?)
        }
        Command::Settle(arguments) => {
            let moves = arguments.moves;
            note(arguments, Note::Settle(moves), &configured()?)
        }
        Command::Carry(CarryArguments { statement, difference, reason }) => {
            let arguments = NoteArguments { statement, difference, moves: Fen::ZERO, reason };
            note(arguments, Note::Carry, &configured()?)
        }
        Command::Carried(CarriedArguments { scope }) => {
            let scope = scope.scope()?;
            let carried = at_database(&configured()?, async |desk| desk.carried(&scope).await)?;
            for one in carried {
                let (zh, en) = one.class.words();
                let Carried { statement, number, class: _, settlement, day } = one;
                out::line(&format!("{day}\t{statement}\t{number}\t{zh} {en}\t{settlement}"));
            }
            Ok(())
        }
        Command::Close(StatementArguments { statement, format }) => {
            let closed = at_database(&configured()?, async |desk| desk.close(statement).await)?;
            print(&closed, format);
            Ok(())
        }
    }
}

fn run_file(arguments: &RunArguments, config: &Config) -> Result<(), Failure> {
    let scope = arguments.scope.scope()?;
    let name = arguments.file.display();
    let file = File::open(&arguments.file).with_context(|| format!("open {name}"))?;
    let bars = Mutex::new(None);
    let tell = |progress: Progress| shown(&bars, progress);
    let told = arguments.told;
    let result = arguments.result;
    let reconciled = at_database(config, async |desk| {
        let reconciled = desk.reconcile(&scope, told, file, &tell).await?;
        if let Some(out) = &arguments.out {
            export(&desk, reconciled.statement.key, (out, result.into())).await?;
        }
        Ok(reconciled)
    });
    if let Some((_, bar)) = bars.into_inner().unwrap_or_else(PoisonError::into_inner) {
        bar.clear();
    }
    let reconciled = reconciled?;
    print(&reconciled, arguments.format);
    let Reconciled { statement, .. } = &reconciled;
    if statement.differences == 0 && statement.rows_bad == 0 && reconciled.totals_agree {
        Ok(())
    } else {
        Err(Failure::Answered(EXIT_DIFFERS))
    }
}

/// Something differs, or a row was bad.
const EXIT_DIFFERS: u8 = 2;

fn note(arguments: NoteArguments, note: Note, config: &Config) -> Result<(), Failure> {
    let NoteArguments { statement, difference, moves: _, reason } = arguments;
    at_database(config, async |desk| desk.note(statement, difference, note, &reason).await)
}

async fn export(
    desk: &Reconciling<'_>,
    statement: i64,
    (out, wanted): (&Path, ResultOf),
) -> Result<(), AppError> {
    // A file that is there already is not touched before all of the new one is.
    let mut part = out.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let unwritten = |error| AppError::from(crate::app::FileFault::Write(error));
    let sink = BufWriter::new(File::create(&part).map_err(unwritten)?);
    let sink = desk.results(statement, wanted, sink).await?;
    let file = sink.into_inner().map_err(|error| unwritten(error.into_error()))?;
    file.sync_all().map_err(unwritten)?;
    std::fs::rename(&part, out).map_err(unwritten)
}

/// Works at the database as whoever runs the command.
fn at_database<T>(
    config: &Config,
    work: impl AsyncFnOnce(Reconciling<'_>) -> Result<T, AppError>,
) -> Result<T, Failure> {
    let caller = Caller {
        name: format!("uid-{}", rustix::process::getuid().as_raw()),
        role: Role::CommandLine,
        door: "cli",
        purpose: None,
        deadline: None,
    };
    let worked = super::block_on_database(on_database(config, async |pool: &Pool| {
        Ok(work(Reconciling::new(pool, &caller)).await)
    }))?;
    worked.map_err(|error| {
        if let AppError::Refused(Refusal::Statement(refusal)) = &error {
            out::error(&said(refusal));
            return Failure::Answered(super::EXIT_FAILED);
        }
        Failure::Other(error.into())
    })
}

fn said(refusal: &StatementRefusal) -> String {
    let (code, field) = (refusal.code(), refusal.field());
    let words = crate::door::words_of(code);
    let open = match refusal {
        StatementRefusal::DifferencesOpen(open) => format!(" ({open})"),
        StatementRefusal::File { .. }
        | StatementRefusal::ScopeOpen
        | StatementRefusal::DayNotOver
        | StatementRefusal::DayClosed
        | StatementRefusal::Unknown
        | StatementRefusal::FileUnknown
        | StatementRefusal::NotMatched
        | StatementRefusal::DifferenceNotOpen
        | StatementRefusal::FourEyes => String::new(),
    };
    format!("{code} {field}{open}: {} {}", words.0, words.1)
}

/// Shows how far a step is; a new step has a bar of its own.
fn shown(bars: &Mutex<Option<(Step, Bar)>>, progress: Progress) {
    let Progress { step, done, of } = progress;
    let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
    if bars.as_ref().is_none_or(|(shown, _)| *shown != step) {
        let what = match step {
            Step::Take => "导入 take",
            Step::Match => "比对 match",
            Step::Explain => "解释 explain",
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

fn print_totals(totals: &[Total], shape: Shape) {
    if shape == Shape::Text {
        out::line(
            "机构 hospital\t险种 scheme\t类型 type\t经办 agency\t撤销 refund\t笔数 rows\t总额 total\t基金 fund\t账户 account",
        );
    }
    for total in totals {
        let Total { hospital, scheme, clearing_type, clearing_agency, refund, sum } = total;
        let Amounts([all, fund, account]) = sum.amounts;
        let rows = sum.rows;
        match shape {
            Shape::Text => {
                let scheme = scheme.word();
                let refund = if *refund { 1 } else { 0 };
                out::line(&format!(
                    "{hospital}\t{scheme}\t{clearing_type}\t{clearing_agency}\t{refund}\t{rows}\t{all}\t{fund}\t{account}"
                ));
            }
            Shape::Json => out::line(
                &json!({
                    "hospital": hospital.as_str(), "scheme": scheme.word(), "clearing_type": clearing_type,
                    "clearing_agency": clearing_agency, "refund": refund, "rows": rows,
                    "medfee_sumamt": all.to_string(), "fund_pay_sumamt": fund.to_string(),
                    "acct_pay": account.to_string(),
                })
                .to_string(),
            ),
        }
    }
}

fn print(reconciled: &Reconciled, shape: Shape) {
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
    })
}
