//! The settling path of the store: what is read, what is written, and who wins a race.

use jiff::civil::date;
use onestop::domain::ids::{PersonId, StayId};
use onestop::domain::money::Fen;
use onestop::store::{
    Committed, Earlier, Found, Key, Left, Publication, PublishedPackage, check_integrity, commit,
    find_settlement, leave_tombstone, publish_packages, rebuild_accumulators, standing,
};

use crate::harness::Database;
use crate::ledger_fixture::{
    credential, entry, furnish, hospital, package, read, request, reversal,
};

async fn assert_whole(database: &Database) {
    assert_eq!(check_integrity(&database.pool).await.unwrap(), []);
}

#[tokio::test]
async fn a_settle_costs_two_round_trips_and_reads_back_as_written() {
    let database = Database::new().await;
    furnish(&database, &[7]).await;
    let before = database.pool.round_trips();
    let seen = read(&database, 7, "S1", Some(&request("R1"))).await;
    let person = seen.person.unwrap();
    let written = entry(7, "S1", "R1", (person.standing.version, person.ledger_version));
    assert_eq!(
        commit(&database.pool, written.clone(), None, None).await.unwrap(),
        Committed::Committed
    );
    assert_eq!(database.pool.round_trips() - before, 2);

    for key in
        [Key::Settlement(&written.settlement), Key::Request(&written.hospital, &written.request)]
    {
        let Some(Found::Recorded(found)) = find_settlement(&database.pool, &key).await.unwrap()
        else {
            panic!()
        };
        assert_eq!(found.entry, written);
        assert_eq!(found.reversed_by, None);
        assert_eq!((found.now.standing, found.now.ledger), (1, 2));
        assert_eq!(found.now.newest.as_ref(), Some(&written.settlement));
    }
    assert_whole(&database).await;
}

#[tokio::test]
async fn a_snapshot_is_everything_of_the_person() {
    let database = Database::new().await;
    furnish(&database, &[7]).await;
    let fresh = read(&database, 7, "S1", Some(&request("R1"))).await;
    let person = fresh.person.clone().unwrap();
    assert_eq!(person.standing.person, PersonId::new(7).unwrap());
    assert_eq!(person.standing.coverage[0].facts[1], ("years".to_owned(), "6".to_owned()));
    assert_eq!(person.standing.identities[0].source, "bureau");
    assert_eq!((person.used.len(), person.stays.len(), person.newest.as_ref()), (0, 0, None));
    assert_eq!((&fresh.earlier, &fresh.stay_in_force), (&None, &None));
    assert_eq!(fresh.hospital.as_ref().unwrap().level, 2);

    let written = entry(7, "S1", "R1", (1, 1));
    commit(&database.pool, written.clone(), None, None).await.unwrap();
    let seen = read(&database, 7, "S1", Some(&request("R1"))).await;
    let Some(Earlier::Settlement(earlier)) = seen.earlier.clone() else { panic!() };
    assert_eq!(
        (earlier.settlement, earlier.body_sha256),
        (written.settlement.clone(), written.body_sha256)
    );
    assert_eq!(seen.stay_in_force, Some((written.settlement.clone(), written.person)));
    let person = seen.person.clone().unwrap();
    assert_eq!(person.ledger_version, 2);
    assert_eq!(person.newest, Some(written.settlement));
    let used: Vec<_> =
        person.used.iter().map(|used| (used.year, used.name.as_str(), used.amount.get())).collect();
    assert_eq!(
        used,
        [(0, "life.pool", 60_000), (2024, "basic.entered", 80_000), (2024, "pool.aid", 10_000)]
    );
    assert_eq!(person.stays[0].deductible, Fen::new(10_000));
    assert_eq!(person.used, rebuild_accumulators(&database.pool, written.person).await.unwrap());
    assert_eq!(seen.reference_sha256(), fresh.reference_sha256());

    assert_eq!(standing(&database.pool, &credential(7), 1).await.unwrap().as_ref(), Some(&*person));
    assert_eq!(standing(&database.pool, &credential(7), 2).await.unwrap(), None);
    assert!(read(&database, 8, "S1", None).await.person.is_none());
}

