//! Days are sealed while they grow and closed once they are over, by one gateway at a time, and published.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use onestop::app::bundle::verify_bundle;
use onestop::app::seal::{SealError, Sealed, Sealer};
use onestop::app::shanghai;
use onestop::bundle::roots;
use onestop::door::wire::settlement::v1 as wire;
use onestop::limits;
use onestop::store::{lock_seals, newest_fence, seal_leaves, seal_state};

use crate::bundle::python;
use crate::gateway::HOSPITAL;
use crate::seal_fixture::{Sealing, closing, copied, copied_posting, in_hours, region};

/// The ids of all leaves of our region's day.
async fn leaves(sealing: &Sealing, day: Date) -> Vec<String> {
    let pool = &sealing.gateway.database.pool;
    let (mut ids, mut next) = (Vec::new(), 0);
    while let Some(block) = seal_leaves(pool, (region(), day), next).await.unwrap() {
        ids.extend(block.ids);
        next = block.block + 1;
    }
    ids
}

#[tokio::test]
async fn what_was_settled_is_sealed_while_the_day_still_goes_on() {
    let mut sealing = Sealing::start().await;
    // Within the lag nothing is read that may still have neighbours on their way.
    let pool = sealing.gateway.database.pool.clone();
    let mut lagging = Sealer::new(pool, Arc::clone(&sealing.keys), None);
    let nothing = Sealed { is_up_to_date: true, ..Sealed::default() };
    assert_eq!(lagging.tick(&in_hours(0)).await.unwrap(), nothing);
    let sealed = sealing.tick().await;
    assert!(sealed.leaves > 6 && sealed.is_up_to_date, "settlements and the registry: {sealed:?}");
    let state = seal_state(&sealing.gateway.database.pool).await.unwrap();
    assert!(state.open.iter().all(|(signed, _)| roots::is_signed(signed) && !signed.head.is_final));
    let ids = leaves(&sealing, sealing.day).await;
    let settled: Vec<&str> = ids.iter().filter_map(|id| id.strip_prefix('s')).collect();
    assert_eq!(settled, sealing.ids, "in the order in which they were made");

    sealing.settle(7, 1).await;
    assert_eq!(sealing.tick().await.leaves, 1);
    let again = seal_state(&sealing.gateway.database.pool).await.unwrap();
    let ours = |state: &onestop::store::SealState| {
        let mut all = state.open.iter().map(|(signed, _)| signed.head.clone());
        all.find(|head| head.region == region()).unwrap()
    };
    let (before, after) = (ours(&state), ours(&again));
    assert_eq!((after.leaves, after.previous), (before.leaves + 1, before.hash()));
    assert_eq!(sealing.differences(None).await, <[String; 0]>::default());
}

#[tokio::test]
async fn a_posting_is_sealed_with_each_region_whose_lines_it_has() {
    let mut sealing = Sealing::start().await;
    sealing.tick().await;
    let [advance, back] = sealing.post().await;
    assert_eq!(sealing.tick().await.leaves, 3, "one of them has lines of two regions");
    assert_eq!(sealing.tick().await.leaves, 0);
    // What was seen late comes in at the end of the day.
    sealing.as_superuser(&copied_posting(&advance)).await;
    sealing.close().await;
    let ids = leaves(&sealing, sealing.day).await;
    let posted: Vec<&str> = ids.iter().filter_map(|id| id.strip_prefix('p')).collect();
    let late = format!("{}0000", &advance[..24]);
    assert_eq!(posted, [advance, back, late].map(|id| format!("{id}/520200")));
    let differences = sealing.differences(Some(&sealing.kept().await)).await;
    assert_eq!(differences, <[String; 0]>::default());
}

#[tokio::test]
async fn a_day_that_is_over_is_closed_and_chained_to_the_day_before_also_where_nothing_happened() {
    let mut sealing = Sealing::start().await;
    sealing.close().await;
    sealing.close_in(24 * 5).await;
    let heads = sealing.heads().await;
    assert!(3 < heads.len());
    assert_eq!((heads[0].head.day, heads[0].head.previous), (sealing.day, [0; 32]));
    for pair in heads.windows(2) {
        assert_eq!(pair[1].head.day, pair[0].head.day.tomorrow().unwrap());
        assert_eq!(pair[1].head.previous, pair[0].head.hash());
        assert_eq!(pair[1].head.leaves, 0);
        assert!(roots::is_signed(&pair[1]));
    }
    assert_eq!(sealing.differences(Some(&sealing.kept().await)).await, <[String; 0]>::default());
    // What is closed is closed once.
    assert_eq!(sealing.tick_in(24 * 5).await.days, 0);
}

#[tokio::test]
async fn a_day_is_not_closed_while_something_that_began_in_it_goes_on() {
    let mut sealing = Sealing::start().await;
    let owner = sealing.gateway.database.owner().await;
    owner.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    assert_eq!(sealing.tick_in(72).await.days, 0);
    assert_eq!(sealing.tick_in(72).await.days, 0);
    owner.batch_execute("COMMIT").await.unwrap();
    assert!(2 <= sealing.close_in(72).await.days);
}

