//! What was settled reaches the insurance core: in the order of each person, once, and whatever goes wrong in between.

use onestop::core_link::wire::core_sim::v1::Faults;
use onestop::domain::ids::SettlementId;
use onestop::door::wire::settlement::v1 as wire;
use onestop::store::check_integrity;
use onestop::store::outbox::{DeliveryState, dead_letters, replay_dead};

use crate::core_fixture::{Core, Deliverer, all_confirmed, open, reaches, until};
use crate::gateway::{Gateway, HOSPITAL, PACKAGE, bill};

fn package() -> String {
    PACKAGE.replace("BASIC_RATIO", "0.70")
}

async fn linked(core: &Core) -> Gateway {
    let gateway = Gateway::linked(&package(), core.link(&[])).await;
    gateway.furnish().await;
    gateway
}

/// Settles a stay of a person and gives its id.
async fn settle(gateway: &Gateway, person: usize, nth: u32) -> String {
    let stay = format!("stay-{person}-{nth}");
    let request = wire::SettleRequest {
        request_id: format!("request-{person}-{nth}"),
        bill: Some(bill(person, &stay, &format!("2024-05-{:02}", nth + 1))),
        quote_token: Vec::new(),
    };
    let answered = gateway.desk.clone().settle(request).await.unwrap().into_inner();
    let Some(wire::settle_response::Outcome::Settlement(settlement)) = answered.outcome else {
        panic!("it is not settled");
    };
    settlement.settlement_id
}

async fn reverse(gateway: &Gateway, settlement: &str) -> String {
    let request = wire::ReverseRequest {
        request_id: format!("undo-{}", &settlement[14..]),
        hospital_code: HOSPITAL.to_owned(),
        target: Some(wire::reverse_request::Target::SettlementId(settlement.to_owned())),
        ..wire::ReverseRequest::default()
    };
    let answered = gateway.desk.clone().reverse(request).await.unwrap().into_inner();
    match answered.outcome.unwrap() {
        wire::reverse_response::Outcome::Reversal(reversal) => reversal.settlement_id,
        other @ wire::reverse_response::Outcome::Tombstone(_) => panic!("{other:?}"),
    }
}

/// Those of `expected` that were booked, in the order in which they were.
async fn booked_of(core: &Core, expected: &[String]) -> Vec<String> {
    core.booked().await.into_iter().filter(|booked| expected.contains(booked)).collect()
}

#[tokio::test]
async fn each_entry_reaches_the_core_once_and_each_person_in_order() {
    let core = Core::start(&package()).await;
    let gateway = linked(&core).await;
    let first = settle(&gateway, 0, 1).await;
    let second = settle(&gateway, 0, 2).await;
    let other = settle(&gateway, 1, 1).await;
    let undone = reverse(&gateway, &second).await;
    let deliverer = Deliverer::of(&gateway);
    all_confirmed(&gateway).await;
    let again = settle(&gateway, 0, 3).await;
    all_confirmed(&gateway).await;
    deliverer.end().await;
    let of_first = [first, second, undone, again];
    assert_eq!(booked_of(&core, &of_first).await, of_first);
    assert_eq!(core.booked().await.len(), 5);
    assert_eq!(booked_of(&core, std::slice::from_ref(&other)).await, [other]);
    assert!(check_integrity(&gateway.database.pool).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_and_nothing_is_booked_twice() {
    let core = Core::start(&package()).await;
    let gateway = linked(&core).await;
    let ids = [settle(&gateway, 0, 1).await, settle(&gateway, 0, 2).await];
    core.faults(Faults { lose_answers: true, calls: 1, ..Faults::default() }).await;
    let deliverer = Deliverer::of(&gateway);
    all_confirmed(&gateway).await;
    deliverer.end().await;
    assert_eq!(core.booked().await, ids);
}

#[tokio::test]
async fn what_fails_is_sent_again_in_order() {
    let core = Core::start(&package()).await;
    let gateway = linked(&core).await;
    core.faults(Faults { fail: true, ..Faults::default() }).await;
    let deliverer = Deliverer::of(&gateway);
    let first = settle(&gateway, 0, 1).await;
    reaches(&gateway, DeliveryState::Unknown, 1).await;
    let second = settle(&gateway, 0, 2).await;
    until("the second is moved", || async { open(&gateway, "unmoved").await == 0 }).await;
    core.faults(Faults::default()).await;
    all_confirmed(&gateway).await;
    deliverer.end().await;
    assert_eq!(core.booked().await, [first, second]);
}

#[tokio::test]
async fn a_core_that_books_twice_is_found_out_when_it_is_asked() {
    let core = Core::start(&package()).await;
    let gateway = linked(&core).await;
    let settled = settle(&gateway, 0, 1).await;
    core.faults(Faults { lose_answers: true, apply_twice: true, calls: 1, ..Faults::default() })
        .await;
    let deliverer = Deliverer::of(&gateway);
    all_confirmed(&gateway).await;
    deliverer.end().await;
    let owner = gateway.database.owner().await;
    let row = owner.query_one("SELECT state, last_code FROM delivery", &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), ("confirmed", "CORE_BOOKED_TWICE"));
    assert_eq!(open(&gateway, "booked_twice").await, 1);
    let listed = dead_letters(&gateway.database.pool, 10).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|of| (of.key.settlement.as_str(), of.held)).collect();
    assert_eq!(listed, [(settled.as_str(), 0)]);
}

