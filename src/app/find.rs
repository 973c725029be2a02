//! Looks up: a settlement by its id or by the hospital's own request, a person's standing by a credential.

use jiff::civil::Date;
use tracing::instrument;

use super::clinical;
use super::{Act, Answer, App, AppError, Caller, CredentialHash, Of, Refusal};
use crate::domain::ids::{HospitalCode, RequestId, SettlementId};
use crate::domain::ledger::Entry;
use crate::domain::standing::PersonSnapshot;
use crate::store::{self, Found as Stored, Key, Tombstone, What};

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
        caller: &Caller,
        settlement: &SettlementId,
    ) -> Result<Found, AppError> {
        self.found(caller, &Key::Settlement(settlement)).await
    }

    /// A settlement by the hospital's own request: did it settle?
    #[instrument(name = "get settlement by request", skip_all, fields(hospital.code = %hospital, request.id = %request.logged()))]
    pub async fn settlement_of_request(
        &self,
        caller: &Caller,
        hospital: &HospitalCode,
        request: &RequestId,
    ) -> Result<Found, AppError> {
        self.found(caller, &Key::Request(hospital, request)).await
    }

    /// What is another's is answered like what is not there.
    async fn found(&self, caller: &Caller, key: &Key<'_>) -> Result<Found, AppError> {
        caller.allow(Act::ReadSettlement, Of::Anybody)?;
        let found = store::find_settlement(&self.pool, key).await;
        let sees = |of: Of<'_>| caller.allow(Act::ReadSettlement, of).is_ok();
        match (found.map_err(AppError::store("find a settlement"))?, key) {
            (Some(Stored::Recorded(recorded)), _) if sees(whose(&recorded.entry)) => {
                let seen = (What::Settlement, Some(&recorded.entry.settlement));
                self.record_access(caller, recorded.entry.person, seen).await?;
                let answer = self.answer(*recorded, false).await?;
                let corrected = self.correction_of(&answer).await?;
                let answer = Answer { replaced_by: corrected.map(|of| of.new), ..answer };
                let whole = caller.sees_clinical_detail();
                let answer = if whole { answer } else { answer.without_clinical_detail() };
                Ok(Found::Answer(Box::new(answer)))
            }
            (Some(Stored::Tombstone(tombstone)), Key::Request(hospital, _))
                if sees(Of::Hospital(hospital)) =>
            {
                Ok(Found::Tombstone(tombstone))
            }
            (_, Key::Settlement(_)) => Err(Refusal::SettlementUnknown.into()),
            (_, Key::Request(..)) => Err(Refusal::RequestUnknown.into()),
        }
    }

    /// Who a person is, and what they have used.
    #[instrument(name = "get standing", skip_all)]
    pub async fn standing(
        &self,
        caller: &Caller,
        credential: &CredentialHash,
        on: Option<Date>,
    ) -> Result<Person, AppError> {
        caller.allow(Act::ReadStanding, Of::Anybody)?;
        let on = on.unwrap_or_else(|| self.now().day);
        let found = store::standing(&self.pool, &credential.hash, credential.kind).await;
        let snapshot = found.map_err(AppError::store("read a standing"))?;
        let snapshot = snapshot.ok_or(Refusal::PersonUnknown)?;
        if caller.allow(Act::ReadStanding, Of::Person(&snapshot)).is_err() {
            return Err(Refusal::PersonUnknown.into());
        }
        let used = if caller.sees_clinical_detail() {
            snapshot.used
        } else {
            let packages = self.rulebook.packages();
            let all = packages.entries.iter().map(|entry| entry.package.as_ref());
            clinical::used_by_fund(&snapshot.used, all)?
        };
        let snapshot = PersonSnapshot { used, ..snapshot };
        self.record_access(caller, snapshot.standing.person, (What::Standing, None)).await?;
        Ok(Person { snapshot, on })
    }
}

fn whose(entry: &Entry) -> Of<'_> {
    let Entry { hospital, scheme, insured_region, .. } = entry;
    Of::Settlement { hospital, scheme: *scheme, region: *insured_region }
}
