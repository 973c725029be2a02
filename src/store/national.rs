//! What the national door remembers between its calls: who signed in, stays with their charge lines, quotes, and which message
//! asked for what. History is only added to.

use jiff::civil::Date;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::error::{Operation, StoreError};
use super::pool::Pool;
use super::row::Reader;
use crate::domain::bill::ChargeLine;
use crate::domain::ids::{
    HospitalCode, ItemCode, LineId, OperatorId, PersonId, PersonNumber, RequestId, SettlementId,
    SignNumber, StayId,
};
use crate::domain::money::Fen;
use crate::domain::standing::Scheme;

mod together;

use super::reads::Ask as _;
pub use together::With;
pub(super) use together::{AskedAdmission, AskedNote};

const SIGN_IN: &str = include_str!("sql/national/sign_in.sql");
const SIGN_OUT: &str = include_str!("sql/national/sign_out.sql");
const SIGNED_IN: &str = include_str!("sql/national/signed_in.sql");
const FIND_REQUEST: &str = include_str!("sql/national/find_request.sql");
const ADMIT: &str = include_str!("sql/national/admit.sql");
const DISCHARGE: &str = include_str!("sql/national/discharge.sql");
const REVERSE_ADMISSION: &str = include_str!("sql/national/reverse_admission.sql");
const LINES_NAMED: &str = include_str!("sql/national/lines_named.sql");
const LINES_SENT: &str = include_str!("sql/national/lines_sent.sql");
const HAS_CANCELLED: &str = include_str!("sql/national/has_cancelled.sql");
const ADD_FEES: &str = include_str!("sql/national/add_fees.sql");
const CANCEL_FEES: &str = include_str!("sql/national/cancel_fees.sql");
const KEEP_QUOTE: &str = include_str!("sql/national/keep_quote.sql");
const LOCK_STAY: &str = include_str!("sql/national/lock_stay.sql");
const TELL_PERSON: &str = include_str!("sql/national/tell_person.sql");
const FIND_PERSON: &str =
    "SELECT credential_kind, credential_hash FROM national_person WHERE person_number = $1";
const NAME: &str = "SELECT name_sealed FROM person_head WHERE bucket = $1 AND person_id = $2";

/// The hospital's own key to one of its messages.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The hospital.
    pub hospital: &'a HospitalCode,
    /// Its request id.
    pub request: &'a RequestId,
    /// SHA-256 over what it says.
    pub body_sha256: [u8; 32],
}

/// What used up a request id outside the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which transaction: "2401", "2402", "2601".
    pub transaction: String,
    /// SHA-256 over what it said; nothing where it was reversed before it was seen.
    pub body_sha256: Option<[u8; 32]>,
    /// The stay it is about.
    pub stay: Option<StayId>,
    /// What it reverses.
    pub reverses: Option<RequestId>,
    /// What reversed it.
    pub reversed_by: Option<RequestId>,
}

/// Whom a number stands for: what the person showed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The credential's kind, as numbered in the contract.
    pub kind: u8,
    /// Its keyed hash.
    pub hash: [u8; 32],
}

/// An admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The stay.
    pub stay: StayId,
    /// Whose.
    pub person: PersonNumber,
    /// What they showed.
    pub shown: Shown,
    /// The scheme, where it is named.
    pub scheme: Option<Scheme>,
    /// The national code of the kind of care.
    pub care_code: String,
    /// First day.
    pub on: Date,
    /// Diagnoses, principal first.
    pub diagnoses: Vec<String>,
}

/// A discharge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discharge {
    /// Last day.
    pub on: Date,
    /// Diagnoses, principal first.
    pub diagnoses: Vec<String>,
}

/// A stay with all that is known of it, but for its charge lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The admission.
    pub admission: Admission,
    /// The newest discharge.
    pub discharge: Option<Discharge>,
    /// Was the admission reversed?
    pub cancelled: bool,
    /// The settlement in force.
    pub settlement: Option<SettlementId>,
    /// The newest quote: the hash of its bill, and its token.
    pub quote: Option<([u8; 32], Vec<u8>)>,
    /// What was asked to be settled under the request id of now: the hash of the message, and that of its bill.
    pub asked: Vec<([u8; 32], [u8; 32])>,
}

/// Keeps a person's number with what they showed, where it was not told before.
pub async fn tell_person(
    pool: &Pool,
    number: &PersonNumber,
    shown: &Shown,
) -> Result<(), StoreError> {
    let (kind, hash) = (i16::from(shown.kind), shown.hash.as_slice());
    let operation = Operation::PersonNumber;
    let connection = pool.take(&operation).await?;
    connection.query(TELL_PERSON, &[&number.as_str(), &kind, &hash], &operation).await.map(|_| ())
}

