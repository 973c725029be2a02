//! A small reader of TOML that knows the line of every value, and takes keys only by name.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

use super::fault::{Faults, Message};

/// The largest rule file we read. The largest shipped one is a tenth of it.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// How deep values may lie in each other. No table of the format needs a fifth of it.
pub const DEPTH_MAX: usize = 60;

/// A value and the line it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Counted from 1; 0 where nobody knows, as in a canonical form.
    pub line: u32,
    /// What stands there.
    pub value: Value,
}

/// What a rule file may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// Yes or no.
    Flag(bool),
    /// Values in order.
    List(Vec<Node>),
    /// Values by key.
    Table(BTreeMap<String, Node>),
    /// What TOML knows and rule files do not use; the English and Chinese word for it.
    Odd(&'static str, &'static str),
}

/// A table of the format: its name and the keys that it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its name, as in the schema.
    pub name: &'static str,
    /// Its keys.
    pub keys: &'static [&'static str],
}

/// A table that was opened by its shape.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// Its line.
    pub line: u32,
    entries: &'a BTreeMap<String, Node>,
}

impl<'a> Table<'a> {
    /// The value of a key, where it stands.
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries.get(key)
    }

    /// Does the key stand there?
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// All keys with their values, sorted by key.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Node)> + use<'a> {
        self.entries.iter().map(|(key, node)| (key.as_str(), node))
    }
}

// === from TOML ===

/// Reads a TOML text. Nothing where it is no TOML; the fault says why.
pub fn read(text: &str, faults: &mut Faults) -> Option<Node> {
    if FILE_BYTES_MAX < text.len() {
        let en = format!("the file has {} bytes; at most {FILE_BYTES_MAX} are read", text.len());
        let zh = format!("文件有 {} 字节，最多 {FILE_BYTES_MAX}", text.len());
        faults.error(0, "", (en, zh));
        return None;
    }
    let starts = line_starts(text);
    match DeTable::parse(text) {
        Ok(table) => {
            let value = table_of(table.get_ref(), &starts, 0, faults);
            Some(Node { line: 1, value })
        }
        Err(error) => {
            let line = error.span().map_or(0, |span| line_at(&starts, span.start));
            let (en, zh) = (error.message().to_owned(), error.message());
            faults.error(
                line,
                "",
                (format!("this is no TOML: {en}"), format!("不是有效的 TOML：{zh}")),
            );
            None
        }
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    let after_breaks =
        text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(after_breaks).collect()
}

fn line_at(starts: &[usize], offset: usize) -> u32 {
    u32::try_from(starts.partition_point(|start| *start <= offset)).unwrap_or(u32::MAX)
}

fn table_of(table: &DeTable<'_>, starts: &[usize], depth: usize, faults: &mut Faults) -> Value {
    let entries = table.iter().map(|(key, value)| {
        let line = match value.get_ref() {
            // A header's table begins at its header, an array of tables at the first one.
            DeValue::Table(_) | DeValue::Array(_) => line_at(starts, value.span().start),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => line_at(starts, key.span().start),
        };
        (key.get_ref().to_string(), node_of(value.get_ref(), line, starts, (depth, faults)))
    });
    Value::Table(entries.collect())
}

fn node_of(value: &DeValue<'_>, line: u32, starts: &[usize], inner: (usize, &mut Faults)) -> Node {
    let (depth, faults) = inner;
    if DEPTH_MAX < depth {
        faults.error(line, "", deep());
        return Node { line, value: Value::Flag(false) };
    }
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Whole(number),
            Err(_) => Value::Odd("a number that does not fit", "放不下的整数"),
        },
        DeValue::Float(_) => {
            Value::Odd("a number with a point and without quotes", "未加引号的小数")
        }
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(_) => Value::Odd("a date without quotes", "未加引号的日期"),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| {
                let line = line_at(starts, item.span().start);
                node_of(item.get_ref(), line, starts, (depth + 1, &mut *faults))
            });
            Value::List(items.collect())
        }
        DeValue::Table(table) => table_of(table, starts, depth + 1, faults),
    };
    Node { line, value }
}

