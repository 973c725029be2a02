//! A billing desk's day over real gRPC: quote, settle, ask again, reverse, and every token that does not hold.

use onestop::domain::ids::SettlementId;
use onestop::domain::record::{Record, Replay};
use onestop::door::wire::registry::v1::RowKind;
use onestop::door::wire::settlement::v1 as wire;
use onestop::store::{Found, Key, check_integrity, find_settlement};
use tonic::Code;

use crate::gateway::{
    Gateway, HOSPITAL, OTHER_HOSPITAL, PACKAGE, Refused, bill, identity_number, item, publish,
    refused, write_package,
};

async fn quote(gateway: &Gateway, bill: wire::Bill) -> wire::Quoted {
    let request = wire::QuoteRequest { bill: Some(bill) };
    let answer = gateway.desk.clone().quote(request).await.unwrap().into_inner();
    match answer.outcome.unwrap() {
        wire::quote_response::Outcome::Quoted(quoted) => quoted,
        wire::quote_response::Outcome::Declined(declined) => panic!("{declined:?}"),
    }
}

async fn try_settle(
    gateway: &Gateway,
    request: &str,
    bill: wire::Bill,
    quote_token: Vec<u8>,
) -> Result<wire::SettleResponse, tonic::Status> {
    let request_id = request.to_owned();
    let request = wire::SettleRequest { request_id, bill: Some(bill), quote_token };
    gateway.desk.clone().settle(request).await.map(tonic::Response::into_inner)
}

async fn settle(gateway: &Gateway, request: &str, bill: wire::Bill) -> (wire::Settlement, bool) {
    let answer = try_settle(gateway, request, bill, Vec::new()).await.unwrap();
    let Some(wire::settle_response::Outcome::Settlement(settlement)) = answer.outcome else {
        panic!("{answer:?}")
    };
    (settlement, answer.repeat)
}

async fn refusal(gateway: &Gateway, request: &str, bill: wire::Bill, token: Vec<u8>) -> Refused {
    refused(&try_settle(gateway, request, bill, token).await.unwrap_err())
}

async fn moved(gateway: &Gateway, bill: wire::Bill, token: Vec<u8>) -> wire::QuoteMoved {
    let before = gateway.rows().await;
    let answer = try_settle(gateway, "MOVED", bill, token).await.unwrap();
    assert_eq!(gateway.rows().await, before, "nothing was settled");
    let Some(wire::settle_response::Outcome::QuoteMoved(moved)) = answer.outcome else {
        panic!("{answer:?}")
    };
    moved
}