/// Whom a number stands for, where we told it.
pub async fn find_person(pool: &Pool, number: &PersonNumber) -> Result<Option<Shown>, StoreError> {
    let operation = Operation::PersonNumber;
    let connection = pool.take(&operation).await?;
    let rows = connection.query(FIND_PERSON, &[&number.as_str()], &operation).await?;
    let shown = |row| shown_of(&Reader { row, operation: &operation });
    rows.first().map(shown).transpose()
}

/// A person's name as it is sealed.
pub async fn sealed_name(pool: &Pool, person: PersonId) -> Result<Option<Vec<u8>>, StoreError> {
    let operation = Operation::PersonNumber;
    let connection = pool.take(&operation).await?;
    let rows = connection.query(NAME, &[&person.bucket(), &person.get()], &operation).await?;
    let name = |row| Reader { row, operation: &operation }.get::<Option<Vec<u8>>>("name_sealed");
    rows.first().map_or(Ok(None), name)
}

/// Signs an operator in for a day, by the number given or by the one that is still in force. Nothing where somebody else did so at
/// this very moment.
pub async fn sign_in(
    pool: &Pool,
    (hospital, operator): (&HospitalCode, &OperatorId),
    day: Date,
    number: &SignNumber,
) -> Result<Option<SignNumber>, StoreError> {
    let operation = Operation::National("sign in an operator", hospital.clone());
    let connection = pool.take(&operation).await?;
    let params: [&(dyn ToSql + Sync); 4] =
        [&hospital.as_str(), &operator.as_str(), &day, &number.as_str()];
    let rows = connection.query(SIGN_IN, &params, &operation).await?;
    let number = |row| Reader { row, operation: &operation }.text("sign_number", SignNumber::new);
    rows.first().map(number).transpose()
}

/// Signs out; false where nobody signed in so.
pub async fn sign_out(
    pool: &Pool,
    (hospital, operator): (&HospitalCode, &OperatorId),
    number: &SignNumber,
) -> Result<bool, StoreError> {
    let operation = Operation::National("sign out an operator", hospital.clone());
    let connection = pool.take(&operation).await?;
    let params: [&(dyn ToSql + Sync); 3] =
        [&hospital.as_str(), &operator.as_str(), &number.as_str()];
    let rows = connection.query(SIGN_OUT, &params, &operation).await?;
    counts(&rows, &operation)
}

/// Whether an operator is signed in by a number on a day.
pub async fn is_signed_in(
    pool: &Pool,
    (hospital, operator): (&HospitalCode, &OperatorId),
    number: &SignNumber,
    day: Date,
) -> Result<bool, StoreError> {
    let operation = Operation::National("look up a sign-in", hospital.clone());
    let connection = pool.take(&operation).await?;
    let params: [&(dyn ToSql + Sync); 4] =
        [&hospital.as_str(), &operator.as_str(), &number.as_str(), &day];
    let rows = connection.query(SIGNED_IN, &params, &operation).await?;
    counts(&rows, &operation)
}

fn counts(rows: &[tokio_postgres::Row], operation: &Operation) -> Result<bool, StoreError> {
    let count = |row| Reader { row, operation }.get::<i64>("count");
    Ok(rows.first().map(count).transpose()?.is_some_and(|count| 0 < count))
}

/// What used up a request id.
pub async fn find_request(
    pool: &Pool,
    hospital: &HospitalCode,
    request: &RequestId,
) -> Result<Option<Request>, StoreError> {
    let operation = Operation::FindRequest(hospital.clone(), request.clone());
    let connection = pool.take(&operation).await?;
    let params: [&(dyn ToSql + Sync); 2] = [&hospital.as_str(), &request.as_str()];
    let rows = connection.query(FIND_REQUEST, &params, &operation).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let reader = Reader { row, operation: &operation };
    let body: Option<Vec<u8>> = reader.get("body_sha256")?;
    let body = body.map(|body| reader.parse("body_sha256", body.try_into().ok())).transpose()?;
    Ok(Some(Request {
        transaction: reader.get("transaction_code")?,
        body_sha256: body,
        stay: reader.maybe("stay_id", StayId::new)?,
        reverses: reader.maybe("reverses_request_id", RequestId::new)?,
        reversed_by: reader.maybe("reversed_by", RequestId::new)?,
    }))
}

