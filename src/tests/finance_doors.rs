//! The books by gRPC and by the command line, and what a desk is told of a budget.

use std::process::Stdio;

use onestop::app::{Caller, Role};
use onestop::domain::finance::{Account, AccountKind, Draft, Fund, Line, PostingKind};
use onestop::domain::ids::RegionCode;
use onestop::domain::money::Fen;
use onestop::door::wire::clearing::v1 as wire;
use onestop::door::wire::clearing::v1::clearing_service_client::ClearingServiceClient;
use onestop::door::wire::settlement::v1 as desk;
use tokio_postgres::config::Host;
use tonic::Code;

use crate::finance::close;
use crate::gateway::{Gateway, HOSPITAL, bill, refused};
use crate::harness::Database;
use crate::national::{Door, id};
use crate::national_desk::Patient;
use crate::server::onestop;

fn somebody(name: &str) -> Caller {
    let (name, role) = (name.to_owned(), Role::Development);
    Caller { name, role, door: "grpc", purpose: None, deadline: None }
}

/// Gives a fund money for this year.
async fn appropriate(gateway: &Gateway, fund: Fund, fen: i64) {
    let region = RegionCode::new("520200").unwrap();
    let line = |kind, fen| Line {
        account: Account::new(kind, fund, region, "").unwrap(),
        amount: Fen::new(fen),
    };
    let lines = vec![line(AccountKind::Treasury, fen), line(AccountKind::FundPool, -fen)];
    let year = Some(gateway.app.now().day.year());
    let draft = Draft::new(PostingKind::Appropriation, lines, year, ("doc 1", "for the year"));
    let (zhang, li) = (somebody("zhang"), somebody("li"));
    let proposal = gateway.app.finance(&zhang).propose(draft.unwrap()).await.unwrap();
    gateway.app.finance(&li).agree(&proposal.id).await.unwrap();
    gateway.app.look_at_budgets().await.unwrap();
}

pub(crate) async fn settle(
    gateway: &Gateway,
    request: &str,
    bill: desk::Bill,
) -> desk::SettleResponse {
    let (request_id, bill) = (request.to_owned(), Some(bill));
    let request = desk::SettleRequest { request_id, bill, quote_token: Vec::new() };
    gateway.desk.clone().settle(request).await.unwrap().into_inner()
}

fn codes(notices: &[desk::Notice]) -> Vec<(&str, &str)> {
    notices.iter().map(|notice| (notice.code.as_str(), notice.subject.as_str())).collect()
}

