//! Ten thousand settlements, eight persons at a time, by many desks through two gateways at once: nothing is overspent, lost or
//! doubled, and every fen is what the domain alone would have said, one after the other in the order of commits.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::{Date, date};
use onestop::domain::cascade::{Traced, decide};
use onestop::domain::ids::{PersonId, SettlementId};
use onestop::domain::money::{Fen, RATE_ONE, Rounding, round_scaled};
use onestop::domain::record::{Body, Record};
use onestop::domain::rules::Package;
use onestop::domain::verdict::{Column, Moved, Outcome, Verdict};
use onestop::door::wire::settlement::v1 as wire;
use onestop::store::{check_integrity, rebuild_accumulators};

use crate::drill::{Desk, reason};
use crate::gateway::{Gateway, PACKAGE, bill, line};

const SETTLEMENTS: usize = 10_000;
/// How many persons everybody settles for at one moment.
const CROWDED: usize = 8;
/// After so many settlements it is the next eight persons' turn: what a settle reads grows with a person's stays, and nobody has
/// a thousand of them in a year.
const WAVE: usize = 1_000;
const PERSONS: usize = SETTLEMENTS / WAVE * CROWDED;
const DESKS: usize = 16;
/// One settlement in so many is reversed again.
const REVERSED_EVERY: usize = 20;
const BASIC_CEILING_FEN: i64 = 15_000_000;
const AID_CEILING_FEN: i64 = 5_000_000;
const DEDUCTIBLE_CAP_FEN: i64 = 230_000;

/// Everything that is counted over a year.
const LAYERS: &str = r#"
[[layer]]
name = "basic"
payer = "basic_pool"
base = { in_scope = "1" }

[layer.deductible]
amount = "120.00"
yearly_cap = "2300.00"

[[layer.curve]]
ratio = "0.70"

[[layer.ceiling]]
span = "year"
amount = "150000.00"

[[layer]]
name = "critical"
payer = "critical_illness"
span = "year"
accumulate = "entered"
against = "curve"
base = { in_scope = "1" }

[layer.deductible]
amount = "5000.00"

[[layer.curve]]
bands = [ { to = "30000.00", ratio = "0.60" }, { ratio = "0.65" } ]

[[layer]]
name = "aid_chronic"
payer = "medical_aid"
who = { identity = ["low_income"], care = ["outpatient_chronic"] }
base = { in_scope = "1" }

[[layer.curve]]
ratio = "0.70"

[[layer.ceiling]]
span = "year"
pool = "aid"
amount = "50000.00"

[[layer]]
name = "aid_outpatient"
payer = "medical_aid"
who = { identity = ["low_income"], care = ["outpatient"] }
base = { in_scope = "1" }

[[layer.curve]]
ratio = "0.50"

[[layer.ceiling]]
span = "year"
pool = "aid"
amount = "50000.00"
"#;

/// One bill, drawn from its number.
#[derive(Clone, Copy)]
struct Plan {
    number: usize,
    person: usize,
    outpatient: bool,
    class_a_fen: i64,
    class_b_fen: i64,
    day: Date,
}

/// What a desk was told.
#[derive(Default)]
struct Told {
    settlements: BTreeMap<String, wire::Settlement>,
    reversals: BTreeMap<String, wire::Settlement>,
}

/// A row of history, in the order of commits of its person.
struct Row {
    person: PersonId,
    request: String,
    reverses: Option<String>,
    record: Record,
}

impl Plan {
    fn of(number: usize) -> Self {
        // SplitMix64: every bit of the number matters, and a drill can be told by its numbers alone.
        let mut mixed = u64::try_from(number).unwrap().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let mut draw = |below: u64| {
            let drawn = mixed % below;
            mixed /= below;
            drawn
        };
        Self {
            number,
            person: number / WAVE * CROWDED
                + usize::try_from(draw(CROWDED.try_into().unwrap())).unwrap(),
            outpatient: draw(3) == 0,
            class_a_fen: i64::try_from(draw(900_000)).unwrap() + 1,
            class_b_fen: i64::try_from(draw(300_000)).unwrap() + 1,
            day: date(
                2024,
                1 + i8::try_from(draw(12)).unwrap(),
                1 + i8::try_from(draw(28)).unwrap(),
            ),
        }
    }

    fn request(self) -> String {
        format!("R{}", self.number)
    }

