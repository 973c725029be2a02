//! Files that go to a bank and come back from it: CSV in UTF-8, one format for all banks.
//!
//! A payment file:
//! ```text
//! onestop-payment,1,F…,520200,ICBC,2026-07-01,2,15000.00
//! line,hospital_code,holder,account,amount,statement_id
//! 1,H52020000001,六盘水市人民医院,6222…,10000.00,C…
//! 2,H52020000002,六盘水市第二人民医院,6222…,5000.00,C…
//! sha256,5f2b…
//! ```
//! The first row names the file, who pays, the bank, the day, how many lines there are and what they come to; the last one is the hash of
//! every byte before it. A bank's answer has a row for each payment that it speaks of:
//! ```text
//! file_id,bank_code,line,outcome,amount,bank_reference,paid_on
//! F…,ICBC,1,paid,10000.00,20260702-0001,2026-07-02
//! F…,ICBC,2,failed,0.00,20260702-0002,2026-07-02
//! ```

use std::collections::BTreeSet;

use jiff::civil::Date;
use sha2::{Digest as _, Sha256};

use super::FinanceRefusal;
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::money::Fen;
use crate::limits;
use crate::store::finance::Outcome;

/// What stands in a payment file.
#[derive(Clone, Debug)]
pub struct Sent<'a> {
    /// Its id.
    pub id: &'a str,
    /// Whose agency pays.
    pub paying: RegionCode,
    /// By which bank.
    pub bank: &'a str,
    /// On which day it was made.
    pub day: Date,
    /// Line by line.
    pub lines: Vec<SentLine<'a>>,
}

/// A payment of a file.
#[derive(Clone)]
pub struct SentLine<'a> {
    /// To whom.
    pub hospital: &'a HospitalCode,
    /// Whose account it is.
    pub holder: String,
    /// Its number.
    pub account: String,
    /// How much.
    pub pay: Fen,
    /// For which statement.
    pub statement: &'a str,
}

/// What a bank's file says of one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The line of the bank's file.
    pub row: usize,
    /// The line of the payment file.
    pub line: i32,
    /// What came of it.
    pub outcome: Outcome,
    /// How much was paid.
    pub paid: Fen,
    /// The bank's number.
    pub bank_reference: String,
    /// On which day.
    pub paid_on: Date,
}

impl std::fmt::Debug for SentLine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SentLine").field("statement", &self.statement).finish_non_exhaustive()
    }
}

const COLUMNS: [&str; 7] =
    ["file_id", "bank_code", "line", "outcome", "amount", "bank_reference", "paid_on"];

/// The bytes of a payment file; nothing where they can not be written. The same payments give the same bytes.
pub(super) fn written(sent: &Sent<'_>) -> Option<Vec<u8>> {
    let mut csv = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let total = sent.lines.iter().try_fold(Fen::ZERO, |sum, line| sum.checked_add(line.pay))?;
    let (count, total) = (sent.lines.len().to_string(), total.to_string());
    let (paying, day) = (sent.paying.to_string(), sent.day.to_string());
    csv.write_record(["onestop-payment", "1", sent.id, &paying, sent.bank, &day, &count, &total])
        .ok()?;
    csv.write_record(["line", "hospital_code", "holder", "account", "amount", "statement_id"])
        .ok()?;
    for (number, line) in (1_usize..).zip(&sent.lines) {
        let (number, pay) = (number.to_string(), line.pay.to_string());
        let SentLine { hospital, holder, account, statement, .. } = line;
        csv.write_record([&number, hospital.as_str(), holder, account, &pay, statement]).ok()?;
    }
    let mut bytes = csv.into_inner().ok()?;
    let hash = hex(&Sha256::digest(&bytes));
    bytes.extend_from_slice(format!("sha256,{hash}\n").as_bytes());
    Some(bytes)
}

/// Lowercase hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a bank's file: which payment file and bank it is of, and what it says. Every row is of the same file and bank, and no line
/// comes twice.
pub(super) fn read(content: &[u8]) -> Result<(String, String, Vec<Told>), FinanceRefusal> {
    let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut csv = csv::ReaderBuilder::new().from_reader(text);
    let headed = csv.headers().is_ok_and(|headers| headers.iter().eq(COLUMNS));
    if !headed || limits::BANK_FILE_BYTES_MAX < content.len() {
        return Err(FinanceRefusal::FileUnreadable(1));
    }
    let mut of: Option<(String, String)> = None;
    let (mut told, mut lines): (Vec<Told>, BTreeSet<i32>) = (Vec::new(), BTreeSet::new());
    for (number, row) in (2_usize..).zip(csv.records()) {
        let bad = FinanceRefusal::FileUnreadable(number);
        let row = row.map_err(|_| bad)?;
        let cell = |place| row.get(place).map(str::trim).unwrap_or_default();
        let named = (cell(0).to_owned(), cell(1).to_owned());
        if of.get_or_insert_with(|| named.clone()) != &named {
            return Err(bad);
        }
        let one = row_of(number, cell).ok_or(bad)?;
        if !lines.insert(one.line) {
            return Err(FinanceRefusal::ConfirmedBefore(Some(number)));
        }
        told.push(one);
    }
    let (file, bank) = of.ok_or(FinanceRefusal::FileUnreadable(2))?;
    Ok((file, bank, told))
}

