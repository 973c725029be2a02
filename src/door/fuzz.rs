//! Messages of anybody, for the fuzz targets.

pub use super::grpc::fuzz::{bills, rows};
pub use super::national::fuzz::canonical;
