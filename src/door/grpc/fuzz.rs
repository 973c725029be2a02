//! Encoded messages of anybody, for the fuzz targets.

use super::super::wire::registry::v1 as registry;
use super::rows::{none_of, push};
use crate::app::registry::{RowKind, Rows};

pub use super::convert::fuzz::bills;

/// Rows of one kind as the registry takes them. Another kind among them is left out.
pub fn rows(kind: registry::RowKind, rows: Vec<registry::ImportRow>) -> Rows {
    let mut taken = none_of(match kind {
        registry::RowKind::Unspecified | registry::RowKind::Person => RowKind::Person,
        registry::RowKind::Coverage => RowKind::Coverage,
        registry::RowKind::Identity => RowKind::Identity,
        registry::RowKind::Hospital => RowKind::Hospital,
        registry::RowKind::Catalogue => RowKind::Catalogue,
        registry::RowKind::Opening => RowKind::Opening,
    });
    for row in rows {
        push(&mut taken, row);
    }
    taken
}
