//! The result of a statement: the national columns with the request id, and beside them the class and why.

use std::io::{self, Seek, Write};

use super::FileFault;
use super::archive::Packed;
use super::columnar::Columnar;
use super::sheet::Sheet;
use crate::domain::money::Fen;
use crate::domain::reconcile::Amounts;

/// One row of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultRow {
    /// `psn_no`, as they told it; empty where only we have the row.
    pub person_number: String,
    /// `mdtrt_id`
    pub stay: String,
    /// `setl_id`
    pub settlement: String,
    /// (`msgid`); empty where we have no such settlement, so that there is nothing to reverse.
    pub request: String,
    /// (`stmt_rslt`), in the encoding asked for.
    pub result: &'static str,
    /// `refd_setl_flag`
    pub refund: bool,
    /// What people read. (`memo`)
    pub memo: String,
    /// Ours, as the centre's; nothing where we have none.
    pub ours: Option<Amounts>,
    /// Theirs.
    pub theirs: Option<Amounts>,
    /// The class, by its word.
    pub class: String,
    /// The explanation, by its word.
    pub explanation: String,
    /// What it points to.
    pub detail: String,
    /// The accounting day of ours, also where that is none of the statement's.
    pub our_day: String,
    /// The number of the difference, by which it is settled or carried.
    pub number: String,
    /// What last happened to it.
    pub last: LastEvent,
}

/// What last happened to a difference: who did what, when, why, and how much money moves by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastEvent {
    /// What, by its word.
    pub event: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: String,
    /// Why.
    pub reason: String,
    /// How much money moves, where that is told.
    pub moved: Option<Fen>,
}

/// The columns, the national ones first; the file of the national interface has no others.
pub const COLUMNS: [&str; COLUMN_COUNT] = [
    "psn_no",
    "mdtrt_id",
    "setl_id",
    "msgid",
    "stmt_rslt",
    "refd_setl_flag",
    "memo",
    "medfee_sumamt",
    "fund_pay_sumamt",
    "acct_pay",
    "their_medfee_sumamt",
    "their_fund_pay_sumamt",
    "their_acct_pay",
    "moved",
    "class",
    "explanation",
    "detail",
    "our_day",
    "difference_no",
    "event",
    "event_by",
    "event_at",
    "event_reason",
];

/// How many there are.
pub(super) const COLUMN_COUNT: usize = 23;

/// How many of the columns are national.
const NATIONAL: usize = 10;

/// The columns that are amounts: ours, theirs, and what moves.
pub(super) const FIRST_AMOUNT: usize = 7;
pub(super) const LAST_AMOUNT: usize = 13;

/// The name of the file in a packed result.
const PACKED_NAME: &str = "result.txt";

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As the national interface has it: the national columns between tabs, packed.
    Packed,
    /// All columns, between commas.
    Csv,
    /// All columns, as a workbook.
    Xlsx,
    /// All columns, as Parquet.
    Parquet,
}

/// A result on its way out.
pub struct Results<W: Write + Seek + Send>(Sink<W>);

enum Sink<W: Write + Seek + Send> {
    Packed(Box<Packed<W>>),
    Csv(Box<csv::Writer<W>>),
    Xlsx(Box<Sheet<W>>),
    Parquet(Box<Columnar<W>>),
}

impl<W: Write + Seek + Send> std::fmt::Debug for Results<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Results")
    }
}

impl<W: Write + Seek + Send> Results<W> {
    /// Begins a result with its head.
    pub fn begin(sink: W, format: Format) -> Result<Self, FileFault> {
        let begun = || -> io::Result<Sink<W>> {
            Ok(match format {
                Format::Packed => {
                    let mut packed = Packed::begin(sink, PACKED_NAME)?;
                    let head = COLUMNS.get(..NATIONAL).unwrap_or_default();
                    writeln!(packed, "{}", head.join("\t"))?;
                    Sink::Packed(Box::new(packed))
                }
                Format::Csv => {
                    let mut csv = csv::Writer::from_writer(sink);
                    csv.write_record(COLUMNS)?;
                    Sink::Csv(Box::new(csv))
                }
                Format::Xlsx => Sink::Xlsx(Box::new(Sheet::begin(sink)?)),
                Format::Parquet => Sink::Parquet(Box::new(Columnar::begin(sink)?)),
            })
        };
        begun().map(Self).map_err(FileFault::Write)
    }

    /// Writes a row.
    pub fn row(&mut self, row: &ResultRow) -> Result<(), FileFault> {
        let cells = cells(row);
        let written = match &mut self.0 {
            Sink::Packed(packed) => {
                let own: Vec<&str> = cells.iter().take(NATIONAL).map(|cell| plain(cell)).collect();
                writeln!(packed, "{}", own.join("\t"))
            }
            Sink::Csv(csv) => csv.write_record(&cells).map_err(io::Error::other),
            Sink::Xlsx(sheet) => sheet.row(row, &cells),
            Sink::Parquet(columnar) => columnar.row(row),
        };
        written.map_err(FileFault::Write)
    }

    /// Ends it, and gives back where it was written to.
    pub fn end(self) -> Result<W, FileFault> {
        let ended = match self.0 {
            Sink::Packed(packed) => packed.end(),
            Sink::Csv(csv) => csv.into_inner().map_err(|error| io::Error::other(error.to_string())),
            Sink::Xlsx(sheet) => sheet.end(),
            Sink::Parquet(columnar) => columnar.end(),
        };
        ended.map_err(FileFault::Write)
    }
}

/// A cell between tabs: an empty one is written so. None of ours holds a tab or an end of line; whatever did is cut there.
fn plain(cell: &str) -> &str {
    let cell = cell.split(['\t', '\n', '\r']).next().unwrap_or_default();
    if cell.is_empty() { "null" } else { cell }
}

/// The amounts of a row, each in its column.
pub(super) fn amounts(row: &ResultRow) -> [Option<Fen>; COLUMN_COUNT] {
    let of = |amounts: Option<Amounts>| amounts.map_or([None; 3], |Amounts(all)| all.map(Some));
    let own = of(row.ours).into_iter().chain(of(row.theirs)).chain([row.last.moved]);
    let mut all = [None; COLUMN_COUNT];
    for (place, amount) in all.iter_mut().skip(FIRST_AMOUNT).zip(own) {
        *place = amount;
    }
    all
}

/// The cells of a row, as text.
pub(super) fn cells(row: &ResultRow) -> [String; COLUMN_COUNT] {
    let ResultRow {
        person_number,
        stay,
        settlement,
        request,
        result,
        refund,
        memo,
        ours,
        theirs,
        class,
        explanation,
        detail,
        our_day,
        number,
        last: LastEvent { event, by, at, reason, moved },
    } = row;
    let [total, fund, account] = yuan(ours.as_ref());
    let [their_total, their_fund, their_account] = yuan(theirs.as_ref());
    [
        person_number.clone(),
        stay.clone(),
        settlement.clone(),
        request.clone(),
        (*result).to_owned(),
        if *refund { "1" } else { "0" }.to_owned(),
        memo.clone(),
        total,
        fund,
        account,
        their_total,
        their_fund,
        their_account,
        moved.map(|fen| fen.to_string()).unwrap_or_default(),
        class.clone(),
        explanation.clone(),
        detail.clone(),
        our_day.clone(),
        number.clone(),
        event.clone(),
        by.clone(),
        at.clone(),
        reason.clone(),
    ]
}

fn yuan(amounts: Option<&Amounts>) -> [String; 3] {
    let said = |fen: Fen| fen.to_string();
    amounts.map_or_else(Default::default, |Amounts(all)| all.map(said))
}
