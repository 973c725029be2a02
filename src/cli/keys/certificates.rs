//! Certificates for a demo, a sandbox, or a place that has no authority.
use std::path::Path;

use anyhow::Context as _;

use super::super::{Failure, out};
use super::CallerRole;
use crate::app;
use crate::keys::authority::{self, AUTHORITY_CERTIFICATE, For, REVOKED};
use crate::server::peer::NAME_PREFIX;

/// How long a certificate is good for where nothing is said: what browsers take at most.
pub(super) const DAYS: i32 = 398;

pub(super) fn authority(dir: &Path, server: &[String]) -> Result<(), Failure> {
    let today = app::now().day;
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

pub(super) fn issue(
    dir: &Path,
    (role, name): (CallerRole, &str),
    into: &Path,
    days: i32,
) -> Result<(), Failure> {
    let whole = format!("{NAME_PREFIX}{}:{name}", role.word());
    let stem = format!("{}-{name}", role.word());
    let today = app::now().day;
    let issued = authority::issue(dir, For::Caller(&whole), (into, &stem), (today, days))
        .context("make a certificate")?;
    out::line(&format!(
        "已签发 {whole} 的证书：{}，私钥：{}\nMade the certificate of {whole}",
        issued.certificate.display(),
        issued.key.display(),
    ));
    Ok(())
}

pub(super) fn revoke(dir: &Path, certificate: &Path) -> Result<(), Failure> {
    authority::revoke(dir, certificate, app::now().day).context("revoke a certificate")?;
    out::line(&format!(
        "已吊销，吊销列表：{0}\nRevoked; the list is {0}",
        dir.join(REVOKED).display()
    ));
    Ok(())
}
