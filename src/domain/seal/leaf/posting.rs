//! The leaf of a posting: of each region that it touches a leaf of its own, in that region's tree, with the lines of that region, which
//! balance by themselves.
//!
//! Hidden are who posted it, why, and what it refers to where people wrote that: they may have written whose it was.

use jiff::Timestamp;
use jiff::civil::Date;

use super::{HIDDEN_BYTES, Parts, SHOWN_BYTES, read_day, write_day, write_maybe};
use crate::domain::finance::{Account, AccountKind, Draft, Fund, Line, Posting, PostingKind};
use crate::domain::ids::RegionCode;
use crate::domain::money::Fen;
use crate::domain::record::bytes::{Reader, Writer};

/// The lines of a posting in one region, as the row has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostingRow {
    /// Its id.
    pub posting: String,
    /// The region whose lines these are.
    pub region: RegionCode,
    /// What it is for.
    pub kind: String,
    /// The accounting day.
    pub accounting_day: Date,
    /// Its lines in this region.
    pub lines: Vec<LineRow>,
    /// The hospital that it concerns.
    pub hospital: Option<String>,
    /// The year of the budget that it adds to.
    pub budget_year: Option<i16>,
    /// What it refers to.
    pub reference: String,
    /// Why.
    pub reason: String,
    /// Who made it.
    pub made_by: String,
    /// Who agreed.
    pub approved_by: String,
    /// When it was posted.
    pub posted_at: Timestamp,
    /// The canonical bytes of the whole posting.
    pub record: Vec<u8>,
}

/// A line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRow {
    /// The kind of account.
    pub account: String,
    /// Of which fund.
    pub fund: String,
    /// Towards whom.
    pub counterparty: String,
    /// Above zero a debit, below zero a credit.
    pub amount_fen: i64,
}

/// What is shown of a posting, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownPosting {
    /// Its id.
    pub posting: String,
    /// The region whose lines these are.
    pub region: RegionCode,
    /// The accounting day.
    pub accounting_day: Date,
    /// When it was posted.
    pub posted_at: Timestamp,
    /// What it says, with nothing for what is hidden.
    pub kind: PostingKind,
    /// Its lines.
    pub lines: Vec<Line>,
    /// The year of the budget that it adds to.
    pub budget_year: Option<i16>,
    /// What it refers to; empty where that is hidden.
    pub reference: String,
}

impl PostingRow {
    /// The row that a posting should have, of one of its regions.
    pub fn of(posting: &Posting, region: RegionCode) -> Self {
        // Every field by name: one that is added does not compile until it is compared.
        let Posting { id, draft, day, at, made_by, approved_by } = posting;
        let lines = draft.lines().iter().filter(|line| line.account.region() == region);
        let lines = lines.map(|Line { account, amount }| LineRow {
            account: account.kind().word().to_owned(),
            fund: account.fund().word().to_owned(),
            counterparty: account.counterparty().to_owned(),
            amount_fen: amount.get(),
        });
        Self {
            posting: id.clone(),
            region,
            kind: draft.kind().word().to_owned(),
            accounting_day: *day,
            lines: lines.collect(),
            hospital: draft.hospital().map(|hospital| hospital.to_string()),
            budget_year: draft.budget_year(),
            reference: draft.reference().to_owned(),
            reason: draft.reason().to_owned(),
            made_by: made_by.clone(),
            approved_by: approved_by.clone(),
            posted_at: *at,
            record: posting.to_bytes(),
        }
    }

    /// The first column that does not follow from the record as it should; nothing where all of them do.
    pub fn column_that_differs(&self) -> Option<&'static str> {
        let Some(posting) = Posting::from_bytes(&self.record) else { return Some("record") };
        let told = Self::of(&posting, self.region);
        let columns = [
            ("posting_id", self.posting == told.posting),
            ("kind", self.kind == told.kind),
            ("accounting_day", self.accounting_day == told.accounting_day),
            ("account, fund, region, counterparty, amount_fen", self.lines == told.lines),
            ("hospital_code", self.hospital == told.hospital),
            ("budget_year", self.budget_year == told.budget_year),
            ("reference", self.reference == told.reference),
            ("reason", self.reason == told.reason),
            ("made_by", self.made_by == told.made_by),
            ("approved_by", self.approved_by == told.approved_by),
            ("posted_at", self.posted_at == told.posted_at),
            ("record", self.record == told.record),
        ];
        columns.into_iter().find(|(_, same)| !same).map(|(column, _)| column)
    }

    /// The id of its leaf, of which its salts are made.
    pub fn leaf_id(&self) -> String {
        format!("p{}/{}", self.posting, self.region)
    }

    /// Its bytes.
    pub fn parts(&self) -> Parts {
        // Every field by name: one that is added does not compile until it is sealed.
        let Self {
            posting,
            region,
            kind,
            accounting_day,
            lines,
            hospital,
            budget_year,
            reference,
            reason,
            made_by,
            approved_by,
            posted_at,
            record,
        } = self;
        let by_people = PostingKind::from_word(kind).is_none_or(PostingKind::is_proposed);
        let mut shown = Writer::with_room(SHOWN_BYTES);
        shown.text(posting);
        shown.number(u64::from(region.get()));
        shown.text(kind);
        write_day(&mut shown, *accounting_day);
        shown.signed(posted_at.as_microsecond());
        write_maybe(&mut shown, hospital.as_deref());
        shown.signed(budget_year.map_or(0, i64::from));
        shown.text(if by_people { "" } else { reference });
        shown.number(u64::try_from(lines.len()).unwrap_or(u64::MAX));
        for LineRow { account, fund, counterparty, amount_fen } in lines {
            shown.text(account);
            shown.text(fund);
            shown.text(counterparty);
            shown.signed(*amount_fen);
        }
        let mut hidden = Writer::with_room(HIDDEN_BYTES);
        for text in [reference, reason, made_by, approved_by] {
            hidden.text(text);
        }
        hidden.text_bytes(record);
        Parts { shown: shown.into_bytes(), hidden: hidden.into_bytes() }
    }
}

impl ShownPosting {
    /// Reads what [`PostingRow::parts`] shows; nothing where a word is none.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let posting = reader.text()?.to_owned();
        let region = RegionCode::from_number(u32::try_from(reader.number()?).ok()?)?;
        let kind = PostingKind::from_word(reader.text()?)?;
        let accounting_day = read_day(&mut reader)?;
        let posted_at = Timestamp::from_microsecond(reader.signed()?).ok()?;
        let hospital = (reader.number()?, reader.text()?);
        let budget_year = i16::try_from(reader.signed()?).ok()?;
        let reference = reader.text()?.to_owned();
        let mut lines = Vec::new();
        for _ in 0..reader.number()? {
            let account = AccountKind::from_word(reader.text()?)?;
            let fund = Fund::from_word(reader.text()?)?;
            let account = Account::new(account, fund, region, reader.text()?)?;
            lines.push(Line { account, amount: Fen::new(reader.signed()?) });
        }
        let budget_year = (budget_year != 0).then_some(budget_year);
        let known = hospital.0 <= 1 && reader.is_done();
        known.then_some(Self {
            posting,
            region,
            accounting_day,
            posted_at,
            kind,
            lines,
            budget_year,
            reference,
        })
    }

    /// Is it a posting by itself: does it balance within each fund, and move no account that its kind does not?
    pub fn is_posting(&self) -> bool {
        // Why it was posted is hidden, and is surely said.
        let said = (self.reference.as_str(), "-");
        Draft::new(self.kind, self.lines.clone(), self.budget_year, said).is_ok()
    }
}
