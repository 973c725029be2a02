//! CSV rows as messages. Headers are the contract's field names, in any order; an unknown one is refused by name.
//!
//! The only place that knows the columns, and which of them are personal and never copied into a file of ours.
use csv::ByteRecord;

use crate::domain::ids::IDENTITY_NUMBER_LENGTH;
use crate::door::wire::registry::v1::{
    CatalogueRow, CoverageRow, HospitalRow, IdentityRow, ImportRow, OpeningRow, PersonRow, RowKind,
    import_row::Row,
};

/// What the rows of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Persons with credentials.
    Person,
    /// Coverage by a scheme.
    Coverage,
    /// Aid identities.
    Identity,
    /// Hospitals.
    Hospital,
    /// Catalogue items.
    Catalogue,
    /// Opening and outside consumption.
    Opening,
}

/// A column: its name, and whether it says who somebody is.
type Column = (&'static str, bool);

const PUBLIC: bool = false;
const PERSONAL: bool = true;

impl Kind {
    /// Its word on the command line and in import ids.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Person => "person",
            Kind::Coverage => "coverage",
            Kind::Identity => "identity",
            Kind::Hospital => "hospital",
            Kind::Catalogue => "catalogue",
            Kind::Opening => "opening",
        }
    }

    /// Its name in the contract.
    pub const fn wire(self) -> RowKind {
        match self {
            Kind::Person => RowKind::Person,
            Kind::Coverage => RowKind::Coverage,
            Kind::Identity => RowKind::Identity,
            Kind::Hospital => RowKind::Hospital,
            Kind::Catalogue => RowKind::Catalogue,
            Kind::Opening => RowKind::Opening,
        }
    }

    /// Every column it may have. Those that are left out are empty.
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Kind::Person => &[
                ("identity_number", PERSONAL),
                ("person_number", PERSONAL),
                ("card_token", PERSONAL),
                ("passport", PERSONAL),
                ("mother_identity_number", PERSONAL),
                ("name", PERSONAL),
                ("birth_date", PERSONAL),
            ],
            Kind::Coverage => &[
                ("credential", PERSONAL),
                ("scheme", PUBLIC),
                ("insured_region", PUBLIC),
                ("valid_from", PUBLIC),
                ("valid_to", PUBLIC),
                ("facts", PUBLIC),
            ],
            Kind::Identity => &[
                ("credential", PERSONAL),
                ("code", PUBLIC),
                ("region", PUBLIC),
                ("valid_from", PUBLIC),
                ("valid_to", PUBLIC),
            ],
            Kind::Hospital => &[
                ("hospital_code", PUBLIC),
                ("name", PUBLIC),
                ("region", PUBLIC),
                ("level", PUBLIC),
                ("valid_from", PUBLIC),
                ("valid_to", PUBLIC),
            ],
            Kind::Catalogue => &[
                ("item_code", PUBLIC),
                ("region", PUBLIC),
                ("valid_from", PUBLIC),
                ("valid_to", PUBLIC),
                ("catalogue_class", PUBLIC),
                ("advance_ratio", PUBLIC),
                ("ceiling_price_level_1", PUBLIC),
                ("ceiling_price_level_2", PUBLIC),
                ("ceiling_price_level_3", PUBLIC),
                ("amount_name", PUBLIC),
                ("name", PUBLIC),
            ],
            Kind::Opening => &[
                ("entry_id", PUBLIC),
                ("credential", PERSONAL),
                ("insured_region", PUBLIC),
                ("scheme", PUBLIC),
                ("policy_year", PUBLIC),
                ("name", PUBLIC),
                ("amount", PUBLIC),
            ],
        }
    }
}

/// A row that cannot even be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Stable, UPPER_SNAKE_CASE.
    pub reason: &'static str,
    /// The column; empty where it is the whole row.
    pub field: String,
    /// For people.
    pub message_zh: String,
    /// For people.
    pub message_en: String,
}

/// Which column of the file is which field.
#[derive(Debug, Clone)]
pub struct Header {
    kind: Kind,
    /// For each of the kind's columns, where it stands in the file.
    places: Vec<Option<usize>>,
    width: usize,
}

