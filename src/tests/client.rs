//! The command line as a client of a real gateway: slips, exit codes, reject files.

use onestop::door::wire::settlement::v1::{Bill, SettleRequest};
use tokio::process::Command;

use crate::folder::Folder;
use crate::gateway::{Gateway, HOSPITAL, NAMES, bill, identity_number, line};

/// How a command ended: its code, and what it said.
struct Said {
    code: i32,
    out: String,
    err: String,
}

async fn onestop(gateway: &Gateway, arguments: &[&str]) -> Said {
    let server = format!("http://{}", gateway.address);
    let mut command = Command::new(env!("CARGO_BIN_EXE_onestop"));
    let output = command.args(arguments).args(["--server", &server]).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    Said { code: output.status.code().unwrap(), out, err }
}

fn write(folder: &Folder, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn request(request_id: &str, bill: Bill) -> String {
    let bill = Some(bill);
    let request =
        SettleRequest { request_id: request_id.to_owned(), bill, quote_token: Vec::new() };
    serde_json::to_string(&request).unwrap()
}

fn check(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!(said.code, code, "{}{}", said.out, said.err);
    for part in parts {
        let found = said.out.contains(part) || said.err.contains(part);
        assert!(found, "{part:?} in:\n{}{}", said.out, said.err);
    }
    // Neither slips nor errors say who somebody is.
    for secret in [identity_number(0), identity_number(1), NAMES[0].to_owned()] {
        assert!(!said.out.contains(&secret) && !said.err.contains(&secret));
    }
}

#[tokio::test]
async fn a_desk_quotes_settles_asks_again_and_reverses() {
    let gateway = Gateway::start().await;
    let folder = Folder::new("client");
    let file = write(&folder, "bill.json", &request("REQ-1", bill(0, "ST-1", "2024-06-30")));
    let quoted = onestop(&gateway, &["settle", "--quote", &file]).await;
    // In scope 34 500: basic (34 500 − 400) × 0.70 = 23 870; critical (10 630 − 5 000) × 0.60 = 3 378; aid 7 252 × 0.70 =
    // 5 076.40; of 36 000 the patient keeps 3 675.60.
    let owed = "3 , 6 7 5 . 6 0";
    let parts = ["患者将应付现金", "THE PATIENT WOULD OWE", "患者现在应付现金", "23,870.00", owed];
    check(&quoted, 0, &parts);
    check(&quoted, 0, &["basic.curve[1]", "【假定】", "[assumed]", "520200-resident-2024 #"]);

    let again = onestop(&gateway, &["settle", &file, "--lang", "en"]).await;
    check(&again, 0, &["a repeated request", owed]);
    assert!(!again.out.contains("医疗机构"), "only English was asked for");

    let found = onestop(&gateway, &["find", "--hospital", HOSPITAL, "--request-id", "REQ-1"]).await;
    check(&found, 0, &["ONE-STOP SETTLEMENT", owed]);
    // The paper of a look-up is the paper of the settlement, the days of the stay included.
    let stay = ["入出院日期        2024-06-30 … 2024-06-30", "Stay from, to     2024-06-30 …"];
    check(&found, 0, &stay);
    check(&quoted, 0, &stay);

    let reverse = ["reverse", "--request-id", "REV-1", "--hospital", HOSPITAL];
    let reversed =
        onestop(&gateway, &[&reverse[..], &["--original-request-id", "REQ-1"]].concat()).await;
    check(&reversed, 0, &["医疗费用一站式结算撤销单", "- 3 , 6 7 5 . 6 0"]);
    let found = onestop(&gateway, &["find", "--hospital", HOSPITAL, "--request-id", "REQ-1"]).await;
    check(&found, 0, &["（已撤销）", "Reversed by"]);

    let bars = ["reverse", "--request-id", "REV-2", "--hospital", HOSPITAL];
    let barred =
        onestop(&gateway, &[&bars[..], &["--original-request-id", "NEVER"]].concat()).await;
    check(&barred, 3, &["【未撤销任何结算】", "NOTHING WAS REVERSED", "已永久作废", "NEVER"]);
    let json = [&bars[..], &["--original-request-id", "NEVER", "--json"]].concat();
    let parts = ["\"tombstone\":", "\"repeat\":true"];
    check(&onestop(&gateway, &json).await, 3, &parts);
    let nowhere = ["reverse", "--request-id", "REV-3", "--hospital", "H0"];
    let nowhere = [&nowhere[..], &["--original-request-id", "REQ-1"]].concat();
    let parts = ["拒收 Refused: HOSPITAL_UNKNOWN [hospital_code]"];
    check(&onestop(&gateway, &nowhere).await, 1, &parts);
    check(&onestop(&gateway, &["reverse", "--help"]).await, 0, &["Ends with 3"]);
}

#[tokio::test]
async fn what_is_not_settled_says_why_and_ends_with_one() {
    let gateway = Gateway::start().await;
    let folder = Folder::new("client");
    let strange = Bill {
        lines: vec![line("1", "Z99", 10)],
        total_fen: 1_000,
        ..bill(1, "ST-2", "2024-06-30")
    };
    let wrong = Bill { total_fen: 1, ..bill(1, "ST-3", "2024-06-30") };
    let lines = [
        request("REQ-1", strange),
        request("REQ-2", wrong),
        request("REQ-3", bill(1, "ST-4", "2024-06-30")),
    ];
    let file = write(&folder, "bills.jsonl", &lines.join("\n"));
    let said = onestop(&gateway, &["settle", &file]).await;
    check(
        &said,
        1,
        &[
            "REQ-1 不予结算 Declined: ITEM_UNKNOWN [bill.lines",
            "REQ-2 拒收 Refused: ",
            "[bill.total_fen]",
        ],
    );
    // The good one is settled all the same.
    check(&said, 1, &["REQ-3", "THE PATIENT OWES NOW"]);

    let json = onestop(&gateway, &["settle", "--json", &file]).await;
    let answers: Vec<serde_json::Value> =
        json.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0]["answer"]["declined"]["reason"], "ITEM_UNKNOWN");
    assert_eq!(answers[1]["refused"]["field"], "bill.total_fen");
    assert_eq!(answers[2]["answer"]["repeat"], true);

    let found = onestop(&gateway, &["find", "--settlement-id", "S00"]).await;
    check(&found, 1, &["拒收 Refused: "]);
    check(&onestop(&gateway, &["find"]).await, 64, &["--settlement-id"]);
    let broken = write(&folder, "broken.json", r#"{"requestId":"X","bill":{"totalFenn":"1"}}"#);
    check(&onestop(&gateway, &["settle", &broken]).await, 64, &["broken.json", "totalFenn"]);
}

