//! Logs to stderr, traces and metrics to a collector where one is set, metrics and health for a scrape.
//!
//! Nothing here waits on the path of a settlement: queues are bounded and drop, and stopping is capped.
pub mod sampling;
mod seals;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use prometheus::{Encoder as _, TextEncoder};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Filter, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::sampling::Seen;
pub use self::seals::SealGauges;
use crate::config::{Log, LogFormat};
use crate::limits;

const SERVICE: &str = "onestop";

/// From a warm read to a desk that has long given up, in seconds.
const SETTLE_SECONDS_BOUNDARIES: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
    2.0, 10.0,
];

/// The instruments of the application. Labels are closed sets, never ids.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Calls of Settle, by `outcome`: settled, repeat, declined, moved, or the kind of error.
    pub settlements: Counter<u64>,
    /// How long Settle took, by `outcome`.
    pub settle_seconds: Histogram<f64>,
    /// Calls of Quote, by `outcome`.
    pub quotes: Counter<u64>,
    /// Calls of Reverse, by `outcome`.
    pub reversals: Counter<u64>,
    /// Rows of imports, by `kind` and `outcome`.
    pub import_rows: Counter<u64>,
    /// Reloads of the rule packages, by `outcome`.
    pub package_reloads: Counter<u64>,
}

