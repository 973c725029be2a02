//! Where others failed, each trap as one short test named after it: what it did there, it must not do here.

use onestop::domain::ids::SettlementId;
use onestop::domain::record::{Record, Replay};
use onestop::door::wire::registry::v1::RowKind;
use onestop::door::wire::settlement::v1 as wire;
use onestop::rulebook::{Reload, parse};
use onestop::store::{Found, Key, check_integrity, find_package, find_settlement};
use tonic::Code;

use crate::drill::{Desk, plain_bill, reason, settled};
use crate::gateway::{Gateway, NAMES, PACKAGE, bill, item, line, publish, refused, write_package};

/// The first person has low income, the second has not, the third is insured elsewhere.
async fn start() -> (Gateway, Desk) {
    let gateway = Gateway::start().await;
    let desk = Desk::new(gateway.channel.clone());
    (gateway, desk)
}

/// Two gateways on one database, with three insured persons.
async fn start_two() -> (Gateway, Gateway, [Desk; 2]) {
    let first = Gateway::bare().await;
    let second = first.beside(&PACKAGE.replace("BASIC_RATIO", "0.70")).await;
    let desks = [&first, &second].map(|gateway| Desk::new(gateway.channel.clone()));
    desks[0].register(NAMES.len()).await;
    (first, second, desks)
}

/// A bill of one line, as its hospital writes it.
fn one_line(stay: &str, quantity: &str, unit_price: &str, amount_fen: i64) -> wire::Bill {
    let (quantity, unit_price) = (quantity.to_owned(), unit_price.to_owned());
    let line = wire::ChargeLine { quantity, unit_price, amount_fen, ..line("1", "A01", 0) };
    wire::Bill { lines: vec![line], total_fen: amount_fen, ..bill(1, stay, "2024-06-30") }
}

async fn integrity(gateway: &Gateway) {
    assert_eq!(check_integrity(&gateway.database.pool).await.unwrap(), []);
}

/// What three layers pay of a class A bill of a person who has used nothing, and is not of low income; by hand.
fn by_hand(in_scope_fen: i64) -> [i64; 2] {
    let percent = |fen: i64, percent: i64| (fen * percent + 50) / 100;
    let basic = percent((in_scope_fen - 40_000).max(0), 70);
    [basic, percent((in_scope_fen - basic - 500_000).max(0), 60)]
}

/// openIMIS: `int(qty * price)`.
#[tokio::test]
async fn openimis_amounts_in_fen_are_never_truncated() {
    let (_gateway, desk) = start().await;
    // 15.495 and 99.999 yuan, to the nearest fen.
    for (stay, quantity, price, fen) in
        [("Z1", "1.5", "10.33", 1_550), ("Z2", "3", "33.333", 10_000)]
    {
        let answer = desk.settle(stay, one_line(stay, quantity, price, fen)).await;
        let breakdown = answer.breakdown.unwrap();
        assert_eq!((breakdown.total_fen, breakdown.in_scope_fen), (fen, fen));
        let cut = one_line(stay, quantity, price, fen / 100 * 100 - 1);
        let had = refused(&desk.try_settle("CUT", cut, Vec::new()).await.unwrap_err());
        assert_eq!(
            (had.reason.as_str(), had.field.as_str()),
            ("LINE_AMOUNT", "bill.lines[0].amount_fen")
        );
    }
}

/// openIMIS: `prev_remunerated_surgery` starts at 0 for every claim.
#[tokio::test]
async fn openimis_ceilings_of_a_category_add_up_over_bills() {
    let (gateway, desk) = start().await;
    let mut paid = Vec::new();
    for number in 1..=7 {
        let stay = format!("Z{number}");
        let answer = desk.settle(&stay, plain_bill(0, &stay, 100_000)).await;
        paid.push(answer.breakdown.unwrap().medical_aid_pay_fen);
    }
    assert_eq!(paid, [1_057_840, 847_840, 847_840, 847_840, 847_840, 550_800, 0]);
    assert_eq!(desk.used(0, "pool.aid").await, 5_000_000);
    integrity(&gateway).await;
}

