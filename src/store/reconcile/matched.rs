//! One pass over the rows of both sides in the order of pairs. Only differences are kept; equal rows are counted.

use std::pin::pin;

use jiff::civil::Date;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};

use super::staged::list_bad;
use super::{
    Amounts, BadRow, Class, HospitalCode, Operation, PersonNumber, Pool, Reader, Report, Scope,
    SettlementId, State, StayId, StoreError, Wanted, amounts, begin, count, fens, stored,
};
use crate::domain::ids::RequestId;
use crate::domain::reconcile::{Classed, Matching, Row, Shown, Side};
use crate::limits;
use crate::store::row;

const COPY: &str = "COPY difference (statement_key, difference_no, class, settlement_id, our_settlement_id, stay_id, \
     person_number, request_id, line, refund, has_ours, has_theirs, our_day, our_total_fen, our_fund_fen, our_account_fen, \
     their_total_fen, their_fund_fen, their_account_fen) FROM STDIN BINARY";

const TYPES: [Type; 19] = [
    Type::INT8,
    Type::INT8,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::INT8,
    Type::BOOL,
    Type::BOOL,
    Type::BOOL,
    Type::DATE,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::INT8,
];

/// A row with what only the database knows of it.
#[derive(Clone, Debug, Default)]
struct Aside {
    request: Option<String>,
    day: Option<Date>,
    person_number: Option<String>,
}

/// A difference on its way into the database.
struct Found {
    classed: Classed,
    ours: Aside,
    theirs: Aside,
    /// Our settlement, be it on another day, and what we have of it.
    elsewhere: Option<(SettlementId, Amounts)>,
}

/// What the ledger has of a settlement that this statement's days do not show.
struct Elsewhere {
    shown: Shown,
    /// The row itself: its id, amounts, request and day.
    own: (SettlementId, Amounts, Option<String>, Date),
    /// Is that row a reversal?
    is_reversal: bool,
    /// The reversal of it.
    reversal: Option<(SettlementId, Option<String>, Date)>,
}

/// The pass: where it is, and what was found so far.
struct Pass<'a> {
    key: i64,
    scope: &'a Scope,
    operation: &'a Operation,
    report: Report,
    differences: i64,
    bad: i64,
}

/// Gives every row of a statement its class. All of it, or nothing; false where it is not received, or was matched before. `tell` is
/// told how many rows it is past.
pub async fn match_statement(
    pool: &Pool,
    key: i64,
    scope: &Scope,
    tell: &(dyn Fn(u64) + Sync),
) -> Result<bool, StoreError> {
    let operation = Operation::Reconcile("match a statement");
    let failed = |source| StoreError::Statement { operation: operation.clone(), source };
    let mut connection = pool.take(&operation).await?;
    let transaction = begin(&mut connection, &operation).await?;
    let lock = include_str!("../sql/reconcile/lock.sql");
    let locked = transaction.query(lock, &[&key]).await.map_err(failed)?;
    let state = locked.first().map(|row| Reader { row, operation: &operation });
    let state = state.map(|reader| reader.text("state", State::from_word)).transpose()?;
    if state != Some(State::Received) {
        return Ok(false);
    }
    // Nothing is known yet of rows that were just copied in: the planner takes them for few, and would walk through all of ours
    // for each of theirs.
    transaction.batch_execute("SET LOCAL enable_nestloop = off").await.map_err(failed)?;
    let statement =
        transaction.prepare(include_str!("../sql/reconcile/rows.sql")).await.map_err(failed)?;
    let wanted = Wanted::of(scope);
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![&key];
    params.extend(wanted.params());
    let portal = transaction.bind(&statement, &params).await.map_err(failed)?;
    let report = Report::default();
    let mut pass = Pass { key, scope, operation: &operation, report, differences: 0, bad: 0 };
    let mut matching = Matching::default();
    let mut past = 0_u64;
    let mut asides = Asides::default();
    loop {
        let fetch = limits::RECONCILE_FETCH_ROWS;
        let rows = transaction.query_portal(&portal, fetch).await.map_err(failed)?;
        let last = rows.is_empty();
        let mut told = Vec::new();
        for row in &rows {
            let (row, aside) = read_row(&Reader { row, operation: &operation })?;
            asides.keep(&row, aside);
            matching.take(row, &mut told);
        }
        if last {
            matching.end(&mut told);
        }
        past = past.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
        pass.note(&transaction, told, &mut asides).await?;
        tell(past);
        if last {
            break;
        }
    }
    pass.end(transaction).await?;
    Ok(true)
}

