//! What a refund may say of the class of its item.

use jiff::civil::{Date, date};

use super::super::bill::ChargeLine;
use super::super::bill::tests::bill;
use super::super::ids::LineId;
use super::*;

/// The item has one class until this day, and another from it on.
const CHANGES: Date = date(2026, 6, 20);

fn entry(class: CatalogueClass) -> CatalogueEntry {
    CatalogueEntry {
        item: ItemCode::new("XA01").unwrap(),
        valid_from: date(2020, 1, 1),
        valid_to: None,
        class,
        advance_ratio: None,
        ceiling_price_e6: None,
        amount_name: None,
    }
}

fn line(day: Date, fen: i64, class: Option<CatalogueClass>) -> ChargeLine {
    ChargeLine {
        id: LineId::new(&format!("{day}:{fen}")).unwrap(),
        item: ItemCode::new("XA01").unwrap(),
        quantity_e4: fen,
        unit_price_e6: 1_000_000,
        amount: Fen::new(fen),
        class,
        refund_of: None,
        charged_on: day,
    }
}

/// Where the bill is declined, of lines by day, fen and class.
fn declined(lines: &[(i8, i64, Option<CatalogueClass>)]) -> Option<String> {
    let lines = lines.iter().map(|(day, fen, class)| line(date(2026, 6, *day), *fen, *class));
    let bill = bill(lines.collect());
    let (before, after) = (entry(CatalogueClass::A), entry(CatalogueClass::B));
    let said = |line: &ChargeLine| Some(if line.charged_on < CHANGES { &before } else { &after });
    let catalogue: Vec<_> = bill.lines.iter().map(said).collect();
    refunds_agree(&bill, &catalogue).err().map(|decline| decline.subject)
}

#[test]
fn a_refund_says_the_class_of_its_own_day_or_of_another_of_the_bill() {
    use CatalogueClass::{A, B, C};
    let charged = [(11, 500, Some(A)), (25, 500, Some(B))];
    let with =
        |refund: (i8, i64, Option<CatalogueClass>)| declined(&[charged[0], charged[1], refund]);
    assert_eq!(with((26, -100, None)), None);
    assert_eq!(with((26, -100, Some(B))), None);
    // Refunded after the class changed.
    assert_eq!(with((26, -100, Some(A))), None);
    assert_eq!(with((26, -100, Some(C))).as_deref(), Some("bill.lines[2].catalogue_class"));
    // Charged on no day when it had this class.
    let never = declined(&[charged[1], (26, -100, Some(B)), (26, -100, Some(A))]);
    assert_eq!(never.as_deref(), Some("bill.lines[2].catalogue_class"));
}
