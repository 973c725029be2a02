//! Opening and outside consumption: entries that are appended once and never changed.

use std::collections::BTreeMap;

use super::parse::{self, Refusal, Shown};
use super::rows::{Line, OpeningRow, RejectReason};
use super::work::{Work, keys};
use super::{Batch, Rules, Secrets};
use crate::domain::ids::{PersonId, RegionCode};
use crate::domain::money::Fen;
use crate::domain::standing::Scheme;
use crate::store::error::StoreError;

/// What an entry says, apart from its id.
#[derive(Clone, PartialEq)]
pub(super) struct Opening {
    region: RegionCode,
    scheme: Scheme,
    year: i16,
    name: String,
    amount: Fen,
}

pub(super) async fn take(
    work: &Work<'_>,
    (secrets, rules): (&Secrets<'_>, &Rules<'_>),
    rows: &[Line<OpeningRow>],
) -> Result<Batch, StoreError> {
    let shown: Vec<_> =
        rows.iter().map(|line| Shown::read(secrets, &line.row.credential)).collect();
    let known = work.resolve(&shown.iter().flat_map(Shown::candidates).collect()).await?;
    work.lock(&known.values().copied().collect()).await?;
    let mut recorded = load(work, rows).await?;
    let mut batch = Batch::default();
    let mut fresh: Vec<(String, PersonId, Opening)> = Vec::new();
    for (Line { line, row }, shown) in rows.iter().zip(&shown) {
        let read = shown
            .person(&known)
            .and_then(|person| read(rules, row).map(|(id, opening)| (id, person, opening)));
        let (id, person, opening) = match read {
            Ok(read) => read,
            Err(refusal) => {
                batch.reject(*line, refusal);
                continue;
            }
        };
        let said = (person, opening.clone());
        match recorded.get(&id) {
            Some(before) if *before == said => batch.unchanged = batch.unchanged.saturating_add(1),
            Some(_) => batch.reject(*line, (RejectReason::EntryIdReused, "entry_id")),
            None => {
                recorded.insert(id.clone(), said);
                fresh.push((id, person, opening));
                batch.added = batch.added.saturating_add(1);
            }
        }
    }
    write(work, &fresh).await?;
    Ok(batch)
}

pub(super) fn read(rules: &Rules<'_>, row: &OpeningRow) -> Result<(String, Opening), Refusal> {
    let OpeningRow { entry_id, credential: _, insured_region, scheme, policy_year, name, amount } =
        row;
    let id = parse::text("entry_id", entry_id, 64)?.to_owned();
    let year =
        i16::try_from(*policy_year).ok().filter(|year| *year == 0 || (2000..=2999).contains(year));
    let opening = Opening {
        region: parse::region(rules, "insured_region", insured_region)?,
        scheme: parse::scheme(scheme)?,
        year: year.ok_or((RejectReason::YearUnreadable, "policy_year"))?,
        name: Some(name.clone())
            .filter(|name| parse::is_code(name, true))
            .ok_or((RejectReason::CodeUnreadable, "name"))?,
        amount: Fen::parse_yuan(amount).ok_or((RejectReason::AmountUnreadable, "amount"))?,
    };
    let Opening { region, scheme, year, name, amount: _ } = &opening;
    if !(rules.knows_accumulator)(*region, *scheme, *year, name) {
        return Err((RejectReason::AccumulatorUnknown, "name"));
    }
    Ok((id, opening))
}

async fn load(
    work: &Work<'_>,
    rows: &[Line<OpeningRow>],
) -> Result<BTreeMap<String, (PersonId, Opening)>, StoreError> {
    let ids: Vec<&str> = rows.iter().map(|line| line.row.entry_id.trim()).collect();
    let sql = include_str!("../sql/import/load_opening.sql");
    let mut recorded = BTreeMap::new();
    for row in &work.query(sql, &[&ids]).await? {
        let reader = work.reader(row);
        let person = reader.person("person_id")?;
        let opening = Opening {
            region: reader.region("insured_region")?,
            scheme: reader.scheme("scheme")?,
            year: reader.get("policy_year")?,
            name: reader.get("name")?,
            amount: Fen::new(reader.get("amount_fen")?),
        };
        recorded.insert(reader.get("entry_id")?, (reader.parse("person_id", person)?, opening));
    }
    Ok(recorded)
}

async fn write(work: &Work<'_>, fresh: &[(String, PersonId, Opening)]) -> Result<(), StoreError> {
    if fresh.is_empty() {
        return Ok(());
    }
    work.touched.add(fresh.iter().map(|(_, person, _)| *person));
    let (buckets, persons) = keys(fresh.iter().map(|(_, person, _)| *person));
    let ids: Vec<_> = fresh.iter().map(|(id, _, _)| id.as_str()).collect();
    let regions: Vec<_> = fresh.iter().map(|(_, _, opening)| opening.region.to_string()).collect();
    let schemes: Vec<_> = fresh.iter().map(|(_, _, opening)| opening.scheme.word()).collect();
    let years: Vec<_> = fresh.iter().map(|(_, _, opening)| opening.year).collect();
    let names: Vec<_> = fresh.iter().map(|(_, _, opening)| opening.name.as_str()).collect();
    let amounts: Vec<_> = fresh.iter().map(|(_, _, opening)| opening.amount.get()).collect();
    let sql = include_str!("../sql/import/write_opening.sql");
    let (source, import) = (&work.list.source, &work.list.import_id);
    work.query(
        sql,
        &[&buckets, &persons, &ids, &regions, &schemes, &years, &names, &amounts, source, import],
    )
    .await
    .map(|_| ())
}
