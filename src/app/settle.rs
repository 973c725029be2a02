//! Read, decide, record; again from a fresh snapshot when something moved in between.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use jiff::civil::Date;
use tracing::{Instrument as _, instrument};

use super::entry::{self, bill_sha256};
use super::finance::budgets;
use super::layers::Asked;
use super::quote::{Moved, Promise, Token};
use super::turns::Turn;
use super::{Act, Answer, App, AppError, Caller, Claim, Now, Of, Refusal};
use crate::domain::cascade::Inputs;
use crate::domain::finance::budget::RunDry;
use crate::domain::ids::{ItemCode, PersonId, RequestId};
use crate::domain::prepare::{Frozen, coverage_of, policy_year, prepare};
use crate::domain::record::Record;
use crate::domain::rules::Package;
use crate::domain::standing::{Hospital, Scheme};
use crate::domain::verdict::{self, Decline, Reason};
use crate::limits;
use crate::store::{
    self, Committed, Earlier, Found as Stored, Key, ReadSnapshot, Seen, Snapshot, StoreError, What,
};

/// A bill to settle.
#[derive(Clone, Debug)]
pub struct SettleRequest {
    /// The hospital's key.
    pub request: RequestId,
    /// The bill, and whose it is.
    pub claim: Claim,
    /// From a quote; empty: at whatever is right now.
    pub quote_token: Vec<u8>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Settled {
    /// Recorded.
    Answer(Box<Answer>),
    /// Not to be settled.
    Declined(Decline),
    /// The quote no longer holds; nothing was recorded.
    QuoteMoved(Box<Moved>),
}

/// What the domain said.
pub(super) enum Decision {
    Decided(Box<Decided>),
    Declined(Decline),
}

/// A decision with all that it saw.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    pub(super) person: PersonId,
    pub(super) standing_version: i64,
    pub(super) ledger_version: i64,
    pub(super) package: Arc<Package>,
    pub(super) scheme: Scheme,
    pub(super) hospital: Hospital,
    pub(super) year: i16,
    pub(super) inputs: Inputs,
    pub(super) outcome: verdict::Outcome,
}

/// What one attempt came to.
enum Attempt {
    Done(Settled),
    /// Something moved in between: decide again.
    Again,
    /// What is held in memory is not enough to say so: read, and decide again.
    Look,
    /// The rules moved in between: another gateway published newer ones.
    RulesMoved,
}

