//! The books in the words of the contract: each call is read, done and answered here, whether a server asks or a command on the database
//! itself.

use jiff::civil::Date;

use super::super::super::field::{self, Invalid, InvalidReason, Place, at};
use super::super::super::wire::clearing::v1 as wire;
use super::super::answer::time;
use super::super::status::Unanswered;
use crate::app::finance::{
    AccountFault, AccountOf, Asked, AskedPayments, Claimed, Event, Finance, FinanceRefusal,
    Listing, Made, PaymentMade, Proposal, Statement,
};
use crate::app::{self, AppError, Refusal};
use crate::domain::finance::budget::{Budget, Forecast, WhenDry};
use crate::domain::finance::clearing::{Age, State, Terms};
use crate::domain::finance::{Account, AccountKind, Draft, Fund, Line, Posting, PostingKind};
use crate::domain::ids::{HospitalCode, RegionCode, SettlementId};
use crate::domain::money::{Fen, Rate};
use crate::limits;

/// Read, done and answered; or why not.
pub(in crate::door) type Done<T> = Result<T, Unanswered>;

// === reading ===

fn region(field: &'static str, text: &str) -> Result<RegionCode, Invalid> {
    field::region(text).map_err(at(Place::Field(field)))
}

fn maybe_region(field: &'static str, text: &str) -> Result<Option<RegionCode>, Invalid> {
    if text.is_empty() { Ok(None) } else { region(field, text).map(Some) }
}

fn hospital(text: &str) -> Result<Option<HospitalCode>, Invalid> {
    field::optional(text, |text| field::id(text, 12, HospitalCode::new))
        .map_err(at(Place::Field("hospital_code")))
}

fn day(field: &'static str, text: &str) -> Result<Date, Invalid> {
    field::date(text).map_err(at(Place::Field(field)))
}

fn maybe_day(field: &'static str, text: &str) -> Result<Option<Date>, Invalid> {
    field::optional(text, field::date).map_err(at(Place::Field(field)))
}

/// Two days, the first not after the last.
fn days(first: &str, last: &str) -> Result<(Date, Date), Invalid> {
    let (first, last) = (day("first_day", first)?, day("last_day", last)?);
    if last < first {
        return Err(Invalid::new("last_day", InvalidReason::OutOfRange));
    }
    Ok((first, last))
}