fn deep() -> Message {
    (
        format!("values lie deeper than {DEPTH_MAX} in each other"),
        format!("嵌套超过 {DEPTH_MAX} 层"),
    )
}

// === canonical form ===

impl Node {
    /// The canonical form: JSON with sorted keys and no white space. What is written differently and means the same, such
    /// as comments, order of keys or inline tables, is the same here.
    pub fn canonical(&self) -> Vec<u8> {
        self.json().to_string().into_bytes()
    }

    fn json(&self) -> Json {
        match &self.value {
            Value::Text(text) => Json::String(text.clone()),
            Value::Whole(number) => Json::from(*number),
            Value::Flag(flag) => Json::Bool(*flag),
            Value::List(items) => Json::Array(items.iter().map(Self::json).collect()),
            // The map is sorted, so its keys come sorted whether or not the JSON map keeps their order.
            Value::Table(entries) => {
                Json::Object(entries.iter().map(|(key, node)| (key.clone(), node.json())).collect())
            }
            Value::Odd(word, _) => Json::String((*word).to_owned()),
        }
    }
}

/// Reads a canonical form back.
pub fn read_canonical(bytes: &[u8], faults: &mut Faults) -> Option<Node> {
    match serde_json::from_slice::<Json>(bytes) {
        Ok(json) => Some(node_of_json(json)),
        Err(error) => {
            let en = format!("this is no canonical form of a package: {error}");
            faults.error(0, "", (en, format!("不是政策包的规范形式：{error}")));
            None
        }
    }
}

fn node_of_json(json: Json) -> Node {
    let value = match json {
        Json::String(text) => Value::Text(text),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Whole(number),
            None => Value::Odd("a number with a point", "小数"),
        },
        Json::Bool(flag) => Value::Flag(flag),
        Json::Array(items) => Value::List(items.into_iter().map(node_of_json).collect()),
        Json::Object(entries) => {
            Value::Table(entries.into_iter().map(|(key, item)| (key, node_of_json(item))).collect())
        }
        Json::Null => Value::Odd("nothing", "空值"),
    };
    Node { line: 0, value }
}

// === taking values ===

