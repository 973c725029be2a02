//! Payments: by a file, to an account that two confirmed, confirmed once by its own bank; and across regions.

use onestop::app::finance::{AccountOf, Finance, FinanceRefusal, Listing, Made};
use onestop::app::{AppError, Refusal, Role, now};
use onestop::domain::finance::AccountKind;
use onestop::domain::finance::clearing::State;
use onestop::domain::ids::HospitalCode;
use onestop::domain::money::Fen;
use onestop::keys::{self, Keys};
use onestop::store::finance as store;

use crate::finance::{Books, DAY, bureau, close, july, of, reach, record, region, why};
use crate::ledger_fixture::entry;

#[tokio::test]
async fn a_payment_goes_by_a_file_and_is_confirmed_once_by_its_own_bank() {
    let books = Books::closed().await;
    let zhang = bureau("zhang");
    let statement = books.approved().await;
    let here = region("520200");
    let nothing = books.by(&zhang).make_file(here, "ICBC").await;
    assert_eq!(why(nothing), FinanceRefusal::NothingToPay);
    books.account("ICBC").await;
    let made = books.by(&zhang).make_file(here, "ICBC").await.unwrap();
    let text = String::from_utf8(made.content.clone()).unwrap();
    assert!(text.contains(",六盘水市人民医院,6222021234567890123,1380.00,"), "{text}");
    assert_eq!(books.by(&zhang).file(&made.file.id).await.unwrap().content, made.content);
    // It is on its way: not in a second file.
    let again = books.by(&zhang).make_file(here, "ICBC").await;
    assert_eq!(why(again), FinanceRefusal::NothingToPay);

    let file = &made.file.id;
    let said = |bank: &str, rest: &str| {
        format!(
            "file_id,bank_code,line,outcome,amount,bank_reference,paid_on\n{file},{bank},{rest}\n"
        )
    };
    let (li, today) = (bureau("li"), now().day);
    let confirm = async |content: String| books.by(&li).confirm(content.as_bytes()).await;
    // Who made the file does not say that the money arrived.
    let alone = said("ICBC", &format!("1,paid,1380.00,R1,{today}"));
    let alone = books.by(&zhang).confirm(alone.as_bytes()).await;
    assert_eq!(why(alone), FinanceRefusal::SamePerson);
    // No bank pays before it was asked to, or tomorrow.
    for day in ["1990-01-01", "2099-12-30"] {
        let refused = confirm(said("ICBC", &format!("1,paid,1380.00,R1,{day}"))).await;
        assert_eq!(why(refused), FinanceRefusal::PaidOn(Some(2)));
        assert_eq!(FinanceRefusal::PaidOn(Some(2)).place(), "content[2].paid_on");
    }
    let other = confirm(said("ABC", &format!("1,paid,1380.00,R1,{today}"))).await;
    assert_eq!(why(other), FinanceRefusal::OtherBank);
    let more = confirm(said("ICBC", &format!("1,paid,1380.01,R1,{today}"))).await;
    assert_eq!(why(more), FinanceRefusal::PaymentAmount(Some(2)));
    let line = confirm(said("ICBC", &format!("2,paid,1380.00,R1,{today}"))).await;
    assert_eq!(why(line), FinanceRefusal::PaymentUnknown);
    // In part: the rest waits again.
    confirm(said("ICBC", &format!("1,partial,1150.00,R1,{today}"))).await.unwrap();
    let (partly, _) = books.by(&zhang).statement(&statement.id).await.unwrap();
    let paid: Vec<_> = partly.lines.iter().map(|line| line.paid.get()).collect();
    assert_eq!((partly.state, paid), (State::Approved, vec![114_000, 1_000, 0]));
    let twice = confirm(said("ICBC", &format!("1,partial,1150.00,R2,{today}"))).await;
    assert_eq!(why(twice), FinanceRefusal::ConfirmedBefore(Some(2)));
    books.balances().await;

    let second = books.by(&zhang).make_file(here, "ICBC").await.unwrap();
    assert_eq!(second.file.payments[0].pay, Fen::new(23_000));
    let text = |rest: &str| {
        format!(
            "file_id,bank_code,line,outcome,amount,bank_reference,paid_on\n{},ICBC,{rest}\n",
            second.file.id
        )
    };
    let reference = confirm(text(&format!("1,paid,230.00,R1,{today}"))).await;
    assert_eq!(why(reference), FinanceRefusal::ReferenceUsed);
    confirm(text(&format!("1,failed,0.00,R2,{today}"))).await.unwrap();
    let third = books.by(&zhang).make_file(here, "ICBC").await.unwrap();
    let third = text(&format!("1,paid,230.00,R3,{today}")).replace(&second.file.id, &third.file.id);
    confirm(third.clone()).await.unwrap();
    assert_eq!(why(confirm(third).await), FinanceRefusal::ConfirmedBefore(Some(2)));
    let (paid, _) = books.by(&zhang).statement(&statement.id).await.unwrap();
    assert_eq!(paid.state, State::Paid);
    // The hospital is owed nothing more but its deposit.
    assert_eq!(books.left(AccountKind::HospitalPayable).await, []);
    let treasury = books.left(AccountKind::Treasury).await;
    assert_eq!(treasury.iter().map(|(_, fen)| fen).sum::<i64>(), -138_000);
    books.balances().await;
}

