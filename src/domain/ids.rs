//! One type per id. Each can only be made from text that fits it.

mod text;

use std::fmt;

use self::text::Text;

/// How many buckets persons fall into. Chosen once, for ever: it is the first column of every key that carries a person.
pub const BUCKETS: i16 = 128;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $longest:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Text<$longest>);

        impl $name {
            /// The most characters it may have.
            pub const LENGTH_MAX: usize = $longest;

            /// Takes visible ASCII of at most [`Self::LENGTH_MAX`] characters.
            pub fn new(text: &str) -> Option<Self> {
                Self::from_bytes(text.as_bytes())
            }

            /// Takes the same of text that nobody has looked at yet.
            #[inline]
            pub fn from_bytes(text: &[u8]) -> Option<Self> {
                Text::new(text).map(Self)
            }

            /// The text.
            #[inline]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// Its characters.
            #[inline]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }

            /// The text as logs and spans may show it.
            pub fn logged(&self) -> Logged<'_> {
                Logged(self.as_str())
            }
        }

        /// As logs may show it.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.logged().to_string()).finish()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

/// Text of somebody else's, for logs and spans: some hospitals use their patient's identity number as an id. Shown are then the
/// first six digits, which say where, and the last two characters; never who. A person number of the registry looks like any other
/// id and is shown whole: by these ids an operator finds a call, so hospitals are told to use no number of a person's for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged<'a>(pub &'a str);

impl fmt::Display for Logged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.get(..6), self.0.get(16..)) {
            (Some(first), Some(last)) if names_a_person(self.0) => {
                write!(f, "{first}**********{last}")
            }
            (Some(_) | None, Some(_) | None) => f.write_str(self.0),
        }
    }
}

/// An identity number with a day of birth: not merely any 18 digits whose last one happens to fit.
fn names_a_person(text: &str) -> bool {
    let part = |from, to| text.get(from..to).unwrap_or_default();
    let day = format!("{}-{}-{}", part(6, 10), part(10, 12), part(12, 14));
    identity_number_is_valid(text) && day.parse::<jiff::civil::Date>().is_ok()
}

text_id!(
    /// Chosen by the hospital before its first attempt, and sent again unchanged on every retry. [msgid]
    RequestId, 30
);
text_id!(
    /// A settlement or a reversal; carries its bucket. [setl_id]
    SettlementId, 30
);
text_id!(
    /// One admission to discharge. [mdtrt_id]
    StayId, 30
);
text_id!(
    /// A hospital. [fixmedins_code]
    HospitalCode, 12
);
text_id!(
    /// A national item code. [med_list_codg]
    ItemCode, 50
);
text_id!(
    /// A charge line, unique in its stay. [feedetl_sn]
    LineId, 30
);
text_id!(
    /// Who sits at the desk. [opter]
    OperatorId, 30
);
text_id!(
    /// A person's number as hospitals know it; says nothing about who it is. [psn_no]
    PersonNumber, 30
);
text_id!(
    /// An operator's signing in for a day. [sign_no]
    SignNumber, 30
);

/// An administrative region: six digits. [insuplc_admdvs, mdtrtarea_admvs]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionCode(u32);

impl RegionCode {
    /// Takes exactly six digits.
    pub fn new(text: &str) -> Option<Self> {
        let fits = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        if fits { text.parse().ok().map(Self) } else { None }
    }

    /// Takes the digits as a number.
    pub fn from_number(number: u32) -> Option<Self> {
        (number <= 999_999).then_some(Self(number))
    }

    /// The digits as a number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Is this another region, or one within it? The digits of a county, then of a prefecture, are zeros in the code of the whole.
    pub const fn lies_in(self, other: Self) -> bool {
        if other.0 == 0 {
            // Everywhere, as the catalogue has it too.
            true
        } else if other.0.is_multiple_of(10_000) {
            self.province() == other.province()
        } else if other.0.is_multiple_of(100) {
            self.prefecture() == other.prefecture()
        } else {
            self.0 == other.0
        }
    }

    /// The region of the first four digits: a prefecture.
    pub const fn prefecture(self) -> u32 {
        self.0 / 100
    }

    /// The region of the first two digits: a province.
    pub const fn province(self) -> u32 {
        self.0 / 10_000
    }

    /// Do the first two digits name a province, a municipality, an autonomous or a special region (GB/T 2260)?
    pub const fn is_of_a_province(self) -> bool {
        matches!(self.province(), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81 | 82)
    }
}

impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

/// A person; given once, never changes, says nothing about who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonId(i64);

impl PersonId {
    /// Takes a positive number.
    pub fn new(number: i64) -> Option<Self> {
        (0 < number).then_some(Self(number))
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The bucket it falls into, for ever: a mix of the number, so that neighbours part.
    pub fn bucket(self) -> i16 {
        let mut mixed = self.0.cast_unsigned();
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let buckets = BUCKETS.cast_unsigned().into();
        mixed.checked_rem(buckets).and_then(|bucket| i16::try_from(bucket).ok()).unwrap_or(0)
    }
}

/// SHA-256 over the canonical form of a rule package.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageHash(pub [u8; 32]);

impl fmt::Display for PackageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hex = [0; 64];
        let halves = self.0.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        for (place, half) in hex.iter_mut().zip(halves) {
            *place = if half < 10 { b'0' } else { b'a'.wrapping_sub(10) }.wrapping_add(half);
        }
        f.write_str(std::str::from_utf8(&hex).unwrap_or_default())
    }
}

impl fmt::Debug for PackageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackageHash({self})")
    }
}

