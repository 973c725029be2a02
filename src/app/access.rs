//! What a caller may do, and on whose data: the one place that says so. Whatever is not allowed here is denied.
//!
//! A bureau sees the settlements of its regions without clinical detail; `app::clinical` says what that is, and cuts it.

mod denied;

use std::sync::Arc;

pub use self::denied::Denied;
use super::{Caller, Refusal};
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::reconcile::Scope;
use crate::domain::standing::{PersonSnapshot, Scheme};

/// What a caller is, and how far it reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The configured caller of a development server, which listens on loopback only: it may do everything.
    Development,
    /// A hospital's billing system: its own stays, and who stands at its desk.
    Hospital(HospitalCode),
    /// An insurer: its schemes in its regions.
    Insurer(Arc<Reach>),
    /// A bureau of medical security, civil affairs or finance: its regions, without clinical detail.
    Bureau(Arc<Reach>),
    /// Whoever runs the gateway: hospitals, the catalogue and the machine, and nobody's data.
    Administrator,
    /// The insurance core that is linked: it tells who is insured, and sees nothing by this role.
    Core,
    /// Somebody at the machine itself, who has its keys and its database: there they may ask who looked at a person's data.
    CommandLine,
}

/// How far an insurer or a bureau reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The schemes; none named: all.
    pub schemes: Vec<Scheme>,
    /// The regions, each with all that lies in it.
    pub regions: Vec<RegionCode>,
}

/// What a call wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Ask what would be paid.
    Quote,
    /// Settle a stay.
    Settle,
    /// Reverse a settlement.
    Reverse,
    /// Look a settlement up.
    ReadSettlement,
    /// Look up who a person is and what they have used.
    ReadStanding,
    /// Look up who looked at a person's data.
    ReadAccesses,
    /// Import persons, coverage, identities or what was used elsewhere.
    ImportPersons,
    /// Import hospitals or the catalogue.
    ImportReference,
    /// Send a statement, settle what differs, and close it.
    Reconcile,
    /// Look at totals and at what came of a statement.
    ReadReconciliation,
    /// Read what hospitals are owed and how late it is.
    ReadClearing,
    /// Read the books: postings, balances, budgets.
    ReadBooks,
    /// Look at a month: where the money went, and what is unusual.
    ReadAudit,
    /// Make and approve statements, propose and agree to postings, pay, set budgets.
    KeepBooks,
}

/// Whose data a call wants.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    /// A hospital's.
    Hospital(&'a HospitalCode),
    /// A settlement's.
    Settlement {
        /// The hospital that settled it.
        hospital: &'a HospitalCode,
        /// The scheme that paid.
        scheme: Scheme,
        /// The insured region.
        region: RegionCode,
    },
    /// A person's.
    Person(&'a PersonSnapshot),
    /// Rows of a list, of one region where the list is of one.
    Rows(Option<RegionCode>),
    /// All that a statement is of.
    Scope(&'a Scope),
    /// Of the books of these regions; of a hospital's and a scheme's, where they are of one.
    Books {
        /// All of them are touched.
        regions: &'a [RegionCode],
        /// The hospital.
        hospital: Option<&'a HospitalCode>,
        /// The scheme.
        scheme: Option<Scheme>,
    },
    /// Not yet known whose: only what the role may do at all.
    Anybody,
}

impl Role {
    /// Its word in logs and records.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Hospital(_) => "hospital",
            Self::Insurer(_) => "insurer",
            Self::Bureau(_) => "bureau",
            Self::Administrator => "administrator",
            Self::Core => "core",
            Self::CommandLine => "command_line",
        }
    }

    fn may(&self, act: Act, of: Of<'_>) -> bool {
        match self {
            Self::Development => true,
            Self::Hospital(own) => hospital_may(own, act, of),
            Self::Insurer(reach) => insurer_may(reach, act, of),
            Self::Bureau(reach) => bureau_may(reach, act, of),
            Self::Administrator => act == Act::ImportReference,
            Self::Core => act == Act::ImportPersons,
            // Whoever is at the machine keeps its books as the person that the machine knows them by.
            Self::CommandLine => matches!(
                act,
                Act::ReadAccesses
                    | Act::Reconcile
                    | Act::ReadReconciliation
                    | Act::ReadClearing
                    | Act::ReadBooks
                    | Act::ReadAudit
                    | Act::KeepBooks
            ),
        }
    }
}