#[tokio::test]
async fn the_database_itself_confirms_a_payment_once_and_by_its_bank() {
    let books = Books::closed().await;
    books.approved().await;
    books.account("ICBC").await;
    let zhang = bureau("zhang");
    let made = books.by(&zhang).make_file(region("520200"), "ICBC").await.unwrap();
    let owner = books.database.owner().await;
    let today = "(now() AT TIME ZONE 'Asia/Shanghai')::date";
    let write = async |bank: &str,
                       line: i32,
                       (outcome, fen): (&str, i64),
                       (reference, day, by): (&str, &str, &str)| {
        let posting = if fen == 0 { "NULL" } else { "'P1'" };
        let insert = format!(
            "INSERT INTO payment_confirmation VALUES ('{}', {line}, '{bank}', '{outcome}', {fen}, '{reference}', {day},
                {posting}, sha256(''), '{by}', now())",
            made.file.id
        );
        let done = owner.batch_execute(&insert).await;
        done.err()
            .map(|error| error.as_db_error().unwrap().constraint().unwrap_or_default().to_owned())
    };
    let confirm = async |bank: &str, line: i32, paid: (&str, i64), reference: &str| {
        write(bank, line, paid, (reference, today, "x")).await
    };
    let by = |name: &str| Some(name.to_owned());
    let yesterday = format!("{today} - 1");
    let tomorrow = format!("{today} + 1");
    for day in [yesterday.as_str(), tomorrow.as_str()] {
        let refused = write("ICBC", 1, ("paid", 138_000), ("R", day, "x")).await;
        assert_eq!(refused, by("payment_day"));
    }
    let alone = write("ICBC", 1, ("paid", 138_000), ("R", today, "zhang")).await;
    assert_eq!(alone, by("payment_four_eyes"));
    assert_eq!(confirm("ABC", 1, ("paid", 138_000), "R").await, by("payment_of_another_bank"));
    assert_eq!(confirm("ICBC", 7, ("paid", 138_000), "R").await, by("payment_unknown"));
    assert_eq!(confirm("ICBC", 1, ("paid", 137_999), "R").await, by("payment_amount"));
    assert_eq!(confirm("ICBC", 1, ("partial", 138_000), "R").await, by("payment_amount"));
    assert_eq!(
        confirm("ICBC", 1, ("failed", 138_000), "R").await,
        by("payment_confirmation_is_sound")
    );
    assert_eq!(confirm("ICBC", 1, ("paid", 138_000), "R").await, None);
    assert_eq!(confirm("ICBC", 1, ("paid", 138_000), "R2").await, by("payment_confirmation_pkey"));
    // Money that was confirmed by hand and posted by nobody is found.
    let faults = store::check_books(&books.database.pool).await.unwrap();
    let found: Vec<_> = faults.iter().map(|fault| fault.what.as_str()).collect();
    assert_eq!(found, ["paid", "payment", "step_payment"]);
}

