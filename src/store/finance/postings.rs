//! Postings and what is proposed to be posted.

use jiff::Timestamp;
use jiff::civil::Date;

use super::super::error::{Operation, StoreError};
use super::super::pool::Pool;
use super::super::row::Reader;
use super::{Ended, Kept, Work, regions, report, together};
use crate::domain::finance::{Draft, Posting, PostingKind};
use crate::domain::ids::{HospitalCode, RegionCode};

/// What somebody wants posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Its id.
    pub id: String,
    /// What.
    pub draft: Draft,
    /// Who.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// Where it stands.
    pub state: Proposed,
}

/// Where a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposed {
    /// Somebody else must agree.
    Open,
    /// Posted.
    Posted,
    /// Taken back.
    Withdrawn,
}

/// Which postings are asked for, in the order of their days.
#[derive(Clone, Debug, Default)]
pub struct Postings<'a> {
    /// That touch one of these regions.
    pub regions: Option<&'a [RegionCode]>,
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
    /// At most so many.
    pub most: i64,
}

impl Proposed {
    const ALL: [Self; 3] = [Self::Open, Self::Posted, Self::Withdrawn];

    /// Its word in records and on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Posted => "posted",
            Self::Withdrawn => "withdrawn",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// Writes a posting in the transaction of what it belongs to.
pub(super) async fn write(work: &Work<'_>, posting: &Posting) -> Result<(), Ended> {
    let draft = &posting.draft;
    let of = |text: &dyn Fn(&crate::domain::finance::Account) -> String| -> Vec<String> {
        draft.lines().iter().map(|line| text(&line.account)).collect()
    };
    let accounts = of(&|account| account.kind().word().to_owned());
    let funds = of(&|account| account.fund().word().to_owned());
    let regions = of(&|account| account.region().to_string());
    let counterparties = of(&|account| account.counterparty().to_owned());
    let amounts: Vec<i64> = draft.lines().iter().map(|line| line.amount.get()).collect();
    let hospital = draft.hospital().map(|hospital| hospital.to_string());
    work.query((
        include_str!("../sql/finance/insert_posting.sql"),
        &[
            &posting.id,
            &draft.kind().word(),
            &posting.day,
            &accounts,
            &funds,
            &regions,
            &counterparties,
            &amounts,
            &hospital,
            &draft.budget_year(),
            &draft.reference(),
            &draft.reason(),
            &posting.made_by,
            &posting.approved_by,
            &posting.at,
            &posting.to_bytes(),
        ],
    ))
    .await
    .map(|_| ())
}

/// Records what somebody wants posted.
pub async fn propose(pool: &Pool, proposal: &Proposal) -> Kept<()> {
    let Proposal { id, draft, made_by, made_at, state: _ } = proposal;
    let touched: Vec<String> = draft.regions().iter().map(ToString::to_string).collect();
    let hospital = draft.hospital().map(|hospital| hospital.to_string());
    together(pool, "record a proposed posting", async |work| {
        let sql = include_str!("../sql/finance/insert_proposal.sql");
        work.query((sql, &[id, &draft.to_bytes(), &touched, &hospital, made_by, made_at]))
            .await
            .map(|_| ())
    })
    .await
}

/// A proposal by its id.
pub async fn proposals(
    pool: &Pool,
    id: Option<&str>,
    of: Option<&[RegionCode]>,
) -> Result<Vec<Proposal>, StoreError> {
    let operation = Operation::Finance("list proposed postings");
    let sql = include_str!("../sql/finance/proposals.sql");
    let rows = report(pool, &operation, (sql, &[&id, &regions(of)])).await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            let draft: Vec<u8> = reader.get("draft")?;
            Ok(Proposal {
                id: reader.get("proposal_id")?,
                draft: reader.parse("draft", Draft::from_bytes(&draft))?,
                made_by: reader.get("made_by")?,
                made_at: reader.get("made_at")?,
                state: reader.text("state", Proposed::from_word)?,
            })
        })
        .collect()
}

/// Posts what was proposed, in the name of both.
pub async fn post_proposal(pool: &Pool, proposal: &str, posting: &Posting) -> Kept<()> {
    together(pool, "post what was proposed", async |work| {
        let sql = include_str!("../sql/finance/decide_proposal.sql");
        let (state, by) = (Proposed::Posted.word(), &posting.approved_by);
        let posted = Some(posting.id.as_str());
        work.found((sql, &[&proposal, &state, by, &posting.at, &posted])).await?;
        write(work, posting).await
    })
    .await
}

/// Takes a proposal back.
pub async fn decide_proposal(pool: &Pool, proposal: &str, by: &str, at: Timestamp) -> Kept<()> {
    together(pool, "take a proposed posting back", async |work| {
        let sql = include_str!("../sql/finance/decide_proposal.sql");
        let (state, none) = (Proposed::Withdrawn.word(), None::<&str>);
        work.found((sql, &[&proposal, &state, &by, &at, &none])).await.map(|_| ())
    })
    .await
}

/// Postings, as their records have them.
pub async fn postings(pool: &Pool, asked: &Postings<'_>) -> Result<Vec<Posting>, StoreError> {
    let operation = Operation::Finance("list postings");
    let Postings { regions: of, hospital, kind, from, to, after, most } = asked;
    let hospital = hospital.map(HospitalCode::as_str);
    let (after_day, after_id) =
        (after.as_ref().map(|(day, _)| *day), after.as_ref().map(|(_, id)| id));
    let sql = include_str!("../sql/finance/postings.sql");
    let kind = kind.map(PostingKind::word);
    let of = regions(*of);
    let rows = report(
        pool,
        &operation,
        (sql, &[&of, &hospital, &kind, from, to, &after_day, &after_id, most]),
    )
    .await?;
    rows.iter()
        .map(|row| {
            let reader = Reader { row, operation: &operation };
            let record: Vec<u8> = reader.get("record")?;
            reader.parse("record", Posting::from_bytes(&record))
        })
        .collect()
}
