//! Persons with their credentials: any credential given points to the same person from then on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

use super::parse::{
    self, CARD_TOKEN, Credential, IDENTITY_NUMBER, MOTHERS_IDENTITY_NUMBER, PASSPORT,
    PERSON_NUMBER, Refusal,
};
use super::rows::{Line, PersonRow, RejectReason};
use super::work::{Change, Work, keys};
use super::{Batch, RowKind, Rules, Secrets};
use crate::domain::ids::{PersonId, identity_number_is_valid};
use crate::store::credential_bucket;
use crate::store::error::StoreError;

const INSURED: &str = include_str!("../sql/import/insured_of.sql");

/// Kind under which a name is hashed to its mark.
const NAME_MARK: u8 = 0;

/// What a row says.
pub(super) struct Read {
    credentials: Vec<Credential>,
    birth: Option<Date>,
    /// With its mark. A newborn may not have one yet.
    name: Option<(String, [u8; 32])>,
}

/// A person as the batch goes on.
#[derive(Default)]
struct Known {
    fresh: bool,
    birth: Option<Date>,
    birth_before: Option<Date>,
    mark: Option<Vec<u8>>,
    /// Set where it changed.
    name: Option<String>,
    /// Of the kinds of which a person has one only.
    only: BTreeMap<i16, [u8; 32]>,
    /// Is any of the regions where they are insured one that the list may be about? Nothing where they are insured nowhere.
    reached: Option<bool>,
    changed: bool,
}

/// All that the batch knows so far.
struct State {
    owner: BTreeMap<Credential, PersonId>,
    persons: BTreeMap<PersonId, Known>,
    pointed: Vec<(Credential, PersonId)>,
}

pub(super) async fn take(
    work: &Work<'_>,
    (secrets, rules): (&Secrets<'_>, &Rules<'_>),
    rows: &[Line<PersonRow>],
) -> Result<Batch, StoreError> {
    let read: Vec<_> = rows.iter().map(|line| (line.line, read(secrets, &line.row))).collect();
    let all =
        read.iter().filter_map(|(_, says)| says.as_ref().ok()).flat_map(|says| &says.credentials);
    let mut state = load(work, rules, &all.copied().collect()).await?;
    let mut batch = Batch::default();
    for (line, says) in read {
        match says {
            Ok(says) => place(work, &mut state, &mut batch, (line, says))?,
            Err(refusal) => batch.reject(line, refusal),
        }
    }
    write_fresh(work, secrets, &state).await?;
    write_changed(work, secrets, &state).await?;
    write_credentials(work, &state).await?;
    let changes: Vec<_> = state
        .persons
        .iter()
        .filter(|(_, known)| known.changed && !known.fresh)
        .map(|(person, known)| {
            let added: Vec<i16> = state
                .pointed
                .iter()
                .filter(|(_, owner)| owner == person)
                .map(|(credential, _)| credential.kind)
                .collect();
            Change {
                person: *person,
                before: Some(json!({ "birth_date": known.birth_before })),
                after: json!({ "birth_date": known.birth, "name_changed": known.name.is_some(),
                    "credential_kinds_added": added }),
            }
        })
        .collect();
    work.log(RowKind::Person, &changes).await?;
    Ok(batch)
}

pub(super) fn read(secrets: &Secrets<'_>, row: &PersonRow) -> Result<Read, Refusal> {
    let PersonRow {
        identity_number,
        person_number,
        card_token,
        passport,
        mother_identity_number,
        name,
        birth_date,
    } = row;
    for (field, number) in
        [("identity_number", identity_number), ("mother_identity_number", mother_identity_number)]
    {
        let normalized = parse::normalize_credential(number);
        if !normalized.is_empty() && !identity_number_is_valid(&normalized) {
            return Err((RejectReason::IdentityNumberCheckDigit, field));
        }
    }
    let given = [
        (("identity_number", IDENTITY_NUMBER), identity_number),
        (("person_number", PERSON_NUMBER), person_number),
        (("card_token", CARD_TOKEN), card_token),
        (("passport", PASSPORT), passport),
        (("mother_identity_number", MOTHERS_IDENTITY_NUMBER), mother_identity_number),
    ];
    let mut credentials = Vec::new();
    for (kind, number) in given {
        credentials.extend(parse::credential(secrets, kind, number)?);
    }
    if credentials.is_empty() {
        return Err((RejectReason::CredentialMissing, "identity_number"));
    }
    let birth = match birth_date.as_str() {
        "" if identity_number.trim().is_empty() => None,
        "" => Some(
            parse::birth_of(identity_number)
                .ok_or((RejectReason::DateUnreadable, "identity_number"))?,
        ),
        text => Some(parse::day("birth_date", text)?),
    };
    let said = parse::birth_of(identity_number);
    if said.is_some() && birth.is_some() && said != birth {
        return Err((RejectReason::BirthDateContradicts, "birth_date"));
    }
    let unnamed = name.trim().is_empty() && !mother_identity_number.trim().is_empty();
    let name = if unnamed {
        None
    } else {
        let name = parse::text("name", name, 100)?.to_owned();
        let mark = (secrets.credential_hash)(NAME_MARK, &name);
        Some((name, mark))
    };
    Ok(Read { credentials, birth, name })
}