#[tokio::test]
async fn a_clock_that_was_ahead_stops_no_desk() {
    let mut sealing = Sealing::start().await;
    sealing.post().await;
    // Today and tomorrow are closed, signed, and can not be opened again.
    sealing.close().await;
    let pool = sealing.gateway.database.pool.clone();
    let fenced = newest_fence(&pool).await.unwrap().unwrap();
    assert!(sealing.day <= fenced);
    sealing.settle(7, 0).await;
    let reverse = wire::ReverseRequest {
        request_id: "V7".to_owned(),
        hospital_code: HOSPITAL.to_owned(),
        target: Some(wire::reverse_request::Target::OriginalRequestId("R7".to_owned())),
        reason: "charged twice".to_owned(),
        ..wire::ReverseRequest::default()
    };
    sealing.gateway.desk.clone().reverse(reverse).await.unwrap();
    let owner = sealing.gateway.database.owner().await;
    let late = "SELECT accounting_day, settled_at FROM settlement WHERE request_id IN ('R7', 'V7')";
    let late = owner.query(late, &[]).await.unwrap();
    assert_eq!(late.len(), 2);
    for row in &late {
        let (day, at): (Date, Timestamp) = (row.get(0), row.get(1));
        assert_eq!((day, shanghai(at).date()), (fenced.tomorrow().unwrap(), sealing.day));
    }
    // Sealed with the day that they are booked on, and verified there.
    sealing.close_in(24 * 6).await;
    assert_eq!(sealing.differences(None).await, <[String; 0]>::default());
    if sealing.day.month() == fenced.tomorrow().unwrap().month() {
        let (path, made) = sealing.bundle("bundle.zip").await;
        assert_eq!(made.shown, 8);
        assert_eq!(verify_bundle(&path, None, &|_, _| {}).unwrap().reversals, 2);
        assert_eq!(python(&path, None).0, Some(0));
    }
}

#[tokio::test]
async fn many_days_are_closed_only_by_somebody_who_looks() {
    let mut sealing = Sealing::start().await;
    let pool = sealing.gateway.database.pool.clone();
    let watchful = Sealer::new(pool, Arc::clone(&sealing.keys), None).watchful();
    let unasked = std::mem::replace(&mut sealing.sealer, watchful.lagging(Duration::ZERO));
    assert_eq!(sealing.tick_in(24 * 9).await.days, 0, "the clock may have jumped");
    assert!(sealing.heads().await.is_empty());
    sealing.sealer = unasked;
    assert!(0 < sealing.close_in(24 * 9).await.days);
}

#[tokio::test]
async fn a_day_that_is_closed_is_fenced_first_and_none_that_goes_on_by_the_databases_clock() {
    let mut sealing = Sealing::start().await;
    let pool = sealing.gateway.database.pool.clone();
    // A machine whose clock is ahead closes nothing.
    assert_eq!(sealing.sealer.tick(&in_hours(72)).await.unwrap().days, 0);
    assert_eq!(newest_fence(&pool).await.unwrap(), None);
    sealing
        .as_superuser("UPDATE registry_change SET changed_at = changed_at - interval '3 days'")
        .await;
    let mut fresh = Sealer::new(pool.clone(), Arc::clone(&sealing.keys), None);
    sealing
        .as_superuser("DELETE FROM seal_head; DELETE FROM seal_block; UPDATE seal_cursor SET read_to = '2000-01-01Z'")
        .await;
    assert!(2 <= closing(&mut fresh, 0).await.days);
    assert!(newest_fence(&pool).await.unwrap().is_some_and(|fenced| fenced < sealing.day));
}

#[tokio::test]
async fn a_row_that_was_seen_late_is_sealed_with_its_day_all_the_same() {
    let mut sealing = Sealing::start().await;
    sealing.tick().await;
    let before = leaves(&sealing, sealing.day).await;
    sealing.as_superuser(&copied(&sealing.ids[1])).await;
    assert_eq!(sealing.tick().await.leaves, 0, "its time was read already");
    sealing.close().await;
    let after = leaves(&sealing, sealing.day).await;
    assert_eq!(after[..before.len()], before);
    assert_eq!(after[before.len()..], [format!("s{}0000", &sealing.ids[1][..26])]);
}

#[tokio::test]
async fn one_gateway_seals_at_a_time_and_another_goes_on_where_it_stopped() {
    let mut sealing = Sealing::start().await;
    let other = sealing.gateway.database.again();
    let held = lock_seals(&other.pool).await.unwrap().unwrap();
    assert!(sealing.tick().await.by_others);
    held.release().await;
    sealing.tick().await;
    sealing.settle(7, 1).await;
    let second = Sealer::new(other.pool.clone(), Arc::clone(&sealing.keys), None);
    let mut second = second.lagging(Duration::ZERO);
    assert_eq!(second.tick(&in_hours(0)).await.unwrap().leaves, 1);
    sealing.settle(8, 1).await;
    assert_eq!(sealing.tick().await.leaves, 1);
    sealing.fenced(72).await;
    closing(&mut second, 72).await;
    sealing.as_superuser(&copied(&sealing.ids[1])).await;
    assert_eq!(sealing.differences(None).await.len(), 1, "what came after all was closed");
}

