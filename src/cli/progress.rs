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
        Progress { what: what.to_owned(), bar, plain }
    }

    pub(super) fn at(&self, rows: u64) {
        let Some(told) = &self.plain else {
            self.bar.set_position(rows);
            return;
        };
        if PLAIN_PROGRESS_EVERY < told.get().elapsed() {
            told.set(Instant::now());
            let of = self.bar.length().map_or(String::new(), |of| format!(" of {of}"));
            out::error(&format!("{}: {rows}{of}", self.what));
        }
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
