//! Rule packages, their cases and dictionaries as text of anybody, for the fuzz targets.

use super::cases::parse_file;
use super::dictionary;
use super::fault::refused;
use super::parse::{parse, parse_canonical};
use crate::domain::cascade::Traced;
use crate::domain::rules::check::{Severity, check};

/// Between a package and its cases.
const CASES: &str = "\n#=cases=\n";

/// A package, and where one is written behind it, its cases. What passes is read back from its canonical form, and decides.
pub fn package(text: &str) {
    let (text, cases) = text.split_once(CASES).unwrap_or((text, ""));
    let (parsed, faults) = parse("fuzz", text);
    let Some(parsed) = parsed else {
        assert!(refused(&faults), "what is not taken is refused, and it is said why");
        return;
    };
    let findings = check(&parsed.package);
    let again = parse_canonical(&parsed.canonical);
    assert!(again.is_ok(), "the canonical form of what was read is read: {again:?}");
    assert!(again.is_ok_and(|again| again.hash == parsed.package.hash), "and is the same package");
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return;
    }
    let (cases, _faults) = parse_file(&parsed.package, "fuzz", cases);
    for case in cases {
        case.decide(&parsed.package, Traced::Yes);
    }
}

/// A dictionary of the national interface's codes.
pub fn dictionary(text: &str) {
    dictionary::parse("fuzz", text);
}
