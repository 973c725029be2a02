//! A result as a sheet of a workbook. The only place that knows the library for workbooks.

use std::io::{self, Seek, Write};

use rust_decimal::Decimal;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook, Worksheet, XlsxError};

use super::ResultRow;
use super::result::{COLUMNS, amounts};

/// Rows that a sheet has room for, its head left out.
const ROWS_MAX: u32 = 1_048_575;

/// A workbook on its way out. It is held in memory to its end: whoever has more rows than a sheet wants another format anyhow.
pub(super) struct Sheet<W: Write + Seek + Send> {
    sink: W,
    sheet: Worksheet,
    rows: u32,
}

impl<W: Write + Seek + Send> Sheet<W> {
    /// Begins a sheet with its head.
    pub(super) fn begin(sink: W) -> io::Result<Self> {
        let mut sheet = Worksheet::new();
        for (column, name) in (0_u16..).zip(COLUMNS) {
            sheet.write_string(0, column, name).map_err(io::Error::other)?;
        }
        Ok(Self { sink, sheet, rows: 0 })
    }

    /// Writes a row: texts as texts, so that no id becomes a number, and amounts as numbers.
    pub(super) fn row(&mut self, row: &ResultRow, cells: &[String; 16]) -> io::Result<()> {
        if self.rows == ROWS_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.rows = self.rows.saturating_add(1);
        self.write(row, cells).map_err(io::Error::other)
    }

    fn write(&mut self, row: &ResultRow, cells: &[String; 16]) -> Result<(), XlsxError> {
        for ((column, cell), amount) in (0_u16..).zip(cells).zip(amounts(row)) {
            match amount {
                Some(fen) => {
                    self.sheet.write(self.rows, column, Decimal::new(fen.get(), 2))?;
                }
                None if cell.is_empty() => {}
                None => {
                    self.sheet.write_string(self.rows, column, cell)?;
                }
            }
        }
        Ok(())
    }

    /// Ends the workbook. It bears no date of today, so that the same results give the same bytes.
    pub(super) fn end(self) -> io::Result<W> {
        let Self { mut sink, sheet, rows: _ } = self;
        let made = || -> Result<(), XlsxError> {
            let mut workbook = Workbook::new();
            let date = ExcelDateTime::from_ymd(2000, 1, 1)?;
            workbook.set_properties(&DocProperties::new().set_creation_datetime(&date));
            workbook.push_worksheet(sheet);
            workbook.save_to_writer(&mut sink)
        };
        made().map_err(io::Error::other)?;
        Ok(sink)
    }
}
