//! JSON as it was written: a number keeps its digits, and a name that is there twice is refused.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::domain::money::Fen;
use crate::limits;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    /// Nothing.
    Null,
    /// True or false.
    Flag(bool),
    /// A number, digit by digit.
    Number(String),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Json>),
    /// Values by name.
    Object(Object),
}

/// Values by name; each name once.
pub(super) type Object = BTreeMap<String, Json>;

/// Reads a message. Nothing where it is no JSON, lies too deep, or has a name twice.
pub(super) fn read(bytes: &[u8]) -> Option<Json> {
    let text = std::str::from_utf8(bytes).ok()?;
    value(text.trim_matches([' ', '\t', '\n', '\r']), limits::NATIONAL_DEPTH_MAX)
}

/// A member of an object as it was sent, but for white space around it.
pub(super) fn member<'a>(bytes: &'a [u8], name: &str) -> Option<&'a str> {
    let Entries(entries) = serde_json::from_slice(bytes).ok()?;
    entries.into_iter().find(|(named, _)| named == name).map(|(_, raw)| raw.get())
}

/// Reads an object from a text.
pub(super) fn object(text: &str) -> Option<Object> {
    match read(text.as_bytes())? {
        Json::Object(object) => Some(object),
        Json::Null | Json::Flag(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => None,
    }
}

impl Json {
    /// One text for whatever says the same: names in order, no white space, numbers as texts.
    pub(super) fn canonical(&self) -> String {
        Written::of(self).map_or_else(String::new, |Written(text)| text)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(text) | Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(object) => serializer.collect_map(object),
        }
    }
}

/// The same of an object.
pub(super) fn canonical(object: &Object) -> String {
    Written::of(object).map_or_else(String::new, |Written(text)| text)
}

/// A value as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written(String);

impl Written {
    /// Writes a value. Nothing where it says of itself that it can not be written.
    pub(super) fn of(value: &impl Serialize) -> Option<Self> {
        let mut bytes = Vec::with_capacity(limits::NATIONAL_ANSWER_BYTES_USUAL);
        serde_json::to_writer(&mut bytes, value).ok()?;
        String::from_utf8(bytes).ok().map(Self)
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An amount, as a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Yuan(pub(super) Fen);

impl Serialize for Yuan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.text().as_str())
    }
}

/// Reads a value without white space around it. What is no JSON is found by whatever reads a part of it.
fn value(text: &str, depth_left: usize) -> Option<Json> {
    let deeper = || depth_left.checked_sub(1);
    Some(match text.bytes().next()? {
        b'n' if text == "null" => Json::Null,
        b't' if text == "true" => Json::Flag(true),
        b'f' if text == "false" => Json::Flag(false),
        b'"' => Json::Text(serde_json::from_str(text).ok()?),
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            let depth = deeper()?;
            let items = items.into_iter().map(|item| value(item.get(), depth));
            Json::List(items.collect::<Option<_>>()?)
        }
        b'{' => {
            let Entries(entries) = serde_json::from_str(text).ok()?;
            let depth = deeper()?;
            let mut object = Object::new();
            for (name, item) in entries {
                if object.insert(name, value(item.get(), depth)?).is_some() {
                    return None;
                }
            }
            Json::Object(object)
        }
        _ => {
            serde_json::from_str::<&RawValue>(text).ok()?;
            Json::Number(text.to_owned())
        }
    })
}

/// The entries of one object in their order, not read yet.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_names_are_there_once() {
        let check = |text: &str, expected: Option<&str>| {
            let had = read(text.as_bytes()).map(|json| json.canonical());
            assert_eq!(had.as_deref(), expected, "{text}");
        };
        check(
            r#" {"b": 0.10, "a": [1e3, true, null, "é\n"]} "#,
            Some("{\"a\":[\"1e3\",true,null,\"é\\n\"],\"b\":\"0.10\"}"),
        );
        check("12345678901234567890.123456789", Some("\"12345678901234567890.123456789\""));
        for bad in [
            "",
            "{",
            "{} x",
            r#"{"a":1,"a":2}"#,
            r#"{"a":{"b":1,"\u0062":2}}"#,
            "[01]",
            "nul",
            r#""\ud800""#,
        ] {
            check(bad, None);
        }
        assert!(read(b"\"\xff\"").is_none());
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(deep(limits::NATIONAL_DEPTH_MAX).as_bytes()).is_some());
        assert!(read(deep(limits::NATIONAL_DEPTH_MAX + 1).as_bytes()).is_none());
        assert!(read(deep(100_000).as_bytes()).is_none());
    }
}
