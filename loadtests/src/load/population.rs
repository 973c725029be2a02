//! Who and what is there: persons, their coverage and class of aid, hospitals, a catalogue. All of it follows from an index.
use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use onestop::domain::ids::PersonId;

use crate::numbers;

/// Where persons are insured: Liupanshui, by its package of 2024.
pub const REGION: &str = "520200";
pub const PACKAGE: &str = "520200-resident-2024";
/// Where the hot persons are insured: a package that pays for outpatient care by itself, so that one person can come any
/// number of times. Jilin, by its package of 2016 to 2018.
pub const HOT_REGION: &str = "220000";
/// Hot persons stand behind the others.
pub const HOT_PERSONS: u32 = 512;
/// Long before any package.
pub const ALWAYS: Date = date(2000, 1, 1);

/// Hospitals of each level in the prefecture.
pub const HOSPITALS_OF_LEVEL: u32 = 20;
/// Items of the catalogue.
pub const ITEMS: u32 = 4_000;

/// Classes of aid, and how many of 91 242 recipients of a prefecture hold each. The last is those whose class (poor housing)
/// no layer asks for.
const CLASSES: [(&str, u32); 6] = [
    ("extreme_poverty", 336),
    ("low_income", 17_757),
    ("low_income_edge", 23_678),
    ("illness_poverty", 11_093),
    ("deep_hardship_worker", 24_434),
    ("", 13_944),
];

/// A person of nobody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: i64,
    pub bucket: i16,
    pub number: String,
    pub birth: Date,
    pub region: &'static str,
    /// Empty: none that a layer asks for.
    pub class: &'static str,
}

/// The `index`-th person of so many.
pub fn person(index: u32, persons: u32) -> Person {
    let birth = birth(index);
    let hot = persons <= index;
    let id = i64::from(index) + 1;
    Person {
        id,
        bucket: PersonId::new(id).map_or(0, PersonId::bucket),
        number: numbers::identity_number(index, birth),
        birth,
        region: if hot { HOT_REGION } else { REGION },
        class: if hot { "low_income" } else { class(index) },
    }
}

/// The number by which a person is known; cheaper than the whole person.
pub fn number(index: u32) -> String {
    numbers::identity_number(index, birth(index))
}

fn birth(index: u32) -> Date {
    let days = i32::try_from(mixed(index, 1) % 30_000).unwrap_or(0);
    date(2019, 12, 31).checked_sub(days.days()).unwrap_or(ALWAYS)
}

fn class(index: u32) -> &'static str {
    let all: u32 = CLASSES.iter().map(|(_, share)| share).sum();
    let mut drawn = mixed(index, 2) % u64::from(all);
    for (class, share) in CLASSES {
        if drawn < u64::from(share) {
            return class;
        }
        drawn -= u64::from(share);
    }
    ""
}

/// Chance that follows from an index (splitmix64).
pub fn mixed(index: u32, salt: u64) -> u64 {
    let mut mixed = (u64::from(index) ^ (salt << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A hospital of a level from 1 to 3: "H52020310107".
pub fn hospital_code(region: &str, level: u32, number: u32) -> String {
    format!("H{region}{level}{:04}", number % HOSPITALS_OF_LEVEL)
}

/// The treatment region of all hospitals of a place: a district of it.
pub fn hospital_region(region: &str) -> String {
    format!("{}03", region.get(..4).unwrap_or_default())
}

/// An item of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub code: String,
    pub class: char,
    /// In billionths.
    pub advance_ratio: Option<i64>,
    /// By hospital level, in fen.
    pub ceilings_fen: Option<[i64; 3]>,
    pub price_fen: i64,
}

/// The `index`-th item. National codes have 20 (consumables), 23 (drugs) or 27 (services) characters.
pub fn item(index: u32) -> Item {
    let chance = mixed(index, 3);
    // Of twenty: nine are class A, nine class B, two class C.
    let class = match chance % 20 {
        0..9 => 'A',
        9..18 => 'B',
        _ => 'C',
    };
    let code = match index % 3 {
        0 => format!("XA01ABD075A00201010{index:04}"),
        1 => format!("00110200001000099110000{index:04}"),
        _ => format!("C0204010030040{index:06}"),
    };
    let magnitude = [100, 1_000, 10_000].get(usize::try_from(chance >> 8 & 0xff).unwrap_or(0) % 3);
    let price_fen =
        magnitude.copied().unwrap_or(100) * i64::from(1 + index % 9) + i64::from(index % 97);
    let advance_ratio = match (class, index % 5) {
        ('B', 0) => Some(300_000_000),
        ('B', 1) => Some(200_000_000),
        _ => None,
    };
    let ceilings_fen = match (class, index % 4) {
        ('A' | 'B', 0) => Some([95, 105, 115].map(|percent| price_fen * percent / 100)),
        _ => None,
    };
    Item { code, class, advance_ratio, ceilings_fen, price_fen }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn persons_follow_from_their_index_and_keep_the_shares() {
        assert_eq!(person(7, 100), person(7, 100));
        assert_eq!(person(7, 100).number, number(7));
        let mut classes: BTreeMap<&str, u32> = BTreeMap::new();
        for index in 0..91_242 {
            *classes.entry(class(index)).or_default() += 1;
        }
        for (class, share) in CLASSES {
            let held = classes.get(class).copied().unwrap_or(0);
            assert!(held.abs_diff(share) < 100 + share / 20, "{class}: {held} for {share}");
        }
        assert_eq!((person(100, 100).region, person(99, 100).region), (HOT_REGION, REGION));
    }

    #[test]
    fn items_are_unlike_and_as_long_as_national_ones() {
        let codes: BTreeSet<_> = (0..ITEMS).map(|index| item(index).code).collect();
        assert_eq!(codes.len(), usize::try_from(ITEMS).unwrap());
        assert!(codes.iter().all(|code| (20..=27).contains(&code.len())));
        assert!((0..ITEMS).any(|index| item(index).ceilings_fen.is_some()));
        assert!((0..ITEMS).all(|index| 0 < item(index).price_fen));
        assert_eq!(hospital_code(REGION, 3, 27).len(), 12);
    }
}
