//! Turns for settlements of the same person in this process, taken only by those that have already met each other.
//!
//! The database decides who wins; turns only keep a crowd on one person from deciding over and over in vain.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::CredentialHash;

/// Enough that two persons rarely share a turn.
const TURNS: usize = 1_024;

#[derive(Debug)]
pub(super) struct Turns(Vec<Semaphore>);

impl Turns {
    pub(super) fn new() -> Self {
        Self((0..TURNS).map(|_| Semaphore::new(1)).collect())
    }

    /// Joins the queue where there is one: whoever comes later must not win over those who wait. Nothing where there is none.
    pub(super) async fn join(&self, credential: &CredentialHash) -> Option<SemaphorePermit<'_>> {
        let queued = self.turn(credential)?.available_permits() == 0;
        if queued { self.take(credential).await } else { None }
    }

    /// Waits for this person's turn.
    pub(super) async fn take(&self, credential: &CredentialHash) -> Option<SemaphorePermit<'_>> {
        self.turn(credential)?.acquire().await.ok()
    }

    fn turn(&self, credential: &CredentialHash) -> Option<&Semaphore> {
        let [first, second, ..] = credential.hash;
        self.0.get(usize::from(u16::from_be_bytes([first, second])) % TURNS)
    }
}