/// Admits; false where the request id is used up.
pub async fn admit(
    pool: &Pool,
    message: Message<'_>,
    admission: &Admission,
) -> Result<bool, StoreError> {
    let Admission { stay, person, shown, scheme, care_code, on, diagnoses } = admission;
    let operation = Operation::National("admit to a stay", message.hospital.clone());
    let connection = pool.take(&operation).await?;
    let params: [&(dyn ToSql + Sync); 11] = [
        &message.hospital.as_str(),
        &message.request.as_str(),
        &message.body_sha256.as_slice(),
        &stay.as_str(),
        &person.as_str(),
        &i16::from(shown.kind),
        &shown.hash.as_slice(),
        &scheme.map(Scheme::word),
        care_code,
        on,
        diagnoses,
    ];
    let rows = connection.query(ADMIT, &params, &operation).await?;
    Ok(!rows.is_empty())
}

/// Discharges; false where the request id is used up.
pub async fn discharge(
    pool: &Pool,
    message: Message<'_>,
    stay: &StayId,
    discharge: &Discharge,
) -> Result<bool, StoreError> {
    let Discharge { on, diagnoses } = discharge;
    let operation = Operation::National("discharge from a stay", message.hospital.clone());
    let connection = pool.take(&operation).await?;
    let params: [&(dyn ToSql + Sync); 6] = [
        &message.hospital.as_str(),
        &message.request.as_str(),
        &message.body_sha256.as_slice(),
        &stay.as_str(),
        on,
        diagnoses,
    ];
    let rows = connection.query(DISCHARGE, &params, &operation).await?;
    Ok(!rows.is_empty())
}

/// Reverses an admission, or bars its request id where it was never seen; false where either id is used up, or the stay is settled or
/// about to be. Whatever asked to settle the stay and did not is barred with it.
pub async fn reverse_admission(
    pool: &Pool,
    message: Message<'_>,
    original: &RequestId,
    stay: Option<&StayId>,
) -> Result<bool, StoreError> {
    let operation = Operation::Tombstone(message.hospital.clone(), original.clone());
    let params: [&(dyn ToSql + Sync); 5] = [
        &message.hospital.as_str(),
        &original.as_str(),
        &message.request.as_str(),
        &message.body_sha256.as_slice(),
        &stay.map(StayId::as_str),
    ];
    let of_stay = (message.hospital, stay);
    match alone(pool, &operation, of_stay, (REVERSE_ADMISSION, &params)).await? {
        Ok(rows) => Ok(!rows.is_empty()),
        Err(refused) if refused.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(false),
        Err(source) => Err(StoreError::Statement { operation, source }),
    }
}

/// A statement in a transaction that has a stay for itself: reversing an admission and asking to settle the stay come one after the
/// other, so that whichever is later sees the earlier one.
async fn alone(
    pool: &Pool,
    operation: &Operation,
    (hospital, stay): (&HospitalCode, Option<&StayId>),
    (sql, params): (&'static str, &[&(dyn ToSql + Sync)]),
) -> Result<Result<Vec<tokio_postgres::Row>, tokio_postgres::Error>, StoreError> {
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let mut connection = pool.take(operation).await?;
    connection.count();
    let transaction = connection.client.transaction().await.map_err(failed)?;
    if let Some(stay) = stay {
        let lock = transaction.prepare_cached(LOCK_STAY).await.map_err(failed)?;
        let params: [&(dyn ToSql + Sync); 2] = [&hospital.as_str(), &stay.as_str()];
        transaction.query(&lock, &params).await.map_err(failed)?;
    }
    let statement = transaction.prepare_cached(sql).await.map_err(failed)?;
    let rows = match transaction.query(&statement, params).await {
        Ok(rows) => rows,
        Err(refused) => return Ok(Err(refused)),
    };
    transaction.commit().await.map_err(failed)?;
    Ok(Ok(rows))
}

/// A stay, with what a request asked of it, read together with others.
pub async fn find_stay(
    pool: &Pool,
    (hospital, stay): (&HospitalCode, &StayId),
    request: Option<&RequestId>,
    with: With,
) -> Result<Option<(Stay, Vec<ChargeLine>)>, StoreError> {
    let asked = AskedAdmission {
        hospital: hospital.clone(),
        stay: stay.clone(),
        request: request.cloned(),
        with,
    };
    let row = pool.admissions().read(pool, asked.clone()).await?;
    let reader = Reader { row: &row, operation: &asked.operation() };
    if reader.get::<Option<String>>("person_number")?.is_none() {
        return Ok(None);
    }
    Ok(Some((stay_of(&reader, stay)?, lines_of(&reader)?)))
}

fn stay_of(reader: &Reader<'_>, stay: &StayId) -> Result<Stay, StoreError> {
    let admission = Admission {
        stay: stay.clone(),
        person: reader.text("person_number", PersonNumber::new)?,
        shown: shown_of(reader)?,
        scheme: reader.maybe("scheme", Scheme::from_word)?,
        care_code: reader.get("care_code")?,
        on: reader.get("admission_date")?,
        diagnoses: reader.list("diagnosis_codes")?,
    };
    let discharged: Option<Date> = reader.get("discharge_date")?;
    let discharge = match discharged {
        Some(on) => Some(Discharge { on, diagnoses: reader.list("discharge_diagnosis_codes")? }),
        None => None,
    };
    let token: Option<Vec<u8>> = reader.get("token")?;
    let quote = match token {
        Some(token) => Some((reader.hash("quoted_bill_sha256")?, token)),
        None => None,
    };
    let hashes = |field: &'static str| -> Result<Vec<[u8; 32]>, StoreError> {
        let hashes: Vec<Vec<u8>> = reader.list(field)?;
        hashes.into_iter().map(|hash| reader.parse(field, hash.try_into().ok())).collect()
    };
    let messages = hashes("asked_message_sha256")?;
    let asked = messages.into_iter().zip(hashes("asked_bill_sha256")?).collect();
    Ok(Stay {
        admission,
        discharge,
        cancelled: reader.get("cancelled")?,
        settlement: reader.settlement("settlement_id")?,
        quote,
        asked,
    })
}

