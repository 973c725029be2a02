//! `onestop reconcile`: an insurer's or a hospital's statement against the ledger, at the machine itself, beside servers.
mod paper;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::database::on_database;
use super::progress::Progress as Bar;
use super::{Failure, out};
use crate::app::{
    AppError, Caller, Latest, Note, Progress, Reconciled, Reconciling, Refusal, ResultFormat,
    ResultOf, Role, StatementRefusal, StatementState, Step, is_reason,
};
use crate::config::Config;
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::money::Fen;
use crate::domain::reconcile::{Amounts, Encoding, Scope, Sum};
use crate::domain::standing::Scheme;
use crate::store::Pool;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What we have of a day or span, by hospital, scheme, clearing type and agency (3201).
    Totals(TotalsArguments),
    /// Takes a statement file (3202: TSV, or TSV in a ZIP; or CSV), puts it beside the ledger and explains what differs. Sent again it
    /// goes on where it was. Ends with 2 when anything differs, or a row was bad.
    Run(RunArguments),
    /// The latest statements, of whatever is named.
    List(ListArguments),
    /// What came of a statement.
    Show(StatementArguments),
    /// What differs, a line each with its number. Each is recorded as a look at the settlement that it is of.
    Differences(DifferencesArguments),
    /// All that happened to a difference, also on earlier days that it was carried out of.
    History(DifferenceArguments),
    /// Writes the differences of a statement to a file.
    Export(ExportArguments),
    /// Proposes to settle a difference. Where a row stands on one side alone, amounts differ or money moves, another must then agree by
    /// `settle`. At the machine a person is a system account: two clerks under one account are one person.
    Propose(NoteArguments),
    /// Takes a proposal back.
    Withdraw(ReasonArguments),
    /// Settles a difference, exactly as another proposed it. At the machine a person is a system account: two clerks under one account
    /// are one person.
    Settle(NoteArguments),
    /// Carries a difference to a later day, with its history.
    Carry(ReasonArguments),
    /// What was carried out of earlier statements of the same scope and is not settled, whatever their days.
    Carried(CarriedArguments),
    /// Closes a statement of which no difference is open: its days take no other of this scope, nor of what lies in it.
    Close(CloseArguments),
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
pub(super) struct ListArguments {
    /// Of this hospital.
    #[arg(long, value_name = "CODE", value_parser = hospital)]
    hospital: Option<HospitalCode>,
    /// Of this insured region, or of what lies in it.
    #[arg(long, value_name = "CODE", value_parser = region)]
    region: Option<RegionCode>,
    /// Of this scheme.
    #[arg(long, value_parser = scheme, value_name = "resident|employee")]
    scheme: Option<Scheme>,
    /// Of this payer.
    #[arg(long, value_name = "NAME")]
    payer: Option<String>,
    /// With this accounting day.
    #[arg(long, value_name = "DATE")]
    day: Option<Date>,
    /// How far they are.
    #[arg(long, value_parser = state, value_name = "receiving|received|matched|closed")]
    state: Option<StatementState>,
    /// How to print them.
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
}

#[derive(Debug, Args)]
pub(super) struct DifferencesArguments {
    /// The statement's number.
    statement: i64,
}

#[derive(Debug, Args)]
pub(super) struct DifferenceArguments {
    /// The statement's number.
    statement: i64,
    /// The difference's number.
    difference: u64,
}

