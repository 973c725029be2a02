//! Detail files as anybody may send them, for the fuzz targets.

use std::io::Cursor;

use super::{Batch, rows, survey};

/// A file, packed or plain. What can be taken at all is read the same both times, wherever the second time begins.
pub fn file(bytes: &[u8]) {
    let mut source = Cursor::new(bytes);
    let Ok(surveyed) = survey(&mut source, |_| {}) else { return };
    let mut all = Vec::new();
    let mut read = |skip: u64| -> Batch {
        let mut whole = Batch::default();
        let mut take = |batch: Batch| {
            whole.rows.extend(batch.rows);
            whole.bad.extend(batch.bad);
            true
        };
        let taken = rows(&mut source, skip, &mut take);
        assert!(taken.is_ok(), "what was surveyed can be read: {taken:?}");
        whole
    };
    let whole = read(0);
    let count = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
    assert_eq!(count(whole.len()), surveyed.rows, "every row that was counted is taken");
    assert!(count(whole.bad.len()) <= surveyed.bad, "and what is bad was counted as such");
    all.extend(whole.rows.iter().map(|row| row.line));
    all.extend(whole.bad.iter().map(|bad| bad.line));
    all.sort_unstable();
    assert!(all.is_sorted_by(|one, next| one < next), "no two rows are of one line");
    let half = surveyed.rows / 2;
    let rest = read(half);
    assert_eq!(count(rest.len()), surveyed.rows - half, "the rest is what is left");
    assert!(whole.rows.ends_with(&rest.rows) && whole.bad.ends_with(&rest.bad));
}