fn shown_of(reader: &Reader<'_>) -> Result<Shown, StoreError> {
    let kind: i16 = reader.get("credential_kind")?;
    Ok(Shown {
        kind: reader.parse("credential_kind", u8::try_from(kind).ok())?,
        hash: reader.hash("credential_hash")?,
    })
}

fn lines_of(reader: &Reader<'_>) -> Result<Vec<ChargeLine>, StoreError> {
    let ids: Vec<&str> = reader.borrowed("line_id")?;
    let items: Vec<&str> = reader.borrowed("item_code")?;
    let quantities: Vec<i64> = reader.list("quantity_e4")?;
    let prices: Vec<i64> = reader.list("unit_price_e6")?;
    let amounts: Vec<i64> = reader.list("amount_fen")?;
    let refunds: Vec<Option<&str>> = reader.borrowed("refund_of_line_id")?;
    let days: Vec<Date> = reader.list("charged_on")?;
    let mut lines = Vec::with_capacity(ids.len());
    let named = ids.into_iter().zip(items).zip(refunds);
    let numbers = quantities.into_iter().zip(prices).zip(amounts).zip(days);
    for (named, numbers) in named.zip(numbers) {
        let ((id, item), refund_of) = named;
        let (((quantity_e4, unit_price_e6), amount), charged_on) = numbers;
        let refund_of = refund_of.map(|id| reader.parse("refund_of_line_id", LineId::new(id)));
        lines.push(ChargeLine {
            id: reader.parse("line_id", LineId::new(id))?,
            item: reader.parse("item_code", ItemCode::new(item))?,
            quantity_e4,
            unit_price_e6,
            amount: Fen::new(amount),
            class: None,
            refund_of: refund_of.transpose()?,
            charged_on,
        });
    }
    Ok(lines)
}

/// The charge lines of a stay that are named and not cancelled.
pub async fn lines_named(
    pool: &Pool,
    (hospital, stay): (&HospitalCode, &StayId),
    named: &[&LineId],
) -> Result<Vec<ChargeLine>, StoreError> {
    let operation = Operation::National("read the charge lines", hospital.clone());
    let connection = pool.take(&operation).await?;
    let named = texts(named.iter().copied().map(LineId::as_str));
    let params: [&(dyn ToSql + Sync); 3] = [&hospital.as_str(), &stay.as_str(), &named];
    let rows = connection.query(LINES_NAMED, &params, &operation).await?;
    let lines = |row| lines_of(&Reader { row, operation: &operation });
    rows.first().map_or(Ok(Vec::new()), lines)
}

/// Adds charge lines to a stay, and tells how many of them this request added, now or before: one that is there stays as it is.
pub async fn add_fees(
    pool: &Pool,
    of_stay: (&HospitalCode, &StayId),
    request: &RequestId,
    lines: &[&ChargeLine],
) -> Result<usize, StoreError> {
    let operation = Operation::National("add charge lines", of_stay.0.clone());
    Ok(with_lines(pool, (ADD_FEES, &operation), (of_stay, request), lines).await?.len())
}

