//! What can be looked up beside one statement: which there are, what was carried out of them, what happened to a difference, and by
//! which names a scope may ask.

use jiff::Timestamp;
use jiff::civil::Date;

use super::{
    Class, Fen, HospitalCode, Operation, Pool, Reader, RegionCode, Scheme, Scope, SettlementId,
    State, Statement, StoreError, ToSql, begin, count, read_statement, stored, unhurried,
};

/// Which statements are listed; whatever is not named is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latest {
    /// Of this hospital.
    pub hospital: Option<HospitalCode>,
    /// Of a region, or of what lies in it.
    pub region: Option<RegionCode>,
    /// Of this scheme.
    pub scheme: Option<Scheme>,
    /// Of this payer.
    pub payer: Option<String>,
    /// With this day.
    pub day: Option<Date>,
    /// How far they are.
    pub state: Option<State>,
    /// After the last one of a page: when it came, and its key.
    pub after: Option<(Timestamp, i64)>,
    /// At most so many; nothing, or more than may be: as many as may be.
    pub most: Option<u32>,
}

/// What whoever asks reaches: regions, a hospital, schemes; nothing: all of it.
pub(super) type Reached<'a> =
    (Option<&'a [RegionCode]>, Option<&'a HospitalCode>, Option<&'a [Scheme]>);

/// A difference that was carried out of its statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Its statement.
    pub statement: i64,
    /// Its number.
    pub number: u64,
    /// Its class.
    pub class: Class,
    /// As whoever has it names it.
    pub settlement: SettlementId,
    /// The last day of its statement.
    pub day: Date,
}

/// Something that happened to a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The statement of the difference.
    pub statement: i64,
    /// Its number.
    pub number: u64,
    /// The last day of that statement.
    pub day: Date,
    /// The class of the difference.
    pub class: Class,
    /// What happened, by its word.
    pub event: String,
    /// Why they differ, by its word, where that is what happened.
    pub explanation: String,
    /// What the explanation points to.
    pub detail: String,
    /// Why somebody did it.
    pub reason: String,
    /// How much money moves by it.
    pub moved: Fen,
    /// Who had proposed it, where it is settled by another.
    pub proposed_by: Option<String>,
    /// Who did it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Statements of what is reached, the latest first, so many.
pub async fn statements(
    pool: &Pool,
    latest: &Latest,
    (regions, own, schemes): Reached<'_>,
    most: i64,
) -> Result<Vec<Statement>, StoreError> {
    let operation = Operation::Reconcile("list statements");
    let Latest { hospital, region, scheme, payer, day, state, after, most: _ } = latest;
    let hospital = hospital.as_ref().map(ToString::to_string);
    let region = region.map(|region| region.to_string());
    let scheme = scheme.map(Scheme::word);
    let sql = include_str!("../sql/reconcile/list.sql");
    let state = state.map(State::word);
    let (came_at, key) = after.unzip();
    let regions: Option<Vec<String>> =
        regions.map(|regions| regions.iter().map(ToString::to_string).collect());
    let own = own.map(ToString::to_string);
    // None named: all.
    let schemes = schemes.filter(|schemes| !schemes.is_empty());
    let schemes: Option<Vec<&str>> =
        schemes.map(|schemes| schemes.iter().map(|scheme| scheme.word()).collect());
    let params: [&(dyn ToSql + Sync); 12] = [
        &hospital, &region, &scheme, payer, day, &state, &came_at, &key, &regions, &own, &schemes,
        &most,
    ];
    let rows = unhurried(pool, &operation, sql, &params).await?;
    rows.iter().map(|row| read_statement(&Reader { row, operation: &operation })).collect()
}

/// What was carried out of statements of a scope and is not settled, oldest first: so many after one.
pub async fn carried(
    pool: &Pool,
    (scope, of_hospital): (&Scope, bool),
    after: Option<(i64, u64)>,
    most: i64,
) -> Result<Vec<Carried>, StoreError> {
    let operation = Operation::Reconcile("list what was carried");
    let (statement, number) = after.map(|(key, number)| (key, stored(number))).unzip();
    let sql = include_str!("../sql/reconcile/carried.sql");
    let params: [&(dyn ToSql + Sync); 5] = [&scope.key(), &statement, &number, &most, &of_hospital];
    let rows = unhurried(pool, &operation, sql, &params).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            Ok(Carried {
                statement: reader.get("statement_key")?,
                number: count(&reader, "difference_no")?,
                class: reader.text("class", Class::from_word)?,
                settlement: reader.text("settlement_id", SettlementId::new)?,
                day: reader.get("last_day")?,
            })
        })
        .collect()
}

/// All that happened to a difference, and to the same row in statements of earlier days that it was carried out of.
pub async fn history(
    pool: &Pool,
    (key, number): (i64, u64),
    most: i64,
) -> Result<Vec<Event>, StoreError> {
    let operation = Operation::Reconcile("read what happened to a difference");
    let sql = include_str!("../sql/reconcile/history.sql");
    let rows = unhurried(pool, &operation, sql, &[&key, &stored(number), &most]).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            Ok(Event {
                statement: reader.get("statement_key")?,
                number: count(&reader, "difference_no")?,
                day: reader.get("last_day")?,
                class: reader.text("class", Class::from_word)?,
                event: reader.get("event")?,
                explanation: reader.get("explanation")?,
                detail: reader.get("detail")?,
                reason: reader.get("reason")?,
                moved: Fen::new(reader.get("moved_fen")?),
                proposed_by: reader.get("proposed_by")?,
                by: reader.get("by_name")?,
                at: reader.get("at")?,
            })
        })
        .collect()
}

/// The canonical bytes of all rule packages that a scope may be of.
pub async fn packages_near(pool: &Pool, scope: &Scope) -> Result<Vec<Vec<u8>>, StoreError> {
    let operation = Operation::Reconcile("read rule packages");
    let region = scope.region.map(|region| region.to_string());
    let scheme = scope.scheme.map(Scheme::word);
    let sql = include_str!("../sql/reconcile/packages_near.sql");
    let rows = unhurried_anyhow(pool, &operation, sql, &[&region, &scheme]).await?;
    rows.iter().map(|row| Reader { row, operation: &operation }.get("canonical")).collect()
}

/// The payers and the clearing types of what was settled on a scope's days.
pub async fn names_settled(
    pool: &Pool,
    scope: &Scope,
) -> Result<(Vec<String>, Vec<String>), StoreError> {
    let operation = Operation::Reconcile("read who paid");
    let region = scope.region.map(|region| region.to_string());
    let hospital = scope.hospital.as_ref().map(ToString::to_string);
    let sql = include_str!("../sql/reconcile/names_settled.sql");
    let params: [&(dyn ToSql + Sync); 4] = [&scope.first_day, &scope.last_day, &hospital, &region];
    let rows = unhurried_anyhow(pool, &operation, sql, &params).await?;
    let (mut payers, mut types) = (Vec::new(), Vec::new());
    for row in &rows {
        let reader = Reader { row, operation: &operation };
        let names = if reader.get("is_payer")? { &mut payers } else { &mut types };
        names.push(reader.get("name")?);
    }
    Ok((payers, types))
}

/// The same for a statement that has no key to look by.
async fn unhurried_anyhow(
    pool: &Pool,
    operation: &Operation,
    sql: &'static str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<tokio_postgres::Row>, StoreError> {
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let mut connection = pool.take(operation).await?;
    let transaction = begin(&mut connection, operation).await?;
    transaction.query(sql, params).await.map_err(failed)
}
