//! Layers that the insurance core decides: told, decided provisionally where it does not answer, and trued up when it is back.

use onestop::app::bundle::verify_bundle;
use onestop::core_link::wire::core_sim::v1::Faults;
use onestop::domain::ids::SettlementId;
use onestop::domain::money::Fen;
use onestop::domain::record::{Body, Record, Replay};
use onestop::door::wire::settlement::v1 as wire;
use onestop::door::wire::settlement::v1::reverse_request::Target;
use onestop::store::check_integrity;
use onestop::store::trueup::{
    Corrected, corrections, retry_stuck_true_ups, stuck_true_up_count, stuck_true_ups,
    true_up_counts,
};
use tonic::Code;

use crate::bundle::python;
use crate::core_fixture::{Core, Deliverer, all_confirmed, until};
use crate::gateway::{Gateway, PACKAGE, bill, refused};
use crate::seal_fixture::Sealing;

/// A year's aid is soon used up, so that what one settlement takes of it another one lacks.
fn package(critical_ratio: &str) -> String {
    PACKAGE
        .replace("BASIC_RATIO", "0.70")
        .replace("50000.00", "6000.00")
        .replace("\"0.60\"", &format!("\"{critical_ratio}\""))
}

async fn gateway(core: &Core) -> Gateway {
    let gateway = Gateway::linked(&package("0.60"), core.link(&["critical"])).await;
    gateway.furnish().await;
    gateway
}

async fn settle(gateway: &Gateway, person: usize, nth: u32) -> wire::Settlement {
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
    settlement
}

async fn find(gateway: &Gateway, id: &str) -> wire::Settlement {
    let key = Some(wire::get_settlement_request::Key::SettlementId(id.to_owned()));
    let request = wire::GetSettlementRequest { key };
    let found = gateway.desk.clone().get_settlement(request).await.unwrap().into_inner();
    match found.outcome.unwrap() {
        wire::get_settlement_response::Outcome::Settlement(settlement) => settlement,
        other @ wire::get_settlement_response::Outcome::Tombstone(_) => panic!("{other:?}"),
    }
}

fn pay_of(settlement: &wire::Settlement, layer: &str) -> (i64, bool) {
    let layers = &settlement.breakdown.as_ref().unwrap().layers;
    let pay = layers.iter().find(|pay| pay.layer == layer).unwrap();
    (pay.pay_fen, pay.provisional)
}

async fn all_corrections(gateway: &Gateway) -> Vec<Corrected> {
    let since = jiff::Timestamp::UNIX_EPOCH;
    corrections(&gateway.database.pool, None, (since, None), 100).await.unwrap()
}

async fn no_true_up_is_pending(gateway: &Gateway) {
    until("all is trued up", || async {
        let counts = true_up_counts(&gateway.database.pool).await.unwrap();
        counts.iter().all(|(state, _)| state != "pending")
    })
    .await;
}

async fn is_whole(gateway: &Gateway) {
    let faults = check_integrity(&gateway.database.pool).await.unwrap();
    assert!(faults.is_empty(), "{faults:?}");
}

/// All of it is sealed, bundled, and verified by both verifiers: so many settlements and reversals.
async fn is_evidence(gateway: Gateway, counts: (u64, u64)) {
    let mut sealing = Sealing::over(gateway);
    sealing.close().await;
    let (path, _) = sealing.bundle("bundle.zip").await;
    let verified = verify_bundle(&path, None, &|_, _| {}).unwrap();
    assert_eq!((verified.settlements, verified.reversals), counts);
    let (code, text) = python(&path, None);
    assert_eq!(code, Some(0), "{text}");
}

/// Critical illness by ours: 60 % of what is above 5 000.
const OURS_FEN: i64 = 337_800;