fn hospital_may(own: &HospitalCode, act: Act, of: Of<'_>) -> bool {
    match act {
        Act::Quote | Act::Settle | Act::Reverse | Act::ReadSettlement => match of {
            Of::Hospital(hospital) | Of::Settlement { hospital, .. } => hospital == own,
            Of::Anybody => true,
            Of::Person(_) | Of::Rows(_) | Of::Scope(_) | Of::Books { .. } => false,
        },
        Act::ReadClearing => match of {
            Of::Books { hospital, .. } => hospital == Some(own),
            Of::Anybody => true,
            Of::Hospital(_)
            | Of::Settlement { .. }
            | Of::Person(_)
            | Of::Rows(_)
            | Of::Scope(_) => false,
        },
        // What it settled itself, as a whole or by any part of it.
        Act::Reconcile | Act::ReadReconciliation => match of {
            Of::Scope(scope) => scope.hospital.as_ref() == Some(own),
            Of::Anybody => true,
            Of::Hospital(_)
            | Of::Settlement { .. }
            | Of::Person(_)
            | Of::Rows(_)
            | Of::Books { .. } => false,
        },
        // Whoever stands at its desk, by what they show.
        Act::ReadStanding => matches!(of, Of::Person(_) | Of::Anybody),
        Act::ReadAccesses
        | Act::ImportPersons
        | Act::ImportReference
        | Act::ReadBooks
        | Act::ReadAudit
        | Act::KeepBooks => false,
    }
}

fn insurer_may(reach: &Reach, act: Act, of: Of<'_>) -> bool {
    match act {
        Act::ReadSettlement | Act::ReadStanding | Act::ReadClearing => reach.covers(of),
        Act::Reconcile | Act::ReadReconciliation => {
            matches!(of, Of::Scope(_) | Of::Anybody) && reach.covers(of)
        }
        Act::ImportPersons => matches!(of, Of::Rows(_) | Of::Anybody) && reach.covers(of),
        Act::Quote
        | Act::Settle
        | Act::Reverse
        | Act::ReadAccesses
        | Act::ImportReference
        | Act::ReadBooks
        | Act::ReadAudit
        | Act::KeepBooks => false,
    }
}

fn bureau_may(reach: &Reach, act: Act, of: Of<'_>) -> bool {
    match act {
        Act::ReadSettlement
        | Act::ReadStanding
        | Act::ReadAccesses
        | Act::ReadReconciliation
        | Act::ReadClearing
        | Act::ReadBooks
        | Act::ReadAudit
        | Act::KeepBooks => reach.covers(of),
        Act::ImportPersons | Act::ImportReference => {
            matches!(of, Of::Rows(_) | Of::Anybody) && reach.covers(of)
        }
        Act::Quote | Act::Settle | Act::Reverse | Act::Reconcile => false,
    }
}

impl Reach {
    /// Does a region lie in one of these?
    pub fn has_region(&self, region: RegionCode) -> bool {
        self.regions.iter().any(|own| region.lies_in(*own))
    }

    /// Is a scheme one of these?
    pub fn has_scheme(&self, scheme: Scheme) -> bool {
        self.schemes.is_empty() || self.schemes.contains(&scheme)
    }

