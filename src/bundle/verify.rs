//! Verifies a bundle without a database, a network or us: files, signatures, chain, trees, and every decision anew.
//!
//! Two threads verify the files of leaves, each a subtree by itself; what concerns several files is compared at the end. What is wrong is
//! told by the first file, record and field that does not verify.

mod across;
mod part;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

use jiff::civil::Date;

use super::manifest::{
    DayFiles, FORMAT_FILE, FileEntry, HEADS_FILE, MANIFEST_FILE, Manifest, SIGNATURE_FILE,
    package_name, part_name, signer,
};
use super::read::Archive;
use super::roots::{self, Roots};
use super::{FORMAT, PART_HEIGHT, PART_LEAVES};
use crate::domain::ids::{PackageHash, RegionCode};
use crate::domain::rules::Package;
use crate::domain::seal::head::SignedHead;
use crate::domain::seal::tree::Tree;

use self::part::{Part, PartDone};
pub use super::fault::Fault;

/// Reads a rule package from its canonical bytes.
pub type ReadPackage<'a> = &'a (dyn Fn(&[u8]) -> Option<Package> + Sync);

/// What a bundle that verifies says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The insured region.
    pub region: String,
    /// The month.
    pub month: String,
    /// Up to which day of it.
    pub through: Date,
    /// How many days.
    pub days: usize,
    /// How many leaves.
    pub leaves: u64,
    /// How many settlements, each decided anew.
    pub settlements: u64,
    /// How many reversals.
    pub reversals: u64,
    /// How many of them undo a settlement of another month, which is not here.
    pub reversals_of_others: u64,
    /// How many postings, each of which balances.
    pub postings: u64,
    /// How many persons, by their pseudonyms.
    pub persons: u64,
    /// How many records were seen to follow from the one before of the same pseudonym.
    pub links: u64,
    /// What all settlements come to: total, funds, patients, in fen.
    pub totals_fen: [i128; 3],
    /// How many of its days stand in the roots that somebody else keeps; nothing where none were given.
    pub days_in_roots: Option<usize>,
    /// The last day of its month that these roots have, where the bundle ends before: it is not the whole of what was sealed.
    pub roots_go_on_to: Option<Date>,
    /// Did the key that signed the manifest sign any head, here or in the roots? What is sealed is proven also where it did not: by one
    /// that came later, or by a stranger, who can have changed nothing but pseudonyms.
    pub is_signer_known: bool,
}

/// What all threads look at.
struct Shared {
    region: RegionCode,
    packages: BTreeMap<PackageHash, Package>,
    parts: Vec<Part>,
}

/// A day that is to be verified: its head, and the trees of its parts as they come in.
struct Day {
    signed: SignedHead,
    parts: std::ops::Range<usize>,
}

