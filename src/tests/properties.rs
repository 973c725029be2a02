//! What holds of every decision, whatever the package and the bill: shipped packages and examples, random bills.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use jiff::civil::date;
use onestop::domain::bill::{Care, Referral};
use onestop::domain::cascade::{Facts, Inputs, Told, Traced, decide};
use onestop::domain::ids::{HospitalCode, PersonId, RequestId, SettlementId, StayId};
use onestop::domain::money::Fen;
use onestop::domain::record::{Body, Header, Record, Replay, reversed};
use onestop::domain::rules::{
    Bearer, FactKind, FactValue, Formula, IdentityChoice, Package, Place, Transfer,
};
use onestop::domain::verdict::{Action, Outcome, Verdict};
use onestop::rulebook::load;
use proptest::prelude::*;

static PACKAGES: LazyLock<Vec<Arc<Package>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("settlement-rules");
    let (packages, faults) = load::load(&folder, true);
    assert!(!packages.entries.is_empty(), "{faults:?}");
    packages.entries.iter().map(|entry| Arc::clone(&entry.package)).collect()
});

/// A seed that a case is drawn from, in the numbering of whatever package it meets.
#[derive(Clone, Debug)]
struct Seed {
    package: usize,
    amounts: Vec<i64>,
    before: Vec<i64>,
    identities: u64,
    facts: [u8; 8],
    declared: Vec<i64>,
}

fn fens() -> impl Strategy<Value = i64> {
    prop_oneof![0..1_000_i64, 0..5_000_000_i64, 0..10_000_000_000_i64]
}

fn seeds() -> impl Strategy<Value = Seed> {
    let amounts = prop::collection::vec(fens(), 12);
    let before = prop::collection::vec(prop_oneof![Just(0), fens()], 24);
    let declared = prop::collection::vec(0..100_000_i64, 16);
    (any::<usize>(), amounts, before, any::<u64>(), any::<[u8; 8]>(), declared).prop_map(
        |(package, amounts, before, identities, facts, declared)| Seed {
            package,
            amounts,
            before,
            identities,
            facts,
            declared,
        },
    )
}

impl Seed {
    fn package(&self) -> Arc<Package> {
        Arc::clone(&PACKAGES[self.package % PACKAGES.len()])
    }

    fn inputs(&self, package: &Package) -> Inputs {
        let [level, place, referral, care, age, stay, transfer, account] = self.facts;
        let held =
            (0..package.identities.len()).filter(|index| self.identities >> (index % 64) & 1 == 1);
        let declared = package.facts.iter().zip(self.declared.iter().cycle()).map(
            |(fact, number)| match &fact.kind {
                FactKind::Number => FactValue::Number(number % 50),
                FactKind::Flag => FactValue::Flag(number % 2 == 0),
                FactKind::Choice(values) => FactValue::Choice(
                    u16::try_from(*number).unwrap_or(0) % u16::try_from(values.len()).unwrap(),
                ),
                FactKind::Yuan => FactValue::Yuan(Fen::new(number * 37)),
            },
        );
        Inputs {
            amounts: package
                .amounts
                .iter()
                .zip(&self.amounts)
                .map(|(_, fen)| Fen::new(*fen))
                .collect(),
            facts: Facts {
                level: level % 3 + 1,
                place: Place::ALL[usize::from(place % 3)],
                referral: Referral::ALL[usize::from(referral % 5)],
                care: Care::ALL[usize::from(care % 3)],
                age: Some(i64::from(age % 100)),
                stay: i64::from(stay % 4) + 1,
                stay_same_level: i64::from(stay % 2) + 1,
                transfer: Transfer::ALL[usize::from(transfer % 4)],
                transfer_deductible: Fen::new(i64::from(transfer) * 100),
                diseases: u64::from(care),
                hospital: "H1".to_owned(),
                treatment_region: "520201".to_owned(),
                account_balance: Fen::new(i64::from(account) * 1_000),
                declared: declared.collect(),
            },
            identities: held.map(|index| u16::try_from(index).unwrap()).collect(),
            before: package
                .accumulators
                .iter()
                .zip(&self.before)
                .map(|(_, fen)| Fen::new(*fen))
                .collect(),
            told: told_nothing(package),
        }
    }
}

