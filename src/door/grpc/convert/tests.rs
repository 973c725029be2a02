use super::*;

/// Tells kinds and numbers apart, which is all that these tests look at.
fn hash(kind: u8, normalized: &str) -> CredentialHash {
    let mut hash = [kind; 32];
    for (byte, letter) in hash.iter_mut().zip(normalized.bytes()) {
        *byte = byte.wrapping_mul(31).wrapping_add(letter);
    }
    CredentialHash { kind, hash }
}

fn bill() -> wire::Bill {
    wire::Bill {
        hospital_code: "H52020000001".to_owned(),
        stay_id: "Z1".to_owned(),
        stay_part: 0,
        credential: Some(wire::Credential {
            kind: wire::CredentialKind::IdentityNumber.into(),
            number: "11010519491231002X".to_owned(),
        }),
        scheme: "resident".to_owned(),
        admission_date: "2024-06-01".to_owned(),
        discharge_date: "2024-06-10".to_owned(),
        care_type: wire::CareType::Inpatient.into(),
        referral: wire::Referral::None.into(),
        transferred_from_stay_id: String::new(),
        diagnosis_codes: vec!["I21.0".to_owned()],
        facts: vec![wire::Fact { name: "years".to_owned(), value: "6".to_owned() }],
        lines: vec![wire::ChargeLine {
            line_id: "1".to_owned(),
            item_code: "X01".to_owned(),
            quantity: "2".to_owned(),
            unit_price: "0.125".to_owned(),
            amount_fen: 25,
            catalogue_class: wire::CatalogueClass::A.into(),
            refund_of_line_id: String::new(),
            charged_on: String::new(),
        }],
        total_fen: 25,
        account_balance_fen: 0,
        operator_id: String::new(),
    }
}

/// One fault each: the field that is named, and the reason.
#[test]
fn what_does_not_fit_is_named() {
    let check = |spoil: &dyn Fn(&mut wire::Bill), field: &str, reason: InvalidReason| {
        let mut bill = bill();
        spoil(&mut bill);
        let invalid = claim(&hash, Some(bill)).unwrap_err();
        assert_eq!((invalid.field.as_str(), invalid.reason), (field, reason));
    };
    let number = |text: &'static str| {
        move |bill: &mut wire::Bill| bill.credential.as_mut().unwrap().number = text.to_owned()
    };
    let of_card = "bill.credential.number";
    check(&|bill| bill.hospital_code.clear(), "bill.hospital_code", InvalidReason::Missing);
    check(&|bill| bill.hospital_code.push('x'), "bill.hospital_code", InvalidReason::TooLong);
    check(&|bill| bill.stay_id = "住院1".to_owned(), "bill.stay_id", InvalidReason::NotPlain);
    check(&|bill| bill.stay_part = 731, "bill.stay_part", InvalidReason::OutOfRange);
    check(&|bill| bill.stay_part = u32::MAX, "bill.stay_part", InvalidReason::OutOfRange);
    check(&|bill| bill.credential = None, "bill.credential", InvalidReason::Missing);
    check(&number(""), of_card, InvalidReason::Missing);
    check(&number("  "), of_card, InvalidReason::Missing);
    check(&number("110105194912310021"), of_card, InvalidReason::CheckDigit);
    for of_no_card in ["11010519491231002", "11010519491231002XX", "110105491231002"] {
        check(&number(of_no_card), of_card, InvalidReason::IdentityLength);
    }
    check(&number("身份证"), of_card, InvalidReason::NotPlain);
    check(
        &|bill| bill.credential.as_mut().unwrap().kind = 9,
        "bill.credential.kind",
        InvalidReason::ValueUnknown,
    );
    check(
        &|bill| bill.credential.as_mut().unwrap().kind = 0,
        "bill.credential.kind",
        InvalidReason::Missing,
    );
    check(&|bill| bill.scheme = "urban".to_owned(), "bill.scheme", InvalidReason::ValueUnknown);
    check(&|bill| bill.admission_date.clear(), "bill.admission_date", InvalidReason::Missing);
    for bad in ["2024-02-30", "2024-6-1", "20240601", "2024-06-01T00:00", "+002024-06-01", "昨天"]
    {
        check(
            &|bill| bill.discharge_date = bad.to_owned(),
            "bill.discharge_date",
            InvalidReason::NotADate,
        );
    }
    check(&|bill| bill.care_type = 0, "bill.care_type", InvalidReason::Missing);
    check(&|bill| bill.care_type = 99, "bill.care_type", InvalidReason::ValueUnknown);
    check(&|bill| bill.referral = 0, "bill.referral", InvalidReason::Missing);
    check(
        &|bill| bill.diagnosis_codes = vec!["I21".to_owned(); 65],
        "bill.diagnosis_codes",
        InvalidReason::TooMany,
    );
    check(
        &|bill| bill.diagnosis_codes.push("I 21".to_owned()),
        "bill.diagnosis_codes[1]",
        InvalidReason::NotPlain,
    );
    check(
        &|bill| bill.facts.push(bill.facts[0].clone()),
        "bill.facts[1].name",
        InvalidReason::Duplicate,
    );
    check(&|bill| bill.facts[0].value.clear(), "bill.facts[0].value", InvalidReason::Missing);
    check(&|bill| bill.operator_id = "x".repeat(31), "bill.operator_id", InvalidReason::TooLong);
}

