//! The keys of the link to the insurance core.

use std::path::PathBuf;
use std::time::Duration;

use super::{FLAG, Kept, Reader};
use crate::limits;

/// The insurance core, and what it decides.
#[derive(Debug, Clone)]
pub struct Core {
    /// `https://…`, or `http://…` on this machine.
    pub address: String,
    /// By https.
    pub files: Option<CoreFiles>,
    /// How long a desk waits for it.
    pub patience: Duration,
    /// Are changes of persons, coverage and identities taken from it?
    pub changes: bool,
    /// Region and layer of each layer that it decides.
    pub decides: Vec<(String, String)>,
}

/// Whom we trust and who we are, PEM files.
#[derive(Debug, Clone)]
pub struct CoreFiles {
    /// The authority of the core's certificate.
    pub ca: PathBuf,
    /// Our certificate and its key, where the core asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Reader {
    pub(super) fn core(&mut self) -> Option<Core> {
        let decides = self.core_decides();
        let patience = self.core_patience();
        let changes = self.parsed("core.changes", FLAG).unwrap_or(false);
        let (ca, cert, key) =
            (self.path("core.ca_file"), self.path("core.cert"), self.path("core.key"));
        let Some(address) = self.text("core.address") else {
            if !decides.is_empty() {
                let en = "set too, since core.decides is";
                self.fault("core.address", (en, "已设置 core.decides 时也须设置本项"));
            }
            return None;
        };
        let files = if is_secure(&address) {
            let Some(ca) = ca else {
                let en =
                    "the authority of the core's certificate (PEM), since core.address is https";
                self.fault(
                    "core.ca_file",
                    (en, "核心系统证书的 CA（PEM），因 core.address 为 https"),
                );
                return None;
            };
            if cert.is_some() != key.is_some() {
                let missing = if cert.is_some() { "core.key" } else { "core.cert" };
                let en = "set too: certificate and key go together";
                self.fault(missing, (en, "证书与私钥须同时设置"));
            }
            let files = [
                ("core.ca_file", Some(&ca), Kept::Trusted),
                ("core.cert", cert.as_ref(), Kept::Trusted),
                ("core.key", key.as_ref(), Kept::Secret),
            ];
            for (name, file, kept) in files {
                let Some(file) = file else { continue };
                self.well_kept(name, file, kept);
            }
            Some(CoreFiles { ca, identity: cert.zip(key) })
        } else {
            if !is_plain_loopback(&address) {
                let en = "https://…, or http://127.0.0.1:… on this machine: settlements must not cross the network in clear";
                let zh = "https://…，或本机的 http://127.0.0.1:…：结算数据不得在网络上明文传输";
                self.fault("core.address", (en, zh));
            }
            None
        };
        Some(Core { address, files, patience, changes, decides })
    }

    fn core_decides(&mut self) -> Vec<(String, String)> {
        let text = self.text("core.decides").unwrap_or_default();
        let mut decides = Vec::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let is_region = |region: &str| {
                region.len() == 6 && region.bytes().all(|byte| byte.is_ascii_digit())
            };
            match pair.split_once(':') {
                Some((region, layer)) if is_region(region.trim()) && !layer.trim().is_empty() => {
                    decides.push((region.trim().to_owned(), layer.trim().to_owned()));
                }
                Some(_) | None => {
                    let en = "insured regions and layers, such as \"520200:critical, 520200:aid\"";
                    let zh = "参保地区划与支付层，如 \"520200:critical, 520200:aid\"";
                    self.fault("core.decides", (en, zh));
                    break;
                }
            }
        }
        decides
    }

    fn core_patience(&mut self) -> Duration {
        let most = limits::CORE_PATIENCE_MAX.as_millis();
        let fits = (format!("milliseconds from 1 to {most}"), format!("1 到 {most} 毫秒"));
        let Some(text) = self.text("core.patience_ms") else { return limits::CORE_PATIENCE };
        match text.parse::<u64>().map(Duration::from_millis) {
            Ok(patience) if !patience.is_zero() && patience <= limits::CORE_PATIENCE_MAX => {
                patience
            }
            Ok(_) | Err(_) => {
                self.fault("core.patience_ms", fits);
                limits::CORE_PATIENCE
            }
        }
    }
}

fn is_secure(address: &str) -> bool {
    address.starts_with("https://")
}

fn is_plain_loopback(address: &str) -> bool {
    let Some(rest) = address.strip_prefix("http://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    host.parse::<std::net::SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
        || host.strip_prefix("localhost:").is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::{Outside, from_parts};

    fn check(text: &str, faults: &[&str]) -> Option<super::Core> {
        let mut variables = BTreeMap::new();
        variables.insert("HOME".to_owned(), "/home/somebody".to_owned());
        let read = from_parts(Some(("test", text)), &Outside { variables, root: false });
        match read {
            Ok(config) => {
                assert!(faults.is_empty(), "{text}");
                config.core
            }
            Err(error) => {
                let told = error.to_string();
                assert!(!faults.is_empty(), "{told}");
                for fault in faults {
                    assert!(told.contains(fault), "{fault}: {told}");
                }
                None
            }
        }
    }

    #[test]
    fn the_core_is_linked_in_clear_on_this_machine_only() {
        assert!(check("", &[]).is_none());
        let core = check(
            "[core]\naddress = \"http://127.0.0.1:50061\"\nchanges = true\ndecides = \"520200:critical, 520000:aid\"",
            &[],
        );
        let core = core.unwrap();
        let pair = |region: &str, layer: &str| (region.to_owned(), layer.to_owned());
        assert_eq!(core.decides, [pair("520200", "critical"), pair("520000", "aid")]);
        assert_eq!(
            (core.patience, core.files.is_none(), core.changes),
            (Duration::from_millis(300), true, true)
        );
        check("[core]\naddress = \"http://core.example:1\"", &["core.address"]);
        check("[core]\naddress = \"https://core.example:1\"", &["core.ca_file"]);
        check("[core]\ndecides = \"520200:aid\"", &["core.address"]);
        for decides in ["aid", "52020:aid", "520200:", ":aid"] {
            let text = format!("[core]\naddress = \"http://127.0.0.1:1\"\ndecides = \"{decides}\"");
            check(&text, &["core.decides"]);
        }
        for patience in ["0", "901", "soon"] {
            let text =
                format!("[core]\naddress = \"http://127.0.0.1:1\"\npatience_ms = \"{patience}\"");
            check(&text, &["core.patience_ms"]);
        }
    }
}
