//! Tables of a report: as CSV, as a workbook that adds up by formulas, and as Parquet.

use std::io::{self, Seek, Write};

use super::FileFault;
use super::{columnar, sheet};
use crate::domain::money::Fen;

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The name of its sheet.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows; a column that is computed has no cell.
    pub rows: Vec<Vec<Cell>>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in files that programs read.
    pub word: String,
    /// Its name for people.
    pub title: String,
    /// What it holds.
    pub holds: Holds,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Texts.
    Text,
    /// Amounts; in a workbook they are added up below.
    Yuan,
    /// Numbers of something; added up as well.
    Count,
    /// Only in a workbook: these amounts less those, by a formula. Nothing where the books are right.
    Check {
        /// Added, by their words.
        plus: Vec<&'static str>,
        /// Taken off, by their words.
        minus: Vec<&'static str>,
    },
}

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A text.
    Text(String),
    /// An amount.
    Yuan(Fen),
    /// A number of something.
    Count(u64),
}

impl Table {
    /// As CSV with its columns by their words.
    pub fn csv<W: Write>(&self, sink: W) -> Result<W, FileFault> {
        let mut csv = csv::Writer::from_writer(sink);
        let written = |csv: &mut csv::Writer<W>| -> Result<(), csv::Error> {
            csv.write_record(self.stored().map(|column| column.word.as_str()))?;
            for row in &self.rows {
                csv.write_record(row.iter().map(plain))?;
            }
            Ok(())
        };
        written(&mut csv).map_err(|error| FileFault::Write(io::Error::other(error)))?;
        csv.into_inner().map_err(|error| FileFault::Write(io::Error::other(error.to_string())))
    }

    /// As Parquet with its columns by their words.
    pub fn parquet<W: Write + Send>(&self, sink: W) -> Result<W, FileFault> {
        columnar::table(sink, self).map_err(FileFault::Write)
    }

    /// The columns that have cells.
    pub(super) fn stored(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !matches!(column.holds, Holds::Check { .. }))
    }

    /// The amount of a row in the column of a word.
    pub(super) fn amount(&self, row: &[Cell], word: &str) -> Fen {
        let place = self.stored().position(|column| column.word == word);
        match place.and_then(|place| row.get(place)) {
            Some(Cell::Yuan(fen)) => *fen,
            Some(Cell::Text(_) | Cell::Count(_)) | None => Fen::ZERO,
        }
    }
}

/// Tables as the sheets of a workbook.
pub fn workbook<W: Write + Seek + Send>(sink: W, tables: &[Table]) -> Result<W, FileFault> {
    sheet::workbook(sink, tables).map_err(FileFault::Write)
}

/// As text that no spreadsheet takes for a formula.
fn plain(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
            format!("'{text}")
        }
        Cell::Text(text) => text.clone(),
        Cell::Yuan(fen) => fen.to_string(),
        Cell::Count(count) => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use super::*;

    fn column(word: &str, holds: Holds) -> Column {
        Column { word: word.to_owned(), title: format!("题 {word}"), holds }
    }

    fn table() -> Table {
        let row = |text: &str, count, a, b| {
            let yuan = |fen| Cell::Yuan(Fen::new(fen));
            vec![Cell::Text(text.to_owned()), Cell::Count(count), yuan(a), yuan(b)]
        };
        Table {
            name: "基金 fund".to_owned(),
            columns: vec![
                column("fund", Holds::Text),
                column("entries", Holds::Count),
                column("granted", Holds::Yuan),
                column("closing", Holds::Yuan),
                column("check", Holds::Check { plus: vec!["granted"], minus: vec!["closing"] }),
            ],
            rows: vec![row("medical_aid", 3, 12_345, 12_345), row("=cmd()", 1, -500, 700)],
        }
    }

    #[test]
    fn csv_is_read_back_and_holds_no_formula() {
        let written = table().csv(Vec::new()).unwrap();
        let text = String::from_utf8(written).unwrap();
        assert_eq!(
            text,
            "fund,entries,granted,closing\nmedical_aid,3,123.45,123.45\n'=cmd(),1,-5.00,7.00\n"
        );
    }

    #[test]
    fn a_workbook_adds_up_by_formulas_with_their_results() {
        let written = workbook(Cursor::new(Vec::new()), &[table()]).unwrap().into_inner();
        assert_eq!(written, workbook(Cursor::new(Vec::new()), &[table()]).unwrap().into_inner());
        let mut archive = zip::ZipArchive::new(Cursor::new(written)).unwrap();
        let mut xml = String::new();
        archive.by_name("xl/worksheets/sheet1.xml").unwrap().read_to_string(&mut xml).unwrap();
        for cell in [
            "<f>SUM(B2:B3)</f><v>4</v>",
            "<f>SUM(C2:C3)</f><v>118.45</v>",
            "<f>SUM(D2:D3)</f><v>130.45</v>",
            "<f>C2-D2</f><v>0</v>",
            "<f>C3-D3</f><v>-12</v>",
        ] {
            assert!(xml.contains(cell), "{cell} in {xml}");
        }
    }

    #[test]
    fn parquet_is_read_back() {
        use parquet::file::reader::{FileReader as _, SerializedFileReader};
        let written = bytes::Bytes::from(table().parquet(Vec::new()).unwrap());
        let reader = SerializedFileReader::new(written).unwrap();
        let rows: Vec<String> =
            reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(rows.len(), 2);
        assert!(rows[0].contains("medical_aid") && rows[0].contains("123.45"), "{rows:?}");
        assert!(rows[1].contains("-5.00") || rows[1].contains("-5"), "{rows:?}");
    }
}
