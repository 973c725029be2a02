//! What somebody may do to a bundle, done: each is found by both verifiers, and named by file, record and field.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;
use onestop::app::bundle::{MonthOf, make_bundle, verify_bundle};
use onestop::bundle::manifest::{self, Manifest, package_name, part_name};
use onestop::bundle::roots::Roots;
use onestop::domain::record::{Body, Record};
use onestop::domain::seal::leaf::content_hash;
use onestop::keys::SealKeys;
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;

use crate::bundle::python;
use crate::seal_fixture::{Sealing, region};

/// The files of a bundle, to be changed.
#[derive(Clone)]
pub(crate) struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    pub(crate) fn read(path: &Path) -> Self {
        let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
        let mut files = BTreeMap::new();
        for at in 0..archive.len() {
            let mut file = archive.by_index(at).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            files.insert(file.name().unwrap().to_string(), bytes);
        }
        Self(files)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// The leaves of a day's first file, without their lengths.
    pub(crate) fn leaves(&self, day: Date) -> Vec<Vec<u8>> {
        let (mut rest, mut leaves) = (self.0[&part_name(day, 0)].as_slice(), Vec::new());
        while let Some((length, more)) = rest.split_first_chunk::<4>() {
            let (leaf, after) =
                more.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
            leaves.push(leaf.to_vec());
            rest = after;
        }
        leaves
    }

    fn put_leaves(&mut self, day: Date, leaves: &[Vec<u8>]) {
        let with_length = |leaf: &Vec<u8>| {
            [&u32::try_from(leaf.len()).unwrap().to_be_bytes(), leaf.as_slice()].concat()
        };
        self.0.insert(part_name(day, 0), leaves.iter().flat_map(with_length).collect());
    }

    /// Has the manifest say what is there now, and signs it: what only who has the keys can do.
    fn signed_anew(mut self, keys: &SealKeys, change: impl FnOnce(&mut Manifest)) -> Self {
        let mut of: Manifest = serde_json::from_slice(&self.0[manifest::MANIFEST_FILE]).unwrap();
        let names = [manifest::MANIFEST_FILE, manifest::SIGNATURE_FILE];
        of.files = self
            .0
            .iter()
            .filter(|(name, _)| !names.contains(&name.as_str()))
            .map(|(name, bytes)| manifest::FileEntry {
                name: name.clone(),
                sha256: Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
                bytes: bytes.len().try_into().unwrap(),
            })
            .collect();
        change(&mut of);
        let bytes = serde_json::to_vec(&of).unwrap();
        let signature = keys.sign_bytes(&manifest::signed_bytes(&bytes));
        let signature = manifest::signature_file(keys.public_key(), &signature);
        self.0.insert(manifest::MANIFEST_FILE.to_owned(), bytes);
        self.0.insert(manifest::SIGNATURE_FILE.to_owned(), signature);
        self
    }

    fn write(&self, sealing: &Sealing) -> PathBuf {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in &self.0 {
            archive.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        }
        let path = sealing.folder.path().join("attacked.zip");
        std::fs::write(&path, archive.finish().unwrap().into_inner()).unwrap();
        path
    }
}

/// A closed day, its bundle, and what others keep.
async fn closed() -> (Sealing, Files, Roots) {
    let mut sealing = Sealing::start().await;
    sealing.close().await;
    let roots = sealing.kept().await;
    let (path, _) = sealing.bundle("bundle.zip").await;
    let files = Files::read(&path);
    (sealing, files, roots)
}

/// Both verifiers refuse the bundle, and ours names this.
fn refused(path: &Path, said: &[&str]) {
    let fault = verify_bundle(path, None, &|_, _| {}).unwrap_err().to_string();
    for part in said {
        assert!(fault.contains(part), "{part}: {fault}");
    }
    let (code, text) = python(path, None);
    assert_eq!((code, text.contains("DOES NOT VERIFY")), (Some(2), true), "{said:?}: {text}");
}

