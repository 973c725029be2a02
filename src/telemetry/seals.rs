//! What is seen of sealing: how far behind it is, and what it found altered or too late.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use opentelemetry::metrics::MeterProvider as _;

use super::{SERVICE, Telemetry};

/// Nobody here seals: another gateway does, or none.
const NOT_OURS: i64 = i64::MIN;

/// Kept by what seals, read by each scrape.
#[derive(Debug)]
pub struct SealGauges {
    /// Up to when everything is sealed, in milliseconds.
    sealed_to_ms: AtomicI64,
    altered: AtomicU64,
    late: AtomicU64,
    unpublished: AtomicU64,
}

impl SealGauges {
    /// Counted from the moment at which sealing began: where it never gets anywhere, it falls behind from then on.
    pub fn since(begun: Timestamp) -> Self {
        Self {
            sealed_to_ms: AtomicI64::new(begun.as_millisecond()),
            altered: AtomicU64::new(0),
            late: AtomicU64::new(0),
            unpublished: AtomicU64::new(0),
        }
    }

    /// Everything made before a moment is sealed.
    pub fn sealed_to(&self, moment: Timestamp) {
        self.sealed_to_ms.store(moment.as_millisecond(), Ordering::Relaxed);
    }

    /// Another gateway seals, and tells how far it is.
    pub fn by_others(&self) {
        self.sealed_to_ms.store(NOT_OURS, Ordering::Relaxed);
    }

    /// What is stored was not what was signed: `SEAL_ALTERED`.
    pub fn altered(&self) {
        self.altered.fetch_add(1, Ordering::Relaxed);
    }

    /// A row came into a day that is closed: `SEAL_LATE`.
    pub fn late(&self) {
        self.late.fetch_add(1, Ordering::Relaxed);
    }

    /// Days were sealed, and their roots not published.
    pub fn unpublished(&self) {
        self.unpublished.fetch_add(1, Ordering::Relaxed);
    }

    /// How long ago the oldest may have been made that is not sealed, in seconds; nothing where another gateway seals.
    pub fn behind_s(&self, now: Timestamp) -> Option<u64> {
        let sealed_to_ms = self.sealed_to_ms.load(Ordering::Relaxed);
        let behind_ms = now.as_millisecond().saturating_sub(sealed_to_ms);
        let behind_s = u64::try_from(behind_ms).unwrap_or(0).checked_div(1_000);
        behind_s.filter(|_| sealed_to_ms != NOT_OURS)
    }

    /// How often something was found altered, too late, and not published.
    pub fn counts(&self) -> [u64; 3] {
        [&self.altered, &self.late, &self.unpublished].map(|count| count.load(Ordering::Relaxed))
    }
}

impl Telemetry {
    /// Reports how far behind sealing is and what it found.
    pub fn observe_seals(
        &self,
        gauges: std::sync::Arc<SealGauges>,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) {
        let meter = self.meters.meter(SERVICE);
        let counters = [
            ("onestop.seal.altered", "Times that what is stored was not what was signed"),
            ("onestop.seal.late", "Rows that came into a day that is closed"),
            ("onestop.seal.unpublished", "Times that the roots of closed days were not published"),
        ];
        for (place, (name, description)) in counters.into_iter().enumerate() {
            let gauges = std::sync::Arc::clone(&gauges);
            let _counter = meter
                .u64_observable_counter(name)
                .with_description(description)
                .with_callback(move |observer| {
                    observer.observe(gauges.counts().get(place).copied().unwrap_or(0), &[]);
                })
                .build();
        }
        let _gauge = meter
            .u64_observable_gauge("onestop.seal.behind_seconds")
            .with_description("How long ago the oldest may have been made that is not sealed yet")
            .with_callback(move |observer| {
                if let Some(behind_s) = gauges.behind_s(now()) {
                    observer.observe(behind_s, &[]);
                }
            })
            .build();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_behind_until_something_is_sealed() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let gauges = SealGauges::since(at(100));
        assert_eq!(gauges.behind_s(at(160)), Some(60));
        gauges.sealed_to(at(150));
        assert_eq!(gauges.behind_s(at(160)), Some(10));
        assert_eq!(gauges.behind_s(at(140)), Some(0), "a clock that was put back");
        gauges.by_others();
        assert_eq!(gauges.behind_s(at(160)), None);
    }
}
