//! A month on a real database: every breakdown against sums that are made here from the entries themselves, and what must be seen at a glance.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use onestop::app::audit::{AskedEntries, Audit, AuditRefusal, Audited, Month};
use onestop::app::{AppError, Caller, Refusal, Role, now};
use onestop::domain::audit::{AlarmKind, By, Key, Measure, Which};
use onestop::domain::bill::Care;
use onestop::domain::finance::{Account, AccountKind, Draft, Fund, Line, PostingKind};
use onestop::domain::ids::HospitalCode;
use onestop::domain::ledger::{Entry, LayerEntry};
use onestop::domain::money::Fen;
use onestop::domain::verdict::Column;

use crate::finance::{Books, bureau, of, reach, record, region};
use crate::harness::Database;
use crate::ledger_fixture::{entry, furnish, reversal};

/// A settlement of one more person, on this day, in this region, by this hospital, of this class and kind of care; `extra` is what a
/// charity pays of the patient's share.
fn settled(
    person: i64,
    day: Date,
    (place, code): (&str, &str),
    (class, care): (&str, Care),
    extra: i64,
) -> Entry {
    let stay = format!("A{person}");
    let mut of = entry(person, &stay, &stay, (1, 1));
    of.accounting_day = day;
    of.settled_at = day.at(9, 0, 0, 0).in_tz("Asia/Shanghai").unwrap().timestamp();
    (of.insured_region, of.hospital) = (region(place), HospitalCode::new(code).unwrap());
    of.care = care;
    of.identities_used = if class.is_empty() { Vec::new() } else { vec![class.to_owned()] };
    of.layers.iter_mut().for_each(|layer| layer.identity = class.to_owned());
    if 0 < extra {
        let (pay, identity) = (Fen::new(extra), class.to_owned());
        let books_to = Column::Other.word();
        of.layers.push(LayerEntry { payer: "charity".to_owned(), books_to, identity, pay });
        of.breakdown.paid[8] = pay;
        of.breakdown.cash = of.breakdown.cash.checked_sub(pay).unwrap();
    }
    of
}

/// July 2024, June before it, July of the year before, and a day in spring.
async fn months(database: &Database) -> Vec<Entry> {
    let (here, there) = (("520201", "H52020000001"), ("520221", "H52020000002"));
    let july = |day| date(2024, 7, day);
    let (inpatient, chronic) = (Care::Inpatient, Care::OutpatientChronic);
    let mut entries = vec![
        settled(1, july(1), here, ("low_income", inpatient), 0),
        settled(2, july(15), here, ("extreme_poverty", chronic), 1_000),
        settled(3, july(31), there, ("low_income", inpatient), 2_500),
        settled(4, july(31), there, ("", Care::Outpatient), 0),
        settled(5, date(2024, 6, 30), here, ("low_income", inpatient), 700),
        settled(6, date(2024, 6, 1), there, ("", inpatient), 0),
        settled(7, date(2023, 7, 20), here, ("low_income", chronic), 0),
        settled(8, date(2024, 3, 8), there, ("low_income", inpatient), 300),
        settled(9, date(2024, 8, 1), here, ("low_income", inpatient), 0),
        settled(10, july(20), here, ("low_income", inpatient), 0),
    ];
    // Of two identities the one that counted for aid.
    entries[9].identities_used = vec!["borderline".to_owned(), "low_income".to_owned()];
    let back = reversal(&entries[9], "V10", (1, 2));
    entries.push(back);
    let numbers: Vec<i64> = (1..=10).collect();
    furnish(database, &numbers).await;
    for entry in &entries {
        record(database, entry.clone()).await;
    }
    entries
}

/// What an entry grants by fund, to hospitals and beside the bill, as its layers say; not as its columns do.
fn granted(entry: &Entry) -> BTreeMap<Fund, (i64, i64)> {
    let mut funds: BTreeMap<Fund, (i64, i64)> = BTreeMap::new();
    let of = |layer: &LayerEntry| match (layer.books_to, layer.payer.as_str()) {
        ("basic_pool", _) => Some(Fund::BasicResident),
        ("medical_aid", _) => Some(Fund::MedicalAid),
        ("account", _) => Some(Fund::PersonalAccount),
        ("other", "charity") => Some(Fund::Charity),
        ("other", _) => Some(Fund::Other),
        _ => None,
    };
    for layer in &entry.layers {
        if let Some(fund) = of(layer) {
            funds.entry(fund).or_default().0 += layer.pay.get();
        }
    }
    for layer in &entry.fixed {
        if let Some(fund) = of(layer) {
            funds.entry(fund).or_default().1 += layer.pay.get();
        }
    }
    funds
}

