//! `onestop audit flow|list|export|picture`: a month of the books. Of a server, by its certificate; or, without --server, on the database
//! beside servers.
/// The same call by either way.
macro_rules! ask {
    ($via:expr, $call:ident, $message:expr) => {{
        let message = $message;
        match $via {
            Via::Server(client) => {
                client.clone().$call(message).await.map(tonic::Response::into_inner)
            }
            Via::Here(audit) => here::$call(*audit, message).await,
        }
    }};
}

mod drawn;
mod tables;

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tonic::Status;
use tonic::transport::Channel;

use super::client::{self, ServerArguments};
use super::database::on_database;
use super::{Failure, out};
use crate::app::audit::Audit;
use crate::app::{Caller, Role};
use crate::config::Config;
use crate::domain::money::Fen;
use crate::door::grpc::audit_here as here;
use crate::door::wire::audit::v1 as wire;
use crate::door::wire::audit::v1::audit_service_client::AuditServiceClient;
use crate::limits;
use crate::statement::table::workbook;
use crate::store::Pool;

/// Something was held back, intercepted or diverted, or may have been.
const EXIT_ALARMED: u8 = 2;

/// Which month, and whom to ask.
#[derive(Debug, clap::Args)]
pub(super) struct Asked {
    /// Which month, such as 2026-10.
    #[arg(long)]
    month: String,
    /// The insured region, six digits, with all that lies in it; by default all.
    #[arg(long, default_value = "")]
    region: String,
    /// The server, such as https://gateway:50051; without it the database is asked.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// For https: the authority that signed the server's certificate (PEM).
    #[arg(long, value_name = "FILE", env = "ONESTOP_CLIENT_CA")]
    ca: Option<PathBuf>,
    /// For https: the certificate by which we are known (PEM).
    #[arg(long, value_name = "FILE", env = "ONESTOP_CLIENT_CERT")]
    cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", env = "ONESTOP_CLIENT_KEY")]
    key: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct FlowArguments {
    #[command(flatten)]
    asked: Asked,
    /// Breakdowns: fund, region, hospital, class, care, detail; may be repeated.
    #[arg(long, default_values_t = ["fund".to_owned()])]
    by: Vec<String>,
    /// Print the answer as JSON, as the contract has it.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    /// all, reversals, assumed, out_of_catalogue, readmitted or near_ceiling.
    #[arg(default_value = "all")]
    which: String,
    #[command(flatten)]
    asked: Asked,
    /// Of this hospital.
    #[arg(long, default_value = "")]
    hospital: String,
    /// That this fund paid something of.
    #[arg(long, default_value = "")]
    fund: String,
    /// Of this class of recipient.
    #[arg(long, default_value = "")]
    class: String,
    /// Of this kind of care.
    #[arg(long, default_value = "")]
    care: String,
    /// Print each as a line of JSON, as the contract has it.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExportArguments {
    /// The file: .xlsx, .csv or .parquet. One that is there is replaced.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    asked: Asked,
    /// By all dimensions together as well.
    #[arg(long)]
    detail: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct PictureArguments {
    /// The file. One that is there is replaced.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    asked: Asked,
    /// Through hospitals rather than regions.
    #[arg(long)]
    hospitals: bool,
}

/// By which way a month is asked for.
enum Via<'a> {
    Server(AuditServiceClient<Channel>),
    Here(Audit<'a>),
}

pub(super) fn flow(
    arguments: &FlowArguments,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    let by: Vec<&str> = arguments.by.iter().map(String::as_str).collect();
    let flow = month(&arguments.asked, &by, configured)?;
    if arguments.json {
        out::line(&serde_json::to_value(&flow).unwrap_or_default().to_string());
    } else {
        tables::paper(&flow).iter().for_each(|line| out::line(line));
    }
    if flow.alarms.is_empty() { Ok(()) } else { Err(Failure::Answered(EXIT_ALARMED)) }
}

pub(super) fn list(
    arguments: &ListArguments,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    let ListArguments { which, asked, hospital, fund, class, care, json } = arguments;
    if !*json {
        out::line(
            "结算日 day\t结算编号 settlement\t医院 hospital\t参保地 region\t类别 class\t总额 total\t基金 fund\t原因 why",
        );
    }
    answered(asked, configured, async |via| {
        let mut message = wire::ListEntriesRequest {
            month: asked.month.clone(),
            region: asked.region.clone(),
            hospital_code: hospital.clone(),
            fund: fund.clone(),
            class: class.clone(),
            care: care.clone(),
            which: which.clone(),
            page_size: 0,
            page_token: String::new(),
        };
        loop {
            let page = ask!(via, list_entries, message.clone())?;
            page.entries.iter().for_each(|of| out::line(&said(of, *json)));
            message.page_token = page.next_page_token;
            if message.page_token.is_empty() {
                return Ok(());
            }
        }
    })
}

fn said(of: &wire::Entry, json: bool) -> String {
    if json {
        return serde_json::to_value(of).unwrap_or_default().to_string();
    }
    let (total, fund) = (Fen::new(of.total_fen), Fen::new(of.fund_fen));
    let wire::Entry { accounting_day, settlement_id, hospital_code, insured_region, class, .. } =
        of;
    let why = format!("{} {}", of.why_zh, of.why_en);
    let why = why.trim();
    format!(
        "{accounting_day}\t{settlement_id}\t{hospital_code}\t{insured_region}\t{class}\t{total}\t{fund}\t{why}"
    )
}

pub(super) fn export(
    arguments: &ExportArguments,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    let ending = arguments.file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if !["xlsx", "csv", "parquet"].contains(&ending) {
        let fault =
            "the file ends in .xlsx, .csv or .parquet 文件须以 .xlsx、.csv 或 .parquet 结尾";
        return Err(Failure::Usage(fault.to_owned()));
    }
    let mut by = vec!["fund", "region", "hospital", "class", "care"];
    if arguments.detail {
        by.push("detail");
    }
    let flow = month(&arguments.asked, &by, configured)?;
    let written = match ending {
        "csv" => tables::lines(&flow).csv(Vec::new()),
        "parquet" => tables::lines(&flow).parquet(Vec::new()),
        _ => workbook(Cursor::new(Vec::new()), &tables::sheets(&flow)).map(Cursor::into_inner),
    };
    let written = written.map_err(anyhow::Error::new).context("write the tables")?;
    put(&arguments.file, &written)
}

pub(super) fn picture(
    arguments: &PictureArguments,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    let flow = month(&arguments.asked, &["fund", "region", "hospital"], configured)?;
    put(&arguments.file, drawn::picture(&flow, arguments.hospitals).svg().as_bytes())
}

/// A file is whole or is not there: what was there before stays until then.
fn put(file: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".part");
    let written = || -> std::io::Result<()> {
        let mut part = std::fs::File::create(&beside)?;
        part.write_all(content)?;
        part.sync_all()?;
        std::fs::rename(&beside, file)
    };
    written().with_context(|| format!("write {}", file.display()))?;
    out::line(&format!("{}", file.display()));
    Ok(())
}

fn month(
    asked: &Asked,
    by: &[&str],
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<wire::FundFlow, Failure> {
    let message = wire::GetFundFlowRequest {
        month: asked.month.clone(),
        region: asked.region.clone(),
        by: by.iter().map(|by| (*by).to_owned()).collect(),
    };
    answered(asked, configured, async |via| ask!(via, get_fund_flow, message))
}

/// Asks by whichever way there is.
fn answered<T>(
    asked: &Asked,
    configured: impl FnOnce() -> Result<Config, Failure>,
    asking: impl AsyncFnOnce(&Via<'_>) -> Result<T, Status>,
) -> Result<T, Failure> {
    let answer = match &asked.server {
        Some(address) => super::block_on(async {
            let (ca, cert, key) = (asked.ca.clone(), asked.cert.clone(), asked.key.clone());
            let server = ServerArguments { ca, cert, key, ..ServerArguments::default() };
            let client = AuditServiceClient::new(client::channel(address, &server)?)
                .max_decoding_message_size(limits::MESSAGE_BYTES_MAX);
            Ok(asking(&Via::Server(client)).await)
        })?,
        None => {
            let config = configured()?;
            let caller = Caller {
                // What they are called on this machine may change, their number does not.
                name: format!("uid-{}", rustix::process::getuid().as_raw()),
                role: Role::CommandLine,
                door: "cli",
                purpose: None,
                deadline: None,
            };
            super::block_on_database(on_database(&config, async |pool: &Pool| {
                Ok(asking(&Via::Here(Audit::beside(pool, &caller))).await)
            }))?
        }
    };
    answer.map_err(|status| match client::told(&status) {
        Some(told) => {
            out::error(&told.for_people("拒绝 Refused"));
            Failure::Answered(super::EXIT_FAILED)
        }
        None => Failure::Other(anyhow::anyhow!("audit: {}", client::describe(&status))),
    })
}