/// openIMIS: archived rows of a claim that was done again still count.
#[tokio::test]
async fn openimis_what_was_reversed_is_not_counted() {
    let (gateway, desk) = start().await;
    let first = desk.settle("R1", plain_bill(1, "Z1", 20_000)).await;
    desk.reverse("V1", &first.settlement_id).await.unwrap();
    let second = desk.settle("R2", plain_bill(1, "Z2", 20_000)).await;
    assert_eq!(second.breakdown, first.breakdown);
    let [basic, _] = by_hand(2_000_000);
    assert_eq!(desk.used(1, "critical.entered").await, 2_000_000 - basic);
    integrity(&gateway).await;
}

/// openIMIS: no lock at all, so two discharges at once both spend the same deductible.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openimis_two_discharges_at_once_spend_a_deductible_once() {
    let (first, _second, desks) = start_two().await;
    for person in 0..NAMES.len() {
        let bills = ["A", "B"].map(|side| plain_bill(person, &format!("Z{side}{person}"), 10_000));
        let [one, other] = bills;
        let requests = ["A", "B"].map(|side| format!("R{side}{person}"));
        let (one, other) = tokio::join!(
            desks[0].insist(&requests[0], &one, &[]),
            desks[1].insist(&requests[1], &other, &[])
        );
        let paid =
            [one, other].map(|had| had.settlement.breakdown.unwrap().critical_illness_pay_fen);
        // 2 × (10 000 − 6 720) left of both; 60 % of what is above 5 000.
        assert_eq!(paid.iter().sum::<i64>(), 93_600);
    }
    integrity(&first).await;
}

/// openIMIS: a claim of last month is priced by today's items.
#[tokio::test]
async fn openimis_a_back_dated_bill_uses_the_rules_and_the_catalogue_of_its_day() {
    let (gateway, desk) = start().await;
    let last_year = PACKAGE.replace("BASIC_RATIO", "0.50").replace("2024", "2023");
    write_package(&gateway.rules, "2023", &last_year);
    assert!(matches!(gateway.app.rulebook.reload(), Reload::Swapped(_)));
    publish(&gateway.app).await;
    gateway.take(RowKind::Catalogue, vec![item("A01", "C", "2024-06-01")]).await;
    let on = |stay: &str, day: &str| {
        let mut bill = wire::Bill { total_fen: 100_000, ..bill(1, stay, day) };
        bill.lines = vec![line("1", "A01", 1_000)];
        bill
    };
    let mut had = Vec::new();
    for (stay, day) in [("Z1", "2024-06-30"), ("Z2", "2024-05-31"), ("Z3", "2023-12-31")] {
        let breakdown = desk.settle(stay, on(stay, day)).await.breakdown.unwrap();
        let package = breakdown.package.unwrap();
        had.push((breakdown.in_scope_fen, breakdown.basic_pool_pay_fen, package.policy_year));
    }
    assert_eq!(had, [(0, 0, 2024), (100_000, 42_000, 2024), (100_000, 30_000, 2023)]);
}

/// openIMIS: an error inside the transaction is caught, and what was half done is committed.
#[tokio::test]
async fn openimis_an_error_in_the_middle_leaves_nothing_behind() {
    let (gateway, desk) = start().await;
    let owner = gateway.database.owner().await;
    // The last thing that a commit writes.
    let refuse = "CREATE TRIGGER no_room BEFORE INSERT ON outbox EXECUTE FUNCTION refuse_change()";
    owner.batch_execute(refuse).await.unwrap();
    let before = gateway.rows().await;
    let had = desk.try_settle("R1", plain_bill(1, "Z1", 900), Vec::new()).await.unwrap_err();
    assert_eq!((reason(&had).as_str(), had.code()), ("INTERNAL", Code::Internal));
    assert_eq!(gateway.rows().await, before);
    assert_eq!(refused(&desk.ask("R1").await.unwrap_err()).reason, "SETTLEMENT_UNKNOWN");
    owner.batch_execute("DROP TRIGGER no_room ON outbox").await.unwrap();
    let answer = desk.try_settle("R1", plain_bill(1, "Z1", 900), Vec::new()).await.unwrap();
    assert!(!settled(answer).1, "its request id was free");
    integrity(&gateway).await;
}