#[test]
fn a_line_is_named_by_its_place() {
    let check = |spoil: &dyn Fn(&mut wire::ChargeLine), field: &str, reason: InvalidReason| {
        let mut bill = bill();
        bill.lines.push(bill.lines[0].clone());
        spoil(&mut bill.lines[1]);
        let invalid = claim(&hash, Some(bill)).unwrap_err();
        assert_eq!(invalid.field, format!("bill.lines[1].{field}"));
        assert_eq!(invalid.reason, reason, "{field}");
    };
    check(&|line| line.line_id.clear(), "line_id", InvalidReason::Missing);
    check(&|line| line.item_code = "x".repeat(51), "item_code", InvalidReason::TooLong);
    for (text, reason) in [
        ("", InvalidReason::Missing),
        ("1.00001", InvalidReason::TooManyDecimals),
        ("1e3", InvalidReason::NotADecimal),
        ("1.", InvalidReason::NotADecimal),
        ("NaN", InvalidReason::NotADecimal),
        ("9999999999999999", InvalidReason::OutOfRange),
        ("99999999999999999999", InvalidReason::OutOfRange),
    ] {
        check(&|line| line.quantity = text.to_owned(), "quantity", reason);
    }
    check(
        &|line| line.unit_price = "0.1234567".to_owned(),
        "unit_price",
        InvalidReason::TooManyDecimals,
    );
    // A refund has a negative quantity; a negative price would be a second way to say it.
    check(&|line| line.unit_price = "-1".to_owned(), "unit_price", InvalidReason::OutOfRange);
    check(&|line| line.catalogue_class = 4, "catalogue_class", InvalidReason::ValueUnknown);
    check(&|line| line.charged_on = "6/1".to_owned(), "charged_on", InvalidReason::NotADate);
}

#[test]
fn a_bill_is_read_whole() {
    let read = claim(&hash, Some(bill())).unwrap().bill;
    assert_eq!(read.lines[0].charged_on, read.discharge);
    assert_eq!(read.lines[0].quantity_e4, 20_000);
    assert_eq!(read.lines[0].unit_price_e6, 125_000);
    assert_eq!((read.transferred_from, read.operator), (None, None));
}

#[test]
fn the_same_card_is_the_same_person_however_it_is_typed() {
    let hashed = |kind: wire::CredentialKind, number: &str| {
        let mut bill = bill();
        bill.credential = Some(wire::Credential { kind: kind.into(), number: number.to_owned() });
        claim(&hash, Some(bill)).unwrap().credential.hash
    };
    let card = hashed(wire::CredentialKind::IdentityNumber, "11010519491231002X");
    assert_eq!(card, hashed(wire::CredentialKind::IdentityNumber, " 11010519491231002x "));
    assert_ne!(card, hashed(wire::CredentialKind::NewbornOfMother, "11010519491231002X"));
}

#[test]
fn a_reversal_and_a_look_up_name_what_they_lack() {
    let reversal = wire::ReverseRequest {
        request_id: "R1".to_owned(),
        hospital_code: "H1".to_owned(),
        target: None,
        reason: String::new(),
        operator_id: String::new(),
    };
    let invalid = reverse(reversal.clone()).unwrap_err();
    assert_eq!(invalid, Invalid::new("settlement_id", InvalidReason::Missing));
    let target = wire::reverse_request::Target::OriginalRequestId("有".to_owned());
    let invalid = reverse(wire::ReverseRequest { target: Some(target), ..reversal }).unwrap_err();
    assert_eq!(invalid, Invalid::new("original_request_id", InvalidReason::NotPlain));
    let invalid = wanted(wire::GetSettlementRequest { key: None }).unwrap_err();
    assert_eq!(invalid, Invalid::new("settlement_id", InvalidReason::Missing));
}