fn month(text: &str) -> Month {
    Month::parse(text).unwrap()
}

async fn flow(database: &Database, caller: &Caller, text: &str) -> Audited {
    Audit::beside(&database.pool, caller).flow(month(text), None).await.unwrap()
}

fn everybody() -> Caller {
    of("auditor", Role::Development)
}

fn key_of(by: By, fund: Fund, entry: &Entry) -> Key {
    let class = entry.identities_used.last().cloned().unwrap_or_default();
    let told = Key {
        fund,
        region: Some(entry.insured_region),
        hospital: Some(entry.hospital.clone()),
        class,
        care: Some(entry.care),
    };
    let none =
        Key { region: None, hospital: None, class: String::new(), care: None, ..told.clone() };
    match by {
        By::Fund => none,
        By::Region => Key { region: told.region, ..none },
        By::Hospital => Key { class: String::new(), care: None, ..told },
        By::Class => Key { class: told.class, ..none },
        By::Care => Key { care: told.care, ..none },
        By::Detail => told,
    }
}

#[tokio::test]
async fn every_breakdown_is_what_the_entries_themselves_come_to() {
    let database = Database::new().await;
    let entries = months(&database).await;
    let audited = flow(&database, &everybody(), "2024-07").await;
    let (july, june) = ((2024, 7), (2024, 6));
    let in_month = |entry: &Entry, (year, month)| {
        (entry.accounting_day.year(), entry.accounting_day.month()) == (year, month)
    };
    for by in By::ALL {
        let mut want: BTreeMap<Key, BTreeMap<Measure, i64>> = BTreeMap::new();
        for entry in &entries {
            for (fund, (to_hospital, beside)) in granted(entry) {
                let line = want.entry(key_of(by, fund, entry)).or_default();
                let mut put = |measure, fen: i64| *line.entry(measure).or_default() += fen;
                if in_month(entry, july) {
                    put(Measure::Granted, to_hospital + beside);
                    put(Measure::GrantedToHospitals, to_hospital);
                    put(Measure::Benefits, beside);
                } else if in_month(entry, june) {
                    put(Measure::GrantedLastMonth, to_hospital + beside);
                } else if in_month(entry, (2023, 7)) {
                    put(Measure::GrantedLastYear, to_hospital + beside);
                }
            }
        }
        let told = audited.flow.lines(by).unwrap();
        for measure in [
            Measure::Granted,
            Measure::GrantedToHospitals,
            Measure::Benefits,
            Measure::GrantedLastMonth,
            Measure::GrantedLastYear,
        ] {
            let some = |fen: &i64| *fen != 0;
            let want: Vec<(Key, i64)> = want
                .iter()
                .map(|(key, of)| (key.clone(), of.get(&measure).copied().unwrap_or(0)))
                .filter(|(_, fen)| some(fen))
                .collect();
            let told: Vec<(Key, i64)> = told
                .iter()
                .map(|(key, of)| (key.clone(), of.of(measure).get()))
                .filter(|(_, fen)| some(fen))
                .collect();
            assert_eq!(told, want, "{by:?} {measure:?}");
        }
    }
    // What is owed and left: everything up to the month's end, nothing of August.
    let mut owed: BTreeMap<Fund, (i64, i64)> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.accounting_day < date(2024, 8, 1)) {
        for (fund, (to_hospital, beside)) in granted(entry) {
            let of = owed.entry(fund).or_default();
            (of.0, of.1) = (of.0 + to_hospital, of.1 - to_hospital - beside);
        }
    }
    for (key, amounts) in audited.flow.lines(By::Fund).unwrap() {
        let told = (amounts.of(Measure::Owed).get(), amounts.of(Measure::Closing).get());
        assert_eq!(told, owed[&key.fund], "{:?}", key.fund);
    }
    let flow = &audited.flow;
    assert_eq!((flow.entries, flow.reversals, flow.assumed), (6, 1, 6));
    assert_eq!(flow.charged, Fen::new(400_000));
}

