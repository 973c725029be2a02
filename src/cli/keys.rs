//! `onestop keys`: makes the keys once, outside the repository; adds envelope keys, seals names anew under them, and retires what
//! nothing is sealed by any more; and makes certificates for who has no authority.
mod certificates;
mod seal;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::{Subcommand, ValueEnum};

use super::database::on_database;
use super::progress::Progress;
use super::{EXIT_FAILED, EXIT_INTERRUPTED, Failure, out};
use crate::app::{self, KeyOf, Resealing, SealedUnder};
use crate::config::Config;
use crate::keys::{self, Keys};
use crate::store::Pool;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Makes all keys in a new folder. Never overwrites: what was sealed with a lost key is lost.
    Init {
        /// Where; by default the folder of the configuration.
        #[arg(long, visible_alias = "keys-dir", value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
    /// Adds an envelope key, which seals from now on; the others still open. Servers notice it while they run.
    ///
    /// Where several machines serve, copy the file to each of them at once: one without the key can not open what it sealed.
    Rotate(KeysDir),
    /// Seals every name in the database anew, under the newest key. It may be interrupted at any time and run again, also while
    /// servers run; history is not touched.
    Reseal(KeysDir),
    /// Says which envelope keys are in the file, and how much is sealed by each.
    Status(KeysDir),
    /// Takes an envelope key out of the file, if nothing in the database is sealed by it any more.
    Retire {
        /// The key's id.
        id: u32,
        #[command(flatten)]
        keys_dir: KeysDir,
    },
    /// The keys of seals over days that are over.
    #[command(subcommand)]
    Seal(seal::Command),
    /// Makes a certificate authority, and a certificate for a server. For a demo, a sandbox, or a place that has none.
    Authority {
        /// Where it is kept. Whoever can read its key can be anybody.
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
        /// Names and addresses of the server.
        #[arg(long, value_delimiter = ',', default_value = "localhost,127.0.0.1")]
        server: Vec<String>,
    },
    /// Makes a certificate by which a caller is known.
    Issue {
        /// What it is.
        role: CallerRole,
        /// A hospital's code, or the name in the callers file.
        name: String,
        /// The authority's folder.
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
        /// Where the certificate and its key are put.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// How many days it is good for.
        #[arg(long, default_value_t = certificates::DAYS, value_parser = clap::value_parser!(i32).range(1..=3_650))]
        days: i32,
    },
    /// Revokes a certificate. Servers that read the list let nobody in who shows it, within seconds.
    Revoke {
        /// The certificate (PEM).
        certificate: PathBuf,
        /// The authority's folder.
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
    },
}

/// What a caller can be.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum CallerRole {
    Hospital,
    Insurer,
    Bureau,
    Administrator,
}

