//! When requests arrive in an open loop: decided before any is sent, so that a slow server cannot put them off.
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::scenario::Arrivals;

/// The intended send times of all requests, from the start of the run, without end.
#[derive(Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    rate_per_second: u32,
    random: Pcg64Mcg,
    serial: u64,
    at_ns: u64,
}

impl Schedule {
    /// The same seed gives the same times.
    pub fn new(arrivals: Arrivals, rate_per_second: u32, seed: u64) -> Schedule {
        let random = Pcg64Mcg::seed_from_u64(seed);
        Schedule { arrivals, rate_per_second: rate_per_second.max(1), random, serial: 0, at_ns: 0 }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let at_ns = match self.arrivals {
            Arrivals::Uniform => {
                let at = u128::from(self.serial) * 1_000_000_000 / u128::from(self.rate_per_second);
                u64::try_from(at).ok()?
            }
            Arrivals::Poisson => {
                self.at_ns =
                    self.at_ns.saturating_add(gap_ns(self.rate_per_second, &mut self.random));
                self.at_ns
            }
        };
        self.serial += 1;
        Some(Duration::from_nanos(at_ns))
    }
}

/// The time between two arrivals by chance: exponential, its mean one over the rate.
#[expect(clippy::float_arithmetic, reason = "a time drawn by chance, and no money")]
fn gap_ns(rate_per_second: u32, random: &mut Pcg64Mcg) -> u64 {
    let drawn: f64 = random.random();
    let seconds = -(1.0 - drawn).ln() / f64::from(rate_per_second);
    Duration::try_from_secs_f64(seconds).map_or(0, |gap| u64::try_from(gap.as_nanos()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_arrivals_come_evenly() {
        let times: Vec<_> = Schedule::new(Arrivals::Uniform, 4, 1).take(5).collect();
        assert_eq!(times, [0, 250, 500, 750, 1_000].map(Duration::from_millis));
    }

    #[test]
    fn arrivals_by_chance_keep_their_rate_and_their_spread() {
        let times: Vec<_> = Schedule::new(Arrivals::Poisson, 1_000, 7).take(100_001).collect();
        assert!(times.is_sorted());
        let last = times.last().unwrap().as_secs_f64();
        assert!((99.0..101.0).contains(&last), "{last}");
        // Of exponential gaps 63 % are below the mean; of even ones all or none.
        let short = times.windows(2).filter(|pair| pair[1] - pair[0] < Duration::from_millis(1));
        assert!((62_000..65_000).contains(&short.count()));
        let again: Vec<_> = Schedule::new(Arrivals::Poisson, 1_000, 7).take(100_001).collect();
        assert_eq!(times, again);
    }
}
