//! Fields of rows to values, each with the reason it is refused for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::rows::RejectReason;
use super::spans::Span;
use super::{Rules, Secrets};
use crate::domain::ids::{PersonId, RegionCode, identity_number_is_valid};
use crate::domain::standing::Scheme;

/// Why, and which column.
pub(super) type Refusal = (RejectReason, &'static str);

pub(super) const IDENTITY_NUMBER: u8 = 1;
pub(super) const PERSON_NUMBER: u8 = 2;
pub(super) const CARD_TOKEN: u8 = 3;
pub(super) const PASSPORT: u8 = 4;
/// A newborn is known by it until it has a credential of its own.
pub(super) const MOTHERS_IDENTITY_NUMBER: u8 = 5;

/// Kinds by the column of a person's row; before a number they say which kind it is.
const KINDS: [(&str, u8); 5] = [
    ("identity_number:", IDENTITY_NUMBER),
    ("person_number:", PERSON_NUMBER),
    ("card_token:", CARD_TOKEN),
    ("passport:", PASSPORT),
    ("mother_identity_number:", MOTHERS_IDENTITY_NUMBER),
];

const CREDENTIAL_LENGTH_MAX: usize = 100;

/// A credential as the database knows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Credential {
    pub(super) kind: i16,
    pub(super) hash: [u8; 32],
}

/// Text that is there and not too long.
pub(super) fn text<'a>(
    field: &'static str,
    text: &'a str,
    longest: usize,
) -> Result<&'a str, Refusal> {
    let text = text.trim();
    let fits =
        !text.is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control);
    if fits { Ok(text) } else { Err((RejectReason::TextUnfit, field)) }
}

/// A date.
pub(super) fn day(field: &'static str, text: &str) -> Result<Date, Refusal> {
    let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    text.parse().ok().filter(|_| plain).ok_or((RejectReason::DateUnreadable, field))
}

/// First and last day, with what is said of the days between.
pub(super) fn span<A>(valid_from: &str, valid_to: &str, what: A) -> Result<Span<A>, Refusal> {
    let from = day("valid_from", valid_from)?;
    let to = if valid_to.is_empty() { None } else { Some(day("valid_to", valid_to)?) };
    if to.is_some_and(|to| to < from) {
        return Err((RejectReason::EndsBeforeStart, "valid_to"));
    }
    Ok(Span { from, to, what })
}

/// A region.
pub(super) fn region(
    rules: &Rules<'_>,
    field: &'static str,
    text: &str,
) -> Result<RegionCode, Refusal> {
    let region = RegionCode::new(text).ok_or((RejectReason::RegionUnreadable, field))?;
    if (rules.may_list)(region) { Ok(region) } else { Err((RejectReason::RegionNotYours, field)) }
}

/// A scheme.
pub(super) fn scheme(text: &str) -> Result<Scheme, Refusal> {
    Scheme::from_word(text).ok_or((RejectReason::SchemeUnknown, "scheme"))
}

/// A name of rules: small letters, digits, underscores; dots where `dots`.
pub(super) fn is_code(text: &str, dots: bool) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && text.len() <= 40
        && bytes.all(|byte| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || byte == b'_'
                || (dots && byte == b'.')
        })
}

/// Facts, sorted, so that another order is no change.
pub(super) fn facts(text: &str) -> Result<String, Refusal> {
    let refusal = (RejectReason::FactsUnreadable, "facts");
    let mut facts = Vec::new();
    for fact in text.split(';').map(str::trim).filter(|fact| !fact.is_empty()) {
        let (name, value) = fact.split_once('=').ok_or(refusal)?;
        let (name, value) = (name.trim(), value.trim());
        if !is_code(name, false) || value.is_empty() || 100 < value.len() || value.contains('=') {
            return Err(refusal);
        }
        facts.push(format!("{name}={value}"));
    }
    facts.sort_unstable();
    if facts.len() <= 50 { Ok(facts.join(";")) } else { Err(refusal) }
}