/// The narrowest region that says anything of the day wins: the prefecture until the middle of June, then the province.
#[tokio::test]
async fn the_narrowest_catalogue_entry_of_the_day_wins() {
    use onestop::domain::bill::CatalogueClass::{A, B};
    use onestop::domain::ids::ItemCode;
    use onestop::domain::money::Rate;
    let database = Database::new().await;
    furnish(&database, &[]).await;
    let (known, unknown) = (ItemCode::new("X01").unwrap(), ItemCode::new("Y").unwrap());
    let day = |day| jiff::civil::date(2024, 6, day);
    let items = [(&known, day(15)), (&unknown, day(15)), (&known, day(16))];
    let (hospital, stay) = (hospital(), StayId::new("S").unwrap());
    let wanted = onestop::store::ReadSnapshot {
        credential_hash: credential(1),
        credential_kind: 1,
        hospital: &hospital,
        request: None,
        stay: &stay,
        stay_part: 0,
        discharge: day(16),
        items: &items,
    };
    let seen = onestop::store::snapshot(&database.pool, &wanted).await.unwrap();
    // From the catalogue in memory the same, in one round trip.
    while database.pool.catalogue_held().is_none() {
        tokio::task::yield_now().await;
    }
    let before = database.pool.round_trips();
    let held = onestop::store::snapshot(&database.pool, &wanted).await.unwrap();
    assert_eq!(held.reference_version, database.pool.catalogue_held());
    assert_eq!(onestop::store::Snapshot { reference_version: None, ..held }, seen);
    assert_eq!(database.pool.round_trips() - before, 1);
    assert_eq!(seen.catalogue.get(0).map(|entry| entry.class), Some(A));
    assert_eq!(seen.catalogue.get(1), None);
    let province = seen.catalogue.get(2).unwrap();
    assert_eq!((province.class, province.ceiling_price_e6), (B, Some(2_000_000)));
    assert_eq!(province.advance_ratio, Rate::parse("0.3"));
    assert_eq!(province.amount_name.as_deref(), Some("implant"));
    let mut moved = database.owner().await;
    let changed =
        "UPDATE catalogue_item SET ceiling_price_level_2_e6 = 2000001 WHERE region = '520000'";
    moved.batch_execute(changed).await.unwrap();
    moved = database.owner().await;
    assert_ne!(
        onestop::store::snapshot(&database.pool, &wanted).await.unwrap().reference_sha256(),
        seen.reference_sha256()
    );
    // What is held is no longer what is recorded: read at once, and held again soon.
    let held = database.pool.catalogue_held();
    let truth = onestop::store::snapshot(&database.pool, &wanted).await.unwrap();
    assert_eq!(truth.catalogue.get(2).unwrap().ceiling_price_e6, Some(2_000_001));
    let said = async || {
        let said = onestop::store::snapshot(&database.pool, &wanted).await.unwrap();
        onestop::store::Snapshot { reference_version: None, ..said }
    };
    while database.pool.catalogue_held() == held {
        assert_eq!(said().await, truth);
    }
    assert_eq!(said().await, truth);
    moved.batch_execute("UPDATE hospital SET valid_to = '2024-06-15'").await.unwrap();
    assert_eq!(onestop::store::snapshot(&database.pool, &wanted).await.unwrap().hospital, None);
}

#[tokio::test]
async fn what_moved_is_named_and_nothing_is_written() {
    let database = Database::new().await;
    furnish(&database, &[7, 8]).await;
    let check = async |what: &str, entry: onestop::domain::ledger::Entry, expected: Committed| {
        assert_eq!(
            commit(&database.pool, entry.clone(), None, None).await.unwrap(),
            expected,
            "{what}"
        );
    };
    check("first", entry(7, "S1", "R1", (1, 1)), Committed::Committed).await;
    check("standing", entry(7, "S2", "R2", (2, 2)), Committed::StandingMoved).await;
    check("ledger", entry(7, "S2", "R2", (1, 1)), Committed::AccumulatorsMoved).await;
    check("request", entry(7, "S2", "R1", (1, 2)), Committed::RequestIdTaken).await;
    check("another's request", entry(8, "S2", "R1", (1, 1)), Committed::RequestIdTaken).await;
    check("stay", entry(7, "S1", "R2", (1, 2)), Committed::StayTaken).await;
    check("another's stay", entry(8, "S1", "R2", (1, 1)), Committed::StayTaken).await;
    let mut unpublished = entry(7, "S2", "R2", (1, 2));
    unpublished.package = package("other rules", None).hash;
    check("unpublished", unpublished, Committed::PackageMoved).await;
    let later = package("later rules", Some(package("rules", None).hash));
    publish_packages(&database.pool, &[later]).await.unwrap();
    check("superseded", entry(7, "S2", "R2", (1, 2)), Committed::PackageMoved).await;
    assert!(
        commit(&database.pool, entry(9, "S2", "R2", (1, 1)), None, None).await.is_err(),
        "unregistered"
    );
    assert_eq!(read(&database, 7, "S2", None).await.person.unwrap().stays.len(), 1);
    assert_whole(&database).await;
}

