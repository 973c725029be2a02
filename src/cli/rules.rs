//! `onestop rules`: checks, tests, explains and locks rule packages.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::{Subcommand, ValueEnum};

use super::{Failure, out};
use crate::config::Config;
use crate::domain::cascade::Traced;
use crate::rulebook::fault::{Fault, refused};
use crate::rulebook::lock::{self, Lock};
use crate::rulebook::{Entry, cases, explain, load};

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// Finds faults in packages, each with file, line and clause.
    Check {
        /// A folder of packages or one package; by default the configured folder with its examples.
        path: Option<PathBuf>,
    },
    /// Runs the worked examples that stand beside packages.
    Test {
        /// Folders or packages, also elsewhere; by default the configured folder with its examples.
        paths: Vec<PathBuf>,
    },
    /// Prints a package for people: its tables in words, with clauses, sources and what is assumed.
    Explain {
        /// A package's file or folder, or its id in the configured folder.
        package: String,
        /// The language.
        #[arg(long, value_enum, default_value_t = Language::Zh)]
        lang: Language,
    },
    /// Records new packages in rules.lock. What stands there may never change again.
    Lock {
        /// The folder of the packages; by default the configured one.
        folder: Option<PathBuf>,
    },
    /// Decides each case and prints one line of JSON for it, with amounts in fen.
    Decide {
        /// Folders or packages.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}

/// Runs a command; what is configured is asked for only where no path says where to look.
pub(super) fn run(
    command: RulesCommand,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    let folder = || configured().map(|config| config.rules_dir);
    match command {
        RulesCommand::Check { path } => check(&path.map_or_else(folder, Ok)?)?,
        RulesCommand::Test { paths } if paths.is_empty() => test(&[folder()?])?,
        RulesCommand::Test { paths } => test(&paths)?,
        RulesCommand::Explain { package, lang } => print(&found(&package, folder)?, lang),
        RulesCommand::Lock { folder: named } => lock(&named.map_or_else(folder, Ok)?)?,
        RulesCommand::Decide { paths } => decide(&paths)?,
    }
    Ok(())
}

// === check ===

fn check(path: &Path) -> anyhow::Result<()> {
    let (entries, faults) = checked(path)?;
    let mut case_faults = Vec::new();
    for entry in &entries {
        case_faults.extend(cases::beside(entry).1);
    }
    report(&faults);
    report(&case_faults);
    let count = entries.len();
    let warnings = faults.iter().chain(&case_faults).filter(|fault| !fault.is_error()).count();
    let errors = faults.len() + case_faults.len() - warnings;
    out::line(&format!("{count} packages, {errors} errors, {warnings} warnings"));
    if 0 < errors {
        bail!("规则有误，见上。 The rules have faults, see above.");
    }
    Ok(())
}

/// The packages under a path with all their faults, also those against the lock of a folder around them.
fn checked(path: &Path) -> anyhow::Result<(Vec<Entry>, Vec<Fault>)> {
    if !is_rules_folder(path) {
        let (entries, mut faults) = read(&[path.to_owned()])?;
        faults.extend(against_lock(path, &entries, false));
        return Ok((entries, faults));
    }
    let (packages, mut faults) = load::load(path, true);
    if packages.entries.is_empty() && faults.is_empty() {
        return Err(nothing_in(path));
    }
    faults.extend(against_lock(path, &packages.entries, true));
    Ok((packages.entries, faults))
}

/// What the nearest lock says of packages below it. A whole folder of rules has been held against its own one already.
fn against_lock(path: &Path, entries: &[Entry], whole: bool) -> Vec<Fault> {
    let Ok(real) = path.canonicalize() else { return Vec::new() };
    let root = match real.ancestors().find(|folder| folder.join(lock::FILE).is_file()) {
        Some(root) => root,
        None if whole => &real,
        None => return Vec::new(),
    };
    let examples = root.join(load::EXAMPLES);
    let example = |entry: &&Entry| {
        Path::new(&entry.file).canonicalize().is_ok_and(|file| file.starts_with(&examples))
    };
    let own = || entries.iter().filter(|entry| !example(entry));
    let (lock, mut faults) = Lock::read(root);
    faults.extend(lock.changed(own()));
    if whole && root == real {
        faults.clear();
    }
    faults.extend(lock.unlocked(own()));
    faults
}

fn nothing_in(path: &Path) -> anyhow::Error {
    let path = path.display();
    anyhow!("{path} 中没有政策包。 No rule package was found in {path}.")
}

/// A folder whose packages belong together: it holds folders named by regions, or a lock.
fn is_rules_folder(path: &Path) -> bool {
    let region = |name: &str| name.len() == 6 && name.bytes().all(|byte| byte.is_ascii_digit());
    let regions = std::fs::read_dir(path).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(region))
    });
    regions || path.join(lock::FILE).exists()
}

