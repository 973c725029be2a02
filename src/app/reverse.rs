//! Reverses a settlement by new entries with negated amounts; what was never seen gets a tombstone.

use std::sync::Arc;

use tracing::instrument;

use super::answer::sha256;
use super::entry;
use super::settle::commit_failed;
use super::{Act, Answer, App, AppError, Caller, Of, Refusal};
use crate::domain::ids::{HospitalCode, OperatorId, RequestId, SettlementId};
use crate::domain::ledger::Entry;
use crate::domain::record::Record;
use crate::limits;
use crate::store::{
    self, Committed, Found as Stored, Key, Left, Recorded, Tombstone, What, trueup,
};

/// What to reverse, and who says so.
#[derive(Clone, Debug)]
pub struct ReverseRequest {
    /// The hospital's key for this reversal.
    pub request: RequestId,
    /// The hospital.
    pub hospital: HospitalCode,
    /// What.
    pub target: Target,
    /// Why.
    pub reason: Option<String>,
    /// Who sits at the desk.
    pub operator: Option<OperatorId>,
}

/// How what is to be reversed is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By its settlement id.
    Settlement(SettlementId),
    /// By the hospital's request, seen or not.
    Request(RequestId),
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Reversal {
    /// Reversed.
    Answer(Box<Answer>),
    /// The original was never seen, and is refused from now on.
    Tombstone {
        /// What was left.
        tombstone: Tombstone,
        /// Had this reversal been answered before?
        repeat: bool,
    },
}

enum Attempt {
    Done(Reversal),
    Again,
}

