//! `onestop keys`: makes the keys once, outside the repository.
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;

use super::{Failure, out};
use crate::config::Config;
use crate::keys;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Makes all keys in a new folder. Never overwrites: what was sealed with a lost key is lost.
    Init {
        /// Where; by default the folder of the configuration.
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
}

pub(super) fn run(
    command: Command,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    match command {
        Command::Init { dir } => {
            let dir = match dir {
                Some(dir) => dir,
                None => configured()?.keys_dir,
            };
            keys::init(&dir).context("make keys")?;
            out::line(&format!(
                "密钥已生成于 {0}；请另行备份，丢失后无法恢复姓名与证件。\n\
                 Keys made in {0}; keep a copy elsewhere, names and credentials cannot be recovered without.",
                dir.display()
            ));
            Ok(())
        }
    }
}