fn report(faults: &[Fault]) {
    for fault in faults {
        out::line(&fault.to_string());
    }
}

/// The packages under some paths, each checked by itself. A path that leads to none is a mistake, not a success.
fn read(paths: &[PathBuf]) -> anyhow::Result<(Vec<Entry>, Vec<Fault>)> {
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    for path in paths {
        if !path.exists() {
            let path = path.display();
            bail!("路径 {path} 不存在。 The path {path} does not exist.");
        }
        let faults_before = faults.len();
        let files = if path.is_file() {
            vec![path.clone()]
        } else {
            load::package_files(path, &mut faults)
        };
        if files.is_empty() && faults.len() == faults_before {
            return Err(nothing_in(path));
        }
        for file in files {
            let (entry, found) = load::load_file(&file);
            entries.extend(entry);
            faults.extend(found);
        }
    }
    Ok((entries, faults))
}

// === test and decide ===

fn test(paths: &[PathBuf]) -> anyhow::Result<()> {
    let (entries, faults) = read(paths)?;
    let mut errors: Vec<Fault> = faults.into_iter().filter(|fault| fault.is_error()).collect();
    let (mut passed, mut failed) = (0_usize, 0_usize);
    for entry in &entries {
        let (cases, case_faults) = cases::beside(entry);
        errors.extend(case_faults);
        for case in cases {
            let verdict = case.decide(&entry.package, Traced::Yes);
            let differences = match &case.expect {
                Some(expect) => cases::differences(&entry.package, expect, &verdict),
                None => vec!["it expects nothing, so it proves nothing".to_owned()],
            };
            if differences.is_empty() {
                passed += 1;
                continue;
            }
            failed += 1;
            out::line(&format!("{}:{}: FAILED {}", case.file, case.line, case.name));
            for difference in differences {
                out::line(&format!("    {difference}"));
            }
        }
    }
    report(&errors);
    // A case that can not be read did not pass.
    out::line(&format!("{passed} passed, {} failed", failed + errors.len()));
    if 0 < failed {
        bail!("有例子不符。 Some cases differ.");
    }
    if !errors.is_empty() {
        bail!("有包或例子被拒。 Some packages or cases are refused.");
    }
    if passed == 0 {
        bail!("没有找到例子。 No case was found.");
    }
    Ok(())
}

fn decide(paths: &[PathBuf]) -> anyhow::Result<()> {
    let (entries, mut faults) = read(paths)?;
    for entry in &entries {
        let (cases, case_faults) = cases::beside(entry);
        faults.extend(case_faults);
        for case in cases {
            let verdict = case.decide(&entry.package, Traced::No);
            out::line(&cases::json(&entry.package, &entry.file, &case, &verdict).to_string());
        }
    }
    let errors: Vec<&Fault> = faults.iter().filter(|fault| fault.is_error()).collect();
    for fault in &errors {
        out::error(&fault.to_string());
    }
    if !errors.is_empty() {
        bail!("有包或例子被拒。 Some packages or cases are refused.");
    }
    Ok(())
}

// === explain and lock ===

fn print(entry: &Entry, lang: Language) {
    out::line(&explain::explain(&entry.package, lang.into()));
}

/// A package by its file, its folder, or its id among those of a folder.
fn found(
    package: &str,
    folder: impl FnOnce() -> Result<PathBuf, Failure>,
) -> Result<Entry, Failure> {
    let path = Path::new(package);
    let by_path = if path.is_dir() {
        Some(path.join(load::PACKAGE_FILE))
    } else {
        path.is_file().then(|| path.to_owned())
    };
    if let Some(path) = by_path {
        let (entry, faults) = load::load_file(&path);
        report(&faults);
        let refused = || anyhow!("{} 被拒。 It is refused.", path.display());
        return entry.ok_or_else(|| refused().into());
    }
    let (entries, _) = read(&[folder()?])?;
    let found = entries.into_iter().find(|entry| entry.package.id == package);
    found.ok_or_else(|| anyhow!("找不到政策包 {package}。 No package {package} is found.").into())
}

fn lock(folder: &Path) -> anyhow::Result<()> {
    let (packages, faults) = load::load(folder, false);
    report(&faults);
    if refused(&faults) {
        bail!("规则有误，未锁定。 The rules have faults; nothing was locked.");
    }
    let (mut lock, _) = Lock::read(folder);
    let added = lock.add(&packages.entries);
    let hashes: BTreeMap<&str, String> = packages
        .entries
        .iter()
        .map(|entry| (entry.package.id.as_str(), entry.package.hash.to_string()))
        .collect();
    if !added.is_empty() {
        lock.write(folder).context("write rules.lock")?;
    }
    for id in &added {
        let hash = hashes.get(id.as_str()).map_or("", String::as_str);
        out::line(&format!("{hash}  {id}"));
    }
    out::line(&format!("{} packages locked, {} of them new", packages.entries.len(), added.len()));
    Ok(())
}

