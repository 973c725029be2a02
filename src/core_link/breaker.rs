//! The circuit breaker: after some failures in a row nobody calls for a while, then one call tries.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::limits;

/// Whether calls are worth a try.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Failures in a row.
    failures: u32,
    /// Until then nobody calls.
    closed_until: Option<Instant>,
}

impl Breaker {
    /// May somebody call now? Once the pause is over one may, and the others wait for what comes of it.
    pub(super) fn allow(&self, now: Instant) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.closed_until {
            Some(until) if now < until => false,
            Some(_) => {
                // The one that tries may never be heard of again: then another one may.
                state.closed_until = now.checked_add(limits::CORE_BREAKER_OPEN);
                true
            }
            None => true,
        }
    }

    /// The same without calling.
    pub(super) fn would_allow(&self, now: Instant) -> bool {
        let state = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed_until.is_none_or(|until| until <= now)
    }

    /// A call was answered.
    pub(super) fn succeeded(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// A call was not answered; true where nobody calls from now on.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures < limits::CORE_BREAKER_FAILURES {
            return false;
        }
        let news = state.closed_until.is_none();
        state.closed_until = now.checked_add(limits::CORE_BREAKER_OPEN);
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_failures_in_a_row_nobody_calls_until_one_tries_and_is_answered() {
        let breaker = Breaker::default();
        let now = Instant::now();
        for failure in 1..limits::CORE_BREAKER_FAILURES {
            assert!(breaker.allow(now) && !breaker.failed(now), "{failure}");
        }
        breaker.succeeded();
        let news: Vec<bool> =
            (0..=limits::CORE_BREAKER_FAILURES).map(|_| breaker.failed(now)).collect();
        assert_eq!(news.iter().filter(|news| **news).count(), 1, "it is news once");
        assert!(!breaker.allow(now) && !breaker.would_allow(now));
        let later = now + limits::CORE_BREAKER_OPEN;
        assert!(breaker.would_allow(later) && breaker.allow(later), "one tries");
        assert!(!breaker.allow(later), "and only one");
        assert!(breaker.allow(later + limits::CORE_BREAKER_OPEN), "until it is given up");
        breaker.succeeded();
        assert!(breaker.allow(now) && breaker.allow(now));
    }
}