#[tokio::test]
async fn a_desk_is_told_of_a_fund_that_runs_dry_as_its_region_wants() {
    let gateway = Gateway::start().await;
    // Nobody gave it a budget: nothing is said.
    gateway.app.look_at_budgets().await.unwrap();
    let first = settle(&gateway, "R1", bill(0, "Z1", "2024-01-31")).await;
    assert_eq!(first.notices, []);
    // Then one that the first stay used up.
    appropriate(&gateway, Fund::MedicalAid, 100).await;
    let second = settle(&gateway, "R2", bill(0, "Z2", "2024-02-29")).await;
    assert!(matches!(second.outcome, Some(desk::settle_response::Outcome::Settlement(_))));
    assert_eq!(codes(&second.notices), [("FUND_SHORT", "medical_aid")]);
    assert!(second.notices[0].message_zh.starts_with("医疗救助（520200）"));
    let asked = desk::QuoteRequest { bill: Some(bill(0, "Z3", "2024-03-31")) };
    let quoted = gateway.desk.clone().quote(asked.clone()).await.unwrap().into_inner();
    let Some(desk::quote_response::Outcome::Quoted(quoted)) = quoted.outcome else { panic!() };
    assert_eq!(codes(&quoted.notices), [("FUND_SHORT", "medical_aid")]);
    // A repeat is the recorded answer, and nothing was recorded of it.
    let repeat = settle(&gateway, "R2", bill(0, "Z2", "2024-02-29")).await;
    assert!(repeat.repeat && repeat.notices.is_empty());
    // Who gets nothing of that fund is told nothing.
    let other = settle(&gateway, "R9", bill(1, "Z9", "2024-02-29")).await;
    assert_eq!(other.notices, []);

    let mut books = ClearingServiceClient::new(gateway.channel.clone());
    let mut rule = async |when_dry: &str| {
        let rule = wire::SetBudgetRuleRequest {
            fund: "medical_aid".to_owned(),
            region: "520200".to_owned(),
            when_dry: when_dry.to_owned(),
            source: "六盘水市财政局".to_owned(),
        };
        books.set_budget_rule(rule).await.unwrap();
        gateway.app.look_at_budgets().await.unwrap();
    };
    rule("settle").await;
    let third = settle(&gateway, "R3", bill(0, "Z3", "2024-03-31")).await;
    assert_eq!(third.notices, []);
    rule("decline").await;
    let fourth = settle(&gateway, "R4", bill(0, "Z4", "2024-04-30")).await;
    let Some(desk::settle_response::Outcome::Declined(declined)) = fourth.outcome else { panic!() };
    assert_eq!(
        (declined.reason.as_str(), declined.subject.as_str()),
        ("FUND_RUN_DRY", "medical_aid")
    );
    assert!(declined.transient);
    let asked = desk::QuoteRequest { bill: Some(bill(0, "Z4", "2024-04-30")) };
    let quoted = gateway.desk.clone().quote(asked).await.unwrap().into_inner();
    assert!(matches!(quoted.outcome, Some(desk::quote_response::Outcome::Declined(_))));
    // More money, and the same request goes through.
    appropriate(&gateway, Fund::MedicalAid, 100_000_000).await;
    let fourth = settle(&gateway, "R4", bill(0, "Z4", "2024-04-30")).await;
    assert!(matches!(fourth.outcome, Some(desk::settle_response::Outcome::Settlement(_))));

    // What the bureau sees of it adds up to what settlements granted.
    let mut books = ClearingServiceClient::new(gateway.channel.clone());
    let told = books.list_budgets(wire::ListBudgetsRequest::default()).await.unwrap().into_inner();
    let [budget] = told.budgets.as_slice() else { panic!("{told:?}") };
    assert_eq!((budget.appropriated_fen, budget.paid_fen), (100_000_100, 0));
    assert_eq!(budget.left_fen, budget.appropriated_fen - budget.granted_fen);
    let row = "SELECT sum(medical_aid_pay_fen)::bigint FROM settlement";
    let granted: i64 = gateway.database.owner().await.query_one(row, &[]).await.unwrap().get(0);
    assert_eq!(budget.granted_fen, granted);
    assert_eq!((budget.runs_dry.as_str(), budget.when_dry.as_str()), ("", "decline"));
}

/// Between quote and settlement the fund runs dry, and its region wants nothing settled then.
#[tokio::test]
async fn a_quote_is_kept_though_the_fund_ran_dry_since() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let patient = Patient::charged(&door, 1, 10).await;
    let asked = desk::QuoteRequest { bill: Some(bill(0, "Z1", "2024-01-31")) };
    let quoted = gateway.desk.clone().quote(asked).await.unwrap().into_inner();
    let Some(desk::quote_response::Outcome::Quoted(quoted)) = quoted.outcome else { panic!() };
    assert_eq!(quoted.notices, []);
    door.done("2303", &id(20), patient.to_settle("36000.00")).await;

    let mut books = ClearingServiceClient::new(gateway.channel.clone());
    for fund in [Fund::MedicalAid, Fund::BasicResident] {
        let rule = wire::SetBudgetRuleRequest {
            fund: fund.word().to_owned(),
            region: "520200".to_owned(),
            when_dry: "decline".to_owned(),
            source: "六盘水市财政局".to_owned(),
        };
        books.set_budget_rule(rule).await.unwrap();
        appropriate(&gateway, fund, 1).await;
    }
    let settle_by = async |request: &str, bill: desk::Bill, quote_token: Vec<u8>| {
        let request =
            desk::SettleRequest { request_id: request.to_owned(), bill: Some(bill), quote_token };
        gateway.desk.clone().settle(request).await.unwrap().into_inner()
    };
    // Without the quote, and by the quote of another bill, it is declined as for everybody.
    let first = || bill(0, "Z1", "2024-01-31");
    let declined = settle_by("R1", first(), Vec::new()).await;
    let Some(desk::settle_response::Outcome::Declined(declined)) = declined.outcome else {
        panic!()
    };
    assert_eq!(declined.reason, "FUND_RUN_DRY");
    let other = bill(0, "Z2", "2024-01-30");
    let declined = settle_by("R2", other, quoted.quote_token.clone()).await;
    assert!(matches!(declined.outcome, Some(desk::settle_response::Outcome::Declined(_))));
    // By it, the patient pays what they were told, and the answer says what the agency should know.
    let settled = settle_by("R1", first(), quoted.quote_token).await;
    let Some(desk::settle_response::Outcome::Settlement(kept)) = &settled.outcome else {
        panic!("{settled:?}")
    };
    let pays = |breakdown: &Option<desk::Breakdown>| breakdown.as_ref().unwrap().patient_pay_fen;
    assert_eq!(pays(&kept.breakdown), pays(&quoted.breakdown));
    let told = codes(&settled.notices);
    assert!(told.contains(&("FUND_SHORT", "medical_aid")), "{told:?}");
    // The national door holds its quote by itself.
    let answer = door.ask("2304", &id(21), patient.to_settle("36000.00")).await;
    assert_eq!(answer["infcode"], 0, "{answer}");
    assert!(answer["warn_msg"].as_str().unwrap().contains("not enough is left"), "{answer}");
}

