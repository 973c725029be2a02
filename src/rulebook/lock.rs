//! `rules.lock`: the hash of every package ever in force. What stands there may never change.

use std::collections::BTreeMap;
use std::path::Path;

use super::Entry;
use super::fault::{Fault, Faults};
use super::read::{self, Shape};

/// Its name in the folder of the packages.
pub const FILE: &str = "rules.lock";
/// An entry.
const ENTRY: Shape = Shape { name: "lock", keys: &["hash", "region", "scheme", "in_force"] };
const HEADING: &str = "\
# The hash of every rule package ever in force. Written by `onestop rules lock`; nothing in here may change:
# a package that must change is replaced by another with `supersedes`.
";

/// What is locked, by id.
#[derive(Clone, Debug, Default)]
pub struct Lock {
    entries: BTreeMap<String, Locked>,
}

/// A locked package.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Locked {
    line: u32,
    hash: String,
    region: String,
    scheme: String,
    in_force: String,
}

impl Lock {
    /// Reads the lock of a folder; an absent one holds nothing.
    pub fn read(folder: &Path) -> (Self, Vec<Fault>) {
        let path = folder.join(FILE);
        let mut faults = Faults::new(&path.display().to_string());
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                faults.error(
                    0,
                    "",
                    (format!("it can not be read: {error}"), format!("无法读取：{error}")),
                );
                String::new()
            }
        };
        let lock = Self::parse(&text, &mut faults);
        (lock, faults.into_list())
    }

    fn parse(text: &str, faults: &mut Faults) -> Self {
        let mut lock = Self::default();
        let root = read::read(text, faults);
        let Some(entries) = root.as_ref().and_then(|root| faults.names(root, "")) else {
            return lock;
        };
        for (id, node) in entries.entries() {
            let Some(table) = faults.table(node, id, &ENTRY) else { continue };
            let mut text = |key: &str| {
                let node = faults.needed(&table, key, id)?;
                faults.filled(node, id).map(str::to_owned)
            };
            let (hash, region, scheme) = (text("hash"), text("region"), text("scheme"));
            let in_force = text("in_force");
            if let (Some(hash), Some(region), Some(scheme), Some(in_force)) =
                (hash, region, scheme, in_force)
            {
                let locked = Locked { line: node.line, hash, region, scheme, in_force };
                lock.entries.insert(id.to_owned(), locked);
            }
        }
        lock
    }

    /// Reports packages that changed since they were locked, and locked ones that are gone.
    pub fn check(&self, folder: &Path, packages: &[Entry]) -> Vec<Fault> {
        let mut list = self.changed(packages);
        let mut faults = Faults::new(&folder.join(FILE).display().to_string());
        for (id, locked) in &self.entries {
            if !packages.iter().any(|entry| entry.package.id == *id) {
                let en = format!("`{id}` is locked, and its package is gone");
                faults.error(locked.line, id, (en, format!("`{id}` 已锁定，但政策包不见了")));
            }
        }
        list.extend(faults.into_list());
        list
    }

    /// Reports packages that changed since they were locked.
    pub fn changed<'a>(&self, packages: impl IntoIterator<Item = &'a Entry>) -> Vec<Fault> {
        let mut list = Vec::new();
        for entry in packages {
            let Some(locked) = self.entries.get(&entry.package.id) else { continue };
            let now = Locked { line: locked.line, ..locked_of(entry) };
            if now != *locked {
                let mut faults = Faults::new(&entry.file);
                let en = "it is locked and may not change; write a new one with `supersedes`";
                let zh = "已锁定，不得改动；请另写新包并用 `supersedes` 替代";
                faults.error(entry.id_line, "id", (en.to_owned(), zh.to_owned()));
                list.extend(faults.into_list());
            }
        }
        list
    }

    /// Warns about packages that nothing keeps from changing yet.
    pub fn unlocked<'a>(&self, packages: impl IntoIterator<Item = &'a Entry>) -> Vec<Fault> {
        let mut list = Vec::new();
        for entry in packages.into_iter().filter(|entry| !self.holds(&entry.package.id)) {
            let mut faults = Faults::new(&entry.file);
            let en = "it is not locked; run `onestop rules lock` before it comes into force";
            let zh = "尚未锁定；生效前请运行 `onestop rules lock`";
            faults.warning(entry.id_line, "id", (en.to_owned(), zh.to_owned()));
            list.extend(faults.into_list());
        }
        list
    }

    /// Refuses packages that nobody locked: a draft that is saved in the folder must not come into force by that.
    pub fn drafts<'a>(&self, packages: impl IntoIterator<Item = &'a Entry>) -> Vec<Fault> {
        let mut list = Vec::new();
        for entry in packages.into_iter().filter(|entry| !self.holds(&entry.package.id)) {
            let mut faults = Faults::new(&entry.file);
            let id = &entry.package.id;
            let en = format!(
                "`{id}` is not in {FILE}, so it does not come into force; run `onestop rules lock` once it is right"
            );
            let zh =
                format!("`{id}` 不在 {FILE} 中，不予生效；确认无误后请运行 `onestop rules lock`");
            faults.error(entry.id_line, "id", (en, zh));
            list.extend(faults.into_list());
        }
        list
    }

    /// Has a folder a lock?
    pub fn is_in(folder: &Path) -> bool {
        // One that can not be looked at is there; reading it says what is wrong.
        folder.join(FILE).try_exists().unwrap_or(true)
    }

    /// Is a package locked?
    pub fn holds(&self, id: &str) -> bool {
        self.entries.contains_key(id)
    }

    /// Adds the packages that are not there yet, and says which.
    pub fn add(&mut self, packages: &[Entry]) -> Vec<String> {
        let new: Vec<&Entry> =
            packages.iter().filter(|entry| !self.holds(&entry.package.id)).collect();
        for entry in &new {
            self.entries.insert(entry.package.id.clone(), locked_of(entry));
        }
        new.iter().map(|entry| entry.package.id.clone()).collect()
    }

    /// Its text: one line an entry, sorted, so that two authors' additions meet without a conflict of meaning.
    pub fn text(&self) -> String {
        let mut text = HEADING.to_owned();
        for (id, locked) in &self.entries {
            let Locked { line: _, hash, region, scheme, in_force } = locked;
            text.push_str(&format!(
                "\"{id}\" = {{ hash = \"{hash}\", region = \"{region}\", scheme = \"{scheme}\", \
                 in_force = \"{in_force}\" }}\n"
            ));
        }
        text
    }

    /// Writes it into its folder: beside the old one first, so that a crash leaves one of the two whole.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        let beside = folder.join(format!("{FILE}.new"));
        std::fs::write(&beside, self.text())?;
        std::fs::rename(&beside, folder.join(FILE))
    }
}

fn locked_of(entry: &Entry) -> Locked {
    let package = &entry.package;
    Locked {
        line: 0,
        hash: package.hash.to_string(),
        region: package.region.to_string(),
        scheme: package.scheme.word().to_owned(),
        in_force: format!("{}/{}", package.from, package.to),
    }
}
