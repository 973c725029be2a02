//! How large a group should be, learned from how long groups take.
//!
//! A group of n takes about fixed + n × each. A group is as large as makes the fixed part a fifth of it: larger ones would only make the
//! first of them wait longer, smaller ones would share too little of it. So commits go in larger groups where the disk is slow to sync,
//! and reads in small ones, several side by side, where each entry waits for pages of its own.

use std::time::Duration;

/// One over the weight of the newest group.
const MEMORY: i64 = 32;
/// What an entry takes at least, so that a quiet start does not ask for endless groups.
const EACH_MIN_NS: i64 = 10_000;

/// Below a variance of one entry squared, in thousandths, sizes tell nothing.
const VARIANCE_MIN: i64 = 1_000;

/// What was learned.
#[derive(Debug)]
pub(super) struct Pace {
    size_min: i64,
    size_max: i64,
    /// Means in thousandths of an entry and nanoseconds, and how they vary together.
    entries_e3: i64,
    took_ns: i64,
    variance: i64,
    covariance: i64,
    size: usize,
}

impl Pace {
    /// From the least to the most in a group, and how many are in the first one. The most counts, where it is less than the least.
    pub(super) fn new((size_min, size_max): (usize, usize), first: usize) -> Self {
        let [size_min, size_max, first] = [size_min, size_max, first]
            .map(|size| i64::try_from(size).unwrap_or(1).clamp(1, 1_024));
        let (entries_e3, took_ns, variance, covariance) = (0, 0, 0, 0);
        let mut pace =
            Self { size_min, size_max, entries_e3, took_ns, variance, covariance, size: 1 };
        pace.size = pace.bounded(first);
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
        let alike = self.variance < VARIANCE_MIN;
        let twice = self.bounded(entries_e3.saturating_mul(2).checked_div(1_000).unwrap_or(0));
        self.size = if self.size <= entries && alike {
            // All as large as they were allowed to be: what others would take is not known, and must be tried.
            if self.size < twice { twice } else { self.half() }
        } else {
            // Never much larger than what was tried.
            self.wanted(alike).min(twice.max(self.size))
        };
    }

    /// A group took longer than anybody waits.
    pub(super) fn took_too_long(&mut self) {
        self.size = self.half();
    }

    fn half(&self) -> usize {
        self.bounded(i64::try_from(self.size / 2).unwrap_or(1))
    }

    fn wanted(&self, alike: bool) -> usize {
        // Nanoseconds for one entry: the slope; where groups were all alike there is none, and the mean says the most.
        let mean = self.took_ns.saturating_mul(1_000).checked_div(self.entries_e3.max(1));
        let mean = mean.unwrap_or(0).max(EACH_MIN_NS);
        let slope = self.covariance.saturating_mul(1_000).checked_div(self.variance.max(1));
        let each_ns = if alike { mean } else { slope.unwrap_or(0).clamp(EACH_MIN_NS, mean) };
        let all_ns = each_ns.saturating_mul(self.entries_e3).checked_div(1_000).unwrap_or(0);
        let fixed_ns = self.took_ns.saturating_sub(all_ns).max(0);
        self.bounded(fixed_ns.saturating_mul(4).checked_div(each_ns).unwrap_or(0))
    }

    fn bounded(&self, size: i64) -> usize {
        usize::try_from(size.max(self.size_min).min(self.size_max)).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of these sizes, each `fixed` and `each` for every entry, in microseconds.
    fn learned((size_min, size_max): (usize, usize), fixed_us: u64, each_us: u64) -> usize {
        let mut pace = Pace::new((size_min, size_max), size_max);
        for round in 0..400_usize {
            let size = 1 + (round * 7) % 100;
            let us = fixed_us + each_us * u64::try_from(size).unwrap();
            pace.learn(size, Duration::from_micros(us));
        }
        pace.group_size()
    }

    #[test]
    fn a_slow_disk_makes_groups_larger() {
        assert_eq!(learned((64, 512), 100, 30), 64);
        let slow = learned((64, 512), 2_200, 30);
        assert!((200..=400).contains(&slow), "{slow}");
        assert_eq!(learned((64, 512), 20_000, 30), 512);
    }

    #[test]
    fn where_each_waits_for_pages_groups_are_small() {
        assert_eq!(learned((4, 64), 500, 20), 64);
        let cold = learned((4, 64), 500, 400);
        assert!((4..=8).contains(&cold), "{cold}");
        assert_eq!(learned((4, 64), 500, 2_000), 4);
    }

    /// Somebody always waits, so that every group is as large as it may be: what size most of them have.
    #[test]
    fn full_groups_find_their_size_from_wherever_they_begin() {
        let begins = [(500, 20, 4, 64), (500, 2_000, 4, 4), (500, 20, 64, 64), (500, 2_000, 64, 4)];
        for (fixed_us, each_us, first, expected) in begins {
            let mut pace = Pace::new((4, 64), first);
            let mut sizes = Vec::new();
            for _ in 0..1_000 {
                let size = pace.group_size();
                sizes.push(size);
                let us = fixed_us + each_us * u64::try_from(size).unwrap();
                pace.learn(size, Duration::from_micros(us));
            }
            sizes.sort_unstable();
            assert_eq!(sizes[500], expected, "{fixed_us} + n × {each_us}: {sizes:?}");
        }
    }

    #[test]
    fn a_group_is_never_much_larger_than_what_was_tried() {
        let mut pace = Pace::new((4, 64), 4);
        for (entries, us) in [(1, 16_000), (4, 20_000), (3, 90_000), (4, 17_000), (2, 1_000)] {
            let before = pace.group_size();
            pace.learn(entries, Duration::from_micros(us));
            assert!(pace.group_size() <= before.max(2 * entries));
        }
    }

    #[test]
    fn what_takes_too_long_is_tried_in_halves() {
        let mut pace = Pace::new((4, 64), 64);
        let sizes: Vec<usize> = std::iter::repeat_with(|| {
            pace.took_too_long();
            pace.group_size()
        })
        .take(5)
        .collect();
        assert_eq!(sizes, [32, 16, 8, 4, 4]);
    }

    #[test]
    fn the_most_is_never_passed() {
        assert_eq!(learned((64, 1), 2_200, 30), 1);
        assert_eq!(learned((64, 100), 20_000, 30), 100);
        assert_eq!(Pace::new((64, 0), 128).group_size(), 1);
    }

    #[test]
    fn groups_that_are_all_alike_teach_nothing_wrong() {
        let mut pace = Pace::new((64, 512), 128);
        for _ in 0..200 {
            pace.learn(1, Duration::from_micros(200));
        }
        assert_eq!(pace.group_size(), 64);
    }
}