#[tokio::test]
async fn a_hospital_is_told_of_a_fund_that_runs_short_by_the_national_door() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let patient = Patient::charged(&door, 0, 10).await;
    appropriate(&gateway, Fund::MedicalAid, 100).await;
    let ask = async |transaction, number| {
        let answer = door.ask(transaction, &id(number), patient.to_settle("36000.00")).await;
        assert_eq!(answer["infcode"], 0, "{answer}");
        answer["warn_msg"].as_str().unwrap().to_owned()
    };
    let quoted = ask("2303", 20).await;
    assert!(quoted.starts_with("医疗救助（520200）：本年度预算余额不足"), "{quoted}");
    assert!(quoted.contains("medical_aid: not enough is left"), "{quoted}");
    // Held to its quote, and said once more; sent again it is what was recorded, and nothing was of that.
    assert_eq!(ask("2304", 21).await, quoted);
    assert_eq!(ask("2304", 21).await, "");
}

/// Settlements of closed days are added up once, and the figure is the same.
#[tokio::test]
async fn a_budget_is_judged_by_the_same_figure_before_and_after_its_days_are_closed() {
    let gateway = Gateway::start().await;
    let owner = gateway.database.owner().await;
    settle(&gateway, "R1", bill(0, "Z1", "2024-01-31")).await;
    let granted = "SELECT sum(medical_aid_pay_fen)::bigint FROM settlement";
    let granted: i64 = owner.query_one(granted, &[]).await.unwrap().get(0);
    let asked = desk::QuoteRequest { bill: Some(bill(0, "Z2", "2024-02-29")) };
    let next = gateway.desk.clone().quote(asked).await.unwrap().into_inner();
    let Some(desk::quote_response::Outcome::Quoted(next)) = next.outcome else { panic!() };
    let next = next.breakdown.unwrap().medical_aid_pay_fen;
    // Exactly enough for the next one.
    appropriate(&gateway, Fund::MedicalAid, granted + next).await;
    let yesterday = gateway.app.now().day.yesterday().unwrap();
    for _ in 0..2 {
        let asked = desk::QuoteRequest { bill: Some(bill(0, "Z2", "2024-02-29")) };
        let told = gateway.desk.clone().quote(asked).await.unwrap().into_inner();
        let Some(desk::quote_response::Outcome::Quoted(told)) = told.outcome else { panic!() };
        assert_eq!(told.notices, []);
        close(&owner, yesterday).await;
        gateway.app.look_at_budgets().await.unwrap();
    }
    settle(&gateway, "R2", bill(0, "Z2", "2024-02-29")).await;
    gateway.app.look_at_budgets().await.unwrap();
    let third = settle(&gateway, "R3", bill(0, "Z3", "2024-03-31")).await;
    assert_eq!(codes(&third.notices), [("FUND_SHORT", "medical_aid")]);
}

fn said(status: tonic::Status) -> (Code, String, String) {
    let refused = refused(&status);
    (refused.code, refused.reason, refused.field)
}

fn is(code: Code, reason: &str, field: &str) -> (Code, String, String) {
    (code, reason.to_owned(), field.to_owned())
}