#[tokio::test]
async fn a_layer_of_the_core_pays_what_the_core_says_and_replays_so() {
    let core = Core::start(&package("0.70")).await;
    let gateway = gateway(&core).await;
    let mut desk = gateway.desk.clone();
    let quoted = desk.quote(wire::QuoteRequest { bill: Some(bill(0, "stay-0-1", "2024-05-02")) });
    let quoted = quoted.await.unwrap().into_inner();
    let settled = settle(&gateway, 0, 1).await;
    let theirs = OURS_FEN / 60 * 70;
    assert_eq!(pay_of(&settled, "critical"), (theirs, false));
    assert_eq!(settled.state(), wire::SettlementState::Settled);
    let wire::quote_response::Outcome::Quoted(quoted) = quoted.outcome.unwrap() else {
        panic!("quoted")
    };
    assert_eq!(quoted.breakdown, settled.breakdown);
    let owner = gateway.database.owner().await;
    let row = owner.query_one("SELECT record FROM settlement", &[]).await.unwrap();
    let record = Record::from_bytes(row.get(0)).unwrap();
    let entry = gateway.app.rulebook.by_hash(record.header.package).unwrap();
    assert_eq!(record.replay(&entry.package), Replay::Same);
    is_whole(&gateway).await;
}

#[tokio::test]
async fn what_the_core_takes_off_a_layer_first_is_shown_kept_and_replayed() {
    let core = Core::start(&package("0.60")).await;
    let gateway = Gateway::linked(&package("0.60"), core.link(&["basic"])).await;
    gateway.furnish().await;
    let settled = settle(&gateway, 0, 1).await;
    let breakdown = settled.breakdown.as_ref().unwrap();
    let basic = breakdown.layers.iter().find(|pay| pay.layer == "basic").unwrap();
    assert_eq!(basic.deductible_fen, 40_000);
    assert!(!basic.provisional);
    let owner = gateway.database.owner().await;
    let row = owner.query_one("SELECT record FROM settlement", &[]).await.unwrap();
    let record = Record::from_bytes(row.get(0)).unwrap();
    let Body::Settled { inputs, outcome } = &record.body else { panic!("settled") };
    assert_eq!(outcome.breakdown.deductible, Fen::new(40_000));
    assert_eq!(inputs.told.first().unwrap().deductible, Fen::new(40_000));
    let entry = gateway.app.rulebook.by_hash(record.header.package).unwrap();
    assert_eq!(record.replay(&entry.package), Replay::Same);
    is_whole(&gateway).await;
    is_evidence(gateway, (1, 0)).await;
}

#[tokio::test]
async fn a_silent_core_never_stops_a_desk_and_what_it_confirms_stands() {
    let core = Core::start(&package("0.60")).await;
    let gateway = gateway(&core).await;
    core.faults(Faults { slow_ms: 3_600_000, ..Faults::default() }).await;
    let settled = settle(&gateway, 0, 1).await;
    assert_eq!(pay_of(&settled, "critical"), (OURS_FEN, true));
    assert_eq!(settled.state(), wire::SettlementState::Provisional);
    assert!(settled.breakdown.as_ref().unwrap().provisional);
    let found = find(&gateway, &settled.settlement_id).await;
    assert_eq!(found.state(), wire::SettlementState::Provisional);
    assert_eq!(found.breakdown, settled.breakdown);
    let owner = gateway.database.owner().await;
    let row = owner.query_one("SELECT record FROM settlement", &[]).await.unwrap();
    let record = Record::from_bytes(row.get(0)).unwrap();
    let entry = gateway.app.rulebook.by_hash(record.header.package).unwrap();
    assert_eq!(record.replay(&entry.package), Replay::Same);
    core.faults(Faults::default()).await;
    let deliverer = Deliverer::of(&gateway);
    no_true_up_is_pending(&gateway).await;
    all_confirmed(&gateway).await;
    deliverer.end().await;
    let found = find(&gateway, &settled.settlement_id).await;
    assert_eq!(found.state(), wire::SettlementState::Settled);
    assert_eq!(pay_of(&found, "critical"), (OURS_FEN, false));
    assert!(all_corrections(&gateway).await.is_empty());
    assert_eq!(core.booked().await, [settled.settlement_id]);
    is_whole(&gateway).await;
}

