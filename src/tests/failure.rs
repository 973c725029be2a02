//! What is killed, cut, full or out of step: nothing answered is lost, nothing is doubled, and who asks again is told the truth.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use onestop::rulebook::Reload;
use onestop::store::cluster::DATABASE;
use onestop::store::{Pool, PoolSettings, check_integrity};
use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::{Config, NoTls};
use tonic::Code;

use crate::drill::{Desk, plain_bill, reason, settled};
use crate::folder::Folder;
use crate::gateway::{Gateway, PACKAGE, bill, publish, write_package};
use crate::harness::{Database, connect, roomy};
use crate::national_desk::Patient;
use crate::proxy::{Cut, Proxy};
use crate::server::{Process, onestop};
use crate::{national, national_desk};

const DESKS: usize = 8;
const BILLS_EACH: usize = 25;

/// `onestop serve` on its private cluster, in a folder of its own, on a port that stays the same.
struct Served {
    folder: Folder,
    rules: Folder,
    listen: SocketAddr,
}

impl Served {
    fn prepare() -> Self {
        let (folder, rules) = (Folder::new("drill"), Folder::new("rules"));
        write_package(&rules, "2024", &ruled("0.70"));
        let keys = onestop(&folder).args(["keys", "init"]).output().unwrap();
        assert!(keys.status.success(), "{keys:?}");
        // Free now; nobody else on this machine asks for it by number.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = free.local_addr().unwrap();
        Self { folder, rules, listen }
    }

    fn start(&self) -> Process {
        let mut command = onestop(&self.folder);
        command.env("ONESTOP_LISTEN", self.listen.to_string());
        Process::run(command.env("ONESTOP_RULES_DIR", self.rules.path()))
    }

    fn cluster(&self) -> Config {
        let mut config = Config::new();
        let socket = self.folder.path().join("postgres/socket");
        config.host_path(socket).port(5432).user("postgres").dbname(DATABASE);
        config
    }

    /// Waits until another one keeps the cluster than any of these.
    async fn started_again(&self, seen: &[Pid]) {
        let file = self.folder.path().join("postgres/data/postmaster.pid");
        let keeps = || std::fs::read_to_string(&file).ok()?.lines().next()?.trim().parse().ok();
        while keeps().and_then(Pid::from_raw).is_none_or(|keeps| seen.contains(&keeps)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn postmaster(&self) -> Pid {
        let file = self.folder.path().join("postgres/data/postmaster.pid");
        let text = std::fs::read_to_string(file).unwrap();
        Pid::from_raw(text.lines().next().unwrap().parse().unwrap()).unwrap()
    }
}

fn ruled(basic_ratio: &str) -> String {
    PACKAGE.replace("BASIC_RATIO", basic_ratio)
}

fn superseding(basic_ratio: &str) -> String {
    ruled(basic_ratio).replace(
        "id = \"520200-resident-2024\"",
        "id = \"520200-resident-2024-b\"\nsupersedes = \"520200-resident-2024\"",
    )
}

/// Desks that settle without a pause, and how far they are.
struct Working {
    done: Arc<AtomicUsize>,
    desks: Vec<tokio::task::JoinHandle<Vec<crate::drill::Answered>>>,
}

impl Working {
    fn start(listen: SocketAddr) -> Self {
        let done = Arc::new(AtomicUsize::new(0));
        let desks = (0..DESKS).map(|number| {
            let (desk, done) = (Desk::at(listen), Arc::clone(&done));
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for bill in 0..BILLS_EACH {
                    let id = format!("{number}-{bill}");
                    // Each person is settled by two desks.
                    let bill = plain_bill(number / 2, &format!("Z{id}"), 900);
                    answers.push(desk.insist(&format!("R{id}"), &bill, &[]).await);
                    done.fetch_add(1, Ordering::SeqCst);
                }
                answers
            })
        });
        Self { desks: desks.collect(), done }
    }

