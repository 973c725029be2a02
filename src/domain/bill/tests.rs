//! Each row breaks one thing of a good bill; the fault that is named is the first in the order of `BillFault`.

use jiff::civil::{Date, date};

use super::*;

const TODAY: Date = date(2026, 7, 1);

fn line(id: &str, quantity_e4: i64, unit_price_e6: i64, fen: i64) -> ChargeLine {
    ChargeLine {
        id: LineId::new(id).unwrap(),
        item: ItemCode::new("XA01").unwrap(),
        quantity_e4,
        unit_price_e6,
        amount: Fen::new(fen),
        class: None,
        refund_of: None,
        charged_on: date(2026, 6, 20),
    }
}

fn refund(id: &str, of: &str, quantity_e4: i64, fen: i64) -> ChargeLine {
    ChargeLine { refund_of: LineId::new(of), ..line(id, quantity_e4, 12_500_000, fen) }
}

/// A bill of these lines, good but for what is in them.
pub(in crate::domain) fn bill(lines: Vec<ChargeLine>) -> Bill {
    let total = lines.iter().map(|line| line.amount.get()).sum();
    Bill {
        hospital: HospitalCode::new("H52020000001").unwrap(),
        stay: StayId::new("ZY1").unwrap(),
        stay_part: 0,
        scheme: None,
        admission: date(2026, 6, 10),
        discharge: date(2026, 6, 30),
        care: Care::Inpatient,
        referral: Referral::None,
        transferred_from: None,
        diagnoses: Vec::new(),
        facts: Vec::new(),
        lines,
        total: Fen::new(total),
        account_balance: Fen::ZERO,
        operator: None,
    }
}

fn check(change: impl FnOnce(&mut Bill), expected: Option<(BillFault, &str)>) {
    let mut bill =
        bill(vec![line("1", 20_000, 12_500_000, 2_500), line("2", 10_000, 12_500_000, 1_250)]);
    change(&mut bill);
    let found = bill.check(TODAY, 3).err().map(|faulty| (faulty.fault, faulty.field));
    assert_eq!(found, expected.map(|(fault, field)| (fault, field.to_owned())));
}

#[test]
fn a_good_bill_passes() {
    check(|_| {}, None);
    // A whole refund leaves a line of nothing, and a partial one the rest.
    check(
        |bill| {
            bill.lines.push(refund("3", "1", -10_000, -1_250));
            bill.total = Fen::new(2_500);
        },
        None,
    );
}

#[test]
fn every_fault_has_its_name_and_field() {
    use BillFault as F;
    check(|bill| bill.stay_part = 1, Some((F::StayPart, "bill.stay_part")));
    check(
        |bill| bill.admission = date(2026, 7, 1),
        Some((F::AdmissionAfterDischarge, "bill.admission_date")),
    );
    check(
        |bill| bill.discharge = date(2026, 7, 2),
        Some((F::DischargeInFuture, "bill.discharge_date")),
    );
    check(|bill| bill.lines.clear(), Some((F::NoLines, "bill.lines")));
    check(
        |bill| bill.lines.extend([line("3", 1, 1, 0), line("4", 1, 1, 0)]),
        Some((F::TooManyLines, "bill.lines")),
    );
    check(
        |bill| bill.lines[1].id = bill.lines[0].id.clone(),
        Some((F::DuplicateLine, "bill.lines[1].line_id")),
    );
    check(
        |bill| bill.lines[0].charged_on = date(2026, 6, 9),
        Some((F::ChargedOutsideStay, "bill.lines[0].charged_on")),
    );
    check(
        |bill| bill.lines[1].amount = Fen::new(1_251),
        Some((F::LineAmount, "bill.lines[1].amount_fen")),
    );
    check(|bill| bill.total = Fen::new(3_749), Some((F::Total, "bill.total_fen")));
    check(
        |bill| bill.account_balance = Fen::new(-1),
        Some((F::AmountOutOfRange, "bill.account_balance_fen")),
    );
    check(
        |bill| bill.lines[0].amount = Fen::new(i64::MIN),
        Some((F::AmountOutOfRange, "bill.lines[0].amount_fen")),
    );
}

