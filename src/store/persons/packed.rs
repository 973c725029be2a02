//! A person with all they have used, as few bytes: numbers as variable-length integers, words that many share once.

use hashbrown::HashMap;
use jiff::ToSpan as _;
use jiff::civil::Date;

use super::registry::EPOCH;
use crate::domain::ids::{HospitalCode, PersonId, RegionCode, SettlementId, StayId};
use crate::domain::record::bytes::{Reader, Writer};
use crate::domain::standing::{
    Coverage, Identity, PersonSnapshot, Scheme, Standing, StayRecord, Used,
};

/// A person, packed.
pub(super) type Packed = Box<[u8]>;

/// Words that were met so far, by number. They are of rule packages, registries and hospitals: there are few.
#[derive(Debug, Default)]
pub(super) struct Words {
    words: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u64>,
}

impl Words {
    /// A word's number; nothing for a new one once there are too many.
    fn number(&mut self, word: &str) -> Option<u64> {
        const WORDS_MAX: usize = 1 << 16;
        if let Some(number) = self.numbers.get(word) {
            return Some(*number);
        }
        let number =
            u64::try_from(self.words.len()).ok().filter(|_| self.words.len() < WORDS_MAX)?;
        self.words.push(word.into());
        self.numbers.insert(word.into(), number);
        Some(number)
    }

    fn word(&self, number: u64) -> Option<&str> {
        self.words.get(usize::try_from(number).ok()?).map(|word| &**word)
    }
}

/// Packs a person; nothing where there are too many words.
pub(super) fn pack(known: &PersonSnapshot, words: &mut Words) -> Option<Packed> {
    // Every field by name: one that is added does not compile until it is packed.
    let PersonSnapshot { standing, ledger_version, used, stays, newest } = known;
    let Standing { person, version, birth, coverage, identities } = standing;
    let room = coverage.len().saturating_add(identities.len()).saturating_add(used.len());
    let room = room.saturating_mul(16).saturating_add(stays.len().saturating_mul(90));
    let mut to = Packing { writer: Writer::with_room(room.saturating_add(64)), words };
    to.writer.signed(person.get());
    to.writer.signed(*version);
    to.writer.signed(*ledger_version);
    to.end(*birth);
    to.writer.length(coverage.len());
    for Coverage { scheme, region, valid_from, valid_to, facts } in coverage {
        to.scheme(*scheme);
        to.region(*region);
        to.day(*valid_from);
        to.end(*valid_to);
        to.writer.length(facts.len());
        for (name, value) in facts {
            to.word(name)?;
            to.word(value)?;
        }
    }
    to.writer.length(identities.len());
    for Identity { code, region, valid_from, valid_to, source } in identities {
        to.word(code)?;
        to.region(*region);
        to.day(*valid_from);
        to.end(*valid_to);
        to.word(source)?;
    }
    to.writer.length(used.len());
    for Used { region, scheme, year, name, amount } in used {
        to.region(*region);
        to.scheme(*scheme);
        to.writer.signed((*year).into());
        to.word(name)?;
        to.writer.fen(*amount);
    }
    to.writer.length(stays.len());
    for stay in stays {
        to.stay(stay)?;
    }
    // Mostly the last stay's.
    let last = stays.last().map(|stay| &stay.settlement);
    to.writer.number(match newest {
        Some(newest) if last == Some(newest) => 0,
        Some(_) => 1,
        None => 2,
    });
    if let Some(newest) = newest.as_ref().filter(|newest| last != Some(newest)) {
        to.settlement(newest);
    }
    Some(to.writer.into_bytes().into_boxed_slice())
}