/// The hospital is told all of them, page by page.
async fn are_listed(gateway: &Gateway, hospital: &str, corrected: &[Corrected]) {
    let mut desk = gateway.desk.clone();
    let listed = desk.list_true_ups(wire::ListTrueUpsRequest {
        hospital_code: hospital.to_owned(),
        ..wire::ListTrueUpsRequest::default()
    });
    let listed = listed.await.unwrap().into_inner();
    assert_eq!(listed.next_page_token, "");
    let listed = listed.true_ups;
    let told: Vec<_> = listed
        .iter()
        .map(|one| (one.settlement_id.as_str(), one.stay_id.as_str(), one.patient_collect_fen))
        .collect();
    let stored: Vec<_> = corrected
        .iter()
        .map(|one| (one.original.as_str(), one.stay.as_str(), one.patient_collect.get()))
        .collect();
    assert_eq!(told, stored);
    // Both were corrected in one moment: a page goes on behind the first of them.
    let at = corrected[0].corrected_at.as_microsecond();
    let behind = desk.list_true_ups(wire::ListTrueUpsRequest {
        hospital_code: hospital.to_owned(),
        page_token: format!("{at}.{}", corrected[0].original),
        ..wire::ListTrueUpsRequest::default()
    });
    assert_eq!(behind.await.unwrap().into_inner().true_ups, listed[1..]);
    let unreadable = desk.list_true_ups(wire::ListTrueUpsRequest {
        hospital_code: hospital.to_owned(),
        page_token: "7".to_owned(),
        ..wire::ListTrueUpsRequest::default()
    });
    let unreadable = refused(&unreadable.await.unwrap_err());
    assert_eq!((unreadable.code, unreadable.field.as_str()), (Code::InvalidArgument, "page_token"));
}

#[tokio::test]
async fn a_difference_takes_back_and_settles_anew_with_all_that_depends_on_it() {
    let core = Core::start(&package("0.70")).await;
    let gateway = gateway(&core).await;
    core.faults(Faults { fail: true, ..Faults::default() }).await;
    let first = settle(&gateway, 0, 1).await;
    // Nobody's aid: it does not depend on what others used.
    let other = settle(&gateway, 1, 1).await;
    core.faults(Faults::default()).await;
    let second = settle(&gateway, 0, 2).await;
    assert_eq!(first.state(), wire::SettlementState::Provisional);
    assert_eq!(second.state(), wire::SettlementState::Settled);
    let deliverer = Deliverer::of(&gateway);
    no_true_up_is_pending(&gateway).await;
    all_confirmed(&gateway).await;
    deliverer.end().await;
    is_whole(&gateway).await;
    let corrected = all_corrections(&gateway).await;
    let of = |id: &str| corrected.iter().find(|one| one.original.as_str() == id);
    let (of_first, of_second) =
        (of(&first.settlement_id).unwrap(), of(&second.settlement_id).unwrap());
    assert_eq!(corrected.len(), 3, "{corrected:?}");
    assert!(of(&other.settlement_id).is_some());
    for one in [of_first, of_second] {
        assert_eq!(one.because_of.as_str(), first.settlement_id);
        let (was, is) = (find(&gateway, one.original.as_str()).await, {
            find(&gateway, one.new.as_str()).await
        });
        assert_eq!(was.state(), wire::SettlementState::Reversed);
        assert_eq!(was.reversed_by_settlement_id, one.reversal.as_str());
        assert_eq!(is.state(), wire::SettlementState::Settled);
        let cash = |of: &wire::Settlement| of.breakdown.as_ref().unwrap().cash_pay_fen;
        assert_eq!(one.patient_collect.get(), cash(&is) - cash(&was));
    }
    // Now the first one leaves more of the year's aid to the second.
    let aid = |settlement: &wire::Settlement| pay_of(settlement, "aid").0;
    let (first_is, second_is) =
        (find(&gateway, of_first.new.as_str()).await, find(&gateway, of_second.new.as_str()).await);
    assert_eq!(pay_of(&first_is, "critical").0, OURS_FEN / 60 * 70);
    assert_eq!(aid(&first_is) + aid(&second_is), 600_000);
    assert!(aid(&second) < aid(&second_is));
    // Both entries of each correction reach the core, behind what they correct.
    let booked = core.booked().await;
    assert_eq!(booked.len(), 3 + 2 * 3);
    let place = |id: &SettlementId| booked.iter().position(|one| one == id.as_str()).unwrap();
    assert!(place(&of_first.original) < place(&of_first.reversal));
    assert!(place(&of_first.reversal) < place(&of_first.new));
    are_listed(&gateway, &first.hospital_code, &corrected).await;
    // A second look finds nothing more to do.
    let deliverer = Deliverer::of(&gateway);
    settle(&gateway, 1, 2).await;
    all_confirmed(&gateway).await;
    deliverer.end().await;
    assert_eq!(all_corrections(&gateway).await.len(), 3);
    is_evidence(gateway, (7, 3)).await;
}

