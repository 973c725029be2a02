//! What a bench found, and how it stands against the bars.
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::latency::{Summary, ms};
use super::machine::Memory;
use super::processor::Shares;
use super::results::{Place, Step, Unexpected, percent};

/// Everything of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bench {
    pub place: Place,
    pub request_bytes: usize,
    pub reply_bytes: usize,
    pub cells: Vec<Cell>,
    pub bars: Vec<Bar>,
    /// What `check_integrity` found; nothing where it was not asked.
    pub integrity: Option<Vec<String>>,
    pub soak_memory: Option<(Memory, Memory)>,
    /// What the server held of persons at the end.
    #[serde(default)]
    pub persons_kib: Option<u64>,
    /// Of the part "big": the registry, as it came into memory.
    #[serde(default)]
    pub registry: Option<Registry>,
    /// How many stays were asked for in all, and of how many persons.
    #[serde(default)]
    pub came: Option<(u64, u64)>,
    /// What was not measured, and why.
    pub left_out: Vec<String>,
}

/// The registry in the memory of a server that was just started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    pub persons: u64,
    pub kib: u64,
    /// From the start until it listened, and until all of it was there.
    pub listens_ms: u64,
    pub there_ms: u64,
}

/// One thing that was measured, repeat by repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    pub name: String,
    pub clients: Option<usize>,
    pub samples: Vec<Sample>,
}

/// One repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    pub per_second: u64,
    /// Nothing where pgbench measured.
    pub latency: Summary,
    pub unexpected: Vec<Unexpected>,
    pub processor: Shares,
    pub memory: Option<Memory>,
    /// Processor time of the server for each request, where it was looked at.
    #[serde(default)]
    pub server_ns: Option<u64>,
}

/// A ratio or figure that must be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    pub what: String,
    /// As shown.
    pub reached: String,
    pub wanted: String,
    pub met: bool,
}

impl Sample {
    pub fn of(step: &Step) -> Sample {
        // One kind of request each, but for the day, of which the settlements count.
        let latency = step.latencies.get("settle").or(step.latencies.values().next());
        Sample {
            per_second: step.answered_per_second,
            latency: latency.cloned().unwrap_or_default(),
            unexpected: step.unexpected.clone(),
            processor: step.processor,
            memory: step.memory,
            server_ns: None,
        }
    }
}

impl Cell {
    fn middle(&self, of: impl Fn(&Sample) -> u64) -> u64 {
        let mut values: Vec<u64> = self.samples.iter().map(of).collect();
        values.sort_unstable();
        let at = |place: usize| values.get(place).copied().unwrap_or(0);
        // Of an even number it lies between two.
        at(values.len() / 2).midpoint(at(values.len().saturating_sub(1) / 2))
    }

    fn range(&self) -> (u64, u64) {
        let rates = || self.samples.iter().map(|sample| sample.per_second);
        (rates().min().unwrap_or(0), rates().max().unwrap_or(0))
    }

    /// The latencies of all repeats in one picture.
    fn drawn(&self) -> String {
        let mut all = Summary::default();
        for sample in &self.samples {
            all.picture.resize(all.picture.len().max(sample.latency.picture.len()), 0);
            for (sum, count) in all.picture.iter_mut().zip(&sample.latency.picture) {
                *sum += count;
            }
        }
        all.drawn()
    }

    fn unexpected(&self) -> u64 {
        self.samples.iter().flat_map(|sample| &sample.unexpected).map(|of| of.count).sum()
    }
}

impl Bench {
    /// Adds one repeat of a cell.
    pub fn add(&mut self, name: &str, clients: Option<usize>, sample: Sample) {
        let known = self.cells.iter_mut().find(|cell| cell.name == name && cell.clients == clients);
        match known {
            Some(cell) => cell.samples.push(sample),
            None => {
                let name = name.to_owned();
                self.cells.push(Cell { name, clients, samples: vec![sample] });
            }
        }
    }

