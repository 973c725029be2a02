//! A result column by column, as Parquet. The only place that knows the library for it.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::ResultRow;
use super::result::{COLUMN_COUNT, COLUMNS, FIRST_AMOUNT, LAST_AMOUNT, amounts, cells};
use super::table::{Cell, Holds, Table};

/// Rows that lie together: held in memory until there are so many.
const GROUP_ROWS: usize = 50_000;

/// A file on its way out.
pub(super) struct Columnar<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    rows: Vec<ResultRow>,
}

impl<W: Write + Send> Columnar<W> {
    /// Begins a file: texts, and amounts as decimals with two places.
    pub(super) fn begin(sink: W) -> io::Result<Self> {
        let mut schema = "message result {\n".to_owned();
        for (place, name) in COLUMNS.into_iter().enumerate() {
            let of = if is_amount(place) {
                format!("OPTIONAL INT64 {name} (DECIMAL(18,2));\n")
            } else {
                format!("OPTIONAL BYTE_ARRAY {name} (UTF8);\n")
            };
            schema.push_str(&of);
        }
        schema.push('}');
        let begun = || -> Result<Self, ParquetError> {
            let schema = Arc::new(parse_message_type(&schema)?);
            let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
            let writer = SerializedFileWriter::new(sink, schema, Arc::new(properties.build()))?;
            Ok(Self { writer, rows: Vec::new() })
        };
        begun().map_err(io::Error::other)
    }

    /// Writes a row.
    pub(super) fn row(&mut self, row: &ResultRow) -> io::Result<()> {
        self.rows.push(row.clone());
        if GROUP_ROWS <= self.rows.len() { self.flush().map_err(io::Error::other) } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        let texts: Vec<[String; COLUMN_COUNT]> = rows.iter().map(cells).collect();
        let mut group = self.writer.next_row_group()?;
        let mut place = 0_usize;
        while let Some(mut column) = group.next_column()? {
            if is_amount(place) {
                let all = rows.iter().map(|row| amounts(row).into_iter().nth(place).flatten());
                let all: Vec<_> = all.collect();
                let values: Vec<i64> = all.iter().flatten().map(|fen| fen.get()).collect();
                let there: Vec<i16> = all.iter().map(|fen| fen.is_some().into()).collect();
                column.typed::<Int64Type>().write_batch(&values, Some(&there), None)?;
            } else {
                let all = texts.iter().filter_map(|row| row.get(place));
                let there: Vec<i16> = all.clone().map(|cell| (!cell.is_empty()).into()).collect();
                let values = all.filter(|cell| !cell.is_empty());
                let values: Vec<ByteArray> =
                    values.map(|cell| ByteArray::from(cell.as_bytes().to_vec())).collect();
                column.typed::<ByteArrayType>().write_batch(&values, Some(&there), None)?;
            }
            column.close()?;
            place = place.saturating_add(1);
        }
        group.close().map(|_| ())
    }

    /// Ends the file.
    pub(super) fn end(mut self) -> io::Result<W> {
        self.flush().map_err(io::Error::other)?;
        self.writer.into_inner().map_err(io::Error::other)
    }
}

const fn is_amount(place: usize) -> bool {
    FIRST_AMOUNT <= place && place <= LAST_AMOUNT
}

/// A table, all of it: whoever asks holds it already.
pub(super) fn table<W: Write + Send>(sink: W, table: &Table) -> io::Result<W> {
    let mut schema = "message report {\n".to_owned();
    for column in table.stored() {
        let kind = match column.holds {
            Holds::Text | Holds::Check { .. } => ("BYTE_ARRAY", "(UTF8)"),
            Holds::Yuan => ("INT64", "(DECIMAL(18,2))"),
            Holds::Count => ("INT64", ""),
        };
        schema.push_str(&format!("REQUIRED {} {} {};\n", kind.0, column.word, kind.1));
    }
    schema.push('}');
    let write = || -> Result<W, ParquetError> {
        let schema = Arc::new(parse_message_type(&schema)?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        let mut writer = SerializedFileWriter::new(sink, schema, Arc::new(properties.build()))?;
        let mut group = writer.next_row_group()?;
        let mut place = 0_usize;
        while let Some(mut column) = group.next_column()? {
            let cells = table.rows.iter().filter_map(|row| row.get(place));
            let is_text = table.stored().nth(place).is_some_and(|of| of.holds == Holds::Text);
            if is_text {
                let texts = cells.map(|cell| match cell {
                    Cell::Text(text) => ByteArray::from(text.as_bytes().to_vec()),
                    Cell::Yuan(_) | Cell::Count(_) => ByteArray::from(Vec::new()),
                });
                let texts: Vec<ByteArray> = texts.collect();
                column.typed::<ByteArrayType>().write_batch(&texts, None, None)?;
            } else {
                let numbers = cells.map(|cell| match cell {
                    Cell::Yuan(fen) => fen.get(),
                    Cell::Count(count) => i64::try_from(*count).unwrap_or(i64::MAX),
                    Cell::Text(_) => 0,
                });
                let numbers: Vec<i64> = numbers.collect();
                column.typed::<Int64Type>().write_batch(&numbers, None, None)?;
            }
            column.close()?;
            place = place.saturating_add(1);
        }
        group.close()?;
        writer.into_inner()
    };
    write().map_err(io::Error::other)
}