/// What the database knows of the rows that are not told yet, by side and line or id.
#[derive(Default)]
struct Asides(std::collections::BTreeMap<(Side, u64, SettlementId), Aside>);

impl Asides {
    fn keep(&mut self, row: &Row, aside: Aside) {
        self.0.insert((row.side, row.line, row.settlement.clone()), aside);
    }

    fn take(&mut self, row: Option<&Row>) -> Aside {
        let key = row.map(|row| (row.side, row.line, row.settlement.clone()));
        key.and_then(|key| self.0.remove(&key)).unwrap_or_default()
    }
}

impl Pass<'_> {
    /// Counts what was told, and keeps what differs.
    async fn note(
        &mut self,
        transaction: &deadpool_postgres::Transaction<'_>,
        told: Vec<Classed>,
        asides: &mut Asides,
    ) -> Result<(), StoreError> {
        let mut found: Vec<Found> = Vec::new();
        for classed in told {
            let (ours, theirs) =
                (asides.take(classed.ours.as_ref()), asides.take(classed.theirs.as_ref()));
            if classed.class == Class::Equal {
                self.count(&classed)?;
            } else {
                found.push(Found { classed, ours, theirs, elsewhere: None });
            }
        }
        let bad = self.look_further(transaction, &mut found).await?;
        self.bad = self.bad.saturating_add(i64::try_from(bad.len()).unwrap_or(i64::MAX));
        list_bad(transaction, self.key, &bad, self.operation).await?;
        for found in &found {
            self.count(&found.classed)?;
        }
        found.retain(|found| found.classed.class != Class::Equal);
        self.write(transaction, &found).await
    }

    fn count(&mut self, classed: &Classed) -> Result<(), StoreError> {
        let unfit =
            || StoreError::Unfit { operation: self.operation.clone(), field: "a sum of amounts" };
        self.report.add(classed).ok_or_else(unfit)
    }

    /// Asks the whole ledger for rows of theirs that these days do not show; takes out those that are not of the scope.
    async fn look_further(
        &self,
        transaction: &deadpool_postgres::Transaction<'_>,
        found: &mut Vec<Found>,
    ) -> Result<Vec<BadRow>, StoreError> {
        let failed = |source| StoreError::Statement { operation: self.operation.clone(), source };
        let alone = |found: &Found| {
            let theirs = found.classed.theirs.as_ref().filter(|_| found.classed.ours.is_none());
            let theirs = theirs?;
            // An id that does not carry a bucket was never ours.
            Some((theirs.settlement.bucket()?, theirs.settlement.as_str().to_owned()))
        };
        let (places, ids): (Vec<usize>, Vec<(i16, String)>) =
            found.iter().enumerate().filter_map(|(at, one)| Some((at, alone(one)?))).unzip();
        let (buckets, ids): (Vec<i16>, Vec<String>) = ids.into_iter().unzip();
        let sql = transaction.prepare_cached(include_str!("../sql/reconcile/elsewhere.sql")).await;
        let params: [&(dyn ToSql + Sync); 3] = [&buckets, &ids, &self.scope.payer];
        let rows = transaction.query(&sql.map_err(failed)?, &params).await.map_err(failed)?;
        let mut bad = Vec::new();
        let mut out = std::collections::BTreeSet::new();
        let mut known = std::collections::BTreeSet::new();
        for row in &rows {
            let reader = Reader { row, operation: self.operation };
            let place = count(&reader, "place")?;
            let place = usize::try_from(place).ok().and_then(|place| place.checked_sub(1));
            let at = place.and_then(|place| places.get(place)).copied();
            let Some((at, found)) = at.and_then(|at| Some((at, found.get_mut(at)?))) else {
                continue;
            };
            known.insert(at);
            if let Some(row) = self.place(found, read_elsewhere(&reader)?) {
                bad.push(row);
                out.insert(at);
            }
        }
        for (at, found) in found.iter_mut().enumerate() {
            if !known.contains(&at) {
                found.classed.look_further(false, false);
            }
        }
        let mut at = 0_usize;
        found.retain(|_| {
            let kept = !out.contains(&at);
            at = at.saturating_add(1);
            kept
        });
        Ok(bad)
    }

    /// Says what the ledger says of a row of theirs; gives it back as a bad one where it is not of the scope.
    fn place(&self, found: &mut Found, elsewhere: Elsewhere) -> Option<BadRow> {
        let Found { classed, ours, .. } = found;
        let theirs = classed.theirs.as_ref()?;
        if let Some(outside) = self.scope.outside(&elsewhere.shown) {
            let settlement = Some(theirs.settlement.clone());
            let (line, reason) = (theirs.line, outside.code());
            return Some(BadRow { line, reason, column: "setl_id", settlement });
        }
        let (id, amounts, request, day) = elsewhere.own;
        // The very row: a reversal answers a reversal.
        let same = match (theirs.refund, elsewhere.is_reversal, elsewhere.reversal) {
            (false, false, _) | (true, true, _) => Some((id.clone(), amounts, request, day)),
            (true, false, Some((reversal, request, day))) => {
                negated(&amounts).map(|amounts| (reversal, amounts, request, day))
            }
            (true, false, None) | (false, true, _) => None,
        };
        let Some((own, amounts, request, day)) = same else {
            classed.look_further(true, false);
            found.elsewhere = Some((id, Amounts::default()));
            return None;
        };
        ours.request = request;
        ours.day = Some(day);
        if classed.class == Class::Repeated {
            found.elsewhere = Some((own, amounts));
        } else if self.scope.has_day(day) {
            // Of these days, and not looked at: the payer paid nothing of it.
            let class = if amounts == theirs.amounts { Class::Equal } else { Class::AmountsDiffer };
            let row = Row { side: Side::Ours, line: 0, settlement: own, amounts, ..theirs.clone() };
            (classed.class, classed.ours) = (class, Some(row));
        } else {
            classed.look_further(true, true);
            found.elsewhere = Some((own, amounts));
        }
        None
    }

    async fn write(
        &mut self,
        transaction: &deadpool_postgres::Transaction<'_>,
        found: &[Found],
    ) -> Result<(), StoreError> {
        if found.is_empty() {
            return Ok(());
        }
        let failed = |source| StoreError::Statement { operation: self.operation.clone(), source };
        let sink = transaction.copy_in(COPY).await.map_err(failed)?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &TYPES));
        for found in found {
            self.differences = self.differences.saturating_add(1);
            let Found { classed, ours: our_side, theirs: their_side, elsewhere } = found;
            let Classed { class, ours, theirs } = classed;
            let Some(named) = theirs.as_ref().or(ours.as_ref()) else { continue };
            let own = ours.as_ref().map(|row| (row.settlement.clone(), row.amounts));
            let own = own.or_else(|| elsewhere.clone());
            let [our_total, our_fund, our_account] =
                own.as_ref().map_or([0; 3], |(_, amounts)| fens(amounts));
            let [their_total, their_fund, their_account] =
                theirs.as_ref().map_or([0; 3], |row| fens(&row.amounts));
            let stay = ours.as_ref().and_then(|row| row.stay.as_ref()).or(named.stay.as_ref());
            let cells: [&(dyn ToSql + Sync); 19] = [
                &self.key,
                &self.differences,
                &class.word(),
                &named.settlement.as_str(),
                &own.as_ref().map(|(id, _)| id.as_str()),
                &stay.map(StayId::as_str),
                &their_side.person_number,
                &our_side.request,
                &stored(theirs.as_ref().map_or(0, |row| row.line)),
                &named.refund,
                &ours.is_some(),
                &theirs.is_some(),
                &our_side.day,
                &our_total,
                &our_fund,
                &our_account,
                &their_total,
                &their_fund,
                &their_account,
            ];
            writer.as_mut().write(&cells).await.map_err(failed)?;
        }
        writer.finish().await.map(|_| ()).map_err(failed)
    }

    /// Writes what it came to, and makes all of it durable.
    async fn end(self, transaction: deadpool_postgres::Transaction<'_>) -> Result<(), StoreError> {
        let failed = |source| StoreError::Statement { operation: self.operation.clone(), source };
        let classes: Vec<&str> = Class::ALL.into_iter().map(Class::word).collect();
        let totals = Class::ALL.map(|class| self.report.class(class));
        let sums = totals.map(|total| [total.ours, total.theirs]);
        let mut columns: [Vec<i64>; 8] = Default::default();
        for sides in sums {
            let cells = sides.map(|side| {
                let [total, fund, account] = fens(&side.amounts);
                [stored(side.rows), total, fund, account]
            });
            for (column, cell) in columns.iter_mut().zip(cells.concat()) {
                column.push(cell);
            }
        }
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&self.key, &classes];
        for column in &columns {
            params.push(column);
        }
        let sql = include_str!("../sql/reconcile/classes.sql");
        transaction.execute(sql, &params).await.map_err(failed)?;
        let sql = include_str!("../sql/reconcile/matched.sql");
        let params: [&(dyn ToSql + Sync); 3] = [&self.key, &self.differences, &self.bad];
        transaction.execute(sql, &params).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }
}