    fn covers(&self, of: Of<'_>) -> bool {
        match of {
            Of::Settlement { scheme, region, .. } => {
                self.has_scheme(scheme) && self.has_region(region)
            }
            Of::Person(person) => person.standing.coverage.iter().any(|coverage| {
                self.has_scheme(coverage.scheme) && self.has_region(coverage.region)
            }),
            // A row that names a region is looked at by itself.
            Of::Rows(region) => region.is_none_or(|region| self.has_region(region)),
            // Whoever reaches some schemes or regions names them; what is not named would be all.
            Of::Scope(scope) => {
                scope.region.is_some_and(|region| self.has_region(region))
                    && scope.scheme.map_or(self.schemes.is_empty(), |own| self.has_scheme(own))
            }
            Of::Books { regions, scheme, .. } => {
                scheme.is_none_or(|scheme| self.has_scheme(scheme))
                    && regions.iter().all(|region| self.has_region(*region))
            }
            Of::Anybody => true,
            Of::Hospital(_) => false,
        }
    }
}

/// The regions, the hospital and the schemes that a list is cut to; nothing: not by that.
pub(super) type CutTo<'a> =
    (Option<&'a [RegionCode]>, Option<&'a HospitalCode>, Option<&'a [Scheme]>);

impl Caller {
    /// Lets through what this caller may do. A refusal names what was said that is not theirs, and nothing of whose it is.
    pub fn allow(&self, act: Act, of: Of<'_>) -> Result<(), Refusal> {
        if self.role.may(act, of) { Ok(()) } else { Err(self.role.denied(act, of)) }
    }

    /// What a caller's lists of what an act reads are cut to: that of the books, or of statements.
    pub(super) fn lists(&self, act: Act) -> Result<CutTo<'_>, Refusal> {
        self.allow(act, Of::Anybody)?;
        Ok(match &self.role {
            Role::Development | Role::CommandLine | Role::Administrator | Role::Core => {
                (None, None, None)
            }
            Role::Hospital(own) => (None, Some(own), None),
            Role::Insurer(reach) | Role::Bureau(reach) => {
                (Some(&reach.regions), None, Some(&reach.schemes))
            }
        })
    }

    /// May this caller see what tells of somebody's illness? Who treats a patient or pays for the treatment may.
    pub(super) const fn sees_clinical_detail(&self) -> bool {
        match self.role {
            Role::Development | Role::Hospital(_) | Role::Insurer(_) => true,
            Role::Bureau(_) | Role::Administrator | Role::Core | Role::CommandLine => false,
        }
    }

    /// May this caller bring rows about this region?
    pub fn may_list(&self, region: RegionCode) -> bool {
        match &self.role {
            Role::Insurer(reach) | Role::Bureau(reach) => reach.has_region(region),
            Role::Development | Role::Administrator | Role::Core => true,
            Role::Hospital(_) | Role::CommandLine => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::PersonId;
    use crate::domain::standing::{Coverage, Standing};

    fn region(text: &str) -> RegionCode {
        RegionCode::new(text).unwrap()
    }

    fn person(of: &str, scheme: Scheme) -> PersonSnapshot {
        let coverage = Coverage {
            scheme,
            region: region(of),
            valid_from: jiff::civil::date(2020, 1, 1),
            valid_to: None,
            facts: Vec::new(),
        };
        let standing = Standing {
            person: PersonId::new(1).unwrap(),
            version: 1,
            birth: None,
            coverage: vec![coverage],
            identities: Vec::new(),
        };
        PersonSnapshot {
            standing,
            ledger_version: 1,
            used: Vec::new(),
            stays: Vec::new(),
            newest: None,
        }
    }

    const ACTS: [Act; 14] = [
        Act::Quote,
        Act::Settle,
        Act::Reverse,
        Act::ReadSettlement,
        Act::ReadStanding,
        Act::ReadAccesses,
        Act::ImportPersons,
        Act::ImportReference,
        Act::Reconcile,
        Act::ReadReconciliation,
        Act::ReadClearing,
        Act::ReadBooks,
        Act::KeepBooks,
        Act::ReadAudit,
    ];

    /// Every act by every role, on its own data and on another's: "+" allowed, "." denied, in the order of [`ACTS`].
    #[test]
    fn every_act_by_every_role_on_its_own_and_on_anothers() {
        let hospital = |code: &str| HospitalCode::new(code).unwrap();
        let reach = |schemes: &[Scheme]| {
            Arc::new(Reach { schemes: schemes.to_vec(), regions: vec![region("520200")] })
        };
        let (h1, h2) = (hospital("H1"), hospital("H2"));
        let resident = (region("520201"), Scheme::Resident);
        let employee = (region("520201"), Scheme::Employee);
        let away = (region("520301"), Scheme::Resident);
        let check = |role: &Role,
                     (hospital, (region, scheme)): (&HospitalCode, (RegionCode, Scheme)),
                     expected: &str| {
            let text = region.to_string();
            let of_whom = person(&text, scheme);
            let statement = Scope {
                hospital: Some(hospital.clone()),
                region: Some(region),
                scheme: Some(scheme),
                clearing_type: None,
                clearing_agency: None,
                payer: None,
                refund: None,
                first_day: jiff::civil::date(2024, 7, 1),
                last_day: jiff::civil::date(2024, 7, 1),
            };
            let caller = Caller {
                name: "c".to_owned(),
                role: role.clone(),
                door: "grpc",
                purpose: None,
                deadline: None,
            };
            let told: String = ACTS
                .into_iter()
                .map(|act| {
                    let of = match act {
                        Act::Quote | Act::Settle | Act::Reverse => Of::Hospital(hospital),
                        Act::ReadSettlement => Of::Settlement { hospital, scheme, region },
                        Act::ReadStanding | Act::ReadAccesses => Of::Person(&of_whom),
                        Act::ImportPersons | Act::ImportReference => Of::Rows(Some(region)),
                        Act::ReadClearing | Act::ReadBooks | Act::KeepBooks | Act::ReadAudit => {
                            Of::Books {
                                regions: std::slice::from_ref(&region),
                                hospital: Some(hospital),
                                scheme: Some(scheme),
                            }
                        }
                        Act::Reconcile | Act::ReadReconciliation => Of::Scope(&statement),
                    };
                    if caller.allow(act, of).is_ok() { '+' } else { '.' }
                })
                .collect();
            assert_eq!(told, expected, "{role:?} of {hospital} {text} {}", scheme.word());
        };
        // Quote, settle, reverse, settlement, standing, accesses, persons, reference, reconcile, its results.
        check(&Role::Development, (&h1, away), "++++++++++++++");
        check(&Role::Hospital(h1.clone()), (&h1, resident), "+++++...+++...");
        check(&Role::Hospital(h1.clone()), (&h1, away), "+++++...+++...");
        check(&Role::Hospital(h1.clone()), (&h2, resident), "....+.........");
        let insurer = Role::Insurer(reach(&[Scheme::Resident]));
        check(&insurer, (&h1, resident), "...++.+.+++...");
        check(&insurer, (&h1, employee), "......+.......");
        check(&insurer, (&h1, away), "..............");
        let bureau = Role::Bureau(reach(&[]));
        check(&bureau, (&h1, resident), "...+++++.+++++");
        check(&bureau, (&h1, employee), "...+++++.+++++");
        check(&bureau, (&h1, away), "..............");
        check(&Role::Administrator, (&h1, resident), ".......+......");
        check(&Role::Core, (&h1, away), "......+.......");
        check(&Role::CommandLine, (&h1, away), ".....+..++++++");
    }

    /// What they said is told back to them, and the same whether it is there or not: nobody looks.
    #[test]
    fn a_refusal_names_what_is_not_the_callers() {
        let reach = Reach { schemes: vec![Scheme::Resident], regions: vec![region("520200")] };
        let insurer = Role::Insurer(Arc::new(reach.clone()));
        let hospital = Role::Hospital(HospitalCode::new("H1").unwrap());
        let bureau = Role::Bureau(Arc::new(Reach { schemes: Vec::new(), ..reach }));
        let other = HospitalCode::new("H2").unwrap();
        let check = |role: &Role, act: Act, of: Of<'_>, (field, about): (&str, &str)| {
            assert!(!role.may(act, of), "{role:?} {act:?}");
            let refusal = role.denied(act, of);
            assert_eq!((refusal.field(), refusal.about().as_str()), (field, about));
        };
        let of = Of::Hospital(&other);
        check(&hospital, Act::Settle, of, ("bill.hospital_code", "H2; role hospital, act settle"));
        check(&hospital, Act::Reverse, of, ("hospital_code", "H2; role hospital, act reverse"));
        check(&insurer, Act::Quote, of, ("", "role insurer, act quote"));
        check(&hospital, Act::ReadAudit, Of::Anybody, ("", "role hospital, act read_audit"));
        let away = [region("520201"), region("520301")];
        let books = Of::Books { regions: &away, hospital: None, scheme: None };
        check(&bureau, Act::KeepBooks, books, ("region", "520301; role bureau, act keep_books"));
        let rows = Of::Rows(Some(region("110000")));
        let about = "110000; role insurer, act import_persons";
        check(&insurer, Act::ImportPersons, rows, ("begin.region", about));
        let mut scope = Scope {
            hospital: Some(other.clone()),
            region: Some(region("520301")),
            scheme: None,
            clearing_type: None,
            clearing_agency: None,
            payer: None,
            refund: None,
            first_day: jiff::civil::date(2024, 7, 1),
            last_day: jiff::civil::date(2024, 7, 1),
        };
        let about = "H2; role hospital, act reconcile";
        check(&hospital, Act::Reconcile, Of::Scope(&scope), ("scope.hospital_code", about));
        let about = "520301; role insurer, act reconcile";
        check(&insurer, Act::Reconcile, Of::Scope(&scope), ("scope.insured_region", about));
        scope.region = Some(region("520201"));
        let about = "role insurer, act reconcile";
        check(&insurer, Act::Reconcile, Of::Scope(&scope), ("scope.scheme", about));
    }

    /// What is not named is all: nobody gets more by leaving a field away.
    #[test]
    fn who_reaches_a_part_names_it_in_a_statement() {
        let reach = Reach { schemes: vec![Scheme::Resident], regions: vec![region("520200")] };
        let insurer = Role::Insurer(Arc::new(reach));
        let mut scope = Scope {
            hospital: None,
            region: Some(region("520200")),
            scheme: Some(Scheme::Resident),
            clearing_type: None,
            clearing_agency: None,
            payer: None,
            refund: None,
            first_day: jiff::civil::date(2024, 7, 1),
            last_day: jiff::civil::date(2024, 7, 1),
        };
        assert!(insurer.may(Act::Reconcile, Of::Scope(&scope)));
        scope.scheme = None;
        assert!(!insurer.may(Act::Reconcile, Of::Scope(&scope)));
        (scope.scheme, scope.region) = (Some(Scheme::Resident), None);
        scope.hospital = HospitalCode::new("H1");
        assert!(!insurer.may(Act::Reconcile, Of::Scope(&scope)));
        let hospital = Role::Hospital(HospitalCode::new("H1").unwrap());
        assert!(hospital.may(Act::Reconcile, Of::Scope(&scope)));
        scope.hospital = None;
        assert!(!hospital.may(Act::ReadReconciliation, Of::Scope(&scope)));
    }

    #[test]
    fn a_region_reaches_over_all_that_lies_in_it() {
        let reach = |own: &str| Reach { schemes: Vec::new(), regions: vec![region(own)] };
        let check = |own: &str, of: &str, expected: bool| {
            assert_eq!(reach(own).has_region(region(of)), expected, "{of} in {own}");
        };
        check("000000", "520201", true);
        check("000000", "000000", true);
        check("520000", "000000", false);
        check("520000", "520201", true);
        check("520200", "520201", true);
        check("520200", "520200", true);
        check("520201", "520201", true);
        check("520201", "520200", false);
        check("520200", "520301", false);
        check("520000", "530000", false);
    }
}