    fn cell(&self, name: &str, clients: Option<usize>) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.name == name && cell.clients == clients)
    }

    /// The middle rate of a cell.
    pub fn median(&self, name: &str, clients: usize) -> Option<u64> {
        self.cell(name, Some(clients)).map(|cell| cell.middle(|sample| sample.per_second))
    }

    fn best_pgbench(&self, name: &str) -> Option<u64> {
        [1, 8, 32].iter().filter_map(|clients| self.median(name, *clients)).max()
    }

    /// Whether every bar is met that could be looked at.
    pub fn met(&self) -> bool {
        self.bars.iter().all(|bar| bar.met)
    }

    /// As a Markdown document's body: where, what, and the bars.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        self.conditions(&mut text);
        text.push_str("\n| what | clients | a second, median (least–most) | p50 | p99 | p99.9 | most | picture | unexpected | foreign processor time |\n");
        text.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
        for cell in &self.cells {
            let (least, most) = cell.range();
            let clients = cell.clients.map_or("open".to_owned(), |clients| clients.to_string());
            let time = |of: fn(&Sample) -> u64| match cell.middle(of) {
                0 => "–".to_owned(),
                ns => ms(ns),
            };
            writeln!(
                text,
                "| {} | {clients} | {} ({least}–{most}) | {} | {} | {} | {} | `{}` | {} | {} |",
                cell.name,
                cell.middle(|sample| sample.per_second),
                time(|sample| sample.latency.p50_ns),
                time(|sample| sample.latency.p99_ns),
                time(|sample| sample.latency.p999_ns),
                time(|sample| sample.latency.max_ns),
                cell.drawn(),
                cell.unexpected(),
                percent(cell.middle(|sample| sample.processor.foreign_permille)),
            )
            .ok();
        }
        writeln!(text, "\nIn the picture {}.", Summary::scale()).ok();
        text.push_str("\n| bar | wanted | reached | met |\n|---|---|---|---|\n");
        for Bar { what, reached, wanted, met } in &self.bars {
            writeln!(
                text,
                "| {what} | {wanted} | {reached} | {} |",
                if *met { "yes" } else { "**no**" }
            )
            .ok();
        }
        match &self.integrity {
            Some(faults) if faults.is_empty() => {
                text.push_str("\nHistory and state agree in every place.\n")
            }
            Some(faults) => {
                writeln!(text, "\nHistory and state DIFFER: {}", faults.join("; ")).ok();
            }
            None => {}
        }
        for left_out in &self.left_out {
            writeln!(text, "\nLeft out: {left_out}.").ok();
        }
        for unexpected in self.unexpected() {
            let Unexpected { what, count, request_id, message } = unexpected;
            writeln!(text, "\nUnexpected, {count} ×: {what}, such as {request_id}: {message}").ok();
        }
        text
    }

    /// Where, of what, and on whom.
    fn conditions(&self, text: &mut String) {
        for line in self.place.text().lines() {
            // Writing to a String cannot fail.
            writeln!(text, "* {line}").ok();
        }
        writeln!(
            text,
            "* a request to settle has {} bytes, an answer {}",
            self.request_bytes, self.reply_bytes
        )
        .ok();
        if let Some((stays, persons)) = self.came {
            let rounds = stays * 10 / persons.max(1);
            writeln!(
                text,
                "* {stays} stays of {persons} persons: each came some {}.{} times, the first time with nothing used",
                rounds / 10,
                rounds % 10
            )
            .ok();
        }
    }

    fn unexpected(&self) -> Vec<Unexpected> {
        let mut by_what: Vec<Unexpected> = Vec::new();
        let all = self.cells.iter().flat_map(|cell| {
            let named = |of: &Unexpected| Unexpected {
                what: format!("{}: {}", cell.name, of.what),
                ..of.clone()
            };
            cell.samples.iter().flat_map(|sample| &sample.unexpected).map(named).collect::<Vec<_>>()
        });
        for unexpected in all {
            match by_what.iter_mut().find(|known| known.what == unexpected.what) {
                Some(known) => known.count += unexpected.count,
                None => by_what.push(unexpected),
            }
        }
        by_what
    }
}

