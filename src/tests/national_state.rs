//! What the national door keeps between its calls: charge lines, quotes, admissions; and the codes of a region.

use onestop::rulebook::Reload;
use serde_json::{Value, json};

use crate::gateway::{Gateway, identity_number};
use crate::national::{Door, id};
use crate::national_desk::{Patient, admission, fen, find, standard_fees};

#[tokio::test]
async fn an_admission_is_made_once() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let psn_no = find(&door, 0, 1).await;
    let first = door.done("2401", &id(2), admission(&psn_no)).await;
    assert_eq!(door.done("2401", &id(2), admission(&psn_no)).await, first);
    let mut other = admission(&psn_no);
    other["mdtrtinfo"]["begntime"] = json!("2024-06-29 08:00:00");
    assert_eq!(door.code("2401", &id(2), other.clone()).await, "OS-REF-001");
    assert_ne!(door.done("2401", &id(3), other).await, first);
    let mut odd = admission(&psn_no);
    odd["mdtrtinfo"]["med_type"] = json!("9901");
    assert_eq!(door.code("2401", &id(4), odd).await, "OS-INP-007");
    let patient = Patient { psn_no: psn_no.clone(), mdtrt_id: "Z-NOBODY".to_owned() };
    assert_eq!(door.code("2402", &id(5), patient.discharge("2024-06-30")).await, "OS-REF-014");
    let mdtrt_id = first["result"]["mdtrt_id"].as_str().unwrap().to_owned();
    let patient = Patient { psn_no, mdtrt_id: mdtrt_id.clone() };
    assert_eq!(door.code("2402", &id(6), patient.discharge("2024-06-29")).await, "OS-INP-012");
    let stranger = Patient { psn_no: find(&door, 1, 7).await, mdtrt_id };
    assert_eq!(door.code("2402", &id(8), stranger.discharge("2024-06-30")).await, "OS-REF-016");
    assert_eq!(door.code("2303", &id(9), stranger.to_settle("1.00")).await, "OS-REF-016");
}

/// An answer that was lost is asked for again, however much happened since.
#[tokio::test]
async fn what_was_uploaded_may_come_again_also_once_the_stay_is_settled() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let patient = Patient::admitted(&door, 0, 1).await;
    let more = || patient.fees(&[("7", "A01", 5)]);
    let back = || patient.of(&[("feedetl_sn", "7")]);
    let first = door.done("2301", &id(10), patient.fees(&standard_fees())).await;
    let taken_back = door.done("2301", &id(11), more()).await;
    door.done_without_output("2302", &id(12), back()).await;
    door.done_without_output("2402", &id(13), patient.discharge("2024-06-30")).await;
    door.done("2304", &id(14), patient.to_settle("36000.00")).await;
    let again =
        async |number: usize| door.done("2301", &id(number), patient.fees(&standard_fees())).await;
    assert_eq!(again(10).await, first);
    // It is the line that counts, not the message.
    assert_eq!(again(20).await, first);
    // Part of it is no other.
    door.done("2301", &id(10), patient.fees(&standard_fees()[..1])).await;
    assert_eq!(door.done("2301", &id(11), more()).await, taken_back);
    door.done_without_output("2302", &id(12), back()).await;
    let count = door.done("5204", &id(21), patient.of(&[])).await.as_array().unwrap().len();
    assert_eq!(count, 3, "nothing has changed");
    // Whatever would change the stay is refused, and names the settlement.
    for (number, changed) in [
        (10, patient.fees(&[("1", "A01", 1)])),
        (10, patient.fees(&[standard_fees()[0], ("8", "A01", 1)])),
        (22, more()),
    ] {
        assert_eq!(door.code("2301", &id(number), changed).await, "OS-REF-004");
    }
    assert_eq!(door.code("2302", &id(23), back()).await, "OS-REF-004");
}

