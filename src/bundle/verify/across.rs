//! What concerns several records: none is there twice, each reversal undoes exactly what it reverses, and records of one pseudonym follow
//! from each other.
//!
//! Records stay where their parts put them, and are only pointed at: a month has millions.

use hashbrown::HashSet;

use super::part::{Part, PartDone, Seen, ShortId};
use super::{Fault, Verified};
use crate::domain::ids::SettlementId;

/// Where a record is: in which part, and its place there.
type Place = (u32, u32);

/// All records, by their places.
struct Records<'a> {
    parts: &'a [Part],
    done: &'a [PartDone],
}

/// Compares all records with each other.
pub(super) fn check(parts: &[Part], done: &[PartDone]) -> Result<Verified, Fault> {
    let mut verified = Verified::default();
    let mut postings: HashSet<[u8; 16]> = HashSet::new();
    for (number, part) in done.iter().enumerate() {
        verified.leaves = verified.leaves.saturating_add(part.tree.leaves());
        for posting in &part.postings {
            if !postings.insert(*posting) {
                let file = parts.get(number).map(|part| part.entry.name.as_str());
                let why = ("a posting is there twice", "记账重复");
                return Err(Fault::of_file(file.unwrap_or_default(), why).in_field("posting_id"));
            }
        }
        for (sum, fen) in verified.totals_fen.iter_mut().zip(part.totals_fen) {
            *sum = sum.saturating_add(fen);
        }
    }
    verified.postings = count(postings.len());
    let records = Records { parts, done };
    let by_id = records.once_each()?;
    records.undo_what_they_reverse(&by_id, &mut verified)?;
    drop(by_id);
    records.follow(&mut verified)?;
    Ok(verified)
}

impl Records<'_> {
    fn all(&self) -> impl Iterator<Item = (Place, &Seen)> {
        (0..).zip(self.done).flat_map(|(part, done)| {
            (0..).zip(&done.records).map(move |(at, seen)| ((part, at), seen))
        })
    }

    fn at(&self, (part, at): Place) -> Option<&Seen> {
        let part = self.done.get(usize::try_from(part).ok()?)?;
        part.records.get(usize::try_from(at).ok()?)
    }

    /// All of them by their ids, each of which must be there once.
    fn once_each(&self) -> Result<Vec<(ShortId, Place)>, Fault> {
        let mut by_id = Vec::with_capacity(self.done.iter().map(|part| part.records.len()).sum());
        by_id.extend(self.all().map(|(place, seen)| (seen.id, place)));
        by_id.sort_unstable();
        let again = by_id.windows(2).filter_map(|pair| match pair {
            [(one, _), (next, place)] if one == next => Some(*place),
            _ => None,
        });
        match again.min() {
            None => Ok(by_id),
            Some(place) => {
                Err(self.fault(place, "settlement_id", ("it is there twice", "记录重复")))
            }
        }
    }

    /// Each reversal undoes a settlement exactly, and no settlement is undone twice. Those of another month are not here.
    fn undo_what_they_reverse(
        &self,
        by_id: &[(ShortId, Place)],
        verified: &mut Verified,
    ) -> Result<(), Fault> {
        let mut undone: HashSet<ShortId> = HashSet::new();
        for (place, seen) in self.all() {
            let Some(reverses) = seen.reverses else {
                verified.settlements = verified.settlements.saturating_add(1);
                continue;
            };
            verified.reversals = verified.reversals.saturating_add(1);
            let found = by_id.binary_search_by_key(&reverses, |(id, _)| *id).ok();
            let found = found.and_then(|at| self.at(by_id.get(at)?.1));
            let Some(settled) = found else {
                verified.reversals_of_others = verified.reversals_of_others.saturating_add(1);
                continue;
            };
            if settled.reverses.is_some() {
                let why = ("what it undoes is no settlement", "所撤销的记录不是结算");
                return Err(self.fault(place, "reverses", why));
            }
            if !undone.insert(reverses) {
                let why = ("what it undoes was undone before", "所撤销的结算已被撤销");
                return Err(self.fault(place, "reverses", why));
            }
            if settled.undone != seen.undone {
                let why = ("it does not undo exactly what it reverses", "撤销金额与原结算不符");
                return Err(self.fault(place, "amounts", why));
            }
        }
        Ok(())
    }

    /// Counts pseudonyms, and sees that of two records of one, one right after the other, the second saw used what the first had left.
    fn follow(&self, verified: &mut Verified) -> Result<(), Fault> {
        let mut places: Vec<Place> = self.all().map(|(place, _)| place).collect();
        let key =
            |place: &Place| self.at(*place).map(|seen| (&seen.pseudonym, seen.ledger_version));
        places.sort_unstable_by(|one, other| key(one).cmp(&key(other)));
        verified.persons = u64::from(!places.is_empty());
        for pair in places.windows(2) {
            let [one, place] = *pair else { continue };
            let (Some(one), Some(next)) = (self.at(one), self.at(place)) else { continue };
            if one.pseudonym != next.pseudonym {
                verified.persons = verified.persons.saturating_add(1);
                continue;
            }
            if one.ledger_version == next.ledger_version {
                let why =
                    ("two records of one pseudonym came at once", "同一化名有两条相同版本的记录");
                return Err(self.fault(place, "ledger_version", why));
            }
            let follows = one.ledger_version.checked_add(1) == Some(next.ledger_version);
            if let (true, Some((_, after)), Some((before, _))) = (follows, one.used, next.used)
                && one.rules == next.rules
            {
                if after != before {
                    let why = (
                        "what was used before it is not what the record before it left",
                        "累计与同一化名的前一条记录不衔接",
                    );
                    return Err(self.fault(place, "before", why));
                }
                verified.links = verified.links.saturating_add(1);
            }
        }
        Ok(())
    }

    fn fault(&self, place: Place, field: &str, why: (&'static str, &'static str)) -> Fault {
        let part = usize::try_from(place.0).ok().and_then(|part| self.parts.get(part));
        let file = part.map(|part| part.entry.name.as_str()).unwrap_or_default();
        let fault = Fault::of_file(file, why).in_field(field);
        let Some(seen) = self.at(place) else { return fault };
        let (bucket, unix_ms, random) = seen.id;
        fault.at(&SettlementId::compose(bucket, unix_ms, random).to_string())
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
