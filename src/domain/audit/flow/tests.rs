use super::*;

fn granted(period: Period, class: &str, pool: i64, aid: i64) -> Granted {
    let funds = vec![
        (Fund::BasicResident, Fen::new(pool), Fen::ZERO),
        (Fund::MedicalAid, Fen::new(aid), Fen::new(1)),
    ];
    Granted {
        period,
        region: RegionCode::new("520201").unwrap(),
        hospital: HospitalCode::new("H1").unwrap(),
        scheme: Scheme::Resident,
        class: class.to_owned(),
        care: (period != Period::Before).then_some(Care::Inpatient),
        entries: 3,
        reversals: 1,
        assumed: 2,
        assumed_granted: Fen::new(5),
        charged: Fen::new(900),
        total: Fen::new(pool).checked_add(Fen::new(aid)).unwrap(),
        funds,
    }
}

fn posted(account: AccountKind, of: Option<(PostingKind, Period)>, fen: i64) -> Posted {
    let hospital = account.is_of_a_hospital().then(|| HospitalCode::new("H1").unwrap());
    let region = RegionCode::new("520201").unwrap();
    Posted { account, fund: Fund::MedicalAid, region, hospital, of, amount: Fen::new(fen) }
}

/// Given 1000 before, 200 in the month; granted 100 before, 40 last month, 60 now; paid 50 before, 70 now; 5 withheld, 2 of them released.
fn month() -> (Vec<Granted>, Vec<Posted>) {
    use AccountKind as A;
    use PostingKind as K;
    let (before, now) = (Period::Before, Period::Month);
    let grants = vec![
        granted(Period::Before, "", 10, 100),
        granted(Period::LastMonth, "low_income", 10, 40),
        granted(Period::Month, "low_income", 10, 45),
        granted(Period::Month, "extreme_poverty", 10, 15),
    ];
    let postings = vec![
        posted(A::FundPool, Some((K::Appropriation, before)), -1_000),
        posted(A::FundPool, Some((K::Appropriation, now)), -200),
        posted(A::FundPool, None, -1_200),
        posted(A::Treasury, None, 1_080),
        posted(A::HospitalPayable, Some((K::Payment, before)), 50),
        posted(A::HospitalPayable, Some((K::Payment, now)), 70),
        posted(A::HospitalPayable, Some((K::Clearing, now)), 5),
        posted(A::HospitalPayable, None, 125),
        posted(A::DepositWithheld, Some((K::Clearing, now)), -5),
        posted(A::DepositWithheld, Some((K::DepositRelease, now)), 2),
        posted(A::DepositWithheld, None, -3),
    ];
    (grants, postings)
}

#[test]
fn a_month_opens_moves_and_closes() {
    use Measure as M;
    let (grants, postings) = month();
    let flow = Flow::of(&grants, &postings).unwrap();
    let funds = flow.lines(By::Fund).unwrap();
    let aid = funds.iter().find(|(key, _)| key.fund == Fund::MedicalAid).unwrap().1;
    let check = |measure, fen| assert_eq!(aid.of(measure), Fen::new(fen), "{measure:?}");
    // Benefits of one fen stand beside each group.
    check(M::Opening, 1_000 - 101 - 41);
    check(M::Appropriated, 200);
    check(M::Granted, 62);
    check(M::Closing, 1_200 - 101 - 41 - 62);
    check(M::OwedBefore, 100 + 40 - 50);
    check(M::GrantedToHospitals, 60);
    check(M::Benefits, 2);
    check(M::Paid, 70);
    check(M::Withheld, 5);
    check(M::Owed, 90 + 60 - 70 - 5);
    check(M::Released, 2);
    check(M::Held, 3);
    check(M::GrantedLastMonth, 41);
    check(M::Treasury, 1_080);
    assert_eq!((flow.entries, flow.reversals, flow.assumed), (6, 2, 4));
    let classes = flow.lines(By::Class).unwrap();
    let low: Vec<_> = classes
        .iter()
        .filter(|(key, _)| key.class == "low_income" && key.fund == Fund::MedicalAid)
        .map(|(_, amounts)| (amounts.of(M::Granted).get(), amounts.of(M::GrantedLastMonth).get()))
        .collect();
    assert_eq!(low, [(46, 41)]);
}

/// Each is spoiled in one place and found by name.
#[test]
fn what_does_not_add_up_is_an_error_by_name() {
    let check = |spoil: &dyn Fn(&mut Vec<Granted>, &mut Vec<Posted>), code: &str| {
        let (mut grants, mut postings) = month();
        spoil(&mut grants, &mut postings);
        assert_eq!(Flow::of(&grants, &postings).unwrap_err().code(), code);
    };
    check(&|grants, _| grants[2].total = Fen::new(1), "FLOW_FUNDS_DIFFER");
    check(&|_, postings| postings[2].amount = Fen::new(-1_201), "FLOW_DOES_NOT_CLOSE");
    check(&|_, postings| postings[1].amount = Fen::new(-201), "FLOW_DOES_NOT_CLOSE");
    check(&|_, postings| postings[5].amount = Fen::new(71), "FLOW_OWED_DIFFERS");
    check(&|_, postings| postings[7].amount = Fen::new(126), "FLOW_OWED_DIFFERS");
    // What was withheld is no longer what left the payable.
    check(&|_, postings| postings[8].amount = Fen::new(-6), "FLOW_OWED_DIFFERS");
    check(&|_, postings| postings[9].amount = Fen::new(3), "FLOW_DEPOSITS_DIFFER");
    check(&|grants, _| grants[0].funds[1].1 = Fen::new(i64::MAX), "FLOW_OVERFLOW");
}

#[test]
fn words_are_read_back() {
    for by in By::ALL {
        assert_eq!(By::from_word(by.word()), Some(by));
    }
    let words: std::collections::BTreeSet<_> = Measure::ALL.iter().map(|of| of.word()).collect();
    assert_eq!(words.len(), MEASURES);
}