impl SettlementId {
    /// Puts an id together: its bucket, when it was made, and randomness that no other process has.
    pub fn compose(bucket: i16, unix_ms: i64, random: u64) -> Self {
        let parts =
            [(bucket.cast_unsigned().into(), 2), (unix_ms.cast_unsigned(), 11), (random, 16)];
        let mut id = [b'S'; Self::LENGTH_MAX];
        let digits = parts.into_iter().flat_map(|(number, count)| hex_digits(number, count));
        for (place, digit) in id.iter_mut().skip(1).zip(digits) {
            *place = digit;
        }
        Self(Text::filled(id))
    }

    /// What it was put together of; nothing where the id was not made by us.
    pub fn parts(&self) -> Option<(i16, i64, u64)> {
        let digits = |from, to| u64::from_str_radix(self.as_str().get(from..to)?, 16).ok();
        let bucket = i16::try_from(digits(1, 3)?).ok()?;
        let (unix_ms, random) = (digits(3, 14)?.cast_signed(), digits(14, 30)?);
        (Self::compose(bucket, unix_ms, random) == *self).then_some((bucket, unix_ms, random))
    }

    /// The bucket of the person it belongs to; nothing where the id was not made by us.
    pub fn bucket(&self) -> Option<i16> {
        let id = self.as_str();
        let bucket = i16::from_str_radix(id.get(1..3)?, 16).ok()?;
        (id.len() == 30 && id.starts_with('S') && bucket < BUCKETS).then_some(bucket)
    }
}

/// The lowest so many digits of a number, highest first.
fn hex_digits(number: u64, count: u32) -> impl Iterator<Item = u8> {
    (0..count).rev().map(move |place| {
        let digit = number.checked_shr(place.saturating_mul(4)).unwrap_or(0) & 0xf;
        let from_digit = u32::try_from(digit).ok().and_then(|digit| char::from_digit(digit, 16));
        from_digit.and_then(|digit| u8::try_from(digit).ok()).unwrap_or(b'0').to_ascii_uppercase()
    })
}

/// Characters of a resident identity number.
pub const IDENTITY_NUMBER_LENGTH: usize = 18;

/// Is this a resident identity number: 17 digits and a check digit (GB 11643)?
pub fn identity_number_is_valid(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: [u8; 11] = *b"10X98765432";
    let bytes = text.as_bytes();
    let Some((check, digits)) = bytes.split_last() else { return false };
    if digits.len() != WEIGHTS.len() || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 = digits
        .iter()
        .zip(WEIGHTS)
        .map(|(digit, weight)| u32::from(digit.wrapping_sub(b'0')).wrapping_mul(weight))
        .sum();
    let expected = usize::try_from(sum % 11).ok().and_then(|rest| CHECKS.get(rest));
    expected == Some(&check.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_take_only_what_fits() {
        assert!(RequestId::new("H1234567890120240630120000001").is_some());
        for bad in ["", "has space", "换", "1234567890123456789012345678901", "tab\t"] {
            assert!(RequestId::new(bad).is_none(), "{bad}");
        }
        assert!(RegionCode::new("52020").is_none());
        assert_eq!(RegionCode::new("012345").unwrap().to_string(), "012345");
        let of_a_province = |text: &str| RegionCode::new(text).unwrap().is_of_a_province();
        assert!(["110000", "520201", "659001", "820000"].into_iter().all(of_a_province));
        assert!(!["000000", "020252", "162000", "550000", "999999"].into_iter().any(of_a_province));
    }

    #[test]
    fn a_settlement_id_carries_its_bucket() {
        let id = SettlementId::compose(0x7f, 1_700_000_000_000, u64::MAX);
        assert_eq!(id.as_str(), "S7F18BCFE56800FFFFFFFFFFFFFFFF");
        assert_eq!(id.bucket(), Some(0x7f));
        assert_eq!(SettlementId::new("somebody-elses").unwrap().bucket(), None);
    }

    #[test]
    fn a_hash_is_shown_in_lower_case() {
        let mut hash = PackageHash([0x0f; 32]);
        hash.0[1..4].copy_from_slice(&[0xf0, 0x9a, 0xa9]);
        let expected: String = hash.0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash.to_string(), expected);
    }

    #[test]
    fn check_digits() {
        assert!(identity_number_is_valid("11010519491231002X"));
        assert!(identity_number_is_valid("11010519491231002x"));
        assert!(!identity_number_is_valid("110105194912310021"));
        assert!(!identity_number_is_valid("11010519491231002"));
    }

    #[test]
    fn an_identity_number_used_as_an_id_is_not_logged() {
        let logged = |text: &str| RequestId::new(text).unwrap().logged().to_string();
        assert_eq!(logged("11010519491231002X"), "110105**********2X");
        assert_eq!(logged("11010519491231002x"), "110105**********2x");
        // No such day; a wrong check digit; any other id.
        for other in ["110105194913310021", "110105194912310021", "R1", "S7F0000000000"] {
            assert_eq!(logged(other), other);
        }
        assert!(identity_number_is_valid("110105194913310021"));
        // Whoever prints a whole structure prints its ids in this way.
        let printed = format!("{:?}", StayId::new("11010519491231002X"));
        assert_eq!(printed, r#"Some(StayId("110105**********2X"))"#);
        assert_eq!(format!("{:?}", StayId::new("Z1")), r#"Some(StayId("Z1"))"#);
    }

    #[test]
    fn buckets_spread() {
        let mut seen = [0_u32; 128];
        for number in 1..=12_800 {
            let bucket = PersonId::new(number).unwrap().bucket();
            seen[usize::try_from(bucket).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (50..200).contains(count)), "{seen:?}");
    }
}
