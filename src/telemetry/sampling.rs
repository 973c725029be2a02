//! Which calls are traced: one in so many, and those whose caller traces them. A call that is not costs nothing on its way.
//!
//! It is decided once a call, before its span is made. The others' spans are not known to the exporter at all, nor is what lies
//! within them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use super::SERVICE;

/// The target of the root span of a call that is traced.
pub const TRACED: &str = "onestop::traced";

/// The name of the root span of every call.
pub(super) const CALL: &str = "call";

/// One call in so many is traced; 0: none is, nobody exports.
static ONE_IN: AtomicU32 = AtomicU32::new(0);
static CALLS: AtomicU32 = AtomicU32::new(0);

/// Whether each call has a span, traced or not: only for who wants details in the log.
static EVERY_CALL: AtomicBool = AtomicBool::new(true);

/// Gives each call a span from now on, or only those that are traced.
pub(super) fn show_every_call(every: bool) {
    EVERY_CALL.store(every, Ordering::Relaxed);
}

/// Whether a call that is not traced has a span all the same. One that has none gets it when something is to be said of it.
pub fn shows_every_call() -> bool {
    EVERY_CALL.load(Ordering::Relaxed)
}

/// Traces one call in so many from now on.
pub(super) fn trace_one_in(calls: u32) {
    ONE_IN.store(calls, Ordering::Relaxed);
}

/// Whether traces are exported at all. Only then is it worth looking who else traces a call.
pub fn is_exporting() -> bool {
    ONE_IN.load(Ordering::Relaxed) != 0
}

/// Whether this call is traced: as its caller says where it has a trace, else one in so many.
pub fn is_traced(callers_trace: Option<bool>) -> bool {
    callers_trace.unwrap_or_else(|| is_turn(ONE_IN.load(Ordering::Relaxed), &CALLS))
}

fn is_turn(one_in: u32, calls: &AtomicU32) -> bool {
    one_in != 0 && calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(one_in)
}

/// Whether a `traceparent` (W3C trace context) says that its trace is recorded; nothing where it is none.
pub fn recorded(traceparent: &str) -> Option<bool> {
    let mut parts = traceparent.splitn(4, '-');
    let (_version, _trace, _parent) = (parts.next()?, parts.next()?, parts.next()?);
    let flags = parts.next()?.get(..2)?;
    u8::from_str_radix(flags, 16).ok().map(|flags| flags & 1 == 1)
}

/// Lets the exporter see calls that are traced and what lies within them, and nothing else: spans of its own connection would be
/// exported for ever.
#[derive(Debug)]
pub(super) struct Traced;

impl Traced {
    fn may(metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(SERVICE) && *metadata.level() <= LevelFilter::INFO
    }
}

impl<S: for<'a> LookupSpan<'a> + tracing::Subscriber> Filter<S> for Traced {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        Self::may(metadata) && (metadata.target() == TRACED || context.lookup_current().is_some())
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::may(metadata) { Interest::sometimes() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

/// Lets no span come to be that nobody sees: what lies within a call only within one that is traced, or where details are wanted. The
/// filters of the layers say what each of them sees; what comes to be at all is said here.
#[derive(Debug)]
pub(super) struct Seen {
    /// The most that is logged.
    pub(super) most: LevelFilter,
    /// Whether details are logged.
    pub(super) details: bool,
    /// Whether traces are exported.
    pub(super) exporting: bool,
}

impl Seen {
    fn is_within_a_call(metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.name() != CALL
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if !super::may_be_shown(metadata) {
            return Interest::never();
        }
        let traced = self.exporting && Traced::may(metadata);
        if Self::is_within_a_call(metadata) && !self.details {
            return if traced { Interest::sometimes() } else { Interest::never() };
        }
        if *metadata.level() <= self.most || traced {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        self.details || !Self::is_within_a_call(metadata) || context.lookup_current().is_some()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(if self.exporting { self.most.max(LevelFilter::INFO) } else { self.most })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
    use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

    use super::*;

    /// All that was exported.
    #[derive(Clone, Debug, Default)]
    struct Exported(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Exported {
        async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(spans);
            Ok(())
        }
    }

    #[test]
    fn one_call_in_so_many_is_traced() {
        let calls = AtomicU32::new(0);
        let traced = |one_in, of: u32| (0..of).filter(|_| is_turn(one_in, &calls)).count();
        assert_eq!((traced(100, 300), traced(1, 7), traced(0, 50)), (3, 7, 0));
    }

    #[test]
    fn the_caller_says_whether_its_trace_is_recorded() {
        let of = |flags: &str| {
            recorded(&format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}"))
        };
        assert_eq!(
            (of("01"), of("00"), of("03"), of("02")),
            (Some(true), Some(false), Some(true), Some(false))
        );
        assert_eq!((of(""), of("zz"), recorded("00-1"), recorded("")), (None, None, None, None));
        assert!(is_traced(Some(true)) && !is_traced(Some(false)));
    }

    /// What is exported of two calls, one of them traced.
    #[test]
    fn only_traced_calls_are_exported_and_all_that_lies_within_them() {
        let exporter = Exported::default();
        let tracers = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(tracers.tracer(SERVICE));
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(Traced));
        // With one subscriber only, what another test's thread meets first would be switched off for us too.
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        tracing::subscriber::with_default(subscriber, || {
            let call = tracing::info_span!("call");
            call.in_scope(|| tracing::info_span!("settle").in_scope(|| ()));
            let traced = tracing::info_span!(target: TRACED, "traced call");
            traced.in_scope(|| {
                tracing::info_span!("decide").in_scope(|| ());
                tracing::info_span!(target: "h2", "a connection's").in_scope(|| ());
                tracing::debug_span!("detail").in_scope(|| ());
            });
        });
        let spans = exporter.0.lock().unwrap();
        let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
        assert_eq!(names, ["decide", "traced call"]);
        assert_eq!(spans[0].parent_span_id, spans[1].span_context.span_id());
    }
}