#[tokio::test]
async fn a_reversal_undoes_everything_once_and_frees_the_stay() {
    let database = Database::new().await;
    furnish(&database, &[7, 8]).await;
    let (first, second) = (entry(7, "S1", "R1", (1, 1)), entry(7, "S2", "R2", (1, 2)));
    for entry in [&first, &second] {
        assert_eq!(
            commit(&database.pool, entry.clone(), None, None).await.unwrap(),
            Committed::Committed
        );
    }
    // Rules that were superseded since do not stand in the way of undoing what they decided.
    let later = package("later rules", Some(first.package));
    publish_packages(&database.pool, &[later]).await.unwrap();
    let undo = reversal(&second, "R3", (1, 3));
    assert_eq!(
        commit(&database.pool, undo.clone(), None, None).await.unwrap(),
        Committed::Committed
    );
    let again = reversal(&second, "R4", (1, 4));
    assert_eq!(
        commit(&database.pool, again.clone(), None, None).await.unwrap(),
        Committed::AlreadyReversed
    );
    let stranger = reversal(&entry(7, "S9", "R9", (1, 1)), "R5", (1, 4));
    assert_eq!(
        commit(&database.pool, stranger.clone(), None, None).await.unwrap(),
        Committed::ReversesUnknown
    );

    let seen = read(&database, 7, "S2", Some(&second.request)).await;
    let Some(Earlier::Settlement(earlier)) = seen.earlier else { panic!() };
    assert_eq!(earlier.reversed_by, Some(undo.settlement.clone()));
    assert_eq!(seen.stay_in_force, None);
    let person = seen.person.unwrap();
    assert_eq!(person.newest, Some(first.settlement.clone()));
    assert_eq!(person.stays.iter().map(|stay| stay.reversed).collect::<Vec<_>>(), [false, true]);
    assert_eq!(person.used[0].amount, Fen::new(60_000));
    let Some(Found::Recorded(found)) =
        find_settlement(&database.pool, &Key::Settlement(&undo.settlement)).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(found.entry, undo);

    // The same stay again, now for whom it should have been billed to; then the other again for the first person.
    let mut other = entry(8, "S2", "R6", (1, 1));
    other.package = package("later rules", None).hash;
    assert_eq!(
        commit(&database.pool, other.clone(), None, None).await.unwrap(),
        Committed::Committed
    );
    let undo_first = reversal(&first, "R7", (1, 4));
    assert_eq!(
        commit(&database.pool, undo_first.clone(), None, None).await.unwrap(),
        Committed::Committed
    );
    let mut anew = entry(7, "S1", "R8", (1, 5));
    anew.package = other.package;
    assert_eq!(
        commit(&database.pool, anew.clone(), None, None).await.unwrap(),
        Committed::Committed
    );
    assert_eq!(read(&database, 7, "S1", None).await.person.unwrap().newest, Some(anew.settlement));
    assert_whole(&database).await;
}

#[tokio::test]
async fn two_commits_of_the_same_versions_are_one() {
    let database = Database::new().await;
    furnish(&database, &[7]).await;
    for round in 0..20 {
        let versions = (1, round + 1);
        let first = entry(7, &format!("A{round}"), &format!("A{round}"), versions);
        let second = entry(7, &format!("B{round}"), &format!("B{round}"), versions);
        let (first, second) = tokio::join!(
            commit(&database.pool, first.clone(), None, None),
            commit(&database.pool, second.clone(), None, None)
        );
        let mut outcomes = [format!("{:?}", first.unwrap()), format!("{:?}", second.unwrap())];
        outcomes.sort();
        assert_eq!(outcomes, ["AccumulatorsMoved", "Committed"], "round {round}");
    }
    assert_whole(&database).await;
}

