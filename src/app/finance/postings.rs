//! Postings: proposed by one person, agreed by another.

use jiff::civil::Date;
use tracing::instrument;

use super::{Finance, FinanceRefusal, kept};
use crate::app::access::Act;
use crate::app::{AppError, now};
use crate::domain::finance::{Draft, Posting, PostingKind};
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::limits;
use crate::store::finance::{self as store, Postings, Proposal, Proposed};

/// Which postings are asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked<'a> {
    /// That touch this region.
    pub region: Option<RegionCode>,
    /// Of this hospital.
    pub hospital: Option<&'a HospitalCode>,
    /// Of this kind.
    pub kind: Option<PostingKind>,
    /// From this day on.
    pub from: Option<Date>,
    /// Up to and with this day.
    pub to: Option<Date>,
    /// After this one.
    pub after: Option<(Date, String)>,
    /// At most so many; nothing, or more than may be: as many as may be.
    pub most: Option<u32>,
}

/// A page of postings, in the order of their days.
#[derive(Clone, Debug, Default)]
pub struct PostingPage {
    /// Those of this page.
    pub postings: Vec<Posting>,
    /// After which the list goes on; nothing where it does not.
    pub next: Option<(Date, String)>,
}

impl Finance<'_> {
    /// Proposes a posting. Nothing is posted until somebody else agrees.
    #[instrument(name = "propose a posting", skip_all)]
    pub async fn propose(&self, draft: Draft) -> Result<Proposal, AppError> {
        self.allow(Act::KeepBooks, &draft.regions(), draft.hospital().as_ref())?;
        if !draft.kind().is_proposed() {
            return Err(FinanceRefusal::PostingMadeByUs.into());
        }
        let (id, made_by) = (Self::id('Q')?, self.caller.name.clone());
        let proposal = Proposal { id, draft, made_by, made_at: now().at, state: Proposed::Open };
        kept(store::propose(self.pool, &proposal).await, "propose a posting")?;
        Ok(proposal)
    }

    /// Agrees to what somebody else proposed: it is posted today, in the names of both.
    #[instrument(name = "agree to a posting", skip_all)]
    pub async fn agree(&self, proposal: &str) -> Result<Posting, AppError> {
        let Proposal { id, draft, made_by, .. } = self.open_proposal(proposal).await?;
        if made_by == self.caller.name {
            return Err(FinanceRefusal::SamePerson.into());
        }
        let posting = self.posting(draft, (&made_by, &self.caller.name), &now())?;
        kept(store::post_proposal(self.pool, &id, &posting).await, "agree to a posting")?;
        Ok(posting)
    }

    /// Takes a proposal back; anybody who may agree may.
    #[instrument(name = "withdraw a proposal", skip_all)]
    pub async fn take_back(&self, proposal: &str) -> Result<(), AppError> {
        let Proposal { id, .. } = self.open_proposal(proposal).await?;
        let by = &self.caller.name;
        let taken = store::decide_proposal(self.pool, &id, by, now().at).await;
        kept(taken, "take a proposal back")
    }

    async fn open_proposal(&self, id: &str) -> Result<Proposal, AppError> {
        self.scope(Act::ReadBooks, None, None)?;
        let found = store::proposals(self.pool, Some(id), None).await;
        let found = found.map_err(AppError::store("find a proposal"))?.pop();
        let found = found.filter(|found| found.state == Proposed::Open);
        let found = found.ok_or(FinanceRefusal::ProposalUnknown)?;
        let (regions, hospital) = (found.draft.regions(), found.draft.hospital());
        // Another bureau's is answered like what is not there.
        let allowed = self.allow(Act::KeepBooks, &regions, hospital.as_ref());
        allowed.map_err(|_| FinanceRefusal::ProposalUnknown)?;
        Ok(found)
    }

    /// What waits for a second person.
    pub async fn proposals(&self, region: Option<RegionCode>) -> Result<Vec<Proposal>, AppError> {
        let scope = self.scope(Act::ReadBooks, region, None)?;
        let open = store::proposals(self.pool, None, scope.regions.as_deref()).await;
        open.map_err(AppError::store("list proposals"))
    }

    /// Postings, a page of them.
    pub async fn postings(&self, asked: Asked<'_>) -> Result<PostingPage, AppError> {
        let scope = self.scope(Act::ReadBooks, asked.region, asked.hospital)?;
        let most = asked.most.filter(|most| *most != 0);
        let most =
            most.map_or(limits::CLEARING_PAGE_MAX, |most| most.min(limits::CLEARING_PAGE_MAX));
        let listed = Postings {
            regions: scope.regions.as_deref(),
            hospital: scope.hospital.as_ref(),
            kind: asked.kind,
            from: asked.from,
            to: asked.to,
            after: asked.after,
            most: i64::from(most),
        };
        let postings = store::postings(self.pool, &listed).await;
        let postings = postings.map_err(AppError::store("list postings"))?;
        let full = usize::try_from(most).is_ok_and(|most| most <= postings.len());
        let next = postings.last().filter(|_| full).map(|last| (last.day, last.id.clone()));
        Ok(PostingPage { postings, next })
    }
}
