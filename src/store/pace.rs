//! How large a group should be, learned from how long groups take: a slow disk wants larger ones.
//!
//! A group of n takes about fixed + n × each. A group is as large as makes the fixed part a fifth of it: larger ones would only
//! make the first of them wait longer, smaller ones would sync for too few.

use std::time::Duration;

/// Whatever the disk: a smaller group saves nobody time.
const SIZE_MIN: i64 = 64;
/// One over the weight of the newest group.
const MEMORY: i64 = 32;
/// What an entry takes at least, so that a quiet start does not ask for endless groups.
const EACH_MIN_NS: i64 = 10_000;

/// Below a variance of one entry squared, in thousandths, sizes tell nothing.
const VARIANCE_MIN: i64 = 1_000;

/// What was learned.
#[derive(Debug)]
pub(super) struct Pace {
    size_max: i64,
    /// Means in thousandths of an entry and nanoseconds, and how they vary together.
    entries_e3: i64,
    took_ns: i64,
    variance: i64,
    covariance: i64,
    size: usize,
}

impl Pace {
    pub(super) fn new(size_max: usize) -> Self {
        let size_max = i64::try_from(size_max).unwrap_or(1).clamp(1, 1_024);
        let mut pace =
            Self { size_max, entries_e3: 0, took_ns: 0, variance: 0, covariance: 0, size: 1 };
        pace.size = pace.bounded(SIZE_MIN.saturating_mul(2));
        pace
    }

    /// How many entries the next group may have.
    pub(super) const fn group_size(&self) -> usize {
        self.size
    }

    /// Takes in how long a group took.
    pub(super) fn learn(&mut self, entries: usize, took: Duration) {
        let entries_e3 = i64::try_from(entries).unwrap_or(0).saturating_mul(1_000);
        let took_ns = i64::try_from(took.as_nanos()).unwrap_or(i64::MAX).min(10_000_000_000);
        if self.took_ns == 0 {
            (self.entries_e3, self.took_ns) = (entries_e3, took_ns);
            return;
        }
        let from_mean = entries_e3.saturating_sub(self.entries_e3);
        let took_from_mean = took_ns.saturating_sub(self.took_ns);
        let step =
            |mean: i64, away: i64| mean.saturating_add(away.checked_div(MEMORY).unwrap_or(0));
        self.entries_e3 = step(self.entries_e3, from_mean);
        self.took_ns = step(self.took_ns, took_from_mean);
        let squared = from_mean.saturating_mul(from_mean).checked_div(1_000).unwrap_or(0);
        let product = from_mean.saturating_mul(took_from_mean).checked_div(1_000).unwrap_or(0);
        self.variance = step(self.variance, squared.saturating_sub(self.variance));
        self.covariance = step(self.covariance, product.saturating_sub(self.covariance));
        self.size = self.wanted();
    }

    fn wanted(&self) -> usize {
        // Nanoseconds for one entry: the slope; where groups were all alike there is none, and the mean says the most.
        let mean = self.took_ns.saturating_mul(1_000).checked_div(self.entries_e3.max(1));
        let mean = mean.unwrap_or(0).max(EACH_MIN_NS);
        let slope = self.covariance.saturating_mul(1_000).checked_div(self.variance.max(1));
        let alike = self.variance < VARIANCE_MIN;
        let each_ns = if alike { mean } else { slope.unwrap_or(0).clamp(EACH_MIN_NS, mean) };
        let all_ns = each_ns.saturating_mul(self.entries_e3).checked_div(1_000).unwrap_or(0);
        let fixed_ns = self.took_ns.saturating_sub(all_ns).max(0);
        self.bounded(fixed_ns.saturating_mul(4).checked_div(each_ns).unwrap_or(0))
    }

    fn bounded(&self, size: i64) -> usize {
        usize::try_from(size.max(SIZE_MIN).min(self.size_max)).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of these sizes, each `fixed` and `each` for every entry, in microseconds.
    fn learned(size_max: usize, fixed_us: u64, each_us: u64) -> usize {
        let mut pace = Pace::new(size_max);
        for round in 0..400_usize {
            let size = 1 + (round * 7) % 100;
            let us = fixed_us + each_us * u64::try_from(size).unwrap();
            pace.learn(size, Duration::from_micros(us));
        }
        pace.group_size()
    }

    #[test]
    fn a_slow_disk_makes_groups_larger() {
        assert_eq!(learned(512, 100, 30), 64);
        let slow = learned(512, 2_200, 30);
        assert!((200..=400).contains(&slow), "{slow}");
        assert_eq!(learned(512, 20_000, 30), 512);
    }

    #[test]
    fn the_most_is_never_passed() {
        assert_eq!(learned(1, 2_200, 30), 1);
        assert_eq!(learned(100, 20_000, 30), 100);
        assert_eq!(Pace::new(0).group_size(), 1);
    }

    #[test]
    fn groups_that_are_all_alike_teach_nothing_wrong() {
        let mut pace = Pace::new(512);
        for _ in 0..200 {
            pace.learn(1, Duration::from_micros(200));
        }
        assert_eq!(pace.group_size(), 64);
    }
}
