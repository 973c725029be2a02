//! What a hospital learns by the national door of a settlement that was made without the insurance core, and of its true-up.

use onestop::core_link::wire::core_sim::v1::Faults;
use onestop::store::trueup::true_up_counts;
use serde_json::{Value, json};

use crate::core_fixture::{Core, Deliverer, until};
use crate::gateway::{Gateway, PACKAGE};
use crate::national::{Door, id};
use crate::national_desk::Patient;

fn package(critical_ratio: &str) -> String {
    PACKAGE.replace("BASIC_RATIO", "0.70").replace("\"0.60\"", &format!("\"{critical_ratio}\""))
}

fn beside(settled: &Value) -> Value {
    serde_json::from_str(settled["setlinfo"]["exp_content"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_hospital_is_told_what_is_provisional_and_what_was_trued_up() {
    let core = Core::start(&package("0.70")).await;
    let gateway = Gateway::linked(&package("0.60"), core.link(&["critical"])).await;
    gateway.furnish().await;
    let door = Door::open(&gateway, false).await;
    core.faults(Faults { fail: true, ..Faults::default() }).await;
    let patient = Patient::charged(&door, 0, 10).await;
    let quoted = door.done("2303", &id(20), patient.to_settle("36000.00")).await;
    assert_eq!(beside(&quoted), json!({"provisional": ["critical"]}));
    let answer = door.ask("2304", &id(21), patient.to_settle("36000.00")).await;
    assert!(answer["warn_msg"].as_str().unwrap().starts_with("暂结"), "{answer}");
    let settled = &answer["output"];
    assert_eq!(beside(settled), json!({"provisional": ["critical"]}));
    assert_eq!(settled["setlinfo"]["hifmi_pay"], "3378.00");
    let setl_id = settled["setlinfo"]["setl_id"].as_str().unwrap().to_owned();
    let of = |setl_id: &str| patient.of(&[("setl_id", setl_id)]);
    assert_eq!(door.done("5203", &id(22), of(&setl_id)).await, *settled);
    let nothing = door.done("OS01", &id(23), json!({"data": {}})).await;
    assert_eq!(nothing, json!({"trueups": []}));

    core.faults(Faults::default()).await;
    let deliverer = Deliverer::of(&gateway);
    until("all is trued up", || async {
        let counts = true_up_counts(&gateway.database.pool).await.unwrap();
        counts.iter().all(|(state, _)| state == "corrected")
    })
    .await;
    deliverer.end().await;
    let answer = door.ask("5203", &id(24), of(&setl_id)).await;
    assert!(answer["warn_msg"].as_str().unwrap().contains("已更正"), "{answer}");
    let was = &answer["output"];
    let told = beside(was)["trued_up"].take();
    assert_eq!((&was["setlinfo"]["vali_flag"], &told["setl_id"]), (&json!("0"), &json!(setl_id)));
    // A tenth more of what critical illness looks at; aid bears seven tenths of the rest, the patient three.
    assert_eq!(
        (&told["psn_cash_pay"], &told["fund_pay_sumamt"]),
        (&json!("-168.90"), &json!("168.90"))
    );
    let new_id = told["new_setl_id"].as_str().unwrap();
    let is = door.done("5203", &id(25), of(new_id)).await;
    assert_eq!(beside(&is), json!({"supersedes_setl_id": setl_id}));
    assert_eq!(is["setlinfo"]["hifmi_pay"], "3941.00");
    let listed = door.done("OS01", &id(26), json!({"data": {"begndate": "2024-01-01"}})).await;
    let mut row = told;
    row["psn_no"] = json!(patient.psn_no);
    row["mdtrt_id"] = json!(patient.mdtrt_id);
    row["dscgTime"] = json!("2024-06-30");
    assert_eq!(listed, json!({"trueups": [row]}));
}
