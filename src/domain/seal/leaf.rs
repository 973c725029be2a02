//! A leaf: the bytes of a row that may be shown, and a commitment to those that may not, each hashed behind a salt.
//!
//! Of a settlement are shown its record without whose it is, and the columns that are not in the record. Who has only the hash learns
//! nothing; who has salt, commitment and the shown bytes can prove that they are sealed, and learns nothing of what is hidden; and who
//! is shown all of it one day can see that it was so from the beginning.

mod posting;

use jiff::Timestamp;
use jiff::civil::Date;
use sha2::{Digest as _, Sha256};

use super::{COMMITMENT, CONTENT, Hash, LEAF};
use crate::domain::ids::RegionCode;
use crate::domain::record;
use crate::domain::record::bytes::{Reader, Writer};

pub use self::posting::{LineRow, PostingRow, ShownPosting};

/// The version of the bytes of leaves.
const VERSION: u8 = 1;

/// Room for what is shown of a settlement, and what is not.
const SHOWN_BYTES: usize = 1_536;
const HIDDEN_BYTES: usize = 256;

/// What a leaf is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A settlement or a reversal.
    Settlement,
    /// A posting of the ledger of accounts.
    Posting,
    /// A change of the registry.
    RegistryChange,
}

/// A row of the ledger, as it is sealed: its record, and the columns that do not follow from it. Its texts (`T`) and bytes (`B`) are its
/// own, or looked at where they lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementRow<T = String, B = Vec<u8>> {
    /// Its id.
    pub settlement: T,
    /// The insured region.
    pub region: RegionCode,
    /// The canonical bytes of all that the decision saw and gave.
    pub record: B,
    /// "final" or "provisional".
    pub state: T,
    /// Which settlement it takes the place of.
    pub supersedes: Option<T>,
    /// The hospital's level.
    pub level: i16,
    /// Kind of care.
    pub care: T,
    /// Referral.
    pub referral: T,
    /// Clearing type, way and agency.
    pub clearing: [T; 3],
    /// The accounting day.
    pub accounting_day: Date,
    /// By which door it came.
    pub door: T,
    /// Does any figure behind it rest on an assumption?
    pub assumed: bool,
    /// Who sat at the desk.
    pub operator: Option<T>,
    /// Why, of a reversal.
    pub reason: Option<T>,
    /// The hash of the request's body.
    pub body_sha256: B,
}

/// A change of the registry, as it is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// The region that it is about; 000000 where it is about none.
    pub region: RegionCode,
    /// Whose.
    pub person: i64,
    /// The version of the standing that it made.
    pub standing_version: i64,
    /// Its place among the changes of that version.
    pub ordinal: i32,
    /// What was changed.
    pub kind: String,
    /// By which import.
    pub import: String,
    /// What was said before.
    pub before: Option<String>,
    /// What is said now.
    pub after: String,
    /// When.
    pub changed_at: Timestamp,
}

/// The bytes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// What may be shown.
    pub shown: Vec<u8>,
    /// What may not.
    pub hidden: Vec<u8>,
}

/// What is shown of a settlement, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownSettlement<'a> {
    /// The record without whose it is; empty where the row's record is none.
    pub record: &'a [u8],
    /// "final" or "provisional".
    pub state: &'a str,
    /// Which settlement it takes the place of; may be empty.
    pub supersedes: &'a str,
    /// The hospital's level.
    pub level: i64,
    /// Kind of care.
    pub care: &'a str,
    /// Referral.
    pub referral: &'a str,
    /// Clearing type, way and agency.
    pub clearing: [&'a str; 3],
    /// The accounting day.
    pub accounting_day: Date,
    /// By which door it came.
    pub door: &'a str,
    /// Does any figure behind it rest on an assumption?
    pub assumed: bool,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Settlement, Self::Posting, Self::RegistryChange];

    /// Its number in the bytes.
    pub const fn number(self) -> u8 {
        match self {
            Self::Settlement => 1,
            Self::Posting => 2,
            Self::RegistryChange => 3,
        }
    }

    /// The kind of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

impl<T: AsRef<str>, B: AsRef<[u8]>> SettlementRow<T, B> {
    /// The id of its leaf, of which its salts are made.
    pub fn leaf_id(&self) -> String {
        ["s", self.settlement.as_ref()].concat()
    }

