//! Rows as they are read before anything is asked of a database, for the fuzz targets.

use super::parse::Shown;
use super::rows::Rows;
use super::{Rules, Secrets, openings, persons, reference, standing};

/// Reads every row; what it says is thrown away.
pub fn read(rows: &Rows) {
    let secrets = Secrets { credential_hash: &|kind, _| [kind; 32], seal_name: &|_, _| None };
    let rules = Rules {
        knows_accumulator: &|_, _, _, _| true,
        knows_identity: &|_| true,
        may_list: &|_| true,
    };
    let shown = |credential: &str| {
        let shown = Shown::read(&secrets, credential);
        shown.person(&std::collections::BTreeMap::new()).ok();
    };
    match rows {
        Rows::Persons(rows) => rows.iter().for_each(|line| {
            persons::read(&secrets, &line.row).ok();
        }),
        Rows::Coverage(rows) => rows.iter().for_each(|line| {
            shown(&line.row.credential);
            standing::read_coverage(&rules, &line.row).ok();
        }),
        Rows::Identities(rows) => rows.iter().for_each(|line| {
            shown(&line.row.credential);
            standing::read_identity(&rules, &line.row).ok();
        }),
        Rows::Hospitals(rows) => rows.iter().for_each(|line| {
            reference::read_hospital(&rules, &line.row).ok();
        }),
        Rows::Catalogue(rows) => rows.iter().for_each(|line| {
            reference::read_item(&rules, &line.row).ok();
        }),
        Rows::Openings(rows) => rows.iter().for_each(|line| {
            shown(&line.row.credential);
            openings::read(&rules, &line.row).ok();
        }),
    }
}
