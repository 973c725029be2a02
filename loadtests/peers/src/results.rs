//! What is written down: agreement and times, as JSON and as a table.
use std::collections::BTreeMap;
use std::fmt::Write as _;

use loadtests::load::processor::Shares;
use loadtests::load::results::Place;
use serde::Serialize;

use crate::ours::{PAYS, Pays};

/// A run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    pub(crate) place: Place,
    pub(crate) versions: BTreeMap<String, String>,
    /// Peers that are not in it, and why.
    pub(crate) left_out: BTreeMap<String, String>,
    pub(crate) seed: u64,
    pub(crate) bills: usize,
    pub(crate) repeats: usize,
    pub(crate) shares: Shares,
    pub(crate) agreement: Vec<Agreement>,
    pub(crate) times: Vec<Time>,
}

/// How far a peer says what onestop says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Agreement {
    pub(crate) peer: String,
    pub(crate) lines: usize,
    pub(crate) bills: usize,
    /// Bills of which every layer and what is left agree to the fen.
    pub(crate) agree: usize,
    /// The largest difference of any amount.
    pub(crate) most_fen: u64,
    /// Bills that differ, by what differs.
    pub(crate) differ: BTreeMap<&'static str, usize>,
}

/// How much of the processor something takes for one bill.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Time {
    pub(crate) peer: &'static str,
    pub(crate) what: String,
    pub(crate) lines: usize,
    /// In the order of the repeats.
    pub(crate) samples_ps: Vec<u64>,
    pub(crate) median_ps: u64,
    /// The row that it is compared with: the same work of onestop's, with trace.
    pub(crate) beside: String,
    /// Hundredths of that row's median.
    pub(crate) ratio_e2: u64,
}

impl Agreement {
    pub(crate) fn of(peer: &str, lines: usize, want: &[Pays], got: &[Pays]) -> Agreement {
        let mut agreement = Agreement {
            peer: peer.to_owned(),
            lines,
            bills: want.len(),
            agree: 0,
            most_fen: 0,
            differ: BTreeMap::new(),
        };
        for (want, got) in want.iter().zip(got) {
            agreement.agree += usize::from(want == got);
            for ((name, want), got) in PAYS.into_iter().zip(want).zip(got) {
                let by = want.abs_diff(*got);
                agreement.most_fen = agreement.most_fen.max(by);
                if 0 < by {
                    *agreement.differ.entry(name).or_default() += 1;
                }
            }
        }
        agreement
    }
}