#[tokio::test]
async fn a_statement_is_refused_by_field_and_name_over_the_wire() {
    let gateway = Gateway::start().await;
    settle(&gateway, "R1", bill(0, "Z1", "2024-01-31")).await;
    let mut books = ClearingServiceClient::new(gateway.channel.clone());
    let today = gateway.app.now().day;
    let make = wire::MakeStatementsRequest {
        region: "520200".to_owned(),
        first_day: today.to_string(),
        last_day: today.to_string(),
        ..wire::MakeStatementsRequest::default()
    };
    let open = books.make_statements(make.clone()).await.unwrap_err();
    assert_eq!(said(open), is(Code::FailedPrecondition, "CLEARING_DAYS_OPEN", "last_day"));
    for (field, change) in [
        ("region", wire::MakeStatementsRequest { region: "5202".to_owned(), ..make.clone() }),
        (
            "first_day",
            wire::MakeStatementsRequest { first_day: "2024-6-1".to_owned(), ..make.clone() },
        ),
        (
            "last_day",
            wire::MakeStatementsRequest { last_day: "2024-06-01".to_owned(), ..make.clone() },
        ),
    ] {
        let (code, _, at) = said(books.make_statements(change).await.unwrap_err());
        assert_eq!((code, at.as_str()), (Code::InvalidArgument, field));
    }
    close(&gateway.database.owner().await, today).await;
    let made = books.make_statements(make).await.unwrap().into_inner().statements;
    let [statement] = made.as_slice() else { panic!("{made:?}") };
    assert_eq!((statement.hospital_code.as_str(), statement.state.as_str()), (HOSPITAL, "made"));
    let key = wire::StatementKey { statement_id: statement.statement_id.clone() };
    let approved = books.approve_statement(key.clone()).await.unwrap().into_inner();
    assert_eq!((approved.state.as_str(), approved.steps.len()), ("approved_once", 2));
    // The development caller is one person, whatever it may do else.
    let twice = books.approve_statement(key).await.unwrap_err();
    assert_eq!(said(twice), is(Code::FailedPrecondition, "SECOND_PERSON_NEEDED", ""));
}

#[tokio::test]
async fn a_posting_is_refused_by_field_and_name_over_the_wire() {
    let gateway = Gateway::start().await;
    let mut books = ClearingServiceClient::new(gateway.channel.clone());
    close(&gateway.database.owner().await, gateway.app.now().day).await;
    let line = |account: &str, region: &str, amount_fen| wire::Line {
        account: account.to_owned(),
        fund: "charity".to_owned(),
        region: region.to_owned(),
        counterparty: String::new(),
        amount_fen,
    };
    let propose = |lines: Vec<wire::Line>| wire::ProposePostingRequest {
        kind: "appropriation".to_owned(),
        lines,
        budget_year: 2026,
        reference: String::new(),
        reason: "for the year".to_owned(),
    };
    let lines = vec![line("treasury", "520200", 5), line("fund_pool", "520200", -4)];
    let unbalanced = books.propose_posting(propose(lines)).await.unwrap_err();
    assert_eq!(said(unbalanced), is(Code::InvalidArgument, "POSTING_UNBALANCED", "lines"));
    let lines = vec![line("treasury", "520200", 5), line("fund_pool", "520201", -5)];
    let diverted = books.propose_posting(propose(lines)).await.unwrap_err();
    assert_eq!(said(diverted), is(Code::InvalidArgument, "POSTING_UNBALANCED", "lines"));
    // Which line, which account, and which side it may be on.
    let lines = vec![line("treasury", "520200", 5), line("treasury", "520200", -5)];
    let turned = books.propose_posting(propose(lines)).await.unwrap_err();
    assert!(
        turned.message().contains("line 2, treasury: 须记借方，金额为正 a debit, above zero"),
        "{turned:?}"
    );
    assert_eq!(said(turned), is(Code::InvalidArgument, "POSTING_ACCOUNT", "lines[1].amount_fen"));
    let lines = vec![line("patient_payable", "520200", 5), line("fund_pool", "520200", -5)];
    let other = books.propose_posting(propose(lines)).await.unwrap_err();
    assert_eq!(said(other), is(Code::InvalidArgument, "POSTING_ACCOUNT", "lines[0].account"));
    let lines = vec![line("treasury", "52020", 5), line("fund_pool", "520200", -5)];
    let short = books.propose_posting(propose(lines)).await.unwrap_err();
    assert_eq!(said(short), is(Code::InvalidArgument, "NOT_A_REGION", "lines[0].region"));
    let lines = vec![line("treasury", "520200", 5), line("slush", "520200", -5)];
    let unknown = books.propose_posting(propose(lines)).await.unwrap_err();
    assert_eq!(said(unknown), is(Code::InvalidArgument, "VALUE_UNKNOWN", "lines[1].account"));
    // Today is closed now: what was proposed can not be posted into it.
    let lines = vec![line("treasury", "520200", 5), line("fund_pool", "520200", -5)];
    let proposed = books.propose_posting(propose(lines)).await.unwrap().into_inner();
    let li = somebody("li");
    let late = gateway.app.finance(&li).agree(&proposed.proposal_id).await.unwrap_err();
    assert_eq!(late.to_string(), "refused: POSTING_DAY_CLOSED");
    let content = b"file_id,bank_code,line,outcome,amount,bank_reference,paid_on\nF1,ICBC,1,paid,x,R,2024-01-01\n";
    let message = wire::ConfirmPaymentsRequest { content: content.to_vec() };
    let unreadable = books.confirm_payments(message).await.unwrap_err();
    assert_eq!(said(unreadable), is(Code::InvalidArgument, "BANK_FILE_UNREADABLE", "content[2]"));
}

