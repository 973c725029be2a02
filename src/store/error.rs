//! What can go wrong at the database: which operation, on what, and why.

use std::fmt;

use tokio_postgres::error::SqlState;

use crate::domain::ids::{HospitalCode, Logged, PersonId, RequestId, SettlementId};

/// We could not do what was asked; the cause is the source.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection in time.
    #[error("take a connection to {operation}")]
    Connect {
        /// What for.
        operation: Operation,
        /// Why not.
        #[source]
        source: deadpool_postgres::PoolError,
    },
    /// The pool could not be put together.
    #[error("build the connection pool")]
    Build {
        /// Why not.
        #[source]
        source: deadpool_postgres::BuildError,
    },
    /// The database refused, or went away.
    #[error("{operation}")]
    Statement {
        /// Doing what.
        operation: Operation,
        /// Why not.
        #[source]
        source: tokio_postgres::Error,
    },
    /// A migration failed.
    #[error("apply migrations")]
    Migrate {
        /// Why.
        #[source]
        source: refinery::Error,
    },
    /// A row holds what no domain type takes: written by something else, or by a newer release.
    #[error("{operation}: read {field}, which holds something unknown")]
    Stored {
        /// Doing what.
        operation: Operation,
        /// Which column.
        field: &'static str,
    },
    /// Something that can not be written.
    #[error("{operation}: {field} does not fit")]
    Unfit {
        /// Doing what.
        operation: Operation,
        /// Which field.
        field: &'static str,
    },
    /// As many entries wait as may.
    #[error("{operation}: too many wait already")]
    Backlog {
        /// Doing what.
        operation: Operation,
    },
    /// Whoever asked no longer waits: it was not begun.
    #[error("{operation}: the deadline passed before it was begun")]
    DeadlinePassed {
        /// Doing what.
        operation: Operation,
    },
    /// The group that an entry went with failed.
    #[error("{operation}, with others")]
    Together {
        /// Doing what.
        operation: Operation,
        /// Why the group did.
        #[source]
        source: std::sync::Arc<StoreError>,
    },
    /// What wrote the group ended half way.
    #[error("{operation}: its writer ended half way")]
    WriterLost {
        /// Doing what.
        operation: Operation,
    },
    /// What began before a fence has not ended.
    #[error("{operation}: what began before it has not ended")]
    StillUnderWay {
        /// Doing what.
        operation: Operation,
    },
    /// The person of an entry was never registered.
    #[error("{operation}: the person is not registered")]
    NotRegistered {
        /// Doing what.
        operation: Operation,
    },
}

