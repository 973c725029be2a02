//! The private cluster: cold, again, adopted, killed, and in places where it cannot live.
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use onestop::store::cluster::{Cluster, ClusterError, DATABASE, Settings};
use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::{Client, NoTls};

use crate::folder::Folder;

async fn client(cluster: &Cluster) -> Client {
    let (client, connection) = cluster.connection(DATABASE).connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn start(folder: &Folder) -> Cluster {
    Cluster::start(&Settings::lasting(folder.path(), Vec::new())).await.unwrap()
}

async fn note_count(cluster: &Cluster) -> i64 {
    client(cluster).await.query_one("SELECT count(*) FROM note", &[]).await.unwrap().get(0)
}

async fn write_note(cluster: &Cluster) {
    let sql = "CREATE TABLE IF NOT EXISTS note (line text); INSERT INTO note VALUES ('kept')";
    client(cluster).await.batch_execute(sql).await.unwrap();
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(20), "still waiting until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn a_cold_start_makes_a_durable_cluster_that_a_restart_finds_again() {
    let folder = Folder::new("cold");
    let cluster = start(&folder).await;
    assert!(!cluster.adopted());
    write_note(&cluster).await;
    let client = client(&cluster).await;
    for (setting, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("listen_addresses", ""),
        ("data_checksums", "on"),
    ] {
        let row = client.query_one("SELECT current_setting($1)", &[&setting]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), value, "{setting}");
    }
    // A client that is still connected does not hold up the stop.
    cluster.stop().await.unwrap();
    let pid_file = folder.path().join("postgres/data/postmaster.pid");
    assert!(!pid_file.exists(), "it stopped cleanly");

    let cluster = start(&folder).await;
    assert_eq!(note_count(&cluster).await, 1);
    drop(cluster);
    assert!(!pid_file.exists(), "dropping it stops it cleanly too");
}

#[tokio::test]
async fn a_cluster_that_survived_is_adopted_and_two_servers_never_share_one() {
    let folder = Folder::new("adopt");
    let cluster = start(&folder).await;
    write_note(&cluster).await;
    let pid = cluster.pid();
    assert!(pid.is_some());
    let second = Cluster::start(&Settings::lasting(folder.path(), Vec::new())).await;
    assert!(matches!(second, Err(ClusterError::Taken(_))), "{second:?}");

    cluster.leave_running();
    let cluster = start(&folder).await;
    assert!(cluster.adopted());
    assert_eq!((cluster.pid(), note_count(&cluster).await), (pid, 1));
    cluster.stop().await.unwrap();
    let cluster = start(&folder).await;
    assert!(!cluster.adopted());
    assert_eq!(note_count(&cluster).await, 1);
}

#[tokio::test]
async fn a_killed_postmaster_is_started_again_with_all_that_was_committed() {
    let folder = Folder::new("kill");
    let cluster = start(&folder).await;
    write_note(&cluster).await;
    // A backend at work outlives its postmaster for a moment; starting beside it would destroy the data.
    let busy = client(&cluster).await;
    let pid = Pid::from_raw(cluster.pid().unwrap()).unwrap();
    let work = tokio::spawn(async move { busy.batch_execute("SELECT pg_sleep(1)").await });
    kill_process(pid, Signal::KILL).unwrap();
    cluster.stop().await.unwrap();
    assert!(folder.path().join("postgres/data/postmaster.pid").exists(), "it was not stopped");

    let cluster = start(&folder).await;
    assert!(!cluster.adopted());
    assert_eq!(note_count(&cluster).await, 1);
    assert!(work.await.unwrap().is_err());
}

#[tokio::test]
async fn a_pid_file_whose_number_is_used_by_another_program_does_not_hold_up_the_start() {
    let folder = Folder::new("reused");
    let cluster = start(&folder).await;
    write_note(&cluster).await;
    let pid_file = folder.path().join("postgres/data/postmaster.pid");
    let text = std::fs::read_to_string(&pid_file).unwrap();
    let pid = cluster.pid().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    cluster.stop().await.unwrap();
    let ours = std::process::id().to_string();
    std::fs::write(&pid_file, text.replacen(&pid.to_string(), &ours, 1)).unwrap();

    assert_eq!(note_count(&start(&folder).await).await, 1);
}

#[tokio::test]
async fn a_cluster_that_does_not_come_up_shows_the_end_of_its_log() {
    let folder = Folder::new("broken");
    start(&folder).await.stop().await.unwrap();
    let conf = folder.path().join("postgres/data/postgresql.conf");
    std::fs::write(&conf, "no_such_setting = 1\n").unwrap();
    let error = Cluster::start(&Settings::lasting(folder.path(), Vec::new())).await.unwrap_err();
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_reached_or_is_too_long_is_refused_by_name() {
    let folder = Folder::new("closed");
    let long = folder.path().join("x".repeat(100));
    let error = Cluster::start(&Settings::lasting(&long, Vec::new())).await.unwrap_err();
    assert!(matches!(error, ClusterError::SocketPath(_)), "{error}");

    if rustix::process::geteuid().is_root() {
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let error =
            Cluster::start(&Settings::lasting(folder.path(), Vec::new())).await.unwrap_err();
        let ClusterError::Unreachable { ancestor, .. } = &error else { panic!("{error}") };
        assert_eq!(ancestor, folder.path());
        assert!(error.to_string().contains("chmod o+x"));
    }
}

/// The shell's watch is run as it is, by a process that we kill: nothing of a scratch cluster may outlive its test run.
#[tokio::test]
async fn a_scratch_cluster_vanishes_with_the_process_that_started_it() {
    let place = Path::new("/tmp").join(format!("onestop-scratch-{}", std::process::id()));
    let test = "cluster::helper_that_starts_a_scratch_cluster_and_waits";
    let mut helper = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(SCRATCH_FOLDER, &place)
        .stdout(Stdio::null())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("it is up", || place.join("up").exists());
    let pid = std::fs::read_to_string(place.join("data/postmaster.pid")).unwrap();
    let process = format!("/proc/{}", pid.lines().next().unwrap());
    assert!(Path::new(&process).exists());
    helper.kill().unwrap();
    helper.wait().unwrap();
    wait_until("the folder is gone", || !place.exists());
    wait_until("the process is gone", || !Path::new(&process).exists());
}

const SCRATCH_FOLDER: &str = "TEST_SCRATCH_FOLDER";

/// Does nothing unless the test above runs it as a process of its own.
#[tokio::test]
async fn helper_that_starts_a_scratch_cluster_and_waits() {
    let Some(place) = std::env::var_os(SCRATCH_FOLDER) else { return };
    let place = std::path::PathBuf::from(place);
    let cluster = Cluster::start(&Settings::scratch(place.clone())).await.unwrap();
    assert!(cluster.pid().is_some());
    std::fs::write(place.join("up"), "").unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
}