impl From<Language> for explain::Language {
    fn from(language: Language) -> Self {
        match language {
            Language::Zh => Self::Zh,
            Language::En => Self::En,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Language, RulesCommand, checked, found, load, lock, run, test};
    use crate::config::{self, Outside};
    use crate::rulebook::fault::Fault;
    use std::path::{Path, PathBuf};

    const GOOD: &str = include_str!("../rulebook/tests/good.toml");

    /// A folder of rules that goes when the test ends.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("onestop-cli-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn put(&self, place: &str, text: &str) -> PathBuf {
            let folder = self.0.join(place);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(load::PACKAGE_FILE), text).unwrap();
            folder
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    fn told(path: &Path) -> Vec<(u32, bool, String)> {
        let tell = |fault: Fault| (fault.line, fault.is_error(), fault.message_en);
        checked(path).unwrap().1.into_iter().map(tell).collect()
    }

    #[test]
    fn a_package_is_held_against_the_lock_of_a_folder_above_it() {
        let root = Folder::new("lock");
        let package = root.put("520200/resident/2024", GOOD);
        root.put("examples/one", &GOOD.replace("\"test-2024\"", "\"example\""));
        let id_line = GOOD.lines().position(|line| line.starts_with("id = ")).unwrap() + 1;
        let id_line = u32::try_from(id_line).unwrap();
        let unlocked = "it is not locked; run `onestop rules lock` before it comes into force";
        assert_eq!(told(&root.0), [(id_line, false, unlocked.to_owned())]);
        lock(&root.0).unwrap();
        assert_eq!(told(&root.0), []);
        root.put("520200/resident/2024", &GOOD.replace("0.60", "0.61"));
        let changed = "it is locked and may not change; write a new one with `supersedes`";
        let changed = [(id_line, true, changed.to_owned())];
        for path in [&root.0, &root.0.join("520200"), &package, &package.join(load::PACKAGE_FILE)] {
            assert_eq!(told(path), changed, "{}", path.display());
        }
        root.put("520200/resident/2024", &GOOD.replace("\"test-2024\"", "\"other\""));
        assert_eq!(told(&package), [(id_line, false, unlocked.to_owned())]);
        assert_eq!(told(&root.0.join("examples")), []);
    }

    #[test]
    fn without_a_path_the_configured_folder_is_taken() {
        let root = Folder::new("configured");
        let package = root.put("520200/resident/2024", GOOD);
        let case = "[[case]]\nname = \"one\"\namounts = { in_scope = \"1.00\" }\nexpect = { patient = \"0.40\" }\n";
        std::fs::create_dir_all(package.join("cases")).unwrap();
        std::fs::write(package.join("cases/one.toml"), case).unwrap();
        let configured = || {
            let text = format!("rules_dir = {:?}", root.0);
            let outside = Outside { root: true, ..Outside::default() };
            config::from_parts(Some(("a file", &text)), &outside).map_err(Failure::Configuration)
        };
        let folder = || configured().map(|config| config.rules_dir);
        assert_eq!(found("test-2024", folder).unwrap().package.id, "test-2024");
        let explain = RulesCommand::Explain { package: "test-2024".to_owned(), lang: Language::Zh };
        let test = RulesCommand::Test { paths: Vec::new() };
        for command in [RulesCommand::Check { path: None }, test, explain] {
            run(command, configured).unwrap();
        }
        run(RulesCommand::Lock { folder: None }, configured).unwrap();
        assert!(root.0.join(crate::rulebook::lock::FILE).is_file());
        // A path that is named needs no configuration.
        let faulty = || Err(Failure::Usage("not asked".to_owned()));
        run(RulesCommand::Check { path: Some(root.0.clone()) }, faulty).unwrap();
    }

    #[test]
    fn a_path_without_packages_or_cases_is_a_mistake() {
        let root = Folder::new("empty");
        let missing = root.0.join("none");
        let refusals = |path: &Path| {
            let checked = checked(path).map(|_| ()).unwrap_err().to_string();
            [checked, test(&[path.to_owned()]).unwrap_err().to_string()]
        };
        for told in refusals(&root.0) {
            assert!(told.contains("No rule package was found in"), "{told}");
        }
        for told in refusals(&missing) {
            assert!(told.contains("does not exist"), "{told}");
        }
        let package = root.put("520200/resident/2024", GOOD);
        let told = test(std::slice::from_ref(&package)).unwrap_err().to_string();
        assert!(told.contains("No case was found"), "{told}");
        root.put("520200/resident/2024", "id = ");
        let told = test(&[package]).unwrap_err().to_string();
        assert!(told.contains("are refused"), "{told}");
    }
}
