//! Payments: accounts of hospitals, files to banks, and what banks confirm.

use jiff::civil::Date;
use sha2::{Digest as _, Sha256};
use tracing::instrument;

use super::files::{self, Sent, SentLine, Told};
use super::statements::rests;
use super::{Finance, FinanceRefusal, kept};
use crate::app::access::Act;
use crate::app::{AppError, Now, now, shanghai};
use crate::domain::finance::Fund;
use crate::domain::finance::clearing::{Paying, allocate, payment_draft};
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::money::Fen;
use crate::limits;
use crate::store::finance::{
    self as store, BookFault, Confirmed, HeldAccount, Payment, PaymentFile, PaymentMade, PaymentOf,
    Payments, Statement, Statements,
};

/// A bank account of a hospital.
#[derive(Clone)]
pub struct AccountOf {
    /// Whose name it is in.
    pub holder: String,
    /// Its number.
    pub number: String,
    /// At which bank.
    pub bank: String,
}

/// What of an account no bank could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountFault {
    /// The holder.
    Holder,
    /// The number.
    Number,
    /// The bank's code.
    Bank,
}

/// Which payments are asked for, in the order of files and lines.
#[derive(Clone, Debug, Default)]
pub struct AskedPayments<'a> {
    /// Of statements of this region, on either side.
    pub region: Option<RegionCode>,
    /// To this hospital.
    pub hospital: Option<&'a HospitalCode>,
    /// Of this statement.
    pub statement: Option<&'a str>,
    /// Of this file.
    pub file: Option<&'a str>,
    /// Of files made from this day on.
    pub from: Option<Date>,
    /// Up to and with this day.
    pub to: Option<Date>,
    /// After this file and line.
    pub after: Option<(String, i32)>,
    /// At most so many; nothing, or more than may be: as many as may be.
    pub most: Option<u32>,
}

/// A payment file and its contents. The contents hold account numbers and are kept nowhere: they are put together anew when asked again.
#[derive(Clone)]
pub struct FileMade {
    /// What is recorded of it.
    pub file: PaymentFile,
    /// The contents.
    pub content: Vec<u8>,
}

impl std::fmt::Debug for AccountOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountOf(redacted)")
    }
}

impl std::fmt::Debug for FileMade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileMade").field("file", &self.file.id).finish_non_exhaustive()
    }
}

impl AccountOf {
    /// An account as banks have them, or which part of it is none. A holder that a spreadsheet would take for a formula is none either.
    pub fn new(holder: &str, number: &str, bank: &str) -> Result<Self, AccountFault> {
        let (holder, number) = (holder.trim(), number.trim());
        let formula = holder.starts_with(['=', '+', '-', '@']);
        let named = (1..=60).contains(&holder.chars().count())
            && !holder.chars().any(char::is_control)
            && !formula;
        let numbered = (6..=34).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let banked = (2..=14).contains(&bank.len())
            && bank.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        if !named {
            return Err(AccountFault::Holder);
        }
        if !numbered {
            return Err(AccountFault::Number);
        }
        if !banked {
            return Err(AccountFault::Bank);
        }
        let (holder, number) = (holder.to_owned(), number.to_owned());
        Ok(Self { holder, number, bank: bank.to_owned() })
    }
}

/// What a sealed account is bound to: the hospital that it was set for.
pub(in crate::app) fn bound_to(hospital: &HospitalCode) -> Vec<u8> {
    format!("onestop hospital account, 1\n{hospital}").into_bytes()
}