    /// Its bytes. A row whose record is none is hidden whole: it is sealed all the same.
    pub fn parts(&self) -> Parts {
        // Every field by name: one that is added does not compile until it is sealed.
        let Self {
            settlement: _,
            region: _,
            record,
            state,
            supersedes,
            level,
            care,
            referral,
            clearing,
            accounting_day,
            door,
            assumed,
            operator,
            reason,
            body_sha256,
        } = self;
        let blanked = record::blank(record.as_ref());
        let mut shown = Writer::with_room(SHOWN_BYTES);
        shown.text_bytes(blanked.as_ref().map_or(&[], |(bytes, _)| bytes.as_slice()));
        shown.text(state.as_ref());
        shown.text(supersedes.as_ref().map_or("", AsRef::as_ref));
        shown.signed(i64::from(*level));
        shown.text(care.as_ref());
        shown.text(referral.as_ref());
        clearing.iter().for_each(|word| shown.text(word.as_ref()));
        write_day(&mut shown, *accounting_day);
        shown.text(door.as_ref());
        shown.number(u64::from(*assumed));
        let mut hidden = Writer::with_room(HIDDEN_BYTES);
        match &blanked {
            None => {
                hidden.number(0);
                hidden.text_bytes(record.as_ref());
            }
            Some((_, taken)) => {
                hidden.number(1);
                hidden.signed(taken.person);
                hidden.text(&taken.request);
                hidden.text(&taken.stay);
                hidden.hash(&taken.lines_sha256);
                hidden
                    .text_bytes(taken.reversed_sha256.as_ref().map_or(&[], |hash| hash.as_slice()));
            }
        }
        write_maybe(&mut hidden, operator.as_ref().map(AsRef::as_ref));
        write_maybe(&mut hidden, reason.as_ref().map(AsRef::as_ref));
        hidden.text_bytes(body_sha256.as_ref());
        Parts { shown: shown.into_bytes(), hidden: hidden.into_bytes() }
    }
}

impl<'a> ShownSettlement<'a> {
    /// Reads what [`SettlementRow::parts`] shows.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let shown = Self {
            record: reader.block()?,
            state: reader.text()?,
            supersedes: reader.text()?,
            level: reader.signed()?,
            care: reader.text()?,
            referral: reader.text()?,
            clearing: [reader.text()?, reader.text()?, reader.text()?],
            accounting_day: read_day(&mut reader)?,
            door: reader.text()?,
            assumed: match reader.number()? {
                0 => false,
                1 => true,
                _ => return None,
            },
        };
        reader.is_done().then_some(shown)
    }
}

impl ChangeRow {
    /// The id of its leaf, of which its salts are made.
    pub fn leaf_id(&self) -> String {
        format!("r{}/{}/{}", self.person, self.standing_version, self.ordinal)
    }

    /// The day in which it is sealed.
    pub fn day(&self) -> Date {
        let offset = jiff::tz::offset(8);
        offset.to_datetime(self.changed_at).date()
    }

    /// Its bytes.
    pub fn parts(&self) -> Parts {
        let Self {
            region: _,
            person,
            standing_version,
            ordinal,
            kind,
            import,
            before,
            after,
            changed_at,
        } = self;
        let mut shown = Writer::with_room(SHOWN_BYTES);
        shown.text(kind);
        shown.text(import);
        write_maybe(&mut shown, before.as_deref());
        shown.text(after);
        shown.signed(changed_at.as_microsecond());
        let mut hidden = Writer::with_room(HIDDEN_BYTES);
        hidden.signed(*person);
        hidden.signed(*standing_version);
        hidden.signed(i64::from(*ordinal));
        Parts { shown: shown.into_bytes(), hidden: hidden.into_bytes() }
    }
}

/// The commitment to what is hidden.
pub fn commitment(salt: &Hash, hidden: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([COMMITMENT])
        .chain_update(salt)
        .chain_update(hidden)
        .finalize()
        .into()
}

/// The hash of what is in a leaf, which is given where the leaf is not shown.
pub fn content_hash(salt: &Hash, commitment: &Hash, shown: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([CONTENT])
        .chain_update(salt)
        .chain_update(commitment)
        .chain_update(shown)
        .finalize()
        .into()
}

/// The hash of a leaf. Its kind stands outside of its content, so that also one that is not shown can not be passed off as another kind.
pub fn leaf_hash(kind: Kind, content: &Hash) -> Hash {
    Sha256::new()
        .chain_update([LEAF, VERSION, kind.number()])
        .chain_update(content)
        .finalize()
        .into()
}

fn write_maybe(writer: &mut Writer, text: Option<&str>) {
    writer.number(u64::from(text.is_some()));
    writer.text(text.unwrap_or_default());
}

fn write_day(writer: &mut Writer, day: Date) {
    writer.signed(i64::from(day.year()));
    writer.signed(i64::from(day.month()));
    writer.signed(i64::from(day.day()));
}

fn read_day(reader: &mut Reader<'_>) -> Option<Date> {
    let year = i16::try_from(reader.signed()?).ok()?;
    let month = i8::try_from(reader.signed()?).ok()?;
    let day = i8::try_from(reader.signed()?).ok()?;
    Date::new(year, month, day).ok()
}

#[cfg(test)]
mod tests;