#[tokio::test]
async fn a_quote_binds_also_what_the_core_said_or_did_not_say() {
    let core = Core::start(&package("0.70")).await;
    let gateway = gateway(&core).await;
    let silent = Faults { fail: true, ..Faults::default() };
    let theirs = OURS_FEN / 60 * 70;
    // Quoted by the core, which is away when it comes to settle; and the other way round.
    for (person, at_quote, at_settle, expected) in [
        (0, Faults::default(), silent.clone(), (theirs, false)),
        (1, silent, Faults::default(), (OURS_FEN, true)),
    ] {
        let stay = format!("stay-{person}");
        let bill = Some(bill(person, &stay, "2024-05-02"));
        core.faults(at_quote).await;
        let mut desk = gateway.desk.clone();
        let quoted = desk.quote(wire::QuoteRequest { bill: bill.clone() }).await.unwrap();
        let quoted = quoted.into_inner().outcome.unwrap();
        let wire::quote_response::Outcome::Quoted(quoted) = quoted else { panic!("quoted") };
        core.faults(at_settle).await;
        let request_id = format!("request-{person}");
        let quote_token = quoted.quote_token.clone();
        let request = wire::SettleRequest { request_id, bill, quote_token };
        let settled = desk.settle(request).await.unwrap().into_inner().outcome.unwrap();
        let wire::settle_response::Outcome::Settlement(settled) = settled else {
            panic!("{person} is not settled");
        };
        assert_eq!(pay_of(&settled, "critical"), expected);
        assert_eq!(quoted.breakdown, settled.breakdown);
    }
}

#[tokio::test]
async fn whoever_reverses_what_was_trued_up_reverses_what_stands_of_it() {
    let core = Core::start(&package("0.70")).await;
    let gateway = gateway(&core).await;
    core.faults(Faults { fail: true, ..Faults::default() }).await;
    let settled = settle(&gateway, 0, 1).await;
    // Somebody must look at it, and does.
    let owner = gateway.database.owner().await;
    owner.batch_execute("UPDATE trueup SET state = 'stuck', last_code = 'NO_ROW'").await.unwrap();
    let stuck = stuck_true_ups(&gateway.database.pool, 10).await.unwrap();
    assert_eq!(
        (stuck[0].settlement.as_str(), stuck[0].code.as_str()),
        (settled.settlement_id.as_str(), "NO_ROW")
    );
    assert_eq!(stuck_true_up_count(&gateway.database.pool).await.unwrap(), 1);
    let again = retry_stuck_true_ups(&gateway.database.pool, onestop::app::now().at).await.unwrap();
    assert_eq!(again, 1);
    core.faults(Faults::default()).await;
    let deliverer = Deliverer::of(&gateway);
    no_true_up_is_pending(&gateway).await;
    let new = all_corrections(&gateway).await[0].new.to_string();
    let was = find(&gateway, &settled.settlement_id).await;
    assert_eq!(was.replaced_by_settlement_id, new);
    assert_eq!(find(&gateway, &new).await.supersedes_settlement_id, settled.settlement_id);

    let mut desk = gateway.desk.clone();
    let reversal = |target| wire::ReverseRequest {
        request_id: "undo-1".to_owned(),
        hospital_code: settled.hospital_code.clone(),
        target: Some(target),
        ..wire::ReverseRequest::default()
    };
    let by_id = Target::SettlementId(settled.settlement_id.clone());
    let told = refused(&desk.reverse(reversal(by_id)).await.unwrap_err());
    assert_eq!((told.reason.as_str(), told.settlement.as_str()), ("TRUED_UP", new.as_str()));
    let by_request = || reversal(Target::OriginalRequestId(settled.request_id.clone()));
    let undone = desk.reverse(by_request()).await.unwrap().into_inner().outcome.unwrap();
    let wire::reverse_response::Outcome::Reversal(undone) = undone else { panic!("{undone:?}") };
    assert_eq!(undone.reverses_settlement_id, new);
    // Nothing of it stands any more: the same again tells the same, another is told so.
    let same = desk.reverse(by_request()).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(same, wire::reverse_response::Outcome::Reversal(undone));
    let late = wire::ReverseRequest { request_id: "undo-2".to_owned(), ..by_request() };
    let late = refused(&desk.reverse(late).await.unwrap_err());
    assert_eq!(late.reason, "ALREADY_REVERSED");
    deliverer.end().await;
    is_whole(&gateway).await;
}