/// Verifies a bundle, and tells how far it is: leaves verified, of all.
pub fn verify(
    path: &Path,
    roots: Option<&Roots>,
    read_package: ReadPackage<'_>,
    progress: &dyn Fn(u64, u64),
) -> Result<Verified, Fault> {
    let mut archive = Archive::open(path)?;
    let (manifest, key) = read_manifest(&mut archive)?;
    let files = listed(&archive, &manifest)?;
    let region = RegionCode::new(&manifest.region)
        .ok_or_else(|| Fault::of_file(MANIFEST_FILE, BAD_MANIFEST).in_field("region"))?;
    let entry = |name: &str| {
        files
            .get(name)
            .copied()
            .ok_or_else(|| Fault::of_file(name, ("the file is missing", "缺少该文件")))
    };
    archive.listed(entry(FORMAT_FILE)?)?;
    let heads = read_heads(&archive.listed(entry(HEADS_FILE)?)?, &manifest, region)?;
    let kept = roots.into_iter().flat_map(BTreeMap::values);
    let is_signer_known = heads.iter().chain(kept).any(|signed| signed.public_key == key);
    let days_in_roots = roots.map(|roots| compare_roots(&heads, roots, region)).transpose()?;
    let roots_go_on_to = roots.and_then(|roots| last_of_month(roots, &manifest, region));
    let mut packages = BTreeMap::new();
    for hash in &manifest.packages {
        let name = package_name(hash);
        let bytes = archive.listed(entry(&name)?)?;
        let read = read_package(&bytes).filter(|package| package.hash.to_string() == *hash);
        let why = ("it is not the rule package that its name says", "政策包与其散列不符");
        let package = read.ok_or_else(|| Fault::of_file(&name, why).in_field("hash"))?;
        packages.insert(package.hash, package);
    }
    let (days, parts) = plan(&manifest, heads, &files)?;
    let shared = Shared { region, packages, parts };
    let done = verify_parts(path, &shared, manifest.leaves, progress)?;
    for day in &days {
        check_tree(day, &shared, &done)?;
    }
    let mut verified = across::check(&shared.parts, &done)?;
    let shown = verified.settlements.saturating_add(verified.reversals);
    let counted = (verified.leaves, shown, verified.postings);
    if counted != (manifest.leaves, manifest.shown, manifest.postings) {
        let told = Fault::of_file(MANIFEST_FILE, BAD_MANIFEST);
        return Err(told.in_field("leaves, shown, postings"));
    }
    verified.region = manifest.region;
    verified.month = manifest.month;
    verified.through = manifest.through;
    verified.days = days.len();
    verified.days_in_roots = days_in_roots;
    verified.roots_go_on_to = roots_go_on_to;
    verified.is_signer_known = is_signer_known;
    Ok(verified)
}

const BAD_MANIFEST: (&str, &str) =
    ("the manifest does not fit what is in the bundle", "清单与证据包内容不符");

/// The manifest, and the key that signed it.
fn read_manifest(archive: &mut Archive) -> Result<(Manifest, [u8; 32]), Fault> {
    let bytes = archive.whole(MANIFEST_FILE)?;
    let signature = archive.whole(SIGNATURE_FILE)?;
    let unsigned = (
        "the manifest was changed after it was signed, or its signature was",
        "清单或其签名在签署后被改动",
    );
    let key = signer(&bytes, &signature)
        .ok_or_else(|| Fault::of_file(MANIFEST_FILE, unsigned).in_field("signature"))?;
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| {
        Fault::of_file(MANIFEST_FILE, ("it can not be read", "无法读取")).because(&error)
    })?;
    if manifest.format != FORMAT {
        let why =
            ("the bundle is of a format that this release does not know", "证据包格式不受支持");
        return Err(Fault::of_file(MANIFEST_FILE, why).in_field("format"));
    }
    Ok((manifest, key))
}

/// The files by name: those of the manifest, which must be all that are there.
fn listed<'a>(
    archive: &Archive,
    manifest: &'a Manifest,
) -> Result<BTreeMap<&'a str, &'a FileEntry>, Fault> {
    let files: BTreeMap<&str, &FileEntry> =
        manifest.files.iter().map(|entry| (entry.name.as_str(), entry)).collect();
    if files.len() != manifest.files.len() {
        return Err(Fault::of_file(MANIFEST_FILE, BAD_MANIFEST).in_field("files"));
    }
    let mut seen = BTreeSet::new();
    for name in archive.names()? {
        let expected =
            files.contains_key(name.as_str()) || name == MANIFEST_FILE || name == SIGNATURE_FILE;
        if !expected || !seen.insert(name.clone()) {
            return Err(Fault::of_file(
                &name,
                ("the manifest does not name this file", "清单中没有该文件"),
            ));
        }
    }
    match files.keys().find(|name| !seen.contains(**name)) {
        Some(missing) => Err(Fault::of_file(missing, ("the file is missing", "缺少该文件"))),
        None => Ok(files),
    }
}

