//! Rule files to packages: read, checked, locked, chosen, and swapped while serving. The only place that reads rule files.

pub mod cases;
pub mod dictionary;
pub mod explain;
pub mod fault;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod load;
pub mod lock;
pub mod parse;
pub mod read;
pub mod shapes;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::civil::Date;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::domain::ids::{PackageHash, RegionCode};
use crate::domain::rules::Package;
use crate::domain::standing::Scheme;
use dictionary::{Dictionaries, Dictionary};
use fault::{Fault, refused, split};
use lock::Lock;

/// Editors and copies write a file in several steps; a change is read when none has come for this long.
const QUIET: Duration = Duration::from_millis(300);

/// A package in force, with the bytes that its hash stands for.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The package.
    pub package: Arc<Package>,
    /// Its canonical form, to be stored and read back with [`parse::parse_canonical`].
    pub canonical: Arc<[u8]>,
    /// Where it was read.
    pub file: String,
    /// The line of its `id`.
    pub id_line: u32,
}

/// The packages of one moment.
#[derive(Clone, Debug, Default)]
pub struct Packages {
    /// All of them, by region, scheme and first day.
    pub entries: Vec<Entry>,
}

/// The packages in force, swapped as a whole.
#[derive(Debug)]
pub struct RuleBook {
    folder: PathBuf,
    examples: bool,
    current: ArcSwap<Packages>,
    dictionaries: ArcSwap<Dictionaries>,
    locked: bool,
    warnings_at_start: usize,
    unlocked_at_start: Vec<Fault>,
    swaps: AtomicU64,
    refusals: AtomicU64,
}

/// A set of rule files that can not be taken.
#[derive(Debug, thiserror::Error)]
#[error("the rule packages are refused, errors: {}\n{}", errors.len(), lines(errors))]
pub struct Refused {
    /// Why, all at once; what is only worth a look is left out.
    pub errors: Vec<Fault>,
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What became of a reload.
#[derive(Debug)]
pub enum Reload {
    /// The new set is in force; these warnings came with it.
    Swapped(Vec<Fault>),
    /// The old set stays in force.
    Refused {
        /// Why.
        errors: Vec<Fault>,
        /// What would not have kept the new set out.
        warnings: Vec<Fault>,
    },
}

impl Packages {
    /// The package for a discharge date, of those known on a day: the one known last, past those that it supersedes.
    pub fn choose(
        &self,
        region: RegionCode,
        scheme: Scheme,
        discharge: Date,
        known_on: Date,
    ) -> Option<&Entry> {
        let candidates: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| {
                let package = &entry.package;
                package.region == region
                    && package.scheme == scheme
                    && package.covers(discharge)
                    && package.known_from <= known_on
            })
            .collect();
        let replaced = |entry: &&&Entry| {
            candidates.iter().any(|other| self.replaces(&other.package, &entry.package.id))
        };
        let standing = candidates.iter().filter(|entry| !replaced(entry));
        standing.max_by_key(|entry| entry.package.known_from).copied()
    }

    /// Does one package replace another, directly or through others?
    fn replaces(&self, package: &Package, id: &str) -> bool {
        let mut next = package.supersedes.as_deref();
        // A chain is never longer than the set; circles were refused.
        for _ in 0..=self.entries.len() {
            match next {
                None => return false,
                Some(earlier) if earlier == id => return true,
                Some(earlier) => {
                    let found = self.entries.iter().find(|entry| entry.package.id == earlier);
                    next = found.and_then(|entry| entry.package.supersedes.as_deref());
                }
            }
        }
        false
    }

    /// The package of a hash.
    pub fn by_hash(&self, hash: PackageHash) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.package.hash == hash)
    }
}

impl RuleBook {
    /// Loads a folder; a bad set is an error that says which file, line and clause. Examples only where asked for.
    pub fn open(folder: &Path, examples: bool) -> Result<Self, Refused> {
        let locked = Lock::is_in(folder);
        let (packages, faults) = to_take(folder, examples, locked);
        let (errors, warnings) = split(faults);
        if !errors.is_empty() {
            return Err(Refused { errors });
        }
        let unlocked =
            if locked { Vec::new() } else { Lock::default().unlocked(own(folder, &packages)) };
        Ok(Self {
            folder: folder.to_owned(),
            examples,
            current: ArcSwap::from_pointee(packages),
            dictionaries: ArcSwap::from_pointee(dictionary::load(folder).0),
            locked,
            warnings_at_start: warnings.len(),
            unlocked_at_start: unlocked,
            swaps: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
        })
    }

    /// The packages of this moment. Keep it for the whole of one decision.
    pub fn packages(&self) -> Arc<Packages> {
        self.current.load_full()
    }