/// openIMIS: no version of the rules is kept with a claim.
#[tokio::test]
async fn openimis_the_rules_are_named_on_every_settlement() {
    let (gateway, desk) = start().await;
    let answer = desk.settle("R1", bill(0, "Z1", "2024-06-30")).await;
    let reversal = desk.reverse("V1", &answer.settlement_id).await.unwrap();
    let Some(wire::reverse_response::Outcome::Reversal(reversal)) = reversal.outcome else {
        panic!()
    };
    for told in [&answer, &reversal] {
        let named = told.breakdown.as_ref().unwrap().package.as_ref().unwrap();
        let id = SettlementId::new(&told.settlement_id).unwrap();
        let pool = &gateway.database.pool;
        let found = find_settlement(pool, &Key::Settlement(&id)).await.unwrap();
        let Some(Found::Recorded(recorded)) = found else { panic!("{found:?}") };
        assert_eq!(recorded.entry.package.to_string(), named.package_hash);
        let canonical = find_package(pool, &recorded.entry.package).await.unwrap().unwrap();
        assert_eq!(parse::hash_of(&canonical), recorded.entry.package);
        let record = Record::from_bytes(&recorded.entry.record).unwrap();
        let replay = record.replay(&parse::parse_canonical(&canonical).unwrap());
        let expected =
            if id.as_str() == answer.settlement_id { Replay::Same } else { Replay::Reversal };
        assert_eq!(replay, expected);
    }
}

/// Zen: a cell that fails to evaluate is "no match", and the next row pays.
#[tokio::test]
async fn zen_a_cell_that_can_not_be_evaluated_declines() {
    let table = r#"[[layer.curve]]
when = { fact = { years_insured = { at_least = 4 } } }
ratio = "0.70"

[[layer.curve]]
ratio = "0.60""#;
    let rules = PACKAGE
        .replace("[[layer.curve]]\nratio = \"BASIC_RATIO\"", table)
        .replace("[class_b]", "[[fact]]\nname = \"years_insured\"\nkind = \"number\"\n\n[class_b]");
    let gateway = Gateway::ruled_by(&rules).await;
    let desk = Desk::new(gateway.channel.clone());
    desk.register(2).await;
    let before = gateway.rows().await;
    let saying = |value: Option<&str>| {
        let name = "years_insured".to_owned();
        let facts = value.map(|value| wire::Fact { name, value: value.to_owned() });
        wire::Bill { facts: facts.into_iter().collect(), ..plain_bill(1, "Z1", 900) }
    };
    for (value, why) in [
        (None, "FACT_MISSING"),
        (Some("four"), "FACT_UNREADABLE"),
        (Some("-1"), "FACT_UNREADABLE"),
        (Some("99999999999"), "FACT_UNREADABLE"),
    ] {
        let answer = desk.try_settle("R1", saying(value), Vec::new()).await.unwrap();
        let Some(wire::settle_response::Outcome::Declined(declined)) = answer.outcome else {
            panic!("{value:?}: {answer:?}")
        };
        assert_eq!(
            (declined.reason.as_str(), declined.subject.as_str()),
            (why, "bill.facts.years_insured")
        );
    }
    assert_eq!(gateway.rows().await, before);
    let answer = desk.settle("R1", saying(Some("3"))).await;
    assert_eq!(answer.breakdown.unwrap().basic_pool_pay_fen, 30_000);
}

/// OpenFisca: float32 makes 1,234,567.875 of 1,234,567.89.
#[tokio::test]
async fn openfisca_large_amounts_keep_every_fen() {
    let (_gateway, desk) = start().await;
    for (stay, price, fen) in [
        ("Z1", "1234567.89", 123_456_789),
        // More fen than a 53-bit fraction holds in yuan, and the most that is taken.
        ("Z2", "9007199254.01", 900_719_925_401),
        ("Z3", "9999999999.99", 999_999_999_999),
    ] {
        let breakdown = desk.settle(stay, one_line(stay, "1", price, fen)).await.breakdown.unwrap();
        assert_eq!((breakdown.total_fen, breakdown.in_scope_fen), (fen, fen));
        let [basic, critical] = [breakdown.basic_pool_pay_fen, breakdown.critical_illness_pay_fen];
        assert_eq!(basic, by_hand(fen)[0]);
        if stay == "Z1" {
            assert_eq!([basic, critical], by_hand(fen));
        }
        assert_eq!(breakdown.patient_pay_fen, fen - basic - critical);
    }
}

