//! Where in a JSON text a fault lies, as the field's path: a line and a column alone are little help in a long bill.

/// What is open around a place.
#[derive(Debug)]
enum Open {
    /// An object, and the key that was read last.
    Object(String),
    /// An array, and which element it is at.
    Array(usize),
}

/// The path of the last key or value that begins before the `column`-th byte of a `line`, both counted from one as serde_json
/// does: `bill.lines[3].unitPrice`. Empty where there is none.
pub(super) fn path_at(text: &str, line: usize, column: usize) -> String {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let end = before.saturating_add(column).min(text.len());
    let mut read = text.bytes().take(end);
    let mut open: Vec<Open> = Vec::new();
    let mut path = String::new();
    let mut key_is_next = false;
    while let Some(byte) = read.next() {
        match byte {
            b'{' => {
                open.push(Open::Object(String::new()));
                key_is_next = true;
            }
            b'[' => open.push(Open::Array(0)),
            b'}' | b']' => {
                open.pop();
                key_is_next = false;
            }
            b',' => match open.last_mut() {
                Some(Open::Array(index)) => *index = index.saturating_add(1),
                Some(Open::Object(_)) => key_is_next = true,
                None => {}
            },
            b':' => key_is_next = false,
            b'"' => {
                let string = string(&mut read);
                if let (true, Some(Open::Object(key))) = (key_is_next, open.last_mut()) {
                    *key = string;
                }
                path = written(&open);
            }
            _ if byte.is_ascii_whitespace() => {}
            _ => path = written(&open),
        }
    }
    path
}

/// The rest of a string up to its closing quote; an escape only keeps the quote after it from closing.
fn string(read: &mut impl Iterator<Item = u8>) -> String {
    let mut bytes = Vec::new();
    while let Some(byte) = read.next() {
        match byte {
            b'"' => break,
            b'\\' => bytes.extend(read.next()),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn written(open: &[Open]) -> String {
    let mut path = String::new();
    for place in open {
        match place {
            Open::Object(key) => {
                if !path.is_empty() && !key.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Open::Array(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_by_its_path() {
        let text = "{\"a\": \"x\"}\n{\"b\": {\"c\\\"\": [1, {\"d\": 2}, 3]},\n \"e\": 4}\n";
        let check = |line, column, path: &str| {
            assert_eq!(path_at(text, line, column), path, "{line}:{column}");
        };
        check(1, 1, "");
        check(1, 9, "a");
        check(1, 10, "a");
        check(2, 16, "b.c\"[0]");
        check(2, 25, "b.c\"[1].d");
        check(2, 27, "b.c\"[1].d");
        check(2, 29, "b.c\"[2]");
        check(3, 7, "e");
        check(99, 99, "e");
    }
}