#[tokio::test]
async fn a_byte_changed_in_any_file_is_found_in_that_file() {
    let (sealing, files, _) = closed().await;
    for name in files.names() {
        let mut attacked = files.clone();
        let bytes = attacked.0.get_mut(&name).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        let told = if name == manifest::SIGNATURE_FILE { manifest::MANIFEST_FILE } else { &name };
        refused(&attacked.write(&sealing), &[told]);
    }
    // The archive's own checksums find what is changed without repacking.
    let path = sealing.folder.path().join("bundle.zip");
    let whole = std::fs::read(&path).unwrap();
    let attacked = sealing.folder.path().join("attacked.zip");
    for at in (40..whole.len() - 40).step_by(97) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&attacked, bytes).unwrap();
        let verified = verify_bundle(&attacked, None, &|_, _| {});
        // A bit of a date or a flag in the archive's own directory changes no file.
        if let Ok(verified) = verified {
            assert_eq!(verified, verify_bundle(&path, None, &|_, _| {}).unwrap(), "byte {at}");
        }
    }
}

#[tokio::test]
async fn a_missing_or_added_file_is_named() {
    let (sealing, files, _) = closed().await;
    for name in files.names() {
        let mut attacked = files.clone();
        attacked.0.remove(&name);
        refused(&attacked.write(&sealing), &[&name, "missing"]);
        if name.contains("leaves") {
            let signed = attacked.signed_anew(&sealing.keys, |_| {});
            refused(&signed.write(&sealing), &[&name, "missing"]);
        }
    }
    let mut attacked = files.clone();
    attacked.0.insert("days/more.leaves".to_owned(), Vec::new());
    refused(&attacked.write(&sealing), &["days/more.leaves", "does not name"]);
}

#[tokio::test]
async fn an_archive_that_is_cut_off_is_no_bundle() {
    let (sealing, _, _) = closed().await;
    let whole = std::fs::read(sealing.folder.path().join("bundle.zip")).unwrap();
    let path = sealing.folder.path().join("attacked.zip");
    for length in [0, 1, whole.len() / 3, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        refused(&path, &["attacked.zip", "cut off"]);
    }
}

#[tokio::test]
async fn leaves_that_are_changed_taken_out_added_or_moved_are_not_the_day_that_was_sealed() {
    let (sealing, files, _) = closed().await;
    let (day, leaves) = (sealing.day, files.leaves(sealing.day));
    let at = leaves.iter().position(|leaf| leaf[..2] == [1, 1]).unwrap();
    let swapped = {
        let mut leaves = leaves.clone();
        leaves.swap(at, at + 1);
        leaves
    };
    let without = [&leaves[..at], &leaves[at + 1..]].concat();
    let (salted, committed) = (changed(&leaves, at, 2), changed(&leaves, at, 40));
    for attack in [swapped, salted, committed] {
        let mut attacked = files.clone();
        attacked.put_leaves(day, &attack);
        refused(
            &attacked.signed_anew(&sealing.keys, |_| {}).write(&sealing),
            &[&part_name(day, 0), "root"],
        );
    }
    let mut attacked = files.clone();
    attacked.put_leaves(day, &without);
    refused(
        &attacked.signed_anew(&sealing.keys, |_| {}).write(&sealing),
        &[&part_name(day, 0), "cut off"],
    );
    let mut attacked = files.clone();
    attacked.put_leaves(day, &[leaves.clone(), vec![leaves[at].clone()]].concat());
    let signed = attacked.signed_anew(&sealing.keys, |_| {});
    refused(&signed.write(&sealing), &[&part_name(day, 0), "more follows"]);
    // A settlement whose contents are not shown can not be decided anew.
    let hidden = onestop::bundle::entry::read(&leaves[at]).unwrap().hash();
    let mut hiding = leaves.clone();
    hiding[at] = [&[1, 0], hidden.as_slice()].concat();
    let mut attacked = files;
    attacked.put_leaves(day, &hiding);
    let signed = attacked.signed_anew(&sealing.keys, |_| {});
    refused(&signed.write(&sealing), &[&part_name(day, 0), &format!("leaf {at}"), "not shown"]);
}

fn changed(leaves: &[Vec<u8>], leaf: usize, byte: usize) -> Vec<Vec<u8>> {
    let mut leaves = leaves.to_vec();
    leaves[leaf][byte] ^= 1;
    leaves
}

#[tokio::test]
async fn a_settlement_or_posting_can_not_be_passed_off_as_a_change_of_the_registry() {
    let mut sealing = Sealing::start().await;
    sealing.post().await;
    sealing.close().await;
    let (path, _) = sealing.bundle("bundle.zip").await;
    let files = Files::read(&path);
    let leaves = files.leaves(sealing.day);
    for kind in [1, 2] {
        let mut leaves = leaves.clone();
        let leaf = leaves.iter_mut().find(|leaf| leaf[..2] == [kind, 1]).unwrap();
        let content = content_hash(
            leaf[2..34].try_into().unwrap(),
            leaf[34..66].try_into().unwrap(),
            &leaf[82..],
        );
        *leaf = [&[3, 0], content.as_slice()].concat();
        let mut attacked = files.clone();
        attacked.put_leaves(sealing.day, &leaves);
        // The manifest agrees: whoever has the keys signs what they like.
        let path = attacked.signed_anew(&sealing.keys, |of| match kind {
            1 => of.shown -= 1,
            _ => of.postings -= 1,
        });
        refused(&path.write(&sealing), &[&part_name(sealing.day, 0), "root"]);
    }
}

