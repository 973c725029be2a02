//! Why differences are, what becomes of each, and the end of a statement.

use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::{
    Amounts, Class, Operation, Pool, Reader, RegionCode, Scheme, SettlementId, StoreError, amounts,
    begin, count, stored, unhurried,
};
use crate::domain::ids::PackageHash;
use crate::domain::money::Fen;

/// A difference that nobody looked at yet, with what explains it.
#[derive(Clone, Debug)]
pub struct ToExplain {
    /// Its number.
    pub number: u64,
    /// Its class.
    pub class: Class,
    /// Is it of a reversal?
    pub refund: bool,
    /// What they say, where they say something.
    pub theirs: Option<Amounts>,
    /// Our settlement; of a reversal, what it undoes.
    pub ours: Option<Why>,
    /// The line of theirs that is of it and counts for nothing.
    pub bad_line: Option<u64>,
}

/// A settlement with what was learnt of it since.
#[derive(Clone, Debug)]
pub struct Why {
    /// Its record.
    pub record: Vec<u8>,
    /// Its rules.
    pub package: PackageHash,
    /// Its insured region.
    pub region: RegionCode,
    /// Its scheme.
    pub scheme: Scheme,
    /// Was it reversed?
    pub reversed: bool,
    /// Is it provisional?
    pub provisional: bool,
    /// The person's identities as they are known now, where any was recorded after the settlement.
    pub identities: Option<Vec<Identity>>,
}

/// An identity with its validity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its code.
    pub code: String,
    /// Who granted it.
    pub region: RegionCode,
    /// First day.
    pub from: Date,
    /// Last day; nothing while it lasts.
    pub to: Option<Date>,
}

/// A difference as it is recorded, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its statement.
    pub statement: i64,
    /// Its number.
    pub number: u64,
    /// Its class.
    pub class: Class,
    /// As whoever has it names it.
    pub settlement: SettlementId,
    /// Our settlement, be it on another day.
    pub ours: Option<SettlementId>,
    /// Does ours count in these days?
    pub has_ours: bool,
    /// Do they have it?
    pub has_theirs: bool,
    /// The stay.
    pub stay: Option<String>,
    /// The person, by the number that they gave.
    pub person_number: Option<String>,
    /// The hospital's request id, where we have it.
    pub request: Option<String>,
    /// The line of their file.
    pub line: u64,
    /// Is it of a reversal?
    pub refund: bool,
    /// The accounting day of ours.
    pub our_day: Option<Date>,
    /// What we have.
    pub our_amounts: Amounts,
    /// What they say.
    pub their_amounts: Amounts,
    /// Why, by its word; empty while nobody looked.
    pub explanation: String,
    /// What the explanation points to.
    pub detail: String,
    /// What last happened to it.
    pub last: Option<Happened>,
}

/// Who looks at differences, when, and for what.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub caller_name: String,
    /// What they are.
    pub caller_kind: &'static str,
    /// By which door.
    pub door: &'static str,
    /// What for.
    pub purpose: Option<String>,
}

/// What happened to a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// What.
    pub event: String,
    /// Why.
    pub reason: String,
    /// How much money moves by it.
    pub moved: Fen,
    /// Who did it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What somebody does to a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Proposes to settle it, by moving so much.
    Propose(Fen),
    /// Takes a proposal back.
    Withdraw,
    /// Settles it, by moving so much; where money is in it, somebody else proposed exactly this.
    Settle(Fen),
    /// Carries it to a later day.
    Carry,
}

/// What came of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is durable.
    Noted,
    /// There is no such difference in a statement that is open, or it is settled.
    NotOpen,
    /// Money is in it: another must have proposed exactly this.
    FourEyes,
}

/// What came of closing a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// It is closed since then.
    Closed(Timestamp),
    /// So many of its differences are open.
    Open(u64),
    /// Another statement took its days.
    DayClosed,
    /// Rows of it are bad, or the totals beside it are others than those of its rows.
    Flawed,
}

impl Happened {
    /// Does an event of this word tell an amount at all?
    pub fn moves(event: &str) -> bool {
        [Note::Propose(Fen::ZERO).word(), Note::Settle(Fen::ZERO).word()].contains(&event)
    }
}

impl Note {
    const fn word(self) -> &'static str {
        match self {
            Self::Propose(_) => "proposed",
            Self::Withdraw => "withdrawn",
            Self::Settle(_) => "settled",
            Self::Carry => "carried",
        }
    }

    const fn moved(self) -> Fen {
        match self {
            Self::Propose(moved) | Self::Settle(moved) => moved,
            Self::Withdraw | Self::Carry => Fen::ZERO,
        }
    }
}

