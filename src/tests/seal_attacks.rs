//! What a superuser of the database may do to a closed day, done: each is found, and named.

use jiff::ToSpan as _;
use onestop::app::bundle::{BundleError, MonthOf, make_bundle};
use onestop::bundle::roots::Roots;

use crate::seal_fixture::{Sealing, copied, copied_posting, region};

/// A closed day, and what others keep of it.
async fn closed() -> (Sealing, Roots) {
    let mut sealing = Sealing::start().await;
    sealing.close().await;
    let roots = sealing.kept().await;
    assert_eq!(sealing.differences(Some(&roots)).await, <[String; 0]>::default());
    (sealing, roots)
}

/// Moves a fen from the patient to the basic pool, so that the row still balances.
fn a_fen_more(id: &str) -> String {
    format!(
        "UPDATE settlement SET basic_pool_pay_fen = basic_pool_pay_fen + 1, fund_pay_total_fen = fund_pay_total_fen + 1,
            patient_pay_fen = patient_pay_fen - 1, cash_pay_fen = cash_pay_fen - 1, pay_fen[1] = pay_fen[1] + 1
         WHERE settlement_id = '{id}'"
    )
}

/// One difference, of this record and field, and no bundle.
async fn found(sealing: &Sealing, roots: Option<&Roots>, said: &[&str]) {
    let differences = sealing.differences(roots).await;
    assert_eq!(differences.len(), 1, "{differences:?}");
    let day = format!("{} {}", region(), sealing.day);
    for part in said.iter().copied().chain([day.as_str()]) {
        assert!(differences[0].contains(part), "{part}: {differences:?}");
    }
}

/// Nobody is handed evidence that would not verify.
async fn no_bundle(sealing: &Sealing, said: &str) {
    let of = MonthOf { region: region(), month: sealing.day, so_far: true };
    let path = sealing.folder.path().join("bundle.zip");
    let pool = &sealing.gateway.database.pool;
    let refused = make_bundle((pool, &sealing.keys), of, &path, &|_, _| {}).await.unwrap_err();
    assert!(matches!(&refused, BundleError::NotAsSealed { .. }), "{refused}");
    assert!(refused.to_string().contains(said), "{refused}");
    assert_eq!(
        std::fs::read_dir(sealing.folder.path()).unwrap().count(),
        0,
        "nothing is left of it"
    );
}

#[tokio::test]
async fn a_changed_amount_is_found() {
    let (sealing, roots) = closed().await;
    sealing.as_superuser(&a_fen_more(&sealing.ids[1])).await;
    found(&sealing, Some(&roots), &["CHANGED", &sealing.ids[1], "payer"]).await;
    no_bundle(&sealing, &sealing.ids[1]).await;
}

#[tokio::test]
async fn a_changed_column_beside_the_record_is_found() {
    for column in [
        "clearing_way = 'x'",
        "operator_id = 'x'",
        "reason = 'x'",
        "body_sha256 = sha256('x')",
        "hospital_level = 3",
    ] {
        let (sealing, roots) = closed().await;
        sealing
            .as_superuser(&format!(
                "UPDATE settlement SET {column} WHERE settlement_id = '{}'",
                sealing.ids[2]
            ))
            .await;
        found(&sealing, Some(&roots), &["CHANGED", &sealing.ids[2]]).await;
        no_bundle(&sealing, &sealing.ids[2]).await;
    }
}

#[tokio::test]
async fn a_record_changed_with_its_hash_is_found() {
    let (sealing, roots) = closed().await;
    sealing
        .as_superuser(&format!(
            "UPDATE settlement SET record = set_byte(record, octet_length(record) - 1, 7) WHERE settlement_id = '{0}';
             UPDATE settlement SET record_sha256 = sha256(record) WHERE settlement_id = '{0}'",
            sealing.ids[1]
        ))
        .await;
    found(&sealing, Some(&roots), &["CHANGED", &sealing.ids[1], "record"]).await;
    no_bundle(&sealing, &sealing.ids[1]).await;
}

#[tokio::test]
async fn a_deleted_row_is_found() {
    let (sealing, roots) = closed().await;
    sealing
        .as_superuser(&format!("DELETE FROM settlement WHERE settlement_id = '{}'", sealing.ids[3]))
        .await;
    found(&sealing, Some(&roots), &["GONE", &sealing.ids[3]]).await;
    no_bundle(&sealing, &sealing.ids[3]).await;
}

#[tokio::test]
async fn an_inserted_row_is_found() {
    let (sealing, roots) = closed().await;
    sealing.as_superuser(&copied(&sealing.ids[1])).await;
    found(&sealing, Some(&roots), &["UNSEALED", &sealing.ids[1][..26]]).await;
    // Also where its id says another day than the row does.
    let (mut sealing, roots) = closed().await;
    let other_day = copied(&sealing.ids[1]).replace(
        "left(settlement_id, 26)",
        "left(settlement_id, 3) || '00000000001' || substr(settlement_id, 15, 12)",
    );
    sealing.as_superuser(&other_day).await;
    found(&sealing, Some(&roots), &["UNSEALED", "00000000001"]).await;
    // And the sealer does not make it whole.
    sealing.close_in(96).await;
    assert_eq!(sealing.differences(Some(&roots)).await.len(), 1);
}

