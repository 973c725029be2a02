//! Bad input: each gets a named answer with its field, in both languages, and leaves nothing behind in any table.

use onestop::door::wire::settlement::v1 as wire;
use tonic::Code;

use crate::gateway::{Gateway, bill, identity_number, line, refused};

/// What is expected of one bad bill: its code (nothing: a decline), reason and field.
type Expected<'a> = (Option<Code>, &'a str, &'a str);

async fn check(gateway: &Gateway, bad: wire::Bill, (code, reason, field): Expected<'_>) {
    let before = gateway.rows().await;
    let quote = wire::QuoteRequest { bill: Some(bad.clone()) };
    let quoted = gateway.desk.clone().quote(quote).await.map(tonic::Response::into_inner);
    let settle = wire::SettleRequest {
        request_id: "BAD".to_owned(),
        bill: Some(bad),
        quote_token: Vec::new(),
    };
    let settled = gateway.desk.clone().settle(settle).await.map(tonic::Response::into_inner);
    assert_eq!(gateway.rows().await, before, "{reason} left something behind");
    let Some(code) = code else {
        use wire::{quote_response, settle_response};
        let Some(quote_response::Outcome::Declined(quoted)) = quoted.unwrap().outcome else {
            panic!("{reason} was quoted")
        };
        let Some(settle_response::Outcome::Declined(settled)) = settled.unwrap().outcome else {
            panic!("{reason} was settled")
        };
        assert_eq!(quoted, settled);
        assert_eq!((settled.reason.as_str(), settled.subject.as_str()), (reason, field));
        assert!(!settled.message_zh.is_empty() && settled.message_en.is_ascii());
        return;
    };
    for status in [quoted.unwrap_err(), settled.unwrap_err()] {
        let had = refused(&status);
        assert_eq!((had.code, had.reason.as_str(), had.field.as_str()), (code, reason, field));
    }
}

const REFUSED: Option<Code> = Some(Code::InvalidArgument);
const DECLINED: Option<Code> = None;
const DAY: &str = "2024-06-30";

#[tokio::test]
async fn who_and_where_must_be_known() {
    let gateway = Gateway::start().await;
    let spoilt = |spoil: &dyn Fn(&mut wire::Bill)| {
        let mut bill = bill(0, "Z1", DAY);
        spoil(&mut bill);
        bill
    };
    let hospital = spoilt(&|bill| bill.hospital_code = "H99999999999".to_owned());
    check(&gateway, hospital, (DECLINED, "HOSPITAL_UNKNOWN", "bill.hospital_code")).await;
    check(&gateway, bill(9, "Z1", DAY), (DECLINED, "PERSON_UNKNOWN", "bill.credential")).await;
    // The third person is insured where no package is.
    check(&gateway, bill(2, "Z1", DAY), (DECLINED, "NO_PACKAGE_IN_FORCE", "bill.discharge_date"))
        .await;
    let no_package = bill(0, "Z1", "2023-06-30");
    check(&gateway, no_package, (DECLINED, "NO_PACKAGE_IN_FORCE", "bill.discharge_date")).await;
    let uncovered = bill(0, "Z1", "2019-12-31");
    check(&gateway, uncovered, (DECLINED, "HOSPITAL_UNKNOWN", "bill.hospital_code")).await;
    let scheme = spoilt(&|bill| bill.scheme = "employee".to_owned());
    check(&gateway, scheme, (DECLINED, "NOT_COVERED", "bill.scheme")).await;
    let item = spoilt(&|bill| bill.lines[1].item_code = "X99".to_owned());
    check(&gateway, item, (DECLINED, "ITEM_UNKNOWN", "bill.lines[1].item_code")).await;
    let class = spoilt(&|bill| {
        bill.lines[1].catalogue_class = wire::CatalogueClass::A.into();
    });
    check(&gateway, class, (DECLINED, "CLASS_DISAGREES", "bill.lines[1].catalogue_class")).await;
    let fact = spoilt(&|bill| {
        bill.facts.push(wire::Fact { name: "retired".to_owned(), value: "true".to_owned() });
    });
    check(&gateway, fact, (DECLINED, "FACT_UNKNOWN", "bill.facts.retired")).await;
    let from = spoilt(&|bill| bill.transferred_from_stay_id = "Z0".to_owned());
    let field = "bill.transferred_from_stay_id";
    check(&gateway, from, (DECLINED, "TRANSFER_UNKNOWN", field)).await;
    let card = spoilt(&|bill| {
        let mut number = identity_number(0);
        let check = if number.ends_with('1') { "2" } else { "1" };
        number.replace_range(17.., check);
        bill.credential.as_mut().unwrap().number = number;
    });
    let reason = "IDENTITY_NUMBER_CHECK_DIGIT";
    check(&gateway, card, (REFUSED, reason, "bill.credential.number")).await;
}