    fn bill(self) -> wire::Bill {
        let of = |id, item, fen: i64| wire::ChargeLine {
            unit_price: format!("{}.{:02}", fen / 100, fen % 100),
            amount_fen: fen,
            ..line(id, item, 0)
        };
        let care = if self.outpatient {
            wire::CareType::Outpatient
        } else {
            wire::CareType::OutpatientChronic
        };
        wire::Bill {
            lines: vec![of("1", "A01", self.class_a_fen), of("2", "B01", self.class_b_fen)],
            total_fen: self.class_a_fen + self.class_b_fen,
            care_type: care.into(),
            ..bill(self.person, &format!("Z{}", self.number), &self.day.to_string())
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_contended_settlements_overspend_nothing() {
    let package = format!("{}{LAYERS}", PACKAGE.split_once("[[layer]]").unwrap().0);
    let first = Gateway::ruled_by(&package).await;
    let second = first.beside(&package).await;
    Desk::new(first.channel.clone()).register(PERSONS).await;
    let desks = (0..DESKS).map(|desk| {
        let channel = if desk % 2 == 0 { &first.channel } else { &second.channel };
        tokio::spawn(a_day_at(Desk::new(channel.clone()), desk))
    });
    let mut told = Told::default();
    for desk in desks.collect::<Vec<_>>() {
        let mut of_one = desk.await.unwrap();
        told.settlements.append(&mut of_one.settlements);
        told.reversals.append(&mut of_one.reversals);
    }
    assert_eq!(told.settlements.len(), SETTLEMENTS);
    assert!(SETTLEMENTS / REVERSED_EVERY / 2 < told.reversals.len(), "too few were reversed");

    let faults = check_integrity(&first.database.pool).await.unwrap();
    assert_eq!(faults, []);
    let rows = history(&first).await;
    assert_eq!(rows.len(), told.settlements.len() + told.reversals.len(), "lost or doubled");
    compare_with_what_was_told(&rows, &told);
    let package = first.app.rulebook.packages().entries[0].package.clone();
    let mut persons: BTreeMap<PersonId, Vec<&Row>> = BTreeMap::new();
    for row in &rows {
        persons.entry(row.person).or_default().push(row);
    }
    assert_eq!(persons.len(), PERSONS);
    for (person, rows) in persons {
        let used = replay(&package, &rows);
        let rebuilt = rebuild_accumulators(&first.database.pool, person).await.unwrap();
        let rebuilt: BTreeMap<String, i64> =
            rebuilt.into_iter().map(|used| (used.name, used.amount.get())).collect();
        assert_eq!(rebuilt, used, "the rebuild is what the domain alone counts");
    }
    for person in 0..PERSONS {
        let desk = Desk::new(second.channel.clone());
        // More was asked of each than it holds: it is used up to the fen, and by not one fen more.
        // More was asked of each than it holds: it is used up to the fen, and by not one fen more.
        assert_eq!(desk.used(person, "pool.basic").await, BASIC_CEILING_FEN);
        assert_eq!(desk.used(person, "basic.deductible").await, DEDUCTIBLE_CAP_FEN);
        let aid = if person % 2 == 0 { AID_CEILING_FEN } else { 0 };
        assert_eq!(desk.used(person, "pool.aid").await, aid);
    }
}

/// Settles its share of the bills, each until it is answered, and reverses some.
async fn a_day_at(desk: Desk, of: usize) -> Told {
    let mut told = Told::default();
    for number in (of..SETTLEMENTS).step_by(DESKS) {
        let plan = Plan::of(number);
        let answered = desk.insist(&plan.request(), &plan.bill(), &[]).await;
        assert!(!answered.repeat, "it was said that nothing was done");
        if number % REVERSED_EVERY == 0 {
            let settlement = answered.settlement.settlement_id.clone();
            if let Some(reversal) = reverse_newest(&desk, number, settlement).await {
                told.reversals.insert(reversal.settlement_id.clone(), reversal);
            }
        }
        told.settlements.insert(answered.settlement.settlement_id.clone(), answered.settlement);
    }
    told
}

/// Reverses a settlement, or whichever is the newest of its person by the time that we come.
async fn reverse_newest(
    desk: &Desk,
    number: usize,
    settlement: String,
) -> Option<wire::Settlement> {
    let mut settlement = settlement;
    for _ in 0..50 {
        match desk.reverse(&format!("V{number}"), &settlement).await {
            Ok(answer) => match answer.outcome.unwrap() {
                wire::reverse_response::Outcome::Reversal(reversal) => return Some(reversal),
                wire::reverse_response::Outcome::Tombstone(left) => panic!("{left:?}"),
            },
            Err(status) => match reason(&status).as_str() {
                "BUSY" => {}
                "NOT_NEWEST" => settlement = crate::gateway::refused(&status).settlement,
                "ALREADY_REVERSED" => return None,
                _ => panic!("{status:?}"),
            },
        }
    }
    None
}

/// All rows, each person's in the order of commits.
async fn history(gateway: &Gateway) -> Vec<Row> {
    let sql = "SELECT person_id, request_id, reverses_settlement_id, record FROM settlement
        ORDER BY person_id, ledger_version";
    let owner = gateway.database.owner().await;
    let rows = owner.query(sql, &[]).await.unwrap();
    rows.iter()
        .map(|row| Row {
            person: PersonId::new(row.get(0)).unwrap(),
            request: row.get(1),
            reverses: row.get(2),
            record: Record::from_bytes(row.get(3)).unwrap(),
        })
        .collect()
}

/// Every answer is stored once, with the amounts that were answered.
fn compare_with_what_was_told(rows: &[Row], told: &Told) {
    for row in rows {
        let id = row.record.header.settlement.as_str();
        let of = if row.reverses.is_some() { &told.reversals } else { &told.settlements };
        let answered = of.get(id).unwrap_or_else(|| panic!("{id} was never answered"));
        assert_eq!(answered.request_id, row.request);
        assert_eq!(row.reverses.as_deref().unwrap_or_default(), answered.reverses_settlement_id);
        let (stored, said) =
            (&row.record.outcome().breakdown, answered.breakdown.as_ref().unwrap());
        let paid = |column: Column| {
            let place = Column::ALL.iter().position(|of| *of == column).unwrap();
            stored.paid[place].get()
        };
        assert_eq!(
            [stored.total, stored.in_scope, stored.advance, stored.deductible, stored.cash]
                .map(Fen::get),
            [
                said.total_fen,
                said.in_scope_fen,
                said.advance_self_pay_fen,
                said.deductible_paid_fen,
                said.cash_pay_fen
            ],
        );
        assert_eq!(
            [Column::BasicPool, Column::CriticalIllness, Column::MedicalAid].map(paid),
            [said.basic_pool_pay_fen, said.critical_illness_pay_fen, said.medical_aid_pay_fen],
        );
    }
}

/// Decides each bill of a person again, in the order of commits and by the domain alone, from what it counted itself.
fn replay(package: &Arc<Package>, rows: &[&Row]) -> BTreeMap<String, i64> {
    let mut before = vec![Fen::ZERO; package.accumulators.len()];
    let mut in_force: BTreeMap<&SettlementId, (Plan, &Outcome)> = BTreeMap::new();
    for row in rows {
        let header = &row.record.header;
        match &row.record.body {
            Body::Settled { inputs, outcome } => {
                let plan = Plan::of(row.request[1..].parse().unwrap());
                let advance =
                    round_scaled(i128::from(plan.class_b_fen) * 100_000_000, Rounding::HalfUp);
                let advance = advance.unwrap().get();
                let in_scope = plan.class_a_fen + plan.class_b_fen - advance;
                let amounts = [in_scope, advance, 0, 0].map(Fen::new);
                assert_eq!(inputs.amounts, amounts, "the split of {}", row.request);
                assert_eq!(inputs.before, before, "what {} saw", row.request);
                let alike =
                    in_force.values().filter(|(other, _)| other.outpatient == plan.outpatient);
                assert_eq!(inputs.facts.stay, i64::try_from(alike.count()).unwrap() + 1);
                let Verdict::Settled(again) = decide(package, inputs, Traced::Yes) else {
                    panic!("{} is declined", row.request)
                };
                assert_eq!(*again, *outcome, "{}", row.request);
                count(&mut before, &outcome.moved);
                in_force.insert(&header.settlement, (plan, outcome));
            }
            Body::Reversed { reverses, outcome, .. } => {
                let (_, undone) = in_force.remove(reverses).unwrap();
                assert_eq!(Some(outcome.breakdown), undone.breakdown.negated());
                count(&mut before, &outcome.moved);
            }
        }
    }
    let names = package.accumulators.iter().map(|accumulator| accumulator.name.clone());
    let mut used: BTreeMap<String, i64> = names.zip(before.iter().map(|fen| fen.get())).collect();
    assert_additive(&used, in_force.values().map(|(_, outcome)| *outcome));
    // What was never moved has no entry.
    used.retain(|_, fen| *fen != 0);
    used
}

fn count(used: &mut [Fen], moved: &[Moved]) {
    for Moved { slot, by } in moved {
        let used = &mut used[usize::from(*slot)];
        *used = used.checked_add(*by).unwrap();
    }
}

/// However a year was cut into bills, critical illness has paid what it pays for the whole of it at once.
fn assert_additive<'a>(used: &BTreeMap<String, i64>, in_force: impl Iterator<Item = &'a Outcome>) {
    let place = Column::ALL.iter().position(|of| *of == Column::CriticalIllness).unwrap();
    let paid: i64 = in_force.map(|outcome| outcome.breakdown.paid[place].get()).sum();
    let excess = i128::from((used["critical.entered"] - 500_000).max(0));
    let (first, rest) = (excess.min(3_000_000), (excess - 3_000_000).max(0));
    let exact = (first * 60 + rest * 65) * i128::from(RATE_ONE / 100);
    assert_eq!(paid, round_scaled(exact, Rounding::HalfUp).unwrap().get());
    assert_eq!(used["critical.paid"], paid);
}