#[tokio::test]
async fn a_bureau_sees_its_regions_and_others_see_nothing() {
    let database = Database::new().await;
    months(&database).await;
    let owner = database.owner().await;
    let county = of("county", Role::Bureau(reach(&[], "520221")));
    let audited = flow(&database, &county, "2024-07").await;
    let regions = audited.flow.lines(By::Region).unwrap();
    assert!(regions.keys().all(|key| key.region == Some(region("520221"))) && !regions.is_empty());
    let refused = |error: AppError| matches!(error, AppError::Refused(Refusal::NotAllowed(_)));
    let audit = Audit::beside(&database.pool, &county);
    assert!(refused(audit.flow(month("2024-07"), Some(region("520201"))).await.unwrap_err()));
    let hospital = HospitalCode::new("H52020000001").unwrap();
    for role in [
        Role::Administrator,
        Role::Hospital(hospital),
        Role::Core,
        Role::Insurer(reach(&[], "520200")),
    ] {
        let caller = of("somebody", role);
        let audit = Audit::beside(&database.pool, &caller);
        assert!(refused(audit.flow(month("2024-07"), None).await.unwrap_err()));
        assert!(refused(audit.entries(asked(Which::All)).await.unwrap_err()));
    }
    // Each entry that was listed leaves a record of who looked at it.
    let listed = audit.entries(asked(Which::All)).await.unwrap();
    assert_eq!(listed.len(), 2);
    let looks =
        "SELECT count(*) FROM access_record WHERE caller_name = 'county' AND what = 'settlement'";
    let looks: i64 = owner.query_one(looks, &[]).await.unwrap().get(0);
    assert_eq!(looks, 2);
}

fn asked(which: Which) -> AskedEntries<'static> {
    AskedEntries {
        month: month("2024-07"),
        region: None,
        hospital: None,
        fund: None,
        class: None,
        care: None,
        which,
        after: None,
        most: 500,
    }
}

#[tokio::test]
async fn entries_are_listed_as_asked_page_by_page_and_each_says_why() {
    let database = Database::new().await;
    let entries = months(&database).await;
    let caller = everybody();
    let audit = Audit::beside(&database.pool, &caller);
    let list = async |asked: AskedEntries<'_>| audit.entries(asked).await.unwrap();
    let july: Vec<&Entry> = entries
        .iter()
        .filter(|entry| (entry.accounting_day.year(), entry.accounting_day.month()) == (2024, 7))
        .collect();
    let mut want: Vec<_> =
        july.iter().map(|entry| (entry.accounting_day, entry.settlement.to_string())).collect();
    want.sort();
    let (mut told, mut after) = (Vec::new(), None);
    loop {
        let page = list(AskedEntries { after: after.clone(), most: 4, ..asked(Which::All) }).await;
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 4 && page.iter().all(|of| of.why == Default::default()));
        after = Some((last.entry.day, last.entry.settlement.to_string()));
        told.extend(page.iter().map(|of| (of.entry.day, of.entry.settlement.to_string())));
    }
    assert_eq!(told, want);

    let charity = list(AskedEntries { fund: Some(Fund::Charity), ..asked(Which::All) }).await;
    let fens: Vec<_> = charity.iter().map(|of| of.entry.of_fund.get()).collect();
    assert_eq!(fens, [1_000, 2_500]);
    let class = list(AskedEntries { class: Some("extreme_poverty"), ..asked(Which::All) }).await;
    assert_eq!(class.len(), 1);
    let care = list(AskedEntries { care: Some(Care::Outpatient), ..asked(Which::All) }).await;
    assert_eq!(care.len(), 1);

    let reversals = list(asked(Which::Reversals)).await;
    let [reversed] = reversals.as_slice() else { panic!("{reversals:?}") };
    assert_eq!(reversed.entry.reverses.as_ref(), Some(&entries[9].settlement));
    assert!(reversed.why.0.contains("billed twice") && reversed.why.1.contains("billed twice"));
    assert_eq!(list(asked(Which::Assumed)).await.len(), july.len());
    // Five in a hundred are out of the catalogue: nothing to look at.
    assert_eq!(list(asked(Which::OutOfCatalogue)).await, []);
}

