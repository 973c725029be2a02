//! The edge to statement files: what an insurer or a hospital sends, read row by row, and the results that go back; and to the tables
//! and pictures of reports.
//!
//! A file is gone through once before any row of it is taken: what is damaged, of another encoding or lacks a column is refused as a
//! whole. A row that can not be read is named by its line, and the rows beside it count. Nothing here holds a whole file in memory.

mod archive;
mod cells;
mod columnar;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod picture;
mod read;
mod result;
mod sheet;
pub mod table;

#[cfg(test)]
mod tests;

use crate::domain::ids::{PersonNumber, SettlementId, StayId};
use crate::domain::reconcile::Amounts;

pub use self::read::{Batch, Survey, rows, survey};
pub use self::result::{COLUMNS, Format, LastEvent, ResultRow, Results};

/// A row of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementRow {
    /// The line of the file.
    pub line: u64,
    /// `setl_id`
    pub settlement: SettlementId,
    /// `mdtrt_id`
    pub stay: Option<StayId>,
    /// `psn_no`
    pub person_number: Option<PersonNumber>,
    /// [medfee_sumamt, fund_pay_sumamt, acct_pay]
    pub amounts: Amounts,
    /// `refd_setl_flag`
    pub refund: bool,
}

/// A row that can not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The line of the file.
    pub line: u64,
    /// Why.
    pub fault: RowFault,
    /// `setl_id`, where that alone can be read.
    pub settlement: Option<SettlementId>,
}

/// Why a row can not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFault {
    /// It is not UTF-8.
    Encoding,
    /// It is longer than a row is.
    TooLong,
    /// It has too few cells.
    Cells,
    /// This column can not be what it says.
    Column(&'static str),
}

/// Why a file can not be taken at all.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// The file can not be read where it lies.
    #[error("read the statement file")]
    Read(#[source] std::io::Error),
    /// The archive, or what is in it, is truncated or damaged.
    #[error("read the statement file, which is truncated or damaged")]
    Damaged(#[source] std::io::Error),
    /// The archive does not hold exactly one file.
    #[error("the archive holds {0} files, and not one")]
    NotOneFile(usize),
    /// It is packed in a way that nobody agreed on, or under a password.
    #[error("the archive is packed in a way that is not taken")]
    Packing,
    /// Its text is not UTF-8.
    #[error("the file is not UTF-8 text")]
    Encoding,
    /// A column is missing.
    #[error("column {0} is missing")]
    ColumnMissing(&'static str),
    /// It has no rows, or not even a head.
    #[error("the file is empty")]
    Empty,
    /// It is larger than any that is taken.
    #[error("the file unpacks to more than is taken")]
    TooLarge,
    /// It has more rows than are taken.
    #[error("the file has more rows than are taken")]
    TooManyRows,
    /// What was sent is not what was surveyed.
    #[error("the file changed while it was read")]
    Changed,
    /// A result can not be written.
    #[error("write the result file")]
    Write(#[source] std::io::Error),
}

impl FileFault {
    /// Every code.
    #[cfg(test)]
    pub(crate) const CODES: [&'static str; 11] = [
        "FILE_UNREADABLE",
        "FILE_DAMAGED",
        "FILE_NOT_ALONE",
        "FILE_PACKING",
        "FILE_ENCODING",
        "FILE_COLUMN_MISSING",
        "FILE_EMPTY",
        "FILE_TOO_LARGE",
        "FILE_TOO_MANY_ROWS",
        "FILE_CHANGED",
        "RESULT_UNWRITABLE",
    ];

    /// Its stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Read(_) => "FILE_UNREADABLE",
            Self::Damaged(_) => "FILE_DAMAGED",
            Self::NotOneFile(_) => "FILE_NOT_ALONE",
            Self::Packing => "FILE_PACKING",
            Self::Encoding => "FILE_ENCODING",
            Self::ColumnMissing(_) => "FILE_COLUMN_MISSING",
            Self::Empty => "FILE_EMPTY",
            Self::TooLarge => "FILE_TOO_LARGE",
            Self::TooManyRows => "FILE_TOO_MANY_ROWS",
            Self::Changed => "FILE_CHANGED",
            Self::Write(_) => "RESULT_UNWRITABLE",
        }
    }
}

impl RowFault {
    /// Its stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Encoding => "ENCODING",
            Self::TooLong => "TOO_LONG",
            Self::Cells => "CELLS",
            Self::Column(_) => "COLUMN",
        }
    }

    /// The column, where it is one.
    pub const fn column(self) -> &'static str {
        match self {
            Self::Column(column) => column,
            Self::Encoding | Self::TooLong | Self::Cells => "",
        }
    }
}
