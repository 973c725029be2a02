//! `onestop access`: who looked at a person's data. For the bureau: of a server, by its certificate; or at the machine itself, on the
//! database beside servers.
//!
//! The person's number is read from a file or standard input: an argument would be seen by everybody on the machine.
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use jiff::Timestamp;
use jiff::civil::Date;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::client::{self, Ended, ServerArguments};
use super::database::on_database;
use super::{Failure, out};
use crate::app::registry::normalize_credential;
use crate::app::{self, Access, Caller, CredentialHash, Days, Listed, Page, Role, shanghai};
use crate::config::Config;
use crate::domain::ids::{SettlementId, identity_number_is_valid};
use crate::door::wire::access::v1 as wire;
use crate::door::wire::access::v1::access_service_client::AccessServiceClient;
use crate::door::wire::settlement::v1::Credential;
use crate::keys::Keys;
use crate::limits;
use crate::store::Pool;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists who looked at a person's data, oldest first. A settlement or reversal is its own record and is not among them. Asking
    /// leaves a record too. A bureau names its server and shows its certificate; at the machine itself, without --server, it needs the
    /// database and the keys.
    List(ListArguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    /// What kind of credential is given.
    #[arg(long, value_enum)]
    credential_kind: CredentialKind,
    /// The file that holds its number; by default, or with "-", it is read from standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    credential_file: PathBuf,
    /// From this day on, such as 2024-06-30.
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// Up to and with this day.
    #[arg(long, value_name = "DATE")]
    to: Option<Date>,
    /// How to print them.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// What you want to know it for, a word such as "complaint-review"; it stands in the record of this look.
    #[arg(long, value_name = "WORD", value_parser = purpose)]
    purpose: Option<String>,
    /// Without --server: the folder of the keys; by default that of the configuration.
    #[arg(long, value_name = "FOLDER", conflicts_with = "server")]
    keys_dir: Option<PathBuf>,
    /// The server to ask, such as https://gateway:50051; without it the database is asked.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// For https: the authority that signed the server's certificate (PEM).
    #[arg(long, value_name = "FILE", env = "ONESTOP_CLIENT_CA")]
    ca: Option<PathBuf>,
    /// For https: the certificate by which we are known (PEM).
    #[arg(long, value_name = "FILE", env = "ONESTOP_CLIENT_CERT", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", env = "ONESTOP_CLIENT_KEY", requires = "cert")]
    key: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum CredentialKind {
    IdentityNumber,
    PersonNumber,
    CardToken,
    Passport,
    /// By the mother's identity number.
    NewbornOfMother,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Csv,
    Json,
}

impl CredentialKind {
    /// As numbered in the contract.
    const fn number(self) -> u8 {
        match self {
            Self::IdentityNumber => 1,
            Self::PersonNumber => 2,
            Self::CardToken => 3,
            Self::Passport => 4,
            Self::NewbornOfMother => 5,
        }
    }

    const fn is_identity_number(self) -> bool {
        match self {
            Self::IdentityNumber | Self::NewbornOfMother => true,
            Self::PersonNumber | Self::CardToken | Self::Passport => false,
        }
    }
}

fn purpose(text: &str) -> Result<String, String> {
    if app::is_purpose(text) {
        return Ok(text.to_owned());
    }
    Err("a word of a-z, - and _, at most 40 小写字母与 - _，至多 40 个字符".to_owned())
}

pub(super) fn run(
    command: Command,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    let Command::List(arguments) = command;
    match &arguments.server {
        Some(address) => of_server(&arguments, address),
        None => of_database(&arguments, configured()?),
    }
}

/// Asks a server, page by page, as whoever the certificate names.
fn of_server(arguments: &ListArguments, address: &str) -> Result<(), Failure> {
    let ListArguments { ca, cert, key, .. } = arguments;
    let (ca, cert, key) = (ca.clone(), cert.clone(), key.clone());
    let server = ServerArguments { ca, cert, key, ..ServerArguments::default() };
    let day = |day: Option<Date>| day.map_or(String::new(), |day| day.to_string());
    let number = arguments.number()?;
    super::block_on(async {
        let mut client = AccessServiceClient::new(client::channel(address, &server)?)
            .max_decoding_message_size(limits::MESSAGE_BYTES_MAX);
        let mut paper = Paper::new(arguments.format);
        let mut page_token = Vec::new();
        loop {
            let request = wire::ListAccessesRequest {
                credential: Some(Credential {
                    kind: arguments.credential_kind.number().into(),
                    number: number.expose_secret().to_owned(),
                }),
                from_date: day(arguments.from),
                to_date: day(arguments.to),
                page_size: 0,
                page_token,
            };
            let page = ask(&mut client, &request, arguments.purpose.as_deref()).await?;
            let rows: Vec<_> = page.accesses.into_iter().map(cells_told).collect();
            paper.print(&rows)?;
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(());
            }
        }
    })
}

async fn ask(
    client: &mut AccessServiceClient<tonic::transport::Channel>,
    request: &wire::ListAccessesRequest,
    purpose: Option<&str>,
) -> Result<wire::ListAccessesResponse, Failure> {
    let purpose = purpose.map(str::parse).transpose().context("say what it is for")?;
    let answered = client::patiently(("access list", client::RECORDS_NOTHING), || {
        let (mut client, mut request) = (client.clone(), tonic::Request::new(request.clone()));
        if let Some(purpose) = &purpose {
            request.metadata_mut().insert("onestop-purpose", Clone::clone(purpose));
        }
        async move { client.list_accesses(request).await }
    });
    match answered.await {
        Ok(page) => Ok(page),
        Err(Ended::Refused(told) | Ended::NothingDone(told)) => {
            out::error(&told.for_people("拒收 Refused"));
            Err(Failure::Answered(super::EXIT_FAILED))
        }
        Err(Ended::Unanswered(status)) => {
            Err(Failure::Other(anyhow::anyhow!("access list: {}", client::describe(&status))))
        }
    }
}

