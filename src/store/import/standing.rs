//! Coverage and aid identities: spans of a person.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::parse::{self, Credential, Refusal, Shown};
use super::rows::{CoverageRow, IdentityRow, Line, RejectReason};
use super::spans::{Placed, Span, Spans};
use super::work::{Change, Work, keys};
use super::{Batch, RowKind, Rules, Secrets};
use crate::domain::ids::{PersonId, RegionCode};
use crate::domain::standing::Scheme;
use crate::store::error::StoreError;

/// What is said of days that a person is covered.
#[derive(Clone, PartialEq)]
pub(super) struct Covered {
    region: RegionCode,
    facts: String,
}

/// A row with what its person is found by, and what it says, or why it can not be read.
struct Read<'a, T> {
    line: u64,
    shown: Shown<'a>,
    says: Result<T, Refusal>,
}

pub(super) async fn take_coverage(
    work: &Work<'_>,
    (secrets, rules): (&Secrets<'_>, &Rules<'_>),
    rows: &[Line<CoverageRow>],
) -> Result<Batch, StoreError> {
    let read: Vec<_> = rows
        .iter()
        .map(|Line { line, row }| Read {
            line: *line,
            shown: Shown::read(secrets, &row.credential),
            says: read_coverage(rules, row),
        })
        .collect();
    let known = resolve(work, &read).await?;
    let mut spans = load_coverage(work, &known).await?;
    let batch = place(&known, &read, &mut spans, |person, scheme| (person, scheme));
    write_coverage(work, &spans).await?;
    let changes: Vec<_> = spans
        .moved()
        .map(|((person, scheme), held)| Change {
            person: *person,
            before: held.was.as_ref().map(|span| covered_json(*scheme, span)),
            after: covered_json(*scheme, &held.span),
        })
        .collect();
    work.log(RowKind::Coverage, &changes).await?;
    Ok(batch)
}

pub(super) async fn take_identities(
    work: &Work<'_>,
    (secrets, rules): (&Secrets<'_>, &Rules<'_>),
    rows: &[Line<IdentityRow>],
) -> Result<Batch, StoreError> {
    let read: Vec<_> = rows
        .iter()
        .map(|Line { line, row }| Read {
            line: *line,
            shown: Shown::read(secrets, &row.credential),
            says: read_identity(rules, row),
        })
        .collect();
    let known = resolve(work, &read).await?;
    let mut spans = load_identities(work, &known).await?;
    let batch = place(&known, &read, &mut spans, |person, (code, region)| (person, code, region));
    write_identities(work, &spans).await?;
    let changes: Vec<_> = spans
        .moved()
        .map(|((person, code, region), held)| Change {
            person: *person,
            before: held.was.as_ref().map(|span| identity_json(code, *region, span)),
            after: identity_json(code, *region, &held.span),
        })
        .collect();
    work.log(RowKind::Identity, &changes).await?;
    Ok(batch)
}

pub(super) fn read_coverage(
    rules: &Rules<'_>,
    row: &CoverageRow,
) -> Result<(Scheme, Span<Covered>), Refusal> {
    let CoverageRow { credential: _, scheme, insured_region, valid_from, valid_to, facts } = row;
    let scheme = parse::scheme(scheme)?;
    let region = parse::region(rules, "insured_region", insured_region)?;
    let what = Covered { region, facts: parse::facts(facts)? };
    Ok((scheme, parse::span(valid_from, valid_to, what)?))
}

pub(super) fn read_identity(
    rules: &Rules<'_>,
    row: &IdentityRow,
) -> Result<((String, RegionCode), Span<()>), Refusal> {
    let IdentityRow { credential: _, code, region, valid_from, valid_to } = row;
    if !parse::is_code(code, false) {
        return Err((RejectReason::CodeUnreadable, "code"));
    }
    let region = parse::region(rules, "region", region)?;
    if !region.is_of_a_province() {
        return Err((RejectReason::RegionUnknown, "region"));
    }
    if !(rules.knows_identity)(code) {
        return Err((RejectReason::CodeUnknown, "code"));
    }
    Ok(((code.clone(), region), parse::span(valid_from, valid_to, ())?))
}

