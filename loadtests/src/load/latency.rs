//! Latencies: counted in a histogram that loses nothing of the tail, summed up, and drawn.
use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longer ones are counted as this long.
const NS_MAX: u64 = 120_000_000_000;

/// The picture's first step ends here; each further one ends at twice the time. The last is everything above.
const PICTURE_FIRST_NS: u64 = 31_250;
const PICTURE_STEPS: usize = 18;

/// Counts latencies.
#[derive(Debug)]
pub struct Latencies(Histogram<u64>);

/// What is kept of them, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub count: u64,
    pub p50_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub max_ns: u64,
    /// How many took at most 31.25 µs, at most twice that, and so on.
    pub picture: Vec<u64>,
}

impl Latencies {
    /// Three digits: no figure is off by more than a thousandth.
    pub fn new() -> Result<Latencies, anyhow::Error> {
        Histogram::new_with_bounds(1_000, NS_MAX, 3).map(Latencies).context("make a histogram")
    }

    pub fn record(&mut self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(NS_MAX);
        self.0.saturating_record(ns.min(NS_MAX));
    }

    pub fn summary(&self) -> Summary {
        let at = |quantile| self.0.value_at_quantile(quantile);
        let mut picture = vec![0; PICTURE_STEPS];
        for value in self.0.iter_recorded() {
            let step = picture_step(value.value_iterated_to());
            if let Some(count) = picture.get_mut(step) {
                *count += value.count_at_value();
            }
        }
        Summary {
            count: self.0.len(),
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns: self.0.max(),
            picture,
        }
    }
}

fn picture_step(ns: u64) -> usize {
    let mut end = PICTURE_FIRST_NS;
    for step in 0..PICTURE_STEPS - 1 {
        if ns <= end {
            return step;
        }
        end *= 2;
    }
    PICTURE_STEPS - 1
}

impl Summary {
    /// The picture in one line: a bar for each step, its height by how many there are, on a scale on which a tenth is one
    /// eighth less high, so that the tail shows.
    pub fn drawn(&self) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let most = self.picture.iter().copied().max().unwrap_or(0);
        self.picture
            .iter()
            .map(|count| {
                let (mut less, mut of) = (0_usize, most);
                while *count < of && less < BARS.len() {
                    of /= 10;
                    less += 1;
                }
                if *count == 0 {
                    ' '
                } else {
                    BARS.get(7_usize.saturating_sub(less)).copied().unwrap_or('▁')
                }
            })
            .collect()
    }

    /// What the columns of the picture stand for.
    pub fn scale() -> String {
        format!(
            "each column ends at twice the time of the one before: {} to {}",
            ms(PICTURE_FIRST_NS),
            "2 s and more"
        )
    }
}

/// Nanoseconds as milliseconds with three decimals: "0.131 ms".
pub fn ms(ns: u64) -> String {
    let us = (ns + 500) / 1_000;
    format!("{}.{:03} ms", us / 1_000, us % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_summed_up() {
        let mut latencies = Latencies::new().unwrap();
        (1..=1_000).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        let summary = latencies.summary();
        assert_eq!(summary.count, 1_000);
        let near = |ns: u64, ms: u64| ns.abs_diff(ms * 1_000_000) <= ms * 1_000;
        assert!(near(summary.p50_ns, 500) && near(summary.p99_ns, 990), "{summary:?}");
        assert!(near(summary.p999_ns, 999) && near(summary.max_ns, 1_000), "{summary:?}");
        assert_eq!(summary.picture.iter().sum::<u64>(), 1_000);
    }

    #[test]
    fn the_picture_shows_the_tail() {
        let mut latencies = Latencies::new().unwrap();
        (0..10_000).for_each(|_| latencies.record(Duration::from_micros(100)));
        (0..10).for_each(|_| latencies.record(Duration::from_millis(5)));
        latencies.record(Duration::from_secs(300));
        assert_eq!(latencies.summary().drawn(), "  █     ▅        ▄");
        assert_eq!(Summary::default().drawn(), "");
        assert_eq!(
            (ms(131_400), ms(2_000_000_000)),
            ("0.131 ms".to_owned(), "2000.000 ms".to_owned())
        );
    }
}
