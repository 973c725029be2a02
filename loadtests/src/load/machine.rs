//! Where something was measured: machine, commit, disk, memory of a process.
use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// The machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_mib: u64,
    pub kernel: String,
    /// When Linux writes back what was written to files and not synced: at its defaults every half minute, all at once.
    #[serde(default)]
    pub writeback: String,
    pub postgres: String,
}

/// What was built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub hash: String,
    /// Something was changed and not committed.
    pub dirty: bool,
}

/// Resident memory of a process, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub now_kib: u64,
    pub most_kib: u64,
}

impl Machine {
    pub fn here() -> Machine {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let named = field(&processors, "model name");
        Machine {
            processor: named.unwrap_or(std::env::consts::ARCH).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_mib: kib(&memory, "MemTotal") / 1_024,
            kernel: kernel.trim().to_owned(),
            writeback: writeback(),
            postgres: String::new(),
        }
    }
}

impl Commit {
    /// Of the folder that this was built in; nothing where it is no longer there.
    pub fn here() -> Commit {
        let git = |arguments: &[&str]| {
            let output = Command::new("git")
                .arg("-C")
                .arg(env!("CARGO_MANIFEST_DIR"))
                .args(arguments)
                .output();
            output.ok().filter(|output| output.status.success()).map_or(String::new(), |output| {
                String::from_utf8_lossy(&output.stdout).trim().to_owned()
            })
        };
        Commit {
            hash: git(&["rev-parse", "HEAD"]),
            dirty: !git(&["status", "--porcelain", "--untracked-files=no"]).is_empty(),
        }
    }
}

impl Memory {
    pub fn of(pid: u32) -> Memory {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        Memory { now_kib: kib(&status, "VmRSS"), most_kib: kib(&status, "VmHWM") }
    }
}

/// The middle time of writing 8 kB and syncing it, in a folder, in microseconds.
pub fn sync_us(folder: &Path) -> Result<u64, anyhow::Error> {
    let path = folder.join(format!("sync-{}", std::process::id()));
    let measured = measure_sync(&path);
    fs::remove_file(&path).ok();
    measured.with_context(|| format!("measure syncing in {}", folder.display()))
}

fn measure_sync(path: &Path) -> Result<u64, std::io::Error> {
    let mut file: File = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    let block = [7_u8; 8_192];
    let mut times = Vec::new();
    for _ in 0..300 {
        // The same place again, as a log that is written over.
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&block)?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    Ok(u64::try_from(middle.as_micros()).unwrap_or(0))
}

/// As sysctl shows it.
fn writeback() -> String {
    let of = |name: &str| {
        let value = fs::read_to_string(format!("/proc/sys/vm/{name}")).unwrap_or_default();
        format!("{name}={}", value.trim())
    };
    ["dirty_background_bytes", "dirty_background_ratio", "dirty_expire_centisecs"].map(of).join(" ")
}

/// "name   : value".
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

fn kib(text: &str, name: &str) -> u64 {
    let value = field(text, name).and_then(|value| value.split_whitespace().next());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        let text = "VmPeak:\t  200 kB\nVmHWM:\t  150 kB\nVmRSS:\t   90 kB\n";
        assert_eq!((kib(text, "VmHWM"), kib(text, "VmRSS"), kib(text, "Vm?")), (150, 90, 0));
        assert_eq!(field("model name\t: A: B\n", "model name"), Some("A: B"));
    }

    #[test]
    fn this_machine_is_known() {
        let machine = Machine::here();
        assert!(0 < machine.cores && 0 < machine.memory_mib && !machine.kernel.is_empty());
        assert!(0 < Memory::of(std::process::id()).now_kib);
    }
}