impl Header {
    /// Takes the file's first row, or names what is wrong with it.
    pub fn read(kind: Kind, headers: &ByteRecord) -> Result<Header, String> {
        let mut places = vec![None; kind.columns().len()];
        let named = |header: &[u8]| {
            let header = String::from_utf8_lossy(header);
            kind.columns().iter().any(|(column, _)| *column == plain(&header))
        };
        // A first row without one name is a row: it may say who somebody is, so that it is not shown.
        if !headers.iter().any(named) {
            let known: Vec<_> = kind.columns().iter().map(|(column, _)| *column).collect();
            return Err(format!(
                "HEADER_MISSING: the first row is no header 缺少表头行; {} takes: {}",
                kind.word(),
                known.join(", ")
            ));
        }
        for (at, header) in headers.iter().enumerate() {
            let header = String::from_utf8_lossy(header);
            let name = plain(&header);
            let column = kind.columns().iter().position(|(column, _)| *column == name);
            let Some(place) = column.and_then(|column| places.get_mut(column)) else {
                let known: Vec<_> = kind.columns().iter().map(|(column, _)| *column).collect();
                return Err(format!(
                    "unknown header {:?} in column {} 未知的列名; {} takes: {}",
                    without_number(name),
                    at.saturating_add(1),
                    kind.word(),
                    known.join(", ")
                ));
            };
            if place.replace(at).is_some() {
                return Err(format!("header {name:?} stands there twice 列名重复"));
            }
        }
        Ok(Header { kind, places, width: headers.len() })
    }

    /// One row as a message.
    pub fn row(&self, line: u64, record: &ByteRecord) -> Result<ImportRow, Unreadable> {
        if record.len() != self.width {
            return Err(Unreadable {
                reason: "COLUMN_COUNT",
                field: String::new(),
                message_zh: format!("本行有 {} 列，表头有 {} 列", record.len(), self.width),
                message_en: format!(
                    "the row has {} columns, the header {}",
                    record.len(),
                    self.width
                ),
            });
        }
        let cells = Cells { header: self, record };
        let row = match self.kind {
            Kind::Person => Row::Person(person(&cells)?),
            Kind::Coverage => Row::Coverage(coverage(&cells)?),
            Kind::Identity => Row::Identity(identity(&cells)?),
            Kind::Hospital => Row::Hospital(hospital(&cells)?),
            Kind::Catalogue => Row::Catalogue(catalogue(&cells)?),
            Kind::Opening => Row::Opening(opening(&cells)?),
        };
        Ok(ImportRow { line, row: Some(row) })
    }

    /// The names of the file's columns that may be copied into a reject file.
    pub fn public_names(&self) -> impl Iterator<Item = &'static str> {
        self.public().map(|(name, _)| name)
    }

    /// The cells under those names; what is not text is shown as far as it is.
    pub fn public_cells(&self, record: &ByteRecord) -> Vec<String> {
        let cell = |at| String::from_utf8_lossy(record.get(at).unwrap_or_default());
        self.public().map(|(_, at)| without_number(cell(at).trim()).to_owned()).collect()
    }

    fn public(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let columns = self.kind.columns().iter().zip(&self.places);
        columns.filter_map(|((name, personal), place)| {
            place.filter(|_| !personal).map(|place| (*name, place))
        })
    }
}

/// What may be shown of a text that should say nothing of anybody: in a row that is a column off an identity number stands there, also
/// a mistyped one.
fn without_number(text: &str) -> &str {
    let fits = |(place, byte): (usize, u8)| {
        byte.is_ascii_digit() || (place == 17 && byte.eq_ignore_ascii_case(&b'x'))
    };
    let is_one = text.len() == IDENTITY_NUMBER_LENGTH && text.bytes().enumerate().all(fits);
    if is_one { "******" } else { text }
}

/// A header's name. Spreadsheets put a byte order mark before the first.
fn plain(header: &str) -> &str {
    header.trim_start_matches('\u{feff}').trim()
}

struct Cells<'a> {
    header: &'a Header,
    record: &'a ByteRecord,
}