async fn load(
    work: &Work<'_>,
    rules: &Rules<'_>,
    credentials: &BTreeSet<Credential>,
) -> Result<State, StoreError> {
    let owner = work.resolve(credentials).await?;
    let ids: BTreeSet<_> = owner.values().copied().collect();
    let mut persons: BTreeMap<PersonId, Known> = BTreeMap::new();
    for row in &work.lock(&ids).await? {
        let reader = work.reader(row);
        let person = reader.person("person_id")?;
        let birth = reader.get("birth_date")?;
        let known = Known {
            birth,
            birth_before: birth,
            mark: reader.get("name_mark")?,
            ..Known::default()
        };
        persons.insert(reader.parse("person_id", person)?, known);
    }
    let (buckets, numbers) = keys(ids.iter().copied());
    for row in
        &work.query(include_str!("../sql/import/credentials_of.sql"), &[&buckets, &numbers]).await?
    {
        let reader = work.reader(row);
        let person = reader.person("person_id")?;
        let hash = reader.hash("credential_hash")?;
        let kind = reader.get("kind")?;
        if let Some(known) = persons.get_mut(&reader.parse("person_id", person)?) {
            known.only.insert(kind, hash);
        }
    }
    for row in &work.query(INSURED, &[&buckets, &numbers]).await? {
        let reader = work.reader(row);
        let person = reader.person("person_id")?;
        let is_ours = (rules.may_list)(reader.region("insured_region")?);
        if let Some(known) = persons.get_mut(&reader.parse("person_id", person)?) {
            known.reached = Some(is_ours || known.reached == Some(true));
        }
    }
    Ok(State { owner, persons, pointed: Vec::new() })
}

/// Takes one row, as if it were alone.
fn place(
    work: &Work<'_>,
    state: &mut State,
    batch: &mut Batch,
    (line, says): (u64, Read),
) -> Result<(), StoreError> {
    let owners: BTreeSet<_> =
        says.credentials.iter().filter_map(|credential| state.owner.get(credential)).collect();
    let (person, fresh) = match (owners.first(), owners.len()) {
        (Some(person), 1) => (**person, false),
        (Some(_), _) => {
            batch.reject(line, (RejectReason::CredentialsConflict, "identity_number"));
            return Ok(());
        }
        (None, _) => (random_person(work)?, true),
    };
    let known =
        state.persons.entry(person).or_insert_with(|| Known { fresh: true, ..Known::default() });
    // Who is insured elsewhere is changed from there.
    if known.reached == Some(false) {
        batch.reject(line, (RejectReason::RegionNotYours, "identity_number"));
        return Ok(());
    }
    if is_sibling(&state.owner, known, &says) {
        batch.reject(line, (RejectReason::NewbornOfMother, "mother_identity_number"));
        return Ok(());
    }
    let one_only = |kind: i16| [IDENTITY_NUMBER, PERSON_NUMBER].map(i16::from).contains(&kind);
    let differs = says.credentials.iter().any(|credential| {
        one_only(credential.kind)
            && known.only.get(&credential.kind).is_some_and(|held| *held != credential.hash)
    });
    if differs {
        batch.reject(line, (RejectReason::CredentialsConflict, "identity_number"));
        return Ok(());
    }
    let mut changed = false;
    for credential in says.credentials {
        if one_only(credential.kind) {
            known.only.insert(credential.kind, credential.hash);
        }
        if state.owner.insert(credential, person).is_none() {
            state.pointed.push((credential, person));
            changed = true;
        }
    }
    if says.birth.is_some() && known.birth != says.birth {
        known.birth = says.birth;
        changed = true;
    }
    if let Some((name, mark)) = says.name
        && known.mark.as_deref() != Some(mark.as_slice())
    {
        known.mark = Some(mark.to_vec());
        known.name = Some(name);
        changed = true;
    }
    known.changed |= changed;
    let count = match (fresh, changed) {
        (true, _) => &mut batch.added,
        (false, true) => &mut batch.changed,
        (false, false) => &mut batch.unchanged,
    };
    *count = count.saturating_add(1);
    Ok(())
}

