//! Who used the processor while something was measured: ours, others', and the machine's own hypervisor.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::{Deserialize, Serialize};

/// Times so far, in ticks.
#[derive(Debug, Clone, Copy, Default)]
struct Ticks {
    all: u64,
    /// In programs and in the kernel for them; interrupts belong to nobody and are left out.
    busy: u64,
    steal: u64,
    ours: u64,
}

/// A moment from which shares are counted.
#[derive(Debug)]
pub struct Since {
    roots: Vec<u32>,
    ticks: Ticks,
}

/// Shares of all processors' time, in thousandths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// Ours: the processes asked for and all that they started.
    pub ours_permille: u64,
    /// Of other processes of this machine.
    pub foreign_permille: u64,
    /// Taken by the hypervisor for other machines.
    pub stolen_permille: u64,
}

/// Processor time that a process has used so far, in microseconds.
pub fn used_us(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    process(&stat)
        .map_or(0, |(_, ticks)| ticks * 1_000_000 / rustix::param::clock_ticks_per_second())
}

impl Since {
    /// From now on; `roots` are our processes, and all that they start is ours too.
    pub fn now(roots: &[u32]) -> Since {
        Since { roots: roots.to_vec(), ticks: Ticks::now(roots) }
    }

    /// What ours used since, in microseconds.
    pub fn ours_us(&self) -> u64 {
        let used = Ticks::now(&self.roots).ours.saturating_sub(self.ticks.ours);
        used * 1_000_000 / rustix::param::clock_ticks_per_second()
    }

    /// Who used the processors since.
    pub fn shares(&self) -> Shares {
        let now = Ticks::now(&self.roots);
        let Ticks { all, busy, steal, ours } = self.ticks;
        let all = now.all.saturating_sub(all).max(1);
        let (busy, ours) = (now.busy.saturating_sub(busy), now.ours.saturating_sub(ours));
        Shares {
            ours_permille: ours * 1_000 / all,
            foreign_permille: busy.saturating_sub(ours) * 1_000 / all,
            stolen_permille: now.steal.saturating_sub(steal) * 1_000 / all,
        }
    }
}

impl Ticks {
    fn now(roots: &[u32]) -> Ticks {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let (all, busy, steal) = machine(&stat);
        let mut processes = BTreeMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // One that has just ended is counted by its parent.
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            if let Some(found) = process(&stat) {
                processes.insert(pid, found);
            }
        }
        Ticks { all, busy, steal, ours: of_trees(&processes, roots) }
    }
}

/// "cpu user nice system idle iowait irq softirq steal …".
fn machine(stat: &str) -> (u64, u64, u64) {
    let first = stat.lines().next().unwrap_or_default();
    let of: Vec<u64> =
        first.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect();
    let at = |place: usize| of.get(place).copied().unwrap_or(0);
    (of.iter().sum(), at(0) + at(1) + at(2), at(7))
}

/// Parent and ticks of a process, those of its ended children included. Its name may hold anything, so fields count from
/// behind it.
fn process(stat: &str) -> Option<(u32, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let at = |place: usize| fields.get(place)?.parse::<u64>().ok();
    let parent = u32::try_from(at(1)?).ok()?;
    Some((parent, at(11)? + at(12)? + at(13)? + at(14)?))
}

fn of_trees(processes: &BTreeMap<u32, (u32, u64)>, roots: &[u32]) -> u64 {
    let mut ours: BTreeSet<u32> = roots.iter().copied().collect();
    // A child may have a smaller number than its parent, so this goes on until nobody is added.
    loop {
        let more: Vec<u32> = processes
            .iter()
            .filter(|(pid, (parent, _))| ours.contains(parent) && !ours.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            break;
        }
        ours.extend(more);
    }
    ours.iter().filter_map(|pid| processes.get(pid)).map(|(_, ticks)| ticks).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(machine("cpu  10 1 5 100 3 2 4 7 0 0\ncpu0 …\n"), (132, 16, 7));
        let stat = "42 (a (b) c) S 7 42 42 0 -1 4194304 100 200 0 0 11 12 13 14 20 0 1 0 5 6 7";
        assert_eq!(process(stat), Some((7, 50)));
        assert_eq!(process("nonsense"), None);
    }

    #[test]
    fn a_tree_is_ours_whole() {
        let processes =
            [(1, (0, 100)), (5, (9, 1)), (9, (1, 10)), (7, (5, 1_000)), (8, (1, 10_000))];
        assert_eq!(of_trees(&processes.into_iter().collect(), &[9]), 1_011);
    }

    #[test]
    fn shares_never_exceed_the_whole() {
        let since = Since::now(&[std::process::id()]);
        let Shares { ours_permille, foreign_permille, stolen_permille } = since.shares();
        assert!(ours_permille + stolen_permille <= 1_100 && foreign_permille <= 1_000);
    }
}