/// Whether all these charge lines are in a stay as they are given, or were brought so by this very request.
pub async fn are_sent(
    pool: &Pool,
    of_stay: (&HospitalCode, &StayId),
    request: &RequestId,
    lines: &[&ChargeLine],
) -> Result<bool, StoreError> {
    let operation = Operation::National("find the charge lines", of_stay.0.clone());
    let rows = with_lines(pool, (LINES_SENT, &operation), (of_stay, request), lines).await?;
    let count = |row| Reader { row, operation: &operation }.get::<i64>("count");
    let count = rows.first().map(count).transpose()?.unwrap_or_default();
    Ok(usize::try_from(count) == Ok(lines.len()))
}

async fn with_lines(
    pool: &Pool,
    (sql, operation): (&'static str, &Operation),
    ((hospital, stay), request): ((&HospitalCode, &StayId), &RequestId),
    lines: &[&ChargeLine],
) -> Result<Vec<tokio_postgres::Row>, StoreError> {
    let ids = texts(lines.iter().map(|line| line.id.as_str()));
    let items = texts(lines.iter().map(|line| line.item.as_str()));
    let numbers = |of: fn(&ChargeLine) -> i64| lines.iter().map(|line| of(line)).collect();
    let quantities: Vec<i64> = numbers(|line| line.quantity_e4);
    let prices: Vec<i64> = numbers(|line| line.unit_price_e6);
    let amounts: Vec<i64> = numbers(|line| line.amount.get());
    let refunds: Vec<Option<&str>> =
        lines.iter().map(|line| line.refund_of.as_ref().map(LineId::as_str)).collect();
    let days: Vec<Date> = lines.iter().map(|line| line.charged_on).collect();
    let connection = pool.take(operation).await?;
    let params: [&(dyn ToSql + Sync); 10] = [
        &hospital.as_str(),
        &stay.as_str(),
        &request.as_str(),
        &ids,
        &items,
        &quantities,
        &prices,
        &amounts,
        &refunds,
        &days,
    ];
    connection.query(sql, &params, operation).await
}

/// Whether a request cancelled charge lines of a stay.
pub async fn has_cancelled(
    pool: &Pool,
    (hospital, stay): (&HospitalCode, &StayId),
    request: &RequestId,
) -> Result<bool, StoreError> {
    let operation = Operation::National("find cancelled charge lines", hospital.clone());
    let connection = pool.take(&operation).await?;
    let params: [&(dyn ToSql + Sync); 3] = [&hospital.as_str(), &stay.as_str(), &request.as_str()];
    let rows = connection.query(HAS_CANCELLED, &params, &operation).await?;
    counts(&rows, &operation)
}

/// Cancels charge lines of a stay, those named or all, and tells which.
pub async fn cancel_fees(
    pool: &Pool,
    (hospital, stay): (&HospitalCode, &StayId),
    request: &RequestId,
    named: Option<&[LineId]>,
) -> Result<Vec<LineId>, StoreError> {
    let operation = Operation::National("cancel charge lines", hospital.clone());
    let connection = pool.take(&operation).await?;
    let named = named.map(|named| texts(named.iter().map(LineId::as_str)));
    let params: [&(dyn ToSql + Sync); 4] =
        [&hospital.as_str(), &stay.as_str(), &request.as_str(), &named];
    let rows = connection.query(CANCEL_FEES, &params, &operation).await?;
    let line = |row| Reader { row, operation: &operation }.text("line_id", LineId::new);
    rows.iter().map(line).collect()
}

/// Keeps the newest quote of a stay.
pub async fn keep_quote(
    pool: &Pool,
    (hospital, stay): (&HospitalCode, &StayId),
    request: &RequestId,
    (bill_sha256, token): (&[u8; 32], &[u8]),
) -> Result<(), StoreError> {
    let operation = Operation::National("keep a quote", hospital.clone());
    let connection = pool.take(&operation).await?;
    let params: [&(dyn ToSql + Sync); 5] =
        [&hospital.as_str(), &stay.as_str(), &request.as_str(), &bill_sha256.as_slice(), &token];
    connection.query(KEEP_QUOTE, &params, &operation).await.map(|_| ())
}

/// Notes which message asks to settle which bill of a stay, together with others; false where its admission was reversed meanwhile.
pub async fn note_settle(
    pool: &Pool,
    message: Message<'_>,
    stay: &StayId,
    bill_sha256: &[u8; 32],
) -> Result<bool, StoreError> {
    let noted = AskedNote {
        hospital: message.hospital.clone(),
        request: message.request.clone(),
        message_sha256: message.body_sha256,
        bill_sha256: *bill_sha256,
        stay: stay.clone(),
    };
    let row = pool.notes().read(pool, noted.clone()).await?;
    let cancelled: bool = Reader { row: &row, operation: &noted.operation() }.get("cancelled")?;
    Ok(!cancelled)
}

fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    texts.collect()
}
