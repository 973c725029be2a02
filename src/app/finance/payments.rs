//! Payments: accounts of hospitals, files to banks, and what banks confirm.

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
    self as store, Confirmed, HeldAccount, Payment, PaymentFile, PaymentOf, Statement, Statements,
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
    /// An account as banks have them; nothing where it is none. A holder that a spreadsheet would take for a formula is none either.
    pub fn new(holder: &str, number: &str, bank: &str) -> Option<Self> {
        let (holder, number) = (holder.trim(), number.trim());
        let formula = holder.starts_with(['=', '+', '-', '@']);
        let named = (1..=60).contains(&holder.chars().count())
            && !holder.chars().any(char::is_control)
            && !formula;
        let numbered = (6..=34).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let banked = (2..=14).contains(&bank.len())
            && bank.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        (named && numbered && banked).then(|| Self {
            holder: holder.to_owned(),
            number: number.to_owned(),
            bank: bank.to_owned(),
        })
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
        let said = (self.caller.name.as_str(), now().at);
        let added = store::add_account(self.pool, hospital, (&account.bank, &sealed), said).await;
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
        let now = now();
        let mut confirmed = Vec::with_capacity(told.len());
        for one in &told {
            let of = payments.iter().find(|of| of.line == one.line);
            let of = of.ok_or(FinanceRefusal::PaymentUnknown)?;
            if of.confirmed {
                return Err(FinanceRefusal::ConfirmedBefore.into());
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
        let amounts = amounts.ok_or(FinanceRefusal::PaymentAmount)?;
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
        let check = |holder: &str, number: &str, bank: &str, expected: bool| {
            let account = AccountOf::new(holder, number, bank);
            assert_eq!(account.is_some(), expected, "{holder} {number} {bank}");
        };
        check("六盘水市人民医院", "6222021234567890123", "ICBC", true);
        check("六盘水市人民医院", "6222021234567890123", "102100099996", true);
        check("", "6222021234567890123", "ICBC", false);
        check("=HYPERLINK(1)", "6222021234567890123", "ICBC", false);
        check("a\nb", "6222021234567890123", "ICBC", false);
        check("六盘水市人民医院", "6222 0212", "ICBC", false);
        check("六盘水市人民医院", "62220", "ICBC", false);
        check("六盘水市人民医院", "6222021234567890123", "icbc", false);
        let account = AccountOf::new("六盘水市人民医院", "6222021234567890123", "ICBC").unwrap();
        assert_eq!(format!("{account:?}"), "AccountOf(redacted)");
    }
}
