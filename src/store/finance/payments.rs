//! Payments: accounts of hospitals, files that go to banks, and what banks say of them.

use jiff::Timestamp;
use jiff::civil::Date;

use super::super::error::{Operation, StoreError};
use super::super::pool::Pool;
use super::super::row::Reader;
use super::statements::{Statement, statement};
use super::{Broken, Kept, postings, regions, report, together};
use crate::domain::finance::{Fund, Posting};
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::money::Fen;
use crate::domain::standing::Scheme;

/// An account of a hospital, its number sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct HeldAccount {
    /// Which of the hospital's.
    pub number: i32,
    /// The number and its holder, sealed for the hospital.
    pub sealed: Vec<u8>,
}

/// A statement that may be paid, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payable {
    /// The statement.
    pub statement: Statement,
    /// The account.
    pub account: HeldAccount,
}

/// A file that goes to a bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentFile {
    /// Its id.
    pub id: String,
    /// Whose agency pays.
    pub paying_region: RegionCode,
    /// By which bank.
    pub bank: String,
    /// The hash of its contents.
    pub content_sha256: [u8; 32],
    /// Who made it.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// What is in it, from line 1 on.
    pub payments: Vec<Payment>,
}

/// A payment of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Of which statement.
    pub statement: String,
    /// To whom.
    pub hospital: HospitalCode,
    /// To which of its accounts.
    pub account_no: i32,
    /// What each fund has still to pay.
    pub rests: Vec<(Fund, Fen)>,
    /// All of them.
    pub pay: Fen,
}

/// A payment as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentOf {
    /// Its line.
    pub line: i32,
    /// What it pays.
    pub payment: Payment,
    /// The account's number, sealed.
    pub account: HeldAccount,
    /// Did the bank say something of it?
    pub confirmed: bool,
}

/// What a bank says of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Paid.
    Paid,
    /// Paid in part.
    Partial,
    /// Not paid.
    Failed,
}

/// A payment that a bank spoke of, with all that follows from it.
#[derive(Clone, Debug)]
pub struct Confirmed {
    /// Its line in the file.
    pub line: i32,
    /// What came of it.
    pub outcome: Outcome,
    /// How much was paid.
    pub paid: Fen,
    /// The bank's own number for it.
    pub bank_reference: String,
    /// On which day.
    pub paid_on: Date,
    /// What it posts, where something was paid.
    pub posting: Option<Posting>,
    /// The statement, and what was paid of it so far with this, by its funds.
    pub statement: String,
    /// Of each of the statement's funds, in its order.
    pub paid_so_far: Vec<Fen>,
}

/// Which payments are asked for.
#[derive(Clone, Debug, Default)]
pub struct Payments<'a> {
    /// Of statements of one of these regions, on either side.
    pub regions: Option<&'a [RegionCode]>,
    /// To this hospital.
    pub hospital: Option<&'a HospitalCode>,
    /// Of statements of these schemes.
    pub schemes: Option<&'a [Scheme]>,
    /// Of this statement.
    pub statement: Option<&'a str>,
    /// Of this file.
    pub file: Option<&'a str>,
    /// Of files made on these days.
    pub days: (Option<Date>, Option<Date>),
    /// After this file and line.
    pub after: Option<(String, i32)>,
    /// At most so many.
    pub most: i64,
}

/// A payment of a file, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentMade {
    /// The file.
    pub file: String,
    /// Its line in it.
    pub line: i32,
    /// Of which statement.
    pub statement: String,
    /// To whom.
    pub hospital: HospitalCode,
    /// To which of its accounts.
    pub account_no: i32,
    /// By which bank.
    pub bank: String,
    /// How much.
    pub pay: Fen,
    /// Who made the file.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// What the bank said of it, if it did.
    pub said: Option<BankSaid>,
}

/// What a bank said of a payment, and who brought it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankSaid {
    /// What came of it.
    pub outcome: Outcome,
    /// How much was paid.
    pub paid: Fen,
    /// The bank's own number for it.
    pub reference: String,
    /// On which day, by the bank.
    pub paid_on: Date,
    /// What it posted.
    pub posting: Option<String>,
    /// Who brought the bank's answer.
    pub confirmed_by: String,
    /// When.
    pub confirmed_at: Timestamp,
}

impl std::fmt::Debug for HeldAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldAccount").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Paid, Self::Partial, Self::Failed];

    /// Its word in records and files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// Keeps another account of a hospital; gives its number among them. Nothing is paid to it until somebody else confirms it.
pub async fn add_account(
    pool: &Pool,
    hospital: &HospitalCode,
    (bank, sealed, mark): (&str, &[u8], &[u8; 32]),
    (by, at): (&str, Timestamp),
) -> Kept<i32> {
    together(pool, "keep a hospital's account", async |work| {
        let sql = include_str!("../sql/finance/insert_account.sql");
        let (hospital, mark) = (hospital.as_str(), mark.as_slice());
        let rows = work.found((sql, &[&hospital, &bank, &sealed, &by, &at, &mark])).await?;
        let row = rows.first().ok_or(Broken::Moved)?;
        Ok(work.reader(row).get("account_no")?)
    })
    .await
}

