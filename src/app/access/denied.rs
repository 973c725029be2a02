//! What is told to who is not let through: which act, and which field of their own message names what is not theirs. Nothing is told
//! that they did not say themselves, so that nobody learns by it what is there.

use super::{Act, Of, Reach, Role};
use crate::app::Refusal;

/// What a caller may not do, and what of it is not theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// What the caller is.
    pub role: &'static str,
    /// What it may not do.
    pub act: Act,
    /// The field that names what is not theirs, and what they said there; nothing where their role may not do it at all.
    pub named: Option<(&'static str, String)>,
}

impl Denied {
    /// The field; empty where none would help.
    pub(in crate::app) const fn field(&self) -> &'static str {
        match &self.named {
            Some((field, _)) => field,
            None => "",
        }
    }

    /// What they said there, and the role and the act, for a program and for people.
    pub(in crate::app) fn about(&self) -> String {
        let Self { role, act, named } = self;
        let act = act.word();
        match named {
            Some((_, said)) if !said.is_empty() => format!("{said}; role {role}, act {act}"),
            Some(_) | None => format!("role {role}, act {act}"),
        }
    }
}

impl Act {
    /// Its word for whoever may not do it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Quote => "quote",
            Self::Settle => "settle",
            Self::Reverse => "reverse",
            Self::ReadSettlement => "read_settlement",
            Self::ReadStanding => "read_standing",
            Self::ReadAccesses => "read_accesses",
            Self::ImportPersons => "import_persons",
            Self::ImportReference => "import_reference",
            Self::Reconcile => "reconcile",
            Self::ReadReconciliation => "read_reconciliation",
            Self::ReadClearing => "read_clearing",
            Self::ReadBooks => "read_books",
            Self::ReadAudit => "read_audit",
            Self::KeepBooks => "keep_books",
        }
    }
}

impl Role {
    /// What to tell of an act that is not allowed.
    pub(in crate::app) fn denied(&self, act: Act, of: Of<'_>) -> Refusal {
        let named = self.may(act, Of::Anybody).then(|| self.named(act, of)).flatten();
        Refusal::NotAllowed(Denied { role: self.word(), act, named })
    }

    fn named(&self, act: Act, of: Of<'_>) -> Option<(&'static str, String)> {
        match of {
            Of::Hospital(hospital) => {
                let in_bill = matches!(act, Act::Quote | Act::Settle);
                let field = if in_bill { "bill.hospital_code" } else { "hospital_code" };
                Some((field, hospital.to_string()))
            }
            Of::Settlement { .. } => Some(("settlement_id", String::new())),
            Of::Person(_) => Some(("credential", String::new())),
            Of::Rows(region) => Some(("begin.region", region?.to_string())),
            Of::Scope(scope) => Some(match self.reach() {
                Some(reach) if scope.region.is_none_or(|region| !reach.has_region(region)) => {
                    let said = scope.region.map(|region| region.to_string());
                    ("scope.insured_region", said.unwrap_or_default())
                }
                Some(_) => {
                    ("scope.scheme", scope.scheme.map_or("", |scheme| scheme.word()).to_owned())
                }
                None => {
                    let said = scope.hospital.as_ref().map(ToString::to_string);
                    ("scope.hospital_code", said.unwrap_or_default())
                }
            }),
            Of::Books { regions, hospital, scheme } => Some(match self.reach() {
                Some(reach) => match regions.iter().find(|region| !reach.has_region(**region)) {
                    Some(region) => ("region", region.to_string()),
                    None => ("scheme", scheme.map_or("", |scheme| scheme.word()).to_owned()),
                },
                None => {
                    let said = hospital.map(ToString::to_string);
                    ("hospital_code", said.unwrap_or_default())
                }
            }),
            Of::Anybody => None,
        }
    }

    fn reach(&self) -> Option<&Reach> {
        match self {
            Self::Insurer(reach) | Self::Bureau(reach) => Some(reach),
            Self::Development
            | Self::Hospital(_)
            | Self::Administrator
            | Self::Core
            | Self::CommandLine => None,
        }
    }
}
