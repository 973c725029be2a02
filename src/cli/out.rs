//! What people read in a terminal. The only place that prints.
use std::io::Write as _;

/// A line on standard output. A reader that has gone, as with `| head`, is no fault of ours.
pub fn line(text: &str) {
    writeln!(std::io::stdout().lock(), "{text}").ok();
}

/// A line on standard error.
pub fn error(text: &str) {
    writeln!(std::io::stderr().lock(), "onestop: {text}").ok();
}
