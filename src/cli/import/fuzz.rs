//! A CSV list as messages, for the fuzz targets.

use clap::ValueEnum as _;
use csv::ByteRecord;

use super::lines::Records;
use super::rows::{Header, Kind};
use crate::door::wire::registry::v1::ImportRow;

/// The rows of a list that can be sent, and their kind, which the first byte says; nothing where the list has no header.
pub fn rows(bytes: &[u8]) -> Option<(Kind, Vec<ImportRow>)> {
    let (kind, text) = bytes.split_first()?;
    let kind = *Kind::value_variants().get(usize::from(kind.checked_sub(b'0')?))?;
    let mut csv = Records::new(text);
    let header = Header::read(kind, csv.headers().ok()?).ok()?;
    let (mut record, mut rows, mut last) = (ByteRecord::new(), Vec::new(), 0);
    while let Some(line) = csv.read(&mut record).ok()? {
        assert!(last < line, "lines only grow: {last}, {line}");
        last = line;
        assert_eq!(header.public_names().count(), header.public_cells(&record).len());
        rows.extend(header.row(line, &record));
    }
    Some((kind, rows))
}
