//! What a sandbox holds, compiled in, so that it needs no repository beside it: a city with rules of its own, and its persons.

use std::path::Path;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::cli::import::rows::Kind;

macro_rules! data {
    ($name:literal) => {
        include_str!(concat!("../../../settlement-rules/examples/sandbox/", $name))
    };
}

/// Rule packages, by where they stand in the folder of rules.
const RULES: [(&str, &str); 3] = [
    ("examples/sandbox/resident/package.toml", data!("resident/package.toml")),
    ("examples/sandbox/employee/package.toml", data!("employee/package.toml")),
    ("examples/sandbox/neighbour/package.toml", data!("neighbour/package.toml")),
];

/// The lists, in the order in which they are imported.
pub(super) const LISTS: [(Kind, &str); 6] = [
    (Kind::Hospital, data!("hospital.csv")),
    (Kind::Catalogue, data!("catalogue.csv")),
    (Kind::Person, data!("person.csv")),
    (Kind::Coverage, data!("coverage.csv")),
    (Kind::Identity, data!("identity.csv")),
    (Kind::Opening, data!("opening.csv")),
];

/// What each person is good for.
const GUIDE: &str = data!("guide.csv");

/// Who may call besides hospitals: whoever imports the lists.
pub(super) const BUREAU: &str = "sandbox";
const CALLERS: &str = "[[bureau]]\nname = \"sandbox\"\nregions = [\"000000\"]\n";

/// A person of the guide.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Guided {
    pub(super) credential: String,
    pub(super) zh: String,
    pub(super) en: String,
}

/// Changes whenever anything does that a sandbox holds: one that was made of something else is made anew.
pub(super) fn version() -> String {
    let mut hash = Sha256::new();
    let lists = LISTS.iter().map(|(_, text)| text);
    for text in RULES.iter().map(|(_, text)| text).chain(lists) {
        hash.update(text.as_bytes());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Writes rules, lists and callers into a folder.
pub(super) fn write(folder: &Path) -> Result<(), anyhow::Error> {
    let rules = RULES.iter().map(|(path, text)| (format!("rules/{path}"), *text));
    let lists = LISTS.iter().map(|(kind, text)| (format!("lists/{}.csv", kind.word()), *text));
    let callers = [("callers.toml".to_owned(), CALLERS)];
    for (path, text) in rules.chain(lists).chain(callers) {
        let path = folder.join(path);
        let writing = || format!("write {}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(writing)?;
        }
        std::fs::write(&path, text).with_context(writing)?;
    }
    Ok(())
}

/// The hospitals' codes.
pub(super) fn hospitals() -> Result<Vec<String>, anyhow::Error> {
    let text = LISTS.iter().find(|(kind, _)| *kind == Kind::Hospital).map_or("", |(_, text)| text);
    rows(text)?.into_iter().map(|row| row.get(0).map(str::to_owned).context("a code")).collect()
}

/// The persons, in the order in which they are shown.
pub(super) fn guide() -> Result<Vec<Guided>, anyhow::Error> {
    let cell = |row: &csv::StringRecord, at| row.get(at).unwrap_or_default().to_owned();
    let guided = |row| Guided { credential: cell(&row, 0), zh: cell(&row, 1), en: cell(&row, 2) };
    Ok(rows(GUIDE)?.into_iter().map(guided).collect())
}

fn rows(text: &str) -> Result<Vec<csv::StringRecord>, anyhow::Error> {
    let rows: Result<_, _> = csv::Reader::from_reader(text.as_bytes()).into_records().collect();
    rows.context("read a list of the sandbox")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;
    use crate::domain::ids::identity_number_is_valid;
    use crate::rulebook::load;

    fn column(kind: Kind, at: usize) -> Vec<String> {
        let (_, text) = LISTS.iter().find(|(known, _)| *known == kind).unwrap();
        let rows = rows(text).unwrap();
        rows.iter().map(|row| row[at].to_owned()).collect()
    }

    #[test]
    fn numbers_are_well_formed_and_of_nobody() {
        let numbers = column(Kind::Person, 0);
        let numbers: Vec<_> = numbers.iter().filter(|number| !number.is_empty()).collect();
        assert!(25 < numbers.len());
        for number in numbers {
            assert!(identity_number_is_valid(number), "{number}");
            // No prefecture of Guizhou has the number 99.
            assert!(number.starts_with("5299"), "{number}");
        }
        let names = column(Kind::Person, 5);
        assert!(names.iter().all(|name| name.starts_with("沙箱") || name.starts_with("SANDBOX")));
    }

    /// Whatever identity a package of ours favours, a developer can meet somebody who has it.
    #[test]
    fn every_identity_that_a_package_knows_has_a_person() {
        let rules = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("settlement-rules");
        let files = load::package_files(&rules, &mut Vec::new());
        assert!(50 < files.len());
        let held: BTreeSet<String> = column(Kind::Identity, 1).into_iter().collect();
        for file in files {
            let (entry, _) = load::load_file(&file);
            for identity in &entry.unwrap().package.identities {
                assert!(held.contains(identity.code.as_str()), "{} of {file:?}", identity.code);
            }
        }
    }

    #[test]
    fn everybody_is_in_the_guide_once() {
        let guide = guide().unwrap();
        let guided: BTreeSet<&str> = guide.iter().map(|one| one.credential.as_str()).collect();
        assert_eq!(guided.len(), guide.len());
        for number in column(Kind::Coverage, 0) {
            assert!(guided.contains(number.as_str()), "{number}");
        }
        assert!(guide.iter().all(|one| !one.zh.is_empty() && one.en.is_ascii()));
    }
}