/// Confirms an account: from now on it is paid to.
pub async fn confirm_account(
    pool: &Pool,
    hospital: &HospitalCode,
    number: i32,
    (by, at): (&str, Timestamp),
) -> Kept<()> {
    together(pool, "confirm a hospital's account", async |work| {
        let sql = include_str!("../sql/finance/confirm_account.sql");
        work.found((sql, &[&hospital.as_str(), &number, &by, &at])).await.map(|_| ())
    })
    .await
}

/// Every account of a hospital, as it is sealed.
pub async fn sealed_accounts(pool: &Pool) -> Result<Vec<(HospitalCode, HeldAccount)>, StoreError> {
    let operation = Operation::Reseal;
    let sql = include_str!("../sql/finance/sealed_accounts.sql");
    let rows = report(pool, &operation, (sql, &[])).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            Ok((reader.text("hospital_code", HospitalCode::new)?, account(&reader)?))
        })
        .collect()
}

/// Every account of a hospital with the mark of its number.
pub async fn marked_accounts(
    pool: &Pool,
) -> Result<Vec<(HospitalCode, HeldAccount, Vec<u8>)>, StoreError> {
    let operation = Operation::Finance("read hospitals' accounts");
    let sql = include_str!("../sql/finance/sealed_accounts.sql");
    let rows = report(pool, &operation, (sql, &[])).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            let hospital = reader.text("hospital_code", HospitalCode::new)?;
            Ok((hospital, account(&reader)?, reader.get("account_mark")?))
        })
        .collect()
}

/// Puts an account sealed anew in the place of what was read; says whether that still was there.
pub async fn put_resealed_account(
    pool: &Pool,
    hospital: &HospitalCode,
    account: &HeldAccount,
    after: &[u8],
) -> Result<bool, StoreError> {
    let operation = Operation::Reseal;
    let connection = pool.take(&operation).await?;
    let sql = include_str!("../sql/finance/reseal_account.sql");
    let HeldAccount { number, sealed } = account;
    let rows =
        connection.query(sql, &[&hospital.as_str(), number, sealed, &after], &operation).await?;
    Ok(!rows.is_empty())
}

/// What an agency has to pay by a bank, the oldest due first, at most so many.
pub async fn payable(
    pool: &Pool,
    paying: RegionCode,
    bank: &str,
    most: i64,
) -> Result<Vec<Payable>, StoreError> {
    let operation = Operation::Finance("list what is to be paid");
    let sql = include_str!("../sql/finance/payable.sql");
    let rows = report(pool, &operation, (sql, &[&paying.to_string(), &bank, &most])).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            let account = account(&reader)?;
            Ok(Payable { statement: statement(&reader)?, account })
        })
        .collect()
}

fn account(reader: &Reader<'_>) -> Result<HeldAccount, StoreError> {
    Ok(HeldAccount { number: reader.get("account_no")?, sealed: reader.get("account_sealed")? })
}

/// Records a file with its payments; their statements are on their way from then on. Refused where one of them moved on.
pub async fn record_payment_file(pool: &Pool, file: &PaymentFile) -> Kept<()> {
    together(pool, "record a payment file", async |work| {
        let total = file.payments.iter().try_fold(Fen::ZERO, |sum, of| sum.checked_add(of.pay));
        let total = total.ok_or(Broken::Amount)?.get();
        let lines = i32::try_from(file.payments.len()).unwrap_or(i32::MAX);
        let (region, hash) = (file.paying_region.to_string(), file.content_sha256.as_slice());
        let sql = include_str!("../sql/finance/insert_file.sql");
        let PaymentFile { id, bank, made_by, made_at, .. } = file;
        work.query((sql, &[id, &region, bank, &lines, &total, &hash, made_by, made_at])).await?;
        for (line, payment) in (1_i32..).zip(&file.payments) {
            let Payment { statement, hospital, account_no, rests, pay } = payment;
            let funds: Vec<&str> = rests.iter().map(|(fund, _)| fund.word()).collect();
            let amounts: Vec<i64> = rests.iter().map(|(_, rest)| rest.get()).collect();
            let (hospital, pay) = (hospital.as_str(), pay.get());
            let sql = include_str!("../sql/finance/insert_payment.sql");
            work.query((
                sql,
                &[id, &line, statement, &hospital, account_no, &funds, &amounts, &pay],
            ))
            .await?;
        }
        let statements: Vec<&str> =
            file.payments.iter().map(|payment| payment.statement.as_str()).collect();
        let sql = include_str!("../sql/finance/put_in_file.sql");
        let moved = work.query((sql, &[&statements, made_by, made_at])).await?;
        if moved.len() == statements.len() { Ok(()) } else { Err(Broken::Moved.into()) }
    })
    .await
}

