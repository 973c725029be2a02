use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::ids::HospitalCode;

fn id(number: u64) -> SettlementId {
    SettlementId::compose(1, 1, number)
}

fn row(side: Side, pair: u64, refund: bool, fund: i64, line: u64) -> Row {
    let sign = if refund { -1 } else { 1 };
    let fen = |fen: i64| Fen::new(sign * fen);
    Row {
        side,
        pair: id(pair),
        settlement: id(if refund { pair + 1_000_000 } else { pair }),
        refund,
        stay: None,
        amounts: Amounts::new(fen(fund * 2), fen(fund), fen(0)),
        line,
    }
}

/// Both sides as letters: "a" our settlement, "A" its reversal, "b" theirs, "B" its reversal, each with an amount; in what classes.
fn check(rows: &[(char, i64)], expected: &[(Class, &str)]) {
    let mut matching = Matching::default();
    let mut told = Vec::new();
    let letter = |row: &Row| match (row.side, row.refund) {
        (Side::Ours, false) => "a",
        (Side::Ours, true) => "A",
        (Side::Theirs, false) => "b",
        (Side::Theirs, true) => "B",
    };
    for ((of, fund), line) in rows.iter().zip(1..) {
        let (side, refund) = match of {
            'a' => (Side::Ours, false),
            'A' => (Side::Ours, true),
            'b' => (Side::Theirs, false),
            _ => (Side::Theirs, true),
        };
        matching.take(row(side, 1, refund, *fund, line), &mut told);
    }
    matching.end(&mut told);
    let seen: Vec<(Class, String)> = told
        .iter()
        .map(|classed| {
            let both = [&classed.ours, &classed.theirs].into_iter().flatten();
            (classed.class, both.map(letter).collect())
        })
        .collect();
    let expected: Vec<(Class, String)> =
        expected.iter().map(|(class, rows)| (*class, (*rows).to_owned())).collect();
    assert_eq!(seen, expected, "{rows:?}");
}

#[test]
fn rows_of_a_pair_fall_into_their_classes() {
    use Class::{AmountsDiffer, Equal, OnlyOurs, OnlyTheirs, Repeated, ReversedOnOneSide};
    check(&[('a', 5), ('b', 5)], &[(Equal, "ab")]);
    check(&[('a', 5), ('b', 6)], &[(AmountsDiffer, "ab")]);
    check(&[('a', 5)], &[(OnlyOurs, "a")]);
    check(&[('b', 5)], &[(OnlyTheirs, "b")]);
    check(&[('a', 5), ('b', 5), ('b', 5)], &[(Repeated, "b"), (Equal, "ab")]);
    check(&[('b', 5), ('b', 6)], &[(Repeated, "b"), (OnlyTheirs, "b")]);
    check(&[('a', 5), ('b', 5), ('A', 5)], &[(Equal, "ab"), (ReversedOnOneSide, "A")]);
    check(&[('a', 5), ('b', 5), ('B', 5)], &[(Equal, "ab"), (ReversedOnOneSide, "B")]);
    check(&[('a', 5), ('b', 5), ('A', 5), ('B', 5)], &[(Equal, "ab"), (Equal, "AB")]);
    // What one side alone settled and reversed again the other never had.
    check(&[('a', 5), ('A', 5)], &[(OnlyOurs, "a"), (OnlyOurs, "A")]);
    check(&[('b', 5), ('B', 5)], &[(OnlyTheirs, "b"), (OnlyTheirs, "B")]);
    // Of what was settled on an earlier day.
    check(&[('A', 5)], &[(ReversedOnOneSide, "A")]);
    check(&[('a', 5), ('B', 5)], &[(OnlyOurs, "a"), (ReversedOnOneSide, "B")]);
}

#[test]
fn what_these_days_do_not_show_is_looked_for_in_the_ledger() {
    let theirs = |class, refund| Classed {
        class,
        ours: None,
        theirs: Some(row(Side::Theirs, 1, refund, 5, 1)),
    };
    let look = |mut classed: Classed, settled, same| {
        classed.look_further(settled, same);
        classed.class
    };
    assert_eq!(look(theirs(Class::OnlyTheirs, false), true, true), Class::OtherDay);
    assert_eq!(look(theirs(Class::OnlyTheirs, false), false, false), Class::OnlyTheirs);
    assert_eq!(look(theirs(Class::ReversedOnOneSide, true), true, true), Class::OtherDay);
    assert_eq!(look(theirs(Class::ReversedOnOneSide, true), false, false), Class::OnlyTheirs);
    assert_eq!(look(theirs(Class::ReversedOnOneSide, true), true, false), Class::ReversedOnOneSide);
    assert_eq!(look(theirs(Class::OnlyTheirs, true), true, false), Class::ReversedOnOneSide);
    assert_eq!(look(theirs(Class::Repeated, false), true, true), Class::Repeated);
}

