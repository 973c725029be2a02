//! onestop: a real-time one-stop medical-aid settlement gateway.
pub mod domain;
pub mod rulebook;
