//! What PostgreSQL alone reaches with the same writes: one hand-written transaction a settlement, and one statement.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use tokio_postgres::{Config, NoTls};

use super::copies::{Differs, Written};
use super::populate::{connect, make_database};
use super::site::socket;

pub const DATABASE: &str = "pgbench";
/// Enough that few come twice in a repeat.
pub const PERSONS: u32 = 400_000;

/// The scripts, and where to run them.
#[derive(Debug, Clone)]
pub struct Pgbench {
    program: PathBuf,
    socket: String,
    transaction: PathBuf,
    statement: PathBuf,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    Transaction,
    Statement,
}

impl Script {
    pub const fn word(self) -> &'static str {
        match self {
            Script::Transaction => "pgbench transaction",
            Script::Statement => "pgbench statement",
        }
    }
}

impl Pgbench {
    /// Makes a database with the product's schema and persons, and scripts that write into it what one settlement wrote.
    pub async fn prepare(
        (folder, programs): (&Path, &Path),
        admin: &Config,
        written: &Written,
    ) -> Result<Pgbench, anyhow::Error> {
        make_database(admin, DATABASE).await?;
        let mut own = admin.clone();
        own.dbname(DATABASE);
        onestop::store::migrate(&own, NoTls).await.context("bring the schema up to date")?;
        let client = connect(&own).await?;
        let persons = format!(
            "INSERT INTO person_head (bucket, person_id, birth_date) \
             SELECT n % 128, n, '1980-01-01' FROM generate_series(1, {PERSONS}) AS n; ANALYZE"
        );
        client.batch_execute(&persons).await.context("make persons")?;
        let (transaction, statement) = scripts(written);
        let pgbench = Pgbench {
            program: programs.join("pgbench"),
            socket: socket(admin)?,
            transaction: folder.join("transaction.sql"),
            statement: folder.join("statement.sql"),
        };
        fs::write(&pgbench.transaction, transaction).context("write a script")?;
        fs::write(&pgbench.statement, statement).context("write a script")?;
        Ok(pgbench)
    }

    /// Settlements a second, with so many clients for so long. Our own connections stay alive meanwhile.
    pub async fn run(
        &self,
        script: Script,
        clients: usize,
        seconds: u64,
    ) -> Result<u64, anyhow::Error> {
        let pgbench = self.clone();
        let running = move || pgbench.run_now(script, clients, seconds);
        tokio::task::spawn_blocking(running).await.context("wait for pgbench")?
    }

    fn run_now(&self, script: Script, clients: usize, seconds: u64) -> Result<u64, anyhow::Error> {
        let file = match script {
            Script::Transaction => &self.transaction,
            Script::Statement => &self.statement,
        };
        let output = Command::new(&self.program)
            .args(["-n", "-M", "prepared", "-j", "1", "-c", &clients.to_string()])
            .args(["-T", &seconds.to_string(), "-h", &self.socket, "-U", "postgres", "-f"])
            .arg(file)
            .arg(DATABASE)
            .output()
            .context("run pgbench")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pgbench: {complained}");
        rate(&said).with_context(|| format!("pgbench told no rate: {said}"))
    }
}

/// "tps = 1234.567 (without initial connection time)".
fn rate(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.strip_prefix("tps = "))?;
    line.split('.').next()?.parse().ok()
}

/// One transaction with a statement a table, and one statement for all.
fn scripts(written: &Written) -> (String, String) {
    let differs = Differs {
        bucket: ":bucket::smallint".to_owned(),
        person: ":person::bigint".to_owned(),
        serial: ":serial::text".to_owned(),
        admission: None,
        days_ago: 0,
        spread: false,
    };
    let drawn = format!(
        "\\set person random(1, {PERSONS})\n\\set bucket :person % 128\n\\set serial random(1, 9000000000000000000)\n"
    );
    let head = format!(
        "UPDATE person_head SET {} \
         WHERE bucket = :bucket::smallint AND person_id = :person::bigint AND standing_version = 1 AND 1 <= ledger_version",
        written.head(&differs)
    );
    let mut transaction = format!("{drawn}BEGIN;\n{head};\n");
    for insert in written.inserts(&differs, "") {
        transaction.push_str(&insert);
        transaction.push_str(";\n");
    }
    transaction.push_str("COMMIT;\n");
    let mut statement = format!("{drawn}WITH head AS ({head} RETURNING person_id)");
    for (number, insert) in (1..).zip(written.inserts(&differs, "FROM head WHERE true")) {
        statement.push_str(&format!(",\nw{number} AS ({insert})"));
    }
    statement.push_str("\nSELECT count(*) FROM head;\n");
    (transaction, statement)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read() {
        let said = "latency average = 1.2 ms\ntps = 8123.456 (without initial connection time)\n";
        assert_eq!((rate(said), rate("nothing")), (Some(8_123), None));
    }
}