/// The first settlements of a year, all at once: each decides on what it saw, and the sums are right in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_lose_nothing() {
    let database = std::sync::Arc::new(Database::new().await);
    furnish(&database, &[7]).await;
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let database = std::sync::Arc::clone(&database);
            tokio::spawn(async move {
                let name = format!("T{number}");
                loop {
                    let person = read(&database, 7, &name, None).await.person.unwrap();
                    let entry =
                        entry(7, &name, &name, (person.standing.version, person.ledger_version));
                    let outcome = commit(&database.pool, entry.clone(), None, None).await.unwrap();
                    if outcome == Committed::Committed {
                        break;
                    }
                    assert_eq!(outcome, Committed::AccumulatorsMoved);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let person = read(&database, 7, "none", None).await.person.unwrap();
    assert_eq!(person.ledger_version, 51);
    let used: Vec<_> = person.used.iter().map(|used| used.amount.get()).collect();
    assert_eq!(used, [50 * 60_000, 50 * 80_000, 50 * 10_000]);
    assert_whole(&database).await;
}

/// The same request id for two persons at once: one settles, the other is told that the id is taken.
#[tokio::test]
async fn a_request_id_is_used_once_whoever_races_for_it() {
    let database = Database::new().await;
    furnish(&database, &[7, 8]).await;
    let (mut first_ledger, mut second_ledger) = (1, 1);
    for round in 0..20 {
        let id = format!("R{round}");
        let first = entry(7, &format!("A{round}"), &id, (1, first_ledger));
        let second = entry(8, &format!("B{round}"), &id, (1, second_ledger));
        let (first, second) = tokio::join!(
            commit(&database.pool, first.clone(), None, None),
            commit(&database.pool, second.clone(), None, None)
        );
        match (first.unwrap(), second.unwrap()) {
            (Committed::Committed, Committed::RequestIdTaken) => first_ledger += 1,
            (Committed::RequestIdTaken, Committed::Committed) => second_ledger += 1,
            both => panic!("round {round}: {both:?}"),
        }
    }
    assert_whole(&database).await;
}

#[tokio::test]
async fn a_tombstone_and_its_late_original_exclude_each_other() {
    let database = Database::new().await;
    furnish(&database, &[7]).await;
    let (mut settled, mut ledger) = (0, 1);
    for round in 0..30 {
        let (id, undo) = (request(&format!("R{round}")), request(&format!("U{round}")));
        let late = entry(7, id.as_str(), id.as_str(), (1, ledger));
        let hospital = hospital();
        let leave = async {
            // Now the one, now the other starts first.
            if round % 3 == 0 {
                tokio::task::yield_now().await;
            }
            leave_tombstone(&database.pool, &hospital, (&id, &undo), (None, Some("no answer came")))
                .await
                .unwrap()
        };
        let (committed, left) =
            tokio::join!(commit(&database.pool, late.clone(), None, None), leave);
        match (committed.unwrap(), left) {
            (Committed::Committed, Left::OriginalTaken(found)) => {
                assert!(matches!(*found, Found::Recorded(_)));
                settled += 1;
                ledger += 1;
            }
            (Committed::Tombstoned, Left::Left(_)) => {}
            both => panic!("round {round}: {both:?}"),
        }
        // Asked again, the same; and the reversal's id is used up as well.
        let asked =
            leave_tombstone(&database.pool, &hospital, (&id, &undo), (None, None)).await.unwrap();
        assert!(matches!(asked, Left::OriginalTaken(_)), "{asked:?}");
    }
    let (id, undo) = (request("L1"), request("L2"));
    let left =
        leave_tombstone(&database.pool, &hospital(), (&id, &undo), (None, None)).await.unwrap();
    let Left::Left(tombstone) = left else { panic!("{left:?}") };
    for used in ["L1", "L2"] {
        assert_eq!(
            commit(&database.pool, entry(7, "L", used, (1, ledger)), None, None).await.unwrap(),
            Committed::Tombstoned
        );
        let seen = read(&database, 7, "L", Some(&request(used))).await;
        assert_eq!(seen.earlier, Some(Earlier::Tombstone(tombstone.clone())));
    }
    let other = leave_tombstone(&database.pool, &hospital(), (&request("L3"), &undo), (None, None))
        .await
        .unwrap();
    assert!(matches!(other, Left::ReversalTaken(_)), "{other:?}");
    assert!(settled <= 30);
    assert_whole(&database).await;
}

#[tokio::test]
async fn a_package_is_superseded_once_and_never_changed() {
    let database = Database::new().await;
    furnish(&database, &[]).await;
    let publish = async |packages: &[_]| publish_packages(&database.pool, packages).await.unwrap();
    assert_eq!(publish(&[package("rules", None)]).await, Publication::Published(0));
    assert_eq!(
        publish(&[package("changed", None)]).await,
        Publication::Changed("520200-resident".to_owned())
    );
    let unknown = PublishedPackage {
        package_id: "520200-resident-b".to_owned(),
        ..package("next", Some(package("never seen", None).hash))
    };
    assert_eq!(
        publish(&[unknown]).await,
        Publication::SupersedesUnknown("520200-resident-b".to_owned())
    );
    let old = package("rules", None).hash;
    assert_eq!(publish(&[package("next", Some(old))]).await, Publication::Published(1));
    let twice = [package("next", Some(old)), package("another", Some(old))];
    assert_eq!(publish(&twice).await, Publication::SupersededTwice("520200-resident".to_owned()));
}

#[tokio::test]
async fn an_id_keeps_its_contents_and_a_folder_holds_what_supersedes_its_own() {
    let database = Database::new().await;
    furnish(&database, &[]).await;
    let publish = async |packages: &[_]| publish_packages(&database.pool, packages).await.unwrap();
    let old = package("rules", None);
    let named = |id: &str, contents: &str| PublishedPackage {
        package_id: id.to_owned(),
        known_from: date(2999, 1, 1),
        in_force_from: date(2999, 1, 1),
        ..package(contents, Some(old.hash))
    };
    let later = named("520200-resident-b", "b");
    assert_eq!(publish(&[old.clone(), later.clone()]).await, Publication::Published(1));
    assert_eq!(publish(&[old.clone(), later.clone()]).await, Publication::Published(0));
    // Whatever else is wrong with it, and also where it supersedes nothing any more.
    let changed = named("520200-resident-b", "changed");
    let alone = PublishedPackage { supersedes: None, ..changed.clone() };
    for changed in [changed, alone] {
        let published = publish(&[old.clone(), changed]).await;
        assert_eq!(published, Publication::Changed("520200-resident-b".to_owned()));
    }
    // What supersedes counts also where it is not known yet and is for other days.
    let incomplete = |missing: &str, superseded: &str| Publication::Incomplete {
        missing: missing.to_owned(),
        superseded: superseded.to_owned(),
    };
    let expected = incomplete("520200-resident-b", "520200-resident");
    assert_eq!(publish(std::slice::from_ref(&old)).await, expected);
    let last = PublishedPackage { supersedes: Some(later.hash), ..named("520200-resident-c", "c") };
    let all = [old.clone(), later.clone(), last];
    assert_eq!(publish(&all).await, Publication::Published(1));
    assert_eq!(publish(&[old, later]).await, incomplete("520200-resident-c", "520200-resident-b"));
    assert_eq!(publish(&all).await, Publication::Published(0));
}

/// What the checker is for: state that was changed behind our back shows, each by its name.
#[tokio::test]
async fn the_checker_finds_what_was_tampered_with() {
    let database = Database::new().await;
    furnish(&database, &[7]).await;
    commit(&database.pool, entry(7, "S1", "R1", (1, 1)), None, None).await.unwrap();
    assert_whole(&database).await;
    let owner = database.owner().await;
    owner
        .batch_execute(
            "UPDATE person_head SET used_fen[1] = used_fen[1] + 1, newest_settlement_id = NULL;
             UPDATE stay SET reversed = true;
             ALTER TABLE settlement DISABLE TRIGGER ALL;
             UPDATE settlement SET record = 'other';",
        )
        .await
        .unwrap();
    let faults = check_integrity(&database.pool).await.unwrap();
    let whats: Vec<_> = faults.iter().map(|fault| fault.what.as_str()).collect();
    assert_eq!(whats, ["accumulator", "newest", "stay", "record"], "{faults:?}");
}