#[tokio::test]
async fn charge_lines_are_taken_once_and_may_be_taken_back() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let patient = Patient::admitted(&door, 0, 1).await;
    let standard = || patient.fees(&standard_fees());
    door.done("2301", &id(10), standard()).await;
    // Again, under any message: it is the line's id that counts.
    door.done("2301", &id(10), standard()).await;
    door.done("2301", &id(11), standard()).await;
    let changed = patient.fees(&[("4", "A01", 7), ("2", "B01", 5_001)]);
    assert_eq!(door.code("2301", &id(12), changed).await, "OS-REF-017");
    let count =
        async || door.done("5204", &id(13), patient.of(&[])).await.as_array().unwrap().len();
    assert_eq!(count().await, 3, "all of a batch, or none");
    let twice = patient.fees(&[("5", "A01", 1), ("5", "A01", 1)]);
    assert_eq!(door.code("2301", &id(14), twice).await, "OS-INP-016");
    let unknown =
        door.done("2301", &id(15), patient.fees(&[("6", "X99", 1)])).await["result"].take();
    assert!(unknown[0]["memo"].as_str().unwrap().contains("not in the catalogue"), "{unknown}");
    assert_eq!(door.code("2303", &id(16), patient.to_settle("36001.00")).await, "OS-DEC-009");

    let back = |line: &str| patient.of(&[("feedetl_sn", line)]);
    door.done_without_output("2302", &id(17), back("6")).await;
    // The sum of the lines is what the hospital says, or nothing is quoted and nothing settled.
    for infno in ["2303", "2304"] {
        assert_eq!(door.code(infno, &id(18), patient.to_settle("36001.00")).await, "OS-BIL-010");
    }
    door.done_without_output("2302", &id(19), back("0000")).await;
    assert_eq!(count().await, 0);
    assert_eq!(door.code("2303", &id(20), patient.to_settle("36000.00")).await, "OS-BIL-004");
    // What comes late and was answered before changes nothing: neither the lines nor that they were taken back.
    door.done("2301", &id(10), standard()).await;
    assert_eq!(count().await, 0);
    // Once it is taken back a line may say something else.
    door.done("2301", &id(21), patient.fees(&[("1", "A01", 500)])).await;
    let quoted = door.done("2303", &id(22), patient.to_settle("500.00")).await;
    assert_eq!(fen(&quoted["setlinfo"]["medfee_sumamt"]), 50_000);
    door.done_without_output("2302", &id(19), back("0000")).await;
    assert_eq!(count().await, 1);
}

