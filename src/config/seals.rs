//! Seals: where their roots are published.

use std::path::PathBuf;

use super::{FLAG, Reader};

/// What is set of seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seals {
    /// Are days sealed, where there are keys for it?
    pub enabled: bool,
    /// The file that the root of each closed day is added to.
    pub roots_file: Option<PathBuf>,
}

impl Seals {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let enabled = reader.parsed("seals.enabled", FLAG).unwrap_or(true);
        Self { enabled, roots_file: reader.path("seals.roots_file") }
    }
}
