//! Differences of real settlements, each explained by deciding again.

use jiff::civil::date;
use onestop::app::{Reconciled, Reconciling, Role};
use onestop::domain::cascade::{Inputs, Traced, decide};
use onestop::domain::ids::SettlementId;
use onestop::domain::money::Rounding;
use onestop::domain::reconcile::{Amounts, ours_of};
use onestop::domain::record::{Body, Record};
use onestop::domain::rules::Package;
use onestop::domain::verdict::Verdict;
use onestop::door::wire::settlement::v1 as wire;
use onestop::rulebook::parse::parse;
use onestop::store::{Found, Key, find_settlement};

use crate::gateway::{Gateway, HOSPITAL, PACKAGE, bill, publish, write_package};
use crate::reconcile::{caller, file, line, scope};

const DAY: jiff::civil::Date = date(2024, 7, 1);

fn rules(ratio: &str) -> String {
    PACKAGE.replace("BASIC_RATIO", ratio)
}

fn package(text: &str) -> Package {
    parse("test", text).0.unwrap().package
}

pub(crate) async fn settle(gateway: &Gateway, request: &str, bill: wire::Bill) -> SettlementId {
    let request_id = request.to_owned();
    let request = wire::SettleRequest { request_id, bill: Some(bill), quote_token: Vec::new() };
    let answer = gateway.desk.clone().settle(request).await.unwrap().into_inner();
    let Some(wire::settle_response::Outcome::Settlement(settlement)) = answer.outcome else {
        panic!("{answer:?}")
    };
    SettlementId::new(&settlement.settlement_id).unwrap()
}

/// A bill of a person whose shares need rounding.
fn odd(person: usize, stay: &str) -> wire::Bill {
    let mut bill = bill(person, stay, "2024-03-01");
    bill.lines[0].unit_price = "30000.33".to_owned();
    bill.lines[0].amount_fen += 33;
    bill.total_fen += 33;
    bill
}

/// Puts everything that is settled on the day before today's, as if it had been settled then.
pub(crate) async fn settled_then(gateway: &Gateway) {
    let owner = gateway.database.owner().await;
    owner
        .batch_execute(
            "SET session_replication_role = replica;
             UPDATE settlement SET settled_at = '2024-07-01T04:00:00Z', accounting_day = '2024-07-01'",
        )
        .await
        .unwrap();
}

async fn decided(gateway: &Gateway, id: &SettlementId) -> (Inputs, Amounts) {
    let found = find_settlement(&gateway.database.pool, &Key::Settlement(id)).await.unwrap();
    let Some(Found::Recorded(recorded)) = found else { panic!() };
    let record = Record::from_bytes(&recorded.entry.record).unwrap();
    let Body::Settled { inputs, outcome } = record.body else { panic!() };
    let amounts = ours_of(&package(&rules("0.70")), &outcome, None).unwrap();
    (inputs, amounts)
}

/// What somebody says who decides the same by other rules.
fn said(package: &Package, inputs: &Inputs) -> Amounts {
    let Verdict::Settled(outcome) = decide(package, inputs, Traced::No) else { panic!() };
    ours_of(package, &outcome, None).unwrap()
}

fn row(id: &SettlementId, amounts: Amounts) -> String {
    line(id.as_str(), amounts.0.map(|fen| fen.get()), false)
}

async fn explained(gateway: &Gateway, lines: &[String]) -> (Reconciled, Vec<(String, String)>) {
    let caller = caller("development", Role::Development);
    let desk = Reconciling::new(&gateway.database.pool, &caller);
    assert_eq!((scope().first_day, scope().last_day), (DAY, DAY));
    let done = desk.reconcile(&scope(), None, file(lines), &|_| {}).await.unwrap();
    let listed = desk.differences(done.statement.key, 0).await.unwrap();
    let why = listed.into_iter().map(|one| (one.explanation, one.detail)).collect();
    (done, why)
}

async fn one(gateway: &Gateway, id: &SettlementId, theirs: Amounts) -> (String, String) {
    let (_, mut why) = explained(gateway, &[row(id, theirs)]).await;
    assert_eq!(why.len(), 1, "{why:?}");
    why.remove(0)
}

fn is(explanation: &str, detail: &str) -> (String, String) {
    (explanation.to_owned(), detail.to_owned())
}