/// The heads: signed, of the region, each chained to the one of the day before, through the days of the month up to where it says.
fn read_heads(
    bytes: &[u8],
    manifest: &Manifest,
    region: RegionCode,
) -> Result<Vec<SignedHead>, Fault> {
    let fault = |line: usize, field: &str, why| {
        Fault::of_file(HEADS_FILE, why).at(&format!("line {line}")).in_field(field)
    };
    let text = String::from_utf8_lossy(bytes);
    let mut heads: Vec<SignedHead> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let signed = roots::from_line(line)
            .ok_or_else(|| fault(number, "line", ("it is not a head", "不是有效的封印")))?;
        if !roots::is_signed(&signed) {
            return Err(fault(
                number,
                "signature",
                ("the signature is not that of its key", "封印签名无效"),
            ));
        }
        if signed.head.region != region {
            return Err(fault(
                number,
                "region",
                ("the head is of another region", "封印属于其他参保地"),
            ));
        }
        if let Some(before) = heads.last() {
            let follows = before.head.day.tomorrow().is_ok_and(|day| day == signed.head.day);
            if !follows || signed.head.previous != before.head.hash() {
                let why = ("the head does not follow the one before it", "封印与前一日不衔接");
                return Err(fault(number, "previous", why));
            }
        }
        heads.push(signed);
    }
    let first = heads.iter().position(|signed| is_in_month(signed.head.day, manifest));
    let last = heads.last().map(|signed| signed.head.day);
    // One head may stand before the month; where none does, the chain begins in it, or on its first day.
    let begins =
        first == Some(1) || heads.first().is_some_and(|signed| signed.head.previous == [0; 32]);
    if !begins || first.is_none_or(|first| 1 < first) || last != Some(manifest.through) {
        let why = ("the heads are not those of the month", "封印未覆盖该月份");
        return Err(Fault::of_file(HEADS_FILE, why).in_field("day"));
    }
    Ok(heads)
}

/// Each head must be the one that others keep, where they keep one of its day; and they must keep some.
fn compare_roots(heads: &[SignedHead], roots: &Roots, region: RegionCode) -> Result<usize, Fault> {
    let mut found = 0_usize;
    for (signed, line) in heads.iter().zip(1_usize..) {
        let Some(kept) = roots.get(&(region, signed.head.day)) else { continue };
        if kept.head.hash() != signed.head.hash() {
            let why = ("another head of this day was published", "与已公布的该日封印不同");
            return Err(Fault::of_file(HEADS_FILE, why)
                .at(&format!("line {line}"))
                .in_field("head"));
        }
        found = found.saturating_add(1);
    }
    // The chain leads from the last head that is kept back to all before it; what comes behind it nobody vouches for.
    let last = heads.last().map(|signed| (region, signed.head.day));
    if last.is_none_or(|last| !roots.contains_key(&last)) {
        let why = ("the roots do not have its last day", "所给的封印清单中没有最后一日");
        return Err(Fault::of_file(HEADS_FILE, why).in_field("day"));
    }
    Ok(found)
}

/// The last day of the bundle's month that roots have, where it is behind its end.
fn last_of_month(roots: &Roots, manifest: &Manifest, region: RegionCode) -> Option<Date> {
    let of_region = roots.keys().filter(|(of, _)| *of == region).map(|(_, day)| *day);
    let last = of_region.filter(|day| is_in_month(*day, manifest)).max()?;
    (manifest.through < last).then_some(last)
}

fn is_in_month(day: Date, manifest: &Manifest) -> bool {
    day.strftime("%Y-%m").to_string() == manifest.month
}