/// The database's address as a command takes it.
fn url(database: &Database) -> String {
    let Some(Host::Unix(folder)) = database.config.get_hosts().first() else { panic!() };
    let (folder, name) = (folder.display(), database.config.get_dbname().unwrap());
    format!("host={folder} user=onestop dbname={name}")
}

/// Runs a command on a gateway's database, to its code and all that it says.
pub(crate) fn command(gateway: &Gateway, arguments: &[&str]) -> (Option<i32>, String) {
    let output = onestop(&gateway.rules)
        .env("ONESTOP_DATABASE_URL", url(&gateway.database))
        .env("ONESTOP_KEYS_DIR", gateway.keys_dir())
        .args(arguments)
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bureau_keeps_the_books_at_the_machine_and_by_a_server_alike() {
    let gateway = Gateway::start().await;
    assert!(gateway.app.claims_database().await.unwrap());
    settle(&gateway, "R1", bill(0, "Z1", "2024-01-31")).await;
    let owner = gateway.database.owner().await;
    let today = gateway.app.now().day.to_string();
    let run = |arguments: &[&str]| command(&gateway, arguments);
    let make = ["clearing", "make", "--region", "520200", "--from", &today, "--to", &today];
    let (code, said) = run(&make);
    assert!(code == Some(1) && said.contains("CLEARING_DAYS_OPEN"), "{said}");
    close(&owner, gateway.app.now().day).await;
    // Nothing is withheld, so that approving posts nothing: today is closed.
    let terms =
        ["clearing", "terms", "--region", "520200", "--deposit-ratio", "0", "--due-workdays", "30"];
    let (code, said) = run(&[&terms[..], &["--source", "六盘水市医保协议"]].concat());
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&make);
    assert_eq!(code, Some(0), "{said}");
    let row = said.lines().last().unwrap();
    let id = row.split('\t').next().unwrap().to_owned();
    assert!(row.contains(HOSPITAL) && row.ends_with("made"), "{said}");
    let server = format!("http://{}", gateway.address);
    let (code, said) = run(&["clearing", "approve", &id]);
    assert!(code == Some(0) && said.contains("approved_once"), "{said}");
    let (code, said) = run(&["clearing", "approve", &id]);
    assert!(code == Some(1) && said.contains("SECOND_PERSON_NEEDED"), "{said}");
    // Whom the server knows by another name is another person.
    let (code, said) = run(&["clearing", "approve", &id, "--server", &server]);
    assert!(code == Some(0) && said.contains("development\tapproved"), "{said}");

    let account = gateway.rules.path().join("account.txt");
    std::fs::write(&account, "六盘水市人民医院\n6222021234567890123\n").unwrap();
    names_what_is_wrong(&run, &account);
    let set =
        ["clearing", "set-account", "--region", "520200", "--hospital", HOSPITAL, "--bank", "ICBC"];
    let (code, said) = run(&[&set[..], &["--account-file", account.to_str().unwrap()]].concat());
    assert!(code == Some(0) && !said.contains("6222"), "{said}");
    let confirm = ["clearing", "confirm-account", "--region", "520200", "--hospital", HOSPITAL];
    let (code, said) = run(&[&confirm[..], &["--number", "1", "--server", &server]].concat());
    assert_eq!(code, Some(0), "{said}");
    let out = gateway.rules.path().join("pay.csv");
    let pay =
        ["clearing", "pay", "--region", "520200", "--bank", "ICBC", "--out", out.to_str().unwrap()];
    let (code, said) = run(&pay);
    assert_eq!(code, Some(0), "{said}");
    let file = std::fs::read_to_string(&out).unwrap();
    assert!(file.contains("6222021234567890123"), "{file}");
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(std::fs::metadata(&out).unwrap().mode() & 0o077, 0);
    let file_id = file.split(',').nth(2).unwrap();
    let amount = file.lines().nth(2).unwrap().split(',').nth(4).unwrap();
    let told = gateway.rules.path().join("told.csv");
    std::fs::write(
        &told,
        format!("file_id,bank_code,line,outcome,amount,bank_reference,paid_on\n{file_id},ICBC,1,paid,{amount},R1,{today}\n"),
    )
    .unwrap();
    // Today is closed: what the bank paid can be posted tomorrow, and nothing of it is taken now.
    let confirm = ["clearing", "confirm", told.to_str().unwrap()];
    let (code, said) = run(&[&confirm[..], &["--server", &server]].concat());
    assert!(code == Some(1) && said.contains("POSTING_DAY_CLOSED"), "{said}");
    // Who made the file is nobody to confirm it.
    let (code, said) = run(&confirm);
    assert!(code == Some(1) && said.contains("SECOND_PERSON_NEEDED"), "{said}");
    for by in [&["clearing", "payments"][..], &["clearing", "payments", "--server", &server]] {
        let (code, said) = run(by);
        let row = said.lines().last().unwrap();
        assert!(code == Some(0) && row.starts_with(file_id) && row.contains("uid-"), "{said}");
        assert!(row.contains("待回单 waits") && !said.contains("6222"), "{said}");
    }

    is_told(run, &server);
}

