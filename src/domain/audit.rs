//! The monthly audit: where the money of each fund came from and went, what was held back, and what is unusual.
//!
//! Everything here is added up from one finest grouping that is read once, and is checked against sums that were made another way. What does
//! not add up is a [`Mismatch`] by name and never a table.

pub mod alarm;
pub mod flow;
pub mod unusual;

pub use self::alarm::{Alarm, AlarmKind};
pub use self::flow::{Amounts, By, Flow, Granted, Key, Measure, Mismatch, Period, Posted};
pub use self::unusual::{Share, Threshold, Which};