#[tokio::test]
async fn a_file_that_is_there_twice_is_refused() {
    let (sealing, files, _) = closed().await;
    let path = files.write(&sealing);
    let mut bytes = std::fs::read(&path).unwrap();
    // One entry more in the archive's own list: the end says how many there are, and the second one of a name takes the first one's place.
    let end = bytes.len() - 22;
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (size, start) = (number(end + 12), number(end + 16));
    let first_length = {
        let at = usize::try_from(start).unwrap();
        let of = |place: usize| {
            usize::from(u16::from_le_bytes([bytes[at + place], bytes[at + place + 1]]))
        };
        46 + of(28) + of(30) + of(32)
    };
    let at = usize::try_from(start).unwrap();
    let entry = bytes[at..at + first_length].to_vec();
    let count = u16::from_le_bytes([bytes[end + 10], bytes[end + 11]]) + 1;
    let size = size + u32::try_from(first_length).unwrap();
    bytes[end + 8..end + 10].copy_from_slice(&count.to_le_bytes());
    bytes[end + 10..end + 12].copy_from_slice(&count.to_le_bytes());
    bytes[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
    bytes.splice(end..end, entry);
    std::fs::write(&path, &bytes).unwrap();
    refused(&path, &["twice"]);
}

#[tokio::test]
async fn a_bundle_that_ends_before_the_roots_do_says_so() {
    let mut sealing = Sealing::start().await;
    sealing.close().await;
    let (path, made) = sealing.bundle("bundle.zip").await;
    sealing.close_in(24 * 40).await;
    let roots = sealing.kept().await;
    let verified = verify_bundle(&path, Some(&roots), &|_, _| {}).unwrap();
    let last = sealing.day.last_of_month();
    assert_eq!(verified.roots_go_on_to, (made.through < last).then_some(last));
    let (code, text) = python(&path, Some(&sealing.roots_file().await));
    let said = (code, text.contains("INCOMPLETE"));
    assert_eq!(
        said,
        if made.through < last { (Some(2), true) } else { (Some(0), false) },
        "{text}"
    );
}

#[tokio::test]
async fn a_head_that_is_changed_or_taken_out_is_named_by_its_line() {
    let (mut sealing, ..) = closed().await;
    // A month of which nothing is known but that it was quiet: a head before it, and one for each of its days.
    sealing.close_in(24 * 70).await;
    let next = sealing.day.last_of_month().tomorrow().unwrap();
    let path = sealing.folder.path().join("next.zip");
    let of = MonthOf { region: region(), month: next, so_far: false };
    let pool = &sealing.gateway.database.pool;
    make_bundle((pool, &sealing.keys), of, &path, &|_, _| {}).await.unwrap();
    let files = Files::read(&path);
    let heads = String::from_utf8(files.0[manifest::HEADS_FILE].clone()).unwrap();
    let lines: Vec<&str> = heads.lines().collect();
    assert!(28 < lines.len());
    let put = |text: String| {
        let mut attacked = files.clone();
        attacked.0.insert(manifest::HEADS_FILE.to_owned(), text.into_bytes());
        attacked.signed_anew(&sealing.keys, |_| {}).write(&sealing)
    };
    let first = lines[0].replacen("\"leaves\":", "\"leaves\":1", 1);
    refused(&put(format!("{first}\n{}\n", lines[1..].join("\n"))), &["heads.jsonl", "line 1"]);
    let signature = lines[1].find("\"signature\":\"").unwrap() + 13;
    let mut second = lines[1].to_owned();
    let other = if &second[signature..=signature] == "0" { "1" } else { "0" };
    second.replace_range(signature..=signature, other);
    let text = format!("{}\n{second}\n{}", lines[0], lines[2..].join("\n"));
    refused(&put(format!("{}\n", text.trim_end())), &["heads.jsonl", "line 2", "signature"]);
    refused(&put(format!("{}\n", lines[1..].join("\n"))), &["heads.jsonl", "day"]);
    let without = format!("{}\n{}\n", lines[0], lines[2..].join("\n"));
    refused(&put(without), &["heads.jsonl", "line 2", "previous"]);
    refused(&put(format!("{}\n", lines[..lines.len() - 1].join("\n"))), &["heads.jsonl", "day"]);
}

#[tokio::test]
async fn a_swapped_or_missing_package_is_found_also_where_the_manifest_names_it() {
    let (sealing, files, _) = closed().await;
    let of: Manifest = serde_json::from_slice(&files.0[manifest::MANIFEST_FILE]).unwrap();
    let [hash] = of.packages.as_slice() else { panic!("{:?}", of.packages) };
    let other = String::from_utf8(files.0[&package_name(hash)].clone())
        .unwrap()
        .replace("400.00", "300.00");
    let mut attacked = files.clone();
    attacked.0.insert(package_name(hash), other.clone().into_bytes());
    let signed = attacked.signed_anew(&sealing.keys, |_| {});
    refused(&signed.write(&sealing), &[&package_name(hash), "hash"]);
    // Another package under its own name does not stand for the one that decided.
    let other_hash = onestop::rulebook::parse::hash_of(other.as_bytes()).to_string();
    let mut attacked = files;
    attacked.0.remove(&package_name(hash));
    attacked.0.insert(package_name(&other_hash), other.into_bytes());
    let signed = attacked.signed_anew(&sealing.keys, |of| of.packages = vec![other_hash]);
    refused(&signed.write(&sealing), &[&part_name(sealing.day, 0), &sealing.ids[0], "package"]);
}

#[tokio::test]
async fn a_decision_that_the_rules_do_not_give_is_found_by_deciding_anew() {
    let mut sealing = Sealing::start().await;
    // Before it is sealed, and in every place: the row agrees with its record, the record with its hash, and all amounts add up.
    let id = sealing.ids[2].clone();
    let owner = sealing.gateway.database.owner().await;
    let row = owner
        .query_one("SELECT record FROM settlement WHERE settlement_id = $1", &[&id])
        .await
        .unwrap();
    let mut record = Record::from_bytes(row.get(0)).unwrap();
    let Body::Settled { outcome, .. } = &mut record.body else { panic!() };
    let fen = onestop::domain::money::Fen::new(1);
    let breakdown = &mut outcome.breakdown;
    breakdown.paid[0] = breakdown.paid[0].checked_add(fen).unwrap();
    breakdown.cash = breakdown.cash.checked_sub(fen).unwrap();
    outcome.layers[0].pay = outcome.layers[0].pay.checked_add(fen).unwrap();
    let bytes = record.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    sealing
        .as_superuser(&format!(
            "UPDATE settlement SET record = '\\x{bytes}', record_sha256 = sha256('\\x{bytes}'), pay_fen[1] = pay_fen[1] + 1,
                basic_pool_pay_fen = basic_pool_pay_fen + 1, fund_pay_total_fen = fund_pay_total_fen + 1,
                patient_pay_fen = patient_pay_fen - 1, cash_pay_fen = cash_pay_fen - 1
             WHERE settlement_id = '{id}'"
        ))
        .await;
    sealing.close().await;
    let roots = sealing.kept().await;
    assert_eq!(sealing.differences(Some(&roots)).await, <[String; 0]>::default());
    let (path, _) = sealing.bundle("bundle.zip").await;
    let fault = verify_bundle(&path, Some(&roots), &|_, _| {}).unwrap_err();
    assert_eq!(
        (fault.file, fault.record, fault.field.as_str()),
        (part_name(sealing.day, 0), id, "decision")
    );
    // The other verifier decides nothing anew, and says so.
    let (code, text) = python(&path, None);
    assert!(code == Some(0) && text.contains("decisions were not made anew"), "{text}");
}

#[tokio::test]
async fn a_posting_that_does_not_balance_is_named() {
    let mut sealing = Sealing::start().await;
    let [advance, _] = sealing.post().await;
    sealing.close().await;
    let (path, _) = sealing.bundle("bundle.zip").await;
    let mut files = Files::read(&path);
    let mut leaves = files.leaves(sealing.day);
    // Its last number is the amount of its last line.
    let leaf = leaves.iter_mut().find(|leaf| leaf[..2] == [2, 1]).unwrap();
    *leaf.last_mut().unwrap() ^= 1;
    files.put_leaves(sealing.day, &leaves);
    let path = files.signed_anew(&sealing.keys, |_| {}).write(&sealing);
    refused(&path, &[&part_name(sealing.day, 0), &advance, "lines", "balance"]);
}

#[tokio::test]
async fn records_under_another_persons_pseudonym_do_not_follow_from_each_other() {
    let (sealing, files, _) = closed().await;
    let mut leaves = files.leaves(sealing.day);
    // Two of them belong to the first person: a settlement and its reversal. They are put under the second one's pseudonym.
    let shown: Vec<usize> = (0..leaves.len()).filter(|at| leaves[*at][1] == 1).collect();
    let other = leaves[shown[1]][66..82].to_vec();
    for at in [shown[0], shown[5]] {
        leaves[at][66..82].copy_from_slice(&other);
    }
    let mut attacked = files;
    attacked.put_leaves(sealing.day, &leaves);
    let path = attacked.signed_anew(&sealing.keys, |_| {}).write(&sealing);
    refused(&path, &["ledger_version"]);
}

#[tokio::test]
async fn a_bundle_of_a_day_sealed_anew_agrees_with_itself_alone() {
    let (mut sealing, _, roots) = closed().await;
    let kept = sealing.roots_file().await;
    sealing
        .as_superuser(&format!(
            "UPDATE settlement SET clearing_way = 'x' WHERE settlement_id = '{}';
             DELETE FROM seal_head; DELETE FROM seal_block; UPDATE seal_cursor SET read_to = '2000-01-01Z'",
            sealing.ids[1]
        ))
        .await;
    let pool = sealing.gateway.database.pool.clone();
    sealing.sealer = onestop::app::seal::Sealer::new(pool, Arc::clone(&sealing.keys), None);
    sealing.close().await;
    let (path, _) = sealing.bundle("again.zip").await;
    assert!(verify_bundle(&path, None, &|_, _| {}).is_ok());
    let fault = verify_bundle(&path, Some(&roots), &|_, _| {}).unwrap_err();
    assert_eq!((fault.file.as_str(), fault.field.as_str()), (manifest::HEADS_FILE, "head"));
    assert_eq!(python(&path, Some(&kept)).0, Some(2));
    // Roots that end before the bundle does say nothing of what came behind them.
    let earlier: Roots = roots.into_iter().filter(|((_, day), _)| *day < sealing.day).collect();
    let fault = verify_bundle(&path, Some(&earlier), &|_, _| {}).unwrap_err();
    assert_eq!((fault.file.as_str(), fault.field.as_str()), (manifest::HEADS_FILE, "day"));
}

#[tokio::test]
async fn a_manifest_signed_by_a_stranger_is_told_and_proves_what_is_sealed_all_the_same() {
    let (sealing, files, roots) = closed().await;
    let folder = sealing.folder.path().join("keys");
    onestop::keys::init(&folder).unwrap();
    let stranger = SealKeys::load(&folder).unwrap().unwrap();
    let path = files.signed_anew(&stranger, |_| {}).write(&sealing);
    let verified = verify_bundle(&path, Some(&roots), &|_, _| {}).unwrap();
    assert!(!verified.is_signer_known);
    let (code, text) = python(&path, Some(&sealing.roots_file().await));
    assert!(code == Some(0) && text.contains("signed no head here or in the roots"), "{text}");
}

#[tokio::test]
async fn a_bundle_signed_by_a_key_that_came_after_the_month_verifies_with_roots_that_have_it() {
    let (mut sealing, _, earlier) = closed().await;
    onestop::keys::rotate_seals(&sealing.gateway.keys_dir()).unwrap();
    sealing.keys = Arc::new(SealKeys::load(&sealing.gateway.keys_dir()).unwrap().unwrap());
    let (path, _) = sealing.bundle("rotated.zip").await;
    assert!(verify_bundle(&path, None, &|_, _| {}).is_ok());
    assert_eq!(python(&path, None).0, Some(0));
    // Who kept the roots of before can verify it too, and is told that the key is not among theirs.
    assert!(!verify_bundle(&path, Some(&earlier), &|_, _| {}).unwrap().is_signer_known);
    let pool = sealing.gateway.database.pool.clone();
    sealing.sealer = onestop::app::seal::Sealer::new(pool, Arc::clone(&sealing.keys), None);
    sealing.close_in(96).await;
    let later: Roots = sealing.kept().await;
    assert!(verify_bundle(&path, Some(&later), &|_, _| {}).unwrap().is_signer_known);
}