#[tokio::test]
async fn whoever_goes_on_after_a_killed_deliverer_asks_first() {
    let core = Core::start(&package()).await;
    let gateway = linked(&core).await;
    let first = settle(&gateway, 0, 1).await;
    // Killed before the core booked anything, while nobody has an answer.
    core.faults(Faults { slow_ms: 3_600_000, ..Faults::default() }).await;
    let killed = Deliverer::of(&gateway);
    reaches(&gateway, DeliveryState::Sent, 1).await;
    drop(killed);
    core.faults(Faults::default()).await;
    let next = Deliverer::of(&gateway);
    all_confirmed(&gateway).await;
    next.end().await;
    assert_eq!(core.booked().await, std::slice::from_ref(&first));
    // Killed after the core booked it, before that was noted.
    let owner = gateway.database.owner().await;
    owner.batch_execute("UPDATE delivery SET state = 'sent'").await.unwrap();
    let next = Deliverer::of(&gateway);
    all_confirmed(&gateway).await;
    next.end().await;
    assert_eq!(core.booked().await, [first]);
}

#[tokio::test]
async fn one_gateway_delivers_and_another_goes_on_when_it_ends() {
    let core = Core::start(&package()).await;
    let gateway = linked(&core).await;
    let one = Deliverer::of(&gateway);
    let first = settle(&gateway, 0, 1).await;
    all_confirmed(&gateway).await;
    let other = Deliverer::of(&gateway);
    let second = settle(&gateway, 0, 2).await;
    all_confirmed(&gateway).await;
    one.end().await;
    let third = settle(&gateway, 0, 3).await;
    all_confirmed(&gateway).await;
    other.end().await;
    assert_eq!(core.booked().await, [first, second, third]);
}

#[tokio::test]
async fn a_commit_that_ends_late_is_not_skipped() {
    let core = Core::start(&package()).await;
    let gateway = linked(&core).await;
    let late = settle(&gateway, 0, 1).await;
    let mut owner = gateway.database.owner().await;
    let row = "DELETE FROM outbox RETURNING bucket, person_id, settlement_id";
    let row = owner.query_one(row, &[]).await.unwrap();
    let (bucket, person): (i16, i64) = (row.get(0), row.get(1));
    let held = owner.transaction().await.unwrap();
    let write = "INSERT INTO outbox (bucket, person_id, settlement_id) VALUES ($1, $2, $3)";
    held.execute(write, &[&bucket, &person, &late]).await.unwrap();
    let deliverer = Deliverer::of(&gateway);
    let early = settle(&gateway, 1, 1).await;
    all_confirmed(&gateway).await;
    held.commit().await.unwrap();
    until("the late one is there", || async { core.booked().await.len() == 2 }).await;
    all_confirmed(&gateway).await;
    deliverer.end().await;
    assert_eq!(core.booked().await, [early, late]);
}

#[tokio::test]
async fn a_refused_entry_is_a_dead_letter_and_holds_only_its_person() {
    let core = Core::start(&package()).await;
    let gateway = linked(&core).await;
    core.faults(Faults { refuse_stay_ids: vec!["stay-0-1".to_owned()], ..Faults::default() }).await;
    let refused = settle(&gateway, 0, 1).await;
    let held = settle(&gateway, 0, 2).await;
    let deliverer = Deliverer::of(&gateway);
    reaches(&gateway, DeliveryState::Refused, 1).await;
    let later = settle(&gateway, 0, 3).await;
    let other = settle(&gateway, 1, 1).await;
    reaches(&gateway, DeliveryState::Held, 2).await;
    until("the other is there", || async { core.booked().await == [other.clone()] }).await;
    let pool = &gateway.database.pool;
    let letters = dead_letters(pool, 10).await.unwrap();
    let told: Vec<_> = letters
        .iter()
        .map(|letter| (letter.key.settlement.to_string(), letter.code.as_str(), letter.held))
        .collect();
    assert_eq!(told, [(refused.clone(), "STAY_REFUSED", 2)]);
    core.faults(Faults::default()).await;
    let unknown = SettlementId::compose(1, 2, 3);
    let at = onestop::app::now().at;
    assert_eq!(replay_dead(pool, Some(&unknown), at).await.unwrap(), 0);
    let refused_id = SettlementId::new(&refused).unwrap();
    assert_eq!(replay_dead(pool, Some(&refused_id), at).await.unwrap(), 1);
    all_confirmed(&gateway).await;
    deliverer.end().await;
    assert_eq!(core.booked().await, [other, refused, held, later]);
}
