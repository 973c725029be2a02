//! Edge: PostgreSQL. What is read for a decision, and how a decision becomes durable.
pub mod cluster;
