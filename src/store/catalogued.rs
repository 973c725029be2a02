//! What the catalogue says of the items of a bill.
//!
//! Of a catalogue in memory only the places are kept, and one owner of it: to count an owner of each of fifty entries would have processors
//! that settle bills with the same items pass those counters to and fro.

use std::fmt;
use std::sync::Arc;

use super::reference::Catalogue;
use crate::domain::bill::CatalogueEntry;

/// What is said of each item, in the order asked; nothing of one that is not known.
#[derive(Clone)]
pub struct Catalogued(Of);

#[derive(Clone)]
enum Of {
    /// Places in a catalogue in memory.
    Held(Arc<Catalogue>, Vec<Option<u32>>),
    /// As read.
    Read(Vec<Option<CatalogueEntry>>),
}

impl Catalogued {
    pub(super) const fn held(catalogue: Arc<Catalogue>, places: Vec<Option<u32>>) -> Self {
        Self(Of::Held(catalogue, places))
    }

    pub(super) const fn read(entries: Vec<Option<CatalogueEntry>>) -> Self {
        Self(Of::Read(entries))
    }

    /// How many items were asked for.
    pub const fn len(&self) -> usize {
        match &self.0 {
            Of::Held(_, places) => places.len(),
            Of::Read(entries) => entries.len(),
        }
    }

    /// Was nothing asked for?
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is said of the item at a place.
    pub fn get(&self, place: usize) -> Option<&CatalogueEntry> {
        match &self.0 {
            Of::Held(catalogue, places) => catalogue.at((*places.get(place)?)?),
            Of::Read(entries) => entries.get(place)?.as_ref(),
        }
    }

    /// Of each.
    pub fn entries(&self) -> Vec<Option<&CatalogueEntry>> {
        (0..self.len()).map(|place| self.get(place)).collect()
    }
}

impl PartialEq for Catalogued {
    fn eq(&self, other: &Self) -> bool {
        self.entries() == other.entries()
    }
}

impl Eq for Catalogued {}

impl fmt::Debug for Catalogued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries()).finish()
    }
}