#[test]
fn results_are_told_in_both_encodings() {
    let check = |class: Class, has: Side, expected: [&str; 2]| {
        let told = told(class, has);
        assert_eq!(
            [Encoding::Short, Encoding::Long].map(|how| told.code(how)),
            expected,
            "{class:?}"
        );
    };
    check(Class::Equal, Side::Ours, ["0", "000000"]);
    check(Class::OnlyOurs, Side::Ours, ["1", "000101"]);
    check(Class::OnlyTheirs, Side::Theirs, ["2", "000102"]);
    check(Class::AmountsDiffer, Side::Ours, ["3", "000103"]);
    check(Class::Repeated, Side::Theirs, ["2", "000102"]);
    check(Class::ReversedOnOneSide, Side::Ours, ["1", "000101"]);
    check(Class::ReversedOnOneSide, Side::Theirs, ["2", "000102"]);
    check(Class::OtherDay, Side::Theirs, ["2", "000102"]);
}

#[test]
fn sums_say_who_has_more() {
    let sum = |rows, total, fund| Sum {
        rows,
        amounts: Amounts::new(Fen::new(total), Fen::new(fund), Fen::ZERO),
    };
    let check = |ours, theirs, expected| assert_eq!(compare(&ours, &theirs), expected);
    check(sum(2, 10, 5), sum(2, 10, 5), Told::Equal);
    check(sum(2, 10, 5), sum(1, 10, 5), Told::CentreMore);
    check(sum(2, 10, 5), sum(2, 10, 6), Told::InstitutionMore);
    check(sum(2, 10, 5), sum(1, 10, 6), Told::Differ);
}

#[test]
fn the_clearing_type_is_what_is_recorded_or_follows_from_the_care() {
    assert_eq!(clearing_type("", Care::Inpatient), "21");
    assert_eq!(clearing_type("", Care::OutpatientChronic), "11");
    assert_eq!(clearing_type("41", Care::Outpatient), "41");
    assert_eq!(cares_of("11"), ["outpatient", "outpatient_chronic"]);
    assert_eq!(cares_of("21"), ["inpatient"]);
    assert_eq!(cares_of("41"), [""; 0]);
}

fn scope() -> Scope {
    let day = jiff::civil::date(2024, 7, 1);
    Scope {
        hospital: HospitalCode::new("H1"),
        region: crate::domain::ids::RegionCode::new("520200"),
        scheme: None,
        clearing_type: Some("21".to_owned()),
        clearing_agency: None,
        payer: None,
        refund: None,
        first_day: day,
        last_day: day,
    }
}

#[test]
fn a_scope_says_what_is_outside() {
    let shown = Shown {
        hospital: HospitalCode::new("H1").unwrap(),
        region: crate::domain::ids::RegionCode::new("520201").unwrap(),
        scheme: crate::domain::standing::Scheme::Resident,
        clearing_type: String::new(),
        clearing_agency: String::new(),
        care: Care::Inpatient,
        day: jiff::civil::date(2024, 7, 1),
    };
    assert_eq!(scope().outside(&shown), None);
    let other = Shown { hospital: HospitalCode::new("H2").unwrap(), ..shown.clone() };
    assert_eq!(scope().outside(&other), Some(Outside::Hospital));
    let away = crate::domain::ids::RegionCode::new("520301").unwrap();
    assert_eq!(scope().outside(&Shown { region: away, ..shown.clone() }), Some(Outside::Region));
    let outpatient = Shown { care: Care::Outpatient, ..shown };
    assert_eq!(scope().outside(&outpatient), Some(Outside::Clearing));
    let bounds = scope().regions().map(|(from, to)| (from.get(), to.get()));
    assert_eq!(bounds, Some((520_200, 520_299)));
    assert_eq!(scope().key(), "H1|520200||21|||");
}

/// What the other side made of a settlement of ours.
#[derive(Clone, Copy, Debug)]
enum Did {
    Same,
    Lost,
    Other(i64),
    Twice,
    Reversed,
    Invented,
}

