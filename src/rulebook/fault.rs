//! What is wrong with a rule file: where, which clause, and in both languages what.

use std::fmt;

use crate::domain::rules::check::{Finding, Severity};

/// One thing that is wrong, or that its author should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// The line, counted from 1; 0 where the whole file is meant.
    pub line: u32,
    /// The clause, named after its place; may be empty.
    pub clause: String,
    /// What is wrong, in English.
    pub message_en: String,
    /// What is wrong, in Chinese.
    pub message_zh: String,
    /// Is it refused, or only worth a look?
    pub severity: Severity,
}

/// Collects the faults of one file, so that an author sees all of them at once.
#[derive(Debug)]
pub struct Faults {
    file: String,
    list: Vec<Fault>,
}

/// A message in English and Chinese, in this order.
pub type Message = (String, String);

impl Faults {
    /// None yet, of this file.
    pub fn new(file: &str) -> Self {
        Self { file: file.to_owned(), list: Vec::new() }
    }

    /// Something for which the file is refused.
    pub fn error(&mut self, line: u32, clause: &str, message: Message) {
        self.push(line, clause, message, Severity::Error);
    }

    /// Something that its author should look at.
    pub fn warning(&mut self, line: u32, clause: &str, message: Message) {
        self.push(line, clause, message, Severity::Warning);
    }

    /// Takes over what the checker found.
    pub fn add_findings(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            let message = (finding.message.en, finding.message.zh);
            self.push(finding.line, &finding.clause, message, finding.severity);
        }
    }

    /// Takes over the faults of a part of the file.
    pub fn take_over(&mut self, part: Self) {
        self.list.extend(part.list);
    }

    /// Is there anything for which the file is refused?
    pub fn refused(&self) -> bool {
        refused(&self.list)
    }

    /// All of them, by line.
    pub fn into_list(mut self) -> Vec<Fault> {
        self.list.sort_by(|a, b| (a.line, &a.clause).cmp(&(b.line, &b.clause)));
        self.list
    }

    fn push(&mut self, line: u32, clause: &str, message: Message, severity: Severity) {
        let (message_en, message_zh) = message;
        let (file, clause) = (self.file.clone(), clause.to_owned());
        let fault = Fault { file, line, clause, message_en, message_zh, severity };
        if !self.list.contains(&fault) {
            self.list.push(fault);
        }
    }
}

/// Is there anything for which a file is refused?
pub fn refused(faults: &[Fault]) -> bool {
    faults.iter().any(Fault::is_error)
}

/// The faults for which a file is refused, and those that are only worth a look.
pub fn split(faults: Vec<Fault>) -> (Vec<Fault>, Vec<Fault>) {
    faults.into_iter().partition(Fault::is_error)
}

impl Fault {
    /// Is a file refused for it?
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Fault {
    /// One line for a terminal, in both languages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, clause, message_en, message_zh, severity } = self;
        write!(f, "{file}:{line}: {}", severity.word())?;
        if !clause.is_empty() {
            write!(f, ": {clause}")?;
        }
        write!(f, ": {message_en} / {message_zh}")
    }
}
