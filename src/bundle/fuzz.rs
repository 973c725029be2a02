//! Bundles as anybody may make them, for the fuzz targets: an archive as it comes; and one that is signed and whole but for one of its
//! files, since nobody gets past a signature by chance.

use std::io::{Cursor, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use jiff::civil::Date;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sha2::{Digest as _, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::manifest::{
    DayFiles, FORMAT_FILE, FileEntry, HEADS_FILE, MANIFEST_FILE, Manifest, SIGNATURE_FILE,
    package_name, part_name, signature_file, signed_bytes,
};
use super::text::hex;
use super::verify::{ReadPackage, Verified, verify};
use super::{FORMAT, PART_LEAVES, entry, roots};
use crate::domain::ids::RegionCode;
use crate::domain::seal::head::{Head, SignedHead, key_id};
use crate::domain::seal::tree::Tree;

/// The day that leaves are of.
const DAY: Date = jiff::civil::date(2024, 6, 30);
/// Its region.
const REGION: &str = "520200";

/// What the other files of a bundle are made with.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// A package's hash and its canonical bytes, for each.
    pub packages: &'a [(String, Vec<u8>)],
    /// Reads one.
    pub read: ReadPackage<'a>,
}

impl std::fmt::Debug for Rules<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("packages", &self.packages.len()).finish_non_exhaustive()
    }
}

/// What the first byte says: `a` an archive, `h` lines of heads, `l` the leaves of a day, `m` a manifest. What the bundle says, where it
/// verifies.
pub fn bundle(bytes: &[u8], rules: Rules<'_>) -> Option<Verified> {
    let (what, bytes) = bytes.split_first()?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).ok()?;
    match *what {
        b'a' => verified(bytes, rules),
        b'h' => heads(bytes, &pair, rules),
        b'l' => leaves(bytes, &pair, rules),
        b'm' => verified(&packed(&[(FORMAT_FILE.to_owned(), Vec::new())], bytes, &pair), rules),
        _ => None,
    }
}

/// Lines of heads, by themselves and in a bundle.
fn heads(bytes: &[u8], pair: &Ed25519KeyPair, rules: Rules<'_>) -> Option<Verified> {
    for line in String::from_utf8_lossy(bytes).lines() {
        if let Some(signed) = roots::from_line(line) {
            assert_eq!(roots::to_line(&signed), line, "a head has one spelling");
            roots::is_signed(&signed);
        }
    }
    let files = vec![(FORMAT_FILE.to_owned(), Vec::new()), (HEADS_FILE.to_owned(), bytes.to_vec())];
    let manifest = manifest(&files, (0, [0, 0]), &[]);
    verified(&packed(&files, &manifest, pair), rules)
}

/// The leaves of a day, sealed as they come: whatever the one with the keys may have sealed. What verifies has as many of each as it says.
fn leaves(bytes: &[u8], pair: &Ed25519KeyPair, rules: Rules<'_>) -> Option<Verified> {
    let (mut tree, mut kinds, mut rest) = (Tree::default(), [0_u64; 2], bytes);
    while let Some((length, more)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok();
        let Some((leaf, after)) = length.and_then(|length| more.split_at_checked(length)) else {
            break;
        };
        let read = entry::read(leaf);
        tree.push(read.map_or([0; 32], |leaf| leaf.hash()));
        match read {
            Some(entry::Leaf::Shown(shown)) if shown.kind.number() == 1 => kinds[0] += 1,
            Some(entry::Leaf::Shown(shown)) if shown.kind.number() == 2 => kinds[1] += 1,
            Some(_) | None => {}
        }
        rest = after;
    }
    let leaves = tree.leaves();
    if PART_LEAVES < leaves {
        return None;
    }
    let signed = head(&tree, pair)?;
    let mut files = vec![
        (FORMAT_FILE.to_owned(), Vec::new()),
        (HEADS_FILE.to_owned(), format!("{}\n", roots::to_line(&signed)).into_bytes()),
    ];
    let packages = rules.packages.iter();
    files.extend(packages.map(|(hash, bytes)| (package_name(hash), bytes.clone())));
    if 0 < leaves {
        files.push((part_name(DAY, 0), bytes.to_vec()));
    }
    let packages: Vec<String> = rules.packages.iter().map(|(hash, _)| hash.clone()).collect();
    let manifest = manifest(&files, (leaves, kinds), &packages);
    let found = verified(&packed(&files, &manifest, pair), rules)?;
    assert!(leaves == 0 || rest.is_empty(), "nothing stands behind the last leaf");
    let shown = [found.settlements + found.reversals, found.postings];
    assert_eq!((found.leaves, shown), (leaves, kinds), "all of them were looked at");
    Some(found)
}

fn head(tree: &Tree, pair: &Ed25519KeyPair) -> Option<SignedHead> {
    let public_key = public_key(pair)?;
    let head = Head {
        is_final: true,
        region: RegionCode::new(REGION)?,
        day: DAY,
        leaves: tree.leaves(),
        root: tree.root(),
        previous: [0; 32],
        sealed_at: Timestamp::UNIX_EPOCH,
        key: key_id(&public_key),
    };
    let signature = signed(&head.to_bytes(), pair)?;
    Some(SignedHead { head, public_key, signature })
}

fn manifest(
    files: &[(String, Vec<u8>)],
    (leaves, [shown, postings]): (u64, [u64; 2]),
    packages: &[String],
) -> Vec<u8> {
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        region: REGION.to_owned(),
        month: "2024-06".to_owned(),
        through: DAY,
        made_at: String::new(),
        made_by: String::new(),
        leaves,
        shown,
        postings,
        days: vec![DayFiles { day: DAY, leaves, parts: u64::from(0 < leaves) }],
        packages: packages.to_vec(),
        files: files.iter().map(|(name, bytes)| listed(name, bytes)).collect(),
    };
    serde_json::to_vec(&manifest).unwrap_or_default()
}

fn listed(name: &str, bytes: &[u8]) -> FileEntry {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    let bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    FileEntry { name: name.to_owned(), sha256: hex(&hash), bytes }
}

/// An archive of these files, with a manifest that is signed.
fn packed(files: &[(String, Vec<u8>)], manifest: &[u8], pair: &Ed25519KeyPair) -> Vec<u8> {
    let signature = signed(&signed_bytes(manifest), pair).unwrap_or([0; 64]);
    let signature = signature_file(&public_key(pair).unwrap_or_default(), &signature);
    let signed = [(MANIFEST_FILE, manifest), (SIGNATURE_FILE, &signature)];
    let all = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).chain(signed);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in all {
        let written = zip.start_file(name, options);
        assert!(written.is_ok() && zip.write_all(bytes).is_ok(), "memory takes all");
    }
    zip.finish().map(Cursor::into_inner).unwrap_or_default()
}

/// What an archive says that verifies.
fn verified(archive: &[u8], rules: Rules<'_>) -> Option<Verified> {
    let path = file();
    std::fs::write(&path, archive).ok()?;
    let found = verify(&path, None, rules.read, &|_, _| {});
    std::fs::remove_file(&path).ok();
    found.ok()
}

/// A file of this bundle alone, for a verifier opens what it verifies more than once, and tests of one process verify side by side.
fn file() -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let (process, number) = (std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    std::env::temp_dir().join(format!("onestop-fuzz-bundle-{process}-{number}"))
}

fn public_key(pair: &Ed25519KeyPair) -> Option<[u8; 32]> {
    pair.public_key().as_ref().try_into().ok()
}

fn signed(message: &[u8], pair: &Ed25519KeyPair) -> Option<[u8; 64]> {
    pair.sign(message).as_ref().try_into().ok()
}
