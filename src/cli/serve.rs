//! `onestop serve`: wires configuration, telemetry, keys, rules, database and services, and takes them down in the opposite
//! order.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use opentelemetry::KeyValue;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Failure;
use super::database::Database;
use crate::app::seal::Sealer;
use crate::app::{self, App, Publication};
use crate::config::{self, Config};
use crate::core_link::{CoreLink, CoreSettings, CoreTls, Decides};
use crate::door::callers::Callers;
use crate::door::trust::{self, Trust};
use crate::door::wire::settlement::v1::served::settlement_service_server::SettlementServiceServer;
use crate::door::{grpc, national, wire};
use crate::keys::{Keys, KeysError, SealKeys};
use crate::limits;
use crate::rulebook::fault::Fault;
use crate::rulebook::{Reload, RuleBook, Watching};
use crate::server::{self, Bounds, Drained, Greeter, ServeError, Services, Serving};
use crate::telemetry::{self, Telemetry};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// What stands around the doors of a server. Nothing in production: only a sandbox has something there.
pub(super) trait Around {
    /// Adds the settlement service, in whatever stands around it.
    fn add_settlements(&self, services: &mut Services, service: Settlements);
    /// The national door in whatever stands around it.
    fn national(&self, router: axum::Router) -> axum::Router;
    /// Is told where the doors are, once they are bound.
    fn opened(&self, doors: Doors);
}

/// The settlement service as the door makes it.
pub(super) type Settlements = grpc::Arriving<SettlementServiceServer<grpc::Settlement>>;

/// Where the doors are, and what ends them.
#[derive(Debug)]
pub(super) struct Doors {
    pub(super) grpc: SocketAddr,
    pub(super) national: Option<SocketAddr>,
    pub(super) stop: CancellationToken,
}

/// Nothing around them.
struct Bare;

impl Around for Bare {
    fn add_settlements(&self, services: &mut Services, service: Settlements) {
        services.add(service);
    }

    fn national(&self, router: axum::Router) -> axum::Router {
        router
    }

    fn opened(&self, _: Doors) {}
}

pub(super) fn run(Arguments {}: Arguments, config: Config) -> Result<(), Failure> {
    on_runtime(serve(config, Bare))
}

/// Runs a server to its end.
pub(super) fn on_runtime(
    serving: impl Future<Output = Result<(), anyhow::Error>>,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // Telemetry's last flush would wait for itself on a single worker.
        .worker_threads(std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2)))
        .enable_all()
        .build()
        .context("start the runtime")?;
    let outcome = runtime.block_on(serving);
    // A flush that hangs on a dead collector must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(500));
    outcome.map_err(Failure::Other)
}

/// Serves until it is told to stop.
pub(super) async fn serve(config: Config, around: impl Around) -> Result<(), anyhow::Error> {
    let endpoint = config.otlp_endpoint.as_deref();
    let telemetry = Telemetry::start(&config.log, endpoint, config.otlp_trace_one_in)?;
    let outcome = serve_observed(&config, &telemetry, &around).await;
    telemetry.shutdown().await;
    outcome
}

async fn serve_observed(
    config: &Config,
    telemetry: &Telemetry,
    around: &impl Around,
) -> Result<(), anyhow::Error> {
    // Signals first: one that comes while the cluster starts must stop us cleanly too.
    let stop = stop_on_signals().context("listen for signals")?;
    if config.metrics_are_exposed() {
        tracing::warn!(
            metrics_listen = %config.metrics_listen,
            "Metrics are plain HTTP, and metrics_listen is no loopback address: let only the scraper reach it. \
             指标为明文 HTTP，且 metrics_listen 不是本机地址：请只允许采集端访问",
        );
    }
    // What can be refused without touching anything comes before what starts something.
    let keys = load_keys(config)?;
    let arrivals = arrivals(config)?;
    let rulebook = Arc::new(load_rules(config)?);
    let database = Database::open(config).await?;
    let parts = (keys, rulebook, arrivals, stop);
    let served = serve_on(config, telemetry, &database, parts, around).await;
    let stopped = database.stop().await;
    match served? {
        Drained::Whole => tracing::info!("Stopped; every accepted call was answered"),
        Drained::CutOff => tracing::warn!("Stopped; some calls were cut off"),
    }
    stopped
}