#[tokio::test]
async fn another_regions_insured_are_paid_by_the_treatment_region_and_claimed_back() {
    let books = Books::new().await;
    let mut away = entry(1, "A1", "A1", (1, 2));
    away.treatment_region = region("530102");
    away.hospital = HospitalCode::new("H53010000001").unwrap();
    let owner = books.database.owner().await;
    owner
        .batch_execute("INSERT INTO hospital VALUES ('H53010000001', '2020-01-01', NULL, '530102', 3, '昆明市人民医院')")
        .await
        .unwrap();
    record(&books.database, away).await;
    close(&owner, DAY).await;
    let there = |name: &str| of(name, Role::Bureau(reach(&[], "530100")));
    let (one, two) = (there("kunming-1"), there("kunming-2"));
    let asked = Made { region: region("530100"), ..july() };
    let made = books.by(&one).make_statements(&asked).await.unwrap().remove(0);
    books.by(&one).approve(&made.id).await.unwrap();
    books.by(&two).approve(&made.id).await.unwrap();
    // The insured region sees what it will be claimed for, and can not agree to it.
    let home = bureau("zhang");
    let seen = books.by(&home).statements(&Listing::default()).await.unwrap();
    assert_eq!(seen.iter().map(|of| &of.id).collect::<Vec<_>>(), [&made.id]);
    assert!(matches!(
        books.by(&home).approve(&made.id).await,
        Err(AppError::Refused(Refusal::NotAllowed(_)))
    ));
    let hospital = HospitalCode::new("H53010000001").unwrap();
    let account = AccountOf::new("昆明市人民医院", "6222029999999999999", "ABC").unwrap();
    let number = books.by(&one).set_account(region("530100"), &hospital, &account).await.unwrap();
    // A bureau sets no account of a hospital elsewhere.
    assert!(books.by(&home).set_account(region("520200"), &hospital, &account).await.is_err());
    books.by(&two).confirm_account(region("530100"), &hospital, number).await.unwrap();
    let file = books.by(&one).make_file(region("530100"), "ABC").await.unwrap().file;
    let content = format!(
        "file_id,bank_code,line,outcome,amount,bank_reference,paid_on\n{},ABC,1,paid,690.00,R1,{}\n",
        file.id,
        now().day
    );
    books.by(&two).confirm(content.as_bytes()).await.unwrap();
    let between = books.left(AccountKind::RegionClearing).await;
    let of_basic: Vec<_> =
        between.iter().filter(|(key, _)| key.starts_with("basic_resident")).collect();
    assert_eq!(
        of_basic,
        [
            &("basic_resident 520200 530100".to_owned(), -57_000),
            &("basic_resident 530100 520200".to_owned(), 57_000),
        ]
    );
    let claimed = onestop::app::finance::Claimed {
        treatment: region("530100"),
        insured: Some(region("520200")),
        days: (DAY, DAY),
        after: None,
    };
    for caller in [&one, &home] {
        let claims = books.by(caller).claims(claimed.clone()).await.unwrap();
        let [claim] = claims.as_slice() else { panic!("{claims:?}") };
        assert_eq!((claim.fund, claim.account), (Fen::new(70_000), Fen::new(2_000)));
        assert_eq!(claim.state, "paid");
    }
    let stranger = of("beijing", Role::Bureau(reach(&[], "110000")));
    assert!(books.by(&stranger).claims(claimed).await.is_err());
    books.balances().await;
}

#[tokio::test]
async fn an_account_outlives_the_key_that_it_was_sealed_by() {
    let books = Books::closed().await;
    books.approved().await;
    books.account("ICBC").await;
    let folder = books.folder.path().join("keys");
    keys::rotate(&folder).unwrap();
    let rotated = Keys::load(&folder).unwrap();
    let pool = &books.database.pool;
    let mut resealing = onestop::app::Resealing::new(pool, &rotated);
    let mut resealed = 0;
    while let Some(batch) = resealing.next_batch().await.unwrap() {
        assert!(batch.unopened_accounts.is_empty());
        resealed += batch.resealed;
    }
    assert_eq!(resealed, 1);
    keys::take_out(&folder, 1).unwrap();
    let newest = Keys::load(&folder).unwrap();
    let zhang = bureau("zhang");
    let made = Finance::beside(pool, &newest, &zhang).make_file(region("520200"), "ICBC").await;
    assert!(String::from_utf8(made.unwrap().content).unwrap().contains("6222021234567890123"));
    // Nobody but the hospital that it was sealed for can have it.
    let owner = books.database.owner().await;
    let moved = "INSERT INTO hospital_account SELECT 'H52020000002', 1, bank_code, account_sealed, set_by, set_at, confirmed_by,
        confirmed_at, account_mark FROM hospital_account";
    owner.batch_execute(moved).await.unwrap();
    let mut resealing = onestop::app::Resealing::new(pool, &newest);
    while let Some(batch) = resealing.next_batch().await.unwrap() {
        assert_eq!((batch.resealed, batch.unopened_accounts.len()), (0, 0), "under the newest key");
    }
    let changed = "UPDATE hospital_account SET bank_code = 'ABC'";
    let refused = owner.batch_execute(changed).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "23001");
}
