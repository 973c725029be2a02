//! A whole discharge by the national door: signing in to compensating, with the amounts of the other door.

use onestop::domain::ids::identity_number_is_valid;
use onestop::door::wire::settlement::v1 as wire;
use onestop::store::check_integrity;
use serde_json::{Value, json};

use crate::gateway::{Gateway, bill, identity_number};
use crate::national::{Door, code_of, envelope, id};

const DAY: &str = "2024-06-30";

/// The national amounts of a settlement that are not texts.
const AMOUNTS: [&str; 19] = [
    "medfee_sumamt",
    "fulamt_ownpay_amt",
    "overlmt_selfpay",
    "preselfpay_amt",
    "inscp_scp_amt",
    "act_pay_dedc",
    "hifp_pay",
    "cvlserv_pay",
    "hifes_pay",
    "hifmi_pay",
    "hifob_pay",
    "hifdm_pay",
    "maf_pay",
    "oth_pay",
    "fund_pay_sumamt",
    "hosp_part_amt",
    "psn_part_amt",
    "acct_pay",
    "psn_cash_pay",
];

/// Yuan with two decimals as fen.
pub(crate) fn fen(value: &Value) -> i64 {
    let text = value.as_str().unwrap();
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "00"));
    assert_eq!(decimals.len(), 2, "{text}");
    format!("{whole}{decimals}").parse().unwrap()
}

fn amounts(info: &Value) -> Vec<i64> {
    AMOUNTS.iter().map(|name| fen(&info[*name])).collect()
}

/// A patient of the hospital, on the way through a stay.
pub(crate) struct Patient {
    pub(crate) psn_no: String,
    pub(crate) mdtrt_id: String,
}

impl Patient {
    /// Found and admitted, with the three charges of the other door's bill.
    pub(crate) async fn charged(door: &Door, person: usize, first: usize) -> Self {
        let patient = Self::admitted(door, person, first).await;
        door.done("2301", &id(first + 2), patient.fees(&standard_fees())).await;
        patient
    }

    pub(crate) async fn admitted(door: &Door, person: usize, first: usize) -> Self {
        let psn_no = find(door, person, first).await;
        let admission = admission(&psn_no);
        let result = door.done("2401", &id(first + 1), admission).await["result"].take();
        Self { psn_no, mdtrt_id: result["mdtrt_id"].as_str().unwrap().to_owned() }
    }

    pub(crate) fn fees(&self, rows: &[(&str, &str, i64)]) -> Value {
        let row = |(line, item, yuan): &(&str, &str, i64)| {
            json!({
                "feedetl_sn": line, "mdtrt_id": self.mdtrt_id, "psn_no": self.psn_no, "med_type": "14",
                "fee_ocur_time": format!("{DAY} 10:00:00"), "med_list_codg": item, "medins_list_codg": "X",
                "det_item_fee_sumamt": yuan, "cnt": 1, "pric": format!("{yuan}.000000"),
            })
        };
        json!({"feedetail": rows.iter().map(row).collect::<Vec<_>>()})
    }

    pub(crate) fn of(&self, more: &[(&str, &str)]) -> Value {
        let mut data = json!({"psn_no": self.psn_no, "mdtrt_id": self.mdtrt_id});
        for (name, text) in more {
            data[*name] = json!(text);
        }
        json!({"data": data})
    }

    pub(crate) fn to_settle(&self, total: &str) -> Value {
        self.of(&[
            ("medfee_sumamt", total),
            ("mdtrt_cert_type", "02"),
            ("mdtrt_cert_no", "x"),
            ("psn_setlway", "01"),
            ("insutype", "390"),
            ("acct_used_flag", "0"),
            ("mid_setl_flag", "0"),
            ("dscgTime", DAY),
        ])
    }

    pub(crate) fn discharge(&self, day: &str) -> Value {
        json!({
            "dscginfo": {"mdtrt_id": self.mdtrt_id, "psn_no": self.psn_no, "insutype": "390", "endtime": format!("{day} 11:00:00")},
            "diseinfo": [{"diag_code": "I21.0", "diag_name": "急性心肌梗死", "maindiag_flag": "1"}],
        })
    }
}

pub(crate) fn standard_fees() -> [(&'static str, &'static str, i64); 3] {
    [("1", "A01", 30_000), ("2", "B01", 5_000), ("3", "C01", 1_000)]
}

pub(crate) async fn find(door: &Door, person: usize, number: usize) -> String {
    let data = json!({"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": identity_number(person)}});
    let found = door.done("1101", &id(number), data).await;
    found["baseinfo"]["psn_no"].as_str().unwrap().to_owned()
}