impl Cells<'_> {
    fn text(&self, name: &'static str) -> Result<String, Unreadable> {
        let columns = self.header.kind.columns();
        let place = columns.iter().position(|(column, _)| *column == name);
        let place = place.and_then(|column| self.header.places.get(column).copied().flatten());
        let Some(cell) = place.and_then(|place| self.record.get(place)) else {
            return Ok(String::new());
        };
        match std::str::from_utf8(cell) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(_) => Err(Unreadable {
                reason: "NOT_UTF8",
                field: name.to_owned(),
                message_zh: "不是 UTF-8 文字，请将文件另存为 UTF-8 编码的 CSV".to_owned(),
                message_en: "not UTF-8 text; save the file as CSV in UTF-8".to_owned(),
            }),
        }
    }

    fn number(&self, name: &'static str) -> Result<u32, Unreadable> {
        let text = self.text(name)?;
        if text.is_empty() {
            return Ok(0);
        }
        text.parse().map_err(|_| Unreadable {
            reason: "NOT_A_NUMBER",
            field: name.to_owned(),
            // In a row that is a column off it may be anything.
            message_zh: "不是非负整数".to_owned(),
            message_en: "not a whole number of zero or more".to_owned(),
        })
    }
}

fn person(cells: &Cells<'_>) -> Result<PersonRow, Unreadable> {
    Ok(PersonRow {
        identity_number: cells.text("identity_number")?,
        person_number: cells.text("person_number")?,
        card_token: cells.text("card_token")?,
        passport: cells.text("passport")?,
        mother_identity_number: cells.text("mother_identity_number")?,
        name: cells.text("name")?,
        birth_date: cells.text("birth_date")?,
    })
}

fn coverage(cells: &Cells<'_>) -> Result<CoverageRow, Unreadable> {
    Ok(CoverageRow {
        credential: cells.text("credential")?,
        scheme: cells.text("scheme")?,
        insured_region: cells.text("insured_region")?,
        valid_from: cells.text("valid_from")?,
        valid_to: cells.text("valid_to")?,
        facts: cells.text("facts")?,
    })
}

fn identity(cells: &Cells<'_>) -> Result<IdentityRow, Unreadable> {
    Ok(IdentityRow {
        credential: cells.text("credential")?,
        code: cells.text("code")?,
        region: cells.text("region")?,
        valid_from: cells.text("valid_from")?,
        valid_to: cells.text("valid_to")?,
    })
}

fn hospital(cells: &Cells<'_>) -> Result<HospitalRow, Unreadable> {
    Ok(HospitalRow {
        hospital_code: cells.text("hospital_code")?,
        name: cells.text("name")?,
        region: cells.text("region")?,
        level: cells.number("level")?,
        valid_from: cells.text("valid_from")?,
        valid_to: cells.text("valid_to")?,
    })
}

fn catalogue(cells: &Cells<'_>) -> Result<CatalogueRow, Unreadable> {
    Ok(CatalogueRow {
        item_code: cells.text("item_code")?,
        region: cells.text("region")?,
        valid_from: cells.text("valid_from")?,
        valid_to: cells.text("valid_to")?,
        catalogue_class: cells.text("catalogue_class")?,
        advance_ratio: cells.text("advance_ratio")?,
        ceiling_price_level_1: cells.text("ceiling_price_level_1")?,
        ceiling_price_level_2: cells.text("ceiling_price_level_2")?,
        ceiling_price_level_3: cells.text("ceiling_price_level_3")?,
        amount_name: cells.text("amount_name")?,
        name: cells.text("name")?,
    })
}