impl Results {
    /// Medians, and beside what they stand.
    pub(crate) fn compare(&mut self) {
        for time in &mut self.times {
            time.median_ps = median(&time.samples_ps);
        }
        let medians: Vec<(String, u64)> =
            self.times.iter().map(|time| (time.name(), time.median_ps)).collect();
        for time in &mut self.times {
            let beside = medians.iter().find(|(name, _)| *name == time.beside);
            let beside_ps = beside.map_or(1, |(_, median_ps)| (*median_ps).max(1));
            time.ratio_e2 = (time.median_ps * 100 + beside_ps / 2) / beside_ps;
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let versions: Vec<String> =
            self.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let Place { began_at, machine, commit, .. } = &self.place;
        let mut text = format!(
            "{began_at}; {}, {} cores; commit {}\n{}\n",
            machine.processor,
            machine.cores,
            commit.hash,
            versions.join(", ")
        );
        let Shares { foreign_permille, stolen_permille, .. } = self.shares;
        // Writing to a String cannot fail.
        writeln!(
            text,
            "seed {}, {} bills of each size, repeats: {}; others used {foreign_permille} ‰ of the processors, {stolen_permille} ‰ were taken\n",
            self.seed, self.bills, self.repeats
        )
        .ok();
        for (peer, why) in &self.left_out {
            writeln!(text, "{peer} is left out: {why}\n").ok();
        }
        text.push_str("| peer | lines | bills to the fen | largest difference | bills that differ |\n|---|---|---|---|---|\n");
        for Agreement { peer, lines, bills, agree, most_fen, differ } in &self.agreement {
            let differ: Vec<String> =
                differ.iter().map(|(name, bills)| format!("{name} {bills}")).collect();
            let differ = differ.join(", ");
            writeln!(text, "| {peer} | {lines} | {agree} of {bills} | {most_fen} fen | {differ} |")
                .ok();
        }
        text.push_str("\n| peer | what | lines | processor time each, median | least – most | × onestop |\n|---|---|---|---|---|---|\n");
        for time in &self.times {
            let Time { peer, what, lines, samples_ps, median_ps, ratio_e2, .. } = time;
            let least = shown(samples_ps.iter().copied().min().unwrap_or(0));
            let most = shown(samples_ps.iter().copied().max().unwrap_or(0));
            let (median, ratio) = (shown(*median_ps), figures(*ratio_e2, 100));
            writeln!(text, "| {peer} | {what} | {lines} | {median} | {least} – {most} | {ratio} |")
                .ok();
        }
        text
    }
}

impl Time {
    /// By which another row stands beside it.
    pub(crate) fn name(&self) -> String {
        format!("{}, {}, {} lines", self.peer, self.what, self.lines)
    }
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}

/// Three figures or so, with a unit.
fn shown(ps: u64) -> String {
    let (unit, one) = match ps {
        0..1_000_000 => ("ns", 1_000),
        1_000_000..1_000_000_000 => ("µs", 1_000_000),
        _ => ("ms", 1_000_000_000),
    };
    format!("{} {unit}", figures(ps, one))
}

/// A part of `one` by three figures or so, rounded once.
fn figures(value: u64, one: u64) -> String {
    let rounded = |scale: u64| (value * scale + one / 2) / one;
    match value / one {
        0..10 => format!("{}.{:02}", rounded(100) / 100, rounded(100) % 100),
        10..100 => format!("{}.{}", rounded(10) / 10, rounded(10) % 10),
        _ => grouped(rounded(1)),
    }
}

/// 12345 as "12 345".
fn grouped(number: u64) -> String {
    let text = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in text.chars().enumerate() {
        if 0 < place && (text.len() - place).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!([shown(812_345), shown(17_449_000)], ["812 ns", "17.4 µs"]);
        assert_eq!([shown(9_000), shown(1_450_000_000)], ["9.00 ns", "1.45 ms"]);
        assert_eq!(
            [figures(83, 100), figures(5_216, 100), figures(1_234_567, 100)],
            ["0.83", "52.2", "12 346"]
        );
    }

    #[test]
    fn every_amount_that_differs_is_told() {
        let want = [[10, 20, 30, 40], [1, 2, 3, 4]];
        let got = [[10, 20, 30, 40], [1, 9, 3, 1]];
        let found = Agreement::of("zen", 50, &want, &got);
        assert_eq!((found.agree, found.bills, found.most_fen), (1, 2, 7));
        assert_eq!(found.differ, [("critical", 1), ("patient", 1)].into_iter().collect());
    }

    #[test]
    fn medians_stand_beside_the_row_that_they_name() {
        let time = |what: &str, samples_ps: [u64; 3], beside: &str| Time {
            peer: "p",
            what: what.to_owned(),
            lines: 10,
            samples_ps: samples_ps.to_vec(),
            beside: beside.to_owned(),
            ..Time::default()
        };
        let mut results = Results::default();
        results.times.push(time("a", [9, 2_000, 4_000], "p, a, 10 lines"));
        results.times.push(time("b", [5_000, 9_000, 1], "p, a, 10 lines"));
        results.compare();
        assert_eq!((results.times[0].median_ps, results.times[0].ratio_e2), (2_000, 100));
        assert_eq!((results.times[1].median_ps, results.times[1].ratio_e2), (5_000, 250));
        assert!(results.text().contains("| p | b | 10 | 5.00 ns | 0.00 ns – 9.00 ns | 2.50 |"));
    }
}