#[test]
fn a_refund_must_refund_something() {
    let at = "bill.lines[2].refund_of_line_id";
    let with = |line: ChargeLine| move |bill: &mut Bill| bill.lines.push(line);
    check(with(line("3", -10_000, 12_500_000, -1_250)), Some((BillFault::RefundsNothing, at)));
    check(with(refund("3", "9", -10_000, -1_250)), Some((BillFault::RefundsNothing, at)));
    check(with(refund("3", "3", -10_000, -1_250)), Some((BillFault::RefundsNothing, at)));
    check(with(refund("3", "2", -20_000, -2_500)), Some((BillFault::RefundsNothing, at)));
    let other_item =
        ChargeLine { item: ItemCode::new("XB02").unwrap(), ..refund("3", "1", -10_000, -1_250) };
    check(with(other_item), Some((BillFault::RefundsNothing, at)));
    // No more than was charged, and yet one of what cost 12.50 gives back 25.00, or 10.00.
    for (price, fen) in [(25_000_000, -2_500), (10_000_000, -1_000)] {
        let other_price = ChargeLine {
            unit_price_e6: price,
            amount: Fen::new(fen),
            ..refund("3", "1", -10_000, 0)
        };
        check(with(other_price), Some((BillFault::RefundsNothing, at)));
    }
}

#[test]
fn sums_of_the_largest_lines_do_not_wrap() {
    let largest = |id: &str| line(id, 10_000, 10_000_000_000_000_000, FEN_MAX);
    let bill = bill(vec![largest("1"), largest("2")]);
    let found = bill.check(TODAY, 3).unwrap_err();
    assert_eq!(
        (found.fault, found.field.as_str()),
        (BillFault::AmountOutOfRange, "bill.total_fen")
    );
}

#[test]
fn prices_are_rounded_half_up_once_a_line() {
    // 3 × 0.005 is a fen and a half.
    assert_eq!(line("1", 30_000, 5_000, 2).priced(), Some(Fen::new(2)));
    assert_eq!(line("1", -30_000, 5_000, -2).priced(), Some(Fen::new(-2)));
    // 0.3333 × 0.01 is a third of a fen.
    assert_eq!(line("1", 3_333, 10_000, 0).priced(), Some(Fen::ZERO));
}

#[test]
fn a_bill_that_charges_nothing_is_no_bill() {
    check(
        |bill| {
            bill.lines.truncate(1);
            bill.lines.push(refund("3", "1", -20_000, -2_500));
            bill.total = Fen::ZERO;
        },
        Some((BillFault::NothingCharged, "bill.total_fen")),
    );
}

#[test]
fn the_lines_in_a_bills_bytes_are_the_lines() {
    let bill = bill(vec![line("1", 10_000, 12_500_000, 1_250), refund("2", "1", -10_000, -1_250)]);
    let mut bytes = vec![7; 3];
    let lines = crate::domain::record::write_bill(&mut bytes, &bill);
    let expected = crate::domain::record::lines_to_bytes(&bill.lines);
    assert_eq!(bytes.get(lines), Some(expected.as_slice()));
    assert!(bytes.starts_with(&[7; 3]));
}

/// The same id is found wherever its lines stand, also where they are not counted.
#[test]
fn a_line_that_is_there_twice_is_found_in_any_order() {
    let check = |ids: &[&str], place: Option<usize>| {
        let lines = ids.iter().map(|id| line(id, 10_000, 12_500_000, 1_250)).collect();
        let field = bill(lines).check(TODAY, 100).err().map(|faulty| faulty.field);
        assert_eq!(field, place.map(|place| format!("bill.lines[{place}].line_id")), "{ids:?}");
    };
    check(&["1", "2", "9", "10", "100"], None);
    check(&["b", "a", "10", "9"], None);
    check(&["1", "1"], Some(1));
    check(&["1", "2", "10", "2"], Some(3));
    check(&["b", "a", "b", "a"], Some(2));
}
