//! Scenarios: what a run asks for, read from TOML. What does not fit is refused before anything is sent.
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

/// A run, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What to call it.
    pub name: String,
    /// How requests arrive.
    pub load: Load,
    /// What the bills are like.
    pub bills: Bills,
    /// What else is asked beside settlements.
    #[serde(default)]
    pub mix: Mix,
    /// Everything about one person, as outpatient care of a chronic disease.
    #[serde(default)]
    pub hot_person: bool,
    /// How many persons were populated.
    pub persons: u32,
    /// Connections to the server.
    #[serde(default = "connections_default")]
    pub connections: usize,
    /// Decode every answer whole and add its amounts up. Costs the client, and so is not for figures.
    #[serde(default)]
    pub check: bool,
    /// Answers that are no error of the run, such as "declined COVERAGE_NONE".
    #[serde(default)]
    pub expected: Vec<String>,
}

/// How requests arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Load {
    /// As many clients as said, step by step, each asking again as soon as it is answered.
    Closed {
        /// Clients of each step.
        clients: Vec<usize>,
        /// What each step does before anything counts.
        warm_up_seconds: u32,
        /// How long each step counts.
        measured_seconds: u32,
    },
    /// Requests come when they come, answered or not. Latency counts from when one was meant to be sent.
    Open {
        /// Events a second; each is a settlement, quote, repeat or reversal.
        rate_per_second: u32,
        /// What is sent before anything counts.
        #[serde(default)]
        warm_up_seconds: u32,
        /// How long it counts.
        measured_seconds: u32,
        /// When the next one comes.
        arrivals: Arrivals,
    },
}

impl Load {
    /// The steps of it, one load each.
    pub fn steps(&self) -> Vec<Load> {
        match self {
            Load::Closed { clients, warm_up_seconds, measured_seconds } => clients
                .iter()
                .map(|at_once| Load::Closed {
                    clients: vec![*at_once],
                    warm_up_seconds: *warm_up_seconds,
                    measured_seconds: *measured_seconds,
                })
                .collect(),
            Load::Open { .. } => vec![self.clone()],
        }
    }
}

/// When the next request comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// As evenly as can be.
    Uniform,
    /// By chance, as patients do.
    Poisson,
}

/// What the bills are like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bills {
    /// How many charge lines, each with how many of all bills have so many.
    pub lines: Vec<LineShare>,
    /// How many of all bills come from hospitals of level 1, 2 and 3.
    #[serde(default = "levels_default")]
    pub hospital_level_shares: [u32; 3],
    /// All of them come from one hospital of each level: what one certificate may send.
    #[serde(default)]
    pub one_hospital: bool,
}

/// Bills of a size, and how many of all they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineShare {
    /// The fewest lines.
    pub from: u32,
    /// The most lines.
    pub to: u32,
    /// The share, against those of the others.
    pub share: u32,
}

/// What else is asked beside settlements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// Quotes for each settlement.
    #[serde(default)]
    pub quotes_per_settlement: u32,
    /// Of a hundred settlements: how many are followed by the same request again.
    #[serde(default)]
    pub repeats_percent: u32,
    /// Of a hundred settlements: how many are followed by a reversal.
    #[serde(default)]
    pub reversals_percent: u32,
    /// Nothing but quotes.
    #[serde(default)]
    pub only_quotes: bool,
}

/// What one event asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// A quote.
    Quote,
    /// A settlement.
    Settle,
    /// A settlement that was asked for before, by the same request id.
    Repeat,
    /// The reversal of an earlier settlement.
    Reverse,
}

impl Ask {
    /// Its name in results.
    pub const fn word(self) -> &'static str {
        match self {
            Ask::Quote => "quote",
            Ask::Settle => "settle",
            Ask::Repeat => "repeat",
            Ask::Reverse => "reverse",
        }
    }
}

impl Mix {
    /// What one round of events asks for, in order: a hundred settlements and all that belongs to them, evenly spread.
    pub fn round(&self) -> Vec<Ask> {
        if self.only_quotes {
            return vec![Ask::Quote];
        }
        let due = |percent: u32, at: u32| at * percent / 100 != (at + 1) * percent / 100;
        let mut round = Vec::new();
        for settlement in 0..100 {
            round.extend((0..self.quotes_per_settlement).map(|_| Ask::Quote));
            round.push(Ask::Settle);
            if due(self.repeats_percent, settlement) {
                round.push(Ask::Repeat);
            }
            // Half a round away from the repeats, so that no settlement is followed by both.
            if due(self.reversals_percent, (settlement + 50) % 100) {
                round.push(Ask::Reverse);
            }
        }
        round
    }
}

