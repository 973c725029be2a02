//! `onestop serve`: wires configuration, telemetry, database, services, and takes them down in the opposite order.
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::config::Config;
use crate::door::wire;
use crate::limits;
use crate::server::{self, Drained, Services, Serving};
use crate::store::cluster::{self, Cluster};
use crate::telemetry::{self, Telemetry};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) fn run(Arguments {}: Arguments, config: Config) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // Telemetry's last flush would wait for itself on a single worker.
        .worker_threads(std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2)))
        .enable_all()
        .build()
        .context("start the runtime")?;
    let outcome = runtime.block_on(serve(config));
    // A flush that hangs on a dead collector must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(500));
    outcome.map_err(Failure::Other)
}

async fn serve(config: Config) -> Result<(), anyhow::Error> {
    let telemetry = Telemetry::start(&config.log, config.otlp_endpoint.as_deref())?;
    let outcome = serve_observed(&config, &telemetry).await;
    telemetry.shutdown().await;
    outcome
}

async fn serve_observed(config: &Config, telemetry: &Telemetry) -> Result<(), anyhow::Error> {
    // Signals first: one that comes while the cluster starts must stop us cleanly too.
    let stop = stop_on_signals().context("listen for signals")?;
    let listening = |what: &str, address| format!("listen for {what} on {address}");
    let listener =
        server::bind(config.listen).await.with_context(|| listening("calls", config.listen))?;
    let scrape = telemetry::bind_scrape(config.metrics_listen)
        .await
        .with_context(|| listening("scrapes", config.metrics_listen))?;
    let (listen, scraped) = (listener.local_addr()?, scrape.local_addr()?);

    let (state, serving) = watch::channel(false);
    let (cluster, _database) = database(config).await?;

    let services = Services::default();

    tracing::info!(%listen, metrics = %scraped, "Serving on {listen}");
    let served = server::serve(
        services,
        Serving {
            listener,
            tls: config.tls.as_ref(),
            descriptors: wire::FILE_DESCRIPTOR_SET,
            state,
            stop,
            drain_max: limits::DRAIN_MAX,
        },
    );
    let drained = tokio::select! {
        served = served => served.context("serve calls"),
        scraped = telemetry.serve_scrape(scrape, serving) => {
            scraped.context("serve scrapes").map(|()| Drained::Whole)
        }
    };
    if let Some(cluster) = cluster {
        cluster.stop().await.context("stop the private cluster")?;
    }
    match drained? {
        Drained::Whole => tracing::info!("Stopped; every accepted call was answered"),
        Drained::CutOff => tracing::warn!("Stopped; some calls were cut off"),
    }
    Ok(())
}

/// The database given, or a private cluster with ours in it.
async fn database(
    config: &Config,
) -> Result<(Option<Cluster>, tokio_postgres::Config), anyhow::Error> {
    if let Some(database) = &config.database {
        return Ok((None, database.connection.clone()));
    }
    let settings = cluster::Settings::lasting(&config.data_dir, config.program_dirs.clone());
    let folder = settings.folder.clone();
    let cluster = Cluster::start(&settings).await.context("start the private cluster")?;
    let how = if cluster.adopted() { "Adopted" } else { "Started" };
    tracing::info!(folder = %folder.display(), "{how} the private cluster");
    let connection = cluster.connection(cluster::DATABASE);
    Ok((Some(cluster), connection))
}

/// Cancelled by SIGINT or SIGTERM.
fn stop_on_signals() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("Told to stop; accepted calls may finish");
        told.cancel();
    });
    Ok(stop)
}