fn opening(cells: &Cells<'_>) -> Result<OpeningRow, Unreadable> {
    Ok(OpeningRow {
        entry_id: cells.text("entry_id")?,
        credential: cells.text("credential")?,
        insured_region: cells.text("insured_region")?,
        scheme: cells.text("scheme")?,
        policy_year: cells.number("policy_year")?,
        name: cells.text("name")?,
        amount: cells.text("amount")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &[&str]) -> ByteRecord {
        ByteRecord::from(text.to_vec())
    }

    #[test]
    fn columns_stand_in_any_order_and_may_be_left_out() {
        let headers = record(&["\u{feff}level", " region ", "hospital_code"]);
        let header = Header::read(Kind::Hospital, &headers).unwrap();
        let row = header.row(7, &record(&["3", "520200 ", "H1"])).unwrap();
        let hospital = HospitalRow {
            hospital_code: "H1".to_owned(),
            region: "520200".to_owned(),
            level: 3,
            ..HospitalRow::default()
        };
        assert_eq!(row, ImportRow { line: 7, row: Some(Row::Hospital(hospital)) });
    }

    #[test]
    fn every_column_reaches_its_own_field() {
        for kind in [
            Kind::Person,
            Kind::Coverage,
            Kind::Identity,
            Kind::Hospital,
            Kind::Catalogue,
            Kind::Opening,
        ] {
            let names: Vec<_> = kind.columns().iter().map(|(name, _)| *name).collect();
            let header = Header::read(kind, &record(&names)).unwrap();
            // The column's own name as its value, but where it must be a number.
            let number = |name: &str| matches!(name, "level" | "policy_year");
            let cells: Vec<_> =
                names.iter().map(|name| if number(name) { "2" } else { *name }).collect();
            let row = header.row(2, &record(&cells)).unwrap();
            let json = serde_json::to_value(&row).unwrap();
            let fields = json[kind.word()].as_object().unwrap().clone();
            assert_eq!(fields.len(), names.len(), "{kind:?}");
            for name in names {
                let camel =
                    fields.iter().find(|(key, _)| key.to_lowercase() == name.replace('_', ""));
                let value = camel.unwrap().1;
                assert!(value == name || value == 2, "{name}: {value}");
            }
        }
    }

    #[test]
    fn unknown_and_doubled_headers_are_refused_by_name() {
        let check = |headers: &[&str], part: &str| {
            let fault = Header::read(Kind::Identity, &record(headers)).unwrap_err();
            assert!(fault.contains(part), "{fault}");
        };
        check(&["credential", "codes"], "\"codes\" in column 2");
        check(&["credential", "credential"], "twice");
        check(&[], "HEADER_MISSING");
        check(&[""], "缺少表头行");
        let row = ["11010519491231002X", "low_income", "520200", "2024-01-01"];
        check(&row, "HEADER_MISSING");
        check(&["credential", "110105194912310021"], "\"******\" in column 2");
        assert!(!Header::read(Kind::Identity, &record(&row)).unwrap_err().contains(row[0]));
    }

    #[test]
    fn what_cannot_be_sent_names_its_column() {
        let header = Header::read(Kind::Hospital, &record(&["hospital_code", "level"])).unwrap();
        let check = |cells: &[&[u8]], reason: &str, field: &str| {
            let unreadable = header.row(2, &ByteRecord::from(cells.to_vec())).unwrap_err();
            assert_eq!((unreadable.reason, unreadable.field.as_str()), (reason, field));
        };
        check(&[b"H1", b"three"], "NOT_A_NUMBER", "level");
        check(&[b"H1"], "COLUMN_COUNT", "");
        check(&[b"\xb2\xe2\xca\xd4", b"3"], "NOT_UTF8", "hospital_code");
    }

    #[test]
    fn personal_columns_are_never_copied() {
        let headers = record(&["name", "credential", "amount", "entry_id"]);
        let header = Header::read(Kind::Opening, &headers).unwrap();
        let cells = record(&["pool.aid", "11010519491231002X", "1.00", "E1"]);
        assert_eq!(header.public_names().collect::<Vec<_>>(), ["entry_id", "name", "amount"]);
        assert_eq!(header.public_cells(&cells), ["E1", "pool.aid", "1.00"]);
        let a_column_off = record(&["11010519491231002x", "E1", "110105194912310021", "1.00"]);
        assert_eq!(header.public_cells(&a_column_off), ["1.00", "******", "******"]);
        let all: Vec<_> = Kind::Person.columns().iter().map(|(name, _)| *name).collect();
        let header = Header::read(Kind::Person, &record(&all)).unwrap();
        assert_eq!(header.public_names().count(), 0);
    }
}