/// How it stands. What was not measured has no bar.
pub fn judge(bench: &Bench) -> Vec<Bar> {
    let settle = bench.median("settle", 64);
    let at_least = |what: &str, of: Option<u64>, to: Option<u64>, wanted: u64| {
        let reached = of? * 1_000 / to?.max(1);
        let what = what.to_owned();
        Some(Bar {
            what,
            reached: ratio(reached),
            wanted: format!("at least {}", ratio(wanted)),
            met: wanted <= reached,
        })
    };
    let slow = |name| bench.median(name, 256);
    let bars = [
        at_least("settlements ÷ bare echo, 64 clients", settle, bench.median("echo", 64), 450),
        at_least(
            "settlements, 64 clients ÷ best pgbench of one transaction",
            settle,
            bench.best_pgbench("pgbench transaction"),
            2_000,
        ),
        at_least(
            "settlements, 64 clients ÷ best pgbench of one statement",
            settle,
            bench.best_pgbench("pgbench statement"),
            1_000,
        ),
        at_least(
            "settlements ÷ grouping off, 64 clients",
            settle,
            bench.median("grouping off", 64),
            1_700,
        ),
        at_least(
            "the same at 2 ms more for each sync, 256 clients",
            slow("settle on a slow disk"),
            slow("grouping off on a slow disk"),
            5_000,
        ),
        single(bench),
        half(bench),
        day(bench),
        crowd(bench),
        at_least(
            "settlements with millions stored ÷ with little, 64 clients",
            bench.median("settle with millions stored", 64),
            bench.median("settle with little stored", 64),
            850,
        ),
        at_least(
            "quotes ÷ bare echo, 64 clients",
            bench.median("quote", 64),
            bench.median("echo", 64),
            700,
        ),
        quotes(bench),
        telemetry(bench),
        tls(bench),
        json(bench),
        registry(bench),
        memory(bench),
    ];
    bars.into_iter().flatten().collect()
}

fn single(bench: &Bench) -> Option<Bar> {
    let p50 =
        |name| bench.cell(name, Some(1)).map(|cell| cell.middle(|sample| sample.latency.p50_ns));
    p50("settle").zip(p50("echo")).map(|(ours, echo)| {
        let reached = ours * 1_000 / echo.max(1);
        let what = "one client's median ÷ the bare echo's".to_owned();
        Bar {
            what,
            reached: ratio(reached),
            wanted: "at most 6.000".to_owned(),
            met: reached <= 6_000,
        }
    })
}

fn half(bench: &Bench) -> Option<Bar> {
    let p99_ns =
        bench.cell("half of the saturated rate", None)?.middle(|sample| sample.latency.p99_ns);
    let what = "p99 at half of the saturated rate, open loop".to_owned();
    Some(Bar {
        what,
        reached: ms(p99_ns),
        wanted: "at most 5 ms".to_owned(),
        met: p99_ns <= 5_000_000,
    })
}

fn quotes(bench: &Bench) -> Option<Bar> {
    let p99_ns = bench.cell("quote", Some(64))?.middle(|sample| sample.latency.p99_ns);
    Some(Bar {
        what: "p99 of quotes, 64 clients".to_owned(),
        reached: ms(p99_ns),
        wanted: "at most 5 ms".to_owned(),
        met: p99_ns <= 5_000_000,
    })
}

fn registry(bench: &Bench) -> Option<Bar> {
    let Registry { persons, kib, listens_ms, there_ms } = bench.registry?;
    let seconds = |ms: u64| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100);
    Some(Bar {
        what: format!("{persons} persons in memory: MiB, time from the start, listening after"),
        reached: format!("{} MiB, {}, {}", kib / 1_024, seconds(there_ms), seconds(listens_ms)),
        wanted: "at most 512 MiB and 15 s, listening before".to_owned(),
        met: kib <= 512 * 1_024 && there_ms <= 15_000 && listens_ms < there_ms,
    })
}

fn tls(bench: &Bench) -> Option<Bar> {
    let (plain, certified) = (bench.median("plain", 64)?, bench.median("mTLS", 64)?);
    let p50 = |name| Some(bench.cell(name, Some(1))?.middle(|sample| sample.latency.p50_ns));
    let (reached, more_ns) =
        (certified * 1_000 / plain.max(1), p50("mTLS")?.saturating_sub(p50("plain")?));
    Some(Bar {
        what: "with client certificates ÷ without, 64 clients; one client's median longer by"
            .to_owned(),
        reached: format!("{}; {}", ratio(reached), ms(more_ns)),
        wanted: "at least 0.750; at most 0.3 ms".to_owned(),
        met: 750 <= reached && more_ns <= 300_000,
    })
}

fn telemetry(bench: &Bench) -> Option<Bar> {
    let each = |name| {
        let cell = bench.cell(name, Some(64))?;
        Some(cell.middle(|sample| sample.server_ns.unwrap_or(0)).max(1))
    };
    let (on, off) = (each("telemetry on")?, each("telemetry off")?);
    let reached = on * 1_000 / off;
    let us = |ns: u64| format!("{}.{} µs", ns / 1_000, ns % 1_000 / 100);
    Some(Bar {
        what: "the server's processor time a quote with telemetry ÷ without".to_owned(),
        reached: format!("{} ({} ÷ {})", ratio(reached), us(on), us(off)),
        wanted: "below 1.030".to_owned(),
        met: reached < 1_030,
    })
}

