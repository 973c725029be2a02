//! The reject file: each row that was not taken, why, and what may be shown of it.
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use csv::ByteRecord;

use super::List;
use super::lines::Records;
use super::rows::Header;

/// Why a row was not taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reject {
    pub line: u64,
    pub field: String,
    pub reason: String,
    pub message_zh: String,
    pub message_en: String,
}

/// Writes rejects as they come. The file is made with the first one; one that an interrupted run of the same import left is
/// continued, since the server does not tell its rejects again.
#[derive(Debug)]
pub struct Rejects {
    path: PathBuf,
    import_id: String,
    header: Header,
    rows: RowLookup,
    writer: Option<csv::Writer<File>>,
    /// A stream that broke tells some of them again.
    lines: BTreeSet<u64>,
}

/// Finds rows by their line. Rejects come in the order of the file, so that it goes forward but after a broken stream.
#[derive(Debug)]
struct RowLookup {
    file: PathBuf,
    records: Records<File>,
    record: ByteRecord,
    line: u64,
}

impl Rejects {
    /// Rejects of `file`, to be written to `path`.
    pub fn new(list: &List, path: PathBuf) -> Result<Rejects, anyhow::Error> {
        let header = list.header.clone();
        let import_id = list.begin.import_id.clone();
        let rows = RowLookup::new(list.file.clone())?;
        let lines = lines_of(&path, &import_id);
        Ok(Rejects { path, import_id, header, rows, writer: None, lines })
    }

    /// How many rows were not taken.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// Writes one, once.
    pub fn add(&mut self, reject: &Reject) -> Result<(), anyhow::Error> {
        if !self.lines.insert(reject.line) {
            return Ok(());
        }
        let cells = self.rows.find(reject.line)?.map(|record| self.header.public_cells(record));
        let cells = cells.unwrap_or_default();
        let writing = || format!("write {}", self.path.display());
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let continued = 1 < self.lines.len();
                none.insert(open(&self.path, &self.header, continued).with_context(writing)?)
            }
        };
        let Reject { line, field, reason, message_zh, message_en } = reject;
        let line = line.to_string();
        let said = [&line, field, reason, message_zh, message_en, &self.import_id];
        let missing = self.header.public_names().count().saturating_sub(cells.len());
        let empty = vec![String::new(); missing];
        writer.write_record(said.into_iter().chain(&cells).chain(&empty)).with_context(writing)
    }

    /// Writes out what is still in memory. An older file stays only where this run found rejects, or passed over rows.
    pub fn finish(&mut self, passed_over: u64) -> Result<(), anyhow::Error> {
        match &mut self.writer {
            Some(writer) => {
                writer.flush().with_context(|| format!("write {}", self.path.display()))
            }
            None if passed_over == 0 && self.path.exists() => std::fs::remove_file(&self.path)
                .with_context(|| format!("remove the older {}", self.path.display())),
            None => Ok(()),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The lines that an earlier run of the same import wrote; none when the file is another's, or not there.
fn lines_of(path: &Path, import_id: &str) -> BTreeSet<u64> {
    let Ok(mut reader) = csv::Reader::from_path(path) else { return BTreeSet::new() };
    let mut lines = BTreeSet::new();
    for record in reader.records() {
        let Ok(record) = record else { return BTreeSet::new() };
        let line = record.get(0).and_then(|line| line.parse().ok());
        match line.filter(|_| record.get(5) == Some(import_id)) {
            Some(line) => lines.insert(line),
            None => return BTreeSet::new(),
        };
    }
    lines
}

fn open(path: &Path, header: &Header, continued: bool) -> Result<csv::Writer<File>, csv::Error> {
    if continued {
        return Ok(csv::Writer::from_writer(File::options().append(true).open(path)?));
    }
    let mut writer = csv::Writer::from_path(path)?;
    let names = ["line", "field", "reason", "message_zh", "message_en", "import_id"];
    writer.write_record(names.into_iter().chain(header.public_names()))?;
    Ok(writer)
}

impl RowLookup {
    fn new(file: PathBuf) -> Result<RowLookup, anyhow::Error> {
        let opened = File::open(&file).with_context(|| super::reading(&file))?;
        let records = Records::new(opened);
        Ok(RowLookup { file, records, record: ByteRecord::new(), line: 0 })
    }

    fn find(&mut self, line: u64) -> Result<Option<&ByteRecord>, anyhow::Error> {
        if line < self.line {
            *self = RowLookup::new(std::mem::take(&mut self.file))?;
        }
        while self.line < line {
            match self.records.read(&mut self.record).context("read the file again")? {
                Some(line) => self.line = line,
                None => return Ok(None),
            }
        }
        Ok((self.line == line).then_some(&self.record))
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::Kind;
    use super::*;
    use crate::door::wire::registry::v1::ImportBegin;

    #[test]
    fn a_reject_names_line_field_and_reason_and_shows_no_person() {
        let folder = std::env::temp_dir().join(format!("onestop-rejects-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("list.csv");
        std::fs::write(
            &file,
            "credential,code,region\n11010519491231002X,low_income,520200\n\"1101\n2\",x,520200\nC3,y,520201\n",
        )
        .unwrap();
        let headers = ByteRecord::from(vec!["credential", "code", "region"]);
        let header = Header::read(Kind::Identity, &headers).unwrap();
        let begin = ImportBegin { import_id: "identity-x".to_owned(), ..ImportBegin::default() };
        let mut list = List { file, header, begin };
        let path = folder.join("list.csv.rejects.csv");
        let reject = |line| Reject {
            line,
            field: "code".to_owned(),
            reason: "IDENTITY_CODE".to_owned(),
            ..Reject::default()
        };
        // The second row goes over two lines; the third is told twice, and out of order.
        let mut rejects = Rejects::new(&list, path.clone()).unwrap();
        for line in [5, 3, 5] {
            rejects.add(&reject(line)).unwrap();
        }
        rejects.finish(0).unwrap();
        let head = "line,field,reason,message_zh,message_en,import_id,code,region\n";
        let (third, fifth) = (
            "3,code,IDENTITY_CODE,,,identity-x,x,520200\n",
            "5,code,IDENTITY_CODE,,,identity-x,y,520201\n",
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{head}{fifth}{third}"));
        assert_eq!(rejects.count(), 2);

        // Sent again after an interruption: what is there stays, what is new is added.
        let mut rejects = Rejects::new(&list, path.clone()).unwrap();
        for line in [3, 2] {
            rejects.add(&reject(line)).unwrap();
        }
        rejects.finish(3).unwrap();
        let second = "2,code,IDENTITY_CODE,,,identity-x,low_income,520200\n";
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            format!("{head}{fifth}{third}{second}")
        );

        // Another list, all of which is taken: the older file would mislead.
        list.begin.import_id = "identity-y".to_owned();
        Rejects::new(&list, path.clone()).unwrap().finish(0).unwrap();
        assert!(!path.exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