impl Finance<'_> {
    /// Keeps another account of a hospital; gives its number among them. It is paid to once somebody else confirmed it.
    #[instrument(name = "set an account", skip_all)]
    pub async fn set_account(
        &self,
        region: RegionCode,
        hospital: &HospitalCode,
        account: &AccountOf,
    ) -> Result<i32, AppError> {
        self.allow(Act::KeepBooks, &[region], Some(hospital))?;
        self.is_there(region, hospital).await?;
        let plain = format!("{}\n{}", account.number, account.holder);
        let sealed = self.keys.seal(plain.as_bytes(), &bound_to(hospital));
        let sealed = sealed.map_err(|_| FinanceRefusal::AccountSealed)?;
        let mark = self.keys.account_mark(&account.number);
        let said = (self.caller.name.as_str(), now().at);
        let kept_as = (account.bank.as_str(), sealed.as_slice(), &mark);
        let added = store::add_account(self.pool, hospital, kept_as, said).await;
        kept(added, "keep a hospital's account")
    }

    /// Confirms an account that somebody else set.
    #[instrument(name = "confirm an account", skip_all)]
    pub async fn confirm_account(
        &self,
        region: RegionCode,
        hospital: &HospitalCode,
        number: i32,
    ) -> Result<(), AppError> {
        self.allow(Act::KeepBooks, &[region], Some(hospital))?;
        self.is_there(region, hospital).await?;
        let said = (self.caller.name.as_str(), now().at);
        let confirmed = store::confirm_account(self.pool, hospital, number, said).await;
        match confirmed.map_err(AppError::store("confirm a hospital's account"))? {
            Ok(()) => Ok(()),
            Err(store::Broken::Moved) => Err(FinanceRefusal::AccountUnknown.into()),
            Err(broken) => Err(FinanceRefusal::from(broken).into()),
        }
    }

    /// Is this hospital in that region? A bureau sets no account of another region's hospital.
    async fn is_there(&self, region: RegionCode, hospital: &HospitalCode) -> Result<(), AppError> {
        let there = store::hospital_region(self.pool, hospital).await;
        let there = there.map_err(AppError::store("find a hospital"))?;
        match there {
            Some(of) if of.lies_in(region) => Ok(()),
            Some(_) | None => Err(crate::app::Refusal::HospitalUnknown.into()),
        }
    }

    /// Puts what an agency has to pay by a bank into a file: approved statements of hospitals that it pools, the oldest due first.
    #[instrument(name = "make a payment file", skip_all)]
    pub async fn make_file(&self, paying: RegionCode, bank: &str) -> Result<FileMade, AppError> {
        self.allow(Act::KeepBooks, &[paying], None)?;
        let most = i64::from(limits::PAYMENT_LINES_MAX);
        let payable = store::payable(self.pool, paying, bank, most).await;
        let payable = payable.map_err(AppError::store("list what is to be paid"))?;
        let mut payments = Vec::with_capacity(payable.len());
        let mut accounts = Vec::with_capacity(payable.len());
        for of in payable {
            let rests = rests(&of.statement.lines)?;
            let pay = rests.iter().try_fold(Fen::ZERO, |sum, (_, rest)| sum.checked_add(*rest));
            let (statement, hospital) = (of.statement.id, of.statement.of.hospital);
            let (account_no, pay) = (of.account.number, pay.ok_or(AppError::Unbalanced)?);
            payments.push(Payment { statement, hospital, account_no, rests, pay });
            accounts.push(of.account);
        }
        if payments.is_empty() {
            return Err(FinanceRefusal::NothingToPay.into());
        }
        let now = now();
        let mut file = PaymentFile {
            id: Self::id('F')?,
            paying_region: paying,
            bank: bank.to_owned(),
            content_sha256: [0; 32],
            made_by: self.caller.name.clone(),
            made_at: now.at,
            payments,
        };
        let content = self.content(&file, &accounts)?;
        file.content_sha256 = Sha256::digest(&content).into();
        kept(store::record_payment_file(self.pool, &file).await, "record a payment file")?;
        Ok(FileMade { file, content })
    }

    /// Payments with who made each, what its bank said, and who confirmed that: a page of them.
    pub async fn payments(&self, asked: AskedPayments<'_>) -> Result<Vec<PaymentMade>, AppError> {
        let scope = self.scope(Act::ReadClearing, asked.region, asked.hospital)?;
        let most = asked.most.filter(|most| *most != 0);
        let most =
            most.map_or(limits::CLEARING_PAGE_MAX, |most| most.min(limits::CLEARING_PAGE_MAX));
        let listed = Payments {
            regions: scope.regions.as_deref(),
            hospital: scope.hospital.as_ref(),
            schemes: scope.schemes.as_deref(),
            statement: asked.statement,
            file: asked.file,
            days: (asked.from, asked.to),
            after: asked.after,
            most: i64::from(most),
        };
        let payments = store::payments(self.pool, &listed).await;
        payments.map_err(AppError::store("list payments"))
    }

    /// Accounts that do not open for the hospital that they stand at, or to another number than was confirmed.
    pub(super) async fn accounts_moved(&self) -> Result<Vec<BookFault>, AppError> {
        let accounts = store::marked_accounts(self.pool).await;
        let accounts = accounts.map_err(AppError::store("read hospitals' accounts"))?;
        let mut faults = Vec::new();
        for (hospital, account, mark) in accounts {
            let opened = self.keys.open(&account.sealed, &bound_to(&hospital)).ok();
            let opened = opened.and_then(|opened| String::from_utf8(opened).ok());
            let number = opened.as_deref().and_then(|opened| opened.split_once('\n'));
            let is_its_own =
                number.is_some_and(|(number, _)| self.keys.account_mark(number).as_slice() == mark);
            if !is_its_own {
                let detail = format!("{hospital} {}", account.number);
                faults.push(BookFault { what: "account_number".to_owned(), detail, amounts: None });
            }
        }
        Ok(faults)
    }

    /// A file that was made, put together anew, byte for byte.
    pub async fn file(&self, id: &str) -> Result<FileMade, AppError> {
        let (mut file, payments) = self.file_of(id).await?;
        let (of, accounts): (Vec<_>, Vec<_>) =
            payments.into_iter().map(|of| (of.payment, of.account)).unzip();
        file.payments = of;
        let content = self.content(&file, &accounts)?;
        let hash: [u8; 32] = Sha256::digest(&content).into();
        if hash == file.content_sha256 {
            Ok(FileMade { file, content })
        } else {
            Err(AppError::Unbalanced)
        }
    }

    async fn file_of(&self, id: &str) -> Result<(PaymentFile, Vec<PaymentOf>), AppError> {
        self.scope(Act::ReadBooks, None, None)?;
        let found = store::payment_file(self.pool, id).await;
        let found = found.map_err(AppError::store("read a payment file"))?;
        let (file, payments) = found.ok_or(FinanceRefusal::PaymentUnknown)?;
        let allowed = self.allow(Act::KeepBooks, &[file.paying_region], None);
        allowed.map_err(|_| FinanceRefusal::PaymentUnknown)?;
        Ok((file, payments))
    }

    fn content(&self, file: &PaymentFile, accounts: &[HeldAccount]) -> Result<Vec<u8>, AppError> {
        let mut lines = Vec::with_capacity(file.payments.len());
        for (payment, account) in file.payments.iter().zip(accounts) {
            let hospital = &payment.hospital;
            let opened = self.keys.open(&account.sealed, &bound_to(hospital));
            let opened = opened.ok().and_then(|opened| String::from_utf8(opened).ok());
            let opened = opened.ok_or(FinanceRefusal::AccountSealed)?;
            let (number, holder) = opened.split_once('\n').ok_or(FinanceRefusal::AccountSealed)?;
            let (account, holder) = (number.to_owned(), holder.to_owned());
            let (pay, statement) = (payment.pay, payment.statement.as_str());
            lines.push(SentLine { hospital, holder, account, pay, statement });
        }
        let day = shanghai(file.made_at).date();
        let (id, paying, bank) = (file.id.as_str(), file.paying_region, file.bank.as_str());
        files::written(&Sent { id, paying, bank, day, lines }).ok_or(AppError::Unbalanced)
    }

    /// Takes what a bank says of a file's payments, all or nothing: what was paid is posted, and each statement is paid or waits again.
    #[instrument(name = "confirm payments", skip_all)]
    pub async fn confirm(&self, content: &[u8]) -> Result<Vec<Told>, AppError> {
        let (id, bank, told) = files::read(content)?;
        let (file, payments) = self.file_of(&id).await?;
        if file.bank != bank {
            return Err(FinanceRefusal::OtherBank.into());
        }
        // Who sends money out does not also say that it arrived.
        if file.made_by == self.caller.name {
            return Err(FinanceRefusal::SamePerson.into());
        }
        let now = now();
        let mut confirmed = Vec::with_capacity(told.len());
        for one in &told {
            let of = payments.iter().find(|of| of.line == one.line);
            let of = of.ok_or(FinanceRefusal::PaymentUnknown)?;
            if of.confirmed {
                return Err(FinanceRefusal::ConfirmedBefore(Some(one.row)).into());
            }
            if one.paid_on < shanghai(file.made_at).date() || now.day < one.paid_on {
                return Err(FinanceRefusal::PaidOn(Some(one.row)).into());
            }
            confirmed.push(self.confirmed(&file, of, one, &now).await?);
        }
        let hash: [u8; 32] = Sha256::digest(content).into();
        let said = (self.caller.name.as_str(), now.at);
        let done = store::confirm_payments(self.pool, (&id, &bank, &hash), &confirmed, said).await;
        kept(done, "record what a bank confirmed")?;
        Ok(told)
    }

    async fn confirmed(
        &self,
        file: &PaymentFile,
        of: &PaymentOf,
        told: &Told,
        now: &Now,
    ) -> Result<Confirmed, AppError> {
        let statement = self.paid_statement(&of.payment.statement).await?;
        let fits = match told.outcome {
            store::Outcome::Paid => told.paid == of.payment.pay,
            store::Outcome::Partial => Fen::ZERO < told.paid && told.paid < of.payment.pay,
            store::Outcome::Failed => told.paid == Fen::ZERO,
        };
        let amounts = allocate(told.paid, &of.payment.rests).filter(|_| fits);
        let amounts = amounts.ok_or(FinanceRefusal::PaymentAmount(Some(told.row)))?;
        let posting = if amounts.is_empty() {
            None
        } else {
            let paying = Paying {
                hospital: &statement.of.hospital,
                insured_region: statement.of.insured_region,
                treatment_region: statement.of.treatment_region,
            };
            let reference = format!("{} {}", file.id, of.line);
            let draft = payment_draft(&paying, &amounts, &reference);
            let draft = draft.map_err(FinanceRefusal::Posting)?;
            let [first, second] = [&statement.first_approver, &statement.second_approver];
            let first = first.as_deref().unwrap_or_default();
            let second = second.as_deref().unwrap_or_default();
            Some(self.posting(draft, (first, second), now)?)
        };
        Ok(Confirmed {
            line: of.line,
            outcome: told.outcome,
            paid: told.paid,
            bank_reference: told.bank_reference.clone(),
            paid_on: told.paid_on,
            posting,
            paid_so_far: paid_so_far(&statement, &amounts)?,
            statement: statement.id,
        })
    }

    async fn paid_statement(&self, id: &str) -> Result<Statement, AppError> {
        let listed = Statements { id: Some(id), most: 1, ..Statements::default() };
        let found = store::statements(self.pool, &listed).await;
        let found = found.map_err(AppError::store("find a statement"))?.pop();
        Ok(found.ok_or(FinanceRefusal::StatementUnknown)?)
    }
}

