use serde_json::Value;

use super::*;
use crate::door::national::json;

/// A value that fits each kind of field, of at most so many characters.
fn good(field: &Field) -> Json {
    let text = match field.kind {
        Kind::Id | Kind::Text => "1",
        Kind::Region => "520200",
        Kind::Time => "2024-06-30 09:30:00",
        // An encrypted body has another input.
        Kind::OneOf(&["SM4"]) => "",
        Kind::OneOf(known) => known.first().copied().unwrap_or_default(),
        Kind::Input => return Json::Object(Object::new()),
    };
    Json::Text(text.to_owned())
}

fn message() -> Object {
    FIELDS.iter().map(|field| (field.name.to_owned(), good(field))).collect()
}

fn refused(mut message: Object) -> String {
    match read(&mut message) {
        Ok(envelope) => format!("taken: {}", envelope.transaction),
        Err(fault) => fault.told().message,
    }
}

/// Every field with every fault that it can have, and the code of each.
#[test]
fn every_field_and_every_fault_of_it_has_its_code() {
    assert!(read(&mut message()).is_ok());
    let text = |text: &str| Some(Json::Text(text.to_owned()));
    let mut seen = 0;
    for field in FIELDS {
        let long = "1".repeat(field.longest + 1);
        let input = field.kind == Kind::Input;
        let bad = match field.kind {
            // Any text is one.
            Kind::Text => None,
            Kind::Id => Some(("has space", "008")),
            Kind::Region => Some(("52020x", "007")),
            Kind::Time => Some(("2024-06-31 09:30:00", "009")),
            Kind::OneOf(_) => Some(("9", "007")),
            Kind::Input => Some(("{}", "005")),
        };
        let fits = bad.filter(|(bad, _)| input || bad.len() <= field.longest);
        let mut faults = vec![
            (None, field.needed.then_some("004")),
            (Some(Json::Null), field.needed.then_some("004")),
            (text(""), field.needed.then_some("004")),
            (Some(Json::Flag(true)), Some("005")),
            (Some(Json::List(Vec::new())), Some("005")),
        ];
        if !input {
            faults.push((Some(Json::Object(Object::new())), Some("005")));
            faults.push((text(&long), Some("006")));
            faults.push((text("\u{7}"), Some("008")));
        }
        faults.extend(fits.map(|(bad, code)| (text(bad), Some(code))));
        for (value, code) in faults {
            let mut message = message();
            match &value {
                None => message.remove(field.name),
                Some(value) => message.insert(field.name.to_owned(), value.clone()),
            };
            let had = refused(message);
            let name = field.name;
            match code {
                None => assert!(had.starts_with("taken"), "{name} {value:?}: {had}"),
                Some(code) => {
                    assert!(
                        had.starts_with(&format!("[OS-ENV-{code}] ")),
                        "{name} {value:?}: {had}"
                    );
                    assert!(had.contains(name) && had.contains(" · "), "{name} {value:?}: {had}");
                }
            }
            seen += 1;
        }
    }
    assert!(8 * (FIELDS.len() - 1) < seen);
}

#[test]
fn where_a_person_is_named_so_is_the_region_that_insures_them() {
    for input in [
        r#"{"psn_no":"P1"}"#,
        r#"{"data":{"psn_no":"P1"}}"#,
        r#"{"feedetail":[{"psn_no":""},{"psn_no":7}]}"#,
    ] {
        let mut message = message();
        message.insert("input".to_owned(), json::read(input.as_bytes()).unwrap());
        assert!(read(&mut message.clone()).is_ok());
        message.remove("insuplc_admdvs");
        assert!(refused(message).starts_with("[OS-ENV-004] 缺少 insuplc_admdvs"), "{input}");
    }
}

#[test]
fn a_number_is_as_good_as_its_text() {
    let mut message = message();
    message.insert("infno".to_owned(), Json::Number("2304".to_owned()));
    message.insert("opter_type".to_owned(), Json::Number("1".to_owned()));
    assert_eq!(read(&mut message).unwrap().transaction, "2304");
}

#[test]
fn an_answer_says_where_when_and_which_one() {
    let at = "2024-06-29T16:00:00.042Z".parse().unwrap();
    let now = Now { at, day: jiff::civil::date(2024, 6, 30) };
    let region = RegionCode::new("520200");
    let reference = reference(region, &now, 10_000_000_007);
    assert_eq!(reference, "520200202406300000000000000007");
    let read = |answer: Answer| serde_json::from_slice::<Value>(&answer.body()).unwrap();
    let answered = Answered::Done { output: Written::of(&"x"), warning: String::new() };
    let envelope = read(Answer::new(reference, (&now, &now), answered));
    assert_eq!(envelope["refmsg_time"], "20240630000000042");
    assert_eq!((&envelope["infcode"], &envelope["output"]), (&Value::from(0), &Value::from("x")));
    let told = Fault::Panicked.told();
    let refused = read(Answer::new(String::new(), (&now, &now), Answered::Refused(told)));
    assert_eq!(refused["infcode"], -1);
    assert!(refused.get("output").is_none());
}

#[test]
fn an_encrypted_input_is_a_text_and_waits() {
    let mut message = message();
    message.insert("enc_type".to_owned(), Json::Text("SM4".to_owned()));
    assert!(refused(message.clone()).starts_with("[OS-ENV-005] "), "an object is not encrypted");
    message.remove("insuplc_admdvs");
    message.insert("input".to_owned(), Json::Text("c2VhbGVk".to_owned()));
    let envelope = read(&mut message).unwrap();
    assert_eq!((envelope.sealed.as_deref(), envelope.input.len()), (Some("c2VhbGVk"), 0));
    // What it turns out to say is looked at like any other.
    let input = json::object(r#"{"data":{"psn_no":"P1"}}"#).unwrap();
    let Err(fault) = envelope.take_input(input) else { panic!() };
    assert!(fault.told().message.starts_with("[OS-ENV-004] 缺少 insuplc_admdvs"));
}