#[tokio::test]
async fn a_bill_must_not_contradict_itself() {
    let gateway = Gateway::start().await;
    let spoilt = |spoil: &dyn Fn(&mut wire::Bill)| {
        let mut bill = bill(0, "Z1", DAY);
        spoil(&mut bill);
        bill
    };
    let dates = spoilt(&|bill| bill.admission_date = "2024-07-01".to_owned());
    check(&gateway, dates, (REFUSED, "ADMISSION_AFTER_DISCHARGE", "bill.admission_date")).await;
    let future = spoilt(&|bill| bill.discharge_date = "2999-01-01".to_owned());
    check(&gateway, future, (REFUSED, "DISCHARGE_IN_FUTURE", "bill.discharge_date")).await;
    let total = spoilt(&|bill| bill.total_fen += 1);
    check(&gateway, total, (REFUSED, "TOTAL_IS_NOT_THE_SUM", "bill.total_fen")).await;
    let amount = spoilt(&|bill| bill.lines[0].amount_fen -= 1);
    check(&gateway, amount, (REFUSED, "LINE_AMOUNT", "bill.lines[0].amount_fen")).await;
    let refund = spoilt(&|bill| {
        bill.lines[2].quantity = "-1".to_owned();
        bill.lines[2].amount_fen = -100_000;
        bill.total_fen -= 200_000;
    });
    let field = "bill.lines[2].refund_of_line_id";
    check(&gateway, refund, (REFUSED, "REFUNDS_NOTHING", field)).await;
    let decimals = spoilt(&|bill| bill.lines[0].unit_price = "1.1234567".to_owned());
    check(&gateway, decimals, (REFUSED, "TOO_MANY_DECIMALS", "bill.lines[0].unit_price")).await;
    let twice = spoilt(&|bill| bill.lines[1].line_id = "1".to_owned());
    check(&gateway, twice, (REFUSED, "DUPLICATE_LINE", "bill.lines[1].line_id")).await;
    let empty = spoilt(&|bill| {
        bill.lines.clear();
        bill.total_fen = 0;
    });
    check(&gateway, empty, (REFUSED, "NO_LINES", "bill.lines")).await;
    let outside = spoilt(&|bill| bill.lines[0].charged_on = "2024-06-29".to_owned());
    check(&gateway, outside, (REFUSED, "CHARGED_OUTSIDE_STAY", "bill.lines[0].charged_on")).await;
    let large = spoilt(&|bill| bill.lines[0].amount_fen = i64::MAX);
    check(&gateway, large, (REFUSED, "AMOUNT_OUT_OF_RANGE", "bill.lines[0].amount_fen")).await;
    let overflow = spoilt(&|bill| bill.lines[0].quantity = "9999999999999999".to_owned());
    check(&gateway, overflow, (REFUSED, "OUT_OF_RANGE", "bill.lines[0].quantity")).await;
    let lowest = spoilt(&|bill| {
        bill.lines[0].amount_fen = i64::MIN;
        bill.total_fen = i64::MIN;
    });
    check(&gateway, lowest, (REFUSED, "AMOUNT_OUT_OF_RANGE", "bill.lines[0].amount_fen")).await;
    let account = spoilt(&|bill| bill.account_balance_fen = -1);
    check(&gateway, account, (REFUSED, "AMOUNT_OUT_OF_RANGE", "bill.account_balance_fen")).await;
    let referral = spoilt(&|bill| bill.referral = 0);
    check(&gateway, referral, (REFUSED, "FIELD_MISSING", "bill.referral")).await;
}