async fn serve_on(
    config: &Config,
    telemetry: &Telemetry,
    database: &Database,
    (keys, rulebook, (callers, greeter), stop): (Keys, Arc<RuleBook>, Arrivals, CancellationToken),
    around: &impl Around,
) -> Result<Drained, anyhow::Error> {
    let applied = database.migrate().await?;
    tracing::info!(migrations = applied, "The schema is up to date");
    let app = App::new(database.pool(config)?, rulebook, keys, telemetry.metrics.clone());
    let app = linked(app, config)?;
    observe(telemetry, &app);
    if !app.claims_database().await? {
        return Err(other_keys(config, database));
    }
    let app = Arc::new(app);
    app.begin().await?;
    let packages = app.rulebook.packages();
    let published = app::publish(&app.pool, &packages).await?;
    admitted(&published).map_err(|(en, zh)| anyhow!("{en}\n{zh}"))?;
    tokio::spawn(Arc::clone(&app).watch_budgets());
    let _behind = begin_behind(config, &app, telemetry)?;

    let listening = |what: &str, address| format!("listen for {what} on {address}");
    let listener =
        server::bind(config.listen).await.with_context(|| listening("calls", config.listen))?;
    let scrape = telemetry::bind_scrape(config.metrics_listen)
        .await
        .with_context(|| listening("scrapes", config.metrics_listen))?;
    let (national, door) = open_national(config, &app, (&callers, &greeter), &stop, around).await?;
    let (listen, metrics) = (listener.local_addr()?, scrape.local_addr()?);
    let services = services(&app, &callers, around);
    let (state, serving) = watch::channel(false);
    tracing::info!(
        %listen,
        %metrics,
        packages = packages.entries.len(),
        database = database.name,
        "Serving on {listen}",
    );
    around.opened(Doors { grpc: listen, national, stop: stop.clone() });
    let served = server::serve_within(
        services,
        Serving {
            listener,
            greeter,
            descriptors: wire::FILE_DESCRIPTOR_SET,
            state,
            stop,
            drain_max: limits::DRAIN_MAX,
        },
        bounds(config),
    );
    let telling = CancellationToken::new();
    let deliverer = tokio::spawn(Arc::clone(&app).deliver(telling.clone()));
    let drained = tokio::select! {
        served = both(served, door) => served.context("serve calls"),
        scraped = telemetry.serve_scrape(scrape, serving) => {
            scraped.context("serve scrapes").map(|()| Drained::Whole)
        }
        error = database.lost() => Err(error),
    };
    // What is on its way to the core is noted before its connection goes; what waits is sent by whoever comes next.
    telling.cancel();
    if tokio::time::timeout(limits::CORE_CALL_MAX, deliverer).await.is_err() {
        tracing::warn!("What was sent to the insurance core last is asked for at the next start");
    }
    // What was answered is recorded, also that of the last moment.
    if !app.finish().await {
        tracing::error!("Some records of who looked at persons' data were not written in time");
    }
    app.pool.close();
    drained
}

/// All that is called over gRPC.
fn services(app: &Arc<App>, callers: &Arc<Callers>, around: &impl Around) -> Services {
    let mut services = Services::default();
    around.add_settlements(&mut services, grpc::settlement_service(app, callers));
    services.add(grpc::registry_service(app, callers));
    services.add(grpc::access_service(app, callers));
    services.add(grpc::reconciliation_service(app, callers));
    services.add(grpc::clearing_service(app, callers));
    services.add(grpc::audit_service(app, callers));
    services
}

/// With the link to the insurance core, where one is configured.
fn linked(app: App, config: &Config) -> Result<App, anyhow::Error> {
    Ok(match &config.core {
        Some(core) => app.linked(link_of(core)?),
        None => app,
    })
}

/// What is seen of the shell and of the store, besides what each call counts.
fn observe(telemetry: &Telemetry, app: &App) {
    let delivery = Arc::clone(&app.delivery);
    telemetry.observe_deliveries(move || delivery.read());
    let pool = app.pool.clone();
    telemetry.observe_round_trips(move || pool.round_trips());
    let pool = app.pool.clone();
    telemetry.observe_persons(move || {
        let held = pool.persons_held();
        [held.registered, held.recent, held.bytes].map(|number| u64::try_from(number).unwrap_or(0))
    });
    let pool = app.pool.clone();
    telemetry
        .observe_access_backlog(move || u64::try_from(pool.access_backlog()).unwrap_or(u64::MAX));
}

/// The link to the insurance core, with its certificates read.
fn link_of(core: &config::Core) -> Result<CoreLink, anyhow::Error> {
    let read = |file: &std::path::Path| {
        std::fs::read(file).with_context(|| format!("read {}", file.display()))
    };
    let tls = match &core.files {
        None => None,
        Some(files) => {
            let identity = match &files.identity {
                Some((cert, key)) => Some((read(cert)?, read(key)?)),
                None => None,
            };
            Some(CoreTls { ca: read(&files.ca)?, identity })
        }
    };
    let decides = core
        .decides
        .iter()
        .map(|(region, layer)| Decides { region: region.clone(), layer: layer.clone() });
    let settings = CoreSettings {
        address: core.address.clone(),
        tls,
        patience: core.patience,
        decides: decides.collect(),
        changes: core.changes,
    };
    CoreLink::new(settings).with_context(|| format!("link the core at {}", core.address))
}