enum By<'a> {
    Settlement(&'a str),
    Request(&'a str),
}

async fn reverse(
    gateway: &Gateway,
    request: &str,
    hospital: &str,
    by: By<'_>,
) -> Result<wire::ReverseResponse, tonic::Status> {
    use wire::reverse_request::Target;
    let target = match by {
        By::Settlement(id) => Target::SettlementId(id.to_owned()),
        By::Request(id) => Target::OriginalRequestId(id.to_owned()),
    };
    let request = wire::ReverseRequest {
        request_id: request.to_owned(),
        hospital_code: hospital.to_owned(),
        target: Some(target),
        reason: "重复结算".to_owned(),
        operator_id: "desk-1".to_owned(),
    };
    gateway.desk.clone().reverse(request).await.map(tonic::Response::into_inner)
}

fn reversal(answer: wire::ReverseResponse) -> (wire::Settlement, bool) {
    match answer.outcome.unwrap() {
        wire::reverse_response::Outcome::Reversal(reversal) => (reversal, answer.repeat),
        wire::reverse_response::Outcome::Tombstone(tombstone) => panic!("{tombstone:?}"),
    }
}

async fn asked(
    gateway: &Gateway,
    request: &str,
) -> Result<wire::get_settlement_response::Outcome, tonic::Status> {
    let key =
        wire::RequestKey { hospital_code: HOSPITAL.to_owned(), request_id: request.to_owned() };
    let key = wire::get_settlement_request::Key::Request(key);
    let request = wire::GetSettlementRequest { key: Some(key) };
    let answer = gateway.desk.clone().get_settlement(request).await?;
    Ok(answer.into_inner().outcome.unwrap())
}

async fn standing(gateway: &Gateway, person: usize) -> wire::GetStandingResponse {
    let number = identity_number(person);
    let credential = wire::Credential { kind: wire::CredentialKind::IdentityNumber.into(), number };
    let request =
        wire::GetStandingRequest { credential: Some(credential), on_date: "2024-06-30".to_owned() };
    gateway.desk.clone().get_standing(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn three_payers_pay_to_the_fen_and_say_by_which_clause() {
    let gateway = Gateway::start().await;
    let quoted = quote(&gateway, bill(0, "Z1", "2024-06-30")).await;
    let breakdown = quoted.breakdown.unwrap();
    // By hand: class B leaves 500 to the patient; 34 500 is in scope.
    assert_eq!(breakdown.total_fen, 3_600_000);
    assert_eq!(breakdown.out_of_catalogue_fen, 100_000);
    assert_eq!(breakdown.advance_self_pay_fen, 50_000);
    assert_eq!(breakdown.in_scope_fen, 3_450_000);
    // (34 500 − 400) × 0.7 = 23 870; (10 630 − 5 000) × 0.6 = 3 378; 7 252 × 0.7 = 5 076.40.
    assert_eq!(breakdown.basic_pool_pay_fen, 2_387_000);
    assert_eq!(breakdown.critical_illness_pay_fen, 337_800);
    assert_eq!(breakdown.medical_aid_pay_fen, 507_640);
    assert_eq!(breakdown.fund_pay_total_fen, 3_232_440);
    assert_eq!(breakdown.patient_pay_fen, 367_560);
    assert_eq!(breakdown.cash_pay_fen, 367_560);
    assert_eq!(breakdown.identities_used, ["low_income"]);
    let names: Vec<_> = breakdown.layers.iter().map(|layer| layer.name_zh.as_str()).collect();
    assert_eq!(names, ["基本医保统筹", "大病保险", "医疗救助"]);
    assert!(breakdown.layers.iter().all(|layer| layer.assumed));
    let basic = breakdown.trace.iter().find(|step| step.action == "band").unwrap();
    assert_eq!((basic.layer.as_str(), basic.rate.as_str()), ("basic", "0.7"));
    assert_eq!(basic.source.as_ref().unwrap().grade(), wire::SourceGrade::Assumed);
    let package = breakdown.package.unwrap();
    assert_eq!((package.package_id.as_str(), package.policy_year), ("520200-resident-2024", 2024));
}

#[tokio::test]
async fn a_quote_binds_and_a_repeat_says_the_same() {
    let gateway = Gateway::start().await;
    let quoted = quote(&gateway, bill(0, "Z1", "2024-06-30")).await;
    let answer =
        try_settle(&gateway, "R1", bill(0, "Z1", "2024-06-30"), quoted.quote_token).await.unwrap();
    let Some(wire::settle_response::Outcome::Settlement(settled)) = answer.outcome else {
        panic!("{answer:?}")
    };
    assert!(!answer.repeat);
    assert_eq!(settled.breakdown, quoted.breakdown);
    assert_eq!(settled.state(), wire::SettlementState::Settled);
    assert!(settled.settled_at.ends_with("+08:00"), "{}", settled.settled_at);

    let (again, repeat) = settle(&gateway, "R1", bill(0, "Z1", "2024-06-30")).await;
    assert!(repeat);
    assert_eq!(again, settled);
    let found = asked(&gateway, "R1").await.unwrap();
    assert_eq!(found, wire::get_settlement_response::Outcome::Settlement(settled));
}

#[tokio::test]
async fn a_settle_reads_once_and_commits_once() {
    let gateway = Gateway::start().await;
    settle(&gateway, "R1", bill(0, "Z1", "2024-05-30")).await;
    let before = gateway.database.pool.round_trips();
    settle(&gateway, "R2", bill(0, "Z2", "2024-06-30")).await;
    assert_eq!(gateway.database.pool.round_trips() - before, 2);
}

#[tokio::test]
async fn a_request_id_and_a_stay_are_used_once() {
    let gateway = Gateway::start().await;
    let (settled, _) = settle(&gateway, "R1", bill(0, "Z1", "2024-06-30")).await;
    let mut other = bill(0, "Z1", "2024-06-30");
    other.lines[0] = crate::gateway::line("1", "A01", 29_999);
    other.total_fen -= 100;
    let check = |had: Refused, code: Code, reason: &str, field: &str, settlement: &str| {
        let (reason, field) = (reason.to_owned(), field.to_owned());
        assert_eq!(had, Refused { code, reason, field, settlement: settlement.to_owned() });
    };
    let reused = "REQUEST_ID_REUSED";
    let had = refusal(&gateway, "R1", other, Vec::new()).await;
    check(had, Code::AlreadyExists, reused, "request_id", "");
    let had = refusal(&gateway, "R1", bill(1, "Z1", "2024-06-30"), Vec::new()).await;
    check(had, Code::AlreadyExists, reused, "request_id", "");
    let had = refusal(&gateway, "R2", bill(0, "Z1", "2024-06-30"), Vec::new()).await;
    check(had, Code::FailedPrecondition, "STAY_SETTLED", "bill.stay_id", &settled.settlement_id);
}

#[tokio::test]
async fn a_reversal_is_the_exact_inverse_and_is_told_again() {
    let gateway = Gateway::start().await;
    let nobody = standing(&gateway, 0).await;
    let (settled, _) = settle(&gateway, "R1", bill(0, "Z1", "2024-06-30")).await;
    assert_ne!(standing(&gateway, 0).await.accumulators, nobody.accumulators);
    let by = || By::Settlement(&settled.settlement_id);
    let (undone, repeat) = reversal(reverse(&gateway, "V1", HOSPITAL, by()).await.unwrap());
    assert!(!repeat);
    assert_eq!(undone.state(), wire::SettlementState::Reversal);
    assert_eq!(undone.reverses_settlement_id, settled.settlement_id);
    let (was, is) = (settled.breakdown.clone().unwrap(), undone.breakdown.clone().unwrap());
    let amounts = |b: &wire::Breakdown| {
        let mut all = vec![
            b.total_fen,
            b.out_of_catalogue_fen,
            b.over_limit_fen,
            b.advance_self_pay_fen,
            b.in_scope_fen,
            b.deductible_paid_fen,
            b.basic_pool_pay_fen,
            b.critical_illness_pay_fen,
            b.medical_aid_pay_fen,
            b.fund_pay_total_fen,
            b.patient_pay_fen,
            b.cash_pay_fen,
        ];
        all.extend(b.layers.iter().flat_map(|l| [l.base_fen, l.deductible_fen, l.pay_fen]));
        all
    };
    let negated: Vec<_> = amounts(&was).iter().map(|fen| -fen).collect();
    assert_eq!(amounts(&is), negated);
    let used = standing(&gateway, 0).await.accumulators;
    assert!(used.iter().all(|used| used.amount_fen == 0), "{used:?}");
    let faults = check_integrity(&gateway.database.pool).await.unwrap();
    assert!(faults.is_empty(), "{faults:?}");

    let (again, repeat) = reversal(reverse(&gateway, "V1", HOSPITAL, by()).await.unwrap());
    assert!(repeat);
    assert_eq!(again, undone);
    let status = reverse(&gateway, "V2", HOSPITAL, by()).await.unwrap_err();
    let had = refused(&status);
    assert_eq!(
        (had.reason.as_str(), had.settlement),
        ("ALREADY_REVERSED", undone.settlement_id.clone())
    );
    // The original request now shows where it stands; the stay may be settled anew under another id.
    let (original, repeat) = settle(&gateway, "R1", bill(0, "Z1", "2024-06-30")).await;
    assert!(repeat);
    assert_eq!(original.state(), wire::SettlementState::Reversed);
    assert_eq!(original.reversed_by_settlement_id, undone.settlement_id);
    let (anew, _) = settle(&gateway, "R2", bill(0, "Z1", "2024-06-30")).await;
    assert_eq!(anew.breakdown, settled.breakdown);
}

#[tokio::test]
async fn only_the_own_and_newest_settlement_is_reversed() {
    let gateway = Gateway::start().await;
    let (first, _) = settle(&gateway, "R1", bill(0, "Z1", "2024-05-30")).await;
    let (second, _) = settle(&gateway, "R2", bill(0, "Z2", "2024-06-30")).await;
    let before = gateway.rows().await;
    let by = || By::Settlement(&first.settlement_id);
    let had = refused(&reverse(&gateway, "V1", HOSPITAL, by()).await.unwrap_err());
    assert_eq!((had.code, had.reason.as_str()), (Code::FailedPrecondition, "NOT_NEWEST"));
    assert_eq!(had.settlement, second.settlement_id);
    let by = || By::Settlement(&second.settlement_id);
    let had = refused(&reverse(&gateway, "V1", OTHER_HOSPITAL, by()).await.unwrap_err());
    // As if it were not there.
    let absent = (had.code, had.reason.as_str(), had.field.as_str());
    assert_eq!(absent, (Code::NotFound, "SETTLEMENT_UNKNOWN", "settlement_id"));
    let had = refused(&reverse(&gateway, "R1", HOSPITAL, by()).await.unwrap_err());
    assert_eq!(had.reason, "REQUEST_ID_REUSED");
    let nobody = SettlementId::compose(3, 1, 1).to_string();
    let had =
        refused(&reverse(&gateway, "V1", HOSPITAL, By::Settlement(&nobody)).await.unwrap_err());
    assert_eq!((had.code, had.reason.as_str()), (Code::NotFound, "SETTLEMENT_UNKNOWN"));
    assert_eq!(gateway.rows().await, before);
    // By the hospital's own request id, the newest first.
    for (request, reversing) in [("R2", "V2"), ("R1", "V3")] {
        reversal(reverse(&gateway, reversing, HOSPITAL, By::Request(request)).await.unwrap());
    }
    let undone = asked(&gateway, "V2").await.unwrap();
    let wire::get_settlement_response::Outcome::Settlement(undone) = undone else { panic!() };
    let by = By::Settlement(&undone.settlement_id);
    let had = refused(&reverse(&gateway, "V4", HOSPITAL, by).await.unwrap_err());
    assert_eq!(had.reason, "REVERSES_A_REVERSAL");
}

#[tokio::test]
async fn what_was_reversed_before_it_was_seen_never_settles() {
    let gateway = Gateway::start().await;
    let had = refused(&asked(&gateway, "R1").await.unwrap_err());
    assert_eq!((had.code, had.reason.as_str()), (Code::NotFound, "SETTLEMENT_UNKNOWN"));
    assert_eq!(had.field, "request.request_id");

    let answer = reverse(&gateway, "V1", HOSPITAL, By::Request("R1")).await.unwrap();
    let Some(wire::reverse_response::Outcome::Tombstone(left)) = answer.outcome else {
        panic!("{answer:?}")
    };
    assert_eq!((left.original_request_id.as_str(), answer.repeat), ("R1", false));
    let again = reverse(&gateway, "V1", HOSPITAL, By::Request("R1")).await.unwrap();
    assert!(again.repeat);
    assert_eq!(again.outcome, Some(wire::reverse_response::Outcome::Tombstone(left.clone())));

    let had = refusal(&gateway, "R1", bill(0, "Z1", "2024-06-30"), Vec::new()).await;
    assert_eq!((had.code, had.reason.as_str()), (Code::FailedPrecondition, "REQUEST_REVERSED"));
    let found = asked(&gateway, "R1").await.unwrap();
    assert_eq!(found, wire::get_settlement_response::Outcome::Tombstone(left));
    // A second reversal has nothing to do, and says so of what it names, not of itself.
    let by = || By::Request("R1");
    let had = refused(&reverse(&gateway, "V2", HOSPITAL, by()).await.unwrap_err());
    assert_eq!(
        (had.reason.as_str(), had.field.as_str()),
        ("ALREADY_BARRED", "original_request_id")
    );
    let had = refused(&reverse(&gateway, "V2", HOSPITAL, By::Request("V1")).await.unwrap_err());
    assert_eq!(had.reason, "REVERSES_A_REVERSAL");
    // The reversal's own id was used, and was never reversed.
    let had = refusal(&gateway, "V1", bill(0, "Z1", "2024-06-30"), Vec::new()).await;
    assert_eq!((had.code, had.reason.as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    // A hospital that nobody knows never sent anything: barring it there would reverse nothing.
    let before = gateway.rows().await;
    let had = refused(&reverse(&gateway, "V3", "H52020000009", by()).await.unwrap_err());
    assert_eq!((had.code, had.reason.as_str()), (Code::NotFound, "HOSPITAL_UNKNOWN"));
    assert_eq!(had.field, "hospital_code");
    assert_eq!(gateway.rows().await, before);
    settle(&gateway, "R2", bill(0, "Z1", "2024-06-30")).await;
}

#[tokio::test]
async fn a_token_that_is_not_ours_or_of_another_bill_is_refused() {
    let gateway = Gateway::start().await;
    let bill = || bill(0, "Z1", "2024-06-30");
    let token = quote(&gateway, bill()).await.quote_token;
    let before = gateway.rows().await;
    let mut forged = token.clone();
    // The patient's share, made smaller.
    forged[40] ^= 1;
    let had = refusal(&gateway, "R1", bill(), forged).await;
    assert_eq!((had.reason.as_str(), had.field.as_str()), ("QUOTE_TOKEN_FORGED", "quote_token"));
    assert_eq!(refusal(&gateway, "R1", bill(), vec![1]).await.reason, "QUOTE_TOKEN_FORGED");
    let other = crate::gateway::bill(0, "Z2", "2024-06-30");
    assert_eq!(
        refusal(&gateway, "R1", other, token.clone()).await.reason,
        "QUOTE_TOKEN_OF_ANOTHER_BILL"
    );
    // Signed by ourselves, but of a time long past: the first eight bytes after the version.
    let mut stale = token[..token.len() - 32].to_vec();
    stale[1..9].copy_from_slice(&1_i64.to_be_bytes());
    let signature = gateway.app.keys.sign_token(&stale);
    stale.extend_from_slice(&signature);
    let had = refusal(&gateway, "R1", bill(), stale).await;
    assert_eq!((had.code, had.reason.as_str()), (Code::FailedPrecondition, "QUOTE_TOKEN_STALE"));
    assert_eq!(gateway.rows().await, before);
}

#[tokio::test]
async fn what_moved_since_the_quote_is_named_with_the_amounts_now() {
    let gateway = Gateway::start().await;
    let check = |moved: &wire::QuoteMoved, things: &[wire::MovedThing], was: i64| {
        let had: Vec<_> = moved.moved().collect();
        assert_eq!(had, things);
        assert_eq!(moved.quoted_patient_pay_fen, was);
        let now = moved.now.as_ref().unwrap().breakdown.as_ref().unwrap();
        assert_ne!(now.patient_pay_fen, was);
    };
    let second = || bill(1, "Z1", "2024-06-30");
    // 36 000 − 23 870 − 3 378.
    let patient_pay_fen = 875_200;
    let token = quote(&gateway, second()).await.quote_token;
    gateway.grant_low_income(1).await;
    let by_standing = moved(&gateway, second(), token).await;
    check(&by_standing, &[wire::MovedThing::Standing], patient_pay_fen);

    let token = by_standing.now.unwrap().quote_token;
    settle(&gateway, "R0", bill(1, "Z0", "2024-05-30")).await;
    let by_use = moved(&gateway, second(), token).await;
    check(&by_use, &[wire::MovedThing::Accumulators], 367_560);

    let (now, token) = (by_use.now.clone().unwrap(), by_use.now.unwrap().quote_token);
    let was = now.breakdown.unwrap().patient_pay_fen;
    let better = PACKAGE.replace("BASIC_RATIO", "0.80").replace(
        "id = \"520200-resident-2024\"",
        "id = \"520200-resident-2024-b\"\nsupersedes = \"520200-resident-2024\"",
    );
    write_package(&gateway.rules, "2024-b", &better);
    let reload = gateway.app.rulebook.reload();
    assert!(matches!(reload, onestop::rulebook::Reload::Swapped(_)), "{reload:?}");
    publish(&gateway.app).await;
    let by_rules = moved(&gateway, second(), token).await;
    check(&by_rules, &[wire::MovedThing::Package], was);

    let (now, token) = (by_rules.now.clone().unwrap(), by_rules.now.unwrap().quote_token);
    let was = now.breakdown.as_ref().unwrap().patient_pay_fen;
    gateway.take(RowKind::Catalogue, vec![item("B01", "C", "2024-06-01")]).await;
    let by_catalogue = moved(&gateway, second(), token).await;
    check(&by_catalogue, &[wire::MovedThing::Catalogue], was);
    // Its own new token holds.
    let now = by_catalogue.now.unwrap();
    let answer = try_settle(&gateway, "R1", second(), now.quote_token).await.unwrap();
    let Some(wire::settle_response::Outcome::Settlement(settled)) = answer.outcome else {
        panic!("{answer:?}")
    };
    assert_eq!(settled.breakdown, now.breakdown);
}

#[tokio::test]
async fn every_record_replays_to_the_same_bytes_under_its_published_rules() {
    let gateway = Gateway::start().await;
    for (number, day) in ["2024-03-01", "2024-04-01", "2024-05-01"].into_iter().enumerate() {
        let (settled, _) =
            settle(&gateway, &format!("R{number}"), bill(number % 2, &format!("Z{number}"), day))
                .await;
        let id = SettlementId::new(&settled.settlement_id).unwrap();
        let found = find_settlement(&gateway.database.pool, &Key::Settlement(&id)).await.unwrap();
        let Some(Found::Recorded(recorded)) = found else { panic!("{found:?}") };
        let record = Record::from_bytes(&recorded.entry.record).unwrap();
        let canonical =
            onestop::store::find_package(&gateway.database.pool, &recorded.entry.package)
                .await
                .unwrap()
                .unwrap();
        let package = onestop::rulebook::parse::parse_canonical(&canonical).unwrap();
        assert_eq!(record.replay(&package), Replay::Same);
        assert_eq!(settled.record_sha256, recorded.entry.record_sha256);
    }
}

#[tokio::test]
async fn a_bad_package_put_in_place_leaves_the_good_one_in_force() {
    let gateway = Gateway::start().await;
    let (report, mut reports) = tokio::sync::mpsc::channel(4);
    let watching = gateway.app.rulebook.watch(
        |_| Ok(()),
        move |reload| {
            let refused = matches!(reload, onestop::rulebook::Reload::Refused { .. });
            report.blocking_send(refused).unwrap();
        },
    );
    write_package(&gateway.rules, "2024", &PACKAGE.replace("BASIC_RATIO", "7"));
    let waited = tokio::time::timeout(std::time::Duration::from_secs(30), reports.recv()).await;
    assert_eq!(waited.unwrap(), Some(true));
    let (settled, _) = settle(&gateway, "R1", bill(0, "Z1", "2024-06-30")).await;
    assert_eq!(settled.breakdown.unwrap().basic_pool_pay_fen, 2_387_000);
    drop(watching);
}

#[tokio::test]
async fn a_package_is_superseded_only_for_what_the_later_one_covers_and_once_it_is_known() {
    let gateway = Gateway::start().await;
    let later = |id: &str, supersedes: &str, from: &str, known_from: &str| {
        PACKAGE
            .replace("BASIC_RATIO", "0.80")
            .replace(
                "\"520200-resident-2024\"",
                &format!("\"{id}\"\nsupersedes = \"{supersedes}\"\nknown_from = \"{known_from}\""),
            )
            .replace("from = \"2024-01-01\"", &format!("from = \"{from}\""))
    };
    write_package(
        &gateway.rules,
        "b",
        &later("b", "520200-resident-2024", "2024-07-01", "2024-07-01"),
    );
    write_package(&gateway.rules, "c", &later("c", "b", "2024-07-01", "2999-01-01"));
    let reload = gateway.app.rulebook.reload();
    assert!(matches!(reload, onestop::rulebook::Reload::Swapped(_)), "{reload:?}");
    publish(&gateway.app).await;
    for (stay, day, expected) in
        [("Z1", "2024-06-30", "520200-resident-2024"), ("Z2", "2024-07-01", "b")]
    {
        let (settled, _) = settle(&gateway, stay, bill(0, stay, day)).await;
        assert_eq!(settled.breakdown.unwrap().package.unwrap().package_id, expected);
    }
}