fn json(bench: &Bench) -> Option<Bar> {
    let each = |name| {
        let cell = bench.cell(name, Some(64))?;
        Some(cell.middle(|sample| sample.server_ns.unwrap_or(0)).max(1))
    };
    let (lines, settles, grpc) =
        (each("json 2301")?, each("json 2304")?, each("json beside gRPC")?);
    let reached = settles * 1_000 / grpc;
    let us = |ns: u64| format!("{}.{} µs", ns / 1_000, ns % 1_000 / 100);
    Some(Bar {
        what: "the server's processor time a settlement by the national door (2304) ÷ by gRPC; with its charge lines (2301)"
            .to_owned(),
        reached: format!(
            "{} ({} ÷ {}); {}",
            ratio(reached),
            us(settles),
            us(grpc),
            ratio((lines + settles) * 1_000 / grpc)
        ),
        wanted: "at most 1.500".to_owned(),
        met: reached <= 1_500,
    })
}

fn day(bench: &Bench) -> Option<Bar> {
    let cell = bench.cell("a day", None)?;
    let p999_ns = cell.middle(|sample| sample.latency.p999_ns);
    let (begun, ended) = bench.soak_memory?;
    let (errors, grown) = (cell.unexpected(), ended.now_kib.saturating_sub(begun.now_kib) / 1_024);
    Some(Bar {
        what: "2 000 a second, mixed: errors, p99.9, growth of memory".to_owned(),
        reached: format!("{errors}, {}, {grown} MiB", ms(p999_ns)),
        wanted: "none, at most 25 ms, at most 32 MiB".to_owned(),
        met: errors == 0 && p999_ns <= 25_000_000 && grown <= 32,
    })
}

fn crowd(bench: &Bench) -> Option<Bar> {
    let cell = bench.cell("one person", Some(64))?;
    let (reached, errors) = (cell.middle(|sample| sample.per_second), cell.unexpected());
    let whole = bench.integrity.as_ref().is_some_and(Vec::is_empty);
    Some(Bar {
        what: "64 clients on one person, a second; errors; nothing overspent".to_owned(),
        reached: format!(
            "{reached}; {errors}; {}",
            if whole { "nothing" } else { "history and state differ" }
        ),
        wanted: "at least 1500; none; nothing".to_owned(),
        met: 1_500 <= reached && errors == 0 && whole,
    })
}

fn memory(bench: &Bench) -> Option<Bar> {
    let cell = bench.cell("settle", Some(64))?;
    let most = cell
        .samples
        .iter()
        .filter_map(|sample| sample.memory)
        .map(|memory| memory.most_kib)
        .max()?;
    let persons = bench.persons_kib.unwrap_or(0);
    let aside = most.saturating_sub(persons);
    Some(Bar {
        what: "resident memory under 64 clients, at most so far, persons aside".to_owned(),
        reached: format!("{} MiB, and {} MiB of persons", aside / 1_024, persons / 1_024),
        wanted: "at most 256 MiB".to_owned(),
        met: aside <= 256 * 1_024,
    })
}

/// Thousandths: "0.452".
fn ratio(permille: u64) -> String {
    format!("{}.{:03}", permille / 1_000, permille % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench() -> Bench {
        let mut bench = Bench::default();
        for (name, clients, rates) in [
            ("settle", 64, [900, 1_000, 2_000]),
            ("echo", 64, [2_000, 2_000, 1_000]),
            ("pgbench statement", 8, [1_100, 1_100, 1_100]),
            ("pgbench statement", 1, [100, 100, 100]),
        ] {
            for per_second in rates {
                bench.add(name, Some(clients), Sample { per_second, ..Sample::default() });
            }
        }
        bench
    }

    #[test]
    fn bars_stand_on_medians_and_on_the_best_of_a_baseline() {
        let mut bench = bench();
        bench.bars = judge(&bench);
        let told: Vec<_> = bench.bars.iter().map(|bar| (bar.reached.as_str(), bar.met)).collect();
        assert_eq!(told, [("0.500", true), ("0.909", false)]);
        assert!(!bench.met());
        let text = bench.markdown();
        assert!(text.contains("| settle | 64 | 1000 (900–2000) |"), "{text}");
        assert!(text.contains("| at least 1.000 | 0.909 | **no** |"), "{text}");
    }

    #[test]
    fn a_bench_is_read_back_as_it_was_written() {
        let bench = bench();
        let text = serde_json::to_string(&bench).unwrap();
        assert_eq!(serde_json::from_str::<Bench>(&text).unwrap(), bench);
    }
}
