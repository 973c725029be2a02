//! `onestop sandbox`: a server of a hospital developer's own, with test persons, both doors, and faults that a request id calls for.
//!
//! It takes no configuration: what is set for a production server must not reach it, and no test person may reach a production
//! database. Its folder is its own, and it touches no other.

mod cut;
mod data;
mod faults;
mod front;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::front::{Front, Rehearsal};
use super::client::{self, ServerArguments};
use super::import::rejects::Rejects;
use super::import::rows::Kind;
use super::import::{self, Imported};
use super::serve::{self, Doors};
use super::slip::paper::fill;
use super::{Failure, out};
use crate::app;
use crate::config::{self, Config};
use crate::keys;
use crate::keys::authority::{self, AUTHORITY_CERTIFICATE, For, REVOKED};
use crate::server;
use crate::server::peer::NAME_PREFIX;

/// Says that a folder is a sandbox's, and of which data.
const MARK: &str = "sandbox";
/// How long its certificates are good for.
const DAYS: i32 = 398;
/// The hospital that the examples call as: of level 2, in the city where most test persons are insured.
const HOSPITAL: &str = "H52990100002";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where it keeps its database and certificates; by default under /var/tmp.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Where gRPC calls are taken; on loopback.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50052", value_parser = on_loopback)]
    listen: SocketAddr,
    /// Where the national JSON envelope is taken; on loopback.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443", value_parser = on_loopback)]
    national_listen: SocketAddr,
    /// Begin with an empty database: forget all that was settled.
    #[arg(long)]
    fresh: bool,
    /// What is logged, on standard error.
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log: String,
}

fn on_loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "an address and a port".to_owned())?;
    let loopback = address.ip().is_loopback();
    loopback.then_some(address).ok_or_else(|| {
        "a sandbox listens on loopback only, such as 127.0.0.1:50052 沙箱只监听本机".to_owned()
    })
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let folder = arguments.data.clone().unwrap_or_else(usual_folder);
    prepare(&folder, arguments.fresh)?;
    let config = configured(&folder, &arguments.log)?;
    serve::on_runtime(async move {
        let (tell, told) = oneshot::channel();
        let front = Front::default();
        let rehearsal = Rehearsal::new(front.clone(), tell);
        let opening = async {
            // Nobody tells where it could not even start: then that says why.
            let Ok(doors) = told.await else { return Ok(()) };
            let stop = doors.stop.clone();
            let opened = open(&arguments, &folder, doors, front).await;
            stop.cancel();
            opened
        };
        let (served, opened) = tokio::join!(serve::serve(config, rehearsal), opening);
        served.and(opened)
    })
}

/// Not in the home folder: as root the database runs as another user, who may not enter it.
fn usual_folder() -> PathBuf {
    let user = rustix::process::geteuid();
    let beginning = "/var/tmp/onestop-sandbox";
    if user.is_root() { beginning.into() } else { format!("{beginning}-{user}").into() }
}

/// Makes the folder a sandbox's, or sees that it is one.
fn prepare(folder: &Path, fresh: bool) -> Result<(), anyhow::Error> {
    let mark = folder.join(MARK);
    let doing = |what: &str| format!("{what} {}", folder.display());
    let marked = std::fs::read_to_string(&mark).ok();
    let there = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if marked.is_none() && there {
        // It may be a production server's.
        bail!(
            "{0} is not a sandbox's folder and is not empty; choose another with --data. {0} 不是沙箱的目录且不为空，请用 --data 另选",
            folder.display()
        );
    }
    let version = data::version();
    if there && fresh {
        std::fs::remove_dir_all(folder).with_context(|| doing("empty"))?;
    } else if marked.is_some_and(|marked| marked.trim() != version) {
        bail!(
            "{} was made by another release of the sandbox; begin anew with --fresh. 该沙箱由其他版本建立，请用 --fresh 重建",
            folder.display()
        );
    }
    std::fs::create_dir_all(folder).with_context(|| doing("make"))?;
    std::fs::write(&mark, &version).with_context(|| doing("mark"))?;
    data::write(folder)?;
    if !folder.join("keys").exists() {
        keys::init(&folder.join("keys")).context("make keys")?;
    }
    certify(folder)
}

