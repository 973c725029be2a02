//! `onestop clearing` and `onestop budget`: the books, for the bureau. Of a server, by its certificate; or, without --server, at the machine
//! itself on the database beside servers, by whoever is logged in there.
/// The same call by either way.
macro_rules! ask {
    ($via:expr, $call:ident, $message:expr) => {{
        let message = $message;
        match $via {
            Via::Server(client) => {
                client.clone().$call(message).await.map(tonic::Response::into_inner)
            }
            Via::Here(finance) => here::$call(*finance, message).await,
        }
    }};
}

mod faults;
mod paper;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use jiff::civil::Date;
use tonic::Status;
use tonic::transport::Channel;

use self::paper::{
    Answered, Paper, ageing, balance, budgets, checked, claims, list, one, paper, payments,
    postings, said, statements, written, yuan,
};
use super::client::{self, ServerArguments};
use super::database::on_database;
use super::{Failure, out};
use crate::app::finance::Finance;
use crate::app::{Caller, Role};
use crate::config::Config;
use crate::door::grpc::clearing_here as here;
use crate::door::wire::clearing::v1 as wire;
use crate::door::wire::clearing::v1::clearing_service_client::ClearingServiceClient;
use crate::keys::Keys;
use crate::limits;
use crate::store::Pool;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

/// Where the books are, and how answers are printed.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The server, such as https://gateway:50051; without it the database is asked, which needs the keys.
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// For https: the authority that signed the server's certificate (PEM).
    #[arg(long, global = true, value_name = "FILE", env = "ONESTOP_CLIENT_CA")]
    ca: Option<PathBuf>,
    /// For https: the certificate by which we are known (PEM).
    #[arg(long, global = true, value_name = "FILE", env = "ONESTOP_CLIENT_CERT")]
    cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, global = true, value_name = "FILE", env = "ONESTOP_CLIENT_KEY")]
    key: Option<PathBuf>,
    /// Without --server: the folder of the keys; by default that of the configuration.
    #[arg(long, global = true, value_name = "FOLDER")]
    keys_dir: Option<PathBuf>,
    /// Print answers as JSON, as the contract has them.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Statements(StatementCommand),
    #[command(flatten)]
    Money(MoneyCommand),
    #[command(flatten)]
    Books(BookCommand),
}

