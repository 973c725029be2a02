//! Changes of persons and their standing that the insurance core tells.

use onestop::app;
use onestop::core_link::wire::core::v1::changes_response::Change;
use onestop::core_link::wire::core::v1::{CoverageChange, IdentityChange, PersonChange};
use onestop::door::wire::settlement::v1 as wire;
use onestop::store::feed::{Feed, feed, note_feed};
use tonic_types::StatusExt as _;

use crate::core_fixture::{Core, Deliverer, until};
use crate::gateway::{Gateway, NAMES, PACKAGE, bill, identity_number};

/// Hospitals and items are there, and nobody is registered.
async fn gateway(core: &Core) -> Gateway {
    let gateway = Gateway::linked(&package(), core.link(&[])).await;
    gateway.furnish_hospitals().await;
    gateway
}

fn package() -> String {
    PACKAGE.replace("BASIC_RATIO", "0.70")
}

fn person(number: usize) -> Change {
    Change::Person(PersonChange {
        identity_number: identity_number(number),
        name: NAMES[number].to_owned(),
        ..PersonChange::default()
    })
}

fn coverage(number: usize, valid_to: &str) -> Change {
    Change::Coverage(CoverageChange {
        credential: identity_number(number),
        scheme: "resident".to_owned(),
        insured_region: "520200".to_owned(),
        valid_from: "2020-01-01".to_owned(),
        valid_to: valid_to.to_owned(),
        facts: String::new(),
    })
}

fn identity(number: usize, code: &str) -> Change {
    Change::Identity(IdentityChange {
        credential: identity_number(number),
        code: code.to_owned(),
        region: "520200".to_owned(),
        valid_from: "2024-01-01".to_owned(),
        valid_to: String::new(),
    })
}

async fn comes_to(gateway: &Gateway, cursor: &str) -> Feed {
    let pool = &gateway.database.pool;
    until("changes are taken", || async { feed(pool).await.unwrap().cursor == cursor }).await;
    feed(pool).await.unwrap()
}

/// What aid pays for a stay of a person, or why nothing is settled.
async fn quoted(gateway: &Gateway, number: usize) -> Result<i64, String> {
    let mut desk = gateway.desk.clone();
    let bill = Some(bill(number, "stay", "2024-05-02"));
    let quoted = desk.quote(wire::QuoteRequest { bill }).await;
    let quoted = quoted.map_err(|status| {
        status.get_details_error_info().map_or(String::new(), |info| info.reason)
    })?;
    match quoted.into_inner().outcome.unwrap() {
        wire::quote_response::Outcome::Quoted(quoted) => {
            let layers = quoted.breakdown.unwrap().layers;
            Ok(layers.iter().filter(|pay| pay.layer == "aid").map(|pay| pay.pay_fen).sum())
        }
        wire::quote_response::Outcome::Declined(declined) => Err(declined.reason),
    }
}

#[tokio::test]
async fn who_is_insured_comes_from_the_core_and_goes_on_where_it_was() {
    let core = Core::start(&package()).await;
    let gateway = gateway(&core).await;
    assert_eq!(quoted(&gateway, 0).await, Err("PERSON_UNKNOWN".to_owned()));
    let told = core.tells(vec![person(0), person(1), coverage(0, ""), coverage(1, "")]).await;
    let deliverer = Deliverer::of(&gateway);
    comes_to(&gateway, &told).await;
    assert_eq!(quoted(&gateway, 0).await, Ok(0));
    let told = core.tells(vec![identity(0, "low_income"), coverage(1, "2023-12-31")]).await;
    comes_to(&gateway, &told).await;
    assert!(0 < quoted(&gateway, 0).await.unwrap());
    assert_eq!(quoted(&gateway, 1).await, Err("NOT_COVERED".to_owned()));
    // Killed, and what it took was not noted: it comes again and changes nothing.
    drop(deliverer);
    let owner = gateway.database.owner().await;
    owner.batch_execute("UPDATE core_feed SET cursor = '2'").await.unwrap();
    let versions = "SELECT array_agg(standing_version ORDER BY person_id) FROM person_head";
    let before: Vec<i64> = owner.query_one(versions, &[]).await.unwrap().get(0);
    let next = Deliverer::of(&gateway);
    comes_to(&gateway, &told).await;
    let after: Vec<i64> = owner.query_one(versions, &[]).await.unwrap().get(0);
    assert_eq!(before, after);
    next.end().await;
}

#[tokio::test]
async fn what_can_not_be_taken_is_listed_and_holds_nothing_up() {
    let core = Core::start(&package()).await;
    let gateway = gateway(&core).await;
    let deliverer = Deliverer::of(&gateway);
    let told = core
        .tells(vec![person(0), coverage(1, ""), coverage(0, ""), identity(0, "of_no_rule")])
        .await;
    let Feed { told, rejected, .. } = comes_to(&gateway, &told).await;
    assert_eq!((told, rejected), (4, 2));
    assert_eq!(quoted(&gateway, 0).await, Ok(0));
    deliverer.end().await;
    let owner = gateway.database.owner().await;
    let rows = "SELECT cursor, kind, reason, field FROM core_feed_reject ORDER BY cursor";
    let rows = owner.query(rows, &[]).await.unwrap();
    let listed: Vec<[String; 4]> =
        rows.iter().map(|row| [row.get(0), row.get(1), row.get(2), row.get(3)]).collect();
    assert_eq!(
        listed,
        [
            ["2", "coverage", "PERSON_UNKNOWN", "credential"],
            ["4", "identity", "CODE_UNKNOWN", "code"]
        ]
    );
}

#[tokio::test]
async fn a_cursor_that_somebody_else_moved_is_not_moved_back() {
    let core = Core::start(&package()).await;
    let gateway = gateway(&core).await;
    let (pool, at) = (&gateway.database.pool, app::now().at);
    assert!(note_feed(pool, ("", "5"), (5, &[]), at).await.unwrap());
    assert!(!note_feed(pool, ("", "3"), (3, &[]), at).await.unwrap());
    let Feed { cursor, told, .. } = feed(pool).await.unwrap();
    assert_eq!((cursor.as_str(), told), ("5", 5));
}
