//! What a transaction is told: an object of its input, read field by field, each fault named by its path.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::civil::Date;

use super::envelope;
use super::field::{self, Invalid, InvalidReason};
use super::json::{Json, Object};
use crate::domain::money::Fen;

/// An object of the input, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    path: String,
    object: &'a Object,
}

/// A part of the input that must be there: `{"data":{…}}`. A list of one is taken for the one.
pub(super) fn part<'a>(input: &'a Object, name: &str) -> Result<Node<'a>, Invalid> {
    let mut parts = parts(input, name, 1)?;
    parts.pop().ok_or_else(|| Invalid { field: name.to_owned(), reason: InvalidReason::Missing })
}

/// The objects of a part of the input, none where it is not there. One that stands by itself is taken for a list of one.
pub(super) fn parts<'a>(
    input: &'a Object,
    name: &str,
    most: usize,
) -> Result<Vec<Node<'a>>, Invalid> {
    let invalid = |field: &str, reason| Invalid { field: field.to_owned(), reason };
    match input.get(name) {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Object(object)) => Ok(vec![Node { path: name.to_owned(), object }]),
        Some(Json::List(items)) if most < items.len() => Err(invalid(name, InvalidReason::TooMany)),
        Some(Json::List(items)) => {
            let node = |(place, item): (usize, &'a Json)| {
                let path = format!("{name}[{place}]");
                match item {
                    Json::Object(object) => Ok(Node { path, object }),
                    Json::Null
                    | Json::Flag(_)
                    | Json::Number(_)
                    | Json::Text(_)
                    | Json::List(_) => Err(invalid(&path, InvalidReason::WrongType)),
                }
            };
            items.iter().enumerate().map(node).collect()
        }
        Some(Json::Text(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Json::Flag(_) | Json::Number(_) | Json::Text(_)) => {
            Err(invalid(name, InvalidReason::WrongType))
        }
    }
}

impl<'a> Node<'a> {
    /// An object that stands in a text of the input.
    pub(super) fn within(path: String, object: &'a Object) -> Self {
        Self { path, object }
    }

    /// What is wrong with a field.
    pub(super) fn invalid(&self, name: &str, reason: InvalidReason) -> Invalid {
        Invalid { field: format!("{}.{name}", self.path), reason }
    }