/// The days that are to be verified, and the parts that they are made of.
fn plan(
    manifest: &Manifest,
    heads: Vec<SignedHead>,
    files: &BTreeMap<&str, &FileEntry>,
) -> Result<(Vec<Day>, Vec<Part>), Fault> {
    let (mut days, mut parts, mut told) = (Vec::new(), Vec::new(), manifest.days.iter());
    for signed in heads {
        let (day, leaves) = (signed.head.day, signed.head.leaves);
        if !is_in_month(day, manifest) {
            continue;
        }
        let begin = parts.len();
        let mut left = leaves;
        while 0 < left {
            let some = left.min(PART_LEAVES);
            let number = u64::try_from(parts.len().saturating_sub(begin)).unwrap_or(u64::MAX);
            let name = part_name(day, number);
            let missing = || Fault::of_file(&name, ("the file is missing", "缺少该文件"));
            let entry = (*files.get(name.as_str()).ok_or_else(missing)?).clone();
            parts.push(Part { day, leaves: some, entry });
            left = left.saturating_sub(some);
        }
        let number = u64::try_from(parts.len().saturating_sub(begin)).unwrap_or(u64::MAX);
        if told.next() != Some(&DayFiles { day, leaves, parts: number }) {
            return Err(Fault::of_file(MANIFEST_FILE, BAD_MANIFEST).in_field("days"));
        }
        days.push(Day { signed, parts: begin..parts.len() });
    }
    let others = files.len().saturating_sub(parts.len());
    // All else are the packages, the heads and the format.
    if told.next().is_some() || others != manifest.packages.len().saturating_add(2) {
        return Err(Fault::of_file(MANIFEST_FILE, BAD_MANIFEST).in_field("files"));
    }
    Ok((days, parts))
}

/// Verifies all parts on two threads. Of several faults the first one is told.
fn verify_parts(
    path: &Path,
    shared: &Shared,
    leaves: u64,
    progress: &dyn Fn(u64, u64),
) -> Result<Vec<PartDone>, Fault> {
    let next = AtomicUsize::new(0);
    // The first part that is known not to verify: those behind it need not be looked at.
    let worst = AtomicUsize::new(shared.parts.len());
    let fault: Mutex<Option<(usize, Fault)>> = Mutex::new(None);
    let note = |at: usize, found: Fault| {
        worst.fetch_min(at, Ordering::AcqRel);
        let mut held = fault.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_none_or(|(before, _)| at < *before) {
            *held = Some((at, found));
        }
    };
    let mut done: BTreeMap<usize, PartDone> = BTreeMap::new();
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(4);
        for _ in 0..THREADS {
            let (sender, next, worst, note) = (sender.clone(), &next, &worst, &note);
            scope.spawn(move || {
                let mut archive = match Archive::open(path) {
                    Ok(archive) => archive,
                    Err(found) => return note(0, found),
                };
                loop {
                    let at = next.fetch_add(1, Ordering::AcqRel);
                    let Some(part) = shared.parts.get(at) else { return };
                    if worst.load(Ordering::Acquire) < at {
                        return;
                    }
                    match part.verify(&mut archive, shared) {
                        Ok(verified) => {
                            sender.send((at, verified)).ok();
                        }
                        Err(found) => note(at, found),
                    }
                }
            });
        }
        drop(sender);
        let mut verified = 0_u64;
        for (at, part) in receiver {
            verified = verified.saturating_add(part.tree.leaves());
            progress(verified, leaves);
            done.insert(at, part);
        }
    });
    match fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, fault)) => Err(fault),
        None => Ok(done.into_values().collect()),
    }
}

/// As many as verify at once. Each holds some leaves and what its parts leave to be compared.
const THREADS: usize = 2;

/// Do the parts of a day make up the tree that its head was signed for?
fn check_tree(day: &Day, shared: &Shared, done: &[PartDone]) -> Result<(), Fault> {
    let mut tree = Tree::default();
    for part in done.get(day.parts.clone()).unwrap_or_default() {
        if part.tree.leaves() == PART_LEAVES {
            // In its place by how the day was planned.
            let _ = tree.push_subtree(PART_HEIGHT, part.tree.root());
        } else {
            tree.append(&part.tree);
        }
    }
    let head = &day.signed.head;
    if (tree.leaves(), tree.root()) == (head.leaves, head.root) {
        return Ok(());
    }
    let first = shared.parts.get(day.parts.start).map(|part| part.entry.name.as_str());
    let why = ("the leaves of the day are not those that were sealed", "该日内容与封印不符");
    Err(Fault::of_file(first.unwrap_or(HEADS_FILE), why).in_field("root"))
}