/// What was paid of each fund of a statement, with these amounts.
fn paid_so_far(statement: &Statement, amounts: &[(Fund, Fen)]) -> Result<Vec<Fen>, AppError> {
    let mut paid = Vec::with_capacity(statement.lines.len());
    for line in &statement.lines {
        let now = amounts.iter().find(|(fund, _)| *fund == line.fund);
        let now = now.map_or(Fen::ZERO, |(_, amount)| *amount);
        paid.push(line.paid.checked_add(now).ok_or(AppError::Unbalanced)?);
    }
    Ok(paid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_one_that_a_bank_could_have() {
        let check = |holder: &str, number: &str, bank: &str, expected: Option<AccountFault>| {
            let account = AccountOf::new(holder, number, bank);
            assert_eq!(account.err(), expected, "{holder} {number} {bank}");
        };
        check("六盘水市人民医院", "6222021234567890123", "ICBC", None);
        check("六盘水市人民医院", "6222021234567890123", "102100099996", None);
        check("", "6222021234567890123", "ICBC", Some(AccountFault::Holder));
        check("=HYPERLINK(1)", "6222021234567890123", "ICBC", Some(AccountFault::Holder));
        check("a\nb", "6222021234567890123", "ICBC", Some(AccountFault::Holder));
        check("六盘水市人民医院", "6222 0212", "ICBC", Some(AccountFault::Number));
        check("六盘水市人民医院", "62220", "ICBC", Some(AccountFault::Number));
        check("六盘水市人民医院", "6222021234567890123", "icbc", Some(AccountFault::Bank));
        let account = AccountOf::new("六盘水市人民医院", "6222021234567890123", "ICBC").unwrap();
        assert_eq!(format!("{account:?}"), "AccountOf(redacted)");
    }
}
