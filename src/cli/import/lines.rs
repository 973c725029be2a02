//! CSV records with the line of the file on which each begins, whatever ends the lines: what a reject names must be what an
//! editor shows.
use std::io::Read;

use csv::ByteRecord;

/// A CSV file, read record by record.
#[derive(Debug)]
pub(super) struct Records<R> {
    csv: csv::Reader<OneEnding<R>>,
}

impl<R: Read> Records<R> {
    /// Records of any width, so that one bad row is a reject and not the end of the list.
    pub(super) fn new(from: R) -> Records<R> {
        let from = OneEnding { inner: from, after_return: false, last: b'\n', is_done: false };
        Records { csv: csv::ReaderBuilder::new().flexible(true).from_reader(from) }
    }

    pub(super) fn headers(&mut self) -> csv::Result<&ByteRecord> {
        self.csv.byte_headers()
    }

    /// Reads the next record; gives its line, or nothing at the end.
    pub(super) fn read(&mut self, record: &mut ByteRecord) -> csv::Result<Option<u64>> {
        if !self.csv.read_byte_record(record)? {
            return Ok(None);
        }
        // Counted back from the end: where a record begins for the parser there may be blank lines still.
        let within = record.as_slice().iter().filter(|byte| **byte == b'\n').count();
        // The file's own end ends a record only where a quote was never closed: no line feed stands behind that one.
        let closed = u64::from(!self.csv.get_ref().is_done);
        let lines = u64::try_from(within).unwrap_or(u64::MAX).saturating_add(closed);
        Ok(Some(self.csv.position().line().saturating_sub(lines)))
    }

    pub(super) fn into_inner(self) -> R {
        self.csv.into_inner().inner
    }
}

/// Gives every line, the last one too, one and the same ending. The parser counts line feeds, and takes its record as ended
/// before the one that Excel writes after a return.
#[derive(Debug)]
struct OneEnding<R> {
    inner: R,
    after_return: bool,
    last: u8,
    /// Was it asked for more than there is?
    is_done: bool,
}

impl<R: Read> Read for OneEnding<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let count = self.inner.read(buffer)?;
            if count == 0 {
                let ended = std::mem::replace(&mut self.last, b'\n') == b'\n';
                return Ok(match buffer.first_mut().filter(|_| !ended) {
                    Some(byte) => {
                        *byte = b'\n';
                        1
                    }
                    None => {
                        self.is_done = true;
                        0
                    }
                });
            }
            let mut kept = 0;
            for at in 0..count {
                let Some(byte) = buffer.get(at).copied() else { break };
                let second = byte == b'\n' && self.after_return;
                self.after_return = byte == b'\r';
                if second {
                    continue;
                }
                let byte = if byte == b'\r' { b'\n' } else { byte };
                if let Some(to) = buffer.get_mut(kept) {
                    *to = byte;
                }
                self.last = byte;
                kept = kept.saturating_add(1);
            }
            // A lone half of an ending is not the end of the file.
            if kept != 0 {
                return Ok(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One byte at a time, so that every ending is cut in the middle somewhere.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = buffer.len().min(1);
            self.0.read(&mut buffer[..count])
        }
    }

    fn check(text: &str, expected: &[(u64, &str)]) {
        let mut records = Records::new(Drops(text.as_bytes()));
        records.headers().unwrap();
        let (mut record, mut had) = (ByteRecord::new(), Vec::new());
        while let Some(line) = records.read(&mut record).unwrap() {
            had.push((line, String::from_utf8(record[0].to_vec()).unwrap()));
        }
        let had: Vec<_> = had.iter().map(|(line, first)| (*line, first.as_str())).collect();
        assert_eq!(had, expected, "{text:?}");
    }

    #[test]
    fn a_record_is_on_the_line_that_an_editor_shows() {
        for end in ["\n", "\r\n", "\r"] {
            let with = |text: &str| text.replace('\n', end);
            check(&with("a,b\n1,x\n2,x\n"), &[(2, "1"), (3, "2")]);
            check(&with("a,b\n1,x\n2,x"), &[(2, "1"), (3, "2")]);
            check(&with("a,b\n1,x\n\n\n2,x\n\n"), &[(2, "1"), (5, "2")]);
            check(&with("a,b\n\"1\n2\",x\n3,x\n"), &[(2, "1\n2"), (4, "3")]);
            check(&with("\u{feff}a,b\n1,x"), &[(2, "1")]);
            // A quote that is never closed swallows the rest.
            check(&with("a,b\n1,x\n\"2,x\n3,y\n"), &[(2, "1"), (3, "2,x\n3,y\n")]);
            check(&with("a,b\n1,x\n\"2,x"), &[(2, "1"), (3, "2,x\n")]);
        }
        check("a,b", &[]);
        check("", &[]);
    }
}
