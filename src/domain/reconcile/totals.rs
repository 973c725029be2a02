//! Sums of both sides: of a whole group, and by class.

use super::{Amounts, Class, Classed, Field, Told};

/// How many rows, and what they come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Rows.
    pub rows: u64,
    /// Their amounts.
    pub amounts: Amounts,
}

/// What both sides say in one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassTotal {
    /// Ours.
    pub ours: Sum,
    /// Theirs.
    pub theirs: Sum,
}

/// What came of a statement, class by class, in the order of [`Class::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report(pub [ClassTotal; 7]);

impl Sum {
    /// One row more; nothing where it does not fit.
    pub fn add(&mut self, amounts: &Amounts) -> Option<()> {
        self.amounts = self.amounts.plus(amounts)?;
        self.rows = self.rows.checked_add(1)?;
        Some(())
    }

    /// Both together, or nothing where it does not fit.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        let rows = self.rows.checked_add(other.rows)?;
        Some(Self { rows, amounts: self.amounts.plus(&other.amounts)? })
    }
}

impl Report {
    /// Counts what was put together; nothing where a sum does not fit.
    pub fn add(&mut self, classed: &Classed) -> Option<()> {
        let total = self.class_mut(classed.class)?;
        if let Some(ours) = &classed.ours {
            total.ours.add(&ours.amounts)?;
        }
        if let Some(theirs) = &classed.theirs {
            total.theirs.add(&theirs.amounts)?;
        }
        Some(())
    }

    /// What both sides say in a class.
    pub fn class(&self, class: Class) -> ClassTotal {
        let found = Class::ALL.into_iter().zip(self.0).find(|(of, _)| *of == class);
        found.map(|(_, total)| total).unwrap_or_default()
    }

    /// Has what is recorded of a class.
    pub fn set(&mut self, class: Class, total: ClassTotal) {
        if let Some(place) = self.class_mut(class) {
            *place = total;
        }
    }

    fn class_mut(&mut self, class: Class) -> Option<&mut ClassTotal> {
        let place = Class::ALL.into_iter().zip(self.0.iter_mut()).find(|(of, _)| *of == class);
        place.map(|(_, total)| total)
    }

    /// All rows of both sides; nothing where a sum does not fit.
    pub fn sums(&self) -> Option<ClassTotal> {
        self.0.iter().try_fold(ClassTotal::default(), |sum, class| {
            let ours = sum.ours.plus(&class.ours)?;
            Some(ClassTotal { ours, theirs: sum.theirs.plus(&class.theirs)? })
        })
    }
}

/// What is told of two sums: the centre's, which is ours, and the institution's.
pub fn compare(ours: &Sum, theirs: &Sum) -> Told {
    if ours == theirs {
        return Told::Equal;
    }
    let rows = ours.rows.cmp(&theirs.rows);
    let amounts =
        Field::ALL.into_iter().map(|field| ours.amounts.get(field).cmp(&theirs.amounts.get(field)));
    let mut all = amounts.chain([rows]);
    if all.clone().all(std::cmp::Ordering::is_ge) {
        Told::CentreMore
    } else if all.all(std::cmp::Ordering::is_le) {
        Told::InstitutionMore
    } else {
        Told::Differ
    }
}
