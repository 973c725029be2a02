//! Money is whole fen, rates are decimals scaled to integers, and one bridge between them names its rounding.

use std::fmt;

/// The largest amount we take: ten billion yuan. Sums of 10 000 such lines still fit into an `i64` many times over.
pub const FEN_MAX: i64 = 1_000_000_000_000;

/// One, in the scale of [`Rate`].
pub const RATE_ONE: i64 = 1_000_000_000;

/// An amount in whole fen; negative in reversals and refunds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fen(i64);

/// A ratio or weight, as an integer of billionths. At most nine decimals are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(i64);

/// How an amount that is not whole is brought to the fen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// Half a fen goes away from zero. The default.
    #[default]
    HalfUp,
    /// Half a fen goes to the even neighbour.
    HalfEven,
    /// Towards zero.
    Down,
    /// Away from zero.
    Up,
}

impl Fen {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Whole fen, of any size.
    pub const fn new(fen: i64) -> Self {
        Self(fen)
    }

    /// The number of fen.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Reads yuan with at most two decimals: `1234.50`. No sign but a leading minus, no exponent, no separators.
    pub fn parse_yuan(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let scaled = parse_scaled(digits, 2)?;
        let fen = if digits.len() == text.len() { scaled } else { scaled.checked_neg()? };
        (fen.checked_abs()? <= FEN_MAX).then_some(Self(fen))
    }

    /// Sum, or nothing where it does not fit.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// Difference, or nothing where it does not fit.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The same amount the other way round, or nothing where it does not fit.
    pub const fn checked_neg(self) -> Option<Self> {
        match self.0.checked_neg() {
            Some(negated) => Some(Self(negated)),
            None => None,
        }
    }

    /// This share of the amount, rounded as named.
    #[inline]
    pub fn share(self, rate: Rate, rounding: Rounding) -> Option<Self> {
        if rate == Rate::ONE {
            return Some(self);
        }
        if rate == Rate::ZERO {
            return Some(Self::ZERO);
        }
        // Nearly every product fits into one machine word.
        match self.0.checked_mul(rate.0) {
            Some(exact) => round_narrow(exact, rounding),
            None => {
                let exact = i128::from(self.0).checked_mul(i128::from(rate.0))?;
                round_scaled(exact, rounding)
            }
        }
    }
}

impl Rate {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// All.
    pub const ONE: Self = Self(RATE_ONE);

    /// From billionths.
    pub const fn from_billionths(billionths: i64) -> Self {
        Self(billionths)
    }

    /// In billionths.
    pub const fn billionths(self) -> i64 {
        self.0
    }

    /// Reads a decimal with at most nine decimals: `0.65`, `-1`. No exponent, no separators.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let scaled = parse_scaled(digits, 9)?;
        let billionths = if digits.len() == text.len() { scaled } else { scaled.checked_neg()? };
        Some(Self(billionths))
    }

    /// Product, rounded half-up to nine decimals.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        let exact = i128::from(self.0).checked_mul(i128::from(other.0))?;
        round_scaled(exact, Rounding::HalfUp).map(|product| Self(product.0))
    }

    /// Sum, or nothing where it does not fit.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }
}

/// Brings an exact amount in billionths of a fen to the fen. The only place where money is rounded.
pub fn round_scaled(exact: i128, rounding: Rounding) -> Option<Fen> {
    // Nearly every amount fits here, and a machine divides it in one step.
    match i64::try_from(exact) {
        Ok(exact) => round_narrow(exact, rounding),
        Err(_) => round_wide(exact, rounding),
    }
}

#[inline]
fn round_narrow(exact: i64, rounding: Rounding) -> Option<Fen> {
    let whole = exact.checked_div(RATE_ONE)?;
    let rest = exact.checked_rem(RATE_ONE)?;
    let doubled = rest.unsigned_abs().wrapping_mul(2);
    let one = RATE_ONE.unsigned_abs();
    let away = match rounding {
        Rounding::Down => false,
        Rounding::Up => rest != 0,
        Rounding::HalfUp => one <= doubled,
        Rounding::HalfEven => one < doubled || (doubled == one && whole & 1 != 0),
    };
    let step = if away { exact.signum() } else { 0 };
    whole.checked_add(step).map(Fen)
}

fn round_wide(exact: i128, rounding: Rounding) -> Option<Fen> {
    let one = i128::from(RATE_ONE);
    let whole = exact.checked_div(one)?;
    let rest = exact.checked_rem(one)?;
    let away = match rounding {
        Rounding::Down => false,
        Rounding::Up => rest != 0,
        Rounding::HalfUp => rest.abs().checked_mul(2)? >= one,
        Rounding::HalfEven => {
            let doubled = rest.abs().checked_mul(2)?;
            one < doubled || (doubled == one && whole.checked_rem(2)? != 0)
        }
    };
    let step = if away { exact.signum() } else { 0 };
    i64::try_from(whole.checked_add(step)?).ok().map(Fen)
}