/// What is wrong with what was typed: which field, which file and line, in both languages.
fn names_what_is_wrong(run: &impl Fn(&[&str]) -> (Option<i32>, String), account: &std::path::Path) {
    let account = account.to_str().unwrap();
    let set = |bank, region| {
        let set = ["clearing", "set-account", "--region", region, "--hospital", HOSPITAL];
        run(&[&set[..], &["--bank", bank, "--account-file", account]].concat())
    };
    let (code, said) = set("icbc", "520200");
    assert!(code == Some(1) && said.contains("VALUE_UNKNOWN [bank_code]"), "{said}");
    let (code, said) = set("ICBC", "52020");
    assert!(code == Some(1) && said.contains("NOT_A_REGION [region]"), "{said}");
    assert!(said.contains("六位数字") && said.contains("six digits"), "{said}");
    let draft = std::path::Path::new(account).with_file_name("draft.json");
    for (text, parts) in [
        ("{\"kind\":", ["文件不完整 the file ends too early", "第 1 行"]),
        ("{\n kind", ["不是有效的 JSON this is not JSON", "line 2"]),
        ("{\"kindly\": 1}", ["内容不符合接口 this is not as the contract has it", "kindly"]),
    ] {
        std::fs::write(&draft, text).unwrap();
        let (code, said) = run(&["clearing", "propose", draft.to_str().unwrap()]);
        assert!(code != Some(0) && said.contains("draft.json"), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}

/// What a bureau is told of its books, at the machine and by a server.
fn is_told(run: impl Fn(&[&str]) -> (Option<i32>, String), server: &str) {
    let (code, said) = run(&["clearing", "ageing"]);
    assert!(code == Some(0) && said.contains(HOSPITAL), "{said}");
    let (code, said) = run(&["clearing", "balance", "--by", "account", "--server", server]);
    assert!(code == Some(0) && said.contains("hospital_payable"), "{said}");
    assert!(said.lines().last().unwrap().ends_with("\t0.00"), "{said}");
    let (code, json) = run(&["clearing", "list", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["statements"][0]["state"]), (Some(0), &"in_file".into()));
    let (code, said) = run(&["clearing", "check"]);
    assert_eq!((code, said.trim_end()), (Some(0), "差错 faults\t0"));
    let (code, said) = run(&["budget", "list"]);
    assert!(code == Some(0) && said.contains("直线"), "{said}");
}
