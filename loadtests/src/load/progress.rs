//! How it goes, on standard error: a bar in a terminal, a line now and then elsewhere.
use std::cell::Cell;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const LINE_INTERVAL: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(500);

/// Progress of one thing.
#[derive(Debug)]
pub struct Progress {
    label: String,
    bar: Option<ProgressBar>,
    length: u64,
    /// Where there is no terminal: when the last line was.
    line_at: Cell<Instant>,
}

impl Progress {
    /// Of something that takes so long.
    pub fn new(label: &str, total: Duration) -> Progress {
        Progress::of(label, u64::try_from(total.as_millis()).unwrap_or(0), "{msg}")
    }

    /// Of so many rows.
    pub fn rows(label: &str, rows: u64) -> Progress {
        Progress::of(label, rows, "{human_pos} of {human_len}, {per_sec}, {eta} left")
    }

    fn of(label: &str, length: u64, shown: &str) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(&format!("{{prefix:<24}} {{bar:30}} {shown}"));
            let bar = ProgressBar::new(length).with_prefix(label.to_owned());
            match style {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Progress { label: label.to_owned(), bar, length, line_at: Cell::new(Instant::now()) }
    }

    /// So many rows are done.
    pub fn done(&self, rows: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(rows);
        } else if LINE_INTERVAL < self.line_at.get().elapsed() {
            self.line_at.set(Instant::now());
            say(&format!("  {}: {rows} of {}", self.label, self.length));
        }
    }

    /// Waits, and tells how many events there were and how many were unexpected.
    pub async fn watch(&self, time: Duration, told: impl Fn() -> (u64, u64)) {
        let begun = Instant::now();
        let before = self.bar.as_ref().map_or(0, ProgressBar::position);
        let mut line_at = LINE_INTERVAL;
        while begun.elapsed() < time {
            tokio::time::sleep(TICK.min(time.saturating_sub(begun.elapsed()))).await;
            let (events, unexpected) = told();
            if let Some(bar) = &self.bar {
                let done = u64::try_from(begun.elapsed().as_millis()).unwrap_or(0);
                bar.set_position(before + done);
                bar.set_message(format!("{events} sent, {unexpected} unexpected"));
            } else if line_at < begun.elapsed() {
                line_at += LINE_INTERVAL;
                say(&format!("  {}: {events} sent, {unexpected} unexpected", self.label));
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A line of what is going on.
pub fn say(line: &str) {
    // Where standard error is gone nobody reads it.
    writeln!(std::io::stderr(), "{line}").ok();
}