/// The most digits before the point: with nine decimals more a number is still not taken for another.
const WHOLE_DIGITS_MAX: usize = 16;

/// `digits[.decimals]` with at most `decimals_max` decimals, as an integer of that scale.
fn parse_scaled(text: &str, decimals_max: u32) -> Option<i64> {
    let mut scaled = 0_u64;
    let mut whole_digits = 0_usize;
    // Where a point was, how many decimals there still may be.
    let mut decimals_left: Option<u32> = None;
    for byte in text.bytes() {
        match (byte, decimals_left) {
            (b'0'..=b'9', left) => {
                match left {
                    None => whole_digits = whole_digits.saturating_add(1),
                    Some(left) => decimals_left = Some(left.checked_sub(1)?),
                }
                scaled = scaled.checked_mul(10)?.checked_add(u64::from(byte.wrapping_sub(b'0')))?;
            }
            (b'.', None) => decimals_left = Some(decimals_max),
            _ => return None,
        }
    }
    let ends_in_a_point = decimals_left == Some(decimals_max) && text.ends_with('.');
    if whole_digits == 0 || WHOLE_DIGITS_MAX < whole_digits || ends_in_a_point {
        return None;
    }
    let missing = decimals_left.unwrap_or(decimals_max);
    i64::try_from(scaled.checked_mul(10_u64.checked_pow(missing)?)?).ok()
}

/// A decimal quantity with at most four decimals, in ten-thousandths.
pub fn parse_quantity_e4(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let scaled = parse_scaled(digits, 4)?;
    if digits.len() == text.len() { Some(scaled) } else { scaled.checked_neg() }
}

/// A price in yuan with at most six decimals, in millionths of a yuan. Never negative.
pub fn parse_price_e6(text: &str) -> Option<i64> {
    parse_scaled(text, 6)
}

// === printing ===

/// An amount as it is told: yuan with two decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FenText {
    digits: [u8; FEN_TEXT_BYTES],
    from: usize,
}

/// The longest is `-92233720368547758.08`.
const FEN_TEXT_BYTES: usize = 21;

impl FenText {
    /// In front of what is there.
    fn put(&mut self, byte: u8) {
        self.from = self.from.saturating_sub(1);
        if let Some(place) = self.digits.get_mut(self.from) {
            *place = byte;
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let digits = self.digits.get(self.from..).unwrap_or_default();
        std::str::from_utf8(digits).unwrap_or_default()
    }
}

impl Fen {
    /// As it is told. Answers are full of amounts, and this takes no memory of its own.
    pub fn text(self) -> FenText {
        let mut text = FenText { digits: [0; FEN_TEXT_BYTES], from: FEN_TEXT_BYTES };
        let mut rest = self.0.unsigned_abs();
        for place in 0..FEN_TEXT_BYTES {
            if place == 2 {
                text.put(b'.');
            } else if place > 3 && rest == 0 {
                break;
            } else {
                text.put(b'0'.saturating_add(u8::try_from(rest % 10).unwrap_or(0)));
                rest /= 10;
            }
        }
        if self.0 < 0 {
            text.put(b'-');
        }
        text
    }
}

impl fmt::Display for Fen {
    /// Yuan with two decimals: `-12.05`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text().as_str())
    }
}

