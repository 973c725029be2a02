//! JSON as it was written: a number keeps its digits, and a name that is there twice is refused.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

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
    let raw: &RawValue = serde_json::from_slice(bytes).ok()?;
    value(raw, limits::NATIONAL_DEPTH_MAX)
}

/// A member of an object as it was sent, but for white space around it.
pub(super) fn member<'a>(bytes: &'a [u8], name: &str) -> Option<&'a str> {
    let Entries(entries) = serde_json::from_slice(bytes).ok()?;
    entries.get(name).map(|raw| raw.get())
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
        match self {
            Self::Null => "null".to_owned(),
            Self::Flag(flag) => flag.to_string(),
            Self::Number(text) | Self::Text(text) => quoted(text),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::canonical).collect();
                format!("[{}]", items.join(","))
            }
            Self::Object(object) => canonical(object),
        }
    }
}

/// The same of an object.
pub(super) fn canonical(object: &Object) -> String {
    let entry = |(name, value): (&String, &Json)| format!("{}:{}", quoted(name), value.canonical());
    let entries: Vec<String> = object.iter().map(entry).collect();
    format!("{{{}}}", entries.join(","))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn value(raw: &RawValue, depth_left: usize) -> Option<Json> {
    let text = raw.get();
    let deeper = || depth_left.checked_sub(1);
    Some(match text.bytes().next()? {
        b'n' => Json::Null,
        b't' => Json::Flag(true),
        b'f' => Json::Flag(false),
        b'"' => Json::Text(serde_json::from_str(text).ok()?),
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            let depth = deeper()?;
            Json::List(items.into_iter().map(|item| value(item, depth)).collect::<Option<_>>()?)
        }
        b'{' => {
            let Entries(entries) = serde_json::from_str(text).ok()?;
            let depth = deeper()?;
            let entries = entries.into_iter();
            let read = entries.map(|(name, item)| Some((name, value(item, depth)?)));
            Json::Object(read.collect::<Option<_>>()?)
        }
        _ => Json::Number(text.to_owned()),
    })
}

/// The entries of one object, not read yet.
struct Entries<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((name, item)) = map.next_entry::<String, &'de RawValue>()? {
                    if entries.insert(name, item).is_some() {
                        return Err(A::Error::custom("a name twice"));
                    }
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Once)
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
