//! What a run writes down, as JSON, and how it is shown.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::latency::{Summary, ms};
use super::machine::{Commit, Machine, Memory};
use super::processor::Shares;
use super::scenario::Scenario;

/// One run of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub place: Place,
    pub scenario: Scenario,
    pub steps: Vec<Step>,
}

/// Where and when, and what was built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub began_at: String,
    pub machine: Machine,
    pub commit: Commit,
    /// Of 8 kB written and synced in the data folder; nothing where the database is elsewhere.
    pub sync_us: Option<u64>,
    /// What the servers were told beside their defaults.
    pub settings: BTreeMap<String, String>,
}

/// One step: so many clients at once, or so many requests a second.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub clients: Option<usize>,
    pub rate_per_second: Option<u32>,
    pub measured_ms: u64,
    pub answered: u64,
    pub answered_per_second: u64,
    pub settled_per_second: u64,
    /// By what was asked.
    pub latencies: BTreeMap<String, Summary>,
    /// By what came of it, while it counted.
    pub outcomes: BTreeMap<String, u64>,
    /// From the first request to the last, the warm-up included.
    pub unexpected: Vec<Unexpected>,
    /// Where the next run on the same database goes on.
    pub next_serial: u64,
    pub processor: Shares,
    /// Of the server at the end, where it is on this machine.
    pub memory: Option<Memory>,
}

/// Answers that were not to be, with one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unexpected {
    pub what: String,
    pub count: u64,
    pub request_id: String,
    pub message: String,
}

impl Place {
    /// Here and now.
    pub fn here() -> Place {
        Place {
            began_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            machine: Machine::here(),
            commit: Commit::here(),
            ..Place::default()
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let Place { began_at, machine, commit, sync_us, settings } = self;
        let Machine { processor, cores, memory_mib, kernel, writeback, postgres } = machine;
        let dirty = if commit.dirty { ", changed since" } else { "" };
        let sync = sync_us.map_or("not measured".to_owned(), |us| format!("{us} µs"));
        let mut text = format!(
            "{began_at}; {processor}, {cores} cores, {memory_mib} MiB; Linux {kernel}; {postgres}; {writeback}\n\
             commit {}{dirty}; 8 kB written and synced: {sync} (median)\n",
            commit.hash
        );
        for (name, value) in settings {
            // Writing to a String cannot fail.
            writeln!(text, "{name}={value}").ok();
        }
        text
    }
}

impl Run {
    /// For people: a table, with the latencies drawn.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n{}", self.scenario.name, self.place.text(), Step::header());
        for step in &self.steps {
            text.push_str(&step.text());
        }
        writeln!(text, "{}", Summary::scale()).ok();
        text
    }

    /// Whether every answer was one that was meant to be.
    pub fn is_clean(&self) -> bool {
        self.steps.iter().all(|step| step.unexpected.is_empty())
    }
}

impl Step {
    pub(super) fn header() -> String {
        format!(
            "{:>14} {:<8} {:>9} {:>11} {:>11} {:>11} {:>11}  {:<18} foreign\n",
            "load", "asked", "a second", "p50", "p99", "p99.9", "most", "picture"
        )
    }

    pub(super) fn text(&self) -> String {
        let load = match (self.clients, self.rate_per_second) {
            (Some(clients), _) => format!("{clients} client(s)"),
            (None, Some(rate)) => format!("{rate} a second"),
            (None, None) => String::new(),
        };
        let mut text = String::new();
        for (ask, summary) in &self.latencies {
            let a_second = summary.count * 1_000 / self.measured_ms.max(1);
            let [p50, p99, p999, most] =
                [summary.p50_ns, summary.p99_ns, summary.p999_ns, summary.max_ns].map(ms);
            let foreign = percent(self.processor.foreign_permille);
            let drawn = summary.drawn();
            // Writing to a String cannot fail.
            writeln!(
                text,
                "{load:>14} {ask:<8} {a_second:>9} {p50:>11} {p99:>11} {p999:>11} {most:>11}  {drawn:<18} {foreign}"
            )
            .ok();
        }
        for Unexpected { what, count, request_id, message } in &self.unexpected {
            writeln!(text, "  UNEXPECTED {count} × {what}, such as {request_id}: {message}").ok();
        }
        text
    }
}

/// Thousandths as a percentage: "12.5 %".
pub fn percent(permille: u64) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

/// Writes a result as JSON; the same again gives the same bytes.
pub fn write(path: &Path, result: &impl Serialize) -> Result<(), anyhow::Error> {
    let text = serde_json::to_string_pretty(result)? + "\n";
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

/// Reads what [`write()`] wrote.
pub fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, anyhow::Error> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        let summary =
            Summary { count: 20, p50_ns: 1_000_000, picture: vec![0, 3, 17], ..Summary::default() };
        let step = Step {
            clients: Some(64),
            measured_ms: 2_000,
            latencies: [("settle".to_owned(), summary)].into(),
            outcomes: [("settled".to_owned(), 20)].into(),
            unexpected: vec![Unexpected {
                what: "settle: declined X".to_owned(),
                count: 3,
                request_id: "MS1".to_owned(),
                message: "no".to_owned(),
            }],
            ..Step::default()
        };
        let scenario = "name = 'a'\npersons = 100\nload = { mode = 'closed', clients = [64], warm_up_seconds = 0, \
                        measured_seconds = 2 }\nbills = { lines = [{ from = 1, to = 2, share = 1 }] }";
        Run {
            place: Place { sync_us: Some(40), ..Place::here() },
            scenario: Scenario::parse(scenario).unwrap(),
            steps: vec![step],
        }
    }

    #[test]
    fn a_result_is_read_back_as_it_was_written() {
        let run = run();
        let text = serde_json::to_string_pretty(&run).unwrap();
        assert_eq!(serde_json::from_str::<Run>(&text).unwrap(), run);
    }

    #[test]
    fn the_table_shows_rate_latency_and_what_was_unexpected() {
        let run = run();
        let text = run.text();
        assert!(text.contains("64 client(s) settle          10    1.000 ms"), "{text}");
        assert!(text.contains("UNEXPECTED 3 × settle: declined X, such as MS1: no"), "{text}");
        assert!(!run.is_clean());
        assert_eq!(percent(125), "12.5 %");
    }
}
