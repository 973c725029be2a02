//! A result as a sheet of a workbook. The only place that knows the library for workbooks.

use std::io::{self, Seek, Write};

use rust_decimal::Decimal;
use rust_xlsxwriter::utility::column_number_to_name;
use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, Formula, Workbook, Worksheet, XlsxError,
};

use super::ResultRow;
use super::result::{COLUMN_COUNT, COLUMNS, amounts};
use super::table::{Cell, Holds, Table};

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
    pub(super) fn row(
        &mut self,
        row: &ResultRow,
        cells: &[String; COLUMN_COUNT],
    ) -> io::Result<()> {
        if self.rows == ROWS_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.rows = self.rows.saturating_add(1);
        self.write(row, cells).map_err(io::Error::other)
    }

    fn write(&mut self, row: &ResultRow, cells: &[String; COLUMN_COUNT]) -> Result<(), XlsxError> {
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

/// Tables as sheets: amounts as numbers, added up below by formulas that hold their result, for whoever reads without computing.
pub(super) fn workbook<W: Write + Seek + Send>(mut sink: W, tables: &[Table]) -> io::Result<W> {
    let mut made = || -> Result<(), XlsxError> {
        let mut workbook = Workbook::new();
        let date = ExcelDateTime::from_ymd(2000, 1, 1)?;
        workbook.set_properties(&DocProperties::new().set_creation_datetime(&date));
        for table in tables {
            write_table(workbook.add_worksheet(), table)?;
        }
        workbook.save_to_writer(&mut sink)
    };
    made().map_err(io::Error::other)?;
    Ok(sink)
}

fn write_table(sheet: &mut Worksheet, table: &Table) -> Result<(), XlsxError> {
    let (bold, yuan) = (Format::new().set_bold(), Format::new().set_num_format("#,##0.00"));
    sheet.set_name(&table.name)?;
    sheet.set_freeze_panes(1, 0)?;
    for (place, column) in (0_u16..).zip(&table.columns) {
        sheet.write_with_format(0, place, column.title.as_str(), &bold)?;
        sheet.set_column_width(place, 18)?;
    }
    for (place, row) in (1_u32..).zip(&table.rows) {
        let mut cells = row.iter();
        for (column, of) in (0_u16..).zip(&table.columns) {
            if let Holds::Check { plus, minus } = &of.holds {
                let check = check(table, row, place, (plus, minus));
                sheet.write_formula_with_format(place, column, check, &yuan)?;
                continue;
            }
            match cells.next() {
                Some(Cell::Text(text)) => {
                    sheet.write_string(place, column, text)?;
                }
                Some(Cell::Yuan(fen)) => {
                    let amount = Decimal::new(fen.get(), 2);
                    sheet.write_with_format(place, column, amount, &yuan)?;
                }
                Some(Cell::Count(count)) => {
                    sheet.write(place, column, Decimal::from(*count))?;
                }
                None => {}
            }
        }
    }
    write_totals(sheet, table, &yuan)
}

/// These less those of a row, each by where it stands.
fn check(
    table: &Table,
    row: &[Cell],
    place: u32,
    (plus, minus): (&[&'static str], &[&'static str]),
) -> Formula {
    let (mut formula, mut result) = (String::new(), Decimal::ZERO);
    let words =
        plus.iter().map(|word| (true, *word)).chain(minus.iter().map(|word| (false, *word)));
    for (adds, word) in words {
        let column = (0_u16..).zip(&table.columns).find(|(_, column)| column.word == word);
        let Some((column, _)) = column else { continue };
        let amount = Decimal::new(table.amount(row, word).get(), 2);
        let sign = if adds { "+" } else { "-" };
        let sign = if adds && formula.is_empty() { "" } else { sign };
        let cell = column_number_to_name(column);
        formula.push_str(&format!("{sign}{cell}{}", place.saturating_add(1)));
        let added = if adds { result.checked_add(amount) } else { result.checked_sub(amount) };
        result = added.unwrap_or(result);
    }
    Formula::new(formula).set_result(result.normalize().to_string())
}

fn write_totals(sheet: &mut Worksheet, table: &Table, yuan: &Format) -> Result<(), XlsxError> {
    let Ok(rows) = u32::try_from(table.rows.len()) else { return Ok(()) };
    if rows == 0 {
        return Ok(());
    }
    let (below, last) = (rows.saturating_add(1), rows.saturating_add(1));
    let mut stored = 0_usize;
    for (column, of) in (0_u16..).zip(&table.columns) {
        let sum = match &of.holds {
            Holds::Check { .. } => continue,
            Holds::Text => {
                if column == 0 {
                    sheet.write_string(below, 0, "合计 Total")?;
                }
                None
            }
            Holds::Yuan | Holds::Count => Some(sum(table, stored)),
        };
        stored = stored.saturating_add(1);
        if let Some(sum) = sum {
            let name = column_number_to_name(column);
            let formula = Formula::new(format!("SUM({name}2:{name}{last})"));
            let formula = formula.set_result(sum.normalize().to_string());
            if of.holds == Holds::Yuan {
                sheet.write_formula_with_format(below, column, formula, yuan)?;
            } else {
                sheet.write_formula(below, column, formula)?;
            }
        }
    }
    Ok(())
}

fn sum(table: &Table, place: usize) -> Decimal {
    let cells = table.rows.iter().filter_map(|row| row.get(place));
    let amounts = cells.map(|cell| match cell {
        Cell::Yuan(fen) => Decimal::new(fen.get(), 2),
        Cell::Count(count) => Decimal::from(*count),
        Cell::Text(_) => Decimal::ZERO,
    });
    amounts.fold(Decimal::ZERO, |sum, of| sum.checked_add(of).unwrap_or(sum))
}