pub(crate) fn admission(psn_no: &str) -> Value {
    json!({
        "mdtrtinfo": {"psn_no": psn_no, "insutype": "390", "begntime": format!("{DAY} 08:00:00"), "mdtrt_cert_type": "02",
            "med_type": "14", "ipt_no": "1", "coner_name": "", "tel": ""},
        "diseinfo": [{"diag_code": "I21.0", "diag_name": "急性心肌梗死", "maindiag_flag": "1", "diag_srt_no": "1"}],
    })
}

/// What the other door quotes for the same bill, in the order of [`AMOUNTS`].
async fn by_the_other_door(gateway: &Gateway) -> Vec<i64> {
    let request = wire::QuoteRequest { bill: Some(bill(0, "Z0", DAY)) };
    let answer = gateway.desk.clone().quote(request).await.unwrap().into_inner();
    let Some(wire::quote_response::Outcome::Quoted(quoted)) = answer.outcome else { panic!() };
    let b = quoted.breakdown.unwrap();
    vec![
        b.total_fen,
        b.out_of_catalogue_fen,
        b.over_limit_fen,
        b.advance_self_pay_fen,
        b.in_scope_fen,
        b.deductible_paid_fen,
        b.basic_pool_pay_fen,
        b.civil_servant_pay_fen,
        b.enterprise_supplement_pay_fen,
        b.critical_illness_pay_fen,
        b.large_amount_pay_fen,
        b.disabled_soldier_pay_fen,
        b.medical_aid_pay_fen,
        b.tilted_aid_pay_fen + b.other_pay_fen,
        b.fund_pay_total_fen,
        b.hospital_borne_fen,
        b.patient_pay_fen,
        b.account_pay_fen,
        b.cash_pay_fen,
    ]
}

#[tokio::test]
async fn a_whole_discharge() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let expected = by_the_other_door(&gateway).await;
    door.done("9001", &id(1), json!({"signIn": {"opter_no": "desk-1", "mac": "", "ip": ""}})).await;
    let patient = Patient::admitted(&door, 0, 10).await;

    let rows = door.done("2301", &id(20), patient.fees(&standard_fees())).await["result"].take();
    let had: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            [
                text("feedetl_sn"),
                text("chrgitm_lv"),
                text("inscp_scp_amt"),
                text("preselfpay_amt"),
                text("fulamt_ownpay_amt"),
                text("selfpay_prop"),
            ]
        })
        .collect();
    assert_eq!(
        had,
        [
            ["1", "01", "30000.00", "0.00", "0.00", "0"],
            ["2", "02", "4500.00", "500.00", "0.00", "0.1"],
            ["3", "03", "0.00", "0.00", "1000.00", "1"],
        ]
    );

    let quoted = door.done("2303", &id(21), patient.to_settle("36000.00")).await;
    assert_eq!(amounts(&quoted["setlinfo"]), expected);
    assert_eq!(quoted["setlinfo"]["setl_id"], "");
    door.done_without_output("2402", &id(22), patient.discharge(DAY)).await;
    let answer = door.ask("2304", &id(23), patient.to_settle("36000.00")).await;
    assert_eq!(
        (&answer["infcode"], &answer["warn_msg"]),
        (&json!(0), &json!("")),
        "held to its quote: {answer}"
    );
    let settled = &answer["output"];
    let info = &settled["setlinfo"];
    assert_eq!(amounts(info), expected);
    assert_eq!(settled["setldetail"], quoted["setldetail"]);
    assert_eq!(
        (&info["mdtrt_id"], &info["psn_no"]),
        (&json!(patient.mdtrt_id), &json!(patient.psn_no))
    );
    assert_eq!((&info["medins_setl_id"], &info["med_type"]), (&json!(id(23)), &json!("14")));
    // 23 870 of 34 500 − 400.
    assert_eq!(info["pool_prop_selfpay"], "0.7000");
    assert!(info.as_object().unwrap().values().all(Value::is_string), "no nulls: {info}");
    let setl_id = info["setl_id"].as_str().unwrap();

    let lines: Vec<_> = settled["setldetail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["fund_pay_type"].as_str().unwrap(), fen(&line["fund_payamt"])))
        .collect();
    assert_eq!(lines, [("390100", 2_387_000), ("390200", 337_800), ("610100", 507_640)]);
    let steps = settled["setldetail"][0]["setl_proc_info"].as_str().unwrap();
    let steps: Vec<Value> = serde_json::from_str(steps).unwrap();
    let band = steps.iter().find(|step| step["act"] == "band").unwrap();
    assert_eq!((&band["rate"], &band["amt"]), (&json!("0.7"), &json!("23870.00")));
    assert!(band["clause"].as_str().unwrap().starts_with("basic."), "{band}");

    look_it_up(&door, &patient, settled).await;
    take_it_back(&gateway, &door, &patient, (setl_id, &expected)).await;
}

