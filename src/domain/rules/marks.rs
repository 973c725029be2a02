//! Conditions that are told in one look: what a bill shows of the things that are asked for most, as bits.

use std::ops::Deref;

use super::super::bill::{Care, Referral};
use super::{Condition, Place, Transfer};

/// One bit for each value of the things of which a bill shows exactly one. As what a bill shows: the bits of its values. As what
/// a condition wants: the bits of all values under which it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    identity: u64,
    others: u64,
}

/// A condition, and what of it can be told in one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    condition: Condition,
    wanted: Marks,
    rest: Option<Condition>,
}

/// Where the bits of one thing lie.
#[derive(Clone, Copy)]
struct Group {
    shift: u32,
    values: u32,
}

const NO_IDENTITY: u64 = 1;
/// Levels 0 to 7, and one bit for every other, which no condition names.
const LEVEL: Group = Group { shift: 8, values: 8 };
const PLACE: Group = Group { shift: 24, values: 3 };
const REFERRAL: Group = Group { shift: 32, values: 5 };
const CARE: Group = Group { shift: 40, values: 3 };
const TRANSFER: Group = Group { shift: 48, values: 4 };

impl Group {
    /// The bits of all values, the one that no condition names included.
    const fn all(self) -> u64 {
        (1_u64.wrapping_shl(self.values.wrapping_add(1)).wrapping_sub(1)).wrapping_shl(self.shift)
    }

    /// The bits of some values, given from bit 0 on.
    const fn of(self, values: u64) -> u64 {
        let known = values & (1_u64.wrapping_shl(self.values).wrapping_sub(1));
        known.wrapping_shl(self.shift)
    }

    /// The bit of one value.
    fn one<T: PartialEq>(self, all: &[T], value: T) -> u64 {
        let place = all.iter().zip(0_u32..).find(|(known, _)| **known == value);
        self.at(place.map_or(self.values, |(_, place)| place))
    }

    fn at(self, place: u32) -> u64 {
        1_u64.wrapping_shl(self.shift.wrapping_add(place.min(self.values)))
    }

    /// What a condition on this thing alone wants.
    const fn wanted(self, values: u64, holds: bool) -> Marks {
        let named = self.of(values);
        let allowed = if holds { named } else { self.all() & !named };
        Marks { identity: u64::MAX, others: !self.all() | allowed }
    }
}

impl Marks {
    /// What a condition wants that holds always.
    const ANY: Self = Self { identity: u64::MAX, others: u64::MAX };

    /// What a bill shows, with no identity.
    pub fn shown(
        level: u8,
        (place, referral): (Place, Referral),
        care: Care,
        transfer: Transfer,
    ) -> Self {
        let others = NO_IDENTITY
            | LEVEL.at(level.into())
            | PLACE.one(&Place::ALL, place)
            | REFERRAL.one(&Referral::ALL, referral)
            | CARE.one(&Care::ALL, care)
            | TRANSFER.one(&Transfer::ALL, transfer);
        Self { identity: 0, others }
    }

    /// The same with an identity, by its index.
    pub fn with_identity(self, identity: Option<u16>) -> Self {
        match identity.and_then(|identity| 1_u64.checked_shl(identity.into())) {
            Some(identity) => Self { identity, others: self.others & !NO_IDENTITY },
            None => self,
        }
    }

    const fn and(self, other: Self) -> Self {
        Self { identity: self.identity & other.identity, others: self.others & other.others }
    }
}

impl When {
    /// What is left to ask where a bill shows this; nothing where the condition fails at the first look.
    #[inline]
    pub fn look(&self, shown: Marks) -> Option<Option<&Condition>> {
        if shown.others & !self.wanted.others != 0 || shown.identity & !self.wanted.identity != 0 {
            return None;
        }
        Some(self.rest.as_ref())
    }
}

impl From<Condition> for When {
    fn from(condition: Condition) -> Self {
        let parts = if let Condition::All(parts) = &condition {
            parts.as_slice()
        } else {
            std::slice::from_ref(&condition)
        };
        let mut wanted = Marks::ANY;
        let mut rest: Vec<Condition> = Vec::new();
        for part in parts {
            // Wherever it stands: where one part fails the whole does, also beside one that nobody can tell.
            match seen(part) {
                Some(marks) => wanted = wanted.and(marks),
                None => rest.push(part.clone()),
            }
        }
        let rest = (!rest.is_empty()).then_some(Condition::All(rest));
        Self { condition, wanted, rest }
    }
}