#[derive(Debug, Subcommand)]
enum StatementCommand {
    /// Makes the statements of hospitals of a region for some closed days.
    Make {
        /// Where the hospitals are, six digits.
        #[arg(long)]
        region: String,
        /// First day.
        #[arg(long, value_name = "DATE")]
        from: Date,
        /// Last day.
        #[arg(long, value_name = "DATE")]
        to: Date,
        /// Of this hospital alone.
        #[arg(long, default_value = "")]
        hospital: String,
        /// For persons insured here alone.
        #[arg(long, default_value = "")]
        insured_region: String,
    },
    /// Lists statements.
    List {
        /// Of this region, on either side.
        #[arg(long, default_value = "")]
        region: String,
        /// Of this hospital.
        #[arg(long, default_value = "")]
        hospital: String,
        /// made, approved_once, approved, in_file, paid or withdrawn.
        #[arg(long, default_value = "")]
        state: String,
        /// With days from this one on.
        #[arg(long, value_name = "DATE")]
        from: Option<Date>,
        /// Up to and with this day.
        #[arg(long, value_name = "DATE")]
        to: Option<Date>,
    },
    /// Shows a statement with its funds and the steps that it took.
    Show {
        /// The statement.
        statement: String,
    },
    /// Agrees to a statement: one person, then another.
    Approve {
        /// The statement.
        statement: String,
    },
    /// Takes a statement back that is not owed yet.
    Withdraw {
        /// The statement.
        statement: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Says what a region withholds and when it pays, from now on.
    Terms {
        /// Whose terms.
        #[arg(long)]
        region: String,
        /// The share of insurance money to withhold, such as 0.05.
        #[arg(long)]
        deposit_ratio: String,
        /// Within how many working days the rest is due.
        #[arg(long)]
        due_workdays: u32,
        /// By which document.
        #[arg(long)]
        source: String,
    },
}

#[derive(Debug, Subcommand)]
enum MoneyCommand {
    /// Keeps another bank account of a hospital, from a file with the holder on its first line and the number on its second.
    SetAccount {
        /// Where the hospital is.
        #[arg(long)]
        region: String,
        /// The hospital.
        #[arg(long)]
        hospital: String,
        /// The bank's code.
        #[arg(long)]
        bank: String,
        /// The file with holder and number.
        #[arg(long, value_name = "FILE")]
        account_file: PathBuf,
    },
    /// Confirms an account that somebody else set.
    ConfirmAccount {
        /// Where the hospital is.
        #[arg(long)]
        region: String,
        /// The hospital.
        #[arg(long)]
        hospital: String,
        /// Which of its accounts.
        #[arg(long)]
        number: i32,
    },
    /// Puts what an agency has to pay by a bank into a file.
    Pay {
        /// Whose agency pays.
        #[arg(long)]
        region: String,
        /// By which bank.
        #[arg(long)]
        bank: String,
        /// Where to write the file; it holds account numbers, and nobody else may read it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Writes a payment file once more, byte for byte.
    PayAgain {
        /// The file's id.
        file: String,
        /// Where to write it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Takes what a bank says of a file's payments.
    Confirm {
        /// The bank's file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Lists payments: who made each, what its bank said of it, and who confirmed that.
    Payments {
        /// Of statements of this region, on either side.
        #[arg(long, default_value = "")]
        region: String,
        /// To this hospital.
        #[arg(long, default_value = "")]
        hospital: String,
        /// Of this statement.
        #[arg(long, default_value = "")]
        statement: String,
        /// Of this file.
        #[arg(long, default_value = "")]
        file: String,
        /// Of files made from this day on.
        #[arg(long, value_name = "DATE")]
        from: Option<Date>,
        /// Up to and with this day.
        #[arg(long, value_name = "DATE")]
        to: Option<Date>,
    },
    /// What hospitals are owed, and how late it is.
    Ageing {
        /// Of this region, on either side.
        #[arg(long, default_value = "")]
        region: String,
        /// Of this hospital.
        #[arg(long, default_value = "")]
        hospital: String,
    },
    /// What hospitals of a region settled for persons insured elsewhere.
    Claims {
        /// Where they were treated.
        #[arg(long)]
        treatment_region: String,
        /// Where they are insured.
        #[arg(long, default_value = "")]
        insured_region: String,
        /// First day.
        #[arg(long, value_name = "DATE")]
        from: Date,
        /// Last day.
        #[arg(long, value_name = "DATE")]
        to: Date,
    },
}

#[derive(Debug, Subcommand)]
enum BookCommand {
    /// Proposes a posting, from a file in the contract's JSON: kind, lines, budgetYear, reference, reason.
    Propose {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Agrees to what somebody else proposed.
    Agree {
        /// The proposal.
        proposal: String,
    },
    /// Takes a proposal back.
    TakeBack {
        /// The proposal.
        proposal: String,
    },
    /// What waits for a second person.
    Proposals {
        /// That touch this region.
        #[arg(long, default_value = "")]
        region: String,
    },
    /// Lists postings in the order of their days.
    Postings {
        /// That touch this region.
        #[arg(long, default_value = "")]
        region: String,
        /// Of this hospital.
        #[arg(long, default_value = "")]
        hospital: String,
        /// Of this kind.
        #[arg(long, default_value = "")]
        kind: String,
        /// From this day on.
        #[arg(long, value_name = "DATE")]
        from: Option<Date>,
        /// Up to and with this day.
        #[arg(long, value_name = "DATE")]
        to: Option<Date>,
    },
    /// Looks for every place where the books, the ledger or the registry contradict themselves or their history. Reads everything; only at
    /// the machine. Ends with 1 where one is found.
    Check,
    /// Adds the books up. Ends with 1 where debits and credits differ, which they never do.
    Balance {
        /// account, kind, day, region, hospital, fund or entry.
        #[arg(long, default_value = "kind")]
        by: String,
        /// In this region.
        #[arg(long, default_value = "")]
        region: String,
        /// Of this hospital.
        #[arg(long, default_value = "")]
        hospital: String,
        /// Of this fund.
        #[arg(long, default_value = "")]
        fund: String,
        /// Of this settlement or posting.
        #[arg(long, default_value = "")]
        entry: String,
        /// From this day on.
        #[arg(long, value_name = "DATE")]
        from: Option<Date>,
        /// Up to and with this day.
        #[arg(long, value_name = "DATE")]
        to: Option<Date>,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct BudgetArguments {
    #[command(subcommand)]
    command: BudgetCommand,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Subcommand)]
enum BudgetCommand {
    /// What funds were given for a year, what was granted and paid, and when each runs dry.
    List {
        /// In this region.
        #[arg(long, default_value = "")]
        region: String,
        /// The year; by default this one.
        #[arg(long, default_value_t = 0)]
        year: u32,
    },
    /// Says what a desk gets when a fund has not enough left.
    Rule {
        /// The fund, such as medical_aid.
        #[arg(long)]
        fund: String,
        /// Whose.
        #[arg(long)]
        region: String,
        /// settle_and_flag, settle or decline; a quote that still holds is kept under each of them.
        #[arg(long)]
        when_dry: String,
        /// By which document.
        #[arg(long)]
        source: String,
    },
}

/// By which way the books are asked.
enum Via<'a> {
    Server(ClearingServiceClient<Channel>),
    Here(Finance<'a>),
}

pub(super) fn run(
    Arguments { command, place }: Arguments,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    let files = Files::of(&command)?;
    answered(&place, configured, async |via| command.ask(via, files).await)
}

pub(super) fn run_budget(
    BudgetArguments { command, place }: BudgetArguments,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    answered(&place, configured, async |via| command.ask(via).await)
}

/// Asks by whichever way there is, and prints the answer.
fn answered(
    place: &Place,
    configured: impl FnOnce() -> Result<Config, Failure>,
    asking: impl AsyncFnOnce(&Via<'_>) -> Answered,
) -> Result<(), Failure> {
    let answer = match &place.server {
        Some(address) => super::block_on(async {
            let (ca, cert, key) = (place.ca.clone(), place.cert.clone(), place.key.clone());
            let server = ServerArguments { ca, cert, key, ..ServerArguments::default() };
            let client = ClearingServiceClient::new(client::channel(address, &server)?)
                .max_decoding_message_size(limits::MESSAGE_BYTES_MAX);
            Ok(asking(&Via::Server(client)).await)
        })?,
        None => {
            let config = configured()?;
            let keys = Keys::load(place.keys_dir.as_deref().unwrap_or(&config.keys_dir));
            let keys = keys.context("load the keys")?;
            let caller = Caller {
                // What they are called on this machine may change, their number does not.
                name: format!("uid-{}", rustix::process::getuid().as_raw()),
                role: Role::CommandLine,
                door: "cli",
                purpose: None,
                deadline: None,
            };
            super::block_on_database(on_database(&config, async |pool: &Pool| {
                let finance = Finance::beside(pool, &keys, &caller);
                Ok(asking(&Via::Here(finance)).await)
            }))?
        }
    };
    match answer {
        Ok(Paper { json, lines, ends }) => {
            if place.json {
                out::line(&json.to_string());
            } else {
                lines.iter().for_each(|line| out::line(line));
            }
            if ends == 0 { Ok(()) } else { Err(Failure::Answered(ends)) }
        }
        Err(status) => match client::told(&status) {
            Some(told) => {
                out::error(&told.for_people("拒收 Refused"));
                Err(Failure::Answered(super::EXIT_FAILED))
            }
            None => Err(Failure::Other(anyhow::anyhow!("clearing: {}", client::describe(&status)))),
        },
    }
}

/// What is read before anything is asked.
#[derive(Default)]
struct Files {
    text: String,
    /// Of a proposal.
    posting: Option<wire::ProposePostingRequest>,
}

impl Files {
    fn of(command: &Command) -> Result<Self, Failure> {
        let file = match command {
            Command::Money(
                MoneyCommand::SetAccount { account_file: file, .. }
                | MoneyCommand::Confirm { file },
            )
            | Command::Books(BookCommand::Propose { file }) => file,
            Command::Statements(_) | Command::Money(_) | Command::Books(_) => {
                return Ok(Self::default());
            }
        };
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| {
            let file = file.display();
            Failure::Usage(format!("{file}: 无法读取该文件 the file can not be read ({error})"))
        })?;
        let posting = match command {
            Command::Books(BookCommand::Propose { .. }) => Some(posting_of(file, &text)?),
            Command::Statements(_) | Command::Money(_) | Command::Books(_) => None,
        };
        Ok(Self { text, posting })
    }
}

/// A posting in the contract's JSON, or where and why it is none.
fn posting_of(file: &std::path::Path, text: &str) -> Result<wire::ProposePostingRequest, Failure> {
    serde_json::from_str(text).map_err(|error| {
        use serde_json::error::Category;
        let (zh, en) = match error.classify() {
            Category::Eof => ("文件不完整", "the file ends too early"),
            Category::Syntax | Category::Io => ("不是有效的 JSON", "this is not JSON"),
            Category::Data => ("内容不符合接口", "this is not as the contract has it"),
        };
        let (file, line, column) = (file.display(), error.line(), error.column());
        Failure::Usage(format!(
            "{file}: 第 {line} 行第 {column} 列 line {line}, column {column}: {zh} {en} ({error})"
        ))
    })
}

fn day(day: Option<Date>) -> String {
    day.map_or(String::new(), |day| day.to_string())
}

impl Command {
    async fn ask(self, via: &Via<'_>, files: Files) -> Answered {
        match self {
            Self::Statements(command) => command.ask(via).await,
            Self::Money(command) => command.ask(via, files).await,
            Self::Books(command) => command.ask(via, files).await,
        }
    }
}

impl StatementCommand {
    async fn ask(self, via: &Via<'_>) -> Answered {
        match self {
            Self::Make { region, from, to, hospital, insured_region } => {
                let message = wire::MakeStatementsRequest {
                    region,
                    first_day: from.to_string(),
                    last_day: to.to_string(),
                    hospital_code: hospital,
                    insured_region,
                };
                let made = ask!(via, make_statements, message)?;
                let lines = statements(&made.statements);
                Ok(paper(&made, lines))
            }
            Self::List { region, hospital, state, from, to } => {
                let asked = wire::ListStatementsRequest {
                    region,
                    hospital_code: hospital,
                    state,
                    from_day: day(from),
                    to_day: day(to),
                    ..wire::ListStatementsRequest::default()
                };
                list(via, asked).await
            }
            Self::Show { statement } => {
                one(ask!(via, get_statement, wire::StatementKey { statement_id: statement })?)
            }
            Self::Approve { statement } => {
                one(ask!(via, approve_statement, wire::StatementKey { statement_id: statement })?)
            }
            Self::Withdraw { statement, reason } => {
                let message = wire::WithdrawStatementRequest { statement_id: statement, reason };
                one(ask!(via, withdraw_statement, message)?)
            }
            Self::Terms { region, deposit_ratio, due_workdays, source } => {
                let message = wire::SetTermsRequest { region, deposit_ratio, due_workdays, source };
                let set = ask!(via, set_terms, message)?;
                Ok(paper(&set, vec!["已登记 recorded".to_owned()]))
            }
        }
    }
}

impl MoneyCommand {
    async fn ask(self, via: &Via<'_>, files: Files) -> Answered {
        match self {
            Self::SetAccount { region, hospital, bank, account_file: _ } => {
                let (holder, number) = files.text.trim().split_once('\n').unwrap_or_default();
                let message = wire::SetAccountRequest {
                    region,
                    hospital_code: hospital,
                    holder: holder.trim().to_owned(),
                    account_number: number.trim().to_owned(),
                    bank_code: bank,
                };
                let set = ask!(via, set_account, message)?;
                let line = format!("账户序号 account {}，待复核 to be confirmed", set.account_no);
                Ok(paper(&set, vec![line]))
            }
            Self::ConfirmAccount { region, hospital, number } => {
                let message = wire::Account { region, hospital_code: hospital, account_no: number };
                let set = ask!(via, confirm_account, message)?;
                Ok(paper(&set, vec!["已复核 confirmed".to_owned()]))
            }
            Self::Pay { region, bank, out } => {
                let message = wire::MakePaymentFileRequest { region, bank_code: bank };
                written(ask!(via, make_payment_file, message)?, &out)
            }
            Self::PayAgain { file, out } => {
                let message = wire::PaymentFileKey { file_id: file };
                written(ask!(via, get_payment_file, message)?, &out)
            }
            Self::Confirm { file: _ } => {
                let message = wire::ConfirmPaymentsRequest { content: files.text.into_bytes() };
                let told = ask!(via, confirm_payments, message)?;
                let wire::ConfirmPaymentsResponse { paid, partial, failed, paid_fen } = told;
                let line = format!(
                    "付讫 paid {paid}\t部分 partial {partial}\t失败 failed {failed}\t金额 {}",
                    yuan(paid_fen)
                );
                Ok(paper(&told, vec![line]))
            }
            Self::Payments { region, hospital, statement, file, from, to } => {
                let asked = wire::ListPaymentsRequest {
                    region,
                    hospital_code: hospital,
                    statement_id: statement,
                    file_id: file,
                    from_day: day(from),
                    to_day: day(to),
                    ..wire::ListPaymentsRequest::default()
                };
                payments(via, asked).await
            }
            Self::Ageing { region, hospital } => {
                let message = wire::GetAgeingRequest { region, hospital_code: hospital };
                let told = ask!(via, get_ageing, message)?;
                let lines = ageing(&told);
                Ok(paper(&told, lines))
            }
            Self::Claims { treatment_region, insured_region, from, to } => {
                let asked = wire::ListClaimsRequest {
                    treatment_region,
                    insured_region,
                    first_day: from.to_string(),
                    last_day: to.to_string(),
                    page_token: String::new(),
                };
                claims(via, asked).await
            }
        }
    }
}

impl BookCommand {
    async fn ask(self, via: &Via<'_>, files: Files) -> Answered {
        match self {
            Self::Propose { file: _ } => {
                let made = ask!(via, propose_posting, files.posting.unwrap_or_default())?;
                let line = format!("{} 待另一人同意 waits for another person", made.proposal_id);
                Ok(paper(&made, vec![line]))
            }
            Self::Agree { proposal } => {
                let made = ask!(via, agree_posting, wire::ProposalKey { proposal_id: proposal })?;
                let line = format!("{} {} 已记账 posted", made.posting_id, made.accounting_day);
                Ok(paper(&made, vec![line]))
            }
            Self::TakeBack { proposal } => {
                let key = wire::ProposalKey { proposal_id: proposal };
                let done = ask!(via, withdraw_posting, key)?;
                Ok(paper(&done, vec!["已撤回 taken back".to_owned()]))
            }
            Self::Proposals { region } => {
                let told = ask!(via, list_proposals, wire::ListProposalsRequest { region })?;
                let lines = told.proposals.iter().map(|of| {
                    format!("{}\t{}\t{}", of.proposal_id, of.made_by, said(of.posting.as_ref()))
                });
                let lines = lines.collect();
                Ok(paper(&told, lines))
            }
            Self::Postings { region, hospital, kind, from, to } => {
                let asked = wire::ListPostingsRequest {
                    region,
                    hospital_code: hospital,
                    kind,
                    from_day: day(from),
                    to_day: day(to),
                    ..wire::ListPostingsRequest::default()
                };
                postings(via, asked).await
            }
            Self::Balance { by, region, hospital, fund, entry, from, to } => {
                let message = wire::GetBalanceRequest {
                    from_day: day(from),
                    to_day: day(to),
                    region,
                    hospital_code: hospital,
                    fund,
                    entry_id: entry,
                    by,
                };
                let told = ask!(via, get_balance, message)?;
                Ok(balance(&told))
            }
            Self::Check => match via {
                Via::Here(finance) => Ok(checked(&here::check(*finance).await?)),
                Via::Server(_) => Err(Status::unimplemented(
                    "核对只能在本机进行，请去掉 --server only at the machine itself, without --server",
                )),
            },
        }
    }
}

impl BudgetCommand {
    async fn ask(self, via: &Via<'_>) -> Answered {
        match self {
            Self::List { region, year } => {
                let told = ask!(via, list_budgets, wire::ListBudgetsRequest { region, year })?;
                let lines = budgets(&told);
                Ok(paper(&told, lines))
            }
            Self::Rule { fund, region, when_dry, source } => {
                let message = wire::SetBudgetRuleRequest { fund, region, when_dry, source };
                let set = ask!(via, set_budget_rule, message)?;
                Ok(paper(&set, vec!["已登记 recorded".to_owned()]))
            }
        }
    }
}