fn row_of<'a>(row: usize, cell: impl Fn(usize) -> &'a str) -> Option<Told> {
    let outcome = Outcome::from_word(cell(3))?;
    let paid = Fen::parse_yuan(cell(4)).filter(|paid| Fen::ZERO <= *paid)?;
    let reference = cell(5);
    let plain = |byte: u8| byte.is_ascii_graphic();
    let fits = (1..=60).contains(&reference.len()) && reference.bytes().all(plain);
    Some(Told {
        row,
        line: cell(2).parse().ok().filter(|line| 0 < *line)?,
        outcome,
        paid,
        bank_reference: fits.then(|| reference.to_owned())?,
        paid_on: cell(6).parse().ok().filter(|_| cell(6).len() == 10)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_file_has_its_totals_and_its_own_hash() {
        let hospital = HospitalCode::new("H1").unwrap();
        let line = |holder: &str, fen| SentLine {
            hospital: &hospital,
            holder: holder.to_owned(),
            account: "6222000011112222".to_owned(),
            pay: Fen::new(fen),
            statement: "C1",
        };
        let sent = Sent {
            id: "F1",
            paying: RegionCode::new("520200").unwrap(),
            bank: "ICBC",
            day: jiff::civil::date(2026, 7, 1),
            lines: vec![line("人民医院", 1_000_000), line("医院,\"二\"", 50)],
        };
        let bytes = written(&sent).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let (body, last) = text.trim_end().rsplit_once('\n').unwrap();
        assert_eq!(
            body,
            "onestop-payment,1,F1,520200,ICBC,2026-07-01,2,10000.50\n\
             line,hospital_code,holder,account,amount,statement_id\n\
             1,H1,人民医院,6222000011112222,10000.00,C1\n\
             2,H1,\"医院,\"\"二\"\"\",6222000011112222,0.50,C1"
        );
        let hash = hex(&Sha256::digest(format!("{body}\n")));
        assert_eq!(last, format!("sha256,{hash}"));
        assert_eq!(written(&sent).unwrap(), bytes);
        assert!(!format!("{sent:?}").contains("6222"));
    }

    #[test]
    fn a_banks_file_is_read_to_the_letter_or_refused_by_its_line() {
        let head = COLUMNS.join(",");
        let good = "F1,ICBC,1,paid,100.00,R-1,2026-07-02";
        let read_rows = |rows: &[&str]| {
            let content = format!("{head}\n{}\n", rows.join("\n"));
            read(content.as_bytes())
        };
        let (file, bank, told) =
            read_rows(&[good, "F1,ICBC,2,failed,0.00,R-2,2026-07-02"]).unwrap();
        assert_eq!((file.as_str(), bank.as_str(), told.len()), ("F1", "ICBC", 2));
        let first = Told {
            row: 2,
            line: 1,
            outcome: Outcome::Paid,
            paid: Fen::new(10_000),
            bank_reference: "R-1".to_owned(),
            paid_on: jiff::civil::date(2026, 7, 2),
        };
        assert_eq!(told.first(), Some(&first));
        let refused = |row: &str, expected| {
            assert_eq!(read_rows(&[good, row]).unwrap_err(), expected, "{row}");
        };
        let third = FinanceRefusal::FileUnreadable(3);
        refused("F2,ICBC,2,paid,1.00,R,2026-07-02", third);
        refused("F1,ABC,2,paid,1.00,R,2026-07-02", third);
        refused("F1,ICBC,0,paid,1.00,R,2026-07-02", third);
        refused("F1,ICBC,2,maybe,1.00,R,2026-07-02", third);
        refused("F1,ICBC,2,paid,1.001,R,2026-07-02", third);
        refused("F1,ICBC,2,paid,-1.00,R,2026-07-02", third);
        refused("F1,ICBC,2,paid,1.00,,2026-07-02", third);
        refused("F1,ICBC,2,paid,1.00,R,2026-7-2", third);
        refused("F1,ICBC,2,paid,1.00,R", third);
        refused(good, FinanceRefusal::ConfirmedBefore(Some(3)));
        assert_eq!(read(b"").unwrap_err(), FinanceRefusal::FileUnreadable(1));
        assert_eq!(read(head.as_bytes()).unwrap_err(), FinanceRefusal::FileUnreadable(2));
        let large = format!("{head}\n{}", "x".repeat(limits::BANK_FILE_BYTES_MAX));
        assert_eq!(read(large.as_bytes()).unwrap_err(), FinanceRefusal::FileUnreadable(1));
    }
}