#[derive(Debug, Args)]
pub(super) struct CloseArguments {
    #[command(flatten)]
    of: StatementArguments,
    /// Why it is closed although rows are bad, or the totals beside the file are not those of its rows.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    although: Option<String>,
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
    /// How much money moves by it, in yuan; negative where it comes back, 0 where none does.
    #[arg(long, value_name = "YUAN", value_parser = yuan, allow_hyphen_values = true)]
    moves: Fen,
    /// Why, in 1 to 200 characters.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

#[derive(Debug, Args)]
pub(super) struct ReasonArguments {
    /// The statement's number.
    statement: i64,
    /// The difference's number.
    difference: u64,
    /// Why, in 1 to 200 characters.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
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

fn state(text: &str) -> Result<StatementState, String> {
    let unknown = || "receiving, received, matched or closed".to_owned();
    StatementState::from_word(text).ok_or_else(unknown)
}

fn scheme(text: &str) -> Result<Scheme, String> {
    Scheme::from_word(text).ok_or_else(|| "resident or employee".to_owned())
}

fn yuan(text: &str) -> Result<Fen, String> {
    Fen::parse_yuan(text)
        .ok_or_else(|| "yuan with at most two decimals 至多两位小数的金额".to_owned())
}

fn reason(text: &str) -> Result<String, String> {
    let unfit = || "1 to 200 characters that can be printed 1 至 200 个字符".to_owned();
    is_reason(text).then(|| text.to_owned()).ok_or_else(unfit)
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
        Command::Totals(TotalsArguments { scope, format }) => {
            let scope = scope.scope()?;
            let totals = at_database(&configured()?, async |desk| desk.totals(&scope).await)?;
            paper::totals(&totals, format);
            Ok(())
        }
        Command::Run(arguments) => run_file(&arguments, &configured()?),
        Command::List(arguments) => list(arguments, &configured()?),
        Command::Show(StatementArguments { statement, format }) => {
            let found = at_database(&configured()?, async |desk| desk.find(statement).await)?;
            paper::report(&found, format);
            Ok(())
        }
        Command::Differences(DifferencesArguments { statement }) => {
            at_database(&configured()?, async |desk| differences(&desk, statement).await)
        }
        Command::History(DifferenceArguments { statement, difference }) => {
            let events = at_database(&configured()?, async |desk| {
                desk.history(statement, difference).await
            })?;
            paper::events(&events);
            Ok(())
        }
        Command::Export(ExportArguments { statement, out, result }) => {
            let bars = Mutex::new(None);
            let tell = |progress: Progress| paper::shown(&bars, progress);
            let exported = at_database(&configured()?, async |desk| {
                export(&desk, statement, (&out, result.into()), &tell).await
            });
            cleared(bars);
            exported
        }
        Command::Propose(NoteArguments { statement, difference, moves, reason }) => {
            note((statement, difference, reason), Note::Propose(moves), &configured()?)
        }
        Command::Withdraw(ReasonArguments { statement, difference, reason }) => {
            note((statement, difference, reason), Note::Withdraw, &configured()?)
        }
        Command::Settle(NoteArguments { statement, difference, moves, reason }) => {
            note((statement, difference, reason), Note::Settle(moves), &configured()?)
        }
        Command::Carry(ReasonArguments { statement, difference, reason }) => {
            note((statement, difference, reason), Note::Carry, &configured()?)
        }
        Command::Carried(CarriedArguments { scope }) => {
            let scope = scope.scope()?;
            at_database(&configured()?, async |desk| carried(&desk, &scope).await)
        }
        Command::Close(CloseArguments {
            of: StatementArguments { statement, format },
            although,
        }) => {
            let although = although.as_deref();
            let closed =
                at_database(&configured()?, async |desk| desk.close(statement, although).await)?;
            paper::report(&closed, format);
            Ok(())
        }
    }
}

fn list(arguments: ListArguments, config: &Config) -> Result<(), Failure> {
    let ListArguments { hospital, region, scheme, payer, day, state, format } = arguments;
    let latest = Latest { hospital, region, scheme, payer, day, state, ..Latest::default() };
    paper::statements_head(format);
    at_database(config, async |desk| {
        let mut page = latest;
        loop {
            let found = desk.statements(&page).await?;
            paper::statements(&found.listed, format);
            if found.next.is_none() {
                return Ok(());
            }
            page.after = found.next;
        }
    })
}

/// Prints all differences, page by page.
async fn differences(desk: &Reconciling<'_>, statement: i64) -> Result<(), AppError> {
    out::line(paper::DIFFERENCES);
    let mut after = 0;
    loop {
        let page = desk.differences(statement, after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.number;
        page.iter().for_each(paper::difference);
    }
}

/// Prints all that was carried, page by page.
async fn carried(desk: &Reconciling<'_>, scope: &Scope) -> Result<(), AppError> {
    let mut after = None;
    loop {
        let page = desk.carried(scope, after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some((last.statement, last.number));
        page.iter().for_each(paper::carried);
    }
}

fn run_file(arguments: &RunArguments, config: &Config) -> Result<(), Failure> {
    let scope = arguments.scope.scope()?;
    let name = arguments.file.display();
    let file = File::open(&arguments.file).with_context(|| format!("open {name}"))?;
    let bars = Mutex::new(None);
    let tell = |progress: Progress| paper::shown(&bars, progress);
    let told = arguments.told;
    let result = arguments.result;
    let reconciled = at_database(config, async |desk| {
        let reconciled = desk.reconcile(&scope, told, file, &tell).await?;
        if let Some(out) = &arguments.out {
            export(&desk, reconciled.statement.key, (out, result.into()), &tell).await?;
        }
        Ok(reconciled)
    });
    cleared(bars);
    let reconciled = reconciled?;
    paper::report(&reconciled, arguments.format);
    let Reconciled { statement, .. } = &reconciled;
    if statement.differences == 0 && statement.rows_bad == 0 && reconciled.totals_agree {
        Ok(())
    } else {
        Err(Failure::Answered(EXIT_DIFFERS))
    }
}

/// Takes the last bar away, so that nothing is in the way of what is printed.
fn cleared(bars: Mutex<Option<(Step, Bar)>>) {
    if let Some((_, bar)) = bars.into_inner().unwrap_or_else(PoisonError::into_inner) {
        bar.clear();
    }
}

/// Something differs, or a row was bad.
const EXIT_DIFFERS: u8 = 2;

fn note(
    (statement, difference, reason): (i64, u64, String),
    note: Note,
    config: &Config,
) -> Result<(), Failure> {
    at_database(config, async |desk| desk.note(statement, difference, note, &reason).await)
}

async fn export(
    desk: &Reconciling<'_>,
    statement: i64,
    (out, wanted): (&Path, ResultOf),
    tell: &(dyn Fn(Progress) + Sync),
) -> Result<(), AppError> {
    // A file that is there already is not touched before all of the new one is.
    let mut part = out.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let unwritten = |error| AppError::from(crate::app::FileFault::Write(error));
    let sink = BufWriter::new(File::create(&part).map_err(unwritten)?);
    let sink = desk.results(statement, wanted, sink, tell).await?;
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
    let about = refusal.about();
    let about = if about.is_empty() { about } else { format!(" ({about})") };
    format!("{code} {field}{about}: {} {}", words.0, words.1)
}