/// 5203 by its id and by the message, 5204, 5206.
async fn look_it_up(door: &Door, patient: &Patient, settled: &Value) {
    let setl_id = settled["setlinfo"]["setl_id"].as_str().unwrap();
    let found = door.done("5203", &id(30), patient.of(&[("setl_id", setl_id)])).await;
    assert_eq!(found, *settled);
    let by_message = json!({"data": {"psn_no": patient.psn_no, "msgid": id(23)}});
    assert_eq!(door.done("5203", &id(31), by_message).await, *settled);
    let lines = door.done("5204", &id(32), patient.of(&[("setl_id", setl_id)])).await;
    let sum: i64 =
        lines.as_array().unwrap().iter().map(|line| fen(&line["det_item_fee_sumamt"])).sum();
    assert_eq!((sum, &lines[0]["setl_id"]), (3_600_000, &json!(setl_id)));
    let used = json!({"data": {"psn_no": patient.psn_no, "cum_ym": "202406"}});
    let used = door.done("5206", &id(33), used).await["cuminfo"].take();
    let aid =
        used.as_array().unwrap().iter().any(|row| row["cum"] == "5076.40" && row["year"] == "2024");
    assert!(aid, "{used}");
}

/// 2305, told again, and 2601 of what is undone already.
async fn take_it_back(
    gateway: &Gateway,
    door: &Door,
    patient: &Patient,
    (setl_id, expected): (&str, &[i64]),
) {
    let other = json!({"data": {"psn_no": patient.psn_no, "mdtrt_id": "Z9", "setl_id": setl_id}});
    assert_eq!(door.code("2305", &id(40), other).await, "OS-INP-007");
    let undone = door.done("2305", &id(40), patient.of(&[("setl_id", setl_id)])).await;
    let negated: Vec<i64> = expected.iter().map(|fen| -fen).collect();
    assert_eq!(amounts(&undone["setlinfo"]), negated);
    assert_eq!(undone["setlinfo"]["refd_setl_flag"], "1");
    assert!(undone["setlinfo"].as_object().unwrap().values().all(Value::is_string), "no nulls");
    assert_eq!(fen(&undone["setldetail"][2]["fund_payamt"]), -507_640);
    assert_eq!(door.done("2305", &id(40), patient.of(&[("setl_id", setl_id)])).await, undone);
    let found = door.done("5203", &id(41), patient.of(&[("setl_id", setl_id)])).await;
    assert_eq!(found["setlinfo"]["vali_flag"], "0");
    let by_message =
        json!({"data": {"psn_no": patient.psn_no, "omsgid": id(23), "oinfno": "2304"}});
    assert_eq!(door.code("2601", &id(42), by_message).await, "OS-REF-012");
    assert!(check_integrity(&gateway.database.pool).await.unwrap().is_empty());
    // The stay may be settled anew, and then be undone by its message alone.
    door.done("2304", &id(43), patient.to_settle("36000.00")).await;
    let by_message =
        || json!({"data": {"psn_no": patient.psn_no, "omsgid": id(43), "oinfno": "2304"}});
    door.done_without_output("2601", &id(44), by_message()).await;
    door.done_without_output("2601", &id(44), by_message()).await;
    assert!(check_integrity(&gateway.database.pool).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_same_message_is_answered_the_same_and_another_under_its_id_refused() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let patient = Patient::charged(&door, 0, 1).await;
    let settle = || patient.to_settle("36000.00");
    let settled = door.done("2304", &id(5), settle()).await;
    assert_eq!(door.done("2304", &id(5), settle()).await, settled);
    // Also once the stay is no longer what it was: it is the message that is known again.
    door.done_without_output("2402", &id(6), patient.discharge("2024-07-01")).await;
    assert_eq!(door.done("2304", &id(5), settle()).await, settled);
    let mut other = settle();
    other["data"]["dscgTime"] = json!("2024-07-01");
    assert_eq!(door.code("2304", &id(5), other).await, "OS-REF-001");
    assert_eq!(door.code("2304", &id(5), patient.to_settle("1.00")).await, "OS-REF-001");
    // A double click sends a new id.
    assert_eq!(door.code("2304", &id(7), settle()).await, "OS-REF-004");
    // Charges of a settled stay stand.
    assert_eq!(door.code("2301", &id(8), patient.fees(&[("9", "A01", 1)])).await, "OS-REF-004");
    assert_eq!(
        door.code("2302", &id(9), patient.of(&[("feedetl_sn", "0000")])).await,
        "OS-REF-004"
    );
}

#[tokio::test]
async fn who_got_no_answer_finds_it_by_the_message_alone() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let patient = Patient::charged(&door, 0, 1).await;
    let by_message = || json!({"data": {"psn_no": patient.psn_no, "medins_setl_id": id(5)}});
    assert_eq!(door.code("5203", &id(6), by_message()).await, "OS-REF-009");
    let settled = door.ask("2304", &id(5), patient.to_settle("36000.00")).await;
    let found = door.done("5203", &id(7), by_message()).await;
    assert_eq!(found, settled["output"]);
    // Another hospital's is as if it were not there, whatever else is wrong with the message.
    let settlement = found["setlinfo"]["setl_id"].as_str().unwrap();
    let of_other_stay = json!({"data": {"psn_no": "P1", "mdtrt_id": "Z9", "setl_id": settlement}});
    for (transaction, number, input) in [
        ("5203", 8, patient.of(&[("setl_id", settlement)])),
        ("2305", 9, patient.of(&[("setl_id", settlement)])),
        ("2305", 10, of_other_stay),
    ] {
        let mut other = envelope(transaction, &id(number), input);
        other["fixmedins_code"] = json!(crate::gateway::OTHER_HOSPITAL);
        assert_eq!(code_of(&door.post_envelope(other).await), "OS-REF-009", "{transaction}");
    }
}

