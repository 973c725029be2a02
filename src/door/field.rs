//! One field to one value, with the reason where it does not fit.

use std::fmt;

use jiff::civil::Date;

use crate::app::normalize_credential;
use crate::domain::ids::{IDENTITY_NUMBER_LENGTH, RegionCode, identity_number_is_valid};
use crate::limits;

/// A message that can not be read: the first field that does not fit, and why. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    /// Which, such as `bill.lines[3].unit_price`.
    pub(crate) field: String,
    /// Why.
    pub(crate) reason: InvalidReason,
}

/// Why a field does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidReason {
    /// It is not there.
    Missing,
    /// It is there as something else: a list where text is wanted.
    WrongType,
    /// It has more characters than it may.
    TooLong,
    /// It has characters that do not belong there.
    NotPlain,
    /// It is no region: those have six digits.
    NotARegion,
    /// It names nothing that we know.
    ValueUnknown,
    /// It is not a calendar date.
    NotADate,
    /// It is not a plain decimal.
    NotADecimal,
    /// It has more decimals than it may.
    TooManyDecimals,
    /// Its number is too large or too small.
    OutOfRange,
    /// It is no identity number: it has not as many characters as those have.
    IdentityLength,
    /// It is no identity number: its check digit is wrong.
    CheckDigit,
    /// There are more of it than there may be.
    TooMany,
    /// It is there twice.
    Duplicate,
}

impl InvalidReason {
    /// Every one, for lists of codes.
    pub(in crate::door) const ALL: [Self; 14] = [
        Self::Missing,
        Self::WrongType,
        Self::TooLong,
        Self::NotPlain,
        Self::NotARegion,
        Self::ValueUnknown,
        Self::NotADate,
        Self::NotADecimal,
        Self::TooManyDecimals,
        Self::OutOfRange,
        Self::IdentityLength,
        Self::CheckDigit,
        Self::TooMany,
        Self::Duplicate,
    ];
}

/// Where a field is; becomes text only where it is needed.
#[derive(Clone, Copy, Debug)]
pub(in crate::door) enum Place {
    /// A field of the message.
    Field(&'static str),
    /// A field of one of many: the list, which one, and the field in it.
    Of(&'static str, usize, &'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => f.write_str(field),
            Self::Of(list, index, "") => write!(f, "{list}[{index}]"),
            Self::Of(list, index, field) => write!(f, "{list}[{index}].{field}"),
        }
    }
}

impl Invalid {
    pub(in crate::door) fn new(field: &str, reason: InvalidReason) -> Self {
        Self { field: field.to_owned(), reason }
    }
}

impl Invalid {
    /// A value that names nothing that we know.
    pub(crate) fn unknown(field: &str) -> Self {
        Self::new(field, InvalidReason::ValueUnknown)
    }
}

impl InvalidReason {
    /// Its stable code.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Missing => "FIELD_MISSING",
            Self::WrongType => "FIELD_WRONG_TYPE",
            Self::TooLong => "FIELD_TOO_LONG",
            Self::NotPlain => "FIELD_NOT_PLAIN",
            Self::NotARegion => "NOT_A_REGION",
            Self::ValueUnknown => "VALUE_UNKNOWN",
            Self::NotADate => "NOT_A_DATE",
            Self::NotADecimal => "NOT_A_DECIMAL",
            Self::TooManyDecimals => "TOO_MANY_DECIMALS",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::IdentityLength => "IDENTITY_NUMBER_LENGTH",
            Self::CheckDigit => "IDENTITY_NUMBER_CHECK_DIGIT",
            Self::TooMany => "TOO_MANY",
            Self::Duplicate => "DUPLICATE",
        }
    }
}

/// Says where a reason applies.
pub(in crate::door) fn at(place: Place) -> impl FnOnce(InvalidReason) -> Invalid {
    move |reason| Invalid { field: place.to_string(), reason }
}