/// What a credential is hashed as: without blanks around it, letters large.
pub fn normalize_credential(text: &str) -> String {
    text.trim().to_ascii_uppercase()
}

/// The hash of a credential of a known kind; nothing where none is given.
pub(super) fn credential(
    secrets: &Secrets<'_>,
    (field, kind): (&'static str, u8),
    number: &str,
) -> Result<Option<Credential>, Refusal> {
    let normalized = normalize_credential(number);
    if normalized.is_empty() {
        return Ok(None);
    }
    if CREDENTIAL_LENGTH_MAX < normalized.len() {
        return Err((RejectReason::TextUnfit, field));
    }
    Ok(Some(Credential { kind: kind.into(), hash: (secrets.credential_hash)(kind, &normalized) }))
}

/// A row's only credential, of whatever kind: what it may be.
pub(super) struct Shown<'a> {
    number: &'a str,
    candidates: Vec<Credential>,
    /// Does the row say that it is the mother's?
    newborn: bool,
}

impl<'a> Shown<'a> {
    pub(super) fn read(secrets: &Secrets<'_>, text: &'a str) -> Self {
        let text = text.trim();
        let said = KINDS.iter().find_map(|(name, kind)| Some((text.strip_prefix(name)?, *kind)));
        let (number, kinds) = match said {
            Some((number, kind)) => (number, vec![kind]),
            None if identity_number_is_valid(&normalize_credential(text)) => {
                (text, KINDS.iter().map(|(_, kind)| *kind).collect())
            }
            None => (text, vec![PERSON_NUMBER, CARD_TOKEN, PASSPORT]),
        };
        let candidates = kinds
            .iter()
            .filter_map(|kind| credential(secrets, ("credential", *kind), number).ok().flatten())
            .collect();
        Self { number, candidates, newborn: said.is_some() }
    }

    pub(super) fn candidates(&self) -> impl Iterator<Item = Credential> {
        self.candidates.iter().copied()
    }

    /// Whose it is. A bare number is its holder's own: the mother's row must not go to her newborn.
    pub(super) fn person(
        &self,
        known: &BTreeMap<Credential, PersonId>,
    ) -> Result<PersonId, Refusal> {
        let of = |newborn: bool| -> BTreeSet<PersonId> {
            let mothers = i16::from(MOTHERS_IDENTITY_NUMBER);
            let kind = self.candidates().filter(|one| newborn || one.kind != mothers);
            kind.filter_map(|candidate| known.get(&candidate)).copied().collect()
        };
        let found = of(self.newborn);
        match (found.first(), found.len()) {
            (Some(person), 1) => Ok(*person),
            (Some(_), _) => Err((RejectReason::CredentialsConflict, "credential")),
            (None, _) if !of(true).is_empty() => Err((RejectReason::NewbornNotNamed, "credential")),
            (None, _) => Err(unknown(self.number)),
        }
    }
}

/// Why nobody was found: what looks like an identity number with a wrong check digit is called that.
fn unknown(number: &str) -> Refusal {
    let normalized = normalize_credential(number);
    if normalized.is_empty() {
        return (RejectReason::CredentialMissing, "credential");
    }
    if looks_like_identity_number(&normalized) && !identity_number_is_valid(&normalized) {
        return (RejectReason::IdentityNumberCheckDigit, "credential");
    }
    (RejectReason::PersonUnknown, "credential")
}

fn looks_like_identity_number(text: &str) -> bool {
    let (digits, check) = text.split_at_checked(17).unwrap_or((text, ""));
    digits.bytes().all(|byte| byte.is_ascii_digit()) && check.len() == 1
}

/// The day of birth in an identity number.
pub(super) fn birth_of(identity_number: &str) -> Option<Date> {
    let digits = identity_number.trim().get(6..14)?;
    let (year, month, day) = (digits.get(..4)?, digits.get(4..6)?, digits.get(6..)?);
    format!("{year}-{month}-{day}").parse().ok()
}
