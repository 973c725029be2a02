//! Edge: what is handed to an auditor. The evidence bundle and the file of roots, their formats, and how both are verified without a
//! database, a network or any trust in us.
//!
//! The formats are described in `bundle/FORMAT.md`, which every bundle carries; `deploy/verify_bundle.py` reads them independently.

pub mod entry;
pub mod fault;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod manifest;
pub mod read;
pub mod roots;
mod text;
pub mod verify;
pub mod write;

/// How every bundle begins to say what it is.
pub const FORMAT: &str = "onestop-evidence-bundle-v1";

/// The format in words, as each bundle carries it.
pub const FORMAT_TEXT: &str = include_str!("bundle/FORMAT.md");

/// Leaves of one file of a bundle: two to the `PART_HEIGHT`, so that each full part is a whole subtree of its day's tree, and parts can be
/// verified in any order, by several threads, in little memory.
pub const PART_LEAVES: u64 = 1 << PART_HEIGHT;
/// The height of that subtree.
pub const PART_HEIGHT: u32 = 14;
