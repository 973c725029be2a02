//! Reads a statement by lines: once to see whether it can be taken, and once more to take its rows in batches.

use std::io::{BufRead, Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};

use super::archive::{unread, with_text};
use super::cells::Layout;
use super::{BadRow, FileFault, RowFault, StatementRow};
use crate::domain::reconcile::Sum;
use crate::limits;

/// What a file comes to, before any row of it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survey {
    /// SHA-256 over the file as it was sent: the same file again is known by it.
    pub sha256: [u8; 32],
    /// Its rows, bad ones included.
    pub rows: u64,
    /// Rows that can not be read.
    pub bad: u64,
    /// What the good rows come to.
    pub sum: Sum,
}

/// Rows that lie together in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Those that can be read.
    pub rows: Vec<StatementRow>,
    /// Those that can not.
    pub bad: Vec<BadRow>,
}

impl Batch {
    /// All of them.
    pub fn len(&self) -> usize {
        self.rows.len().saturating_add(self.bad.len())
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.bad.is_empty()
    }
}

/// Goes through all of a file, and refuses it where it can not be taken. Tells every so many rows how far it is.
pub fn survey(
    source: &mut (impl Read + Seek),
    mut tell: impl FnMut(u64),
) -> Result<Survey, FileFault> {
    let sha256 = hash(source)?;
    let mut survey = Survey { sha256, rows: 0, bad: 0, sum: Sum::default() };
    each_row(source, |row| {
        survey.rows = survey.rows.saturating_add(1);
        if limits::STATEMENT_ROWS_MAX < survey.rows {
            return Err(FileFault::TooManyRows);
        }
        if survey.rows.is_multiple_of(limits::SURVEY_TOLD_ROWS) {
            tell(survey.rows);
        }
        // A sum that does not fit is no sum of theirs either: such a row is bad.
        let fits = row.map(|row| survey.sum.add(&row.amounts).is_some());
        if fits != Ok(true) {
            survey.bad = survey.bad.saturating_add(1);
        }
        Ok(true)
    })?;
    if survey.rows == 0 {
        return Err(FileFault::Empty);
    }
    Ok(survey)
}

/// Takes the rows after the first `skip`, in batches, for as long as `take` says so.
pub fn rows(
    source: &mut (impl Read + Seek),
    skip: u64,
    mut take: impl FnMut(Batch) -> bool,
) -> Result<(), FileFault> {
    let mut batch = Batch::default();
    let mut passed = 0_u64;
    let mut wanted = true;
    each_row(source, |row| {
        passed = passed.saturating_add(1);
        if passed <= skip {
            return Ok(true);
        }
        match row {
            Ok(row) => batch.rows.push(row),
            Err(bad) => batch.bad.push(bad),
        }
        if limits::STATEMENT_BATCH_ROWS <= batch.len() {
            wanted = take(std::mem::take(&mut batch));
        }
        Ok(wanted)
    })?;
    if wanted && !batch.is_empty() {
        take(batch);
    }
    Ok(())
}

fn hash(source: &mut (impl Read + Seek)) -> Result<[u8; 32], FileFault> {
    source.seek(SeekFrom::Start(0)).map_err(FileFault::Read)?;
    let mut hash = Sha256::new();
    let mut bytes = vec![0; limits::STATEMENT_BUFFER_BYTES];
    loop {
        let read = source.read(&mut bytes).map_err(FileFault::Read)?;
        match bytes.get(..read) {
            None | Some([]) => return Ok(hash.finalize().into()),
            Some(read) => hash.update(read),
        }
    }
}

/// Looks at each row for as long as `look` says so.
fn each_row(
    source: &mut (impl Read + Seek),
    mut look: impl FnMut(Result<StatementRow, BadRow>) -> Result<bool, FileFault>,
) -> Result<(), FileFault> {
    with_text(source, |text| {
        let mut line = Vec::with_capacity(limits::STATEMENT_LINE_BYTES_MAX);
        let mut number = 1_u64;
        let first = next_line(text, &mut line)?.ok_or(FileFault::Empty)?;
        if !first {
            return Err(FileFault::Encoding);
        }
        let layout = Layout::of(&line)?;
        let mut whole = true;
        let mut is_row = !layout.headed;
        loop {
            // Of a line that is too long nothing may be held.
            if is_row && (!line.is_empty() || !whole) {
                let row = if whole { layout.row(number, &line) } else { Err(RowFault::TooLong) };
                let bad = |fault| {
                    let settlement = if whole { layout.settlement(&line) } else { None };
                    BadRow { line: number, fault, settlement }
                };
                if !look(row.map_err(bad))? {
                    return Ok(());
                }
            }
            is_row = true;
            match next_line(text, &mut line)? {
                Some(fits) => whole = fits,
                None => return Ok(()),
            }
            number = number.saturating_add(1);
        }
    })
}

/// Reads a line without its end into `line`; nothing at the end of the text, and whether it fits. Of one that is too long no more
/// is kept than fits.
fn next_line(text: &mut dyn BufRead, line: &mut Vec<u8>) -> Result<Option<bool>, FileFault> {
    line.clear();
    let mut fits = true;
    let mut any = false;
    loop {
        let bytes = text.fill_buf().map_err(unread)?;
        if bytes.is_empty() {
            break;
        }
        any = true;
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        if line.len().saturating_add(part.len()) <= limits::STATEMENT_LINE_BYTES_MAX {
            line.extend_from_slice(part);
        } else {
            fits = false;
        }
        let used = part.len().saturating_add(usize::from(end.is_some()));
        text.consume(used);
        if end.is_some() {
            break;
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(any.then_some(fits))
}
