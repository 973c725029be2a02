//! What the simulated core does wrong, call by call.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tonic::Status;

use crate::core_link::wire::core_sim::v1 as sim;

/// What it was told last.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<sim::Faults>);

impl Faults {
    pub(super) fn set(&self, faults: sim::Faults) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// Does it fail, whatever it is asked?
    pub(super) fn fails(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fail
    }

    /// What goes wrong with this call; it is slow here, and fails here.
    pub(super) async fn of_this_call(&self) -> Result<sim::Faults, Status> {
        let faults = self.next();
        if 0 < faults.slow_ms {
            tokio::time::sleep(Duration::from_millis(faults.slow_ms.into())).await;
        }
        if faults.fail { Err(Status::unavailable("it fails")) } else { Ok(faults) }
    }

    fn next(&self) -> sim::Faults {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_this_call = faults.clone();
        match faults.calls {
            0 => {}
            1 => {
                let sim::Faults { slow_ms, drift_fen, .. } = of_this_call;
                let refuse_stay_ids = std::mem::take(&mut faults.refuse_stay_ids);
                *faults =
                    sim::Faults { slow_ms, drift_fen, refuse_stay_ids, ..sim::Faults::default() };
            }
            more => faults.calls = more.saturating_sub(1),
        }
        of_this_call
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_for_some_calls_is_no_more_after_them() {
        let faults = Faults::default();
        faults.set(sim::Faults { fail: true, drift_fen: 1, calls: 2, ..sim::Faults::default() });
        let failed = [faults.next().fail, faults.next().fail, faults.next().fail];
        assert_eq!((failed, faults.next().drift_fen), ([true, true, false], 1));
        faults.set(sim::Faults { fail: true, ..sim::Faults::default() });
        assert!(faults.next().fail && faults.next().fail);
    }
}