impl App {
    /// Settles a stay, durably, before it answers.
    #[instrument(
        name = "settle",
        skip_all,
        fields(
            request.id = %request.request.logged(),
            hospital.code = %request.claim.bill.hospital,
            stay.id = %request.claim.bill.stay.logged(),
            settlement.id,
            attempts,
        )
    )]
    pub async fn settle(
        &self,
        caller: &Caller,
        request: &SettleRequest,
    ) -> Result<Settled, AppError> {
        caller.allow(Act::Settle, Of::Hospital(&request.claim.bill.hospital))?;
        let now = self.now();
        let bill = &request.claim.bill;
        bill.check(now.day, limits::CHARGE_LINES_MAX).map_err(Refusal::Bill)?;
        let token = if request.quote_token.is_empty() {
            None
        } else {
            Some(self.read_token(&request.claim, &request.quote_token, now.at))
        };
        let mut look = false;
        let until = self.patient_until(caller.deadline);
        for attempt in 1..=limits::DECIDE_ATTEMPTS_MAX {
            tracing::Span::current().record("attempts", attempt);
            // One at a time for each person, until what was decided is on its way: the next one is decided on what it leaves.
            let turn = self.turns.take(&request.claim.credential).await;
            // Its turn may have come late.
            if caller.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(AppError::DeadlinePassed);
            }
            let remembered =
                if look { None } else { self.known(&request.claim, &request.request).await? };
            let seen = (remembered, turn, until);
            match self.attempt(caller, request, token.as_ref(), seen).await? {
                Attempt::Done(settled) => return Ok(settled),
                Attempt::Again => {}
                Attempt::Look => look = true,
                Attempt::RulesMoved => return Err(AppError::RulesMoved),
            }
        }
        Err(AppError::Contended)
    }

    async fn attempt(
        &self,
        caller: &Caller,
        request: &SettleRequest,
        token: Option<&Result<Token, Refusal>>,
        (remembered, turn, until): (Option<Snapshot>, Turn<'_>, Option<Instant>),
    ) -> Result<Attempt, AppError> {
        let now = self.booking();
        let claim = &request.claim;
        // Only a settlement is verified by its commit; whatever else is answered must have been read.
        let certain = remembered.is_none();
        let snapshot = match remembered {
            Some(snapshot) => snapshot,
            None => self.read(claim, Some(&request.request)).await?,
        };
        if !certain && snapshot.stay_in_force.is_some() {
            return Ok(Attempt::Look);
        }
        if let Some(earlier) = &snapshot.earlier {
            return self.repeat(caller, request, earlier).await.map(Attempt::Done);
        }
        if let Some((settlement, person)) = snapshot.stay_in_force {
            self.note_access(caller, person, (What::Settlement, Some(&settlement))).await?;
            return Err(Refusal::StaySettled(Some(settlement)).into());
        }
        // What was quoted binds, also what the core said of it.
        let promise = token.and_then(|token| token.as_ref().ok()).map(Token::promise);
        let asking = (Some(&request.request), until, promise);
        let decided = match self.decide(claim, &snapshot, now.day, asking).await? {
            Decision::Declined(_) if !certain => return Ok(Attempt::Look),
            Decision::Declined(decline) => {
                if let Some(person) = &snapshot.person {
                    let person = person.standing.person;
                    self.note_access(caller, person, (What::Decline, None)).await?;
                }
                return Ok(Attempt::Done(Settled::Declined(decline)));
            }
            Decision::Decided(decided) => *decided,
        };
        let dry = self.run_dry(&decided, &now);
        match self.in_the_way(claim, token, (&decided, &dry), (&snapshot, now.at)) {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) if !certain => return Ok(Attempt::Look),
            Ok(Some((what, settled))) => {
                self.note_access(caller, decided.person, (what, None)).await?;
                return Ok(Attempt::Done(settled));
            }
            Err(refusal) => return Err(refusal.into()),
        }
        let Snapshot { person, changes, reference_version, .. } = snapshot;
        let seen = person.map(|person| Seen { person, changes, reference_version });
        let flagged = budgets::flagged(dry, token.is_some());
        self.record(caller, request, (decided, flagged, seen, turn), &now).await
    }

    /// What is answered instead of settling: that a fund has run dry where its region wants none settled then, that the quote moved, or
    /// that its token is none. A quote that holds is kept, though the fund ran dry since: the patient was told so.
    fn in_the_way(
        &self,
        claim: &Claim,
        token: Option<&Result<Token, Refusal>>,
        (decided, dry): (&Decided, &[RunDry]),
        (snapshot, at): (&Snapshot, Timestamp),
    ) -> Result<Option<(What, Settled)>, Refusal> {
        let of_token =
            |token: &Token| self.moved(claim, token, decided, (snapshot.reference_sha256(), at));
        let moved = token.map(|token| token.as_ref().map(of_token));
        if let Some(Ok(None)) = moved {
            return Ok(None);
        }
        if let Some(decline) = budgets::declined(dry) {
            return Ok(Some((What::Decline, Settled::Declined(decline))));
        }
        let moved = moved.transpose().map_err(Clone::clone)?.flatten();
        Ok(moved.map(|moved| (What::Quote, Settled::QuoteMoved(Box::new(moved)))))
    }

    /// Writes what was decided, once, if nothing moved. The turn ends as soon as it is on its way.
    async fn record(
        &self,
        caller: &Caller,
        request: &SettleRequest,
        (decided, run_dry, seen, turn): (Decided, Vec<RunDry>, Option<Seen>, Turn<'_>),
        now: &Now,
    ) -> Result<Attempt, AppError> {
        let package = Arc::clone(&decided.package);
        let (entry, record) =
            entry::settlement(caller, request, decided, (now, self.random_u64()?))?;
        let entry = Arc::new(entry);
        let queued = store::queue(&self.pool, Arc::clone(&entry), seen, caller.deadline);
        drop(turn);
        let queued = queued.map_err(commit_failed)?;
        match queued.outcome().instrument(tracing::info_span!("commit")).await {
            Ok(Committed::Committed) => {
                tracing::Span::current().record("settlement.id", entry.settlement.as_str());
                let (reversed_by, repeat) = (None, false);
                let replaced_by = None;
                let answer =
                    Answer { entry, record, package, reversed_by, replaced_by, repeat, run_dry };
                Ok(Attempt::Done(Settled::Answer(Box::new(answer))))
            }
            Ok(Committed::StandingMoved | Committed::AccumulatorsMoved) => Ok(Attempt::Again),
            // The next try is of a later one.
            Ok(Committed::DayClosed) => {
                self.look_for_an_open_day().await?;
                Ok(Attempt::Again)
            }
            // Another attempt of the same request may have won: a read shows it.
            Ok(Committed::RequestIdTaken | Committed::Tombstoned | Committed::StayTaken) => {
                Ok(Attempt::Look)
            }
            Ok(Committed::PackageMoved) => Ok(Attempt::RulesMoved),
            Ok(Committed::AlreadyReversed | Committed::ReversesUnknown) => {
                Err(AppError::Unbalanced)
            }
            Err(source) => Err(commit_failed(source)),
        }
    }

    /// Reads everything that a decision about this claim may look at, in one round trip.
    #[instrument(name = "read snapshot", skip_all)]
    pub(super) async fn read(
        &self,
        claim: &Claim,
        request: Option<&RequestId>,
    ) -> Result<Snapshot, AppError> {
        let items = items_of(claim);
        let wanted = wanted(claim, request, &items);
        store::snapshot(&self.pool, &wanted).await.map_err(AppError::store("read a snapshot"))
    }

    /// The same from memory, where all of it is there.
    pub(super) fn remember(&self, claim: &Claim, request: Option<&RequestId>) -> Option<Snapshot> {
        let items = items_of(claim);
        store::remember(&self.pool, &wanted(claim, request, &items))
    }

    /// From memory, or with what the person has used read: enough to write on, since the commit looks for the rest.
    async fn known(
        &self,
        claim: &Claim,
        request: &RequestId,
    ) -> Result<Option<Snapshot>, AppError> {
        match self.remember(claim, Some(request)) {
            Some(snapshot) => Ok(Some(snapshot)),
            None => self.recall(claim, Some(request)).await,
        }
    }

    /// All but what the person has used from memory, where it is there and still right.
    #[instrument(name = "read history", skip_all)]
    pub(super) async fn recall(
        &self,
        claim: &Claim,
        request: Option<&RequestId>,
    ) -> Result<Option<Snapshot>, AppError> {
        let items = items_of(claim);
        let wanted = wanted(claim, request, &items);
        let recalled = store::recall(&self.pool, &wanted).await;
        recalled.map_err(AppError::store("read what a person has used"))
    }

    /// Has the domain decide. Waits for nothing but for an insurance core that decides a layer, and for that one no longer than a desk
    /// has patience.
    #[instrument(name = "decide", skip_all)]
    pub(super) async fn decide(
        &self,
        claim: &Claim,
        snapshot: &Snapshot,
        today: Date,
        asking: Asking<'_>,
    ) -> Result<Decision, AppError> {
        Ok(match self.decided(claim, snapshot, today, asking).await {
            Ok(decided) if decided.outcome.breakdown.adds_up() => {
                Decision::Decided(Box::new(decided))
            }
            Ok(_) => return Err(AppError::Unbalanced),
            Err(decline) => Decision::Declined(decline),
        })
    }

    async fn decided(
        &self,
        claim: &Claim,
        snapshot: &Snapshot,
        today: Date,
        (request, until, promise): Asking<'_>,
    ) -> Result<Decided, Decline> {
        let bill = &claim.bill;
        let hospital = snapshot.hospital.as_ref();
        let hospital =
            hospital.ok_or_else(|| Decline::new(Reason::HospitalUnknown, "bill.hospital_code"))?;
        let person = snapshot.person.as_deref();
        let person =
            person.ok_or_else(|| Decline::new(Reason::PersonUnknown, "bill.credential"))?;
        let coverage = coverage_of(bill, person)?;
        let package = self.rulebook.choose(coverage.region, coverage.scheme, bill.discharge, today);
        let package = package.ok_or_else(|| {
            let (region, scheme) = (coverage.region, coverage.scheme.word());
            let (hospital, stay) = (&bill.hospital, bill.stay.logged());
            tracing::info!(%hospital, %stay, %region, scheme, discharge = %bill.discharge, "No package is in force");
            Decline::new(Reason::NoPackageInForce, "bill.discharge_date")
        })?;
        let catalogue = snapshot.catalogue.entries();
        let frozen =
            Frozen { bill, person, hospital, coverage, catalogue: &catalogue, package: &package };
        let mut inputs = prepare(frozen)?;
        let asked = Asked {
            hospital: &bill.hospital,
            request,
            person: person.standing.person,
            discharge: bill.discharge,
            until,
            promise: promise.filter(|promise| promise.package == package.hash.0),
        };
        let outcome = self.layers(&asked, &package, &mut inputs).await?;
        Ok(Decided {
            person: person.standing.person,
            standing_version: person.standing.version,
            ledger_version: person.ledger_version,
            scheme: coverage.scheme,
            year: policy_year(bill, &package),
            hospital: hospital.clone(),
            package,
            inputs,
            outcome,
        })
    }

    /// The recorded answer again, or why this request id can not be used.
    async fn repeat(
        &self,
        caller: &Caller,
        request: &SettleRequest,
        earlier: &Earlier,
    ) -> Result<Settled, AppError> {
        let earlier = match earlier {
            Earlier::Tombstone(left) if left.reversal == request.request => {
                return Err(Refusal::RequestIdReused.into());
            }
            Earlier::Tombstone(_) => return Err(Refusal::RequestReversed.into()),
            Earlier::Settlement(earlier) => earlier,
        };
        if earlier.reverses.is_some() || earlier.body_sha256 != bill_sha256(&request.claim) {
            return Err(Refusal::RequestIdReused.into());
        }
        let found = store::find_settlement(&self.pool, &Key::Settlement(&earlier.settlement)).await;
        match found.map_err(AppError::store("read an earlier answer"))? {
            Some(Stored::Recorded(recorded)) => {
                let seen = (What::Settlement, Some(&recorded.entry.settlement));
                self.note_access(caller, recorded.entry.person, seen).await?;
                Ok(Settled::Answer(Box::new(self.answer(*recorded, true).await?)))
            }
            Some(Stored::Tombstone(_)) | None => Err(Refusal::SettlementUnknown.into()),
        }
    }
}

