//! A package in words, for people.

use crate::domain::rules::Package;

/// The language of a printout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}

/// The printout of a package.
pub fn explain(package: &Package, _language: Language) -> String {
    package.id.clone()
}