#[tokio::test]
async fn a_changed_deleted_or_inserted_change_of_the_registry_is_found() {
    for (attack, said) in [
        ("UPDATE registry_change SET after = after || '{\"valid_to\": \"2030-12-31\"}' WHERE kind = 'identity'", "CHANGED"),
        ("DELETE FROM registry_change WHERE kind = 'identity'", "GONE"),
        (
            "INSERT INTO registry_change SELECT bucket, person_id, standing_version, 99, kind, import_id, before, after, changed_at
             FROM registry_change WHERE kind = 'identity'",
            "UNSEALED",
        ),
    ] {
        let (sealing, roots) = closed().await;
        sealing.as_superuser(attack).await;
        found(&sealing, Some(&roots), &[said]).await;
    }
}

#[tokio::test]
async fn a_changed_deleted_or_inserted_posting_is_found() {
    let changed = "UPDATE posting SET {} WHERE posting_id = '{id}'";
    for (attack, said) in [
        (changed.replace("{}", "amount_fen = ARRAY[9999, -9999]"), ["CHANGED", "amount_fen"]),
        (changed.replace("{}", "reason = 'x'"), ["CHANGED", "reason"]),
        (changed.replace("{}", "approved_by = 'x'"), ["CHANGED", "approved_by"]),
        ("DELETE FROM posting WHERE posting_id = '{id}'".to_owned(), ["GONE", "{id}"]),
        (copied_posting("{id}"), ["UNSEALED", "P"]),
    ] {
        let mut sealing = Sealing::start().await;
        let [advance, _] = sealing.post().await;
        sealing.close().await;
        let roots = sealing.kept().await;
        sealing.as_superuser(&attack.replace("{id}", &advance)).await;
        let said = said.map(|said| said.replace("{id}", &advance));
        found(&sealing, Some(&roots), &[&said[0], &said[1]]).await;
        if said[0] != "UNSEALED" {
            no_bundle(&sealing, &advance).await;
        }
    }
}

#[tokio::test]
async fn what_is_put_where_nothing_was_sealed_is_found() {
    let (sealing, roots) = closed().await;
    let id = &sealing.ids[1];
    // Of a region that has no head, and of a day before the first one of its region.
    let elsewhere = format!(
        "CREATE TEMP TABLE copied AS SELECT * FROM settlement WHERE settlement_id = '{id}';
         UPDATE copied SET settlement_id = left(settlement_id, 26) || '0001', stay_id = 'ZX', request_id = 'RX', insured_region = '540100';
         INSERT INTO settlement SELECT * FROM copied;
         UPDATE copied SET settlement_id = left(settlement_id, 26) || '0002', stay_id = 'ZY', request_id = 'RY',
             insured_region = '{}', accounting_day = accounting_day - 9, settled_at = settled_at - interval '9 days';
         INSERT INTO settlement SELECT * FROM copied;",
        region()
    );
    sealing.as_superuser(&elsewhere).await;
    let earlier = sealing.day.checked_sub(9.days()).unwrap();
    let differences = sealing.differences(Some(&roots)).await;
    for place in [format!("540100 {}", sealing.day), format!("{} {earlier}", region())] {
        assert!(
            differences.iter().any(|said| said.starts_with(&place) && said.contains("UNSEALED")),
            "{place}: {differences:?}"
        );
    }
}

#[tokio::test]
async fn a_swapped_package_is_found() {
    let (sealing, roots) = closed().await;
    sealing
        .as_superuser(
            "ALTER TABLE rule_package DROP CONSTRAINT rule_package_hash;
             UPDATE rule_package SET canonical = convert_to(replace(convert_from(canonical, 'UTF8'), '400.00', '300.00'), 'UTF8')",
        )
        .await;
    let differences = sealing.differences(Some(&roots)).await;
    assert_eq!(differences.len(), sealing.ids.len(), "{differences:?}");
    assert!(differences.iter().all(|difference| difference.contains("PACKAGE")), "{differences:?}");
    no_bundle(&sealing, "rule package").await;
}

#[tokio::test]
async fn a_head_that_is_changed_deleted_or_signed_by_somebody_else_is_found() {
    let of = format!("insured_region = '{}' AND is_final", region());
    for (attack, said) in [
        ("UPDATE seal_head SET root_sha256 = sha256('x')", "SIGNATURE"),
        ("UPDATE seal_head SET leaves = leaves + 1", "SIGNATURE"),
        ("UPDATE seal_head SET public_key = sha256('x')", "SIGNATURE"),
        ("DELETE FROM seal_head", "NO_HEAD"),
    ] {
        let (sealing, roots) = closed().await;
        sealing
            .as_superuser(&format!("{attack} WHERE {of} AND accounting_day = '{}'", sealing.day))
            .await;
        let differences = sealing.differences(Some(&roots)).await;
        assert!(
            differences.iter().any(|difference| difference.contains(said)),
            "{said}: {differences:?}"
        );
    }
}

#[tokio::test]
async fn a_day_sealed_anew_by_who_has_the_keys_is_found_by_the_roots_that_others_keep() {
    let (mut sealing, roots) = closed().await;
    sealing
        .as_superuser(&format!(
            "UPDATE settlement SET operator_id = 'somebody' WHERE settlement_id = '{}';
             DELETE FROM seal_head; DELETE FROM seal_block; UPDATE seal_cursor SET read_to = '2000-01-01Z'",
            sealing.ids[1]
        ))
        .await;
    let pool = sealing.gateway.database.pool.clone();
    sealing.sealer =
        onestop::app::seal::Sealer::new(pool, std::sync::Arc::clone(&sealing.keys), None);
    sealing.close().await;
    assert_eq!(sealing.differences(None).await, <[String; 0]>::default(), "all agrees with itself");
    let differences = sealing.differences(Some(&roots)).await;
    assert_eq!(differences.len(), roots.len(), "from that day on none is what was kept");
    assert!(
        differences.iter().all(|difference| difference.contains("OTHER_ROOT")),
        "{differences:?}"
    );
}