#[tokio::test]
async fn what_was_compensated_before_it_came_never_settles() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let patient = Patient::charged(&door, 0, 1).await;
    let undo = |original: usize, transaction: &str| json!({"data": {"psn_no": patient.psn_no, "omsgid": id(original), "oinfno": transaction}});
    door.done_without_output("2601", &id(10), undo(5, "2304")).await;
    door.done_without_output("2601", &id(10), undo(5, "2304")).await;
    assert_eq!(door.code("2601", &id(11), undo(5, "2304")).await, "OS-REF-003");
    assert_eq!(door.code("2304", &id(5), patient.to_settle("36000.00")).await, "OS-REF-002");
    let by_message = json!({"data": {"psn_no": patient.psn_no, "msgid": id(5)}});
    assert_eq!(door.code("5203", &id(12), by_message).await, "OS-REF-002");

    // An admission that comes late, and one that was there.
    door.done_without_output("2601", &id(20), undo(21, "2401")).await;
    door.done_without_output("2601", &id(20), undo(21, "2401")).await;
    assert_eq!(door.code("2401", &id(21), admission(&patient.psn_no)).await, "OS-REF-002");
    assert_eq!(door.code("2601", &id(22), undo(23, "2207")).await, "OS-INP-007");
    door.done_without_output("2601", &id(24), undo(2, "2401")).await;
    assert_eq!(door.code("2301", &id(25), patient.fees(&[("9", "A01", 1)])).await, "OS-REF-015");
    assert_eq!(door.code("2304", &id(26), patient.to_settle("36000.00")).await, "OS-REF-015");
    assert_eq!(door.code("2401", &id(2), admission(&patient.psn_no)).await, "OS-REF-002");
    assert_eq!(door.code("2601", &id(27), undo(2, "2401")).await, "OS-REF-015");
    // Settled stays keep their admission.
    let other = Patient::charged(&door, 1, 30).await;
    door.done("2304", &id(35), other.to_settle("36000.00")).await;
    assert_eq!(door.code("2601", &id(36), undo(31, "2401")).await, "OS-REF-004");
}

#[tokio::test]
async fn nobody_is_named_in_what_is_kept_or_told_of_numbers() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, false).await;
    let patient = Patient::charged(&door, 0, 1).await;
    let settled = door.done("2304", &id(5), patient.to_settle("36000.00")).await.to_string();
    assert!(!settled.contains(&identity_number(0)) && !identity_number_is_valid(&patient.psn_no));
    let owner = gateway.database.owner().await;
    for table in ["national_person", "national_stay", "national_settle", "national_fee"] {
        let sql = format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t");
        let kept: String = owner.query_one(&sql, &[]).await.unwrap().get(0);
        assert!(!kept.is_empty() && !kept.contains(&identity_number(0)), "{table}: {kept}");
    }
}