/// What was set up, to be shut down at the end.
#[derive(Debug)]
pub struct Telemetry {
    pub metrics: Metrics,
    registry: prometheus::Registry,
    meters: SdkMeterProvider,
    tracers: Option<SdkTracerProvider>,
}

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("read log filter {filter:?}")]
    Filter {
        filter: String,
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    #[error("set up the scrape")]
    Scrape(#[source] opentelemetry_sdk::error::OTelSdkError),
    #[error("set up the export to {endpoint}")]
    Export {
        endpoint: String,
        #[source]
        source: opentelemetry_otlp::ExporterBuildError,
    },
    #[error("set up logs: they are set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

impl Metrics {
    pub fn new(meter: &Meter) -> Metrics {
        let counter = |name: &'static str, description: &'static str| {
            meter.u64_counter(name).with_description(description).build()
        };
        Metrics {
            settlements: counter("onestop.settlements", "Calls of Settle by outcome"),
            settle_seconds: meter
                .f64_histogram("onestop.settle.duration")
                .with_unit("s")
                .with_description("How long Settle took by outcome")
                .with_boundaries(SETTLE_SECONDS_BOUNDARIES.to_vec())
                .build(),
            quotes: counter("onestop.quotes", "Calls of Quote by outcome"),
            reversals: counter("onestop.reversals", "Calls of Reverse by outcome"),
            import_rows: counter("onestop.import.rows", "Imported rows by kind and outcome"),
            package_reloads: counter("onestop.package.reloads", "Reloads of packages by outcome"),
        }
    }

    /// Counts for nobody: what tests and the command line use.
    pub fn unexported() -> Metrics {
        Metrics::new(&SdkMeterProvider::default().meter(SERVICE))
    }
}

impl Telemetry {
    /// Once per process, inside the runtime: the exporters' connections belong to it. Where there is an endpoint, one call in
    /// `trace_one_in` is traced.
    pub fn start(
        log: &Log,
        otlp_endpoint: Option<&str>,
        trace_one_in: u32,
    ) -> Result<Telemetry, TelemetryError> {
        let resource = Resource::builder()
            .with_service_name(SERVICE)
            .with_attribute(opentelemetry::KeyValue::new(
                "service.version",
                env!("CARGO_PKG_VERSION"),
            ))
            .build();
        let (registry, meters) = meters(otlp_endpoint, resource.clone())?;
        let tracers = otlp_endpoint.map(|endpoint| tracers(endpoint, resource)).transpose()?;
        subscribe(log, tracers.as_ref())?;
        sampling::trace_one_in(if tracers.is_some() { trace_one_in } else { 0 });
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        let metrics = Metrics::new(&meters.meter(SERVICE));
        Ok(Telemetry { metrics, registry, meters, tracers })
    }

    /// Reports a number that something else counts: how many round trips the store has made.
    pub fn observe_round_trips(&self, read: impl Fn() -> u64 + Send + Sync + 'static) {
        // The instrument lives as long as the provider that holds its callback.
        let _counter = self
            .meters
            .meter(SERVICE)
            .u64_observable_counter("onestop.store.round_trips")
            .with_description("Round trips to the database")
            .with_callback(move |observer| observer.observe(read(), &[]))
            .build();
    }

    /// Reports what is held in memory of persons: those of the registry, those with all they used, and the bytes of it.
    pub fn observe_persons(&self, read: impl Fn() -> [u64; 3] + Clone + Send + Sync + 'static) {
        let meter = self.meters.meter(SERVICE);
        let gauges = [
            ("onestop.persons.registered", "Persons of the registry that are in memory"),
            ("onestop.persons.recent", "Persons in memory with all that they have used"),
            ("onestop.persons.bytes", "What persons take in memory"),
        ];
        for (place, (name, description)) in gauges.into_iter().enumerate() {
            let read = read.clone();
            let _gauge = meter
                .u64_observable_gauge(name)
                .with_description(description)
                .with_callback(move |observer| {
                    observer.observe(read().get(place).copied().unwrap_or(0), &[]);
                })
                .build();
        }
    }

    /// Reports how many records of who looked at persons' data are not durable yet.
    pub fn observe_access_backlog(&self, read: impl Fn() -> u64 + Send + Sync + 'static) {
        let _gauge = self
            .meters
            .meter(SERVICE)
            .u64_observable_gauge("onestop.access.backlog")
            .with_description("Records of who looked at persons' data that are not durable yet")
            .with_callback(move |observer| observer.observe(read(), &[]))
            .build();
    }

    /// Reports what the insurance core does not have yet, where this gateway tells it, and what somebody must look at.
    pub fn observe_deliveries(&self, read: impl Fn() -> [u64; 5] + Clone + Send + Sync + 'static) {
        let meter = self.meters.meter(SERVICE);
        let gauges = [
            ("onestop.core.delivery.open", "Entries that the insurance core does not have yet"),
            (
                "onestop.core.delivery.oldest_seconds",
                "How long ago the oldest of them was recorded",
            ),
            ("onestop.core.delivery.dead", "Entries that the insurance core refused"),
            (
                "onestop.core.delivery.booked_twice",
                "Entries that the insurance core booked more than once",
            ),
            ("onestop.core.trueups.stuck", "True-ups that somebody must look at"),
        ];
        for (place, (name, description)) in gauges.into_iter().enumerate() {
            let read = read.clone();
            let _gauge = meter
                .u64_observable_gauge(name)
                .with_description(description)
                .with_callback(move |observer| {
                    observer.observe(read().get(place).copied().unwrap_or(0), &[]);
                })
                .build();
        }
    }

    /// Answers `/metrics`, and `/healthz` with whether we are serving, until dropped.
    pub async fn serve_scrape(
        &self,
        listener: TcpListener,
        serving: watch::Receiver<bool>,
    ) -> std::io::Result<()> {
        let router = axum::Router::new()
            .route("/metrics", axum::routing::get(scrape))
            .with_state(self.registry.clone())
            .route("/healthz", axum::routing::get(healthz).with_state(serving));
        axum::serve(listener, router).await
    }

    /// Sends what is left, for at most [`limits::TELEMETRY_STOP_MAX`]; a dead collector does not hold up the exit.
    pub async fn shutdown(self) {
        let Telemetry { meters, tracers, .. } = self;
        // It blocks, and on a worker it could block the very task that it waits for.
        let flushed = tokio::task::spawn_blocking(move || {
            let traced = tracers
                .map_or(Ok(()), |tracers| tracers.shutdown_with_timeout(limits::EXPORT_TIMEOUT));
            traced.and(meters.shutdown_with_timeout(limits::EXPORT_TIMEOUT))
        });
        match tokio::time::timeout(limits::TELEMETRY_STOP_MAX, flushed).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(error = %error, "Some telemetry was lost"),
            Ok(Err(_)) | Err(_) => tracing::warn!("Some telemetry was lost at the exit"),
        }
    }
}

/// Binds the scrape's address, so that a taken port is known before anything else starts.
pub async fn bind_scrape(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

async fn scrape(State(registry): State<prometheus::Registry>) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => ([(CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => {
            tracing::error!(error = %error, "Could not encode the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn healthz(State(serving): State<watch::Receiver<bool>>) -> (StatusCode, &'static str) {
    if *serving.borrow() {
        (StatusCode::OK, "serving\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not serving\n")
    }
}

fn meters(
    otlp_endpoint: Option<&str>,
    resource: Resource,
) -> Result<(prometheus::Registry, SdkMeterProvider), TelemetryError> {
    let registry = prometheus::Registry::new();
    let scrape = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false)
        .build()
        .map_err(TelemetryError::Scrape)?;
    let mut meters = SdkMeterProvider::builder().with_resource(resource).with_reader(scrape);
    if let Some(endpoint) = otlp_endpoint {
        let exporter = MetricExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(limits::EXPORT_TIMEOUT)
            .build()
            .map_err(export_to(endpoint))?;
        meters = meters.with_periodic_exporter(exporter);
    }
    Ok((registry, meters.build()))
}

fn tracers(endpoint: &str, resource: Resource) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(limits::EXPORT_TIMEOUT)
        .build()
        .map_err(export_to(endpoint))?;
    let batch = BatchConfigBuilder::default()
        .with_max_queue_size(limits::SPAN_QUEUE_MAX)
        .with_max_export_batch_size(limits::SPAN_BATCH_MAX)
        .with_scheduled_delay(Duration::from_secs(1))
        .build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batch).build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_span_processor(processor).build())
}

fn export_to(
    endpoint: &str,
) -> impl FnOnce(opentelemetry_otlp::ExporterBuildError) -> TelemetryError {
    let endpoint = endpoint.to_owned();
    move |source| TelemetryError::Export { endpoint, source }
}

fn subscribe(log: &Log, tracers: Option<&SdkTracerProvider>) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&log.filter)
        .map_err(|source| TelemetryError::Filter { filter: log.filter.clone(), source })?;
    let most = filter.max_level_hint().unwrap_or(LevelFilter::TRACE);
    let seen = Seen { most, details: LevelFilter::INFO < most, exporting: tracers.is_some() };
    sampling::show_every_call(seen.details);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let mut layers = vec![lines.with_filter(wanted(filter)).boxed()];
    if let Some(tracers) = tracers {
        let tracer = tracers.tracer(SERVICE);
        let spans = tracing_opentelemetry::layer().with_tracer(tracer);
        layers.push(spans.with_filter(sampling::Traced).boxed());
    }
    subscriber(layers, seen).try_init().map_err(TelemetryError::Twice)
}