impl Deref for When {
    type Target = Condition;

    fn deref(&self) -> &Condition {
        &self.condition
    }
}

/// What a condition wants, where one look tells all of it.
fn seen(condition: &Condition) -> Option<Marks> {
    let (part, holds) =
        if let Condition::Not(part) = condition { (&**part, false) } else { (condition, true) };
    Some(match part {
        Condition::Identity(bits) if holds => Marks { identity: *bits, others: !NO_IDENTITY },
        Condition::Identity(bits) => Marks { identity: !*bits, ..Marks::ANY },
        Condition::Level(bits) => LEVEL.wanted(*bits, holds),
        Condition::Place(bits) => PLACE.wanted(*bits, holds),
        Condition::Referral(bits) => REFERRAL.wanted(*bits, holds),
        Condition::Care(bits) => CARE.wanted(*bits, holds),
        Condition::Transfer(bits) => TRANSFER.wanted(*bits, holds),
        Condition::All(_)
        | Condition::Any(_)
        | Condition::Not(_)
        | Condition::Disease(_)
        | Condition::Age(_)
        | Condition::Stay(_)
        | Condition::StaySameLevel(_)
        | Condition::Hospital(_)
        | Condition::TreatmentRegion(_)
        | Condition::FactWithin(..)
        | Condition::FactFlag(..)
        | Condition::FactChoice(..)
        | Condition::NothingFrom(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: (Place, Referral) = (Place::Local, Referral::None);

    fn shown(level: u8, identity: Option<u16>) -> Marks {
        Marks::shown(level, HERE, Care::Inpatient, Transfer::None).with_identity(identity)
    }

    /// Does the first look pass, and does it leave nothing to ask?
    fn check(condition: Condition, shown: Marks, expected: Option<bool>) {
        let when = When::from(condition);
        let looked = when.look(shown);
        assert_eq!(looked.map(|rest| rest.is_none()), expected, "{when:?} {shown:?}");
    }

    #[test]
    fn one_look_tells_what_a_bill_shows_one_of() {
        let levels = || Condition::Level(0b1010);
        check(Condition::always(), shown(3, None), Some(true));
        check(levels(), shown(3, None), Some(true));
        check(levels(), shown(2, None), None);
        check(Condition::Not(Box::new(levels())), shown(2, None), Some(true));
        check(Condition::Not(Box::new(levels())), shown(3, None), None);
        // A level that no condition can name is in none, and not in the others.
        check(Condition::Level(u64::MAX), shown(9, None), None);
        check(Condition::Not(Box::new(levels())), shown(9, None), Some(true));
        check(Condition::Care(1), shown(1, None), Some(true));
        check(Condition::All(vec![levels(), Condition::Level(0b10)]), shown(3, None), None);
    }

    #[test]
    fn an_identity_is_one_of_the_named_or_is_not() {
        let low = || Condition::Identity(0b100);
        check(low(), shown(1, Some(2)), Some(true));
        check(low(), shown(1, Some(1)), None);
        check(low(), shown(1, None), None);
        check(Condition::Not(Box::new(low())), shown(1, None), Some(true));
        check(Condition::Not(Box::new(low())), shown(1, Some(2)), None);
        check(Condition::Identity(u64::MAX), shown(1, Some(63)), Some(true));
        check(Condition::Identity(u64::MAX), shown(1, Some(64)), None);
    }

    #[test]
    fn what_a_look_can_not_tell_is_left_to_ask() {
        let age = Condition::All(vec![
            Condition::Level(0b10),
            Condition::Stay(super::super::Span { at_least: 2, below: 9 }),
            Condition::Place(0b10),
        ]);
        let place =
            |place| Marks::shown(1, (place, Referral::None), Care::Inpatient, Transfer::None);
        check(age.clone(), place(Place::Province), Some(false));
        check(age.clone(), shown(2, None), None);
        // What can be told is told wherever it stands.
        check(age, place(Place::Local), None);
        check(Condition::Any(vec![Condition::Level(0b10)]), shown(2, None), Some(false));
    }
}