    async fn until(&self, count: usize) {
        let started = Instant::now();
        while self.done.load(Ordering::SeqCst) < count {
            assert!(started.elapsed() < Duration::from_secs(90), "it does not go on");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// All answers, once all were given.
    async fn end(self) -> Vec<crate::drill::Answered> {
        let mut answers = Vec::new();
        for desk in self.desks {
            answers.append(&mut desk.await.unwrap());
        }
        answers
    }
}

/// What was answered is stored, once, and nothing else is.
async fn nothing_is_lost_or_doubled(
    served: &Served,
    answers: &[crate::drill::Answered],
    more: i64,
) {
    assert_eq!(answers.len(), DESKS * BILLS_EACH);
    let desk = Desk::at(served.listen);
    for answer in answers {
        let found = desk.ask(&answer.settlement.request_id).await.unwrap();
        assert_eq!(found, answer.settlement);
    }
    let owner = connect(&served.cluster()).await;
    let sql = "SELECT count(*), count(DISTINCT (hospital_code, request_id)),
        count(DISTINCT stay_id) FROM settlement";
    let row = owner.query_one(sql, &[]).await.unwrap();
    let expected = i64::try_from(answers.len()).unwrap() + more;
    assert_eq!([0, 1, 2].map(|column| row.get::<_, i64>(column)), [expected; 3]);
    let pool = Pool::new(served.cluster(), NoTls, &roomy()).unwrap();
    assert_eq!(check_integrity(&pool).await.unwrap(), []);
    pool.close();
    // It was in the middle of work each time: some had to ask again.
    assert!(answers.iter().any(|answer| 1 < answer.tries));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_and_doubles_nothing() {
    let served = Served::prepare();
    let mut process = served.start();
    let desk = Desk::at(served.listen);
    desk.register(6).await;
    let quoted_bill = || bill(5, "ZQ", "2024-06-30");
    let quoted = desk.quote(quoted_bill()).await;
    let working = Working::start(served.listen);
    for killed_at in [40, 110] {
        working.until(killed_at).await;
        assert_eq!(process.end(Signal::KILL).code(), None);
        process = served.start();
    }
    let answers = working.end().await;
    let answered = desk.insist("RQ", &quoted_bill(), &quoted.quote_token).await;
    assert_eq!(answered.settlement.breakdown, quoted.breakdown, "the token still binds");
    nothing_is_lost_or_doubled(&served, &answers, 1).await;
    assert!(process.end(Signal::TERM).success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_database_is_started_again_under_a_serving_server() {
    let served = Served::prepare();
    let process = served.start();
    let desk = Desk::at(served.listen);
    desk.register(7).await;
    let quoted_bill = || bill(5, "ZQ", "2024-06-30");
    let quoted = desk.quote(quoted_bill()).await;
    let working = Working::start(served.listen);
    let mut seen = vec![served.postmaster()];
    for killed_at in [40, 110] {
        working.until(killed_at).await;
        let postmaster = served.postmaster();
        kill_process(postmaster, Signal::KILL).unwrap();
        // Until they notice, what it had started goes on answering.
        served.started_again(&seen).await;
        // A settlement says that it is back: quotes may come from memory.
        let again = killed_at.to_string();
        desk.insist(&format!("BACK{again}"), &bill(6, &format!("ZBACK{again}"), "2024-06-28"), &[])
            .await;
        working.until(killed_at + 2 * DESKS).await;
        assert!(!seen.contains(&served.postmaster()), "somebody else answers than was killed");
        seen.push(served.postmaster());
    }
    let answers = working.end().await;
    let answered = desk.insist("RQ", &quoted_bill(), &quoted.quote_token).await;
    assert_eq!(answered.settlement.breakdown, quoted.breakdown, "the token still binds");
    nothing_is_lost_or_doubled(&served, &answers, 3).await;
    assert!(process.end(Signal::TERM).success(), "what was started again is stopped cleanly");
    assert!(!served.folder.path().join("postgres/data/postmaster.pid").exists());
}

/// One whose data can not be used any more must not be started for ever: the operator is told, and who watches us sees us end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_does_not_start_again_ends_the_server_by_name() {
    let served = Served::prepare();
    let mut command = onestop(&served.folder);
    command.env("ONESTOP_LISTEN", served.listen.to_string());
    let mut child = command.arg("serve").spawn().unwrap();
    let stderr = child.stderr.take().unwrap();
    let reading = std::thread::spawn(move || std::io::read_to_string(stderr).unwrap());
    let started = Instant::now();
    while std::net::TcpStream::connect(served.listen).is_err() {
        assert!(started.elapsed() < Duration::from_secs(60), "it never came up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let conf = served.folder.path().join("postgres/data/postgresql.conf");
    std::fs::write(&conf, "no_such_setting = 1\n").unwrap();
    kill_process(served.postmaster(), Signal::KILL).unwrap();
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    let said = reading.join().unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    let last = said.rsplit("\nonestop: ").next().unwrap();
    assert!(last.contains("start the private cluster again after it ended by itself"), "{said}");
    assert!(last.contains("no_such_setting"), "{said}");
}

/// A gateway whose way to the database can be cut.
async fn behind(proxy: &Proxy, beside: &Gateway) -> Gateway {
    let keys = Folder::new("keys");
    onestop::keys::init(&keys.path().join("keys")).unwrap();
    let mut config = Config::new();
    config.host("127.0.0.1").port(proxy.port()).user("onestop");
    config.dbname(beside.database.config.get_dbname().unwrap());
    Gateway::on(Database::reached_by(config, &roomy()), keys, &ruled("0.70")).await
}

#[tokio::test]
async fn a_connection_cut_around_a_commit_leaves_one_truth_to_ask_for() {
    let direct = Gateway::bare().await;
    let proxy = Proxy::start(&direct.database.config).await;
    let gateway = behind(&proxy, &direct).await;
    let desk = Desk::new(gateway.channel.clone());
    // Each case on somebody whom the gateway does not know yet, so that it reads and then commits.
    desk.register(4).await;
    // Which message is cut and where; what the desk is told; whether it was committed.
    let cases = [
        ("READ", Cut::before(1), "DEPENDENCY_AWAY", false),
        ("BEFORE", Cut::before(2), "OUTCOME_UNKNOWN", false),
        ("HALF", Cut::halfway(2), "OUTCOME_UNKNOWN", false),
        ("AFTER", Cut::answer_to(2), "OUTCOME_UNKNOWN", true),
    ];
    for ((id, cut, told, committed), person) in cases.into_iter().zip(0..) {
        proxy.cut(id, cut);
        let bill = || plain_bill(person, &format!("Z{id}"), 900);
        let status = desk.try_settle(id, bill(), Vec::new()).await.unwrap_err();
        assert_eq!((reason(&status).as_str(), status.code()), (told, Code::Unavailable), "{id}");
        assert!(proxy.has_cut(), "{id}");
        let truth = desk.ask(id).await;
        assert_eq!(truth.is_ok(), committed, "{id}: {truth:?}");
        let (settlement, repeat) = settled(desk.try_settle(id, bill(), Vec::new()).await.unwrap());
        assert_eq!(repeat, committed, "{id}");
        assert_eq!(desk.ask(id).await.unwrap(), settlement, "{id}");
        if committed {
            assert_eq!(truth.unwrap(), settlement);
        }
    }
    let settlement = desk.ask("AFTER").await.unwrap().settlement_id;
    proxy.cut("UNDO", Cut::answer_to(2));
    let status = desk.reverse("UNDO", &settlement).await.unwrap_err();
    assert_eq!(reason(&status), "OUTCOME_UNKNOWN");
    assert!(proxy.has_cut());
    let undone = desk.ask("UNDO").await.unwrap();
    let again = desk.reverse("UNDO", &settlement).await.unwrap();
    assert!(again.repeat);
    let Some(onestop::door::wire::settlement::v1::reverse_response::Outcome::Reversal(told)) =
        again.outcome
    else {
        panic!("{again:?}")
    };
    assert_eq!(told, undone);
    assert_eq!(check_integrity(&direct.database.pool).await.unwrap(), []);
}

/// By the national door too it is said that an outcome is not known, and who asks or sends again is told the truth.
#[tokio::test]
async fn a_national_call_whose_end_is_not_known_is_no_failure() {
    let direct = Gateway::bare().await;
    let proxy = Proxy::start(&direct.database.config).await;
    let gateway = behind(&proxy, &direct).await;
    gateway.furnish().await;
    let door = national::Door::open(&gateway, false).await;
    let id = national::id;
    let psn_no = national_desk::find(&door, 0, 1).await;
    let admission = || national_desk::admission(&psn_no);
    proxy.cut(&id(2), Cut::answer_to(1));
    assert_eq!(door.code("2401", &id(2), admission()).await, "OS-SYS-003");
    assert!(proxy.has_cut());
    let admitted = door.done("2401", &id(2), admission()).await;
    let stays = "SELECT count(*) FROM national_stay";
    let stays = direct.database.owner().await.query_one(stays, &[]).await.unwrap();
    assert_eq!(stays.get::<_, i64>(0), 1, "admitted once");
    let mdtrt_id = admitted["result"]["mdtrt_id"].as_str().unwrap().to_owned();
    let patient = Patient { psn_no: psn_no.clone(), mdtrt_id };
    door.done("2301", &id(3), patient.fees(&national_desk::standard_fees())).await;

    // Who sits at the desk is only told to the database by the commit itself.
    let settle = |number: usize| {
        let mut message = national::envelope("2304", &id(number), patient.to_settle("36000.00"));
        message["opter"] = serde_json::json!("desk-at-the-cut");
        message
    };
    let by_message = |number: usize| serde_json::json!({"data": {"psn_no": patient.psn_no, "msgid": id(number)}});
    for (number, cut) in [(4, Cut::before(1)), (5, Cut::answer_to(1))] {
        proxy.cut("desk-at-the-cut", cut);
        let told = door.post_envelope(settle(number)).await;
        assert_eq!(national::code_of(&told), "OS-SYS-003", "{told}");
        assert!(proxy.has_cut());
    }
    assert_eq!(door.code("5203", &id(6), by_message(4)).await, "OS-REF-009");
    let found = door.done("5203", &id(7), by_message(5)).await;
    assert_eq!(door.post_envelope(settle(5)).await["output"], found);
    assert_eq!(national::code_of(&door.post_envelope(settle(4)).await), "OS-REF-004");
    assert_eq!(check_integrity(&direct.database.pool).await.unwrap(), []);
}

/// Here nobody can say beforehand which it was; whatever it was, there is one truth.
#[tokio::test]
async fn a_connection_cut_while_the_database_commits_is_settled_once() {
    let direct = Gateway::bare().await;
    let proxy = Proxy::start(&direct.database.config).await;
    let gateway = behind(&proxy, &direct).await;
    let desk = Desk::new(gateway.channel.clone());
    desk.register(20).await;
    for number in 0..20 {
        let id = format!("DURING{number}");
        proxy.cut(&id, Cut::behind(2));
        let bill = plain_bill(number, &format!("Z{number}"), 900);
        let status = desk.try_settle(&id, bill.clone(), Vec::new()).await.unwrap_err();
        assert_eq!(reason(&status), "OUTCOME_UNKNOWN");
        let answered = desk.insist(&id, &bill, &[]).await;
        assert_eq!(desk.ask(&id).await.unwrap(), answered.settlement);
    }
    let sql = "SELECT count(*) FROM settlement";
    let count = direct.database.owner().await.query_one(sql, &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 20);
    assert_eq!(check_integrity(&direct.database.pool).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_pool_is_refused_as_busy_with_a_hint_when_to_come_again() {
    let settings = PoolSettings {
        connections_max: 1,
        wait_max: Duration::from_millis(50),
        lock_max: Duration::from_millis(1_500),
        ..PoolSettings::default()
    };
    let keys = Folder::new("keys");
    onestop::keys::init(&keys.path().join("keys")).unwrap();
    let gateway = Gateway::on(Database::with(&settings).await, keys, &ruled("0.70")).await;
    let desk = Desk::new(gateway.channel.clone());
    desk.register(2).await;
    let owner = gateway.database.owner().await;
    owner.batch_execute("BEGIN; LOCK TABLE person_head IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let (first, waiting) = (
        desk.clone(),
        "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
        WHERE d.datname = current_database() AND NOT l.granted",
    );
    let first = tokio::spawn(async move {
        first.try_settle("R1", plain_bill(0, "Z1", 900), Vec::new()).await.unwrap_err()
    });
    while owner.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    let had = desk.try_settle("R2", plain_bill(1, "Z2", 900), Vec::new()).await.unwrap_err();
    // The one who held the only connection waited for the lock as long as it may, and is told the same.
    for had in [had, first.await.unwrap()] {
        assert_eq!((reason(&had).as_str(), had.code()), ("BUSY", Code::ResourceExhausted));
        use tonic_types::StatusExt as _;
        assert!(had.get_details_retry_info().unwrap().retry_delay.is_some());
    }
    owner.batch_execute("ROLLBACK").await.unwrap();
    for (request, person) in [("R1", 0), ("R2", 1)] {
        let stay = request.replace('R', "Z");
        let answer = desk.try_settle(request, plain_bill(person, &stay, 900), Vec::new()).await;
        assert!(!settled(answer.unwrap()).1, "nothing was done the first time");
    }
}

#[tokio::test]
async fn a_gateway_with_superseded_rules_refuses_by_name_until_it_has_the_new_ones() {
    let old = Gateway::ruled_by(&ruled("0.70")).await;
    let new = old.beside(&ruled("0.70")).await;
    let (desk, new_desk) = (Desk::new(old.channel.clone()), Desk::new(new.channel.clone()));
    desk.register(2).await;
    let by_old_rules = desk.settle("R1", plain_bill(0, "Z1", 900)).await.breakdown.unwrap();
    take_in(&new).await;
    let before = old.rows().await;
    let had = desk.try_settle("R2", plain_bill(0, "Z2", 900), Vec::new()).await.unwrap_err();
    assert_eq!((reason(&had).as_str(), had.code()), ("RULES_MOVED", Code::Unavailable));
    assert_eq!(old.rows().await, before, "nothing was settled by the old rules");

    let by_new_rules = new_desk.settle("R2", plain_bill(0, "Z2", 900)).await;
    let now = by_new_rules.breakdown.clone().unwrap();
    assert_eq!(now.package.as_ref().unwrap().package_id, "520200-resident-2024-b");
    assert_ne!(
        now.package.as_ref().unwrap().package_hash,
        by_old_rules.package.unwrap().package_hash
    );
    // It can still tell what it could not have decided, and undo it: the rules are in the database.
    assert_eq!(desk.ask("R2").await.unwrap(), by_new_rules);
    desk.reverse("V2", &by_new_rules.settlement_id).await.unwrap();
    take_in(&old).await;
    let again = desk.settle("R3", plain_bill(0, "Z2", 900)).await.breakdown.unwrap();
    assert_eq!(again, now);
    assert_eq!(check_integrity(&old.database.pool).await.unwrap(), []);
}

/// The superseding package comes into force at one gateway.
async fn take_in(gateway: &Gateway) {
    write_package(&gateway.rules, "2024-b", &superseding("0.80"));
    let reload = gateway.app.rulebook.reload();
    assert!(matches!(reload, Reload::Swapped(_)), "{reload:?}");
    publish(&gateway.app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_package_put_in_place_while_serving_leaves_the_good_one_in_force() {
    let served = Served::prepare();
    let process = served.start();
    let desk = Desk::at(served.listen);
    desk.register(2).await;
    let before = desk.settle("R1", plain_bill(1, "Z1", 900)).await.breakdown.unwrap();
    let file = served.rules.path().join("520200/resident/2024/package.toml");
    for (round, bad) in [
        ruled("0.70").replace("[[layer.curve]]", "[[layer.curve]"),
        ruled("1.70"),
        // A package that was in force may not change, be it ever so good.
        ruled("0.90"),
        String::new(),
    ]
    .into_iter()
    .enumerate()
    {
        put_in_place(&file, &bad);
        wait_for_reloads(&process, "refused", round + 1);
        let id = format!("R{}", round + 2);
        let now = desk.settle(&id, plain_bill(1, &format!("Z{id}"), 900)).await.breakdown.unwrap();
        assert_eq!((now.package, now.basic_pool_pay_fen), (before.package.clone(), 35_000));
    }
    put_in_place(&file, &ruled("0.70"));
    wait_for_reloads(&process, "swapped", 1);
    write_package(&served.rules, "2024-b", &superseding("0.80"));
    wait_for_reloads(&process, "swapped", 2);
    let now = desk.settle("RN", plain_bill(1, "ZN", 900)).await.breakdown.unwrap();
    assert_eq!(now.package.unwrap().package_id, "520200-resident-2024-b");
    // Without it the region could not be settled any more: it goes on with it, and does not start without it.
    std::fs::remove_dir_all(served.rules.path().join("520200/resident/2024-b")).unwrap();
    wait_for_reloads(&process, "refused", 5);
    let now = desk.settle("RO", plain_bill(1, "ZO", 900)).await.breakdown.unwrap();
    assert_eq!(now.package.unwrap().package_id, "520200-resident-2024-b");
    assert!(process.end(Signal::TERM).success());
    let mut again = onestop(&served.folder);
    let output = again.arg("serve").env("ONESTOP_RULES_DIR", served.rules.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let named = "package 520200-resident-2024-b is recorded, supersedes 520200-resident-2024 and is not in the folder";
    assert!(said.contains(named) && said.contains("请一并放入"), "{said}");
}

/// As a careful operator does it: whole, or not at all.
fn put_in_place(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, file).unwrap();
}

fn wait_for_reloads(process: &Process, outcome: &str, count: usize) {
    let started = Instant::now();
    let wanted = format!("outcome=\"{outcome}\"");
    let value = format!(" {count}");
    let told =
        |line: &str| line.contains("reload") && line.contains(&wanted) && line.ends_with(&value);
    let reached = |scrape: String| scrape.lines().any(told);
    while !reached(process.get("/metrics")) {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", process.get("/metrics"));
        std::thread::sleep(Duration::from_millis(50));
    }
}