/// For which request the insurance core is asked, until when it is waited for, and what it said when the bill was quoted.
type Asking<'a> = (Option<&'a RequestId>, Option<Instant>, Option<&'a Promise>);

/// The item of each charge line and its day, in their order.
fn items_of(claim: &Claim) -> Vec<(&ItemCode, Date)> {
    claim.bill.lines.iter().map(|line| (&line.item, line.charged_on)).collect()
}

fn wanted<'a>(
    claim: &'a Claim,
    request: Option<&'a RequestId>,
    items: &'a [(&'a ItemCode, Date)],
) -> ReadSnapshot<'a> {
    let bill = &claim.bill;
    ReadSnapshot {
        credential_hash: claim.credential.hash,
        credential_kind: claim.credential.kind,
        hospital: &bill.hospital,
        request,
        stay: &bill.stay,
        stay_part: bill.stay_part,
        discharge: bill.discharge,
        items,
    }
}

/// A commit whose answer got lost may have been written.
pub(super) fn commit_failed(source: StoreError) -> AppError {
    if matches!(source, StoreError::DeadlinePassed { .. }) {
        AppError::DeadlinePassed
    } else if source.is_outage() && !source.is_unsent() {
        AppError::OutcomeUnknown { source }
    } else {
        AppError::Store { step: "commit", source }
    }
}

/// What a decision would record, for those who compare.
pub(super) type Recording = (crate::domain::ledger::Entry, Record);
