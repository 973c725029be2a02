//! A bank's files as anybody may send them, for the fuzz targets.

use std::collections::BTreeSet;

use super::files;
use crate::domain::money::Fen;
use crate::limits;

/// A bank's confirmation file. What is taken is of one file and one bank, no line comes twice, and nothing is paid back by it.
pub fn bank_file(bytes: &[u8]) {
    let Ok((_, _, told)) = files::read(bytes) else { return };
    assert!(!told.is_empty() && bytes.len() <= limits::BANK_FILE_BYTES_MAX);
    let lines: BTreeSet<i32> = told.iter().map(|one| one.line).collect();
    assert_eq!(lines.len(), told.len(), "no line comes twice");
    for one in &told {
        assert!(0 < one.line && Fen::ZERO <= one.paid, "{one:?}");
        assert!((1..=60).contains(&one.bank_reference.len()), "{one:?}");
    }
}
