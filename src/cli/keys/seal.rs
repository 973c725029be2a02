//! `onestop keys seal`: the keys of seals. Who keeps the public half can see for ever which heads were signed by it.
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Subcommand;

use super::{KeysDir, chosen};
use crate::cli::{Failure, out};
use crate::config::Config;
use crate::domain::seal::head::key_id;
use crate::keys::{self, KeysError, SealKeys};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Makes the keys of seals in a folder that is older than seals. Never overwrites.
    Init(KeysDir),
    /// Retires the key that signs and makes another one. Of the old one only its public half is kept; servers sign by the new one once they
    /// are started again.
    Rotate(KeysDir),
    /// Prints the public halves of all keys that ever signed, the one in force last.
    Public(KeysDir),
}

pub(super) fn run(
    command: Command,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    match command {
        Command::Init(KeysDir { keys_dir }) => {
            let dir = chosen(keys_dir, configured)?;
            let made = keys::init_seals(&dir).context("make the keys of seals")?;
            let (zh, en) = if made {
                (
                    "封印密钥已生成，请重新备份密钥",
                    "The keys of seals are made; back the keys up again",
                )
            } else {
                ("封印密钥已存在，未作改动", "The keys of seals are there; nothing was changed")
            };
            out::line(&format!("{zh}：{0}\n{en}: {0}", dir.display()));
        }
        Command::Rotate(KeysDir { keys_dir }) => {
            let dir = chosen(keys_dir, configured)?;
            let (old, new) = keys::rotate_seals(&dir).context("retire the key of seals")?;
            out::line(&format!(
                "封印密钥已由 {0} 更换为 {1}；请重启服务并公布新公钥。\n\
                 Key {0} is retired, {1} signs once servers are started again; publish its public half.",
                shown(&old),
                shown(&new)
            ));
        }
        Command::Public(KeysDir { keys_dir }) => {
            let dir = chosen(keys_dir, configured)?;
            let keys = SealKeys::load(&dir).context("load the keys of seals")?;
            let keys = keys.ok_or_else(|| anyhow::Error::new(KeysError::NoSealKeys(dir)))?;
            out::line("密钥 key\tEd25519 公钥 public half (base64)");
            for public in keys.public_keys() {
                out::line(&format!("{}\t{}", shown(public), BASE64.encode(public)));
            }
        }
    }
    Ok(())
}

fn shown(public: &[u8; 32]) -> String {
    key_id(public).iter().map(|byte| format!("{byte:02x}")).collect()
}
