//! A folder of packages: found, read, and checked one by one and against each other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dictionary;
use super::fault::{Fault, Faults, refused};
use super::lock::Lock;
use super::parse;
use super::read::FILE_BYTES_MAX;
use super::{Entry, Packages};
use crate::domain::rules::Package;
use crate::domain::rules::check::{check, set::check_set};

/// The name of a package's file.
pub const PACKAGE_FILE: &str = "package.toml";
/// The folder of packages that no production server loads.
pub const EXAMPLES: &str = "examples";
/// How deep folders are searched: region, scheme and period, with room for a folder around them.
const FOLDERS_MAX: usize = 8;

/// Loads the packages of a folder, `<region>/<scheme>/<period>/package.toml`, with all faults at once. The packages are
/// complete only where nothing is refused.
pub fn load(folder: &Path, examples: bool) -> (Packages, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut entries = Vec::new();
    let mut example_entries = Vec::new();
    for path in package_files(folder, &mut faults) {
        let inner = path.strip_prefix(folder).unwrap_or(&path);
        let example = inner.starts_with(EXAMPLES);
        if example && !examples {
            continue;
        }
        let (entry, mut found) = load_file(&path);
        if let Some(entry) = &entry
            && !example
        {
            found.extend(misplaced(inner, entry));
        }
        faults.extend(found);
        if example { example_entries.extend(entry) } else { entries.extend(entry) }
    }
    faults.extend(among(&entries));
    faults.extend(dictionary::load(folder).1);
    // Examples may overlap each other and the real ones; only their ids must differ.
    let (lock, lock_faults) = Lock::read(folder);
    faults.extend(lock_faults);
    // A package that was refused is not gone; its own faults say enough.
    if !refused(&faults) {
        faults.extend(lock.check(folder, &entries));
    }
    entries.extend(example_entries);
    entries.sort_by(|a, b| {
        let key = |entry: &Entry| (entry.package.region, entry.package.scheme, entry.package.from);
        key(a).cmp(&key(b)).then_with(|| a.package.id.cmp(&b.package.id))
    });
    (Packages { entries }, faults)
}

/// Loads one package and checks it by itself.
pub fn load_file(path: &Path) -> (Option<Entry>, Vec<Fault>) {
    let file = path.display().to_string();
    let text = match read_text(path) {
        Ok(text) => text,
        Err(faults) => return (None, faults),
    };
    let (parsed, mut list) = parse::parse(&file, &text);
    let Some(parsed) = parsed else { return (None, list) };
    let mut faults = Faults::new(&file);
    faults.add_findings(check(&parsed.package));
    list.extend(faults.into_list());
    let (package, canonical) = (Arc::new(parsed.package), parsed.canonical.into());
    (Some(Entry { package, canonical, file, id_line: parsed.id_line }), list)
}

/// The text of a rule file, unless it is too large or no text.
pub fn read_text(path: &Path) -> Result<String, Vec<Fault>> {
    let mut faults = Faults::new(&path.display().to_string());
    let size = std::fs::metadata(path).map(|metadata| metadata.len());
    let largest = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let text = match size {
        Ok(size) if largest < size => {
            let en = format!("the file has {size} bytes; at most {largest} are read");
            faults.error(0, "", (en, format!("文件有 {size} 字节，最多 {largest}")));
            return Err(faults.into_list());
        }
        Ok(_) | Err(_) => std::fs::read_to_string(path),
    };
    text.map_err(|error| {
        let message = (format!("it can not be read: {error}"), format!("无法读取：{error}"));
        faults.error(0, "", message);
        faults.into_list()
    })
}

/// Packages against each other.
fn among(entries: &[Entry]) -> Vec<Fault> {
    let packages: Vec<&Package> = entries.iter().map(|entry| &*entry.package).collect();
    let mut list = Vec::new();
    for (at, finding) in check_set(&packages) {
        let Some(entry) = entries.get(at) else { continue };
        let mut faults = Faults::new(&entry.file);
        faults.add_findings(vec![finding]);
        list.extend(faults.into_list());
    }
    list
}

/// A package stands where its region and scheme say.
fn misplaced(inner: &Path, entry: &Entry) -> Vec<Fault> {
    let region = entry.package.region.to_string();
    let scheme = entry.package.scheme.word();
    let folders: Vec<String> =
        inner.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let fits = matches!(folders.as_slice(), [a, b, _, _] if *a == region && *b == scheme);
    let mut faults = Faults::new(&entry.file);
    if !fits {
        let en = format!("it must stand in {region}/{scheme}/<period>/{PACKAGE_FILE}");
        faults.error(0, "", (en, format!("应位于 {region}/{scheme}/<期间>/{PACKAGE_FILE}")));
    }
    faults.into_list()
}

/// All package files of a folder, in order of their paths.
pub fn package_files(folder: &Path, faults: &mut Vec<Fault>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    find(folder, PACKAGE_FILE, FOLDERS_MAX, &mut (&mut files, faults));
    files.sort();
    files
}

fn find(folder: &Path, name: &str, depth: usize, into: &mut (&mut Vec<PathBuf>, &mut Vec<Fault>)) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let mut faults = Faults::new(&folder.display().to_string());
            let message = (format!("it can not be read: {error}"), format!("无法读取：{error}"));
            faults.error(0, "", message);
            into.1.extend(faults.into_list());
            return;
        }
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && 0 < depth {
            find(&path, name, depth.saturating_sub(1), into);
        } else if entry.file_name() == name {
            into.0.push(path);
        }
    }
}