/// Who may call, and what greets them where TLS is on.
type Arrivals = (Arc<Callers>, Option<Arc<Greeter>>);

/// Reads who may call; watched from then on.
fn arrivals(config: &Config) -> Result<Arrivals, anyhow::Error> {
    let Some(files) = &config.tls else {
        return Ok((Arc::new(Callers::development(&config.caller_name)), None));
    };
    let callers = Arc::new(Callers::default());
    let trusted = Trust::open(files, &callers).context("read who may call")?;
    let greeter = trusted.greeter();
    tokio::spawn(trust::watch(trusted));
    Ok((callers, Some(greeter)))
}

/// Opens the national door, where it has a place: which, and what serves it until we are told to stop.
async fn open_national<A: Around>(
    config: &Config,
    app: &Arc<App>,
    (callers, greeter): (&Arc<Callers>, &Option<Arc<Greeter>>),
    stop: &CancellationToken,
    around: &A,
) -> Result<
    (Option<SocketAddr>, impl Future<Output = Result<Drained, ServeError>> + use<A>),
    anyhow::Error,
> {
    let (mut serving, mut place) = (None, None);
    if let Some(address) = config.national_listen {
        let listener = server::bind(address).await;
        let listener =
            listener.with_context(|| format!("listen for national calls on {address}"))?;
        let national = listener.local_addr()?;
        tracing::info!(%national, "The national door is open on {national}");
        let settings = national::Settings {
            callers: Arc::clone(callers),
            sign_in_needed: config.national_sign_in,
        };
        place = Some(national);
        let router = around.national(national::router(app, settings));
        let listening = (listener, greeter.clone());
        let stopping = (stop.clone(), limits::DRAIN_MAX);
        serving = Some(server::serve_http_within(router, listening, stopping, bounds(config)));
    }
    let served = async move {
        match serving {
            Some(serving) => serving.await,
            None => Ok(Drained::Whole),
        }
    };
    Ok((place, served))
}

/// How the connections of each listener are bounded.
fn bounds(config: &Config) -> Bounds {
    let (connections_max, per_address_max) = config.connections;
    Bounds { connections_max, per_address_max, ..Bounds::default() }
}

/// Both servers, until both have ended or one breaks down.
async fn both(
    one: impl Future<Output = Result<Drained, ServeError>>,
    other: impl Future<Output = Result<Drained, ServeError>>,
) -> Result<Drained, ServeError> {
    let (one, other) = tokio::try_join!(one, other)?;
    let whole = one == Drained::Whole && other == Drained::Whole;
    Ok(if whole { Drained::Whole } else { Drained::CutOff })
}

fn load_keys(config: &Config) -> Result<Keys, anyhow::Error> {
    Keys::load(&config.keys_dir).map_err(|error| {
        let missing = matches!(&error, KeysError::File { source, .. }
            if source.kind() == std::io::ErrorKind::NotFound);
        let error = anyhow::Error::new(error).context("load the keys");
        if !missing {
            return error;
        }
        error.context(format!(
            "no keys in {0}; make them once with `onestop keys init`\n\
             {0} 中没有密钥；请先运行 `onestop keys init` 生成",
            config.keys_dir.display()
        ))
    })
}

fn other_keys(config: &Config, database: &Database) -> anyhow::Error {
    let (keys, database) = (config.keys_dir.display(), &database.name);
    anyhow!(
        "CREDENTIAL_KEY_OF_ANOTHER_DATABASE: {database} is kept under another credential key than that of {keys}; with this \
         one nobody in it would be found, and everybody be registered twice. Set keys_dir to the keys it was filled with.\n\
         数据库（{database}）使用的证件散列密钥与 {keys} 中的不同：继续运行会找不到库中任何人，并重复登记。\
         请将 keys_dir 指向该库原来的密钥目录。"
    )
}

fn load_rules(config: &Config) -> Result<RuleBook, anyhow::Error> {
    let rulebook = RuleBook::open(&config.rules_dir, config.rules_examples);
    let rulebook =
        rulebook.with_context(|| format!("load the rules of {}", config.rules_dir.display()))?;
    let packages = rulebook.packages().entries.len();
    // Known warnings, such as of cliffs that a policy has, are no news at each start; `rules check` lists them.
    let warnings = rulebook.warnings_at_start();
    tracing::info!(packages, warnings, "Loaded the rule packages");
    for package in rulebook.unlocked_at_start() {
        tracing::warn!(fault = %package, "There is no rules.lock, so a package is in force that may still change");
    }
    if packages == 0 {
        tracing::warn!(
            folder = %config.rules_dir.display(),
            "No rule package was found: every bill will be declined",
        );
    }
    Ok(rulebook)
}