/// Asks the database, page by page, as whoever runs this.
fn of_database(arguments: &ListArguments, config: Config) -> Result<(), Failure> {
    let keys = Keys::load(arguments.keys_dir.as_deref().unwrap_or(&config.keys_dir));
    let keys = keys.context("load the keys")?;
    let number = arguments.number()?;
    let kind = arguments.credential_kind.number();
    let hash = keys.credential_hash(kind, number.expose_secret());
    let credential = CredentialHash { kind, hash };
    let caller = Caller {
        // The name is whoever runs this; what it is called on this machine may change, its number does not.
        name: format!("uid-{}", rustix::process::getuid().as_raw()),
        role: Role::CommandLine,
        door: "cli",
        purpose: arguments.purpose.clone(),
        deadline: None,
    };
    let days = Days { from: arguments.from, to: arguments.to };
    let listed = super::block_on_database(on_database(&config, async |pool: &Pool| {
        let mut paper = Paper::new(arguments.format);
        let mut page = Page { days, ..Page::default() };
        loop {
            let Listed { accesses, next } =
                match app::accesses(pool, &caller, &credential, page).await {
                    Ok(listed) => listed,
                    Err(error) => return Ok(Err(error)),
                };
            paper.print(&accesses.iter().map(cells).collect::<Vec<_>>())?;
            page.after = next;
            if next.is_none() {
                return Ok(Ok(()));
            }
        }
    }))?;
    match listed {
        Ok(()) => Ok(()),
        Err(app::AppError::Refused(refusal)) => {
            let code = refusal.code();
            out::error(&format!("{code}: no person has this credential 没有使用该证件的人员"));
            Err(Failure::Answered(super::EXIT_FAILED))
        }
        Err(error) => Err(Failure::Other(error.into())),
    }
}

impl ListArguments {
    /// The number as it is registered, where it can be one.
    fn number(&self) -> Result<SecretString, Failure> {
        let number = read_number(&self.credential_file)?;
        let normalized = SecretString::from(normalize_credential(number.expose_secret()));
        let is_identity_number = self.credential_kind.is_identity_number();
        if is_identity_number && !identity_number_is_valid(normalized.expose_secret()) {
            let said = "IDENTITY_NUMBER_CHECK_DIGIT: not an identity number 身份证号校验位不符";
            return Err(Failure::Usage(said.to_owned()));
        }
        Ok(normalized)
    }
}

fn read_number(file: &Path) -> Result<SecretString, Failure> {
    let mut text = String::new();
    if file == Path::new("-") {
        if std::io::stdin().is_terminal() {
            out::error("the number, then Ctrl-D 请输入证件号码，以 Ctrl-D 结束");
        }
        std::io::stdin().read_to_string(&mut text).context("read standard input")?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    }
    Ok(SecretString::from(text.trim().to_owned()))
}

const COLUMNS: [&str; 7] =
    ["read_at", "caller_name", "caller_kind", "door", "what", "settlement_id", "purpose"];

type Cells = [String; COLUMNS.len()];

fn cells(access: &Access) -> Cells {
    let Access { person: _, at, caller_name, caller_kind, door, what, settlement, purpose } =
        access;
    [
        written(*at),
        caller_name.clone(),
        caller_kind.to_string(),
        door.to_string(),
        what.word().to_owned(),
        settlement.as_ref().map_or(String::new(), SettlementId::to_string),
        purpose.clone().unwrap_or_default(),
    ]
}

/// The same as a server told it.
fn cells_told(access: wire::Access) -> Cells {
    let wire::Access { at, caller_name, caller_kind, door, what, settlement_id, purpose } = access;
    let at = at.parse().map(written).unwrap_or(at);
    [at, caller_name, caller_kind, door, what, settlement_id, purpose]
}

fn written(at: Timestamp) -> String {
    shanghai(at).strftime("%Y-%m-%dT%H:%M:%S%.6f%:z").to_string()
}

/// What is printed on, page by page under one heading.
struct Paper {
    format: Format,
    is_headed: bool,
}

impl Paper {
    const fn new(format: Format) -> Self {
        Self { format, is_headed: false }
    }

    fn print(&mut self, rows: &[Cells]) -> Result<(), anyhow::Error> {
        let is_headed = std::mem::replace(&mut self.is_headed, true);
        match self.format {
            Format::Text => {
                if !is_headed {
                    out::line(
                        "时间 at\t谁 who\t类别 kind\t入口 door\t内容 what\t结算编号 settlement\t事由 purpose",
                    );
                }
                for row in rows {
                    out::line(&row.join("\t"));
                }
            }
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(Vec::new());
                if !is_headed {
                    csv.write_record(COLUMNS).context("write CSV")?;
                }
                for row in rows {
                    csv.write_record(row).context("write CSV")?;
                }
                let bytes = csv.into_inner().context("write CSV")?;
                if !bytes.is_empty() {
                    out::line(String::from_utf8_lossy(&bytes).trim_end());
                }
            }
            Format::Json => {
                for row in rows {
                    let fields = COLUMNS.into_iter().zip(row);
                    let object: serde_json::Map<_, _> =
                        fields.map(|(name, cell)| (name.to_owned(), json!(cell))).collect();
                    out::line(&serde_json::Value::Object(object).to_string());
                }
            }
        }
        Ok(())
    }
}