/// The person again.
pub(super) fn unpack(packed: &[u8], words: &Words) -> Option<PersonSnapshot> {
    let mut from = Unpacking { reader: Reader::new(packed), words };
    let person = PersonId::new(from.reader.signed()?)?;
    let (version, ledger_version) = (from.reader.signed()?, from.reader.signed()?);
    let birth = from.end()?;
    let coverage = from.list(|from| {
        Some(Coverage {
            scheme: from.scheme()?,
            region: from.region()?,
            valid_from: from.day()?,
            valid_to: from.end()?,
            facts: from.list(|from| Some((from.word()?.to_owned(), from.word()?.to_owned())))?,
        })
    })?;
    let identities = from.list(|from| {
        Some(Identity {
            code: from.word()?.to_owned(),
            region: from.region()?,
            valid_from: from.day()?,
            valid_to: from.end()?,
            source: from.word()?.to_owned(),
        })
    })?;
    let used = from.list(|from| {
        Some(Used {
            region: from.region()?,
            scheme: from.scheme()?,
            year: i16::try_from(from.reader.signed()?).ok()?,
            name: from.word()?.to_owned(),
            amount: from.reader.fen()?,
        })
    })?;
    let stays = from.list(Unpacking::stay)?;
    let newest = match from.reader.number()? {
        0 => Some(stays.last()?.settlement.clone()),
        1 => Some(from.settlement()?),
        _ => None,
    };
    let standing = Standing { person, version, birth, coverage, identities };
    Some(PersonSnapshot { standing, ledger_version, used, stays, newest })
}

struct Packing<'a> {
    writer: Writer,
    words: &'a mut Words,
}

impl Packing<'_> {
    fn word(&mut self, word: &str) -> Option<()> {
        self.writer.number(self.words.number(word)?);
        Some(())
    }

    fn region(&mut self, region: RegionCode) {
        self.writer.number(region.get().into());
    }

    fn scheme(&mut self, scheme: Scheme) {
        self.writer.number(match scheme {
            Scheme::Resident => 0,
            Scheme::Employee => 1,
        });
    }

    fn day(&mut self, day: Date) {
        self.writer.signed(days(day));
    }

    /// Nothing, or a day.
    fn end(&mut self, day: Option<Date>) {
        self.writer.number(day.is_some().into());
        if let Some(day) = day {
            self.day(day);
        }
    }

    fn stay(&mut self, stay: &StayRecord) -> Option<()> {
        let StayRecord {
            hospital,
            level,
            stay,
            part,
            care,
            admission,
            discharge,
            region,
            scheme,
            year,
            deductible,
            settlement,
            reversed,
        } = stay;
        self.word(hospital.as_str())?;
        self.writer.signed((*level).into());
        self.writer.text(stay.as_str());
        self.writer.signed((*part).into());
        self.word(care)?;
        self.day(*admission);
        self.day(*discharge);
        self.region(*region);
        self.scheme(*scheme);
        self.writer.signed((*year).into());
        self.writer.fen(*deductible);
        self.settlement(settlement);
        self.writer.number((*reversed).into());
        Some(())
    }

    /// In its parts, which are half as long.
    fn settlement(&mut self, settlement: &SettlementId) {
        let parts = settlement.parts();
        self.writer.number(parts.is_some().into());
        if let Some((bucket, unix_ms, random)) = parts {
            self.writer.signed(bucket.into());
            self.writer.signed(unix_ms);
            self.writer.number(random);
        } else {
            self.writer.text(settlement.as_str());
        }
    }
}

struct Unpacking<'a> {
    reader: Reader<'a>,
    words: &'a Words,
}