/// The next differences after one, with what explains them.
pub async fn unexplained(
    pool: &Pool,
    key: i64,
    (after, most): (u64, i64),
) -> Result<Vec<ToExplain>, StoreError> {
    let operation = Operation::Reconcile("read differences to explain");
    let sql = include_str!("../sql/reconcile/unexplained.sql");
    let rows = unhurried(pool, &operation, sql, &[&key, &stored(after), &most]).await?;
    rows.iter().map(|row| read_to_explain(&Reader { row, operation: &operation })).collect()
}

/// Notes why differences are, each once; durable when it returns.
pub async fn note_explanations(
    pool: &Pool,
    key: i64,
    explained: &[(u64, &'static str, String)],
    by: &str,
) -> Result<(), StoreError> {
    let operation = Operation::Reconcile("note why figures differ");
    let mut connection = pool.take(&operation).await?;
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let transaction = begin(&mut connection, &operation).await?;
    let numbers: Vec<i64> = explained.iter().map(|(number, ..)| stored(*number)).collect();
    let words: Vec<&str> = explained.iter().map(|(_, word, _)| *word).collect();
    let details: Vec<&str> = explained.iter().map(|(.., detail)| detail.as_str()).collect();
    let sql = include_str!("../sql/reconcile/explained.sql");
    transaction.execute(sql, &[&key, &numbers, &words, &details, &by]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// Differences after one, in their order.
pub async fn differences(
    pool: &Pool,
    key: i64,
    (after, most): (u64, i64),
) -> Result<Vec<Difference>, StoreError> {
    let operation = Operation::Reconcile("read differences");
    let sql = include_str!("../sql/reconcile/differences.sql");
    let rows = unhurried(pool, &operation, sql, &[&key, &stored(after), &most]).await?;
    rows.iter().map(|row| read_difference(&Reader { row, operation: &operation })).collect()
}

/// Records that somebody looks at differences after one, of each person that they are of; durable when it returns.
pub async fn record_differences_seen(
    pool: &Pool,
    key: i64,
    (after, most): (u64, i64),
    by: &Seen,
) -> Result<(), StoreError> {
    let Seen { at, caller_name, caller_kind, door, purpose } = by;
    let sql = include_str!("../sql/reconcile/seen.sql");
    let after = stored(after);
    let params: [&(dyn ToSql + Sync); 8] =
        [&key, &after, &most, at, caller_name, caller_kind, door, purpose];
    unhurried(pool, &Operation::RecordAccess, sql, &params).await.map(|_| ())
}

/// Records that somebody looks at these differences, each of a statement; durable when it returns.
pub async fn record_these_seen(
    pool: &Pool,
    these: &[(i64, u64)],
    by: &Seen,
) -> Result<(), StoreError> {
    let Seen { at, caller_name, caller_kind, door, purpose } = by;
    let (keys, numbers): (Vec<i64>, Vec<i64>) =
        these.iter().map(|(key, number)| (*key, stored(*number))).unzip();
    let sql = include_str!("../sql/reconcile/seen_these.sql");
    let params: [&(dyn ToSql + Sync); 7] =
        [&keys, &numbers, at, caller_name, caller_kind, door, purpose];
    unhurried(pool, &Operation::RecordAccess, sql, &params).await.map(|_| ())
}

/// How many differences have which explanation.
pub async fn explanations(pool: &Pool, key: i64) -> Result<Vec<(String, u64)>, StoreError> {
    let operation = Operation::Reconcile("count explanations");
    let sql = include_str!("../sql/reconcile/explanations.sql");
    let rows = unhurried(pool, &operation, sql, &[&key]).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            Ok((reader.get("explanation")?, count(&reader, "differences")?))
        })
        .collect()
}

/// Adds to the history of a difference.
pub async fn note_difference(
    pool: &Pool,
    (key, number): (i64, u64),
    note: Note,
    (by, reason): (&str, &str),
) -> Result<Noted, StoreError> {
    let operation = Operation::Reconcile("note what becomes of a difference");
    let connection = pool.take(&operation).await?;
    let moved = note.moved().get();
    let sql = include_str!("../sql/reconcile/note.sql");
    let noted = connection
        .try_query(sql, &[&key, &stored(number), &note.word(), &reason, &moved, &by])
        .await;
    match noted {
        Ok(rows) if rows.is_empty() => Ok(Noted::NotOpen),
        Ok(_) => Ok(Noted::Noted),
        Err(source) => {
            let constraint = source.as_db_error().and_then(|error| error.constraint());
            let check = source.code() == Some(&SqlState::CHECK_VIOLATION);
            match constraint.filter(|_| check) {
                Some("difference_event_four_eyes" | "difference_event_proposed") => {
                    Ok(Noted::FourEyes)
                }
                Some("difference_event_settled" | "difference_event_order") => Ok(Noted::NotOpen),
                Some(_) | None => Err(StoreError::Statement { operation, source }),
            }
        }
    }
}

/// Closes a statement of which nothing is left open, and says when. `although` is why it may be flawed, or empty.
pub async fn close_statement(
    pool: &Pool,
    key: i64,
    (by, although): (&str, &str),
) -> Result<Closing, StoreError> {
    let operation = Operation::Reconcile("close a statement");
    let mut connection = pool.take(&operation).await?;
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let transaction = begin(&mut connection, &operation).await?;
    // Whoever notes something of it at this moment waits, or is waited for.
    let lock = include_str!("../sql/reconcile/lock.sql");
    transaction.query(lock, &[&key]).await.map_err(failed)?;
    let sql = include_str!("../sql/reconcile/unsettled.sql");
    let rows = transaction.query(sql, &[&key]).await.map_err(failed)?;
    let unsettled = match rows.first() {
        Some(row) => count(&Reader { row, operation: &operation }, "unsettled")?,
        None => 0,
    };
    if unsettled != 0 {
        return Ok(Closing::Open(unsettled));
    }
    let sql = include_str!("../sql/reconcile/close.sql");
    let rows = match transaction.query(sql, &[&key, &by, &although]).await {
        Ok(rows) => rows,
        Err(error) => {
            let constraint = error.as_db_error().and_then(|error| error.constraint());
            return match constraint {
                // Somebody else closed another of these days at the same moment.
                Some("statement_closed_once") => Ok(Closing::DayClosed),
                Some("statement_although") => Ok(Closing::Flawed),
                Some(_) | None => Err(failed(error)),
            };
        }
    };
    let Some(row) = rows.first() else { return Ok(Closing::DayClosed) };
    let at = Reader { row, operation: &operation }.get("closed_at")?;
    transaction.commit().await.map_err(failed)?;
    Ok(Closing::Closed(at))
}

fn read_to_explain(reader: &Reader<'_>) -> Result<ToExplain, StoreError> {
    let theirs = amounts(reader, ["their_total_fen", "their_fund_fen", "their_account_fen"])?;
    let has_theirs: bool = reader.get("has_theirs")?;
    let record: Option<Vec<u8>> = reader.get("record")?;
    let bad_line: Option<i64> = reader.get("bad_line")?;
    let ours = match record {
        Some(record) => Some(read_why(reader, record)?),
        None => None,
    };
    Ok(ToExplain {
        number: count(reader, "difference_no")?,
        class: reader.text("class", Class::from_word)?,
        refund: reader.get("refund")?,
        theirs: has_theirs.then_some(theirs),
        ours,
        bad_line: bad_line
            .map(|line| reader.parse("bad_line", u64::try_from(line).ok()))
            .transpose()?,
    })
}

fn read_why(reader: &Reader<'_>, record: Vec<u8>) -> Result<Why, StoreError> {
    let changed: bool = reader.get("identities_changed")?;
    let identities = if changed {
        let codes: Vec<String> = reader.list("codes")?;
        let regions = reader.texts("regions", RegionCode::new)?;
        let froms: Vec<Date> = reader.list("froms")?;
        let tos = reader.ends("tos")?;
        let all = codes.into_iter().zip(regions).zip(froms).zip(tos);
        Some(all.map(|(((code, region), from), to)| Identity { code, region, from, to }).collect())
    } else {
        None
    };
    Ok(Why {
        record,
        package: PackageHash(reader.hash("package_hash")?),
        region: reader.region("insured_region")?,
        scheme: reader.scheme("scheme")?,
        reversed: reader.get("reversed")?,
        provisional: reader.get("provisional")?,
        identities,
    })
}

fn read_difference(reader: &Reader<'_>) -> Result<Difference, StoreError> {
    let event: Option<String> = reader.get("event")?;
    let last = match event {
        Some(event) => Some(Happened {
            event,
            reason: reader.get("reason")?,
            moved: Fen::new(reader.get("moved_fen")?),
            by: reader.get("by_name")?,
            at: reader.get("at")?,
        }),
        None => None,
    };
    let text = |field| reader.get::<Option<String>>(field);
    Ok(Difference {
        statement: reader.get("statement_key")?,
        number: count(reader, "difference_no")?,
        class: reader.text("class", Class::from_word)?,
        settlement: reader.text("settlement_id", SettlementId::new)?,
        ours: reader.settlement("our_settlement_id")?,
        has_ours: reader.get("has_ours")?,
        has_theirs: reader.get("has_theirs")?,
        stay: text("stay_id")?,
        person_number: text("person_number")?,
        request: text("request_id")?,
        line: count(reader, "line")?,
        refund: reader.get("refund")?,
        our_day: reader.get("our_day")?,
        our_amounts: amounts(reader, ["our_total_fen", "our_fund_fen", "our_account_fen"])?,
        their_amounts: amounts(reader, ["their_total_fen", "their_fund_fen", "their_account_fen"])?,
        explanation: text("explanation")?.unwrap_or_default(),
        detail: text("detail")?.unwrap_or_default(),
        last,
    })
}
