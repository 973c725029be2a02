//! Worked examples: a bill by hand, and what it must come to. README §10.

mod compare;
mod parse;

use std::path::Path;

use super::Entry;
use super::fault::{Fault, Faults};
use super::load::read_text;
use super::read;
use crate::domain::cascade::{Inputs, Traced, decide};
use crate::domain::money::Fen;
use crate::domain::rules::Package;
use crate::domain::verdict::{Decline, Verdict};

pub use compare::{differences, json};

/// A case that was read.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: u32,
    /// Its name.
    pub name: String,
    /// What the cascade looks at, or why there is nothing to look at.
    pub inputs: Result<Inputs, Decline>,
    /// What must come out; nothing in a case that is only decided.
    pub expect: Option<Expect>,
}

/// What must come out of a case; what is empty is not checked.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// By layer.
    pub pay: Vec<(u16, Fen)>,
    /// What is left to the patient.
    pub patient: Option<Fen>,
    /// By layer.
    pub deductible: Vec<(u16, Fen)>,
    /// By layer.
    pub fixed: Vec<(u16, Fen)>,
    /// By layer.
    pub may_apply: Vec<(u16, Fen)>,
    /// The national amounts after the moves, by their place.
    pub amounts: Vec<(u16, Fen)>,
    /// By accumulator.
    pub counted: Vec<(u16, Fen)>,
    /// The identity that counted; empty for none.
    pub identity: Option<String>,
    /// Clauses that must be in the trace.
    pub because: Vec<String>,
    /// How far pay and patient may be off.
    pub tolerance: Fen,
    /// The reason of a decline, instead of all the above.
    pub declined: Option<String>,
    /// The layer that needs to be told, with its base, instead of all the above.
    pub needs: Option<(u16, Option<Fen>)>,
}

impl Case {
    /// Decides the case.
    pub fn decide(&self, package: &Package, traced: Traced) -> Verdict {
        match &self.inputs {
            Ok(inputs) => decide(package, inputs, traced),
            Err(decline) => Verdict::Declined(decline.clone()),
        }
    }
}

/// The cases of a package: all files in the folder `cases` beside it.
pub fn beside(entry: &Entry) -> (Vec<Case>, Vec<Fault>) {
    let folder = Path::new(&entry.file).with_file_name("cases");
    let (mut cases, mut faults) = (Vec::new(), Vec::new());
    let mut files: Vec<_> = match std::fs::read_dir(&folder) {
        Ok(files) => files.flatten().map(|file| file.path()).collect(),
        // A package without cases is a package.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            let mut unread = Faults::new(&folder.display().to_string());
            let message = (format!("it can not be read: {error}"), format!("无法读取：{error}"));
            unread.error(0, "", message);
            faults.extend(unread.into_list());
            Vec::new()
        }
    };
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    for path in files {
        let file = path.display().to_string();
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(list) => {
                faults.extend(list);
                continue;
            }
        };
        let (found, list) = parse_file(&entry.package, &file, &text);
        cases.extend(found);
        faults.extend(list);
    }
    (cases, faults)
}

/// The cases of one file. A case with a fault is left out; the faults say why.
pub fn parse_file(package: &Package, file: &str, text: &str) -> (Vec<Case>, Vec<Fault>) {
    let mut faults = Faults::new(file);
    let Some(root) = read::read(text, &mut faults) else { return (Vec::new(), faults.into_list()) };
    let cases = parse::cases(package, file, &root, &mut faults);
    (cases, faults.into_list())
}