/// A word of a closed set.
fn word<T>(
    field: &'static str,
    text: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, Invalid> {
    let missing = text.is_empty();
    read(text).ok_or_else(|| {
        let reason = if missing { InvalidReason::Missing } else { InvalidReason::ValueUnknown };
        Invalid::new(field, reason)
    })
}

fn maybe_word<T>(
    field: &'static str,
    text: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Invalid> {
    if text.is_empty() { Ok(None) } else { word(field, text, read).map(Some) }
}

fn text(field: &'static str, text: &str) -> Result<String, Invalid> {
    field::plain_text(text, limits::REVERSAL_REASON_LENGTH_MAX).map_err(at(Place::Field(field)))
}

/// A day and an id, as lists by day go on after.
fn place(token: &str) -> Result<Option<(Date, String)>, Invalid> {
    if token.is_empty() {
        return Ok(None);
    }
    let parts = token.split_once(' ');
    let parsed = parts.and_then(|(day, id)| Some((day.parse().ok()?, id.to_owned())));
    parsed.map(Some).ok_or_else(|| Invalid::new("page_token", InvalidReason::ValueUnknown))
}

fn token((day, id): (Date, String)) -> String {
    format!("{day} {id}")
}

fn draft_of(message: &wire::ProposePostingRequest) -> Done<Draft> {
    let wire::ProposePostingRequest { kind, lines, budget_year, reference, reason } = message;
    let kind = word("kind", kind, PostingKind::from_word)?;
    let mut read = Vec::with_capacity(lines.len());
    for (number, line) in lines.iter().enumerate() {
        let wire::Line { account, fund, region, counterparty, amount_fen } = line;
        let bad = |field| move |reason| at(Place::Of("lines", number, field))(reason);
        let of = |found: Option<AccountKind>| found.ok_or(InvalidReason::ValueUnknown);
        let kind = of(AccountKind::from_word(account)).map_err(bad("account"))?;
        let fund = Fund::from_word(fund).ok_or(InvalidReason::ValueUnknown).map_err(bad("fund"))?;
        let region = field::region(region).map_err(bad("region"))?;
        let account = Account::new(kind, fund, region, counterparty);
        let account = account.ok_or(InvalidReason::ValueUnknown).map_err(bad("counterparty"))?;
        read.push(Line { account, amount: Fen::new(*amount_fen) });
    }
    let year = (*budget_year != 0).then(|| i16::try_from(*budget_year).unwrap_or(0));
    let draft = Draft::new(kind, read, year, (reference, reason));
    Ok(draft
        .map_err(|fault| Refusal::Finance(FinanceRefusal::Posting(fault)))
        .map_err(AppError::from)?)
}

// === answering ===

fn statement_of((statement, steps): (Statement, Vec<Event>)) -> Done<wire::Statement> {
    let mut told = told(&statement)?;
    told.steps = steps
        .into_iter()
        .map(|step| wire::Step {
            state: step.state.word().to_owned(),
            by: step.by,
            at: time(step.at),
        })
        .collect();
    Ok(told)
}

fn told(statement: &Statement) -> Done<wire::Statement> {
    let (mut net, mut paid) = (Fen::ZERO, Fen::ZERO);
    let mut owing = Fen::ZERO;
    let mut funds = Vec::with_capacity(statement.lines.len());
    let add = |sum: Fen, more: Fen| sum.checked_add(more).ok_or(AppError::Unbalanced);
    for line in &statement.lines {
        let of_fund = line.net().ok_or(AppError::Unbalanced)?;
        net = add(net, of_fund.max(Fen::ZERO))?;
        paid = add(paid, line.paid)?;
        owing = add(owing, line.rest().ok_or(AppError::Unbalanced)?)?;
        funds.push(wire::FundLine {
            fund: line.fund.word().to_owned(),
            owed_fen: line.owed.get(),
            carried_fen: line.carried.get(),
            withheld_fen: line.withheld.get(),
            offset_fen: line.offset.get(),
            net_fen: of_fund.get(),
            paid_fen: line.paid.get(),
        });
    }
    let open = Fen::ZERO < owing && statement.state != State::Withdrawn;
    let age = if open { Age::of(statement.due.day, app::now().day).word() } else { "" };
    let of = &statement.of;
    Ok(wire::Statement {
        statement_id: statement.id.clone(),
        hospital_code: of.hospital.to_string(),
        insured_region: of.insured_region.to_string(),
        treatment_region: of.treatment_region.to_string(),
        scheme: of.scheme.word().to_owned(),
        clearing_type: of.clearing_type.clone(),
        first_day: statement.first.to_string(),
        last_day: statement.last.to_string(),
        settlements: of.settlements,
        reversals: of.reversals,
        provisional: of.provisional,
        total_fen: of.total.get(),
        cash_fen: of.cash.get(),
        net_fen: net.get(),
        paid_fen: paid.get(),
        funds,
        deposit_ratio: statement.deposit.to_string(),
        terms_assumed: statement.terms_assumed,
        due_day: statement.due.day.to_string(),
        due_assumed: statement.due.assumed,
        age: age.to_owned(),
        state: statement.state.word().to_owned(),
        reason: statement.reason.clone(),
        steps: Vec::new(),
    })
}

fn posting_of(draft: &Draft) -> wire::ProposePostingRequest {
    let lines = draft.lines().iter().map(|Line { account, amount }| wire::Line {
        account: account.kind().word().to_owned(),
        fund: account.fund().word().to_owned(),
        region: account.region().to_string(),
        counterparty: account.counterparty().to_owned(),
        amount_fen: amount.get(),
    });
    wire::ProposePostingRequest {
        kind: draft.kind().word().to_owned(),
        lines: lines.collect(),
        budget_year: draft.budget_year().and_then(|year| u32::try_from(year).ok()).unwrap_or(0),
        reference: draft.reference().to_owned(),
        reason: draft.reason().to_owned(),
    }
}

fn proposal_of(proposal: &Proposal) -> wire::Proposal {
    wire::Proposal {
        proposal_id: proposal.id.clone(),
        posting: Some(posting_of(&proposal.draft)),
        made_by: proposal.made_by.clone(),
        made_at: time(proposal.made_at),
    }
}

fn posted(posting: &Posting) -> wire::Posting {
    use sha2::Digest as _;
    wire::Posting {
        posting_id: posting.id.clone(),
        posting: Some(posting_of(&posting.draft)),
        accounting_day: posting.day.to_string(),
        posted_at: time(posting.at),
        made_by: posting.made_by.clone(),
        approved_by: posting.approved_by.clone(),
        record_sha256: sha2::Sha256::digest(posting.to_bytes()).to_vec(),
    }
}

fn budget_of(budget: &Budget, today: Date) -> wire::Budget {
    let runs_dry = match budget.forecast(today) {
        Forecast::Lasts => String::new(),
        Forecast::On(day) => day.to_string(),
        Forecast::Dry => "dry".to_owned(),
    };
    wire::Budget {
        fund: budget.fund.word().to_owned(),
        region: budget.region.to_string(),
        year: u32::try_from(budget.year).unwrap_or(0),
        appropriated_fen: budget.appropriated.get(),
        granted_fen: budget.granted.get(),
        paid_fen: budget.paid.get(),
        left_fen: budget.left().get(),
        runs_dry,
        when_dry: budget.when_dry.word().to_owned(),
    }
}

fn file_of(made: app::finance::FileMade) -> Done<wire::PaymentFile> {
    let mut payments = made.file.payments.iter();
    let total = payments.try_fold(Fen::ZERO, |sum, of| sum.checked_add(of.pay));
    Ok(wire::PaymentFile {
        file_id: made.file.id,
        lines: u32::try_from(made.file.payments.len()).unwrap_or(u32::MAX),
        total_fen: total.ok_or(AppError::Unbalanced)?.get(),
        content: made.content,
        content_sha256: made.file.content_sha256.to_vec(),
    })
}

// === the calls ===

pub(super) async fn make_statements(
    books: Finance<'_>,
    message: wire::MakeStatementsRequest,
) -> Done<wire::ListStatementsResponse> {
    let hospital = hospital(&message.hospital_code)?;
    let made = Made {
        region: region("region", &message.region)?,
        days: days(&message.first_day, &message.last_day)?,
        hospital: hospital.as_ref(),
        insured: maybe_region("insured_region", &message.insured_region)?,
    };
    let made = books.make_statements(&made).await?;
    let statements = made.iter().map(told).collect::<Done<_>>()?;
    Ok(wire::ListStatementsResponse { statements, next_page_token: String::new() })
}

pub(super) async fn list_statements(
    books: Finance<'_>,
    message: wire::ListStatementsRequest,
) -> Done<wire::ListStatementsResponse> {
    let hospital = hospital(&message.hospital_code)?;
    let most = message.page_size;
    let asked = Listing {
        region: maybe_region("region", &message.region)?,
        hospital: hospital.as_ref(),
        state: maybe_word("state", &message.state, State::from_word)?,
        from: maybe_day("from_day", &message.from_day)?,
        to: maybe_day("to_day", &message.to_day)?,
        after: Some(message.page_token.as_str()).filter(|after| !after.is_empty()),
        most: Some(most),
    };
    let listed = books.statements(&asked).await?;
    let most = if most == 0 { limits::CLEARING_PAGE_MAX } else { most };
    let full =
        usize::try_from(most.min(limits::CLEARING_PAGE_MAX)).is_ok_and(|m| m <= listed.len());
    let next = listed.last().filter(|_| full).map(|last| last.id.clone());
    let statements = listed.iter().map(told).collect::<Done<_>>()?;
    Ok(wire::ListStatementsResponse { statements, next_page_token: next.unwrap_or_default() })
}

pub(super) async fn get_statement(
    books: Finance<'_>,
    message: wire::StatementKey,
) -> Done<wire::Statement> {
    statement_of(books.statement(&message.statement_id).await?)
}

pub(super) async fn approve_statement(
    books: Finance<'_>,
    message: wire::StatementKey,
) -> Done<wire::Statement> {
    statement_of(books.approve(&message.statement_id).await?)
}

pub(super) async fn withdraw_statement(
    books: Finance<'_>,
    message: wire::WithdrawStatementRequest,
) -> Done<wire::Statement> {
    let reason = text("reason", &message.reason)?;
    statement_of(books.withdraw(&message.statement_id, &reason).await?)
}

pub(super) async fn set_terms(
    books: Finance<'_>,
    message: wire::SetTermsRequest,
) -> Done<wire::SetTermsResponse> {
    let out = |field| Invalid::new(field, InvalidReason::OutOfRange);
    let deposit = Rate::parse(&message.deposit_ratio)
        .ok_or_else(|| Invalid::new("deposit_ratio", InvalidReason::NotADecimal))?;
    if !(0..=200_000_000).contains(&deposit.billionths()) {
        return Err(out("deposit_ratio").into());
    }
    let workdays = u16::try_from(message.due_workdays).ok();
    let workdays = workdays.filter(|workdays| (1..=250).contains(workdays));
    let workdays = workdays.ok_or_else(|| out("due_workdays"))?;
    let source = text("source", &message.source)?;
    let terms = Terms { deposit, workdays, assumed: false };
    books.set_terms(region("region", &message.region)?, &terms, &source).await?;
    Ok(wire::SetTermsResponse {})
}

pub(super) async fn set_account(
    books: Finance<'_>,
    message: wire::SetAccountRequest,
) -> Done<wire::Account> {
    let wire::SetAccountRequest { region: of, hospital_code, holder, account_number, bank_code } =
        message;
    let here = region("region", &of)?;
    let code = of_hospital(&hospital_code)?;
    let account = AccountOf::new(&holder, &account_number, &bank_code);
    let account = account.map_err(|fault| match fault {
        AccountFault::Holder => Invalid::new("holder", InvalidReason::ValueUnknown),
        AccountFault::Number => Invalid::new("account_number", InvalidReason::ValueUnknown),
        AccountFault::Bank => Invalid::new("bank_code", InvalidReason::ValueUnknown),
    })?;
    let account_no = books.set_account(here, &code, &account).await?;
    Ok(wire::Account { region: of, hospital_code, account_no })
}

fn of_hospital(text: &str) -> Result<HospitalCode, Invalid> {
    hospital(text)?.ok_or_else(|| Invalid::new("hospital_code", InvalidReason::Missing))
}

pub(super) async fn confirm_account(
    books: Finance<'_>,
    message: wire::Account,
) -> Done<wire::Account> {
    let here = region("region", &message.region)?;
    let code = of_hospital(&message.hospital_code)?;
    books.confirm_account(here, &code, message.account_no).await?;
    Ok(message)
}

pub(super) async fn make_payment_file(
    books: Finance<'_>,
    message: wire::MakePaymentFileRequest,
) -> Done<wire::PaymentFile> {
    file_of(books.make_file(region("region", &message.region)?, &message.bank_code).await?)
}

pub(super) async fn get_payment_file(
    books: Finance<'_>,
    message: wire::PaymentFileKey,
) -> Done<wire::PaymentFile> {
    file_of(books.file(&message.file_id).await?)
}

pub(super) async fn confirm_payments(
    books: Finance<'_>,
    message: wire::ConfirmPaymentsRequest,
) -> Done<wire::ConfirmPaymentsResponse> {
    let told = books.confirm(&message.content).await?;
    let mut answer = wire::ConfirmPaymentsResponse::default();
    for one in told {
        let count = match one.outcome.word() {
            "paid" => &mut answer.paid,
            "partial" => &mut answer.partial,
            _ => &mut answer.failed,
        };
        *count = count.saturating_add(1);
        answer.paid_fen = answer.paid_fen.saturating_add(one.paid.get());
    }
    Ok(answer)
}

pub(super) async fn list_payments(
    books: Finance<'_>,
    message: wire::ListPaymentsRequest,
) -> Done<wire::ListPaymentsResponse> {
    let hospital = hospital(&message.hospital_code)?;
    let asked = AskedPayments {
        region: maybe_region("region", &message.region)?,
        hospital: hospital.as_ref(),
        statement: Some(message.statement_id.as_str()).filter(|id| !id.is_empty()),
        file: Some(message.file_id.as_str()).filter(|id| !id.is_empty()),
        from: maybe_day("from_day", &message.from_day)?,
        to: maybe_day("to_day", &message.to_day)?,
        after: line_after(&message.page_token)?,
        most: Some(message.page_size),
    };
    let payments = books.payments(asked).await?;
    let most = if message.page_size == 0 { limits::CLEARING_PAGE_MAX } else { message.page_size };
    let full =
        usize::try_from(most.min(limits::CLEARING_PAGE_MAX)).is_ok_and(|m| m <= payments.len());
    let next = payments.last().filter(|_| full).map(|last| format!("{} {}", last.file, last.line));
    let payments = payments.into_iter().map(payment_of).collect();
    Ok(wire::ListPaymentsResponse { payments, next_page_token: next.unwrap_or_default() })
}

/// A file and a line, as lists of payments go on after.
fn line_after(token: &str) -> Result<Option<(String, i32)>, Invalid> {
    if token.is_empty() {
        return Ok(None);
    }
    let parts = token.split_once(' ');
    let parsed = parts.and_then(|(file, line)| Some((file.to_owned(), line.parse().ok()?)));
    parsed.map(Some).ok_or_else(|| Invalid::new("page_token", InvalidReason::ValueUnknown))
}

fn payment_of(made: PaymentMade) -> wire::Payment {
    let payment = wire::Payment {
        file_id: made.file,
        line: u32::try_from(made.line).unwrap_or(0),
        statement_id: made.statement,
        hospital_code: made.hospital.to_string(),
        account_no: made.account_no,
        bank_code: made.bank,
        pay_fen: made.pay.get(),
        made_by: made.made_by,
        made_at: time(made.made_at),
        ..wire::Payment::default()
    };
    let Some(said) = made.said else { return payment };
    wire::Payment {
        outcome: said.outcome.word().to_owned(),
        paid_fen: said.paid.get(),
        bank_reference: said.reference,
        paid_on: said.paid_on.to_string(),
        posting_id: said.posting.unwrap_or_default(),
        confirmed_by: said.confirmed_by,
        confirmed_at: time(said.confirmed_at),
        ..payment
    }
}

pub(super) async fn get_ageing(
    books: Finance<'_>,
    message: wire::GetAgeingRequest,
) -> Done<wire::GetAgeingResponse> {
    let hospital = hospital(&message.hospital_code)?;
    let of = maybe_region("region", &message.region)?;
    let aged = books.ageing(of, hospital.as_ref()).await?.into_iter().map(|(owing, aged)| {
        let [not_due, to_30, to_90, beyond] = aged.owed;
        wire::Aged {
            hospital_code: owing.hospital.to_string(),
            insured_region: owing.insured_region.to_string(),
            not_due_fen: not_due.get(),
            to_30_fen: to_30.get(),
            to_90_fen: to_90.get(),
            beyond_fen: beyond.get(),
            statements: aged.statements,
            oldest_due_day: aged.oldest_due.map_or(String::new(), |day| day.to_string()),
            assumed: aged.assumed,
        }
    });
    Ok(wire::GetAgeingResponse { aged: aged.collect() })
}

pub(super) async fn list_claims(
    books: Finance<'_>,
    message: wire::ListClaimsRequest,
) -> Done<wire::ListClaimsResponse> {
    let asked = Claimed {
        treatment: region("treatment_region", &message.treatment_region)?,
        insured: maybe_region("insured_region", &message.insured_region)?,
        days: days(&message.first_day, &message.last_day)?,
        after: place(&message.page_token)?,
    };
    let found = books.claims(asked).await?;
    let full = usize::try_from(limits::CLAIMS_PAGE_MAX).is_ok_and(|most| most <= found.len());
    let next = found.last().filter(|_| full);
    let next = next.map(|last| token((last.day, last.settlement.to_string())));
    let claims = found.into_iter().map(|claim| wire::Claim {
        settlement_id: claim.settlement.to_string(),
        reverses_settlement_id: claim.reverses.as_ref().map_or("", SettlementId::as_str).to_owned(),
        hospital_code: claim.hospital.to_string(),
        insured_region: claim.insured.to_string(),
        treatment_region: claim.treatment.to_string(),
        scheme: claim.scheme.word().to_owned(),
        accounting_day: claim.day.to_string(),
        total_fen: claim.total.get(),
        fund_pay_total_fen: claim.fund.get(),
        account_pay_fen: claim.account.get(),
        statement_id: claim.statement.unwrap_or_default(),
        state: claim.state,
    });
    let claims = claims.collect();
    Ok(wire::ListClaimsResponse { claims, next_page_token: next.unwrap_or_default() })
}

pub(super) async fn propose_posting(
    books: Finance<'_>,
    message: wire::ProposePostingRequest,
) -> Done<wire::Proposal> {
    Ok(proposal_of(&books.propose(draft_of(&message)?).await?))
}

pub(super) async fn agree_posting(
    books: Finance<'_>,
    message: wire::ProposalKey,
) -> Done<wire::Posting> {
    Ok(posted(&books.agree(&message.proposal_id).await?))
}

pub(super) async fn withdraw_posting(
    books: Finance<'_>,
    message: wire::ProposalKey,
) -> Done<wire::WithdrawPostingResponse> {
    books.take_back(&message.proposal_id).await?;
    Ok(wire::WithdrawPostingResponse {})
}

pub(super) async fn list_proposals(
    books: Finance<'_>,
    message: wire::ListProposalsRequest,
) -> Done<wire::ListProposalsResponse> {
    let of = maybe_region("region", &message.region)?;
    let proposals = books.proposals(of).await?.iter().map(proposal_of).collect();
    Ok(wire::ListProposalsResponse { proposals })
}

pub(super) async fn list_postings(
    books: Finance<'_>,
    message: wire::ListPostingsRequest,
) -> Done<wire::ListPostingsResponse> {
    let hospital = hospital(&message.hospital_code)?;
    let asked = Asked {
        region: maybe_region("region", &message.region)?,
        hospital: hospital.as_ref(),
        kind: maybe_word("kind", &message.kind, PostingKind::from_word)?,
        from: maybe_day("from_day", &message.from_day)?,
        to: maybe_day("to_day", &message.to_day)?,
        after: place(&message.page_token)?,
        most: Some(message.page_size),
    };
    let page = books.postings(asked).await?;
    Ok(wire::ListPostingsResponse {
        postings: page.postings.iter().map(posted).collect(),
        next_page_token: page.next.map(token).unwrap_or_default(),
    })
}

pub(super) async fn get_balance(
    books: Finance<'_>,
    message: wire::GetBalanceRequest,
) -> Done<wire::GetBalanceResponse> {
    let hospital = hospital(&message.hospital_code)?;
    let by = maybe_word("by", &message.by, app::finance::By::from_word)?;
    let of = app::finance::Ledger {
        from: maybe_day("from_day", &message.from_day)?,
        to: maybe_day("to_day", &message.to_day)?,
        regions: None,
        hospital: hospital.as_ref(),
        fund: maybe_word("fund", &message.fund, Fund::from_word)?,
        entry: Some(message.entry_id.as_str()).filter(|entry| !entry.is_empty()),
    };
    let within = maybe_region("region", &message.region)?;
    let sums = books.balance(within, of, by.unwrap_or(app::finance::By::Kind)).await?;
    let mut answer = wire::GetBalanceResponse::default();
    for sum in sums {
        let (debit_fen, credit_fen) = (sum.debit.get(), sum.credit.get());
        let add = |all: i64, more| all.checked_add(more).ok_or(AppError::Unbalanced);
        answer.debit_fen = add(answer.debit_fen, debit_fen)?;
        answer.credit_fen = add(answer.credit_fen, credit_fen)?;
        answer.balances.push(wire::Balance { key: sum.key, debit_fen, credit_fen });
    }
    Ok(answer)
}

pub(super) async fn list_budgets(
    books: Finance<'_>,
    message: wire::ListBudgetsRequest,
) -> Done<wire::ListBudgetsResponse> {
    let today = app::now().day;
    let year = if message.year == 0 {
        today.year()
    } else {
        let year = i16::try_from(message.year).ok().filter(|year| (2000..=2999).contains(year));
        year.ok_or_else(|| Invalid::new("year", InvalidReason::OutOfRange))?
    };
    let budgets = books.budgets(maybe_region("region", &message.region)?, year).await?;
    let budgets = budgets.iter().map(|budget| budget_of(budget, today)).collect();
    Ok(wire::ListBudgetsResponse { budgets })
}

pub(super) async fn set_budget_rule(
    books: Finance<'_>,
    message: wire::SetBudgetRuleRequest,
) -> Done<wire::SetBudgetRuleResponse> {
    let fund = word("fund", &message.fund, Fund::from_word)?;
    let when_dry = word("when_dry", &message.when_dry, WhenDry::from_word)?;
    let source = text("source", &message.source)?;
    let of = (fund, region("region", &message.region)?);
    books.set_budget_rule(of, when_dry, &source).await?;
    Ok(wire::SetBudgetRuleResponse {})
}