#[tokio::test]
async fn a_list_is_imported_and_its_rejects_lie_beside_it() {
    let gateway = Gateway::bare().await;
    let folder = Folder::new("client");
    let mut wrong = identity_number(1);
    wrong.replace_range(17.., if wrong.ends_with('1') { "2" } else { "1" });
    let people = format!(
        "name,identity_number\n{},{}\n{},{wrong}\n{},{}\n",
        NAMES[0],
        identity_number(0),
        NAMES[1],
        NAMES[2],
        identity_number(2)
    );
    let people = write(&folder, "person.csv", &people);
    let said = onestop(&gateway, &["import", "person", &people]).await;
    check(&said, 2, &["added 新增 2", "rejected 拒收 1", "person.csv.rejects.csv"]);
    let rejects = std::fs::read_to_string(format!("{people}.rejects.csv")).unwrap();
    let (head, row) = rejects.split_once('\n').unwrap();
    assert_eq!(head, "line,field,reason,message_zh,message_en,import_id");
    assert!(row.starts_with("3,identity_number,IDENTITY_NUMBER_CHECK_DIGIT,"), "{row}");
    assert!(!rejects.contains(&wrong) && !rejects.contains(NAMES[1]));

    let before = gateway.rows().await;
    let again = onestop(&gateway, &["import", "person", &people]).await;
    let done = "上次已完成，本次未作改动 done before, nothing changed this time";
    check(&again, 2, &[done, "taken before 此前已入库 3"]);
    assert!(!said.out.contains(done), "{}", said.out);
    assert_eq!(gateway.rows().await, before, "a repeat changes nothing");
    assert_eq!(std::fs::read_to_string(format!("{people}.rejects.csv")).unwrap(), rejects);

    // A cell that cannot be sent is rejected on this side, and the rest still counts up.
    let hospitals = "hospital_code,region,level,valid_from\nH1,520201,three,2020-01-01\nH2,520201,3,2020-01-01\n";
    let hospitals = write(
        &folder,
        "hospital.csv",
        &hospitals.replace("region,", "name,region,").replace(",520201", ",医院,520201"),
    );
    let said = onestop(&gateway, &["import", "hospital", &hospitals]).await;
    check(&said, 2, &["added 新增 1", "rejected 拒收 1"]);
    let rejects = std::fs::read_to_string(format!("{hospitals}.rejects.csv")).unwrap();
    assert!(
        rejects.contains("2,level,NOT_A_NUMBER,") && rejects.contains(",H1,医院,520201,three,"),
        "{rejects}"
    );

    // The next full list no longer has the second hospital: it ends.
    let next = write(
        &folder,
        "next.csv",
        "hospital_code,name,region,level,valid_from\nH3,医院,520201,1,2024-01-01\n",
    );
    let full =
        ["import", "hospital", &next, "--full", "--region", "520201", "--list-date", "2024-07-01"];
    check(&onestop(&gateway, &full).await, 0, &["added 新增 1", "ended 终止 1"]);

    let strange = write(&folder, "strange.csv", "hospital_code,colour\nH9,red\n");
    check(
        &onestop(&gateway, &["import", "hospital", &strange]).await,
        64,
        &["\"colour\" in column 2"],
    );
    let missing = ["import", "hospital", "nowhere.csv"];
    check(&onestop(&gateway, &missing).await, 64, &["nowhere.csv"]);
}

#[tokio::test]
async fn the_line_of_a_reject_is_the_one_that_excel_shows() {
    let gateway = Gateway::bare().await;
    let folder = Folder::new("client");
    let mut wrong = identity_number(1);
    wrong.replace_range(17.., if wrong.ends_with('1') { "2" } else { "1" });
    // As Excel writes it, with a line left empty: the line that is named is the one that Excel shows.
    let excel = format!(
        "name,identity_number\r\n{},{}\r\n\r\n{},{wrong}\r\n",
        NAMES[0],
        identity_number(0),
        NAMES[1]
    );
    let excel = write(&folder, "excel.csv", &excel);
    check(&onestop(&gateway, &["import", "person", &excel]).await, 2, &["rejected 拒收 1"]);
    let rejects = std::fs::read_to_string(format!("{excel}.rejects.csv")).unwrap();
    assert!(rejects.contains("\n4,identity_number,IDENTITY_NUMBER_CHECK_DIGIT,"), "{rejects}");
}
