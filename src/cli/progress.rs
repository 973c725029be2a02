//! How far a long command is: a bar on a terminal, a line every few seconds elsewhere. Always on standard error.
use std::cell::Cell;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::out;

/// Between two lines of progress where there is no terminal to draw on.
const PLAIN_PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// A bar on a terminal, a line every few seconds elsewhere.
pub(super) struct Progress {
    what: String,
    bar: ProgressBar,
    began: Instant,
    plain: Option<Cell<Instant>>,
}

impl Progress {
    pub(super) fn new(what: &str, rows: u64) -> Progress {
        let bar = if rows == 0 { ProgressBar::no_length() } else { ProgressBar::new(rows) };
        let template = "{msg} {bar:30} {human_pos}/{human_len} {per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        let plain = !std::io::stderr().is_terminal();
        let plain = plain.then(|| Cell::new(Instant::now()));
        Progress { what: what.to_owned(), bar, began: Instant::now(), plain }
    }

    pub(super) fn at(&self, rows: u64) {
        let Some(told) = &self.plain else {
            self.bar.set_position(rows);
            return;
        };
        if PLAIN_PROGRESS_EVERY < told.get().elapsed() {
            told.set(Instant::now());
            let far = how_far(rows, self.bar.length(), self.began.elapsed());
            out::error(&format!("{}: {far}", self.what));
        }
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// How far it is, how fast it goes, and how long the rest takes at that pace.
fn how_far(rows: u64, of: Option<u64>, elapsed: Duration) -> String {
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = rows.saturating_mul(1_000).checked_div(elapsed_ms).unwrap_or(0);
    let Some(of) = of else { return format!("{rows}, {rate}/s") };
    let rest = of.saturating_sub(rows);
    match rest.checked_div(rate) {
        Some(left_s) => format!("{rows} of {of}, {rate}/s, {left_s} s left"),
        None => format!("{rows} of {of}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_still() {
        let check = |rows, of, elapsed_ms, expected: &str| {
            assert_eq!(how_far(rows, of, Duration::from_millis(elapsed_ms)), expected);
        };
        check(500, Some(2_000), 2_000, "500 of 2000, 250/s, 6 s left");
        check(500, None, 2_000, "500, 250/s");
        check(0, Some(10), 0, "0 of 10");
        check(10, Some(10), 1_000, "10 of 10, 10/s, 0 s left");
    }
}