/// An authority, and a certificate for the server, each hospital, and whoever imports the lists.
fn certify(folder: &Path) -> Result<(), anyhow::Error> {
    let (dir, clients) = (folder.join("authority"), folder.join("clients"));
    let today = app::now().day;
    if !dir.join(AUTHORITY_CERTIFICATE).exists() {
        authority::init(&dir, today).context("make an authority")?;
    }
    if !dir.join("server.pem").exists() {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        authority::issue(&dir, For::Server(&names), (&dir, "server"), (today, DAYS))
            .context("make the server's certificate")?;
    }
    let hospitals = data::hospitals()?.into_iter().map(|code| ("hospital", code));
    for (role, name) in hospitals.chain([("bureau", data::BUREAU.to_owned())]) {
        let stem = format!("{role}-{name}");
        if !clients.join(format!("{stem}.pem")).exists() {
            let whole = format!("{NAME_PREFIX}{role}:{name}");
            authority::issue(&dir, For::Caller(&whole), (&clients, &stem), (today, DAYS))
                .context("make a client's certificate")?;
        }
    }
    Ok(())
}

fn configured(folder: &Path, log: &str) -> Result<Config, Failure> {
    let path = |name: &str| folder.join(name).display().to_string();
    let dir = folder.join("authority");
    let variables = [
        // The doors themselves are anywhere: what developers call stands before them.
        ("ONESTOP_LISTEN", "127.0.0.1:0".to_owned()),
        ("ONESTOP_NATIONAL_LISTEN", "127.0.0.1:0".to_owned()),
        ("ONESTOP_METRICS_LISTEN", "127.0.0.1:0".to_owned()),
        ("ONESTOP_DATA_DIR", folder.display().to_string()),
        ("ONESTOP_KEYS_DIR", path("keys")),
        ("ONESTOP_RULES_DIR", path("rules")),
        ("ONESTOP_RULES_EXAMPLES", "true".to_owned()),
        ("ONESTOP_TLS_CERT", dir.join("server.pem").display().to_string()),
        ("ONESTOP_TLS_KEY", dir.join("server.key").display().to_string()),
        ("ONESTOP_TLS_CLIENT_CA", dir.join(AUTHORITY_CERTIFICATE).display().to_string()),
        ("ONESTOP_TLS_CRL", dir.join(REVOKED).display().to_string()),
        ("ONESTOP_CALLERS_FILE", path("callers.toml")),
        ("ONESTOP_LOG_FILTER", log.to_owned()),
    ];
    let variables: BTreeMap<String, String> =
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    config::sealed(variables).map_err(Failure::Configuration)
}

/// Imports the lists, opens what developers call, says how, and carries their connections until it is told to stop.
async fn open(
    arguments: &Arguments,
    folder: &Path,
    doors: Doors,
    front: Front,
) -> Result<(), anyhow::Error> {
    let stop = doors.stop.clone();
    let national = doors.national.context("the national door is closed")?;
    tokio::select! {
        furnished = furnish(folder, doors.grpc) => furnished?,
        () = stop.cancelled() => return Ok(()),
    }
    let listen = |what: &'static str, address| async move {
        let listener = server::bind(address).await;
        listener.with_context(|| format!("listen for {what} on {address}"))
    };
    let for_grpc = listen("gRPC", arguments.listen).await?;
    let for_national = listen("the national envelope", arguments.national_listen).await?;
    tell(folder, (&for_grpc, &for_national))?;
    let carry = |listener, there| Arc::clone(&front.cuts).carry(listener, there, stop.clone());
    tokio::join!(carry(for_grpc, doors.grpc), carry(for_national, national));
    Ok(())
}

/// Imports every list, by the way that a bureau would. What was imported before changes nothing.
async fn furnish(folder: &Path, grpc: SocketAddr) -> Result<(), anyhow::Error> {
    let client =
        |kind: &str| Some(folder.join("clients").join(format!("bureau-{}.{kind}", data::BUREAU)));
    let server = ServerArguments {
        ca: Some(folder.join("authority").join(AUTHORITY_CERTIFICATE)),
        cert: client("pem"),
        key: client("key"),
        ..ServerArguments::default()
    };
    let here = |failure: Failure| match failure {
        Failure::Other(error) => error,
        Failure::Usage(fault) => anyhow!(fault),
        Failure::Configuration(_) | Failure::Answered(_) => anyhow!("the list was refused"),
    };
    let channel = client::channel(&format!("https://{grpc}"), &server).map_err(here)?;
    for (kind, _) in data::LISTS {
        let list = list(folder, kind, &server).map_err(here)?;
        let beside = folder.join("lists").join(format!("{}.rejects.csv", kind.word()));
        let mut rejects = Rejects::new(&list, beside)?;
        let imported = import::send(&list, channel.clone(), &mut rejects).await.map_err(here)?;
        match imported {
            Imported::Whole(summary) if summary.rejected == 0 => {}
            Imported::Whole(_) => bail!("rows of {} were rejected", list.file.display()),
            Imported::Interrupted(_) => bail!("interrupted"),
        }
    }
    Ok(())
}