/// An id, by its constructor.
pub(in crate::door) fn id<T>(
    text: &str,
    longest: usize,
    make: impl FnOnce(&str) -> Option<T>,
) -> Result<T, InvalidReason> {
    if text.is_empty() {
        return Err(InvalidReason::Missing);
    }
    // Counted in characters, so that a name in Chinese is not called too long for what is wrong with it.
    if longest < text.chars().count() {
        return Err(InvalidReason::TooLong);
    }
    make(text).ok_or(InvalidReason::NotPlain)
}

/// A region: six digits and nothing else.
pub(in crate::door) fn region(text: &str) -> Result<RegionCode, InvalidReason> {
    if text.is_empty() {
        return Err(InvalidReason::Missing);
    }
    RegionCode::new(text).ok_or(InvalidReason::NotARegion)
}

/// Nothing where nothing is said.
pub(in crate::door) fn optional<T>(
    text: &str,
    read: impl FnOnce(&str) -> Result<T, InvalidReason>,
) -> Result<Option<T>, InvalidReason> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

/// Text for people: any script, no control characters.
pub(in crate::door) fn plain_text(text: &str, longest: usize) -> Result<String, InvalidReason> {
    id(text, longest, |text| (!text.chars().any(char::is_control)).then(|| text.to_owned()))
}

/// A credential's number as it is hashed: normalised, and where it is an identity number with a check digit that fits.
pub(in crate::door) fn credential_number(
    number: &str,
    is_identity_number: bool,
) -> Result<String, InvalidReason> {
    let normalized = normalize_credential(number);
    id(&normalized, limits::CREDENTIAL_LENGTH_MAX, |text| {
        text.bytes().all(|byte| byte.is_ascii_graphic()).then_some(())
    })?;
    if is_identity_number && !identity_number_is_valid(&normalized) {
        // A digit left out or typed twice is looked for elsewhere than a wrong one.
        return Err(if normalized.chars().count() == IDENTITY_NUMBER_LENGTH {
            InvalidReason::CheckDigit
        } else {
            InvalidReason::IdentityLength
        });
    }
    Ok(normalized)
}

/// A calendar date, `2024-06-30` and nothing else.
pub(in crate::door) fn date(text: &str) -> Result<Date, InvalidReason> {
    if text.is_empty() {
        return Err(InvalidReason::Missing);
    }
    plain_date(text.as_bytes()).ok_or(InvalidReason::NotADate)
}

/// A calendar date of exactly ten characters.
pub(in crate::door) fn plain_date(text: &[u8]) -> Option<Date> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_i16, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i16::from(digit - b'0'))
        })
    };
    let (month, day) = (number(&[m1, m2])?, number(&[d1, d2])?);
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    Date::new(number(&[y1, y2, y3, y4])?, month, day).ok()
}

/// A decimal with at most so many decimals, by a reader that takes exactly those.
pub(in crate::door) fn decimal(
    text: &str,
    decimals_max: usize,
    read: impl FnOnce(&str) -> Option<i64>,
) -> Result<i64, InvalidReason> {
    if text.is_empty() {
        return Err(InvalidReason::Missing);
    }
    read(text).ok_or_else(|| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let parts = digits.split_once('.');
        let (whole, decimals) = parts.unwrap_or((digits, ""));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(whole) || (parts.is_some() && !plain(decimals)) {
            InvalidReason::NotADecimal
        } else if decimals_max < decimals.len() {
            InvalidReason::TooManyDecimals
        } else {
            InvalidReason::OutOfRange
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn dates_are_read_as_a_library_reads_them(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]|[-0-9]{8,11}|[ -~１]{0,12}|2024-02-(29|30)",
        ) {
            let shape = text.bytes().enumerate().all(|(place, byte)| match place {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
            let parsed: Option<Date> = text.parse().ok();
            let expected = parsed.filter(|_| shape && text.len() == 10);
            prop_assert_eq!(plain_date(text.as_bytes()), expected);
        }
    }
}
