//! The national interface's codes: results in both published encodings, and the clearing type.

use super::{Care, Class, Side};

/// How a result is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One digit: 0 equal, 1 the centre has more, 2 the institution has more, 3 the data differ.
    Short,
    /// Six digits. 000000 equal and 000103 amounts differ are published; 000101 and 000102 for what one side alone has follow
    /// from their order and were not seen in a public source.
    Long,
}

/// What the other side is told of a row. The centre is this gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// Both say the same.
    Equal,
    /// The centre has more.
    CentreMore,
    /// The institution has more.
    InstitutionMore,
    /// The data differ.
    Differ,
}

impl Told {
    /// Its code.
    pub const fn code(self, encoding: Encoding) -> &'static str {
        match (encoding, self) {
            (Encoding::Short, Self::Equal) => "0",
            (Encoding::Short, Self::CentreMore) => "1",
            (Encoding::Short, Self::InstitutionMore) => "2",
            (Encoding::Short, Self::Differ) => "3",
            (Encoding::Long, Self::Equal) => "000000",
            (Encoding::Long, Self::CentreMore) => "000101",
            (Encoding::Long, Self::InstitutionMore) => "000102",
            (Encoding::Long, Self::Differ) => "000103",
        }
    }

    /// What it means, in Chinese and English.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Equal => ("对账一致", "equal"),
            Self::CentreMore => ("中心多", "the centre has more"),
            Self::InstitutionMore => ("机构多", "the institution has more"),
            Self::Differ => ("数据不一致", "the data differ"),
        }
    }
}

/// What is told of a class; `has` is a side that has the row.
pub const fn told(class: Class, has: Side) -> Told {
    match (class, has) {
        (Class::Equal, _) => Told::Equal,
        (Class::AmountsDiffer, _) => Told::Differ,
        (Class::OnlyOurs, _) | (Class::ReversedOnOneSide, Side::Ours) => Told::CentreMore,
        // On the day of the statement the centre does not have what it has on another.
        (Class::OnlyTheirs | Class::Repeated | Class::OtherDay, _)
        | (Class::ReversedOnOneSide, Side::Theirs) => Told::InstitutionMore,
    }
}

/// The clearing type [clr_type] of a settlement: what is recorded, else what its kind of care gives. The one place that says so.
pub fn clearing_type(recorded: &str, care: Care) -> &str {
    if !recorded.is_empty() {
        return recorded;
    }
    match care {
        Care::Inpatient => "21",
        Care::Outpatient | Care::OutpatientChronic => "11",
    }
}

/// The kinds of care whose settlements are of this clearing type where none is recorded.
pub fn cares_of(clearing: &str) -> Vec<&'static str> {
    let of = |care: &Care| clearing_type("", *care) == clearing;
    Care::ALL.into_iter().filter(of).map(Care::word).collect()
}
