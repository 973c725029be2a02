//! Benchmarks, synthetic data and load for the gateway. Nothing here is shipped.
pub mod load;
pub mod numbers;
pub mod report;
pub mod synthesize;
