//! An outage of the insurance core under load: desks go on without it, and what it missed reaches it afterwards, all of it once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use onestop::door::wire::registry::v1 as registry;
use onestop::door::wire::settlement::v1 as wire;
use onestop::store::check_integrity;
use onestop::store::trueup::{corrections, true_up_counts};

use crate::core_fixture::{Core, Deliverer, all_confirmed, until};
use crate::gateway::{Gateway, PACKAGE, bill, identity_number};

const PERSONS: usize = 12;

fn package(critical_ratio: &str) -> String {
    PACKAGE.replace("BASIC_RATIO", "0.70").replace("\"0.60\"", &format!("\"{critical_ratio}\""))
}

async fn register(gateway: &Gateway) {
    let persons = (3..PERSONS).map(|number| {
        registry::import_row::Row::Person(registry::PersonRow {
            identity_number: identity_number(number),
            name: format!("某{number}"),
            ..registry::PersonRow::default()
        })
    });
    gateway.take(registry::RowKind::Person, persons.collect()).await;
    let coverage = (3..PERSONS).map(|number| {
        registry::import_row::Row::Coverage(registry::CoverageRow {
            credential: identity_number(number),
            scheme: "resident".to_owned(),
            insured_region: "520200".to_owned(),
            valid_from: "2020-01-01".to_owned(),
            ..registry::CoverageRow::default()
        })
    });
    gateway.take(registry::RowKind::Coverage, coverage.collect()).await;
}

/// Settles one stay after the other of a person, until told to stop; says how many were provisional.
async fn desk(
    gateway: Arc<Gateway>,
    person: usize,
    (settled, phase): (Arc<AtomicU32>, Arc<AtomicU32>),
) -> u32 {
    let mut provisional = 0;
    // In the last phase two more, and then it is enough.
    let mut more = 2;
    for nth in 1..28 {
        if phase.load(Ordering::Relaxed) == 2 {
            if more == 0 {
                break;
            }
            more -= 1;
        }
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
        provisional += u32::from(settlement.state() == wire::SettlementState::Provisional);
        settled.fetch_add(1, Ordering::Relaxed);
    }
    provisional
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_under_load_stops_no_desk_and_loses_and_doubles_nothing() {
    let mut core = Core::start(&package("0.70")).await;
    let gateway = Gateway::linked(&package("0.60"), core.link(&["critical"])).await;
    gateway.furnish().await;
    register(&gateway).await;
    let gateway = Arc::new(gateway);
    let deliverer = Deliverer::of(&gateway);
    let (settled, phase) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let persons = (0..PERSONS).filter(|number| *number != 2);
    let desks: Vec<_> = persons
        .map(|person| {
            let counters = (Arc::clone(&settled), Arc::clone(&phase));
            tokio::spawn(desk(Arc::clone(&gateway), person, counters))
        })
        .collect();
    let reach = |count: u32| {
        let settled = Arc::clone(&settled);
        async move {
            until("desks went on", || async { count <= settled.load(Ordering::Relaxed) }).await;
        }
    };
    reach(20).await;
    core.go_away().await;
    phase.store(1, Ordering::Relaxed);
    let before = settled.load(Ordering::Relaxed);
    reach(before + 40).await;
    core.come_back().await;
    phase.store(2, Ordering::Relaxed);
    let mut provisional = 0;
    for desk in desks {
        provisional += desk.await.unwrap();
    }
    assert!(0 < provisional, "the outage was met");
    until("all is trued up", || async {
        let counts = true_up_counts(&gateway.database.pool).await.unwrap();
        counts.iter().all(|(state, _)| state != "pending")
    })
    .await;
    all_confirmed(&gateway).await;
    deliverer.end().await;
    is_told_once_and_in_order(&gateway, &core).await;
    let faults = check_integrity(&gateway.database.pool).await.unwrap();
    assert!(faults.is_empty(), "{faults:?}");
    let since = jiff::Timestamp::UNIX_EPOCH;
    let corrected = corrections(&gateway.database.pool, None, (since, None), 10_000).await.unwrap();
    assert!(provisional <= u32::try_from(corrected.len()).unwrap(), "each was ten points short");
    let counts = true_up_counts(&gateway.database.pool).await.unwrap();
    assert_eq!(counts, [("corrected".to_owned(), provisional.into())]);
}

async fn is_told_once_and_in_order(gateway: &Gateway, core: &Core) {
    let owner = gateway.database.owner().await;
    let sql = "SELECT settlement_id, person_id FROM settlement ORDER BY person_id, ledger_version";
    let rows = owner.query(sql, &[]).await.unwrap();
    let recorded: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let booked = core.booked().await;
    assert_eq!(booked.len(), recorded.len());
    assert_eq!(booked.iter().collect::<BTreeSet<_>>().len(), booked.len(), "none is doubled");
    let place: BTreeMap<&str, usize> = booked.iter().map(String::as_str).zip(0..).collect();
    for pair in recorded.windows(2) {
        let [(one, of_one), (next, of_next)] = pair else { unreachable!() };
        assert!(of_one != of_next || place[one.as_str()] < place[next.as_str()], "{one} {next}");
    }
}
