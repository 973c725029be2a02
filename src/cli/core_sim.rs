//! `onestop core-sim`: serves a simulated insurance core, and tells a running one what to do wrong.
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use tokio_postgres::NoTls;
use tokio_util::sync::CancellationToken;

use super::{Failure, out};
use crate::config::Config;
use crate::core_link::wire::core_sim::v1 as sim;
use crate::core_link::wire::core_sim::v1::simulator_service_client::SimulatorServiceClient;
use crate::core_sim::Simulator;
use crate::door::wire;
use crate::limits;
use crate::rulebook::RuleBook;
use crate::server::{self, Services, Serving};
use crate::store::cluster::{self, Cluster};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serves until SIGINT or SIGTERM.
    Serve(ServeArguments),
    /// Has a running one tell changes of persons, in proto JSON, such as {"changes": [{"identity": {"credential": "…", "code": "low_income",
    /// "region": "520200", "validFrom": "2024-01-01"}}]}.
    Changes {
        /// The changes.
        changes: String,
        /// Where it serves.
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:50061")]
        server: String,
    },
    /// Tells a running one what to do wrong from now on, in proto JSON, such as {"slowMs": 500} or {"loseAnswers": true, "calls": 3}.
    Faults {
        /// The faults; {} means none.
        faults: String,
        /// Where it serves.
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:50061")]
        server: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct ServeArguments {
    /// Where it serves: this machine alone, since it asks nobody who they are.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50061", value_parser = loopback)]
    listen: SocketAddr,
    /// Where its cluster lies; by default core-sim in the data folder.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Its own copy of the rules; by default those of the configuration. With other ones it drifts.
    #[arg(long, value_name = "FOLDER")]
    rules_dir: Option<PathBuf>,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "an address and a port 地址和端口")?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err("a loopback address: it asks nobody who they are 仅限本机地址：模拟核心不验证调用方"
        .to_owned())
}

pub(super) fn run(
    command: Command,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    match command {
        Command::Serve(arguments) => {
            let config = configured()?;
            super::block_on_database(serve(arguments, &config))
        }
        Command::Changes { changes, server } => {
            let changes: sim::AddChangesRequest =
                serde_json::from_str(&changes).map_err(|error| {
                    Failure::Usage(format!("no changes can be read 无法读取: {error}"))
                })?;
            super::block_on_database(tell_changes(server, changes))
        }
        Command::Faults { faults, server } => {
            let faults: sim::Faults = serde_json::from_str(&faults).map_err(|error| {
                Failure::Usage(format!("no faults can be read 无法读取: {error}"))
            })?;
            super::block_on_database(tell(server, faults))
        }
    }
}

async fn tell(server: String, faults: sim::Faults) -> Result<(), anyhow::Error> {
    let calling = || format!("call the simulated core at {server}");
    let mut client = SimulatorServiceClient::connect(server.clone()).await.with_context(calling)?;
    client.set_faults(faults).await.with_context(calling)?;
    out::line("已设置 Told");
    Ok(())
}

async fn tell_changes(
    server: String,
    changes: sim::AddChangesRequest,
) -> Result<(), anyhow::Error> {
    let calling = || format!("call the simulated core at {server}");
    let mut client = SimulatorServiceClient::connect(server.clone()).await.with_context(calling)?;
    let told = client.add_changes(changes).await.with_context(calling)?.into_inner();
    out::line(&format!("已收 Taken, up to {}", told.cursor));
    Ok(())
}

async fn serve(arguments: ServeArguments, config: &Config) -> Result<(), anyhow::Error> {
    let ServeArguments { listen, data_dir, rules_dir } = arguments;
    let stop = super::serve::stop_on_signals().context("listen for signals")?;
    let rules_dir = rules_dir.unwrap_or_else(|| config.rules_dir.clone());
    let rules = RuleBook::open(&rules_dir, config.rules_examples)
        .with_context(|| format!("load the rules of {}", rules_dir.display()))?;
    let data_dir = data_dir.unwrap_or_else(|| config.data_dir.join("core-sim"));
    let settings = cluster::Settings::lasting(&data_dir, config.program_dirs.clone());
    let cluster = Cluster::start(&settings).await.context("start the simulated core's cluster")?;
    let served = serve_on(&cluster, rules, listen, stop).await;
    cluster.stop().await.context("stop the simulated core's cluster")?;
    served
}

async fn serve_on(
    cluster: &Cluster,
    rules: RuleBook,
    listen: SocketAddr,
    stop: CancellationToken,
) -> Result<(), anyhow::Error> {
    let (client, connection) =
        cluster.connection(cluster::DATABASE).connect(NoTls).await.context("connect")?;
    let connected = tokio::spawn(connection);
    let simulator = Simulator::open(client, rules).await.context("make its tables")?;
    let listener = server::bind(listen).await.with_context(|| format!("listen on {listen}"))?;
    let mut services = Services::default();
    services.add(simulator.core_service());
    services.add(simulator.simulator_service());
    out::line(&format!("模拟核心 Simulated core: http://{}", listener.local_addr()?));
    let serving = Serving {
        listener,
        greeter: None,
        descriptors: wire::FILE_DESCRIPTOR_SET,
        state: tokio::sync::watch::channel(false).0,
        stop,
        drain_max: limits::DRAIN_MAX,
    };
    let served = server::serve(services, serving).await.context("serve calls").map(|_| ());
    drop(simulator);
    connected.abort();
    served
}
