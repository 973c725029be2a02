//! Puts the rows of both sides together, in one pass over rows that come ordered by pair.

use super::{Class, Row, Side};

/// A row of ours and a row of theirs that belong together, or one that belongs to none, with its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classed {
    /// Their class.
    pub class: Class,
    /// Ours.
    pub ours: Option<Row>,
    /// Theirs.
    pub theirs: Option<Row>,
}

/// The rows of one pair so far. However often a row is repeated, no more than one of each side and kind is held.
#[derive(Debug, Default)]
pub struct Matching {
    settled: Sides,
    reversed: Sides,
}

#[derive(Debug, Default)]
struct Sides {
    ours: Option<Row>,
    theirs: Option<Row>,
}

impl Matching {
    /// Takes the next row. Where it belongs to another pair than those before, what came of them is told first; a row that
    /// repeats one is told at once.
    pub fn take(&mut self, row: Row, told: &mut Vec<Classed>) {
        let pair = self.rows().next().map(|first| &first.pair);
        if pair.is_some_and(|pair| *pair != row.pair) {
            self.end(told);
        }
        let sides = if row.refund { &mut self.reversed } else { &mut self.settled };
        let place = match row.side {
            Side::Ours => &mut sides.ours,
            Side::Theirs => &mut sides.theirs,
        };
        match (place.is_some(), row.side) {
            (false, _) => *place = Some(row),
            (true, Side::Theirs) => {
                told.push(Classed { class: Class::Repeated, ours: None, theirs: Some(row) });
            }
            // The ledger has no two of one id; were there two, the second would stand alone and be seen.
            (true, Side::Ours) => {
                told.push(Classed { class: Class::OnlyOurs, ours: Some(row), theirs: None });
            }
        }
    }

    /// Tells what came of the last pair.
    pub fn end(&mut self, told: &mut Vec<Classed>) {
        let Self { settled, reversed } = std::mem::take(self);
        let settled_on = (settled.ours.is_some(), settled.theirs.is_some());
        told.extend(settled.classed(only));
        // A reversal stands on one side alone. Where that side alone has the settlement too, the other never had either; else
        // both have it, in this statement or in an earlier one.
        told.extend(reversed.classed(|side| match (side, settled_on) {
            (Side::Ours, (true, false)) | (Side::Theirs, (false, true)) => only(side),
            (Side::Ours | Side::Theirs, _) => Class::ReversedOnOneSide,
        }));
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        let Self { settled, reversed } = self;
        [&settled.ours, &settled.theirs, &reversed.ours, &reversed.theirs].into_iter().flatten()
    }
}

impl Sides {
    fn classed(self, alone: impl Fn(Side) -> Class) -> Option<Classed> {
        let Self { ours, theirs } = self;
        let class = match (&ours, &theirs) {
            (None, None) => return None,
            (Some(ours), Some(theirs)) if ours.amounts == theirs.amounts => Class::Equal,
            (Some(_), Some(_)) => Class::AmountsDiffer,
            (Some(_), None) => alone(Side::Ours),
            (None, Some(_)) => alone(Side::Theirs),
        };
        Some(Classed { class, ours, theirs })
    }
}

const fn only(side: Side) -> Class {
    match side {
        Side::Ours => Class::OnlyOurs,
        Side::Theirs => Class::OnlyTheirs,
    }
}

impl Classed {
    /// A side that has the row.
    pub const fn has(&self) -> Side {
        if self.ours.is_some() { Side::Ours } else { Side::Theirs }
    }

    /// What the ledger as a whole says of a row of theirs that nothing of this statement's days answers: `settled` says whether
    /// we have its settlement at all, `same` whether we have that very row, on another day.
    pub fn look_further(&mut self, settled: bool, same: bool) {
        let Some(theirs) = self.theirs.as_ref().filter(|_| self.ours.is_none()) else { return };
        match self.class {
            Class::OnlyTheirs | Class::ReversedOnOneSide if same => self.class = Class::OtherDay,
            Class::ReversedOnOneSide if !settled => self.class = Class::OnlyTheirs,
            Class::OnlyTheirs if settled && theirs.refund => self.class = Class::ReversedOnOneSide,
            Class::Equal
            | Class::OnlyOurs
            | Class::OnlyTheirs
            | Class::AmountsDiffer
            | Class::Repeated
            | Class::ReversedOnOneSide
            | Class::OtherDay => {}
        }
    }
}
