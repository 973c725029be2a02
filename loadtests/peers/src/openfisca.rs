//! OpenFisca in a Python process of its own, which times itself: nothing of ours is between its clock and its work.
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::ours::Pays;

/// The process, which reads the bills of a folder.
#[derive(Debug)]
pub(crate) struct OpenFisca {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Of Python and what is installed in it.
    pub(crate) versions: BTreeMap<String, String>,
}

/// One measurement: what a simulation is built from, and of how many bills.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) how: &'static str,
    pub(crate) lines: usize,
    pub(crate) at_once: usize,
}

impl OpenFisca {
    pub(crate) fn start(python: &Path, bills: &Path) -> Result<OpenFisca, anyhow::Error> {
        let serve = Path::new(env!("CARGO_MANIFEST_DIR")).join("openfisca/serve.py");
        let mut child = Command::new(python)
            .arg("-B")
            .arg(serve)
            .arg(bills)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", python.display()))?;
        let (Some(asks), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("a process without pipes");
        };
        let answers = BufReader::new(answers);
        let mut started = OpenFisca { child, asks, answers, versions: BTreeMap::new() };
        started.versions = started.answer()?;
        Ok(started)
    }

    /// What everyone pays of each bill of so many lines.
    pub(crate) fn settle(&mut self, lines: usize) -> Result<Vec<Pays>, anyhow::Error> {
        self.ask(&json!({ "do": "settle", "lines": lines }))
    }

    /// Picoseconds of the processor for one bill.
    pub(crate) fn time(&mut self, asked: Asked, least_ms: u64) -> Result<u64, anyhow::Error> {
        let Asked { how, lines, at_once } = asked;
        self.ask(&json!({
            "do": "time",
            "how": how,
            "lines": lines,
            "at_once": at_once,
            "least_ms": least_ms,
        }))
    }

    fn ask<T: DeserializeOwned>(&mut self, question: &Value) -> Result<T, anyhow::Error> {
        writeln!(self.asks, "{question}").context("ask OpenFisca")?;
        self.answer()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> Result<T, anyhow::Error> {
        let mut line = String::new();
        self.answers.read_line(&mut line).context("hear OpenFisca")?;
        if line.is_empty() {
            bail!("OpenFisca ended; what it said is above");
        }
        serde_json::from_str(&line).context("understand OpenFisca")
    }
}

impl Drop for OpenFisca {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