/// Whoever must tell tells that they pay nothing, so that every package comes to an end.
fn told_nothing(package: &Package) -> Vec<Told> {
    let external = |(layer, _): &(u16, _)| {
        matches!(package.layers[usize::from(*layer)].formula, Formula::External(_))
    };
    let layers = (0_u16..).zip(&package.layers).filter(external);
    layers
        .map(|(layer, _)| Told { layer, base: None, pay: Fen::ZERO, deductible: Fen::ZERO })
        .collect()
}

fn settled(package: &Package, inputs: &Inputs) -> Outcome {
    match decide(package, inputs, Traced::Yes) {
        Verdict::Settled(outcome) => *outcome,
        verdict @ (Verdict::Declined(_) | Verdict::Needs { .. }) => {
            panic!("{} does not settle: {verdict:?}", package.id)
        }
    }
}

/// What the patient bears, less fixed benefits.
fn burden(outcome: &Outcome) -> i64 {
    let fixed: i64 = outcome.fixed.iter().map(|pay| pay.pay.get()).sum();
    outcome.breakdown.patient().unwrap().get() - fixed
}

fn record(package: &Package, inputs: &Inputs, outcome: &Outcome) -> Record {
    Record {
        header: Header {
            settlement: SettlementId::compose(7, 1_700_000_000_000, 9),
            request: RequestId::new("R1").unwrap(),
            person: PersonId::new(42).unwrap(),
            hospital: HospitalCode::new("H1").unwrap(),
            stay: StayId::new("Z1").unwrap(),
            stay_part: 0,
            admission: date(2024, 6, 1),
            discharge: date(2024, 6, 30),
            insured_region: package.region,
            treatment_region: package.region,
            scheme: package.scheme,
            year: 2024,
            package: package.hash,
            standing_version: 3,
            ledger_version: 5,
            settled_at: Timestamp::from_microsecond(1_719_741_600_123_456).unwrap(),
            lines_sha256: [8; 32],
        },
        body: Body::Settled { inputs: inputs.clone(), outcome: outcome.clone() },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_fen_is_borne_by_somebody_and_nobody_pays_below_nothing(seed in seeds()) {
        let package = seed.package();
        let inputs = seed.inputs(&package);
        let outcome = settled(&package, &inputs);
        let total: i64 = inputs.amounts.iter().map(|fen| fen.get()).sum();
        prop_assert!(outcome.breakdown.adds_up(), "{}", package.id);
        prop_assert_eq!(outcome.breakdown.total.get(), total);
        prop_assert!(outcome.layers.iter().chain(&outcome.fixed).all(|pay| Fen::ZERO <= pay.pay));
        prop_assert!(Fen::ZERO <= outcome.breakdown.cash);
        let netted: i64 = outcome.layers.iter().map(|pay| pay.pay.get()).sum();
        prop_assert_eq!(netted + outcome.breakdown.cash.get(), total);
        let account: i64 = outcome
            .layers
            .iter()
            .filter(|pay| {
                let layer = &package.layers[usize::from(pay.layer)];
                package.payers[usize::from(layer.payer)].bearer == Bearer::Account
            })
            .map(|pay| pay.pay.get())
            .sum();
        prop_assert_eq!(outcome.breakdown.account.get(), account);
        // The trace ends where the answer does.
        if let Some(last) = outcome.trace.last() {
            prop_assert!(outcome.breakdown.cash <= last.left);
        }
    }

    #[test]
    fn every_product_in_a_trace_is_true(seed in seeds()) {
        let package = seed.package();
        let outcome = settled(&package, &seed.inputs(&package));
        for step in &outcome.trace {
            let layer = step.layer.map(|layer| &package.layers[usize::from(layer)]);
            let rounding = layer.map_or(package.rounding, |layer| layer.rounding);
            let product = matches!(step.action, Action::Move | Action::Deductible | Action::Band);
            if let Some(rate) = step.rate.filter(|_| product) {
                prop_assert_eq!(step.base.share(rate, rounding), Some(step.amount), "{} {:?}", package.id, step);
            }
        }
    }

    #[test]
    fn a_trace_changes_nothing(seed in seeds()) {
        let package = seed.package();
        let inputs = seed.inputs(&package);
        let traced = settled(&package, &inputs);
        let Verdict::Settled(bare) = decide(&package, &inputs, Traced::No) else { panic!("{}", package.id) };
        prop_assert_eq!(Outcome { trace: Vec::new(), ..traced }, *bare);
    }

    #[test]
    fn one_identity_more_never_costs_the_patient(seed in seeds(), more in any::<usize>()) {
        let chosen = |package: &&Arc<Package>| {
            package.identity_choice == IdentityChoice::Cascade && !package.identities.is_empty()
        };
        let packages: Vec<_> = PACKAGES.iter().filter(chosen).collect();
        let package = packages[seed.package % packages.len()];
        let inputs = seed.inputs(package);
        let mut richer = inputs.clone();
        let added = u16::try_from(more % package.identities.len()).unwrap();
        if !richer.identities.contains(&added) {
            richer.identities.push(added);
            richer.identities.sort_unstable();
        }
        prop_assert!(burden(&settled(package, &richer)) <= burden(&settled(package, &inputs)), "{}", package.id);
    }

    #[test]
    fn a_record_comes_back_byte_for_byte_and_replays(seed in seeds()) {
        let package = seed.package();
        let inputs = seed.inputs(&package);
        let record = record(&package, &inputs, &settled(&package, &inputs));
        let bytes = record.to_bytes();
        let read = Record::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&read, &record);
        prop_assert_eq!(read.replay(&package), Replay::Same);
    }

    #[test]
    fn a_changed_record_is_another_record_or_none(seed in seeds(), at in any::<usize>(), bit in 0..8_u8) {
        let package = seed.package();
        let inputs = seed.inputs(&package);
        let mut bytes = record(&package, &inputs, &settled(&package, &inputs)).to_bytes();
        let place = at % bytes.len();
        bytes[place] ^= 1 << bit;
        if let Ok(read) = Record::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_reversal_is_the_exact_inverse(seed in seeds()) {
        let package = seed.package();
        let outcome = settled(&package, &seed.inputs(&package));
        let undone = reversed(&outcome).unwrap();
        prop_assert!(undone.breakdown.adds_up());
        prop_assert_eq!(undone.breakdown.negated(), Some(outcome.breakdown));
        let sum = |one: &[onestop::domain::verdict::Moved], other: &[onestop::domain::verdict::Moved]| {
            one.iter().zip(other).all(|(one, other)| one.slot == other.slot && one.by.get() + other.by.get() == 0)
        };
        prop_assert!(sum(&outcome.moved, &undone.moved));
        let twice = reversed(&undone).unwrap();
        prop_assert_eq!(twice, Outcome { trace: Vec::new(), ..outcome });
    }

    /// A year's curve pays the same however the year is cut into stays: F(b + x) − F(b), rounded at both ends.
    #[test]
    fn a_years_pay_does_not_depend_on_how_it_is_cut(cuts in prop::collection::vec(1..3_000_000_i64, 1..12)) {
        let package = PACKAGES.iter().find(|package| package.id.contains("a06")).unwrap();
        let whole = year_pays(package, &[cuts.iter().sum()]);
        let parts = year_pays(package, &cuts);
        prop_assert_eq!(whole, parts);
    }
}

/// What one package pays over stays that bring nothing but in-scope cost, each after the other.
fn year_pays(package: &Package, stays: &[i64]) -> i64 {
    let seed = Seed {
        package: 0,
        amounts: Vec::new(),
        before: vec![0; 24],
        identities: 0,
        facts: [1, 0, 0, 0, 40, 0, 0, 0],
        declared: vec![0],
    };
    let mut inputs = seed.inputs(package);
    let mut paid = 0;
    for stay in stays {
        inputs.amounts = vec![Fen::ZERO; package.amounts.len()];
        inputs.amounts[0] = Fen::new(*stay);
        let outcome = settled(package, &inputs);
        for moved in &outcome.moved {
            let slot = &mut inputs.before[usize::from(moved.slot)];
            *slot = slot.checked_add(moved.by).unwrap();
        }
        paid += outcome.breakdown.fund_total().unwrap().get();
    }
    paid
}