#[tokio::test]
async fn leaves_that_are_taken_away_behind_the_sealers_back_stop_it() {
    let mut sealing = Sealing::start().await;
    sealing.tick().await;
    sealing.settle(7, 1).await;
    sealing.tick().await;
    let region = region();
    // Back to the head before, which was signed too: only who has seen the newer one can know.
    sealing
        .as_superuser(&format!(
            "DELETE FROM seal_block WHERE insured_region = '{region}' AND block = 1;
             DELETE FROM seal_head h USING (SELECT max(leaves) AS leaves FROM seal_head WHERE insured_region = '{region}') m
             WHERE h.insured_region = '{region}' AND h.leaves = m.leaves"
        ))
        .await;
    for _ in 0..2 {
        let stopped = sealing.sealer.tick(&in_hours(0)).await.unwrap_err();
        assert!(matches!(stopped, SealError::Altered { .. }), "{stopped}");
    }
    assert_eq!(sealing.sealer.gauges().counts(), [2, 0, 0], "each is counted");
    // And where leaves are not those of the head, anybody does.
    sealing
        .as_superuser("UPDATE seal_block SET leaf_hashes = sha256('x') || substr(leaf_hashes, 33)")
        .await;
    let mut fresh =
        Sealer::new(sealing.gateway.database.pool.clone(), Arc::clone(&sealing.keys), None);
    let stopped = fresh.tick(&in_hours(0)).await.unwrap_err();
    assert!(stopped.to_string().contains("SEAL_ALTERED"), "{stopped}");
}

#[tokio::test]
async fn roots_are_published_line_by_line_and_never_contradicted() {
    let mut sealing = Sealing::start().await;
    let file = sealing.folder.path().join("roots.jsonl");
    let pool = sealing.gateway.database.pool.clone();
    sealing.sealer = Sealer::new(pool.clone(), Arc::clone(&sealing.keys), Some(file.clone()));
    sealing.close().await;
    let text = std::fs::read_to_string(&file).unwrap();
    let kept = roots::read(&file).unwrap();
    assert_eq!(text.lines().count(), kept.len());
    assert!(sealing.heads().await.iter().all(|signed| text.contains(&roots::to_line(signed))));
    // A writer that was killed has left half a line; another gateway adds what is missing, and nothing twice.
    std::fs::write(&file, format!("{text}{{\"format\":")).unwrap();
    let mut other = Sealer::new(pool.clone(), Arc::clone(&sealing.keys), Some(file.clone()));
    sealing.fenced(24 * 5).await;
    closing(&mut other, 24 * 5).await;
    let longer = std::fs::read_to_string(&file).unwrap();
    assert!(longer.starts_with(&text) && text.len() < longer.len());
    assert_eq!(roots::read(&file).unwrap().len(), longer.lines().count());

    // The days are sealed anew, as somebody who has the keys could: whoever keeps the file sees it, and so does the sealer.
    sealing.as_superuser("DELETE FROM seal_head; DELETE FROM seal_block; UPDATE seal_cursor SET read_to = '2000-01-01Z'").await;
    let mut forger = Sealer::new(pool.clone(), Arc::clone(&sealing.keys), Some(file.clone()));
    let refused = loop {
        match forger.tick(&in_hours(72)).await {
            Err(refused) => break refused,
            // Some transaction of another test was still under way.
            Ok(sealed) => assert_eq!(sealed.days, 0),
        }
    };
    assert!(matches!(refused, SealError::Roots(roots::RootsFault::Differs { .. })), "{refused}");
    // Sealed they are, up to the moment that was asked for: what failed is publishing.
    assert_eq!(forger.gauges().counts(), [0, 0, 1]);
    assert_eq!(forger.gauges().behind_s(in_hours(72).at), Some(limits::SEAL_LAG.as_secs()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), longer);
    for bad in ["{}", &longer.lines().next().unwrap().replace("\"leaves\":", "\"leaves\":1")] {
        std::fs::write(&file, format!("{longer}{bad}\n")).unwrap();
        assert!(roots::read(&file).unwrap_err().to_string().contains("not a signed head"), "{bad}");
    }
}

#[tokio::test]
async fn a_key_that_was_rotated_still_vouches_for_what_it_signed() {
    let mut sealing = Sealing::start().await;
    sealing.close().await;
    onestop::keys::rotate_seals(&sealing.gateway.keys_dir()).unwrap();
    let keys = onestop::keys::SealKeys::load(&sealing.gateway.keys_dir()).unwrap().unwrap();
    sealing.keys = Arc::new(keys);
    let pool = sealing.gateway.database.pool.clone();
    sealing.sealer = Sealer::new(pool, Arc::clone(&sealing.keys), None);
    sealing.close_in(24 * 5).await;
    let heads = sealing.heads().await;
    assert_ne!(heads[0].head.key, heads.last().unwrap().head.key);
    assert_eq!(sealing.differences(None).await, <[String; 0]>::default());
}
