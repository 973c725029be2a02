use super::*;
use crate::door::national::json::Json;

fn text(text: &str) -> Json {
    Json::Text(text.to_owned())
}

/// A value that fits a field.
fn good(field: &Field) -> Json {
    text(match field.kind {
        Kind::Id(_) | Kind::Text(_) | Kind::Money | Kind::Decimal(..) => "1",
        Kind::File => "MQ==",
        Kind::Day => "2024-06-30",
        Kind::Word(is_known) => {
            let words = ["0", "02", "21", "390", "2304", "202406", "F1"];
            words.into_iter().find(|word| is_known(word)).unwrap()
        }
    })
}

/// What a part holds where everything fits.
fn object_of(part: &Part) -> Object {
    part.fields.iter().map(|field| (field.name.to_owned(), good(field))).collect()
}

fn input_of(shape: &Shape) -> Object {
    let part = |part: &Part| (part.name.to_owned(), Json::Object(object_of(part)));
    shape.parts.iter().map(part).collect()
}

fn told(transaction: &str, input: &Object) -> String {
    match check(transaction, input) {
        Ok(()) => "taken".to_owned(),
        Err(fault) => fault.told().message,
    }
}

/// Every fault that a field can have, and the number of its code; none where it is taken all the same.
fn faults(field: &Field) -> Vec<(Option<Json>, Option<&'static str>)> {
    let missing = field.needed.then_some("004");
    let mut faults = vec![
        (None, missing),
        (Some(Json::Null), missing),
        (Some(text("")), missing),
        (Some(Json::Flag(true)), Some("005")),
        (Some(Json::List(vec![text("1")])), Some("005")),
        (Some(Json::Object(Object::new())), Some("005")),
    ];
    let mut bad = |value: &str, code| faults.push((Some(text(value)), Some(code)));
    match field.kind {
        Kind::Id(longest) => {
            bad(&"1".repeat(longest + 1), "006");
            bad("has space", "008");
            bad("中文", "008");
            bad("1\u{7}", "008");
        }
        Kind::Text(longest) => {
            bad(&"文".repeat(longest + 1), "006");
            bad("1\u{7}", "008");
        }
        Kind::Money => {
            bad("1.001", "011");
            bad("1e2", "010");
            bad("1,0", "010");
            bad("1\u{7}", "010");
            bad("99999999999999.00", "012");
        }
        Kind::Decimal(decimals, _) => {
            bad(&format!("1.{}1", "0".repeat(decimals)), "011");
            bad("one", "010");
            bad("1\u{7}", "010");
            bad("99999999999999999999", "012");
        }
        Kind::File => {
            bad("no base64", "008");
            bad("1\u{7}", "008");
        }
        Kind::Day => {
            bad("2024-06-31", "009");
            bad("2024/06/30", "009");
            bad("2024-06-30 25:00:00", "009");
            bad("2024-06-30\u{7}", "009");
            bad(&"1".repeat(99), "009");
        }
        Kind::Word(_) => {
            bad("no such word", "007");
            bad("1\u{7}", "007");
            bad(&"1".repeat(99), "007");
        }
    }
    faults
}

#[test]
fn every_field_of_every_input_and_every_fault_of_it_has_its_code() {
    let mut seen = 0;
    for shape in SHAPES {
        let input = input_of(shape);
        assert_eq!(told(shape.transaction, &input), "taken", "{}", shape.transaction);
        for part in shape.parts {
            for field in part.fields {
                for (value, code) in faults(field) {
                    let mut object = object_of(part);
                    match &value {
                        None => object.remove(field.name),
                        Some(value) => object.insert(field.name.to_owned(), value.clone()),
                    };
                    let mut input = input.clone();
                    input.insert(part.name.to_owned(), Json::Object(object));
                    let had = told(shape.transaction, &input);
                    let place = format!("{} {}.{}", shape.transaction, part.name, field.name);
                    let Some(code) = code else {
                        assert_eq!(had, "taken", "{place} {value:?}");
                        continue;
                    };
                    let expected = format!("[OS-INP-{code}] ");
                    assert!(had.starts_with(&expected), "{place} {value:?}: {had}");
                    let path = format!("{}.{}", part.name, field.name);
                    assert!(had.contains(&path), "{place} {value:?}: {had}");
                    seen += 1;
                }
            }
        }
    }
    assert!(300 < seen, "{seen}");
}

#[test]
fn every_part_of_every_input_and_every_fault_of_it_has_its_code() {
    for shape in SHAPES {
        for part in shape.parts {
            let object = || Json::Object(object_of(part));
            let missing = part.needed.then_some("004");
            let too_many = Json::List(vec![object(); part.most + 1]);
            for (value, code) in [
                (None, missing),
                (Some(Json::Null), missing),
                (Some(text("")), missing),
                (Some(Json::List(Vec::new())), missing),
                (Some(text("x")), Some("005")),
                (Some(Json::Flag(false)), Some("005")),
                (Some(Json::List(vec![text("x")])), Some("005")),
                (Some(Json::List(vec![object()])), None),
                (Some(too_many), Some("015")),
            ] {
                let mut input = input_of(shape);
                match value {
                    None => input.remove(part.name),
                    Some(value) => input.insert(part.name.to_owned(), value),
                };
                let had = told(shape.transaction, &input);
                let expected = code.map_or("taken".to_owned(), |code| format!("[OS-INP-{code}] "));
                assert!(had.starts_with(&expected), "{} {}: {had}", shape.transaction, part.name);
            }
        }
    }
}

/// Whatever a transaction reads stands in the table: a name that a reader is given and the table lacks would be looked at nowhere else.
#[test]
fn the_table_holds_whatever_is_read() {
    let sources = [
        include_str!("../sign.rs"),
        include_str!("../person.rs"),
        include_str!("../stay.rs"),
        include_str!("../fees.rs"),
        include_str!("../settle.rs"),
        include_str!("../query.rs"),
        include_str!("../statements.rs"),
    ];
    let fields = || SHAPES.iter().flat_map(|shape| shape.parts).flat_map(|part| part.fields);
    let mut found = 0;
    for source in sources {
        let (code, _) = source.split_once("#[cfg(test)]").unwrap_or((source, ""));
        for reader in ["id", "needed", "text", "word", "day", "money", "decimal", "must", "bytes"] {
            for rest in code.split(&format!("node.{reader}(\"")).skip(1) {
                let (name, _) = rest.split_once('"').unwrap();
                assert!(fields().any(|field| field.name == name), "{name} is not in the table");
                found += 1;
            }
        }
    }
    assert!(40 < found, "{found}");
}
