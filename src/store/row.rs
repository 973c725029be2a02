//! Rows to domain types: a column that holds something unknown is an error with its name, never a default.

use jiff::civil::Date;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, FromSqlOwned};

use super::error::{Operation, StoreError};
use crate::domain::bill::{Care, CatalogueClass, Referral};
use crate::domain::ids::{PersonId, RegionCode, SettlementId};
use crate::domain::money::Fen;
use crate::domain::standing::{Scheme, Used};
use crate::domain::verdict::Column;

/// Reads the columns of one row for one operation.
pub(super) struct Reader<'a> {
    pub(super) row: &'a Row,
    pub(super) operation: &'a Operation,
}

impl Reader<'_> {
    /// A column of the type asked for.
    pub(super) fn get<T: FromSqlOwned>(&self, field: &'static str) -> Result<T, StoreError> {
        self.row
            .try_get(field)
            .map_err(|source| StoreError::Statement { operation: self.operation.clone(), source })
    }

    /// An array column; nothing counts as empty.
    pub(super) fn list<T: FromSqlOwned>(&self, field: &'static str) -> Result<Vec<T>, StoreError> {
        self.get::<Option<Vec<T>>>(field).map(Option::unwrap_or_default)
    }

    /// An array column, looked at where it lies; nothing counts as empty.
    pub(super) fn borrowed<'r, T: FromSql<'r>>(
        &'r self,
        field: &'static str,
    ) -> Result<Vec<T>, StoreError> {
        let list: Result<Option<Vec<T>>, _> = self.row.try_get(field);
        let list = list
            .map_err(|source| StoreError::Statement { operation: self.operation.clone(), source });
        list.map(Option::unwrap_or_default)
    }

    /// Makes a domain type of what was read.
    pub(super) fn parse<T>(&self, field: &'static str, parsed: Option<T>) -> Result<T, StoreError> {
        parsed.ok_or(StoreError::Stored { operation: self.operation.clone(), field })
    }

    /// A text column through a constructor.
    pub(super) fn text<T>(
        &self,
        field: &'static str,
        make: impl Fn(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let text: String = self.get(field)?;
        self.parse(field, make(&text))
    }

    /// The same, where it may be nothing.
    pub(super) fn maybe<T>(
        &self,
        field: &'static str,
        make: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let text: Option<String> = self.get(field)?;
        text.map(|text| self.parse(field, make(&text))).transpose()
    }

    /// A SHA-256.
    pub(super) fn hash(&self, field: &'static str) -> Result<[u8; 32], StoreError> {
        let bytes: Vec<u8> = self.get(field)?;
        self.parse(field, bytes.try_into().ok())
    }

    /// A settlement's id, where there is one.
    pub(super) fn settlement(
        &self,
        field: &'static str,
    ) -> Result<Option<SettlementId>, StoreError> {
        self.maybe(field, SettlementId::new)
    }

    /// Texts of an array column through a constructor.
    pub(super) fn texts<T>(
        &self,
        field: &'static str,
        make: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, StoreError> {
        let texts: Vec<String> = self.list(field)?;
        texts.iter().map(|text| self.parse(field, make(text))).collect()
    }

    /// An array of dates that may be missing.
    pub(super) fn ends(&self, field: &'static str) -> Result<Vec<Option<Date>>, StoreError> {
        self.list(field)
    }

    /// The person, where there is one.
    pub(super) fn person(&self, field: &'static str) -> Result<Option<PersonId>, StoreError> {
        let number: Option<i64> = self.get(field)?;
        number.map(|number| self.parse(field, PersonId::new(number))).transpose()
    }

    /// A region.
    pub(super) fn region(&self, field: &'static str) -> Result<RegionCode, StoreError> {
        self.text(field, RegionCode::new)
    }

    /// A scheme.
    pub(super) fn scheme(&self, field: &'static str) -> Result<Scheme, StoreError> {
        self.text(field, Scheme::from_word)
    }
}

/// From the word that [`Care::word`] gives.
pub(super) fn care(word: &str) -> Option<Care> {
    [Care::Inpatient, Care::Outpatient, Care::OutpatientChronic]
        .into_iter()
        .find(|care| care.word() == word)
}

/// From the word that [`Referral::word`] gives.
pub(super) fn referral(word: &str) -> Option<Referral> {
    [Referral::None, Referral::Filed, Referral::Unfiled, Referral::Emergency, Referral::LongTerm]
        .into_iter()
        .find(|referral| referral.word() == word)
}

/// From its letter.
pub(super) fn class(letter: &str) -> Option<CatalogueClass> {
    match letter {
        "A" => Some(CatalogueClass::A),
        "B" => Some(CatalogueClass::B),
        "C" => Some(CatalogueClass::C),
        _ => None,
    }
}

/// Its letter.
pub(super) const fn class_letter(class: CatalogueClass) -> &'static str {
    match class {
        CatalogueClass::A => "A",
        CatalogueClass::B => "B",
        CatalogueClass::C => "C",
    }
}

/// Where a layer's pay is booked.
pub(super) fn books_to(word: &str) -> Option<&'static str> {
    Column::ALL
        .into_iter()
        .map(Column::word)
        .chain(["hospital", "account"])
        .find(|known| *known == word)
}

/// By which door an entry came.
pub(super) fn door(word: &str) -> Option<&'static str> {
    ["grpc", "national"].into_iter().find(|known| *known == word)
}

/// Facts as they are kept: `name=value;name=value`.
pub(super) fn facts(kept: &str) -> Option<Vec<(String, String)>> {
    kept.split(';')
        .filter(|fact| !fact.is_empty())
        .map(|fact| fact.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect()
}

/// What is counted of a span, by its key.
pub(super) fn used(key: &str, amount: Fen) -> Option<Used> {
    let mut words = key.splitn(4, ' ');
    let mut word = || words.next();
    Some(Used {
        region: RegionCode::new(word()?)?,
        scheme: Scheme::from_word(word()?)?,
        year: word()?.parse().ok()?,
        name: word()?.to_owned(),
        amount,
    })
}

/// Puts together the keys under which it is kept: names may hold anything, and stand last. What those of a settlement have in common is
/// written once.
#[derive(Default)]
pub(super) struct UsedKeys {
    of: Option<(RegionCode, Scheme, i16)>,
    begin: String,
}

impl UsedKeys {
    pub(super) fn key(&mut self, of: (RegionCode, Scheme, i16), name: &str) -> String {
        if self.of != Some(of) {
            let (region, scheme, year) = of;
            self.begin = format!("{region} {} {year} ", scheme.word());
            self.of = Some(of);
        }
        [&self.begin, name].concat()
    }
}