/// Does a row find its person by nothing but the mother's number, and say something else of it? Twins share that number: the
/// second would take the first one's place.
fn is_sibling(owner: &BTreeMap<Credential, PersonId>, known: &Known, says: &Read) -> bool {
    let mut found =
        says.credentials.iter().filter(|credential| owner.contains_key(credential)).peekable();
    let by_mother = found.peek().is_some()
        && found.all(|credential| credential.kind == i16::from(MOTHERS_IDENTITY_NUMBER));
    let mark = says.name.as_ref().map(|(_, mark)| mark.as_slice());
    let differs = |held: bool, same: bool| held && !same;
    by_mother
        && (differs(known.mark.is_some() && says.name.is_some(), known.mark.as_deref() == mark)
            || differs(known.birth.is_some() && says.birth.is_some(), known.birth == says.birth))
}

/// A number that says nothing about anybody.
fn random_person(work: &Work<'_>) -> Result<PersonId, StoreError> {
    let mut bytes = [0; 8];
    let random = SystemRandom::new().fill(&mut bytes).ok();
    random
        .and_then(|()| PersonId::new(i64::from_be_bytes(bytes) & i64::MAX))
        .ok_or(StoreError::Unfit { operation: work.operation.clone(), field: "person_id" })
}

/// The columns of persons that are written: births, sealed names where they changed, marks.
struct Columns {
    buckets: Vec<i16>,
    ids: Vec<i64>,
    births: Vec<Option<Date>>,
    sealed: Vec<Option<Vec<u8>>>,
    marks: Vec<Option<Vec<u8>>>,
}

fn columns(
    work: &Work<'_>,
    secrets: &Secrets<'_>,
    persons: &[(&PersonId, &Known)],
) -> Result<Columns, StoreError> {
    let (buckets, ids) = keys(persons.iter().map(|(person, _)| **person));
    let mut sealed = Vec::with_capacity(persons.len());
    for (person, known) in persons {
        let name = known.name.as_deref().map(|name| {
            (secrets.seal_name)(name, **person)
                .ok_or(StoreError::Unfit { operation: work.operation.clone(), field: "name" })
        });
        sealed.push(name.transpose()?);
    }
    let births = persons.iter().map(|(_, known)| known.birth).collect();
    let marks = persons.iter().map(|(_, known)| known.mark.clone()).collect();
    Ok(Columns { buckets, ids, births, sealed, marks })
}

async fn write_fresh(
    work: &Work<'_>,
    secrets: &Secrets<'_>,
    state: &State,
) -> Result<(), StoreError> {
    let fresh: Vec<_> = state.persons.iter().filter(|(_, known)| known.fresh).collect();
    if fresh.is_empty() {
        return Ok(());
    }
    let Columns { buckets, ids, births, sealed, marks } = columns(work, secrets, &fresh)?;
    let sql = include_str!("../sql/import/insert_persons.sql");
    work.query(sql, &[&buckets, &ids, &births, &sealed, &marks]).await.map(|_| ())
}

async fn write_changed(
    work: &Work<'_>,
    secrets: &Secrets<'_>,
    state: &State,
) -> Result<(), StoreError> {
    let changed: Vec<_> =
        state.persons.iter().filter(|(_, known)| known.changed && !known.fresh).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let Columns { buckets, ids, births, sealed, marks } = columns(work, secrets, &changed)?;
    let sql = include_str!("../sql/import/update_persons.sql");
    work.query(sql, &[&buckets, &ids, &births, &sealed, &marks]).await.map(|_| ())
}

async fn write_credentials(work: &Work<'_>, state: &State) -> Result<(), StoreError> {
    if state.pointed.is_empty() {
        return Ok(());
    }
    let buckets: Vec<_> =
        state.pointed.iter().map(|(credential, _)| credential_bucket(&credential.hash)).collect();
    let hashes: Vec<_> =
        state.pointed.iter().map(|(credential, _)| credential.hash.as_slice()).collect();
    let kinds: Vec<_> = state.pointed.iter().map(|(credential, _)| credential.kind).collect();
    let (person_buckets, persons) = keys(state.pointed.iter().map(|(_, person)| *person));
    let sql = include_str!("../sql/import/insert_credentials.sql");
    work.query(sql, &[&buckets, &hashes, &kinds, &person_buckets, &persons]).await.map(|_| ())
}