/// hyperswitch #13182: two refunds of 60 of a payment of 100 at once both succeed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hyperswitch_of_two_reversals_at_once_one_succeeds() {
    let (first, _second, desks) = start_two().await;
    for number in 0..10 {
        let stay = format!("Z{number}");
        let id = desks[0].settle(&stay, plain_bill(1, &stay, 900)).await.settlement_id;
        let ids = [format!("V{number}"), format!("W{number}")];
        let (one, other) =
            tokio::join!(desks[0].reverse(&ids[0], &id), desks[1].reverse(&ids[1], &id));
        let (won, lost) = match (one, other) {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
            both => panic!("{both:?}"),
        };
        let Some(wire::reverse_response::Outcome::Reversal(won)) = won.outcome else { panic!() };
        let lost = refused(&lost);
        assert_eq!(
            (lost.reason.as_str(), lost.settlement),
            ("ALREADY_REVERSED", won.settlement_id)
        );
    }
    assert_eq!(desks[0].used(1, "critical.entered").await, 0);
    integrity(&first).await;
}

/// hyperswitch #11491: a negative refund passes.
#[tokio::test]
async fn hyperswitch_a_negative_amount_is_refused() {
    let (gateway, desk) = start().await;
    let before = gateway.rows().await;
    let mut cases = vec![
        (one_line("Z1", "-1", "100", -10_000), "REFUNDS_NOTHING"),
        (one_line("Z1", "1", "100", -10_000), "LINE_AMOUNT"),
    ];
    let mut more_than_charged = plain_bill(1, "Z1", 100);
    let refund = wire::ChargeLine {
        quantity: "-2".to_owned(),
        amount_fen: -20_000,
        ..line("2", "A01", 100)
    };
    more_than_charged.lines.push(wire::ChargeLine { refund_of_line_id: "1".to_owned(), ..refund });
    more_than_charged.total_fen = -10_000;
    cases.push((more_than_charged, "REFUNDS_NOTHING"));
    let account = wire::Bill { account_balance_fen: -1, ..plain_bill(1, "Z1", 100) };
    cases.push((account, "AMOUNT_OUT_OF_RANGE"));
    for (bill, why) in cases {
        let had = desk.try_settle("R1", bill, Vec::new()).await.unwrap_err();
        assert_eq!((reason(&had).as_str(), had.code()), (why, Code::InvalidArgument));
    }
    assert_eq!(gateway.rows().await, before);
}

/// Formance: to lock a row that does not exist locks nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn formance_the_first_settlements_of_a_year_at_once_count_each_other() {
    let (first, _second, desks) = start_two().await;
    let all = (0..8).map(|number| {
        let desk = desks[number % 2].clone();
        tokio::spawn(async move {
            let (request, stay) = (format!("R{number}"), format!("Z{number}"));
            let answered = desk.insist(&request, &plain_bill(1, &stay, 10_000), &[]).await;
            answered.settlement.breakdown.unwrap().critical_illness_pay_fen
        })
    });
    let mut paid = 0;
    for one in all.collect::<Vec<_>>() {
        paid += one.await.unwrap();
    }
    // 8 × (10 000 − 6 720) left; 60 % of what is above 5 000, once.
    assert_eq!(desks[0].used(1, "critical.entered").await, 8 * 328_000);
    assert_eq!(paid, (8 * 328_000 - 500_000) * 60 / 100);
    integrity(&first).await;
}

