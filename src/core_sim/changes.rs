//! Changes of persons and their standing that the simulated core was given, told one after the other and without an end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::try_unfold;
use tonic::Status;

use super::booking::Bookings;
use crate::core_link::wire::core::v1 as core;

/// What is told.
pub(super) type Told = Pin<Box<dyn Stream<Item = Result<core::ChangesResponse, Status>> + Send>>;

/// Where one who listens is.
struct Listener {
    bookings: Arc<Bookings>,
    after: i64,
    ready: VecDeque<core::ChangesResponse>,
}

/// All that comes after a cursor.
pub(super) fn told(bookings: &Arc<Bookings>, after_cursor: &str) -> Result<Told, Status> {
    let after = match after_cursor {
        "" => 0,
        given => {
            given.parse().map_err(|_| Status::invalid_argument("not a cursor of this core"))?
        }
    };
    let listener = Listener { bookings: Arc::clone(bookings), after, ready: VecDeque::new() };
    Ok(Box::pin(try_unfold(listener, next)))
}

async fn next(mut listener: Listener) -> Result<Option<(core::ChangesResponse, Listener)>, Status> {
    loop {
        if let Some(change) = listener.ready.pop_front() {
            return Ok(Some((change, listener)));
        }
        let more = listener.bookings.changes(listener.after).await?;
        if more.is_empty() {
            listener.bookings.more().await;
        }
        for (at, change) in more {
            listener.after = at;
            listener.ready.push_back(change);
        }
    }
}