/// Takes new rules into force as they appear, once they are recorded; bad ones change nothing and are named in the log.
fn watch_rules(app: &Arc<App>) -> notify::Result<Watching> {
    let runtime = tokio::runtime::Handle::current();
    let pool = app.pool.clone();
    let metrics = app.metrics.clone();
    let admit = move |packages: &crate::rulebook::Packages| match runtime
        .block_on(app::publish(&pool, packages))
    {
        Ok(published) => admitted(&published),
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::new(error));
            let zh = format!("政策包无法写入数据库：{error}");
            Err((format!("the packages could not be recorded: {error}"), zh))
        }
    };
    app.rulebook.watch(admit, move |reload| {
        let outcome = match reload {
            Reload::Swapped(warnings) => {
                warn_of(&warnings);
                tracing::info!("New rule packages are in force");
                "swapped"
            }
            Reload::Refused { errors, warnings } => {
                warn_of(&warnings);
                for fault in &errors {
                    tracing::error!(fault = %fault, "A rule package is refused");
                }
                tracing::error!("The rule packages stay as they were");
                "refused"
            }
        };
        metrics.package_reloads.add(1, &[KeyValue::new("outcome", outcome)]);
    })
}

/// Takes new envelope keys as they appear, so that a rotation needs no restart.
fn watch_keys(app: &App) -> notify::Result<crate::keys::Watching> {
    app.keys.watch(|reloaded| match reloaded {
        Ok(reloaded) => {
            tracing::info!(keys = ?reloaded.ids, "Other envelope keys are in force; the last one seals");
        }
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::error!(error, "The envelope keys stay as they were: the file can not be taken");
        }
    })
}

/// What goes on behind all else, until what it returns is dropped: taking new rules and keys as they appear, and sealing days.
fn begin_behind(
    config: &Config,
    app: &Arc<App>,
    telemetry: &Telemetry,
) -> Result<(Watching, crate::keys::Watching, Option<DropGuard>), anyhow::Error> {
    let rules = watch_rules(app).context("watch the rule packages")?;
    let keys = watch_keys(app).context("watch the keys")?;
    Ok((rules, keys, seal_days(config, app, telemetry)?))
}

/// Seals days behind all else, until what it returns is dropped.
fn seal_days(
    config: &Config,
    app: &App,
    telemetry: &Telemetry,
) -> Result<Option<DropGuard>, anyhow::Error> {
    if !config.seals.enabled {
        tracing::warn!("Days are not sealed: seals.enabled is false. 未启用封印");
        return Ok(None);
    }
    let Some(keys) = SealKeys::load(&config.keys_dir).context("load the keys of seals")? else {
        tracing::warn!(
            "Days are not sealed: there are no keys for it; make them with `onestop keys seal init` and start again. \
             没有封印密钥，未封印：请运行 `onestop keys seal init` 后重启"
        );
        return Ok(None);
    };
    let sealer = Sealer::new(app.pool.clone(), Arc::new(keys), config.seals.roots_file.clone());
    let sealer = sealer.by_database_clock().watchful().unhurried();
    telemetry.observe_seals(sealer.gauges(), || crate::app::now().at);
    let stop = CancellationToken::new();
    tokio::spawn(stop.clone().run_until_cancelled_owned(sealer.run()));
    Ok(Some(stop.drop_guard()))
}

/// A warning keeps no package out, and must not read as if it did.
fn warn_of(warnings: &[Fault]) {
    for warning in warnings {
        tracing::warn!(fault = %warning, "A rule package is worth a look");
    }
}

/// Whether the database's history takes the packages; if not, why, in English and Chinese.
fn admitted(published: &Publication) -> Result<(), (String, String)> {
    match published {
        Publication::Published(0) => Ok(()),
        Publication::Published(new) => {
            tracing::info!(packages = new, "Recorded new rule packages");
            Ok(())
        }
        Publication::Changed(id) => Err((
            format!(
                "package {id} was in force with other contents; write a new one that supersedes it"
            ),
            format!("政策包 {id} 曾以其他内容生效，请另写一个以 supersedes 取代它的政策包"),
        )),
        Publication::Incomplete { missing, superseded } => Err((
            format!(
                "package {missing} is recorded, supersedes {superseded} and is not in the folder; put it there too"
            ),
            format!("已登记的政策包 {missing} 取代了 {superseded}，但不在政策包目录中，请一并放入"),
        )),
        Publication::SupersededTwice(id) => Err((
            format!("package {id} supersedes one that another already superseded"),
            format!("政策包 {id} 所取代的政策包已被另一个取代"),
        )),
        Publication::SupersedesUnknown(id) => Err((
            format!("package {id} supersedes one that was never recorded"),
            format!("政策包 {id} 所取代的政策包从未登记"),
        )),
    }
}

/// Cancelled by SIGINT or SIGTERM.
pub(super) fn stop_on_signals() -> std::io::Result<CancellationToken> {
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