impl<'a> Unpacking<'a> {
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = usize::try_from(self.reader.number()?).ok()?;
        let mut items = Vec::with_capacity(length);
        for _ in 0..length {
            items.push(item(self)?);
        }
        Some(items)
    }

    fn word(&mut self) -> Option<&'a str> {
        self.words.word(self.reader.number()?)
    }

    fn region(&mut self) -> Option<RegionCode> {
        RegionCode::from_number(u32::try_from(self.reader.number()?).ok()?)
    }

    fn scheme(&mut self) -> Option<Scheme> {
        match self.reader.number()? {
            0 => Some(Scheme::Resident),
            1 => Some(Scheme::Employee),
            _ => None,
        }
    }

    fn day(&mut self) -> Option<Date> {
        EPOCH.checked_add(i32::try_from(self.reader.signed()?).ok()?.days()).ok()
    }

    fn end(&mut self) -> Option<Option<Date>> {
        if self.reader.number()? == 0 { Some(None) } else { self.day().map(Some) }
    }

    fn stay(&mut self) -> Option<StayRecord> {
        Some(StayRecord {
            hospital: HospitalCode::new(self.word()?)?,
            level: i16::try_from(self.reader.signed()?).ok()?,
            stay: StayId::new(self.reader.text()?)?,
            part: i16::try_from(self.reader.signed()?).ok()?,
            care: self.word()?.to_owned(),
            admission: self.day()?,
            discharge: self.day()?,
            region: self.region()?,
            scheme: self.scheme()?,
            year: i16::try_from(self.reader.signed()?).ok()?,
            deductible: self.reader.fen()?,
            settlement: self.settlement()?,
            reversed: self.reader.number()? == 1,
        })
    }

    fn settlement(&mut self) -> Option<SettlementId> {
        if self.reader.number()? == 0 {
            return SettlementId::new(self.reader.text()?);
        }
        let bucket = i16::try_from(self.reader.signed()?).ok()?;
        Some(SettlementId::compose(bucket, self.reader.signed()?, self.reader.number()?))
    }
}

/// Days since the epoch.
fn days(day: Date) -> i64 {
    day.duration_since(EPOCH).as_secs() / 86_400
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::domain::money::Fen;

    fn person() -> PersonSnapshot {
        let region = RegionCode::new("012345").unwrap();
        let settlement = SettlementId::compose(7, 1_800_000_000_000, 9);
        let stay = |reversed, care: &str| StayRecord {
            hospital: HospitalCode::new("H1").unwrap(),
            level: 3,
            stay: StayId::new("M-1").unwrap(),
            part: 0,
            care: care.to_owned(),
            admission: date(1999, 12, 31),
            discharge: date(2026, 1, 1),
            region,
            scheme: Scheme::Employee,
            year: 2026,
            deductible: Fen::new(-120_000),
            settlement: settlement.clone(),
            reversed,
        };
        let used = |name: &str, amount| Used {
            region,
            scheme: Scheme::Resident,
            year: 0,
            name: name.to_owned(),
            amount: Fen::new(amount),
        };
        PersonSnapshot {
            standing: Standing {
                person: PersonId::new(i64::MAX).unwrap(),
                version: 3,
                birth: Some(date(1931, 2, 3)),
                coverage: vec![Coverage {
                    scheme: Scheme::Resident,
                    region,
                    valid_from: date(2020, 1, 1),
                    valid_to: Some(date(2020, 12, 31)),
                    facts: vec![("employment".to_owned(), "retired".to_owned())],
                }],
                identities: vec![Identity {
                    code: "low_income".to_owned(),
                    region,
                    valid_from: date(2020, 1, 1),
                    valid_to: None,
                    source: "民政".to_owned(),
                }],
            },
            ledger_version: i64::MAX,
            used: vec![used("pool.aid", i64::MAX), used("pool.aid", i64::MIN)],
            stays: vec![stay(true, "inpatient"), stay(false, "chronic_outpatient")],
            newest: Some(settlement),
        }
    }

    #[test]
    fn what_is_packed_comes_back() {
        let mut words = Words::default();
        let mut stranger = person();
        stranger.newest = SettlementId::new("S-of-somebody-else");
        let mut nobody = person();
        nobody.used.clear();
        nobody.stays.clear();
        nobody.newest = None;
        nobody.standing.birth = None;
        for known in [person(), stranger, nobody] {
            let packed = pack(&known, &mut words).unwrap();
            assert_eq!(unpack(&packed, &words), Some(known));
        }
    }

    #[test]
    fn words_end() {
        let mut words = Words::default();
        assert!((0..1 << 16).all(|number: u64| words.number(&number.to_string()) == Some(number)));
        assert_eq!(words.number("one more"), None);
        assert_eq!(pack(&person(), &mut words), None);
    }
}