#[tokio::test]
async fn amounts_are_named_where_they_do_not_fit() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let patient = Patient::charged(&door, 0, 1).await;
    let check = async |name: &str, value: Value, code: &str| {
        let mut input = patient.to_settle("36000.00");
        input["data"][name] = value.clone();
        assert_eq!(door.code("2303", &id(10), input).await, code, "{name} {value}");
    };
    check("medfee_sumamt", json!("36000.005"), "OS-INP-011").await;
    check("medfee_sumamt", json!("36,000"), "OS-INP-010").await;
    check("medfee_sumamt", json!(""), "OS-INP-004").await;
    check("medfee_sumamt", json!([36000]), "OS-INP-005").await;
    check("medfee_sumamt", json!("99999999999999.00"), "OS-INP-012").await;
    check("medfee_sumamt", json!(35999.99), "OS-BIL-010").await;
    check("insutype", json!("41"), "OS-INP-007").await;
    check("dscgTime", json!("2024-13-01"), "OS-INP-009").await;
    check("dscgTime", json!("2999-01-01"), "OS-BIL-003").await;
    check("mid_setl_flag", json!("1"), "OS-BIL-001").await;
    check("exp_content", json!(r#"{"referral":"magic"}"#), "OS-INP-007").await;
    check("exp_content", json!(r#"{"facts":{"nobody_asks":"1"}}"#), "OS-DEC-014").await;
    let mut row = patient.fees(&[("9", "A01", 1)]);
    row["feedetail"][0]["cnt"] = json!("1.00001");
    assert_eq!(door.code("2301", &id(11), row).await, "OS-INP-011");
    // Treated elsewhere than insured, nobody may guess that no referral was needed.
    let mut away = crate::national::envelope("2303", &id(12), patient.to_settle("36000.00"));
    away["insuplc_admdvs"] = json!("110000");
    assert_eq!(crate::national::code_of(&door.post_envelope(away.clone()).await), "OS-INP-020");
    away["input"]["data"]["exp_content"] = json!(r#"{"referral":"filed"}"#);
    assert_eq!(door.post_envelope(away).await["infcode"], 0);
}

#[tokio::test]
async fn a_quote_binds_the_equal_settlement_and_no_other() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let patient = Patient::charged(&door, 1, 1).await;
    door.done("2303", &id(10), patient.to_settle("36000.00")).await;
    gateway.grant_low_income(1).await;
    let moved = door.ask("2304", &id(11), patient.to_settle("36000.00")).await;
    assert_eq!(crate::national::code_of(&moved), "OS-REF-008");
    // 36 000 − 23 870 − 3 378, and what aid leaves of it.
    let said = moved["err_msg"].as_str().unwrap();
    assert!(said.contains("8752.00") && said.contains("3675.60"), "{said}");
    // Under the same message once it was quoted anew: nothing was settled by it.
    door.done("2303", &id(12), patient.to_settle("36000.00")).await;
    let settled = door.ask("2304", &id(11), patient.to_settle("36000.00")).await;
    assert_eq!((&settled["infcode"], &settled["warn_msg"]), (&json!(0), &json!("")));

    // Another bill than the one that was quoted is settled as it is now, and that is said.
    let other = Patient::charged(&door, 0, 20).await;
    door.done("2303", &id(30), other.to_settle("36000.00")).await;
    door.done("2301", &id(31), other.fees(&[("4", "A01", 100)])).await;
    let settled = door.ask("2304", &id(32), other.to_settle("36100.00")).await;
    assert_eq!(settled["infcode"], 0, "{settled}");
    assert!(settled["warn_msg"].as_str().unwrap().contains("did not bind"), "{settled}");
}

#[tokio::test]
async fn a_region_names_its_funds_and_identities() {
    let gateway = Gateway::start().await;
    let folder = gateway.rules.path().join("520200");
    let write = |text: &str| std::fs::write(folder.join("dictionary.toml"), text).unwrap();
    write(
        "[[fund]]\nlayer = \"aid\"\nfund_pay_type = \"610101\"\nname = \"六盘水医疗救助\"\n\
         [[identity]]\ncode = \"low_income\"\npsn_idet_type = \"042\"\n\
         [[cumulative]]\nname = \"pool.aid\"\ncum_type_code = \"A01\"\n",
    );
    let reload = gateway.app.rulebook.reload();
    assert!(matches!(reload, Reload::Swapped(_)), "{reload:?}");
    let door = Door::open(&gateway, false).await;
    let data = json!({"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": identity_number(0), "begntime": "2024-06-30"}});
    let found = door.done("1101", &id(1), data).await;
    assert_eq!(found["idetinfo"][0]["psn_idet_type"], "042");
    let patient = Patient::charged(&door, 0, 2).await;
    let quoted = door.done("2303", &id(10), patient.to_settle("36000.00")).await;
    let aid = &quoted["setldetail"][2];
    assert_eq!(
        (&aid["fund_pay_type"], &aid["fund_pay_type_name"]),
        (&json!("610101"), &json!("六盘水医疗救助"))
    );
    // A bad one changes nothing, and is named.
    write("[[fund]]\nlayer = \"aid\"\nfund_pay_type = \"6101\"\nname = \"x\"\n");
    let Reload::Refused { errors, .. } = gateway.app.rulebook.reload() else { panic!() };
    assert!(errors[0].to_string().contains("520200/dictionary.toml:1"), "{}", errors[0]);
    let again = door.done("2303", &id(11), patient.to_settle("36000.00")).await;
    assert_eq!(again["setldetail"], quoted["setldetail"]);
}

/// Whoever asks to settle a stay and whoever reverses its admission: one of them wins, whichever way they meet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stay_is_settled_or_its_admission_reversed_and_never_both() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let owner = gateway.database.owner().await;
    let mut outcomes = [0, 0];
    for round in 0..12 {
        let first = 100 * (round + 1);
        let patient = Patient::charged(&door, 1, first).await;
        let undo =
            json!({"data": {"psn_no": patient.psn_no, "omsgid": id(first + 1), "oinfno": "2401"}});
        let (settle_id, undo_id) = (id(first + 5), id(first + 6));
        let (settled, undone) = tokio::join!(
            door.ask("2304", &settle_id, patient.to_settle("36000.00")),
            door.ask("2601", &undo_id, undo)
        );
        match (settled["infcode"].as_i64(), undone["infcode"].as_i64()) {
            (Some(0), Some(-1)) => {
                assert_eq!(crate::national::code_of(&undone), "OS-REF-004");
                outcomes[0] += 1;
                let setl_id = settled["output"]["setlinfo"]["setl_id"].as_str().unwrap();
                door.done("2305", &id(first + 7), patient.of(&[("setl_id", setl_id)])).await;
            }
            (Some(-1), Some(0)) => {
                let told = crate::national::code_of(&settled);
                assert_eq!(told, "OS-REF-015");
                outcomes[1] += 1;
            }
            both => panic!("{both:?}: {settled} {undone}"),
        }
        let sql = "SELECT count(*) FROM national_request r JOIN national_stay s
            ON s.hospital_code = r.hospital_code AND s.request_id = r.reverses_request_id
            JOIN stay t ON t.hospital_code = s.hospital_code AND t.stay_id = s.stay_id AND NOT t.reversed";
        assert_eq!(owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 0);
    }
    assert_eq!(outcomes[0] + outcomes[1], 12);
}

/// The same step by step: what was on its way when the admission was reversed can not commit any more.
#[tokio::test]
async fn what_was_on_its_way_when_an_admission_was_reversed_is_barred() {
    use onestop::domain::ids::{HospitalCode, RequestId, StayId};
    use onestop::store::national::{Message, note_settle};
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let patient = Patient::charged(&door, 1, 1).await;
    let hospital = HospitalCode::new(crate::gateway::HOSPITAL).unwrap();
    let (stay, request) =
        (StayId::new(&patient.mdtrt_id).unwrap(), RequestId::new(&id(5)).unwrap());
    let message = Message { hospital: &hospital, request: &request, body_sha256: [1; 32] };
    let noted =
        async || note_settle(&gateway.database.pool, message, &stay, &[2; 32]).await.unwrap();
    assert!(noted().await);
    let undo = json!({"data": {"psn_no": patient.psn_no, "omsgid": id(2), "oinfno": "2401"}});
    door.done_without_output("2601", &id(6), undo).await;
    // It had looked before, and goes on to commit: here by the door that asks for no stay.
    let bill = crate::gateway::bill(1, &patient.mdtrt_id, "2024-06-30");
    let request = onestop::door::wire::settlement::v1::SettleRequest {
        request_id: id(5),
        bill: Some(bill),
        quote_token: Vec::new(),
    };
    let status = gateway.desk.clone().settle(request).await.unwrap_err();
    assert_eq!(crate::gateway::refused(&status).reason, "REQUEST_REVERSED");
    assert!(!noted().await, "and none is noted any more");
    assert!(onestop::store::check_integrity(&gateway.database.pool).await.unwrap().is_empty());
}

/// Whose a settlement is counts wherever somebody is named with it.
#[tokio::test]
async fn a_settlement_is_told_and_undone_only_with_whose_it_is() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let patient = Patient::charged(&door, 0, 1).await;
    let stranger = find(&door, 1, 8).await;
    let settled = door.done("2304", &id(5), patient.to_settle("36000.00")).await;
    let info = &settled["setlinfo"];
    let known =
        ["age", "mdtrt_cert_type", "psn_cert_type"].map(|name| info[name].as_str().unwrap());
    assert_eq!(known[1..], ["02", "01"]);
    assert!(known[0].parse::<u8>().is_ok_and(|age| 0 < age), "{info}");
    let setl_id = info["setl_id"].as_str().unwrap().to_owned();
    let named = |psn_no: &str| json!({"data": {"psn_no": psn_no, "mdtrt_id": patient.mdtrt_id, "setl_id": setl_id, "omsgid": id(5), "oinfno": "2304"}});
    for infno in ["5203", "2305", "2601"] {
        assert_eq!(door.code(infno, &id(10), named(&stranger)).await, "OS-REF-016", "{infno}");
    }
    // Also by the number that the registry knows; here none does.
    assert_eq!(door.code("5203", &id(11), named("520200199001011234")).await, "OS-REF-016");
    assert_eq!(door.done("5203", &id(12), named(&patient.psn_no)).await, settled);
    door.done_without_output("2601", &id(13), named(&patient.psn_no)).await;
}
