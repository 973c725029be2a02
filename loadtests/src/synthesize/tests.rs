use onestop::domain::ids::{HospitalCode, RegionCode, RequestId, StayId, identity_number_is_valid};

use super::*;

fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../settlement-rules")
}

fn world(seed: u64) -> World {
    World::of(&rules(), Size { persons: 60, bills: 40, seed }).unwrap()
}

fn bills(world: &World) -> impl Iterator<Item = (&str, &SettleRequest)> {
    world.bills.values().flatten().map(|request| (request.request_id.as_str(), request))
}

#[test]
fn the_same_seed_gives_the_same_world_and_another_does_not() {
    let text = |world: &World| format!("{world:?}");
    assert_eq!(text(&world(7)), text(&world(7)));
    assert_ne!(text(&world(7)), text(&world(8)));
}

#[test]
fn ids_fit_and_are_given_once() {
    let world = world(7);
    let mut requests: Vec<_> = bills(&world).map(|(id, _)| id).collect();
    let mut stays: Vec<_> =
        bills(&world).map(|(_, request)| &request.bill.as_ref().unwrap().stay_id).collect();
    assert!(requests.iter().all(|id| RequestId::new(id).is_some()));
    assert!(stays.iter().all(|id| StayId::new(id).is_some()));
    let count = requests.len();
    requests.sort_unstable();
    requests.dedup();
    stays.sort_unstable();
    stays.dedup();
    assert_eq!((requests.len(), stays.len()), (count, count));
    for row in &world.rows["hospital"] {
        assert!(HospitalCode::new(&row[0]).is_some(), "{row:?}");
        assert!(RegionCode::new(&row[2]).is_some(), "{row:?}");
    }
    assert!(world.rows["person"].iter().all(|row| identity_number_is_valid(&row[0])));
}

#[test]
fn every_bill_adds_up_and_points_at_what_is_listed() {
    let world = world(7);
    let listed = |list: &str| -> std::collections::BTreeSet<String> {
        world.rows[list].iter().map(|row| row[0].clone()).collect()
    };
    let (people, hospitals, items) = (listed("person"), listed("hospital"), listed("catalogue"));
    for (id, request) in bills(&world) {
        let bill = request.bill.as_ref().unwrap();
        assert_eq!(bill.total_fen, bill.lines.iter().map(|line| line.amount_fen).sum::<i64>());
        assert!(0 < bill.total_fen && !bill.lines.is_empty(), "{id}");
        assert!(people.contains(&bill.credential.as_ref().unwrap().number), "{id}");
        assert!(hospitals.contains(&bill.hospital_code), "{id}");
        for line in &bill.lines {
            assert!(items.contains(&line.item_code), "{id} {}", line.item_code);
        }
    }
}

#[test]
fn every_package_has_a_day_and_whole_examples_are_bills() {
    let world = world(7);
    let days = world.bills.keys().filter(|name| name.starts_with("day-")).count();
    assert!(5 <= days, "{days} days");
    let names: Vec<_> = world.expected.iter().map(|expected| expected.name.as_str()).collect();
    assert!(8 <= names.len(), "{names:?}");
    let a01 = world.expected.iter().find(|expected| expected.name.starts_with("A01: low-income"));
    assert_eq!(a01.unwrap().patient_fen, 562_520);
    let a03 = world.expected.iter().find(|expected| expected.name.contains("units of 10 yuan"));
    assert_eq!(a03.unwrap().tolerance_fen, 1_000);
    assert!(world.passed_over.iter().any(|case| case.contains("a part of a bill")));
    assert!(!world.reversals.is_empty());
    // A day has everything that a day should have.
    let has = |what: &dyn Fn(&onestop::door::wire::settlement::v1::Bill) -> bool| {
        bills(&world).any(|(_, request)| request.bill.as_ref().is_some_and(what))
    };
    assert!(has(&|bill| !bill.transferred_from_stay_id.is_empty()));
    assert!(has(&|bill| bill.lines.iter().any(|line| line.amount_fen < 0)));
    assert!(has(&|bill| bill.hospital_code.starts_with("H44")));
}

#[test]
fn a_world_is_written_and_its_figures_are_read_back() {
    let world = world(7);
    let folder = std::env::temp_dir().join(format!("onestop-world-{}", std::process::id()));
    world.write(&folder).unwrap();
    assert_eq!(read_expected(&folder.join("examples.expected.csv")).unwrap(), world.expected);
    let text = fs::read_to_string(folder.join("examples.jsonl")).unwrap();
    let back: Vec<SettleRequest> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(back, world.bills["examples"]);
    fs::remove_dir_all(&folder).unwrap();
}
