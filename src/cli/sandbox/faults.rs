//! Faults that a developer calls for by a request id: what a network, or a gateway under load, does to a real one.
//!
//! | request id begins with | what happens to the first attempt, or the first n with a digit behind it (`SBX-LOST-2-…`) |
//! |---|---|
//! | `SBX-LOST-` | it is done, and the connection is cut instead of an answer |
//! | `SBX-DROP-` | the connection is cut, and nothing is done |
//! | `SBX-UNKNOWN-` | it is done, and answered by `OUTCOME_UNKNOWN` |
//! | `SBX-BUSY-` | nothing is done, and it is answered by `BUSY`, with when to try again |
//! | `SBX-SLOW-` | it is done, and answered three seconds later, or as many milliseconds as stand behind it (`SBX-SLOW-8000-…`) |
//!
//! Every later attempt of the same id is answered as usual: that is what is rehearsed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Ids that are counted. Whoever sends more is no longer rehearsing; then all are forgotten.
const IDS_MAX: usize = 10_000;
/// How long a slow answer takes where nothing is said: past what most desks wait.
const SLOW_MS: u64 = 3_000;
/// The longest it may take, so that a slip of a digit does not look like an outage.
const SLOW_MS_MAX: u64 = 60_000;

/// What befalls an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Done, and the answer lost with the connection.
    Lost,
    /// Not done, and the connection lost.
    Dropped,
    /// Done, and the outcome said to be unknown.
    Unknown,
    /// Not done: too busy.
    Busy,
    /// Done, and answered so much later.
    Slow(Duration),
}

/// Which attempts of which ids there were.
#[derive(Debug, Default)]
pub(super) struct Faults {
    attempts: Mutex<BTreeMap<String, u64>>,
}

impl Faults {
    /// What befalls this attempt of an id, if anything.
    pub(super) fn next(&self, id: &str) -> Option<Fault> {
        let (fault, befallen_max) = called_for(id)?;
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.len() == IDS_MAX && !attempts.contains_key(id) {
            attempts.clear();
        }
        let before = attempts.entry(id.to_owned()).or_default();
        let befalls = *before < befallen_max;
        *before = before.saturating_add(1);
        befalls.then_some(fault)
    }
}

/// What an id calls for, and for how many attempts.
fn called_for(id: &str) -> Option<(Fault, u64)> {
    let (kind, rest) = id.strip_prefix("SBX-")?.split_once('-')?;
    let number = rest.split_once('-').map_or(rest, |(number, _)| number);
    let number = |digits_max: usize| {
        let plain = number.len() <= digits_max && number.bytes().all(|byte| byte.is_ascii_digit());
        if plain { number.parse::<u64>().ok() } else { None }
    };
    let times = number(1).unwrap_or(1);
    match kind {
        "LOST" => Some((Fault::Lost, times)),
        "DROP" => Some((Fault::Dropped, times)),
        "UNKNOWN" => Some((Fault::Unknown, times)),
        "BUSY" => Some((Fault::Busy, times)),
        "SLOW" => {
            let by_ms = number(5).unwrap_or(SLOW_MS).min(SLOW_MS_MAX);
            Some((Fault::Slow(Duration::from_millis(by_ms)), 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_calls_for_a_fault_and_how_often() {
        let check = |id: &str, expected: Option<(Fault, u64)>| {
            assert_eq!(called_for(id), expected, "{id}");
        };
        let slow = |ms| Some((Fault::Slow(Duration::from_millis(ms)), 1));
        check("SBX-LOST-1", Some((Fault::Lost, 1)));
        check("SBX-LOST-2-20240630", Some((Fault::Lost, 2)));
        // A date is no count.
        check("SBX-LOST-20240630", Some((Fault::Lost, 1)));
        check("SBX-DROP-x", Some((Fault::Dropped, 1)));
        check("SBX-UNKNOWN-3-x", Some((Fault::Unknown, 3)));
        check("SBX-BUSY-0-x", Some((Fault::Busy, 0)));
        check("SBX-SLOW-x", slow(3_000));
        check("SBX-SLOW-50-x", slow(50));
        check("SBX-SLOW-99999-x", slow(60_000));
        for usual in ["", "SBX", "SBX-", "SBX-LOST", "SBX-HUH-1", "sbx-lost-1", "R-SBX-LOST-1"] {
            check(usual, None);
        }
    }

    #[test]
    fn only_the_first_attempts_are_befallen() {
        let faults = Faults::default();
        let had: Vec<_> = (0..4).map(|_| faults.next("SBX-BUSY-2-a")).collect();
        assert_eq!(had, [Some(Fault::Busy), Some(Fault::Busy), None, None]);
        assert_eq!(faults.next("SBX-BUSY-2-b"), Some(Fault::Busy));
        assert_eq!(faults.next("usual"), None);
    }

    #[test]
    fn what_is_counted_has_a_limit() {
        let faults = Faults::default();
        for number in 0..=IDS_MAX {
            faults.next(&format!("SBX-BUSY-x{number}"));
        }
        assert_eq!(faults.attempts.lock().unwrap().len(), 1);
    }
}