/// A file with its payments; nothing where there is none.
pub async fn payment_file(
    pool: &Pool,
    id: &str,
) -> Result<Option<(PaymentFile, Vec<PaymentOf>)>, StoreError> {
    let operation = Operation::Finance("read a payment file");
    let connection = pool.take(&operation).await?;
    let rows =
        connection.query(include_str!("../sql/finance/payments.sql"), &[&id], &operation).await?;
    let mut payments = Vec::with_capacity(rows.len());
    let mut file = None;
    for row in &rows {
        let reader = Reader { row, operation: &operation };
        if file.is_none() {
            file = Some(PaymentFile {
                id: id.to_owned(),
                paying_region: reader.region("paying_region")?,
                bank: reader.get("bank_code")?,
                content_sha256: reader.hash("content_sha256")?,
                made_by: reader.get("made_by")?,
                made_at: reader.get("made_at")?,
                payments: Vec::new(),
            });
        }
        let funds = reader.texts("fund", Fund::from_word)?;
        let payment = Payment {
            statement: reader.get("statement_id")?,
            hospital: reader.text("hospital_code", HospitalCode::new)?,
            account_no: reader.get("account_no")?,
            rests: funds.into_iter().zip(reader.fens("rest_fen")?).collect(),
            pay: reader.fen("pay_fen")?,
        };
        let (line, confirmed) = (reader.get("line_no")?, reader.get("confirmed")?);
        payments.push(PaymentOf { line, payment, account: account(&reader)?, confirmed });
    }
    Ok(file.map(|file| (file, payments)))
}

/// Payments, in the order of files and lines.
pub async fn payments(pool: &Pool, asked: &Payments<'_>) -> Result<Vec<PaymentMade>, StoreError> {
    let operation = Operation::Finance("list payments");
    let Payments { regions: of, hospital, schemes, statement, file, days, after, most } = asked;
    let of = regions(*of);
    let hospital = hospital.map(HospitalCode::as_str);
    let schemes = schemes.filter(|schemes| !schemes.is_empty());
    let schemes: Option<Vec<&str>> =
        schemes.map(|schemes| schemes.iter().map(|scheme| scheme.word()).collect());
    let (from, to) = days;
    let (after_file, after_line) =
        (after.as_ref().map(|(file, _)| file), after.as_ref().map(|(_, line)| line));
    let sql = include_str!("../sql/finance/list_payments.sql");
    let params: super::Asked<'_> = (
        sql,
        &[&of, &hospital, &schemes, statement, file, from, to, &after_file, &after_line, most],
    );
    let rows = report(pool, &operation, params).await?;
    rows.iter().map(|row| made(&Reader { row, operation: &operation })).collect()
}

fn made(reader: &Reader<'_>) -> Result<PaymentMade, StoreError> {
    let outcome: Option<String> = reader.get("outcome")?;
    let said = match outcome.as_deref().map(Outcome::from_word) {
        None => None,
        Some(outcome) => Some(BankSaid {
            outcome: reader.parse("outcome", outcome)?,
            paid: reader.fen("paid_fen")?,
            reference: reader.get("bank_reference")?,
            paid_on: reader.get("paid_on")?,
            posting: reader.get("posting_id")?,
            confirmed_by: reader.get("confirmed_by")?,
            confirmed_at: reader.get("confirmed_at")?,
        }),
    };
    Ok(PaymentMade {
        file: reader.get("file_id")?,
        line: reader.get("line_no")?,
        statement: reader.get("statement_id")?,
        hospital: reader.text("hospital_code", HospitalCode::new)?,
        account_no: reader.get("account_no")?,
        bank: reader.get("bank_code")?,
        pay: reader.fen("pay_fen")?,
        made_by: reader.get("made_by")?,
        made_at: reader.get("made_at")?,
        said,
    })
}

/// Records what a bank said, with what it posts and how far the statements are, all or nothing.
pub async fn confirm_payments(
    pool: &Pool,
    (file, bank, content_sha256): (&str, &str, &[u8; 32]),
    confirmed: &[Confirmed],
    (by, at): (&str, Timestamp),
) -> Kept<()> {
    together(pool, "record what a bank confirmed", async |work| {
        for of in confirmed {
            if let Some(posting) = &of.posting {
                postings::write(work, posting).await?;
            }
            let posting = of.posting.as_ref().map(|posting| posting.id.as_str());
            let (outcome, paid) = (of.outcome.word(), of.paid.get());
            let hash = content_sha256.as_slice();
            work.query((
                include_str!("../sql/finance/insert_confirmation.sql"),
                &[
                    &file,
                    &of.line,
                    &bank,
                    &outcome,
                    &paid,
                    &of.bank_reference,
                    &of.paid_on,
                    &posting,
                    &hash,
                    &by,
                    &at,
                ],
            ))
            .await?;
            let so_far: Vec<i64> = of.paid_so_far.iter().map(|paid| paid.get()).collect();
            let sql = include_str!("../sql/finance/pay_statement.sql");
            work.found((sql, &[&of.statement, &so_far, &by, &at])).await?;
        }
        Ok(())
    })
    .await
}
