//! The evidence bundle is made and verified, also by the other verifier, and says nothing of who anybody is.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use jiff::ToSpan as _;
use onestop::app::bundle::{BundleError, MonthOf, make_bundle, verify_bundle};
use onestop::bundle::verify::Verified;
use tokio_postgres::config::Host;

use crate::bundle_attacks::Files;
use crate::gateway::{HOSPITAL, NAMES, identity_number};
use crate::harness::Database;
use crate::seal_fixture::{Sealing, region};
use crate::server::onestop;

/// What the other verifier, which knows nothing of ours, says.
pub(crate) fn python(bundle: &Path, roots: Option<&Path>) -> (Option<i32>, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/verify_bundle.py");
    let output = Command::new("python3").arg(script).arg(bundle).args(roots).output().unwrap();
    said(&output)
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_bundle_verifies_offline_and_both_verifiers_agree() {
    let mut sealing = Sealing::start().await;
    sealing.close().await;
    let (bundle, made) = sealing.bundle("bundle.zip").await;
    assert_eq!(made.shown, 6);
    let roots = sealing.kept().await;
    let verified = verify_bundle(&bundle, Some(&roots), &|_, _| {}).unwrap();
    let Verified { settlements, reversals, reversals_of_others, persons, links, .. } = verified;
    assert_eq!((settlements, reversals, reversals_of_others, persons), (5, 1, 0, 2));
    assert_eq!(links, 3, "each settlement of the second person saw what the one before had left");
    // Four settlements of 36 000 yuan are left; nothing is made or lost.
    let [total, funds, patients] = verified.totals_fen;
    assert_eq!((total, funds + patients), (4 * 3_600_000, total));
    assert_eq!(verified.days_in_roots, Some(verified.days));
    let alone = verify_bundle(&bundle, None, &|_, _| {}).unwrap();
    assert_eq!(alone, Verified { days_in_roots: None, ..verified.clone() });

    let roots_file = sealing.roots_file().await;
    let (code, text) = python(&bundle, Some(&roots_file));
    assert_eq!((code, text.contains("agrees with the roots")), (Some(0), true), "{text}");
    assert!(text.contains(&format!("{} leaves, 6 settlements", verified.leaves)), "{text}");
    let (code, text) = python(&bundle, None);
    assert_eq!((code, text.contains("Self-consistent only")), (Some(0), true), "{text}");
}

#[tokio::test]
async fn a_bundle_says_nothing_of_who_anybody_is_and_two_can_not_be_joined() {
    let mut sealing = Sealing::start().await;
    sealing.close().await;
    let (first, _) = sealing.bundle("one.zip").await;
    let (second, _) = sealing.bundle("two.zip").await;
    let (first, second) = (Files::read(&first), Files::read(&second));
    let owner = sealing.gateway.database.owner().await;
    let hidden =
        "SELECT DISTINCT unnest(ARRAY[request_id, stay_id, operator_id, reason]) FROM settlement";
    let rows = owner.query(hidden, &[]).await.unwrap();
    let mut words: Vec<Vec<u8>> = rows
        .iter()
        .filter_map(|row| row.get::<_, Option<String>>(0))
        .map(String::into_bytes)
        .collect();
    assert!(words.iter().any(|word| word == b"desk-1") && words.iter().any(|word| word == b"R1"));
    words.extend(NAMES.map(|name| name.as_bytes().to_vec()));
    words.extend((0..3).map(|number| identity_number(number).into_bytes()));
    words.push(b"I21".to_vec());
    let hashes = "SELECT unnest(ARRAY[record_sha256, body_sha256, lines_sha256]) FROM settlement";
    for row in owner.query(hashes, &[]).await.unwrap() {
        words.push(row.get(0));
    }
    let mut pseudonyms = Vec::new();
    for files in [&first, &second] {
        let leaves = files.leaves(sealing.day);
        let shown: Vec<_> = leaves.iter().filter(|leaf| leaf[1] == 1).collect();
        assert_eq!(shown.len(), 6);
        for leaf in &shown {
            for word in words.iter().filter(|word| 2 < word.len()) {
                assert!(!leaf.windows(word.len()).any(|window| window == word), "{word:?}");
            }
            assert!(leaf.windows(HOSPITAL.len()).any(|window| window == HOSPITAL.as_bytes()));
        }
        pseudonyms.push(shown.iter().map(|leaf| leaf[66..82].to_vec()).collect::<Vec<_>>());
    }
    let distinct = |all: &[Vec<u8>]| all.iter().collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!((distinct(&pseudonyms[0]), distinct(&pseudonyms.concat())), (2, 4));
}

#[tokio::test]
async fn postings_are_shown_without_who_posted_them_or_why() {
    let mut sealing = Sealing::start().await;
    let [advance, _] = sealing.post().await;
    sealing.close().await;
    let (bundle, made) = sealing.bundle("bundle.zip").await;
    assert_eq!((made.shown, made.postings), (6, 2));
    assert_eq!(verify_bundle(&bundle, None, &|_, _| {}).unwrap().postings, 2);
    let (code, text) = python(&bundle, None);
    assert!(code == Some(0) && text.contains("2 postings"), "{text}");
    let leaves = Files::read(&bundle).leaves(sealing.day);
    let postings: Vec<_> = leaves.iter().filter(|leaf| leaf[..2] == [2, 1]).collect();
    let has = |leaf: &[u8], word: &str| leaf.windows(word.len()).any(|at| at == word.as_bytes());
    assert!(has(postings[0], &advance) && has(postings[0], "hospital_advance"));
    for word in ["Zhao San", "zhang", "doc 7", "2020300"] {
        assert!(!postings.iter().any(|leaf| has(leaf, word)), "{word}");
    }
}

#[tokio::test]
async fn a_month_is_bundled_whole_once_its_last_day_is_closed() {
    let mut sealing = Sealing::start().await;
    let pool = sealing.gateway.database.pool.clone();
    let whole = MonthOf { region: region(), month: sealing.day, so_far: false };
    let path = sealing.folder.path().join("bundle.zip");
    let keys = std::sync::Arc::clone(&sealing.keys);
    let make = async |of: MonthOf| make_bundle((&pool, &keys), of, &path, &|_, _| {}).await;
    let refused = make(whole).await.unwrap_err();
    assert!(matches!(refused, BundleError::NotSealed { through: None }), "{refused}");
    sealing.close().await;
    // Through the month after this one: its bundle begins with a head of the month before.
    sealing.close_in(24 * 70).await;
    let made = make(whole).await.unwrap();
    assert_eq!((made.through, made.shown), (sealing.day.last_of_month(), 6));
    assert_eq!(verify_bundle(&path, None, &|_, _| {}).unwrap().through, made.through);
    let next = sealing.day.last_of_month().tomorrow().unwrap();
    let made = make(MonthOf { month: next, ..whole }).await.unwrap();
    assert_eq!((made.through, made.leaves), (next.last_of_month(), 0));
    let verified = verify_bundle(&path, Some(&sealing.kept().await), &|_, _| {}).unwrap();
    assert_eq!(
        (verified.days, verified.settlements),
        (usize::try_from(next.days_in_month()).unwrap(), 0)
    );
    assert_eq!(python(&path, Some(&sealing.roots_file().await)).0, Some(0));
    let later = sealing.day.checked_add(12.months()).unwrap();
    assert!(matches!(
        make(MonthOf { month: later, ..whole }).await,
        Err(BundleError::NotSealed { .. })
    ));
}

#[tokio::test]
async fn a_month_of_several_files_a_day_verifies() {
    // More leaves than one file takes, of which only the registry's are many.
    let mut sealing = Sealing::start().await;
    sealing
        .as_superuser(
            "INSERT INTO registry_change SELECT bucket, person_id, standing_version, 1000 + n, kind, import_id, before, after, changed_at
             FROM (SELECT * FROM registry_change WHERE kind = 'identity' LIMIT 1) c CROSS JOIN generate_series(1, 40000) AS n",
        )
        .await;
    sealing.close().await;
    let (bundle, made) = sealing.bundle("bundle.zip").await;
    assert!(40_000 < made.leaves);
    let verified = verify_bundle(&bundle, None, &|_, _| {}).unwrap();
    assert_eq!((verified.leaves, verified.settlements), (made.leaves, 5));
    assert_eq!(
        Files::read(&bundle).names().iter().filter(|name| name.contains("leaves")).count(),
        3
    );
    assert_eq!(python(&bundle, None).0, Some(0));
}

fn url(database: &Database) -> String {
    let [Host::Unix(socket)] = database.config.get_hosts() else { unreachable!("a socket") };
    let socket = socket.to_str().unwrap().replace('/', "%2F");
    format!("postgres://onestop@{socket}:5432/{}", database.config.get_dbname().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_seals_checks_prints_roots_and_bundles_and_verifies_without_anything() {
    let mut sealing = Sealing::start().await;
    let run = |sealing: &Sealing, arguments: &[&str]| {
        let mut command = onestop(&sealing.gateway.rules);
        command
            .env("ONESTOP_DATABASE_URL", url(&sealing.gateway.database))
            .env("ONESTOP_KEYS_DIR", sealing.gateway.keys_dir())
            .arg("audit")
            .args(arguments)
            .stdout(Stdio::piped());
        said(&command.output().unwrap())
    };
    let (code, text) = run(&sealing, &["seal"]);
    assert!(code == Some(0) && text.contains("Sealed 0 leaves"), "the lag is not over: {text}");
    sealing.close().await;
    let (code, text) = run(&sealing, &["roots", "--region", "520200"]);
    assert_eq!((code, text.lines().count()), (Some(0), sealing.heads().await.len()), "{text}");
    let kept = sealing.folder.path().join("kept.jsonl");
    std::fs::write(&kept, &text).unwrap();
    let kept = kept.to_str().unwrap();
    let (code, text) = run(&sealing, &["seal", "--check", "--roots", kept, "--region", "520200"]);
    assert!(code == Some(0) && text.contains("; 0 differ"), "{text}");

    let bundle = sealing.folder.path().join("bundle.zip");
    let bundle = bundle.to_str().unwrap();
    let month = sealing.day.strftime("%Y-%m").to_string();
    let make = ["bundle", "--month", &month, "--region", "520200", "--out", bundle];
    let later = sealing.day.checked_add(12.months()).unwrap().strftime("%Y-%m").to_string();
    let (code, text) = run(&sealing, &[&make[..2], &[later.as_str()], &make[3..]].concat());
    assert!(code == Some(2) && text.contains("NOT_SEALED"), "{text}");
    let (code, text) = run(&sealing, &[&make[..], &["--so-far"]].concat());
    assert!(code == Some(0) && text.contains("6 of them"), "{text}");

    // Nothing but the file: no configuration, no database, no keys.
    let verify = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onestop"));
        command.env_clear().args(["audit", "verify", bundle]).args(arguments);
        said(&command.output().unwrap())
    };
    let (code, text) = verify(&[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("仅内部一致") && text.contains("Self-consistent only"), "{text}");
    assert!(text.contains("总额 total 144000.00"), "{text}");
    let (code, text) = verify(&["--roots", kept]);
    assert!(code == Some(0) && text.contains("It agrees with the roots"), "{text}");

    sealing.as_superuser("DELETE FROM settlement WHERE reverses_settlement_id IS NOT NULL").await;
    let (code, text) = run(&sealing, &["seal", "--check", "--day", &sealing.day.to_string()]);
    assert!(code == Some(2) && text.contains("GONE") && text.contains("; 1 differ"), "{text}");
    let (code, text) = run(&sealing, &[&make[..], &["--so-far"]].concat());
    assert!(code == Some(2) && text.contains("NOT_AS_SEALED"), "{text}");
    assert_eq!(verify(&["--roots", kept]).0, Some(0), "the old bundle is still there, whole");
    std::fs::write(kept, "").unwrap();
    assert_eq!(verify(&["--roots", kept]).0, Some(64));
}