#[tokio::test]
async fn what_meets_a_fenced_day_is_put_off_whole_and_trued_up_later() {
    let core = Core::start(&package("0.70")).await;
    let gateway = gateway(&core).await;
    core.faults(Faults { fail: true, ..Faults::default() }).await;
    let settled = settle(&gateway, 0, 1).await;
    assert_eq!(settled.state(), wire::SettlementState::Provisional);
    // As where it was decided before midnight and is written after the fence.
    let owner = gateway.database.owner().await;
    let fence =
        "INSERT INTO accounting_fence (day, fenced_by) VALUES (current_date + 1, 'insurer')";
    owner.batch_execute(fence).await.unwrap();
    core.faults(Faults::default()).await;
    let deliverer = Deliverer::of(&gateway);
    let tried = "SELECT state, last_code FROM trueup WHERE 0 < attempts";
    until("it was tried", || async { !owner.query(tried, &[]).await.unwrap().is_empty() }).await;
    let row = owner.query_one(tried, &[]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("pending", "MOVED"));
    let count = "SELECT count(*) FROM settlement";
    assert_eq!(owner.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 1);
    // As on the day after, which nobody has fenced yet.
    let next_day = "SET session_replication_role = replica; DELETE FROM accounting_fence;
        UPDATE trueup SET next_at = now()";
    owner.batch_execute(next_day).await.unwrap();
    no_true_up_is_pending(&gateway).await;
    all_confirmed(&gateway).await;
    deliverer.end().await;
    assert_eq!(all_corrections(&gateway).await.len(), 1);
    assert_eq!(
        find(&gateway, &settled.settlement_id).await.state(),
        wire::SettlementState::Reversed
    );
    is_whole(&gateway).await;
}

#[tokio::test]
async fn what_the_hospital_took_back_itself_needs_no_true_up() {
    let core = Core::start(&package("0.70")).await;
    let gateway = gateway(&core).await;
    core.faults(Faults { fail: true, ..Faults::default() }).await;
    let settled = settle(&gateway, 0, 1).await;
    let request = wire::ReverseRequest {
        request_id: "undo".to_owned(),
        hospital_code: settled.hospital_code.clone(),
        target: Some(wire::reverse_request::Target::SettlementId(settled.settlement_id.clone())),
        ..wire::ReverseRequest::default()
    };
    gateway.desk.clone().reverse(request).await.unwrap();
    core.faults(Faults::default()).await;
    let deliverer = Deliverer::of(&gateway);
    no_true_up_is_pending(&gateway).await;
    all_confirmed(&gateway).await;
    deliverer.end().await;
    let counts = true_up_counts(&gateway.database.pool).await.unwrap();
    assert_eq!(counts, [("reversed".to_owned(), 1)]);
    assert!(all_corrections(&gateway).await.is_empty());
    is_whole(&gateway).await;
}

#[tokio::test]
async fn a_drift_of_one_fen_is_settled_as_the_core_says() {
    let core = Core::start(&package("0.60")).await;
    let gateway = gateway(&core).await;
    let settled = settle(&gateway, 0, 1).await;
    assert_eq!(pay_of(&settled, "critical"), (OURS_FEN, false));
    core.faults(Faults { drift_fen: 1, ..Faults::default() }).await;
    let drifted = settle(&gateway, 1, 1).await;
    assert_eq!(pay_of(&drifted, "critical"), (OURS_FEN + 1, false));
}