fn negated(amounts: &Amounts) -> Option<Amounts> {
    Amounts::default().less(amounts)
}

fn read_row(reader: &Reader<'_>) -> Result<(Row, Aside), StoreError> {
    let ours: bool = reader.get("is_ours")?;
    let row = Row {
        side: if ours { Side::Ours } else { Side::Theirs },
        pair: reader.text("pair_id", SettlementId::new)?,
        settlement: reader.text("settlement_id", SettlementId::new)?,
        refund: reader.get("refund")?,
        stay: reader.maybe("stay_id", StayId::new)?,
        amounts: amounts(reader, ["total_fen", "fund_fen", "account_fen"])?,
        line: count(reader, "line")?,
    };
    let aside = Aside {
        request: reader.maybe("request_id", RequestId::new)?.map(|id| id.to_string()),
        day: reader.get("accounting_day")?,
        person_number: reader
            .maybe("person_number", PersonNumber::new)?
            .map(|number| number.to_string()),
    };
    Ok((row, aside))
}

fn read_elsewhere(reader: &Reader<'_>) -> Result<Elsewhere, StoreError> {
    let day: Date = reader.get("accounting_day")?;
    let reversal = reader.settlement("reversal_id")?;
    let reversal_request: Option<String> = reader.get("reversal_request_id")?;
    let reversal_day: Option<Date> = reader.get("reversal_day")?;
    let own = amounts(reader, ["total_fen", "fund_fen", "account_pay_fen"])?;
    Ok(Elsewhere {
        shown: Shown {
            hospital: reader.text("hospital_code", HospitalCode::new)?,
            region: reader.region("insured_region")?,
            scheme: reader.scheme("scheme")?,
            clearing_type: reader.get("clearing_type")?,
            clearing_agency: reader.get("clearing_agency")?,
            care: reader.text("care_type", row::care)?,
            day,
        },
        own: (
            reader.text("settlement_id", SettlementId::new)?,
            own,
            reader.get("request_id")?,
            day,
        ),
        is_reversal: reader.settlement("reverses_settlement_id")?.is_some(),
        reversal: reversal.zip(reversal_day).map(|(id, day)| (id, reversal_request, day)),
    })
}
