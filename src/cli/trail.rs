//! `onestop access`: who looked at a person's data. For the bureau, at the machine itself; it works on the database beside servers.
//!
//! The person's number is read from a file or standard input: an argument would be seen by everybody on the machine.
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use jiff::civil::Date;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::database::on_database;
use super::{Failure, out};
use crate::app::registry::normalize_credential;
use crate::app::{self, Access, Caller, CredentialHash, Days, Role, shanghai};
use crate::config::Config;
use crate::domain::ids::{SettlementId, identity_number_is_valid};
use crate::keys::Keys;
use crate::limits;
use crate::store::Pool;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists who looked at a person's data, oldest first. A settlement or reversal is its own record and is not among them. Asking
    /// leaves a record too.
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
    /// The folder of the keys; by default that of the configuration.
    #[arg(long, value_name = "FOLDER")]
    keys_dir: Option<PathBuf>,
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
    let config = configured()?;
    let ListArguments { credential_kind, credential_file, from, to, format, purpose, keys_dir } =
        arguments;
    let keys = Keys::load(keys_dir.as_deref().unwrap_or(&config.keys_dir));
    let keys = keys.context("load the keys")?;
    let number = read_number(&credential_file)?;
    let normalized = SecretString::from(normalize_credential(number.expose_secret()));
    if credential_kind.is_identity_number() && !identity_number_is_valid(normalized.expose_secret())
    {
        let said = "IDENTITY_NUMBER_CHECK_DIGIT: not an identity number 身份证号校验位不符";
        return Err(Failure::Usage(said.to_owned()));
    }
    let kind = credential_kind.number();
    let hash = keys.credential_hash(kind, normalized.expose_secret());
    let caller = Caller {
        // The name is whoever runs this; what it is called on this machine may change, its number does not.
        name: format!("uid-{}", rustix::process::getuid().as_raw()),
        role: Role::CommandLine,
        door: "cli",
        purpose,
        deadline: None,
    };
    let listed = super::block_on_database(on_database(&config, async |pool: &Pool| {
        let credential = CredentialHash { kind, hash };
        Ok(app::accesses(pool, &caller, &credential, Days { from, to }).await)
    }))?;
    match listed {
        Ok(listed) => print(&listed, format).map_err(Failure::Other),
        Err(app::AppError::Refused(refusal)) => {
            let code = refusal.code();
            out::error(&format!("{code}: no person has this credential 没有使用该证件的人员"));
            Err(Failure::Answered(super::EXIT_FAILED))
        }
        Err(error) => Err(Failure::Other(error.into())),
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

fn cells(access: &Access) -> [String; 7] {
    let Access { person: _, at, caller_name, caller_kind, door, what, settlement, purpose } =
        access;
    [
        shanghai(*at).strftime("%Y-%m-%dT%H:%M:%S%.6f%:z").to_string(),
        caller_name.clone(),
        caller_kind.to_string(),
        door.to_string(),
        what.word().to_owned(),
        settlement.as_ref().map_or(String::new(), SettlementId::to_string),
        purpose.clone().unwrap_or_default(),
    ]
}

fn print(listed: &[Access], format: Format) -> Result<(), anyhow::Error> {
    match format {
        Format::Text => {
            out::line(
                "时间 at\t谁 who\t类别 kind\t入口 door\t内容 what\t结算编号 settlement\t事由 purpose",
            );
            for access in listed {
                out::line(&cells(access).join("\t"));
            }
        }
        Format::Csv => {
            let mut csv = csv::Writer::from_writer(Vec::new());
            csv.write_record(COLUMNS).context("write CSV")?;
            for access in listed {
                csv.write_record(cells(access)).context("write CSV")?;
            }
            let bytes = csv.into_inner().context("write CSV")?;
            out::line(String::from_utf8_lossy(&bytes).trim_end());
        }
        Format::Json => {
            for access in listed {
                let fields = COLUMNS.into_iter().zip(cells(access));
                let object: serde_json::Map<_, _> =
                    fields.map(|(name, cell)| (name.to_owned(), json!(cell))).collect();
                out::line(&serde_json::Value::Object(object).to_string());
            }
        }
    }
    if listed.len() == limits::ACCESSES_LISTED_MAX {
        let most = limits::ACCESSES_LISTED_MAX;
        out::error(&format!(
            "only the first {most} are listed; go on with --from 仅列出前 {most} 条，请用 --from 继续"
        ));
    }
    Ok(())
}
