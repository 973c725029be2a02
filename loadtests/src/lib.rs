//! Benchmarks and load for the gateway.