    /// The package for a discharge date, of those known on a day.
    pub fn choose(
        &self,
        region: RegionCode,
        scheme: Scheme,
        discharge: Date,
        known_on: Date,
    ) -> Option<Arc<Package>> {
        let packages = self.current.load();
        let entry = packages.choose(region, scheme, discharge, known_on)?;
        Some(Arc::clone(&entry.package))
    }

    /// The package of a hash, where it is in force now.
    pub fn by_hash(&self, hash: PackageHash) -> Option<Entry> {
        self.current.load().by_hash(hash).cloned()
    }

    /// The national interface's codes that hold in a region.
    pub fn dictionary(&self, region: RegionCode) -> Dictionary {
        self.dictionaries.load().of(region)
    }

    /// How many warnings came with the set that was loaded first.
    pub const fn warnings_at_start(&self) -> usize {
        self.warnings_at_start
    }

    /// The packages that were taken without a lock, because the folder had none.
    pub fn unlocked_at_start(&self) -> &[Fault] {
        &self.unlocked_at_start
    }

    /// How often a new set came into force since the start, and how often one was refused.
    pub fn reloads(&self) -> (u64, u64) {
        (self.swaps.load(Ordering::Relaxed), self.refusals.load(Ordering::Relaxed))
    }

    /// Reads the folder again. A good set replaces the old one at once and as a whole, a bad one changes nothing.
    pub fn reload(&self) -> Reload {
        self.reload_where(|_| Ok(()))
    }

    /// The same, where a set that is good by itself must also be admitted by somebody else.
    pub fn reload_where(
        &self,
        admit: impl FnOnce(&Packages) -> Result<(), fault::Message>,
    ) -> Reload {
        // A folder that had a lock is one that needs it: that the file is gone lets no draft in.
        let locked = self.locked || Lock::is_in(&self.folder);
        let (packages, mut faults) = to_take(&self.folder, self.examples, locked);
        if !refused(&faults)
            && let Err(message) = admit(&packages)
        {
            let mut refusal = fault::Faults::new(&self.folder.display().to_string());
            refusal.error(0, "", message);
            faults.extend(refusal.into_list());
        }
        let (errors, warnings) = split(faults);
        if !errors.is_empty() {
            self.refusals.fetch_add(1, Ordering::Relaxed);
            return Reload::Refused { errors, warnings };
        }
        self.dictionaries.store(Arc::new(dictionary::load(&self.folder).0));
        self.current.store(Arc::new(packages));
        self.swaps.fetch_add(1, Ordering::Relaxed);
        Reload::Swapped(warnings)
    }

    /// Watches the folder, reloads after each change once it is quiet where the new set is admitted, and tells what
    /// became of it. It ends when what it returns is dropped.
    pub fn watch(
        self: &Arc<Self>,
        admit: impl Fn(&Packages) -> Result<(), fault::Message> + Send + 'static,
        report: impl Fn(Reload) + Send + 'static,
    ) -> notify::Result<Watching> {
        let (sender, changes) = std::sync::mpsc::sync_channel(1);
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // Reading a file is an event too, and our own reload would start the next one for ever.
                let reading = event.as_ref().is_ok_and(|event| event.kind.is_access());
                if !reading {
                    // One change that waits is as good as many.
                    sender.try_send(()).ok();
                }
            })?;
        watcher.watch(&self.folder, RecursiveMode::Recursive)?;
        let book = Arc::clone(self);
        std::thread::Builder::new()
            .name("rules-watch".to_owned())
            .spawn(move || {
                // The sender goes with the watcher, and then this ends.
                while changes.recv().is_ok() {
                    while changes.recv_timeout(QUIET).is_ok() {}
                    report(book.reload_where(&admit));
                }
            })
            .map_err(notify::Error::io)?;
        Ok(Watching { _watcher: watcher })
    }
}

/// The packages that a lock is for: examples are in none.
fn own<'a>(folder: &Path, packages: &'a Packages) -> impl Iterator<Item = &'a Entry> {
    let examples = folder.join(load::EXAMPLES);
    packages.entries.iter().filter(move |entry| !Path::new(&entry.file).starts_with(&examples))
}

/// The packages of a folder that may come into force, with all that is wrong.
fn to_take(folder: &Path, examples: bool, locked: bool) -> (Packages, Vec<Fault>) {
    let (packages, mut faults) = load::load(folder, examples);
    if locked && !refused(&faults) {
        faults.extend(Lock::read(folder).0.drafts(own(folder, &packages)));
    }
    (packages, faults)
}

/// Keeps a watch going.
#[derive(Debug)]
pub struct Watching {
    _watcher: RecommendedWatcher,
}

#[cfg(test)]
mod tests;
