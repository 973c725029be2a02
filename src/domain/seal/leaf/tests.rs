use jiff::civil::date;

use super::*;

fn row() -> SettlementRow {
    SettlementRow {
        settlement: "S7F18BCFE56800FFFFFFFFFFFFFFFF".to_owned(),
        region: RegionCode::new("520200").unwrap(),
        record: b"no record".to_vec(),
        state: "final".to_owned(),
        supersedes: None,
        level: 2,
        care: "inpatient".to_owned(),
        referral: "none".to_owned(),
        clearing: [String::new(), String::new(), String::new()],
        accounting_day: date(2026, 10, 3),
        door: "grpc".to_owned(),
        assumed: false,
        operator: None,
        reason: None,
        body_sha256: vec![7; 32],
    }
}

fn hash(row: &SettlementRow) -> Hash {
    let Parts { shown, hidden } = row.parts();
    leaf_hash(Kind::Settlement, &content_hash(&[1; 32], &commitment(&[2; 32], &hidden), &shown))
}

#[test]
fn every_column_that_is_sealed_moves_the_leaf() {
    let before = hash(&row());
    let text = || "x".to_owned();
    let others = [
        SettlementRow { record: b"no recorD".to_vec(), ..row() },
        SettlementRow { state: text(), ..row() },
        SettlementRow { supersedes: Some(text()), ..row() },
        SettlementRow { level: 3, ..row() },
        SettlementRow { care: text(), ..row() },
        SettlementRow { referral: text(), ..row() },
        SettlementRow { clearing: [text(), String::new(), String::new()], ..row() },
        SettlementRow { clearing: [String::new(), text(), String::new()], ..row() },
        SettlementRow { accounting_day: date(2026, 10, 4), ..row() },
        SettlementRow { door: text(), ..row() },
        SettlementRow { assumed: true, ..row() },
        SettlementRow { operator: Some(String::new()), ..row() },
        SettlementRow { operator: Some(text()), ..row() },
        SettlementRow { reason: Some(text()), ..row() },
        SettlementRow { body_sha256: vec![8; 32], ..row() },
    ];
    let mut seen = std::collections::BTreeSet::from([before]);
    for other in others {
        assert!(seen.insert(hash(&other)), "{other:?}");
    }
}

#[test]
fn a_leaf_is_bound_to_its_kind_and_salts() {
    let Parts { shown, hidden } = row().parts();
    let of = |kind, salt: u8, hidden_salt: u8| {
        leaf_hash(
            kind,
            &content_hash(&[salt; 32], &commitment(&[hidden_salt; 32], &hidden), &shown),
        )
    };
    let all = [
        of(Kind::Settlement, 1, 2),
        of(Kind::Posting, 1, 2),
        of(Kind::Settlement, 3, 2),
        of(Kind::Settlement, 1, 3),
    ];
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
}

#[test]
fn what_is_shown_is_read_back_and_is_nothing_once_cut_or_longer() {
    let row = row();
    let shown = row.parts().shown;
    let read = ShownSettlement::read(&shown).unwrap();
    assert_eq!((read.record, read.state, read.level), (&[][..], "final", 2));
    assert_eq!((read.accounting_day, read.door, read.assumed), (row.accounting_day, "grpc", false));
    for end in 0..shown.len() {
        assert_eq!(ShownSettlement::read(&shown[..end]), None);
    }
    let longer = [shown.as_slice(), &[0]].concat();
    assert_eq!(ShownSettlement::read(&longer), None);
}

#[test]
fn a_change_of_the_registry_is_of_the_day_in_shanghai() {
    let change = ChangeRow {
        region: RegionCode::new("000000").unwrap(),
        person: 7,
        standing_version: 2,
        ordinal: 1,
        kind: "person".to_owned(),
        import: "list".to_owned(),
        before: None,
        after: "{}".to_owned(),
        changed_at: "2026-10-03T16:00:00Z".parse().unwrap(),
    };
    assert_eq!(change.day(), date(2026, 10, 4));
    assert_eq!(change.leaf_id(), "r7/2/1");
    let shown = change.parts().shown;
    for other in [
        ChangeRow { before: Some(String::new()), ..change.clone() },
        ChangeRow { after: "{ }".to_owned(), ..change.clone() },
        ChangeRow { kind: "coverage".to_owned(), ..change.clone() },
    ] {
        assert_ne!(other.parts().shown, shown);
    }
    assert_ne!(ChangeRow { person: 8, ..change.clone() }.parts().hidden, change.parts().hidden);
}