impl Faults {
    /// Opens a table by its shape, and reports keys that it does not have.
    pub fn table<'a>(&mut self, node: &'a Node, clause: &str, shape: &Shape) -> Option<Table<'a>> {
        let Value::Table(entries) = &node.value else {
            self.wrong_type(node, clause, ("a table", "表"));
            return None;
        };
        for (key, value) in entries {
            if !shape.keys.contains(&key.as_str()) {
                self.error(value.line, clause, unknown("key", "键", key, shape.keys));
            }
        }
        Some(Table { line: node.line, entries })
    }

    /// Opens a table whose keys are names, and not known beforehand.
    pub fn names<'a>(&mut self, node: &'a Node, clause: &str) -> Option<Table<'a>> {
        let Value::Table(entries) = &node.value else {
            self.wrong_type(node, clause, ("a table", "表"));
            return None;
        };
        Some(Table { line: node.line, entries })
    }

    /// A value that must stand there.
    pub fn needed<'a>(&mut self, table: &Table<'a>, key: &str, clause: &str) -> Option<&'a Node> {
        let node = table.get(key);
        if node.is_none() {
            let (en, zh) = (format!("`{key}` is missing"), format!("缺少 `{key}`"));
            self.error(table.line, clause, (en, zh));
        }
        node
    }

    /// Text.
    pub fn text<'a>(&mut self, node: &'a Node, clause: &str) -> Option<&'a str> {
        match &node.value {
            Value::Text(text) => Some(text),
            Value::Whole(_)
            | Value::Flag(_)
            | Value::List(_)
            | Value::Table(_)
            | Value::Odd(..) => {
                self.wrong_type(node, clause, ("text in quotes", "加引号的文本"));
                None
            }
        }
    }

    /// Text that says something.
    pub fn filled<'a>(&mut self, node: &'a Node, clause: &str) -> Option<&'a str> {
        let text = self.text(node, clause)?;
        if text.trim().is_empty() {
            self.error(node.line, clause, ("the text is empty".to_owned(), "文本为空".to_owned()));
            return None;
        }
        Some(text)
    }

    /// A whole number.
    pub fn whole(&mut self, node: &Node, clause: &str) -> Option<i64> {
        if let Value::Whole(number) = node.value {
            return Some(number);
        }
        self.wrong_type(node, clause, ("a whole number", "整数"));
        None
    }

    /// Yes or no.
    pub fn flag(&mut self, node: &Node, clause: &str) -> Option<bool> {
        if let Value::Flag(flag) = node.value {
            return Some(flag);
        }
        self.wrong_type(node, clause, ("true or false", "true 或 false"));
        None
    }

    /// A list.
    pub fn list<'a>(&mut self, node: &'a Node, clause: &str) -> &'a [Node] {
        if let Value::List(items) = &node.value {
            return items;
        }
        self.wrong_type(node, clause, ("a list", "列表"));
        &[]
    }

    /// A list that has something in it.
    pub fn filled_list<'a>(&mut self, node: &'a Node, clause: &str) -> &'a [Node] {
        let items = self.list(node, clause);
        if items.is_empty() && matches!(node.value, Value::List(_)) {
            self.error(node.line, clause, ("the list is empty".to_owned(), "列表为空".to_owned()));
        }
        items
    }

    /// The place of a word among those that are known.
    pub fn word(
        &mut self,
        node: &Node,
        clause: &str,
        what: (&str, &str),
        known: &[&str],
    ) -> Option<usize> {
        let text = self.text(node, clause)?;
        let found = known.iter().position(|word| *word == text);
        if found.is_none() {
            self.error(node.line, clause, unknown(what.0, what.1, text, known));
        }
        found
    }

    /// Reports a value of another type than wanted.
    pub fn wrong_type(&mut self, node: &Node, clause: &str, wanted: (&str, &str)) {
        let (en, zh) = match &node.value {
            Value::Text(_) => ("text", "文本"),
            Value::Whole(_) => ("a number without quotes", "未加引号的数字"),
            Value::Flag(_) => ("true or false", "true 或 false"),
            Value::List(_) => ("a list", "列表"),
            Value::Table(_) => ("a table", "表"),
            Value::Odd(en, zh) => (*en, *zh),
        };
        let message = (
            format!("{} is wanted here, not {en}", wanted.0),
            format!("此处应为{}，不是{zh}", wanted.1),
        );
        self.error(node.line, clause, message);
    }
}

/// "unknown …", with the nearest known word where one is near.
pub fn unknown(what_en: &str, what_zh: &str, word: &str, known: &[&str]) -> Message {
    let shown: String = word.chars().take(60).collect();
    let nearest = known.iter().map(|candidate| (distance(word, candidate), *candidate)).min();
    let (en, zh) = (format!("unknown {what_en} `{shown}`"), format!("未知的{what_zh} `{shown}`"));
    match nearest {
        Some((far, candidate)) if far <= 2 && far < candidate.chars().count() => {
            (format!("{en}; did you mean `{candidate}`?"), format!("{zh}；是否指 `{candidate}`？"))
        }
        Some(_) if known.len() <= 8 => {
            let list = known.join(", ");
            (format!("{en}; known are {list}"), format!("{zh}；可用：{list}"))
        }
        Some(_) | None => (en, zh),
    }
}

/// How many characters must be changed, added or left out to make one word of the other. Long words are not compared.
fn distance(one: &str, other: &str) -> usize {
    const LONGEST: usize = 60;
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if LONGEST < one.len() || LONGEST < other.len() {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut next = vec![at + 1];
        for (column, wanted) in other.iter().enumerate() {
            let changed = row.get(column).copied().unwrap_or(0) + usize::from(letter != wanted);
            let left_out = row.get(column + 1).copied().unwrap_or(0) + 1;
            let added = next.last().copied().unwrap_or(0) + 1;
            next.push(changed.min(left_out).min(added));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
