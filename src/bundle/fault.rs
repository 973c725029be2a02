//! What does not verify: in which file, of which record, in which field, and why.

use std::fmt;

/// The first thing that does not verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In which file.
    pub file: String,
    /// Of which record, or which line; may be empty.
    pub record: String,
    /// In which field; may be empty.
    pub field: String,
    /// Why, in English and Chinese.
    pub why: (&'static str, &'static str),
    /// What the system or a library says of it; may be empty.
    pub cause: Box<str>,
}

impl Fault {
    /// Of a file as a whole.
    pub fn of_file(file: &str, why: (&'static str, &'static str)) -> Self {
        let (record, field) = (String::new(), String::new());
        Self { file: file.to_owned(), record, field, why, cause: Box::default() }
    }

    /// Of one of its records, or lines.
    pub fn at(self, record: &str) -> Self {
        Self { record: record.to_owned(), ..self }
    }

    /// In one of its fields.
    pub fn in_field(self, field: &str) -> Self {
        Self { field: field.to_owned(), ..self }
    }

    /// As something else says.
    pub fn because(self, cause: &dyn fmt::Display) -> Self {
        Self { cause: cause.to_string().into(), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, record, field, why: (en, zh), cause } = self;
        write!(f, "{file}")?;
        for part in [record, field] {
            if !part.is_empty() {
                write!(f, ", {part}")?;
            }
        }
        write!(f, ": {en} {zh}")?;
        if cause.is_empty() { Ok(()) } else { write!(f, " ({cause})") }
    }
}

impl std::error::Error for Fault {}
