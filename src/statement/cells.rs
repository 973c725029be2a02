//! The head of a statement and the cells of its rows: the national columns, by name where there is a head, else in their order.

use super::{FileFault, RowFault, StatementRow};
use crate::domain::ids::{PersonNumber, SettlementId, StayId};
use crate::domain::money::Fen;
use crate::domain::reconcile::Amounts;

/// The national columns, in their order.
const NATIONAL: [&str; 7] = [
    "setl_id",
    "mdtrt_id",
    "psn_no",
    "medfee_sumamt",
    "fund_pay_sumamt",
    "acct_pay",
    "refd_setl_flag",
];

/// How many of them.
const COLUMNS: usize = NATIONAL.len();

/// An empty cell.
const NULL: &str = "null";

/// How cells stand beside each other, and which of them is which column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    separator: u8,
    /// By column: its place in a row.
    places: [usize; COLUMNS],
    /// Is the first line a head?
    pub(super) headed: bool,
}

impl Layout {
    /// Reads it from the first line.
    pub(super) fn of(first: &[u8]) -> Result<Self, FileFault> {
        let text = std::str::from_utf8(first).map_err(|_| FileFault::Encoding)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.is_empty() {
            return Err(FileFault::Empty);
        }
        // Text in two bytes a character is full of zeros.
        if text.contains('\0') {
            return Err(FileFault::Encoding);
        }
        let separator = if text.contains('\t') { b'\t' } else { b',' };
        let cells = split(text, separator);
        let known = |cell: &String| NATIONAL.contains(&cell.as_str());
        let cells: Vec<String> =
            cells.iter().map(|cell| cell.trim().to_ascii_lowercase()).collect();
        let mut places = [0; COLUMNS];
        if !cells.iter().any(known) {
            for (place, at) in places.iter_mut().zip(0..) {
                *place = at;
            }
            return match NATIONAL.get(cells.len()) {
                Some(missing) => Err(FileFault::ColumnMissing(missing)),
                None => Ok(Self { separator, places, headed: false }),
            };
        }
        for (place, column) in places.iter_mut().zip(NATIONAL) {
            let found = cells.iter().position(|cell| cell == column);
            *place = found.ok_or(FileFault::ColumnMissing(column))?;
        }
        Ok(Self { separator, places, headed: true })
    }

    /// Reads a row.
    pub(super) fn row(&self, line: u64, bytes: &[u8]) -> Result<StatementRow, RowFault> {
        let text = std::str::from_utf8(bytes).map_err(|_| RowFault::Encoding)?;
        let text = if line == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        let cells = split(text, self.separator);
        let mut own: [&str; COLUMNS] = [""; COLUMNS];
        for (cell, place) in own.iter_mut().zip(self.places) {
            let found = cells.get(place).ok_or(RowFault::Cells)?.trim();
            *cell = if found == NULL { "" } else { found };
        }
        let [settlement, stay, person, total, fund, account, refund] = own;
        let bad = RowFault::Column;
        Ok(StatementRow {
            line,
            settlement: SettlementId::new(settlement).ok_or(bad("setl_id"))?,
            stay: maybe(stay, StayId::new).ok_or(bad("mdtrt_id"))?,
            person_number: maybe(person, PersonNumber::new).ok_or(bad("psn_no"))?,
            amounts: Amounts::new(
                Fen::parse_yuan(total).ok_or(bad("medfee_sumamt"))?,
                Fen::parse_yuan(fund).ok_or(bad("fund_pay_sumamt"))?,
                // Who pays nothing from an account may leave it empty.
                maybe(account, Fen::parse_yuan).ok_or(bad("acct_pay"))?.unwrap_or(Fen::ZERO),
            ),
            refund: refunded(refund).ok_or(bad("refd_setl_flag"))?,
        })
    }

    /// The settlement of a row that can not be read, where its id alone can be.
    pub(super) fn settlement(&self, bytes: &[u8]) -> Option<SettlementId> {
        let text = String::from_utf8_lossy(bytes);
        let [place, ..] = self.places;
        let cells = split(text.trim_start_matches('\u{feff}'), self.separator);
        let cell = cells.get(place)?.trim();
        if cell == NULL { None } else { SettlementId::new(cell) }
    }
}

fn maybe<T>(cell: &str, make: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    if cell.is_empty() { Some(None) } else { make(cell).map(Some) }
}

/// One digit, or several of which the last counts: 0, 000, 000000 and 1, 001 are seen.
fn refunded(flag: &str) -> Option<bool> {
    let (zeros, last) = flag.split_at_checked(flag.len().checked_sub(1)?)?;
    let plain = flag.len() <= 6 && zeros.bytes().all(|digit| digit == b'0');
    match last {
        "0" if plain => Some(false),
        "1" if plain => Some(true),
        _ => None,
    }
}

/// The cells of a line. Between commas one may stand in quotes, with a quote in it doubled; between tabs there are no quotes.
fn split(text: &str, separator: u8) -> Vec<std::borrow::Cow<'_, str>> {
    let separator = char::from(separator);
    if separator == '\t' || !text.contains('"') {
        return text.split(separator).map(Into::into).collect();
    }
    let mut cells = Vec::new();
    let mut cell = String::new();
    let mut quoted = false;
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '"' if quoted && rest.peek() == Some(&'"') => {
                cell.push('"');
                rest.next();
            }
            '"' => quoted = !quoted,
            _ if next == separator && !quoted => cells.push(std::mem::take(&mut cell).into()),
            _ => cell.push(next),
        }
    }
    cells.push(cell.into());
    cells
}