fn list(folder: &Path, kind: Kind, server: &ServerArguments) -> Result<import::List, Failure> {
    import::look_through(&import::Arguments {
        kind,
        file: folder.join("lists").join(format!("{}.csv", kind.word())),
        full: false,
        region: None,
        list_date: Some(jiff::civil::date(2024, 1, 1)),
        source: Some("onestop sandbox".to_owned()),
        rejects: None,
        server: server.clone(),
    })
}

/// Says who there is and how to call, and leaves the same for programs in the file `env`.
fn tell(
    folder: &Path,
    (for_grpc, for_national): (&TcpListener, &TcpListener),
) -> Result<(), anyhow::Error> {
    let (grpc, national) = (for_grpc.local_addr()?, for_national.local_addr()?);
    let client = |kind: &str| folder.join("clients").join(format!("hospital-{HOSPITAL}.{kind}"));
    let values = [
        ("SANDBOX_GRPC", grpc.to_string()),
        ("SANDBOX_NATIONAL", format!("https://{national}/")),
        ("SANDBOX_CA", folder.join("authority").join(AUTHORITY_CERTIFICATE).display().to_string()),
        ("SANDBOX_CERT", client("pem").display().to_string()),
        ("SANDBOX_KEY", client("key").display().to_string()),
        ("SANDBOX_HOSPITAL", HOSPITAL.to_owned()),
    ];
    let guide = data::guide()?;
    out::line("沙箱 · Sandbox. 以下人员和医院均为虚构 · Nobody below exists.\n");
    for person in &guide {
        out::line(&format!("{} {}", fill(&person.credential, 44), person.zh));
        out::line(&format!("{} {}", fill("", 44), person.en));
    }
    out::line(&format!("\n{HOW}"));
    let mut env = String::new();
    for (name, value) in values {
        out::line(&format!("  {name}={value}"));
        env.push_str(&format!("export {name}='{value}'\n"));
    }
    let file = folder.join("env");
    std::fs::write(&file, env).with_context(|| format!("write {}", file.display()))?;
    out::line(&format!("\nsource {}   # Ctrl-C 停止 stops it", file.display()));
    Ok(())
}

/// How to call, below the persons.
const HOW: &str = "\
医院 Hospitals: H52990100001…3（529901，一至三级 levels 1 to 3）、H52980100001…3（529801，省内异地 same province）、
  H53990100001…3（539901，省外 outside）。项目 Items: SBX-A 甲 A, SBX-B 乙 B, SBX-B30 乙，先行自付三成 B with 30 %, SBX-C 丙 C,
  SBX-CEILING 限价 with a ceiling price, SBX-OLD 已停用 ended。参保地 Insured regions: 529900, 529800。出院日期任选，不晚于今天
  Any discharge date from 2020-01-01 up to today.
故障演练 Faults, by how the request id (msgid) begins; later attempts of the same id are answered as usual:
  SBX-LOST-…     已办理，应答丢失（连接中断）  done, the connection is cut instead of an answer
  SBX-DROP-…     未办理，连接中断              not done, the connection is cut
  SBX-UNKNOWN-…  已办理，答复结果未知          done, answered OUTCOME_UNKNOWN (OS-SYS-003)
  SBX-BUSY-…     未办理，系统繁忙              not done, answered BUSY with when to try again (OS-SYS-001)
  SBX-SLOW-…     已办理，应答延迟 3 秒         done, answered 3 s later; SBX-SLOW-8000-…: 8 s
  SBX-LOST-2-…   前两次如此（DROP、UNKNOWN、BUSY 同）  the first two attempts; the same with the others
错误码 Codes: onestop codes。示例 Examples: deploy/clients/{curl,python,java}/run。调用 To call:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_sandbox_is_left_alone() {
        let folder = std::env::temp_dir().join(format!("onestop-sandbox-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("postgres")).unwrap();
        for fresh in [false, true] {
            let error = prepare(&folder, fresh).unwrap_err().to_string();
            assert!(error.contains("is not a sandbox's folder"), "{error}");
        }
        assert!(folder.join("postgres").exists());
        std::fs::remove_dir_all(&folder).unwrap();
        prepare(&folder, false).unwrap();
        prepare(&folder, false).unwrap();
        std::fs::write(folder.join(MARK), "older").unwrap();
        let error = prepare(&folder, false).unwrap_err().to_string();
        assert!(error.contains("--fresh"), "{error}");
        prepare(&folder, true).unwrap();
        let config = configured(&folder, "warn").unwrap();
        assert!(config.database.is_none(), "never anybody else's");
        assert!(config.national_listen.is_some() && config.tls.is_some());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn it_takes_loopback_only() {
        assert!(on_loopback("127.0.0.1:0").is_ok());
        assert!(on_loopback("[::1]:8443").is_ok());
        assert!(on_loopback("0.0.0.0:8443").is_err());
        assert!(on_loopback("here").is_err());
    }
}