impl App {
    /// Reverses a settlement, durably, before it answers.
    #[instrument(
        name = "reverse",
        skip_all,
        fields(request.id = %request.request.logged(), hospital.code = %request.hospital, settlement.id)
    )]
    pub async fn reverse(
        &self,
        caller: &Caller,
        request: &ReverseRequest,
    ) -> Result<Reversal, AppError> {
        caller.allow(Act::Reverse, Of::Hospital(&request.hospital))?;
        for _ in 1..=limits::DECIDE_ATTEMPTS_MAX {
            match self.attempt_reversal(caller, request).await? {
                Attempt::Done(reversal) => return Ok(reversal),
                Attempt::Again => {}
            }
        }
        Err(AppError::Contended)
    }

    async fn attempt_reversal(
        &self,
        caller: &Caller,
        request: &ReverseRequest,
    ) -> Result<Attempt, AppError> {
        let earlier = self.find(&Key::Request(&request.hospital, &request.request)).await?;
        if let Some(earlier) = earlier {
            return self.repeat_reversal(caller, request, earlier).await.map(Attempt::Done);
        }
        let found = match &request.target {
            Target::Settlement(settlement) => self.find(&Key::Settlement(settlement)).await?,
            Target::Request(original) => {
                self.find(&Key::Request(&request.hospital, original)).await?
            }
        };
        let reversed = match (found, &request.target) {
            (Some(Stored::Recorded(recorded)), _) => {
                let recorded = self.in_its_place(caller, request, *recorded).await?;
                self.undo(caller, request, recorded).await
            }
            (Some(Stored::Tombstone(tombstone)), Target::Request(original))
                if tombstone.reversal == *original =>
            {
                Err(Refusal::ReversesAReversal.into())
            }
            (Some(Stored::Tombstone(_)), _) => Err(Refusal::AlreadyBarred.into()),
            (None, Target::Settlement(_)) => Err(Refusal::SettlementUnknown.into()),
            (None, Target::Request(original)) => self.bury(request, original).await,
        };
        // Between the two looks the very same request may have been done.
        if let Err(AppError::Refused(Refusal::AlreadyReversed(_) | Refusal::AlreadyBarred)) =
            &reversed
            && let Some(earlier) =
                self.find(&Key::Request(&request.hospital, &request.request)).await?
        {
            return self.repeat_reversal(caller, request, earlier).await.map(Attempt::Done);
        }
        reversed
    }

    /// What is to be undone, where a true-up took back what was asked for and settled it anew. Whoever names their own request means
    /// what stands of it now; whoever names a settlement is told which one stands in its place.
    async fn in_its_place(
        &self,
        caller: &Caller,
        request: &ReverseRequest,
        mut recorded: Recorded,
    ) -> Result<Recorded, AppError> {
        let mut place: Option<SettlementId> = None;
        // Each took the place of the one before it: as many as there were true-ups.
        while recorded.reversed_by.is_some() && recorded.entry.hospital == request.hospital {
            let Entry { person, settlement, .. } = &recorded.entry;
            let corrected = trueup::correction_of(&self.pool, *person, settlement).await;
            let corrected = corrected.map_err(AppError::store("look for what was trued up"))?;
            let Some(corrected) = corrected else { break };
            match self.find(&Key::Settlement(&corrected.new)).await? {
                Some(Stored::Recorded(anew)) => recorded = *anew,
                Some(Stored::Tombstone(_)) | None => break,
            }
            place = Some(corrected.new);
        }
        match (&request.target, place) {
            (Target::Settlement(_), Some(place)) if recorded.reversed_by.is_none() => {
                let seen = (What::Settlement, Some(&place));
                self.note_access(caller, recorded.entry.person, seen).await?;
                Err(Refusal::TruedUp(place).into())
            }
            (Target::Settlement(_) | Target::Request(_), _) => Ok(recorded),
        }
    }

    async fn find(&self, key: &Key<'_>) -> Result<Option<Stored>, AppError> {
        store::find_settlement(&self.pool, key).await.map_err(AppError::store("find a settlement"))
    }

    /// Writes the exact inverse, if the settlement is the newest in force of its person.
    async fn undo(
        &self,
        caller: &Caller,
        request: &ReverseRequest,
        recorded: Recorded,
    ) -> Result<Attempt, AppError> {
        let Recorded { entry: original, reversed_by, now: versions } = recorded;
        if original.hospital != request.hospital {
            return Err(Refusal::SettlementUnknown.into());
        }
        if original.reverses.is_some() {
            return Err(Refusal::ReversesAReversal.into());
        }
        let in_the_way = match (reversed_by, versions.newest) {
            (Some(by), _) => Some(Refusal::AlreadyReversed(by)),
            (None, Some(newest)) if newest != original.settlement => {
                Some(Refusal::NotNewest(newest))
            }
            (None, _) => None,
        };
        if let Some(refusal) = in_the_way {
            // It names another settlement of the person.
            let seen = (What::Settlement, refusal.settlement());
            self.note_access(caller, original.person, seen).await?;
            return Err(refusal.into());
        }
        let package = self.package(&original.package).await?;
        let settlement = original.settlement.clone();
        let seen = Record::from_bytes(&original.record)
            .map_err(|source| AppError::Record { settlement, source })?;
        let now = self.booking();
        let id = SettlementId::compose(
            original.person.bucket(),
            entry::unix_ms(now.at),
            self.random_u64()?,
        );
        tracing::Span::current().record("settlement.id", id.as_str());
        let said = Entry {
            settlement: id,
            request: request.request.clone(),
            body_sha256: body_sha256(request),
            settled_at: now.at,
            accounting_day: now.day,
            operator: request.operator.clone(),
            door: caller.door,
            reason: request.reason.clone(),
            standing_version: versions.standing,
            ledger_version: versions.ledger,
            ..original.clone()
        };
        let (entry, record) = entry::reversal(&original, &seen, said)?;
        let entry = Arc::new(entry);
        match store::commit(&self.pool, Arc::clone(&entry), None, caller.deadline).await {
            Ok(Committed::Committed) => {
                let package = Arc::clone(&package);
                let (reversed_by, repeat, run_dry) = (None, false, Vec::new());
                let replaced_by = None;
                let answer =
                    Answer { entry, record, package, reversed_by, replaced_by, repeat, run_dry };
                Ok(Attempt::Done(Reversal::Answer(Box::new(answer))))
            }
            // Somebody else was faster; the next look says who.
            Ok(
                Committed::StandingMoved
                | Committed::AccumulatorsMoved
                | Committed::RequestIdTaken
                | Committed::AlreadyReversed
                | Committed::Tombstoned,
            ) => Ok(Attempt::Again),
            // It counts on a later one.
            Ok(Committed::DayClosed) => self.look_for_an_open_day().await.map(|()| Attempt::Again),
            Ok(Committed::PackageMoved | Committed::StayTaken | Committed::ReversesUnknown) => {
                Err(AppError::Unbalanced)
            }
            Err(source) => Err(commit_failed(source)),
        }
    }

    /// Leaves a tombstone for what was never seen: from now on it never settles.
    async fn bury(
        &self,
        request: &ReverseRequest,
        original: &RequestId,
    ) -> Result<Attempt, AppError> {
        if *original == request.request {
            return Err(Refusal::RequestIdReused.into());
        }
        // What a mistyped hospital never sent was not reversed by barring it there.
        let known = store::is_hospital(&self.pool, &request.hospital).await;
        if !known.map_err(AppError::store("find a hospital"))? {
            return Err(Refusal::HospitalUnknown.into());
        }
        let said = (request.operator.as_ref(), request.reason.as_deref());
        let left = store::leave_tombstone(
            &self.pool,
            &request.hospital,
            (original, &request.request),
            said,
        )
        .await;
        match left.map_err(commit_failed)? {
            Left::Left(tombstone) => {
                Ok(Attempt::Done(Reversal::Tombstone { tombstone, repeat: false }))
            }
            // It settled at this very moment, or was just buried: look again.
            Left::OriginalTaken(_) | Left::ReversalTaken(_) => Ok(Attempt::Again),
        }
    }

    async fn repeat_reversal(
        &self,
        caller: &Caller,
        request: &ReverseRequest,
        earlier: Stored,
    ) -> Result<Reversal, AppError> {
        match earlier {
            Stored::Recorded(recorded) => {
                if recorded.entry.reverses.is_none()
                    || recorded.entry.body_sha256 != body_sha256(request)
                {
                    return Err(Refusal::RequestIdReused.into());
                }
                let seen = (What::Settlement, Some(&recorded.entry.settlement));
                self.note_access(caller, recorded.entry.person, seen).await?;
                Ok(Reversal::Answer(Box::new(self.answer(*recorded, true).await?)))
            }
            Stored::Tombstone(tombstone) => {
                let same = tombstone.reversal == request.request
                    && request.target == Target::Request(tombstone.original.clone());
                if same {
                    Ok(Reversal::Tombstone { tombstone, repeat: true })
                } else {
                    Err(Refusal::RequestIdReused.into())
                }
            }
        }
    }
}

/// The body that a repeat must have. The reason and the operator may differ: they say nothing about what is reversed.
fn body_sha256(request: &ReverseRequest) -> [u8; 32] {
    let (kind, target) = match &request.target {
        Target::Settlement(settlement) => ("settlement", settlement.as_str()),
        Target::Request(original) => ("request", original.as_str()),
    };
    sha256(format!("reverse\n{}\n{kind}\n{target}", request.hospital).as_bytes())
}