fn did() -> impl Strategy<Value = Did> {
    prop_oneof![
        6 => Just(Did::Same),
        1 => Just(Did::Lost),
        1 => (1_i64..500).prop_map(Did::Other),
        1 => Just(Did::Twice),
        1 => Just(Did::Reversed),
        1 => Just(Did::Invented),
    ]
}

/// The rows of both sides of a day, in the order of pairs, and how many of each class there must be. Kept apart from how rows are
/// matched: each perturbation says itself what it is.
fn day(drawn: &[(i64, bool, Did)]) -> (Vec<Row>, BTreeMap<Class, usize>) {
    let mut rows = Vec::new();
    let mut expected = BTreeMap::new();
    let mut line = 0;
    let mut next = || {
        line += 1;
        line
    };
    for ((fund, ours_reversed, did), pair) in drawn.iter().zip(1..) {
        let mut count = |class| *expected.entry(class).or_insert(0) += 1;
        let (ours, theirs) = (Side::Ours, Side::Theirs);
        if matches!(did, Did::Invented) {
            rows.push(row(theirs, pair, false, *fund, next()));
            count(Class::OnlyTheirs);
            continue;
        }
        rows.push(row(ours, pair, false, *fund, 0));
        let has = !matches!(did, Did::Lost);
        match did {
            Did::Lost => count(Class::OnlyOurs),
            Did::Other(by) => {
                rows.push(row(theirs, pair, false, fund + by, next()));
                count(Class::AmountsDiffer);
            }
            Did::Twice => {
                rows.push(row(theirs, pair, false, *fund, next()));
                rows.push(row(theirs, pair, false, *fund, next()));
                count(Class::Equal);
                count(Class::Repeated);
            }
            Did::Same | Did::Reversed | Did::Invented => {
                rows.push(row(theirs, pair, false, *fund, next()));
                count(Class::Equal);
            }
        }
        if *ours_reversed {
            rows.push(row(ours, pair, true, *fund, 0));
        }
        let theirs_reversed = matches!(did, Did::Reversed);
        if theirs_reversed {
            rows.push(row(theirs, pair, true, *fund, next()));
        }
        match (*ours_reversed, theirs_reversed) {
            (true, true) => count(Class::Equal),
            (true, false) if has => count(Class::ReversedOnOneSide),
            (true, false) => count(Class::OnlyOurs),
            (false, true) => count(Class::ReversedOnOneSide),
            (false, false) => {}
        }
    }
    rows.sort_by_key(|row| (row.pair.clone(), row.refund, row.side, row.line));
    (rows, expected)
}

proptest! {
    /// Each row is in exactly one class, the classes are those that were meant, and what both sides come to differs by what the
    /// classes differ by.
    #[test]
    fn the_classes_are_a_partition_and_the_sums_close(
        drawn in prop::collection::vec((1_i64..1_000_000, any::<bool>(), did()), 0..60),
    ) {
        let (rows, expected) = day(&drawn);
        let mut matching = Matching::default();
        let mut told = Vec::new();
        for row in &rows {
            matching.take(row.clone(), &mut told);
        }
        matching.end(&mut told);
        let mut out: Vec<Row> =
            told.iter().flat_map(|classed| [&classed.ours, &classed.theirs]).flatten().cloned().collect();
        out.sort_by_key(|row| (row.pair.clone(), row.refund, row.side, row.line));
        prop_assert_eq!(&out, &rows);

        let mut classes: BTreeMap<Class, usize> = BTreeMap::new();
        let mut report = Report::default();
        for classed in &told {
            *classes.entry(classed.class).or_insert(0) += 1;
            report.add(classed).unwrap();
        }
        prop_assert_eq!(classes, expected);

        for field in Field::ALL {
            let side = |side: Side| -> i64 {
                rows.iter().filter(|row| row.side == side).map(|row| row.amounts.get(field).get()).sum()
            };
            let explained: i64 = Class::ALL
                .into_iter()
                .map(|class| report.class(class))
                .map(|total| total.ours.amounts.get(field).get() - total.theirs.amounts.get(field).get())
                .sum();
            prop_assert_eq!(side(Side::Ours) - side(Side::Theirs), explained);
        }
        let equal = report.class(Class::Equal);
        prop_assert_eq!(equal.ours, equal.theirs);
        let sums = report.sums().unwrap();
        prop_assert_eq!(sums.ours.rows + sums.theirs.rows, u64::try_from(rows.len()).unwrap());
    }
}
