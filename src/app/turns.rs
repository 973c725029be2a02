//! Turns for settlements of the same person in this process: each decides on what the one before it left.
//!
//! The database decides who wins; turns only keep a crowd on one person from deciding over and over in vain.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::CredentialHash;

/// Enough that two persons rarely share a turn.
const TURNS: usize = 16_384;

#[derive(Debug)]
pub(super) struct Turns(Vec<Semaphore>);

/// A turn, until it is dropped.
pub(super) type Turn<'a> = Option<SemaphorePermit<'a>>;

impl Turns {
    pub(super) fn new() -> Self {
        Self((0..TURNS).map(|_| Semaphore::new(1)).collect())
    }

    /// Waits for this person's turn.
    pub(super) async fn take(&self, credential: &CredentialHash) -> Turn<'_> {
        let [first, second, ..] = credential.hash;
        let place = usize::from(u16::from_be_bytes([first, second])) % TURNS;
        self.0.get(place)?.acquire().await.ok()
    }
}