#[tokio::test]
async fn what_misses_a_clause_is_told_which() {
    let gateway = Gateway::start().await;
    let id = settle(&gateway, "R1", bill(0, "S1", "2024-03-01")).await;
    settled_then(&gateway).await;
    let (inputs, _) = decided(&gateway, &id).await;
    // Without the aid, as somebody has it whose rules lack that layer.
    let text = rules("0.70");
    let (without, _) = text.split_once("[[layer]]\nname = \"aid\"").unwrap();
    let theirs = said(&package(without), &inputs);
    let (word, detail) = one(&gateway, &id, theirs).await;
    assert_eq!(word, "ours_holds");
    assert!(detail.split(' ').any(|clause| clause == "aid"), "{detail}");
    // Without the deductible of the pool.
    let free = text.replacen("[layer.deductible]\namount = \"400.00\"\n", "", 1);
    let (word, detail) = one(&gateway, &id, said(&package(&free), &inputs)).await;
    assert_eq!(word, "ours_holds");
    assert!(detail.contains("basic.deductible"), "{detail}");
}

#[tokio::test]
async fn an_identity_that_came_later_explains_it() {
    let gateway = Gateway::start().await;
    let id = settle(&gateway, "R1", bill(1, "S1", "2024-03-01")).await;
    settled_then(&gateway).await;
    let (inputs, _) = decided(&gateway, &id).await;
    let theirs = said(&package(&rules("0.70")), &Inputs { identities: vec![0], ..inputs });
    assert_eq!(one(&gateway, &id, theirs).await.0, "not_explainable");
    gateway.grant_low_income(1).await;
    // Another file, since the one before was explained by what was known then.
    let (_, why) = explained(&gateway, &[row(&id, theirs), "broken\n".to_owned()]).await;
    assert_eq!(why, [is("identity_later", "+low_income")]);
}

#[tokio::test]
async fn another_version_of_the_rules_explains_it() {
    let gateway = Gateway::start().await;
    let id = settle(&gateway, "R1", bill(0, "S1", "2024-03-01")).await;
    settled_then(&gateway).await;
    let (inputs, _) = decided(&gateway, &id).await;
    let text = rules("0.61").replace(
        "id = \"520200-resident-2024\"",
        "id = \"520200-resident-2024-2\"\nsupersedes = \"520200-resident-2024\"\nknown_from = \"2024-06-01\"",
    );
    let theirs = said(&package(&text), &inputs);
    write_package(&gateway.rules, "2024-2", &text);
    gateway.app.rulebook.reload();
    publish(&gateway.app).await;
    assert_eq!(one(&gateway, &id, theirs).await, is("other_package", "520200-resident-2024-2"));
}

#[tokio::test]
async fn rounding_and_what_nothing_explains() {
    let gateway = Gateway::start().await;
    let id = settle(&gateway, "R1", odd(0, "S1")).await;
    settled_then(&gateway).await;
    let (inputs, ours) = decided(&gateway, &id).await;
    let mut up = package(&rules("0.70"));
    up.rounding = Rounding::Up;
    up.layers.iter_mut().for_each(|layer| layer.rounding = Rounding::Up);
    let theirs = said(&up, &inputs);
    assert_ne!(theirs, ours);
    assert_eq!(one(&gateway, &id, theirs).await, is("rounding", "up"));
    let [total, fund, account] = ours.0;
    let odd = onestop::domain::money::Fen::new(fund.get() - 12_345);
    let strange = Amounts::new(total, odd, account);
    let (word, detail) = one(&gateway, &id, strange).await;
    assert_eq!((word.as_str(), detail.as_str()), ("not_explainable", "no_way_gives_theirs"));
}

#[tokio::test]
async fn a_late_reversal_and_a_whole_settlement_that_they_miss() {
    let gateway = Gateway::start().await;
    let first = settle(&gateway, "R1", bill(0, "S1", "2024-03-01")).await;
    let missed = settle(&gateway, "R2", bill(1, "S2", "2024-03-01")).await;
    settled_then(&gateway).await;
    let target = wire::reverse_request::Target::SettlementId(first.as_str().to_owned());
    let request = wire::ReverseRequest {
        request_id: "R3".to_owned(),
        hospital_code: HOSPITAL.to_owned(),
        target: Some(target),
        reason: "重复结算".to_owned(),
        operator_id: "desk-1".to_owned(),
    };
    gateway.desk.clone().reverse(request).await.unwrap();
    let unknown = SettlementId::compose(3, 4, 5);
    let (_, amounts) = decided(&gateway, &missed).await;
    let (done, why) = explained(&gateway, &[row(&unknown, amounts)]).await;
    let mut why: Vec<_> = why.into_iter().map(|(word, _)| word).collect();
    why.sort();
    assert_eq!(why, ["late_reversal", "not_explainable", "ours_holds"]);
    assert_eq!(done.unexplained_per_10_000(), Some(3_333));
}
