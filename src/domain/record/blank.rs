//! A record without what says whose it is, for those who may see what was decided and not about whom.
//!
//! Taken out are the person, the hospital's own ids for the request and the stay (some hospitals use a patient's number for one), the
//! hash of the charge lines (of a short bill they could be guessed by it) and, in a reversal, the hash of the other record (by which
//! its person could be). What is left is read, replayed and compared like any record.

use std::ops::Range;

use super::bytes::{Reader, Writer};
use super::{PROVISIONAL, REVERSED, SETTLED, VERSION};

/// What was taken out of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// Whose.
    pub person: i64,
    /// The hospital's key.
    pub request: String,
    /// Which stay.
    pub stay: String,
    /// The charge lines, by their hash.
    pub lines_sha256: [u8; 32],
    /// Of a reversal: the hash of the record that it undoes.
    pub reversed_sha256: Option<[u8; 32]>,
}

/// Where in a record stands what is taken out.
struct Places {
    request: Range<usize>,
    person: Range<usize>,
    stay: Range<usize>,
    lines: Range<usize>,
    reversed: Option<Range<usize>>,
    hidden: Hidden,
}

/// A record without it, and what it was; nothing of what is no record.
pub fn blank(record: &[u8]) -> Option<(Vec<u8>, Hidden)> {
    let Places { request, person, stay, lines, reversed, hidden } = places(record)?;
    let empty: &[u8] = &[0];
    let zeros: &[u8] = &[0; 32];
    let mut parts = vec![(request, empty), (person, empty), (stay, empty), (lines, zeros)];
    parts.extend(reversed.map(|place| (place, zeros)));
    Some((put(record, &parts)?, hidden))
}

/// Puts back what was taken out.
pub fn fill(blanked: &[u8], hidden: &Hidden) -> Option<Vec<u8>> {
    let places = places(blanked)?;
    if places.reversed.is_some() != hidden.reversed_sha256.is_some() {
        return None;
    }
    filled(blanked, places, hidden)
}

/// Puts something in the place of what was taken out, so that the whole is a record again that can be replayed.
pub fn stand_in(blanked: &[u8]) -> Option<Vec<u8>> {
    let places = places(blanked)?;
    let hidden = Hidden {
        person: 1,
        request: "-".to_owned(),
        stay: "-".to_owned(),
        lines_sha256: [0; 32],
        reversed_sha256: None,
    };
    filled(blanked, places, &hidden)
}

fn filled(blanked: &[u8], places: Places, hidden: &Hidden) -> Option<Vec<u8>> {
    let Places { request, person, stay, lines, reversed, .. } = places;
    let written = |write: &dyn Fn(&mut Writer)| {
        let mut writer = Writer::with_room(40);
        write(&mut writer);
        writer.into_bytes()
    };
    let request_bytes = written(&|writer| writer.text(&hidden.request));
    let person_bytes = written(&|writer| writer.signed(hidden.person));
    let stay_bytes = written(&|writer| writer.text(&hidden.stay));
    let reversed_bytes = hidden.reversed_sha256.unwrap_or_default();
    let mut parts = vec![
        (request, request_bytes.as_slice()),
        (person, person_bytes.as_slice()),
        (stay, stay_bytes.as_slice()),
        (lines, hidden.lines_sha256.as_slice()),
    ];
    parts.extend(reversed.map(|place| (place, reversed_bytes.as_slice())));
    put(blanked, &parts)
}

/// The same bytes with others in some places, given in their order.
fn put(bytes: &[u8], parts: &[(Range<usize>, &[u8])]) -> Option<Vec<u8>> {
    let mut whole = Vec::with_capacity(bytes.len().saturating_add(128));
    let mut from = 0;
    for (place, instead) in parts {
        whole.extend_from_slice(bytes.get(from..place.start)?);
        whole.extend_from_slice(instead);
        from = place.end;
    }
    whole.extend_from_slice(bytes.get(from..)?);
    Some(whole)
}

/// Walks through the header, which [`super::decision`] writes, as far as it must.
fn places(record: &[u8]) -> Option<Places> {
    let mut reader = Reader::new(record);
    let at = |reader: &Reader<'_>| record.len().saturating_sub(reader.left());
    if reader.number()? != VERSION {
        return None;
    }
    reader.text()?;
    let begin = at(&reader);
    let request_text = reader.text()?;
    let request = begin..at(&reader);
    let person_number = reader.signed()?;
    let person = request.end..at(&reader);
    reader.text()?;
    let begin = at(&reader);
    let stay_text = reader.text()?;
    let stay = begin..at(&reader);
    // The part, and the days of the stay.
    for _ in 0..7 {
        reader.signed()?;
    }
    reader.number()?;
    reader.number()?;
    reader.text()?;
    reader.signed()?;
    reader.hash()?;
    // The versions, and when.
    for _ in 0..3 {
        reader.signed()?;
    }
    let begin = at(&reader);
    let lines_sha256 = reader.hash()?;
    let lines = begin..at(&reader);
    let (reversed, reversed_sha256) = match reader.number()? {
        SETTLED | PROVISIONAL => (None, None),
        REVERSED => {
            reader.text()?;
            let begin = at(&reader);
            let hash = reader.hash()?;
            (Some(begin..at(&reader)), Some(hash))
        }
        _ => return None,
    };
    let hidden = Hidden {
        person: person_number,
        request: request_text.to_owned(),
        stay: stay_text.to_owned(),
        lines_sha256,
        reversed_sha256,
    };
    Some(Places { request, person, stay, lines, reversed, hidden })
}
