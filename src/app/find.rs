//! Looks up: a settlement by its id or by the hospital's own request, a person's standing by a credential.

use jiff::civil::Date;
use tracing::instrument;

use super::{Answer, App, AppError, Caller, CredentialHash, Refusal};
use crate::domain::ids::{HospitalCode, RequestId, SettlementId};
use crate::domain::standing::PersonSnapshot;
use crate::store::{self, Found as Stored, Key, Tombstone};

/// What a key leads to.
#[derive(Clone, Debug)]
pub enum Found {
    /// What is recorded, and where it stands now.
    Answer(Box<Answer>),
    /// The request was reversed before it was seen.
    Tombstone(Tombstone),
}

/// A person, and the day that is asked about.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who they are and what they have used.
    pub snapshot: PersonSnapshot,
    /// The day.
    pub on: Date,
}

impl App {
    /// A settlement by its id.
    #[instrument(name = "get settlement", skip_all, fields(settlement.id = %settlement.logged()))]
    pub async fn settlement(
        &self,
        _caller: &Caller,
        settlement: &SettlementId,
    ) -> Result<Found, AppError> {
        self.found(&Key::Settlement(settlement)).await
    }

    /// A settlement by the hospital's own request: did it settle?
    #[instrument(name = "get settlement by request", skip_all, fields(hospital.code = %hospital, request.id = %request.logged()))]
    pub async fn settlement_of_request(
        &self,
        _caller: &Caller,
        hospital: &HospitalCode,
        request: &RequestId,
    ) -> Result<Found, AppError> {
        self.found(&Key::Request(hospital, request)).await
    }

    async fn found(&self, key: &Key<'_>) -> Result<Found, AppError> {
        let found = store::find_settlement(&self.pool, key).await;
        match found.map_err(AppError::store("find a settlement"))? {
            Some(Stored::Recorded(recorded)) => {
                Ok(Found::Answer(Box::new(self.answer(*recorded, false).await?)))
            }
            Some(Stored::Tombstone(tombstone)) => Ok(Found::Tombstone(tombstone)),
            None => Err(match key {
                Key::Settlement(_) => Refusal::SettlementUnknown,
                Key::Request(..) => Refusal::RequestUnknown,
            }
            .into()),
        }
    }

    /// Who a person is, and what they have used.
    #[instrument(name = "get standing", skip_all)]
    pub async fn standing(
        &self,
        _caller: &Caller,
        credential: &CredentialHash,
        on: Option<Date>,
    ) -> Result<Person, AppError> {
        let on = on.unwrap_or_else(|| self.now().day);
        let found = store::standing(&self.pool, &credential.hash, credential.kind).await;
        let snapshot = found.map_err(AppError::store("read a standing"))?;
        Ok(Person { snapshot: snapshot.ok_or(Refusal::PersonUnknown)?, on })
    }
}