impl fmt::Display for Rate {
    /// A decimal without trailing zeros: `0.65`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = RATE_ONE.unsigned_abs();
        let size = self.0.unsigned_abs();
        let (whole, mut rest) = (size.checked_div(one), size.checked_rem(one).unwrap_or(0));
        let whole = whole.unwrap_or(0);
        let mut digits = 9_usize;
        while rest != 0 && rest.is_multiple_of(10) {
            rest = rest.checked_div(10).unwrap_or(0);
            digits = digits.saturating_sub(1);
        }
        let sign = if self.0 < 0 { "-" } else { "" };
        match (rest, f.width()) {
            (0, None) => write!(f, "{sign}{whole}"),
            (_, None) => write!(f, "{sign}{whole}.{rest:0digits$}"),
            (0, Some(_)) => f.pad(&format!("{sign}{whole}")),
            (_, Some(_)) => f.pad(&format!("{sign}{whole}.{rest:0digits$}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::prelude::ToPrimitive as _;

    use rust_decimal::Decimal;

    use super::*;

    #[test]
    fn yuan_are_read_strictly() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(Fen::parse_yuan(text).map(Fen::get), expected, "{text}");
        };
        check("0", Some(0));
        check("12.5", Some(1_250));
        check("-12.05", Some(-1_205));
        check("10000000000.00", Some(FEN_MAX));
        check("10000000000.01", None);
        for bad in ["", "-", ".5", "5.", "1.005", "1e3", "1_000", "+1", " 1", "--1", "１", "NaN"] {
            check(bad, None);
        }
    }

    /// What is read, by a library for decimals: the digits are looked at first, then it is asked.
    fn parse_by_library(text: &str, decimals_max: u32) -> Option<i64> {
        let (whole, decimals) = match text.split_once('.') {
            Some((whole, decimals)) if !decimals.is_empty() => (whole, decimals),
            Some(_) => return None,
            None => (text, ""),
        };
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || 16 < whole.len() || !plain(whole) || !plain(decimals) {
            return None;
        }
        decimals_max.checked_sub(u32::try_from(decimals.len()).ok()?)?;
        let scale = Decimal::from(10_i64.checked_pow(decimals_max)?);
        Decimal::from_str_exact(text).ok()?.checked_mul(scale)?.to_i64()
    }

    proptest::proptest! {
        #[test]
        fn decimals_are_read_as_a_library_reads_them(
            text in r"[0-9]{0,20}(\.[0-9]{0,11})?|[0-9.+\-e_ １]{0,8}|[0-9]{14,17}\.[0-9]{1,9}",
            decimals_max in 0_u32..10,
        ) {
            proptest::prop_assert_eq!(
                parse_scaled(&text, decimals_max),
                parse_by_library(&text, decimals_max),
                "{} {}", text, decimals_max,
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn a_rate_is_shown_as_a_library_shows_it(small: i32, zeros in 0_u32..10) {
            let billionths = i64::from(small).wrapping_mul(10_i64.pow(zeros));
            let expected = Decimal::new(billionths, 9).normalize().to_string();
            proptest::prop_assert_eq!(Rate(billionths).to_string(), expected.clone());
            proptest::prop_assert_eq!(format!("{:>30}", Rate(billionths)), format!("{expected:>30}"));
        }
    }

    #[test]
    fn rounding_is_as_named() {
        let check = |exact: i128, rounding: Rounding, expected: i64| {
            assert_eq!(round_scaled(exact, rounding), Some(Fen(expected)), "{exact} {rounding:?}");
        };
        check(1_500_000_000, Rounding::HalfUp, 2);
        check(-1_500_000_000, Rounding::HalfUp, -2);
        check(2_500_000_000, Rounding::HalfUp, 3);
        check(2_500_000_000, Rounding::HalfEven, 2);
        check(3_500_000_000, Rounding::HalfEven, 4);
        check(2_500_000_001, Rounding::HalfEven, 3);
        check(1_999_999_999, Rounding::Down, 1);
        check(1_000_000_001, Rounding::Up, 2);
        check(1_000_000_000, Rounding::Up, 1);
    }

    #[test]
    fn both_ways_to_round_agree() {
        for exact in [
            0,
            1,
            -1,
            499_999_999,
            500_000_000,
            -500_000_000,
            1_500_000_000,
            2_500_000_000,
            i64::MAX,
            i64::MIN,
        ] {
            for rounding in [Rounding::HalfUp, Rounding::HalfEven, Rounding::Down, Rounding::Up] {
                let wide = round_wide(i128::from(exact), rounding);
                assert_eq!(round_narrow(exact, rounding), wide, "{exact} {rounding:?}");
            }
        }
    }

    #[test]
    fn a_share_agrees_with_decimals() {
        let rate = Rate::parse("0.333333333").unwrap();
        let exact = Decimal::new(123_456_789, 0) * Decimal::new(333_333_333, 9);
        let expected =
            exact.round_dp_with_strategy(0, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
        assert_eq!(Fen(123_456_789).share(rate, Rounding::HalfUp).map(Fen::get), expected.to_i64());
    }

    #[test]
    fn amounts_print_as_yuan() {
        assert_eq!(Fen(-1_205).to_string(), "-12.05");
        assert_eq!(Fen(5).to_string(), "0.05");
        assert_eq!(format!("{:>7}", Fen(-5)), "  -0.05");
        for fen in [i64::MIN, -100, -1, 0, 1, 10, 99, 100, 12_345, i64::MAX] {
            assert_eq!(Fen(fen).to_string(), Decimal::new(fen, 2).to_string());
        }
        assert_eq!(Rate::parse("0.650").unwrap().to_string(), "0.65");
        assert_eq!(format!("{:>8}", Fen(100)), "    1.00");
    }
}
