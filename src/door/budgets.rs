//! How much each caller may ask for: so many calls a second and so many at once, over all doors and connections, so that one who
//! runs wild leaves room for the others. Who asks for more is refused at once, with when to try again, before anything is read.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits;

/// What one caller may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Calls a second, over a while.
    pub per_second: NonZeroU32,
    /// Calls at once.
    pub at_once: usize,
}

/// The budgets of all callers that were here since they were last changed.
#[derive(Debug, Default)]
pub struct Budgets {
    of: Mutex<BTreeMap<String, Arc<Purse>>>,
}

/// What is left of one caller's budget.
#[derive(Debug)]
struct Purse {
    budget: Budget,
    rate: DefaultDirectRateLimiter,
    room: Arc<Semaphore>,
}

/// A call that is within its caller's budget, for as long as it is answered.
#[derive(Debug)]
pub struct Within {
    _permit: Option<OwnedSemaphorePermit>,
}

/// A call that is not, and when another one would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// When to try again.
    pub retry: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { per_second: limits::CALLER_RATE_PER_SECOND, at_once: limits::CALLER_CALLS_AT_ONCE }
    }
}

impl Within {
    /// A call that nobody counts.
    pub const fn uncounted() -> Self {
        Self { _permit: None }
    }
}

impl Budgets {
    /// Counts a call of a caller.
    pub fn spend(&self, caller: &str, budget: Budget) -> Result<Within, Exceeded> {
        let purse = self.purse(caller, budget);
        let Ok(permit) = Arc::clone(&purse.room).try_acquire_owned() else {
            return Err(Exceeded { retry: limits::RETRY_WHEN_BUSY });
        };
        match purse.rate.check() {
            Ok(()) => Ok(Within { _permit: Some(permit) }),
            Err(until) => {
                let retry = until.wait_time_from(DefaultClock::default().now());
                Err(Exceeded { retry: retry.max(limits::RETRY_WHEN_BUSY) })
            }
        }
    }

    fn purse(&self, caller: &str, budget: Budget) -> Arc<Purse> {
        // Nothing in here can panic half way.
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(purse) = of.get(caller).filter(|purse| purse.budget == budget) {
            return Arc::clone(purse);
        }
        // Names are those of certificates and tokens that we trust; still there is an end to them.
        if limits::CALLERS_COUNTED_MAX <= of.len() {
            of.clear();
        }
        let quota = Quota::per_second(budget.per_second);
        let purse = Arc::new(Purse {
            budget,
            rate: RateLimiter::direct(quota),
            room: Arc::new(Semaphore::new(budget.at_once)),
        });
        of.insert(caller.to_owned(), Arc::clone(&purse));
        purse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(per_second: u32, at_once: usize) -> Budget {
        Budget { per_second: NonZeroU32::new(per_second).unwrap(), at_once }
    }

    #[test]
    fn who_asks_for_too_much_at_once_is_told_and_the_others_are_not() {
        let (budgets, few) = (Budgets::default(), budget(1_000, 2));
        let first = budgets.spend("a", few).unwrap();
        let _second = budgets.spend("a", few).unwrap();
        assert_eq!(budgets.spend("a", few).unwrap_err().retry, limits::RETRY_WHEN_BUSY);
        assert!(budgets.spend("b", few).is_ok());
        drop(first);
        assert!(budgets.spend("a", few).is_ok());
    }

    #[test]
    fn who_asks_too_often_is_told_when_to_try_again() {
        let (budgets, one) = (Budgets::default(), budget(1, 100));
        assert!(budgets.spend("a", one).is_ok());
        let exceeded = budgets.spend("a", one).unwrap_err();
        assert!(limits::RETRY_WHEN_BUSY <= exceeded.retry, "{exceeded:?}");
        assert!(budgets.spend("b", one).is_ok());
        // Another budget is another purse.
        assert!(budgets.spend("a", budget(5, 100)).is_ok());
    }
}