impl Scenario {
    /// Reads a scenario, and refuses what cannot be run.
    pub fn read(file: &Path) -> Result<Scenario, anyhow::Error> {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        Scenario::parse(&text).with_context(|| format!("read {}", file.display()))
    }

    /// The same from its text.
    pub fn parse(text: &str) -> Result<Scenario, anyhow::Error> {
        let scenario: Scenario = toml::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), anyhow::Error> {
        let Scenario { load, bills, mix, persons, connections, .. } = self;
        ensure!((1..=64).contains(connections), "connections: from 1 to 64");
        ensure!((100..=PERSONS_MAX).contains(persons), "persons: from 100 to {PERSONS_MAX}");
        ensure!(!bills.lines.is_empty(), "bills.lines: at least one size");
        for LineShare { from, to, share } in &bills.lines {
            ensure!(
                (1..=500).contains(from) && (*from..=500).contains(to),
                "bills.lines: 1 to 500"
            );
            ensure!((1..=1_000).contains(share), "bills.lines: a share from 1 to 1000");
        }
        let levels: u32 = bills.hospital_level_shares.iter().sum();
        ensure!((1..=1_000).contains(&levels), "bills.hospital_level_shares: together 1 to 1000");
        ensure!(mix.quotes_per_settlement <= 20, "mix.quotes_per_settlement: at most 20");
        ensure!(mix.repeats_percent <= 100, "mix.repeats_percent: at most 100");
        ensure!(mix.reversals_percent <= 50, "mix.reversals_percent: at most 50");
        match load {
            Load::Closed { clients, measured_seconds, warm_up_seconds } => {
                ensure!(!clients.is_empty(), "load.clients: at least one step");
                ensure!(
                    clients.iter().all(|at_once| (1..=1_024).contains(at_once)),
                    "load.clients: 1 to 1024"
                );
                ensure!((1..=3_600).contains(measured_seconds), "load.measured_seconds: 1 to 3600");
                ensure!(*warm_up_seconds <= 600, "load.warm_up_seconds: at most 600");
            }
            Load::Open { rate_per_second, warm_up_seconds, measured_seconds, .. } => {
                ensure!(
                    (1..=200_000).contains(rate_per_second),
                    "load.rate_per_second: 1 to 200000"
                );
                ensure!((1..=7_200).contains(measured_seconds), "load.measured_seconds: 1 to 7200");
                ensure!(*warm_up_seconds <= 600, "load.warm_up_seconds: at most 600");
            }
        }
        Ok(())
    }
}

/// As many as our identity numbers can tell apart.
pub const PERSONS_MAX: u32 = 9_000_000;

const fn connections_default() -> usize {
    4
}

/// Of a hundred stays in a prefecture most are at the county's hospital.
const fn levels_default() -> [u32; 3] {
    [30, 50, 20]
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = r#"
        name = "a day"
        persons = 100000
        load = { mode = "open", rate_per_second = 2000, measured_seconds = 600, arrivals = "poisson" }
        bills = { lines = [{ from = 10, to = 100, share = 9 }, { from = 100, to = 500, share = 1 }] }
        mix = { quotes_per_settlement = 5, repeats_percent = 5, reversals_percent = 2 }
    "#;

    #[test]
    fn a_scenario_is_read() {
        let scenario = Scenario::parse(OPEN).unwrap();
        assert_eq!((scenario.connections, scenario.check, scenario.hot_person), (4, false, false));
        assert!(matches!(
            scenario.load,
            Load::Open { arrivals: Arrivals::Poisson, warm_up_seconds: 0, .. }
        ));
        assert_eq!(
            toml::from_str::<Scenario>(&toml::to_string(&scenario).unwrap()).unwrap(),
            scenario
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        for (from, to, named) in [
            ("persons = 100000", "persons = 10", "persons"),
            ("to = 500", "to = 501", "bills.lines"),
            ("from = 10,", "from = 101,", "bills.lines"),
            ("rate_per_second = 2000", "rate_per_second = 0", "rate_per_second"),
            ("mode = \"open\"", "mode = \"ajar\"", "ajar"),
            ("mix =", "mixed =", "mixed"),
        ] {
            let error = Scenario::parse(&OPEN.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(named), "{to}: {error}");
        }
    }

    #[test]
    fn shares_of_a_round_are_exact() {
        let round = Scenario::parse(OPEN).unwrap().mix.round();
        let count = |ask| round.iter().filter(|asked| **asked == ask).count();
        assert_eq!(
            [Ask::Quote, Ask::Settle, Ask::Repeat, Ask::Reverse].map(count),
            [500, 100, 5, 2]
        );
        assert_eq!(Mix::default().round(), vec![Ask::Settle; 100]);
        assert_eq!(Mix { only_quotes: true, ..Mix::default() }.round(), [Ask::Quote]);
    }
}