/// A layer that is not there, or one behind no filter of its own, would want everything: each frame of each connection would become
/// a span that nobody sees. So there are only layers that are, each with its filter, and around them what says what comes to be at all.
fn subscriber(
    layers: Vec<Box<dyn Layer<Registry> + Send + Sync>>,
    seen: Seen,
) -> impl tracing::Subscriber + Send + Sync + for<'a> LookupSpan<'a> {
    tracing_subscriber::registry().with(layers).with(seen)
}

/// What lines are written of. Each stands in the span of its call, which says all that an operator asks for; what lies within a
/// call is of use to whoever wants details, and would only be formatted for nobody.
fn wanted<S>(filter: EnvFilter) -> impl Filter<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let most = filter.max_level_hint().unwrap_or(LevelFilter::TRACE);
    let details = LevelFilter::INFO < most;
    let calls = filter_fn(move |metadata| {
        may_be_shown(metadata)
            && (details || metadata.is_event() || metadata.name() == sampling::CALL)
    });
    filter.and(calls.with_max_level_hint(most))
}

/// Details are our own only, whatever the filter says: those of libraries quote what goes through them, such as the values of each
/// statement, and with them who somebody is.
fn may_be_shown(metadata: &tracing::Metadata<'_>) -> bool {
    metadata.target().starts_with(SERVICE) || *metadata.level() <= LevelFilter::INFO
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::KeyValue;
    use tracing::Subscriber as _;

    use super::*;

    #[test]
    fn the_scrape_shows_our_instruments_with_buckets_that_fit_a_settlement() {
        let resource = Resource::builder().with_service_name(SERVICE).build();
        let (registry, meters) = meters(None, resource).unwrap();
        let metrics = Metrics::new(&meters.meter(SERVICE));
        metrics.settlements.add(2, &[KeyValue::new("outcome", "settled")]);
        metrics.settle_seconds.record(0.000_2, &[KeyValue::new("outcome", "settled")]);
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for line in [
            "onestop_settlements_total{outcome=\"settled\"} 2",
            "onestop_settle_duration_seconds_bucket{outcome=\"settled\",le=\"0.0001\"} 0",
            "onestop_settle_duration_seconds_bucket{outcome=\"settled\",le=\"0.00025\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    /// The names of the spans that lines would show.
    #[derive(Clone, Default)]
    struct Shown(Arc<Mutex<Vec<&'static str>>>);

    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Shown {
        fn on_new_span(
            &self,
            span: &tracing::span::Attributes<'_>,
            _id: &tracing::span::Id,
            _context: tracing_subscriber::layer::Context<'_, S>,
        ) {
            self.0.lock().unwrap().push(span.metadata().name());
        }
    }

    #[test]
    fn what_nobody_wants_is_switched_off_where_it_stands() {
        macro_rules! place {
            ($name:literal, $target:literal, $level:ident) => {
                tracing::callsite! {
                    name: $name,
                    kind: tracing::metadata::Kind::SPAN,
                    target: $target,
                    level: tracing::Level::$level,
                    fields:
                }
            };
        }
        let places: [&'static dyn tracing::Callsite; 3] = [
            place!("call", "onestop", INFO),
            place!("settle", "onestop", INFO),
            place!("pop_frame", "h2", TRACE),
        ];
        let check = |filter: &str, expected: [bool; 3]| {
            let lines = Shown::default().with_filter(wanted(EnvFilter::new(filter))).boxed();
            let most = EnvFilter::new(filter).max_level_hint().unwrap();
            let seen = Seen { most, details: LevelFilter::INFO < most, exporting: false };
            let subscriber = subscriber(vec![lines], seen);
            let wants =
                places.map(|place| !subscriber.register_callsite(place.metadata()).is_never());
            assert_eq!(wants, expected, "{filter}");
        };
        check("warn", [false, false, false]);
        check("info", [true, false, false]);
        // The details of others may show what they carry.
        check("trace", [true, true, false]);
        check("info,h2=trace", [true, true, false]);
    }

    #[test]
    fn spans_within_a_call_are_shown_only_to_who_wants_details() {
        let check = |filter: &str, expected: &[&str]| {
            let shown = Shown::default();
            let lines = shown.clone().with_filter(wanted(EnvFilter::new(filter)));
            // With one subscriber only, what another test's thread meets first would be switched off for us too.
            let _second = tracing::Dispatch::new(tracing_subscriber::registry());
            tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
                tracing::info_span!("call").in_scope(|| tracing::info_span!("settle"));
            });
            assert_eq!(*shown.0.lock().unwrap(), expected, "{filter}");
        };
        check("info", &["call"]);
        check("debug", &["call", "settle"]);
        check("info,onestop=debug", &["call", "settle"]);
        check("warn", &[]);
    }
}