impl CallerRole {
    const fn word(self) -> &'static str {
        match self {
            Self::Hospital => "hospital",
            Self::Insurer => "insurer",
            Self::Bureau => "bureau",
            Self::Administrator => "administrator",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct KeysDir {
    /// The folder of the keys; by default that of the configuration.
    #[arg(long, value_name = "FOLDER")]
    keys_dir: Option<PathBuf>,
}

pub(super) fn run(
    command: Command,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    match command {
        Command::Init { dir } => init(&chosen(dir, configured)?),
        Command::Rotate(KeysDir { keys_dir }) => rotate(&chosen(keys_dir, configured)?),
        Command::Reseal(KeysDir { keys_dir }) => {
            let config = configured()?;
            reseal(&config, &keys_dir.unwrap_or_else(|| config.keys_dir.clone()))
        }
        Command::Status(KeysDir { keys_dir }) => {
            let config = configured()?;
            status(&config, &keys_dir.unwrap_or_else(|| config.keys_dir.clone()))
        }
        Command::Retire { id, keys_dir: KeysDir { keys_dir } } => {
            let config = configured()?;
            retire(&config, &keys_dir.unwrap_or_else(|| config.keys_dir.clone()), id)
        }
        Command::Seal(command) => seal::run(command, configured),
        Command::Authority { dir, server } => certificates::authority(&dir, &server),
        Command::Issue { role, name, dir, out, days } => {
            certificates::issue(&dir, (role, &name), &out, days)
        }
        Command::Revoke { certificate, dir } => certificates::revoke(&dir, &certificate),
    }
}

fn chosen(
    dir: Option<PathBuf>,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<PathBuf, Failure> {
    match dir {
        Some(dir) => Ok(dir),
        None => Ok(configured()?.keys_dir),
    }
}

fn init(dir: &Path) -> Result<(), Failure> {
    keys::init(dir).context("make keys")?;
    out::line(&format!(
        "密钥已生成于 {0}；请另行备份，丢失后无法恢复姓名与证件。\n\
         Keys made in {0}; keep a copy elsewhere, names and credentials cannot be recovered without.",
        dir.display()
    ));
    Ok(())
}

fn rotate(dir: &Path) -> Result<(), Failure> {
    let id = keys::rotate(dir).context("add an envelope key")?;
    out::line(&format!(
        "已在 {0} 中新增密钥 {id}，今后用它加密；原有密钥仍可解密，运行中的服务会自动读取。请重新备份密钥；\
         多台机器请立即同步该文件。然后运行 `onestop keys reseal`。\n\
         Key {id} was added in {0} and seals from now on; the others still open, and running servers notice it. Back the keys up \
         again, copy the file to every other machine at once, then run `onestop keys reseal`.",
        dir.display()
    ));
    Ok(())
}

/// How a reseal ended.
enum Ended {
    Whole { resealed: usize, unopened: Vec<String>, left: u64 },
    Interrupted { resealed: usize },
}

fn reseal(config: &Config, dir: &Path) -> Result<(), Failure> {
    let keys = Keys::load(dir).context("load the keys")?;
    let ended = super::block_on_database(on_database(config, async |pool: &Pool| {
        check_keys(pool, &keys, dir).await?;
        reseal_all(pool, &keys).await
    }))?;
    match ended {
        Ended::Interrupted { resealed } => {
            out::error(&format!(
                "interrupted; {resealed} values were sealed anew. The same command goes on where this one stopped. \
                 已中断，已重新加密 {resealed} 项；重新执行同一命令即可继续"
            ));
            Err(Failure::Answered(EXIT_INTERRUPTED))
        }
        Ended::Whole { resealed, unopened, left } => {
            out::line(&format!(
                "已用最新密钥重新加密 {resealed} 项，仍在旧密钥下 {left} 项。\n\
                 {resealed} value(s) were sealed anew by the newest key; {left} are still under an older one."
            ));
            if let Some(first) = unopened.first() {
                out::error(&format!(
                    "VALUES_UNOPENED: {} value(s) could not be opened and stay as they are, the first of person {first}: a key \
                     is missing, or they were altered. {} 项无法解密，未作改动（首个人员编号 {first}）：缺少密钥，或内容被改动",
                    unopened.len(),
                    unopened.len(),
                ));
                return Err(Failure::Answered(EXIT_FAILED));
            }
            Ok(())
        }
    }
}

async fn reseal_all(pool: &Pool, keys: &Keys) -> Result<Ended, anyhow::Error> {
    let persons = app::sealed_under(pool).await?.iter().map(|under| under.persons).sum();
    let progress = Progress::new("reseal 重新加密", persons);
    let mut resealing = Resealing::new(pool, keys);
    let (mut seen, mut resealed, mut unopened) = (0_u64, 0_usize, Vec::new());
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        let batch = tokio::select! {
            batch = resealing.next_batch() => batch?,
            heard = &mut interrupted => {
                heard.context("listen for Ctrl-C")?;
                progress.clear();
                return Ok(Ended::Interrupted { resealed });
            }
        };
        let Some(batch) = batch else { break };
        seen = seen.saturating_add(u64::try_from(batch.persons).unwrap_or(0));
        resealed = resealed.saturating_add(batch.resealed);
        unopened.extend(batch.unopened.iter().map(|person| person.get().to_string()));
        unopened.extend(batch.unopened_accounts.iter().map(|of| format!("account of {of}")));
        progress.at(seen);
    }
    progress.clear();
    let newest = KeyOf::Key(newest_of(keys)?);
    let older = |under: &&SealedUnder| under.key != newest && under.key != KeyOf::Nothing;
    let under = app::sealed_under(pool).await?;
    let left = under.iter().filter(older).map(|under| under.persons).sum();
    Ok(Ended::Whole { resealed, unopened, left })
}

fn status(config: &Config, dir: &Path) -> Result<(), Failure> {
    let keys = Keys::load(dir).context("load the keys")?;
    let under = super::block_on_database(on_database(config, async |pool: &Pool| {
        check_keys(pool, &keys, dir).await?;
        Ok(app::sealed_under(pool).await?)
    }))?;
    let ids = keys.envelope_ids();
    let sealed_by = |key: KeyOf| -> u64 {
        under.iter().filter(|under| under.key == key).map(|under| under.persons).sum()
    };
    out::line("密钥 key\t用途 use\t封存数 sealed values");
    for id in &ids {
        let use_of = if ids.last() == Some(id) { "加密 seals" } else { "仅解密 opens" };
        out::line(&format!("{id}\t{use_of}\t{}", sealed_by(KeyOf::Key(*id))));
    }
    let mut lost = false;
    for SealedUnder { column, key, persons } in &under {
        let named = match key {
            KeyOf::Key(id) if !ids.contains(id) => id.to_string(),
            KeyOf::Unknown => "?".to_owned(),
            KeyOf::Key(_) | KeyOf::Nothing => continue,
        };
        lost = true;
        out::line(&format!("{named}\t缺失 MISSING\t{persons} ({column})"));
    }
    if lost { Err(Failure::Answered(EXIT_FAILED)) } else { Ok(()) }
}

fn retire(config: &Config, dir: &Path, id: u32) -> Result<(), Failure> {
    let keys = Keys::load(dir).context("load the keys")?;
    super::block_on_database(on_database(config, async |pool: &Pool| {
        check_keys(pool, &keys, dir).await?;
        unused(pool, id).await?;
        let taken_out = keys::take_out(dir, id).context("retire a key")?;
        // A server that had not noticed the newer key may have sealed by this one at the last moment.
        if let Err(used) = unused(pool, id).await {
            taken_out.put_back().context("put the key back")?;
            return Err(used);
        }
        Ok(())
    }))?;
    out::line(&format!(
        "密钥 {id} 已从 {0} 中移除；旧的数据库备份仍需要它，请保留含有它的密钥备份。\n\
         Key {id} was taken out of {0}; older backups of the database still need it, so keep the backup of the keys that holds it.",
        dir.display()
    ));
    Ok(())
}

/// Refuses by name where anything is sealed by a key.
async fn unused(pool: &Pool, id: u32) -> Result<(), anyhow::Error> {
    let under = app::sealed_under(pool).await?;
    let used: Vec<_> = under.iter().filter(|under| under.key == KeyOf::Key(id)).collect();
    let Some(first) = used.first() else { return Ok(()) };
    let count: u64 = used.iter().map(|under| under.persons).sum();
    bail!(
        "KEY_IN_USE: key {id} still seals {count} value(s) ({}); run `onestop keys reseal` first\n\
         密钥 {id} 仍封存着 {count} 项（{}），请先运行 `onestop keys reseal`",
        first.column,
        first.column,
    )
}

/// A database that is not known to be kept under these keys says nothing about them.
async fn check_keys(pool: &Pool, keys: &Keys, dir: &Path) -> Result<(), anyhow::Error> {
    if app::is_kept_under(pool, keys).await? {
        return Ok(());
    }
    bail!(
        "CREDENTIAL_KEY_OF_ANOTHER_DATABASE: the database is not kept under the keys of {0}; set database.url or --keys-dir to \
         those that belong together\n数据库不是以 {0} 中的密钥建立的；请核对 database.url 与 --keys-dir",
        dir.display()
    )
}

fn newest_of(keys: &Keys) -> Result<u32, anyhow::Error> {
    keys.envelope_ids().last().copied().ok_or_else(|| anyhow!("no envelope key 没有密钥"))
}
