//! What concerns several records: none is there twice, each reversal undoes exactly what it reverses, and records of one pseudonym follow
//! from each other.

use hashbrown::{HashMap, HashSet};

use super::part::{Part, PartDone, Seen, ShortId};
use super::{Fault, Verified};
use crate::domain::ids::SettlementId;

/// Compares all records with each other.
pub(super) fn check(parts: &[Part], done: Vec<PartDone>) -> Result<Verified, Fault> {
    let mut verified = Verified::default();
    // Of each settlement: what undoing it must do, and whether that was done.
    let mut settlements: HashMap<ShortId, ([u8; 16], bool)> = HashMap::new();
    let mut reversal_ids: HashSet<ShortId> = HashSet::new();
    let mut postings: HashSet<[u8; 16]> = HashSet::new();
    let mut links: Vec<(Seen, usize)> = Vec::new();
    for (number, part) in done.iter().enumerate() {
        verified.leaves = verified.leaves.saturating_add(part.tree.leaves());
        for seen in &part.records {
            let is_new = match seen.reverses {
                None => settlements.insert(seen.id, (seen.undone, false)).is_none(),
                Some(_) => reversal_ids.insert(seen.id),
            };
            if !is_new || (seen.reverses.is_some() && settlements.contains_key(&seen.id)) {
                let why = ("it is there twice", "记录重复");
                return Err(fault(parts, number, seen).in_field_of("settlement_id", why));
            }
        }
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
    verified.settlements = count(settlements.len());
    verified.reversals = count(reversal_ids.len());
    verified.postings = count(postings.len());
    for (number, part) in done.into_iter().enumerate() {
        for seen in part.records {
            if let Some(reverses) = seen.reverses {
                match settlements.get_mut(&reverses) {
                    None => {
                        verified.reversals_of_others =
                            verified.reversals_of_others.saturating_add(1);
                    }
                    Some((_, true)) => {
                        let why = ("what it undoes was undone before", "所撤销的结算已被撤销");
                        return Err(fault(parts, number, &seen).in_field_of("reverses", why));
                    }
                    Some((undone, _)) if *undone != seen.undone => {
                        let why =
                            ("it does not undo exactly what it reverses", "撤销金额与原结算不符");
                        return Err(fault(parts, number, &seen).in_field_of("amounts", why));
                    }
                    Some((_, is_undone)) => *is_undone = true,
                }
            }
            links.push((seen, number));
        }
    }
    follow(parts, links, &mut verified)?;
    Ok(verified)
}

/// Counts pseudonyms, and sees that of two records of one, one right after the other, the second saw used what the first had left.
fn follow(
    parts: &[Part],
    mut links: Vec<(Seen, usize)>,
    verified: &mut Verified,
) -> Result<(), Fault> {
    links.sort_unstable_by_key(|(seen, _)| (seen.pseudonym, seen.ledger_version));
    verified.persons = u64::from(!links.is_empty());
    for pair in links.windows(2) {
        let [(one, _), (next, number)] = pair else { continue };
        if one.pseudonym != next.pseudonym {
            verified.persons = verified.persons.saturating_add(1);
            continue;
        }
        if one.ledger_version == next.ledger_version {
            let why = ("two records of one pseudonym came at once", "同一化名有两条相同版本的记录");
            return Err(fault(parts, *number, next).in_field_of("ledger_version", why));
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
                return Err(fault(parts, *number, next).in_field_of("before", why));
            }
            verified.links = verified.links.saturating_add(1);
        }
    }
    Ok(())
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// A record in its file, of which something is yet to be said.
struct Of {
    file: String,
    record: String,
}

impl Of {
    fn in_field_of(self, field: &str, why: (&'static str, &'static str)) -> Fault {
        Fault::of_file(&self.file, why).at(&self.record).in_field(field)
    }
}

fn fault(parts: &[Part], number: usize, seen: &Seen) -> Of {
    let (bucket, unix_ms, random) = seen.id;
    let file = parts.get(number).map(|part| part.entry.name.clone()).unwrap_or_default();
    Of { file, record: SettlementId::compose(bucket, unix_ms, random).to_string() }
}