#[tokio::test]
async fn bills_out_of_the_catalogue_and_repeated_stays_are_something_to_look_at() {
    let database = Database::new().await;
    furnish(&database, &[1, 2, 3]).await;
    let here = ("520201", "H52020000001");
    let (day, inpatient) = (date(2024, 7, 2), Care::Inpatient);
    let outside = |person, class: &str, fen: i64| {
        let mut of = settled(person, day, here, (class, inpatient), 0);
        let moved = Fen::new(fen).checked_sub(of.breakdown.out_of_catalogue).unwrap();
        of.breakdown.out_of_catalogue = Fen::new(fen);
        of.breakdown.in_scope = of.breakdown.in_scope.checked_sub(moved).unwrap();
        of
    };
    // Just within, just above, and above for somebody who is not poor.
    record(&database, outside(1, "low_income", 10_000)).await;
    let above = outside(2, "low_income", 10_001);
    record(&database, above.clone()).await;
    record(&database, outside(3, "", 50_000)).await;
    let caller = everybody();
    let audit = Audit::beside(&database.pool, &caller);
    let listed = audit.entries(asked(Which::OutOfCatalogue)).await.unwrap();
    let [found] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!(found.entry.settlement, above.settlement);
    assert!(
        found.why.0.contains("10.00%") && found.why.1.contains("low_income"),
        "{:?}",
        found.why
    );

    // The first stays end on 30 June: ten days later is soon after, eleven is not.
    assert_eq!(audit.entries(asked(Which::Readmitted)).await.unwrap(), []);
    for (person, admission) in [(1, date(2024, 7, 10)), (2, date(2024, 7, 11))] {
        let stay = format!("B{person}");
        let mut again = settled(person, date(2024, 7, 20), here, ("low_income", inpatient), 0);
        again.stay = onestop::domain::ids::StayId::new(&stay).unwrap();
        again.request = crate::ledger_fixture::request(&stay);
        again.settlement = entry(person, &stay, &stay, (1, 2)).settlement;
        (again.admission, again.discharge) = (admission, date(2024, 7, 18));
        (again.standing_version, again.ledger_version) = (1, 2);
        record(&database, again).await;
    }
    let listed = audit.entries(asked(Which::Readmitted)).await.unwrap();
    let [found] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!(found.entry.earlier.as_ref().map(|(_, days)| *days), Some(10));
    assert!(found.why.1.contains("10 days after a discharge"), "{:?}", found.why);
}

// === What must be seen at a glance ===

fn kinds(audited: &Audited) -> Vec<(AlarmKind, i64)> {
    audited.alarms.iter().map(|of| (of.kind, of.amount.get())).collect()
}

fn this_month() -> String {
    let today = now().day;
    format!("{:04}-{:02}", today.year(), today.month())
}

async fn appropriate(books: &Books, fund: Fund, fen: i64) {
    let line = |kind, fen| Line {
        account: Account::new(kind, fund, region("520200"), "").unwrap(),
        amount: Fen::new(fen),
    };
    let lines = vec![line(AccountKind::Treasury, fen), line(AccountKind::FundPool, -fen)];
    let year = Some(now().day.year());
    let draft = Draft::new(PostingKind::Appropriation, lines, year, ("doc 1", "for the year"));
    let (zhang, li) = (bureau("zhang"), bureau("li"));
    let proposal = books.by(&zhang).propose(draft.unwrap()).await.unwrap();
    books.by(&li).agree(&proposal.id).await.unwrap();
}

#[tokio::test]
async fn what_is_held_back_or_diverted_stands_at_the_top_until_it_is_put_right() {
    let books = Books::closed().await;
    let (caller, this_month) = (bureau("auditor"), this_month());
    let look = async || flow(&books.database, &caller, &this_month).await;
    // Settled in July 2024, and nobody made a statement of it: fund by fund.
    let of_funds = [120_000, 20_000, 4_000];
    assert_eq!(kinds(&look().await), of_funds.map(|fen| (AlarmKind::Unstated, fen)));
    assert_eq!(kinds(&flow(&books.database, &caller, "2024-07").await), []);
    // A statement that is due since August 2024: deposit apart, it is late.
    books.approved().await;
    let audited = look().await;
    assert_eq!(kinds(&audited), [(AlarmKind::Late, 138_000)]);
    let late = &audited.alarms[0];
    assert!(500 < late.workdays_late.unwrap() && late.assumed, "the terms are assumed");
    assert!(late.more.0.contains("2024-08-12") && late.more.1.contains("2024-08-12"));
    // It is paid, with money that the funds did not have.
    books.account("ICBC").await;
    let zhang = bureau("zhang");
    let file = books.by(&zhang).make_file(region("520200"), "ICBC").await.unwrap().file;
    let content = format!(
        "file_id,bank_code,line,outcome,amount,bank_reference,paid_on\n{},ICBC,1,paid,1380.00,R1,{}\n",
        file.id,
        now().day
    );
    books.by(&bureau("li")).confirm(content.as_bytes()).await.unwrap();
    let below = [114_000, 20_000, 4_000].map(|fen| (AlarmKind::BelowZero, fen));
    let late = [(AlarmKind::Late, 138_000)];
    let short = look().await;
    assert_eq!(kinds(&short), [&below[..], &late].concat(), "paid, and late all the same");
    assert!(short.alarms[0].assumed, "so is who pools with whom");
    for (fund, fen) in
        [(Fund::BasicResident, 500_000), (Fund::MedicalAid, 20_000), (Fund::PersonalAccount, 4_000)]
    {
        appropriate(&books, fund, fen).await;
    }
    let audited = look().await;
    assert_eq!(kinds(&audited), late);
    let funds = audited.flow.lines(By::Fund).unwrap();
    let basic = funds.iter().find(|(key, _)| key.fund == Fund::BasicResident).unwrap().1;
    let told = [
        Measure::Opening,
        Measure::Appropriated,
        Measure::Closing,
        Measure::OwedBefore,
        Measure::Paid,
        Measure::Withheld,
        Measure::Owed,
        Measure::Held,
        Measure::Treasury,
    ];
    let told = told.map(|measure| basic.of(measure).get());
    assert_eq!(told, [-120_000, 500_000, 380_000, 120_000, 114_000, 6_000, 0, 6_000, 386_000]);
}