/// What the store was doing, with the ids it was doing it for. Holds nothing of who a person is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Bringing the schema up to date.
    Migrate,
    /// Reading what a decision may look at.
    Snapshot(HospitalCode),
    /// Committing an entry.
    Commit(SettlementId),
    /// Looking for a settlement by its id.
    FindSettlement(SettlementId),
    /// Looking for a settlement by the hospital's request.
    FindRequest(HospitalCode, RequestId),
    /// Looking for a hospital.
    FindHospital(HospitalCode),
    /// Reading the catalogue into memory.
    ReadCatalogue,
    /// Seeing which other gateways are there.
    Presence,
    /// Reading the registry into memory.
    ReadRegistry,
    /// Having the files read that first visits need.
    BringNear,
    /// Reading who a person is.
    Standing,
    /// Reading what a person has used.
    History,
    /// Leaving a tombstone.
    Tombstone(HospitalCode, RequestId),
    /// Adding up what a person has used.
    Rebuild(PersonId),
    /// Comparing state with history.
    CheckIntegrity,
    /// Recording rule packages.
    Publish,
    /// Seeing under which credential key the database is kept.
    CredentialKey,
    /// Importing rows.
    Import(String),
    /// What the national door remembers of a hospital: doing what.
    National(&'static str, HospitalCode),
    /// Who a number of the national door stands for.
    PersonNumber,
    /// Looking through sealed values, or sealing them anew.
    Reseal,
    /// Recording who looked at persons' data.
    RecordAccess,
    /// Reading who looked at a person's data.
    ReadAccesses,
    /// Fencing an accounting day.
    Fence(jiff::civil::Date),
    /// Reconciling: doing what.
    Reconcile(&'static str),
    /// Telling the insurance core: doing what.
    Deliver(&'static str),
    /// Truing up what was settled without the core: doing what.
    TrueUp(&'static str),
    /// Looking at a month: doing what.
    Audit(&'static str),
    /// Keeping the books: doing what.
    Finance(&'static str),
    /// Sealing days, or comparing what is sealed.
    Seal,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Migrate => f.write_str("migrate the database"),
            Self::Snapshot(hospital) => write!(f, "read a snapshot for hospital {hospital}"),
            Self::Commit(settlement) => write!(f, "commit settlement {settlement}"),
            Self::FindSettlement(settlement) => {
                write!(f, "find settlement {}", settlement.logged())
            }
            Self::FindRequest(hospital, request) => {
                write!(f, "find request {} of hospital {hospital}", request.logged())
            }
            Self::FindHospital(hospital) => write!(f, "find hospital {hospital}"),
            Self::Presence => f.write_str("see which other gateways are there"),
            Self::ReadRegistry => f.write_str("read the registry into memory"),
            Self::BringNear => f.write_str("bring near what first visits read"),
            Self::ReadCatalogue => f.write_str("read the catalogue into memory"),
            Self::History => f.write_str("read what a person has used"),
            Self::Standing => f.write_str("read a standing"),
            Self::Tombstone(hospital, request) => {
                write!(f, "leave a tombstone for {} of hospital {hospital}", request.logged())
            }
            Self::Rebuild(person) => {
                write!(f, "rebuild the accumulators of person {}", person.get())
            }
            Self::CheckIntegrity => f.write_str("compare accumulators with history"),
            Self::Publish => f.write_str("publish rule packages"),
            Self::CredentialKey => f.write_str("compare the credential key with the database's"),
            Self::Import(import) => write!(f, "import {}", Logged(import)),
            Self::National(what, hospital) => write!(f, "{what} of hospital {hospital}"),
            Self::PersonNumber => f.write_str("look up a person's number"),
            Self::Reseal => f.write_str("look through sealed values"),
            Self::RecordAccess => f.write_str("record who looked at a person's data"),
            Self::Seal => f.write_str("seal days"),
            Self::ReadAccesses => f.write_str("read who looked at a person's data"),
            Self::Fence(day) => write!(f, "fence {day}"),
            Self::Reconcile(what) => f.write_str(what),
            Self::Deliver(what) | Self::TrueUp(what) => f.write_str(what),
            Self::Finance(what) | Self::Audit(what) => f.write_str(what),
        }
    }
}

impl StoreError {
    /// Is the database merely too busy, so that the same call may do later? Nothing was written.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Connect { source, .. } => {
                matches!(source, deadpool_postgres::PoolError::Timeout(_))
            }
            Self::Statement { source, .. } => source.code().is_some_and(|code| {
                [
                    SqlState::QUERY_CANCELED,
                    SqlState::LOCK_NOT_AVAILABLE,
                    SqlState::T_R_DEADLOCK_DETECTED,
                    SqlState::TOO_MANY_CONNECTIONS,
                ]
                .contains(code)
            }),
            Self::Together { source, .. } => source.is_busy(),
            Self::Backlog { .. } | Self::DeadlinePassed { .. } | Self::StillUnderWay { .. } => true,
            Self::Build { .. }
            | Self::Migrate { .. }
            | Self::Stored { .. }
            | Self::Unfit { .. }
            | Self::WriterLost { .. }
            | Self::NotRegistered { .. } => false,
        }
    }

    /// Did the database give up on the statement, since it took too long?
    pub(super) fn is_cancelled(&self) -> bool {
        matches!(self, Self::Statement { source, .. } if source.code() == Some(&SqlState::QUERY_CANCELED))
    }

    /// Was there no connection to send anything by? Then nothing was written.
    pub fn is_unsent(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Backlog { .. } | Self::DeadlinePassed { .. } => true,
            Self::Together { source, .. } => source.is_unsent(),
            Self::Build { .. }
            | Self::Statement { .. }
            | Self::Migrate { .. }
            | Self::Stored { .. }
            | Self::Unfit { .. }
            | Self::WriterLost { .. }
            | Self::StillUnderWay { .. }
            | Self::NotRegistered { .. } => false,
        }
    }

    /// Did the database itself stay away or go away? For a commit it is then not known whether it was written.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Connect { source, .. } => {
                !matches!(source, deadpool_postgres::PoolError::Timeout(_))
            }
            Self::Statement { source, .. } => source.code().is_none_or(|code| {
                [
                    SqlState::ADMIN_SHUTDOWN,
                    SqlState::CRASH_SHUTDOWN,
                    SqlState::CANNOT_CONNECT_NOW,
                    // A full disk, and a standby that takes no writes: whoever runs the database must act.
                    SqlState::DISK_FULL,
                    SqlState::READ_ONLY_SQL_TRANSACTION,
                ]
                .contains(code)
            }),
            Self::Together { source, .. } => source.is_outage(),
            Self::WriterLost { .. } => true,
            Self::Build { .. }
            | Self::Migrate { .. }
            | Self::Stored { .. }
            | Self::Unfit { .. }
            | Self::Backlog { .. }
            | Self::DeadlinePassed { .. }
            | Self::StillUnderWay { .. }
            | Self::NotRegistered { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_wrong_is_told_without_identity_numbers() {
        let hospital = HospitalCode::new("H1").unwrap();
        let number = "11010519491231002X";
        let request = RequestId::new(number).unwrap();
        for operation in [
            Operation::FindSettlement(SettlementId::new(number).unwrap()),
            Operation::FindRequest(hospital.clone(), request.clone()),
            Operation::Tombstone(hospital, request),
            Operation::Import(number.to_owned()),
        ] {
            let text = operation.to_string();
            assert!(text.contains("110105**********2X") && !text.contains("19491231"), "{text}");
        }
    }
}