fn long(lines: usize) -> wire::Bill {
    let mut bill = bill(0, "Z1", DAY);
    bill.lines = (0..lines).map(|number| line(&number.to_string(), "A01", 1)).collect();
    bill.total_fen = i64::try_from(lines).unwrap() * 100;
    bill
}

#[tokio::test]
async fn five_thousand_lines_settle_and_ten_thousand_and_one_do_not() {
    let gateway = Gateway::start().await;
    check(&gateway, long(10_001), (REFUSED, "TOO_MANY_LINES", "bill.lines")).await;
    let request = wire::SettleRequest {
        request_id: "R1".to_owned(),
        bill: Some(long(5_000)),
        quote_token: Vec::new(),
    };
    let answer = gateway.desk.clone().settle(request).await.unwrap().into_inner();
    assert!(matches!(answer.outcome, Some(wire::settle_response::Outcome::Settlement(_))));
}

#[tokio::test]
async fn stays_of_one_person_do_not_overlap() {
    let gateway = Gateway::start().await;
    let inpatient = |stay: &str, from: &str, to: &str| wire::Bill {
        care_type: wire::CareType::Inpatient.into(),
        admission_date: from.to_owned(),
        ..bill(0, stay, to)
    };
    let settle = async |request: &str, bill: wire::Bill| {
        let request = wire::SettleRequest {
            request_id: request.to_owned(),
            bill: Some(bill),
            quote_token: Vec::new(),
        };
        let answer = gateway.desk.clone().settle(request).await.unwrap().into_inner();
        assert!(matches!(answer.outcome, Some(wire::settle_response::Outcome::Settlement(_))));
    };
    let overlaps = (DECLINED, "STAY_OVERLAPS", "bill.admission_date");
    settle("R1", inpatient("Z1", "2024-06-20", DAY)).await;
    check(&gateway, inpatient("Z2", "2024-06-25", "2024-06-25"), overlaps).await;
    // One day, twice: a double click with another stay.
    settle("R2", inpatient("Z3", "2024-05-01", "2024-05-01")).await;
    check(&gateway, inpatient("Z4", "2024-05-01", "2024-05-01"), overlaps).await;
    // A part of a settled stay would be paid again.
    let part = wire::Bill { stay_part: 1, ..inpatient("Z1", "2024-06-20", DAY) };
    check(&gateway, part, (REFUSED, "STAY_PART_NOT_TAKEN", "bill.stay_part")).await;
    // Who was transferred came from a stay that has just ended.
    let from = |stay: &str, day: &str, earlier: &str| wire::Bill {
        transferred_from_stay_id: earlier.to_owned(),
        ..inpatient(stay, day, day)
    };
    let unknown = (DECLINED, "TRANSFER_UNKNOWN", "bill.transferred_from_stay_id");
    check(&gateway, from("Z5", "2024-05-03", "Z3"), unknown).await;
    check(&gateway, from("Z5", "2024-04-30", "Z3"), unknown).await;
    settle("R3", from("Z5", "2024-05-02", "Z3")).await;
}

#[tokio::test]
async fn a_settle_request_without_its_id_or_bill_names_what_it_lacks() {
    let gateway = Gateway::start().await;
    let check = async |request: wire::SettleRequest, reason: &str, field: &str| {
        let had = refused(&gateway.desk.clone().settle(request).await.unwrap_err());
        assert_eq!((had.reason.as_str(), had.field.as_str()), (reason, field));
    };
    let request = wire::SettleRequest {
        request_id: String::new(),
        bill: Some(bill(0, "Z1", DAY)),
        quote_token: Vec::new(),
    };
    check(request.clone(), "FIELD_MISSING", "request_id").await;
    let request = wire::SettleRequest { request_id: "换".to_owned(), ..request };
    check(request.clone(), "FIELD_NOT_PLAIN", "request_id").await;
    let request = wire::SettleRequest { request_id: "x".repeat(31), ..request };
    check(request.clone(), "FIELD_TOO_LONG", "request_id").await;
    let request = wire::SettleRequest { request_id: "R1".to_owned(), bill: None, ..request };
    check(request, "FIELD_MISSING", "bill").await;
}