#[tokio::test]
async fn a_payment_to_another_account_and_a_deposit_past_its_release_are_found() {
    let books = Books::closed().await;
    books.approved().await;
    books.account("ICBC").await;
    let zhang = bureau("zhang");
    let file = books.by(&zhang).make_file(region("520200"), "ICBC").await.unwrap().file;
    let content = format!(
        "file_id,bank_code,line,outcome,amount,bank_reference,paid_on\n{},ICBC,1,paid,1380.00,R1,{}\n",
        file.id,
        now().day
    );
    books.by(&bureau("li")).confirm(content.as_bytes()).await.unwrap();
    let (caller, this_month) = (bureau("auditor"), this_month());
    let of_kind = async |kind| {
        let audited = flow(&books.database, &caller, &this_month).await;
        let of: Vec<_> = audited.alarms.into_iter().filter(|of| of.kind == kind).collect();
        of.into_iter().map(|of| (of.amount.get(), of.more.1)).collect::<Vec<_>>()
    };
    assert_eq!(of_kind(AlarmKind::Elsewhere).await, []);
    assert_eq!(of_kind(AlarmKind::DepositOverdue).await, []);
    // Done in the database itself, by whoever is held by no trigger.
    let owner = books.database.owner().await;
    let tamper = async |sql: &str| {
        let sql = format!(
            "SET session_replication_role = replica; {sql}; RESET session_replication_role"
        );
        owner.batch_execute(&sql).await.unwrap();
    };
    let check = async |sql: &str, why: &str| {
        tamper(sql).await;
        let why = format!("{why} (file by zhang, confirmed by li)");
        assert_eq!(of_kind(AlarmKind::Elsewhere).await, [(138_000, why)], "{sql}");
    };
    check(
        "UPDATE hospital_account SET confirmed_by = NULL, confirmed_at = NULL",
        "not confirmed by a second person then",
    )
    .await;
    check(
        "UPDATE hospital_account SET confirmed_by = 'li', confirmed_at = set_at, bank_code = 'ABC'",
        "the account is at another bank",
    )
    .await;
    check("UPDATE payment_line SET account_no = 99", "the hospital has no such account").await;
    // Whatever day the bank's file says: it is found in the month in which we confirmed it.
    for day in ["1990-01-01", "2099-12-30"] {
        let moved = format!("UPDATE payment_confirmation SET paid_on = '{day}'");
        check(&moved, "the hospital has no such account").await;
    }
    check(
        "UPDATE payment_line SET hospital_code = 'H52020000009'",
        "another hospital than the statement's",
    )
    .await;
    tamper("UPDATE posting SET accounting_day = '2024-08-01' WHERE kind = 'clearing'").await;
    let overdue = of_kind(AlarmKind::DepositOverdue).await;
    assert!(matches!(overdue.as_slice(), [(6_000, why)] if why.contains("assumed")), "{overdue:?}");
}

#[tokio::test]
async fn a_ledger_that_does_not_add_up_gives_no_table() {
    let database = Database::new().await;
    months(&database).await;
    let owner = database.owner().await;
    owner
        .batch_execute(
            "ALTER TABLE settlement DROP CONSTRAINT settlement_is_sound; SET session_replication_role = replica;
             UPDATE settlement SET medical_aid_pay_fen = medical_aid_pay_fen + 1 WHERE accounting_day = '2024-07-15'",
        )
        .await
        .unwrap();
    let caller = everybody();
    let audit = Audit::beside(&database.pool, &caller);
    let refused = audit.flow(month("2024-07"), None).await.unwrap_err();
    let AppError::Refused(Refusal::Audit(refusal)) = refused else { panic!("{refused:?}") };
    assert!(matches!(refusal, AuditRefusal::Mismatch(..)));
    assert_eq!((refusal.code(), refusal.field()), ("FLOW_FUNDS_DIFFER", "520201 H52020000001"));
}
