//! Takes lists of persons, coverage, identities, hospitals, items and opening entries.
