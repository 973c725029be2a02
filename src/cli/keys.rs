//! `onestop keys`: makes the keys once, outside the repository, and certificates for who has no authority.
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use jiff::civil::Date;

use super::{Failure, out};
use crate::app;
use crate::config::Config;
use crate::keys;
use crate::keys::authority::{self, AUTHORITY_CERTIFICATE, For, REVOKED};
use crate::server::peer::NAME_PREFIX;

/// How long a certificate is good for where nothing is said: what browsers take at most.
const DAYS: i32 = 398;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Makes all keys in a new folder. Never overwrites: what was sealed with a lost key is lost.
    Init {
        /// Where; by default the folder of the configuration.
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
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
        #[arg(long, default_value_t = DAYS, value_parser = clap::value_parser!(i32).range(1..=3_650))]
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

pub(super) fn run(
    command: Command,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    let today = app::now().day;
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
        Command::Authority { dir, server } => make_authority(&dir, &server, today),
        Command::Issue { role, name, dir, out: into, days } => {
            let whole = format!("{NAME_PREFIX}{}:{name}", role.word());
            let stem = format!("{}-{name}", role.word());
            let issued = authority::issue(&dir, For::Caller(&whole), (&into, &stem), (today, days))
                .context("make a certificate")?;
            out::line(&format!(
                "已签发 {whole} 的证书：{}，私钥：{}\nMade the certificate of {whole}",
                issued.certificate.display(),
                issued.key.display(),
            ));
            Ok(())
        }
        Command::Revoke { certificate, dir } => {
            authority::revoke(&dir, &certificate, today).context("revoke a certificate")?;
            out::line(&format!(
                "已吊销，吊销列表：{0}\nRevoked; the list is {0}",
                dir.join(REVOKED).display()
            ));
            Ok(())
        }
    }
}

fn make_authority(dir: &Path, server: &[String], today: Date) -> Result<(), Failure> {
    authority::init(dir, today).context("make an authority")?;
    let issued = authority::issue(dir, For::Server(server), (dir, "server"), (today, DAYS))
        .context("make the server's certificate")?;
    out::line(&format!(
        "证书颁发机构已建立于 {0}。服务端设置：\nAn authority was made in {0}. For the server:\n  \
         ONESTOP_TLS_CERT={1}\n  ONESTOP_TLS_KEY={2}\n  ONESTOP_TLS_CLIENT_CA={3}\n  ONESTOP_TLS_CRL={4}",
        dir.display(),
        issued.certificate.display(),
        issued.key.display(),
        dir.join(AUTHORITY_CERTIFICATE).display(),
        dir.join(REVOKED).display(),
    ));
    Ok(())
}
