//! Changes of persons and their standing, as the core tells them: one after the other, from a cursor on.

use tonic::{Request, Streaming};

use super::wire::core::v1 as core;
use super::wire::core::v1::changes_response::Change;
use super::{CoreLink, CoreLinkError};
use crate::limits;

pub use super::wire::core::v1::{CoverageChange, IdentityChange, PersonChange};

/// What the core tells, for as long as it does.
#[derive(Debug)]
pub struct Changes {
    stream: Streaming<core::ChangesResponse>,
    /// Read already, and of another kind than what was asked for.
    ahead: Option<(String, Change)>,
}

/// Changes of one kind in their order, each with where to go on from after it.
#[derive(Debug)]
pub enum Changed {
    /// Who persons are.
    Persons(Vec<(String, PersonChange)>),
    /// By which schemes they are insured.
    Coverage(Vec<(String, CoverageChange)>),
    /// What rules may favour.
    Identities(Vec<(String, IdentityChange)>),
}

impl Changed {
    fn of((cursor, change): (String, Change)) -> Self {
        match change {
            Change::Person(change) => Self::Persons(vec![(cursor, change)]),
            Change::Coverage(change) => Self::Coverage(vec![(cursor, change)]),
            Change::Identity(change) => Self::Identities(vec![(cursor, change)]),
        }
    }

    /// Takes one more of the same kind, and gives another one back.
    fn add(&mut self, (cursor, change): (String, Change)) -> Option<(String, Change)> {
        match (self, change) {
            (Self::Persons(all), Change::Person(change)) => all.push((cursor, change)),
            (Self::Coverage(all), Change::Coverage(change)) => all.push((cursor, change)),
            (Self::Identities(all), Change::Identity(change)) => all.push((cursor, change)),
            (
                Self::Persons(_) | Self::Coverage(_) | Self::Identities(_),
                change @ (Change::Person(_) | Change::Coverage(_) | Change::Identity(_)),
            ) => return Some((cursor, change)),
        }
        None
    }

    /// Their cursors, in their order.
    pub fn cursors(&self) -> Vec<&str> {
        match self {
            Self::Persons(all) => all.iter().map(|(cursor, _)| cursor.as_str()).collect(),
            Self::Coverage(all) => all.iter().map(|(cursor, _)| cursor.as_str()).collect(),
            Self::Identities(all) => all.iter().map(|(cursor, _)| cursor.as_str()).collect(),
        }
    }

    fn len(&self) -> usize {
        self.cursors().len()
    }
}

impl CoreLink {
    /// Has the core tell what changed after a cursor.
    pub async fn changes(&self, after: &str) -> Result<Changes, CoreLinkError> {
        let mut client = self.client();
        let asked = core::ChangesRequest { after_cursor: after.to_owned() };
        let opened = client.changes(Request::new(asked));
        let stream = self.called((&self.telling, limits::CORE_CALL_MAX), opened).await?;
        Ok(Changes { stream, ahead: None })
    }
}

impl Changes {
    /// The next changes of one kind, at most `most`: waits for the first one as long as it takes, and hardly for more. Nothing: the core
    /// ended it.
    pub async fn next(&mut self, most: usize) -> Result<Option<Changed>, CoreLinkError> {
        let first = match self.ahead.take() {
            Some(first) => Some(first),
            None => self.one().await?,
        };
        let Some(first) = first else { return Ok(None) };
        let mut changed = Changed::of(first);
        while changed.len() < most {
            let more = tokio::time::timeout(limits::CORE_CHANGES_PAUSE, self.one()).await;
            // What went wrong behind what was read goes wrong again when it is asked for.
            let Ok(Ok(Some(more))) = more else { break };
            self.ahead = changed.add(more);
            if self.ahead.is_some() {
                break;
            }
        }
        Ok(Some(changed))
    }

    async fn one(&mut self) -> Result<Option<(String, Change)>, CoreLinkError> {
        let told = self.stream.message().await;
        let told = told.map_err(|status| CoreLinkError::Unknown(Box::new(status)))?;
        let Some(core::ChangesResponse { cursor, change }) = told else { return Ok(None) };
        let is_cursor = !cursor.is_empty()
            && cursor.len() <= limits::CORE_CURSOR_LENGTH_MAX
            && cursor.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_cursor {
            return Err(CoreLinkError::Unreadable("where changes go on"));
        }
        let change = change.ok_or(CoreLinkError::Unreadable("what changed"))?;
        Ok(Some((cursor, change)))
    }
}
