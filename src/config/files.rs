//! What others may do with the files that are named: nobody else reads a secret, and nobody else changes what says who may call.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Reader;

/// What is at stake in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Whoever reads it can be us. Its group may read it: that is how an orchestrator mounts it.
    Secret,
    /// Whoever changes it says who may call, and how far they reach.
    Trusted,
}

impl Kept {
    /// The mode of a file with which others may do too much; nothing of one that is kept well.
    pub fn open_mode(self, path: &Path) -> io::Result<Option<u32>> {
        let too_much = match self {
            Self::Secret => 0o037,
            Self::Trusted => 0o002,
        };
        let about = fs::metadata(path)?;
        let mode = about.permissions().mode() & 0o777;
        // A pipe or a device keeps nothing.
        Ok((about.is_file() && mode & too_much != 0).then_some(mode))
    }

    /// What would fit instead of such a file: English, Chinese.
    pub(super) fn wanted(self, mode: u32) -> (String, String) {
        match self {
            Self::Secret => (
                format!(
                    "a file that others may neither read nor change (mode {mode:03o}); chmod 600 it"
                ),
                format!("他人不可读写的文件（当前权限 {mode:03o}），请执行 chmod 600"),
            ),
            Self::Trusted => (
                format!("a file that others may not change (mode {mode:03o}); chmod o-w it"),
                format!("他人不可修改的文件（当前权限 {mode:03o}），请执行 chmod o-w"),
            ),
        }
    }
}

impl Reader {
    /// Can a file be read, and others do no more with it than they may?
    pub(super) fn well_kept(&mut self, key: &str, file: &Path, kept: Kept) {
        let opened = std::fs::File::open(file).and_then(|_| kept.open_mode(file));
        match opened {
            Ok(None) => {}
            Ok(Some(mode)) => self.fault(key, kept.wanted(mode)),
            Err(error) => {
                let en = format!("a file that can be read ({error})");
                self.fault(key, (en, format!("可读取的文件（{error}）")));
            }
        }
    }
}

/// Does a configuration file hold a password?
pub(super) fn holds_a_password(text: &str) -> bool {
    let Ok(table) = text.parse::<toml::Table>() else { return false };
    let said = |key: &str| table.get("database")?.get(key)?.as_str();
    let in_url = |url: &str| {
        let url = url.parse::<tokio_postgres::Config>();
        url.is_ok_and(|url| url.get_password().is_some())
    };
    said("password").is_some_and(|password| !password.is_empty()) || said("url").is_some_and(in_url)
}