async fn resolve<T>(
    work: &Work<'_>,
    read: &[Read<'_, T>],
) -> Result<BTreeMap<Credential, PersonId>, StoreError> {
    let all: BTreeSet<_> = read.iter().flat_map(|row| row.shown.candidates()).collect();
    let known = work.resolve(&all).await?;
    work.lock(&known.values().copied().collect()).await?;
    Ok(known)
}

/// Places each row in the order of the file, as if it were alone.
fn place<K, S, A>(
    known: &BTreeMap<Credential, PersonId>,
    read: &[Read<'_, (S, Span<A>)>],
    spans: &mut Spans<K, A>,
    key: impl Fn(PersonId, S) -> K,
) -> Batch
where
    K: Ord + OfPerson,
    S: Clone,
    A: Clone + PartialEq,
{
    let mut batch = Batch::default();
    for Read { line, shown, says } in read {
        let person = match shown.person(known) {
            Ok(person) => person,
            Err(refusal) => {
                batch.reject(*line, refusal);
                continue;
            }
        };
        match says {
            Ok((says, span)) => {
                let placed = spans.place(key(person, says.clone()), span.clone());
                if placed == Placed::Overlaps {
                    spans.protect(|key| key.person() == person);
                }
                batch.count(*line, placed);
            }
            Err(refusal) => {
                spans.protect(|key| key.person() == person);
                batch.reject(*line, *refusal);
            }
        }
    }
    batch
}

/// A key that names a person.
trait OfPerson {
    fn person(&self) -> PersonId;
}

impl OfPerson for (PersonId, Scheme) {
    fn person(&self) -> PersonId {
        self.0
    }
}

impl OfPerson for (PersonId, String, RegionCode) {
    fn person(&self) -> PersonId {
        self.0
    }
}

async fn load_coverage(
    work: &Work<'_>,
    known: &BTreeMap<Credential, PersonId>,
) -> Result<Spans<(PersonId, Scheme), Covered>, StoreError> {
    let (buckets, ids) = keys(known.values().copied());
    let sql = include_str!("../sql/import/load_coverage.sql");
    let mut spans = Spans::new();
    for row in &work.query(sql, &[&buckets, &ids, &work.list.import_id]).await? {
        let reader = work.reader(row);
        let person = reader.person("person_id")?;
        let key = (reader.parse("person_id", person)?, reader.scheme("scheme")?);
        let what =
            Covered { region: reader.region("insured_region")?, facts: reader.get("facts")? };
        let span = Span { from: reader.get("valid_from")?, to: reader.get("valid_to")?, what };
        spans.load(key, span, reader.get("listed")?);
    }
    Ok(spans)
}

async fn load_identities(
    work: &Work<'_>,
    known: &BTreeMap<Credential, PersonId>,
) -> Result<Spans<(PersonId, String, RegionCode), ()>, StoreError> {
    let (buckets, ids) = keys(known.values().copied());
    let sql = include_str!("../sql/import/load_identity.sql");
    let mut spans = Spans::new();
    for row in &work.query(sql, &[&buckets, &ids, &work.list.import_id]).await? {
        let reader = work.reader(row);
        let person = reader.person("person_id")?;
        let key =
            (reader.parse("person_id", person)?, reader.get("code")?, reader.region("region")?);
        let span = Span { from: reader.get("valid_from")?, to: reader.get("valid_to")?, what: () };
        spans.load(key, span, reader.get("listed")?);
    }
    Ok(spans)
}

async fn write_coverage(
    work: &Work<'_>,
    spans: &Spans<(PersonId, Scheme), Covered>,
) -> Result<(), StoreError> {
    let moved: Vec<_> = spans.moved().collect();
    if !moved.is_empty() {
        let (buckets, ids) = keys(moved.iter().map(|((person, _), _)| *person));
        let schemes: Vec<_> = moved.iter().map(|((_, scheme), _)| scheme.word()).collect();
        let froms: Vec<_> = moved.iter().map(|(_, held)| held.span.from).collect();
        let tos: Vec<_> = moved.iter().map(|(_, held)| held.span.to).collect();
        let regions: Vec<_> =
            moved.iter().map(|(_, held)| held.span.what.region.to_string()).collect();
        let facts: Vec<_> = moved.iter().map(|(_, held)| held.span.what.facts.as_str()).collect();
        let sql = include_str!("../sql/import/write_coverage.sql");
        let (source, list) = (&work.list.source, work.full_list());
        work.query(sql, &[&buckets, &ids, &schemes, &froms, &tos, &regions, &facts, source, &list])
            .await?;
    }
    let listed: Vec<_> = spans.newly_listed().filter(|_| work.list.full).collect();
    if !listed.is_empty() {
        let (buckets, ids) = keys(listed.iter().map(|((person, _), _)| *person));
        let schemes: Vec<_> = listed.iter().map(|((_, scheme), _)| scheme.word()).collect();
        let froms: Vec<_> = listed.iter().map(|(_, held)| held.span.from).collect();
        let sql = include_str!("../sql/import/list_coverage.sql");
        work.query(sql, &[&buckets, &ids, &schemes, &froms, &work.list.import_id]).await?;
    }
    Ok(())
}

async fn write_identities(
    work: &Work<'_>,
    spans: &Spans<(PersonId, String, RegionCode), ()>,
) -> Result<(), StoreError> {
    let moved: Vec<_> = spans.moved().collect();
    if !moved.is_empty() {
        let (buckets, ids) = keys(moved.iter().map(|((person, _, _), _)| *person));
        let codes: Vec<_> = moved.iter().map(|((_, code, _), _)| code.as_str()).collect();
        let regions: Vec<_> = moved.iter().map(|((_, _, region), _)| region.to_string()).collect();
        let froms: Vec<_> = moved.iter().map(|(_, held)| held.span.from).collect();
        let tos: Vec<_> = moved.iter().map(|(_, held)| held.span.to).collect();
        let sql = include_str!("../sql/import/write_identity.sql");
        let (source, list) = (&work.list.source, work.full_list());
        work.query(sql, &[&buckets, &ids, &codes, &regions, &froms, &tos, source, &list]).await?;
    }
    let listed: Vec<_> = spans.newly_listed().filter(|_| work.list.full).collect();
    if !listed.is_empty() {
        let (buckets, ids) = keys(listed.iter().map(|((person, _, _), _)| *person));
        let codes: Vec<_> = listed.iter().map(|((_, code, _), _)| code.as_str()).collect();
        let regions: Vec<_> = listed.iter().map(|((_, _, region), _)| region.to_string()).collect();
        let froms: Vec<_> = listed.iter().map(|(_, held)| held.span.from).collect();
        let sql = include_str!("../sql/import/list_identity.sql");
        work.query(sql, &[&buckets, &ids, &codes, &regions, &froms, &work.list.import_id]).await?;
    }
    Ok(())
}

fn covered_json(scheme: Scheme, span: &Span<Covered>) -> Value {
    let Covered { region, facts } = &span.what;
    json!({ "scheme": scheme.word(), "region": region.to_string(), "facts": facts,
        "valid_from": span.from, "valid_to": span.to })
}

fn identity_json(code: &str, region: RegionCode, span: &Span<()>) -> Value {
    json!({ "code": code, "region": region.to_string(), "valid_from": span.from, "valid_to": span.to })
}