/// Formance #1601: a reused key with another body comes back as an internal error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn formance_a_reused_key_is_a_named_conflict_also_when_both_come_at_once() {
    let (first, _second, desks) = start_two().await;
    for number in 0..10 {
        let (request, [stay, other_stay]) =
            (format!("R{number}"), ["Z", "Y"].map(|side| format!("{side}{number}")));
        // By turns another bill of the same person, and one of another person.
        let [one, other] = [plain_bill(0, &stay, 900), plain_bill(number % 2, &other_stay, 800)];
        let (one, other) = tokio::join!(
            desks[0].try_settle(&request, one, Vec::new()),
            desks[1].try_settle(&request, other, Vec::new())
        );
        let lost = match (one, other) {
            (Ok(_), Err(lost)) | (Err(lost), Ok(_)) => refused(&lost),
            both => panic!("{both:?}"),
        };
        assert_eq!((lost.code, lost.reason.as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
        assert_eq!(lost.field, "request_id");
    }
    integrity(&first).await;
}

/// ZLHIS, its own list of bugs: "虚拟结算与正式结算结果不一致".
#[tokio::test]
async fn zlhis_a_quote_is_what_is_settled() {
    let (_gateway, desk) = start().await;
    for (number, day) in ["2024-03-01", "2024-05-01", "2024-12-31"].into_iter().enumerate() {
        let stay = format!("Z{number}");
        let quoted = desk.quote(bill(0, &stay, day)).await;
        let answer = desk.insist(&stay, &bill(0, &stay, day), &quoted.quote_token).await;
        assert_eq!(answer.settlement.breakdown, quoted.breakdown);
    }
}

/// ZLHIS: "结算作废与原始结算结果不一致".
#[tokio::test]
async fn zlhis_a_void_is_the_original_the_other_way_round() {
    let (gateway, desk) = start().await;
    desk.settle("R0", bill(0, "Z0", "2024-05-30")).await;
    let names = ["critical.entered", "critical.paid", "pool.aid"];
    let mut before = Vec::new();
    for name in names {
        before.push(desk.used(0, name).await);
    }
    let original = desk.settle("R1", bill(0, "Z1", "2024-06-30")).await;
    // What changed meanwhile must not matter.
    gateway.take(RowKind::Catalogue, vec![item("A01", "C", "2024-06-01")]).await;
    let answer = desk.reverse("V1", &original.settlement_id).await.unwrap();
    let Some(wire::reverse_response::Outcome::Reversal(void)) = answer.outcome else { panic!() };
    let layers = |told: &wire::Settlement, sign: i64| {
        let breakdown = told.breakdown.clone().unwrap();
        let mut all: Vec<_> = breakdown.layers.iter().map(|layer| sign * layer.pay_fen).collect();
        all.extend([
            sign * breakdown.total_fen,
            sign * breakdown.deductible_paid_fen,
            sign * breakdown.cash_pay_fen,
        ]);
        all
    };
    assert_eq!(layers(&void, -1), layers(&original, 1));
    for (name, before) in names.into_iter().zip(before) {
        assert_eq!(desk.used(0, name).await, before, "{name}");
    }
}

/// ZLHIS: "门诊收费死锁".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zlhis_crossing_settlements_of_two_persons_never_block_each_other() {
    let (first, _second, desks) = start_two().await;
    let there_and_back = [[0, 1], [1, 0], [0, 1], [1, 0]].into_iter().enumerate();
    let all = there_and_back.map(|(number, persons)| {
        let desk = desks[number % 2].clone();
        tokio::spawn(async move {
            for round in 0..15 {
                for person in persons {
                    let id = format!("{number}-{round}-{person}");
                    desk.settle(&format!("R{id}"), plain_bill(person, &format!("Z{id}"), 900))
                        .await;
                }
            }
        })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let owner = first.database.owner().await;
    assert_eq!(owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 0);
    integrity(&first).await;
}

/// dh-hos #168: a tariff that changes later shifts the totals of patients who have gone home.
#[tokio::test]
async fn dh_hos_a_tariff_changed_afterwards_does_not_change_a_printed_bill() {
    let (gateway, desk) = start().await;
    let printed = desk.settle("R1", bill(1, "Z1", "2024-06-30")).await;
    gateway
        .take(
            RowKind::Catalogue,
            vec![item("A01", "C", "2024-06-01"), item("B01", "C", "2024-06-01")],
        )
        .await;
    gateway.grant_low_income(1).await;
    assert_eq!(desk.ask("R1").await.unwrap(), printed);
    let answer = desk.try_settle("R1", bill(1, "Z1", "2024-06-30"), Vec::new()).await.unwrap();
    assert_eq!(settled(answer), (printed.clone(), true));
    let later = desk.settle("R2", bill(1, "Z2", "2024-06-30")).await.breakdown.unwrap();
    assert_eq!((later.in_scope_fen, later.total_fen), (0, printed.breakdown.unwrap().total_fen));
}

/// NCPDP telecommunication: "D", a duplicate of a paid claim, is an answer with the amounts, not a rejection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ncpdp_a_duplicate_is_an_answer_also_when_all_come_at_once() {
    let (first, _second, desks) = start_two().await;
    let all = (0..6).map(|number| {
        let desk = desks[number % 2].clone();
        tokio::spawn(async move { desk.insist("R1", &plain_bill(0, "Z1", 900), &[]).await })
    });
    let mut answers = Vec::new();
    for one in all.collect::<Vec<_>>() {
        answers.push(one.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|answer| !answer.repeat).count(), 1);
    assert!(answers.iter().all(|answer| answer.settlement == answers[0].settlement));
    assert!(answers.iter().all(|answer| answer.tries == 1), "none was turned away");
    integrity(&first).await;
}