    /// A text or number; empty where it is not there.
    fn said(&self, name: &str) -> Result<&'a str, Invalid> {
        match self.object.get(name) {
            None | Some(Json::Null) => Ok(""),
            Some(Json::Text(text) | Json::Number(text)) => Ok(text),
            Some(Json::Flag(_) | Json::List(_) | Json::Object(_)) => {
                Err(self.invalid(name, InvalidReason::WrongType))
            }
        }
    }

    /// Text for people; empty where it is not there.
    pub(super) fn text(&self, name: &str, longest: usize) -> Result<&'a str, Invalid> {
        let text = self.said(name)?;
        let read = field::optional(text, |text| field::plain_text(text, longest));
        read.map(|_| text).map_err(|reason| self.invalid(name, reason))
    }

    /// An id by its constructor, where it is there.
    pub(super) fn id<T>(
        &self,
        name: &str,
        longest: usize,
        make: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Invalid> {
        let read = field::optional(self.said(name)?, |text| field::id(text, longest, make));
        read.map_err(|reason| self.invalid(name, reason))
    }

    /// The same, where it must be.
    pub(super) fn needed<T>(
        &self,
        name: &str,
        longest: usize,
        make: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Invalid> {
        let there = self.id(name, longest, make)?;
        there.ok_or_else(|| self.invalid(name, InvalidReason::Missing))
    }

    /// A word of a closed set, where it is there.
    pub(super) fn word<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Invalid> {
        let read =
            field::optional(self.said(name)?, |text| read(text).ok_or(InvalidReason::ValueUnknown));
        read.map_err(|reason| self.invalid(name, reason))
    }

    /// The day of a date or a time, where it is there.
    pub(super) fn day(&self, name: &str) -> Result<Option<Date>, Invalid> {
        let read = field::optional(self.said(name)?, |text| match envelope::time(text) {
            Some(time) => Ok(time.date()),
            None => field::date(text),
        });
        read.map_err(|reason| self.invalid(name, reason))
    }

    /// A decimal with at most so many decimals, by a reader that takes exactly those.
    pub(super) fn decimal(
        &self,
        name: &str,
        decimals_max: usize,
        read: impl FnOnce(&str) -> Option<i64>,
    ) -> Result<Option<i64>, Invalid> {
        let read =
            field::optional(self.said(name)?, |text| field::decimal(text, decimals_max, read));
        read.map_err(|reason| self.invalid(name, reason))
    }

    /// Yuan with at most two decimals, where they are there.
    pub(super) fn money(&self, name: &str) -> Result<Option<Fen>, Invalid> {
        let fen = self.decimal(name, 2, |text| Fen::parse_yuan(text).map(Fen::get))?;
        Ok(fen.map(Fen::new))
    }

    /// A file: its bytes in base64, or as a list of numbers, as some kits write an array of bytes.
    pub(super) fn bytes(&self, name: &str) -> Result<Vec<u8>, Invalid> {
        let wrong = || self.invalid(name, InvalidReason::WrongType);
        let byte = |item: &Json| match item {
            Json::Number(text) => {
                let number: i16 = text.parse().ok()?;
                u8::try_from(number)
                    .ok()
                    .or_else(|| i8::try_from(number).ok().map(i8::cast_unsigned))
            }
            Json::Null | Json::Flag(_) | Json::Text(_) | Json::List(_) | Json::Object(_) => None,
        };
        match self.object.get(name) {
            Some(Json::Text(text)) if !text.is_empty() => BASE64_STANDARD
                .decode(text)
                .map_err(|_| self.invalid(name, InvalidReason::NotPlain)),
            Some(Json::List(items)) if !items.is_empty() => {
                items.iter().map(byte).collect::<Option<_>>().ok_or_else(wrong)
            }
            None | Some(Json::Null | Json::Text(_) | Json::List(_)) => {
                Err(self.invalid(name, InvalidReason::Missing))
            }
            Some(Json::Flag(_) | Json::Number(_) | Json::Object(_)) => Err(wrong()),
        }
    }

    /// What must be there.
    pub(super) fn must<T>(&self, name: &str, there: Option<T>) -> Result<T, Invalid> {
        there.ok_or_else(|| self.invalid(name, InvalidReason::Missing))
    }

    /// The names and texts of an object in this one, none where it is not there.
    pub(super) fn pairs(&self, name: &str) -> Result<Vec<(String, String)>, Invalid> {
        let object = match self.object.get(name) {
            None | Some(Json::Null) => return Ok(Vec::new()),
            Some(Json::Object(object)) => object,
            Some(Json::Flag(_) | Json::Number(_) | Json::Text(_) | Json::List(_)) => {
                return Err(self.invalid(name, InvalidReason::WrongType));
            }
        };
        let pair = |(key, value): (&String, &Json)| match value {
            Json::Text(text) | Json::Number(text) => Ok((key.clone(), text.clone())),
            Json::Null | Json::Flag(_) | Json::List(_) | Json::Object(_) => {
                Err(self.invalid(name, InvalidReason::WrongType))
            }
        };
        object.iter().map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::national::json;

    fn fault<T: std::fmt::Debug>(read: Result<T, Invalid>) -> (String, InvalidReason) {
        let Invalid { field, reason } = read.unwrap_err();
        (field, reason)
    }

    #[test]
    fn money_is_read_digit_by_digit_and_named_where_it_does_not_fit() {
        let check = |value: &str, expected: Result<Option<i64>, InvalidReason>| {
            let input = json::object(&format!(r#"{{"data":{{"amt":{value}}}}}"#)).unwrap();
            let read = part(&input, "data").unwrap().money("amt");
            let had = read.map(|fen| fen.map(Fen::get)).map_err(|invalid| invalid.reason);
            assert_eq!(had, expected, "{value}");
        };
        for (value, fen) in [("12.5", 1_250), ("\"12.50\"", 1_250), ("-0.01", -1), ("0", 0)] {
            check(value, Ok(Some(fen)));
        }
        // Beyond what a float can hold.
        check("9007199254740.93", Err(InvalidReason::OutOfRange));
        check("9007199254.93", Ok(Some(900_719_925_493)));
        check("\"\"", Ok(None));
        check("null", Ok(None));
        check("1.005", Err(InvalidReason::TooManyDecimals));
        check("1e2", Err(InvalidReason::NotADecimal));
        check("\"1,000\"", Err(InvalidReason::NotADecimal));
        check("true", Err(InvalidReason::WrongType));
        check("[1]", Err(InvalidReason::WrongType));
    }

    #[test]
    fn parts_are_found_as_one_or_as_many() {
        let input = json::object(r#"{"one":{"a":1},"many":[{"a":1},{"a":2}],"odd":[1],"no":""}"#);
        let input = input.unwrap();
        assert!(part(&input, "one").is_ok());
        assert_eq!(parts(&input, "many", 2).unwrap().len(), 2);
        assert_eq!(fault(parts(&input, "many", 1)), ("many".to_owned(), InvalidReason::TooMany));
        assert_eq!(fault(parts(&input, "odd", 9)), ("odd[0]".to_owned(), InvalidReason::WrongType));
        assert_eq!(fault(part(&input, "no")), ("no".to_owned(), InvalidReason::Missing));
        let node = parts(&input, "many", 2).unwrap().remove(1);
        assert_eq!(fault(node.day("a")), ("many[1].a".to_owned(), InvalidReason::NotADate));
    }

    #[test]
    fn a_day_comes_alone_or_with_its_time() {
        let input = json::object(
            r#"{"d":{"a":"2024-06-30","b":"2024-06-30 23:59:59","c":"2024-06-30T00:00:00"}}"#,
        );
        let input = input.unwrap();
        let node = part(&input, "d").unwrap();
        assert_eq!(node.day("a").unwrap(), node.day("b").unwrap());
        assert_eq!(fault(node.day("c")).1, InvalidReason::NotADate);
    }
}
